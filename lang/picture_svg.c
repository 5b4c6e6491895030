/* SPDX-License-Identifier: MIT */
/*
 * A picture as a drawing for pages and papers: every dot of braille, every block and every line of a
 * frame becomes a shape, so that it does not depend on a font that has them; the rest is text. A
 * character is 8 units wide and 16 high. Nothing is drawn that the terminal does not show.
 */
#include "format.h"
#include "picture.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { WIDE = 8, HIGH = 16, PLAIN = 0 };

typedef struct drawing {
    gr_buffer *out;
    unsigned color;  /* of 256, or PLAIN */
    size_t column, row;
    gr_buffer text;  /* a run of what is no shape … */
    size_t text_column; /* … that begins here */
} drawing;

/* ---- colours ---------------------------------------------------------------------------------- */

static unsigned channel(unsigned level) { return level ? 55 + 40 * level : 0; }

static void put_color(gr_buffer *out, unsigned c) {
    if (c >= 232) gr_buffer_printf(out, "#%02x%02x%02x", 10 * c - 2312, 10 * c - 2312, 10 * c - 2312);
    else if (c >= 16)
        gr_buffer_printf(out, "#%02x%02x%02x", channel((c - 16) / 36), channel((c - 16) / 6 % 6),
                         channel((c - 16) % 6));
    else gr_buffer_puts(out, "#222");
}

