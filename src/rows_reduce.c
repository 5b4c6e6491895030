/* SPDX-License-Identifier: MIT */
/* rows_reduce.c - reductions: shapes, values and derivatives of sum, mean, var, std, max, min,
 * norm, logsumexp, all, any, count, argmax, argmin, and of sum_to, which undoes broadcasting. (prod
 * is in rows_scan.c.) Attributes of all of them: axis (none: all axes), keep; var and std: ddof.
 *
 * Derivative rules bring cotangent and result to the operand's rank with 1 for each folded axis, so
 * that only they are stretched. Masks (which element is the maximum) are constants at every order.
 */
#include "kernel_reduce.h"
#include "rows.h"

#include <math.h>

/* ---- shapes ------------------------------------------------------------------------------- */

static ad_status reduced(const ad_call *c, const ad_type *in, ad_dtype dtype, ad_type *out) {
    uint32_t set;
    ad_status s = ad_axes_arg(c->ctx, c->args, 0, in->rank, &set);
    if (s == AD_OK) *out = ad_type_reduced(in, set, ad_arg_flag(c->args, 1), dtype);
    return s;
}

AD_SHAPE(ad_shape_reduce) { return reduced(c, in, ad_float_dtype(1, in), out); }
AD_SHAPE(ad_shape_count) { return reduced(c, in, AD_F64, out); }
AD_SHAPE(ad_shape_reduce_bool) { return reduced(c, in, AD_BOOL8, out); }

AD_SHAPE(ad_shape_sum_to) {
    const ad_arg *shape = &c->args[0];
    ad_type to = ad_type_make(ad_float_dtype(1, in), shape->count, shape->ints);
    int lead = in->rank - to.rank;
    bool fits = lead >= 0;
    for (int i = 0; fits && i < to.rank; i++)
        fits = to.dims[i] == 1 || to.dims[i] == in->dims[lead + i];
    *out = to.rank > 0 ? to : ad_type_number();
    if (fits) return AD_OK;
    char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "%s cannot be summed to %s", ad_type_text(in, a),
                   ad_type_text(&to, b));
}

/* axis: one, or none for the place in the flattened tensor. */
AD_SHAPE(ad_shape_arg) {
    if (!ad_arg_given(c->args, 0)) {
        *out = ad_type_number();
        if (ad_type_size(in) > 0) return AD_OK;
        return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "there is no largest or smallest of 0 elements");
    }
    int axis;
    ad_status s = ad_axis_arg(c->ctx, c->args, 0, in->rank, 0, &axis);
    if (s) return s;
    if (in->dims[axis] == 0)
        return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "axis %d has no elements to choose from", axis);
    *out = ad_type_reduced(in, 1U << axis, ad_arg_flag(c->args, 1), AD_F64);
    return AD_OK;
}

/* ---- values ------------------------------------------------------------------------------- */

/* A reduction at work: the operand, the folded axes, room for results and two parameters each. */
typedef struct fold {
    ad_ctx *ctx;
    ad_tensor *x;
    uint32_t set;
    int64_t n, each; /* results; elements folded into each */
    double *y, *p;
    double small[2];
    size_t bytes;
} fold;

static void fold_end(fold *f) {
    if (f->y != NULL && f->y != f->small) ad_mem_put(f->ctx, f->y, f->bytes);
    ad_tensor_release(f->ctx, f->x);
}

static ad_status fold_begin(const ad_call *c, fold *f) {
    *f = (fold){.ctx = c->ctx, .x = ad_tensor_of(c->ctx, c->in[0]), .n = 1, .each = 1};
    if (f->x == NULL) return ad_failed(c->ctx);
    int rank = c->in[0].kind == AD_TENSOR ? f->x->rank : 0;
    ad_status s = ad_axes_arg(c->ctx, c->args, 0, rank, &f->set);
    for (int i = 0; i < rank; i++) *(ad_in_set(f->set, i) ? &f->each : &f->n) *= f->x->dims[i];
    f->y = f->small;
    f->bytes = 2 * sizeof(double) * (size_t)f->n;
    if (s == AD_OK && f->n > 1) f->y = ad_mem_get(c->ctx, f->bytes);
    if (s == AD_OK && f->y == NULL) s = ad_failed(c->ctx);
    if (s) fold_end(f);
    f->p = f->y != NULL ? f->y + f->n : NULL;
    return s;
}

static ad_status fold_run(fold *f, ad_reduction kind, const double *param, double *out) {
    return ad_reduce(f->ctx, kind, f->x, f->set, param, out);
}

