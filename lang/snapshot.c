/* SPDX-License-Identifier: MIT */
/*
 * Taking and restoring are one walk over values, with copies of what holds anything: taking turns
 * tracked numbers and tensors into places, restoring fills the places again. Identity is kept by a
 * table of what was copied, so that closures go on sharing their variables. Depth is limited as for
 * structures.
 */
#include "snapshot.h"

#include "heap_private.h"
#include "structure.h"
#include "twins.h"

#include <string.h>

/* ---- what was copied -------------------------------------------------------------------------- */

typedef struct copier {
    gr_vm *vm;
    gr_snapshot *snapshot;
    gr_replay *replay;      /* NULL: taking */
    const gr_value *inputs; /* restoring */
    gr_twins twins;
    int depth;
} copier;

/* Has `p` been seen? Its copy (or NULL) in *to. */
static bool seen(const copier *c, const void *p, gr_object **to) {
    return gr_twins_find(&c->twins, p, to);
}

static bool note(copier *c, void *p, gr_object *to) {
    if (gr_twins_put(c->vm, &c->twins, p, to)) return true;
    gr_raise_memory(c->vm);
    return false;
}

/* ---- values ----------------------------------------------------------------------------------- */

static bool copy(copier *c, gr_value v, gr_value *out);

/* A place is a GR_ABSENT with a flag, its number in `num`. */
static bool is_place(gr_value v) { return v.kind == GR_ABSENT && v.flags; }

static bool take_leaf(copier *c, gr_value v, gr_value *out) {
    gr_snapshot *s = c->snapshot;
    if (!gr_proto_grow(c->vm, &s->leaves, &s->leaf_room, s->leaf_count + 1, sizeof *s->leaves))
        return false;
    *out = gr_absent();
    out->flags = 1;
    out->num = s->leaf_count;
    s->leaves[s->leaf_count++] = (gr_saved_leaf){.value = gr_retain(c->vm, v),
                                                   .entry = ad_entry_of(c->vm->ctx, v),
                                                   .at = -1};
    return true;
}

static gr_value fill_place(const copier *c, gr_value place) {
    const gr_saved_leaf *l = &c->snapshot->leaves[(uint32_t)place.num];
    return gr_retain(c->vm, l->at >= 0 ? c->inputs[l->at] : l->value);
}

/* The copies of `count` values into `to`; what was made is released on failure. */
static bool copy_all(copier *c, size_t count, const gr_value *from, gr_value *to, bool *changed) {
    for (size_t i = 0; i < count; i++) {
        gr_value v;
        if (!copy(c, from[i], &v)) return false;
        *changed = *changed || v.head != from[i].head || v.ptr != from[i].ptr;
        to[i] = v;
    }
    return true;
}

/* A tree with nothing tracked and no changed function in it stays what it is. */
static bool copy_tree(copier *c, gr_value v, gr_value *out) {
    bool record = v.kind == GR_RECORD, changed = false;
    size_t count = record ? gr_record_count(v) : gr_as_tuple(v)->count;
    gr_value twin = record ? gr_record_like(c->vm, v) : gr_tuple_new(c->vm, count);
    if (gr_failed(twin)) return false;
    const gr_value *from = record ? gr_as_record(v)->values : gr_as_tuple(v)->items;
    gr_value *to = record ? gr_as_record(twin)->values : gr_as_tuple(twin)->items;
    bool ok = copy_all(c, count, from, to, &changed);
    *out = ok && changed ? twin : gr_retain(c->vm, v);
    if (!ok || !changed) gr_release(c->vm, twin);
    if (!ok) gr_release(c->vm, *out);
    return ok;
}

/* ---- functions and cells ---------------------------------------------------------------------- */

static bool reach_global(void *user, uint32_t slot) {
    copier *c = user;
    gr_vm *vm = c->vm;
    gr_snapshot *s = c->snapshot;
    gr_global *g = &vm->globals[slot];
    gr_object *none;
    void *key = (void *)((uintptr_t)slot << 4 | 1); /* no object has an odd address */
    if (g->flags & GR_GLOBAL_LIBRARY || gr_is_absent(g->value) || seen(c, key, &none)) return true;
    if (!note(c, key, NULL)) return false;
    if (!gr_proto_grow(vm, &s->globals, &s->global_room, s->global_count + 1, sizeof *s->globals))
        return false;
    uint32_t at = s->global_count++;
    s->globals[at] = (gr_saved_global){.slot = slot, .value = gr_nil()};
    gr_value v, held = gr_retain(vm, g->value);
    bool ok = copy(c, held, &v);
    gr_release(vm, held);
    if (ok) s->globals[at].value = v;
    return ok;
}

/* Globals that the code names, and those of the functions written inside it. */
static bool reach_code(copier *c, gr_proto *p) {
    gr_object *none;
    if (p->flags & GR_PROTO_LIBRARY || seen(c, p, &none)) return true;
    if (!note(c, p, NULL)) return false;
    if (!gr_proto_each_global(p, reach_global, c)) return false;
    for (uint32_t i = 0; i < p->child_count; i++)
        if (!reach_code(c, p->children[i])) return false;
    return true;
}

