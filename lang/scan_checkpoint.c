/* SPDX-License-Identifier: MIT */
/*
 * scan with checkpoints: one entry for the whole fold. Going forward each step is recorded, asked what
 * it came from, and let go again; a few states are kept. A sweep goes through the steps from the last
 * to the first: it advances from the nearest state that is kept to the step whose turn it is, keeping
 * further states where there is room (binomial checkpointing, Griewank and Walther 2000, algorithm
 * 799), and runs that one step with leaves of its own for h, the row of xs and all captured.
 *
 * Where hs is given back its rows are the states, and nothing else is kept. Higher orders run the fold
 * plainly: what is recorded then lasts as long as the derivative that asked for it.
 */
#include "scan.h"

#include "builtin.h"

/* A state that steps can start from. */
typedef struct kept {
    int64_t at;
    gr_value h; /* not tracked */
    ad_random_state random;
} kept;

typedef struct fold {
    gr_vm *vm;
    gr_snapshot snapshot; /* step, h0, xs */
    kept *kept;           /* by time; the first is h0 */
    gr_value hs;          /* not tracked, or nil */
    ad_random_state *random; /* with hs: in front of each step */
    ad_type *outputs;
    uint32_t kept_count, kept_room, leaves, output_count, src;
    int64_t length, truncate, slots;
} fold;

static void fold_free(ad_ctx *ctx, void *user) {
    fold *f = user;
    gr_vm *vm = f->vm;
    gr_snapshot_free(vm, &f->snapshot);
    for (uint32_t i = 0; i < f->kept_count; i++) gr_release(vm, f->kept[i].h);
    if (f->kept) ad_mem_put(ctx, f->kept, f->kept_room * sizeof *f->kept);
    gr_release(vm, f->hs);
    if (f->random) ad_mem_put(ctx, f->random, (size_t)f->length * sizeof *f->random);
    if (f->outputs) ad_mem_put(ctx, f->outputs, (f->output_count + 1) * sizeof *f->outputs);
    ad_mem_put(ctx, f, sizeof *f);
}

/* ---- where to keep states --------------------------------------------------------------------- */

/* C(c + r, c): how many steps can be reversed from c states, advancing over each at most r times. */
static double reach(int64_t c, int64_t r) {
    double n = 1;
    for (int64_t i = 1; i <= (c < r ? c : r); i++) {
        n = n * (double)((c > r ? c : r) + i) / (double)i;
        if (n > 1e15) return n;
    }
    return n;
}

/* How many of n > 1 steps to advance to the next state to keep, with room for c, the first included. */
static int64_t stride(int64_t n, int64_t c) {
    int64_t r = 1;
    if (c < 2) return n - 1;
    while (reach(c, r) < (double)n) r++;
    int64_t m = (int64_t)reach(c, r - 1);
    return m < n ? m : n - 1;
}

static int64_t default_slots(int64_t length) {
    int64_t slots = 24;
    for (int64_t n = 1; n < length; n *= 2) slots += 6;
    return slots;
}

static bool keep(gr_vm *vm, kept **list, uint32_t *count, uint32_t *room, int64_t at, gr_value h) {
    if (!gr_proto_grow(vm, list, room, *count + 1, sizeof **list)) return false;
    (*list)[(*count)++] = (kept){at, gr_retain(vm, h), ad_random_get(vm->ctx)};
    return true;
}

/* ---- one step on leaves of its own ------------------------------------------------------------ */

typedef struct stage {
    gr_value h, x, next; /* h: leaves; x: leaves, or plain */
    gr_flat hs, xs, nexts;
    ad_mark mark;
} stage;

static void stage_free(gr_vm *vm, stage *g) {
    gr_flat_free(vm, &g->hs);
    gr_flat_free(vm, &g->xs);
    gr_flat_free(vm, &g->nexts);
    gr_release(vm, g->h);
    gr_release(vm, g->x);
    gr_release(vm, g->next);
    ad_rewind_unheld(vm->ctx, g->mark);
}

static bool row_of(gr_vm *vm, const gr_scan *s, int64_t at, gr_value *out) {
    bool was = ad_set_recording(vm->ctx, false);
    gr_value row;
    bool ok = gr_scan_row(vm, s->xs, at, s->src, &row);
    ad_set_recording(vm->ctx, was);
    if (!ok) return false;
    ok = gr_leaf_tree(vm, row, s->src, out);
    gr_release(vm, row);
    return ok;
}

