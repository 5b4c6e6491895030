/* SPDX-License-Identifier: MIT */
/*
 * Statements, blocks and `if`. A list of statements is where a mistake ends: the parser
 * skips to the next line that can begin a statement of the same block and goes on.
 */
#include "parse.h"

#include <string.h>

/* ---- blocks and if ------------------------------------------------------------------------ */

gr_node *gr_parse_block(gr_parser *p, const char *after) {
    if (p->failed) return NULL;
    if (!gr_at(p, GR_T_LBRACE)) {
        gr_no_block(p, after);
        return NULL;
    }
    uint32_t begin = p->token.span.begin;
    if (!gr_open_bracket(p, true)) return NULL;
    gr_node *block = gr_parse_statements(p, true);
    if (!gr_close_bracket(p) || !block) return NULL;
    block->span = gr_from(p, begin);
    return block;
}

/* if x = 3 */
static gr_node *condition(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    if (gr_at(p, GR_T_LBRACE)) {
        gr_diagnostic *d = gr_fail(p, GR_E_expected_expression, p->token.span,
                                   "the condition is missing before this block");
        gr_diag_help(d, "`else` alone is for all other cases; a loop without end is `while true { }`");
        return NULL;
    }
    gr_node *node = gr_parse_expression(p);
    if (!node || !gr_at(p, GR_T_ASSIGN)) return node;
    gr_span left = gr_from(p, begin), sign = p->token.span;
    gr_advance(p);
    uint32_t right_begin = p->token.span.begin;
    if (!gr_parse_expression(p)) return NULL;
    gr_span right = gr_from(p, right_begin);
    gr_diagnostic *d = gr_complain(p, GR_E_foreign_habit, sign, "`=` assigns; `==` compares");
    gr_suggest_code(p, d, "%.*s == %.*s", GR_TEXT(p, left), GR_TEXT(p, right));
    return node;
}

static bool word_is(const gr_token *token, const char *text) {
    return token->kind == GR_T_NAME && !strcmp(token->name->text, text);
}

static bool at_elif(const gr_parser *p) {
    const gr_token *t = &p->token;
    return word_is(t, "elif") || word_is(t, "elsif") || word_is(t, "elseif");
}

/* Behind a `}`: else, else if, or elif; true where another arm begins. */
static bool next_arm(gr_parser *p, gr_node **otherwise) {
    if (at_elif(p)) {
        gr_span word = p->token.span;
        gr_advance(p);
        gr_diagnostic *d =
            gr_complain(p, GR_E_foreign_habit, word, "`%.*s` is not a keyword", GR_TEXT(p, word));
        gr_diag_help(d, "write `else if`");
        return true;
    }
    if (!gr_accept(p, GR_T_ELSE)) return false;
    if (gr_accept(p, GR_T_IF)) return true;
    *otherwise = gr_parse_block(p, "`else`");
    return false;
}

gr_node *gr_parse_if(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    size_t mark = p->scratch.size;
    gr_node *otherwise = NULL;
    gr_advance(p);
    do {
        gr_arm arm = {.condition = condition(p)};
        if (arm.condition) arm.body = gr_parse_block(p, "the condition");
        if (!arm.body) break;
        gr_push(p, &arm, sizeof arm);
    } while (!p->failed && next_arm(p, &otherwise));
    if (p->failed) {
        p->scratch.size = mark;
        return NULL;
    }
    uint32_t count;
    gr_arm *arms = gr_pop_list(p, mark, sizeof *arms, &count);
    gr_node *node = GR_MAKE(p, GR_N_IF, branch, gr_from(p, begin));
    if (!node) return NULL;
    node->as.branch.arms = arms;
    node->as.branch.count = count;
    node->as.branch.otherwise = otherwise;
    return node;
}

/* ---- the other statements ----------------------------------------------------------------- */

static gr_node *loop_node(gr_parser *p, gr_node_kind kind, gr_node *pattern, gr_node *source,
                          gr_node *body, uint32_t begin) {
    gr_node *node = body ? GR_MAKE(p, kind, loop, gr_from(p, begin)) : NULL;
    if (!node) return NULL;
    node->as.loop.pattern = pattern;
    node->as.loop.source = source;
    node->as.loop.body = body;
    return node;
}

