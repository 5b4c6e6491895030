/* SPDX-License-Identifier: MIT */
/*
 * A frame becomes rows: text with colours, one for each line of the window. Rows are compared with
 * those that were drawn last, and only what differs is written. A row is never written behind its
 * last column, and each begins with a carriage return, so that nothing depends on how a terminal
 * wraps. The window shows at most as many rows as it has; if there are more it follows the cursor.
 */
#include "edit_display.h"

#include "assist.h"

#include <string.h>
#include <utf8proc.h>

/* ---- rows ------------------------------------------------------------------------------------- */

static void rows_clear(gr_display_rows *rows) {
    rows->text.size = 0;
    rows->count = rows->cursor_row = 0;
    rows->cursor_column = 0;
}

static void rows_free(gr_display_rows *rows) {
    if (rows->items) ad_mem_put(rows->text.ctx, rows->items, rows->room * sizeof *rows->items);
    gr_buffer_free(&rows->text);
    *rows = (gr_display_rows){.text = rows->text};
}

static gr_display_row *add_row(gr_display_rows *rows) {
    if (rows->count == rows->room) {
        uint32_t room = rows->room ? 2 * rows->room : 16;
        size_t bytes = room * sizeof *rows->items;
        gr_display_row *more = rows->items ? ad_mem_resize(rows->text.ctx, rows->items,
                                                   rows->room * sizeof *rows->items, bytes)
                                   : ad_mem_get(rows->text.ctx, bytes);
        if (!more) return NULL;
        rows->items = more;
        rows->room = room;
    }
    gr_display_row *row = &rows->items[rows->count++];
    *row = (gr_display_row){.begin = rows->text.size, .end = rows->text.size};
    return row;
}

/* ---- characters ------------------------------------------------------------------------------- */

typedef struct glyph {
    char shown[8];
    uint8_t size;
    uint8_t bytes; /* of the text */
    uint8_t columns;
} glyph;

enum { TAB_COLUMNS = 2 };

static glyph glyph_at(const char *text, size_t size) {
    utf8proc_int32_t c;
    unsigned char first = (unsigned char)*text;
    if (first == '\t') return (glyph){"  ", TAB_COLUMNS, 1, TAB_COLUMNS};
    if (first < 32 || first == 127) return (glyph){{'^', (char)(first ^ 64)}, 2, 1, 2};
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    if (n <= 0) return (glyph){"?", 1, 1, 1};
    int columns = utf8proc_charwidth(c);
    if (c < 0xa0 && c >= 0x80) return (glyph){"?", 1, (uint8_t)n, 1};
    glyph g = {.size = (uint8_t)n, .bytes = (uint8_t)n, .columns = (uint8_t)columns};
    memcpy(g.shown, text, (size_t)n);
    return g;
}

unsigned gr_text_columns(const char *text, size_t size) {
    unsigned columns = 0;
    for (size_t i = 0; i < size;) {
        glyph g = glyph_at(text + i, size - i);
        columns += g.columns;
        i += g.bytes;
    }
    return columns;
}

/* ---- from a frame to rows --------------------------------------------------------------------- */

static const char *const styles[GR_PAINTS] = {
    [GR_PAINT_PLAIN] = "",           [GR_PAINT_KEYWORD] = "\033[35m",
    [GR_PAINT_NUMBER] = "\033[36m",  [GR_PAINT_STRING] = "\033[32m",
    [GR_PAINT_COMMENT] = "\033[2m",  [GR_PAINT_CALL] = "\033[34m",
    [GR_PAINT_DERIVATIVE] = "\033[1;33m", [GR_PAINT_COMMAND] = "\033[1m",
    [GR_PAINT_WRONG] = "\033[31m",   [GR_PAINT_PAIR] = "\033[1;4m"};

typedef struct layout {
    gr_display_rows *rows;
    const gr_drawing *frame;
    unsigned width;
    unsigned column;
    uint8_t paint;
} layout;

static void set_paint(layout *l, uint8_t paint) {
    if (!l->frame->color || paint == l->paint) return;
    if (l->paint != GR_PAINT_PLAIN) gr_buffer_puts(&l->rows->text, "\033[0m");
    gr_buffer_puts(&l->rows->text, styles[paint]);
    l->paint = paint;
}

static void end_row(layout *l) {
    set_paint(l, GR_PAINT_PLAIN);
    gr_display_row *row = &l->rows->items[l->rows->count - 1];
    row->end = l->rows->text.size;
    row->columns = l->column;
}

