/* SPDX-License-Identifier: MIT */
/*
 * What TAB can do at a place of a text: which kind of thing stands there is read off the tokens before
 * it, and candidates come from tables, from values that are there, and from folders. Nothing is called.
 */
#include "complete.h"

#include "latex.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- candidates ------------------------------------------------------------------------------- */

void gr_completion_init(gr_completion *c, ad_ctx *ctx) {
    *c = (gr_completion){.ending = ""};
    gr_arena_init(&c->arena, ctx);
}

void gr_completion_free(gr_completion *c) { gr_arena_free(&c->arena); }

void gr_candidate(gr_completion *c, const char *text, const char *shown) {
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        gr_candidate_row *more = gr_arena_alloc(&c->arena, room * sizeof *more);
        if (!more) {
            c->failed = true;
            return;
        }
        if (c->count) memcpy(more, c->items, c->count * sizeof *more);
        c->items = more;
        c->room = room;
    }
    gr_candidate_row row = {gr_arena_text(&c->arena, text, strlen(text)), NULL};
    row.shown = shown ? gr_arena_text(&c->arena, shown, strlen(shown)) : row.text;
    if (row.text && row.shown) c->items[c->count++] = row;
    else c->failed = true;
}

static int by_text(const void *a, const void *b) {
    return strcmp(((const gr_candidate_row *)a)->text, ((const gr_candidate_row *)b)->text);
}

static void sort(gr_completion *c) {
    size_t n = 0;
    if (c->count) qsort(c->items, c->count, sizeof *c->items, by_text);
    for (size_t i = 0; i < c->count; i++)
        if (n == 0 || strcmp(c->items[n - 1].text, c->items[i].text) != 0) c->items[n++] = c->items[i];
    c->count = n;
}

static void note(gr_completion *c, const gr_buffer *text) {
    if (text->text && !text->failed) c->note = gr_arena_text(&c->arena, text->text, text->size);
}

/* ---- LaTeX ------------------------------------------------------------------------------------ */

/* The backslash before the cursor, with nothing behind it that ends its word; SIZE_MAX: none. */
static size_t backslash_before(const char *text, size_t cursor) {
    for (size_t i = cursor; i-- > 0;) {
        if (text[i] == '\\') return i;
        if (strchr(" \t\n\"'{}[],;*/@<>|&", text[i])) break;
    }
    return SIZE_MAX;
}

static void complete_latex(gr_prefix p, gr_completion *c) {
    size_t count;
    const gr_latex *rows = gr_latex_names(p.text, p.size, &count);
    bool exact = count > 0 && strlen(rows[0].name) == p.size;
    if (exact || count == 1) {
        gr_candidate(c, rows[0].text, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char name[64], shown[96];
        snprintf(name, sizeof name, "\\%s", rows[i].name);
        snprintf(shown, sizeof shown, "%s %s", name, rows[i].text);
        gr_candidate(c, name, shown);
    }
}

/* `\σ` and TAB: how it is typed; the backslash goes. */
static void explain_characters(gr_prefix p, gr_completion *c) {
    gr_buffer text;
    char characters[128];
    gr_buffer_init(&text, c->arena.ctx);
    for (size_t i = 0; i < p.size;) {
        size_t n = 1;
        while (i + n < p.size && ((unsigned char)p.text[i + n] & 0xc0) == 0x80) n++;
        const char *name = gr_latex_name(p.text + i, n);
        if (text.size) gr_buffer_puts(&text, ", ");
        gr_buffer_put(&text, p.text + i, n);
        if (name) gr_buffer_printf(&text, " is typed \\%s and TAB", name);
        else if (n > 1) gr_buffer_puts(&text, " has no spelling here");
        else gr_buffer_puts(&text, " is on the keyboard");
        i += n;
    }
    if (p.size < sizeof characters) {
        snprintf(characters, sizeof characters, "%.*s", (int)p.size, p.text);
        gr_candidate(c, characters, NULL);
    }
    note(c, &text);
    gr_buffer_free(&text);
}

/* False: it is no spelling, and may be something else. */
static bool complete_spelling(const char *text, size_t cursor, gr_completion *c) {
    size_t at = backslash_before(text, cursor);
    if (at == SIZE_MAX) return false;
    gr_prefix p = {text + at + 1, cursor - at - 1};
    c->begin = at;
    if (p.size && (unsigned char)*p.text >= 0x80) explain_characters(p, c);
    else complete_latex(p, c);
    return c->count > 0;
}

/* ---- files ------------------------------------------------------------------------------------ */

static void offer_file(const char *folder, const char *name, gr_prefix p, gr_completion *c) {
    char path[1024], text[512];
    struct stat status;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strpbrk(name, "\"\\{}\n")) return;
    if (!gr_begins(name, strlen(name), p) || (*name == '.' && p.size == 0)) return;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return;
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    if ((size_t)snprintf(text, sizeof text, "%s%s", name, is_folder ? "/" : "") < sizeof text)
        gr_candidate(c, text, NULL);
}

