/* SPDX-License-Identifier: MIT */
/*
 * Curves in a frame: title, legend, canvas with the values' axis on its left, the other below it,
 * names, and a note about what could not be drawn. Several series are told apart by colour and by
 * marks, so that they are where there are no colours.
 */
#include "format.h"
#include "picture.h"
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const unsigned colors[] = {39, 208, 77, 170, 220, 203, 51, 245};
static const char marks[] = "ox+*#@%&";
enum { KINDS = 8, MARKS_A_CURVE = 4, FEW_POINTS = 12 };

static unsigned color_of(size_t k) { return colors[k % KINDS]; }

/* ---- where values lie ------------------------------------------------------------------------- */

typedef struct hidden {
    size_t nans, infs, not_positive;
    size_t drawn; /* points that are neither */
} hidden;

static double on_axis(const gr_axis *a, double x) {
    if (!a->log) return x;
    return x > 0 ? log10(x) : (double)NAN;
}

static bool place(const gr_plot *p, const gr_series *s, size_t i, double *x, double *y) {
    *x = on_axis(&p->x, s->x[i]);
    *y = on_axis(&p->y, s->y[i]);
    return isfinite(*x) && isfinite(*y);
}

static void count_hidden(hidden *h, const gr_axis *a, double v) {
    h->nans += isnan(v) != 0;
    h->infs += isinf(v) != 0;
    h->not_positive += a->log && v <= 0 && isfinite(v);
}

static void extend(gr_axis *a, double v) {
    if (a->fixed) return;
    a->low = fmin(a->low, v);
    a->high = fmax(a->high, v);
}

static bool within(const gr_axis *a, double v) { return !a->fixed || (v >= a->low && v <= a->high); }

/* Every so many points the interrupt flag is looked at; what is drawn then is not whole. */
static bool stopped(const gr_plot *p, size_t i) { return i % 4096 == 4095 && *ad_interrupt_flag(p->ctx); }

/* The ends of both axes, from what can be drawn. */
static void find_ranges(gr_plot *p, hidden *h) {
    double x, y;
    if (!p->x.fixed) p->x.low = INFINITY, p->x.high = -INFINITY;
    if (!p->y.fixed) p->y.low = INFINITY, p->y.high = -INFINITY;
    for (size_t k = 0; k < p->count; k++)
        for (size_t i = 0; i < p->series[k].count && !stopped(p, i); i++) {
            count_hidden(h, &p->x, p->series[k].x[i]);
            count_hidden(h, &p->y, p->series[k].y[i]);
            if (!place(p, &p->series[k], i, &x, &y)) continue;
            h->drawn++;
            if (within(&p->y, y)) extend(&p->x, x);
            if (within(&p->x, x)) extend(&p->y, y);
        }
    gr_axis_open(&p->x);
    gr_axis_open(&p->y);
}

/* ---- curves ----------------------------------------------------------------------------------- */

typedef struct point {
    double x, y; /* 0 … 1 from left to right and from bottom to top where it is in sight */
} point;

static int dot_x(const gr_canvas *c, double x) { return (int)lround(x * (c->across - 1)); }
static int dot_y(const gr_canvas *c, double y) { return (int)lround((1 - y) * (c->down - 1)); }

/* One border of Liang and Barsky's clipping; false: nothing is left. */
static bool clip(double toward, double distance, double *from, double *to) {
    if (toward == 0) return distance >= 0;
    double t = distance / toward;
    if (toward < 0) *from = fmax(*from, t);
    else *to = fmin(*to, t);
    return *from <= *to;
}

static void draw_segment(gr_canvas *c, point a, point b, unsigned color) {
    double dx = b.x - a.x, dy = b.y - a.y, from = 0, to = 1;
    const double e = 1e-9;
    if (!clip(-dx, a.x + e, &from, &to) || !clip(dx, 1 + e - a.x, &from, &to)) return;
    if (!clip(-dy, a.y + e, &from, &to) || !clip(dy, 1 + e - a.y, &from, &to)) return;
    gr_canvas_line(c, dot_x(c, a.x + from * dx), dot_y(c, a.y + from * dy), dot_x(c, a.x + to * dx),
                   dot_y(c, a.y + to * dy), color);
}

static bool point_at(const gr_plot *p, const gr_series *s, size_t i, point *out) {
    double x, y;
    if (i >= s->count || !place(p, s, i, &x, &y)) return false;
    out->x = gr_axis_place(&p->x, x);
    out->y = gr_axis_place(&p->y, y);
    return isfinite(out->x) && isfinite(out->y);
}

static bool in_sight(point a) {
    return a.x >= -1e-9 && a.x <= 1 + 1e-9 && a.y >= -1e-9 && a.y <= 1 + 1e-9;
}

