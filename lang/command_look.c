/* SPDX-License-Identifier: MIT */
/*
 * Commands that look at something and leave all as it is: what an expression costs, which variables
 * there are, what the stages make of a text.
 */
#include "command_private.h"

#include "format.h"
#include "help.h"
#include "top.h"

#include <stdio.h>
#include <string.h>

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

void gr_command_time(gr_session *s, const char *text) {
    gr_cost cost;
    gr_buffer out;
    if (!*text) {
        puts("`:time expression` tells how long it takes, the memory and the entries of the tape.");
        return;
    }
    gr_buffer_init(&out, s->host->ctx);
    gr_journal_begin(&s->journal, GR_RECORD_TYPED);
    gr_status status = gr_run_cost(s->host->vm, "<time>", text, strlen(text), 1e-3 * PATIENCE_MS, &cost);
    gr_journal_end(&s->journal, status);
    if (status == GR_OK) put_cost(&out, &cost);
    s->leave = status == GR_EXITED;
    if (s->leave) s->status = gr_exit_status(s->host->vm);
    gr_command_show(s, &out);
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

void gr_command_vars(gr_session *s, const char *rest) {
    gr_buffer out;
    listing l = {.session = s, .out = &out};
    (void)rest;
    gr_buffer_init(&out, s->host->ctx);
    gr_each_global(s->host->vm, widen, &l);
    gr_each_global(s->host->vm, put_variable, &l);
    if (!l.count) gr_buffer_puts(&out, "There are no variables.\n");
    gr_command_show(s, &out);
}

/* ---- stages ----------------------------------------------------------------------------------- */

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

void gr_command_dump(gr_session *s, const char *rest) {
    static const char *const stages[] = {"tokens", "ast", "code", "tape"};
    gr_vm *vm = s->host->vm;
    size_t word = strcspn(rest, " \t\r\n");
    const char *stage = NULL, *text = gr_skip_blanks(rest + word);
    gr_buffer list, out;
    gr_top before;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strlen(stages[i]) == word && strncmp(rest, stages[i], word) == 0) stage = stages[i];
    if (!stage || !*text) {
        puts("`:dump tokens expression` shows its tokens, `:dump ast expression` its tree, `:dump code\n"
             "expression` its instructions, `:dump tape expression` the operations behind it.");
        return;
    }
    if (strcmp(stage, "tape") == 0) {
        gr_command_tape(s, text);
        return;
    }
    gr_buffer_init(&list, s->host->ctx);
    gr_buffer_init(&out, s->host->ctx);
    if (gr_top_save(vm, &before)) {
        gr_dump_text(vm, stage, "<dump>", text, strlen(text), &list);
        gr_top_restore(vm, &before);
    }
    put_columns(&out, &list);
    gr_buffer_free(&list);
    gr_command_show(s, &out);
}

/* Evaluated as it stands, with nothing of it left behind. */
void gr_command_tape(gr_session *s, const char *text) {
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
    gr_command_show(s, &out);
}
