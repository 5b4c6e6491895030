/* SPDX-License-Identifier: MIT */
/*
 * A tensor as text, in two passes over the elements that are shown: the first decides how numbers
 * are written (whole, with a number of decimals, scientific), the second writes them, each in a
 * column of one width. Long axes of a large tensor show their two ends.
 * Rank is at most AD_MAX_RANK, so recursion over axes is bounded.
 */
#include "format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LARGE = 1000, LARGE_INSIDE = 100, EDGE = 3, DECIMALS = 8, CELL = 400 };
/* At the prompt: rows before some are left out; lines of a vector, and of its ends if there are more. */
enum { SCREEN_ROWS = 22, VECTOR_LINES = 12, VECTOR_ENDS = 3 };

typedef enum { SHORTEST, WHOLE, FIXED, SCIENTIFIC, TRUTH, SPEC } notation;

typedef struct sheet {
    gr_buffer *out;
    const ad_tensor *t;
    const gr_spec *spec;
    notation notation;
    int decimals;   /* FIXED, SCIENTIFIC */
    unsigned digits; /* as asked for; 0: DECIMALS of them behind the point */
    bool one_line;
    bool gap_line; /* what is left out of a vector has a line of its own */
    int64_t edge[AD_MAX_RANK]; /* how many elements at each end of an axis are shown; 0: all */
    bool fits;      /* the spec could print every element */
    size_t column;  /* width of every cell; 0: as wide as each is */
    unsigned indent, width;
    int64_t index[AD_MAX_RANK];
} sheet;

/* The next position shown after i on an axis; jumps over the middle. */
static int64_t shown_after(const sheet *s, int axis, int64_t i) {
    int64_t size = s->t->dims[axis], edge = s->edge[axis];
    return edge && size > 2 * edge && i == edge - 1 ? size - edge : i + 1;
}

static bool single(const sheet *s) { return s->t->dtype == AD_F32; }

static size_t shortest(const sheet *s, double x, char *text) {
    return single(s) ? ad_single_text((float)x, text) : ad_number_text(x, text);
}

/* ---- choosing --------------------------------------------------------------------------------- */

typedef struct survey {
    bool whole;
    double largest, smallest; /* of what is finite and not 0 */
    int decimals, digits;     /* most that a shortest text has: behind the point; significant − 1 */
} survey;

static void see_digits(survey *v, const char *text) {
    const char *e = strchr(text, 'e'), *end = e ? e : text + strlen(text);
    const char *point = memchr(text, '.', (size_t)(end - text));
    int decimals = point ? (int)(end - point) - 1 : 0, seen = 0, digits = 0;
    for (const char *p = text; p < end; p++) {
        bool counts = *p > '0' && *p <= '9';
        seen += *p != '.' && (seen > 0 || counts);
        if (counts || point) digits = seen; /* zeros at the end of a whole number say nothing */
    }
    if (e) {
        int exponent = 0;
        sscanf(e + 1, "%d", &exponent);
        decimals = decimals - exponent > 0 ? decimals - exponent : 0;
    }
    if (decimals > v->decimals) v->decimals = decimals;
    if (digits - 1 > v->digits) v->digits = digits - 1;
}

static void see(sheet *s, survey *v, double x) {
    if (!isfinite(x)) return;
    v->whole &= x == trunc(x) && fabs(x) < 1e15;
    if (x == 0) return;
    double size = fabs(x);
    v->largest = fmax(v->largest, size);
    v->smallest = fmin(v->smallest, size);
    char text[32];
    shortest(s, x, text);
    see_digits(v, text);
}

static void survey_axis(sheet *s, survey *v, int axis) {
    for (int64_t i = 0; i < s->t->dims[axis]; i = shown_after(s, axis, i)) {
        s->index[axis] = i;
        if (axis + 1 < s->t->rank)
            survey_axis(s, v, axis + 1);
        else
            see(s, v, ad_tensor_get(s->t, s->index));
    }
}

static int least(int a, int b) { return a < b ? a : b; }

/* Behind the point, where the largest has `before` digits more than one in front of it. */
static int decimals_beside(const sheet *s, int before) {
    if (!s->digits) return before > 4 ? 4 : DECIMALS - before;
    int left = (int)s->digits - 1 - before;
    return left > 0 ? left : 0;
}

