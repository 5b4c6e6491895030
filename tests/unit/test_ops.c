/* SPDX-License-Identifier: MIT */
/* test_ops.c - the table: lookup, counts of operands, the conventions of language.md at the awkward
 * points, and partials whose two expansions, for doubles and for builders, agree bit for bit. */
#include "ops_scalar.h"

#include <criterion/criterion.h>
#include <string.h>

static ad_ctx *ctx;
static void open_ctx(void) { ctx = ad_new(NULL); }
static void close_ctx(void) { ad_free(ctx); }
TestSuite(ops, .init = open_ctx, .fini = close_ctx);

Test(ops, every_row_is_found_by_its_name) {
    for (int op = 1; op < ad_op_count(); op++) {
        const ad_row_info *row = ad_op_info((ad_op)op);
        cr_assert_eq(ad_op_find(row->name), op, "%s", row->name);
        cr_assert(row->doc[0] && row->signature[0], "%s", row->name);
        cr_assert(row->min_operands <= row->max_operands && row->results > 0, "%s", row->name);
    }
    cr_expect_eq(ad_op_find("nosuch"), AD_OP_NONE);
    cr_expect_eq(ad_op_find(""), AD_OP_NONE);
    cr_expect_str_eq(ad_op_info(60000)->name, "");
}

Test(ops, the_first_numbers_are_those_of_the_header) {
    cr_expect_eq(ad_op_find("add"), AD_OP_ADD);
    cr_expect_eq(ad_op_find("neg"), AD_OP_NEG);
    cr_expect_eq(ad_op_find("ge"), AD_OP_GE);
    cr_expect_eq(ad_op_find("where"), AD_OP_WHERE);
}

Test(ops, a_wrong_number_of_operands_is_an_error) {
    ad_value x = ad_number(1), y;
    ad_type t = ad_type_of(x), u;
    cr_expect_eq(ad_compute(ctx, AD_OP_ADD, 0, 1, &x, NULL, &y), AD_ERR_ARGUMENT);
    cr_expect_str_eq(ad_last_error(ctx)->message, "`add` takes 2 operands, got 1");
    cr_expect_eq(ad_infer(ctx, AD_OPID_exp, 0, &t, NULL, &u), AD_ERR_ARGUMENT);
    cr_expect_eq(ad_compute(ctx, 60000, 0, 1, &x, NULL, &y), AD_ERR_ARGUMENT);
    cr_expect_eq(ad_compute(ctx, AD_OP_NONE, 0, 1, &x, NULL, &y), AD_ERR_ARGUMENT);
}

Test(ops, numbers_and_bools) {
    ad_value y, in[] = {ad_number(1), ad_number(2)};
    cr_assert_eq(ad_compute(ctx, AD_OP_LT, 0, 2, in, NULL, &y), AD_OK);
    cr_expect_eq(y.kind, AD_BOOL);
    cr_expect_eq(y.num, 1);
    in[0] = ad_bool(true);
    cr_assert_eq(ad_compute(ctx, AD_OP_ADD, 0, 2, in, NULL, &y), AD_OK);
    cr_expect_eq(y.kind, AD_NUMBER);
    cr_expect_eq(y.num, 3);
}

static double value(ad_op op, double a, double b, double c) { return ad_scalar_value(op, a, b, c); }

Test(ops, ties_nan_and_ends) {
    cr_expect(isnan(value(AD_OPID_maximum, NAN, 1, 0)) && isnan(value(AD_OPID_maximum, 1, NAN, 0)));
    cr_expect(isnan(value(AD_OPID_minimum, NAN, 1, 0)) && isnan(value(AD_OPID_minimum, 1, NAN, 0)));
    cr_expect_eq(value(AD_OPID_maximum, INFINITY, INFINITY, 0), INFINITY);
    cr_expect_eq(value(AD_OPID_clamp, 5, 0, 1), 1);
    cr_expect_eq(value(AD_OPID_clamp, -5, 0, 1), 0);
    cr_expect_eq(value(AD_OPID_clamp, 5, 2, 1), 1, "crossed ends: the upper one, as NumPy's clip");
    cr_expect(isnan(value(AD_OPID_clamp, NAN, 0, 1)));
    cr_expect_eq(value(AD_OPID_round, 2.5, 0, 0), 2);
    cr_expect_eq(value(AD_OPID_round, -0.5, 0, 0), 0);
    cr_expect(isnan(value(AD_OPID_sign, NAN, 0, 0)));
    cr_expect_eq(value(AD_OPID_xlogy, 0, 0, 0), 0);
    cr_expect_eq(value(AD_OPID_xlogy, 0, -1, 0), 0);
    cr_expect_eq(value(AD_OPID_mulz, 0, NAN, 0), 0);
    cr_expect_eq(value(AD_OPID_mulz, 0, INFINITY, 0), 0);
    cr_expect(isnan(value(AD_OPID_mulz, INFINITY, 0, 0)), "one-sided: an infinite adjoint stays visible");
}

