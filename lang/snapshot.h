/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: what some values, and the functions among them, can reach, as it is now, so that the
 * functions can be run again later with the same outcome: captured variables, globals of the user's,
 * the state of the random numbers. It holds storage and no entry of the tape: what was tracked is a
 * numbered input, which whoever runs it again supplies. Functions and cells that hold anything are
 * copied, so nothing of the program is kept alive or seen to change.
 *
 * The library's own globals are not part of it: they do not change.
 */
#ifndef GR_SNAPSHOT_H
#define GR_SNAPSHOT_H

#include "transform.h"

typedef struct gr_saved_global {
    uint32_t slot;
    gr_value value;
} gr_saved_global;

/* A tracked value that was met: an input, or a constant where at < 0. */
typedef struct gr_saved_leaf {
    gr_value value; /* owned; tracked until the snapshot is settled */
    uint32_t entry;
    int64_t at; /* index among the inputs */
} gr_saved_leaf;

typedef struct gr_snapshot {
    gr_value roots; /* a tuple */
    gr_saved_global *globals;
    gr_saved_leaf *leaves;
    uint32_t global_count, global_room, leaf_count, leaf_room, input_count;
    ad_random_state random;
    ad_dtype dtype; /* the default */
    bool derived; /* taken inside a derivative: what is made inside is updated with recording */
} gr_snapshot;

/* Of `count` values, which are borrowed. False: raised. */
bool gr_snapshot_take(gr_vm *vm, uint32_t count, const gr_value *roots, gr_snapshot *out);
/* Entries that matter become inputs, in the order of gr_snapshot_inputs; of all others the value stays.
 * False: one of them is in nothing that the snapshot has. */
bool gr_snapshot_settle(gr_snapshot *s, size_t count, const uint32_t *nodes);
/* The inputs, tracked, borrowed; only between settle and release. */
void gr_snapshot_inputs(const gr_snapshot *s, gr_value *out);
/* Lets go of the entries. */
void gr_snapshot_release(gr_vm *vm, gr_snapshot *s);
void gr_snapshot_free(gr_vm *vm, gr_snapshot *s);

/* From begin to end globals and random numbers are those of the snapshot, recording is on, printing is
 * off; `roots` are the values, whose functions see the given inputs (borrowed). */
typedef struct gr_replay {
    gr_snapshot *snapshot;
    gr_value roots;
    gr_value *now;   /* what the globals had */
    gr_value *cells; /* copies, emptied at the end: they may refer to one another */
    uint32_t swapped, cell_count, cell_room, active, floor;
    uint64_t sealed;
    ad_random_state random;
    ad_dtype dtype;
    bool recording;
} gr_replay;
/* False: raised, and ended. */
bool gr_replay_begin(gr_vm *vm, gr_snapshot *s, const gr_value *inputs, gr_replay *r);
void gr_replay_end(gr_vm *vm, gr_replay *r);

/* Assignments to what was made outside are refused from here on. */
uint64_t gr_seal(gr_vm *vm);
static inline void gr_unseal(gr_vm *vm, uint64_t before) { vm->sealed = before; }

#endif
