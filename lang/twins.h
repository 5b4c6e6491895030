/* SPDX-License-Identifier: MIT */
/*
 * A table of objects that were met, each with the copy that was made of it, or none: for walks over
 * values, which share and refer to one another. Keys are compared by address.
 */
#ifndef GR_TWINS_H
#define GR_TWINS_H

#include "value.h"

typedef struct gr_twins {
    void **from; /* open addressing */
    gr_object **to; /* NULL: only seen */
    size_t room, used;
} gr_twins; /* zeros to begin with */

/* Has `p` been seen? Its copy (or NULL) in *to. */
bool gr_twins_find(const gr_twins *t, const void *p, gr_object **to);
/* False: memory is out (not raised). */
bool gr_twins_put(gr_vm *vm, gr_twins *t, void *p, gr_object *to);
void gr_twins_free(gr_vm *vm, gr_twins *t);

static inline bool gr_twins_has(const gr_twins *t, const void *p) {
    gr_object *to;
    return gr_twins_find(t, p, &to);
}

#endif
