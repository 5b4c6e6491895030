/* SPDX-License-Identifier: MIT */
/* Opening and closing an interpreter, running texts in it, and what builtins may ask of its state. */
#include "gradus.h"

#include "compile.h"
#include "heap_private.h"
#include "journal.h"
#include "library.h"
#include "parser.h"
#include "why.h"

#include <errno.h>
#include <string.h>

/* ---- life ------------------------------------------------------------------------------------- */

gr_vm *gr_vm_open(const gr_options *options) {
    gr_vm *vm = ad_mem_get(options->ctx, sizeof *vm);
    if (!vm) return NULL;
    memset(vm, 0, sizeof *vm);
    vm->ctx = options->ctx;
    vm->write = options->write;
    vm->screen = options->screen;
    vm->test = options->test;
    vm->user = options->user;
    vm->warn = options->warn;
    vm->pause = options->pause;
    vm->pausing = options->pause ? options->pausing : NULL;
    vm->nan_mode = options->nan;
    vm->max_calls = GR_MAX_CALLS;
    vm->max_c_depth = options->max_c_depth ? options->max_c_depth : 1500;
    vm->cell_limit = 4096;
    vm->next_src = 1;
    vm->arguments = vm->answer = gr_nil();
    gr_report_init(&vm->report, vm->ctx);
    vm->names = gr_names_new(vm->ctx);
    bool ok = !options->explain || gr_why_open(vm);
    if (ok && vm->names && gr_library_open(vm)) return vm;
    gr_vm_close(vm);
    return NULL;
}

static void free_globals(gr_vm *vm) {
    for (uint32_t i = 0; i < vm->global_count; i++) {
        gr_release(vm, gr_take(&vm->globals[i].value));
        gr_params_drop(vm, vm->globals[i].params, vm->globals[i].param_count);
    }
    if (vm->globals) ad_mem_put(vm->ctx, vm->globals, vm->global_room * sizeof *vm->globals);
}

static void free_stack(gr_vm *vm) {
    gr_segment *s = vm->segment;
    while (s && s->previous) s = s->previous;
    while (s) {
        gr_segment *next = s->next;
        ad_mem_put(vm->ctx, s, sizeof *s + s->room * sizeof(gr_value));
        s = next;
    }
    if (vm->frames) ad_mem_put(vm->ctx, vm->frames, vm->frame_room * sizeof *vm->frames);
    if (vm->active) ad_mem_put(vm->ctx, vm->active, vm->active_room * sizeof *vm->active);
    if (vm->recordings)
        ad_mem_put(vm->ctx, vm->recordings, vm->recording_room * sizeof *vm->recordings);
}

static void free_name_strings(gr_vm *vm) {
    for (uint32_t i = 0; i < vm->name_string_room; i++)
        if (vm->name_strings[i]) gr_release(vm, gr_of_kind(GR_STRING, vm->name_strings[i]));
    if (vm->name_strings)
        ad_mem_put(vm->ctx, vm->name_strings, vm->name_string_room * sizeof *vm->name_strings);
}

void gr_vm_close(gr_vm *vm) {
    if (!vm) return;
    ad_ctx *ctx = vm->ctx;
    gr_release(vm, vm->answer);
    gr_release(vm, vm->arguments);
    gr_library_drop_values(vm);
    free_globals(vm);
    gr_cells_clear(vm);
    ad_collect(ctx, true);
    if (vm->protos) ad_mem_put(ctx, vm->protos, vm->proto_room * sizeof *vm->protos);
    free_stack(vm);
    gr_layouts_free(vm);
    free_name_strings(vm);
    gr_library_close(vm);
    gr_names_free(vm->names);
    gr_report_clear(&vm->report);
    gr_why_close(vm);
    ad_mem_put(ctx, vm, sizeof *vm);
}

/* ---- running ---------------------------------------------------------------------------------- */

