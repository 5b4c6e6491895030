/* SPDX-License-Identifier: MIT */
/*
 * What can be said of names without running anything: values that are there are looked at; a function
 * of the embedded library that nobody has used yet is known by the line that defines it.
 */
#include "builtin.h"
#include "complete.h"
#include "library.h"
#include "prelude_names.h"
#include "stdlib_embed.h"
#include "vm_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------ */

static void offer(gr_completion *c, const char *name, size_t length, gr_prefix p) {
    char text[256];
    if (length >= sizeof text || !gr_begins(name, length, p)) return;
    memcpy(text, name, length);
    text[length] = '\0';
    gr_candidate(c, text, NULL);
}

void gr_complete_globals(gr_vm *vm, gr_completion *c, gr_prefix p) {
    const gr_module *m = vm->library->main;
    for (uint32_t i = 0; i < m->count; i++) {
        const gr_global *g = &vm->globals[m->order[i]];
        if (!(g->flags & GR_GLOBAL_LIBRARY) && !gr_is_absent(g->value))
            offer(c, g->name->text, g->name->length, p);
    }
}

typedef struct offering {
    gr_completion *c;
    gr_prefix p;
} offering;

static void offer_name(void *user, const char *name, size_t length) {
    const offering *o = user;
    offer(o->c, name, length, o->p);
}

void gr_complete_prelude(gr_completion *c, gr_prefix p) {
    offering o = {c, p};
    gr_each_prelude_name(offer_name, &o);
    offer(c, "prelude", strlen("prelude"), p);
}

void gr_complete_keywords(gr_completion *c, gr_prefix p) {
    static const char *const words[] = {
#define GR_TOKEN(kind, pattern, shown)
#define GR_WORD(kind, text) text,
#include "tokens.def"
#undef GR_TOKEN
#undef GR_WORD
        "assert", "test", "by"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        offer(c, words[i], strlen(words[i]), p);
}

/* ---- values ----------------------------------------------------------------------------------- */

bool gr_known_value(gr_vm *vm, const char *name, size_t length, gr_value *out) {
    const gr_name *n = gr_intern(vm->names, name, length);
    uint32_t slot = n ? gr_module_slot(vm->library->main, n) : UINT32_MAX;
    if (slot == UINT32_MAX || gr_is_absent(vm->globals[slot].value)) return false;
    *out = vm->globals[slot].value;
    return true;
}

static bool field_value(gr_vm *vm, gr_value object, const char *name, size_t length,
                        gr_value *out) {
    if (object.kind != GR_RECORD) return false;
    const gr_name *n = gr_intern(vm->names, name, length);
    gr_string *key = n ? gr_name_string(vm, n) : NULL;
    gr_value *place = key ? gr_record_find(vm, object, key) : NULL;
    if (place) *out = *place;
    return place != NULL;
}

static bool item_value(gr_value object, const char *digits, gr_value *out) {
    if (object.kind != GR_TUPLE) return false;
    const gr_tuple *tuple = gr_as_tuple(object);
    char *end;
    unsigned long i = strtoul(digits, &end, 10);
    if (end == digits || i >= tuple->count) return false;
    *out = tuple->items[i];
    return true;
}

static const char *text_at(const gr_typed *t, uint32_t i) {
    return t->source->text + t->tokens[i].span.begin;
}
static size_t size_at(const gr_typed *t, uint32_t i) {
    return t->tokens[i].span.end - t->tokens[i].span.begin;
}

/* A field may have any word for a name. */
static bool is_word(const gr_typed *t, uint32_t i) {
    return t->tokens[i].kind == GR_T_NAME ||
           (t->tokens[i].kind >= GR_T_FN && t->tokens[i].kind < GR_TOKEN_KINDS);
}

uint32_t gr_chain_begin(const gr_typed *t, uint32_t end) {
    uint32_t i = end;
    while (i > 0) {
        if (t->tokens[i - 1].kind == GR_T_RBRACKET && t->tokens[i - 1].partner) {
            i = t->tokens[i - 1].partner - 1;
            continue;
        }
        if (!is_word(t, i - 1)) break;
        i--;
        if (i == 0 || t->tokens[i - 1].kind != GR_T_DOT) return i;
        i--;
    }
    return end;
}

bool gr_named_value(gr_vm *vm, const gr_typed *t, uint32_t begin, uint32_t end, gr_value *out) {
    if (begin >= end || t->tokens[begin].kind != GR_T_NAME ||
        !gr_known_value(vm, text_at(t, begin), size_at(t, begin), out))
        return false;
    for (uint32_t i = begin + 1; i < end;) {
        uint8_t kind = t->tokens[i].kind;
        bool field = kind == GR_T_DOT && i + 1 < end && is_word(t, i + 1);
        bool item = kind == GR_T_LBRACKET && i + 2 < end &&
                    t->tokens[i + 1].kind == GR_T_NUMBER && t->tokens[i].partner == i + 3;
        if (field ? !field_value(vm, *out, text_at(t, i + 1), size_at(t, i + 1), out)
                  : !item || !item_value(*out, text_at(t, i + 1), out))
            return false;
        i += field ? 2 : 3;
    }
    return true;
}

/* ---- signatures ------------------------------------------------------------------------------- */

bool gr_value_signature(gr_vm *vm, gr_value f, gr_buffer *out) {
    if (f.kind != GR_FUNCTION) return false;
    gr_function_text(vm, f, out);
    return true;
}

typedef struct search {
    const char *name;
    size_t length;
    const char *line, *end;
} search;

static bool is_sought(void *user, const char *name, size_t length, const char *line,
                      const char *end) {
    search *s = user;
    if (length != s->length || memcmp(name, s->name, length) != 0) return false;
    s->line = line;
    s->end = end;
    return true;
}

/* A definition goes on as long as lines are indented or close a bracket. */
static const char *definition_end(const char *line, const char *end) {
    do {
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : end;
    } while (line < end && strchr(" })]", *line));
    return line;
}

bool gr_library_definition(const char *name, size_t length, size_t *file, const char **text,
                           size_t *size) {
    search s = {.name = name, .length = length};
    size_t first = *file == SIZE_MAX ? 0 : *file;
    size_t last = *file == SIZE_MAX ? gr_stdlib_count : *file + 1;
    if (*file == SIZE_MAX && *name == '_') return false; /* its file's own */
    for (size_t f = first; f < last; f++)
        if (gr_each_definition((uint32_t)f, is_sought, &s)) {
            *file = f;
            *text = s.line;
            *size = (size_t)(definition_end(s.line, s.end) - s.line);
            return true;
        }
    return false;
}

/* From `fn` to the parenthesis that closes the parameters. */
static bool library_signature(const char *name, size_t length, gr_buffer *out) {
    const char *text;
    size_t size, file = SIZE_MAX;
    int depth = 0;
    if (!gr_library_definition(name, length, &file, &text, &size) || *text != 'f') return false;
    for (size_t i = 0; i < size; i++) {
        if (strchr("([{", text[i])) depth++;
        if (strchr(")]}", text[i]) && --depth == 0) {
            gr_buffer_put(out, text, i + 1);
            return true;
        }
    }
    return false;
}

static const gr_builtin *builtin_in(const gr_builtin *row, const char *name, size_t length) {
    for (; row->name; row++)
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0) return row;
    return NULL;
}

