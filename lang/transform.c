/* SPDX-License-Identifier: MIT */
/*
 * Transforms of functions: a call makes leaves of its own from the arguments that it differentiates
 * in, runs the function with recording on, and sweeps. What a leaf was made from stays linked to it,
 * so that transforms nest. Sweeps of tensors and their rules are the core's.
 */
#include "transform.h"

#include "builtin.h"
#include "format.h"
#include "structure.h"
#include "watch.h"

#include <math.h>
#include <string.h>

/* ---- scopes ----------------------------------------------------------------------------------- */

bool gr_transform_begin(gr_vm *vm, gr_scope_mark *mark) {
    mark->active = vm->active_count;
    if (!gr_proto_grow(vm, &vm->active, &vm->active_room, vm->active_count + 1, sizeof *vm->active))
        return false;
    vm->active[vm->active_count++] = ++vm->begun;
    mark->recording = ad_set_recording(vm->ctx, true);
    return true;
}

void gr_transform_end(gr_vm *vm, gr_scope_mark mark) {
    vm->active_count = mark.active;
    ad_set_recording(vm->ctx, mark.recording);
}

/* ---- trees and lists of leaves ---------------------------------------------------------------- */

static bool map_tree(gr_vm *vm, gr_value v, gr_leaf_function f, void *user, gr_value *out) {
    if (gr_is_structure(v)) return gr_structure_map(vm, 1, &v, f, user, out);
    return f(vm, user, NULL, 1, &v, out);
}

static bool make_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    (void)path;
    (void)n;
    if (!gr_is_numeric(in[0])) {
        gr_raise(vm, GR_E_untracked, "there are no derivatives with respect to a %s",
                 gr_kind_name(in[0]));
        return false;
    }
    gr_value v = in[0].kind == AD_BOOL ? ad_number(in[0].num) : in[0];
    return gr_check(vm, NULL, ad_leaf(vm->ctx, v, 0, *(uint32_t *)user, out));
}

bool gr_leaf_tree(gr_vm *vm, gr_value v, uint32_t src, gr_value *out) {
    return map_tree(vm, v, make_leaf, &src, out);
}

static bool zero_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    (void)user;
    (void)path;
    (void)n;
    *out = ad_number(0);
    if (in[0].kind != AD_TENSOR) return true;
    const ad_tensor *t = in[0].tensor;
    ad_dtype dtype = t->dtype == AD_BOOL8 ? AD_F64 : (ad_dtype)t->dtype;
    ad_tensor *zeros = ad_tensor_full(vm->ctx, dtype, t->rank, t->dims, 0);
    if (zeros) *out = ad_wrap(zeros);
    return zeros || gr_core_failed(vm, NULL);
}

bool gr_zeros_like(gr_vm *vm, gr_value v, gr_value *out) {
    return map_tree(vm, v, zero_leaf, NULL, out);
}

static bool add_flat(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    gr_flat *f = user;
    (void)path;
    if (!gr_is_numeric(leaf)) {
        gr_raise(vm, GR_E_wrong_kind, "a derivative is made of numbers and tensors; this has a %s",
                 gr_kind_name(leaf));
        return false;
    }
    if (!gr_proto_grow(vm, &f->items, &f->room, f->count + 1, sizeof *f->items)) return false;
    f->items[f->count++] = leaf;
    return true;
}

bool gr_flatten(gr_vm *vm, gr_value v, gr_flat *flat) {
    *flat = (gr_flat){0};
    if (gr_structure_each(vm, v, add_flat, flat)) return true;
    gr_flat_free(vm, flat);
    return false;
}

void gr_flat_free(gr_vm *vm, gr_flat *flat) {
    for (uint32_t i = 0; flat->owned && i < flat->count; i++) gr_release(vm, flat->items[i]);
    if (flat->items) ad_mem_put(vm->ctx, flat->items, flat->room * sizeof *flat->items);
    *flat = (gr_flat){0};
}

typedef struct supply {
    gr_value *items;
    uint32_t *at;
} supply;

static bool next_item(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    supply *s = user;
    (void)vm;
    (void)path;
    (void)n;
    (void)in;
    *out = gr_take(&s->items[(*s->at)++]);
    return true;
}

