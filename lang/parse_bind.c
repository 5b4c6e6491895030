/* SPDX-License-Identifier: MIT */
/*
 * Statements and expressions that make or change variables: functions with their documentation, let,
 * param, assignments. Patterns and parameters are parse_pattern.c's; what may be assigned to is only
 * checked for its form, the names are scope.c's.
 */
#include "parse.h"

#include <string.h>

/* ---- documentation ------------------------------------------------------------------------ */

static bool alone_on_line(const gr_source *source, uint32_t begin) {
    const char *text = source->text;
    while (begin > 0 && (text[begin - 1] == ' ' || text[begin - 1] == '\t')) begin--;
    return begin == 0 || text[begin - 1] == '\n' || (begin == 3 && (unsigned char)text[2] == 0xBF);
}

static bool is_doc(const gr_source *source, gr_span comment) {
    return comment.end - comment.begin >= 2 && source->text[comment.begin + 1] == '#' &&
           alone_on_line(source, comment.begin);
}

/* The run of ## lines that ends on the line above `begin`: index of the first, count. */
static uint32_t doc_run(const gr_parser *p, uint32_t begin, uint32_t *first) {
    uint32_t end = p->lexer.comment_count, line = gr_source_line(p->source, begin);
    while (end > 0 && p->lexer.comments[end - 1].begin >= begin) end--;
    uint32_t i = end;
    for (; i > 0; i--, line--) {
        gr_span comment = p->lexer.comments[i - 1];
        bool above = gr_source_line(p->source, comment.begin) + 1 == line;
        if (!above || !is_doc(p->source, comment)) break;
    }
    *first = i;
    return end - i;
}

static gr_text documentation(gr_parser *p, uint32_t begin) {
    gr_text none = {"", 0};
    if (!p->lexer.comment_count || !alone_on_line(p->source, begin)) return none;
    uint32_t first, count = doc_run(p, begin, &first);
    if (!count) return none;
    p->text.size = 0;
    for (uint32_t i = first; i < first + count; i++) {
        gr_span line = p->lexer.comments[i];
        line.begin += 2;
        if (line.begin < line.end && p->source->text[line.begin] == ' ') line.begin++;
        if (i > first) gr_buffer_put(&p->text, "\n", 1);
        gr_buffer_put(&p->text, p->source->text + line.begin, line.end - line.begin);
    }
    return gr_take_text(p, p->text.text, p->text.size);
}

/* ---- functions ---------------------------------------------------------------------------- */

/* fn f(x) { W: x }: the fields of a record where statements stand. */
static bool record_as_block(gr_parser *p) {
    gr_lexer saved = p->lexer;
    p->lexer.quiet = true;
    gr_token first = gr_lexer_next(&p->lexer, false), second = gr_lexer_next(&p->lexer, false);
    p->lexer = saved;
    if (first.kind == GR_T_SPREAD) return true;
    if (!gr_is_word(&first)) return false;
    return second.kind == GR_T_COLON || (second.kind == GR_T_COMMA && first.kind == GR_T_NAME);
}

static gr_node *fn_record_body(gr_parser *p, const gr_fn *fn) {
    gr_span brace = p->token.span;
    uint32_t end = p->last_end;
    gr_node *record = gr_parse_record(p);
    if (!record) return NULL;
    gr_diagnostic *d =
        gr_complain(p, GR_E_block_as_expression, brace, "`{` begins a block here, not a record");
    gr_span head = {fn->head.begin, end};
    gr_diag_label(d, "a body in braces is a list of statements");
    if (!gr_suggest_code(p, d, "%.*s = %.*s", GR_TEXT(p, head), GR_TEXT(p, record->span)))
        gr_diag_help(d, "put `=` before it: `%.*s = {`", GR_TEXT(p, head));
    return record;
}

static void fn_without_body(gr_parser *p, const gr_fn *fn) {
    const gr_token *t = &p->token;
    if (t->kind == GR_T_ARROW) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_foreign_habit, t->span, "the value of a function stands behind `=`");
        gr_span rest = gr_rest_of_line(p, t->span.end, "");
        gr_suggest_code(p, d, "%.*s =%.*s", GR_TEXT(p, fn->head), GR_TEXT(p, rest));
        gr_diag_note(d, "the shape of a result is written as `: [B, M]`");
    } else if (gr_begins_operand(t) && !t->newline_before) {
        uint32_t begin = t->span.begin;
        gr_span at = t->span;
        if (!gr_parse_expression(p)) return;
        gr_span body = gr_from(p, begin);
        gr_diagnostic *d =
            gr_fail(p, GR_E_expected_token, at, "expected `=` before the value of the function");
        gr_suggest_code(p, d, "%.*s = %.*s", GR_TEXT(p, fn->head), GR_TEXT(p, body));
    } else {
        gr_diagnostic *d = gr_expected(p, "`=` and a value, or a block in braces");
        gr_suggest_code(p, d, "%.*s { }", GR_TEXT(p, fn->head));
    }
}

