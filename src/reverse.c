/* SPDX-License-Identifier: MIT */
/* reverse.c - adjoints, from y down to the denominators, through needed entries only.
 *
 * One walk serves two modes. Plain: a slot is 8 bytes, a number or a tensor that it owns. Recorded: a
 * slot is a tracked value, rules go through ad_apply, and the sweep can be differentiated. An entry
 * with several results gathers its cotangents in a block that its slot points to.
 * A zero adjoint is handed on as exactly 0, without its partial being looked at. Many lines of a Jacobian
 * go down together, plainly or recorded: then slots are values with an axis in front (lines.h). */
#include "fuse.h"
#include "lines.h"

#include <string.h>

/* ---- slots -------------------------------------------------------------------------------- */

static void *new_slots(ad_sweep *s) {
    ad_tape *t = s->ctx->tape;
    void *p = t->free_slots[s->wide];
    size_t each = s->wide ? sizeof(ad_value) : sizeof(uint64_t);
    if (p) {
        t->free_slots[s->wide] = *(void **)p;
    } else {
        p = ad_mem_get(s->ctx, SEG_SIZE * each);
        if (!p) return NULL;
        for (uint32_t i = 0; i < SEG_SIZE; i++) {
            if (s->wide) ((ad_value *)p)[i].head = AD_ABSENT_HEAD;
            else ((uint64_t *)p)[i] = AD_UNTOUCHED;
        }
    }
    /* The link of the free list stood in the first slot. */
    if (s->wide) ((ad_value *)p)->head = AD_ABSENT_HEAD;
    else *(uint64_t *)p = AD_UNTOUCHED;
    return p;
}

static void return_slots(ad_sweep *s, ad_page *p) {
    if (!p->slots) return;
    *(void **)p->slots = s->ctx->tape->free_slots[s->wide];
    s->ctx->tape->free_slots[s->wide] = p->slots;
    p->slots = NULL;
}

/* The slot of a needed entry; NULL where nothing is to be kept. `ok` turns false without memory. */
static inline void *slot_of(ad_sweep *s, uint32_t node, bool *ok) {
    ad_page *p = ad_page_at(s, node);
    uint32_t i = node & SEG_MASK;
    if (!p || !ad_bit(p->need, i)) return NULL;
    if (AD_UNLIKELY(!p->slots) && !(p->slots = new_slots(s))) {
        *ok = false;
        return NULL;
    }
    return s->wide ? (void *)((ad_value *)p->slots + i) : (void *)((uint64_t *)p->slots + i);
}

static AD_INLINE void add_number(uint64_t *slot, double g) {
    double have;
    memcpy(&have, slot, sizeof have);
    if (*slot != AD_UNTOUCHED) g += have;
    memcpy(slot, &g, sizeof g);
}

/* To an operand of an entry of page `p`, which often lies in the same page. */
static AD_INLINE bool give_number(ad_sweep *s, ad_page *p, uint32_t node, double g) {
    uint32_t i = node & SEG_MASK;
    if (node >> SEG_BITS == p->segment) {
        if (ad_bit(p->need, i)) add_number((uint64_t *)p->slots + i, g);
        return true;
    }
    bool ok = true;
    uint64_t *slot = node ? slot_of(s, node, &ok) : NULL;
    if (slot) add_number(slot, g);
    return ok;
}

static bool same_layout(const ad_tensor *a, const ad_tensor *b) {
    return a->dtype == b->dtype && a->dtype != AD_BOOL8 && ad_same_shape(a, b) && ad_packed(a) &&
           ad_packed(b);
}

static void add_into(ad_tensor *to, const ad_tensor *from) {
    if (to->dtype == AD_F64) {
        double *x = to->data;
        const double *y = from->data;
        for (int64_t i = 0; i < to->size; i++) x[i] += y[i];
    } else {
        float *x = to->data;
        const float *y = from->data;
        for (int64_t i = 0; i < to->size; i++) x[i] += y[i];
    }
}

/* x + y, in place where x is alone with its elements. Takes both over. */
static ad_status sum_of(ad_sweep *s, uint32_t src, ad_value x, ad_value y, ad_value *out) {
    if (!s->record && x.kind == AD_TENSOR && y.kind == AD_TENSOR && same_layout(x.tensor, y.tensor)) {
        if (!ad_tensor_unshared(x.tensor)) {
            ad_value t = x;
            x = y;
            y = t;
        }
        if (ad_tensor_unshared(x.tensor)) {
            add_into(x.tensor, y.tensor);
            ad_release(s->ctx, y);
            *out = x;
            return AD_OK;
        }
    }
    ad_value in[2] = {x, y};
    ad_status st = ad_apply(s->ctx, AD_OP_ADD, src, 2, in, NULL, out);
    ad_release(s->ctx, x);
    ad_release(s->ctx, y);
    return st;
}

