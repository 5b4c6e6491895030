/* SPDX-License-Identifier: MIT */
/* Shapes: sizes, the guard of broadcasting, axes, reshapes. */
#include "shape.h"

#include <criterion/criterion.h>
#include <string.h>

static ad_ctx *ctx;
static void open_context(void) { ctx = ad_new(NULL); }
static void close_context(void) { ad_free(ctx); }
TestSuite(shape, .init = open_context, .fini = close_context);

#define T(...) type_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__}, 0)

static ad_type type_of(int rank, const int64_t *dims, unsigned asked) {
    ad_type t = {.dtype = AD_F64, .rank = (uint8_t)rank, .asked = (uint16_t)asked};
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return t;
}

static ad_type number(void) { return (ad_type){.dtype = AD_F64}; }

static ad_type asking(ad_type t, unsigned asked) {
    t.asked = (uint16_t)asked;
    return t;
}

static ad_type with(ad_type t, ad_dtype dtype) {
    t.dtype = (uint8_t)dtype;
    return t;
}

static ad_status join(ad_type a, ad_type b, ad_type *out) {
    return ad_broadcast_types(ctx, 2, (ad_type[]){a, b}, out);
}

static void expect_join(ad_type a, ad_type b, const char *want) {
    ad_type out;
    char got[AD_SHAPE_TEXT];
    cr_assert_eq(join(a, b, &out), AD_OK, "%s: %s", want, ad_last_error(ctx)->message);
    cr_expect_str_eq(ad_shape_text(out.rank, out.dims, got, sizeof got), want);
    cr_assert_eq(join(b, a, &out), AD_OK);
    cr_expect_str_eq(ad_shape_text(out.rank, out.dims, got, sizeof got), want);
}

static void expect_refused(ad_type a, ad_type b, ad_status status, const char *message) {
    ad_type out;
    cr_expect_eq(join(a, b, &out), status);
    cr_expect_str_eq(ad_last_error(ctx)->message, message);
}

Test(shape, writes_and_cuts) {
    char buf[AD_SHAPE_TEXT], small[6];
    cr_expect_str_eq(ad_shape_text(2, (int64_t[]){32, 784}, buf, sizeof buf), "[32, 784]");
    cr_expect_str_eq(ad_shape_text(0, NULL, buf, sizeof buf), "[]");
    cr_expect_str_eq(ad_shape_text(2, (int64_t[]){32, 784}, small, sizeof small), "[32, ");
}

Test(shape, broadcasts_like_numpy) {
    expect_join(T(32, 10), T(32, 10), "[32, 10]");
    expect_join(T(32, 10), T(10), "[32, 10]");
    expect_join(T(32, 10), T(1, 10), "[32, 10]");
    expect_join(T(32, 10), T(32, 1), "[32, 10]");
    expect_join(T(4, 3), number(), "[4, 3]");
    expect_join(number(), number(), "[]");
    expect_join(T(5), T(1), "[5]");
    expect_join(T(0, 3), T(1, 3), "[0, 3]");
    expect_join(T(1), T(1, 1), "[1, 1]");
}

Test(shape, refuses_what_does_not_fit) {
    expect_refused(T(32, 784), T(64, 784), AD_ERR_SHAPE,
                   "[32, 784] and [64, 784] do not fit: on axis 0, 32 must equal 64");
    expect_refused(T(32, 784), T(10), AD_ERR_SHAPE,
                   "[32, 784] and [10] do not fit: on the last axis, 784 must equal 10");
    expect_refused(T(3), T(0), AD_ERR_SHAPE, "[3] and [0] do not fit: 3 must equal 0");
}

Test(shape, guards_against_stretching_both) {
    expect_refused(T(8), T(8, 1), AD_ERR_GUARD,
                   "[8] and [8, 1] would both be stretched, to [8, 8]");
    cr_expect_str_eq(ad_last_error(ctx)->hint,
                     "for all pairs use outer, or expand(x, (8, 8)) on one of them");
    expect_refused(T(4, 1), T(1, 5), AD_ERR_GUARD,
                   "[4, 1] and [1, 5] would both be stretched, to [4, 5]");
    expect_join(T(8), T(1, 8), "[1, 8]"); /* a batch of one passes */
    expect_join(T(8), T(1, 1), "[1, 8]");
}

