/* SPDX-License-Identifier: MIT */
/*
 * Operators: a Pratt parser over the table below. Left-leaning chains are a loop and have no limit;
 * what nests to the right recurses, at most GR_MAX_OPERATOR_DEPTH deep.
 */
#include "parse.h"

typedef struct operator_row {
    uint8_t level, op;
} operator_row;

/* By token kind; level 0: not a binary operator. */
static const operator_row operators[GR_TOKEN_KINDS] = {
    [GR_T_PIPE] = {GR_LEVEL_PIPE, GR_OP_NONE},      [GR_T_OR] = {GR_LEVEL_OR, GR_OP_OR},
    [GR_T_AND] = {GR_LEVEL_AND, GR_OP_AND},         [GR_T_EQ] = {GR_LEVEL_COMPARE, GR_OP_EQ},
    [GR_T_NE] = {GR_LEVEL_COMPARE, GR_OP_NE},       [GR_T_LT] = {GR_LEVEL_COMPARE, GR_OP_LT},
    [GR_T_LE] = {GR_LEVEL_COMPARE, GR_OP_LE},       [GR_T_GT] = {GR_LEVEL_COMPARE, GR_OP_GT},
    [GR_T_GE] = {GR_LEVEL_COMPARE, GR_OP_GE},       [GR_T_RANGE] = {GR_LEVEL_RANGE, GR_OP_NONE},
    [GR_T_PLUS] = {GR_LEVEL_ADD, GR_OP_ADD},        [GR_T_MINUS] = {GR_LEVEL_ADD, GR_OP_SUB},
    [GR_T_JOIN] = {GR_LEVEL_ADD, GR_OP_JOIN},       [GR_T_STAR] = {GR_LEVEL_MUL, GR_OP_MUL},
    [GR_T_SLASH] = {GR_LEVEL_MUL, GR_OP_DIV},       [GR_T_PERCENT] = {GR_LEVEL_MUL, GR_OP_MOD},
    [GR_T_AT] = {GR_LEVEL_MUL, GR_OP_MATMUL},       [GR_T_CARET] = {GR_LEVEL_POW, GR_OP_POW},
    [GR_T_SUPERSCRIPT] = {GR_LEVEL_POW, GR_OP_POW},
};

const char *gr_operator_text(gr_operator operator) {
    static const char *const text[GR_OPERATORS] = {
        [GR_OP_NONE] = "",    [GR_OP_OR] = "or", [GR_OP_AND] = "and", [GR_OP_NOT] = "not",
        [GR_OP_EQ] = "==",    [GR_OP_NE] = "!=", [GR_OP_LT] = "<",    [GR_OP_LE] = "<=",
        [GR_OP_GT] = ">",     [GR_OP_GE] = ">=", [GR_OP_ADD] = "+",   [GR_OP_SUB] = "-",
        [GR_OP_JOIN] = "++",  [GR_OP_MUL] = "*", [GR_OP_DIV] = "/",   [GR_OP_MOD] = "%",
        [GR_OP_MATMUL] = "@", [GR_OP_NEG] = "-", [GR_OP_POW] = "^",
    };
    return operator<GR_OPERATORS ? text[operator] : "?";
}

/* Whether the token, first of its line, goes on with the expression before it. */
bool gr_continues(const gr_parser *p) {
    const gr_token *t = &p->token;
    if (t->kind == GR_T_SUPERSCRIPT) return false;
    if (t->kind == GR_T_MINUS) return t->blank_after;
    if (operators[t->kind].level) return true;
    return t->kind != GR_T_IF && t->kind != GR_T_IN && t->kind != GR_T_SLASHSLASH &&
           gr_is_foreign_operator(p);
}

static gr_node *binary(gr_parser *p, gr_operator op, gr_node *left, gr_node *right, gr_span op_span,
                       uint32_t begin) {
    gr_node *node = GR_MAKE(p, GR_N_BINARY, binary, gr_from(p, begin));
    if (!node) return NULL;
    node->op = (uint8_t)op;
    node->as.binary.left = left;
    node->as.binary.right = right;
    node->as.binary.op_span = op_span;
    return node;
}

/* ---- what is not simply left, operator, right --------------------------------------------- */

static bool has_name(const gr_node *node) {
    return node->kind == GR_N_NAME && !(node->flags & GR_PARENTHESISED);
}

