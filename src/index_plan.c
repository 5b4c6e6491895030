/* SPDX-License-Identifier: MIT */
/* index_plan.c - an index list checked against a shape. A draft on the stack collects what each
 * index makes of its axes; then it is packed. Indices count from the end when they are negative,
 * must be whole and in range; one of them may be a tensor. Reads no element of the tensor that is
 * indexed. */
#include "index_plan.h"

#include "shape.h"

#include <math.h>
#include <string.h>

typedef struct draft {
    ad_ctx *ctx;
    const ad_type *in;
    int axis; /* the next source axis */
    int item; /* the index at work, for errors */
    int64_t start[AD_MAX_RANK];
    ad_type out;
    int64_t step[AD_MAX_RANK], from[AD_MAX_RANK];
    const ad_tensor *many;
    bool is_mask;
    int many_axis, many_out;
    int64_t places;
} draft;

/* ---- numbers ------------------------------------------------------------------------------ */

static ad_status not_whole(draft *d, double x) {
    char text[32];
    ad_number_text(x, text);
    return ad_fail(d->ctx, AD_ERR_INDEX, d->item, "the index %s is not a whole number", text);
}

static ad_status out_of_range(draft *d, const char *what, double x, int64_t size) {
    char text[32];
    ad_number_text(x, text);
    ad_status failed = ad_fail(d->ctx, AD_ERR_INDEX, d->item,
                               "%s %s is out of range for axis %d of size %lld", what, text, d->axis,
                               (long long)size);
    if (x > (double)size && what[0] == 'b')
        ad_hint(d->ctx, "`min(n, %lld)` is a bound that stops at the end", (long long)size);
    return failed;
}

/* A position from 0 to `top`, negative ones from the end of `size`; false if `x` is none. */
static inline bool find_position(double x, int64_t size, int64_t top, int64_t *out) {
    double from_start = x < 0 ? x + (double)size : x;
    if (!(from_start >= 0 && from_start <= (double)top)) return false;
    int64_t k = (int64_t)x;
    *out = x < 0 ? k + size : k;
    return (double)k == x;
}

static ad_status position(draft *d, const char *what, double x, int64_t size, int64_t top,
                          int64_t *out) {
    if (AD_LIKELY(find_position(x, size, top, out))) return AD_OK;
    return x != floor(x) || isinf(x) ? not_whole(d, x) : out_of_range(d, what, x, size);
}

/* ---- result axes -------------------------------------------------------------------------- */

static ad_status add_axis(draft *d, int64_t dim, int64_t step, int64_t from, bool asked) {
    int k = d->out.rank;
    if (k == AD_MAX_RANK)
        return ad_fail(d->ctx, AD_ERR_SHAPE, d->item, "the result has more than %d axes",
                       AD_MAX_RANK);
    d->out.dims[k] = dim;
    d->step[k] = step;
    d->from[k] = from;
    if (asked && dim == 1) d->out.asked |= (uint16_t)(1u << k);
    d->out.rank++;
    return AD_OK;
}

static bool was_asked(const draft *d) { return d->in->asked >> d->axis & 1; }

static ad_status whole_axes(draft *d, int n) {
    for (; n > 0; n--, d->axis++) {
        d->start[d->axis] = 0;
        ad_status s = add_axis(d, d->in->dims[d->axis], 1, d->axis, was_asked(d));
        if (s != AD_OK) return s;
    }
    return AD_OK;
}

static ad_status take_at(draft *d, const ad_index *ix) {
    int64_t size = d->in->dims[d->axis];
    ad_status s = position(d, "index", ix->at, size, size - 1, &d->start[d->axis]);
    d->axis++;
    return s;
}

static ad_status slice_step(draft *d, const ad_index *ix, int64_t *step) {
    *step = 1;
    if (!ix->has_step) return AD_OK;
    if (ix->step != floor(ix->step) || isinf(ix->step)) return not_whole(d, ix->step);
    if (ix->step == 0) return ad_fail(d->ctx, AD_ERR_INDEX, d->item, "a slice by 0 has no end");
    const double most = 0x1p40; /* beyond any axis, and safe to add to a position */
    *step = (int64_t)(ix->step > most ? most : ix->step < -most ? -most : ix->step);
    return AD_OK;
}

/* Backwards a slice begins at the last element, also from the bound behind it, and an open end is before
 * the first. */
