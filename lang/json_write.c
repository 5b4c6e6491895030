/* SPDX-License-Identifier: MIT */
/*
 * Values to JSON, on one line. Two forms: to_json's, which other programs read (tensors as nested
 * arrays; nan and inf are errors), and that of `save`, which brings every value back as it was: what
 * JSON has not is an object with one field that tells the kind,
 *     {"tuple": […]}  {"record": {…}}  {"number": "nan"}
 *     {"tensor": [2, 3], "dtype": "f32", "data": […]}
 * all of it in {"gradus": 1, "value": …}.
 */
#include "builtin.h"
#include "files.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    gr_vm *vm;
    const gr_call *call;
    gr_buffer *out;
    bool tagged;
    int depth;
} writer;

static bool raise_value(writer *w, const char *what) {
    gr_diagnostic *d = gr_raise_argument(w->vm, w->call, 0, GR_E_bad_json, "JSON has no %s", what);
    if (strcmp(what, "nan") == 0 || strcmp(what, "inf") == 0)
        gr_diag_help(d, "`where(isfinite(x), x, 0)` puts a number in their place");
    return false;
}

static bool put_number(writer *w, double x, bool single) {
    char text[32];
    if (*ad_interrupt_flag(gr_ctx(w->vm)) && !gr_safe_point(w->vm)) return false;
    size_t n = single ? ad_single_text((float)x, text) : ad_number_text(x, text);
    if (isfinite(x)) {
        gr_buffer_put(w->out, text, n);
        return true;
    }
    if (!w->tagged) return raise_value(w, isnan(x) ? "nan" : "inf");
    gr_buffer_printf(w->out, "\"%s\"", text);
    return true;
}

static void put_string(gr_buffer *out, const char *bytes, size_t length) {
    size_t from = 0;
    gr_buffer_puts(out, "\"");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= ' ' && c != '"' && c != '\\') continue;
        gr_buffer_put(out, bytes + from, i - from);
        from = i + 1;
        if (c == '"') gr_buffer_puts(out, "\\\"");
        else if (c == '\\') gr_buffer_puts(out, "\\\\");
        else if (c == '\n') gr_buffer_puts(out, "\\n");
        else if (c == '\t') gr_buffer_puts(out, "\\t");
        else gr_buffer_printf(out, "\\u%04x", c);
    }
    gr_buffer_put(out, bytes + from, length - from);
    gr_buffer_puts(out, "\"");
}

/* The elements of one axis; rank is at most AD_MAX_RANK. */
static bool put_axis(writer *w, const ad_tensor *t, int axis, int64_t *index) {
    gr_buffer_puts(w->out, "[");
    for (int64_t i = 0; i < t->dims[axis]; i++) {
        index[axis] = i;
        if (i) gr_buffer_puts(w->out, ",");
        if (axis + 1 < t->rank) {
            if (!put_axis(w, t, axis + 1, index)) return false;
            continue;
        }
        double x = ad_tensor_get(t, index);
        if (t->dtype == AD_BOOL8) gr_buffer_puts(w->out, x != 0 ? "true" : "false");
        else if (!put_number(w, x, t->dtype == AD_F32)) return false;
    }
    gr_buffer_puts(w->out, "]");
    return true;
}

static bool put_flat(writer *w, const ad_tensor *t) {
    int64_t index[AD_MAX_RANK] = {0};
    gr_buffer_puts(w->out, "[");
    for (int64_t i = 0; i < t->size; i++) {
        if (i) gr_buffer_puts(w->out, ",");
        if (!put_number(w, ad_tensor_get(t, index), t->dtype == AD_F32)) return false;
        for (int k = t->rank - 1; k >= 0 && ++index[k] == t->dims[k]; k--) index[k] = 0;
    }
    gr_buffer_puts(w->out, "]");
    return true;
}

static bool put_tensor(writer *w, const ad_tensor *t) {
    int64_t index[AD_MAX_RANK];
    char shape[400];
    if (!w->tagged) return put_axis(w, t, 0, index);
    gr_buffer_printf(w->out, "{\"tensor\":%s,\"dtype\":\"%s\",\"data\":",
                     ad_shape_text(t->rank, t->dims, shape, sizeof shape), ad_dtype_name(t->dtype));
    if (!put_flat(w, t)) return false;
    gr_buffer_puts(w->out, "}");
    return true;
}

