/* SPDX-License-Identifier: MIT */
/* orders.c - the derivative of order k is that of a number: results and gradients are weighed with
 * weights that no symmetry cancels and added up, and the gradient of that number is the next order.
 * Each order is compared with differences of the order below; and at each order the forward sweep
 * must agree with the reverse sweep. The weights are unlike those of src/check.c. */
#include "orders.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double weight(int64_t i) {
    double x = 0.7548776662466927 * (double)(i + 1);
    return (i % 3 ? 1 : -1) * (0.4 + (x - floor(x)));
}

ad_status orders_weights(ad_ctx *ctx, ad_value v, int64_t first, ad_value *out) {
    *out = ad_number(weight(first));
    if (v.kind != AD_TENSOR) return AD_OK;
    const ad_tensor *t = v.tensor;
    ad_tensor *w = ad_tensor_new(ctx, t->dtype == AD_F32 ? AD_F32 : AD_F64, t->rank, t->dims);
    if (!w) return AD_ERR_MEMORY;
    for (int64_t i = 0; i < w->size; i++) {
        if (w->dtype == AD_F32)
            ((float *)w->data)[i] = (float)weight(first + i);
        else
            ((double *)w->data)[i] = weight(first + i);
    }
    *out = ad_wrap(w);
    return AD_OK;
}

/* Σ w v as recorded operations; `v` is released. */
static ad_status weigh(ad_ctx *ctx, ad_value v, int64_t first, ad_value *sum) {
    ad_value w, product;
    ad_status s = orders_weights(ctx, v, first, &w);
    if (s == AD_OK) {
        s = ad_apply(ctx, AD_OP_MUL, 0, 2, (const ad_value[]){v, w}, NULL, &product);
        ad_release(ctx, w);
    }
    if (s == AD_OK) {
        s = ad_apply(ctx, AD_OPID_sum, 0, 1, &product, NULL, sum);
        ad_release(ctx, product);
    }
    ad_release(ctx, v);
    return s;
}

/* A row, weighed, and differentiated `order` times. */
typedef struct weighed {
    domain_function row;
    int order, n;
} weighed;

static ad_status leaves(ad_ctx *ctx, int n, const ad_value *in, ad_value *leaf) {
    for (int i = 0; i < n; i++) {
        ad_status s = ad_leaf(ctx, in[i], 0, 0, &leaf[i]);
        if (s == AD_OK) continue;
        while (i--) ad_release(ctx, leaf[i]);
        return s;
    }
    return AD_OK;
}

/* The gradient of a number, zeros where it depends on nothing. */
static ad_status gradient(ad_ctx *ctx, ad_value y, int n, const ad_value *leaf, ad_value *grad) {
    if (y.node) return ad_vjp(ctx, 1, &y, NULL, n, leaf, AD_GRAD_OWN, 0, grad);
    for (int i = 0; i < n; i++) grad[i] = ad_number(0);
    return AD_OK;
}

static ad_status total(ad_ctx *ctx, int n, ad_value *grad, ad_value *out) {
    ad_status s = AD_OK;
    *out = ad_number(0);
    for (int i = 0; i < n; i++) {
        ad_value part, sum;
        if (s != AD_OK) {
            ad_release(ctx, grad[i]);
            continue;
        }
        s = weigh(ctx, grad[i], 100 * i + 7, &part);
        if (s != AD_OK) continue;
        s = ad_apply2(ctx, AD_OP_ADD, 0, *out, part, &sum);
        ad_release(ctx, part);
        ad_release(ctx, *out);
        *out = s == AD_OK ? sum : ad_number(0);
    }
    return s;
}

static ad_status evaluate(ad_ctx *ctx, void *user, const ad_value *in, ad_value *out) {
    const weighed *f = user;
    ad_value leaf[AD_MAX_OPERANDS], grad[AD_MAX_OPERANDS], y;
    if (f->order == 0) {
        ad_status s = domain_apply(ctx, (void *)&f->row, in, &y);
        return s == AD_OK ? weigh(ctx, y, 0, out) : s;
    }
    weighed below = {f->row, f->order - 1, f->n};
    ad_status s = leaves(ctx, f->n, in, leaf);
    if (s != AD_OK) return s;
    s = evaluate(ctx, &below, leaf, &y);
    if (s == AD_OK) {
        s = gradient(ctx, y, f->n, leaf, grad);
        ad_release(ctx, y);
        if (s == AD_OK) s = total(ctx, f->n, grad, out);
    }
    for (int i = 0; i < f->n; i++) ad_release(ctx, leaf[i]);
    return s;
}

