/* SPDX-License-Identifier: MIT */
/*
 * Modules and the prelude. A name of the library is found in three places, in this order: the files of
 * the embedded library (an index of their top-level names is made at start by looking at the
 * beginnings of lines), the tables of builtins, the rows of the op table.
 */
#include "module.h"

#include "compile.h"
#include "heap_private.h"
#include "library.h"
#include "parser.h"
#include "prelude_names.h"
#include "stdlib_embed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- modules and their names ------------------------------------------------------------------ */

gr_module *gr_module_new(gr_vm *vm, bool library) {
    gr_module *m = ad_mem_get(vm->ctx, sizeof *m);
    if (!m) {
        gr_raise_memory(vm);
        return NULL;
    }
    *m = (gr_module){.library = library, .next = vm->library->modules};
    vm->library->modules = m;
    return m;
}

static const gr_module *holder(const gr_module *m, const gr_name *name) {
    while (m && (name->serial >= m->room || !m->slots[name->serial])) m = m->outer;
    return m;
}

uint32_t gr_module_slot(const gr_module *m, const gr_name *name) {
    m = holder(m, name);
    return m ? m->slots[name->serial] - 1 : UINT32_MAX;
}

uint32_t gr_global_new(gr_vm *vm, gr_module *m, const gr_name *name) {
    uint32_t slot = gr_module_slot(m, name);
    if (slot != UINT32_MAX) return slot;
    while (m->outer) m = m->outer;
    uint32_t old = m->room;
    if (!gr_proto_grow(vm, &m->slots, &m->room, name->serial + 1, sizeof *m->slots))
        return UINT32_MAX;
    memset(m->slots + old, 0, (m->room - old) * sizeof *m->slots);
    if (!gr_proto_grow(vm, &m->order, &m->order_room, m->count + 1, sizeof *m->order) ||
        !gr_proto_grow(vm, &vm->globals, &vm->global_room, vm->global_count + 1,
                       sizeof *vm->globals))
        return UINT32_MAX;
    slot = vm->global_count++;
    vm->globals[slot] = (gr_global){.value = gr_absent(), .name = name, .module = m};
    m->slots[name->serial] = slot + 1;
    m->order[m->count++] = slot;
    return slot;
}

gr_module *gr_main_module(gr_vm *vm) { return vm->library->main; }

/* ---- where a name of the prelude comes from --------------------------------------------------- */

static uint32_t library_file(gr_vm *vm, const gr_name *name) {
    const gr_library *l = vm->library;
    return name->serial < l->file_of_room ? l->file_of[name->serial] : 0;
}

static const gr_builtin *builtin_row(const char *name) {
    for (const gr_builtin *const *table = gr_builtin_tables; *table; table++)
        for (const gr_builtin *row = *table; row->name; row++)
            if (strcmp(row->name, name) == 0) return row;
    for (const gr_builtin *row = gr_builtins_transform; row->name; row++)
        if (strcmp(row->name, name) == 0) return row;
    return NULL;
}

static ad_op public_row(const char *name) {
    ad_op op = ad_op_find(name);
    return op != AD_OP_NONE && gr_is_public_row(op) ? op : AD_OP_NONE;
}

/* What the command line gave, a tuple. */
static bool is_args(const gr_name *name) { return strcmp(name->text, "args") == 0; }

static bool in_prelude(gr_vm *vm, const gr_name *name) {
    double x;
    return library_file(vm, name) || gr_prelude_constant(name->text, &x) || is_args(name) ||
           builtin_row(name->text) || public_row(name->text) != AD_OP_NONE;
}

static uint32_t pending_slot(gr_vm *vm, gr_module *m, const gr_name *name) {
    uint32_t slot = gr_global_new(vm, m, name);
    if (slot != UINT32_MAX) vm->globals[slot].flags |= GR_GLOBAL_PENDING | GR_GLOBAL_LIBRARY;
    return slot;
}

uint32_t gr_find_global(gr_vm *vm, gr_module *m, const gr_name *name, bool *known) {
    uint32_t slot = gr_module_slot(m, name);
    const uint32_t bound = GR_GLOBAL_DEFINED | GR_GLOBAL_DECLARED | GR_GLOBAL_PENDING;
    *known = slot != UINT32_MAX && (vm->globals[slot].flags & bound);
    if (*known || !in_prelude(vm, name)) return slot;
    slot = pending_slot(vm, m, name);
    *known = slot != UINT32_MAX;
    return slot;
}

