/* SPDX-License-Identifier: MIT */
/* rows_spectral.c - svd, eigh, eigvals on the last two axes, batch by batch, in f64.
 *
 * Values (eigenvalues, singular values) always have derivatives: V diag(g) Vᵀ. Single vectors of
 * equal values are not determined, so a cotangent on one of them, or a question for its tangent, is
 * AD_ERR_DEGENERATE, never an inf. Symmetric functions of equal eigenvalues have second derivatives
 * all the same: the row `spectral`. */
#include "kernel_linalg.h"
#include "kernel_matmul.h"
#include "rows_spectral.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- shapes ------------------------------------------------------------------------------- */

ad_status ad_need_matrix(const ad_call *c, const ad_type *in) {
    char text[AD_SHAPE_TEXT];
    if (in->rank >= 2) return AD_OK;
    return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "`%s` takes matrices, got %s", c->row->info.name,
                   ad_type_text(in, text));
}

ad_type ad_with_last(const ad_type *in, int64_t rows, int64_t cols) {
    ad_type t = *in;
    t.asked = 0;
    t.dtype = (uint8_t)ad_float_dtype(1, in);
    t.dims[in->rank - 2] = rows;
    t.dims[in->rank - 1] = cols;
    if (cols < 0) t.rank--;
    return t;
}

int64_t ad_smaller_side(const ad_type *in) {
    int64_t m = in->dims[in->rank - 2], n = in->dims[in->rank - 1];
    return m < n ? m : n;
}

AD_SHAPE(ad_shape_svd) {
    ad_status s = ad_need_matrix(c, in);
    if (s) return s;
    out[0] = ad_with_last(in, in->dims[in->rank - 2], ad_smaller_side(in));
    out[1] = ad_with_last(in, ad_smaller_side(in), -1);
    out[2] = ad_with_last(in, ad_smaller_side(in), in->dims[in->rank - 1]);
    return AD_OK;
}

AD_SHAPE(ad_shape_eigh) {
    ad_type square;
    ad_status s = ad_shape_square(c, in, &square);
    if (s) return s;
    out[0] = ad_with_last(in, in->dims[in->rank - 1], -1);
    out[1] = square;
    return AD_OK;
}

AD_SHAPE(ad_shape_eigvals) {
    ad_type square;
    ad_status s = ad_shape_square(c, in, &square);
    if (s == AD_OK) *out = ad_with_last(in, in->dims[in->rank - 1], -1);
    return s;
}

AD_SHAPE(ad_shape_eigvecs) { return ad_shape_square(c, in, out); }

/* ---- values ------------------------------------------------------------------------------- */

void ad_spread_end(ad_ctx *ctx, ad_spread *b) {
    ad_tensor_release(ctx, b->a);
    for (int i = 0; i < b->results; i++) ad_tensor_release(ctx, b->y[i]);
}

ad_status ad_spread_begin(const ad_call *c, const ad_type *type, int results, ad_spread *b) {
    *b = (ad_spread){.a = ad_tensor_as(c->ctx, c->in[0], AD_F64), .results = results, .count = 1};
    bool ok = b->a != NULL;
    for (int i = 0; i < results; i++) {
        ad_type wide = type[i];
        wide.dtype = AD_F64;
        b->y[i] = ad_result_new(c->ctx, &wide);
        ok = ok && b->y[i] != NULL;
    }
    if (!ok) {
        ad_spread_end(c->ctx, b);
        return ad_failed(c->ctx);
    }
    int rank = b->a->rank;
    b->m = b->a->dims[rank - 2];
    b->n = b->a->dims[rank - 1];
    b->k = b->m < b->n ? b->m : b->n;
    for (int i = 0; i < rank - 2; i++) b->count *= b->a->dims[i];
    return AD_OK;
}

ad_status ad_spread_give(const ad_call *c, ad_spread *b, ad_status s, const ad_type *type,
                             int first, int given, ad_value *out) {
    int done = 0;
    for (; s == AD_OK && done < given; done++) {
        ad_tensor *y = ad_tensor_cast(c->ctx, b->y[first + done], (ad_dtype)type[done].dtype);
        s = ad_result(c->ctx, &type[done], y, &out[done]);
        if (s) break;
    }
    if (s)
        while (done-- > 0) ad_release(c->ctx, out[done]);
    ad_spread_end(c->ctx, b);
    return s;
}

AD_RUN(ad_run_svd) {
    ad_spread b;
    ad_status s = ad_spread_begin(c, type, 3, &b);
    if (s) return s;
    for (int64_t i = 0; s == AD_OK && i < b.count; i++) {
        s = ad_svd(c->ctx, b.m, b.n, ad_spread_matrix(&b, i), ad_spread_part(&b, 0, i, b.m * b.k),
                   ad_spread_part(&b, 1, i, b.k), ad_spread_part(&b, 2, i, b.k * b.n));
        if (s == AD_OK) s = ad_poll(c->ctx);
    }
    return ad_spread_give(c, &b, s, type, 0, 3, out);
}

