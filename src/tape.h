/* SPDX-License-Identifier: MIT */
/* tape.h - the Wengert list, as its own rooms see it.
 *
 *   entry, 24 bytes                          segment: 1024 entries behind a header
 *     f64 num     or payload*                node = segment id << 10 | offset; ids are recycled,
 *     u32 a, b    operands (nodes)           the order of construction is (segment.seq, offset)
 *     u32 src     source position
 *     u8 op, u8 flags, u16 held
 *
 * Values hold entries (`held`); entries do not count each other. Reclamation is three passes over the
 * segments (collect.c). A payload saves storage, never a tracked value. */
#ifndef AD_TAPE_H
#define AD_TAPE_H

#include "kernel_index.h"
#include "ops.h"
#include "tensor.h"

enum {
    SEG_BITS = 10,
    SEG_SIZE = 1 << SEG_BITS,
    SEG_MASK = SEG_SIZE - 1,
    SEG_WORDS = SEG_SIZE / 64,
    SEGS_PER_CHUNK = 85, /* about 2 MB */
    HELD_MAX = 65535
};

/* Operations of entries: rows of the table below E_LEAF, and these. */
enum {
    E_FREE = 0,
    E_LEAF = 240, /* a: operand it is linked to; b: parameter */
    E_CUT,        /* a: set of parameters it came from */
    E_OUT,        /* a: entry with several results; b: which */
    E_PROG,       /* block program */
    E_INDEX,      /* read through an index plan */
    E_PUT,        /* write through an index plan */
    E_SPREAD,     /* zeros with a value added through an index plan: the adjoint of E_INDEX */
    E_GRAD,       /* y…, seed… → wrt… by a reverse sweep */
    E_JVP,        /* y… , wrt…, tangent… by a forward sweep */
    E_CUSTOM      /* the host's backward rule */
};
_Static_assert((int)AD_OPID_END < (int)E_LEAF, "too many rows for one byte");

enum {
    F_TENSOR = 1,   /* the result is a tensor */
    F_PAYLOAD = 2,  /* `payload` instead of `num` */
    F_ASK = 4,      /* collector: askable */
    F_BELOW = 8,    /* collector: an operand is askable */
    F_KEEP = 16,    /* collector: used by a kept entry */
    F_WHOLE = 32,   /* collector: a kept gradient needs it as it is */
    F_OLD = 64,     /* leaf: superseded; where: the second operand was chosen */
    F_REACH = 128   /* collector: a reached entry uses it */
};
enum { F_COLLECT = F_ASK | F_BELOW | F_KEEP | F_WHOLE };

typedef struct ad_payload {
    uint32_t bytes;      /* of this block */
    uint16_t nin, nout;
    uint16_t ny, nwrt;   /* E_GRAD: in = y, seeds, wrt; E_JVP: in = y, wrt, tangents */
    bool linked;         /* ad_sweep.linked */
    uint8_t lines;       /* ad_sweep.lines: the seeds (or tangents) and results are as many */
    bool both;           /* ad_sweep.both */
    size_t weight;       /* bytes, with the storage that it saves */
    ad_prog *prog;
    ad_index_plan *plan;
    const ad_callback *callback;
    void *user;
    uint32_t *in;        /* nin nodes, 0 for what is not tracked */
    ad_value *saved;     /* nin operands, nout results; storage only; kind KIND_ABSENT if not saved:
                            then `ptr` is the packed type, in this block */
    ad_arg *args;        /* copies, in this block, or NULL */
} ad_payload;

enum { KIND_ABSENT = 0xff };

typedef struct tape_entry {
    union {
        double num;
        ad_payload *payload;
    };
    uint32_t a, b, src;
    uint8_t op, flags;
    uint16_t held;
} tape_entry;
_Static_assert(sizeof(tape_entry) == 24, "an entry has 24 bytes");

typedef struct ad_segment ad_segment;
struct ad_segment {
    uint64_t seq;
    ad_segment *prev, *next;
    uint32_t id, used, alive; /* alive: entries that the last collection kept */
    uint32_t *sets; /* collector: a set of parameters for each entry, or NULL */
    tape_entry e[SEG_SIZE];
};

/* What is left of a segment whose survivors are values without a past: 4 bytes each. */
typedef struct ad_remnant {
    uint64_t seq;
    uint32_t id, set, count, room, live;
    uint32_t src; /* of the first */
    uint32_t item[]; /* offset << 22 | holders, by offset */
} ad_remnant;

typedef struct ad_param_info {
    uint32_t leaf;     /* present version, 0 if there is none */
    uint64_t oldest;   /* seq of the oldest segment with an older version or a cut that names it */
    uint32_t asked;    /* number of the trace that asked for it */
    bool used, dropped, has_old, named;
} ad_param_info;

typedef struct ad_map { /* u64 → u32, open addressing; key 0 is empty */
    uint64_t *key;
    uint32_t *value;
    uint32_t room, count;
} ad_map;

typedef struct ad_set {
    uint64_t *bits;
    uint32_t words, hash, next;
    bool used, marked;
} ad_set;