static inline ad_value load(const ad_sweep *s, const void *slot, bool tensor) {
    if (s->wide) return *(const ad_value *)slot;
    ad_value v = ad_number(0);
    memcpy(&v.num, slot, sizeof v.num);
    if (tensor) v.kind = AD_TENSOR;
    return v;
}

static inline bool touched(const ad_sweep *s, const void *slot) {
    if (s->wide) return ((const ad_value *)slot)->head != AD_ABSENT_HEAD;
    return *(const uint64_t *)slot != AD_UNTOUCHED;
}

static inline void store(const ad_sweep *s, void *slot, ad_value v) {
    if (s->wide) *(ad_value *)slot = v;
    else memcpy(slot, &v.num, sizeof v.num);
}

static inline void clear(const ad_sweep *s, void *slot) {
    if (s->wide) ((ad_value *)slot)->head = AD_ABSENT_HEAD;
    else *(uint64_t *)slot = AD_UNTOUCHED;
}

/* Adds a cotangent to an entry of one result. Takes `v` over. */
static ad_status give(ad_sweep *s, uint32_t node, uint32_t src, ad_value v) {
    bool ok = true;
    void *slot = node ? slot_of(s, node, &ok) : NULL;
    if (!slot) {
        ad_release(s->ctx, v);
        return ok ? AD_OK : ad_failed(s->ctx);
    }
    if (!touched(s, slot)) {
        store(s, slot, v);
        return AD_OK;
    }
    ad_value have = load(s, slot, v.kind == AD_TENSOR), sum;
    clear(s, slot);
    ad_status st = sum_of(s, src, have, v, &sum);
    if (st == AD_OK) store(s, slot, sum);
    return st;
}

/* Adds to result k of an entry of several. Takes `v` over. */
static ad_status give_part(ad_sweep *s, uint32_t node, uint32_t k, ad_value v) {
    bool ok = true;
    void *slot = slot_of(s, node, &ok);
    if (!slot) {
        ad_release(s->ctx, v);
        return ok ? AD_OK : ad_failed(s->ctx);
    }
    const tape_entry *e = ad_at(s->ctx->tape, node);
    int n = e->payload->nout;
    ad_value gather = touched(s, slot) ? load(s, slot, false) : ad_number(0);
    if (!touched(s, slot)) {
        gather.ptr = ad_mem_get(s->ctx, (size_t)n * sizeof(ad_value));
        if (!gather.ptr) {
            ad_release(s->ctx, v);
            return ad_failed(s->ctx);
        }
        for (int i = 0; i < n; i++) ((ad_value *)gather.ptr)[i].head = AD_ABSENT_HEAD;
        store(s, slot, gather);
    }
    ad_value *part = (ad_value *)gather.ptr + k;
    if (part->head == AD_ABSENT_HEAD) {
        *part = v;
        return AD_OK;
    }
    ad_value have = *part;
    part->head = AD_ABSENT_HEAD;
    return sum_of(s, e->src, have, v, part);
}

/* ---- scalar entries ----------------------------------------------------------------------- */

static AD_INLINE double number_at(const ad_tape *t, uint32_t node) {
    return node ? ad_entry_number(ad_at(t, node)) : 0;
}

/* Tests of the checker falsify one row. */
static double sabotaged(const ad_ctx *ctx, const tape_entry *e, double partial) {
    if (ctx->sabotage != e->op) return partial;
    return ad_rows[e->op].info.flags & AD_ROW_ZERO ? partial + 0.001
                                                   : partial * ctx->sabotage_factor;
}

/* A scalar `where` keeps its two branches and which of them it took. */
static double chosen(const tape_entry *e, int k) { return (k == 1) == !!(e->flags & F_OLD) ? 1 : 0; }

static double true_partial(const tape_entry *e, int k, double a, double b) {
    return e->op == AD_OP_WHERE ? chosen(e, k) : ad_scalar_partial(e->op, k, a, b, 0, e->num);
}

double ad_entry_partial(const ad_ctx *ctx, const tape_entry *e, int k, double a, double b) {
    return sabotaged(ctx, e, true_partial(e, k, a, b));
}

