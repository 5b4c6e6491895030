/* SPDX-License-Identifier: MIT */
/*
 * Where a name of the language is not just a row of the op table: max and min with one argument or
 * two, shapes given as arguments or as one tuple, and sort, unique and split, which go by what they
 * are given.
 */
#define _GNU_SOURCE /* memmem */
#include "builtin.h"
#include "structure.h"

#include <string.h>

/* ---- max and min ------------------------------------------------------------------------------ */

/* "x, y = nil, *, axis, keep" */
static bool extreme(gr_vm *vm, gr_call *call, const char *reduction, const char *elementwise) {
    bool two = !gr_is_absent(call->args[1]);
    if (two && (gr_given(call, 2) || gr_given(call, 3))) {
        gr_raise(vm, GR_E_wrong_value, "`%s` of two values is elementwise and has no `axis`",
                 call->name);
        return false;
    }
    gr_call inner = *call;
    gr_value args[3] = {call->args[0], two ? call->args[1] : call->args[2], call->args[3]};
    inner.args = args;
    inner.count = two ? 2 : 3;
    inner.op = ad_op_find(two ? elementwise : reduction);
    bool ok = gr_builtin_op(vm, &inner);
    call->result = inner.result;
    return ok;
}

static bool gr_b_max(gr_vm *vm, gr_call *call) { return extreme(vm, call, "max", "maximum"); }
static bool gr_b_min(gr_vm *vm, gr_call *call) { return extreme(vm, call, "min", "minimum"); }

/* ---- shapes as arguments ---------------------------------------------------------------------- */

/* "x, shape, ...more": whole numbers, also negative ones. */
static bool with_numbers(gr_vm *vm, gr_call *call) {
    int64_t numbers[AD_MAX_RANK];
    int n = 0;
    if (!gr_is_numeric(call->args[0])) return gr_raise_kind(vm, call, 0, "a number or a tensor");
    for (uint32_t k = 1; k < call->count + call->rest_count; k++) {
        if (k < call->count && gr_is_absent(call->args[k])) continue;
        int more = gr_whole_numbers(vm, call, k, gr_argument(call, k), AD_MAX_RANK - n, numbers + n);
        if (more < 0) return false;
        n += more;
    }
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = n, .ints = numbers}};
    return gr_apply_row(vm, call, call->name, 1, call->args, args, &call->result);
}

static bool gr_b_reshape(gr_vm *vm, gr_call *call) { return with_numbers(vm, call); }
static bool gr_b_expand(gr_vm *vm, gr_call *call) { return with_numbers(vm, call); }
static bool gr_b_permute(gr_vm *vm, gr_call *call) { return with_numbers(vm, call); }
static bool gr_b_tile(gr_vm *vm, gr_call *call) { return with_numbers(vm, call); }

/* ---- repeat with a number for each element ---------------------------------------------------- */

static bool flatten_first(gr_vm *vm, gr_call *call, gr_value *out) {
    int64_t all = -1;
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = 1, .ints = &all}};
    return gr_apply_row(vm, call, "reshape", 1, call->args, args, out);
}

/* How often each element comes, as whole numbers; their sum. -1: raised. */
static int64_t read_copies(gr_vm *vm, gr_call *call, const ad_tensor *copies, int64_t size,
                           double *out) {
    int64_t total = 0;
    if (copies->rank != 1 || copies->dims[0] != size) {
        gr_raise_argument(vm, call, 1, GR_E_wrong_value,
                          "`repeat` wants one number of copies, or one for each of %lld",
                          (long long)size);
        return -1;
    }
    ad_tensor_read(copies, out);
    for (int64_t i = 0; i < size; i++) {
        if (out[i] >= 0 && out[i] < 0x1p40 && out[i] == (double)(int64_t)out[i]) {
            total += (int64_t)out[i];
            continue;
        }
        gr_raise_argument(vm, call, 1, GR_E_wrong_value, "a number of copies is whole, 0 or more");
        return -1;
    }
    return total;
}

