/* SPDX-License-Identifier: MIT */
/*
 * The variables of the top level, set aside and put back (top.h). A row of the copy holds a reference
 * to the value; the ids of a param belong to the variable and to each copy at once, so gr_params_drop
 * asks the list of what is set aside, and who lets go of a copy drops the ids that nobody else has.
 * Names of the library are left alone: binding one is no change that anybody could see.
 */
#include "top.h"

#include "format.h"
#include "heap_private.h"
#include "library.h"
#include "reach.h"
#include "structure.h"

#include <string.h>
#include <time.h>

static void put_lists(gr_vm *vm, gr_top *top) {
    if (top->rows) ad_mem_put(vm->ctx, top->rows, (top->count + 1) * sizeof *top->rows);
    if (top->cells) ad_mem_put(vm->ctx, top->cells, (top->cell_count + 1) * sizeof *top->cells);
    if (top->imports) ad_mem_put(vm->ctx, top->imports, (top->import_count + 1) * sizeof *top->imports);
    *top = (gr_top){0};
}

static bool make_lists(gr_vm *vm, gr_top *top) {
    top->rows = ad_mem_get(vm->ctx, (top->count + 1) * sizeof *top->rows);
    top->cells = ad_mem_get(vm->ctx, (top->cell_count + 1) * sizeof *top->cells);
    top->imports = ad_mem_get(vm->ctx, (top->import_count + 1) * sizeof *top->imports);
    return top->rows && top->cells && top->imports;
}

static void save_cells(gr_vm *vm, gr_top *top) {
    uint32_t i = 0;
    for (gr_cell *cell = vm->cells; cell; cell = cell->next) {
        gr_retain(vm, gr_of_kind(GR_CELL, cell));
        top->cells[i++] = (gr_top_cell){cell, gr_retain(vm, cell->value), cell->changed};
    }
}

bool gr_top_save(gr_vm *vm, gr_top *top) {
    const gr_library *l = vm->library;
    *top = (gr_top){.random = ad_random_get(vm->ctx), .count = vm->global_count,
                    .cell_count = vm->cell_count, .import_count = l->import_count};
    if (!make_lists(vm, top)) {
        put_lists(vm, top);
        return false;
    }
    for (uint32_t i = 0; i < top->count; i++) {
        top->rows[i] = vm->globals[i];
        gr_retain(vm, top->rows[i].value);
    }
    save_cells(vm, top);
    for (uint32_t i = 0; i < top->import_count; i++)
        top->imports[i] = gr_retain(vm, l->imports[i].value);
    top->other = vm->kept;
    vm->kept = top;
    return true;
}

bool gr_top_holds(const gr_top *first, const uint32_t *ids) {
    for (const gr_top *top = first; top; top = top->other)
        for (uint32_t i = 0; i < top->count; i++)
            if (top->rows[i].params == ids) return true;
    return false;
}

static void unlink_top(gr_vm *vm, gr_top *top) {
    gr_top **at = &vm->kept;
    while (*at != top) at = &(*at)->other;
    *at = top->other;
}

static void forget(gr_vm *vm, gr_global *g) {
    gr_params_drop(vm, g->params, g->param_count);
    gr_replace(vm, &g->value, gr_absent());
    *g = (gr_global){.value = gr_absent(), .name = g->name, .module = g->module};
}

/* ---- putting back ----------------------------------------------------------------------------- */

typedef struct versions {
    const uint32_t *ids;
    uint32_t count, at, src;
} versions;

/* What was reclaimed down to its value gets a leaf of its own. */
static bool renew_version(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                          gr_value *out) {
    versions *v = user;
    uint32_t id = v->at < v->count ? v->ids[v->at++] : 0;
    (void)path;
    (void)n;
    if (ad_leaf_again(vm->ctx, in[0], id)) {
        *out = gr_retain(vm, in[0]);
        return true;
    }
    gr_value plain = ad_stop(vm->ctx, in[0]);
    bool ok = ad_leaf(vm->ctx, plain, id, v->src, out) == AD_OK;
    gr_release(vm, plain);
    return ok;
}

/* The leaves of a param become its present version again. Gives the value, taken; as it is where memory
 * is out. */
