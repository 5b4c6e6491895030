/* SPDX-License-Identifier: MIT */
/* kernel_conv.c - see kernel_conv.h. Direct: for each pair of channels and each kernel element,
 * rows of the image run against rows of the result; nothing is unfolded. Strong zeros as in
 * kernel_matmul.c: a result with inf or nan is computed again with the products of exact zeros left
 * out. */
#include "kernel_conv.h"

#include "kernel_matmul.h"

#include <math.h>
#include <string.h>

static int64_t size_of(const ad_conv *g, ad_conv_open open) {
    if (open == AD_CONV_OUTPUT) return g->n * g->o * g->oh * g->ow;
    if (open == AD_CONV_INPUT) return g->n * g->c * g->h * g->w;
    return g->o * g->c * g->kh * g->kw;
}

/* Result columns whose image column q·s + shift lies inside [0, size). */
static void inside(int64_t shift, int64_t s, int64_t size, int64_t count, int64_t *from,
                   int64_t *upto) {
    *from = shift < 0 ? (-shift + s - 1) / s : 0;
    *upto = size - shift <= 0 ? 0 : (size - shift + s - 1) / s;
    if (*upto > count) *upto = count;
    if (*from > *upto) *from = *upto;
}

static double product(double x, double y, int strong) {
    if ((strong & AD_STRONG_A) && x == 0.0) return 0.0;
    if ((strong & AD_STRONG_B) && y == 0.0) return 0.0;
    return x * y;
}

/* One row: x[k s], y[k], k in [0, n), and one weight. */
static void row_plain(ad_conv_open open, double *x, double *y, double *w, int64_t s, int64_t n) {
    double v = *w;
    if (open == AD_CONV_OUTPUT && s == 1)
        for (int64_t k = 0; k < n; k++) y[k] += v * x[k];
    else if (open == AD_CONV_OUTPUT)
        for (int64_t k = 0; k < n; k++) y[k] += v * x[k * s];
    else if (open == AD_CONV_INPUT)
        for (int64_t k = 0; k < n; k++) x[k * s] += v * y[k];
    else {
        double t = 0.0;
        for (int64_t k = 0; k < n; k++) t += y[k] * x[k * s];
        *w += t;
    }
}

static void row_strong(ad_conv_open open, double *x, double *y, double *w, int64_t s, int64_t n,
                       int strong) {
    double v = *w;
    for (int64_t k = 0; k < n; k++) {
        if (open == AD_CONV_OUTPUT)
            y[k] += product(x[k * s], v, strong);
        else if (open == AD_CONV_INPUT)
            x[k * s] += product(y[k], v, strong);
        else
            *w += product(y[k], x[k * s], strong);
    }
}

/* All rows of one image plane, one result plane and one kernel plane. */
static void planes(const ad_conv *g, ad_conv_open open, double *x, double *y, double *w,
                   int strong) {
    for (int64_t i = 0; i < g->kh; i++)
        for (int64_t j = 0; j < g->kw; j++) {
            int64_t p0, p1, q0, q1, s = g->stride[1];
            inside(i - g->padding[0], g->stride[0], g->h, g->oh, &p0, &p1);
            inside(j - g->padding[1], s, g->w, g->ow, &q0, &q1);
            double *wij = w + i * g->kw + j;
            for (int64_t p = p0; p < p1; p++) {
                double *xr =
                    x + (p * g->stride[0] + i - g->padding[0]) * g->w + q0 * s + j - g->padding[1];
                double *yr = y + p * g->ow + q0;
                if (strong)
                    row_strong(open, xr, yr, wij, s, q1 - q0, strong);
                else
                    row_plain(open, xr, yr, wij, s, q1 - q0);
            }
        }
}

static ad_status all_planes(ad_ctx *ctx, const ad_conv *g, ad_conv_open open, double *x, double *y,
                            double *w, int strong) {
    int64_t work = 0, each = g->oh * g->ow * g->kh * g->kw;
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t o = 0; o < g->o; o++)
            for (int64_t c = 0; c < g->c; c++) {
                planes(g, open, x + (n * g->c + c) * g->h * g->w,
                       y + (n * g->o + o) * g->oh * g->ow, w + (o * g->c + c) * g->kh * g->kw,
                       strong);
                work += each;
                if (work < 1 << 20) continue;
                work = 0;
                if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
            }
    return AD_OK;
}

/* The operands are only read, whichever of the three they are. */
static double *reading(const double *p) { return (double *)(uintptr_t)p; }

static ad_status once(ad_ctx *ctx, const ad_conv *g, ad_conv_open open, const double *a,
                      const double *b, int strong, double *out) {
    int64_t size = size_of(g, open), piece = 1 << 20;
    for (int64_t at = 0; at < size; at += piece) {
        memset(out + at, 0, sizeof(double) * (size_t)(size - at < piece ? size - at : piece));
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    switch (open) {
    case AD_CONV_OUTPUT: return all_planes(ctx, g, open, reading(a), out, reading(b), strong);
    case AD_CONV_INPUT: return all_planes(ctx, g, open, out, reading(a), reading(b), strong);
    default: return all_planes(ctx, g, open, reading(b), reading(a), out, strong);
    }
}

ad_status ad_conv_run(ad_ctx *ctx, const ad_conv *g, ad_conv_open open, const double *a,
                      const double *b, int strong, double *out) {
    ad_status s = once(ctx, g, open, a, b, 0, out);
    if (s || strong == 0) return s;
    double bad = 0.0;
    for (int64_t i = size_of(g, open); i-- > 0;) bad += out[i] - out[i];
    return isnan(bad) ? once(ctx, g, open, a, b, strong, out) : AD_OK;
}
