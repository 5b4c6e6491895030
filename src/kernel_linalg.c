/* SPDX-License-Identifier: MIT */
/* kernel_linalg.c - see kernel_linalg.h. LAPACK is column-major: matrices are transposed on the
 * way in and out. Inputs with inf or nan never reach its iterations; their results are nan.
 * Calls that may take long run on a worker, which an interrupt abandons (worker.h). */
#include "kernel_linalg.h"

#include "kernel_blas.h"
#include "worker.h"

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

enum { BLOCK = 32 }; /* of a transposition: both sides stay in cache */

/* Not whole where the interrupt flag is raised, which whoever goes on sees. */
static void transpose(ad_ctx *ctx, int64_t rows, int64_t cols, const double *a, double *out) {
    for (int64_t i0 = 0; i0 < rows && !ctx->interrupt; i0 += BLOCK)
        for (int64_t j0 = 0; j0 < cols; j0 += BLOCK)
            for (int64_t i = i0; i < rows && i < i0 + BLOCK; i++)
                for (int64_t j = j0; j < cols && j < j0 + BLOCK; j++)
                    out[j * rows + i] = a[i * cols + j];
}

static bool all_finite(int64_t n, const double *a) {
    double bad = 0.0;
    for (int64_t i = 0; i < n; i++) bad += a[i] - a[i];
    return bad == 0.0;
}

static void fill(int64_t n, double x, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = x;
}

static int64_t smaller(int64_t m, int64_t n) { return m < n ? m : n; }

/* ---- calls of LAPACK ---------------------------------------------------------------------- */

/* A call with all that it reads and writes in one block, which a worker can take away: a as
 * LAPACK sees it [rows, cols], then whatever the step needs. */
typedef enum lapack_step { STEP_LU, STEP_CHOLESKY, STEP_QR, STEP_SVD, STEP_EIGH } lapack_step;
typedef struct call {
    lapack_step step;
    bool apart; /* the block is a worker's */
    size_t bytes;
    ad_library lib;
    int rows, cols, rank, info, lwork, liwork;
    int *ints; /* pivots or integer work */
    double *a, *work;
    double *tau, *r;                /* QR */
    double *left, *values, *right;  /* SVD; values also of EIGH */
} call;

/* Above this many operations, some tens of milliseconds, a call runs where it can be abandoned. */
static const double LONG = 2e8;

static double effort(lapack_step step, double m, double n) {
    double k = m < n ? m : n;
    static const double each[] = {1.0, 0.5, 4.0, 20.0, 10.0};
    return each[step] * m * n * k;
}

static ad_status call_open(ad_ctx *ctx, lapack_step step, int64_t rows, int64_t cols,
                           int64_t numbers, int64_t ints, call **out) {
    const ad_library *lib = ad_library_open(ctx);
    if (lib == NULL) return no_library(ctx);
    size_t head = (sizeof(call) + 15) / 16 * 16;
    size_t bytes = head + sizeof(double) * (size_t)numbers + sizeof(int) * (size_t)ints;
    bool apart = effort(step, (double)rows, (double)cols) > LONG;
    call *c = apart ? ad_worker_block(ctx, bytes) : ad_mem_get(ctx, bytes);
    if (c == NULL) return ad_failed(ctx);
    *c = (call){.step = step, .apart = apart, .bytes = bytes, .lib = *lib};
    c->rows = (int)rows;
    c->cols = (int)cols;
    c->rank = (int)smaller(rows, cols);
    c->a = (double *)(void *)((char *)c + head);
    c->ints = (int *)(void *)(c->a + numbers);
    c->liwork = (int)ints;
    *out = c;
    return AD_OK;
}

static void call_work(call *c, double *work, int64_t room) {
    c->work = work;
    c->lwork = (int)room;
}

static void call_close(ad_ctx *ctx, call *c) {
    if (c->apart)
        ad_worker_free(c, c->bytes);
    else
        ad_mem_put(ctx, c, c->bytes);
}

/* a holds the matrix in columns, then the reflectors, then q. */
static void run_qr(call *c) {
    int m = c->rows, n = c->cols, k = c->rank;
    c->lib.dgeqrf(&m, &n, c->a, &m, c->tau, c->work, &c->lwork, &c->info);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++)
            c->r[(int64_t)i * n + j] = j < i ? 0.0 : c->a[(int64_t)j * m + i];
    if (c->info == 0) c->lib.dorgqr(&m, &k, &k, c->a, &m, c->tau, c->work, &c->lwork, &c->info);
}