/* Both results of eigh; first and given choose what is handed out. */
static ad_status run_eigh(const ad_call *c, const ad_type *type, int first, int given,
                          ad_value *out) {
    ad_type in = ad_type_of(c->in[0]), both[2] = {ad_with_last(&in, in.dims[in.rank - 1], -1), in};
    ad_spread b;
    ad_status s = ad_spread_begin(c, both, 2, &b);
    if (s) return s;
    for (int64_t i = 0; s == AD_OK && i < b.count; i++) {
        s = ad_check_symmetric(c->ctx, b.n, ad_spread_matrix(&b, i));
        if (s == AD_OK)
            s = ad_eigh(c->ctx, b.n, ad_spread_matrix(&b, i), ad_spread_part(&b, 0, i, b.n),
                        ad_spread_part(&b, 1, i, b.n * b.n));
        if (s == AD_OK) s = ad_poll(c->ctx);
    }
    return ad_spread_give(c, &b, s, type, first, given, out);
}

AD_RUN(ad_run_eigh) { return run_eigh(c, type, 0, 2, out); }
AD_RUN(ad_run_eigvals) { return run_eigh(c, type, 0, 1, out); }
AD_RUN(ad_run_eigvecs) { return run_eigh(c, type, 1, 1, out); }

/* w [.., n] along rows (every row is w) or columns of [.., n, m]. */
static ad_value along(ad_rule *r, ad_value w, int64_t other, bool rows) {
    ad_type t = ad_type_of(w), wide;
    if (r->status) return w;
    int64_t n = t.dims[t.rank - 1];
    t.rank++;
    t.asked = 0;
    t.dims[t.rank - 2] = rows ? 1 : n;
    t.dims[t.rank - 1] = rows ? n : 1;
    wide = t;
    wide.dims[t.rank - 2] = rows ? other : n;
    wide.dims[t.rank - 1] = rows ? n : other;
    return ad_rule_expand(r, ad_rule_reshape(r, w, &t), &wide);
}

/* x diag(w), the columns scaled; diag(w) x, the rows scaled. */
static ad_value scale_cols(ad_rule *r, ad_value x, ad_value w) {
    ad_type t = ad_type_of(x);
    if (r->status) return x;
    return ad_rule_mulz(r, x, along(r, w, t.dims[t.rank - 2], true));
}

static ad_value scale_rows(ad_rule *r, ad_value w, ad_value x) {
    ad_type t = ad_type_of(x);
    if (r->status) return x;
    return ad_rule_mulz(r, x, along(r, w, t.dims[t.rank - 1], false));
}

static ad_value diagonal(ad_rule *r, ad_value x) {
    ad_arg args[AD_MAX_ARGS] = {ad_num(0.0)};
    return ad_rule_op(r, AD_OPID_diag, 1, &x, args);
}

static ad_value on_diagonal(ad_rule *r, ad_value w) {
    ad_type t = ad_type_of(w);
    if (r->status) return w;
    double n = (double)t.dims[t.rank - 1];
    ad_arg args[AD_MAX_ARGS] = {ad_num(0.0), ad_num(n), ad_num(n)};
    return ad_rule_op(r, AD_OPID_diag_put, 1, &w, args);
}

/* ---- equal values ------------------------------------------------------------------------- */

/* A bool tensor [.., n, n]: true on the diagonal and where two values are too close to tell their
 * vectors apart. `other` counts the pairs off the diagonal. A plain look: constant at every order.
 */
static ad_tensor *close_pairs(ad_rule *r, ad_value w, int64_t *other) {
    ad_tensor *v = ad_tensor_as(r->ctx, w, AD_F64);
    *other = 0;
    if (v == NULL) return NULL;
    int64_t dims[AD_MAX_RANK], n = v->dims[v->rank - 1];
    memcpy(dims, v->dims, sizeof(int64_t) * v->rank);
    dims[v->rank] = n;
    double relative = (ad_type_of(w).dtype == AD_F32 ? (double)FLT_EPSILON : DBL_EPSILON);
    ad_tensor *mask = ad_tensor_new(r->ctx, AD_BOOL8, v->rank + 1, dims);
    for (int64_t k = 0; mask != NULL && k < v->size; k++) {
        const double *x = (const double *)v->data + k / n * n;
        double top = fmax(fabs(x[0]), fabs(x[n - 1]));
        uint8_t *row = (uint8_t *)mask->data + k * n;
        for (int64_t j = 0; j < n; j++) {
            row[j] = fabs(x[j] - x[k % n]) <= 8.0 * relative * (double)n * top;
            *other += row[j] && j != k % n;
        }
    }
    ad_tensor_release(r->ctx, v);
    return mask;
}

