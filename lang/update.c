/* SPDX-License-Identifier: MIT */
/*
 * `param` and `:=`. A param is a tree of leaves of the tape, one id a leaf; `:=` makes new leaves with
 * the same ids. What is updated outside every derivative that is under way is evaluated without
 * recording and becomes a constant; what was made inside one is updated with recording.
 */
#include "format.h"
#include "heap_private.h"
#include "structure.h"
#include "top.h"
#include "watch.h"

#include <string.h>

void gr_params_drop(gr_vm *vm, uint32_t *ids, uint32_t count) {
    if (!ids || gr_top_holds(vm->kept, ids)) return;
    for (uint32_t i = 0; i < count; i++) ad_param_drop(vm->ctx, ids[i]);
    ad_mem_put(vm->ctx, ids, count * sizeof *ids);
}

/* ---- values that are not tracked -------------------------------------------------------------- */

static bool stop_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    (void)user;
    (void)path;
    (void)n;
    *out = gr_is_numeric(in[0]) ? ad_stop(vm->ctx, in[0]) : gr_retain(vm, in[0]);
    return true;
}

bool gr_stop_value(gr_vm *vm, gr_value v, gr_value *out) {
    if (gr_is_structure(v)) return gr_structure_map(vm, 1, &v, stop_leaf, NULL, out);
    return stop_leaf(vm, NULL, NULL, 1, &v, out);
}

/* ---- param ------------------------------------------------------------------------------------ */

typedef struct making {
    uint32_t *ids;
    uint32_t count, room, src;
} making;

static bool count_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    (void)path;
    if (gr_is_numeric(leaf)) {
        ((making *)user)->room++;
        return true;
    }
    gr_raise(vm, GR_E_wrong_kind, "a param is made of numbers and tensors; this has a %s",
             gr_kind_name(leaf));
    return false;
}

static bool make_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    making *m = user;
    (void)path;
    (void)n;
    ad_param id = ad_param_new(vm->ctx);
    gr_value v = in[0].kind == AD_BOOL ? ad_number(in[0].num) : in[0];
    m->ids[m->count++] = id;
    return gr_check(vm, NULL, ad_leaf(vm->ctx, v, id, m->src, out));
}

static bool make_leaves(gr_vm *vm, gr_value v, making *m, gr_value *out) {
    if (!gr_structure_each(vm, v, count_leaf, m)) return false;
    m->ids = ad_mem_get(vm->ctx, (m->room ? m->room : 1) * sizeof *m->ids);
    if (!m->ids) {
        gr_raise_memory(vm);
        return false;
    }
    bool ok = gr_is_structure(v) ? gr_structure_map(vm, 1, &v, make_leaf, m, out)
                                 : make_leaf(vm, m, NULL, 1, &v, out);
    if (ok && m->room) return true;
    if (!ok) gr_params_drop(vm, m->ids, m->count);
    if (!m->room) ad_mem_put(vm->ctx, m->ids, sizeof *m->ids), m->ids = NULL;
    return ok;
}

bool gr_make_param(gr_vm *vm, gr_frame *frame, const gr_place *place, gr_value v, uint32_t src) {
    making m = {.src = src};
    gr_value leaves;
    gr_value *base = frame->base;
    bool ok = make_leaves(vm, v, &m, &leaves);
    gr_release(vm, v);
    if (!ok) return false;
    if (place->access == GR_IN_GLOBAL) {
        gr_global *g = &vm->globals[place->index];
        gr_params_drop(vm, g->params, g->param_count);
        g->params = m.ids;
        g->param_count = m.count;
        g->flags |= GR_GLOBAL_DEFINED | GR_GLOBAL_PARAM;
        g->changed = src;
        gr_replace(vm, &g->value, leaves);
        return true;
    }
    gr_value cell = gr_cell_new(vm, leaves);
    if (gr_failed(cell)) {
        gr_params_drop(vm, m.ids, m.count);
        return false;
    }
    gr_as_cell(cell)->params = m.ids;
    gr_as_cell(cell)->param_count = m.count;
    gr_replace(vm, &base[place->index], cell);
    return true;
}

