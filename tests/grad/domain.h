/* SPDX-License-Identifier: MIT */
/* domain.h - what a row of the table declares as its test domain, made into calls, and calls checked.
 * The grammar stands at the heads of src/ops_elementwise.def and src/ops_tensor.def. */
#ifndef DOMAIN_H
#define DOMAIN_H

#include "ops.h"

typedef struct domain_call {
    ad_op op;
    int n;
    ad_value in[AD_MAX_OPERANDS];
    bool fixed[AD_MAX_OPERANDS];     /* indices and bools: not differentiated */
    bool symmetric[AD_MAX_OPERANDS]; /* the row sees the symmetric part */
    ad_arg args[AD_MAX_ARGS];
    int64_t ints[AD_MAX_ARGS][16];
    char text[AD_MAX_ARGS][64];
    bool declared; /* a point with its partials */
    double partial[3];
    double from; /* sizes of operands that were replaced … */
    int64_t to;  /* … and by what */
    bool sized;  /* one was replaced */
} domain_call;

/* How many cases the row declares, and one of them, drawn with `seed`; `tensors` chooses between
 * tensors and numbers for elementwise rows. False with a printed reason where the text is wrong. */
int domain_cases(ad_op op);
bool domain_make(ad_ctx *ctx, ad_op op, int index, uint64_t seed, bool tensors, domain_call *call);
/* The same with each size `from` of an operand replaced by `to`; elementwise tensors have 11 elements. */
bool domain_make_sized(ad_ctx *ctx, ad_op op, int index, uint64_t seed, bool tensors, int64_t from,
                       int64_t to, domain_call *call);
void domain_release(ad_ctx *ctx, domain_call *call);

/* The row as a function of its operands that are not fixed, for ad_check_gradient; one of its results. */
typedef struct domain_function {
    const domain_call *call;
    int result;
} domain_function;
ad_status domain_apply(ad_ctx *ctx, void *user, const ad_value *in, ad_value *out);
ad_status domain_symmetric(ad_ctx *ctx, ad_value x, ad_value *out); /* (x + x.T) / 2 */
int domain_varying(const domain_call *c, ad_value *in);

/* False where every operand holds positions or bools. */
bool domain_varies(ad_ctx *ctx, ad_op op);

typedef struct domain_result {
    int64_t points;
    double worst;
    int failures;
    char why[512];
} domain_result;

/* All cases of the row, again and again until at least 50 points were seen; `declared` includes the
 * points with given partials. */
domain_result domain_check(ad_ctx *ctx, ad_op op, bool declared);

#endif