/* Does a vector of a close pair have a cotangent? g [.., m, n] holds vectors as columns. */
static bool touches(ad_ctx *ctx, const ad_tensor *mask, ad_value g) {
    ad_tensor *t = ad_tensor_as(ctx, g, AD_F64);
    if (t == NULL) return true;
    int64_t n = t->dims[t->rank - 1], m = t->dims[t->rank - 2];
    bool found = false;
    for (int64_t at = 0; at < t->size && !found; at++) {
        if (((const double *)t->data)[at] == 0.0) continue;
        const uint8_t *row = (const uint8_t *)mask->data + (at / (m * n) * n + at % n) * n;
        for (int64_t j = 0; j < n; j++) found = found || (row[j] && j != at % n);
    }
    ad_tensor_release(ctx, t);
    return found;
}

/* 1 / (x_j − x_i); the diagonal and close pairs give `close`. */
static ad_value gaps(ad_rule *r, ad_value x, ad_value mask, double close) {
    ad_type t = ad_type_of(x);
    if (r->status) return x;
    int64_t n = t.dims[t.rank - 1];
    ad_value d = ad_rule_sub(r, along(r, x, n, true), along(r, x, n, false));
    d = ad_rule_where(r, mask, ad_number(1.0), d);
    ad_value f = ad_rule_op2(r, AD_OP_DIV, ad_number(1.0), d);
    return ad_rule_where(r, mask, ad_number(close), f);
}

/* The gaps for a rule. Vectors whose cotangents would need a close pair are refused. */
static ad_value checked_gaps(ad_rule *r, ad_value values, ad_value x, const ad_value *vectors,
                             int n, const char *what) {
    int64_t other;
    ad_tensor *t = r->status ? NULL : close_pairs(r, values, &other);
    if (t == NULL) {
        if (r->status == AD_OK) r->status = ad_failed(r->ctx);
        return x;
    }
    bool bad = false;
    for (int i = 0; other > 0 && i < n; i++) bad = bad || touches(r->ctx, t, vectors[i]);
    ad_value mask = ad_rule_own(r, ad_wrap(t));
    if (bad)
        ad_rule_fail(r, AD_ERR_DEGENERATE,
                     "%s are equal (degenerate), so their single vectors have no derivative", what);
    return gaps(r, x, mask, 0.0);
}

static bool all_zero(ad_rule *r, ad_value x) {
    ad_tensor *t = ad_tensor_as(r->ctx, x, AD_F64);
    bool zero = t != NULL;
    for (int64_t i = 0; zero && i < t->size; i++) zero = ((const double *)t->data)[i] == 0.0;
    ad_tensor_release(r->ctx, t);
    return zero;
}

static bool has_close(ad_rule *r, ad_value values) {
    int64_t other = 0;
    ad_tensor *t = r->status ? NULL : close_pairs(r, values, &other);
    ad_tensor_release(r->ctx, t);
    return other > 0;
}

/* Forward: are the vectors' tangents undetermined? */
static bool moves_freely(ad_rule *r, ad_value values) {
    return has_close(r, values) && !all_zero(r, r->tan[0]);
}

static const char *const EQUAL_W =
    "eigenvalues are equal (degenerate), so their single vectors have no derivative";
static const char *const EQUAL_S =
    "singular values are equal (degenerate), so their single vectors have no derivative";
static const char *const ZERO_S =
    "a singular value is 0 (degenerate), so its single vectors have no derivative";

/* ---- eigh --------------------------------------------------------------------------------- */

static ad_value symmetric(ad_rule *r, ad_value x) {
    return ad_rule_scale(r, ad_rule_add(r, x, ad_rule_T(r, x)), 0.5);
}

static ad_value eigvecs(ad_rule *r) { return ad_rule_op1(r, AD_OPID_eigvecs, r->in[0]); }

/* The direction that raises one of each set of equal eigenvalues and lowers another: u, by
 * eigenvalue. Where they are equal, first[k] is the first of k's set, else k. */
static ad_tensor *splitting(ad_rule *r, const ad_tensor *close, int64_t *first) {
    int64_t n = close->dims[close->rank - 1], count = close->size / (n > 0 ? n : 1);
    ad_tensor *u = ad_tensor_full(r->ctx, AD_F64, close->rank - 1, close->dims, 0.0);
    for (int64_t k = 0; u != NULL && k < count; k++) {
        const uint8_t *row = (const uint8_t *)close->data + k * n;
        int64_t base = k / n * n, i = k - base;
        while (i > 0 && row[i - 1]) i--;
        first[k] = base + i;
        if (k == base + i + 1) {
            ((double *)u->data)[k - 1] = 1.0;
            ((double *)u->data)[k] = -1.0;
        }
    }
    return u;
}

/* Half the difference of dg over the first two of each set, for all of the set; what g itself
 * differs there by must be rounding: else the function is not symmetric in its equal
 * eigenvalues. */
static void fill_slopes(ad_rule *r, const double *g, const double *dg, const int64_t *first,
                        int64_t count, const char *what, double *out) {
    double top = 0.0;
    for (int64_t k = 0; k < count; k++) top = fmax(top, fabs(g[k]));
    for (int64_t k = 0; k < count; k++) {
        int64_t i = first[k];
        bool alone = i == k && (k + 1 == count || first[k + 1] != k);
        out[k] = alone ? 0.0 : 0.5 * (dg[i] - dg[i + 1]);
        if (fabs(g[k] - g[i]) > 1e-8 * top)
            ad_rule_fail(r, AD_ERR_DEGENERATE,
                         "%s are equal (degenerate), and what is made of them is not "
                         "symmetric in them, so it has no second derivative", what);
    }
}

