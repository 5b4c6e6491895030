/* SPDX-License-Identifier: MIT */
/*
 * Forms of other languages, each with the Gradus form built from the user's own text. Where the
 * meaning is clear the parser reads on as if it had been written our way; a `nil` node stands for
 * what has no tree of its own, since a source with errors has no tree anyway.
 */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_is(const gr_parser *p, gr_span span, const char *text) {
    size_t size = strlen(text);
    return span.end - span.begin == size && !memcmp(p->source->text + span.begin, text, size);
}

bool gr_token_is(const gr_parser *p, const char *text) {
    return text_is(p, p->token.span, text);
}

static gr_node *stand_in(gr_parser *p, uint32_t begin) {
    return GR_MAKE(p, GR_N_NIL, number, gr_from(p, begin));
}

/* ---- operators ---------------------------------------------------------------------------- */

/* An operator of elsewhere: its text, its level, what is wrong, the hint of left (%1) and right. */
typedef struct foreign_operator {
    const char *text;
    uint8_t level;
    const char *message;
    const char *before, *between, *after; /* hint: before left between right after */
} foreign_operator;

static const foreign_operator foreign_operators[] = {
    {"**", GR_LEVEL_POW, "`**` is not an operator", "", " ^ ", ""},
    {".^", GR_LEVEL_POW, "operators act element by element without a dot", "", " ^ ", ""},
    {".**", GR_LEVEL_POW, "operators act element by element without a dot", "", " ^ ", ""},
    {".*", GR_LEVEL_MUL, "operators act element by element without a dot", "", " * ", ""},
    {"./", GR_LEVEL_MUL, "operators act element by element without a dot", "", " / ", ""},
    {".+", GR_LEVEL_ADD, "operators act element by element without a dot", "", " + ", ""},
    {".-", GR_LEVEL_ADD, "operators act element by element without a dot", "", " - ", ""},
    {"//", GR_LEVEL_MUL, "`//` is not an operator", "floor(", " / ", ")"},
    {"===", GR_LEVEL_COMPARE, "`===` is not an operator", "", " == ", ""},
    {"!==", GR_LEVEL_COMPARE, "`!==` is not an operator", "", " != ", ""},
    {"~=", GR_LEVEL_COMPARE, "`~=` is not an operator", "", " != ", ""},
    {"&&", GR_LEVEL_AND, "`&&` is not an operator", "", " and ", ""},
    {"&", GR_LEVEL_AND, "`&` is not an operator", "", " and ", ""},
    {"||", GR_LEVEL_OR, "`||` is not an operator", "", " or ", ""},
    {"|", GR_LEVEL_OR, "`|` is not an operator", "", " or ", ""},
    {"??", GR_LEVEL_PIPE, "`??` is not an operator", "", "", NULL},
    {"\\", GR_LEVEL_MUL, "`\\` is not an operator", "solve(", ", ", ")"},
    {"is", GR_LEVEL_COMPARE, "`is` is not an operator", "", " == ", ""},
    {"mod", GR_LEVEL_MUL, "`mod` between two values is not an operator", "", " % ", ""},
    {"div", GR_LEVEL_MUL, "`div` is not an operator", "floor(", " / ", ")"},
};

static const foreign_operator *find_operator(const gr_parser *p) {
    for (size_t i = 0; i < sizeof foreign_operators / sizeof *foreign_operators; i++) {
        if (gr_token_is(p, foreign_operators[i].text)) return &foreign_operators[i];
    }
    return NULL;
}

/* ?name and ??words are questions at the prompt; `c ? a : b` has blanks. */
static bool is_question(const gr_parser *p) {
    const gr_token *t = &p->token;
    unsigned char c = (unsigned char)p->source->text[t->span.end];
    bool word = c >= 0x80 || c == ':' || (unsigned)((c | 32) - 'a') < 26u;
    return t->kind == GR_T_FOREIGN && (gr_token_is(p, "?") || gr_token_is(p, "??")) && word;
}