/* sin²(x) */
static gr_node *power_of_call(gr_parser *p, gr_node *left, gr_span digits, uint32_t begin) {
    gr_node *call = gr_parse_suffixes(p, left, begin, true);
    if (!call) return NULL;
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, digits,
                                   "a power stands behind the call, not behind the name");
    gr_span arguments = call->as.call.brackets;
    if (call->kind == GR_N_CALL) {
        gr_suggest_code(p, d, "%.*s%.*s%.*s", GR_TEXT(p, left->span), GR_TEXT(p, arguments),
                        GR_TEXT(p, digits));
    }
    return call;
}

static gr_node *superscript(gr_parser *p, gr_node *left, uint32_t begin) {
    gr_token digits = p->token;
    gr_advance(p);
    bool called = gr_at(p, GR_T_LPAREN) && !p->token.blank_before && has_name(left);
    if (called) left = power_of_call(p, left, digits.span, begin);
    gr_node *exponent = GR_MAKE(p, GR_N_NUMBER, number, digits.span);
    if (!exponent || !left) return NULL;
    exponent->as.number = digits.number;
    gr_node *node = binary(p, GR_OP_POW, left, exponent, digits.span, begin);
    if (node) node->flags |= GR_SUPERSCRIPT;
    return node;
}

/* 1..=n and 1..<n, of Rust and Swift: where the range ends, with the upper bound in it. */
static void foreign_bound(gr_parser *p, uint32_t begin, gr_span dots) {
    bool closed = gr_at(p, GR_T_ASSIGN);
    gr_span low = {begin, dots.begin}, sign = {dots.begin, p->token.span.end};
    gr_advance(p);
    uint32_t at = p->token.span.begin;
    gr_node *high = gr_parse_level(p, GR_LEVEL_ADD);
    if (!high) return;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, sign, "ranges are written with `..`");
    if (closed) gr_diag_note(d, "a range ends before its upper bound: `0..3` is 0, 1, 2");
    if (closed && high->kind == GR_N_NUMBER)
        gr_suggest_code(p, d, "%.*s..%.0f", GR_TEXT(p, low), high->as.number + 1);
    else
        gr_suggest_code(p, d, "%.*s..%.*s%s", GR_TEXT(p, low), GR_TEXT(p, gr_from(p, at)),
                        closed ? " + 1" : "");
}

static gr_node *range(gr_parser *p, gr_node *low, uint32_t begin) {
    gr_span dots = p->token.span;
    gr_advance(p);
    if (low && (gr_at(p, GR_T_ASSIGN) || gr_at(p, GR_T_LT))) {
        foreign_bound(p, begin, dots);
        return NULL;
    }
    gr_node *high = NULL, *step = NULL;
    bool by = gr_at_word(p, p->word_by);
    bool open = p->index_item && (by || !gr_begins_operand(&p->token));
    if (!open && by) {
        gr_token next = gr_peek(p);
        open = gr_begins_operand(&next) && next.kind != GR_T_LPAREN && next.kind != GR_T_LBRACKET;
    }
    if (!p->index_item && gr_at(p, GR_T_LBRACE)) { /* for i in 0.. { */
        gr_diagnostic *d =
            gr_fail(p, GR_E_bad_range, dots, "a range has an end, except in an index");
        gr_diag_help(d, "write `while true { }`, which runs until a `break`");
        return NULL;
    }
    if (!open) {
        p->wants_operand = true;
        high = gr_parse_level(p, GR_LEVEL_ADD);
        if (!high) return NULL;
        p->wants_operand = false;
    } else if (!p->index_item) {
        gr_fail(p, GR_E_bad_range, dots, "a range has an end, except in an index");
        return NULL;
    }
    if (gr_at_word(p, p->word_by) && !p->token.newline_before) {
        gr_advance(p);
        step = gr_parse_level(p, GR_LEVEL_ADD);
        if (!step) return NULL;
    }
    gr_node *node = GR_MAKE(p, GR_N_RANGE, range, gr_from(p, begin));
    if (!node) return NULL;
    node->as.range.low = low;
    node->as.range.high = high;
    node->as.range.step = step;
    if ((!low || !high) && !p->open_range) p->open_range = node;
    return node;
}

/* a..b..c, which elsewhere is a range with a step in its middle or at its end. */
static gr_node *second_range(gr_parser *p, gr_node *first, uint32_t begin) {
    gr_span dots = p->token.span;
    gr_span until = {begin, p->last_end};
    gr_advance(p);
    uint32_t step_begin = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_ADD)) return NULL;
    gr_span step = {step_begin, p->last_end};
    gr_diagnostic *d = gr_complain(p, GR_E_bad_range, dots, "a range has one `..`");
    gr_suggest_code(p, d, "%.*s by %.*s", GR_TEXT(p, until), GR_TEXT(p, step));
    return first;
}

