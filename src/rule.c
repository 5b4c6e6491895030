/* SPDX-License-Identifier: MIT */
/* rule.c - the frame in which derivative rules run, and the words that they are written with.
 *
 * A rule sees values: plain ones in a plain sweep, tracked ones in a recorded sweep; it cannot tell
 * which. What it makes on the way is released when it ends. */
#include "lines.h"
#include "shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values of entries -------------------------------------------------------------------- */

ad_value ad_node_value(const ad_tape *t, uint32_t node) {
    ad_value v = ad_number(node ? ad_entry_number(ad_at(t, node)) : 0);
    v.node = node;
    return v;
}

/* What was not saved is not read by the rule: a number in its place. */
static ad_status fill_of(ad_ctx *ctx, const ad_type *type, double x, ad_value *out) {
    *out = ad_number(x);
    if (type->rank == 0) return AD_OK;
    ad_dtype dtype = type->dtype == AD_F32 ? AD_F32 : AD_F64;
    ad_tensor *t = ad_tensor_full(ctx, dtype, type->rank, type->dims, x);
    if (!t) return ad_failed(ctx);
    *out = ad_wrap(t);
    return AD_OK;
}

ad_status ad_zeros_of(ad_ctx *ctx, const ad_type *type, ad_value *out) {
    return fill_of(ctx, type, 0, out);
}

ad_status ad_ones_of(ad_ctx *ctx, const ad_type *type, ad_value *out) {
    return fill_of(ctx, type, 1, out);
}

/* Stops at the first element that is not 0. */
static bool zeros_only(const ad_tensor *t) {
    const double *x = t->data;
    const float *y = t->data;
    for (int64_t i = 0; i < t->size; i++)
        if (t->dtype == AD_F32 ? y[i] != 0 : x[i] != 0) return false;
    return true;
}

bool ad_value_is_zero(ad_value v) {
    if (v.kind != AD_TENSOR) return v.num == 0;
    return v.tensor->dtype != AD_BOOL8 && ad_tensor_is_contiguous(v.tensor) && zeros_only(v.tensor);
}

/* ---- frames ------------------------------------------------------------------------------- */

enum { FIRST_TEMPS = 16 };

static ad_status frame_block(ad_ctx *ctx, int n, int nout, ad_frame *f) {
    size_t all = (size_t)(n + nout), values = (2 * all + FIRST_TEMPS) * sizeof(ad_value);
    f->bytes = values + all * sizeof(ad_type) + 2 * all * sizeof(bool);
    char *p = f->block = ad_mem_get(ctx, f->bytes);
    if (!p) return ad_failed(ctx);
    f->in = (ad_value *)(void *)p;
    f->out = f->in + n;
    f->result = f->in + all;
    f->rule.temp = f->result + all;
    f->type = (ad_type *)(void *)(p + values);
    f->need = (bool *)(f->type + all);
    f->given = f->need + all;
    memset(f->need, 0, 2 * all * sizeof(bool));
    return AD_OK;
}

/* Results that the rule reads as tracked values: an entry of several needs a fresh OUT for each, since
 * those made when it was recorded may be gone. */
static ad_status name_results(ad_rule *r, uint32_t node, const tape_entry *e, ad_frame *f) {
    for (int k = 0; k < r->nout; k++) {
        if (f->out[k].kind == KIND_ABSENT || !(r->row->saves & AD_SAVE_OUT)) continue;
        if (r->nout == 1) {
            f->out[k].node = node;
            continue;
        }
        ad_value v = ad_retain(r->ctx, f->out[k]);
        ad_status st = ad_push_out(r->ctx, node, k, e->src, &v);
        if (st != AD_OK) {
            ad_release(r->ctx, f->out[k]);
            return st;
        }
        f->out[k] = ad_rule_own(r, v);
    }
    return r->status;
}

ad_status ad_frame_open(ad_ctx *ctx, uint32_t node, bool record, ad_frame *f) {
    const tape_entry *e = ad_at(ctx->tape, node);
    const ad_payload *p = e->payload;
    int n = p->nin, nout = p->nout;
    *f = (ad_frame){.rule = {.ctx = ctx, .row = &ad_rows[e->op], .args = p->args, .src = e->src,
                             .n = n, .nout = nout}};
    if (frame_block(ctx, n, nout, f) != AD_OK) return ad_failed(ctx);
    ad_rule *r = &f->rule;
    r->temp_room = FIRST_TEMPS;
    for (int i = 0; i < n + nout; i++) {
        f->in[i] = ad_saved_value(e, i, record);
        ad_payload_type(p, i, &f->type[i]);
    }
    r->in = f->in;
    r->out = f->out;
    r->in_type = f->type;
    r->out_type = f->type + n;
    r->need = f->need;
    r->given = f->given;
    r->grad = r->dout = f->result;
    if (record && name_results(r, node, e, f) != AD_OK) {
        ad_status st = ad_frame_finish(f);
        ad_frame_close(f);
        return st == AD_OK ? ad_failed(ctx) : st;
    }
    return AD_OK;
}