static void choose(sheet *s) {
    survey v = {.whole = true, .smallest = INFINITY};
    survey_axis(s, &v, 0);
    int before = v.largest >= 10 ? (int)floor(log10(v.largest)) : 0;
    s->decimals = least(v.decimals, decimals_beside(s, before));
    bool vanishes = s->digits && v.smallest < pow(10, -s->decimals);
    if (v.whole) {
        s->notation = WHOLE;
    } else if (v.largest >= 1e8 || v.smallest < 1e-4 || vanishes) {
        s->notation = SCIENTIFIC;
        s->decimals = least(v.digits, s->digits ? (int)s->digits - 1 : DECIMALS - 1);
    } else {
        s->notation = FIXED;
    }
}

/* ---- cells ------------------------------------------------------------------------------------ */

static size_t put_scientific(double x, int decimals, char *text) {
    char full[64];
    snprintf(full, sizeof full, "%.*e", decimals, x);
    char *e = strchr(full, 'e');
    int exponent = 0;
    sscanf(e + 1, "%d", &exponent);
    return (size_t)snprintf(text, CELL, "%.*se%d", (int)(e - full), full, exponent);
}

/* 0.12345679 rather than 0.1234567891234: a single line has no columns to keep, so no zeros. Beside very
 * small or large numbers 1e10 rather than 10000000000. */
static size_t put_alone(const sheet *s, double x, char *text) {
    char other[CELL];
    survey v = {0};
    unsigned most = s->digits ? s->digits : DECIMALS;
    size_t n = shortest(s, x, text);
    see_digits(&v, text);
    bool large = s->notation == SCIENTIFIC && isfinite(x) && fabs(x) >= 1e5 && v.digits < (int)most;
    if (large && put_scientific(x, v.digits, other) < n) return put_scientific(x, v.digits, text);
    if (v.digits < (int)most || x == trunc(x)) return n;
    return gr_number_rounded(x, most, false, text);
}

static size_t cell(sheet *s, double x, char *text) {
    if (s->notation == TRUTH) return (size_t)snprintf(text, CELL, "%s", x != 0 ? "true" : "false");
    if (s->notation == FIXED && isfinite(x) && s->column)
        return (size_t)snprintf(text, CELL, "%.*f", s->decimals, x);
    if (s->notation == SCIENTIFIC && isfinite(x) && s->column) return put_scientific(x, s->decimals, text);
    if (s->notation == FIXED || s->notation == SCIENTIFIC) return put_alone(s, x, text);
    return shortest(s, x, text);
}

static void put_cell(sheet *s, gr_buffer *out, double x) {
    char text[CELL];
    if (s->notation == SPEC) {
        s->fits &= gr_spec_number(out, s->spec, x, single(s));
        return;
    }
    size_t n = cell(s, x, text);
    if (s->column > n) gr_buffer_fill(out, ' ', s->column - n);
    gr_buffer_put(out, text, n);
}

static void measure_axis(sheet *s, size_t *widest, int axis) {
    char text[CELL];
    for (int64_t i = 0; i < s->t->dims[axis]; i = shown_after(s, axis, i)) {
        s->index[axis] = i;
        if (axis + 1 < s->t->rank) {
            measure_axis(s, widest, axis + 1);
        } else {
            size_t n = cell(s, ad_tensor_get(s->t, s->index), text);
            if (n > *widest) *widest = n;
        }
    }
}

/* ---- lines ------------------------------------------------------------------------------------ */

static void new_line(sheet *s, int axis) {
    gr_buffer_puts(s->out, "\n");
    gr_buffer_fill(s->out, ' ', s->indent + (size_t)axis + 1);
}

/* The innermost axis, broken where the line is full. */
static void put_row(sheet *s, int axis) {
    size_t start = s->indent + (size_t)axis + 1, at = start, limit = s->width;
    for (int64_t i = 0, next; i < s->t->dims[axis]; i = next) {
        s->index[axis] = i;
        next = shown_after(s, axis, i);
        size_t before = s->out->size;
        put_cell(s, s->out, ad_tensor_get(s->t, s->index));
        if (next > i + 1 && s->gap_line) {
            gr_buffer_puts(s->out, ",");
            new_line(s, axis);
            gr_buffer_puts(s->out, "…,");
            new_line(s, axis);
            at = start;
            continue;
        }
        if (next > i + 1) gr_buffer_puts(s->out, ", …");
        if (next < s->t->dims[axis]) gr_buffer_puts(s->out, ", ");
        at += gr_text_width(s->out->text + before, s->out->size - before);
        if (s->column && next < s->t->dims[axis] && at + s->column + 1 > limit && at > start) {
            gr_buffer_trim(s->out);
            new_line(s, axis);
            at = start;
        }
    }
}

