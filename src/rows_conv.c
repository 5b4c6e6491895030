/* SPDX-License-Identifier: MIT */
/* rows_conv.c - conv1d, conv2d and pooling, in PyTorch's layout: images [N, C, H, W], kernels
 * [O, C, kh, kw]; without N too; 1-d: [N, C, L] and [O, C, k], images of one line.
 *
 * The derivatives of a convolution are its two transposes, rows of their own on images of full rank
 * (`conv2d_input`, `conv2d_weight`, and `conv2dz` with strong zeros); these three are each other's
 * derivatives. Pools are reductions over `windows2d`, an overlapping view, whose transpose adds. */
#include "kernel_conv.h"
#include "kernel_matmul.h"
#include "kernel_reduce.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* ---- geometry ----------------------------------------------------------------------------- */

/* One number for both axes, or two; in one dimension only the last counts. */
static ad_status pair(const ad_call *c, int k, int64_t otherwise, int64_t least, bool flat,
                      const char *name, int64_t out[2]) {
    int64_t first = ad_arg_int(c->args, k, otherwise);
    bool two = ad_arg_given(c->args, k) && c->args[k].ints != NULL && c->args[k].count == 2;
    out[0] = flat ? (least > 0 ? 1 : 0) : first;
    out[1] = two ? c->args[k].ints[1] : first;
    if (out[0] >= least && out[1] >= least) return AD_OK;
    return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "%s must be at least %lld", name, (long long)least);
}

/* Images and kernels as [N, C, H, W] and [O, C, kh, kw]. */
static ad_type full_rank(const ad_type *t, bool flat) {
    int64_t dims[4] = {1, 1, 1, 1};
    int rank = flat ? 3 : 4, lead = rank - t->rank;
    for (int i = 0; i < t->rank; i++) {
        int at = i + lead;
        dims[flat && at == 2 ? 3 : at] = t->dims[i];
    }
    return ad_type_make((ad_dtype)t->dtype, 4, dims);
}

static ad_status conv_misfit(const ad_call *c, const ad_type *in, const char *why) {
    char x[AD_SHAPE_TEXT], w[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 1, "images %s and kernels %s: %s", ad_type_text(&in[0], x),
                   ad_type_text(&in[1], w), why);
}

static ad_status geometry(const ad_call *c, const ad_type *in, bool flat, ad_conv *g) {
    int rank = flat ? 3 : 4;
    if (in[1].rank != rank || (in[0].rank != rank && in[0].rank != rank - 1))
        return conv_misfit(c, in,
                           flat ? "wanted are [N, C, L] and [O, C, k]"
                                : "wanted are [N, C, H, W] and [O, C, kh, kw]");
    ad_type x = full_rank(&in[0], flat), w = full_rank(&in[1], flat);
    *g = (ad_conv){.n = x.dims[0],
                   .c = x.dims[1],
                   .h = x.dims[2],
                   .w = x.dims[3],
                   .o = w.dims[0],
                   .kh = w.dims[2],
                   .kw = w.dims[3]};
    if (w.dims[1] != g->c) {
        conv_misfit(c, in, "the channels must be equal");
        ad_hint(c->ctx, "the images have %lld channels (axis %d), but the kernels are for %lld (axis 1)",
                (long long)g->c, in[0].rank - (flat ? 2 : 3), (long long)w.dims[1]);
        return AD_ERR_SHAPE;
    }
    ad_status s = pair(c, 0, 1, 1, flat, "the stride", g->stride);
    if (s == AD_OK) s = pair(c, 1, 0, 0, flat, "the padding", g->padding);
    if (s) return s;
    if (g->kh > g->h + 2 * g->padding[0] || g->kw > g->w + 2 * g->padding[1] || g->kh * g->kw == 0)
        return conv_misfit(c, in, "the kernel does not fit into the image");
    g->oh = (g->h + 2 * g->padding[0] - g->kh) / g->stride[0] + 1;
    g->ow = (g->w + 2 * g->padding[1] - g->kw) / g->stride[1] + 1;
    return AD_OK;
}