uint32_t gr_prelude_slot(gr_vm *vm, const gr_name *name) {
    uint32_t slot = gr_module_slot(vm->library->prelude, name);
    if (slot != UINT32_MAX) return slot;
    return in_prelude(vm, name) ? pending_slot(vm, vm->library->prelude, name) : UINT32_MAX;
}

/* ---- the embedded library --------------------------------------------------------------------- */

static bool index_name(gr_vm *vm, const char *text, size_t length, uint32_t file) {
    gr_library *l = vm->library;
    const gr_name *name = gr_intern(vm->names, text, length);
    if (!name) return false;
    uint32_t old = l->file_of_room;
    if (!gr_proto_grow(vm, &l->file_of, &l->file_of_room, name->serial + 1, sizeof *l->file_of))
        return false;
    memset(l->file_of + old, 0, (l->file_of_room - old) * sizeof *l->file_of);
    if (!l->file_of[name->serial]) l->file_of[name->serial] = file + 1;
    return true;
}

typedef struct indexing {
    gr_vm *vm;
    uint32_t file;
    bool ok;
} indexing;

static bool index_definition(void *user, const char *name, size_t length, const char *line,
                             const char *end) {
    indexing *i = user;
    (void)line, (void)end;
    i->ok = *name == '_' || index_name(i->vm, name, length, i->file);
    return !i->ok;
}

static bool index_library(gr_vm *vm) {
    indexing i = {.vm = vm, .ok = true};
    for (; i.ok && i.file < gr_stdlib_count; i.file++)
        gr_each_definition(i.file, index_definition, &i);
    return i.ok;
}

void gr_keep_top(gr_vm *vm, gr_proto *p) {
    gr_library *l = vm->library;
    if (gr_proto_grow(vm, &l->tops, &l->top_room, l->top_count + 1, sizeof *l->tops))
        l->tops[l->top_count++] = p;
    else
        gr_proto_release(vm, p);
}

bool gr_run_module(gr_vm *vm, gr_module *m, gr_source *source, unsigned compile_flags) {
    gr_ast *ast = NULL;
    gr_proto *p = NULL;
    gr_value ignored;
    m->source = source;
    if (gr_parse(vm->library->lexicon, source, 0, &vm->report, &ast) == GR_PARSE_OK)
        p = gr_compile(vm, m, ast, compile_flags);
    else
        vm->raised = true;
    gr_ast_free(ast);
    if (!p) return false;
    bool ok = gr_run_proto(vm, p, &ignored);
    gr_keep_top(vm, p);
    if (ok) gr_release(vm, ignored);
    return ok;
}

static gr_module *library_module(gr_vm *vm, uint32_t file) {
    gr_library *l = vm->library;
    if (l->files[file]) return l->files[file];
    gr_module *m = l->files[file] = gr_module_new(vm, true);
    gr_source *source = NULL;
    if (!m) return NULL;
    if (gr_source_new(vm->ctx, gr_stdlib[file].name, (const char *)gr_stdlib[file].text,
                      gr_stdlib[file].length, &source) != GR_SOURCE_OK) {
        gr_raise_memory(vm);
        l->files[file] = NULL;
        return NULL;
    }
    if (gr_keep_source(vm, source) && gr_run_module(vm, m, source, 0)) return m;
    l->files[file] = NULL;
    return NULL;
}

static gr_value library_value(gr_vm *vm, const gr_name *name, uint32_t file) {
    gr_module *m = library_module(vm, file);
    if (!m) return gr_absent();
    uint32_t slot = gr_module_slot(m, name);
    if (slot == UINT32_MAX || gr_is_absent(vm->globals[slot].value)) {
        gr_raise(vm, GR_E_unknown_name, "`%s` of the library is used before it is defined",
                 name->text);
        return gr_absent();
    }
    return gr_retain(vm, vm->globals[slot].value);
}

bool gr_bind_pending(gr_vm *vm, uint32_t slot) {
    const gr_name *name = vm->globals[slot].name;
    uint32_t file = library_file(vm, name);
    gr_value v;
    double x;
    const gr_builtin *row;
    if (file)
        v = library_value(vm, name, file - 1);
    else if (gr_prelude_constant(name->text, &x))
        v = ad_number(x);
    else if (is_args(name))
        v = gr_retain(vm, gr_arguments(vm));
    else if ((row = builtin_row(name->text)))
        v = gr_native_new(vm, row);
    else
        v = gr_op_function(vm, public_row(name->text));
    if (gr_failed(v)) return false;
    gr_global *g = &vm->globals[slot];
    gr_replace(vm, &g->value, v);
    g->flags = (g->flags & ~(uint32_t)GR_GLOBAL_PENDING) | GR_GLOBAL_DEFINED;
    return true;
}

