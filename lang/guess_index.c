/* SPDX-License-Identifier: MIT */
/* Shapes of what is picked from a tensor, and fields. Slices count only with bounds that are known. */
#include "guess.h"

#include "vm_state.h"

#include <math.h>
#include <string.h>

typedef struct picking {
    const ad_type *in;
    ad_type out;
    int axis; /* of `in`, that the next item takes */
} picking;

static void put_axis(picking *p, int64_t size, bool asked) {
    if (p->out.rank == AD_MAX_RANK) return;
    if (asked) p->out.asked |= (uint16_t)(1u << p->out.rank);
    p->out.dims[p->out.rank++] = size;
}

static void keep_axis(picking *p) {
    put_axis(p, p->in->dims[p->axis], p->in->asked >> p->axis & 1);
    p->axis++;
}

/* A bound counted from the end where it is negative; false: not known, or out of range. */
static bool bound(gr_guesser *g, gr_guess_scope *s, const gr_node *n, double size, double open,
                  double *out) {
    *out = open;
    if (!n) return true;
    gr_guess x = gr_guess_expression(g, s, n);
    *out = x.number < 0 ? x.number + size : x.number;
    return x.constant && *out >= 0 && *out <= size && floor(*out) == *out;
}

static bool slice(gr_guesser *g, gr_guess_scope *s, picking *p, const gr_node *n) {
    double size = (double)p->in->dims[p->axis], low, high;
    if (n->as.range.step) return false;
    if (!bound(g, s, n->as.range.low, size, 0, &low) ||
        !bound(g, s, n->as.range.high, size, size, &high))
        return false;
    put_axis(p, (int64_t)fmax(0, high - low), false);
    p->axis++;
    return true;
}

static bool is_rest(const gr_node *n) {
    return n->kind == GR_N_RANGE && !n->as.range.low && !n->as.range.high && !n->as.range.step;
}

/* One item of the index; false: what it gives is not known. */
static bool pick(gr_guesser *g, gr_guess_scope *s, picking *p, const gr_node *n, int rest) {
    if (n->kind == GR_N_NEW_AXIS) {
        put_axis(p, 1, true);
        return true;
    }
    if (is_rest(n)) {
        for (int i = 0; i < rest; i++) keep_axis(p);
        return true;
    }
    if (p->axis >= p->in->rank) return false;
    if (n->kind == GR_N_RANGE) return slice(g, s, p, n);
    gr_guess x = gr_guess_expression(g, s, n);
    if (x.kind != GR_G_NUMERIC || x.type.dtype == AD_BOOL8) return false;
    for (int i = 0; i < x.type.rank; i++) put_axis(p, x.type.dims[i], false);
    p->axis++;
    return true;
}

static gr_guess index_tensor(gr_guesser *g, gr_guess_scope *s, const gr_guess *x,
                             const gr_node_list *items) {
    picking p = {.in = &x->type, .out = {.dtype = x->type.dtype}};
    int taken = 0;
    for (uint32_t i = 0; i < items->count; i++)
        taken += items->items[i]->kind != GR_N_NEW_AXIS && !is_rest(items->items[i]);
    if (taken > x->type.rank || items->count > AD_MAX_RANK) return gr_unknown();
    for (uint32_t i = 0; i < items->count; i++)
        if (!pick(g, s, &p, items->items[i], x->type.rank - taken)) return gr_unknown();
    while (p.axis < x->type.rank) keep_axis(&p);
    return gr_guess_of_type(g, &p.out);
}

gr_guess gr_guess_index(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess object = gr_guess_expression(g, s, n->as.index.object);
    const gr_node_list *items = &n->as.index.items;
    if (object.kind == GR_G_NUMERIC && object.type.rank) return index_tensor(g, s, &object, items);
    if (!gr_guess_is_structure(&object) || items->count != 1) return gr_unknown();
    gr_guess i = gr_guess_expression(g, s, items->items[0]);
    if (i.kind == GR_G_TEXT) {
        const gr_name *name = gr_intern(g->vm->names, i.text.bytes, i.text.size);
        return name ? gr_guess_field(g, &object, name) : gr_unknown();
    }
    double at = i.number < 0 ? i.number + gr_guess_count(&object) : i.number;
    bool known = i.constant && at >= 0 && at < gr_guess_count(&object) && floor(at) == at;
    return known ? gr_guess_item(g, &object, (uint32_t)at) : gr_unknown();
}

/* ---- fields ----------------------------------------------------------------------------------- */

static gr_guess transposed(gr_guesser *g, const ad_type *in) {
    ad_type t = *in;
    if (t.rank < 2) return gr_guess_of_type(g, &t);
    int a = t.rank - 2, b = t.rank - 1;
    unsigned low = t.asked >> a & 1, high = t.asked >> b & 1;
    t.asked = (uint16_t)((t.asked & ~(3u << a)) | low << b | high << a);
    t.dims[a] = in->dims[b];
    t.dims[b] = in->dims[a];
    return gr_guess_of_type(g, &t);
}

static gr_guess shape_of(gr_guesser *g, const ad_type *t) {
    gr_guess sizes[AD_MAX_RANK];
    for (int i = 0; i < t->rank; i++) sizes[i] = gr_guess_number((double)t->dims[i]);
    return gr_guess_items(g, t->rank, sizes);
}

gr_guess gr_guess_get(gr_guesser *g, const gr_guess *object, const gr_name *name) {
    if (gr_guess_is_structure(object)) return gr_guess_field(g, object, name);
    if (object->kind != GR_G_NUMERIC || !object->type.rank) return gr_unknown();
    if (strcmp(name->text, "T") == 0) return transposed(g, &object->type);
    if (strcmp(name->text, "shape") == 0) return shape_of(g, &object->type);
    return gr_unknown();
}

/* ---- loops ------------------------------------------------------------------------------------ */

gr_guess gr_guess_element(gr_guesser *g, const gr_guess *x) {
    if (x->kind == GR_G_RANGE) return gr_guess_some_number();
    if (x->kind == GR_G_NUMERIC && x->type.rank) {
        ad_type row = x->type;
        row.rank--;
        row.asked = (uint16_t)(row.asked >> 1);
        memmove(row.dims, row.dims + 1, row.rank * sizeof *row.dims);
        return gr_guess_of_type(g, &row);
    }
    if (!gr_guess_is_structure(x) || gr_guess_count(x) == 0 || gr_guess_count(x) > 64 ||
        (x->kind == GR_G_ITEMS ? x->names != NULL : x->value.kind == GR_RECORD))
        return gr_unknown();
    gr_guess first = gr_guess_item(g, x, 0);
    for (uint32_t i = 1; i < gr_guess_count(x); i++) {
        gr_guess item = gr_guess_item(g, x, i);
        if (!gr_guess_same_tree(g, &first, &item)) return gr_unknown();
    }
    return gr_guess_like(g, &first);
}