/* A matrix by its values: `left` diag(values) `right`; constants. */
typedef struct decomposed {
    ad_value left, right;
    const char *what;
} decomposed;

/* How far g_i − g_j goes with w_i − w_j where two values are equal: the limit of the quotient of
 * differences, by a forward sweep from the matrix to g. */
static ad_status find_slopes(ad_rule *r, const decomposed *d, ad_value g, const ad_tensor *close,
                             int64_t *first, ad_tensor **out) {
    ad_tensor *u = splitting(r, close, first);
    if (u == NULL) return ad_failed(r->ctx);
    ad_tensor_retain(u);
    ad_value move = ad_rule_own(r, ad_wrap(u)), dg = ad_number(0.0);
    move = ad_rule_mm(r, scale_cols(r, d->left, move), d->right);
    ad_status s = r->status;
    if (s == AD_OK && g.node != 0)
        s = ad_jvp(r->ctx, 1, &r->in[0], &move, 1, &g, 0, r->src, &dg);
    if (s == AD_OK) ad_rule_own(r, dg);
    ad_tensor *tg = s == AD_OK ? ad_tensor_as(r->ctx, g, AD_F64) : NULL;
    ad_tensor *td = NULL;
    if (tg != NULL && dg.kind == AD_TENSOR) td = ad_tensor_as(r->ctx, dg, AD_F64);
    else if (tg != NULL) td = ad_tensor_full(r->ctx, AD_F64, u->rank, u->dims, 0.0);
    ad_tensor *made = tg != NULL ? ad_tensor_full(r->ctx, AD_F64, u->rank, u->dims, 0.0) : NULL;
    if (made != NULL && td != NULL)
        fill_slopes(r, tg->data, td->data, first, u->size, d->what, made->data);
    ad_tensor_release(r->ctx, tg);
    ad_tensor_release(r->ctx, td);
    ad_tensor_release(r->ctx, u);
    *out = made;
    return s != AD_OK ? s : made != NULL ? r->status : ad_failed(r->ctx);
}

static ad_value slopes(ad_rule *r, const decomposed *d, ad_value w, ad_value g) {
    int64_t other;
    ad_tensor *close = r->status ? NULL : close_pairs(r, w, &other), *made = NULL;
    if (close == NULL) return g;
    size_t bytes = sizeof(int64_t) * (size_t)(close->size + 1);
    int64_t *first = ad_mem_get(r->ctx, bytes);
    bool was = ad_set_recording(r->ctx, false);
    ad_status s = first != NULL ? find_slopes(r, d, g, close, first, &made) : ad_failed(r->ctx);
    ad_set_recording(r->ctx, was);
    if (first != NULL) ad_mem_put(r->ctx, first, bytes);
    ad_tensor_release(r->ctx, close);
    if (r->status == AD_OK) r->status = s;
    return made != NULL ? ad_rule_own(r, ad_wrap(made)) : g;
}

/* V diag(g) Vᵀ, the cotangent of the eigenvalues alone. In a recorded sweep with equal
 * eigenvalues it is one row, which knows its limit there; V by itself has no derivative. */
static ad_value of_values(ad_rule *r, ad_value w, const ad_value *known, ad_value g) {
    if (r->in[0].node != 0 && has_close(r, w)) {
        ad_value a = r->in[0];
        a.node = 0;
        ad_value v = ad_rule_op1(r, AD_OPID_eigvecs, a);
        decomposed d = {v, ad_rule_T(r, v), "eigenvalues"};
        ad_value in[3] = {r->in[0], g, slopes(r, &d, w, g)};
        return ad_rule_op(r, AD_OPID_spectral, 3, in, NULL);
    }
    ad_value v = known != NULL ? *known : eigvecs(r);
    return symmetric(r, ad_rule_mm(r, scale_cols(r, v, g), ad_rule_T(r, v)));
}

/* sym(V (diag(gw) + F ∘ VᵀgV) Vᵀ), F_ij = 1 / (w_j − w_i) */
static ad_value of_vectors(ad_rule *r, ad_value w, ad_value v, const ad_value *gw, ad_value gv) {
    ad_value vt = ad_rule_T(r, v), f = checked_gaps(r, w, w, &gv, 1, "eigenvalues");
    ad_value middle = ad_rule_mulz(r, ad_rule_matmul(r, vt, gv, AD_STRONG_B), f);
    if (gw != NULL) middle = ad_rule_add(r, middle, on_diagonal(r, *gw));
    return symmetric(r, ad_rule_mm(r, ad_rule_mm(r, v, middle), vt));
}

