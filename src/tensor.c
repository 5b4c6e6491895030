/* SPDX-License-Identifier: MIT */
/* tensor.c - tensors as memory. An owner is one block from the pools:
 *
 *     header | sizes | strides | padding to 64 | elements in row-major order
 *
 * A view is a block with header, sizes and strides whose `base` is the owner: never another view,
 * so that releasing one needs no recursion. Elements move in runs (walk.c); no arithmetic is done
 * on them here. */
#include "tensor.h"

#include "shape.h"

#include <string.h>

enum { ALIGN = 64, PIECE = 1 << 16 /* elements between two looks at the interrupt flag */ };

size_t ad_dtype_size(ad_dtype dtype) {
    return dtype == AD_F64 ? sizeof(double) : dtype == AD_F32 ? sizeof(float) : sizeof(uint8_t);
}

const char *ad_dtype_name(ad_dtype dtype) {
    return dtype == AD_F64 ? "f64" : dtype == AD_F32 ? "f32" : "bool";
}

/* ---- blocks ------------------------------------------------------------------------------- */

static size_t header_bytes(int rank) {
    return sizeof(ad_tensor) + 2 * (size_t)rank * sizeof(int64_t);
}

static size_t round_up(size_t bytes) { return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

static size_t owner_bytes(ad_dtype dtype, int rank, int64_t size) {
    return round_up(round_up(header_bytes(rank)) + (size_t)size * ad_dtype_size(dtype));
}

static size_t block_bytes(const ad_tensor *t) {
    return t->base ? header_bytes(t->rank) : owner_bytes(t->dtype, t->rank, t->size);
}

static void set_head(ad_tensor *t, ad_dtype dtype, int rank, const int64_t *dims, int64_t size) {
    t->refs = 1;
    t->dtype = (uint8_t)dtype;
    t->rank = (uint8_t)rank;
    t->asked = 0;
    t->base = NULL;
    t->size = size;
    memcpy(t->dims, dims, (size_t)rank * sizeof *dims);
}

static bool rank_is_good(ad_ctx *ctx, int rank) {
    if (rank >= 1 && rank <= AD_MAX_RANK) return true;
    ad_fail(ctx, AD_ERR_SHAPE, -1, "a tensor has 1 to %d axes, not %d", AD_MAX_RANK, rank);
    return false;
}

ad_tensor *ad_tensor_new(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims) {
    int64_t size;
    if (!rank_is_good(ctx, rank)) return NULL;
    if (ad_shape_size(ctx, rank, dims, &size) != AD_OK) return NULL;
    ad_tensor *t = ad_mem_get(ctx, owner_bytes(dtype, rank, size));
    if (!t) return NULL;
    set_head(t, dtype, rank, dims, size);
    t->data = (char *)t + round_up(header_bytes(rank));
    ad_shape_strides(rank, dims, t->dims + rank);
    return t;
}

ad_tensor *ad_tensor_like(ad_ctx *ctx, const ad_tensor *model) {
    size_t rank = model->rank, head = round_up(header_bytes((int)rank));
    ad_tensor *t = ad_mem_get(ctx, round_up(head + (size_t)ad_span(model, model->size)));
    if (!t) return NULL;
    *t = (ad_tensor){.refs = 1, .dtype = model->dtype, .rank = model->rank, .asked = model->asked,
                     .data = (char *)t + head, .size = model->size};
    t->dims[0] = model->dims[0]; /* of a vector, without a call */
    t->dims[1] = model->dims[1];
    if (rank > 1) memcpy(t->dims, model->dims, 2 * rank * sizeof t->dims[0]);
    if (model->base) ad_shape_strides((int)rank, model->dims, t->dims + rank);
    return t;
}

ad_tensor *ad_tensor_view(ad_ctx *ctx, ad_tensor *t, int64_t offset, int rank, const int64_t *dims,
                          const int64_t *strides, uint16_t asked) {
    int64_t size;
    if (!rank_is_good(ctx, rank)) return NULL;
    if (ad_shape_size(ctx, rank, dims, &size) != AD_OK) return NULL;
    ad_tensor *v = ad_mem_get(ctx, header_bytes(rank));
    if (!v) return NULL;
    set_head(v, t->dtype, rank, dims, size);
    memcpy(v->dims + rank, strides, (size_t)rank * sizeof *strides);
    v->asked = asked;
    v->data = ad_element_mut(t, offset);
    v->base = t->base ? t->base : t;
    v->base->refs++;
    return v;
}

void ad_tensor_retain(ad_tensor *t) { t->refs++; }

void ad_tensor_release(ad_ctx *ctx, ad_tensor *t) {
    while (t && --t->refs == 0) {
        ad_tensor *base = t->base;
        ad_mem_put(ctx, t, block_bytes(t));
        t = base;
    }
}

bool ad_tensor_is_contiguous(const ad_tensor *t) {
    return !t->base || ad_shape_is_contiguous(t->rank, t->dims, ad_strides(t));
}

/* A stretched view shows one element in several places: nobody may write through it. */
static bool repeats(const ad_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] > 1 && ad_strides(t)[i] == 0) return true;
    return false;
}

