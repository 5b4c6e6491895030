/* SPDX-License-Identifier: MIT */
/* rows_join.c - rows that copy elements to other places: concat, stack, pad, tile, repeat, roll,
 * diag, tril, triu, zeros_like, ones_like. pad takes negative widths too, which cut off; a pure cut
 * is a view. With value 0 all of them are linear, and each takes its cotangent back through
 * another. */
#include "rows.h"

#include <string.h>

static ad_op self_of(const ad_rule *r) { return (ad_op)(r->row - ad_rows); }

/* Elements [from, from + len) of each axis. */
static ad_tensor *region(ad_ctx *ctx, ad_tensor *t, const int64_t *from, const int64_t *len) {
    int64_t offset = 0;
    for (int i = 0; i < t->rank; i++)
        if (len[i] > 0) offset += from[i] * ad_strides(t)[i];
    return ad_tensor_view(ctx, t, offset, t->rank, len, ad_strides(t), 0);
}

static ad_status copy_region(ad_ctx *ctx, ad_tensor *to, const int64_t *to_from, ad_tensor *from,
                             const int64_t *from_from, const int64_t *len) {
    ad_tensor *a = region(ctx, to, to_from, len), *b = region(ctx, from, from_from, len);
    ad_status s = a != NULL && b != NULL ? ad_tensor_fill_from(ctx, a, b) : ad_failed(ctx);
    ad_tensor_release(ctx, a);
    ad_tensor_release(ctx, b);
    return s;
}

/* Ends a run: the tensor is handed out, or let go after a failure. */
static ad_status finish(ad_ctx *ctx, ad_status s, const ad_type *type, ad_tensor *t,
                        ad_value *out) {
    if (s == AD_OK) return ad_result(ctx, type, t, out);
    ad_tensor_release(ctx, t);
    return s;
}

/* ---- concat, stack ------------------------------------------------------------------------ */

static ad_status check_alike(const ad_call *c, const ad_type *in, int except) {
    for (int k = 1; k < c->n; k++) {
        bool same = in[k].rank == in[0].rank;
        for (int i = 0; same && i < in[0].rank; i++)
            same = i == except || in[k].dims[i] == in[0].dims[i];
        if (same) continue;
        char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
        return ad_fail(c->ctx, AD_ERR_SHAPE, k, "cannot join %s and %s%s", ad_type_text(&in[0], a),
                       ad_type_text(&in[k], b),
                       except < 0 ? "; the shapes must be the same"
                                  : "; only the joined axis may differ");
    }
    return AD_OK;
}

static uint8_t joined_dtype(int n, const ad_type *in) {
    uint8_t dtype = in[0].dtype;
    for (int k = 1; k < n; k++) dtype = ad_dtype_join(dtype, in[k].dtype);
    return dtype;
}

AD_SHAPE(ad_shape_concat) {
    int axis;
    ad_status s = ad_axis_arg(c->ctx, c->args, 0, in[0].rank, 0, &axis);
    if (s == AD_OK) s = check_alike(c, in, axis);
    if (s) return s;
    *out = in[0];
    out->asked = 0;
    out->dtype = joined_dtype(c->n, in);
    for (int k = 1; k < c->n; k++) out->dims[axis] += in[k].dims[axis];
    return AD_OK;
}

AD_RUN(ad_run_concat) {
    int axis = 0;
    ad_axis_arg(c->ctx, c->args, 0, type->rank, 0, &axis);
    ad_tensor *y = ad_result_new(c->ctx, type);
    ad_status s = y != NULL ? AD_OK : ad_failed(c->ctx);
    int64_t zero[AD_MAX_RANK] = {0}, at[AD_MAX_RANK] = {0};
    for (int k = 0; s == AD_OK && k < c->n; k++) {
        ad_tensor *x = c->in[k].tensor;
        s = copy_region(c->ctx, y, at, x, zero, x->dims);
        at[axis] += x->dims[axis];
    }
    return finish(c->ctx, s, type, y, out);
}

