/* SPDX-License-Identifier: MIT */
/* sweep.h - a sweep in three passes: down from y through what it depends on (trace.c: which entries,
 * which of them reach a denominator), then the numbers, downwards (reverse.c) or upwards
 * (forward.c). Only entries that matter are ever looked at, so a small gradient on top of a large
 * tape costs only itself.
 *
 * Every segment that is met has a page: three bitmaps, and slots for adjoints while some are pending.
 * An untouched slot holds a signalling nan, which arithmetic cannot make. */
#ifndef AD_SWEEP_H
#define AD_SWEEP_H

#include "tape.h"

typedef struct ad_page ad_page;
typedef struct ad_note ad_note;
struct ad_page {
    uint64_t seq;
    uint32_t segment;
    ad_page *next;    /* in the free list */
    void *slots;      /* uint64_t[SEG_SIZE], or ad_value[SEG_SIZE] where wide; NULL: none touched */
    uint64_t visited[SEG_WORDS], need[SEG_WORDS], wrt[SEG_WORDS];
};

struct ad_sweep {
    ad_ctx *ctx;
    ad_sweep *next;
    ad_page **table;      /* by segment id, all NULL between sweeps */
    uint32_t table_room;
    ad_page **heap;       /* pages to visit, latest first */
    uint32_t heap_count, heap_room;
    ad_page **order;      /* visited pages, latest first */
    uint32_t order_count, order_room;
    bool record;          /* adjoints are tracked values */
    bool wide;            /* slots are values: recorded, or many lines */
    bool own;             /* wrt are leaves of a transform */
    bool open;            /* something tracked besides own leaves is behind y */
    bool loaded;          /* an entry with a payload is behind y */
    bool watched;         /* plain, and each entry is looked at behind its turn */
    ad_note *notes;       /* of a watched forward sweep */
    /* Forward: a partial that is exactly 0 is strong too, where an infinite value has an infinite tangent:
     * what comes behind stands still there, as in 1 / (1 + exp(1000)). Only looked at where a tangent came out
     * that is not finite. */
    bool both;
    bool params;          /* a parameter is asked for: all leaves of parameters end it */
    int64_t lines;        /* of a Jacobian at once (lines.h); 0: one */
    int nwrt;
    const uint32_t *wrt;  /* nodes, 0 where there is nothing to find */
    ad_value *result;     /* reverse: by wrt; head == ABSENT where nothing arrived */
    uint64_t limit;       /* no segment before this one is visited */
};

#define AD_UNTOUCHED UINT64_C(0x7ff4ad0000000001)
#define AD_ABSENT_HEAD UINT64_C(0xff)
enum { AD_MAX_ORDER = 64 }; /* sweeps inside sweeps */

ad_status ad_sweep_begin(ad_ctx *ctx, bool record, ad_sweep **out);
/* From here on it is a sweep of k lines. */
void ad_sweep_set_lines(ad_sweep *s, int64_t k);
void ad_sweep_end(ad_sweep *s);
/* Marks what `y` depends on and, of that, what depends on a wrt; among numbers alone everything counts
 * as needed, unless it has to be exact. */
ad_status ad_sweep_trace(ad_sweep *s, int ny, const uint32_t *y, bool exact);
/* Marks all that `y` depends on, down to the ends. */
ad_status ad_sweep_trace_all(ad_sweep *s, uint32_t y);
/* Marks visited what was recorded since `mark`, with need; for what a gradient unrolled into. */
ad_status ad_sweep_stretch(ad_sweep *s, ad_mark mark);
/* The first segment with entries behind `mark`. */
ad_segment *ad_first_since(const ad_tape *t, ad_mark mark);
/* Forgets the pages behind `mark`. */
void ad_sweep_forget(ad_sweep *s, ad_mark mark);
ad_page *ad_sweep_page(ad_sweep *s, uint32_t segment, uint64_t seq);

