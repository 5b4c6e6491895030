/* SPDX-License-Identifier: MIT */
/* hist and heatmap: numbers of a value to bins, a matrix to shades. */
#include "builtin_plot.h"
#include "structure.h"

#include <math.h>
#include <string.h>

/* ---- hist ------------------------------------------------------------------------------------- */

enum { H_X, H_BINS, H_TITLE, H_WIDTH, H_STYLE };

typedef struct collection {
    double *numbers; /* the finite ones; room for all */
    size_t count, nans, infs;
    double low, high;
} collection;

static void collect(collection *c, double x) {
    c->nans += isnan(x) != 0;
    c->infs += isinf(x) != 0;
    if (!isfinite(x)) return;
    c->numbers[c->count++] = x;
    if (x < c->low) c->low = x;
    if (x > c->high) c->high = x;
}

static bool collect_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    collection *c = user;
    (void)path;
    if (leaf.kind != AD_TENSOR) {
        collect(c, leaf.num);
        return true;
    }
    double *numbers = c->numbers + c->count; /* none is put further on than it stands */
    ad_tensor_read(leaf.tensor, numbers);
    for (int64_t i = 0; i < leaf.tensor->size; i++) {
        if (i % 65536 == 0 && !gr_go_on(vm)) return false;
        collect(c, numbers[i]);
    }
    return gr_go_on(vm);
}

static bool collect_all(gr_vm *vm, const gr_call *call, gr_arena *arena, collection *c) {
    gr_value v = call->args[H_X];
    int64_t leaves = 0, numbers = 0;
    if (!gr_is_numeric(v) && !gr_is_structure(v))
        return gr_raise_kind(vm, call, H_X, "numbers: a tensor or a structure");
    if (!gr_structure_count(vm, v, &leaves, &numbers)) return false;
    c->numbers = gr_arena_alloc(arena, ((size_t)numbers + 1) * sizeof *c->numbers);
    if (!c->numbers) return gr_core_failed(vm, call);
    return gr_structure_each(vm, v, collect_leaf, c);
}

/* Edges at round numbers; of a given number of bins, at equal distances from least to largest. */
typedef struct edges {
    double low, unit;
    int m, e;
    bool given;
    size_t bins;
} edges;

static void choose_edges(edges *g, const collection *c, int64_t bins) {
    gr_axis a = {.low = c->low, .high = c->high};
    gr_axis_open(&a);
    double length = (a.high / 2 - a.low / 2) * 2, n = ceil(2 * cbrt((double)c->count)); /* Rice's rule */
    g->given = bins > 0;
    g->low = a.low;
    if (g->given) {
        g->bins = (size_t)bins;
        g->unit = length / (double)bins;
        g->e = (int)floor(log10(g->unit)) - 1;
        return;
    }
    gr_nice_step(length, (int)fmin(fmax(n, 5), 20), &g->m, &g->e);
    g->unit = gr_nice_value(1, g->m, g->e);
    double first = floor(a.low / g->unit + 1e-9), last = ceil(a.high / g->unit - 1e-9);
    g->low = first;
    g->bins = last > first ? (size_t)(last - first) : 1;
}

static void fill_edges(const edges *g, double *out) {
    for (size_t i = 0; i <= g->bins; i++)
        out[i] = g->given ? g->low + (double)i * g->unit
                          : gr_nice_value(g->low + (double)i, g->m, g->e) + 0.0;
}

/* The bin of x, which lies between the first and the last edge, give or take a rounding. */
static size_t bin_of(const double *edge, size_t bins, double x) {
    size_t low = 0, high = bins;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (x < edge[middle]) high = middle;
        else low = middle;
    }
    return low;
}

static bool draw_bars(gr_vm *vm, gr_arena *arena, const collection *c, gr_bars *b, int64_t bins,
                      gr_buffer *out) {
    edges g;
    choose_edges(&g, c, bins);
    double *edge = gr_arena_alloc(arena, (g.bins + 1) * sizeof *edge);
    double *heights = gr_arena_alloc(arena, g.bins * sizeof *heights);
    if (!edge || !heights) {
        gr_raise_memory(vm);
        return false;
    }
    fill_edges(&g, edge);
    for (size_t i = 0; i < c->count; i++) {
        heights[bin_of(edge, g.bins, c->numbers[i])]++;
        if (i % 65536 == 0 && !gr_go_on(vm)) return false;
    }
    b->count = g.bins, b->edges = edge, b->heights = heights, b->edge_digits = g.e;
    gr_bars_draw(b, out);
    if (!c->count) gr_buffer_puts(out, "nothing to count\n");
    if (c->nans || c->infs) gr_buffer_printf(out, "not counted: %zu nan, %zu inf\n", c->nans, c->infs);
    return true;
}

