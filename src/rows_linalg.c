/* SPDX-License-Identifier: MIT */
/* rows_linalg.c - inv, solve, det, logdet, cholesky, and what their derivatives need. All work on
 * the last two axes, batch by batch, in f64; results take the operand's dtype.
 *
 * The derivative of det is the matrix of cofactors, a polynomial that exists at singular matrices
 * too: a row of its own, computed from the singular values there. Its own derivative is written
 * with the inverse where there is one, else it is the row `cofactor_pull`, from singular values
 * again, whose own is made of products and traces. */
#include "kernel_linalg.h"
#include "kernel_matmul.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* ---- batches of square matrices ----------------------------------------------------------- */

static ad_status need_square(const ad_call *c, const ad_type *in) {
    if (in->rank >= 2 && in->dims[in->rank - 1] == in->dims[in->rank - 2]) return AD_OK;
    char text[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "`%s` takes square matrices, got %s", c->row->info.name,
                   ad_type_text(in, text));
}

AD_SHAPE(ad_shape_square) {
    ad_status s = need_square(c, in);
    *out = ad_type_reduced(in, 0, false, ad_float_dtype(1, in));
    return s;
}

AD_SHAPE(ad_shape_det) {
    ad_status s = need_square(c, in);
    if (s == AD_OK) *out = ad_type_reduced(in, 3U << (in->rank - 2), false, ad_float_dtype(1, in));
    return s;
}

/* One pass over a batch: a fresh f64 copy of the operand, a result of `each` numbers a matrix, and
 * room for LU. */
typedef struct batch {
    ad_ctx *ctx;
    ad_tensor *a, *y;
    int64_t n, count;
    int64_t *pivots;
    double *work;
    size_t pivot_bytes, work_bytes;
} batch;

static void batch_end(batch *b) {
    ad_tensor_release(b->ctx, b->a);
    ad_tensor_release(b->ctx, b->y);
    if (b->pivots != NULL) ad_mem_put(b->ctx, b->pivots, b->pivot_bytes);
    if (b->work != NULL) ad_mem_put(b->ctx, b->work, b->work_bytes);
}

static ad_tensor *fresh_f64(ad_ctx *ctx, ad_tensor *t) {
    return t->dtype == AD_F64 ? ad_tensor_copy(ctx, t) : ad_tensor_cast(ctx, t, AD_F64);
}

static ad_status batch_begin(const ad_call *c, const ad_type *type, int64_t work, batch *b) {
    ad_tensor *x = c->in[0].tensor;
    ad_type wide = *type;
    wide.dtype = AD_F64;
    *b = (batch){.ctx = c->ctx, .n = x->dims[x->rank - 1]};
    int64_t each = b->n * b->n;
    b->count = 1;
    for (int i = 0; i < x->rank - 2; i++) b->count *= x->dims[i];
    b->a = fresh_f64(c->ctx, x);
    b->y = ad_result_new(c->ctx, &wide);
    b->pivot_bytes = sizeof(int64_t) * (size_t)(b->n + 1);
    b->pivots = ad_mem_get(c->ctx, b->pivot_bytes);
    b->work_bytes = sizeof(double) * (size_t)(work * each + 4 * b->n + 1);
    b->work = ad_mem_get(c->ctx, b->work_bytes);
    if (b->a != NULL && b->y != NULL && b->pivots != NULL && b->work != NULL) return AD_OK;
    batch_end(b);
    return ad_failed(c->ctx);
}

static ad_status batch_give(batch *b, ad_status s, const ad_type *type, ad_value *out) {
    ad_tensor *y = s == AD_OK ? ad_tensor_cast(b->ctx, b->y, (ad_dtype)type->dtype) : NULL;
    ad_ctx *ctx = b->ctx;
    batch_end(b);
    return s ? s : ad_result(ctx, type, y, out);
}

static double *matrix_of(const batch *b, const ad_tensor *t, int64_t k) {
    return (double *)t->data + k * b->n * b->n;
}

