/* SPDX-License-Identifier: MIT */
/* ops_scalar.h - elementwise rows for doubles, inline: the value and the partials of each row as a
 * function of its own, expanded from ops_elementwise.def, and what the sweeps of scalars need.
 *
 * The functions are SLEEF's scalar forms of the very algorithms that the block kernels use as
 * vectors, so a number and an element of a tensor get the same bits. Where SLEEF is wrong (sinh,
 * cosh, asinh and acosh of large arguments) or has nothing (digamma, polygamma), ours stand in
 * special.c. */
#ifndef AD_OPS_SCALAR_H
#define AD_OPS_SCALAR_H

#include "ops.h"

#include <math.h>

enum { AD_ROW_TRUTH = 256 }; /* flag of a row: its result is a bool */

/* special.c */
double ad_s_sinh(double x);
double ad_s_cosh(double x);
double ad_s_asinh(double x);
double ad_s_acosh(double x);
double ad_s_pow(double a, double b);
double ad_s_mod(double a, double b);
double ad_s_lgamma(double x);
double ad_s_digamma(double x);
double ad_s_polygamma(double n, double x);

/* On processors with fused multiply-add, which on x86-64 is taken for granted unless the build says
 * otherwise; without it the results differ in the last bits from other machines'. */
#ifdef AD_NO_FMA
#define AD_SLEEF_SCALAR(name, accuracy) Sleef_##name##d1_##accuracy##purec
#define AD_SLEEF_SCALARF(name, accuracy) Sleef_##name##f1_##accuracy##purec
#else
#define AD_SLEEF_SCALAR(name, accuracy) Sleef_finz_##name##d1_##accuracy##purecfma
#define AD_SLEEF_SCALARF(name, accuracy) Sleef_finz_##name##f1_##accuracy##purecfma
#endif

/* The functions that are taken from SLEEF as they are: X(name, accuracy). */
#define AD_SLEEF_UNARY(X) \
    X(exp, u10) X(expm1, u10) X(log, u10) X(log1p, u10) X(log2, u10) X(log10, u10) X(cbrt, u10) \
    X(sin, u10) X(cos, u10) X(tan, u10) X(asin, u10) X(acos, u10) X(atan, u10) X(tanh, u10) \
    X(atanh, u10) X(erf, u10) X(erfc, u15)

/* sleef.h shows the scalar forms only where the compiler may use AVX2 itself. There it must be taken:
 * for clang its declarations, which return `const double`, cannot stand beside others. */
#ifdef __AVX2__
#include <sleef.h>
#undef CONST
#else
#define AD_S_DECLARE(name, accuracy) \
    double AD_SLEEF_SCALAR(name, accuracy)(double); \
    float AD_SLEEF_SCALARF(name, accuracy)(float);
AD_SLEEF_UNARY(AD_S_DECLARE)
AD_S_DECLARE(sinh, u10) AD_S_DECLARE(cosh, u10) AD_S_DECLARE(asinh, u10) AD_S_DECLARE(acosh, u10)
AD_S_DECLARE(lgamma, u10)
#undef AD_S_DECLARE
double AD_SLEEF_SCALAR(pow, u10)(double, double);
float AD_SLEEF_SCALARF(pow, u10)(float, float);
double AD_SLEEF_SCALAR(atan2, u10)(double, double);
float AD_SLEEF_SCALARF(atan2, u10)(float, float);
double AD_SLEEF_SCALAR(hypot, u05)(double, double);
float AD_SLEEF_SCALARF(hypot, u05)(float, float);
#endif

#define AD_S_UNARY(name, accuracy) \
    static inline double ad_s_##name(double x) { return AD_SLEEF_SCALAR(name, accuracy)(x); }
AD_SLEEF_UNARY(AD_S_UNARY)
#undef AD_S_UNARY

static inline double ad_s_atan2(double y, double x) { return AD_SLEEF_SCALAR(atan2, u10)(y, x); }
static inline double ad_s_hypot(double a, double b) { return AD_SLEEF_SCALAR(hypot, u05)(a, b); }
/* + 0 makes the root of -0 a +0, so that its derivative is inf, not -inf. */
static inline double ad_s_sqrt(double x) { return sqrt(x) + 0.0; }
static inline double ad_s_abs(double x) { return fabs(x); }
static inline double ad_s_floor(double x) { return floor(x); }
static inline double ad_s_ceil(double x) { return ceil(x); }
static inline double ad_s_round(double x) { return rint(x); }
static inline double ad_s_trunc(double x) { return trunc(x); }

/* ---- values ------------------------------------------------------------------------------- */

