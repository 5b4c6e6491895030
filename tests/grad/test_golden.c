/* SPDX-License-Identifier: MIT */
/* test_golden.c - values and first and second derivatives of the elementwise rows against
 * golden/elementwise.txt (mpmath, see elementwise.py), as numbers and as one tensor a row: values
 * to 4 ulp, derivatives to 1e-12 relative. Near the roots of lgamma and digamma, and of their
 * derivatives, the argument's own last bit counts: there the scale is max(|f|, |x f'|). */
#include "ops.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200, ORDERS = 3 };

static const double absent = 0x3p-1074; /* "-" in the file, where no golden value is so small */

/* Operands; the value, the first partials, the second ones aa, ab, bb. */
typedef struct golden_row {
    int n, points;
    double x[2][MOST];
    double value[MOST], first[2][MOST], second[3][MOST];
} golden_row;

static FILE *open_golden(void) {
    const char *top = getenv("srcdir");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/elementwise.txt", top ? top : "..");
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s cannot be read", path);
    return f;
}

static double field(void) {
    const char *word = strtok(NULL, " \n");
    return word && strcmp(word, "-") != 0 ? strtod(word, NULL) : absent;
}

static void read_row(const char *name, int n, golden_row *g) {
    FILE *f = open_golden();
    char line[1024];
    memset(g, 0, sizeof *g);
    g->n = n;
    while (fgets(line, sizeof line, f)) {
        const char *word = strtok(line, " ");
        if (!word || strcmp(word, name) != 0) continue;
        int i = g->points++;
        cr_assert_lt(i, MOST);
        for (int k = 0; k < n; k++) g->x[k][i] = field();
        g->value[i] = field();
        for (int k = 0; k < n; k++) g->first[k][i] = field();
        for (int k = 0; k < (n == 1 ? 1 : 3); k++) g->second[k][i] = field();
    }
    fclose(f);
}

/* ---- what the engine says ------------------------------------------------------------------- */

static ad_value wrapped(ad_ctx *ctx, const double *x, int64_t points) {
    return points ? ad_wrap(ad_tensor_from(ctx, AD_F64, 1, &points, x)) : ad_number(*x);
}

static void read_value(ad_value v, double *x) {
    if (v.kind == AD_TENSOR)
        ad_tensor_read(v.tensor, x);
    else
        *x = v.num;
}

static void ones_for(ad_ctx *ctx, int64_t points, ad_value *seed) {
    double x[MOST];
    for (int i = 0; i < MOST; i++) x[i] = 1;
    *seed = wrapped(ctx, x, points);
}

/* Second partials of the k-th first one; into aa and ab, or ab and bb. */
static void ask_second(ad_ctx *ctx, ad_value grad, const ad_value *outer, int64_t points, int k,
                       golden_row *got, int at) {
    ad_value seed, d[2];
    if (!grad.node) return;
    ones_for(ctx, points, &seed);
    cr_assert_eq(ad_vjp(ctx, 1, &grad, &seed, got->n, outer, AD_GRAD_OWN, 0, d), AD_OK);
    for (int j = 0; j < got->n; j++) {
        if (j + k != 1 || k == 0) read_value(d[j], &got->second[j + k][at]);
        ad_release(ctx, d[j]);
    }
    ad_release(ctx, seed);
}

