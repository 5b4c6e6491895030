/* SPDX-License-Identifier: MIT */
/* kernel_vector.h - vectors of f64 (vd) and f32 (vf) for the block kernels, as wide as the compiler's
 * flags allow: arithmetic and comparisons are C's operators, all else are functions vd_*, vf_* of the
 * names that ops_scalar.h has for doubles. Without vector flags a vector is one element. Every function
 * gives the bits of its scalar form in each lane. Only kernel_block.c includes this. */
#ifndef AD_KERNEL_VECTOR_H
#define AD_KERNEL_VECTOR_H

#include "ops_scalar.h"

#if defined(__AVX2__)
#include <sleef.h>
#endif
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && !defined(AD_NO_FMA)

enum { VD_LANES = 8, VF_LANES = 16 };
typedef __m512d vd;
typedef __m512 vf;
typedef int64_t md __attribute__((vector_size(64)));
typedef int32_t mf __attribute__((vector_size(64)));
#define VD_SLEEF(name, accuracy) Sleef_finz_##name##d8_##accuracy##avx512f
#define VF_SLEEF(name, accuracy) Sleef_finz_##name##f16_##accuracy##avx512f
static inline vd vd_splat(double x) { return _mm512_set1_pd(x); }
static inline vf vf_splat(float x) { return _mm512_set1_ps(x); }
static inline vd vd_load(const double *p) { return _mm512_loadu_pd(p); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vd_store(double *p, vd x) { _mm512_storeu_pd(p, x); }
static inline void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vd vd_select(md m, vd a, vd b) {
    return _mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)m), b, a);
}
static inline vf vf_select(mf m, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)m), b, a);
}
static inline vd vd_abs(vd x) { return _mm512_abs_pd(x); }
static inline vf vf_abs(vf x) { return _mm512_abs_ps(x); }
static inline vd vd_root(vd x) { return _mm512_sqrt_pd(x); }
static inline vf vf_root(vf x) { return _mm512_sqrt_ps(x); }
#define VD_ROUND(x, mode) _mm512_roundscale_pd(x, (mode) | _MM_FROUND_NO_EXC)
#define VF_ROUND(x, mode) _mm512_roundscale_ps(x, (mode) | _MM_FROUND_NO_EXC)
static inline bool vd_any(md m) { return _mm512_movepi64_mask((__m512i)m) != 0; }
static inline bool vf_any(mf m) { return _mm512_movepi32_mask((__m512i)m) != 0; }

#elif defined(__AVX2__) && defined(__FMA__) && !defined(AD_NO_FMA)

enum { VD_LANES = 4, VF_LANES = 8 };
typedef __m256d vd;
typedef __m256 vf;
typedef int64_t md __attribute__((vector_size(32)));
typedef int32_t mf __attribute__((vector_size(32)));
#define VD_SLEEF(name, accuracy) Sleef_finz_##name##d4_##accuracy##avx2
#define VF_SLEEF(name, accuracy) Sleef_finz_##name##f8_##accuracy##avx2
static inline vd vd_splat(double x) { return _mm256_set1_pd(x); }
static inline vf vf_splat(float x) { return _mm256_set1_ps(x); }
static inline vd vd_load(const double *p) { return _mm256_loadu_pd(p); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vd_store(double *p, vd x) { _mm256_storeu_pd(p, x); }
static inline void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vd vd_select(md m, vd a, vd b) { return _mm256_blendv_pd(b, a, (vd)m); }
static inline vf vf_select(mf m, vf a, vf b) { return _mm256_blendv_ps(b, a, (vf)m); }
static inline vd vd_abs(vd x) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x); }
static inline vf vf_abs(vf x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }
static inline vd vd_root(vd x) { return _mm256_sqrt_pd(x); }
static inline vf vf_root(vf x) { return _mm256_sqrt_ps(x); }
#define VD_ROUND(x, mode) _mm256_round_pd(x, (mode) | _MM_FROUND_NO_EXC)
#define VF_ROUND(x, mode) _mm256_round_ps(x, (mode) | _MM_FROUND_NO_EXC)
static inline bool vd_any(md m) { return _mm256_movemask_pd((vd)m) != 0; }
static inline bool vf_any(mf m) { return _mm256_movemask_ps((vf)m) != 0; }

