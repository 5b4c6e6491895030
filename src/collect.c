/* SPDX-License-Identifier: MIT */
/* collect.c - what nobody can ask for any more is reclaimed, in three passes over the segments.
 *
 * Reach, newest first: what no value holds and no reached entry uses is gone; most of a tape is, and
 * costs nothing further.
 *
 * Up, in the order of construction: an entry is askable if a value holds it or an operand is askable.
 * A gradient is askable if something *below* its numerator is: that the numerator itself is held says
 * nothing about its gradient. For what has nothing askable below, the set of parameters whose older
 * versions it came from is worked out.
 *
 * Down: an entry is kept if a value holds it or a kept entry uses it, and an operand is askable. What
 * is wanted but reaches nothing askable becomes a CUT: a value without a past, with its set. A kept
 * gradient one of whose denominators is not askable needs everything in between as it is (F_WHOLE).
 *
 * Segments without survivors are recycled; one whose survivors are all held cuts of one set shrinks to
 * a remnant of 4 bytes each. */
#include "tape.h"

#include <string.h>

enum { FIRST_ENTRIES = 16384, FIRST_BYTES = 1 << 20 };

typedef struct collector {
    ad_ctx *ctx;
    ad_tape *t;
    bool failed;          /* no memory for sets: nothing is freed this time */
    uint32_t whole_limit; /* oldest denominator that a kept gradient needs, 0 if none */
    uint64_t alive;
    size_t bytes;
    uint32_t united[3]; /* the last union: x, y and what it gave */
} collector;

static tape_entry *entry_at(const collector *c, uint32_t node) {
    return node ? ad_at(c->t, node) : NULL;
}

static bool askable(const collector *c, uint32_t node) {
    const tape_entry *e = entry_at(c, node);
    return e && e->flags & F_ASK;
}

/* ---- reach -------------------------------------------------------------------------------- */

static void free_payload(collector *c, tape_entry *e) {
    if (e->flags & F_PAYLOAD) ad_payload_free(c->ctx, e->payload);
    e->flags &= (uint8_t)~F_PAYLOAD;
}

static void bury(collector *c, tape_entry *e) {
    free_payload(c, e);
    e->op = E_FREE;
    e->flags = 0;
}

static AD_INLINE void reach_node(const collector *c, uint32_t node) {
    if (node) ad_at(c->t, node)->flags |= F_REACH;
}

/* Operands, and the denominators of a gradient. */
static void reach_operands(const collector *c, const tape_entry *e) {
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    if (e->op == E_GRAD) n = e->payload->nin;
    for (int i = 0; i < n; i++) reach_node(c, in[i]);
}

static void go_reach(collector *c) {
    for (ad_segment *s = c->t->last; s; s = s->prev) {
        s->alive = 0;
        for (uint32_t i = s->used; i-- > (s->id == 0);) {
            tape_entry *e = &s->e[i];
            if (e->held || e->flags & F_REACH) {
                s->alive++;
                e->flags &= (uint8_t)~F_REACH;
                reach_operands(c, e);
            } else {
                bury(c, e);
            }
        }
    }
}

/* ---- up ----------------------------------------------------------------------------------- */

static uint32_t set_at(const collector *c, uint32_t node) {
    if (!node) return 0;
    const ad_segment *s = ad_seg(c->t, node);
    return s->sets ? s->sets[node & SEG_MASK] : 0;
}

static void put_set(collector *c, ad_segment *s, uint32_t i, uint32_t set) {
    if (!set) return;
    if (!s->sets) {
        s->sets = ad_mem_get(c->ctx, SEG_SIZE * sizeof *s->sets);
        if (!s->sets) {
            c->failed = true;
            return;
        }
        memset(s->sets, 0, SEG_SIZE * sizeof *s->sets);
    }
    s->sets[i] = set;
}

static uint32_t own_set(collector *c, const tape_entry *e) {
    if (e->op == E_CUT) return e->a;
    if (e->op != E_LEAF || !e->b || !(e->flags & F_OLD)) return 0;
    uint32_t set = ad_set_single(c->ctx, e->b);
    if (!set) c->failed = true;
    return set;
}