/* ---- suggestions ------------------------------------------------------------------------------ */

void gr_offer_globals(gr_vm *vm, const gr_module *m, gr_suggestion *s) {
    for (; m; m = m->outer)
        for (uint32_t i = 0; i < m->count; i++) {
            const gr_global *g = &vm->globals[m->order[i]];
            if ((g->flags & (GR_GLOBAL_DEFINED | GR_GLOBAL_DECLARED)) &&
                !(g->flags & GR_GLOBAL_LIBRARY))
                gr_suggest_offer(s, g->name->text, g->name->length);
        }
}

static void offer_name(void *user, const char *name, size_t length) {
    gr_suggest_offer(user, name, length);
}

void gr_offer_names(gr_vm *vm, const gr_module *m, gr_suggestion *s) {
    gr_offer_globals(vm, m, s);
    gr_each_prelude_name(offer_name, s);
}

/* ---- import ----------------------------------------------------------------------------------- */

static gr_value module_record(gr_vm *vm, const gr_module *m) {
    gr_value r = gr_record_new(vm);
    for (uint32_t i = 0; !gr_failed(r) && i < m->count; i++) {
        gr_global g = vm->globals[m->order[i]];
        if (g.flags & GR_GLOBAL_LIBRARY || gr_is_absent(g.value) || g.name->text[0] == '_') continue;
        gr_string *key = gr_name_string(vm, g.name);
        if (!key || !gr_record_set(vm, &r, key, gr_retain(vm, g.value))) {
            gr_release(vm, r);
            return gr_absent();
        }
    }
    return r;
}

static bool readable(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f) fclose(f);
    return f != NULL;
}

/* The file that an import means, as messages name it (`text`) and as it is known (the result, to be
 * freed with free()). NULL: none. */
static char *find_module(const gr_source *from, const char *path, char *text, size_t room) {
    const char *slash = strrchr(from->name, '/');
    int directory = path[0] == '/' || !slash ? 0 : (int)(slash - from->name) + 1;
    snprintf(text, room, "%.*s%s", directory, from->name, path);
    if (readable(text)) return realpath(text, NULL);
    const char *dirs = getenv("GRADUS_PATH");
    while (dirs && *dirs) {
        size_t length = strcspn(dirs, ":");
        snprintf(text, room, "%.*s/%s", (int)length, dirs, path);
        if (length && readable(text)) return realpath(text, NULL);
        dirs += length + (dirs[length] == ':');
    }
    return NULL;
}

static bool circle(gr_vm *vm, const gr_imported *first) {
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    for (uint32_t i = vm->library->import_count; i-- > 0;) {
        const gr_imported *k = &vm->library->imports[i];
        if (k->running || k == first) {
            const char *slash = strrchr(k->path, '/');
            gr_buffer_printf(&text, "%s%s", text.size ? " ← " : "", slash ? slash + 1 : k->path);
        }
        if (k == first) break;
    }
    gr_raise(vm, GR_E_import_circle, "modules import one another in a circle: %s",
             text.text ? text.text : "");
    gr_buffer_free(&text);
    return false;
}

static bool run_import(gr_vm *vm, const char *path, uint32_t index, gr_value *out) {
    gr_source *source = NULL;
    gr_library *l = vm->library;
    if (gr_source_read(vm->ctx, path, &source) != GR_SOURCE_OK) {
        gr_raise(vm, GR_E_bad_module, "%s cannot be read", path);
        return false;
    }
    gr_module *m = gr_module_new(vm, false);
    if (!gr_keep_source(vm, source) || !m) return false;
    l->imports[index].running = true;
    bool ok = gr_run_module(vm, m, source, 0);
    l->imports[index].running = false;
    gr_value r = ok ? module_record(vm, m) : gr_absent();
    if (gr_failed(r)) return false;
    l->imports[index].value = r;
    l->imports[index].source = source;
    *out = gr_retain(vm, r);
    return true;
}

