/* SPDX-License-Identifier: MIT */
/*
 * Plots as lines of text, from numbers that have been taken out of values already (builtin_plot.c):
 * ticks of axes, frames with curves in them, bars, maps of shades. No vm, no evaluation.
 */
#ifndef GR_PLOT_H
#define GR_PLOT_H

#include "canvas.h"

/* ---- ticks (plot_ticks.c) --------------------------------------------------------------------- */

enum { GR_MAX_TICKS = 32, GR_TICK_TEXT = 32 };

/* Positions are in the axis' own coordinate: the value, on a log axis its decimal logarithm. */
typedef struct gr_axis {
    double low, high;
    bool log;
    bool fixed; /* asked for: not to be widened */
    bool whole; /* of counts: no ticks between whole numbers */
    int count;
    double ticks[GR_MAX_TICKS];
    char text[GR_MAX_TICKS][GR_TICK_TEXT];
} gr_axis;

/* Makes low < high with room to tell them apart: a constant gets some room on both sides. */
void gr_axis_open(gr_axis *a);
/* At most `most` ticks at 1, 2 or 5 times a power of ten (log: at powers of ten, as long as two of
 * them are in sight), with texts of as many digits as tell them apart. */
void gr_axis_ticks(gr_axis *a, int most);
/* Moves an end out to the next tick where that is nearer than `share` of the axis. */
void gr_axis_round(gr_axis *a, int most, double share);
/* 0 at the low end, 1 at the high one. */
double gr_axis_place(const gr_axis *a, double x);
/* The step itself: m · 10^e, m one of 1, 2, 5, so that range / step is at most `most`, give or take a
 * tenth. */
void gr_nice_step(double range, int most, int *m, int *e);
/* k · m · 10^e, correctly rounded as far as doubles go. */
double gr_nice_value(double k, int m, int e);
/* Text for a value among others of size `largest` that differ by 10^e. */
void gr_tick_text(char text[GR_TICK_TEXT], double x, double largest, int e);

/* ---- frames (plot_frame.c) -------------------------------------------------------------------- */

typedef struct gr_series {
    double *x, *y;
    size_t count;
    char label[64]; /* "": none */
} gr_series;

typedef struct gr_plot {
    ad_ctx *ctx;
    gr_series *series;
    size_t count;
    gr_axis x, y;
    const char *title, *x_label, *y_label; /* NULL: none */
    unsigned width, height;                /* columns, and lines of the canvas */
    gr_ink ink;
    bool points; /* marks only, no lines */
} gr_plot;

/* The whole picture, each line ended by a newline. */
void gr_plot_draw(gr_plot *p, gr_buffer *out);
/* A line of text in the middle of `width` columns; nothing for NULL. */
void gr_plot_title(gr_buffer *out, const char *title, unsigned width);

/* ---- bars and maps (plot_cells.c) ------------------------------------------------------------- */

typedef struct gr_bars {
    const char *title;
    unsigned width;
    gr_ink ink;
    size_t count;            /* of bins */
    const double *edges;     /* count + 1 */
    const double *heights;   /* count */
    int edge_digits;         /* edges differ by 10^edge_digits */
} gr_bars;
void gr_bars_draw(const gr_bars *b, gr_buffer *out);

typedef struct gr_map {
    ad_ctx *ctx;
    const char *title;
    unsigned width;
    gr_ink ink;
    size_t rows, columns;
    const double *values;      /* row-major */
    double low, high;          /* shades from … to */
    char (*row_names)[64], (*column_names)[64]; /* NULL: numbers */
} gr_map;
void gr_map_draw(const gr_map *m, gr_buffer *out);

#endif