static gr_node *pipe(gr_parser *p, gr_node *left, uint32_t begin) {
    gr_span op_span = p->token.span, stray = p->stray;
    gr_advance(p);
    p->stray = (gr_span){0, 0};
    p->wants_operand = true;
    gr_node *right = gr_parse_level(p, GR_LEVEL_OR);
    bool placed = p->stray.end;
    p->stray = stray;
    gr_node *node = right ? GR_MAKE(p, GR_N_PIPE, pipe, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    if (placed) node->flags |= GR_PLACED;
    node->as.pipe.left = left;
    node->as.pipe.right = right;
    node->as.pipe.op_span = op_span;
    return node;
}

static bool is_comparison(const gr_parser *p) {
    return operators[p->token.kind].level == GR_LEVEL_COMPARE && !p->token.newline_before;
}

/* Behind a < b: a further < is a mistake that is reported once and read past. */
static bool chained(gr_parser *p, gr_span whole, gr_span middle) {
    gr_span op = p->token.span;
    gr_advance(p);
    uint32_t begin = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_RANGE)) return false;
    gr_span last = gr_from(p, begin);
    gr_diagnostic *d = gr_complain(p, GR_E_chained_comparison, op, "comparisons are not chained");
    gr_diag_label(d, "a second comparison");
    gr_suggest_code(p, d, "%.*s and %.*s %.*s %.*s", GR_TEXT(p, whole), GR_TEXT(p, middle),
                    GR_TEXT(p, op), GR_TEXT(p, last));
    while (is_comparison(p)) {
        gr_advance(p);
        if (!gr_parse_level(p, GR_LEVEL_RANGE)) return false;
    }
    return true;
}

/* x++ with nothing behind it. */
static bool increment(gr_parser *p, const gr_node *left, gr_span op) {
    const gr_token *t = &p->token;
    bool ends = t->newline_before || t->kind == GR_T_END || t->kind == GR_T_RBRACE ||
                t->kind == GR_T_SEMICOLON;
    if (!ends || left->kind != GR_N_NAME || left->span.end != op.begin) {
        return false;
    }
    if (t->kind == GR_T_END && p->prompt) return false;
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, op, "`++` joins two values");
    gr_suggest_code(p, d, "%.*s += 1", GR_TEXT(p, left->span));
    return true;
}

/* a <- 3, spaced as R's assignment is and a comparison with -3 is not. */
static bool is_left_arrow(const gr_parser *p, const gr_node *left, gr_span less) {
    return gr_at(p, GR_T_MINUS) && p->token.span.begin == less.end && p->token.blank_after &&
           has_name(left) && left->span.end < less.begin;
}

static gr_node *left_arrow(gr_parser *p, gr_node *left, gr_span less) {
    gr_span sign = {less.begin, p->token.span.end};
    gr_advance(p);
    uint32_t begin = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_PIPE)) return NULL;
    gr_span value = gr_from(p, begin);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "`<-` does not assign");
    gr_suggest_code(p, d, "%.*s = %.*s", GR_TEXT(p, left->span), GR_TEXT(p, value));
    return left;
}

/* ---- the loop ----------------------------------------------------------------------------- */

static gr_node *simple_operator(gr_parser *p, gr_node *left, operator_row row, uint32_t begin) {
    gr_span op_span = p->token.span;
    uint32_t left_end = p->last_end;
    gr_advance(p);
    if (row.op == GR_OP_JOIN && increment(p, left, op_span)) return left;
    uint32_t right_begin = p->token.span.begin;
    if (row.op == GR_OP_LT && is_left_arrow(p, left, op_span)) return left_arrow(p, left, op_span);
    p->wants_operand = true;
    /* The right side of ^ may be a power and may begin with a minus. */
    gr_level level = row.op == GR_OP_POW ? GR_LEVEL_NEG : (gr_level)(row.level + 1);
    gr_node *right = gr_parse_level(p, level);
    if (!right) return NULL;
    bool angles = row.op == GR_OP_NE && p->source->text[op_span.begin] == '<';
    if (angles) {
        gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, op_span, "`<>` is not an operator");
        gr_suggest_code(p, d, "%.*s != %.*s", GR_TEXT(p, ((gr_span){begin, left_end})),
                        GR_TEXT(p, ((gr_span){right_begin, p->last_end})));
    }
    gr_node *node = binary(p, row.op, left, right, op_span, begin);
    gr_span middle = gr_from(p, right_begin), whole = gr_from(p, begin);
    if (row.level == GR_LEVEL_COMPARE && is_comparison(p) && !chained(p, whole, middle)) {
        return NULL;
    }
    return node;
}

