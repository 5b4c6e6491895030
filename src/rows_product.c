/* SPDX-License-Identifier: MIT */
/* rows_product.c - products: matmul (as NumPy's: vectors, batches), dot, outer, kron, cross, trace.
 *
 * Derivatives are products again, with strong zeros on the side of the cotangent or tangent: rows
 * `matmulz` and `crossz` with the attribute strong (bit 0: zeros of a, bit 1: zeros of b). Vectors
 * are rows or columns of one; result and cotangent are brought to matrices first. */
#include "kernel_matmul.h"
#include "kernel_reduce.h"
#include "rows.h"

#include <string.h>

/* ---- matmul ------------------------------------------------------------------------------- */

static ad_status misfit(ad_ctx *ctx, const ad_type *a, const ad_type *b, int64_t k, int64_t l) {
    char ta[AD_SHAPE_TEXT], tb[AD_SHAPE_TEXT];
    return ad_fail(ctx, AD_ERR_SHAPE, 1, "multiplies %s by %s; %lld must equal %lld",
                   ad_type_text(a, ta), ad_type_text(b, tb), (long long)k, (long long)l);
}

/* A vector on the left is a row, on the right a column. */
static ad_type as_matrix(const ad_type *t, bool left) {
    ad_type m = *t;
    if (t->rank != 1) return m;
    m.rank = 2;
    m.asked = 0;
    m.dims[left ? 1 : 0] = t->dims[0];
    m.dims[left ? 0 : 1] = 1;
    return m;
}

/* Leading axes as in broadcasting, without the guard: they are batches on purpose. */
static ad_status batch_dims(ad_ctx *ctx, const ad_type *a, const ad_type *b, ad_type *out) {
    int la = a->rank - 2, lb = b->rank - 2, lead = la > lb ? la : lb;
    for (int i = 0; i < lead; i++) {
        int64_t da = i < lead - la ? 1 : a->dims[i - (lead - la)];
        int64_t db = i < lead - lb ? 1 : b->dims[i - (lead - lb)];
        out->dims[i] = da == 1 ? db : da;
        if (da == db || da == 1 || db == 1) continue;
        char ta[AD_SHAPE_TEXT], tb[AD_SHAPE_TEXT];
        return ad_fail(ctx, AD_ERR_SHAPE, 1,
                       "multiplies %s by %s; batches of %lld and %lld do not fit",
                       ad_type_text(a, ta), ad_type_text(b, tb), (long long)da, (long long)db);
    }
    out->rank = (uint8_t)(lead + 2);
    return AD_OK;
}

/* The product of matrices before the axes that vectors lent are dropped. */
static ad_status full_type(ad_ctx *ctx, const ad_type *in, ad_type *full) {
    for (int k = 0; k < 2; k++)
        if (in[k].rank == 0)
            return ad_fail(ctx, AD_ERR_SHAPE, k,
                           "the matrix product takes tensors; a number multiplies "
                           "with *");
    ad_type a = as_matrix(&in[0], true), b = as_matrix(&in[1], false);
    int64_t k = a.dims[a.rank - 1], l = b.dims[b.rank - 2];
    if (k != l) return misfit(ctx, &in[0], &in[1], k, l);
    ad_status s = batch_dims(ctx, &a, &b, full);
    full->dtype = (uint8_t)ad_float_dtype(2, in);
    full->asked = 0;
    full->dims[full->rank - 2] = a.dims[a.rank - 2];
    full->dims[full->rank - 1] = b.dims[b.rank - 1];
    return s;
}

/* Two matrices of one dtype: the common case, without a detour. */
static bool is_plain(const ad_type *a, const ad_type *b) {
    return a->rank == 2 && b->rank == 2 && a->dtype == b->dtype && a->dtype != AD_BOOL8;
}