static bool back_general(ad_sweep *s, ad_page *p, const tape_entry *e, double g) {
    const ad_tape *t = s->ctx->tape;
    double a = number_at(t, e->a), b = number_at(t, e->b);
    for (int k = 0; k < 2; k++) {
        uint32_t x = k ? e->b : e->a;
        if (!ad_needed(s, x)) continue;
        double d = g;
        if (g != 0) {
            double partial = true_partial(e, k, a, b);
            d = g * sabotaged(s->ctx, e, partial);
            if (ad_passed_over(e->op, k, a, b, partial, g)) d = 0;
        }
        if (!give_number(s, p, x, d)) return false;
    }
    return true;
}

static AD_INLINE bool back_number(ad_sweep *s, ad_page *p, const tape_entry *e, double g) {
    const ad_tape *t = s->ctx->tape;
    if (AD_UNLIKELY(s->ctx->sabotage)) return back_general(s, p, e, g);
    switch (e->op) {
    case AD_OP_ADD: return give_number(s, p, e->a, g) && give_number(s, p, e->b, g);
    case AD_OP_SUB: return give_number(s, p, e->a, g) && give_number(s, p, e->b, g == 0 ? 0 : -g);
    case AD_OP_NEG: return give_number(s, p, e->a, g == 0 ? 0 : -g);
    case AD_OP_MUL:
        if (g == 0) return give_number(s, p, e->a, g) && give_number(s, p, e->b, g);
        return give_number(s, p, e->a, g * number_at(t, e->b)) &&
               give_number(s, p, e->b, g * number_at(t, e->a));
    case AD_OP_DIV: { /* divided first: y / b may underflow where g · y / b does not */
        double share = g == 0 ? 0 : g * (1 / number_at(t, e->b));
        return give_number(s, p, e->a, share) &&
               give_number(s, p, e->b, share == 0 ? 0 : -(share * e->num));
    }
    case AD_OP_WHERE: {
        bool second = e->flags & F_OLD;
        return give_number(s, p, e->a, second ? 0 : g) && give_number(s, p, e->b, second ? g : 0);
    }
    default: return back_general(s, p, e, g);
    }
}

/* The same, recorded or for many lines: one product an operand. */
static ad_status back_products(ad_sweep *s, const tape_entry *e, uint32_t node, ad_value g) {
    for (int k = 0; k < 2; k++) {
        uint32_t x = k ? e->b : e->a;
        if (!ad_needed(s, x)) continue;
        ad_value d;
        ad_status st = s->lines ? ad_lines_product(s, e, k, node, g, &d)
                                : ad_recorded_product(s->ctx, e, k, node, g, false, &d);
        if (st == AD_OK) st = give(s, x, e->src, d);
        if (st != AD_OK) return st;
    }
    return AD_OK;
}

/* ---- entries with a payload --------------------------------------------------------------- */

/* The type of the adjoint of operand i. */
static void adjoint_type(const ad_sweep *s, const ad_payload *p, int i, ad_type *out) {
    ad_payload_type(p, i, out);
    if (s->lines) *out = ad_lines_type(s->lines, out);
}

/* Many lines: `each` tells whether they differ. */
static ad_status give_lines(ad_sweep *s, const tape_entry *e, int i, ad_value v, bool each) {
    ad_type type;
    ad_payload_type(e->payload, i, &type);
    ad_status st = ad_lines_conform(s->ctx, e->src, s->lines, v, each, &type, &v);
    return st == AD_OK ? give(s, e->payload->in[i], e->src, v) : st;
}

static inline ad_status give_operand(ad_sweep *s, const tape_entry *e, int i, ad_value v) {
    uint32_t src = e->src, in = e->payload->in[i];
    if (s->lines) return give_lines(s, e, i, v, true);
    if (AD_LIKELY(ad_payload_has_type(e->payload, i, v))) return give(s, in, src, v);
    ad_type type;
    ad_payload_type(e->payload, i, &type);
    ad_status st = ad_conform(s->ctx, src, v, &type, &v);
    return st == AD_OK ? give(s, in, src, v) : st;
}

static inline uint64_t wanted_inputs(const ad_sweep *s, const ad_payload *p) {
    uint64_t wanted = ad_prog_dependence(p->prog);
    for (int i = 0; i < p->nin && i < 64; i++)
        if (!ad_needed(s, p->in[i])) wanted &= ~(UINT64_C(1) << i);
    return wanted;
}

