/* SPDX-License-Identifier: MIT */
/* Kernels over runs of elements: what is finite is seen wherever it stands. */
#include "kernel_reduce.h"

#include <criterion/criterion.h>
#include <math.h>

/* Wherever it stands, in whole vectors and behind them. */
Test(finite, every_place) {
    static const double odd[] = {INFINITY, -INFINITY, NAN};
    double x[21];
    float y[21];
    for (int n = 0; n <= 21; n++) {
        for (int i = 0; i < n; i++) y[i] = (float)(x[i] = i % 2 ? -1e30 : 5e-324);
        cr_expect(ad_all_finite(x, n) && ad_all_finite_f32(y, n), "%d finite", n);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 3; k++) {
                double was = x[i];
                y[i] = (float)(x[i] = odd[k]);
                cr_expect(!ad_all_finite(x, n) && !ad_all_finite_f32(y, n), "%g at %d of %d", odd[k], i, n);
                y[i] = (float)(x[i] = was);
            }
    }
}