AD_RULE(ad_vjp_eigh) {
    ad_value w = r->out[0], v = r->out[1];
    if (r->has_adj[1])
        ad_rule_give(r, 0, of_vectors(r, w, v, r->has_adj[0] ? &r->adj[0] : NULL, r->adj[1]));
    else if (r->has_adj[0])
        ad_rule_give(r, 0, of_values(r, w, &v, r->adj[0]));
}

AD_RULE(ad_vjp_eigvals) { ad_rule_give(r, 0, of_values(r, r->out[0], NULL, r->adj[0])); }

AD_RULE(ad_vjp_eigvecs) {
    ad_value w = ad_rule_op1(r, AD_OPID_eigvals, r->in[0]);
    ad_rule_give(r, 0, of_vectors(r, w, r->out[0], NULL, r->adj[0]));
}

/* M = Vᵀ dA V: dw = diag M, dV = V (F ∘ M) */
static ad_value rotated(ad_rule *r, ad_value v) {
    return ad_rule_mm(r, ad_rule_matmul(r, ad_rule_T(r, v), symmetric(r, r->tan[0]), AD_STRONG_B), v);
}

static void give_vectors(ad_rule *r, int k, ad_value w, ad_value v, ad_value m) {
    if (moves_freely(r, w)) {
        ad_rule_refuse(r, k, EQUAL_W);
        return;
    }
    ad_value f = checked_gaps(r, w, w, NULL, 0, "eigenvalues");
    ad_rule_give(r, k, ad_rule_matmul(r, v, ad_rule_mulz(r, m, f), AD_STRONG_B));
}

/* In a recorded sweep the vectors come in, which have no derivative at equal values: where only numbers are
 * made of them the sweep can be replaced (ad_unroll). */
static void note_equal(ad_rule *r, ad_value values) {
    if (r->ctx->recording && r->in[0].node != 0 && has_close(r, values)) r->ctx->degenerate = true;
}

AD_RULE(ad_jvp_eigh) {
    note_equal(r, r->out[0]);
    ad_value m = rotated(r, r->out[1]);
    ad_rule_give(r, 0, diagonal(r, m));
    give_vectors(r, 1, r->out[0], r->out[1], m);
}

AD_RULE(ad_jvp_eigvals) {
    note_equal(r, r->out[0]);
    ad_rule_give(r, 0, diagonal(r, rotated(r, eigvecs(r))));
}

AD_RULE(ad_jvp_eigvecs) {
    ad_value w = ad_rule_op1(r, AD_OPID_eigvals, r->in[0]);
    give_vectors(r, 0, w, r->out[0], rotated(r, r->out[0]));
}

/* ---- functions of equal eigenvalues ------------------------------------------------------- */

/* spectral(a, g, slope) is V diag(g) Vᵀ. Its derivative in a: V (Φ ∘ VᵀMV) Vᵀ, Φ_ij = (g_j −
 * g_i) / (w_j − w_i), and the slope where w_i and w_j are equal. Linear and self-adjoint in M;
 * of a third derivative nothing is known where they are equal. */
AD_SHAPE(ad_shape_spectral) { return ad_shape_square(c, in, out); }

static ad_status rebuild(ad_ctx *ctx, int64_t n, const double *v, const double *g, double *y) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (int64_t k = 0; k < n; k++) sum += v[i * n + k] * g[k] * v[j * n + k];
            y[i * n + j] = sum;
        }
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

/* A spread, and the numbers of the second operand in f64, which the caller releases. */
static ad_status begin_with(const ad_call *c, const ad_type *each, int count, ad_spread *b, ad_tensor **g) {
    *g = ad_tensor_as(c->ctx, c->in[1], AD_F64);
    if (*g == NULL) return ad_failed(c->ctx);
    ad_status s = ad_spread_begin(c, each, count, b);
    if (s) ad_tensor_release(c->ctx, *g);
    return s;
}

AD_RUN(ad_run_spectral) {
    ad_type in = ad_type_of(c->in[0]);
    ad_type each[3] = {ad_with_last(&in, in.dims[in.rank - 1], -1), in, *type};
    ad_spread b;
    ad_tensor *g;
    ad_status s = begin_with(c, each, 3, &b, &g);
    if (s) return s;
    for (int64_t i = 0; s == AD_OK && i < b.count; i++) {
        double *v = ad_spread_part(&b, 1, i, b.n * b.n);
        s = ad_eigh(c->ctx, b.n, ad_spread_matrix(&b, i), ad_spread_part(&b, 0, i, b.n), v);
        const double *gi = (const double *)g->data + i * b.n;
        if (s == AD_OK) s = rebuild(c->ctx, b.n, v, gi, ad_spread_part(&b, 2, i, b.n * b.n));
    }
    ad_tensor_release(c->ctx, g);
    return ad_spread_give(c, &b, s, type, 2, 1, out);
}

