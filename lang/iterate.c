/* SPDX-License-Identifier: MIT */
/*
 * What `for` runs through, seen from C: tuples, tensors along their first axis, ranges, strings by
 * character, records as (name, value); and the way from such values to a tensor.
 */
#include "builtin.h"
#include "structure.h"

#include <math.h>
#include <stdio.h>

static bool is_whole_range(const gr_range *r) {
    return r->low == trunc(r->low) && r->high == trunc(r->high) && r->step == trunc(r->step);
}

static bool range_count(gr_vm *vm, const gr_call *call, uint32_t i, const gr_range *r, size_t *out) {
    double n = gr_range_count(r);
    if (!is_whole_range(r)) {
        gr_diagnostic *d = gr_raise_argument(vm, call, i, GR_E_wrong_value,
                                             "a range is run through in whole numbers");
        gr_diag_help(d, "`linspace(start, stop, n)` makes numbers at equal distances");
        return false;
    }
    if (!(n <= 0x1p53)) {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "the range has no end that can be reached");
        return false;
    }
    *out = (size_t)n;
    return true;
}

bool gr_iterate(gr_vm *vm, const gr_call *call, uint32_t i, gr_iterator *it) {
    gr_value v = gr_argument(call, i);
    *it = (gr_iterator){.vm = vm, .over = v, .src = call->src};
    switch (v.kind) {
    case GR_TUPLE: it->count = gr_as_tuple(v)->count; return true;
    case GR_RECORD: it->count = gr_record_count(v); return true;
    case AD_TENSOR: it->count = (size_t)v.tensor->dims[0]; return true;
    case GR_STRING: it->count = (size_t)gr_string_chars(gr_as_string(v)); return true;
    case GR_RANGE: return range_count(vm, call, i, gr_as_range(v), &it->count);
    default:
        return gr_raise_kind(vm, call, i, "a tuple, tensor, range, string or record");
    }
}

static gr_value next_pair(gr_iterator *it) {
    gr_string *key = gr_record_key(it->over, (uint32_t)it->at);
    gr_value pair[2] = {gr_of_kind(GR_STRING, key), gr_record_value(it->over, (uint32_t)it->at)};
    gr_retain(it->vm, pair[0]);
    gr_retain(it->vm, pair[1]);
    return gr_tuple_of(it->vm, 2, pair);
}

static gr_value next_character(gr_iterator *it) {
    const gr_string *s = gr_as_string(it->over);
    size_t end = it->byte + 1;
    while (end < s->length && ((unsigned char)s->bytes[end] & 0xc0) == 0x80) end++;
    gr_value v = gr_string_new(it->vm, s->bytes + it->byte, end - it->byte);
    it->byte = end;
    return v;
}

static gr_value next_row(gr_iterator *it) {
    ad_index index = {.kind = AD_IX_AT, .at = (double)it->at};
    gr_value v = gr_absent();
    if (!gr_check(it->vm, NULL, ad_index_get(gr_ctx(it->vm), it->over, 1, &index, it->src, &v)))
        return gr_absent();
    return v;
}

bool gr_next(gr_iterator *it, gr_value *out, bool *failed) {
    *failed = (it->at & 1023) == 1023 && !gr_go_on(it->vm);
    if (it->at >= it->count || *failed) return false;
    const gr_range *r = it->over.kind == GR_RANGE ? gr_as_range(it->over) : NULL;
    switch (it->over.kind) {
    case GR_TUPLE: *out = gr_retain(it->vm, gr_as_tuple(it->over)->items[it->at]); break;
    case GR_RECORD: *out = next_pair(it); break;
    case GR_STRING: *out = next_character(it); break;
    case GR_RANGE: *out = ad_number(r->low + (double)it->at * r->step); break;
    default: *out = next_row(it);
    }
    it->at++;
    *failed = gr_failed(*out);
    return !*failed;
}

/* ---- to a tensor ------------------------------------------------------------------------------ */

typedef struct conversion {
    gr_vm *vm;
    const gr_call *call;
    uint32_t argument;
} conversion;

static bool convert(const conversion *c, gr_value v, int depth, gr_value *out);

static bool same_shape(gr_value a, gr_value b) {
    if (a.kind <= AD_BOOL && b.kind <= AD_BOOL) return true;
    ad_type ta = ad_type_of(a), tb = ad_type_of(b);
    if (ta.rank != tb.rank) return false;
    for (int i = 0; i < ta.rank; i++)
        if (ta.dims[i] != tb.dims[i]) return false;
    return true;
}

static void shape_word(gr_value v, char *buf, size_t room) {
    ad_type t = ad_type_of(v);
    if (t.rank > 0) ad_shape_text(t.rank, t.dims, buf, room);
    else snprintf(buf, room, "a number");
}

static bool check_even(const conversion *c, size_t count, const gr_value *items) {
    for (size_t i = 1; i < count; i++) {
        if ((i & 0xffff) == 0 && !gr_go_on(c->vm)) return false;
        if (same_shape(items[0], items[i])) continue;
        char first[160], other[160];
        shape_word(items[0], first, sizeof first);
        shape_word(items[i], other, sizeof other);
        gr_raise_argument(c->vm, c->call, c->argument, GR_E_ragged_tensor,
                          "item %zu is %s but item 0 is %s; a tensor's items have one shape", i,
                          other, first);
        return false;
    }
    return true;
}

static bool convert_tuple(const conversion *c, const gr_tuple *t, int depth, gr_value *out) {
    gr_value items = gr_tuple_new(c->vm, t->count);
    if (gr_failed(items)) return false;
    gr_value *p = gr_as_tuple(items)->items;
    bool ok = true;
    for (size_t i = 0; ok && i < t->count; i++) {
        p[i] = gr_nil();
        ok = convert(c, t->items[i], depth + 1, &p[i]) && ((i & 1023) != 1023 || gr_go_on(c->vm));
    }
    ok = ok && check_even(c, t->count, p) &&
         gr_join(c->vm, c->call->src, true, t->count, p, 0, out);
    gr_release(c->vm, items);
    return ok;
}

static bool convert_range(const conversion *c, const gr_range *r, gr_value *out) {
    size_t count;
    if (!range_count(c->vm, c->call, c->argument, r, &count)) return false;
    int64_t n = (int64_t)count;
    ad_tensor *t = ad_tensor_new(gr_ctx(c->vm), AD_F64, 1, &n);
    if (!t) return gr_core_failed(c->vm, c->call);
    for (int64_t i = 0; i < n; i++) ((double *)t->data)[i] = r->low + (double)i * r->step;
    *out = ad_wrap(t);
    return true;
}

static bool convert(const conversion *c, gr_value v, int depth, gr_value *out) {
    if (gr_is_numeric(v)) {
        *out = gr_retain(c->vm, v);
        return true;
    }
    if (v.kind == GR_TUPLE && depth < AD_MAX_RANK)
        return convert_tuple(c, gr_as_tuple(v), depth, out);
    if (v.kind == GR_RANGE) return convert_range(c, gr_as_range(v), out);
    if (depth == 0) return gr_raise_kind(c->vm, c->call, c->argument, "numbers, in tuples or not");
    gr_raise_argument(c->vm, c->call, c->argument, GR_E_wrong_kind,
                      "a tensor is made of numbers; here is a %s", gr_kind_name(v));
    return false;
}

bool gr_to_tensor(gr_vm *vm, const gr_call *call, uint32_t i, gr_value v, gr_value *out) {
    conversion c = {vm, call, i};
    return convert(&c, v, 0, out);
}