bool gr_unflatten(gr_vm *vm, gr_value v, gr_value *items, uint32_t *at, gr_value *out) {
    supply s = {.items = items, .at = at};
    return map_tree(vm, v, next_item, &s, out);
}

/* A list of `count` places for results. */
static bool results(gr_vm *vm, uint32_t count, gr_flat *out) {
    *out = (gr_flat){.owned = true};
    if (!gr_proto_grow(vm, &out->items, &out->room, count ? count : 1, sizeof *out->items))
        return false;
    for (uint32_t i = 0; i < count; i++) out->items[i] = ad_number(0);
    out->count = count;
    return true;
}

/* A leaf differs in shape. */
static bool differ(gr_value x, gr_value y) {
    if (x.kind != AD_TENSOR && y.kind != AD_TENSOR) return false;
    return x.kind != y.kind || x.tensor->rank != y.tensor->rank ||
           memcmp(x.tensor->dims, y.tensor->dims, x.tensor->rank * sizeof(int64_t)) != 0;
}

/* Have the leaves of v, whose name is `what`, the shapes of those of its owner? */
static bool same_shapes(gr_vm *vm, const gr_flat *of, const gr_flat *v, const char *owner, const char *what) {
    uint32_t i = 0, n = of->count;
    if (n != v->count) {
        gr_raise(vm, GR_E_bad_transform,
                 "the %s must have the structure of the %s; it has %u of its %u leaves", what, owner,
                 (unsigned)v->count, (unsigned)n);
        return false;
    }
    while (i < n && !differ(of->items[i], v->items[i])) i++;
    if (i == n) return true;
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    gr_buffer_printf(&text, "the %s must have the shape of the %s; it is ", what, owner);
    gr_describe_short(vm, &text, v->items[i]);
    gr_buffer_printf(&text, ", the %s ", owner);
    gr_describe_short(vm, &text, of->items[i]);
    gr_raise(vm, GR_E_bad_transform, "%s", text.text ? text.text : what);
    gr_buffer_free(&text);
    return false;
}

bool gr_pull_back(gr_vm *vm, gr_value y, gr_value seed, gr_value x, unsigned flags, uint32_t src,
                  gr_value *out) {
    gr_flat ys = {0}, seeds = {0}, xs = {0}, dx = {0};
    bool ok = gr_flatten(vm, y, &ys) && gr_flatten(vm, seed, &seeds) && gr_flatten(vm, x, &xs) &&
              same_shapes(vm, &ys, &seeds, "value", "cotangent") &&
              results(vm, xs.count, &dx);
    ok = ok && gr_check(vm, NULL, ad_vjp(vm->ctx, (int)ys.count, ys.items, seeds.items,
                                         (int)xs.count, xs.items, flags, src, dx.items)) &&
         gr_watch_adjoints(vm, ys.count, ys.items, seeds.items, xs.count, xs.items, dx.items);
    uint32_t at = 0;
    ok = ok && gr_unflatten(vm, x, dx.items, &at, out);
    gr_flat_free(vm, &ys);
    gr_flat_free(vm, &seeds);
    gr_flat_free(vm, &xs);
    gr_flat_free(vm, &dx);
    vm->dirty = true;
    return ok;
}

bool gr_push_forward(gr_vm *vm, gr_value x, gr_value tangent, gr_value y, unsigned flags,
                     uint32_t src, gr_value *out) {
    gr_flat xs = {0}, ts = {0}, ys = {0}, dy = {0};
    bool ok = gr_flatten(vm, x, &xs) && gr_flatten(vm, tangent, &ts) && gr_flatten(vm, y, &ys) &&
              same_shapes(vm, &xs, &ts, "argument", "tangent") &&
              results(vm, ys.count, &dy);
    ok = ok && gr_check(vm, NULL, ad_jvp(vm->ctx, (int)xs.count, xs.items, ts.items, (int)ys.count,
                                         ys.items, flags, src, dy.items)) &&
         gr_watch_tangents(vm, xs.count, xs.items, ts.items, ys.count, ys.items, dy.items);
    uint32_t at = 0;
    ok = ok && gr_unflatten(vm, y, dy.items, &at, out);
    gr_flat_free(vm, &xs);
    gr_flat_free(vm, &ts);
    gr_flat_free(vm, &ys);
    gr_flat_free(vm, &dy);
    vm->dirty = true;
    return ok;
}