#else

#define AD_VECTOR_IS_SCALAR 1
enum { VD_LANES = 1, VF_LANES = 1 };
typedef double vd;
typedef float vf;
typedef int md;
typedef int mf;
#define VD_SLEEF(name, accuracy) AD_SLEEF_SCALAR(name, accuracy)
#define VF_SLEEF(name, accuracy) AD_SLEEF_SCALARF(name, accuracy)
static inline vd vd_splat(double x) { return x; }
static inline vf vf_splat(float x) { return x; }
static inline vd vd_load(const double *p) { return *p; }
static inline vf vf_load(const float *p) { return *p; }
static inline void vd_store(double *p, vd x) { *p = x; }
static inline void vf_store(float *p, vf x) { *p = x; }
static inline vd vd_select(md m, vd a, vd b) { return m ? a : b; }
static inline vf vf_select(mf m, vf a, vf b) { return m ? a : b; }
static inline vd vd_abs(vd x) { return fabs(x); }
static inline vf vf_abs(vf x) { return fabsf(x); }
static inline vd vd_root(vd x) { return sqrt(x); }
static inline vf vf_root(vf x) { return sqrtf(x); }
static inline vd vd_floor(vd x) { return floor(x); }
static inline vf vf_floor(vf x) { return floorf(x); }
static inline vd vd_ceil(vd x) { return ceil(x); }
static inline vf vf_ceil(vf x) { return ceilf(x); }
static inline vd vd_round(vd x) { return rint(x); }
static inline vf vf_round(vf x) { return rintf(x); }
static inline vd vd_trunc(vd x) { return trunc(x); }
static inline vf vf_trunc(vf x) { return truncf(x); }
static inline bool vd_any(md m) { return m; }
static inline bool vf_any(mf m) { return m; }

#endif

#ifndef AD_VECTOR_IS_SCALAR
static inline vd vd_floor(vd x) { return VD_ROUND(x, _MM_FROUND_TO_NEG_INF); }
static inline vf vf_floor(vf x) { return VF_ROUND(x, _MM_FROUND_TO_NEG_INF); }
static inline vd vd_ceil(vd x) { return VD_ROUND(x, _MM_FROUND_TO_POS_INF); }
static inline vf vf_ceil(vf x) { return VF_ROUND(x, _MM_FROUND_TO_POS_INF); }
static inline vd vd_round(vd x) { return VD_ROUND(x, _MM_FROUND_TO_NEAREST_INT); }
static inline vf vf_round(vf x) { return VF_ROUND(x, _MM_FROUND_TO_NEAREST_INT); }
static inline vd vd_trunc(vd x) { return VD_ROUND(x, _MM_FROUND_TO_ZERO); }
static inline vf vf_trunc(vf x) { return VF_ROUND(x, _MM_FROUND_TO_ZERO); }
#endif

/* ---- SLEEF -------------------------------------------------------------------------------- */

#define AD_V_UNARY(name, accuracy) \
    static inline vd vd_##name(vd x) { return VD_SLEEF(name, accuracy)(x); } \
    static inline vf vf_##name(vf x) { return VF_SLEEF(name, accuracy)(x); }
AD_SLEEF_UNARY(AD_V_UNARY)
#undef AD_V_UNARY

static inline vd vd_atan2(vd y, vd x) { return VD_SLEEF(atan2, u10)(y, x); }
static inline vf vf_atan2(vf y, vf x) { return VF_SLEEF(atan2, u10)(y, x); }
static inline vd vd_hypot(vd a, vd b) { return VD_SLEEF(hypot, u05)(a, b); }
static inline vf vf_hypot(vf a, vf b) { return VF_SLEEF(hypot, u05)(a, b); }
static inline vd vd_sqrt(vd x) { return vd_root(x) + vd_splat(0); }
static inline vf vf_sqrt(vf x) { return vf_root(x) + vf_splat(0); }

