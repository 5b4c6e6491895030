/* SPDX-License-Identifier: MIT */
/* Draws: raw words against NumPy's, prefixes, bounds, moments, and the counter's bookkeeping. The
 * numbers drawn are fixed by seeds, so the statistical tests cannot fail by chance. */
#include "kernel_random.h"

#include "tensor.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "../golden/philox.h"

static ad_ctx *ctx;
static void open_context(void) { ctx = ad_new(NULL); }
static void close_context(void) { ad_free(ctx); }
TestSuite(kernel_random, .init = open_context, .fini = close_context);

static ad_tensor *draw(ad_distribution law, double a, double b, ad_dtype dtype, int64_t n) {
    ad_tensor *t = ad_random(ctx, law, a, b, dtype, 1, &n);
    cr_assert_not_null(t, "%s", ad_last_error(ctx)->message);
    return t;
}

Test(kernel_random, has_the_words_of_numpy) {
    for (size_t i = 0; i < sizeof philox_golden / sizeof *philox_golden; i++) {
        uint64_t words[4];
        ad_philox(philox_golden[i][0], philox_golden[i][1], 0, words);
        for (int k = 0; k < 4; k++) cr_expect_eq(words[k], philox_golden[i][2 + k], "row %zu", i);
    }
}

Test(kernel_random, longer_draws_begin_like_shorter_ones) {
    static const struct { ad_distribution law; double a, b; } laws[] = {
        {AD_UNIFORM, -1, 3}, {AD_NORMAL, 2, 5}, {AD_INTEGER, -5, 6}, {AD_BERNOULLI, 0.3, 0},
    };
    for (int k = 0; k < 4; k++) {
        ad_seed(ctx, 42);
        ad_tensor *small = draw(laws[k].law, laws[k].a, laws[k].b, AD_F64, 10);
        ad_seed(ctx, 42);
        ad_tensor *large = draw(laws[k].law, laws[k].a, laws[k].b, AD_F64, 2000);
        cr_expect_arr_eq(small->data, large->data, 80, "law %d", k);
        const double *x = large->data;
        ad_random_set(ctx, (ad_random_state){42, 1203});
        double one = ad_random_number(ctx, laws[k].law, laws[k].a, laws[k].b);
        cr_expect_eq(one, x[1203], "a number is an element, law %d", k);
        ad_tensor_release(ctx, small);
        ad_tensor_release(ctx, large);
    }
}

Test(kernel_random, counts_one_for_each_element) {
    ad_seed(ctx, 9);
    cr_expect_eq(ad_random_get(ctx).counter, 0);
    int64_t dims[] = {3, 7};
    ad_tensor *t = ad_random(ctx, AD_NORMAL, 0, 1, AD_F32, 2, dims);
    cr_expect_eq(ad_random_get(ctx).counter, 21);
    ad_random_number(ctx, AD_UNIFORM, 0, 1);
    cr_expect_eq(ad_random_get(ctx).counter, 22);
    ad_tensor_release(ctx, ad_permutation(ctx, 10));
    cr_expect_eq(ad_random_get(ctx).counter, 32);
    cr_expect_eq(ad_random_get(ctx).key, 9);
    ad_tensor_release(ctx, t);
}

Test(kernel_random, uniform_uses_53_bits) {
    ad_seed(ctx, 5);
    ad_tensor *t = draw(AD_UNIFORM, 0, 1, AD_F64, 100);
    for (int64_t i = 0; i < 100; i++) {
        uint64_t words[4];
        ad_philox(5, (uint64_t)i, 0, words);
        cr_expect_eq(((double *)t->data)[i], ldexp((double)(words[0] >> 11), -53));
    }
    ad_tensor_release(ctx, t);
}

