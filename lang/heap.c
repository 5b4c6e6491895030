/* SPDX-License-Identifier: MIT */
/*
 * Life and death of objects, and cells. Freeing works on a list: an object whose count reaches zero
 * while another is being freed is only linked, so a million nested tuples need no stack.
 *
 * Cycles lead through a cell (everything else is built from what already exists), so the finder
 * looks at what cells reach: an object all of whose references come from there is garbage. Strings,
 * tuples and records are in string.c, tuple.c and record.c.
 */
#include "heap_private.h"
#include "picture.h"

#include <string.h>

void *gr_object_new(gr_vm *vm, size_t bytes, unsigned kind) {
    gr_object *o = ad_mem_get(vm->ctx, bytes);
    if (!o) {
        gr_raise_memory(vm);
        return NULL;
    }
    o->refs = 1;
    o->kind = (uint8_t)kind;
    o->flags = 0;
    o->aux = 0;
    o->link = NULL;
    return o;
}

void gr_retain_slow(gr_vm *vm, gr_value v) {
    if (v.kind <= AD_TENSOR)
        ad_retain_slow(vm->ctx, v);
    else if (gr_is_object(v))
        ((gr_object *)v.ptr)->refs++;
}

static GR_APART void free_function(gr_vm *vm, gr_function *f) {
    uint32_t count = f->held_count;
    gr_value *held = gr_function_held(f);
    for (uint32_t i = 0; i < count; i++) gr_release(vm, held[i]);
    if (f->form == GR_FORM_CLOSURE) gr_proto_release(vm, ((gr_closure *)f)->proto);
    if (f->signature) gr_native_signature_free(vm, f->signature);
    ad_mem_put(vm->ctx, f, gr_function_size(f));
}

static void unlink_cell(gr_vm *vm, gr_cell *cell) {
    if (cell->previous)
        cell->previous->next = cell->next;
    else
        vm->cells = cell->next;
    if (cell->next) cell->next->previous = cell->previous;
    vm->cell_count--;
}

static GR_APART void free_cell(gr_vm *vm, gr_cell *cell) {
    unlink_cell(vm, cell);
    gr_release(vm, cell->value);
    gr_params_drop(vm, cell->params, cell->param_count);
    ad_mem_put(vm->ctx, cell, sizeof *cell);
}

void gr_object_free(gr_vm *vm, gr_object *object) {
    switch (object->kind) {
    case GR_STRING: gr_string_free(vm, (gr_string *)object); break;
    case GR_TUPLE: gr_tuple_free(vm, (gr_tuple *)object); break;
    case GR_RECORD: gr_record_free(vm, (gr_record *)object); break;
    case GR_FUNCTION: free_function(vm, (gr_function *)object); break;
    case GR_RANGE: ad_mem_put(vm->ctx, object, sizeof(gr_range)); break;
    case GR_PICTURE: ad_mem_put(vm->ctx, object, gr_picture_size((gr_picture *)object)); break;
    default: free_cell(vm, (gr_cell *)object); break;
    }
}

static void free_all(gr_vm *vm, gr_object *object) {
    vm->sweeping = true;
    gr_object_free(vm, object);
    while (vm->dead) {
        gr_object *next = vm->dead;
        vm->dead = next->link;
        gr_object_free(vm, next);
    }
    vm->sweeping = false;
}

void gr_release_slow(gr_vm *vm, gr_value v) {
    if (v.kind <= AD_TENSOR) {
        ad_release_slow(vm->ctx, v);
        return;
    }
    if (!gr_is_object(v)) return;
    gr_object *o = v.ptr;
    if (--o->refs) return;
    if (o->kind == GR_STRING) { /* refers to no values: at once, while it is at hand */
        gr_string_free(vm, (gr_string *)o);
    } else if (vm->sweeping) {
        o->link = vm->dead;
        vm->dead = o;
    } else {
        free_all(vm, o);
    }
}

