/* SPDX-License-Identifier: MIT */
/* Tensors as text: notation, columns, what is left out. */
#include "format.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static ad_ctx *ctx;
static void open_ctx(void) { ctx = ad_new(NULL); }
static void close_ctx(void) { ad_free(ctx); }
TestSuite(format_tensor, .init = open_ctx, .fini = close_ctx);

static void expect(ad_dtype dtype, int rank, const int64_t *dims, const double *x,
                   gr_tensor_style style, const char *want) {
    gr_buffer out;
    gr_buffer_init(&out, ctx);
    ad_tensor *t = ad_tensor_from(ctx, dtype, rank, dims, x);
    cr_assert_not_null(t);
    cr_expect(gr_format_tensor(&out, t, style, NULL, 0, 0, 80));
    cr_expect_str_eq(out.text, want, "%s", out.text);
    ad_tensor_release(ctx, t);
    gr_buffer_free(&out);
}

#define VECTOR(want, ...)                                                                          \
    do {                                                                                           \
        const double x[] = {__VA_ARGS__};                                                          \
        const int64_t n = sizeof x / sizeof *x;                                                    \
        expect(AD_F64, 1, &n, x, GR_TENSOR_ALIGNED, want);                                         \
    } while (0)

Test(format_tensor, vectors) {
    VECTOR("[1, 2, 3]", 1, 2, 3);
    VECTOR("[0.1, 2, 1e-10, inf, nan]", 0.1, 2, 1e-10, INFINITY, NAN);
    VECTOR("[1e-10, 1, 1e10]", 1e-10, 1, 1e10);
    VECTOR("[1, 10000000000]", 1, 1e10);
    VECTOR("[1.5e6, 123456, 1e-7]", 1.5e6, 123456, 1e-7);
    VECTOR("[123456789, -0.5, 1e8]", 123456789, -0.5, 1e8);
    VECTOR("[0.33333333, 100000.33, -0.5]", 1.0 / 3, 100000 + 1.0 / 3, -0.5);
}

Test(format_tensor, matrices) {
    const int64_t two[] = {2, 2};
    expect(AD_F64, 2, two, (double[]){1, -20, 300, 4}, GR_TENSOR_ALIGNED, "[[  1, -20],\n [300,   4]]");
    expect(AD_F64, 2, two, (double[]){0.5, 10, 2.25, 1}, GR_TENSOR_ALIGNED,
           "[[ 0.50, 10.00],\n [ 2.25,  1.00]]");
    expect(AD_F64, 2, two, (double[]){0.5, 1e-7, 2, 0}, GR_TENSOR_ALIGNED,
           "[[5e-1, 1e-7],\n [ 2e0,  0e0]]");
    expect(AD_F64, 2, two, (double[]){1e-10, 1, 1e10, 250}, GR_TENSOR_ALIGNED,
           "[[1.0e-10,   1.0e0],\n [ 1.0e10,   2.5e2]]");
    expect(AD_F64, 2, two, (double[]){1.5, NAN, INFINITY, 2}, GR_TENSOR_ALIGNED,
           "[[1.5, nan],\n [inf, 2.0]]");
    expect(AD_F32, 2, two, (double[]){0.1, 0.2, 0.3, 0.4}, GR_TENSOR_ALIGNED,
           "[[0.1, 0.2],\n [0.3, 0.4]]");
    expect(AD_BOOL8, 2, two, (double[]){1, 0, 0, 1}, GR_TENSOR_ALIGNED,
           "[[ true, false],\n [false,  true]]");
}

Test(format_tensor, source_has_everything) {
    const int64_t two[] = {2, 2}, empty[] = {2, 0}, none = 0;
    expect(AD_F64, 2, two, (double[]){0.1, 1.0 / 3, 1e300, -0.0}, GR_TENSOR_SOURCE,
           "[[0.1, 0.3333333333333333], [1e300, -0]]");
    expect(AD_F64, 2, empty, (double[]){0}, GR_TENSOR_SOURCE, "zeros(2, 0)");
    expect(AD_F64, 1, &none, (double[]){0}, GR_TENSOR_ALIGNED, "[]");
}

Test(format_tensor, large_ones_show_their_ends) {
    static double x[2000];
    const int64_t n = 2000, square[] = {40, 50};
    for (int i = 0; i < 2000; i++) x[i] = i;
    expect(AD_F64, 1, &n, x, GR_TENSOR_ALIGNED, "[0, 1, 2, …, 1997, 1998, 1999]");
    expect(AD_F64, 2, square, x, GR_TENSOR_ALIGNED,
           "[[   0,    1,    2, …,   47,   48,   49],\n [  50,   51,   52, …,   97,   98,   99],\n"
           " [ 100,  101,  102, …,  147,  148,  149],\n …,\n"
           " [1850, 1851, 1852, …, 1897, 1898, 1899],\n [1900, 1901, 1902, …, 1947, 1948, 1949],\n"
           " [1950, 1951, 1952, …, 1997, 1998, 1999]]");
}

Test(format_tensor, long_vectors_are_broken) {
    static double x[60];
    const int64_t n = 60;
    for (int i = 0; i < 60; i++) x[i] = i;
    gr_buffer out;
    gr_buffer_init(&out, ctx);
    ad_tensor *t = ad_tensor_from(ctx, AD_F64, 1, &n, x);
    gr_format_tensor(&out, t, GR_TENSOR_ALIGNED, NULL, 0, 4, 40);
    size_t column = 4;
    for (size_t i = 0; i < out.size; i++) {
        column = out.text[i] == '\n' ? 0 : column + 1;
        cr_assert(column <= 40);
        if (out.text[i] == '\n') cr_assert(strncmp(out.text + i + 1, "     ", 5) == 0);
    }
    ad_tensor_release(ctx, t);
    gr_buffer_free(&out);
}