ad_status ad_frame_finish(ad_frame *f) {
    ad_rule *r = &f->rule;
    for (int i = 0; i < r->temps; i++) ad_release(r->ctx, r->temp[i]);
    r->temps = 0;
    return r->status;
}

void ad_frame_close(ad_frame *f) {
    ad_rule *r = &f->rule;
    if (r->temp_room > FIRST_TEMPS)
        ad_mem_put(r->ctx, r->temp, (size_t)r->temp_room * sizeof(ad_value));
    ad_mem_put(r->ctx, f->block, f->bytes);
}

/* ---- the words of rules ------------------------------------------------------------------- */

void ad_rule_fail(ad_rule *r, ad_status status, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->status == AD_OK) r->status = ad_fail(r->ctx, status, -1, "%s", text);
}

void ad_fail_nodiff(ad_rule *r, uint32_t src) {
    ad_rule_fail(r, AD_ERR_NODIFF, "`%s` has no derivative: what it gives jumps from one value to another",
                 r->row->info.name);
    r->ctx->error.src_numerator = src;
}

ad_value ad_rule_own(ad_rule *r, ad_value v) {
    if (r->temps == r->temp_room) {
        size_t size = (size_t)r->temp_room * sizeof v;
        ad_value *more = ad_mem_get(r->ctx, 4 * size);
        if (!more) {
            ad_release(r->ctx, v);
            if (r->status == AD_OK) r->status = ad_failed(r->ctx);
            return ad_number(0);
        }
        memcpy(more, r->temp, size);
        if (r->temp_room > FIRST_TEMPS) ad_mem_put(r->ctx, r->temp, size);
        r->temp = more;
        r->temp_room *= 4;
    }
    r->temp[r->temps++] = v;
    return v;
}

ad_type ad_rule_type(const ad_rule *r, ad_value v) {
    ad_type t = ad_type_of(v);
    if (!r->lines || !(v.flags & AD_LINES)) return t;
    t.rank--;
    t.asked >>= 1;
    memmove(t.dims, t.dims + 1, t.rank * sizeof *t.dims);
    return t;
}

ad_value ad_rule_op(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args) {
    ad_value v;
    if (r->status != AD_OK) return ad_number(0);
    if (AD_UNLIKELY(r->lines)) return ad_rule_op_lines(r, op, n, in, args);
    r->status = ad_apply(r->ctx, op, r->src, n, in, args, &v);
    return r->status == AD_OK ? ad_rule_own(r, v) : ad_number(0);
}

ad_value ad_rule_op1(ad_rule *r, ad_op op, ad_value a) { return ad_rule_op(r, op, 1, &a, NULL); }

ad_value ad_rule_op2(ad_rule *r, ad_op op, ad_value a, ad_value b) {
    ad_value in[2] = {a, b};
    return ad_rule_op(r, op, 2, in, NULL);
}

ad_value ad_rule_mulz(ad_rule *r, ad_value adj, ad_value partial) {
    ad_value y = ad_rule_op2(r, AD_OPID_mulz, adj, partial);
    if (!r->both) return y;
    ad_value counts = ad_rule_op2(r, AD_OP_OR, ad_rule_op2(r, AD_OP_NE, partial, ad_number(0)),
                                  ad_rule_op1(r, AD_OPID_isfinite, adj));
    ad_value in[3] = {counts, y, ad_number(0)};
    return ad_rule_op(r, AD_OP_WHERE, 3, in, NULL);
}

static ad_value to_shape(ad_rule *r, ad_op op, ad_value v, const ad_type *type) {
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = type->rank, .ints = type->dims}};
    return ad_rule_op(r, op, 1, &v, args);
}

static bool same_shape(ad_value v, const ad_type *type) {
    return v.kind == AD_TENSOR && v.tensor->rank == type->rank &&
           memcmp(v.tensor->dims, type->dims, type->rank * sizeof(int64_t)) == 0;
}

/* The shape of one line? */
static bool line_has_shape(const ad_rule *r, ad_value v, const ad_type *type) {
    if (!r->lines) return same_shape(v, type);
    ad_type t = ad_rule_type(r, v);
    return v.kind == AD_TENSOR && ad_type_same_dims(&t, type);
}

