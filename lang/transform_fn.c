/* SPDX-License-Identifier: MIT */
/* Transforms that call back: backward rules of the user's, the gradient checker. */
#include "transform.h"

#include "builtin.h"
#include "format.h"
#include "structure.h"

#include <stdio.h>
#include <string.h>

/* ---- custom_grad ------------------------------------------------------------------------------ */

/* The entry of the tape owns one of these. Values of inputs and outputs are kept untracked, for their
 * structure only. */
typedef struct custom {
    gr_vm *vm;
    gr_value pull, value, args; /* args: a tuple */
} custom;

static void custom_free(ad_ctx *ctx, void *user) {
    custom *k = user;
    gr_vm *vm = k->vm;
    gr_release(vm, k->pull);
    gr_release(vm, k->value);
    gr_release(vm, k->args);
    ad_mem_put(ctx, k, sizeof *k);
}

static bool takes_derivatives(gr_value v) { return gr_is_numeric(v) || gr_is_structure(v); }

static void shape_text(const ad_type *t, char *buf, size_t room) {
    if (t->rank) ad_shape_text(t->rank, t->dims, buf, room);
    else snprintf(buf, room, "a number");
}

static void say_what_pull_gives(gr_diagnostic *d) {
    gr_diag_help(d, "`pull(dy)` gives the cotangent of each argument, in its shape; a tuple of them for "
                    "several");
}

/* The cotangent of one argument into din[*at …]. */
static bool give_cotangent(custom *k, gr_value arg, gr_value d, gr_value *din, uint32_t *at) {
    gr_vm *vm = k->vm;
    gr_flat want = {0}, have = {0};
    if (!takes_derivatives(arg)) return true;
    bool ok = gr_flatten(vm, arg, &want) && gr_flatten(vm, d, &have);
    if (ok && want.count != have.count) {
        say_what_pull_gives(gr_raise(vm, GR_E_bad_transform,
                                     "the pullback gives %u numbers or tensors where the argument "
                                     "has %u", have.count, want.count));
        ok = false;
    }
    for (uint32_t i = 0; ok && i < want.count; i++) {
        ad_type a = ad_type_of(want.items[i]), b = ad_type_of(have.items[i]);
        if (a.rank != b.rank || memcmp(a.dims, b.dims, a.rank * sizeof *a.dims) != 0) {
            char wanted[80], got[80];
            shape_text(&a, wanted, sizeof wanted);
            shape_text(&b, got, sizeof got);
            gr_diagnostic *e = gr_raise(vm, GR_E_bad_transform,
                                        "the pullback gives %s for an argument that is %s", got, wanted);
            say_what_pull_gives(e);
            ok = false;
            break;
        }
        din[(*at)++] = gr_retain(vm, have.items[i]);
    }
    gr_flat_free(vm, &want);
    gr_flat_free(vm, &have);
    return ok;
}

static bool give_all(custom *k, gr_value d, gr_value *din) {
    const gr_tuple *args = gr_as_tuple(k->args);
    uint32_t at = 0;
    if (args->count == 1) return give_cotangent(k, args->items[0], d, din, &at);
    if (d.kind != GR_TUPLE || gr_as_tuple(d)->count != args->count) {
        say_what_pull_gives(gr_raise(k->vm, GR_E_bad_transform,
                                     "the pullback of a function of %zu arguments gives a tuple of "
                                     "%zu", args->count, args->count));
        return false;
    }
    for (size_t i = 0; i < args->count; i++)
        if (!give_cotangent(k, args->items[i], gr_as_tuple(d)->items[i], din, &at)) {
            while (at > 0) gr_release(k->vm, din[--at]);
            return false;
        }
    return true;
}

