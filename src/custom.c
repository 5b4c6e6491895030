/* SPDX-License-Identifier: MIT */
/* custom.c - blocks of computation whose backward rule is the host's. The host has computed the values;
 * here they become the results of one entry, which from then on owns what the rule needs. Also: what a
 * stretch of the tape was computed from, for a host that wants to put one entry in its place. */
#include "sweep.h"

/* Taken over, but there is no entry to own it. */
static void let_go(ad_ctx *ctx, const ad_callback *cb, void *user) {
    if (cb->free) cb->free(ctx, user);
}

ad_status ad_custom(ad_ctx *ctx, const ad_callback *cb, void *user, uint32_t src, int n,
                    const ad_value *in, int nout, const ad_value *values, ad_value *out) {
    if (n > UINT16_MAX || nout > UINT16_MAX) {
        let_go(ctx, cb, user);
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "more than %d inputs or outputs", UINT16_MAX);
    }
    for (int k = 0; k < nout; k++) out[k] = ad_stop(ctx, values[k]);
    if (nout == 0 || !ad_any_tracked(ctx, n, in)) {
        let_go(ctx, cb, user);
        return AD_OK;
    }
    ad_payload *p = ad_payload_new(ctx, n, in, nout, out, cb->inputs ? SAVE_ALL & ~SAVE_OUT : 0, NULL);
    ad_status s = ad_record(ctx, E_CUSTOM, src, p, nout, out);
    if (s != AD_OK) {
        for (int k = 0; k < nout; k++) ad_release(ctx, out[k]);
        let_go(ctx, cb, user);
        return s;
    }
    p->callback = cb;
    p->user = user;
    return AD_OK;
}

/* ---- what a stretch came from ------------------------------------------------------------- */

typedef struct boundary {
    ad_ctx *ctx;
    ad_mark mark;
    ad_map seen; /* entries in front of the mark */
    uint32_t *nodes;
    size_t room, count;
    bool failed;
} boundary;

static bool behind_mark(const boundary *b, uint32_t node) {
    uint64_t seq = ad_seq_of(b->ctx->tape, node);
    return seq != b->mark.sequence ? seq > b->mark.sequence : (node & SEG_MASK) >= b->mark.node;
}

/* F_KEEP belongs to the collector, which clears it before it looks. */
static void come_from(boundary *b, uint32_t node) {
    if (!node) return;
    if (behind_mark(b, node)) {
        ad_at(b->ctx->tape, node)->flags |= F_KEEP;
        return;
    }
    if (ad_map_get(&b->seen, node)) return;
    if (!ad_map_put(b->ctx, &b->seen, node, 1)) b->failed = true;
    if (b->count < b->room) b->nodes[b->count] = node;
    b->count++;
}

static void clear_marks(ad_tape *t, ad_mark mark) {
    for (ad_segment *g = ad_first_since(t, mark); g; g = g->next)
        for (uint32_t i = g->seq == mark.sequence ? mark.node : 0; i < g->used; i++)
            g->e[i].flags &= (uint8_t)~F_KEEP;
}

static bool stands_alone(const tape_entry *e) {
    if (e->op == E_CUT) return e->a || e->held;
    return e->op == E_LEAF && e->b && e->held;
}

uint32_t ad_entry_of(ad_ctx *ctx, ad_value v) { return v.node ? ad_operand(ctx, v) : 0; }

size_t ad_boundary(ad_ctx *ctx, ad_mark mark, int ny, const ad_value *y, uint32_t *nodes,
                   size_t room, bool *closed) {
    ad_tape *t = ctx->tape;
    boundary b = {.ctx = ctx, .mark = mark, .nodes = nodes, .room = room};
    clear_marks(t, mark);
    *closed = true;
    for (int i = 0; i < ny; i++) come_from(&b, y[i].node);
    for (ad_segment *g = t->last; g && g->seq >= mark.sequence; g = g->prev)
        for (uint32_t i = g->used, from = g->seq == mark.sequence ? mark.node : 0; i-- > from;) {
            const tape_entry *e = &g->e[i];
            const uint32_t *in;
            uint32_t pair[2];
            if (e->op == E_FREE) continue;
            if (stands_alone(e)) *closed = false;
            if (!(e->flags & F_KEEP)) continue;
            int n = ad_operands(e, &in, pair);
            for (int k = 0; k < n; k++) come_from(&b, in[k]);
        }
    if (b.failed) *closed = false;
    ad_map_clear(ctx, &b.seen);
    return b.count;
}