static void eye(int64_t n, double *out) {
    memset(out, 0, sizeof(double) * (size_t)(n * n));
    for (int64_t i = 0; i < n; i++) out[i * n + i] = 1.0;
}

static ad_status singular(ad_ctx *ctx) {
    return ad_fail(ctx, AD_ERR_NUMERIC, 0, "the matrix is singular");
}

/* ---- inv ---------------------------------------------------------------------------------- */

AD_RUN(ad_run_inv) {
    batch b;
    ad_status s = batch_begin(c, type, 0, &b);
    if (s) return s;
    for (int64_t k = 0; s == AD_OK && k < b.count; k++) {
        double *a = matrix_of(&b, b.a, k), *y = matrix_of(&b, b.y, k);
        s = ad_lu(c->ctx, b.n, a, b.pivots);
        if (s == AD_OK && ad_lu_ratio(b.n, a) == 0.0) s = singular(c->ctx);
        if (s == AD_OK) eye(b.n, y);
        if (s == AD_OK) s = ad_lu_solve(c->ctx, b.n, a, b.pivots, b.n, y);
    }
    return batch_give(&b, s, type, out);
}

static ad_value negative(ad_rule *r, ad_value x) { return ad_rule_op1(r, AD_OP_NEG, x); }

AD_RULE(ad_vjp_inv) { /* −Yᵀ G Yᵀ */
    ad_value t = ad_rule_T(r, r->out[0]);
    ad_value g = ad_rule_matmul(r, ad_rule_matmul(r, t, r->adj[0], AD_STRONG_B), t, AD_STRONG_A);
    ad_rule_give(r, 0, negative(r, g));
}

AD_RULE(ad_jvp_inv) { /* −Y dA Y */
    ad_value y = r->out[0];
    ad_value g = ad_rule_matmul(r, ad_rule_matmul(r, y, r->tan[0], AD_STRONG_B), y, AD_STRONG_A);
    ad_rule_give(r, 0, negative(r, g));
}

/* ---- solve -------------------------------------------------------------------------------- */

static ad_type as_columns(const ad_type *b) {
    ad_type t = *b;
    if (b->rank != 1) return t;
    t.rank = 2;
    t.dims[1] = 1;
    return t;
}

/* The batch of solutions, b's vectors as columns. */
static ad_status solve_type(const ad_call *c, const ad_type *in, ad_type *full) {
    ad_status s = need_square(c, in);
    if (s) return s;
    ad_type b = as_columns(&in[1]);
    int64_t n = in[0].dims[in[0].rank - 1];
    char ta[AD_SHAPE_TEXT], tb[AD_SHAPE_TEXT];
    if (in[1].rank == 0 || b.dims[b.rank - 2] != n)
        return ad_fail(c->ctx, AD_ERR_SHAPE, 1,
                       "`solve` with %s needs %lld rows on the right, got %s",
                       ad_type_text(&in[0], ta), (long long)n, ad_type_text(&in[1], tb));
    int la = in[0].rank - 2, lb = b.rank - 2, lead = la > lb ? la : lb;
    *full = (ad_type){.dtype = (uint8_t)ad_float_dtype(2, in)};
    full->rank = (uint8_t)(lead + 2);
    full->dims[lead] = n;
    full->dims[lead + 1] = b.dims[b.rank - 1];
    for (int i = 0; i < lead; i++) {
        int64_t da = i < lead - la ? 1 : in[0].dims[i - (lead - la)];
        int64_t db = i < lead - lb ? 1 : b.dims[i - (lead - lb)];
        full->dims[i] = da == 1 ? db : da;
        if (da != db && da != 1 && db != 1)
            return ad_fail(c->ctx, AD_ERR_SHAPE, 1, "batches of %s and %s do not fit",
                           ad_type_text(&in[0], ta), ad_type_text(&in[1], tb));
    }
    return AD_OK;
}

