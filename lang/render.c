/* SPDX-License-Identifier: MIT */
/*
 * How a diagnostic looks:
 *
 *     error: `**` is not an operator of Gradus
 *      --> square.nn:3:11
 *       |
 *     3 |   let y = x ** 2
 *       |             ^^ powers are written with `^`
 *     help: write `x ^ 2`
 *
 * Lines are cut to a window around what is underlined; columns are counted as a terminal shows
 * them. Whatever a text contains, only printable characters reach the output: control characters
 * and broken UTF-8 become U+FFFD. Nothing is allocated but the output.
 */
#include "diagnostic.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { DEFAULT_WIDTH = 100, LEAST_WIDTH = 20, TAB = 4, MOST_LABELS = 64 };

typedef struct renderer {
    gr_buffer *out;
    bool color;
    unsigned width;
    int gutter; /* digits of the largest line number */
    const char *main_color;
} renderer;

#define RED "\033[1;31m"
#define YELLOW "\033[1;33m"
#define BLUE "\033[1;34m"
#define CYAN "\033[1;36m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static void color(const renderer *r, const char *sequence) {
    if (r->color) gr_buffer_puts(r->out, sequence);
}

static void colored(const renderer *r, const char *sequence, const char *text) {
    color(r, sequence);
    gr_buffer_puts(r->out, text);
    color(r, PLAIN);
}

/* ---- characters --------------------------------------------------------------------------- */

/* One character of an excerpt: its bytes and the cells it takes; 0 bytes at the end. */
typedef struct cell {
    uint32_t bytes;
    unsigned width;
    bool printable;
} cell;

static cell cell_at(const char *text, uint32_t at, uint32_t end, unsigned column) {
    if (at >= end) return (cell){0, 0, true};
    unsigned char first = (unsigned char)text[at];
    if (first == '\t') return (cell){1, TAB - column % TAB, true};
    if (first < 127) return (cell){1, 1, first >= 32};
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at, end - at, &c);
    if (n <= 0) return (cell){1, 1, false};
    utf8proc_category_t category = utf8proc_category(c);
    bool printable = category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF &&
                     category != UTF8PROC_CATEGORY_ZL && category != UTF8PROC_CATEGORY_ZP &&
                     category != UTF8PROC_CATEGORY_CN;
    int width = printable ? utf8proc_charwidth(c) : 1;
    return (cell){(uint32_t)n, width > 0 ? (unsigned)width : 0, printable};
}

static void put_cell(gr_buffer *out, const char *text, uint32_t at, cell c) {
    if (text[at] == '\t')
        gr_buffer_fill(out, ' ', c.width);
    else if (c.printable)
        gr_buffer_put(out, text + at, c.bytes);
    else
        gr_buffer_puts(out, "\xef\xbf\xbd");
}

/* A message: newlines stay and indent what follows. */
static void put_text(const renderer *r, const char *text, size_t indent) {
    uint32_t end = (uint32_t)strnlen(text, UINT32_MAX);
    for (uint32_t at = 0; at < end;) {
        if (text[at] == '\n') {
            gr_buffer_put(r->out, "\n", 1);
            gr_buffer_fill(r->out, ' ', text[at + 1] ? indent : 0);
            at++;
            continue;
        }
        cell c = cell_at(text, at, end, 0);
        put_cell(r->out, text, at, c);
        at += c.bytes;
    }
}

/* ---- excerpts ----------------------------------------------------------------------------- */

/* The part of a line that is shown. */
typedef struct window {
    const char *text;
    uint32_t begin, end;
    bool cut_before, cut_after;
} window;

/* The offset up to `columns` cells behind `at`. */
static uint32_t forward(const char *text, uint32_t at, uint32_t end, unsigned columns) {
    unsigned column = 0;
    while (at < end) {
        cell c = cell_at(text, at, end, column);
        if (column + c.width > columns) break;
        column += c.width;
        at += c.bytes;
    }
    return at;
}

