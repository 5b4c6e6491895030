/* SPDX-License-Identifier: MIT */
/* orders.h - derivatives of a row of the table at several orders and in both directions. */
#ifndef ORDERS_H
#define ORDERS_H

#include "domain.h"

enum { ORDERS = 3 };

/* What a check saw: points and the worst relative error of each order against finite differences of
 * the order below ([0] is the gradient), pairings ⟨u, Jv⟩ = ⟨Jᵀu, v⟩, and the first failure. */
typedef struct orders_result {
    int64_t points[ORDERS];
    double worst[ORDERS];
    int64_t pairings;
    double apart;
    int failures;
    char why[512];
} orders_result;

/* One call, all its results, up to `order`. */
void orders_check_call(ad_ctx *ctx, const domain_call *c, int order, orders_result *r);
/* All cases of a row that have no declared partials, with one seed; elementwise rows as numbers too. */
void orders_check(ad_ctx *ctx, ad_op op, int order, uint64_t seed, orders_result *r);

#endif
