/* SPDX-License-Identifier: MIT */
/* Making values from registers and taking them apart: tensors, patterns, what `for` runs through. */
#include "builtin.h"
#include "format.h"
#include "structure.h"
#include "vm_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- tensors ---------------------------------------------------------------------------------- */

static const char *hint_for_item(gr_value v) {
    if (gr_is_numeric(v)) return "rows of different lengths are written with `( )`, as a tuple";
    if (v.kind == GR_TUPLE) return "rows stand in brackets, `[[1, 2], [3, 4]]`; a list of tuples in `( )`";
    return "a list of these is written with `( )`";
}

/* A bool among numbers, or the other way round. */
static bool is_mixture(gr_value v, gr_value first) {
    return gr_is_numeric(v) && gr_is_numeric(first) && v.kind != AD_TENSOR && first.kind != AD_TENSOR;
}

static bool odd_item(gr_vm *vm, size_t i, gr_value v, gr_value first) {
    gr_buffer what;
    gr_buffer_init(&what, vm->ctx);
    gr_describe_short(vm, &what, v);
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    bool own = f->proto->code[gr_frame_pc(f)].op == GR_I_TENSOR;
    uint32_t operand = own ? (uint32_t)i + 1 : 0;
    gr_diagnostic *d;
    if (i > 0) {
        gr_buffer_puts(&what, ", but item 0 is ");
        gr_describe_short(vm, &what, first);
    }
    d = gr_raise_at(vm, GR_E_ragged_tensor, operand,
                    i == 0 ? "a tensor is made of numbers; item %zu is %s" : "item %zu is %s", i,
                    what.text ? what.text : "something else");
    if (own && i > 0) {
        const gr_source *source;
        gr_span span = gr_operand_span(vm, 1, &source);
        gr_diag_also(d, source, span, "item 0");
    }
    if (v.kind == GR_RANGE) gr_help_range(vm, d, v);
    else if (i > 0 && is_mixture(v, first))
        gr_diag_help(d, "a tensor holds numbers or bools; `where(b, 1, 0)` is a number for a bool, "
                        "`x != 0` a bool");
    else gr_diag_help(d, "%s", hint_for_item(v));
    gr_buffer_free(&what);
    return false;
}

static bool all_plain(size_t count, const gr_value *items, uint64_t head) {
    for (size_t i = 0; i < count; i++)
        if (items[i].head != head) return false;
    return true;
}

static bool plain_tensor(gr_vm *vm, size_t count, const gr_value *items, ad_dtype dtype,
                         gr_value *out) {
    int64_t dims = (int64_t)count;
    ad_tensor *t = ad_tensor_new(vm->ctx, dtype, 1, &dims);
    if (!t) return gr_core_failed(vm, NULL);
    if (dtype == AD_F64)
        for (size_t i = 0; i < count; i++) ((double *)t->data)[i] = items[i].num;
    else if (dtype == AD_F32)
        for (size_t i = 0; i < count; i++) ((float *)t->data)[i] = (float)items[i].num;
    else
        for (size_t i = 0; i < count; i++) ((uint8_t *)t->data)[i] = items[i].num != 0;
    if (dtype != AD_BOOL8) ad_tensor_quiet(t);
    *out = ad_wrap(t);
    return true;
}

static bool same_shape(gr_value a, gr_value b) {
    if (a.kind != b.kind) return false;
    if (a.kind != AD_TENSOR) return true;
    if (a.tensor->rank != b.tensor->rank) return false;
    return memcmp(a.tensor->dims, b.tensor->dims, a.tensor->rank * sizeof(int64_t)) == 0;
}

bool gr_make_tensor(gr_vm *vm, uint32_t src, size_t count, const gr_value *items, gr_value *out) {
    if (all_plain(count, items, 0))
        return plain_tensor(vm, count, items, ad_default_dtype(vm->ctx), out);
    if (all_plain(count, items, AD_BOOL)) return plain_tensor(vm, count, items, AD_BOOL8, out);
    for (size_t i = 0; i < count; i++)
        if (!gr_is_numeric(items[i]) || !same_shape(items[i], items[0]))
            return odd_item(vm, i, items[i], items[0]);
    if (!gr_join(vm, src, true, count, items, 0, out)) return false;
    vm->dirty |= out->node != 0;
    return true;
}

