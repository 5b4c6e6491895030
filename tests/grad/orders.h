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
    int refused; /* derivatives that a row says it has not */
    int failures;
    char why[512];
} orders_result;

/* One call, all its results, up to `order`. */
void orders_check_call(ad_ctx *ctx, const domain_call *c, int order, orders_result *r);
/* Forward against reverse only, where the row takes its operands at all. */
void orders_pair_call(ad_ctx *ctx, const domain_call *c, orders_result *r);
/* All cases of a row that have no declared partials, with one seed; elementwise rows as numbers too. */
void orders_check(ad_ctx *ctx, ad_op op, int order, uint64_t seed, orders_result *r);

/* Weights of the shape and type of v; `first` chooses others. */
ad_status orders_weights(ad_ctx *ctx, ad_value v, int64_t first, ad_value *out);

#endif
