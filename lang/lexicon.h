/* SPDX-License-Identifier: MIT */
/*
 * What the files of the lexer share: the compiled expression, and the parts of the text that are
 * read by hand (numbers, strings, characters that cannot stand in a program).
 */
#ifndef GR_LEXICON_H
#define GR_LEXICON_H

#include "lexer.h"

/* A report of the lexer, or NULL while it looks ahead. */
gr_diagnostic *gr_lexer_error(gr_lexer *lexer, gr_diagnostic_id id, gr_span span,
                              const char *format, ...) GR_PRINTF(4, 5);

/* Sets the value of a GR_T_NUMBER token and reports what is not written as numbers are; may
 * lengthen the token. */
void gr_lexer_number(gr_lexer *lexer, gr_token *token);

/* A `'` that is no prime: 'text', reported. */
void gr_lexer_foreign_quote(gr_lexer *lexer, gr_token *token);

/* A character no row begins with: reported; the token becomes what its twin is, where it has one.
 */
void gr_lexer_odd(gr_lexer *lexer, gr_token *token);

/* Offset of the first byte that is not UTF-8, or size. */
size_t gr_invalid_utf8(const char *text, size_t size);

/* Encodes one code point; returns the number of bytes. */
int gr_put_utf8(uint32_t c, char out[4]);

#endif