AD_SHAPE(ad_shape_solve) {
    ad_type full;
    ad_status s = solve_type(c, in, &full);
    if (s) return s;
    uint32_t gone = in[1].rank == 1 ? 1U << (full.rank - 1) : 0;
    *out = ad_type_reduced(&full, gone, false, (ad_dtype)full.dtype);
    return AD_OK;
}

/* A fresh f64 copy of `v`, as columns if it is a vector, stretched to the leading axes of `full`.
 */
static ad_tensor *spread_copy(ad_ctx *ctx, ad_value v, const ad_type *full, bool right) {
    ad_type own = ad_tensor_type(v.tensor), t = right ? as_columns(&own) : own;
    int64_t dims[AD_MAX_RANK];
    memcpy(dims, full->dims, sizeof dims);
    dims[full->rank - 1] = t.dims[t.rank - 1];
    ad_tensor *shaped = ad_tensor_reshape(ctx, v.tensor, t.rank, t.dims, 0);
    ad_tensor *wide = shaped != NULL ? ad_tensor_expand(ctx, shaped, full->rank, dims) : NULL;
    ad_tensor *copy = wide != NULL ? fresh_f64(ctx, wide) : NULL;
    ad_tensor_release(ctx, shaped);
    ad_tensor_release(ctx, wide);
    return copy;
}

/* One matrix for a whole batch is factored once. */
static ad_status solve_all(ad_ctx *ctx, ad_tensor *a, ad_tensor *b, bool shared, int64_t *pivots) {
    int64_t n = b->dims[b->rank - 2], k = b->dims[b->rank - 1], each = n * k;
    for (int64_t i = 0; each > 0 && i < b->size / each; i++) {
        double *lu = (double *)a->data + (shared ? 0 : i * n * n);
        ad_status s = i > 0 && shared ? AD_OK : ad_lu(ctx, n, lu, pivots);
        if (s == AD_OK && ad_lu_ratio(n, lu) == 0.0) s = singular(ctx);
        if (s == AD_OK) s = ad_lu_solve(ctx, n, lu, pivots, k, (double *)b->data + i * each);
        if (s) return s;
    }
    return AD_OK;
}

AD_RUN(ad_run_solve) {
    ad_type in[2] = {ad_type_of(c->in[0]), ad_type_of(c->in[1])}, full;
    ad_status s = solve_type(c, in, &full);
    if (s) return s;
    bool shared = in[0].rank == 2;
    int64_t n = full.dims[full.rank - 2];
    size_t bytes = sizeof(int64_t) * (size_t)(n + 1);
    ad_tensor *a =
        shared ? fresh_f64(c->ctx, c->in[0].tensor) : spread_copy(c->ctx, c->in[0], &full, false);
    ad_tensor *b = spread_copy(c->ctx, c->in[1], &full, true);
    int64_t *pivots = ad_mem_get(c->ctx, bytes);
    s = ad_failed(c->ctx);
    if (a != NULL && b != NULL && pivots != NULL) s = solve_all(c->ctx, a, b, shared, pivots);
    ad_tensor_release(c->ctx, a);
    if (pivots != NULL) ad_mem_put(c->ctx, pivots, bytes);
    ad_tensor *y = s == AD_OK ? ad_tensor_cast(c->ctx, b, (ad_dtype)full.dtype) : NULL;
    ad_tensor_release(c->ctx, b);
    return s ? s : ad_result_reshaped(c->ctx, type, y, out);
}

static ad_value solved(ad_rule *r, ad_value a, ad_value b) {
    return ad_rule_op2(r, AD_OPID_solve, a, b);
}

/* Results and right sides as columns. */
static ad_value columns(ad_rule *r, ad_value v) {
    ad_type t = ad_rule_type(r, v);
    if (r->in_type[1].rank != 1) return v;
    int64_t one[AD_MAX_RANK + 1];
    memcpy(one, t.dims, sizeof(int64_t) * t.rank);
    one[t.rank] = 1;
    return ad_rule_ints(r, AD_OPID_reshape, v, t.rank + 1, one);
}