static void begin(gr_vm *vm) {
    gr_report_clear(&vm->report);
    vm->raised = vm->interrupted = vm->exiting = vm->has_answer = false;
    vm->told_count = 0;
    gr_why_begin(vm);
    ad_set_recording(vm->ctx, true);
    if (vm->paused) return; /* what is under way there goes on later */
    vm->told_constant = false;
    vm->active_count = vm->active_floor = vm->recording_count = vm->muted = 0;
    vm->interruptible = 0;
    if (vm->pausing) vm->pausing->updating = 0;
    vm->sealed = 0;
}

static gr_status status_of(const gr_vm *vm) {
    if (vm->exiting) return GR_EXITED;
    if (vm->interrupted) return GR_INTERRUPTED;
    return vm->raised || vm->report.error_count ? GR_FAILED : GR_OK;
}

static void bind_answer(gr_vm *vm) {
    const gr_name *name = vm->has_answer ? gr_intern_ascii(vm->names, "ans", 3) : NULL;
    uint32_t slot = name ? gr_global_new(vm, vm->library->main, name) : UINT32_MAX;
    if (slot == UINT32_MAX) return;
    gr_replace(vm, &vm->globals[slot].value, gr_retain(vm, vm->answer));
    vm->globals[slot].flags |= GR_GLOBAL_DEFINED;
}

static unsigned compile_flags(unsigned flags) {
    return (flags & GR_RUN_PROMPT ? GR_COMPILE_PROMPT : 0u) |
           (flags & GR_RUN_ANSWER ? GR_COMPILE_ANSWER : 0u) |
           (flags & GR_RUN_TESTS ? GR_COMPILE_TESTS : 0u);
}

/* What was declared and never came to be defined is no name that anybody knows. */
static void forget_declared(gr_vm *vm) {
    for (const gr_module *m = vm->library->main; m; m = m->outer)
        for (uint32_t i = 0; i < m->count; i++) {
            gr_global *g = &vm->globals[m->order[i]];
            if (!(g->flags & GR_GLOBAL_DEFINED) && gr_is_absent(g->value))
                g->flags &= ~(uint32_t)(GR_GLOBAL_DECLARED | GR_GLOBAL_PARAM);
        }
}

gr_status gr_run_prepared(gr_vm *vm, gr_proto *p, unsigned flags) {
    gr_value ignored;
    if (!(flags & GR_RUN_NOTHING) && gr_run_proto(vm, p, &ignored)) {
        gr_release(vm, ignored);
        if (flags & GR_RUN_ANSWER) bind_answer(vm);
    }
    ad_set_recording(vm->ctx, true);
    gr_pause_sync(vm);
    gr_status status = status_of(vm);
    if (status != GR_OK) forget_declared(vm);
    gr_relieve(vm);
    return status;
}

enum { RESERVE = 1 << 20 };

static gr_status run_tree(gr_vm *vm, gr_ast *ast, unsigned flags) {
    gr_proto *p = gr_compile(vm, vm->library->main, ast, compile_flags(flags));
    gr_ast_free(ast);
    if (!p) {
        forget_declared(vm);
        return GR_FAILED;
    }
    /* what a statement may not take is left for reading the next one: `t = ()` frees the rest */
    if (flags & GR_RUN_PROMPT) ad_mem_reserve(vm->ctx, RESERVE);
    gr_status status = gr_run_prepared(vm, p, flags);
    if (flags & GR_RUN_PROMPT) ad_mem_reserve(vm->ctx, 0);
    gr_keep_top(vm, p);
    return status;
}

gr_proto *gr_prepare(gr_vm *vm, const char *name, const char *text, size_t size) {
    gr_source *source = NULL;
    gr_ast *ast = NULL;
    begin(vm);
    if (gr_source_new(vm->ctx, name, text, size, &source) != GR_SOURCE_OK) {
        gr_raise_memory(vm);
        return NULL;
    }
    if (!gr_keep_source(vm, source) ||
        gr_parse(vm->library->lexicon, source, 0, &vm->report, &ast) != GR_PARSE_OK)
        return NULL;
    vm->library->main->source = source;
    gr_proto *p = gr_compile(vm, vm->library->main, ast, GR_COMPILE_PROMPT | GR_COMPILE_ANSWER);
    gr_ast_free(ast);
    if (!p) forget_declared(vm);
    return p;
}

