/* SPDX-License-Identifier: MIT */
/*
 * Loops. Over a tuple whose items are known each turn is gone through. Any other loop is gone through
 * once: where everything that it assigns comes out with the shapes that it went in with, further turns
 * change nothing either; else nothing is known of those variables afterwards.
 */
#include "guess.h"

#include "vm_state.h"

#include <string.h>

/* ---- what runs through -------------------------------------------------------------------------- */

/* How many items it has; -1: unknown. */
static double count_of(const gr_guess *x) {
    if (x->kind == GR_G_RANGE && x->counted) return x->number;
    if (x->kind == GR_G_NUMERIC && x->type.rank) return (double)x->type.dims[0];
    return gr_guess_is_tuple(x) ? (double)gr_guess_count(x) : -1;
}

/* ---- statements --------------------------------------------------------------------------------- */

/* Is it bound by the body itself, between there and the names outside? */
static bool is_local(const gr_guess_name *n, const gr_guess_name *outside) {
    for (const gr_guess_name *k = n->next; k != outside; k = k->next)
        if (k->name == n->name && !k->assigned) return true;
    return false;
}

static bool is_newest(const gr_guess_name *first, const gr_guess_name *n) {
    while (first != n && first->name != n->name) first = first->next;
    return first == n;
}

/* One turn; what it assigned is the surrounding scope's, in `is` if that is given. */
static void carry(gr_guesser *g, gr_guess_scope *s, const gr_guess_name *inner, const gr_guess *is) {
    const gr_guess_name *outside = s->names;
    for (const gr_guess_name *n = inner; n != outside; n = n->next)
        if (n->assigned && !is_local(n, outside) && is_newest(inner, n)) {
            gr_guess_name_as(g, s, n->name, is ? is : n->is);
            if (s->names != outside) s->names->assigned = true;
        }
}

/* Do all that are assigned have the shapes from before? */
static bool is_steady(gr_guesser *g, const gr_guess_name *inner, const gr_guess_name *outside) {
    bool steady = true;
    for (const gr_guess_name *n = inner; n != outside; n = n->next) {
        if (!n->assigned || is_local(n, outside) || !is_newest(inner, n)) continue;
        const gr_guess *before = gr_guess_named(outside, n->name);
        steady = steady && before && gr_guess_same_tree(g, before, n->is);
    }
    return steady;
}

static const gr_guess_name *turn(gr_guesser *g, const gr_guess_scope *s, const gr_node *n,
                                 const gr_guess *item) {
    gr_guess_scope inner = *s;
    if (item) gr_guess_bind(g, &inner, n->as.loop.pattern, *item);
    gr_guess_block(g, &inner, n->as.loop.body);
    return inner.names;
}

void gr_guess_loop(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess source = gr_unknown(), unknown = gr_unknown();
    bool loops = n->kind == GR_N_FOR;
    if (loops) source = gr_guess_expression(g, s, n->as.loop.source);
    if (loops && gr_guess_is_tuple(&source)) {
        for (uint32_t i = 0; i < gr_guess_count(&source); i++) {
            gr_guess item = gr_guess_item(g, &source, i);
            carry(g, s, turn(g, s, n, &item), NULL);
        }
        return;
    }
    gr_guess item = gr_guess_element(g, &source);
    g->uncertain++;
    const gr_guess_name *inner = turn(g, s, n, loops ? &item : NULL);
    g->uncertain--;
    carry(g, s, inner, is_steady(g, inner, s->names) ? NULL : &unknown);
}

/* ---- comprehensions ----------------------------------------------------------------------------- */

static gr_guess body_with(gr_guesser *g, const gr_guess_scope *s, const gr_node *n, const gr_guess *item) {
    gr_guess_scope inner = *s;
    gr_guess_bind(g, &inner, n->as.comprehension.pattern, *item);
    return gr_guess_expression(g, &inner, n->as.comprehension.body);
}

static gr_guess stacked(gr_guesser *g, double count, const gr_guess *item) {
    if (item->kind != GR_G_NUMERIC || item->type.rank >= AD_MAX_RANK) return gr_unknown();
    ad_type type = {.dtype = item->type.dtype, .rank = (uint8_t)(item->type.rank + 1)};
    if (!item->type.rank && item->type.dtype != AD_BOOL8)
        type.dtype = (uint8_t)ad_default_dtype(gr_ctx(g->vm));
    type.dims[0] = (int64_t)count;
    memcpy(type.dims + 1, item->type.dims, item->type.rank * sizeof *type.dims);
    return gr_guess_of_type(g, &type);
}

/* Of a tuple whose items are known. */
static gr_guess of_items(gr_guesser *g, const gr_guess_scope *s, const gr_node *n, const gr_guess *source) {
    gr_guess items[GR_GUESS_ITEMS];
    uint32_t count = gr_guess_count(source);
    bool same = count > 0;
    for (uint32_t i = 0; i < count; i++) {
        gr_guess item = gr_guess_item(g, source, i);
        items[i] = body_with(g, s, n, &item);
        same = same && gr_guess_same_tree(g, &items[0], &items[i]);
    }
    if (n->as.comprehension.tuple) return gr_guess_items(g, count, items);
    return same ? stacked(g, count, &items[0]) : gr_unknown();
}

gr_guess gr_guess_comprehension(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess source = gr_guess_expression(g, s, n->as.comprehension.source), items[GR_GUESS_ITEMS];
    double count = count_of(&source);
    if (n->as.comprehension.condition) return gr_unknown();
    if (gr_guess_is_tuple(&source)) return of_items(g, s, n, &source);
    gr_guess element = gr_guess_element(g, &source);
    g->uncertain += count <= 0;
    gr_guess item = body_with(g, s, n, &element);
    g->uncertain -= count <= 0;
    if (count <= 0 || count >= 1e9) return gr_unknown();
    if (!n->as.comprehension.tuple) return stacked(g, count, &item);
    if (count > GR_GUESS_ITEMS) return gr_unknown();
    item = gr_guess_like(g, &item);
    for (uint32_t i = 0; i < (uint32_t)count; i++) items[i] = item;
    return gr_guess_items(g, (uint32_t)count, items);
}
