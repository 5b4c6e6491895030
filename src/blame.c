/* SPDX-License-Identifier: MIT */
/* blame.c - where the first inf or nan came from. Nothing is paid for this before one arrives.
 *
 * Forward: from the bad value down, always to an operand that is bad, and in an elementwise operation
 * to the element that is, past what `where` did not choose. Results that no entry saved are computed
 * again from the operands that were saved, oldest first. Backward: the sweep is done again, and each
 * entry is looked at behind its turn. Tangents: blame_forward.c. */
#include "blame.h"
#include "kernel_reduce.h"
#include "sweep.h"

#include <math.h>
#include <string.h>

/* ---- finite? ------------------------------------------------------------------------------ */

bool ad_first_bad(const ad_tensor *t, int64_t *index) {
    memset(index, 0, AD_MAX_RANK * sizeof *index);
    for (int64_t k = 0; k < t->size; k++) {
        int64_t offset = 0;
        for (int a = 0; a < t->rank; a++) offset += index[a] * ad_strides(t)[a];
        if (!isfinite(ad_number_at(t, offset))) return true;
        for (int a = t->rank - 1; a >= 0 && ++index[a] == t->dims[a]; a--) index[a] = 0;
    }
    return false;
}

static bool all_finite(const ad_tensor *t) {
    return t->dtype == AD_F64 ? ad_all_finite(t->data, t->size) : ad_all_finite_f32(t->data, t->size);
}

bool ad_is_finite(ad_value v) {
    int64_t index[AD_MAX_RANK];
    if (v.kind != AD_TENSOR) return v.kind > AD_TENSOR || isfinite(v.num);
    const ad_tensor *t = v.tensor;
    if (t->dtype == AD_BOOL8) return true;
    if (!ad_tensor_is_contiguous(t)) {
        const ad_tensor *all = t->base; /* turned about, mostly */
        return (all && all->size <= 2 * t->size && all_finite(all)) || !ad_first_bad(t, index);
    }
    return all_finite(t);
}

bool ad_are_finite(int n, const ad_value *v) {
    for (int i = 0; v && i < n; i++)
        if (!ad_is_finite(v[i])) return false;
    return true;
}

/* ---- what results were -------------------------------------------------------------------- */

typedef struct search {
    ad_ctx *ctx;
    ad_sweep *s;
    ad_map known; /* node → place in `values` + 1 */
    ad_value *values;
    uint32_t count, room;
    ad_blame *out;
} search;

static const ad_value *value_of(const search *q, uint32_t node) {
    uint32_t k = ad_map_get(&q->known, node);
    return k ? &q->values[k - 1] : NULL;
}

/* Takes `v` over. Without memory it stays unknown. */
static void know(search *q, uint32_t node, ad_value v) {
    v.node = 0;
    if (q->count == q->room) {
        uint32_t more = q->room ? 2 * q->room : 64;
        size_t old = q->room * sizeof *q->values, wanted = more * sizeof *q->values;
        ad_value *big = q->values ? ad_mem_resize(q->ctx, q->values, old, wanted)
                                  : ad_mem_get(q->ctx, wanted);
        if (big) q->values = big, q->room = more;
    }
    if (q->count == q->room || !ad_map_put(q->ctx, &q->known, node, q->count + 1)) {
        ad_release(q->ctx, v);
        return;
    }
    q->values[q->count++] = v;
}

static ad_value stored(ad_ctx *ctx, ad_value v) {
    v.node = 0;
    return ad_retain(ctx, v);
}

/* Operand i of an entry with a payload, borrowed; false where it is not to be had. */
static bool operand_value(const search *q, const tape_entry *e, int i, ad_value *out) {
    const ad_payload *p = e->payload;
    const ad_value *known = p->in[i] ? value_of(q, p->in[i]) : NULL;
    *out = p->saved[i];
    if (out->kind != KIND_ABSENT) return true;
    if (known) *out = *known;
    return known != NULL;
}