static ad_status custom_pull(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *dout,
                             ad_value *din, bool record) {
    custom *k = user;
    (void)in;
    gr_vm *vm = k->vm;
    gr_flat copies = {0};
    gr_value dy, d;
    uint32_t at = 0;
    if (!gr_flatten(vm, k->value, &copies)) return AD_ERR_CALLBACK;
    for (uint32_t i = 0; i < copies.count; i++) copies.items[i] = gr_retain(vm, dout[i]);
    copies.owned = true;
    bool ok = gr_unflatten(vm, k->value, copies.items, &at, &dy);
    gr_flat_free(vm, &copies);
    if (!ok) return AD_ERR_CALLBACK;
    bool was = ad_set_recording(ctx, record);
    gr_scope_mark mark;
    if (record) ok = gr_transform_begin(vm, &mark); /* what it makes belongs to the derivative */
    ok = ok && gr_call_function(vm, k->pull, 1, &dy, &d);
    if (record) gr_transform_end(vm, mark);
    ad_set_recording(ctx, was);
    gr_release(vm, dy);
    if (!ok) return AD_ERR_CALLBACK;
    ok = give_all(k, d, din);
    gr_release(vm, d);
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

static const ad_callback custom_callback = {.pull = custom_pull, .free = custom_free, .name = "custom_grad"};

static bool flatten_args(gr_vm *vm, const gr_call *c, gr_flat *out) {
    *out = (gr_flat){0};
    for (uint32_t i = 0; i < c->rest_count; i++) {
        gr_flat one = {0};
        if (!takes_derivatives(c->rest[i])) continue;
        bool ok = gr_flatten(vm, c->rest[i], &one) &&
                  gr_proto_grow(vm, &out->items, &out->room, out->count + one.count + 1,
                                sizeof *out->items);
        for (uint32_t k = 0; ok && k < one.count; k++) out->items[out->count++] = one.items[k];
        gr_flat_free(vm, &one);
        if (!ok) return false;
    }
    return true;
}

static custom *custom_new(gr_vm *vm, const gr_call *c, gr_value y, gr_value pull) {
    custom *k = ad_mem_get(vm->ctx, sizeof *k);
    if (!k) {
        gr_raise_memory(vm);
        return NULL;
    }
    *k = (custom){.vm = vm, .pull = gr_retain(vm, pull), .value = gr_nil(), .args = gr_nil()};
    gr_value args = gr_tuple_new(vm, c->rest_count);
    bool ok = !gr_failed(args) && gr_stop_value(vm, y, &k->value);
    for (uint32_t i = 0; ok && i < c->rest_count; i++)
        ok = gr_stop_value(vm, c->rest[i], &gr_as_tuple(args)->items[i]);
    k->args = gr_failed(args) ? gr_nil() : args;
    if (ok) return k;
    custom_free(vm->ctx, k);
    return NULL;
}

static bool record_custom(gr_vm *vm, gr_call *c, custom *k) {
    gr_flat in = {0}, values = {0}, out = {0};
    bool ok = flatten_args(vm, c, &in) && gr_flatten(vm, k->value, &values) &&
              gr_proto_grow(vm, &out.items, &out.room, values.count + 1, sizeof *out.items);
    bool owned = false;
    if (ok) {
        ad_status s = ad_custom(vm->ctx, &custom_callback, k, c->src, (int)in.count, in.items,
                                (int)values.count, values.items, out.items);
        owned = true; /* taken over in any case */
        ok = gr_check(vm, NULL, s);
    }
    if (ok) {
        uint32_t at = 0;
        out.count = values.count;
        out.owned = true;
        ok = gr_unflatten(vm, c->result, out.items, &at, &c->args[0]);
    }
    if (!owned) custom_free(vm->ctx, k);
    gr_flat_free(vm, &in);
    gr_flat_free(vm, &values);
    gr_flat_free(vm, &out);
    return ok;
}

static bool run_custom(gr_vm *vm, gr_call *c) {
    gr_value pair;
    if (!gr_call_function(vm, c->bound[0], c->rest_count, c->rest, &pair)) return false;
    const gr_tuple *t = pair.kind == GR_TUPLE ? gr_as_tuple(pair) : NULL;
    bool ok = t && t->count == 2 && t->items[1].kind == GR_FUNCTION;
    if (!ok)
        gr_raise(vm, GR_E_bad_transform, "the function of `custom_grad` must give the tuple (y, pull)");
    custom *k = ok ? custom_new(vm, c, t->items[0], t->items[1]) : NULL;
    gr_value tracked[1] = {ad_number(0)};
    ok = k != NULL;
    if (ok) {
        c->result = gr_retain(vm, t->items[0]); /* the structure to build in record_custom */
        c->args = tracked;
        ok = record_custom(vm, c, k);
        gr_release(vm, c->result);
        c->result = ok ? tracked[0] : gr_nil();
    }
    gr_release(vm, pair);
    vm->dirty = true;
    return ok;
}

static const gr_builtin row_custom = {"custom_grad", "...args",
                                      "a function with a backward rule of its own", run_custom};

bool gr_b_custom_grad(gr_vm *vm, gr_call *c) {
    if (!gr_want_function(vm, c, 0)) return false;
    gr_value f = gr_retain(vm, c->args[0]);
    c->result = gr_bind(vm, &row_custom, 1, &f);
    return !gr_failed(c->result);
}

/* ---- gradcheck -------------------------------------------------------------------------------- */

typedef struct checking {
    gr_vm *vm;
    gr_value f, x;
    ad_random_state random;
} checking;

static ad_status evaluate(ad_ctx *ctx, void *user, const ad_value *in, ad_value *out) {
    checking *k = user;
    gr_vm *vm = k->vm;
    gr_flat copies = {0};
    gr_value x;
    uint32_t at = 0;
    ad_random_set(ctx, k->random);
    if (!gr_flatten(vm, k->x, &copies)) return AD_ERR_CALLBACK;
    for (uint32_t i = 0; i < copies.count; i++) copies.items[i] = gr_retain(vm, in[i]);
    copies.owned = true;
    bool ok = gr_unflatten(vm, k->x, copies.items, &at, &x);
    gr_flat_free(vm, &copies);
    if (!ok) return AD_ERR_CALLBACK;
    ok = gr_call_function(vm, k->f, 1, &x, out);
    gr_release(vm, x);
    if (ok && !gr_is_numeric(*out)) {
        gr_raise(vm, GR_E_bad_transform, "gradcheck takes a function that gives a number or a "
                                         "tensor; this one gives a %s", gr_kind_name(*out));
        gr_release(vm, *out);
        ok = false;
    }
    return ok ? AD_OK : AD_ERR_CALLBACK;
}

static void print_report(gr_vm *vm, bool passed, const ad_check_report *r) {
    char text[200];
    int n = snprintf(text, sizeof text,
                     "gradcheck %s: %lld derivatives, worst relative difference %.3g"
                     " (at %.6g: %.9g, by differences %.9g)\n",
                     passed ? "passed" : "failed", (long long)r->points, r->worst, r->at, r->got,
                     r->expected);
    if (gr_may_print(vm) && n > 0) gr_write(vm, text, strlen(text));
}

bool gr_b_gradcheck(gr_vm *vm, gr_call *c) {
    double tolerance = 1e-6;
    gr_flat at = {0};
    gr_value x;
    if (!gr_want_function(vm, c, 0)) return false;
    if (gr_given(c, 2) && !gr_want_number(vm, c, 2, &tolerance)) return false;
    if (!gr_stop_value(vm, c->args[1], &x)) return false;
    checking k = {.vm = vm, .f = c->args[0], .x = x, .random = ad_random_get(vm->ctx)};
    ad_check_report report = {0};
    bool passed = false, was = ad_set_recording(vm->ctx, true);
    bool ok = gr_flatten(vm, x, &at) &&
              gr_check(vm, NULL, ad_check_gradient(vm->ctx, evaluate, &k, (int)at.count, at.items,
                                                   tolerance, &passed, &report));
    ad_set_recording(vm->ctx, was);
    gr_flat_free(vm, &at);
    gr_release(vm, x);
    if (!ok) return false;
    print_report(vm, passed, &report);
    c->result = ad_bool(passed);
    return true;
}