bool gr_is_foreign_operator(const gr_parser *p) {
    const gr_token *t = &p->token;
    switch (t->kind) {
    case GR_T_STARSTAR:
    case GR_T_DOTTED:
    case GR_T_SLASHSLASH:
    case GR_T_IDENTICAL:
    case GR_T_UNIDENTICAL:
    case GR_T_ARROW: return true;
    case GR_T_FOREIGN:
        if (t->line_start && is_question(p)) return false;
        return gr_token_is(p, "?") || find_operator(p);
    case GR_T_IN: return true;
    case GR_T_NOT: return !t->newline_before;
    case GR_T_IF: return !p->no_if;
    case GR_T_NAME: return !t->newline_before && t->blank_before && find_operator(p);
    default: return false;
    }
}

gr_level gr_foreign_level(const gr_parser *p) {
    switch (p->token.kind) {
    case GR_T_IN:
    case GR_T_NOT: return GR_LEVEL_COMPARE;
    case GR_T_IF:
    case GR_T_ARROW: return GR_LEVEL_PIPE;
    default: break;
    }
    const foreign_operator *row = find_operator(p);
    return row ? (gr_level)row->level : GR_LEVEL_PIPE;
}

/* c ? a : b */
static gr_node *ternary(gr_parser *p, gr_span test, uint32_t begin) {
    gr_span sign = p->token.span;
    gr_advance(p);
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_OR)) return NULL;
    gr_span yes = gr_from(p, at);
    if (!gr_expect(p, GR_T_COLON, "`:`")) return NULL;
    at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_PIPE)) return NULL;
    gr_span no = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "`? :` is not an operator");
    gr_suggest_code(p, d, "if %.*s { %.*s } else { %.*s }", GR_TEXT(p, test), GR_TEXT(p, yes),
                    GR_TEXT(p, no));
    return stand_in(p, begin);
}

/* a if c else b; and `return x if c`. */
static gr_node *trailing_if(gr_parser *p, gr_span yes, uint32_t begin) {
    gr_span word = p->token.span;
    gr_advance(p);
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_OR)) return NULL;
    gr_span test = gr_from(p, at), no = {at, at};
    if (gr_accept(p, GR_T_ELSE)) {
        at = p->token.span.begin;
        if (!gr_parse_level(p, GR_LEVEL_PIPE)) return NULL;
        no = gr_from(p, at);
    }
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, word, "the condition stands before the value");
    if (no.end == no.begin) {
        gr_suggest_code(p, d, "if %.*s { %.*s }", GR_TEXT(p, test), GR_TEXT(p, yes));
    } else {
        gr_suggest_code(p, d, "if %.*s { %.*s } else { %.*s }", GR_TEXT(p, test), GR_TEXT(p, yes),
                        GR_TEXT(p, no));
    }
    return stand_in(p, begin);
}

/* x in xs, x not in xs */
static gr_node *membership(gr_parser *p, gr_span item, uint32_t begin) {
    bool negated = gr_at(p, GR_T_NOT);
    gr_span word = p->token.span;
    gr_advance(p);
    if (negated && !gr_expect(p, GR_T_IN, "`in`")) return NULL;
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_RANGE)) return NULL;
    gr_span list = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, word, "`in` belongs to `for`");
    gr_suggest_code(p, d, "%shas(%.*s, %.*s)", negated ? "not " : "", GR_TEXT(p, list),
                    GR_TEXT(p, item));
    return stand_in(p, begin);
}

/* x => e, (a, b) -> e */
static gr_node *arrow(gr_parser *p, const gr_node *left, gr_span parameters, uint32_t begin) {
    gr_span sign = p->token.span;
    gr_advance(p);
    if (gr_at(p, GR_T_LBRACE)) {
        if (!gr_parse_block(p, NULL)) return NULL;
    } else if (!gr_parse_level(p, GR_LEVEL_PIPE)) {
        return NULL;
    }
    gr_span body = {sign.end, p->last_end};
    while (body.begin < body.end && p->source->text[body.begin] == ' ') body.begin++;
    bool block = p->source->text[body.begin] == '{';
    bool tuple = left->kind == GR_N_TUPLE || (left->flags & GR_PARENTHESISED);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign,
                                   "a function is written with `fn`, without an arrow");
    gr_suggest_code(p, d, "fn%s%.*s%s %s%.*s", tuple ? "" : "(", GR_TEXT(p, parameters),
                    tuple ? "" : ")", block ? "" : "= ", GR_TEXT(p, body));
    if (!tuple && !block)
        gr_suggest_code(p, d, "%.*s >= %.*s", GR_TEXT(p, parameters), GR_TEXT(p, body));
    return stand_in(p, begin);
}

