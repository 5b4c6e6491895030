/* SPDX-License-Identifier: MIT */
/* What the heap's files know of one another and of function objects. */
#ifndef GR_HEAP_PRIVATE_H
#define GR_HEAP_PRIVATE_H

#include "function.h"
#include "vm_state.h"

void gr_string_free(gr_vm *vm, gr_string *s);
void gr_tuple_free(gr_vm *vm, gr_tuple *t);
void gr_record_free(gr_vm *vm, gr_record *r);
bool gr_items_shared(const gr_tuple *t); /* do other windows look at its buffer? */

/* Frees a captured param's ids. */
void gr_params_drop(gr_vm *vm, uint32_t *ids, uint32_t count);

#endif
