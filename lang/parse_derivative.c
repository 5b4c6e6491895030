/* SPDX-License-Identifier: MIT */
/*
 * ∂E/∂W and ∇f. A higher order, ∂²E/∂x∂y, becomes nested nodes: ∂(∂E/∂y)/∂x. The fields of a
 * denominator belong to it (∂E/∂p.W) up to .T, .shape and .dtype, which apply to the derivative;
 * one index picks from the derivative and ends the denominator.
 */
#include "parse.h"

#include <string.h>

enum { MOST_ORDERS = 16 };

static gr_node *plain_name(gr_parser *p) {
    gr_token t = p->token;
    gr_advance(p);
    gr_node *node = GR_MAKE(p, GR_N_NAME, name, t.span);
    if (node) node->as.name = t.name;
    return node;
}

/* ---- the numerator ------------------------------------------------------------------------ */

static gr_node *numerator(gr_parser *p, gr_span sign) {
    uint32_t begin = p->token.span.begin;
    gr_node *node = NULL;
    if (gr_at(p, GR_T_NAME) && p->token.name != p->word_ignore) {
        node = plain_name(p);
    } else if (gr_at(p, GR_T_LPAREN)) {
        node = gr_parse_parenthesis(p);
    } else {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                                   "behind `∂` stands a name or a parenthesis");
        gr_diag_also(d, p->source, sign, "the derivative begins here");
        gr_diag_help(d, "write `∂E/∂x`, `∂loss(p)/∂p` or `∂(E + F)/∂x`");
    }
    return node ? gr_parse_suffixes(p, node, begin, true) : NULL;
}

/* ---- the denominator ---------------------------------------------------------------------- */

static bool of_the_derivative(const gr_name *name) {
    return !strcmp(name->text, "T") || !strcmp(name->text, "shape") || !strcmp(name->text, "dtype");
}

gr_node *gr_parse_field(gr_parser *p, gr_node *object, uint32_t begin) {
    gr_advance(p);
    gr_token name = p->token;
    if (!gr_is_word(&name)) {
        gr_expected(p, "the name of a field");
        return NULL;
    }
    gr_advance(p);
    gr_node *node = GR_MAKE(p, GR_N_FIELD, field, gr_from(p, begin));
    if (!node) return NULL;
    node->as.field.object = object;
    node->as.field.name = name.name;
    node->as.field.name_span = name.span;
    return node;
}

static void called_place(gr_parser *p, gr_span place) {
    gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                               "the denominator of a derivative is a variable, not a call");
    gr_diag_also(d, p->source, place, "the derivative is taken with respect to this");
    gr_diag_help(d, "give its value a name with `let` before the numerator is computed from it");
}

static bool place_ends(gr_parser *p) {
    if (p->token.newline_before || !gr_at(p, GR_T_DOT)) return true;
    gr_token next = gr_peek(p);
    return gr_is_word(&next) && of_the_derivative(next.name);
}

/* A variable and its fields. */
static gr_node *place(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    if (!gr_at(p, GR_T_NAME)) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                                   "behind the second `∂` stands a variable, a field of one, or a "
                                   "tuple of these");
        gr_diag_help(d, "write `∂E/∂W`, `∂E/∂p.W` or `∂E/∂(W, b)`");
        return NULL;
    }
    gr_node *node = plain_name(p);
    while (node && !place_ends(p)) node = gr_parse_field(p, node, begin);
    if (!node) return NULL;
    bool call = gr_at(p, GR_T_LPAREN) && !p->token.newline_before;
    if (call) called_place(p, gr_from(p, begin));
    return p->failed ? NULL : node;
}

/* The one index of a place; suffixes behind it are the derivative's. */
static gr_node *index_of_place(gr_parser *p, gr_node *node, uint32_t begin) {
    bool index = gr_at(p, GR_T_LBRACKET) && !p->token.newline_before;
    return index ? gr_parse_index(p, node, begin) : node;
}

static void push_place(gr_parser *p, bool indexed) {
    uint32_t begin = p->token.span.begin;
    gr_node *node = place(p);
    if (node && indexed) node = index_of_place(p, node, begin);
    if (node) gr_push(p, &node, sizeof node);
}

static void odd_member(gr_parser *p) {
    if (p->failed || gr_at(p, GR_T_COMMA) || gr_at(p, GR_T_RPAREN)) return;
    gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                               "only variables and fields of variables can stand here");
    gr_diag_help(d, "write `∂E/∂(W, b)`");
}