/* ---- calls ------------------------------------------------------------------------------------ */

void gr_traced_free(gr_vm *vm, gr_traced *t) {
    for (uint32_t i = 0; i < t->count; i++) gr_release(vm, t->leaves[i]);
    gr_release(vm, t->value);
    t->count = 0;
    t->value = ad_number(0);
}

static bool too_few(gr_vm *vm, gr_value f, uint32_t wanted, uint32_t argc) {
    gr_raise(vm, GR_E_bad_transform,
             "the derivative of `%s` is taken in argument %u, counted from 0, but the call has %u",
             gr_function_name(f), wanted, argc);
    return false;
}

bool gr_trace_call(gr_vm *vm, gr_value f, uint32_t argc, const gr_value *args, uint32_t count,
                   const uint32_t *wrt, uint32_t src, gr_traced *out) {
    gr_scope_mark mark;
    gr_value few[16];
    *out = (gr_traced){.value = ad_number(0)};
    if (argc > 16 || count > GR_MOST_WRT) {
        gr_raise(vm, GR_E_bad_transform, "at most 16 arguments can go through a transform");
        return false;
    }
    for (uint32_t i = 0; i < argc; i++) few[i] = args[i];
    for (uint32_t i = 0; i < count; i++)
        if (wrt[i] >= argc) return too_few(vm, f, wrt[i], argc);
    if (!gr_transform_begin(vm, &mark)) return false;
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = gr_leaf_tree(vm, args[wrt[i]], src, &out->leaves[i]);
        if (!ok) break;
        few[wrt[i]] = out->leaves[i];
        out->count++;
    }
    ok = ok && gr_call_function(vm, f, argc, few, &out->value);
    gr_transform_end(vm, mark);
    if (!ok) gr_traced_free(vm, out);
    return ok;
}

static bool read_wrt(gr_vm *vm, gr_value wrt, uint32_t *count, uint32_t *out) {
    const gr_value *items = wrt.kind == GR_TUPLE ? gr_as_tuple(wrt)->items : &wrt;
    size_t n = wrt.kind == GR_TUPLE ? gr_as_tuple(wrt)->count : 1;
    bool ok = n <= GR_MOST_WRT;
    for (size_t i = 0; ok && i < n; i++) {
        ok = items[i].kind == AD_NUMBER && items[i].num >= 0 && items[i].num < 16 &&
             items[i].num == trunc(items[i].num);
        if (ok) out[i] = (uint32_t)items[i].num;
    }
    *count = (uint32_t)n;
    if (!ok)
        gr_raise(vm, GR_E_bad_transform,
                 "`wrt` is the number of an argument, from 0, or a tuple of them");
    return ok;
}

static bool not_scalar(gr_vm *vm, gr_value f, gr_value y) {
    gr_buffer what;
    gr_buffer_init(&what, vm->ctx);
    gr_describe(vm, &what, y);
    gr_diagnostic *d =
        gr_raise(vm, GR_E_not_scalar, "`%s` gives %s, and only a number has a gradient",
                 gr_function_name(f), what.text ? what.text : "no number");
    gr_buffer_free(&what);
    gr_diag_help(d, "`jacobian(f)` has all derivatives of a tensor; `sum` or `mean` make a number");
    return false;
}

static bool gradients(gr_vm *vm, gr_traced *t, uint32_t src, gr_value *out) {
    if (t->value.node)
        return gr_derivative(vm, t->value, t->count, t->leaves, NULL, AD_GRAD_OWN, src, out);
    for (uint32_t i = 0; i < t->count; i++)
        if (!gr_zeros_like(vm, t->leaves[i], &out[i])) {
            while (i-- > 0) gr_release(vm, out[i]);
            return false;
        }
    return true;
}

