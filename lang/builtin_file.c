/* SPDX-License-Identifier: MIT */
/*
 * Printing, reading and writing. What is read becomes strings, so it has to be UTF-8; what is written
 * takes its place at once (files.h).
 */
#include "builtin.h"
#include "files.h"
#include "format.h"
#include "watch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- printing --------------------------------------------------------------------------------- */

/* Is one of two neighbours a picture, which begins on a line of its own? */
static bool is_picture(const gr_value *pair) {
    return pair[0].kind == GR_PICTURE || pair[1].kind == GR_PICTURE;
}

static bool print_line(gr_vm *vm, gr_call *call, bool to_output, gr_buffer *text) {
    gr_string *separator = NULL, *end = NULL;
    if (gr_given(call, 0) && !gr_want_string(vm, call, 0, &separator)) return false;
    if (gr_given(call, 1) && !gr_want_string(vm, call, 1, &end)) return false;
    for (uint32_t k = 0; k < call->rest_count; k++) {
        if (k && separator) gr_buffer_put(text, separator->bytes, separator->length);
        else if (k) gr_buffer_puts(text, is_picture(&call->rest[k - 1]) ? "\n" : " ");
        if (to_output) gr_format_print(vm, text, call->rest[k]);
        else if (!gr_format_value(vm, text, call->rest[k], NULL)) return false;
    }
    if (end) gr_buffer_put(text, end->bytes, end->length);
    else gr_buffer_puts(text, "\n");
    if (text->failed) gr_raise_memory(vm);
    return !text->failed;
}

static bool print_to(gr_vm *vm, gr_call *call, void (*write)(gr_vm *, const char *, size_t)) {
    gr_buffer text;
    if (!gr_may_print(vm)) return true;
    gr_buffer_init(&text, gr_ctx(vm));
    bool ok = true;
    for (uint32_t k = 0; ok && k < call->rest_count; k++)
        ok = gr_watch_value(vm, call->rest[k], "what is printed here");
    ok = ok && print_line(vm, call, write == gr_write, &text);
    if (ok && text.size > 0) write(vm, text.text, text.size);
    gr_buffer_free(&text);
    return ok;
}

static bool gr_b_print(gr_vm *vm, gr_call *call) { return print_to(vm, call, gr_write); }
static bool gr_b_printerr(gr_vm *vm, gr_call *call) { return print_to(vm, call, gr_write_error); }

/* ---- text ------------------------------------------------------------------------------------- */

static bool raise_encoding(gr_vm *vm, gr_call *call, uint32_t i, const char *name, size_t at) {
    if (call->count > 0)
        gr_raise_argument(vm, call, i, GR_E_invalid_utf8, "%s is not UTF-8: the byte at %zu", name, at);
    else
        gr_raise(vm, GR_E_invalid_utf8, "%s is not UTF-8: the byte at %zu", name, at);
    return false;
}

/* A line of any length; false at the end of the input, or where raised. */
static bool collect_line(gr_vm *vm, gr_buffer *line, bool *any) {
    char chunk[512];
    size_t n = 0;
    for (;;) {
        int c = getc_unlocked(stdin);
        if (c == EOF && ferror(stdin) && errno == EINTR) {
            clearerr(stdin);
            if (!gr_safe_point(vm)) return false;
            continue;
        }
        if (c != EOF) *any = true;
        if (c != EOF && c != '\n') chunk[n++] = (char)c;
        if (n < sizeof chunk && c != EOF && c != '\n') continue;
        gr_buffer_put(line, chunk, n);
        n = 0;
        if (c == EOF || c == '\n') return true;
    }
}

static bool gr_b_read_line(gr_vm *vm, gr_call *call) {
    gr_buffer line;
    bool any = false;
    size_t bad;
    gr_flush(vm);
    gr_buffer_init(&line, gr_ctx(vm));
    bool ok = collect_line(vm, &line, &any);
    if (ok && line.size > 0 && line.text[line.size - 1] == '\r') line.size--;
    if (ok && line.size > 0 && !gr_is_utf8(line.text, line.size, &bad))
        ok = raise_encoding(vm, call, 0, "the line", bad);
    if (ok && any) call->result = gr_string_new(vm, line.text ? line.text : "", line.size);
    gr_buffer_free(&line);
    return ok && !gr_failed(call->result);
}