/* `typed` is what stands of the path; `quote` closes it where one file is meant. */
static void complete_files(gr_prefix typed, size_t cursor, const char *quote, gr_completion *c) {
    char folder[1024];
    size_t slash = typed.size;
    while (slash > 0 && typed.text[slash - 1] != '/') slash--;
    if (slash >= sizeof folder) return;
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)slash : 1, slash ? typed.text : ".");
    gr_prefix p = {typed.text + slash, typed.size - slash};
    c->begin = cursor - p.size;
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));) offer_file(folder, entry->d_name, p, c);
    closedir(dir);
    const char *only = c->count == 1 ? c->items[0].text : "/";
    c->ending = only[strlen(only) - 1] == '/' ? "" : quote;
}

/* ---- fields ----------------------------------------------------------------------------------- */

static bool is_name(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!gr_is_name_byte(text[i]) || (i == 0 && digit)) return false;
    }
    return size > 0;
}

static void offer_field(const char *name, size_t size, gr_prefix p, gr_completion *c) {
    char text[256];
    if (size >= sizeof text || !is_name(name, size) || !gr_begins(name, size, p)) return;
    snprintf(text, sizeof text, "%.*s", (int)size, name);
    gr_candidate(c, text, NULL);
}

static void complete_fields(gr_value object, gr_prefix p, gr_completion *c) {
    static const char *const of_tensors[] = {"T", "dtype", "shape"};
    if (object.kind == GR_RECORD) {
        for (uint32_t i = 0; i < gr_record_count(object); i++) {
            const gr_string *key = gr_record_key(object, i);
            offer_field(key->bytes, key->length, p, c);
        }
    }
    for (size_t i = 0; object.kind == AD_TENSOR && i < 3; i++)
        offer_field(of_tensors[i], strlen(of_tensors[i]), p, c);
}

/* ---- names ------------------------------------------------------------------------------------ */

typedef struct place {
    gr_vm *vm;
    const gr_typed *typed;
    uint32_t before; /* tokens before the word */
    gr_prefix word;
    gr_completion *c;
} place;

static bool token_is(const gr_typed *t, uint32_t i, const char *text, size_t size) {
    const gr_typed_token *token = &t->tokens[i];
    return token->kind == GR_T_NAME && token->span.end - token->span.begin == size &&
           memcmp(t->source->text + token->span.begin, text, size) == 0;
}

/* Names that the text itself has brought, wherever in it. */
static void complete_typed_names(const place *at) {
    const gr_typed *t = at->typed;
    for (uint32_t i = 0; i < at->before; i++) {
        const gr_typed_token *token = &t->tokens[i];
        uint8_t last = i > 0 ? t->tokens[i - 1].kind : GR_T_SEMICOLON;
        bool field = last == GR_T_DOT;
        bool argument = (last == GR_T_LPAREN || last == GR_T_COMMA) && i + 1 < t->count &&
                        t->tokens[i + 1].kind == GR_T_ASSIGN;
        if (token->kind == GR_T_NAME && !field && !argument)
            offer_field(t->source->text + token->span.begin, token->span.end - token->span.begin,
                        at->word, at->c);
    }
}

/* Has the call whose parenthesis is token `open` an argument of this name already? */
static bool is_given(const place *at, uint32_t open, const char *name, size_t size) {
    for (uint32_t i = open + 1; i + 1 < at->before; i++)
        if (token_is(at->typed, i, name, size) && at->typed->tokens[i + 1].kind == GR_T_ASSIGN)
            return true;
    return false;
}

