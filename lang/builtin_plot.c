/* SPDX-License-Identifier: MIT */
/*
 * plot, and pictures put together: values to series of numbers, options to a gr_plot. Everything that
 * lives until the picture is made lies in one arena. Functions are called with one number at a time, so
 * that those with branches can be drawn; nothing of what they compute is kept.
 */
#include "builtin_plot.h"
#include "files.h"
#include "picture.h"
#include "plot.h"

#include <math.h>
#include <string.h>

/* ---- options ---------------------------------------------------------------------------------- */

/* A copy without control characters, cut to `room` bytes at most. */
static void copy_text(char *to, size_t room, const gr_string *s) {
    size_t n = s->length < room ? s->length : room - 1;
    while (n > 0 && n < s->length && (s->bytes[n] & 0xc0) == 0x80) n--;
    for (size_t i = 0; i < n; i++) to[i] = (unsigned char)s->bytes[i] < ' ' ? ' ' : s->bytes[i];
    to[n] = '\0';
}

bool gr_plot_text(gr_vm *vm, gr_arena *arena, const gr_call *call, uint32_t i, const char **out) {
    gr_string *s;
    *out = NULL;
    if (!gr_given(call, i)) return true;
    if (!gr_want_string(vm, call, i, &s)) return false;
    char *text = gr_arena_alloc(arena, s->length + 1);
    if (!text) return gr_core_failed(vm, call);
    copy_text(text, s->length + 1, s);
    *out = text;
    return true;
}

bool gr_plot_ink(gr_vm *vm, const gr_call *call, uint32_t i, gr_ink *out) {
    *out = gr_vm_screen(vm).ascii ? GR_INK_ASCII : GR_INK_BRAILLE;
    if (!gr_given(call, i)) return true;
    gr_value v = call->args[i];
    if (v.kind == GR_STRING && gr_string_is(v, "braille")) *out = GR_INK_BRAILLE;
    else if (v.kind == GR_STRING && gr_string_is(v, "block")) *out = GR_INK_BLOCK;
    else if (v.kind == GR_STRING && gr_string_is(v, "ascii")) *out = GR_INK_ASCII;
    else {
        gr_raise_argument(vm, call, i, GR_E_wrong_value,
                          "`style` is \"braille\", \"block\" or \"ascii\"");
        return false;
    }
    return true;
}

static bool want_size(gr_vm *vm, const gr_call *call, uint32_t i, int64_t least, int64_t most,
                      unsigned *out) {
    int64_t n;
    if (!gr_given(call, i)) return true;
    if (!gr_want_whole(vm, call, i, &n)) return false;
    if (n < least || n > most) {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "`%s` of `%s` is %lld to %lld; this is %lld",
                          gr_parameter_name(vm, call, i), call->name, (long long)least,
                          (long long)most, (long long)n);
        return false;
    }
    *out = (unsigned)n;
    return true;
}

bool gr_plot_width(gr_vm *vm, const gr_call *call, uint32_t i, unsigned *out) {
    *out = gr_vm_screen(vm).width;
    if (*out < 20) *out = 20;
    return want_size(vm, call, i, 12, 1000, out);
}

bool gr_plot_pair(gr_vm *vm, const gr_call *call, uint32_t i, double *low, double *high) {
    gr_value v = call->args[i];
    const gr_value *items = v.kind == GR_TUPLE ? gr_as_tuple(v)->items : NULL;
    if (v.kind == GR_RANGE) {
        *low = gr_as_range(v)->low, *high = gr_as_range(v)->high;
    } else if (items && gr_as_tuple(v)->count == 2 && items[0].kind <= AD_BOOL &&
               items[1].kind <= AD_BOOL) {
        *low = items[0].num, *high = items[1].num;
    } else {
        return gr_raise_kind(vm, call, i, "two numbers (low, high)");
    }
    if (*low < *high && isfinite(*low) && isfinite(*high)) return true;
    gr_raise_argument(vm, call, i, GR_E_wrong_value, "`%s` of `%s` goes from a lower to a higher number",
                      gr_parameter_name(vm, call, i), call->name);
    return false;
}

