/* SPDX-License-Identifier: MIT */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static cell *at(const terminal *t, int row, int column) {
    return &t->cells[row * t->width + column];
}

static cell *new_cells(int width, int height) {
    cell *cells = calloc((size_t)(width * height), sizeof *cells);
    if (!cells) abort();
    return cells;
}

void terminal_open(terminal *t, int width, int height) {
    *t = (terminal){.width = width, .height = height};
    t->cells = new_cells(width, height);
}

void terminal_close(terminal *t) {
    free(t->cells);
    free(t->scrolled);
}

char *terminal_row(const terminal *t, int row, char *buffer) {
    size_t size = 0, end = 0;
    for (int i = 0; i < t->width; i++) {
        const cell *c = at(t, row, i);
        if (c->text[0] == '\1') continue;
        const char *text = c->text[0] ? c->text : " ";
        memcpy(buffer + size, text, strlen(text));
        size += strlen(text);
        if (strcmp(text, " ") != 0) end = size;
    }
    buffer[end] = '\0';
    return buffer;
}

static void keep_scrolled(terminal *t) {
    char *line = malloc((size_t)t->width * 16 + 2);
    if (!line) abort();
    terminal_row(t, 0, line);
    strcat(line, "\n");
    size_t n = strlen(line);
    t->scrolled = realloc(t->scrolled, t->scrolled_size + n + 1);
    if (!t->scrolled) abort();
    memcpy(t->scrolled + t->scrolled_size, line, n + 1);
    t->scrolled_size += n;
    free(line);
}

static void scroll(terminal *t) {
    size_t row = (size_t)t->width, rest = row * (size_t)(t->height - 1);
    keep_scrolled(t);
    memmove(t->cells, t->cells + row, rest * sizeof *t->cells);
    memset(t->cells + rest, 0, row * sizeof *t->cells);
}

static void line_feed(terminal *t) {
    if (t->row + 1 < t->height) t->row++;
    else scroll(t);
    t->wraps = false;
}

/* ---- characters ------------------------------------------------------------------------------- */

static void put_character(terminal *t) {
    wchar_t wide;
    mbstate_t state = {0};
    size_t n = mbrtowc(&wide, t->character, (size_t)t->character_size, &state);
    int columns = n > 0 && n <= 8 ? wcwidth(wide) : 1;
    if (columns < 0) columns = 1;
    if (columns == 0) { /* combines with the one before */
        int column = t->wraps ? t->column : t->column - 1;
        if (column > 0 && at(t, t->row, column)->text[0] == '\1') column--;
        if (column < 0) return;
        cell *c = at(t, t->row, column);
        if (strlen(c->text) + (size_t)t->character_size < sizeof c->text)
            strncat(c->text, t->character, (size_t)t->character_size);
        return;
    }
    if (t->wraps || t->column + columns > t->width) {
        t->column = 0;
        line_feed(t);
    }
    cell *c = at(t, t->row, t->column);
    memset(c->text, 0, sizeof c->text);
    memcpy(c->text, t->character, (size_t)t->character_size);
    strcpy(c->style, t->style);
    if (columns == 2) strcpy(at(t, t->row, t->column + 1)->text, "\1");
    t->column += columns;
    if (t->column == t->width) {
        t->column--;
        t->wraps = true;
    }
}

/* ---- sequences -------------------------------------------------------------------------------- */

static void erase(terminal *t, int from, int to) {
    memset(t->cells + from, 0, (size_t)(to - from) * sizeof *t->cells);
}

static void set_style(terminal *t, const char *parameters) {
    bool none = !*parameters || strcmp(parameters, "0") == 0;
    snprintf(t->style, sizeof t->style, "%s", none ? "" : parameters);
}

static int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

static void control(terminal *t, const char *parameters, char final) {
    int n = atoi(parameters), count = n ? n : 1, here = t->row * t->width + t->column;
    switch (final) {
    case 'A': t->row = clamp(t->row - count, 0, t->height - 1); break;
    case 'B': t->row = clamp(t->row + count, 0, t->height - 1); break;
    case 'C': t->column = clamp(t->column + count, 0, t->width - 1); break;
    case 'D': t->column = clamp(t->column - count, 0, t->width - 1); break;
    case 'H': t->row = t->column = 0; break;
    case 'J':
        if (n == 2) erase(t, 0, t->width * t->height);
        else erase(t, here, t->width * t->height);
        break;
    case 'K': erase(t, here, (t->row + 1) * t->width); break;
    case 'm': set_style(t, parameters); return;
    case 'h':
    case 'l':
        if (strcmp(parameters, "?2004") == 0) t->pasting = final == 'h';
        return;
    default: snprintf(t->fault, sizeof t->fault, "the sequence ESC [ %.40s %c", parameters, final);
    }
    t->wraps = false;
}