AD_RULE(ad_vjp_concat) {
    int axis = 0;
    int64_t at = 0, total = 0;
    ad_axis_arg(r->ctx, r->args, 0, r->out_type[0].rank, 0, &axis);
    total = r->out_type[0].dims[axis];
    for (int k = 0; k < r->n; k++) {
        int64_t n = r->in_type[k].dims[axis];
        if (r->need[k])
            ad_rule_give(r, k, ad_rule_crop(r, r->adj[0], axis, at, total - at - n, 0.0));
        at += n;
    }
}

AD_SHAPE(ad_shape_stack) {
    int axis, rank = in[0].rank;
    ad_status s = ad_axis_arg(c->ctx, c->args, 0, rank + 1, 0, &axis);
    if (s == AD_OK) s = check_alike(c, in, -1);
    if (s) return s;
    int64_t dims[AD_MAX_RANK + 1];
    if (rank == AD_MAX_RANK)
        return ad_fail(c->ctx, AD_ERR_SHAPE, -1, "a tensor has at most %d axes", AD_MAX_RANK);
    for (int i = 0; i <= rank; i++) dims[i] = i == axis ? c->n : in[0].dims[i - (i > axis)];
    uint8_t dtype = joined_dtype(c->n, in);
    if (rank == 0 && dtype != AD_BOOL8) dtype = (uint8_t)c->ctx->config.dtype;
    *out = ad_type_make((ad_dtype)dtype, rank + 1, dims);
    return AD_OK;
}

static ad_status stack_numbers(const ad_call *c, const ad_type *type, ad_value *out) {
    ad_tensor *y = ad_result_new(c->ctx, type);
    for (int64_t k = 0; y != NULL && k < c->n; k++) ad_tensor_set(y, &k, c->in[k].num);
    return ad_result(c->ctx, type, y, out);
}

AD_RUN(ad_run_stack) {
    if (c->in[0].kind != AD_TENSOR) return stack_numbers(c, type, out);
    int axis = 0;
    ad_axis_arg(c->ctx, c->args, 0, type->rank, 0, &axis);
    ad_tensor *y = ad_result_new(c->ctx, type);
    ad_status s = y != NULL ? AD_OK : ad_failed(c->ctx);
    int64_t slice[AD_MAX_RANK], strides[AD_MAX_RANK];
    for (int i = 0; s == AD_OK && i + 1 < type->rank; i++) {
        slice[i] = type->dims[i + (i >= axis)];
        strides[i] = ad_strides(y)[i + (i >= axis)];
    }
    for (int k = 0; s == AD_OK && k < c->n; k++) {
        ad_tensor *to =
            ad_tensor_view(c->ctx, y, k * ad_strides(y)[axis], type->rank - 1, slice, strides, 0);
        s = to != NULL ? ad_tensor_fill_from(c->ctx, to, c->in[k].tensor) : ad_failed(c->ctx);
        ad_tensor_release(c->ctx, to);
    }
    return finish(c->ctx, s, type, y, out);
}

AD_RULE(ad_vjp_stack) {
    int axis = 0;
    ad_axis_arg(r->ctx, r->args, 0, r->out_type[0].rank, 0, &axis);
    for (int k = 0; k < r->n; k++) {
        if (!r->need[k]) continue;
        ad_value g = ad_rule_crop(r, r->adj[0], axis, k, r->n - 1 - k, 0.0);
        ad_rule_give(r, k, ad_rule_reshape(r, g, &r->in_type[k]));
    }
}

/* ---- pad ---------------------------------------------------------------------------------- */

