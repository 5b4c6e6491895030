/* SPDX-License-Identifier: MIT */
/*
 * Makers of tensors: constants, sequences, random numbers, and what turns other values into a tensor.
 * Shapes are given as arguments or as one tuple; no shape at all makes a number.
 */
#include "builtin.h"
#include "structure.h"

#include <math.h>

static bool own_tensor(gr_vm *vm, gr_call *call, ad_tensor *t) {
    if (!t) return gr_core_failed(vm, call);
    call->result = ad_wrap(t);
    return true;
}

static bool fill(gr_vm *vm, gr_call *call, ad_dtype dtype, int rank, const int64_t *dims, double x) {
    if (rank > 0) return own_tensor(vm, call, ad_tensor_full(gr_ctx(vm), dtype, rank, dims, x));
    call->result = dtype == AD_BOOL8 ? ad_bool(x != 0) : ad_number(x);
    return true;
}

/* "...shape, *, dtype" */
static bool filled(gr_vm *vm, gr_call *call, double x) {
    int rank;
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    return gr_want_shape(vm, call, call->count, true, &rank, dims) &&
           gr_want_dtype(vm, call, 0, &dtype) && fill(vm, call, dtype, rank, dims, x);
}

static bool gr_b_zeros(gr_vm *vm, gr_call *call) { return filled(vm, call, 0); }
static bool gr_b_ones(gr_vm *vm, gr_call *call) { return filled(vm, call, 1); }

/* A value that stands for every element: a tracked number keeps its derivative. */
static bool gr_b_full(gr_vm *vm, gr_call *call) {
    int rank;
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    double x;
    if (!gr_want_shape(vm, call, 0, false, &rank, dims)) return false;
    if (!gr_want_dtype(vm, call, 2, &dtype) || !gr_want_number(vm, call, 1, &x)) return false;
    if (call->args[1].kind == AD_BOOL && !gr_given(call, 2)) dtype = AD_BOOL8;
    if (call->args[1].node == 0) return fill(vm, call, dtype, rank, dims, x);
    ad_arg shape[AD_MAX_ARGS] = {{.given = true, .count = rank, .ints = dims}};
    return gr_apply_row(vm, call, "expand", 1, &call->args[1], shape, &call->result);
}

static bool gr_b_eye(gr_vm *vm, gr_call *call) {
    int64_t dims[2], k = 0;
    ad_dtype dtype;
    if (!gr_want_count(vm, call, 0, 0, &dims[0])) return false;
    dims[1] = dims[0];
    if (gr_given(call, 1) && !gr_want_count(vm, call, 1, 0, &dims[1])) return false;
    if (gr_given(call, 2) && !gr_want_whole(vm, call, 2, &k)) return false;
    if (!gr_want_dtype(vm, call, 3, &dtype)) return false;
    ad_tensor *t = ad_tensor_full(gr_ctx(vm), dtype, 2, dims, 0);
    for (int64_t i = k < 0 ? -k : 0; t && i < dims[0] && i + k < dims[1]; i++)
        ad_tensor_set(t, (int64_t[]){i, i + k}, 1);
    return own_tensor(vm, call, t);
}

/* first + i · step, the last one exact. */
static bool sequence(gr_vm *vm, gr_call *call, ad_dtype dtype, int64_t n, double first, double step,
                     double last) {
    ad_tensor *t = ad_tensor_new(gr_ctx(vm), AD_F64, 1, &n);
    if (!t) return gr_core_failed(vm, call);
    double *x = t->data;
    for (int64_t i = 0; i < n; i++) x[i] = i == n - 1 ? last : first + (double)i * step;
    if (dtype == AD_F64) return own_tensor(vm, call, t);
    ad_tensor *cast = ad_tensor_cast(gr_ctx(vm), t, dtype);
    ad_tensor_release(gr_ctx(vm), t);
    return own_tensor(vm, call, cast);
}

static bool gr_b_linspace(gr_vm *vm, gr_call *call) {
    double start, stop;
    int64_t n = 50;
    ad_dtype dtype;
    if (!gr_want_number(vm, call, 0, &start) || !gr_want_number(vm, call, 1, &stop)) return false;
    if (gr_given(call, 2) && !gr_want_count(vm, call, 2, 0, &n)) return false;
    if (!gr_want_dtype(vm, call, 3, &dtype)) return false;
    double step = n > 1 ? (stop - start) / (double)(n - 1) : 0;
    return sequence(vm, call, dtype, n, start, step, n > 1 ? stop : start);
}