Test(shape, lets_pass_what_was_asked_for) {
    expect_join(T(8), asking(T(8, 1), 2), "[8, 8]");
    expect_join(asking(T(4, 1), 2), T(1, 5), "[4, 5]");
    expect_join(asking(T(4, 1), 2), asking(T(1, 5), 1), "[4, 5]");
    expect_refused(T(8), asking(T(8, 1), 1), AD_ERR_GUARD,
                   "[8] and [8, 1] would both be stretched, to [8, 8]");
}

Test(shape, keeps_asked_through_operations) {
    ad_type out;
    cr_assert_eq(join(asking(T(8, 1), 2), number(), &out), AD_OK);
    cr_expect_eq(out.asked, 2);
    cr_assert_eq(join(asking(T(8, 1), 2), T(8, 1), &out), AD_OK);
    cr_expect_eq(out.asked, 2);
    cr_assert_eq(join(asking(T(8, 1), 2), T(8, 5), &out), AD_OK);
    cr_expect_eq(out.asked, 0, "an axis of 5 is nobody's wish");
    cr_assert_eq(join(asking(T(1), 1), T(3, 1), &out), AD_OK);
    cr_expect_eq(out.asked, 2, "bits move with their axes");
}

Test(shape, guards_three_operands) {
    ad_type out, one[] = {T(8), T(8, 1), T(8, 8)}, none[] = {T(8, 1), T(8, 1), T(8)};
    cr_expect_eq(ad_broadcast_types(ctx, 3, one, &out), AD_OK);
    cr_expect_eq(ad_broadcast_types(ctx, 3, none, &out), AD_ERR_GUARD);
    cr_expect_eq(ad_last_error(ctx)->operand, 2);
}

