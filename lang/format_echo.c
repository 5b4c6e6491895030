/* SPDX-License-Identifier: MIT */
/*
 * What the prompt shows after an expression: more than print tells, and never more than a screen.
 * A tensor says its shape and dtype, a tracked value that it is; a structure that does not fit becomes
 * a table, one line a leaf, a function its signature and the first line of its documentation.
 */
#include "format.h"
#include "structure.h"

#include <string.h>

/* Most lines of a structure as it is, and of a table, of which the last ones if it has more; items of a
 * tuple before their number is told. */
enum { AS_IT_IS = 12, TABLE = 40, ENDS = 6, MANY = 60 };

static size_t count_lines(const gr_buffer *text) {
    size_t lines = 1;
    for (size_t i = 0; i < text->size; i++) lines += text->text[i] == '\n';
    return lines;
}

/* "   tracked, 3 operations", on a line of its own where that is too long; or nothing. */
static void put_note(gr_vm *vm, gr_buffer *out, gr_value v, const char *before, unsigned width) {
    gr_buffer note;
    gr_buffer_init(&note, gr_ctx(vm));
    gr_format_tracked(vm, &note, v);
    if (note.size > 0) {
        size_t line = out->size;
        while (line > 0 && out->text[line - 1] != '\n') line--;
        size_t shown = gr_text_width(out->text + line, out->size - line);
        bool fits = shown + strlen(before) + gr_text_width(note.text, note.size) <= width;
        gr_buffer_printf(out, "%s%s", fits ? before : "\n  ", note.text);
    }
    gr_buffer_free(&note);
}

/* ---- numbers and tensors ---------------------------------------------------------------------- */

static void put_tensor_type(gr_buffer *out, const ad_tensor *t) {
    char shape[160];
    gr_buffer_printf(out, "%s %s", ad_shape_text(t->rank, t->dims, shape, sizeof shape),
                     ad_dtype_name(t->dtype));
}

static void echo_tensor(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    gr_buffer_puts(out, "tensor ");
    put_tensor_type(out, v.tensor);
    put_note(vm, out, v, ", ", width);
    gr_buffer_puts(out, "\n");
    gr_format_tensor(out, v.tensor, GR_TENSOR_FITTED, NULL, gr_vm_screen(vm).digits, 0, width);
}

/* A tracked number with the name of its variable, which is what a derivative would be asked of. */
static void echo_number(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    const char *name = gr_tracked_name(vm, v);
    if (name) gr_buffer_printf(out, "%s = ", name);
    gr_format_fitted(vm, out, v, width);
    put_note(vm, out, v, "   ", width);
}

/* ---- tables of leaves ------------------------------------------------------------------------- */

typedef struct table {
    gr_vm *vm;
    gr_buffer *out;
    unsigned width;
    size_t paths, kinds; /* widths of the columns */
    size_t rows, leaves;
    double numbers;
    bool measuring;
} table;

static void put_kind(gr_buffer *out, gr_value leaf) {
    if (leaf.kind == AD_TENSOR) put_tensor_type(out, leaf.tensor);
    else gr_buffer_puts(out, gr_is_structure(leaf) ? "empty" : gr_kind_name(leaf));
}

static void put_column(gr_buffer *out, const gr_buffer *text, size_t width) {
    size_t shown = text->size ? gr_text_width(text->text, text->size) : 0;
    if (text->size) gr_buffer_put(out, text->text, text->size);
    if (shown < width) gr_buffer_fill(out, ' ', width - shown);
}

/* The first numbers of a tensor, as many as fit. */
static void put_first(gr_buffer *out, const ad_tensor *t, size_t room) {
    int64_t index[AD_MAX_RANK] = {0}, shown = 0;
    gr_spec spec = {.width = -1, .precision = 4, .conversion = 'g'};
    size_t before = out->size;
    for (; shown < t->size && shown < t->dims[t->rank - 1]; shown++) {
        if (out->size - before + 14 > room) break;
        index[t->rank - 1] = shown;
        gr_spec_number(out, &spec, ad_tensor_get(t, index), t->dtype == AD_F32);
        gr_buffer_puts(out, " ");
    }
    if (shown < t->size) gr_buffer_puts(out, "…");
}

static void put_content(table *t, gr_value leaf, size_t room) {
    if (leaf.kind == AD_TENSOR) put_first(t->out, leaf.tensor, room);
    else if (leaf.kind == AD_NUMBER) gr_format_fitted(t->vm, t->out, leaf, (unsigned)room);
    else gr_format_brief(t->vm, t->out, leaf, (unsigned)room);
}

static size_t width_of(const gr_buffer *b) { return b->size ? gr_text_width(b->text, b->size) : 0; }

/* A row of so many that is left out, since there are too many. */
static bool is_left_out(size_t row, size_t leaves) {
    return leaves > TABLE && row >= TABLE - ENDS - 1 && row < leaves - ENDS;
}

static void table_row(table *t, const gr_path *path, gr_value leaf) {
    if (!t->measuring && is_left_out(t->rows, t->leaves)) {
        if (t->rows++ == TABLE - ENDS - 1)
            gr_buffer_printf(t->out, "\n  … %zu more …", t->leaves - TABLE + 1);
        return;
    }
    gr_buffer place, kind;
    gr_buffer_init(&place, gr_ctx(t->vm));
    gr_buffer_init(&kind, gr_ctx(t->vm));
    gr_path_text(&place, path);
    put_kind(&kind, leaf);
    if (t->measuring) {
        bool shown = !is_left_out(t->rows, t->leaves);
        if (shown && width_of(&place) > t->paths) t->paths = width_of(&place);
        if (shown && kind.size > t->kinds) t->kinds = kind.size;
        if (leaf.kind == AD_TENSOR) t->numbers += (double)leaf.tensor->size;
        t->numbers += leaf.kind < AD_TENSOR;
    } else {
        gr_buffer_puts(t->out, "\n  ");
        put_column(t->out, &place, t->paths + 3);
        put_column(t->out, &kind, t->kinds + 3);
        size_t used = t->paths + t->kinds + 8;
        put_content(t, leaf, t->width > used + 12 ? t->width - used : 12);
        gr_buffer_trim(t->out);
    }
    t->rows++;
    gr_buffer_free(&place);
    gr_buffer_free(&kind);
}

