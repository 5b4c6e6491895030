/* SPDX-License-Identifier: MIT */
/* test_grad.c - one test a row of the table: derivatives against central differences on at least 50
 * points of the domain that the row declares, and the partials at its declared edges. Rows that are
 * declared not differentiable must say so. */
#include "domain.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_refusal(ad_ctx *ctx, ad_op op) {
    domain_call c;
    ad_value leaf[AD_MAX_OPERANDS], y[AD_MAX_OPERANDS], grad[AD_MAX_OPERANDS];
    cr_assert(domain_make(ctx, op, 0, 0, true, &c));
    for (int i = 0; i < c.n; i++) cr_assert_eq(ad_leaf(ctx, c.in[i], 0, 0, &leaf[i]), AD_OK);
    cr_assert_eq(ad_apply(ctx, op, 0, c.n, leaf, c.args, y), AD_OK, "%s", ad_last_error(ctx)->message);
    for (int k = 0; k < ad_op_info(op)->results; k++) {
        if (!y[k].node) continue;
        ad_value seed = ad_stop(ctx, y[k]);
        cr_expect_eq(ad_vjp(ctx, 1, &y[k], &seed, c.n, leaf, 0, 0, grad), AD_ERR_NODIFF);
        ad_release(ctx, seed);
    }
    for (int k = 0; k < ad_op_info(op)->results; k++) ad_release(ctx, y[k]);
    for (int i = 0; i < c.n; i++) ad_release(ctx, leaf[i]);
    domain_release(ctx, &c);
}

static void check_row(ad_op op) {
    const ad_row_info *row = ad_op_info(op);
    ad_ctx *ctx = ad_new(NULL);
    cr_assert(domain_cases(op) > 0, "%s declares no domain", row->name);
    if (row->flags & AD_ROW_NODIFF) {
        expect_refusal(ctx, op);
        printf("%s: %s: not differentiable\n", row->name, row->domain);
    } else if (!domain_varies(ctx, op)) {
        printf("%s: %s: nothing to differentiate by\n", row->name, row->domain);
    } else {
        domain_result r = domain_check(ctx, op, true);
        printf("%s: %s: %lld points, worst %.2g\n", row->name, row->domain, (long long)r.points, r.worst);
        cr_expect_eq(r.failures, 0, "%s: %s", row->name, r.why);
        cr_expect(r.points >= 50, "%s: only %lld points", row->name, (long long)r.points);
    }
    ad_free(ctx);
}

#define AD_ELEMENTWISE(name, ...) \
    Test(grad, name) { check_row(AD_OPID_##name); }
#define AD_TENSOR_ROW(name, ...) AD_ELEMENTWISE(name)
#include "ops_elementwise.def"
#include "ops_tensor.def"
