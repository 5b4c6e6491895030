/* SPDX-License-Identifier: MIT */
/* kernel_matmul.c - see kernel_matmul.h. Small products and products with a vector are loops of our
 * own (a call of OpenBLAS costs as much as a 4×4 product, and opening it 1.8 ms); larger ones go
 * to OpenBLAS in tiles of at most 256 × 2048 × 2048, cut by shape alone and polled in between.
 *
 * Strong zeros cost nothing in the usual case: the product is computed plainly, and only if the
 * result has an inf or nan (0·inf is nan, and a sum with a nan stays nan) is it computed again with
 * the products of exact zeros left out. */
#include "kernel_matmul.h"

#include "kernel_blas.h"
#include "tensor.h"

#include <math.h>
#include <string.h>

enum { TILE_M = 256, TILE_N = 2048, TILE_K = 2048, SMALL = 8 * 8 * 8, COLUMNS = 64 };

/* ---- our own loops, one expansion for each dtype ------------------------------------------ */

/* A row of c at a time, in blocks of columns with f64 accumulators. */
#define ROWS_OF(T)                                                                                 \
    static void block_##T(const T *a, int64_t as, const T *b, int64_t brs, int64_t bcs, int64_t k, \
                          int64_t n, T *restrict c) {                                              \
        double acc[COLUMNS] = {0};                                                                 \
        for (int64_t p = 0; p < k; p++) {                                                          \
            double x = (double)a[p * as];                                                          \
            const T *row = b + p * brs;                                                            \
            if (bcs == 1)                                                                          \
                for (int64_t j = 0; j < n; j++) acc[j] += x * (double)row[j];                      \
            else                                                                                   \
                for (int64_t j = 0; j < n; j++) acc[j] += x * (double)row[j * bcs];                \
        }                                                                                          \
        for (int64_t j = 0; j < n; j++) c[j] = (T)acc[j];                                          \
    }                                                                                              \
    static T dot_##T(const T *restrict a, const T *restrict b, int64_t k) {                        \
        double s[8] = {0};                                                                         \
        int64_t p = 0;                                                                             \
        for (; p + 8 <= k; p += 8)                                                                 \
            for (int i = 0; i < 8; i++) s[i] += (double)a[p + i] * (double)b[p + i];               \
        for (int i = 0; p < k; p++, i++) s[i] += (double)a[p] * (double)b[p];                      \
        return (T)(((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));             \
    }                                                                                              \
    static ad_status loops_##T(ad_ctx *ctx, const ad_matrix *a, const ad_matrix *b, T *c) {        \
        const T *pa = a->data, *pb = b->data;                                                      \
        int64_t k = a->cols, n = b->cols, work = 0;                                                \
        bool dots = a->col_step == 1 && b->row_step == 1 && (b->col_step != 1 || n == 1);          \
        for (int64_t i = 0; i < a->rows; i++) {                                                    \
            const T *row = pa + i * a->row_step;                                                   \
            for (int64_t j = 0; j < n; j += dots ? 1 : COLUMNS) {                                  \
                int64_t m = n - j < COLUMNS ? n - j : COLUMNS;                                     \
                if (dots)                                                                          \
                    c[i * n + j] = dot_##T(row, pb + j * b->col_step, k);                          \
                else                                                                               \
                    block_##T(row, a->col_step, pb + j * b->col_step, b->row_step, b->col_step, k, \
                              m, c + i * n + j);                                                   \
                work += dots ? k : m * k;                                                          \
                if (work > 1 << 19) {                                                              \
                    work = 0;                                                                      \
                    if (ad_poll(ctx)) return AD_ERR_INTERRUPT;                                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return AD_OK;                                                                              \
    }                                                                                              \
    static double masked_##T(const T *a, int64_t as, const T *b, int64_t bs, int64_t k,            \
                             int strong) {                                                         \
        double s = 0.0;                                                                            \
        for (int64_t p = 0; p < k; p++) {                                                          \
            double x = (double)a[p * as], y = (double)b[p * bs];                                   \
            if ((strong & AD_STRONG_A) && x == 0.0) continue;                                      \
            if ((strong & AD_STRONG_B) && y == 0.0) continue;                                      \
            s += x * y;                                                                            \
        }                                                                                          \
        return s;                                                                                  \
    }                                                                                              \
    static ad_status again_##T(ad_ctx *ctx, const ad_matrix *a, const ad_matrix *b, T *c,          \
                               int strong) {                                                       \
        const T *pa = a->data, *pb = b->data;                                                      \
        for (int64_t i = 0; i < a->rows; i++)                                                      \
            for (int64_t j = 0; j < b->cols; j++) {                                                \
                T *to = c + i * b->cols + j;                                                       \
                if (isfinite(*to)) continue;                                                       \
                *to = (T)masked_##T(pa + i * a->row_step, a->col_step, pb + j * b->col_step,       \
                                    b->row_step, a->cols, strong);                                 \
                if ((j & 0xff) == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;                      \
            }                                                                                      \
        return AD_OK;                                                                              \
    }

ROWS_OF(double)
ROWS_OF(float)

