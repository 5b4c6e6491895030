/* SPDX-License-Identifier: MIT */
/* kernel_matmul.h - products of matrices: one pair, or batches of them. Knows no rules and no tape.
 */
#ifndef AD_KERNEL_MATMUL_H
#define AD_KERNEL_MATMUL_H

#include "base.h"

enum {
    AD_STRONG_A = 1,
    AD_STRONG_B = 2
}; /* an exact 0 there makes its product 0, whatever it meets */

/* Rows and columns of a matrix inside a tensor; strides in elements, any sign. */
typedef struct ad_matrix {
    const void *data;
    int64_t rows, cols;
    int64_t row_step, col_step;
} ad_matrix;

/* c = a b, c contiguous m×n. f64 or f32 throughout; f32 sums of small products run in f64. */
ad_status ad_gemm(ad_ctx *ctx, ad_dtype dtype, ad_matrix a, ad_matrix b, void *c, int strong);

/* Batched: a [.., m, k], b [.., k, n], both of the dtype of c, which is contiguous [.., m, n];
 * leading axes of a and b are those of c or 1 or missing. */
ad_status ad_matmul(ad_ctx *ctx, const ad_tensor *a, const ad_tensor *b, ad_tensor *c, int strong);

#endif
