/* SPDX-License-Identifier: MIT */
/* kernel_reduce.c - see kernel_reduce.h. A tensor is walked as two nests of loops: kept axes
 * outside, folded axes inside ("rows"); or, where the axis of the smallest stride is kept, folded
 * axes outside and a run of kept elements inside, which feeds as many accumulators ("columns").
 * Runs are cut into blocks of 512 elements: the order of additions depends on shapes and strides
 * alone. */
#include "kernel_reduce.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 512, POLL_BLOCKS = 256 };

/* Some axes of a tensor, as a counter over their positions. */
typedef struct nest {
    int rank;
    int64_t dims[AD_MAX_RANK], strides[AD_MAX_RANK], index[AD_MAX_RANK];
    int64_t size, offset;
} nest;

static void nest_push(nest *n, int64_t dim, int64_t stride) {
    int k = n->rank;
    if (k > 0 && n->strides[k - 1] == stride * dim) { /* runs on where the outer axis steps */
        n->dims[k - 1] *= dim;
        n->strides[k - 1] = stride;
    } else if (dim != 1) {
        n->dims[k] = dim;
        n->strides[k] = stride;
        n->index[k] = 0;
        n->rank++;
    }
    n->size *= dim;
}

static void nest_step(nest *n) {
    for (int i = n->rank - 1; i >= 0; i--) {
        n->offset += n->strides[i];
        if (++n->index[i] < n->dims[i]) return;
        n->offset -= n->strides[i] * n->dims[i];
        n->index[i] = 0;
    }
}

/* Takes the innermost axis off: the run. */
static void nest_pop(nest *n, int64_t *dim, int64_t *stride) {
    *dim = 1;
    *stride = 1;
    if (n->rank == 0) return;
    n->rank--;
    *dim = n->dims[n->rank];
    *stride = n->strides[n->rank];
    n->size = 1;
    for (int i = 0; i < n->rank; i++) n->size *= n->dims[i];
}

static void split_axes(const ad_tensor *x, uint32_t set, nest *kept, nest *folded) {
    memset(kept, 0, sizeof *kept);
    memset(folded, 0, sizeof *folded);
    kept->size = folded->size = 1;
    const int64_t *strides = ad_strides(x);
    for (int i = 0; i < x->rank; i++)
        nest_push((set >> i & 1U) ? folded : kept, x->dims[i], strides[i]);
}

const double *ad_load_run(const ad_tensor *x, int64_t offset, int64_t n, int64_t stride,
                          double *buf) {
    if (x->dtype == AD_F64) {
        const double *p = (const double *)x->data + offset;
        if (stride == 1) return p;
        for (int64_t i = 0; i < n; i++) buf[i] = p[i * stride];
    } else if (x->dtype == AD_F32) {
        const float *p = (const float *)x->data + offset;
        for (int64_t i = 0; i < n; i++) buf[i] = (double)p[i * stride];
    } else {
        const uint8_t *p = (const uint8_t *)x->data + offset;
        for (int64_t i = 0; i < n; i++) buf[i] = p[i * stride] != 0 ? 1.0 : 0.0;
    }
    return buf;
}

/* ---- one step of each fold ---------------------------------------------------------------- */

static inline double larger(double a, double b) { return a > b || isnan(a) ? a : b; }

static inline double smaller(double a, double b) { return a < b || isnan(a) ? a : b; }

static inline double fold1(ad_reduction kind, double acc, double x, double p) {
    switch (kind) {
    case AD_RED_SUM: return acc + x;
    case AD_RED_PROD: return acc * x;
    case AD_RED_MAX: return larger(acc, x);
    case AD_RED_MIN: return smaller(acc, x);
    case AD_RED_SQUARES: return acc + (x * p) * (x * p);
    case AD_RED_SPREAD: return acc + (x - p) * (x - p);
    case AD_RED_SUMEXP: return acc + exp(x - p);
    case AD_RED_COUNT: return acc + (x != 0.0 ? 1.0 : 0.0);
    case AD_RED_COUNT0: return acc + (x == 0.0 ? 1.0 : 0.0);
    }
    return acc;
}

