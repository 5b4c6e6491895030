/* SPDX-License-Identifier: MIT */
/* Rows of the table on values that a person can check: conventions at ties, zeros, infinities,
 * empty axes; strong zeros; messages. (Derivatives over domains are generated from the table.) */
#include "ops.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static ad_ctx *ctx;

/* What a test made; released when it ends. */
enum { KEPT = 4096 };
static ad_value kept[KEPT];
static int kept_count;

static ad_value keep(ad_value v) {
    cr_assert_lt(kept_count, KEPT);
    return kept[kept_count++] = v;
}

static void open_context(void) { ctx = ad_new(NULL); }
static void close_context(void) {
    while (kept_count) ad_release(ctx, kept[--kept_count]);
    ad_free(ctx);
}
TestSuite(rows, .init = open_context, .fini = close_context);

static ad_value tensor(int rank, int64_t a, int64_t b, const double *x) {
    int64_t dims[2] = {a, b};
    return keep(ad_wrap(ad_tensor_from(ctx, AD_F64, rank, dims, x)));
}

static ad_value vector(int64_t n, const double *x) { return tensor(1, n, 0, x); }

static double at(ad_value v, int64_t i) {
    double x[64];
    if (v.kind != AD_TENSOR) return v.num;
    ad_tensor_read(v.tensor, x);
    return x[i];
}

static void expect(ad_value v, int n, const double *x, const char *what) {
    cr_assert_eq(v.kind == AD_TENSOR ? v.tensor->size : 1, n, "%s", what);
    for (int i = 0; i < n; i++) {
        bool same = fabs(at(v, i) - x[i]) <= 1e-12 * fmax(1.0, fabs(x[i])) || at(v, i) == x[i] ||
                    (isnan(x[i]) && isnan(at(v, i)));
        cr_expect(same, "%s [%d]: %.17g, not %.17g", what, i, at(v, i), x[i]);
    }
}
#define EXPECT(v, ...)                                                                             \
    expect(v, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__}, #v)

static ad_value call(const char *op, int n, const ad_value *in, const ad_arg *args) {
    ad_value out[3];
    cr_assert_eq(ad_apply(ctx, ad_op_find(op), 0, n, in, args, out), AD_OK, "%s: %s", op,
                 ad_last_error(ctx)->message);
    for (int k = 0; k < ad_op_info(ad_op_find(op))->results; k++) keep(out[k]);
    return out[0];
}

static ad_value call1(const char *op, ad_value x) { return call(op, 1, &x, NULL); }

/* The gradient of Σ s·op(x, …) in operand k; s is 1 unless a seed is given. */
static ad_value gradient(const char *op, int n, const ad_value *in, const ad_arg *args, int k,
                         const ad_value *seed) {
    ad_value lifted[3], y, one, g;
    for (int i = 0; i < n; i++) lifted[i] = in[i];
    cr_assert_eq(ad_leaf(ctx, in[k], 0, 0, &lifted[k]), AD_OK);
    keep(lifted[k]);
    y = call(op, n, lifted, args);
    one = y.kind == AD_TENSOR && seed == NULL ? call1("ones_like", keep(ad_stop(ctx, y))) : ad_number(1);
    cr_assert_eq(ad_vjp(ctx, 1, &y, seed ? seed : &one, 1, &lifted[k], 0, 0, &g), AD_OK, "%s: %s",
                 op, ad_last_error(ctx)->message);
    return keep(g);
}

static ad_value gradient1(const char *op, ad_value x) { return gradient(op, 1, &x, NULL, 0, NULL); }

static void refused(const char *op, int n, const ad_value *in, const ad_arg *args, ad_status status,
                    const char *words) {
    ad_value out[3];
    cr_expect_eq(ad_apply(ctx, ad_op_find(op), 0, n, in, args, out), status, "%s", op);
    cr_expect(strstr(ad_last_error(ctx)->message, words), "%s: %s", op,
              ad_last_error(ctx)->message);
}

