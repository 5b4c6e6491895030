/* SPDX-License-Identifier: MIT */
/*
 * Backward through the records: a statement is kept where it wrote a place that is needed; what it could
 * read is needed then, and what it wrote no longer. Then forward, writing them down. A file is compiled
 * as a whole, a session statement by statement; what that makes a difference to is said in so many words:
 * a name of the prelude that is taken later is bound to it first, a name that never came to be is made
 * one that fails, `ans` is a variable.
 */
#include "script.h"

#include "format.h"
#include "library.h"
#include "parser.h"
#include "reach.h"
#include "testing_text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char gr_script_mark[] = "# A session that :save wrote.";

typedef struct writer {
    gr_vm *vm;
    gr_journal *journal;
    gr_script *out;
    const char *folder;
    bool *kept;    /* by statement */
    bool *answers; /* its value is read as ans */
    ad_random_state random;
    bool is_random_known;
    ad_dtype dtype;
} writer;

/* ---- what is needed --------------------------------------------------------------------------- */

static bool has_any(const gr_places *a, const gr_places *needed) {
    for (uint32_t i = 0; i < a->count; i++)
        if (gr_places_has(needed, a->items[i])) return true;
    return false;
}

static void remove_all(gr_places *needed, const gr_places *what) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < needed->count; i++)
        if (!gr_places_has(what, needed->items[i])) needed->items[n++] = needed->items[i];
    needed->count = n;
}

static bool add_all(gr_vm *vm, gr_places *needed, const gr_places *what) {
    for (uint32_t i = 0; i < what->count; i++)
        if (!gr_places_has(needed, what->items[i]) && !gr_places_add(vm, needed, what->items[i]))
            return false;
    return true;
}

static uint32_t answer_slot(gr_vm *vm) {
    const gr_name *name = gr_intern_ascii(vm->names, "ans", 3);
    return name ? gr_module_slot(vm->library->main, name) : UINT32_MAX;
}

/* Files that a kept statement reads may be those that an earlier one wrote. */
static bool choose(writer *w, gr_places *needed) {
    gr_journal *j = w->journal;
    uintptr_t answer = gr_place_of_slot(answer_slot(w->vm));
    bool files = false;
    for (uint32_t i = j->count; i-- > 0;) {
        const gr_statement *s = &j->statements[i];
        if (s->kind == GR_RECORD_RESET) return true;
        w->kept[i] = s->light || has_any(&s->writes, needed) || (files && s->effects & GR_EFFECT_WROTE_FILE);
        if (!w->kept[i]) continue;
        w->answers[i] = s->answered && gr_places_has(needed, answer);
        files |= (s->effects & GR_EFFECT_READ_FILE) != 0;
        remove_all(needed, &s->writes);
        if (!add_all(w->vm, needed, &s->reads)) return false;
        w->out->kept++;
    }
    return true;
}

/* ---- a statement as text of a file ------------------------------------------------------------ */

/* Comments of promised output are those of the script alone. */
static bool is_promise(const gr_source *s, gr_span comment) {
    return comment.end - comment.begin >= 2 && s->text[comment.begin + 1] == '>';
}

/* The text from `from` to `to`, with such comments made plain ones. */
static void put_text(writer *w, const gr_ast *ast, uint32_t from, uint32_t to) {
    const gr_source *s = ast->source;
    for (uint32_t i = 0; i < ast->comment_count; i++) {
        gr_span c = ast->comments[i];
        if (c.begin < from || c.begin >= to || !is_promise(s, c)) continue;
        gr_buffer_put(&w->out->text, s->text + from, c.begin + 1 - from);
        gr_buffer_puts(&w->out->text, " ");
        from = c.begin + 1;
    }
    gr_buffer_put(&w->out->text, s->text + from, to - from);
}

/* Where the k-th statement of the top level begins, parentheses around it included. */
static uint32_t begin_of(const gr_ast *ast, uint32_t k) {
    const gr_node_list *list = &ast->root->as.block;
    const char *text = ast->source->text;
    uint32_t at = k ? list->items[k - 1]->span.end : 0, end = list->items[k]->span.begin;
    while (at < end) {
        if (text[at] == '#') at += (uint32_t)strcspn(text + at, "\n");
        else if (strchr(" \t\r\n;)", text[at])) at++;
        else break;
    }
    return at < end ? at : end;
}

