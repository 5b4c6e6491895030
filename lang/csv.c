/* SPDX-License-Identifier: MIT */
/*
 * Tables of text (RFC 4180: fields in quotes may hold separators, newlines and doubled quotes).
 * One pass: a column is what its first cell is, numbers or strings; a later cell that does not fit
 * is the error, with its place. Blank lines are skipped, \r\n and a BOM accepted.
 */
#include "builtin.h"
#include "files.h"
#include "format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum { UNDECIDED, NUMBERS, STRINGS, FORCED } column_kind;

typedef struct column {
    gr_string *name; /* owned; NULL without header */
    column_kind kind;
    double *numbers;
    size_t room;
    gr_value strings; /* tuple */
} column;

typedef struct cell {
    const char *bytes;
    size_t length, at; /* at: offset in the file */
    bool quoted;
} cell;

typedef struct reader {
    gr_vm *vm;
    const gr_call *call;
    const gr_csv_options *options;
    const char *name, *text, *p, *end;
    column *columns;
    cell *row;
    size_t count, column_room, row_room; /* columns; cells that `row` has room for */
    size_t rows;
    gr_buffer unquoted; /* cells with doubled quotes, of the present row */
} reader;

/* ---- errors ----------------------------------------------------------------------------------- */

static bool raise_at(reader *r, size_t at, const char *what) {
    size_t line = 1, start = 0, place = 1;
    for (size_t i = 0; i < at; i++)
        if (r->text[i] == '\n') line++, start = i + 1;
    for (size_t i = start; i < at; i++) place += ((unsigned char)r->text[i] & 0xc0) != 0x80;
    gr_raise_argument(r->vm, r->call, 0, GR_E_bad_csv, "%s:%zu:%zu: %s", r->name, line, place, what);
    return false;
}

static void put_cell_text(gr_buffer *out, const cell *c) {
    size_t n = c->length;
    if (n > 30)
        for (n = 30; n > 0 && ((unsigned char)c->bytes[n] & 0xc0) == 0x80;) n--;
    gr_buffer_puts(out, "`");
    gr_buffer_put(out, c->bytes, n);
    gr_buffer_puts(out, n < c->length ? "…`" : "`");
}

static bool raise_cell(reader *r, size_t k, const char *what, const char *hint) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(r->vm));
    put_cell_text(&text, &r->row[k]);
    if (k < r->count && r->columns[k].name)
        gr_buffer_printf(&text, " in column `%.*s`", (int)r->columns[k].name->length,
                         r->columns[k].name->bytes);
    gr_buffer_printf(&text, " %s", what);
    raise_at(r, r->row[k].at, text.text ? text.text : "");
    gr_buffer_free(&text);
    gr_report *report = gr_vm_report(r->vm);
    if (hint && report->last) gr_diag_help(report->last, "%s", hint);
    return false;
}

/* ---- cells and rows --------------------------------------------------------------------------- */

static bool grow(reader *r, void *array, size_t *room, size_t item, size_t need) {
    void **p = array;
    if (need <= *room) return true;
    size_t more = *room ? 2 * *room : 64;
    while (more < need) more *= 2;
    void *bigger = *p ? ad_mem_resize(gr_ctx(r->vm), *p, *room * item, more * item)
                      : ad_mem_get(gr_ctx(r->vm), more * item);
    if (!bigger) {
        gr_raise_memory(r->vm);
        return false;
    }
    *p = bigger;
    *room = more;
    return true;
}

/* Behind the opening quote. Cells with doubled quotes are copied; offsets into `unquoted` become
 * pointers when the row is complete. */