bool gr_plot_names(gr_vm *vm, gr_arena *arena, const gr_call *call, uint32_t i, size_t count,
                   char (**out)[64]) {
    *out = NULL;
    if (!gr_given(call, i)) return true;
    gr_value v = call->args[i], *items = &call->args[i];
    size_t n = 1;
    if (v.kind == GR_TUPLE) items = gr_as_tuple(v)->items, n = gr_as_tuple(v)->count;
    if (n != count) {
        gr_raise_argument(vm, call, i, GR_E_wrong_value, "`%s` of `%s` has %zu name%s for %zu",
                          gr_parameter_name(vm, call, i), call->name, n, n == 1 ? "" : "s", count);
        return false;
    }
    *out = gr_arena_alloc(arena, (count + 1) * sizeof **out);
    if (!*out) return gr_core_failed(vm, call);
    for (size_t k = 0; k < n; k++) {
        if (items[k].kind != GR_STRING) return gr_raise_kind(vm, call, i, "a tuple of strings");
        copy_text((*out)[k], sizeof **out, gr_as_string(items[k]));
    }
    return true;
}

bool gr_plot_result(gr_vm *vm, gr_call *call, gr_buffer *text) {
    call->result = gr_picture_new(vm, text);
    gr_buffer_free(text);
    return !gr_failed(call->result);
}

/* ---- series ----------------------------------------------------------------------------------- */

enum { X, Y, TITLE, XLABEL, YLABEL, LABELS, WIDTH, HEIGHT, XLIM, YLIM, XLOG, YLOG, POINTS, STYLE };

typedef struct builder {
    gr_vm *vm;
    gr_call *call;
    gr_arena arena;
    gr_plot plot;
    gr_value x, y;        /* absent, or one or several runs of numbers; functions are in y */
    uint32_t x_at, y_at;  /* which argument each is */
} builder;

static bool out_of_memory(builder *b) { return gr_core_failed(b->vm, b->call); }

/* A value that stands for several series. */
static bool is_several(gr_value v) {
    if (v.kind == GR_RECORD) return true;
    return v.kind == GR_TUPLE && gr_as_tuple(v)->count > 0 &&
           gr_as_tuple(v)->items[0].kind > AD_BOOL;
}

static bool is_columns(gr_value v) { return v.kind == AD_TENSOR && v.tensor->rank == 2; }

static size_t series_count(gr_value v) {
    if (v.kind == GR_RECORD) return gr_record_count(v);
    if (is_several(v)) return gr_as_tuple(v)->count;
    return is_columns(v) ? (size_t)v.tensor->dims[1] : 1;
}

static bool has_functions(gr_value v) {
    if (v.kind == GR_FUNCTION) return true;
    if (!is_several(v) || series_count(v) == 0) return false;
    gr_value first = v.kind == GR_RECORD ? gr_record_value(v, 0) : gr_as_tuple(v)->items[0];
    return first.kind == GR_FUNCTION;
}

static bool raise_series(builder *b, uint32_t at) {
    return gr_raise_kind(b->vm, b->call, at,
                         "numbers, a function, or a tuple or record of several of these");
}

static bool read_tuple(builder *b, uint32_t at, const gr_tuple *t, double *out) {
    for (size_t i = 0; i < t->count; i++) {
        gr_value v = t->items[i];
        if (v.kind == AD_TENSOR && v.tensor->size == 1) ad_tensor_read(v.tensor, &out[i]);
        else if (v.kind <= AD_BOOL) out[i] = v.num;
        else {
            gr_raise_argument(b->vm, b->call, at, GR_E_wrong_kind,
                              "`%s` of `plot` is a tuple of numbers, but item %zu is a %s",
                              gr_parameter_name(b->vm, b->call, at), i, gr_kind_name(v));
            return false;
        }
    }
    return true;
}

/* The column of a matrix, or all numbers of anything else. */
static size_t number_count(gr_value v) {
    switch (v.kind) {
    case AD_NUMBER: case AD_BOOL: return 1;
    case AD_TENSOR: return (size_t)(is_columns(v) ? v.tensor->dims[0] : v.tensor->size);
    case GR_TUPLE: return gr_as_tuple(v)->count;
    case GR_RANGE: return (size_t)fmin(gr_range_count(gr_as_range(v)), 1e9);
    default: return SIZE_MAX;
    }
}

static void read_column(const builder *b, const ad_tensor *t, size_t column, double *out) {
    for (int64_t i = 0; i < t->dims[0] && (i % 65536 != 0 || gr_go_on(b->vm)); i++)
        out[i] = ad_tensor_get(t, (int64_t[]){i, (int64_t)column});
}