/* ESC [ 38 ; 5 ; N m, or ESC [ 0 m. */
static void set_color(drawing *d, const char *escape, size_t size) {
    static const char set[] = "\033[38;5;";
    bool sets = size > sizeof set && memcmp(escape, set, sizeof set - 1) == 0;
    d->color = sets ? (unsigned)strtoul(escape + sizeof set - 1, NULL, 10) & 255u : PLAIN;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

static void put_braille(drawing *d, unsigned dots) {
    static const uint8_t across[8] = {0, 0, 0, 1, 1, 1, 0, 1}, down[8] = {0, 1, 2, 0, 1, 2, 3, 3};
    gr_buffer_puts(d->out, "<path class=\"d\" stroke=\"");
    put_color(d->out, d->color);
    gr_buffer_puts(d->out, "\" d=\"");
    for (int k = 0; k < 8; k++)
        if (dots >> k & 1)
            gr_buffer_printf(d->out, "M%zu %zuh0", d->column * WIDE + 2 + 4u * across[k],
                             d->row * HIGH + 2 + 4u * down[k]);
    gr_buffer_puts(d->out, "\"/>\n");
}

/* A part of the character, in eighths of its width and halves of its height. */
static void put_block(drawing *d, unsigned x, unsigned y, unsigned w, unsigned h, double opacity) {
    gr_buffer_printf(d->out, "<rect x=\"%zu\" y=\"%zu\" width=\"%u\" height=\"%u\" fill=\"",
                     d->column * WIDE + x, d->row * HIGH + y * 8, w, h * 8);
    put_color(d->out, d->color);
    if (opacity < 1) gr_buffer_printf(d->out, "\" opacity=\"%.2g", opacity);
    gr_buffer_puts(d->out, "\"/>\n");
}

static void put_quadrants(drawing *d, unsigned bits) {
    for (unsigned k = 0; k < 4; k++)
        if (bits >> k & 1) put_block(d, k % 2 * 4, k / 2, 4, 1, 1);
}

static bool put_blocks(drawing *d, utf8proc_int32_t c) {
    /* U+2596 … U+259F as bits: 1 upper left, 2 upper right, 4 lower left, 8 lower right */
    static const uint8_t quadrants[10] = {4, 8, 1, 13, 9, 7, 11, 2, 6, 14};
    if (c == 0x2580) put_block(d, 0, 0, 8, 1, 1);
    else if (c == 0x2584) put_block(d, 0, 1, 8, 1, 1);
    else if (c == 0x2590) put_block(d, 4, 0, 4, 2, 1);
    else if (c >= 0x2588 && c <= 0x258F) put_block(d, 0, 0, (unsigned)(0x2590 - c), 2, 1);
    else if (c >= 0x2591 && c <= 0x2593) put_block(d, 0, 0, 8, 2, 0.25 * (double)(c - 0x2590));
    else if (c >= 0x2596 && c <= 0x259F) put_quadrants(d, quadrants[c - 0x2596]);
    else return false;
    return true;
}

/* Lines of a frame: from the middle of the character to its borders. */
static bool put_frame(drawing *d, utf8proc_int32_t c) {
    static const struct {
        utf8proc_int32_t c;
        const char *path;
    } lines[] = {{0x2500, "m-4 0h8"}, {0x2502, "m0-8v16"}, {0x2524, "m0-8v16m0-8h-4"},
                 {0x2514, "m0-8v8h4"}, {0x252C, "m-4 0h8m-4 0v8"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (lines[i].c != c) continue;
        gr_buffer_printf(d->out, "<path class=\"f\" d=\"M%zu %zu%s\"/>\n", d->column * WIDE + 4,
                         d->row * HIGH + 8, lines[i].path);
        return true;
    }
    return false;
}

static bool put_shape(drawing *d, utf8proc_int32_t c) {
    if (c >= 0x2800 && c <= 0x28FF) put_braille(d, (unsigned)(c - 0x2800));
    else return put_blocks(d, c) || put_frame(d, c);
    return true;
}

/* ---- text ------------------------------------------------------------------------------------- */

static void end_text(drawing *d) {
    size_t n = d->text.size ? gr_text_width(d->text.text, d->text.size) : 0;
    if (n > 0) {
        gr_buffer_printf(d->out, "<text x=\"%zu\" y=\"%zu\" textLength=\"%zu\" fill=\"",
                         d->text_column * WIDE, d->row * HIGH + 12, n * WIDE);
        put_color(d->out, d->color);
        gr_buffer_puts(d->out, "\">");
        for (size_t i = 0; i < d->text.size; i++) {
            char c = d->text.text[i];
            if (c == '<') gr_buffer_puts(d->out, "&lt;");
            else if (c == '&') gr_buffer_puts(d->out, "&amp;");
            else gr_buffer_put(d->out, &c, 1);
        }
        gr_buffer_puts(d->out, "</text>\n");
    }
    gr_buffer_clear(&d->text);
}

static void put_character(drawing *d, const char *bytes, size_t n, utf8proc_int32_t c) {
    if (c == ' ') {
        end_text(d);
    } else if (put_shape(d, c)) {
        end_text(d);
    } else {
        if (d->text.size == 0) d->text_column = d->column;
        gr_buffer_put(&d->text, bytes, n);
    }
    d->column += gr_text_width(bytes, n);
}

static void put_line(drawing *d, const char *line, size_t size) {
    d->column = 0;
    for (size_t i = 0; i < size;) {
        size_t n = gr_escape_length(line + i, size - i);
        if (n > 0) {
            end_text(d);
            set_color(d, line + i, n);
        } else {
            utf8proc_int32_t c = 0;
            utf8proc_ssize_t m = utf8proc_iterate((const utf8proc_uint8_t *)line + i,
                                                  (utf8proc_ssize_t)(size - i), &c);
            n = m > 0 ? (size_t)m : 1;
            if (m > 0) put_character(d, line + i, n, c);
        }
        i += n;
    }
    end_text(d);
}

void gr_picture_svg(gr_buffer *out, const gr_picture *p) {
    drawing d = {.out = out};
    gr_buffer_init(&d.text, out->ctx);
    size_t width = p->width * WIDE, height = p->height * HIGH;
    gr_buffer_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
                     "viewBox=\"0 0 %zu %zu\">\n<style>text{font:13px monospace;white-space:pre}"
                     ".d{stroke-width:3;stroke-linecap:round}.f{stroke:#888;fill:none}</style>\n"
                     "<rect width=\"%zu\" height=\"%zu\" fill=\"#fff\"/>\n",
                     width, height, width, height, width, height);
    for (size_t at = 0; at <= p->size; d.row++) {
        const char *end = memchr(p->text + at, '\n', p->size - at);
        size_t n = end ? (size_t)(end - p->text) - at : p->size - at;
        put_line(&d, p->text + at, n);
        at += n + 1;
    }
    gr_buffer_puts(out, "</svg>\n");
    out->failed |= d.text.failed;
    gr_buffer_free(&d.text);
}
