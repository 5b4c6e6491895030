/* SPDX-License-Identifier: MIT */
/*
 * The editor of the prompt: reads one whole statement, which may have several lines. It knows nothing
 * of the language; what it must know of a text it asks its hooks, all of which are optional.
 *
 * On a terminal that can be drawn on it is GNU readline with a display of its own; elsewhere (no
 * terminal, TERM=dumb, built --without-readline) plain lines are read until the statement is whole.
 * There can be one editor at a time, since readline has one state.
 */
#ifndef GR_EDIT_H
#define GR_EDIT_H

#include "arena.h"
#include "assist.h"

typedef struct gr_edit gr_edit;

typedef enum gr_line {
    GR_LINE_READ,
    GR_LINE_END,        /* end of the input, Ctrl-D on an empty line */
    GR_LINE_INTERRUPTED /* Ctrl-C; *out has what had been typed, which is dropped */
} gr_line;

typedef struct gr_edit_hooks {
    void *user;
    /* Does the statement need another line? */
    bool (*incomplete)(void *user, const char *text, size_t size);
    /* By how many blanks a line that begins at the cursor is indented. */
    unsigned (*indentation)(void *user, const char *text, size_t cursor);
    /* Sets classes[i] to the gr_paint of each byte; they are GR_PAINT_PLAIN before. */
    void (*paint)(void *user, const char *text, size_t size, size_t cursor, uint8_t *classes);
    /* Appends what to show dimly behind the text, one short line; true: it tells of a conflict. */
    bool (*hint)(void *user, const char *text, size_t size, gr_buffer *out);
    /* What TAB at the cursor can do. */
    void (*complete)(void *user, const char *text, size_t size, size_t cursor,
                     gr_completion *out);
} gr_edit_hooks;

typedef struct gr_edit_options {
    bool terminal;    /* standard input and output are one; else plain lines without prompts */
    bool color;
    const char *more; /* the prompt of further lines, as wide as the first line's */
} gr_edit_options;

/* NULL: memory is out. Hooks and options are copied. */
gr_edit *gr_edit_open(ad_ctx *ctx, const gr_edit_hooks *hooks, const gr_edit_options *options);
void gr_edit_close(gr_edit *edit); /* NULL is allowed */

/* Replaces *out by a statement without newline at its end. One that the input's end has cut off is
 * handed over too: it is incomplete. Ctrl-C sets the context's interrupt flag, which is left for the
 * caller to clear. */
gr_line gr_edit_read(gr_edit *edit, const char *prompt, gr_buffer *out);

/* A statement becomes the last entry of the history, now and in later sessions. */
void gr_edit_remember(gr_edit *edit, const char *statement);
/* The next statement is begun with this text, which can be edited. */
void gr_edit_prefill(gr_edit *edit, const char *text);
void gr_edit_set_color(gr_edit *edit, bool color);
/* Is it more than plain lines? */
bool gr_edit_is_live(const gr_edit *edit);
bool gr_edit_is_terminal(const gr_edit *edit);
/* Of an input that is no terminal: does a line of it begin with one of these (the last is NULL)? All of a
 * file is looked through, and of a pipe what came first, or (`wait` being false) what has come in by now. */
bool gr_edit_awaits(const char *const *beginnings, bool wait);

#endif