/* Runs step `at` from h. What it recorded lies behind the returned mark until stage_free. */
static bool stage_run(gr_vm *vm, const gr_scan *s, int64_t at, gr_value h, stage *g,
                      ad_mark *behind_leaves) {
    *g = (stage){.h = gr_nil(), .x = gr_nil(), .next = gr_nil(), .mark = ad_tape_mark(vm->ctx)};
    bool ok = gr_leaf_tree(vm, h, s->src, &g->h) && row_of(vm, s, at, &g->x);
    *behind_leaves = ad_tape_mark(vm->ctx);
    ok = ok && gr_scan_step(vm, s, at, g->h, g->x, &g->next);
    return ok && gr_flatten(vm, g->h, &g->hs) && gr_flatten(vm, g->x, &g->xs) &&
           gr_flatten(vm, g->next, &g->nexts);
}

/* *h moves on by one step. */
static bool advance(gr_vm *vm, const gr_scan *s, int64_t at, gr_value *h) {
    stage g;
    ad_mark behind;
    gr_value next;
    bool ok = stage_run(vm, s, at, *h, &g, &behind) && gr_stop_value(vm, g.next, &next);
    stage_free(vm, &g);
    if (ok) gr_replace(vm, h, next);
    return ok;
}

/* ---- forward: what the fold came from --------------------------------------------------------- */

typedef struct origin {
    uint32_t *nodes; /* captured values, each once */
    uint32_t count, room;
    bool *from_h, *from_x; /* by leaf: does a step use it? of h: the first step */
    uint32_t h_count, x_count;
} origin;

static bool open_fold(gr_vm *vm) {
    gr_diagnostic *d = gr_raise(vm, GR_E_bad_transform,
                                "a step of this `scan` makes a `param` that outlives it, so that it "
                                "cannot be run again");
    gr_diag_help(d, "make it in front of the `scan`, or leave `checkpoint` out");
    return false;
}

static bool is_among(uint32_t node, const gr_flat *f, bool *used) {
    for (uint32_t i = 0; i < f->count; i++)
        if (f->items[i].node == node) {
            if (used) used[i] = true;
            return true;
        }
    return false;
}

static bool add_origin(gr_vm *vm, origin *o, uint32_t node) {
    for (uint32_t i = 0; i < o->count; i++)
        if (o->nodes[i] == node) return true;
    if (!gr_proto_grow(vm, &o->nodes, &o->room, o->count + 1, sizeof *o->nodes)) return false;
    o->nodes[o->count++] = node;
    return true;
}

static bool note_origins(gr_vm *vm, origin *o, const stage *g, ad_mark mark, bool first,
                         uint32_t most) {
    bool closed, ok;
    size_t room = most + g->hs.count + g->xs.count;
    uint32_t *nodes = ad_mem_get(vm->ctx, (room + 1) * sizeof *nodes);
    if (!(ok = nodes != NULL)) gr_raise_memory(vm);
    size_t n = ok ? ad_boundary(vm->ctx, mark, (int)g->nexts.count, g->nexts.items, nodes, room,
                                &closed) : 0;
    if (ok && (!closed || n > room)) ok = open_fold(vm);
    for (size_t i = 0; ok && i < n; i++)
        ok = is_among(nodes[i], &g->hs, first ? o->from_h : NULL) ||
             is_among(nodes[i], &g->xs, o->from_x) || add_origin(vm, o, nodes[i]);
    if (nodes) ad_mem_put(vm->ctx, nodes, (room + 1) * sizeof *nodes);
    return ok;
}

static bool origin_open(gr_vm *vm, const gr_scan *s, origin *o) {
    gr_flat h = {0}, x = {0};
    *o = (origin){0};
    bool ok = gr_flatten(vm, s->h0, &h) && gr_flatten(vm, s->xs, &x);
    o->h_count = h.count;
    o->x_count = x.count;
    gr_flat_free(vm, &h);
    gr_flat_free(vm, &x);
    if (!ok) return false;
    size_t bytes = o->h_count + o->x_count + 1;
    if (!(o->from_h = ad_mem_get(vm->ctx, bytes))) {
        gr_raise_memory(vm);
        return false;
    }
    memset(o->from_h, 0, bytes);
    o->from_x = o->from_h + o->h_count;
    return true;
}

static void origin_free(gr_vm *vm, origin *o) {
    if (o->from_h) ad_mem_put(vm->ctx, o->from_h, o->h_count + o->x_count + 1);
    if (o->nodes) ad_mem_put(vm->ctx, o->nodes, o->room * sizeof *o->nodes);
}

