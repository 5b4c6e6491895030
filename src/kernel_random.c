/* SPDX-License-Identifier: MIT */
/* kernel_random.c - draws. Element i of a draw is a function of (key, counter + i) alone, so the
 * beginning of a longer draw is the shorter one and no order of work can change a number. Uniform
 * numbers have 53 bits of one word; normals are Box-Muller of two words with the block kernels'
 * log and cos, which give the same bits on every machine; whole numbers are Lemire's multiplication
 * with rejection: without bias, since a counter has as many words as it takes. No state but the
 * context's key and counter, and a draw that fails leaves these alone. */
#include "kernel_random.h"

#include "kernel_block.h"
#include "tensor.h"

#include <Random123/philox.h>
#include <math.h>

typedef struct law {
    ad_distribution kind;
    double a, b;
    bool single; /* results are rounded to f32 */
    uint64_t key, range;
} law;

static inline philox4x64_ctr_t philox(uint64_t key, uint64_t counter, uint64_t attempt) {
    philox4x64_ctr_t c = {{counter, attempt, 0, 0}};
    philox4x64_key_t k = {{key, 0}};
    return philox4x64_R(10, c, k);
}

void ad_philox(uint64_t key, uint64_t counter, uint64_t attempt, uint64_t words[4]) {
    philox4x64_ctr_t c = philox(key, counter, attempt);
    for (int i = 0; i < 4; i++) words[i] = c.v[i];
}

void ad_seed(ad_ctx *ctx, uint64_t seed) { ctx->random = (ad_random_state){seed, 0}; }
ad_random_state ad_random_get(const ad_ctx *ctx) { return ctx->random; }
void ad_random_set(ad_ctx *ctx, ad_random_state state) { ctx->random = state; }

/* ---- single draws ------------------------------------------------------------------------- */

/* [0, 1) in steps of 2^-53. */
static inline double fraction(uint64_t word) { return (double)(word >> 11) * 0x1p-53; }

/* [a, b), also where rounding would reach b. */
static inline double uniform(const law *l, uint64_t word) {
    double x = l->a + (l->b - l->a) * fraction(word);
    if (l->a == l->b) return l->a;
    if (l->single && (float)x >= (float)l->b) return (double)nextafterf((float)l->b, (float)l->a);
    return x >= l->b ? nextafter(l->b, l->a) : x;
}

/* [0, range): the upper half of word * range; the few words that would favour some are left out. */
static uint64_t below(uint64_t key, uint64_t counter, uint64_t range) {
    for (uint64_t attempt = 0;; attempt++) {
        philox4x64_ctr_t words = philox(key, counter, attempt);
        for (int i = 0; i < 4; i++) {
            unsigned __int128 product = (unsigned __int128)words.v[i] * range;
            uint64_t low = (uint64_t)product;
            if (low >= range || low >= -range % range) return (uint64_t)(product >> 64);
        }
    }
}

/* ---- blocks ------------------------------------------------------------------------------- */

static void draw_normals(const law *l, uint64_t counter, int64_t n, double *out) {
    double angle[AD_BLOCK];
    for (int64_t i = 0; i < n; i++) {
        philox4x64_ctr_t words = philox(l->key, counter + (uint64_t)i, 0);
        out[i] = fraction(words.v[0]) + 0x1p-53; /* (0, 1] */
        angle[i] = 0x1.921fb54442d18p+2 * fraction(words.v[1]);
    }
    ad_block_fn *const *f = ad_block_kernels()->f64;
    f[AD_OPID_log](out, out, NULL, NULL, n, 0);
    f[AD_OPID_cos](angle, angle, NULL, NULL, n, 0);
    for (int64_t i = 0; i < n; i++) out[i] = l->a + l->b * (sqrt(-2 * out[i]) * angle[i]);
}

static void draw_block(const law *l, uint64_t counter, int64_t n, double *out) {
    if (l->kind == AD_NORMAL) {
        draw_normals(l, counter, n, out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = counter + (uint64_t)i;
        if (l->kind == AD_INTEGER) {
            out[i] = l->a + (double)below(l->key, at, l->range);
            continue;
        }
        uint64_t word = philox(l->key, at, 0).v[0];
        out[i] = l->kind == AD_UNIFORM ? uniform(l, word) : fraction(word) < l->a;
    }
}

/* ---- checks ------------------------------------------------------------------------------- */

static ad_status refuse(ad_ctx *ctx, const char *what, double x) {
    char text[32];
    ad_number_text(x, text);
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "%s %s", what, text);
}