/* The place that each element of the result comes from. */
static ad_tensor *places_of(gr_vm *vm, int64_t total, int64_t size, const double *copies) {
    ad_tensor *t = ad_tensor_new(gr_ctx(vm), AD_F64, 1, &total);
    int64_t at = 0;
    for (int64_t i = 0; t && i < size; i++)
        for (int64_t k = 0; k < (int64_t)copies[i]; k++, at++) ad_tensor_set(t, &at, (double)i);
    return t;
}

static bool repeat_along(gr_vm *vm, gr_call *call, gr_value x, const ad_tensor *copies, int axis) {
    int64_t size = x.tensor->dims[axis];
    size_t bytes = (size_t)(size + 1) * sizeof(double);
    double *each = ad_mem_get(gr_ctx(vm), bytes);
    if (!each) return gr_core_failed(vm, call);
    int64_t total = read_copies(vm, call, copies, size, each);
    ad_tensor *places = total < 0 ? NULL : places_of(vm, total, size, each);
    ad_mem_put(gr_ctx(vm), each, bytes);
    if (!places) return total < 0 ? false : gr_core_failed(vm, call);
    ad_index index[AD_MAX_RANK] = {{0}};
    for (int k = 0; k < axis; k++) index[k].kind = AD_IX_SLICE;
    index[axis] = (ad_index){.kind = AD_IX_GATHER, .tensor = places};
    bool ok = gr_check(vm, call, ad_index_get(gr_ctx(vm), x, axis + 1, index, call->src,
                                              &call->result));
    ad_tensor_release(gr_ctx(vm), places);
    return ok;
}

static bool gr_b_repeat(gr_vm *vm, gr_call *call) {
    gr_value x = call->args[0], copies = gr_absent();
    int64_t axis = 0;
    if (call->args[1].kind == AD_NUMBER || x.kind != AD_TENSOR) {
        gr_call inner = *call;
        inner.op = ad_op_find("repeat");
        bool ok = gr_builtin_op(vm, &inner);
        call->result = inner.result;
        return ok;
    }
    if (gr_given(call, 2) && !gr_want_whole(vm, call, 2, &axis)) return false;
    if (axis < 0) axis += x.tensor->rank;
    if (axis < 0 || axis >= x.tensor->rank) {
        gr_raise_argument(vm, call, 2, GR_E_wrong_value, "the tensor has no such axis; it has %d",
                          x.tensor->rank);
        return false;
    }
    if (!gr_to_tensor(vm, call, 1, call->args[1], &copies)) return false;
    gr_value flat = gr_nil();
    bool ok = copies.kind == AD_TENSOR || gr_raise_kind(vm, call, 1, "a number, or one for each item");
    if (ok && !gr_given(call, 2)) {
        ok = flatten_first(vm, call, &flat);
        x = flat;
    }
    ok = ok && repeat_along(vm, call, x, copies.tensor, (int)axis);
    gr_release(vm, flat);
    gr_release(vm, copies);
    return ok;
}

/* ---- sorting what is no tensor ---------------------------------------------------------------- */

typedef struct entry {
    gr_value item, key; /* borrowed */
} entry;

static int compare_strings(const gr_string *a, const gr_string *b) {
    size_t n = a->length < b->length ? a->length : b->length;
    int order = n ? memcmp(a->bytes, b->bytes, n) : 0;
    if (order) return order;
    return a->length < b->length ? -1 : a->length > b->length;
}

static int compare_keys(gr_value a, gr_value b) {
    if (a.kind == GR_STRING) return compare_strings(gr_as_string(a), gr_as_string(b));
    if (a.num != a.num || b.num != b.num) return (a.num != a.num) - (b.num != b.num);
    return a.num < b.num ? -1 : a.num > b.num;
}

enum { POLLED = 1 << 14 }; /* items between two looks at the interrupt flag */