static inline bool ad_bit(const uint64_t *bits, uint32_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static inline void ad_bit_set(uint64_t *bits, uint32_t i) { bits[i >> 6] |= UINT64_C(1) << (i & 63); }
static inline ad_page *ad_page_at(const ad_sweep *s, uint32_t node) {
    uint32_t id = node >> SEG_BITS;
    return id < s->table_room ? s->table[id] : NULL;
}
static inline bool ad_needed(const ad_sweep *s, uint32_t node) {
    const ad_page *p = node ? ad_page_at(s, node) : NULL;
    return p && ad_bit(p->need, node & SEG_MASK);
}

/* Numbers. The seeds are borrowed; s->result is filled. */
ad_status ad_sweep_reverse(ad_sweep *s, int ny, const uint32_t *y, const ad_value *seed);
/* A tangent for each wrt → one for each y, AD_ABSENT_HEAD where none arrives. */
ad_status ad_sweep_forward(ad_sweep *s, const ad_value *tangent, int ny, const uint32_t *y,
                           ad_value *out);
/* The values of a gradient's (or a jvp's) results, recorded. */
ad_status ad_unroll(ad_ctx *ctx, const tape_entry *e, ad_value *out);

/* Operand i and result k of an entry as values: storage, with nodes if `record`. */
static inline ad_value ad_saved_value(const tape_entry *e, int i, bool record) {
    const ad_payload *p = e->payload;
    ad_value v = p->saved[i];
    if (v.kind == KIND_ABSENT) return ad_number(0);
    v.node = record && i < p->nin ? p->in[i] : 0;
    return v;
}
/* Is every element exactly 0? Strided values are not looked through. */
bool ad_value_is_zero(ad_value v);
ad_status ad_zeros_of(ad_ctx *ctx, const ad_type *type, ad_value *out);
ad_status ad_ones_of(ad_ctx *ctx, const ad_type *type, ad_value *out);

/* A rule's frame, filled from an entry; one block from the pools. `result[k]` where `given[k]`. */
typedef struct ad_frame {
    ad_rule rule;
    void *block;
    size_t bytes;
    ad_value *in, *out, *result;
    ad_type *type;
    bool *need, *given;
} ad_frame;
ad_status ad_frame_open(ad_ctx *ctx, uint32_t node, bool record, ad_frame *f);
/* The rule's status; releases what the rule made, results apart. */
ad_status ad_frame_finish(ad_frame *f);
void ad_frame_close(ad_frame *f);
/* A cotangent in the shape and dtype of the operand. Takes `v` over. */
ad_status ad_conform(ad_ctx *ctx, uint32_t src, ad_value v, const ad_type *type, ad_value *out);
/* adj · partial of a scalar entry, recorded, with strong zeros; `both` as in the sweep. */
ad_status ad_recorded_product(ad_ctx *ctx, const tape_entry *e, int k, uint32_t node, ad_value adj,
                              bool both, ad_value *out);
ad_value ad_node_value(const ad_tape *t, uint32_t node);
/* The partial of a scalar entry in operand k; a falsified one where a test asked for it. */
double ad_entry_partial(const ad_ctx *ctx, const tape_entry *e, int k, double a, double b);
/* In a test that falsifies the row: its results, falsified. */
void ad_frame_falsify(ad_frame *f, unsigned op);
const char *ad_entry_name(const tape_entry *e);

/* A sweep that looks for the first adjoint that is not finite (blame.c): after each entry. */
void ad_watch_entry(ad_sweep *s, uint32_t node);
/* The same of a forward sweep (blame_forward.c), at its end: down from a tangent that is not finite. The
 * function gives the tangent of an entry, or NULL. */
typedef const ad_value *(*ad_tangent_function)(void *user, uint32_t node);
void ad_watch_tangents(ad_sweep *s, int ny, const uint32_t *y, ad_tangent_function tangent, void *user);
/* What happens inside an entry is watched apart, and kept for a walk that will pass it (without memory it is
 * forgotten): the first gives `outer` for the second. */
ad_blame *ad_watch_inside(ad_sweep *s, ad_blame *inside);
void ad_watch_keep(ad_sweep *s, uint32_t node, const ad_blame *inside, ad_blame *outer);
void ad_watch_forget(ad_sweep *s);
/* Sweeps a recorded derivative plainly, for the functions above. */
ad_status ad_sweep_again(ad_ctx *ctx, const tape_entry *e);

#endif