static bool read_quoted(reader *r, cell *c) {
    c->quoted = true;
    c->bytes = r->p;
    size_t copied = r->unquoted.size;
    bool doubled = false;
    for (;;) {
        const char *q = memchr(r->p, '"', (size_t)(r->end - r->p));
        if (!q) return raise_at(r, c->at, "a field in quotes does not end");
        bool more = q + 1 < r->end && q[1] == '"';
        if (more || doubled) gr_buffer_put(&r->unquoted, r->p, (size_t)(q - r->p) + more);
        doubled |= more;
        r->p = q + 1 + more;
        if (more) continue;
        c->length = doubled ? r->unquoted.size - copied : (size_t)(q - c->bytes);
        if (doubled) c->bytes = NULL;
        return true;
    }
}

static bool read_cell(reader *r, cell *c) {
    *c = (cell){.at = (size_t)(r->p - r->text)};
    char separator = r->options->separator;
    if (r->p < r->end && *r->p == '"') {
        r->p++;
        if (!read_quoted(r, c)) return false;
        if (r->p == r->end || *r->p == separator || *r->p == '\n' || *r->p == '\r') return true;
        return raise_at(r, (size_t)(r->p - r->text), "something follows the quotes of a field");
    }
    c->bytes = r->p;
    while (r->p < r->end && *r->p != separator && *r->p != '\n' && *r->p != '\r') r->p++;
    c->length = (size_t)(r->p - c->bytes);
    return true;
}

static void skip_blank_lines(reader *r) {
    while (r->p < r->end && (*r->p == '\n' || *r->p == '\r')) r->p++;
}

/* Points the copied cells at their copies. */
static void settle_copies(reader *r, size_t n) {
    size_t at = 0;
    for (size_t k = 0; k < n; k++) {
        if (r->row[k].bytes) continue;
        r->row[k].bytes = r->unquoted.text + at;
        at += r->row[k].length;
    }
}

/* Number of cells of the next row; 0 at the end, -1 raised. */
static int64_t read_row(reader *r) {
    size_t n = 0;
    skip_blank_lines(r);
    if (r->p == r->end) return 0;
    gr_buffer_clear(&r->unquoted);
    for (;;) {
        if (!grow(r, &r->row, &r->row_room, sizeof *r->row, n + 1)) return -1;
        if (!read_cell(r, &r->row[n++])) return -1;
        if (r->p == r->end || *r->p != r->options->separator) break;
        r->p++;
    }
    if (r->p < r->end && *r->p == '\r') r->p++;
    if (r->p < r->end && *r->p == '\n') r->p++;
    settle_copies(r, n);
    return (int64_t)n;
}

static bool is_missing(const cell *c) {
    return !c->quoted && (c->length == 0 || (c->length == 2 && memcmp(c->bytes, "NA", 2) == 0));
}

static bool is_number(const cell *c, double *x) {
    const char *p = c->bytes, *end = p + c->length;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return end > p && ad_number_parse(p, (size_t)(end - p), x) == (size_t)(end - p);
}

/* ---- columns ---------------------------------------------------------------------------------- */

static bool put_number(reader *r, column *c, double x) {
    if (!grow(r, &c->numbers, &c->room, sizeof *c->numbers, r->rows + 1)) return false;
    c->numbers[r->rows] = x;
    return true;
}

static bool put_string(column *c, gr_vm *vm, gr_value s) {
    if (gr_failed(s)) return false;
    c->strings = gr_tuple_push(vm, gr_take(&c->strings), s);
    return !gr_failed(c->strings);
}

/* A column of which only missing cells were seen turns out to hold strings. */
static bool become_strings(reader *r, column *c) {
    for (size_t i = 0; i < r->rows; i++)
        if (!put_string(c, r->vm, gr_nil())) return false;
    c->kind = STRINGS;
    return true;
}

static bool raise_missing(reader *r, size_t k) {
    const cell *here = &r->row[k];
    const gr_string *name = r->columns[k].name;
    char what[200];
    snprintf(what, sizeof what, "a cell %s%.*s%s is %s", name ? "in column `" : "",
             name ? (int)(name->length > 100 ? 100 : name->length) : 0, name ? name->bytes : "",
             name ? "`" : "", here->length ? "NA" : "empty");
    raise_at(r, here->at, what);
    gr_report *report = gr_vm_report(r->vm);
    if (report->last)
        gr_diag_help(report->last, "`missing = nan` puts nan in its place, `missing = \"drop\"` leaves "
                                   "such rows out");
    return false;
}