static bool gr_b_arange(gr_vm *vm, gr_call *call) {
    double start = 0, stop, step = 1;
    ad_dtype dtype;
    if (!gr_want_number(vm, call, 0, &stop)) return false;
    if (gr_given(call, 1)) {
        start = stop;
        if (!gr_want_number(vm, call, 1, &stop)) return false;
    }
    if (gr_given(call, 2) && !gr_want_number(vm, call, 2, &step)) return false;
    if (!gr_want_dtype(vm, call, 3, &dtype)) return false;
    double n = ceil((stop - start) / step);
    if (step == 0 || !isfinite(n) || n > 0x1p40) {
        gr_raise(vm, GR_E_wrong_value, "`arange` would never come from start to stop with this step");
        return false;
    }
    if (n < 0) n = 0;
    return sequence(vm, call, dtype, (int64_t)n, start, step, start + (n - 1) * step);
}

/* ---- random numbers --------------------------------------------------------------------------- */

static bool draw(gr_vm *vm, gr_call *call, ad_distribution law, double a, double b, ad_dtype dtype,
                 int rank, const int64_t *dims) {
    if (rank == 0) {
        call->result = ad_number(ad_random_number(gr_ctx(vm), law, a, b));
        return true;
    }
    return own_tensor(vm, call, ad_random(gr_ctx(vm), law, a, b, dtype, rank, dims));
}

/* "...shape, *, dtype" */
static bool draw_standard(gr_vm *vm, gr_call *call, ad_distribution law) {
    int rank;
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    return gr_want_shape(vm, call, call->count, true, &rank, dims) &&
           gr_want_dtype(vm, call, 0, &dtype) && draw(vm, call, law, 0, 1, dtype, rank, dims);
}

static bool gr_b_rand(gr_vm *vm, gr_call *call) { return draw_standard(vm, call, AD_UNIFORM); }
static bool gr_b_randn(gr_vm *vm, gr_call *call) { return draw_standard(vm, call, AD_NORMAL); }

/* "a, b, size, ...sizes, *, dtype" */
static bool draw_between(gr_vm *vm, gr_call *call, ad_distribution law) {
    int rank;
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    double a = 0, b = 1;
    if (gr_given(call, 0) && !gr_want_number(vm, call, 0, &a)) return false;
    if (gr_given(call, 1) && !gr_want_number(vm, call, 1, &b)) return false;
    return gr_want_shape(vm, call, 2, true, &rank, dims) && gr_want_dtype(vm, call, 3, &dtype) &&
           draw(vm, call, law, a, b, dtype, rank, dims);
}

static bool gr_b_uniform(gr_vm *vm, gr_call *call) { return draw_between(vm, call, AD_UNIFORM); }
static bool gr_b_normal(gr_vm *vm, gr_call *call) { return draw_between(vm, call, AD_NORMAL); }

static bool gr_b_randint(gr_vm *vm, gr_call *call) {
    int rank;
    int64_t dims[AD_MAX_RANK], low = 0, high;
    if (!gr_want_whole(vm, call, 0, &high)) return false;
    if (gr_given(call, 1)) {
        low = high;
        if (!gr_want_whole(vm, call, 1, &high)) return false;
    }
    if (low >= high) {
        gr_raise(vm, GR_E_wrong_value, "`randint` draws from low to below high; %lld..%lld is empty",
                 (long long)low, (long long)high);
        return false;
    }
    return gr_want_shape(vm, call, 2, true, &rank, dims) &&
           draw(vm, call, AD_INTEGER, (double)low, (double)high, AD_F64, rank, dims);
}

