/* SPDX-License-Identifier: MIT */
/*
 * The editor on readline, which knows the keys, the user's inputrc, undo, the kill ring and the search
 * in the history; the display is edit_display.c, through rl_redisplay_function.
 *
 * Its callback interface is used, since a blocking readline() does not come back from Ctrl-C. The
 * signals that matter are blocked but while pselect waits, so that none is missed between a look at
 * a flag and the wait. The callbacks have no user data, hence the one pointer of this file.
 */
#include "edit_private.h"

#include <langinfo.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef HAVE_READLINE

#include <readline/history.h>
#include <readline/readline.h>

static gr_edit *editor;
static volatile sig_atomic_t resized, continued;
static struct sigaction before_resize, before_continue;

gr_edit *gr_live_editor(void) { return editor; }

static void on_resize(int signal) {
    (void)signal;
    resized = 1;
}
static void on_continue(int signal) {
    (void)signal;
    continued = 1;
}

/* ---- display ---------------------------------------------------------------------------------- */

static void flush_out(gr_edit *edit) {
    if (edit->out.size) fwrite(edit->out.text, 1, edit->out.size, stdout);
    fflush(stdout);
    gr_buffer_clear(&edit->out);
}

static void get_size(unsigned *width, unsigned *height) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *width = known && size.ws_col ? size.ws_col : 80;
    *height = known && size.ws_row ? size.ws_row : 24;
}

/* Longer texts are shown without colours, hint and checks. */
enum { MOST_PAINTED = 1 << 16, MOST_HINTED = 1 << 13 };

static void add_hint(gr_edit *edit, gr_drawing *frame) {
    bool at_end = frame->cursor == frame->size && frame->size > 0 && frame->size < MOST_HINTED;
    gr_buffer_clear(&edit->hint);
    if (edit->quiet || !at_end || !edit->hooks.hint || RL_ISSTATE(RL_STATE_ISEARCH)) return;
    frame->conflict = edit->hooks.hint(edit->hooks.user, frame->text, frame->size, &edit->hint);
    frame->hint = edit->hint.size ? edit->hint.text : NULL;
}

static uint8_t *paint(gr_edit *edit, const gr_drawing *frame) {
    bool wanted = edit->options.color && edit->hooks.paint && frame->size > 0 &&
                  frame->size < MOST_PAINTED;
    uint8_t *classes = wanted ? ad_mem_get(edit->ctx, frame->size) : NULL;
    if (!classes) return NULL;
    memset(classes, GR_PAINT_PLAIN, frame->size);
    /* a statement that is done has no cursor to look for a bracket at */
    size_t cursor = edit->quiet ? SIZE_MAX : frame->cursor;
    edit->hooks.paint(edit->hooks.user, frame->text, frame->size, cursor, classes);
    return classes;
}

static void show(gr_edit *edit, bool last) {
    gr_drawing frame = {.prompt = rl_display_prompt ? rl_display_prompt : "",
                      .more = edit->options.more,
                      .text = rl_line_buffer,
                      .size = (size_t)rl_end,
                      .cursor = (size_t)rl_point,
                      .color = edit->options.color};
    edit->quiet = last;
    add_hint(edit, &frame);
    uint8_t *classes = paint(edit, &frame);
    frame.classes = classes;
    if (last) gr_display_finish(&edit->screen, &frame, &edit->out);
    else gr_display_draw(&edit->screen, &frame, &edit->out);
    if (classes) ad_mem_put(edit->ctx, classes, frame.size);
    flush_out(edit);
}

static void redisplay(void) { show(editor, false); }

void gr_live_draw(gr_edit *edit) { show(edit, false); }

void gr_live_finish(gr_edit *edit) { show(edit, true); }

void gr_live_note(gr_edit *edit, const char *text, size_t size) {
    show(edit, true);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') gr_buffer_puts(&edit->out, "\r");
        gr_buffer_put(&edit->out, text + i, 1);
    }
    show(edit, false);
}

static void resize(gr_edit *edit) {
    unsigned width, height;
    get_size(&width, &height);
    gr_display_resize(&edit->screen, width, height, &edit->out);
    rl_set_screen_size((int)height, (int)width);
    show(edit, false);
}

/* ---- waiting for keys ------------------------------------------------------------------------- */

static void deliver(char *line) {
    rl_callback_handler_remove();
    editor->line = line;
    editor->delivered = true;
}

