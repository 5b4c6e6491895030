/* SPDX-License-Identifier: MIT */
/* trace.c - which entries a sweep has to look at.
 *
 * Down: pages wait in a heap, latest first; within a page bits are visited from the top. Below the
 * oldest denominator only older versions of a parameter are looked for (the stale rule), as far down
 * as one can lie. Up: an entry is needed if it is a denominator or an operand is needed. */
#include "sweep.h"

#include <string.h>

/* ---- pages -------------------------------------------------------------------------------- */

ad_page *ad_sweep_page(ad_sweep *s, uint32_t segment, uint64_t seq) {
    ad_tape *t = s->ctx->tape;
    if (!ad_grow(s->ctx, &s->table, &s->table_room, segment + 1, sizeof(void *))) return NULL;
    ad_page *p = s->table[segment];
    if (p) return p;
    p = t->free_pages;
    if (p) t->free_pages = p->next;
    else p = ad_mem_get(s->ctx, sizeof *p);
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
    p->segment = segment;
    p->seq = seq;
    s->table[segment] = p;
    return p;
}

static void drop_slots(ad_sweep *s, ad_page *p);

static bool is_blank(const ad_page *p) {
    uint64_t any = 0;
    for (int w = 0; w < SEG_WORDS; w++) any |= p->visited[w] | p->wrt[w];
    return !any;
}

static void free_page(ad_sweep *s, ad_page *p) {
    if (p->slots) drop_slots(s, p);
    s->table[p->segment] = NULL;
    p->next = s->ctx->tape->free_pages;
    s->ctx->tape->free_pages = p;
}

/* What an interrupted sweep left behind. */
static void drop_slots(ad_sweep *s, ad_page *p) {
    ad_tape *t = s->ctx->tape;
    const ad_segment *seg = (ad_segment *)t->table[p->segment];
    for (uint32_t i = 0; i < SEG_SIZE; i++) {
        const tape_entry *e = &seg->e[i];
        bool gather = i < seg->used && e->flags & F_PAYLOAD && e->payload->nout > 1;
        ad_value v = ad_number(0);
        if (s->wide) {
            ad_value *slot = (ad_value *)p->slots + i;
            if (slot->head == AD_ABSENT_HEAD) continue;
            v = *slot;
            slot->head = AD_ABSENT_HEAD;
        } else {
            uint64_t *slot = (uint64_t *)p->slots + i;
            if (*slot == AD_UNTOUCHED) continue;
            if (gather || e->flags & F_TENSOR) memcpy(&v.ptr, slot, sizeof *slot);
            if (!gather && e->flags & F_TENSOR) v.kind = AD_TENSOR;
            *slot = AD_UNTOUCHED;
        }
        if (gather) {
            ad_value *all = v.ptr;
            for (int k = 0; k < e->payload->nout; k++)
                if (all[k].head != AD_ABSENT_HEAD) ad_release(s->ctx, all[k]);
            ad_mem_put(s->ctx, all, e->payload->nout * sizeof *all);
        } else {
            ad_release(s->ctx, v);
        }
    }
    *(void **)p->slots = t->free_slots[s->wide];
    t->free_slots[s->wide] = p->slots;
    p->slots = NULL;
}

ad_status ad_sweep_begin(ad_ctx *ctx, bool record, ad_sweep **out) {
    ad_tape *t = ctx->tape;
    if (t->sweeping >= AD_MAX_ORDER)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "derivatives are nested more than %d deep",
                       AD_MAX_ORDER);
    ad_sweep *s = t->free_sweeps;
    if (s) t->free_sweeps = s->next;
    else {
        s = ad_mem_get(ctx, sizeof *s);
        if (!s) return ad_failed(ctx);
        *s = (ad_sweep){.ctx = ctx};
    }
    s->record = s->wide = record;
    s->lines = 0;
    s->own = s->open = s->params = s->loaded = s->both = false;
    s->watched = ctx->watch && !record;
    s->notes = NULL;
    s->nwrt = 0;
    s->result = NULL;
    s->heap_count = s->order_count = 0;
    t->sweeping++;
    *out = s;
    return AD_OK;
}

void ad_sweep_set_lines(ad_sweep *s, int64_t k) {
    s->lines = k;
    s->wide = s->record || k;
    s->watched = false;
}

void ad_sweep_end(ad_sweep *s) {
    ad_tape *t = s->ctx->tape;
    for (uint32_t i = 0; i < s->order_count; i++) free_page(s, s->order[i]);
    for (uint32_t i = 0; i < s->heap_count; i++) free_page(s, s->heap[i]);
    s->heap_count = s->order_count = 0;
    s->next = t->free_sweeps;
    t->free_sweeps = s;
    t->sweeping--;
}