/* Stable, from short runs upwards; `spare` has room for n. */
static bool merge_sort(gr_vm *vm, entry *p, entry *spare, size_t n, bool descending) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t middle = from + width < n ? from + width : n;
            size_t end = from + 2 * width < n ? from + 2 * width : n;
            for (size_t i = from, j = middle, k = from; k < end; k++) {
                int order = i < middle && j < end ? compare_keys(p[i].key, p[j].key) : 0;
                bool left = j == end || (i < middle && (descending ? order >= 0 : order <= 0));
                spare[k] = left ? p[i++] : p[j++];
                if (k % POLLED == 0 && !gr_go_on(vm)) return false;
            }
        }
        memcpy(p, spare, n * sizeof *p);
    }
    return true;
}

/* All numbers or all strings. */
static bool are_ordered(gr_vm *vm, gr_call *call, size_t n, const entry *p, bool raise) {
    for (size_t i = 0; i < n; i++) {
        bool fits = p[i].key.kind == GR_STRING || p[i].key.kind <= AD_BOOL;
        if (fits && (p[i].key.kind == GR_STRING) == (p[0].key.kind == GR_STRING)) continue;
        if (raise) {
            gr_diagnostic *d = gr_raise_argument(vm, call, 0, GR_E_wrong_kind,
                "`%s` puts numbers or strings in order, not both; item %zu is a %s", call->name, i,
                gr_kind_name(p[i].key));
            gr_diag_help(d, "`by = fn(x) = …` gives what to sort by");
        }
        return false;
    }
    return true;
}

static gr_value tuple_of_entries(gr_vm *vm, size_t n, const entry *p, bool distinct) {
    gr_value out = gr_tuple_new(vm, 0);
    for (size_t i = 0; i < n && !gr_failed(out); i++)
        if (!distinct || i == 0 || compare_keys(p[i].key, p[i - 1].key) != 0)
            out = gr_tuple_push(vm, out, gr_retain(vm, p[i].item));
    return out;
}

/* Sorts a tuple by the keys of another (the same, if there is no `by`). */
static bool sort_tuple(gr_vm *vm, gr_call *call, gr_value items, gr_value keys, bool descending,
                       bool distinct) {
    size_t n = gr_as_tuple(items)->count, bytes = (2 * n + 1) * sizeof(entry);
    entry *p = ad_mem_get(gr_ctx(vm), bytes);
    if (!p) return gr_core_failed(vm, call);
    for (size_t i = 0; i < n; i++)
        p[i] = (entry){gr_as_tuple(items)->items[i], gr_as_tuple(keys)->items[i]};
    bool ok = are_ordered(vm, call, n, p, true) && merge_sort(vm, p, p + n, n, descending);
    if (ok) {
        call->result = tuple_of_entries(vm, n, p, distinct);
        ok = !gr_failed(call->result);
    }
    ad_mem_put(gr_ctx(vm), p, bytes);
    return ok;
}

static bool keys_by(gr_vm *vm, gr_call *call, uint32_t by, gr_value *keys) {
    gr_tuple *t = gr_as_tuple(call->args[0]);
    if (!gr_want_function(vm, call, by)) return false;
    *keys = gr_tuple_new(vm, 0);
    for (size_t i = 0; i < t->count && !gr_failed(*keys); i++) {
        gr_value key;
        if (!gr_call_function(vm, call->args[by], 1, &t->items[i], &key) || !gr_safe_point(vm)) {
            gr_release(vm, *keys);
            return false;
        }
        *keys = gr_tuple_push(vm, *keys, key);
    }
    return !gr_failed(*keys);
}

static bool characters(gr_vm *vm, gr_call *call, gr_value *out) {
    gr_iterator it;
    gr_value c;
    bool failed = false;
    *out = gr_tuple_new(vm, 0);
    if (gr_failed(*out) || !gr_iterate(vm, call, 0, &it)) return false;
    while (!gr_failed(*out) && gr_next(&it, &c, &failed)) *out = gr_tuple_push(vm, *out, c);
    return !failed && !gr_failed(*out);
}

