/* SPDX-License-Identifier: MIT */
/*
 * Lines for the prompt: readline on a terminal, plain reads elsewhere or where it was left out. Only
 * this room sees readline. Its callback interface is used, since a blocking readline() does not come
 * back from Ctrl-C; the callback has no user data, so what it delivers is kept in this file.
 */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- plain ------------------------------------------------------------------------------------ */

static gr_line read_plain(gr_buffer *out) {
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

#ifdef HAVE_READLINE

#include <readline/history.h>
#include <readline/readline.h>

static struct {
    bool editing, delivered;
    char *line; /* NULL: end of input */
    char history[1024];
} state;

/* ---- history ---------------------------------------------------------------------------------- */

/* $XDG_STATE_HOME/gradus/history; the folders are made if need be. */
static void find_history(void) {
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char folder[900];
    if (base && *base) snprintf(folder, sizeof folder, "%s", base);
    else if (home && *home) snprintf(folder, sizeof folder, "%s/.local/state", home);
    else return;
    for (char *p = folder + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(folder, 0700);
        *p = '/';
    }
    mkdir(folder, 0700);
    size_t n = strlen(folder);
    snprintf(folder + n, sizeof folder - n, "/gradus");
    mkdir(folder, 0700);
    snprintf(state.history, sizeof state.history, "%s/history", folder);
}

void gr_lines_open(ad_ctx *ctx, bool terminal) {
    (void)ctx;
    state.editing = terminal;
    if (!terminal) return;
    rl_readline_name = "gradus";
    rl_catch_signals = 0;
    rl_attempted_completion_over = 1;
    rl_bind_key('\t', rl_insert);
    find_history();
    using_history();
    history_multiline_entries = 1;
    history_write_timestamps = 1; /* so that entries of several lines are read as one */
    history_comment_char = '#';
    if (state.history[0]) read_history(state.history);
}

void gr_lines_remember(const char *statement) {
    if (state.editing && *statement) add_history(statement);
}

void gr_lines_close(void) {
    if (!state.editing) return;
    if (state.history[0]) {
        stifle_history(10000);
        write_history(state.history);
    }
    clear_history();
    state.editing = false;
}

/* ---- editing ---------------------------------------------------------------------------------- */

static void deliver(char *line) {
    rl_callback_handler_remove();
    state.line = line;
    state.delivered = true;
}

static bool wait_for_key(ad_ctx *ctx) {
    fd_set in;
    FD_ZERO(&in);
    FD_SET(STDIN_FILENO, &in);
    return pselect(STDIN_FILENO + 1, &in, NULL, NULL, NULL, NULL) > 0 && !*ad_interrupt_flag(ctx);
}

static gr_line read_edited(ad_ctx *ctx, const char *prompt, gr_buffer *out) {
    state.delivered = false;
    state.line = NULL;
    rl_callback_handler_install(prompt, deliver);
    while (!state.delivered) {
        if (wait_for_key(ctx)) {
            rl_callback_read_char();
        } else if (*ad_interrupt_flag(ctx)) {
            if (rl_end > 0) gr_buffer_puts(out, " "); /* there was something to be dropped */
            rl_callback_sigcleanup();
            rl_replace_line("", 0);
            rl_callback_handler_remove();
            puts("^C");
            return GR_LINE_INTERRUPTED;
        }
    }
    if (!state.line) return GR_LINE_END;
    gr_buffer_puts(out, state.line);
    free(state.line);
    return GR_LINE_READ;
}

gr_line gr_lines_read(ad_ctx *ctx, const char *prompt, gr_buffer *out) {
    fflush(stdout);
    return state.editing ? read_edited(ctx, prompt, out) : read_plain(out);
}

#else

void gr_lines_open(ad_ctx *ctx, bool terminal) { (void)ctx, (void)terminal; }
void gr_lines_remember(const char *statement) { (void)statement; }
void gr_lines_close(void) {}

gr_line gr_lines_read(ad_ctx *ctx, const char *prompt, gr_buffer *out) {
    (void)ctx;
    if (prompt) fputs(prompt, stdout);
    fflush(stdout);
    return read_plain(out);
}

#endif