static gr_status run_source(gr_vm *vm, gr_source *source, unsigned flags) {
    gr_ast *ast = NULL;
    if (!gr_keep_source(vm, source)) return GR_FAILED;
    unsigned parse = flags & GR_RUN_PROMPT ? GR_PARSE_PROMPT : 0u;
    gr_parse_status s = gr_parse(vm->library->lexicon, source, parse, &vm->report, &ast);
    if (s == GR_PARSE_INCOMPLETE) return GR_INCOMPLETE;
    if (s != GR_PARSE_OK) return GR_FAILED;
    vm->library->main->source = source;
    return run_tree(vm, ast, flags);
}

gr_status gr_run_text(gr_vm *vm, const char *name, const char *text, size_t size, unsigned flags) {
    return gr_run_lines(vm, name, 1, text, size, flags);
}

gr_status gr_run_lines(gr_vm *vm, const char *name, uint32_t line, const char *text, size_t size,
                       unsigned flags) {
    gr_source *source = NULL;
    begin(vm);
    if (gr_source_new(vm->ctx, name, text, size, &source) == GR_SOURCE_OK) {
        source->lines_before = line - 1;
        return run_source(vm, source, flags);
    }
    gr_raise_memory(vm);
    return GR_FAILED;
}

gr_status gr_run_file(gr_vm *vm, const char *path, unsigned flags) {
    gr_source *source = NULL;
    begin(vm);
    switch (gr_source_read(vm->ctx, path, &source)) {
    case GR_SOURCE_OK: return run_source(vm, source, flags);
    case GR_SOURCE_NO_MEMORY: gr_raise_memory(vm); break;
    case GR_SOURCE_TOO_LARGE:
        gr_raise(vm, GR_E_unreadable_file, "%s is larger than 1 GB", path);
        break;
    default: gr_raise(vm, GR_E_unreadable_file, "%s cannot be read: %s", path, strerror(errno));
    }
    return GR_FAILED;
}

bool gr_dump_text(gr_vm *vm, const char *stage, const char *name, const char *text, size_t size,
                  gr_buffer *out) {
    gr_source *source = NULL;
    gr_ast *ast = NULL;
    begin(vm);
    if (gr_source_new(vm->ctx, name, text, size, &source) != GR_SOURCE_OK ||
        !gr_keep_source(vm, source))
        return false;
    if (strcmp(stage, "tokens") == 0)
        return gr_dump_tokens(out, vm->library->lexicon, source, &vm->report);
    if (gr_parse(vm->library->lexicon, source, 0, &vm->report, &ast) != GR_PARSE_OK) return false;
    gr_proto *p = NULL;
    if (strcmp(stage, "ast") == 0)
        gr_dump_ast(out, ast);
    else if ((p = gr_compile(vm, vm->library->main, ast, 0)))
        gr_proto_dump(vm, out, p);
    bool ok = p || strcmp(stage, "ast") == 0;
    gr_proto_release(vm, p);
    gr_ast_free(ast);
    return ok;
}

/* ---- looking in ------------------------------------------------------------------------------- */

bool gr_answer(gr_vm *vm, gr_value *out) {
    if (vm->has_answer) *out = vm->answer;
    return vm->has_answer;
}

gr_nan gr_get_nan(const gr_vm *vm) { return vm->nan_mode; }
void gr_set_nan(gr_vm *vm, gr_nan nan) { vm->nan_mode = nan; }

int gr_exit_status(const gr_vm *vm) { return vm->exit_status; }

void gr_set_arguments(gr_vm *vm, int count, char *const *arguments) {
    gr_value t = gr_tuple_new(vm, (size_t)count);
    for (int i = 0; !gr_failed(t) && i < count; i++)
        gr_replace(vm, &gr_as_tuple(t)->items[i], gr_string_text(vm, arguments[i]));
    if (!gr_failed(t)) gr_replace(vm, &vm->arguments, t);
}