static bool join_result(gr_vm *vm, gr_call *call) {
    gr_value joined = gr_string_new(vm, "", 0);
    gr_tuple *t = gr_as_tuple(call->result);
    for (size_t i = 0; i < t->count && !gr_failed(joined); i++)
        joined = gr_string_join(vm, joined, t->items[i]);
    gr_replace(vm, &call->result, joined);
    return !gr_failed(joined);
}

static bool sort_string(gr_vm *vm, gr_call *call, bool descending, bool distinct) {
    gr_value chars;
    if (!characters(vm, call, &chars)) return false;
    bool ok = sort_tuple(vm, call, chars, chars, descending, distinct) && join_result(vm, call);
    gr_release(vm, chars);
    return ok;
}

/* "x, axis = -1, descending = false, *, by = nil" */
static bool gr_b_sort(gr_vm *vm, gr_call *call) {
    bool descending = false;
    if (gr_given(call, 2) && !gr_want_flag(vm, call, 2, &descending)) return false;
    if (call->args[0].kind == GR_STRING) return sort_string(vm, call, descending, false);
    if (call->args[0].kind != GR_TUPLE) {
        gr_call inner = *call;
        inner.count = 3;
        inner.op = ad_op_find("sort");
        bool ok = gr_builtin_op(vm, &inner);
        call->result = inner.result;
        return ok;
    }
    gr_value keys = gr_nil();
    bool by = gr_given(call, 3);
    if (by && !keys_by(vm, call, 3, &keys)) return false;
    bool ok = sort_tuple(vm, call, call->args[0], by ? keys : call->args[0], descending, false);
    gr_release(vm, keys);
    return ok;
}

/* Items that have no order keep theirs: each stays where it came first. */
static bool unique_unordered(gr_vm *vm, gr_call *call) {
    gr_tuple *t = gr_as_tuple(call->args[0]);
    call->result = gr_tuple_new(vm, 0);
    for (size_t i = 0; i < t->count && !gr_failed(call->result); i++) {
        bool found = false;
        gr_tuple *seen = gr_as_tuple(call->result);
        for (size_t k = 0; k < seen->count && !found; k++)
            if (!gr_equal(vm, seen->items[k], t->items[i], &found)) return false;
        if (!found)
            call->result = gr_tuple_push(vm, gr_take(&call->result), gr_retain(vm, t->items[i]));
        if (!gr_safe_point(vm)) return false;
    }
    return !gr_failed(call->result);
}

static bool has_order(const gr_tuple *t) {
    for (size_t i = 0; i < t->count; i++) {
        unsigned kind = t->items[i].kind;
        if (kind > AD_BOOL && kind != GR_STRING) return false;
        if ((kind == GR_STRING) != (t->items[0].kind == GR_STRING)) return false;
    }
    return true;
}

static bool gr_b_unique(gr_vm *vm, gr_call *call) {
    gr_value x = call->args[0];
    if (x.kind == GR_STRING) return sort_string(vm, call, false, true);
    if (x.kind == GR_TUPLE)
        return has_order(gr_as_tuple(x)) ? sort_tuple(vm, call, x, x, false, true)
                                         : unique_unordered(vm, call);
    gr_call inner = *call;
    inner.op = ad_op_find("unique");
    bool ok = gr_builtin_op(vm, &inner);
    call->result = inner.result;
    return ok;
}

/* ---- split ------------------------------------------------------------------------------------ */

enum { MAX_CUTS = 4096 };

/* Another axis that can be split so. */
static void help_split(gr_diagnostic *d, gr_value v, int64_t n) {
    if (v.kind != AD_TENSOR) return;
    for (int axis = 0; axis < v.tensor->rank; axis++) {
        if (n >= MAX_CUTS || v.tensor->dims[axis] % n != 0) continue;
        gr_diag_help(d, "axis %d has %lld items, which can be split so: `axis = %d`", axis,
                     (long long)v.tensor->dims[axis], axis);
        return;
    }
}