/* One probability, or a tensor of them, for which a uniform number each is compared. */
static bool gr_b_bernoulli(gr_vm *vm, gr_call *call) {
    int rank;
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    if (!gr_want_dtype(vm, call, 2, &dtype)) return false;
    gr_value p = call->args[0];
    if (p.kind != AD_TENSOR) {
        double x;
        return gr_want_number(vm, call, 0, &x) && gr_want_shape(vm, call, 1, true, &rank, dims) &&
               draw(vm, call, AD_BERNOULLI, x, 0, dtype, rank, dims);
    }
    ad_tensor *u = ad_random(gr_ctx(vm), AD_UNIFORM, 0, 1, AD_F64, p.tensor->rank, p.tensor->dims);
    if (!u) return gr_core_failed(vm, call);
    int64_t index[AD_MAX_RANK] = {0};
    for (int64_t i = 0; i < u->size; i++) {
        ad_tensor_set(u, index, ad_tensor_get(u, index) < ad_tensor_get(p.tensor, index));
        for (int k = u->rank - 1; k >= 0 && ++index[k] == u->dims[k]; k--) index[k] = 0;
    }
    return own_tensor(vm, call, u);
}

/* The generator's state as numbers that every format keeps: key and counter in halves of 32 bits. */
static bool random_state(gr_vm *vm, gr_call *call) {
    gr_note_effect(vm, GR_EFFECT_ASKED_RANDOM);
    ad_random_state s = ad_random_get(gr_ctx(vm));
    const double halves[] = {(double)(s.key >> 32), (double)(s.key & UINT32_MAX),
                             (double)(s.counter >> 32), (double)(s.counter & UINT32_MAX)};
    return own_tensor(vm, call, ad_tensor_from(gr_ctx(vm), AD_F64, 1, (int64_t[]){4}, halves));
}

static bool restore_random(gr_vm *vm, gr_call *call) {
    const ad_tensor *t = call->args[0].tensor;
    uint64_t halves[4] = {0};
    bool fits = t->rank == 1 && t->dims[0] == 4;
    for (int64_t i = 0; fits && i < 4; i++) {
        double x = ad_tensor_get(t, &i);
        fits = x >= 0 && x <= UINT32_MAX && x == floor(x);
        if (fits) halves[i] = (uint64_t)x;
    }
    if (!fits) {
        gr_raise_argument(vm, call, 0, GR_E_wrong_value,
                          "seed takes a whole number, or a state that seed() gave");
        return false;
    }
    ad_random_set(gr_ctx(vm), (ad_random_state){.key = halves[0] << 32 | halves[1],
                                                .counter = halves[2] << 32 | halves[3]});
    return true;
}

static bool gr_b_seed(gr_vm *vm, gr_call *call) {
    int64_t n, counter = 0;
    if (gr_given(call, 1) && !gr_want_count(vm, call, 1, 0, &counter)) return false;
    if (!gr_given(call, 0)) return random_state(vm, call);
    if (call->args[0].kind == AD_TENSOR) return restore_random(vm, call);
    if (!gr_want_whole(vm, call, 0, &n)) return false;
    ad_random_set(gr_ctx(vm), (ad_random_state){.key = (uint64_t)n, .counter = (uint64_t)counter});
    return true;
}

static bool gr_b_default_dtype(gr_vm *vm, gr_call *call) {
    ad_dtype dtype;
    if (!gr_want_dtype(vm, call, 0, &dtype)) return false;
    if (dtype == AD_BOOL8) {
        gr_raise_argument(vm, call, 0, GR_E_wrong_value, "the default dtype is \"f64\" or \"f32\"");
        return false;
    }
    ad_set_default_dtype(gr_ctx(vm), dtype);
    call->result = gr_string_text(vm, ad_dtype_name(dtype));
    return !gr_failed(call->result);
}

/* Items of a tuple, or elements along the first axis, in a random order; a number n: 0 … n−1. */
static bool gr_b_permutation(gr_vm *vm, gr_call *call) {
    gr_value x = call->args[0];
    int64_t n;
    if (x.kind == AD_TENSOR) n = x.tensor->dims[0];
    else if (x.kind == GR_TUPLE) n = (int64_t)gr_as_tuple(x)->count;
    else if (!gr_want_count(vm, call, 0, 0, &n)) return false;
    ad_tensor *order = ad_permutation(gr_ctx(vm), n);
    if (!order) return gr_core_failed(vm, call);
    if (x.kind == AD_NUMBER) return own_tensor(vm, call, order);
    bool ok;
    if (x.kind == AD_TENSOR) {
        ad_index index = {.kind = AD_IX_GATHER, .tensor = order};
        ok = gr_check(vm, call, ad_index_get(gr_ctx(vm), x, 1, &index, call->src, &call->result));
    } else {
        call->result = gr_tuple_new(vm, (size_t)n);
        ok = !gr_failed(call->result);
        for (int64_t i = 0; ok && i < n; i++) {
            size_t from = (size_t)ad_tensor_get(order, &i);
            gr_as_tuple(call->result)->items[i] = gr_retain(vm, gr_as_tuple(x)->items[from]);
        }
    }
    ad_tensor_release(gr_ctx(vm), order);
    return ok;
}