static gr_value empty_twin(gr_vm *vm, gr_function *f) {
    gr_value none[64];
    if (f->form == GR_FORM_CLOSURE) {
        gr_closure *twin = gr_closure_new(vm, ((gr_closure *)f)->proto, f->held_count);
        return twin ? gr_of_kind(GR_FUNCTION, twin) : gr_absent();
    }
    if (f->held_count > 64) return gr_retain(vm, gr_of_kind(GR_FUNCTION, f));
    for (uint32_t i = 0; i < f->held_count; i++) none[i] = gr_nil();
    return gr_bind(vm, ((gr_native_function *)f)->row, f->held_count, none);
}

static bool copy_function(copier *c, gr_value v, gr_value *out) {
    gr_function *f = gr_as_function(v);
    gr_object *twin;
    bool changed = false;
    if (!c->replay && f->form == GR_FORM_CLOSURE && !reach_code(c, ((gr_closure *)f)->proto))
        return false;
    if (!f->held_count || f->form == GR_FORM_OP) {
        *out = gr_retain(c->vm, v);
        return true;
    }
    if (seen(c, f, &twin)) {
        *out = gr_retain(c->vm, gr_of_kind(GR_FUNCTION, twin));
        return true;
    }
    gr_value made = empty_twin(c->vm, f);
    if (gr_failed(made)) return false;
    bool ok = note(c, f, made.ptr) && (made.ptr == v.ptr ||
              copy_all(c, f->held_count, gr_function_held(f),
                       gr_function_held(gr_as_function(made)), &changed));
    *out = made;
    if (!ok) gr_release(c->vm, made);
    return ok;
}

/* Copies are emptied when the replay ends, so that circles of them go away. */
static bool remember_cell(copier *c, gr_value cell) {
    gr_replay *r = c->replay;
    if (!r) return true;
    if (!gr_proto_grow(c->vm, &r->cells, &r->cell_room, r->cell_count + 1, sizeof *r->cells))
        return false;
    r->cells[r->cell_count++] = gr_retain(c->vm, cell);
    return true;
}

/* A variable made inside a derivative is updated with recording; in a snapshot this is its `born`. */
static uint64_t birth(const copier *c, const gr_cell *cell) {
    if (!c->replay) return c->snapshot->derived && cell->born >= c->vm->active[c->vm->active_floor];
    return cell->born ? c->vm->begun : 0;
}

static bool copy_cell(copier *c, gr_value v, gr_value *out) {
    gr_object *twin;
    gr_value inner;
    if (seen(c, v.ptr, &twin)) {
        *out = gr_retain(c->vm, gr_of_kind(GR_CELL, twin));
        return true;
    }
    *out = gr_cell_new(c->vm, gr_nil());
    if (gr_failed(*out)) return false;
    gr_as_cell(*out)->born = birth(c, gr_as_cell(v));
    bool ok = remember_cell(c, *out) && note(c, v.ptr, out->ptr) &&
              copy(c, gr_as_cell(v)->value, &inner);
    if (ok) gr_replace(c->vm, &gr_as_cell(*out)->value, inner);
    else gr_release(c->vm, *out);
    return ok;
}

static bool copy(copier *c, gr_value v, gr_value *out) {
    if (v.kind <= AD_TENSOR && v.node && !c->replay) return take_leaf(c, v, out);
    if (is_place(v)) {
        *out = fill_place(c, v);
        return true;
    }
    if (v.kind != GR_TUPLE && v.kind != GR_RECORD && v.kind != GR_FUNCTION && v.kind != GR_CELL) {
        *out = gr_retain(c->vm, v);
        return true;
    }
    if (c->depth >= GR_MAX_STRUCTURE_DEPTH) {
        gr_raise(c->vm, GR_E_too_nested, "what a checkpoint keeps is nested more than %d levels deep",
                 GR_MAX_STRUCTURE_DEPTH);
        return false;
    }
    c->depth++;
    bool ok = v.kind == GR_FUNCTION ? copy_function(c, v, out)
              : v.kind == GR_CELL   ? copy_cell(c, v, out)
                                    : copy_tree(c, v, out);
    c->depth--;
    return ok;
}

/* ---- taking ----------------------------------------------------------------------------------- */

bool gr_snapshot_take(gr_vm *vm, uint32_t count, const gr_value *roots, gr_snapshot *out) {
    *out = (gr_snapshot){.roots = gr_nil(), .random = ad_random_get(vm->ctx),
                           .dtype = ad_default_dtype(vm->ctx),
                         .derived = vm->active_count > vm->active_floor};
    copier c = {.vm = vm, .snapshot = out};
    gr_value all = gr_tuple_new(vm, count);
    bool changed = false, ok = !gr_failed(all) &&
                       copy_all(&c, count, roots, gr_as_tuple(all)->items, &changed);
    gr_twins_free(vm, &c.twins);
    if (!gr_failed(all)) out->roots = all;
    if (!ok) gr_snapshot_free(vm, out);
    return ok;
}