static void call_now(void *block) {
    call *c = block;
    int n = c->rows;
    switch (c->step) {
    case STEP_LU: c->lib.dgetrf(&n, &n, c->a, &n, c->ints, &c->info); break;
    case STEP_CHOLESKY: /* the upper triangle of the transpose */
        c->lib.dpotrf("U", &n, c->a, &n, &c->info);
        break;
    case STEP_QR: run_qr(c); break;
    case STEP_SVD:
        c->lib.dgesdd("S", &n, &c->cols, c->a, &n, c->values, c->left, &n, c->right, &c->rank,
                      c->work, &c->lwork, c->ints, &c->info);
        break;
    case STEP_EIGH:
        c->lib.dsyevd("V", "L", &n, c->a, &n, c->values, c->work, &c->lwork, c->ints, &c->liwork,
                      &c->info);
        break;
    }
}

/* After an error the call is gone. */
static ad_status call_run(ad_ctx *ctx, call *c) {
    if (c->apart && ad_poll(ctx)) { /* nothing is begun that would only be abandoned */
        call_close(ctx, c);
        return AD_ERR_INTERRUPT;
    }
    if (!c->apart) {
        call_now(c);
        return AD_OK;
    }
    ad_status s = ad_worker_run(ctx, call_now, c, c->bytes);
    if (s != AD_OK && s != AD_ERR_INTERRUPT) call_close(ctx, c);
    return s;
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

/* The row-major a is the column-major aᵀ, so it is turned on the way in and out. */
static ad_status lapack_lu(ad_ctx *ctx, int64_t n, double *a, int64_t *pivots) {
    call *c;
    ad_status s = call_open(ctx, STEP_LU, n, n, n * n, n, &c);
    if (s) return s;
    transpose(ctx, n, n, a, c->a);
    s = call_run(ctx, c);
    if (s) return s;
    transpose(ctx, n, n, c->a, a);
    for (int64_t i = 0; i < n; i++) pivots[i] = c->ints[i] - 1;
    call_close(ctx, c);
    return ad_poll(ctx);
}

ad_status ad_lu(ad_ctx *ctx, int64_t n, double *a, int64_t *pivots) {
    if (n > OWN) return lapack_lu(ctx, n, a, pivots);
    own_lu(n, a, pivots);
    return AD_OK;
}

/* row i −= f · row j */
static void subtract(double *b, int64_t k, int64_t i, int64_t j, double f) {
    for (int64_t c = 0; c < k; c++) b[i * k + c] -= f * b[j * k + c];
}

static void swap_all(int64_t n, const int64_t *pivots, int64_t k, double *b) {
    for (int64_t i = 0; i < n; i++) swap_rows(b, k, i, pivots[i]);
}

static ad_status own_solve(ad_ctx *ctx, int64_t n, const double *lu, int64_t k, double *b) {
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

/* A few rows of b at a time, less what the rows above (below) that are done make of them, and within these
 * the triangle. Column-major all is transposed: b's rows are columns, and L is the upper triangle. */
typedef struct lu_solve {
    const ad_library *lib;
    const double *lu;
    double *b;
    int64_t n, k;
    int width; /* columns of b that are worked on */
} lu_solve;

static void solve_rows(const lu_solve *s, int64_t i, int rows, int64_t from, int64_t to, const char *triangle,
                       const char *unit) {
    int size = (int)s->n, ldb = (int)s->k, others = (int)(to - from);
    double one = 1.0, minus = -1.0, *here = s->b + i * s->k;
    if (others > 0)
        s->lib->dgemm("N", "N", &s->width, &rows, &others, &minus, s->b + from * s->k, &ldb,
                      s->lu + i * s->n + from, &size, &one, here, &ldb);
    s->lib->dtrsm("R", triangle, "N", unit, &s->width, &rows, &one, s->lu + i * s->n + i, &size, here, &ldb);
}

enum { ROWS = 64, WORK = 200000000 }; /* multiplications between two looks at the interrupt flag */

static ad_status solve_columns(ad_ctx *ctx, const lu_solve *s) {
    int64_t last = (s->n - 1) / ROWS * ROWS;
    for (int64_t i = 0; i < s->n; i += ROWS) {
        solve_rows(s, i, (int)smaller(ROWS, s->n - i), 0, i, "U", "U");
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    for (int64_t i = last; i >= 0; i -= ROWS) {
        int64_t rows = smaller(ROWS, s->n - i);
        solve_rows(s, i, (int)rows, i + rows, s->n, "L", "N");
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

static ad_status lapack_solve(ad_ctx *ctx, const ad_library *lib, int64_t n, const double *lu,
                              int64_t k, double *b) {
    int64_t most = WORK / (ROWS * n) + 8;
    for (int64_t at = 0; at < k; at += most) {
        lu_solve s = {lib, lu, b + at, n, k, (int)smaller(most, k - at)};
        if (solve_columns(ctx, &s)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

ad_status ad_lu_solve(ad_ctx *ctx, int64_t n, const double *lu, const int64_t *pivots, int64_t k,
                      double *b) {
    swap_all(n, pivots, k, b);
    const ad_library *lib = n > OWN && k > 0 ? ad_library_open(ctx) : NULL;
    return lib != NULL ? lapack_solve(ctx, lib, n, lu, k, b) : own_solve(ctx, n, lu, k, b);
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

static ad_status lapack_cholesky(ad_ctx *ctx, int64_t n, double *a, bool *good) {
    call *c;
    ad_status s = call_open(ctx, STEP_CHOLESKY, n, n, n * n, 0, &c);
    if (s) return s;
    memcpy(c->a, a, sizeof(double) * (size_t)(n * n));
    s = call_run(ctx, c);
    if (s) return s;
    memcpy(a, c->a, sizeof(double) * (size_t)(n * n));
    *good = c->info == 0;
    call_close(ctx, c);
    return AD_OK;
}

ad_status ad_cholesky(ad_ctx *ctx, int64_t n, double *a) {
    bool good = true;
    ad_status s = AD_OK;
    if (n <= OWN)
        good = own_cholesky(n, a);
    else
        s = lapack_cholesky(ctx, n, a, &good);
    if (s) return s;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) a[i * n + j] = 0.0;
    return good ? AD_OK : failed(ctx, "the matrix is not positive definite");
}

/* ---- QR ----------------------------------------------------------------------------------- */

ad_status ad_qr(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *q, double *r) {
    int64_t k = smaller(m, n);
    if (k == 0) return AD_OK;
    if (!all_finite(m * n, a)) {
        fill(m * k, NAN, q);
        fill(k * n, NAN, r);
        return AD_OK;
    }
    call *c;
    ad_status s = call_open(ctx, STEP_QR, m, n, m * n + k + k * n + 64 * (m + n), 0, &c);
    if (s) return s;
    c->tau = c->a + m * n;
    c->r = c->tau + k;
    call_work(c, c->r + k * n, 64 * (m + n));
    transpose(ctx, m, n, a, c->a);
    s = call_run(ctx, c);
    if (s) return s;
    transpose(ctx, k, m, c->a, q);
    memcpy(r, c->r, sizeof(double) * (size_t)(k * n));
    bool good = c->info == 0;
    call_close(ctx, c);
    return good ? ad_poll(ctx) : failed(ctx, "the QR factorisation failed");
}

/* ---- SVD ---------------------------------------------------------------------------------- */

/* The row-major a is the column-major aᵀ = v s uᵀ: LAPACK's left vectors are our right ones, laid
 * out as we want them. */
ad_status ad_svd(ad_ctx *ctx, int64_t m, int64_t n, const double *a, double *u, double *s,
                 double *vt) {
    int64_t k = smaller(m, n), most = m + n - k;
    if (k == 0) return AD_OK;
    if (!all_finite(m * n, a)) {
        fill(m * k, NAN, u);
        fill(k, NAN, s);
        fill(k * n, NAN, vt);
        return AD_OK;
    }
    int64_t room = 4 * k * k + 7 * k + 64 * (most + k);
    call *c;
    ad_status status =
        call_open(ctx, STEP_SVD, n, m, m * n + m * k + k + k * n + room, 8 * k, &c);
    if (status) return status;
    c->left = c->a + m * n;
    c->values = c->left + k * n;
    c->right = c->values + k;
    call_work(c, c->right + m * k, room);
    memcpy(c->a, a, sizeof(double) * (size_t)(m * n));
    status = call_run(ctx, c);
    if (status) return status;
    memcpy(vt, c->left, sizeof(double) * (size_t)(k * n));
    memcpy(s, c->values, sizeof(double) * (size_t)k);
    memcpy(u, c->right, sizeof(double) * (size_t)(m * k));
    bool good = c->info == 0;
    call_close(ctx, c);
    return good ? AD_OK : failed(ctx, "the singular values did not converge");
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
    int64_t room = 1 + 6 * n + 2 * n * n;
    call *c;
    ad_status s = call_open(ctx, STEP_EIGH, n, n, n * n + n + room, 3 + 5 * n, &c);
    if (s) return s;
    c->values = c->a + n * n;
    call_work(c, c->values + n, room);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) c->a[i * n + j] = 0.5 * (a[i * n + j] + a[j * n + i]);
    s = call_run(ctx, c);
    if (s) return s;
    memcpy(w, c->values, sizeof(double) * (size_t)n);
    fix_signs(n, c->a);
    transpose(ctx, n, n, c->a, v);
    bool good = c->info == 0;
    call_close(ctx, c);
    return good ? ad_poll(ctx) : failed(ctx, "the eigenvalues did not converge");
}
