/* SPDX-License-Identifier: MIT */
/*
 * Operands: literals, brackets, functions, `if`, and what may follow an operand directly: calls,
 * indices, fields, primes.
 */
#include "parse.h"

#include <string.h>

/* ---- lists -------------------------------------------------------------------------------- */

static gr_node *spread(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    gr_node *value = gr_parse_expression(p);
    gr_node *node = value ? GR_MAKE(p, GR_N_SPREAD, spread, gr_from(p, begin)) : NULL;
    if (node) node->as.spread = value;
    return node;
}

static gr_node *item(gr_parser *p) {
    return gr_at(p, GR_T_SPREAD) ? spread(p) : gr_parse_expression(p);
}

/* Items up to the closing bracket; `comma` tells whether the last was followed by one. */
static bool items(gr_parser *p, gr_token_kind close, gr_node *first, bool *comma) {
    gr_node *node = first;
    *comma = false;
    for (;;) {
        if (!node) {
            if (gr_at(p, close)) return true;
            node = item(p);
            if (!node) return false;
        }
        gr_push(p, &node, sizeof node);
        *comma = gr_accept(p, GR_T_COMMA);
        if (!*comma) return true;
        node = NULL;
    }
}

static bool second_clause(gr_parser *p) {
    if (!gr_at(p, GR_T_FOR)) return false;
    gr_diagnostic *d =
        gr_fail(p, GR_E_bad_comprehension, p->token.span, "a comprehension has one `for`");
    gr_diag_help(d, "write `[for x in xs: [for y in ys: f(x, y)]]`");
    return true;
}

/* [for x in xs x^2] */
static void item_without_colon(gr_parser *p, uint32_t begin) {
    gr_span clause = {begin, p->last_end}, rest = gr_rest_of_line(p, p->token.span.begin, ";");
    gr_diagnostic *d = gr_expected(p, "`:` and the value of an item");
    gr_suggest_code(p, d, "%.*s: %.*s", GR_TEXT(p, clause), GR_TEXT(p, rest));
}

/* for pattern in source [if condition]: body */
static gr_node *comprehension(gr_parser *p, bool tuple, uint32_t begin) {
    gr_advance(p);
    gr_node *pattern = gr_parse_pattern(p);
    if (pattern) gr_check_names(p, pattern);
    if (!pattern || !gr_expect(p, GR_T_IN, "`in`")) return NULL;
    p->no_if = true;
    gr_node *source = gr_parse_expression(p);
    p->no_if = false;
    gr_node *condition = NULL;
    if (source && gr_accept(p, GR_T_IF)) condition = gr_parse_expression(p);
    if (p->failed || second_clause(p)) return NULL;
    if (!gr_at(p, GR_T_COLON)) {
        item_without_colon(p, begin);
        return NULL;
    }
    gr_advance(p);
    gr_node *body = gr_parse_expression(p);
    if (!body || !gr_close_bracket(p)) return NULL;
    gr_node *node = GR_MAKE(p, GR_N_COMPREHENSION, comprehension, gr_from(p, begin));
    if (!node) return NULL;
    node->as.comprehension.pattern = pattern;
    node->as.comprehension.source = source;
    node->as.comprehension.condition = condition;
    node->as.comprehension.body = body;
    node->as.comprehension.tuple = tuple;
    return node;
}

/* [x^2 for x in xs]: the value stands behind the clause. */
static gr_node *reversed_comprehension(gr_parser *p, const gr_node *value, bool tuple,
                                       uint32_t begin) {
    gr_span word = p->token.span, text = {value->span.begin, p->last_end};
    gr_advance(p);
    uint32_t clause_begin = p->token.span.begin;
    if (!gr_parse_pattern(p) || !gr_expect(p, GR_T_IN, "`in`")) return NULL;
    p->no_if = true;
    gr_node *source = gr_parse_expression(p);
    p->no_if = false;
    if (source && gr_accept(p, GR_T_IF)) gr_parse_expression(p);
    gr_span clause = gr_from(p, clause_begin);
    if (p->failed || second_clause(p) || !gr_close_bracket(p)) return NULL;
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, word,
                                   "the `for` of a comprehension stands before the value");
    gr_suggest_code(p, d, tuple ? "(for %.*s: %.*s)" : "[for %.*s: %.*s]", GR_TEXT(p, clause),
                    GR_TEXT(p, text));
    return GR_MAKE(p, GR_N_NIL, number, gr_from(p, begin));
}