/* Bounds 0 = b[0] ≤ b[1] … b[n] = size of n parts: equal ones, or between given places. */
static int find_cuts(gr_vm *vm, gr_call *call, int64_t size, int64_t *bounds) {
    gr_value how = call->args[1];
    if (how.kind == AD_NUMBER) {
        int64_t n;
        if (!gr_want_count(vm, call, 1, 1, &n)) return -1;
        if (size % n != 0 || n >= MAX_CUTS) {
            gr_diagnostic *d = gr_raise_argument(vm, call, 1, GR_E_wrong_value,
                                                 "%lld items cannot be split into %lld equal parts",
                                                 (long long)size, (long long)n);
            help_split(d, call->args[0], n);
            return -1;
        }
        for (int64_t i = 0; i <= n; i++) bounds[i] = i * (size / n);
        return (int)n;
    }
    int n = gr_whole_numbers(vm, call, 1, how, MAX_CUTS - 2, bounds + 1);
    if (n < 0) return -1;
    bounds[0] = 0, bounds[n + 1] = size;
    for (int i = 1; i <= n + 1; i++) {
        if (i <= n && bounds[i] < 0) bounds[i] += size;
        if (bounds[i] >= bounds[i - 1] && bounds[i] <= size) continue;
        gr_raise_argument(vm, call, 1, GR_E_wrong_value,
                          "the places to split at go up from 0 to %lld", (long long)size);
        return -1;
    }
    return n + 1;
}

static bool split_tensor(gr_vm *vm, gr_call *call) {
    const ad_tensor *t = call->args[0].tensor;
    int64_t bounds[MAX_CUTS], axis = 0;
    if (gr_given(call, 2) && !gr_want_whole(vm, call, 2, &axis)) return false;
    if (axis < 0) axis += t->rank;
    if (axis < 0 || axis >= t->rank) {
        gr_raise_argument(vm, call, 2, GR_E_wrong_value, "the tensor has no such axis; it has %d",
                          t->rank);
        return false;
    }
    int n = find_cuts(vm, call, t->dims[axis], bounds);
    if (n < 0) return false;
    call->result = gr_tuple_new(vm, (size_t)n);
    if (gr_failed(call->result)) return false;
    ad_index index[AD_MAX_RANK] = {{0}};
    for (int64_t k = 0; k < axis; k++) index[k].kind = AD_IX_SLICE;
    for (int i = 0; i < n; i++) {
        index[axis] = (ad_index){.kind = AD_IX_SLICE, .has_start = true, .has_stop = true,
                                 .at = (double)bounds[i], .stop = (double)bounds[i + 1]};
        if (!gr_check(vm, call, ad_index_get(gr_ctx(vm), call->args[0], (int)axis + 1, index,
                                             call->src, &gr_as_tuple(call->result)->items[i])))
            return false;
    }
    return true;
}

static bool split_tuple(gr_vm *vm, gr_call *call) {
    int64_t bounds[MAX_CUTS];
    int n = find_cuts(vm, call, (int64_t)gr_as_tuple(call->args[0])->count, bounds);
    if (n < 0) return false;
    call->result = gr_tuple_new(vm, (size_t)n);
    if (gr_failed(call->result)) return false;
    for (int i = 0; i < n; i++) {
        gr_value part = gr_tuple_slice(vm, call->args[0], (size_t)bounds[i], (size_t)bounds[i + 1]);
        if (gr_failed(part)) return false;
        gr_as_tuple(call->result)->items[i] = part;
    }
    return true;
}