/* Ends the statement that is being typed; it is kept in `out`. */
static gr_line drop(gr_edit *edit, gr_buffer *out) {
    gr_buffer_put(out, rl_line_buffer, (size_t)rl_end);
    edit->pasting = false;
    gr_buffer_clear(&edit->paste);
    edit->quiet = true;
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_point = rl_end;
    show(edit, true);
    rl_replace_line("", 1);
    rl_callback_handler_remove();
    return GR_LINE_INTERRUPTED;
}

/* At the end of the input readline would go to a new line by itself. */
static void deprep_terminal(void) {
    rl_eof_found = 0;
    rl_deprep_terminal();
}

/* The shell has set the terminal as it likes it, and readline believes that its own settings hold. */
static void resume(gr_edit *edit) {
    unsigned width, height;
    deprep_terminal();
    rl_prep_terminal(1);
    get_size(&width, &height);
    gr_display_forget(&edit->screen);
    edit->screen.width = width, edit->screen.height = height;
    show(edit, false);
}

static gr_line edit_statement(gr_edit *edit, const sigset_t *waiting, gr_buffer *out) {
    while (!edit->delivered) {
        if (*ad_interrupt_flag(edit->ctx)) return drop(edit, out);
        if (continued) continued = resized = 0, resume(edit);
        if (resized) resized = 0, resize(edit);
        if (!gr_wait_for_input(waiting)) continue;
        if (edit->pasting) gr_take_paste(edit);
        else rl_callback_read_char();
    }
    if (!edit->line) {
        show(edit, true);
        return GR_LINE_END;
    }
    gr_buffer_puts(out, edit->line);
    free(edit->line);
    edit->line = NULL;
    return GR_LINE_READ;
}

static void insert_prefill(gr_edit *edit) {
    if (!edit->prefill.size) return;
    rl_insert_text(edit->prefill.text);
    gr_buffer_clear(&edit->prefill);
    show(edit, false);
}

gr_line gr_live_read(gr_edit *edit, const char *prompt, gr_buffer *out) {
    sigset_t ours, before, waiting;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGWINCH);
    sigaddset(&ours, SIGCONT);
    fflush(stdout);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    waiting = before;
    sigdelset(&waiting, SIGINT);
    sigdelset(&waiting, SIGWINCH);
    sigdelset(&waiting, SIGCONT);
    edit->delivered = edit->quiet = false;
    edit->line = NULL;
    resized = continued = 0;
    get_size(&edit->screen.width, &edit->screen.height);
    gr_display_forget(&edit->screen);
    rl_callback_handler_install(prompt, deliver);
    insert_prefill(edit);
    gr_line line = edit_statement(edit, &waiting, out);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return line;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

static void add_entry(gr_edit *edit, const char *statement) {
    (void)edit;
    add_history(statement);
}

void gr_live_remember(gr_edit *edit, const char *statement) {
    using_history();
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    if (last && strcmp(last->line, statement) == 0) return;
    add_history(statement);
    gr_history_append(edit, statement);
}

static void catch(int number, void (*handler)(int), struct sigaction *before) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, before);
}

/* Programs are UTF-8 whatever the locale says, and so is what readline moves over. */
static void want_utf8(void) {
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

bool gr_live_open(gr_edit *edit) {
    editor = edit;
    want_utf8();
    rl_readline_name = "gradus";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_attempted_completion_over = 1;
    rl_deprep_term_function = deprep_terminal;
    rl_variable_bind("bind-tty-special-chars", "off"); /* Ctrl-U is ours: it goes by lines */
    gr_bind_keys();
    rl_initialize(); /* which turns bracketed paste off where the display is not its own */
    rl_redisplay_function = redisplay;
    using_history();
    gr_history_open(edit, add_entry);
    catch(SIGWINCH, on_resize, &before_resize);
    catch(SIGCONT, on_continue, &before_continue);
    return true;
}

void gr_live_close(gr_edit *edit) {
    (void)edit;
    sigaction(SIGWINCH, &before_resize, NULL);
    sigaction(SIGCONT, &before_continue, NULL);
    clear_history();
    rl_redisplay_function = rl_redisplay;
    editor = NULL;
}

#else

bool gr_live_open(gr_edit *edit) {
    (void)edit;
    return false;
}
void gr_live_close(gr_edit *edit) { (void)edit; }
void gr_live_remember(gr_edit *edit, const char *statement) { (void)edit, (void)statement; }
gr_line gr_live_read(gr_edit *edit, const char *prompt, gr_buffer *out) {
    (void)edit, (void)prompt, (void)out;
    return GR_LINE_END;
}

#endif