AD_SHAPE(ad_shape_matmul) {
    ad_type full;
    if (is_plain(&in[0], &in[1]) && in[0].dims[1] == in[1].dims[0]) {
        out->dtype = in[0].dtype;
        out->rank = 2;
        out->asked = 0;
        out->dims[0] = in[0].dims[0];
        out->dims[1] = in[1].dims[1];
        return AD_OK;
    }
    ad_status s = full_type(c->ctx, in, &full);
    if (s) return s;
    uint32_t gone = in[0].rank == 1 ? 1U << (full.rank - 2) : 0;
    if (in[1].rank == 1) gone |= 1U << (full.rank - 1);
    *out = ad_type_reduced(&full, gone, false, (ad_dtype)full.dtype);
    return AD_OK;
}

/* The operand as a matrix of the result's dtype, of any strides. */
static ad_tensor *factor(ad_ctx *ctx, ad_value v, ad_dtype dtype, bool left) {
    ad_tensor *t = ad_tensor_cast(ctx, v.tensor, dtype);
    if (t == NULL || t->rank != 1) return t;
    ad_type own = ad_tensor_type(t), m = as_matrix(&own, left);
    ad_tensor *view = ad_tensor_reshape(ctx, t, 2, m.dims, 0);
    ad_tensor_release(ctx, t);
    return view;
}

static ad_status run_plain(const ad_call *c, int strong, const ad_type *type, ad_value *out) {
    ad_tensor *y = ad_result_new(c->ctx, type);
    if (y == NULL) return ad_failed(c->ctx);
    ad_status s = ad_matmul(c->ctx, c->in[0].tensor, c->in[1].tensor, y, strong);
    if (s == AD_OK) *out = ad_wrap(y);
    else ad_tensor_release(c->ctx, y);
    return s;
}

