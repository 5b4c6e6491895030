/* SPDX-License-Identifier: MIT */
/* rows_scan.c - cumsum, cumprod, and the derivatives of cumprod and prod.
 *
 * Dividing a product by one of its factors fails at zeros. So the rules spell the product out as a
 * tree (prod) or as doubling steps (cumprod) of elementwise products and sweep through that: right
 * at one zero, at several, and at every order, in O(n) and O(n log n). */
#include "kernel_reduce.h"
#include "rows.h"

enum { LEVELS = 64 };

AD_SHAPE(ad_shape_scan) {
    int axis;
    ad_dtype dtype = ad_float_dtype(1, in);
    if (!ad_arg_given(c->args, 0)) {
        int64_t n = ad_type_size(in);
        *out = ad_type_make(dtype, 1, &n);
        return AD_OK;
    }
    ad_status s = ad_axis_arg(c->ctx, c->args, 0, in->rank, 0, &axis);
    *out = *in;
    out->dtype = (uint8_t)dtype;
    return s;
}

/* The operand flat where no axis is given. */
static ad_tensor *scanned(const ad_call *c, const ad_type *type, int *axis) {
    ad_tensor *x = ad_tensor_of(c->ctx, c->in[0]);
    *axis = 0;
    if (x == NULL) return NULL;
    if (ad_arg_given(c->args, 0)) {
        ad_axis_arg(c->ctx, c->args, 0, type->rank, 0, axis);
        return x;
    }
    ad_tensor *flat = ad_tensor_reshape(c->ctx, x, 1, type->dims, 0);
    ad_tensor_release(c->ctx, x);
    return flat;
}

static ad_status run_scan(const ad_call *c, bool product, bool reverse, const ad_type *type,
                          ad_value *out) {
    int axis;
    ad_tensor *x = scanned(c, type, &axis);
    if (x == NULL) return ad_failed(c->ctx);
    ad_type wide = *type;
    wide.dtype = AD_F64;
    ad_tensor *y = ad_result_new(c->ctx, &wide);
    ad_status s = y != NULL ? ad_scan(c->ctx, product, reverse, x, axis, y->data) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, x);
    if (s == AD_OK) {
        ad_tensor *cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
        s = ad_result(c->ctx, type, cast, out);
    }
    ad_tensor_release(c->ctx, y);
    return s;
}

AD_RUN(ad_run_cumsum) { return run_scan(c, false, ad_arg_flag(c->args, 1), type, out); }
AD_RUN(ad_run_cumprod) { return run_scan(c, true, false, type, out); }

AD_RULE(ad_vjp_cumsum) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    args[0] = r->args != NULL ? r->args[0] : args[0];
    args[1] = ad_num(ad_arg_flag(r->args, 1) ? 0.0 : 1.0);
    ad_value g = ad_rule_op(r, AD_OPID_cumsum, 1, &r->adj[0], args);
    ad_rule_give(r, 0, ad_rule_reshape(r, g, &r->in_type[0]));
}

/* ---- prod --------------------------------------------------------------------------------- */

/* How the operand becomes rows to multiply: folded axes last, then [outer, n], then n filled up
 * with ones to a power of two. */
typedef struct rows_of {
    int64_t order[AD_MAX_RANK], back[AD_MAX_RANK];
    ad_type permuted, flat;
    int64_t outer, n, full;
} rows_of;

static rows_of plan_rows(const ad_rule *r) {
    rows_of p = {.outer = 1, .n = 1, .full = 1};
    const ad_type *in = &r->in_type[0];
    uint32_t set = 0;
    int k = 0;
    ad_axes_arg(r->ctx, r->args, 0, in->rank, &set);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < in->rank; i++) {
            if (ad_in_set(set, i) != (pass == 1)) continue;
            *(pass == 1 ? &p.n : &p.outer) *= in->dims[i];
            p.permuted.dims[k] = in->dims[i];
            p.back[i] = k;
            p.order[k++] = i;
        }
    p.permuted.rank = in->rank;
    while (p.full < p.n) p.full *= 2;
    int64_t dims[2] = {p.outer, p.n};
    p.flat = ad_type_make(AD_F64, 2, dims);
    return p;
}

static ad_value to_rows(ad_rule *r, const rows_of *p, ad_value x) {
    if (p->permuted.rank > 1) x = ad_rule_ints(r, AD_OPID_permute, x, p->permuted.rank, p->order);
    x = ad_rule_reshape(r, x, &p->flat);
    return ad_rule_crop(r, x, 1, 0, p->n - p->full, 1.0);
}

static ad_value from_rows(ad_rule *r, const rows_of *p, ad_value x) {
    x = ad_rule_crop(r, x, 1, 0, p->full - p->n, 0.0);
    x = ad_rule_reshape(r, x, &p->permuted);
    if (p->permuted.rank < 2) return x;
    return ad_rule_ints(r, AD_OPID_permute, x, p->permuted.rank, p->back);
}

/* Every second column, from `first` on. */
static ad_value half(ad_rule *r, ad_value x, int64_t outer, int64_t pairs, int first) {
    int64_t split[3] = {outer, pairs, 2}, joined[2] = {outer, pairs};
    ad_value v = ad_rule_ints(r, AD_OPID_reshape, x, 3, split);
    v = ad_rule_crop(r, v, 2, first, 1 - first, 0.0);
    return ad_rule_ints(r, AD_OPID_reshape, v, 2, joined);
}