static gr_value renew_versions(gr_vm *vm, gr_value value, const uint32_t *ids, uint32_t count,
                               uint32_t src) {
    versions v = {.ids = ids, .count = count, .src = src};
    gr_value out;
    if (!ids) return value;
    bool ok = gr_is_structure(value) ? gr_structure_map(vm, 1, &value, renew_version, &v, &out)
                                     : renew_version(vm, &v, NULL, 1, &value, &out);
    if (!ok) return value;
    gr_release(vm, value);
    return out;
}

static bool is_same(gr_value a, gr_value b) { return a.head == b.head && a.ptr == b.ptr; }

static void put_back(gr_vm *vm, gr_global *g, const gr_global *before) {
    gr_value now = gr_take(&g->value), v = before->value;
    if (g->params != before->params) gr_params_drop(vm, g->params, g->param_count);
    *g = *before;
    if (!is_same(now, v)) g->value = renew_versions(vm, v, g->params, g->param_count, g->changed);
    gr_release(vm, now);
}

static void restore_globals(gr_vm *vm, const gr_top *top) {
    for (uint32_t i = 0; i < vm->global_count; i++) {
        gr_global *g = &vm->globals[i];
        if (!gr_is_own_global(g)) {
            if (i < top->count) gr_release(vm, top->rows[i].value);
        } else if (i < top->count) {
            put_back(vm, g, &top->rows[i]);
        } else if (g->module == vm->library->main) {
            forget(vm, g);
        }
    }
}

static void restore_cells(gr_vm *vm, const gr_top *top) {
    for (uint32_t i = 0; i < top->cell_count; i++) {
        const gr_top_cell *before = &top->cells[i];
        gr_cell *cell = before->cell;
        cell->changed = before->changed;
        gr_value v = before->value;
        if (!is_same(cell->value, v))
            v = renew_versions(vm, v, cell->params, cell->param_count, cell->changed);
        gr_replace(vm, &cell->value, v);
        gr_release(vm, gr_of_kind(GR_CELL, cell));
    }
}

/* A module that was imported since is run again when it is imported next. */
static void restore_imports(gr_vm *vm, const gr_top *top) {
    gr_library *l = vm->library;
    for (uint32_t i = 0; i < l->import_count; i++)
        gr_replace(vm, &l->imports[i].value, i < top->import_count ? top->imports[i] : gr_absent());
}

void gr_top_restore(gr_vm *vm, gr_top *top) {
    unlink_top(vm, top);
    restore_globals(vm, top);
    restore_cells(vm, top);
    restore_imports(vm, top);
    ad_random_set(vm->ctx, top->random);
    put_lists(vm, top);
}

void gr_top_keep(gr_vm *vm, gr_top *top) {
    unlink_top(vm, top);
    for (uint32_t i = 0; i < top->count; i++) {
        const gr_global *now = &vm->globals[i];
        gr_global *before = &top->rows[i];
        if (now->params != before->params) gr_params_drop(vm, before->params, before->param_count);
        gr_release(vm, before->value);
    }
    for (uint32_t i = 0; i < top->cell_count; i++) {
        gr_release(vm, top->cells[i].value);
        gr_release(vm, gr_of_kind(GR_CELL, top->cells[i].cell));
    }
    for (uint32_t i = 0; i < top->import_count; i++) gr_release(vm, top->imports[i]);
    put_lists(vm, top);
}

/* ---- forgetting ------------------------------------------------------------------------------- */

void gr_forget_imports(gr_vm *vm) {
    gr_library *l = vm->library;
    for (uint32_t i = 0; i < l->import_count; i++)
        gr_replace(vm, &l->imports[i].value, gr_absent());
}

/* As it was run; a file that cannot be read any more is another one. */
static bool is_stale(gr_vm *vm, const gr_source *ran) {
    gr_source *now = NULL;
    if (gr_source_read(vm->ctx, ran->name, &now) != GR_SOURCE_OK) return true;
    bool same = now->size == ran->size && memcmp(now->text, ran->text, now->size) == 0;
    gr_source_free(now);
    return !same;
}

