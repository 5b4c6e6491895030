/* SPDX-License-Identifier: MIT */
/* shape.h - arithmetic of sizes, strides and axes. Pure: looks at no element and allocates nothing;
 * the context is there for the error only. Axis numbers given by a user may be negative. */
#ifndef AD_SHAPE_H
#define AD_SHAPE_H

#include "base.h"

enum { AD_SHAPE_TEXT = 128 /* room for a shape in a message */ };

/* Product of the sizes; refuses negative ones, too many axes, and what cannot be addressed. */
ad_status ad_shape_size(ad_ctx *ctx, int rank, const int64_t *dims, int64_t *size);
/* Row-major. Where there are no elements all strides are 0. */
void ad_shape_strides(int rank, const int64_t *dims, int64_t *strides);
bool ad_dims_same(int rank_a, const int64_t *a, int rank_b, const int64_t *b);
/* `asked` and dtype aside. */
static inline bool ad_type_same_dims(const ad_type *a, const ad_type *b) {
    return ad_dims_same(a->rank, a->dims, b->rank, b->dims);
}
bool ad_shape_is_contiguous(int rank, const int64_t *dims, const int64_t *strides);

/* The type of an elementwise call. If no operand has all sizes of the result, all would be
 * stretched: that must have been asked for (`asked` on an axis that is stretched). The result keeps
 * `asked` on its axes of size 1. dtype: a tensor's wins over a number's, f64 over f32, and bools
 * become f64 unless they meet f32. */
ad_status ad_broadcast_types(ad_ctx *ctx, int n, const ad_type *in, ad_type *out);
/* Strides with which `dims` (of `strides`) runs through the shape `to`: 0 where it is stretched.
 * False if it cannot be stretched to it. */
bool ad_shape_stretch(int rank, const int64_t *dims, const int64_t *strides, int to_rank,
                      const int64_t *to, int64_t *out);
uint8_t ad_dtype_join(uint8_t a, uint8_t b); /* of two tensors in arithmetic */

/* One axis of `rank`; an error where it is out of range. */
ad_status ad_axis_normal(ad_ctx *ctx, int rank, int64_t axis, int *out);
/* A bit for each axis of a list, or all if it is empty and `none_is_all`; twice is an error. */
ad_status ad_axes_mask(ad_ctx *ctx, int rank, int count, const int64_t *axes, bool none_is_all,
                       uint32_t *mask);
/* A complete order of the axes, each once. */
ad_status ad_axes_order(ad_ctx *ctx, int rank, int count, const int64_t *axes, int *order);
/* Sizes and `asked` after the axes of `mask` were reduced. */
void ad_type_reduce(const ad_type *in, uint32_t mask, bool keep, ad_type *out);

/* A shape given by a user for `size` elements: one −1 is worked out. */
ad_status ad_reshape_dims(ad_ctx *ctx, const ad_type *in, int rank, const int64_t *wanted,
                          int64_t *dims);
/* The strides that show the elements in another shape without a copy; false if none do. */
bool ad_reshape_strides(int rank, const int64_t *dims, const int64_t *strides, int new_rank,
                        const int64_t *new_dims, int64_t *new_strides);

#endif
