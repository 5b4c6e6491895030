/* SPDX-License-Identifier: MIT */
/*
 * What the prompt says of a tracked value beside showing it: how much was recorded for it, and which
 * variables a derivative of it would reach. Only asks the tape; no sweep is run.
 */
#include "format.h"
#include "gradus.h"
#include "vm_state.h"

#include <string.h>

enum { MOST_IDS = 4096, MOST_NAMES = 12 };

/* ---- one value -------------------------------------------------------------------------------- */

static size_t operations(gr_vm *vm, gr_value v) {
    size_t entries = ad_trace(vm->ctx, v, NULL, 0), count = 0;
    uint32_t *nodes = ad_mem_get(vm->ctx, (entries + 1) * sizeof *nodes);
    if (!nodes) return entries;
    ad_trace(vm->ctx, v, nodes, entries);
    for (size_t i = 0; i < entries; i++) {
        ad_entry_info e;
        count += ad_entry(vm->ctx, nodes[i], &e) && !e.is_leaf && !e.is_cut;
    }
    ad_mem_put(vm->ctx, nodes, (entries + 1) * sizeof *nodes);
    return count;
}

static uint32_t shared(const gr_global *g, size_t count, const ad_param *ids) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->param_count; i++)
        for (size_t k = 0; k < count; k++) n += g->params[i] == ids[k];
    return n;
}

/* Names of the variables with these leaves; those of locals and captured variables are not known. */
static void put_reached(gr_vm *vm, gr_buffer *out, size_t count, const ad_param *ids) {
    size_t known = 0, names = 0;
    for (uint32_t i = 0; i < vm->global_count; i++) {
        const gr_global *g = &vm->globals[i];
        uint32_t n = g->param_count ? shared(g, count, ids) : 0;
        if (n == 0 || names == MOST_NAMES) continue;
        gr_buffer_printf(out, "%s %s", names++ ? "" : ", ∂ reaches", g->name->text);
        if (n < g->param_count) gr_buffer_printf(out, " (%u of %u leaves)", n, g->param_count);
        known += n;
    }
    if (known == count) return;
    gr_buffer_printf(out, names ? " and %zu more" : ", ∂ reaches %zu", count - known);
    if (!names) gr_buffer_puts(out, count == 1 ? " variable" : " variables");
}

static bool is_param(gr_vm *vm, gr_value v) {
    ad_entry_info e;
    return v.node && ad_entry(vm->ctx, v.node, &e) && e.is_leaf && e.param;
}

static void put_value_note(gr_vm *vm, gr_buffer *out, gr_value v) {
    ad_param *ids;
    if (is_param(vm, v)) {
        gr_buffer_puts(out, "param");
        return;
    }
    size_t n = operations(vm, v);
    gr_buffer_printf(out, "tracked, %zu operation%s", n, n == 1 ? "" : "s");
    if (!(ids = ad_mem_get(vm->ctx, MOST_IDS * sizeof *ids))) return;
    n = ad_reaches(vm->ctx, v, ids, MOST_IDS);
    if (n > 0) put_reached(vm, out, n < MOST_IDS ? n : MOST_IDS, ids);
    ad_mem_put(vm->ctx, ids, MOST_IDS * sizeof *ids);
}

/* ---- structures ------------------------------------------------------------------------------- */

typedef struct survey {
    gr_vm *vm;
    size_t tracked, params;
} survey;

static void look(survey *s, gr_value v, int depth) {
    if (gr_is_numeric(v)) {
        s->tracked += v.node != 0;
        s->params += is_param(s->vm, v);
    }
    if (!gr_is_structure(v) || depth > GR_MAX_SHOWN_DEPTH) return;
    size_t count = v.kind == GR_TUPLE ? gr_as_tuple(v)->count : gr_record_count(v);
    for (size_t i = 0; i < count; i++)
        look(s, v.kind == GR_TUPLE ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i),
             depth + 1);
}

void gr_format_tracked(gr_vm *vm, gr_buffer *out, gr_value v) {
    survey s = {.vm = vm};
    if (gr_is_numeric(v)) {
        if (v.node) put_value_note(vm, out, v);
        return;
    }
    look(&s, v, 0);
    if (s.tracked == 0) return;
    if (s.params == s.tracked) gr_buffer_puts(out, "param");
    else gr_buffer_printf(out, "%zu tracked", s.tracked);
}

/* ---- names ------------------------------------------------------------------------------------ */

typedef struct holder {
    gr_value v;
    const char *name;
} holder;

static void compare(void *user, const gr_name *name, gr_value v) {
    holder *h = user;
    if (v.head == h->v.head && v.ptr == h->v.ptr && strcmp(name->text, "ans") != 0)
        h->name = name->text;
}

const char *gr_tracked_name(gr_vm *vm, gr_value v) {
    holder h = {.v = v};
    if (v.kind == AD_NUMBER && v.node) gr_each_global(vm, compare, &h);
    return h.name;
}