/* for i in 1:n { */
static void colon_range(gr_parser *p, uint32_t begin) {
    gr_token next = gr_peek(p);
    if (!gr_at(p, GR_T_COLON) || next.newline_before || !gr_begins_operand(&next)) return;
    gr_span low = gr_from(p, begin), colon = p->token.span;
    gr_advance(p);
    uint32_t high_begin = p->token.span.begin;
    if (!gr_parse_expression(p)) return;
    gr_span high = gr_from(p, high_begin);
    gr_diagnostic *d;
    if (gr_at(p, GR_T_LBRACE)) {
        d = gr_complain(p, GR_E_foreign_habit, colon, "ranges are written with `..`");
        gr_diag_note(d, "a range ends before its upper bound: `0..3` is 0, 1, 2");
        gr_suggest_code(p, d, "%.*s..%.*s", GR_TEXT(p, low), GR_TEXT(p, high));
    } else {
        d = gr_fail(p, GR_E_foreign_habit, colon, "the body of a loop stands in braces");
        gr_suggest_code(p, d, "for x in %.*s { %.*s }", GR_TEXT(p, low), GR_TEXT(p, high));
    }
}

/* From here to the brace of the block, or to the end of the line. */
static gr_span rest_of_head(const gr_parser *p, uint32_t begin) {
    gr_span rest = gr_rest_of_line(p, begin, "");
    const char *text = p->source->text + begin, *brace = memchr(text, '{', rest.end - begin);
    if (brace) rest.end = begin + (uint32_t)(brace - text);
    while (rest.end > begin && p->source->text[rest.end - 1] == ' ') rest.end--;
    return rest;
}

/* for x of xs */
static void loop_of(gr_parser *p, const gr_node *pattern) {
    gr_span of = p->token.span, rest = rest_of_head(p, of.end);
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, of, "a `for` says `in`, not `of`");
    gr_suggest_code(p, d, "for %.*s in%.*s { }", GR_TEXT(p, pattern->span), GR_TEXT(p, rest));
}

/* for a in x, b in y { } */
static void second_source(gr_parser *p, const gr_node *pattern, gr_span source) {
    gr_span comma = p->token.span, rest = rest_of_head(p, comma.end);
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, comma, "a `for` runs through one thing");
    gr_diag_note(d, "two of the same length run side by side as `for (a, b) in zip(x, y) { }`");
    gr_suggest_code(p, d, "for %.*s in %.*s { for%.*s { } }", GR_TEXT(p, pattern->span),
                    GR_TEXT(p, source), GR_TEXT(p, rest));
}

/* for i, x in enumerate(xs) { } */
static void bare_names(gr_parser *p, const gr_node *pattern) {
    gr_span comma = p->token.span, rest = rest_of_head(p, comma.end);
    const char *text = p->source->text + rest.begin;
    const char *in = strstr(text, " in ");
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, comma, "names that stand together need parentheses");
    if (!in || in > text + (rest.end - rest.begin)) return;
    int names = (int)(in - text), source = (int)(rest.end - rest.begin) - names;
    gr_suggest_code(p, d, "for (%.*s,%.*s)%.*s { }", GR_TEXT(p, pattern->span), names, text, source, in);
}

static gr_node *for_loop(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    gr_node *pattern = gr_parse_pattern(p);
    if (pattern && gr_at(p, GR_T_ASSIGN)) {
        gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, p->token.span,
                                   "a `for` names what it runs over behind `in`");
        gr_diag_help(d, "write `for %.*s in 0..n { }`", GR_TEXT(p, pattern->span));
    }
    if (pattern && gr_at(p, GR_T_COMMA)) bare_names(p, pattern);
    if (pattern && gr_at(p, GR_T_NAME) && word_is(&p->token, "of")) loop_of(p, pattern);
    if (!pattern || !gr_expect(p, GR_T_IN, "`in` and what the loop runs over")) return NULL;
    uint32_t source_begin = p->token.span.begin;
    gr_node *source = gr_parse_expression(p);
    if (source) colon_range(p, source_begin);
    if (source && gr_at(p, GR_T_COMMA)) second_source(p, pattern, gr_from(p, source_begin));
    gr_check_names(p, pattern);
    gr_node *body = p->failed ? NULL : gr_parse_block(p, "the head of the loop");
    return loop_node(p, GR_N_FOR, pattern, source, body, begin);
}

static gr_node *while_loop(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    gr_node *test = condition(p);
    gr_node *body = test ? gr_parse_block(p, "the condition") : NULL;
    return loop_node(p, GR_N_WHILE, NULL, test, body, begin);
}

