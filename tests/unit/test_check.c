/* SPDX-License-Identifier: MIT */
/* test_check.c - the checker accepts what is right and rejects what is wrong, stays inside domains,
 * and leaves operands and random numbers as it found them. */
#include "ad.h"

#include <criterion/criterion.h>
#include <math.h>

static ad_ctx *ctx;
static void open_ctx(void) { ctx = ad_new(NULL); }
static void close_ctx(void) { ad_free(ctx); }
TestSuite(check, .init = open_ctx, .fini = close_ctx);

static ad_status row(ad_ctx *c, void *user, const ad_value *in, ad_value *out) {
    return ad_apply(c, ad_op_find(user), 0, 1, in, NULL, out);
}

static bool passes(ad_function f, void *user, ad_value x, ad_check_report *r) {
    bool passed;
    cr_assert_eq(ad_check_gradient(ctx, f, user, 1, &x, 1e-6, &passed, r), AD_OK);
    return passed;
}

static ad_value vector(ad_dtype dtype, double a, double b, double c) {
    const double x[] = {a, b, c};
    const int64_t n[] = {3};
    return ad_wrap(ad_tensor_from(ctx, dtype, 1, n, x));
}

Test(check, right_derivatives_pass) {
    ad_check_report r;
    cr_expect(passes(row, "sin", ad_number(1), &r));
    cr_expect_eq(r.points, 1);
    ad_value x = vector(AD_F64, 0.1, 0.5, 2);
    cr_expect(passes(row, "exp", x, &r));
    cr_expect_eq(r.points, 3);
    cr_expect_eq(((double *)x.tensor->data)[1], 0.5);
    ad_release(ctx, x);
    x = vector(AD_F32, 0.1, 0.5, 2);
    cr_expect(passes(row, "exp", x, &r));
    ad_release(ctx, x);
}

/* Computes sin, but is tracked as if it were 1.0001 sin. */
static ad_status wrong(ad_ctx *c, void *user, const ad_value *in, ad_value *out) {
    ad_value y, z;
    (void)user;
    ad_status s = ad_apply1(c, ad_op_find("sin"), 0, in[0], &y);
    if (s != AD_OK) return s;
    s = ad_apply2(c, AD_OP_MUL, 0, y, ad_number(1.0001), &z);
    ad_value less = ad_stop(c, y);
    less.num *= -0.0001;
    ad_release(c, y);
    if (s == AD_OK) s = ad_apply2(c, AD_OP_ADD, 0, z, less, out);
    ad_release(c, z);
    return s;
}

Test(check, a_wrong_derivative_is_reported) {
    ad_check_report r;
    cr_expect(!passes(wrong, NULL, ad_number(0.5), &r));
    cr_expect_float_eq(r.got, 1.0001 * cos(0.5), 1e-12);
    cr_expect_float_eq(r.expected, cos(0.5), 1e-8);
    cr_expect_eq(r.at, 0.5);
}

Test(check, steps_stay_inside_the_domain) {
    ad_check_report r;
    cr_expect(passes(row, "log", ad_number(1e-8), &r));
    cr_expect(passes(row, "acosh", ad_number(1.00001), &r));
    cr_expect_eq(r.points, 1);
    cr_expect(passes(row, "log", ad_number(0), &r), "no difference on one side of the border");
    cr_expect_eq(r.points, 0);
}

static ad_status noisy(ad_ctx *c, void *user, const ad_value *in, ad_value *out) {
    (void)user;
    return ad_apply2(c, AD_OP_MUL, 0, in[0], ad_number(ad_random_number(c, AD_UNIFORM, 1, 2)), out);
}

Test(check, every_evaluation_draws_the_same_numbers) {
    ad_check_report r;
    ad_random_state before = ad_random_get(ctx);
    cr_expect(passes(noisy, NULL, ad_number(3), &r));
    cr_expect_eq(ad_random_get(ctx).counter, before.counter);
}

static ad_status broken(ad_ctx *c, void *user, const ad_value *in, ad_value *out) {
    (void)user;
    return ad_apply(c, AD_OP_ADD, 0, 1, in, NULL, out);
}

Test(check, an_error_of_the_function_comes_through) {
    bool passed = true;
    ad_value x = ad_number(1);
    cr_expect_eq(ad_check_gradient(ctx, broken, NULL, 1, &x, 1e-6, &passed, NULL), AD_ERR_ARGUMENT);
    cr_expect(!passed);
}

static ad_status constant(ad_ctx *c, void *user, const ad_value *in, ad_value *out) {
    (void)c, (void)user, (void)in;
    *out = ad_number(4);
    return AD_OK;
}

Test(check, what_does_not_depend_has_the_derivative_0) {
    ad_check_report r;
    cr_expect(passes(constant, NULL, ad_number(3), &r));
    cr_expect_eq(r.got, 0);
}
