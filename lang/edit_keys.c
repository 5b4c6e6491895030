/* SPDX-License-Identifier: MIT */
/*
 * What keys do that readline does not: Enter, moving in a text of several lines, pasting, completing.
 * They are bound by name before the user's inputrc is read, which can bind them otherwise. Positions
 * are bytes of rl_line_buffer, columns those of the terminal.
 */
#include "edit_private.h"

#ifdef HAVE_READLINE

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

/* ---- places in the text ----------------------------------------------------------------------- */

static int line_begin(int at) {
    while (at > 0 && rl_line_buffer[at - 1] != '\n') at--;
    return at;
}

static int line_end(int at) {
    while (at < rl_end && rl_line_buffer[at] != '\n') at++;
    return at;
}

/* The place in the line from `begin` on that is `columns` from its beginning, or its end. */
static int at_column(int begin, unsigned columns) {
    int end = line_end(begin), at = begin;
    while (at < end) {
        int next = at + 1;
        while (next < end && ((unsigned char)rl_line_buffer[next] & 0xc0) == 0x80) next++;
        if (gr_text_columns(rl_line_buffer + begin, (size_t)(next - begin)) > columns) break;
        at = next;
    }
    return at;
}

static unsigned column_of(int at) {
    int begin = line_begin(at);
    return gr_text_columns(rl_line_buffer + begin, (size_t)(at - begin));
}

static bool is_blank_before(int at) {
    for (int i = line_begin(at); i < at; i++)
        if (rl_line_buffer[i] != ' ') return false;
    return true;
}

/* ---- Enter ------------------------------------------------------------------------------------ */

static bool keys_wait(void) {
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&in, 1, 0) > 0;
}

/* Indents, unless the text comes faster than anybody types: it brings its own blanks then. */
static int new_line(int count, int key) {
    (void)count, (void)key;
    gr_edit *edit = gr_live_editor();
    bool pasted = keys_wait();
    unsigned blanks = 0;
    if (!pasted && edit->hooks.indentation)
        blanks = edit->hooks.indentation(edit->hooks.user, rl_line_buffer, (size_t)rl_point);
    rl_begin_undo_group();
    rl_insert_text("\n");
    for (unsigned i = 0; i < blanks; i++) rl_insert_text(" ");
    rl_end_undo_group();
    return 0;
}

static int enter(int count, int key) {
    gr_edit *edit = gr_live_editor();
    const gr_edit_hooks *hooks = &edit->hooks;
    if (hooks->incomplete && hooks->incomplete(hooks->user, rl_line_buffer, (size_t)rl_end))
        return new_line(count, key);
    rl_point = rl_end;
    gr_live_finish(edit);
    return rl_newline(count, key);
}

/* A closing bracket that begins a line goes back to where the line with its partner begins. */
static int close_bracket(int count, int key) {
    int begin = line_begin(rl_point);
    gr_edit *edit = gr_live_editor();
    if (begin > 0 && is_blank_before(rl_point) && !keys_wait() && edit->hooks.indentation) {
        unsigned inside =
            edit->hooks.indentation(edit->hooks.user, rl_line_buffer, (size_t)begin - 1);
        int wanted = inside >= 2 ? (int)inside - 2 : 0, there = rl_point - begin;
        if (there > wanted) rl_delete_text(begin + wanted, rl_point);
        if (there > wanted) rl_point = begin + wanted;
    }
    return rl_insert(count, key);
}

/* ---- moving ----------------------------------------------------------------------------------- */

/* A row up in the text, else back in the history. */
static int up(int count, int key) {
    int begin = line_begin(rl_point);
    if (begin == 0) return rl_get_previous_history(count, key);
    rl_point = at_column(line_begin(begin - 1), column_of(rl_point));
    return 0;
}

static int down(int count, int key) {
    int end = line_end(rl_point);
    bool newest = where_history() >= history_length; /* where nothing follows, the text stays */
    if (end == rl_end) return newest ? rl_ding() : rl_get_next_history(count, key);
    rl_point = at_column(end + 1, column_of(rl_point));
    return 0;
}

static int to_line_begin(int count, int key) {
    (void)count, (void)key;
    rl_point = line_begin(rl_point);
    return 0;
}