static gr_node *list_node(gr_parser *p, gr_node_kind kind, size_t mark, uint32_t begin) {
    gr_node_list list = gr_pop_nodes(p, mark);
    gr_node *node = GR_MAKE(p, kind, list, gr_from(p, begin));
    if (node) node->as.list = list;
    return node;
}

/* [1 2 3] and [1, 2; 3, 4] */
static void foreign_matrix(gr_parser *p, gr_span opener) {
    if (gr_at(p, GR_T_SEMICOLON)) {
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span,
                                   "rows of a matrix are not separated by `;`");
        gr_diag_also(d, p->source, opener, "the literal begins here");
        gr_diag_help(d, "write each row in its own brackets: `[[1, 2], [3, 4]]`");
    } else if (!p->failed && gr_begins_operand(&p->token)) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_expected_token, p->token.span, "expected `,` between the elements");
        gr_diag_also(d, p->source, opener, "the literal begins here");
        gr_span rest = gr_rest_of_line(p, p->token.span.begin, "");
        if (memchr(p->source->text + rest.begin, ';', rest.end - rest.begin))
            gr_diag_help(d, "write each row in its own brackets: `[[1, 2], [3, 4]]`");
    }
}

static gr_node *tensor(gr_parser *p) {
    gr_span opener = p->token.span;
    if (!gr_open_bracket(p, false)) return NULL;
    if (gr_at(p, GR_T_FOR)) return comprehension(p, false, opener.begin);
    size_t mark = p->scratch.size;
    gr_node *first = gr_at(p, GR_T_RBRACKET) ? NULL : item(p);
    if (first && gr_at(p, GR_T_FOR)) {
        return reversed_comprehension(p, first, false, opener.begin);
    }
    bool comma;
    bool ok = !p->failed && items(p, GR_T_RBRACKET, first, &comma);
    if (ok && !gr_at(p, GR_T_RBRACKET) && !p->token.line_start) foreign_matrix(p, opener);
    if (!ok || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    return list_node(p, GR_N_TENSOR, mark, opener.begin);
}

/* (a) is a itself; (x, y) => e is another language's function. */
gr_node *gr_parse_parenthesis(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    if (!gr_open_bracket(p, false)) return NULL;
    if (gr_at(p, GR_T_FOR)) return comprehension(p, true, begin);
    size_t mark = p->scratch.size;
    gr_node *first = gr_at(p, GR_T_RPAREN) ? NULL : item(p);
    if (first && gr_at(p, GR_T_FOR)) return reversed_comprehension(p, first, true, begin);
    bool comma;
    if (p->failed || !items(p, GR_T_RPAREN, first, &comma)) {
        p->scratch.size = mark;
        return NULL;
    }
    if (gr_at(p, GR_T_ASSIGN) || gr_at(p, GR_T_UPDATE)) {
        gr_diagnostic *d = gr_fail(p, GR_E_misplaced_statement, p->token.span,
                                   "an assignment is a statement and has no value");
        gr_diag_help(d, "compare with `==`, or assign on a line of its own");
    }
    if (!gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    bool single = p->scratch.size == mark + sizeof first && !comma && first->kind != GR_N_SPREAD;
    if (!single) return list_node(p, GR_N_TUPLE, mark, begin);
    p->scratch.size = mark;
    first->flags |= GR_PARENTHESISED;
    return first;
}

/* ---- records ------------------------------------------------------------------------------ */

static bool starts_name(const char *text, size_t size) {
    if (!size || (text[0] >= '0' && text[0] <= '9')) return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool fits = c == '_' || c >= 128 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                    (c >= 'A' && c <= 'Z');
        if (!fits) return false;
    }
    return true;
}

/* {"name": value} */
static gr_node *quoted_field(gr_parser *p) {
    gr_span key = p->token.span;
    gr_node *name = gr_parse_string(p);
    if (!name || !gr_expect(p, GR_T_COLON, "`:` and the value of the field")) return NULL;
    key.end = name->span.end;
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, key,
                                   "the fields of a record are written without quotes");
    bool plain =
        name->kind == GR_N_STRING && starts_name(name->as.string.bytes, name->as.string.size);
    if (plain)
        gr_suggest_code(p, d, "{%s: 1}", name->as.string.bytes);
    else
        gr_diag_help(d, "write `r[\"some name\"] = 1` for a name that is no word");
    return gr_parse_expression(p);
}