static gr_node *single_word(gr_parser *p, gr_node_kind kind) {
    gr_span span = p->token.span;
    gr_advance(p);
    return GR_MAKE(p, kind, result, span);
}

static gr_node *return_statement(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    gr_node *value = NULL;
    bool ends = p->token.newline_before || gr_at(p, GR_T_END) || gr_at(p, GR_T_RBRACE) ||
                gr_at(p, GR_T_SEMICOLON);
    if (!ends) {
        value = gr_parse_expression(p);
        if (!value) return NULL;
    }
    gr_node *node = GR_MAKE(p, GR_N_RETURN, result, gr_from(p, begin));
    if (node) node->as.result = value;
    return node;
}

static void foreign_import(gr_parser *p) {
    gr_token t = p->token;
    gr_diagnostic *d = gr_fail(p, GR_E_foreign_habit, t.span,
                               "a module is imported by the path of its file, in quotes");
    if (t.kind == GR_T_NAME) {
        const gr_name *as = t.name;
        gr_advance(p);
        if (gr_at_word(p, p->word_as)) gr_advance(p);
        if (gr_at(p, GR_T_NAME)) as = p->token.name;
        gr_suggest_code(p, d, "import \"%s.nn\" as %s", t.name->text, as->text);
    } else {
        gr_diag_help(d, "write `import \"path.nn\" as m`");
    }
}

static void import_without_name(gr_parser *p, const gr_node *path) {
    if (path->kind != GR_N_STRING || p->failed) return;
    const char *text = path->as.string.bytes, *base = strrchr(text, '/');
    base = base ? base + 1 : text;
    const char *dot = strchr(base, '.');
    int size = dot ? (int)(dot - base) : (int)strlen(base);
    gr_diagnostic *d = gr_expected(p, "`as` and a name for the module");
    gr_suggest_code(p, d, "import \"%s\" as %.*s", text, size, base);
}

static gr_node *import_statement(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    if (!gr_at(p, GR_T_QUOTE)) {
        foreign_import(p);
        return NULL;
    }
    gr_node *path = gr_parse_string(p);
    if (path && path->kind != GR_N_STRING) {
        gr_fail(p, GR_E_bad_interpolation, path->span, "the path of an import is a plain string");
    }
    if (!path || p->failed) return NULL;
    if (!gr_at_word(p, p->word_as) || p->token.newline_before) {
        import_without_name(p, path);
        return NULL;
    }
    gr_advance(p);
    gr_token name = p->token;
    if (!gr_expect(p, GR_T_NAME, "a name for the module")) return NULL;
    gr_node *node = GR_MAKE(p, GR_N_IMPORT, import, gr_from(p, begin));
    if (!node) return NULL;
    node->as.import.path = path->as.string;
    node->as.import.path_span = path->span;
    node->as.import.name = name.name;
    node->as.import.name_span = name.span;
    return node;
}

/* assert (e, "message"), which would assert a tuple */
static void asserted_tuple(gr_parser *p, const gr_node *node) {
    if (node->kind != GR_N_TUPLE || node->as.list.count != 2) return;
    gr_span first = node->as.list.items[0]->span, second = node->as.list.items[1]->span;
    gr_diagnostic *d =
        gr_complain(p, GR_E_foreign_habit, node->span, "`assert` stands without parentheses");
    gr_suggest_code(p, d, "assert %.*s, %.*s", GR_TEXT(p, first), GR_TEXT(p, second));
}

static gr_node *assert_statement(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_advance(p);
    gr_node *test = gr_parse_expression(p), *message = NULL;
    if (!test) return NULL;
    asserted_tuple(p, test);
    if (gr_accept(p, GR_T_COMMA) && !(message = gr_parse_expression(p))) return NULL;
    gr_node *node = GR_MAKE(p, GR_N_ASSERT, assertion, gr_from(p, begin));
    if (!node) return NULL;
    node->as.assertion.condition = test;
    node->as.assertion.message = message;
    return node;
}

static gr_node *test_block(gr_parser *p) {
    gr_span word = p->token.span;
    gr_advance(p);
    gr_node *name = gr_parse_string(p);
    if (name && name->kind != GR_N_STRING) {
        gr_fail(p, GR_E_bad_interpolation, name->span, "the name of a test is a plain string");
    }
    gr_node *body = name ? gr_parse_block(p, "the name of the test") : NULL;
    gr_node *node = body ? GR_MAKE(p, GR_N_TEST, test, gr_from(p, word.begin)) : NULL;
    if (!node) return NULL;
    if (p->open_count) {
        gr_complain(p, GR_E_misplaced_statement, word, "tests stand at the top level of a file");
    }
    node->as.test.name = name->as.string;
    node->as.test.name_span = name->span;
    node->as.test.body = body;
    return node;
}

