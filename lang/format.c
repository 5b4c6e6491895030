/* SPDX-License-Identifier: MIT */
/*
 * Values of every kind to text, see format.h. A structure is rendered from its leaves upwards: the
 * texts of the items are made first, then set on one line if that is short enough, else one below
 * the other. Recursion ends at GR_MAX_SHOWN_DEPTH levels.
 */
#include "format.h"
#include "picture.h"

#include <stdio.h>
#include <string.h>

/* Of a tuple or record with more items the middle is left out; inside others sooner. */
enum { MANY = 1000, MANY_INSIDE = 60, ENDS = 10 };

typedef enum { SHOWN, EXACT } purpose;

typedef struct shower {
    gr_vm *vm;
    purpose purpose;
    const gr_spec *spec;
    unsigned width;
    unsigned digits; /* most of a number; 0: all, and eight in a tensor */
    size_t many;    /* items of the outermost structure before the middle is left out */
    bool color;
    bool unwritable; /* EXACT: something has no source */
    gr_value misfit; /* what the format did not fit; absent while all is well */
} shower;

/* ---- strings ---------------------------------------------------------------------------------- */

static void put_escaped(gr_buffer *out, unsigned char c) {
    switch (c) {
    case '\n': gr_buffer_puts(out, "\\n"); break;
    case '\t': gr_buffer_puts(out, "\\t"); break;
    case '"': gr_buffer_puts(out, "\\\""); break;
    case '\\': gr_buffer_puts(out, "\\\\"); break;
    case '{': gr_buffer_puts(out, "\\{"); break;
    default: gr_buffer_printf(out, "\\u{%X}", c);
    }
}

void gr_format_quoted(gr_buffer *out, const char *bytes, size_t length) {
    gr_buffer_puts(out, "\"");
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= ' ' && c != '"' && c != '\\' && c != '{' && c != 127) continue;
        gr_buffer_put(out, bytes + plain, i - plain);
        put_escaped(out, c);
        plain = i + 1;
    }
    gr_buffer_put(out, bytes + plain, length - plain);
    gr_buffer_puts(out, "\"");
}

static bool is_word(const gr_string *s) {
    if (s->length == 0 || (s->bytes[0] >= '0' && s->bytes[0] <= '9')) return false;
    for (size_t i = 0; i < s->length; i++) {
        unsigned char c = (unsigned char)s->bytes[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c < 0x80) return false;
    }
    return true;
}

/* ---- single values ---------------------------------------------------------------------------- */

static void put_rounded(gr_buffer *out, double x, unsigned digits) {
    char text[32];
    size_t n = gr_number_rounded(x, digits, false, text);
    gr_buffer_put(out, text, n);
}

static void put_number(gr_buffer *out, double x) { put_rounded(out, x, 0); }

static void put_range(gr_buffer *out, const gr_range *r) {
    put_number(out, r->low);
    gr_buffer_puts(out, "..");
    put_number(out, r->high);
    if (r->step == 1) return;
    gr_buffer_puts(out, " by ");
    put_number(out, r->step);
}

static void put_function(shower *s, gr_buffer *out, gr_value v) {
    s->unwritable = true;
    gr_function_text(s->vm, v, out);
}

/* Whole where it stands alone; inside of something it is told. */
static void put_picture(shower *s, gr_buffer *out, const gr_picture *p, int depth) {
    s->unwritable = true;
    if (depth > 0 || s->purpose == EXACT)
        gr_buffer_printf(out, "a picture of %zu × %zu", p->width, p->height);
    else
        gr_picture_put(out, p, s->color);
}

static void put_spec(shower *s, gr_buffer *out, gr_value v) {
    if (gr_is(v, GR_STRING) && !gr_spec_is_numeric(s->spec)) {
        gr_spec_text(out, s->spec, gr_as_string(v)->bytes, gr_as_string(v)->length);
        return;
    }
    if (gr_is_number(v) && gr_spec_number(out, s->spec, v.num, false)) return;
    if (!gr_is_number(v) && !gr_spec_is_numeric(s->spec)) {
        gr_buffer plain;
        gr_buffer_init(&plain, gr_ctx(s->vm));
        gr_format_value(s->vm, &plain, v, NULL);
        gr_spec_text(out, s->spec, plain.text ? plain.text : "", plain.size);
        gr_buffer_free(&plain);
        return;
    }
    if (gr_is_absent(s->misfit)) s->misfit = v;
}