/* Of a gradient: something below its numerator (which may be a leaf itself), or a tracked seed. */
static bool gradient_below(const collector *c, const ad_payload *p) {
    for (int i = 0; i < p->ny; i++) {
        const tape_entry *y = entry_at(c, p->in[i]);
        if (y && (y->flags & F_BELOW || (y->op == E_LEAF && y->flags & F_ASK))) return true;
    }
    for (int i = p->ny; i < 2 * p->ny; i++)
        if (askable(c, p->in[i])) return true;
    return false;
}

static bool tangent_below(const collector *c, const ad_payload *p) {
    for (int i = 0; i < p->nin; i++) {
        const tape_entry *e = entry_at(c, p->in[i]);
        bool leaf = e && e->op == E_LEAF;
        if (e && i < p->ny && !leaf ? e->flags & F_BELOW : e && e->flags & F_ASK) return true;
    }
    return false;
}

static bool find_below(const collector *c, const tape_entry *e) {
    const uint32_t *in;
    uint32_t pair[2];
    if (e->op == E_GRAD) return gradient_below(c, e->payload);
    if (e->op == E_JVP) return tangent_below(c, e->payload);
    if (e->op == E_OUT) return ad_at(c->t, e->a)->flags & F_BELOW;
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++)
        if (askable(c, in[i])) return true;
    return false;
}

static uint32_t unite(collector *c, uint32_t x, uint32_t y) {
    if (x == y || !y) return x;
    if (!x) return y;
    if (c->united[0] == x && c->united[1] == y) return c->united[2];
    uint32_t set = ad_set_union(c->ctx, x, y);
    if (!set) c->failed = true;
    c->united[0] = x;
    c->united[1] = y;
    return c->united[2] = set;
}

static void find_set(collector *c, ad_segment *s, uint32_t i) {
    const tape_entry *e = &s->e[i];
    const uint32_t *in;
    uint32_t pair[2], set = own_set(c, e);
    int n = ad_operands(e, &in, pair);
    for (int k = 0; k < n; k++) set = unite(c, set, set_at(c, in[k]));
    put_set(c, s, i, set);
}

/* A scalar entry without a payload: the common case, in few instructions. */
static AD_INLINE void up_simple(collector *c, ad_segment *s, uint32_t i) {
    tape_entry *e = &s->e[i];
    const ad_segment *sa = e->a ? ad_seg(c->t, e->a) : s, *sb = e->b ? ad_seg(c->t, e->b) : s;
    uint8_t below = (uint8_t)((e->a ? sa->e[e->a & SEG_MASK].flags : 0) |
                              (e->b ? sb->e[e->b & SEG_MASK].flags : 0));
    e->flags &= (uint8_t)~F_COLLECT;
    if (below & F_ASK) e->flags |= F_BELOW | F_ASK;
    else if (sa->sets || sb->sets) put_set(c, s, i, unite(c, set_at(c, e->a), set_at(c, e->b)));
    if (e->held) e->flags |= F_ASK;
}

static void go_up(collector *c) {
    for (ad_segment *s = c->t->first; s; s = s->next) {
        for (uint32_t i = s->id == 0; s->alive && i < s->used; i++) {
            tape_entry *e = &s->e[i];
            if (e->op == E_FREE) continue;
            if (e->op < E_LEAF && !(e->flags & F_PAYLOAD)) {
                up_simple(c, s, i);
                continue;
            }
            e->flags &= (uint8_t)~F_COLLECT;
            if (find_below(c, e)) e->flags |= F_BELOW;
            if (e->held || e->flags & F_BELOW) e->flags |= F_ASK;
            if (!(e->flags & F_BELOW)) find_set(c, s, i);
        }
    }
}

/* ---- down --------------------------------------------------------------------------------- */

static bool older_than_limit(const collector *c, uint32_t node) {
    return c->whole_limit && node != c->whole_limit && ad_newer(c->t, c->whole_limit, node);
}

/* A kept entry's operands are wanted; as they are, if it was. */
static void want_operands(collector *c, const tape_entry *e) {
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++) {
        if (!in[i]) continue;
        tape_entry *x = ad_at(c->t, in[i]);
        x->flags |= F_KEEP;
        if (e->flags & F_WHOLE && !older_than_limit(c, in[i])) x->flags |= F_WHOLE;
    }
}