bool gr_make_literal(gr_vm *vm, gr_value k, gr_value *to) {
    ad_dtype dtype = ad_default_dtype(vm->ctx);
    if (k.tensor->dtype == dtype) {
        gr_replace(vm, to, gr_retain(vm, k));
        return true;
    }
    ad_tensor *t = ad_tensor_cast(vm->ctx, k.tensor, dtype);
    if (t) gr_replace(vm, to, ad_wrap(t));
    else gr_raise_memory(vm);
    return t != NULL;
}

/* ---- patterns --------------------------------------------------------------------------------- */

static bool wrong_count(gr_vm *vm, const gr_descriptor *d, gr_value v, size_t count,
                        const char *what) {
    uint32_t wanted = d->count - (d->flag ? 1 : 0);
    gr_diagnostic *e = gr_raise(vm, GR_E_cannot_unpack,
                                "the pattern has %s%u name%s, the %s has %zu item%s",
                                d->flag ? "at least " : "", wanted, wanted == 1 ? "" : "s", what,
                                count, count == 1 ? "" : "s");
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    gr_format_brief(vm, &text, v, 60);
    if (text.text && !strstr(text.text, "…")) gr_diag_note(e, "the value is %s", text.text);
    gr_buffer_free(&text);
    if (!d->flag && count > wanted) gr_diag_help(e, "`(a, ...rest)` takes the others as a tuple");
    return false;
}

static bool count_fits(const gr_descriptor *d, size_t count) {
    return d->flag ? count + 1 >= d->count : count == d->count;
}

static bool unpack_tuple(gr_vm *vm, gr_value v, const gr_descriptor *d, gr_value *to) {
    const gr_tuple *t = gr_as_tuple(v);
    if (!count_fits(d, t->count)) return wrong_count(vm, d, v, t->count, "tuple");
    uint32_t fixed = d->count - (d->flag ? 1 : 0);
    for (uint32_t i = 0; i < fixed; i++) gr_replace(vm, &to[i], gr_retain(vm, t->items[i]));
    if (!d->flag) return true;
    gr_value rest = gr_tuple_slice(vm, v, fixed, t->count);
    if (gr_failed(rest)) return false;
    gr_replace(vm, &to[fixed], rest);
    return true;
}

static bool unpack_tensor(gr_vm *vm, gr_value v, const gr_descriptor *d, uint32_t src,
                          gr_value *to) {
    size_t count = (size_t)v.tensor->dims[0];
    if (!count_fits(d, count)) return wrong_count(vm, d, v, count, "first axis");
    uint32_t fixed = d->count - (d->flag ? 1 : 0);
    for (uint32_t i = 0; i < d->count; i++) {
        ad_index ix = {.kind = AD_IX_AT, .at = i};
        if (i == fixed) ix = (ad_index){.kind = AD_IX_SLICE, .has_start = true, .at = i};
        gr_value item;
        if (!gr_check(vm, NULL, ad_index_get(vm->ctx, v, 1, &ix, src, &item))) return false;
        gr_replace(vm, &to[i], item);
    }
    return true;
}

bool gr_unpack(gr_vm *vm, gr_value v, const gr_descriptor *d, uint32_t src, gr_value *to) {
    if (v.kind == GR_TUPLE) return unpack_tuple(vm, v, d, to);
    if (v.kind == AD_TENSOR) return unpack_tensor(vm, v, d, src, to);
    gr_raise(vm, GR_E_cannot_unpack, "the pattern takes a tuple apart; this is a %s",
             gr_kind_name(v));
    return false;
}

bool gr_unpack_record(gr_vm *vm, gr_value v, const gr_descriptor *d, gr_value *to) {
    if (v.kind != GR_RECORD) {
        gr_raise(vm, GR_E_cannot_unpack, "the pattern takes a record apart; this is a %s",
                 gr_kind_name(v));
        return false;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        gr_field_cache cache = {.key = d->fields[i]};
        gr_value field;
        if (!gr_get_field(vm, v, &cache, 0, &field)) return false;
        gr_replace(vm, &to[i], field);
    }
    return true;
}

