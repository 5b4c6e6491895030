/* SPDX-License-Identifier: MIT */
/*
 * Readers of arguments, see builtin.h. Each says in one sentence which argument is wrong, what was
 * wanted and what came.
 */
#include "builtin.h"
#include "format.h"

#include <math.h>
#include <string.h>

gr_value gr_argument(const gr_call *call, uint32_t i) {
    return i < call->count ? call->args[i] : call->rest[i - call->count];
}

static const char *name_of(gr_vm *vm, const gr_call *call, uint32_t i) {
    if (i >= call->count) return "the argument";
    return gr_parameter_name(vm, call, i);
}

bool gr_raise_kind(gr_vm *vm, const gr_call *call, uint32_t i, const char *wanted) {
    gr_buffer got;
    gr_buffer_init(&got, gr_ctx(vm));
    gr_describe(vm, &got, gr_argument(call, i));
    const char *quote = i < call->count ? "`" : "";
    gr_diagnostic *d =
        gr_raise_argument(vm, call, i, GR_E_wrong_kind, "%s%s%s of `%s` must be %s; it is %s", quote,
                          name_of(vm, call, i), quote, call->name, wanted, got.text ? got.text : "");
    gr_buffer_free(&got);
    if (strstr(wanted, "tensor")) gr_help_range(vm, d, gr_argument(call, i));
    return false;
}

bool gr_want_number(gr_vm *vm, const gr_call *call, uint32_t i, double *out) {
    gr_value v = gr_argument(call, i);
    if (v.kind > AD_BOOL) return gr_raise_kind(vm, call, i, "a number");
    *out = v.num;
    return true;
}

static bool raise_value(gr_vm *vm, const gr_call *call, uint32_t i, const char *wanted, double x) {
    char text[32];
    ad_number_text(x, text);
    const char *quote = i < call->count ? "`" : "";
    gr_raise_argument(vm, call, i, GR_E_wrong_value, "%s%s%s of `%s` must be %s; it is %s", quote,
                      name_of(vm, call, i), quote, call->name, wanted, text);
    return false;
}

bool gr_want_whole(gr_vm *vm, const gr_call *call, uint32_t i, int64_t *out) {
    gr_value v = gr_argument(call, i);
    if (v.kind != AD_NUMBER) return gr_raise_kind(vm, call, i, "a whole number");
    if (v.num != trunc(v.num) || fabs(v.num) > 0x1p53)
        return raise_value(vm, call, i, "a whole number", v.num);
    *out = (int64_t)v.num;
    return true;
}

bool gr_want_count(gr_vm *vm, const gr_call *call, uint32_t i, int64_t least, int64_t *out) {
    if (!gr_want_whole(vm, call, i, out)) return false;
    if (*out >= least) return true;
    return raise_value(vm, call, i, least == 0 ? "0 or more" : "at least 1", (double)*out);
}

bool gr_want_flag(gr_vm *vm, const gr_call *call, uint32_t i, bool *out) {
    gr_value v = gr_argument(call, i);
    if (v.kind != AD_BOOL) return gr_raise_kind(vm, call, i, "true or false");
    *out = v.num != 0;
    return true;
}

bool gr_want_string(gr_vm *vm, const gr_call *call, uint32_t i, gr_string **out) {
    gr_value v = gr_argument(call, i);
    if (v.kind != GR_STRING) return gr_raise_kind(vm, call, i, "a string");
    *out = gr_as_string(v);
    return true;
}

bool gr_want_function(gr_vm *vm, const gr_call *call, uint32_t i) {
    if (gr_argument(call, i).kind == GR_FUNCTION) return true;
    gr_raise_kind(vm, call, i, "a function");
    bool turned = i == 0 && call->count > 1 && call->args[1].kind == GR_FUNCTION;
    if (turned)
        gr_diag_help(gr_vm_report(vm)->last, "the function stands first, as in `%s(f, x)`", call->name);
    return false;
}