typedef struct parameters {
    const place *at;
    uint32_t open;
} parameters;

static void offer_parameter(void *user, const char *name, size_t n) {
    const parameters *p = user;
    char text[128], shown[128];
    if (!gr_begins(name, n, p->at->word) || is_given(p->at, p->open, name, n)) return;
    snprintf(text, sizeof text, "%.*s = ", (int)n, name);
    snprintf(shown, sizeof shown, "%.*s =", (int)n, name);
    gr_candidate(p->at->c, text, shown);
}

static bool signature_of_call(const place *at, uint32_t open, gr_buffer *out) {
    const gr_typed *t = at->typed;
    uint32_t begin = gr_chain_begin(t, open);
    gr_value f;
    if (begin >= open || t->tokens[open].blank_before) return false;
    if (begin + 1 == open) {
        gr_span name = t->tokens[begin].span;
        return gr_known_signature(at->vm, t->source->text + name.begin, name.end - name.begin, out);
    }
    return gr_named_value(at->vm, t, begin, open, &f) && gr_value_signature(at->vm, f, out);
}

/* Where an argument of a call begins: its names, and with nothing typed yet the signature. */
static bool complete_arguments(const place *at) {
    const gr_typed *t = at->typed;
    uint32_t open = gr_typed_open(t, at->before);
    gr_buffer text;
    if (open == UINT32_MAX || t->tokens[open].kind != GR_T_LPAREN) return false;
    uint8_t last = t->tokens[at->before - 1].kind;
    if (last != GR_T_LPAREN && last != GR_T_COMMA) return false;
    gr_buffer_init(&text, at->c->arena.ctx);
    bool known = signature_of_call(at, open, &text) && !text.failed;
    if (known) gr_each_parameter(text.text, offer_parameter, &(parameters){at, open});
    if (known && at->word.size == 0) note(at->c, &text);
    gr_buffer_free(&text);
    return known;
}

static void complete_name(const place *at) {
    bool in_call = complete_arguments(at);
    if (at->word.size == 0) {
        if (!in_call) gr_complete_globals(at->vm, at->c, at->word);
        return;
    }
    bool named = at->c->count > 0; /* then names of the prelude are hardly meant */
    complete_typed_names(at);
    gr_complete_globals(at->vm, at->c, at->word);
    if (named) return;
    gr_complete_prelude(at->c, at->word);
    gr_complete_keywords(at->c, at->word);
}

/* ---- expressions ------------------------------------------------------------------------------ */

static bool is_word_token(uint8_t kind) {
    return kind == GR_T_NAME || (kind >= GR_T_FN && kind < GR_TOKEN_KINDS);
}

static void complete_token(place *at, size_t cursor) {
    const gr_typed *t = at->typed;
    gr_value object;
    const gr_typed_token *last = t->count ? &t->tokens[t->count - 1] : NULL;
    bool word = last && is_word_token(last->kind) && last->span.end == t->source->size;
    at->before = word ? t->count - 1 : t->count;
    if (word) at->word = (gr_prefix){t->source->text + last->span.begin,
                                     last->span.end - last->span.begin};
    at->c->begin = cursor - at->word.size;
    if (at->before == 0 || t->tokens[at->before - 1].kind != GR_T_DOT) {
        complete_name(at);
        return;
    }
    uint32_t begin = gr_chain_begin(t, at->before - 1);
    if (begin + 2 == at->before && token_is(t, begin, "prelude", 7))
        gr_complete_prelude(at->c, at->word);
    else if (gr_named_value(at->vm, t, begin, at->before - 1, &object))
        complete_fields(object, at->word, at->c);
}

/* `text` up to its end is an expression that stands before the cursor. */
static void complete_expression(gr_vm *vm, const char *text, size_t size, size_t cursor,
                                gr_completion *c) {
    gr_typed t;
    if (!gr_typed_scan(vm, text, size, &t)) return;
    if (t.string_begin) {
        size_t begin = t.string_begin - 1;
        if (!memchr(text + begin, '\n', size - begin))
            complete_files((gr_prefix){text + begin, size - begin}, cursor,
                           t.triple_string ? "\"\"\"" : "\"", c);
    } else if (!t.in_comment) {
        complete_token(&(place){.vm = vm, .typed = &t, .word = {"", 0}, .c = c}, cursor);
    }
    gr_typed_free(&t);
}