static AD_INLINE ad_status run_pullback(ad_sweep *s, const tape_entry *e, uint64_t wanted,
                                        const ad_value *in, ad_value *out) {
    ad_prog *p = e->payload->prog, *back = p->last.pullback;
    if (!ad_prog_remembers(s->ctx, p, wanted)) back = ad_prog_pullback(s->ctx, p, wanted);
    if (!back) return ad_failed(s->ctx);
    if (!s->record) return ad_prog_run(s->ctx, back, in, out);
    return ad_apply_prog(s->ctx, back, e->src, in, out);
}

/* Plain: all operands in one pass. Recorded: one program an operand, so that each is one entry. */
static AD_INLINE ad_status back_prog(ad_sweep *s, const tape_entry *e, ad_value g) {
    const ad_payload *p = e->payload;
    ad_value in[AD_MAX_OPERANDS + 1], out[AD_MAX_OPERANDS];
    uint64_t wanted = wanted_inputs(s, p);
    if (!wanted) return AD_OK;
    for (int i = 0; i < p->nin; i++) in[i] = ad_saved_value(e, i, s->record);
    in[p->nin] = g;
    ad_status st = AD_OK;
    if (!s->record) {
        bool done = s->lines && ad_lines_partials(s->ctx, e, wanted, in, &g, false, out, &st);
        in[p->nin] = g;
        if (!done) st = run_pullback(s, e, wanted, in, out);
        int k = 0;
        for (int i = 0; i < p->nin; i++) {
            if (!(wanted >> i & 1)) continue;
            if (st == AD_OK) st = give_operand(s, e, i, out[k++]);
            else if (k) ad_release(s->ctx, out[k++]);
        }
        return st;
    }
    for (int i = 0; i < p->nin && st == AD_OK; i++) {
        if (!(wanted >> i & 1)) continue;
        st = run_pullback(s, e, UINT64_C(1) << i, in, out);
        if (st == AD_OK) st = give_operand(s, e, i, out[0]);
    }
    return st;
}

static ad_value falsified(ad_rule *r, ad_value v) {
    if (r->row->info.flags & AD_ROW_ZERO) return ad_rule_op2(r, AD_OP_ADD, v, ad_number(0.001));
    return ad_rule_op2(r, AD_OP_MUL, v, ad_number(r->ctx->sabotage_factor));
}

void ad_frame_falsify(ad_frame *f, unsigned op) {
    ad_ctx *ctx = f->rule.ctx;
    if (ctx->sabotage != op || !op) return;
    for (int i = 0; i < f->rule.n; i++) {
        if (!f->given[i]) continue;
        ad_value v = falsified(&f->rule, f->result[i]);
        uint8_t flags = f->result[i].flags;
        ad_release(ctx, f->result[i]);
        f->result[i] = ad_retain(ctx, v);
        f->result[i].flags = flags;
    }
}

/* Of rows whose derivative is 0 and that have nothing to say about it. */
static void zero_rule(ad_rule *r) {
    for (int i = 0; i < r->n; i++)
        if (r->need[i]) ad_rule_give(r, i, ad_rule_zeros(r, &r->in_type[i]));
}

/* A zero adjoint contributes 0, whatever the operands are: nobody looks at them. Where the sweep is
 * recorded a zero may have a derivative of its own. */
static bool all_zero(const ad_sweep *s, int n, const ad_value *adj, const bool *has) {
    if (s->record) return false;
    for (int k = 0; k < n; k++)
        if (has[k] && !ad_value_is_zero(adj[k])) return false;
    return true;
}

static ad_status back_row(ad_sweep *s, uint32_t node, const tape_entry *e, const ad_value *adj,
                          const bool *has) {
    ad_frame f;
    const ad_payload *p = e->payload;
    ad_status st = ad_frame_open(s->ctx, node, s->record, &f);
    if (st != AD_OK) return st;
    f.rule.adj = adj;
    f.rule.has_adj = has;
    for (int i = 0; i < p->nin; i++) f.need[i] = ad_needed(s, p->in[i]);
    const ad_row *row = f.rule.row;
    if (row->info.flags & AD_ROW_NODIFF || !(row->vjp || row->info.flags & AD_ROW_ZERO))
        ad_fail_nodiff(&f.rule, e->src);
    else if (!row->vjp || all_zero(s, p->nout, adj, has)) zero_rule(&f.rule);
    else if (s->lines) ad_lines_rule(&f.rule, s->lines, row->vjp, p->nout, &f.rule.adj, has, p->nin);
    else row->vjp(&f.rule);
    ad_frame_falsify(&f, e->op);
    st = ad_frame_finish(&f);
    for (int i = 0; i < p->nin; i++) {
        if (!f.given[i]) continue;
        if (st == AD_OK && s->lines) st = give_lines(s, e, i, f.result[i], f.result[i].flags & AD_LINES);
        else if (st == AD_OK) st = give_operand(s, e, i, f.result[i]);
        else ad_release(s->ctx, f.result[i]);
    }
    ad_frame_close(&f);
    return st;
}

