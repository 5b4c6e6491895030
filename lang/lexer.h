/* SPDX-License-Identifier: MIT */
/*
 * Text to tokens, one at a time, when the parser asks for it. A token is a kind and a span; a name
 * brings its interned name, a number its value. Blanks, comments and newlines are not tokens: each
 * token knows whether blanks or a newline stood before it, and the parser, who knows the innermost
 * bracket, says whether newlines count. A string is handed over in pieces (gr_lexer_string), since
 * what stands between braces in it is for the parser.
 *
 * The rows of tokens.def are one anchored PCRE2 expression, compiled once into a gr_lexicon.
 */
#ifndef GR_LEXER_H
#define GR_LEXER_H

#include "diagnostic.h"
#include "names.h"
#include "source.h"

typedef enum gr_token_kind {
    GR_T_END,   /* of the source */
    GR_T_ERROR, /* something that was reported */
#define GR_TOKEN(kind, pattern, shown) GR_T_##kind,
#define GR_WORD(kind, text) GR_T_##kind,
#include "tokens.def"
#undef GR_TOKEN
#undef GR_WORD
    GR_TOKEN_KINDS
} gr_token_kind;

typedef struct gr_token {
    uint8_t kind;        /* gr_token_kind */
    bool blank_before;   /* blanks, a comment, a newline, or the beginning of the source */
    bool newline_before; /* a newline, where the parser said that they count */
    bool line_start;     /* a newline, whether it counts or not */
    bool blank_after;    /* GR_T_MINUS: a blank or a newline follows */
    bool raw, triple;    /* GR_T_QUOTE (of both kinds of string): what stands behind it is text */
    gr_span span;
    union {
        const gr_name *name; /* GR_T_NAME and keywords */
        double number;       /* GR_T_NUMBER; GR_T_SUPERSCRIPT, with its sign */
    };
} gr_token;

/* The compiled expression, shared by all lexers of an interpreter. */
typedef struct gr_lexicon gr_lexicon;

gr_lexicon *gr_lexicon_new(ad_ctx *ctx, gr_names *names); /* NULL when memory is out */
void gr_lexicon_free(gr_lexicon *lexicon);                /* NULL is allowed */
ad_ctx *gr_lexicon_ctx(const gr_lexicon *lexicon);
gr_names *gr_lexicon_names(const gr_lexicon *lexicon);

typedef struct gr_lexer {
    gr_lexicon *lexicon;
    const gr_source *source;
    gr_report *report;
    uint32_t at;      /* where the next token is looked for */
    uint32_t end;     /* of the text: the whole source, or less in a hint that is tried out */
    uint8_t previous; /* kind of the last token, for primes */
    bool quiet;       /* looking ahead: neither report nor remember comments */
    bool one_line;    /* inside the braces of a string that must end on its line */
    bool shebang;
    gr_span *comments;
    uint32_t comment_count, comment_room;
} gr_lexer;

/* Checks the source's UTF-8 (false: reported), skips BOM and #! line. */
bool gr_lexer_init(gr_lexer *lexer, gr_lexicon *lexicon, const gr_source *source,
                   gr_report *report);
void gr_lexer_free(gr_lexer *lexer);

gr_token gr_lexer_next(gr_lexer *lexer, bool newlines);

/* What ended a piece of string. */
typedef enum gr_piece_end {
    GR_PIECE_QUOTE,  /* the closing quotes: behind them now */
    GR_PIECE_BRACE,  /* `{`: behind it now */
    GR_PIECE_BROKEN, /* reported, or (triple) the end of the source */
} gr_piece_end;

/* After a GR_T_QUOTE token, or behind the `}` of an interpolation: the text up to the closing
 * quotes or the next `{`, with escapes replaced, appended to out. */
gr_piece_end gr_lexer_string(gr_lexer *lexer, const gr_token *quote, gr_buffer *out);

/* Behind the `:` of an interpolation: the format up to `}`, which is passed. False: reported. */
bool gr_lexer_format(gr_lexer *lexer, gr_buffer *out);

const char *gr_token_kind_name(gr_token_kind kind); /* "LPAREN", for --dump */
const char *gr_token_shown(gr_token_kind kind);     /* "`(`", for messages */

/* One token a line. Returns false where the text has errors (reported). */
bool gr_dump_tokens(gr_buffer *out, gr_lexicon *lexicon, const gr_source *source,
                    gr_report *report);

#endif
