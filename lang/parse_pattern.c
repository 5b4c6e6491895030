/* SPDX-License-Identifier: MIT */
/*
 * What binds names: patterns, parameter lists, shape signatures.
 */
#include "parse.h"

#include <stdlib.h>
#include <string.h>

static gr_node *pattern_name(gr_parser *p) {
    gr_token t = p->token;
    gr_advance(p);
    bool ignore = t.name == p->word_ignore;
    gr_node *node = GR_MAKE(p, ignore ? GR_N_PATTERN_IGNORE : GR_N_PATTERN_NAME, name, t.span);
    if (node) node->as.name = t.name;
    return node;
}

static gr_node *pattern_rest(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    if (!gr_at(p, GR_T_NAME)) {
        gr_expected(p, "a name for the rest");
        return NULL;
    }
    gr_node *name = pattern_name(p);
    gr_node *node = name ? GR_MAKE(p, GR_N_PATTERN_REST, spread, gr_from(p, begin)) : NULL;
    if (node) node->as.spread = name;
    return node;
}

/* for (x in xs) and for (i = 0; …) come here as a tuple that does not go on. */
static void foreign_loop_head(gr_parser *p, gr_span first) {
    if (gr_at(p, GR_T_IN)) {
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span,
                                   "the head of a `for` stands without parentheses");
        gr_diag_help(d, "write `for %.*s in xs { }`", GR_TEXT(p, first));
    } else if (gr_at(p, GR_T_ASSIGN)) {
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span,
                                   "a loop runs over a range, without counting by hand");
        gr_diag_help(d, "write `for %.*s in 0..n { }`", GR_TEXT(p, first));
    }
}

static void rest_not_last(gr_parser *p, const gr_node *rest) {
    if (!gr_at(p, GR_T_COMMA)) return;
    gr_token next = gr_peek(p);
    if (next.kind == GR_T_RPAREN) return;
    gr_complain(p, GR_E_bad_pattern, rest->span, "`...%s` takes what is left, so it stands last",
                rest->as.spread->as.name->text);
}

static gr_node *pattern_tuple(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    size_t mark = p->scratch.size;
    bool comma = false;
    if (!gr_open_bracket(p, false)) return NULL;
    while (!p->failed && !gr_at(p, GR_T_RPAREN)) {
        gr_node *item = gr_at(p, GR_T_SPREAD) ? pattern_rest(p) : gr_parse_pattern(p);
        if (!item) break;
        if (item->kind == GR_N_PATTERN_REST) rest_not_last(p, item);
        gr_push(p, &item, sizeof item);
        foreign_loop_head(p, item->span);
        comma = gr_accept(p, GR_T_COMMA);
        if (!comma) break;
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    gr_node_list list = gr_pop_nodes(p, mark);
    if (list.count == 1 && !comma && list.items[0]->kind != GR_N_PATTERN_REST) {
        return list.items[0];
    }
    gr_node *node = GR_MAKE(p, GR_N_PATTERN_TUPLE, list, gr_from(p, begin));
    if (node) node->as.list = list;
    return node;
}

static bool pattern_field(gr_parser *p) {
    gr_token name = p->token;
    if (!gr_is_word(&name)) {
        gr_expected(p, "the name of a field or `}`");
        return false;
    }
    gr_advance(p);
    gr_record_field field = {.name = name.name, .name_span = name.span};
    if (gr_accept(p, GR_T_COLON)) {
        field.value = gr_parse_pattern(p);
    } else if (name.kind != GR_T_NAME) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_pattern, name.span,
                                   "`%s` is a keyword and cannot be bound", name.name->text);
        gr_suggest_code(p, d, "let {%s: value} = r", name.name->text);
    } else {
        field.shorthand = true;
        field.value = GR_MAKE(p, GR_N_PATTERN_NAME, name, name.span);
        if (field.value) field.value->as.name = name.name;
    }
    if (field.value) gr_push(p, &field, sizeof field);
    return !p->failed;
}