/* ---- names that begin statements ---------------------------------------------------------- */

static bool asserts(gr_parser *p) {
    if (!gr_at_word(p, p->word_assert)) return false;
    gr_token next = gr_peek(p);
    if (next.newline_before) return false;
    if (next.kind == GR_T_MINUS) return !next.blank_after;
    return gr_begins_operand(&next);
}

static bool tests(gr_parser *p) {
    if (!gr_at_word(p, p->word_test)) return false;
    gr_token next = gr_peek(p);
    return next.kind == GR_T_QUOTE && !next.newline_before;
}

static gr_node *name_statement(gr_parser *p) {
    if (asserts(p)) return assert_statement(p);
    if (tests(p)) return test_block(p);
    if (gr_foreign_statement(p)) return NULL;
    return gr_parse_assignment(p);
}

/* |> at the beginning of an input of the prompt goes on from ans. */
static gr_node *pipe_from_ans(gr_parser *p) {
    uint32_t begin = p->token.span.begin;
    gr_node *node = GR_MAKE(p, GR_N_NAME, name, ((gr_span){begin, begin}));
    const gr_name *ans = gr_intern_ascii(gr_lexicon_names(p->lexicon), "ans", 3);
    if (!node || !ans) return NULL;
    node->as.name = ans;
    return gr_parse_infix(p, node, GR_LEVEL_PIPE, begin);
}

static gr_node *statement(gr_parser *p) {
    switch (p->token.kind) {
    case GR_T_LET: return gr_parse_binding(p, GR_N_LET);
    case GR_T_PARAM: return gr_parse_binding(p, GR_N_PARAM);
    case GR_T_FN: return gr_parse_definition(p);
    case GR_T_FOR: return for_loop(p);
    case GR_T_WHILE: return while_loop(p);
    case GR_T_BREAK: return single_word(p, GR_N_BREAK);
    case GR_T_CONTINUE: return single_word(p, GR_N_CONTINUE);
    case GR_T_RETURN: return return_statement(p);
    case GR_T_IMPORT: return import_statement(p);
    case GR_T_NAME: return name_statement(p);
    case GR_T_PIPE:
        if (p->prompt && !p->scratch.size && !p->open_count) return pipe_from_ans(p);
        break;
    default: break;
    }
    return gr_foreign_statement(p) ? NULL : gr_parse_assignment(p);
}

/* ---- lists of statements, and going on after a mistake ------------------------------------ */

/* A string is passed as one: what stands in it is no bracket. */
static void skip_string(gr_parser *p) {
    gr_token quote = p->token;
    bool quiet = p->lexer.quiet;
    p->lexer.quiet = true;
    while (p->text.size = 0, gr_lexer_string(&p->lexer, &quote, &p->text) == GR_PIECE_BRACE) {
        const char *text = p->source->text;
        while (p->lexer.at < p->lexer.end && !strchr("}\"\n", text[p->lexer.at])) p->lexer.at++;
    }
    p->lexer.quiet = quiet;
}

static bool closes_something(const gr_parser *p, uint32_t level) {
    uint8_t kind = p->token.kind;
    uint8_t opener = kind == GR_T_RPAREN     ? GR_T_LPAREN
                     : kind == GR_T_RBRACKET ? GR_T_LBRACKET
                                             : GR_T_LBRACE;
    for (uint32_t i = p->open_count; i > level; i--) {
        if (p->open[i - 1].kind == opener) return true;
    }
    return false;
}

static void skip_bracket(gr_parser *p, uint32_t level) {
    uint8_t kind = p->token.kind;
    bool opens = kind == GR_T_LPAREN || kind == GR_T_LBRACKET || kind == GR_T_LBRACE;
    bool closes = kind == GR_T_RPAREN || kind == GR_T_RBRACKET || kind == GR_T_RBRACE;
    if (opens && p->open_count < GR_MAX_NESTING) {
        p->open[p->open_count++] = (gr_opener){.span = p->token.span, .kind = kind};
    }
    if (closes && closes_something(p, level)) {
        uint8_t opener = kind == GR_T_RPAREN     ? GR_T_LPAREN
                         : kind == GR_T_RBRACKET ? GR_T_LBRACKET
                                                 : GR_T_LBRACE;
        while (p->open[p->open_count - 1].kind != opener) p->open_count--;
        p->open_count--;
    }
}

