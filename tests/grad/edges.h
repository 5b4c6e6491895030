/* SPDX-License-Identifier: MIT */
/* edges.h - rows of the table at inputs and layouts that random tests do not meet: 0, ±1, ties, ±inf,
 * nan, axes of 0 and 1, strided views, f32. */
#ifndef EDGES_H
#define EDGES_H

#include "domain.h"

typedef struct edges_result {
    int64_t points;  /* comparisons made */
    int64_t refused; /* calls that the row does not take, with an error that says so */
    int failures;
    char why[512];
} edges_result;

/* Elementwise rows at all combinations of edge values: numbers, tensors, forward, reverse and second
 * order agree, and a zero adjoint or tangent contributes exactly 0. */
void edges_elementwise(ad_ctx *ctx, ad_op op, edges_result *r);
/* Other rows with operands of zeros, ones, ties, infinities and nans. */
void edges_tensor(ad_ctx *ctx, ad_op op, edges_result *r);
/* Values and gradients do not depend on how operands are laid out in memory. */
void edges_views(ad_ctx *ctx, ad_op op, edges_result *r);
/* In single precision they are those in double precision, rounded. */
void edges_single(ad_ctx *ctx, ad_op op, edges_result *r);
/* Axes of 0 and 1. */
void edges_sizes(ad_ctx *ctx, ad_op op, edges_result *r);

void edges_fail(edges_result *r, const char *what, double got, double expected);

#endif
