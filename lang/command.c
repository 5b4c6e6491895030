/* SPDX-License-Identifier: MIT */
/*
 * The commands of the prompt (command.h). Each prints its answer on standard output and what failed on
 * standard error; none of them ends the session but :quit. Questions about names are answered in
 * repl_ask.c; undoing and saving a session are not done here.
 */
#include "command.h"

#include "files.h"
#include "format.h"
#include "help.h"
#include "suggest.h"
#include "top.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *skip_blanks(const char *p) { return p + strspn(p, " \t\r\n"); }

static void show(const gr_session *s, gr_buffer *text) {
    if (text->text && text->size) fwrite(text->text, 1, text->size, stdout);
    gr_buffer_free(text);
    gr_host_report(s->host);
}

/* ---- files ------------------------------------------------------------------------------------ */

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
    char *copy = ad_mem_get(ctx, strlen(path) + 1);
    if (!copy) return NULL;
    strcpy(copy, path);
    s->loaded[s->loaded_count] = (gr_loaded){.path = copy};
    return &s->loaded[s->loaded_count++];
}

/* All of the file, or nothing of it. */
static bool run_file(gr_session *s, const char *path) {
    gr_vm *vm = s->host->vm;
    gr_top before;
    if (!gr_top_save(vm, &before)) {
        fputs("error: there is not enough memory\n", stderr);
        return false;
    }
    gr_status status = gr_run_file(vm, path, 0);
    if (status == GR_OK || status == GR_EXITED) gr_top_keep(vm, &before);
    else gr_top_restore(vm, &before);
    s->leave = status == GR_EXITED;
    gr_host_report(s->host);
    if (status != GR_OK && status != GR_EXITED) puts("All variables are as they were before.");
    return status == GR_OK;
}

static void load_file(gr_session *s, const char *path) {
    uint64_t content = content_of(s, path);
    bool ok = run_file(s, path);
    gr_loaded *file = content ? remember(s, path) : NULL;
    /* what failed counts as changed */
    if (file) file->content = ok ? content : 0;
}

static void run_load(gr_session *s, const char *path) {
    if (*path) load_file(s, path);
    else puts("`:load file` runs a file; `:reload` runs it again when it has changed.");
}

static void run_reload(gr_session *s, const char *rest) {
    uint32_t changed = 0;
    (void)rest;
    for (uint32_t i = 0; i < s->loaded_count && !s->leave; i++) {
        const gr_loaded *file = &s->loaded[i];
        uint64_t content = content_of(s, file->path);
        if (content && content == file->content) continue;
        printf("%s\n", file->path);
        if (changed++ == 0) gr_forget_imports(s->host->vm);
        load_file(s, file->path);
    }
    if (!s->loaded_count) puts("Nothing has been loaded: `:load file` does.");
    else if (!changed) puts("No loaded file has changed.");
}

/* ---- the cost of an expression ---------------------------------------------------------------- */

enum { PATIENCE_MS = 200 };

static void put_scaled(gr_buffer *out, double x, double base, const char *const *units) {
    while (units[1] && x >= base) {
        x /= base;
        units++;
    }
    gr_buffer_printf(out, "%.3g %s", x, *units);
}

static void put_cost(gr_buffer *out, const gr_cost *cost) {
    static const char *const times[] = {"ns", "µs", "ms", "s", NULL};
    static const char *const sizes[] = {"B", "kB", "MB", "GB", NULL};
    put_scaled(out, cost->seconds * 1e9, 999.5, times);
    if (cost->runs > 1) gr_buffer_printf(out, ", the mean of %u runs", cost->runs);
    gr_buffer_puts(out, "; memory ");
    put_scaled(out, (double)cost->bytes, 999.5, sizes);
    gr_buffer_printf(out, "; %llu tape %s\n", (unsigned long long)cost->entries,
                     cost->entries == 1 ? "entry" : "entries");
}

static void run_time(gr_session *s, const char *text) {
    gr_cost cost;
    gr_buffer out;
    if (!*text) {
        puts("`:time expression` tells how long it takes, the memory and the entries of the tape.");
        return;
    }
    gr_buffer_init(&out, s->host->ctx);
    gr_status status = gr_run_cost(s->host->vm, "<time>", text, strlen(text), 1e-3 * PATIENCE_MS, &cost);
    if (status == GR_OK) put_cost(&out, &cost);
    s->leave = status == GR_EXITED;
    show(s, &out);
}

/* ---- variables -------------------------------------------------------------------------------- */

typedef struct listing {
    const gr_session *session;
    gr_buffer *out;
    size_t width; /* of the longest name */
    uint32_t count;
} listing;

static void widen(void *user, const gr_name *name, gr_value v) {
    listing *l = user;
    size_t width = gr_text_width(name->text, name->length);
    (void)v;
    if (width > l->width) l->width = width;
    l->count++;
}