static void put_axis(sheet *s, int axis) {
    gr_buffer_puts(s->out, "[");
    if (axis + 1 == s->t->rank) {
        put_row(s, axis);
    } else {
        for (int64_t i = 0, next; i < s->t->dims[axis]; i = next) {
            s->index[axis] = i;
            next = shown_after(s, axis, i);
            put_axis(s, axis + 1);
            if (next >= s->t->dims[axis]) break;
            gr_buffer_puts(s->out, ",");
            if (s->one_line) {
                gr_buffer_puts(s->out, " ");
                continue;
            }
            new_line(s, axis);
            if (next > i + 1) gr_buffer_puts(s->out, "…,"), new_line(s, axis);
        }
    }
    gr_buffer_puts(s->out, "]");
}

/* On one line without columns, if that is short enough. */
static bool put_short_vector(sheet *s) {
    size_t before = s->out->size;
    s->column = 0;
    put_axis(s, 0);
    size_t shown = gr_text_width(s->out->text + before, s->out->size - before);
    if (s->indent + shown <= s->width) return true;
    s->out->size = before;
    return false;
}

/* What literals cannot write. */
static void put_empty(gr_buffer *out, const ad_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        gr_buffer_printf(out, "%s%lld", i == 0 ? "zeros(" : ", ", (long long)t->dims[i]);
    gr_buffer_puts(out, t->dtype == AD_BOOL8 ? ", dtype = \"bool\")" : ")");
}

/* ---- what is left out ------------------------------------------------------------------------- */

/* How many numbers fit into a line, with all brackets at its ends, beside `used` columns. */
static int64_t line_room(const sheet *s, int64_t used) {
    int64_t room = (int64_t)s->width - s->indent - 2 * s->t->rank + 2 - used;
    int64_t n = room / (int64_t)(s->column + 2);
    return n < 2 ? 2 : n;
}

/* So that the prompt shows no more than a screen: rows that are not broken into lines, a vector of a
 * few lines. The first look guesses the width of columns, the second knows it. */
static void fit_rows(sheet *s) {
    int64_t rows = 1;
    int last = s->t->rank - 1;
    for (int i = 0; i < last; i++) rows *= s->t->dims[i];
    if (rows <= SCREEN_ROWS) return;
    s->edge[last - 1] = last == 1 ? SCREEN_ROWS / 2 - 2 : EDGE;
    for (int i = 0; i < last - 1; i++) s->edge[i] = EDGE - 1;
}

static void fit_columns(sheet *s) {
    int last = s->t->rank - 1;
    int64_t n = s->t->dims[last], room = line_room(s, 0);
    s->edge[last] = last > 0 && n > room ? line_room(s, 3) / 2 : 0;
    if (last == 0 && n > room * VECTOR_LINES) s->edge[0] = room * VECTOR_ENDS;
}

bool gr_format_tensor(gr_buffer *out, const ad_tensor *t, gr_tensor_style style, const gr_spec *spec,
                      unsigned digits, unsigned indent, unsigned width) {
    sheet s = {.out = out, .t = t, .spec = spec, .fits = true, .digits = digits, .indent = indent,
               .width = width};
    if (t->size == 0 && t->rank > 1) {
        put_empty(out, t);
        return true;
    }
    s.one_line = style == GR_TENSOR_SOURCE;
    if (style == GR_TENSOR_ALIGNED && t->size > (indent ? LARGE_INSIDE : LARGE))
        for (int i = 0; i < t->rank; i++) s.edge[i] = EDGE;
    if (style == GR_TENSOR_FITTED) fit_rows(&s), s.column = 1, fit_columns(&s);
    if (t->dtype == AD_BOOL8)
        s.notation = TRUTH;
    else if (spec)
        s.notation = SPEC;
    else if (style != GR_TENSOR_SOURCE)
        choose(&s);
    if (!s.one_line && s.notation != SPEC && t->size > 0) {
        bool ends = style == GR_TENSOR_FITTED && s.edge[0];
        if (t->rank == 1 && !ends && put_short_vector(&s)) return true;
        s.column = 1;
        measure_axis(&s, &s.column, 0);
        if (style == GR_TENSOR_FITTED) fit_columns(&s);
        s.gap_line = t->rank == 1 && style == GR_TENSOR_FITTED;
    }
    put_axis(&s, 0);
    return s.fits;
}
