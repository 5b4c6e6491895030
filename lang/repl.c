/* SPDX-License-Identifier: MIT */
/*
 * The prompt. A statement is what the parser takes for one: as long as it says "incomplete" another
 * line is read. Where standard input is no terminal it is a script that is run statement by statement
 * as it comes: no prompts, no echo, and the first error ends it.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct gr_prompt {
    gr_host *host;
    gr_edit *edit;
    gr_assist assist;
    gr_session session;
    gr_buffer statement;
    bool terminal;
    unsigned count; /* statements so far: their names in messages */
    uint32_t line;  /* of a script: where the statement begins, from 1 */
} prompt;

static const char *text_of(const prompt *p) { return p->statement.text ? p->statement.text : ""; }

/* A `;` at the end, comments aside, keeps a value from being shown. */
static bool is_silent(const prompt *p) {
    const char *text = text_of(p), *line = strrchr(text, '\n');
    size_t end = strcspn(line ? line + 1 : text, "#") + (size_t)((line ? line + 1 : text) - text);
    while (end > 0 && strchr(" \t\r\n", text[end - 1])) end--;
    return end > 0 && text[end - 1] == ';';
}

/* ---- statements ------------------------------------------------------------------------------- */

/* Says it once of each: later definitions replace the user's own. `quietly`: what a file has defined. */
static void tell_hidden(const prompt *p, bool quietly) {
    uint32_t at = 0;
    for (const char *name; (name = gr_next_hiding(p->host->vm, &at));)
        if (!quietly) printf("(`%s` is yours now; the prelude's is `prelude.%s`)\n", name, name);
}

/* Runs what has been read; false where the session ends, with its status. What the end of the input
 * has cut off is run all the same, so that it is told what is missing. */
static bool run_statement(prompt *p, int *status, gr_status *ended_as) {
    char name[32];
    unsigned flags = GR_RUN_PROMPT | GR_RUN_ANSWER;
    gr_vm *vm = p->host->vm;
    snprintf(name, sizeof name, p->terminal ? "<prompt %u>" : "<stdin>", p->count + 1);
    uint32_t line = p->terminal ? 1 : p->line;
    bool silent = is_silent(p);
    if (p->terminal) tell_hidden(p, true);
    p->count++;
    gr_status ended = gr_run_lines(vm, name, line, text_of(p), p->statement.size, flags);
    if (ended == GR_INCOMPLETE)
        ended = gr_run_lines(vm, name, line, text_of(p), p->statement.size, GR_RUN_ANSWER);
    if (p->terminal) tell_hidden(p, false);
    if (ended == GR_OK && p->terminal && !silent) gr_host_answer(p->host, true);
    gr_host_report(p->host);
    *status = gr_host_status(p->host, ended);
    *ended_as = ended;
    return ended == GR_OK || (p->terminal && ended != GR_EXITED);
}

static bool run_recorded(prompt *p, int *status) {
    gr_status ended;
    gr_journal_begin(&p->session.journal, GR_RECORD_TYPED);
    bool on = run_statement(p, status, &ended);
    gr_journal_end(&p->session.journal, ended);
    return on;
}

static void count_lines(prompt *p) {
    for (const char *t = text_of(p); (t = strchr(t, '\n')); t++) p->line++;
    p->line++;
}

static int read_statements(prompt *p) {
    int status = 0;
    while (!p->session.leave) {
        gr_host_patience(p->host, false);
        gr_line line = gr_edit_read(p->edit, "> ", &p->statement);
        if (line == GR_LINE_END) return p->terminal ? 0 : status;
        if (line == GR_LINE_INTERRUPTED) {
            *ad_interrupt_flag(p->host->ctx) = 0;
            if (!p->terminal) return 130;
            if (p->statement.size == 0) puts("(Ctrl-D or :quit leaves)");
            continue;
        }
        if (p->terminal && !*gr_skip_blanks(text_of(p))) continue;
        if (p->terminal) gr_edit_remember(p->edit, text_of(p));
        gr_host_patience(p->host, true);
        if (gr_run_command(&p->session, text_of(p))) {
            if (p->session.failed && !p->terminal) return 1;
        } else if (!run_recorded(p, &status)) {
            return status;
        }
        count_lines(p);
    }
    return p->session.status;
}

