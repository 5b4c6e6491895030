/* SPDX-License-Identifier: MIT */
/* Questions at the prompt: ?name, help name, ??words, why, :source name, :type expression. */
#include "format.h"
#include "help.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

/* What follows a word and a blank; NULL: the line does not begin with it. */
static const char *behind(const char *line, const char *word) {
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0 || !strchr(" \t\r\n", line[n])) return NULL;
    return gr_skip_blanks(line + n);
}

/* `help name`, but not `help = 1` or `help |> print`: behind it stands nothing but a name. */
static const char *help_word(const char *line) {
    const char *name = behind(line, "help");
    size_t n = 0;
    if (!name || !*name) return NULL;
    while (name[n] && !strchr(" \t\r\n()=,;:+*/@^%<>|&[{\"", name[n])) n++;
    return n > 0 && !*gr_skip_blanks(name + n) ? name : NULL;
}

/* Does a signature, or prose, go on in the next line? Both are filled in the source. */
static bool goes_on(const char *line, size_t size, const char *next) {
    enum { FILLED = 72 };
    if (size > 0 && line[size - 1] == ',' && *next == ' ') return true;
    if (gr_text_width(line, size) < FILLED || line[0] == ' ' || strncmp(line, "fn ", 3) == 0) return false;
    const char *mark = strstr(next, "; `:source ");
    bool place = *next == '(' && mark && mark < next + strcspn(next, "\n");
    return *next && *next != ' ' && *next != '\n' && !place && strncmp(next, "Formula:", 8) != 0;
}

/* In a window where they would be broken the lines of a paragraph are joined first. */
static void join(gr_buffer *out, const gr_buffer *text, size_t width) {
    bool joined = false;
    for (const char *p = text->text, *end; *p; p = end + (*end == '\n')) {
        if (joined) p += strspn(p, " ");
        end = p + strcspn(p, "\n");
        size_t size = (size_t)(end - p);
        joined = *end && (joined || gr_text_width(p, size) > width) && goes_on(p, size, end + 1);
        gr_buffer_put(out, p, size);
        if (*end) gr_buffer_puts(out, joined ? " " : "\n");
    }
}

/* Lines end between words where the window is narrow. */
static void wrap(gr_host *host, gr_buffer *text) {
    unsigned width = gr_vm_screen(host->vm).width;
    gr_buffer joined, wrapped;
    gr_buffer_init(&joined, host->ctx);
    gr_buffer_init(&wrapped, host->ctx);
    if (text->size) join(&joined, text, width);
    if (joined.size) gr_put_wrapped(&wrapped, joined.text, joined.size, width);
    gr_buffer_free(&joined);
    gr_buffer_free(text);
    *text = wrapped;
}

static void answer(gr_host *host, gr_buffer *text) {
    if (text->text && text->size) fwrite(text->text, 1, text->size, stdout);
    gr_buffer_free(text);
    gr_host_report(host);
}

void gr_ask_source(gr_host *host, const char *name) {
    gr_buffer out;
    gr_buffer_init(&out, host->ctx);
    if (*name) gr_help_source(host->vm, &out, name, strlen(name));
    else gr_buffer_puts(&out, "`:source name` shows the source of a function.\n");
    answer(host, &out);
}

void gr_ask_type(gr_host *host, const char *expression) {
    gr_buffer out;
    gr_buffer_init(&out, host->ctx);
    if (*expression) gr_help_type(host->vm, &out, expression, strlen(expression));
    else gr_buffer_puts(&out, "`:type expression` tells kind, shape, dtype and what is tracked.\n");
    answer(host, &out);
}

void gr_ask_why(const gr_host *host) {
    if (host->why.size) fwrite(host->why.text, 1, host->why.size, stdout);
    else puts("There was no error yet. After one, `why` tells more of it.");
}

/* The word alone, unless it is a variable of the user's: then `:why` asks. */
static bool asks_why(gr_host *host, const char *line) {
    gr_value own;
    bool word = strncmp(line, "why", 3) == 0 && !*gr_skip_blanks(line + 3);
    return word && !gr_get_global(host->vm, "why", &own);
}

bool gr_ask(gr_host *host, const char *line) {
    gr_buffer text;
    const char *rest;
    line = gr_skip_blanks(line);
    if (asks_why(host, line)) {
        gr_ask_why(host);
        return true;
    }
    gr_buffer_init(&text, host->ctx);
    gr_report_clear(gr_vm_report(host->vm));
    if (line[0] == '?' && line[1] == '?') {
        rest = gr_skip_blanks(line + 2);
        if (!*rest) gr_buffer_puts(&text, "`??words` searches names and documentation.\n");
        else
            gr_help_search(host->vm, &text, rest, strcspn(rest, "\r\n"),
                           gr_vm_screen(host->vm).width);
    } else if (line[0] == '?' && *gr_skip_blanks(line + 1)) {
        gr_help_name(host->vm, &text, line + 1, strlen(line + 1));
        wrap(host, &text);
    } else if ((rest = help_word(line))) {
        gr_help_name(host->vm, &text, rest, strlen(rest));
        wrap(host, &text);
    } else {
        return false;
    }
    answer(host, &text);
    return true;
}