static bool forward_step(fold *f, const gr_scan *s, int64_t t, origin *o, gr_value *h) {
    gr_vm *vm = f->vm;
    stage g;
    ad_mark behind;
    gr_value next;
    if (f->random) f->random[t] = ad_random_get(vm->ctx);
    uint64_t sealed = gr_seal(vm);
    bool ok = stage_run(vm, s, t, *h, &g, &behind);
    gr_unseal(vm, sealed);
    ok = ok && note_origins(vm, o, &g, behind, t == 0, f->snapshot.leaf_count) &&
         gr_stop_value(vm, g.next, &next);
    stage_free(vm, &g);
    if (ok) gr_replace(vm, h, next);
    return ok;
}

/* The states to keep: every so many, or those that the sweep will want first. */
static bool keep_state(fold *f, const gr_scan *s, int64_t every, int64_t t, int64_t *next, gr_value h) {
    if (s->states || t != *next) return true;
    int64_t left = f->length - t, room = f->slots - f->kept_count;
    *next = t + (every ? every : left > 1 && room > 1 ? stride(left, room) : left);
    return keep(f->vm, &f->kept, &f->kept_count, &f->kept_room, t, h);
}

static bool go_forward(fold *f, const gr_scan *s, int64_t every, origin *o, gr_value *h,
                       gr_history *states) {
    int64_t next = 0;
    bool ok = true;
    for (int64_t t = 0; ok && t < s->length; t++) {
        ok = keep_state(f, s, every, t, &next, *h) && forward_step(f, s, t, o, h);
        if (ok && s->states) ok = gr_history_add(f->vm, states, *h);
    }
    if (every) f->slots = f->kept_count + every;
    return ok;
}

/* ---- the sweep: one step of it ---------------------------------------------------------------- */

/* Under way: cotangents (or tangents) of the state, and sums for what the fold came from. */
typedef struct run {
    fold *f;
    gr_scan scan; /* with the replay's own values */
    gr_replay replay;
    gr_flat inputs;            /* leaves for all inputs */
    int64_t *h_input, *x_input; /* by leaf of h, of xs: which input it is, or -1 */
    gr_flat state;             /* cotangents of h */
    gr_flat rows;              /* of xs: cotangents, whole; nil where not wanted */
    uint32_t x_count;
} run;

static bool add_in(gr_vm *vm, gr_value *sum, gr_value v) {
    gr_value both[2] = {*sum, v}, out;
    bool was = ad_set_recording(vm->ctx, false);
    ad_status st = ad_apply(vm->ctx, AD_OP_ADD, 0, 2, both, NULL, &out);
    ad_set_recording(vm->ctx, was);
    if (st == AD_OK) gr_replace(vm, sum, out);
    return gr_check(vm, NULL, st);
}

static bool row_at(gr_vm *vm, gr_value whole, int64_t t, gr_value *out) {
    ad_index ix = {.kind = AD_IX_AT, .at = (double)t};
    bool was = ad_set_recording(vm->ctx, false);
    ad_status st = ad_index_get(vm->ctx, whole, 1, &ix, 0, out);
    ad_set_recording(vm->ctx, was);
    return gr_check(vm, NULL, st);
}

static bool put_row(gr_vm *vm, gr_value *whole, int64_t t, gr_value row) {
    ad_index ix = {.kind = AD_IX_AT, .at = (double)t};
    bool was = ad_set_recording(vm->ctx, false);
    ad_status st = ad_index_set(vm->ctx, whole, 1, &ix, row, 0);
    ad_set_recording(vm->ctx, was);
    return gr_check(vm, NULL, st);
}

/* The cotangent of row t of hs joins that of the state. */
static bool add_history(run *r, int64_t t, const ad_value *dout) {
    gr_vm *vm = r->f->vm;
    if (gr_is_nil(r->f->hs)) return true;
    for (uint32_t i = 0; i < r->f->leaves; i++) {
        gr_value row;
        if (!row_at(vm, dout[r->f->leaves + i], t, &row)) return false;
        bool ok = add_in(vm, &r->state.items[i], row);
        gr_release(vm, row);
        if (!ok) return false;
    }
    return true;
}

static bool zero_state(run *r) {
    for (uint32_t i = 0; i < r->state.count; i++) {
        gr_value zero;
        if (!gr_zeros_like(r->f->vm, r->state.items[i], &zero)) return false;
        gr_replace(r->f->vm, &r->state.items[i], zero);
    }
    return true;
}

