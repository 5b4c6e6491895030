/* SPDX-License-Identifier: MIT */
/*
 * ∂E/∂W for values and structures: the leaves of all denominators go into one sweep. For a number E
 * the result has the structure of W; for a tensor E each leaf is a Jacobian; a structure E gives the
 * structure of these.
 */
#include "format.h"
#include "heap_private.h"
#include "structure.h"
#include "watch.h"

#include <stdio.h>

typedef struct leaves {
    gr_value *in, *out; /* borrowed leaves; derivatives, owned until they are taken */
    uint32_t count, room, taken;
    const gr_place *place, *first; /* of the denominator at hand, and of the first one; or NULL */
    gr_value e;
    uint32_t src;
    unsigned flags;
} leaves;

static bool untracked(gr_vm *vm, const gr_place *place, gr_value v) {
    const char *name = place && place->name ? place->name->text : NULL;
    gr_diagnostic *d;
    if (!gr_is_numeric(v)) {
        gr_raise(vm, GR_E_untracked, "there are no derivatives with respect to a %s",
                 gr_kind_name(v));
        return false;
    }
    if (name)
        d = gr_raise(vm, GR_E_untracked,
                     "`%s` is not tracked, so nothing has a derivative with respect to it", name);
    else
        d = gr_raise(vm, GR_E_untracked,
                     "this is not tracked, so nothing has a derivative with respect to it");
    if (name) gr_diag_help(d, "`param %s = …` tracks it", name);
    else gr_diag_help(d, "`param w = …` makes a variable that is tracked");
    return false;
}

/* A variable that was assigned after E was made is not what E was computed from. */
static bool is_stale(gr_vm *vm, const leaves *l, gr_value leaf) {
    if (!l->place || !l->place->assigned || l->place->param || !gr_is_numeric(l->e) || !l->e.node)
        return false;
    return ad_compare_age(vm->ctx, leaf.node, l->e.node) > 0;
}

/* The line of a source number; 0 if it is not known. */
static uint32_t line_of(gr_vm *vm, uint32_t src, const gr_source **source, gr_span *span) {
    uint32_t pc;
    gr_proto *p = gr_src_decode(vm, src & 0x7fffffffu, &pc);
    if (!p) return 0;
    *source = p->source;
    *span = gr_proto_span(p, pc, 0);
    return gr_source_line(p->source, span->begin);
}

/* What the user calls the numerator, in quotes, where it is short. */
static void numerator_text(gr_vm *vm, char *out, size_t room) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 1, &source);
    const gr_frame *f = vm->frame_count ? &vm->frames[vm->frame_count - 1] : NULL;
    int length = (int)(span.end - span.begin);
    bool own = f && f->proto->code[gr_frame_pc(f)].op == GR_I_PARTIAL && source;
    if (own && length > 0 && length < 30)
        snprintf(out, room, "`%.*s`", length, source->text + span.begin);
    else
        snprintf(out, room, "the numerator");
}

/* "`E` was computed in line 2, before line 3 changed `W`" */
static bool raise_old(gr_vm *vm, uint32_t src_made, uint32_t src_changed, const char *name) {
    const gr_source *s1 = NULL, *s2 = NULL;
    gr_span made = {0}, changed = {0};
    char what[40];
    gr_diagnostic *d;
    uint32_t line = line_of(vm, src_made, &s1, &made);
    uint32_t change = line_of(vm, src_changed, &s2, &changed);
    numerator_text(vm, what, sizeof what);
    if (s1 == s2 || !s1 || !s2)
        d = gr_raise(vm, GR_E_stale, "%s was computed in line %u, before line %u changed `%s`", what,
                     line, change, name);
    else
        d = gr_raise(vm, GR_E_stale, "%s was computed at %s:%u, before %s:%u changed `%s`", what,
                     s1->name, line, s2->name, change, name);
    if (s1) gr_diag_also(d, s1, made, "computed here");
    if (s2) gr_diag_also(d, s2, changed, "changed here");
    gr_diag_help(d, "compute %s again after the change", what);
    return false;
}

static bool raise_changed(gr_vm *vm, const leaves *l, gr_value leaf) {
    ad_entry_info e = {0}, w = {0};
    ad_entry(vm->ctx, l->e.node, &e);
    ad_entry(vm->ctx, leaf.node, &w);
    return raise_old(vm, e.src, w.src, l->place->name ? l->place->name->text : "the denominator");
}

static bool add_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    leaves *l = user;
    (void)path;
    if (!gr_is_numeric(leaf) || !leaf.node) return untracked(vm, l->place, leaf);
    if (is_stale(vm, l, leaf)) return raise_changed(vm, l, leaf);
    if (!gr_proto_grow(vm, &l->in, &l->room, l->count + 1, sizeof *l->in)) return false;
    l->in[l->count++] = leaf;
    return true;
}

static bool take_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    leaves *l = user;
    (void)vm;
    (void)path;
    (void)n;
    (void)in;
    *out = gr_take(&l->out[l->taken++]);
    return true;
}

/* The present version of the param is younger than what E reaches. If E itself is younger than it, a
 * state was carried over the update. */
