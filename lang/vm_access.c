/* SPDX-License-Identifier: MIT */
/*
 * Fields, indices, paths into variables, and shape signatures. Assignment walks down from the variable
 * and makes each container its own on the way (a copy only where somebody else holds it), so that a
 * failure leaves all values as they were.
 */
#include "format.h"
#include "heap_private.h"
#include "structure.h"
#include "suggest.h"
#include "vm_state.h"

#include <math.h>
#include <string.h>

/* ---- fields ----------------------------------------------------------------------------------- */

/* "its fields are `W` and `b`", of a small record. */
static void list_fields(gr_vm *vm, gr_diagnostic *d, gr_value r) {
    uint32_t count = gr_record_count(r);
    gr_buffer text;
    if (count == 0 || count > 8) return;
    gr_buffer_init(&text, vm->ctx);
    for (uint32_t i = 0; i < count; i++) {
        const gr_string *key = gr_record_key(r, i);
        gr_buffer_printf(&text, "%s`%.*s`", i == 0 ? "" : i + 1 < count ? ", " : " and ",
                         (int)(key->length > 60 ? 60 : key->length), key->bytes);
    }
    gr_diag_note(d, count == 1 ? "its only field is %s" : "its fields are %s",
                 text.text ? text.text : "");
    gr_buffer_free(&text);
}

static gr_diagnostic *no_field(gr_vm *vm, const gr_string *key) {
    return gr_raise(vm, GR_E_missing_field, "the record has no field `%.*s`",
                    (int)(key->length > 60 ? 60 : key->length), key->bytes);
}

static bool offer_field(gr_diagnostic *d, gr_value r, const gr_string *key) {
    gr_suggestion s = gr_suggest_begin(key->bytes, key->length);
    for (uint32_t i = 0; i < gr_record_count(r); i++)
        gr_suggest_offer(&s, gr_record_key(r, i)->bytes, gr_record_key(r, i)->length);
    if (s.best) gr_diag_help(d, "a similar field is `%.*s`", (int)s.best_size, s.best);
    return s.best;
}

/* A variable of the function that runs, or a global one, with the name of a key. */
static gr_value *variable(gr_vm *vm, const gr_string *key) {
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    uint32_t pc = gr_frame_pc(f);
    const gr_name *name = gr_intern(vm->names, key->bytes, key->length);
    for (uint32_t i = f->proto->local_count; name && i-- > 0;) {
        const gr_local_info *l = &f->proto->locals[i];
        if (l->name == name && l->begin <= pc && pc < l->end && !l->cell) return &f->base[l->reg];
    }
    for (uint32_t i = vm->global_count; name && i-- > 0;)
        if (vm->globals[i].name == name) return &vm->globals[i].value;
    return NULL;
}

/* `r.c` where `c` is a variable that holds the name of a field. */
static bool offer_index(gr_vm *vm, gr_diagnostic *d, gr_value r, const gr_string *key) {
    const gr_source *source;
    gr_span object = gr_operand_span(vm, 1, &source);
    gr_value *v = vm->frame_count ? variable(vm, key) : NULL;
    int size = (int)(object.end - object.begin), length = (int)key->length;
    if (!v || v->kind != GR_STRING || !source || size < 1 || size > 40) return false;
    if (gr_record_index(r, gr_as_string(*v)) < 0) return false;
    gr_diag_help(d, "`%.*s[%.*s]` is the field whose name the variable `%.*s` holds", size,
                 source->text + object.begin, length, key->bytes, length, key->bytes);
    return true;
}

/* r.name, read. */
static bool missing_field(gr_vm *vm, gr_value r, const gr_string *key) {
    gr_diagnostic *d = no_field(vm, key);
    if (!offer_index(vm, d, r, key) && !offer_field(d, r, key) && !gr_suggest_field(vm, d, key))
        list_fields(vm, d, r);
    return false;
}

/* r.name = v */
static bool missing_target(gr_vm *vm, gr_value r, const gr_string *key) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    gr_diagnostic *d = no_field(vm, key);
    if (offer_field(d, r, key)) return false;
    int object = (int)(span.end - span.begin) - (int)key->length - 1;
    const char *text = source && object > 0 && object < 60 ? source->text + span.begin : NULL;
    if (text && text[object] == '.')
        gr_diag_help(d, "write `%.*s[\"%.*s\"] = …` to add a field", object, text,
                     (int)key->length, key->bytes);
    return false;
}

