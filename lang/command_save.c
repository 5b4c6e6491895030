/* SPDX-License-Identifier: MIT */
/* :save writes the session as a script. A file that is there and was not written so is left alone. */
#include "command_private.h"

#include "files.h"
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_free(const gr_session *s, const char *path) {
    gr_buffer old;
    gr_buffer_init(&old, s->host->ctx);
    bool there = gr_read_file(&old, path);
    size_t mark = strlen(gr_script_mark);
    bool ours = !there || (old.size >= mark && memcmp(old.text, gr_script_mark, mark) == 0);
    gr_buffer_free(&old);
    return ours;
}

static void write_script(gr_session *s, const char *path, const gr_script *script) {
    if (!gr_write_file(s->host->ctx, path, script->text.text, script->text.size)) {
        const char *why = errno == ENOENT ? "there is no such folder" : strerror(errno);
        fprintf(stderr, "error: `%s` cannot be written: %s\n", path, why);
        s->failed = true;
        return;
    }
    uint32_t others = script->all - script->kept;
    printf("%s has %u statement%s", path, script->kept, script->kept == 1 ? "" : "s");
    if (others) printf("; nothing depends on %u other%s", others, others == 1 ? "" : "s");
    puts(".");
    if (script->lost.size)
        printf("It does not have %s: a statement that was stopped left this.\n", script->lost.text);
    if (script->unheard) puts("It has no `#>` lines, since not all that was printed is known.");
}

void gr_command_save(gr_session *s, const char *path) {
    char folder[4096];
    gr_script script;
    s->failed = !*path || !is_free(s, path);
    if (!*path) {
        puts("`:save file.nn` writes a script that makes the present variables again.");
        return;
    }
    if (s->failed) {
        printf("`%s` is there, and :save did not write it: give another name, or remove it first.\n", path);
        return;
    }
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 0, path);
    if (gr_script_make(&s->journal, folder, &script)) write_script(s, path, &script);
    else fputs("error: there is not enough memory\n", stderr);
    gr_script_free(&script);
}
