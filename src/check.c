/* SPDX-License-Identifier: MIT */
/* check.c - derivatives against central differences. A result that is a tensor is weighed with fixed
 * weights that no symmetry cancels, so that one reverse sweep gives all that the differences are
 * compared with. Uses only what ad.h offers a host, apart from the switch that falsifies a row. */
#include "base.h"

#include <float.h>
#include <math.h>
#include <string.h>

void ad_sabotage(ad_ctx *ctx, ad_op op, double factor) {
    ctx->sabotage = op;
    ctx->sabotage_factor = factor;
}

typedef struct checker {
    ad_ctx *ctx;
    ad_function f;
    void *user;
    int n;
    ad_value *at; /* untracked copies, whose elements are moved one by one */
    ad_random_state random;
    double tolerance;
    bool passed;
    ad_check_report report;
} checker;

static double weight(int64_t i) {
    double x = 0.6180339887498949 * (double)(i + 1);
    return 0.5 + (x - floor(x));
}

static bool is_tensor(ad_value v) { return v.kind == AD_TENSOR; }

static int64_t elements(ad_value v) { return is_tensor(v) ? v.tensor->size : 1; }

static ad_status evaluate(checker *c, const ad_value *in, ad_value *y) {
    ad_random_set(c->ctx, c->random);
    ad_status s = c->f(c->ctx, c->user, in, y);
    if (s == AD_OK && y->kind != AD_NUMBER && y->kind != AD_BOOL && !is_tensor(*y)) {
        ad_release(c->ctx, *y);
        return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1,
                       "the checked function gives neither a number nor a tensor");
    }
    return s;
}

static ad_status weighed_sum(ad_ctx *ctx, ad_value y, double *sum) {
    if (!is_tensor(y)) {
        *sum = y.num;
        return AD_OK;
    }
    size_t bytes = (size_t)y.tensor->size * sizeof(double);
    double *x = ad_mem_get(ctx, bytes + 1);
    if (!x) return ad_failed(ctx);
    ad_tensor_read(y.tensor, x);
    *sum = 0;
    for (int64_t i = 0; i < y.tensor->size; i++) *sum += weight(i) * x[i];
    ad_mem_put(ctx, x, bytes + 1);
    return AD_OK;
}

/* ---- the derivative by the tape ----------------------------------------------------------- */

static ad_status seed_of(ad_ctx *ctx, ad_value y, ad_value *seed) {
    *seed = ad_number(1);
    if (!is_tensor(y)) return AD_OK;
    size_t bytes = (size_t)y.tensor->size * sizeof(double);
    double *w = ad_mem_get(ctx, bytes + 1);
    if (!w) return ad_failed(ctx);
    for (int64_t i = 0; i < y.tensor->size; i++) w[i] = weight(i);
    ad_dtype dtype = y.tensor->dtype == AD_F32 ? AD_F32 : AD_F64;
    ad_tensor *t = ad_tensor_from(ctx, dtype, y.tensor->rank, y.tensor->dims, w);
    ad_mem_put(ctx, w, bytes + 1);
    if (!t) return ad_failed(ctx);
    *seed = ad_wrap(t);
    return AD_OK;
}

/* What does not depend on a tracked value at all has no tape: its derivatives are 0. */
static ad_status sweep(checker *c, ad_value y, const ad_value *leaf, ad_value *grad) {
    for (int i = 0; i < c->n; i++) grad[i] = ad_number(0);
    if (!y.node) return AD_OK;
    ad_value seed;
    ad_status s = seed_of(c->ctx, y, &seed);
    if (s != AD_OK) return s;
    s = ad_vjp(c->ctx, 1, &y, &seed, c->n, leaf, 0, 0, grad);
    ad_release(c->ctx, seed);
    return s;
}

static ad_status by_tape(checker *c, ad_value *grad) {
    ad_value leaf[AD_MAX_OPERANDS], y;
    ad_status s = AD_OK;
    int made = 0;
    for (; made < c->n && s == AD_OK; made++) {
        s = ad_leaf(c->ctx, c->at[made], 0, 0, &leaf[made]);
        if (s != AD_OK) break;
    }
    if (s == AD_OK) s = evaluate(c, leaf, &y);
    if (s == AD_OK) {
        s = sweep(c, y, leaf, grad);
        ad_release(c->ctx, y);
    }
    while (made--) ad_release(c->ctx, leaf[made]);
    return s;
}