/* r[key], read. */
static bool missing_key(gr_vm *vm, gr_value r, const gr_string *key) {
    const gr_source *source, *same;
    gr_span object = gr_operand_span(vm, 1, &source), index = gr_operand_span(vm, 2, &same);
    gr_diagnostic *d = no_field(vm, key);
    bool shown = source && source == same && index.begin > object.begin &&
                 index.end - object.begin < 60;
    if (!offer_field(d, r, key) && shown)
        gr_diag_help(d, "`get(%.*s, %.*s, 0)` is 0 where there is no such field",
                     (int)(object.end - object.begin), source->text + object.begin,
                     (int)(index.end - index.begin), source->text + index.begin);
    return false;
}

static bool tensor_field(gr_vm *vm, gr_value v, const gr_string *key, uint32_t src, gr_value *out) {
    gr_value field = gr_of_kind(GR_STRING, (void *)(uintptr_t)key);
    const ad_tensor *t = v.tensor;
    if (gr_string_is(field, "T")) {
        ad_status s = ad_apply(vm->ctx, ad_op_find("transpose"), src, 1, &v, NULL, out);
        return gr_check(vm, NULL, s);
    }
    if (gr_string_is(field, "shape")) {
        *out = gr_tuple_new(vm, t->rank);
        for (int i = 0; !gr_failed(*out) && i < t->rank; i++)
            gr_as_tuple(*out)->items[i] = ad_number((double)t->dims[i]);
        return !gr_failed(*out);
    }
    if (gr_string_is(field, "dtype")) {
        *out = gr_string_text(vm, ad_dtype_name((ad_dtype)t->dtype));
        return !gr_failed(*out);
    }
    gr_diagnostic *d = gr_raise(vm, GR_E_missing_field, "a tensor has no field `%.*s`",
                                (int)key->length, key->bytes);
    if (!gr_suggest_field(vm, d, key))
        gr_diag_help(d, "its fields are `.T`, `.shape` and `.dtype`");
    return false;
}

static bool number_field(gr_vm *vm, gr_value v, const gr_string *key, gr_value *out) {
    gr_value field = gr_of_kind(GR_STRING, (void *)(uintptr_t)key);
    if (v.kind == AD_NUMBER && gr_string_is(field, "shape")) {
        *out = gr_tuple_new(vm, 0);
        return !gr_failed(*out);
    }
    if (v.kind == AD_NUMBER && gr_string_is(field, "T")) {
        *out = gr_retain(vm, v);
        return true;
    }
    gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind, "%s has no fields, so no `%.*s`",
                                gr_kind_phrase(v), (int)key->length, key->bytes);
    if (v.kind == GR_NIL)
        gr_help_nil(d);
    else if (!gr_suggest_field(vm, d, key) && v.kind == GR_TUPLE)
        gr_diag_help(d, "an item of a tuple is `t[0]`, `t[1]` …");
    return false;
}

bool gr_get_field(gr_vm *vm, gr_value object, gr_field_cache *cache, uint32_t src, gr_value *out) {
    if (object.kind == AD_TENSOR) return tensor_field(vm, object, cache->key, src, out);
    if (object.kind != GR_RECORD) return number_field(vm, object, cache->key, out);
    int64_t i = gr_record_index(object, cache->key);
    if (i < 0) return missing_field(vm, object, cache->key);
    gr_record *r = gr_as_record(object);
    if (gr_layout_is_shared(r->layout)) {
        cache->layout = r->layout;
        cache->place = (uint32_t)i;
    }
    *out = gr_retain(vm, r->values[i]);
    return true;
}

/* ---- indices ---------------------------------------------------------------------------------- */

/* The operand of an index among those of the instruction; 0: it has none of its own. */
static uint32_t index_operand(gr_vm *vm, uint32_t i) {
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    gr_insn insn = f->proto->code[gr_frame_pc(f)];
    if (insn.op == GR_I_GETITEM || insn.op == GR_I_INDEX) return 2 + i;
    return insn.op == GR_I_SETITEM ? 1 : 0;
}

