/* SPDX-License-Identifier: MIT */
/* Elements through plans, against a reference that computes every element's place by definition:
 * random index lists on tensors of random strides, read, written, added to and cleared. */
#include "kernel_index.h"

#include "shape.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static ad_ctx *ctx;
static size_t at_first;
static void open_context(void) {
    ctx = ad_new(NULL);
    at_first = ad_mem_statistics(ctx).in_use;
}
static void close_context(void) {
    cr_expect_eq(ad_mem_statistics(ctx).in_use, at_first, "something leaked");
    ad_free(ctx);
}
TestSuite(kernel_index, .init = open_context, .fini = close_context);

static uint64_t seed = 11;
static int64_t below(int64_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(seed >> 33) % n;
}

/* A tensor whose elements are 1, 2, 3 … in row-major order, with its axes in a random order in
 * memory, and steps. */
static ad_tensor *shuffled(ad_dtype dtype, int rank, const int64_t *dims) {
    int order[AD_MAX_RANK];
    int64_t wide[AD_MAX_RANK], strides[AD_MAX_RANK];
    for (int i = 0; i < rank; i++) order[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        int j = (int)below(i + 1), k = order[i];
        order[i] = order[j];
        order[j] = k;
    }
    int64_t gap = below(2) + 1;
    for (int i = 0; i < rank; i++) wide[i] = dims[order[i]] * gap;
    ad_tensor *t = ad_tensor_full(ctx, dtype, rank, wide, 0);
    for (int i = 0; i < rank; i++) strides[order[i]] = ad_strides(t)[i] * gap;
    ad_tensor *v = ad_tensor_view(ctx, t, 0, rank, dims, strides, 0);
    ad_tensor_release(ctx, t);
    ad_tensor *count = ad_tensor_new(ctx, AD_F64, rank, dims);
    for (int64_t i = 0; i < count->size; i++) ((double *)count->data)[i] = (double)(i + 1);
    cr_assert_eq(ad_tensor_fill_from(ctx, v, count), AD_OK);
    ad_tensor_release(ctx, count);
    return v;
}

/* The reference: for each element of the result the row-major number of the source's element. */
typedef struct reference {
    int64_t n, place[20000];
} reference;

/* Per index: positions along its axes. `grow` appends them to every prefix in row-major order. */
static void grow(reference *r, int64_t scale, int64_t count, const int64_t *positions) {
    for (int64_t i = r->n - 1; i >= 0; i--)
        for (int64_t j = count - 1; j >= 0; j--)
            r->place[i * count + j] = r->place[i] * scale + positions[j];
    r->n *= count;
}

static ad_tensor *random_gather(int64_t size, int64_t *positions, int64_t *count) {
    int64_t dims[2] = {below(4) + 1, below(3) + 1};
    ad_tensor *t = ad_tensor_new(ctx, below(2) ? AD_F64 : AD_F32, 2, dims);
    *count = t->size;
    for (int64_t i = 0; i < t->size; i++) {
        int64_t k = below(2 * size) - size;
        ad_tensor_set(t, (int64_t[]){i / dims[1], i % dims[1]}, (double)k);
        positions[i] = k < 0 ? k + size : k;
    }
    return t;
}

static ad_tensor *random_mask(int rank, const int64_t *dims, int64_t *positions, int64_t *count) {
    ad_tensor *t = ad_tensor_new(ctx, AD_BOOL8, rank, dims);
    *count = 0;
    for (int64_t i = 0; i < t->size; i++) {
        bool on = below(3) != 0;
        ((uint8_t *)t->data)[i] = on;
        if (on) positions[(*count)++] = i;
    }
    return t;
}

static ad_index random_slice(int64_t size, int64_t *positions, int64_t *count) {
    static const double steps[] = {1, 1, 2, -1, -2, 3};
    ad_index ix = {.kind = AD_IX_SLICE, .has_step = true, .step = steps[below(6)]};
    int64_t step = (int64_t)ix.step, start = step > 0 ? 0 : size - 1, stop = step > 0 ? size : -1;
    if ((ix.has_start = below(2))) ix.at = (double)(start = below(size));
    if ((ix.has_stop = below(2))) ix.stop = (double)(stop = below(size + 1));
    if (ix.has_start && below(2)) ix.at -= (double)size;
    *count = 0;
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) positions[(*count)++] = i;
    return ix;
}