/* Φ; on the diagonal 0: there g moves by itself. */
static ad_value quotients(ad_rule *r, ad_value w) {
    int64_t other, n = r->in_type[1].dims[r->in_type[1].rank - 1];
    ad_tensor *close = r->status ? NULL : close_pairs(r, w, &other);
    if (close == NULL) return w;
    ad_value mask = ad_rule_own(r, ad_wrap(close)), g = r->in[1];
    ad_value d = ad_rule_sub(r, along(r, g, n, true), along(r, g, n, false));
    ad_value slope = ad_rule_add(r, along(r, r->in[2], n, true), along(r, r->in[2], n, false));
    ad_value f = ad_rule_where(r, mask, ad_rule_scale(r, slope, 0.5),
                               ad_rule_mulz(r, d, gaps(r, w, mask, 0.0)));
    return ad_rule_sub(r, f, on_diagonal(r, diagonal(r, f)));
}

/* The matrix part for m, and M = Vᵀ sym(m) V for the rest. Where all eigenvalues differ, V may
 * be tracked. */
static ad_value spectral_share(ad_rule *r, ad_value m, bool matrix, ad_value *turned_m,
                               ad_value *v) {
    ad_value a = r->in[0], w = ad_rule_op1(r, AD_OPID_eigvals, a);
    if (has_close(r, w)) {
        if (matrix && a.node != 0)
            ad_rule_fail(r, AD_ERR_DEGENERATE,
                         "eigenvalues are equal (degenerate), and third derivatives of their "
                         "functions are not available there");
        a.node = w.node = 0;
    }
    *v = ad_rule_op1(r, AD_OPID_eigvecs, a);
    ad_value vt = ad_rule_T(r, *v);
    *turned_m = ad_rule_mm(r, ad_rule_matmul(r, vt, symmetric(r, m), AD_STRONG_B), *v);
    if (!matrix || r->status) return m;
    return ad_rule_mm(r, ad_rule_mm(r, *v, ad_rule_mulz(r, *turned_m, quotients(r, w))), vt);
}

AD_RULE(ad_vjp_spectral) {
    ad_value m, v, share = spectral_share(r, r->adj[0], r->need[0], &m, &v);
    if (r->need[0]) ad_rule_give(r, 0, share);
    if (r->need[1]) ad_rule_give(r, 1, diagonal(r, m));
    if (r->need[2]) ad_rule_give(r, 2, ad_rule_zeros(r, &r->in_type[2]));
}

AD_RULE(ad_jvp_spectral) {
    ad_value m, v, t = r->need[0] ? r->tan[0] : ad_rule_zeros(r, &r->in_type[0]);
    ad_value share = spectral_share(r, t, r->need[0], &m, &v);
    if (r->need[0]) ad_rule_give(r, 0, share);
    if (r->need[1]) ad_rule_give(r, 0, ad_rule_mm(r, scale_cols(r, v, r->tan[1]), ad_rule_T(r, v)));
}

/* ---- svd ---------------------------------------------------------------------------------- */

/* (I − U Uᵀ) x */
static ad_value off_span(ad_rule *r, ad_value u, ad_value x) {
    return ad_rule_sub(r, x, ad_rule_mm(r, u, ad_rule_mm(r, ad_rule_T(r, u), x)));
}

static ad_value inverse(ad_rule *r, ad_value s) {
    return ad_rule_op2(r, AD_OP_DIV, ad_number(1.0), s);
}

static bool has_zero(ad_rule *r, ad_value s) {
    ad_tensor *t = ad_tensor_as(r->ctx, s, AD_F64);
    bool zero = t == NULL;
    for (int64_t i = 0; t != NULL && i < t->size; i++) zero = zero || ((double *)t->data)[i] == 0.0;
    ad_tensor_release(r->ctx, t);
    return zero;
}

/* skew(Uᵀ gU) ∘ F with F_ij = 1 / (s_j² − s_i²) */
static ad_value turned(ad_rule *r, ad_value u, ad_value g, ad_value f) {
    ad_value x = ad_rule_matmul(r, ad_rule_T(r, u), g, AD_STRONG_B);
    return ad_rule_mulz(r, ad_rule_sub(r, x, ad_rule_T(r, x)), f);
}

/* With vectors: U [K_U S + S K_V + diag gS] Vᵀ + (I − UUᵀ) gU S⁻¹ Vᵀ + U S⁻¹ gVᵀ (I − VVᵀ). */
static void svd_vectors(ad_rule *r, ad_value u, ad_value s, ad_value v) {
    const ad_type *in = &r->in_type[0];
    int64_t m = in->dims[in->rank - 2], n = in->dims[in->rank - 1];
    ad_value gu = ad_rule_adj(r, 0), gv = ad_rule_T(r, ad_rule_adj(r, 2)), vt = r->out[2];
    ad_value g[2] = {gu, gv};
    if (m != n && has_zero(r, s))
        ad_rule_fail(r, AD_ERR_DEGENERATE, "%s", ZERO_S);
    ad_value f = checked_gaps(r, s, ad_rule_op2(r, AD_OP_MUL, s, s), g, 2, "singular values");
    ad_value middle =
        ad_rule_add(r, scale_cols(r, turned(r, u, gu, f), s), scale_rows(r, s, turned(r, v, gv, f)));
    if (r->has_adj[1]) middle = ad_rule_add(r, middle, on_diagonal(r, r->adj[1]));
    ad_rule_give(r, 0, ad_rule_mm(r, ad_rule_mm(r, u, middle), vt));
    if (m > n) ad_rule_give(r, 0, ad_rule_mm(r, scale_cols(r, off_span(r, u, gu), inverse(r, s)), vt));
    if (m < n) {
        ad_value x = ad_rule_T(r, scale_cols(r, off_span(r, v, gv), inverse(r, s)));
        ad_rule_give(r, 0, ad_rule_mm(r, u, x));
    }
}