/* `path` is the file whichever way it was named, `shown` how it was. */
static bool import_file(gr_vm *vm, const char *path, const char *shown, gr_value *out) {
    gr_library *l = vm->library;
    for (uint32_t i = 0; i < l->import_count; i++) {
        if (strcmp(l->imports[i].path, path) != 0) continue;
        if (l->imports[i].running) return circle(vm, &l->imports[i]);
        if (gr_is_absent(l->imports[i].value)) return run_import(vm, shown, i, out);
        *out = gr_retain(vm, l->imports[i].value);
        return true;
    }
    char *copy = gr_arena_text(&l->arena, path, strlen(path));
    if (!copy || !gr_proto_grow(vm, &l->imports, &l->import_room, l->import_count + 1,
                                sizeof *l->imports)) {
        gr_raise_memory(vm);
        return false;
    }
    l->imports[l->import_count] = (gr_imported){.path = copy, .value = gr_absent()};
    return run_import(vm, shown, l->import_count++, out);
}

bool gr_import(gr_vm *vm, const gr_source *from, gr_value v, gr_value *out) {
    char path[2048];
    const gr_string *s = gr_as_string(v);
    if (s->length >= sizeof path) {
        gr_raise(vm, GR_E_bad_module, "the path is too long");
        return false;
    }
    memcpy(path, s->bytes, s->length);
    path[s->length] = 0;
    char shown[4096];
    char *found = find_module(from, path, shown, sizeof shown);
    if (found) {
        bool ok = import_file(vm, found, shown, out);
        free(found);
        return ok;
    }
    for (uint32_t f = 0; f < gr_stdlib_count; f++)
        if (strcmp(gr_stdlib[f].name, path) == 0) {
            gr_module *m = library_module(vm, f);
            *out = m ? module_record(vm, m) : gr_absent();
            return !gr_failed(*out);
        }
    gr_diagnostic *d = gr_raise(vm, GR_E_bad_module, "there is no module `%s`", path);
    size_t size = strlen(path);
    if (size < 3 || strcmp(path + size - 3, ".nn") != 0)
        gr_diag_help(d, "the path is that of the file, with its ending: \"%s.nn\"", path);
    gr_diag_note(d, "looked for beside the importing file, in GRADUS_PATH, and in the library");
    return false;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

bool gr_keep_source(gr_vm *vm, gr_source *source) {
    gr_library *l = vm->library;
    if (!gr_proto_grow(vm, &l->sources, &l->source_room, l->source_count + 1, sizeof *l->sources)) {
        gr_source_free(source);
        return false;
    }
    source->id = l->source_count;
    l->sources[l->source_count++] = source;
    return true;
}

bool gr_library_open(gr_vm *vm) {
    gr_library *l = vm->library = ad_mem_get(vm->ctx, sizeof *l);
    if (!l) return false;
    memset(l, 0, sizeof *l);
    gr_arena_init(&l->arena, vm->ctx);
    l->lexicon = gr_lexicon_new(vm->ctx, vm->names);
    l->main = gr_module_new(vm, false);
    l->prelude = gr_module_new(vm, false);
    l->files = gr_arena_alloc(&l->arena, (gr_stdlib_count + 1) * sizeof *l->files);
    return l->lexicon && l->main && l->prelude && l->files && index_library(vm);
}

static void free_module(gr_vm *vm, gr_module *m) {
    if (m->slots) ad_mem_put(vm->ctx, m->slots, m->room * sizeof *m->slots);
    if (m->order) ad_mem_put(vm->ctx, m->order, m->order_room * sizeof *m->order);
    ad_mem_put(vm->ctx, m, sizeof *m);
}

void gr_library_drop_values(gr_vm *vm) {
    gr_library *l = vm->library;
    for (uint32_t i = 0; l && i < l->import_count; i++)
        gr_release(vm, gr_take(&l->imports[i].value));
    for (uint32_t i = 0; l && i < l->top_count; i++) gr_proto_release(vm, l->tops[i]);
    if (l) l->top_count = 0;
}

void gr_library_close(gr_vm *vm) {
    gr_library *l = vm->library;
    if (!l) return;
    while (l->modules) {
        gr_module *next = l->modules->next;
        free_module(vm, l->modules);
        l->modules = next;
    }
    for (uint32_t i = 0; i < l->source_count; i++) gr_source_free(l->sources[i]);
    if (l->sources) ad_mem_put(vm->ctx, l->sources, l->source_room * sizeof *l->sources);
    if (l->imports) ad_mem_put(vm->ctx, l->imports, l->import_room * sizeof *l->imports);
    if (l->tops) ad_mem_put(vm->ctx, l->tops, l->top_room * sizeof *l->tops);
    if (l->file_of) ad_mem_put(vm->ctx, l->file_of, l->file_of_room * sizeof *l->file_of);
    gr_lexicon_free(l->lexicon);
    gr_arena_free(&l->arena);
    ad_mem_put(vm->ctx, l, sizeof *l);
    vm->library = NULL;
}
