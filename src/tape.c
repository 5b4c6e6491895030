/* SPDX-License-Identifier: MIT */
/* tape.c - segments and entries, who holds them, leaves and parameters, mark and rewind.
 *
 * Recording appends; nothing here looks at derivatives. Segments come from 2 MB chunks and are
 * recycled in whole; sequence numbers keep the order of construction. */
#include "tape.h"

#include <string.h>

/* ---- maps --------------------------------------------------------------------------------- */

static uint32_t map_slot(const ad_map *m, uint64_t key) {
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h >> 32) & (m->room - 1);
    while (m->key[i] && m->key[i] != key) i = (i + 1) & (m->room - 1);
    return i;
}

uint32_t ad_map_get(const ad_map *m, uint64_t key) {
    if (m->count == 0) return 0;
    uint32_t i = map_slot(m, key);
    return m->key[i] ? m->value[i] : 0;
}

static bool map_grow(ad_ctx *ctx, ad_map *m) {
    ad_map big = {.room = m->room ? 2 * m->room : 16};
    big.key = ad_mem_get(ctx, big.room * sizeof *big.key);
    big.value = ad_mem_get(ctx, big.room * sizeof *big.value);
    if (!big.key || !big.value) {
        if (big.key) ad_mem_put(ctx, big.key, big.room * sizeof *big.key);
        if (big.value) ad_mem_put(ctx, big.value, big.room * sizeof *big.value);
        return false;
    }
    memset(big.key, 0, big.room * sizeof *big.key);
    for (uint32_t i = 0; i < m->room; i++)
        if (m->key[i]) {
            uint32_t j = map_slot(&big, m->key[i]);
            big.key[j] = m->key[i];
            big.value[j] = m->value[i];
        }
    big.count = m->count;
    ad_map_clear(ctx, m);
    *m = big;
    return true;
}

bool ad_map_put(ad_ctx *ctx, ad_map *m, uint64_t key, uint32_t value) {
    if (2 * (m->count + 1) > m->room && !map_grow(ctx, m)) return false;
    uint32_t i = map_slot(m, key);
    if (!m->key[i]) m->count++;
    m->key[i] = key;
    m->value[i] = value;
    return true;
}

/* Closes the hole, so that no tombstones are needed. */
void ad_map_remove(ad_map *m, uint64_t key) {
    if (m->count == 0) return;
    uint32_t i = map_slot(m, key), mask = m->room - 1;
    if (!m->key[i]) return;
    m->count--;
    m->key[i] = 0;
    for (uint32_t j = (i + 1) & mask; m->key[j]; j = (j + 1) & mask) {
        uint64_t k = m->key[j];
        m->key[j] = 0;
        uint32_t home = map_slot(m, k);
        m->key[home] = k;
        m->value[home] = m->value[j];
    }
}

void ad_map_clear(ad_ctx *ctx, ad_map *m) {
    if (m->room) {
        ad_mem_put(ctx, m->key, m->room * sizeof *m->key);
        ad_mem_put(ctx, m->value, m->room * sizeof *m->value);
    }
    *m = (ad_map){0};
}

/* ---- segments ----------------------------------------------------------------------------- */

bool ad_grow(ad_ctx *ctx, void *array, uint32_t *room, uint32_t need, size_t size) {
    if (need <= *room) return true;
    uint32_t more = *room ? *room : 16;
    while (more < need) more *= 2;
    void **p = array;
    void *big = *p ? ad_mem_resize(ctx, *p, *room * size, more * size) : ad_mem_get(ctx, more * size);
    if (!big) return false;
    memset((char *)big + *room * size, 0, (more - *room) * size);
    *p = big;
    *room = more;
    return true;
}

#define NO_ID UINT32_MAX /* of a spare segment, while chunks are looked through */