static bool all_operands(const search *q, const tape_entry *e, ad_value *in) {
    for (int i = 0; i < e->payload->nin; i++)
        if (!operand_value(q, e, i, &in[i])) return false;
    return true;
}

static ad_status compute(ad_ctx *ctx, const tape_entry *e, const ad_value *in, ad_value *out) {
    ad_payload *p = e->payload;
    ad_index_plan *plan;
    if (p->prog) return ad_prog_run(ctx, p->prog, in, out);
    if (e->op == E_INDEX && ad_index_plan_copy(ctx, p->plan, &plan) == AD_OK)
        return ad_index_read_plan(ctx, in[0], plan, e->src, out);
    if (e->op == E_PUT && ad_index_plan_copy(ctx, p->plan, &plan) == AD_OK) {
        *out = ad_retain(ctx, in[0]);
        return ad_index_write_plan(ctx, out, plan, in[1], e->src);
    }
    if (e->op >= E_LEAF || p->nout != 1) return AD_ERR_ARGUMENT;
    return ad_apply(ctx, e->op, e->src, p->nin, in, p->args, out);
}

static void know_result(search *q, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    if (value_of(q, node) || p->nout != 1) return;
    if (p->saved[p->nin].kind != KIND_ABSENT) {
        know(q, node, stored(q->ctx, p->saved[p->nin]));
        return;
    }
    ad_value *in = ad_mem_get(q->ctx, ((size_t)p->nin + 1) * sizeof *in), out;
    if (!in) return;
    if (all_operands(q, e, in) && compute(q->ctx, e, in, &out) == AD_OK) know(q, node, out);
    ad_mem_put(q->ctx, in, ((size_t)p->nin + 1) * sizeof *in);
}

/* Everything visited, oldest first: what consumers saved, then what can be computed again. */
static void know_all(search *q) {
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = q->s->order_count; i-- > 0;) {
            const ad_page *page = q->s->order[i];
            const ad_segment *seg = (ad_segment *)q->ctx->tape->table[page->segment];
            for (uint32_t k = 0; k < seg->used; k++) {
                const tape_entry *e = &seg->e[k];
                if (!ad_bit(page->visited, k) || !(e->flags & F_PAYLOAD)) continue;
                if (pass) know_result(q, ad_node_of(seg, k), e);
                for (int j = 0; !pass && j < e->payload->nin; j++) {
                    uint32_t in = e->payload->in[j];
                    ad_value v = e->payload->saved[j];
                    if (in && v.kind == AD_TENSOR && !value_of(q, in)) know(q, in, stored(q->ctx, v));
                }
            }
        }
}

/* ---- down the tape ------------------------------------------------------------------------- */

typedef struct place {
    uint32_t node;
    bool has_index;
    int64_t index[AD_MAX_RANK];
} place;

static void blame_entry(search *q, uint32_t node, const tape_entry *e) {
    q->out->node = node;
    q->out->src = e->src;
    q->out->op = ad_entry_name(e);
    q->out->operand = -1;
    q->out->operands = 0;
}

static bool is_bad(const search *q, uint32_t node) {
    const tape_entry *e = node ? ad_at(q->ctx->tape, node) : NULL;
    if (!e) return false;
    const ad_value *v = value_of(q, node);
    if (v) return !ad_is_finite(*v);
    bool number = !(e->flags & (F_TENSOR | F_PAYLOAD));
    return number && e->op != E_OUT ? !isfinite(e->num) : false;
}

static uint32_t down_number(search *q, uint32_t node, const tape_entry *e) {
    const ad_tape *t = q->ctx->tape;
    double x[2] = {0};
    if (e->op == AD_OP_WHERE) return e->flags & F_OLD ? e->b : e->a;
    if (is_bad(q, e->a)) return e->a;
    if (is_bad(q, e->b)) return e->b;
    blame_entry(q, node, e);
    int n = e->b ? 2 : 1;
    if (e->a) x[0] = ad_entry_number(ad_at(t, e->a));
    if (e->b) x[1] = ad_entry_number(ad_at(t, e->b));
    ad_blame_operation(q->out, e->op, n, x, e->num);
    return 0;
}