/* ---- and by differences ------------------------------------------------------------------- */

static double get(ad_value v, int64_t i) {
    if (!is_tensor(v)) return v.num;
    if (v.tensor->dtype == AD_F32) return (double)((float *)v.tensor->data)[i];
    return ((double *)v.tensor->data)[i];
}

static void set(ad_value *v, int64_t i, double x) {
    if (!is_tensor(*v))
        v->num = x;
    else if (v->tensor->dtype == AD_F32)
        ((float *)v->tensor->data)[i] = (float)x;
    else
        ((double *)v->tensor->data)[i] = x;
}

/* The function with one element moved; what fails or is not finite counts as outside its domain, but a
 * function that says so itself ends the check. */
static ad_status moved(checker *c, int operand, int64_t i, double x, double *y, bool *inside) {
    double old = get(c->at[operand], i);
    ad_value v;
    set(&c->at[operand], i, x);
    ad_status s = evaluate(c, c->at, &v);
    *inside = s == AD_OK;
    if (s == AD_OK) {
        s = weighed_sum(c->ctx, v, y); /* `v` may be a view of the operand */
        ad_release(c->ctx, v);
        *inside = isfinite(*y);
    }
    set(&c->at[operand], i, old);
    return s == AD_ERR_MEMORY || s == AD_ERR_INTERRUPT || s == AD_ERR_CALLBACK ? s : AD_OK;
}

static bool is_narrow(ad_value v) { return is_tensor(v) && v.tensor->dtype == AD_F32; }

/* (f(x + h) - f(x - h)) / 2h; not found where that leaves the domain. */
static ad_status two_points(checker *c, int operand, int64_t i, double h, double *slope, bool *found) {
    double x = get(c->at[operand], i), up, down;
    bool narrow = is_narrow(c->at[operand]), in_up, in_down;
    volatile double above = narrow ? (double)(float)(x + h) : x + h;
    volatile double below = narrow ? (double)(float)(x - h) : x - h;
    ad_status s = moved(c, operand, i, above, &up, &in_up);
    if (s == AD_OK) s = moved(c, operand, i, below, &down, &in_down);
    *found = s == AD_OK && in_up && in_down;
    if (*found) *slope = (up - down) / (above - below);
    return s;
}

enum { LEVELS = 12 };

/* Close to a border or where the function bends sharply: smaller and smaller steps, extrapolated, and
 * the estimate that its neighbours agree with best (Ridders). */
static ad_status refined(checker *c, int operand, int64_t i, double h, double *slope, bool *found) {
    double old[LEVELS], now[LEVELS], least = INFINITY;
    int have = 0;
    for (int level = 0; level < LEVELS; level++, h *= 0.25) {
        bool inside;
        ad_status s = two_points(c, operand, i, h, &now[0], &inside);
        if (s != AD_OK) return s;
        if (!inside) continue;
        if (!*found) *slope = now[0];
        *found = true;
        double factor = 16;
        for (int k = 0; k < have; k++, factor *= 16) {
            now[k + 1] = (now[k] * factor - old[k]) / (factor - 1);
            double error = fmax(fabs(now[k + 1] - now[k]), fabs(now[k + 1] - old[k]));
            if (error >= least) continue;
            least = error;
            *slope = now[k + 1];
        }
        have++;
        memcpy(old, now, sizeof old);
    }
    return AD_OK;
}

static bool agrees(const checker *c, int operand, double got, double expected) {
    double scale = fmax(1, fmax(fabs(got), fabs(expected)));
    double tolerance = is_narrow(c->at[operand]) ? fmax(c->tolerance, 2e-3) : c->tolerance;
    return fabs(got - expected) <= tolerance * scale;
}