/* After an error about an index: what it was, and what it should have been. */
static void hint_index(gr_vm *vm, gr_diagnostic *d, uint32_t i, double x, double size) {
    const gr_source *source;
    uint32_t operand = index_operand(vm, i);
    gr_span span = gr_operand_span(vm, operand, &source);
    int length = (int)(span.end - span.begin);
    if (x != trunc(x) && operand && source && length > 0 && length < 60)
        gr_diag_help(d, "write `floor(%.*s)`", length, source->text + span.begin);
    else if (x == size && size > 0)
        gr_diag_help(d, "indices begin at 0, so the last one is %.0f", size - 1);
}

static bool bad_index(gr_vm *vm, const char *what, double i, size_t size, bool bound) {
    char text[32];
    gr_diagnostic *d;
    ad_number_text(i, text);
    if (i != trunc(i))
        d = gr_raise_at(vm, GR_E_bad_index, index_operand(vm, 0),
                        "the index %s is not a whole number", text);
    else
        d = gr_raise_at(vm, GR_E_bad_index, index_operand(vm, 0),
                        "the index %s is out of range: the %s has %zu %s", text, what, size,
                        strcmp(what, "string") == 0 ? "characters" : "items");
    if (!bound) hint_index(vm, d, 0, i, (double)size);
    return false;
}

/* A place among `size`, counted from the end where negative. */
static bool position(gr_vm *vm, gr_value index, const char *what, size_t size, size_t *out) {
    if (index.kind != AD_NUMBER) {
        gr_raise(vm, GR_E_wrong_kind, "an index of a %s is a number; this is a %s", what,
                 gr_kind_name(index));
        return false;
    }
    double i = index.num, at = i < 0 ? i + (double)size : i;
    if (!(at >= 0 && at < (double)size) || (double)(size_t)at != at)
        return bad_index(vm, what, i, size, false);
    *out = (size_t)at;
    return true;
}

static bool core_index(gr_vm *vm, gr_value v, ad_index *out) {
    *out = (ad_index){.kind = AD_IX_AT};
    if (v.kind == AD_NUMBER) {
        out->at = v.num;
        return true;
    }
    if (v.kind == AD_TENSOR) {
        out->kind = v.tensor->dtype == AD_BOOL8 ? AD_IX_MASK : AD_IX_GATHER;
        out->tensor = v.tensor;
        return true;
    }
    if (v.kind == GR_RANGE) {
        const gr_range *r = gr_as_range(v);
        *out = (ad_index){.kind = AD_IX_SLICE, .has_start = true, .has_stop = true,
                          .has_step = true, .at = r->low, .stop = r->high, .step = r->step};
        return true;
    }
    gr_raise(vm, GR_E_wrong_kind, "an index is a number, a range or a tensor; this is a %s",
             gr_kind_name(v));
    return false;
}

static bool tensor_get(gr_vm *vm, gr_value x, int n, const ad_index *index, uint32_t src,
                       gr_value *out) {
    ad_status s = ad_index_get(vm->ctx, x, n, index, src, out);
    if (s == AD_OK) {
        vm->dirty |= out->node != 0;
        return true;
    }
    if (s != AD_ERR_INDEX) {
        gr_raise_core(vm, NULL, s);
        return false;
    }
    const ad_error *e = ad_last_error(vm->ctx);
    bool known = e->operand >= 0 && e->operand < n;
    uint32_t item = known ? (uint32_t)e->operand : 0;
    gr_diagnostic *d = gr_raise_at(vm, GR_E_bad_index, known ? index_operand(vm, item) : 0, "%s",
                                   e->message);
    if (index_operand(vm, item)) gr_describe_operand(vm, d, 0, x);
    if (known && index[item].kind == AD_IX_AT && item < x.tensor->rank)
        hint_index(vm, d, item, index[item].at, (double)x.tensor->dims[item]);
    if (e->hint[0]) gr_diag_help(d, "%s", e->hint);
    return false;
}

