/* SPDX-License-Identifier: MIT */
/*
 * The walk keeps a list of values that wait, so that nested values and long chains of closures need no
 * C stack. Each object is met once.
 */
#include "reach.h"

#include "heap_private.h"
#include "library.h"
#include "twins.h"

#include <string.h>

bool gr_places_has(const gr_places *p, uintptr_t place) {
    for (uint32_t i = 0; i < p->count; i++)
        if (p->items[i] == place) return true;
    return false;
}

bool gr_places_add(gr_vm *vm, gr_places *p, uintptr_t place) {
    if (!gr_proto_grow(vm, &p->items, &p->room, p->count + 1, sizeof *p->items)) return false;
    p->items[p->count++] = place;
    return true;
}

void gr_places_free(gr_vm *vm, gr_places *p) {
    if (p->items) ad_mem_put(vm->ctx, p->items, p->room * sizeof *p->items);
    *p = (gr_places){0};
}

bool gr_is_own_global(const gr_global *g) {
    return !(g->flags & GR_GLOBAL_LIBRARY) && !g->module->library;
}

/* ---- the walk --------------------------------------------------------------------------------- */

typedef struct walk {
    gr_vm *vm;
    const gr_top *top; /* NULL: as things are now */
    gr_twins cells;    /* of the top: cell → row; made when the first is met */
    gr_twins *seen;
    gr_value *waiting; /* borrowed */
    uint32_t count, room;
    gr_places *out;    /* or NULL */
    size_t bytes;
} walk;

/* To a place only structures and functions lead. */
static bool leads_on(const walk *w, gr_value v) {
    bool structure = v.kind == GR_TUPLE || v.kind == GR_RECORD, leaf = v.kind <= AD_BOOL;
    if (w->out) return structure || v.kind == GR_FUNCTION || v.kind == GR_CELL;
    return v.node || !(leaf || v.kind == GR_NIL || v.kind == GR_ABSENT);
}

static bool any_leads_on(const walk *w, size_t count, const gr_value *values) {
    for (size_t i = 0; i < count; i++)
        if (leads_on(w, values[i])) return true;
    return false;
}

static bool wait(walk *w, gr_value v) {
    if (!leads_on(w, v)) return true;
    if (!gr_proto_grow(w->vm, &w->waiting, &w->room, w->count + 1, sizeof *w->waiting)) return false;
    w->waiting[w->count++] = v;
    return true;
}

static bool wait_all(walk *w, size_t count, const gr_value *values) {
    for (size_t i = 0; i < count; i++)
        if (!wait(w, values[i])) return false;
    return true;
}

/* True the first time; `bytes` are then counted. False also where memory is out, which ends in too little. */
static bool is_new(walk *w, void *p, size_t bytes) {
    if (gr_twins_has(w->seen, p) || !gr_twins_put(w->vm, w->seen, p, NULL)) return false;
    w->bytes += bytes;
    return true;
}

static bool visit_slot(void *user, uint32_t slot) {
    walk *w = user;
    const gr_global *g = &w->vm->globals[slot];
    uintptr_t place = gr_place_of_slot(slot);
    if (!is_new(w, (void *)place, 0) || !gr_is_own_global(g)) return true;
    if (w->out && !gr_places_add(w->vm, w->out, place)) return false;
    if (!w->top) return wait(w, g->value);
    return slot >= w->top->count || wait(w, w->top->rows[slot].value);
}

static bool find_cells(walk *w) {
    for (uint32_t i = 0; !w->cells.room && w->top && i < w->top->cell_count; i++)
        if (!gr_twins_put(w->vm, &w->cells, w->top->cells[i].cell, (gr_object *)(void *)&w->top->cells[i]))
            return false;
    return true;
}

static bool visit_cell(walk *w, gr_cell *cell) {
    gr_object *row;
    if (!is_new(w, cell, sizeof *cell)) return true;
    if (!find_cells(w)) return false;
    if (w->out && !gr_places_add(w->vm, w->out, (uintptr_t)cell)) return false;
    bool kept = gr_twins_find(&w->cells, cell, &row);
    return wait(w, kept ? ((gr_top_cell *)(void *)row)->value : cell->value);
}