AD_RULE(ad_vjp_solve) { /* gB = A⁻ᵀ G, gA = −gB Xᵀ */
    ad_value g = solved(r, ad_rule_T(r, r->in[0]), columns(r, r->adj[0]));
    if (r->need[0]) {
        ad_value ga = ad_rule_matmul(r, g, ad_rule_T(r, columns(r, r->out[0])), AD_STRONG_A);
        ad_rule_give(r, 0, negative(r, ad_rule_sum_to(r, ga, &r->in_type[0])));
    }
    if (r->need[1]) {
        ad_type b = as_columns(&r->in_type[1]);
        ad_rule_give(r, 1, ad_rule_reshape(r, ad_rule_sum_to(r, g, &b), &r->in_type[1]));
    }
}

AD_RULE(ad_jvp_solve) { /* A⁻¹ (dB − dA X) */
    if (r->need[1]) {
        ad_value v =
            solved(r, r->in[0], r->in_type[1].rank == 1 ? columns(r, r->tan[1]) : r->tan[1]);
        ad_rule_give(r, 0, ad_rule_reshape(r, v, &r->out_type[0]));
    }
    if (!r->need[0]) return;
    ad_value v = ad_rule_matmul(r, r->tan[0], columns(r, r->out[0]), AD_STRONG_A);
    v = negative(r, solved(r, r->in[0], v));
    ad_rule_give(r, 0, ad_rule_reshape(r, v, &r->out_type[0]));
}

/* ---- det, logdet -------------------------------------------------------------------------- */

static ad_status run_det(const ad_call *c, bool log_of, const ad_type *type, ad_value *out) {
    batch b;
    ad_status s = batch_begin(c, type, 0, &b);
    if (s) return s;
    for (int64_t k = 0; s == AD_OK && k < b.count; k++) {
        double *a = matrix_of(&b, b.a, k), *y = (double *)b.y->data + k, sign;
        s = ad_lu(c->ctx, b.n, a, b.pivots);
        if (s) break;
        ad_lu_det(b.n, a, b.pivots, &sign, y);
        if (!log_of)
            *y = ad_lu_product(b.n, a, b.pivots);
        else if (sign < 0.0)
            *y = NAN;
    }
    return batch_give(&b, s, type, out);
}

AD_RUN(ad_run_det) { return run_det(c, false, type, out); }
AD_RUN(ad_run_logdet) { return run_det(c, true, type, out); }

/* One number a matrix as [.., 1, 1]. */
static ad_value per_matrix(ad_rule *r, ad_value v, const ad_type *matrix) {
    if (matrix->rank == 2) return v;
    ad_type t = ad_type_reduced(matrix, 3U << (matrix->rank - 2), true, AD_F64);
    return ad_rule_reshape(r, v, &t);
}

static ad_value matrix_sum(ad_rule *r, ad_value v, const ad_type *matrix) {
    ad_value s = ad_rule_reduce(r, AD_OPID_sum, v, 3U << (matrix->rank - 2));
    ad_type t = ad_type_reduced(matrix, 3U << (matrix->rank - 2), false, AD_F64);
    return ad_rule_reshape(r, s, &t);
}

static ad_value cofactors(ad_rule *r) { return ad_rule_op1(r, AD_OPID_cofactor, r->in[0]); }

AD_RULE(ad_vjp_det) {
    ad_value adj = per_matrix(r, r->adj[0], &r->in_type[0]);
    ad_rule_give(r, 0, ad_rule_mulz(r, adj, cofactors(r)));
}

AD_RULE(ad_jvp_det) {
    ad_rule_give(r, 0, matrix_sum(r, ad_rule_mulz(r, r->tan[0], cofactors(r)), &r->in_type[0]));
}

static ad_value inverse_T(ad_rule *r) {
    return ad_rule_T(r, ad_rule_op1(r, AD_OPID_inv, r->in[0]));
}

AD_RULE(ad_vjp_logdet) {
    ad_value adj = per_matrix(r, r->adj[0], &r->in_type[0]);
    ad_rule_give(r, 0, ad_rule_mulz(r, adj, inverse_T(r)));
}