static bool put_value(writer *w, gr_value v);

static bool put_tuple(writer *w, const gr_tuple *t) {
    gr_buffer_puts(w->out, w->tagged ? "{\"tuple\":[" : "[");
    for (size_t i = 0; i < t->count; i++) {
        if (i) gr_buffer_puts(w->out, ",");
        if (!put_value(w, t->items[i])) return false;
    }
    gr_buffer_puts(w->out, w->tagged ? "]}" : "]");
    return true;
}

static bool put_record(writer *w, gr_value r) {
    gr_buffer_puts(w->out, w->tagged ? "{\"record\":{" : "{");
    for (uint32_t i = 0; i < gr_record_count(r); i++) {
        gr_string *key = gr_record_key(r, i);
        if (i) gr_buffer_puts(w->out, ",");
        put_string(w->out, key->bytes, key->length);
        gr_buffer_puts(w->out, ":");
        if (!put_value(w, gr_record_value(r, i))) return false;
    }
    gr_buffer_puts(w->out, w->tagged ? "}}" : "}");
    return true;
}

static bool put_nested(writer *w, gr_value v) {
    int deepest = w->tagged ? GR_MAX_JSON_DEPTH / 2 - 2 : GR_MAX_JSON_DEPTH - AD_MAX_RANK;
    if (w->depth >= deepest) { /* so that it can be read back */
        gr_raise_argument(w->vm, w->call, 0, GR_E_too_nested,
                          "the value is nested more than %d levels deep", deepest);
        return false;
    }
    w->depth++;
    bool ok = v.kind == GR_TUPLE ? put_tuple(w, gr_as_tuple(v)) : put_record(w, v);
    w->depth--;
    return ok;
}

static bool put_alone(writer *w, double x) {
    if (isfinite(x) || !w->tagged) return put_number(w, x, false);
    gr_buffer_puts(w->out, "{\"number\":");
    put_number(w, x, false);
    gr_buffer_puts(w->out, "}");
    return true;
}

static bool put_value(writer *w, gr_value v) {
    switch (v.kind) {
    case AD_NUMBER: return put_alone(w, v.num);
    case AD_BOOL: gr_buffer_puts(w->out, v.num != 0 ? "true" : "false"); return true;
    case AD_TENSOR: return put_tensor(w, v.tensor);
    case GR_NIL: gr_buffer_puts(w->out, "null"); return true;
    case GR_STRING: put_string(w->out, gr_as_string(v)->bytes, gr_as_string(v)->length); return true;
    case GR_TUPLE:
    case GR_RECORD: return put_nested(w, v);
    default: return raise_value(w, gr_kind_name(v));
    }
}

bool gr_json_write(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out) {
    writer w = {.vm = vm, .call = call, .out = out};
    return put_value(&w, v);
}

bool gr_json_save(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out) {
    writer w = {.vm = vm, .call = call, .out = out, .tagged = true};
    gr_buffer_puts(out, "{\"gradus\":1,\"value\":");
    if (!put_value(&w, v)) return false;
    gr_buffer_puts(out, "}\n");
    return true;
}

/* ---- back: as deep as gr_json_parse lets anything be ----------------------------------------- */

static bool raise_form(gr_vm *vm, const gr_call *call) {
    gr_raise_argument(vm, call, 0, GR_E_bad_json, "the file is not what `save` writes");
    return false;
}

static bool untag(gr_vm *vm, const gr_call *call, gr_value v, gr_value *out);

static bool untag_tuple(gr_vm *vm, const gr_call *call, gr_value v, gr_value *out) {
    if (v.kind != GR_TUPLE) return raise_form(vm, call);
    gr_value t = gr_tuple_new(vm, gr_as_tuple(v)->count);
    bool ok = !gr_failed(t);
    for (size_t i = 0; ok && i < gr_as_tuple(v)->count; i++)
        ok = untag(vm, call, gr_as_tuple(v)->items[i], &gr_as_tuple(t)->items[i]);
    if (ok) *out = t;
    else gr_release(vm, t);
    return ok;
}

static bool untag_record(gr_vm *vm, const gr_call *call, gr_value v, gr_value *out) {
    if (v.kind != GR_RECORD) return raise_form(vm, call);
    gr_value r = gr_record_like(vm, v);
    bool ok = !gr_failed(r);
    for (uint32_t i = 0; ok && i < gr_record_count(v); i++)
        ok = untag(vm, call, gr_record_value(v, i), &gr_as_record(r)->values[i]);
    if (ok) *out = r;
    else gr_release(vm, r);
    return ok;
}