/* Reading through an index: added into the operand's adjoint at the places, in place. */
static ad_status back_places(ad_sweep *s, const tape_entry *e, const ad_index_plan *plan, ad_value g) {
    const ad_payload *p = e->payload;
    ad_type type;
    adjoint_type(s, p, 0, &type);
    if (s->record) {
        ad_value v;
        ad_status st = ad_index_spread(s->ctx, &type, plan, g, e->src, &v);
        return st == AD_OK ? give(s, p->in[0], e->src, v) : st;
    }
    bool ok = true;
    void *slot = slot_of(s, p->in[0], &ok);
    if (!slot) return ok ? AD_OK : ad_failed(s->ctx);
    ad_value have;
    if (!touched(s, slot)) {
        if (ad_zeros_of(s->ctx, &type, &have) != AD_OK) return ad_failed(s->ctx);
        store(s, slot, have);
    }
    have = load(s, slot, true);
    if (!ad_tensor_unshared(have.tensor) || !ad_tensor_is_contiguous(have.tensor)) {
        ad_tensor *own = ad_tensor_copy(s->ctx, have.tensor);
        if (!own) return ad_failed(s->ctx);
        ad_release(s->ctx, have);
        have.tensor = own;
        store(s, slot, have);
    }
    return ad_index_accumulate(s->ctx, have.tensor, plan, g);
}

static ad_status back_index(ad_sweep *s, const tape_entry *e, ad_value g) {
    ad_index_plan *plan;
    if (!s->lines) return back_places(s, e, e->payload->plan, g);
    ad_status st = ad_lines_plan(s->ctx, e->payload, s->lines, &plan);
    if (st != AD_OK) return st;
    st = back_places(s, e, plan, g);
    ad_index_plan_free(s->ctx, plan);
    return st;
}

/* Writing through an index: the array moves on with the places cleared; they go to what was written. */
/* Goes on with `*adjoint` in the place of a copy: filling a tensor is linear backwards too. */
static ad_status back_put(ad_sweep *s, const tape_entry *e, ad_value *adjoint) {
    const ad_payload *p = e->payload;
    const ad_value g = *adjoint;
    ad_index_plan *plan;
    ad_status st = AD_OK;
    if (ad_needed(s, p->in[1])) {
        st = ad_lines_plan(s->ctx, p, s->lines, &plan);
        ad_value v;
        if (st == AD_OK) st = ad_index_read_plan(s->ctx, g, plan, e->src, &v);
        if (st == AD_OK && !s->record && v.kind == AD_TENSOR && v.tensor->base) {
            ad_tensor *own = ad_tensor_copy(s->ctx, v.tensor);
            ad_release(s->ctx, v);
            if (!own) return ad_failed(s->ctx);
            v = ad_wrap(own);
        }
        if (st == AD_OK) st = give_operand(s, e, 1, v);
    }
    if (st != AD_OK || !ad_needed(s, p->in[0])) return st;
    st = ad_lines_plan(s->ctx, p, s->lines, &plan);
    if (st == AD_OK) st = ad_index_write_plan(s->ctx, adjoint, plan, ad_number(0), e->src);
    if (st != AD_OK) return st;
    ad_value rest = *adjoint;
    *adjoint = ad_number(0);
    return give(s, p->in[0], e->src, rest);
}

static ad_status back_spread(ad_sweep *s, const tape_entry *e, ad_value g) {
    ad_index_plan *plan;
    ad_value v;
    ad_status st = ad_lines_plan(s->ctx, e->payload, s->lines, &plan);
    if (st == AD_OK) st = ad_index_read_plan(s->ctx, g, plan, e->src, &v);
    return st == AD_OK ? give_operand(s, e, 0, v) : st;
}

