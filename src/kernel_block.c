/* SPDX-License-Identifier: MIT */
/* kernel_block.c - elementwise rows over blocks, expanded from ops_elementwise.def for vectors of f64
 * and f32. Compiled once for each vector unit with AD_ISA as the suffix of its one symbol; compiled
 * alone, it also holds the choice between them. */
#include "kernel_block.h"

#include "kernel_vector.h"

#ifndef AD_ISA
#define AD_ISA generic
#endif
#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)
#define INLINE static inline __attribute__((always_inline))

/* ---- loops -------------------------------------------------------------------------------- */

/* A rest shorter than a vector goes through a full one; what is beyond its end is never read. */
#define DEFINE_LOOPS(V, T, LANES) \
    typedef V V##_fn(V, V, V); \
    INLINE V V##_part(const T *p, int64_t n, bool uniform) { \
        if (uniform) return V##_splat(*p); \
        T t[LANES]; \
        for (int64_t i = 0; i < LANES; i++) t[i] = p[i < n ? i : 0]; \
        return V##_load(t); \
    } \
    INLINE void V##_rest(T *out, const T *a, const T *b, const T *c, int64_t n, unsigned u, V##_fn *f) { \
        T t[LANES]; \
        V##_store(t, f(V##_part(a, n, u & 1), V##_part(b, n, u & 2), V##_part(c, n, u & 4))); \
        for (int64_t i = 0; i < n; i++) out[i] = t[i]; \
    } \
    INLINE void V##_loop1(T *out, const T *a, int64_t n, V##_fn *f) { \
        V none = V##_splat(0); \
        int64_t i = 0; \
        for (; i + LANES <= n; i += LANES) V##_store(out + i, f(V##_load(a + i), none, none)); \
        if (i < n) V##_rest(out + i, a + i, a + i, a + i, n - i, 0, f); \
    } \
    INLINE void V##_loop2(T *out, const T *a, const T *b, int64_t n, unsigned u, V##_fn *f) { \
        V none = V##_splat(0); \
        int64_t i = 0; \
        if (u == 0) { \
            for (; i + LANES <= n; i += LANES) \
                V##_store(out + i, f(V##_load(a + i), V##_load(b + i), none)); \
        } else if (u == 2) { \
            V y = V##_splat(*b); \
            for (; i + LANES <= n; i += LANES) V##_store(out + i, f(V##_load(a + i), y, none)); \
        } else if (u == 1) { \
            V x = V##_splat(*a); \
            for (; i + LANES <= n; i += LANES) V##_store(out + i, f(x, V##_load(b + i), none)); \
        } \
        for (; i < n; i += LANES) \
            V##_rest(out + i, a + (u & 1 ? 0 : i), b + (u & 2 ? 0 : i), b, \
                     n - i < LANES ? n - i : LANES, u | 4, f); \
    } \
    INLINE void V##_loop3(T *out, const T *a, const T *b, const T *c, int64_t n, unsigned u, V##_fn *f) { \
        int64_t i = 0; \
        V x = V##_splat(u & 1 ? *a : 0), y = V##_splat(u & 2 ? *b : 0), z = V##_splat(u & 4 ? *c : 0); \
        for (; i + LANES <= n; i += LANES) { \
            if (!(u & 1)) x = V##_load(a + i); \
            if (!(u & 2)) y = V##_load(b + i); \
            if (!(u & 4)) z = V##_load(c + i); \
            V##_store(out + i, f(x, y, z)); \
        } \
        if (i < n) \
            V##_rest(out + i, a + (u & 1 ? 0 : i), b + (u & 2 ? 0 : i), c + (u & 4 ? 0 : i), n - i, u, f); \
    }

DEFINE_LOOPS(vd, double, VD_LANES)
DEFINE_LOOPS(vf, float, VF_LANES)