/* widths: one pair an axis; one pair, or one number, for all of them. */
static ad_status pad_widths(const ad_call *c, int rank, int64_t *before, int64_t *after) {
    const ad_arg *a = &c->args[0];
    int count = a->ints != NULL ? a->count : 1;
    int64_t single = ad_arg_int(c->args, 0, 0);
    const int64_t *w = a->ints != NULL ? a->ints : &single;
    if (count != 1 && count != 2 && count != 2 * rank)
        return ad_fail(
            c->ctx, AD_ERR_ARGUMENT, -1,
            "the widths are %d numbers; %d axes take %d (before and after each), or 1, or 2", count,
            rank, 2 * rank);
    for (int i = 0; i < rank; i++) {
        before[i] = count == 2 * rank ? w[2 * i] : w[0];
        after[i] = count == 2 * rank ? w[2 * i + 1] : w[count - 1];
    }
    return AD_OK;
}

AD_SHAPE(ad_shape_pad) {
    int64_t before[AD_MAX_RANK], after[AD_MAX_RANK];
    if (in->rank == 0) return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "a number cannot be padded");
    ad_status s = pad_widths(c, in->rank, before, after);
    *out = *in;
    for (int i = 0; s == AD_OK && i < in->rank; i++) {
        out->dims[i] += before[i] + after[i];
        if (before[i] != 0 || after[i] != 0) out->asked &= (uint16_t) ~(1U << i);
        if (out->dims[i] < 0)
            return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "axis %d of size %lld has nothing left", i,
                           (long long)in->dims[i]);
    }
    return s;
}

AD_RUN(ad_run_pad) {
    int64_t before[AD_MAX_RANK], after[AD_MAX_RANK], to[AD_MAX_RANK], from[AD_MAX_RANK],
        len[AD_MAX_RANK];
    ad_tensor *x = c->in[0].tensor;
    ad_status s = pad_widths(c, type->rank, before, after);
    bool cut = true, empty = false;
    for (int i = 0; s == AD_OK && i < type->rank; i++) {
        cut = cut && before[i] <= 0 && after[i] <= 0;
        to[i] = before[i] > 0 ? before[i] : 0;
        from[i] = before[i] < 0 ? -before[i] : 0;
        len[i] = x->dims[i] + (before[i] < 0 ? before[i] : 0) + (after[i] < 0 ? after[i] : 0);
        empty = empty || len[i] <= 0;
    }
    if (s) return s;
    if (cut && !empty) return ad_result(c->ctx, type, region(c->ctx, x, from, len), out);
    ad_tensor *y = ad_result_full(c->ctx, type, ad_arg_num(c->args, 1, 0.0));
    if (y == NULL) return ad_failed(c->ctx);
    if (!empty) s = copy_region(c->ctx, y, to, x, from, len);
    return finish(c->ctx, s, type, y, out);
}

/* The same widths with the other sign, and value 0. */
AD_RULE(ad_vjp_pad) {
    int64_t widths[2 * AD_MAX_RANK];
    int n = r->args[0].ints != NULL ? r->args[0].count : 1;
    for (int i = 0; i < n; i++)
        widths[i] = -(r->args[0].ints != NULL ? r->args[0].ints[i] : ad_arg_int(r->args, 0, 0));
    ad_rule_give(r, 0, ad_rule_ints(r, AD_OPID_pad, r->adj[0], n, widths));
}

AD_RULE(ad_jvp_pad) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    args[0] = r->args[0];
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_pad, 1, &r->tan[0], args));
}

/* ---- tile, repeat ------------------------------------------------------------------------- */

/* Counts and sizes aligned at the last axis, missing ones 1; returns the rank. */
static int tiling(const ad_arg *args, const ad_type *in, int64_t *reps, int64_t *dims) {
    int64_t single = ad_arg_int(args, 0, 1);
    int count = args[0].ints != NULL ? args[0].count : 1;
    const int64_t *list = args[0].ints != NULL ? args[0].ints : &single;
    int rank = count > in->rank ? count : in->rank;
    for (int i = 0; i < rank && i < AD_MAX_RANK; i++) {
        reps[i] = i < rank - count ? 1 : list[i - (rank - count)];
        dims[i] = i < rank - in->rank ? 1 : in->dims[i - (rank - in->rank)];
    }
    return rank;
}

