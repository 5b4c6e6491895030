/* SPDX-License-Identifier: MIT */
/* fuse_derive.c - the derivative of a block program is a block program: the forward instructions once
 * more, then the partials of the table's rows, each multiplied strongly (`mulz`) with the adjoint or
 * tangent that meets it. What is not needed is dropped when the program is finished, and equal nodes
 * are one, so a partial that uses the row's result costs nothing extra. Programs are kept below the one
 * they come from; those that a test has falsified are found only while it does. */
#include "fuse.h"

#include <math.h>

/* ---- a builder that simplifies ------------------------------------------------------------ */

typedef struct maker {
    ad_builder base;
    ad_prog *q;
} maker;

static bool constant_of(const ad_prog *q, int32_t node, double *x) {
    if (node < 0 || q->nodes[node].kind != AD_NODE_CONST) return false;
    *x = q->nodes[node].value;
    return true;
}

static int32_t emit1(ad_prog *q, ad_op op, int32_t a) { return ad_prog_node(q, op, 1, &a, -1); }

static int32_t emit2(ad_prog *q, ad_op op, int32_t a, int32_t b) {
    const int32_t in[] = {a, b};
    return ad_prog_node(q, op, 2, in, -1);
}

static int32_t negative(ad_prog *q, int32_t a) {
    if (a >= 0 && q->nodes[a].kind == AD_NODE_OP && q->nodes[a].op == AD_OP_NEG) return q->nodes[a].in[0];
    return emit1(q, AD_OP_NEG, a);
}

/* x · c, without a multiplication where it would change nothing. */
static int32_t times(ad_prog *q, ad_op op, int32_t x, double c, int32_t node) {
    if (c == 1) return x;
    if (c == -1) return negative(q, x);
    return emit2(q, op, x, node);
}

static int32_t product(ad_prog *q, int32_t a, int32_t b) {
    double x;
    if (constant_of(q, b, &x)) return times(q, AD_OP_MUL, a, x, b);
    if (constant_of(q, a, &x)) return times(q, AD_OP_MUL, b, x, a);
    return emit2(q, AD_OP_MUL, a, b);
}

/* A finite constant partial needs no mask, an adjoint that is a constant other than 0 neither. */
static int32_t strong_product(ad_prog *q, int32_t adjoint, int32_t partial) {
    double x;
    if (constant_of(q, partial, &x) && isfinite(x)) return times(q, AD_OP_MUL, adjoint, x, partial);
    if (constant_of(q, adjoint, &x) && x != 0) return times(q, AD_OP_MUL, partial, x, adjoint);
    return emit2(q, AD_OPID_mulz, adjoint, partial);
}

static int32_t power(ad_prog *q, int32_t a, int32_t b) {
    double x;
    if (!constant_of(q, b, &x)) return emit2(q, AD_OP_POW, a, b);
    if (x == 0) return ad_prog_number(q, 1);
    if (x == 1) return a;
    if (x == 2) return emit2(q, AD_OP_MUL, a, a);
    return emit2(q, AD_OP_POW, a, b);
}

static int32_t simplified(ad_prog *q, ad_op op, int n, const int32_t *in) {
    double x;
    switch (op) {
    case AD_OP_NEG: return negative(q, in[0]);
    case AD_OP_MUL: return product(q, in[0], in[1]);
    case AD_OP_POW: return power(q, in[0], in[1]);
    case AD_OPID_mulz: return strong_product(q, in[0], in[1]);
    case AD_OP_DIV:
        if (constant_of(q, in[1], &x) && x == 1) return in[0];
        break;
    case AD_OP_WHERE:
        if (constant_of(q, in[0], &x)) return in[x != 0 ? 1 : 2];
        break;
    default: break;
    }
    return ad_prog_node(q, op, n, in, -1);
}

static ad_term maker_emit(ad_builder *b, ad_op op, int n, const ad_term *in) {
    maker *m = (maker *)b;
    int32_t node[3] = {0};
    for (int i = 0; i < n; i++) node[i] = in[i].reg;
    return (ad_term){.reg = simplified(m->q, op, n, node)};
}

static ad_term maker_constant(ad_builder *b, double x) {
    maker *m = (maker *)b;
    return (ad_term){.reg = ad_prog_number(m->q, x)};
}