static bool push_slice(gr_vm *vm, gr_call *call, size_t from, size_t to) {
    gr_value part = gr_string_slice(vm, call->args[0], from, to);
    if (gr_failed(part)) return false;
    call->result = gr_tuple_push(vm, gr_take(&call->result), part);
    return !gr_failed(call->result) && gr_go_on(vm);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool split_at_blanks(gr_vm *vm, gr_call *call, const gr_string *s) {
    for (size_t i = 0; i < s->length;) {
        while (i < s->length && is_blank(s->bytes[i])) i++;
        size_t from = i;
        while (i < s->length && !is_blank(s->bytes[i])) i++;
        if (i > from && !push_slice(vm, call, from, i)) return false;
    }
    return true;
}

static bool split_string(gr_vm *vm, gr_call *call) {
    const gr_string *s = gr_as_string(call->args[0]);
    gr_string *separator = NULL;
    call->result = gr_tuple_new(vm, 0);
    if (gr_failed(call->result)) return false;
    if (!gr_given(call, 1)) return split_at_blanks(vm, call, s);
    if (!gr_want_string(vm, call, 1, &separator)) return false;
    if (separator->length == 0) {
        gr_diagnostic *d = gr_raise_argument(vm, call, 1, GR_E_wrong_value,
                                             "the separator of `split` is empty");
        gr_diag_help(d, "`chars(s)` gives the characters");
        return false;
    }
    size_t from = 0;
    for (;;) {
        const char *hit = memmem(s->bytes + from, s->length - from, separator->bytes, separator->length);
        size_t to = hit ? (size_t)(hit - s->bytes) : s->length;
        if (!push_slice(vm, call, from, to)) return false;
        if (!hit) return true;
        from = to + separator->length;
    }
}

static bool gr_b_split(gr_vm *vm, gr_call *call) {
    gr_value x = call->args[0];
    if (x.kind == GR_STRING) return split_string(vm, call);
    if (x.kind != AD_TENSOR && x.kind != GR_TUPLE)
        return gr_raise_kind(vm, call, 0, "a string, a tensor or a tuple");
    if (!gr_given(call, 1)) {
        gr_raise(vm, GR_E_wrong_value, "`split` of a %s wants the number of parts, or the places "
                 "to split at", gr_kind_name(x));
        return false;
    }
    return x.kind == AD_TENSOR ? split_tensor(vm, call) : split_tuple(vm, call);
}

const gr_builtin gr_builtins_tensor[] = {
    GR_BUILTIN(max, "x, y = nil, *, axis = all, keep = false",
               "the largest element, along `axis`; of two arguments the larger, elementwise. Ties share "
               "the derivative equally"),
    GR_BUILTIN(min, "x, y = nil, *, axis = all, keep = false",
               "the smallest element, along `axis`; of two arguments the smaller, elementwise. Ties share "
               "the derivative equally"),
    GR_BUILTIN(reshape, "x, shape = (), ...more",
               "the elements in another shape; -1 for one size that follows"),
    GR_BUILTIN(expand, "x, shape = (), ...more", "x stretched to a shape by broadcasting, without a copy"),
    GR_BUILTIN(permute, "x, axes = (), ...more", "the axes in another order, without a copy"),
    GR_BUILTIN(tile, "x, reps, ...more", "x repeated as a whole along each axis"),
    GR_BUILTIN(repeat, "x, n, axis = nil",
               "each element n times in a row, or as often as n says of each; along `axis`, or flat"),
    GR_BUILTIN(sort, "x, axis = -1, descending = false, *, by = nil",
               "in ascending order: a tensor along `axis`, the items of a tuple (by what `by` gives of "
               "each), the characters of a string"),
    GR_BUILTIN(unique, "x", "the distinct elements of a tensor, items of a tuple or characters of a "
               "string, in ascending order; items that have none in order of appearance"),
    GR_BUILTIN(split, "x, at = nil, axis = 0",
               "a string at a separator (blanks, if none is given); a tensor along `axis` or a tuple into "
               "n equal parts or at given places"),
    GR_BUILTINS_END};