/* import "part.nn": beside the script another file, or none, has this name. */
static uint32_t put_import(writer *w, const gr_ast *ast, const gr_node *n, uint32_t from) {
    char folder[PATH_MAX], path[PATH_MAX], whole[PATH_MAX], there[PATH_MAX], here[PATH_MAX], new[PATH_MAX];
    const char *name = ast->source->name, *slash = strrchr(name, '/');
    int length = slash ? (int)(slash - name) + 1 : 0;
    snprintf(folder, sizeof folder, "%.*s.", length, name);
    snprintf(path, sizeof path, "%.*s%s", length, name, n->as.import.path.bytes);
    snprintf(there, sizeof there, "%s.", w->folder);
    bool same = realpath(folder, here) && realpath(there, new) && strcmp(here, new) == 0;
    if (same || n->as.import.path.bytes[0] == '/' || !realpath(path, whole)) return from;
    put_text(w, ast, from, n->as.import.path_span.begin);
    gr_format_quoted(&w->out->text, whole, strlen(whole));
    return n->as.import.path_span.end;
}

/* What fails is caught, so that what it had done before is done again. */
static bool fails_here(const gr_statement *s, const gr_ast *ast, uint32_t k) {
    const gr_node_list *list = &ast->root->as.block;
    uint32_t next = k + 1 < list->count ? list->items[k + 1]->span.begin : UINT32_MAX;
    return s->status == GR_FAILED && s->failed_at < next;
}

static bool is_own_name(const writer *w, const char *text) {
    const gr_name *name = gr_intern(w->vm->names, text, strlen(text));
    uint32_t slot = name ? gr_module_slot(w->vm->library->main, name) : UINT32_MAX;
    return slot != UINT32_MAX && gr_is_own_global(&w->vm->globals[slot]) &&
           !gr_is_absent(w->vm->globals[slot].value);
}

static void put_caught(writer *w, const gr_ast *ast, uint32_t from, uint32_t to) {
    gr_buffer *out = &w->out->text;
    while (to > from && strchr(" \t\r\n;", ast->source->text[to - 1])) to--;
    gr_buffer_printf(out, "%stry(fn() {  # it failed\n", is_own_name(w, "try") ? "prelude." : "");
    if (strncmp(ast->source->text + from, "|>", 2) == 0) gr_buffer_puts(out, "ans ");
    put_text(w, ast, from, to);
    gr_buffer_puts(out, "\n})\n");
}

/* What must stand in front of a statement in a file that the prompt does without. */
static void put_opening(writer *w, const gr_ast *ast, uint32_t at, bool answer) {
    const char *text = ast->source->text + at;
    if (answer) gr_buffer_puts(&w->out->text, "let ans = ");
    if (strncmp(text, "|>", 2) == 0) gr_buffer_puts(&w->out->text, "ans ");
    else if (!answer && (*text == '-' || strncmp(text, "−", 3) == 0)) gr_buffer_puts(&w->out->text, "; ");
}

static uint32_t end_of(const gr_ast *ast, uint32_t k) {
    const gr_node_list *list = &ast->root->as.block;
    return k + 1 < list->count ? begin_of(ast, k + 1) : ast->source->size;
}

static void put_tree(writer *w, const gr_statement *s, const gr_ast *ast, bool answer) {
    const gr_node_list *list = &ast->root->as.block;
    uint32_t from = 0;
    for (uint32_t k = 0; k < list->count; k++) {
        const gr_node *n = list->items[k];
        uint32_t at = begin_of(ast, k);
        put_text(w, ast, from, at);
        from = at;
        if (fails_here(s, ast, k)) {
            put_caught(w, ast, at, end_of(ast, k));
            return;
        }
        put_opening(w, ast, at, answer && k + 1 == list->count);
        if (n->kind == GR_N_IMPORT) from = put_import(w, ast, n, from);
    }
    put_text(w, ast, from, ast->source->size);
}

static void end_line(gr_buffer *out) {
    if (out->size && out->text[out->size - 1] != '\n') gr_buffer_puts(out, "\n");
}

static void put_source(writer *w, const gr_statement *s, bool answer) {
    gr_vm *vm = w->vm;
    gr_report report;
    gr_ast *ast = NULL;
    gr_report_init(&report, vm->ctx);
    unsigned flags = s->kind == GR_RECORD_TYPED ? GR_PARSE_PROMPT : 0u;
    if (gr_parse(vm->library->lexicon, s->source, flags, &report, &ast) == GR_PARSE_OK)
        put_tree(w, s, ast, answer);
    gr_ast_free(ast);
    gr_report_clear(&report);
    end_line(&w->out->text);
}

/* ---- names ------------------------------------------------------------------------------------ */

static bool is_written_before(const writer *w, uintptr_t place, uint32_t end) {
    for (uint32_t i = 0; i < end; i++)
        if (w->kept[i] && gr_places_has(&w->journal->statements[i].writes, place)) return true;
    return false;
}

static const gr_name *name_of(const writer *w, uintptr_t place) {
    return w->vm->globals[gr_slot_of_place(place)].name;
}