static ad_status conv_shape(const ad_call *c, const ad_type *in, bool flat, ad_type *out) {
    ad_conv g;
    ad_status s = geometry(c, in, flat, &g);
    if (s) return s;
    *out = in[0];
    out->asked = 0;
    out->dtype = (uint8_t)ad_float_dtype(2, in);
    int last = in[0].rank - 1;
    out->dims[last] = g.ow;
    if (!flat) out->dims[last - 1] = g.oh;
    out->dims[flat ? last - 1 : last - 2] = g.o;
    return AD_OK;
}

AD_SHAPE(ad_shape_conv1d) { return conv_shape(c, in, true, out); }
AD_SHAPE(ad_shape_conv2d) { return conv_shape(c, in, false, out); }

/* attributes: stride, padding, shape of the result, strong */
AD_SHAPE(ad_shape_conv_open) {
    if (c->args[2].count != 4) return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "the shape has 4 sizes");
    *out = ad_type_make(ad_float_dtype(2, in), 4, c->args[2].ints);
    return AD_OK;
}

/* ---- values ------------------------------------------------------------------------------- */

static ad_status run_open(const ad_call *c, const ad_conv *g, ad_conv_open open, int strong,
                          const ad_type *type, ad_value *out) {
    ad_type wide = *type;
    wide.dtype = AD_F64;
    ad_tensor *a = ad_tensor_as(c->ctx, c->in[0], AD_F64),
              *b = ad_tensor_as(c->ctx, c->in[1], AD_F64);
    ad_tensor *y = ad_result_new(c->ctx, &wide), *cast = NULL;
    ad_status s = ad_failed(c->ctx);
    if (a != NULL && b != NULL && y != NULL)
        s = ad_conv_run(c->ctx, g, open, a->data, b->data, strong, y->data);
    if (s == AD_OK) cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
    ad_tensor_release(c->ctx, a);
    ad_tensor_release(c->ctx, b);
    ad_tensor_release(c->ctx, y);
    return s ? s : ad_result(c->ctx, type, cast, out);
}

static ad_status run_conv(const ad_call *c, bool flat, int strong, const ad_type *type,
                          ad_value *out) {
    ad_conv g;
    ad_type in[2] = {ad_type_of(c->in[0]), ad_type_of(c->in[1])};
    ad_status s = geometry(c, in, flat, &g);
    return s ? s : run_open(c, &g, AD_CONV_OUTPUT, strong, type, out);
}

AD_RUN(ad_run_conv1d) { return run_conv(c, true, 0, type, out); }
AD_RUN(ad_run_conv2d) { return run_conv(c, false, 0, type, out); }
AD_RUN(ad_run_conv2dz) { return run_conv(c, false, (int)ad_arg_int(c->args, 2, 0), type, out); }

/* For the transposes: x and w from a known shape and an operand, y is operand 0. */
static ad_conv open_geometry(const ad_call *c, const int64_t *x, const int64_t *w,
                             const int64_t *y) {
    ad_conv g = {.n = x[0],
                 .c = x[1],
                 .h = x[2],
                 .w = x[3],
                 .o = w[0],
                 .kh = w[2],
                 .kw = w[3],
                 .oh = y[2],
                 .ow = y[3]};
    pair(c, 0, 1, 1, false, "", g.stride);
    pair(c, 1, 0, 0, false, "", g.padding);
    return g;
}

AD_RUN(ad_run_conv2d_input) {
    ad_conv g = open_geometry(c, type->dims, c->in[1].tensor->dims, c->in[0].tensor->dims);
    return run_open(c, &g, AD_CONV_INPUT, (int)ad_arg_int(c->args, 3, 0), type, out);
}

AD_RUN(ad_run_conv2d_weight) {
    ad_conv g = open_geometry(c, c->in[1].tensor->dims, type->dims, c->in[0].tensor->dims);
    return run_open(c, &g, AD_CONV_WEIGHT, (int)ad_arg_int(c->args, 3, 0), type, out);
}

/* ---- derivatives of convolutions ---------------------------------------------------------- */

