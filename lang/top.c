/* SPDX-License-Identifier: MIT */
/*
 * The variables of the top level, set aside and put back (top.h). A row of the copy holds a reference
 * to the value; the ids of a param belong to the variable and to the copy at once, so while a state
 * is set aside vm->kept keeps gr_params_drop from dropping them, and who settles it drops those that
 * lost. Names of the library are left alone: binding one is no change that anybody could see.
 */
#include "top.h"

#include "format.h"
#include "heap_private.h"
#include "library.h"

#include <string.h>
#include <time.h>

bool gr_top_save(gr_vm *vm, gr_top *top) {
    const gr_module *m = vm->library->main;
    *top = (gr_top){.random = ad_random_get(vm->ctx), .count = m->count};
    top->rows = ad_mem_get(vm->ctx, (m->count + 1) * sizeof *top->rows);
    if (!top->rows) return false;
    for (uint32_t i = 0; i < m->count; i++) {
        top->rows[i] = vm->globals[m->order[i]];
        gr_retain(vm, top->rows[i].value);
    }
    vm->kept = top;
    return true;
}

bool gr_top_holds(const gr_top *top, const uint32_t *ids) {
    for (uint32_t i = 0; i < top->count; i++)
        if (top->rows[i].params == ids) return true;
    return false;
}

static void forget(gr_vm *vm, gr_global *g) {
    gr_params_drop(vm, g->params, g->param_count);
    gr_replace(vm, &g->value, gr_absent());
    *g = (gr_global){.value = gr_absent(), .name = g->name, .module = g->module};
}

static void put_back(gr_vm *vm, gr_global *g, const gr_global *before) {
    if (g->params != before->params) gr_params_drop(vm, g->params, g->param_count);
    gr_release(vm, gr_take(&g->value));
    *g = *before;
}

void gr_top_restore(gr_vm *vm, gr_top *top) {
    const gr_module *m = vm->library->main;
    vm->kept = NULL;
    for (uint32_t i = 0; i < m->count; i++) {
        gr_global *g = &vm->globals[m->order[i]];
        if (g->flags & GR_GLOBAL_LIBRARY) {
            if (i < top->count) gr_release(vm, top->rows[i].value);
        } else if (i < top->count) {
            put_back(vm, g, &top->rows[i]);
        } else {
            forget(vm, g);
        }
    }
    ad_random_set(vm->ctx, top->random);
    ad_mem_put(vm->ctx, top->rows, (top->count + 1) * sizeof *top->rows);
}

void gr_top_keep(gr_vm *vm, gr_top *top) {
    const gr_module *m = vm->library->main;
    vm->kept = NULL;
    for (uint32_t i = 0; i < top->count; i++) {
        const gr_global *now = &vm->globals[m->order[i]];
        gr_global *before = &top->rows[i];
        if (now->params != before->params) gr_params_drop(vm, before->params, before->param_count);
        gr_release(vm, before->value);
    }
    ad_mem_put(vm->ctx, top->rows, (top->count + 1) * sizeof *top->rows);
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