/* ---- from other values ------------------------------------------------------------------------ */

static bool cast_result(gr_vm *vm, gr_call *call, ad_dtype dtype) {
    gr_value v = call->result;
    if (v.kind != AD_TENSOR || v.tensor->dtype == dtype) return true;
    if (dtype == AD_BOOL8) {
        gr_value zero = ad_number(0), in[2] = {v, zero};
        call->result = gr_nil();
        bool ok = gr_apply_row(vm, call, "ne", 2, in, NULL, &call->result);
        gr_release(vm, v);
        return ok;
    }
    call->result = gr_nil();
    bool ok = gr_apply_row(vm, call, dtype == AD_F32 ? "f32" : "f64", 1, &v, NULL, &call->result);
    gr_release(vm, v);
    return ok;
}

static bool gr_b_tensor(gr_vm *vm, gr_call *call) {
    ad_dtype dtype;
    if (!gr_want_dtype(vm, call, 1, &dtype)) return false;
    if (!gr_to_tensor(vm, call, 0, call->args[0], &call->result)) return false;
    gr_value v = call->result;
    if (!gr_given(call, 1) && (v.kind != AD_TENSOR || v.tensor->dtype == AD_BOOL8 ||
                               call->args[0].kind == AD_TENSOR))
        return true;
    return cast_result(vm, call, dtype);
}

const gr_builtin gr_builtins_make[] = {
    GR_BUILTIN(zeros, "...shape, *, dtype = \"f64\"", "a tensor of zeros"),
    GR_BUILTIN(ones, "...shape, *, dtype = \"f64\"", "a tensor of ones"),
    GR_BUILTIN(full, "shape, value, *, dtype = \"f64\"", "a tensor whose elements are all `value`"),
    GR_BUILTIN(eye, "n, m = n, k = 0, *, dtype = \"f64\"",
               "n rows and m columns with 1 on the k-th diagonal, 0 elsewhere"),
    GR_BUILTIN(linspace, "start, stop, n = 50, *, dtype = \"f64\"",
               "n numbers from start to stop, both included, at equal distances"),
    GR_BUILTIN(arange, "start, stop = nil, step = 1, *, dtype = \"f64\"",
               "numbers from start to below stop; with one argument from 0 to below it"),
    GR_BUILTIN(rand, "...shape, *, dtype = \"f64\"", "random numbers, uniform on [0, 1)"),
    GR_BUILTIN(randn, "...shape, *, dtype = \"f64\"", "random numbers, normal with mean 0 and deviation 1"),
    GR_BUILTIN(uniform, "low = 0, high = 1, size = (), ...sizes, *, dtype = \"f64\"",
               "random numbers, uniform on [low, high)"),
    GR_BUILTIN(normal, "loc = 0, scale = 1, size = (), ...sizes, *, dtype = \"f64\"",
               "random numbers, normal with mean loc and deviation scale"),
    GR_BUILTIN(randint, "low, high = nil, size = (), ...sizes",
               "random whole numbers from low to below high; with one argument from 0 to below it"),
    GR_BUILTIN(permutation, "x",
               "x in random order, along the first axis; of a number n, 0 … n−1 in random order"),
    GR_BUILTIN(bernoulli, "p, size = (), ...sizes, *, dtype = \"f64\"",
               "1 with probability p, else 0; p may be a tensor of probabilities"),
    GR_BUILTIN(seed, "n = nil, *, counter = 0",
               "fixes all random numbers drawn from here on: those of the seed n, from the one with the "
               "number `counter` on; without n gives the generator's state, a tensor that seed(state) goes "
               "on from"),
    GR_BUILTIN(default_dtype, "dtype = nil",
               "the dtype of tensors that literals and constructors make from here on, \"f64\" or \"f32\"; "
               "without an argument tells what it is"),
    GR_BUILTIN(tensor, "x, *, dtype = \"f64\"",
               "a tensor of the numbers of a tuple (nested too), a range or a tensor"),
    GR_BUILTINS_END};