static void take_sequence(terminal *t, char c) {
    if (t->sequence_size + 1 < (int)sizeof t->sequence) t->sequence[t->sequence_size++] = c;
    t->sequence[t->sequence_size] = '\0';
    if (t->sequence_size == 2 && c != '[') {
        snprintf(t->fault, sizeof t->fault, "the sequence ESC %c", c);
        t->sequence_size = 0;
        return;
    }
    if (t->sequence_size < 3 || c < '@' || c > '~') return;
    t->sequence[t->sequence_size - 1] = '\0';
    t->sequence_size = 0;
    control(t, t->sequence + 2, c);
}

static void take_byte(terminal *t, char c) {
    unsigned char byte = (unsigned char)c;
    if (t->sequence_size) {
        take_sequence(t, c);
        return;
    }
    if (byte >= 32 && byte != 127) {
        if ((byte & 0xc0) != 0x80) {
            t->character_size = 0;
            t->character_need = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        }
        if (t->character_size < 7) t->character[t->character_size++] = c;
        t->character[t->character_size] = '\0';
        if (t->character_size == t->character_need) put_character(t);
        return;
    }
    switch (c) {
    case '\r':
        t->column = 0;
        t->wraps = false;
        break;
    case '\n': line_feed(t); break;
    case '\t':
        t->column = (t->column / 8 + 1) * 8 < t->width ? (t->column / 8 + 1) * 8 : t->width - 1;
        break;
    case '\b':
        if (t->column > 0) t->column--;
        t->wraps = false;
        break;
    case '\a': break;
    case '\033':
        t->sequence[0] = c;
        t->sequence_size = 1;
        break;
    default: snprintf(t->fault, sizeof t->fault, "the control character %d", c);
    }
}

void terminal_feed(terminal *t, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) take_byte(t, bytes[i]);
}

/* ---- size ------------------------------------------------------------------------------------- */

static int used_columns(const terminal *t, int row) {
    int n = t->width;
    while (n > 0 && !at(t, row, n - 1)->text[0]) n--;
    return n;
}

void terminal_resize(terminal *t, int width, int height) {
    terminal old = *t;
    int last = t->row;
    for (int row = 0; row < t->height; row++)
        if (used_columns(t, row) && row > last) last = row;
    t->width = width, t->height = height;
    t->cells = new_cells(width, height);
    t->row = t->column = 0;
    int row = -1, cursor_row = 0, cursor_column = 0;
    for (int from = 0; from <= last; from++) {
        int used = used_columns(&old, from), pieces = used > width ? (used + width - 1) / width : 1;
        for (int piece = 0; piece < pieces; piece++) {
            if (++row >= height) {
                scroll(t);
                row--;
                cursor_row--;
            }
            for (int i = 0; i < width && piece * width + i < old.width; i++)
                *at(t, row, i) = *at(&old, from, piece * width + i);
            if (from == old.row && old.column / width == piece) {
                cursor_row = row;
                cursor_column = old.column % width;
            }
        }
    }
    t->row = cursor_row < 0 ? 0 : cursor_row;
    t->column = cursor_column;
    t->wraps = false;
    free(old.cells);
}

/* ---- looking ---------------------------------------------------------------------------------- */

const char *terminal_style(const terminal *t, const char *text) {
    char *line = malloc((size_t)t->width * 16 + 1);
    const char *style = NULL;
    if (!line) abort();
    for (int row = t->height - 1; row >= 0 && !style; row--) {
        const char *found = strstr(terminal_row(t, row, line), text);
        size_t bytes = 0;
        for (int i = 0; found && i < t->width && !style; i++) {
            const cell *c = at(t, row, i);
            if (c->text[0] == '\1') continue;
            if (bytes == (size_t)(found - line)) style = c->style;
            bytes += c->text[0] ? strlen(c->text) : 1;
        }
    }
    free(line);
    return style;
}
