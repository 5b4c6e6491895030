/* SPDX-License-Identifier: MIT */
/* rows.c - helpers of the rows of ops_tensor.def: attributes, types, results, words for rules. They
 * hold no state and know no row; errors are sentences without operand names. */
#include "rows.h"

#include <math.h>
#include <string.h>

/* ---- attributes --------------------------------------------------------------------------- */

int64_t ad_arg_int(const ad_arg *args, int k, int64_t otherwise) {
    if (!ad_arg_given(args, k)) return otherwise;
    if (args[k].ints != NULL && args[k].count > 0) return args[k].ints[0];
    return (int64_t)args[k].num;
}

double ad_arg_num(const ad_arg *args, int k, double otherwise) {
    if (!ad_arg_given(args, k)) return otherwise;
    return args[k].num;
}

bool ad_arg_flag(const ad_arg *args, int k) { return ad_arg_given(args, k) && args[k].num != 0.0; }

ad_arg ad_ints(int count, const int64_t *ints) {
    ad_arg a = {.given = true, .count = count, .ints = ints};
    if (count > 0) a.num = (double)ints[0];
    return a;
}

ad_arg ad_num(double x) {
    ad_arg a = {.given = true, .num = x};
    return a;
}

ad_status ad_axis_arg(ad_ctx *ctx, const ad_arg *args, int k, int rank, int otherwise, int *axis) {
    return ad_axis_normal(ctx, rank, ad_arg_int(args, k, otherwise), axis);
}

ad_status ad_axes_arg(ad_ctx *ctx, const ad_arg *args, int k, int rank, uint32_t *set) {
    if (!ad_arg_given(args, k)) return ad_axes_mask(ctx, rank, 0, NULL, true, set);
    int64_t single = ad_arg_int(args, k, 0);
    bool list = args[k].ints != NULL;
    return ad_axes_mask(ctx, rank, list ? args[k].count : 1, list ? args[k].ints : &single, false,
                        set);
}

/* ---- types and results -------------------------------------------------------------------- */

ad_type ad_type_number(void) {
    ad_type t = {.dtype = AD_F64};
    return t;
}

ad_type ad_type_make(ad_dtype dtype, int rank, const int64_t *dims) {
    ad_type t = {.dtype = (uint8_t)dtype, .rank = (uint8_t)rank};
    memcpy(t.dims, dims, sizeof(int64_t) * (size_t)rank);
    return t;
}

int64_t ad_type_size(const ad_type *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dims[i];
    return n;
}

const char *ad_type_text(const ad_type *t, char buf[AD_SHAPE_TEXT]) {
    return ad_shape_text(t->rank, t->dims, buf, AD_SHAPE_TEXT);
}

ad_dtype ad_float_dtype(int n, const ad_type *in) {
    bool f32 = false;
    for (int i = 0; i < n; i++) {
        if (in[i].rank > 0 && in[i].dtype == AD_F64) return AD_F64;
        f32 = f32 || (in[i].rank > 0 && in[i].dtype == AD_F32);
    }
    return f32 ? AD_F32 : AD_F64;
}

ad_type ad_type_reduced(const ad_type *in, uint32_t set, bool keep, ad_dtype dtype) {
    ad_type t;
    ad_type_reduce(in, set, keep, &t);
    if (t.rank == 0) return dtype == AD_BOOL8 ? ad_type_of(ad_bool(false)) : ad_type_number();
    t.dtype = (uint8_t)dtype;
    return t;
}

ad_tensor *ad_tensor_of(ad_ctx *ctx, ad_value v) {
    if (v.kind == AD_TENSOR) {
        ad_tensor_retain(v.tensor);
        return v.tensor;
    }
    int64_t one = 1;
    return ad_tensor_full(ctx, v.kind == AD_BOOL ? AD_BOOL8 : AD_F64, 1, &one, v.num);
}

ad_tensor *ad_tensor_as(ad_ctx *ctx, ad_value v, ad_dtype dtype) {
    ad_tensor *t = ad_tensor_of(ctx, v);
    if (t == NULL) return NULL;
    if (t->dtype != dtype) {
        ad_tensor *cast = ad_tensor_cast(ctx, t, dtype);
        ad_tensor_release(ctx, t);
        if (cast == NULL) return NULL;
        t = cast;
    }
    ad_tensor *flat = ad_tensor_contiguous(ctx, t);
    ad_tensor_release(ctx, t);
    return flat;
}

ad_tensor *ad_result_new(ad_ctx *ctx, const ad_type *type) {
    int64_t one = 1;
    if (type->rank == 0) return ad_tensor_new(ctx, (ad_dtype)type->dtype, 1, &one);
    return ad_tensor_of_type(ctx, type);
}

ad_tensor *ad_result_full(ad_ctx *ctx, const ad_type *type, double x) {
    int64_t one = 1;
    bool number = type->rank == 0;
    ad_tensor *t = ad_tensor_full(ctx, (ad_dtype)type->dtype, number ? 1 : type->rank,
                                  number ? &one : type->dims, x);
    if (t != NULL) t->asked = type->asked;
    return t;
}

