/* SPDX-License-Identifier: MIT */
/* edges.c - elementwise rows at edge values. What is computed on the way of numbers is the
 * reference for all others; what it must be itself is said by the declared points of the table and
 * by the golden values. */
#include "edges.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void edges_fail(edges_result *r, const char *what, double got, double expected) {
    if (!r->failures++)
        snprintf(r->why, sizeof r->why, "%.300s: got %.17g, expected %.17g", what, got, expected);
}

static const double edge[] = {0.0,    -0.0,  1,      -1,       0.5,       2,  -3,
                              1e-300, 1e300, -1e300, INFINITY, -INFINITY, NAN};
enum { EDGES = sizeof edge / sizeof *edge, MOST = EDGES * EDGES * EDGES, OPERANDS = 3 };

/* What one way gives at one point. Second: the derivative of the sum of the partials. */
typedef struct answers {
    double value, partial[OPERANDS], second[OPERANDS];
} answers;

static int combinations(int n) { return n == 1 ? EDGES : n == 2 ? EDGES * EDGES : MOST; }

static double coordinate(int point, int k) {
    while (k--) point /= EDGES;
    return edge[point % EDGES];
}

/* ---- one way: numbers or a tensor of all points -------------------------------------------- */

typedef struct way {
    ad_ctx *ctx;
    ad_op op;
    int n;
    int64_t points; /* 0: a number */
    bool forward;   /* the second derivative by a forward sweep */
    double factor;  /* of the seeds */
} way;

static ad_value filled(const way *w, double x) {
    if (!w->points) return ad_number(x);
    return ad_wrap(ad_tensor_full(w->ctx, AD_F64, 1, &w->points, x));
}

static ad_status row_gradient(const way *w, const ad_value *leaf, ad_value *y, ad_value *grad) {
    ad_status s = ad_apply(w->ctx, w->op, 0, w->n, leaf, NULL, y);
    if (s != AD_OK) return s;
    if (!y->node) {
        for (int k = 0; k < w->n; k++) grad[k] = filled(w, 0);
        return AD_OK;
    }
    ad_value seed = filled(w, w->factor);
    s = ad_vjp(w->ctx, 1, y, &seed, w->n, leaf, AD_GRAD_OWN, 0, grad);
    ad_release(w->ctx, seed);
    if (s != AD_OK) ad_release(w->ctx, *y);
    return s;
}

static void read_into(ad_value v, double *at, size_t step) {
    double x[MOST];
    if (v.kind != AD_TENSOR) {
        *at = v.num;
        return;
    }
    ad_tensor_read(v.tensor, x);
    for (int64_t i = 0; i < v.tensor->size; i++)
        *(double *)(void *)((char *)at + (size_t)i * step) = x[i];
}

static ad_status second_reverse(const way *w, const ad_value *outer, ad_value *grad, answers *a) {
    for (int k = 0; k < w->n; k++) {
        ad_value seed = filled(w, w->factor), d[OPERANDS];
        ad_status s = AD_OK;
        if (grad[k].node) s = ad_vjp(w->ctx, 1, &grad[k], &seed, w->n, outer, AD_GRAD_OWN, 0, d);
        ad_release(w->ctx, seed);
        if (s != AD_OK) return s;
        if (!grad[k].node) continue;
        /* the diagonal: ∂/∂k of the partial in k */
        read_into(d[k], &a->second[k], sizeof *a);
        for (int j = 0; j < w->n; j++) ad_release(w->ctx, d[j]);
    }
    return AD_OK;
}

static ad_status second_forward(const way *w, const ad_value *outer, ad_value *grad, answers *a) {
    for (int k = 0; k < w->n; k++) {
        ad_value t[OPERANDS], d;
        if (!grad[k].node) continue;
        for (int j = 0; j < w->n; j++) t[j] = filled(w, j == k ? w->factor : 0);
        ad_status s = ad_jvp(w->ctx, w->n, outer, t, 1, &grad[k], AD_GRAD_OWN, 0, &d);
        for (int j = 0; j < w->n; j++) ad_release(w->ctx, t[j]);
        if (s != AD_OK) return s;
        read_into(d, &a->second[k], sizeof *a);
        ad_release(w->ctx, d);
    }
    return AD_OK;
}

/* Fills `a` for a number, or for all points of a tensor. */
static ad_status go(const way *w, const ad_value *in, answers *a) {
    ad_value outer[OPERANDS], inner[OPERANDS], y, grad[OPERANDS];
    ad_status s = AD_OK;
    for (int k = 0; k < w->n && s == AD_OK; k++) {
        s = ad_leaf(w->ctx, in[k], 0, 0, &outer[k]);
        if (s == AD_OK) s = ad_leaf(w->ctx, outer[k], 0, 0, &inner[k]);
    }
    if (s == AD_OK) s = row_gradient(w, inner, &y, grad);
    if (s != AD_OK) return s;
    read_into(y, &a->value, sizeof *a);
    for (int k = 0; k < w->n; k++) read_into(grad[k], &a->partial[k], sizeof *a);
    s = (w->forward ? second_forward : second_reverse)(w, outer, grad, a);
    ad_release(w->ctx, y);
    for (int k = 0; k < w->n; k++) {
        ad_release(w->ctx, grad[k]);
        ad_release(w->ctx, inner[k]);
        ad_release(w->ctx, outer[k]);
    }
    return s;
}