static gr_node *default_operator(gr_parser *p, gr_span left, uint32_t begin) {
    const foreign_operator *row = find_operator(p);
    gr_token op = p->token;
    gr_advance(p);
    bool negated = op.kind == GR_T_NAME && text_is(p, op.span, "is") && gr_accept(p, GR_T_NOT);
    uint32_t at = p->token.span.begin;
    bool power = row->level == GR_LEVEL_POW;
    gr_level level = power ? GR_LEVEL_NEG : (gr_level)(row->level + 1);
    bool nothing = op.kind == GR_T_NAME && (gr_token_is(p, "None") || gr_token_is(p, "null"));
    if (nothing)
        gr_advance(p);
    else if (!gr_parse_level(p, level))
        return NULL;
    gr_span right = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, op.span, "%s", row->message);
    if (!row->after) {
        gr_suggest_code(p, d, "if %.*s == nil { %.*s } else { %.*s }", GR_TEXT(p, left),
                        GR_TEXT(p, right), GR_TEXT(p, left));
        return stand_in(p, begin);
    }
    if (nothing)
        gr_suggest_code(p, d, "%.*s %s nil", GR_TEXT(p, left), negated ? "!=" : "==");
    else if (!gr_suggest_code(p, d, "%s%.*s%s%.*s%s", row->before, GR_TEXT(p, left),
                              negated ? " != " : row->between, GR_TEXT(p, right), row->after)) {
        gr_suggest_code(p, d, "%sa%sb%s", row->before, row->between, row->after);
    }
    return stand_in(p, begin);
}

/* `//` with words behind it that are no value: a comment of other languages. */
static gr_node *slash_comment(gr_parser *p, gr_node *left) {
    gr_span sign = p->token.span, rest = gr_rest_of_line(p, sign.end, "");
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "`//` does not begin a comment");
    if (rest.end - rest.begin < 60)
        gr_diag_help(d, "write `#%.*s`", GR_TEXT(p, rest));
    else
        gr_diag_help(d, "begin comments with `#`");
    const char *newline = memchr(p->source->text + sign.end, '\n', p->lexer.end - sign.end);
    p->lexer.at = newline ? (uint32_t)(newline - p->source->text) : p->lexer.end;
    uint32_t end = p->last_end;
    gr_advance(p);
    p->last_end = end;
    return left;
}

static bool is_slash_comment(gr_parser *p) {
    gr_span rest = gr_rest_of_line(p, p->token.span.end, ",;");
    uint32_t size = rest.end - rest.begin;
    if (!p->hints) return false; /* a trial must not begin trials of its own */
    return size == 0 || size > 400 || !gr_text_parses(p->lexicon, p->source->text + rest.begin, size);
}

gr_node *gr_parse_foreign_operator(gr_parser *p, gr_node *left, uint32_t begin) {
    gr_span text = gr_from(p, begin);
    if (gr_token_is(p, "?")) return ternary(p, text, begin);
    switch (p->token.kind) {
    case GR_T_IF: return trailing_if(p, text, begin);
    case GR_T_IN:
    case GR_T_NOT: return membership(p, text, begin);
    case GR_T_ARROW: return arrow(p, left, text, begin);
    case GR_T_SLASHSLASH:
        if (is_slash_comment(p)) return slash_comment(p, left);
        break;
    default: break;
    }
    return default_operator(p, text, begin);
}

/* ---- 2x ----------------------------------------------------------------------------------- */

bool gr_is_product_by_neighbour(const gr_parser *p, const gr_node *left) {
    const gr_token *t = &p->token;
    bool number = left->kind == GR_N_NUMBER && !(left->flags & GR_PARENTHESISED);
    return number && !t->blank_before && left->span.end == t->span.begin &&
           (t->kind == GR_T_NAME || t->kind == GR_T_LPAREN);
}

