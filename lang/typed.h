/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a text that is being typed, for those who colour and complete it: also of one that is
 * unfinished or wrong. Text of strings and comments are tokens here.
 */
#ifndef GR_TYPED_H
#define GR_TYPED_H

#include "assist.h"
#include "lexer.h"

enum {
    GR_TYPED_TEXT = GR_TOKEN_KINDS, /* of a string, its quotes and the braces in it */
    GR_TYPED_COMMENT
};

typedef struct gr_typed_token {
    uint8_t kind; /* gr_token_kind, or one of the above */
    bool blank_before, line_start;
    gr_span span;
    uint32_t partner; /* of a bracket: index + 1 of the other one, or 0 */
} gr_typed_token;

typedef struct gr_typed {
    ad_ctx *ctx;
    gr_source *source;
    gr_report report;
    gr_typed_token *tokens;
    uint32_t count, room;
    uint32_t string_begin; /* where the text ends in a string: the beginning of its text + 1 */
    bool raw_string;
    bool triple_string;
    bool in_comment; /* the text ends in a comment */
} gr_typed;

/* False, with nothing to free: the text is not UTF-8, or memory is out. */
bool gr_typed_scan(gr_vm *vm, const char *text, size_t size, gr_typed *out);
void gr_typed_free(gr_typed *typed);

/* A command of the prompt: the length of its word (":load", "?", "??"), or 0. `begin` is where it
 * begins. */
size_t gr_typed_command(const char *text, size_t size, size_t *begin);

static inline bool gr_opens(uint8_t kind) {
    return kind == GR_T_LPAREN || kind == GR_T_LBRACKET || kind == GR_T_LBRACE;
}
static inline bool gr_closes(uint8_t kind) {
    return kind == GR_T_RPAREN || kind == GR_T_RBRACKET || kind == GR_T_RBRACE;
}
/* Index of the innermost bracket that is open behind the first `count` tokens, or UINT32_MAX. */
uint32_t gr_typed_open(const gr_typed *typed, uint32_t count);

#endif
