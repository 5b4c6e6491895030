/* SPDX-License-Identifier: MIT */
/* sets.c - sets of parameters: whose older versions a value came from. Bits, interned, so that a
 * set is a number and a union is looked up once a collection. Set 0 is the empty one. */
#include "tape.h"

#include <string.h>

static uint32_t hash_bits(const uint64_t *bits, uint32_t words) {
    uint64_t h = words;
    for (uint32_t i = 0; i < words; i++) h = (h ^ bits[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return (uint32_t)(h ^ h >> 32) | 1; /* 0 is no key */
}

static uint32_t find(const ad_tape *t, const uint64_t *bits, uint32_t words, uint32_t hash) {
    for (uint32_t i = ad_map_get(&t->set_of, hash); i; i = t->sets[i].next) {
        const ad_set *s = &t->sets[i];
        if (s->words == words && memcmp(s->bits, bits, words * sizeof *bits) == 0) return i;
    }
    return 0;
}

static uint32_t free_slot(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    for (uint32_t i = t->set_hint ? t->set_hint : 1; i < t->set_count; i++)
        if (!t->sets[i].used) return i;
    if (t->set_count + 1 >= t->set_room) {
        uint32_t room = t->set_room ? 2 * t->set_room : 16;
        ad_set *more = ad_mem_get(ctx, room * sizeof *more);
        if (!more) return 0;
        memset(more, 0, room * sizeof *more);
        if (t->set_room) {
            memcpy(more, t->sets, t->set_count * sizeof *more);
            ad_mem_put(ctx, t->sets, t->set_room * sizeof *more);
        }
        t->sets = more;
        t->set_room = room;
    }
    if (t->set_count == 0) t->set_count = 1;
    return t->set_count++;
}

static uint32_t intern(ad_ctx *ctx, const uint64_t *bits, uint32_t words) {
    ad_tape *t = ctx->tape;
    uint32_t hash = hash_bits(bits, words), i = find(t, bits, words, hash);
    if (i || !(i = free_slot(ctx))) return i;
    uint64_t *copy = ad_mem_get(ctx, words * sizeof *copy);
    if (!copy) return 0;
    memcpy(copy, bits, words * sizeof *copy);
    t->sets[i] = (ad_set){.bits = copy, .words = words, .hash = hash,
                          .next = ad_map_get(&t->set_of, hash), .used = true};
    t->set_hint = i + 1;
    return ad_map_put(ctx, &t->set_of, hash, i) ? i : 0;
}

enum { SMALL_WORDS = 64 };

static uint64_t *room_of(ad_ctx *ctx, uint64_t *small, uint32_t words) {
    uint64_t *p = words <= SMALL_WORDS ? small : ad_mem_get(ctx, words * sizeof *p);
    if (p) memset(p, 0, words * sizeof *p);
    return p;
}

static void give_room(ad_ctx *ctx, uint64_t *p, const uint64_t *small, uint32_t words) {
    if (p && p != small) ad_mem_put(ctx, p, words * sizeof *p);
}

uint32_t ad_set_single(ad_ctx *ctx, ad_param id) {
    uint64_t small[SMALL_WORDS];
    uint32_t words = id / 64 + 1;
    uint64_t *bits = room_of(ctx, small, words);
    if (!bits) return 0;
    bits[id / 64] |= UINT64_C(1) << (id % 64);
    uint32_t set = intern(ctx, bits, words);
    give_room(ctx, bits, small, words);
    return set;
}

uint32_t ad_set_union(ad_ctx *ctx, uint32_t x, uint32_t y) {
    ad_tape *t = ctx->tape;
    if (x == y || !y) return x;
    if (!x) return y;
    if (x > y) {
        uint32_t swap = x;
        x = y;
        y = swap;
    }
    uint64_t key = (uint64_t)x << 32 | y;
    uint32_t known = ad_map_get(&t->unions, key);
    if (known) return known;
    uint64_t small[SMALL_WORDS];
    uint32_t words = t->sets[x].words > t->sets[y].words ? t->sets[x].words : t->sets[y].words;
    uint64_t *bits = room_of(ctx, small, words);
    if (!bits) return x;
    for (uint32_t i = 0; i < t->sets[x].words; i++) bits[i] |= t->sets[x].bits[i];
    for (uint32_t i = 0; i < t->sets[y].words; i++) bits[i] |= t->sets[y].bits[i];
    uint32_t set = intern(ctx, bits, words);
    give_room(ctx, bits, small, words);
    if (set) ad_map_put(ctx, &t->unions, key, set);
    return set;
}

ad_param ad_set_asked(const ad_tape *t, uint32_t set, uint32_t trace_number) {
    if (!set) return 0;
    const ad_set *s = &t->sets[set];
    for (uint32_t w = 0; w < s->words; w++)
        for (uint64_t b = s->bits[w]; b; b &= b - 1) {
            ad_param id = w * 64 + (uint32_t)__builtin_ctzll(b);
            if (id < t->param_count && t->params[id].asked == trace_number) return id;
        }
    return 0;
}

/* Parameters that a surviving set names keep their numbers; `seq` is where one lies. */
void ad_set_name(ad_tape *t, uint32_t set, uint64_t seq) {
    if (!set) return;
    ad_set *s = &t->sets[set];
    s->marked = true;
    for (uint32_t w = 0; w < s->words; w++)
        for (uint64_t b = s->bits[w]; b; b &= b - 1) {
            ad_param_info *p = &t->params[w * 64 + (uint32_t)__builtin_ctzll(b)];
            p->named = true;
            if (!p->has_old || seq < p->oldest) p->oldest = seq;
            p->has_old = true;
        }
}

void ad_sets_sweep(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    ad_map_clear(ctx, &t->unions);
    ad_map_clear(ctx, &t->set_of);
    for (uint32_t i = 1; i < t->set_count; i++) {
        ad_set *s = &t->sets[i];
        if (!s->used) continue;
        if (s->marked) {
            s->marked = false;
            s->next = ad_map_get(&t->set_of, s->hash);
            ad_map_put(ctx, &t->set_of, s->hash, i);
            continue;
        }
        ad_mem_put(ctx, s->bits, s->words * sizeof *s->bits);
        *s = (ad_set){0};
    }
    t->set_hint = 1;
}

void ad_sets_close(ad_ctx *ctx) {
    ad_tape *t = ctx->tape;
    for (uint32_t i = 1; i < t->set_count; i++)
        if (t->sets[i].used) ad_mem_put(ctx, t->sets[i].bits, t->sets[i].words * sizeof(uint64_t));
    if (t->sets) ad_mem_put(ctx, t->sets, t->set_room * sizeof *t->sets);
}
