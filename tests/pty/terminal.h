/* SPDX-License-Identifier: MIT */
/*
 * A terminal in memory, as much of one as the prompt needs: a grid of cells with what was last written
 * into them, a cursor, the lines that were scrolled out at the top. It breaks rows that no longer fit
 * when it becomes narrower, as most terminals do. A sequence that it does not know counts as a fault.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cell {
    char text[16];  /* a character with what combines with it; "" blank, "\1" right half of a wide one */
    char style[16]; /* the parameters of the last SGR sequence, "" for none */
} cell;

typedef struct terminal {
    int width, height, row, column;
    bool wraps; /* the last column was written: the next character wraps first */
    cell *cells;
    char style[16];
    char sequence[64]; /* that is being read, from its escape on */
    int sequence_size;
    char character[8]; /* likewise, of UTF-8 */
    int character_size, character_need;
    char *scrolled; /* lines that left at the top, newlines between */
    size_t scrolled_size;
    bool pasting; /* bracketed paste was asked for */
    char fault[80];
} terminal;

void terminal_open(terminal *t, int width, int height);
void terminal_close(terminal *t);
void terminal_feed(terminal *t, const char *bytes, size_t size);
void terminal_resize(terminal *t, int width, int height);
/* A row without the blanks at its end; the buffer has room for 16 * width + 1. */
char *terminal_row(const terminal *t, int row, char *buffer);
/* The style of the first character of `text`, which stands in the last row that has it; NULL: none has. */
const char *terminal_style(const terminal *t, const char *text);

#endif