uint32_t gr_stale_imports(gr_vm *vm, void (*each)(void *user, const char *path), void *user) {
    const gr_library *l = vm->library;
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->import_count; i++) {
        const gr_source *ran = l->imports[i].source;
        if (!ran || !is_stale(vm, ran)) continue;
        count++;
        each(user, ran->name);
    }
    return count;
}

static const gr_source *module_of(gr_vm *vm, gr_value v) {
    const gr_library *l = vm->library;
    for (uint32_t i = 0; v.kind == GR_RECORD && i < l->import_count; i++) {
        gr_value module = l->imports[i].value;
        if (module.kind == GR_RECORD && gr_as_record(module) == gr_as_record(v)) return l->imports[i].source;
    }
    return NULL;
}

void gr_put_imports(gr_vm *vm, gr_buffer *out) {
    const gr_module *m = vm->library->main;
    for (uint32_t i = 0; i < m->count; i++) {
        const gr_global *g = &vm->globals[m->order[i]];
        const gr_source *ran = g->flags & GR_GLOBAL_LIBRARY ? NULL : module_of(vm, g->value);
        if (!ran || strcmp(g->name->text, "ans") == 0) continue;
        gr_buffer_puts(out, "import ");
        gr_format_quoted(out, ran->name, strlen(ran->name));
        gr_buffer_printf(out, " as %s\n", g->name->text);
    }
}

void gr_top_reset(gr_vm *vm) {
    const gr_module *m = vm->library->main;
    for (uint32_t i = 0; i < m->count; i++) {
        gr_global *g = &vm->globals[m->order[i]];
        if (!(g->flags & GR_GLOBAL_LIBRARY)) forget(vm, g);
    }
    gr_replace(vm, &vm->answer, gr_nil());
    vm->has_answer = false;
    gr_forget_imports(vm);
    for (uint32_t i = 0; i < vm->library->import_count; i++) vm->library->imports[i].source = NULL;
    ad_collect(vm->ctx, true);
}

/* ---- cost ------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In rounds of twice as many runs, so that the clock is looked at seldom; the last round counts. */
static void repeat(gr_vm *vm, gr_proto *p, double patience, gr_cost *cost) {
    gr_value ignored;
    double begun = now();
    bool ok = true;
    for (uint32_t runs = 1; ok && now() - begun < patience; runs *= 2) {
        double from = now();
        for (uint32_t i = 0; ok && i < runs; i++) {
            ok = gr_run_proto(vm, p, &ignored);
            if (ok) gr_release(vm, ignored);
        }
        if (!ok) break;
        cost->seconds = (now() - from) / runs;
        cost->runs = runs;
    }
}

static void repeat_unseen(gr_vm *vm, gr_proto *p, double patience, gr_cost *cost) {
    gr_top top;
    void (*write)(void *, int, const char *, size_t) = vm->write;
    gr_value answer = gr_retain(vm, vm->answer);
    if (gr_top_save(vm, &top)) {
        vm->write = NULL;
        repeat(vm, p, patience, cost);
        vm->write = write;
        /* what stops a repetition is no failure: the first run went well */
        gr_report_clear(&vm->report);
        vm->raised = vm->interrupted = vm->exiting = false;
        gr_top_restore(vm, &top);
    }
    gr_replace(vm, &vm->answer, answer);
}

gr_status gr_run_cost(gr_vm *vm, const char *name, const char *text, size_t size, double patience,
                      gr_cost *out) {
    *out = (gr_cost){.runs = 1};
    gr_proto *p = gr_prepare(vm, name, text, size);
    if (!p) return GR_FAILED;
    size_t before = ad_mem_statistics(vm->ctx).in_use, peak = ad_mem_watch(vm->ctx, 0);
    uint64_t recorded = ad_tape_statistics(vm->ctx).recorded;
    double from = now();
    gr_status status = gr_run_prepared(vm, p, GR_RUN_ANSWER);
    out->seconds = now() - from;
    out->entries = ad_tape_statistics(vm->ctx).recorded - recorded;
    out->bytes = ad_mem_watch(vm->ctx, peak) - before;
    if (status == GR_OK && vm->has_answer && out->seconds < patience / 2)
        repeat_unseen(vm, p, patience, out);
    gr_keep_top(vm, p);
    return status;
}
