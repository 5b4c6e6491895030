/* SPDX-License-Identifier: MIT */
/*
 * Strings, by character. Case goes by Unicode's simple mappings; searching compares bytes, which is
 * right in UTF-8.
 */
#define _GNU_SOURCE /* memmem */
#include "builtin.h"
#include "format.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static bool take_buffer(gr_vm *vm, gr_call *call, gr_buffer *text) {
    bool ok = !text->failed;
    if (ok) call->result = gr_string_new(vm, text->text ? text->text : "", text->size);
    else gr_raise_memory(vm);
    gr_buffer_free(text);
    return ok && !gr_failed(call->result);
}

/* str(...xs): as print shows them, joined. */
static bool gr_b_str(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    if (call->rest_count == 1 && call->rest[0].head == AD_NUMBER) { /* the usual case, without a buffer */
        char digits[32];
        call->result = gr_string_new(vm, digits, ad_number_text(call->rest[0].num, digits));
        return !gr_failed(call->result);
    }
    gr_buffer_init(&text, gr_ctx(vm));
    for (uint32_t k = 0; k < call->rest_count; k++)
        if (!gr_format_value(vm, &text, call->rest[k], NULL)) {
            gr_buffer_free(&text);
            return false;
        }
    return take_buffer(vm, call, &text);
}

static bool gr_b_format(gr_vm *vm, gr_call *call) {
    gr_string *s;
    char spec[64];
    if (!gr_want_string(vm, call, 1, &s)) return false;
    snprintf(spec, sizeof spec, "%.*s", (int)(s->length > 60 ? 60 : s->length), s->bytes);
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    if (gr_format_value(vm, &text, call->args[0], spec)) return take_buffer(vm, call, &text);
    gr_buffer_free(&text);
    return false;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void trimmed(const gr_string *s, size_t *from, size_t *to) {
    *from = 0, *to = s->length;
    while (*from < *to && is_blank(s->bytes[*from])) ++*from;
    while (*to > *from && is_blank(s->bytes[*to - 1])) --*to;
}

static bool gr_b_num(gr_vm *vm, gr_call *call) {
    gr_string *s;
    size_t from, to;
    double x;
    if (call->args[0].kind <= AD_BOOL) {
        call->result = ad_number(call->args[0].num);
        return true;
    }
    if (!gr_want_string(vm, call, 0, &s)) return false;
    trimmed(s, &from, &to);
    if (to > from && ad_number_parse(s->bytes + from, to - from, &x) == to - from)
        call->result = ad_number(x);
    return true; /* else nil */
}

static bool gr_b_chars(gr_vm *vm, gr_call *call) {
    gr_string *s;
    gr_iterator it;
    gr_value c;
    bool failed = false;
    if (!gr_want_string(vm, call, 0, &s) || !gr_iterate(vm, call, 0, &it)) return false;
    call->result = gr_tuple_new(vm, 0);
    while (!gr_failed(call->result) && gr_next(&it, &c, &failed))
        call->result = gr_tuple_push(vm, gr_take(&call->result), c);
    return !failed && !gr_failed(call->result);
}

static bool gr_b_join(gr_vm *vm, gr_call *call) {
    gr_string *separator = NULL;
    gr_iterator it;
    gr_value x;
    bool failed = false, ok = true;
    if (call->args[0].kind == GR_STRING && gr_given(call, 1) && call->args[1].kind == GR_TUPLE) {
        gr_diagnostic *d = gr_raise_argument(vm, call, 1, GR_E_wrong_kind,
                                             "`join` takes the items first, then the separator");
        gr_diag_help(d, "write `join(xs, \", \")`");
        return false;
    }
    if (gr_given(call, 1) && !gr_want_string(vm, call, 1, &separator)) return false;
    if (!gr_iterate(vm, call, 0, &it)) return false;
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    while (ok && gr_next(&it, &x, &failed)) {
        if (it.at > 1 && separator) gr_buffer_put(&text, separator->bytes, separator->length);
        ok = gr_format_value(vm, &text, x, NULL);
        gr_release(vm, x);
    }
    if (ok && !failed) return take_buffer(vm, call, &text);
    gr_buffer_free(&text);
    return false;
}

static bool gr_b_trim(gr_vm *vm, gr_call *call) {
    gr_string *s;
    size_t from, to;
    if (!gr_want_string(vm, call, 0, &s)) return false;
    trimmed(s, &from, &to);
    call->result = gr_string_slice(vm, call->args[0], from, to);
    return !gr_failed(call->result);
}

static bool map_characters(gr_vm *vm, gr_call *call, utf8proc_int32_t (*f)(utf8proc_int32_t)) {
    gr_string *s;
    if (!gr_want_string(vm, call, 0, &s)) return false;
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    for (size_t i = 0; i < s->length;) {
        utf8proc_int32_t code;
        utf8proc_uint8_t out[4];
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s->bytes + i,
                                              (utf8proc_ssize_t)(s->length - i), &code);
        if (n <= 0) break;
        if ((i >> 16) != ((i + (size_t)n) >> 16) && !gr_go_on(vm)) {
            gr_buffer_free(&text);
            return false;
        }
        i += (size_t)n;
        gr_buffer_put(&text, (const char *)out, (size_t)utf8proc_encode_char(f(code), out));
    }
    return take_buffer(vm, call, &text);
}