bool gr_gradient_of(gr_vm *vm, gr_value f, gr_value wrt, uint32_t argc, const gr_value *args,
                    uint32_t src, gr_value *value, gr_value *out) {
    uint32_t count, numbers[GR_MOST_WRT];
    gr_value all[GR_MOST_WRT];
    gr_traced t;
    if (!read_wrt(vm, wrt, &count, numbers) ||
        !gr_trace_call(vm, f, argc, args, count, numbers, src, &t))
        return false;
    bool ok = t.value.kind <= AD_BOOL || not_scalar(vm, f, t.value);
    ok = ok && gradients(vm, &t, src, all);
    if (ok) {
        *out = wrt.kind == GR_TUPLE ? gr_tuple_of(vm, count, all) : all[0];
        ok = !gr_failed(*out);
    }
    if (ok && value) *value = gr_retain(vm, t.value);
    gr_traced_free(vm, &t);
    return ok;
}

/* ---- functions that transforms give ----------------------------------------------------------- */

static bool run_gradient(gr_vm *vm, gr_call *c) {
    return gr_gradient_of(vm, c->bound[0], c->bound[1], c->rest_count, c->rest, c->src, NULL,
                          &c->result);
}

static bool run_value_and_grad(gr_vm *vm, gr_call *c) {
    gr_value both[2];
    if (!gr_gradient_of(vm, c->bound[0], c->bound[1], c->rest_count, c->rest, c->src, &both[0],
                        &both[1]))
        return false;
    c->result = gr_tuple_of(vm, 2, both);
    return !gr_failed(c->result);
}

static const uint32_t first_argument[1] = {0};

static bool run_jacobian(gr_vm *vm, gr_call *c) {
    gr_traced t;
    if (!gr_trace_call(vm, c->bound[0], c->rest_count, c->rest, 1, first_argument, c->src, &t))
        return false;
    unsigned flags = gr_is_numeric(t.value) ? AD_GRAD_OWN : 0u;
    bool ok = gr_derivative(vm, t.value, 1, t.leaves, NULL, flags, c->src, &c->result);
    gr_traced_free(vm, &t);
    return ok;
}

static const gr_builtin row_gradient = {"gradient", "...args", "the gradient of a function",
                                        run_gradient};
static const gr_builtin row_value_and_grad = {
    "value_and_grad", "...args", "the value and the gradient of a function", run_value_and_grad};
static const gr_builtin row_jacobian = {"jacobian", "...args", "all derivatives of a function",
                                        run_jacobian};

static bool bind_with_wrt(gr_vm *vm, const gr_builtin *row, gr_value f, gr_value wrt,
                          gr_value *out) {
    gr_value held[2] = {gr_retain(vm, f), gr_is_absent(wrt) ? ad_number(0) : gr_retain(vm, wrt)};
    *out = gr_bind(vm, row, 2, held);
    return !gr_failed(*out);
}

bool gr_gradient(gr_vm *vm, gr_value f, gr_value *out) {
    if (f.kind == GR_FUNCTION) return bind_with_wrt(vm, &row_gradient, f, gr_absent(), out);
    gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind, "∇ is taken of a function; this is a %s",
                                gr_kind_name(f));
    if (gr_is_numeric(f)) gr_diag_help(d, "`∂E/∂W` is the derivative of a value");
    return false;
}

/* ---- f' --------------------------------------------------------------------------------------- */

static bool ones_like(gr_vm *vm, gr_value v, gr_value *out) {
    const ad_tensor *t = v.tensor;
    ad_tensor *ones = ad_tensor_full(vm->ctx, (ad_dtype)t->dtype, t->rank, t->dims, 1);
    if (ones) *out = ad_wrap(ones);
    return ones || gr_core_failed(vm, NULL);
}

static bool not_elementwise(gr_vm *vm, gr_value f) {
    gr_diagnostic *d = gr_raise(vm, GR_E_bad_transform,
                                "`%s'` is for functions that act element by element, and this one "
                                "mixes elements",
                                gr_function_name(f));
    gr_diag_help(d, "`jacobian(%s)` has all derivatives", gr_function_name(f));
    return false;
}

static bool prime_of_tensor(gr_vm *vm, gr_value f, gr_value x, gr_value y, uint32_t src,
                            gr_value *out) {
    gr_value ones;
    if (!y.node) return gr_zeros_like(vm, x, out);
    if (y.kind != AD_TENSOR || !ad_is_elementwise(vm->ctx, y, x)) return not_elementwise(vm, f);
    if (!ones_like(vm, y, &ones)) return false;
    bool ok = gr_pull_back(vm, y, ones, x, AD_GRAD_OWN, src, out);
    gr_release(vm, ones);
    return ok;
}

