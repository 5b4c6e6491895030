/* SPDX-License-Identifier: MIT */
/*
 * checkpoint(f): a call records what f records, finds out which tracked values the result came from,
 * and puts one entry in the place of all that. A sweep runs f again, from the snapshot that was taken
 * before the call, with leaves of its own, and sweeps those.
 *
 * Where one entry cannot stand for the call (a param was made inside, or the result is no structure
 * of numbers), what was recorded stays: that is always right.
 */
#include "replay.h"

#include "builtin.h"
#include "structure.h"

/* ---- running again ---------------------------------------------------------------------------- */

bool gr_make_leaves(gr_vm *vm, uint32_t count, const ad_value *in, uint32_t src, gr_flat *out) {
    *out = (gr_flat){.owned = true};
    if (!gr_proto_grow(vm, &out->items, &out->room, count + 1, sizeof *out->items)) return false;
    for (; out->count < count; out->count++)
        if (!gr_check(vm, NULL, ad_leaf(vm->ctx, in[out->count], 0, src, &out->items[out->count])))
            return false;
    return true;
}

/* f again on leaves made of the inputs; the leaves, and the value with its own leaves. */
typedef struct rerun {
    gr_flat inputs, outputs;
    gr_value value;
} rerun;

static void rerun_free(gr_vm *vm, rerun *r) {
    gr_flat_free(vm, &r->outputs);
    gr_flat_free(vm, &r->inputs);
    gr_release(vm, r->value);
}

bool gr_same_result(gr_vm *vm, const gr_flat *now, uint32_t count, const ad_type *then) {
    bool same = now->count == count;
    for (uint32_t i = 0; same && i < count; i++) {
        ad_type type = ad_type_of(now->items[i]);
        same = type.rank == then[i].rank &&
               memcmp(type.dims, then[i].dims, type.rank * sizeof *type.dims) == 0;
    }
    if (!same) {
        gr_diagnostic *d = gr_raise(vm, GR_E_bad_transform,
                                    "the function of a checkpoint gives something else when it is "
                                    "run again");
        gr_diag_help(d, "it may depend on its arguments, captured variables and random numbers, not "
                        "on files, the clock or what is typed");
    }
    return same;
}

static bool run_again(gr_vm *vm, gr_checkpoint *k, const ad_value *in, rerun *r) {
    gr_replay replay;
    *r = (rerun){.value = gr_nil()};
    if (!gr_make_leaves(vm, k->snapshot.input_count, in, k->src, &r->inputs) ||
        !gr_replay_begin(vm, &k->snapshot, r->inputs.items, &replay))
        return false;
    const gr_value *roots = gr_as_tuple(replay.roots)->items;
    uint32_t count = (uint32_t)gr_as_tuple(replay.roots)->count;
    bool ok = gr_call_function(vm, roots[0], count - 1, roots + 1, &r->value);
    gr_replay_end(vm, &replay);
    return ok && gr_flatten(vm, r->value, &r->outputs) &&
           gr_same_result(vm, &r->outputs, k->output_count, k->outputs);
}