AD_RULE(ad_jvp_logdet) {
    ad_rule_give(r, 0, matrix_sum(r, ad_rule_mulz(r, r->tan[0], inverse_T(r)), &r->in_type[0]));
}

/* ---- cofactors ---------------------------------------------------------------------------- */

static const double WELL = 1e-10; /* ratio of pivots from which the inverse is trusted */

static double det_sign(ad_ctx *ctx, int64_t n, const double *a, double *work, int64_t *pivots) {
    double sign = 1.0, log_abs;
    memcpy(work, a, sizeof(double) * (size_t)(n * n));
    if (ad_lu(ctx, n, work, pivots) == AD_OK) ad_lu_det(n, work, pivots, &sign, &log_abs);
    return sign;
}

/* u middle vt, all n×n. */
static ad_status sandwich(ad_ctx *ctx, int64_t n, const double *u, const double *middle,
                          const double *vt, double *work, double *out) {
    ad_matrix mu = {u, n, n, n, 1}, mm = {middle, n, n, n, 1}, mw = {work, n, n, n, 1},
              mv = {vt, n, n, n, 1};
    ad_status s = ad_gemm(ctx, AD_F64, mu, mm, work, 0);
    return s ? s : ad_gemm(ctx, AD_F64, mw, mv, out, 0);
}

/* Product of all singular values but two (equal indices: but one). */
static double product_without(int64_t n, const double *s, int64_t i, int64_t j) {
    double p = 1.0;
    for (int64_t k = 0; k < n; k++)
        if (k != i && k != j) p *= s[k];
    return p;
}

/* det(U) det(V) U diag(Π_{j≠i} s_j) Vᵀ. work: 4 matrices and n numbers. */
static ad_status cofactor_svd(ad_ctx *ctx, int64_t n, const double *a, double *work,
                              int64_t *pivots, double *out) {
    int64_t nn = n * n;
    double *u = work, *vt = u + nn, *m = vt + nn, *w = m + nn, *s = w + nn;
    ad_status status = ad_svd(ctx, n, n, a, u, s, vt);
    if (status) return status;
    double d = det_sign(ctx, n, u, w, pivots) * det_sign(ctx, n, vt, w, pivots);
    memset(m, 0, sizeof(double) * (size_t)nn);
    for (int64_t i = 0; i < n; i++) m[i * n + i] = d * product_without(n, s, i, i);
    return sandwich(ctx, n, u, m, vt, w, out);
}

/* det A · A⁻ᵀ */
static ad_status cofactor_lu(ad_ctx *ctx, int64_t n, const double *lu, const int64_t *pivots,
                             double *work, double *out) {
    double det = ad_lu_product(n, lu, pivots);
    eye(n, work);
    ad_status s = ad_lu_solve(ctx, n, lu, pivots, n, work);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) out[i * n + j] = det * work[j * n + i];
    return s;
}

AD_RUN(ad_run_cofactor) {
    batch b;
    ad_status s = batch_begin(c, type, 5, &b);
    if (s) return s;
    for (int64_t k = 0; s == AD_OK && k < b.count; k++) {
        int64_t nn = b.n * b.n;
        double *a = matrix_of(&b, b.a, k), *y = matrix_of(&b, b.y, k),
               *lu = b.work + 4 * nn + 2 * b.n;
        memcpy(lu, a, sizeof(double) * (size_t)nn);
        s = ad_lu(c->ctx, b.n, lu, b.pivots);
        if (s == AD_OK && ad_lu_ratio(b.n, lu) > WELL)
            s = cofactor_lu(c->ctx, b.n, lu, b.pivots, b.work, y);
        else if (s == AD_OK)
            s = cofactor_svd(c->ctx, b.n, a, b.work, b.pivots, y);
    }
    return batch_give(&b, s, type, out);
}

