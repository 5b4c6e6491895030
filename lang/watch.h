/* SPDX-License-Identifier: MIT */
/* The nan tracer: looks where a person or an update sees a value, and names the operation that made the
 * first inf or nan. Each of these is false where --nan error raised. */
#ifndef GR_WATCH_H
#define GR_WATCH_H

#include "vm.h"

struct gr_descriptor;

/* A value that is looked at; `what` completes "it arrives in …". Only what is tracked is traced. */
bool gr_watch_value(gr_vm *vm, gr_value v, const char *what);
/* The numerators y, and the adjoints d that a reverse sweep from seeds (NULL: ones) gave for each wrt. */
bool gr_watch_adjoints(gr_vm *vm, uint32_t ny, const gr_value *y, const gr_value *seed, uint32_t n,
                       const gr_value *wrt, const gr_value *d);
/* Likewise the tangents dy that a forward sweep gave for each y. */
bool gr_watch_tangents(gr_vm *vm, uint32_t n, const gr_value *wrt, const gr_value *tangent, uint32_t ny,
                       const gr_value *y, const gr_value *dy);
/* A param gets `now` instead of `before`. */
bool gr_watch_update(gr_vm *vm, const gr_name *name, gr_value before, gr_value now);

/* A derivative of `e` is asked for, as the descriptor says: warns where e is not tracked (constant.c). */
void gr_watch_numerator(gr_vm *vm, const struct gr_descriptor *d, gr_value e, const gr_value *wrt);
/* Warnings are shown as they come. */
void gr_show_warning(gr_vm *vm, gr_report *report);

#endif