/* The text of the file that argument 0 names. */
static bool read_named(gr_vm *vm, gr_call *call, gr_buffer *out, char **path, size_t *bytes) {
    gr_buffer_init(out, gr_ctx(vm));
    if (!gr_want_path(vm, call, 0, path, bytes)) return false;
    gr_note_effect(vm, GR_EFFECT_READ_FILE);
    if (gr_read_file(out, *path)) return true;
    gr_raise_file(vm, call, 0, "read", *path);
    gr_buffer_free(out);
    ad_mem_put(gr_ctx(vm), *path, *bytes);
    return false;
}

static const char *text_of(const gr_buffer *b) { return b->text ? b->text : ""; }

static bool gr_b_read_text(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    char *path;
    size_t bytes, bad;
    if (!read_named(vm, call, &text, &path, &bytes)) return false;
    bool ok = gr_is_utf8(text_of(&text), text.size, &bad);
    if (ok) call->result = gr_string_new(vm, text_of(&text), text.size);
    else raise_encoding(vm, call, 0, path, bad);
    gr_buffer_free(&text);
    ad_mem_put(gr_ctx(vm), path, bytes);
    return ok && !gr_failed(call->result);
}

/* Writes to the file that argument i names. */
static bool write_named(gr_vm *vm, gr_call *call, uint32_t i, const char *text, size_t length) {
    char *path;
    size_t bytes;
    if (!gr_want_path(vm, call, i, &path, &bytes)) return false;
    gr_note_effect(vm, GR_EFFECT_WROTE_FILE);
    bool ok = gr_write_file(gr_ctx(vm), path, text, length);
    if (!ok) gr_raise_file(vm, call, i, "write", path);
    ad_mem_put(gr_ctx(vm), path, bytes);
    return ok;
}

static bool gr_b_write_text(gr_vm *vm, gr_call *call) {
    gr_string *s;
    return gr_want_string(vm, call, 1, &s) && write_named(vm, call, 0, s->bytes, s->length);
}

/* ---- tables ----------------------------------------------------------------------------------- */

static bool want_missing(gr_vm *vm, gr_call *call, uint32_t i, gr_csv_options *o) {
    gr_value v = call->args[i];
    if (gr_is_absent(v)) return true;
    if (v.kind == AD_NUMBER && isnan(v.num)) o->missing = GR_MISSING_NAN;
    else if (v.kind == GR_STRING && gr_string_is(v, "drop")) o->missing = GR_MISSING_DROP;
    else if (v.kind == GR_STRING && gr_string_is(v, "error")) o->missing = GR_MISSING_ERROR;
    else {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "`missing` is nan, \"drop\" or \"error\"");
        return false;
    }
    return true;
}

/* "path, *, header = true, text = (), missing = "error", separator */
static bool csv_options(gr_vm *vm, gr_call *call, gr_csv_options *o) {
    gr_string *separator;
    *o = (gr_csv_options){.header = true, .text = gr_nil(), .separator = ','};
    if (gr_given(call, 1) && !gr_want_flag(vm, call, 1, &o->header)) return false;
    if (gr_given(call, 2)) {
        o->text = call->args[2];
        if (o->text.kind != GR_TUPLE && o->text.kind != GR_STRING)
            return gr_raise_kind(vm, call, 2, "a tuple of names of columns");
    }
    if (!want_missing(vm, call, 3, o)) return false;
    if (!gr_given(call, 4)) return true;
    if (!gr_want_string(vm, call, 4, &separator)) return false;
    if (separator->length != 1 || strchr("\"\r\n", separator->bytes[0])) {
        gr_raise_argument(vm, call, 4, GR_E_wrong_value, "`separator` is one character, such as \";\"");
        return false;
    }
    o->separator = separator->bytes[0];
    return true;
}

static bool read_table(gr_vm *vm, gr_call *call, const gr_csv_options *o) {
    gr_buffer text;
    char *path;
    size_t bytes;
    if (!read_named(vm, call, &text, &path, &bytes)) return false;
    bool ok = gr_csv_parse(vm, call, path, text_of(&text), text.size, o, &call->result);
    gr_buffer_free(&text);
    ad_mem_put(gr_ctx(vm), path, bytes);
    return ok;
}

static bool gr_b_read_csv(gr_vm *vm, gr_call *call) {
    gr_csv_options o;
    return csv_options(vm, call, &o) && read_table(vm, call, &o);
}

typedef bool (*value_writer)(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out);

/* Argument `value` through a writer into the file that argument `path` names. */
static bool write_value(gr_vm *vm, gr_call *call, value_writer writer, uint32_t value, uint32_t path) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    bool ok = writer(vm, call, call->args[value], &text);
    if (ok && text.failed) {
        gr_raise_memory(vm);
        ok = false;
    }
    ok = ok && write_named(vm, call, path, text_of(&text), text.size);
    gr_buffer_free(&text);
    return ok;
}