static double identity_of(ad_reduction kind) {
    switch (kind) {
    case AD_RED_PROD: return 1.0;
    case AD_RED_MAX: return -INFINITY;
    case AD_RED_MIN: return INFINITY;
    default: return 0.0;
    }
}

/* Eight accumulators let the compiler use vectors without reordering at will. */
#define FOLD_RUN(name, KIND)                                                                       \
    static double name(const double *x, int64_t n, double p) {                                     \
        double e = identity_of(KIND), a[8] = {e, e, e, e, e, e, e, e};                             \
        int64_t i = 0;                                                                             \
        for (; i + 8 <= n; i += 8)                                                                 \
            for (int k = 0; k < 8; k++) a[k] = fold1(KIND, a[k], x[i + k], p);                     \
        for (int k = 0; i < n; i++, k++) a[k] = fold1(KIND, a[k], x[i], p);                        \
        for (int h = 4; h > 0; h /= 2)                                                             \
            for (int k = 0; k < h; k++) a[k] = join(KIND, a[k], a[k + h]);                         \
        return a[0];                                                                               \
    }

/* Two accumulators into one. */
static inline double join(ad_reduction kind, double a, double b) {
    switch (kind) {
    case AD_RED_PROD: return a * b;
    case AD_RED_MAX: return larger(a, b);
    case AD_RED_MIN: return smaller(a, b);
    default: return a + b;
    }
}

FOLD_RUN(run_sum, AD_RED_SUM)
FOLD_RUN(run_prod, AD_RED_PROD)
FOLD_RUN(run_max, AD_RED_MAX)
FOLD_RUN(run_min, AD_RED_MIN)
FOLD_RUN(run_squares, AD_RED_SQUARES)
FOLD_RUN(run_spread, AD_RED_SPREAD)
FOLD_RUN(run_sumexp, AD_RED_SUMEXP)
FOLD_RUN(run_count, AD_RED_COUNT)
FOLD_RUN(run_count0, AD_RED_COUNT0)

typedef double (*run_fn)(const double *x, int64_t n, double p);

static run_fn run_of(ad_reduction kind) {
    static const run_fn fns[] = {run_sum,    run_prod,   run_max,   run_min,   run_squares,
                                 run_spread, run_sumexp, run_count, run_count0};
    return fns[kind];
}

#define FOLD_COLUMN(KIND)                                                                          \
    case KIND:                                                                                     \
        for (int64_t j = 0; j < n; j++)                                                            \
            acc[j] = fold1(KIND, acc[j], x[j], p != NULL ? p[j] : 0.0);                            \
        break;

static void fold_column(ad_reduction kind, double *acc, const double *x, int64_t n,
                        const double *p) {
    switch (kind) {
        FOLD_COLUMN(AD_RED_SUM)
        FOLD_COLUMN(AD_RED_PROD)
        FOLD_COLUMN(AD_RED_MAX)
        FOLD_COLUMN(AD_RED_MIN)
        FOLD_COLUMN(AD_RED_SQUARES)
        FOLD_COLUMN(AD_RED_SPREAD)
        FOLD_COLUMN(AD_RED_SUMEXP)
        FOLD_COLUMN(AD_RED_COUNT)
        FOLD_COLUMN(AD_RED_COUNT0)
    }
}

/* ---- the two walks ------------------------------------------------------------------------ */

static double fold_run(ad_reduction kind, const ad_tensor *x, int64_t offset, int64_t n,
                       int64_t stride, double acc, double p) {
    double buf[BLOCK];
    run_fn fn = run_of(kind);
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        const double *v = ad_load_run(x, offset + i * stride, m, stride, buf);
        acc = join(kind, acc, fn(v, m, p));
    }
    return acc;
}

