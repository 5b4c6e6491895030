/* SPDX-License-Identifier: MIT */
/*
 * What the text of a file promises, apart from its test blocks: examples in its `##` documentation
 * and `#> ` lines, the output of the statements before them. Spans are of the file's text; nothing
 * is run here.
 */
#ifndef GR_TESTING_TEXT_H
#define GR_TESTING_TEXT_H

#include "ast.h"

/* One indented line of documentation: `code  # want`. Lines without a promise (want.begin == 0) make
 * ready for the next one of their block. */
typedef struct gr_example {
    gr_span code, want;
} gr_example;

/* Lines `#> text` that follow one another; the span is that of their lines, the last newline aside. */
typedef struct gr_promise {
    gr_span lines;
    bool misplaced; /* behind code, or inside a statement */
} gr_promise;

typedef struct gr_promises {
    const gr_example *examples;
    const gr_promise *outputs;
    uint32_t example_count, output_count;
    bool has_blocks; /* a `test` at the top level */
} gr_promises;

/* Takes its memory from the arena. False: there is none. */
bool gr_find_promises(gr_arena *arena, const gr_ast *ast, gr_promises *out);

/* The k-th line of a text, without its end; false behind the last one. */
bool gr_text_line(const char *text, size_t size, size_t *at, gr_text *line);
/* The text that a promise stands for: its lines without `#> `. */
void gr_promised_text(gr_buffer *out, const gr_source *source, const gr_promise *promise);
/* Appends output as `#> ` lines with the given indentation, without a newline at the end. */
void gr_put_promise(gr_buffer *out, const char *indent, size_t width, gr_text output);

#endif
