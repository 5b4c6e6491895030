/* SPDX-License-Identifier: MIT */
/*
 * What guesses are made of: values that are there, structures, and operations on types by the shape
 * rules of the table. The walk through trees is guess_tree.c.
 */
#include "guess.h"

#include "library.h"
#include "parser.h"
#include "vm_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PARSED = 1 << 17, MOST_DEPTH = 200, MOST_STEPS = 20000, MOST_ITEMS = GR_GUESS_ITEMS };

/* ---- the guesser ------------------------------------------------------------------------------ */

void gr_guesser_open(gr_guesser *g, gr_vm *vm) {
    *g = (gr_guesser){.vm = vm};
    gr_arena_init(&g->arena, gr_ctx(vm));
}

void gr_guesser_close(gr_guesser *g) {
    for (uint32_t i = 0; i < g->source_count; i++) {
        gr_ast_free(g->asts[i]);
        gr_source_free(g->sources[i]);
    }
    gr_arena_free(&g->arena);
}

const gr_ast *gr_guess_parse(gr_guesser *g, const char *text, size_t size, unsigned flags) {
    gr_source *source = NULL;
    gr_ast *ast = NULL;
    gr_report report;
    ad_ctx *ctx = gr_ctx(g->vm);
    if (g->source_count == GR_GUESS_SOURCES || size > MOST_PARSED ||
        gr_source_new(ctx, "", text, size, &source) != GR_SOURCE_OK)
        return NULL;
    gr_report_init(&report, ctx);
    bool ok = gr_parse(g->vm->library->lexicon, source, flags, &report, &ast) == GR_PARSE_OK;
    gr_report_clear(&report);
    if (!ok) {
        gr_source_free(source);
        return NULL;
    }
    g->sources[g->source_count] = source;
    g->texts[g->source_count] = NULL;
    g->asts[g->source_count++] = ast;
    return ast;
}

const gr_ast *gr_guess_parse_kept(gr_guesser *g, const char *text, size_t size) {
    for (uint32_t i = 0; i < g->source_count; i++)
        if (g->texts[i] == text && g->sources[i]->size == size) return g->asts[i];
    const gr_ast *ast = gr_guess_parse(g, text, size, 0);
    if (ast) g->texts[g->source_count - 1] = text;
    return ast;
}

/* ---- parts ------------------------------------------------------------------------------------ */

gr_guess gr_guess_some_number(void) {
    return (gr_guess){.kind = GR_G_NUMERIC, .type = {.dtype = AD_F64}};
}

gr_guess gr_guess_number(double x) {
    gr_guess n = gr_guess_some_number();
    n.constant = true;
    n.number = x;
    return n;
}

gr_guess gr_guess_of_type(gr_guesser *g, const ad_type *type) {
    gr_guess x = {.kind = GR_G_NUMERIC, .type = *type};
    if (type->rank > 0) g->saw_tensor = true;
    else if (type->dtype != AD_BOOL8) x.type.dtype = AD_F64; /* a number has no dtype */
    return x;
}

gr_guess gr_guess_of_value(gr_guesser *g, gr_value v) {
    if (v.kind == AD_NUMBER || v.kind == AD_BOOL) {
        gr_guess n = gr_guess_number(v.num);
        if (v.kind == AD_BOOL) n.type.dtype = AD_BOOL8;
        return n;
    }
    if (v.kind == AD_TENSOR) {
        ad_type type = ad_type_of(v);
        return gr_guess_of_type(g, &type);
    }
    if (v.kind == GR_STRING) {
        const gr_string *s = gr_as_string(v);
        return (gr_guess){.kind = GR_G_TEXT, .text = {s->bytes, (uint32_t)s->length}};
    }
    bool kept = v.kind == GR_TUPLE || v.kind == GR_RECORD || v.kind == GR_FUNCTION;
    return kept ? (gr_guess){.kind = GR_G_VALUE, .value = v} : gr_unknown();
}

bool gr_guess_is_structure(const gr_guess *x) {
    return x->kind == GR_G_ITEMS || (x->kind == GR_G_VALUE && gr_is_structure(x->value));
}

bool gr_guess_is_record(const gr_guess *x) {
    bool named = x->kind == GR_G_ITEMS ? x->names != NULL : x->value.kind == GR_RECORD;
    return gr_guess_is_structure(x) && named;
}

