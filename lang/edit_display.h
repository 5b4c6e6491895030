/* SPDX-License-Identifier: MIT */
/*
 * What the editor shows: a prompt, a text of several lines, a dim hint, and the cursor, wrapped to the
 * window and coloured. A screen remembers the rows that it has drawn, so that only those that
 * changed are written again. It knows nothing of keys.
 *
 * Widths are those of utf8proc: wide characters take two columns, combining ones none. The sequences
 * are the few that every terminal understands which is not dumb.
 */
#ifndef GR_EDIT_DISPLAY_H
#define GR_EDIT_DISPLAY_H

#include "arena.h"

typedef struct gr_drawing {
    const char *prompt, *more; /* of the first and of further lines */
    const char *text;
    size_t size, cursor;    /* bytes */
    const uint8_t *classes; /* a gr_paint for each byte, or NULL */
    const char *hint;       /* behind the text where there is room, or NULL */
    bool conflict;          /* the hint is a warning */
    bool color;
} gr_drawing;

typedef struct gr_display_row {
    size_t begin, end; /* in the rows' text */
    unsigned columns;
} gr_display_row;

typedef struct gr_display_rows {
    gr_buffer text;
    gr_display_row *items;
    uint32_t count, room;
    uint32_t cursor_row;
    unsigned cursor_column;
} gr_display_rows;

typedef struct gr_display {
    ad_ctx *ctx;
    unsigned width, height;
    gr_display_rows drawn;   /* what the window shows */
    uint32_t at;     /* the row of the window that the terminal's cursor is in */
    uint32_t top;    /* the first row of the text that is shown */
} gr_display;

void gr_display_init(gr_display *screen, ad_ctx *ctx);
void gr_display_free(gr_display *screen);

/* Nothing of what is on the terminal is ours: the next drawing begins where its cursor is. */
void gr_display_forget(gr_display *screen);
/* Appends to `out` what makes the terminal show the frame. */
void gr_display_draw(gr_display *screen, const gr_drawing *frame, gr_buffer *out);
/* Shows the whole frame, also what did not fit into the window, and goes to the line below. */
void gr_display_finish(gr_display *screen, const gr_drawing *frame, gr_buffer *out);
/* Goes to the line below what is drawn, which stays, so that something else can be written. */
void gr_display_leave(gr_display *screen, gr_buffer *out);
/* The window has another size: goes to where the drawing begins and clears from there. */
void gr_display_resize(gr_display *screen, unsigned width, unsigned height, gr_buffer *out);

/* Columns of a text without control characters. */
unsigned gr_text_columns(const char *text, size_t size);

#endif
