/* SPDX-License-Identifier: MIT */
/* special.c - scalar functions that SLEEF gets wrong or does not have: hyperbolic functions near
 * their overflow, powers with small whole exponents, the remainder with the divisor's sign, the
 * polygamma functions. Block kernels call them lane by lane. */
#include "ops_scalar.h"

#define LN2 0.69314718055994530942
#define PI 3.14159265358979323846

/* ---- hyperbolic functions ----------------------------------------------------------------- */

enum { HUGE_SINH = 700 };

double ad_s_sinh(double x) {
    if (!(fabs(x) > HUGE_SINH)) return AD_SLEEF_SCALAR(sinh, u10)(x);
    double half = ad_s_exp(0.5 * fabs(x));
    return copysign(0.5 * half * half, x);
}

double ad_s_cosh(double x) {
    if (!(fabs(x) > HUGE_SINH)) return AD_SLEEF_SCALAR(cosh, u10)(x);
    double half = ad_s_exp(0.5 * fabs(x));
    return 0.5 * half * half;
}

double ad_s_asinh(double x) {
    if (!(fabs(x) > 0x1p500)) return AD_SLEEF_SCALAR(asinh, u10)(x);
    return copysign(ad_s_log(fabs(x)) + LN2, x);
}

double ad_s_acosh(double x) {
    if (!(x > 0x1p500)) return AD_SLEEF_SCALAR(acosh, u10)(x);
    return ad_s_log(x) + LN2;
}

/* ---- arithmetic --------------------------------------------------------------------------- */

/* Small whole exponents by multiplication, which is both faster and more exact. */
double ad_s_pow(double a, double b) {
    if (b == 2) return a * a;
    if (b == 1) return a;
    if (b == 3) return a * a * a;
    if (b == -1) return 1 / a;
    return AD_SLEEF_SCALAR(pow, u10)(a, b);
}

double ad_s_mod(double a, double b) {
    double r = fmod(a, b);
    if (r == 0) return copysign(0.0, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

/* ---- gamma and its relatives -------------------------------------------------------------- */

double ad_s_lgamma(double x) {
    if (x <= 0 && x == floor(x)) return INFINITY;
    return AD_SLEEF_SCALAR(lgamma, u10)(x);
}

/* A sum carried in two doubles. */
typedef struct pair {
    double hi, lo;
} pair;

static pair pair_add(pair s, double hi, double lo) {
    double t = s.hi + hi, back = t - s.hi;
    double rest = (s.hi - (t - back)) + (hi - back);
    return (pair){t, s.lo + (rest + lo)};
}

/* -1 / x for a shifted argument x = hi + lo. */
static pair pair_add_reciprocal(pair s, double hi, double lo) {
    double q = 1 / hi;
    double rest = fma(-q, hi, 1.0) - q * lo;
    return pair_add(s, -q, -q * rest);
}

/* The asymptotic series for x ≥ 12: log x - 1/2x - Σ B₂ₖ / 2k x²ᵏ. */
static double digamma_tail(double x) {
    static const double c[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132,
                               -691.0 / 32760, 1.0 / 12, -3617.0 / 8160};
    double z = 1 / (x * x), sum = 0;
    for (int k = 7; k >= 0; k--) sum = (sum + c[k]) * z;
    return -0.5 / x - sum;
}

static double digamma_positive(double x) {
    pair s = {0, 0};
    double hi = x, lo = 0;
    while (hi < 12) {
        s = pair_add_reciprocal(s, hi, lo);
        double next = hi + 1;
        lo += hi < 1 ? hi - (next - 1) : 1 - (next - hi);
        hi = next;
    }
    s = pair_add(s, ad_s_log(hi), lo / hi);
    s = pair_add(s, digamma_tail(hi), 0);
    return s.hi + s.lo;
}

/* π cot(πx), with an exact reduction, also near its zeros. */
static double pi_cot(double x) {
    double r = x - rint(x), far = fabs(r);
    if (far <= 0.25) return PI / ad_s_tan(PI * r);
    return copysign(PI * ad_s_tan(PI * (0.5 - far)), r);
}

double ad_s_digamma(double x) {
    if (x == 0) return copysign(INFINITY, -x);
    if (x == INFINITY) return x;
    if (!(x < 0)) return digamma_positive(x);
    if (x == floor(x)) return NAN;
    if (x > -1e-3) return digamma_positive(1 + x) - 1 / x;
    return digamma_positive(1 - x) - pi_cot(x);
}

enum { MAX_ORDER = 100 };

static double factorial(int n) {
    double f = 1;
    for (int i = 2; i <= n; i++) f *= i;
    return f;
}

/* Σ over j ≥ 0 of n! / (x + j)^(n+1), for x > 0: terms up to where the asymptotic series holds,
 * (n-1)!/xⁿ + n!/2xⁿ⁺¹ + Σ B₂ₖ (2k+n-1)! / (2k)! xⁿ⁺²ᵏ. */
static double zeta_sum(int n, double x) {
    static const double bernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66,
                                       -691.0 / 2730, 7.0 / 6, -3617.0 / 510, 43867.0 / 798};
    double near = 0, t = x;
    for (; t < n + 15; t += 1) near += 1 / AD_SLEEF_SCALAR(pow, u10)(t, n + 1);
    double z = 1 / (t * t), tail = 1.0 / n + 0.5 / t;
    double term = 0.5 * (n + 1) * z; /* (2k+n-1)! / n! (2k)! t^2k */
    for (int k = 1; k <= 9; k++) {
        tail += bernoulli[k - 1] * term;
        term *= (2.0 * k + n + 1) * (2.0 * k + n) / ((2.0 * k + 2) * (2.0 * k + 1)) * z;
    }
    return factorial(n) * (near + tail / AD_SLEEF_SCALAR(pow, u10)(t, n));
}

/* The n-th derivative of π cot(πx): πⁿ⁺¹ Pₙ(cot πx), P₀ = c, Pₖ₊₁ = -(1 + c²) Pₖ'. The coefficients of
 * one Pₙ share a sign, so nothing cancels. */
static double cot_derivative(int n, double x) {
    double p[MAX_ORDER + 2] = {0, 1}, q[MAX_ORDER + 2];
    for (int k = 0; k < n; k++) {
        for (int i = 0; i <= k + 2; i++) q[i] = 0;
        for (int i = 1; i <= k + 1; i++) {
            q[i - 1] -= i * p[i];
            q[i + 1] -= i * p[i];
        }
        for (int i = 0; i <= k + 2; i++) p[i] = q[i];
    }
    double c = pi_cot(x) / PI, sum = 0;
    for (int i = n + 1; i >= 0; i--) sum = sum * c + p[i];
    return sum * AD_SLEEF_SCALAR(pow, u10)(PI, n + 1);
}

double ad_s_polygamma(double order, double x) {
    if (!(order >= 1 && order <= MAX_ORDER && order == floor(order)) || x != x) return NAN;
    int n = (int)order;
    double sign = n % 2 ? 1 : -1;
    if (x == INFINITY) return 0;
    if (x > 0) return sign * zeta_sum(n, x);
    if (x == floor(x)) return n % 2 ? INFINITY : NAN;
    return -zeta_sum(n, 1 - x) - cot_derivative(n, x);
}