ad_status ad_result(ad_ctx *ctx, const ad_type *type, ad_tensor *t, ad_value *out) {
    if (t == NULL) return ad_failed(ctx);
    if (type->rank > 0) {
        *out = ad_wrap(t);
        return AD_OK;
    }
    int64_t zero[AD_MAX_RANK] = {0};
    double x = ad_tensor_get(t, zero);
    *out = type->dtype == AD_BOOL8 ? ad_bool(x != 0.0) : ad_number(x);
    ad_tensor_release(ctx, t);
    return AD_OK;
}

ad_status ad_result_reshaped(ad_ctx *ctx, const ad_type *type, ad_tensor *t, ad_value *out) {
    if (t == NULL) return ad_failed(ctx);
    if (type->rank == 0) return ad_result(ctx, type, t, out);
    ad_tensor *view = ad_tensor_reshape(ctx, t, type->rank, type->dims, type->asked);
    ad_tensor_release(ctx, t);
    return ad_result(ctx, type, view, out);
}

/* ---- words for rules ---------------------------------------------------------------------- */

ad_value ad_rule_ints(ad_rule *r, ad_op op, ad_value x, int n, const int64_t *ints) {
    ad_arg args[AD_MAX_ARGS] = {ad_ints(n, ints)};
    return ad_rule_op(r, op, 1, &x, args);
}

ad_value ad_rule_reshape(ad_rule *r, ad_value x, const ad_type *type) {
    ad_type have = ad_rule_type(r, x);
    if (have.rank == type->rank && memcmp(have.dims, type->dims, sizeof(int64_t) * type->rank) == 0)
        return x;
    return ad_rule_ints(r, AD_OPID_reshape, x, type->rank, type->dims);
}

ad_value ad_rule_T(ad_rule *r, ad_value x) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    return ad_rule_op(r, AD_OPID_transpose, 1, &x, args);
}

ad_value ad_rule_reduce(ad_rule *r, ad_op op, ad_value x, uint32_t set) {
    int64_t axes[AD_MAX_RANK];
    int n = 0;
    for (int i = 0; i < AD_MAX_RANK; i++)
        if (ad_in_set(set, i)) axes[n++] = i;
    ad_arg args[AD_MAX_ARGS] = {ad_ints(n, axes), ad_num(1.0)};
    return ad_rule_op(r, op, 1, &x, args);
}

ad_value ad_rule_crop(ad_rule *r, ad_value x, int axis, int64_t before, int64_t after,
                      double fill) {
    int64_t widths[2 * AD_MAX_RANK] = {0};
    if (before == 0 && after == 0) return x;
    widths[2 * axis] = -before;
    widths[2 * axis + 1] = -after;
    ad_arg args[AD_MAX_ARGS] = {ad_ints(2 * ad_rule_type(r, x).rank, widths), ad_num(fill)};
    return ad_rule_op(r, AD_OPID_pad, 1, &x, args);
}

ad_value ad_rule_where(ad_rule *r, ad_value mask, ad_value a, ad_value b) {
    ad_value in[3] = {mask, a, b};
    return ad_rule_op(r, AD_OP_WHERE, 3, in, NULL);
}

ad_value ad_rule_finite(ad_rule *r, ad_value x) {
    return ad_rule_where(r, ad_rule_op1(r, AD_OPID_isfinite, x), x, ad_number(0.0));
}

ad_value ad_rule_where_zero(ad_rule *r, ad_value own, ad_value finite_share, ad_value share) {
    ad_value zero = ad_rule_op2(r, AD_OP_EQ, own, ad_number(0.0));
    return ad_rule_where(r, zero, finite_share, share);
}

ad_value ad_rule_matmul(ad_rule *r, ad_value a, ad_value b, int strong) {
    ad_value in[2] = {a, b};
    ad_arg args[AD_MAX_ARGS] = {ad_num(strong)};
    return ad_rule_op(r, AD_OPID_matmulz, 2, in, args);
}

ad_value ad_rule_scale(ad_rule *r, ad_value x, double factor) {
    return factor == 1.0 ? x : ad_rule_op2(r, AD_OP_MUL, x, ad_number(factor));
}

ad_value ad_rule_adj(ad_rule *r, int k) {
    return r->has_adj[k] ? r->adj[k] : ad_rule_zeros(r, &r->out_type[k]);
}

bool ad_has_nonfinite(ad_value v) { return !ad_is_finite(v); }

/* ---- shape rules that many rows share ----------------------------------------------------- */

AD_SHAPE(ad_shape_same) {
    (void)c;
    *out = in[0];
    return AD_OK;
}

AD_SHAPE(ad_shape_float) {
    (void)c;
    *out = in[0];
    out->dtype = (uint8_t)ad_float_dtype(1, in);
    return AD_OK;
}
