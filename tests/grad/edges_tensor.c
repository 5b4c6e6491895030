/* SPDX-License-Identifier: MIT */
/* edges_tensor.c - values and gradients of a call as one list of numbers, which must not depend on
 * layout and little on precision; and calls with axes of 0 and 1 and with elements at the edges. */
#include "edges.h"
#include "orders.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what a call gives ---------------------------------------------------------------------- */

enum { ROOM = 16384 };

/* Of one result: its elements, then those of the gradients of its weighed sum (`factor` times). */
typedef struct outcome {
    ad_ctx *ctx;
    double factor;
    int64_t count;
    double x[ROOM];
    bool narrow; /* result and gradients are f32 */
    bool shaped; /* gradients have the shapes of the operands */
} outcome;

static void add_to(outcome *o, ad_value v) {
    if (v.kind != AD_TENSOR) {
        o->x[o->count++] = v.num;
        return;
    }
    if (v.tensor->dtype != AD_F32) o->narrow = false;
    if (o->count + v.tensor->size > ROOM) return;
    ad_tensor_read(v.tensor, o->x + o->count);
    o->count += v.tensor->size;
}

static bool same_shape(ad_value a, ad_value b) {
    if (a.kind != AD_TENSOR || b.kind != AD_TENSOR)
        return a.kind != AD_TENSOR && b.kind != AD_TENSOR;
    const ad_tensor *s = a.tensor, *t = b.tensor;
    return s->rank == t->rank && memcmp(s->dims, t->dims, t->rank * sizeof(int64_t)) == 0;
}

static ad_status seed_for(outcome *o, ad_value y, ad_value *seed) {
    ad_value w;
    ad_status s = orders_weights(o->ctx, y, 0, &w);
    if (s != AD_OK) return s;
    s = ad_apply(o->ctx, AD_OP_MUL, 0, 2, (const ad_value[]){w, ad_number(o->factor)}, NULL, seed);
    ad_release(o->ctx, w);
    return s;
}

static ad_status add_gradients(outcome *o, ad_value y, int n, const ad_value *leaf) {
    ad_value seed, grad[AD_MAX_OPERANDS];
    ad_status s = seed_for(o, y, &seed);
    if (s != AD_OK) return s;
    s = ad_vjp(o->ctx, 1, &y, &seed, n, leaf, AD_GRAD_OWN, 0, grad);
    ad_release(o->ctx, seed);
    for (int i = 0; i < n && s == AD_OK; i++) {
        if (!same_shape(grad[i], leaf[i])) o->shaped = false;
        add_to(o, grad[i]);
        ad_release(o->ctx, grad[i]);
    }
    return s;
}

/* The tangent of y where all operands move by weights times `factor`. */
static ad_status add_tangent(outcome *o, ad_value y, int n, const ad_value *leaf) {
    ad_value t[AD_MAX_OPERANDS] = {ad_number(0)}, dy;
    ad_status s = AD_OK;
    int made = 0;
    for (; made < n && s == AD_OK; made++)
        if ((s = seed_for(o, leaf[made], &t[made])) != AD_OK) break;
    if (s == AD_OK) s = ad_jvp(o->ctx, n, leaf, t, 1, &y, AD_GRAD_OWN, 0, &dy);
    while (made--) ad_release(o->ctx, t[made]);
    if (s != AD_OK) return s;
    if (!same_shape(dy, y)) o->shaped = false;
    add_to(o, dy);
    ad_release(o->ctx, dy);
    return AD_OK;
}

static ad_status outcome_of(const domain_call *c, int result, bool tangent, outcome *o) {
    ad_value in[AD_MAX_OPERANDS], leaf[AD_MAX_OPERANDS], y;
    domain_function f = {c, result};
    int n = domain_varying(c, in), made = 0;
    o->count = 0;
    o->narrow = o->shaped = true;
    ad_status s = AD_OK;
    for (; made < n && s == AD_OK; made++)
        if ((s = ad_leaf(o->ctx, in[made], 0, 0, &leaf[made])) != AD_OK) break;
    if (s == AD_OK) s = domain_apply(o->ctx, &f, leaf, &y);
    if (s == AD_OK) {
        add_to(o, y);
        if (y.node) s = (tangent ? add_tangent : add_gradients)(o, y, n, leaf);
        ad_release(o->ctx, y);
    }
    while (made--) ad_release(o->ctx, leaf[made]);
    return s;
}