/* Is every matrix of the batch safely invertible? A plain look. */
static bool all_regular(ad_rule *r) {
    ad_type t = ad_type_of(r->in[0]);
    ad_call call = {.ctx = r->ctx, .row = r->row, .n = 1, .in = r->in};
    batch b;
    if (batch_begin(&call, &t, 0, &b)) return false;
    bool regular = true;
    for (int64_t k = 0; regular && k < b.count; k++) {
        double *a = matrix_of(&b, b.a, k);
        regular = ad_lu(r->ctx, b.n, a, b.pivots) == AD_OK && ad_lu_ratio(b.n, a) > WELL;
    }
    batch_end(&b);
    return regular;
}

/* The second derivative of det is a symmetric form: vjp and jvp are the same map,
 * G ↦ ⟨G, Z⟩ C − Z Gᵀ C with Z = A⁻ᵀ. */
static ad_value pull_cofactor(ad_rule *r, ad_value g) {
    ad_value in[2] = {r->in[0], g};
    if (!all_regular(r)) return ad_rule_op(r, AD_OPID_cofactor_pull, 2, in, NULL);
    const ad_type *t = &r->in_type[0];
    ad_value z = inverse_T(r), y = r->out[0];
    ad_value dot = per_matrix(r, matrix_sum(r, ad_rule_mulz(r, g, z), t), t);
    ad_value gy = ad_rule_matmul(r, ad_rule_T(r, g), y, AD_STRONG_A);
    ad_value zgy = ad_rule_matmul(r, z, gy, AD_STRONG_B);
    return ad_rule_op2(r, AD_OP_SUB, ad_rule_mulz(r, dot, y), zgy);
}

AD_RULE(ad_vjp_cofactor) { ad_rule_give(r, 0, pull_cofactor(r, r->adj[0])); }
AD_RULE(ad_jvp_cofactor) { ad_rule_give(r, 0, pull_cofactor(r, r->tan[0])); }

/* F = Uᵀ G V; D_ii = Σ_{j≠i} F_jj P_ij, D_ij = −F_ji P_ij; det(U) det(V) U D Vᵀ. work: 5 matrices
 * and n. */
static ad_status pull_svd(ad_ctx *ctx, int64_t n, const double *a, const double *g, double *work,
                          int64_t *pivots, double *out) {
    int64_t nn = n * n;
    double *u = work, *vt = u + nn, *f = vt + nn, *d = f + nn, *w = d + nn, *s = w + nn;
    ad_status status = ad_svd(ctx, n, n, a, u, s, vt);
    if (status) return status;
    double sign = det_sign(ctx, n, u, w, pivots) * det_sign(ctx, n, vt, w, pivots);
    ad_matrix ut = {u, n, n, 1, n}, mg = {g, n, n, n, 1}, mw = {w, n, n, n, 1},
              v = {vt, n, n, 1, n};
    status = ad_gemm(ctx, AD_F64, ut, mg, w, 0);
    if (status == AD_OK) status = ad_gemm(ctx, AD_F64, mw, v, f, 0);
    for (int64_t i = 0; i < n; i++) {
        double own = 0.0;
        for (int64_t j = 0; j < n; j++) {
            double p = sign * product_without(n, s, i, j);
            d[i * n + j] = -f[j * n + i] * p;
            if (j != i) own += f[j * n + j] * p;
        }
        d[i * n + i] = own;
    }
    return status ? status : sandwich(ctx, n, u, d, vt, w, out);
}

AD_RUN(ad_run_cofactor_pull) {
    batch b;
    ad_tensor *g = ad_tensor_as(c->ctx, c->in[1], AD_F64);
    if (g == NULL) return ad_failed(c->ctx);
    ad_status s = batch_begin(c, type, 5, &b);
    if (s) {
        ad_tensor_release(c->ctx, g);
        return s;
    }
    for (int64_t k = 0; s == AD_OK && k < b.count; k++)
        s = pull_svd(c->ctx, b.n, matrix_of(&b, b.a, k), matrix_of(&b, g, k), b.work, b.pivots,
                     matrix_of(&b, b.y, k));
    ad_tensor_release(c->ctx, g);
    return batch_give(&b, s, type, out);
}