static uint32_t down_block(search *q, place *at, const tape_entry *e) {
    const ad_payload *p = e->payload;
    const ad_value *y = value_of(q, at->node);
    ad_value in[AD_MAX_OPERANDS];
    blame_entry(q, at->node, e);
    if (!all_operands(q, e, in)) return 0;
    if (!at->has_index && y && y->kind == AD_TENSOR) at->has_index = ad_first_bad(y->tensor, at->index);
    int rank = y && y->kind == AD_TENSOR ? y->tensor->rank : 0;
    int input = ad_prog_blame(q->ctx, p->prog, in, rank, at->index, q->out);
    if (input < 0 || !p->in[input]) return 0;
    q->out->operands = 0;
    const ad_tensor *t = in[input].kind == AD_TENSOR ? in[input].tensor : NULL;
    for (int a = 0; t && a < t->rank; a++) {
        int64_t i = at->index[rank - t->rank + a];
        at->index[a] = t->dims[a] > 1 ? i : 0;
    }
    return p->in[input];
}

static uint32_t down_row(search *q, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    uint32_t unknown = 0;
    blame_entry(q, node, e);
    for (int i = 0; i < p->nin; i++) {
        ad_value v;
        bool have = operand_value(q, e, i, &v);
        if (have && ad_is_finite(v)) {
            if (v.kind != AD_TENSOR && p->nin <= 3) q->out->operand_value[q->out->operands++] = v.num;
            continue;
        }
        if (!have) unknown = p->in[i];
        else if (p->in[i]) return p->in[i];
        else q->out->operand = i; /* data, which is not traced further */
    }
    return unknown;
}

/* A callback can look inside itself. */
static uint32_t down_callback(search *q, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    for (int i = 0; i < p->nin; i++)
        if (is_bad(q, p->in[i]) || (p->saved[i].kind <= AD_TENSOR && !ad_is_finite(p->saved[i])))
            return p->in[i];
    blame_entry(q, node, e);
    if (p->callback->search && p->callback->inputs) {
        bool was = ad_set_recording(q->ctx, true);
        p->callback->search(q->ctx, p->user, p->saved, q->out);
        ad_set_recording(q->ctx, was);
    }
    return 0;
}

static uint32_t down_gradient(search *q, uint32_t node, const tape_entry *e) {
    ad_blame found = {0};
    ad_blame *outer = q->ctx->watch;
    blame_entry(q, node, e);
    q->ctx->watch = &found;
    ad_sweep_again(q->ctx, e);
    q->ctx->watch = outer;
    if (found.op) *q->out = found;
    return 0;
}

/* The next place to look at; 0 where the blame is found. */
static uint32_t down(search *q, place *at) {
    const tape_entry *e = ad_at(q->ctx->tape, at->node);
    bool elementwise = e->flags & F_PAYLOAD && e->payload->prog;
    if (elementwise) return down_block(q, at, e);
    if (e->op == E_LEAF && e->a) return e->a;
    at->has_index = false;
    if (e->op == E_OUT) return e->a;
    if (e->op == E_LEAF || e->op == E_CUT) {
        blame_entry(q, at->node, e);
        if (!(e->flags & F_TENSOR)) q->out->value = e->num;
        q->out->end = true;
        return 0;
    }
    if (!(e->flags & F_PAYLOAD)) return down_number(q, at->node, e);
    if (e->op == E_GRAD) return down_gradient(q, at->node, e);
    if (e->op == E_CUSTOM) return down_callback(q, at->node, e);
    return down_row(q, at->node, e);
}