static bool slice_bounds(gr_vm *vm, const gr_value *bounds, const gr_item *item, const char *what,
                         size_t size, int64_t *from, int64_t *to, int64_t *step) {
    double given[3], n = (double)size;
    int k = 0;
    bool has[3] = {item->start, item->stop, item->step};
    for (int i = 0; i < 3; i++) {
        if (!has[i]) continue;
        if (bounds[k].kind != AD_NUMBER || bounds[k].num != trunc(bounds[k].num)) {
            gr_raise(vm, GR_E_bad_index, "a slice has whole numbers as bounds; this is a %s",
                     gr_kind_name(bounds[k]));
            return false;
        }
        given[i] = bounds[k++].num;
        if (i < 2 && given[i] < 0) given[i] += n;
        if (i < 2 && !(given[i] >= 0 && given[i] <= n))
            return bad_index(vm, what, bounds[k - 1].num, size, true);
    }
    if (has[2] && given[2] == 0) {
        gr_raise(vm, GR_E_bad_index, "the step of a slice cannot be 0");
        return false;
    }
    const double most = 0x1p40; /* beyond any size, and safe to add to a position */
    *step = has[2] ? (int64_t)fmax(fmin(given[2], most), -most) : 1;
    *from = has[0] ? (int64_t)given[0] : *step > 0 ? 0 : (int64_t)size - 1;
    *to = has[1] ? (int64_t)given[1] : *step > 0 ? (int64_t)size : -1;
    if (*step < 0 && *from == (int64_t)size) --*from; /* backwards from behind the last one */
    return true;
}

static bool slice_tuple(gr_vm *vm, gr_value t, int64_t from, int64_t to, int64_t step,
                        gr_value *out) {
    if (step == 1) {
        *out = gr_tuple_slice(vm, t, (size_t)from, (size_t)(to > from ? to : from));
        return !gr_failed(*out);
    }
    size_t n = 0;
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) n++;
    *out = gr_tuple_new(vm, n);
    if (gr_failed(*out)) return false;
    for (size_t i = 0; i < n; i++, from += step)
        gr_as_tuple(*out)->items[i] = gr_retain(vm, gr_as_tuple(t)->items[from]);
    return true;
}

static bool slice_string(gr_vm *vm, gr_value v, int64_t from, int64_t to, int64_t step,
                         gr_value *out) {
    gr_string *s = gr_as_string(v);
    if (step == 1) {
        size_t a = gr_string_offset(vm, s, from), b = to > from ? gr_string_offset(vm, s, to) : a;
        *out = gr_string_slice(vm, v, a, b);
        return !gr_failed(*out);
    }
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
        size_t a = gr_string_offset(vm, s, i), b = gr_string_offset(vm, s, i + 1);
        gr_buffer_put(&text, s->bytes + a, b - a);
    }
    *out = gr_string_new(vm, text.text ? text.text : "", text.size);
    gr_buffer_free(&text);
    return !gr_failed(*out);
}

static bool slice_of(gr_vm *vm, gr_value object, const gr_item *item, gr_value *registers,
                     gr_value *out) {
    int64_t from = 0, to = 0, step = 1;
    bool tuple = object.kind == GR_TUPLE;
    size_t size = tuple ? gr_as_tuple(object)->count
                        : (size_t)gr_string_chars(gr_as_string(object));
    if (!slice_bounds(vm, registers + item->reg, item, tuple ? "tuple" : "string", size, &from, &to,
                      &step))
        return false;
    return tuple ? slice_tuple(vm, object, from, to, step, out)
                 : slice_string(vm, object, from, to, step, out);
}

static bool range_item(gr_vm *vm, gr_value object, gr_value index, gr_value *out) {
    const gr_range *r = gr_as_range(object);
    double n = gr_range_count(r);
    size_t at;
    if (!position(vm, index, "range", n < 9e15 ? (size_t)n : (size_t)9e15, &at)) return false;
    *out = ad_number(r->low + (double)at * r->step);
    return true;
}

static void not_a_key(gr_vm *vm, gr_value index) {
    gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind, "a record is indexed with a string; this is %s %s",
                                gr_is_nil(index) ? "the value" : "a", gr_kind_name(index));
    gr_describe_operand(vm, d, 1, index);
    if (index.kind == GR_TUPLE && gr_as_tuple(index)->count == 2)
        gr_diag_help(d, "a loop over a record gives pairs: `for (name, value) in r { }`");
    else if (index.kind == AD_NUMBER)
        gr_diag_help(d, "`str(x)` is the text of a number; `values(r)` is a tuple, with items by number");
}

