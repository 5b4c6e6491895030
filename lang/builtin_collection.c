/* SPDX-License-Identifier: MIT */
/*
 * Tuples as lists, records as dictionaries, and functions over whatever `for` runs through.
 */
#include "builtin.h"
#include "format.h"
#include "structure.h"

#include <math.h>

static bool push(gr_vm *vm, gr_value *tuple, gr_value v) {
    *tuple = gr_tuple_push(vm, gr_take(tuple), v);
    return !gr_failed(*tuple);
}

/* ---- functions over sequences ----------------------------------------------------------------- */

enum { MAX_SEQUENCES = 16 };

/* call->args[first] and what the rest took, all of one length. */
static bool iterate_all(gr_vm *vm, gr_call *call, int64_t first, gr_iterator *its, uint32_t *n) {
    *n = 0;
    if (call->rest_count + 1 > MAX_SEQUENCES) {
        gr_raise(vm, GR_E_wrong_value, "`%s` takes at most %d sequences", call->name,
                 MAX_SEQUENCES - 1);
        return false;
    }
    if (first >= 0 && !gr_iterate(vm, call, (uint32_t)first, &its[(*n)++])) return false;
    for (uint32_t k = 0; k < call->rest_count; k++)
        if (!gr_iterate(vm, call, call->count + k, &its[(*n)++])) return false;
    for (uint32_t k = 1; k < *n; k++) {
        if (its[k].count == its[0].count) continue;
        gr_raise(vm, GR_E_wrong_value, "`%s` wants sequences of one length; the first has %zu items, "
                 "another %zu", call->name, its[0].count, its[k].count);
        return false;
    }
    return true;
}

static void release_all(gr_vm *vm, uint32_t n, const gr_value *items) {
    for (uint32_t k = 0; k < n; k++) gr_release(vm, items[k]);
}

/* The next item of each; false at the end or on failure. */
static bool next_of_all(gr_vm *vm, uint32_t n, gr_iterator *its, gr_value *items, bool *failed) {
    for (uint32_t k = 0; k < n; k++) {
        if (gr_next(&its[k], &items[k], failed)) continue;
        release_all(vm, k, items);
        return false;
    }
    return n > 0;
}

static bool gr_b_map(gr_vm *vm, gr_call *call) {
    gr_iterator its[MAX_SEQUENCES];
    gr_value items[MAX_SEQUENCES], y;
    uint32_t n;
    bool failed = false;
    if (!gr_want_function(vm, call, 0) || !iterate_all(vm, call, 1, its, &n)) return false;
    call->result = gr_tuple_new(vm, 0);
    while (!gr_failed(call->result) && next_of_all(vm, n, its, items, &failed)) {
        bool ok = gr_call_function(vm, call->args[0], n, items, &y);
        release_all(vm, n, items);
        if (!ok || !push(vm, &call->result, y) || !gr_safe_point(vm)) return false;
    }
    return !failed && !gr_failed(call->result);
}

/* f(x) must be a bool. */
static bool ask(gr_vm *vm, gr_call *call, gr_value x, bool *keep) {
    gr_value answer;
    if (!gr_call_function(vm, call->args[0], 1, &x, &answer)) return false;
    *keep = answer.kind == AD_BOOL && answer.num != 0;
    bool ok = answer.kind == AD_BOOL;
    if (!ok)
        gr_raise_argument(vm, call, 0, GR_E_wrong_kind,
                          "`f` of `filter` must give true or false; it gave a %s",
                          gr_kind_name(answer));
    gr_release(vm, answer);
    return ok && gr_safe_point(vm);
}

static bool filter_items(gr_vm *vm, gr_call *call, gr_iterator *it, gr_value *kept) {
    gr_value x;
    bool failed = false, keep;
    while (gr_next(it, &x, &failed)) {
        bool ok = ask(vm, call, x, &keep);
        if (ok && keep) {
            ok = push(vm, kept, it->over.kind == AD_TENSOR ? ad_number((double)it->at - 1)
                                                           : gr_retain(vm, x));
        }
        gr_release(vm, x);
        if (!ok) return false;
    }
    return !failed;
}

/* The rows of a tensor at the kept positions. */
static bool gather_rows(gr_vm *vm, gr_call *call) {
    gr_value order, x = call->args[1];
    if (!gr_to_tensor(vm, call, 1, call->result, &order)) return false;
    ad_index index = {.kind = AD_IX_GATHER, .tensor = order.tensor};
    gr_value out;
    bool ok = gr_check(vm, call, ad_index_get(gr_ctx(vm), x, 1, &index, call->src, &out));
    gr_release(vm, order);
    if (ok) gr_replace(vm, &call->result, out);
    return ok;
}

