/* SPDX-License-Identifier: MIT */
/*
 * Structures: tuples and records of numbers and tensors. Everything here goes leaf by leaf over
 * trees of one shape: arithmetic, functions of the user's, whole-value comparison. A record is
 * matched by the names of its fields, the order is that of the first operand. An operand that is no
 * structure stands for itself at every leaf.
 *
 * What it does not do: know operations (those are rows of the core's table), or print.
 */
#ifndef GR_STRUCTURE_H
#define GR_STRUCTURE_H

#include "vm.h"

/* Deepest nesting that is walked; deeper values raise too_nested. */
#define GR_MAX_STRUCTURE_DEPTH 1000

/* The way from a root to a place in it: a list that lives on the C stack of who walks. */
typedef struct gr_path {
    const struct gr_path *up; /* NULL at the root */
    gr_string *field;         /* NULL: an item of a tuple */
    size_t index;
    int depth;
} gr_path;

/* "[1].W", "W[0]"; nothing for the root. */
void gr_path_text(gr_buffer *out, const gr_path *path);

/* Most trees that are walked side by side. */
#define GR_MAX_TREES 8

/* One call a leaf: in[k] is the leaf of the k-th tree. *out is the caller's. */
typedef bool (*gr_leaf_function)(gr_vm *vm, void *user, const gr_path *path, int n,
                                 const gr_value *in, gr_value *out);

/* Trees of the same shape (at least one is a tuple or a record) to a tree of results. False: raised. */
bool gr_structure_map(gr_vm *vm, int n, const gr_value *in, gr_leaf_function f, void *user,
                      gr_value *out);

/* An elementwise operation where at least one operand is a tuple or a record. */
bool gr_structure_apply(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in,
                        const ad_arg *args, gr_value *out);
/* The same for a call by name, whose operands are arguments. */
bool gr_structure_call(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in,
                       const ad_arg *args, gr_value *out);

/* Visits the leaves of a value in order; a number or tensor is its own only leaf. */
typedef bool (*gr_leaf_visit)(gr_vm *vm, void *user, const gr_path *path, gr_value leaf);
bool gr_structure_each(gr_vm *vm, gr_value v, gr_leaf_visit visit, void *user);

/* Number of leaves, and of numbers in them. */
bool gr_structure_count(gr_vm *vm, gr_value v, int64_t *leaves, int64_t *numbers);

/* All numbers of a structure in one tensor of rank 1, recorded where something is tracked. */
bool gr_structure_flat(gr_vm *vm, uint32_t src, gr_value v, gr_value *out);
/* The same for values side by side: joined along an axis that is there (concat) or new (stack). */
bool gr_join(gr_vm *vm, uint32_t src, bool stack, size_t count, const gr_value *items, int64_t axis,
             gr_value *out);

/* == of whole values: numbers by value, tensors by shape and value, records by field name. */
bool gr_equal(gr_vm *vm, gr_value a, gr_value b, bool *out);
/* same(a, b): kinds and dtypes count too, and nan is the same as nan. */
bool gr_same(gr_vm *vm, gr_value a, gr_value b, bool *out);
/* Numerically: |a − b| ≤ atol + rtol · max(|a|, |b|) for every number. */
bool gr_nearly_equal(gr_vm *vm, gr_value a, gr_value b, double rtol, double atol, bool *out);

#endif