AD_SHAPE(ad_shape_tile) {
    int64_t reps[AD_MAX_RANK], dims[AD_MAX_RANK];
    int rank = tiling(c->args, in, reps, dims);
    if (2 * rank > AD_MAX_RANK)
        return ad_fail(c->ctx, AD_ERR_SHAPE, -1, "at most %d axes can be tiled", AD_MAX_RANK / 2);
    for (int i = 0; i < rank; i++) {
        if (reps[i] < 0)
            return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "%lld is not a number of copies",
                           (long long)reps[i]);
        dims[i] *= reps[i];
    }
    *out = rank > 0 ? ad_type_make((ad_dtype)in->dtype, rank, dims) : *in;
    return AD_OK;
}

AD_RUN(ad_run_tile) {
    int64_t reps[AD_MAX_RANK], dims[AD_MAX_RANK], pairs[AD_MAX_RANK], strides[AD_MAX_RANK];
    ad_type in = ad_type_of(c->in[0]);
    int rank = tiling(c->args, &in, reps, dims);
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]);
    if (x == NULL || rank == 0) return ad_result(c->ctx, type, x, out);
    for (int i = 0; i < rank; i++) {
        int own = i - (rank - in.rank);
        pairs[2 * i] = reps[i];
        pairs[2 * i + 1] = dims[i];
        strides[2 * i] = 0;
        strides[2 * i + 1] = own < 0 ? 0 : ad_strides(x)[own];
    }
    ad_tensor *view = ad_tensor_view(c->ctx, x, 0, 2 * rank, pairs, strides, 0);
    ad_tensor_release(c->ctx, x);
    return ad_result_reshaped(c->ctx, type, view, out);
}

AD_RULE(ad_vjp_tile) {
    int64_t reps[AD_MAX_RANK], dims[AD_MAX_RANK], pairs[AD_MAX_RANK];
    int rank = tiling(r->args, &r->in_type[0], reps, dims);
    uint32_t set = 0;
    for (int i = 0; i < rank; i++) {
        pairs[2 * i] = reps[i];
        pairs[2 * i + 1] = dims[i];
        set |= 1U << 2 * i;
    }
    ad_value g = ad_rule_ints(r, AD_OPID_reshape, r->adj[0], 2 * rank, pairs);
    g = rank > 0 ? ad_rule_reduce(r, AD_OPID_sum, g, set) : g;
    ad_rule_give(r, 0, ad_rule_reshape(r, g, &r->in_type[0]));
}

/* The operand as [outer, n, inner] around the axis, flat if none is given. */
static ad_status around(ad_ctx *ctx, const ad_arg *args, const ad_type *in, int64_t part[3],
                        int *axis) {
    part[0] = part[2] = 1;
    part[1] = ad_type_size(in);
    *axis = -1;
    if (!ad_arg_given(args, 1)) return AD_OK;
    ad_status s = ad_axis_arg(ctx, args, 1, in->rank, 0, axis);
    if (s) return s;
    for (int i = 0; i < *axis; i++) part[0] *= in->dims[i];
    for (int i = *axis + 1; i < in->rank; i++) part[2] *= in->dims[i];
    part[1] = in->dims[*axis];
    return AD_OK;
}

AD_SHAPE(ad_shape_repeat) {
    int64_t part[3], n = ad_arg_int(c->args, 0, 1);
    int axis;
    ad_status s = around(c->ctx, c->args, in, part, &axis);
    if (s) return s;
    if (n < 0 || c->args[0].count > 1)
        return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1,
                       "`repeat` takes one number of copies, 0 or more");
    int64_t flat = part[1] * n;
    *out = axis < 0 ? ad_type_make((ad_dtype)in->dtype, 1, &flat) : *in;
    if (axis >= 0) out->dims[axis] *= n;
    return AD_OK;
}

