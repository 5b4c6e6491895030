/* SPDX-License-Identifier: MIT */
/* apply.c - the one door for every operation: computes, and records where an operand is tracked.
 *
 * Two numbers go a short way (ad_apply1, ad_apply2): a scalar entry stands for itself, without a
 * payload. Everything else computes first and then records one entry with what its rule needs. */
#include "fuse.h"
#include "sweep.h"

static bool is_number(ad_value v) { return v.kind <= AD_BOOL; }

/* ---- numbers ------------------------------------------------------------------------------ */

/* + and - need no entry for what is not tracked; others do, for its value. */
static bool operand_of(ad_ctx *ctx, ad_op op, ad_value v, uint32_t src, uint32_t *node) {
    if (v.node) {
        *node = ad_operand(ctx, v);
        return *node != 0;
    }
    *node = 0;
    if (op == AD_OP_ADD || op == AD_OP_SUB) return true;
    return ad_push_cut(ctx, v.num, false, 0, src, node) == AD_OK;
}

static bool gives_bool(ad_op op) {
    return (op >= AD_OP_EQ && op <= AD_OP_NOT) || op == AD_OPID_isnan || op == AD_OPID_isinf ||
           op == AD_OPID_isfinite;
}

/* The head in one store: the interpreter reads it as one word soon. */
static inline ad_value tracked(double y, uint32_t node) {
    ad_value v;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v.head = (uint64_t)node << 32 | AD_NUMBER;
#else
    v.head = AD_NUMBER;
    v.node = node;
#endif
    v.num = y;
    return v;
}

static inline ad_status push_number(ad_ctx *ctx, ad_op op, uint32_t src, uint32_t a, uint32_t b,
                                    double y, ad_value *out) {
    uint32_t node;
    tape_entry *e = ad_push(ctx, &node);
    if (!e) return ad_failed(ctx);
    *e = (tape_entry){.num = y, .a = a, .b = b, .src = src, .op = (uint8_t)op, .held = 1};
    *out = tracked(y, node);
    return AD_OK;
}

ad_status ad_apply1(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value *out) {
    double y = ad_scalar_value(op, a.num, 0, 0);
    if (gives_bool(op)) {
        *out = ad_bool(y != 0);
        return AD_OK;
    }
    if (!a.node || !ctx->recording) {
        *out = ad_number(y);
        return AD_OK;
    }
    uint32_t x = ad_operand(ctx, a);
    return x ? push_number(ctx, op, src, x, 0, y, out) : ad_failed(ctx);
}

static ad_status record2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value b, double y,
                         ad_value *out) {
    uint32_t x, z;
    if (!operand_of(ctx, op, a, src, &x) || !operand_of(ctx, op, b, src, &z)) return ad_failed(ctx);
    return push_number(ctx, op, src, x, z, y, out);
}

static AD_INLINE ad_status finish2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value b, double y,
                                   ad_value *out) {
    const ad_tape *t = ctx->tape;
    if (!(a.node | b.node) || !ctx->recording) {
        *out = ad_number(y);
        return AD_OK;
    }
    bool plain = a.node && b.node && !ad_is_remnant(t->table[a.node >> SEG_BITS]) &&
                 !ad_is_remnant(t->table[b.node >> SEG_BITS]);
    if (AD_LIKELY(plain)) return push_number(ctx, op, src, a.node, b.node, y, out);
    return record2(ctx, op, src, a, b, y, out);
}

/* The commonest four, in place. */
static AD_INLINE bool arithmetic(ad_op op, double a, double b, double *y) {
    switch (op) {
    case AD_OP_ADD: *y = a + b; return true;
    case AD_OP_SUB: *y = a - b; return true;
    case AD_OP_MUL: *y = a * b; return true;
    case AD_OP_DIV: *y = a / b; return true;
    default: return false;
    }
}

ad_status ad_apply2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value b, ad_value *out) {
    double y;
    bool plain = arithmetic(op, a.num, b.num, &y);
    if (!plain) y = ad_scalar_value(op, a.num, b.num, 0);
    if (plain || !gives_bool(op)) return finish2(ctx, op, src, a, b, y, out);
    *out = ad_bool(y != 0);
    return AD_OK;
}

static AD_INLINE void let_go(ad_ctx *ctx, ad_value *v) {
    ad_value old = *v;
    *v = ad_number(0);
    if (old.head <= AD_BOOL) return;
    if (AD_LIKELY(old.kind != AD_TENSOR)) ad_unhold(ctx, old.node);
    else ad_release_slow(ctx, old);
}