static void search_end(search *q) {
    ad_sweep_end(q->s);
    for (uint32_t i = 0; i < q->count; i++) ad_release(q->ctx, q->values[i]);
    if (q->values) ad_mem_put(q->ctx, q->values, q->room * sizeof *q->values);
    ad_map_clear(q->ctx, &q->known);
}

bool ad_find_nonfinite(ad_ctx *ctx, ad_value v, ad_blame *out) {
    search q = {.ctx = ctx, .out = out};
    if (ad_is_finite(v)) return false;
    *out = (ad_blame){.op = "value", .operand = -1, .value = NAN, .end = true};
    if (v.kind != AD_TENSOR) out->value = v.num;
    uint32_t node = v.node ? ad_operand(ctx, v) : 0;
    if (!node || ad_sweep_begin(ctx, false, &q.s) != AD_OK) return true;
    bool was = ad_set_recording(ctx, false);
    out->end = false;
    if (ad_sweep_trace_all(q.s, node) == AD_OK) {
        know(&q, node, stored(ctx, v));
        know_all(&q);
        place at = {.node = node};
        for (uint32_t next; (next = down(&q, &at));) at.node = next;
    }
    ad_set_recording(ctx, was);
    search_end(&q);
    return true;
}

bool ad_recall_operands(ad_ctx *ctx, uint32_t node, ad_value *in) {
    search q = {.ctx = ctx};
    const tape_entry *e = ad_at(ctx->tape, node);
    int n = e->payload->nin;
    bool all = true, was = ad_set_recording(ctx, false);
    for (int i = 0; i < n; i++) all = all && e->payload->saved[i].kind != KIND_ABSENT;
    bool again = !all && ad_sweep_begin(ctx, false, &q.s) == AD_OK;
    if (again && ad_sweep_trace_all(q.s, node) == AD_OK) know_all(&q);
    all = all || (again && all_operands(&q, e, in));
    for (int i = 0; i < n; i++)
        in[i] = !all ? ad_number(0) : again ? stored(ctx, in[i]) : stored(ctx, e->payload->saved[i]);
    ad_set_recording(ctx, was);
    if (again) search_end(&q);
    return all;
}

/* ---- backward ------------------------------------------------------------------------------ */

/* The adjoint that waits for an entry; false if there is none. */
static bool pending(const ad_sweep *s, uint32_t node, ad_value *out) {
    const ad_page *p = node ? ad_page_at(s, node) : NULL;
    if (!p || !p->slots || !ad_bit(p->need, node & SEG_MASK)) return false;
    const tape_entry *e = ad_at(s->ctx->tape, node);
    uint64_t slot = ((const uint64_t *)p->slots)[node & SEG_MASK];
    if (slot == AD_UNTOUCHED || (e->flags & F_PAYLOAD && e->payload->nout > 1)) return false;
    *out = ad_number(0);
    memcpy(&out->num, &slot, sizeof slot);
    if (e->flags & F_TENSOR) out->kind = AD_TENSOR;
    return true;
}

static void blame_block(const ad_sweep *s, uint32_t node, int i, ad_value bad, ad_blame *out) {
    const ad_payload *p = ad_at(s->ctx->tape, node)->payload;
    int64_t index[AD_MAX_RANK] = {0};
    ad_value in[AD_MAX_OPERANDS];
    int rank = bad.kind == AD_TENSOR ? bad.tensor->rank : 0;
    if (rank) ad_first_bad(bad.tensor, index);
    if (ad_recall_operands(s->ctx, node, in)) ad_prog_blame_adjoint(s->ctx, p->prog, in, rank, index, i, out);
    for (int k = 0; k < p->nin; k++) ad_release(s->ctx, in[k]);
}

