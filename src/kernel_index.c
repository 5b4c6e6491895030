/* SPDX-License-Identifier: MIT */
/* kernel_index.c - elements moved through a plan. The places of a plan in a tensor are a region:
 * axes that step evenly, and at most one that jumps from place to place. Reading, writing, adding
 * and clearing are four loops over such a region and its counterpart `v`, whose shape is that of
 * the region. The jumping axis is the innermost where no even one lies behind it. A write is not
 * interrupted half-way. Does not check that the tensor has the plan's shape: its caller knows. */
#include "index_plan.h"

#include "shape.h"

#include <string.h>

/* ---- runs --------------------------------------------------------------------------------- */

/* n elements of `t`, at i·t_step or at places[i]·t_step, against v's at i·v_step. */
typedef void run(void *t, int64_t t_step, const int64_t *places, void *v, int64_t v_step,
                 int64_t n);

#define EACH(action)                                                                               \
    if (places)                                                                                    \
        for (int64_t i = 0; i < n; i++) action(t[places[i] * t_step], v[i * v_step]);              \
    else if (t_step == 1 && v_step == 1)                                                           \
        for (int64_t i = 0; i < n; i++) action(t[i], v[i]);                                        \
    else                                                                                           \
        for (int64_t i = 0; i < n; i++) action(t[i * t_step], v[i * v_step]);
#define READ(x, y) y = x
#define WRITE(x, y) x = y
#define ADD(x, y) x += y
#define RUN(name, type, action)                                                                    \
    static void name(void *to, int64_t t_step, const int64_t *places, void *from, int64_t v_step,  \
                     int64_t n) {                                                                  \
        type *t = to, *v = from;                                                                   \
        EACH(action)                                                                               \
    }

RUN(read_f64, double, READ)
RUN(read_f32, float, READ)
RUN(read_bool, uint8_t, READ)
RUN(write_f64, double, WRITE)
RUN(write_f32, float, WRITE)
RUN(write_bool, uint8_t, WRITE)
RUN(add_f64, double, ADD)
RUN(add_f32, float, ADD)

static run *const readers[] = {read_f64, read_f32, read_bool};
static run *const writers[] = {write_f64, write_f32, write_bool};
static run *const adders[] = {add_f64, add_f32};

/* ---- regions ------------------------------------------------------------------------------ */

/* The region in one tensor, beside its counterpart. Axes up to `before` lie before the places, from
 * `after` on behind them. */
typedef struct region {
    ad_ctx *ctx;
    const ad_index_plan *plan;
    ad_tensor *t;
    int64_t offset;                 /* first element */
    int64_t t_strides[AD_MAX_RANK]; /* of result axes */
    const int64_t *v_strides;
    void *v;
    const int64_t *places; /* in units of `unit` elements of t */
    int64_t *owned;        /* `places` if they were worked out for this tensor */
    int64_t unit, v_unit;
    int before, after;
    bool polls;
} region;

/* One step for several axes; false if they do not lie together. Sizes of 1 do not matter. */
static bool joined_step(int n, const int64_t *dims, const int64_t *strides, int64_t *step) {
    int64_t size = 1;
    *step = 0;
    for (int i = n - 1; i >= 0; i--) {
        if (dims[i] == 1) continue;
        if (size == 1) *step = strides[i];
        else if (strides[i] != *step * size) return false;
        size *= dims[i];
    }
    return true;
}

/* Places over several axes that do not lie together in t, as element offsets. */
static ad_status scatter_places(region *r) {
    const ad_index_plan *p = r->plan;
    size_t bytes = (size_t)p->places * sizeof(int64_t);
    r->owned = ad_mem_get(r->ctx, bytes);
    if (!r->owned) return ad_failed(r->ctx);
    const int64_t *dims = ad_plan_dims(p), *strides = ad_strides(r->t);
    for (int64_t i = 0; i < p->places; i++) {
        int64_t place = r->places[i], offset = 0;
        for (int axis = p->many_axis + p->many_span - 1; axis >= p->many_axis; axis--) {
            offset += place % dims[axis] * strides[axis];
            place /= dims[axis];
        }
        r->owned[i] = offset;
    }
    r->places = r->owned;
    r->unit = 1;
    return AD_OK;
}

static ad_status set_places(region *r) {
    const ad_index_plan *p = r->plan;
    r->places = ad_plan_places(p);
    r->before = p->many_span ? p->many_out : p->out_rank;
    r->after = p->many_span ? p->many_out + p->many_rank : p->out_rank;
    if (!p->many_span) return AD_OK;
    const int64_t *dims = ad_plan_dims(p) + p->many_axis;
    if (joined_step(p->many_span, dims, ad_strides(r->t) + p->many_axis, &r->unit)) return AD_OK;
    return scatter_places(r);
}