AD_RULE(ad_vjp_svd) {
    ad_value u = r->out[0], s = r->out[1], vt = r->out[2];
    if (r->has_adj[0] || r->has_adj[2])
        svd_vectors(r, u, s, ad_rule_T(r, vt));
    else if (r->has_adj[1] && r->in[0].node != 0 && has_close(r, s)) {
        decomposed d = {u, vt, "singular values"};
        d.left.node = d.right.node = 0;
        ad_value in[3] = {r->in[0], r->adj[1], slopes(r, &d, s, r->adj[1])};
        ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_singular, 3, in, NULL));
    } else if (r->has_adj[1])
        ad_rule_give(r, 0, ad_rule_mm(r, scale_cols(r, u, r->adj[1]), vt));
}

static void svd_turn(ad_rule *r, ad_value p) {
    const ad_type *in = &r->in_type[0];
    int64_t m = in->dims[in->rank - 2], n = in->dims[in->rank - 1];
    ad_value u = r->out[0], s = r->out[1], v = ad_rule_T(r, r->out[2]), t = r->tan[0];
    ad_value pt = ad_rule_T(r, p);
    ad_value f = checked_gaps(r, s, ad_rule_op2(r, AD_OP_MUL, s, s), NULL, 0, "singular values");
    ad_value ku = ad_rule_add(r, scale_cols(r, p, s), scale_rows(r, s, pt));
    ad_value kv = ad_rule_add(r, scale_rows(r, s, p), scale_cols(r, pt, s));
    ad_rule_give(r, 0, ad_rule_matmul(r, u, ad_rule_mulz(r, ku, f), AD_STRONG_B));
    ad_value dv = ad_rule_matmul(r, v, ad_rule_mulz(r, kv, f), AD_STRONG_B);
    if (m > n) ad_rule_give(r, 0, scale_cols(r, off_span(r, u, ad_rule_mm(r, t, v)), inverse(r, s)));
    if (m < n)
        dv = ad_rule_add(r, dv, scale_cols(r, off_span(r, v, ad_rule_mm(r, ad_rule_T(r, t), u)),
                                           inverse(r, s)));
    ad_rule_give(r, 2, ad_rule_T(r, dv));
}

AD_RULE(ad_jvp_svd) {
    const ad_type *in = &r->in_type[0];
    ad_value ut = ad_rule_T(r, r->out[0]), v = ad_rule_T(r, r->out[2]);
    ad_value p = ad_rule_mm(r, ad_rule_matmul(r, ut, r->tan[0], AD_STRONG_B), v);
    bool square = in->dims[in->rank - 2] == in->dims[in->rank - 1];
    bool zero = !square && has_zero(r, r->out[1]);
    note_equal(r, r->out[1]);
    ad_rule_give(r, 1, diagonal(r, p));
    if (!zero && !moves_freely(r, r->out[1])) {
        svd_turn(r, p);
        return;
    }
    ad_rule_refuse(r, 0, zero ? ZERO_S : EQUAL_S);
    ad_rule_refuse(r, 2, zero ? ZERO_S : EQUAL_S);
}

/* ---- functions of equal singular values ---------------------------------------------------- */

/* singular(a, g, slope) is U diag(g) Vᵀ. Its derivative in a, with M = Uᵀ N V: U (Φ ∘ sym M + Ψ ∘ skew M) Vᵀ,
 * Φ as above, Ψ_ij = (g_i + g_j) / (s_i + s_j), and diag(g / s) for what N has beside U and V. */
AD_SHAPE(ad_shape_singular) {
    ad_status s = ad_need_matrix(c, in);
    if (s == AD_OK) *out = ad_with_last(in, in->dims[in->rank - 2], in->dims[in->rank - 1]);
    return s;
}

static void compose(int64_t m, int64_t n, int64_t k, const double *u, const double *g, const double *vt,
                    double *y) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (int64_t l = 0; l < k; l++) sum += u[i * k + l] * g[l] * vt[l * n + j];
            y[i * n + j] = sum;
        }
}

