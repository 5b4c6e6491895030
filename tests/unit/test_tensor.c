/* SPDX-License-Identifier: MIT */
/* Tensors as memory: layout, views, ownership, copies and casts of any strides. */
#include "tensor.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ad_ctx *ctx;
static size_t at_first;

static void open_context(void) {
    ctx = ad_new(NULL);
    at_first = ad_mem_statistics(ctx).in_use;
}

/* Every test puts back what it made. */
static void close_context(void) {
    cr_expect_eq(ad_mem_statistics(ctx).in_use, at_first);
    ad_free(ctx);
}
TestSuite(tensor, .init = open_context, .fini = close_context);

static ad_tensor *counting(ad_dtype dtype, int rank, const int64_t *dims) {
    ad_tensor *t = ad_tensor_new(ctx, dtype, rank, dims);
    for (int64_t i = 0; i < t->size; i++) {
        double x = (double)i;
        ad_convert(dtype, ad_element_mut(t, i), 1, AD_F64, &x, 1, 1);
    }
    return t;
}

static ad_tensor *transposed(ad_tensor *t) {
    int64_t dims[] = {t->dims[1], t->dims[0]}, strides[] = {t->dims[3], t->dims[2]};
    return ad_tensor_view(ctx, t, 0, 2, dims, strides, 0);
}

Test(tensor, is_one_aligned_block) {
    for (int rank = 1; rank <= AD_MAX_RANK; rank++) {
        int64_t dims[AD_MAX_RANK];
        for (int i = 0; i < rank; i++) dims[i] = i < 3 ? i + 2 : 1;
        ad_tensor *t = counting(AD_F64, rank, dims);
        cr_expect_eq((uintptr_t)t->data % 64, 0);
        cr_expect_eq(t->size, rank == 1 ? 2 : rank == 2 ? 6 : 24);
        cr_expect(ad_tensor_is_contiguous(t));
        cr_expect_eq(ad_strides(t)[rank - 1], 1);
        ad_tensor_release(ctx, t);
    }
}

Test(tensor, refuses_bad_shapes) {
    const int64_t negative[] = {2, -1}, huge[] = {1 << 30, 1 << 30}, many[17] = {0};
    cr_expect_null(ad_tensor_new(ctx, AD_F64, 2, negative));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_SHAPE);
    cr_expect(strstr(ad_last_error(ctx)->message, "[2, -1]"));
    cr_expect_null(ad_tensor_new(ctx, AD_F64, 2, huge));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_MEMORY);
    cr_expect_null(ad_tensor_new(ctx, AD_F64, 17, many));
    cr_expect_null(ad_tensor_new(ctx, AD_F64, 0, many));
}

Test(tensor, may_be_empty) {
    const int64_t dims[] = {3, 0};
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 2, dims, 1);
    cr_expect_eq(t->size, 0);
    cr_expect(ad_tensor_is_contiguous(t));
    ad_tensor *u = ad_tensor_copy(ctx, t);
    cr_expect_eq(u->dims[0], 3);
    ad_tensor_read(u, NULL);
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, u);
}

Test(tensor, views_hold_the_owner) {
    const int64_t dims[] = {3, 4};
    ad_tensor *t = counting(AD_F64, 2, dims);
    ad_tensor *v = transposed(t), *w = transposed(v);
    cr_expect_eq(w->base, t, "a view of a view refers to the owner");
    cr_expect_not(ad_tensor_unshared(t));
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, v);
    cr_expect(ad_tensor_unshared(w), "the last view is the sole owner");
    cr_expect_eq(ad_tensor_get(w, (int64_t[]){2, 1}), 9);
    ad_tensor_retain(w);
    cr_expect_not(ad_tensor_unshared(w));
    ad_tensor_release(ctx, w);
    ad_tensor_release(ctx, w);
}

Test(tensor, stretched_views_are_never_unshared) {
    const int64_t one[] = {1, 4}, wide[] = {5, 4}, bad[] = {5, 3};
    ad_tensor *t = counting(AD_F64, 2, one), *v = ad_tensor_expand(ctx, t, 2, wide);
    ad_tensor_release(ctx, t);
    cr_expect_not(ad_tensor_unshared(v));
    cr_expect_eq(ad_tensor_get(v, (int64_t[]){4, 3}), 3);
    cr_expect_null(ad_tensor_expand(ctx, v, 2, bad));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_SHAPE);
    ad_tensor_release(ctx, v);
}

