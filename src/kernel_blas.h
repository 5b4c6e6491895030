/* SPDX-License-Identifier: MIT */
/* kernel_blas.h - OpenBLAS with its LAPACK, opened when something first needs it (1.8 ms, once;
 * linked it would cost every start 4 ms). One thread: we cut work into tiles ourselves, so that
 * bits do not depend on the number of threads. Only kernel_matmul and kernel_linalg see this
 * header. */
#ifndef AD_KERNEL_BLAS_H
#define AD_KERNEL_BLAS_H

#include "base.h"

typedef struct ad_library {
    void *handle;
    void (*dgemm)(const char *ta, const char *tb, const int *m, const int *n, const int *k,
                  const double *alpha, const double *a, const int *lda, const double *b,
                  const int *ldb, const double *beta, double *c, const int *ldc);
    void (*sgemm)(const char *ta, const char *tb, const int *m, const int *n, const int *k,
                  const float *alpha, const float *a, const int *lda, const float *b,
                  const int *ldb, const float *beta, float *c, const int *ldc);
    void (*dtrsm)(const char *side, const char *uplo, const char *trans, const char *diag,
                  const int *m, const int *n, const double *alpha, const double *a, const int *lda,
                  double *b, const int *ldb);
    void (*dgetrf)(const int *m, const int *n, double *a, const int *lda, int *pivots, int *info);
    void (*dpotrf)(const char *uplo, const int *n, double *a, const int *lda, int *info);
    void (*dgeqrf)(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
                   const int *lwork, int *info);
    void (*dorgqr)(const int *m, const int *n, const int *k, double *a, const int *lda,
                   const double *tau, double *work, const int *lwork, int *info);
    void (*dgesdd)(const char *job, const int *m, const int *n, double *a, const int *lda,
                   double *s, double *u, const int *ldu, double *vt, const int *ldvt, double *work,
                   const int *lwork, int *iwork, int *info);
    void (*dsyevd)(const char *job, const char *uplo, const int *n, double *a, const int *lda,
                   double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                   int *info);
} ad_library;

/* NULL where it cannot be opened; no error is set. */
const ad_library *ad_library_open(ad_ctx *ctx);

#endif