/* ---- for -------------------------------------------------------------------------------------- */

bool gr_check_whole_range(gr_vm *vm, double low, double high, double step) {
    if (low == trunc(low) && high == trunc(high) && step == trunc(step)) return true;
    char text[32];
    bool by = step != trunc(step), start = !by && low != trunc(low);
    ad_number_text(by ? step : start ? low : high, text);
    gr_diagnostic *d = gr_raise(vm, GR_E_not_whole,
                                "the %s of a range that is run through is a whole number, not %s",
                                by ? "step" : start ? "start" : "end", text);
    gr_diag_help(d, by ? "`linspace(start, stop, n)` makes n numbers at equal distances"
                       : "`floor(x)` and `ceil(x)` make a number whole");
    return false;
}

bool gr_iteration_begin(gr_vm *vm, gr_value v, gr_value *position) {
    const gr_range *r = v.kind == GR_RANGE ? gr_as_range(v) : NULL;
    *position = ad_number(0);
    switch (v.kind) {
    case GR_RANGE: return gr_check_whole_range(vm, r->low, r->high, r->step);
    case GR_TUPLE:
    case GR_RECORD:
    case GR_STRING:
    case AD_TENSOR: return true;
    default: break;
    }
    gr_diagnostic *d = gr_raise(vm, GR_E_not_iterable, "%s has no items to run through",
                                gr_kind_phrase(v));
    if (v.kind == GR_NIL) gr_help_nil(d);
    if (v.kind == AD_NUMBER) gr_diag_help(d, "`0..n` runs from 0 to n - 1");
    if (v.kind == GR_FUNCTION) gr_diag_help(d, "a function is called with `( )`");
    return false;
}

static gr_value next_field(gr_vm *vm, gr_value r, uint32_t i) {
    gr_value pair[2] = {gr_of_kind(GR_STRING, gr_record_key(r, i)), gr_record_value(r, i)};
    gr_retain(vm, pair[0]);
    gr_retain(vm, pair[1]);
    return gr_tuple_of(vm, 2, pair);
}

static gr_value next_character(gr_vm *vm, gr_value v, size_t at, double *next) {
    const gr_string *s = gr_as_string(v);
    size_t end = at + 1;
    while (end < s->length && ((unsigned char)s->bytes[end] & 0xc0) == 0x80) end++;
    *next = (double)end;
    return gr_string_new(vm, s->bytes + at, end - at);
}

static int give(gr_vm *vm, gr_value *item, gr_value v) {
    if (gr_failed(v)) return -1;
    gr_replace(vm, item, v);
    return 1;
}

int gr_iteration_next(gr_vm *vm, gr_value *state, gr_value *item, uint32_t src) {
    double *position = &state[1].num;
    size_t at = (size_t)*position;
    double next = *position + 1;
    gr_value v;
    switch (state[0].kind) {
    case GR_RANGE: {
        const gr_range *r = gr_as_range(state[0]);
        double x = r->low + *position * r->step;
        if (!(r->step > 0 ? x < r->high : x > r->high)) return 0;
        v = ad_number(x);
        break;
    }
    case GR_TUPLE:
        if (at >= gr_as_tuple(state[0])->count) return 0;
        v = gr_retain(vm, gr_as_tuple(state[0])->items[at]);
        break;
    case GR_RECORD:
        if (at >= gr_record_count(state[0])) return 0;
        v = next_field(vm, state[0], (uint32_t)at);
        break;
    case GR_STRING:
        if (at >= gr_as_string(state[0])->length) return 0;
        v = next_character(vm, state[0], at, &next);
        break;
    default: {
        if ((int64_t)at >= state[0].tensor->dims[0]) return 0;
        ad_index ix = {.kind = AD_IX_AT, .at = *position};
        if (!gr_check(vm, NULL, ad_index_get(vm->ctx, state[0], 1, &ix, src, &v))) return -1;
        vm->dirty |= v.node != 0;
        break;
    }
    }
    *position = next;
    return give(vm, item, v);
}
