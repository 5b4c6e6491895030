/* SPDX-License-Identifier: MIT */
/*
 * Bars of a histogram, lying, with the counts behind them; and maps, in which every number is a
 * shade: two columns wide, so that it is about square, and several numbers in one, by their mean,
 * where there are more than fit.
 */
#include "format.h"
#include "picture.h"
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BAR_COLOR = 39 };

/* ---- bars ------------------------------------------------------------------------------------- */

static void put_bar(const gr_bars *b, gr_buffer *out, double columns) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    gr_buffer bar;
    gr_buffer_init(&bar, out->ctx);
    long units = lround(columns * 8);
    if (units == 0 && columns > 0) units = 1; /* something is not nothing */
    if (b->ink == GR_INK_ASCII) {
        gr_buffer_fill(&bar, '#', (size_t)(units + 7) / 8);
    } else {
        for (long i = 0; i < units / 8; i++) gr_buffer_puts(&bar, "█");
        gr_buffer_puts(&bar, eighths[units % 8]);
    }
    gr_put_colored(out, BAR_COLOR, bar.text ? bar.text : "", bar.size);
    out->failed |= bar.failed;
    gr_buffer_free(&bar);
}

static void edge_text(const gr_bars *b, size_t i, char text[GR_TICK_TEXT]) {
    double largest = fmax(fabs(b->edges[0]), fabs(b->edges[b->count]));
    gr_tick_text(text, b->edges[i], largest, b->edge_digits);
}

static size_t widest_edge(const gr_bars *b) {
    char text[GR_TICK_TEXT];
    size_t most = 0;
    for (size_t i = 0; i <= b->count; i++) {
        edge_text(b, i, text);
        if (strlen(text) > most) most = strlen(text);
    }
    return most;
}

void gr_bars_draw(const gr_bars *b, gr_buffer *out) {
    char low[GR_TICK_TEXT], high[GR_TICK_TEXT], number[GR_TICK_TEXT];
    size_t edge = widest_edge(b);
    double most = 0;
    for (size_t i = 0; i < b->count; i++) most = fmax(most, b->heights[i]);
    snprintf(number, sizeof number, "%.0f", most);
    size_t used = 2 * edge + strlen(number) + 8;
    double room = b->width > used + 8 ? (double)(b->width - used) : 8;
    gr_plot_title(out, b->title, b->width);
    for (size_t i = 0; i < b->count; i++) {
        edge_text(b, i, low);
        edge_text(b, i + 1, high);
        gr_buffer_printf(out, "[%*s, %*s%c %s", (int)edge, low, (int)edge, high,
                         i + 1 == b->count ? ']' : ')', b->ink == GR_INK_ASCII ? "|" : "┤");
        put_bar(b, out, most > 0 ? b->heights[i] / most * room : 0);
        gr_buffer_printf(out, " %.0f\n", b->heights[i]);
    }
}

/* ---- maps ------------------------------------------------------------------------------------- */

typedef struct sheet {
    const gr_map *map;
    gr_buffer *out;
    size_t margin;       /* columns left of the shades */
    size_t down, across; /* numbers in one shade */
    unsigned wide;       /* columns of a shade */
} sheet;

enum { MOST_ROWS = 40 };

static const char *mark_of(const gr_map *m, double level) {
    if (isnan(level)) return m->ink == GR_INK_ASCII ? "?" : "×";
    return level > 0 ? ">" : "<";
}

static const char *shade_text(const gr_map *m, double level, char text[8]) {
    static const char *const shades[] = {" ", "░", "▒", "▓", "█"};
    static const char ascii[] = " .:-=+*#%@";
    if (!isfinite(level)) return mark_of(m, level);
    if (m->ink != GR_INK_ASCII) return shades[(int)(level * 4.999)];
    text[0] = ascii[(int)(level * 9.999)];
    text[1] = '\0';
    return text;
}

/* From dark blue over green to yellow, of the 256 colours. */
static unsigned shade_color(double level) {
    static const uint8_t ramp[] = {54, 55, 56, 62, 61, 67, 66, 73, 72, 71, 77, 76, 112, 148, 184, 220, 226};
    if (!isfinite(level)) return 203;
    return ramp[(int)(level * ((double)sizeof ramp - 0.001))];
}

static double mean_of(const sheet *s, size_t row, size_t column) {
    const gr_map *m = s->map;
    double sum = 0, count = 0;
    for (size_t i = row * s->down; i < (row + 1) * s->down && i < m->rows; i++)
        for (size_t j = column * s->across; j < (column + 1) * s->across && j < m->columns; j++)
            sum += m->values[i * m->columns + j], count++;
    return sum / count;
}

static double level_of(const gr_map *m, double x) {
    if (!isfinite(x)) return x;
    if (!(m->high > m->low)) return 0.5;
    double level = (x / 2 - m->low / 2) / (m->high / 2 - m->low / 2);
    return fmin(fmax(level, 0), 1);
}

static void put_shade(const sheet *s, double level) {
    char own[8];
    const char *text = shade_text(s->map, level, own);
    gr_buffer twice;
    gr_buffer_init(&twice, s->out->ctx);
    for (unsigned k = 0; k < s->wide; k++) gr_buffer_puts(&twice, text);
    gr_put_colored(s->out, shade_color(level), twice.text ? twice.text : "", twice.size);
    gr_buffer_free(&twice);
}

static size_t shown(size_t count, size_t grouped) { return (count + grouped - 1) / grouped; }

static void name_of(char (*names)[64], size_t i, char text[64]) {
    if (names) memcpy(text, names[i], 64);
    else snprintf(text, 64, "%zu", i);
}