static ad_status reduce_rows(ad_ctx *ctx, ad_reduction kind, const ad_tensor *x, nest *kept,
                             nest *folded, const double *param, double *out) {
    int64_t run, stride, work = 0;
    nest_pop(folded, &run, &stride);
    const int64_t polled = (int64_t)POLL_BLOCKS * BLOCK;
    for (int64_t o = 0; o < kept->size; o++, nest_step(kept)) {
        double acc = identity_of(kind), p = param != NULL ? param[o] : 0.0;
        for (int64_t f = 0; f < folded->size; f++, nest_step(folded)) {
            int64_t base = kept->offset + folded->offset;
            for (int64_t i = 0; i < run; i += polled) {
                int64_t m = run - i < polled ? run - i : polled;
                acc = fold_run(kind, x, base + i * stride, m, stride, acc, p);
                work += m;
                if (work >= polled && ad_poll(ctx)) return AD_ERR_INTERRUPT;
                if (work >= polled) work = 0;
            }
        }
        out[o] = acc;
    }
    return AD_OK;
}

static ad_status reduce_columns(ad_ctx *ctx, ad_reduction kind, const ad_tensor *x, nest *kept,
                                nest *folded, const double *param, double *out) {
    double buf[BLOCK];
    int64_t run, stride, blocks = 0;
    nest_pop(kept, &run, &stride);
    for (int64_t o = 0; o < kept->size; o++, nest_step(kept)) {
        for (int64_t j = 0; j < run; j += BLOCK) {
            int64_t m = run - j < BLOCK ? run - j : BLOCK;
            double *acc = out + o * run + j;
            const double *p = param != NULL ? param + o * run + j : NULL;
            for (int64_t i = 0; i < m; i++) acc[i] = identity_of(kind);
            for (int64_t f = 0; f < folded->size; f++, nest_step(folded)) {
                int64_t at = kept->offset + folded->offset + j * stride;
                fold_column(kind, acc, ad_load_run(x, at, m, stride, buf), m, p);
                if (++blocks % POLL_BLOCKS == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
            }
        }
    }
    return AD_OK;
}

static int64_t magnitude(int64_t a) { return a < 0 ? -a : a; }

ad_status ad_reduce(ad_ctx *ctx, ad_reduction kind, const ad_tensor *x, uint32_t set,
                    const double *param, double *out) {
    if (set + 1 == 1U << x->rank && x->size <= BLOCK && ad_tensor_is_contiguous(x)) {
        double p = param != NULL ? *param : 0.0;
        *out = fold_run(kind, x, 0, x->size, 1, identity_of(kind), p);
        return AD_OK;
    }
    nest kept, folded;
    split_axes(x, set, &kept, &folded);
    if (kept.size == 0) return AD_OK;
    if (folded.size == 0) {
        for (int64_t i = 0; i < kept.size; i++) out[i] = identity_of(kind);
        return AD_OK;
    }
    if (kept.rank == 0 || folded.rank == 0)
        return reduce_rows(ctx, kind, x, &kept, &folded, param, out);
    int64_t across = kept.dims[kept.rank - 1], along = folded.dims[folded.rank - 1];
    bool near = magnitude(kept.strides[kept.rank - 1]) < magnitude(folded.strides[folded.rank - 1]);
    bool columns = (near && across >= 4) || (along < 8 && across >= 8);
    if (columns) return reduce_columns(ctx, kind, x, &kept, &folded, param, out);
    return reduce_rows(ctx, kind, x, &kept, &folded, param, out);
}

/* ---- along one axis ----------------------------------------------------------------------- */

static double arg_run(const ad_tensor *x, int64_t offset, int64_t n, int64_t stride, bool max) {
    double buf[BLOCK], best = NAN;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        const double *v = ad_load_run(x, offset + i * stride, m, stride, buf);
        for (int64_t k = 0; k < m; k++) {
            if (i + k > 0 && isnan(best)) return (double)at;
            bool better = max ? v[k] > best : v[k] < best;
            if (i + k == 0 || better || isnan(v[k])) {
                best = v[k];
                at = i + k;
            }
        }
    }
    return (double)at;
}

