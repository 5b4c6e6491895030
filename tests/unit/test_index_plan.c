/* SPDX-License-Identifier: MIT */
/* Index lists against shapes: what they make of the axes, and what they say when they are wrong. */
#include "kernel_index.h"

#include "shape.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static ad_ctx *ctx;
static void open_context(void) { ctx = ad_new(NULL); }
static void close_context(void) { ad_free(ctx); }
TestSuite(index_plan, .init = open_context, .fini = close_context);

static ad_index at(double i) { return (ad_index){.kind = AD_IX_AT, .at = i}; }
static ad_index from(double i) {
    return (ad_index){.kind = AD_IX_SLICE, .has_start = true, .at = i};
}
static ad_index upto(double i) {
    return (ad_index){.kind = AD_IX_SLICE, .has_stop = true, .stop = i};
}
static ad_index by(ad_index ix, double step) {
    ix.kind = AD_IX_SLICE;
    ix.has_step = true;
    ix.step = step;
    return ix;
}
static ad_index span(double a, double b) {
    ad_index ix = from(a);
    ix.has_stop = true;
    ix.stop = b;
    return ix;
}
static ad_index all(void) { return (ad_index){.kind = AD_IX_SLICE}; }
static ad_index fresh(void) { return (ad_index){.kind = AD_IX_NEW}; }
static ad_index rest(void) { return (ad_index){.kind = AD_IX_REST}; }
static ad_index many(ad_tensor *t) {
    return (ad_index){.kind = t->dtype == AD_BOOL8 ? AD_IX_MASK : AD_IX_GATHER, .tensor = t};
}

static const ad_type cube = {.dtype = AD_F64, .rank = 3, .dims = {2, 3, 4}};
static const ad_type line = {.dtype = AD_F64, .rank = 1, .dims = {5}};

static void expect_type(const ad_type *x, int n, const ad_index *ix, const char *want,
                        unsigned asked) {
    ad_type out;
    char got[AD_SHAPE_TEXT];
    cr_assert_eq(ad_index_infer(ctx, x, n, ix, &out), AD_OK, "%s", ad_last_error(ctx)->message);
    cr_expect_str_eq(ad_shape_text(out.rank, out.dims, got, sizeof got), want);
    cr_expect_eq(out.asked, asked, "%s", want);
}

static void expect_error(const ad_type *x, int n, const ad_index *ix, int item,
                         const char *message) {
    ad_type out;
    cr_assert_eq(ad_index_infer(ctx, x, n, ix, &out), AD_ERR_INDEX, "%s", message);
    cr_expect_str_eq(ad_last_error(ctx)->message, message);
    cr_expect_eq(ad_last_error(ctx)->operand, item);
}

#define LIST(...)                                                                                  \
    (int)(sizeof((ad_index[]){__VA_ARGS__}) / sizeof(ad_index)), (ad_index[]){__VA_ARGS__}

Test(index_plan, takes_axes_away_and_adds_them) {
    expect_type(&cube, LIST(at(0)), "[3, 4]", 0);
    expect_type(&cube, LIST(at(0), at(-1), at(3)), "[]", 0);
    expect_type(&cube, LIST(rest(), at(0)), "[2, 3]", 0);
    expect_type(&cube, LIST(at(1), rest(), at(0)), "[3]", 0);
    expect_type(&cube, LIST(rest()), "[2, 3, 4]", 0);
    expect_type(&cube, LIST(all(), at(0)), "[2, 4]", 0);
    expect_type(&cube, LIST(rest(), fresh()), "[2, 3, 4, 1]", 8);
    expect_type(&cube, LIST(fresh(), at(0), fresh()), "[1, 1, 3, 4]", 3);
    expect_type(&cube, LIST(at(0), at(0), at(0), rest()), "[]", 0);
}

Test(index_plan, keeps_asked_where_an_axis_stays) {
    ad_type x = {.dtype = AD_F64, .rank = 2, .asked = 2, .dims = {4, 1}};
    expect_type(&x, LIST(at(0)), "[1]", 1);
    expect_type(&x, LIST(span(0, 2)), "[2, 1]", 2);
    expect_type(&x, LIST(all(), upto(0)), "[4, 0]", 0);
}