/* Hands y out in the result's type and ends the fold. */
static ad_status fold_give(fold *f, ad_status s, const ad_type *type, ad_value *out) {
    if (s == AD_OK && type->rank == 0) {
        *out = type->dtype == AD_BOOL8 ? ad_bool(f->y[0] != 0.0) : ad_number(f->y[0]);
    } else if (s == AD_OK) {
        ad_tensor *t = ad_result_new(f->ctx, type);
        if (t != NULL) ad_convert((ad_dtype)type->dtype, t->data, 1, AD_F64, f->y, 1, f->n);
        s = ad_result(f->ctx, type, t, out);
    }
    fold_end(f);
    return s;
}

static ad_status run_simple(const ad_call *c, ad_reduction kind, const ad_type *type,
                            ad_value *out) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    return fold_give(&f, fold_run(&f, kind, NULL, f.y), type, out);
}

AD_RUN(ad_run_sum) { return run_simple(c, AD_RED_SUM, type, out); }
AD_RUN(ad_run_prod) { return run_simple(c, AD_RED_PROD, type, out); }
AD_RUN(ad_run_count) { return run_simple(c, AD_RED_COUNT, type, out); }
AD_RUN(ad_run_any) { return run_simple(c, AD_RED_COUNT, type, out); }

AD_RUN(ad_run_all) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    s = fold_run(&f, AD_RED_COUNT0, NULL, f.y);
    for (int64_t i = 0; i < f.n; i++) f.y[i] = f.y[i] == 0.0 ? 1.0 : 0.0;
    return fold_give(&f, s, type, out);
}

static ad_status run_extreme(const ad_call *c, bool max, const ad_type *type, ad_value *out) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    if (f.each == 0 && f.n > 0)
        s = ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "there is no %s of 0 elements",
                    max ? "largest" : "smallest");
    else
        s = fold_run(&f, max ? AD_RED_MAX : AD_RED_MIN, NULL, f.y);
    return fold_give(&f, s, type, out);
}

AD_RUN(ad_run_max) { return run_extreme(c, true, type, out); }
AD_RUN(ad_run_min) { return run_extreme(c, false, type, out); }

AD_RUN(ad_run_mean) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    s = fold_run(&f, AD_RED_SUM, NULL, f.y);
    for (int64_t i = 0; i < f.n; i++) f.y[i] /= (double)f.each;
    return fold_give(&f, s, type, out);
}

/* Two passes: the means, then squared distances from them. */
static ad_status run_spread(const ad_call *c, bool root, const ad_type *type, ad_value *out) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    double freedom = (double)f.each - ad_arg_num(c->args, 2, 0.0);
    if (freedom < 0.0) freedom = 0.0;
    s = fold_run(&f, AD_RED_SUM, NULL, f.p);
    for (int64_t i = 0; i < f.n; i++) f.p[i] /= (double)f.each;
    if (s == AD_OK) s = fold_run(&f, AD_RED_SPREAD, f.p, f.y);
    for (int64_t i = 0; i < f.n; i++) f.y[i] = root ? sqrt(f.y[i] / freedom) : f.y[i] / freedom;
    return fold_give(&f, s, type, out);
}

AD_RUN(ad_run_var) { return run_spread(c, false, type, out); }
AD_RUN(ad_run_std) { return run_spread(c, true, type, out); }

/* Squares may leave the range of f64 where the norm does not: then again, scaled by the extreme. */
static ad_status norm_again(fold *f) {
    ad_status s = fold_run(f, AD_RED_MAX, NULL, f->y);
    if (s == AD_OK) s = fold_run(f, AD_RED_MIN, NULL, f->p);
    if (s) return s;
    for (int64_t i = 0; i < f->n; i++) {
        int exponent = 0;
        double top = fmax(fabs(f->y[i]), fabs(f->p[i]));
        if (top > 0.0 && isfinite(top)) frexp(top, &exponent);
        if (exponent < -1000) exponent = -1000;
        if (exponent > 1000) exponent = 1000;
        f->p[i] = ldexp(1.0, -exponent);
    }
    s = fold_run(f, AD_RED_SQUARES, f->p, f->y);
    for (int64_t i = 0; i < f->n; i++) f->y[i] = sqrt(f->y[i]) / f->p[i];
    return s;
}

AD_RUN(ad_run_norm) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    bool again = false;
    for (int64_t i = 0; i < f.n; i++) f.p[i] = 1.0;
    if (f.each > 0)
        s = fold_run(&f, AD_RED_SQUARES, f.p, f.y);
    else
        for (int64_t i = 0; i < f.n; i++) f.y[i] = 0.0;
    for (int64_t i = 0; i < f.n; i++) {
        again = again || !(f.y[i] > 1e-280 && f.y[i] < 1e300);
        f.y[i] = sqrt(f.y[i]);
    }
    if (s == AD_OK && again && f.each > 0) s = norm_again(&f);
    return fold_give(&f, s, type, out);
}

