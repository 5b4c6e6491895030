/* SPDX-License-Identifier: MIT */
/*
 * The way that a nan took: from the value that shows it down to the operation that made it, along the
 * entries of the tape between them. Each is a row with its text, its shape and its place; below the last
 * one stands what it read.
 */
#include "format.h"
#include "why_private.h"

#include <string.h>

enum { MOST_ENTRIES = 1 << 12, MOST_STEPS = 8 };

typedef struct way {
    gr_vm *vm;
    uint32_t *nodes; /* in order of construction */
    uint8_t *on;     /* comes from the entry to blame */
    size_t count;
} way;

static size_t index_of(const way *w, uint32_t node) {
    for (size_t i = w->count; i-- > 0;)
        if (w->nodes[i] == node) return i;
    return w->count;
}

/* An operand that comes from the entry to blame, as its number in the list; count: none does. */
static size_t step_down(const way *w, size_t at) {
    ad_entry_info e;
    if (!ad_entry(w->vm->ctx, w->nodes[at], &e)) return w->count;
    for (int k = 0; k < e.operands && k < 8; k++) {
        size_t i = e.operand[k] ? index_of(w, e.operand[k]) : w->count;
        if (i < w->count && w->on[i]) return i;
    }
    return w->count;
}

static void mark(way *w, uint32_t blamed) {
    for (size_t i = 0; i < w->count; i++)
        w->on[i] = w->nodes[i] == blamed || step_down(w, i) < w->count;
}

/* The text of an entry and where it is; one that has the same as the row above is left out. */
static bool add_entry(gr_vm *vm, unsigned depth, uint32_t node) {
    ad_entry_info e;
    uint32_t pc;
    gr_read read = {.value = gr_absent()};
    gr_proto *p = ad_entry(vm->ctx, node, &e) && e.src ? gr_src_decode(vm, e.src & 0x7fffffffu, &pc) : NULL;
    gr_why *w = vm->why;
    if (!p || w->count >= GR_WHY_ROWS) return false;
    read.span = gr_proto_span(p, pc, 0);
    const gr_why_row *above = w->count ? &w->rows[w->count - 1] : NULL;
    if (above && above->source == p->source && above->begin == read.span.begin) return false;
    gr_why_row *r = gr_why_add(vm, depth, p->source, &read);
    r->source = p->source;
    r->begin = read.span.begin;
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    if (e.type.rank) ad_shape_text(e.type.rank, e.type.dims, r->value, sizeof r->value);
    else ad_number_text(e.value, r->value);
    gr_buffer_printf(&text, "%s %s:%u", e.is_leaf ? "param, made at" : "at", p->source->name,
                     gr_source_line(p->source, read.span.begin));
    gr_why_keep(r->birth, sizeof r->birth, &text);
    gr_buffer_free(&text);
    return true;
}

/* Of a long way the end, where it begins to go wrong. Gives how deep it went. */
static unsigned add_way(way *w) {
    size_t steps[256], count = 0, at = w->count - 1;
    unsigned depth = 0;
    for (; at < w->count && count < 256; at = step_down(w, at)) steps[count++] = at;
    for (size_t i = count > MOST_STEPS ? count - MOST_STEPS : 0; i < count; i++)
        depth += add_entry(w->vm, depth, w->nodes[steps[i]]);
    return depth;
}

static unsigned add_entries(gr_vm *vm, gr_value v, uint32_t blamed) {
    way w = {.vm = vm, .count = ad_trace(vm->ctx, v, NULL, 0)};
    size_t room = w.count;
    unsigned depth = 0;
    if (room == 0 || room > MOST_ENTRIES) return 0;
    w.nodes = ad_mem_get(vm->ctx, room * sizeof *w.nodes);
    w.on = ad_mem_get(vm->ctx, room);
    if (w.nodes && w.on) {
        ad_trace(vm->ctx, v, w.nodes, room);
        mark(&w, blamed);
        if (w.on[w.count - 1]) depth = add_way(&w);
    }
    if (w.nodes) ad_mem_put(vm->ctx, w.nodes, room * sizeof *w.nodes);
    if (w.on) ad_mem_put(vm->ctx, w.on, room);
    return depth;
}

/* What the operation to blame read, where its function still runs, or from the top level. */
static void add_reads(gr_vm *vm, unsigned depth, uint32_t src) {
    uint32_t pc;
    gr_proto *p = src ? gr_src_decode(vm, src & 0x7fffffffu, &pc) : NULL;
    if (!p || (p->flags & GR_PROTO_LIBRARY)) return;
    gr_birth at = {.source = p->source, .span = gr_proto_span(p, pc, 0), .proto = p, .pc = pc};
    gr_scene scene = gr_scene_of(vm, &at, vm->frame_count ? vm->frame_count - 1 : GR_NO_FRAME);
    scene.span = at.span;
    gr_why_reads(vm, &scene, depth, GR_WHY_ROWS);
}

void gr_why_nan(gr_vm *vm, gr_diagnostic *d, gr_value v, const ad_blame *b) {
    gr_buffer text;
    if (!vm->why || vm->why->done) return;
    gr_why_begin(vm);
    unsigned depth = v.kind <= AD_TENSOR && v.node ? add_entries(vm, v, b->node) : 0;
    add_reads(vm, depth, b->src);
    if (!d) return; /* told when the error unwinds */
    gr_buffer_init(&text, vm->ctx);
    gr_why_put_rows(vm->why, &text);
    gr_why_put_remark(d, &text);
    gr_why_begin(vm);
}