static bool is_brief(gr_value v) {
    return v.kind == AD_NUMBER || v.kind == AD_BOOL || v.kind == GR_STRING;
}

static void put_variable(void *user, const gr_name *name, gr_value v) {
    listing *l = user;
    gr_vm *vm = l->session->host->vm;
    size_t room = gr_vm_screen(vm).width, width = gr_text_width(name->text, name->length);
    gr_buffer line;
    gr_buffer_init(&line, l->session->host->ctx);
    gr_buffer_printf(&line, "%s%*s  ", name->text, (int)(l->width - width), "");
    gr_help_kind(vm, &line, v);
    if (is_brief(v)) {
        gr_buffer_puts(&line, ": ");
        gr_format_brief(vm, &line, v, 40);
    }
    if (line.text) gr_put_cut(l->out, line.text, line.size, room > 1 ? room - 1 : room);
    gr_buffer_puts(l->out, "\n");
    gr_buffer_free(&line);
}

static void run_vars(gr_session *s, const char *rest) {
    gr_buffer out;
    listing l = {.session = s, .out = &out};
    (void)rest;
    gr_buffer_init(&out, s->host->ctx);
    gr_each_global(s->host->vm, widen, &l);
    gr_each_global(s->host->vm, put_variable, &l);
    if (!l.count) gr_buffer_puts(&out, "There are no variables.\n");
    show(s, &out);
}

static void run_reset(gr_session *s, const char *rest) {
    (void)rest;
    gr_top_reset(s->host->vm);
    puts("All variables are forgotten.");
}

/* ---- stages ----------------------------------------------------------------------------------- */

static void run_dump(gr_session *s, const char *rest) {
    static const char *const stages[] = {"ast", "code"};
    gr_vm *vm = s->host->vm;
    size_t word = strcspn(rest, " \t\r\n");
    const char *stage = NULL, *text = skip_blanks(rest + word);
    gr_buffer out;
    gr_top before;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strlen(stages[i]) == word && strncmp(rest, stages[i], word) == 0) stage = stages[i];
    if (!stage || !*text) {
        puts("`:dump ast expression` shows its tree, `:dump code expression` its instructions.");
        return;
    }
    gr_buffer_init(&out, s->host->ctx);
    if (gr_top_save(vm, &before)) {
        gr_dump_text(vm, stage, "<dump>", text, strlen(text), &out);
        gr_top_restore(vm, &before);
    }
    show(s, &out);
}

/* Tabulators as blanks to the next eighth column. */
static void put_columns(gr_buffer *out, const gr_buffer *from) {
    size_t column = 0;
    for (size_t i = 0; i < from->size; i++) {
        char c = from->text[i];
        if (c == '\t') {
            gr_buffer_printf(out, "%*s", (int)(8 - column % 8), "");
            column += 8 - column % 8;
            continue;
        }
        gr_buffer_put(out, &c, 1);
        if (c == '\n') column = 0;
        else column += ((unsigned char)c & 0xc0) != 0x80;
    }
}

/* Evaluated as it stands, with nothing of it left behind. */
static void run_tape(gr_session *s, const char *text) {
    gr_vm *vm = s->host->vm;
    gr_buffer list, out;
    gr_top before;
    gr_value v;
    if (!*text) {
        puts("`:tape expression` lists the operations that its derivative goes through.");
        return;
    }
    if (!gr_top_save(vm, &before)) return;
    gr_buffer_init(&list, s->host->ctx);
    gr_buffer_init(&out, s->host->ctx);
    gr_status status = gr_run_text(vm, "<tape>", text, strlen(text), GR_RUN_ANSWER);
    if (status == GR_OK && gr_answer(vm, &v)) gr_dump_tape_of(vm, v, &list);
    put_columns(&out, &list);
    gr_buffer_free(&list);
    if (status == GR_OK && !out.size) gr_buffer_puts(&out, "Nothing of it is tracked.\n");
    gr_top_restore(vm, &before);
    show(s, &out);
}

/* ---- settings --------------------------------------------------------------------------------- */

static void run_set(gr_session *s, const char *rest) {
    static const char *const modes[] = {
        [GR_NAN_WARN] = "warn", [GR_NAN_ERROR] = "error", [GR_NAN_QUIET] = "quiet"};
    size_t word = strcspn(rest, " \t\r\n");
    const char *value = skip_blanks(rest + word);
    if (!*rest || (word == 3 && strncmp(rest, "nan", 3) == 0 && !*value)) {
        printf("nan  %s\n", modes[gr_get_nan(s->host->vm)]);
        return;
    }
    if (word != 3 || strncmp(rest, "nan", 3) != 0) {
        printf("There is no setting `%.*s`; there is `nan`.\n", (int)word, rest);
        return;
    }
    for (int i = GR_NAN_WARN; i <= GR_NAN_QUIET; i++)
        if (strcmp(modes[i], value) == 0) {
            gr_set_nan(s->host->vm, (gr_nan)i);
            return;
        }
    puts("`nan` is warn, error or quiet.");
}