static gr_node *pattern_record(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    size_t mark = p->scratch.size;
    if (!gr_open_bracket(p, false)) return NULL;
    while (!gr_at(p, GR_T_RBRACE) && pattern_field(p) && gr_accept(p, GR_T_COMMA)) {
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    uint32_t count;
    gr_record_field *fields = gr_pop_list(p, mark, sizeof *fields, &count);
    gr_node *node = GR_MAKE(p, GR_N_PATTERN_RECORD, record, gr_from(p, begin));
    if (!node) return NULL;
    node->as.record.fields = fields;
    node->as.record.count = count;
    return node;
}

/* let [a, b] = … */
static void bracket_pattern(gr_parser *p) {
    gr_span opener = p->token.span, rest = gr_rest_of_line(p, opener.end, ";");
    const char *text = p->source->text;
    uint32_t end = opener.end;
    while (end < rest.end && text[end] != ']') end++;
    gr_diagnostic *d = gr_fail(p, GR_E_bad_pattern, opener, "a pattern is written with `( )`");
    if (end == rest.end) return;
    gr_suggest_code(p, d, "let (%.*s)%.*s", (int)(end - opener.end), text + opener.end,
                    (int)(rest.end - end - 1), text + end + 1);
}

gr_node *gr_parse_pattern(gr_parser *p) {
    const gr_token *t = &p->token;
    switch (t->kind) {
    case GR_T_NAME: return pattern_name(p);
    case GR_T_LPAREN: return pattern_tuple(p);
    case GR_T_LBRACE: return pattern_record(p);
    case GR_T_LBRACKET: bracket_pattern(p); return NULL;
    default: break;
    }
    if (t->kind == GR_T_LET) { /* for (let i = 0; …), for let x in xs */
        gr_token name = gr_peek(p);
        bool counts = p->source->text[name.span.end] == ' ' && p->source->text[name.span.end + 1] == '=';
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, t->span, "names in a pattern stand without `let`");
        gr_diag_help(d, "write `for %.*s in %s { }`", GR_TEXT(p, name.span), counts ? "0..n" : "xs");
    } else if (gr_is_word(t)) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_pattern, t->span,
                                   "`%s` is a keyword and cannot be bound", t->name->text);
        gr_diag_help(d, "choose another name, such as `%s_`", t->name->text);
    } else {
        gr_expected(p, "a name");
    }
    return NULL;
}

/* ---- names that come twice ---------------------------------------------------------------- */

void gr_note_name(gr_parser *p, const gr_name *name, gr_span span) {
    gr_noted noted = {name, span};
    gr_push(p, &noted, sizeof noted);
}

static int compare_noted(const void *x, const void *y) {
    const gr_noted *a = x, *b = y;
    if (a->name != b->name) return (uintptr_t)a->name < (uintptr_t)b->name ? -1 : 1;
    return a->span.begin < b->span.begin ? -1 : a->span.begin > b->span.begin;
}

void gr_check_repeated(gr_parser *p, size_t mark, const char *what) {
    size_t count = (p->scratch.size - mark) / sizeof(gr_noted);
    gr_noted *list = (gr_noted *)(void *)(p->scratch.text + mark);
    if (count > 1) qsort(list, count, sizeof *list, compare_noted);
    for (size_t i = 1; i < count && !p->failed; i++) {
        if (list[i].name != list[i - 1].name) continue;
        gr_diagnostic *d = gr_complain(p, GR_E_repeated_name, list[i].span, "`%s` %s",
                                       list[i].name->text, what);
        gr_diag_also(d, p->source, list[i - 1].span, "it stands here already");
    }
    p->scratch.size = mark;
}

/* Recursion follows brackets, which are limited. */
static void note_names(gr_parser *p, const gr_node *pattern) {
    switch (pattern->kind) {
    case GR_N_PATTERN_NAME: gr_note_name(p, pattern->as.name, pattern->span); break;
    case GR_N_PATTERN_REST: note_names(p, pattern->as.spread); break;
    case GR_N_PATTERN_TUPLE:
        for (uint32_t i = 0; i < pattern->as.list.count; i++)
            note_names(p, pattern->as.list.items[i]);
        break;
    case GR_N_PATTERN_RECORD:
        for (uint32_t i = 0; i < pattern->as.record.count; i++)
            note_names(p, pattern->as.record.fields[i].value);
        break;
    default: break;
    }
}

void gr_check_names(gr_parser *p, const gr_node *pattern) {
    size_t mark = p->scratch.size;
    if (!p->failed) note_names(p, pattern);
    gr_check_repeated(p, mark, "is bound twice");
}

/* ---- shape signatures --------------------------------------------------------------------- */

static bool dim(gr_parser *p, bool *any) {
    gr_token t = p->token;
    gr_dim d = {.span = t.span};
    if (t.kind == GR_T_NAME) {
        d.kind = GR_DIM_LETTER;
        d.letter = t.name;
    } else if (t.kind == GR_T_NUMBER && t.number == (double)(uint32_t)t.number) {
        d.kind = GR_DIM_NUMBER;
        d.number = (uint64_t)t.number;
    } else if (t.kind == GR_T_RANGE && !*any) {
        d.kind = GR_DIM_ANY;
        *any = true;
    } else if (t.kind == GR_T_RANGE) {
        gr_fail(p, GR_E_bad_signature, t.span, "a signature has at most one `..`");
        return false;
    } else {
        gr_diagnostic *g = gr_fail(p, GR_E_bad_signature, t.span,
                                   "a size in a signature is a letter, a whole number or `..`");
        gr_diag_help(g, "write it as in `x: [B, 3]` or `x: [.., N]`");
        return false;
    }
    gr_advance(p);
    gr_push(p, &d, sizeof d);
    return !p->failed;
}

