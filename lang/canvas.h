/* SPDX-License-Identifier: MIT */
/*
 * A grid of dots that becomes lines of characters: braille has 2 × 4 dots a character, blocks have
 * 2 × 2, ASCII 1 × 2. A character may also be taken by a mark, which wins over dots. Each character
 * has one colour, that of what was drawn last. It knows nothing of axes or values.
 */
#ifndef GR_CANVAS_H
#define GR_CANVAS_H

#include "arena.h"

typedef enum gr_ink { GR_INK_BRAILLE, GR_INK_BLOCK, GR_INK_ASCII } gr_ink;

typedef struct gr_canvas {
    ad_ctx *ctx;
    gr_ink ink;
    unsigned columns, rows; /* characters */
    unsigned across, down;  /* dots */
    uint8_t *cells;         /* dots, colour and mark of each character */
} gr_canvas;

/* False: memory is out. */
bool gr_canvas_open(gr_canvas *c, ad_ctx *ctx, gr_ink ink, unsigned columns, unsigned rows);
void gr_canvas_close(gr_canvas *c);

/* (0, 0) is at the top left; what lies outside is not drawn. `color`: of 256, 0 for none. */
void gr_canvas_dot(gr_canvas *c, int x, int y, unsigned color);
/* Both ends lie on the canvas. */
void gr_canvas_line(gr_canvas *c, int x0, int y0, int x1, int y1, unsigned color);
/* In the character that has the dot (x, y). `mark` is ASCII. */
void gr_canvas_mark(gr_canvas *c, int x, int y, char mark, unsigned color);
/* One line of characters, without a newline. */
void gr_canvas_row(const gr_canvas *c, unsigned row, gr_buffer *out);

#endif
