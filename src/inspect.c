/* SPDX-License-Identifier: MIT */
/* inspect.c - questions about what was recorded: single entries, what a value depends on. Changes
 * nothing. */
#include "sweep.h"

#include <string.h>

const char *ad_entry_name(const tape_entry *e) {
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
    info->op = ad_entry_name(e);
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