static bool record_item(gr_vm *vm, gr_value r, gr_value index, gr_value *out) {
    if (index.kind != GR_STRING) {
        not_a_key(vm, index);
        return false;
    }
    gr_value *place = gr_record_find(vm, r, gr_as_string(index));
    if (!place) {
        return missing_key(vm, r, gr_as_string(index));
    }
    *out = gr_retain(vm, *place);
    return true;
}

bool gr_get_item(gr_vm *vm, gr_value object, gr_value index, uint32_t src, gr_value *out) {
    size_t at;
    ad_index ix;
    if (index.kind == GR_RANGE && (object.kind == GR_TUPLE || object.kind == GR_STRING)) {
        const gr_range *r = gr_as_range(index);
        gr_value bounds[3] = {ad_number(r->low), ad_number(r->high), ad_number(r->step)};
        gr_item item = {.kind = AD_IX_SLICE, .start = true, .stop = true, .step = true};
        return slice_of(vm, object, &item, bounds, out);
    }
    switch (object.kind) {
    case GR_TUPLE:
        if (!position(vm, index, "tuple", gr_as_tuple(object)->count, &at)) return false;
        *out = gr_retain(vm, gr_as_tuple(object)->items[at]);
        return true;
    case AD_TENSOR:
        return core_index(vm, index, &ix) && tensor_get(vm, object, 1, &ix, src, out);
    case GR_RECORD: return record_item(vm, object, index, out);
    case GR_RANGE: return range_item(vm, object, index, out);
    case GR_STRING: {
        gr_string *s = gr_as_string(object);
        if (!position(vm, index, "string", (size_t)gr_string_chars(s), &at)) return false;
        size_t from = gr_string_offset(vm, s, (int64_t)at), to = gr_string_offset(vm, s, (int64_t)at + 1);
        *out = gr_string_slice(vm, object, from, to);
        return !gr_failed(*out);
    }
    default:
        gr_raise(vm, GR_E_wrong_kind, "%s cannot be indexed", gr_kind_phrase(object));
        return false;
    }
}

static bool slice_bound(gr_vm *vm, gr_value v, double *out) {
    if (v.kind == AD_NUMBER) {
        *out = v.num;
        return true;
    }
    gr_raise(vm, GR_E_bad_index, "a slice has whole numbers as bounds; this is a %s",
             gr_kind_name(v));
    return false;
}

static bool core_item(gr_vm *vm, const gr_item *item, gr_value *registers, ad_index *out) {
    gr_value *v = registers + item->reg;
    if (item->kind == AD_IX_AT) return core_index(vm, *v, out);
    *out = (ad_index){.kind = (ad_index_kind)item->kind, .has_start = item->start,
                      .has_stop = item->stop, .has_step = item->step};
    if (item->start && !slice_bound(vm, *v++, &out->at)) return false;
    if (item->stop && !slice_bound(vm, *v++, &out->stop)) return false;
    return !item->step || slice_bound(vm, *v, &out->step);
}

/* `skip` axes in front stay whole: an index behind ∂E/∂W is one of W's axes. */
static int core_items(gr_vm *vm, uint32_t n, const gr_item *items, gr_value *registers,
                      uint32_t skip, ad_index *out) {
    if (n + skip > 2 * AD_MAX_RANK) {
        gr_raise(vm, GR_E_bad_index, "there are more indices than a tensor can have axes");
        return -1;
    }
    for (uint32_t i = 0; i < skip; i++) out[i] = (ad_index){.kind = AD_IX_SLICE};
    for (uint32_t i = 0; i < n; i++)
        if (!core_item(vm, &items[i], registers, &out[skip + i])) return -1;
    return (int)(n + skip);
}

