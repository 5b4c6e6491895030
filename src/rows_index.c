/* SPDX-License-Identifier: MIT */
/* rows_index.c - rows that take elements by position: gather, scatter, onehot, sort, argsort, topk,
 * unique, nonzero. (x[i, …] is not a row: the tape reads and writes through index plans.)
 *
 * Positions are tensors of whole numbers, negative ones from the end; nothing depends on them
 * smoothly, so rules give them no cotangent and look at them as constants. gather and scatter work
 * along one axis; the index has the shape of the operand but for that axis, or lacks the axis and
 * picks one element of each line. */
#include "kernel_sort.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* ---- gather and scatter ------------------------------------------------------------------- */

/* Lines along `axis`: the type of the index at the operand's rank. */
static ad_status index_lines(const ad_call *c, const ad_type *x, const ad_type *index, int k,
                             int *axis, ad_type *lines) {
    ad_status s = ad_axis_arg(c->ctx, c->args, k, x->rank, -1, axis);
    if (s) return s;
    bool picks = index->rank == x->rank - 1, fits = picks || index->rank == x->rank;
    *lines = *x;
    lines->dims[*axis] = picks ? 1 : index->dims[*axis];
    for (int i = 0; fits && i < x->rank; i++) {
        int own = i - (picks && i > *axis);
        if (i != *axis) fits = index->dims[own] == x->dims[i];
    }
    if (fits) return AD_OK;
    char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 1,
                   "positions %s do not fit %s along axis %d: all other axes must be equal",
                   ad_type_text(index, b), ad_type_text(x, a), *axis);
}

AD_SHAPE(ad_shape_gather) {
    int axis;
    ad_type lines;
    ad_status s = index_lines(c, &in[0], &in[1], 0, &axis, &lines);
    if (s) return s;
    *out = in[1];
    out->asked = 0;
    out->dtype =
        in[1].rank > 0 ? in[0].dtype : (uint8_t)(in[0].dtype == AD_BOOL8 ? AD_BOOL8 : AD_F64);
    return AD_OK;
}

static double load(const ad_tensor *t, int64_t offset) {
    if (t->dtype == AD_F64) return ((const double *)t->data)[offset];
    if (t->dtype == AD_F32) return (double)((const float *)t->data)[offset];
    return ((const uint8_t *)t->data)[offset] != 0 ? 1.0 : 0.0;
}

static void store(ad_tensor *t, int64_t offset, double x) {
    if (t->dtype == AD_F64)
        ((double *)t->data)[offset] = x;
    else if (t->dtype == AD_F32)
        ((float *)t->data)[offset] = (float)x;
    else
        ((uint8_t *)t->data)[offset] = x != 0.0;
}

static ad_status position(ad_ctx *ctx, double given, int64_t size, int axis, int64_t *at) {
    if (!(given >= (double)-size && given < (double)size) || given != floor(given))
        return ad_fail(ctx, AD_ERR_INDEX, 1,
                       given == floor(given)
                           ? "position %g is out of range: axis %d has the size %lld"
                           : "position %g along axis %d (of size %lld) is not whole",
                       given, axis, (long long)size);
    *at = (int64_t)given + (given < 0.0 ? size : 0);
    return AD_OK;
}

/* Three tensors line by line: x along its axis, index and v along theirs. */
typedef struct lines {
    ad_ctx *ctx;
    ad_tensor *x, *index, *v;
    int axis;
    int64_t n, count;   /* size of x's axis; positions a line */
    int64_t xs, is, vs; /* steps along the axis */
    ad_walk walk;
} lines;

/* Strides of a tensor at the operand's rank: one that lacks the axis gets 0 there. */
static void line_strides(const ad_tensor *t, int rank, int axis, int64_t *out) {
    bool picks = t->rank != rank || (rank == 1 && t->dims[0] == 1);
    for (int i = 0; i < rank; i++) {
        int own = t->rank == rank ? i : i - (i > axis);
        out[i] = i == axis && picks ? 0 : ad_strides(t)[own];
    }
}

