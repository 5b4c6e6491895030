/* SPDX-License-Identifier: MIT */
/* test_lines.c - one test a row of the table: many lines of a Jacobian in one sweep are what each line is
 * by itself, in reverse and forward, plain and recorded (second order, and lines of lines), for numbers,
 * tensors, strided views and f32, beside infinities. One of the lines is 0, and one of one element, so that strong zeros
 * stand beside others. */
#include "lines.h"
#include "orders.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { K = 5, MOST = 1 << 14, MOST_AGAIN = 2 };

typedef struct seen {
    int64_t compared;
    int failures, refused;
    int again;
    double within, worst;
    char why[400];
} seen;

static void fail(seen *r, const char *what, double got, double expected) {
    if (!r->failures++) snprintf(r->why, sizeof r->why, "%.200s: got %.17g, expected %.17g", what, got, expected);
}

static int64_t read_all(ad_value v, double *out) {
    if (v.kind != AD_TENSOR) {
        out[0] = v.num;
        return 1;
    }
    if (v.tensor->size > MOST) return -1;
    ad_tensor_read(v.tensor, out);
    return v.tensor->size;
}

/* Line j of `whole` against a value of its own, by the largest element of that; of a higher order also by
 * the terms of order 1 that cancelled in it. */
static void compare(seen *r, const char *what, int order, ad_value whole, int64_t j, ad_value own) {
    static double all[MOST], one[MOST];
    int64_t n = read_all(own, one), m = read_all(whole, all);
    double size = order > 1 ? 1 : 0, within = order > 1 ? 100 * r->within : r->within;
    if (n < 0 || m != K * n || whole.kind != AD_TENSOR || whole.tensor->dims[0] != K) {
        fail(r, what, (double)m, (double)(K * n));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        if (isfinite(one[i])) size = fmax(size, fabs(one[i]));
    for (int64_t i = 0; i < n; i++) {
        double a = all[j * n + i], b = one[i], error = fabs(a - b) / size;
        r->compared++;
        if (a == b || (isnan(a) && isnan(b))) continue;
        if (error > r->worst) r->worst = error;
        if (!(error <= within)) fail(r, what, a, b);
    }
}

/* K weights of the shape of `like`; line 1 is 0, line 2 has one element that is not. */
static ad_status weights(ad_ctx *ctx, ad_value like, int64_t first, ad_value *out) {
    ad_type one = ad_type_of(like), all = ad_lines_type(K, &one);
    ad_value shape;
    ad_status s = ad_zeros_of(ctx, &all, &shape);
    if (s != AD_OK) return s;
    s = orders_weights(ctx, shape, first, out);
    ad_release(ctx, shape);
    if (s != AD_OK) return s;
    int64_t n = out->tensor->size / K;
    size_t width = ad_dtype_size(out->tensor->dtype);
    char *x = out->tensor->data;
    memset(x + (size_t)n * width, 0, (size_t)n * width);
    if (n > 1) memset(x + (size_t)(2 * n + 1) * width, 0, (size_t)(n - 1) * width);
    return AD_OK;
}

/* `forward`: tangents of the leaf → y; else cotangents of y → the leaf. */
typedef struct way {
    bool forward;
    ad_value y, leaf;
} way;

static ad_status all_lines(ad_ctx *ctx, const way *w, ad_value seed, ad_value *out) {
    return w->forward ? ad_jvp_lines(ctx, w->leaf, K, seed, w->y, 0, 0, out)
                      : ad_vjp_lines(ctx, w->y, K, seed, 1, &w->leaf, 0, 0, out);
}

static ad_status one_line(ad_ctx *ctx, const way *w, ad_value seed, int64_t j, ad_value *out) {
    ad_value own;
    ad_status s = ad_line_of(ctx, 0, seed, j, &own);
    if (s != AD_OK) return s;
    s = w->forward ? ad_jvp(ctx, 1, &w->leaf, &own, 1, &w->y, 0, 0, out)
                   : ad_vjp(ctx, 1, &w->y, &own, 1, &w->leaf, 0, 0, out);
    ad_release(ctx, own);
    return s;
}

/* A row may refuse: then all lines refuse as the first does that is not 0. */
static bool both_went(ad_ctx *ctx, seen *r, ad_status whole, ad_status own) {
    if (whole == AD_OK && own == AD_OK) return true;
    r->refused++;
    if (whole != own && own != AD_OK) fail(r, ad_last_error(ctx)->message, whole, own);
    return false;
}

/* Each line by itself, against all together. */
static void compare_lines(ad_ctx *ctx, seen *r, const way *all, const way *one, const char *what, int order,
                          ad_value seed, ad_value *out) {
    int refused = 0;
    ad_status st = all_lines(ctx, all, seed, out);
    if (st != AD_OK) *out = ad_number(0);
    for (int64_t j = 0; j < K; j++) {
        ad_value own;
        ad_status s = one_line(ctx, one, seed, j, &own);
        refused += s != AD_OK;
        if (both_went(ctx, r, st, s)) compare(r, what, order, *out, j, own);
        if (s == AD_OK) ad_release(ctx, own);
    }
    if (st != AD_OK && !refused) fail(r, "refused together, not alone", st, AD_OK);
}

static void check_way(ad_ctx *ctx, const way *w, int again, const char *what, seen *r);

/* The lines are themselves differentiated: one entry for all against one for each. */
static void check_again(ad_ctx *ctx, const way *w, ad_value seed, ad_value whole, int again, seen *r) {
    ad_value line[K], joined;
    int made = 0;
    ad_status s = AD_OK;
    for (; made < K && s == AD_OK; made++) s = one_line(ctx, w, seed, made, &line[made]);
    if (s == AD_OK && (s = ad_lines_join(ctx, 0, K, line, &joined)) == AD_OK) {
        for (int forward = 0; forward < 2 && joined.node && whole.node; forward++) {
            way a = {forward, whole, w->leaf}, b = {forward, joined, w->leaf};
            ad_value second, x;
            s = weights(ctx, forward ? w->leaf : whole, 17, &second);
            if (s != AD_OK) break;
            compare_lines(ctx, r, &a, &b, forward ? "forward over" : "reverse over", 2, second, &x);
            ad_release(ctx, x);
            ad_release(ctx, second);
            if (again > 1) check_way(ctx, &a, again - 1, "second order", r);
        }
        if (!joined.node != !whole.node) fail(r, "tracked", whole.node != 0, joined.node != 0);
        ad_release(ctx, joined);
    }
    while (made--) ad_release(ctx, line[made]);
}

static void check_way(ad_ctx *ctx, const way *w, int again, const char *what, seen *r) {
    ad_value seed, whole;
    if (weights(ctx, w->forward ? w->leaf : w->y, 5, &seed) != AD_OK) return;
    compare_lines(ctx, r, w, w, what, again == r->again ? 1 : 2, seed, &whole);
    if (again && whole.node) check_again(ctx, w, seed, whole, again, r);
    ad_release(ctx, whole);
    ad_release(ctx, seed);
}

/* ---- layouts ------------------------------------------------------------------------------ */

/* LIMITED: with an infinity, a nan and a 0 in it. */
typedef enum { PLAIN, VIEWED, SINGLE, LIMITED } layout;

/* Every second element of a tensor twice as large along its last axis. */
static ad_tensor *viewed(ad_ctx *ctx, const ad_tensor *t) {
    int64_t dims[AD_MAX_RANK], strides[AD_MAX_RANK];
    memcpy(dims, t->dims, t->rank * sizeof *dims);
    dims[t->rank - 1] *= 2;
    ad_tensor *wide = ad_tensor_full(ctx, (ad_dtype)t->dtype, t->rank, dims, 9);
    memcpy(strides, ad_strides(wide), t->rank * sizeof *strides);
    strides[t->rank - 1] *= 2;
    ad_tensor *view = ad_tensor_view(ctx, wide, 0, t->rank, t->dims, strides, t->asked);
    int64_t index[AD_MAX_RANK] = {0};
    for (int64_t n = t->size; n > 0; n--) {
        ad_tensor_set(view, index, ad_tensor_get(t, index));
        for (int i = t->rank - 1; i >= 0 && ++index[i] == t->dims[i]; i--) index[i] = 0;
    }
    ad_tensor_release(ctx, wide);
    return view;
}

static ad_tensor *limited(ad_ctx *ctx, const ad_tensor *t) {
    ad_tensor *y = ad_tensor_copy(ctx, t);
    const double at[] = {INFINITY, 0, NAN};
    for (int64_t i = 0; i < 3 && 2 * i < y->size; i++) ((double *)y->data)[2 * i] = at[i];
    return y;
}

static ad_value laid_out(ad_ctx *ctx, ad_value v, layout how) {
    if (v.kind != AD_TENSOR || how == PLAIN || v.tensor->dtype == AD_BOOL8) return ad_retain(ctx, v);
    if (how == LIMITED) return ad_wrap(limited(ctx, v.tensor));
    if (how == SINGLE) return ad_wrap(ad_tensor_cast(ctx, v.tensor, AD_F32));
    return ad_wrap(viewed(ctx, v.tensor));
}

/* ---- rows --------------------------------------------------------------------------------- */

static void check_result(ad_ctx *ctx, const domain_call *c, int result, int n, const ad_value *leaf, seen *r) {
    domain_function row = {c, result};
    ad_value y;
    if (domain_apply(ctx, &row, leaf, &y) != AD_OK) {
        r->refused++;
        return;
    }
    for (int i = 0; i < n && y.node; i++)
        for (int forward = 0; forward < 2; forward++) {
            way w = {forward, y, leaf[i]};
            check_way(ctx, &w, r->again, forward ? "forward" : "reverse", r);
        }
    ad_release(ctx, y);
}

static void check_call(ad_ctx *ctx, const domain_call *c, layout how, seen *r) {
    ad_value in[AD_MAX_OPERANDS], leaf[AD_MAX_OPERANDS];
    int n = domain_varying(c, in);
    r->again = how == LIMITED ? 0 : MOST_AGAIN; /* at infinities ways of adding up may differ */
    r->within = how == SINGLE ? 1e-5 : 1e-14;
    for (int i = 0; i < n; i++) {
        ad_value v = laid_out(ctx, in[i], how);
        cr_assert_eq(ad_leaf(ctx, v, 0, 0, &leaf[i]), AD_OK);
        ad_release(ctx, v);
    }
    for (int k = 0; n && k < ad_op_info(c->op)->results; k++) check_result(ctx, c, k, n, leaf, r);
    for (int i = 0; i < n; i++) ad_release(ctx, leaf[i]);
}

static void check_row(ad_op op) {
    ad_ctx *ctx = ad_new(NULL);
    bool elementwise = ad_op_info(op)->flags & AD_ROW_ELEMENTWISE;
    seen r = {0};
    for (int i = 0; i < domain_cases(op) && !(ad_op_info(op)->flags & AD_ROW_NODIFF); i++)
        for (int tensors = elementwise ? 0 : 1; tensors < 2; tensors++)
            for (layout how = PLAIN; how <= LIMITED; how++) {
                domain_call c;
                if (!domain_make(ctx, op, i, 77, tensors, &c)) continue;
                if (!c.declared) check_call(ctx, &c, how, &r);
                domain_release(ctx, &c);
            }
    printf("%s: %lld compared, %d refused, worst %.2g\n", ad_op_info(op)->name, (long long)r.compared,
           r.refused, r.worst);
    cr_expect_eq(r.failures, 0, "%s: %d failures: %s", ad_op_info(op)->name, r.failures, r.why);
    ad_free(ctx);
}

#define AD_ELEMENTWISE(name, ...) \
    Test(lines, name) { check_row(AD_OPID_##name); }
#define AD_TENSOR_ROW(name, ...) AD_ELEMENTWISE(name)
#include "ops_elementwise.def"
#include "ops_tensor.def"
