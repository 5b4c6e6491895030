/* SPDX-License-Identifier: MIT */
/* test_edges.c - one test a row of the table at its edges: values, layouts, precisions, sizes. */
#include "edges.h"
#include "orders.h"

#include <criterion/criterion.h>
#include <stdio.h>

typedef void check_function(ad_ctx *ctx, ad_op op, edges_result *r);

static void check(const char *what, check_function *f, ad_op op) {
    ad_ctx *ctx = ad_new(NULL);
    edges_result r = {0};
    f(ctx, op, &r);
    printf("%s: %s: %lld comparisons, %lld refused\n", ad_op_info(op)->name, what,
           (long long)r.points, (long long)r.refused);
    cr_expect_eq(r.failures, 0, "%s, %s: %d failures: %s", ad_op_info(op)->name, what, r.failures,
                 r.why);
    ad_free(ctx);
}

static bool has_derivatives(ad_op op) {
    ad_ctx *ctx = ad_new(NULL);
    bool has = !(ad_op_info(op)->flags & AD_ROW_NODIFF) && domain_varies(ctx, op);
    ad_free(ctx);
    return has;
}

static void check_row(ad_op op) {
    bool elementwise = ad_op_info(op)->flags & AD_ROW_ELEMENTWISE;
    if (!has_derivatives(op)) return;
    check("values", elementwise ? edges_elementwise : edges_tensor, op);
    check("views", edges_views, op);
    check("f32", edges_single, op);
    check("sizes", edges_sizes, op);
}

#define AD_ELEMENTWISE(name, ...) \
    Test(edges, name) { check_row(AD_OPID_##name); }
#define AD_TENSOR_ROW(name, ...) AD_ELEMENTWISE(name)
#include "ops_elementwise.def"
#include "ops_tensor.def"