/* The stride and padding of a rule as pairs, its values at full rank, and the strong zeros of
 * the product that is differentiated (a bit an operand). */
typedef struct conv_rule {
    ad_rule *r;
    bool flat;
    int strong;
    int64_t stride[2], padding[2];
    ad_type x, w;
} conv_rule;

static conv_rule conv_begin(ad_rule *r, bool flat, int strong_arg, const ad_type *x,
                            const ad_type *w) {
    ad_call call = {.ctx = r->ctx, .row = r->row, .args = r->args};
    conv_rule k = {.r = r, .flat = flat, .strong = (int)ad_arg_int(r->args, strong_arg, 0)};
    if (pair(&call, 0, 1, 1, flat, "", k.stride) || pair(&call, 1, 0, 0, flat, "", k.padding))
        return k;
    k.x = full_rank(x, flat);
    k.w = full_rank(w, flat);
    return k;
}

static ad_value conv_op(conv_rule *k, ad_op op, ad_value a, ad_value b, const ad_type *shape,
                        int strong) {
    ad_value in[2] = {a, b};
    ad_arg args[AD_MAX_ARGS] = {ad_ints(2, k->stride), ad_ints(2, k->padding)};
    if (shape != NULL) args[2] = ad_ints(4, shape->dims);
    args[shape != NULL ? 3 : 2] = ad_num(strong);
    return ad_rule_op(k->r, op, 2, in, args);
}

static ad_value wide(conv_rule *k, ad_value v) {
    ad_type t = ad_rule_type(k->r, v);
    if (k->r->status) return v;
    t = full_rank(&t, k->flat);
    return ad_rule_reshape(k->r, v, &t);
}

/* How a cotangent or tangent v of operand `own` meets the other operand: by `op`, as its first
 * or second operand, with a result of the shape. */
typedef struct meeting {
    int own;
    ad_op op;
    bool first;
    const ad_type *shape;
} meeting;

static ad_value meet(conv_rule *k, const meeting *m, ad_value v, ad_value other) {
    int strong = m->first ? AD_STRONG_A : AD_STRONG_B;
    if (k->strong >> (1 - m->own) & 1) strong = AD_STRONG_A | AD_STRONG_B;
    return m->first ? conv_op(k, m->op, v, other, m->shape, strong)
                    : conv_op(k, m->op, other, v, m->shape, strong);
}

static bool hid_something(const conv_rule *k, const meeting *m, ad_value other) {
    return (k->strong >> m->own & 1) && ad_has_nonfinite(other);
}

static ad_value conv_pull(conv_rule *k, ad_value adj, meeting m) {
    ad_rule *r = k->r;
    ad_value other = wide(k, r->in[1 - m.own]), g = meet(k, &m, adj, other);
    if (!hid_something(k, &m, other)) return g;
    ad_value part = meet(k, &m, adj, ad_rule_finite(r, other));
    return ad_rule_where_zero(r, wide(k, r->in[m.own]), part, g);
}

static ad_value conv_push(conv_rule *k, meeting m) {
    ad_rule *r = k->r;
    ad_value other = wide(k, r->in[1 - m.own]), t = wide(k, r->tan[m.own]), zero = ad_number(0.0);
    if (!hid_something(k, &m, other)) return meet(k, &m, t, other);
    ad_value own = wide(k, r->in[m.own]), live = ad_rule_where_zero(r, own, zero, t);
    ad_value dead = ad_rule_where_zero(r, own, t, zero);
    return ad_rule_op2(r, AD_OP_ADD, meet(k, &m, live, other),
                       meet(k, &m, dead, ad_rule_finite(r, other)));
}

static void vjp_conv(ad_rule *r, bool flat) {
    conv_rule k = conv_begin(r, flat, 2, &r->in_type[0], &r->in_type[1]);
    ad_value g = wide(&k, r->adj[0]);
    if (r->need[0]) {
        ad_value gx = conv_pull(&k, g, (meeting){0, AD_OPID_conv2d_input, true, &k.x});
        ad_rule_give(r, 0, ad_rule_reshape(r, gx, &r->in_type[0]));
    }
    if (r->need[1]) {
        ad_value gw = conv_pull(&k, g, (meeting){1, AD_OPID_conv2d_weight, true, &k.w});
        ad_rule_give(r, 1, ad_rule_reshape(r, gw, &r->in_type[1]));
    }
}