static bool lines_begin(lines *l) {
    int rank = l->x->rank;
    int64_t dims[AD_MAX_RANK], sx[AD_MAX_RANK], si[AD_MAX_RANK], sv[AD_MAX_RANK];
    memcpy(dims, l->x->dims, sizeof(int64_t) * (size_t)rank);
    memcpy(sx, ad_strides(l->x), sizeof(int64_t) * (size_t)rank);
    line_strides(l->index, rank, l->axis, si);
    if (l->v->size == 1 && l->index->size != 1)
        memset(sv, 0, sizeof sv);
    else
        line_strides(l->v, rank, l->axis, sv);
    l->n = dims[l->axis];
    l->count = l->index->rank == rank ? l->index->dims[l->axis] : 1;
    l->xs = sx[l->axis];
    l->is = si[l->axis];
    l->vs = sv[l->axis];
    dims[l->axis] = 1;
    const int64_t *strides[3] = {sx, si, sv};
    return ad_walk_begin(&l->walk, rank, dims, 3, strides);
}

typedef enum { TAKE, PUT, ADD } line_action;

static ad_status one_line(const lines *l, line_action what, int64_t x0, int64_t i0, int64_t v0) {
    for (int64_t j = 0; j < l->count; j++) {
        int64_t at;
        ad_status s = position(l->ctx, load(l->index, i0 + j * l->is), l->n, l->axis, &at);
        if (s) return s;
        int64_t x = x0 + at * l->xs, v = v0 + j * l->vs;
        if (what == TAKE)
            store(l->v, v, load(l->x, x));
        else
            store(l->x, x, load(l->v, v) + (what == ADD ? load(l->x, x) : 0.0));
    }
    return AD_OK;
}

static ad_status all_lines(lines *l, line_action what) {
    int64_t since = 0;
    for (bool more = lines_begin(l); more; more = ad_walk_next(&l->walk)) {
        const ad_walk *w = &l->walk;
        for (int64_t i = 0; i < w->inner; i++) {
            ad_status s = one_line(l, what, w->offset[0] + i * w->step[0],
                                   w->offset[1] + i * w->step[1], w->offset[2] + i * w->step[2]);
            if (s) return s;
            since += l->count;
            if (since < 1 << 16) continue;
            since = 0;
            if (ad_poll(l->ctx)) return AD_ERR_INTERRUPT;
        }
    }
    return AD_OK;
}

AD_RUN(ad_run_gather) {
    lines l = {.ctx = c->ctx, .x = c->in[0].tensor};
    ad_axis_arg(c->ctx, c->args, 0, l.x->rank, -1, &l.axis);
    l.index = ad_tensor_of(c->ctx, c->in[1]);
    l.v = ad_result_new(c->ctx, type);
    ad_status s = l.index != NULL && l.v != NULL ? all_lines(&l, TAKE) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, l.index);
    if (s == AD_OK) return ad_result(c->ctx, type, l.v, out);
    ad_tensor_release(c->ctx, l.v);
    return s;
}

/* attributes: axis, add */
AD_SHAPE(ad_shape_scatter) {
    int axis;
    ad_type at;
    ad_status s = index_lines(c, &in[0], &in[1], 0, &axis, &at);
    if (s) return s;
    *out = in[0];
    out->asked = 0;
    out->dtype = in[2].rank > 0 ? ad_dtype_join(in[0].dtype, in[2].dtype) : in[0].dtype;
    if (out->dtype == AD_BOOL8 && ad_arg_flag(c->args, 1)) out->dtype = AD_F64;
    if (in[2].rank == 0 || ad_type_same_dims(&in[2], &in[1])) return AD_OK;
    char a[AD_SHAPE_TEXT], b[AD_SHAPE_TEXT];
    return ad_fail(c->ctx, AD_ERR_SHAPE, 2, "values %s do not fit positions %s",
                   ad_type_text(&in[2], a), ad_type_text(&in[1], b));
}

AD_RUN(ad_run_scatter) {
    lines l = {.ctx = c->ctx};
    l.x = c->in[0].tensor->dtype == type->dtype
              ? ad_tensor_copy(c->ctx, c->in[0].tensor)
              : ad_tensor_cast(c->ctx, c->in[0].tensor, (ad_dtype)type->dtype);
    l.index = ad_tensor_of(c->ctx, c->in[1]);
    l.v = ad_tensor_of(c->ctx, c->in[2]);
    ad_axis_arg(c->ctx, c->args, 0, type->rank, -1, &l.axis);
    ad_status s = ad_failed(c->ctx);
    if (l.x != NULL && l.index != NULL && l.v != NULL)
        s = all_lines(&l, ad_arg_flag(c->args, 1) ? ADD : PUT);
    ad_tensor_release(c->ctx, l.index);
    ad_tensor_release(c->ctx, l.v);
    if (s == AD_OK) return ad_result(c->ctx, type, l.x, out);
    ad_tensor_release(c->ctx, l.x);
    return s;
}