bool gr_want_dtype(gr_vm *vm, const gr_call *call, uint32_t i, ad_dtype *out) {
    *out = ad_default_dtype(gr_ctx(vm));
    if (!gr_given(call, i)) return true;
    gr_value v = call->args[i];
    if (v.kind != GR_STRING) return gr_raise_kind(vm, call, i, "\"f64\", \"f32\" or \"bool\"");
    if (gr_string_is(v, "f64")) *out = AD_F64;
    else if (gr_string_is(v, "f32")) *out = AD_F32;
    else if (gr_string_is(v, "bool")) *out = AD_BOOL8;
    else {
        gr_string *s = gr_as_string(v);
        gr_raise_argument(vm, call, i, GR_E_wrong_value,
                          "a dtype is \"f64\", \"f32\" or \"bool\"; this is \"%.*s\"",
                          (int)(s->length > 40 ? 40 : s->length), s->bytes);
        return false;
    }
    return true;
}

/* ---- lists of whole numbers ------------------------------------------------------------------- */

static int take_whole(gr_vm *vm, const gr_call *call, uint32_t i, double x, int room, int64_t *out) {
    if (room < 1) {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "`%s` of `%s` has too many numbers",
                          name_of(vm, call, i), call->name);
        return -1;
    }
    if (x != trunc(x) || fabs(x) > 0x1p53) {
        raise_value(vm, call, i, "made of whole numbers", x);
        return -1;
    }
    *out = (int64_t)x;
    return 1;
}

static int take_tensor(gr_vm *vm, const gr_call *call, uint32_t i, const ad_tensor *t, int room,
                       int64_t *out) {
    int n = 0;
    for (int64_t k = 0; k < t->size; k++, n++)
        if (take_whole(vm, call, i, ad_tensor_get(t, &k), room - n, out + n) < 0) return -1;
    return n;
}

static int whole_numbers(gr_vm *vm, const gr_call *call, uint32_t i, gr_value v, int room,
                         int64_t *out, int depth) {
    if (v.kind == AD_NUMBER) return take_whole(vm, call, i, v.num, room, out);
    if (v.kind == AD_TENSOR && v.tensor->rank == 1)
        return take_tensor(vm, call, i, v.tensor, room, out);
    if (v.kind != GR_TUPLE || depth > 2) {
        gr_raise_kind(vm, call, i, "a whole number or a tuple of them");
        return -1;
    }
    int n = 0;
    for (size_t k = 0; k < gr_as_tuple(v)->count; k++) {
        int more = whole_numbers(vm, call, i, gr_as_tuple(v)->items[k], room - n, out + n, depth + 1);
        if (more < 0) return -1;
        n += more;
    }
    return n;
}

int gr_whole_numbers(gr_vm *vm, const gr_call *call, uint32_t i, gr_value v, int room, int64_t *out) {
    return whole_numbers(vm, call, i, v, room, out, 0);
}

static bool check_dims(gr_vm *vm, const gr_call *call, uint32_t i, int rank, const int64_t *dims) {
    for (int k = 0; k < rank; k++)
        if (dims[k] < 0) {
            gr_raise_argument(vm, call, i, GR_E_wrong_value, "a size of `%s` must be 0 or more; it is %lld",
                              call->name, (long long)dims[k]);
            return false;
        }
    return true;
}

bool gr_want_shape(gr_vm *vm, const gr_call *call, uint32_t i, bool rest, int *rank, int64_t *dims) {
    *rank = 0;
    uint32_t end = rest ? call->count + call->rest_count : i + 1;
    for (uint32_t k = i; k < end; k = k < call->count ? call->count : k + 1) {
        if (k < call->count && !gr_given(call, k)) continue;
        int n = gr_whole_numbers(vm, call, k, gr_argument(call, k), AD_MAX_RANK - *rank, dims + *rank);
        if (n < 0 || !check_dims(vm, call, k, n, dims + *rank)) return false;
        *rank += n;
    }
    return true;
}

bool gr_want_path(gr_vm *vm, const gr_call *call, uint32_t i, char **out, size_t *bytes) {
    gr_string *s = NULL;
    if (!gr_want_string(vm, call, i, &s)) return false;
    if (s->length == 0 || memchr(s->bytes, '\0', s->length)) {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "a file name is not empty and has no NUL in it");
        return false;
    }
    *bytes = s->length + 1;
    *out = ad_mem_get(gr_ctx(vm), *bytes);
    if (!*out) {
        gr_raise_memory(vm);
        return false;
    }
    memcpy(*out, s->bytes, s->length);
    (*out)[s->length] = '\0';
    return true;
}