static bool hist(gr_vm *vm, gr_call *call, gr_arena *arena, gr_buffer *out) {
    gr_bars b = {0};
    collection c = {.low = INFINITY, .high = -INFINITY};
    int64_t bins = 0;
    if (gr_given(call, H_BINS) && !gr_want_count(vm, call, H_BINS, 1, &bins)) return false;
    if (bins > 1000) {
        gr_raise_argument(vm, call, H_BINS, GR_E_wrong_value, "`bins` is 1000 at most");
        return false;
    }
    if (!gr_plot_text(vm, arena, call, H_TITLE, &b.title)) return false;
    if (!gr_plot_width(vm, call, H_WIDTH, &b.width)) return false;
    if (!gr_plot_ink(vm, call, H_STYLE, &b.ink)) return false;
    return collect_all(vm, call, arena, &c) && draw_bars(vm, arena, &c, &b, bins, out);
}

/* ---- heatmap ---------------------------------------------------------------------------------- */

enum { M_X, M_TITLE, M_ROWS, M_COLUMNS, M_RANGE, M_WIDTH, M_STYLE };

/* A matrix, perhaps behind axes of 1; a vector is one row. */
static bool matrix_size(gr_vm *vm, gr_call *call, const ad_tensor *t, gr_map *m) {
    m->columns = (size_t)t->dims[t->rank - 1];
    m->rows = t->rank > 1 ? (size_t)t->dims[t->rank - 2] : 1;
    for (int i = 0; i < t->rank - 2; i++)
        if (t->dims[i] != 1) return gr_raise_kind(vm, call, M_X, "a matrix");
    if (t->size > 0) return true;
    gr_raise_argument(vm, call, M_X, GR_E_wrong_value, "`heatmap` has nothing to show: the matrix is "
                                                       "empty");
    return false;
}

static bool find_range(gr_vm *vm, gr_map *m) {
    m->low = INFINITY, m->high = -INFINITY;
    for (size_t i = 0; i < m->rows * m->columns; i++) {
        if (i % 65536 == 65535 && !gr_go_on(vm)) return false;
        if (!isfinite(m->values[i])) continue;
        m->low = fmin(m->low, m->values[i]);
        m->high = fmax(m->high, m->values[i]);
    }
    return true;
}

static bool draw_map(gr_vm *vm, gr_call *call, gr_arena *arena, const ad_tensor *t, gr_buffer *out) {
    gr_map m = {.ctx = gr_ctx(vm)};
    if (!matrix_size(vm, call, t, &m)) return false;
    bool plain = t->dtype == AD_F64 && ad_tensor_is_contiguous(t);
    double *values = plain ? t->data : gr_arena_alloc(arena, (size_t)t->size * sizeof *values);
    if (!values) return gr_core_failed(vm, call);
    if (!plain) ad_tensor_read(t, values);
    m.values = values;
    if (!find_range(vm, &m)) return false;
    if (gr_given(call, M_RANGE) && !gr_plot_pair(vm, call, M_RANGE, &m.low, &m.high)) return false;
    if (!gr_plot_text(vm, arena, call, M_TITLE, &m.title)) return false;
    if (!gr_plot_names(vm, arena, call, M_ROWS, m.rows, &m.row_names)) return false;
    if (!gr_plot_names(vm, arena, call, M_COLUMNS, m.columns, &m.column_names)) return false;
    if (!gr_plot_width(vm, call, M_WIDTH, &m.width)) return false;
    if (!gr_plot_ink(vm, call, M_STYLE, &m.ink)) return false;
    gr_map_draw(&m, out);
    return true;
}

static bool heatmap(gr_vm *vm, gr_call *call, gr_arena *arena, gr_buffer *out) {
    gr_value t = gr_absent();
    if (!gr_to_tensor(vm, call, M_X, call->args[M_X], &t)) return false;
    bool ok = t.kind == AD_TENSOR ? draw_map(vm, call, arena, t.tensor, out)
                                  : gr_raise_kind(vm, call, M_X, "a matrix");
    gr_release(vm, t);
    return ok;
}

/* ---- doors ------------------------------------------------------------------------------------ */

static bool picture(gr_vm *vm, gr_call *call,
                    bool (*draw)(gr_vm *, gr_call *, gr_arena *, gr_buffer *)) {
    gr_arena arena;
    gr_buffer text;
    gr_arena_init(&arena, gr_ctx(vm));
    gr_buffer_init(&text, gr_ctx(vm));
    bool ok = draw(vm, call, &arena, &text);
    gr_arena_free(&arena);
    if (ok) return gr_plot_result(vm, call, &text);
    gr_buffer_free(&text);
    return false;
}

static bool gr_b_hist(gr_vm *vm, gr_call *call) { return picture(vm, call, hist); }
static bool gr_b_heatmap(gr_vm *vm, gr_call *call) { return picture(vm, call, heatmap); }

const gr_builtin gr_builtins_map[] = {
    GR_BUILTIN(hist, "x, bins = nil, *, title = nil, width = nil, style = nil",
               "a picture of how many numbers of a tensor or structure lie where"),
    GR_BUILTIN(heatmap,
               "m, *, title = nil, rows = nil, columns = nil, range = nil, width = nil, style = nil",
               "a picture of a matrix in shades, from the least (or range's low) to the largest; `rows` "
               "and `columns` are tuples of names"),
    GR_BUILTINS_END};
