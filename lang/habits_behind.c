/* SPDX-License-Identifier: MIT */
/*
 * What stands where a statement could have ended, where a block must begin, and whole statements that
 * are meant otherwise: each with the form that was probably meant, built from the user's own text.
 */
#include "parse.h"

#include <stdio.h>
#include <string.h>

/* ---- behind a statement ------------------------------------------------------------------- */

/* print x, y: what follows a name is meant as its arguments. */
static void missing_parentheses(gr_parser *p, const gr_node *before) {
    gr_span at = p->token.span;
    uint32_t begin = at.begin;
    do {
        if (!gr_parse_expression(p)) return;
    } while (gr_accept(p, GR_T_COMMA));
    gr_span arguments = gr_from(p, begin);
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, before->span,
                               "the arguments of a call stand in parentheses");
    gr_diag_also(d, p->source, at, "this cannot follow directly");
    gr_suggest_code(p, d, "%.*s(%.*s)", GR_TEXT(p, before->span), GR_TEXT(p, arguments));
}

/* function(x) x^2 */
static bool function_expression(gr_parser *p, const gr_node *before) {
    const gr_node *node = before;
    if (node->kind == GR_N_LET || node->kind == GR_N_PARAM)
        node = node->as.bind.value;
    else if (node->kind == GR_N_ASSIGN)
        node = node->as.assign.value;
    if (node->kind != GR_N_CALL || node->as.call.callee->kind != GR_N_NAME) return false;
    const char *name = node->as.call.callee->as.name->text;
    if (strcmp(name, "function") && strcmp(name, "func") && strcmp(name, "lambda")) return false;
    gr_span parameters = node->as.call.brackets, word = node->as.call.callee->span;
    gr_span body = gr_rest_of_line(p, p->token.span.begin, "");
    bool block = gr_at(p, GR_T_LBRACE);
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, word, "a function is written with `fn`");
    if (block)
        gr_suggest_code(p, d, "fn%.*s { }", GR_TEXT(p, parameters));
    else
        gr_suggest_code(p, d, "fn%.*s = %.*s", GR_TEXT(p, parameters), GR_TEXT(p, body));
    return true;
}

/* let a = 1, b = 2 */
static bool several_bindings(gr_parser *p, const gr_node *before) {
    gr_span comma = p->token.span;
    const char *word = before->kind == GR_N_LET     ? "let "
                       : before->kind == GR_N_PARAM ? "param "
                                                    : before->kind == GR_N_ASSIGN ? "" : NULL;
    gr_lexer saved = p->lexer;
    p->lexer.quiet = true;
    gr_token name = gr_lexer_next(&p->lexer, false), sign = gr_lexer_next(&p->lexer, false);
    p->lexer = saved;
    bool bound = sign.kind == GR_T_ASSIGN || sign.kind == GR_T_UPDATE;
    if (!word || name.kind != GR_T_NAME || !bound) return false;
    gr_span rest = gr_rest_of_line(p, name.span.begin, ";");
    gr_diagnostic *d = gr_fail(p, GR_E_unexpected_token, comma, "each variable has a statement of its own");
    if (!gr_suggest_code(p, d, "%.*s; %s%.*s", GR_TEXT(p, before->span), word, GR_TEXT(p, rest)))
        gr_diag_help(d, "put `;` between statements on one line");
    return true;
}

/* a, b = f() */
static void missing_tuple(gr_parser *p, const gr_node *before) {
    gr_span comma = p->token.span;
    if (several_bindings(p, before)) return;
    uint32_t begin = before->span.begin;
    if (before->kind == GR_N_RETURN && before->as.result) begin = before->as.result->span.begin;
    if (before->kind == GR_N_ASSIGN) begin = before->as.assign.value->span.begin;
    if (before->kind == GR_N_LET) begin = before->as.bind.value->span.begin;
    while (gr_accept(p, GR_T_COMMA)) {
        if (!gr_parse_expression(p)) return;
    }
    gr_span items = gr_from(p, begin);
    bool assigned = gr_at(p, GR_T_ASSIGN) || gr_at(p, GR_T_UPDATE);
    gr_span rest = {p->token.span.begin, p->token.span.begin};
    if (assigned) rest = gr_rest_of_line(p, rest.begin, ";");
    gr_diagnostic *d =
        gr_fail(p, GR_E_unexpected_token, comma, "a tuple is written in parentheses");
    if (!assigned)
        gr_suggest_code(p, d, "(%.*s)", GR_TEXT(p, items));
    else
        gr_suggest_code(p, d, "(%.*s) %.*s", GR_TEXT(p, items), GR_TEXT(p, rest));
}

static bool is_range_colon(gr_parser *p) {
    gr_token next = gr_peek(p);
    return !next.newline_before && next.kind != GR_T_LET && gr_begins_operand(&next);
}

void gr_read_range_colon(gr_parser *p, gr_span low, gr_span colon) {
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_ADD)) return;
    gr_span high = gr_from(p, at);
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, colon, "`:` makes no range; ranges are written with `..`");
    gr_diag_note(d, "a range ends before its upper bound: `0..3` is 0, 1, 2");
    gr_suggest_code(p, d, "%.*s..%.*s", GR_TEXT(p, low), GR_TEXT(p, high));
}

/* let r = 1:n, and `x: 3` */
static void colon_behind(gr_parser *p, const gr_node *before) {
    gr_span colon = p->token.span;
    const gr_node *value = before->kind == GR_N_LET      ? before->as.bind.value
                           : before->kind == GR_N_ASSIGN ? before->as.assign.value
                                                         : before;
    if (!is_range_colon(p) || value->kind == GR_N_IF) {
        gr_fail(p, GR_E_unexpected_token, colon, "`:` cannot stand here");
        return;
    }
    gr_advance(p);
    gr_read_range_colon(p, value->span, colon);
}

