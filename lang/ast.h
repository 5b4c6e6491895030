/* SPDX-License-Identifier: MIT */
/*
 * The syntax tree. A node is a kind, a span and a union of what that kind carries; it is
 * allocated only as large as its kind needs, so a node is never copied by value. Everything lives
 * in the arena of the gr_ast, names in the interpreter's table. Child lists are a pointer and a
 * count.
 *
 * What the tree keeps beyond meaning is what the formatter and the messages need: spans of
 * operators and names, spelling (superscripts, parentheses, shorthands), documentation, comments.
 * What it does not do: resolve names, or check what only the compiler can know (an `if` without
 * `else` whose value is used, an unknown name, assignment to a param).
 *
 * Depth: the parser opens at most GR_MAX_NESTING brackets, blocks, prefix operators and right-
 * nested powers inside one another. Chains that lean left (a + b + c …, f(x)(y), a.b.c, x |> f |>
 * g) are not bounded by it: who walks the tree walks the left spine in a loop. The left child is
 * `binary.left`, `pipe.left`, `call.callee`, `index.object`, `field.object`, `prime.object`.
 */
#ifndef GR_AST_H
#define GR_AST_H

#include "arena.h"
#include "names.h"
#include "source.h"

/* How deep the recursive parts of a tree can be; 256 kB of C stack are enough to parse it. */
#define GR_MAX_NESTING 250

typedef enum gr_node_kind {
    /* expressions */
    GR_N_NUMBER,   /* number */
    GR_N_STRING,   /* string */
    GR_N_TEMPLATE, /* template: a string with interpolations */
    GR_N_TRUE,
    GR_N_FALSE,
    GR_N_NIL,
    GR_N_NAME,          /* name */
    GR_N_PLACEHOLDER,   /* `_` right of |> */
    GR_N_TENSOR,        /* list: [a, b]; items may be GR_N_SPREAD */
    GR_N_TUPLE,         /* list: (a, b), (a,), (); items may be GR_N_SPREAD */
    GR_N_RECORD,        /* record */
    GR_N_SPREAD,        /* spread: ...e in a list, an argument list, a target */
    GR_N_COMPREHENSION, /* comprehension */
    GR_N_FN,            /* fn */
    GR_N_IF,            /* branch; expression and statement alike */
    GR_N_UNARY,         /* unary: - not */
    GR_N_BINARY,        /* binary */
    GR_N_PIPE,          /* pipe */
    GR_N_RANGE,         /* range; a missing bound only in an index */
    GR_N_NEW_AXIS,      /* `new` in an index */
    GR_N_CALL,          /* call */
    GR_N_INDEX,         /* index */
    GR_N_FIELD,         /* field */
    GR_N_PRIME,         /* prime */
    GR_N_PARTIAL,       /* partial: ∂E/∂W */
    GR_N_GRADIENT,      /* gradient: ∇f */

    /* statements; any expression is one too */
    GR_N_BLOCK,  /* block; the root is one */
    GR_N_DEFINE, /* define: fn name(…) … */
    GR_N_LET,    /* bind */
    GR_N_PARAM,  /* bind */
    GR_N_ASSIGN, /* assign */
    GR_N_FOR,    /* loop */
    GR_N_WHILE,  /* loop, without pattern */
    GR_N_BREAK,
    GR_N_CONTINUE,
    GR_N_RETURN, /* result, or NULL */
    GR_N_IMPORT, /* import */
    GR_N_ASSERT, /* assertion */
    GR_N_TEST,   /* test */

    /* patterns */
    GR_N_PATTERN_NAME,   /* name */
    GR_N_PATTERN_IGNORE, /* _ */
    GR_N_PATTERN_TUPLE,  /* list of patterns; at most one GR_N_PATTERN_REST, the last */
    GR_N_PATTERN_REST,   /* rest: ...name or ..._ */
    GR_N_PATTERN_RECORD, /* record; a field's value is a pattern */

    GR_NODE_KINDS
} gr_node_kind;

static inline bool gr_is_expression(gr_node_kind kind) { return kind < GR_N_BLOCK; }

typedef enum gr_operator {
    GR_OP_NONE,
    GR_OP_OR,
    GR_OP_AND,
    GR_OP_NOT,
    GR_OP_EQ,
    GR_OP_NE,
    GR_OP_LT,
    GR_OP_LE,
    GR_OP_GT,
    GR_OP_GE,
    GR_OP_ADD,
    GR_OP_SUB,
    GR_OP_JOIN, /* ++ */
    GR_OP_MUL,
    GR_OP_DIV,
    GR_OP_MOD,
    GR_OP_MATMUL,
    GR_OP_NEG,
    GR_OP_POW,
    GR_OPERATORS
} gr_operator;

