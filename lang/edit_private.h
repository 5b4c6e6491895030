/* SPDX-License-Identifier: MIT */
/* What the files of the editor share. Only edit_readline.c and edit_keys.c see readline. */
#ifndef GR_EDIT_PRIVATE_H
#define GR_EDIT_PRIVATE_H

#include "edit.h"
#include "edit_display.h"

#include <signal.h>
#include <sys/select.h>

struct gr_edit {
    ad_ctx *ctx;
    gr_edit_hooks hooks;
    gr_edit_options options;
    bool live;         /* readline, with a display of our own */
    gr_buffer prefill; /* what the next statement begins with */
    char *history;     /* path of the file, or NULL */
    size_t history_bytes;
    /* of a live editor */
    gr_display screen;
    gr_buffer out;    /* what is about to be written to the terminal */
    gr_buffer hint;
    gr_buffer paste;
    bool pasting;     /* between the marks of a bracketed paste */
    bool delivered;   /* a statement, in `line` */
    bool quiet;       /* no hint: the statement is done */
    char *line;       /* readline's; NULL: the end of the input */
};

/* Waits with this mask until there is something to read; false: a signal came instead. */
bool gr_wait_for_input(const sigset_t *waiting);

/* ---- history (edit_history.c): a file with one entry a line, newlines in it escaped ------------ */

/* Finds the file, whose folders are made, and hands out its last entries, oldest first. */
void gr_history_open(gr_edit *edit, void (*each)(gr_edit *edit, const char *statement));
/* Adds an entry to the file at once: sessions side by side keep theirs. */
void gr_history_append(gr_edit *edit, const char *statement);
void gr_history_close(gr_edit *edit);

/* ---- on readline (edit_readline.c); without it, live is never set ------------------------------ */

bool gr_live_open(gr_edit *edit);
void gr_live_close(gr_edit *edit);
gr_line gr_live_read(gr_edit *edit, const char *prompt, gr_buffer *out);
void gr_live_remember(gr_edit *edit, const char *statement);

/* What keys do (edit_keys.c). */
gr_edit *gr_live_editor(void);
void gr_bind_keys(void);
/* Takes in text as if it had been typed, newlines and all. */
void gr_take_paste(gr_edit *edit);
/* Writes `text` below the statement, which is drawn again under it. */
void gr_live_note(gr_edit *edit, const char *text, size_t size);
void gr_live_draw(gr_edit *edit);
/* Shows the statement as it stays, and goes to the line below. */
void gr_live_finish(gr_edit *edit);

/* Has a line arrived on standard input that goes on with the statement above it (edit_ahead.c)? */
bool gr_statement_goes_on(const gr_buffer *statement);

#endif