/* ---- a loop that is held up ------------------------------------------------------------------- */

static const char how_on[] = "(`continue` goes on, `stop` or Ctrl-D ends the loop)";

static bool is_word(const char *text, const char *word) {
    text = gr_skip_blanks(text);
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && !*gr_skip_blanks(text + length);
}

/* A line that was read there; true: it ends the pause. */
static bool do_paused(prompt *p, gr_go *go) {
    const char *text = text_of(p);
    int status;
    gr_status ended;
    *go = is_word(text, "continue") ? GR_GO_ON : GR_GO_STOP;
    if (*go == GR_GO_ON || is_word(text, "stop")) return true;
    if (gr_ask(p->host, text)) return false;
    if (*gr_skip_blanks(text) == ':') {
        puts(how_on);
        return false;
    }
    *go = GR_GO_EXIT;
    gr_journal_touch(&p->session.journal);
    return !run_statement(p, &status, &ended);
}

static gr_go read_paused(prompt *p) {
    for (;;) {
        gr_go go;
        gr_line line = gr_edit_read(p->edit, "paused> ", &p->statement);
        if (line == GR_LINE_END) return GR_GO_STOP;
        if (line == GR_LINE_INTERRUPTED) {
            *ad_interrupt_flag(p->host->ctx) = 0;
            if (p->statement.size == 0) puts(how_on);
            continue;
        }
        if (!*gr_skip_blanks(text_of(p))) continue;
        gr_edit_remember(p->edit, text_of(p));
        if (do_paused(p, &go)) return go;
    }
}

gr_go gr_repl_pause(gr_host *host, const char *where) {
    prompt *p = host->prompt;
    gr_buffer statement = p->statement;
    gr_host_patience(host, false);
    printf("\n%s%s\n", where, how_on); /* behind the terminal's ^C, or a line of progress */
    gr_buffer_init(&p->statement, host->ctx);
    gr_go go = read_paused(p);
    if (go != GR_GO_ON) gr_journal_touch(&p->session.journal);
    gr_buffer_free(&p->statement);
    p->statement = statement;
    gr_host_patience(host, true);
    return go;
}

/* The file of `gradus -i file`; false: that was all. */
static bool run_first(prompt *p, int *status) {
    const gr_command *c = p->host->command;
    if (c->action != GR_DO_FILE) return true;
    gr_journal_begin(&p->session.journal, GR_RECORD_FIRST);
    gr_status ended = gr_run_file(p->host->vm, c->path, 0);
    gr_journal_end(&p->session.journal, ended);
    gr_journal_settle(&p->session.journal);
    gr_host_report(p->host);
    *status = gr_host_status(p->host, ended);
    return ended == GR_OK || ended == GR_FAILED;
}

/* After the banner: what is at the prompt, and what is typed there. */
static int live(prompt *p) {
    if (p->terminal) {
        gr_host_banner(p->host, p->edit);
        gr_journal_begin(&p->session.journal, GR_RECORD_FILE);
        gr_host_init(p->host);
        gr_journal_end(&p->session.journal, GR_OK);
    }
    return read_statements(p);
}

int gr_repl(gr_host *host) {
    prompt p = {.host = host, .line = 1, .terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    p.assist = (gr_assist){.vm = host->vm, .commands = gr_command_rows};
    p.edit = gr_host_editor(host, &p.assist, p.terminal);
    if (!p.edit) return 1;
    gr_session_open(&p.session, host, p.edit);
    host->prompt = &p;
    gr_buffer_init(&p.statement, host->ctx);
    int status = 0;
    if (run_first(&p, &status)) status = live(&p);
    host->prompt = NULL;
    gr_buffer_free(&p.statement);
    gr_session_close(&p.session);
    gr_edit_close(p.edit);
    return status;
}