Test(index_plan, counts_slices) {
    const struct { ad_index ix; const char *want; } cases[] = {
        {span(1, 3), "[2]"}, {from(2), "[3]"}, {span(1, -1), "[3]"}, {from(5), "[0]"},
        {upto(5), "[5]"}, {span(3, 1), "[0]"}, {by(all(), 2), "[3]"}, {by(span(0, 4), 2), "[2]"},
        {by(all(), -1), "[5]"}, {by(all(), -2), "[3]"}, {by(span(4, 0), -1), "[4]"},
        {by(span(-1, 1), -2), "[2]"}, {by(all(), 1e18), "[1]"}, {by(all(), -1e300), "[1]"},
        {by(span(5, 0), -1), "[4]"}, {by(span(5, 0), -2), "[2]"}, {by(span(1, 3), -1), "[0]"}, {by(span(5, 5), -1), "[0]"}, {from(-5), "[5]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_type(&line, 1, &cases[i].ix, cases[i].want, 0);
}

Test(index_plan, names_what_is_out_of_range) {
    expect_error(&line, LIST(at(5)), 0, "index 5 is out of range for axis 0 of size 5");
    expect_error(&cube, LIST(at(0), at(-4)), 1, "index -4 is out of range for axis 1 of size 3");
    expect_error(&line, LIST(span(0, 9)), 0, "bound 9 is out of range for axis 0 of size 5");
    expect_error(&line, LIST(from(-6)), 0, "bound -6 is out of range for axis 0 of size 5");
    expect_error(&line, LIST(by(span(6, 0), -1)), 0,
                 "bound 6 is out of range for axis 0 of size 5");
    expect_error(&line, LIST(at(1e300)), 0, "index 1e300 is out of range for axis 0 of size 5");
}

Test(index_plan, wants_whole_numbers) {
    expect_error(&line, LIST(at(1.5)), 0, "the index 1.5 is not a whole number");
    expect_error(&line, LIST(at(NAN)), 0, "the index nan is not a whole number");
    expect_error(&line, LIST(from(INFINITY)), 0, "the index inf is not a whole number");
    expect_error(&line, LIST(by(all(), 0.5)), 0, "the index 0.5 is not a whole number");
    expect_error(&line, LIST(by(all(), NAN)), 0, "the index nan is not a whole number");
    expect_error(&line, LIST(by(all(), 0)), 0, "a slice by 0 has no end");
}

Test(index_plan, refuses_too_many) {
    expect_error(&line, LIST(at(0), at(0)), 1, "2 indices, but the tensor is [5]");
    expect_error(&cube, LIST(rest(), rest()), -1, "`..` stands twice in one index");
    ad_index news[16];
    for (int i = 0; i < 16; i++) news[i] = fresh();
    ad_type out;
    cr_expect_eq(ad_index_infer(ctx, &line, 16, news, &out), AD_ERR_SHAPE);
}

Test(index_plan, gathers_and_selects) {
    const double two[] = {0, 1, -1, 0, 1, 1};
    ad_tensor *i = ad_tensor_from(ctx, AD_F64, 2, (int64_t[]){3, 2}, two);
    ad_tensor *m = ad_tensor_from(ctx, AD_BOOL8, 1, (int64_t[]){3}, (double[]){1, 0, 1});
    ad_tensor *mm = ad_tensor_from(ctx, AD_BOOL8, 2, (int64_t[]){2, 3}, two);
    expect_type(&cube, LIST(many(i)), "[3, 2, 3, 4]", 0);
    expect_type(&cube, LIST(rest(), many(i)), "[2, 3, 3, 2]", 0);
    expect_type(&cube, LIST(at(0), many(i), all()), "[3, 2, 4]", 0);
    expect_type(&cube, LIST(all(), many(m)), "[2, 2, 4]", 0);
    expect_type(&cube, LIST(many(mm)), "[4, 4]", 0);
    expect_type(&cube, LIST(many(mm), at(0)), "[4]", 0);
    expect_error(&cube, LIST(many(m)), 0, "the mask is [3], but it selects from [2] (axis 0 on)");
    expect_error(&cube, LIST(many(i), many(i)), 1, "only one of the indices can be a tensor");
    cr_expect(strstr(ad_last_error(ctx)->hint, "gather"));
    ad_tensor_release(ctx, i);
    ad_tensor_release(ctx, m);
    ad_tensor_release(ctx, mm);
}

Test(index_plan, checks_gathered_numbers) {
    ad_tensor *x = ad_tensor_full(ctx, AD_F64, 1, (int64_t[]){5}, 0);
    static const struct { double bad; const char *message; } cases[] = {
        {5, "index 5 is out of range for axis 0 of size 5"},
        {-6, "index -6 is out of range for axis 0 of size 5"},
        {0.5, "the index 0.5 is not a whole number"},
        {-0.5, "the index -0.5 is not a whole number"},
        {NAN, "the index nan is not a whole number"},
    };
    for (int k = 0; k < 5; k++) {
        ad_tensor *i = ad_tensor_from(ctx, AD_F64, 1, (int64_t[]){2}, (double[]){1, cases[k].bad});
        ad_index_plan *plan = NULL;
        ad_index ix = many(i);
        size_t before = ad_mem_statistics(ctx).in_use;
        cr_expect_eq(ad_index_resolve(ctx, ad_wrap(x), 1, &ix, &plan), AD_ERR_INDEX);
        cr_expect_str_eq(ad_last_error(ctx)->message, cases[k].message);
        cr_expect_eq(ad_mem_statistics(ctx).in_use, before, "nothing is left");
        ad_tensor_release(ctx, i);
    }
    ad_index first = at(0);
    ad_index_plan *plan = NULL;
    cr_expect_eq(ad_index_resolve(ctx, ad_number(3), 1, &first, &plan), AD_ERR_ARGUMENT);
    ad_tensor_release(ctx, x);
}