typedef struct ad_sweep ad_sweep;

typedef struct ad_tape {
    uintptr_t *table;        /* by segment id: ad_segment*, or ad_remnant* | 1, or 0 */
    uint32_t table_room, table_used;
    uint32_t *free_ids;
    uint32_t free_id_count, free_id_room;
    ad_segment *first, *last, *spare;
    void **chunks;
    uint32_t chunk_count, chunk_room;
    uint64_t seq;
    uint64_t recorded, since, alive; /* entries: ever, since the last collection, then */
    size_t bytes_since, bytes_alive;
    uint32_t patience;       /* the next collection comes after patience × alive further entries */
    uint64_t collections, segments;
    uint32_t trace_number;
    int sweeping;            /* sweeps under way */
    ad_param_info *params;
    uint32_t param_count, param_room, param_hint; /* no free id below the hint */
    ad_set *sets;
    uint32_t set_count, set_room, set_hint;
    ad_map set_of;           /* hash of bits → first set of the chain */
    ad_map unions;           /* pair → union, during one collection */
    ad_map revived;          /* node in a remnant → fresh cut */
    ad_map overflow;         /* node → holders beyond HELD_MAX */
    struct ad_page *free_pages;
    void *free_slots[2];     /* pages of adjoints: plain, recorded */
    ad_sweep *free_sweeps;
} ad_tape;

static inline bool ad_is_remnant(uintptr_t w) { return w & 1; }
static inline ad_segment *ad_seg(const ad_tape *t, uint32_t node) {
    return (ad_segment *)t->table[node >> SEG_BITS];
}
static inline tape_entry *ad_at(const ad_tape *t, uint32_t node) {
    return &ad_seg(t, node)->e[node & SEG_MASK];
}
static inline ad_remnant *ad_remnant_of(uintptr_t w) { return (ad_remnant *)(w & ~(uintptr_t)1); }
static inline uint32_t ad_node_of(const ad_segment *s, uint32_t offset) {
    return s->id << SEG_BITS | offset;
}
uint64_t ad_seq_of(const ad_tape *t, uint32_t node);
/* Later than: construction order. */
static inline bool ad_newer(const ad_tape *t, uint32_t x, uint32_t y) {
    uint64_t sx = ad_seq_of(t, x), sy = ad_seq_of(t, y);
    return sx != sy ? sx > sy : (x & SEG_MASK) > (y & SEG_MASK);
}

/* A fresh entry at the end, not held; NULL without memory. `*node` is its name. */
tape_entry *ad_push_slow(ad_ctx *ctx, uint32_t *node);
static inline tape_entry *ad_push(ad_ctx *ctx, uint32_t *node) {
    ad_tape *t = ctx->tape;
    ad_segment *s = t->last;
    if (AD_UNLIKELY(!s || s->used == SEG_SIZE)) return ad_push_slow(ctx, node);
    *node = ad_node_of(s, s->used);
    t->since++;
    return &s->e[s->used++];
}
/* The entry, where it counts its holders itself: not in a remnant, nor beyond what it can count. */
static AD_INLINE tape_entry *ad_counting(const ad_tape *t, uint32_t node) {
    uintptr_t w = t->table[node >> SEG_BITS];
    if (AD_UNLIKELY(ad_is_remnant(w))) return NULL;
    tape_entry *e = &((ad_segment *)w)->e[node & SEG_MASK];
    return e->held == HELD_MAX ? NULL : e;
}
void ad_hold_slow(ad_ctx *ctx, uint32_t node);
static AD_INLINE void ad_hold(ad_ctx *ctx, uint32_t node) {
    tape_entry *e = ad_counting(ctx->tape, node);
    if (AD_LIKELY(e != NULL)) e->held++;
    else ad_hold_slow(ctx, node);
}
void ad_unhold_slow(ad_ctx *ctx, uint32_t node);
static AD_INLINE void ad_unhold(ad_ctx *ctx, uint32_t node) {
    tape_entry *e = ad_counting(ctx->tape, node);
    if (AD_LIKELY(e != NULL)) e->held--;
    else ad_unhold_slow(ctx, node);
}
/* Is there something to record? */
static inline bool ad_any_tracked(const ad_ctx *ctx, int n, const ad_value *in) {
    if (!ctx->recording) return false;
    for (int i = 0; i < n; i++)
        if (in[i].node) return true;
    return false;
}
/* The node to use as an operand: itself, or a fresh cut for a value of a remnant. 0 on failure. */
uint32_t ad_operand_slow(ad_ctx *ctx, ad_value v);
static inline uint32_t ad_operand(ad_ctx *ctx, ad_value v) {
    if (AD_LIKELY(!ad_is_remnant(ctx->tape->table[v.node >> SEG_BITS]))) return v.node;
    return ad_operand_slow(ctx, v);
}
/* Where a denominator is now: itself, or what it was revived as, or 0. */
uint32_t ad_where_is(const ad_tape *t, uint32_t node);
ad_status ad_push_cut(ad_ctx *ctx, double num, bool tensor, uint32_t set, uint32_t src, uint32_t *node);

