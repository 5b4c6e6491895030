/* SPDX-License-Identifier: MIT */
/* test_sabotage.c - can the checker fail? The derivative of each differentiable row is multiplied by
 * 1.001, or 0.001 is added where it is 0 by rule, and the check of test_grad.c must reject the row. */
#include "domain.h"
#include "ops_scalar.h"

#include <criterion/criterion.h>

/* Nothing is recorded of what gives bools or positions, so there is nothing to falsify. */
static bool differentiable(const ad_row_info *row) {
    return !(row->flags & (AD_ROW_NODIFF | AD_ROW_TRUTH));
}

static void expect_rejection(ad_op op) {
    const ad_row_info *row = ad_op_info(op);
    ad_ctx *ctx = ad_new(NULL);
    if (!differentiable(row) || !domain_varies(ctx, op)) {
        ad_free(ctx);
        return;
    }
    ad_sabotage(ctx, op, 1.001);
    domain_result r = domain_check(ctx, op, false);
    cr_expect(r.failures > 0, "%s: a wrong derivative passed %lld points, worst %.2g", row->name,
              (long long)r.points, r.worst);
    ad_sabotage(ctx, AD_OP_NONE, 0);
    r = domain_check(ctx, op, false);
    cr_expect_eq(r.failures, 0, "%s: %s", row->name, r.why);
    ad_free(ctx);
}

#define AD_ELEMENTWISE(name, ...) \
    Test(sabotage, name) { expect_rejection(AD_OPID_##name); }
#define AD_TENSOR_ROW(name, ...) AD_ELEMENTWISE(name)
#include "ops_elementwise.def"
#include "ops_tensor.def"