static bool begin_row(layout *l, const char *prompt) {
    if (l->rows->count) end_row(l);
    l->column = 0;
    if (!add_row(l->rows)) return false;
    size_t size = strlen(prompt);
    unsigned columns = gr_text_columns(prompt, size);
    if (columns + 2 > l->width) return true; /* no room for prompts */
    gr_buffer_put(&l->rows->text, prompt, size);
    l->column = columns;
    return true;
}

/* A line that is wrapped goes on under its beginning. */
static bool wrap(layout *l) {
    unsigned indent = gr_text_columns(l->frame->more, strlen(l->frame->more));
    uint8_t paint = l->paint;
    if (!begin_row(l, "")) return false;
    if (indent + 8 <= l->width) {
        gr_buffer_fill(&l->rows->text, ' ', indent);
        l->column = indent;
    }
    set_paint(l, paint);
    return true;
}

static void mark_cursor(layout *l) {
    l->rows->cursor_row = l->rows->count - 1;
    l->rows->cursor_column = l->column;
}

static bool put_glyph(layout *l, const glyph *g) {
    if (l->column + g->columns > l->width && l->column > 0 && !wrap(l)) return false;
    return true;
}

static bool lay_text(layout *l) {
    const gr_drawing *f = l->frame;
    for (size_t i = 0; i < f->size;) {
        glyph g = glyph_at(f->text + i, f->size - i);
        bool newline = f->text[i] == '\n';
        if (newline ? l->column >= l->width && i == f->cursor && !wrap(l) : !put_glyph(l, &g))
            return false;
        if (f->cursor >= i && f->cursor < i + g.bytes) mark_cursor(l);
        if (newline) {
            if (!begin_row(l, f->more)) return false;
        } else {
            set_paint(l, f->classes ? f->classes[i] : GR_PAINT_PLAIN);
            gr_buffer_put(&l->rows->text, g.shown, g.size);
            l->column += g.columns;
        }
        i += g.bytes;
    }
    return true;
}

/* As much of the hint as fits on the row, if that is worth reading. */
static void lay_hint(layout *l) {
    const gr_drawing *f = l->frame;
    enum { GAP = 2, LEAST = 8 };
    if (!f->hint || !*f->hint || l->column + GAP + LEAST > l->width) return;
    unsigned room = l->width - l->column - GAP - 1, columns = 0;
    size_t size = strlen(f->hint), i = 0;
    bool cut = gr_text_columns(f->hint, size) > room;
    set_paint(l, f->conflict ? GR_PAINT_WRONG : GR_PAINT_COMMENT);
    gr_buffer_fill(&l->rows->text, ' ', GAP);
    while (i < size) {
        glyph g = glyph_at(f->hint + i, size - i);
        if (columns + g.columns + cut > room) break;
        gr_buffer_put(&l->rows->text, g.shown, g.size);
        columns += g.columns;
        i += g.bytes;
    }
    if (cut) gr_buffer_puts(&l->rows->text, "…");
    l->column += GAP + columns + cut;
}

static bool lay_out(gr_display_rows *rows, const gr_drawing *frame, unsigned width) {
    layout l = {.rows = rows, .frame = frame, .width = width};
    rows_clear(rows);
    if (!begin_row(&l, frame->prompt) || !lay_text(&l)) return false;
    if (frame->cursor >= frame->size) {
        if (l.column >= width && !wrap(&l)) return false;
        mark_cursor(&l);
        lay_hint(&l);
    }
    end_row(&l);
    return !rows->text.failed;
}

/* ---- drawing ---------------------------------------------------------------------------------- */

void gr_display_init(gr_display *screen, ad_ctx *ctx) {
    *screen = (gr_display){.ctx = ctx, .width = 80, .height = 24};
    gr_buffer_init(&screen->drawn.text, ctx);
}

void gr_display_free(gr_display *screen) { rows_free(&screen->drawn); }

void gr_display_forget(gr_display *screen) {
    rows_clear(&screen->drawn);
    screen->at = screen->top = 0;
}

/* From one row of the window to another; a step down may scroll. */
static void go_to_row(gr_display *screen, uint32_t row, gr_buffer *out) {
    if (row < screen->at) gr_buffer_printf(out, "\033[%uA", screen->at - row);
    for (; screen->at < row; screen->at++) gr_buffer_puts(out, "\n");
    screen->at = row;
    gr_buffer_puts(out, "\r");
}

