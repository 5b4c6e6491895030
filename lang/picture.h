/* SPDX-License-Identifier: MIT */
/*
 * Pictures: what plot, hist and heatmap give. A picture is lines of text for a terminal, in which
 * colours are escape sequences that each line ends itself; where colours are not wanted they are left
 * out, and what remains can be read. It is a value of its own kind so that print and the prompt show
 * it as it is. What it does not do: know what it shows (plot_*.c draw).
 */
#ifndef GR_PICTURE_H
#define GR_PICTURE_H

#include "vm.h"

typedef struct gr_picture {
    gr_object object;
    size_t width, height; /* columns of the widest line, lines */
    size_t size;
    char text[]; /* lines with a newline between them */
} gr_picture;

static inline gr_picture *gr_as_picture(gr_value v) { return (gr_picture *)v.ptr; }
static inline size_t gr_picture_size(const gr_picture *p) { return sizeof *p + p->size; }

/* GR_ABSENT, raised, where memory is out, in the buffer too. A newline at the end is dropped. */
gr_value gr_picture_new(gr_vm *vm, const gr_buffer *text);
/* All lines, with colours or without; no newline at the end. */
void gr_picture_put(gr_buffer *out, const gr_picture *p, bool color);
bool gr_picture_equal(const gr_picture *a, const gr_picture *b);
/* Pictures in a row, tops aligned, `gap` columns apart; and below one another. */
gr_value gr_picture_beside(gr_vm *vm, size_t count, const gr_value *pictures, unsigned gap);
gr_value gr_picture_above(gr_vm *vm, size_t count, const gr_value *pictures);

/* The picture as a drawing (SVG). */
void gr_picture_svg(gr_buffer *out, const gr_picture *p);
/* Bytes of the escape sequence that `text` begins with, ESC [ … letter; 0: it begins with none. */
size_t gr_escape_length(const char *text, size_t size);

/* Text in one of the colours (0: none) of canvas.h; empty text needs none. */
void gr_put_colored(gr_buffer *out, unsigned color, const char *text, size_t size);

#endif
