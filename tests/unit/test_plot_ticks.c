/* SPDX-License-Identifier: MIT */
/* Ticks: at 1, 2 and 5 times powers of ten, few enough, inside, and told apart by their texts. */
#include "plot.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void expect_texts(gr_axis a, int most, const char *texts) {
    char all[GR_MAX_TICKS * GR_TICK_TEXT] = "";
    gr_axis_open(&a);
    gr_axis_ticks(&a, most);
    for (int i = 0; i < a.count; i++) strcat(strcat(all, i ? " " : ""), a.text[i]);
    cr_expect_str_eq(all, texts, "%s, not %s", all, texts);
}

Test(plot_ticks, texts) {
    expect_texts((gr_axis){.low = 0, .high = 1}, 5, "0 0.2 0.4 0.6 0.8 1.0");
    expect_texts((gr_axis){.low = 0, .high = 0.3}, 3, "0 0.1 0.2 0.3");
    expect_texts((gr_axis){.low = -3, .high = 3}, 6, "-3 -2 -1 0 1 2 3");
    expect_texts((gr_axis){.low = 17, .high = 94}, 4, "20 40 60 80");
    expect_texts((gr_axis){.low = 0, .high = 2e6}, 4, "0 5e5 1.0e6 1.5e6 2.0e6");
    expect_texts((gr_axis){.low = 1e-7, .high = 4e-7}, 4, "1e-7 2e-7 3e-7 4e-7");
    expect_texts((gr_axis){.low = 0, .high = 3, .whole = true}, 10, "0 1 2 3");
}

Test(plot_ticks, awkward_ranges) {
    expect_texts((gr_axis){.low = 2, .high = 2}, 4, "1.8 1.9 2.0 2.1 2.2");
    expect_texts((gr_axis){.low = 0, .high = 0}, 2, "-1 0 1");
    expect_texts((gr_axis){.low = INFINITY, .high = -INFINITY}, 2, "0 0.5 1.0"); /* nothing to show */
    expect_texts((gr_axis){.low = -1e308, .high = 1e308}, 2, "-1e308 0 1e308");
    expect_texts((gr_axis){.low = 1e9, .high = 1e9 + 2}, 2, "1.000000000e9 1.000000001e9 1.000000002e9");
    expect_texts((gr_axis){.low = 5e-324, .high = 5e-324}, 2, "-1e-300 0 1e-300");
}

Test(plot_ticks, logarithmic) {
    expect_texts((gr_axis){.low = -2, .high = 2, .log = true}, 6, "0.01 0.1 1 10 100");
    expect_texts((gr_axis){.low = -12, .high = 0, .log = true}, 4, "1e-10 1e-5 1e0");
    expect_texts((gr_axis){.low = log10(20), .high = log10(60), .log = true}, 4, "20 30 40 50 60");
    expect_texts((gr_axis){.low = -320, .high = 300, .log = true}, 3, "1e-200 1e0 1e200");
}

/* The properties, on ranges of all sizes and places. */
Test(plot_ticks, properties) {
    for (int k = 0; k < 2000; k++) {
        double length = pow(10, k % 41 - 20) * (1 + k % 7 * 1.3), low = (k % 13 - 6) * length * 0.7;
        gr_axis a = {.low = low, .high = low + length};
        int most = 2 + k % 9;
        gr_axis_open(&a);
        gr_axis_ticks(&a, most);
        cr_assert(a.count >= 1 && a.count <= most + 1, "%d ticks of %d at most", a.count, most);
        for (int i = 0; i < a.count; i++) {
            double place = gr_axis_place(&a, a.ticks[i]);
            cr_assert(place > -1e-5 && place < 1 + 1e-5);
            cr_assert(fabs(strtod(a.text[i], NULL) - a.ticks[i]) < 1e-5 * length, "%s", a.text[i]);
            cr_assert(i == 0 || strcmp(a.text[i], a.text[i - 1]) != 0);
        }
    }
}

Test(plot_ticks, rounding_outwards) {
    gr_axis a = {.low = 0.02, .high = 0.97}, fixed = {.low = 0.02, .high = 0.97, .fixed = true};
    gr_axis_round(&a, 5, 0.1);
    cr_expect(a.low == 0 && a.high == 1);
    gr_axis_round(&fixed, 5, 0.1);
    cr_expect(fixed.low == 0.02 && fixed.high == 0.97);
    a = (gr_axis){.low = 0.1, .high = 0.9};
    gr_axis_round(&a, 5, 0.05);
    cr_expect(a.low == 0.1 && a.high == 0.9);
}
