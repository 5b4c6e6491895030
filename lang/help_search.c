/* SPDX-License-Identifier: MIT */
/*
 * A search through everything that has a name: functions of the session, builtins, operations, the
 * embedded library (its text is looked through, nothing of it is run), words of the language. All
 * words that are looked for must be found, or any, where nothing has all of them; names count more
 * than documentation, beginnings more than what is inside.
 */
#include "builtin.h"
#include "chunk.h"
#include "format.h"
#include "help.h"
#include "module.h"
#include "prelude_names.h"
#include "stdlib_embed.h"
#include "vm_state.h"

#include <string.h>

/* ---- everything that has a name --------------------------------------------------------------- */

static void visit_text(gr_entry_visit visit, void *user, const char *name, const char *signature,
                       const char *doc) {
    gr_entry e = {.name = name, .signature = signature, .doc = doc ? doc : "",
                  .name_size = strlen(name)};
    e.signature_size = signature ? strlen(signature) : 0;
    e.doc_size = strlen(e.doc);
    visit(user, &e);
}

static bool is_builtin(const char *name) {
    for (const gr_builtin *const *table = gr_builtin_tables; *table; table++)
        for (const gr_builtin *row = *table; row->name; row++)
            if (strcmp(row->name, name) == 0) return true;
    return false;
}

static void each_builtin(gr_entry_visit visit, void *user) {
    for (const gr_builtin *const *table = gr_builtin_tables; *table; table++)
        for (const gr_builtin *row = *table; row->name; row++)
            visit_text(visit, user, row->name, row->signature, row->doc);
    for (const gr_builtin *row = gr_builtins_transform; row->name; row++)
        visit_text(visit, user, row->name, row->signature, row->doc);
    for (int op = 1; op < ad_op_count(); op++) {
        const ad_row_info *row = ad_op_info((ad_op)op);
        if (gr_is_public_row((ad_op)op) && !is_builtin(row->name))
            visit_text(visit, user, row->name, row->signature, row->doc);
    }
}

/* "name(…)" at the beginning of `head`: what stands between the brackets. */
static void split_head(gr_entry *e, const char *head, const char *end) {
    const char *open = memchr(head, '(', (size_t)(end - head));
    int depth = 0;
    e->name = head;
    e->name_size = open ? (size_t)(open - head) : 0;
    for (const char *p = open; p && p < end; p++) {
        depth += *p == '(';
        depth -= *p == ')';
        if (depth > 0) continue;
        e->signature = open + 1;
        e->signature_size = (size_t)(p - open) - 1;
        return;
    }
}

/* A file of the library: `fn` at the beginning of a line, and the ## lines above it. */
static void each_in_text(const char *text, size_t size, gr_entry_visit visit, void *user) {
    const char *end = text + size, *doc = NULL;
    for (const char *line = text, *next; line < end; line = next) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        next = stop ? stop + 1 : end;
        if (next - line >= 2 && memcmp(line, "##", 2) == 0) {
            if (!doc) doc = line;
            continue;
        }
        if (next - line > 3 && memcmp(line, "fn ", 3) == 0 && line[3] != '_') {
            gr_entry e = {.doc = doc ? doc : line, .doc_size = doc ? (size_t)(line - doc) : 0};
            split_head(&e, line + 3, end);
            if (e.name_size) visit(user, &e);
        }
        doc = NULL;
    }
}

static void each_of_session(gr_vm *vm, gr_entry_visit visit, void *user) {
    const gr_module *m = gr_main_module(vm);
    for (uint32_t i = 0; i < m->count; i++) {
        const gr_global *g = &vm->globals[m->order[i]];
        if (g->flags & GR_GLOBAL_LIBRARY || g->value.kind != GR_FUNCTION) continue;
        const char *doc = gr_function_doc(vm, g->value);
        gr_entry e = {.doc = doc ? doc : "", .doc_size = doc ? strlen(doc) : 0};
        if (gr_as_function(g->value)->form == GR_FORM_CLOSURE) {
            const gr_proto *p = ((gr_closure *)g->value.ptr)->proto;
            split_head(&e, p->source->text + p->head.begin, p->source->text + p->head.end);
        }
        e.name = g->name->text;
        e.name_size = g->name->length;
        visit(user, &e);
    }
}

void gr_each_entry(gr_vm *vm, gr_entry_visit visit, void *user) {
    each_of_session(vm, visit, user);
    for (size_t f = 0; f < gr_stdlib_count; f++)
        each_in_text((const char *)gr_stdlib[f].text, gr_stdlib[f].length, visit, user);
    each_builtin(visit, user);
    gr_each_topic(visit, user);
}

/* ---- finding ---------------------------------------------------------------------------------- */

enum { NOT = 1000, MISSING = 10, SHOWN = 12, WORDS = 8 };