static ad_status run_matmul(const ad_call *c, int strong, const ad_type *type, ad_value *out) {
    const ad_tensor *p = c->in[0].tensor, *q = c->in[1].tensor;
    if (p->rank == 2 && q->rank == 2 && p->dtype == q->dtype && p->dtype != AD_BOOL8)
        return run_plain(c, strong, type, out);
    ad_type in[2] = {ad_type_of(c->in[0]), ad_type_of(c->in[1])}, full;
    ad_status s = full_type(c->ctx, in, &full);
    if (s) return s;
    ad_tensor *a = factor(c->ctx, c->in[0], (ad_dtype)full.dtype, true);
    ad_tensor *b = factor(c->ctx, c->in[1], (ad_dtype)full.dtype, false);
    ad_tensor *y = ad_result_new(c->ctx, &full);
    s = a != NULL && b != NULL && y != NULL ? ad_matmul(c->ctx, a, b, y, strong) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, a);
    ad_tensor_release(c->ctx, b);
    if (s == AD_OK && type->rank == full.rank) return ad_result(c->ctx, type, y, out);
    if (s == AD_OK) return ad_result_reshaped(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

AD_RUN(ad_run_matmul) { return run_matmul(c, 0, type, out); }
AD_RUN(ad_run_matmulz) { return run_matmul(c, (int)ad_arg_int(c->args, 0, 0), type, out); }

/* ---- its derivatives ---------------------------------------------------------------------- */

/* g bᵀ for the left factor, aᵀ g for the right one, all as matrices. One matrix shared by a batch
 * gets its sum over the batch from one tall product. */
static ad_value left_share(ad_rule *r, ad_value g, ad_value b, int strong) {
    return ad_rule_matmul(r, g, ad_rule_T(r, b), strong);
}

static ad_value right_share(ad_rule *r, ad_value a, ad_value g, const ad_type *b, int strong) {
    ad_type ta = ad_rule_type(r, a), tg = ad_rule_type(r, g);
    if (b->rank == 2 && ta.rank > 2 && tg.rank == ta.rank) {
        int64_t da[2] = {0, ta.dims[ta.rank - 1]}, dg[2] = {0, tg.dims[tg.rank - 1]};
        da[0] = da[1] > 0 ? ad_type_size(&ta) / da[1] : 0;
        dg[0] = dg[1] > 0 ? ad_type_size(&tg) / dg[1] : 0;
        if (da[0] == dg[0] && da[1] > 0 && dg[1] > 0) {
            a = ad_rule_ints(r, AD_OPID_reshape, a, 2, da);
            g = ad_rule_ints(r, AD_OPID_reshape, g, 2, dg);
        }
    }
    return ad_rule_matmul(r, ad_rule_T(r, a), g, strong);
}

/* Back to an operand: sums over stretched batches, drops lent axes. */
static void give_factor(ad_rule *r, int k, ad_value g, const ad_type *matrix) {
    ad_rule_give(r, k, ad_rule_reshape(r, ad_rule_sum_to(r, g, matrix), &r->in_type[k]));
}

/* strong: of the product that is differentiated. An exact 0 that stood against inf or nan there
 * made a constant 0: in those places only the finite part of the other factor counts. */
static void vjp_product(ad_rule *r, int strong) {
    ad_type full, ta = as_matrix(&r->in_type[0], true), tb = as_matrix(&r->in_type[1], false);
    if (full_type(r->ctx, r->in_type, &full)) return;
    ad_value g = ad_rule_reshape(r, r->adj[0], &full);
    ad_value a = ad_rule_reshape(r, r->in[0], &ta), b = ad_rule_reshape(r, r->in[1], &tb);
    if (r->need[0]) {
        int bits = AD_STRONG_A | ((strong & AD_STRONG_B) ? AD_STRONG_B : 0);
        ad_value ga = ad_rule_sum_to(r, left_share(r, g, b, bits), &ta);
        if ((strong & AD_STRONG_A) && ad_has_nonfinite(b)) {
            ad_value part = left_share(r, g, ad_rule_finite(r, b), bits);
            ga = ad_rule_where_zero(r, a, ad_rule_sum_to(r, part, &ta), ga);
        }
        give_factor(r, 0, ga, &ta);
    }
    if (r->need[1]) {
        int bits = AD_STRONG_B | ((strong & AD_STRONG_A) ? AD_STRONG_A : 0);
        ad_value gb = ad_rule_sum_to(r, right_share(r, a, g, &tb, bits), &tb);
        if ((strong & AD_STRONG_B) && ad_has_nonfinite(a)) {
            ad_value part = right_share(r, ad_rule_finite(r, a), g, &tb, bits);
            gb = ad_rule_where_zero(r, b, ad_rule_sum_to(r, part, &tb), gb);
        }
        give_factor(r, 1, gb, &tb);
    }
}

/* Tangents that stand where the product had a strong zero meet finite values only. */
static ad_value tangent_share(ad_rule *r, int k, int strong) {
    int own = k == 0 ? AD_STRONG_A : AD_STRONG_B, bits = own | strong;
    ad_value t = r->tan[k], other = r->in[1 - k], zero = ad_number(0.0);
    if (!(strong & own) || !ad_has_nonfinite(other))
        return k == 0 ? ad_rule_matmul(r, t, other, bits) : ad_rule_matmul(r, other, t, bits);
    ad_value live = ad_rule_where_zero(r, r->in[k], zero, t), rest = ad_rule_finite(r, other);
    ad_value dead = ad_rule_where_zero(r, r->in[k], t, zero);
    ad_value x =
        k == 0 ? ad_rule_matmul(r, live, other, bits) : ad_rule_matmul(r, other, live, bits);
    ad_value y = k == 0 ? ad_rule_matmul(r, dead, rest, bits) : ad_rule_matmul(r, rest, dead, bits);
    return ad_rule_op2(r, AD_OP_ADD, x, y);
}

static void jvp_product(ad_rule *r, int strong) {
    for (int k = 0; k < 2; k++)
        if (r->need[k]) ad_rule_give(r, 0, tangent_share(r, k, strong));
}

/* Two vectors: g b and g a, without a detour over matrices. */
AD_RULE(ad_vjp_matmul) {
    if (r->in_type[0].rank > 1 || r->in_type[1].rank > 1) {
        vjp_product(r, 0);
        return;
    }
    if (r->need[0]) ad_rule_give(r, 0, ad_rule_mulz(r, r->adj[0], r->in[1]));
    if (r->need[1]) ad_rule_give(r, 1, ad_rule_mulz(r, r->adj[0], r->in[0]));
}

AD_RULE(ad_jvp_matmul) { jvp_product(r, 0); }
AD_RULE(ad_vjp_matmulz) { vjp_product(r, (int)ad_arg_int(r->args, 0, 0)); }
AD_RULE(ad_jvp_matmulz) { jvp_product(r, (int)ad_arg_int(r->args, 0, 0)); }

/* ---- outer -------------------------------------------------------------------------------- */

AD_SHAPE(ad_shape_outer) {
    (void)c;
    int64_t dims[2] = {ad_type_size(&in[0]), ad_type_size(&in[1])};
    *out = ad_type_make(ad_float_dtype(2, in), 2, dims);
    return AD_OK;
}

static ad_status outer_flat(const ad_call *c, const ad_type *type, int strong, ad_tensor **out) {
    ad_tensor *a = ad_tensor_as(c->ctx, c->in[0], (ad_dtype)type->dtype);
    ad_tensor *b = ad_tensor_as(c->ctx, c->in[1], (ad_dtype)type->dtype);
    ad_tensor *y = ad_result_new(c->ctx, type);
    ad_status s = ad_failed(c->ctx);
    if (a != NULL && b != NULL && y != NULL) {
        ad_matrix ma = {a->data, a->size, 1, 1, 1}, mb = {b->data, 1, b->size, b->size, 1};
        s = ad_gemm(c->ctx, (ad_dtype)type->dtype, ma, mb, y->data, strong);
    }
    ad_tensor_release(c->ctx, a);
    ad_tensor_release(c->ctx, b);
    if (s) ad_tensor_release(c->ctx, y);
    *out = s ? NULL : y;
    return s;
}

AD_RUN(ad_run_outer) {
    ad_tensor *y;
    ad_status s = outer_flat(c, type, 0, &y);
    return s ? s : ad_result(c->ctx, type, y, out);
}

static ad_value flat(ad_rule *r, ad_value x) {
    ad_type t = ad_rule_type(r, x);
    int64_t n = ad_type_size(&t);
    t = ad_type_make(AD_F64, 1, &n);
    return ad_rule_reshape(r, x, &t);
}

/* g [n, m], a and b of any shapes: g b and a g, in their shapes. */
static void vjp_pairs(ad_rule *r, ad_value g) {
    if (r->need[0]) {
        ad_value ga = ad_rule_matmul(r, g, flat(r, r->in[1]), AD_STRONG_A);
        ad_rule_give(r, 0, ad_rule_reshape(r, ga, &r->in_type[0]));
    }
    if (r->need[1]) {
        ad_value gb = ad_rule_matmul(r, flat(r, r->in[0]), g, AD_STRONG_B);
        ad_rule_give(r, 1, ad_rule_reshape(r, gb, &r->in_type[1]));
    }
}

static ad_value tangent_pairs(ad_rule *r, int k) {
    ad_value pair[2] = {flat(r, k == 0 ? r->tan[0] : r->in[0]),
                        flat(r, k == 1 ? r->tan[1] : r->in[1])};
    ad_type column = ad_rule_type(r, pair[0]), row = ad_rule_type(r, pair[1]);
    column.rank = row.rank = 2;
    column.dims[1] = 1;
    row.dims[1] = row.dims[0];
    row.dims[0] = 1;
    return ad_rule_matmul(r, ad_rule_reshape(r, pair[0], &column),
                          ad_rule_reshape(r, pair[1], &row), k == 0 ? AD_STRONG_A : AD_STRONG_B);
}

AD_RULE(ad_vjp_outer) { vjp_pairs(r, r->adj[0]); }

AD_RULE(ad_jvp_outer) {
    for (int k = 0; k < 2; k++)
        if (r->need[k]) ad_rule_give(r, 0, tangent_pairs(r, k));
}

/* ---- kron --------------------------------------------------------------------------------- */

/* Both at the larger rank: [a0, a1, …] and [b0, b1, …]; the result is [a0 b0, a1 b1, …]. */
typedef struct kron_plan {
    int rank;
    int64_t apart[AD_MAX_RANK]; /* a0 a1 … b0 b1 … */
    int64_t mixed[AD_MAX_RANK]; /* a0 b0 a1 b1 … */
    int64_t order[AD_MAX_RANK], back[AD_MAX_RANK];
    int64_t pairs[2];
} kron_plan;

static ad_status plan_kron(ad_ctx *ctx, const ad_type *in, kron_plan *p) {
    int rank = in[0].rank > in[1].rank ? in[0].rank : in[1].rank;
    if (2 * rank > AD_MAX_RANK || rank == 0)
        return ad_fail(ctx, AD_ERR_SHAPE, -1, "`kron` takes tensors of 1 to %d axes",
                       AD_MAX_RANK / 2);
    p->rank = rank;
    for (int k = 0; k < 2; k++) {
        p->pairs[k] = ad_type_size(&in[k]);
        for (int i = 0; i < rank; i++) {
            int own = i - (rank - in[k].rank);
            int64_t d = own < 0 ? 1 : in[k].dims[own];
            p->apart[k * rank + i] = p->mixed[2 * i + k] = d;
            p->order[2 * i + k] = k * rank + i;
            p->back[k * rank + i] = 2 * i + k;
        }
    }
    return AD_OK;
}

AD_SHAPE(ad_shape_kron) {
    kron_plan p;
    ad_status s = plan_kron(c->ctx, in, &p);
    int64_t dims[AD_MAX_RANK];
    for (int i = 0; s == AD_OK && i < p.rank; i++) dims[i] = p.mixed[2 * i] * p.mixed[2 * i + 1];
    if (s == AD_OK) *out = ad_type_make(ad_float_dtype(2, in), p.rank, dims);
    return s;
}

AD_RUN(ad_run_kron) {
    kron_plan p;
    ad_type in[2] = {ad_type_of(c->in[0]), ad_type_of(c->in[1])};
    ad_status s = plan_kron(c->ctx, in, &p);
    if (s) return s;
    ad_type flat_type = ad_type_make((ad_dtype)type->dtype, 2, p.pairs);
    ad_tensor *pairs;
    s = outer_flat(c, &flat_type, 0, &pairs);
    if (s) return s;
    int64_t strides[AD_MAX_RANK], moved[AD_MAX_RANK];
    ad_shape_strides(2 * p.rank, p.apart, strides);
    for (int i = 0; i < 2 * p.rank; i++) moved[i] = strides[p.order[i]];
    ad_tensor *view = ad_tensor_view(c->ctx, pairs, 0, 2 * p.rank, p.mixed, moved, 0);
    ad_tensor_release(c->ctx, pairs);
    return ad_result_reshaped(c->ctx, type, view, out);
}

AD_RULE(ad_vjp_kron) {
    kron_plan p;
    if (plan_kron(r->ctx, r->in_type, &p)) return;
    ad_value g = ad_rule_ints(r, AD_OPID_reshape, r->adj[0], 2 * p.rank, p.mixed);
    g = ad_rule_ints(r, AD_OPID_permute, g, 2 * p.rank, p.back);
    vjp_pairs(r, ad_rule_ints(r, AD_OPID_reshape, g, 2, p.pairs));
}

AD_RULE(ad_jvp_kron) {
    kron_plan p;
    if (plan_kron(r->ctx, r->in_type, &p)) return;
    for (int k = 0; k < 2; k++) {
        if (!r->need[k]) continue;
        ad_value v = ad_rule_ints(r, AD_OPID_reshape, tangent_pairs(r, k), 2 * p.rank, p.apart);
        v = ad_rule_ints(r, AD_OPID_permute, v, 2 * p.rank, p.order);
        ad_rule_give(r, 0, ad_rule_reshape(r, v, &r->out_type[0]));
    }
}

/* ---- cross -------------------------------------------------------------------------------- */

static bool has_three(const ad_type *t) { return t->rank > 0 && t->dims[t->rank - 1] == 3; }

/* The other axes are broadcast; in the derivative's own products (`crossz`) whatever was asked for. */
AD_SHAPE(ad_shape_cross) {
    ad_type pair[2] = {in[0], in[1]};
    char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
    if (!has_three(&in[0]) || !has_three(&in[1]))
        return ad_fail(c->ctx, AD_ERR_SHAPE, has_three(&in[0]) ? 1 : 0,
                       "`cross` takes vectors of 3 along the last axis, got %s and %s",
                       ad_type_text(&in[0], a), ad_type_text(&in[1], b));
    for (int k = 0; k < 2 && c->args[0].given; k++) pair[k].asked = UINT16_MAX;
    ad_status s = ad_broadcast_types(c->ctx, 2, pair, out);
    out->dtype = (uint8_t)ad_float_dtype(2, in);
    return s;
}

static double strong_product(double x, double y, int64_t strong) {
    bool zero = ((strong & AD_STRONG_A) && x == 0.0) || ((strong & AD_STRONG_B) && y == 0.0);
    return zero ? 0.0 : x * y;
}

/* An operand of `cross` in the shape of the result. */
static ad_tensor *stretched(const ad_call *c, int k, const ad_type *type) {
    int64_t strides[AD_MAX_RANK];
    ad_tensor *t = ad_tensor_as(c->ctx, c->in[k], AD_F64);
    if (t == NULL || t->size == ad_type_size(type)) return t;
    ad_shape_stretch(t->rank, t->dims, ad_strides(t), type->rank, type->dims, strides);
    ad_tensor *view = ad_tensor_view(c->ctx, t, 0, type->rank, type->dims, strides, 0);
    ad_tensor *full = view != NULL ? ad_tensor_contiguous(c->ctx, view) : NULL;
    ad_tensor_release(c->ctx, view);
    ad_tensor_release(c->ctx, t);
    return full;
}

AD_RUN(ad_run_cross) {
    int64_t strong = ad_arg_int(c->args, 0, 0);
    ad_type wide = *type;
    wide.dtype = AD_F64;
    ad_tensor *a = stretched(c, 0, type), *b = stretched(c, 1, type);
    ad_tensor *y = ad_result_new(c->ctx, &wide);
    bool ok = a != NULL && b != NULL && y != NULL;
    for (int64_t i = 0; ok && i < y->size; i += 3) {
        const double *u = (const double *)a->data + i, *v = (const double *)b->data + i;
        double *w = (double *)y->data + i;
        for (int k = 0; k < 3; k++) {
            int l = (k + 1) % 3, m = (k + 2) % 3;
            w[k] = strong_product(u[l], v[m], strong) - strong_product(u[m], v[l], strong);
        }
    }
    ad_tensor *cast = ok ? ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype) : NULL;
    ad_tensor_release(c->ctx, a);
    ad_tensor_release(c->ctx, b);
    ad_tensor_release(c->ctx, y);
    return ad_result(c->ctx, type, cast, out);
}

