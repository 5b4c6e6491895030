/* SPDX-License-Identifier: MIT */
/*
 * The editor made for the interpreter: its hooks are the questions of assist.h. And what is done once
 * before the first prompt: the user's init.nn, the banner.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- hooks ------------------------------------------------------------------------------------ */

static bool incomplete(void *user, const char *text, size_t size) {
    return gr_is_incomplete(user, text, size);
}
static unsigned indentation(void *user, const char *text, size_t cursor) {
    return gr_indentation(user, text, cursor);
}
static void paint(void *user, const char *text, size_t size, size_t cursor, uint8_t *classes) {
    gr_paint_text(user, text, size, cursor, classes);
}
static bool hint(void *user, const char *text, size_t size, gr_buffer *out) {
    return gr_shape_hint(user, text, size, out);
}
static void complete(void *user, const char *text, size_t size, size_t cursor,
                     gr_completion *out) {
    gr_complete(user, text, size, cursor, out);
}

/* Colours are for what is drawn on standard output. */
static bool wants_color(const gr_host *host) {
    const char *none = getenv("NO_COLOR");
    return !host->command->no_color && !(none && *none);
}

gr_edit *gr_host_editor(const gr_host *host, gr_assist *assist, bool terminal) {
    gr_edit_hooks hooks = {.user = assist,
                           .incomplete = incomplete,
                           .indentation = indentation,
                           .paint = paint,
                           .hint = hint,
                           .complete = complete};
    gr_edit_options options = {.terminal = terminal, .color = wants_color(host), .more = ". "};
    return gr_edit_open(host->ctx, &hooks, &options);
}

/* ---- before the first prompt ------------------------------------------------------------------ */

void gr_host_init(gr_host *host) {
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    gr_buffer path;
    gr_buffer_init(&path, host->ctx);
    if (base && *base == '/') gr_buffer_printf(&path, "%s/gradus/init.nn", base);
    else if (home && *home) gr_buffer_printf(&path, "%s/.config/gradus/init.nn", home);
    if (path.text && !path.failed && access(path.text, R_OK) == 0) {
        /* as at the prompt, a name that nobody knows is told where it is reached */
        if (gr_run_file(host->vm, path.text, GR_RUN_PROMPT) == GR_INCOMPLETE)
            gr_run_file(host->vm, path.text, 0);
        gr_host_report(host);
    }
    gr_buffer_free(&path);
}

/* In a narrow window less, so that no line is broken. */
void gr_host_banner(const gr_host *host, const gr_edit *edit) {
    unsigned width = gr_vm_screen(host->vm).width;
    puts(width >= 46   ? "Gradus " AD_VERSION ": ?name explains, Ctrl-D leaves."
         : width >= 30 ? "Gradus " AD_VERSION ": ?name explains."
                       : "Gradus " AD_VERSION);
    if (gr_edit_is_live(edit) && width >= 60)
        puts("Try  param w = 3  and  ∂(w^2)/∂w:  \\partial and TAB is ∂.");
    else if (width >= 34) puts("Try  param w = 3  and  ∂(w^2)/∂w.");
}