/* In a string of one line there is nothing behind its end. */
static bool ends_line(const gr_parser *p) {
    return p->token.kind == GR_T_NEWLINE && p->lexer.one_line;
}

/* Whether the parser can go on with the current token in the list of statements of this level. */
static bool can_resume(gr_parser *p, uint32_t level, bool moved) {
    const gr_token *t = &p->token;
    bool brace = t->kind == GR_T_RBRACE && !closes_something(p, level);
    if (t->kind == GR_T_END || (brace && level) || ends_line(p)) return true;
    if (!moved) return false;
    if (p->open_count == level) {
        return t->kind == GR_T_SEMICOLON ||
               (t->line_start && t->kind != GR_T_ELSE && !gr_continues(p));
    }
    uint8_t innermost = p->open[p->open_count - 1].kind;
    return t->line_start && gr_begins_statement(t) && innermost != GR_T_LBRACE;
}

static void recover(gr_parser *p, uint32_t level, uint32_t begin) {
    bool moved = p->token.span.begin != begin;
    p->newlines = true;
    while (!can_resume(p, level, moved)) {
        skip_bracket(p, level);
        if (gr_at(p, GR_T_QUOTE)) skip_string(p);
        gr_advance(p);
        moved = true;
    }
    p->open_count = level;
    p->failed = false;
}

/* A newline, `;`, the end of the block or of the source. */
static void end_statement(gr_parser *p, const gr_node *node) {
    if (p->failed) return;
    const gr_token *t = &p->token;
    if (p->stray.end) {
        gr_diagnostic *d =
            gr_fail(p, GR_E_bad_placeholder, p->stray, "`_` stands for a value only right of `|>`");
        gr_diag_help(d, "`x |> f(y, _)` says where `x` goes; a function is written `fn(x) = ...`");
        return;
    }
    bool ends = t->newline_before || t->kind == GR_T_END || t->kind == GR_T_SEMICOLON ||
                (t->kind == GR_T_RBRACE && p->open_count);
    if (!ends)
        gr_unexpected(p, node);
    else if (gr_is_expression(node->kind))
        gr_check_habits(p, node);
}

typedef struct saved {
    gr_span stray;
    size_t mark;
    uint32_t open_count, nesting, operators;
    bool one_line, index_item, no_if;
} saved;

static saved save(const gr_parser *p) {
    return (saved){p->stray,     p->scratch.size,   p->open_count, p->nesting,
                   p->operators, p->lexer.one_line, p->index_item, p->no_if};
}

static void restore(gr_parser *p, const saved *s) {
    p->scratch.size = s->mark;
    p->nesting = s->nesting;
    p->operators = s->operators;
    p->lexer.one_line = s->one_line;
    p->index_item = s->index_item;
    p->no_if = s->no_if;
    p->stray = s->stray;
}

/* False: there is no going on. */
static bool one_statement(gr_parser *p) {
    saved before = save(p);
    uint32_t begin = p->token.span.begin;
    p->stray = p->grad_use = (gr_span){0, 0};
    p->wants_operand = false;
    gr_node *node = statement(p);
    p->wants_operand = false;
    if (node) end_statement(p, node);
    if (!p->failed && node) {
        p->stray = before.stray;
        gr_push(p, &node, sizeof node);
        return !p->failed;
    }
    if (p->incomplete || p->stopped || p->report->out_of_memory) return false;
    restore(p, &before);
    recover(p, before.open_count, begin);
    return true;
}

gr_node *gr_parse_statements(gr_parser *p, bool block) {
    size_t mark = p->scratch.size;
    uint32_t begin = p->token.span.begin;
    bool more = !p->failed;
    while (more) {
        while (gr_at(p, GR_T_SEMICOLON)) gr_advance(p);
        if (gr_at(p, GR_T_END) || (block && gr_at(p, GR_T_RBRACE)) || ends_line(p)) break;
        more = one_statement(p);
    }
    if (!more) {
        p->failed = true;
        p->scratch.size = mark;
        return NULL;
    }
    gr_node_list list = gr_pop_nodes(p, mark);
    gr_span span = block ? gr_from(p, begin) : (gr_span){0, p->source->size};
    gr_node *node = GR_MAKE(p, GR_N_BLOCK, block, span);
    if (node) node->as.block = list;
    return node;
}
