/* SPDX-License-Identifier: MIT */
/* base.h - what every room of the engine stands on: the context, errors, the allocator hook with its
 * pools, the interrupt flag. Knows nothing of shapes, tensors or tapes: their states hang below the
 * context as opaque pointers. */
#ifndef AD_BASE_H
#define AD_BASE_H

#include "ad.h"

#include <stdarg.h>

struct ad_pools;
struct ad_tape;
struct ad_fuse;
struct ad_library; /* OpenBLAS, once it is open */

struct ad_ctx {
    ad_config config;
    volatile sig_atomic_t interrupt;
    bool recording;
    struct ad_pools *pools;
    struct ad_tape *tape;
    struct ad_fuse *fuse;
    struct ad_library *library;
    ad_random_state random;
    ad_op sabotage; /* row whose derivative tests falsify, or AD_OP_NONE */
    double sabotage_factor;
    bool degenerate; /* a recorded forward sweep went through equal eigenvalues or singular values */
    ad_blame *watch; /* where sweeps note the first adjoint that is not finite, or NULL */
    ad_error error;
};

#if defined(__GNUC__)
#define AD_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define AD_LIKELY(x) __builtin_expect(!!(x), 1)
#define AD_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AD_INLINE inline __attribute__((always_inline))
#define AD_APART __attribute__((noinline)) /* what is rare does not make the usual way save registers */
#else
#define AD_PRINTF(a, b)
#define AD_LIKELY(x) (x)
#define AD_UNLIKELY(x) (x)
#define AD_INLINE inline
#define AD_APART
#endif

/* Sets the error and returns `status`. `operand` is the one to blame, or -1. */
ad_status ad_fail(ad_ctx *ctx, ad_status status, int operand, const char *format, ...) AD_PRINTF(4, 5);
/* Adds the hint to the error that is set. */
void ad_hint(ad_ctx *ctx, const char *format, ...) AD_PRINTF(2, 3);
ad_status ad_fail_memory(ad_ctx *ctx, size_t bytes);
/* What to return after a call that gave NULL: it has set the error, mostly for want of memory, but
 * copies look at the interrupt flag too. */
static inline ad_status ad_failed(const ad_ctx *ctx) {
    return ctx->error.status ? ctx->error.status : AD_ERR_MEMORY;
}

/* True if the product does not fit. */
static inline bool ad_mul_overflow(size_t a, size_t b, size_t *out) {
    return __builtin_mul_overflow(a, b, out);
}

static inline ad_status ad_poll(ad_ctx *ctx) {
    if (AD_LIKELY(!ctx->interrupt)) return AD_OK;
    return ad_fail(ctx, AD_ERR_INTERRUPT, -1, "interrupted");
}

/* Life of the rooms' states, called by ad_new and ad_free in this order / the reverse. */
ad_status ad_pools_open(ad_ctx *ctx);
void ad_pools_close(ad_ctx *ctx);
ad_status ad_tape_open(ad_ctx *ctx);
void ad_tape_close(ad_ctx *ctx);
ad_status ad_fuse_open(ad_ctx *ctx);
void ad_fuse_close(ad_ctx *ctx);
void ad_library_close(ad_ctx *ctx);

#endif