/* Calls `put` for each name that a kept statement mentions before one defines it, once. */
static bool each_early_name(writer *w, bool (*put)(writer *w, uintptr_t place)) {
    gr_places told = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < w->journal->count; i++) {
        const gr_places *names = &w->journal->statements[i].names;
        for (uint32_t k = 0; ok && w->kept[i] && k < names->count; k++) {
            uintptr_t place = names->items[k];
            if (gr_places_has(&told, place) || is_written_before(w, place, i)) continue;
            ok = gr_places_add(w->vm, &told, place) && put(w, place);
        }
    }
    gr_places_free(w->vm, &told);
    return ok;
}

static bool is_defined(const writer *w, uintptr_t place) {
    for (uint32_t i = 0; i < w->journal->count; i++)
        if (w->kept[i] && gr_places_has(&w->journal->statements[i].defined, place)) return true;
    return false;
}

/* The prelude's, until the script takes it; or what only a function has ever made. */
static bool put_early_name(writer *w, uintptr_t place) {
    const gr_name *name = name_of(w, place);
    bool written = is_written_before(w, place, w->journal->count);
    bool prelude = gr_prelude_slot(w->vm, name) != UINT32_MAX;
    if (written && prelude) gr_buffer_printf(&w->out->text, "let %s = prelude.%s\n", name->text, name->text);
    else if (written && !is_defined(w, place)) gr_buffer_printf(&w->out->text, "let %s = nil\n", name->text);
    return true;
}

/* Named by a function, and never defined: a file with such a name would not be run. */
static bool put_unknown_name(writer *w, uintptr_t place) {
    const gr_name *name = name_of(w, place);
    if (is_written_before(w, place, w->journal->count) || gr_prelude_slot(w->vm, name) != UINT32_MAX)
        return true;
    gr_buffer_printf(&w->out->text, "fn %s(...any) = %serror(\"`%s` is not defined\")\n", name->text,
                     is_own_name(w, "error") ? "prelude." : "", name->text);
    return true;
}

/* ---- lines between statements ----------------------------------------------------------------- */

static bool same_random(ad_random_state a, ad_random_state b) {
    return a.key == b.key && a.counter == b.counter;
}

static void put_random(writer *w, ad_random_state state) {
    gr_buffer *out = &w->out->text;
    const uint64_t exact = (uint64_t)1 << 53;
    if (w->is_random_known && same_random(w->random, state)) return;
    w->random = state;
    w->is_random_known = true;
    if (is_own_name(w, "seed")) gr_buffer_puts(out, "prelude.");
    if (state.key > exact || state.counter > exact) {
        const uint64_t parts[] = {state.key >> 32, state.key & UINT32_MAX, state.counter >> 32,
                                  state.counter & UINT32_MAX};
        gr_buffer_puts(out, "seed(prelude.tensor((");
        for (int i = 0; i < 4; i++)
            gr_buffer_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)parts[i]);
        gr_buffer_puts(out, "), dtype = \"f64\"))\n");
    } else if (state.counter) {
        gr_buffer_printf(out, "seed(%llu, counter = %llu)\n", (unsigned long long)state.key,
                         (unsigned long long)state.counter);
    } else {
        gr_buffer_printf(out, "seed(%llu)\n", (unsigned long long)state.key);
    }
}

static void put_dtype(writer *w, ad_dtype dtype) {
    if (w->dtype == dtype) return;
    w->dtype = dtype;
    const char *whose = is_own_name(w, "default_dtype") ? "prelude." : "";
    gr_buffer_printf(&w->out->text, "%sdefault_dtype(\"%s\")\n", whose, ad_dtype_name(dtype));
}

static void put_promise(writer *w, const gr_buffer *printed) {
    if (!printed->size || w->out->unheard) return;
    gr_put_promise(&w->out->text, "", 0, (gr_text){printed->text, (uint32_t)printed->size});
    end_line(&w->out->text);
}

static void put_statement(writer *w, uint32_t i) {
    const gr_statement *s = &w->journal->statements[i];
    bool by_values = s->values.size || s->lost.size;
    put_dtype(w, by_values ? AD_F64 : s->dtype);
    if (by_values) {
        gr_buffer_puts(&w->out->text, "# left by a statement that was stopped:\n");
        gr_buffer_put(&w->out->text, s->values.text, s->values.size);
        if (s->lost.size) gr_buffer_printf(&w->out->text, "# and %s\n", s->lost.text);
        if (s->lost.size)
            gr_buffer_printf(&w->out->lost, "%s%s", w->out->lost.size ? ", " : "", s->lost.text);
        return;
    }
    bool drew = !same_random(s->before, s->after);
    if (drew || s->effects & GR_EFFECT_ASKED_RANDOM) put_random(w, s->before);
    put_source(w, s, w->answers[i]);
    if (drew) w->random = s->after;
    w->dtype = s->dtype_after;
    put_promise(w, &s->printed);
}