static bool shorthand(gr_parser *p, const gr_token *name, gr_record_field *field) {
    if (name->kind != GR_T_NAME) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_record, name->span,
                                   "`%s` is a keyword and names no variable", name->name->text);
        gr_suggest_code(p, d, "{%s: value}", name->name->text);
        return false;
    }
    gr_node *value = GR_MAKE(p, GR_N_NAME, name, name->span);
    if (!value) return false;
    value->as.name = name->name;
    field->value = value;
    field->shorthand = true;
    return true;
}

static bool field_value(gr_parser *p, const gr_token *name, gr_record_field *field) {
    if (gr_accept(p, GR_T_COLON)) {
        field->value = gr_parse_expression(p);
        return field->value;
    }
    if (!gr_at(p, GR_T_ASSIGN)) return shorthand(p, name, field);
    gr_span sign = p->token.span;
    gr_advance(p);
    uint32_t begin = p->token.span.begin;
    field->value = gr_parse_expression(p);
    gr_span text = gr_from(p, begin);
    gr_diagnostic *d =
        field->value ? gr_complain(p, GR_E_bad_record, sign, "fields are written with `:`") : NULL;
    gr_suggest_code(p, d, "{%s: %.*s}", name->name->text, GR_TEXT(p, text));
    return field->value;
}

static bool record_field(gr_parser *p) {
    gr_record_field field = {0};
    gr_token name = p->token;
    if (gr_accept(p, GR_T_SPREAD)) {
        field.value = gr_parse_expression(p);
    } else if (gr_at(p, GR_T_QUOTE)) {
        field.value = quoted_field(p);
    } else if (gr_is_word(&name)) {
        field.name = name.name;
        field.name_span = name.span;
        gr_advance(p);
        field_value(p, &name, &field);
    } else {
        gr_expected(p, "the name of a field or `}`");
    }
    if (field.value) gr_push(p, &field, sizeof field);
    return !p->failed && field.value;
}

/* A `{` in an expression that a record cannot begin with. */
static bool looks_like_block(gr_parser *p) {
    gr_token first = gr_peek(p);
    if (first.kind == GR_T_RBRACE || first.kind == GR_T_SPREAD || first.kind == GR_T_QUOTE) {
        return false;
    }
    if (!gr_is_word(&first)) return first.kind != GR_T_END && first.kind != GR_T_ERROR;
    gr_lexer saved = p->lexer;
    p->lexer.quiet = true;
    gr_lexer_next(&p->lexer, false);
    gr_token second = gr_lexer_next(&p->lexer, false);
    p->lexer = saved;
    return second.kind != GR_T_COLON && second.kind != GR_T_COMMA && second.kind != GR_T_RBRACE &&
           second.kind != GR_T_ASSIGN && second.kind != GR_T_END && second.kind != GR_T_ERROR;
}

static gr_node *block_as_record(gr_parser *p) {
    gr_diagnostic *d = gr_complain(p, GR_E_block_as_expression, p->token.span,
                                   "`{` begins a record here, not a block");
    gr_diag_note(d, "blocks stand only after `if`, `else`, `for`, `while`, `fn(...)` and `test`");
    if (p->token.line_start) gr_diag_help(d, "leave these braces out");
    return gr_parse_block(p, NULL);
}

