/* SPDX-License-Identifier: MIT */
/* Factorisations multiply back to what they came from, in every size class: our own loops, LAPACK,
 * LAPACK on a worker; and those on a worker stop when the flag goes up. */
#include "kernel_linalg.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static ad_ctx *ctx;
static void open_context(void) { ctx = ad_new(NULL); }
static void close_context(void) { ad_free(ctx); }
TestSuite(kernel_linalg, .init = open_context, .fini = close_context);

static double *room(int64_t n) {
    double *x = calloc((size_t)n, sizeof *x);
    cr_assert_not_null(x);
    return x;
}

static double *randoms(int64_t n) {
    double *x = room(n);
    uint64_t state = 7;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(state >> 11) * 0x1p-53 - 0.5;
    }
    return x;
}

/* The largest difference of x [m, k] diag(s) y [k, n] from a; s NULL: ones. */
static double residue(int64_t m, int64_t k, int64_t n, const double *x, const double *s,
                      const double *y, const double *a) {
    double worst = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = -a[i * n + j];
            for (int64_t p = 0; p < k; p++)
                sum += x[i * k + p] * (s ? s[p] : 1) * y[p * n + j];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static const int sizes[] = {1, 5, 32, 33, 100, 250};

Test(kernel_linalg, svd) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int wide = 0; wide < 2; wide++) {
            int64_t m = sizes[i], n = m;
            if (wide) n += 7;
            else m += 7;
            int64_t k = m < n ? m : n;
            double *a = randoms(m * n), *u = room(m * k), *s = room(k), *vt = room(k * n);
            cr_assert_eq(ad_svd(ctx, m, n, a, u, s, vt), AD_OK);
            cr_expect_lt(residue(m, k, n, u, s, vt, a), 1e-12 * (double)n);
            for (int64_t j = 1; j < k; j++) cr_assert_leq(s[j], s[j - 1]);
            free(a), free(u), free(s), free(vt);
        }
}

Test(kernel_linalg, qr_and_eigh) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t n = sizes[i];
        double *a = randoms(n * n), *q = room(n * n), *r = room(n * n), *w = room(n);
        cr_assert_eq(ad_qr(ctx, n, n, a, q, r), AD_OK);
        cr_expect_lt(residue(n, n, n, q, NULL, r, a), 1e-12 * (double)n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t k = 0; k < j; k++) a[j * n + k] = a[k * n + j];
        cr_assert_eq(ad_eigh(ctx, n, a, w, q), AD_OK);
        for (int64_t j = 0; j < n; j++)
            for (int64_t k = 0; k < n; k++) r[j * n + k] = q[k * n + j];
        cr_expect_lt(residue(n, n, n, q, w, r, a), 1e-12 * (double)n);
        free(a), free(q), free(r), free(w);
    }
}

Test(kernel_linalg, solve_and_cholesky) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t n = sizes[i], k = 11;
        double *a = randoms(n * n), *lu = room(n * n), *b = randoms(n * k), *x = room(n * k);
        int64_t *pivots = calloc((size_t)n, sizeof *pivots);
        memcpy(lu, a, sizeof *a * (size_t)(n * n));
        memcpy(x, b, sizeof *b * (size_t)(n * k));
        cr_assert_eq(ad_lu(ctx, n, lu, pivots), AD_OK);
        cr_assert_eq(ad_lu_solve(ctx, n, lu, pivots, k, x), AD_OK);
        cr_expect_lt(residue(n, n, k, a, NULL, x, b), 1e-9);
        for (int64_t j = 0; j < n; j++) {
            for (int64_t p = 0; p < j; p++) a[j * n + p] = a[p * n + j];
            a[j * n + j] = (double)n;
        }
        memcpy(lu, a, sizeof *a * (size_t)(n * n));
        cr_assert_eq(ad_cholesky(ctx, n, lu), AD_OK);
        double *t = room(n * n);
        for (int64_t j = 0; j < n; j++)
            for (int64_t p = 0; p < n; p++) t[j * n + p] = lu[p * n + j];
        cr_expect_lt(residue(n, n, n, lu, NULL, t, a), 1e-12 * (double)n);
        free(a), free(lu), free(b), free(x), free(pivots), free(t);
    }
}

static volatile sig_atomic_t *flag;
static void raise_flag(int signal) {
    (void)signal;
    *flag = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 700 × 700 takes half a second and more; nothing of it is left in the way of the next call. */
Test(kernel_linalg, long_calls_stop_at_the_flag) {
    int64_t n = 700;
    double *a = randoms(n * n), *u = room(n * n), *s = room(n), *vt = room(n * n);
    struct itimerval when = {.it_value = {.tv_usec = 30000}};
    cr_assert_eq(ad_svd(ctx, 2, 2, a, u, s, vt), AD_OK); /* the library is open */
    flag = ad_interrupt_flag(ctx);
    signal(SIGALRM, raise_flag);
    double start = now();
    setitimer(ITIMER_REAL, &when, NULL);
    cr_expect_eq(ad_svd(ctx, n, n, a, u, s, vt), AD_ERR_INTERRUPT);
    double stopped = now() - start;
    *flag = 0;
    cr_expect_eq(s[0], s[0]);
    start = now();
    cr_expect_eq(ad_svd(ctx, n, n, a, u, s, vt), AD_OK);
    cr_expect_lt(stopped, 0.5 * (now() - start), "stopped after %g s", stopped);
    cr_expect_lt(residue(60, n, n, u, s, vt, a), 1e-9);
    free(a), free(u), free(s), free(vt);
}