static ad_status open_region(region *r, ad_ctx *ctx, const ad_index_plan *p, ad_tensor *t) {
    r->ctx = ctx;
    r->plan = p;
    r->t = t;
    r->offset = 0;
    r->owned = NULL;
    r->polls = false;
    for (int i = 0; i < p->rank; i++) r->offset += ad_plan_starts(p)[i] * ad_strides(t)[i];
    for (int i = 0; i < p->out_rank; i++) {
        int64_t axis = ad_plan_out_axes(p)[i];
        r->t_strides[i] = axis < 0 ? 0 : ad_strides(t)[axis] * ad_plan_out_steps(p)[i];
    }
    return set_places(r);
}

static void close_region(region *r) {
    if (r->owned) ad_mem_put(r->ctx, r->owned, (size_t)r->plan->places * sizeof(int64_t));
}

enum { POLLED = 1 << 16 }; /* places between two looks at the interrupt flag */

/* ---- visits ------------------------------------------------------------------------------- */

static void *v_at(const region *r, int64_t offset) {
    return (char *)r->v + offset * (int64_t)ad_dtype_size(r->t->dtype);
}

/* The axes behind one place. */
static void visit_after(const region *r, run *f, int64_t t_offset, int64_t v_offset) {
    const int64_t *dims = ad_plan_out_dims(r->plan);
    const int64_t *strides[] = {r->t_strides + r->after, r->v_strides + r->after};
    ad_walk w;
    bool more = ad_walk_begin(&w, r->plan->out_rank - r->after, dims + r->after, 2, strides);
    for (; more; more = ad_walk_next(&w))
        f(ad_element_mut(r->t, t_offset + w.offset[0]), w.step[0], NULL,
          v_at(r, v_offset + w.offset[1]), w.step[1], w.inner);
}

static ad_status visit_places(const region *r, run *f, int64_t t_offset, int64_t v_offset) {
    const ad_index_plan *p = r->plan;
    int64_t behind = 1;
    for (int i = r->after; i < p->out_rank; i++) behind *= ad_plan_out_dims(p)[i];
    if (behind == 1) {
        int64_t most = r->polls ? POLLED : p->places;
        for (int64_t at = 0; at < p->places; at += most) {
            f(ad_element_mut(r->t, t_offset), r->unit, r->places + at, v_at(r, v_offset + at * r->v_unit),
              r->v_unit, p->places - at < most ? p->places - at : most);
            if (r->polls && ad_poll(r->ctx) != AD_OK) return AD_ERR_INTERRUPT;
        }
        return AD_OK;
    }
    for (int64_t i = 0; i < p->places; i++) {
        visit_after(r, f, t_offset + r->places[i] * r->unit, v_offset + i * r->v_unit);
        if (r->polls && (i & 255) == 255 && ad_poll(r->ctx) != AD_OK) return AD_ERR_INTERRUPT;
    }
    return AD_OK;
}

/* A region without places is one walk; else its axes before them are walked element by element. */
static ad_status visit(const region *r, run *f) {
    const int64_t *strides[] = {r->t_strides, r->v_strides};
    ad_walk w;
    bool jumps = r->plan->many_span > 0;
    bool more = ad_walk_begin(&w, r->before, ad_plan_out_dims(r->plan), 2, strides);
    for (; more; more = ad_walk_next(&w)) {
        int64_t t_offset = r->offset + w.offset[0], v_offset = w.offset[1];
        if (!jumps)
            f(ad_element_mut(r->t, t_offset), w.step[0], NULL, v_at(r, v_offset), w.step[1],
              w.inner);
        for (int64_t i = 0; jumps && i < w.inner; i++) {
            ad_status s = visit_places(r, f, t_offset + i * w.step[0], v_offset + i * w.step[1]);
            if (s != AD_OK) return s;
        }
    }
    return AD_OK;
}

/* ---- reading ------------------------------------------------------------------------------ */

static ad_status read_element(const region *r, ad_value *out) {
    double x;
    ad_convert(AD_F64, &x, 1, r->t->dtype, ad_element(r->t, r->offset), 1, 1);
    *out = r->t->dtype == AD_BOOL8 ? ad_bool(x != 0) : ad_number(x);
    return AD_OK;
}

static ad_tensor *read_places(region *r) {
    ad_type type;
    ad_index_plan_type(r->plan, &type);
    ad_tensor *v = ad_tensor_of_type(r->ctx, &type);
    if (!v) return NULL;
    r->v = v->data;
    r->v_strides = ad_strides(v);
    r->polls = true;
    joined_step(r->plan->many_rank, v->dims + r->before, r->v_strides + r->before, &r->v_unit);
    if (visit(r, readers[v->dtype]) == AD_OK) return v;
    ad_tensor_release(r->ctx, v);
    return NULL;
}

