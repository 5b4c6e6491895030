/* SPDX-License-Identifier: MIT */
/*
 * Abstract interpretation of a tree over shapes: what an expression would give, as far as that can be
 * known from values that are there and from the shape rules of the table. What is not certain is
 * unknown, and what is unknown stays so: a guess is never wrong, a conflict never a false alarm.
 * Nothing is run; functions of the user and of the library are walked through like the text itself,
 * within a budget of steps.
 */
#ifndef GR_GUESS_H
#define GR_GUESS_H

#include "ast.h"
#include "complete.h"

typedef enum gr_guess_kind {
    GR_G_UNKNOWN,
    GR_G_NUMERIC, /* type; of a number perhaps its value */
    GR_G_TEXT,    /* a string that is known */
    GR_G_ITEMS,   /* a tuple, or with names a record */
    GR_G_RANGE,   /* number: how many items, where `counted` */
    GR_G_VALUE,   /* a value that is there: tuple, record, closure; borrowed */
    GR_G_FN,      /* a function of a tree */
    GR_G_ROW,     /* a row of the op table */
    GR_G_BUILTIN  /* text: its name */
} gr_guess_kind;

typedef struct gr_guess gr_guess;

/* A name and what it stands for; lists are shared between scopes and only grow at their heads. */
typedef struct gr_guess_name {
    const gr_name *name;
    const gr_guess *is;
    struct gr_guess_name *next;
    bool assigned; /* by = or :=, not bound anew */
} gr_guess_name;

/* Where names are looked for that the text does not bind. */
typedef enum gr_guess_room { GR_IN_MAIN, GR_IN_LIBRARY, GR_IN_DARK } gr_guess_room;

typedef struct gr_guess_scope {
    gr_guess_name *names, *floor; /* inside: names behind the floor are somebody else's */
    bool inside;
    gr_guess_room room;
    size_t file; /* of the library */
} gr_guess_scope;

struct gr_guess {
    uint8_t kind;
    bool constant; /* GR_G_NUMERIC: `number` is known */
    bool counted;
    double number;
    ad_type type;
    gr_text text;
    const gr_guess *items;
    const gr_name *const *names;
    uint32_t count;
    gr_value value;
    ad_op op;
    const gr_fn *fn;
    const gr_guess_scope *scope; /* that the function was made in */
};

typedef struct gr_guess_argument {
    const gr_name *name; /* NULL: by position */
    gr_guess is;
} gr_guess_argument;

enum { GR_GUESS_SOURCES = 16, GR_GUESS_ITEMS = 64 /* of a structure that is followed */ };

typedef struct gr_guesser {
    gr_vm *vm;
    gr_arena arena;
    unsigned depth, steps;
    unsigned uncertain; /* inside branches that may not be taken: no conflict counts */
    bool tainted;       /* something was assigned whose value is not followed */
    bool saw_tensor, has_conflict;
    bool unclosed; /* the text ends inside a block */
    char conflict[240];
    const gr_guess *placeholder; /* of |> */
    gr_source *sources[GR_GUESS_SOURCES];
    gr_ast *asts[GR_GUESS_SOURCES];
    const char *texts[GR_GUESS_SOURCES]; /* where they stand, of those that stay */
    uint32_t source_count;
} gr_guesser;

void gr_guesser_open(gr_guesser *g, gr_vm *vm);
void gr_guesser_close(gr_guesser *g);
/* A tree that lives as long as the guesser; NULL where the text does not parse. */
const gr_ast *gr_guess_parse(gr_guesser *g, const char *text, size_t size, unsigned flags);

/* The same of a text that outlives the guesser: parsed once. */
const gr_ast *gr_guess_parse_kept(gr_guesser *g, const char *text, size_t size);
void gr_guess_note(gr_guesser *g, const char *conflict);