Test(ops, relative_accuracy_of_tiny_derivatives) {
    double d = ad_scalar_partial(AD_OPID_tanh, 0, 20, 0, 0, tanh(20));
    cr_expect_float_eq(d, 1.6993417021166355e-17, 1e-29);
    d = ad_scalar_partial(AD_OPID_atanh, 0, nextafter(1, 0), 0, 0, 0);
    cr_expect_float_eq(d, 0x1p52, 1);
}

Test(ops, pull_is_strong_and_where_takes_one_side) {
    cr_expect_eq(ad_scalar_pull(AD_OPID_sqrt, 0, 0, 0, 0, 0, 0), 0);
    cr_expect_eq(ad_scalar_pull(AD_OPID_sqrt, 0, 1, 0, 0, 0, 0), INFINITY);
    cr_expect_eq(ad_scalar_pull(AD_OPID_where, 1, INFINITY, 0, 1, 2, 2), 0);
    cr_expect_eq(ad_scalar_pull(AD_OPID_where, 2, INFINITY, 0, 1, 2, 2), INFINITY);
}

/* A builder that computes. */
static ad_term compute(ad_builder *b, ad_op op, int n, const ad_term *in) {
    double x[3] = {0};
    (void)b;
    for (int i = 0; i < n; i++) x[i] = in[i].v.num;
    return (ad_term){.v = ad_number(ad_scalar_value(op, x[0], x[1], x[2]))};
}

static ad_term constant(ad_builder *b, double x) {
    (void)b;
    return (ad_term){.v = ad_number(x)};
}

static bool same(double a, double b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

Test(ops, both_expansions_of_a_partial_agree) {
    static const double at[] = {0, 1, -1, 0.3, -0.7, 2.5, 40, -300, INFINITY, NAN, 1e-200};
    enum { POINTS = sizeof at / sizeof *at };
    ad_builder b = {.emit = compute, .constant = constant};
    for (int op = 1; ad_op_info((ad_op)op)->flags & AD_ROW_ELEMENTWISE; op++)
        for (int i = 0; i < POINTS * POINTS; i++) {
            ad_term in[3] = {{.v = ad_number(at[i % POINTS])}, {.v = ad_number(at[i / POINTS])},
                             {.v = ad_number(at[(i + 3) % POINTS])}};
            double a = in[0].v.num, c = in[1].v.num, d = in[2].v.num, y = ad_scalar_value((ad_op)op, a, c, d);
            for (int k = 0; k < ad_op_info((ad_op)op)->min_operands; k++) {
                double built = ad_rows[op].partial(&b, k, in, (ad_term){.v = ad_number(y)}).v.num;
                double direct = ad_scalar_partial((ad_op)op, k, a, c, d, y);
                cr_expect(same(built, direct), "%s %d at %g %g %g: %a, %a", ad_op_info((ad_op)op)->name, k, a, c,
                          d, built, direct);
                cr_expect(!ad_partial_is_zero((ad_op)op, k) || direct == 0);
            }
        }
}

static void expect_text(const char *row, int operand, const char *expected) {
    char text[160];
    size_t n = ad_derivative_text(ad_op_find(row), operand, text, sizeof text);
    cr_expect_eq(n, strlen(expected));
    cr_expect_str_eq(text, expected);
}

Test(ops, derivatives_as_text) {
    expect_text("tanh", 0, "sech(x)^2");
    expect_text("pow", 0, "b * a^(b - 1)");
    expect_text("exp", 0, "y");
    expect_text("atan2", 1, "-(y / hypot(y, x)) / hypot(y, x)");
    expect_text("floor", 0, "0");
    expect_text("sum", 0, "");
    expect_text("exp", 1, "");
    char text[160];
    for (int op = 1; ad_op_info((ad_op)op)->flags & AD_ROW_ELEMENTWISE; op++)
        for (int k = 0; k < ad_op_info((ad_op)op)->min_operands; k++)
            cr_expect(ad_derivative_text((ad_op)op, k, text, sizeof text) > 0, "%s", ad_op_info((ad_op)op)->name);
}
