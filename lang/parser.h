/* SPDX-License-Identifier: MIT */
/*
 * Source text to syntax tree. Mistakes go into a report, several of them in one run: after one, the
 * parser goes on at the next statement that begins plausibly.
 */
#ifndef GR_PARSER_H
#define GR_PARSER_H

#include "ast.h"
#include "diagnostic.h"
#include "lexer.h"

typedef enum gr_parse_status {
    GR_PARSE_OK,
    GR_PARSE_ERROR,      /* the report says what is wrong; no tree */
    GR_PARSE_INCOMPLETE, /* GR_PARSE_PROMPT only: another line is needed; no tree, no report */
} gr_parse_status;

enum {
    GR_PARSE_PROMPT = 1, /* an input of the prompt: may be incomplete; |> at its start means ans */
};

/* Most syntax errors reported of one source. */
#define GR_MAX_SYNTAX_ERRORS 20

/* Where *out is set (GR_PARSE_OK only) the caller frees it with gr_ast_free. When memory runs out
 * the status is GR_PARSE_ERROR and report->out_of_memory is set. */
gr_parse_status gr_parse(gr_lexicon *lexicon, const gr_source *source, unsigned flags,
                         gr_report *report, gr_ast **out);

/* Whether a text parses as a program of its own; nothing is reported. */
bool gr_text_parses(gr_lexicon *lexicon, const char *text, size_t size);

#endif
