/* SPDX-License-Identifier: MIT */
/* kernel_linalg.c - see kernel_linalg.h. LAPACK is column-major: matrices are transposed on the way
 * in and out. Inputs with inf or nan never reach its iterations; their results are nan. */
#include "kernel_linalg.h"

#include "kernel_blas.h"

#include <math.h>
#include <string.h>

enum { OWN = 32 };

static ad_status no_library(ad_ctx *ctx) {
    return ad_fail(
        ctx, AD_ERR_NUMERIC, -1,
        "linear algebra of this size needs OpenBLAS (libopenblas.so.0), which is not here");
}

static ad_status failed(ad_ctx *ctx, const char *what) {
    return ad_fail(ctx, AD_ERR_NUMERIC, 0, "%s", what);
}

static void transpose(int64_t rows, int64_t cols, const double *a, double *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j];
}

static bool all_finite(int64_t n, const double *a) {
    double bad = 0.0;
    for (int64_t i = 0; i < n; i++) bad += a[i] - a[i];
    return bad == 0.0;
}

static void fill(int64_t n, double x, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = x;
}

static double *numbers(ad_ctx *ctx, int64_t n) {
    return ad_mem_get(ctx, sizeof(double) * (size_t)(n > 0 ? n : 1));
}

static void give_back(ad_ctx *ctx, double *block, int64_t n) {
    if (block != NULL) ad_mem_put(ctx, block, sizeof(double) * (size_t)(n > 0 ? n : 1));
}

/* ---- LU ----------------------------------------------------------------------------------- */

static void swap_rows(double *a, int64_t n, int64_t i, int64_t j) {
    for (int64_t k = 0; i != j && k < n; k++) {
        double t = a[i * n + k];
        a[i * n + k] = a[j * n + k];
        a[j * n + k] = t;
    }
}

static void own_lu(int64_t n, double *a, int64_t *pivots) {
    for (int64_t k = 0; k < n; k++) {
        int64_t p = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[p * n + k])) p = i;
        pivots[k] = p;
        swap_rows(a, n, k, p);
        double d = a[k * n + k];
        for (int64_t i = k + 1; i < n && d != 0.0; i++) {
            double f = a[i * n + k] /= d;
            for (int64_t j = k + 1; j < n; j++) a[i * n + j] -= f * a[k * n + j];
        }
    }
}

ad_status ad_lu(ad_ctx *ctx, int64_t n, double *a, int64_t *pivots) {
    if (n <= OWN) {
        own_lu(n, a, pivots);
        return AD_OK;
    }
    const ad_library *lib = ad_library_open(ctx);
    if (lib == NULL) return no_library(ctx);
    size_t bytes = sizeof(int) * (size_t)n;
    double *t = numbers(ctx, n * n);
    int *ipiv = ad_mem_get(ctx, bytes), size = (int)n, info = 0;
    bool ok = t != NULL && ipiv != NULL;
    if (ok) {
        transpose(n, n, a, t);
        lib->dgetrf(&size, &size, t, &size, ipiv, &info);
        transpose(n, n, t, a);
        for (int64_t i = 0; i < n; i++) pivots[i] = ipiv[i] - 1;
    }
    give_back(ctx, t, n * n);
    if (ipiv != NULL) ad_mem_put(ctx, ipiv, bytes);
    return ok ? ad_poll(ctx) : AD_ERR_MEMORY;
}

/* row i −= f · row j */
static void subtract(double *b, int64_t k, int64_t i, int64_t j, double f) {
    for (int64_t c = 0; c < k; c++) b[i * k + c] -= f * b[j * k + c];
}