/* (W, b): pushes the places. */
static bool place_tuple(gr_parser *p) {
    gr_span opener = p->token.span;
    bool comma = false;
    uint32_t count = 0;
    if (!gr_open_bracket(p, false)) return false;
    while (!p->failed && !gr_at(p, GR_T_RPAREN)) {
        push_place(p, true);
        odd_member(p);
        count++;
        comma = gr_accept(p, GR_T_COMMA);
        if (!comma) break;
    }
    if (!p->failed && !count) {
        gr_fail(p, GR_E_bad_derivative, opener, "there is no variable in this denominator");
    }
    gr_close_bracket(p);
    return comma || count > 1;
}

/* ---- putting it together ------------------------------------------------------------------ */

typedef struct denominator {
    gr_node_list wrt;
    uint32_t order;
    bool tuple;
} denominator;

static gr_node *partial(gr_parser *p, gr_node *top, const denominator *by, gr_span span) {
    gr_node *node = GR_MAKE(p, GR_N_PARTIAL, partial, span);
    if (!node) return NULL;
    node->order = 1;
    if (by->tuple) node->flags |= GR_TUPLE_WRITTEN;
    node->as.partial.numerator = top;
    node->as.partial.wrt = by->wrt;
    return node;
}

/* ∂x² of the denominator, or (W, b), up to what is the derivative's own. */
static bool parse_denominator(gr_parser *p, bool higher, denominator *by) {
    size_t mark = p->scratch.size;
    uint32_t begin = p->token.span.begin;
    *by = (denominator){.order = 1};
    if (gr_at(p, GR_T_LPAREN))
        by->tuple = place_tuple(p);
    else
        push_place(p, false);
    if (p->failed) {
        p->scratch.size = mark;
        return false;
    }
    by->wrt = gr_pop_nodes(p, mark);
    bool power = gr_at(p, GR_T_SUPERSCRIPT) && !p->token.blank_before && !p->token.newline_before;
    if (power && higher) {
        by->order = p->token.number > 0 && p->token.number < 99 ? (uint32_t)p->token.number : 99;
        gr_advance(p);
    } else if (power) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                                   "the orders above and below do not agree");
        gr_span name = {begin, p->last_end};
        gr_diag_help(d,
                     "write `∂%.*sE/∂%.*s%.*s` for a second derivative, or put parentheses "
                     "around the derivative that is raised to a power",
                     GR_TEXT(p, p->token.span), GR_TEXT(p, name), GR_TEXT(p, p->token.span));
    }
    if (!p->failed && !by->tuple && by->wrt.count == 1) {
        by->wrt.items[0] = index_of_place(p, by->wrt.items[0], begin);
    }
    return !p->failed;
}

/* `above` and `below` are the orders; by is the denominator, if there is one only. */
static void wrong_orders(gr_parser *p, uint32_t above, uint32_t below, gr_span whole, gr_span top,
                         const denominator *by) {
    gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, whole,
                               "this derivative is of order %u above and %u below", above, below);
    if (by && above == 2 && by->wrt.count == 1)
        gr_suggest_code(p, d, "∂²%.*s/∂%.*s²", GR_TEXT(p, top), GR_TEXT(p, by->wrt.items[0]->span));
    else
        gr_diag_help(d, "write `∂²E/∂x²` or `∂²E/∂x∂y`");
}

static bool order_of(gr_parser *p, uint32_t *order) {
    bool written = gr_at(p, GR_T_SUPERSCRIPT) && !p->token.blank_before;
    *order = 1;
    if (!written) return true;
    double value = p->token.number;
    if (value < 1 || value > MOST_ORDERS) {
        gr_fail(p, GR_E_bad_derivative, p->token.span, "the order is a number from 1 to %d",
                MOST_ORDERS);
        return false;
    }
    *order = (uint32_t)value;
    gr_advance(p);
    return true;
}

/* ∂X @ W/∂W: everything up to the slash was meant as the numerator. */
static bool whole_numerator(gr_parser *p, gr_diagnostic *d, gr_span top) {
    gr_span rest = gr_rest_of_line(p, top.begin, ";");
    const char *text = p->source->text, *sign = "/∂";
    for (uint32_t i = top.end; i + 4 < rest.end; i++) {
        if (memcmp(text + i, sign, strlen(sign)) != 0) continue;
        gr_span all = {top.begin, i}, by = {i + 4, i + 4};
        while (by.end < rest.end && !strchr(" ,;)]}*+-/@^", text[by.end])) by.end++;
        return gr_suggest_code(p, d, "∂(%.*s)/∂%.*s", GR_TEXT(p, all), GR_TEXT(p, by));
    }
    return false;
}