/* ---- the table -------------------------------------------------------------------------------- */

static void run_quit(gr_session *s, const char *rest) {
    (void)rest;
    s->leave = true;
}

static void run_source(gr_session *s, const char *name) { gr_ask_source(s->host, name); }
static void run_type(gr_session *s, const char *text) { gr_ask_type(s->host, text); }
static void run_help(gr_session *s, const char *rest);

/* name, what it takes, words, how it is written, what :help says, function */
#define COMMANDS(X)                                                                                \
    X(":dump", GR_TAKES_WORDS, "ast code", ":dump ast|code x", "the tree or the instructions of x", run_dump) \
    X(":help", GR_TAKES_NOTHING, NULL, ":help", "this list", run_help)                             \
    X(":load", GR_TAKES_FILE, NULL, ":load file", "runs a file, all of it or nothing", run_load)   \
    X(":quit", GR_TAKES_NOTHING, NULL, ":quit", "leaves, as Ctrl-D does", run_quit)                \
    X(":reload", GR_TAKES_NOTHING, NULL, ":reload", "runs loaded files again that have changed", run_reload) \
    X(":reset", GR_TAKES_NOTHING, NULL, ":reset", "forgets all variables", run_reset)              \
    X(":set", GR_TAKES_WORDS, "nan", ":set nan x", "what inf and nan do: warn, error or quiet", run_set) \
    X(":source", GR_TAKES_NAME, NULL, ":source name", "the source of a function", run_source)      \
    X(":tape", GR_TAKES_EXPRESSION, NULL, ":tape x", "the operations behind x", run_tape)          \
    X(":time", GR_TAKES_EXPRESSION, NULL, ":time x", "time, memory and tape entries", run_time)    \
    X(":type", GR_TAKES_EXPRESSION, NULL, ":type x", "kind, shape and dtype, and what is tracked", run_type) \
    X(":vars", GR_TAKES_NOTHING, NULL, ":vars", "the variables and what they are", run_vars)

const gr_command_row gr_command_rows[] = {
#define ROW(name, takes, words, usage, help, run) {name, takes, words},
    COMMANDS(ROW)
#undef ROW
    {"?", GR_TAKES_NAME, NULL},
    {"??", GR_TAKES_NOTHING, NULL},
    {0, GR_TAKES_NOTHING, NULL}};

typedef struct action {
    const char *name, *usage, *help;
    void (*run)(gr_session *s, const char *rest);
} action;

static const action actions[] = {
#define ACTION(name, takes, words, usage, help, run) {name, usage, help, run},
    COMMANDS(ACTION)
#undef ACTION
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void run_help(gr_session *s, const char *rest) {
    (void)s;
    (void)rest;
    puts("Statements are run as they are typed; the value of an expression is shown.\n"
         "  ans               the last value; a line that begins with |> goes on from it\n"
         "  ;                 at the end of a line: the value is not shown\n"
         "  ?name             what a function, a keyword or a sign does; ??words searches");
    for (size_t i = 0; i < ACTIONS; i++) printf("  %-17s %s\n", actions[i].usage, actions[i].help);
    puts("Ctrl-C stops what is running.");
}

static void run_unknown(const char *word, size_t size) {
    gr_suggestion near = gr_suggest_begin(word, size);
    for (size_t i = 0; i < ACTIONS; i++)
        gr_suggest_offer(&near, actions[i].name, strlen(actions[i].name));
    printf("There is no command `%.*s`.", (int)size, word);
    if (near.best) printf(" The nearest is `%s`.", near.best);
    puts("");
}

bool gr_run_command(gr_session *s, const char *line) {
    char rest[4096];
    line = skip_blanks(line);
    if (gr_ask(s->host, line)) return true;
    if (*line == '?') {
        run_help(s, "");
        return true;
    }
    if (*line != ':') return false;
    size_t word = strcspn(line, " \t\r\n");
    const char *argument = skip_blanks(line + word);
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
            (quit && actions[i].run == run_quit)) {
            actions[i].run(s, rest);
            return true;
        }
    run_unknown(line, word);
    return true;
}

void gr_session_open(gr_session *s, gr_host *host) { *s = (gr_session){.host = host}; }

void gr_session_close(gr_session *s) {
    ad_ctx *ctx = s->host->ctx;
    for (uint32_t i = 0; i < s->loaded_count; i++)
        ad_mem_put(ctx, s->loaded[i].path, strlen(s->loaded[i].path) + 1);
    if (s->loaded) ad_mem_put(ctx, s->loaded, s->loaded_room * sizeof *s->loaded);
}