/* One step is enough where it confirms the derivative. */
static ad_status difference(checker *c, int operand, int64_t i, double got, double *slope, bool *found) {
    bool narrow = is_narrow(c->at[operand]);
    double h = cbrt(narrow ? FLT_EPSILON : DBL_EPSILON) * fmax(1, fabs(get(c->at[operand], i)));
    ad_status s = two_points(c, operand, i, h, slope, found);
    if (s != AD_OK || (*found && (narrow || agrees(c, operand, got, *slope)))) return s;
    return refined(c, operand, i, h, slope, found);
}

static void compare(checker *c, int operand, double at, double got, double expected) {
    double scale = fmax(1, fmax(fabs(got), fabs(expected)));
    double error = fabs(got - expected) / scale;
    c->report.points++;
    if (!agrees(c, operand, got, expected)) c->passed = false;
    if (error <= c->report.worst) return;
    c->report.worst = error;
    c->report.at = at;
    c->report.got = got;
    c->report.expected = expected;
    c->report.operand = operand;
}

static ad_status check_operand(checker *c, int operand, ad_value grad) {
    ad_value v = c->at[operand];
    if (v.kind == AD_BOOL) return AD_OK;
    int64_t n = elements(v);
    double *g = ad_mem_get(c->ctx, (size_t)n * sizeof(double) + 1);
    if (!g) return ad_failed(c->ctx);
    for (int64_t i = 0; i < n; i++) g[i] = is_tensor(grad) ? 0 : grad.num;
    if (is_tensor(grad)) ad_tensor_read(grad.tensor, g);
    ad_status s = AD_OK;
    for (int64_t i = 0; i < n && s == AD_OK; i++) {
        double slope;
        bool found;
        s = difference(c, operand, i, g[i], &slope, &found);
        if (s == AD_OK && found) compare(c, operand, get(v, i), g[i], slope);
    }
    ad_mem_put(c->ctx, g, (size_t)n * sizeof(double) + 1);
    return s;
}

/* ---- together ----------------------------------------------------------------------------- */

/* Copies of our own, since elements are moved in place; tensors of bools stand for numbers. */
static ad_status copy_operands(ad_ctx *ctx, int n, const ad_value *at, ad_value *copy) {
    for (int i = 0; i < n; i++) {
        copy[i] = is_tensor(at[i]) ? ad_number(0) : at[i];
        copy[i].node = 0;
        if (!is_tensor(at[i])) continue;
        ad_tensor *t = ad_tensor_copy(ctx, at[i].tensor);
        if (t && t->dtype == AD_BOOL8) {
            ad_tensor *wide = ad_tensor_cast(ctx, t, AD_F64);
            ad_tensor_release(ctx, t);
            t = wide;
        }
        if (t) {
            copy[i] = ad_wrap(t);
            continue;
        }
        while (i--) ad_release(ctx, copy[i]);
        return ad_failed(ctx);
    }
    return AD_OK;
}

static ad_status check_all(checker *c) {
    ad_value grad[AD_MAX_OPERANDS];
    ad_status s = by_tape(c, grad);
    if (s != AD_OK) return s;
    for (int i = 0; i < c->n && s == AD_OK; i++) s = check_operand(c, i, grad[i]);
    for (int i = 0; i < c->n; i++) ad_release(c->ctx, grad[i]);
    return s;
}

ad_status ad_check_gradient(ad_ctx *ctx, ad_function f, void *user, int n, const ad_value *at,
                            double tolerance, bool *passed, ad_check_report *report) {
    ad_value copy[AD_MAX_OPERANDS];
    if (n < 0 || n > AD_MAX_OPERANDS)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "a check takes at most %d operands, got %d",
                       AD_MAX_OPERANDS, n);
    ad_status s = copy_operands(ctx, n, at, copy);
    if (s != AD_OK) return s;
    checker c = {.ctx = ctx, .f = f, .user = user, .n = n, .at = copy, .random = ad_random_get(ctx),
                 .tolerance = tolerance, .passed = true};
    s = check_all(&c);
    ad_random_set(ctx, c.random);
    for (int i = 0; i < n; i++) ad_release(ctx, copy[i]);
    *passed = s == AD_OK && c.passed;
    if (report) *report = c.report;
    return s;
}