static int to_line_end(int count, int key) {
    (void)count, (void)key;
    rl_point = line_end(rl_point);
    return 0;
}

static int kill_to_line_end(int count, int key) {
    (void)count, (void)key;
    int end = line_end(rl_point);
    return rl_kill_text(rl_point, end == rl_point && end < rl_end ? end + 1 : end);
}

static int kill_to_line_begin(int count, int key) {
    (void)count, (void)key;
    int begin = line_begin(rl_point);
    rl_kill_text(rl_point, begin);
    rl_point = begin;
    return 0;
}

static int clear(int count, int key) {
    (void)count, (void)key;
    gr_edit *edit = gr_live_editor();
    gr_buffer_puts(&edit->out, "\033[H\033[2J");
    gr_display_forget(&edit->screen);
    gr_live_draw(edit);
    return 0;
}

/* ---- pasting ---------------------------------------------------------------------------------- */

static const char paste_end[] = "\033[201~";

static int paste_begins(int count, int key) {
    (void)count, (void)key;
    gr_edit *edit = gr_live_editor();
    edit->pasting = true;
    gr_buffer_clear(&edit->paste);
    return 0;
}

/* Line ends become \n; other control characters, which nobody meant, go. */
static void clean(gr_buffer *text) {
    size_t n = 0;
    for (size_t i = 0; i < text->size; i++) {
        char c = text->text[i];
        if (c == '\r') {
            if (i + 1 < text->size && text->text[i + 1] == '\n') continue;
            c = '\n';
        }
        if (((unsigned char)c < 32 && c != '\n' && c != '\t') || c == 127) continue;
        text->text[n++] = c;
    }
    text->size = n;
    if (text->text) text->text[n] = '\0';
}

/* What ends with a newline, and is whole, runs as if that had been typed. */
static void insert_paste(gr_edit *edit) {
    gr_buffer *text = &edit->paste;
    clean(text);
    bool runs = text->size > 0 && text->text[text->size - 1] == '\n' && rl_point == rl_end;
    while (runs && text->size > 0 && text->text[text->size - 1] == '\n')
        text->text[--text->size] = '\0';
    if (text->size) rl_insert_text(text->text);
    gr_buffer_clear(text);
    if (runs) rl_stuff_char('\r');
    if (runs) rl_callback_read_char();
    else gr_live_draw(edit);
}

void gr_take_paste(gr_edit *edit) {
    enum { MARK = sizeof paste_end - 1 };
    char c;
    gr_buffer *text = &edit->paste;
    if (read(STDIN_FILENO, &c, 1) != 1) return;
    gr_buffer_put(text, &c, 1);
    if (text->size < MARK || memcmp(text->text + text->size - MARK, paste_end, MARK) != 0) return;
    text->size -= MARK;
    text->text[text->size] = '\0';
    edit->pasting = false;
    insert_paste(edit);
}

/* ---- completing ------------------------------------------------------------------------------- */

/* How many bytes the candidates have in common at their beginning; whole characters. */
static size_t common_prefix(const gr_completion *c) {
    size_t n = strlen(c->items[0].text);
    for (size_t i = 1; i < c->count; i++) {
        size_t k = 0;
        while (k < n && c->items[i].text[k] == c->items[0].text[k]) k++;
        n = k;
    }
    while (n > 0 && ((unsigned char)c->items[0].text[n] & 0xc0) == 0x80) n--;
    return n;
}

static void replace(size_t begin, const char *text, size_t size, const char *ending) {
    char word[512];
    int n = snprintf(word, sizeof word, "%.*s%s", (int)size, text, ending);
    if (n < 0 || (size_t)n >= sizeof word) return;
    rl_begin_undo_group();
    rl_delete_text((int)begin, rl_point);
    rl_point = (int)begin;
    rl_insert_text(word);
    rl_end_undo_group();
}

enum { MOST_LISTED = 120 };