/* 0x1F, 0b101 */
static gr_node *other_base(gr_parser *p, const gr_node *left) {
    gr_span number = {left->span.begin, p->token.span.end};
    const char *text = p->source->text + number.begin;
    int base = text[1] == 'x' || text[1] == 'X' ? 16 : text[1] == 'b' ? 2 : text[1] == 'o' ? 8 : 0;
    if (left->span.end - left->span.begin != 1 || *text != '0' || !base) return NULL;
    gr_diagnostic *d = gr_complain(p, GR_E_malformed_number, number,
                                   "numbers are written with decimal digits only");
    char *end;
    unsigned long long value = strtoull(text + 2, &end, base);
    if (end == p->source->text + number.end && value < 1ull << 53)
        gr_diag_help(d, "write `%llu`", value);
    gr_advance(p);
    return stand_in(p, number.begin);
}

gr_node *gr_parse_product(gr_parser *p, gr_node *left, uint32_t begin) {
    gr_node *number = gr_at(p, GR_T_NAME) ? other_base(p, left) : NULL;
    if (number) return number;
    gr_span both = {begin, p->token.span.end};
    bool parenthesis = gr_at(p, GR_T_LPAREN);
    if (parenthesis) both.end--;
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_NEG)) return NULL;
    gr_span right = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, both, "a product is written with `*`");
    gr_suggest_code(p, d, "%.*s * %.*s", GR_TEXT(p, left->span), GR_TEXT(p, right));
    return stand_in(p, begin);
}

/* ---- prefixes ----------------------------------------------------------------------------- */

/* \x -> e */
static gr_node *backslash_function(gr_parser *p) {
    gr_span sign = p->token.span;
    gr_advance(p);
    gr_token name = p->token;
    gr_token next = gr_peek(p);
    if (name.kind != GR_T_NAME || next.kind != GR_T_ARROW) {
        gr_fail(p, p->lexer.one_line ? GR_E_bad_interpolation : GR_E_unexpected_token, sign,
                "`\\` stands only in strings");
        return NULL;
    }
    gr_advance(p);
    gr_advance(p);
    uint32_t at = p->token.span.begin;
    if (!gr_parse_expression(p)) return NULL;
    gr_span body = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "a function is written with `fn`");
    gr_suggest_code(p, d, "fn(%.*s) = %.*s", GR_TEXT(p, name.span), GR_TEXT(p, body));
    return stand_in(p, sign.begin);
}

gr_node *gr_parse_foreign_prefix(gr_parser *p) {
    gr_span sign = p->token.span;
    bool negation = gr_token_is(p, "!") || gr_token_is(p, "~"), plus = gr_at(p, GR_T_PLUS);
    bool increment = gr_at(p, GR_T_JOIN);
    if (gr_token_is(p, "\\")) return backslash_function(p);
    if (!negation && !plus && !increment) {
        gr_token name = gr_peek(p);
        if (!gr_token_is(p, "$") || name.kind != GR_T_NAME) {
            gr_expected_value(p);
            return NULL;
        }
        gr_diagnostic *d =
            gr_fail(p, GR_E_odd_character, sign, "`$` cannot stand in a program");
        gr_diag_help(d, "write `%.*s`: a variable is its name alone", GR_TEXT(p, name.span));
        return NULL;
    }
    gr_advance(p);
    uint32_t at = p->token.span.begin;
    p->wants_operand = true;
    if (!gr_parse_level(p, GR_LEVEL_NEG)) return NULL;
    gr_span operand = gr_from(p, at);
    if (negation) {
        gr_diagnostic *d =
            gr_complain(p, GR_E_foreign_habit, sign, "`%.*s` is not an operator", GR_TEXT(p, sign));
        gr_suggest_code(p, d, "not %.*s", GR_TEXT(p, operand));
    } else if (increment) {
        gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "`++` joins two values");
        gr_suggest_code(p, d, "%.*s += 1", GR_TEXT(p, operand));
    } else {
        gr_diagnostic *d =
            gr_complain(p, GR_E_foreign_habit, sign, "`+` stands between two values");
        gr_suggest_code(p, d, "%.*s", GR_TEXT(p, operand));
    }
    return stand_in(p, sign.begin);
}