/* Names are shown at every row; numbers at some. */
static bool has_name(const sheet *s, size_t row) {
    size_t rows = shown(s->map->rows, s->down);
    return s->map->row_names || rows <= 12 || row % 5 == 0;
}

static void find_margin(sheet *s) {
    char text[64];
    size_t rows = shown(s->map->rows, s->down);
    for (size_t row = 0; row < rows; row++) {
        if (!has_name(s, row)) continue;
        name_of(s->map->row_names, row * s->down, text);
        size_t n = gr_text_width(text, strlen(text));
        if (n > s->margin) s->margin = n;
    }
}

/* Names of columns need a shade's width each; else numbers at every fifth shade. */
static void put_column_names(const sheet *s) {
    const gr_map *m = s->map;
    size_t columns = shown(m->columns, s->across), at = 0;
    gr_buffer_fill(s->out, ' ', s->margin + 1);
    for (size_t j = 0; j < columns; j++) {
        char text[64];
        if (at > j * s->wide || (!m->column_names && columns > 12 && j % 5 != 0)) continue;
        name_of(m->column_names, j * s->across, text);
        size_t n = gr_text_width(text, strlen(text));
        gr_buffer_fill(s->out, ' ', j * s->wide - at);
        gr_buffer_puts(s->out, text);
        at = j * s->wide + n;
        if (j + 1 < columns && at >= (j + 1) * s->wide) gr_buffer_puts(s->out, " "), at++;
    }
    gr_buffer_puts(s->out, "\n");
}

static void put_scale(const sheet *s) {
    const gr_map *m = s->map;
    char low[32], high[32];
    double step = m->high / 2 - m->low / 2;
    if (!(step >= 0)) return;
    int e = step > 0 ? (int)floor(log10(step)) - 1 : 0;
    gr_tick_text(low, m->low, fmax(fabs(m->low), fabs(m->high)), e);
    gr_tick_text(high, m->high, fmax(fabs(m->low), fabs(m->high)), e);
    gr_buffer_fill(s->out, ' ', s->margin + 1);
    gr_buffer_puts(s->out, low);
    gr_buffer_puts(s->out, " ");
    for (int i = 0; i < 10; i++) {
        char text[8];
        const char *shade = shade_text(m, (i + 0.5) / 10, text);
        gr_put_colored(s->out, shade_color((i + 0.5) / 10), shade, strlen(shade));
    }
    gr_buffer_printf(s->out, " %s", high);
    if (s->down * s->across > 1)
        gr_buffer_printf(s->out, "   each shade is the mean of %zu × %zu", s->down, s->across);
    gr_buffer_puts(s->out, "\n");
}

/* What stands for numbers that have no shade, if there are any. */
static void put_marks(const sheet *s) {
    static const double odd[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const char *const names[] = {"nan", "inf", "-inf"};
    const gr_map *m = s->map;
    const char *between = "";
    size_t begin = s->out->size;
    gr_buffer_fill(s->out, ' ', s->margin + 1);
    bool found[3] = {false, false, false};
    for (size_t i = 0; i < m->rows * m->columns; i++) {
        double x = m->values[i];
        if (!isfinite(x)) found[isnan(x) ? 0 : x > 0 ? 1 : 2] = true;
    }
    for (int k = 0; k < 3; k++) {
        if (!found[k]) continue;
        gr_buffer_printf(s->out, "%s%s%s %s", between, mark_of(m, odd[k]), mark_of(m, odd[k]), names[k]);
        between = "   ";
    }
    if (*between) gr_buffer_puts(s->out, "\n");
    else s->out->size = begin;
}

static unsigned widest_name(const gr_map *m) {
    size_t most = 0;
    for (size_t j = 0; m->column_names && j < m->columns; j++) {
        size_t n = gr_text_width(m->column_names[j], strlen(m->column_names[j]));
        if (n > most) most = n;
    }
    return (unsigned)most;
}

static void choose_size(sheet *s) {
    const gr_map *m = s->map;
    size_t room;
    s->down = s->across = 1;
    if (!m->row_names) s->down = m->rows > MOST_ROWS ? shown(m->rows, MOST_ROWS) : 1;
    find_margin(s);
    room = m->width > s->margin + 3 ? m->width - s->margin - 1 : 2;
    unsigned name = widest_name(m);
    s->wide = name + 1 > 2 && (name + 1) * m->columns <= room ? name + 1 : 2;
    if (s->wide * m->columns > room) s->across = shown(m->columns * s->wide, room);
}

void gr_map_draw(const gr_map *m, gr_buffer *out) {
    sheet s = {.map = m, .out = out};
    choose_size(&s);
    size_t rows = shown(m->rows, s.down), columns = shown(m->columns, s.across);
    gr_plot_title(out, m->title, (unsigned)(s.margin + 1 + columns * s.wide));
    put_column_names(&s);
    for (size_t i = 0; i < rows; i++) {
        char text[64] = "";
        if (has_name(&s, i)) name_of(m->row_names, i * s.down, text);
        gr_buffer_fill(out, ' ', s.margin - gr_text_width(text, strlen(text)));
        gr_buffer_puts(out, text);
        gr_buffer_puts(out, " ");
        for (size_t j = 0; j < columns; j++) put_shade(&s, level_of(m, mean_of(&s, i, j)));
        out->failed |= *ad_interrupt_flag(out->ctx) != 0;
        if (out->failed) return;
        gr_buffer_puts(out, "\n");
    }
    put_scale(&s);
    put_marks(&s);
}
