/* SPDX-License-Identifier: MIT */
/* kernel_linalg.h - factorisations of one matrix: f64, row-major, contiguous. Up to 32 × 32 LU and
 * Cholesky are loops of our own; the rest is LAPACK out of OpenBLAS. Knows no batches and no rules.
 */
#ifndef AD_KERNEL_LINALG_H
#define AD_KERNEL_LINALG_H

#include "base.h"

/* In place: L below (its diagonal is 1), U on and above the diagonal; step i swapped the rows i and
 * pivots[i]. A zero pivot is no error: it stays in U. */
ad_status ad_lu(ad_ctx *ctx, int64_t n, double *a, int64_t *pivots);
/* b [n, k] becomes the solution; U must have no zero pivot. */
ad_status ad_lu_solve(ad_ctx *ctx, int64_t n, const double *lu, const int64_t *pivots, int64_t k,
                      double *b);
/* Smallest over largest pivot: 0 for a singular matrix. */
double ad_lu_ratio(int64_t n, const double *lu);
/* The determinant as sign and log of the magnitude. */
void ad_lu_det(int64_t n, const double *lu, const int64_t *pivots, double *sign, double *log_abs);
double ad_lu_product(int64_t n, const double *lu, const int64_t *pivots);

/* The lower factor in place, zeros above; an error if the matrix is not positive definite. */
ad_status ad_cholesky(ad_ctx *ctx, int64_t n, double *a);
/* a [m, n] = q [m, k] r [k, n], k the smaller of m and n. */
ad_status ad_qr(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *q, double *r);
/* a [m, n] = u [m, k] diag(s) vt [k, n], s falling. */
ad_status ad_svd(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *u, double *s,
                 double *vt);
/* Symmetric a = v diag(w) vᵀ, w rising; only (a + aᵀ)/2 counts. */
ad_status ad_eigh(ad_ctx *ctx, int64_t n, const double *a, double *w, double *v);

#endif