/* ---- agreement ------------------------------------------------------------------------------ */

static bool alike(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= 1e-14 * fmax(fabs(a), fabs(b));
}

static void compare_one(edges_result *r, const way *w, int point, const char *what, double got,
                        double expected) {
    char text[300];
    r->points++;
    if (alike(got, expected)) return;
    snprintf(text, sizeof text, "%s(%g, %g, %g), %s", ad_op_info(w->op)->name, coordinate(point, 0),
             coordinate(point, 1), coordinate(point, 2), what);
    edges_fail(r, text, got, expected);
}

/* An infinite adjoint that meets a partial of 0 is nan, and so is an infinite tangent; the two come
 * to the factors of a second derivative from opposite ends, so one may be nan, or underflow to 0,
 * where the other does not. */
static bool other_end(double got, double expected) {
    bool underflow = (got == 0 || expected == 0) && fabs(got + expected) < 1e-290;
    return isnan(got) != isnan(expected) || underflow;
}

static void compare(edges_result *r, const way *w, const char *name, const answers *got,
                    const answers *expected) {
    char what[100];
    for (int i = 0; i < combinations(w->n); i++) {
        snprintf(what, sizeof what, "value %s", name);
        compare_one(r, w, i, what, got[i].value, expected[i].value);
        for (int k = 0; k < w->n; k++) {
            snprintf(what, sizeof what, "partial %d %s", k, name);
            compare_one(r, w, i, what, got[i].partial[k], expected[i].partial[k]);
            snprintf(what, sizeof what, "second partial %d %s", k, name);
            double second = expected[i].second[k];
            if (w->forward && other_end(got[i].second[k], second))
                r->refused++;
            else
                compare_one(r, w, i, what, got[i].second[k], second);
        }
    }
}

static void expect_zeros(edges_result *r, const way *w, const char *name, const answers *got) {
    for (int i = 0; i < combinations(w->n); i++)
        for (int k = 0; k < w->n; k++) {
            compare_one(r, w, i, name, got[i].partial[k], 0);
            compare_one(r, w, i, name, got[i].second[k], 0);
        }
}

static void run_numbers(way w, answers *a, edges_result *r) {
    for (int i = 0; i < combinations(w.n); i++) {
        ad_value in[OPERANDS];
        for (int k = 0; k < w.n; k++) in[k] = ad_number(coordinate(i, k));
        if (go(&w, in, &a[i]) != AD_OK) edges_fail(r, ad_last_error(w.ctx)->message, NAN, NAN);
    }
}

static void run_tensor(way w, answers *a, edges_result *r) {
    static double x[MOST]; /* too large for the stack of a test */
    ad_value in[OPERANDS];
    w.points = combinations(w.n);
    for (int k = 0; k < w.n; k++) {
        for (int i = 0; i < w.points; i++) x[i] = coordinate(i, k);
        in[k] = ad_wrap(ad_tensor_from(w.ctx, AD_F64, 1, &w.points, x));
    }
    if (go(&w, in, a) != AD_OK) edges_fail(r, ad_last_error(w.ctx)->message, NAN, NAN);
    for (int k = 0; k < w.n; k++) ad_release(w.ctx, in[k]);
}

void edges_elementwise(ad_ctx *ctx, ad_op op, edges_result *r) {
    int n = ad_op_info(op)->min_operands;
    size_t bytes = (size_t)combinations(n) * sizeof(answers);
    answers *reference = ad_mem_get(ctx, bytes), *other = ad_mem_get(ctx, bytes);
    way w = {ctx, op, n, 0, false, 1};
    memset(reference, 0, bytes);
    run_numbers(w, reference, r);
    for (int kind = 1; kind < 4; kind++) {
        w.forward = kind & 1;
        memset(other, 0, bytes);
        (kind & 2 ? run_tensor : run_numbers)(w, other, r);
        compare(r, &w, kind & 2 ? w.forward ? "of a tensor, forward" : "of a tensor" : "forward",
                other, reference);
    }
    w.factor = 0;
    for (int kind = 0; kind < 4; kind++) {
        w.forward = kind & 1;
        memset(other, 0, bytes);
        (kind & 2 ? run_tensor : run_numbers)(w, other, r);
        expect_zeros(r, &w, kind & 2 ? "zero adjoints, tensor" : "zero adjoint", other);
    }
    ad_mem_put(ctx, reference, bytes);
    ad_mem_put(ctx, other, bytes);
}