/* One point (points 0), or all of them. */
static void ask(ad_ctx *ctx, ad_op op, const golden_row *g, int64_t points, int at,
                golden_row *got) {
    ad_value outer[2], inner[2], y, seed, grad[2];
    for (int k = 0; k < g->n; k++) {
        ad_value x = wrapped(ctx, &g->x[k][at], points);
        cr_assert_eq(ad_leaf(ctx, x, 0, 0, &outer[k]), AD_OK);
        cr_assert_eq(ad_leaf(ctx, outer[k], 0, 0, &inner[k]), AD_OK);
        ad_release(ctx, x);
    }
    ones_for(ctx, points, &seed);
    cr_assert_eq(ad_apply(ctx, op, 0, g->n, inner, NULL, &y), AD_OK);
    cr_assert_eq(ad_vjp(ctx, 1, &y, &seed, g->n, inner, AD_GRAD_OWN, 0, grad), AD_OK);
    read_value(y, &got->value[at]);
    for (int k = 0; k < g->n; k++) {
        read_value(grad[k], &got->first[k][at]);
        ask_second(ctx, grad[k], outer, points, k, got, at);
    }
    for (int k = 0; k < g->n; k++) {
        ad_release(ctx, grad[k]);
        ad_release(ctx, inner[k]);
        ad_release(ctx, outer[k]);
    }
    ad_release(ctx, y);
    ad_release(ctx, seed);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static double ulp(double x) { return nextafter(fabs(x), INFINITY) - fabs(x); }

typedef struct verdict {
    const char *name, *way;
    bool rooted; /* lgamma, digamma */
    double worst[ORDERS];
} verdict;

static void judge(verdict *v, const golden_row *g, int i, int order, double got, double expected,
                  double slope) {
    if (expected == absent || got == expected || (isnan(got) && isnan(expected))) return;
    double scale = fabs(expected);
    if (v->rooted && slope != absent) scale = fmax(scale, fabs(g->x[0][i] * slope));
    double within = order == 0 ? 4 * ulp(scale) : 1e-12 * scale, error = fabs(got - expected);
    double relative = order == 0 ? error / ulp(scale) : error / scale;
    if (!(relative <= v->worst[order])) v->worst[order] = relative;
    cr_expect(error <= within, "%s(%.17g, %.17g) %s, order %d: %.17g, not %.17g", v->name,
              g->x[0][i], g->x[1][i], v->way, order, got, expected);
}

static void judge_all(verdict *v, const golden_row *g, const golden_row *got) {
    for (int i = 0; i < g->points; i++) {
        judge(v, g, i, 0, got->value[i], g->value[i], g->first[0][i]);
        for (int k = 0; k < g->n; k++)
            judge(v, g, i, 1, got->first[k][i], g->first[k][i], g->second[0][i]);
        for (int k = 0; k < (g->n == 1 ? 1 : 3); k++)
            judge(v, g, i, 2, got->second[k][i], g->second[k][i], absent);
    }
    printf("%s %s: %d points, worst %.2g ulp, %.2g, %.2g\n", v->name, v->way, g->points,
           v->worst[0], v->worst[1], v->worst[2]);
}

static void check_golden(const char *name) {
    static golden_row g, number, tensor;
    ad_op op = ad_op_find(name);
    read_row(name, ad_op_info(op)->min_operands, &g);
    number.n = tensor.n = g.n;
    cr_assert_geq(g.points, 30, "%s: only %d golden points", name, g.points);
    ad_ctx *ctx = ad_new(NULL);
    for (int i = 0; i < g.points; i++) ask(ctx, op, &g, 0, i, &number);
    ask(ctx, op, &g, g.points, 0, &tensor);
    ad_free(ctx);
    bool rooted = op == AD_OPID_lgamma || op == AD_OPID_digamma;
    judge_all(&(verdict){.name = name, .way = "as a number", .rooted = rooted}, &g, &number);
    judge_all(&(verdict){.name = name, .way = "in a tensor", .rooted = rooted}, &g, &tensor);
}

#define GOLDEN(name) \
    Test(golden, name) { check_golden(#name); }
GOLDEN(exp)
GOLDEN(expm1)
GOLDEN(log)
GOLDEN(log1p)
GOLDEN(log2)
GOLDEN(log10)
GOLDEN(sqrt)
GOLDEN(cbrt)
GOLDEN(sin)
GOLDEN(cos)
GOLDEN(tan)
GOLDEN(asin)
GOLDEN(acos)
GOLDEN(atan)
GOLDEN(sinh)
GOLDEN(cosh)
GOLDEN(tanh)
GOLDEN(asinh)
GOLDEN(acosh)
GOLDEN(atanh)
GOLDEN(erf)
GOLDEN(erfc)
GOLDEN(lgamma)
GOLDEN(digamma)
GOLDEN(neg)
GOLDEN(abs)
GOLDEN(mul)
GOLDEN(div)
GOLDEN(pow)
GOLDEN(hypot)
GOLDEN(atan2)
GOLDEN(xlogy)