static ad_status arg_flat(ad_ctx *ctx, bool max, const ad_tensor *x, double *out) {
    int64_t index[AD_MAX_RANK] = {0}, at = 0;
    double best = NAN;
    for (int64_t i = 0; i < x->size; i++) {
        double v = ad_tensor_get(x, index);
        if (i == 0 || (!isnan(best) && (isnan(v) || (max ? v > best : v < best)))) {
            best = v;
            at = i;
        }
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dims[k]; k--) index[k] = 0;
        if ((i & 0xffff) == 0xffff && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    *out = (double)at;
    return AD_OK;
}

ad_status ad_arg_reduce(ad_ctx *ctx, bool max, const ad_tensor *x, int axis, double *out) {
    if (axis < 0 && !ad_tensor_is_contiguous(x)) return arg_flat(ctx, max, x, out);
    if (axis < 0) {
        *out = arg_run(x, 0, x->size, 1, max);
        return AD_OK;
    }
    nest kept, line;
    split_axes(x, 1U << axis, &kept, &line);
    int64_t n = x->dims[axis], stride = ad_strides(x)[axis];
    for (int64_t o = 0; o < kept.size; o++, nest_step(&kept)) {
        out[o] = arg_run(x, kept.offset, n, stride, max);
        if ((o & 0xff) == 0xff && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

static ad_status scan_line(ad_ctx *ctx, bool product, bool reverse, const ad_tensor *x, int64_t from,
                           int64_t n, int64_t stride, double *out, int64_t step) {
    double acc = product ? 1.0 : 0.0, buf;
    for (int64_t k = 0; k < n; k++) {
        int64_t i = reverse ? n - 1 - k : k;
        double v = *ad_load_run(x, from + i * stride, 1, 1, &buf);
        acc = product ? acc * v : acc + v;
        out[i * step] = acc;
        if ((k & 0xffff) == 0xffff && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

ad_status ad_scan(ad_ctx *ctx, bool product, bool reverse, const ad_tensor *x, int axis,
                  double *out) {
    int64_t outer = 1, inner = 1, n = x->dims[axis];
    for (int i = 0; i < axis; i++) outer *= x->dims[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= x->dims[i];
    nest kept, line;
    split_axes(x, 1U << axis, &kept, &line);
    for (int64_t o = 0; o < outer * inner; o++, nest_step(&kept)) {
        double *to = out + o / inner * n * inner + o % inner;
        ad_status s = scan_line(ctx, product, reverse, x, kept.offset, n, ad_strides(x)[axis], to, inner);
        if (s == AD_OK && (o & 0xff) == 0xff) s = ad_poll(ctx);
        if (s) return s;
    }
    return AD_OK;
}

/* ---- finite? ------------------------------------------------------------------------------ */

/* x - x is 0 for what is finite and nan else: two instructions for a vector. */
typedef double four __attribute__((vector_size(32)));
typedef float eight __attribute__((vector_size(32)));
typedef uint64_t bits __attribute__((vector_size(32)));

static bool is_zero(const bits *b) { return ((*b)[0] | (*b)[1] | (*b)[2] | (*b)[3]) == 0; }

bool ad_all_finite(const double *x, int64_t n) {
    bits bad = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        four a, b;
        memcpy(&a, &x[i], sizeof a);
        memcpy(&b, &x[i + 4], sizeof b);
        bad |= (bits)(a - a) | (bits)(b - b);
    }
    bool good = is_zero(&bad);
    for (; i < n; i++) good = good && isfinite(x[i]);
    return good;
}

bool ad_all_finite_f32(const float *x, int64_t n) {
    bits bad = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        eight a;
        memcpy(&a, &x[i], sizeof a);
        bad |= (bits)(a - a);
    }
    bool good = is_zero(&bad);
    for (; i < n; i++) good = good && isfinite(x[i]);
    return good;
}