static ad_value pull_again(ad_rule *r, ad_value g) {
    ad_value in[2] = {r->in[0], g};
    return ad_rule_op(r, AD_OPID_cofactor_pull, 2, in, NULL);
}

/* ---- third derivatives of det ------------------------------------------------------------- */

/* By Faddeev and LeVerrier the adjugate needs products of matrices and traces only: M_1 = I,
 * M_k+1 = A M_k − tr(A M_k)/k I, adj A = (−1)^(n−1) M_n. Differentiated along G and H; written
 * with words, it has derivatives of every order. Rounding grows with n. */
enum { FADDEEV_MOST = 16 };

typedef struct chain { /* a value, its derivatives along g and h, and along both */
    ad_value m, g, h, gh;
} chain;

static ad_value plus(ad_rule *r, ad_value a, ad_value b) { return ad_rule_op2(r, AD_OP_ADD, a, b); }
static ad_value times(ad_rule *r, ad_value a, ad_value b) { return ad_rule_matmul(r, a, b, 0); }

static ad_value eyes(ad_rule *r, const ad_type *t) {
    ad_tensor *y = ad_result_new(r->ctx, t);
    int64_t n = t->dims[t->rank - 1];
    if (y == NULL) {
        if (r->status == AD_OK) r->status = ad_failed(r->ctx);
        return ad_number(0.0);
    }
    for (int64_t k = 0; k < y->size; k++) {
        double x = k / n % n == k % n ? 1.0 : 0.0;
        if (t->dtype == AD_F32) ((float *)y->data)[k] = (float)x;
        else ((double *)y->data)[k] = x;
    }
    return ad_rule_own(r, ad_wrap(y));
}

/* p − tr(p)/k I */
static ad_value deflated(ad_rule *r, ad_value p, int64_t k, ad_value eye_matrix) {
    ad_value trace = per_matrix(r, ad_rule_op1(r, AD_OPID_trace, p), &r->in_type[0]);
    ad_value shift = ad_rule_scale(r, trace, 1.0 / (double)k);
    return ad_rule_op2(r, AD_OP_SUB, p, ad_rule_op2(r, AD_OP_MUL, eye_matrix, shift));
}

static chain multiplied(ad_rule *r, ad_value a, ad_value g, ad_value h, const chain *m) {
    chain p = {.m = times(r, a, m->m)};
    p.g = plus(r, times(r, g, m->m), times(r, a, m->g));
    p.h = plus(r, times(r, h, m->m), times(r, a, m->h));
    p.gh = plus(r, plus(r, times(r, g, m->h), times(r, h, m->g)), times(r, a, m->gh));
    return p;
}

/* The second derivative of the cofactors along g and h. */
static ad_value bend(ad_rule *r, ad_value g, ad_value h) {
    const ad_type *t = &r->in_type[0];
    int64_t n = t->dims[t->rank - 1];
    if (n > FADDEEV_MOST) {
        ad_rule_fail(r, AD_ERR_DEGENERATE,
                     "a third derivative of `det` is not available at a (nearly) singular matrix "
                     "larger than %d by %d", FADDEEV_MOST, FADDEEV_MOST);
        return g;
    }
    ad_value one = eyes(r, t), zero = ad_rule_zeros(r, t);
    chain m = {one, zero, zero, zero};
    for (int64_t k = 1; k < n; k++) {
        chain p = multiplied(r, r->in[0], g, h, &m);
        m = (chain){deflated(r, p.m, k, one), deflated(r, p.g, k, one), deflated(r, p.h, k, one),
                    deflated(r, p.gh, k, one)};
    }
    return ad_rule_scale(r, ad_rule_T(r, m.gh), n % 2 == 0 ? -1.0 : 1.0);
}

AD_RULE(ad_vjp_cofactor_pull) {
    if (r->need[0]) ad_rule_give(r, 0, bend(r, r->in[1], r->adj[0]));
    if (r->need[1]) ad_rule_give(r, 1, pull_again(r, r->adj[0]));
}

