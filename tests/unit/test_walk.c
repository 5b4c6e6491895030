/* SPDX-License-Identifier: MIT */
/* Runs over strided operands against plain nested loops, and conversions of elements. */
#include "tensor.h"

#include <criterion/criterion.h>
#include <math.h>

static int runs_of(ad_walk *w, int rank, const int64_t *dims, int n,
                   const int64_t *const *strides) {
    int runs = 0;
    for (bool more = ad_walk_begin(w, rank, dims, n, strides); more; more = ad_walk_next(w)) runs++;
    return runs;
}

Test(walk, joins_what_lies_together) {
    ad_walk w;
    const int64_t dims[] = {2, 3, 4}, packed[] = {12, 4, 1};
    const int64_t last[] = {0, 4, 1}, other[] = {1, 8, 2};
    cr_expect_eq(runs_of(&w, 3, dims, 2, (const int64_t *[]){packed, packed}), 1);
    cr_expect_eq(w.inner, 24);
    cr_expect_eq(runs_of(&w, 3, dims, 2, (const int64_t *[]){packed, last}), 2);
    cr_expect_eq(w.inner, 12);
    cr_expect_eq(runs_of(&w, 3, dims, 2, (const int64_t *[]){packed, other}), 2);
    cr_expect_eq(w.inner, 12);
    cr_expect_eq(w.step[1], 2);
}

Test(walk, leaves_out_axes_of_one_and_empty_shapes) {
    ad_walk w;
    const int64_t ones[] = {1, 1}, odd[] = {77, -3}, mixed[] = {1, 5, 1}, strides[] = {9, 2, 9};
    const int64_t empty[] = {3, 0}, plain[] = {1, 1};
    cr_expect_eq(runs_of(&w, 2, ones, 1, (const int64_t *[]){odd}), 1);
    cr_expect_eq(w.inner, 1);
    cr_expect_eq(runs_of(&w, 3, mixed, 1, (const int64_t *[]){strides}), 1);
    cr_expect_eq(w.inner, 5);
    cr_expect_eq(w.step[0], 2);
    cr_expect_eq(runs_of(&w, 2, empty, 1, (const int64_t *[]){plain}), 0);
    cr_expect_eq(runs_of(&w, 0, empty, 1, (const int64_t *[]){plain}), 1);
    cr_expect_eq(w.inner, 1);
}

/* All offsets in row-major order, by the definition of strides. */
static void expect_order(const int64_t dims[4], const int64_t a[4], const int64_t b[4]) {
    int64_t want_a[256], want_b[256], n = 0;
    for (int64_t i = 0; i < dims[0]; i++)
        for (int64_t j = 0; j < dims[1]; j++)
            for (int64_t k = 0; k < dims[2]; k++)
                for (int64_t l = 0; l < dims[3]; l++, n++) {
                    want_a[n] = i * a[0] + j * a[1] + k * a[2] + l * a[3];
                    want_b[n] = i * b[0] + j * b[1] + k * b[2] + l * b[3];
                }
    ad_walk w;
    int64_t at = 0;
    bool more = ad_walk_begin(&w, 4, dims, 2, (const int64_t *[]){a, b});
    for (; more; more = ad_walk_next(&w))
        for (int64_t i = 0; i < w.inner; i++, at++) {
            cr_assert_lt(at, n);
            cr_assert_eq(w.offset[0] + i * w.step[0], want_a[at]);
            cr_assert_eq(w.offset[1] + i * w.step[1], want_b[at]);
        }
    cr_expect_eq(at, n);
}

Test(walk, keeps_row_major_order) {
    static const int64_t pool[] = {-7, -1, 0, 1, 2, 3, 4, 12, 24};
    uint64_t seed = 3;
    for (int turn = 0; turn < 500; turn++) {
        int64_t dims[4], a[4], b[4];
        for (int i = 0; i < 4; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            dims[i] = (int64_t)(seed >> 40) % 4 + (turn % 5 != 0);
            a[i] = pool[(seed >> 45) % 9];
            b[i] = pool[(seed >> 50) % 9];
        }
        if (turn % 3 == 0) a[2] = dims[3] * a[3]; /* so that some axes join */
        if (turn % 6 == 0) b[2] = dims[3] * b[3];
        expect_order(dims, a, b);
    }
}

Test(walk, converts_elements) {
    const double d[] = {0, -0.0, 1.5, NAN, INFINITY, 1e300, 0.1};
    float f[7];
    uint8_t b[7];
    double back[7];
    ad_convert(AD_F32, f, 1, AD_F64, d, 1, 7);
    ad_convert(AD_BOOL8, b, 1, AD_F64, d, 1, 7);
    cr_expect_eq(f[2], 1.5f);
    cr_expect(isnan(f[3]));
    cr_expect(isinf(f[5]));
    cr_expect_eq(f[6], 0.1f);
    const uint8_t truth[] = {0, 0, 1, 1, 1, 1, 1};
    cr_expect_arr_eq(b, truth, sizeof truth);
    ad_convert(AD_F64, back, 1, AD_BOOL8, b, 1, 7);
    for (int i = 0; i < 7; i++) cr_expect_eq(back[i], truth[i]);
    ad_convert(AD_F64, back, 1, AD_F32, f, 1, 7);
    cr_expect_eq(back[6], (double)0.1f);
}

Test(walk, converts_with_steps) {
    const double in[] = {1, 2, 3, 4, 5, 6};
    float out[6] = {0};
    ad_convert(AD_F32, out, 2, AD_F64, in + 5, -2, 3);
    const float want[] = {6, 0, 4, 0, 2, 0};
    cr_expect_arr_eq(out, want, sizeof want);
    double same[3];
    ad_convert(AD_F64, same, 1, AD_F64, in + 1, 0, 3);
    for (int i = 0; i < 3; i++) cr_expect_eq(same[i], 2);
}