const gr_signature *gr_parse_signature(gr_parser *p) {
    gr_span span = p->token.span;
    if (!gr_at(p, GR_T_LBRACKET)) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_bad_signature, span, "a signature is a shape in brackets, not a type");
        gr_diag_help(d, "write it as in `x: [B, N]`, or leave it out");
        return NULL;
    }
    size_t mark = p->scratch.size;
    bool any = false;
    if (!gr_open_bracket(p, false)) return NULL;
    while (!gr_at(p, GR_T_RBRACKET) && dim(p, &any) && gr_accept(p, GR_T_COMMA)) {
    }
    if (!p->failed && !gr_at(p, GR_T_RBRACKET) && !gr_at(p, GR_T_END) && !p->token.line_start)
        gr_fail(p, GR_E_bad_signature, p->token.span,
                "a size in a signature is one letter or number, without arithmetic");
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    gr_signature signature = {.span = gr_from(p, span.begin)};
    signature.dims = gr_pop_list(p, mark, sizeof(gr_dim), &signature.count);
    return gr_arena_copy(&p->ast->arena, &signature, sizeof signature);
}

/* ---- parameters --------------------------------------------------------------------------- */

/* fn f(lr: 0.1) */
static void colon_default(gr_parser *p, gr_span name) {
    uint32_t begin = p->token.span.begin;
    gr_span at = p->token.span;
    if (!gr_parse_expression(p)) return;
    gr_span value = gr_from(p, begin);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, at, "a default is written with `=`");
    gr_suggest_code(p, d, "%.*s = %.*s", GR_TEXT(p, name), GR_TEXT(p, value));
}

static void parameter_signature(gr_parser *p, gr_parameter *parameter) {
    if (!gr_accept(p, GR_T_COLON)) return;
    bool shape = gr_at(p, GR_T_LBRACKET), word = gr_at(p, GR_T_NAME);
    if (!shape && !word && gr_begins_operand(&p->token))
        colon_default(p, parameter->span);
    else
        parameter->signature = gr_parse_signature(p);
}

static void check_order(gr_parser *p, const gr_parameter *parameter, bool *defaults, bool *rest) {
    if (*rest) {
        gr_diagnostic *d = gr_complain(p, GR_E_bad_parameter, parameter->span,
                                       "nothing follows the parameter that takes the rest");
        gr_diag_help(d, "put `%.*s` before it", GR_TEXT(p, parameter->span));
    } else if (*defaults && !parameter->fallback && !parameter->rest) {
        gr_diagnostic *d = gr_complain(p, GR_E_bad_parameter, parameter->span,
                                       "a parameter without a default follows one with a default");
        gr_diag_help(d, "give `%.*s` a default too, or put it first", GR_TEXT(p, parameter->span));
    } else if (parameter->rest && parameter->fallback) {
        gr_complain(p, GR_E_bad_parameter, parameter->span, "the rest has no default: it is `()`");
    }
    *defaults = *defaults || parameter->fallback;
    *rest = *rest || parameter->rest;
}

static bool parameter(gr_parser *p, bool *defaults, bool *rest) {
    gr_parameter it = {.span = p->token.span};
    it.rest = gr_accept(p, GR_T_SPREAD);
    it.pattern = gr_parse_pattern(p);
    if (!it.pattern) return false;
    it.span.end = p->last_end;
    parameter_signature(p, &it);
    if (!p->failed && gr_accept(p, GR_T_ASSIGN)) it.fallback = gr_parse_expression(p);
    if (p->failed) return false;
    check_order(p, &it, defaults, rest);
    it.span.end = p->last_end;
    gr_push(p, &it, sizeof it);
    return !p->failed;
}

static void check_parameter_names(gr_parser *p, const gr_fn *fn) {
    size_t mark = p->scratch.size;
    for (uint32_t i = 0; i < fn->parameter_count; i++) note_names(p, fn->parameters[i].pattern);
    gr_check_repeated(p, mark, "is bound twice");
}

bool gr_parse_parameters(gr_parser *p, gr_fn *fn) {
    if (!gr_at(p, GR_T_LPAREN)) {
        gr_diagnostic *d = gr_expected(p, "`(` and the parameters");
        if (fn->name)
            gr_diag_help(d, "write them in parentheses, as in `fn %s(x) = x`", fn->name->text);
        return false;
    }
    size_t mark = p->scratch.size;
    bool defaults = false, rest = false;
    if (!gr_open_bracket(p, false)) return false;
    while (!gr_at(p, GR_T_RPAREN) && parameter(p, &defaults, &rest) && gr_accept(p, GR_T_COMMA)) {
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return false;
    }
    fn->parameters = gr_pop_list(p, mark, sizeof(gr_parameter), &fn->parameter_count);
    if (fn->parameters) check_parameter_names(p, fn);
    return !p->failed;
}
