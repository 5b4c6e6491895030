/* SPDX-License-Identifier: MIT */
/*
 * What the prompt shows after an expression: more than print tells, and never more than a screen.
 * A tensor says its shape and dtype; a structure that does not fit becomes a table, one line a leaf.
 */
#include "format.h"
#include "structure.h"

#include <string.h>

/* Most lines of a value and of a table. */
enum { SCREEN = 24, TABLE = 40 };

static size_t count_lines(const gr_buffer *text) {
    size_t lines = 1;
    for (size_t i = 0; i < text->size; i++) lines += text->text[i] == '\n';
    return lines;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

static void put_tensor_head(gr_buffer *out, const ad_tensor *t) {
    char shape[160];
    gr_buffer_printf(out, "tensor %s %s", ad_shape_text(t->rank, t->dims, shape, sizeof shape),
                     ad_dtype_name(t->dtype));
}

static void echo_tensor(gr_buffer *out, const ad_tensor *t, unsigned width) {
    put_tensor_head(out, t);
    gr_buffer_puts(out, "\n");
    gr_format_tensor(out, t, GR_TENSOR_ALIGNED, NULL, 0, width);
}

/* ---- tables of leaves ------------------------------------------------------------------------- */

typedef struct table {
    gr_buffer *out;
    unsigned width;
    size_t paths, kinds; /* widths of the columns */
    int64_t rows;
    bool measuring;
} table;

static void put_kind(gr_buffer *out, gr_value leaf) {
    if (leaf.kind == AD_TENSOR) {
        char shape[160];
        const ad_tensor *t = leaf.tensor;
        gr_buffer_printf(out, "%s %s", ad_shape_text(t->rank, t->dims, shape, sizeof shape),
                         ad_dtype_name(t->dtype));
    } else {
        gr_buffer_puts(out, gr_kind_name(leaf));
    }
}

static size_t put_column(gr_buffer *out, const gr_buffer *text, size_t width) {
    size_t shown = text->size ? gr_text_width(text->text, text->size) : 0;
    if (text->size) gr_buffer_put(out, text->text, text->size);
    if (shown < width) gr_buffer_fill(out, ' ', width - shown);
    return shown;
}

/* The first numbers of a leaf, as many as fit. */
static void put_first(gr_buffer *out, gr_value leaf, size_t room) {
    if (leaf.kind != AD_TENSOR) {
        char text[32];
        size_t n = ad_number_text(leaf.num, text);
        if (leaf.kind == AD_BOOL) gr_buffer_puts(out, leaf.num != 0 ? "true" : "false");
        else gr_buffer_put(out, text, n);
        return;
    }
    const ad_tensor *t = leaf.tensor;
    int64_t index[AD_MAX_RANK] = {0}, shown = 0;
    gr_spec spec = {.width = -1, .precision = 4, .conversion = 'g'};
    size_t before = out->size;
    for (; shown < t->size && shown < t->dims[t->rank - 1]; shown++) {
        if (out->size - before + 14 > room) break;
        index[t->rank - 1] = shown;
        gr_spec_number(out, &spec, ad_tensor_get(t, index), t->dtype == AD_F32);
        gr_buffer_puts(out, " ");
    }
    if (shown < t->size) gr_buffer_puts(out, "…");
}

static bool table_row(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    table *t = user;
    gr_buffer place, kind;
    gr_buffer_init(&place, gr_ctx(vm));
    gr_buffer_init(&kind, gr_ctx(vm));
    gr_path_text(&place, path);
    put_kind(&kind, leaf);
    t->rows++;
    if (t->measuring) {
        size_t w = place.size ? gr_text_width(place.text, place.size) : 0;
        if (w > t->paths) t->paths = w;
        if (kind.size > t->kinds) t->kinds = kind.size;
    } else if (t->rows <= TABLE) {
        gr_buffer_puts(t->out, "\n  ");
        put_column(t->out, &place, t->paths + 3);
        put_column(t->out, &kind, t->kinds + 3);
        size_t used = t->paths + t->kinds + 8;
        put_first(t->out, leaf, t->width > used ? t->width - used : 0);
    }
    gr_buffer_free(&place);
    gr_buffer_free(&kind);
    return true;
}

/* Only numbers and tensors below? Asked without raising. */
static bool is_numeric_tree(gr_value v, int depth) {
    if (!gr_is_structure(v)) return gr_is_numeric(v);
    if (depth >= GR_MAX_SHOWN_DEPTH) return false;
    bool tuple = v.kind == GR_TUPLE;
    size_t count = tuple ? gr_as_tuple(v)->count : gr_record_count(v);
    for (size_t i = 0; i < count; i++)
        if (!is_numeric_tree(tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i),
                             depth + 1))
            return false;
    return true;
}

static void echo_table(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    table t = {.out = out, .width = width, .measuring = true};
    int64_t leaves, numbers;
    gr_structure_each(vm, v, table_row, &t);
    gr_structure_count(vm, v, &leaves, &numbers);
    gr_buffer_printf(out, "%s, %lld leaves, %lld numbers", gr_kind_name(v), (long long)leaves,
                     (long long)numbers);
    t.measuring = false, t.rows = 0;
    gr_structure_each(vm, v, table_row, &t);
    if (t.rows > TABLE) gr_buffer_printf(out, "\n  … %lld more", (long long)t.rows - TABLE);
}

/* ---- everything ------------------------------------------------------------------------------- */

static void echo_structure(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    size_t before = out->size;
    gr_format_value(vm, out, v, NULL);
    gr_buffer written = {.text = out->text + before, .size = out->size - before};
    if (count_lines(&written) <= SCREEN || !is_numeric_tree(v, 0)) return;
    out->size = before;
    echo_table(vm, out, v, width);
}

static void echo_function(gr_vm *vm, gr_buffer *out, gr_value v) {
    gr_function_text(vm, v, out);
    const char *doc = gr_function_doc(vm, v);
    if (!doc || !*doc) return;
    gr_buffer_puts(out, "\n  ");
    gr_buffer_put(out, doc, strcspn(doc, "\n"));
}

void gr_format_echo(gr_vm *vm, gr_buffer *out, gr_value v, unsigned width) {
    if (width == 0) width = GR_LINE_WIDTH;
    switch (v.kind) {
    case AD_TENSOR: echo_tensor(out, v.tensor, width); break;
    case GR_TUPLE:
    case GR_RECORD: echo_structure(vm, out, v, width); break;
    case GR_FUNCTION: echo_function(vm, out, v); break;
    case GR_STRING: gr_format_quoted(out, gr_as_string(v)->bytes, gr_as_string(v)->length); break;
    default: gr_format_print(vm, out, v);
    }
}