static bool read_numbers(builder *b, uint32_t at, gr_value v, size_t column, double **out,
                         size_t *count) {
    *count = number_count(v);
    if (*count == SIZE_MAX || (v.kind == AD_TENSOR && v.tensor->rank > 2)) return raise_series(b, at);
    if (!(*out = gr_arena_alloc(&b->arena, (*count + 1) * sizeof **out))) return out_of_memory(b);
    if (v.kind <= AD_BOOL) {
        **out = v.num;
    } else if (is_columns(v)) {
        read_column(b, v.tensor, column < (size_t)v.tensor->dims[1] ? column : 0, *out);
    } else if (v.kind == AD_TENSOR) {
        ad_tensor_read(v.tensor, *out);
    } else if (v.kind == GR_RANGE) {
        const gr_range *r = gr_as_range(v);
        for (size_t i = 0; i < *count; i++) (*out)[i] = r->low + (double)i * r->step;
    } else {
        return read_tuple(b, at, gr_as_tuple(v), *out) && gr_go_on(b->vm);
    }
    return !gr_has_raised(b->vm) && gr_go_on(b->vm);
}

/* The k-th series' part of x or y; `key`: its name in the record that the other one is. */
static gr_value part_of(builder *b, gr_value v, size_t k, gr_string *key) {
    if (v.kind == GR_RECORD) {
        const gr_value *found = key ? gr_record_find(b->vm, v, key) : NULL;
        return found ? *found : gr_record_value(v, (uint32_t)k);
    }
    return is_several(v) ? gr_as_tuple(v)->items[k] : v;
}

static bool positions(builder *b, gr_series *s, size_t k, gr_string *key) {
    size_t n;
    if (gr_is_absent(b->x)) {
        if (!(s->x = gr_arena_alloc(&b->arena, (s->count + 1) * sizeof *s->x))) return out_of_memory(b);
        for (size_t i = 0; i < s->count; i++) s->x[i] = (double)i;
        return true;
    }
    if (!read_numbers(b, b->x_at, part_of(b, b->x, k, key), k, &s->x, &n)) return false;
    if (n == s->count) return true;
    gr_raise_argument(b->vm, b->call, b->x_at, GR_E_wrong_value,
                      "`plot` got %zu positions for %zu values", n, s->count);
    return false;
}

/* ---- functions -------------------------------------------------------------------------------- */

static bool domain(builder *b, double *low, double *high, double *step) {
    *low = -5, *high = 5, *step = 0;
    if (gr_is_absent(b->x)) return true;
    if (!gr_plot_pair(b->vm, b->call, b->x_at, low, high)) return false;
    if (b->x.kind == GR_RANGE && gr_as_range(b->x)->step != 1) *step = gr_as_range(b->x)->step;
    if (!b->plot.x.log || *low > 0) return true;
    gr_raise_argument(b->vm, b->call, b->x_at, GR_E_wrong_value, "a log axis begins above 0");
    return false;
}

static bool call_at(builder *b, gr_value f, double x, double *y) {
    gr_value argument = ad_number(x), result;
    if (!gr_call_function(b->vm, f, 1, &argument, &result)) return false;
    bool fits = result.kind <= AD_BOOL || (result.kind == AD_TENSOR && result.tensor->size == 1);
    if (result.kind <= AD_BOOL) *y = result.num;
    else if (fits) ad_tensor_read(result.tensor, y);
    else
        gr_raise_argument(b->vm, b->call, b->y_at, GR_E_wrong_kind,
                          "the function that is drawn gives a %s for the number %g, not a number",
                          gr_kind_name(result), x);
    gr_release(b->vm, result);
    return fits && gr_safe_point(b->vm);
}

static bool sample(builder *b, gr_series *s, gr_value f) {
    enum { MOST = 100000 };
    double low, high, step;
    if (!domain(b, &low, &high, &step)) return false;
    double n = step > 0 ? floor((high - low) / step + 1e-9) + 1 : 2.0 * b->plot.width;
    s->count = (size_t)fmin(n, MOST);
    s->x = gr_arena_alloc(&b->arena, s->count * sizeof *s->x);
    s->y = gr_arena_alloc(&b->arena, s->count * sizeof *s->y);
    if (!s->x || !s->y) return out_of_memory(b);
    for (size_t i = 0; i < s->count; i++) {
        double share = s->count > 1 ? (double)i / (double)(s->count - 1) : 0;
        double x = step > 0 ? low + (double)i * step : low + share * (high - low);
        if (b->plot.x.log && step <= 0) x = low * pow(high / low, share);
        s->x[i] = i + 1 == s->count && step <= 0 ? high : x;
        if (!call_at(b, f, s->x[i], &s->y[i])) return false;
    }
    return true;
}