/* fn f(x), and on the next line its {: told, and parsed all the same. */
static bool brace_on_next_line(gr_parser *p, const gr_fn *fn) {
    gr_span end = {fn->head.end, fn->head.end};
    bool newline = gr_at(p, GR_T_NEWLINE) && gr_peek(p).kind == GR_T_LBRACE;
    if (p->prompt || (!newline && !gr_at(p, GR_T_LBRACE))) return false;
    gr_accept(p, GR_T_NEWLINE);
    gr_diagnostic *d =
        gr_complain(p, GR_E_expected_token, end, "the `{` of a function stands in the line of its head");
    gr_suggest_code(p, d, "%.*s { }", GR_TEXT(p, fn->head));
    return true;
}

static gr_node *fn_body(gr_parser *p, const gr_fn *fn) {
    bool here = gr_at(p, GR_T_LBRACE) && !p->token.newline_before;
    if (here || brace_on_next_line(p, fn)) {
        return record_as_block(p) ? fn_record_body(p, fn) : gr_parse_block(p, "the parameters");
    }
    if (!gr_at(p, GR_T_ASSIGN)) {
        fn_without_body(p, fn);
        return NULL;
    }
    gr_advance(p);
    size_t errors = p->report->error_count;
    gr_node *body = gr_parse_expression(p);
    bool block = body && body->kind == GR_N_BLOCK && p->report->error_count > errors;
    if (block && p->report->last && p->report->last->id == GR_E_block_as_expression) {
        gr_diag_help(p->report->last, "leave the `=` out: `%.*s { }`", GR_TEXT(p, fn->head));
    }
    return body;
}

static bool fn_name(gr_parser *p, gr_fn *fn) {
    gr_token t = p->token;
    if (t.kind != GR_T_NAME) {
        if (gr_is_word(&t)) {
            gr_fail(p, GR_E_bad_pattern, t.span, "`%s` is a keyword and cannot name a function",
                    t.name->text);
        } else {
            gr_expected(p, "the name of the function");
        }
        return false;
    }
    fn->name = t.name;
    fn->name_span = t.span;
    gr_advance(p);
    return true;
}

gr_node *gr_parse_fn(gr_parser *p, bool named) {
    uint32_t begin = p->token.span.begin;
    gr_fn fn = {0};
    gr_advance(p);
    if (named && !fn_name(p, &fn)) return NULL;
    if (!named && gr_at(p, GR_T_NAME)) {
        gr_diagnostic *d = gr_fail(p, GR_E_misplaced_statement, p->token.span,
                                   "a function in an expression has no name");
        gr_span rest = gr_rest_of_line(p, p->token.span.end, ";)");
        if (!gr_suggest_code(p, d, "fn%.*s", GR_TEXT(p, rest)))
            gr_diag_help(d, "leave the name out: `fn(x) = x`");
        return NULL;
    }
    if (!gr_parse_parameters(p, &fn)) return NULL;
    if (gr_at(p, GR_T_COLON)) {
        gr_advance(p);
        fn.result = gr_parse_signature(p);
        if (!fn.result) return NULL;
    }
    fn.head = gr_from(p, begin);
    if (!gr_enter(p)) return NULL;
    fn.body = fn_body(p, &fn);
    gr_leave(p);
    gr_node *node = fn.body ? GR_MAKE(p, GR_N_FN, fn, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    if (fn.body->kind == GR_N_BLOCK) node->flags |= GR_BLOCK_BODY;
    node->as.fn = gr_arena_copy(&p->ast->arena, &fn, sizeof fn);
    if (!node->as.fn) p->report->out_of_memory = p->failed = true;
    return node;
}

/* ---- let, param, assignments -------------------------------------------------------------- */

/* let a, b = e */
static void suggest_tuple(gr_parser *p, gr_diagnostic *d, gr_span pattern) {
    const char *text = p->source->text;
    gr_span value = gr_rest_of_line(p, pattern.end, ";"), names = pattern;
    while (value.begin < value.end && text[value.begin] != '=') value.begin++;
    names.end = value.begin;
    while (names.end > pattern.end && text[names.end - 1] == ' ') names.end--;
    if (gr_suggest_code(p, d, "let (%.*s) %.*s", GR_TEXT(p, names), GR_TEXT(p, value))) return;
    if (value.begin < value.end) value.begin++;
    while (value.begin < value.end && text[value.begin] == ' ') value.begin++;
    gr_suggest_code(p, d, "let (%.*s) = (%.*s)", GR_TEXT(p, names), GR_TEXT(p, value));
}

static void foreign_binding(gr_parser *p, gr_span pattern, const gr_node *node) {
    const gr_token *t = &p->token;
    bool name = node->kind == GR_N_PATTERN_NAME;
    if (t->kind == GR_T_COLON) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_foreign_habit, t->span, "a variable has no declared type");
        gr_span rest = gr_rest_of_line(p, t->span.end, ";");
        const char *text = p->source->text;
        while (rest.begin < rest.end && text[rest.begin] != '=') rest.begin++;
        gr_suggest_code(p, d, "let %.*s %.*s", GR_TEXT(p, pattern), GR_TEXT(p, rest));
    } else if (t->kind == GR_T_COMMA) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_pattern, t->span,
                                   "several names are bound by a pattern in parentheses");
        suggest_tuple(p, d, pattern);
    } else if (t->kind == GR_T_LPAREN && name) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_foreign_habit, t->span, "a function is defined with `fn`");
        gr_span rest = gr_rest_of_line(p, pattern.begin, ";");
        gr_suggest_code(p, d, "fn %.*s", GR_TEXT(p, rest));
    } else if (t->kind == GR_T_NAME && name && !strcmp(node->as.name->text, "mut")) {
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, pattern, "every variable can be changed");
        gr_suggest_code(p, d, "let %.*s = 0", GR_TEXT(p, t->span));
    } else {
        bool ends = t->newline_before || t->kind == GR_T_END;
        gr_diagnostic *d = gr_expected(p, "`=` and a value");
        if (ends && name)
            gr_diag_help(d, "every variable begins with a value; `let %s = nil` says that there is "
                            "none yet", node->as.name->text);
    }
}