/* Which of the positions keep what they wrote: of equal ones the last. attributes: axis, shape. */
AD_SHAPE(ad_shape_scatter_last) {
    (void)c;
    *out = in[0];
    out->dtype = AD_BOOL8;
    return AD_OK;
}

static void last_of_line(lines *l, int64_t i0, int64_t v0, int64_t *writer) {
    for (int64_t k = 0; k < l->n; k++) writer[k] = -1;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < l->count; j++) {
            double given = load(l->index, i0 + j * l->is);
            int64_t at = (int64_t)given + (given < 0.0 ? l->n : 0);
            if (pass == 0)
                writer[at] = j;
            else
                store(l->v, v0 + j * l->vs, writer[at] == j ? 1.0 : 0.0);
        }
}

AD_RUN(ad_run_scatter_last) {
    const ad_arg *shape = &c->args[1];
    lines l = {.ctx = c->ctx, .x = ad_tensor_new(c->ctx, AD_BOOL8, shape->count, shape->ints)};
    l.index = ad_tensor_of(c->ctx, c->in[0]);
    l.v = ad_result_new(c->ctx, type);
    ad_status s = ad_failed(c->ctx);
    if (l.x != NULL) s = ad_axis_arg(c->ctx, c->args, 0, l.x->rank, -1, &l.axis);
    bool ok = s == AD_OK && l.index != NULL && l.v != NULL;
    size_t bytes = ok ? sizeof(int64_t) * (size_t)l.x->dims[l.axis] : 0;
    int64_t *writer = ok ? ad_mem_get(c->ctx, bytes) : NULL;
    if (ok && writer != NULL)
        for (bool more = lines_begin(&l); more; more = ad_walk_next(&l.walk))
            for (int64_t i = 0; i < l.walk.inner; i++)
                last_of_line(&l, l.walk.offset[1] + i * l.walk.step[1],
                             l.walk.offset[2] + i * l.walk.step[2], writer);
    ad_tensor_release(c->ctx, l.x);
    ad_tensor_release(c->ctx, l.index);
    if (writer != NULL) {
        ad_mem_put(c->ctx, writer, bytes);
        return ad_result(c->ctx, type, l.v, out);
    }
    ad_tensor_release(c->ctx, l.v);
    return s ? s : ad_failed(c->ctx);
}

static ad_value plain(ad_value v) {
    v.node = 0;
    return v;
}

static ad_value axis_op(ad_rule *r, ad_op op, int n, const ad_value *in, double axis,
                        double second) {
    ad_arg args[AD_MAX_ARGS] = {ad_num(axis), ad_num(second)};
    return ad_rule_op(r, op, n, in, args);
}

static double rule_axis(const ad_rule *r, int k, const ad_type *x) {
    int axis = 0;
    ad_axis_arg(r->ctx, r->args, k, x->rank, -1, &axis);
    return axis;
}

/* Zeros of x's shape with v added at positions along the axis. */
static ad_value spread(ad_rule *r, ad_value index, ad_value v, double axis) {
    ad_value in[3] = {ad_rule_zeros(r, &r->in_type[0]), index, v};
    return axis_op(r, AD_OPID_scatter, 3, in, axis, 1.0);
}

static ad_value pick(ad_rule *r, ad_value x, ad_value index, double axis) {
    ad_value in[2] = {x, index};
    return axis_op(r, AD_OPID_gather, 2, in, axis, 0.0);
}

AD_RULE(ad_vjp_gather) {
    double axis = rule_axis(r, 0, &r->in_type[0]);
    if (r->need[0]) ad_rule_give(r, 0, spread(r, plain(r->in[1]), r->adj[0], axis));
}

AD_RULE(ad_jvp_gather) {
    double axis = rule_axis(r, 0, &r->in_type[0]);
    if (r->need[0]) ad_rule_give(r, 0, pick(r, r->tan[0], plain(r->in[1]), axis));
}

static ad_value kept(ad_rule *r, double axis) {
    ad_value index = plain(r->in[1]);
    ad_arg args[AD_MAX_ARGS] = {ad_num(axis), ad_ints(r->in_type[0].rank, r->in_type[0].dims)};
    return ad_rule_op(r, AD_OPID_scatter_last, 1, &index, args);
}