static ad_value crossed(ad_rule *r, ad_value a, ad_value b, int strong) {
    ad_value in[2] = {a, b};
    ad_arg args[AD_MAX_ARGS] = {ad_num(strong)};
    return ad_rule_op(r, AD_OPID_crossz, 2, in, args);
}

/* own × other or other × own, `own` a cotangent or tangent of operand k. */
static ad_value cross_share(ad_rule *r, int k, ad_value own, ad_value other, bool own_first) {
    int strong = (int)ad_arg_int(r->args, 0, 0);
    int bits = own_first ? AD_STRONG_A : AD_STRONG_B;
    if (strong >> (1 - k) & 1) bits = AD_STRONG_A | AD_STRONG_B;
    return own_first ? crossed(r, own, other, bits) : crossed(r, other, own, bits);
}

AD_RULE(ad_vjp_cross) {
    int strong = (int)ad_arg_int(r->args, 0, 0);
    for (int k = 0; k < 2; k++) {
        if (!r->need[k]) continue;
        ad_value other = r->in[1 - k], g = cross_share(r, k, r->adj[0], other, k == 1);
        if ((strong >> k & 1) && ad_has_nonfinite(other)) {
            ad_value part = cross_share(r, k, r->adj[0], ad_rule_finite(r, other), k == 1);
            g = ad_rule_where_zero(r, r->in[k], part, g);
        }
        ad_rule_give(r, k, g);
    }
}