/* ---- names -------------------------------------------------------------------------------- */

static gr_node *foreign_constant(gr_parser *p) {
    static const char *const words[][2] = {{"True", "true"}, {"False", "false"}, {"None", "nil"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!gr_token_is(p, words[i][0])) continue;
        gr_span span = p->token.span;
        gr_advance(p);
        gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, span,
                                       "`%s` is written differently here", words[i][0]);
        gr_diag_help(d, "write `%s`", words[i][1]);
        return stand_in(p, span.begin);
    }
    return NULL;
}

/* f"…" */
static gr_node *prefixed_string(gr_parser *p) {
    gr_token prefix = p->token, next = gr_peek(p);
    bool letter = gr_token_is(p, "f") || gr_token_is(p, "b") || gr_token_is(p, "u") || gr_token_is(p, "F");
    if (!letter || next.kind != GR_T_QUOTE || next.blank_before) return NULL;
    gr_advance(p);
    gr_node *string = gr_parse_string(p);
    if (!string) return NULL;
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, prefix.span,
                                   "every string interpolates `{...}`, without a letter before it");
    gr_suggest_code(p, d, "%.*s", GR_TEXT(p, string->span));
    return string;
}

/* lambda x, y: e */
static gr_node *lambda(gr_parser *p) {
    if (!gr_token_is(p, "lambda") && !gr_token_is(p, "λ")) return NULL;
    gr_token next = gr_peek(p);
    if (next.newline_before || (next.kind != GR_T_NAME && next.kind != GR_T_COLON)) return NULL;
    gr_span word = p->token.span;
    gr_advance(p);
    gr_span names = {p->token.span.begin, p->token.span.begin};
    while (!p->failed && gr_at(p, GR_T_NAME)) {
        gr_advance(p);
        if (gr_accept(p, GR_T_ASSIGN)) gr_parse_level(p, GR_LEVEL_OR);
        names.end = p->last_end;
        if (!gr_accept(p, GR_T_COMMA)) break;
    }
    if (!gr_expect(p, GR_T_COLON, "`:`")) return NULL;
    uint32_t at = p->token.span.begin;
    if (!gr_parse_level(p, GR_LEVEL_PIPE)) return NULL;
    gr_span body = gr_from(p, at);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, word, "a function is written with `fn`");
    gr_suggest_code(p, d, "fn(%.*s) = %.*s", GR_TEXT(p, names), GR_TEXT(p, body));
    return stand_in(p, word.begin);
}

gr_node *gr_parse_foreign_name(gr_parser *p) {
    switch (p->source->text[p->token.span.begin]) {
    case 'T':
    case 'N': return foreign_constant(p);
    case 'F':
    case 'f': {
        gr_node *node = foreign_constant(p);
        return node || p->failed ? node : prefixed_string(p);
    }
    case 'b':
    case 'u': return prefixed_string(p);
    case 'l':
    case '\xce': return lambda(p);
    default: return NULL;
    }
}

/* ---- words that begin statements ---------------------------------------------------------- */

typedef enum word_kind { DEFINES, DECLARES, OTHER, RAISES, BLOCK } word_kind;

typedef struct foreign_word {
    const char *word;
    uint8_t kind;
    const char *message, *help;
} foreign_word;

#define FN_MESSAGE "functions are defined with `fn`"
#define LET_MESSAGE "variables are made with `let`"
#define CAPTURE_MESSAGE "a function sees and changes the variables around it without a declaration"

