/* SPDX-License-Identifier: MIT */
/*
 * Damerau–Levenshtein (optimal string alignment) over three rows. Names longer than LONGEST code
 * points are near nothing: no memory is needed, and no long input can make this slow.
 */
#include "suggest.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

enum { LONGEST = 48, STEP = 2, HALF = 1 };

static int decode(const char *text, size_t size, utf8proc_int32_t out[LONGEST]) {
    int count = 0;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                              (utf8proc_ssize_t)(size - at), &c);
        if (n <= 0 || count == LONGEST) return -1;
        out[count++] = c;
        at += (size_t)n;
    }
    return count;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static unsigned substitution(utf8proc_int32_t a, utf8proc_int32_t b) {
    if (a == b) return 0;
    return utf8proc_tolower(a) == utf8proc_tolower(b) ? HALF : STEP;
}

static unsigned gap(utf8proc_int32_t c) { return c == '_' ? HALF : STEP; }

typedef unsigned row[LONGEST + 1];

/* One row of the table from the two before it. */
static void fill_row(const utf8proc_int32_t *a, int i, const utf8proc_int32_t *b, int n,
                     const unsigned *before, const unsigned *last, unsigned *now) {
    now[0] = last[0] + gap(a[i]);
    for (int j = 0; j < n; j++) {
        unsigned best = last[j] + substitution(a[i], b[j]);
        best = least(best, last[j + 1] + gap(a[i]));
        best = least(best, now[j] + gap(b[j]));
        bool exchanged = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
        if (exchanged) best = least(best, before[j - 1] + STEP);
        now[j + 1] = best;
    }
}

unsigned gr_edit_distance(const char *a_text, size_t a_size, const char *b_text, size_t b_size,
                          unsigned limit) {
    utf8proc_int32_t a[LONGEST], b[LONGEST];
    int m = decode(a_text, a_size, a), n = decode(b_text, b_size, b);
    if (m < 0 || n < 0) return limit + 1;
    row rows[3];
    rows[0][0] = 0;
    for (int j = 0; j < n; j++) rows[0][j + 1] = rows[0][j] + gap(b[j]);
    for (int i = 0; i < m; i++) {
        fill_row(a, i, b, n, rows[(i + 2) % 3], rows[i % 3], rows[(i + 1) % 3]);
    }
    return least(rows[m % 3][n], limit + 1);
}

/* A third of the letters may be wrong; a name of one or two letters only in its case. */
static unsigned limit_for(size_t size) {
    if (size <= 2) return HALF;
    unsigned limit = (unsigned)(size < LONGEST ? size : LONGEST) * STEP / 3;
    return limit > 3 * STEP ? 3 * STEP : limit;
}

gr_suggestion gr_suggest_begin(const char *wanted, size_t size) {
    return (gr_suggestion){.wanted = wanted, .wanted_size = size, .distance = limit_for(size) + 1};
}

void gr_suggest_offer(gr_suggestion *suggestion, const char *candidate, size_t size) {
    size_t wanted = suggestion->wanted_size;
    if (size > 4 * wanted + 8 || suggestion->distance == 0) return;
    if (size == wanted && !memcmp(candidate, suggestion->wanted, size)) return;
    unsigned distance =
        gr_edit_distance(suggestion->wanted, wanted, candidate, size, suggestion->distance - 1);
    if (distance >= suggestion->distance) return;
    suggestion->distance = distance;
    suggestion->best = candidate;
    suggestion->best_size = size;
}
