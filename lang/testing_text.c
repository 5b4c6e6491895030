/* SPDX-License-Identifier: MIT */
/*
 * Finds what a file promises. Comments come from the parser, so what looks like one inside a string
 * is none. A run of `##` lines in the first column is documentation; the indented lines that follow one
 * another in it are an example if one of them has a promise, else they are prose.
 */
#include "testing_text.h"

#include <string.h>

static uint32_t line_begin(const gr_source *s, uint32_t at) {
    while (at > 0 && s->text[at - 1] != '\n') at--;
    return at;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static uint32_t skip_blanks(const gr_source *s, uint32_t at, uint32_t end) {
    while (at < end && is_blank(s->text[at])) at++;
    return at;
}

static gr_span trimmed(const gr_source *s, uint32_t begin, uint32_t end) {
    begin = skip_blanks(s, begin, end);
    while (end > begin && (is_blank(s->text[end - 1]) || s->text[end - 1] == '\r')) end--;
    return (gr_span){begin, end};
}

/* ---- examples --------------------------------------------------------------------------------- */

static bool is_documentation(const gr_source *s, gr_span comment) {
    return comment.end - comment.begin > 2 && memcmp(s->text + comment.begin, "##", 2) == 0 &&
           line_begin(s, comment.begin) == comment.begin;
}

/* Where the promise of an example begins: a `#` outside of strings, behind a blank. */
static uint32_t find_promise(const gr_source *s, uint32_t at, uint32_t end) {
    bool quoted = false;
    for (; at < end; at++) {
        char c = s->text[at];
        if (quoted && c == '\\') at++;
        else if (c == '"') quoted = !quoted;
        else if (!quoted && c == '#' && is_blank(s->text[at - 1])) return at;
    }
    return end;
}

/* Indented by two blanks more than prose is. */
static bool read_example(const gr_source *s, gr_span comment, gr_example *out) {
    uint32_t at = skip_blanks(s, comment.begin + 2, comment.end);
    if (at - comment.begin < 5) return false;
    uint32_t promise = find_promise(s, at, comment.end);
    out->code = trimmed(s, at, promise);
    out->want = promise < comment.end ? trimmed(s, promise + 1, comment.end) : (gr_span){0, 0};
    return out->code.begin < out->code.end;
}

static bool follows(const gr_source *s, gr_span before, gr_span comment) {
    return gr_source_line(s, before.begin) + 1 == gr_source_line(s, comment.begin);
}

/* Takes the example that begins with comment i, if one does; returns the comment behind it. */
static uint32_t take_example(const gr_ast *ast, uint32_t i, gr_example *all, uint32_t *count) {
    bool promised = false;
    uint32_t n = 0, from = i;
    for (; i < ast->comment_count; i++, n++) {
        gr_span comment = ast->comments[i];
        if (!is_documentation(ast->source, comment) ||
            (i > from && !follows(ast->source, ast->comments[i - 1], comment)) ||
            !read_example(ast->source, comment, &all[*count + n]))
            break;
        promised |= all[*count + n].want.begin > 0;
    }
    if (promised) *count += n;
    return i > from ? i : i + 1;
}

/* ---- output ----------------------------------------------------------------------------------- */

static bool is_output(const gr_source *s, gr_span comment) {
    return comment.end - comment.begin >= 2 && memcmp(s->text + comment.begin, "#>", 2) == 0;
}

/* Inside a statement of the top level; they are in order. */
static bool is_inside(const gr_ast *ast, uint32_t at, uint32_t *statement) {
    const gr_node_list *list = &ast->root->as.block;
    while (*statement < list->count && list->items[*statement]->span.end <= at) ++*statement;
    return *statement < list->count && list->items[*statement]->span.begin < at;
}

static void find_outputs(const gr_ast *ast, gr_promise *all, uint32_t *count) {
    const gr_source *s = ast->source;
    uint32_t statement = 0;
    for (uint32_t i = 0; i < ast->comment_count; i++) {
        gr_span comment = ast->comments[i];
        if (!is_output(s, comment)) continue;
        uint32_t begin = line_begin(s, comment.begin);
        bool own = skip_blanks(s, begin, comment.begin) == comment.begin;
        gr_promise *last = *count ? &all[*count - 1] : NULL;
        if (own && last && !last->misplaced && last->lines.end + 1 >= begin) {
            last->lines.end = comment.end;
            continue;
        }
        bool misplaced = !own || is_inside(ast, comment.begin, &statement);
        all[(*count)++] = (gr_promise){{begin, comment.end}, misplaced};
    }
}

bool gr_find_promises(gr_arena *arena, const gr_ast *ast, gr_promises *out) {
    size_t most = ast->comment_count + 1;
    gr_example *examples = gr_arena_alloc(arena, most * sizeof *examples);
    gr_promise *outputs = gr_arena_alloc(arena, most * sizeof *outputs);
    *out = (gr_promises){.examples = examples, .outputs = outputs};
    if (!examples || !outputs) return false;
    for (uint32_t i = 0; i < ast->comment_count;)
        i = take_example(ast, i, examples, &out->example_count);
    find_outputs(ast, outputs, &out->output_count);
    for (uint32_t i = 0; i < ast->root->as.block.count; i++)
        out->has_blocks |= ast->root->as.block.items[i]->kind == GR_N_TEST;
    return true;
}

/* ---- lines ------------------------------------------------------------------------------------ */

bool gr_text_line(const char *text, size_t size, size_t *at, gr_text *line) {
    if (*at >= size) return false;
    const char *end = memchr(text + *at, '\n', size - *at);
    size_t length = end ? (size_t)(end - text) - *at : size - *at;
    *line = (gr_text){text + *at, (uint32_t)length};
    *at += length + 1;
    return true;
}

void gr_promised_text(gr_buffer *out, const gr_source *source, const gr_promise *promise) {
    size_t at = promise->lines.begin;
    gr_text line;
    while (gr_text_line(source->text, promise->lines.end, &at, &line)) {
        const char *p = memchr(line.bytes, '#', line.size);
        size_t skipped = p ? (size_t)(p - line.bytes) + 2 : line.size;
        if (skipped < line.size && line.bytes[skipped] == ' ') skipped++;
        size_t length = line.size;
        if (length > skipped && line.bytes[length - 1] == '\r') length--;
        gr_buffer_put(out, line.bytes + skipped, length - skipped);
        gr_buffer_puts(out, "\n");
    }
}

void gr_put_promise(gr_buffer *out, const char *indent, size_t width, gr_text output) {
    size_t at = 0;
    gr_text line;
    while (gr_text_line(output.bytes, output.size, &at, &line)) {
        if (at > (size_t)line.size + 1) gr_buffer_puts(out, "\n");
        gr_buffer_put(out, indent, width);
        gr_buffer_puts(out, line.size ? "#> " : "#>");
        gr_buffer_put(out, line.bytes, line.size);
    }
}
