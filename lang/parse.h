/* SPDX-License-Identifier: MIT */
/*
 * What the files of the parser share. Each parse_… function returns NULL once something failed
 * (parser.failed), and its callers return NULL in turn up to the innermost list of statements,
 * which skips to the next one. A mistake whose meaning is clear (a habit of another language) is
 * reported without failing, and what was meant is parsed.
 *
 * Newlines: parser.newlines says whether they count, which changes with the innermost bracket; it
 * is set before the token behind a bracket is asked for.
 */
#ifndef GR_PARSE_H
#define GR_PARSE_H

#include "parser.h"

/* Recursions of the operator parser, beside the GR_MAX_NESTING brackets. */
#define GR_MAX_OPERATOR_DEPTH 1000

typedef enum gr_level {
    GR_LEVEL_PIPE = 1,
    GR_LEVEL_OR,
    GR_LEVEL_AND,
    GR_LEVEL_NOT,
    GR_LEVEL_COMPARE,
    GR_LEVEL_RANGE,
    GR_LEVEL_ADD,
    GR_LEVEL_MUL,
    GR_LEVEL_NEG,
    GR_LEVEL_POW,
} gr_level;

typedef struct gr_opener {
    gr_span span;
    uint8_t kind;                     /* GR_T_LPAREN, GR_T_LBRACKET, GR_T_LBRACE of a record */
    bool block;                       /* GR_T_LBRACE of a block */
    bool newlines, index_item, no_if; /* the parser's state outside of it */
} gr_opener;

typedef struct gr_parser {
    gr_lexicon *lexicon;
    ad_ctx *ctx;
    const gr_source *source;
    gr_report *report;
    gr_ast *ast;
    gr_lexer lexer;
    gr_token token;      /* the one looked at */
    uint32_t last_end;   /* of the token before it */
    uint32_t last_error; /* offset of the last report, + 1 */
    size_t first_errors; /* reports that were there before */
    gr_buffer scratch;   /* a stack of what becomes lists in the arena */
    gr_buffer text;      /* pieces of strings and hints */
    gr_opener open[GR_MAX_NESTING];
    uint32_t open_count, nesting, operators; /* depths: brackets, all recursion, operators */
    gr_span suspect; /* a `{` whose `}` is indented less than its line */
    gr_span stray;                           /* the first `_` that no |> has claimed */
    gr_span slice;                           /* the first colon in the present index */
    gr_span grad_use;                        /* a name with .grad in this statement */
    const gr_name *grad_name;
    const gr_name *word_as, *word_assert, *word_by, *word_new, *word_test, *word_ignore;
    bool newlines;
    bool index_item;    /* directly in x[ ]: open ranges and `new` are right */
    const gr_node *open_range; /* the first one in this item */
    bool no_if;         /* in the source of a comprehension: `if` begins its filter */
    bool wants_operand; /* an expression must follow */
    bool prompt, incomplete, failed, stopped;
    bool hints;        /* false in a hint that is tried out */
    bool colon_blocks; /* a block was begun with `:`; an `else:` is no second mistake */
} gr_parser;

/* ---- parser.c: tokens, errors, memory ------------------------------------------------------ */

void gr_advance(gr_parser *p);
gr_token gr_peek(gr_parser *p); /* the token behind the current one */
bool gr_accept(gr_parser *p, gr_token_kind kind);

/* Reports and fails. NULL, with nothing reported, where a report stands already, where the prompt
 * only needs another line, or where a hint is tried out. */
gr_diagnostic *gr_fail(gr_parser *p, gr_diagnostic_id id, gr_span span, const char *format, ...)
    GR_PRINTF(4, 5);

/* Reports, and parsing goes on. */
gr_diagnostic *gr_complain(gr_parser *p, gr_diagnostic_id id, gr_span span, const char *format, ...)
    GR_PRINTF(4, 5);

/* `expected … but found …` at the current token. */
gr_diagnostic *gr_expected(gr_parser *p, const char *what);
gr_diagnostic *gr_expected_value(gr_parser *p);

/* Passes a token of this kind, or fails: what it is for is said by `what`. */
bool gr_expect(gr_parser *p, gr_token_kind kind, const char *what);

/* help: write `code`, if it is one line and parses; false: nothing was added. */
bool gr_suggest_code(gr_parser *p, gr_diagnostic *diagnostic, const char *format, ...)
    GR_PRINTF(3, 4);

/* Text of a span, for "%.*s": as two arguments. */
#define GR_TEXT(p, s) (int)((s).end - (s).begin), (p)->source->text + (s).begin

/* What is left of the line, without a comment, blanks and one of `strip` at its end. */
gr_span gr_rest_of_line(const gr_parser *p, uint32_t begin, const char *strip);

/* Begins a recursion that is neither bracket nor operator (fn bodies, chains of prefixes). */
bool gr_enter(gr_parser *p);
void gr_leave(gr_parser *p);

/* Passes an opening bracket and what it changes; gr_close_bracket passes its partner, or fails. */
bool gr_open_bracket(gr_parser *p, bool block);
bool gr_close_bracket(gr_parser *p);

gr_node *gr_make(gr_parser *p, gr_node_kind kind, size_t payload, gr_span span);
#define GR_MAKE(p, kind, member, span)                                                             \
    gr_make((p), (kind), sizeof(((gr_node *)0)->as.member), (span))