/* Large enough for the tiles of transposed copies. */
Test(tensor, copies_any_strides_and_dtypes) {
    const int64_t dims[] = {150, 75};
    for (int from = AD_F64; from <= AD_BOOL8; from++)
        for (int to = AD_F64; to <= AD_BOOL8; to++) {
            ad_tensor *t = counting((ad_dtype)from, 2, dims), *v = transposed(t);
            ad_tensor *c = ad_tensor_cast(ctx, v, (ad_dtype)to);
            bool bools = from == AD_BOOL8 || to == AD_BOOL8;
            for (int64_t i = 0; i < 75; i++)
                for (int64_t j = 0; j < 150; j++) {
                    double want = (double)(j * 75 + i);
                    if (bools) want = want != 0;
                    cr_assert_eq(ad_tensor_get(c, (int64_t[]){i, j}), want);
                }
            cr_expect_eq(c == v, from == to, "a cast to the same dtype is the tensor itself");
            ad_tensor_release(ctx, t);
            ad_tensor_release(ctx, v);
            ad_tensor_release(ctx, c);
        }
}

Test(tensor, copies_blocks_of_transposed_matrices) {
    const int64_t dims[] = {3, 40, 50}, turned[] = {3, 50, 40}, strides[] = {2000, 1, 50};
    ad_tensor *t = counting(AD_F64, 3, dims), *v = ad_tensor_view(ctx, t, 0, 3, turned, strides, 0);
    ad_tensor *c = ad_tensor_contiguous(ctx, v);
    cr_expect(ad_tensor_is_contiguous(c) && !ad_tensor_is_contiguous(v));
    for (int64_t a = 0; a < 3; a++)
        for (int64_t i = 0; i < 50; i++)
            for (int64_t j = 0; j < 40; j++)
                cr_assert_eq((int64_t)ad_tensor_get(c, (int64_t[]){a, i, j}),
                             a * 2000 + j * 50 + i);
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, v);
    ad_tensor_release(ctx, c);
}

Test(tensor, reads_and_sets_elements) {
    const int64_t dims[] = {2, 3};
    const double in[] = {1, 2, 3, 4, 5, 6};
    ad_tensor *t = ad_tensor_from(ctx, AD_F32, 2, dims, in), *v = transposed(t);
    double out[6];
    ad_tensor_read(v, out);
    const double want[] = {1, 4, 2, 5, 3, 6};
    cr_expect_arr_eq(out, want, sizeof want);
    ad_tensor_set(v, (int64_t[]){2, 0}, -7);
    cr_expect_eq(ad_tensor_get(t, (int64_t[]){0, 2}), -7);
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, v);
}

Test(tensor, fills_every_dtype) {
    const int64_t dims[] = {3, 5};
    for (int dtype = AD_F64; dtype <= AD_BOOL8; dtype++) {
        ad_tensor *t = ad_tensor_full(ctx, (ad_dtype)dtype, 2, dims, 2.5);
        double out[15];
        ad_tensor_read(t, out);
        for (int i = 0; i < 15; i++) cr_expect_eq(out[i], dtype == AD_BOOL8 ? 1 : 2.5);
        ad_tensor_release(ctx, t);
    }
}

Test(tensor, makes_signalling_nans_quiet) {
    const uint64_t bits[] = {0x7ff0000000000001, 0xfff7ffffffffffff, 0x7ff8000000000000,
                             0x7ff0000000000000, 0x8000000000000000, 0x3ff0000000000001};
    double in[6];
    memcpy(in, bits, sizeof bits);
    ad_tensor *t = ad_tensor_from(ctx, AD_F64, 1, (int64_t[]){6}, in);
    uint64_t got[6];
    memcpy(got, t->data, sizeof got);
    const uint64_t want[] = {0x7ff8000000000001, 0xffffffffffffffff, 0x7ff8000000000000,
                             0x7ff0000000000000, 0x8000000000000000, 0x3ff0000000000001};
    cr_expect_arr_eq(got, want, sizeof want);
    ad_tensor_release(ctx, t);
    t = ad_tensor_new(ctx, AD_F32, 1, (int64_t[]){2});
    const uint32_t narrow[] = {0x7f800001, 0x7f800000}, quiet[] = {0x7fc00001, 0x7f800000};
    memcpy(t->data, narrow, sizeof narrow);
    ad_tensor_quiet(t);
    cr_expect_arr_eq(t->data, quiet, sizeof quiet);
    ad_tensor_release(ctx, t);
}