ad_value ad_rule_sum_to(ad_rule *r, ad_value v, const ad_type *type) {
    if (v.kind != AD_TENSOR || line_has_shape(r, v, type)) return v;
    if (type->rank) return to_shape(r, AD_OPID_sum_to, v, type);
    ad_arg all[AD_MAX_ARGS] = {{0}};
    return ad_rule_op(r, AD_OPID_sum, 1, &v, all);
}

ad_value ad_rule_expand(ad_rule *r, ad_value v, const ad_type *type) {
    if (type->rank == 0 || line_has_shape(r, v, type)) return v;
    return to_shape(r, AD_OPID_expand, v, type);
}

ad_value ad_rule_zeros(ad_rule *r, const ad_type *type) {
    ad_value v;
    if (r->status != AD_OK) return ad_number(0);
    r->status = ad_zeros_of(r->ctx, type, &v);
    return r->status == AD_OK ? ad_rule_own(r, v) : ad_number(0);
}

void ad_rule_give(ad_rule *r, int k, ad_value v) {
    if (r->status != AD_OK) return;
    if (!r->given[k]) {
        r->given[k] = true;
        r->grad[k] = ad_retain(r->ctx, v);
        return;
    }
    ad_value sum = ad_rule_op2(r, AD_OP_ADD, r->grad[k], v);
    if (r->status != AD_OK) return;
    ad_release(r->ctx, r->grad[k]);
    r->grad[k] = ad_retain(r->ctx, sum);
}

/* ---- cotangents that fit ------------------------------------------------------------------ */

static ad_status step(ad_ctx *ctx, ad_op op, uint32_t src, ad_value *v, const ad_type *shape) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    if (shape) args[0] = (ad_arg){.given = true, .count = shape->rank, .ints = shape->dims};
    ad_value y;
    ad_status st = ad_apply(ctx, op, src, 1, v, args, &y);
    ad_release(ctx, *v);
    *v = y;
    return st;
}

ad_status ad_conform(ad_ctx *ctx, uint32_t src, ad_value v, const ad_type *type, ad_value *out) {
    ad_status st = AD_OK;
    if (type->rank == 0) {
        if (v.kind == AD_TENSOR) st = step(ctx, AD_OPID_sum, src, &v, NULL);
    } else if (!same_shape(v, type)) {
        st = step(ctx, v.kind == AD_TENSOR ? AD_OPID_sum_to : AD_OPID_expand, src, &v, type);
    }
    if (st == AD_OK && type->rank && type->dtype != AD_BOOL8 && v.tensor->dtype != type->dtype)
        st = step(ctx, type->dtype == AD_F32 ? AD_OPID_f32 : AD_OPID_f64, src, &v, NULL);
    if (st == AD_OK) *out = v;
    return st;
}

/* ---- scalar partials, recorded ------------------------------------------------------------ */

enum { BUILT_MAX = 96 };

typedef struct recorder {
    ad_builder base;
    ad_ctx *ctx;
    uint32_t src;
    int count;
    ad_value made[BUILT_MAX];
} recorder;

static ad_term record_emit(ad_builder *b, ad_op op, int n, const ad_term *in) {
    recorder *r = (recorder *)(void *)b;
    ad_value v[3], y = ad_number(0);
    if (b->status != AD_OK) return (ad_term){.v = y};
    for (int i = 0; i < n; i++) v[i] = in[i].v;
    b->status = r->count < BUILT_MAX ? ad_apply(r->ctx, op, r->src, n, v, NULL, &y)
                                     : ad_fail(r->ctx, AD_ERR_ARGUMENT, -1,
                                               "the derivative of `%s` is too long",
                                               ad_rows[op].info.name);
    if (b->status != AD_OK) return (ad_term){.v = ad_number(0)};
    r->made[r->count++] = y;
    return (ad_term){.v = y};
}

static ad_term record_constant(ad_builder *b, double x) {
    (void)b;
    return (ad_term){.v = ad_number(x)};
}

/* Lines with 0 in place of inf and nan; the caller's. */
static ad_status finite_lines(ad_ctx *ctx, uint32_t src, ad_value adj, ad_value *out) {
    ad_value in[3] = {ad_number(0), adj, ad_number(0)};
    ad_status st = ad_apply(ctx, AD_OPID_isfinite, src, 1, &adj, NULL, &in[0]);
    if (st != AD_OK) return st;
    ad_value mask = in[0];
    st = ad_apply(ctx, AD_OP_WHERE, src, 3, in, NULL, out);
    ad_release(ctx, mask);
    return st;
}

