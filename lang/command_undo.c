/* SPDX-License-Identifier: MIT */
/* :undo goes one statement back; it says which, and what can no longer be gone back to. */
#include "command_private.h"

#include <stdio.h>
#include <string.h>

/* The first line of what was undone, cut where it is long. */
static void tell_statement(const gr_statement *s) {
    const char *text = s->kind == GR_RECORD_RESET ? ":reset" : s->source->text;
    if (s->kind == GR_RECORD_FILE) {
        printf("Undone: :load %s\n", s->source->name);
        return;
    }
    text = gr_skip_blanks(text);
    size_t line = strcspn(text, "\r\n"), shown = line;
    if (shown > 70) {
        shown = 68;
        while (shown && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
    }
    bool more = shown < line || *gr_skip_blanks(text + line);
    printf("Undone: %.*s%s\n", (int)shown, text, more ? " …" : "");
}

/* Told once: what was forgotten since. */
static void tell_forgotten(gr_journal *j) {
    if (!j->forgotten) return;
    printf("%u older state%s forgotten", j->forgotten, j->forgotten == 1 ? " is" : "s are");
    if (j->over) printf(", %u of them to stay below %zu MB.\n", j->over, gr_undo_bytes(j) / 1000000);
    else printf(": the last %d are kept.\n", GR_MOST_UNDO);
    j->forgotten = j->over = 0;
}

void gr_command_undo(gr_session *s, const char *rest) {
    gr_journal *j = &s->journal;
    gr_statement what;
    (void)rest;
    s->failed = !j->top_count;
    if (gr_journal_undo(j, &what)) {
        tell_statement(&what);
        gr_statement_free(s->host->vm, &what);
        printf("%u statement%s can be undone.\n", j->top_count, j->top_count == 1 ? "" : "s");
    } else if (j->light) {
        puts("Nothing was kept to go back to: in a pipe `:set undo 256M` comes first.");
        gr_journal_keep(j);
    } else if (j->limit) {
        puts("There is nothing to undo.");
    } else {
        puts("Nothing is kept to go back to: `:set undo` is off.");
    }
    tell_forgotten(j);
}