static void put_tensor(shower *s, gr_buffer *out, gr_value v, unsigned indent) {
    gr_tensor_style style = s->purpose == EXACT ? GR_TENSOR_SOURCE : GR_TENSOR_ALIGNED;
    const char *close = "";
    unsigned dtype = v.tensor->dtype;
    if (s->purpose == EXACT && (dtype == AD_F32 || ad_default_dtype(gr_ctx(s->vm)) == AD_F32) &&
        dtype != AD_BOOL8)
        gr_buffer_printf(out, "%s(", ad_dtype_name(dtype)), close = ")";
    if (!gr_format_tensor(out, v.tensor, style, s->spec, s->digits, indent, s->width) &&
        gr_is_absent(s->misfit))
        s->misfit = v;
    gr_buffer_puts(out, close);
}

static void put_atom(shower *s, gr_buffer *out, gr_value v, unsigned indent, int depth) {
    if (gr_is(v, AD_TENSOR)) {
        put_tensor(s, out, v, indent);
    } else if (s->spec && (depth == 0 || gr_is_number(v))) {
        put_spec(s, out, v);
    } else {
        switch (v.kind) {
        case AD_NUMBER: put_rounded(out, v.num, s->digits); break;
        case AD_BOOL: gr_buffer_puts(out, v.num != 0 ? "true" : "false"); break;
        case GR_STRING:
            gr_format_quoted(out, gr_as_string(v)->bytes, gr_as_string(v)->length);
            break;
        case GR_FUNCTION: put_function(s, out, v); break;
        case GR_RANGE: put_range(out, gr_as_range(v)); break;
        case GR_PICTURE: put_picture(s, out, gr_as_picture(v), depth); break;
        default: gr_buffer_puts(out, "nil");
        }
    }
}

/* ---- structures ------------------------------------------------------------------------------- */

/* `lead`: columns that the line has before it, behind the indentation. */
static void put_value(shower *s, gr_buffer *out, gr_value v, unsigned indent, unsigned lead,
                      int depth);

/* The texts of the items one after another, with where each ends. */
typedef struct pieces {
    gr_buffer text;
    size_t *ends;
    size_t count, room, left_out; /* left_out: items missing after the first ENDS */
    bool broken;                  /* one of them has several lines */
    size_t longest;
} pieces;

static size_t item_count(gr_value v) {
    return v.kind == GR_TUPLE ? gr_as_tuple(v)->count : gr_record_count(v);
}

static void put_item(shower *s, gr_buffer *out, gr_value v, size_t i, unsigned indent, int depth) {
    size_t before = out->size;
    if (v.kind == GR_TUPLE) {
        put_value(s, out, gr_as_tuple(v)->items[i], indent, 0, depth);
        return;
    }
    gr_string *key = gr_record_key(v, (uint32_t)i);
    if (is_word(key))
        gr_buffer_put(out, key->bytes, key->length);
    else
        gr_format_quoted(out, key->bytes, key->length);
    gr_buffer_puts(out, ": ");
    unsigned lead = (unsigned)gr_text_width(out->text + before, out->size - before);
    put_value(s, out, gr_record_value(v, (uint32_t)i), indent, lead, depth);
}

static bool make_pieces(shower *s, pieces *p, gr_value v, unsigned indent, int depth) {
    ad_ctx *ctx = gr_ctx(s->vm);
    size_t count = item_count(v);
    *p = (pieces){.count = count, .room = count + 1};
    gr_buffer_init(&p->text, ctx);
    if (s->purpose == SHOWN && count > (depth ? MANY_INSIDE : s->many)) p->left_out = count - 2 * ENDS;
    p->count -= p->left_out;
    p->ends = ad_mem_get(ctx, p->room * sizeof *p->ends);
    if (!p->ends) return false;
    for (size_t k = 0; k < p->count; k++) {
        size_t start = p->text.size, i = p->left_out && k >= ENDS ? k + p->left_out : k;
        put_item(s, &p->text, v, i, indent + 2, depth + 1);
        p->ends[k] = p->text.size;
        size_t length = p->text.size - start;
        if (length == 0) continue;
        p->broken |= memchr(p->text.text + start, '\n', length) != NULL;
        size_t shown = gr_text_width(p->text.text + start, length);
        if (shown > p->longest) p->longest = shown;
    }
    return true;
}

static void put_piece(const pieces *p, gr_buffer *out, size_t k) {
    size_t from = k ? p->ends[k - 1] : 0;
    if (p->ends[k] > from) gr_buffer_put(out, p->text.text + from, p->ends[k] - from);
}

static void put_gap(const pieces *p, gr_buffer *out, size_t k) {
    if (p->left_out && k == ENDS) gr_buffer_printf(out, "… %zu more …, ", p->left_out);
}

