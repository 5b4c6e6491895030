/* SPDX-License-Identifier: MIT */
/*
 * How a birthplace is told: where, and the text of the expression there. A birth names an instruction;
 * what it was bound to is read off the source, since the compiled code does not keep it.
 */
#include "birth.h"

#include "vm_state.h"

#include <string.h>

enum { LONGEST_TEXT = 48 };

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Where an expression ends that begins there: at a comment, `;`, the bracket around it, or the line's end. */
static uint32_t value_end(const char *text, gr_span rest) {
    int depth = 0;
    bool quoted = false;
    for (uint32_t i = rest.begin; i < rest.end; i++) {
        char c = text[i];
        if (c == '"') quoted = !quoted;
        else if (quoted) i += c == '\\';
        else if (c == '#' || (c == ';' && depth == 0)) return i;
        else if (c == '(' || c == '[' || c == '{') depth++;
        else if ((c == ')' || c == ']' || c == '}') && depth-- == 0) return i;
    }
    return rest.end;
}

/* The value of an argument that is given by name. */
static gr_span argument_span(const gr_birth *at) {
    const char *text = at->source->text;
    gr_span rest = at->span;
    while (rest.begin < rest.end && !strchr("=\"([{", text[rest.begin])) rest.begin++;
    if (rest.begin + 1 >= rest.end || text[rest.begin] != '=' || text[rest.begin + 1] == '=')
        return at->span;
    bool compares = rest.begin > 0 && strchr("<>!", text[rest.begin - 1]);
    if (compares) return at->span;
    for (rest.begin++; rest.begin < rest.end && is_blank(text[rest.begin]);) rest.begin++;
    return rest;
}

/* What stands behind `name =`, all of `name += e`, or the text of the span itself. */
gr_span gr_birth_span(const gr_birth *at) {
    const char *text = at->source->text;
    if (at->argument) return argument_span(at);
    uint32_t line = gr_source_line(at->source, at->span.begin);
    gr_span rest = {at->span.end, gr_source_line_span(at->source, line).end};
    while (rest.begin < rest.end && is_blank(text[rest.begin])) rest.begin++;
    bool changed = rest.begin + 1 < rest.end && strchr("+-*/", text[rest.begin]) &&
                   text[rest.begin + 1] == '=';
    if (rest.begin < rest.end && text[rest.begin] == ':') rest.begin++;
    bool bound = rest.begin + 1 < rest.end && text[rest.begin] == '=' && text[rest.begin + 1] != '=';
    if (!bound && !changed) return at->span;
    rest.begin = changed ? at->span.begin : rest.begin + 1;
    while (rest.begin < rest.end && is_blank(text[rest.begin])) rest.begin++;
    rest.end = value_end(text, rest);
    while (rest.end > rest.begin && is_blank(text[rest.end - 1])) rest.end--;
    return rest;
}

void gr_put_code(gr_buffer *out, const gr_source *source, gr_span span) {
    const char *text = source->text + span.begin;
    size_t size = span.end - span.begin, shown = 0, cells = 0;
    for (; shown < size && text[shown] != '\n' && cells < LONGEST_TEXT; cells++) {
        shown++;
        while (shown < size && ((unsigned char)text[shown] & 0xC0) == 0x80) shown++;
    }
    gr_buffer_put(out, text, shown);
    if (shown < size) gr_buffer_puts(out, "…");
}

/* "given by `sort` at p.nn:3" */
static void put_callee(gr_buffer *out, const gr_birth *at, uint32_t line) {
    gr_buffer_printf(out, "%s%s `", *at->part ? "what was " : "", at->how);
    gr_put_code(out, at->source, at->callee);
    gr_buffer_printf(out, "` at %s:%u", at->source->name, line);
}

/* Which item of a tuple a value is; -1: not to be seen. */
static int64_t item_index(gr_value whole, gr_value v) {
    int64_t found = -1;
    if (whole.kind != GR_TUPLE || v.kind != AD_TENSOR) return -1;
    const gr_tuple *t = gr_as_tuple(whole);
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].kind != AD_TENSOR || t->items[i].tensor != v.tensor) continue;
        if (found >= 0) return -1;
        found = (int64_t)i;
    }
    return found;
}

/* "part `[0]` of `X` at p.nn:4", where a variable is taken apart. */
static bool put_part_of_name(gr_buffer *out, const gr_birth *at, uint32_t line) {
    gr_span value = gr_birth_span(at);
    const char *text = at->source->text + value.begin;
    size_t size = value.end - value.begin;
    bool name = size <= LONGEST_TEXT && gr_is_factor(text, size) && !memchr(text, '(', size);
    if (at->within || !name) return false;
    gr_buffer_printf(out, "`%.*s` at %s:%u", (int)size, text, at->source->name, line);
    return true;
}

void gr_birth_put(gr_buffer *out, const gr_birth *at, gr_value v) {
    uint32_t line = gr_source_line(at->source, at->span.begin);
    int64_t item = at->within ? item_index(at->whole, v) : -1;
    gr_buffer_puts(out, at->param ? "param, " : "");
    if (at->item) {
        gr_buffer_printf(out, "from the loop at %s:%u", at->source->name, line);
        return;
    }
    if (*at->part) gr_buffer_printf(out, "part `%s` of ", at->part);
    if (*at->part && put_part_of_name(out, at, line)) return;
    if (at->how) {
        put_callee(out, at, line);
        return;
    }
    if (item >= 0) gr_buffer_printf(out, "item %lld of ", (long long)item);
    else if (at->within) gr_buffer_puts(out, "an item of ");
    if (at->within || *at->part) gr_buffer_puts(out, "what was ");
    gr_buffer_printf(out, "%s %s:%u: ", at->argument ? "given at" : "made at", at->source->name, line);
    gr_put_code(out, at->source, gr_birth_span(at));
    for (uint32_t i = 0; i < at->later_count; i++)
        gr_buffer_printf(out, "%s %u", i ? " or" : ", or changed in line", at->later[i]);
}