static bool prime_of_number(gr_vm *vm, gr_value x, gr_value y, uint32_t src, gr_value *out) {
    if (y.kind == AD_NUMBER && !y.node) return gr_zeros_like(vm, x, out);
    if (y.kind == AD_NUMBER)
        return gr_check(vm, NULL, ad_vjp(vm->ctx, 1, &y, NULL, 1, &x, AD_GRAD_OWN, src, out)) &&
               gr_watch_adjoints(vm, 1, &y, NULL, 1, &x, out);
    return gr_push_forward(vm, x, ad_number(1), y, AD_GRAD_OWN, src, out);
}

static const gr_builtin row_prime;

/* sqrt'(0): what the tracer would name was asked for by its name. */
static bool is_of_a_row(gr_value f) {
    const gr_native_function *n = (const gr_native_function *)gr_as_function(f);
    while (n->function.form == GR_FORM_NATIVE && n->row == &row_prime)
        n = (const gr_native_function *)gr_as_function(n->held[0]);
    return n->function.form == GR_FORM_OP;
}

static bool run_prime(gr_vm *vm, gr_call *c) {
    gr_traced t;
    gr_value f = c->bound[0];
    uint32_t muted = vm->muted;
    if (!gr_trace_call(vm, f, c->rest_count, c->rest, 1, first_argument, c->src, &t)) return false;
    bool ok;
    if (is_of_a_row(f)) vm->muted++;
    if (t.leaves[0].kind == AD_TENSOR)
        ok = prime_of_tensor(vm, f, t.leaves[0], t.value, c->src, &c->result);
    else if (t.leaves[0].kind == AD_NUMBER)
        ok = prime_of_number(vm, t.leaves[0], t.value, c->src, &c->result);
    else
        ok = not_elementwise(vm, f);
    vm->muted = muted;
    gr_traced_free(vm, &t);
    vm->dirty = true;
    return ok;
}

static const gr_builtin row_prime = {"derivative", "...args", "the derivative of a function",
                                     run_prime};

bool gr_prime(gr_vm *vm, gr_value f, uint32_t order, gr_value *out) {
    if (f.kind != GR_FUNCTION) {
        gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind,
                                    "a prime is put behind a function; this is a %s",
                                    gr_kind_name(f));
        if (f.kind == AD_TENSOR) gr_diag_help(d, "`x.T` is the transpose");
        return false;
    }
    gr_value g = gr_retain(vm, f);
    for (uint32_t i = 0; i < order && !gr_failed(g); i++) g = gr_bind(vm, &row_prime, 1, &g);
    *out = g;
    return !gr_failed(g);
}

/* ---- builtins --------------------------------------------------------------------------------- */

static bool want_function(gr_vm *vm, gr_call *c) { return gr_want_function(vm, c, 0); }

/* grad(E, W) of values, or grad(f, wrt = …) of a function. */
static bool gr_b_grad(gr_vm *vm, gr_call *c) {
    if (gr_is_absent(c->args[1]) && want_function(vm, c))
        return bind_with_wrt(vm, &row_gradient, c->args[0], c->args[2], &c->result);
    if (gr_is_absent(c->args[1])) {
        if (gr_is_numeric(c->args[0]))
            gr_diag_help(vm->report.last, "`grad(E, W)`, or `∂E/∂W`, is the derivative of a value");
        return false;
    }
    return gr_derivative(vm, c->args[0], 1, &c->args[1], NULL, 0, c->src, &c->result);
}

static bool gr_b_value_and_grad(gr_vm *vm, gr_call *c) {
    return want_function(vm, c) &&
           bind_with_wrt(vm, &row_value_and_grad, c->args[0], c->args[1], &c->result);
}

static bool gr_b_jacobian(gr_vm *vm, gr_call *c) {
    return want_function(vm, c) &&
           bind_with_wrt(vm, &row_jacobian, c->args[0], gr_absent(), &c->result);
}