void gr_push(gr_parser *p, const void *item, size_t size);
/* What was pushed since `mark` (p->scratch.size then), moved to the arena. */
void *gr_pop_list(gr_parser *p, size_t mark, size_t size, uint32_t *count);
gr_node_list gr_pop_nodes(gr_parser *p, size_t mark);
gr_text gr_take_text(gr_parser *p, const char *bytes, size_t size);

static inline bool gr_at(const gr_parser *p, gr_token_kind kind) { return p->token.kind == kind; }
static inline gr_span gr_from(const gr_parser *p, uint32_t begin) {
    return (gr_span){begin, p->last_end};
}
static inline bool gr_at_word(const gr_parser *p, const gr_name *word) {
    return p->token.kind == GR_T_NAME && p->token.name == word;
}

/* Whether an expression can begin with this token. */
bool gr_begins_operand(const gr_token *token);
/* A word that nothing but a statement begins with. */
bool gr_begins_statement(const gr_token *token);
/* 1:n, whose colon stands at `colon`: reads the upper bound, which begins at the next token, and shows
 * the range. */
void gr_read_range_colon(gr_parser *p, gr_span low, gr_span colon);

/* A name or a keyword, with its interned name. */
static inline bool gr_is_word(const gr_token *token) {
    return (token->kind == GR_T_NAME || token->kind >= GR_T_FN) && token->name;
}

/* ---- parse_expr.c, parse_operand.c, parse_derivative.c ------------------------------------- */

gr_node *gr_parse_expression(gr_parser *p);
gr_node *gr_parse_level(gr_parser *p, gr_level level);
/* Operators behind `left`, which began at `begin`. */
gr_node *gr_parse_infix(gr_parser *p, gr_node *left, gr_level level, uint32_t begin);
gr_node *gr_parse_operand(gr_parser *p); /* with calls, indices, fields */
gr_node *gr_parse_suffixes(gr_parser *p, gr_node *node, uint32_t begin, bool calls);
gr_node *gr_parse_field(gr_parser *p, gr_node *object, uint32_t begin); /* `.name` */
gr_node *gr_parse_index(gr_parser *p, gr_node *object, uint32_t begin); /* one [ ] */
gr_node *gr_parse_parenthesis(gr_parser *p);
gr_node *gr_parse_string(gr_parser *p);
gr_node *gr_parse_record(gr_parser *p);
gr_node *gr_parse_fn(gr_parser *p, bool named);
gr_node *gr_parse_if(gr_parser *p);
gr_node *gr_parse_partial(gr_parser *p);
gr_node *gr_parse_gradient(gr_parser *p);
bool gr_continues(const gr_parser *p); /* the token on a new line is a binary operator */

/* ---- parse_stmt.c, parse_bind.c, parse_pattern.c ------------------------------------------- */

gr_node *gr_parse_binding(gr_parser *p, gr_node_kind kind); /* let, param */
gr_node *gr_parse_assignment(gr_parser *p); /* or the expression that its target would be */
gr_node *gr_parse_definition(gr_parser *p); /* fn name(…), or an expression that begins with fn */

gr_node *gr_parse_block(gr_parser *p, const char *after);
gr_node *gr_parse_statements(gr_parser *p, bool block);
gr_node *gr_parse_pattern(gr_parser *p);
/* Names that must differ, noted in the scratch from a mark on; checked and forgotten all at once. */
typedef struct gr_noted {
    const gr_name *name;
    gr_span span;
} gr_noted;
void gr_note_name(gr_parser *p, const gr_name *name, gr_span span);
void gr_check_repeated(gr_parser *p, size_t mark, const char *what);
void gr_check_names(gr_parser *p, const gr_node *pattern); /* no name is bound twice */
bool gr_parse_parameters(gr_parser *p, gr_fn *fn);
const gr_signature *gr_parse_signature(gr_parser *p);

/* ---- habits.c: forms of other languages ---------------------------------------------------- */

/* An operator of another language behind `left`: reported, and what was meant is parsed. */
bool gr_is_foreign_operator(const gr_parser *p);
gr_level gr_foreign_level(const gr_parser *p);
gr_node *gr_parse_foreign_operator(gr_parser *p, gr_node *left, uint32_t begin);

/* `2x`, `2(x + 1)`: reported, parsed as a product. */
bool gr_is_product_by_neighbour(const gr_parser *p, const gr_node *left);
gr_node *gr_parse_product(gr_parser *p, gr_node *left, uint32_t begin);

/* `!x`, `+x`, `++x`. */
gr_node *gr_parse_foreign_prefix(gr_parser *p);

/* `True`, `None`, `f"…"`, `lambda x: e`: NULL where the name is only a name. */
gr_node *gr_parse_foreign_name(gr_parser *p);

/* A word at the beginning of a statement that begins one in another language; false: none of them.
 */
bool gr_foreign_statement(gr_parser *p);

/* Is the token at hand written so? */
bool gr_token_is(const gr_parser *p, const char *text);

/* Something behind a complete statement that cannot go on there. */
void gr_unexpected(gr_parser *p, const gr_node *before);

/* Instead of a block's `{`. */
void gr_no_block(gr_parser *p, const char *after);

/* After an expression statement: .backward(), W.grad … */
void gr_check_habits(gr_parser *p, const gr_node *statement);

#endif