static ad_status take_slice(draft *d, const ad_index *ix) {
    int64_t size = d->in->dims[d->axis], step, start, stop;
    ad_status s = slice_step(d, ix, &step);
    if (s != AD_OK) return s;
    start = step > 0 ? 0 : size - 1;
    stop = step > 0 ? size : -1;
    if (ix->has_start) s = position(d, "bound", ix->at, size, size, &start);
    if (s == AD_OK && ix->has_stop) s = position(d, "bound", ix->stop, size, size, &stop);
    if (s != AD_OK) return s;
    if (step < 0 && start == size) start--;
    int64_t way = step > 0 ? stop - start : start - stop, by = step > 0 ? step : -step;
    int64_t count = way > 0 ? (way - 1) / by + 1 : 0;
    d->start[d->axis] = count > 0 ? start : 0;
    bool asked = was_asked(d);
    s = add_axis(d, count, step, d->axis, asked);
    d->axis++;
    return s;
}

/* ---- tensors as indices ------------------------------------------------------------------- */

static int64_t count_true(const ad_tensor *mask) {
    ad_walk w;
    const int64_t *strides[] = {ad_strides(mask)};
    int64_t count = 0;
    bool more = ad_walk_begin(&w, mask->rank, mask->dims, 1, strides);
    for (; more; more = ad_walk_next(&w)) {
        const uint8_t *m = ad_element(mask, w.offset[0]);
        for (int64_t i = 0; i < w.inner; i++) count += m[i * w.step[0]] != 0;
    }
    return count;
}

static ad_status mask_misfit(draft *d, const ad_tensor *mask) {
    char have[AD_SHAPE_TEXT], want[AD_SHAPE_TEXT];
    return ad_fail(d->ctx, AD_ERR_INDEX, d->item,
                   "the mask is %s, but it selects from %s (axis %d on)",
                   ad_shape_text(mask->rank, mask->dims, have, sizeof have),
                   ad_shape_text(mask->rank, d->in->dims + d->axis, want, sizeof want), d->axis);
}

static ad_status take_mask(draft *d, const ad_tensor *mask) {
    if (!ad_dims_same(mask->rank, mask->dims, mask->rank, d->in->dims + d->axis))
        return mask_misfit(d, mask);
    d->is_mask = true;
    d->places = count_true(mask);
    for (int i = 0; i < mask->rank; i++) d->start[d->axis++] = 0;
    return add_axis(d, d->places, 0, AD_PLAN_MANY, false);
}

static ad_status take_gather(draft *d, const ad_tensor *index) {
    d->places = index->size;
    d->start[d->axis++] = 0;
    ad_status s = AD_OK;
    for (int i = 0; i < index->rank && s == AD_OK; i++)
        s = add_axis(d, index->dims[i], 0, AD_PLAN_MANY, false);
    return s;
}

static ad_status take_tensor(draft *d, const ad_tensor *t) {
    if (d->many) {
        ad_fail(d->ctx, AD_ERR_INDEX, d->item, "only one of the indices can be a tensor");
        ad_hint(d->ctx, "`gather(x, i, axis = k)` picks element by element");
        return AD_ERR_INDEX;
    }
    d->many = t;
    d->many_axis = d->axis;
    d->many_out = d->out.rank;
    return t->dtype == AD_BOOL8 ? take_mask(d, t) : take_gather(d, t);
}

/* ---- the list ----------------------------------------------------------------------------- */

static bool is_tensor(const ad_index *ix) {
    return ix->kind == AD_IX_GATHER || ix->kind == AD_IX_MASK;
}

/* How many source axes an index takes. */
static int span_of(const ad_index *ix) {
    if (ix->kind == AD_IX_NEW || ix->kind == AD_IX_REST) return 0;
    return is_tensor(ix) && ix->tensor->dtype == AD_BOOL8 ? ix->tensor->rank : 1;
}

/* The axes that nothing names; an error where there are too many indices, or two rests. */
static ad_status count_rest(draft *d, int n, const ad_index *index, int *left) {
    int taken = 0, rests = 0;
    for (int i = 0; i < n; i++) {
        taken += span_of(&index[i]);
        rests += index[i].kind == AD_IX_REST;
    }
    if (rests > 1) {
        ad_status s = ad_fail(d->ctx, AD_ERR_INDEX, -1, "`..` stands twice in one index");
        ad_hint(d->ctx, "`..` is all the axes that are left over; one whole axis is `0..`, as in "
                        "`x[0.., new, 0..]`");
        return s;
    }
    *left = d->in->rank - taken;
    if (*left >= 0) return AD_OK;
    char text[AD_SHAPE_TEXT];
    return ad_fail(d->ctx, AD_ERR_INDEX, d->in->rank, "%d indices, but the tensor is %s", taken,
                   ad_shape_text(d->in->rank, d->in->dims, text, sizeof text));
}

