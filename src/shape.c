/* SPDX-License-Identifier: MIT */
/* shape.c - sizes, strides, axes, and the guard of broadcasting. Shapes are aligned at their last
 * axes; an axis that an operand does not have counts as 1. Bit i of `asked` belongs to axis i of
 * its own shape. No function here looks at elements. */
#include "shape.h"

#include <stdio.h>
#include <string.h>

/* Elements that can be addressed: 2^46 doubles are more than any machine has. */
static const int64_t MOST_ELEMENTS = (int64_t)1 << 46;

char *ad_shape_text(int rank, const int64_t *dims, char *buf, size_t room) {
    size_t at = 0;
    if (room == 0) return buf;
    buf[0] = '\0';
    for (int i = 0; i < rank && at < room; i++) {
        int n = snprintf(buf + at, room - at, i ? ", %lld" : "[%lld", (long long)dims[i]);
        if (n > 0) at += (size_t)n;
    }
    if (at < room) snprintf(buf + at, room - at, rank ? "]" : "[]");
    return buf;
}

/* ---- sizes and strides -------------------------------------------------------------------- */

ad_status ad_shape_size(ad_ctx *ctx, int rank, const int64_t *dims, int64_t *size) {
    char text[AD_SHAPE_TEXT];
    int64_t product = 1;
    bool empty = false, too_many = rank > AD_MAX_RANK, too_large = false;
    for (int i = 0; i < rank && !too_many; i++) {
        if (dims[i] < 0)
            return ad_fail(ctx, AD_ERR_SHAPE, -1, "%s has a negative size",
                           ad_shape_text(rank, dims, text, sizeof text));
        if (dims[i] == 0) empty = true;
        else if (!too_large)
            too_large = __builtin_mul_overflow(product, dims[i], &product) ||
                        product > MOST_ELEMENTS;
    }
    if (too_many)
        return ad_fail(ctx, AD_ERR_SHAPE, -1, "a tensor has at most %d axes, not %d", AD_MAX_RANK,
                       rank);
    if (too_large && !empty)
        return ad_fail(ctx, AD_ERR_MEMORY, -1, "%s has more elements than memory can hold",
                       ad_shape_text(rank, dims, text, sizeof text));
    *size = empty ? 0 : product;
    return AD_OK;
}

void ad_shape_strides(int rank, const int64_t *dims, int64_t *strides) {
    bool empty = false;
    for (int i = 0; i < rank; i++) empty |= dims[i] == 0;
    int64_t step = empty ? 0 : 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = step;
        if (!empty) step *= dims[i];
    }
}

bool ad_dims_same(int rank_a, const int64_t *a, int rank_b, const int64_t *b) {
    return rank_a == rank_b && memcmp(a, b, (size_t)rank_a * sizeof *a) == 0;
}

bool ad_shape_is_contiguous(int rank, const int64_t *dims, const int64_t *strides) {
    int64_t step = 1;
    bool good = true;
    for (int i = rank - 1; i >= 0; i--) {
        if (dims[i] == 0) return true;
        if (dims[i] == 1) continue;
        good &= strides[i] == step;
        if (good) step *= dims[i];
    }
    return good;
}

/* ---- broadcasting ------------------------------------------------------------------------- */

/* Size of `t` on the axis that is `axis` in a result of rank `rank`. */
static int64_t aligned_dim(const ad_type *t, int rank, int axis) {
    int own = axis - (rank - t->rank);
    return own < 0 ? 1 : t->dims[own];
}

static bool aligned_asked(const ad_type *t, int rank, int axis) {
    int own = axis - (rank - t->rank);
    return own >= 0 && t->dims[own] == 1 && (t->asked >> own & 1);
}

uint8_t ad_dtype_join(uint8_t a, uint8_t b) {
    if (a == b) return a;
    return a == AD_F64 || b == AD_F64 ? AD_F64 : AD_F32;
}

static uint8_t join_dtypes(int n, const ad_type *in) {
    bool any = false;
    uint8_t dtype = AD_F64;
    for (int i = 0; i < n; i++) {
        if (in[i].rank == 0) continue;
        dtype = any ? ad_dtype_join(dtype, in[i].dtype) : in[i].dtype;
        any = true;
    }
    return dtype == AD_BOOL8 ? AD_F64 : dtype;
}

static ad_status misfit(ad_ctx *ctx, const ad_type *a, const ad_type *b, int operand, int rank,
                        int axis) {
    char ta[AD_SHAPE_TEXT], tb[AD_SHAPE_TEXT];
    bool level = a->rank == b->rank;
    char where[40] = "on the last axis, ";
    if (level && a->rank == 1)
        where[0] = 0;
    else if (axis != rank - 1)
        snprintf(where, sizeof where, "on axis %d, ", level ? axis - (rank - a->rank) : axis - rank);
    return ad_fail(ctx, AD_ERR_SHAPE, operand, "%s and %s do not fit: %s%lld must equal %lld",
                   ad_shape_text(a->rank, a->dims, ta, sizeof ta),
                   ad_shape_text(b->rank, b->dims, tb, sizeof tb), where,
                   (long long)aligned_dim(a, rank, axis), (long long)aligned_dim(b, rank, axis));
}