static bool same_row(const gr_display_rows *a, uint32_t i, const gr_display_rows *b, uint32_t j) {
    if (i >= a->count || j >= b->count) return false;
    size_t n = a->items[i].end - a->items[i].begin;
    if (n != b->items[j].end - b->items[j].begin) return false;
    return n == 0 ||
           memcmp(a->text.text + a->items[i].begin, b->text.text + b->items[j].begin, n) == 0;
}

static void write_row(const gr_display_rows *rows, uint32_t i, gr_buffer *out) {
    if (!rows->text.text) return;
    gr_buffer_put(out, rows->text.text + rows->items[i].begin,
                  rows->items[i].end - rows->items[i].begin);
}

/* The first row to show so that the cursor is in the window, moved as little as can be. */
static uint32_t choose_top(const gr_display *screen, const gr_display_rows *rows) {
    uint32_t height = screen->height ? screen->height : 1, top = screen->top;
    if (rows->count <= height) return 0;
    if (rows->cursor_row < top) top = rows->cursor_row;
    if (rows->cursor_row >= top + height) top = rows->cursor_row - height + 1;
    return top + height > rows->count ? rows->count - height : top;
}

static void keep_window(gr_display_rows *rows, uint32_t top, uint32_t count) {
    memmove(rows->items, rows->items + top, count * sizeof *rows->items);
    rows->count = count;
    rows->cursor_row -= top;
}

void gr_display_draw(gr_display *screen, const gr_drawing *frame, gr_buffer *out) {
    gr_display_rows rows = {0};
    gr_buffer_init(&rows.text, screen->ctx);
    if (!lay_out(&rows, frame, screen->width)) {
        rows_free(&rows);
        return;
    }
    screen->top = choose_top(screen, &rows);
    uint32_t shown = rows.count < screen->height ? rows.count : screen->height;
    keep_window(&rows, screen->top, shown ? shown : 1);
    bool moved = rows.cursor_row != screen->at || rows.cursor_column != screen->drawn.cursor_column;
    size_t before = out->size;
    for (uint32_t i = 0; i < rows.count; i++) {
        if (same_row(&rows, i, &screen->drawn, i)) continue;
        go_to_row(screen, i, out);
        if (i < screen->drawn.count) gr_buffer_puts(out, "\033[K");
        write_row(&rows, i, out);
    }
    if (screen->drawn.count > rows.count) {
        go_to_row(screen, rows.count, out);
        gr_buffer_puts(out, "\033[J");
    }
    if (moved || out->size > before) {
        go_to_row(screen, rows.cursor_row, out);
        if (rows.cursor_column) gr_buffer_printf(out, "\033[%uC", rows.cursor_column);
    }
    rows_free(&screen->drawn);
    screen->drawn = rows;
}

void gr_display_leave(gr_display *screen, gr_buffer *out) {
    if (screen->drawn.count) go_to_row(screen, screen->drawn.count - 1, out);
    gr_buffer_puts(out, "\r\n");
    gr_display_forget(screen);
}

void gr_display_finish(gr_display *screen, const gr_drawing *frame, gr_buffer *out) {
    gr_display_rows rows = {0};
    gr_buffer_init(&rows.text, screen->ctx);
    bool all = lay_out(&rows, frame, screen->width) && rows.count > screen->height;
    if (all) { /* what had been scrolled out of the window is written once as a whole */
        go_to_row(screen, 0, out);
        gr_buffer_puts(out, "\033[J");
        for (uint32_t i = 0; i < rows.count; i++) {
            write_row(&rows, i, out);
            gr_buffer_puts(out, "\r\n");
        }
        gr_display_forget(screen);
    }
    rows_free(&rows);
    if (all) return;
    gr_display_draw(screen, frame, out);
    gr_display_leave(screen, out);
}

/* Where the window became narrower, terminals break the rows that do not fit any more. */
void gr_display_resize(gr_display *screen, unsigned width, unsigned height, gr_buffer *out) {
    uint32_t above = 0;
    for (uint32_t i = 0; i < screen->at && i < screen->drawn.count; i++) {
        unsigned columns = screen->drawn.items[i].columns;
        above += columns > width ? (columns + width - 1) / width : 1;
    }
    if (screen->drawn.count && width) above += screen->drawn.cursor_column / width;
    if (above) gr_buffer_printf(out, "\033[%uA", above);
    gr_buffer_puts(out, "\r\033[J");
    screen->width = width ? width : 1;
    screen->height = height ? height : 1;
    gr_display_forget(screen);
}