static bool raise_old_version(gr_vm *vm, const leaves *l) {
    const gr_source *source = NULL;
    gr_span changed = {0};
    ad_entry_info e = {0}, w = {0};
    gr_value leaf = l->in[0];
    const char *name = l->first && l->first->name ? l->first->name->text : "the denominator";
    ad_entry(vm->ctx, l->e.node, &e);
    ad_entry(vm->ctx, leaf.node, &w);
    if (ad_compare_age(vm->ctx, l->e.node, leaf.node) <= 0) return raise_old(vm, e.src, w.src, name);
    char what[40];
    uint32_t change = line_of(vm, w.src, &source, &changed);
    numerator_text(vm, what, sizeof what);
    gr_diagnostic *d = gr_raise(vm, GR_E_stale,
                                "a part of %s was computed before line %u changed `%s`, and still "
                                "reaches its old value", what, change, name);
    if (source) gr_diag_also(d, source, changed, "changed here");
    gr_diag_help(d, "a state that is carried over an update is cut off from its past with `stop`, "
                    "as in `h = stop(h)`");
    return false;
}

static bool checked(gr_vm *vm, const leaves *l, ad_status status) {
    if (status == AD_ERR_STALE && l->e.node && !vm->raised) return raise_old_version(vm, l);
    return gr_check(vm, NULL, status);
}

static bool sweep_all(gr_vm *vm, leaves *l) {
    return checked(vm, l, ad_jacobians(vm->ctx, l->e, (int)l->count, l->in, l->flags, l->src, l->out));
}

static bool sweep(gr_vm *vm, leaves *l) {
    for (uint32_t i = 0; i < l->count; i++) l->out[i] = ad_number(0);
    if (!l->count) return true;
    return sweep_all(vm, l) && gr_watch_adjoints(vm, 1, &l->e, NULL, l->count, l->in, l->out);
}

/* One number or tensor E; a result for each denominator. */
static bool of_one(gr_vm *vm, gr_value e, uint32_t count, const gr_value *wrt,
                   const gr_place *places, unsigned flags, uint32_t src, gr_value *out) {
    leaves l = {.e = e, .src = src, .flags = flags};
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++) {
        l.place = places ? &places[i] : NULL;
        if (i == 0) l.first = l.place;
        if (!gr_is_numeric(wrt[i]) && !gr_is_structure(wrt[i])) {
            ok = untracked(vm, l.place, wrt[i]);
            break;
        }
        ok = gr_structure_each(vm, wrt[i], add_leaf, &l);
    }
    l.out = ok ? ad_mem_get(vm->ctx, (l.count + 1) * sizeof *l.out) : NULL;
    if (ok && !l.out) gr_raise_memory(vm);
    ok = l.out && sweep(vm, &l);
    uint32_t done = 0;
    for (; ok && done < count; done++)
        ok = gr_is_structure(wrt[done])
                 ? gr_structure_map(vm, 1, &wrt[done], take_leaf, &l, &out[done])
                 : take_leaf(vm, &l, NULL, 1, &wrt[done], &out[done]);
    for (uint32_t i = 0; !ok && i + 1 < done; i++) gr_release(vm, out[i]);
    for (uint32_t i = 0; l.out && i < l.count; i++) gr_release(vm, l.out[i]);
    if (l.out) ad_mem_put(vm->ctx, l.out, (l.count + 1) * sizeof *l.out);
    if (l.in) ad_mem_put(vm->ctx, l.in, l.room * sizeof *l.in);
    vm->dirty = true;
    return ok;
}

typedef struct structured {
    uint32_t count, src;
    const gr_value *wrt;
    const gr_place *places;
    unsigned flags;
} structured;

static bool of_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                    gr_value *out) {
    structured *s = user;
    (void)path;
    (void)n;
    return gr_derivative(vm, in[0], 1, s->wrt, s->places, s->flags, s->src, out);
}

bool gr_derivative(gr_vm *vm, gr_value e, uint32_t count, const gr_value *wrt,
                   const gr_place *places, unsigned flags, uint32_t src, gr_value *out) {
    if (e.kind == AD_BOOL) e = ad_number(e.num);
    if (gr_is_numeric(e)) return of_one(vm, e, count, wrt, places, flags, src, out);
    if (!gr_is_structure(e)) {
        gr_diagnostic *d = gr_raise(vm, GR_E_untracked, "a %s has no derivative", gr_kind_name(e));
        if (e.kind == GR_FUNCTION)
            gr_diag_help(d, "its value has one: call the function, as in `let E = loss()`; "
                            "`grad(f)` is the gradient of a function");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        structured s = {.count = 1, .wrt = &wrt[i], .places = places ? &places[i] : NULL,
                        .flags = flags, .src = src};
        if (gr_structure_map(vm, 1, &e, of_leaf, &s, &out[i])) continue;
        while (i-- > 0) gr_release(vm, out[i]);
        return false;
    }
    return true;
}

/* E in the first register, the denominators behind it; the derivatives take their places. */
bool gr_partial(gr_vm *vm, const gr_descriptor *d, gr_value *registers, uint32_t src) {
    gr_value *r = registers + d->reg;
    gr_value few[8], *out = d->count <= 8 ? few : ad_mem_get(vm->ctx, d->count * sizeof *out);
    if (!out) {
        gr_raise_memory(vm);
        return false;
    }
    bool ok = gr_derivative(vm, r[0], d->count, r + 1, d->places, 0, src, out);
    if (ok) gr_watch_numerator(vm, d, r[0], r + 1);
    for (uint32_t i = 0; ok && i < d->count; i++) gr_replace(vm, &r[1 + i], out[i]);
    if (out != few) ad_mem_put(vm->ctx, out, d->count * sizeof *out);
    if (ok) gr_replace(vm, &r[0], ad_number(r[0].kind == AD_TENSOR ? r[0].tensor->rank : 0));
    return ok;
}