ad_status ad_lu_solve(ad_ctx *ctx, int64_t n, const double *lu, const int64_t *pivots, int64_t k,
                      double *b) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; pivots[i] != i && c < k; c++) {
            double t = b[i * k + c];
            b[i * k + c] = b[pivots[i] * k + c];
            b[pivots[i] * k + c] = t;
        }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) subtract(b, k, i, j, lu[i * n + j]);
        if ((i & 15) == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = i + 1; j < n; j++) subtract(b, k, i, j, lu[i * n + j]);
        for (int64_t c = 0; c < k; c++) b[i * k + c] /= lu[i * n + i];
        if ((i & 15) == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

double ad_lu_ratio(int64_t n, const double *lu) {
    double least = INFINITY, most = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(lu[i * n + i]);
        if (d < least) least = d;
        if (d > most) most = d;
    }
    return n == 0 ? 1.0 : most == 0.0 ? 0.0 : least / most;
}

void ad_lu_det(int64_t n, const double *lu, const int64_t *pivots, double *sign, double *log_abs) {
    *sign = 1.0;
    *log_abs = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = lu[i * n + i];
        if (pivots[i] != i) *sign = -*sign;
        if (d < 0.0) *sign = -*sign;
        if (d == 0.0) *sign = 0.0;
        *log_abs += log(fabs(d));
    }
}

double ad_lu_product(int64_t n, const double *lu, const int64_t *pivots) {
    double y = 1.0;
    for (int64_t i = 0; i < n; i++) y *= pivots[i] != i ? -lu[i * n + i] : lu[i * n + i];
    return y;
}

/* ---- Cholesky ----------------------------------------------------------------------------- */

static bool own_cholesky(int64_t n, double *a) {
    for (int64_t j = 0; j < n; j++) {
        double d = a[j * n + j];
        for (int64_t k = 0; k < j; k++) d -= a[j * n + k] * a[j * n + k];
        if (!(d > 0.0)) return false;
        a[j * n + j] = d = sqrt(d);
        for (int64_t i = j + 1; i < n; i++) {
            double s = a[i * n + j];
            for (int64_t k = 0; k < j; k++) s -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = s / d;
        }
    }
    return true;
}

ad_status ad_cholesky(ad_ctx *ctx, int64_t n, double *a) {
    bool good;
    if (n <= OWN) {
        good = own_cholesky(n, a);
    } else {
        const ad_library *lib = ad_library_open(ctx);
        int size = (int)n, info = 0;
        if (lib == NULL) return no_library(ctx);
        lib->dpotrf("U", &size, a, &size, &info); /* the upper triangle of the transpose */
        good = info == 0;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) a[i * n + j] = 0.0;
    if (good) return AD_OK;
    return failed(ctx, "the matrix is not positive definite");
}

/* ---- QR ----------------------------------------------------------------------------------- */

/* t holds a in columns, then the reflectors, then q. */
static int qr_steps(const ad_library *lib, int m, int n, double *t, double *tau, double *work,
                    int lwork, double *r) {
    int k = m < n ? m : n, info = 0;
    lib->dgeqrf(&m, &n, t, &m, tau, work, &lwork, &info);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++) r[(int64_t)i * n + j] = j < i ? 0.0 : t[(int64_t)j * m + i];
    if (info == 0) lib->dorgqr(&m, &k, &k, t, &m, tau, work, &lwork, &info);
    return info;
}

ad_status ad_qr(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *q, double *r) {
    int64_t k = m < n ? m : n, room = 64 * (m + n);
    if (k == 0) return AD_OK;
    if (!all_finite(m * n, a)) {
        fill(m * k, NAN, q);
        fill(k * n, NAN, r);
        return AD_OK;
    }
    const ad_library *lib = ad_library_open(ctx);
    if (lib == NULL) return no_library(ctx);
    double *t = numbers(ctx, m * n), *work = numbers(ctx, k + room);
    int info = 0;
    bool ok = t != NULL && work != NULL;
    if (ok) {
        transpose(m, n, a, t);
        info = qr_steps(lib, (int)m, (int)n, t, work, work + k, (int)room, r);
        transpose(k, m, t, q);
    }
    give_back(ctx, t, m * n);
    give_back(ctx, work, k + room);
    if (!ok) return AD_ERR_MEMORY;
    return info == 0 ? AD_OK : failed(ctx, "the QR factorisation failed");
}

