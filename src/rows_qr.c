/* SPDX-License-Identifier: MIT */
/* rows_qr.c - qr on the last two axes, batch by batch, in f64. Where the columns depend on each other there
 * is no derivative: AD_ERR_DEGENERATE. */
#include "kernel_linalg.h"
#include "rows_spectral.h"

#include <float.h>
#include <math.h>

AD_SHAPE(ad_shape_qr) {
    ad_status s = ad_need_matrix(c, in);
    if (s) return s;
    out[0] = ad_with_last(in, in->dims[in->rank - 2], ad_smaller_side(in));
    out[1] = ad_with_last(in, ad_smaller_side(in), in->dims[in->rank - 1]);
    return AD_OK;
}

AD_RUN(ad_run_qr) {
    ad_spread b;
    ad_status s = ad_spread_begin(c, type, 2, &b);
    if (s) return s;
    for (int64_t i = 0; s == AD_OK && i < b.count; i++) {
        s = ad_qr(c->ctx, b.m, b.n, ad_spread_matrix(&b, i), ad_spread_part(&b, 0, i, b.m * b.k),
                  ad_spread_part(&b, 1, i, b.k * b.n));
        if (s == AD_OK) s = ad_poll(c->ctx);
    }
    return ad_spread_give(c, &b, s, type, 0, 2, out);
}

static ad_value lower(ad_rule *r, ad_value x, double k) {
    ad_arg args[AD_MAX_ARGS] = {ad_num(k)};
    return ad_rule_op(r, AD_OPID_tril, 1, &x, args);
}

/* x R⁻¹ and x R⁻ᵀ */
static ad_value over(ad_rule *r, ad_value x, ad_value upper) {
    ad_value y = ad_rule_op2(r, AD_OPID_solve, ad_rule_T(r, upper), ad_rule_T(r, x));
    return ad_rule_T(r, y);
}

/* A number of the diagonal is 0, but for what rounding left of its column. */
static bool falls_short(const double *upper, int64_t n, double rounding) {
    for (int64_t k = 0; k < n; k++) {
        double column = 0.0;
        for (int64_t i = 0; i <= k; i++) column = fmax(column, fabs(upper[i * n + k]));
        if (fabs(upper[k * n + k]) <= rounding * column) return true;
    }
    return false;
}

static bool any_falls_short(ad_rule *r, ad_value upper, bool single) {
    ad_tensor *t = ad_tensor_as(r->ctx, upper, AD_F64);
    if (t == NULL) return false;
    int64_t n = t->dims[t->rank - 1];
    double rounding = 8.0 * (double)n * (single ? (double)FLT_EPSILON : DBL_EPSILON);
    bool found = false;
    for (int64_t i = 0; i < t->size; i += n * n)
        found = found || falls_short((const double *)t->data + i, n, rounding);
    ad_tensor_release(r->ctx, t);
    return found;
}

static void full_rank(ad_rule *r, ad_value upper) {
    if (r->status || !any_falls_short(r, upper, r->in_type[0].dtype == AD_F32)) return;
    ad_rule_fail(r, AD_ERR_DEGENERATE,
                 "the columns of the matrix depend on each other (degenerate), so "
                 "`qr` has no derivative");
}

/* (gQ + Q copyltu(R gRᵀ − gQᵀ Q)) R⁻ᵀ for m ≥ n */
static ad_value tall_pull(ad_rule *r, ad_value q, ad_value u, ad_value gq, ad_value gu) {
    ad_value m = ad_rule_sub(r, ad_rule_mm(r, u, ad_rule_T(r, gu)), ad_rule_mm(r, ad_rule_T(r, gq), q));
    ad_value full = ad_rule_add(r, lower(r, m, 0.0), ad_rule_T(r, lower(r, m, -1.0)));
    return over(r, ad_rule_add(r, gq, ad_rule_mm(r, q, full)), ad_rule_T(r, u));
}

/* The first n columns, or the rest. */
static ad_value left_of(ad_rule *r, ad_value x, int64_t n) {
    ad_type t = ad_type_of(x);
    if (r->status) return x;
    return ad_rule_crop(r, x, t.rank - 1, 0, t.dims[t.rank - 1] - n, 0.0);
}

static ad_value right_of(ad_rule *r, ad_value x, int64_t n) {
    ad_type t = ad_type_of(x);
    return r->status ? x : ad_rule_crop(r, x, t.rank - 1, n, 0, 0.0);
}

static ad_value side_by_side(ad_rule *r, ad_value a, ad_value b) {
    ad_value in[2] = {a, b};
    ad_arg args[AD_MAX_ARGS] = {ad_num(-1.0)};
    return ad_rule_op(r, AD_OPID_concat, 2, in, args);
}

/* Wide: A = [X | Y], R = [U | W], X = Q U and Y = Q W; Y counts for Q as gQ += Y gWᵀ. */
AD_RULE(ad_vjp_qr) {
    const ad_type *in = &r->in_type[0];
    int64_t m = in->dims[in->rank - 2], n = in->dims[in->rank - 1];
    ad_value q = r->out[0], u = r->out[1], gq = ad_rule_adj(r, 0), gu = ad_rule_adj(r, 1);
    if (!r->has_adj[0] && !r->has_adj[1]) return;
    full_rank(r, left_of(r, u, m < n ? m : n));
    if (m >= n) {
        ad_rule_give(r, 0, tall_pull(r, q, u, gq, gu));
        return;
    }
    ad_value gw = right_of(r, gu, m), y = ad_rule_mm(r, q, right_of(r, u, m));
    gq = ad_rule_add(r, gq, ad_rule_mm(r, y, ad_rule_T(r, gw)));
    ad_value gx = tall_pull(r, q, left_of(r, u, m), gq, left_of(r, gu, m));
    ad_rule_give(r, 0, side_by_side(r, gx, ad_rule_mm(r, q, gw)));
}

/* C = dX U⁻¹, M = QᵀC, Ω = tril(M, −1) − tril(M, −1)ᵀ: dQ = C − Q M + Q Ω, dU = (M − Ω) U */
AD_RULE(ad_jvp_qr) {
    const ad_type *in = &r->in_type[0];
    int64_t m = in->dims[in->rank - 2], n = in->dims[in->rank - 1], k = m < n ? m : n;
    ad_value q = r->out[0], qt = ad_rule_T(r, q), u = left_of(r, r->out[1], k);
    full_rank(r, u);
    ad_value c = over(r, left_of(r, r->tan[0], k), u), p = ad_rule_mm(r, qt, c), l = lower(r, p, -1.0);
    ad_value upper = ad_rule_sub(r, p, ad_rule_sub(r, l, ad_rule_T(r, l)));
    ad_value dq = ad_rule_sub(r, c, ad_rule_mm(r, q, upper)), du = ad_rule_mm(r, upper, u);
    if (m < n) {
        ad_value y = ad_rule_mm(r, q, right_of(r, r->out[1], m)), dy = right_of(r, r->tan[0], m);
        ad_value dw = ad_rule_add(r, ad_rule_mm(r, ad_rule_T(r, dq), y), ad_rule_mm(r, qt, dy));
        du = side_by_side(r, du, dw);
    }
    ad_rule_give(r, 0, dq);
    ad_rule_give(r, 1, du);
}