/* About `columns` characters before `at`, on a character's first byte. */
static uint32_t backward(const char *text, uint32_t at, uint32_t begin, unsigned columns) {
    while (at > begin && columns-- > 0) {
        at--;
        while (at > begin && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    }
    return at;
}

static window make_window(const renderer *r, const gr_source *source, gr_span line,
                          uint32_t focus) {
    window w = {source->text, line.begin, line.end, false, false};
    if (w.begin == 0 && line.end >= 3 && !memcmp(source->text, "\xef\xbb\xbf", 3)) w.begin = 3;
    w.end = forward(w.text, w.begin, line.end, r->width);
    if (w.end == line.end) return w;
    if (focus > forward(w.text, w.begin, line.end, r->width * 3 / 5)) {
        uint32_t begin = backward(w.text, focus, w.begin, r->width / 3);
        w.cut_before = begin > w.begin;
        w.begin = begin;
    }
    w.end = forward(w.text, w.begin, line.end, r->width);
    w.cut_after = w.end < line.end;
    return w;
}

static void put_gutter(const renderer *r, uint32_t line) {
    color(r, BLUE);
    if (line)
        gr_buffer_printf(r->out, "%*u |", r->gutter, line);
    else
        gr_buffer_printf(r->out, "%*s |", r->gutter, "");
    color(r, PLAIN);
}

static void put_window(const renderer *r, const window *w, uint32_t line) {
    put_gutter(r, line);
    gr_buffer_puts(r->out, w->cut_before ? " \xe2\x80\xa6" : w->begin < w->end ? " " : "");
    unsigned column = 0;
    for (uint32_t at = w->begin; at < w->end;) {
        cell c = cell_at(w->text, at, w->end, column);
        put_cell(r->out, w->text, at, c);
        column += c.width;
        at += c.bytes;
    }
    gr_buffer_puts(r->out, w->cut_after ? "\xe2\x80\xa6\n" : "\n");
}

/* The cells from the window's left edge to an offset. */
static unsigned columns_to(const window *w, uint32_t offset) {
    unsigned column = 0;
    for (uint32_t at = w->begin; at < offset && at < w->end;) {
        cell c = cell_at(w->text, at, w->end, column);
        column += c.width;
        at += c.bytes;
    }
    return column;
}

static void put_marks(const renderer *r, const window *w, const gr_label *label, bool primary) {
    unsigned from = columns_to(w, label->span.begin), to = columns_to(w, label->span.end);
    put_gutter(r, 0);
    gr_buffer_fill(r->out, ' ', 1 + from + (w->cut_before ? 1u : 0u));
    color(r, primary ? r->main_color : BLUE);
    gr_buffer_fill(r->out, primary ? '^' : '-', to > from ? to - from : 1);
    if (label->text && *label->text) {
        gr_buffer_put(r->out, " ", 1);
        put_text(r, label->text, (size_t)r->gutter + 3);
    }
    color(r, PLAIN);
    gr_buffer_put(r->out, "\n", 1);
}

/* ---- places ------------------------------------------------------------------------------- */

/* A label with where it begins; the primary one is the first of the list. */
typedef struct place {
    const gr_label *label;
    uint32_t line;
    bool primary, done;
} place;

static place make_place(const gr_label *label, bool primary) {
    place p = {label, 0, primary, false};
    if (label->source) p.line = gr_source_line(label->source, label->span.begin);
    return p;
}

static size_t collect(const gr_diagnostic *diagnostic, place places[MOST_LABELS]) {
    size_t count = 0;
    if (diagnostic->primary.source) places[count++] = make_place(&diagnostic->primary, true);
    for (const gr_secondary *s = diagnostic->secondary; s && count < MOST_LABELS; s = s->next) {
        if (s->label.source) places[count++] = make_place(&s->label, false);
    }
    return count;
}

static int digits(uint32_t number) {
    int count = 1;
    while (number >= 10) {
        number /= 10;
        count++;
    }
    return count;
}

/* All labels that begin on one line of one source, the first of them first. */
static void put_line(const renderer *r, place *places, size_t count, const place *chosen) {
    const gr_source *source = chosen->label->source;
    uint32_t line = chosen->line;
    const place *focus = chosen;
    for (size_t i = 0; i < count; i++) {
        if (places[i].label->source == source && places[i].line == line && places[i].primary) {
            focus = &places[i];
        }
    }
    window w = make_window(r, source, gr_source_line_span(source, line), focus->label->span.begin);
    put_window(r, &w, line);
    for (size_t i = 0; i < count; i++) {
        if (places[i].label->source != source || places[i].line != line) continue;
        put_marks(r, &w, places[i].label, places[i].primary);
        places[i].done = true;
    }
}

static place *next_in_source(place *places, size_t count, const gr_source *source) {
    place *next = NULL;
    for (size_t i = 0; i < count; i++) {
        place *p = &places[i];
        if (!p->done && p->label->source == source && (!next || p->line < next->line)) next = p;
    }
    return next;
}

static void put_header(const renderer *r, const gr_source *source, uint32_t offset,
                       const char *arrow) {
    gr_position position = gr_source_position(source, offset);
    gr_buffer_fill(r->out, ' ', (size_t)r->gutter);
    colored(r, BLUE, arrow);
    gr_buffer_put(r->out, " ", 1);
    put_text(r, source->name, 0);
    gr_buffer_printf(r->out, ":%u:%u\n", position.line, position.column);
    put_gutter(r, 0);
    gr_buffer_put(r->out, "\n", 1);
}

static void put_source(const renderer *r, place *places, size_t count, const place *first,
                       bool main) {
    const gr_source *source = first->label->source;
    put_header(r, source, first->label->span.begin, main ? "-->" : ":::");
    uint32_t previous = 0;
    for (place *p; (p = next_in_source(places, count, source)); previous = p->line) {
        if (previous && p->line > previous + 1) colored(r, BLUE, "...\n");
        put_line(r, places, count, p);
    }
}

static void put_places(renderer *r, const gr_diagnostic *diagnostic) {
    place places[MOST_LABELS];
    size_t count = collect(diagnostic, places);
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        if (places[i].line > largest) largest = places[i].line;
    }
    r->gutter = digits(largest);
    for (size_t i = 0; i < count; i++) {
        if (!places[i].done) put_source(r, places, count, &places[i], i == 0);
    }
}