gr_node *gr_parse_record(gr_parser *p) {
    if (looks_like_block(p)) return block_as_record(p);
    uint32_t begin = p->token.span.begin;
    size_t mark = p->scratch.size;
    if (!gr_open_bracket(p, false)) return NULL;
    while (!gr_at(p, GR_T_RBRACE) && record_field(p) && gr_accept(p, GR_T_COMMA)) {
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    uint32_t count;
    gr_record_field *fields = gr_pop_list(p, mark, sizeof *fields, &count);
    for (uint32_t i = 0; fields && i < count; i++)
        if (fields[i].name) gr_note_name(p, fields[i].name, fields[i].name_span);
    gr_check_repeated(p, mark, "is a field of this record twice");
    gr_node *node = GR_MAKE(p, GR_N_RECORD, record, gr_from(p, begin));
    if (!node) return NULL;
    node->as.record.fields = fields;
    node->as.record.count = count;
    return node;
}

/* ---- calls, indices, fields, primes ------------------------------------------------------- */

static void colon_argument(gr_parser *p, const gr_node *name) {
    gr_span colon = p->token.span;
    gr_advance(p);
    uint32_t begin = p->token.span.begin;
    if (!gr_parse_expression(p)) return;
    gr_span value = gr_from(p, begin);
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, colon, "named arguments are written with `=`");
    gr_suggest_code(p, d, "%.*s = %.*s", GR_TEXT(p, name->span), GR_TEXT(p, value));
}

/* f(1:10) */
static void range_argument(gr_parser *p, const gr_node *low) {
    gr_span colon = p->token.span;
    gr_token next = gr_peek(p);
    if (!gr_begins_operand(&next)) return;
    gr_advance(p);
    gr_read_range_colon(p, low->span, colon);
}

static bool argument(gr_parser *p, bool *named) {
    gr_argument a = {.value = item(p)};
    if (!a.value) return false;
    bool name = a.value->kind == GR_N_NAME && !(a.value->flags & GR_PARENTHESISED);
    if (!name && gr_at(p, GR_T_COLON)) range_argument(p, a.value);
    if (name && gr_at(p, GR_T_COLON)) {
        colon_argument(p, a.value);
        *named = true;
    } else if (name && gr_accept(p, GR_T_ASSIGN)) {
        a.name = a.value->as.name;
        a.name_span = a.value->span;
        a.value = gr_parse_expression(p);
        *named = true;
    } else if (*named) {
        gr_diagnostic *d = gr_complain(p, GR_E_bad_argument, a.value->span,
                                       "an argument without a name follows one with a name");
        gr_diag_help(d, "put it before those with names, or write its name too: `name = %.*s`",
                     GR_TEXT(p, a.value->span));
        *named = false; /* said once a call */
    }
    if (p->failed) return false;
    gr_push(p, &a, sizeof a);
    return !p->failed;
}