/* Derivatives of what ran again: recorded where the sweep is, and then kept. */
static ad_status sweep_again(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *seed,
                             ad_value *out, bool record, bool forward) {
    gr_checkpoint *k = user;
    gr_vm *vm = k->vm;
    ad_mark mark = ad_tape_mark(ctx);
    unsigned flags = record ? 0u : AD_GRAD_OWN;
    rerun r;
    bool was = ad_set_recording(ctx, true), ok = run_again(vm, k, in, &r);
    ad_set_recording(ctx, record);
    int n = (int)r.inputs.count, ny = (int)r.outputs.count;
    if (ok && forward)
        ok = gr_check(vm, NULL, ad_jvp(ctx, n, r.inputs.items, seed, ny, r.outputs.items, flags,
                                       k->src, out));
    else if (ok)
        ok = gr_check(vm, NULL, ad_vjp(ctx, ny, r.outputs.items, seed, n, r.inputs.items, flags,
                                       k->src, out));
    ad_set_recording(ctx, was);
    rerun_free(vm, &r);
    if (!record) ad_rewind_unheld(ctx, mark);
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

static ad_status pull(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *dout,
                      ad_value *din, bool record) {
    return sweep_again(ctx, user, in, dout, din, record, false);
}

static ad_status push(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *tangent,
                      ad_value *dout, bool record) {
    return sweep_again(ctx, user, in, tangent, dout, record, true);
}

static void checkpoint_free(ad_ctx *ctx, void *user) {
    gr_checkpoint *k = user;
    gr_vm *vm = k->vm;
    gr_snapshot_free(vm, &k->snapshot);
    if (k->outputs) ad_mem_put(ctx, k->outputs, (k->output_count + 1) * sizeof *k->outputs);
    ad_mem_put(ctx, k, sizeof *k);
}

/* Runs again and looks behind what came out. */
static bool search(ad_ctx *ctx, void *user, const ad_value *in, ad_blame *out) {
    gr_checkpoint *k = user;
    ad_mark mark = ad_tape_mark(ctx);
    bool found = false;
    rerun r;
    bool ok = run_again(k->vm, k, in, &r);
    for (uint32_t i = 0; ok && !found && i < r.outputs.count; i++)
        found = ad_find_nonfinite(ctx, r.outputs.items[i], out);
    rerun_free(k->vm, &r);
    ad_rewind_unheld(ctx, mark);
    return found;
}

static const ad_callback checkpoint_callback = {.pull = pull, .push = push, .free = checkpoint_free,
                                                .name = "checkpoint", .inputs = true,
                                                .search = search};

/* ---- the call --------------------------------------------------------------------------------- */

static gr_checkpoint *checkpoint_new(gr_vm *vm, gr_call *c) {
    gr_checkpoint *k = ad_mem_get(vm->ctx, sizeof *k);
    gr_value roots[32] = {c->bound[0]};
    if (!k) {
        gr_raise_memory(vm);
        return NULL;
    }
    *k = (gr_checkpoint){.vm = vm, .src = c->src};
    bool ok = c->rest_count < 32;
    if (!ok) gr_raise(vm, GR_E_too_large, "at most 31 arguments go through a checkpoint");
    for (uint32_t i = 0; ok && i < c->rest_count; i++) roots[i + 1] = c->rest[i];
    if (ok && gr_snapshot_take(vm, c->rest_count + 1, roots, &k->snapshot)) return k;
    ad_mem_put(vm->ctx, k, sizeof *k);
    return NULL;
}

static bool note_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    (void)vm;
    (void)path;
    *(bool *)user = *(bool *)user && gr_is_numeric(leaf);
    return true;
}

bool gr_settle_boundary(gr_vm *vm, gr_snapshot *s, ad_mark mark, uint32_t count,
                        const gr_value *values, bool *usable) {
    bool closed;
    size_t room = s->leaf_count, n;
    uint32_t *nodes = ad_mem_get(vm->ctx, (room + 1) * sizeof *nodes);
    if (!nodes) {
        gr_raise_memory(vm);
        return false;
    }
    n = ad_boundary(vm->ctx, mark, (int)count, values, nodes, room, &closed);
    *usable = closed && n > 0 && n <= room && gr_snapshot_settle(s, n, nodes);
    ad_mem_put(vm->ctx, nodes, (room + 1) * sizeof *nodes);
    return true;
}

static bool keep_types(gr_vm *vm, gr_checkpoint *k, const gr_flat *values) {
    k->outputs = ad_mem_get(vm->ctx, (values->count + 1) * sizeof *k->outputs);
    if (!k->outputs) {
        gr_raise_memory(vm);
        return false;
    }
    k->output_count = values->count;
    for (uint32_t i = 0; i < values->count; i++) k->outputs[i] = ad_type_of(values->items[i]);
    return true;
}

