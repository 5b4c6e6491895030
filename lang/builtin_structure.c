/* SPDX-License-Identifier: MIT */
/*
 * Builtins on structures as trees of numbers, and comparison of whole values.
 */
#include "builtin.h"
#include "structure.h"

static bool push_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    gr_value *tuple = user;
    (void)path;
    *tuple = gr_tuple_push(vm, gr_take(tuple), gr_retain(vm, leaf));
    return !gr_failed(*tuple);
}

static bool gr_b_leaves(gr_vm *vm, gr_call *call) {
    call->result = gr_tuple_new(vm, 0);
    return !gr_failed(call->result) &&
           gr_structure_each(vm, call->args[0], push_leaf, &call->result);
}

static bool call_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                      gr_value *out) {
    const gr_value *f = user;
    (void)path;
    return gr_call_function(vm, *f, (uint32_t)n, in, out) && gr_safe_point(vm);
}

static bool gr_b_map_leaves(gr_vm *vm, gr_call *call) {
    gr_value trees[GR_MAX_TREES];
    if (!gr_want_function(vm, call, 0)) return false;
    if (call->rest_count + 1 > GR_MAX_TREES) {
        gr_raise(vm, GR_E_wrong_value, "`map_leaves` takes at most %d structures", GR_MAX_TREES);
        return false;
    }
    trees[0] = call->args[1];
    for (uint32_t k = 0; k < call->rest_count; k++) trees[k + 1] = call->rest[k];
    return gr_structure_map(vm, (int)call->rest_count + 1, trees, call_leaf, &call->args[0],
                            &call->result);
}

static bool gr_b_size(gr_vm *vm, gr_call *call) {
    int64_t leaves, numbers;
    if (!gr_structure_count(vm, call->args[0], &leaves, &numbers)) return false;
    call->result = ad_number((double)numbers);
    return true;
}

static bool gr_b_same(gr_vm *vm, gr_call *call) {
    bool result;
    if (!gr_same(vm, call->args[0], call->args[1], &result)) return false;
    call->result = ad_bool(result);
    return true;
}

static bool gr_b_close(gr_vm *vm, gr_call *call) {
    double rtol = 1e-9, atol = 0;
    bool result;
    if (gr_given(call, 2) && !gr_want_number(vm, call, 2, &rtol)) return false;
    if (gr_given(call, 3) && !gr_want_number(vm, call, 3, &atol)) return false;
    if (!gr_nearly_equal(vm, call->args[0], call->args[1], rtol, atol, &result)) return false;
    call->result = ad_bool(result);
    return true;
}

const gr_builtin gr_builtins_structure[] = {
    GR_BUILTIN(leaves, "p", "the numbers and tensors of a structure, in order, as a tuple"),
    GR_BUILTIN(map_leaves, "f, p, ...more",
               "a structure like p with f(leaf, …) for each leaf; further structures side by side"),
    GR_BUILTIN(size, "p", "how many numbers there are in a number, tensor or structure"),
    GR_BUILTIN(same, "a, b",
               "whether two values of any kind are the same: kind, shape, dtype and all elements; nan "
               "is the same as nan"),
    GR_BUILTIN(close, "a, b, rtol = 1e-9, atol = 0",
               "whether |a - b| <= atol + rtol * max(|a|, |b|) for all numbers of a and b"),
    GR_BUILTINS_END};