AD_RULE(ad_jvp_cross) {
    int strong = (int)ad_arg_int(r->args, 0, 0);
    for (int k = 0; k < 2; k++) {
        if (!r->need[k]) continue;
        ad_value other = r->in[1 - k], t = r->tan[k], zero = ad_number(0.0);
        if ((strong >> k & 1) && ad_has_nonfinite(other)) {
            ad_value dead = ad_rule_where_zero(r, r->in[k], t, zero);
            ad_rule_give(r, 0, cross_share(r, k, dead, ad_rule_finite(r, other), k == 0));
            t = ad_rule_where_zero(r, r->in[k], zero, t);
        }
        ad_rule_give(r, 0, cross_share(r, k, t, other, k == 0));
    }
}

/* ---- trace -------------------------------------------------------------------------------- */

AD_SHAPE(ad_shape_trace) {
    char a[AD_SHAPE_TEXT];
    if (in->rank < 2)
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "`trace` takes a matrix, got %s",
                       ad_type_text(in, a));
    *out = ad_type_reduced(in, 3U << (in->rank - 2), false, ad_float_dtype(1, in));
    return AD_OK;
}

AD_RUN(ad_run_trace) {
    ad_tensor *x = c->in[0].tensor;
    int m = x->rank - 2;
    int64_t dims[AD_MAX_RANK], strides[AD_MAX_RANK];
    memcpy(dims, x->dims, sizeof(int64_t) * (size_t)x->rank);
    memcpy(strides, ad_strides(x), sizeof(int64_t) * (size_t)x->rank);
    dims[m] = dims[m] < dims[m + 1] ? dims[m] : dims[m + 1];
    strides[m] += strides[m + 1];
    ad_type wide = *type;
    wide.dtype = AD_F64;
    ad_tensor *d = ad_tensor_view(c->ctx, x, 0, m + 1, dims, strides, 0);
    ad_tensor *y = ad_result_new(c->ctx, &wide), *cast = NULL;
    ad_status s = ad_failed(c->ctx);
    if (d != NULL && y != NULL) s = ad_reduce(c->ctx, AD_RED_SUM, d, 1U << m, NULL, y->data);
    if (s == AD_OK) cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
    ad_tensor_release(c->ctx, d);
    ad_tensor_release(c->ctx, y);
    return s ? s : ad_result(c->ctx, type, cast, out);
}

AD_RULE(ad_vjp_trace) {
    const ad_type *in = &r->in_type[0];
    int m = in->rank - 2;
    int64_t rows = in->dims[m], cols = in->dims[m + 1], n = rows < cols ? rows : cols;
    ad_type column = r->out_type[0], line;
    column.rank = (uint8_t)(m + 1);
    column.dims[m] = 1;
    line = column;
    line.dims[m] = n;
    ad_value g = ad_rule_expand(r, ad_rule_reshape(r, r->adj[0], &column), &line);
    ad_arg args[AD_MAX_ARGS] = {ad_num(0.0), ad_num((double)rows), ad_num((double)cols)};
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_diag_put, 1, &g, args));
}