bool gr_get_global(gr_vm *vm, const char *name, gr_value *out) {
    const gr_name *n = gr_intern(vm->names, name, strlen(name));
    uint32_t slot = n ? gr_module_slot(vm->library->main, n) : UINT32_MAX;
    if (slot == UINT32_MAX || gr_is_absent(vm->globals[slot].value)) return false;
    *out = vm->globals[slot].value;
    return true;
}

bool gr_set_global(gr_vm *vm, const char *name, gr_value v) {
    const gr_name *n = gr_intern(vm->names, name, strlen(name));
    uint32_t slot = n ? gr_global_new(vm, vm->library->main, n) : UINT32_MAX;
    if (slot == UINT32_MAX) {
        gr_release(vm, v);
        return false;
    }
    gr_global *g = &vm->globals[slot];
    gr_replace(vm, &g->value, v);
    g->flags = GR_GLOBAL_DEFINED;
    return true;
}

void gr_each_global(gr_vm *vm, void (*each)(void *user, const gr_name *name, gr_value v),
                    void *user) {
    for (const gr_module *m = vm->library->main; m; m = m->outer)
        for (uint32_t i = 0; i < m->count; i++) {
            const gr_global *g = &vm->globals[m->order[i]];
            if (!(g->flags & GR_GLOBAL_LIBRARY) && !gr_is_absent(g->value)) each(user, g->name, g->value);
        }
}

const char *gr_next_hiding(gr_vm *vm, uint32_t *at) {
    const gr_module *m = gr_main_module(vm);
    while (*at < m->count) {
        gr_global *g = &vm->globals[m->order[(*at)++]];
        bool own = g->changed && !(g->flags & GR_GLOBAL_LIBRARY) && !gr_is_absent(g->value);
        if (!own || g->flags & GR_GLOBAL_TOLD) continue; /* changed: not by a definition that failed */
        g->flags |= GR_GLOBAL_TOLD;
        if (gr_prelude_slot(vm, g->name) != UINT32_MAX) return g->name->text;
    }
    return NULL;
}

/* ---- for builtins ----------------------------------------------------------------------------- */

ad_ctx *gr_ctx(const gr_vm *vm) { return vm->ctx; }
gr_screen gr_vm_screen(const gr_vm *vm) {
    gr_screen s = {.width = 80};
    if (vm->screen) vm->screen(vm->user, &s);
    return s;
}
gr_names *gr_vm_names(gr_vm *vm) { return vm->names; }
gr_report *gr_vm_report(gr_vm *vm) { return &vm->report; }
bool gr_may_print(const gr_vm *vm) { return vm->muted == 0; }
gr_value gr_arguments(gr_vm *vm) {
    if (vm->arguments.kind != GR_TUPLE) gr_set_arguments(vm, 0, NULL);
    return vm->arguments;
}

void gr_write(gr_vm *vm, const char *text, size_t size) {
    if (!vm->write || !size) return;
    vm->write(vm->user, 1, text, size);
    if (vm->printed && vm->printed->size <= GR_MOST_PRINTED) gr_buffer_put(vm->printed, text, size);
}
void gr_write_error(gr_vm *vm, const char *text, size_t size) {
    if (vm->write && size) vm->write(vm->user, 2, text, size);
}
void gr_flush(gr_vm *vm) {
    if (vm->write) vm->write(vm->user, 0, NULL, 0);
}

void gr_note_effect(gr_vm *vm, unsigned effect) { vm->effects |= effect; }

void gr_exit(gr_vm *vm, int status) {
    vm->exiting = vm->raised = true;
    vm->exit_status = status;
}

const char *gr_variable_doc(gr_vm *vm, const char *text, size_t length) {
    const gr_name *name = gr_intern(vm->names, text, length);
    uint32_t slot = name ? gr_module_slot(vm->library->main, name) : UINT32_MAX;
    return slot == UINT32_MAX ? NULL : vm->globals[slot].doc;
}

const char *gr_parameter_name(gr_vm *vm, const gr_call *call, uint32_t i) {
    (void)vm;
    return i < call->count && call->names ? call->names[i] : "the argument";
}
