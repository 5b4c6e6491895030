/* SPDX-License-Identifier: MIT */
/* Assignments to parameters whose value nobody reads. `assignment` is the one that the read is a part of,
 * or NULL; `loop` the number of the outermost loop around in its function, 0 for none. */
#ifndef GR_LOST_H
#define GR_LOST_H

#include "scope.h"

void gr_lost_read(gr_variable *v, const gr_node *assignment, uint32_t loop);
void gr_lost_write(gr_variable *v, const gr_node *assignment, uint32_t loop);
/* Where the parameters of a function stand among the variables; those of functions within may stand
 * between. */
typedef struct gr_parameters {
    uint32_t fn, begin, end;
} gr_parameters;

/* At the end of a function, of this name or none. */
void gr_lost_tell(const gr_scope *scope, const gr_parameters *parameters, const gr_name *name);

#endif