AD_RULE(ad_jvp_cofactor_pull) {
    if (r->need[0]) ad_rule_give(r, 0, bend(r, r->in[1], r->tan[0]));
    if (r->need[1]) ad_rule_give(r, 0, pull_again(r, r->tan[1]));
}

/* ---- cholesky ----------------------------------------------------------------------------- */

/* Refuses what is plainly not symmetric; small differences (of a difference quotient, or rounding)
 * are evened out. */
ad_status ad_check_symmetric(ad_ctx *ctx, int64_t n, const double *a) {
    double top = 0.0;
    for (int64_t i = 0; i < n * n; i++)
        if (fabs(a[i]) > top) top = fabs(a[i]);
    for (int64_t i = 0; i < n; i++) {
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
        for (int64_t j = 0; j < i; j++)
            if (fabs(a[i * n + j] - a[j * n + i]) > 1e-3 * top)
                return ad_fail(
                    ctx, AD_ERR_ARGUMENT, 0,
                    "the matrix is not symmetric: [%lld, %lld] is %g and [%lld, %lld] is %g",
                    (long long)j, (long long)i, a[j * n + i], (long long)i, (long long)j,
                    a[i * n + j]);
    }
    return AD_OK;
}

AD_RUN(ad_run_cholesky) {
    batch b;
    ad_status s = batch_begin(c, type, 0, &b);
    if (s) return s;
    for (int64_t k = 0; s == AD_OK && k < b.count; k++) {
        double *a = matrix_of(&b, b.a, k), *y = matrix_of(&b, b.y, k);
        s = ad_check_symmetric(c->ctx, b.n, a);
        for (int64_t i = 0; s == AD_OK && i < b.n; i++) {
            for (int64_t j = 0; j < b.n; j++)
                y[i * b.n + j] = 0.5 * (a[i * b.n + j] + a[j * b.n + i]);
            s = ad_poll(c->ctx);
        }
        if (s == AD_OK) s = ad_cholesky(c->ctx, b.n, y);
    }
    return batch_give(&b, s, type, out);
}

static ad_value triangle(ad_rule *r, ad_value x, double k) {
    ad_arg args[AD_MAX_ARGS] = {ad_num(k)};
    return ad_rule_op(r, AD_OPID_tril, 1, &x, args);
}

/* The lower triangle with half the diagonal. */
static ad_value half_tril(ad_rule *r, ad_value x) {
    ad_value sum = ad_rule_op2(r, AD_OP_ADD, triangle(r, x, 0.0), triangle(r, x, -1.0));
    return ad_rule_scale(r, sum, 0.5);
}

static ad_value symmetric_part(ad_rule *r, ad_value x) {
    return ad_rule_scale(r, ad_rule_op2(r, AD_OP_ADD, x, ad_rule_T(r, x)), 0.5);
}

/* l⁻¹ x l⁻ᵀ, or with l transposed. */
static ad_value both_sides(ad_rule *r, ad_value l, ad_value x) {
    return ad_rule_T(r, solved(r, l, ad_rule_T(r, solved(r, l, x))));
}

AD_RULE(ad_vjp_cholesky) { /* sym(L⁻ᵀ Φ(Lᵀ G) L⁻¹) */
    ad_value lt = ad_rule_T(r, r->out[0]), g = triangle(r, r->adj[0], 0.0);
    ad_value p = half_tril(r, ad_rule_matmul(r, lt, g, AD_STRONG_B));
    ad_rule_give(r, 0, symmetric_part(r, both_sides(r, lt, p)));
}

AD_RULE(ad_jvp_cholesky) { /* L Φ(L⁻¹ dA L⁻ᵀ) */
    ad_value l = r->out[0], m = both_sides(r, l, symmetric_part(r, r->tan[0]));
    ad_rule_give(r, 0, ad_rule_matmul(r, l, half_tril(r, m), AD_STRONG_B));
}
