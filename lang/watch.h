/* SPDX-License-Identifier: MIT */
/* The nan tracer: looks where a person or an update sees a value, and names the operation that made the
 * first inf or nan. Each of these is false where --nan error raised. */
#ifndef GR_WATCH_H
#define GR_WATCH_H

#include "vm.h"

/* A value that is looked at; `what` completes "it arrives in …". Only what is tracked is traced. */
bool gr_watch_value(gr_vm *vm, gr_value v, const char *what);
/* Derivatives of e, which is finite. */
bool gr_watch_derivatives(gr_vm *vm, gr_value e, uint32_t n, const gr_value *wrt, const gr_value *d);
/* A param gets `now` instead of `before`. */
bool gr_watch_update(gr_vm *vm, const gr_name *name, gr_value before, gr_value now);

#endif