/* What a step gives to its state, to the row of xs and to all inputs, in this order. */
static bool spread(run *r, const stage *g, int64_t t, gr_value *d, ad_value *din) {
    gr_vm *vm = r->f->vm;
    uint32_t nh = g->hs.count, nx = g->xs.count;
    for (uint32_t i = 0; i < nh; i++) gr_replace(vm, &r->state.items[i], gr_take(&d[i]));
    for (uint32_t i = 0; i < nx; i++)
        if (r->x_input[i] >= 0 && !put_row(vm, &r->rows.items[i], t, d[nh + i])) return false;
    for (uint32_t i = 0; i < r->inputs.count; i++)
        if (!add_in(vm, &din[i], d[nh + nx + i])) return false;
    return !gr_scan_cuts(&r->scan, t) || zero_state(r);
}

static bool reverse_step(run *r, int64_t t, gr_value h, const ad_value *dout, ad_value *din) {
    gr_vm *vm = r->f->vm;
    stage g;
    ad_mark behind;
    if (!add_history(r, t, dout)) return false;
    bool ok = stage_run(vm, &r->scan, t, h, &g, &behind);
    uint32_t nh = g.hs.count, nx = g.xs.count, n = nh + nx + r->inputs.count;
    gr_value *wrt = ok ? ad_mem_get(vm->ctx, 2 * n * sizeof *wrt) : NULL, *d = wrt + n;
    if (ok && !wrt) gr_raise_memory(vm);
    ok = ok && wrt && gr_same_result(vm, &g.nexts, r->f->leaves, r->f->outputs);
    if (ok) {
        memcpy(wrt, g.hs.items, nh * sizeof *wrt);
        memcpy(wrt + nh, g.xs.items, nx * sizeof *wrt);
        memcpy(wrt + nh + nx, r->inputs.items, r->inputs.count * sizeof *wrt);
        bool was = ad_set_recording(vm->ctx, false);
        ok = gr_check(vm, NULL, ad_vjp(vm->ctx, (int)nh, g.nexts.items, r->state.items, (int)n, wrt,
                                       AD_GRAD_OWN, r->f->src, d));
        ad_set_recording(vm->ctx, was);
        if (ok) ok = spread(r, &g, t, d, din);
        else n = 0;
        for (uint32_t i = 0; i < n; i++) gr_release(vm, d[i]);
        n = nh + nx + r->inputs.count;
    }
    if (wrt) ad_mem_put(vm->ctx, wrt, 2 * n * sizeof *wrt);
    stage_free(vm, &g);
    return ok;
}

/* ---- the sweep: all steps --------------------------------------------------------------------- */

/* From the rows of hs: each step alone. */
static bool reverse_stored(run *r, const ad_value *dout, ad_value *din) {
    fold *f = r->f;
    for (int64_t t = f->length - 1; t >= 0; t--) {
        gr_value h;
        bool was = ad_set_recording(f->vm->ctx, false);
        bool ok = t == 0 ? gr_stop_value(f->vm, r->scan.h0, &h)
                         : gr_scan_row(f->vm, f->hs, t - 1, f->src, &h);
        ad_set_recording(f->vm->ctx, was);
        if (!ok) return false;
        ad_random_set(f->vm->ctx, f->random[t]);
        ok = reverse_step(r, t, h, dout, din);
        gr_release(f->vm, h);
        if (!ok) return false;
    }
    return true;
}

typedef struct stack {
    kept *items;
    uint32_t count, room;
} stack;

/* From the state on top to the step in front of `end`; the states on the way that there is room for
 * are kept. *h is the state in front of that step. */
static bool come_near(run *r, stack *s, int64_t end, gr_value *h) {
    gr_vm *vm = r->f->vm;
    kept top = s->items[s->count - 1];
    int64_t at = top.at;
    *h = gr_retain(vm, top.h);
    ad_random_set(vm->ctx, top.random);
    while (at < end - 1) {
        int64_t room = r->f->slots - s->count + 1, m = stride(end - at, room);
        for (; m > 0; m--)
            if (!advance(vm, &r->scan, at++, h)) return false;
        if (at < end - 1 && !keep(vm, &s->items, &s->count, &s->room, at, *h)) return false;
    }
    return true;
}

static bool reverse_binomial(run *r, const ad_value *dout, ad_value *din) {
    fold *f = r->f;
    gr_vm *vm = f->vm;
    stack s = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < f->kept_count; i++) {
        ok = keep(vm, &s.items, &s.count, &s.room, f->kept[i].at, f->kept[i].h);
        if (ok) s.items[i].random = f->kept[i].random;
    }
    for (int64_t end = f->length; ok && end > 0; end--) {
        gr_value h = gr_nil();
        while (s.items[s.count - 1].at >= end) gr_release(vm, s.items[--s.count].h);
        ok = come_near(r, &s, end, &h) && reverse_step(r, end - 1, h, dout, din);
        gr_release(vm, h);
        if (gr_scan_cuts(&r->scan, end - 1)) break; /* nothing flows further down */
    }
    for (uint32_t i = 0; i < s.count; i++) gr_release(vm, s.items[i].h);
    if (s.items) ad_mem_put(vm->ctx, s.items, s.room * sizeof *s.items);
    return ok;
}

