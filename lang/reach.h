/* SPDX-License-Identifier: MIT */
/*
 * What code and values could read: slots of globals and cells, as numbers (journal.h), found by going
 * through values, functions and what these name, in a state that was set aside, or as things are now.
 * Library code and the library's variables are no part of it.
 */
#ifndef GR_REACH_H
#define GR_REACH_H

#include "chunk.h"
#include "journal.h"
#include "vm_state.h"

bool gr_places_has(const gr_places *p, uintptr_t place);
bool gr_places_add(gr_vm *vm, gr_places *p, uintptr_t place);
void gr_places_free(gr_vm *vm, gr_places *p);

/* What running a chunk in the state `top` may read. */
bool gr_reach_code(gr_vm *vm, const gr_top *top, gr_proto *proto, gr_places *out);
/* What the variables of the top level lead to now, themselves included. */
bool gr_reach_variables(gr_vm *vm, gr_places *out);
/* The slots that a chunk's code names, and that of the functions in it. */
bool gr_reach_names(gr_vm *vm, gr_proto *proto, gr_places *out);
/* Does code name variables of a loop that was held up, which nobody can name later? */
bool gr_reach_paused(gr_vm *vm, gr_proto *proto);
/* The slots that a chunk's top level defines. */
bool gr_reach_defined(gr_vm *vm, gr_proto *proto, gr_places *out);

/* Bytes of what the state `top` leads to beyond what `seen` has, which they are added to. NULL: the present
 * one. */
struct gr_twins;
size_t gr_reach_bytes(gr_vm *vm, const gr_top *top, struct gr_twins *seen);

/* A variable of the user's: of the prompt, or of a module that was imported. */
bool gr_is_own_global(const gr_global *g);

#endif