Test(kernel_random, uniform_stays_below_its_end) {
    static const double bounds[][2] = {
        {0, 1}, {1, 1 + 0x1p-52}, {-1e-300, 1e-300}, {1e15, 1e15 + 1}};
    for (int k = 0; k < 4; k++) {
        ad_tensor *t = draw(AD_UNIFORM, bounds[k][0], bounds[k][1], AD_F64, 5000);
        const double *x = t->data;
        for (int i = 0; i < 5000; i++) cr_assert(x[i] >= bounds[k][0] && x[i] < bounds[k][1]);
        ad_tensor_release(ctx, t);
    }
    /* one of 2^25 f64 draws rounds to 1 in f32; a narrow interval makes it one of two */
    ad_tensor *t = draw(AD_UNIFORM, 1, 1.0 + 0x1p-23, AD_F32, 1000);
    for (int i = 0; i < 1000; i++) cr_assert_eq(((float *)t->data)[i], 1.0f);
    ad_tensor_release(ctx, t);
    cr_expect_eq(ad_random_number(ctx, AD_UNIFORM, 4, 4), 4);
}

Test(kernel_random, normals_are_box_muller) {
    ad_seed(ctx, 77);
    ad_tensor *t = draw(AD_NORMAL, 0, 1, AD_F64, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        uint64_t words[4];
        ad_philox(77, (uint64_t)i, 0, words);
        double u = ldexp((double)(words[0] >> 11) + 1, -53);
        double v = ldexp((double)(words[1] >> 11), -53);
        double want = sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
        cr_expect_lt(fabs(((double *)t->data)[i] - want), 1e-14);
    }
    ad_tensor_release(ctx, t);
}

/* Mean and variance within four standard errors. */
static void expect_moments(ad_distribution law, double a, double b, double mean, double variance,
                           double kurtosis) {
    enum { N = 100000 };
    ad_tensor *t = draw(law, a, b, AD_F64, N);
    const double *x = t->data;
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) sum += x[i];
    for (int i = 0; i < N; i++) squares += (x[i] - mean) * (x[i] - mean);
    cr_expect_lt(fabs(sum / N - mean), 4 * sqrt(variance / N));
    cr_expect_lt(fabs(squares / N - variance), 4 * variance * sqrt((kurtosis - 1) / N));
    ad_tensor_release(ctx, t);
}

Test(kernel_random, has_the_right_moments) {
    ad_seed(ctx, 2024);
    expect_moments(AD_UNIFORM, -2, 4, 1, 3, 1.8);
    expect_moments(AD_NORMAL, 3, 0.5, 3, 0.25, 3);
    expect_moments(AD_INTEGER, 0, 100, 49.5, 833.25, 1.8);
    expect_moments(AD_BERNOULLI, 0.2, 0, 0.2, 0.16, 3.25);
}

Test(kernel_random, whole_numbers_are_even) {
    enum { N = 60000 };
    int seen[6] = {0};
    ad_tensor *t = draw(AD_INTEGER, -3, 3, AD_F64, N);
    for (int i = 0; i < N; i++) {
        double x = ((double *)t->data)[i];
        cr_assert(x >= -3 && x < 3 && x == floor(x));
        seen[(int)x + 3]++;
    }
    double chi = 0;
    for (int k = 0; k < 6; k++) chi += pow(seen[k] - N / 6.0, 2) / (N / 6.0);
    cr_expect_lt(chi, 20.5, "five degrees of freedom, p = 0.001");
    ad_tensor_release(ctx, t);
    double far = ad_random_number(ctx, AD_INTEGER, -0x1p53, 0x1p53);
    cr_expect(fabs(far) <= 0x1p53 && far == floor(far));
}

/* 2^64 is a multiple of 3·2^52 and 2^52 more: so many words would favour the low numbers, and the
 * next word of the counter stands in for them. */
Test(kernel_random, leaves_out_words_that_would_favour_some) {
    const uint64_t range = (uint64_t)3 << 52, surplus = (uint64_t)1 << 52;
    int left_out = 0;
    ad_seed(ctx, 3);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t words[4];
        ad_philox(3, i, 0, words);
        bool first = words[0] * range >= surplus;
        unsigned __int128 product = (unsigned __int128)words[first ? 0 : 1] * range;
        double got = ad_random_number(ctx, AD_INTEGER, -0x1p52, 0x1p53);
        cr_assert_eq(got, (double)((int64_t)(product >> 64)) - 0x1p52);
        left_out += !first;
    }
    cr_expect(left_out >= 1 && left_out < 20, "%d, where 5 are expected", left_out);
}