static bool visit_code(walk *w, gr_proto *p) {
    if (p->flags & GR_PROTO_LIBRARY || !is_new(w, p, 0)) return true;
    if (!gr_proto_each_global(p, visit_slot, w)) return false;
    for (uint32_t i = 0; i < p->child_count; i++)
        if (!visit_code(w, p->children[i])) return false;
    return true;
}

static bool visit_function(walk *w, gr_function *f) {
    if (!is_new(w, f, gr_function_size(f))) return true;
    if (f->form == GR_FORM_CLOSURE && w->out && !visit_code(w, ((gr_closure *)f)->proto)) return false;
    return wait_all(w, f->held_count, gr_function_held(f));
}

/* The entries behind a value: their size is that of their results, about. */
static void count_tape(walk *w, gr_value v) {
    ad_ctx *ctx = w->vm->ctx;
    size_t n = ad_trace(ctx, v, NULL, 0);
    uint32_t *nodes = ad_mem_get(ctx, (n + 1) * sizeof *nodes);
    if (!nodes) return;
    ad_trace(ctx, v, nodes, n);
    for (size_t i = 0; i < n; i++) {
        ad_entry_info info;
        if (!ad_entry(ctx, nodes[i], &info)) continue;
        size_t size = 24 + (info.type.rank ? 8 : 0);
        for (int k = 0; k < info.type.rank; k++) size *= (size_t)info.type.dims[k];
        is_new(w, (void *)((uintptr_t)nodes[i] << 4 | 2), size);
    }
    ad_mem_put(ctx, nodes, (n + 1) * sizeof *nodes);
}

static void visit_tensor(walk *w, gr_value v) {
    const ad_tensor *owner = v.tensor->base ? v.tensor->base : v.tensor;
    is_new(w, v.tensor, sizeof *v.tensor);
    is_new(w, (char *)(uintptr_t)owner + 2, (size_t)owner->size * ad_dtype_size((ad_dtype)owner->dtype));
}

static bool visit(walk *w, gr_value v) {
    if (v.kind <= AD_TENSOR && v.node && !w->out) count_tape(w, v);
    switch (v.kind) {
    case AD_TENSOR: visit_tensor(w, v); return true;
    case GR_STRING: is_new(w, v.ptr, sizeof(gr_string) + gr_as_string(v)->length); return true;
    case GR_TUPLE: {
        const gr_tuple *t = gr_as_tuple(v);
        if (w->out && !any_leads_on(w, t->count, t->items)) return true;
        return !is_new(w, v.ptr, sizeof *t + t->count * sizeof *t->items) || wait_all(w, t->count, t->items);
    }
    case GR_RECORD: {
        const gr_record *r = gr_as_record(v);
        if (w->out && !any_leads_on(w, r->count, r->values)) return true;
        return !is_new(w, v.ptr, sizeof *r + r->count * sizeof *r->values) ||
               wait_all(w, r->count, r->values);
    }
    case GR_FUNCTION: return visit_function(w, gr_as_function(v));
    case GR_CELL: return visit_cell(w, gr_as_cell(v));
    default: return true;
    }
}

static bool finish(walk *w, bool ok) {
    while (ok && w->count) ok = visit(w, w->waiting[--w->count]);
    if (w->waiting) ad_mem_put(w->vm->ctx, w->waiting, w->room * sizeof *w->waiting);
    gr_twins_free(w->vm, &w->cells);
    return ok;
}

/* ---- questions -------------------------------------------------------------------------------- */

/* A chunk that only defines functions runs none of them. */
static bool only_makes_functions(const gr_proto *p) {
    for (uint32_t i = 0; i < p->code_count; i++)
        switch (p->code[i].op) {
        case GR_I_CLOSURE:
        case GR_I_DEFGLOBAL:
        case GR_I_LOADK:
        case GR_I_LITERAL:
        case GR_I_NIL:
        case GR_I_MOVE:
        case GR_I_SAFE:
        case GR_I_RELEASE:
        case GR_I_ANSWER:
        case GR_I_RETURN: break;
        default: return false;
        }
    return true;
}