bool gr_get_index(gr_vm *vm, gr_value object, uint32_t n, const gr_item *items, gr_value *registers,
                  uint32_t skip, uint32_t src, gr_value *out) {
    ad_index index[2 * AD_MAX_RANK];
    if (object.kind == AD_TENSOR) {
        int count = core_items(vm, n, items, registers, skip, index);
        return count >= 0 && tensor_get(vm, object, count, index, src, out);
    }
    if (n == 1 && items[0].kind == AD_IX_AT)
        return gr_get_item(vm, object, registers[items[0].reg], src, out);
    if (n == 1 && items[0].kind == AD_IX_SLICE &&
        (object.kind == GR_TUPLE || object.kind == GR_STRING))
        return slice_of(vm, object, &items[0], registers, out);
    gr_raise(vm, GR_E_wrong_kind, "%s cannot be indexed like this", gr_kind_phrase(object));
    return false;
}

/* ---- assignment ------------------------------------------------------------------------------- */

static bool tensor_set(gr_vm *vm, gr_value *place, int n, const ad_index *index, gr_value v,
                       uint32_t src) {
    if (!gr_is_numeric(v)) {
        gr_raise(vm, GR_E_wrong_kind, "an element of a tensor is a number; this is a %s",
                 gr_kind_name(v));
        gr_release(vm, v);
        return false;
    }
    ad_status s = ad_index_set(vm->ctx, place, n, index, v, src);
    gr_release(vm, v);
    vm->dirty |= place->node != 0;
    return gr_check(vm, NULL, s);
}

static bool fail_with(gr_vm *vm, gr_value v) {
    gr_release(vm, v);
    return false;
}

static void refuse_item(gr_vm *vm, gr_value place) {
    gr_diagnostic *d =
        gr_raise(vm, GR_E_wrong_kind, "nothing can be assigned into a %s", gr_kind_name(place));
    if (place.kind == GR_STRING)
        gr_diag_help(d, "a changed string is a new one: `s = \"x\" ++ s[1..]`, or "
                        "`replace(s, \"a\", \"b\")`");
}

bool gr_set_item(gr_vm *vm, gr_value *place, gr_value index, gr_value v, uint32_t src) {
    ad_index ix;
    size_t at;
    switch (place->kind) {
    case AD_TENSOR:
        if (!core_index(vm, index, &ix)) return fail_with(vm, v);
        return tensor_set(vm, place, 1, &ix, v, src);
    case GR_TUPLE: {
        if (!position(vm, index, "tuple", gr_as_tuple(*place)->count, &at)) return fail_with(vm, v);
        gr_value *items = gr_tuple_edit(vm, place);
        if (!items) return fail_with(vm, v);
        gr_replace(vm, &items[at], v);
        return true;
    }
    case GR_RECORD:
        if (index.kind == GR_STRING) return gr_record_set(vm, place, gr_as_string(index), v);
        not_a_key(vm, index);
        return fail_with(vm, v);
    default:
        refuse_item(vm, *place);
        return fail_with(vm, v);
    }
}

/* Where the field of a step is; -1: there is none. Shapes that records share live as long as the vm. */
static int64_t field_place(gr_value record, gr_field_cache *cache) {
    const gr_layout *layout = gr_as_record(record)->layout;
    if (layout == cache->layout) return cache->place;
    int64_t i = gr_record_index(record, cache->key);
    if (i >= 0 && gr_layout_is_shared(layout)) {
        cache->layout = layout;
        cache->place = (uint32_t)i;
    }
    return i;
}

/* The place that a step leads to, its container made the variable's own. */
static gr_value *step_into(gr_vm *vm, gr_value *place, gr_step *s, gr_value *registers) {
    size_t at;
    if (s->kind == GR_STEP_FIELD) {
        int64_t i = place->kind == GR_RECORD ? field_place(*place, &s->field) : -1;
        if (place->kind != GR_RECORD)
            gr_raise(vm, GR_E_wrong_kind, "%s has no fields", gr_kind_phrase(*place));
        else if (i < 0)
            missing_target(vm, *place, s->field.key);
        if (i < 0) return NULL;
        gr_value *values = gr_record_edit(vm, place);
        return values ? values + i : NULL;
    }
    gr_value index = registers[s->items[0].reg];
    bool plain = s->item_count == 1 && s->items[0].kind == AD_IX_AT;
    if (plain && place->kind == GR_TUPLE) {
        if (!position(vm, index, "tuple", gr_as_tuple(*place)->count, &at)) return NULL;
        gr_value *items = gr_tuple_edit(vm, place);
        return items ? items + at : NULL;
    }
    if (plain && place->kind == GR_RECORD && index.kind == GR_STRING) {
        int64_t i = gr_record_index(*place, gr_as_string(index));
        if (i < 0) {
            missing_key(vm, *place, gr_as_string(index));
            return NULL;
        }
        gr_value *values = gr_record_edit(vm, place);
        return values ? values + i : NULL;
    }
    gr_raise(vm, GR_E_wrong_kind, "nothing can be assigned into a %s like this",
             gr_kind_name(*place));
    return NULL;
}

