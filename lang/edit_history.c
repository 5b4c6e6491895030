/* SPDX-License-Identifier: MIT */
/*
 * The history across sessions: $XDG_STATE_HOME/gradus/history, one entry a line, in which a newline is
 * written \n and a backslash \\. Each statement is appended when it has been read, so that nothing is
 * lost and sessions side by side do not overwrite one another. The file is cut to its last entries
 * when it is opened and has grown to twice as many as are kept.
 */
#include "edit_private.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEPT = 5000 };

/* ---- the file --------------------------------------------------------------------------------- */

/* All folders of the path up to its last slash. */
static void make_folders(char *path) {
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
}

static void find_file(gr_edit *edit) {
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    gr_buffer path;
    gr_buffer_init(&path, edit->ctx);
    if (base && *base == '/') gr_buffer_printf(&path, "%s/gradus/history", base);
    else if (home && *home) gr_buffer_printf(&path, "%s/.local/state/gradus/history", home);
    if (path.text && !path.failed) {
        make_folders(path.text);
        edit->history_bytes = path.size + 1;
        edit->history = ad_mem_get(edit->ctx, edit->history_bytes);
        if (edit->history) memcpy(edit->history, path.text, edit->history_bytes);
    }
    gr_buffer_free(&path);
}

static void escape(gr_buffer *out, const char *statement) {
    for (const char *p = statement; *p; p++) {
        if (*p == '\n') gr_buffer_puts(out, "\\n");
        else if (*p == '\\') gr_buffer_puts(out, "\\\\");
        else gr_buffer_put(out, p, 1);
    }
    gr_buffer_puts(out, "\n");
}

static void unescape(gr_buffer *out, const char *line, size_t size) {
    gr_buffer_clear(out);
    for (size_t i = 0; i < size; i++) {
        bool escaped = line[i] == '\\' && i + 1 < size;
        if (escaped) i++;
        gr_buffer_put(out, escaped && line[i] == 'n' ? "\n" : line + i, 1);
    }
}

/* ---- reading it ------------------------------------------------------------------------------- */

static void hand_out(gr_edit *edit, const gr_source *source, uint32_t first,
                     void (*each)(gr_edit *edit, const char *statement)) {
    gr_buffer entry;
    gr_buffer_init(&entry, edit->ctx);
    for (uint32_t line = first; line <= source->line_count; line++) {
        gr_span span = gr_source_line_span(source, line);
        unescape(&entry, source->text + span.begin, span.end - span.begin);
        if (entry.size && !entry.failed && !memchr(entry.text, '\0', entry.size))
            each(edit, entry.text);
    }
    gr_buffer_free(&entry);
}

/* The last entries take the place of all of them, in one step. */
static void cut_file(gr_edit *edit, const gr_source *source, uint32_t first) {
    gr_buffer path;
    gr_buffer_init(&path, edit->ctx);
    gr_buffer_printf(&path, "%s.new", edit->history);
    FILE *file = path.failed ? NULL : fopen(path.text, "w");
    if (file) {
        gr_span span = gr_source_line_span(source, first);
        bool ok = fwrite(source->text + span.begin, 1, source->size - span.begin, file) ==
                  source->size - span.begin;
        if (fclose(file) != 0 || !ok || rename(path.text, edit->history) != 0) remove(path.text);
    }
    gr_buffer_free(&path);
}

void gr_history_open(gr_edit *edit, void (*each)(gr_edit *edit, const char *statement)) {
    gr_source *source = NULL;
    find_file(edit);
    if (!edit->history || gr_source_read(edit->ctx, edit->history, &source) != GR_SOURCE_OK) return;
    uint32_t first = source->line_count > KEPT + 1 ? source->line_count - KEPT : 1;
    hand_out(edit, source, first, each);
    if (source->line_count > 2 * KEPT) cut_file(edit, source, first);
    gr_source_free(source);
}

void gr_history_append(gr_edit *edit, const char *statement) {
    gr_buffer line;
    if (!edit->history) return;
    gr_buffer_init(&line, edit->ctx);
    escape(&line, statement);
    FILE *file = line.failed ? NULL : fopen(edit->history, "a");
    if (file) {
        fwrite(line.text, 1, line.size, file); /* one write: entries of sessions do not mix */
        fclose(file);
        chmod(edit->history, 0600);
    }
    gr_buffer_free(&line);
}

void gr_history_close(gr_edit *edit) {
    if (edit->history) ad_mem_put(edit->ctx, edit->history, edit->history_bytes);
    edit->history = NULL;
}
