/* SPDX-License-Identifier: MIT */
/*
 * The table of commands (command.h) and who is called for a line. A command prints its answer on
 * standard output and what failed on standard error; none of them ends the session but :quit. What they
 * do is in command_*.c; questions about names are answered in repl_ask.c.
 */
#include "command_private.h"

#include "format.h"
#include "suggest.h"
#include "top.h"

#include <stdio.h>
#include <string.h>

void gr_command_show(gr_session *s, gr_buffer *text) {
    s->failed |= gr_vm_report(s->host->vm)->error_count > 0;
    if (text->text && text->size) fwrite(text->text, 1, text->size, stdout);
    gr_buffer_free(text);
    gr_host_report(s->host);
}

/* ---- the table -------------------------------------------------------------------------------- */

void gr_command_quit(gr_session *s, const char *rest) {
    (void)rest;
    s->leave = true;
}

void gr_command_reset(gr_session *s, const char *rest) {
    (void)rest;
    gr_journal_begin(&s->journal, GR_RECORD_RESET);
    gr_top_reset(s->host->vm);
    gr_journal_end(&s->journal, GR_OK);
    puts("All variables are forgotten.");
}

void gr_command_why(gr_session *s, const char *rest) {
    (void)rest;
    gr_ask_why(s->host);
}

void gr_command_source(gr_session *s, const char *name) { gr_ask_source(s->host, name); }
void gr_command_type(gr_session *s, const char *text) { gr_ask_type(s->host, text); }

const gr_command_row gr_command_rows[] = {
#define GR_COMMAND(name, takes, words, usage, help, run) {name, GR_TAKES_##takes, words},
#include "commands.def"
#undef GR_COMMAND
    {"?", GR_TAKES_NAME, NULL},
    {"??", GR_TAKES_NOTHING, NULL},
    {0, GR_TAKES_NOTHING, NULL}};

typedef struct action {
    const char *name, *usage, *help;
    void (*run)(gr_session *s, const char *rest);
} action;

static const action actions[] = {
#define GR_COMMAND(name, takes, words, usage, help, run) {name, usage, help, gr_command_##run},
#include "commands.def"
#undef GR_COMMAND
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* How it is called, and what it does in a column of its own; in a very narrow window below it. */
static void put_usage(gr_buffer *out, unsigned width, const char *usage, const char *help) {
    enum { COLUMN = 20, LEAST = 16 };
    bool beside = width >= COLUMN + LEAST && strlen(usage) < COLUMN - 2;
    gr_buffer line;
    gr_buffer_init(&line, out->ctx);
    if (!beside) gr_buffer_printf(out, "  %s\n", usage);
    gr_buffer_printf(&line, "%*s%s\n", beside ? COLUMN : 4, "", help);
    size_t begin = out->size;
    if (line.size) gr_put_wrapped(out, line.text, line.size, width);
    if (beside && !out->failed && out->size > begin) memcpy(out->text + begin + 2, usage, strlen(usage));
    gr_buffer_free(&line);
}

void gr_command_help(gr_session *s, const char *rest) {
    static const char *const marks[][2] = {
        {"ans", "the last value; a line that begins with |> goes on from it"},
        {";", "at the end of a line: the value is not shown"},
        {"?name", "what a function, a keyword or a sign does; ??words searches"}};
    unsigned width = gr_vm_screen(s->host->vm).width;
    static const char first[] =
        "Statements are run as they are typed; the value of an expression is shown.\n";
    gr_buffer text;
    (void)rest;
    gr_buffer_init(&text, s->host->ctx);
    gr_put_wrapped(&text, first, sizeof first - 1, width);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        put_usage(&text, width, marks[i][0], marks[i][1]);
    for (size_t i = 0; i < ACTIONS; i++) put_usage(&text, width, actions[i].usage, actions[i].help);
    gr_buffer_puts(&text, "Ctrl-C stops what is running.\n");
    gr_command_show(s, &text);
}

/* What is left out at the end of a name, or the nearest name. */
static void run_unknown(gr_session *s, const char *word, size_t size) {
    if (size == 1 || (size == 2 && word[1] == '?')) {
        gr_command_help(s, "");
        return;
    }
    s->failed = true;
    gr_suggestion near = gr_suggest_begin(word, size);
    for (size_t i = 0; i < ACTIONS; i++)
        gr_suggest_offer(&near, actions[i].name, strlen(actions[i].name));
    for (size_t i = 0; i < ACTIONS && !near.best; i++)
        if (strncmp(actions[i].name, word, size) == 0) near.best = actions[i].name;
    printf("There is no command `%.*s`.", (int)size, word);
    if (near.best) printf(" The nearest is `%s`.", near.best);
    puts("");
}

bool gr_run_command(gr_session *s, const char *line) {
    char rest[4096];
    line = gr_skip_blanks(line);
    s->failed = false;
    if (gr_ask(s->host, line)) return true;
    bool help = strncmp(line, "help", 4) == 0 && !*gr_skip_blanks(line + 4);
    if (*line == '?' || help) {
        gr_command_help(s, "");
        return true;
    }
    if (*line != ':') return false;
    size_t word = strcspn(line, " \t\r\n");
    const char *argument = gr_skip_blanks(line + word);
    size_t size = strlen(argument);
    while (size && strchr(" \t\r\n", argument[size - 1])) size--;
    if (size >= sizeof rest) {
        puts("That is too long for a command.");
        return true;
    }
    memcpy(rest, argument, size);
    rest[size] = 0;
    gr_report_clear(gr_vm_report(s->host->vm));
    bool quit = word == 2 && line[1] == 'q';
    for (size_t i = 0; i < ACTIONS; i++)
        if ((strlen(actions[i].name) == word && strncmp(actions[i].name, line, word) == 0) ||
            (quit && actions[i].run == gr_command_quit)) {
            actions[i].run(s, rest);
            return true;
        }
    run_unknown(s, line, word);
    return true;
}

/* Lines that begin so ask for what came before them. */
static const char *const commands_of_journal[] = {":undo", ":save", ":set undo", NULL};

void gr_session_open(gr_session *s, gr_host *host, gr_edit *edit) {
    *s = (gr_session){.host = host, .edit = edit};
    bool first = host->command->action != GR_DO_FILE; /* nobody waits for what a file says before */
    bool light = !gr_edit_is_terminal(edit) && !gr_edit_awaits(commands_of_journal, first);
    gr_journal_open(&s->journal, host->vm, light);
}

void gr_session_close(gr_session *s) {
    ad_ctx *ctx = s->host->ctx;
    gr_journal_close(&s->journal);
    for (uint32_t i = 0; i < s->loaded_count; i++)
        ad_mem_put(ctx, s->loaded[i].path, strlen(s->loaded[i].path) + 1);
    if (s->loaded) ad_mem_put(ctx, s->loaded, s->loaded_room * sizeof *s->loaded);
}