/* Denominators keep their identity; one that is not askable makes the way to it whole. */
static void want_denominators(collector *c, const tape_entry *e) {
    const ad_payload *p = e->payload;
    int first = e->op == E_GRAD ? 2 * p->ny : p->ny;
    bool whole = false;
    for (int i = first; i < first + p->nwrt; i++) {
        if (!p->in[i]) continue;
        ad_at(c->t, p->in[i])->flags |= F_KEEP;
        if (askable(c, p->in[i])) continue;
        whole = true;
        if (!c->whole_limit || ad_newer(c->t, c->whole_limit, p->in[i])) c->whole_limit = p->in[i];
    }
    for (int i = 0; whole && i < p->ny; i++)
        if (p->in[i]) ad_at(c->t, p->in[i])->flags |= F_WHOLE;
}

static void cut(collector *c, const ad_segment *s, tape_entry *e) {
    double num = e->flags & F_TENSOR ? 0 : ad_entry_number(e);
    if (e->flags & F_PAYLOAD && e->payload->nout > 1) num = 0;
    free_payload(c, e);
    e->num = num;
    e->a = s->sets ? s->sets[e - s->e] : 0;
    e->b = 0;
    e->op = E_CUT;
    e->flags &= (uint8_t)~F_OLD;
}

/* A wanted entry stays as it is or becomes a cut. */
static void settle(collector *c, const ad_segment *s, tape_entry *e) {
    bool stays = e->flags & (F_BELOW | F_WHOLE) || e->op == E_CUT ||
                 (e->op == E_LEAF && (e->held || !(e->flags & F_OLD)));
    if (!stays) {
        cut(c, s, e);
        return;
    }
    if (e->op == E_GRAD || e->op == E_JVP) want_denominators(c, e);
    if (e->op == E_LEAF && !(e->flags & (F_BELOW | F_WHOLE))) e->a = 0; /* its link leads nowhere */
    want_operands(c, e);
    if (e->flags & F_PAYLOAD) c->bytes += e->payload->weight;
}

/* A scalar entry that stays and needs nothing whole, as most do. */
static AD_INLINE bool down_simple(const collector *c, const tape_entry *e) {
    if (e->op >= E_LEAF || (e->flags & (F_PAYLOAD | F_BELOW | F_WHOLE)) != F_BELOW) return false;
    if (e->a) ad_at(c->t, e->a)->flags |= F_KEEP;
    if (e->b) ad_at(c->t, e->b)->flags |= F_KEEP;
    return true;
}

static void go_down(collector *c) {
    for (ad_segment *s = c->t->last; s; s = s->prev) {
        if (!s->alive) continue;
        s->alive = 0;
        for (uint32_t i = s->used; i-- > (s->id == 0);) {
            tape_entry *e = &s->e[i];
            if (e->op == E_FREE) continue;
            if (!e->held && !(e->flags & (F_KEEP | F_WHOLE))) {
                bury(c, e);
                continue;
            }
            s->alive++;
            if (!down_simple(c, e)) settle(c, s, e);
        }
        c->alive += s->alive;
    }
}

/* ---- values that were revived out of remnants ---------------------------------------------- */

/* A fresh cut that no kept entry uses is not needed: the next use makes another. Those that stay have
 * F_KEEP, so their segments do not shrink. */
static void drop_revived(collector *c) {
    ad_map *m = &c->t->revived;
    for (uint32_t i = 0; i < m->room;) {
        uint32_t fresh = m->key[i] ? m->value[i] : 0;
        if (!fresh || ad_at(c->t, fresh)->flags & F_KEEP) {
            i++;
            continue;
        }
        tape_entry *e = ad_at(c->t, fresh);
        ad_map_remove(m, m->key[i]); /* the hole is closed: look at this place again */
        ad_unhold(c->ctx, fresh);
        if (e->held) continue;
        bury(c, e);
        ad_seg(c->t, fresh)->alive--;
        c->alive--;
    }
}

/* ---- segments ----------------------------------------------------------------------------- */

/* All survivors are held cuts of one set that no kept entry uses? Then how many. */
static uint32_t shrinkable(const ad_segment *s, uint32_t *set) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->used; i++) {
        const tape_entry *e = &s->e[i];
        if (e->op == E_FREE) continue;
        if (e->op != E_CUT || e->flags & F_KEEP || e->held == HELD_MAX) return 0;
        if (n && e->a != *set) return 0;
        *set = e->a;
        n++;
    }
    return n;
}

