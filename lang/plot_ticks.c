/* SPDX-License-Identifier: MIT */
/*
 * Where an axis has its ticks, and what they are called. Steps are 1, 2 or 5 times a power of ten
 * (after Heckbert, Nice Numbers for Graph Labels, 1990); a tick is computed from its number and the
 * step's two whole parts, never by adding steps, so that 0.3 is 0.3.
 */
#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Below this share of the values themselves an axis would show rounding errors. */
#define FINEST 1e-11

void gr_axis_open(gr_axis *a) {
    if (!(a->low <= a->high)) a->low = 0, a->high = 1;
    double size = fmax(fabs(a->low), fabs(a->high));
    double least = fmax(size * FINEST, 1e-300);
    if (a->high - a->low >= least) return;
    double room = a->log ? 0.5 : a->low != a->high ? least : size > 0 ? size / 10 : 1;
    a->low -= fmax(room, least);
    a->high += fmax(room, least);
}

/* Halves, so that an axis from -1e308 to 1e308 has a finite length. */
static double half_length(const gr_axis *a) { return a->high / 2 - a->low / 2; }

double gr_axis_place(const gr_axis *a, double x) { return (x / 2 - a->low / 2) / half_length(a); }

void gr_nice_step(double range, int most, int *m, int *e) {
    double raw = range / most;
    *e = (int)floor(log10(raw));
    double f = *e < -300 ? raw * 1e20 / pow(10, *e + 20) : raw / pow(10, *e);
    *m = f <= 1.1 ? 1 : f <= 2.2 ? 2 : f <= 5.5 ? 5 : 10;
    if (*m == 10) *m = 1, ++*e;
}

double gr_nice_value(double k, int m, int e) {
    if (e >= 0) return k * m * pow(10, e);
    return e < -300 ? k * m / 1e300 / pow(10, -e - 300) : k * m / pow(10, -e);
}

/* 1.5e+06 without what says nothing: 1.5e6. */
static void put_scientific(char text[GR_TICK_TEXT], double x, int digits) {
    char full[48];
    int exponent = 0;
    snprintf(full, sizeof full, "%.*e", digits, x);
    int mantissa = (int)strcspn(full, "e");
    sscanf(full + mantissa, "e%d", &exponent);
    snprintf(text, GR_TICK_TEXT, "%.*se%d", mantissa > 20 ? 20 : mantissa, full, exponent);
}

void gr_tick_text(char text[GR_TICK_TEXT], double x, double largest, int e) {
    int top = largest > 0 ? (int)floor(log10(largest) + 1e-9) : 0;
    if (x == 0) {
        snprintf(text, GR_TICK_TEXT, "0");
    } else if (top >= 6 || top < -4) {
        int own = (int)floor(log10(fabs(x)) + 1e-9), digits = own - e;
        put_scientific(text, x, digits < 0 ? 0 : digits > 16 ? 16 : digits);
    } else {
        int decimals = e < 0 ? -e : 0;
        snprintf(text, GR_TICK_TEXT, "%.*f", decimals > 16 ? 16 : decimals, x);
    }
}

static void add(gr_axis *a, double place, double x, double largest, int e) {
    if (a->count == GR_MAX_TICKS) return;
    a->ticks[a->count] = place;
    gr_tick_text(a->text[a->count++], x, largest, e);
}

static double decade(double place) { return pow(10, fmin(place, 308.2)); }

/* Ticks at equal distances; on a log axis, of the values themselves. */
static void linear_ticks(gr_axis *a, int most) {
    double low = a->log ? decade(a->low) : a->low, high = a->log ? decade(a->high) : a->high;
    double largest = fmax(fabs(low), fabs(high));
    int m, e;
    gr_nice_step((high / 2 - low / 2) / most * 2, 1, &m, &e);
    if (a->whole && e < 0) m = 1, e = 0;
    double unit = gr_nice_value(1, m, e);
    double first = ceil(low / unit - 1e-6), last = floor(high / unit + 1e-6);
    for (double k = first; k <= last && a->count < GR_MAX_TICKS; k++) {
        double x = gr_nice_value(k, m, e) + 0.0;
        if (!a->log || x > 0) add(a, a->log ? log10(x) : x, x, largest, e);
    }
}

static void power_text(char text[GR_TICK_TEXT], int exponent, bool plain) {
    if (plain) snprintf(text, GR_TICK_TEXT, "%.*f", exponent < 0 ? -exponent : 0, pow(10, exponent));
    else snprintf(text, GR_TICK_TEXT, "1e%d", exponent);
}

static void log_ticks(gr_axis *a, int most) {
    int first = (int)ceil(a->low - 1e-6), last = (int)floor(a->high + 1e-6), m, e;
    if (last - first < 1) {
        linear_ticks(a, most);
        return;
    }
    gr_nice_step(last - first, most, &m, &e);
    int step = e < 0 ? 1 : (int)gr_nice_value(1, m, e);
    for (int k = first; k <= last && a->count < GR_MAX_TICKS; k++) {
        if (k % step) continue;
        a->ticks[a->count] = k;
        power_text(a->text[a->count++], k, first >= -4 && last <= 5);
    }
}

void gr_axis_ticks(gr_axis *a, int most) {
    a->count = 0;
    if (most < 1) most = 1;
    if (most > GR_MAX_TICKS - 2) most = GR_MAX_TICKS - 2;
    if (a->log) log_ticks(a, most);
    else linear_ticks(a, most);
}

void gr_axis_round(gr_axis *a, int most, double share) {
    int m = 1, e = 0;
    double length = 2 * half_length(a);
    if (a->fixed || !isfinite(length)) return;
    if (!a->log) gr_nice_step(length, most, &m, &e);
    double unit = gr_nice_value(1, m, e);
    double low = floor(a->low / unit) * unit, high = ceil(a->high / unit) * unit;
    if (a->low - low <= share * length) a->low = gr_nice_value(floor(a->low / unit + 1e-9), m, e);
    if (high - a->high <= share * length) a->high = gr_nice_value(ceil(a->high / unit - 1e-9), m, e);
}