static gr_node *operator_behind(gr_parser *p, gr_node *left, operator_row row, uint32_t begin) {
    if (row.level == GR_LEVEL_PIPE) return pipe(p, left, begin);
    if (gr_at(p, GR_T_SUPERSCRIPT)) return superscript(p, left, begin);
    if (row.level != GR_LEVEL_RANGE) return simple_operator(p, left, row, begin);
    bool second = left->kind == GR_N_RANGE && !(left->flags & GR_PARENTHESISED);
    return second ? second_range(p, left, begin) : range(p, left, begin);
}

gr_node *gr_parse_infix(gr_parser *p, gr_node *left, gr_level level, uint32_t begin) {
    while (left && !p->failed) {
        const gr_token *t = &p->token;
        if (t->newline_before && !gr_continues(p)) break;
        operator_row row = operators[t->kind];
        if (row.level) {
            if (row.level < level) break;
            left = operator_behind(p, left, row, begin);
        } else if (gr_is_product_by_neighbour(p, left)) {
            if (GR_LEVEL_MUL < level) break;
            left = gr_parse_product(p, left, begin);
        } else if (gr_is_foreign_operator(p)) {
            if (gr_foreign_level(p) < level) break;
            left = gr_parse_foreign_operator(p, left, begin);
        } else {
            break;
        }
    }
    return left;
}

static gr_node *unary(gr_parser *p, gr_operator op, gr_level level) {
    gr_span op_span = p->token.span;
    gr_advance(p);
    p->wants_operand = true;
    gr_node *operand = gr_parse_level(p, level);
    gr_node *node = operand ? GR_MAKE(p, GR_N_UNARY, unary, gr_from(p, op_span.begin)) : NULL;
    if (!node) return NULL;
    node->op = (uint8_t)op;
    node->as.unary.operand = operand;
    node->as.unary.op_span = op_span;
    return node;
}

/* `a == not b`: not binds looser than what stands before it. */
static gr_node *misplaced_not(gr_parser *p) {
    gr_span op = p->token.span;
    gr_node *node = unary(p, GR_OP_NOT, GR_LEVEL_NOT);
    if (!node) return NULL;
    gr_diagnostic *d =
        gr_complain(p, GR_E_unexpected_token, op, "`not` binds looser than the operator before it");
    gr_suggest_code(p, d, "(%.*s)", GR_TEXT(p, node->span));
    return node;
}

static gr_node *prefix(gr_parser *p, gr_level level) {
    switch (p->token.kind) {
    case GR_T_MINUS: return unary(p, GR_OP_NEG, GR_LEVEL_NEG);
    case GR_T_NOT:
        return level > GR_LEVEL_NOT ? misplaced_not(p) : unary(p, GR_OP_NOT, GR_LEVEL_NOT);
    case GR_T_PLUS:
    case GR_T_JOIN:
    case GR_T_FOREIGN: return gr_parse_foreign_prefix(p);
    case GR_T_RANGE:
        if (p->index_item) return range(p, NULL, p->token.span.begin);
        break;
    default: break;
    }
    return gr_parse_operand(p);
}

gr_node *gr_parse_level(gr_parser *p, gr_level level) {
    if (p->failed) return NULL;
    if (p->operators >= GR_MAX_OPERATOR_DEPTH) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_too_deep, p->token.span, "operators nest deeper than %d levels here",
                    GR_MAX_OPERATOR_DEPTH);
        gr_diag_help(d, "give inner parts names of their own with `let`");
        p->stopped = true;
        return NULL;
    }
    p->operators++;
    uint32_t begin = p->token.span.begin;
    gr_node *node = prefix(p, level);
    node = gr_parse_infix(p, node, level, begin);
    p->operators--;
    return p->failed ? NULL : node;
}

gr_node *gr_parse_expression(gr_parser *p) {
    p->wants_operand = true;
    gr_node *node = gr_parse_level(p, GR_LEVEL_PIPE);
    p->wants_operand = false;
    return node;
}
