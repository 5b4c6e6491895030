/* SPDX-License-Identifier: MIT */
/* inspect.c - questions about what was recorded: single entries, what a value depends on, where the
 * first nan or inf came from. Changes nothing. */
#include "sweep.h"

#include <math.h>
#include <string.h>

static const char *entry_name(const tape_entry *e) {
    switch (e->op) {
    case E_LEAF: return "leaf";
    case E_CUT: return "value";
    case E_OUT: return "result";
    case E_PROG: return "fused";
    case E_INDEX: return "index";
    case E_PUT: return "assign";
    case E_SPREAD: return "spread";
    case E_GRAD: return "gradient";
    case E_JVP: return "tangent";
    case E_CUSTOM: return e->payload->callback->name;
    default: return ad_rows[e->op].info.name;
    }
}

bool ad_entry(const ad_ctx *ctx, uint32_t node, ad_entry_info *info) {
    const ad_tape *t = ctx->tape;
    memset(info, 0, sizeof *info);
    if (!node || node >> SEG_BITS >= t->table_used || !t->table[node >> SEG_BITS]) return false;
    uintptr_t w = t->table[node >> SEG_BITS];
    if (ad_is_remnant(w)) {
        info->op = "value";
        info->src = ad_remnant_of(w)->src;
        info->is_cut = true;
        return true;
    }
    const tape_entry *e = ad_at(t, node);
    if (e->op == E_FREE) return false;
    const uint32_t *in;
    uint32_t pair[2];
    info->op = entry_name(e);
    info->src = e->src;
    info->operands = ad_operands(e, &in, pair);
    for (int i = 0; i < info->operands && i < 8; i++) info->operand[i] = in[i];
    info->is_leaf = e->op == E_LEAF;
    info->is_cut = e->op == E_CUT;
    if (info->is_leaf) info->param = e->b;
    bool several = e->flags & F_PAYLOAD && e->payload->nout > 1;
    if (e->flags & F_PAYLOAD) ad_payload_type(e->payload, e->payload->nin, &info->type);
    if (!(e->flags & F_TENSOR) && !several) info->value = ad_entry_number(e);
    return true;
}

static ad_status trace_all(ad_ctx *ctx, ad_value y, ad_sweep **s) {
    ad_status st = ad_sweep_begin(ctx, false, s);
    if (st != AD_OK) return st;
    uint32_t node = y.node ? ad_operand(ctx, y) : 0;
    st = ad_sweep_trace_all(*s, node);
    if (st != AD_OK) ad_sweep_end(*s);
    return st;
}

size_t ad_trace(ad_ctx *ctx, ad_value y, uint32_t *nodes, size_t room) {
    ad_sweep *s;
    size_t n = 0;
    if (!y.node || trace_all(ctx, y, &s) != AD_OK) return 0;
    for (uint32_t i = s->order_count; i-- > 0;) {
        const ad_page *p = s->order[i];
        for (uint32_t k = 0; k < SEG_SIZE; k++) {
            if (!ad_bit(p->visited, k)) continue;
            if (n < room) nodes[n] = p->segment << SEG_BITS | k;
            n++;
        }
    }
    ad_sweep_end(s);
    return n;
}

static void note_param(ad_param id, ad_param *ids, size_t room, size_t *n) {
    for (size_t i = 0; i < *n && i < room; i++)
        if (ids[i] == id) return;
    if (*n < room) ids[*n] = id;
    ++*n;
}

size_t ad_reaches(ad_ctx *ctx, ad_value y, ad_param *ids, size_t room) {
    ad_sweep *s;
    size_t n = 0;
    if (!y.node || trace_all(ctx, y, &s) != AD_OK) return 0;
    for (uint32_t i = s->order_count; i-- > 0;) {
        const ad_page *p = s->order[i];
        const ad_segment *seg = (ad_segment *)ctx->tape->table[p->segment];
        for (uint32_t k = 0; k < seg->used; k++) {
            const tape_entry *e = &seg->e[k];
            if (ad_bit(p->visited, k) && e->op == E_LEAF && e->b && !(e->flags & F_OLD))
                note_param(e->b, ids, room, &n);
        }
    }
    ad_sweep_end(s);
    return n;
}