static void blame_adjoint(const ad_sweep *s, uint32_t node, const tape_entry *e, int i, ad_value bad) {
    ad_blame *out = s->ctx->watch;
    const ad_tape *t = s->ctx->tape;
    *out = (ad_blame){.node = node, .src = e->src, .op = ad_entry_name(e), .operand = i,
                      .value = bad.kind == AD_TENSOR ? NAN : bad.num, .backward = true};
    int64_t index[AD_MAX_RANK];
    if (bad.kind == AD_TENSOR && ad_first_bad(bad.tensor, index))
        out->value = ad_element_of(bad, bad.tensor->rank, index);
    if (e->flags & F_PAYLOAD) {
        if (e->payload->prog) blame_block(s, node, i, bad, out);
        return;
    }
    out->operands = e->b ? 2 : 1;
    if (e->a) out->operand_value[0] = ad_entry_number(ad_at(t, e->a));
    if (e->b) out->operand_value[1] = ad_entry_number(ad_at(t, e->b));
}

void ad_watch_entry(ad_sweep *s, uint32_t node) {
    const tape_entry *e = ad_at(s->ctx->tape, node);
    const uint32_t *in;
    uint32_t pair[2];
    ad_value v;
    if (s->ctx->watch->op) return; /* found already, perhaps inside a callback */
    int n = e->op == E_OUT ? 0 : ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++)
        if (pending(s, in[i], &v) && !ad_is_finite(v)) {
            blame_adjoint(s, node, e, i, v);
            return;
        }
}

/* Seeds of 1. */
static ad_status ones(ad_ctx *ctx, int n, const ad_value *y, ad_value *out) {
    ad_status st = AD_OK;
    for (int i = 0; i < n && st == AD_OK; i++) {
        ad_type type = ad_type_of(y[i]);
        st = ad_ones_of(ctx, &type, &out[i]);
    }
    return st;
}

/* `v` has room for n values and ny seeds. */
static ad_status sweep_watched(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                               const ad_value *wrt, ad_value *v) {
    ad_value *own = v + n;
    for (int i = 0; i < ny; i++) own[i] = ad_number(0);
    ad_status st = seed ? AD_OK : ones(ctx, ny, y, own);
    if (st == AD_OK) st = ad_vjp(ctx, ny, y, seed ? seed : own, n, wrt, 0, 0, v);
    for (int i = 0; st == AD_OK && i < n; i++) ad_release(ctx, v[i]);
    for (int i = 0; i < ny; i++) ad_release(ctx, own[i]);
    return st;
}

bool ad_find_nonfinite_adjoint(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                               const ad_value *wrt, ad_blame *out) {
    ad_blame *outer = ctx->watch;
    size_t bytes = ((size_t)n + (size_t)ny + 1) * sizeof(ad_value);
    ad_value *v = ad_mem_get(ctx, bytes);
    *out = (ad_blame){0};
    if (!v) return false;
    bool was = ad_set_recording(ctx, false);
    ctx->watch = out;
    if (ad_are_finite(ny, seed)) /* else somebody was told of it */
        sweep_watched(ctx, ny, y, seed, n, wrt, v);
    ctx->watch = outer;
    ad_set_recording(ctx, was);
    ad_mem_put(ctx, v, bytes);
    return out->op != NULL;
}

bool ad_find_nonfinite_tangent(ad_ctx *ctx, int n, const ad_value *wrt, const ad_value *tangent, int ny,
                               const ad_value *y, ad_blame *out) {
    ad_blame *outer = ctx->watch;
    size_t bytes = ((size_t)ny + 1) * sizeof(ad_value);
    ad_value *v = ad_mem_get(ctx, bytes);
    *out = (ad_blame){0};
    if (!v) return false;
    bool was = ad_set_recording(ctx, false);
    ctx->watch = out;
    if (ad_are_finite(n, tangent) && ad_jvp(ctx, n, wrt, tangent, ny, y, 0, 0, v) == AD_OK)
        for (int i = 0; i < ny; i++) ad_release(ctx, v[i]);
    ctx->watch = outer;
    ad_set_recording(ctx, was);
    ad_mem_put(ctx, v, bytes);
    return out->op != NULL;
}