Test(kernel_random, bernoulli_keeps_its_ends) {
    ad_tensor *never = draw(AD_BERNOULLI, 0, 0, AD_BOOL8, 1000);
    ad_tensor *always = draw(AD_BERNOULLI, 1, 0, AD_BOOL8, 1000);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(((uint8_t *)never->data)[i], 0);
        cr_assert_eq(((uint8_t *)always->data)[i], 1);
    }
    ad_tensor_release(ctx, never);
    ad_tensor_release(ctx, always);
}

Test(kernel_random, permutes) {
    enum { N = 1000 };
    ad_tensor *t = ad_permutation(ctx, N);
    bool seen[N] = {false};
    int fixed = 0;
    for (int i = 0; i < N; i++) {
        int k = (int)((double *)t->data)[i];
        cr_assert(k >= 0 && k < N && !seen[k]);
        seen[k] = true;
        fixed += k == i;
    }
    cr_expect_lt(fixed, 8, "one place is expected to stay");
    ad_tensor_release(ctx, t);
    int count[6] = {0}; /* of the six orders of three */
    for (int turn = 0; turn < 6000; turn++) {
        t = ad_permutation(ctx, 3);
        const double *p = t->data;
        count[(int)p[0] * 2 + (p[1] > p[2])]++;
        ad_tensor_release(ctx, t);
    }
    for (int k = 0; k < 6; k++) cr_expect_lt(abs(count[k] - 1000), 120);
    t = ad_permutation(ctx, 0);
    cr_expect_eq(t->size, 0);
    ad_tensor_release(ctx, t);
    cr_expect_null(ad_permutation(ctx, -1));
}

static void expect_refused(ad_distribution law, double a, double b, const char *message) {
    ad_random_state before = ad_random_get(ctx);
    int64_t n = 3;
    cr_expect_null(ad_random(ctx, law, a, b, AD_F64, 1, &n));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_ARGUMENT);
    cr_expect_str_eq(ad_last_error(ctx)->message, message);
    cr_expect(isnan(ad_random_number(ctx, law, a, b)));
    cr_expect_eq(ad_random_get(ctx).counter, before.counter, "nothing was drawn");
}

Test(kernel_random, refuses_bad_laws) {
    expect_refused(AD_UNIFORM, 1, 0, "there is nothing to draw from 1 up to 0");
    expect_refused(AD_UNIFORM, NAN, 0, "the lower bound of a draw is finite, not nan");
    expect_refused(AD_UNIFORM, 0, INFINITY, "the upper bound of a draw is finite, not inf");
    expect_refused(AD_INTEGER, 3, 3, "there is nothing to draw from 3 up to 3");
    expect_refused(AD_INTEGER, 0.5, 3, "the lower bound is a whole number, not 0.5");
    expect_refused(AD_INTEGER, 0, 1e17, "the upper bound is too large: 1e17");
    expect_refused(AD_NORMAL, 0, -1, "a deviation is at least 0 and finite, not -1");
    expect_refused(AD_NORMAL, NAN, 1, "a mean is finite, not nan");
    expect_refused(AD_BERNOULLI, 1.5, 0, "a probability lies between 0 and 1; this is 1.5");
}

Test(kernel_random, an_interrupted_draw_draws_nothing) {
    ad_seed(ctx, 1);
    int64_t n = 100000;
    *ad_interrupt_flag(ctx) = 1;
    cr_expect_null(ad_random(ctx, AD_NORMAL, 0, 1, AD_F64, 1, &n));
    cr_expect_eq(ad_random_get(ctx).counter, 0);
    *ad_interrupt_flag(ctx) = 0;
}
