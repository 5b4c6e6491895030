/* SPDX-License-Identifier: MIT */
/*
 * :set, what the prompt can be told to do otherwise. settings.def has the rows. A setting shows its
 * value as it would be given; it refuses with a sentence of its own, or is told what it takes.
 */
#include "command_private.h"

#include "suggest.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum verdict { TAKEN, NOT_A_VALUE, REFUSED /* and told why */ } verdict;

/* The place of a value among words such as "warn|error|quiet", or -1. */
static int choice(const char *words, const char *value) {
    size_t size = strlen(value);
    for (int i = 0; *words; i++) {
        size_t n = strcspn(words, "|");
        if (n == size && strncmp(words, value, n) == 0) return i;
        words += n + (words[n] == '|');
    }
    return -1;
}

static void put_choice(gr_buffer *out, const char *words, int i) {
    for (; i > 0; i--) words += strcspn(words, "|") + 1;
    gr_buffer_put(out, words, strcspn(words, "|"));
}

/* ---- colour ----------------------------------------------------------------------------------- */

static void show_colour(const gr_session *s, const char *words, gr_buffer *out) {
    put_choice(out, words, !s->host->color_out);
}

static verdict set_colour(gr_session *s, const char *words, const char *value) {
    int i = choice(words, value);
    if (i < 0) return NOT_A_VALUE;
    s->host->color = s->host->color_out = i == 0;
    gr_edit_set_color(s->edit, i == 0);
    return TAKEN;
}

/* ---- digits ----------------------------------------------------------------------------------- */

enum { MOST_DIGITS = 17 };

static void show_digits(const gr_session *s, const char *words, gr_buffer *out) {
    if (s->host->digits) gr_buffer_printf(out, "%u", s->host->digits);
    else gr_buffer_puts(out, words);
}

static verdict set_digits(gr_session *s, const char *words, const char *value) {
    char *end;
    unsigned long n = choice(words, value) == 0 ? 0 : strtoul(value, &end, 10);
    if (n == 0 && choice(words, value) < 0) return NOT_A_VALUE;
    if (n > 0 && (*end || !isdigit((unsigned char)*value) || n > MOST_DIGITS)) return NOT_A_VALUE;
    s->host->digits = (unsigned)n;
    return TAKEN;
}

/* ---- dtype ------------------------------------------------------------------------------------ */

static void show_dtype(const gr_session *s, const char *words, gr_buffer *out) {
    put_choice(out, words, ad_default_dtype(s->host->ctx) == AD_F32);
}

static verdict set_dtype(gr_session *s, const char *words, const char *value) {
    int i = choice(words, value);
    if (i < 0) return NOT_A_VALUE;
    ad_set_default_dtype(s->host->ctx, i == 1 ? AD_F32 : AD_F64);
    return TAKEN;
}

/* ---- memory ----------------------------------------------------------------------------------- */

static const char scales[] = "KMGT";

/* "500M", "1.5GB", "2000000"; 0: no such number. */
static size_t parse_bytes(const char *text) {
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '.') return 0;
    double x = strtod(text, &end);
    const char *scale = *end ? strchr(scales, toupper((unsigned char)*end)) : NULL;
    if (scale) end++, x *= pow(1e3, (double)(scale - scales + 1));
    if (*end == 'B' || *end == 'b') end++;
    return !*end && x >= 1 && x < 1e18 ? (size_t)x : 0;
}

static void put_bytes(gr_buffer *out, size_t bytes) {
    int scale = -1;
    while (bytes % 1000 == 0 && bytes > 0 && scales[scale + 1]) bytes /= 1000, scale++;
    gr_buffer_printf(out, "%zu", bytes);
    if (scale >= 0) gr_buffer_put(out, scales + scale, 1);
}

static void show_memory(const gr_session *s, const char *words, gr_buffer *out) {
    size_t limit = ad_memory_limit(s->host->ctx);
    if (limit) put_bytes(out, limit);
    else gr_buffer_puts(out, words);
}

static verdict set_memory(gr_session *s, const char *words, const char *value) {
    ad_ctx *ctx = s->host->ctx;
    size_t bytes = choice(words, value) == 0 ? 0 : parse_bytes(value);
    if (bytes == 0 && choice(words, value) < 0) return NOT_A_VALUE;
    ad_mem_trim(ctx);
    ad_mem_stats now = ad_mem_statistics(ctx);
    if (bytes && bytes < now.in_use + now.pooled) {
        printf("%.1f MB are in use already%s.\n", (double)(now.in_use + now.pooled) / 1e6,
               bytes < 100000 ? "; `200M` is a limit of 200 MB" : "");
        return REFUSED;
    }
    ad_set_memory_limit(ctx, bytes);
    return TAKEN;
}

/* ---- nan -------------------------------------------------------------------------------------- */

static void show_nan(const gr_session *s, const char *words, gr_buffer *out) {
    put_choice(out, words, (int)gr_get_nan(s->host->vm));
}

static verdict set_nan(gr_session *s, const char *words, const char *value) {
    int i = choice(words, value);
    if (i < 0) return NOT_A_VALUE;
    gr_set_nan(s->host->vm, (gr_nan)i);
    return TAKEN;
}