static bool gr_b_filter(gr_vm *vm, gr_call *call) {
    gr_iterator it;
    if (!gr_want_function(vm, call, 0) || !gr_iterate(vm, call, 1, &it)) return false;
    call->result = gr_tuple_new(vm, 0);
    if (gr_failed(call->result) || !filter_items(vm, call, &it, &call->result)) return false;
    return call->args[1].kind != AD_TENSOR || gather_rows(vm, call);
}

static bool gr_b_fold(gr_vm *vm, gr_call *call) {
    gr_iterator it;
    if (!gr_want_function(vm, call, 0) || !gr_iterate(vm, call, 2, &it)) return false;
    gr_value state = gr_take(&call->args[1]), x, y;
    bool failed = false;
    while (gr_next(&it, &x, &failed)) {
        gr_value pair[2] = {state, x};
        bool ok = gr_call_function(vm, call->args[0], 2, pair, &y);
        gr_release(vm, x);
        gr_release(vm, state);
        if (!ok) return false;
        state = y;
        if (!gr_safe_point(vm)) failed = true;
        if (failed) break;
    }
    if (failed) gr_release(vm, state);
    else call->result = state;
    return !failed;
}

static bool gr_b_zip(gr_vm *vm, gr_call *call) {
    gr_iterator its[MAX_SEQUENCES];
    gr_value items[MAX_SEQUENCES];
    uint32_t n;
    bool failed = false;
    if (!iterate_all(vm, call, -1, its, &n)) return false;
    call->result = gr_tuple_new(vm, 0);
    while (!gr_failed(call->result) && next_of_all(vm, n, its, items, &failed)) {
        gr_value row = gr_tuple_of(vm, n, items);
        if (gr_failed(row) || !push(vm, &call->result, row)) return false;
    }
    return !failed && !gr_failed(call->result);
}

static bool gr_b_enumerate(gr_vm *vm, gr_call *call) {
    gr_iterator it;
    gr_value x;
    bool failed = false;
    if (!gr_iterate(vm, call, 0, &it)) return false;
    call->result = gr_tuple_new(vm, 0);
    while (!gr_failed(call->result) && gr_next(&it, &x, &failed)) {
        gr_value pair[2] = {ad_number((double)it.at - 1), x}, row = gr_tuple_of(vm, 2, pair);
        if (gr_failed(row) || !push(vm, &call->result, row)) return false;
    }
    return !failed && !gr_failed(call->result);
}

/* ---- tuples ----------------------------------------------------------------------------------- */

static bool gr_b_push(gr_vm *vm, gr_call *call) {
    if (call->args[0].kind == AD_TENSOR) {
        gr_diagnostic *d = gr_raise_argument(vm, call, 0, GR_E_wrong_kind,
                                             "`push` is for tuples; a tensor has a fixed size");
        gr_diag_help(d, "collect in a tuple and make a tensor of it with `tensor(t)`, or join "
                        "tensors with `concat`");
        return false;
    }
    if (call->args[0].kind != GR_TUPLE) return gr_raise_kind(vm, call, 0, "a tuple");
    call->result = gr_tuple_push(vm, gr_take(&call->args[0]), gr_take(&call->args[1]));
    return !gr_failed(call->result);
}

/* Position of an item, negative from the end; -1: there is none. */
static int64_t position(gr_value index, size_t count) {
    double i = index.num < 0 ? index.num + (double)count : index.num;
    return i == trunc(i) && i >= 0 && i < (double)count ? (int64_t)i : -1;
}

/* ---- records ---------------------------------------------------------------------------------- */

static bool want_record(gr_vm *vm, gr_call *call) {
    return call->args[0].kind == GR_RECORD || gr_raise_kind(vm, call, 0, "a record");
}

static bool gr_b_keys(gr_vm *vm, gr_call *call) {
    if (!want_record(vm, call)) return false;
    uint32_t n = gr_record_count(call->args[0]);
    call->result = gr_tuple_new(vm, n);
    if (gr_failed(call->result)) return false;
    for (uint32_t i = 0; i < n; i++)
        gr_as_tuple(call->result)->items[i] =
            gr_retain(vm, gr_of_kind(GR_STRING, gr_record_key(call->args[0], i)));
    return true;
}

static bool gr_b_values(gr_vm *vm, gr_call *call) {
    if (!want_record(vm, call)) return false;
    uint32_t n = gr_record_count(call->args[0]);
    call->result = gr_tuple_new(vm, n);
    if (gr_failed(call->result)) return false;
    for (uint32_t i = 0; i < n; i++)
        gr_as_tuple(call->result)->items[i] = gr_retain(vm, gr_record_value(call->args[0], i));
    return true;
}

static bool tuple_has(gr_vm *vm, const gr_tuple *t, gr_value x, bool *found) {
    *found = false;
    for (size_t i = 0; !*found && i < t->count; i++)
        if (!gr_equal(vm, t->items[i], x, found) || (i % 4096 == 4095 && !gr_go_on(vm))) return false;
    return true;
}