static void put_on_one_line(const pieces *p, gr_buffer *out) {
    for (size_t k = 0; k < p->count; k++) {
        if (k) gr_buffer_puts(out, ", ");
        put_gap(p, out, k);
        put_piece(p, out, k);
    }
}

/* Short items of a tuple, as many on a line as fit. */
static void put_filled(const pieces *p, gr_buffer *out, unsigned indent, unsigned width) {
    size_t at = indent + 1;
    for (size_t k = 0; k < p->count; k++) {
        size_t from = k ? p->ends[k - 1] : 0;
        size_t length = gr_text_width(p->text.text + from, p->ends[k] - from) + 2;
        if (p->left_out && k == ENDS) length += 24;
        if (k && at + length > width) {
            gr_buffer_puts(out, ",\n");
            gr_buffer_fill(out, ' ', indent + 1);
            at = indent + 1;
        } else if (k) {
            gr_buffer_puts(out, ", ");
        }
        put_gap(p, out, k);
        put_piece(p, out, k);
        at += length;
    }
}

static void put_below(const pieces *p, gr_buffer *out, unsigned indent) {
    for (size_t k = 0; k < p->count; k++) {
        gr_buffer_puts(out, k ? ",\n" : "\n");
        gr_buffer_fill(out, ' ', indent + 2);
        put_gap(p, out, k);
        put_piece(p, out, k);
    }
    gr_buffer_puts(out, "\n");
    gr_buffer_fill(out, ' ', indent);
}

/* Fields whose names a literal cannot write are set one by one. */
static bool has_awkward_names(gr_value v) {
    for (uint32_t i = 0; v.kind == GR_RECORD && i < gr_record_count(v); i++) {
        const gr_string *key = gr_record_key(v, i);
        if (!is_word(key)) return true;
        for (size_t k = 0; k < key->length; k++)
            if ((unsigned char)key->bytes[k] >= 0x80) return true; /* perhaps no letter, or not NFC */
    }
    return false;
}

static void put_assignments(shower *s, gr_buffer *out, gr_value v, int depth) {
    gr_buffer_puts(out, "(fn() { let r = {}; ");
    for (uint32_t i = 0; i < gr_record_count(v); i++) {
        const gr_string *key = gr_record_key(v, i);
        gr_buffer_puts(out, "r[");
        gr_format_quoted(out, key->bytes, key->length);
        gr_buffer_puts(out, "] = ");
        put_value(s, out, gr_record_value(v, i), 0, 0, depth + 1);
        gr_buffer_puts(out, "; ");
    }
    gr_buffer_puts(out, "r })()");
}

static void put_structure(shower *s, gr_buffer *out, gr_value v, unsigned indent, unsigned lead,
                          int depth) {
    pieces p;
    if (s->purpose == EXACT && has_awkward_names(v)) {
        put_assignments(s, out, v, depth);
        return;
    }
    if (!make_pieces(s, &p, v, indent, depth)) {
        out->failed = true;
        return;
    }
    bool tuple = v.kind == GR_TUPLE;
    size_t length = gr_text_width(p.text.text ? p.text.text : "", p.text.size) + 2 * p.count;
    gr_buffer_puts(out, tuple ? "(" : "{");
    if (s->purpose == EXACT || (!p.broken && indent + lead + length <= s->width))
        put_on_one_line(&p, out);
    else if (tuple && !p.broken && p.longest <= 24)
        put_filled(&p, out, indent + lead, s->width);
    else
        put_below(&p, out, indent);
    gr_buffer_puts(out, tuple ? (p.count == 1 ? ",)" : ")") : "}");
    out->failed |= p.text.failed;
    gr_buffer_free(&p.text);
    ad_mem_put(gr_ctx(s->vm), p.ends, p.room * sizeof *p.ends);
}

static void put_value(shower *s, gr_buffer *out, gr_value v, unsigned indent, unsigned lead,
                      int depth) {
    if (!gr_is_structure(v))
        put_atom(s, out, v, indent + lead, depth);
    else if (depth >= (s->purpose == EXACT ? GR_MAX_WRITTEN_DEPTH : GR_MAX_SHOWN_DEPTH))
        gr_buffer_puts(out, "…"), s->unwritable = true;
    else
        put_structure(s, out, v, indent, lead, depth);
}

/* ---- the doors -------------------------------------------------------------------------------- */

