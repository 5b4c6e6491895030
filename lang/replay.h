/* SPDX-License-Identifier: MIT */
/* What checkpoint and scan share: one entry of the tape in the place of a stretch that can be run
 * again. */
#ifndef GR_REPLAY_H
#define GR_REPLAY_H

#include "snapshot.h"

#include <string.h>

typedef struct gr_checkpoint {
    gr_vm *vm;
    gr_snapshot snapshot; /* the function and its arguments */
    ad_type *outputs;
    uint32_t output_count, src;
} gr_checkpoint;

/* Inputs of the snapshot are what the values came from since the mark; not usable where one entry
 * cannot stand for that. False: raised. */
bool gr_settle_boundary(gr_vm *vm, gr_snapshot *s, ad_mark mark, uint32_t count,
                        const gr_value *values, bool *usable);
/* Puts the entry on the tape and lets go of what the snapshot held; takes `user` over. */
bool gr_record_callback(gr_vm *vm, const ad_callback *callback, void *user, gr_snapshot *s,
                        uint32_t src, const gr_flat *values, gr_value *out);
/* A leaf for each of `count` values; linked where they are tracked. */
bool gr_make_leaves(gr_vm *vm, uint32_t count, const ad_value *in, uint32_t src, gr_flat *out);
/* Raises where a second run gave something else than the first. */
bool gr_same_result(gr_vm *vm, const gr_flat *now, uint32_t count, const ad_type *then);

#endif