static bool gr_b_has(gr_vm *vm, gr_call *call) {
    bool found = false;
    gr_string *key;
    if (call->args[0].kind == GR_TUPLE) {
        if (!tuple_has(vm, gr_as_tuple(call->args[0]), call->args[1], &found)) return false;
    } else if (call->args[0].kind == GR_RECORD) {
        if (!gr_want_string(vm, call, 1, &key)) return false;
        found = gr_record_index(call->args[0], key) >= 0;
    } else {
        return gr_raise_kind(vm, call, 0, "a record or a tuple");
    }
    call->result = ad_bool(found);
    return true;
}

static bool gr_b_get(gr_vm *vm, gr_call *call) {
    gr_value *place = NULL, from = call->args[0];
    gr_string *key;
    if (from.kind == GR_RECORD) {
        if (!gr_want_string(vm, call, 1, &key)) return false;
        place = gr_record_find(vm, from, key);
    } else if (from.kind == GR_TUPLE) {
        int64_t i;
        if (!gr_want_whole(vm, call, 1, &i)) return false;
        i = position(call->args[1], gr_as_tuple(from)->count);
        if (i >= 0) place = &gr_as_tuple(from)->items[i];
    } else {
        return gr_raise_kind(vm, call, 0, "a record or a tuple");
    }
    call->result = place ? gr_retain(vm, *place) : gr_take(&call->args[2]);
    if (gr_is_absent(call->result)) call->result = gr_nil();
    return true;
}

static bool remove_item(gr_vm *vm, gr_call *call) {
    gr_tuple *t = gr_as_tuple(call->args[0]);
    int64_t unused, at;
    if (!gr_want_whole(vm, call, 1, &unused)) return false;
    at = position(call->args[1], t->count);
    if (at < 0) {
        gr_raise_argument(vm, call, 1, GR_E_wrong_value,
                          "item %lld is out of range; the tuple has %zu items", (long long)unused,
                          t->count);
        return false;
    }
    gr_value before = gr_tuple_slice(vm, call->args[0], 0, (size_t)at);
    gr_value after = gr_tuple_slice(vm, call->args[0], (size_t)at + 1, t->count);
    if (!gr_failed(before) && !gr_failed(after))
        call->result = gr_tuple_join(vm, before, after);
    gr_release(vm, after);
    return !gr_failed(call->result);
}

static bool gr_b_remove(gr_vm *vm, gr_call *call) {
    gr_string *key;
    if (call->args[0].kind == GR_TUPLE) return remove_item(vm, call);
    if (call->args[0].kind != GR_RECORD) return gr_raise_kind(vm, call, 0, "a record or a tuple");
    if (!gr_want_string(vm, call, 1, &key)) return false;
    call->result = gr_take(&call->args[0]);
    if (gr_record_index(call->result, key) >= 0) return gr_record_remove(vm, &call->result, key);
    gr_raise_argument(vm, call, 1, GR_E_wrong_value, "the record has no field \"%.*s\"",
                      (int)(key->length > 60 ? 60 : key->length), key->bytes);
    return false;
}

static bool gr_b_len(gr_vm *vm, gr_call *call) {
    gr_value v = call->args[0];
    double n;
    switch (v.kind) {
    case GR_STRING: n = (double)gr_string_chars(gr_as_string(v)); break;
    case GR_TUPLE: n = (double)gr_as_tuple(v)->count; break;
    case GR_RECORD: n = gr_record_count(v); break;
    case GR_RANGE: n = gr_range_count(gr_as_range(v)); break;
    case AD_TENSOR: n = (double)v.tensor->dims[0]; break;
    default: return gr_raise_kind(vm, call, 0, "a string, tuple, record, range or tensor");
    }
    call->result = ad_number(n);
    return true;
}

const gr_builtin gr_builtins_collection[] = {
    GR_BUILTIN(map, "f, xs, ...more",
               "the tuple of f(x) for each x; with further sequences of f(x, y, …)"),
    GR_BUILTIN(filter, "f, xs", "the items x for which f(x) is true; of a tensor a tensor"),
    GR_BUILTIN(fold, "f, start, xs", "f(… f(f(start, x0), x1) …)"),
    GR_BUILTIN(zip, "...xs", "tuples of the items that stand at the same place"),
    GR_BUILTIN(enumerate, "xs", "pairs (place, item)"),
    GR_BUILTIN(push, "t, x", "the tuple t with x behind its items: t = push(t, x)"),
    GR_BUILTIN(keys, "r", "the names of a record's fields"),
    GR_BUILTIN(values, "r", "the values of a record's fields"),
    GR_BUILTIN(has, "r, x", "whether a record has the field named x, or a tuple an item equal to x"),
    GR_BUILTIN(get, "r, name, default = nil", "the field or item, or `default` where there is none"),
    GR_BUILTIN(remove, "r, name", "a record without a field, or a tuple without the item at a place"),
    GR_BUILTIN(len, "x",
               "the number of characters, items, fields, or of elements along the first axis"),
    GR_BUILTINS_END};