/* The result's size on each axis: the one that is not 1. */
static ad_status join_dims(ad_ctx *ctx, int n, const ad_type *in, ad_type *out) {
    for (int axis = 0; axis < out->rank; axis++) {
        int from = 0;
        out->dims[axis] = 1;
        for (int i = 0; i < n; i++) {
            int64_t d = aligned_dim(&in[i], out->rank, axis);
            if (d == 1 || d == out->dims[axis]) continue;
            if (out->dims[axis] != 1) return misfit(ctx, &in[from], &in[i], i, out->rank, axis);
            out->dims[axis] = d;
            from = i;
        }
    }
    return AD_OK;
}

static bool is_stretched(const ad_type *t, const ad_type *out) {
    for (int axis = 0; axis < out->rank; axis++)
        if (aligned_dim(t, out->rank, axis) != out->dims[axis]) return true;
    return false;
}

static bool was_asked(int n, const ad_type *in, const ad_type *out) {
    for (int axis = 0; axis < out->rank; axis++) {
        if (out->dims[axis] == 1) continue;
        for (int i = 0; i < n; i++)
            if (aligned_asked(&in[i], out->rank, axis)) return true;
    }
    return false;
}

static ad_status guard(ad_ctx *ctx, int n, const ad_type *in, const ad_type *out) {
    int a = -1, b = -1;
    for (int i = 0; i < n; i++) {
        if (in[i].rank == 0) continue;
        if (!is_stretched(&in[i], out)) return AD_OK;
        if (a < 0) a = i;
        else if (b < 0 && !ad_type_same_dims(&in[a], &in[i])) b = i;
    }
    if (b < 0 || was_asked(n, in, out)) return AD_OK;
    char ta[AD_SHAPE_TEXT], tb[AD_SHAPE_TEXT], to[AD_SHAPE_TEXT];
    ad_shape_text(out->rank, out->dims, to, sizeof to);
    ad_fail(ctx, AD_ERR_GUARD, b, "%s and %s would both be stretched, to %s",
            ad_shape_text(in[a].rank, in[a].dims, ta, sizeof ta),
            ad_shape_text(in[b].rank, in[b].dims, tb, sizeof tb), to);
    to[0] = '(', to[strlen(to) - 1] = ')';
    ad_hint(ctx, "for all pairs use outer, or expand(x, %s) on one of them", to);
    return AD_ERR_GUARD;
}

static void keep_asked(int n, const ad_type *in, ad_type *out) {
    for (int axis = 0; axis < out->rank; axis++)
        for (int i = 0; i < n && out->dims[axis] == 1; i++)
            if (aligned_asked(&in[i], out->rank, axis)) out->asked |= (uint16_t)(1u << axis);
}

/* All operands are numbers or have the first tensor's shape. */
static bool all_alike(int n, const ad_type *in, const ad_type *shape) {
    for (int i = 0; i < n; i++)
        if (in[i].rank != 0 && !ad_type_same_dims(&in[i], shape)) return false;
    return true;
}

ad_status ad_broadcast_types(ad_ctx *ctx, int n, const ad_type *in, ad_type *out) {
    const ad_type *widest = &in[0];
    for (int i = 1; i < n; i++)
        if (in[i].rank > widest->rank) widest = &in[i];
    out->dtype = join_dtypes(n, in);
    out->rank = widest->rank;
    out->asked = 0;
    if (all_alike(n, in, widest)) {
        memcpy(out->dims, widest->dims, out->rank * sizeof *out->dims);
    } else {
        ad_status s = join_dims(ctx, n, in, out);
        if (s == AD_OK) s = guard(ctx, n, in, out);
        if (s != AD_OK) return s;
    }
    keep_asked(n, in, out);
    return AD_OK;
}

bool ad_shape_stretch(int rank, const int64_t *dims, const int64_t *strides, int to_rank,
                      const int64_t *to, int64_t *out) {
    int lead = to_rank - rank;
    if (lead < 0) return false;
    for (int i = 0; i < to_rank; i++) {
        int64_t d = i < lead ? 1 : dims[i - lead];
        if (d != to[i] && d != 1) return false;
        out[i] = d == to[i] && i >= lead ? strides[i - lead] : 0;
    }
    return true;
}

/* ---- axes --------------------------------------------------------------------------------- */

ad_status ad_axis_normal(ad_ctx *ctx, int rank, int64_t axis, int *out) {
    if (axis < -rank || axis >= rank) {
        long long bad = axis;
        if (rank == 0) return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "a number has no axis %lld", bad);
        if (rank == 1)
            return ad_fail(ctx, AD_ERR_ARGUMENT, -1,
                           "axis %lld does not exist: the tensor has only axis 0", bad);
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1,
                       "axis %lld does not exist: the tensor has the axes 0 to %d", bad, rank - 1);
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return AD_OK;
}