bool gr_snapshot_settle(gr_snapshot *s, size_t count, const uint32_t *nodes) {
    size_t found = 0;
    for (size_t k = 0; k < count; k++) {
        bool any = false;
        for (uint32_t i = 0; i < s->leaf_count; i++) {
            if (s->leaves[i].entry != nodes[k]) continue;
            s->leaves[i].at = s->input_count;
            any = true;
        }
        s->input_count += any;
        found += any;
    }
    return found == count;
}

void gr_snapshot_inputs(const gr_snapshot *s, gr_value *out) {
    for (uint32_t i = 0; i < s->leaf_count; i++)
        if (s->leaves[i].at >= 0) out[s->leaves[i].at] = s->leaves[i].value;
}

void gr_snapshot_release(gr_vm *vm, gr_snapshot *s) {
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        gr_value v = s->leaves[i].value;
        s->leaves[i].value = s->leaves[i].at >= 0 ? ad_number(0) : ad_stop(vm->ctx, v);
        gr_release(vm, v);
    }
}

static void empty_cells(gr_vm *vm, gr_value *cells, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        gr_replace(vm, &gr_as_cell(cells[i])->value, gr_nil());
        gr_release(vm, cells[i]);
    }
}

void gr_snapshot_free(gr_vm *vm, gr_snapshot *s) {
    for (uint32_t i = 0; i < s->leaf_count; i++) gr_release(vm, s->leaves[i].value);
    for (uint32_t i = 0; i < s->global_count; i++) gr_release(vm, s->globals[i].value);
    if (s->leaves) ad_mem_put(vm->ctx, s->leaves, s->leaf_room * sizeof *s->leaves);
    if (s->globals) ad_mem_put(vm->ctx, s->globals, s->global_room * sizeof *s->globals);
    gr_release(vm, s->roots);
    *s = (gr_snapshot){.roots = gr_nil()};
}

/* ---- running again ---------------------------------------------------------------------------- */

uint64_t gr_seal(gr_vm *vm) {
    uint64_t before = vm->sealed;
    vm->sealed = ++vm->begun;
    return before;
}

/* Each global gets the snapshot's value; what it had waits in r->now. */
static bool swap_in(copier *c, gr_replay *r) {
    gr_vm *vm = c->vm;
    const gr_snapshot *s = r->snapshot;
    size_t bytes = (s->global_count + 1) * sizeof *r->now;
    if (!(r->now = ad_mem_get(vm->ctx, bytes))) {
        gr_raise_memory(vm);
        return false;
    }
    for (; r->swapped < s->global_count; r->swapped++) {
        gr_value v, *place = &vm->globals[s->globals[r->swapped].slot].value;
        if (!copy(c, s->globals[r->swapped].value, &v)) return false;
        r->now[r->swapped] = *place;
        *place = v;
    }
    return true;
}

bool gr_replay_begin(gr_vm *vm, gr_snapshot *s, const gr_value *inputs, gr_replay *r) {
    *r = (gr_replay){.snapshot = s, .roots = gr_nil(), .active = vm->active_count,
                     .floor = vm->active_floor, .random = ad_random_get(vm->ctx),
                     .dtype = ad_default_dtype(vm->ctx),
                     .recording = ad_set_recording(vm->ctx, true)};
    copier c = {.vm = vm, .snapshot = s, .replay = r, .inputs = inputs};
    r->sealed = gr_seal(vm);
    vm->muted++;
    vm->active_floor = vm->active_count;
    bool ok = gr_proto_grow(vm, &vm->active, &vm->active_room, vm->active_count + 1,
                            sizeof *vm->active);
    if (ok && s->derived) vm->active[vm->active_count++] = vm->begun;
    ok = ok && copy(&c, s->roots, &r->roots) && swap_in(&c, r);
    gr_twins_free(vm, &c.twins);
    ad_random_set(vm->ctx, s->random);
    ad_set_default_dtype(vm->ctx, s->dtype);
    if (!ok) gr_replay_end(vm, r);
    return ok;
}

void gr_replay_end(gr_vm *vm, gr_replay *r) {
    const gr_snapshot *s = r->snapshot;
    for (uint32_t i = 0; i < r->swapped; i++)
        gr_replace(vm, &vm->globals[s->globals[i].slot].value, r->now[i]);
    if (r->now) ad_mem_put(vm->ctx, r->now, (s->global_count + 1) * sizeof *r->now);
    gr_release(vm, r->roots);
    empty_cells(vm, r->cells, r->cell_count);
    if (r->cells) ad_mem_put(vm->ctx, r->cells, r->cell_room * sizeof *r->cells);
    vm->active_count = r->active;
    vm->active_floor = r->floor;
    vm->muted--;
    gr_unseal(vm, r->sealed);
    ad_random_set(vm->ctx, r->random);
    ad_set_default_dtype(vm->ctx, r->dtype);
    ad_set_recording(vm->ctx, r->recording);
}