static const foreign_word foreign_words[] = {
    {"def", DEFINES, FN_MESSAGE, NULL},
    {"function", DEFINES, FN_MESSAGE, NULL},
    {"func", DEFINES, FN_MESSAGE, NULL},
    {"fun", DEFINES, FN_MESSAGE, NULL},
    {"var", DECLARES, LET_MESSAGE, NULL},
    {"const", DECLARES, LET_MESSAGE, NULL},
    {"local", DECLARES, LET_MESSAGE, NULL},
    {"auto", DECLARES, LET_MESSAGE, NULL},
    {"val", DECLARES, LET_MESSAGE, NULL},
    {"int", DECLARES, LET_MESSAGE, NULL},
    {"float", DECLARES, LET_MESSAGE, NULL},
    {"double", DECLARES, LET_MESSAGE, NULL},
    {"set", DECLARES, LET_MESSAGE, NULL},
    {"class", OTHER, "there are no classes", "write a function that returns a record of functions"},
    {"struct", OTHER, "there are no types to declare", "write a record: `{x: 1, y: 2}`"},
    {"switch", OTHER, "there is no `switch`", "write `if a { } else if b { }`"},
    {"case", OTHER, "there is no `case`", "write `if a { } else if b { }`"},
    {"raise", RAISES, "an error is raised by a function", NULL},
    {"throw", RAISES, "an error is raised by a function", NULL},
    {"global", OTHER, CAPTURE_MESSAGE, "delete this line"},
    {"nonlocal", OTHER, CAPTURE_MESSAGE, "delete this line"},
    {"del", OTHER, "variables are not deleted", "delete this line"},
    {"with", OTHER, "there is no `with`",
     "write `:=` for an update that is not recorded, `stop(x)` for a value that is not tracked"},
    {"from", OTHER, "a module is imported as a whole",
     "write `import \"path.nn\" as m`, then `m.name`"},
    {"using", OTHER, "a module is imported by the path of its file",
     "write `import \"path.nn\" as m`"},
    {"include", OTHER, "a module is imported by the path of its file",
     "write `import \"path.nn\" as m`"},
    {"try", BLOCK, "errors are caught by a function", "write `try(fn() { })`"},
    {"catch", BLOCK, "errors are caught by a function", "write `try(fn() { })`"},
    {"except", BLOCK, "errors are caught by a function", "write `try(fn() { })`"},
    {"finally", BLOCK, "errors are caught by a function", "write `try(fn() { })`"},
    {"do", BLOCK, "there is no `do`", "write `while true { }` with a `break`"},
    {"repeat", BLOCK, "there is no `repeat`", "write `while true { }` with a `break`"},
    {"until", OTHER, "there is no `until`", "write `while not done { }`"},
    {"unless", OTHER, "there is no `unless`", "write `if not done { }`"},
    {"foreach", OTHER, "there is no `foreach`", "write `for x in xs { }`"},
};

static const foreign_word *find_word(const gr_parser *p) {
    const gr_name *name = p->token.name;
    if (name->length > 8) return NULL;
    for (size_t i = 0; i < sizeof foreign_words / sizeof *foreign_words; i++) {
        const char *word = foreign_words[i].word;
        if (word[0] == name->text[0] && !strcmp(word, name->text)) return &foreign_words[i];
    }
    return NULL;
}

/* def f(x): return e  and  def f(x): */
static void suggest_definition(gr_parser *p, gr_diagnostic *d, uint32_t begin) {
    gr_span head = gr_rest_of_line(p, begin, ":{"), whole = gr_rest_of_line(p, begin, "");
    const char *text = p->source->text;
    uint32_t first = (uint32_t)strcspn(text + begin, "=(\n");
    if (text[begin + first] == '=') { /* function y = f(x) */
        head.begin = begin + first + 1;
        while (head.begin < head.end && text[head.begin] == ' ') head.begin++;
        gr_suggest_code(p, d, "fn %.*s { }", GR_TEXT(p, head));
        return;
    }
    if (gr_suggest_code(p, d, "fn %.*s", GR_TEXT(p, whole))) return;
    uint32_t colon = head.begin;
    int depth = 0;
    for (; colon < head.end; colon++) {
        if (text[colon] == '(') depth++;
        if (text[colon] == ')') depth--;
        if (!depth && text[colon] == ':') break;
    }
    gr_span body = {colon + 1, head.end};
    if (body.begin < body.end) {
        while (body.begin < body.end && text[body.begin] == ' ') body.begin++;
        if (body.end - body.begin > 7 && !memcmp(text + body.begin, "return ", 7)) body.begin += 7;
        gr_span name = {begin, colon};
        if (!gr_suggest_code(p, d, "fn %.*s = %.*s", GR_TEXT(p, name), GR_TEXT(p, body)))
            gr_diag_help(d, "write `fn %.*s = ...`", GR_TEXT(p, name));
    } else {
        gr_suggest_code(p, d, "fn %.*s { }", GR_TEXT(p, head));
    }
}