#define V(...)                                                                                     \
    vector((int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define M(rows, cols, ...) tensor(2, rows, cols, (double[]){__VA_ARGS__})

/* ---- reductions --------------------------------------------------------------------------- */

Test(rows, reductions_of_nothing) {
    ad_value none = vector(0, (double[]){0});
    EXPECT(call1("sum", none), 0);
    EXPECT(call1("prod", none), 1);
    EXPECT(call1("norm", none), 0);
    EXPECT(call1("logsumexp", none), -INFINITY);
    cr_expect(isnan(call1("mean", none).num));
    cr_expect_eq(call1("all", none).num, 1);
    cr_expect_eq(call1("any", none).num, 0);
    refused("max", 1, &none, NULL, AD_ERR_ARGUMENT, "no largest of 0 elements");
    refused("argmin", 1, &none, NULL, AD_ERR_ARGUMENT, "of 0 elements");
}

Test(rows, ties_share_equally) {
    EXPECT(gradient1("max", V(3, 1, 3)), 0.5, 0, 0.5);
    EXPECT(gradient1("min", V(2, 2, 2, 2)), 0.25, 0.25, 0.25, 0.25);
    ad_value x = keep(ad_wrap(ad_tensor_full(ctx, AD_F32, 1, (int64_t[]){70000}, 1.0)));
    cr_expect_eq(at(call1("sum", gradient1("max", x)), 0), 70000 * (double)(float)(1.0 / 70000));
}

Test(rows, products_with_zeros) {
    EXPECT(gradient1("prod", V(2, 0, 3)), 0, 6, 0);
    EXPECT(gradient1("prod", V(2, 0, 0)), 0, 0, 0);
    EXPECT(gradient1("cumprod", V(2, 0, 3, 4)), 1, 32, 0, 0);
    EXPECT(gradient1("cumprod", V(0, 0)), 1, 0);
}

Test(rows, singular_points) {
    EXPECT(gradient1("norm", V(0, 0)), 0, 0);
    EXPECT(gradient1("norm", V(3, 4)), 0.6, 0.8);
    EXPECT(gradient1("std", V(2, 2, 2)), 0, 0, 0);
    EXPECT(gradient1("var", V(2, 2, 2)), 0, 0, 0);
    EXPECT(call1("logsumexp", V(-INFINITY, -INFINITY)), -INFINITY);
    EXPECT(gradient1("logsumexp", V(-INFINITY, -INFINITY)), 0, 0);
    EXPECT(gradient1("logsumexp", V(-INFINITY, 0)), 0, 1);
    EXPECT(call1("logsumexp", V(1000, 1000)), 1000 + log(2));
}

Test(rows, norm_neither_overflows_nor_vanishes) {
    EXPECT(call1("norm", V(3e300, 4e300)), 5e300);
    cr_expect_float_eq(call1("norm", V(3e-300, 4e-300)).num / 5e-300, 1, 1e-14);
    EXPECT(call1("norm", V(1, INFINITY)), INFINITY);
    cr_expect(isnan(call1("norm", V(1, NAN)).num));
}

Test(rows, axes_in_any_layout) {
    ad_value x = M(2, 3, 1, 2, 3, 4, 5, 6), t = call1("transpose", x);
    int64_t zero = 0;
    ad_arg along[AD_MAX_ARGS] = {{.given = true, .count = 1, .ints = &zero, .num = 0}};
    EXPECT(call("sum", 1, &x, along), 5, 7, 9);
    EXPECT(call("sum", 1, &t, along), 6, 15);
    EXPECT(call("argmax", 1, &t, along), 2, 2);
    EXPECT(call("cumsum", 1, &t, along), 1, 4, 3, 9, 6, 15);
    EXPECT(call1("flip", t), 6, 3, 5, 2, 4, 1);
    along[0].num = 2, zero = 2;
    refused("sum", 1, &x, along, AD_ERR_ARGUMENT, "axis 2");
}

Test(rows, f32_sums_in_f64) {
    ad_value x = keep(ad_wrap(ad_tensor_full(ctx, AD_F32, 1, (int64_t[]){20000000}, 1.0)));
    cr_expect_eq(call1("sum", x).num, 20000000);
    cr_expect_eq(call1("mean", x).num, 1);
}

/* ---- products ----------------------------------------------------------------------------- */

Test(rows, matmul_says_what_must_be_equal) {
    ad_value zero[2] = {call("zeros_like", 1, (ad_value[]){M(2, 3, 0, 0, 0, 0, 0, 0)}, NULL),
                        M(2, 1, 0, 0)};
    refused("matmul", 2, zero, NULL, AD_ERR_SHAPE, "multiplies [2, 3] by [2, 1]; 3 must equal 2");
    ad_value number[2] = {ad_number(2), zero[0]};
    refused("matmul", 2, number, NULL, AD_ERR_SHAPE, "a number multiplies with *");
}

Test(rows, matmul_agrees_with_plain_sums) {
    enum { MOST = 40 };
    static const int sizes[][3] = {{1, 1, 1},   {3, 5, 2},   {9, 8, 9},
                                   {17, 40, 5}, {40, 3, 40}, {1, 40, 33}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int m = sizes[s][0], k = sizes[s][1], n = sizes[s][2];
        double a[MOST * MOST], b[MOST * MOST];
        for (int i = 0; i < m * k; i++) a[i] = sin(i + 1);
        for (int i = 0; i < k * n; i++) b[i] = cos(i + 2);
        ad_value in[2] = {tensor(2, m, k, a), tensor(2, k, n, b)}, y = call("matmul", 2, in, NULL);
        ad_value back[2] = {call1("transpose", in[1]), call1("transpose", in[0])};
        ad_value z = call1("transpose", call("matmul", 2, back, NULL));
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j];
                cr_expect_float_eq(ad_tensor_get(y.tensor, (int64_t[]){i, j}), sum, 1e-12);
                cr_expect_float_eq(ad_tensor_get(z.tensor, (int64_t[]){i, j}), sum, 1e-12);
            }
    }
}