/* Products with a vector: the larger operand is read once, along its rows of memory. */
static ad_status column_times(ad_ctx *ctx, ad_dtype dtype, const ad_matrix *a, const ad_matrix *b,
                              void *c) {
    ad_matrix at = {a->data, a->cols, a->rows, a->col_step, a->row_step};
    ad_matrix bt = {b->data, b->cols, b->rows, b->col_step, b->row_step};
    if (dtype == AD_F64) return loops_double(ctx, &bt, &at, c);
    return loops_float(ctx, &bt, &at, c);
}

static ad_status own_loops(ad_ctx *ctx, ad_dtype dtype, const ad_matrix *a, const ad_matrix *b,
                           void *c) {
    if (b->cols == 1 && a->row_step == 1 && a->col_step != 1)
        return column_times(ctx, dtype, a, b, c); /* c has the same layout either way */
    if (dtype == AD_F64) return loops_double(ctx, a, b, c);
    return loops_float(ctx, a, b, c);
}

/* ---- OpenBLAS in tiles -------------------------------------------------------------------- */

/* A matrix as BLAS takes it: row-major, or its transpose. */
typedef struct operand {
    const char *data;
    int64_t row, col; /* bytes */
    char trans;       /* of the column-major reading */
    int ld;
    void *copy;
    size_t bytes;
} operand;

static bool fits_blas(int64_t unit, int64_t step, int64_t across, int64_t along) {
    return (unit == 1 || across <= 1) && (along <= 1 || (step >= across && step < INT32_MAX));
}

static int leading(int64_t step, int64_t across, int64_t along) {
    int64_t least = across > 1 ? across : 1;
    return (int)(along <= 1 || step < least ? least : step);
}

/* A contiguous copy where the strides do not fit. */
static ad_status copied(ad_ctx *ctx, ad_matrix *m, size_t width, operand *o) {
    o->bytes = (size_t)(m->rows * m->cols) * width;
    o->copy = ad_mem_get(ctx, o->bytes);
    if (o->copy == NULL) return ad_failed(ctx);
    char *to = o->copy;
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->cols; j++, to += width)
            memcpy(to, (const char *)m->data + (i * m->row_step + j * m->col_step) * (int64_t)width,
                   width);
    *m = (ad_matrix){o->copy, m->rows, m->cols, m->cols, 1};
    return AD_OK;
}

static ad_status prepare(ad_ctx *ctx, ad_matrix *m, size_t width, operand *o) {
    o->copy = NULL;
    bool row_major = fits_blas(m->col_step, m->row_step, m->cols, m->rows);
    bool col_major = fits_blas(m->row_step, m->col_step, m->rows, m->cols);
    if (!row_major && !col_major) {
        ad_status s = copied(ctx, m, width, o);
        if (s) return s;
        row_major = true;
    }
    o->data = m->data;
    o->row = m->row_step * (int64_t)width;
    o->col = m->col_step * (int64_t)width;
    o->trans = row_major ? 'N' : 'T';
    o->ld =
        row_major ? leading(m->row_step, m->cols, m->rows) : leading(m->col_step, m->rows, m->cols);
    return AD_OK;
}

/* c[m×n] (+)= a[m×k] b[k×n]; column-major BLAS sees the transposes: cᵀ = bᵀ aᵀ. */
static void tile(const ad_library *lib, ad_dtype dtype, const operand *a, const operand *b,
                 const int64_t at[3], const int size[3], int64_t ldc, char *c) {
    const char *pa = a->data + at[0] * a->row + at[2] * a->col;
    const char *pb = b->data + at[2] * b->row + at[1] * b->col;
    int64_t width = dtype == AD_F64 ? 8 : 4;
    void *pc = c + (at[0] * ldc + at[1]) * width;
    int ld = (int)ldc, m = size[0], n = size[1], k = size[2];
    double one = 1.0, beta = at[2] > 0 ? 1.0 : 0.0;
    float onef = 1.0F, betaf = at[2] > 0 ? 1.0F : 0.0F;
    if (dtype == AD_F64)
        lib->dgemm(&b->trans, &a->trans, &n, &m, &k, &one, (const double *)(const void *)pb, &b->ld,
                   (const double *)(const void *)pa, &a->ld, &beta, pc, &ld);
    else
        lib->sgemm(&b->trans, &a->trans, &n, &m, &k, &onef, (const float *)(const void *)pb, &b->ld,
                   (const float *)(const void *)pa, &a->ld, &betaf, pc, &ld);
}

static int at_most(int64_t left, int most) { return left < most ? (int)left : most; }

static ad_status tiles(ad_ctx *ctx, const ad_library *lib, ad_dtype dtype, const operand *a,
                       const operand *b, const ad_matrix *ma, int64_t n, void *c) {
    int64_t at[3];
    int size[3];
    for (at[1] = 0; at[1] < n; at[1] += TILE_N) {
        size[1] = at_most(n - at[1], TILE_N);
        for (at[0] = 0; at[0] < ma->rows; at[0] += TILE_M) {
            size[0] = at_most(ma->rows - at[0], TILE_M);
            for (at[2] = 0; at[2] < ma->cols; at[2] += TILE_K) {
                size[2] = at_most(ma->cols - at[2], TILE_K);
                tile(lib, dtype, a, b, at, size, n, c);
                if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
            }
        }
    }
    return AD_OK;
}