/* ---- a run: inputs and what is summed --------------------------------------------------------- */

static int64_t input_of(const gr_flat *inputs, gr_value leaf) {
    for (uint32_t i = 0; leaf.node && i < inputs->count; i++)
        if (inputs->items[i].node == leaf.node) return i;
    return -1;
}

static bool find_inputs(gr_vm *vm, gr_value v, const gr_flat *inputs, uint32_t *count, int64_t **out) {
    gr_flat leaves = {0};
    if (!gr_flatten(vm, v, &leaves)) return false;
    *count = leaves.count;
    *out = ad_mem_get(vm->ctx, (leaves.count + 1) * sizeof **out);
    if (!*out) gr_raise_memory(vm);
    for (uint32_t i = 0; *out && i < leaves.count; i++)
        (*out)[i] = input_of(inputs, leaves.items[i]);
    gr_flat_free(vm, &leaves);
    return *out != NULL;
}

static void run_close(run *r) {
    gr_vm *vm = r->f->vm;
    gr_replay_end(vm, &r->replay);
    if (r->h_input) ad_mem_put(vm->ctx, r->h_input, (r->f->leaves + 1) * sizeof *r->h_input);
    if (r->x_input) ad_mem_put(vm->ctx, r->x_input, (r->x_count + 1) * sizeof *r->x_input);
    gr_flat_free(vm, &r->state);
    gr_flat_free(vm, &r->rows);
    gr_flat_free(vm, &r->inputs);
}

static bool run_open(fold *f, const ad_value *in, run *r) {
    gr_vm *vm = f->vm;
    uint32_t h_count;
    *r = (run){.f = f, .state = {.owned = true}, .rows = {.owned = true}};
    if (!gr_make_leaves(vm, f->snapshot.input_count, in, f->src, &r->inputs) ||
        !gr_replay_begin(vm, &f->snapshot, r->inputs.items, &r->replay)) {
        gr_flat_free(vm, &r->inputs);
        return false;
    }
    const gr_value *roots = gr_as_tuple(r->replay.roots)->items;
    r->scan = (gr_scan){.step = roots[0], .h0 = roots[1], .xs = roots[2], .length = f->length,
                        .truncate = f->truncate, .states = !gr_is_nil(f->hs), .src = f->src};
    if (find_inputs(vm, roots[1], &r->inputs, &h_count, &r->h_input) &&
        find_inputs(vm, roots[2], &r->inputs, &r->x_count, &r->x_input))
        return true;
    run_close(r);
    return false;
}

/* The cotangents of the last state, and zeros for the rows of xs. */
static bool begin_reverse(run *r, const ad_value *dout) {
    gr_vm *vm = r->f->vm;
    gr_flat xs = {0};
    uint32_t n = r->f->leaves;
    if (!gr_proto_grow(vm, &r->state.items, &r->state.room, n + 1, sizeof *r->state.items) ||
        !gr_proto_grow(vm, &r->rows.items, &r->rows.room, r->x_count + 1, sizeof *r->rows.items) ||
        !gr_flatten(vm, r->scan.xs, &xs))
        return false;
    for (; r->state.count < n; r->state.count++)
        r->state.items[r->state.count] = ad_stop(vm->ctx, dout[r->state.count]);
    bool ok = true;
    for (; ok && r->rows.count < r->x_count; r->rows.count++) {
        r->rows.items[r->rows.count] = ad_number(0);
        if (r->x_input[r->rows.count] >= 0)
            ok = gr_zeros_like(vm, xs.items[r->rows.count], &r->rows.items[r->rows.count]);
    }
    gr_flat_free(vm, &xs);
    return ok;
}

/* What reached h0 and the rows goes to the inputs that they are. */
static bool end_reverse(run *r, ad_value *din) {
    gr_vm *vm = r->f->vm;
    for (uint32_t i = 0; i < r->f->leaves; i++)
        if (r->h_input[i] >= 0 && !add_in(vm, &din[r->h_input[i]], r->state.items[i])) return false;
    for (uint32_t i = 0; i < r->x_count; i++)
        if (r->x_input[i] >= 0 && !add_in(vm, &din[r->x_input[i]], r->rows.items[i])) return false;
    return true;
}