AD_RULE(ad_vjp_scatter) {
    double axis = rule_axis(r, 0, &r->in_type[0]);
    bool add = ad_arg_flag(r->args, 1);
    ad_value index = plain(r->in[1]), in[3] = {r->adj[0], index, ad_number(0.0)};
    if (r->need[0])
        ad_rule_give(r, 0, add ? r->adj[0] : axis_op(r, AD_OPID_scatter, 3, in, axis, 0.0));
    if (!r->need[2]) return;
    ad_value g = pick(r, r->adj[0], index, axis);
    if (!add) g = ad_rule_where(r, kept(r, axis), g, ad_number(0.0));
    ad_rule_give(r, 2, ad_rule_sum_to(r, g, &r->in_type[2]));
}

AD_RULE(ad_jvp_scatter) {
    ad_value in[3] = {r->need[0] ? r->tan[0] : ad_rule_zeros(r, &r->in_type[0]), plain(r->in[1]),
                      r->need[2] ? r->tan[2] : ad_number(0.0)};
    if (!r->need[0] && !r->need[2]) return;
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_scatter, 3, in, r->args));
}

/* ---- onehot ------------------------------------------------------------------------------- */

AD_SHAPE(ad_shape_onehot) {
    int64_t n = ad_arg_int(c->args, 0, 0), dims[AD_MAX_RANK];
    if (n < 0) return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "%lld classes", (long long)n);
    if (in->rank == AD_MAX_RANK)
        return ad_fail(c->ctx, AD_ERR_SHAPE, 0, "a tensor has at most %d axes", AD_MAX_RANK);
    memcpy(dims, in->dims, sizeof(int64_t) * in->rank);
    dims[in->rank] = n;
    *out = ad_type_make(c->ctx->config.dtype, in->rank + 1, dims);
    return AD_OK;
}

