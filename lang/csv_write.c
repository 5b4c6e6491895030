/* SPDX-License-Identifier: MIT */
/*
 * Tables to text: a record of columns (with a header), a matrix (without), or a tuple of records
 * with the same fields. Numbers in the fewest digits that read back; nil is an empty cell.
 */
#include "builtin.h"
#include "files.h"
#include "format.h"

#include <string.h>

static void put_number(gr_buffer *out, double x, bool single) {
    char text[32];
    size_t n = single ? ad_single_text((float)x, text) : ad_number_text(x, text);
    gr_buffer_put(out, text, n);
}

static void put_string(gr_buffer *out, const gr_string *s) {
    bool plain = s->length > 0 && s->bytes[0] != ' ' && s->bytes[s->length - 1] != ' ';
    for (size_t i = 0; plain && i < s->length; i++) plain = !strchr(",\"\n\r", s->bytes[i]);
    if (plain) {
        gr_buffer_put(out, s->bytes, s->length);
        return;
    }
    gr_buffer_puts(out, "\"");
    for (size_t i = 0; i < s->length; i++) {
        if (s->bytes[i] == '"') gr_buffer_puts(out, "\"");
        gr_buffer_put(out, &s->bytes[i], 1);
    }
    gr_buffer_puts(out, "\"");
}

static bool put_value(gr_vm *vm, const gr_call *call, gr_buffer *out, gr_value v) {
    switch (v.kind) {
    case AD_NUMBER: put_number(out, v.num, false); return true;
    case AD_BOOL: gr_buffer_puts(out, v.num != 0 ? "true" : "false"); return true;
    case GR_STRING: put_string(out, gr_as_string(v)); return true;
    case GR_NIL: return true;
    default:
        gr_raise_argument(vm, call, 0, GR_E_bad_csv, "a cell of a table cannot be a %s",
                          gr_kind_name(v));
        return false;
    }
}

enum { POLLED = 1024 }; /* rows between two looks at the interrupt flag */

static bool put_matrix(gr_vm *vm, const ad_tensor *t, gr_buffer *out) {
    int64_t columns = t->rank == 2 ? t->dims[1] : 1, index[2];
    for (index[0] = 0; index[0] < t->dims[0]; index[0]++) {
        if (index[0] % POLLED == 0 && !gr_go_on(vm)) return false;
        for (index[1] = 0; index[1] < columns; index[1]++) {
            if (index[1]) gr_buffer_puts(out, ",");
            put_number(out, ad_tensor_get(t, index), t->dtype == AD_F32);
        }
        gr_buffer_puts(out, "\n");
    }
    return true;
}

static void put_header(gr_value record, gr_buffer *out) {
    for (uint32_t k = 0; k < gr_record_count(record); k++) {
        if (k) gr_buffer_puts(out, ",");
        put_string(out, gr_record_key(record, k));
    }
    gr_buffer_puts(out, "\n");
}

static int64_t column_length(gr_value v) {
    if (v.kind == AD_TENSOR && v.tensor->rank == 1) return v.tensor->dims[0];
    return v.kind == GR_TUPLE ? (int64_t)gr_as_tuple(v)->count : -1;
}

static bool check_columns(gr_vm *vm, const gr_call *call, gr_value record, int64_t *rows) {
    *rows = gr_record_count(record) ? column_length(gr_record_value(record, 0)) : 0;
    for (uint32_t k = 0; k < gr_record_count(record); k++) {
        gr_value v = gr_record_value(record, k);
        gr_string *key = gr_record_key(record, k);
        int64_t n = column_length(v);
        if (n >= 0 && n == *rows) continue;
        if (n < 0)
            gr_raise_argument(vm, call, 0, GR_E_bad_csv,
                              "the column `%.*s` must be a vector or a tuple; it is a %s",
                              (int)key->length, key->bytes, gr_kind_name(v));
        else
            gr_raise_argument(vm, call, 0, GR_E_bad_csv,
                              "the column `%.*s` has %lld rows, the first column %lld",
                              (int)key->length, key->bytes, (long long)n, (long long)*rows);
        return false;
    }
    return true;
}

static bool put_columns(gr_vm *vm, const gr_call *call, gr_value record, gr_buffer *out) {
    int64_t rows;
    if (!check_columns(vm, call, record, &rows)) return false;
    put_header(record, out);
    for (int64_t i = 0; i < rows; i++) {
        if (i % POLLED == 0 && !gr_go_on(vm)) return false;
        for (uint32_t k = 0; k < gr_record_count(record); k++) {
            gr_value v = gr_record_value(record, k);
            if (k) gr_buffer_puts(out, ",");
            if (v.kind == AD_TENSOR)
                put_number(out, ad_tensor_get(v.tensor, &i), v.tensor->dtype == AD_F32);
            else if (!put_value(vm, call, out, gr_as_tuple(v)->items[i]))
                return false;
        }
        gr_buffer_puts(out, "\n");
    }
    return true;
}

static bool put_records(gr_vm *vm, const gr_call *call, const gr_tuple *t, gr_buffer *out) {
    put_header(t->items[0], out);
    for (size_t i = 0; i < t->count; i++) {
        gr_value r = t->items[i];
        if (i % POLLED == 0 && !gr_go_on(vm)) return false;
        for (uint32_t k = 0; k < gr_record_count(t->items[0]); k++) {
            gr_string *key = gr_record_key(t->items[0], k);
            gr_value *v = r.kind == GR_RECORD ? gr_record_find(vm, r, key) : NULL;
            if (!v || gr_record_count(r) != gr_record_count(t->items[0])) {
                gr_raise_argument(vm, call, 0, GR_E_bad_csv,
                                  "item %zu has not the same fields as item 0", i);
                return false;
            }
            if (k) gr_buffer_puts(out, ",");
            if (!put_value(vm, call, out, *v)) return false;
        }
        gr_buffer_puts(out, "\n");
    }
    return true;
}

bool gr_csv_write(gr_vm *vm, const gr_call *call, gr_value v, gr_buffer *out) {
    if (v.kind == AD_TENSOR && v.tensor->rank <= 2) return put_matrix(vm, v.tensor, out);
    if (v.kind == GR_RECORD) return put_columns(vm, call, v, out);
    if (v.kind == GR_TUPLE && gr_as_tuple(v)->count > 0 &&
        gr_as_tuple(v)->items[0].kind == GR_RECORD)
        return put_records(vm, call, gr_as_tuple(v), out);
    return gr_raise_kind(vm, call, 0, "a record of columns, a matrix or a tuple of records");
}