void ad_sweeps_close(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    for (ad_sweep *s = t->free_sweeps, *next; s; s = next) {
        next = s->next;
        if (s->table) ad_mem_put(ctx, s->table, s->table_room * sizeof *s->table);
        if (s->heap) ad_mem_put(ctx, s->heap, s->heap_room * sizeof *s->heap);
        if (s->order) ad_mem_put(ctx, s->order, s->order_room * sizeof *s->order);
        ad_mem_put(ctx, s, sizeof *s);
    }
    for (ad_page *p = t->free_pages, *next; p; p = next) {
        next = p->next;
        ad_mem_put(ctx, p, sizeof *p);
    }
    for (int r = 0; r < 2; r++)
        for (void *p = t->free_slots[r], *next; p; p = next) {
            next = *(void **)p;
            ad_mem_put(ctx, p, SEG_SIZE * (r ? sizeof(ad_value) : sizeof(uint64_t)));
        }
    t->free_sweeps = NULL;
    t->free_pages = NULL;
}

/* ---- the heap of pages -------------------------------------------------------------------- */

static bool heap_push(ad_sweep *s, ad_page *p) {
    if (!ad_grow(s->ctx, &s->heap, &s->heap_room, s->heap_count + 1, sizeof(void *))) return false;
    uint32_t i = s->heap_count++;
    for (; i && s->heap[(i - 1) / 2]->seq < p->seq; i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = p;
    return true;
}

static ad_page *heap_pop(ad_sweep *s) {
    ad_page *top = s->heap[0], *last = s->heap[--s->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c >= s->heap_count) break;
        if (c + 1 < s->heap_count && s->heap[c + 1]->seq > s->heap[c]->seq) c++;
        if (s->heap[c]->seq <= last->seq) break;
        s->heap[i] = s->heap[c];
        i = c;
    }
    if (s->heap_count) s->heap[i] = last;
    return top;
}

static bool visit_slow(ad_sweep *s, uint32_t node) {
    ad_page *p = ad_sweep_page(s, node >> SEG_BITS, ad_seg(s->ctx->tape, node)->seq);
    if (!p || !heap_push(s, p)) return false;
    ad_bit_set(p->visited, node & SEG_MASK);
    return true;
}

static inline bool visit(ad_sweep *s, uint32_t node) {
    if (!node) return true;
    ad_page *p = ad_page_at(s, node);
    if (AD_UNLIKELY(!p)) return visit_slow(s, node);
    ad_bit_set(p->visited, node & SEG_MASK);
    return true;
}

/* ---- down --------------------------------------------------------------------------------- */

static bool is_wrt(const ad_sweep *s, uint32_t node) {
    const ad_page *p = ad_page_at(s, node);
    return p && ad_bit(p->wrt, node & SEG_MASK);
}

/* The present leaf of a parameter that is asked for, as a parameter. */
static ad_param asked_param(const ad_tape *t, uint32_t node) {
    const tape_entry *e = ad_at(t, node);
    return e->op == E_LEAF && !(e->flags & F_OLD) ? e->b : 0;
}

/* Denominators get their bit, and parameters the number of this trace, before anything is visited. */
static ad_status mark_wrt(ad_sweep *s) {
    ad_tape *t = s->ctx->tape;
    t->trace_number++;
    for (int i = 0; i < s->nwrt; i++) {
        uint32_t node = s->wrt[i];
        if (!node) continue;
        bool fresh = !ad_page_at(s, node);
        ad_page *p = ad_sweep_page(s, node >> SEG_BITS, ad_seg(t, node)->seq);
        if (!p || (fresh && !heap_push(s, p))) return ad_failed(s->ctx);
        ad_bit_set(p->wrt, node & SEG_MASK);
        const tape_entry *e = ad_at(t, node);
        s->params = s->params || (e->op == E_LEAF && e->b);
        ad_param id = asked_param(t, node);
        if (id) t->params[id].asked = t->trace_number;
    }
    return AD_OK;
}

static ad_status stale(ad_sweep *s, ad_param id, uint32_t met) {
    ad_tape *t = s->ctx->tape;
    ad_fail(s->ctx, AD_ERR_STALE, -1, "it was computed before the parameter changed");
    s->ctx->error.src_numerator = ad_at(t, met)->src;
    uint32_t leaf = t->params[id].leaf;
    s->ctx->error.src_change = leaf ? ad_at(t, leaf)->src : 0;
    return AD_ERR_STALE;
}