AD_RUN(ad_run_onehot) {
    int64_t n = ad_arg_int(c->args, 0, 0), at = 0;
    ad_tensor *index = ad_tensor_as(c->ctx, c->in[0], AD_F64);
    ad_tensor *y = index != NULL ? ad_result_full(c->ctx, type, 0.0) : NULL;
    ad_status s = y != NULL ? AD_OK : ad_failed(c->ctx);
    for (int64_t i = 0; s == AD_OK && i < index->size; i++) {
        s = position(c->ctx, ((const double *)index->data)[i], n, type->rank - 1, &at);
        if (s == AD_OK) store(y, i * n + at, 1.0);
    }
    ad_tensor_release(c->ctx, index);
    if (s == AD_OK) return ad_result(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

/* ---- sort, argsort, topk ------------------------------------------------------------------ */

/* attributes: axis, descending */
AD_SHAPE(ad_shape_sort) {
    int axis;
    *out = *in;
    if (c->op == AD_OPID_argsort) out->dtype = AD_F64;
    return ad_axis_arg(c->ctx, c->args, 0, in->rank, -1, &axis);
}

/* Sorts each line of x along the axis; keys go to `keys`, places to `places`, at most `count` a
 * line. */
typedef struct sorting {
    ad_tensor *keys, *places; /* either may be NULL */
    int axis;
    int64_t count;
    bool descending;
} sorting;

enum { POLLED = 1 << 16 }; /* items between two looks at the interrupt flag */

static ad_status sort_line(ad_ctx *ctx, const sorting *o, const ad_tensor *x, const ad_walk *w,
                           int64_t i, ad_sort_item *items) {
    int64_t n = x->dims[o->axis], step = ad_strides(x)[o->axis];
    ad_status s = AD_OK;
    for (int64_t k = 0; s == AD_OK && k < n; k++) {
        items[k] = (ad_sort_item){load(x, w->offset[0] + i * w->step[0] + k * step), k};
        if (k % POLLED == 0) s = ad_poll(ctx);
    }
    if (s == AD_OK) s = ad_sort_items(ctx, items, items + n, n, o->descending);
    for (int64_t k = 0; s == AD_OK && k < o->count; k++) {
        if (k % POLLED == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
        ad_tensor *some = o->keys != NULL ? o->keys : o->places;
        int64_t at = w->offset[1] + i * w->step[1] + k * ad_strides(some)[o->axis];
        if (o->keys != NULL) store(o->keys, at, items[k].key);
        if (o->places != NULL) store(o->places, at, (double)items[k].at);
    }
    return s;
}

static ad_status sort_lines(ad_ctx *ctx, const sorting *o, const ad_tensor *x) {
    const ad_tensor *y = o->keys != NULL ? o->keys : o->places;
    int64_t dims[AD_MAX_RANK], n = x->dims[o->axis];
    const int64_t *strides[2] = {ad_strides(x), ad_strides(y)};
    memcpy(dims, x->dims, sizeof(int64_t) * (size_t)x->rank);
    dims[o->axis] = 1;
    size_t bytes = 2 * sizeof(ad_sort_item) * (size_t)(n > 0 ? n : 1);
    ad_sort_item *items = ad_mem_get(ctx, bytes);
    if (items == NULL) return ad_failed(ctx);
    ad_status s = AD_OK;
    ad_walk w;
    for (bool more = ad_walk_begin(&w, x->rank, dims, 2, strides); more && s == AD_OK;
         more = ad_walk_next(&w))
        for (int64_t i = 0; s == AD_OK && i < w.inner; i++) s = sort_line(ctx, o, x, &w, i, items);
    ad_mem_put(ctx, items, bytes);
    return s;
}

static ad_status run_sort(const ad_call *c, bool keys, const ad_type *type, ad_value *out) {
    sorting o = {.descending = ad_arg_flag(c->args, 1)};
    ad_axis_arg(c->ctx, c->args, 0, type->rank, -1, &o.axis);
    ad_tensor *y = ad_result_new(c->ctx, type);
    if (y == NULL) return ad_failed(c->ctx);
    *(keys ? &o.keys : &o.places) = y;
    o.count = type->dims[o.axis];
    ad_status s = sort_lines(c->ctx, &o, c->in[0].tensor);
    if (s == AD_OK) return ad_result(c->ctx, type, y, out);
    ad_tensor_release(c->ctx, y);
    return s;
}

AD_RUN(ad_run_sort) { return run_sort(c, true, type, out); }
AD_RUN(ad_run_argsort) { return run_sort(c, false, type, out); }

static ad_value sort_order(ad_rule *r) {
    ad_value x = plain(r->in[0]);
    return ad_rule_op(r, AD_OPID_argsort, 1, &x, r->args);
}

AD_RULE(ad_vjp_sort) {
    ad_rule_give(r, 0, spread(r, sort_order(r), r->adj[0], rule_axis(r, 0, &r->in_type[0])));
}

AD_RULE(ad_jvp_sort) {
    ad_rule_give(r, 0, pick(r, r->tan[0], sort_order(r), rule_axis(r, 0, &r->in_type[0])));
}

/* attributes: k, axis, largest */
AD_SHAPE(ad_shape_topk) {
    int axis;
    int64_t k = ad_arg_int(c->args, 0, 1);
    ad_status s = ad_axis_arg(c->ctx, c->args, 1, in->rank, -1, &axis);
    if (s) return s;
    if (k < 0 || k > in->dims[axis])
        return ad_fail(c->ctx, AD_ERR_ARGUMENT, -1, "cannot take %lld of %lld elements",
                       (long long)k, (long long)in->dims[axis]);
    out[0] = *in;
    out[0].dims[axis] = k;
    out[1] = out[0];
    out[1].dtype = AD_F64;
    return AD_OK;
}

AD_RUN(ad_run_topk) {
    sorting o = {.count = ad_arg_int(c->args, 0, 1)};
    o.descending = !ad_arg_given(c->args, 2) || ad_arg_flag(c->args, 2);
    ad_axis_arg(c->ctx, c->args, 1, type->rank, -1, &o.axis);
    o.keys = ad_result_new(c->ctx, &type[0]);
    o.places = ad_result_new(c->ctx, &type[1]);
    ad_status s = ad_failed(c->ctx);
    if (o.keys != NULL && o.places != NULL) s = sort_lines(c->ctx, &o, c->in[0].tensor);
    if (s) {
        ad_tensor_release(c->ctx, o.keys);
        ad_tensor_release(c->ctx, o.places);
        return s;
    }
    out[0] = ad_wrap(o.keys);
    out[1] = ad_wrap(o.places);
    return AD_OK;
}

AD_RULE(ad_vjp_topk) {
    if (!r->has_adj[0]) return; /* the places do not move */
    ad_rule_give(r, 0, spread(r, plain(r->out[1]), r->adj[0], rule_axis(r, 1, &r->in_type[0])));
}

AD_RULE(ad_jvp_topk) {
    ad_rule_give(r, 0, pick(r, r->tan[0], plain(r->out[1]), rule_axis(r, 1, &r->in_type[0])));
}

/* ---- unique, nonzero: shapes that depend on values ---------------------------------------- */

static ad_status needs_values(const ad_call *c) {
    return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "the shape of `%s` depends on the values",
                   c->row->info.name);
}

/* All elements, sorted, each once; returns how many. */
static ad_status distinct(ad_ctx *ctx, const ad_tensor *x, ad_sort_item **items, size_t *bytes,
                          int64_t *count) {
    *bytes = 2 * sizeof(ad_sort_item) * (size_t)(x->size > 0 ? x->size : 1);
    *items = ad_mem_get(ctx, *bytes);
    if (*items == NULL) return ad_failed(ctx);
    int64_t index[AD_MAX_RANK] = {0};
    for (int64_t i = 0; i < x->size; i++) {
        (*items)[i] = (ad_sort_item){ad_tensor_get(x, index), i};
        if (i % POLLED == 0 && ad_poll(ctx)) break;
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dims[k]; k--) index[k] = 0;
    }
    ad_status s = ad_sort_items(ctx, *items, *items + x->size, x->size, false);
    *count = 0;
    for (int64_t i = 0; s == AD_OK && i < x->size; i++) {
        double key = (*items)[i].key;
        bool again = *count > 0 && ((*items)[*count - 1].key == key ||
                                    (isnan(key) && isnan((*items)[*count - 1].key)));
        if (!again) (*items)[(*count)++].key = key;
    }
    if (s) ad_mem_put(ctx, *items, *bytes);
    return s;
}

AD_SHAPE(ad_shape_unique) {
    if (c->in == NULL) return needs_values(c);
    if (in->rank == 0) return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "`unique` takes a tensor");
    ad_sort_item *items;
    size_t bytes;
    int64_t n;
    ad_status s = distinct(c->ctx, c->in[0].tensor, &items, &bytes, &n);
    if (s) return s;
    ad_mem_put(c->ctx, items, bytes);
    *out = ad_type_make((ad_dtype)in->dtype, 1, &n);
    return AD_OK;
}