static gr_node *call(gr_parser *p, gr_node *callee, uint32_t begin) {
    size_t mark = p->scratch.size;
    gr_span brackets = p->token.span;
    bool named = false;
    if (!gr_open_bracket(p, false)) return NULL;
    while (!gr_at(p, GR_T_RPAREN) && argument(p, &named) && gr_accept(p, GR_T_COMMA)) {
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    uint32_t count;
    gr_argument *arguments = gr_pop_list(p, mark, sizeof *arguments, &count);
    for (uint32_t i = 0; arguments && i < count; i++)
        if (arguments[i].name) gr_note_name(p, arguments[i].name, arguments[i].name_span);
    gr_check_repeated(p, mark, "is given twice");
    gr_node *node = GR_MAKE(p, GR_N_CALL, call, gr_from(p, begin));
    if (!node) return NULL;
    node->as.call.callee = callee;
    node->as.call.arguments = arguments;
    node->as.call.count = count;
    node->as.call.brackets = (gr_span){brackets.begin, p->last_end};
    return node;
}

static gr_node *new_axis(gr_parser *p) {
    gr_token next = gr_peek(p);
    bool word =
        gr_at_word(p, p->word_new) && (next.kind == GR_T_COMMA || next.kind == GR_T_RBRACKET);
    if (!word) return NULL;
    gr_span span = p->token.span;
    gr_advance(p);
    return GR_MAKE(p, GR_N_NEW_AXIS, number, span);
}

/* The parts of a:b:c that stand in an index, as the range that is meant. */
static gr_text meant_range(gr_parser *p, const gr_span part[3]) {
    gr_buffer *out = &p->text;
    bool all = part[0].end == part[0].begin && part[1].end == part[1].begin;
    bool stepped = part[2].end > part[2].begin;
    out->size = 0;
    gr_buffer_printf(out, "%.*s..%.*s", GR_TEXT(p, part[0]), GR_TEXT(p, part[1]));
    if (stepped)
        gr_buffer_printf(out, " by %.*s", GR_TEXT(p, part[2]));
    else if (all)
        gr_buffer_clear(out), gr_buffer_puts(out, "0..");
    if (out->failed) return (gr_text){"", 0};
    return gr_take_text(p, out->text, out->size);
}

/* Read as a string that holds what was meant: foreign_slices shows it. */
static gr_node *colon_slice(gr_parser *p, gr_node *low, uint32_t begin) {
    gr_span part[3] = {{begin, low ? p->last_end : begin}};
    int colons = 0;
    if (!p->slice.end) p->slice = p->token.span;
    while (!p->failed && colons < 3 && (gr_at(p, GR_T_COLON) || gr_at(p, GR_T_DOUBLE_COLON))) {
        colons += gr_at(p, GR_T_DOUBLE_COLON) ? 2 : 1;
        gr_advance(p);
        if (colons > 2 || !gr_begins_operand(&p->token)) continue;
        uint32_t at = p->token.span.begin;
        gr_parse_expression(p);
        part[colons] = gr_from(p, at);
    }
    gr_node *node = p->failed ? NULL : GR_MAKE(p, GR_N_STRING, string, gr_from(p, begin));
    if (node) node->flags = GR_RAW | GR_PLACED;
    if (node) node->as.string = meant_range(p, part);
    return node;
}

static void foreign_slices(gr_parser *p, gr_span object, const gr_node_list *items) {
    gr_buffer *out = &p->text;
    out->size = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        const gr_node *node = items->items[i];
        bool slice = node->kind == GR_N_STRING && node->flags & GR_PLACED;
        if (i) gr_buffer_puts(out, ", ");
        if (slice)
            gr_buffer_put(out, node->as.string.bytes, node->as.string.size);
        else
            gr_buffer_printf(out, "%.*s", GR_TEXT(p, node->span));
    }
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, p->slice, "ranges are written with `..`");
    if (!out->failed) gr_suggest_code(p, d, "%.*s[%s]", GR_TEXT(p, object), out->text);
}

static bool index_item(gr_parser *p) {
    const gr_node *outer = p->open_range;
    p->open_range = NULL;
    p->index_item = true;
    uint32_t begin = p->token.span.begin;
    bool colon = gr_at(p, GR_T_COLON) || gr_at(p, GR_T_DOUBLE_COLON);
    gr_node *node = colon ? NULL : new_axis(p);
    if (!node && !colon) node = gr_parse_expression(p);
    colon = gr_at(p, GR_T_COLON) || gr_at(p, GR_T_DOUBLE_COLON);
    if (!p->failed && colon) node = colon_slice(p, node, begin);
    p->index_item = false;
    const gr_node *open = p->open_range;
    p->open_range = outer;
    if (!node) return false;
    if (open && open != node && !p->failed)
        gr_fail(p, GR_E_bad_range, open->span,
                "a range without both ends is an index by itself, not part of an expression");
    gr_push(p, &node, sizeof node);
    return !p->failed;
}