bool gr_reach_code(gr_vm *vm, const gr_top *top, gr_proto *proto, gr_places *out) {
    gr_twins seen = {0};
    walk w = {.vm = vm, .top = top, .seen = &seen, .out = out};
    bool ok = only_makes_functions(proto) || visit_code(&w, proto);
    ok = finish(&w, ok);
    gr_twins_free(vm, &seen);
    return ok;
}

static bool visit_variables(walk *w) {
    const gr_module *m = w->vm->library->main;
    for (uint32_t i = 0; i < m->count; i++) {
        const gr_global *g = &w->vm->globals[m->order[i]];
        if (!gr_is_absent(g->value) && strcmp(g->name->text, "ans") != 0 && !visit_slot(w, m->order[i]))
            return false;
    }
    return true;
}

bool gr_reach_variables(gr_vm *vm, gr_places *out) {
    gr_twins seen = {0};
    walk w = {.vm = vm, .seen = &seen, .out = out};
    bool ok = finish(&w, visit_variables(&w));
    gr_twins_free(vm, &seen);
    return ok;
}

typedef struct naming {
    gr_vm *vm;
    gr_places *out;
} naming;

static bool name_slot(void *user, uint32_t slot) {
    naming *n = user;
    uintptr_t place = gr_place_of_slot(slot);
    if (n->vm->globals[slot].module != n->vm->library->main || gr_places_has(n->out, place)) return true;
    return gr_places_add(n->vm, n->out, place);
}

bool gr_reach_names(gr_vm *vm, gr_proto *proto, gr_places *out) {
    naming n = {vm, out};
    bool ok = gr_proto_each_global(proto, name_slot, &n);
    for (uint32_t i = 0; ok && i < proto->child_count; i++) ok = gr_reach_names(vm, proto->children[i], out);
    return ok;
}

static bool is_lasting(void *user, uint32_t slot) {
    const gr_vm *vm = user;
    return !vm->library->pause || vm->globals[slot].module != vm->library->pause;
}

bool gr_reach_paused(gr_vm *vm, gr_proto *proto) {
    bool any = !gr_proto_each_global(proto, is_lasting, vm);
    for (uint32_t i = 0; !any && i < proto->child_count; i++) any = gr_reach_paused(vm, proto->children[i]);
    return any;
}

bool gr_reach_defined(gr_vm *vm, gr_proto *p, gr_places *out) {
    bool ok = true;
    for (uint32_t i = 0; ok && i < p->code_count; i++) {
        const gr_insn *n = &p->code[i];
        if (n->op == GR_I_DEFGLOBAL) ok = gr_places_add(vm, out, gr_place_of_slot(n->wide));
        const gr_descriptor *d = n->op == GR_I_PARAM ? &p->descriptors[n->wide] : NULL;
        for (uint32_t k = 0; ok && d && k < d->count; k++)
            if (d->targets[k].place.access == GR_IN_GLOBAL)
                ok = gr_places_add(vm, out, gr_place_of_slot(d->targets[k].place.index));
    }
    return ok;
}

size_t gr_reach_bytes(gr_vm *vm, const gr_top *top, gr_twins *seen) {
    walk w = {.vm = vm, .top = top, .seen = seen};
    uint32_t slots = top ? top->count : vm->global_count;
    bool ok = true;
    for (uint32_t i = 0; ok && i < slots; i++) {
        const gr_global *g = top ? &top->rows[i] : &vm->globals[i];
        ok = (!top && !gr_is_own_global(g)) || wait(&w, g->value);
    }
    for (uint32_t i = 0; ok && top && i < top->cell_count; i++) ok = wait(&w, top->cells[i].value);
    for (gr_cell *c = top ? NULL : vm->cells; ok && c; c = c->next) ok = wait(&w, c->value);
    finish(&w, ok);
    return w.bytes;
}