static void jvp_conv(ad_rule *r, bool flat) {
    conv_rule k = conv_begin(r, flat, 2, &r->in_type[0], &r->in_type[1]);
    for (int i = 0; i < 2; i++) {
        if (!r->need[i]) continue;
        ad_value y = conv_push(&k, (meeting){i, AD_OPID_conv2dz, i == 0, NULL});
        ad_rule_give(r, 0, ad_rule_reshape(r, y, &r->out_type[0]));
    }
}

AD_RULE(ad_vjp_conv1d) { vjp_conv(r, true); }
AD_RULE(ad_jvp_conv1d) { jvp_conv(r, true); }
AD_RULE(ad_vjp_conv2d) { vjp_conv(r, false); }
AD_RULE(ad_jvp_conv2d) { jvp_conv(r, false); }

/* Of (y, w) → x, with the cotangent h of x's shape. */
AD_RULE(ad_vjp_conv2d_input) {
    conv_rule k = conv_begin(r, false, 3, &r->out_type[0], &r->in_type[1]);
    ad_value h = r->adj[0];
    if (r->need[0])
        ad_rule_give(r, 0, conv_pull(&k, h, (meeting){0, AD_OPID_conv2dz, true, NULL}));
    if (r->need[1])
        ad_rule_give(r, 1, conv_pull(&k, h, (meeting){1, AD_OPID_conv2d_weight, false, &k.w}));
}

/* Of (y, x) → w, with the cotangent h of w's shape. */
AD_RULE(ad_vjp_conv2d_weight) {
    conv_rule k = conv_begin(r, false, 3, &r->in_type[1], &r->out_type[0]);
    ad_value h = r->adj[0];
    if (r->need[0])
        ad_rule_give(r, 0, conv_pull(&k, h, (meeting){0, AD_OPID_conv2dz, false, NULL}));
    if (r->need[1])
        ad_rule_give(r, 1, conv_pull(&k, h, (meeting){1, AD_OPID_conv2d_input, false, &k.x}));
}

/* Bilinear: the row itself, once with each tangent. */
AD_RULE(ad_jvp_conv_open) {
    conv_rule k = conv_begin(r, false, 3, &r->out_type[0], &r->out_type[0]);
    ad_op op = (ad_op)(r->row - ad_rows);
    for (int i = 0; i < 2; i++)
        if (r->need[i])
            ad_rule_give(r, 0, conv_push(&k, (meeting){i, op, i == 0, &r->out_type[0]}));
}

/* ---- windows ------------------------------------------------------------------------------ */

/* attributes: size, stride; x [.., H, W] → [.., OH, OW, kh, kw] */
AD_SHAPE(ad_shape_windows2d) {
    int64_t size[2], stride[2];
    int m = in->rank - 2;
    ad_status s = pair(c, 0, 1, 1, false, "the window", size);
    if (s == AD_OK) s = pair(c, 1, size[0], 1, false, "the stride", stride);
    if (s) return s;
    if (m < 0 || in->rank + 2 > AD_MAX_RANK || in->dims[m] < size[0] || in->dims[m + 1] < size[1]) {
        char text[AD_SHAPE_TEXT];
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "windows of %lld by %lld do not fit into %s",
                       (long long)size[0], (long long)size[1], ad_type_text(in, text));
    }
    *out = *in;
    out->rank = (uint8_t)(in->rank + 2);
    out->asked = 0;
    for (int i = 0; i < 2; i++) {
        out->dims[m + i] = (in->dims[m + i] - size[i]) / stride[i] + 1;
        out->dims[m + 2 + i] = size[i];
    }
    return AD_OK;
}