static bool gr_b_hessian(gr_vm *vm, gr_call *c) {
    gr_value g;
    if (!want_function(vm, c) || !gr_gradient(vm, c->args[0], &g)) return false;
    bool ok = bind_with_wrt(vm, &row_jacobian, g, gr_absent(), &c->result);
    gr_release(vm, g);
    return ok;
}

static bool gr_b_stop(gr_vm *vm, gr_call *c) { return gr_stop_value(vm, c->args[0], &c->result); }

static bool gr_b_jvp(gr_vm *vm, gr_call *c) {
    gr_traced t;
    gr_value both[2];
    if (!want_function(vm, c) ||
        !gr_trace_call(vm, c->args[0], 1, &c->args[1], 1, first_argument, c->src, &t))
        return false;
    bool ok = gr_push_forward(vm, t.leaves[0], c->args[2], t.value, AD_GRAD_OWN, c->src, &both[1]);
    if (ok) {
        both[0] = gr_retain(vm, t.value);
        c->result = gr_tuple_of(vm, 2, both);
        ok = !gr_failed(c->result);
    }
    gr_traced_free(vm, &t);
    return ok;
}

static bool gr_b_hvp(gr_vm *vm, gr_call *c) {
    gr_traced t;
    gr_value g;
    if (!want_function(vm, c) || !gr_gradient(vm, c->args[0], &g)) return false;
    bool ok = gr_trace_call(vm, g, 1, &c->args[1], 1, first_argument, c->src, &t);
    gr_release(vm, g);
    if (!ok) return false;
    ok = gr_pull_back(vm, t.value, c->args[2], t.leaves[0], AD_GRAD_OWN, c->src, &c->result);
    gr_traced_free(vm, &t);
    return ok;
}

static bool run_pull(gr_vm *vm, gr_call *c) {
    return gr_pull_back(vm, c->bound[0], c->args[0], c->bound[1], 0, c->src, &c->result);
}

static const gr_builtin row_pull = {"pull", "dy", "the product of a cotangent with the Jacobian",
                                    run_pull};

static bool gr_b_vjp(gr_vm *vm, gr_call *c) {
    gr_traced t;
    if (!want_function(vm, c) ||
        !gr_trace_call(vm, c->args[0], 1, &c->args[1], 1, first_argument, c->src, &t))
        return false;
    gr_value held[2] = {gr_retain(vm, t.value), gr_retain(vm, t.leaves[0])};
    gr_value both[2] = {gr_retain(vm, t.value), gr_bind(vm, &row_pull, 2, held)};
    c->result = gr_tuple_of(vm, 2, both);
    gr_traced_free(vm, &t);
    return !gr_failed(c->result);
}

const gr_builtin gr_builtins_transform[] = {
    GR_BUILTIN(grad, "f, W = nil, *, wrt = 0",
               "∂f/∂W of a tracked value f, or the gradient of a function f in its argument `wrt`"),
    GR_BUILTIN(value_and_grad, "f, *, wrt = 0", "a function that gives (value, gradient) of f"),
    GR_BUILTIN(vjp, "f, x", "(y, pull): f(x), and the product of a cotangent with its Jacobian"),
    GR_BUILTIN(jvp, "f, x, v", "(y, dy): f(x), and the product of its Jacobian with v"),
    GR_BUILTIN(jacobian, "f", "all derivatives of f in its first argument, as a function"),
    GR_BUILTIN(hessian, "f", "all second derivatives of a scalar f, as a function"),
    GR_BUILTIN(hvp, "f, x, v", "the Hessian of a scalar f at x times v"),
    GR_BUILTIN(stop, "x", "the value of x, not tracked"),
    GR_BUILTIN(custom_grad, "f", "f gives (y, pull); pull(dy) is its backward rule"),
    GR_BUILTIN(checkpoint, "f",
               "as f, but what it computes on the way is computed again in the backward sweep"),
    GR_BUILTIN(scan, "step, h0, xs, *, checkpoint = nil, truncate = 0",
               "(h, hs): the fold h = step(h, x) over the first axis, and every h"),
    GR_BUILTIN(gradcheck, "f, x, *, tolerance = 1e-6",
               "compares the gradient of f with central differences"),
    GR_BUILTINS_END,
};