static char fold(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool is_word_byte(char c) {
    return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (unsigned)((c | 32) - 'a') < 26u;
}

/* Where `word` stands in the text, 0 … size; size + 1: nowhere. */
static size_t find(const char *text, size_t size, const char *word, size_t n, size_t from) {
    for (size_t i = from; i + n <= size; i++) {
        size_t k = 0;
        while (k < n && fold(text[i + k]) == fold(word[k])) k++;
        if (k == n) return i;
    }
    return size + 1;
}

/* 0 the name itself, 1 its beginning, 3 a part of it; of the documentation 4 a whole word, 5 the
 * beginning of one, 7 a part of one. */
static int rank_word(const gr_entry *e, const char *word, size_t n) {
    size_t at = find(e->name, e->name_size, word, n, 0);
    if (at == 0) return n == e->name_size ? 0 : 1;
    if (at <= e->name_size) return 3;
    int best = NOT;
    for (at = find(e->doc, e->doc_size, word, n, 0); at <= e->doc_size;
         at = find(e->doc, e->doc_size, word, n, at + 1)) {
        bool begins = at == 0 || !is_word_byte(e->doc[at - 1]);
        bool ends = at + n == e->doc_size || !is_word_byte(e->doc[at + n]);
        int rank = begins && ends ? 4 : begins ? 5 : 7;
        if (rank < best) best = rank;
    }
    return best;
}

typedef struct search {
    const char *words[WORDS];
    size_t sizes[WORDS];
    int count;
    bool any; /* one of the words is enough */
    gr_entry found[SHOWN];
    int ranks[SHOWN];
    int kept, all;
} search;

static bool comes_before(const search *s, int rank, const gr_entry *e, int k) {
    if (rank != s->ranks[k]) return rank < s->ranks[k];
    return e->name_size < s->found[k].name_size;
}

static void try_entry(void *user, const gr_entry *e) {
    search *s = user;
    int rank = 0, hits = 0;
    for (int i = 0; i < s->count; i++) {
        int one = rank_word(e, s->words[i], s->sizes[i]);
        hits += one != NOT;
        rank += one == NOT ? MISSING : one;
    }
    if (hits < (s->any ? 1 : s->count)) return;
    s->all++;
    int at = s->kept;
    while (at > 0 && comes_before(s, rank, e, at - 1)) at--;
    if (at == SHOWN) return;
    int moved = (s->kept < SHOWN ? s->kept : SHOWN - 1) - at;
    memmove(&s->found[at + 1], &s->found[at], (size_t)moved * sizeof *s->found);
    memmove(&s->ranks[at + 1], &s->ranks[at], (size_t)moved * sizeof *s->ranks);
    s->found[at] = *e;
    s->ranks[at] = rank;
    if (s->kept < SHOWN) s->kept++;
}

static void split_words(search *s, const char *text, size_t size) {
    for (size_t i = 0; i < size && s->count < WORDS;) {
        size_t n = 0;
        while (i < size && strchr(" \t\r\n", text[i])) i++;
        while (i + n < size && !strchr(" \t\r\n", text[i + n])) n++;
        if (n == 0) break;
        s->words[s->count] = text + i;
        s->sizes[s->count++] = n;
        i += n;
    }
}

/* ---- showing ---------------------------------------------------------------------------------- */

/* The first line, without ## and what follows the first sentence where that is too long. */
static void put_first_line(gr_buffer *out, const gr_entry *e, size_t room) {
    const char *doc = e->doc;
    size_t n = e->doc_size;
    while (n && (*doc == '#' || *doc == ' ')) doc++, n--;
    const char *end = memchr(doc, '\n', n);
    gr_put_cut(out, doc, end ? (size_t)(end - doc) : n, room);
}

static void put_head(gr_buffer *out, const gr_entry *e, size_t room) {
    gr_buffer head;
    gr_buffer_init(&head, out->ctx);
    gr_buffer_put(&head, e->name, e->name_size);
    if (e->signature) {
        gr_buffer_puts(&head, "(");
        gr_buffer_put(&head, e->signature, e->signature_size);
        gr_buffer_puts(&head, ")");
    }
    size_t before = out->size;
    if (head.size) gr_put_cut(out, head.text, head.size, room);
    size_t shown = gr_text_width(out->text + before, out->size - before);
    if (shown < room) gr_buffer_fill(out, ' ', room - shown);
    out->failed |= head.failed;
    gr_buffer_free(&head);
}

void gr_help_search(gr_vm *vm, gr_buffer *out, const char *words, size_t size, unsigned width) {
    search s = {.count = 0};
    split_words(&s, words, size);
    if (s.count) gr_each_entry(vm, try_entry, &s);
    s.any = s.all == 0 && s.count > 1;
    if (s.any) gr_each_entry(vm, try_entry, &s);
    if (s.all == 0) {
        gr_buffer_printf(out, "Nothing is said of `%.*s`.\n", (int)size, words);
        return;
    }
    size_t head = width >= 70 ? 28 : width / 3 + 4;
    for (int k = 0; k < s.kept; k++) {
        gr_buffer_puts(out, "  ");
        put_head(out, &s.found[k], head);
        gr_buffer_puts(out, "  ");
        put_first_line(out, &s.found[k], width > head + 5 ? width - head - 5 : 10);
        gr_buffer_trim(out);
        gr_buffer_puts(out, "\n");
    }
    if (s.all > s.kept) gr_buffer_printf(out, "  … %d more\n", s.all - s.kept);
}