bool ad_tensor_unshared(const ad_tensor *t) {
    if (t->refs != 1) return false;
    return !t->base || (t->base->refs == 1 && !repeats(t));
}

/* ---- single elements ---------------------------------------------------------------------- */

static int64_t offset_of(const ad_tensor *t, const int64_t *index) {
    int64_t offset = 0;
    for (int i = 0; i < t->rank; i++) offset += index[i] * ad_strides(t)[i];
    return offset;
}

double ad_tensor_get(const ad_tensor *t, const int64_t *index) {
    double x;
    ad_convert(AD_F64, &x, 1, t->dtype, ad_element(t, offset_of(t, index)), 1, 1);
    return x;
}

void ad_tensor_set(ad_tensor *t, const int64_t *index, double value) {
    ad_convert(t->dtype, ad_element_mut(t, offset_of(t, index)), 1, AD_F64, &value, 1, 1);
}

/* ---- all elements ------------------------------------------------------------------------- */

/* A run in pieces, so that an interrupt is seen. */
static ad_status copy_run(ad_ctx *ctx, ad_tensor *to, const ad_tensor *from, const ad_walk *w) {
    for (int64_t at = 0; at < w->inner; at += PIECE) {
        int64_t n = w->inner - at < PIECE ? w->inner - at : PIECE;
        ad_convert(to->dtype, ad_element_mut(to, w->offset[0] + at * w->step[0]), w->step[0],
                   from->dtype, ad_element(from, w->offset[1] + at * w->step[1]), w->step[1], n);
        if (n == PIECE && ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

/* The innermost two axes of a transposed copy, in tiles that stay in the cache while they are read
 * across their rows. */
static ad_status copy_tiles(ad_ctx *ctx, ad_tensor *to, const ad_tensor *from, const ad_walk *w,
                            int axis) {
    enum { TILE = 64 };
    const int64_t *row = w->strides[axis];
    for (int64_t r0 = 0; r0 < w->dims[axis]; r0 += TILE) {
        int64_t r1 = r0 + TILE < w->dims[axis] ? r0 + TILE : w->dims[axis];
        for (int64_t c = 0; c < w->inner; c += TILE) {
            int64_t n = c + TILE < w->inner ? TILE : w->inner - c;
            for (int64_t r = r0; r < r1; r++) {
                int64_t out = w->offset[0] + r * row[0] + c * w->step[0];
                int64_t in = w->offset[1] + r * row[1] + c * w->step[1];
                ad_convert(to->dtype, ad_element_mut(to, out), w->step[0], from->dtype,
                           ad_element(from, in), w->step[1], n);
            }
        }
        if (ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

static bool is_transposed(const ad_walk *w) {
    return w->rank > 0 && w->inner > 8 && w->strides[w->rank - 1][1] == 1 && w->step[1] > 8;
}

ad_status ad_tensor_fill_from(ad_ctx *ctx, ad_tensor *to, const ad_tensor *from) {
    ad_walk w;
    const int64_t *strides[] = {ad_strides(to), ad_strides(from)};
    bool more = ad_walk_begin(&w, to->rank, to->dims, 2, strides);
    int tiled = more && is_transposed(&w) ? --w.rank : -1;
    int64_t done = 0;
    for (; more; more = ad_walk_next(&w)) {
        ad_status s = tiled < 0 ? copy_run(ctx, to, from, &w)
                                : copy_tiles(ctx, to, from, &w, tiled);
        if (s != AD_OK) return s;
        if ((done += w.inner) < PIECE) continue;
        done = 0;
        if (ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

static ad_tensor *fresh_copy(ad_ctx *ctx, const ad_tensor *t, ad_dtype dtype) {
    ad_tensor *copy = ad_tensor_new(ctx, dtype, t->rank, t->dims);
    if (!copy) return NULL;
    copy->asked = t->asked;
    if (ad_tensor_fill_from(ctx, copy, t) == AD_OK) return copy;
    ad_tensor_release(ctx, copy);
    return NULL;
}

ad_tensor *ad_tensor_copy(ad_ctx *ctx, const ad_tensor *t) { return fresh_copy(ctx, t, t->dtype); }

ad_tensor *ad_tensor_contiguous(ad_ctx *ctx, ad_tensor *t) {
    if (!ad_tensor_is_contiguous(t)) return ad_tensor_copy(ctx, t);
    ad_tensor_retain(t);
    return t;
}

ad_tensor *ad_tensor_cast(ad_ctx *ctx, ad_tensor *t, ad_dtype dtype) {
    if (t->dtype != dtype) return fresh_copy(ctx, t, dtype);
    ad_tensor_retain(t);
    return t;
}

void ad_tensor_fill(ad_tensor *t, double value) {
    ad_walk w;
    const int64_t *strides[] = {ad_strides(t)};
    bool more = ad_walk_begin(&w, t->rank, t->dims, 1, strides);
    for (; more; more = ad_walk_next(&w))
        ad_convert(t->dtype, ad_element_mut(t, w.offset[0]), w.step[0], AD_F64, &value, 0, w.inner);
}

/* In pieces, so that an interrupt is seen: fresh memory comes page by page from the system. */
ad_tensor *ad_tensor_full(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims,
                          double value) {
    ad_tensor *t = ad_tensor_new(ctx, dtype, rank, dims);
    for (int64_t at = 0; t && at < t->size; at += PIECE) {
        int64_t n = t->size - at < PIECE ? t->size - at : PIECE;
        ad_convert(dtype, ad_element_mut(t, at), 1, AD_F64, &value, 0, n);
        if (n < PIECE || ad_poll(ctx) == AD_OK) continue;
        ad_tensor_release(ctx, t);
        return NULL;
    }
    return t;
}

void ad_tensor_read(const ad_tensor *t, double *out) {
    ad_walk w;
    const int64_t *strides[] = {ad_strides(t)};
    bool more = ad_walk_begin(&w, t->rank, t->dims, 1, strides);
    for (; more; more = ad_walk_next(&w), out += w.inner)
        ad_convert(AD_F64, out, 1, t->dtype, ad_element(t, w.offset[0]), w.step[0], w.inner);
}

ad_tensor *ad_tensor_from(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims,
                          const double *in) {
    ad_tensor *t = ad_tensor_new(ctx, dtype, rank, dims);
    if (!t) return NULL;
    ad_convert(dtype, t->data, 1, AD_F64, in, 1, t->size);
    ad_tensor_quiet(t);
    return t;
}

void ad_tensor_quiet(ad_tensor *t) {
    if (t->dtype == AD_F64) {
        uint64_t *bits = t->data;
        for (int64_t i = 0; i < t->size; i++)
            bits[i] |= (uint64_t)((bits[i] << 1) > 0xffe0000000000000u) << 51;
    } else if (t->dtype == AD_F32) {
        uint32_t *bits = t->data;
        for (int64_t i = 0; i < t->size; i++)
            bits[i] |= (uint32_t)((bits[i] << 1) > 0xff000000u) << 22;
    }
}

/* ---- types and other shapes --------------------------------------------------------------- */

ad_type ad_tensor_type(const ad_tensor *t) {
    ad_type type = {.dtype = t->dtype, .rank = t->rank, .asked = t->asked};
    memcpy(type.dims, t->dims, t->rank * sizeof *t->dims);
    return type;
}

ad_type ad_type_of(ad_value v) {
    if (v.kind == AD_TENSOR) return ad_tensor_type(v.tensor);
    return (ad_type){.dtype = v.kind == AD_BOOL ? AD_BOOL8 : AD_F64};
}

ad_tensor *ad_tensor_of_type(ad_ctx *ctx, const ad_type *type) {
    ad_tensor *t = ad_tensor_new(ctx, type->dtype, type->rank, type->dims);
    if (t) t->asked = type->asked;
    return t;
}

ad_tensor *ad_tensor_reshape(ad_ctx *ctx, ad_tensor *t, int rank, const int64_t *dims,
                             uint16_t asked) {
    int64_t strides[AD_MAX_RANK];
    if (!rank_is_good(ctx, rank)) return NULL;
    if (ad_reshape_strides(t->rank, t->dims, ad_strides(t), rank, dims, strides))
        return ad_tensor_view(ctx, t, 0, rank, dims, strides, asked);
    ad_tensor *copy = ad_tensor_copy(ctx, t);
    if (!copy) return NULL;
    ad_shape_strides(rank, dims, strides);
    ad_tensor *view = ad_tensor_view(ctx, copy, 0, rank, dims, strides, asked);
    ad_tensor_release(ctx, copy);
    return view;
}

ad_tensor *ad_tensor_expand(ad_ctx *ctx, ad_tensor *t, int rank, const int64_t *dims) {
    int64_t strides[AD_MAX_RANK];
    if (!rank_is_good(ctx, rank)) return NULL;
    if (ad_shape_stretch(t->rank, t->dims, ad_strides(t), rank, dims, strides))
        return ad_tensor_view(ctx, t, 0, rank, dims, strides, 0);
    char have[AD_SHAPE_TEXT], want[AD_SHAPE_TEXT];
    ad_fail(ctx, AD_ERR_SHAPE, 0, "%s cannot be stretched to %s",
            ad_shape_text(t->rank, t->dims, have, sizeof have),
            ad_shape_text(rank, dims, want, sizeof want));
    return NULL;
}
