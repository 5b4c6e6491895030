/* SPDX-License-Identifier: MIT */
/*
 * What the language has in C: tables of builtins, the door to the rows of the op table, and readers
 * of arguments, which check one argument in one line and name it where it is wrong.
 *
 * A name in a table wins over a row of the op table with the same name. Rows need no table here:
 * gr_builtin_op turns the arguments into operands and attributes by the row's signature.
 */
#ifndef GR_BUILTIN_H
#define GR_BUILTIN_H

#include "vm.h"

/* Ends with NULL. */
extern const gr_builtin *const gr_builtin_tables[];

extern const gr_builtin gr_builtins_make[];
extern const gr_builtin gr_builtins_tensor[];
extern const gr_builtin gr_builtins_structure[];
extern const gr_builtin gr_builtins_collection[];
extern const gr_builtin gr_builtins_text[];
extern const gr_builtin gr_builtins_match[];
extern const gr_builtin gr_builtins_file[];
extern const gr_builtin gr_builtins_system[];
extern const gr_builtin gr_builtins_plot[];
extern const gr_builtin gr_builtins_map[];

/* A call of the row call->op: call->args and call->rest follow the row's signature. */
bool gr_builtin_op(gr_vm *vm, gr_call *call);
/* The same by name, with operands and attributes made by the caller; one result. */
bool gr_apply_row(gr_vm *vm, gr_call *call, const char *row, int n, const gr_value *in,
                  const ad_arg *args, gr_value *out);

/* ---- arguments: false where the argument does not fit (raised) -------------------------------- */

/* Given, and not nil. */
static inline bool gr_given(const gr_call *call, uint32_t i) {
    return call->args[i].kind != GR_ABSENT && call->args[i].kind != GR_NIL;
}
/* Indices count the rest's items behind the parameters: count + j. */
gr_value gr_argument(const gr_call *call, uint32_t i);
/* "`x` must be a string; it is a number" */
bool gr_raise_kind(gr_vm *vm, const gr_call *call, uint32_t i, const char *wanted);

/* Where v is a range: how a tensor is made of it. */
void gr_help_range(gr_vm *vm, gr_diagnostic *d, gr_value v);
/* How the function that is the k-th operand (from 0) is called. */
void gr_help_call(gr_vm *vm, gr_diagnostic *d, uint32_t k);
bool gr_want_number(gr_vm *vm, const gr_call *call, uint32_t i, double *out);
bool gr_want_whole(gr_vm *vm, const gr_call *call, uint32_t i, int64_t *out);
/* Whole and at least `least`. */
bool gr_want_count(gr_vm *vm, const gr_call *call, uint32_t i, int64_t least, int64_t *out);
bool gr_want_flag(gr_vm *vm, const gr_call *call, uint32_t i, bool *out);
bool gr_want_string(gr_vm *vm, const gr_call *call, uint32_t i, gr_string **out);
bool gr_want_function(gr_vm *vm, const gr_call *call, uint32_t i);
/* "f64" or "f32" (or "bool"), else the context's. */
bool gr_want_dtype(gr_vm *vm, const gr_call *call, uint32_t i, ad_dtype *out);
/* A shape: the argument i, a whole number or a tuple of them, or (where `rest`) the rest's items behind
 * it. Not given: rank 0. */
bool gr_want_shape(gr_vm *vm, const gr_call *call, uint32_t i, bool rest, int *rank, int64_t *dims);
/* A NUL-terminated copy, without NUL inside, to be freed with ad_mem_put(…, length + 1). */
bool gr_want_path(gr_vm *vm, const gr_call *call, uint32_t i, char **out, size_t *bytes);

/* Whole numbers of a value (number, tuple, tensor of rank 1; nested), at most `room`; -1: raised. */
int gr_whole_numbers(gr_vm *vm, const gr_call *call, uint32_t i, gr_value v, int room, int64_t *out);

/* A tensor of what `tensor(t)` and `[…]` take: numbers, nested tuples, ranges, strings not. */
bool gr_to_tensor(gr_vm *vm, const gr_call *call, uint32_t i, gr_value v, gr_value *out);

/* One after another what `for` runs through; `next` gives false at the end, *failed where raised. */
typedef struct gr_iterator {
    gr_vm *vm;
    gr_value over;
    size_t at, count;
    size_t byte;  /* of a string */
    uint32_t src;
} gr_iterator;
bool gr_iterate(gr_vm *vm, const gr_call *call, uint32_t i, gr_iterator *it);
bool gr_next(gr_iterator *it, gr_value *out, bool *failed);

#endif