/* Flags of a node. */
enum {
    GR_PARENTHESISED =
        1, /* an expression that stood in its own parentheses; the span excludes them */
    GR_SUPERSCRIPT = 2, /* GR_N_BINARY, GR_OP_POW: x²; the span of `right` is that of the digits */
    GR_BLOCK_BODY = 4,  /* GR_N_FN: { … } rather than = e; `body` is a GR_N_BLOCK */
    GR_PLACED = 8, /* GR_N_PIPE: `_` occurs in `right`, which is then evaluated with `_` bound */
    GR_TUPLE_WRITTEN = 16, /* GR_N_PARTIAL: the denominator is a tuple, be it of one */
    GR_INNER_PARTIAL = 32, /* GR_N_PARTIAL made by ∂²E/∂x²: it has no text of its own */
    GR_RAW = 64,           /* GR_N_STRING: r"…" */
    GR_TRIPLE = 128,       /* GR_N_STRING, GR_N_TEMPLATE: three quotes */
};

typedef struct gr_node gr_node;

typedef struct gr_node_list {
    gr_node **items;
    uint32_t count;
} gr_node_list;

/* Bytes in the arena; with a NUL behind them, but they may contain NULs themselves. */
typedef struct gr_text {
    const char *bytes;
    uint32_t size;
} gr_text;

/* {name: value}, {name}, {...value}; in GR_N_PATTERN_RECORD value is a pattern and no spread
 * occurs. For the shorthand {W} value is the GR_N_NAME (GR_N_PATTERN_NAME) node. */
typedef struct gr_record_field {
    const gr_name *name; /* NULL for a spread */
    gr_span name_span;
    gr_node *value;
    bool shorthand;
} gr_record_field;

/* One argument: value, name = value, or GR_N_SPREAD as value. Positional ones come first. */
typedef struct gr_argument {
    const gr_name *name; /* NULL: positional */
    gr_span name_span;
    gr_node *value;
} gr_argument;

typedef enum gr_dim_kind {
    GR_DIM_LETTER,
    GR_DIM_NUMBER,
    GR_DIM_ANY, /* ..: any further axes; at most one in a signature */
} gr_dim_kind;

typedef struct gr_dim {
    gr_dim_kind kind;
    gr_span span;
    const gr_name *letter;
    uint64_t number;
} gr_dim;

/* : [B, N]; [] is a number. */
typedef struct gr_signature {
    const gr_dim *dims;
    uint32_t count;
    gr_span span; /* of the brackets */
} gr_signature;

typedef struct gr_parameter {
    gr_node *pattern;
    gr_node *fallback;             /* default, or NULL */
    const gr_signature *signature; /* or NULL */
    gr_span span;
    bool rest; /* ...pattern; the last, without default */
} gr_parameter;

typedef struct gr_fn {
    const gr_name *name; /* NULL: fn(x) = … */
    gr_span name_span;
    gr_span head; /* from `fn` to the `)` or the result's signature: what a message shows */
    const gr_parameter *parameters;
    uint32_t parameter_count;
    const gr_signature *result; /* or NULL */
    gr_node *body;              /* an expression, or a GR_N_BLOCK (GR_BLOCK_BODY) */
    gr_text doc; /* of a GR_N_DEFINE: the ## lines, without ## and one blank; size 0: none */
} gr_fn;

/* Part of a template: text, or {value:format}. */
typedef struct gr_template_part {
    gr_text text;   /* where value is NULL */
    gr_node *value; /* or NULL */
    gr_text format; /* ".3f", without colon; checked by the parser; size 0: none */
    gr_span span;   /* with the braces */
} gr_template_part;

/* if / else if: one arm each. */
typedef struct gr_arm {
    gr_node *condition;
    gr_node *body; /* GR_N_BLOCK */
} gr_arm;