static ad_status zeros_for(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has,
                           ad_value *full) {
    const ad_payload *p = e->payload;
    for (int k = 0; k < p->nout; k++) {
        if (has[k]) {
            full[k] = ad_retain(s->ctx, adj[k]);
            continue;
        }
        ad_type type;
        ad_payload_type(p, p->nin + k, &type);
        if (ad_zeros_of(s->ctx, &type, &full[k]) == AD_OK) continue;
        while (k--) ad_release(s->ctx, full[k]);
        return ad_failed(s->ctx);
    }
    return AD_OK;
}

/* The host's rule for one cotangent each; `din` is filled with what it gives. */
static ad_status pull_back(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has,
                           ad_value *din) {
    const ad_payload *p = e->payload;
    size_t bytes = (size_t)(p->nin + p->nout) * sizeof(ad_value);
    for (int i = 0; i < p->nin; i++) din[i] = ad_number(0);
    ad_value *dout = ad_mem_get(s->ctx, bytes), *in = dout + p->nout;
    if (!dout) return ad_failed(s->ctx);
    ad_status st = zeros_for(s, e, adj, has, dout);
    if (st == AD_OK) {
        for (int i = 0; i < p->nin; i++) in[i] = ad_saved_value(e, i, s->record);
        st = p->callback->pull(s->ctx, p->user, p->callback->inputs ? in : NULL, dout, din, s->record);
        for (int k = 0; k < p->nout; k++) ad_release(s->ctx, dout[k]);
    }
    ad_mem_put(s->ctx, dout, bytes);
    return st;
}

/* Line j of the cotangents through the host's rule; `line` gets one value an operand, of its type. */
static ad_status pull_line(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has, int64_t j,
                           ad_value *slope, ad_value *line) {
    const ad_payload *p = e->payload;
    ad_status st = AD_OK;
    for (int k = 0; k < p->nout; k++) {
        slope[k] = ad_number(0);
        if (has[k] && st == AD_OK) st = ad_line_of(s->ctx, e->src, adj[k], j, &slope[k]);
    }
    if (st == AD_OK) st = pull_back(s, e, slope, has, line);
    for (int i = 0; i < p->nin; i++) {
        ad_type type;
        ad_value v = line[i];
        ad_payload_type(p, i, &type);
        line[i] = ad_number(0);
        if (st == AD_OK) st = ad_conform(s->ctx, e->src, v, &type, &line[i]);
        else ad_release(s->ctx, v);
    }
    for (int k = 0; k < p->nout; k++) ad_release(s->ctx, slope[k]);
    return st;
}

/* The host's rule knows one line; those of operand i stand at line[j · nin + i]. */
static ad_status back_custom_lines(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has) {
    const ad_payload *p = e->payload;
    size_t n = p->nin, k = (size_t)s->lines, bytes = (n * k + k + p->nout) * sizeof(ad_value);
    ad_value *line = ad_mem_get(s->ctx, bytes), *column = line + n * k, *slope = column + k;
    if (!line) return ad_failed(s->ctx);
    for (size_t i = 0; i < n * k; i++) line[i] = ad_number(0);
    ad_status st = AD_OK;
    for (size_t j = 0; j < k && st == AD_OK; j++)
        st = pull_line(s, e, adj, has, (int64_t)j, slope, line + j * n);
    for (size_t i = 0; i < n && st == AD_OK; i++) {
        ad_value all;
        if (!ad_needed(s, p->in[i])) continue;
        for (size_t j = 0; j < k; j++) column[j] = line[j * n + i];
        st = ad_lines_join(s->ctx, e->src, s->lines, column, &all);
        if (st == AD_OK) st = give_lines(s, e, (int)i, all, true);
    }
    for (size_t i = 0; i < n * k; i++) ad_release(s->ctx, line[i]);
    ad_mem_put(s->ctx, line, bytes);
    return st;
}

static ad_status back_custom(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has) {
    const ad_payload *p = e->payload;
    if (s->lines) return back_custom_lines(s, e, adj, has);
    size_t bytes = (size_t)p->nin * sizeof(ad_value);
    ad_value *din = ad_mem_get(s->ctx, bytes);
    if (!din) return ad_failed(s->ctx);
    ad_status st = pull_back(s, e, adj, has, din);
    for (int i = 0; i < p->nin; i++) {
        if (st == AD_OK) st = give_operand(s, e, i, din[i]);
        else ad_release(s->ctx, din[i]);
    }
    ad_mem_put(s->ctx, din, bytes);
    return st;
}

/* ---- gradients inside gradients ----------------------------------------------------------- */

static ad_status walk_stretch(ad_sweep *s, ad_mark mark);

