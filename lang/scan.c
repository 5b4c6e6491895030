/* SPDX-License-Identifier: MIT */
/*
 * scan(step, h0, xs): the fold over the first axis that RNNs are unrolled with, and the history of its
 * states. Recorded as it is; with `checkpoint` the run is kept short by scan_checkpoint.c.
 */
#include "scan.h"

#include "builtin.h"

#include <stdio.h>
#include <string.h>

static bool shared_length(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    int64_t *length = user;
    (void)path;
    if (leaf.kind != AD_TENSOR || (*length >= 0 && leaf.tensor->dims[0] != *length)) {
        gr_raise(vm, GR_E_bad_transform,
                 leaf.kind == AD_TENSOR ? "the leaves of `xs` have first axes of different lengths"
                                        : "`xs` is made of tensors, which are run through along "
                                          "their first axis");
        return false;
    }
    *length = leaf.tensor->dims[0];
    return true;
}

typedef struct picking {
    double at;
    uint32_t src;
} picking;

static bool pick(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                 gr_value *out) {
    picking *p = user;
    (void)path;
    (void)n;
    ad_index ix = {.kind = AD_IX_AT, .at = p->at};
    return gr_check(vm, NULL, ad_index_get(vm->ctx, in[0], 1, &ix, p->src, out));
}

bool gr_scan_row(gr_vm *vm, gr_value xs, int64_t at, uint32_t src, gr_value *out) {
    picking p = {.at = (double)at, .src = src};
    if (gr_is_structure(xs)) return gr_structure_map(vm, 1, &xs, pick, &p, out);
    return pick(vm, &p, NULL, 1, &xs, out);
}

/* ---- one step --------------------------------------------------------------------------------- */

static void shape_of(gr_value v, char *buf, size_t room) {
    ad_type t = ad_type_of(v);
    if (t.rank) ad_shape_text(t.rank, t.dims, buf, room);
    else snprintf(buf, room, "a number");
}

static void raise_other_state(gr_vm *vm, int64_t at, const gr_flat *a, const gr_flat *b, uint32_t i) {
    char was[120], is[120];
    gr_diagnostic *d;
    if (a->count != b->count) {
        d = gr_raise(vm, GR_E_bad_transform,
                     "step %lld of `scan` gives a state of %u numbers or tensors, but got one of %u",
                     (long long)at, b->count, a->count);
    } else {
        shape_of(a->items[i], was, sizeof was);
        shape_of(b->items[i], is, sizeof is);
        d = gr_raise(vm, GR_E_bad_transform,
                     "step %lld of `scan` gives a state that is %s, but got %s", (long long)at, is, was);
    }
    gr_diag_help(d, "`step(h, x)` gives the next `h`, with the structure and shapes of `h0`");
}

static bool same_state(gr_vm *vm, gr_value before, gr_value after, int64_t at) {
    gr_flat a = {0}, b = {0};
    bool ok = gr_flatten(vm, before, &a) && gr_flatten(vm, after, &b);
    bool same = ok && a.count == b.count;
    uint32_t i = 0;
    for (; same && i < a.count; i++) {
        ad_type x = ad_type_of(a.items[i]), y = ad_type_of(b.items[i]);
        same = x.rank == y.rank && memcmp(x.dims, y.dims, x.rank * sizeof *x.dims) == 0;
    }
    if (ok && !same) raise_other_state(vm, at, &a, &b, i ? i - 1 : 0);
    gr_flat_free(vm, &a);
    gr_flat_free(vm, &b);
    return same;
}

bool gr_scan_step(gr_vm *vm, const gr_scan *s, int64_t at, gr_value h, gr_value x, gr_value *next) {
    gr_value both[2] = {h, x};
    if (!gr_call_function(vm, s->step, 2, both, next)) return false;
    if (same_state(vm, h, *next, at) && gr_safe_point(vm)) return true;
    gr_release(vm, *next);
    return false;
}

/* ---- history ---------------------------------------------------------------------------------- */

bool gr_history_add(gr_vm *vm, gr_history *s, gr_value h) {
    gr_flat flat = {0};
    bool ok = gr_flatten(vm, h, &flat) &&
              gr_proto_grow(vm, &s->items, &s->room, s->count + flat.count + 1, sizeof *s->items);
    for (uint32_t i = 0; ok && i < flat.count; i++)
        s->items[s->count++] = gr_retain(vm, flat.items[i]);
    s->leaves = flat.count;
    gr_flat_free(vm, &flat);
    return ok;
}

