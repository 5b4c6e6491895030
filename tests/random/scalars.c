/* SPDX-License-Identifier: MIT */
/* scalars.c - functions with their first two derivatives, and the sweep. */
#include "scalars.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---- the functions ------------------------------------------------------------------------- */

/* ψ and its derivatives for x > 0: upwards to where the asymptotic series holds. */
static double psi(int order, double x) {
    double sum = 0, z;
    for (; x < 30; x += 1) sum += order == 0 ? -1 / x : order == 1 ? 1 / (x * x) : -2 / (x * x * x);
    z = 1 / (x * x);
    if (order == 0) return sum + log(x) - 0.5 / x - z / 12 + z * z / 120 - z * z * z / 252;
    if (order == 1)
        return sum + 1 / x + z / 2 + z / x * (1.0 / 6 - z / 30 + z * z / 42 - z * z * z / 30);
    return sum - z - z / x - z * z * (0.5 - z / 6 + z * z / 6 - 0.3 * z * z * z);
}

enum kink { SMOOTH, AT_0, AT_WHOLE, AT_HALVES, POSITIVE };

/* X(name, f, f', f'', kink) */
#define TWO_OVER_ROOT_PI 1.1283791670955126
#define UNARY(X) \
    X(exp, exp(x), exp(x), exp(x), SMOOTH) \
    X(expm1, expm1(x), exp(x), exp(x), SMOOTH) \
    X(log, log(x), 1 / x, -1 / (x * x), SMOOTH) \
    X(log1p, log1p(x), 1 / (1 + x), -1 / ((1 + x) * (1 + x)), SMOOTH) \
    X(log2, log2(x), 1 / (M_LN2 * x), -1 / (M_LN2 * x * x), SMOOTH) \
    X(log10, log10(x), 1 / (M_LN10 * x), -1 / (M_LN10 * x * x), SMOOTH) \
    X(sqrt, sqrt(x), 0.5 / sqrt(x), -0.25 / (x * sqrt(x)), SMOOTH) \
    X(cbrt, cbrt(x), cbrt(x) / (3 * x), -2 * cbrt(x) / (9 * x * x), SMOOTH) \
    X(sin, sin(x), cos(x), -sin(x), SMOOTH) \
    X(cos, cos(x), -sin(x), -cos(x), SMOOTH) \
    X(tan, tan(x), 1 / (cos(x) * cos(x)), 2 * tan(x) / (cos(x) * cos(x)), SMOOTH) \
    X(asin, asin(x), pow(1 - x * x, -0.5), x *pow(1 - x * x, -1.5), SMOOTH) \
    X(acos, acos(x), -pow(1 - x * x, -0.5), -x *pow(1 - x * x, -1.5), SMOOTH) \
    X(atan, atan(x), 1 / (1 + x * x), -2 * x / ((1 + x * x) * (1 + x * x)), SMOOTH) \
    X(sinh, sinh(x), cosh(x), sinh(x), SMOOTH) \
    X(cosh, cosh(x), sinh(x), cosh(x), SMOOTH) \
    X(tanh, tanh(x), 1 / (cosh(x) * cosh(x)), -2 * tanh(x) / (cosh(x) * cosh(x)), SMOOTH) \
    X(asinh, asinh(x), pow(1 + x * x, -0.5), -x *pow(1 + x * x, -1.5), SMOOTH) \
    X(acosh, acosh(x), pow(x *x - 1, -0.5), -x *pow(x *x - 1, -1.5), SMOOTH) \
    X(atanh, atanh(x), 1 / (1 - x * x), 2 * x / ((1 - x * x) * (1 - x * x)), SMOOTH) \
    X(erf, erf(x), TWO_OVER_ROOT_PI *exp(-x *x), -2 * x * TWO_OVER_ROOT_PI * exp(-x * x), SMOOTH) \
    X(erfc, erfc(x), -TWO_OVER_ROOT_PI *exp(-x *x), 2 * x * TWO_OVER_ROOT_PI * exp(-x * x), \
      SMOOTH) \
    X(lgamma, lgamma(x), psi(0, x), psi(1, x), POSITIVE) \
    X(digamma, psi(0, x), psi(1, x), psi(2, x), POSITIVE) \
    X(neg, -x, -1, 0, SMOOTH) \
    X(abs, fabs(x), x < 0 ? -1 : 1, 0, AT_0) \
    X(sign, x < 0 ? -1 : 1, 0, 0, AT_0) \
    X(floor, floor(x), 0, 0, AT_WHOLE) \
    X(ceil, ceil(x), 0, 0, AT_WHOLE) \
    X(trunc, trunc(x), 0, 0, AT_WHOLE) \
    X(round, rint(x), 0, 0, AT_HALVES) \
    X(isnan, 0 * x, 0, 0, SMOOTH) \
    X(isinf, 0 * x, 0, 0, SMOOTH) \
    X(isfinite, 1 + 0 * x, 0, 0, SMOOTH) \
    X(not, x == 0, 0, 0, SMOOTH)