/* A 0 of the cotangent that meets an inf gives 0; any other product with it is inf. */
Test(rows, strong_zeros_in_products) {
    ad_value in[2] = {M(1, 2, 1, 1), M(2, 2, INFINITY, 2, 3, 4)};
    ad_value seed = M(1, 2, 0, 1);
    EXPECT(gradient("matmul", 2, in, NULL, 0, &seed), 2, 4);
    EXPECT(gradient("matmul", 2, in, NULL, 0, NULL), INFINITY, 7);
    ad_value dots[2] = {V(1, 2), V(INFINITY, NAN)};
    ad_value nothing = ad_number(0);
    EXPECT(gradient("dot", 2, dots, NULL, 0, &nothing), 0, 0);
    double big[400], ones[400];
    for (int i = 0; i < 400; i++) big[i] = i == 0 ? INFINITY : 1, ones[i] = i % 20 == 0 ? 0 : 1;
    ad_value wide[2] = {tensor(2, 20, 20, ones), tensor(2, 20, 20, big)};
    ad_value s = tensor(2, 20, 20, ones), g = gradient("matmul", 2, wide, NULL, 0, &s);
    cr_expect_eq(ad_tensor_get(g.tensor, (int64_t[]){3, 0}), 19);
}

Test(rows, einsum_forms) {
    ad_value a = M(2, 2, 1, 2, 3, 4), two[2] = {a, a};
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .text = "ii"}};
    EXPECT(call("einsum", 1, &a, args), 5);
    args[0].text = "ij->ji";
    EXPECT(call("einsum", 1, &a, args), 1, 3, 2, 4);
    args[0].text = "ij,jk";
    EXPECT(call("einsum", 2, two, args), 7, 10, 15, 22);
    args[0].text = "ij,kl->ik";
    EXPECT(call("einsum", 2, two, args), 9, 21, 21, 49);
    args[0].text = "ij,ij->";
    EXPECT(call("einsum", 2, two, args), 30);
    args[0].text = "ij->iij";
    refused("einsum", 1, &a, args, AD_ERR_ARGUMENT, "twice in the result");
    args[0].text = "ij,jk->ik";
    refused("einsum", 1, &a, args, AD_ERR_ARGUMENT, "more terms than operands");
    args[0].text = "ijk->i";
    refused("einsum", 1, &a, args, AD_ERR_SHAPE, "names 3 axes");
}

/* ---- by position -------------------------------------------------------------------------- */

Test(rows, gather_and_scatter) {
    ad_value x = M(2, 3, 1, 2, 3, 4, 5, 6), in[3] = {x, V(2, -3)};
    EXPECT(call("gather", 2, in, NULL), 3, 4);
    in[1] = V(3, 0);
    refused("gather", 2, in, NULL, AD_ERR_INDEX,
            "position 3 is out of range: axis 1 has the size 3");
    in[1] = V(0.5, 0);
    refused("gather", 2, in, NULL, AD_ERR_INDEX, "not whole");
    ad_value put[3] = {V(0, 0, 0), V(1, 1), V(5, 7)};
    EXPECT(call("scatter", 3, put, NULL), 0, 7, 0);
    EXPECT(gradient("scatter", 3, put, NULL, 2, NULL), 0, 1);
    EXPECT(gradient("scatter", 3, put, NULL, 0, NULL), 1, 0, 1);
    ad_arg add[AD_MAX_ARGS] = {{0}, {.given = true, .num = 1}};
    EXPECT(call("scatter", 3, put, add), 0, 12, 0);
    EXPECT(gradient("scatter", 3, put, add, 2, NULL), 1, 1);
}

