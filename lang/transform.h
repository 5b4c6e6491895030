/* SPDX-License-Identifier: MIT */
/* What the files of the transforms share. */
#ifndef GR_TRANSFORM_H
#define GR_TRANSFORM_H

#include "vm_state.h"

/* A list of leaves of a value, in order. */
typedef struct gr_flat {
    gr_value *items;
    uint32_t count, room;
    bool owned;
} gr_flat;

/* Inside begin and end variables that are made belong to the derivative; recording is on. */
typedef struct gr_scope_mark {
    uint32_t active;
    bool recording;
} gr_scope_mark;
bool gr_transform_begin(gr_vm *vm, gr_scope_mark *mark);
void gr_transform_end(gr_vm *vm, gr_scope_mark mark);

/* Fresh leaves of the tape for all numbers and tensors of a value. */
bool gr_leaf_tree(gr_vm *vm, gr_value v, uint32_t src, gr_value *out);
/* The numeric leaves of a value, borrowed. */
bool gr_flatten(gr_vm *vm, gr_value v, gr_flat *flat);
void gr_flat_free(gr_vm *vm, gr_flat *flat);
/* A value like `v` with the given leaves, which are taken in order from items[*at] on. */
bool gr_unflatten(gr_vm *vm, gr_value v, gr_value *items, uint32_t *at, gr_value *out);
bool gr_zeros_like(gr_vm *vm, gr_value v, gr_value *out);
/* Σ ⟨seed, y⟩ differentiated in x: the structure of x. */
bool gr_pull_back(gr_vm *vm, gr_value y, gr_value seed, gr_value x, unsigned flags, uint32_t src,
                  gr_value *out);
bool gr_push_forward(gr_vm *vm, gr_value x, gr_value tangent, gr_value y, unsigned flags,
                     uint32_t src, gr_value *out);

/* Calls f with the arguments whose numbers are in `wrt` made leaves of their own. Leaves and the value
 * are the caller's. */
enum { GR_MOST_WRT = 16 };
typedef struct gr_traced {
    gr_value leaves[GR_MOST_WRT];
    uint32_t count;
    gr_value value;
} gr_traced;
bool gr_trace_call(gr_vm *vm, gr_value f, uint32_t argc, const gr_value *args, uint32_t count,
                   const uint32_t *wrt, uint32_t src, gr_traced *out);
void gr_traced_free(gr_vm *vm, gr_traced *t);
bool gr_gradient_of(gr_vm *vm, gr_value f, gr_value wrt, uint32_t argc, const gr_value *args,
                    uint32_t src, gr_value *value, gr_value *out);

bool gr_b_checkpoint(gr_vm *vm, gr_call *call);
bool gr_b_custom_grad(gr_vm *vm, gr_call *call);
bool gr_b_scan(gr_vm *vm, gr_call *call);
bool gr_b_gradcheck(gr_vm *vm, gr_call *call);

#endif