gr_node *gr_parse_index(gr_parser *p, gr_node *object, uint32_t begin) {
    size_t mark = p->scratch.size;
    gr_span brackets = p->token.span, whole = {begin, p->last_end}, slice = p->slice;
    if (!gr_open_bracket(p, false)) return NULL;
    p->slice = (gr_span){0, 0};
    if (gr_at(p, GR_T_RBRACKET)) gr_expected(p, "an index");
    while (!gr_at(p, GR_T_RBRACKET) && index_item(p) && gr_accept(p, GR_T_COMMA)) {
    }
    if (p->failed || !gr_close_bracket(p)) {
        p->scratch.size = mark;
        return NULL;
    }
    gr_node_list list = gr_pop_nodes(p, mark);
    if (p->slice.end) foreign_slices(p, whole, &list);
    p->slice = slice;
    gr_node *node = GR_MAKE(p, GR_N_INDEX, index, gr_from(p, begin));
    if (!node) return NULL;
    node->as.index.object = object;
    node->as.index.items = list;
    node->as.index.brackets = (gr_span){brackets.begin, p->last_end};
    return node;
}

static gr_node *field(gr_parser *p, gr_node *object, uint32_t begin) {
    gr_node *node = gr_parse_field(p, object, begin);
    if (!node) return NULL;
    if (object->kind == GR_N_NAME && !strcmp(node->as.field.name->text, "grad")) {
        p->grad_use = node->span;
        p->grad_name = object->as.name;
    }
    return node;
}

static gr_node *prime(gr_parser *p, gr_node *object, uint32_t begin) {
    uint32_t first = p->token.span.begin, order = 0;
    for (; gr_at(p, GR_T_PRIME); order++) gr_advance(p);
    gr_node *node = GR_MAKE(p, GR_N_PRIME, prime, gr_from(p, begin));
    if (!node) return NULL;
    if (order > 100) {
        gr_fail(p, GR_E_bad_prime, gr_from(p, first), "more than 100 primes");
        return NULL;
    }
    node->order = (uint8_t)order;
    node->as.prime.object = object;
    node->as.prime.marks = gr_from(p, first);
    return node;
}

static bool takes_suffix(const gr_node *node) {
    if (node->flags & GR_PARENTHESISED) return true;
    return node->kind != GR_N_FN && node->kind != GR_N_IF && node->kind != GR_N_BLOCK &&
           node->kind != GR_N_NUMBER;
}

/* ∂E/∂W(x), ∂E/∂W' */
static bool no_suffix_of_derivative(gr_parser *p, const gr_node *node) {
    bool derivative = node->kind == GR_N_PARTIAL && !(node->flags & GR_PARENTHESISED);
    if (!derivative || (!gr_at(p, GR_T_LPAREN) && !gr_at(p, GR_T_PRIME))) return false;
    gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                               "a derivative of a value is a value and takes no %s",
                               gr_at(p, GR_T_PRIME) ? "prime" : "arguments");
    gr_diag_help(d, "write `∇f` for the gradient of a function `f`, and `(∇f)(x)` at a point");
    return true;
}

gr_node *gr_parse_suffixes(gr_parser *p, gr_node *node, uint32_t begin, bool calls) {
    while (node && !p->failed) {
        const gr_token *t = &p->token;
        if (t->newline_before && t->kind != GR_T_DOT) return node;
        bool brackets = takes_suffix(node);
        if (no_suffix_of_derivative(p, node)) return NULL;
        if (t->kind == GR_T_DOT)
            node = field(p, node, begin);
        else if (t->kind == GR_T_LBRACKET && brackets)
            node = gr_parse_index(p, node, begin);
        else if (t->kind == GR_T_LPAREN && brackets && calls)
            node = call(p, node, begin);
        else if (t->kind == GR_T_PRIME)
            node = prime(p, node, begin);
        else
            return node;
    }
    return NULL;
}

/* ---- operands ----------------------------------------------------------------------------- */

static gr_node *name(gr_parser *p) {
    gr_node *foreign = gr_parse_foreign_name(p);
    if (foreign || p->failed) return foreign;
    gr_token t = p->token;
    gr_advance(p);
    if (t.name == p->word_ignore) {
        if (!p->stray.end) p->stray = t.span;
        return GR_MAKE(p, GR_N_PLACEHOLDER, name, t.span);
    }
    gr_node *node = GR_MAKE(p, GR_N_NAME, name, t.span);
    if (node) node->as.name = t.name;
    return node;
}