static ad_segment *carve(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    if (!ad_grow(ctx, &t->chunks, &t->chunk_room, t->chunk_count + 1, sizeof(void *))) return NULL;
    ad_segment *chunk = ad_mem_get(ctx, SEGS_PER_CHUNK * sizeof(ad_segment));
    if (!chunk) return NULL;
    t->chunks[t->chunk_count++] = chunk;
    for (int i = SEGS_PER_CHUNK - 1; i >= 0; i--) {
        chunk[i].next = t->spare;
        t->spare = &chunk[i];
    }
    return t->spare;
}

/* A free name for a segment, in `*id`. Each name that was given has a place in `free_ids`, so that
 * giving one back cannot fail. */
static bool take_id(ad_ctx *ctx, uint32_t *id) {
    ad_tape *t = ctx->tape;
    if (t->free_id_count) {
        *id = t->free_ids[--t->free_id_count];
        return true;
    }
    if (t->table_used >= 1u << (32 - SEG_BITS)) {
        ad_fail(ctx, AD_ERR_MEMORY, -1, "the tape is full: 4 billion operations are recorded");
        return false;
    }
    if (!ad_grow(ctx, &t->table, &t->table_room, t->table_used + 1, sizeof *t->table) ||
        !ad_grow(ctx, &t->free_ids, &t->free_id_room, t->table_used + 1, sizeof *t->free_ids))
        return false;
    *id = t->table_used++;
    t->table[*id] = 0;
    return true;
}

void ad_id_free(ad_tape *t, uint32_t id) {
    t->table[id] = 0;
    t->free_ids[t->free_id_count++] = id;
}

static ad_segment *append_segment(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    if (!t->spare && !carve(ctx)) return NULL;
    uint32_t id;
    if (!take_id(ctx, &id)) return NULL;
    ad_segment *s = t->spare;
    t->spare = s->next;
    s->id = id;
    s->seq = ++t->seq;
    s->alive = 0;
    s->used = id == 0; /* node 0 means: not tracked */
    if (id == 0) s->e[0] = (tape_entry){0};
    s->sets = NULL;
    s->prev = t->last;
    s->next = NULL;
    *(t->last ? &t->last->next : &t->first) = s;
    t->last = s;
    t->table[id] = (uintptr_t)s;
    t->segments++;
    return s;
}

/* Out of the list; its memory is used again, its name only if `free_id`. */
void ad_segment_drop(ad_ctx *ctx, ad_segment *s, bool free_id) {
    ad_tape *t = ctx->tape;
    *(s->prev ? &s->prev->next : &t->first) = s->next;
    *(s->next ? &s->next->prev : &t->last) = s->prev;
    if (free_id) ad_id_free(t, s->id);
    s->next = t->spare;
    t->spare = s;
    t->segments--;
}

/* True: the chunk holds nothing but spare segments, or these are listed again. */
static bool is_spare(ad_tape *t, ad_segment *chunk) {
    int spare = 0;
    for (int i = 0; i < SEGS_PER_CHUNK; i++) spare += chunk[i].id == NO_ID;
    for (int i = 0; i < SEGS_PER_CHUNK && spare < SEGS_PER_CHUNK; i++) {
        if (chunk[i].id != NO_ID) continue;
        chunk[i].next = t->spare;
        t->spare = &chunk[i];
    }
    return spare == SEGS_PER_CHUNK;
}

void ad_tape_trim(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    uint32_t kept = 0;
    for (ad_segment *s = t->spare; s; s = s->next) s->id = NO_ID;
    t->spare = NULL;
    for (uint32_t i = 0; i < t->chunk_count; i++) {
        if (is_spare(t, t->chunks[i])) ad_mem_put(ctx, t->chunks[i], SEGS_PER_CHUNK * sizeof(ad_segment));
        else t->chunks[kept++] = t->chunks[i];
    }
    t->chunk_count = kept;
}