static void put_remarks(const renderer *r, const gr_diagnostic *diagnostic, bool calls) {
    for (const gr_remark *remark = diagnostic->remarks; remark; remark = remark->next) {
        if (remark->kind == GR_REMARK_WHY || (remark->kind == GR_REMARK_CALL) != calls) continue;
        if (calls)
            gr_buffer_puts(r->out, "  ");
        else
            colored(r, CYAN, remark->kind == GR_REMARK_NOTE ? "note: " : "help: ");
        put_text(r, remark->text, calls ? 2 : 6);
        gr_buffer_put(r->out, "\n", 1);
    }
}

/* The long form stands for the excerpt and the calls, which it tells with more. */
static bool put_why(const renderer *r, const gr_diagnostic *d) {
    bool found = false;
    for (const gr_remark *remark = d->remarks; remark; remark = remark->next) {
        if (remark->kind != GR_REMARK_WHY) continue;
        if (!found && d->primary.source) {
            gr_position at = gr_source_position(d->primary.source, d->primary.span.begin);
            gr_buffer_puts(r->out, "  at ");
            put_text(r, d->primary.source->name, 0);
            gr_buffer_printf(r->out, ":%u:%u\n", at.line, at.column);
        }
        found = true;
        gr_buffer_puts(r->out, "  ");
        put_text(r, remark->text, 2);
        gr_buffer_puts(r->out, "\n");
    }
    return found;
}

void gr_render(gr_buffer *out, const gr_diagnostic *diagnostic, const gr_render_options *options) {
    static const gr_render_options defaults = {0};
    if (!options) options = &defaults;
    bool error = diagnostic->severity == GR_SEVERITY_ERROR;
    renderer r = {out, options->color, options->width ? options->width : DEFAULT_WIDTH, 1,
                  error ? RED : YELLOW};
    if (r.width < LEAST_WIDTH) r.width = LEAST_WIDTH;
    colored(&r, r.main_color, error ? "error" : "warning");
    if (options->ids) gr_buffer_printf(out, "[%s]", gr_diagnostic_slug(diagnostic->id));
    gr_buffer_puts(out, ": ");
    color(&r, BOLD);
    put_text(&r, diagnostic->message, 0);
    color(&r, PLAIN);
    gr_buffer_put(out, "\n", 1);
    bool told = options->why && put_why(&r, diagnostic);
    if (!told) put_places(&r, diagnostic);
    put_remarks(&r, diagnostic, false);
    if (!told) put_remarks(&r, diagnostic, true);
    if (options->why && !told) gr_buffer_puts(out, "(There is no more to say of it.)\n");
}

void gr_render_report(gr_buffer *out, const gr_report *report, const gr_render_options *options) {
    for (const gr_diagnostic *d = report->first; d; d = d->next) {
        if (d != report->first) gr_buffer_put(out, "\n", 1);
        gr_render(out, d, options);
    }
}