ad_status ad_index_read(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value *out) {
    region r;
    ad_status s = open_region(&r, ctx, plan, x);
    if (s != AD_OK) return s;
    if (plan->out_rank == 0) return read_element(&r, out);
    ad_tensor *v;
    if (plan->many_span) v = read_places(&r);
    else v = ad_tensor_view(ctx, x, r.offset, plan->out_rank, ad_plan_out_dims(plan), r.t_strides,
                            plan->asked);
    close_region(&r);
    if (!v) return ctx->error.status;
    *out = ad_wrap(v);
    return AD_OK;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Leading axes of 1 beyond the region's rank are left out. */
static int surplus_axes(const ad_index_plan *plan, const ad_tensor *v) {
    int skip = 0;
    while (v->rank - skip > plan->out_rank && v->dims[skip] == 1) skip++;
    return skip;
}

static bool stretch(const ad_index_plan *plan, const ad_tensor *v, int64_t *strides) {
    int skip = surplus_axes(plan, v);
    return plan->out_rank > 0 &&
           ad_shape_stretch(v->rank - skip, v->dims + skip, ad_strides(v) + skip, plan->out_rank,
                            ad_plan_out_dims(plan), strides);
}

ad_status ad_index_fits(ad_ctx *ctx, const ad_index_plan *plan, ad_value v) {
    if (v.kind > AD_TENSOR)
        return ad_fail(ctx, AD_ERR_ARGUMENT, 1, "an element is a number or a bool");
    bool bools = v.kind == AD_BOOL || (v.kind == AD_TENSOR && v.tensor->dtype == AD_BOOL8);
    if (plan->dtype == AD_BOOL8 && !bools)
        return ad_fail(ctx, AD_ERR_ARGUMENT, 1, "a bool tensor takes bools, not numbers");
    int64_t strides[AD_MAX_RANK];
    if (v.kind != AD_TENSOR || stretch(plan, v.tensor, strides)) return AD_OK;
    char have[AD_SHAPE_TEXT], room[AD_SHAPE_TEXT];
    ad_shape_text(v.tensor->rank, v.tensor->dims, have, sizeof have);
    if (plan->out_rank == 0)
        return ad_fail(ctx, AD_ERR_SHAPE, 1, "one element takes a number, not %s", have);
    ad_shape_text(plan->out_rank, ad_plan_out_dims(plan), room, sizeof room);
    return ad_fail(ctx, AD_ERR_SHAPE, 1, "%s does not fit into the %s that is indexed", have, room);
}

/* `v` in the region's dtype, and in one step along the places: itself (retained) or a copy. */
static ad_tensor *counterpart(region *r, ad_tensor *v, int64_t *strides) {
    const ad_index_plan *p = r->plan;
    const int64_t *dims = ad_plan_out_dims(p);
    ad_tensor *cast = ad_tensor_cast(r->ctx, v, r->t->dtype);
    if (!cast) return NULL;
    stretch(p, cast, strides);
    if (joined_step(p->many_rank, dims + r->before, strides + r->before, &r->v_unit)) return cast;
    ad_tensor *wide = ad_tensor_view(r->ctx, cast, 0, p->out_rank, dims, strides, 0);
    ad_tensor *copy = wide ? ad_tensor_copy(r->ctx, wide) : NULL;
    ad_tensor_release(r->ctx, wide);
    ad_tensor_release(r->ctx, cast);
    if (!copy) return NULL;
    memcpy(strides, ad_strides(copy), p->out_rank * sizeof *strides);
    joined_step(p->many_rank, dims + r->before, strides + r->before, &r->v_unit);
    return copy;
}

/* Runs `f` over the region and `v`. Nothing is touched if it fails. */
static ad_status apply(region *r, run *f, ad_value v) {
    int64_t strides[AD_MAX_RANK] = {0};
    double room;
    r->v_strides = strides;
    if (v.kind != AD_TENSOR) {
        ad_convert(r->t->dtype, &room, 1, AD_F64, &v.num, 1, 1);
        r->v = &room;
        r->v_unit = 0;
        return visit(r, f);
    }
    ad_tensor *w = counterpart(r, v.tensor, strides);
    if (!w) return r->ctx->error.status;
    r->v = w->data;
    ad_status s = visit(r, f);
    ad_tensor_release(r->ctx, w);
    return s;
}

ad_status ad_index_write(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value v) {
    region r;
    ad_status s = ad_index_fits(ctx, plan, v);
    if (s == AD_OK) s = open_region(&r, ctx, plan, x);
    if (s != AD_OK) return s;
    s = apply(&r, writers[x->dtype], v);
    close_region(&r);
    return s;
}

ad_status ad_index_accumulate(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan, ad_value v) {
    region r;
    if (x->dtype == AD_BOOL8) return ad_fail(ctx, AD_ERR_ARGUMENT, 0, "bools do not add up");
    ad_status s = ad_index_fits(ctx, plan, v);
    if (s == AD_OK) s = open_region(&r, ctx, plan, x);
    if (s != AD_OK) return s;
    s = apply(&r, adders[x->dtype], v);
    close_region(&r);
    return s;
}

ad_status ad_index_clear(ad_ctx *ctx, ad_tensor *x, const ad_index_plan *plan) {
    region r;
    ad_status s = open_region(&r, ctx, plan, x);
    if (s != AD_OK) return s;
    s = apply(&r, writers[x->dtype], ad_number(0));
    close_region(&r);
    return s;
}