bool gr_history_leaf(gr_vm *vm, const gr_history *s, uint32_t leaf, uint32_t src, gr_value *out) {
    uint32_t steps = s->leaves ? s->count / s->leaves : 0;
    gr_value *column = ad_mem_get(vm->ctx, (steps + 1) * sizeof *column);
    if (!column) {
        gr_raise_memory(vm);
        return false;
    }
    for (uint32_t t = 0; t < steps; t++) column[t] = s->items[t * s->leaves + leaf];
    bool ok = gr_join(vm, src, true, steps, column, 0, out);
    ad_mem_put(vm->ctx, column, (steps + 1) * sizeof *column);
    return ok;
}

bool gr_history_stack(gr_vm *vm, const gr_history *s, gr_value h, uint32_t src, gr_value *out) {
    gr_flat stacked = {.owned = true};
    bool ok = gr_proto_grow(vm, &stacked.items, &stacked.room, s->leaves + 1, sizeof *stacked.items);
    for (uint32_t i = 0; ok && i < s->leaves; i++) {
        ok = gr_history_leaf(vm, s, i, src, &stacked.items[i]);
        if (ok) stacked.count++;
    }
    uint32_t at = 0;
    ok = ok && gr_unflatten(vm, h, stacked.items, &at, out);
    gr_flat_free(vm, &stacked);
    return ok;
}

void gr_history_free(gr_vm *vm, gr_history *s) {
    for (uint32_t i = 0; i < s->count; i++) gr_release(vm, s->items[i]);
    if (s->items) ad_mem_put(vm->ctx, s->items, s->room * sizeof *s->items);
    *s = (gr_history){0};
}

/* ---- the fold --------------------------------------------------------------------------------- */

static bool plain_step(gr_vm *vm, const gr_scan *s, int64_t t, gr_value *h) {
    gr_value x, next, stopped;
    if (gr_scan_cuts(s, t)) {
        if (!gr_stop_value(vm, *h, &stopped)) return false;
        gr_replace(vm, h, stopped);
    }
    if (!gr_scan_row(vm, s->xs, t, s->src, &x)) return false;
    bool ok = gr_scan_step(vm, s, t, *h, x, &next);
    gr_release(vm, x);
    if (ok) gr_replace(vm, h, next);
    return ok;
}

bool gr_scan_plain(gr_vm *vm, const gr_scan *s, gr_value *h, gr_value *hs) {
    gr_history states = {0};
    gr_value now = gr_retain(vm, s->h0);
    bool ok = true;
    *hs = gr_nil();
    for (int64_t t = 0; ok && t < s->length; t++) {
        ok = plain_step(vm, s, t, &now);
        if (ok && s->states) ok = gr_history_add(vm, &states, now);
    }
    ok = ok && (!s->states || gr_history_stack(vm, &states, now, s->src, hs));
    gr_history_free(vm, &states);
    if (ok) *h = now;
    else gr_release(vm, now);
    return ok;
}

/* ---- the builtin ------------------------------------------------------------------------------ */

static bool no_steps(gr_vm *vm, gr_call *c) {
    gr_raise_argument(vm, c, 2, GR_E_bad_transform, "`xs` has no steps: its first axis is 0");
    return false;
}

/* checkpoint = k, or "auto": 0. */
static bool read_every(gr_vm *vm, gr_call *c, int64_t *every) {
    *every = 0;
    if (gr_string_is(c->args[3], "auto")) return true;
    if (c->args[3].kind != GR_STRING) return gr_want_count(vm, c, 3, 1, every);
    gr_raise_argument(vm, c, 3, GR_E_wrong_value,
                      "`checkpoint` is \"auto\", or after how many steps a state is kept");
    return false;
}

bool gr_b_scan(gr_vm *vm, gr_call *c) {
    int64_t length = -1, truncate = 0, every;
    gr_value both[2];
    if (!gr_want_function(vm, c, 0) || !gr_structure_each(vm, c->args[2], shared_length, &length))
        return false;
    bool keep = gr_given(c, 3) && !gr_is_nil(c->args[3]);
    if (keep && !read_every(vm, c, &every)) return false;
    if (gr_given(c, 4) && !gr_want_count(vm, c, 4, 0, &truncate)) return false;
    if (length <= 0) return no_steps(vm, c);
    gr_scan s = {.step = c->args[0], .h0 = c->args[1], .xs = c->args[2], .length = length,
                 .truncate = truncate, .states = !gr_item_is_ignored(vm, 1), .src = c->src};
    bool ok = keep && ad_is_recording(vm->ctx)
                  ? gr_scan_checkpointed(vm, &s, every, &both[0], &both[1])
                  : gr_scan_plain(vm, &s, &both[0], &both[1]);
    vm->dirty = true;
    if (!ok) return false;
    c->result = gr_tuple_of(vm, 2, both);
    return !gr_failed(c->result);
}