const gr_builtin *gr_find_builtin(const char *name, size_t length) {
    const gr_builtin *row = builtin_in(gr_builtins_transform, name, length);
    for (const gr_builtin *const *table = gr_builtin_tables; !row && *table; table++)
        row = builtin_in(*table, name, length);
    return row;
}

static const char *builtin_signature(const char *name, size_t length) {
    const gr_builtin *row = gr_find_builtin(name, length);
    if (row) return row->signature;
    char text[64];
    if (length >= sizeof text) return NULL;
    memcpy(text, name, length);
    text[length] = '\0';
    ad_op op = ad_op_find(text);
    return op != AD_OP_NONE && !(ad_op_info(op)->flags & AD_ROW_INTERNAL)
               ? ad_op_info(op)->signature
               : NULL;
}

bool gr_known_signature(gr_vm *vm, const char *name, size_t length, gr_buffer *out) {
    gr_value f;
    if (gr_known_value(vm, name, length, &f)) return gr_value_signature(vm, f, out);
    if (library_signature(name, length, out)) return true;
    const char *signature = builtin_signature(name, length);
    if (signature)
        gr_buffer_printf(out, "fn %.*s(%s)", (int)length, name, signature);
    return signature != NULL;
}

void gr_each_parameter(const char *signature, void (*each)(void *user, const char *name, size_t n),
                       void *user) {
    const char *p = strchr(signature, '(');
    int depth = 0;
    bool begins = false, quoted = false;
    for (; p && *p; p++) {
        if (*p == '"') quoted = !quoted;
        if (quoted) continue;
        if (*p == '(' || *p == '[' || *p == '{') {
            begins = ++depth == 1;
            continue;
        }
        if ((*p == ')' || *p == ']' || *p == '}') && --depth == 0) return;
        if (*p == ',' && depth == 1) {
            begins = true;
            continue;
        }
        if (!begins || *p == ' ' || *p == '\n') continue;
        size_t n = gr_name_length(p, p + strlen(p));
        if (n) each(user, p, n);
        begins = false;
        if (n) p += n - 1;
    }
}
