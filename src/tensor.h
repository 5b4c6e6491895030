/* SPDX-License-Identifier: MIT */
/* tensor.h - what the rooms above tensor.c need besides ad.h: element runs of strided operands,
 * conversion of elements, and types. */
#ifndef AD_TENSOR_H
#define AD_TENSOR_H

#include "base.h"

/* Runs through several strided operands of one common shape in row-major order. Axes that lie
 * together in all operands are joined; what is left is a sequence of runs of `inner` elements in
 * which operand k starts at `offset[k]` and steps by `step[k]`, both in elements.
 *
 *     bool more = ad_walk_begin(&w, rank, dims, 2, strides);
 *     for (; more; more = ad_walk_next(&w)) … */
enum { AD_WALK_OPERANDS = 8 };
typedef struct ad_walk {
    int64_t inner;
    int64_t step[AD_WALK_OPERANDS];
    int64_t offset[AD_WALK_OPERANDS];
    int operands;
    int rank; /* axes outside the run */
    int64_t dims[AD_MAX_RANK], index[AD_MAX_RANK];
    int64_t strides[AD_MAX_RANK][AD_WALK_OPERANDS];
} ad_walk;
bool ad_walk_begin(ad_walk *w, int rank, const int64_t *dims, int operands,
                   const int64_t *const *strides);
bool ad_walk_next(ad_walk *w);

/* n elements from one strided run to another, converted. A number becomes a bool by `!= 0`. */
void ad_convert(ad_dtype to, void *out, int64_t out_step, ad_dtype from, const void *in,
                int64_t in_step, int64_t n);
/* Copies all elements of `from` into the equally shaped `to`, converted. */
ad_status ad_tensor_fill_from(ad_ctx *ctx, ad_tensor *to, const ad_tensor *from);
/* `value` into all elements. */
void ad_tensor_fill(ad_tensor *t, double value);

/* What so many elements take. */
static inline int64_t ad_span(const ad_tensor *t, int64_t elements) {
    static const uint8_t shift[] = {[AD_F64] = 3, [AD_F32] = 2, [AD_BOOL8] = 0};
    return elements * ((int64_t)1 << shift[t->dtype]);
}
static inline const void *ad_element(const ad_tensor *t, int64_t offset) {
    return (const char *)t->data + ad_span(t, offset);
}
static inline void *ad_element_mut(ad_tensor *t, int64_t offset) {
    return (void *)(uintptr_t)ad_element(t, offset);
}

ad_type ad_tensor_type(const ad_tensor *t);
/* An uninitialised contiguous tensor of a type of rank ≥ 1, with its `asked`. */
ad_tensor *ad_tensor_of_type(ad_ctx *ctx, const ad_type *type);
/* An uninitialised contiguous tensor with the model's dtype, shape and `asked`. */
ad_tensor *ad_tensor_like(ad_ctx *ctx, const ad_tensor *model);
/* The same elements in another shape: a view where the strides allow it, else a copy. */
ad_tensor *ad_tensor_reshape(ad_ctx *ctx, ad_tensor *t, int rank, const int64_t *dims,
                             uint16_t asked);
/* A view stretched to `dims`; NULL with an error if it does not fit. */
ad_tensor *ad_tensor_expand(ad_ctx *ctx, ad_tensor *t, int rank, const int64_t *dims);

#endif
