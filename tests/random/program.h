/* SPDX-License-Identifier: MIT */
/* program.h - random programs: nodes in order of construction, each a row of the table (or a read
 * or a write through an index) applied to earlier nodes, with the cells of the second tape for each
 * element. A program is made by trying: what the second tape refuses is not taken.
 *
 *     generate.c   makes one            engine.c   runs it through ad.h
 *     lower.c      scalars of a node    text.c     writes it in the language
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "ops.h"
#include "scalars.h"

enum {
    MOST_NODES = 160,
    MOST_INPUTS = 4,
    MOST_SIZE = 64,
    MOST_RANK = 4,
    MOST_IN = 3,
    MOST_ATTRS = 3,
    MOST_IDS = MOST_NODES * MOST_SIZE,
    MOST_GROUPS = 4
};

typedef enum attribute_kind { AN_INT, AN_INTS, A_FLAG, A_TEXT } attribute_kind;

typedef struct attribute {
    const char *name;
    attribute_kind kind;
    int count;
    int64_t v[2 * MOST_RANK];
    const char *text;
} attribute;

typedef struct row row;

typedef struct node {
    const row *row; /* NULL: an input, or a constant */
    int n, in[MOST_IN];
    int attrs;
    attribute attr[MOST_ATTRS];
    int rank, size;
    int64_t dims[MOST_RANK];
    int ids;    /* place of the first element's cell in program.id */
    bool truth; /* bools */
    bool tracked;
    int input; /* which one, or -1 */
    int group; /* made by arithmetic on the structure of the inputs; 0 is not */
    int depth, uses;
} node;

/* Arithmetic on all inputs at once: group 0 are the inputs; a row of one group, and of another or
 * of a number. */
typedef struct group {
    const row *row;
    int a, b; /* b < 0: none, or `number` */
    double number;
    int first; /* node of its first leaf */
} group;

typedef struct program {
    scalars s;
    int n, inputs, groups, result;
    node node[MOST_NODES];
    group group[MOST_GROUPS];
    int ids, id[MOST_IDS];
    double at[MOST_INPUTS][MOST_SIZE], direction[MOST_INPUTS][MOST_SIZE];
    int input_node[MOST_INPUTS];
    uint64_t random;
} program;

/* How an operand has to look for a row, and the row's scalars. `lower` sets shape and cells of a
 * node whose row, operands and attributes are there; false where it cannot be. */
struct row {
    const char *name;
    const char *symbol; /* infix in the language, or NULL: a call */
    int operands;
    bool (*lower)(program *p, node *n);
    bool (*propose)(program *p, node *n); /* operands beyond the first, attributes */
    enum {
        W_ANY,
        W_POSITIVE,
        W_UNIT,
        W_ABOVE_1,
        W_SQUARE,
        W_SPD,
        W_MATRIX,
        W_VECTOR,
        W_VECTOR_3,
        W_IMAGE,
        W_LINE,
        W_TRUTH
    } want;
    unsigned kind;
};
enum { R_ELEMENTWISE = 1, R_REDUCE = 2, R_VIEW = 4, R_BROADCASTS = 8, R_WHERE = 16 };

extern const row random_rows[];
extern const int random_row_count;
const row *random_row(const char *name);

/* lower.c */
const attribute *attribute_of(const node *n, const char *name);
int64_t attribute_int(const node *n, const char *name, int64_t missing);
bool shape_node(program *p, node *n, int rank, const int64_t *dims);
static inline int *ids_of(program *p, const node *n) { return &p->id[n->ids]; }

/* generate.c */
uint64_t draw_bits(program *p);
int64_t draw_int(program *p, int64_t least, int64_t most);
double draw_real(program *p, double least, double most);
int pick_node(program *p, bool (*fits)(const node *n));
int add_const(program *p, int rank, const int64_t *dims, double least, double most);
int add_node(program *p, const char *name, int n, const int *in);
int add_with(program *p, node *n); /* the node's number, or -1 */
/* Further operands and attributes, by row. */
bool propose_axes(program *p, node *n);
bool propose_axis(program *p, node *n);
bool propose_axis_only(program *p, node *n);
bool propose_branches(program *p, node *n);
bool propose_concat(program *p, node *n);
bool propose_ddof(program *p, node *n);
bool propose_einsum(program *p, node *n);
bool propose_ends(program *p, node *n);
bool propose_expand(program *p, node *n);
bool propose_factor(program *p, node *n);
bool propose_gather(program *p, node *n);
bool propose_k(program *p, node *n);
bool propose_kernel(program *p, node *n);
bool propose_line(program *p, node *n);
bool propose_matrix(program *p, node *n);
bool propose_pool(program *p, node *n);
bool propose_positive(program *p, node *n);
bool propose_read(program *p, node *n);
bool propose_repeat(program *p, node *n);
bool propose_reps(program *p, node *n);
bool propose_right_side(program *p, node *n);
bool propose_roll(program *p, node *n);
bool propose_scan(program *p, node *n);
bool propose_scatter(program *p, node *n);
bool propose_second(program *p, node *n);
bool propose_shape(program *p, node *n);
bool propose_sort(program *p, node *n);
bool propose_stack(program *p, node *n);
bool propose_topk(program *p, node *n);
bool propose_truth(program *p, node *n);
bool propose_vector_3(program *p, node *n);
bool propose_widths(program *p, node *n);
bool propose_write(program *p, node *n);
bool program_make(program *p, uint64_t seed);

/* engine.c */
typedef struct engine_result {
    double value;
    double gradient[MOST_INPUTS][MOST_SIZE], product[MOST_INPUTS][MOST_SIZE], forward;
    char why[256];
} engine_result;
ad_status engine_value(ad_ctx *ctx, const program *p, double step, double *value);
/* Value and gradient; with `second` also the Hessian's product with the direction, by reverse
 * sweeps, and its pairing with the direction by a forward sweep. */
ad_status engine_run(ad_ctx *ctx, const program *p, bool second, engine_result *r);

/* text.c: a definition of f(p), p itself and a direction v as literals. The length, 0 if it does
 * not fit. */
size_t program_text(const program *p, char *out, size_t room);
void input_path(const program *p, int input, char out[16]);

#endif