static ad_status product_of_lines(ad_ctx *ctx, uint32_t src, ad_value adj, ad_value partial, bool finite,
                                  ad_value *out) {
    ad_value in[2] = {adj, partial};
    if (!finite) return ad_apply(ctx, AD_OPID_mulz, src, 2, in, NULL, out);
    ad_status st = finite_lines(ctx, src, adj, &in[0]);
    if (st != AD_OK) return st;
    st = ad_apply(ctx, AD_OPID_mulz, src, 2, in, NULL, out);
    ad_release(ctx, in[0]);
    return st;
}

/* `adj` is a number, or has an element a line. `both`: an exact 0 of the partial is strong against inf
 * and nan as well. */
static ad_status strong_product(ad_ctx *ctx, uint32_t src, ad_value adj, ad_value partial, bool both,
                                ad_value *out) {
    bool closed = both && partial.num == 0;
    *out = ad_number(0);
    if (adj.kind == AD_TENSOR) return product_of_lines(ctx, src, adj, partial, closed, out);
    if (adj.num == 0 && !isfinite(partial.num)) return AD_OK;
    if (closed && !isfinite(adj.num)) return AD_OK;
    return ad_apply2(ctx, adj.num == 0 ? AD_OPID_mulz : AD_OP_MUL, src, adj, partial, out);
}

static ad_status general_product(ad_ctx *ctx, const tape_entry *e, int k, uint32_t node, ad_value adj,
                                 bool both, ad_value *out) {
    recorder r = {.base = {.emit = record_emit, .constant = record_constant}, .ctx = ctx, .src = e->src};
    *out = ad_number(0);
    if (!ad_rows[e->op].partial) return AD_OK;
    ad_term in[2] = {{.v = ad_node_value(ctx->tape, e->a)}, {.v = ad_node_value(ctx->tape, e->b)}};
    ad_term y = {.v = ad_node_value(ctx->tape, node)};
    ad_term partial = ad_rows[e->op].partial(&r.base, k, in, y);
    ad_status st = r.base.status;
    bool lines = adj.kind == AD_TENSOR;
    bool passed_over =
        ad_passed_over(e->op, k, in[0].v.num, in[1].v.num, partial.v.num, lines ? 0 : adj.num);
    /* The constant 0 that a strong product had at a = 0 does not meet an infinite slope either. */
    both = both || (e->op == AD_OPID_mulz && k == 1);
    if (st == AD_OK && !passed_over) st = strong_product(ctx, e->src, adj, partial.v, both, out);
    for (int i = 0; i < r.count; i++) ad_release(ctx, r.made[i]);
    return st;
}

/* adj / b, and for k = 1 what that gives times −y. */
static ad_status quotient_product(ad_ctx *ctx, const tape_entry *e, int k, uint32_t node, ad_value adj,
                                  bool both, ad_value *out) {
    ad_value part, share;
    ad_status st = ad_apply2(ctx, AD_OP_DIV, e->src, ad_number(1), ad_node_value(ctx->tape, e->b), &part);
    if (st != AD_OK) return st;
    st = strong_product(ctx, e->src, adj, part, both, &share);
    ad_release(ctx, part);
    if (st != AD_OK || k == 0) {
        *out = share;
        return st;
    }
    st = ad_apply1(ctx, AD_OP_NEG, e->src, ad_node_value(ctx->tape, node), &part);
    if (st == AD_OK) {
        st = strong_product(ctx, e->src, share, part, both, out);
        ad_release(ctx, part);
    }
    ad_release(ctx, share);
    return st;
}

ad_status ad_recorded_product(ad_ctx *ctx, const tape_entry *e, int k, uint32_t node, ad_value adj,
                              bool both, ad_value *out) {
    both = both && !isfinite(ad_node_value(ctx->tape, k ? e->b : e->a).num);
    switch (e->op) {
    case AD_OP_ADD: *out = ad_retain(ctx, adj); return AD_OK;
    case AD_OP_SUB:
        if (k == 1) return ad_apply(ctx, AD_OP_NEG, e->src, 1, &adj, NULL, out);
        *out = ad_retain(ctx, adj);
        return AD_OK;
    case AD_OP_NEG: return ad_apply(ctx, AD_OP_NEG, e->src, 1, &adj, NULL, out);
    case AD_OP_WHERE:
        *out = (k == 1) == !!(e->flags & F_OLD) ? ad_retain(ctx, adj) : ad_number(0);
        return AD_OK;
    case AD_OP_DIV: return quotient_product(ctx, e, k, node, adj, both, out);
    case AD_OP_MUL:
        return strong_product(ctx, e->src, adj, ad_node_value(ctx->tape, k ? e->a : e->b), both, out);
    default: return general_product(ctx, e, k, node, adj, both, out);
    }
}