static ad_tensor *windows(ad_ctx *ctx, ad_tensor *x, const ad_type *type, const int64_t *stride) {
    int m = x->rank - 2;
    int64_t strides[AD_MAX_RANK];
    memcpy(strides, ad_strides(x), sizeof(int64_t) * (size_t)x->rank);
    for (int i = 0; i < 2; i++) {
        strides[m + 2 + i] = ad_strides(x)[m + i];
        strides[m + i] = ad_strides(x)[m + i] * stride[i];
    }
    return ad_tensor_view(ctx, x, 0, type->rank, type->dims, strides, 0);
}

AD_RUN(ad_run_windows2d) {
    int64_t stride[2];
    ad_status s = pair(c, 1, type->dims[type->rank - 2], 1, false, "the stride", stride);
    return s ? s : ad_result(c->ctx, type, windows(c->ctx, c->in[0].tensor, type, stride), out);
}

AD_RULE(ad_vjp_windows2d) {
    ad_arg args[AD_MAX_ARGS] = {r->args[0], r->args[1]};
    args[2] = ad_ints(r->in_type[0].rank, r->in_type[0].dims);
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_windows2d_add, 1, &r->adj[0], args));
}

/* attributes: size, stride, shape of x */
AD_SHAPE(ad_shape_windows2d_add) {
    *out = ad_type_make(ad_float_dtype(1, in), c->args[2].count, c->args[2].ints);
    return AD_OK;
}

/* Adds window element (i, j) of all windows at once: these do not overlap. */
static ad_status add_windows(ad_ctx *ctx, ad_tensor *y, ad_tensor *w, const int64_t *stride) {
    const double *from = w->data;
    int m = y->rank - 2;
    int64_t oh = w->dims[m], ow = w->dims[m + 1], kh = w->dims[m + 2], kw = w->dims[m + 3];
    int64_t height = y->dims[m], width = y->dims[m + 1], planes = 1;
    for (int i = 0; i < m; i++) planes *= y->dims[i];
    for (int64_t n = 0; n < planes; n++) {
        double *plane = (double *)y->data + n * height * width;
        for (int64_t p = 0; p < oh; p++)
            for (int64_t q = 0; q < ow; q++)
                for (int64_t i = 0; i < kh; i++, from += kw)
                    for (int64_t j = 0; j < kw; j++)
                        plane[(p * stride[0] + i) * width + q * stride[1] + j] += from[j];
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

AD_RUN(ad_run_windows2d_add) {
    int64_t stride[2];
    ad_type wide_type = *type;
    wide_type.dtype = AD_F64;
    ad_status s = pair(c, 1, ad_arg_int(c->args, 0, 1), 1, false, "the stride", stride);
    if (s) return s;
    ad_tensor *w = ad_tensor_as(c->ctx, c->in[0], AD_F64), *y = ad_result_full(c->ctx, &wide_type, 0.0);
    ad_tensor *cast = NULL;
    s = w != NULL && y != NULL ? add_windows(c->ctx, y, w, stride) : ad_failed(c->ctx);
    if (s == AD_OK) cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
    ad_tensor_release(c->ctx, w);
    ad_tensor_release(c->ctx, y);
    return s ? s : ad_result(c->ctx, type, cast, out);
}

AD_RULE(ad_vjp_windows2d_add) {
    ad_arg args[AD_MAX_ARGS] = {r->args[0], r->args[1]};
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_windows2d, 1, &r->adj[0], args));
}

/* ---- pools -------------------------------------------------------------------------------- */

/* attributes: size, stride (the size if not given), padding */
typedef struct pool {
    int64_t size[2], stride[2], padding[2];
} pool;

static ad_status read_pool(const ad_call *c, pool *p) {
    ad_status s = pair(c, 0, 1, 1, false, "the window", p->size);
    if (s == AD_OK && ad_arg_given(c->args, 1))
        s = pair(c, 1, 1, 1, false, "the stride", p->stride);
    else
        memcpy(p->stride, p->size, sizeof p->size);
    if (s == AD_OK) s = pair(c, 2, 0, 0, false, "the padding", p->padding);
    if (s == AD_OK && (2 * p->padding[0] > p->size[0] || 2 * p->padding[1] > p->size[1]))
        s = ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "the padding is at most half the window");
    return s;
}