static void shrink(collector *c, ad_segment *s, uint32_t n, uint32_t set) {
    ad_remnant *r = ad_mem_get(c->ctx, sizeof *r + n * sizeof r->item[0]);
    if (!r) return;
    *r = (ad_remnant){.seq = s->seq, .id = s->id, .set = set, .room = n, .live = n};
    for (uint32_t i = 0; i < s->used; i++) {
        const tape_entry *e = &s->e[i];
        if (e->op == E_FREE) continue;
        if (!r->count) r->src = e->src;
        r->item[r->count++] = i << 22 | e->held;
    }
    c->t->table[s->id] = (uintptr_t)r | 1;
    ad_segment_drop(c->ctx, s, false);
}

static void recycle(collector *c) {
    for (ad_segment *s = c->t->first, *next; s; s = next) {
        uint32_t set = 0;
        next = s->next;
        if (s->sets) ad_mem_put(c->ctx, s->sets, SEG_SIZE * sizeof *s->sets);
        s->sets = NULL;
        if (s == c->t->last) continue;
        if (!s->alive && s->id && !c->failed) {
            ad_segment_drop(c->ctx, s, true);
            continue;
        }
        uint32_t n = s->id && !c->failed ? shrinkable(s, &set) : 0;
        if (n) shrink(c, s, n, set);
    }
}

/* ---- parameters --------------------------------------------------------------------------- */

static void name_parameters(collector *c) {
    ad_tape *t = c->t;
    for (uint32_t id = 1; id < t->param_count; id++)
        t->params[id].named = t->params[id].has_old = false;
    for (const ad_segment *s = t->first; s; s = s->next)
        for (uint32_t i = s->id == 0; s->alive && i < s->used; i++) {
            const tape_entry *e = &s->e[i];
            if (e->op == E_CUT) ad_set_name(t, e->a, s->seq);
            if (e->op != E_LEAF || !e->b) continue;
            ad_param_info *p = &t->params[e->b];
            p->named = true;
            if (!(e->flags & F_OLD)) continue;
            if (!p->has_old || s->seq < p->oldest) p->oldest = s->seq;
            p->has_old = true;
        }
    for (uint32_t id = 0; id < t->table_used; id++)
        if (ad_is_remnant(t->table[id])) {
            const ad_remnant *r = ad_remnant_of(t->table[id]);
            ad_set_name(t, r->set, r->seq);
        }
    ad_sets_sweep(c->ctx);
    for (uint32_t id = 1; id < t->param_count; id++) {
        ad_param_info *p = &t->params[id];
        if (p->used && p->dropped && !p->named) *p = (ad_param_info){0};
    }
    t->param_hint = 1;
}

/* ---- when --------------------------------------------------------------------------------- */

enum { PATIENCE = 2, MOST_PATIENCE = 8, MORE_ENTRIES = 1 << 21 };

/* Where the last collections found next to nothing, a long tape is being recorded: wait longer, by at
 * most 50 MB. */
static void learn_patience(ad_tape *t, uint64_t before) {
    if (t->alive < before - before / 8) t->patience = PATIENCE;
    else if (t->patience < MOST_PATIENCE) t->patience *= 2;
}

static uint64_t entries_to_wait(const ad_tape *t) {
    uint64_t least = PATIENCE * t->alive, most = t->patience * t->alive;
    if (most > least + MORE_ENTRIES) most = least + MORE_ENTRIES;
    return most > FIRST_ENTRIES ? most : FIRST_ENTRIES;
}

static bool due(const ad_tape *t) {
    size_t bytes = t->bytes_alive / 2 > FIRST_BYTES ? t->bytes_alive / 2 : FIRST_BYTES;
    return t->since > entries_to_wait(t) || t->bytes_since > bytes;
}

void ad_collect(ad_ctx *ctx, bool force) {
    ad_tape *t = ctx->tape;
    if (t->sweeping || !(force || due(t))) return;
    collector c = {.ctx = ctx, .t = t};
    go_reach(&c);
    go_up(&c);
    if (!c.failed) {
        go_down(&c);
        drop_revived(&c);
        uint64_t before = t->alive + t->since;
        t->alive = c.alive;
        learn_patience(t, before);
        t->bytes_alive = c.bytes;
    }
    recycle(&c);
    if (!c.failed) name_parameters(&c);
    t->recorded += t->since;
    t->since = t->bytes_since = 0;
    t->collections++;
    if (force) ad_tape_trim(ctx);
}
