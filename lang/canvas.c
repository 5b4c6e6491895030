/* SPDX-License-Identifier: MIT */
/* Dots to characters, see canvas.h. A character has three bytes: its dots, its colour, its mark. */
#include "canvas.h"

#include "picture.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static const struct {
    unsigned across, down;
} dots_of[] = {[GR_INK_BRAILLE] = {2, 4}, [GR_INK_BLOCK] = {2, 2}, [GR_INK_ASCII] = {1, 2}};

static size_t cell_bytes(const gr_canvas *c) { return (size_t)c->columns * c->rows * 3; }

bool gr_canvas_open(gr_canvas *c, ad_ctx *ctx, gr_ink ink, unsigned columns, unsigned rows) {
    *c = (gr_canvas){.ctx = ctx, .ink = ink, .columns = columns, .rows = rows};
    c->across = columns * dots_of[ink].across;
    c->down = rows * dots_of[ink].down;
    c->cells = ad_mem_get(ctx, cell_bytes(c));
    if (c->cells) memset(c->cells, 0, cell_bytes(c));
    return c->cells != NULL;
}

void gr_canvas_close(gr_canvas *c) {
    if (c->cells) ad_mem_put(c->ctx, c->cells, cell_bytes(c));
    c->cells = NULL;
}

static uint8_t *cell_at(gr_canvas *c, int x, int y) {
    if (x < 0 || y < 0 || x >= (int)c->across || y >= (int)c->down) return NULL;
    unsigned column = (unsigned)x / dots_of[c->ink].across, row = (unsigned)y / dots_of[c->ink].down;
    return c->cells + 3 * ((size_t)row * c->columns + column);
}

/* The bit of a dot within its character; braille's order is U+2800's. */
static unsigned bit_of(const gr_canvas *c, int x, int y) {
    static const unsigned braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (c->ink == GR_INK_BRAILLE) return braille[y % 4][x % 2];
    if (c->ink == GR_INK_BLOCK) return 1u << (y % 2 * 2 + x % 2);
    return 1u << y % 2;
}

void gr_canvas_dot(gr_canvas *c, int x, int y, unsigned color) {
    uint8_t *cell = cell_at(c, x, y);
    if (!cell) return;
    cell[0] |= (uint8_t)bit_of(c, x, y);
    cell[1] = (uint8_t)color;
}

void gr_canvas_mark(gr_canvas *c, int x, int y, char mark, unsigned color) {
    uint8_t *cell = cell_at(c, x, y);
    if (!cell) return;
    cell[1] = (uint8_t)color;
    cell[2] = (uint8_t)mark;
}

/* Bresenham's. */
void gr_canvas_line(gr_canvas *c, int x0, int y0, int x1, int y1, unsigned color) {
    int dx = abs(x1 - x0), dy = -abs(y1 - y0), error = dx + dy;
    int right = x0 < x1 ? 1 : -1, below = y0 < y1 ? 1 : -1;
    for (;;) {
        gr_canvas_dot(c, x0, y0, color);
        if (x0 == x1 && y0 == y1) return;
        int twice = 2 * error;
        if (twice >= dy) error += dy, x0 += right;
        if (twice <= dx) error += dx, y0 += below;
    }
}

enum { CELL_TEXT = 4 }; /* one character and its end */

static void put_braille(char text[CELL_TEXT], unsigned dots) {
    text[0] = (char)0xe2; /* U+2800 + dots */
    text[1] = (char)(0xa0 | dots >> 6);
    text[2] = (char)(0x80 | (dots & 0x3f));
    text[3] = '\0';
}

static void cell_text(const gr_canvas *c, const uint8_t *cell, char text[CELL_TEXT]) {
    static const char *const quadrants[16] = {" ", "▘", "▝", "▀", "▖", "▌", "▞", "▛",
                                              "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█"};
    static const char *const halves[4] = {" ", "'", ".", ":"};
    text[0] = (char)cell[2], text[1] = '\0';
    if (cell[2]) return;
    if (c->ink == GR_INK_BLOCK) snprintf(text, CELL_TEXT, "%s", quadrants[cell[0] & 15]);
    else if (c->ink == GR_INK_ASCII) snprintf(text, CELL_TEXT, "%s", halves[cell[0] & 3]);
    else if (cell[0]) put_braille(text, cell[0]);
    else snprintf(text, CELL_TEXT, " ");
}

/* Neighbours of one colour share its escape sequences. */
void gr_canvas_row(const gr_canvas *c, unsigned row, gr_buffer *out) {
    const uint8_t *cells = c->cells + 3 * (size_t)row * c->columns;
    gr_buffer run;
    gr_buffer_init(&run, c->ctx);
    for (unsigned i = 0, end; i < c->columns; i = end) {
        gr_buffer_clear(&run);
        for (end = i; end < c->columns && cells[3 * end + 1] == cells[3 * i + 1]; end++) {
            char text[4];
            cell_text(c, cells + 3 * end, text);
            gr_buffer_puts(&run, text);
        }
        gr_put_colored(out, cells[3 * i + 1], run.text ? run.text : "", run.size);
    }
    out->failed |= run.failed;
    gr_buffer_free(&run);
}