static ad_value interleave(ad_rule *r, ad_value even, ad_value odd, int64_t outer, int64_t pairs) {
    int64_t joined[2] = {outer, 2 * pairs};
    ad_value both[2] = {even, odd};
    ad_arg args[AD_MAX_ARGS] = {ad_num(2.0)};
    ad_value v = ad_rule_op(r, AD_OPID_stack, 2, both, args);
    return ad_rule_ints(r, AD_OPID_reshape, v, 2, joined);
}

/* adj [outer, 1] times the product of all other factors of each row. */
static ad_value others(ad_rule *r, const rows_of *p, ad_value x, ad_value adj) {
    ad_value even[LEVELS], odd[LEVELS];
    int levels = 0;
    for (int64_t m = p->full / 2; m > 0; m /= 2, levels++) {
        even[levels] = half(r, x, p->outer, m, 0);
        odd[levels] = half(r, x, p->outer, m, 1);
        x = ad_rule_op2(r, AD_OP_MUL, even[levels], odd[levels]);
    }
    for (int64_t m = 1; m < p->full; m *= 2) {
        levels--;
        ad_value e = ad_rule_mulz(r, adj, odd[levels]), o = ad_rule_mulz(r, adj, even[levels]);
        adj = interleave(r, e, o, p->outer, m);
    }
    return adj;
}

AD_RULE(ad_vjp_prod) {
    rows_of p = plan_rows(r);
    if (ad_type_size(&r->in_type[0]) == 0) return;
    if (r->in_type[0].rank == 0) {
        ad_rule_give(r, 0, r->adj[0]);
        return;
    }
    int64_t column[2] = {p.outer, 1};
    ad_value adj = ad_rule_ints(r, AD_OPID_reshape, r->adj[0], 2, column);
    ad_rule_give(r, 0, from_rows(r, &p, others(r, &p, to_rows(r, &p, r->in[0]), adj)));
}

AD_RULE(ad_jvp_prod) {
    rows_of p = plan_rows(r);
    if (r->in_type[0].rank == 0 || ad_type_size(&r->in_type[0]) == 0) {
        ad_rule_give(r, 0, r->in_type[0].rank == 0 ? r->tan[0] : ad_rule_zeros(r, &r->out_type[0]));
        return;
    }
    int64_t column[2] = {p.outer, 1};
    ad_type t = ad_type_make((ad_dtype)r->in_type[0].dtype, 2, column);
    ad_value ones = ad_rule_op2(r, AD_OP_ADD, ad_rule_zeros(r, &t), ad_number(1.0));
    ad_value g = from_rows(r, &p, others(r, &p, to_rows(r, &p, r->in[0]), ones));
    ad_value v = ad_rule_mulz(r, r->tan[0], g);
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_sum, 1, &v, r->args));
}

/* ---- cumprod ------------------------------------------------------------------------------ */

static ad_value shift(ad_rule *r, ad_value x, int axis, int64_t by, double fill) {
    return ad_rule_crop(r, x, axis, -by, by, fill);
}

/* The operand as it is scanned, and its axis. */
static ad_value line_of(ad_rule *r, ad_value x, int *axis, int64_t *n) {
    *axis = 0;
    x = ad_rule_reshape(r, x, &r->out_type[0]);
    if (ad_arg_given(r->args, 0)) ad_axis_arg(r->ctx, r->args, 0, r->out_type[0].rank, 0, axis);
    *n = r->out_type[0].dims[*axis];
    return x;
}

AD_RULE(ad_vjp_cumprod) {
    ad_value y[LEVELS], moved[LEVELS], adj = r->adj[0];
    int axis, levels = 0;
    int64_t n;
    ad_value x = line_of(r, r->in[0], &axis, &n);
    for (int64_t d = 1; d < n; d *= 2, levels++) {
        y[levels] = x;
        moved[levels] = shift(r, x, axis, d, 1.0);
        x = ad_rule_op2(r, AD_OP_MUL, x, moved[levels]);
    }
    while (levels-- > 0) {
        ad_value back =
            shift(r, ad_rule_mulz(r, adj, y[levels]), axis, -((int64_t)1 << levels), 0.0);
        adj = ad_rule_op2(r, AD_OP_ADD, ad_rule_mulz(r, adj, moved[levels]), back);
    }
    ad_rule_give(r, 0, ad_rule_reshape(r, adj, &r->in_type[0]));
}

AD_RULE(ad_jvp_cumprod) {
    int axis;
    int64_t n;
    ad_value x = line_of(r, r->in[0], &axis, &n), t = line_of(r, r->tan[0], &axis, &n);
    for (int64_t d = 1; d < n; d *= 2) {
        ad_value moved = shift(r, x, axis, d, 1.0), tmoved = shift(r, t, axis, d, 0.0);
        t = ad_rule_op2(r, AD_OP_ADD, ad_rule_mulz(r, t, moved), ad_rule_mulz(r, tmoved, x));
        x = ad_rule_op2(r, AD_OP_MUL, x, moved);
    }
    ad_rule_give(r, 0, t);
}