static bool behind_slash(gr_parser *p, gr_span sign, gr_span top) {
    bool slash = gr_at(p, GR_T_SLASH);
    gr_token next = slash ? gr_peek(p) : p->token;
    if (slash && next.kind == GR_T_PARTIAL) {
        gr_advance(p);
        return true;
    }
    gr_diagnostic *d =
        gr_fail(p, GR_E_bad_derivative, sign, "a derivative says with respect to what it is taken");
    if (slash && next.kind == GR_T_NAME)
        gr_suggest_code(p, d, "∂%.*s/∂%.*s", GR_TEXT(p, top), GR_TEXT(p, next.span));
    else if (!whole_numerator(p, d, top))
        gr_suggest_code(p, d, "∂%.*s/∂x", GR_TEXT(p, top));
    return false;
}

/* All of ∂x∂y, innermost last; their orders must add up. */
static uint32_t denominators(gr_parser *p, uint32_t order, denominator list[MOST_ORDERS]) {
    uint32_t count = 0, sum = 0;
    while (!p->failed && count < MOST_ORDERS && gr_at(p, GR_T_PARTIAL) &&
           (count == 0 || (order > sum && !p->token.newline_before))) {
        gr_advance(p);
        if (!parse_denominator(p, order > 1, &list[count])) return 0;
        sum += list[count++].order;
    }
    return count;
}

gr_node *gr_parse_partial(gr_parser *p) {
    gr_span sign = p->token.span;
    uint32_t order, above = 0;
    gr_advance(p);
    if (!order_of(p, &order)) return NULL;
    uint32_t top_begin = p->token.span.begin;
    gr_node *node = numerator(p, sign);
    gr_span top = gr_from(p, top_begin);
    if (!node || !behind_slash(p, sign, top)) return NULL;
    denominator by[MOST_ORDERS];
    uint32_t count = denominators(p, order, by);
    for (uint32_t i = 0; i < count; i++) above += by[i].order;
    gr_span whole = gr_from(p, sign.begin);
    if (!p->failed && above != order)
        wrong_orders(p, order, above, whole, top, count == 1 ? by : NULL);
    for (uint32_t i = count; i-- > 0 && !p->failed;) {
        for (uint32_t k = 0; k < by[i].order && node; k++) {
            node = partial(p, node, &by[i], whole);
            if (node && --above) node->flags |= GR_INNER_PARTIAL;
        }
    }
    if (p->failed || !node) return NULL;
    node->order = (uint8_t)order;
    return node;
}

/* ---- ∇ ------------------------------------------------------------------------------------ */

static void laplace(gr_parser *p) {
    gr_span power = p->token.span;
    gr_advance(p);
    gr_span f = p->token.span;
    gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, power, "`∇` has no power");
    if (gr_at(p, GR_T_NAME))
        gr_suggest_code(p, d, "laplacian(%.*s)", GR_TEXT(p, f));
    else
        gr_diag_help(d, "write `laplacian(f)`, or `hessian(f)` for all second derivatives");
}

gr_node *gr_parse_gradient(gr_parser *p) {
    gr_span sign = p->token.span;
    gr_advance(p);
    if (gr_at(p, GR_T_SUPERSCRIPT)) {
        laplace(p);
        return NULL;
    }
    uint32_t begin = p->token.span.begin;
    gr_node *f = NULL;
    if (gr_at(p, GR_T_LPAREN))
        f = gr_parse_parenthesis(p);
    else if (gr_at(p, GR_T_NAME) && p->token.name != p->word_ignore)
        f = plain_name(p);
    else {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_derivative, p->token.span,
                                   "behind `∇` stands a function: a name or a parenthesis");
        gr_diag_help(d, "write `∇f` or `∇(fn(x) = x^2)`");
    }
    bool named = f && f->kind == GR_N_NAME && !(f->flags & GR_PARENTHESISED);
    while (f && named && gr_at(p, GR_T_DOT) && !p->token.newline_before) {
        f = gr_parse_field(p, f, begin);
    }
    gr_node *node = f ? GR_MAKE(p, GR_N_GRADIENT, gradient, gr_from(p, sign.begin)) : NULL;
    if (node) node->as.gradient = f;
    return node;
}