/* ---- SVD ---------------------------------------------------------------------------------- */

/* The row-major a is the column-major aᵀ = v s uᵀ: LAPACK's left vectors are our right ones, laid
 * out as we want them. */
ad_status ad_svd(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *u, double *s,
                 double *vt) {
    int64_t k = m < n ? m : n, most = m < n ? n : m;
    if (k == 0) return AD_OK;
    if (!all_finite(m * n, a)) {
        fill(m * k, NAN, u);
        fill(k, NAN, s);
        fill(k * n, NAN, vt);
        return AD_OK;
    }
    const ad_library *lib = ad_library_open(ctx);
    if (lib == NULL) return no_library(ctx);
    int64_t room = 4 * k * k + 7 * k + 64 * (most + k), iroom = 8 * k;
    double *t = numbers(ctx, m * n + room);
    int *iwork = ad_mem_get(ctx, sizeof(int) * (size_t)iroom);
    int rows = (int)n, cols = (int)m, rank = (int)k, lwork = (int)room, info = 0;
    bool ok = t != NULL && iwork != NULL;
    if (ok) {
        memcpy(t, a, sizeof(double) * (size_t)(m * n));
        lib->dgesdd("S", &rows, &cols, t, &rows, s, vt, &rows, u, &rank, t + m * n, &lwork, iwork,
                    &info);
    }
    give_back(ctx, t, m * n + room);
    if (iwork != NULL) ad_mem_put(ctx, iwork, sizeof(int) * (size_t)iroom);
    if (!ok) return AD_ERR_MEMORY;
    return info == 0 ? AD_OK : failed(ctx, "the singular values did not converge");
}

/* ---- symmetric eigenvalues ---------------------------------------------------------------- */

/* The sign of a vector is free: its largest element is made positive, so that results do not depend
 * on the library's inner ways. */
static void fix_signs(int64_t n, double *rows) {
    for (int64_t i = 0; i < n; i++) {
        double *x = rows + i * n, top = 0.0;
        for (int64_t j = 0; j < n; j++)
            if (fabs(x[j]) > fabs(top) * (1 + 1e-9)) top = x[j];
        for (int64_t j = 0; top < 0.0 && j < n; j++) x[j] = -x[j];
    }
}

ad_status ad_eigh(ad_ctx *ctx, int64_t n, const double *a, double *w, double *v) {
    if (n == 0) return AD_OK;
    if (!all_finite(n * n, a)) {
        fill(n, NAN, w);
        fill(n * n, NAN, v);
        return AD_OK;
    }
    const ad_library *lib = ad_library_open(ctx);
    if (lib == NULL) return no_library(ctx);
    int64_t room = 1 + 6 * n + 2 * n * n, iroom = 3 + 5 * n;
    double *t = numbers(ctx, n * n + room);
    int *iwork = ad_mem_get(ctx, sizeof(int) * (size_t)iroom);
    int size = (int)n, lwork = (int)room, liwork = (int)iroom, info = 0;
    bool ok = t != NULL && iwork != NULL;
    if (ok) {
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) t[i * n + j] = 0.5 * (a[i * n + j] + a[j * n + i]);
        lib->dsyevd("V", "L", &size, t, &size, w, t + n * n, &lwork, iwork, &liwork, &info);
        fix_signs(n, t);
        transpose(n, n, t, v);
    }
    give_back(ctx, t, n * n + room);
    if (iwork != NULL) ad_mem_put(ctx, iwork, sizeof(int) * (size_t)iroom);
    if (!ok) return AD_ERR_MEMORY;
    return info == 0 ? AD_OK : failed(ctx, "the eigenvalues did not converge");
}