tape_entry *ad_push_slow(ad_ctx *ctx, uint32_t *node) {
    ad_segment *s = append_segment(ctx);
    if (!s) return NULL;
    *node = ad_node_of(s, s->used);
    ctx->tape->since++;
    return &s->e[s->used++];
}

uint64_t ad_seq_of(const ad_tape *t, uint32_t node) {
    uintptr_t w = t->table[node >> SEG_BITS];
    return ad_is_remnant(w) ? ad_remnant_of(w)->seq : ((ad_segment *)w)->seq;
}

int ad_compare_age(const ad_ctx *ctx, uint32_t a, uint32_t b) {
    if (a == b) return 0;
    return ad_newer(ctx->tape, a, b) ? 1 : -1;
}

/* ---- holding ------------------------------------------------------------------------------ */

static uint32_t *remnant_item(ad_remnant *r, uint32_t offset) {
    uint32_t lo = 0, hi = r->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (r->item[mid] >> 22 < offset) lo = mid + 1;
        else hi = mid;
    }
    return &r->item[lo];
}

enum { HOLDERS_MAX = (1 << 22) - 1 };

void ad_remnant_free(ad_ctx *ctx, ad_remnant *r) {
    ad_id_free(ctx->tape, r->id);
    ad_mem_put(ctx, r, sizeof *r + r->room * sizeof r->item[0]);
}

static void remnant_unhold(ad_ctx *ctx, ad_remnant *r, uint32_t node) {
    uint32_t *item = remnant_item(r, node & SEG_MASK);
    uint32_t holders = *item & HOLDERS_MAX;
    if (holders == HOLDERS_MAX) return; /* never counted down again */
    --*item;
    if (holders > 1) return;
    uint32_t fresh = ad_map_get(&ctx->tape->revived, node);
    if (fresh) {
        ad_map_remove(&ctx->tape->revived, node);
        ad_unhold(ctx, fresh);
    }
    if (--r->live == 0) ad_remnant_free(ctx, r);
}

/* Of a remnant, or of an entry with as many holders as it can count. */
void ad_hold_slow(ad_ctx *ctx, uint32_t node) {
    ad_tape *t = ctx->tape;
    uintptr_t w = t->table[node >> SEG_BITS];
    if (ad_is_remnant(w)) {
        uint32_t *item = remnant_item(ad_remnant_of(w), node & SEG_MASK);
        if ((*item & HOLDERS_MAX) != HOLDERS_MAX) ++*item;
        return;
    }
    /* Without memory for the table the entry simply stays for good. */
    ad_map_put(ctx, &t->overflow, node, ad_map_get(&t->overflow, node) + 1);
}

void ad_unhold_slow(ad_ctx *ctx, uint32_t node) {
    ad_tape *t = ctx->tape;
    uintptr_t w = t->table[node >> SEG_BITS];
    if (ad_is_remnant(w)) {
        remnant_unhold(ctx, ad_remnant_of(w), node);
        return;
    }
    uint32_t more = ad_map_get(&t->overflow, node);
    if (more == 1) ad_map_remove(&t->overflow, node);
    else if (more) ad_map_put(ctx, &t->overflow, node, more - 1);
    else ad_at(t, node)->held--;
}

void ad_retain_slow(ad_ctx *ctx, ad_value v) {
    if (v.kind == AD_TENSOR) ad_tensor_retain(v.tensor);
    if (v.node) ad_hold(ctx, v.node);
}

void ad_release_slow(ad_ctx *ctx, ad_value v) {
    if (v.kind == AD_TENSOR) ad_tensor_release(ctx, v.tensor);
    if (v.node) ad_unhold(ctx, v.node);
}

/* ---- single entries ----------------------------------------------------------------------- */

ad_status ad_push_cut(ad_ctx *ctx, double num, bool tensor, uint32_t set, uint32_t src,
                      uint32_t *node) {
    tape_entry *e = ad_push(ctx, node);
    if (!e) return ad_failed(ctx);
    *e = (tape_entry){.num = num, .a = set, .src = src, .op = E_CUT, .flags = tensor ? F_TENSOR : 0};
    return AD_OK;
}