/* ---- one pass ----------------------------------------------------------------------------- */

typedef struct derivation {
    maker make;
    ad_ctx *ctx;
    const ad_prog *p;
    ad_prog *q;
    size_t bytes;
    int32_t *map;   /* node of p → node of q */
    int32_t *slope; /* node of p → its adjoint or tangent in q, or -1 */
    bool *active;   /* node of p depends on what is asked for */
    bool both;      /* ad_sweep.both */
} derivation;

static bool falsified(const derivation *d, ad_op op) { return d->ctx->sabotage == op && op; }

static bool has_partial(const derivation *d, ad_op op, int k) {
    return !ad_partial_is_zero(op, k) || (falsified(d, op) && (ad_rows[op].info.flags & AD_ROW_ZERO));
}

static void mark_active(derivation *d, uint64_t asked) {
    const ad_prog *p = d->p;
    for (int i = 0; i < p->count; i++) {
        const ad_node *x = &p->nodes[i];
        d->active[i] = x->kind == AD_NODE_INPUT && i < 64 && (asked >> i & 1);
        for (int k = 0; k < x->n; k++)
            if (d->active[x->in[k]] && has_partial(d, x->op, k)) d->active[i] = true;
    }
}

static ad_status open_derivation(derivation *d, ad_ctx *ctx, const ad_prog *p, int inputs,
                                 uint64_t asked) {
    size_t n = (size_t)p->count;
    *d = (derivation){.ctx = ctx, .p = p, .bytes = n * (2 * sizeof(int32_t) + 1)};
    if (inputs > 2 * AD_MAX_OPERANDS)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1,
                       "a fused function of %d inputs is too large to be differentiated once more",
                       p->inputs);
    d->map = ad_mem_get(ctx, d->bytes);
    if (!d->map) return ad_failed(ctx);
    d->slope = d->map + n;
    d->active = (bool *)(d->slope + n);
    d->q = ad_prog_raw(ctx, inputs);
    if (!d->q) return ad_failed(ctx);
    d->q->derived = true;
    d->make = (maker){.base = {.emit = maker_emit, .constant = maker_constant}, .q = d->q};
    for (int i = 0; i < p->count; i++) {
        const ad_node *x = &p->nodes[i];
        int32_t in[3] = {0};
        for (int k = 0; k < x->n; k++) in[k] = d->map[x->in[k]];
        d->map[i] = x->kind == AD_NODE_INPUT   ? i
                    : x->kind == AD_NODE_CONST ? ad_prog_number(d->q, x->value)
                                               : ad_prog_node(d->q, x->op, x->n, in, -1);
        d->slope[i] = -1;
    }
    mark_active(d, asked);
    return AD_OK;
}

static ad_prog *close_derivation(derivation *d, ad_status s) {
    if (d->map) ad_mem_put(d->ctx, d->map, d->bytes);
    if (s == AD_OK) return d->q;
    if (d->q) ad_prog_release(d->ctx, d->q);
    return NULL;
}

/* The slope of operand `of` meets a partial. */
static int32_t meet(derivation *d, int32_t of, int32_t slope, int32_t partial) {
    ad_prog *q = d->q;
    double x;
    int32_t y = strong_product(q, slope, partial);
    if (!d->both || constant_of(q, partial, &x)) return y;
    int32_t zero = ad_prog_number(q, 0), moves = emit2(q, AD_OP_NE, partial, zero);
    int32_t finite = emit2(q, AD_OP_OR, emit1(q, AD_OPID_isfinite, slope), emit1(q, AD_OPID_isfinite, of));
    int32_t in[] = {emit2(q, AD_OP_OR, moves, finite), y, zero};
    return simplified(q, AD_OP_WHERE, 3, in);
}

/* Where an exact zero of a strong product stood against inf or nan, the product is a constant 0 at every
 * order; an infinite slope of the second operand cannot reach through a zero either. */
static int32_t of_strong_product(derivation *d, const ad_node *x, int k, int32_t slope) {
    ad_prog *q = d->q;
    int32_t a = d->map[x->in[0]], b = d->map[x->in[1]], zero = ad_prog_number(q, 0);
    int32_t finite = emit1(q, AD_OPID_isfinite, b);
    if (k == 1) finite = emit2(q, AD_OP_AND, finite, emit1(q, AD_OPID_isfinite, slope));
    int32_t in[] = {emit2(q, AD_OP_OR, emit2(q, AD_OP_NE, a, zero), finite),
                    meet(d, k == 0 ? a : b, slope, k == 0 ? b : a), zero};
    return simplified(q, AD_OP_WHERE, 3, in);
}

