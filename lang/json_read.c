/* SPDX-License-Identifier: MIT */
/*
 * JSON (RFC 8259) to values: arrays to tuples, objects to records, null to nil. Recursion goes to
 * GR_MAX_JSON_DEPTH. Of two fields with one name the later wins.
 */
#include "builtin.h"
#include "files.h"

#include <stdio.h>
#include <string.h>

typedef struct parser {
    gr_vm *vm;
    const gr_call *call;
    const char *text, *p, *end;
    int depth;
    size_t values; /* read so far */
    gr_buffer string; /* the string that is read, when it has escapes */
} parser;

static bool raise_here(parser *j, const char *what) {
    size_t line = 1, column = 1;
    for (const char *q = j->text; q < j->p; q++) {
        if (*q == '\n') line++, column = 1;
        else column += ((unsigned char)*q & 0xc0) != 0x80;
    }
    gr_raise_argument(j->vm, j->call, 0, GR_E_bad_json, "the JSON is not right in line %zu, column %zu: %s",
                      line, column, what);
    return false;
}

static void skip(parser *j) {
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r')) j->p++;
}

static bool is_digit(const parser *j, const char *p) { return p < j->end && *p >= '0' && *p <= '9'; }

/* Stricter than ad_number_parse: no leading zeros, no bare points. */
static bool read_number(parser *j, gr_value *out) {
    const char *p = j->p + (*j->p == '-');
    if (!is_digit(j, p)) return raise_here(j, "a number has digits");
    if (*p == '0' && is_digit(j, p + 1)) return raise_here(j, "a number does not begin with 0");
    while (is_digit(j, p)) p++;
    if (p < j->end && *p == '.' && !is_digit(j, p + 1))
        return raise_here(j, "digits follow the point of a number");
    double x;
    j->p += ad_number_parse(j->p, (size_t)(j->end - j->p), &x);
    if (j->p < j->end && (*j->p == 'e' || *j->p == 'E'))
        return raise_here(j, "digits follow the `e` of a number");
    *out = ad_number(x);
    return true;
}

static bool read_word(parser *j, const char *word, gr_value v, gr_value *out) {
    size_t n = strlen(word);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
        return raise_here(j, "a value is expected: a number, a string, true, false, null, [ or {");
    j->p += n;
    *out = v;
    return true;
}

/* ---- strings ---------------------------------------------------------------------------------- */

static bool read_hex(parser *j, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, j->p++) {
        char c = j->p < j->end ? *j->p : ' ', low = (char)(c | 0x20);
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                         : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a' + 10) : 16;
        if (digit == 16) return raise_here(j, "four hexadecimal digits follow \\u");
        *code = *code * 16 + digit;
    }
    return true;
}

static void put_utf8(gr_buffer *out, unsigned code) {
    char b[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; code >>= 6) b[i] = (char)(0x80 | (code & 0x3f));
    b[0] = (char)(lead[n] | code);
    gr_buffer_put(out, b, n);
}