static bool put_missing(reader *r, size_t k) {
    column *c = &r->columns[k];
    if (r->options->missing == GR_MISSING_ERROR) return raise_missing(r, k);
    return c->kind == STRINGS ? put_string(c, r->vm, gr_nil()) : put_number(r, c, NAN);
}

static bool put_cell(reader *r, size_t k) {
    column *c = &r->columns[k];
    const cell *here = &r->row[k];
    double x;
    if (c->kind != FORCED) {
        if (is_missing(here)) return put_missing(r, k);
        bool number = is_number(here, &x);
        if (c->kind == UNDECIDED && number) c->kind = NUMBERS;
        if (c->kind == UNDECIDED && !r->options->header)
            return raise_cell(r, k, "is not a number", "without header all cells are numbers");
        if (c->kind == UNDECIDED && !become_strings(r, c)) return false;
        if (c->kind == NUMBERS && !number)
            return raise_cell(r, k, "is text, but the cells above it are numbers",
                              "`text = (\"name\",)` takes a column as strings");
        if (c->kind == STRINGS && number)
            return raise_cell(r, k, "is a number, but the cells above it are text",
                              "`text = (\"name\",)` takes a column as strings");
        if (number) return put_number(r, c, x);
    }
    return put_string(c, r->vm, gr_string_new(r->vm, here->bytes, here->length));
}

static bool row_is_dropped(const reader *r) {
    if (r->options->missing != GR_MISSING_DROP) return false;
    for (size_t k = 0; k < r->count; k++)
        if (r->columns[k].kind != FORCED && is_missing(&r->row[k])) return true;
    return false;
}

