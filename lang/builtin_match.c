/* SPDX-License-Identifier: MIT */
/*
 * match and match_all: PCRE2 patterns. A pattern is compiled for each call; its matches are bounded
 * in steps, depth and memory, so that no pattern hangs. The JIT is used where it is to be had; it
 * knows the same limit of steps.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "builtin.h"

#include <pcre2.h>
#include <string.h>

enum { STEPS = 10000000, DEPTH = 100000, HEAP_KIB = 64 * 1024 };

typedef struct matcher {
    gr_vm *vm;
    gr_call *call;
    gr_string *subject;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    PCRE2_SPTR names; /* name table */
    uint32_t name_count, name_size;
} matcher;

static void close_matcher(matcher *m) {
    pcre2_match_context_free(m->limits);
    pcre2_match_data_free(m->data);
    pcre2_code_free(m->code);
}

static bool raise_compile(matcher *m, int code, size_t offset) {
    unsigned char text[160];
    pcre2_get_error_message(code, text, sizeof text);
    gr_diagnostic *d = gr_raise_argument(m->vm, m->call, 1, GR_E_bad_regex,
                                         "the pattern is not right at character %zu: %s", offset, text);
    gr_diag_help(d, "patterns are written in raw strings: r\"\\d+\"");
    return false;
}

static bool open_matcher(matcher *m, gr_vm *vm, gr_call *call) {
    gr_string *pattern;
    *m = (matcher){.vm = vm, .call = call};
    if (!gr_want_string(vm, call, 0, &m->subject) || !gr_want_string(vm, call, 1, &pattern))
        return false;
    int code;
    size_t offset;
    m->code = pcre2_compile((PCRE2_SPTR)pattern->bytes, pattern->length,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!m->code) return raise_compile(m, code, offset);
    pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE); /* may fail: then it is interpreted */
    m->data = pcre2_match_data_create_from_pattern(m->code, NULL);
    m->limits = pcre2_match_context_create(NULL);
    if (!m->data || !m->limits) {
        gr_raise_memory(vm);
        return false;
    }
    pcre2_set_match_limit(m->limits, STEPS);
    pcre2_set_depth_limit(m->limits, DEPTH);
    pcre2_set_heap_limit(m->limits, HEAP_KIB);
    pcre2_pattern_info(m->code, PCRE2_INFO_NAMECOUNT, &m->name_count);
    pcre2_pattern_info(m->code, PCRE2_INFO_NAMEENTRYSIZE, &m->name_size);
    pcre2_pattern_info(m->code, PCRE2_INFO_NAMETABLE, &m->names);
    return true;
}

/* Strings are valid UTF-8, which PCRE2 need not check at every call. */
static int run(matcher *m, size_t from, uint32_t options) {
    return pcre2_match(m->code, (PCRE2_SPTR)m->subject->bytes, m->subject->length, from,
                       options | PCRE2_NO_UTF_CHECK, m->data, m->limits);
}

/* 1: found, 0: not, -1: raised. */
static int search(matcher *m, size_t from) {
    int n = run(m, from, 0);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) n = run(m, from, PCRE2_NO_JIT); /* has a heap of its own */
    if (n >= 0) return 1;
    if (n == PCRE2_ERROR_NOMATCH) return 0;
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_HEAPLIMIT) {
        gr_diagnostic *d = gr_raise_argument(m->vm, m->call, 1, GR_E_bad_regex,
                                             "matching this pattern takes too many steps");
        gr_diag_help(d, "nested repetitions such as `(a+)+` try every way to split the text; "
                        "possessive ones (`a++`) do not");
        return -1;
    }
    unsigned char text[160];
    pcre2_get_error_message(n, text, sizeof text);
    gr_raise_argument(m->vm, m->call, 1, GR_E_bad_regex, "the pattern could not be matched: %s", text);
    return -1;
}

static gr_value group(matcher *m, uint32_t k) {
    const size_t *at = pcre2_get_ovector_pointer(m->data);
    if (at[2 * k] == PCRE2_UNSET || at[2 * k] > at[2 * k + 1]) return gr_nil();
    gr_value s = gr_of_kind(GR_STRING, m->subject);
    return gr_string_slice(m->vm, s, at[2 * k], at[2 * k + 1]);
}

/* {text, and the named groups}; of groups that share a name the first that took part. */
static gr_value hit(matcher *m) {
    gr_value r = gr_record_new(m->vm), v;
    if (gr_failed(r)) return r;
    v = group(m, 0);
    bool ok = !gr_failed(v) && gr_record_set_text(m->vm, &r, "text", v);
    for (uint32_t i = 0; ok && i < m->name_count; i++) {
        PCRE2_SPTR row = m->names + i * m->name_size;
        v = group(m, (uint32_t)row[0] << 8 | row[1]);
        ok = !gr_failed(v) && gr_record_set_text(m->vm, &r, (const char *)row + 2, v);
    }
    if (ok) return r;
    gr_release(m->vm, r);
    return gr_absent();
}

static bool gr_b_match(gr_vm *vm, gr_call *call) {
    matcher m;
    int found = open_matcher(&m, vm, call) ? search(&m, 0) : -1;
    if (found == 1) call->result = hit(&m);
    close_matcher(&m);
    return found >= 0 && !gr_failed(call->result);
}

/* Where to look next: behind the hit, one character on if it was empty. */
static size_t go_on(const matcher *m) {
    const size_t *at = pcre2_get_ovector_pointer(m->data);
    size_t next = at[1];
    if (at[1] > at[0]) return next;
    do {
        next++;
    } while (next < m->subject->length && ((unsigned char)m->subject->bytes[next] & 0xc0) == 0x80);
    return next;
}

static bool gr_b_match_all(gr_vm *vm, gr_call *call) {
    matcher m;
    int found = open_matcher(&m, vm, call) ? 1 : -1;
    call->result = gr_tuple_new(vm, 0);
    bool ok = found > 0 && !gr_failed(call->result);
    for (size_t from = 0; ok && from <= m.subject->length; from = go_on(&m)) {
        found = search(&m, from);
        ok = found >= 0;
        if (found != 1) break;
        gr_value r = hit(&m);
        ok = !gr_failed(r);
        if (ok) call->result = gr_tuple_push(vm, gr_take(&call->result), r);
        ok = ok && !gr_failed(call->result) && gr_safe_point(vm);
    }
    close_matcher(&m);
    return ok;
}

const gr_builtin gr_builtins_match[] = {
    GR_BUILTIN(match, "s, pattern",
               "the first match of a PCRE2 pattern: a record of `text` and the named groups, or nil"),
    GR_BUILTIN(match_all, "s, pattern", "all matches, one after the other, as a tuple of records"),
    GR_BUILTINS_END};