/* The first `values` numbers may differ by rounding of the largest one. */
static void compare(edges_result *r, const char *what, const outcome *got, const outcome *expected,
                    double within) {
    double top = 0;
    if (got->count != expected->count)
        edges_fail(r, what, (double)got->count, (double)expected->count);
    for (int64_t i = 0; i < expected->count; i++)
        if (isfinite(expected->x[i])) top = fmax(top, fabs(expected->x[i]));
    for (int64_t i = 0; i < expected->count; i++) {
        double a = got->x[i], b = expected->x[i];
        r->points++;
        if (isnan(b) ? !isnan(a) : !(a == b || fabs(a - b) <= within * fmax(1, top)))
            edges_fail(r, what, a, b);
    }
}

/* ---- layouts -------------------------------------------------------------------------------- */

enum layout { BACKWARDS, COLUMNS, SPACED, LAYOUTS };

/* The same elements, stored otherwise. */
static ad_value laid_out(ad_ctx *ctx, ad_value v, enum layout layout) {
    const ad_tensor *t = v.tensor;
    double x[4096];
    int64_t stride[AD_MAX_RANK], offset = 0, step = layout == SPACED ? 3 : 1;
    int rank = t->rank;
    for (int k = 0; k < rank; k++) {
        int axis = layout == COLUMNS ? k : rank - 1 - k;
        stride[axis] = step;
        step *= t->dims[axis] + (layout == SPACED);
    }
    int64_t room = step + 5;
    if (layout == SPACED) offset = 2;
    for (int k = 0; layout == BACKWARDS && k < rank; k++) {
        offset += (t->dims[k] > 0 ? t->dims[k] - 1 : 0) * stride[k];
        stride[k] = -stride[k];
    }
    ad_tensor *store = ad_tensor_full(ctx, (ad_dtype)t->dtype, 1, &room, NAN);
    ad_tensor *view = ad_tensor_view(ctx, store, offset, rank, t->dims, stride, t->asked);
    ad_tensor_read(t, x);
    int64_t index[AD_MAX_RANK] = {0};
    for (int64_t i = 0; i < t->size; i++) {
        ad_tensor_set(view, index, x[i]);
        for (int k = rank - 1; k >= 0 && ++index[k] == t->dims[k]; k--) index[k] = 0;
    }
    ad_tensor_release(ctx, store);
    return ad_wrap(view);
}

/* A call with every tensor replaced. */
static ad_value one_replaced(ad_ctx *ctx, ad_value v, bool symmetric, int layout, ad_dtype dtype) {
    ad_value own = ad_retain(ctx, v), out;
    if (symmetric) {
        ad_release(ctx, own);
        domain_symmetric(ctx, v, &own);
    }
    if (layout < LAYOUTS)
        out = laid_out(ctx, own, (enum layout)layout);
    else
        out = ad_wrap(ad_tensor_cast(ctx, own.tensor, dtype));
    ad_release(ctx, own);
    return out;
}

static void replaced(ad_ctx *ctx, const domain_call *c, int layout, ad_dtype dtype,
                     domain_call *out) {
    *out = *c;
    for (int k = 0; k < AD_MAX_ARGS; k++)
        if (c->args[k].given) {
            if (c->args[k].ints) out->args[k].ints = out->ints[k];
            if (c->args[k].text) out->args[k].text = out->text[k];
        }
    for (int i = 0; i < c->n; i++) {
        out->symmetric[i] = false;
        if (c->in[i].kind != AD_TENSOR) continue;
        out->in[i] =
            one_replaced(ctx, c->in[i], c->symmetric[i], layout, c->fixed[i] ? AD_F64 : dtype);
    }
}

