/* SPDX-License-Identifier: MIT */
/* test_kernel_block.c - block kernels give the bits of the scalar functions, in every variant that
 * this machine can run, for every length, with operands that are uniform or not. */
#include "kernel_block.h"
#include "ops_scalar.h"

#include <criterion/criterion.h>
#include <string.h>

enum { LENGTH = 67 };

static const double special[] = {0.0, -0.0, 1, -1, 2, -2, 0.5, 3, 710, -745, 1e-300, -1e-300, 1e300, -1e300,
                                 5e-324, INFINITY, -INFINITY, NAN, 1e22, 709.5, -710.2, 88.9, 1e19};
enum { SPECIALS = sizeof special / sizeof *special };

static uint64_t state = 1;

static double draw(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = state >> 33;
    double x = ((double)bits * 0x1p-31 - 0.5) * 8;
    switch (bits % 4) {
    case 0: return special[bits / 4 % SPECIALS];
    case 1: return ldexp(x, (int)(bits / 4 % 600) - 300);
    default: return x;
    }
}

static bool same_bits(double a, double b) {
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static bool same_bitsf(float a, float b) {
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void fill(double x[3][LENGTH]) {
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < LENGTH; i++) x[k][i] = draw();
}

static void check_f64(const ad_block_table *t, ad_op op, int64_t n, unsigned uniform) {
    double x[3][LENGTH], y[LENGTH + 1];
    fill(x);
    y[n] = 42;
    t->f64[op](y, x[0], x[1], x[2], n, uniform);
    for (int64_t i = 0; i < n; i++) {
        double a = x[0][uniform & 1 ? 0 : i], b = x[1][uniform & 2 ? 0 : i], c = x[2][uniform & 4 ? 0 : i];
        double expected = ad_scalar_value(op, a, b, c);
        cr_assert(same_bits(y[i], expected), "%s %s(%a, %a, %a): %a, scalar %a", t->isa,
                  ad_op_info(op)->name, a, b, c, y[i], expected);
    }
    cr_assert(y[n] == 42, "%s %s writes beyond the end", t->isa, ad_op_info(op)->name);
}

/* There is no scalar f32: the generic variant, which goes element by element, is the measure. */
static void check_f32(const ad_block_table *t, ad_op op, int64_t n, unsigned uniform) {
    double x[3][LENGTH];
    float f[3][LENGTH], y[LENGTH + 1], z[LENGTH];
    fill(x);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < LENGTH; i++) f[k][i] = (float)x[k][i];
    y[n] = 42;
    t->f32[op](y, f[0], f[1], f[2], n, uniform);
    ad_block_generic.f32[op](z, f[0], f[1], f[2], n, uniform);
    for (int64_t i = 0; i < n; i++)
        cr_assert(same_bitsf(y[i], z[i]), "%s %s(%a, %a, %a): %a, generic %a", t->isa, ad_op_info(op)->name,
                  (double)f[0][uniform & 1 ? 0 : i], (double)f[1][uniform & 2 ? 0 : i],
                  (double)f[2][uniform & 4 ? 0 : i], (double)y[i], (double)z[i]);
    cr_assert(y[n] == 42, "%s %s writes beyond the end", t->isa, ad_op_info(op)->name);
}

static void check_table(const ad_block_table *t) {
    for (int op = 1; op < AD_ELEMENTWISE_END; op++) {
        unsigned all = (1u << ad_op_info((ad_op)op)->min_operands) - 1;
        for (unsigned uniform = 0; uniform < all; uniform++)
            for (int64_t n = 1; n <= LENGTH; n += n < 20 ? 1 : 13) {
                check_f64(t, (ad_op)op, n, uniform);
                check_f32(t, (ad_op)op, n, uniform);
            }
    }
}

Test(kernel_block, generic_has_the_bits_of_scalars) { check_table(&ad_block_generic); }

Test(kernel_block, chosen_variant_has_the_bits_of_scalars) { check_table(ad_block_kernels()); }

#if defined(AD_HAVE_AVX2) && defined(__x86_64__)
Test(kernel_block, avx2_has_the_bits_of_scalars) {
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) check_table(&ad_block_avx2);
}
#endif

Test(kernel_block, result_may_lie_over_an_operand) {
    double a[LENGTH], b[LENGTH];
    for (int i = 0; i < LENGTH; i++) a[i] = i, b[i] = 2 * i;
    ad_block_kernels()->f64[AD_OP_ADD](b, a, b, a, LENGTH, 0);
    for (int i = 0; i < LENGTH; i++) cr_assert_eq(b[i], 3 * i);
}