static bool set_last(gr_vm *vm, gr_value *place, gr_step *s, gr_value *registers, gr_value v,
                     uint32_t src) {
    if (s->kind == GR_STEP_INDEX && place->kind == AD_TENSOR) {
        ad_index index[2 * AD_MAX_RANK];
        int n = core_items(vm, s->item_count, s->items, registers, 0, index);
        return n < 0 ? fail_with(vm, v) : tensor_set(vm, place, n, index, v, src);
    }
    if (s->kind == GR_STEP_INDEX && s->item_count == 1 && s->items[0].kind == AD_IX_AT)
        return gr_set_item(vm, place, registers[s->items[0].reg], v, src);
    gr_value *to = step_into(vm, place, s, registers);
    if (!to) return fail_with(vm, v);
    gr_replace(vm, to, v);
    return true;
}

static bool set_steps(gr_vm *vm, gr_value *place, gr_step *steps, uint32_t count,
                      gr_value *registers, gr_value v, uint32_t src);

/* x[i][j] = v of a tensor x: the part is taken out, changed, and put back. */
static bool set_part(gr_vm *vm, gr_value *place, gr_step *steps, uint32_t count,
                     gr_value *registers, gr_value v, uint32_t src) {
    ad_index index[2 * AD_MAX_RANK];
    int n = core_items(vm, steps->item_count, steps->items, registers, 0, index);
    gr_value part;
    if (n < 0 || !tensor_get(vm, *place, n, index, src, &part)) return fail_with(vm, v);
    if (!set_steps(vm, &part, steps + 1, count - 1, registers, v, src)) return fail_with(vm, part);
    return tensor_set(vm, place, n, index, part, src);
}

static bool set_steps(gr_vm *vm, gr_value *place, gr_step *steps, uint32_t count,
                      gr_value *registers, gr_value v, uint32_t src) {
    while (count > 1) {
        if (place->kind == AD_TENSOR && steps->kind == GR_STEP_INDEX)
            return set_part(vm, place, steps, count, registers, v, src);
        place = step_into(vm, place, steps, registers);
        if (!place) return fail_with(vm, v);
        steps++;
        count--;
    }
    return set_last(vm, place, steps, registers, v, src);
}

static inline gr_value *own_field(gr_vm *vm, gr_value *place, const gr_step *s) {
    if (place->kind != GR_RECORD || gr_as_record(*place)->layout != s->field.layout) return NULL;
    gr_value *values = gr_record_own(vm, place);
    return values ? values + s->field.place : NULL;
}

static inline gr_value *own_item(gr_vm *vm, gr_value *place, gr_value index) {
    if (place->kind != GR_TUPLE || index.head != AD_NUMBER) return NULL;
    int64_t at;
    if (!ad_is_index(index.num, (int64_t)gr_as_tuple(*place)->count, &at)) return NULL;
    gr_value *items = gr_tuple_own(vm, place);
    return items ? items + at : NULL;
}

gr_value *gr_short_way(gr_vm *vm, gr_value *place, const gr_target *target,
                       const gr_value *registers) {
    const gr_step *s = target->steps;
    for (const gr_step *end = s + target->step_count; place && s < end; s++)
        place = s->kind == GR_STEP_FIELD ? own_field(vm, place, s)
                : s->plain               ? own_item(vm, place, registers[s->reg])
                                         : NULL;
    return place;
}