static ad_status take(draft *d, const ad_index *ix, int left) {
    switch (ix->kind) {
    case AD_IX_AT: return take_at(d, ix);
    case AD_IX_SLICE: return take_slice(d, ix);
    case AD_IX_NEW: return add_axis(d, 1, 0, AD_PLAN_NEW, true);
    case AD_IX_REST: return whole_axes(d, left);
    case AD_IX_GATHER:
    case AD_IX_MASK: return take_tensor(d, ix->tensor);
    }
    return ad_fail(d->ctx, AD_ERR_ARGUMENT, d->item, "unknown kind of index");
}

static ad_status make_draft(draft *d, ad_ctx *ctx, const ad_type *in, int n,
                            const ad_index *index) {
    int left = 0;
    d->ctx = ctx;
    d->in = in;
    d->axis = d->item = 0;
    d->out.dtype = in->dtype;
    d->out.rank = 0;
    d->out.asked = 0;
    d->many = NULL;
    d->is_mask = false;
    d->places = 0;
    ad_status s = count_rest(d, n, index, &left);
    for (; d->item < n && s == AD_OK; d->item++) {
        s = take(d, &index[d->item], left);
        if (index[d->item].kind == AD_IX_REST) left = 0;
    }
    return s == AD_OK ? whole_axes(d, left) : s;
}

ad_status ad_index_infer(ad_ctx *ctx, const ad_type *x, int n, const ad_index *index,
                         ad_type *out) {
    draft d;
    ad_status s = make_draft(&d, ctx, x, n, index);
    if (s == AD_OK) *out = d.out;
    return s;
}

enum { POLLED = 1 << 16 }; /* elements between two looks at the interrupt flag */

/* ---- packing ------------------------------------------------------------------------------ */

static ad_status fill_mask(ad_ctx *ctx, const ad_tensor *mask, int64_t *places) {
    ad_walk w;
    const int64_t *strides[] = {ad_strides(mask)};
    int64_t at = 0;
    bool more = ad_walk_begin(&w, mask->rank, mask->dims, 1, strides);
    for (; more; more = ad_walk_next(&w)) {
        const uint8_t *m = ad_element(mask, w.offset[0]);
        for (int64_t i = 0; i < w.inner; i++, at++) {
            if (m[i * w.step[0]]) *places++ = at;
            if (at % POLLED == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
        }
    }
    return AD_OK;
}

/* Numbers that do not lie side by side are read into the room of the places first; one by one they are turned
 * into these. */
static ad_status fill_gather(draft *d, int64_t *places) {
    int64_t size = d->in->dims[d->many_axis];
    bool plain = d->many->dtype == AD_F64 && ad_tensor_is_contiguous(d->many);
    const char *from = plain ? d->many->data : (const void *)places;
    d->axis = d->many_axis;
    if (!plain) ad_tensor_read(d->many, (double *)(void *)places);
    for (int64_t i = 0; i < d->places; i++) {
        double x;
        int64_t place;
        memcpy(&x, from + sizeof x * (size_t)i, sizeof x);
        if (i % POLLED == 0 && ad_poll(d->ctx)) return AD_ERR_INTERRUPT;
        if (AD_UNLIKELY(!find_position(x, size, size - 1, &place)))
            return position(d, "index", x, size, size - 1, &place);
        memcpy(&places[i], &place, sizeof place);
    }
    return AD_OK;
}

static size_t plan_bytes(const draft *d) {
    size_t words = 2 * (size_t)d->in->rank + 3 * (size_t)d->out.rank + (size_t)d->places;
    return sizeof(ad_index_plan) + words * sizeof(int64_t);
}

static void set_many(ad_index_plan *p, const draft *d) {
    p->many_axis = p->many_out = p->many_span = p->many_rank = 0;
    p->places = d->places;
    if (!d->many) return;
    p->many_axis = (uint8_t)d->many_axis;
    p->many_out = (uint8_t)d->many_out;
    p->many_span = d->is_mask ? d->many->rank : 1;
    p->many_rank = d->is_mask ? 1 : d->many->rank;
}

static ad_status pack(draft *d, ad_index_plan **plan) {
    ad_index_plan *p = ad_mem_get(d->ctx, plan_bytes(d));
    if (!p) return ad_failed(d->ctx);
    p->bytes = plan_bytes(d);
    p->dtype = d->in->dtype;
    p->rank = d->in->rank;
    p->out_rank = d->out.rank;
    p->asked = d->out.asked;
    set_many(p, d);
    memcpy(ad_plan_dims(p), d->in->dims, p->rank * sizeof(int64_t));
    memcpy(ad_plan_starts(p), d->start, p->rank * sizeof(int64_t));
    memcpy(ad_plan_out_dims(p), d->out.dims, p->out_rank * sizeof(int64_t));
    memcpy(ad_plan_out_steps(p), d->step, p->out_rank * sizeof(int64_t));
    memcpy(ad_plan_out_axes(p), d->from, p->out_rank * sizeof(int64_t));
    ad_status s = AD_OK;
    if (d->is_mask) s = fill_mask(d->ctx, d->many, ad_plan_places(p));
    else if (d->many) s = fill_gather(d, ad_plan_places(p));
    if (s == AD_OK) *plan = p;
    else ad_index_plan_free(d->ctx, p);
    return s;
}

ad_status ad_index_resolve(ad_ctx *ctx, ad_value x, int n, const ad_index *index,
                           ad_index_plan **plan) {
    if (x.kind != AD_TENSOR)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "a %s has no axis to index",
                       x.kind == AD_BOOL ? "bool" : "number");
    ad_type in = ad_tensor_type(x.tensor);
    draft d;
    ad_status s = make_draft(&d, ctx, &in, n, index);
    return s == AD_OK ? pack(&d, plan) : s;
}