Test(rows, sorting) {
    ad_value x = V(3, NAN, 1, 2, 1);
    EXPECT(call1("sort", x), 1, 1, 2, 3, NAN);
    EXPECT(call1("argsort", x), 2, 4, 3, 0, 1);
    EXPECT(call1("unique", x), 1, 2, 3, NAN);
    EXPECT(call1("nonzero", V(0, 2, 0, 3)), 1, 3);
    double many[1000];
    for (int i = 0; i < 1000; i++) many[i] = sin(i * i);
    ad_value y = call1("sort", vector(1000, many));
    for (int64_t i = 1; i < 1000; i++)
        cr_expect_leq(((double *)y.tensor->data)[i - 1], ((double *)y.tensor->data)[i]);
}

/* ---- linear algebra ----------------------------------------------------------------------- */

Test(rows, determinants) {
    ad_value a = M(3, 3, 1, 2, 3, 3, 2, 1, 2, 1, 3);
    EXPECT(call1("det", a), -12);
    EXPECT(gradient1("det", a), 5, -7, -1, -3, -3, 3, -4, 8, -4);
    EXPECT(gradient1("det", M(2, 2, 1, 2, 2, 4)), 4, -2, -2, 1);
    EXPECT(gradient1("det", M(2, 2, 0, 0, 0, 0)), 0, 0, 0, 0);
    ad_value singular = M(2, 2, 1, 2, 2, 4);
    refused("inv", 1, &singular, NULL, AD_ERR_NUMERIC, "singular");
    EXPECT(call1("logdet", singular), -INFINITY);
    cr_expect(isnan(call1("logdet", a).num));
}

Test(rows, equal_eigenvalues) {
    ad_value eye = M(2, 2, 1, 0, 0, 1), leaf, out[2], g, seed = V(1, 1);
    EXPECT(gradient("eigvals", 1, &eye, NULL, 0, &seed), 1, 0, 0, 1);
    ad_leaf(ctx, eye, 0, 0, &leaf);
    cr_assert_eq(ad_apply(ctx, ad_op_find("eigh"), 0, 1, &leaf, NULL, out), AD_OK);
    cr_assert_eq(ad_vjp(ctx, 1, &out[0], &seed, 1, &leaf, 0, 0, &g), AD_OK);
    keep(leaf), keep(out[0]), keep(out[1]), keep(g);
    EXPECT(g, 1, 0, 0, 1);
    ad_value one = M(2, 2, 1, 0, 0, 0);
    cr_expect_eq(ad_vjp(ctx, 1, &out[1], &one, 1, &leaf, 0, 0, &g), AD_ERR_DEGENERATE);
    cr_expect(strstr(ad_last_error(ctx)->message, "degenerate"));
    ad_value lopsided = M(2, 2, 1, 2, 3, 4);
    refused("eigh", 1, &lopsided, NULL, AD_ERR_ARGUMENT, "not symmetric");
}

Test(rows, factors_multiply_back) {
    enum { N = 40 }; /* above the size of our own loops */
    double x[N * N], worst = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) x[i * N + j] = 1.0 / (1 + i + j) + (i == j ? 2 : 0);
    ad_value a = tensor(2, N, N, x), pair[2] = {a, call1("inv", a)},
             y = call("matmul", 2, pair, NULL);
    for (int64_t i = 0; i < N * N; i++)
        worst = fmax(worst, fabs(((double *)y.tensor->data)[i] - (i % (N + 1) == 0 ? 1 : 0)));
    cr_expect_lt(worst, 1e-12);
    ad_value l = call1("cholesky", a), both[2] = {l, call1("transpose", l)};
    y = call("matmul", 2, both, NULL);
    worst = 0;
    for (int64_t i = 0; i < N * N; i++)
        worst = fmax(worst, fabs(((double *)y.tensor->data)[i] - x[i]));
    cr_expect_lt(worst, 1e-12);
    ad_value bad = M(2, 2, 1, 2, 2, 1);
    refused("cholesky", 1, &bad, NULL, AD_ERR_NUMERIC, "not positive definite");
}