/* Leaves are what is no structure, or an empty one, or too deep to be looked into. */
static void each_leaf(table *t, const gr_path *path, gr_value v) {
    bool tuple = v.kind == GR_TUPLE;
    size_t count = !gr_is_structure(v) ? 0 : tuple ? gr_as_tuple(v)->count : gr_record_count(v);
    if (count == 0 || path->depth >= GR_MAX_SHOWN_DEPTH) {
        table_row(t, path, v);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        gr_path here = {.up = path, .index = i, .depth = path->depth + 1,
                        .field = tuple ? NULL : gr_record_key(v, (uint32_t)i)};
        each_leaf(t, &here, tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i));
    }
}

static size_t count_leaves(gr_value v, unsigned depth) {
    bool tuple = v.kind == GR_TUPLE;
    size_t count = !gr_is_structure(v) ? 0 : tuple ? gr_as_tuple(v)->count : gr_record_count(v), leaves = 0;
    if (count == 0 || depth >= GR_MAX_SHOWN_DEPTH) return 1;
    for (size_t i = 0; i < count; i++)
        leaves += count_leaves(tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i), depth + 1);
    return leaves;
}

static void echo_table(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    table t = {.vm = vm, .out = out, .width = width, .measuring = true, .leaves = count_leaves(v, 0)};
    gr_path root = {0};
    each_leaf(&t, &root, v);
    gr_buffer_printf(out, "%s, %zu leaves, %.0f numbers", gr_kind_name(v), t.leaves, t.numbers);
    put_note(vm, out, v, ", ", width);
    t.measuring = false, t.rows = 0;
    each_leaf(&t, &root, v);
}

/* ---- everything ------------------------------------------------------------------------------- */

static void echo_structure(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    size_t before = out->size;
    if (v.kind == GR_TUPLE && gr_as_tuple(v)->count > MANY)
        gr_buffer_printf(out, "tuple of %zu\n", gr_as_tuple(v)->count);
    gr_format_fitted(vm, out, v, width);
    gr_buffer written = {.text = out->text + before, .size = out->size - before};
    size_t lines = out->failed ? 1 : count_lines(&written);
    if (lines <= AS_IT_IS) {
        put_note(vm, out, v, lines > 1 ? "\n  " : "   ", width);
        return;
    }
    out->size = before;
    echo_table(vm, out, v, width);
}

/* Bytes of the first line; where that stops within a second sentence, of the first. */
static size_t first_line(const char *doc) {
    size_t n = strcspn(doc, "\n"), end = n;
    if (!doc[n] || strchr(".:;)", doc[n - (n > 0)])) return n;
    while (end > 1 && (doc[end - 1] != ' ' || doc[end - 2] != '.')) end--;
    return end > 1 ? end - 1 : n;
}

static void echo_function(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    gr_function_text(vm, v, out);
    const char *doc = gr_function_doc(vm, v);
    if (!doc || !*doc) return;
    gr_buffer line;
    gr_buffer_init(&line, gr_ctx(vm));
    gr_buffer_printf(&line, "  %.*s", (int)first_line(doc), doc);
    gr_buffer_puts(out, "\n");
    if (line.size) gr_put_wrapped(out, line.text, line.size, width);
    gr_buffer_free(&line);
}

/* A long text by its beginning and its end; print shows it whole. */
static void echo_text(gr_vm *vm, gr_buffer *out, gr_string *text, unsigned width) {
    enum { LINES = 16, FIRST = 8, LAST = 2 };
    int64_t chars = gr_string_chars(text);
    gr_buffer end;
    if (chars <= (int64_t)LINES * width) {
        gr_format_quoted(out, text->bytes, text->length);
        return;
    }
    size_t from = gr_string_offset(vm, text, chars - (int64_t)LAST * width);
    gr_buffer_init(&end, gr_ctx(vm));
    gr_format_quoted(out, text->bytes, gr_string_offset(vm, text, (int64_t)FIRST * width));
    gr_format_quoted(&end, text->bytes + from, text->length - from);
    if (out->size && !out->failed) out->size--; /* both without the quotes in between */
    gr_buffer_puts(out, " … ");
    if (end.size) gr_buffer_put(out, end.text + 1, end.size - 1);
    gr_buffer_printf(out, "\n  string of %lld characters", (long long)chars);
    gr_buffer_free(&end);
}

void gr_format_echo(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    if (width == 0) width = gr_vm_screen(vm).width;
    switch (v.kind) {
    case AD_NUMBER: echo_number(vm, out, v, width); break;
    case AD_TENSOR: echo_tensor(vm, out, v, width); break;
    case GR_TUPLE:
    case GR_RECORD: echo_structure(vm, out, v, width); break;
    case GR_FUNCTION: echo_function(vm, out, v, width); break;
    case GR_STRING: echo_text(vm, out, gr_as_string(v), width); break;
    default: gr_format_print(vm, out, v);
    }
}