static void draw_mark(gr_canvas *c, point a, size_t k) {
    if (in_sight(a)) gr_canvas_mark(c, dot_x(c, a.x), dot_y(c, a.y), marks[k % KINDS], color_of(k));
}

static void draw_lines(const gr_plot *p, gr_canvas *c, size_t k) {
    const gr_series *s = &p->series[k];
    point before = {0, 0}, now;
    bool joined = false;
    for (size_t i = 0; i < s->count && !stopped(p, i); i++) {
        bool here = point_at(p, s, i, &now), alone = here && !joined;
        if (here && joined) draw_segment(c, before, now, color_of(k));
        point next;
        if (alone && !point_at(p, s, i + 1, &next)) draw_mark(c, now, k);
        before = now;
        joined = here;
    }
}

/* Marks at the points, or at some of a long curve: others than those of its neighbours. */
static void draw_marks(const gr_plot *p, gr_canvas *c, size_t k) {
    const gr_series *s = &p->series[k];
    size_t n = p->points || s->count <= FEW_POINTS ? s->count : MARKS_A_CURVE;
    for (size_t j = 0; j < n; j++) {
        double share = (double)j + ((double)k + 0.5) / (double)p->count;
        size_t i = n == s->count ? j : (size_t)(share / MARKS_A_CURVE * (double)s->count);
        point a;
        if (point_at(p, s, i, &a)) draw_mark(c, a, k);
    }
}

static void draw_points(const gr_plot *p, gr_canvas *c, size_t k) {
    for (size_t i = 0; i < p->series[k].count && !stopped(p, i); i++) {
        point a;
        if (point_at(p, &p->series[k], i, &a) && in_sight(a))
            gr_canvas_dot(c, dot_x(c, a.x), dot_y(c, a.y), color_of(k));
    }
}

static void draw_all(const gr_plot *p, gr_canvas *c) {
    for (size_t k = 0; k < p->count; k++)
        if (p->points) draw_points(p, c, k);
        else draw_lines(p, c, k);
    for (size_t k = 0; k < p->count; k++)
        if (p->count > 1 || (p->points && p->series[k].count <= 4 * c->columns)) draw_marks(p, c, k);
}

/* ---- the frame -------------------------------------------------------------------------------- */

typedef struct frame {
    gr_plot *plot;
    gr_canvas canvas;
    gr_buffer *out;
    unsigned margin; /* columns left of the axis */
} frame;

static bool is_ascii(const gr_plot *p) { return p->ink == GR_INK_ASCII; }

static unsigned widest(const gr_axis *a) {
    unsigned most = 0;
    for (int i = 0; i < a->count; i++)
        if (strlen(a->text[i]) > most) most = (unsigned)strlen(a->text[i]);
    return most;
}

static unsigned row_of(const frame *f, double y) {
    return (unsigned)dot_y(&f->canvas, gr_axis_place(&f->plot->y, y)) /
           (f->canvas.down / f->canvas.rows);
}

static unsigned column_of(const frame *f, double x) {
    return (unsigned)dot_x(&f->canvas, gr_axis_place(&f->plot->x, x)) /
           (f->canvas.across / f->canvas.columns);
}

void gr_plot_title(gr_buffer *out, const char *title, unsigned width) {
    if (!title || !*title) return;
    size_t n = gr_text_width(title, strlen(title));
    gr_buffer_fill(out, ' ', n < width ? (width - n) / 2 : 0);
    gr_put_cut(out, title, strlen(title), width);
    gr_buffer_puts(out, "\n");
}

static void put_legend(const frame *f) {
    const gr_plot *p = f->plot;
    size_t column = 0;
    for (size_t k = 0; k < p->count; k++) {
        const gr_series *s = &p->series[k];
        if (!s->label[0]) continue;
        size_t n = gr_text_width(s->label, strlen(s->label)) + 5;
        if (column + n > p->width && column > 0) column = 0, gr_buffer_puts(f->out, "\n");
        if (column == 0) gr_buffer_fill(f->out, ' ', column = f->margin + 2);
        if (p->count > 1) {
            gr_put_colored(f->out, color_of(k), &marks[k % KINDS], 1);
            gr_buffer_puts(f->out, " ");
        }
        gr_buffer_puts(f->out, s->label);
        gr_buffer_puts(f->out, "   ");
        column += n;
    }
    if (column > 0) gr_buffer_puts(f->out, "\n");
}

static void put_rows(const frame *f) {
    const gr_axis *y = &f->plot->y;
    bool ascii = is_ascii(f->plot);
    for (unsigned row = 0; row < f->canvas.rows; row++) {
        int tick = -1;
        for (int i = 0; i < y->count; i++)
            if (row_of(f, y->ticks[i]) == row) tick = i;
        const char *text = tick < 0 ? "" : y->text[tick];
        gr_buffer_fill(f->out, ' ', f->margin - strlen(text));
        gr_buffer_puts(f->out, text);
        gr_buffer_puts(f->out, tick < 0 ? (ascii ? " |" : " │") : (ascii ? " +" : " ┤"));
        gr_canvas_row(&f->canvas, row, f->out);
        gr_buffer_puts(f->out, "\n");
    }
}