static ad_status pooled(const ad_call *c, const ad_type *in, const pool *p, ad_type *padded,
                        ad_type *cut, ad_type *out) {
    ad_arg args[AD_MAX_ARGS] = {ad_ints(2, p->size), ad_ints(2, p->stride)};
    ad_call inner = {.ctx = c->ctx, .row = c->row, .n = 1, .args = args};
    *padded = *in;
    for (int i = 0; i < 2 && in->rank >= 2; i++)
        padded->dims[in->rank - 2 + i] += 2 * p->padding[i];
    padded->dtype = (uint8_t)ad_float_dtype(1, in);
    ad_status s = ad_shape_windows2d(&inner, padded, cut);
    if (s) return s;
    *out = *cut;
    out->rank = (uint8_t)(cut->rank - 2);
    return AD_OK;
}

AD_SHAPE(ad_shape_pool2d) {
    pool p;
    ad_type padded, cut;
    ad_status s = read_pool(c, &p);
    return s ? s : pooled(c, in, &p, &padded, &cut, out);
}

static ad_tensor *padded_copy(ad_ctx *ctx, ad_tensor *x, const ad_type *padded, const pool *p,
                              double fill) {
    int m = x->rank - 2;
    ad_type wide_type = *padded;
    wide_type.dtype = AD_F64;
    ad_tensor *y = ad_result_full(ctx, &wide_type, fill);
    if (y == NULL) return NULL;
    int64_t offset = p->padding[0] * ad_strides(y)[m] + p->padding[1] * ad_strides(y)[m + 1];
    ad_tensor *in =
        ad_tensor_view(ctx, y, x->size > 0 ? offset : 0, x->rank, x->dims, ad_strides(y), 0);
    ad_status s = in != NULL ? ad_tensor_fill_from(ctx, in, x) : ad_failed(ctx);
    ad_tensor_release(ctx, in);
    if (s == AD_OK) return y;
    ad_tensor_release(ctx, y);
    return NULL;
}

static ad_status run_pool(const ad_call *c, bool max, const ad_type *type, ad_value *out) {
    pool p;
    ad_type in = ad_type_of(c->in[0]), padded, cut, ignored, wide_type = *type;
    ad_status s = read_pool(c, &p);
    if (s == AD_OK) s = pooled(c, &in, &p, &padded, &cut, &ignored);
    if (s) return s;
    wide_type.dtype = AD_F64;
    ad_tensor *x = padded_copy(c->ctx, c->in[0].tensor, &padded, &p, max ? -INFINITY : 0.0);
    ad_tensor *view = x != NULL ? windows(c->ctx, x, &cut, p.stride) : NULL;
    ad_tensor *y = view != NULL ? ad_result_new(c->ctx, &wide_type) : NULL, *cast = NULL;
    s = ad_failed(c->ctx);
    if (y != NULL)
        s = ad_reduce(c->ctx, max ? AD_RED_MAX : AD_RED_SUM, view, 3U << (cut.rank - 2), NULL,
                      y->data);
    for (int64_t i = 0; s == AD_OK && !max && i < y->size; i++)
        ((double *)y->data)[i] /= (double)(p.size[0] * p.size[1]);
    if (s == AD_OK) cast = ad_tensor_cast(c->ctx, y, (ad_dtype)type->dtype);
    ad_tensor_release(c->ctx, x);
    ad_tensor_release(c->ctx, view);
    ad_tensor_release(c->ctx, y);
    return s ? s : ad_result(c->ctx, type, cast, out);
}

AD_RUN(ad_run_max_pool2d) { return run_pool(c, true, type, out); }
AD_RUN(ad_run_avg_pool2d) { return run_pool(c, false, type, out); }

/* What the rules of pools share: the pool, types, and words. */
typedef struct pool_rule {
    ad_rule *r;
    pool p;
    ad_type padded, cut;
    bool ok;
} pool_rule;

static pool_rule pool_begin(ad_rule *r) {
    ad_call call = {.ctx = r->ctx, .row = r->row, .args = r->args};
    pool_rule k = {.r = r};
    ad_type ignored;
    k.ok = read_pool(&call, &k.p) == AD_OK &&
           pooled(&call, &r->in_type[0], &k.p, &k.padded, &k.cut, &ignored) == AD_OK;
    return k;
}

