/* SPDX-License-Identifier: MIT */
/* test_orders.c - one test a row of the table: gradient, second and third order against differences
 * of the order below, and the forward sweep against the reverse sweep. With GRADUS_TIER=long more
 * seeds and at least 50 points an order. */
#include "orders.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_long(void) {
    const char *tier = getenv("GRADUS_TIER");
    return tier && strcmp(tier, "long") == 0;
}

static void check_row(ad_op op) {
    const ad_row_info *row = ad_op_info(op);
    ad_ctx *ctx = ad_new(NULL);
    orders_result r = {0};
    uint64_t last = is_long() ? 40 : 1;
    for (uint64_t seed = 0; seed < last && (r.points[0] < 50 || seed < 2) && !r.failures; seed++)
        orders_check(ctx, op, is_long() ? 3 : 2, 1000 + seed, &r);
    printf("%s: points", row->name);
    for (int i = 0; i < ORDERS; i++) printf(" %lld", (long long)r.points[i]);
    printf(", worst");
    for (int i = 0; i < ORDERS; i++) printf(" %.2g", r.worst[i]);
    printf(", %lld pairings, worst %.2g\n", (long long)r.pairings, r.apart);
    cr_expect_eq(r.failures, 0, "%s: %d failures: %s", row->name, r.failures, r.why);
    ad_free(ctx);
}

/* Positions, and what depends on positions and bools alone. */
static bool has_derivatives(ad_ctx *ctx, ad_op op) {
    return !(ad_op_info(op)->flags & AD_ROW_NODIFF) && domain_varies(ctx, op);
}

static void check_named(ad_op op) {
    ad_ctx *ctx = ad_new(NULL);
    bool has = has_derivatives(ctx, op);
    ad_free(ctx);
    if (has) check_row(op);
}

#define AD_ELEMENTWISE(name, ...) \
    Test(orders, name) { check_named(AD_OPID_##name); }
#define AD_TENSOR_ROW(name, ...) AD_ELEMENTWISE(name)
#include "ops_elementwise.def"
#include "ops_tensor.def"