/* ---- the values at the end -------------------------------------------------------------------- */

enum { LONGEST_SHOWN = 2000 };

/* Functions and pictures say little, or what the window's width is. */
static bool is_shown(gr_value v) { return v.kind != GR_FUNCTION && v.kind != GR_PICTURE; }

static void put_variable(void *user, const gr_name *name, gr_value v) {
    writer *w = user;
    gr_buffer text;
    if (!is_shown(v) || strcmp(name->text, "ans") == 0) return;
    gr_buffer_init(&text, w->vm->ctx);
    gr_format_print(w->vm, &text, v);
    if (text.size && text.size <= LONGEST_SHOWN) {
        gr_buffer_printf(&w->out->text, "%sprint(%s)\n", is_own_name(w, "print") ? "prelude." : "",
                         name->text);
        put_promise(w, &text);
    }
    gr_buffer_free(&text);
}

static bool mentions(const writer *w, const char *word) {
    for (uint32_t i = 0; i < w->journal->count; i++) {
        const gr_source *s = w->kept[i] ? w->journal->statements[i].source : NULL;
        if (s && strstr(s->text, word)) return true;
    }
    return false;
}

/* What the session was called with; the script is called without. */
static void put_arguments(writer *w) {
    gr_value arguments = gr_arguments(w->vm);
    if (gr_as_tuple(arguments)->count == 0 || is_own_name(w, "args") || !mentions(w, "args")) return;
    gr_buffer_puts(&w->out->text, "let args = ");
    gr_format_source(w->vm, &w->out->text, arguments);
    gr_buffer_puts(&w->out->text, "\n");
}

static void put_all(writer *w) {
    gr_journal *j = w->journal;
    gr_buffer_printf(&w->out->text, "%s `gradus test` compares what it prints.\n", gr_script_mark);
    gr_buffer_puts(&w->out->text, "\n");
    put_arguments(w);
    each_early_name(w, put_early_name);
    for (uint32_t i = 0; i < j->count; i++)
        if (w->kept[i]) put_statement(w, i);
    each_early_name(w, put_unknown_name);
    bool drew = false;
    for (uint32_t i = 0; i < j->count; i++)
        drew |= !same_random(j->statements[i].before, j->statements[i].after);
    if (drew) put_random(w, ad_random_get(w->vm->ctx));
    put_dtype(w, ad_default_dtype(w->vm->ctx));
    gr_buffer_puts(&w->out->text, "\n# What there is at the end:\n");
    gr_each_global(w->vm, put_variable, w);
}

static bool is_unheard(const writer *w) {
    for (uint32_t i = 0; i < w->journal->count; i++) {
        const gr_statement *s = &w->journal->statements[i];
        if (w->kept[i] && (s->unheard || s->printed.size > GR_MOST_PRINTED)) return true;
    }
    return false;
}

/* Of a light record: what its code names, and what it defines. */
static bool complete(gr_vm *vm, gr_statement *s) {
    if (!s->light || !s->proto || s->names.count || s->defined.count) return true;
    if (!gr_reach_names(vm, s->proto, &s->names)) return false;
    if (!gr_reach_defined(vm, s->proto, &s->defined)) return false;
    uint32_t answer = answer_slot(vm);
    if (s->answered && !gr_places_add(vm, &s->writes, gr_place_of_slot(answer))) return false;
    return add_all(vm, &s->writes, &s->defined) && add_all(vm, &s->reads, &s->names);
}

static bool complete_all(gr_journal *j) {
    bool ok = true;
    for (uint32_t i = 0; ok && i < j->count; i++) ok = complete(j->vm, &j->statements[i]);
    return ok;
}

bool gr_script_make(gr_journal *j, const char *folder, gr_script *out) {
    gr_vm *vm = j->vm;
    gr_places needed = {0};
    writer w = {.vm = vm, .journal = j, .out = out, .folder = folder, .dtype = AD_F64};
    *out = (gr_script){.all = j->count};
    gr_buffer_init(&out->text, vm->ctx);
    gr_buffer_init(&out->lost, vm->ctx);
    size_t size = (j->count + 1) * sizeof(bool);
    w.kept = ad_mem_get(vm->ctx, 2 * size);
    if (!w.kept) return false;
    memset(w.kept, 0, 2 * size);
    w.answers = w.kept + j->count + 1;
    bool ok = complete_all(j) && gr_reach_variables(vm, &needed) && choose(&w, &needed);
    out->unheard = ok && is_unheard(&w);
    if (ok) put_all(&w);
    gr_places_free(vm, &needed);
    ad_mem_put(vm->ctx, w.kept, 2 * size);
    return ok && !out->text.failed;
}

void gr_script_free(gr_script *s) {
    gr_buffer_free(&s->text);
    gr_buffer_free(&s->lost);
}