/* ---- where a variable was made ---------------------------------------------------------------- */

static gr_cell *cell_of(gr_frame *f, const gr_place *p) {
    if (p->access == GR_IN_LOCAL_CELL) return gr_as_cell(f->base[p->index]);
    if (p->access == GR_IN_HELD_CELL) return gr_as_cell(f->closure->held[p->index]);
    return NULL;
}

/* Was it made inside the function of a derivative that is under way? */
static bool made_inside(gr_vm *vm, gr_frame *f, const gr_place *p) {
    if (vm->active_count <= vm->active_floor) return false;
    const gr_cell *cell = cell_of(f, p);
    uint64_t born = cell ? cell->born : p->access == GR_IN_GLOBAL ? 0 : f->born;
    return born >= vm->active[vm->active_floor];
}

static bool remember(gr_vm *vm) {
    if (!gr_proto_grow(vm, &vm->recordings, &vm->recording_room, vm->recording_count + 1,
                       sizeof *vm->recordings))
        return false;
    vm->recordings[vm->recording_count++] = (gr_recording){vm->frame_count - 1, ad_is_recording(vm->ctx)};
    return true;
}

bool gr_record_begin(gr_vm *vm) {
    if (!remember(vm)) return false;
    ad_set_recording(vm->ctx, true);
    return true;
}

bool gr_update_begin(gr_vm *vm, gr_frame *frame, const gr_descriptor *d) {
    if (vm->pausing) {
        const gr_insn *here = frame->pc;
        if (!gr_pause_here(vm)) return false;
        frame = &vm->frames[vm->frame_count - 1];
        if (frame->pc != here) return true; /* behind the loop */
    }
    if (!remember(vm)) return false;
    bool recorded = false;
    for (uint32_t i = 0; i < d->count; i++)
        recorded |= !d->targets[i].ignored && made_inside(vm, frame, &d->targets[i].place);
    if (!recorded) ad_set_recording(vm->ctx, false);
    return true;
}

void gr_update_end(gr_vm *vm) {
    ad_set_recording(vm->ctx, vm->recordings[--vm->recording_count].was);
}

/* ---- := --------------------------------------------------------------------------------------- */

typedef struct renewal {
    const gr_name *name;
    const uint32_t *ids;
    uint32_t count, at, src;
    bool recorded;
} renewal;

/* `E` of the ∂E/∂W that stands in the line of the update. */
static int numerator_in_line(gr_vm *vm, const char **out) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    if (!source) return 0;
    gr_span line = gr_source_line_span(source, gr_source_line(source, span.begin));
    const char *sign = "∂", *text = source->text;
    for (uint32_t i = span.begin; i + 3 < line.end; i++) {
        if (memcmp(text + i, sign, strlen(sign)) != 0) continue;
        *out = text + i + strlen(sign);
        int length = (int)strcspn(*out, "/ \n(");
        return (*out)[length] == '/' && length < 30 ? length : 0;
    }
    return 0;
}

/* The new value of a tensor or number has more axes: a Jacobian in front of its own. */
static void hint_jacobian(gr_vm *vm, gr_diagnostic *d, const renewal *r, gr_value old,
                          gr_value new) {
    const char *e = NULL;
    char shape[160];
    int before = old.kind == AD_TENSOR ? old.tensor->rank : 0;
    int now = new.kind == AD_TENSOR ? new.tensor->rank : 0;
    if (now <= before) return;
    int length = numerator_in_line(vm, &e);
    ad_shape_text(now - before, new.tensor->dims, shape, sizeof shape);
    if (length && r->name)
        gr_diag_help(d, "`%.*s` is %s, so ∂%.*s/∂%s is a Jacobian; take `mean(%.*s)`", length, e,
                     shape, length, e, r->name->text, length, e);
    else
        gr_diag_help(d, "the derivative of a tensor is a Jacobian; `mean(E)` makes one number of it");
}

static const char *dtype_of(gr_value v) {
    return v.kind == AD_TENSOR ? ad_dtype_name((ad_dtype)v.tensor->dtype) : "";
}