ad_status ad_step2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value *to, ad_value *a, ad_value *b,
                   bool kill_a, bool kill_b) {
    ad_value out;
    double y;
    ad_status s = arithmetic(op, a->num, b->num, &y) ? finish2(ctx, op, src, *a, *b, y, &out)
                                                     : ad_apply2(ctx, op, src, *a, *b, &out);
    if (s != AD_OK) return s;
    if (kill_a) let_go(ctx, a);
    if (kill_b) let_go(ctx, b);
    let_go(ctx, to);
    *to = out;
    return AD_OK;
}

/* The chosen number; the entry remembers the other one too, which is still a path. */
static ad_status where_number(ad_ctx *ctx, uint32_t src, const ad_value *in, ad_value *out) {
    bool second = in[0].num == 0;
    *out = ad_number(in[1 + second].num);
    if (!ctx->recording || !(in[1].node | in[2].node)) return AD_OK;
    uint32_t a = in[1].node ? ad_operand(ctx, in[1]) : 0;
    uint32_t b = in[2].node ? ad_operand(ctx, in[2]) : 0;
    ad_status s = push_number(ctx, AD_OP_WHERE, src, a, b, out->num, out);
    if (s == AD_OK && second) ad_at(ctx->tape, out->node)->flags |= F_OLD;
    return s;
}

/* ---- block programs ----------------------------------------------------------------------- */

/* What the pullback reads has to be saved; of the rest the type is enough. */
static AD_INLINE unsigned prog_saves(ad_ctx *ctx, ad_prog *p, int n, const ad_value *in) {
    uint64_t tracked = 0;
    for (int i = 0; i < n && i < 64; i++) tracked |= (uint64_t)(in[i].node != 0) << i;
    if (AD_LIKELY(ad_prog_remembers(ctx, p, tracked & p->smooth))) return p->last.saves;
    uint64_t wanted = tracked & ad_prog_dependence(p);
    return wanted ? ad_prog_saves(ctx, p, wanted) : SAVE_ALL;
}

static bool is_bool(ad_value v) {
    return v.kind == AD_BOOL || (v.kind == AD_TENSOR && v.tensor->dtype == AD_BOOL8);
}

static AD_INLINE ad_status apply_prog(ad_ctx *ctx, ad_prog *p, unsigned op, uint32_t src,
                                      const ad_value *in, ad_value *out) {
    ad_status s = ad_prog_run(ctx, p, in, out);
    int n = p->inputs, nout = p->results;
    if (s != AD_OK || !ad_any_tracked(ctx, n, in) || is_bool(out[0])) return s;
    ad_payload *load = ad_payload_new(ctx, n, in, nout, out, prog_saves(ctx, p, n, in), NULL);
    if (load) {
        load->prog = p;
        p->refs++;
    }
    s = ad_record(ctx, op, src, load, nout, out);
    for (int k = 0; s != AD_OK && k < nout; k++) ad_release(ctx, out[k]);
    return s;
}

ad_status ad_apply_prog(ad_ctx *ctx, ad_prog *p, uint32_t src, const ad_value *in, ad_value *out) {
    return apply_prog(ctx, p, E_PROG, src, in, out);
}

/* ---- the door ----------------------------------------------------------------------------- */

static inline ad_status check_count(ad_ctx *ctx, const ad_row *row, int n) {
    if (n >= row->info.min_operands && n <= row->info.max_operands) return AD_OK;
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "`%s` takes %d operand%s, got %d", row->info.name,
                   row->info.min_operands, row->info.min_operands == 1 ? "" : "s", n);
}

static AD_INLINE ad_status apply_elementwise(ad_ctx *ctx, ad_op op, uint32_t src, int n, const ad_value *in,
                                             ad_value *out) {
    bool numbers = true;
    for (int i = 0; i < n; i++) numbers = numbers && is_number(in[i]);
    if (numbers && n == 1) return ad_apply1(ctx, op, src, in[0], out);
    if (numbers && n == 2) return ad_apply2(ctx, op, src, in[0], in[1], out);
    if (numbers && op == AD_OP_WHERE) return where_number(ctx, src, in, out);
    ad_prog *p = ctx->fuse->row[op];
    if (!p && !(p = ad_prog_of_row(ctx, op))) return ad_failed(ctx);
    return apply_prog(ctx, p, op, src, in, out);
}

ad_status ad_apply(ad_ctx *ctx, ad_op op, uint32_t src, int n, const ad_value *in, const ad_arg *args,
                   ad_value *out) {
    const ad_row *row = &ad_rows[op];
    ad_status s = check_count(ctx, row, n);
    if (s != AD_OK) return s;
    if (row->info.flags & AD_ROW_ELEMENTWISE) return apply_elementwise(ctx, op, src, n, in, out);
    s = ad_compute(ctx, op, src, n, in, args, out);
    int nout = row->info.results;
    if (s != AD_OK || !ad_any_tracked(ctx, n, in) || is_bool(out[0])) return s;
    unsigned save = row->saves & AD_SAVE_ALL_IN;
    if (save == AD_SAVE_ALL_IN) save = SAVE_ALL;
    if (row->saves & AD_SAVE_OUT) save |= SAVE_OUT;
    ad_payload *p = ad_payload_new(ctx, n, in, nout, out, save, args);
    s = ad_record(ctx, op, src, p, nout, out);
    for (int k = 0; s != AD_OK && k < nout; k++) ad_release(ctx, out[k]);
    return s;
}