static bool binding_sign(gr_parser *p, gr_span pattern, const gr_node *node, const char *word) {
    if (gr_accept(p, GR_T_ASSIGN)) return true;
    if (!gr_at(p, GR_T_UPDATE)) {
        foreign_binding(p, pattern, node);
        return false;
    }
    gr_span sign = p->token.span;
    gr_advance(p);
    gr_diagnostic *d = gr_complain(p, GR_E_expected_token, sign,
                                   "`%s` binds with `=`; `:=` changes what is there", word);
    gr_diag_help(d, "write `=`, or leave `%s` out", word);
    return true;
}

gr_node *gr_parse_binding(gr_parser *p, gr_node_kind kind) {
    uint32_t begin = p->token.span.begin;
    const char *word = kind == GR_N_LET ? "let" : "param";
    gr_text doc = documentation(p, begin);
    gr_advance(p);
    uint32_t pattern_begin = p->token.span.begin;
    gr_node *pattern = gr_parse_pattern(p);
    if (!pattern || !binding_sign(p, gr_from(p, pattern_begin), pattern, word)) return NULL;
    gr_check_names(p, pattern);
    gr_node *value = gr_parse_expression(p);
    gr_node *node = value ? GR_MAKE(p, kind, bind, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    node->as.bind.pattern = pattern;
    node->as.bind.value = value;
    node->as.bind.doc = doc;
    return node;
}

static bool assignment_sign(const gr_token *token, gr_operator *op) {
    *op = GR_OP_NONE;
    switch (token->kind) {
    case GR_T_ASSIGN:
    case GR_T_UPDATE: return true;
    case GR_T_ADD_TO: *op = GR_OP_ADD; return true;
    case GR_T_SUB_FROM: *op = GR_OP_SUB; return true;
    case GR_T_MUL_BY: *op = GR_OP_MUL; return true;
    case GR_T_DIV_BY: *op = GR_OP_DIV; return true;
    default: return false;
    }
}

static bool is_place(const gr_node *node) {
    for (;;) {
        if (node->kind == GR_N_NAME) return true;
        if (node->kind == GR_N_FIELD)
            node = node->as.field.object;
        else if (node->kind == GR_N_INDEX)
            node = node->as.index.object;
        else
            return false;
    }
}

static bool bad_target(gr_parser *p, const gr_node *node) {
    gr_diagnostic *d = gr_fail(p, GR_E_bad_target, node->span, "this cannot be assigned to");
    bool function = node->kind == GR_N_CALL && node->as.call.callee->kind == GR_N_NAME;
    if (function) {
        gr_diag_label(d, "the value of a call");
        gr_span rest = gr_rest_of_line(p, node->span.begin, ";");
        gr_suggest_code(p, d, "fn %.*s", GR_TEXT(p, rest));
    } else if (node->kind == GR_N_TENSOR) {
        gr_diag_label(d, "a pattern is written with `( )`");
        gr_span inner = {node->span.begin + 1, node->span.end - 1};
        gr_span rest = gr_rest_of_line(p, node->span.end, ";");
        gr_suggest_code(p, d, "(%.*s)%.*s", GR_TEXT(p, inner), GR_TEXT(p, rest));
    } else {
        gr_diag_label(d, "a variable, a field, an index or a tuple of these can be assigned to");
    }
    return false;
}

static bool check_member(gr_parser *p, const gr_node *node, bool last);

static bool check_targets(gr_parser *p, const gr_node_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (!check_member(p, list->items[i], i + 1 == list->count)) return false;
    }
    return true;
}