AD_RUN(ad_run_logsumexp) {
    fold f;
    ad_status s = fold_begin(c, &f);
    if (s) return s;
    s = fold_run(&f, AD_RED_MAX, NULL, f.p);
    for (int64_t i = 0; i < f.n; i++)
        if (isinf(f.p[i])) f.p[i] = 0.0;
    if (s == AD_OK) s = fold_run(&f, AD_RED_SUMEXP, f.p, f.y);
    for (int64_t i = 0; i < f.n; i++) f.y[i] = log(f.y[i]) + f.p[i];
    return fold_give(&f, s, type, out);
}

AD_RUN(ad_run_sum_to) {
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]);
    if (x == NULL) return ad_failed(c->ctx);
    uint32_t set = 0;
    int rank = c->in[0].kind == AD_TENSOR ? x->rank : 0, lead = rank - type->rank;
    for (int i = 0; i < rank; i++)
        if (i < lead || (type->dims[i - lead] == 1 && x->dims[i] != 1)) set |= 1U << i;
    ad_type wide = *type;
    wide.dtype = AD_F64;
    ad_tensor *y = ad_result_new(c->ctx, &wide);
    ad_status s = y != NULL ? ad_reduce(c->ctx, AD_RED_SUM, x, set, NULL, y->data) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, x);
    if (s == AD_OK && type->dtype != AD_F64) {
        ad_tensor *cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
        ad_tensor_release(c->ctx, y);
        y = cast;
    }
    if (s == AD_OK) return ad_result(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

static ad_status run_arg(const ad_call *c, bool max, const ad_type *type, ad_value *out) {
    if (c->in[0].kind != AD_TENSOR) {
        *out = ad_number(0.0);
        return AD_OK;
    }
    int axis = -1;
    const ad_tensor *x = c->in[0].tensor;
    if (ad_arg_given(c->args, 0)) ad_axis_arg(c->ctx, c->args, 0, x->rank, 0, &axis);
    ad_tensor *y = ad_result_new(c->ctx, type);
    if (y == NULL) return ad_failed(c->ctx);
    ad_status s = ad_arg_reduce(c->ctx, max, x, axis, y->data);
    if (s == AD_OK) return ad_result(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

AD_RUN(ad_run_argmax) { return run_arg(c, true, type, out); }
AD_RUN(ad_run_argmin) { return run_arg(c, false, type, out); }

/* ---- derivatives -------------------------------------------------------------------------- */

static uint32_t rule_set(const ad_rule *r) {
    uint32_t set = 0;
    ad_axes_arg(r->ctx, r->args, 0, r->in_type[0].rank, &set);
    return set;
}

static int64_t rule_each(const ad_rule *r) {
    uint32_t set = rule_set(r);
    int64_t n = 1;
    for (int i = 0; i < r->in_type[0].rank; i++)
        if (ad_in_set(set, i)) n *= r->in_type[0].dims[i];
    return n;
}

/* A value of the result's shape at the operand's rank. */
static ad_value at_rank(ad_rule *r, ad_value v) {
    if (r->out_type[0].rank == 0) return v; /* a number meets any shape */
    ad_type t = ad_type_reduced(&r->in_type[0], rule_set(r), true, AD_F64);
    return ad_rule_reshape(r, v, &t);
}

static ad_value rule_mean(ad_rule *r, ad_value x) {
    return ad_rule_reduce(r, AD_OPID_mean, x, rule_set(r));
}

/* Folds a tangent of the operand's shape to the result's. */
static void give_sum(ad_rule *r, ad_value v) {
    ad_value y = ad_rule_op(r, AD_OPID_sum, 1, &v, r->args);
    ad_rule_give(r, 0, y);
}

AD_RULE(ad_vjp_sum) {
    ad_rule_give(r, 0, ad_rule_expand(r, at_rank(r, r->adj[0]), &r->in_type[0]));
}

AD_RULE(ad_vjp_sum_to) { ad_rule_give(r, 0, ad_rule_expand(r, r->adj[0], &r->in_type[0])); }

AD_RULE(ad_vjp_mean) {
    ad_value g = ad_rule_scale(r, at_rank(r, r->adj[0]), 1.0 / (double)rule_each(r));
    ad_rule_give(r, 0, ad_rule_expand(r, g, &r->in_type[0]));
}

static double freedom(const ad_rule *r) {
    double n = (double)rule_each(r) - ad_arg_num(r->args, 2, 0.0);
    return n > 0.0 ? n : 0.0;
}

/* ∂var/∂x = 2 (x − mean) / (n − ddof) */
static ad_value var_partial(ad_rule *r) {
    ad_value d = ad_rule_op2(r, AD_OP_SUB, r->in[0], rule_mean(r, r->in[0]));
    return ad_rule_scale(r, d, 2.0 / freedom(r));
}

AD_RULE(ad_vjp_var) { ad_rule_give(r, 0, ad_rule_mulz(r, at_rank(r, r->adj[0]), var_partial(r))); }

/* sum and var take axis and keep in the same places. */
AD_RULE(ad_jvp_var) { give_sum(r, ad_rule_mulz(r, r->tan[0], var_partial(r))); }

/* 1/y where y is not 0, else the constant 0: at constants (and at the norm of 0) all orders are 0.
 */
static ad_value safe_inverse(ad_rule *r, ad_value y) {
    ad_value zero = ad_rule_op2(r, AD_OP_EQ, y, ad_number(0.0));
    ad_value safe = ad_rule_where(r, zero, ad_number(1.0), y);
    ad_value inverse = ad_rule_op2(r, AD_OP_DIV, ad_number(1.0), safe);
    return ad_rule_where(r, zero, ad_number(0.0), inverse);
}

static ad_value std_partial(ad_rule *r) {
    ad_value d = ad_rule_op2(r, AD_OP_SUB, r->in[0], rule_mean(r, r->in[0]));
    ad_value inverse = safe_inverse(r, at_rank(r, r->out[0]));
    return ad_rule_op2(r, AD_OP_MUL, d, ad_rule_scale(r, inverse, 1.0 / freedom(r)));
}

AD_RULE(ad_vjp_std) { ad_rule_give(r, 0, ad_rule_mulz(r, at_rank(r, r->adj[0]), std_partial(r))); }

AD_RULE(ad_jvp_std) { give_sum(r, ad_rule_mulz(r, r->tan[0], std_partial(r))); }

/* ∂‖x‖/∂x = x / ‖x‖, 0 at 0. */
static ad_value norm_partial(ad_rule *r) {
    return ad_rule_op2(r, AD_OP_MUL, r->in[0], safe_inverse(r, at_rank(r, r->out[0])));
}

AD_RULE(ad_vjp_norm) {
    ad_rule_give(r, 0, ad_rule_mulz(r, at_rank(r, r->adj[0]), norm_partial(r)));
}

AD_RULE(ad_jvp_norm) { give_sum(r, ad_rule_mulz(r, r->tan[0], norm_partial(r))); }

/* Shares: 1/k for each of the k elements that equal the extreme. */
static ad_value extreme_share(ad_rule *r) {
    ad_value mask = ad_rule_op2(r, AD_OP_EQ, r->in[0], at_rank(r, r->out[0]));
    ad_value count = ad_rule_reduce(r, AD_OPID_count, mask, rule_set(r));
    ad_value share = ad_rule_op2(r, AD_OP_DIV, ad_number(1.0), count);
    return ad_rule_where(r, mask, share, ad_number(0.0));
}

AD_RULE(ad_vjp_extreme) {
    ad_value share = extreme_share(r);
    ad_value mask = ad_rule_op2(r, AD_OP_NE, share, ad_number(0.0));
    ad_value part = ad_rule_mulz(r, at_rank(r, r->adj[0]), share);
    ad_rule_give(r, 0, ad_rule_where(r, mask, part, ad_number(0.0)));
}

AD_RULE(ad_jvp_extreme) {
    ad_value share = extreme_share(r);
    ad_value mask = ad_rule_op2(r, AD_OP_NE, share, ad_number(0.0));
    ad_value part = ad_rule_mulz(r, r->tan[0], share);
    give_sum(r, ad_rule_where(r, mask, part, ad_number(0.0)));
}

/* softmax: exp(x − y); where all is −inf it is 0. */
static ad_value softmax_of(ad_rule *r) {
    ad_value y = at_rank(r, r->out[0]);
    ad_value bottom = ad_rule_op2(r, AD_OP_EQ, y, ad_number(-INFINITY));
    y = ad_rule_where(r, bottom, ad_number(0.0), y);
    return ad_rule_op1(r, AD_OPID_exp, ad_rule_op2(r, AD_OP_SUB, r->in[0], y));
}

AD_RULE(ad_vjp_logsumexp) {
    ad_rule_give(r, 0, ad_rule_mulz(r, at_rank(r, r->adj[0]), softmax_of(r)));
}

AD_RULE(ad_jvp_logsumexp) { give_sum(r, ad_rule_mulz(r, r->tan[0], softmax_of(r))); }