/* X(name, f, ∂a, ∂b, ∂aa, ∂ab, ∂bb, distance from the kink) */
#define BINARY(X) \
    X(add, a + b, 1, 1, 0, 0, 0, 1) \
    X(sub, a - b, 1, -1, 0, 0, 0, 1) \
    X(mul, a *b, b, a, 0, 1, 0, 1) \
    X(div, a / b, 1 / b, -a / (b * b), 0, -1 / (b * b), 2 * a / (b * b * b), 1) \
    X(mod, a - b * floor(a / b), 1, -floor(a / b), 0, 0, 0, \
      fmin(fabs(b), fabs(a / b - rint(a / b)))) \
    X(pow, pow(a, b), b *pow(a, b - 1), pow(a, b) * log(a), b * (b - 1) * pow(a, b - 2), \
      pow(a, b - 1) * (1 + b * log(a)), pow(a, b) * log(a) * log(a), a) \
    X(atan2, atan2(a, b), b / (a * a + b * b), -a / (a * a + b * b), \
      -2 * a * b / ((a * a + b * b) * (a * a + b * b)), \
      (a * a - b * b) / ((a * a + b * b) * (a * a + b * b)), \
      2 * a * b / ((a * a + b * b) * (a * a + b * b)), b < 0 ? fabs(a) : 1) \
    X(hypot, sqrt(a *a + b * b), a / sqrt(a * a + b * b), b / sqrt(a * a + b * b), \
      b * b * pow(a * a + b * b, -1.5), -a * b * pow(a * a + b * b, -1.5), \
      a * a * pow(a * a + b * b, -1.5), 1) \
    X(xlogy, a *log(b), log(b), a / b, 0, 1 / b, -a / (b * b), 1) \
    X(maximum, a > b ? a : b, a > b, a < b, 0, 0, 0, fabs(a - b)) \
    X(minimum, a < b ? a : b, a<b, a> b, 0, 0, 0, fabs(a - b)) \
    X(eq, a == b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(ne, a != b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(lt, a < b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(le, a <= b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(gt, a > b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(ge, a >= b, 0, 0, 0, 0, 0, fabs(a - b)) \
    X(and, a != 0 && b != 0, 0, 0, 0, 0, 0, 1) \
    X(or, a != 0 || b != 0, 0, 0, 0, 0, 0, 1)

#define U_FUNCTION(name, f0, f1, f2, kink) \
    static void u_##name(double x, double y[3]) { \
        y[0] = f0; \
        y[1] = f1; \
        y[2] = f2; \
    }
UNARY(U_FUNCTION)
#define B_FUNCTION(name, f0, fa, fb, faa, fab, fbb, distance) \
    static double b_##name(double a, double b, double y[6]) { \
        y[0] = f0; \
        y[1] = fa; \
        y[2] = fb; \
        y[3] = faa; \
        y[4] = fab; \
        y[5] = fbb; \
        return distance; \
    }
BINARY(B_FUNCTION)

#define U_ENTRY(name, f0, f1, f2, kink) {#name, u_##name, kink},
static const struct unary {
    const char *name;
    void (*f)(double x, double y[3]);
    enum kink kink;
} unary[] = {UNARY(U_ENTRY)};
#define B_ENTRY(name, ...) {#name, b_##name},
static const struct binary {
    const char *name;
    double (*f)(double a, double b, double y[6]);
} binary[] = {BINARY(B_ENTRY)};

int sc_find_unary(const char *name) {
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        if (strcmp(unary[i].name, name) == 0) return (int)i;
    return -1;
}

int sc_find_binary(const char *name) {
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
        if (strcmp(binary[i].name, name) == 0) return (int)i;
    return -1;
}

/* ---- cells --------------------------------------------------------------------------------- */

static const double margin = 0.02, largest = 60, steepest = 200, sharpest = 1000;

static int add_cell(scalars *s, cell c) {
    if (s->n == MOST_CELLS) return OUTSIDE;
    s->c[s->n] = c;
    return s->n++;
}

int sc_const(scalars *s, double x) {
    return add_cell(s, (cell){OUTSIDE, OUTSIDE, {x, 0}, {0, 0}, {0, 0}});
}

int sc_input(scalars *s, double x, double direction) {
    return add_cell(s, (cell){OUTSIDE, OUTSIDE, {x, direction}, {0, 0}, {0, 0}});
}

double sc_value(const scalars *s, int a) { return s->c[a].y.v; }

static double from_kink(enum kink kink, double x) {
    switch (kink) {
    case AT_0: return fabs(x);
    case AT_WHOLE: return fabs(x - rint(x));
    case AT_HALVES: return 0.5 - fabs(x - rint(x));
    case POSITIVE: return x - 0.3;
    default: return 1;
    }
}

int sc_unary(scalars *s, int function, int a) {
    if (a == OUTSIDE) return OUTSIDE;
    double y[3], x = s->c[a].y.v, d = s->c[a].y.d;
    unary[function].f(x, y);
    bool fine = fabs(y[0]) <= largest && fabs(y[1]) <= steepest && fabs(y[2]) <= sharpest;
    if (!fine || !(from_kink(unary[function].kink, x) > margin)) return OUTSIDE;
    return add_cell(s, (cell){a, OUTSIDE, {y[0], y[1] * d}, {y[1], y[2] * d}, {0, 0}});
}

int sc_binary(scalars *s, int function, int a, int b) {
    if (a == OUTSIDE || b == OUTSIDE) return OUTSIDE;
    double y[6], ad = s->c[a].y.d, bd = s->c[b].y.d;
    double distance = binary[function].f(s->c[a].y.v, s->c[b].y.v, y);
    for (int i = 0; i < 6; i++)
        if (!(fabs(y[i]) <= (i ? i < 3 ? steepest : sharpest : largest))) return OUTSIDE;
    if (!(distance > margin)) return OUTSIDE;
    return add_cell(s, (cell){a,
                              b,
                              {y[0], y[1] * ad + y[2] * bd},
                              {y[1], y[3] * ad + y[4] * bd},
                              {y[2], y[4] * ad + y[5] * bd}});
}

static void hand_on(dual *to, dual adjoint, dual partial) {
    to->v += adjoint.v * partial.v;
    to->d += adjoint.v * partial.d + adjoint.d * partial.v;
}

void sc_reverse(const scalars *s, int root, dual *adjoint) {
    memset(adjoint, 0, (size_t)s->n * sizeof *adjoint);
    adjoint[root].v = 1;
    for (int i = root; i >= 0; i--) {
        const cell *c = &s->c[i];
        if (c->a != OUTSIDE) hand_on(&adjoint[c->a], adjoint[i], c->pa);
        if (c->b != OUTSIDE) hand_on(&adjoint[c->b], adjoint[i], c->pb);
    }
}
