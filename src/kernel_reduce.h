/* SPDX-License-Identifier: MIT */
/* kernel_reduce.h - folds over a set of axes, scans along one, places of extremes. Works on tensors
 * of any strides; f32 and bool are widened, all accumulation is in f64. Knows no tape and no rows.
 */
#ifndef AD_KERNEL_REDUCE_H
#define AD_KERNEL_REDUCE_H

#include "base.h"

typedef enum ad_reduction {
    AD_RED_SUM,
    AD_RED_PROD,
    AD_RED_MAX, /* nan if there is one; -inf of nothing */
    AD_RED_MIN,
    AD_RED_SQUARES, /* Σ (x p)², p a factor for each result */
    AD_RED_SPREAD,  /* Σ (x − p)² */
    AD_RED_SUMEXP,  /* Σ exp(x − p) */
    AD_RED_COUNT,   /* how many are not 0 */
    AD_RED_COUNT0   /* how many are 0 */
} ad_reduction;

/* Folds the axes in `set`; the results, row-major over the other axes, go to `out`. `param` has one
 * number a result for the kinds that name p. */
ad_status ad_reduce(ad_ctx *ctx, ad_reduction kind, const ad_tensor *x, uint32_t set,
                    const double *param, double *out);

/* The first place of the extreme along `axis`, or in the flattened tensor where axis < 0; a nan
 * wins. */
ad_status ad_arg_reduce(ad_ctx *ctx, bool max, const ad_tensor *x, int axis, double *out);

/* Running sums or products along an axis into `out`, contiguous, row-major. */
ad_status ad_scan(ad_ctx *ctx, bool product, bool reverse, const ad_tensor *x, int axis,
                  double *out);

/* n elements with a stride, as doubles: `buf`, or the place itself where nothing has to be done. */
const double *ad_load_run(const ad_tensor *x, int64_t offset, int64_t n, int64_t stride,
                          double *buf);

/* Is none of n numbers inf or nan? */
bool ad_all_finite(const double *x, int64_t n);
bool ad_all_finite_f32(const float *x, int64_t n);

#endif