/* ---- forward against reverse -------------------------------------------------------------- */

static void fail(orders_result *r, const char *what, double got, double expected) {
    if (!r->failures++)
        snprintf(r->why, sizeof r->why, "%.300s: got %.17g, expected %.17g", what, got, expected);
}

/* ⟨a, b⟩, and the sum of the sizes of its terms. */
static double pairing(ad_value a, ad_value b, double *size) {
    double sum = 0, x[4096], y[4096];
    if (a.kind != AD_TENSOR || b.kind != AD_TENSOR) {
        x[0] = a.kind == AD_TENSOR ? NAN : a.num;
        y[0] = b.kind == AD_TENSOR ? NAN : b.num;
        *size += fabs(x[0] * y[0]);
        return x[0] * y[0];
    }
    if (a.tensor->size != b.tensor->size || a.tensor->size > 4096) return NAN;
    ad_tensor_read(a.tensor, x);
    ad_tensor_read(b.tensor, y);
    for (int64_t i = 0; i < a.tensor->size; i++) {
        sum += x[i] * y[i];
        *size += fabs(x[i] * y[i]);
    }
    return sum;
}

/* `size` is that of the terms, and 2e-3 stands for what cancelled in them: operands and weights are
 * of order 1, and a derivative that is 0 (the second one of a number's norm) leaves some 1e-16; ten
 * times that of higher orders. */
static void compare_pairings(orders_result *r, double forward, double reverse, double size,
                             double within) {
    r->pairings++;
    if (forward == reverse || !isfinite(size)) return;
    double error = fabs(forward - reverse) / size;
    if (!(error <= r->apart)) r->apart = error;
    if (!(error <= within)) fail(r, "forward <u, Jv>, reverse <J'u, v>", forward, reverse);
}

static void release_all(ad_ctx *ctx, int n, const ad_value *v) {
    for (int i = 0; i < n; i++) ad_release(ctx, v[i]);
}

/* Both pairings, with all that they are made of let go; sizes of terms are added to `size`. */
static ad_status both_pairings(ad_ctx *ctx, ad_value y, int n, const ad_value *leaf,
                               double *forward, double *reverse, double *size) {
    ad_value u, v[AD_MAX_OPERANDS], grad[AD_MAX_OPERANDS], dy;
    int made = 0;
    ad_status s = orders_weights(ctx, y, 31, &u);
    if (s != AD_OK) return s;
    for (; made < n && s == AD_OK; made++)
        if ((s = orders_weights(ctx, leaf[made], 50 * made + 3, &v[made])) != AD_OK) break;
    if (s == AD_OK && (s = ad_vjp(ctx, 1, &y, &u, n, leaf, AD_GRAD_OWN, 0, grad)) == AD_OK) {
        for (int i = 0; i < n; i++) *reverse += pairing(grad[i], v[i], size);
        release_all(ctx, n, grad);
    }
    if (s == AD_OK && (s = ad_jvp(ctx, n, leaf, v, 1, &y, AD_GRAD_OWN, 0, &dy)) == AD_OK) {
        *forward += pairing(u, dy, size);
        ad_release(ctx, dy);
    }
    release_all(ctx, made, v);
    ad_release(ctx, u);
    return s;
}

/* y tracked, made from the leaves. */
static void pair_up(ad_ctx *ctx, ad_value y, int n, const ad_value *leaf, double within,
                    orders_result *r) {
    double forward = 0, reverse = 0, size = within < 1e-11 ? 2e-3 : 2e-2;
    ad_status s = both_pairings(ctx, y, n, leaf, &forward, &reverse, &size);
    if (s != AD_OK) {
        if (s == AD_ERR_DEGENERATE || s == AD_ERR_NUMERIC)
            r->refused++;
        else
            fail(r, ad_last_error(ctx)->message, NAN, NAN);
        return;
    }
    bool narrow = leaf[0].kind == AD_TENSOR && leaf[0].tensor->dtype == AD_F32;
    compare_pairings(r, forward, reverse, size, narrow ? 2e-5 : within);
}