Test(shape, joins_dtypes) {
    const struct { ad_type a, b; ad_dtype want; } cases[] = {
        {T(2), number(), AD_F64},
        {with(T(2), AD_F32), number(), AD_F32},
        {with(T(2), AD_F32), T(2), AD_F64},
        {with(T(2), AD_F32), with(T(2), AD_BOOL8), AD_F32},
        {with(T(2), AD_BOOL8), with(T(2), AD_BOOL8), AD_F64},
        {with(T(2), AD_BOOL8), number(), AD_F64},
        {with(number(), AD_BOOL8), with(T(2), AD_F32), AD_F32},
        {with(number(), AD_BOOL8), number(), AD_F64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ad_type out;
        cr_assert_eq(join(cases[i].a, cases[i].b, &out), AD_OK);
        cr_expect_eq(out.dtype, cases[i].want, "case %zu", i);
        cr_assert_eq(join(cases[i].b, cases[i].a, &out), AD_OK);
        cr_expect_eq(out.dtype, cases[i].want, "case %zu, turned", i);
    }
}

Test(shape, sizes_do_not_overflow) {
    int64_t size;
    cr_expect_eq(ad_shape_size(ctx, 2, (int64_t[]){1 << 20, 1 << 20}, &size), AD_OK);
    const int64_t g = 1 << 30;
    cr_expect_eq(ad_shape_size(ctx, 3, (int64_t[]){g, g, g}, &size), AD_ERR_MEMORY);
    cr_expect_eq(ad_shape_size(ctx, 3, (int64_t[]){g, g, 0}, &size), AD_OK);
    cr_expect_eq(size, 0);
    cr_expect_eq(ad_shape_size(ctx, 2, (int64_t[]){0, -1}, &size), AD_ERR_SHAPE);
}

Test(shape, normalises_axes) {
    int axis, order[3];
    uint32_t mask;
    cr_expect_eq(ad_axis_normal(ctx, 3, -1, &axis), AD_OK);
    cr_expect_eq(axis, 2);
    cr_expect_eq(ad_axis_normal(ctx, 3, 3, &axis), AD_ERR_ARGUMENT);
    cr_expect_eq(ad_axis_normal(ctx, 3, -4, &axis), AD_ERR_ARGUMENT);
    cr_expect_eq(ad_axes_mask(ctx, 3, 2, (int64_t[]){0, -1}, true, &mask), AD_OK);
    cr_expect_eq(mask, 5);
    cr_expect_eq(ad_axes_mask(ctx, 3, 0, NULL, true, &mask), AD_OK);
    cr_expect_eq(mask, 7);
    cr_expect_eq(ad_axes_mask(ctx, 3, 2, (int64_t[]){2, -1}, true, &mask), AD_ERR_ARGUMENT);
    cr_expect_str_eq(ad_last_error(ctx)->message, "axis 2 is given twice");
    cr_expect_eq(ad_axes_order(ctx, 3, 3, (int64_t[]){2, 0, -2}, order), AD_OK);
    cr_expect(order[0] == 2 && order[1] == 0 && order[2] == 1);
    cr_expect_eq(ad_axes_order(ctx, 3, 2, (int64_t[]){2, 0}, order), AD_ERR_ARGUMENT);
}

Test(shape, reduces_types) {
    ad_type in = asking(T(2, 1, 4), 2), out;
    ad_type_reduce(&in, 1, false, &out);
    cr_expect(out.rank == 2 && out.dims[0] == 1 && out.dims[1] == 4 && out.asked == 1);
    ad_type_reduce(&in, 4, true, &out);
    cr_expect(out.rank == 3 && out.dims[2] == 1 && out.asked == 6);
    ad_type_reduce(&in, 7, false, &out);
    cr_expect_eq(out.rank, 0);
}

Test(shape, works_out_reshapes) {
    ad_type in = T(4, 6);
    int64_t dims[3];
    cr_expect_eq(ad_reshape_dims(ctx, &in, 3, (int64_t[]){2, -1, 3}, dims), AD_OK);
    cr_expect_eq(dims[1], 4);
    cr_expect_eq(ad_reshape_dims(ctx, &in, 2, (int64_t[]){5, -1}, dims), AD_ERR_SHAPE);
    cr_expect_str_eq(ad_last_error(ctx)->message,
                     "[4, 6] has 24 elements, which do not fill [5, -1]");
    cr_expect_eq(ad_reshape_dims(ctx, &in, 2, (int64_t[]){-1, -1}, dims), AD_ERR_SHAPE);
    cr_expect_eq(ad_reshape_dims(ctx, &in, 2, (int64_t[]){5, 5}, dims), AD_ERR_SHAPE);
    cr_expect_eq(ad_reshape_dims(ctx, &in, 1, (int64_t[]){24}, dims), AD_OK);
}

/* A reshape by strides shows the same elements in the same order, by brute force. */
static void expect_reshape(int rank, const int64_t *dims, const int64_t *strides, int new_rank,
                           const int64_t *new_dims, bool possible) {
    int64_t got[AD_MAX_RANK], size = 1;
    bool ok = ad_reshape_strides(rank, dims, strides, new_rank, new_dims, got);
    cr_assert_eq(ok, possible);
    for (int i = 0; i < rank; i++) size *= dims[i];
    for (int64_t k = 0; ok && k < size; k++) {
        int64_t left = k, want = 0, have = 0;
        for (int i = rank - 1; i >= 0; left /= dims[i], i--) want += left % dims[i] * strides[i];
        left = k;
        for (int i = new_rank - 1; i >= 0; left /= new_dims[i], i--)
            have += left % new_dims[i] * got[i];
        cr_assert_eq(have, want, "element %lld", (long long)k);
    }
}

Test(shape, reshapes_by_strides) {
    expect_reshape(2, (int64_t[]){4, 6}, (int64_t[]){6, 1}, 3, (int64_t[]){2, 3, 4}, true);
    expect_reshape(2, (int64_t[]){4, 6}, (int64_t[]){1, 4}, 1, (int64_t[]){24}, false);
    expect_reshape(2, (int64_t[]){4, 6}, (int64_t[]){1, 4}, 3, (int64_t[]){2, 2, 6}, true);
    expect_reshape(3, (int64_t[]){2, 1, 6}, (int64_t[]){6, 99, 1}, 2, (int64_t[]){12, 1}, true);
    expect_reshape(2, (int64_t[]){3, 4}, (int64_t[]){8, 2}, 1, (int64_t[]){12}, true);
    expect_reshape(2, (int64_t[]){3, 4}, (int64_t[]){0, 1}, 1, (int64_t[]){12}, false);
    expect_reshape(2, (int64_t[]){3, 4}, (int64_t[]){0, 1}, 3, (int64_t[]){3, 2, 2}, true);
    expect_reshape(1, (int64_t[]){6}, (int64_t[]){-1}, 2, (int64_t[]){2, 3}, true);
    expect_reshape(2, (int64_t[]){1, 1}, (int64_t[]){5, 5}, 1, (int64_t[]){1}, true);
    expect_reshape(1, (int64_t[]){0}, (int64_t[]){1}, 2, (int64_t[]){3, 0}, true);
}