/* In columns, read downwards. */
static void list(const gr_completion *c, size_t width, gr_buffer *out) {
    size_t shown = c->count < MOST_LISTED ? c->count : MOST_LISTED;
    unsigned widest = 1;
    for (size_t i = 0; i < shown; i++) {
        unsigned columns = gr_text_columns(c->items[i].shown, strlen(c->items[i].shown));
        if (columns > widest) widest = columns;
    }
    size_t across = width / (widest + 2);
    if (across == 0) across = 1;
    size_t rows = (shown + across - 1) / across;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < shown; i += rows) {
            const char *item = c->items[i].shown;
            size_t size = strlen(item);
            gr_buffer_put(out, item, size);
            if (i + rows < shown)
                gr_buffer_fill(out, ' ', widest + 2 - gr_text_columns(item, size));
        }
        gr_buffer_puts(out, "\n");
    }
    if (shown < c->count) gr_buffer_printf(out, "and %zu more\n", c->count - shown);
}

/* Puts in what all candidates agree on; false: that is there already. */
static bool extend(const gr_completion *c) {
    size_t typed = (size_t)rl_point - c->begin, common = common_prefix(c);
    const char *first = c->items[0].text;
    if (c->count == 1) {
        bool closed = *c->ending && rl_line_buffer[rl_point] == *c->ending;
        replace(c->begin, first, strlen(first), closed ? "" : c->ending);
        return true;
    }
    if (common < typed || common == 0) return false;
    if (common == typed && memcmp(rl_line_buffer + c->begin, first, common) == 0) return false;
    replace(c->begin, first, common, "");
    return true;
}

static void apply(gr_edit *edit, const gr_completion *c) {
    gr_buffer text;
    gr_buffer_init(&text, edit->ctx);
    if (c->count && !extend(c)) list(c, edit->screen.width, &text);
    if (c->note) gr_buffer_printf(&text, "%s\n", c->note);
    if (text.size) gr_live_note(edit, text.text, text.size);
    else if (c->count == 0) rl_ding();
    gr_buffer_free(&text);
}

/* At the beginning of a line TAB indents. */
static int complete(int count, int key) {
    (void)count, (void)key;
    gr_edit *edit = gr_live_editor();
    gr_completion c;
    if (is_blank_before(rl_point)) return rl_insert_text("  ") == 0;
    if (!edit->hooks.complete) return 0;
    gr_completion_init(&c, edit->ctx);
    edit->hooks.complete(edit->hooks.user, rl_line_buffer, (size_t)rl_end, (size_t)rl_point, &c);
    apply(edit, &c);
    gr_completion_free(&c);
    return 0;
}

/* ---- bindings --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    rl_command_func_t *run;
    const char *keys[6];
} bindings[] = {
    {"gradus-enter", enter, {"\r", "\n"}},
    {"gradus-new-line", new_line, {"\033\r", "\033\n"}},
    {"gradus-complete", complete, {"\t"}},
    {"gradus-up", up, {"\033[A", "\033OA"}},
    {"gradus-down", down, {"\033[B", "\033OB"}},
    {"gradus-line-begin", to_line_begin, {"\001", "\033[H", "\033OH", "\033[1~"}},
    {"gradus-line-end", to_line_end, {"\005", "\033[F", "\033OF", "\033[4~"}},
    {"gradus-kill-line", kill_to_line_end, {"\013"}},
    {"gradus-kill-line-begin", kill_to_line_begin, {"\025"}},
    {"gradus-clear", clear, {"\014"}},
    {"gradus-close", close_bracket, {")", "]", "}"}},
    {"gradus-paste", paste_begins, {"\033[200~"}},
};

void gr_bind_keys(void) {
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
        rl_add_defun(bindings[i].name, bindings[i].run, -1);
        for (size_t k = 0; k < 6 && bindings[i].keys[k]; k++) {
            const char *keys = bindings[i].keys[k];
            rl_bind_keyseq_in_map(keys, bindings[i].run, emacs_standard_keymap);
            if (keys[0] != '\001' && keys[0] != '\005' && keys[0] != '\013')
                rl_bind_keyseq_in_map(keys, bindings[i].run, vi_insertion_keymap);
        }
    }
    rl_bind_keyseq_in_map("\r", enter, vi_movement_keymap);
    rl_bind_keyseq_in_map("\n", enter, vi_movement_keymap);
}

#endif