static bool changed_kind(gr_vm *vm, const renewal *r, const gr_path *path, gr_value old,
                         gr_value new) {
    gr_buffer name, text;
    bool dtype = old.kind == AD_TENSOR && new.kind == AD_TENSOR &&
                 old.tensor->dtype != new.tensor->dtype;
    gr_buffer_init(&name, vm->ctx);
    gr_buffer_init(&text, vm->ctx);
    gr_buffer_puts(&name, r->name ? r->name->text : "it");
    if (path) gr_path_text(&name, path);
    gr_buffer_printf(&text, "`%s` is a param and stays ", name.text ? name.text : "it");
    gr_describe_short(vm, &text, old);
    if (dtype) gr_buffer_printf(&text, " of %s", dtype_of(old));
    gr_buffer_puts(&text, ", but the new value is ");
    gr_describe_short(vm, &text, new);
    if (dtype) gr_buffer_printf(&text, " of %s", dtype_of(new));
    gr_diagnostic *d = gr_raise(vm, GR_E_param_changed, "%s", text.text ? text.text : "");
    gr_buffer_free(&text);
    gr_buffer_free(&name);
    hint_jacobian(vm, d, r, old, new);
    return false;
}

static bool same_type(gr_value a, gr_value b) {
    if (a.kind <= AD_BOOL) return b.kind <= AD_BOOL;
    if (b.kind != AD_TENSOR || a.tensor->rank != b.tensor->rank ||
        a.tensor->dtype != b.tensor->dtype)
        return false;
    return memcmp(a.tensor->dims, b.tensor->dims, a.tensor->rank * sizeof(int64_t)) == 0;
}

static bool renew_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                       gr_value *out) {
    renewal *r = user;
    (void)n;
    uint32_t id = r->at < r->count ? r->ids[r->at] : 0;
    r->at++;
    if (!gr_is_numeric(in[1]) || !same_type(in[0], in[1]))
        return changed_kind(vm, r, path, in[0], in[1]);
    if (in[0].head == in[1].head && in[0].ptr == in[1].ptr) { /* this leaf was not touched */
        *out = gr_retain(vm, in[0]);
        return true;
    }
    if (!gr_watch_update(vm, r->name, in[0], in[1])) return false;
    gr_value v = r->recorded ? gr_retain(vm, in[1]) : ad_stop(vm->ctx, in[1]);
    if (v.kind == AD_BOOL) v = ad_number(v.num);
    ad_status s = ad_leaf(vm->ctx, v, id, r->src, out);
    gr_release(vm, v);
    return gr_check(vm, NULL, s);
}

static bool renew(gr_vm *vm, gr_value old, gr_value new, renewal *r, gr_value *out) {
    gr_value both[2] = {old, new};
    if (gr_is_structure(old) != gr_is_structure(new)) return changed_kind(vm, r, NULL, old, new);
    if (gr_is_structure(old)) return gr_structure_map(vm, 2, both, renew_leaf, r, out);
    return renew_leaf(vm, r, NULL, 2, both, out);
}

/* The value that the whole variable gets. Takes `v`. */
static bool new_whole(gr_vm *vm, gr_frame *f, const gr_target *t, gr_value v, uint32_t src,
                      bool recorded, gr_value *out) {
    gr_value *base = f->base;
    if (!recorded) {
        gr_value stopped;
        bool ok = gr_stop_value(vm, v, &stopped);
        gr_release(vm, v);
        if (!ok) return false;
        v = stopped;
    }
    if (!t->step_count) {
        *out = v;
        return true;
    }
    gr_value *place = gr_place_value(vm, f, &t->place);
    if (!place) {
        gr_release(vm, v);
        return false;
    }
    gr_value whole = gr_retain(vm, *place);
    bool was = ad_set_recording(vm->ctx, recorded && ad_is_recording(vm->ctx));
    bool ok = gr_set_path(vm, &whole, t, base, v, src);
    ad_set_recording(vm->ctx, was);
    if (!ok) {
        gr_release(vm, whole);
        return false;
    }
    *out = whole;
    return true;
}