uint32_t ad_where_is(const ad_tape *t, uint32_t node) {
    if (!ad_is_remnant(t->table[node >> SEG_BITS])) return node;
    return ad_map_get(&t->revived, node);
}

uint32_t ad_operand_slow(ad_ctx *ctx, ad_value v) {
    ad_tape *t = ctx->tape;
    uint32_t fresh = ad_map_get(&t->revived, v.node);
    if (fresh) return fresh;
    ad_remnant *r = ad_remnant_of(t->table[v.node >> SEG_BITS]);
    bool tensor = v.kind == AD_TENSOR;
    if (ad_push_cut(ctx, tensor ? 0 : v.num, tensor, r->set, r->src, &fresh) != AD_OK) return 0;
    if (!ad_map_put(ctx, &t->revived, v.node, fresh)) return 0;
    ad_hold(ctx, fresh);
    return fresh;
}

/* ---- leaves and parameters ---------------------------------------------------------------- */

ad_param ad_param_new(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    ad_param id = t->param_hint ? t->param_hint : 1; /* 0: no parameter */
    while (id < t->param_count && t->params[id].used) id++;
    if (!ad_grow(ctx, &t->params, &t->param_room, id + 1, sizeof *t->params)) return 0;
    if (t->param_count <= id) {
        t->param_count = id + 1;
        t->params[0] = (ad_param_info){0};
    }
    t->params[id] = (ad_param_info){.used = true};
    t->param_hint = id + 1;
    return id;
}

void ad_param_drop(ad_ctx *ctx, ad_param id) {
    if (id == 0 || id >= ctx->tape->param_count) return;
    ctx->tape->params[id].dropped = true;
    ctx->tape->params[id].leaf = 0;
}

/* The present version becomes an old one; a later sweep for the parameter may have to look for it. */
static void supersede(ad_tape *t, ad_param_info *p, uint32_t leaf) {
    uint32_t old = p->leaf;
    p->leaf = leaf;
    if (!old) return;
    ad_at(t, old)->flags |= F_OLD;
    uint64_t seq = ad_seq_of(t, old);
    if (!p->has_old || seq < p->oldest) p->oldest = seq;
    p->has_old = true;
}

ad_status ad_leaf(ad_ctx *ctx, ad_value v, ad_param id, uint32_t src, ad_value *out) {
    ad_tape *t = ctx->tape;
    uint32_t link = 0, node;
    if (v.node && !(link = ad_operand(ctx, v))) return ad_failed(ctx);
    tape_entry *e = ad_push(ctx, &node);
    if (!e) return ad_failed(ctx);
    bool tensor = v.kind == AD_TENSOR;
    *e = (tape_entry){.num = tensor ? 0 : v.num,
                    .a = link,
                    .b = id,
                    .src = src,
                    .op = E_LEAF,
                    .flags = tensor ? F_TENSOR : 0,
                    .held = 1};
    if (id) supersede(t, &t->params[id], node);
    *out = v;
    if (v.kind == AD_BOOL) out->kind = AD_NUMBER;
    out->node = node;
    if (tensor) ad_tensor_retain(v.tensor);
    return AD_OK;
}

bool ad_leaf_again(ad_ctx *ctx, ad_value leaf, ad_param id) {
    ad_tape *t = ctx->tape;
    if (!leaf.node || ad_is_remnant(t->table[leaf.node >> SEG_BITS])) return false;
    tape_entry *e = ad_at(t, leaf.node);
    if (e->op != E_LEAF || e->b != id) return false;
    if (t->params[id].leaf == leaf.node) return true;
    supersede(t, &t->params[id], leaf.node);
    e->flags &= (uint8_t)~F_OLD;
    return true;
}

ad_value ad_stop(ad_ctx *ctx, ad_value v) {
    v.node = 0;
    return ad_retain(ctx, v);
}