static bool gr_b_write_csv(gr_vm *vm, gr_call *call) {
    if (call->args[0].kind == GR_STRING && call->args[1].kind != GR_STRING) { /* path first */
        gr_value path = call->args[0];
        call->args[0] = call->args[1];
        call->args[1] = path;
    }
    return write_value(vm, call, gr_csv_write, 0, 1);
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static bool gr_b_parse_json(gr_vm *vm, gr_call *call) {
    gr_string *s;
    return gr_want_string(vm, call, 0, &s) &&
           gr_json_parse(vm, call, s->bytes, s->length, &call->result);
}

static bool gr_b_to_json(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    bool ok = gr_json_write(vm, call, call->args[0], &text);
    if (ok && text.failed) {
        gr_raise_memory(vm);
        ok = false;
    }
    if (ok) call->result = gr_string_new(vm, text_of(&text), text.size);
    gr_buffer_free(&text);
    return ok && !gr_failed(call->result);
}

/* ---- by extension ----------------------------------------------------------------------------- */

static bool has_extension(gr_vm *vm, const gr_call *call, uint32_t i, const char *extension) {
    gr_string *s = NULL;
    size_t n = strlen(extension);
    (void)vm;
    if (call->args[i].kind == GR_STRING) s = gr_as_string(call->args[i]);
    return s && s->length > n && memcmp(s->bytes + s->length - n, extension, n) == 0;
}

static bool raise_extension(gr_vm *vm, gr_call *call, uint32_t i) {
    gr_string *s;
    if (!gr_want_string(vm, call, i, &s)) return false;
    gr_diagnostic *d = gr_raise_argument(vm, call, i, GR_E_unreadable_file,
                                         "`%s` does not know files like `%.*s`", call->name,
                                         (int)(s->length > 80 ? 80 : s->length), s->bytes);
    gr_diag_help(d, "the end of the name tells the form: .json or .csv; text goes with read_text and "
                    "write_text");
    return false;
}

static bool gr_b_load(gr_vm *vm, gr_call *call) {
    gr_buffer text;
    char *path;
    size_t bytes, bad;
    if (has_extension(vm, call, 0, ".csv")) {
        gr_csv_options o = {.header = true, .text = gr_nil(), .separator = ','};
        return read_table(vm, call, &o);
    }
    if (!has_extension(vm, call, 0, ".json")) return raise_extension(vm, call, 0);
    if (!read_named(vm, call, &text, &path, &bytes)) return false;
    bool ok = gr_is_utf8(text_of(&text), text.size, &bad) ||
              raise_encoding(vm, call, 0, path, bad);
    ok = ok && gr_json_load(vm, call, text_of(&text), text.size, &call->result);
    gr_buffer_free(&text);
    ad_mem_put(gr_ctx(vm), path, bytes);
    return ok;
}

static bool gr_b_save(gr_vm *vm, gr_call *call) {
    if (has_extension(vm, call, 1, ".json")) return write_value(vm, call, gr_json_save, 0, 1);
    if (has_extension(vm, call, 1, ".csv")) return write_value(vm, call, gr_csv_write, 0, 1);
    return raise_extension(vm, call, 1);
}

const gr_builtin gr_builtins_file[] = {
    GR_BUILTIN(print, "...xs, sep = \" \", end = \"\\n\"", "prints values, with blanks between them"),
    GR_BUILTIN(printerr, "...xs, sep = \" \", end = \"\\n\"", "prints to standard error"),
    GR_BUILTIN(read_line, "", "a line of standard input without its newline, nil at the end"),
    GR_BUILTIN(read_text, "path", "the text of a file"),
    GR_BUILTIN(write_text, "path, text", "writes a text into a file, in place of what was there"),
    GR_BUILTIN(read_csv,
               "path, *, header = true, text = (), missing = \"error\", separator = \",\"",
               "a table as a record of columns: tensors where the cells are numbers, tuples of strings "
               "else; header = false: one tensor. `text` names columns to be taken as strings; "
               "missing = nan or \"drop\" says what becomes of empty cells and NA"),
    GR_BUILTIN(write_csv, "table, path",
               "writes a record of columns, a matrix or a tuple of records as a table"),
    GR_BUILTIN(parse_json, "text", "the value that a JSON text stands for: arrays become tuples"),
    GR_BUILTIN(to_json, "x", "a value as JSON on one line, tensors as nested arrays"),
    GR_BUILTIN(load, "path", "what is in a .json or .csv file"),
    GR_BUILTIN(save, "x, path", "writes a value into a .json or .csv file"),
    GR_BUILTINS_END};