Test(tensor, reshapes_as_a_view_where_it_can) {
    const int64_t dims[] = {4, 6}, flat[] = {24}, cube[] = {2, 2, 6};
    ad_tensor *t = counting(AD_F64, 2, dims), *v = transposed(t);
    ad_tensor *a = ad_tensor_reshape(ctx, t, 3, cube, 0);
    ad_tensor *b = ad_tensor_reshape(ctx, v, 1, flat, 0);
    cr_expect_eq(a->base, t);
    cr_expect_eq(ad_tensor_get(a, (int64_t[]){1, 1, 5}), 23);
    cr_expect_neq(b->base, t, "no strides show a transposed matrix as one row");
    cr_expect_eq(ad_tensor_get(b, (int64_t[]){1}), 6);
    ad_tensor *all[] = {t, v, a, b};
    for (int i = 0; i < 4; i++) ad_tensor_release(ctx, all[i]);
}

Test(tensor, tells_types_of_values) {
    ad_tensor *t = counting(AD_F32, 2, (int64_t[]){2, 1});
    t->asked = 2;
    ad_type type = ad_type_of(ad_wrap(t));
    cr_expect(type.dtype == AD_F32 && type.rank == 2 && type.asked == 2 && type.dims[0] == 2);
    ad_tensor *u = ad_tensor_of_type(ctx, &type);
    cr_expect_eq(u->asked, 2);
    cr_expect_eq(ad_type_of(ad_bool(true)).dtype, AD_BOOL8);
    cr_expect_eq(ad_type_of(ad_number(3)).rank, 0);
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, u);
}

Test(tensor, finds_elements_fast) {
    const int64_t dims[] = {3, 4};
    ad_tensor *t = counting(AD_F64, 2, dims), *v = transposed(t);
    ad_tensor *row = ad_tensor_view(ctx, t, 4, 1, dims + 1, (int64_t[]){1}, 0);
    cr_expect_eq(*ad_index_at1(row, 2), 6);
    cr_expect_eq(*ad_index_at1(row, -1), 7);
    cr_expect_eq(*ad_index_at2(v, 3, -2), 7);
    static const double bad[] = {4, -5, 0.5, 1e300, -1e300};
    for (int i = 0; i < 5; i++) {
        cr_expect_null(ad_index_at1(row, bad[i]));
        cr_expect_null(ad_index_at2(v, bad[i], 0));
    }
    static const double not_quite[] = {-0x1p-1074, -0x1p-52, 0x1p-53, 1 + 0x1p-52, 4 - 0x1p-50, -1 + 0x1p-53, 0x1p52,
                                       0x1p52 + 1, 0x1p53, -0x1p52};
    for (size_t i = 0; i < sizeof not_quite / sizeof *not_quite; i++)
        cr_expect_null(ad_index_at1(row, not_quite[i]), "%a", not_quite[i]);
    cr_expect_eq(ad_index_at1(row, -0.0), ad_index_at1(row, 0));
    cr_expect_null(ad_index_at1(row, NAN));
    cr_expect_null(ad_index_at1(row, INFINITY));
    cr_expect_null(ad_index_at2(v, 0, 3));
    cr_expect_null(ad_index_at1(t, 0), "rank 2");
    ad_tensor *all[] = {t, v, row};
    for (int i = 0; i < 3; i++) ad_tensor_release(ctx, all[i]);
}

Test(tensor, stops_a_large_copy) {
    ad_tensor *t = ad_tensor_new(ctx, AD_F64, 1, (int64_t[]){1 << 18});
    *ad_interrupt_flag(ctx) = 1;
    cr_expect_null(ad_tensor_copy(ctx, t));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_INTERRUPT);
    *ad_interrupt_flag(ctx) = 0;
    ad_tensor_release(ctx, t);
}