bool ad_set_recording(ad_ctx *ctx, bool on) {
    bool was = ctx->recording;
    ctx->recording = on;
    return was;
}

bool ad_is_recording(const ad_ctx *ctx) { return ctx->recording; }

/* ---- mark and rewind ---------------------------------------------------------------------- */

ad_mark ad_tape_mark(ad_ctx *ctx) {
    ad_segment *s = ctx->tape->last;
    return s ? (ad_mark){s->seq, s->used} : (ad_mark){0, 0};
}

static void drop_entries(ad_ctx *ctx, ad_segment *s, uint32_t from) {
    for (uint32_t i = from; i < s->used; i++)
        if (s->e[i].op != E_FREE && s->e[i].flags & F_PAYLOAD) ad_payload_free(ctx, s->e[i].payload);
    ctx->tape->since -= s->used - from < ctx->tape->since ? s->used - from : ctx->tape->since;
    s->used = from;
}

void ad_rewind(ad_ctx *ctx, ad_mark mark) {
    ad_tape *t = ctx->tape;
    while (t->last && t->last->seq > mark.sequence) {
        drop_entries(ctx, t->last, t->last->id == 0);
        ad_segment_drop(ctx, t->last, true);
    }
    if (t->last && t->last->seq == mark.sequence) drop_entries(ctx, t->last, mark.node);
}

bool ad_rewind_unheld(ad_ctx *ctx, ad_mark mark) {
    for (const ad_segment *g = ctx->tape->last; g && g->seq >= mark.sequence; g = g->prev)
        for (uint32_t i = g->seq == mark.sequence ? mark.node : 0; i < g->used; i++)
            if (g->e[i].op != E_FREE && g->e[i].held) return false;
    ad_rewind(ctx, mark);
    return true;
}

ad_tape_stats ad_tape_statistics(const ad_ctx *ctx) {
    const ad_tape *t = ctx->tape;
    return (ad_tape_stats){t->recorded + t->since, t->alive + t->since, t->segments, t->collections};
}

/* ---- life --------------------------------------------------------------------------------- */

ad_status ad_tape_open(ad_ctx *ctx) {
    ad_tape *t = ad_mem_get(ctx, sizeof *t);
    if (!t) return ad_failed(ctx);
    *t = (ad_tape){.patience = 2};
    ctx->tape = t;
    ctx->recording = true;
    if (append_segment(ctx)) return AD_OK;
    ad_tape_close(ctx);
    return ad_failed(ctx);
}

static void close_tables(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    for (uint32_t id = 0; id < t->table_used; id++)
        if (ad_is_remnant(t->table[id])) ad_remnant_free(ctx, ad_remnant_of(t->table[id]));
    for (uint32_t i = 0; i < t->chunk_count; i++)
        ad_mem_put(ctx, t->chunks[i], SEGS_PER_CHUNK * sizeof(ad_segment));
    if (t->chunks) ad_mem_put(ctx, t->chunks, t->chunk_room * sizeof *t->chunks);
    if (t->table) ad_mem_put(ctx, t->table, t->table_room * sizeof *t->table);
    if (t->free_ids) ad_mem_put(ctx, t->free_ids, t->free_id_room * sizeof *t->free_ids);
    if (t->params) ad_mem_put(ctx, t->params, t->param_room * sizeof *t->params);
}

void ad_tape_close(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    if (!t) return;
    for (ad_segment *s = t->first; s; s = s->next) drop_entries(ctx, s, s->id == 0);
    ad_sets_close(ctx);
    ad_sweeps_close(ctx);
    close_tables(ctx);
    ad_map *maps[] = {&t->set_of, &t->unions, &t->revived, &t->overflow};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) ad_map_clear(ctx, maps[i]);
    ad_mem_put(ctx, t, sizeof *t);
    ctx->tape = NULL;
}