static gr_node *number(gr_parser *p) {
    gr_token t = p->token;
    gr_advance(p);
    gr_node *node = GR_MAKE(p, GR_N_NUMBER, number, t.span);
    if (node) node->as.number = t.number;
    return node;
}

static gr_node *constant(gr_parser *p, gr_node_kind kind) {
    gr_span span = p->token.span;
    gr_advance(p);
    return GR_MAKE(p, kind, number, span);
}

/* @(t) t^2, of MATLAB */
static bool at_function(gr_parser *p) {
    gr_span rest = gr_rest_of_line(p, p->token.span.end, ";");
    const char *text = p->source->text;
    gr_span head = {rest.begin, rest.begin};
    while (head.end < rest.end && text[head.end] != ')') head.end++;
    if (text[head.begin] != '(' || head.end == rest.end) return false;
    gr_span body = {++head.end, rest.end};
    while (body.begin < body.end && text[body.begin] == ' ') body.begin++;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span, "a function is written with `fn`");
    gr_suggest_code(p, d, "fn%.*s = %.*s", GR_TEXT(p, head), GR_TEXT(p, body));
    return true;
}

static void no_operand(gr_parser *p) {
    const gr_token *t = &p->token;
    switch (t->kind) {
    case GR_T_LET:
    case GR_T_PARAM:
    case GR_T_FOR:
    case GR_T_WHILE:
    case GR_T_BREAK:
    case GR_T_CONTINUE:
    case GR_T_RETURN:
    case GR_T_IMPORT: {
        gr_diagnostic *d =
            gr_fail(p, GR_E_misplaced_statement, t->span,
                    "%s begins a statement, but a value must stand here", gr_token_shown(t->kind));
        if (t->kind == GR_T_FOR)
            gr_diag_help(d, "write `[for x in xs: x]` for a tensor of values, `(for x in xs: x)` "
                            "for a tuple");
        if (t->line_start) {
            gr_diag_also(d, p->source, (gr_span){p->last_end, p->last_end}, "a value is missing");
        }
        return;
    }
    case GR_T_IN:
    case GR_T_ELSE:
        gr_fail(p, GR_E_expected_expression, t->span, "%s is a keyword and cannot be a value",
                gr_token_shown(t->kind));
        return;
    case GR_T_RANGE: {
        gr_diagnostic *d =
            gr_fail(p, GR_E_bad_range, t->span, "a range has a beginning, except in an index");
        gr_diag_help(d, "write `0..` and its end, as in `0..n`");
        return;
    }
    case GR_T_RPAREN:
    case GR_T_RBRACKET:
    case GR_T_RBRACE:
        if (p->open_count == 0 && !p->lexer.one_line) {
            gr_fail(p, GR_E_unclosed_bracket, t->span, "this %s has no partner before it",
                    gr_token_shown(t->kind));
            return;
        }
        break;
    default: break;
    }
    if (gr_at(p, GR_T_AT) && at_function(p)) return;
    gr_expected_value(p);
}

static gr_node *plain_operand(gr_parser *p) {
    switch (p->token.kind) {
    case GR_T_NUMBER: return number(p);
    case GR_T_NAME: return name(p);
    case GR_T_QUOTE: return gr_parse_string(p);
    case GR_T_LPAREN: return gr_parse_parenthesis(p);
    case GR_T_LBRACKET: return tensor(p);
    case GR_T_LBRACE: return gr_parse_record(p);
    case GR_T_TRUE: return constant(p, GR_N_TRUE);
    case GR_T_FALSE: return constant(p, GR_N_FALSE);
    case GR_T_NIL: return constant(p, GR_N_NIL);
    case GR_T_FN: return gr_parse_fn(p, false);
    case GR_T_IF: return gr_parse_if(p);
    case GR_T_PARTIAL: return gr_parse_partial(p);
    case GR_T_NABLA: return gr_parse_gradient(p);
    default: no_operand(p); return NULL;
    }
}

gr_node *gr_parse_operand(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_node *node = plain_operand(p);
    if (!node) return NULL;
    p->wants_operand = false;
    return gr_parse_suffixes(p, node, begin, true);
}