/* J of the row itself, and of its gradient: forward over reverse, where powers of a small pivot (of
 * qr's R) are larger than what their sum leaves: 1e-10 for those. */
static void check_forward(ad_ctx *ctx, const weighed *f, const ad_value *in, orders_result *r) {
    ad_value leaf[AD_MAX_OPERANDS], y;
    ad_status s = leaves(ctx, f->n, in, leaf);
    if (s == AD_OK)
        s = f->order ? evaluate(ctx, (void *)f, leaf, &y)
                     : domain_apply(ctx, (void *)&f->row, leaf, &y);
    if (s != AD_OK) {
        fail(r, ad_last_error(ctx)->message, NAN, NAN);
        return;
    }
    if (y.node) pair_up(ctx, y, f->n, leaf, f->order ? 1e-10 : 1e-12, r);
    ad_release(ctx, y);
    for (int i = 0; i < f->n; i++) ad_release(ctx, leaf[i]);
}

/* ---- differences -------------------------------------------------------------------------- */

/* The neighbours of a singular matrix, at a distance h, go through their inverses, of size 1/h: what
 * cancels there leaves ε/h² in det's second derivative, and a difference quotient of it ε/h³. */
static double within(const weighed *f) {
    return f->order == 2 && f->row.call->op == AD_OPID_det ? 1e-4 : 1e-6;
}

static void check_order(ad_ctx *ctx, const weighed *f, const ad_value *in, orders_result *r) {
    ad_check_report report;
    bool passed;
    ad_status s = ad_check_gradient(ctx, evaluate, (void *)f, f->n, in, within(f), &passed, &report);
    char what[400];
    if (s != AD_OK) {
        snprintf(what, sizeof what, "order %d: %.300s", f->order + 1, ad_last_error(ctx)->message);
        fail(r, what, NAN, NAN);
        return;
    }
    r->points[f->order] += report.points;
    r->worst[f->order] = fmax(r->worst[f->order], report.worst);
    snprintf(what, sizeof what, "order %d at %.17g", f->order + 1, report.at);
    if (!passed) fail(r, what, report.got, report.expected);
}

void orders_check_call(ad_ctx *ctx, const domain_call *c, int order, orders_result *r) {
    ad_value in[AD_MAX_OPERANDS];
    int n = domain_varying(c, in);
    for (int k = 0; n && k < ad_op_info(c->op)->results; k++)
        for (int i = 0; i < order; i++) {
            weighed f = {{c, k}, i, n};
            check_order(ctx, &f, in, r);
            check_forward(ctx, &f, in, r);
        }
}

void orders_pair_call(ad_ctx *ctx, const domain_call *c, orders_result *r) {
    ad_value in[AD_MAX_OPERANDS], y;
    int n = domain_varying(c, in);
    for (int k = 0; n && k < ad_op_info(c->op)->results; k++) {
        weighed f = {{c, k}, 0, n};
        if (domain_apply(ctx, &f.row, in, &y) != AD_OK) continue;
        ad_release(ctx, y);
        check_forward(ctx, &f, in, r);
    }
}

void orders_check(ad_ctx *ctx, ad_op op, int order, uint64_t seed, orders_result *r) {
    bool elementwise = ad_op_info(op)->flags & AD_ROW_ELEMENTWISE;
    for (int i = 0; i < domain_cases(op); i++)
        for (int tensors = elementwise ? 0 : 1; tensors < 2; tensors++) {
            domain_call c;
            if (!domain_make(ctx, op, i, seed, tensors, &c)) {
                fail(r, "the domain is not understood", NAN, NAN);
                continue;
            }
            if (!c.declared) orders_check_call(ctx, &c, order, r);
            domain_release(ctx, &c);
        }
}