/* The slope is divided before it meets the quotient: y / b may underflow where slope · y / b does not, as
 * in the higher derivatives of 1 / (1 + exp(-x)). */
static int32_t of_quotient(derivation *d, const ad_node *x, int node, int k, int32_t slope) {
    int32_t b = d->map[x->in[1]], of = d->map[x->in[k]], one = ad_prog_number(d->q, 1), in[] = {one, b};
    int32_t share = meet(d, of, slope, simplified(d->q, AD_OP_DIV, 2, in));
    return k == 0 ? share : meet(d, of, share, negative(d->q, d->map[node]));
}

/* What operand k contributes: `slope` is the adjoint of the result or the tangent of the operand. */
static int32_t contribution(derivation *d, int node, int k, int32_t slope) {
    const ad_node *x = &d->p->nodes[node];
    if (x->op == AD_OP_WHERE && !falsified(d, x->op)) {
        int32_t in[] = {d->map[x->in[0]], slope, slope};
        in[k == 1 ? 2 : 1] = ad_prog_number(d->q, 0);
        return simplified(d->q, AD_OP_WHERE, 3, in);
    }
    if (x->op == AD_OPID_mulz && !falsified(d, x->op)) return of_strong_product(d, x, k, slope);
    if (x->op == AD_OP_DIV && !falsified(d, x->op)) return of_quotient(d, x, node, k, slope);
    ad_term in[3] = {{0}};
    for (int i = 0; i < x->n; i++) in[i].reg = d->map[x->in[i]];
    int32_t partial = ad_rows[x->op].partial(&d->make.base, k, in, (ad_term){.reg = d->map[node]}).reg;
    if (falsified(d, x->op)) {
        bool zero = ad_rows[x->op].info.flags & AD_ROW_ZERO;
        partial = zero ? ad_prog_number(d->q, 0.001)
                       : emit2(d->q, AD_OP_MUL, partial, ad_prog_number(d->q, d->ctx->sabotage_factor));
    }
    if (ad_rows[x->op].info.flags & AD_ROW_SELECT) return strong_product(d->q, partial, slope);
    return meet(d, d->map[x->in[k]], slope, partial);
}

static void accumulate(derivation *d, int node, int32_t more) {
    d->slope[node] = d->slope[node] < 0 ? more : emit2(d->q, AD_OP_ADD, d->slope[node], more);
}

static int32_t slope_or_zero(const derivation *d, int node) {
    return d->slope[node] >= 0 ? d->slope[node] : ad_prog_number(d->q, 0);
}

/* ---- kept programs ------------------------------------------------------------------------ */

static ad_prog *find(const ad_ctx *ctx, const ad_prog *p, bool forward, bool both, uint64_t mask) {
    for (ad_derived *d = p->cache; d; d = d->next)
        if (d->forward == forward && d->both == both && d->mask == mask && d->falsified == ctx->sabotage &&
            (!ctx->sabotage || d->factor == ctx->sabotage_factor))
            return d->prog;
    return NULL;
}

/* The cache owns the program; everybody else borrows it. */
static ad_prog *keep(ad_ctx *ctx, ad_prog *p, bool forward, bool both, uint64_t mask, ad_prog *made) {
    if (!made) return NULL;
    ad_derived *d = ad_mem_get(ctx, sizeof *d);
    if (!d) {
        ad_prog_release(ctx, made);
        return NULL;
    }
    *d = (ad_derived){forward, both, mask, ctx->sabotage, ctx->sabotage_factor, made, p->cache};
    p->cache = d;
    return made;
}

static void set_shape_inputs(ad_prog *q, const ad_prog *p, int from) {
    for (int i = 0; i < q->inputs; i++) {
        bool counts = i < from ? (p->nodes[i].flags & AD_NODE_SHAPE) != 0 : true;
        if (counts)
            q->nodes[i].flags |= AD_NODE_SHAPE;
        else
            q->nodes[i].flags &= (uint8_t)~AD_NODE_SHAPE;
    }
}

