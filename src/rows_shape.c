/* SPDX-License-Identifier: MIT */
/* rows_shape.c - rows whose results are views of the operand where its strides allow it: expand,
 * reshape, flatten, squeeze, permute, transpose, flip; and the conversions f32, f64. All are
 * linear; a cotangent goes back through the same kind of view. */
#include "rows.h"

/* ---- expand ------------------------------------------------------------------------------- */

AD_SHAPE(ad_shape_expand) {
    const ad_arg *shape = &c->args[0];
    int64_t strides[AD_MAX_RANK] = {0}, none[AD_MAX_RANK], size;
    ad_status s = ad_shape_size(c->ctx, shape->count, shape->ints, &size);
    if (s) return s;
    *out = shape->count > 0 ? ad_type_make((ad_dtype)in->dtype, shape->count, shape->ints)
                            : ad_type_number();
    if (ad_shape_stretch(in->rank, in->dims, strides, shape->count, shape->ints, none))
        return AD_OK;
    char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "%s cannot be stretched to %s", ad_type_text(in, a),
                   ad_type_text(out, b));
}

AD_RUN(ad_run_expand) {
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]);
    if (x == NULL) return ad_failed(c->ctx);
    ad_tensor *y = x;
    if (type->rank > 0) {
        y = ad_tensor_expand(c->ctx, x, type->rank, type->dims);
        ad_tensor_release(c->ctx, x);
    }
    return ad_result(c->ctx, type, y, out);
}

AD_RULE(ad_vjp_expand) { ad_rule_give(r, 0, ad_rule_sum_to(r, r->adj[0], &r->in_type[0])); }

/* ---- reshape, flatten, squeeze ------------------------------------------------------------ */

AD_SHAPE(ad_shape_reshape) {
    const ad_arg *shape = &c->args[0];
    int64_t dims[AD_MAX_RANK];
    ad_status s = ad_reshape_dims(c->ctx, in, shape->count, shape->ints, dims);
    if (s) return s;
    *out = shape->count > 0 ? ad_type_make((ad_dtype)in->dtype, shape->count, dims) : *in;
    out->rank = (uint8_t)shape->count;
    if (shape->count == 0 && in->dtype == AD_F32) out->dtype = AD_F64;
    return AD_OK;
}

AD_SHAPE(ad_shape_flatten) {
    (void)c;
    int64_t n = ad_type_size(in);
    *out = ad_type_make((ad_dtype)in->dtype, 1, &n);
    return AD_OK;
}

AD_SHAPE(ad_shape_squeeze) {
    uint32_t set;
    ad_status s = ad_axes_arg(c->ctx, c->args, 0, in->rank, &set);
    if (s) return s;
    for (int i = 0; i < in->rank; i++) {
        if (!ad_in_set(set, i) || in->dims[i] == 1) continue;
        if (ad_arg_given(c->args, 0))
            return ad_fail(c->ctx, AD_ERR_SHAPE, 0,
                           "axis %d has the size %lld and cannot be dropped", i,
                           (long long)in->dims[i]);
        set &= ~(1U << i);
    }
    *out = ad_type_reduced(in, set, false, (ad_dtype)in->dtype);
    return AD_OK;
}

AD_RUN(ad_run_reshape) {
    return ad_result_reshaped(c->ctx, type, ad_tensor_of(c->ctx, c->in[0]), out);
}

AD_RULE(ad_vjp_reshape) { ad_rule_give(r, 0, ad_rule_reshape(r, r->adj[0], &r->in_type[0])); }

/* ---- permute, transpose ------------------------------------------------------------------- */

static void permuted(const ad_type *in, const int *order, ad_type *out) {
    ad_type t = *in;
    t.asked = 0;
    for (int i = 0; i < in->rank; i++) {
        t.dims[i] = in->dims[order[i]];
        if (in->asked >> order[i] & 1) t.asked = (uint16_t)(t.asked | 1U << i);
    }
    *out = t;
}

static ad_status permuted_view(const ad_call *c, const int *order, const ad_type *type,
                               ad_value *out) {
    if (type->rank == 0) {
        *out = c->in[0];
        out->node = 0;
        return AD_OK;
    }
    ad_tensor *x = c->in[0].tensor;
    int64_t strides[AD_MAX_RANK];
    for (int i = 0; i < type->rank; i++) strides[i] = ad_strides(x)[order[i]];
    ad_tensor *y = ad_tensor_view(c->ctx, x, 0, type->rank, type->dims, strides, type->asked);
    return ad_result(c->ctx, type, y, out);
}

static ad_status order_of(ad_ctx *ctx, const ad_arg *args, int rank, int *order) {
    return ad_axes_order(ctx, rank, args[0].count, args[0].ints, order);
}