const char *gr_kind_name(gr_value v) {
    static const char *const names[] = {
        [AD_NUMBER] = "number",   [AD_BOOL] = "bool",     [AD_TENSOR] = "tensor",
        [GR_NIL] = "nil",         [GR_STRING] = "string", [GR_TUPLE] = "tuple",
        [GR_RECORD] = "record",   [GR_FUNCTION] = "function",
        [GR_RANGE] = "range",     [GR_PICTURE] = "picture", [GR_CELL] = "variable",
        [GR_ABSENT] = "nothing",
    };
    return v.kind <= GR_ABSENT && names[v.kind] ? names[v.kind] : "value";
}

const char *gr_kind_phrase(gr_value v) {
    static const char *const phrases[] = {
        [AD_NUMBER] = "a number",   [AD_BOOL] = "a bool",     [AD_TENSOR] = "a tensor",
        [GR_NIL] = "nil",           [GR_STRING] = "a string", [GR_TUPLE] = "a tuple",
        [GR_RECORD] = "a record",   [GR_FUNCTION] = "a function",
        [GR_RANGE] = "a range",     [GR_PICTURE] = "a picture",
    };
    bool known = (size_t)v.kind < sizeof phrases / sizeof *phrases && phrases[v.kind];
    return known ? phrases[v.kind] : "this value";
}

gr_value gr_range_new(gr_vm *vm, double low, double high, double step) {
    gr_range *r = gr_object_new(vm, sizeof *r, GR_RANGE);
    if (!r) return gr_absent();
    r->low = low;
    r->high = high;
    r->step = step;
    return gr_of_kind(GR_RANGE, r);
}

double gr_range_count(const gr_range *r) {
    double n = (r->high - r->low) / r->step;
    if (!(n > 0)) return 0;
    double whole = (double)(int64_t)(n < 9e18 ? n : 9e18);
    return whole < n ? whole + 1 : whole;
}

/* ---- cells ------------------------------------------------------------------------------------ */

gr_value gr_cell_new(gr_vm *vm, gr_value v) {
    if (vm->cell_count >= vm->cell_limit) gr_cells_collect(vm);
    gr_cell *cell = gr_object_new(vm, sizeof *cell, GR_CELL);
    if (!cell) {
        gr_release(vm, v);
        return gr_absent();
    }
    cell->value = v;
    cell->previous = NULL;
    cell->next = vm->cells;
    if (vm->cells) vm->cells->previous = cell;
    vm->cells = cell;
    vm->cell_count++;
    cell->born = vm->begun;
    cell->params = NULL;
    cell->param_count = 0;
    cell->changed = 0;
    return gr_of_kind(GR_CELL, cell);
}

void gr_cells_clear(gr_vm *vm) {
    for (gr_cell *cell = vm->cells; cell;) {
        gr_of_kind(GR_CELL, cell);
        cell->object.refs++;
        gr_value v = gr_take(&cell->value);
        gr_release(vm, v);
        gr_cell *next = cell->next;
        gr_release(vm, gr_of_kind(GR_CELL, cell));
        cell = next;
    }
}

/* A set of objects with a count each: how many references to it were seen. */
typedef struct seen {
    gr_object **keys;
    uint32_t *counts;
    gr_object **order; /* in order of discovery; also the work list */
    size_t room, used;
} seen;

static size_t seen_slot(const seen *s, const gr_object *o) {
    size_t i = ((uintptr_t)o >> 4) * 0x9E3779B97F4A7C15u >> 20;
    for (i &= s->room - 1; s->keys[i] && s->keys[i] != o;) i = (i + 1) & (s->room - 1);
    return i;
}

static void seen_free(gr_vm *vm, seen *s) {
    if (s->keys) ad_mem_put(vm->ctx, s->keys, s->room * sizeof *s->keys);
    if (s->counts) ad_mem_put(vm->ctx, s->counts, s->room * sizeof *s->counts);
    if (s->order) ad_mem_put(vm->ctx, s->order, s->room * sizeof *s->order);
    *s = (seen){0};
}