/* An end of the tape: whose is it, and is it too old? */
static ad_status meet_end(ad_sweep *s, uint32_t node, const tape_entry *e) {
    const ad_tape *t = s->ctx->tape;
    bool own = s->own && e->op == E_LEAF && !e->a && is_wrt(s, node);
    bool constant = e->op == E_CUT && !e->a && !e->held;
    bool linked = e->op == E_LEAF && e->a && !e->b && !e->held; /* of a transform inside, which has ended */
    if (!own && !constant && !linked) s->open = true;
    ad_param id = 0;
    if (e->op == E_CUT) id = ad_set_asked(t, e->a, t->trace_number);
    else if (e->flags & F_OLD && t->params[e->b].asked == t->trace_number) id = e->b;
    return id && !is_wrt(s, node) ? stale(s, id, node) : AD_OK;
}

static ad_status visit_operands(ad_sweep *s, uint32_t node) {
    const tape_entry *e = ad_at(s->ctx->tape, node);
    if (e->op >= E_LEAF && e->op <= E_CUT) {
        ad_status st = meet_end(s, node, e);
        if (st != AD_OK || e->op == E_CUT) return st;
        if (e->b && s->params) return AD_OK;
        return visit(s, e->a) ? AD_OK : ad_failed(s->ctx);
    }
    if (!(e->flags & F_PAYLOAD)) {
        uint32_t b = e->op == E_OUT ? 0 : e->b;
        return visit(s, e->a) && visit(s, b) ? AD_OK : ad_failed(s->ctx);
    }
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++)
        if (!visit(s, in[i])) return ad_failed(s->ctx);
    return AD_OK;
}

/* The word of a page at hand: operands mostly light bits of the same one. */
typedef struct lit_word {
    ad_page *page;
    uint32_t word;
    uint64_t bits;
} lit_word;

static AD_INLINE bool visit_near(ad_sweep *s, lit_word *l, uint32_t node) {
    uint32_t i = node & SEG_MASK;
    if (node >> SEG_BITS != l->page->segment) return visit(s, node);
    if (i >> 6 == l->word) l->bits |= UINT64_C(1) << (i & 63);
    else ad_bit_set(l->page->visited, i);
    return true;
}

static AD_INLINE ad_status visit_entry(ad_sweep *s, lit_word *l, const tape_entry *e, uint32_t i) {
    if (e->op < E_LEAF && !(e->flags & F_PAYLOAD))
        return visit_near(s, l, e->a) && visit_near(s, l, e->b) ? AD_OK : ad_failed(s->ctx);
    s->loaded = s->loaded || e->flags & F_PAYLOAD;
    ad_status st = visit_operands(s, l->page->segment << SEG_BITS | i);
    l->bits |= l->page->visited[l->word];
    return st;
}

/* Operands are older, so within a word they light lower bits than those that were looked at. */
static ad_status visit_page(ad_sweep *s, ad_page *p) {
    const ad_segment *seg = (ad_segment *)s->ctx->tape->table[p->segment];
    for (uint32_t w = SEG_WORDS; w-- > 0;) {
        lit_word l = {p, w, p->visited[w]};
        uint64_t below = ~UINT64_C(0);
        for (uint64_t todo; (todo = l.bits & below);) {
            uint32_t bit = 63u - (uint32_t)__builtin_clzll(todo), i = w * 64 + bit;
            below = (UINT64_C(1) << bit) - 1;
            ad_status st = visit_entry(s, &l, &seg->e[i], i);
            if (st != AD_OK) return st;
        }
        p->visited[w] = l.bits;
        if (p->segment == 0 && w == 0) p->visited[0] &= ~UINT64_C(1); /* node 0 is none */
    }
    return AD_OK;
}

/* How far down: the oldest denominator, or an older version of one. */
static uint64_t find_limit(const ad_sweep *s) {
    const ad_tape *t = s->ctx->tape;
    uint64_t limit = UINT64_MAX;
    for (int i = 0; i < s->nwrt; i++) {
        if (!s->wrt[i]) continue;
        uint64_t seq = ad_seq_of(t, s->wrt[i]);
        if (seq < limit) limit = seq;
        ad_param id = asked_param(t, s->wrt[i]);
        if (id && t->params[id].has_old && t->params[id].oldest < limit) limit = t->params[id].oldest;
    }
    return limit;
}

/* ---- up ----------------------------------------------------------------------------------- */

static bool entry_needed(const ad_sweep *s, const tape_entry *e) {
    if (e->op == E_CUT || (e->op == E_LEAF && e->b && s->params)) return false;
    if (!(e->flags & F_PAYLOAD)) {
        if (ad_needed(s, e->a)) return true;
        return e->op != E_LEAF && e->op != E_OUT && ad_needed(s, e->b);
    }
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++)
        if (ad_needed(s, in[i])) return true;
    return false;
}