/* A random list for `dims`; the tensor that it uses, if any, in *used. */
static int random_list(int rank, const int64_t *dims, ad_index *ix, ad_tensor **used,
                       reference *r) {
    int n = 0;
    int64_t positions[512], count;
    *used = NULL;
    r->n = 1;
    r->place[0] = 0;
    for (int axis = 0; axis < rank;) {
        int64_t kind = below(6), scale = dims[axis];
        int span = 1;
        if (kind == 5) ix[n++] = (ad_index){.kind = AD_IX_NEW};
        if (kind == 0 && !*used) {
            *used = random_gather(dims[axis], positions, &count);
            ix[n++] = (ad_index){.kind = AD_IX_GATHER, .tensor = *used};
        } else if (kind == 1 && !*used) {
            span = 1 + (int)below(rank - axis);
            *used = random_mask(span, dims + axis, positions, &count);
            for (int i = 1; i < span; i++) scale *= dims[axis + i];
            ix[n++] = (ad_index){.kind = AD_IX_MASK, .tensor = *used};
        } else if (kind == 2) {
            positions[0] = below(dims[axis]);
            count = 1;
            ix[n++] = (ad_index){.kind = AD_IX_AT, .at = (double)positions[0]};
        } else {
            ix[n++] = random_slice(dims[axis], positions, &count);
        }
        grow(r, scale, count, positions);
        axis += span;
    }
    return n;
}

static void read_all(ad_value v, double *out) {
    if (v.kind == AD_TENSOR) ad_tensor_read(v.tensor, out);
    else out[0] = v.num;
}

static int64_t size_of(ad_value v) { return v.kind == AD_TENSOR ? v.tensor->size : 1; }

static void check_read(ad_tensor *t, const ad_index_plan *plan, const reference *r) {
    static double got[20000];
    ad_value v;
    ad_type type;
    cr_assert_eq(ad_index_read(ctx, t, plan, &v), AD_OK);
    ad_index_plan_type(plan, &type);
    cr_assert_eq(size_of(v), r->n);
    cr_assert_eq(v.kind == AD_TENSOR ? v.tensor->rank : 0, type.rank);
    read_all(v, got);
    for (int64_t i = 0; i < r->n; i++)
        cr_assert_eq(got[i], t->dtype == AD_BOOL8 ? 1 : (double)(r->place[i] + 1));
    ad_release(ctx, v);
}

/* Values for the region: a fresh tensor −1, −2, …, of the dtype or the other one. */
static ad_value values_for(const ad_index_plan *plan, double *flat) {
    ad_type type;
    ad_index_plan_type(plan, &type);
    if (type.rank == 0) return ad_number(flat[0] = -1);
    ad_tensor *v = ad_tensor_new(ctx, below(2) ? AD_F64 : AD_F32, type.rank, type.dims);
    for (int64_t i = 0; i < v->size; i++) flat[i] = (double)(-1 - i);
    ad_convert(v->dtype, v->data, 1, AD_F64, flat, 1, v->size);
    return ad_wrap(v);
}

static void check_change(ad_tensor *t, const ad_index_plan *plan, const reference *r, int how) {
    static double want[20000], got[20000], flat[20000];
    ad_tensor_read(t, want);
    ad_value v = values_for(plan, flat);
    ad_status s = how == 0   ? ad_index_write(ctx, t, plan, v)
                  : how == 1 ? ad_index_accumulate(ctx, t, plan, v)
                             : ad_index_clear(ctx, t, plan);
    cr_assert_eq(s, AD_OK, "%s", ad_last_error(ctx)->message);
    for (int64_t i = 0; i < r->n; i++) {
        double *w = &want[r->place[i]];
        *w = how == 0 ? flat[i] : how == 1 ? *w + flat[i] : 0;
    }
    ad_tensor_read(t, got);
    for (int64_t i = 0; i < t->size; i++) cr_assert_eq(got[i], want[i]);
    ad_release(ctx, v);
}

Test(kernel_index, agrees_with_the_definition) {
    static reference r;
    for (int turn = 0; turn < 3000; turn++) {
        int rank = 1 + (int)below(4);
        int64_t dims[4];
        for (int i = 0; i < rank; i++) dims[i] = below(4) + 1;
        ad_index ix[16];
        ad_tensor *used, *t = shuffled(turn % 2 ? AD_F64 : AD_F32, rank, dims);
        int n = random_list(rank, dims, ix, &used, &r);
        ad_index_plan *plan, *copy;
        cr_assert_eq(ad_index_resolve(ctx, ad_wrap(t), n, ix, &plan), AD_OK, "%s",
                     ad_last_error(ctx)->message);
        cr_assert_eq(ad_index_plan_copy(ctx, plan, &copy), AD_OK);
        ad_index_plan_free(ctx, plan);
        if (used) ad_tensor_release(ctx, used); /* the plan needs it no more */
        check_read(t, copy, &r);
        for (int how = 0; how < 3; how++) check_change(t, copy, &r, how);
        ad_index_plan_free(ctx, copy);
        ad_tensor_release(ctx, t);
    }
}