/* ---- the first nan or inf ----------------------------------------------------------------- */

static bool tensor_finite(const ad_tensor *t, double *bad) {
    ad_walk w;
    const int64_t *strides[1] = {ad_strides(t)};
    if (t->dtype == AD_BOOL8 || t->size == 0) return true;
    for (bool more = ad_walk_begin(&w, t->rank, t->dims, 1, strides); more; more = ad_walk_next(&w))
        for (int64_t i = 0; i < w.inner; i++) {
            const void *x = ad_element(t, w.offset[0] + i * w.step[0]);
            double v = t->dtype == AD_F32 ? (double)*(const float *)x : *(const double *)x;
            if (isfinite(v)) continue;
            *bad = v;
            return false;
        }
    return true;
}

static bool value_finite(ad_value v, double *bad) {
    if (v.kind == AD_TENSOR) return tensor_finite(v.tensor, bad);
    if (v.kind == KIND_ABSENT || isfinite(v.num)) return true;
    *bad = v.num;
    return false;
}

/* The result of an entry, as far as it is still there: its own, or what a later entry saved of it. */
static bool result_finite(const tape_entry *e, double *bad) {
    if (e->op == E_CUT || e->op == E_LEAF) return e->flags & F_TENSOR || value_finite(ad_number(e->num), bad);
    if (!(e->flags & F_PAYLOAD)) return e->flags & F_TENSOR || value_finite(ad_number(e->num), bad);
    for (int k = 0; k < e->payload->nout; k++)
        if (!value_finite(e->payload->saved[e->payload->nin + k], bad)) return false;
    return true;
}

static void blame(const ad_ctx *ctx, uint32_t node, double value, ad_blame *out) {
    const tape_entry *e = ad_at(ctx->tape, node);
    *out = (ad_blame){.node = node, .src = e->src, .op = entry_name(e), .operand = -1, .value = value};
    if (e->flags & F_PAYLOAD) return;
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++) {
        if (!in[i] || ad_at(ctx->tape, in[i])->flags & F_TENSOR) continue;
        out->operand = i;
        out->operand_value = ad_entry_number(ad_at(ctx->tape, in[i]));
        if (out->operand_value == 0 || n == 1) return;
    }
}

/* In the order of construction the first entry with a bad result is the one that made it. An entry
 * whose saved operand is bad blames the operand's own entry. */
static bool first_bad(ad_ctx *ctx, const ad_sweep *s, ad_blame *out) {
    for (uint32_t i = s->order_count; i-- > 0;) {
        const ad_page *p = s->order[i];
        const ad_segment *seg = (ad_segment *)ctx->tape->table[p->segment];
        for (uint32_t k = 0; k < seg->used; k++) {
            double bad;
            const tape_entry *e = &seg->e[k];
            if (!ad_bit(p->visited, k)) continue;
            for (int j = 0; e->flags & F_PAYLOAD && j < e->payload->nin; j++) {
                if (!e->payload->in[j] || value_finite(e->payload->saved[j], &bad)) continue;
                blame(ctx, e->payload->in[j], bad, out);
                return true;
            }
            if (result_finite(e, &bad) || (e->op == E_CUT && !e->held && !e->a)) continue;
            blame(ctx, ad_node(seg, k), bad, out);
            return true;
        }
    }
    return false;
}

bool ad_find_nonfinite(ad_ctx *ctx, ad_value v, ad_blame *out) {
    double bad = 0;
    ad_sweep *s;
    if (value_finite(v, &bad)) return false;
    *out = (ad_blame){.node = v.node, .op = "value", .operand = -1, .value = bad};
    if (!v.node || trace_all(ctx, v, &s) != AD_OK) return true;
    if (!first_bad(ctx, s, out)) blame(ctx, ad_operand(ctx, v), bad, out);
    ad_sweep_end(s);
    return true;
}