static ad_status blas(ad_ctx *ctx, const ad_library *lib, ad_dtype dtype, ad_matrix a, ad_matrix b,
                      void *c) {
    size_t width = ad_dtype_size(dtype);
    operand oa, ob = {.copy = NULL};
    ad_status s = prepare(ctx, &a, width, &oa);
    if (s == AD_OK) s = prepare(ctx, &b, width, &ob);
    if (s == AD_OK) s = tiles(ctx, lib, dtype, &oa, &ob, &a, b.cols, c);
    if (oa.copy != NULL) ad_mem_put(ctx, oa.copy, oa.bytes);
    if (ob.copy != NULL) ad_mem_put(ctx, ob.copy, ob.bytes);
    return s;
}

/* ---- one product -------------------------------------------------------------------------- */

static bool is_small(const ad_matrix *a, const ad_matrix *b) {
    if (a->rows == 1 || b->cols == 1) return true;
    return (double)a->rows * (double)a->cols * (double)b->cols <= SMALL;
}

static bool block_nonfinite(ad_dtype dtype, const void *c, int64_t n) {
    double bad = 0.0;
    float badf = 0.0F;
    if (dtype == AD_F64)
        for (int64_t i = 0; i < n; i++) bad += ((const double *)c)[i] - ((const double *)c)[i];
    else
        for (int64_t i = 0; i < n; i++) badf += ((const float *)c)[i] - ((const float *)c)[i];
    return isnan(bad) || isnan(badf);
}

ad_status ad_gemm(ad_ctx *ctx, ad_dtype dtype, ad_matrix a, ad_matrix b, void *c, int strong) {
    int64_t size = a.rows * b.cols;
    if (size == 0) return AD_OK;
    if (a.cols == 0) {
        memset(c, 0, (size_t)size * ad_dtype_size(dtype));
        return AD_OK;
    }
    const ad_library *lib = is_small(&a, &b) ? NULL : ad_library_open(ctx);
    ad_status s = lib != NULL ? blas(ctx, lib, dtype, a, b, c) : own_loops(ctx, dtype, &a, &b, c);
    if (s || strong == 0 || !block_nonfinite(dtype, c, size)) return s;
    if (dtype == AD_F64) return again_double(ctx, &a, &b, c, strong);
    return again_float(ctx, &a, &b, c, strong);
}

/* ---- batches ------------------------------------------------------------------------------ */

/* Leading axes of an operand stretched over those of c. */
static void lead_strides(const ad_tensor *t, int lead, int64_t *out) {
    int own = t->rank - 2;
    for (int i = 0; i < lead; i++) {
        int k = i - (lead - own);
        out[i] = k < 0 || t->dims[k] == 1 ? 0 : ad_strides(t)[k];
    }
}

static ad_matrix matrix_at(const ad_tensor *t, int64_t offset) {
    int m = t->rank - 2;
    const int64_t *s = ad_strides(t);
    return (ad_matrix){ad_element(t, offset), t->dims[m], t->dims[m + 1], s[m], s[m + 1]};
}

/* A contiguous stack of matrices times one matrix is one tall product. */
static bool is_tall(const ad_tensor *a, const ad_tensor *b) {
    return b->rank == 2 && a->rank > 2 && ad_tensor_is_contiguous(a);
}

ad_status ad_matmul(ad_ctx *ctx, const ad_tensor *a, const ad_tensor *b, ad_tensor *c, int strong) {
    int lead = c->rank - 2;
    ad_dtype dtype = (ad_dtype)c->dtype;
    if (c->size == 0) return AD_OK;
    if (is_tall(a, b)) {
        ad_matrix tall = {a->data, c->size / c->dims[lead + 1], a->dims[a->rank - 1],
                          a->dims[a->rank - 1], 1};
        return ad_gemm(ctx, dtype, tall, matrix_at(b, 0), c->data, strong);
    }
    int64_t sa[AD_MAX_RANK], sb[AD_MAX_RANK], index[AD_MAX_RANK] = {0}, at[2] = {0, 0};
    int64_t each = c->dims[lead] * c->dims[lead + 1];
    lead_strides(a, lead, sa);
    lead_strides(b, lead, sb);
    for (int64_t done = 0; done < c->size; done += each) {
        ad_status s = ad_gemm(ctx, dtype, matrix_at(a, at[0]), matrix_at(b, at[1]),
                              ad_element_mut(c, done), strong);
        if (s) return s;
        for (int i = lead - 1; i >= 0; i--) {
            bool wraps = ++index[i] == c->dims[i];
            at[0] += wraps ? sa[i] * (1 - c->dims[i]) : sa[i];
            at[1] += wraps ? sb[i] * (1 - c->dims[i]) : sb[i];
            if (!wraps) break;
            index[i] = 0;
        }
    }
    return AD_OK;
}
