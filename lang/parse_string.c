/* SPDX-License-Identifier: MIT */
/*
 * Strings: their pieces from the lexer, and the values that are put in between, each parsed where it
 * stands.
 */
#include "parse.h"

#include <string.h>

static void open_brace(gr_parser *p, uint32_t begin) {
    gr_diagnostic *d = gr_fail(p, GR_E_bad_interpolation, (gr_span){begin, begin + 1},
                               "the `{` in this string is not closed");
    gr_diag_help(d, "write `\\{` for a brace itself");
}

/* Braces that are perhaps meant as text. */
static void text_brace(gr_parser *p, gr_diagnostic *d, uint32_t begin) {
    gr_diag_also(d, p->source, (gr_span){begin, begin + 1}, "a value to be put in begins here");
    gr_diag_help(d, "write `\\{` for a brace itself");
}

static void no_value(gr_parser *p, uint32_t begin) {
    gr_diagnostic *d = gr_fail(p, GR_E_bad_interpolation, (gr_span){begin, begin + 1},
                               "what stands in these braces of a string is no value");
    gr_diag_help(d, "write `\\{` for a brace itself, or a raw string r\"...\" in which nothing is special");
}

static bool interpolation(gr_parser *p, const gr_token *quote, gr_template_part *part) {
    gr_lexer *lexer = &p->lexer;
    bool one_line = lexer->one_line;
    uint32_t begin = lexer->at - 1, open = p->open_count;
    gr_diagnostic *before = p->report->last;
    size_t told = p->report->error_count;
    if (!gr_enter(p)) return false;
    bool newlines = p->newlines, index_item = p->index_item, no_if = p->no_if;
    p->newlines = p->index_item = p->no_if = false;
    lexer->one_line = one_line || !quote->triple;
    lexer->previous = GR_T_LBRACE;
    gr_advance(p);
    if (gr_at(p, GR_T_RBRACE)) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_interpolation, (gr_span){begin, p->token.span.end},
                                   "there is nothing between the braces of this string");
        gr_diag_help(d, "put the value between them, as in `\"step {n}\"`; `\\{\\}` writes the "
                        "braces themselves");
    } else if (gr_at(p, GR_T_COLON)) {
        gr_diagnostic *d = gr_fail(p, GR_E_bad_interpolation, p->token.span,
                                   "there is no value in front of this format");
        gr_diag_help(d, "put the value into the string, as in `\"{x:.2f}\"`");
    } else if (gr_at(p, GR_T_NEWLINE) || gr_at(p, GR_T_END)) {
        open_brace(p, begin);
    } else {
        size_t errors = p->report->error_count;
        part->value = gr_parse_expression(p);
        gr_diagnostic *d = p->report->last;
        bool sign = p->failed && p->report->error_count > errors && d && lexer->one_line;
        if (sign && p->source->text[d->primary.span.begin] == '\\') text_brace(p, d, begin);
    }
    bool formatted = part->value && gr_at(p, GR_T_COLON);
    if (!p->failed && !formatted && !gr_at(p, GR_T_RBRACE)) {
        if (gr_at(p, GR_T_NEWLINE) || gr_at(p, GR_T_END) || gr_at(p, GR_T_QUOTE)) {
            open_brace(p, begin);
        } else {
            gr_diagnostic *d = gr_fail(p, GR_E_bad_interpolation, p->token.span,
                                       "the expression in this string cannot go on like this");
            text_brace(p, d, begin);
        }
    }
    if (formatted) {
        p->text.size = 0;
        if (!gr_lexer_format(lexer, &p->text))
            p->failed = true;
        else
            part->format = gr_take_text(p, p->text.text ? p->text.text : "", p->text.size);
    }
    if (lexer->one_line && p->report->error_count > told + 1) {
        bool closed = gr_at(p, GR_T_RBRACE) || formatted;
        gr_report_cut(p->report, before, told);
        p->failed = false;
        if (closed) no_value(p, begin);
        else open_brace(p, begin);
    }
    part->span = (gr_span){begin, lexer->at};
    p->newlines = newlines;
    p->index_item = index_item;
    p->no_if = no_if;
    p->open_count = open; /* what is not closed in it has ended with it */
    lexer->one_line = one_line;
    gr_leave(p);
    return !p->failed;
}

static bool unclosed_triple(gr_parser *p, const gr_token *quote, gr_piece_end end) {
    if (end != GR_PIECE_BROKEN) return false;
    if (quote->triple) {
        p->token.kind = GR_T_END;
        p->wants_operand = true;
        gr_diagnostic *d = gr_fail(p, GR_E_unclosed_string, quote->span,
                                   "the string that begins here does not end");
        gr_diag_help(d, "close it with `\"\"\"`");
    }
    p->failed = true;
    return true;
}

/* Behind the opening quotes: pushes the parts. */
static bool string_parts(gr_parser *p, const gr_token *quote) {
    for (;;) {
        uint32_t begin = p->lexer.at;
        p->text.size = 0;
        gr_piece_end end = gr_lexer_string(&p->lexer, quote, &p->text);
        if (p->text.failed) p->report->out_of_memory = p->failed = true;
        if (unclosed_triple(p, quote, end) || p->failed) {
            gr_advance(p);
            return false;
        }
        gr_template_part part = {.span = {begin, p->lexer.at - 1}};
        if (p->text.size) {
            part.text = gr_take_text(p, p->text.text, p->text.size);
            gr_push(p, &part, sizeof part);
        }
        if (end == GR_PIECE_QUOTE) return !p->failed;
        part = (gr_template_part){0};
        if (!interpolation(p, quote, &part)) return false;
        gr_push(p, &part, sizeof part);
    }
}

gr_node *gr_parse_string(gr_parser *p) {
    gr_token quote = p->token;
    size_t mark = p->scratch.size;
    if (!string_parts(p, &quote)) {
        p->scratch.size = mark;
        return NULL;
    }
    uint32_t count;
    gr_template_part *parts = gr_pop_list(p, mark, sizeof *parts, &count);
    p->token.span.end = p->lexer.at;
    p->lexer.previous = GR_T_QUOTE;
    gr_advance(p);
    bool plain = count == 0 || (count == 1 && !parts[0].value);
    gr_node *node = plain ? GR_MAKE(p, GR_N_STRING, string, gr_from(p, quote.span.begin))
                          : GR_MAKE(p, GR_N_TEMPLATE, template, gr_from(p, quote.span.begin));
    if (!node) return NULL;
    node->flags = (uint8_t)((quote.raw ? GR_RAW : 0) | (quote.triple ? GR_TRIPLE : 0));
    if (plain) {
        node->as.string = count ? parts[0].text : (gr_text){"", 0};
    } else {
        node->as.template.parts = parts;
        node->as.template.count = count;
    }
    return node;
}
