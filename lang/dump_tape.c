/* SPDX-License-Identifier: MIT */
/*
 * --dump=tape: what the variables of the top level came from, after a program has run, as a list in
 * the order of recording. An entry has its number, the variable that holds it, its operation, the
 * entries it was made from (0: a value without a past), its value or shape, and its source line.
 * Entries that nothing leads to any more are not there: that is what a tape keeps.
 */
#define _GNU_SOURCE /* qsort_r */
#include "gradus.h"
#include "structure.h"
#include "vm_state.h"

#include <stdlib.h>
#include <string.h>

typedef struct held {
    uint32_t node;
    const gr_name *name;
    gr_value value; /* borrowed */
} held;

typedef struct gatherer {
    gr_vm *vm;
    const gr_name *name;
    bool names_only;
    held *names; /* entries that variables hold */
    uint32_t name_count, name_room;
    uint32_t *nodes;
    uint32_t count, room;
    bool failed;
} gatherer;

static bool gather_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    gatherer *g = user;
    (void)path;
    if (!leaf.node) return true;
    size_t n = g->names_only ? 0 : ad_trace(vm->ctx, leaf, NULL, 0);
    if (!gr_proto_grow(vm, &g->names, &g->name_room, g->name_count + 1, sizeof *g->names) ||
        !gr_proto_grow(vm, &g->nodes, &g->room, g->count + (uint32_t)n, sizeof *g->nodes))
        return !(g->failed = true);
    if (g->name) g->names[g->name_count++] = (held){leaf.node, g->name, leaf};
    if (!g->names_only) ad_trace(vm->ctx, leaf, g->nodes + g->count, n);
    g->count += (uint32_t)n;
    return true;
}

/* What is no structure (a string in a tuple) ends the walk of its variable. */
static void gather(void *user, const gr_name *name, gr_value v) {
    gatherer *g = user;
    gr_buffer ignored;
    bool whole = v.kind == AD_NUMBER || v.kind == AD_TENSOR;
    g->name = name;
    if (whole) gather_leaf(g->vm, g, NULL, v);
    else if (v.kind == GR_TUPLE || v.kind == GR_RECORD)
        whole = gr_structure_each(g->vm, v, gather_leaf, g);
    if (whole || !gr_has_raised(g->vm)) return;
    gr_buffer_init(&ignored, g->vm->ctx);
    gr_catch(g->vm, &ignored);
    gr_buffer_free(&ignored);
}

static int by_age(const void *a, const void *b, void *ctx) {
    return ad_compare_age(ctx, *(const uint32_t *)a, *(const uint32_t *)b);
}

static const held *find(const gatherer *g, uint32_t node) {
    for (uint32_t i = 0; i < g->name_count; i++)
        if (g->names[i].node == node) return &g->names[i];
    return NULL;
}

/* Of a leaf the tape knows the value only where it is a number. */
static void put_value(gr_buffer *out, const ad_entry_info *e, const held *h) {
    char text[128];
    const ad_tensor *t = h && h->value.kind == AD_TENSOR ? h->value.tensor : NULL;
    if (t) gr_buffer_puts(out, ad_shape_text(t->rank, t->dims, text, sizeof text));
    else if (e->type.rank > 0)
        gr_buffer_puts(out, ad_shape_text(e->type.rank, e->type.dims, text, sizeof text));
    else if (!e->is_cut || h)
        gr_buffer_put(out, text, ad_number_text(h ? h->value.num : e->value, text));
}

static void put_place(gr_vm *vm, gr_buffer *out, uint32_t src) {
    uint32_t pc;
    const gr_proto *p = src ? gr_src_decode(vm, src & 0x7fffffffu, &pc) : NULL;
    if (!p) return;
    gr_position at = gr_source_position(p->source, gr_proto_span(p, pc, 0).begin);
    gr_buffer_printf(out, "\t%s:%u", p->source->name, at.line);
}

static void put_entry(const gatherer *g, gr_buffer *out, uint32_t node) {
    ad_entry_info e;
    if (!ad_entry(g->vm->ctx, node, &e)) return;
    const held *h = find(g, node);
    gr_buffer_printf(out, "%u\t%s\t%s\t", node, h ? h->name->text : "", e.op);
    for (int i = 0; i < e.operands && i < 8; i++)
        gr_buffer_printf(out, "%s%u", i ? " " : "", e.operand[i]);
    if (e.operands > 8) gr_buffer_puts(out, " …");
    gr_buffer_puts(out, "\t");
    put_value(out, &e, h);
    put_place(g->vm, out, e.src);
    gr_buffer_puts(out, "\n");
}

static bool put_gathered(gatherer *g, gr_buffer *out) {
    ad_ctx *ctx = g->vm->ctx;
    if (g->count) qsort_r(g->nodes, g->count, sizeof *g->nodes, by_age, ctx);
    for (uint32_t i = 0; !g->failed && i < g->count; i++)
        if (i == 0 || g->nodes[i] != g->nodes[i - 1]) put_entry(g, out, g->nodes[i]);
    if (g->names) ad_mem_put(ctx, g->names, g->name_room * sizeof *g->names);
    if (g->nodes) ad_mem_put(ctx, g->nodes, g->room * sizeof *g->nodes);
    return !g->failed && !out->failed;
}

bool gr_dump_tape(gr_vm *vm, gr_buffer *out) {
    gatherer g = {.vm = vm};
    gr_each_global(vm, gather, &g);
    return put_gathered(&g, out);
}

bool gr_dump_tape_of(gr_vm *vm, gr_value v, gr_buffer *out) {
    gatherer g = {.vm = vm, .names_only = true};
    gr_each_global(vm, gather, &g);
    g.names_only = false;
    gather(&g, NULL, v);
    return put_gathered(&g, out);
}