AD_RUN(ad_run_unique) {
    ad_sort_item *items;
    size_t bytes;
    int64_t n;
    ad_status s = distinct(c->ctx, c->in[0].tensor, &items, &bytes, &n);
    if (s) return s;
    ad_tensor *y = ad_result_new(c->ctx, type);
    for (int64_t i = 0; y != NULL && i < n; i++) store(y, i, items[i].key);
    ad_mem_put(c->ctx, items, bytes);
    return ad_result(c->ctx, type, y, out);
}

/* Positions of what is not 0: [n] for a vector, else [n, rank]. */
AD_SHAPE(ad_shape_nonzero) {
    if (c->in == NULL) return needs_values(c);
    if (in->rank == 0) return ad_fail(c->ctx, AD_ERR_ARGUMENT, 0, "`nonzero` takes a tensor");
    const ad_tensor *x = c->in[0].tensor;
    int64_t index[AD_MAX_RANK] = {0}, dims[2] = {0, in->rank};
    for (int64_t i = 0; i < x->size; i++) {
        if (i % POLLED == 0 && ad_poll(c->ctx)) return AD_ERR_INTERRUPT;
        dims[0] += ad_tensor_get(x, index) != 0.0;
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dims[k]; k--) index[k] = 0;
    }
    *out = ad_type_make(AD_F64, in->rank == 1 ? 1 : 2, dims);
    return AD_OK;
}

AD_RUN(ad_run_nonzero) {
    const ad_tensor *x = c->in[0].tensor;
    ad_tensor *y = ad_result_new(c->ctx, type);
    if (y == NULL) return ad_failed(c->ctx);
    int64_t index[AD_MAX_RANK] = {0}, at = 0;
    for (int64_t i = 0; i < x->size; i++) {
        if (i % POLLED == 0 && ad_poll(c->ctx)) {
            ad_tensor_release(c->ctx, y);
            return AD_ERR_INTERRUPT;
        }
        if (ad_tensor_get(x, index) != 0.0)
            for (int k = 0; k < x->rank; k++) store(y, at++, (double)index[k]);
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dims[k]; k--) index[k] = 0;
    }
    return ad_result(c->ctx, type, y, out);
}