static bool read_unicode(parser *j) {
    unsigned code, low;
    if (!read_hex(j, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
            return raise_here(j, "half of a surrogate pair is missing");
        j->p += 2;
        if (!read_hex(j, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return raise_here(j, "half of a surrogate pair is missing");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return raise_here(j, "half of a surrogate pair is missing");
    }
    put_utf8(&j->string, code);
    return true;
}

static bool read_escape(parser *j) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = j->p < j->end ? *j->p : '\0';
    const char *at = c ? strchr(from, c) : NULL;
    if (c == 'u') {
        j->p++;
        return read_unicode(j);
    }
    if (!at) return raise_here(j, "there is no such escape in JSON");
    j->p++;
    gr_buffer_put(&j->string, &to[at - from], 1);
    return true;
}

/* From the opening quote; the text is in place or in j->string. */
static bool read_text(parser *j, const char **bytes, size_t *length) {
    const char *from = ++j->p;
    bool copied = false;
    gr_buffer_clear(&j->string);
    for (;;) {
        const char *run = j->p;
        while (j->p < j->end && *j->p != '"' && *j->p != '\\' && (unsigned char)*j->p >= ' ') j->p++;
        if (j->p == j->end) return raise_here(j, "a string does not end");
        if ((unsigned char)*j->p < ' ') return raise_here(j, "a string has no line breaks; write \\n");
        bool ends = *j->p == '"';
        if (!ends || copied) gr_buffer_put(&j->string, run, (size_t)(j->p - run));
        j->p++;
        if (ends) break;
        copied = true;
        if (!read_escape(j)) return false;
    }
    *bytes = copied ? (j->string.text ? j->string.text : "") : from;
    *length = copied ? j->string.size : (size_t)(j->p - 1 - from);
    return true;
}

static bool read_string(parser *j, gr_value *out) {
    const char *bytes;
    size_t length;
    if (!read_text(j, &bytes, &length)) return false;
    *out = gr_string_new(j->vm, bytes, length);
    return !gr_failed(*out);
}

/* ---- arrays and objects ----------------------------------------------------------------------- */

static bool read_value(parser *j, gr_value *out);

/* After an item: true to go on, with *end set at the closing bracket. */
static bool next_item(parser *j, char closing, bool *end) {
    skip(j);
    *end = j->p < j->end && *j->p == closing;
    if (*end || (j->p < j->end && *j->p == ',')) {
        j->p++;
        return true;
    }
    return raise_here(j, closing == ']' ? "`,` or `]` is expected" : "`,` or `}` is expected");
}

static bool is_empty(parser *j, char closing) {
    j->p++;
    skip(j);
    if (j->p == j->end || *j->p != closing) return false;
    j->p++;
    return true;
}

static bool read_array(parser *j, gr_value *out) {
    gr_value t = gr_tuple_new(j->vm, 0), v;
    bool end = is_empty(j, ']'), ok = !gr_failed(t);
    while (ok && !end) {
        ok = read_value(j, &v);
        if (!ok) break;
        t = gr_tuple_push(j->vm, t, v);
        ok = !gr_failed(t) && next_item(j, ']', &end);
    }
    *out = t;
    if (ok) return true;
    gr_release(j->vm, t);
    return false;
}

static bool read_field(parser *j, gr_value *r) {
    gr_value key, v;
    skip(j);
    if (j->p == j->end || *j->p != '"') return raise_here(j, "the name of a field is expected, in quotes");
    if (!read_string(j, &key)) return false;
    skip(j);
    bool ok = (j->p < j->end && *j->p == ':') || raise_here(j, "`:` is expected");
    if (ok) j->p++;
    ok = ok && read_value(j, &v) && gr_record_set(j->vm, r, gr_as_string(key), v);
    gr_release(j->vm, key);
    return ok;
}

static bool read_object(parser *j, gr_value *out) {
    gr_value r = gr_record_new(j->vm);
    bool end = is_empty(j, '}'), ok = !gr_failed(r);
    while (ok && !end) ok = read_field(j, &r) && next_item(j, '}', &end);
    *out = r;
    if (ok) return true;
    gr_release(j->vm, r);
    return false;
}

static bool read_nested(parser *j, gr_value *out) {
    if (j->depth >= GR_MAX_JSON_DEPTH) return raise_here(j, "it is nested more than 512 levels deep");
    j->depth++;
    bool ok = *j->p == '[' ? read_array(j, out) : read_object(j, out);
    j->depth--;
    return ok;
}

static bool read_value(parser *j, gr_value *out) {
    if ((++j->values & 1023) == 0 && !gr_go_on(j->vm)) return false;
    skip(j);
    char c = j->p < j->end ? *j->p : '\0';
    if ((c >= '0' && c <= '9') || c == '-') return read_number(j, out);
    switch (c) {
    case '[':
    case '{': return read_nested(j, out);
    case '"': return read_string(j, out);
    case 't': return read_word(j, "true", ad_bool(true), out);
    case 'f': return read_word(j, "false", ad_bool(false), out);
    default: return read_word(j, "null", gr_nil(), out);
    }
}

bool gr_json_parse(gr_vm *vm, const gr_call *call, const char *bytes, size_t length, gr_value *out) {
    parser j = {.vm = vm, .call = call, .text = bytes, .p = bytes, .end = bytes + length};
    gr_buffer_init(&j.string, gr_ctx(vm));
    gr_value v = gr_nil();
    bool ok = read_value(&j, &v);
    skip(&j);
    if (ok && j.p < j.end) {
        gr_release(vm, v);
        ok = raise_here(&j, "something follows the value");
    }
    gr_buffer_free(&j.string);
    if (ok) *out = v;
    return ok;
}
