/* SPDX-License-Identifier: MIT */
/* Help on one name, and the source of a function: see help.h. */
#include "help.h"

#include "chunk.h"
#include "format.h"
#include "module.h"
#include "vm_state.h"

#include <string.h>

static void trim(const char **text, size_t *size) {
    while (*size && strchr(" \t\r\n", **text)) ++*text, --*size;
    while (*size > 1 && strchr(" \t\r\n;", (*text)[*size - 1])) --*size;
}

/* ---- values ----------------------------------------------------------------------------------- */

static gr_proto *proto_of(gr_value v) {
    if (v.kind != GR_FUNCTION || gr_as_function(v)->form != GR_FORM_CLOSURE) return NULL;
    return ((gr_closure *)v.ptr)->proto;
}

/* "∂/∂x  cos(x)", a line an operand. */
static void put_derivatives(gr_buffer *out, ad_op op) {
    const ad_row_info *row = ad_op_info(op);
    const char *name = row->signature;
    for (int k = 0; k < row->min_operands; k++) {
        char text[256];
        size_t n = strcspn(name, ",:= ");
        if (ad_derivative_text(op, k, text, sizeof text))
            gr_buffer_printf(out, "\n∂/∂%.*s  %s", (int)n, name, text);
        name += strcspn(name, ",");
        name += strspn(name, ", ");
    }
}

void gr_help_value(gr_vm *vm, gr_buffer *out, gr_value v) {
    if (v.kind == GR_FUNCTION) {
        const char *doc = gr_function_doc(vm, v);
        gr_function_text(vm, v, out);
        if (doc && *doc) gr_buffer_printf(out, "\n%s", doc);
        if (gr_as_function(v)->form == GR_FORM_OP) put_derivatives(out, gr_as_function(v)->op);
    } else {
        if (v.kind != AD_TENSOR && !gr_is_structure(v)) {
            gr_describe(vm, out, v);
            gr_buffer_puts(out, "\n");
        }
        gr_format_echo(vm, out, v, 0);
    }
    if (out->size == 0 || out->text[out->size - 1] != '\n') gr_buffer_puts(out, "\n");
}

void gr_help_variable(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    const char *doc = gr_variable_doc(vm, text, size);
    if (doc) gr_buffer_printf(out, "%s\n", doc);
}

/* ---- names ------------------------------------------------------------------------------------ */

static uint32_t slot_of(gr_vm *vm, const char *text, size_t size, bool prelude) {
    const gr_name *name = gr_intern(vm->names, text, size);
    if (!name) return UINT32_MAX;
    uint32_t slot = prelude ? UINT32_MAX : gr_module_slot(gr_main_module(vm), name);
    bool own = slot != UINT32_MAX && !gr_is_absent(vm->globals[slot].value);
    return own ? slot : gr_prelude_slot(vm, name);
}

static bool global_value(gr_vm *vm, const char *text, size_t size, bool prelude, gr_value *out) {
    uint32_t slot = slot_of(vm, text, size, prelude);
    if (slot == UINT32_MAX) return false;
    if (vm->globals[slot].flags & GR_GLOBAL_PENDING && !gr_bind_pending(vm, slot)) return false;
    *out = vm->globals[slot].value;
    return !gr_is_absent(*out);
}

static bool field_value(gr_vm *vm, gr_value record, const char *text, size_t size, gr_value *out) {
    if (record.kind != GR_RECORD) return false;
    gr_value key = gr_string_new(vm, text, size);
    if (gr_failed(key)) return false;
    const gr_value *found = gr_record_find(vm, record, gr_as_string(key));
    if (found) *out = *found;
    gr_release(vm, key);
    return found != NULL;
}

bool gr_help_lookup(gr_vm *vm, const char *text, size_t size, gr_value *out) {
    static const char word[] = "prelude.";
    bool prelude = size > sizeof word - 1 && memcmp(text, word, sizeof word - 1) == 0, ok = true;
    if (prelude) text += sizeof word - 1, size -= sizeof word - 1;
    for (size_t i = 0, n; ok && i < size; i += n + 1) {
        const char *dot = memchr(text + i, '.', size - i);
        n = dot ? (size_t)(dot - text) - i : size - i;
        ok = n > 0 && (i == 0 ? global_value(vm, text, n, prelude, out)
                              : field_value(vm, *out, text + i, n, out));
    }
    return ok && size > 0;
}

