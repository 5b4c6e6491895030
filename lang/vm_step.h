/* SPDX-License-Identifier: MIT */
/*
 * Between the loop (vm.c) and what its instructions call: the short ways, inline, and the steps that take
 * more than a few lines (vm_step.c, vm_build.c). Steps are given pointers to registers, let go of the
 * operands that the instruction kills, and give false where they raised.
 */
#ifndef GR_VM_STEP_H
#define GR_VM_STEP_H

#include "heap_private.h"

#include <math.h>

/* ---- the short ways --------------------------------------------------------------------------- */

static inline void gr_let_go(gr_vm *vm, gr_value *v) {
    if (v->head > AD_BOOL) gr_drop(vm, gr_take(v));
}

static inline void gr_kill_operands(gr_vm *vm, const gr_insn *i, gr_value *b, gr_value *c) {
    if (i->flags & GR_KILL_B) gr_let_go(vm, b);
    if (i->flags & GR_KILL_C) gr_let_go(vm, c);
}

/* The sign of the divisor. Whole numbers go through the integer divider, which is exact and faster. */
static inline double gr_modulo(double a, double b) {
    if (fabs(a) < 0x1p53 && fabs(b) < 0x1p53) {
        int64_t x = (int64_t)a, y = (int64_t)b;
        if (y != 0 && (double)x == a && (double)y == b && a > 0) {
            int64_t r = x % y;
            return (double)(r != 0 && (r < 0) != (y < 0) ? r + y : r);
        }
    }
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline bool gr_is_small_whole(gr_value v) {
    return v.head == 0 && fabs(v.num) < 0x1p31 && (double)(int32_t)v.num == v.num;
}

/* The usual bounds and step, with nothing to prepare and nothing wrong. */
static inline bool gr_counts_up(const gr_value *r) {
    return gr_is_small_whole(r[0]) && gr_is_small_whole(r[1]) && gr_is_small_whole(r[2]) && r[2].num > 0;
}

/* An item of a tuple that nobody else holds, by a plain index; or NULL. */
static inline gr_value *gr_own_item(const gr_value *v, const gr_value *index) {
    int64_t k;
    if (!GR_LIKELY(v->kind == GR_TUPLE && index->head == 0)) return NULL;
    const gr_tuple *t = gr_as_tuple(*v);
    if (!GR_LIKELY(ad_is_index(index->num, (int64_t)t->count, &k) && gr_tuple_is_own(t))) return NULL;
    return t->items + k;
}

/* The value leaves the frame on top, which ends. */
static inline void gr_frame_leave(gr_vm *vm, gr_frame *f, gr_value *from, uint32_t live) {
    gr_value v = gr_take(from), *base = f->base;
    if (!GR_LIKELY(gr_all_plain(base, live))) gr_drop_all(vm, base, live);
    gr_closure *closure = f->closure;
    vm->segment = f->segment;
    gr_copy(f->result, &v);
    vm->frame_count--;
    if (GR_LIKELY(closure->function.object.refs > 1))
        closure->function.object.refs--;
    else
        gr_release(vm, gr_of_kind(GR_FUNCTION, closure));
}

/* gr_frame_enter for the case that there is room; false: there is not, nothing has happened. */
static inline bool gr_frame_enter_here(gr_vm *vm, gr_closure *closure, gr_value *args, gr_value *result) {
    gr_proto *p = closure->proto;
    gr_segment *s = vm->segment;
    if (!GR_LIKELY(vm->frame_count < vm->frame_room && vm->frame_count < vm->max_calls &&
                   args + p->registers <= s->values + s->room && !(p->flags & GR_PROTO_LIBRARY)))
        return false;
    gr_push_frame(vm, closure, args, result, s, 0);
    return true;
}

/* ---- operators -------------------------------------------------------------------------------- */

typedef bool (*gr_binary)(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out);

/* Two numbers, one of them tracked. */
bool gr_step_tracked(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
                     gr_value *c, unsigned kill);
bool gr_step_binary(gr_vm *vm, const gr_frame *f, gr_binary run, ad_op op, gr_value *a,
                    gr_value *b, gr_value *c);
/* A constant is on the right, or on the left where `reversed`; it is not killed. */
bool gr_step_constant(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
                      gr_value k, bool reversed);
/* -1: raised; else whether the comparison holds. */
int gr_step_test(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b, bool kill_b);

/* ---- variables -------------------------------------------------------------------------------- */

bool gr_step_get_global(gr_vm *vm, uint32_t slot, gr_value *to);
bool gr_step_set_global(gr_vm *vm, const gr_frame *f, uint32_t slot, gr_value *from, bool define);
bool gr_step_load_cell(gr_vm *vm, gr_value cell, gr_value *to);
bool gr_step_store_cell(gr_vm *vm, const gr_frame *f, gr_value cell, gr_value *from);
bool gr_step_new_cell(gr_vm *vm, gr_value *v);
bool gr_step_set_path(gr_vm *vm, gr_frame *f, const gr_target *t, gr_value *from);
/* A local that a call's callee slot or any read found unset. */
bool gr_step_present(gr_vm *vm, gr_value v);

/* ---- making values (vm_build.c) --------------------------------------------------------------- */

bool gr_step_closure(gr_vm *vm, const gr_frame *f, uint32_t index, gr_value *to);
bool gr_step_prepare_for(gr_vm *vm, gr_value *r);
bool gr_step_range(gr_vm *vm, gr_value *r, gr_value *to);
bool gr_step_list(gr_vm *vm, const gr_frame *f, bool tensor, gr_value *first, uint32_t count,
                  gr_value *to);
bool gr_step_record(gr_vm *vm, const gr_descriptor *d, gr_value *first, gr_value *to);
bool gr_step_list_add(gr_vm *vm, gr_value *list, gr_value *v);
/* ...xs in a list: a tuple, a tensor's first axis, a range. */
bool gr_step_list_join(gr_vm *vm, const gr_frame *f, gr_value *list, gr_value *v);
bool gr_step_list_tensor(gr_vm *vm, const gr_frame *f, gr_value *list);
bool gr_step_record_spread(gr_vm *vm, gr_value *to, gr_value *v);
bool gr_step_format(gr_vm *vm, gr_value v, gr_value format, gr_value *to);
bool gr_step_concat(gr_vm *vm, gr_value *parts, uint32_t count, gr_value *to);

/* ---- assertions, tests, the end of a run ------------------------------------------------------ */

bool gr_step_fail_pair(gr_vm *vm, gr_value *a, gr_value *b, gr_value *message);
bool gr_step_fail_text(gr_vm *vm, const gr_value *message);
bool gr_step_test_block(gr_vm *vm, gr_value f, gr_value name);
/* After an error: pops the frames of this run of the loop and restores what recordings were under way. */
bool gr_unwind(gr_vm *vm, uint32_t recordings, bool recording);

#endif