AD_RUN(ad_run_repeat) {
    int64_t part[3], n = ad_arg_int(c->args, 0, 1);
    int axis;
    ad_type in = ad_type_of(c->in[0]);
    ad_status s = around(c->ctx, c->args, &in, part, &axis);
    if (s) return s;
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]);
    ad_tensor *cut = x != NULL ? ad_tensor_reshape(c->ctx, x, 3, part, 0) : NULL;
    ad_tensor_release(c->ctx, x);
    if (cut == NULL) return ad_failed(c->ctx);
    int64_t dims[4] = {part[0], part[1], n, part[2]};
    const int64_t *own = ad_strides(cut);
    int64_t strides[4] = {own[0], own[1], 0, own[2]};
    ad_tensor *view = ad_tensor_view(c->ctx, cut, 0, 4, dims, strides, 0);
    ad_tensor_release(c->ctx, cut);
    return ad_result_reshaped(c->ctx, type, view, out);
}

AD_RULE(ad_vjp_repeat) {
    int64_t part[3] = {1, 1, 1}, n = ad_arg_int(r->args, 0, 1);
    int axis;
    around(r->ctx, r->args, &r->in_type[0], part, &axis);
    int64_t dims[4] = {part[0], part[1], n, part[2]};
    ad_value g = ad_rule_ints(r, AD_OPID_reshape, r->adj[0], 4, dims);
    g = ad_rule_reduce(r, AD_OPID_sum, g, 1U << 2);
    ad_rule_give(r, 0, ad_rule_reshape(r, g, &r->in_type[0]));
}

/* ---- roll --------------------------------------------------------------------------------- */

/* Shifts by axis, each in [0, size); without axes the flat tensor is one. */
static ad_status roll_shifts(ad_ctx *ctx, const ad_arg *args, const ad_tensor *x, int64_t *by) {
    int64_t one = ad_arg_int(args, 0, 0), one_axis = ad_arg_int(args, 1, 0);
    int n = args[0].ints != NULL ? args[0].count : 1;
    const int64_t *shift = args[0].ints != NULL ? args[0].ints : &one;
    int naxes = ad_arg_given(args, 1) ? (args[1].ints != NULL ? args[1].count : 1) : 1;
    const int64_t *axes = ad_arg_given(args, 1) && args[1].ints != NULL ? args[1].ints : &one_axis;
    memset(by, 0, sizeof(int64_t) * x->rank);
    if (n != 1 && !ad_arg_given(args, 1))
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1,
                       "without `axis` the whole is rolled by one shift; here are %d", n);
    if (n != naxes && n != 1)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "`shift` has %d numbers, but `axis` names %d", n, naxes);
    for (int k = 0; k < naxes; k++) {
        int axis;
        ad_status s = ad_axis_normal(ctx, x->rank, axes[k], &axis);
        if (s) return s;
        int64_t size = x->dims[axis] > 0 ? x->dims[axis] : 1;
        by[axis] = ((by[axis] + shift[n == 1 ? 0 : k] % size) % size + size) % size;
    }
    return AD_OK;
}

/* Each shifted axis is two regions that change places. */
static ad_status roll_into(ad_ctx *ctx, ad_tensor *y, ad_tensor *x, const int64_t *by) {
    uint32_t moved = 0;
    for (int i = 0; i < x->rank; i++) moved |= by[i] != 0 ? 1U << i : 0;
    for (uint32_t part = moved;; part = (part - 1) & moved) {
        int64_t to[AD_MAX_RANK], from[AD_MAX_RANK], len[AD_MAX_RANK];
        for (int i = 0; i < x->rank; i++) {
            bool wraps = ad_in_set(part, i);
            len[i] = wraps ? by[i] : x->dims[i] - by[i];
            from[i] = wraps ? x->dims[i] - by[i] : 0;
            to[i] = wraps ? 0 : by[i];
        }
        ad_status s = copy_region(ctx, y, to, x, from, len);
        if (s || part == 0) return s;
    }
}