AD_RUN(ad_run_singular) {
    ad_type in = ad_type_of(c->in[0]), each[4];
    int64_t m = in.dims[in.rank - 2], n = in.dims[in.rank - 1], k = ad_smaller_side(&in);
    each[0] = ad_with_last(&in, m, k);
    each[1] = ad_with_last(&in, k, -1);
    each[2] = ad_with_last(&in, k, n);
    each[3] = *type;
    ad_spread b;
    ad_tensor *g;
    ad_status s = begin_with(c, each, 4, &b, &g);
    if (s) return s;
    for (int64_t i = 0; s == AD_OK && i < b.count; i++) {
        double *u = ad_spread_part(&b, 0, i, m * k), *vt = ad_spread_part(&b, 2, i, k * n);
        s = ad_svd(c->ctx, m, n, ad_spread_matrix(&b, i), u, ad_spread_part(&b, 1, i, k), vt);
        const double *gi = (const double *)g->data + i * k;
        if (s == AD_OK) compose(m, n, k, u, gi, vt, ad_spread_part(&b, 3, i, m * n));
        if (s == AD_OK) s = ad_poll(c->ctx);
    }
    ad_tensor_release(c->ctx, g);
    return ad_spread_give(c, &b, s, type, 3, 1, out);
}

/* (u, s, vt) of a. Where values are equal they are constants: there is no third derivative. */
static void svd_of(ad_rule *r, bool matrix, ad_value *parts) {
    ad_value a = r->in[0];
    for (int i = 0; i < 3; i++) parts[i] = ad_number(0.0);
    if (r->status) return;
    r->status = ad_apply(r->ctx, AD_OPID_svd, r->src, 1, &a, NULL, parts);
    for (int i = 0; i < 3 && r->status == AD_OK; i++) ad_rule_own(r, parts[i]);
    if (r->status || !has_close(r, parts[1])) return;
    if (matrix && a.node != 0)
        ad_rule_fail(r, AD_ERR_DEGENERATE,
                     "singular values are equal (degenerate), and third derivatives of their functions are "
                     "not available there");
    for (int i = 0; i < 3; i++) parts[i].node = 0;
}

/* Ψ; what a sum of zeros would divide is refused before. */
static ad_value sums_over(ad_rule *r, ad_value s) {
    int64_t n = r->in_type[1].dims[r->in_type[1].rank - 1];
    ad_value g = r->in[1];
    ad_value x = ad_rule_add(r, along(r, g, n, true), along(r, g, n, false));
    return ad_rule_op2(r, AD_OP_DIV, x, ad_rule_add(r, along(r, s, n, true), along(r, s, n, false)));
}

/* The matrix part for x. */
static ad_value singular_share(ad_rule *r, ad_value x, const ad_value *p, ad_value m) {
    const ad_type *in = &r->in_type[0];
    int64_t rows = in->dims[in->rank - 2], cols = in->dims[in->rank - 1];
    ad_value u = p[0], s = p[1], vt = p[2], v = ad_rule_T(r, vt), share = inverse(r, s);
    if (r->status) return x;
    if (has_zero(r, s)) ad_rule_fail(r, AD_ERR_DEGENERATE, "%s", ZERO_S);
    ad_value even = symmetric(r, m), odd = ad_rule_sub(r, m, even);
    ad_value middle = ad_rule_mulz(r, even, quotients(r, s));
    middle = ad_rule_add(r, middle, ad_rule_mulz(r, odd, sums_over(r, s)));
    ad_value y = ad_rule_mm(r, ad_rule_mm(r, u, middle), vt);
    share = ad_rule_op2(r, AD_OP_MUL, r->in[1], share);
    if (rows > cols) {
        ad_value beside = scale_cols(r, off_span(r, u, ad_rule_mm(r, x, v)), share);
        y = ad_rule_add(r, y, ad_rule_mm(r, beside, vt));
    }
    if (rows < cols) {
        ad_value beside = off_span(r, v, ad_rule_mm(r, ad_rule_T(r, x), u));
        y = ad_rule_add(r, y, ad_rule_mm(r, u, ad_rule_T(r, scale_cols(r, beside, share))));
    }
    return y;
}

static ad_value turned_by(ad_rule *r, const ad_value *p, ad_value x) {
    return ad_rule_mm(r, ad_rule_matmul(r, ad_rule_T(r, p[0]), x, AD_STRONG_B), ad_rule_T(r, p[2]));
}

AD_RULE(ad_vjp_singular) {
    ad_value p[3];
    svd_of(r, r->need[0], p);
    ad_value m = turned_by(r, p, r->adj[0]);
    if (r->need[0]) ad_rule_give(r, 0, singular_share(r, r->adj[0], p, m));
    if (r->need[1]) ad_rule_give(r, 1, diagonal(r, m));
    if (r->need[2]) ad_rule_give(r, 2, ad_rule_zeros(r, &r->in_type[2]));
}

AD_RULE(ad_jvp_singular) {
    ad_value p[3];
    svd_of(r, r->need[0], p);
    if (r->need[0]) ad_rule_give(r, 0, singular_share(r, r->tan[0], p, turned_by(r, p, r->tan[0])));
    if (r->need[1]) ad_rule_give(r, 0, ad_rule_mm(r, scale_cols(r, p[0], r->tan[1]), p[2]));
}
