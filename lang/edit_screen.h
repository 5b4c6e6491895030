/* SPDX-License-Identifier: MIT */
/*
 * What the editor shows: a prompt, a text of several lines, a dim hint, and the cursor, wrapped to the
 * window and coloured. A screen remembers the rows that it has drawn, so that only those that
 * changed are written again. It knows nothing of keys.
 *
 * Widths are those of utf8proc: wide characters take two columns, combining ones none. The sequences
 * are the few that every terminal understands which is not dumb.
 */
#ifndef GR_EDIT_SCREEN_H
#define GR_EDIT_SCREEN_H

#include "arena.h"

typedef struct gr_frame {
    const char *prompt, *more; /* of the first and of further lines */
    const char *text;
    size_t size, cursor;    /* bytes */
    const uint8_t *classes; /* a gr_paint for each byte, or NULL */
    const char *hint;       /* behind the text where there is room, or NULL */
    bool conflict;          /* the hint is a warning */
    bool color;
} gr_frame;

typedef struct gr_row {
    size_t begin, end; /* in the rows' text */
    unsigned columns;
} gr_row;

typedef struct gr_rows {
    gr_buffer text;
    gr_row *items;
    uint32_t count, room;
    uint32_t cursor_row;
    unsigned cursor_column;
} gr_rows;

typedef struct gr_screen {
    ad_ctx *ctx;
    unsigned width, height;
    gr_rows drawn;   /* what the window shows */
    uint32_t at;     /* the row of the window that the terminal's cursor is in */
    uint32_t top;    /* the first row of the text that is shown */
} gr_screen;

void gr_screen_init(gr_screen *screen, ad_ctx *ctx);
void gr_screen_free(gr_screen *screen);

/* Nothing of what is on the terminal is ours: the next drawing begins where its cursor is. */
void gr_screen_forget(gr_screen *screen);
/* Appends to `out` what makes the terminal show the frame. */
void gr_screen_draw(gr_screen *screen, const gr_frame *frame, gr_buffer *out);
/* Shows the whole frame, also what did not fit into the window, and goes to the line below. */
void gr_screen_finish(gr_screen *screen, const gr_frame *frame, gr_buffer *out);
/* Goes to the line below what is drawn, which stays, so that something else can be written. */
void gr_screen_leave(gr_screen *screen, gr_buffer *out);
/* The window has another size: goes to where the drawing begins and clears from there. */
void gr_screen_resize(gr_screen *screen, unsigned width, unsigned height, gr_buffer *out);

/* Columns of a text without control characters. */
unsigned gr_text_columns(const char *text, size_t size);

#endif