ad_status ad_axes_mask(ad_ctx *ctx, int rank, int count, const int64_t *axes, bool none_is_all,
                       uint32_t *mask) {
    *mask = count == 0 && none_is_all ? ((uint32_t)1 << rank) - 1 : 0;
    for (int i = 0; i < count; i++) {
        int axis = 0;
        ad_status s = ad_axis_normal(ctx, rank, axes[i], &axis);
        if (s != AD_OK) return s;
        if (*mask >> axis & 1)
            return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "axis %d is given twice", axis);
        *mask |= (uint32_t)1 << axis;
    }
    return AD_OK;
}

ad_status ad_axes_order(ad_ctx *ctx, int rank, int count, const int64_t *axes, int *order) {
    uint32_t seen;
    ad_status s = ad_axes_mask(ctx, rank, count, axes, false, &seen);
    if (s != AD_OK) return s;
    if (count != rank)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "the order names %d of %d axes; it must name all",
                       count, rank);
    for (int i = 0; i < count; i++) order[i] = (int)(axes[i] < 0 ? axes[i] + rank : axes[i]);
    return AD_OK;
}

void ad_type_reduce(const ad_type *in, uint32_t mask, bool keep, ad_type *out) {
    int rank = 0;
    unsigned asked = 0;
    for (int i = 0; i < in->rank; i++) {
        bool gone = mask >> i & 1;
        if (gone && !keep) continue;
        if (gone || (in->asked >> i & 1)) asked |= 1u << rank;
        out->dims[rank++] = gone ? 1 : in->dims[i];
    }
    out->dtype = in->dtype;
    out->rank = (uint8_t)rank;
    out->asked = (uint16_t)asked;
}

/* ---- reshape ------------------------------------------------------------------------------ */

static ad_status reshape_misfit(ad_ctx *ctx, const ad_type *in, int64_t size, int rank,
                                const int64_t *wanted) {
    char have[AD_SHAPE_TEXT], want[AD_SHAPE_TEXT];
    return ad_fail(ctx, AD_ERR_SHAPE, 0, "%s has %lld elements, which do not fill %s",
                   ad_shape_text(in->rank, in->dims, have, sizeof have), (long long)size,
                   ad_shape_text(rank, wanted, want, sizeof want));
}

ad_status ad_reshape_dims(ad_ctx *ctx, const ad_type *in, int rank, const int64_t *wanted,
                          int64_t *dims) {
    int64_t size, known;
    int open = -1;
    ad_status s = ad_shape_size(ctx, in->rank, in->dims, &size);
    for (int i = 0; i < rank && i < AD_MAX_RANK; i++) {
        dims[i] = wanted[i] == -1 ? 1 : wanted[i];
        if (wanted[i] != -1) continue;
        if (open >= 0) return ad_fail(ctx, AD_ERR_SHAPE, -1, "only one size can be -1");
        open = i;
    }
    if (s == AD_OK) s = ad_shape_size(ctx, rank, dims, &known);
    if (s != AD_OK) return s;
    if (open >= 0) {
        if (known == 0 || size % known != 0) return reshape_misfit(ctx, in, size, rank, wanted);
        dims[open] = size / known;
    } else if (known != size) {
        return reshape_misfit(ctx, in, size, rank, wanted);
    }
    return AD_OK;
}

/* Splits one joined axis of `dim` elements and `stride` over new axes from `*at` on. */
static void split_axis(int64_t dim, int64_t stride, int *at, const int64_t *new_dims,
                       int64_t *out) {
    int from = *at;
    for (int64_t covered = 1; covered < dim; (*at)++) covered *= new_dims[*at];
    for (int i = *at - 1; i >= from; i--) {
        out[i] = stride;
        stride *= new_dims[i];
    }
}

/* Old axes that lie together are joined until their product is a product of new sizes; such a group
 * must be one run of memory. */
bool ad_reshape_strides(int rank, const int64_t *dims, const int64_t *strides, int new_rank,
                        const int64_t *new_dims, int64_t *new_strides) {
    for (int i = 0; i < rank; i++)
        if (dims[i] == 0) return ad_shape_strides(new_rank, new_dims, new_strides), true;
    int old = 0, at = 0;
    for (;;) {
        while (old < rank && dims[old] == 1) old++;
        while (at < new_rank && new_dims[at] == 1) new_strides[at++] = 1;
        if (old == rank || at == new_rank) return true;
        int64_t have = dims[old], want = new_dims[at];
        int last = old, upto = at + 1;
        while (have != want) {
            if (have > want) want *= new_dims[upto++];
            else {
                int next = last + 1;
                while (dims[next] == 1) next++;
                if (strides[last] != strides[next] * dims[next]) return false;
                have *= dims[last = next];
            }
        }
        split_axis(have, strides[last], &at, new_dims, new_strides);
        old = last + 1;
    }
}