/* ---- images ------------------------------------------------------------------------------- */

static ad_value image(int64_t c, int64_t h, int64_t w, const double *x) {
    return keep(ad_wrap(ad_tensor_from(ctx, AD_F64, 3, (int64_t[]){c, h, w}, x)));
}

static ad_value kernel(int64_t side, const double *x) {
    return keep(ad_wrap(ad_tensor_from(ctx, AD_F64, 4, (int64_t[]){1, 1, side, side}, x)));
}

Test(rows, convolution_and_pools) {
    ad_value x = image(1, 3, 3, (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9});
    ad_value w = kernel(2, (double[]){1, 0, 0, -1});
    ad_value in[2] = {x, w};
    EXPECT(call("conv2d", 2, in, NULL), -4, -4, -4, -4);
    ad_arg padded[AD_MAX_ARGS] = {{.given = true, .num = 2}, {.given = true, .num = 1}};
    EXPECT(call("conv2d", 2, in, padded), -1, -3, -7, -4);
    EXPECT(gradient("conv2d", 2, in, NULL, 1, NULL), 12, 16, 24, 28);
    ad_arg size[AD_MAX_ARGS] = {{.given = true, .num = 2}, {.given = true, .num = 1}};
    EXPECT(call("max_pool2d", 1, &x, size), 5, 6, 8, 9);
    EXPECT(call("avg_pool2d", 1, &x, size), 3, 4, 6, 7);
    ad_value flat = image(1, 2, 2, (double[]){1, 1, 1, 1});
    EXPECT(gradient("max_pool2d", 1, &flat, size, 0, NULL), 0.25, 0.25, 0.25, 0.25);
}

/* A zero weight of the cotangent hides what stands behind it. */
Test(rows, strong_zeros_in_convolutions) {
    ad_value x = image(1, 1, 2, (double[]){INFINITY, 1}), seed = image(1, 1, 2, (double[]){0, 1});
    ad_value w = kernel(1, (double[]){2});
    ad_value in[2] = {x, w};
    EXPECT(gradient("conv2d", 2, in, NULL, 1, &seed), 1);
}

/* ---- interrupts ------------------------------------------------------------------------------- */

/* The flag is seen by the copy that most rows make of a transposed matrix: a function that gives NULL
 * for that as well as for want of memory. */
static void interrupted(const char *op, int n, ad_value x, const ad_arg *args) {
    ad_value in[] = {x, x}, out[3];
    *ad_interrupt_flag(ctx) = 1;
    ad_status s = ad_apply(ctx, ad_op_find(op), 0, n, in, args, out);
    cr_expect_eq(s, AD_ERR_INTERRUPT, "%s: %s, \"%s\"", op, ad_status_name(s), ad_last_error(ctx)->message);
    *ad_interrupt_flag(ctx) = 0;
    for (int k = 0; s == AD_OK && k < ad_op_info(ad_op_find(op))->results; k++) ad_release(ctx, out[k]);
}

Test(rows, interrupts_are_no_want_of_memory) {
    enum { N = 400 };
    static const char *const plain[] = {"inv", "det", "logdet", "cholesky", "qr", "svd", "eigvals",
                                        "eigh", "flatten", "sort", "argsort", "unique", "f32", "tril",
                                        "cumsum", "cumprod", "sum", "prod", "max", "norm", "exp",
                                        "repeat", "concat", "stack", "zeros_like", "ones_like"};
    static const char *const pairs[] = {"solve", "matmul"};
    int64_t dims[] = {N, N}, shape[] = {N / 2, 2 * N}, one = 1;
    ad_value x = keep(ad_wrap(ad_tensor_full(ctx, AD_F64, 2, dims, 1))), t = call1("transpose", x);
    ad_arg none[AD_MAX_ARGS] = {{0}}, to[AD_MAX_ARGS] = {{.given = true, .count = 2, .ints = shape}};
    ad_arg by[AD_MAX_ARGS] = {{.given = true, .count = 1, .ints = &one, .num = 1}};
    ad_arg spec[AD_MAX_ARGS] = {{.given = true, .text = "ij,jk->ik"}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) interrupted(plain[i], 1, t, none);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) interrupted(pairs[i], 2, t, none);
    interrupted("reshape", 1, t, to);
    interrupted("roll", 1, t, by);
    interrupted("pad", 1, x, by);
    interrupted("einsum", 2, t, spec);
}