static bool seen_grow(gr_vm *vm, seen *s) {
    seen bigger = {.room = s->room ? s->room * 2 : 1024, .used = s->used};
    bigger.keys = ad_mem_get(vm->ctx, bigger.room * sizeof *bigger.keys);
    bigger.counts = ad_mem_get(vm->ctx, bigger.room * sizeof *bigger.counts);
    bigger.order = ad_mem_get(vm->ctx, bigger.room * sizeof *bigger.order);
    if (!bigger.keys || !bigger.counts || !bigger.order) {
        seen_free(vm, &bigger);
        return false;
    }
    memset(bigger.keys, 0, bigger.room * sizeof *bigger.keys);
    for (size_t i = 0; i < s->used; i++) {
        size_t to = seen_slot(&bigger, s->order[i]);
        bigger.keys[to] = bigger.order[i] = s->order[i];
        bigger.counts[to] = s->counts[seen_slot(s, s->order[i])];
    }
    seen_free(vm, s);
    *s = bigger;
    return true;
}

static bool see(gr_vm *vm, seen *s, gr_value v, uint32_t references) {
    if (!gr_is_object(v)) return true;
    if (v.kind == GR_STRING || v.kind == GR_RANGE || v.kind == GR_PICTURE) return true;
    if (s->used * 2 >= s->room && !seen_grow(vm, s)) return false;
    size_t i = seen_slot(s, v.ptr);
    if (!s->keys[i]) {
        s->keys[i] = s->order[s->used++] = v.ptr;
        s->counts[i] = 0;
    }
    s->counts[i] += references;
    return true;
}

/* Calls see() for what an object refers to. Shared buffers of tuples make counts too small, never too
 * large: then something dead is kept. */
static bool see_children(gr_vm *vm, seen *s, gr_object *o, uint32_t references) {
    const gr_value *items = NULL;
    size_t count = 0;
    switch (o->kind) {
    case GR_TUPLE: items = ((gr_tuple *)o)->items, count = ((gr_tuple *)o)->count; break;
    case GR_RECORD: items = ((gr_record *)o)->values, count = ((gr_record *)o)->count; break;
    case GR_FUNCTION:
        items = gr_function_held((gr_function *)o);
        count = ((gr_function *)o)->held_count;
        break;
    case GR_CELL: items = &((gr_cell *)o)->value, count = 1; break;
    default: break;
    }
    if (o->kind == GR_TUPLE && ((gr_tuple *)o)->base && gr_items_shared((gr_tuple *)o))
        references = 0;
    for (size_t i = 0; i < count; i++)
        if (!see(vm, s, items[i], references)) return false;
    return true;
}

static bool find_reachable(gr_vm *vm, seen *s) {
    for (gr_cell *cell = vm->cells; cell; cell = cell->next)
        if (!see(vm, s, gr_of_kind(GR_CELL, cell), 0)) return false;
    for (size_t i = 0; i < s->used; i++)
        if (!see_children(vm, s, s->order[i], 1)) return false;
    return true;
}

/* Marks what is held from outside, and all that it reaches; a mark is a count of UINT32_MAX. */
static bool mark_live(gr_vm *vm, seen *s) {
    seen live = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < s->used; i++)
        if (s->order[i]->refs > s->counts[seen_slot(s, s->order[i])])
            ok = see(vm, &live, gr_of_kind(s->order[i]->kind, s->order[i]), 0);
    for (size_t i = 0; ok && i < live.used; i++) ok = see_children(vm, &live, live.order[i], 0);
    for (size_t i = 0; ok && i < live.used; i++)
        s->counts[seen_slot(s, live.order[i])] = UINT32_MAX;
    seen_free(vm, &live);
    return ok;
}

static void break_cycles(gr_vm *vm, seen *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->used; i++) {
        gr_object *o = s->order[i];
        if (o->kind != GR_CELL || s->counts[seen_slot(s, o)] == UINT32_MAX) continue;
        o->refs++;
        s->order[kept++] = o;
    }
    for (size_t i = 0; i < kept; i++) {
        gr_cell *cell = (gr_cell *)s->order[i];
        gr_value v = gr_take(&cell->value);
        gr_release(vm, v);
        gr_release(vm, gr_of_kind(GR_CELL, cell));
    }
}

void gr_cells_collect(gr_vm *vm) {
    seen s = {0};
    if (!vm->sweeping && seen_grow(vm, &s) && find_reachable(vm, &s) && mark_live(vm, &s))
        break_cycles(vm, &s);
    seen_free(vm, &s);
    vm->cell_limit = vm->cell_count * 2 < 4096 ? 4096 : vm->cell_count * 2;
}