static bool gr_b_upper(gr_vm *vm, gr_call *call) { return map_characters(vm, call, utf8proc_toupper); }
static bool gr_b_lower(gr_vm *vm, gr_call *call) { return map_characters(vm, call, utf8proc_tolower); }

/* The arguments 0 and 1, both strings. */
static bool two_strings(gr_vm *vm, gr_call *call, gr_string **a, gr_string **b) {
    return gr_want_string(vm, call, 0, a) && gr_want_string(vm, call, 1, b);
}

static bool gr_b_replace(gr_vm *vm, gr_call *call) {
    gr_string *s, *old, *by;
    if (!two_strings(vm, call, &s, &old) || !gr_want_string(vm, call, 2, &by)) return false;
    if (old->length == 0) {
        gr_raise_argument(vm, call, 1, GR_E_wrong_value, "the text to be replaced is empty");
        return false;
    }
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    const char *p = s->bytes, *end = p + s->length, *hit;
    while ((hit = memmem(p, (size_t)(end - p), old->bytes, old->length))) {
        gr_buffer_put(&text, p, (size_t)(hit - p));
        gr_buffer_put(&text, by->bytes, by->length);
        p = hit + old->length;
        if (text.failed || !gr_go_on(vm)) break;
    }
    if (gr_has_raised(vm)) {
        gr_buffer_free(&text);
        return false;
    }
    gr_buffer_put(&text, p, (size_t)(end - p));
    return take_buffer(vm, call, &text);
}

static bool gr_b_find(gr_vm *vm, gr_call *call) {
    gr_string *s, *part;
    int64_t start = 0;
    if (!two_strings(vm, call, &s, &part)) return false;
    if (gr_given(call, 2) && !gr_want_count(vm, call, 2, 0, &start)) return false;
    if (start > gr_string_chars(s)) return true;
    size_t from = gr_string_offset(vm, s, start);
    const char *hit = part->length == 0 ? s->bytes + from
                                        : memmem(s->bytes + from, s->length - from, part->bytes,
                                                 part->length);
    if (!hit) return true; /* nil */
    const char *begin = s->bytes + from;
    call->result = ad_number((double)(start + gr_count_chars(begin, (size_t)(hit - begin))));
    return true;
}

static bool gr_b_starts_with(gr_vm *vm, gr_call *call) {
    gr_string *s, *part;
    if (!two_strings(vm, call, &s, &part)) return false;
    call->result = ad_bool(part->length <= s->length &&
                           memcmp(s->bytes, part->bytes, part->length) == 0);
    return true;
}

static bool gr_b_ends_with(gr_vm *vm, gr_call *call) {
    gr_string *s, *part;
    if (!two_strings(vm, call, &s, &part)) return false;
    call->result = ad_bool(part->length <= s->length &&
                           memcmp(s->bytes + s->length - part->length, part->bytes, part->length) == 0);
    return true;
}

const gr_builtin gr_builtins_text[] = {
    GR_BUILTIN(str, "...xs", "the text of values, as print shows them, joined"),
    GR_BUILTIN(format, "x, spec", "the text of x by a printf format without the %: format(x, \"8.3f\")"),
    GR_BUILTIN(num, "s", "the number that a string writes, nil if it is none"),
    GR_BUILTIN(chars, "s", "the characters of a string as a tuple"),
    GR_BUILTIN(join, "xs, separator = \"\"", "the texts of all items with a separator between them"),
    GR_BUILTIN(trim, "s", "a string without blanks and newlines at its ends"),
    GR_BUILTIN(upper, "s", "a string in capital letters"),
    GR_BUILTIN(lower, "s", "a string in small letters"),
    GR_BUILTIN(replace, "s, old, by", "a string with every `old` replaced"),
    GR_BUILTIN(find, "s, part, start = 0",
               "the place of the first `part` from `start` on, nil if there is none"),
    GR_BUILTIN(starts_with, "s, part", "whether a string begins with another"),
    GR_BUILTIN(ends_with, "s, part", "whether a string ends with another"),
    GR_BUILTINS_END};