gr_guess gr_guess_expression(gr_guesser *g, gr_guess_scope *scope, const gr_node *node);
gr_guess gr_guess_truth(bool holds);
/* Statements in order; the last one's value. */
gr_guess gr_guess_block(gr_guesser *g, gr_guess_scope *scope, const gr_node *block);
gr_guess gr_guess_statement(gr_guesser *g, gr_guess_scope *scope, const gr_node *node);
void gr_guess_bind(gr_guesser *g, gr_guess_scope *scope, const gr_node *pattern, gr_guess is);
void gr_guess_name_as(gr_guesser *g, gr_guess_scope *scope, const gr_name *name, const gr_guess *is);
/* guess_loop.c: `for` and `while`, comprehensions */
void gr_guess_loop(gr_guesser *g, gr_guess_scope *scope, const gr_node *node);
gr_guess gr_guess_comprehension(gr_guesser *g, gr_guess_scope *scope, const gr_node *node);
/* guess_call.c: the parameters of a function that is being typed, as far as its signatures tell */
void gr_guess_parameters(gr_guesser *g, gr_guess_scope *scope, const gr_fn *fn);
/* Goes into the body that the text ends in. */
gr_guess gr_guess_end(gr_guesser *g, gr_guess_scope *scope, const gr_node *block);

/* ---- parts ------------------------------------------------------------------------------------ */

/* What the newest of these names stands for; NULL: it is not among them. */
static inline const gr_guess *gr_guess_named(const gr_guess_name *names, const gr_name *name) {
    while (names && names->name != name) names = names->next;
    return names ? names->is : NULL;
}
static inline gr_guess gr_unknown(void) { return (gr_guess){.kind = GR_G_UNKNOWN}; }
gr_guess gr_guess_number(double x);  /* constant */
gr_guess gr_guess_some_number(void); /* a number, of any value */
gr_guess gr_guess_of_type(gr_guesser *g, const ad_type *type);
gr_guess gr_guess_of_value(gr_guesser *g, gr_value v);
static inline bool gr_is_number_guess(const gr_guess *x) {
    return x->kind == GR_G_NUMERIC && x->type.rank == 0;
}
/* The items of a tuple or record; false: it is none. */
bool gr_guess_is_structure(const gr_guess *x);
uint32_t gr_guess_count(const gr_guess *x);
bool gr_guess_is_record(const gr_guess *x);
/* A tuple of no more items than are followed. */
bool gr_guess_is_tuple(const gr_guess *x);
gr_guess gr_guess_item(gr_guesser *g, const gr_guess *x, uint32_t i);
gr_guess gr_guess_field(gr_guesser *g, const gr_guess *x, const gr_name *name);
gr_guess gr_guess_items(gr_guesser *g, uint32_t count, const gr_guess *items);
/* The same structure with each leaf's value forgotten; unknown where a leaf is. */
gr_guess gr_guess_like(gr_guesser *g, const gr_guess *x);
bool gr_guess_same_tree(gr_guesser *g, const gr_guess *a, const gr_guess *b);
/* A row applied to types; a conflict is noted. */
gr_guess gr_guess_infer(gr_guesser *g, ad_op op, int n, const ad_type *in, const ad_arg *args);
/* Comparisons of numbers and texts that are known, `and` and `or` of what is known so. */
bool gr_guess_fold(gr_operator op, const gr_guess *a, const gr_guess *b, bool *out);
/* A step deeper; false: too deep, or out of steps. Who was let in leaves with depth--. */
bool gr_guess_enter(gr_guesser *g);
gr_guess gr_guess_operator(gr_guesser *g, ad_op op, const gr_guess *a, const gr_guess *b);

/* guess_index.c */
gr_guess gr_guess_index(gr_guesser *g, gr_guess_scope *scope, const gr_node *node);
gr_guess gr_guess_get(gr_guesser *g, const gr_guess *object, const gr_name *name);
/* What one turn of a `for` sees of x. */
gr_guess gr_guess_element(gr_guesser *g, const gr_guess *x);

/* guess_call.c */
gr_guess gr_guess_prelude(gr_guesser *g, const gr_guess_scope *scope, const gr_name *name);
gr_guess gr_guess_call(gr_guesser *g, const gr_guess *callee, uint32_t count,
                       const gr_guess_argument *arguments);
/* guess_builtin.c */
gr_guess gr_guess_row(gr_guesser *g, ad_op op, uint32_t count, const gr_guess_argument *arguments);
gr_guess gr_guess_builtin(gr_guesser *g, const char *name, uint32_t count,
                          const gr_guess_argument *arguments);

#endif