/* ---- undo ------------------------------------------------------------------------------------- */

static void show_undo(const gr_session *s, const char *words, gr_buffer *out) {
    if (s->journal.limit) put_bytes(out, s->journal.limit);
    else gr_buffer_puts(out, words);
}

static verdict set_undo(gr_session *s, const char *words, const char *value) {
    size_t bytes = choice(words, value) == 0 ? 0 : parse_bytes(value);
    if (bytes == 0 && choice(words, value) < 0) return NOT_A_VALUE;
    gr_undo_limit(&s->journal, bytes);
    if (bytes) gr_journal_keep(&s->journal);
    return TAKEN;
}

/* ---- the table -------------------------------------------------------------------------------- */

typedef struct setting {
    const char *name, *words, *other, *help;
    void (*show)(const gr_session *s, const char *words, gr_buffer *out);
    verdict (*set)(gr_session *s, const char *words, const char *value);
} setting;

static const setting settings[] = {
#define GR_SETTING(name, words, other, help) {#name, words, other, help, show_##name, set_##name},
#include "settings.def"
#undef GR_SETTING
};
enum { SETTINGS = sizeof settings / sizeof *settings };

const char gr_setting_words[] =
#define GR_SETTING(name, words, other, help) #name ":" words " "
#include "settings.def"
#undef GR_SETTING
    ;

/* "warn, error or quiet", "none, or a number of bytes such as 500M or 2G" */
static void put_choices(gr_buffer *out, const setting *row) {
    for (const char *w = row->words; *w;) {
        size_t n = strcspn(w, "|");
        bool first = w == row->words, last = !w[n];
        gr_buffer_puts(out, first ? "" : last && !row->other ? " or " : ", ");
        gr_buffer_put(out, w, n);
        w += n + !last;
    }
    if (row->other) gr_buffer_printf(out, " or %s", row->other);
}

static void put_setting(const gr_session *s, gr_buffer *out, const setting *row) {
    size_t before = out->size;
    gr_buffer_printf(out, "%-7s ", row->name);
    row->show(s, row->words, out);
    while (out->size - before < 14) gr_buffer_puts(out, " ");
    gr_buffer_printf(out, " %s: ", row->help);
    put_choices(out, row);
    gr_buffer_puts(out, "\n");
}

static void refuse_value(gr_buffer *out, const setting *row, const char *value) {
    gr_suggestion near = gr_suggest_begin(value, strlen(value));
    for (const char *w = row->words; *w; w += strcspn(w, "|"), w += *w == '|')
        gr_suggest_offer(&near, w, strcspn(w, "|"));
    gr_buffer_printf(out, "`%s` is ", row->name);
    put_choices(out, row);
    gr_buffer_printf(out, ", not `%s`.", value);
    if (near.best) gr_buffer_printf(out, " The nearest is `%.*s`.", (int)near.best_size, near.best);
    gr_buffer_puts(out, "\n");
}

static const setting *find(const char *name, size_t size) {
    if (size == 5 && strncmp(name, "color", size) == 0) return find("colour", 6);
    for (size_t i = 0; i < SETTINGS; i++)
        if (strlen(settings[i].name) == size && strncmp(settings[i].name, name, size) == 0)
            return &settings[i];
    return NULL;
}

static void refuse_name(gr_buffer *out, const char *name, size_t size) {
    gr_suggestion near = gr_suggest_begin(name, size);
    for (size_t i = 0; i < SETTINGS; i++)
        gr_suggest_offer(&near, settings[i].name, strlen(settings[i].name));
    gr_buffer_printf(out, "There is no setting `%.*s`", (int)size, name);
    if (near.best) {
        gr_buffer_printf(out, ". The nearest is `%s`.\n", near.best);
        return;
    }
    for (size_t i = 0; i < SETTINGS; i++)
        gr_buffer_printf(out, "%s`%s`", i == 0 ? "; there are " : i + 1 < SETTINGS ? ", " : " and ",
                         settings[i].name);
    gr_buffer_puts(out, ".\n");
}

/* `:set name value`; without a value it is shown, without a name all are. `name = value` will do. */
void gr_command_set(gr_session *s, const char *rest) {
    size_t size = strcspn(rest, " \t\r\n=");
    const char *value = gr_skip_blanks(rest + size);
    const setting *row = find(rest, size);
    gr_buffer out;
    if (*value == '=') value = gr_skip_blanks(value + 1);
    gr_buffer_init(&out, s->host->ctx);
    for (size_t i = 0; !*rest && i < SETTINGS; i++) put_setting(s, &out, &settings[i]);
    verdict heard = *rest && !row ? REFUSED : TAKEN;
    if (row && *value) heard = row->set(s, row->words, value);
    else if (row) put_setting(s, &out, row);
    if (*rest && !row) refuse_name(&out, rest, size);
    else if (heard == NOT_A_VALUE) refuse_value(&out, row, value);
    s->failed = heard != TAKEN;
    gr_command_show(s, &out);
}