AD_RUN(ad_run_roll) {
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]), *flat = NULL, *y = NULL;
    int64_t by[AD_MAX_RANK];
    if (x != NULL && ad_arg_given(c->args, 1))
        flat = x;
    else if (x != NULL) {
        flat = ad_tensor_reshape(c->ctx, x, 1, &x->size, 0);
        ad_tensor_release(c->ctx, x);
    }
    ad_status s = flat != NULL ? roll_shifts(c->ctx, c->args, flat, by) : ad_failed(c->ctx);
    if (s == AD_OK) y = ad_tensor_new(c->ctx, (ad_dtype)flat->dtype, flat->rank, flat->dims);
    if (s == AD_OK) s = y != NULL ? roll_into(c->ctx, y, flat, by) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, flat);
    if (s == AD_OK) return ad_result_reshaped(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

AD_RULE(ad_vjp_roll) {
    int64_t back[AD_MAX_RANK];
    ad_arg args[AD_MAX_ARGS] = {{0}};
    int n = r->args[0].ints != NULL ? r->args[0].count : 1;
    for (int i = 0; i < n && i < AD_MAX_RANK; i++)
        back[i] = -(r->args[0].ints != NULL ? r->args[0].ints[i] : ad_arg_int(r->args, 0, 0));
    args[0] = ad_ints(n, back);
    args[1] = r->args[1];
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_roll, 1, &r->adj[0], args));
}

/* ---- diag, tril, triu --------------------------------------------------------------------- */

static int64_t diagonal_size(int64_t rows, int64_t cols, int64_t k) {
    int64_t n = k < 0 ? rows + k : cols - k, most = k < 0 ? cols : rows;
    return n < 0 ? 0 : n < most ? n : most;
}

AD_SHAPE(ad_shape_diag) {
    int64_t k = ad_arg_int(c->args, 0, 0), dims[AD_MAX_RANK];
    if (in->rank == 0) return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "a number has no diagonal");
    if (in->rank == 1) {
        dims[0] = dims[1] = in->dims[0] + (k < 0 ? -k : k);
        *out = ad_type_make((ad_dtype)in->dtype, 2, dims);
        return AD_OK;
    }
    memcpy(dims, in->dims, sizeof dims);
    int m = in->rank - 2;
    dims[m] = diagonal_size(in->dims[m], in->dims[m + 1], k);
    *out = ad_type_make((ad_dtype)in->dtype, m + 1, dims);
    return AD_OK;
}

/* attributes: k, rows, cols */
AD_SHAPE(ad_shape_diag_put) {
    int m = in->rank - 1;
    int64_t dims[AD_MAX_RANK] = {0};
    if (in->rank == 0 || in->rank == AD_MAX_RANK)
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "no diagonal of %d axes", in->rank);
    memcpy(dims, in->dims, sizeof(int64_t) * (size_t)m);
    dims[m] = ad_arg_int(c->args, 1, in->dims[m]);
    dims[m + 1] = ad_arg_int(c->args, 2, in->dims[m]);
    if (diagonal_size(dims[m], dims[m + 1], ad_arg_int(c->args, 0, 0)) != in->dims[m])
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "%lld elements do not fill that diagonal",
                       (long long)in->dims[m]);
    *out = ad_type_make((ad_dtype)in->dtype, m + 2, dims);
    return AD_OK;
}

/* The k-th diagonal of the last two axes, as a view. */
static ad_tensor *diagonal(ad_ctx *ctx, ad_tensor *t, int64_t k) {
    int m = t->rank - 2;
    int64_t dims[AD_MAX_RANK], strides[AD_MAX_RANK];
    memcpy(dims, t->dims, sizeof(int64_t) * t->rank);
    memcpy(strides, ad_strides(t), sizeof(int64_t) * t->rank);
    int64_t offset = k < 0 ? -k * strides[m] : k * strides[m + 1];
    dims[m] = diagonal_size(t->dims[m], t->dims[m + 1], k);
    strides[m] += strides[m + 1];
    return ad_tensor_view(ctx, t, dims[m] > 0 ? offset : 0, m + 1, dims, strides, 0);
}

