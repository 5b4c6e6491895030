/* SPDX-License-Identifier: MIT */
/* rows_spectral.h - what the factorizations on the last two axes share: batches of matrices in f64, and short
 * words for their rules. */
#ifndef AD_ROWS_SPECTRAL_H
#define AD_ROWS_SPECTRAL_H

#include "rows.h"

ad_status ad_need_matrix(const ad_call *c, const ad_type *in);
/* The operand's type with other sizes of the last axes; cols < 0: one axis only. */
ad_type ad_with_last(const ad_type *in, int64_t rows, int64_t cols);
int64_t ad_smaller_side(const ad_type *in);

/* A batch: the operand in f64, up to four results in f64, handed out in the operand's dtype. */
typedef struct ad_spread {
    ad_tensor *a, *y[4];
    int64_t m, n, k, count;
    int results;
} ad_spread;

ad_status ad_spread_begin(const ad_call *c, const ad_type *type, int results, ad_spread *b);
/* Results from `first` on, `given` of them; ends the batch. */
ad_status ad_spread_give(const ad_call *c, ad_spread *b, ad_status s, const ad_type *type, int first,
                         int given, ad_value *out);
void ad_spread_end(ad_ctx *ctx, ad_spread *b);

static inline double *ad_spread_part(const ad_spread *b, int i, int64_t at, int64_t each) {
    return (double *)b->y[i]->data + at * each;
}

static inline const double *ad_spread_matrix(const ad_spread *b, int64_t i) {
    return (const double *)b->a->data + i * b->m * b->n;
}

static inline ad_value ad_rule_mm(ad_rule *r, ad_value a, ad_value b) { return ad_rule_matmul(r, a, b, 0); }
static inline ad_value ad_rule_add(ad_rule *r, ad_value a, ad_value b) {
    return ad_rule_op2(r, AD_OP_ADD, a, b);
}
static inline ad_value ad_rule_sub(ad_rule *r, ad_value a, ad_value b) {
    return ad_rule_op2(r, AD_OP_SUB, a, b);
}

#endif