bool gr_set_path(gr_vm *vm, gr_value *place, const gr_target *target, gr_value *registers,
                 gr_value v, uint32_t src) {
    gr_value *to = gr_short_way(vm, place, target, registers);
    if (to) {
        gr_replace(vm, to, v);
        return true;
    }
    if (gr_has_raised(vm)) return fail_with(vm, v);
    return set_steps(vm, place, target->steps, target->step_count, registers, v, src);
}

/* ---- shape signatures ------------------------------------------------------------------------- */

static void signature_text(gr_buffer *out, const gr_proto *p, const gr_descriptor *d) {
    gr_buffer_put(out, p->source->text + d->span.begin, d->span.end - d->span.begin);
}

/* ", from `x` [32, 784]": the parameter whose signature gave a letter its size. */
static void letter_origin(gr_vm *vm, gr_buffer *out, const gr_proto *p, const gr_sig_dim *dim,
                          const gr_value *registers) {
    for (uint32_t pc = 0; pc < p->code_count; pc++) {
        if (p->code[pc].op != GR_I_SIG) continue;
        const gr_descriptor *d = &p->descriptors[p->code[pc].wide];
        for (uint32_t i = 0; i < d->count && !d->flag; i++) {
            if (d->dims[i].kind != 0 || !d->dims[i].binds || d->dims[i].reg != dim->reg) continue;
            gr_value v = registers[p->code[pc].a]; /* perhaps let go of since */
            if (v.kind != AD_TENSOR) return;
            gr_buffer_printf(out, ", from `%s` ", d->what);
            gr_describe_short(vm, out, v);
            return;
        }
    }
}

static bool mismatch(gr_vm *vm, const gr_proto *p, const gr_descriptor *d, gr_value v,
                     const gr_value *registers) {
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    gr_buffer_printf(&text, d->flag ? "%s is " : "`%s` is ", d->what);
    gr_describe_short(vm, &text, v);
    gr_buffer_puts(&text, " but the signature wants ");
    signature_text(&text, p, d);
    const char *between = " with ";
    for (uint32_t i = 0; i < d->count; i++) {
        const gr_sig_dim *dim = &d->dims[i];
        if (dim->kind != 0 || dim->binds) continue;
        gr_buffer_printf(&text, "%s%s = %.0f", between, dim->letter->text, registers[dim->reg].num);
        letter_origin(vm, &text, p, dim, registers);
        between = " and ";
    }
    gr_diagnostic *e = gr_raise(vm, GR_E_signature_mismatch, "%s", text.text ? text.text : "");
    gr_buffer_free(&text);
    gr_label_operand(vm, e, 0, v);
    return false;
}

static bool match_dims(const gr_descriptor *d, uint32_t from, uint32_t count, const int64_t *dims,
                       gr_value *registers) {
    for (uint32_t i = 0; i < count; i++) {
        const gr_sig_dim *dim = &d->dims[from + i];
        if (dim->kind == 1) { /* a number */
            if ((uint64_t)dims[i] != dim->number) return false;
        } else if (dim->binds) {
            registers[dim->reg] = ad_number((double)dims[i]);
        } else if (registers[dim->reg].num != (double)dims[i]) {
            return false;
        }
    }
    return true;
}

bool gr_check_signature(gr_vm *vm, const gr_proto *p, const gr_descriptor *d, gr_value v,
                        gr_value *registers) {
    static const int64_t none[1];
    uint32_t rank = v.kind == AD_TENSOR ? v.tensor->rank : 0, any = d->count;
    const int64_t *dims = v.kind == AD_TENSOR ? v.tensor->dims : none;
    if (v.kind != AD_TENSOR && v.kind != AD_NUMBER) return mismatch(vm, p, d, v, registers);
    for (uint32_t i = 0; i < d->count; i++)
        if (d->dims[i].kind == 2) any = i; /* .. */
    bool ok;
    if (any == d->count) {
        ok = rank == d->count && match_dims(d, 0, rank, dims, registers);
    } else {
        uint32_t behind = d->count - any - 1;
        ok = rank >= d->count - 1 && match_dims(d, 0, any, dims, registers) &&
             match_dims(d, any + 1, behind, dims + rank - behind, registers);
    }
    return ok || mismatch(vm, p, d, v, registers);
}