AD_SHAPE(ad_shape_permute) {
    int order[AD_MAX_RANK];
    ad_status s = order_of(c->ctx, c->args, in->rank, order);
    if (s == AD_OK) permuted(in, order, out);
    return s;
}

AD_RUN(ad_run_permute) {
    int order[AD_MAX_RANK];
    ad_status s = order_of(c->ctx, c->args, type->rank, order);
    return s ? s : permuted_view(c, order, type, out);
}

AD_RULE(ad_vjp_permute) {
    int order[AD_MAX_RANK] = {0}, rank = r->in_type[0].rank;
    int64_t back[AD_MAX_RANK];
    if (order_of(r->ctx, r->args, rank, order)) return;
    for (int i = 0; i < rank; i++) back[order[i]] = i;
    ad_rule_give(r, 0, ad_rule_ints(r, AD_OPID_permute, r->adj[0], rank, back));
}

/* Two axes change places: the last two, or those given; a vector stays as it is. */
static ad_status swap_of(ad_ctx *ctx, const ad_arg *args, int rank, int *order) {
    for (int i = 0; i < rank; i++) order[i] = i;
    int a = rank - 2, b = rank - 1;
    if (ad_arg_given(args, 0)) {
        if (args[0].count != 2)
            return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "`transpose` swaps two axes, got %d",
                           args[0].count);
        ad_status s = ad_axis_normal(ctx, rank, args[0].ints[0], &a);
        if (s == AD_OK) s = ad_axis_normal(ctx, rank, args[0].ints[1], &b);
        if (s) return s;
    } else if (rank < 2) {
        return AD_OK;
    }
    order[a] = b;
    order[b] = a;
    return AD_OK;
}

AD_SHAPE(ad_shape_transpose) {
    int order[AD_MAX_RANK];
    ad_status s = swap_of(c->ctx, c->args, in->rank, order);
    if (s == AD_OK) permuted(in, order, out);
    return s;
}

AD_RUN(ad_run_transpose) {
    int order[AD_MAX_RANK];
    ad_status s = swap_of(c->ctx, c->args, type->rank, order);
    return s ? s : permuted_view(c, order, type, out);
}

AD_RULE(ad_vjp_transpose) {
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_transpose, 1, &r->adj[0], r->args));
}

/* ---- flip --------------------------------------------------------------------------------- */

AD_RUN(ad_run_flip) {
    uint32_t set;
    ad_status s = ad_axes_arg(c->ctx, c->args, 0, type->rank, &set);
    if (s) return s;
    if (type->rank == 0) {
        *out = c->in[0];
        out->node = 0;
        return AD_OK;
    }
    ad_tensor *x = c->in[0].tensor;
    int64_t strides[AD_MAX_RANK], offset = 0;
    for (int i = 0; i < type->rank; i++) {
        strides[i] = ad_in_set(set, i) ? -ad_strides(x)[i] : ad_strides(x)[i];
        if (ad_in_set(set, i) && x->size > 0) offset += (x->dims[i] - 1) * ad_strides(x)[i];
    }
    ad_tensor *y = ad_tensor_view(c->ctx, x, offset, type->rank, type->dims, strides, type->asked);
    return ad_result(c->ctx, type, y, out);
}

AD_RULE(ad_vjp_flip) { ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_flip, 1, &r->adj[0], r->args)); }

/* ---- f32, f64 ----------------------------------------------------------------------------- */

static ad_status cast_shape(const ad_type *in, ad_dtype dtype, ad_type *out) {
    *out = *in;
    out->dtype = (uint8_t)(in->rank == 0 ? AD_F64 : dtype);
    return AD_OK;
}

AD_SHAPE(ad_shape_f32) {
    (void)c;
    return cast_shape(in, AD_F32, out);
}

AD_SHAPE(ad_shape_f64) {
    (void)c;
    return cast_shape(in, AD_F64, out);
}

/* A number has no dtype: it stays what it is. */
AD_RUN(ad_run_cast) {
    if (type->rank == 0) {
        *out = ad_number(c->in[0].num);
        return AD_OK;
    }
    ad_tensor *y = ad_tensor_cast(c->ctx, c->in[0].tensor, (ad_dtype)type->dtype);
    return ad_result(c->ctx, type, y, out);
}

AD_RULE(ad_vjp_cast) {
    bool f32 = r->in_type[0].rank > 0 && r->in_type[0].dtype == AD_F32;
    ad_rule_give(r, 0, ad_rule_op1(r, f32 ? AD_OPID_f32 : AD_OPID_f64, r->adj[0]));
}