/* raise ValueError("text") */
static void suggest_error(gr_parser *p, gr_diagnostic *d, gr_span rest) {
    const char *text = p->source->text;
    const char *open = memchr(text + rest.begin, '(', rest.end - rest.begin);
    if (open && text[rest.end - 1] == ')') rest.begin = (uint32_t)(open - text) + 1;
    if (open && text[rest.end - 1] == ')') rest.end--;
    gr_suggest_code(p, d, "error(%.*s)", GR_TEXT(p, rest));
}

static void report_word(gr_parser *p, const foreign_word *row, const gr_token *next) {
    gr_span word = p->token.span;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, word, "%s", row->message);
    gr_span rest = gr_rest_of_line(p, next->span.begin, ";");
    switch (row->kind) {
    case DEFINES: suggest_definition(p, d, next->span.begin); break;
    case DECLARES: gr_suggest_code(p, d, "let %.*s", GR_TEXT(p, rest)); break;
    case RAISES: suggest_error(p, d, rest); break;
    default: gr_diag_help(d, "%s", row->help); break;
    }
    if (row->kind == DEFINES || row->kind == BLOCK) p->colon_blocks = true;
}

/* A name cannot be followed by a name, a keyword, a string or a number on its line. */
static bool begins_foreign(const foreign_word *row, const gr_token *next) {
    if (next->newline_before) return false;
    if (row->kind == BLOCK) {
        return next->kind == GR_T_LBRACE || next->kind == GR_T_COLON || next->kind == GR_T_NAME;
    }
    if (row->kind == RAISES && next->kind == GR_T_QUOTE) return true;
    return next->kind == GR_T_NAME || next->kind == GR_T_NUMBER || next->kind == GR_T_QUOTE;
}

/* `else`, `elif` and `end` that are left over from a block in another language. */
static bool left_over(gr_parser *p) {
    bool word =
        gr_at(p, GR_T_ELSE) ||
        (gr_at(p, GR_T_NAME) && (gr_token_is(p, "elif") || gr_token_is(p, "end") || gr_token_is(p, "pass")));
    if (!word) return false;
    if (p->colon_blocks) {
        p->failed = true;
        return true;
    }
    gr_token next = gr_peek(p);
    if (gr_at(p, GR_T_ELSE)) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_unexpected_token, p->token.span, "this `else` has no `if` before it");
        gr_diag_help(d, "put it behind the `}` of an `if`");
        return true;
    }
    if (!gr_token_is(p, "elif") || next.newline_before || !gr_begins_operand(&next)) return false;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span, "`elif` is not a keyword");
    gr_diag_help(d, "write `else if` behind the `}` of an `if`");
    return true;
}

static bool comment_statement(gr_parser *p) {
    if (!gr_at(p, GR_T_SLASHSLASH)) return false;
    gr_parse_foreign_operator(p, NULL, p->token.span.begin);
    p->failed = true;
    return true;
}

/* :load file, ?name: what the prompt does itself. */
static bool prompt_command(gr_parser *p) {
    gr_token next = gr_peek(p);
    gr_span span = {p->token.span.begin, next.span.end};
    bool command = gr_at(p, GR_T_COLON) && next.kind == GR_T_NAME && !next.blank_before;
    if (!command && !is_question(p)) return false;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, span, "`%.*s` is for the prompt; it is no statement",
                               GR_TEXT(p, span));
    if (text_is(p, span, ":load"))
        gr_diag_help(d, "`import \"path.nn\" as m` runs a file; its names are the fields of `m`");
    gr_diag_help(d, "what is piped into `gradus` without `-` is read as at the prompt, commands too");
    return true;
}

bool gr_foreign_statement(gr_parser *p) {
    if (comment_statement(p) || left_over(p) || prompt_command(p)) return true;
    if (!gr_at(p, GR_T_NAME)) return false;
    const foreign_word *row = find_word(p);
    if (!row) return false;
    gr_token next = gr_peek(p);
    if (!begins_foreign(row, &next)) return false;
    report_word(p, row, &next);
    return true;
}