/* A global may be a param for a while: `param p = …`, a loop that trains it, `let p = stop(p)`. So it
 * is asked when the update runs. */
static bool is_param(const gr_vm *vm, const gr_place *place) {
    return place->access == GR_IN_GLOBAL ? vm->globals[place->index].params != NULL : place->param;
}

static bool prepare(gr_vm *vm, uint32_t frame, const gr_target *t, gr_value v, uint32_t src,
                    gr_value *out) {
    gr_frame *f = &vm->frames[frame];
    bool recorded = made_inside(vm, f, &t->place);
    gr_value whole;
    bool global = t->place.access == GR_IN_GLOBAL;
    if (global && gr_is_absent(vm->globals[t->place.index].value) && !gr_place_value(vm, f, &t->place)) {
        gr_release(vm, v);
        return false;
    }
    if (!new_whole(vm, f, t, v, src, recorded, &whole)) return false;
    if (!is_param(vm, &t->place)) {
        *out = whole;
        return true;
    }
    const gr_cell *cell = cell_of(f, &t->place);
    const gr_global *g = cell ? NULL : &vm->globals[t->place.index];
    /* A checkpoint that is run again makes no version of a param of the program. */
    bool foreign = vm->muted && !cell;
    renewal r = {.name = t->place.name,
                 .ids = cell ? cell->params : g->params,
                 .count = foreign ? 0 : cell ? cell->param_count : g->param_count,
                 .src = src,
                 .recorded = recorded};
    gr_value *place = gr_place_value(vm, f, &t->place);
    bool ok = place && renew(vm, *place, whole, &r, out);
    gr_release(vm, whole);
    return ok;
}

static bool parts_of(gr_vm *vm, const gr_descriptor *d, gr_value v, gr_value *parts) {
    if (!d->flag) {
        parts[0] = gr_retain(vm, v);
        return true;
    }
    gr_descriptor pattern = {.count = d->count, .flag = d->count && d->targets[d->count - 1].rest};
    for (uint32_t i = 0; i < d->count; i++) parts[i] = ad_number(0);
    return gr_unpack(vm, v, &pattern, 0, parts);
}

static void store(gr_vm *vm, uint32_t frame, const gr_target *t, gr_value v, uint32_t src) {
    gr_frame *f = &vm->frames[frame];
    gr_cell *cell = cell_of(f, &t->place);
    if (cell) cell->changed = src;
    if (t->place.access == GR_IN_GLOBAL) vm->globals[t->place.index].changed = src;
    gr_value *place = gr_place_value(vm, f, &t->place);
    if (place)
        gr_replace(vm, place, v);
    else
        gr_release(vm, v);
}

enum { GR_MOST_TARGETS = 32 };

/* All new values are made before the first variable changes. */
bool gr_update_store(gr_vm *vm, gr_frame *frame, const gr_descriptor *d, gr_value v, uint32_t src) {
    gr_value parts[GR_MOST_TARGETS], new[GR_MOST_TARGETS];
    uint32_t index = (uint32_t)(frame - vm->frames), made = 0;
    bool ok = d->count <= GR_MOST_TARGETS;
    if (!ok) gr_raise(vm, GR_E_too_large, "at most %d variables are updated at once", GR_MOST_TARGETS);
    ok = ok && parts_of(vm, d, v, parts);
    gr_release(vm, v);
    if (!ok) return false;
    for (; ok && made < d->count; made++) {
        gr_value part = gr_take(&parts[made]);
        new[made] = part;
        if (d->targets[made].ignored) continue;
        new[made] = ad_number(0);
        ok = prepare(vm, index, &d->targets[made], part, src, &new[made]);
    }
    for (uint32_t i = 0; i < d->count; i++) gr_release(vm, gr_take(&parts[i]));
    for (uint32_t i = 0; i < made; i++) {
        if (ok && !d->targets[i].ignored)
            store(vm, index, &d->targets[i], new[i], src);
        else
            gr_release(vm, new[i]);
    }
    return ok;
}