/* Zeros of a type with `v` added through the plan. */
ad_status ad_index_spread(ad_ctx *ctx, const ad_type *type, const ad_index_plan *plan, ad_value v,
                          uint32_t src, ad_value *out);
/* The number of a scalar entry. */
static inline double ad_entry_number(const tape_entry *e) {
    if (AD_LIKELY(!(e->flags & F_PAYLOAD))) return e->num;
    return e->payload->saved[e->payload->nin].num;
}

/* The operands of any entry (the denominators of a gradient are none); `pair` is room for those that
 * stand in the entry itself. */
static inline int ad_operands(const tape_entry *e, const uint32_t **nodes, uint32_t pair[2]) {
    if (e->flags & F_PAYLOAD) {
        const ad_payload *p = e->payload;
        *nodes = p->in;
        return e->op == E_GRAD ? 2 * p->ny : p->nin;
    }
    *nodes = pair;
    pair[0] = e->a;
    pair[1] = e->b;
    if (e->op == E_CUT) return 0;
    return e->op == E_LEAF || e->op == E_OUT ? 1 : 2;
}

/* payloads */
enum { SAVE_OUT = 1 << 30, SAVE_ALL = SAVE_OUT - 1 };
/* `save`: bit i for operand i (the last bit stands for all further ones), SAVE_OUT for results;
 * of what is not saved the type is kept. Operands get their nodes from ad_operand. */
ad_payload *ad_payload_new(ad_ctx *ctx, int nin, const ad_value *in, int nout, const ad_value *out,
                           unsigned save, const ad_arg *args);
void ad_payload_free(ad_ctx *ctx, ad_payload *p);
void ad_payload_type(const ad_payload *p, int i, ad_type *out);
/* Has the value the shape and dtype of operand i? */
static inline bool ad_payload_has_type(const ad_payload *p, int i, ad_value v) {
    ad_value saved = p->saved[i];
    if (saved.kind != AD_TENSOR && saved.kind != KIND_ABSENT) return v.kind != AD_TENSOR;
    if (v.kind != AD_TENSOR) return false;
    const ad_tensor *t = v.tensor;
    const int64_t *dims = saved.kind == AD_TENSOR ? saved.tensor->dims : (int64_t *)saved.ptr + 1;
    unsigned dtype = saved.kind == AD_TENSOR ? saved.tensor->dtype : (uint8_t)dims[-1];
    int rank = saved.kind == AD_TENSOR ? saved.tensor->rank : (uint8_t)(dims[-1] >> 8);
    if (t->dtype != dtype || t->rank != rank) return false;
    for (int k = 0; k < rank; k++)
        if (t->dims[k] != dims[k]) return false;
    return true;
}
/* Puts the entry (and one OUT a result if there are several) on the tape; results get their nodes,
 * held once. Takes the payload over, also on failure. */
ad_status ad_record(ad_ctx *ctx, unsigned op, uint32_t src, ad_payload *p, int nout, ad_value *out);
/* Reads and writes through a plan, recorded; they take the plan over. */
ad_status ad_index_read_plan(ad_ctx *ctx, ad_value x, ad_index_plan *plan, uint32_t src,
                             ad_value *out);
ad_status ad_index_write_plan(ad_ctx *ctx, ad_value *x, ad_index_plan *plan, ad_value v, uint32_t src);
/* The entry of result k of `parent`; `*out` gets its node, held once. */
ad_status ad_push_out(ad_ctx *ctx, uint32_t parent, int k, uint32_t src, ad_value *out);

/* sets of parameters */
uint32_t ad_set_single(ad_ctx *ctx, ad_param id);
uint32_t ad_set_union(ad_ctx *ctx, uint32_t x, uint32_t y);
/* A parameter of the set that the present trace asks for, or 0. */
ad_param ad_set_asked(const ad_tape *t, uint32_t set, uint32_t trace_number);
void ad_set_name(ad_tape *t, uint32_t set, uint64_t seq); /* it survives, and lies there */
void ad_sets_sweep(ad_ctx *ctx);                          /* frees what does not */
void ad_sets_close(ad_ctx *ctx);

void ad_sweeps_close(ad_ctx *ctx);
/* Room for `need` elements in a growing array, zeros behind those it has; false without memory. */
bool ad_grow(ad_ctx *ctx, void *array, uint32_t *room, uint32_t need, size_t size);
void ad_id_free(ad_tape *t, uint32_t id);
void ad_segment_drop(ad_ctx *ctx, ad_segment *s, bool free_id);
/* Gives back what consists of spare segments only. */
void ad_tape_trim(ad_ctx *ctx);

/* maps */
uint32_t ad_map_get(const ad_map *m, uint64_t key); /* 0 if absent */
bool ad_map_put(ad_ctx *ctx, ad_map *m, uint64_t key, uint32_t value);
void ad_map_remove(ad_map *m, uint64_t key);
void ad_map_clear(ad_ctx *ctx, ad_map *m);

#endif