ad_status ad_index_plan_copy(ad_ctx *ctx, const ad_index_plan *plan, ad_index_plan **out) {
    *out = ad_mem_get(ctx, plan->bytes);
    if (!*out) return ad_failed(ctx);
    memcpy(*out, plan, plan->bytes);
    return AD_OK;
}

/* `n` values behind one in front of them; returns what lies behind both. */
static int64_t *put_behind(int64_t *to, int64_t first, const int64_t *rest, int n) {
    to[0] = first;
    if (n) memcpy(to + 1, rest, (size_t)n * sizeof *to);
    return to + 1 + n;
}

ad_status ad_index_plan_behind(ad_ctx *ctx, const ad_index_plan *plan, int64_t n, ad_index_plan **out) {
    size_t bytes = plan->bytes + 5 * sizeof(int64_t);
    ad_index_plan *p = ad_mem_get(ctx, bytes);
    if (!p) return ad_failed(ctx);
    *p = *plan;
    p->bytes = bytes;
    p->rank++;
    p->out_rank++;
    p->many_axis++;
    p->many_out++;
    p->asked = (uint16_t)(plan->asked << 1);
    int64_t *to = put_behind(ad_plan_dims(p), n, ad_plan_dims(plan), plan->rank);
    to = put_behind(to, 0, ad_plan_starts(plan), plan->rank);
    to = put_behind(to, n, ad_plan_out_dims(plan), plan->out_rank);
    to = put_behind(to, 1, ad_plan_out_steps(plan), plan->out_rank);
    put_behind(to, 0, ad_plan_out_axes(plan), plan->out_rank);
    for (int i = 0; i < plan->out_rank; i++) {
        int64_t axis = ad_plan_out_axes(plan)[i];
        ad_plan_out_axes(p)[i + 1] = axis < 0 ? axis : axis + 1;
    }
    if (plan->places) memcpy(ad_plan_places(p), ad_plan_places(plan), (size_t)plan->places * sizeof *to);
    *out = p;
    return AD_OK;
}

void ad_index_plan_free(ad_ctx *ctx, ad_index_plan *plan) {
    if (plan) ad_mem_put(ctx, plan, plan->bytes);
}

void ad_index_plan_type(const ad_index_plan *plan, ad_type *out) {
    out->dtype = plan->dtype == AD_BOOL8 || plan->out_rank ? plan->dtype : AD_F64;
    out->rank = plan->out_rank;
    out->asked = plan->asked;
    memcpy(out->dims, ad_plan_out_dims(plan), plan->out_rank * sizeof(int64_t));
}