/* Recursion follows brackets, which are limited. */
static bool check_member(gr_parser *p, const gr_node *node, bool last) {
    if (node->kind == GR_N_SPREAD && last) node = node->as.spread;
    if (node->kind == GR_N_TUPLE) return check_targets(p, &node->as.list);
    return node->kind == GR_N_PLACEHOLDER || is_place(node) || bad_target(p, node);
}

static bool check_target(gr_parser *p, const gr_node *node, gr_operator op) {
    if (op == GR_OP_NONE) return check_member(p, node, false);
    return is_place(node) || bad_target(p, node);
}

/* W = W - 0.1 * W.grad: an update, so the sign becomes `:=`. */
static void grad_field(gr_parser *p, const gr_node *target, gr_span whole, gr_span sign) {
    bool same = p->grad_use.end && target->kind == GR_N_NAME && target->as.name == p->grad_name;
    if (!same) return;
    gr_span use = p->grad_use;
    gr_span left = {whole.begin, sign.begin}, between = {sign.end, use.begin};
    gr_span after = {use.end, whole.end};
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, use, "a variable does not carry its gradient with it");
    gr_diag_label(d, "a derivative is asked for where it is needed");
    bool plain = sign.end - sign.begin == 1;
    int size = plain ? 2 : (int)(sign.end - sign.begin);
    gr_suggest_code(p, d, "%.*s%.*s%.*s∂E/∂%s%.*s", GR_TEXT(p, left), size,
                    plain ? ":=" : p->source->text + sign.begin, GR_TEXT(p, between),
                    p->grad_name->text, GR_TEXT(p, after));
}

static gr_node *assignment(gr_parser *p, gr_node *target, gr_operator op, uint32_t begin) {
    gr_token sign = p->token;
    p->stray = (gr_span){0, 0};
    if (!check_target(p, target, op)) return NULL;
    gr_advance(p);
    gr_node *value = gr_parse_expression(p);
    gr_operator second;
    if (value && assignment_sign(&p->token, &second)) {
        gr_diagnostic *d = gr_fail(p, GR_E_misplaced_statement, p->token.span,
                                   "an assignment is a statement and has no value");
        gr_diag_help(d, "assign on two lines");
    }
    gr_node *node = value ? GR_MAKE(p, GR_N_ASSIGN, assign, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    node->op = (uint8_t)op;
    node->as.assign.target = target;
    node->as.assign.value = value;
    node->as.assign.op_span = sign.span;
    node->as.assign.update = sign.kind == GR_T_UPDATE;
    grad_field(p, target, node->span, sign.span);
    return p->failed ? NULL : node;
}

/* x **= 2, x ^= 2 */
static gr_node *power_by(gr_parser *p, uint32_t begin) {
    gr_span left = gr_from(p, begin), sign = p->token.span;
    gr_advance(p);
    uint32_t right_begin = p->token.span.begin;
    gr_node *value = gr_parse_expression(p);
    if (!value) return NULL;
    gr_span right = gr_from(p, right_begin);
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, sign, "there is no `%.*s`", GR_TEXT(p, sign));
    gr_suggest_code(p, d, "%.*s = %.*s ^ %.*s", GR_TEXT(p, left), GR_TEXT(p, left),
                    GR_TEXT(p, right));
    return value;
}

gr_node *gr_parse_assignment(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_node *node = gr_parse_expression(p);
    gr_operator op;
    if (!node || p->token.newline_before) return node;
    if (assignment_sign(&p->token, &op)) return assignment(p, node, op, begin);
    if (gr_at(p, GR_T_POWER_BY)) return power_by(p, begin);
    return node;
}

gr_node *gr_parse_definition(gr_parser *p) {
    gr_token next = gr_peek(p);
    if (next.kind == GR_T_LPAREN) return gr_parse_assignment(p);
    uint32_t begin = p->token.span.begin;
    gr_text doc = documentation(p, begin);
    gr_node *fn = gr_parse_fn(p, true);
    gr_node *node = fn ? GR_MAKE(p, GR_N_DEFINE, define, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    fn->as.fn->doc = doc;
    node->as.define = fn;
    return node;
}
