/* SPDX-License-Identifier: MIT */
/* Commands about files: :load and :reload. A file is run whole or not at all. */
#include "command_private.h"

#include "files.h"
#include "top.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a; 0 where the file cannot be read. */
static uint64_t content_of(const gr_session *s, const char *path) {
    uint64_t hash = 14695981039346656037u;
    gr_buffer text;
    gr_buffer_init(&text, s->host->ctx);
    bool ok = gr_read_file(&text, path);
    for (size_t i = 0; ok && i < text.size; i++)
        hash = (hash ^ (unsigned char)text.text[i]) * 1099511628211u;
    gr_buffer_free(&text);
    return ok ? hash : 0;
}

static gr_loaded *remember(gr_session *s, const char *path) {
    ad_ctx *ctx = s->host->ctx;
    for (uint32_t i = 0; i < s->loaded_count; i++)
        if (strcmp(s->loaded[i].path, path) == 0) return &s->loaded[i];
    if (s->loaded_count == s->loaded_room) {
        uint32_t room = s->loaded_room ? 2 * s->loaded_room : 4;
        gr_loaded *more = ad_mem_resize(ctx, s->loaded, s->loaded_room * sizeof *more, room * sizeof *more);
        if (!more) return NULL;
        s->loaded = more;
        s->loaded_room = room;
    }
    size_t size = strlen(path) + 1;
    char *copy = ad_mem_get(ctx, size);
    if (!copy) return NULL;
    memcpy(copy, path, size);
    s->loaded[s->loaded_count] = (gr_loaded){.path = copy};
    return &s->loaded[s->loaded_count++];
}

/* All of the file, or of a text (where `path` is NULL), or nothing of it. */
static bool run_whole(gr_session *s, const char *path, const gr_buffer *text) {
    gr_vm *vm = s->host->vm;
    gr_top before;
    if (!gr_top_save(vm, &before)) {
        fputs("error: there is not enough memory\n", stderr);
        return false;
    }
    gr_journal_begin(&s->journal, GR_RECORD_FILE);
    gr_status status = path ? gr_run_file(vm, path, 0) : gr_run_text(vm, "reload", text->text, text->size, 0);
    if (status == GR_OK || status == GR_EXITED) gr_top_keep(vm, &before);
    else gr_top_restore(vm, &before);
    gr_journal_end(&s->journal, status == GR_INTERRUPTED ? GR_FAILED : status);
    s->leave = status == GR_EXITED;
    s->failed |= status != GR_OK && !s->leave;
    if (s->leave) s->status = gr_exit_status(vm);
    gr_host_report(s->host);
    if (status != GR_OK && status != GR_EXITED) puts("All variables are as they were before.");
    return status == GR_OK;
}

static void load_file(gr_session *s, const char *path) {
    uint64_t content = content_of(s, path);
    bool ok = run_whole(s, path, NULL);
    gr_loaded *file = content ? remember(s, path) : NULL;
    /* what failed counts as changed */
    if (file) file->content = ok ? content : 0;
}

void gr_command_load(gr_session *s, const char *path) {
    if (*path) load_file(s, path);
    else puts("`:load file` runs a file; `:reload` runs it again when it has changed.");
}

static void name_module(void *user, const char *path) {
    (void)user;
    printf("%s\n", path);
}

/* Modules that have changed, for the variables of the prompt that hold them; what has loaded them, or
 * been made with them, may be another one too. */
static bool reload_modules(gr_session *s) {
    gr_vm *vm = s->host->vm;
    gr_buffer text;
    if (!gr_stale_imports(vm, name_module, NULL)) return false;
    gr_buffer_init(&text, s->host->ctx);
    gr_put_imports(vm, &text);
    gr_forget_imports(vm);
    if (text.size) run_whole(s, NULL, &text);
    gr_buffer_free(&text);
    return true;
}

void gr_command_reload(gr_session *s, const char *rest) {
    bool modules = reload_modules(s), any = modules;
    (void)rest;
    for (uint32_t i = 0; i < s->loaded_count && !s->leave; i++) {
        const gr_loaded *file = &s->loaded[i];
        uint64_t content = content_of(s, file->path);
        if (!modules && content && content == file->content) continue;
        printf("%s\n", file->path);
        if (!any) gr_forget_imports(s->host->vm);
        any = true;
        load_file(s, file->path);
    }
    if (any) return;
    puts(s->loaded_count ? "No loaded file has changed." : "Nothing has been loaded: `:load file` does.");
}
