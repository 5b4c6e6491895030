/* SPDX-License-Identifier: MIT */
/* A fold under way, with or without checkpoints. */
#ifndef GR_SCAN_H
#define GR_SCAN_H

#include "replay.h"
#include "structure.h"

typedef struct gr_scan {
    gr_value step, h0, xs; /* borrowed */
    int64_t length, truncate; /* cut in front of every so many steps; 0: never */
    bool states;              /* is hs asked for? */
    uint32_t src;
} gr_scan;

/* Every state, leaf by leaf, one after the other in time. */
typedef struct gr_history {
    gr_value *items;
    uint32_t count, room, leaves;
} gr_history;
bool gr_history_add(gr_vm *vm, gr_history *s, gr_value h);
bool gr_history_stack(gr_vm *vm, const gr_history *s, gr_value h, uint32_t src, gr_value *out);
/* One leaf of them, along a new first axis. */
bool gr_history_leaf(gr_vm *vm, const gr_history *s, uint32_t leaf, uint32_t src, gr_value *out);
void gr_history_free(gr_vm *vm, gr_history *s);

/* xs at one step, a structure of rows. */
bool gr_scan_row(gr_vm *vm, gr_value xs, int64_t at, uint32_t src, gr_value *out);
/* The next state from h and x; raises where its shape is another. */
bool gr_scan_step(gr_vm *vm, const gr_scan *s, int64_t at, gr_value h, gr_value x, gr_value *next);
static inline bool gr_scan_cuts(const gr_scan *s, int64_t at) {
    return s->truncate && at && at % s->truncate == 0;
}
/* The whole fold, recorded; *hs is nil where it is not asked for. */
bool gr_scan_plain(gr_vm *vm, const gr_scan *s, gr_value *h, gr_value *hs);
/* One entry for it. `every`: how far apart states are kept; 0: as few as grow with log(length). */
bool gr_scan_checkpointed(gr_vm *vm, const gr_scan *s, int64_t every, gr_value *h, gr_value *hs);

#endif