/* ---- plot ------------------------------------------------------------------------------------- */

/* What a legend may call it without being told. */
static void name_series(gr_series *s, gr_value part, gr_string *key) {
    if (key) copy_text(s->label, sizeof s->label, key);
    else if (part.kind == GR_FUNCTION && strcmp(gr_function_name(part), "fn") != 0)
        strncat(s->label, gr_function_name(part), sizeof s->label - 1);
}

static bool make_series(builder *b, size_t k) {
    gr_series *s = &b->plot.series[k];
    gr_string *key = b->y.kind == GR_RECORD ? gr_record_key(b->y, (uint32_t)k) : NULL;
    gr_value part = part_of(b, b->y, k, NULL);
    name_series(s, part, key);
    if (part.kind == GR_FUNCTION) return sample(b, s, part);
    return read_numbers(b, b->y_at, part, k, &s->y, &s->count) && positions(b, s, k, key);
}

static bool make_all(builder *b) {
    char(*labels)[64];
    size_t n = series_count(b->y);
    b->plot.count = n;
    if (!(b->plot.series = gr_arena_alloc(&b->arena, (n + 1) * sizeof *b->plot.series)))
        return out_of_memory(b);
    if (!gr_plot_names(b->vm, &b->arena, b->call, LABELS, n, &labels)) return false;
    if (is_several(b->x) && series_count(b->x) != n) {
        gr_raise_argument(b->vm, b->call, b->x_at, GR_E_wrong_value,
                          "`plot` got positions for %zu series and values for %zu",
                          series_count(b->x), n);
        return false;
    }
    for (size_t k = 0; k < n; k++) {
        if (!make_series(b, k)) return false;
        if (labels) memcpy(b->plot.series[k].label, labels[k], sizeof labels[k]);
    }
    return true;
}

static bool limits(builder *b, uint32_t i, gr_axis *a) {
    if (!gr_given(b->call, i)) return true;
    if (!gr_plot_pair(b->vm, b->call, i, &a->low, &a->high)) return false;
    a->fixed = true;
    if (!a->log) return true;
    if (a->low > 0) {
        a->low = log10(a->low), a->high = log10(a->high);
        return true;
    }
    gr_raise_argument(b->vm, b->call, i, GR_E_wrong_value, "a log axis begins above 0");
    return false;
}

static bool flag(builder *b, uint32_t i, bool *out) {
    return !gr_given(b->call, i) || gr_want_flag(b->vm, b->call, i, out);
}

static bool options(builder *b) {
    gr_plot *p = &b->plot;
    gr_vm *vm = b->vm;
    gr_call *call = b->call;
    if (!gr_plot_text(vm, &b->arena, call, TITLE, &p->title)) return false;
    if (!gr_plot_text(vm, &b->arena, call, XLABEL, &p->x_label)) return false;
    if (!gr_plot_text(vm, &b->arena, call, YLABEL, &p->y_label)) return false;
    if (!gr_plot_width(vm, call, WIDTH, &p->width)) return false;
    p->height = 5 + p->width * 3 / 16;
    if (p->height < 8) p->height = 8;
    if (p->height > 20) p->height = 20;
    if (!want_size(vm, call, HEIGHT, 1, 500, &p->height)) return false;
    if (!flag(b, XLOG, &p->x.log) || !flag(b, YLOG, &p->y.log)) return false;
    if (!limits(b, XLIM, &p->x) || !limits(b, YLIM, &p->y)) return false;
    return flag(b, POINTS, &p->points) && gr_plot_ink(vm, call, STYLE, &p->ink);
}

/* plot(y), plot(x, y), plot(f), plot(f, a..b) */
static void tell_apart(builder *b) {
    bool two = gr_given(b->call, Y), functions = has_functions(b->call->args[X]);
    b->x_at = two && !functions ? X : Y;
    b->y_at = two && !functions ? Y : X;
    b->y = b->call->args[b->y_at];
    b->x = two ? b->call->args[b->x_at] : gr_absent();
}