/* ---- indices ------------------------------------------------------------------------------ */

static ad_status record_plan(ad_ctx *ctx, unsigned op, uint32_t src, ad_index_plan *plan, int n,
                             const ad_value *in, ad_value *out) {
    ad_payload *p = ad_payload_new(ctx, n, in, 1, out, 0, NULL);
    if (p) p->plan = plan;
    else ad_index_plan_free(ctx, plan);
    return ad_record(ctx, op, src, p, 1, out);
}

ad_status ad_index_get(ad_ctx *ctx, ad_value x, int n, const ad_index *index, uint32_t src,
                       ad_value *out) {
    ad_index_plan *plan;
    ad_status s = ad_index_resolve(ctx, x, n, index, &plan);
    if (s == AD_OK) s = ad_index_read_plan(ctx, x, plan, src, out);
    return s;
}

ad_status ad_index_read_plan(ad_ctx *ctx, ad_value x, ad_index_plan *plan, uint32_t src,
                             ad_value *out) {
    ad_status s = ad_index_read(ctx, x.tensor, plan, out);
    if (s != AD_OK || !ad_any_tracked(ctx, 1, &x) || is_bool(*out)) {
        ad_index_plan_free(ctx, plan);
        return s;
    }
    s = record_plan(ctx, E_INDEX, src, plan, 1, &x, out);
    if (s != AD_OK) ad_release(ctx, *out);
    return s;
}

ad_status ad_index_spread(ad_ctx *ctx, const ad_type *type, const ad_index_plan *plan, ad_value v,
                          uint32_t src, ad_value *out) {
    ad_status s = ad_zeros_of(ctx, type, out);
    if (s != AD_OK) return s;
    ad_index_plan *copy = NULL;
    s = ad_index_accumulate(ctx, out->tensor, plan, v);
    bool record = s == AD_OK && ad_any_tracked(ctx, 1, &v);
    if (record) s = ad_index_plan_copy(ctx, plan, &copy);
    if (record && s == AD_OK) s = record_plan(ctx, E_SPREAD, src, copy, 1, &v, out);
    if (s != AD_OK) ad_release(ctx, *out);
    return s;
}

/* `*x` is alone with its elements, or becomes so. */
static ad_status own_elements(ad_ctx *ctx, ad_value *x, ad_tensor **fresh) {
    *fresh = ad_tensor_unshared(x->tensor) ? x->tensor : ad_tensor_copy(ctx, x->tensor);
    return *fresh ? AD_OK : ctx->error.status;
}

static void replace(ad_ctx *ctx, ad_value *x, ad_value y) {
    if (y.tensor == x->tensor) { /* in place: only the entry is another */
        uint32_t old = x->node;
        *x = y;
        if (old && old != y.node) ad_unhold(ctx, old);
        return;
    }
    ad_value old = *x;
    *x = y;
    ad_release(ctx, old);
}

ad_status ad_index_set(ad_ctx *ctx, ad_value *x, int n, const ad_index *index, ad_value v,
                       uint32_t src) {
    ad_index_plan *plan;
    ad_status s = ad_index_resolve(ctx, *x, n, index, &plan);
    return s == AD_OK ? ad_index_write_plan(ctx, x, plan, v, src) : s;
}

ad_status ad_index_write_plan(ad_ctx *ctx, ad_value *x, ad_index_plan *plan, ad_value v, uint32_t src) {
    ad_tensor *t;
    ad_status s = ad_index_fits(ctx, plan, v);
    if (s == AD_OK) s = own_elements(ctx, x, &t);
    if (s != AD_OK) {
        ad_index_plan_free(ctx, plan);
        return s;
    }
    ad_value y = ad_wrap(t), operands[2] = {*x, v};
    bool record = ad_any_tracked(ctx, 2, operands);
    if (record) s = record_plan(ctx, E_PUT, src, plan, 2, operands, &y);
    if (s == AD_OK) s = ad_index_write(ctx, t, plan, v);
    if (!record) ad_index_plan_free(ctx, plan);
    if (s == AD_OK) {
        replace(ctx, x, y);
        return AD_OK;
    }
    if (y.node) ad_unhold(ctx, y.node);
    if (t != x->tensor) ad_tensor_release(ctx, t);
    return s;
}