static void compare_layouts(ad_ctx *ctx, const domain_call *c, edges_result *r) {
    static outcome plain, view;
    plain = view = (outcome){.ctx = ctx, .factor = 1};
    for (int k = 0; k < ad_op_info(c->op)->results; k++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (int tangent = 0; tangent < 2; tangent++) {
                domain_call other, same;
                replaced(ctx, c, layout, AD_F64, &other);
                replaced(ctx, c, LAYOUTS, AD_F64, &same);
                ad_status s = outcome_of(&same, k, tangent, &plain);
                if (s == AD_OK) s = outcome_of(&other, k, tangent, &view);
                if (s != AD_OK)
                    edges_fail(r, ad_last_error(ctx)->message, NAN, NAN);
                else
                    compare(r, "of a view", &view, &plain, 1e-13);
                domain_release(ctx, &other);
                domain_release(ctx, &same);
            }
}

typedef void call_check(ad_ctx *ctx, const domain_call *c, edges_result *r);

static void each_case(ad_ctx *ctx, ad_op op, call_check *f, edges_result *r) {
    for (int i = 0; i < domain_cases(op); i++) {
        domain_call c;
        if (!domain_make(ctx, op, i, 77, true, &c)) continue;
        if (!c.declared) f(ctx, &c, r);
        domain_release(ctx, &c);
    }
}

void edges_views(ad_ctx *ctx, ad_op op, edges_result *r) { each_case(ctx, op, compare_layouts, r); }

/* ---- single precision ----------------------------------------------------------------------- */

static bool any_tensor(const domain_call *c, bool fixed) {
    for (int i = 0; i < c->n; i++)
        if (c->in[i].kind == AD_TENSOR && c->fixed[i] == fixed) return true;
    return false;
}

/* Results that hold numbers of the operands' type: not truths, counts or positions. */
static bool keeps_type(const domain_call *c, int result) {
    return !any_tensor(c, true) && c->op != AD_OPID_f64 &&
           !(ad_op_info(c->op)->flags & AD_ROW_ZERO) && !(c->op == AD_OPID_topk && result == 1);
}

static void compare_precisions(ad_ctx *ctx, const domain_call *c, edges_result *r) {
    static outcome single, wide;
    single = wide = (outcome){.ctx = ctx, .factor = 1};
    if (!any_tensor(c, false)) return;
    for (int k = 0; k < ad_op_info(c->op)->results; k++)
        for (int tangent = 0; tangent < 2; tangent++) {
            domain_call narrow, same;
            replaced(ctx, c, LAYOUTS, AD_F32, &narrow);
            replaced(ctx, &narrow, LAYOUTS, AD_F64, &same);
            ad_status s = outcome_of(&same, k, tangent, &wide);
            if (s == AD_OK) s = outcome_of(&narrow, k, tangent, &single);
            if (s != AD_OK)
                edges_fail(r, ad_last_error(ctx)->message, NAN, NAN);
            else
                compare(r, "in single precision", &single, &wide, 1e-4);
            if (s == AD_OK && !single.narrow && keeps_type(c, k))
                edges_fail(r, "the type of a result or a gradient", AD_F64, AD_F32);
            domain_release(ctx, &narrow);
            domain_release(ctx, &same);
        }
}

void edges_single(ad_ctx *ctx, ad_op op, edges_result *r) {
    each_case(ctx, op, compare_precisions, r);
}

/* ---- axes of 0 and 1 ------------------------------------------------------------------------ */

static void check_sized(ad_ctx *ctx, const domain_call *c, edges_result *r) {
    static outcome o;
    orders_result orders = {0};
    for (int k = 0; k < ad_op_info(c->op)->results; k++)
        for (int tangent = 0; tangent < 2; tangent++) {
            o = (outcome){.ctx = ctx, .factor = 1};
            ad_status s = outcome_of(c, k, tangent, &o);
            if (s != AD_OK && !*ad_last_error(ctx)->message)
                edges_fail(r, "an error without a message", NAN, NAN);
            if (s != AD_OK) {
                r->refused++;
                return;
            }
            r->points += 1 + o.count;
            if (!o.shaped) edges_fail(r, "a gradient has not the shape of its operand", NAN, NAN);
        }
    orders_check_call(ctx, c, 2, &orders);
    if (orders.failures) edges_fail(r, orders.why, NAN, NAN);
}

/* Derivative rules alone call the internal rows, with attributes that fit the sizes. */
void edges_sizes(ad_ctx *ctx, ad_op op, edges_result *r) {
    if (ad_op_info(op)->flags & AD_ROW_INTERNAL) return;
    static const int64_t from[] = {2, 3, 4, 5, 6, 7, 9, 10, 11, 12};
    for (int i = 0; i < domain_cases(op); i++)
        for (size_t k = 0; k < sizeof from / sizeof *from; k++)
            for (int64_t to = 0; to < 2; to++) {
                domain_call c;
                if (!domain_make_sized(ctx, op, i, 5, true, from[k], to, &c)) continue;
                if (!c.declared && c.sized) check_sized(ctx, &c, r);
                domain_release(ctx, &c);
            }
}

/* ---- elements at the edges ------------------------------------------------------------------ */

static const double fills[][6] = {{0, 0, 0, 0, 0, 0},
                                  {1, 1, 1, 1, 1, 1},
                                  {0, 1, 0, 1, 1, 0},
                                  {-1, 1, 0, -1, 1, 0},
                                  {2, 2, -3, 2, -3, -3},
                                  {INFINITY, 1, 0, 1, 2, 0},
                                  {-INFINITY, 0, 1, -INFINITY, 0, 2},
                                  {INFINITY, -INFINITY, 0, 1, -1, 0},
                                  {NAN, 1, 0, 2, 0, 1},
                                  {1e300, -1e300, 0, 1, 1e-300, 2}};
enum { FILLS = sizeof fills / sizeof *fills, FINITE_FILLS = 5 };

static void fill_operands(ad_ctx *ctx, domain_call *c, int fill) {
    for (int i = 0; i < c->n; i++) {
        if (c->fixed[i]) continue;
        if (c->in[i].kind != AD_TENSOR) {
            c->in[i] = ad_number(fills[fill][i]);
            continue;
        }
        ad_tensor *t = ad_tensor_copy(ctx, c->in[i].tensor);
        for (int64_t k = 0; k < t->size; k++) ((double *)t->data)[k] = fills[fill][(k + i) % 6];
        ad_release(ctx, c->in[i]);
        c->in[i] = ad_wrap(t);
    }
}

static bool allowed(ad_status s) {
    return s == AD_ERR_NUMERIC || s == AD_ERR_DEGENERATE || s == AD_ERR_ARGUMENT;
}

/* A zero adjoint and a zero tangent contribute exactly 0, whatever the operands are. */
static void check_zeros(ad_ctx *ctx, const domain_call *c, int k, edges_result *r) {
    static outcome zero;
    for (int tangent = 0; tangent < 2; tangent++) {
        zero = (outcome){.ctx = ctx, .factor = 0};
        ad_status s = outcome_of(c, k, tangent, &zero);
        if (s != AD_OK) {
            r->refused++;
            if (!allowed(s)) edges_fail(r, ad_last_error(ctx)->message, NAN, NAN);
            continue;
        }
        int64_t results = zero.count;
        ad_value in[AD_MAX_OPERANDS];
        for (int i = 0, n = domain_varying(c, in); i < n && !tangent; i++)
            results -= in[i].kind == AD_TENSOR ? in[i].tensor->size : 1;
        for (int64_t i = tangent ? zero.count / 2 : results; i < zero.count; i++) {
            r->points++;
            if (zero.x[i] != 0)
                edges_fail(r, tangent ? "a zero tangent gave" : "a zero adjoint gave", zero.x[i],
                           0);
        }
    }
}

static void check_filled(ad_ctx *ctx, const domain_call *c, int fill, edges_result *r) {
    for (int k = 0; k < ad_op_info(c->op)->results; k++) check_zeros(ctx, c, k, r);
    if (fill >= FINITE_FILLS) return;
    orders_result pairs = {0};
    orders_pair_call(ctx, c, &pairs);
    r->points += pairs.pairings;
    if (pairs.failures) edges_fail(r, pairs.why, NAN, NAN);
}

void edges_tensor(ad_ctx *ctx, ad_op op, edges_result *r) {
    for (int i = 0; i < domain_cases(op); i++)
        for (int fill = 0; fill < FILLS; fill++) {
            domain_call c;
            if (!domain_make(ctx, op, i, 5, true, &c)) continue;
            fill_operands(ctx, &c, fill);
            check_filled(ctx, &c, fill, r);
            domain_release(ctx, &c);
        }
}
