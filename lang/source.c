/* SPDX-License-Identifier: MIT */
/*
 * A source is one block of memory for the struct, its name and its text, and one for the table of
 * line starts. Only "\n" ends a line; a "\r" before it belongs to the line end.
 */
#include "source.h"

#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t count_lines(const char *text, size_t size) {
    uint32_t count = 1;
    const char *end = text + size;
    for (const char *p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++) count++;
    return count;
}

static void fill_lines(uint32_t *lines, const char *text, size_t size) {
    const char *end = text + size;
    *lines++ = 0;
    for (const char *p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
        *lines++ = (uint32_t)(p - text) + 1;
    }
}

static size_t block_size(const gr_source *source) {
    return sizeof(gr_source) + strlen(source->name) + 1 + source->size + 1;
}

gr_source_status gr_source_new(ad_ctx *ctx, const char *name, const char *text, size_t size,
                               gr_source **out) {
    *out = NULL;
    if (size > GR_MAX_SOURCE) return GR_SOURCE_TOO_LARGE;
    size_t name_size = strlen(name) + 1;
    gr_source *source = ad_mem_get(ctx, sizeof(gr_source) + name_size + size + 1);
    if (!source) return GR_SOURCE_NO_MEMORY;
    char *own_name = (char *)(source + 1), *own_text = own_name + name_size;
    memcpy(own_name, name, name_size);
    if (size) memcpy(own_text, text, size);
    own_text[size] = '\0';
    uint32_t line_count = count_lines(own_text, size);
    *source = (gr_source){.ctx = ctx,
                          .name = own_name,
                          .text = own_text,
                          .size = (uint32_t)size,
                          .line_count = line_count};
    uint32_t *lines = ad_mem_get(ctx, line_count * sizeof(uint32_t));
    if (!lines) {
        ad_mem_put(ctx, source, block_size(source));
        return GR_SOURCE_NO_MEMORY;
    }
    fill_lines(lines, own_text, size);
    source->lines = lines;
    *out = source;
    return GR_SOURCE_OK;
}

void gr_source_free(gr_source *source) {
    if (!source) return;
    ad_mem_put(source->ctx, (void *)source->lines, source->line_count * sizeof(uint32_t));
    ad_mem_put(source->ctx, source, block_size(source));
}

static gr_source_status read_all(FILE *file, gr_buffer *text) {
    char piece[16384];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0) {
        gr_buffer_put(text, piece, got);
        if (text->failed) return GR_SOURCE_NO_MEMORY;
        if (text->size > GR_MAX_SOURCE) return GR_SOURCE_TOO_LARGE;
    }
    return ferror(file) ? GR_SOURCE_UNREADABLE : GR_SOURCE_OK;
}

gr_source_status gr_source_read(ad_ctx *ctx, const char *path, gr_source **out) {
    *out = NULL;
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file) return GR_SOURCE_UNREADABLE;
    gr_buffer text;
    gr_buffer_init(&text, ctx);
    gr_source_status status = read_all(file, &text);
    int reason = errno;
    if (!standard) fclose(file);
    if (status == GR_SOURCE_OK) {
        status = gr_source_new(ctx, standard ? "<stdin>" : path, text.text, text.size, out);
    }
    gr_buffer_free(&text);
    errno = reason;
    return status;
}

uint32_t gr_source_line(const gr_source *source, uint32_t offset) {
    uint32_t low = 0, high = source->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return source->lines_before + low + 1;
}

gr_span gr_source_line_span(const gr_source *source, uint32_t line) {
    line = line > source->lines_before ? line - source->lines_before : 1;
    if (line > source->line_count) line = source->line_count;
    gr_span span = {source->lines[line - 1], source->size};
    if (line < source->line_count) span.end = source->lines[line] - 1;
    if (span.end > span.begin && source->text[span.end - 1] == '\r') span.end--;
    return span;
}

gr_position gr_source_position(const gr_source *source, uint32_t offset) {
    if (offset > source->size) offset = source->size;
    gr_position position = {gr_source_line(source, offset), 1};
    uint32_t i = source->lines[position.line - source->lines_before - 1];
    if (i == 0 && source->size >= 3 && !memcmp(source->text, "\xef\xbb\xbf", 3)) i = 3;
    for (; i < offset; i++) {
        if (((unsigned char)source->text[i] & 0xC0) != 0x80) position.column++;
    }
    return position;
}
