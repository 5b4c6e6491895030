/* SPDX-License-Identifier: MIT */
/*
 * The long form of an error (`why` at the prompt): the operands with their shapes, where they were made,
 * and of which variables, down to where each size was born. It is collected while the frames still
 * stand, and only where somebody may ask for it (gr_options.explain).
 */
#ifndef GR_WHY_H
#define GR_WHY_H

#include "vm_state.h"

/* False: memory is out. Without `explain` all of the following does nothing. */
bool gr_why_open(gr_vm *vm);
void gr_why_close(gr_vm *vm);
/* Forgets what was collected: a new run, or an error that was caught. */
void gr_why_begin(gr_vm *vm);
/* The k-th operand (from 0) of what failed is v. */
void gr_why_operand(gr_vm *vm, uint32_t k, gr_value v);
/* In front of the unwinding: puts what is known into the error. */
void gr_why_finish(gr_vm *vm);
/* Of a nan that the tracer found: the way from v (or, absent, nothing) down to the entry that made it, and
 * what that one read (why_nan.c). `d` is a warning, or NULL for the error that is raised. */
void gr_why_nan(gr_vm *vm, gr_diagnostic *d, gr_value v, const ad_blame *b);

#endif