static ad_status check_interval(ad_ctx *ctx, double a, double b, bool whole) {
    if (!isfinite(a)) return refuse(ctx, "the lower bound of a draw is finite, not", a);
    if (!isfinite(b)) return refuse(ctx, "the upper bound of a draw is finite, not", b);
    if (whole && a != floor(a)) return refuse(ctx, "the lower bound is a whole number, not", a);
    if (whole && b != floor(b)) return refuse(ctx, "the upper bound is a whole number, not", b);
    double most = whole ? 0x1p53 : 0x1p1022;
    if (fabs(a) > most) return refuse(ctx, "the lower bound is too large:", a);
    if (fabs(b) > most) return refuse(ctx, "the upper bound is too large:", b);
    if (a < b || (a == b && !whole)) return AD_OK;
    char lower[32], upper[32];
    ad_number_text(a, lower);
    ad_number_text(b, upper);
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "there is nothing to draw from %s up to %s", lower,
                   upper);
}

static ad_status check(ad_ctx *ctx, law *l) {
    switch (l->kind) {
    case AD_UNIFORM: return check_interval(ctx, l->a, l->b, false);
    case AD_INTEGER:
        if (check_interval(ctx, l->a, l->b, true) != AD_OK) return AD_ERR_ARGUMENT;
        l->range = (uint64_t)((int64_t)l->b - (int64_t)l->a);
        return AD_OK;
    case AD_NORMAL:
        if (!isfinite(l->a)) return refuse(ctx, "a mean is finite, not", l->a);
        if (l->b >= 0 && isfinite(l->b)) return AD_OK;
        return refuse(ctx, "a deviation is at least 0 and finite, not", l->b);
    case AD_BERNOULLI:
        if (l->a >= 0 && l->a <= 1) return AD_OK;
        return refuse(ctx, "a probability lies between 0 and 1; this is", l->a);
    }
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "unknown distribution");
}

/* ---- the public part ---------------------------------------------------------------------- */

static ad_status fill(ad_ctx *ctx, const law *l, ad_tensor *t) {
    double block[AD_BLOCK];
    for (int64_t at = 0; at < t->size; at += AD_BLOCK) {
        int64_t n = t->size - at < AD_BLOCK ? t->size - at : AD_BLOCK;
        draw_block(l, ctx->random.counter + (uint64_t)at, n, block);
        ad_convert(t->dtype, ad_element_mut(t, at), 1, AD_F64, block, 1, n);
        if (ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    ctx->random.counter += (uint64_t)t->size;
    return AD_OK;
}

ad_tensor *ad_random(ad_ctx *ctx, ad_distribution kind, double a, double b, ad_dtype dtype,
                     int rank, const int64_t *dims) {
    law l = {kind, a, b, dtype == AD_F32, ctx->random.key, 0};
    if (check(ctx, &l) != AD_OK) return NULL;
    ad_tensor *t = ad_tensor_new(ctx, dtype, rank, dims);
    if (!t) return NULL;
    if (fill(ctx, &l, t) == AD_OK) return t;
    ad_tensor_release(ctx, t);
    return NULL;
}

double ad_random_number(ad_ctx *ctx, ad_distribution kind, double a, double b) {
    law l = {kind, a, b, false, ctx->random.key, 0};
    double x;
    if (check(ctx, &l) != AD_OK) return NAN;
    draw_block(&l, ctx->random.counter++, 1, &x);
    return x;
}

/* Fisher-Yates from the end; the exchange at place i uses counter + i. */
static ad_status shuffle(ad_ctx *ctx, ad_tensor *t) {
    double *p = t->data;
    for (int64_t i = t->size - 1; i > 0; i--) {
        uint64_t j = below(ctx->random.key, ctx->random.counter + (uint64_t)i, (uint64_t)i + 1);
        double other = p[j];
        p[j] = p[i];
        p[i] = other;
        if ((i & 4095) == 0 && ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    ctx->random.counter += (uint64_t)t->size;
    return AD_OK;
}

ad_tensor *ad_permutation(ad_ctx *ctx, int64_t n) {
    ad_tensor *t = ad_tensor_new(ctx, AD_F64, 1, &n);
    if (!t) return NULL;
    for (int64_t i = 0; i < n; i++) ((double *)t->data)[i] = (double)i;
    if (shuffle(ctx, t) == AD_OK) return t;
    ad_tensor_release(ctx, t);
    return NULL;
}