static inline bool needed_near(const ad_sweep *s, const ad_page *p, uint32_t node) {
    if (node >> SEG_BITS == p->segment) return ad_bit(p->need, node & SEG_MASK);
    return ad_needed(s, node);
}

static void mark_needed(ad_sweep *s, ad_page *p) {
    const ad_segment *seg = (ad_segment *)s->ctx->tape->table[p->segment];
    for (int w = 0; w < SEG_WORDS; w++) {
        for (uint64_t todo = p->visited[w]; todo; todo &= todo - 1) {
            uint32_t i = (uint32_t)(w * 64 + __builtin_ctzll(todo));
            const tape_entry *e = &seg->e[i];
            bool need = ad_bit(p->wrt, i);
            if (e->op < E_LEAF && !(e->flags & F_PAYLOAD))
                need = need || needed_near(s, p, e->a) || needed_near(s, p, e->b);
            else need = need || entry_needed(s, e);
            if (need) ad_bit_set(p->need, i);
        }
    }
}

static ad_status go_down(ad_sweep *s) {
    while (s->heap_count) {
        if (s->heap[0]->seq < s->limit) {
            s->open = true;
            break;
        }
        ad_status st = ad_poll(s->ctx);
        if (st != AD_OK) return st;
        if (!ad_grow(s->ctx, &s->order, &s->order_room, s->order_count + 1, sizeof(void *)))
            return ad_failed(s->ctx);
        ad_page *p = heap_pop(s);
        s->order[s->order_count++] = p;
        st = visit_page(s, p);
        if (st != AD_OK) return st;
    }
    return AD_OK;
}

ad_status ad_sweep_trace(ad_sweep *s, int ny, const uint32_t *y, bool exact) {
    s->limit = find_limit(s);
    ad_status st = mark_wrt(s);
    for (int i = 0; i < ny && st == AD_OK; i++)
        if (!visit(s, y[i])) st = ad_failed(s->ctx);
    if (st == AD_OK) st = go_down(s);
    if (st != AD_OK) return st;
    /* Among numbers alone finding out what is needed would cost more than it saves. */
    for (uint32_t i = s->order_count; i-- > 0;) {
        ad_page *p = s->order[i];
        if (s->loaded || exact) mark_needed(s, p);
        else memcpy(p->need, p->visited, sizeof p->need);
    }
    return ad_poll(s->ctx);
}

ad_status ad_sweep_trace_all(ad_sweep *s, uint32_t y) {
    s->limit = 0;
    ad_status st = mark_wrt(s);
    if (st == AD_OK && !visit(s, y)) st = ad_failed(s->ctx);
    return st == AD_OK ? go_down(s) : st;
}

/* ---- stretches ---------------------------------------------------------------------------- */

ad_segment *ad_first_since(const ad_tape *t, ad_mark mark) {
    ad_segment *seg = t->last;
    while (seg->prev && seg->prev->seq >= mark.sequence) seg = seg->prev;
    return seg;
}

ad_status ad_sweep_stretch(ad_sweep *s, ad_mark mark) {
    const ad_tape *t = s->ctx->tape;
    for (ad_segment *seg = ad_first_since(t, mark); seg; seg = seg->next) {
        ad_page *p = ad_sweep_page(s, seg->id, seg->seq);
        if (!p) return ad_failed(s->ctx);
        for (uint32_t i = seg->seq == mark.sequence ? mark.node : 0; i < seg->used; i++) {
            ad_bit_set(p->visited, i);
            if (entry_needed(s, &seg->e[i])) ad_bit_set(p->need, i);
        }
    }
    return AD_OK;
}

void ad_sweep_forget(ad_sweep *s, ad_mark mark) {
    const ad_tape *t = s->ctx->tape;
    for (ad_segment *seg = ad_first_since(t, mark); seg; seg = seg->next) {
        ad_page *p = seg->id < s->table_room ? s->table[seg->id] : NULL;
        if (!p) continue;
        if (seg->seq > mark.sequence) {
            free_page(s, p);
            continue;
        }
        for (uint32_t i = mark.node; i < SEG_SIZE; i++) {
            p->visited[i >> 6] &= ~(UINT64_C(1) << (i & 63));
            p->need[i >> 6] &= ~(UINT64_C(1) << (i & 63));
        }
        if (is_blank(p)) free_page(s, p); /* made by a stretch: in no list */
    }
}
