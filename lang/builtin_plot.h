/* SPDX-License-Identifier: MIT */
/* Options that plot, hist and heatmap share. False: raised. `i` is the argument's place. */
#ifndef GR_BUILTIN_PLOT_H
#define GR_BUILTIN_PLOT_H

#include "builtin.h"
#include "plot.h"

/* NULL where not given; lives in the arena. */
bool gr_plot_text(gr_vm *vm, gr_arena *arena, const gr_call *call, uint32_t i, const char **out);
/* `count` strings of a tuple (or one for 1), or NULL. */
bool gr_plot_names(gr_vm *vm, gr_arena *arena, const gr_call *call, uint32_t i, size_t count,
                   char (**out)[64]);
/* The window's, where not given. */
bool gr_plot_width(gr_vm *vm, const gr_call *call, uint32_t i, unsigned *out);
bool gr_plot_ink(gr_vm *vm, const gr_call *call, uint32_t i, gr_ink *out);
/* (low, high) or low..high, of an argument that was given. */
bool gr_plot_pair(gr_vm *vm, const gr_call *call, uint32_t i, double *low, double *high);
/* The picture of a text, which is freed. */
bool gr_plot_result(gr_vm *vm, gr_call *call, gr_buffer *text);

#endif
