/* SPDX-License-Identifier: MIT */
/* What the heap's files know of one another and of function objects. */
#ifndef GR_HEAP_PRIVATE_H
#define GR_HEAP_PRIVATE_H

#include "function.h"
#include "vm_state.h"

void gr_string_free(gr_vm *vm, gr_string *s);
void gr_string_forget_marks(gr_vm *vm, const gr_string *s); /* string_marks.c */
void gr_tuple_free(gr_vm *vm, gr_tuple *t);
void gr_record_free(gr_vm *vm, gr_record *r);
bool gr_items_shared(const gr_tuple *t); /* do other windows look at its buffer? */

struct gr_items {
    size_t refs, used, room;
    bool outgrown; /* its items were copied to one with more room */
    gr_value data[];
};

/* gr_retain and gr_release for where it is mostly objects that are counted. */
static inline gr_value gr_hold(gr_vm *vm, gr_value v) {
    if (gr_is_object(v))
        ((gr_object *)v.ptr)->refs++;
    else
        gr_retain(vm, v);
    return v;
}
static inline void gr_drop(gr_vm *vm, gr_value v) {
    if (gr_is_object(v) && ((gr_object *)v.ptr)->refs > 1)
        ((gr_object *)v.ptr)->refs--;
    else
        gr_release(vm, v);
}

/* Lets go of what these places hold. */
static inline void gr_drop_all(gr_vm *vm, gr_value *v, uint32_t count) {
    for (gr_value *end = v + count; v < end; v++)
        if (v->head > AD_BOOL) gr_drop(vm, gr_take(v));
}

/* *v becomes a copy of its own, which is given back; of a record of a shared shape whom others hold too.
 * NULL: memory. */
gr_record *gr_record_fork(gr_vm *vm, gr_value *v);
/* gr_record_edit and gr_tuple_edit, at once where nobody else holds the object. */
static inline gr_value *gr_record_own(gr_vm *vm, gr_value *v) {
    gr_record *r = gr_as_record(*v);
    return r->object.refs == 1 ? r->values : gr_record_edit(vm, v);
}
static inline bool gr_tuple_is_own(const gr_tuple *t) {
    return t->object.refs == 1 && (!t->base || t->base->refs == 1);
}
static inline gr_value *gr_tuple_own(gr_vm *vm, gr_value *v) {
    gr_tuple *t = gr_as_tuple(*v);
    return gr_tuple_is_own(t) ? t->items : gr_tuple_edit(vm, v);
}

/* Frees a captured param's ids. */
void gr_params_drop(gr_vm *vm, uint32_t *ids, uint32_t count);

#endif