/* ---- lane by lane ------------------------------------------------------------------------- */

#define LANES1(name) \
    static inline vd vd_lanes_##name(vd x) { \
        double t[VD_LANES]; \
        vd_store(t, x); \
        for (int i = 0; i < VD_LANES; i++) t[i] = ad_s_##name(t[i]); \
        return vd_load(t); \
    } \
    static inline vf vf_lanes_##name(vf x) { \
        float t[VF_LANES]; \
        vf_store(t, x); \
        for (int i = 0; i < VF_LANES; i++) t[i] = (float)ad_s_##name((double)t[i]); \
        return vf_load(t); \
    }
#define LANES2(name) \
    static inline vd vd_lanes_##name(vd x, vd y) { \
        double t[VD_LANES], u[VD_LANES]; \
        vd_store(t, x); \
        vd_store(u, y); \
        for (int i = 0; i < VD_LANES; i++) t[i] = ad_s_##name(t[i], u[i]); \
        return vd_load(t); \
    } \
    static inline vf vf_lanes_##name(vf x, vf y) { \
        float t[VF_LANES], u[VF_LANES]; \
        vf_store(t, x); \
        vf_store(u, y); \
        for (int i = 0; i < VF_LANES; i++) t[i] = (float)ad_s_##name((double)t[i], (double)u[i]); \
        return vf_load(t); \
    }
LANES1(sinh)
LANES1(cosh)
LANES1(asinh)
LANES1(acosh)
LANES1(lgamma)
LANES1(digamma)
LANES2(mod)
LANES2(polygamma)

static inline vd vd_lgamma(vd x) { return vd_lanes_lgamma(x); }
static inline vf vf_lgamma(vf x) { return vf_lanes_lgamma(x); }
static inline vd vd_digamma(vd x) { return vd_lanes_digamma(x); }
static inline vf vf_digamma(vf x) { return vf_lanes_digamma(x); }
static inline vd vd_mod(vd x, vd y) { return vd_lanes_mod(x, y); }
static inline vf vf_mod(vf x, vf y) { return vf_lanes_mod(x, y); }
static inline vd vd_polygamma(vd x, vd y) { return vd_lanes_polygamma(x, y); }
static inline vf vf_polygamma(vf x, vf y) { return vf_lanes_polygamma(x, y); }

/* SLEEF's within its good range; special.c has the others. */
#define RANGED(name, limit, limitf) \
    static inline vd vd_##name(vd x) { \
        if (vd_any(vd_abs(x) > vd_splat(limit))) return vd_lanes_##name(x); \
        return VD_SLEEF(name, u10)(x); \
    } \
    static inline vf vf_##name(vf x) { \
        vf y = VF_SLEEF(name, u10)(x); \
        if (!vf_any(vf_abs(x) > vf_splat(limitf))) return y; \
        return vf_select(vf_abs(x) > vf_splat(limitf), vf_lanes_##name(x), y); \
    }
RANGED(sinh, 700, 80)
RANGED(cosh, 700, 80)
RANGED(asinh, 0x1p500, 0x1p60F)
RANGED(acosh, 0x1p500, 0x1p60F)

/* Powers with small whole exponents, as ad_s_pow. */
static inline vd vd_pow(vd a, vd b) {
    vd y = VD_SLEEF(pow, u10)(a, b);
    y = vd_select(b == vd_splat(2), a * a, y);
    y = vd_select(b == vd_splat(1), a, y);
    y = vd_select(b == vd_splat(3), a * a * a, y);
    return vd_select(b == vd_splat(-1), vd_splat(1) / a, y);
}
static inline vf vf_pow(vf a, vf b) {
    vf y = VF_SLEEF(pow, u10)(a, b);
    y = vf_select(b == vf_splat(2), a * a, y);
    y = vf_select(b == vf_splat(1), a, y);
    y = vf_select(b == vf_splat(3), a * a * a, y);
    return vf_select(b == vf_splat(-1), vf_splat(1) / a, y);
}

#endif