struct gr_node {
    uint8_t kind; /* gr_node_kind */
    uint8_t flags;
    uint8_t op;    /* gr_operator of GR_N_UNARY, GR_N_BINARY and GR_N_ASSIGN */
    uint8_t order; /* GR_N_PRIME: how many; GR_N_PARTIAL: the n of ∂ⁿE, on the outermost, else 1 */
    gr_span span;
    uint32_t slot; /* the compiler's: which variable or function; 0 after parsing */
    union {
        double number;
        gr_text string;
        struct {
            const gr_template_part *parts;
            uint32_t count;
        } template;
        const gr_name *name; /* GR_N_NAME, GR_N_PATTERN_NAME */
        gr_node_list list;   /* GR_N_TENSOR, GR_N_TUPLE, GR_N_PATTERN_TUPLE */
        struct {
            const gr_record_field *fields;
            uint32_t count;
        } record;
        gr_node *spread; /* GR_N_SPREAD: value; GR_N_PATTERN_REST: GR_N_PATTERN_NAME or _IGNORE */
        struct {
            gr_node *pattern, *source, *condition, *body; /* condition may be NULL */
            bool tuple;                                   /* ( ) rather than [ ] */
        } comprehension;
        gr_fn *fn;
        struct {
            const gr_arm *arms;
            gr_node *otherwise; /* GR_N_BLOCK, or NULL */
            uint32_t count;
        } branch;
        struct {
            gr_node *operand;
            gr_span op_span;
        } unary;
        struct {
            gr_node *left, *right;
            gr_span op_span;
        } binary;
        struct {
            gr_node *left, *right; /* without GR_PLACED: right is a call, or is called with left */
            gr_span op_span;
        } pipe;
        struct {
            gr_node *low, *high, *step; /* each may be NULL; low and high only in an index */
        } range;
        struct {
            gr_node *callee;
            const gr_argument *arguments;
            uint32_t count;
            gr_span brackets;
        } call;
        struct {
            gr_node *object;
            gr_node_list items; /* expressions, GR_N_RANGE, GR_N_NEW_AXIS; at least one */
            gr_span brackets;
        } index;
        struct {
            gr_node *object;
            const gr_name *name;
            gr_span name_span;
        } field;
        struct {
            gr_node *object;
            gr_span marks;
        } prime;
        /* A denominator is GR_N_NAME or a chain of GR_N_FIELD on one (a place), and possibly one
         * GR_N_INDEX around that, which picks from the derivative along the axes of the place.
         * ∂²E/∂x∂y is ∂(∂E/∂y)/∂x: nested nodes, the inner ones flagged GR_INNER_PARTIAL. */
        struct {
            gr_node *numerator;
            gr_node_list wrt; /* more than one only with GR_TUPLE_WRITTEN */
        } partial;
        gr_node *gradient;  /* the function */
        gr_node_list block; /* statements */
        gr_node *define;    /* the GR_N_FN */
        struct {
            gr_node *pattern, *value;
            gr_text doc; /* of GR_N_LET and GR_N_PARAM */
        } bind;
        /* target: GR_N_NAME, GR_N_FIELD, GR_N_INDEX, GR_N_PLACEHOLDER (ignored), GR_N_TUPLE of
         * targets whose last may be GR_N_SPREAD of one. op: GR_OP_NONE for = and :=, else the
         * operator of += … */
        struct {
            gr_node *target, *value;
            gr_span op_span;
            bool update; /* := */
        } assign;
        struct {
            gr_node *pattern, *source, *body; /* GR_N_WHILE: source is the condition */
        } loop;
        gr_node *result;
        struct {
            gr_text path;
            const gr_name *name;
            gr_span path_span, name_span;
        } import;
        struct {
            gr_node *condition;
            gr_node *message; /* or NULL */
        } assertion;
        struct {
            gr_text name;
            gr_node *body; /* GR_N_BLOCK */
            gr_span name_span;
        } test;
    } as;
};

typedef struct gr_ast {
    const gr_source *source;
    gr_arena arena;
    gr_node *root;           /* GR_N_BLOCK of the top level */
    const gr_span *comments; /* all of them, in order, # included, line end excluded */
    uint32_t comment_count;
    bool shebang; /* the first line was #! */
} gr_ast;

/* Frees the tree; NULL is allowed. */
void gr_ast_free(gr_ast *ast);

const char *gr_node_kind_name(gr_node_kind kind);   /* "call" */
const char *gr_operator_text(gr_operator operator); /* "+" */

/* One node a line, children indented, "kind begin..end detail"; parts below a fixed depth are "…".
 */
void gr_dump_ast(gr_buffer *out, const gr_ast *ast);
/* [N, 3, ..] */
void gr_put_signature(gr_buffer *out, const gr_signature *signature);

#endif