static ad_status seed_stretch(ad_sweep *s, int nout, const ad_value *out, uint32_t src,
                              const ad_value *adj, const bool *has) {
    ad_status st = AD_OK;
    for (int k = 0; k < nout && st == AD_OK; k++)
        if (has[k] && out[k].node) st = give(s, out[k].node, src, ad_retain(s->ctx, adj[k]));
    return st;
}

/* The gradient is swept again, recorded; what was recorded is swept at once, down to where it began;
 * what flows further down belongs to entries that are still to come. */
static ad_status back_gradient(ad_sweep *s, const tape_entry *e, const ad_value *adj, const bool *has) {
    ad_ctx *ctx = s->ctx;
    ad_mark mark = ad_tape_mark(ctx);
    int nout = e->payload->nout;
    ad_value *out = ad_mem_get(ctx, (size_t)nout * sizeof *out);
    if (!out) return ad_failed(ctx);
    ad_status st = ad_unroll(ctx, e, out);
    if (st == AD_OK) {
        st = ad_sweep_stretch(s, mark);
        if (st == AD_OK) st = seed_stretch(s, nout, out, e->src, adj, has);
        if (st == AD_OK) st = walk_stretch(s, mark);
        ad_sweep_forget(s, mark);
        for (int k = 0; k < nout; k++) ad_release(ctx, out[k]);
        if (!s->record) ad_rewind_unheld(ctx, mark);
    }
    ad_mem_put(ctx, out, (size_t)nout * sizeof *out);
    return st;
}

/* ---- the walk ----------------------------------------------------------------------------- */

static AD_INLINE ad_status back_payload(ad_sweep *s, uint32_t node, const tape_entry *e, ad_value *adj,
                                        const bool *has) {
    switch (e->op) {
    case E_INDEX: return back_index(s, e, adj[0]);
    case E_PUT: return back_put(s, e, &adj[0]);
    case E_SPREAD: return back_spread(s, e, adj[0]);
    case E_GRAD:
    case E_JVP: return back_gradient(s, e, adj, has);
    case E_CUSTOM: return back_custom(s, e, adj, has);
    default: return e->payload->prog ? back_prog(s, e, adj[0]) : back_row(s, node, e, adj, has);
    }
}

static ad_status back_several(ad_sweep *s, uint32_t node, const tape_entry *e, ad_value *adj) {
    int n = e->payload->nout;
    bool *has = ad_mem_get(s->ctx, (size_t)n * sizeof *has);
    ad_status st = has ? AD_OK : ad_failed(s->ctx);
    for (int k = 0; k < n && has; k++) has[k] = adj[k].head != AD_ABSENT_HEAD;
    if (has) st = back_payload(s, node, e, adj, has);
    for (int k = 0; k < n; k++)
        if (adj[k].head != AD_ABSENT_HEAD) ad_release(s->ctx, adj[k]);
    if (has) ad_mem_put(s->ctx, has, (size_t)n * sizeof *has);
    ad_mem_put(s->ctx, adj, (size_t)n * sizeof *adj);
    return st;
}

static void keep_result(ad_sweep *s, uint32_t node, ad_value g) {
    for (int i = 0; i < s->nwrt; i++)
        if (s->wrt[i] == node && s->result[i].head == AD_ABSENT_HEAD)
            s->result[i] = ad_retain(s->ctx, g);
}

/* Takes `g` over. */
static ad_status back_entry(ad_sweep *s, uint32_t node, ad_value g) {
    const tape_entry *e = ad_at(s->ctx->tape, node);
    ad_status st = AD_OK;
    static const bool yes = true;
    if (e->op == E_OUT) return give_part(s, e->a, e->b, g);
    if (e->op == E_LEAF && !(e->b && s->params)) return give(s, e->a, e->src, g);
    if (e->op == E_CUT || e->op == E_LEAF) st = AD_OK;
    else if (e->flags & F_PAYLOAD) st = back_payload(s, node, e, &g, &yes);
    else if (s->wide) st = back_products(s, e, node, g);
    else if (!back_number(s, ad_page_at(s, node), e, g.num)) st = ad_failed(s->ctx);
    ad_release(s->ctx, g);
    return st;
}

