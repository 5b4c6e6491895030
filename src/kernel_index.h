/* SPDX-License-Identifier: MIT */
/* kernel_index.h - reading and writing through indices. A plan is an index list that was checked
 * against a shape: it is self-contained (it holds the index tensors that it needs) and may outlive
 * the tensor that it was made for. Nothing here knows of the tape. */
#ifndef AD_KERNEL_INDEX_H
#define AD_KERNEL_INDEX_H

#include "tensor.h"

typedef struct ad_index_plan ad_index_plan;

/* `x` must be a tensor; errors name the index, the axis and its size. */
ad_status ad_index_resolve(ad_ctx *ctx, ad_value x, int n, const ad_index *index,
                           ad_index_plan **plan);
ad_status ad_index_plan_copy(ad_ctx *ctx, const ad_index_plan *plan, ad_index_plan **out);
/* The same for a tensor with one more axis in front, of size n, which is taken whole. */
ad_status ad_index_plan_behind(ad_ctx *ctx, const ad_index_plan *plan, int64_t n, ad_index_plan **out);
void ad_index_plan_free(ad_ctx *ctx, ad_index_plan *plan);
ad_status ad_index_infer(ad_ctx *ctx, const ad_type *x, int n, const ad_index *index, ad_type *out);
/* The type of what the plan reads. */
void ad_index_plan_type(const ad_index_plan *plan, ad_type *out);
/* A view where the plan allows it, a number where every axis has one element index. */
ad_status ad_index_read(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value *out);
/* Can `v` be written there? Checked before anything is changed. */
ad_status ad_index_fits(ad_ctx *ctx, const ad_index_plan *plan, ad_value v);
/* Into a tensor that is not shared. */
ad_status ad_index_write(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value v);
/* Adds; an element that a gather names twice is added to twice. */
ad_status ad_index_accumulate(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value v);
/* Exactly 0 at the places. */
ad_status ad_index_clear(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan);

#endif
