/* SPDX-License-Identifier: MIT */
/*
 * The chain rule from C: records  o = w2 · tanh(w1 · x + b),  E = (o − y)²  and prints what one
 * reverse sweep gives, beside the product of the factors written out by hand. Compile it with
 *
 *     cc -std=c17 chain.c $(pkg-config --cflags --libs gradus-core) -lm
 */
#include <ad.h>
#include <math.h>
#include <stdio.h>

enum { W1, B, W2, PARAMETERS };

/* The forward pass. Intermediate values are released as soon as nothing here needs them: the tape
 * keeps what the sweep will want. */
static ad_status loss(ad_ctx *ctx, const ad_value *p, double x, double y, ad_value *E)
{
    ad_value wx, z, h, o, d;
    ad_op tanh_op = ad_op_find("tanh");
    ad_status status = ad_apply2(ctx, AD_OP_MUL, 1, p[W1], ad_number(x), &wx);
    if (status) return status;
    status = ad_apply2(ctx, AD_OP_ADD, 2, wx, p[B], &z);
    ad_release(ctx, wx);
    if (status) return status;
    status = ad_apply1(ctx, tanh_op, 3, z, &h);
    ad_release(ctx, z);
    if (status) return status;
    status = ad_apply2(ctx, AD_OP_MUL, 4, p[W2], h, &o);
    ad_release(ctx, h);
    if (status) return status;
    status = ad_apply2(ctx, AD_OP_SUB, 5, o, ad_number(y), &d);
    ad_release(ctx, o);
    if (status) return status;
    status = ad_apply2(ctx, AD_OP_MUL, 6, d, d, E);
    ad_release(ctx, d);
    return status;
}

static ad_status run(ad_ctx *ctx)
{
    const double start[PARAMETERS] = {0.5, -0.25, 1.5}, x = 2.0, y = 0.25;
    ad_value p[PARAMETERS], gradient[PARAMETERS], E;
    ad_status status = AD_OK;

    for (int i = 0; i < PARAMETERS && !status; i++)
        status = ad_leaf(ctx, ad_number(start[i]), ad_param_new(ctx), 0, &p[i]);
    if (!status) status = loss(ctx, p, x, y, &E);
    if (!status) status = ad_vjp(ctx, 1, &E, NULL, PARAMETERS, p, 0, 7, gradient);
    if (status) return status;

    double h = tanh(start[W1] * x + start[B]);
    double by_hand = 2 * (start[W2] * h - y) * start[W2] * (1 - h * h) * x;
    printf("E      = %.12f\n", E.num);
    printf("∂E/∂w1 = %.12f, by hand %.12f\n", gradient[W1].num, by_hand);
    printf("∂E/∂b  = %.12f\n", gradient[B].num);
    printf("∂E/∂w2 = %.12f\n", gradient[W2].num);

    ad_release(ctx, E);
    for (int i = 0; i < PARAMETERS; i++) {
        ad_release(ctx, gradient[i]);
        ad_release(ctx, p[i]);
    }
    return AD_OK;
}

int main(void)
{
    ad_ctx *ctx = ad_new(NULL);
    if (!ctx) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    ad_status status = run(ctx);
    if (status) fprintf(stderr, "%s\n", ad_last_error(ctx)->message);
    ad_free(ctx);
    return status ? 1 : 0;
}