static ad_status take_entry(ad_sweep *s, ad_page *p, uint32_t i) {
    uint32_t node = p->segment << SEG_BITS | i;
    const tape_entry *e = ad_at(s->ctx->tape, node);
    void *slot = s->wide ? (void *)((ad_value *)p->slots + i) : (void *)((uint64_t *)p->slots + i);
    if (!touched(s, slot)) return AD_OK;
    bool several = e->flags & F_PAYLOAD && e->payload->nout > 1;
    ad_value g = load(s, slot, e->flags & F_TENSOR && !several);
    clear(s, slot);
    bool look = s->watched && (several || ad_is_finite(g));
    if (several) {
        ad_status st = back_several(s, node, e, g.ptr);
        if (look && st == AD_OK) ad_watch_entry(s, node);
        return st;
    }
    if (AD_UNLIKELY(ad_bit(p->wrt, i))) keep_result(s, node, g);
    ad_status st = back_entry(s, node, g);
    if (look && st == AD_OK) ad_watch_entry(s, node);
    return st;
}

/* A scalar entry of a plain sweep that no denominator is: the common case of long chains. */
static AD_INLINE bool is_simple(const ad_sweep *s, const ad_page *p, const tape_entry *e, uint32_t i) {
    return !s->wide && !s->watched && e->op < E_LEAF && !(e->flags & F_PAYLOAD) && !ad_bit(p->wrt, i);
}

static AD_INLINE ad_status take_simple(ad_sweep *s, ad_page *p, const tape_entry *e, uint32_t i) {
    uint64_t *slot = (uint64_t *)p->slots + i;
    double g;
    if (*slot == AD_UNTOUCHED) return AD_OK;
    memcpy(&g, slot, sizeof g);
    *slot = AD_UNTOUCHED;
    return back_number(s, p, e, g) ? AD_OK : ad_failed(s->ctx);
}

static ad_status walk_page(ad_sweep *s, ad_page *p, uint32_t from) {
    const ad_segment *seg = (ad_segment *)s->ctx->tape->table[p->segment];
    ad_status st = ad_poll(s->ctx);
    for (int w = SEG_WORDS - 1; w >= (int)(from / 64) && st == AD_OK; w--) {
        uint64_t todo = p->need[w];
        if (w == (int)(from / 64)) todo &= ~UINT64_C(0) << (from & 63);
        while (todo && p->slots && st == AD_OK) {
            int bit = 63 - __builtin_clzll(todo);
            todo &= ~(UINT64_C(1) << bit);
            uint32_t i = (uint32_t)(w * 64 + bit);
            const tape_entry *e = &seg->e[i];
            st = is_simple(s, p, e, i) ? take_simple(s, p, e, i) : take_entry(s, p, i);
        }
    }
    if (st == AD_OK && from == 0) return_slots(s, p);
    return st;
}

static ad_status walk_stretch(ad_sweep *s, ad_mark mark) {
    ad_status st = AD_OK;
    const ad_tape *t = s->ctx->tape;
    for (ad_segment *g = t->last; g && g->seq >= mark.sequence && st == AD_OK; g = g->prev) {
        ad_page *p = s->table[g->id];
        if (p && p->slots) st = walk_page(s, p, g->seq == mark.sequence ? mark.node : 0);
    }
    return st;
}

static ad_status seed_all(ad_sweep *s, int ny, const uint32_t *y, const ad_value *seed) {
    for (int i = 0; i < ny; i++) {
        if (!y[i]) continue;
        const tape_entry *e = ad_at(s->ctx->tape, y[i]);
        ad_value g = ad_retain(s->ctx, seed[i]);
        if (!s->record && g.node) {
            ad_value plain = ad_stop(s->ctx, g);
            ad_release(s->ctx, g);
            g = plain;
        }
        ad_status st = give(s, y[i], e->src, g);
        if (st != AD_OK) return st;
    }
    return AD_OK;
}

ad_status ad_sweep_reverse(ad_sweep *s, int ny, const uint32_t *y, const ad_value *seed) {
    bool was = ad_set_recording(s->ctx, s->record);
    for (int i = 0; i < s->nwrt; i++) s->result[i].head = AD_ABSENT_HEAD;
    ad_status st = seed_all(s, ny, y, seed);
    for (uint32_t i = 0; i < s->order_count && st == AD_OK; i++)
        if (s->order[i]->slots) st = walk_page(s, s->order[i], 0);
    ad_set_recording(s->ctx, was);
    if (st == AD_OK) return AD_OK;
    for (int i = 0; i < s->nwrt; i++)
        if (s->result[i].head != AD_ABSENT_HEAD) {
            ad_release(s->ctx, s->result[i]);
            s->result[i].head = AD_ABSENT_HEAD;
        }
    return st;
}
