/* SPDX-License-Identifier: MIT */
/*
 * printf-like formats, taken apart and checked before the C library sees them: nothing of a user's
 * text is ever a format string.
 */
#include "format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* Widest field and most decimals that a format may ask for. */
enum { MAX_FIELD = 1000, MAX_DECIMALS = 100 };

static const char *parse_count(const char *p, int *count) {
    *count = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (*count <= MAX_FIELD) *count = 10 * *count + (*p - '0');
    return p;
}

const char *gr_spec_parse(const char *text, gr_spec *spec) {
    *spec = (gr_spec){.width = -1, .precision = -1};
    const char *p = text;
    size_t flags = 0;
    for (; *p && strchr("-+ 0#", *p) && flags < sizeof spec->flags - 1; p++)
        spec->flags[flags++] = *p;
    if (*p >= '1' && *p <= '9') p = parse_count(p, &spec->width);
    if (*p == '.') p = parse_count(p + 1, &spec->precision);
    if (*p && strchr("diouxXeEfFgGs", *p)) spec->conversion = *p++;
    if (*p == '%') return "the `%` is not written";
    if (*p) return "a format is flags, width, .precision and one of d x o e f g s, as in `8.3f`";
    if (spec->width > MAX_FIELD || spec->precision > MAX_DECIMALS)
        return "at most 1000 columns and 100 decimals are printed";
    return NULL;
}

bool gr_spec_is_numeric(const gr_spec *spec) { return spec->conversion && spec->conversion != 's'; }

/* printf with a format built from the checked parts; `modifier` goes before the conversion. */
static void put_printf(gr_buffer *out, const gr_spec *spec, const char *modifier, double x,
                       long long whole) {
    char format[64], precision[16] = "", text[MAX_FIELD + 500];
    if (spec->precision >= 0) snprintf(precision, sizeof precision, ".%d", spec->precision);
    int width = spec->width < 0 ? 0 : spec->width;
    char conversion = spec->conversion ? spec->conversion : 'g';
    snprintf(format, sizeof format, "%%%s*%s%s%c", spec->flags, precision, modifier, conversion);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = *modifier ? snprintf(text, sizeof text, format, width, whole)
                      : snprintf(text, sizeof text, format, width, x);
#pragma GCC diagnostic pop
    if (n > 0) gr_buffer_put(out, text, (size_t)n);
}

bool gr_spec_number(gr_buffer *out, const gr_spec *spec, double x, bool single) {
    bool whole = spec->conversion && strchr("diouxX", spec->conversion);
    bool text = !spec->conversion ? spec->precision < 0 : spec->conversion == 's';
    if (text || !isfinite(x)) {
        char digits[32];
        size_t n = single ? ad_single_text((float)x, digits) : ad_number_text(x, digits);
        gr_spec whole_text = *spec;
        whole_text.precision = -1;
        gr_spec_text(out, &whole_text, digits, n);
        return true;
    }
    if (!whole) {
        put_printf(out, spec, "", x, 0);
        return true;
    }
    if (x != trunc(x) || fabs(x) >= 9223372036854775808.0) return false;
    put_printf(out, spec, "ll", 0, (long long)x);
    return true;
}

size_t gr_number_rounded(double x, unsigned digits, bool single, char *text) {
    char cut[64];
    if (digits && isfinite(x) && !(x == trunc(x) && fabs(x) < 1e15)) {
        snprintf(cut, sizeof cut, "%.*e", (int)digits - 1, x);
        ad_number_parse(cut, strlen(cut), &x);
    }
    return single ? ad_single_text((float)x, text) : ad_number_text(x, text);
}

/* One character: its bytes. Text in strings is valid UTF-8; a stray byte counts alone. */
static size_t step(const char *p, size_t left, utf8proc_int32_t *code) {
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)left, code);
    return n > 0 ? (size_t)n : 1;
}

size_t gr_text_width(const char *bytes, size_t length) {
    size_t width = 0;
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t code = 0;
        if ((unsigned char)bytes[i] < 0x80) {
            width++, i++;
            continue;
        }
        i += step(bytes + i, length - i, &code);
        int w = code > 0 ? utf8proc_charwidth(code) : 0;
        width += w > 0 ? (size_t)w : 0;
    }
    return width;
}

void gr_put_cut(gr_buffer *out, const char *bytes, size_t length, size_t room) {
    size_t i = 0, at = 0;
    if (gr_text_width(bytes, length) <= room) {
        gr_buffer_put(out, bytes, length);
        return;
    }
    while (i < length) {
        utf8proc_int32_t code;
        size_t n = step(bytes + i, length - i, &code), w = gr_text_width(bytes + i, n);
        if (at + w + 1 > room) break;
        i += n, at += w;
    }
    gr_buffer_put(out, bytes, i);
    gr_buffer_puts(out, "…");
}

/* Bytes of the first row of a line: to the last blank that leaves it within `room`, or the first one. */
static size_t row_of(const char *bytes, size_t length, size_t room) {
    size_t end = 0;
    for (size_t i = 1; i <= length; i++) {
        if ((i < length && bytes[i] != ' ') || bytes[i - 1] == ' ') continue;
        if (end > 0 && gr_text_width(bytes, i) > room) break;
        end = i;
    }
    return end;
}

static void put_wrapped_line(gr_buffer *out, const char *bytes, size_t length, size_t width) {
    size_t indent = 0;
    while (indent < length && bytes[indent] == ' ') indent++;
    size_t room = indent + 10 < width ? width - indent : width;
    for (size_t i = indent, n; i < length; i += n) {
        if (i > indent) {
            gr_buffer_puts(out, "\n");
            while (i < length && bytes[i] == ' ') i++;
        }
        n = row_of(bytes + i, length - i, room);
        gr_buffer_fill(out, ' ', width - room);
        gr_buffer_put(out, bytes + i, n);
    }
}

void gr_put_wrapped(gr_buffer *out, const char *bytes, size_t length, size_t width) {
    for (size_t i = 0, n; i < length; i += n + 1) {
        const char *end = memchr(bytes + i, '\n', length - i);
        n = end ? (size_t)(end - bytes) - i : length - i;
        if (gr_text_width(bytes + i, n) <= width) gr_buffer_put(out, bytes + i, n);
        else put_wrapped_line(out, bytes + i, n, width);
        if (end) gr_buffer_puts(out, "\n");
    }
}

static size_t cut(const char *bytes, size_t length, int chars) {
    size_t i = 0;
    utf8proc_int32_t code;
    for (; chars > 0 && i < length; chars--) i += step(bytes + i, length - i, &code);
    return i < length ? i : length;
}

void gr_spec_text(gr_buffer *out, const gr_spec *spec, const char *bytes, size_t length) {
    if (spec->precision >= 0) length = cut(bytes, length, spec->precision);
    size_t shown = gr_text_width(bytes, length);
    size_t pad = spec->width > 0 && (size_t)spec->width > shown ? (size_t)spec->width - shown : 0;
    bool left = strchr(spec->flags, '-') != NULL;
    if (!left) gr_buffer_fill(out, ' ', pad);
    gr_buffer_put(out, bytes, length);
    if (left) gr_buffer_fill(out, ' ', pad);
}