static ad_index_plan *plan_of(ad_tensor *t, int n, const ad_index *ix) {
    ad_index_plan *plan = NULL;
    cr_assert_eq(ad_index_resolve(ctx, ad_wrap(t), n, ix, &plan), AD_OK);
    return plan;
}

Test(kernel_index, slices_are_views) {
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 2, (int64_t[]){4, 5}, 1);
    ad_index ix = {.kind = AD_IX_SLICE, .has_start = true, .at = 1};
    ad_index_plan *plan = plan_of(t, 1, &ix);
    ad_value v;
    cr_assert_eq(ad_index_read(ctx, t, plan, &v), AD_OK);
    cr_expect_eq(v.tensor->base, t);
    ad_release(ctx, v);
    ad_index_plan_free(ctx, plan);
    ad_tensor_release(ctx, t);
}

Test(kernel_index, stretches_what_is_written) {
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 2, (int64_t[]){2, 3}, 0);
    ad_index rows = {.kind = AD_IX_SLICE};
    ad_index_plan *plan = plan_of(t, 1, &rows);
    const struct { int rank; int64_t dims[3]; double want[6]; } cases[] = {
        {1, {3}, {1, 2, 3, 1, 2, 3}}, {2, {2, 1}, {1, 1, 1, 2, 2, 2}},
        {3, {1, 1, 3}, {1, 2, 3, 1, 2, 3}}, {1, {1}, {1, 1, 1, 1, 1, 1}},
    };
    for (int k = 0; k < 4; k++) {
        const double in[] = {1, 2, 3};
        ad_tensor *v = ad_tensor_from(ctx, AD_F64, cases[k].rank, cases[k].dims, in);
        cr_assert_eq(ad_index_write(ctx, t, plan, ad_wrap(v)), AD_OK);
        cr_expect_arr_eq(t->data, cases[k].want, sizeof cases[k].want, "case %d", k);
        ad_tensor_release(ctx, v);
    }
    cr_expect_eq(ad_index_write(ctx, t, plan, ad_bool(true)), AD_OK);
    cr_expect_eq(ad_tensor_get(t, (int64_t[]){1, 2}), 1);
    ad_index_plan_free(ctx, plan);
    ad_tensor_release(ctx, t);
}

Test(kernel_index, stretches_over_the_places_of_a_gather) {
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 1, (int64_t[]){5}, 0);
    ad_tensor *i = ad_tensor_from(ctx, AD_F64, 2, (int64_t[]){2, 2}, (double[]){0, 1, 2, 0});
    ad_tensor *v = ad_tensor_from(ctx, AD_F64, 2, (int64_t[]){2, 1}, (double[]){10, 7});
    ad_index ix = {.kind = AD_IX_GATHER, .tensor = i};
    ad_index_plan *plan = plan_of(t, 1, &ix);
    cr_assert_eq(ad_index_accumulate(ctx, t, plan, ad_wrap(v)), AD_OK);
    const double want[] = {17, 10, 7, 0, 0};
    cr_expect_arr_eq(t->data, want, sizeof want);
    ad_index_plan_free(ctx, plan);
    ad_tensor *both[] = {t, i, v};
    for (int k = 0; k < 3; k++) ad_tensor_release(ctx, both[k]);
}