static ad_status put_diagonal(const ad_call *c, const ad_type *type, ad_value *out) {
    ad_tensor *y = ad_result_full(c->ctx, type, 0.0);
    if (y == NULL) return ad_failed(c->ctx);
    ad_tensor *d = diagonal(c->ctx, y, ad_arg_int(c->args, 0, 0));
    ad_status s = d != NULL ? ad_tensor_fill_from(c->ctx, d, c->in[0].tensor) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, d);
    return finish(c->ctx, s, type, y, out);
}

AD_RUN(ad_run_diag) {
    if (c->in[0].tensor->rank == 1) return put_diagonal(c, type, out);
    return ad_result(c->ctx, type, diagonal(c->ctx, c->in[0].tensor, ad_arg_int(c->args, 0, 0)),
                     out);
}

AD_RUN(ad_run_diag_put) { return put_diagonal(c, type, out); }

AD_RULE(ad_vjp_diag) {
    const ad_type *in = &r->in_type[0];
    ad_arg args[AD_MAX_ARGS] = {ad_num((double)ad_arg_int(r->args, 0, 0))};
    ad_op back = AD_OPID_diag;
    if (in->rank > 1) {
        args[1] = ad_num((double)in->dims[in->rank - 2]);
        args[2] = ad_num((double)in->dims[in->rank - 1]);
        back = AD_OPID_diag_put;
    }
    ad_rule_give(r, 0, ad_rule_op(r, back, 1, &r->adj[0], args));
}

AD_RULE(ad_vjp_diag_put) {
    ad_arg args[AD_MAX_ARGS] = {ad_num((double)ad_arg_int(r->args, 0, 0))};
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_diag, 1, &r->adj[0], args));
}

/* Zeros row by row outside the triangle. */
static ad_status run_triangle(const ad_call *c, bool lower, const ad_type *type, ad_value *out) {
    if (type->rank < 2)
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "a triangle needs a matrix, got %d ax%s",
                       type->rank, type->rank == 1 ? "is" : "es");
    ad_tensor *y = ad_tensor_copy(c->ctx, c->in[0].tensor);
    if (y == NULL) return ad_failed(c->ctx);
    int64_t rows = type->dims[type->rank - 2], cols = type->dims[type->rank - 1];
    int64_t k = ad_arg_int(c->args, 0, 0);
    size_t width = ad_dtype_size((ad_dtype)type->dtype);
    for (int64_t i = 0; cols > 0 && i < y->size / cols; i++) {
        int64_t edge = i % rows + k + (lower ? 1 : 0); /* first above, or first kept */
        edge = edge < 0 ? 0 : edge > cols ? cols : edge;
        int64_t from = lower ? edge : 0, upto = lower ? cols : edge;
        memset(ad_element_mut(y, i * cols + from), 0, (size_t)(upto - from) * width);
    }
    return ad_result(c->ctx, type, y, out);
}

AD_RUN(ad_run_tril) { return run_triangle(c, true, type, out); }
AD_RUN(ad_run_triu) { return run_triangle(c, false, type, out); }

AD_RULE(ad_vjp_triangle) { ad_rule_give(r, 0, ad_rule_op(r, self_of(r), 1, &r->adj[0], r->args)); }

/* ---- zeros_like, ones_like ---------------------------------------------------------------- */

static ad_status filled(const ad_call *c, double x, const ad_type *type, ad_value *out) {
    return ad_result(c->ctx, type, ad_result_full(c->ctx, type, x), out);
}

AD_RUN(ad_run_zeros_like) { return filled(c, 0.0, type, out); }
AD_RUN(ad_run_ones_like) { return filled(c, 1.0, type, out); }
