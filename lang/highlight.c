/* SPDX-License-Identifier: MIT */
/*
 * Colours and indentation of a text that is being typed, from its tokens alone. What the colours look
 * like is the editor's business.
 */
#include "typed.h"

#include <string.h>

static gr_paint class_of(const gr_typed *t, uint32_t i) {
    const gr_typed_token *token = &t->tokens[i], *next = i + 1 < t->count ? token + 1 : NULL;
    switch (token->kind) {
    case GR_TYPED_TEXT: return GR_PAINT_STRING;
    case GR_TYPED_COMMENT: return GR_PAINT_COMMENT;
    case GR_T_NUMBER:
    case GR_T_SUPERSCRIPT: return GR_PAINT_NUMBER;
    case GR_T_PARTIAL:
    case GR_T_NABLA:
    case GR_T_PRIME: return GR_PAINT_DERIVATIVE;
    case GR_T_ERROR:
    case GR_T_FOREIGN:
    case GR_T_ODD: return GR_PAINT_WRONG;
    case GR_T_RPAREN:
    case GR_T_RBRACKET:
    case GR_T_RBRACE: return token->partner ? GR_PAINT_PLAIN : GR_PAINT_WRONG;
    case GR_T_NAME:
        return next && next->kind == GR_T_LPAREN && !next->blank_before ? GR_PAINT_CALL
                                                                         : GR_PAINT_PLAIN;
    default: return token->kind >= GR_T_FN ? GR_PAINT_KEYWORD : GR_PAINT_PLAIN;
    }
}

static void fill(uint8_t *classes, size_t shift, gr_span span, gr_paint paint) {
    memset(classes + shift + span.begin, (int)paint, span.end - span.begin);
}

/* The bracket that the cursor stands on, else the one before it. */
static void paint_pair(const gr_typed *t, size_t shift, size_t cursor, uint8_t *classes) {
    const gr_typed_token *found = NULL;
    for (uint32_t i = 0; i < t->count; i++) {
        const gr_typed_token *token = &t->tokens[i];
        if (!token->partner) continue;
        if (token->span.end + shift == cursor) found = token;
        if (token->span.begin + shift == cursor) {
            found = token;
            break;
        }
    }
    if (!found) return;
    fill(classes, shift, found->span, GR_PAINT_PAIR);
    fill(classes, shift, t->tokens[found->partner - 1].span, GR_PAINT_PAIR);
}

void gr_paint_text(const gr_assist *assist, const char *text, size_t size, size_t cursor,
                   uint8_t *classes) {
    gr_typed t;
    size_t begin, command = gr_typed_command(text, size, &begin);
    if (command) memset(classes + begin, GR_PAINT_COMMAND, command);
    size_t shift = command ? begin + command : 0;
    if (!gr_typed_scan(assist->vm, text + shift, size - shift, &t)) return;
    for (uint32_t i = 0; i < t.count; i++) {
        gr_paint paint = class_of(&t, i);
        if (paint != GR_PAINT_PLAIN) fill(classes, shift, t.tokens[i].span, paint);
    }
    paint_pair(&t, shift, cursor, classes);
    gr_typed_free(&t);
}

/* ---- indentation ------------------------------------------------------------------------------ */

static unsigned blanks_of_line(const char *text, size_t at) {
    unsigned n = 0;
    while (at > 0 && text[at - 1] != '\n') at--;
    while (text[at + n] == ' ') n++;
    return n;
}

/* A line that ends where an expression must follow goes on, a step further in. */
static bool goes_on(const gr_typed *t, uint32_t last) {
    switch (t->tokens[last].kind) {
    case GR_T_ASSIGN:
    case GR_T_UPDATE:
    case GR_T_PLUS:
    case GR_T_MINUS:
    case GR_T_STAR:
    case GR_T_SLASH:
    case GR_T_AT:
    case GR_T_PIPE: return true;
    default: return false;
    }
}

/* Only the first of several such lines is a step further in than what it goes on from. */
static unsigned step_after(const gr_typed *t, unsigned step) {
    uint32_t first = t->count - 1;
    if (!goes_on(t, first)) return 0;
    while (first > 0 && !t->tokens[first].line_start) first--;
    return first > 0 && goes_on(t, first - 1) ? 0 : step;
}

unsigned gr_indentation(const gr_assist *assist, const char *text, size_t cursor) {
    gr_typed t;
    enum { STEP = 2 };
    unsigned blanks = cursor ? blanks_of_line(text, cursor) : 0;
    if (!gr_typed_scan(assist->vm, text, cursor, &t)) return blanks;
    uint32_t open = gr_typed_open(&t, t.count);
    if (t.string_begin) blanks = 0;
    else if (open != UINT32_MAX) blanks = blanks_of_line(text, t.tokens[open].span.begin) + STEP;
    else if (t.count) blanks += step_after(&t, STEP);
    gr_typed_free(&t);
    return blanks;
}