static void put_base(const frame *f) {
    const gr_axis *x = &f->plot->x;
    bool ascii = is_ascii(f->plot);
    gr_buffer_fill(f->out, ' ', f->margin + 1);
    gr_buffer_puts(f->out, ascii ? "+" : "└");
    for (unsigned column = 0; column < f->canvas.columns; column++) {
        bool tick = false;
        for (int i = 0; i < x->count; i++) tick |= column_of(f, x->ticks[i]) == column;
        gr_buffer_puts(f->out, tick ? (ascii ? "+" : "┬") : (ascii ? "-" : "─"));
    }
    gr_buffer_puts(f->out, "\n");
}

/* Where the text of a tick begins: around it, within the picture. */
static int text_start(const frame *f, int i) {
    const gr_axis *x = &f->plot->x;
    int n = (int)strlen(x->text[i]), end = (int)(f->margin + 2 + f->canvas.columns);
    int start = (int)(f->margin + 2 + column_of(f, x->ticks[i])) - (n - 1) / 2;
    if (start + n > end) start = end - n;
    return start < 0 ? 0 : start;
}

static bool texts_fit(const frame *f) {
    const gr_axis *x = &f->plot->x;
    for (int i = 1; i < x->count; i++)
        if (text_start(f, i) < text_start(f, i - 1) + (int)strlen(x->text[i - 1]) + 2) return false;
    return true;
}

static void choose_x_ticks(const frame *f) {
    int most = (int)f->canvas.columns / 6;
    if (most > 10) most = 10;
    do gr_axis_ticks(&f->plot->x, most);
    while (most-- > 1 && !texts_fit(f));
}

static void put_x_texts(const frame *f) {
    const gr_axis *x = &f->plot->x;
    int at = 0;
    for (int i = 0; i < x->count; i++) {
        int start = text_start(f, i);
        if (start < at + (i > 0)) continue;
        gr_buffer_fill(f->out, ' ', (size_t)(start - at));
        gr_buffer_puts(f->out, x->text[i]);
        at = start + (int)strlen(x->text[i]);
    }
    gr_buffer_puts(f->out, "\n");
}

static void put_notes(const frame *f, const hidden *h) {
    const char *between = "";
    bool hides = h->nans + h->infs + h->not_positive > 0;
    if (h->drawn && !hides) return;
    gr_buffer_fill(f->out, ' ', f->margin + 2);
    gr_buffer_puts(f->out, h->drawn ? "not drawn: " : hides ? "nothing to draw: " : "nothing to draw");
    if (h->nans) gr_buffer_printf(f->out, "%zu nan", h->nans), between = ", ";
    if (h->infs) gr_buffer_printf(f->out, "%s%zu inf", between, h->infs), between = ", ";
    if (h->not_positive)
        gr_buffer_printf(f->out, "%s%zu not above 0 (log axis)", between, h->not_positive);
    gr_buffer_puts(f->out, "\n");
}

static void put_name(const frame *f, const char *name, bool centred) {
    if (!name || !*name) return;
    size_t n = gr_text_width(name, strlen(name)), room = f->canvas.columns;
    gr_buffer_fill(f->out, ' ', f->margin + 2 + (centred && n < room ? (room - n) / 2 : 0));
    gr_put_cut(f->out, name, strlen(name), room);
    gr_buffer_puts(f->out, "\n");
}

void gr_plot_draw(gr_plot *p, gr_buffer *out) {
    enum { LEAST = 4 };
    frame f = {.plot = p, .out = out};
    hidden h = {0};
    find_ranges(p, &h);
    int y_ticks = (int)(p->height + 3) / 4 + 1;
    gr_axis_round(&p->y, y_ticks, 0.12);
    gr_axis_round(&p->x, 10, 0.025);
    gr_axis_ticks(&p->y, y_ticks);
    f.margin = widest(&p->y);
    unsigned columns = p->width > f.margin + 2 + LEAST ? p->width - f.margin - 2 : LEAST;
    if (!gr_canvas_open(&f.canvas, p->ctx, p->ink, columns, p->height)) {
        out->failed = true;
        return;
    }
    choose_x_ticks(&f);
    draw_all(p, &f.canvas);
    out->failed |= *ad_interrupt_flag(p->ctx) != 0;
    gr_plot_title(out, p->title, p->width);
    put_legend(&f);
    put_name(&f, p->y_label, false);
    put_rows(&f);
    put_base(&f);
    put_x_texts(&f);
    put_name(&f, p->x_label, true);
    put_notes(&f, &h);
    gr_canvas_close(&f.canvas);
}