static bool put_row(reader *r, int64_t cells) {
    if ((size_t)cells != r->count) {
        char what[120];
        snprintf(what, sizeof what, "this row has %lld cells, the first one %zu", (long long)cells,
                 r->count);
        return raise_at(r, r->row[0].at, what);
    }
    if ((r->rows & 1023) == 1023 && !gr_go_on(r->vm)) return false;
    if (row_is_dropped(r)) return true;
    for (size_t k = 0; k < r->count; k++)
        if (!put_cell(r, k)) return false;
    r->rows++;
    return true;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static bool is_forced(reader *r, const gr_string *name) {
    gr_value list = r->options->text;
    if (list.kind == GR_STRING) return gr_string_equal(gr_as_string(list), (gr_string *)name);
    for (size_t i = 0; list.kind == GR_TUPLE && i < gr_as_tuple(list)->count; i++) {
        gr_value v = gr_as_tuple(list)->items[i];
        if (v.kind == GR_STRING && gr_string_equal(gr_as_string(v), (gr_string *)name)) return true;
    }
    return false;
}

static bool name_column(reader *r, size_t k) {
    char plain[32];
    const cell *c = &r->row[k];
    int n = snprintf(plain, sizeof plain, "column%zu", k);
    gr_value name = c->length ? gr_string_new(r->vm, c->bytes, c->length)
                              : gr_string_new(r->vm, plain, (size_t)n);
    if (gr_failed(name)) return false;
    r->columns[k].name = gr_as_string(name);
    for (size_t i = 0; i < k; i++)
        if (gr_string_equal(r->columns[i].name, r->columns[k].name))
            return raise_at(r, c->at, "two columns have this name");
    if (is_forced(r, r->columns[k].name)) r->columns[k].kind = FORCED;
    return true;
}

static bool open_columns(reader *r, int64_t cells) {
    if (!grow(r, &r->columns, &r->column_room, sizeof *r->columns, (size_t)cells)) return false;
    r->count = (size_t)cells;
    for (size_t k = 0; k < r->count; k++) r->columns[k] = (column){.strings = gr_nil()};
    for (size_t k = 0; k < r->count; k++) {
        r->columns[k].strings = gr_tuple_new(r->vm, 0);
        if (gr_failed(r->columns[k].strings)) return false;
        if (r->options->header && !name_column(r, k)) return false;
    }
    return true;
}

static bool read_table(reader *r) {
    int64_t cells = read_row(r);
    if (cells < 0) return false;
    if (cells == 0) return raise_at(r, 0, "the file is empty");
    if (!open_columns(r, cells)) return false;
    if (!r->options->header && !put_row(r, cells)) return false;
    while ((cells = read_row(r)) > 0)
        if (!put_row(r, cells)) return false;
    return cells == 0;
}

static bool columns_record(reader *r, gr_value *out) {
    ad_ctx *ctx = gr_ctx(r->vm);
    *out = gr_record_new(r->vm);
    int64_t rows = (int64_t)r->rows;
    for (size_t k = 0; k < r->count && !gr_failed(*out); k++) {
        column *c = &r->columns[k];
        gr_value v = gr_take(&c->strings);
        if (c->kind == NUMBERS || c->kind == UNDECIDED) {
            double none = 0;
            gr_release(r->vm, v);
            ad_tensor *t = ad_tensor_from(ctx, ad_default_dtype(ctx), 1, &rows,
                                          c->numbers ? c->numbers : &none);
            if (!t) return gr_core_failed(r->vm, NULL);
            v = ad_wrap(t);
        }
        if (!gr_record_set(r->vm, out, c->name, v)) return false;
    }
    return !gr_failed(*out);
}

static bool columns_matrix(reader *r, gr_value *out) {
    ad_ctx *ctx = gr_ctx(r->vm);
    int64_t dims[2] = {(int64_t)r->rows, (int64_t)r->count};
    ad_tensor *t = ad_tensor_new(ctx, AD_F64, 2, dims);
    if (!t) return gr_core_failed(r->vm, NULL);
    double *x = t->data;
    for (size_t i = 0; i < r->rows; i++)
        for (size_t k = 0; k < r->count; k++) *x++ = r->columns[k].numbers[i];
    *out = ad_wrap(t);
    if (ad_default_dtype(ctx) == AD_F64) return true;
    ad_tensor *cast = ad_tensor_cast(ctx, t, ad_default_dtype(ctx));
    ad_tensor_release(ctx, t);
    *out = cast ? ad_wrap(cast) : gr_nil();
    return cast || gr_core_failed(r->vm, NULL);
}

static void close_reader(reader *r) {
    ad_ctx *ctx = gr_ctx(r->vm);
    for (size_t k = 0; k < r->count; k++) {
        column *c = &r->columns[k];
        if (c->name) gr_release(r->vm, gr_of_kind(GR_STRING, c->name));
        if (c->numbers) ad_mem_put(ctx, c->numbers, c->room * sizeof *c->numbers);
        gr_release(r->vm, c->strings);
    }
    if (r->columns) ad_mem_put(ctx, r->columns, r->column_room * sizeof *r->columns);
    if (r->row) ad_mem_put(ctx, r->row, r->row_room * sizeof *r->row);
    gr_buffer_free(&r->unquoted);
}

bool gr_csv_parse(gr_vm *vm, const gr_call *call, const char *name, const char *bytes,
                  size_t length, const gr_csv_options *options, gr_value *out) {
    reader r = {.vm = vm, .call = call, .options = options, .name = name, .text = bytes,
                .p = bytes, .end = bytes + length};
    size_t bad;
    gr_buffer_init(&r.unquoted, gr_ctx(vm));
    if (!gr_is_utf8(bytes, length, &bad)) return raise_at(&r, bad, "the text is not UTF-8");
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) r.p += 3;
    *out = gr_nil();
    bool ok = read_table(&r) && (options->header ? columns_record(&r, out) : columns_matrix(&r, out));
    close_reader(&r);
    if (!ok && gr_is_object(*out)) {
        gr_release(vm, *out);
        *out = gr_nil();
    }
    return ok;
}