static bool raise_format(gr_vm *vm, const char *format, gr_value misfit) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    bool number = gr_is(misfit, AD_NUMBER) || gr_is(misfit, AD_TENSOR);
    if (gr_is(misfit, AD_NUMBER)) put_number(&text, misfit.num);
    else gr_describe(vm, &text, misfit);
    gr_raise(vm, GR_E_bad_format, "the format `%s` is for %s; this is %s", format,
             number ? "whole numbers" : "numbers", text.text ? text.text : "");
    gr_buffer_free(&text);
    return false;
}

bool gr_format_value(gr_vm *vm, gr_buffer *out, gr_value v, const char *format) {
    gr_spec spec;
    if (!format && gr_is(v, GR_STRING)) {
        gr_buffer_put(out, gr_as_string(v)->bytes, gr_as_string(v)->length);
        return true;
    }
    shower s = {.vm = vm, .purpose = SHOWN, .width = GR_LINE_WIDTH, .many = MANY, .misfit = gr_absent()};
    if (format) {
        const char *complaint = gr_spec_parse(format, &spec);
        if (complaint) {
            gr_diagnostic *d = gr_raise(vm, GR_E_bad_format, "`%s` is not a format", format);
            gr_diag_note(d, "%s", complaint);
            return false;
        }
        s.spec = &spec;
    }
    put_value(&s, out, v, 0, 0, 0);
    return gr_is_absent(s.misfit) || raise_format(vm, format, s.misfit);
}

void gr_format_print(gr_vm *vm, gr_buffer *out, gr_value v) {
    gr_screen screen = gr_vm_screen(vm);
    if (gr_is(v, GR_STRING)) {
        gr_buffer_put(out, gr_as_string(v)->bytes, gr_as_string(v)->length);
        return;
    }
    shower s = {.vm = vm, .purpose = SHOWN, .width = screen.width, .many = MANY,
                .color = screen.color, .misfit = gr_absent()};
    put_value(&s, out, v, 0, 0, 0);
}

void gr_format_fitted(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    shower s = {.vm = vm, .purpose = SHOWN, .width = width, .many = MANY_INSIDE,
                .digits = gr_vm_screen(vm).digits, .misfit = gr_absent()};
    put_value(&s, out, v, 0, 0, 0);
}

bool gr_format_source(gr_vm *vm, gr_buffer *out, gr_value v) {
    shower s = {.vm = vm, .purpose = EXACT, .width = GR_LINE_WIDTH, .many = MANY, .misfit = gr_absent()};
    put_value(&s, out, v, 0, 0, 0);
    return !s.unwritable;
}

void gr_format_brief(gr_vm *vm, gr_buffer *out, gr_value v, unsigned room) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    shower s = {.vm = vm, .purpose = SHOWN, .width = room, .many = MANY, .misfit = gr_absent()};
    size_t shown = 0, i = 0, most = 64 * (size_t)room;
    bool cut = v.kind == GR_STRING && gr_as_string(v)->length > most; /* of which little will be seen */
    if (cut) gr_format_quoted(&text, gr_as_string(v)->bytes, most);
    else put_value(&s, &text, v, 0, 0, 0);
    bool blank = false;
    for (; i < text.size && shown < room; i++) {
        char c = text.text[i];
        if (c == '\n' || c == ' ') {
            blank = true;
            continue;
        }
        if (blank && shown > 0) gr_buffer_puts(out, " ");
        blank = false;
        gr_buffer_put(out, &c, 1);
        shown += (c & 0xc0) != 0x80;
    }
    while (i < text.size && (text.text[i] & 0xc0) == 0x80) gr_buffer_put(out, &text.text[i++], 1);
    if (i < text.size || cut) gr_buffer_puts(out, " …");
    gr_buffer_free(&text);
}

void gr_describe(gr_vm *vm, gr_buffer *out, gr_value v) {
    char shape[160];
    (void)vm;
    switch (v.kind) {
    case GR_NIL:
    case GR_ABSENT: gr_buffer_puts(out, "nil"); break;
    case AD_TENSOR:
        ad_shape_text(v.tensor->rank, v.tensor->dims, shape, sizeof shape);
        gr_buffer_printf(out, "a tensor %s", shape);
        break;
    case GR_TUPLE: gr_buffer_printf(out, "a tuple of %zu", gr_as_tuple(v)->count); break;
    default: gr_buffer_printf(out, "a %s", gr_kind_name(v));
    }
}

void gr_describe_short(gr_vm *vm, gr_buffer *out, gr_value v) {
    char shape[160];
    if (v.kind != AD_TENSOR) {
        gr_describe(vm, out, v);
        return;
    }
    ad_shape_text(v.tensor->rank, v.tensor->dims, shape, sizeof shape);
    gr_buffer_puts(out, shape);
}