#define F(name, ...) ad_s_##name(__VA_ARGS__)
#define K(x) ((double)(x))
#define SEL(condition, then, otherwise) ((condition) ? (then) : (otherwise))
#define TRUTH(condition) ((condition) ? 1.0 : 0.0)
#define AD_ELEMENTWISE(name, signature, n, flags, value, ...) \
    static inline double ad_v_##name(double A, double B, double C) { \
        (void)A, (void)B, (void)C; \
        return value; \
    }
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
#undef F
#undef K
#undef SEL
#undef TRUTH

/* ---- partials ----------------------------------------------------------------------------- */

#define ONE 1.0
#define ZERO 0.0
#define MINUS_ONE (-1.0)
#define CONST(x) (x)
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))
#define SQ(a) ad_square(a)
#define EQ(a, b) ad_v_eq(a, b, 0)
#define NE(a, b) ad_v_ne(a, b, 0)
#define LT(a, b) ad_v_lt(a, b, 0)
#define LE(a, b) ad_v_le(a, b, 0)
#define GT(a, b) ad_v_gt(a, b, 0)
#define GE(a, b) ad_v_ge(a, b, 0)
#define AND(a, b) ad_v_and(a, b, 0)
#define OR(a, b) ad_v_or(a, b, 0)
#define WHERE(c, a, b) ad_v_where(c, a, b)
#define ISFINITE(a) ad_v_isfinite(a, 0, 0)
#define MULZ(a, b) ad_v_mulz(a, b, 0)
#define POW(a, b) ad_s_pow(a, b)
#define EXP(a) ad_s_exp(a)
#define LOG(a) ad_s_log(a)
#define SQRT(a) ad_s_sqrt(a)
#define SIN(a) ad_s_sin(a)
#define COS(a) ad_s_cos(a)
#define SINH(a) ad_s_sinh(a)
#define COSH(a) ad_s_cosh(a)
#define SECH(a) ad_v_sech(a, 0, 0)
#define TANH(a) ad_s_tanh(a)
#define HYPOT(a, b) ad_s_hypot(a, b)
#define DIGAMMA(a) ad_s_digamma(a)
#define COSINE(a, b) ad_v_cosine(a, b, 0)
#define COSQUARE(a) ad_v_cosquare(a, 0, 0)
#define POLYGAMMA(n, x) ad_s_polygamma(n, x)
#define SIGN(a) ad_v_sign(a, 0, 0)
#define ROUND(a) ad_s_round(a)
#define MAXIMUM(a, b) ad_v_maximum(a, b, 0)
#define D(formula) (formula)
#define Z 0.0
#define N 0.0

static inline double ad_square(double x) { return x * x; }

#define AD_ELEMENTWISE(name, signature, n, flags, value, da, db, dc, domain, doc) \
    static inline double ad_p_##name(int k, double A, double B, double C, double Y) { \
        (void)A, (void)B, (void)C, (void)Y; \
        return k == 0 ? da : k == 1 ? db : dc; \
    }
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE

#undef ONE
#undef ZERO
#undef MINUS_ONE
#undef CONST
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef NEG
#undef SQ
#undef EQ
#undef NE
#undef LT
#undef LE
#undef GT
#undef GE
#undef AND
#undef OR
#undef WHERE
#undef ISFINITE
#undef MULZ
#undef POW
#undef EXP
#undef LOG
#undef SQRT
#undef SIN
#undef COS
#undef SINH
#undef COSH
#undef SECH
#undef TANH
#undef HYPOT
#undef DIGAMMA
#undef COSINE
#undef COSQUARE
#undef POLYGAMMA
#undef SIGN
#undef ROUND
#undef MAXIMUM
#undef D
#undef Z
#undef N

/* ---- sweeps ------------------------------------------------------------------------------- */

static inline double ad_scalar_value_inline(ad_op op, double a, double b, double c) {
    switch (op) {
#define AD_ELEMENTWISE(name, ...) \
    case AD_OPID_##name: return ad_v_##name(a, b, c);
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
    default: return NAN;
    }
}

static inline double ad_scalar_partial_inline(ad_op op, int k, double a, double b, double c, double y) {
    switch (op) {
#define AD_ELEMENTWISE(name, ...) \
    case AD_OPID_##name: return ad_p_##name(k, a, b, c, y);
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
    default: return NAN;
    }
}

/* adjoint · partial for operand k, exactly 0 where the adjoint is, and where `where` did not choose. */
static inline double ad_scalar_pull(ad_op op, int k, double adjoint, double a, double b, double c,
                                    double y) {
    if (adjoint == 0) return 0;
    if (op == AD_OPID_where) return (k == 1 && a != 0) || (k == 2 && a == 0) ? adjoint : 0;
    return adjoint * ad_scalar_partial_inline(op, k, a, b, c, y);
}

#endif