/* ---- ?name ------------------------------------------------------------------------------------ */

static void offer(void *user, const gr_entry *e) { gr_suggest_offer(user, e->name, e->name_size); }

/* There is no such name: the nearest, and what a search finds. */
static void put_unknown(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_suggestion s = gr_suggest_begin(text, size);
    gr_each_entry(vm, offer, &s);
    gr_buffer_printf(out, "There is no `%.*s`.", (int)size, text);
    if (s.best) gr_buffer_printf(out, " The nearest is `%.*s`.", (int)s.best_size, s.best);
    gr_buffer_puts(out, "\n");
    if (size < 3) return; /* nearly everything has such letters */
    gr_buffer found;
    gr_buffer_init(&found, gr_ctx(vm));
    gr_help_search(vm, &found, text, size, gr_vm_screen(vm).width);
    if (found.size && memcmp(found.text, "Nothing", 7) != 0) gr_buffer_put(out, found.text, found.size);
    gr_buffer_free(&found);
}

static void put_place(gr_buffer *out, gr_value v, const char *text, size_t size) {
    const gr_proto *p = proto_of(v);
    if (!p) return;
    gr_buffer_printf(out, "(%s:%u; `:source %.*s` shows it)\n", p->source->name,
                     gr_source_line(p->source, p->span.begin), (int)size, text);
}

static bool help_exactly(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_value v = gr_nil();
    if (!gr_help_lookup(vm, text, size, &v)) { /* a variable may have the name of a topic */
        const char *topic = gr_topic_text(text, size);
        if (topic) gr_buffer_printf(out, "%.*s\n%s\n", (int)size, text, topic);
        return topic;
    }
    gr_help_value(vm, out, v);
    gr_help_variable(vm, out, text, size);
    put_place(out, v, text, size);
    return true;
}

/* What stands in front of a call's bracket or of primes; the sign that a derivative begins with; .T */
static bool help_part(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    static const char *const signs[] = {"∂", "∇"};
    const char *bracket = memchr(text, '(', size), *dot = text + size;
    size_t n = bracket ? (size_t)(bracket - text) : size;
    while (n > 0 && text[n - 1] == '\'') n--;
    if (n > 0 && n < size && help_exactly(vm, out, text, n)) return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (size > strlen(signs[i]) && memcmp(text, signs[i], strlen(signs[i])) == 0)
            return help_exactly(vm, out, signs[i], strlen(signs[i]));
    while (dot > text && *--dot != '.') continue;
    return dot > text && gr_topic_text(dot, size - (size_t)(dot - text)) &&
           help_exactly(vm, out, dot, size - (size_t)(dot - text));
}

bool gr_help_name(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    trim(&text, &size);
    if (help_exactly(vm, out, text, size) || help_part(vm, out, text, size)) return true;
    put_unknown(vm, out, text, size);
    return false;
}

/* ---- :source ---------------------------------------------------------------------------------- */

/* Where the lines of documentation above a line begin. */
static uint32_t doc_begin(const gr_source *s, uint32_t line) {
    while (line > 1) {
        gr_span above = gr_source_line_span(s, line - 1);
        if (above.end - above.begin < 2 || memcmp(s->text + above.begin, "##", 2) != 0) break;
        line--;
    }
    return s->lines[line - 1];
}

static void put_source(gr_buffer *out, const gr_proto *p) {
    const gr_source *s = p->source;
    uint32_t line = gr_source_line(s, p->span.begin) - s->lines_before;
    gr_buffer_printf(out, "# %s:%u\n", s->name, line + s->lines_before);
    uint32_t begin = p->name ? doc_begin(s, line) : p->span.begin;
    gr_buffer_put(out, s->text + begin, p->span.end - begin);
    gr_buffer_puts(out, "\n");
}

bool gr_help_source(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_value v = gr_nil();
    trim(&text, &size);
    if (!gr_help_lookup(vm, text, size, &v)) {
        put_unknown(vm, out, text, size);
        return false;
    }
    if (proto_of(v)) {
        put_source(out, proto_of(v));
        return true;
    }
    if (v.kind == GR_FUNCTION)
        gr_buffer_printf(out, "`%.*s` is built in: its source is C. `?%.*s` tells what it does.\n",
                         (int)size, text, (int)size, text);
    else
        gr_buffer_printf(out, "`%.*s` is no function but a %s.\n", (int)size, text, gr_kind_name(v));
    return false;
}