#define LOOP(V, count) PASTE(V##_loop_, count)
#define vd_loop_1(o, a, b, c, n, u, f) ((void)(b), (void)(c), (void)(u), vd_loop1(o, a, n, f))
#define vd_loop_2(o, a, b, c, n, u, f) ((void)(c), vd_loop2(o, a, b, n, u, f))
#define vd_loop_3(o, a, b, c, n, u, f) vd_loop3(o, a, b, c, n, u, f)
#define vf_loop_1(o, a, b, c, n, u, f) ((void)(b), (void)(c), (void)(u), vf_loop1(o, a, n, f))
#define vf_loop_2(o, a, b, c, n, u, f) ((void)(c), vf_loop2(o, a, b, n, u, f))
#define vf_loop_3(o, a, b, c, n, u, f) vf_loop3(o, a, b, c, n, u, f)

/* ---- kernels ------------------------------------------------------------------------------ */

#define F(name, ...) vd_##name(__VA_ARGS__)
#define K(x) vd_splat((double)(x))
#define SEL(condition, then, otherwise) vd_select(condition, then, otherwise)
#define TRUTH(condition) vd_select(condition, vd_splat(1), vd_splat(0))
#define AD_ELEMENTWISE(name, signature, count, flags, value, ...) \
    INLINE vd vd_row_##name(vd A, vd B, vd C) { \
        (void)A, (void)B, (void)C; \
        return value; \
    } \
    static void f64_##name(void *o, const void *a, const void *b, const void *c, int64_t n, unsigned u) { \
        LOOP(vd, count)((double *)o, (const double *)a, (const double *)b, (const double *)c, n, u, \
                        vd_row_##name); \
    }
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
#undef F
#undef K
#undef SEL
#undef TRUTH

#define F(name, ...) vf_##name(__VA_ARGS__)
#define K(x) vf_splat((float)(x))
#define SEL(condition, then, otherwise) vf_select(condition, then, otherwise)
#define TRUTH(condition) vf_select(condition, vf_splat(1), vf_splat(0))
#define AD_ELEMENTWISE(name, signature, count, flags, value, ...) \
    INLINE vf vf_row_##name(vf A, vf B, vf C) { \
        (void)A, (void)B, (void)C; \
        return value; \
    } \
    static void f32_##name(void *o, const void *a, const void *b, const void *c, int64_t n, unsigned u) { \
        LOOP(vf, count)((float *)o, (const float *)a, (const float *)b, (const float *)c, n, u, \
                        vf_row_##name); \
    }
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
#undef F
#undef K
#undef SEL
#undef TRUTH

/* A power with one small whole exponent for all, which is what programs write, takes no logarithm. */
#define DEFINE_POWER(name, V, T, general) \
    INLINE V V##_square(V a, V b, V c) { return (void)b, (void)c, a * a; } \
    INLINE V V##_cube(V a, V b, V c) { return (void)b, (void)c, a * a * a; } \
    static void name(void *o, const void *a, const void *b, const void *c, int64_t n, unsigned u) { \
        T e = *(const T *)b; \
        if (u == 2 && e == 2) \
            V##_loop1((T *)o, (const T *)a, n, V##_square); \
        else if (u == 2 && e == 3) \
            V##_loop1((T *)o, (const T *)a, n, V##_cube); \
        else if (u == 2 && e == 1) \
            memmove(o, a, (size_t)n * sizeof(T)); \
        else \
            general(o, a, b, c, n, u); \
    }
DEFINE_POWER(f64_power, vd, double, f64_pow)
DEFINE_POWER(f32_power, vf, float, f32_pow)

#pragma GCC diagnostic ignored "-Woverride-init"
const ad_block_table PASTE(ad_block_, AD_ISA) = {
    .isa = TEXT(AD_ISA),
    .f64 = {
#define AD_ELEMENTWISE(name, ...) [AD_OPID_##name] = f64_##name,
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
        [AD_OPID_pow] = f64_power,
    },
    .f32 = {
#define AD_ELEMENTWISE(name, ...) [AD_OPID_##name] = f32_##name,
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
        [AD_OPID_pow] = f32_power,
    },
};