bool gr_guess_is_tuple(const gr_guess *x) {
    return gr_guess_is_structure(x) && !gr_guess_is_record(x) && gr_guess_count(x) <= MOST_ITEMS;
}

uint32_t gr_guess_count(const gr_guess *x) {
    if (x->kind == GR_G_ITEMS) return x->count;
    if (x->value.kind == GR_RECORD) return gr_record_count(x->value);
    size_t n = gr_as_tuple(x->value)->count;
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

gr_guess gr_guess_item(gr_guesser *g, const gr_guess *x, uint32_t i) {
    if (i >= gr_guess_count(x)) return gr_unknown();
    if (x->kind == GR_G_ITEMS) return x->items[i];
    if (x->value.kind == GR_RECORD) return gr_guess_of_value(g, gr_record_value(x->value, i));
    return gr_guess_of_value(g, gr_as_tuple(x->value)->items[i]);
}

/* The name of a record's item, NULL for a tuple's. */
static const char *item_name(const gr_guess *x, uint32_t i, size_t *size) {
    *size = 0;
    if (x->kind == GR_G_ITEMS) {
        if (!x->names) return NULL;
        *size = x->names[i]->length;
        return x->names[i]->text;
    }
    if (x->value.kind != GR_RECORD) return NULL;
    const gr_string *key = gr_record_key(x->value, i);
    *size = key->length;
    return key->bytes;
}

gr_guess gr_guess_field(gr_guesser *g, const gr_guess *x, const gr_name *name) {
    size_t size;
    for (uint32_t i = 0; i < gr_guess_count(x); i++) {
        const char *key = item_name(x, i, &size);
        if (key && size == name->length && memcmp(key, name->text, size) == 0)
            return gr_guess_item(g, x, i);
    }
    return gr_unknown();
}

gr_guess gr_guess_items(gr_guesser *g, uint32_t count, const gr_guess *items) {
    gr_guess *kept = count ? gr_arena_copy(&g->arena, items, count * sizeof *items) : NULL;
    if (count && !kept) return gr_unknown();
    return (gr_guess){.kind = GR_G_ITEMS, .items = kept, .count = count};
}

bool gr_guess_enter(gr_guesser *g) {
    if (g->depth >= MOST_DEPTH || g->steps >= MOST_STEPS) return false;
    g->depth++;
    g->steps++;
    return true;
}

static gr_guess like_items(gr_guesser *g, const gr_guess *x) {
    gr_guess items[MOST_ITEMS];
    const gr_name *names[MOST_ITEMS];
    uint32_t count = gr_guess_count(x);
    if (count > MOST_ITEMS) return gr_unknown();
    if (count == 0) return (gr_guess){.kind = GR_G_ITEMS};
    bool named = false;
    for (uint32_t i = 0; i < count; i++) {
        size_t size;
        gr_guess item = gr_guess_item(g, x, i);
        items[i] = gr_guess_like(g, &item);
        if (items[i].kind == GR_G_UNKNOWN) return gr_unknown();
        const char *key = item_name(x, i, &size);
        named = key != NULL;
        if (key && !(names[i] = gr_intern(g->vm->names, key, size))) return gr_unknown();
    }
    gr_guess like = gr_guess_items(g, count, items);
    if (named) like.names = gr_arena_copy(&g->arena, names, count * sizeof *names);
    return named && !like.names ? gr_unknown() : like;
}

gr_guess gr_guess_like(gr_guesser *g, const gr_guess *x) {
    if (x->kind == GR_G_NUMERIC) return gr_guess_of_type(g, &x->type);
    if (!gr_guess_is_structure(x) || !gr_guess_enter(g)) return gr_unknown();
    gr_guess like = like_items(g, x);
    g->depth--;
    return like;
}

static bool same_items(gr_guesser *g, const gr_guess *a, const gr_guess *b) {
    if (gr_guess_count(a) != gr_guess_count(b)) return false;
    for (uint32_t i = 0; i < gr_guess_count(a); i++) {
        size_t m, n;
        const char *p = item_name(a, i, &m), *q = item_name(b, i, &n);
        if (!p != !q || m != n || (p && memcmp(p, q, n) != 0)) return false;
        gr_guess left = gr_guess_item(g, a, i), right = gr_guess_item(g, b, i);
        if (!gr_guess_same_tree(g, &left, &right)) return false;
    }
    return true;
}

bool gr_guess_same_tree(gr_guesser *g, const gr_guess *a, const gr_guess *b) {
    if (a->kind == GR_G_NUMERIC && b->kind == GR_G_NUMERIC)
        return a->type.dtype == b->type.dtype && a->type.rank == b->type.rank &&
               memcmp(a->type.dims, b->type.dims, a->type.rank * sizeof *a->type.dims) == 0;
    if (!gr_guess_is_structure(a) || !gr_guess_is_structure(b) || !gr_guess_enter(g)) return false;
    bool same = same_items(g, a, b);
    g->depth--;
    return same;
}

/* ---- operations ------------------------------------------------------------------------------- */

void gr_guess_note(gr_guesser *g, const char *conflict) {
    if (g->uncertain || g->has_conflict) return;
    g->has_conflict = true;
    snprintf(g->conflict, sizeof g->conflict, "%.200s", conflict);
}

gr_guess gr_guess_infer(gr_guesser *g, ad_op op, int n, const ad_type *in, const ad_arg *args) {
    static const ad_arg none[AD_MAX_ARGS];
    ad_type out[AD_MAX_OPERANDS];
    const ad_row_info *info = ad_op_info(op);
    /* where the result's shape depends on the elements */
    if (strcmp(info->name, "unique") == 0 || strcmp(info->name, "nonzero") == 0)
        return gr_unknown();
    ad_status status = ad_infer(gr_ctx(g->vm), op, n, in, args ? args : none, out);
    if (status != AD_OK) {
        if (status != AD_ERR_MEMORY) gr_guess_note(g, ad_last_error(gr_ctx(g->vm))->message);
        return gr_unknown();
    }
    if (info->results == 1) return gr_guess_of_type(g, out);
    gr_guess items[AD_MAX_OPERANDS];
    for (int i = 0; i < info->results; i++) items[i] = gr_guess_of_type(g, &out[i]);
    return gr_guess_items(g, (uint32_t)info->results, items);
}

static bool fold(ad_op op, double a, double b, double *out) {
    switch (op) {
    case AD_OP_ADD: *out = a + b; return true;
    case AD_OP_SUB: *out = a - b; return true;
    case AD_OP_MUL: *out = a * b; return true;
    case AD_OP_DIV: *out = a / b; return true;
    case AD_OP_POW: *out = pow(a, b); return true;
    default: return false;
    }
}

gr_guess gr_guess_truth(bool holds) {
    gr_guess b = gr_guess_number(holds);
    b.type.dtype = AD_BOOL8;
    return b;
}

bool gr_guess_fold(gr_operator op, const gr_guess *a, const gr_guess *b, bool *out) {
    double x = a->number, y = b->number;
    if (a->kind == GR_G_TEXT && b->kind == GR_G_TEXT && (op == GR_OP_EQ || op == GR_OP_NE)) {
        bool same = a->text.size == b->text.size &&
                    memcmp(a->text.bytes, b->text.bytes, a->text.size) == 0;
        *out = same == (op == GR_OP_EQ);
        return true;
    }
    if (!a->constant || !b->constant) return false;
    switch (op) {
    case GR_OP_EQ: *out = x == y; return true;
    case GR_OP_NE: *out = x != y; return true;
    case GR_OP_LT: *out = x < y; return true;
    case GR_OP_LE: *out = x <= y; return true;
    case GR_OP_GT: *out = x > y; return true;
    case GR_OP_GE: *out = x >= y; return true;
    case GR_OP_AND: *out = x != 0 && y != 0; return true;
    case GR_OP_OR: *out = x != 0 || y != 0; return true;
    default: return false;
    }
}

gr_guess gr_guess_operator(gr_guesser *g, ad_op op, const gr_guess *a, const gr_guess *b) {
    double x;
    if (a->kind == GR_G_NUMERIC && b->kind == GR_G_NUMERIC) {
        if (a->constant && b->constant && fold(op, a->number, b->number, &x))
            return gr_guess_number(x);
        return gr_guess_infer(g, op, 2, (ad_type[]){a->type, b->type}, NULL);
    }
    if (op >= AD_OP_EQ && op <= AD_OP_NOT) return gr_unknown();
    if (gr_guess_is_structure(a) && gr_is_number_guess(b)) return gr_guess_like(g, a);
    if (gr_guess_is_structure(b) && gr_is_number_guess(a)) return gr_guess_like(g, b);
    if (gr_guess_is_structure(a) && gr_guess_same_tree(g, a, b)) return gr_guess_like(g, a);
    return gr_unknown();
}
