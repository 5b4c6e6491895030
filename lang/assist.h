/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter can say of a text that is being typed: whether it is whole, how it is
 * coloured, how it could go on, which shape it would have. Nothing here runs a program: names are
 * looked up, values are looked at, the shape rules of the op table are asked; no call is made and no
 * file of the library is bound.
 *
 * A text that begins with `:` or `?` is a command of the prompt; which there are, a table says.
 */
#ifndef GR_ASSIST_H
#define GR_ASSIST_H

#include "arena.h"
#include "gradus.h"

/* What a command takes behind its name. */
typedef enum gr_command_argument {
    GR_TAKES_NOTHING,
    GR_TAKES_EXPRESSION,
    GR_TAKES_NAME,
    GR_TAKES_FILE,
    GR_TAKES_WORDS /* one of `words`, and then one of its own words or an expression */
} gr_command_argument;

/* A table of these ends with a row of zeros. */
typedef struct gr_command_row {
    const char *name; /* ":load" */
    gr_command_argument takes;
    const char *words; /* "ast code", separated by blanks; "nan:warn|error" has words of its own; or NULL */
} gr_command_row;

typedef struct gr_assist {
    gr_vm *vm;
    const gr_command_row *commands; /* or NULL */
} gr_assist;

/* Is the text a statement of the prompt that needs another line? Commands never do. */
bool gr_is_incomplete(const gr_assist *assist, const char *text, size_t size);

/* ---- colours ---------------------------------------------------------------------------------- */

typedef enum gr_paint {
    GR_PAINT_PLAIN,
    GR_PAINT_KEYWORD,
    GR_PAINT_NUMBER,
    GR_PAINT_STRING,
    GR_PAINT_COMMENT,
    GR_PAINT_CALL,       /* a name that is called */
    GR_PAINT_DERIVATIVE, /* ∂ ∇ ' */
    GR_PAINT_COMMAND,
    GR_PAINT_WRONG,      /* a bracket without partner, a character that cannot stand there */
    GR_PAINT_PAIR,       /* the bracket at the cursor and its partner */
    GR_PAINTS
} gr_paint;

/* One class a byte of the text. */
void gr_paint_text(const gr_assist *assist, const char *text, size_t size, size_t cursor,
                   uint8_t *classes);

/* How far a line that begins at `cursor` is to be indented: blanks. */
unsigned gr_indentation(const gr_assist *assist, const char *text, size_t cursor);

/* ---- completion ------------------------------------------------------------------------------- */

typedef struct gr_candidate_row {
    const char *text, *shown; /* what is put into the text, and what a list shows of it */
} gr_candidate_row;

typedef struct gr_completion {
    gr_arena arena;
    size_t begin; /* the text from here to the cursor is what the candidates replace */
    gr_candidate_row *items; /* sorted, without duplicates */
    size_t count, room;
    const char *ending; /* appended where there is one candidate: " = ", "\"", or "" */
    const char *note;   /* a line to show, or NULL */
    bool failed;        /* memory ran out */
} gr_completion;

void gr_completion_init(gr_completion *completion, ad_ctx *ctx);
void gr_completion_free(gr_completion *completion);
void gr_complete(const gr_assist *assist, const char *text, size_t size, size_t cursor,
                 gr_completion *out);

/* ---- shapes ----------------------------------------------------------------------------------- */

/* Appends the shape that the expression would have, "→ [4, 8]", or the first conflict, and is true
 * for the latter. Nothing where nothing is known for certain. */
bool gr_shape_hint(const gr_assist *assist, const char *text, size_t size, gr_buffer *out);

#endif