/* ---- commands --------------------------------------------------------------------------------- */

/* The words of a list, between two of which stands ' ' or '|'. */
static void complete_words(const char *words, char between, gr_prefix p, gr_completion *c) {
    for (const char *w = words; w && *w; w++) {
        offer_field(w, strcspn(w, " :|"), p, c);
        w += strcspn(w, between == ' ' ? " " : " |");
        if (*w != between) break;
    }
}

/* What may follow a word that stands before `p`: the words behind its colon, or an expression. */
static const char *choices_of(const char *words, gr_prefix first) {
    for (const char *w = words; w && *w; w += strcspn(w, " "), w += *w == ' ') {
        size_t n = strcspn(w, " :");
        if (n == first.size && w[n] == ':' && gr_begins(w, n, first)) return w + n + 1;
    }
    return NULL;
}

static void complete_argument(const gr_assist *assist, const gr_command_row *row, gr_prefix rest,
                              size_t cursor, gr_completion *c) {
    size_t word = 0, gap;
    while (word < rest.size && rest.text[word] != ' ') word++;
    for (gap = word; gap < rest.size && rest.text[gap] == ' ';) gap++;
    gr_prefix second = {rest.text + gap, rest.size - gap};
    const char *choices = choices_of(row->words, (gr_prefix){rest.text, word});
    c->begin = cursor - (word == rest.size ? rest.size : second.size);
    if (word == rest.size) complete_words(row->words, ' ', rest, c);
    else if (choices) complete_words(choices, '|', second, c);
    else complete_expression(assist->vm, second.text, second.size, cursor, c);
}

static void complete_command_name(const gr_command_row *rows, gr_prefix p, gr_completion *c) {
    for (; rows && rows->name; rows++) {
        char text[64];
        bool takes = rows->takes != GR_TAKES_NOTHING;
        if (!gr_begins(rows->name, strlen(rows->name), p)) continue;
        snprintf(text, sizeof text, "%s%s", rows->name, takes ? " " : "");
        gr_candidate(c, text, rows->name);
    }
}

static const gr_command_row *find_command(const gr_command_row *rows, gr_prefix word) {
    static const gr_command_row help = {"?", GR_TAKES_NAME, NULL};
    if (*word.text == '?') return &help;
    for (; rows && rows->name; rows++)
        if (strlen(rows->name) == word.size && gr_begins(rows->name, word.size, word)) return rows;
    return NULL;
}

static void complete_command(const gr_assist *assist, const char *text, size_t begin, size_t word,
                             size_t cursor, gr_completion *c) {
    size_t end = begin + word;
    c->begin = begin;
    if (cursor <= end && text[begin] == ':') {
        complete_command_name(assist->commands, (gr_prefix){text + begin, cursor - begin}, c);
        return;
    }
    const gr_command_row *row = find_command(assist->commands, (gr_prefix){text + begin, word});
    while (end < cursor && text[end] == ' ') end++;
    gr_prefix rest = {text + end, cursor - end};
    if (!row || row->takes == GR_TAKES_NOTHING) return;
    if (row->takes == GR_TAKES_FILE) {
        complete_files(rest, cursor, "", c);
    } else if (row->takes == GR_TAKES_WORDS) {
        complete_argument(assist, row, rest, cursor, c);
    } else {
        complete_expression(assist->vm, rest.text, rest.size, cursor, c);
    }
}

void gr_complete(const gr_assist *assist, const char *text, size_t size, size_t cursor,
                 gr_completion *out) {
    size_t begin, word = gr_typed_command(text, size, &begin);
    out->begin = cursor;
    if (!complete_spelling(text, cursor, out)) {
        out->begin = cursor;
        if (word) complete_command(assist, text, begin, word, cursor, out);
        else complete_expression(assist->vm, text, cursor, cursor, out);
    }
    sort(out);
}
