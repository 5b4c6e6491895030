/* SPDX-License-Identifier: MIT */
/* Pictures as values, see picture.h: made of finished text, put together, and put out. */
#include "picture.h"

#include "format.h"

#include <string.h>

size_t gr_escape_length(const char *text, size_t size) {
    size_t i = 2;
    if (size < 3 || text[0] != '\033' || text[1] != '[') return 0;
    while (i < size && (text[i] < '@' || text[i] > '~')) i++;
    return i < size ? i + 1 : size;
}

/* Bytes up to the next escape; at least one. */
static size_t plain_length(const char *text, size_t size) {
    const char *next = memchr(text + 1, '\033', size - 1);
    return next ? (size_t)(next - text) : size;
}

static size_t line_length(const char *text, size_t size) {
    const char *end = memchr(text, '\n', size);
    return end ? (size_t)(end - text) : size;
}

/* Of the text between escape sequences. */
static size_t columns_of(const char *line, size_t size) {
    size_t columns = 0;
    for (size_t i = 0; i < size;) {
        size_t escape = gr_escape_length(line + i, size - i), n = escape;
        if (escape == 0) {
            n = plain_length(line + i, size - i);
            columns += gr_text_width(line + i, n);
        }
        i += n;
    }
    return columns;
}

static void measure(gr_picture *p) {
    for (size_t at = 0; at <= p->size;) {
        size_t n = line_length(p->text + at, p->size - at);
        size_t columns = columns_of(p->text + at, n);
        if (columns > p->width) p->width = columns;
        p->height++;
        at += n + 1;
    }
}

gr_value gr_picture_new(gr_vm *vm, const gr_buffer *text) {
    size_t size = text->size;
    if (size > 0 && text->text[size - 1] == '\n') size--;
    gr_picture *p = text->failed ? NULL : gr_object_new(vm, sizeof *p + size, GR_PICTURE);
    if (!p) {
        if (text->failed) gr_raise_memory(vm);
        return gr_absent();
    }
    p->width = p->height = 0;
    p->size = size;
    if (size > 0) memcpy(p->text, text->text, size);
    measure(p);
    return gr_of_kind(GR_PICTURE, p);
}

bool gr_picture_equal(const gr_picture *a, const gr_picture *b) {
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

static void put_line(gr_buffer *out, const char *line, size_t size, bool color) {
    if (color) {
        gr_buffer_put(out, line, size);
        return;
    }
    for (size_t i = 0; i < size;) {
        size_t escape = gr_escape_length(line + i, size - i), n = escape;
        if (escape == 0) {
            n = plain_length(line + i, size - i);
            gr_buffer_put(out, line + i, n);
        }
        i += n;
    }
}

void gr_picture_put(gr_buffer *out, const gr_picture *p, bool color) {
    for (size_t at = 0; at <= p->size;) {
        size_t n = line_length(p->text + at, p->size - at);
        put_line(out, p->text + at, n, color);
        gr_buffer_trim(out);
        at += n + 1;
        if (at <= p->size) gr_buffer_puts(out, "\n");
    }
}

void gr_put_colored(gr_buffer *out, unsigned color, const char *text, size_t size) {
    if (color && size > 0) gr_buffer_printf(out, "\033[38;5;%um", color);
    gr_buffer_put(out, text, size);
    if (color && size > 0) gr_buffer_puts(out, "\033[0m");
}

/* ---- putting together ------------------------------------------------------------------------- */

/* The line of a picture; empty below its end. */
static const char *line_of(const gr_picture *p, size_t line, size_t *size) {
    size_t at = 0;
    for (; line > 0 && at <= p->size; line--) at += line_length(p->text + at, p->size - at) + 1;
    *size = at <= p->size ? line_length(p->text + at, p->size - at) : 0;
    return p->text + (at <= p->size ? at : 0);
}

gr_value gr_picture_beside(gr_vm *vm, size_t count, const gr_value *pictures, unsigned gap) {
    gr_buffer text;
    size_t height = 0, size;
    gr_buffer_init(&text, gr_ctx(vm));
    for (size_t k = 0; k < count; k++) {
        const gr_picture *p = gr_as_picture(pictures[k]);
        if (p->height > height) height = p->height;
    }
    for (size_t i = 0; i < height; i++) {
        size_t missing = 0;
        for (size_t k = 0; k < count; k++) {
            const gr_picture *p = gr_as_picture(pictures[k]);
            const char *line = line_of(p, i, &size);
            gr_buffer_fill(&text, ' ', missing);
            if (size > 0) gr_buffer_put(&text, line, size);
            missing = p->width - columns_of(line, size) + gap;
        }
        gr_buffer_puts(&text, "\n");
    }
    gr_value v = gr_picture_new(vm, &text);
    gr_buffer_free(&text);
    return v;
}

gr_value gr_picture_above(gr_vm *vm, size_t count, const gr_value *pictures) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    for (size_t k = 0; k < count; k++) {
        const gr_picture *p = gr_as_picture(pictures[k]);
        gr_buffer_put(&text, p->text, p->size);
        gr_buffer_puts(&text, "\n");
    }
    gr_value v = gr_picture_new(vm, &text);
    gr_buffer_free(&text);
    return v;
}