/* A number, or "nan", "inf", "-inf". */
static bool untag_number(gr_value v, double *x) {
    *x = v.num;
    if (v.kind == AD_NUMBER) return true;
    if (v.kind != GR_STRING) return false;
    const gr_string *s = gr_as_string(v);
    return s->length > 0 && ad_number_parse(s->bytes, s->length, x) == s->length;
}

static bool dtype_of(gr_value v, ad_dtype *dtype) {
    for (*dtype = AD_F64; *dtype <= AD_BOOL8; *dtype = (ad_dtype)(*dtype + 1))
        if (v.kind == GR_STRING && gr_string_is(v, ad_dtype_name(*dtype))) return true;
    return false;
}

/* The header is checked against the data before anything is allocated by it. */
static bool untag_dims(gr_value shape, size_t count, int64_t *dims) {
    int64_t size = 1;
    if (shape.kind != GR_TUPLE || gr_as_tuple(shape)->count == 0 ||
        gr_as_tuple(shape)->count > AD_MAX_RANK)
        return false;
    for (size_t i = 0; i < gr_as_tuple(shape)->count; i++) {
        gr_value d = gr_as_tuple(shape)->items[i];
        if (d.kind != AD_NUMBER || !(d.num >= 0 && d.num <= 0x1p53) || d.num != trunc(d.num))
            return false;
        dims[i] = (int64_t)d.num;
        if (__builtin_mul_overflow(size, dims[i], &size)) return false;
    }
    return size == (int64_t)count;
}

static bool untag_tensor(gr_vm *vm, const gr_call *call, gr_value v, gr_value *out) {
    gr_value *shape = gr_record_find_text(vm, v, "tensor"), *data = gr_record_find_text(vm, v, "data");
    gr_value *name = gr_record_find_text(vm, v, "dtype");
    int64_t dims[AD_MAX_RANK];
    ad_dtype dtype;
    if (!data || data->kind != GR_TUPLE || !name || !dtype_of(*name, &dtype) ||
        !untag_dims(*shape, gr_as_tuple(*data)->count, dims))
        return raise_form(vm, call);
    size_t n = gr_as_tuple(*data)->count, bytes = (n + 1) * sizeof(double);
    double *x = ad_mem_get(gr_ctx(vm), bytes);
    if (!x) return gr_core_failed(vm, call);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = untag_number(gr_as_tuple(*data)->items[i], &x[i]);
    ad_tensor *t = ok ? ad_tensor_from(gr_ctx(vm), dtype, (int)gr_as_tuple(*shape)->count, dims, x)
                      : NULL;
    ad_mem_put(gr_ctx(vm), x, bytes);
    if (!ok) return raise_form(vm, call);
    if (!t) return gr_core_failed(vm, call);
    *out = ad_wrap(t);
    return true;
}

static bool untag(gr_vm *vm, const gr_call *call, gr_value v, gr_value *out) {
    gr_value *inner;
    double x;
    if (v.kind != GR_RECORD) {
        *out = gr_retain(vm, v);
        return true;
    }
    if (gr_record_find_text(vm, v, "tensor")) return untag_tensor(vm, call, v, out);
    if ((inner = gr_record_find_text(vm, v, "tuple")))
        return untag_tuple(vm, call, *inner, out);
    if ((inner = gr_record_find_text(vm, v, "record")))
        return untag_record(vm, call, *inner, out);
    inner = gr_record_find_text(vm, v, "number");
    if (!inner || !untag_number(*inner, &x)) return raise_form(vm, call);
    *out = ad_number(x);
    return true;
}

bool gr_json_load(gr_vm *vm, const gr_call *call, const char *bytes, size_t length, gr_value *out) {
    gr_value v;
    if (!gr_json_parse(vm, call, bytes, length, &v)) return false;
    gr_value *inner = v.kind == GR_RECORD && gr_record_find_text(vm, v, "gradus")
                          ? gr_record_find_text(vm, v, "value") : NULL;
    if (!inner) {
        *out = v;
        return true;
    }
    bool ok = untag(vm, call, *inner, out);
    gr_release(vm, v);
    return ok;
}