/* ---- backward ----------------------------------------------------------------------------- */

static void sweep_back(derivation *d) {
    const ad_prog *p = d->p;
    for (int r = 0; r < p->results; r++) accumulate(d, p->result[r], p->inputs + r);
    for (int i = p->count - 1; i >= p->inputs; i--) {
        const ad_node *x = &p->nodes[i];
        if (x->kind != AD_NODE_OP || !d->active[i] || d->slope[i] < 0) continue;
        for (int k = 0; k < x->n; k++)
            if (d->active[x->in[k]] && has_partial(d, x->op, k))
                accumulate(d, x->in[k], contribution(d, i, k, d->slope[i]));
    }
}

static ad_prog *make_pullback(ad_ctx *ctx, ad_prog *p, uint64_t wanted) {
    derivation d;
    int32_t result[64], like[64], n = 0;
    ad_status s = open_derivation(&d, ctx, p, p->inputs + p->results, wanted);
    if (s != AD_OK) return close_derivation(&d, s);
    sweep_back(&d);
    for (int i = 0; i < p->inputs && i < 64; i++) {
        if (!(wanted >> i & 1)) continue;
        result[n] = slope_or_zero(&d, i);
        like[n++] = i;
    }
    s = ad_prog_finish_all(d.q, n, result, like);
    if (s == AD_OK) set_shape_inputs(d.q, p, p->inputs);
    return close_derivation(&d, s);
}

static unsigned reads_of(const ad_prog *p, const ad_prog *back) {
    unsigned saves = 0;
    for (int i = 0; i < p->inputs; i++)
        if (ad_prog_reads(back, i)) saves |= 1u << (i < 28 ? i : 28);
    return saves;
}

ad_prog *ad_prog_pullback(ad_ctx *ctx, ad_prog *p, uint64_t wanted) {
    if (AD_LIKELY(ad_prog_remembers(ctx, p, wanted))) return p->last.pullback;
    ad_prog *q = find(ctx, p, false, false, wanted);
    if (!q) q = keep(ctx, p, false, false, wanted, make_pullback(ctx, p, wanted));
    if (q && ctx->sabotage == AD_OP_NONE) {
        p->last.wanted = wanted;
        p->last.pullback = q;
        p->last.saves = reads_of(p, q);
    }
    return q;
}

unsigned ad_prog_saves(ad_ctx *ctx, ad_prog *p, uint64_t wanted) {
    const ad_prog *back = ad_prog_pullback(ctx, p, wanted);
    if (!back) return (1u << 29) - 1;
    return ctx->sabotage == AD_OP_NONE ? p->last.saves : reads_of(p, back);
}

/* ---- forward ------------------------------------------------------------------------------ */

static void sweep_forward(derivation *d, uint64_t given) {
    const ad_prog *p = d->p;
    int next = p->inputs;
    for (int i = 0; i < p->inputs && i < 64; i++)
        if (given >> i & 1) d->slope[i] = next++;
    for (int i = p->inputs; i < p->count; i++) {
        const ad_node *x = &p->nodes[i];
        for (int k = 0; k < x->n; k++)
            if (d->slope[x->in[k]] >= 0 && has_partial(d, x->op, k))
                accumulate(d, i, contribution(d, i, k, d->slope[x->in[k]]));
    }
}

static ad_prog *make_pushforward(ad_ctx *ctx, ad_prog *p, uint64_t given, bool both) {
    derivation d;
    int32_t result[2 * AD_MAX_OPERANDS];
    ad_status s = open_derivation(&d, ctx, p, p->inputs + __builtin_popcountll(given), given);
    if (s != AD_OK) return close_derivation(&d, s);
    d.both = both;
    sweep_forward(&d, given);
    for (int r = 0; r < p->results; r++) result[r] = slope_or_zero(&d, p->result[r]);
    s = ad_prog_finish_all(d.q, p->results, result, NULL);
    if (s == AD_OK) set_shape_inputs(d.q, p, p->inputs);
    return close_derivation(&d, s);
}

ad_prog *ad_prog_pushforward(ad_ctx *ctx, ad_prog *p, uint64_t given, bool both) {
    ad_prog *q = find(ctx, p, true, both, given);
    return q ? q : keep(ctx, p, true, both, given, make_pushforward(ctx, p, given, both));
}
