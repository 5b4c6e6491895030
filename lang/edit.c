/* SPDX-License-Identifier: MIT */
/*
 * The editor as its users see it, and its plain form: lines as the terminal or a pipe hands them over,
 * put together until they are a statement. Editing with keys is edit_readline.c.
 */
#include "edit_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool can_draw(void) {
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0;
}

gr_edit *gr_edit_open(ad_ctx *ctx, const gr_edit_hooks *hooks, const gr_edit_options *options) {
    gr_edit *edit = ad_mem_get(ctx, sizeof *edit);
    if (!edit) return NULL;
    *edit = (gr_edit){.ctx = ctx, .hooks = *hooks, .options = *options};
    gr_buffer_init(&edit->prefill, ctx);
    gr_buffer_init(&edit->out, ctx);
    gr_buffer_init(&edit->hint, ctx);
    gr_buffer_init(&edit->paste, ctx);
    gr_display_init(&edit->screen, ctx);
    edit->live = options->terminal && can_draw() && gr_live_open(edit);
    return edit;
}

void gr_edit_close(gr_edit *edit) {
    if (!edit) return;
    if (edit->live) gr_live_close(edit);
    gr_history_close(edit);
    gr_display_free(&edit->screen);
    gr_buffer_free(&edit->prefill);
    gr_buffer_free(&edit->out);
    gr_buffer_free(&edit->hint);
    gr_buffer_free(&edit->paste);
    ad_mem_put(edit->ctx, edit, sizeof *edit);
}

/* ---- plain lines ------------------------------------------------------------------------------ */

static gr_line read_line(gr_buffer *out) {
    char chunk[512];
    size_t n = 0;
    bool any = false;
    for (;;) {
        int c = getc_unlocked(stdin);
        if (c == EOF && ferror(stdin) && errno == EINTR) {
            clearerr(stdin);
            return GR_LINE_INTERRUPTED;
        }
        if (c == EOF && !any) return GR_LINE_END;
        any = true;
        if (c != EOF && c != '\n') chunk[n++] = (char)c;
        if (n < sizeof chunk && c != EOF && c != '\n') continue;
        gr_buffer_put(out, chunk, n);
        n = 0;
        if (c == EOF || c == '\n') return GR_LINE_READ;
    }
}

/* Waits until there is something to read; false: a signal came instead. */
bool gr_wait_for_input(const sigset_t *waiting) {
    fd_set in;
    FD_ZERO(&in);
    FD_SET(STDIN_FILENO, &in);
    return pselect(STDIN_FILENO + 1, &in, NULL, NULL, NULL, waiting) > 0;
}

/* A terminal hands over one line at a time. Ctrl-C is blocked but while pselect waits, so that one
 * between the prompt and the wait is not missed. */
static gr_line read_typed_line(gr_edit *edit, gr_buffer *out) {
    char chunk[512];
    sigset_t interrupts, before, waiting;
    size_t had = out->size;
    gr_line line = GR_LINE_READ;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupts, &before);
    waiting = before;
    sigdelset(&waiting, SIGINT);
    for (bool newline = false; !newline && line == GR_LINE_READ;) {
        if (*ad_interrupt_flag(edit->ctx)) line = GR_LINE_INTERRUPTED;
        else if (gr_wait_for_input(&waiting)) {
            ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
            newline = n > 0 && chunk[n - 1] == '\n';
            if (n > 0) gr_buffer_put(out, chunk, (size_t)n - newline);
            else if (out->size == had) line = GR_LINE_END;
            else newline = true;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return line;
}

static bool is_incomplete(const gr_edit *edit, const gr_buffer *text) {
    return edit->hooks.incomplete && text->size &&
           edit->hooks.incomplete(edit->hooks.user, text->text, text->size);
}

static gr_line read_plain(gr_edit *edit, const char *prompt, gr_buffer *out) {
    bool terminal = edit->options.terminal;
    for (bool further = false;; further = true) {
        if (terminal) fputs(further ? edit->options.more : prompt, stdout);
        fflush(stdout);
        gr_line line = terminal ? read_typed_line(edit, out) : read_line(out);
        if (line == GR_LINE_INTERRUPTED && terminal) puts(""); /* behind the terminal's own ^C */
        /* what the end has cut off is still to be run, to be told what it lacks */
        if (line == GR_LINE_END && further) {
            if (terminal) puts("");
            return GR_LINE_READ;
        }
        if (line != GR_LINE_READ) return line;
        if (!is_incomplete(edit, out) && (terminal || !gr_statement_goes_on(out))) return line;
        gr_buffer_puts(out, "\n");
    }
}

/* ---- either ----------------------------------------------------------------------------------- */

gr_line gr_edit_read(gr_edit *edit, const char *prompt, gr_buffer *out) {
    gr_buffer_clear(out);
    return edit->live ? gr_live_read(edit, prompt, out) : read_plain(edit, prompt, out);
}

void gr_edit_remember(gr_edit *edit, const char *statement) {
    if (edit->live && *statement) gr_live_remember(edit, statement);
}

void gr_edit_prefill(gr_edit *edit, const char *text) {
    gr_buffer_clear(&edit->prefill);
    gr_buffer_puts(&edit->prefill, text);
}

void gr_edit_set_color(gr_edit *edit, bool color) { edit->options.color = color; }

bool gr_edit_is_live(const gr_edit *edit) { return edit->live; }
bool gr_edit_is_terminal(const gr_edit *edit) { return edit->options.terminal; }