/* ---- higher orders: the plain fold ------------------------------------------------------------ */

static ad_status sweep_plainly(fold *f, const ad_value *in, const ad_value *seed, ad_value *out,
                               bool forward) {
    run r;
    gr_flat ys = {0}, hs = {0};
    gr_value h = gr_nil(), all = gr_nil();
    gr_vm *vm = f->vm;
    bool was = ad_set_recording(vm->ctx, true);
    bool ok = run_open(f, in, &r);
    if (ok) {
        ok = gr_scan_plain(vm, &r.scan, &h, &all) && gr_flatten(vm, h, &ys) &&
             (!r.scan.states || gr_flatten(vm, all, &hs)) &&
             gr_proto_grow(vm, &ys.items, &ys.room, ys.count + hs.count + 1, sizeof *ys.items);
        for (uint32_t i = 0; ok && i < hs.count; i++) ys.items[ys.count++] = hs.items[i];
        int n = (int)r.inputs.count, ny = (int)ys.count;
        ok = ok && gr_check(vm, NULL, forward ? ad_jvp(vm->ctx, n, r.inputs.items, seed, ny, ys.items,
                                                       0, f->src, out)
                                              : ad_vjp(vm->ctx, ny, ys.items, seed, n,
                                                       r.inputs.items, 0, f->src, out));
        run_close(&r);
    }
    ad_set_recording(vm->ctx, was);
    gr_flat_free(vm, &ys);
    gr_flat_free(vm, &hs);
    gr_release(vm, h);
    gr_release(vm, all);
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

static ad_status pull(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *dout,
                      ad_value *din, bool record) {
    fold *f = user;
    run r;
    if (record) return sweep_plainly(f, in, dout, din, false);
    ad_mark mark = ad_tape_mark(ctx);
    bool was = ad_set_recording(ctx, true);
    bool ok = run_open(f, in, &r);
    if (ok) {
        ok = begin_reverse(&r, dout) && (gr_is_nil(f->hs) ? reverse_binomial(&r, dout, din)
                                                          : reverse_stored(&r, dout, din)) &&
             end_reverse(&r, din);
        run_close(&r);
    }
    ad_set_recording(ctx, was);
    ad_rewind_unheld(ctx, mark);
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

/* ---- forward mode ----------------------------------------------------------------------------- */

/* One step: tangents of h, of the row and of the inputs to that of the next state. */
static bool push_step(run *r, int64_t t, const ad_value *tangent, gr_value *h) {
    gr_vm *vm = r->f->vm;
    stage g;
    ad_mark behind;
    gr_value next;
    if (gr_scan_cuts(&r->scan, t) && !zero_state(r)) return false;
    bool ok = stage_run(vm, &r->scan, t, *h, &g, &behind);
    uint32_t nh = g.hs.count, nx = g.xs.count, n = nh + nx + r->inputs.count, at = 0;
    size_t bytes = (2 * n + nh) * sizeof(gr_value);
    gr_value *wrt = ok ? ad_mem_get(vm->ctx, bytes) : NULL, *v = wrt + n, *d = v + n;
    if (ok && !wrt) gr_raise_memory(vm);
    for (uint32_t i = 0; wrt && i < nh; i++, at++)
        wrt[at] = g.hs.items[i], v[at] = gr_retain(vm, r->state.items[i]);
    for (uint32_t i = 0; wrt && ok && i < nx; i++) {
        wrt[at] = g.xs.items[i];
        ok = r->x_input[i] >= 0 ? row_at(vm, tangent[r->x_input[i]], t, &v[at])
                                : gr_zeros_like(vm, g.xs.items[i], &v[at]);
        at += ok;
    }
    for (uint32_t i = 0; wrt && ok && i < r->inputs.count; i++, at++)
        wrt[at] = r->inputs.items[i], v[at] = gr_retain(vm, tangent[i]);
    if (ok && wrt) {
        bool was = ad_set_recording(vm->ctx, false);
        ok = gr_check(vm, NULL, ad_jvp(vm->ctx, (int)n, wrt, v, (int)nh, g.nexts.items, AD_GRAD_OWN,
                                       r->f->src, d));
        ad_set_recording(vm->ctx, was);
        for (uint32_t i = 0; ok && i < nh; i++) gr_replace(vm, &r->state.items[i], d[i]);
    }
    ok = ok && wrt && gr_stop_value(vm, g.next, &next);
    for (uint32_t i = 0; i < at; i++) gr_release(vm, v[i]);
    if (wrt) ad_mem_put(vm->ctx, wrt, bytes);
    stage_free(vm, &g);
    if (ok) gr_replace(vm, h, next);
    return ok;
}

static bool begin_forward(run *r, const ad_value *tangent, gr_value *h) {
    gr_vm *vm = r->f->vm;
    gr_flat h0 = {0};
    uint32_t n = r->f->leaves;
    if (!gr_proto_grow(vm, &r->state.items, &r->state.room, n + 1, sizeof *r->state.items) ||
        !gr_stop_value(vm, r->scan.h0, h))
        return false;
    bool ok = gr_flatten(vm, *h, &h0);
    for (; ok && r->state.count < n; r->state.count++) {
        uint32_t i = r->state.count;
        if (r->h_input[i] >= 0) r->state.items[i] = gr_retain(vm, tangent[r->h_input[i]]);
        else if (!(ok = gr_zeros_like(vm, h0.items[i], &r->state.items[i]))) break;
    }
    gr_flat_free(vm, &h0);
    return ok;
}

static bool push_all(run *r, const ad_value *tangent, ad_value *dout) {
    fold *f = r->f;
    gr_vm *vm = f->vm;
    gr_value h = gr_nil();
    gr_history all = {.leaves = f->leaves};
    bool ok = begin_forward(r, tangent, &h), states = !gr_is_nil(f->hs);
    for (int64_t t = 0; ok && t < f->length; t++) {
        ok = push_step(r, t, tangent, &h);
        for (uint32_t i = 0; ok && states && i < f->leaves; i++)
            ok = gr_history_add(vm, &all, r->state.items[i]);
    }
    all.leaves = f->leaves;
    for (uint32_t i = 0; ok && i < f->leaves; i++) dout[i] = gr_retain(vm, r->state.items[i]);
    for (uint32_t i = 0; ok && states && i < f->leaves; i++)
        ok = gr_history_leaf(vm, &all, i, f->src, &dout[f->leaves + i]);
    gr_history_free(vm, &all);
    gr_release(vm, h);
    return ok;
}

static ad_status push(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *tangent,
                      ad_value *dout, bool record) {
    fold *f = user;
    run r;
    if (record) return sweep_plainly(f, in, tangent, dout, true);
    ad_mark mark = ad_tape_mark(ctx);
    bool was = ad_set_recording(ctx, true);
    bool ok = run_open(f, in, &r);
    if (ok) {
        ok = push_all(&r, tangent, dout);
        run_close(&r);
    }
    for (uint32_t k = 0; !ok && k < f->output_count; k++) gr_release(f->vm, gr_take(&dout[k]));
    ad_set_recording(ctx, was);
    ad_rewind_unheld(ctx, mark);
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

/* ---- the first inf or nan --------------------------------------------------------------------- */

static bool search_step(run *r, int64_t t, gr_value *h, ad_blame *out, bool *found) {
    gr_vm *vm = r->f->vm;
    stage g;
    ad_mark behind;
    gr_value next;
    bool ok = stage_run(vm, &r->scan, t, *h, &g, &behind);
    for (uint32_t i = 0; ok && !*found && i < g.nexts.count; i++)
        *found = ad_find_nonfinite(vm->ctx, g.nexts.items[i], out);
    ok = ok && gr_stop_value(vm, g.next, &next);
    stage_free(vm, &g);
    if (ok) gr_replace(vm, h, next);
    return ok;
}

static bool search(ad_ctx *ctx, void *user, const ad_value *in, ad_blame *out) {
    fold *f = user;
    run r;
    gr_value h = gr_nil();
    bool found = false;
    ad_mark mark = ad_tape_mark(ctx);
    if (!run_open(f, in, &r)) return false;
    bool ok = gr_stop_value(f->vm, r.scan.h0, &h);
    for (int64_t t = 0; ok && !found && t < f->length; t++)
        ok = search_step(&r, t, &h, out, &found);
    gr_release(f->vm, h);
    run_close(&r);
    ad_rewind_unheld(ctx, mark);
    return found;
}

static const ad_callback fold_callback = {.pull = pull, .push = push, .free = fold_free,
                                          .name = "scan", .inputs = true, .search = search};

/* ---- the call --------------------------------------------------------------------------------- */

static fold *fold_new(gr_vm *vm, const gr_scan *s) {
    fold *f = ad_mem_get(vm->ctx, sizeof *f);
    gr_value roots[3] = {s->step, s->h0, s->xs};
    if (!f) {
        gr_raise_memory(vm);
        return NULL;
    }
    *f = (fold){.vm = vm, .hs = gr_nil(), .src = s->src, .length = s->length,
                .truncate = s->truncate, .slots = default_slots(s->length)};
    f->snapshot.roots = gr_nil();
    bool ok = gr_snapshot_take(vm, 3, roots, &f->snapshot);
    if (ok && s->states && !(f->random = ad_mem_get(vm->ctx, (size_t)s->length * sizeof *f->random))) {
        gr_raise_memory(vm);
        ok = false;
    }
    if (ok) return f;
    fold_free(vm->ctx, f);
    return NULL;
}

static bool settle(fold *f, const gr_scan *s, origin *o) {
    gr_vm *vm = f->vm;
    gr_flat h = {0}, x = {0};
    bool ok = gr_flatten(vm, s->h0, &h) && gr_flatten(vm, s->xs, &x);
    for (uint32_t i = 0; ok && i < h.count; i++)
        if (o->from_h[i] && h.items[i].node)
            ok = add_origin(vm, o, ad_entry_of(vm->ctx, h.items[i]));
    for (uint32_t i = 0; ok && i < x.count; i++)
        if (o->from_x[i] && x.items[i].node)
            ok = add_origin(vm, o, ad_entry_of(vm->ctx, x.items[i]));
    gr_flat_free(vm, &h);
    gr_flat_free(vm, &x);
    return ok && (gr_snapshot_settle(&f->snapshot, o->count, o->nodes) || open_fold(vm));
}

/* Values of all outputs: the leaves of h, and of hs behind them. */
static bool outputs_of(fold *f, gr_value h, gr_value hs, gr_flat *out) {
    gr_vm *vm = f->vm;
    gr_flat more = {0};
    bool ok = gr_flatten(vm, h, out);
    f->leaves = out->count;
    if (ok && !gr_is_nil(hs)) ok = gr_flatten(vm, hs, &more);
    ok = ok && gr_proto_grow(vm, &out->items, &out->room, out->count + more.count + 1,
                             sizeof *out->items);
    for (uint32_t i = 0; ok && i < more.count; i++) out->items[out->count++] = more.items[i];
    gr_flat_free(vm, &more);
    f->outputs = ok ? ad_mem_get(vm->ctx, (out->count + 1) * sizeof *f->outputs) : NULL;
    if (ok && !f->outputs) gr_raise_memory(vm);
    f->output_count = out->count;
    for (uint32_t i = 0; f->outputs && i < out->count; i++) f->outputs[i] = ad_type_of(out->items[i]);
    return ok && f->outputs;
}

/* Takes f over. */
static bool record_fold(fold *f, gr_value *h, gr_value *hs) {
    gr_vm *vm = f->vm;
    gr_flat values = {0}, out = {.owned = true};
    uint32_t at = 0;
    bool ok = outputs_of(f, *h, *hs, &values) &&
              gr_proto_grow(vm, &out.items, &out.room, values.count + 1, sizeof *out.items);
    if (!ok) {
        fold_free(vm->ctx, f);
    } else if ((ok = gr_record_callback(vm, &fold_callback, f, &f->snapshot, f->src, &values,
                                        out.items))) {
        gr_value tracked_h = gr_nil(), tracked_hs = gr_nil();
        out.count = values.count;
        ok = gr_unflatten(vm, *h, out.items, &at, &tracked_h) &&
             (gr_is_nil(*hs) || gr_unflatten(vm, *hs, out.items, &at, &tracked_hs));
        gr_replace(vm, h, tracked_h);
        gr_replace(vm, hs, tracked_hs);
    }
    gr_flat_free(vm, &values);
    gr_flat_free(vm, &out);
    return ok;
}

bool gr_scan_checkpointed(gr_vm *vm, const gr_scan *s, int64_t every, gr_value *h, gr_value *hs) {
    gr_history states = {0};
    origin o = {0};
    fold *f = fold_new(vm, s);
    if (!f) return false;
    *h = *hs = gr_nil();
    bool ok = gr_stop_value(vm, s->h0, h) && origin_open(vm, s, &o) &&
              go_forward(f, s, every, &o, h, &states) &&
              (!s->states || gr_history_stack(vm, &states, *h, s->src, hs)) && settle(f, s, &o);
    gr_history_free(vm, &states);
    origin_free(vm, &o);
    if (ok && s->states) f->hs = gr_retain(vm, *hs);
    if (ok && f->snapshot.input_count) ok = record_fold(f, h, hs);
    else fold_free(vm->ctx, f);
    if (ok) return true;
    gr_release(vm, gr_take(h));
    gr_release(vm, gr_take(hs));
    return false;
}