static ad_value cut_windows(pool_rule *k, ad_value x, double fill) {
    int64_t widths[2 * AD_MAX_RANK] = {0};
    int m = k->r->in_type[0].rank - 2;
    for (int i = 0; i < 2; i++) widths[2 * (m + i)] = widths[2 * (m + i) + 1] = k->p.padding[i];
    ad_arg pads[AD_MAX_ARGS] = {ad_ints(2 * (m + 2), widths), ad_num(fill)};
    ad_arg args[AD_MAX_ARGS] = {ad_ints(2, k->p.size), ad_ints(2, k->p.stride)};
    if (k->p.padding[0] != 0 || k->p.padding[1] != 0)
        x = ad_rule_op(k->r, AD_OPID_pad, 1, &x, pads);
    return ad_rule_op(k->r, AD_OPID_windows2d, 1, &x, args);
}

/* Adds windows up and takes the padding off. */
static ad_value join_windows(pool_rule *k, ad_value w) {
    ad_arg args[AD_MAX_ARGS] = {ad_ints(2, k->p.size), ad_ints(2, k->p.stride)};
    int m = k->padded.rank - 2;
    args[2] = ad_ints(k->padded.rank, k->padded.dims);
    ad_value x = ad_rule_op(k->r, AD_OPID_windows2d_add, 1, &w, args);
    for (int i = 0; i < 2; i++)
        x = ad_rule_crop(k->r, x, m + i, k->p.padding[i], k->p.padding[i], 0.0);
    return x;
}

static ad_value over_window(pool_rule *k, ad_value y) {
    ad_type one = k->cut;
    one.dims[one.rank - 1] = one.dims[one.rank - 2] = 1;
    return ad_rule_reshape(k->r, y, &one);
}

static ad_value fold_windows(pool_rule *k, ad_op op, ad_value w) {
    return ad_rule_reduce(k->r, op, w, 3U << (k->cut.rank - 2));
}

/* Which elements of each window are its maximum, and how many. */
static ad_value window_ties(pool_rule *k, ad_value *count) {
    ad_value y = over_window(k, k->r->out[0]);
    ad_value mask = ad_rule_op2(k->r, AD_OP_EQ, cut_windows(k, k->r->in[0], -INFINITY), y);
    *count = fold_windows(k, AD_OPID_count, mask); /* 0 of a window with a nan */
    return mask;
}

AD_RULE(ad_vjp_max_pool2d) {
    pool_rule k = pool_begin(r);
    if (!k.ok) return;
    ad_value count, mask = window_ties(&k, &count);
    ad_value share = ad_rule_op2(r, AD_OP_DIV, over_window(&k, r->adj[0]), count);
    ad_value g = ad_rule_where(r, mask, share, ad_number(0.0));
    ad_rule_give(r, 0, join_windows(&k, g));
}

AD_RULE(ad_jvp_max_pool2d) {
    pool_rule k = pool_begin(r);
    if (!k.ok) return;
    ad_value count, mask = window_ties(&k, &count);
    ad_value t = ad_rule_where(r, mask, cut_windows(&k, r->tan[0], 0.0), ad_number(0.0));
    ad_value shares = ad_rule_op2(r, AD_OPID_maximum, count, ad_number(1));
    ad_value y = ad_rule_op2(r, AD_OP_DIV, fold_windows(&k, AD_OPID_sum, t), shares);
    ad_rule_give(r, 0, ad_rule_reshape(r, y, &r->out_type[0]));
}

AD_RULE(ad_vjp_avg_pool2d) {
    pool_rule k = pool_begin(r);
    if (!k.ok) return;
    ad_value g =
        ad_rule_scale(r, over_window(&k, r->adj[0]), 1.0 / (double)(k.p.size[0] * k.p.size[1]));
    ad_rule_give(r, 0, join_windows(&k, ad_rule_expand(r, g, &k.cut)));
}
