/* SPDX-License-Identifier: MIT */
/* What the tests of lexer and parser share: a context with its tables, a source in it, and the
 * memory hook that can fail the n-th request. */
#ifndef FRONT_H
#define FRONT_H

#include "parser.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct front {
    ad_ctx *ctx;
    gr_names *names;
    gr_lexicon *lexicon;
    gr_source *source;
    gr_report report;
    gr_ast *ast;
    gr_buffer out;
    gr_parse_status status;
} front;

static inline void front_open(front *f) {
    memset(f, 0, sizeof *f);
    f->ctx = ad_new(NULL);
    f->names = gr_names_new(f->ctx);
    f->lexicon = gr_lexicon_new(f->ctx, f->names);
    gr_report_init(&f->report, f->ctx);
    gr_buffer_init(&f->out, f->ctx);
    cr_assert_not_null(f->lexicon);
}

static inline void front_reset(front *f) {
    gr_ast_free(f->ast);
    f->ast = NULL;
    gr_source_free(f->source);
    f->source = NULL;
    gr_report_clear(&f->report);
    f->out.size = 0;
}

static inline void front_close(front *f) {
    front_reset(f);
    gr_buffer_free(&f->out);
    gr_lexicon_free(f->lexicon);
    gr_names_free(f->names);
    ad_free(f->ctx);
}

static inline void front_source(front *f, const char *text, size_t size) {
    front_reset(f);
    cr_assert_eq(gr_source_new(f->ctx, "t.nn", text, size, &f->source), GR_SOURCE_OK);
}

static inline gr_parse_status front_parse_bytes(front *f, const char *text, size_t size,
                                                unsigned flags) {
    front_source(f, text, size);
    f->status = gr_parse(f->lexicon, f->source, flags, &f->report, &f->ast);
    return f->status;
}

static inline gr_parse_status front_parse(front *f, const char *text) {
    return front_parse_bytes(f, text, strlen(text), 0);
}

/* count copies of text between before and after; the caller frees it. */
static inline char *front_repeat(const char *before, const char *text, size_t count,
                                 const char *after, size_t *size) {
    size_t a = strlen(before), n = strlen(text), b = strlen(after);
    char *all = malloc(a + n * count + b + 1);
    memcpy(all, before, a);
    for (size_t i = 0; i < count; i++) memcpy(all + a + i * n, text, n);
    memcpy(all + a + n * count, after, b + 1);
    *size = a + n * count + b;
    return all;
}

#endif