bool gr_record_callback(gr_vm *vm, const ad_callback *callback, void *user, gr_snapshot *s,
                        uint32_t src, const gr_flat *values, gr_value *out) {
    size_t bytes = (s->input_count + 1) * sizeof(gr_value);
    gr_value *in = ad_mem_get(vm->ctx, bytes);
    if (!in) {
        gr_raise_memory(vm);
        callback->free(vm->ctx, user);
        return false;
    }
    uint32_t n = s->input_count;
    gr_snapshot_inputs(s, in);
    for (uint32_t i = 0; i < n; i++) gr_retain(vm, in[i]);
    gr_snapshot_release(vm, s);
    ad_status st = ad_custom(vm->ctx, callback, user, src, (int)n, in, (int)values->count,
                             values->items, out);
    for (uint32_t i = 0; i < n; i++) gr_release(vm, in[i]);
    ad_mem_put(vm->ctx, in, bytes);
    return gr_check(vm, NULL, st);
}

/* One entry instead of what was recorded since the mark. Takes k over. */
static bool replace(gr_vm *vm, gr_checkpoint *k, ad_mark mark, const gr_flat *ys, gr_value *y) {
    gr_flat values = {0}, out = {.owned = true};
    gr_value plain = gr_nil();
    uint32_t at = 0, src = k->src;
    bool ok = keep_types(vm, k, ys) && gr_stop_value(vm, *y, &plain) &&
              gr_flatten(vm, plain, &values) &&
              gr_proto_grow(vm, &out.items, &out.room, values.count + 1, sizeof *out.items);
    if (!ok) {
        checkpoint_free(vm->ctx, k);
    } else {
        gr_replace(vm, y, gr_nil());
        ad_rewind_unheld(vm->ctx, mark);
        ok = gr_record_callback(vm, &checkpoint_callback, k, &k->snapshot, src, &values, out.items);
    }
    if (ok) out.count = values.count;
    ok = ok && gr_unflatten(vm, plain, out.items, &at, y);
    gr_flat_free(vm, &values);
    gr_flat_free(vm, &out);
    gr_release(vm, plain);
    return ok;
}

static bool any_tracked(const gr_flat *f) {
    for (uint32_t i = 0; i < f->count; i++)
        if (f->items[i].node) return true;
    return false;
}

static bool run_checkpoint(gr_vm *vm, gr_call *c) {
    bool pure = true, usable = false;
    gr_flat ys = {0};
    if (!ad_is_recording(vm->ctx))
        return gr_call_function(vm, c->bound[0], c->rest_count, c->rest, &c->result);
    gr_checkpoint *k = checkpoint_new(vm, c);
    if (!k) return false;
    ad_mark mark = ad_tape_mark(vm->ctx);
    uint64_t sealed = gr_seal(vm);
    gr_value y = gr_nil();
    bool ok = gr_call_function(vm, c->bound[0], c->rest_count, c->rest, &y);
    gr_unseal(vm, sealed);
    ok = ok && gr_structure_each(vm, y, note_leaf, &pure);
    if (ok && pure) ok = gr_flatten(vm, y, &ys);
    if (ok && any_tracked(&ys))
        ok = gr_settle_boundary(vm, &k->snapshot, mark, ys.count, ys.items, &usable);
    if (ok && usable) ok = replace(vm, k, mark, &ys, &y);
    else checkpoint_free(vm->ctx, k);
    gr_flat_free(vm, &ys);
    vm->dirty = true;
    if (ok) c->result = y;
    else gr_release(vm, y);
    return ok;
}

static const gr_builtin row_checkpoint = {
    "checkpoint", "...args", "a function whose intermediates are computed again in the sweep",
    run_checkpoint};

bool gr_b_checkpoint(gr_vm *vm, gr_call *c) {
    if (!gr_want_function(vm, c, 0)) return false;
    gr_value f = gr_retain(vm, c->args[0]);
    c->result = gr_bind(vm, &row_checkpoint, 1, &f);
    return !gr_failed(c->result);
}