static bool gr_b_plot(gr_vm *vm, gr_call *call) {
    builder b = {.vm = vm, .call = call};
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    gr_arena_init(&b.arena, gr_ctx(vm));
    b.plot.ctx = gr_ctx(vm);
    tell_apart(&b);
    b.plot.x.whole = gr_is_absent(b.x) && !has_functions(b.y);
    bool ok = options(&b) && make_all(&b);
    if (ok) gr_plot_draw(&b.plot, &text);
    gr_arena_free(&b.arena);
    if (ok) return gr_plot_result(vm, call, &text);
    gr_buffer_free(&text);
    return false;
}

/* ---- putting together ------------------------------------------------------------------------- */

static bool want_pictures(gr_vm *vm, gr_call *call) {
    for (uint32_t k = 0; k < call->rest_count; k++)
        if (call->rest[k].kind != GR_PICTURE)
            return gr_raise_kind(vm, call, call->count + k, "a picture, as `plot` gives it");
    return true;
}

static bool gr_b_beside(gr_vm *vm, gr_call *call) {
    unsigned gap = 3;
    if (!want_pictures(vm, call) || !want_size(vm, call, 0, 0, 100, &gap)) return false;
    call->result = gr_picture_beside(vm, call->rest_count, call->rest, gap);
    return !gr_failed(call->result);
}

static bool gr_b_above(gr_vm *vm, gr_call *call) {
    if (!want_pictures(vm, call)) return false;
    call->result = gr_picture_above(vm, call->rest_count, call->rest);
    return !gr_failed(call->result);
}

/* ---- files ------------------------------------------------------------------------------------ */

static bool ends_in(const char *path, const char *extension) {
    size_t n = strlen(path), m = strlen(extension);
    return n > m && strcmp(path + n - m, extension) == 0;
}

static bool write_picture(gr_vm *vm, gr_call *call, const gr_picture *p, const char *path) {
    gr_buffer text;
    bool svg = ends_in(path, ".svg");
    if (!svg && !ends_in(path, ".txt")) {
        gr_diagnostic *d = gr_raise_argument(vm, call, 1, GR_E_unreadable_file,
                                             "`save_plot` does not know files like `%s`", path);
        gr_diag_help(d, "the end of the name tells the form: .svg is a drawing, .txt what is printed");
        return false;
    }
    gr_buffer_init(&text, gr_ctx(vm));
    if (svg) gr_picture_svg(&text, p);
    else gr_picture_put(&text, p, false), gr_buffer_puts(&text, "\n");
    bool made = !text.failed, ok = made && gr_write_file(gr_ctx(vm), path, text.text, text.size);
    gr_buffer_free(&text);
    if (!made) gr_raise_memory(vm);
    else if (!ok) gr_raise_file(vm, call, 1, "write", path);
    return ok;
}

static bool gr_b_save_plot(gr_vm *vm, gr_call *call) {
    char *path;
    size_t bytes;
    if (call->args[0].kind != GR_PICTURE)
        return gr_raise_kind(vm, call, 0, "a picture, as `plot` gives it");
    if (!gr_want_path(vm, call, 1, &path, &bytes)) return false;
    bool ok = write_picture(vm, call, gr_as_picture(call->args[0]), path);
    ad_mem_put(gr_ctx(vm), path, bytes);
    return ok;
}

const gr_builtin gr_builtins_plot[] = {
    GR_BUILTIN(plot,
               "x, y = nil, *, title = nil, xlabel = nil, ylabel = nil, labels = nil, width = nil, "
               "height = nil, xlim = nil, ylim = nil, xlog = false, ylog = false, points = false, "
               "style = nil",
               "a picture of curves: plot(y), plot(x, y), plot(f, a..b). A tuple or record of several, "
               "or a matrix by its columns, makes one curve each, with the names of the record or "
               "`labels` as a legend. `points` draws no lines between them; `style` is \"braille\", "
               "\"block\" or \"ascii\". The picture shows itself where it is printed"),
    GR_BUILTIN(save_plot, "p, path",
               "writes a picture into a file: a drawing (.svg), or the text that is printed (.txt)"),
    GR_BUILTIN(beside, "...pictures, gap = 3", "pictures in a row, as one picture"),
    GR_BUILTIN(above, "...pictures", "pictures one below the other, as one picture"),
    GR_BUILTINS_END};