Test(kernel_index, refuses_what_does_not_fit) {
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 2, (int64_t[]){2, 3}, 0);
    ad_tensor *b = ad_tensor_full(ctx, AD_BOOL8, 1, (int64_t[]){3}, 0);
    ad_tensor *v = ad_tensor_full(ctx, AD_F64, 1, (int64_t[]){4}, 1);
    ad_index one[] = {{.kind = AD_IX_AT}, {.kind = AD_IX_AT}};
    ad_index_plan *row = plan_of(t, 1, one), *element = plan_of(t, 2, one);
    ad_index_plan *bit = plan_of(b, 1, one);
    cr_expect_eq(ad_index_write(ctx, t, row, ad_wrap(v)), AD_ERR_SHAPE);
    cr_expect_str_eq(ad_last_error(ctx)->message, "[4] does not fit into the [3] that is indexed");
    cr_expect_eq(ad_index_fits(ctx, element, ad_wrap(v)), AD_ERR_SHAPE);
    cr_expect_eq(ad_index_fits(ctx, bit, ad_number(1)), AD_ERR_ARGUMENT);
    cr_expect_eq(ad_index_write(ctx, b, bit, ad_bool(true)), AD_OK);
    ad_value x;
    cr_expect_eq(ad_index_read(ctx, b, bit, &x), AD_OK);
    cr_expect(x.kind == AD_BOOL && x.num == 1);
    cr_expect_eq(ad_index_accumulate(ctx, b, bit, ad_bool(true)), AD_ERR_ARGUMENT);
    ad_index_plan *plans[] = {row, element, bit};
    ad_tensor *tensors[] = {t, b, v};
    for (int k = 0; k < 3; k++) ad_index_plan_free(ctx, plans[k]);
    for (int k = 0; k < 3; k++) ad_tensor_release(ctx, tensors[k]);
}

Test(kernel_index, stops_a_long_gather) {
    ad_tensor *t = ad_tensor_full(ctx, AD_F64, 2, (int64_t[]){10, 8}, 1);
    ad_tensor *i = ad_tensor_full(ctx, AD_F64, 1, (int64_t[]){5000}, 3);
    ad_index ix = {.kind = AD_IX_GATHER, .tensor = i};
    ad_index_plan *plan = plan_of(t, 1, &ix);
    ad_value v;
    *ad_interrupt_flag(ctx) = 1;
    cr_expect_eq(ad_index_read(ctx, t, plan, &v), AD_ERR_INTERRUPT);
    *ad_interrupt_flag(ctx) = 0;
    ad_index_plan_free(ctx, plan);
    ad_tensor_release(ctx, t);
    ad_tensor_release(ctx, i);
}

/* ---- failing allocations ------------------------------------------------------------------ */

static void *failing_get(void *user, size_t bytes) {
    long *left = user;
    return --*left < 0 ? NULL : malloc(bytes);
}

static void failing_put(void *user, void *block, size_t bytes) {
    (void)user, (void)bytes;
    free(block);
}

/* Arrays of a size that goes to the system each: a gather from a transposed view, written back in
 * another dtype over places that need offsets of their own. */
static ad_status work(ad_ctx *c, ad_tensor *made[6], ad_index_plan **plan) {
    const int64_t dims[] = {100, 90}, turned[] = {90, 100}, strides[] = {1, 90};
    if (!(made[0] = ad_tensor_full(c, AD_F64, 2, dims, 1))) return ad_last_error(c)->status;
    if (!(made[1] = ad_tensor_view(c, made[0], 0, 2, turned, strides, 0)))
        return ad_last_error(c)->status;
    if (!(made[2] = ad_tensor_full(c, AD_BOOL8, 2, turned, 1))) return ad_last_error(c)->status;
    ad_index ix = {.kind = AD_IX_MASK, .tensor = made[2]};
    ad_value v;
    ad_status s = ad_index_resolve(c, ad_wrap(made[1]), 1, &ix, plan);
    if (s == AD_OK) s = ad_index_read(c, made[1], *plan, &v);
    if (s != AD_OK) return s;
    made[3] = v.tensor;
    if (!(made[4] = ad_tensor_cast(c, made[3], AD_F32))) return ad_last_error(c)->status;
    if (!(made[5] = ad_tensor_copy(c, made[1]))) return ad_last_error(c)->status;
    return ad_index_accumulate(c, made[1], *plan, ad_wrap(made[4]));
}

Test(kernel_index, survives_every_failing_allocation) {
    int failures = 0;
    bool finished = false;
    for (long n = 0; !finished && n < 100; n++) {
        long left = 1000;
        ad_config config = {.allocate = failing_get, .release = failing_put, .user = &left};
        ad_ctx *c = ad_new(&config);
        size_t before = ad_mem_statistics(c).in_use;
        ad_tensor *made[6] = {NULL};
        ad_index_plan *plan = NULL;
        left = n;
        ad_status s = work(c, made, &plan);
        finished = s == AD_OK;
        cr_expect(finished || s == AD_ERR_MEMORY);
        failures += !finished;
        for (int i = 0; i < 6; i++) ad_tensor_release(c, made[i]);
        ad_index_plan_free(c, plan);
        cr_expect_eq(ad_mem_statistics(c).in_use, before, "leak after failure %ld", n);
        ad_free(c);
    }
    cr_expect(finished);
    cr_expect_gt(failures, 4);
}