static void stray_closer(gr_parser *p) {
    gr_fail(p, GR_E_unclosed_bracket, p->token.span, "this %s has no partner before it",
            gr_token_shown(p->token.kind));
}

static bool callable(const gr_node *node) {
    if (node->kind == GR_N_NAME) return true;
    return node->kind == GR_N_FIELD && node->as.field.object->kind == GR_N_NAME;
}

void gr_unexpected(gr_parser *p, const gr_node *before) {
    const gr_token *t = &p->token;
    switch (t->kind) {
    case GR_T_ERROR: p->failed = true; return;
    case GR_T_RPAREN:
    case GR_T_RBRACKET:
    case GR_T_RBRACE: stray_closer(p); return;
    case GR_T_COLON: colon_behind(p, before); return;
    case GR_T_COMMA: missing_tuple(p, before); return;
    case GR_T_SLASHSLASH: gr_foreign_statement(p); return;
    case GR_T_ELSE: gr_foreign_statement(p); return;
    case GR_T_ASSIGN:
    case GR_T_UPDATE:
        gr_diag_help(gr_expected(p, "the end of the statement"),
                     "an assignment has no value: assign in two statements");
        return;
    default: break;
    }
    if (function_expression(p, before)) return;
    bool value = t->kind == GR_T_NAME || t->kind == GR_T_NUMBER || t->kind == GR_T_QUOTE ||
                 t->kind == GR_T_TRUE || t->kind == GR_T_FALSE || t->kind == GR_T_NIL ||
                 t->kind == GR_T_PARTIAL || t->kind == GR_T_NABLA;
    if (value && callable(before)) {
        missing_parentheses(p, before);
    } else if (t->kind == GR_T_LBRACE) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_block_as_expression, t->span, "a block cannot stand here");
        gr_diag_note(d, "blocks stand only after `if`, `else`, `for`, `while`, `fn(...)` and "
                        "`test`");
    } else {
        bool operand = gr_begins_operand(t) && t->kind != GR_T_LBRACE;
        gr_diagnostic *d =
            operand ? gr_fail(p, GR_E_unexpected_token, t->span, "something is missing before this")
                    : gr_expected(p, "the end of the statement");
        if (operand) gr_diag_also(d, p->source, before->span, "the statement could end here");
        gr_diag_help(d, "put an operator between, or begin a new line");
    }
}

/* ---- instead of a block ------------------------------------------------------------------- */

/* What is left of the line, without `else …` and `end`, which belong to the `if` around it. */
static gr_span lonely_body(const gr_parser *p, uint32_t begin) {
    gr_span body = gr_rest_of_line(p, begin, ";");
    const char *text = p->source->text;
    for (uint32_t i = begin; i + 5 < body.end; i++)
        if (memcmp(text + i, " else ", 6) == 0) body.end = i;
    if (body.end > begin + 4 && memcmp(text + body.end - 4, " end", 4) == 0) body.end -= 4;
    while (body.end > begin && strchr(" ;", text[body.end - 1])) body.end--;
    return body;
}

void gr_no_block(gr_parser *p, const char *after) {
    const gr_token *t = &p->token;
    bool word = t->kind == GR_T_NAME && (gr_token_is(p, "then") || gr_token_is(p, "do"));
    if (t->kind == GR_T_COLON || word) {
        p->colon_blocks = true;
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, t->span, "a block stands in braces");
        gr_token next = gr_peek(p);
        gr_span body = lonely_body(p, next.span.begin);
        if (!next.newline_before && next.kind != GR_T_END && body.end > body.begin) {
            bool brace = next.kind == GR_T_LBRACE;
            if (brace)
                gr_diag_help(d, "leave `%.*s` out", GR_TEXT(p, t->span));
            else
                gr_diag_help(d, "put it in braces: `{ %.*s }`", GR_TEXT(p, body));
        } else {
            gr_diag_help(d, "write `{` here and `}` behind its last line");
        }
        return;
    }
    char what[80];
    snprintf(what, sizeof what, "`{` and a block after %s", after ? after : "this");
    gr_span at = t->span, body = lonely_body(p, at.begin);
    bool statement = gr_begins_operand(t) && !t->newline_before && body.end > body.begin;
    gr_diagnostic *d = gr_expected(p, what);
    if (statement)
        gr_diag_help(d, "put it in braces: `{ %.*s }`", GR_TEXT(p, body));
    else if (t->newline_before)
        gr_diag_help(d, "write `{` here and `}` behind the last line of the block");
}

/* ---- whole statements --------------------------------------------------------------------- */

void gr_check_habits(gr_parser *p, const gr_node *statement) {
    bool method = statement->kind == GR_N_CALL && statement->as.call.callee->kind == GR_N_FIELD;
    if (!method) return;
    const gr_node *field = statement->as.call.callee, *object = field->as.field.object;
    const char *name = field->as.field.name->text;
    gr_span span = field->as.field.name_span;
    if (!strcmp(name, "backward")) {
        gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, span,
                                       "a derivative is a value that is asked for, not a call "
                                       "that fills fields");
        bool variable = object->kind == GR_N_NAME;
        if (variable) {
            gr_suggest_code(p, d, "let dW = ∂%.*s/∂W", GR_TEXT(p, object->span));
        } else {
            gr_suggest_code(p, d, "let dW = ∂(%.*s)/∂W", GR_TEXT(p, object->span));
        }
    } else if (!strcmp(name, "zero_grad")) {
        gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, span,
                                       "derivatives do not accumulate, so there is nothing to "
                                       "reset");
        gr_diag_help(d, "delete this line");
    }
}
