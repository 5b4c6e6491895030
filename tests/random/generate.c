/* SPDX-License-Identifier: MIT */
/* generate.c - random programs. A row is drawn, its first operand is drawn among earlier nodes,
 * rather the late ones (depth) and those already in use (sharing), and made to fit the row; the
 * rest is the row's proposal. What the second tape refuses is forgotten. In the end whatever has no
 * use yet is weighed, summed and added up to one number. */
#include "program.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- draws --------------------------------------------------------------------------------- */

uint64_t draw_bits(program *p) {
    uint64_t z = p->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t draw_int(program *p, int64_t least, int64_t most) {
    return least + (int64_t)(draw_bits(p) % (uint64_t)(most - least + 1));
}

/* Few digits, so that a failing program can be read. */
double draw_real(program *p, double least, double most) {
    double x = least + (most - least) * (double)(draw_bits(p) >> 11) * 0x1p-53;
    return rint(x * 1000) / 1000;
}

static bool chance(program *p, int percent) { return draw_int(p, 0, 99) < percent; }

/* ---- nodes --------------------------------------------------------------------------------- */

static int keep_node(program *p, node *n) {
    if (p->n == MOST_NODES) return -1;
    for (int i = 0; i < n->n; i++) {
        node *x = &p->node[n->in[i]];
        x->uses++;
        if (x->depth + 1 > n->depth) n->depth = x->depth + 1;
        n->tracked |= x->tracked;
    }
    p->ids += n->size;
    p->node[p->n] = *n;
    return p->n++;
}

int add_with(program *p, node *n) {
    int cells = p->s.n;
    n->input = -1;
    if (n->row->lower(p, n)) return keep_node(p, n);
    p->s.n = cells;
    return -1;
}

int add_node(program *p, const char *name, int n, const int *in) {
    node made = {.row = random_row(name), .n = n};
    for (int i = 0; i < n; i++) {
        if (in[i] < 0) return -1;
        made.in[i] = in[i];
    }
    return add_with(p, &made);
}

int add_const(program *p, int rank, const int64_t *dims, double least, double most) {
    node n = {.input = -1};
    if (!shape_node(p, &n, rank, dims)) return -1;
    for (int i = 0; i < n.size; i++) ids_of(p, &n)[i] = sc_const(&p->s, draw_real(p, least, most));
    return keep_node(p, &n);
}

static int add_number(program *p, double x) { return add_const(p, 0, NULL, x, x); }

/* What has one use shall get a second, what has none a first; deep nodes seldom. */
static bool welcome(program *p, const node *n, int mood) {
    if (n->depth > 9 && !chance(p, 10)) return false;
    return mood < 55 ? n->uses == 1 : mood < 95 ? n->uses == 0 : true;
}

int pick_node(program *p, bool (*fits)(const node *n)) {
    int best = -1, mood = (int)draw_int(p, 0, 99);
    for (int tries = 0; tries < 40; tries++) {
        int i = chance(p, 60) && p->n > 12 ? (int)draw_int(p, p->n - 12, p->n - 1)
                                           : (int)draw_int(p, 0, p->n - 1);
        const node *n = &p->node[i];
        if (!(n->tracked || n->truth) || !fits(n)) continue;
        best = i;
        if (welcome(p, n, mood)) break;
    }
    return best;
}

static bool fits_any(const node *n) { return !n->truth; }
static bool fits_number(const node *n) { return !n->truth && n->rank == 0; }
static bool fits_truth(const node *n) { return n->truth; }
static bool fits_tensor(const node *n) { return !n->truth && n->rank > 0; }
static bool fits_line(const node *n) { return !n->truth && n->rank == 1; }
static bool fits_matrix(const node *n) { return !n->truth && n->rank == 2; }
static bool fits_small_square(const node *n) {
    return !n->truth && n->rank == 2 && n->dims[0] == n->dims[1] && n->dims[0] <= 3;
}
static bool fits_three(const node *n) { return !n->truth && n->rank == 1 && n->dims[0] == 3; }
static bool fits_image(const node *n) {
    return !n->truth && n->rank == 3 && n->dims[1] > 1 && n->dims[2] > 1;
}
static bool fits_grid(const node *n) {
    return !n->truth && n->rank == 2 && n->dims[0] > 1 && n->dims[1] > 1;
}

static int reshaped(program *p, int x, int rank, const int64_t *dims) {
    node n = {.row = random_row("reshape"), .n = 1, .in = {x}, .attrs = 1};
    if (x < 0) return -1;
    n.attr[0] = (attribute){.name = "shape", .kind = AN_INTS, .count = rank};
    memcpy(n.attr[0].v, dims, (size_t)rank * sizeof *dims);
    return add_with(p, &n);
}

/* ---- operands that fit --------------------------------------------------------------------- */

static bool between(const program *p, int x, double least, double most) {
    const node *n = &p->node[x];
    for (int i = 0; i < n->size; i++) {
        double v = sc_value(&p->s, p->id[n->ids + i]);
        if (!(v > least && v < most)) return false;
    }
    return true;
}

/* scale · x² + least, where x is not in (least, most) already. */
static int lifted(program *p, int x, double least, double most, double scale) {
    if (x < 0 || between(p, x, least, most)) return x;
    int square = add_node(p, "mul", 2, (const int[]){x, x});
    int scaled = add_node(p, "mul", 2, (const int[]){square, add_number(p, scale)});
    return add_node(p, "add", 2, (const int[]){scaled, add_number(p, least + 0.1)});
}

static int squeezed(program *p, int x) {
    if (x < 0 || between(p, x, -0.9, 0.9)) return x;
    int y = add_node(p, "tanh", 1, &x);
    return add_node(p, "mul", 2, (const int[]){y, add_number(p, 0.8)});
}

/* A square matrix, and one that is A·Aᵀ + 1. */
static int square_matrix(program *p) {
    int x = pick_node(p, fits_small_square);
    if (x >= 0) return x;
    x = pick_node(p, fits_line);
    return x >= 0 && p->node[x].size <= 3 ? add_node(p, "outer", 2, (const int[]){x, x}) : -1;
}

static int definite(program *p) {
    int x = squeezed(p, square_matrix(p));
    if (x < 0) return -1;
    int t = add_node(p, "transpose", 1, &x), y = add_node(p, "matmul", 2, (const int[]){x, t});
    int64_t n = p->node[x].dims[0], dims[2] = {n, n};
    int one = add_const(p, 2, dims, 0, 0);
    if (one < 0 || y < 0) return -1;
    for (int i = 0; i < n; i++) ids_of(p, &p->node[one])[i * (n + 1)] = sc_const(&p->s, 1);
    return add_node(p, "add", 2, (const int[]){y, one});
}

static int image(program *p) {
    int x = pick_node(p, fits_image);
    if (x >= 0) return x;
    x = pick_node(p, fits_grid);
    if (x < 0) return -1;
    int64_t dims[3] = {1, p->node[x].dims[0], p->node[x].dims[1]};
    return reshaped(p, x, 3, dims);
}

static int truth(program *p) {
    int x = pick_node(p, fits_truth);
    if (x >= 0 && chance(p, 50)) return x;
    x = pick_node(p, fits_any);
    return add_node(p, "gt", 2, (const int[]){x, add_number(p, draw_real(p, -0.5, 0.5))});
}

static int first_operand(program *p, const row *r) {
    switch (r->want) {
    case W_POSITIVE: return lifted(p, pick_node(p, fits_any), 0.35, 20, 0.3);
    case W_ABOVE_1: return lifted(p, pick_node(p, fits_any), 1.1, 20, 0.3);
    case W_UNIT: return squeezed(p, pick_node(p, fits_any));
    case W_SQUARE: return square_matrix(p);
    case W_SPD: return definite(p);
    case W_MATRIX: return pick_node(p, fits_matrix);
    case W_VECTOR: return pick_node(p, fits_tensor);
    case W_LINE: return pick_node(p, fits_line);
    case W_VECTOR_3: return pick_node(p, fits_three);
    case W_IMAGE: return image(p);
    case W_TRUTH: return truth(p);
    default: return pick_node(p, fits_any);
    }
}

/* ---- attributes ---------------------------------------------------------------------------- */

static void give(node *n, const char *name, attribute_kind kind, int count, const int64_t *v) {
    attribute *a = &n->attr[n->attrs++];
    *a = (attribute){.name = name, .kind = kind, .count = count};
    if (v) memcpy(a->v, v, (size_t)count * sizeof *v);
}

static void give_int(node *n, const char *name, int64_t v) { give(n, name, AN_INT, 1, &v); }

static const node *first(const program *p, const node *n) { return &p->node[n->in[0]]; }

static void maybe_axis(program *p, node *n, int percent) {
    int rank = first(p, n)->rank;
    if (rank && chance(p, percent)) give_int(n, "axis", draw_int(p, 0, rank - 1));
}

bool propose_axis_only(program *p, node *n) {
    maybe_axis(p, n, 60);
    return true;
}

bool propose_axis(program *p, node *n) {
    maybe_axis(p, n, 60);
    int64_t yes = 1;
    if (chance(p, 25)) give(n, "keep", A_FLAG, 1, &yes);
    return true;
}

bool propose_ddof(program *p, node *n) {
    propose_axis(p, n);
    if (chance(p, 30)) give_int(n, "ddof", 1);
    return true;
}

bool propose_scan(program *p, node *n) {
    int64_t yes = 1;
    maybe_axis(p, n, 60);
    if (strcmp(n->row->name, "cumsum") == 0 && chance(p, 30)) give(n, "reverse", A_FLAG, 1, &yes);
    return true;
}

bool propose_shape(program *p, node *n) {
    int64_t size = first(p, n)->size, rows = draw_int(p, 1, 4), dims[2];
    while (size % rows) rows--;
    dims[0] = rows;
    dims[1] = size / rows;
    give(n, "shape", AN_INTS, 2, dims);
    return dims[1] <= 16;
}

bool propose_expand(program *p, node *n) {
    const node *x = first(p, n);
    int64_t dims[MOST_RANK];
    if (x->rank > 2) return false;
    dims[0] = draw_int(p, 1, 3);
    for (int k = 0; k < x->rank; k++)
        dims[k + 1] = x->dims[k] == 1 ? draw_int(p, 1, 3) : x->dims[k];
    give(n, "shape", AN_INTS, x->rank + 1, dims);
    return true;
}

bool propose_axes(program *p, node *n) {
    int64_t axes[MOST_RANK];
    int rank = first(p, n)->rank;
    for (int k = 0; k < rank; k++) axes[k] = k;
    for (int k = rank - 1; k > 0; k--) {
        int64_t j = draw_int(p, 0, k), swap = axes[k];
        axes[k] = axes[j];
        axes[j] = swap;
    }
    give(n, "axes", AN_INTS, rank, axes);
    return true;
}

bool propose_roll(program *p, node *n) {
    give_int(n, "shift", draw_int(p, -2, 2));
    maybe_axis(p, n, 60);
    return true;
}

bool propose_k(program *p, node *n) {
    if (chance(p, 60)) give_int(n, "k", draw_int(p, -1, 1));
    return true;
}

bool propose_widths(program *p, node *n) {
    int64_t w[2 * MOST_RANK];
    int rank = first(p, n)->rank;
    for (int k = 0; k < 2 * rank; k++) w[k] = draw_int(p, 0, 1);
    give(n, "widths", AN_INTS, 2 * rank, w);
    return true;
}

bool propose_reps(program *p, node *n) {
    int64_t reps[MOST_RANK];
    int rank = first(p, n)->rank;
    for (int k = 0; k < rank; k++) reps[k] = draw_int(p, 1, 2);
    give(n, "reps", AN_INTS, rank, reps);
    return true;
}

bool propose_repeat(program *p, node *n) {
    give_int(n, "n", 2);
    maybe_axis(p, n, 60);
    return true;
}

bool propose_sort(program *p, node *n) {
    int64_t yes = 1;
    if (chance(p, 40)) give(n, "descending", A_FLAG, 1, &yes);
    return true;
}

bool propose_topk(program *p, node *n) {
    const node *x = first(p, n);
    give_int(n, "k", draw_int(p, 1, x->dims[x->rank - 1]));
    return true;
}

/* An index, or a slice with a step for each axis. */
bool propose_read(program *p, node *n) {
    const node *x = first(p, n);
    int64_t start[MOST_RANK], step[MOST_RANK], count[MOST_RANK];
    for (int k = 0; k < x->rank; k++) {
        int64_t d = x->dims[k];
        step[k] = chance(p, 25) ? 0 : chance(p, 30) ? -1 : chance(p, 30) ? 2 : 1;
        start[k] = draw_int(p, 0, d - 1);
        int64_t most = step[k] < 0   ? start[k] + 1
                       : step[k] > 0 ? (d - 1 - start[k]) / step[k] + 1
                                     : 1;
        count[k] = draw_int(p, 1, most);
    }
    give(n, "start", AN_INTS, x->rank, start);
    give(n, "step", AN_INTS, x->rank, step);
    give(n, "count", AN_INTS, x->rank, count);
    return true;
}

bool propose_pool(program *p, node *n) {
    give_int(n, "size", 2);
    if (chance(p, 50)) give_int(n, "stride", 1);
    return true;
}

/* ---- operands beyond the first ------------------------------------------------------------- */

static bool second(node *n, int x) {
    n->in[1] = x;
    n->n = 2;
    return x >= 0;
}

/* Whether it broadcasts is seen when it is lowered. */
bool propose_second(program *p, node *n) {
    if (chance(p, 15)) return second(n, add_number(p, draw_real(p, -2, 2)));
    if (chance(p, 15)) return second(n, add_const(p, first(p, n)->rank, first(p, n)->dims, -2, 2));
    return second(n, chance(p, 10) ? n->in[0] : pick_node(p, fits_any));
}

/* A bool and a tensor do not go elementwise in the language: the bool decides alone. */
bool propose_truth(program *p, node *n) {
    int x = pick_node(p, fits_truth);
    if (x >= 0 && !p->node[x].rank != !first(p, n)->rank) x = n->in[0];
    return second(n, x);
}

bool propose_positive(program *p, node *n) {
    return second(n, lifted(p, pick_node(p, fits_any), 0.35, 20, 0.3));
}

bool propose_branches(program *p, node *n) {
    n->in[1] = pick_node(p, fits_any);
    n->in[2] = chance(p, 30) ? add_number(p, draw_real(p, -1, 1)) : pick_node(p, fits_any);
    n->n = 3;
    return n->in[1] >= 0 && n->in[2] >= 0;
}

bool propose_ends(program *p, node *n) {
    double middle = draw_real(p, -1, 1);
    n->in[1] = chance(p, 50) ? pick_node(p, fits_any) : add_number(p, middle - 0.6);
    n->in[2] = chance(p, 50) ? pick_node(p, fits_any) : add_number(p, middle + 0.6);
    n->n = 3;
    return n->in[1] >= 0 && n->in[2] >= 0;
}

static bool same_but(const node *x, const node *y, int64_t axis) {
    if (x->rank != y->rank) return false;
    for (int k = 0; k < x->rank; k++)
        if (k != axis && x->dims[k] != y->dims[k]) return false;
    return true;
}

/* Another node that differs along one axis at most; else the first again. */
static int companion(program *p, int x, int64_t axis) {
    for (int tries = 0; tries < 6; tries++) {
        int y = pick_node(p, fits_tensor);
        if (y >= 0 && same_but(&p->node[x], &p->node[y], axis)) return y;
    }
    return x;
}

bool propose_concat(program *p, node *n) {
    int64_t axis = draw_int(p, 0, first(p, n)->rank - 1);
    give_int(n, "axis", axis);
    return second(n, companion(p, n->in[0], axis));
}

bool propose_stack(program *p, node *n) {
    give_int(n, "axis", draw_int(p, 0, first(p, n)->rank));
    return second(n, companion(p, n->in[0], -1));
}

static int positions(program *p, int64_t count, int64_t below) {
    int x = add_const(p, 1, &count, 0, 0);
    for (int i = 0; x >= 0 && i < count; i++)
        ids_of(p, &p->node[x])[i] = sc_const(&p->s, (double)draw_int(p, 0, below - 1));
    return x;
}

bool propose_gather(program *p, node *n) {
    if (n->row->name[0] != '[') give_int(n, "axis", 0);
    return second(n, positions(p, draw_int(p, 1, 4), first(p, n)->dims[0]));
}

/* Without repetitions unless values are added: of equal positions the last one counts. */
bool propose_scatter(program *p, node *n) {
    int64_t yes = 1, count = draw_int(p, 1, 3);
    bool adds = chance(p, 50);
    give_int(n, "axis", 0);
    if (adds) give(n, "add", A_FLAG, 1, &yes);
    n->in[1] = positions(p, count, first(p, n)->dims[0]);
    n->n = 3;
    for (int tries = 0; tries < 20; tries++) {
        n->in[2] = pick_node(p, fits_line);
        if (n->in[2] >= 0 && p->node[n->in[2]].size == count) return n->in[1] >= 0;
    }
    int64_t dims = count;
    n->in[2] = add_const(p, 1, &dims, -1, 1);
    return n->in[1] >= 0 && n->in[2] >= 0;
}

bool propose_write(program *p, node *n) {
    give_int(n, "at", draw_int(p, 0, first(p, n)->dims[0] - 1));
    for (int tries = 0; tries < 10; tries++) {
        int v = pick_node(p, fits_any);
        if (v >= 0 && p->node[v].rank + 1 == first(p, n)->rank) return second(n, v);
    }
    return second(n,
                  chance(p, 50) ? pick_node(p, fits_number) : add_number(p, draw_real(p, -1, 1)));
}

bool propose_factor(program *p, node *n) {
    const node *a = first(p, n);
    bool dot = strcmp(n->row->name, "dot") == 0;
    if (a->rank > 2) return false;
    for (int tries = 0; tries < 20; tries++) {
        int b = pick_node(p, dot ? fits_line : fits_tensor);
        if (b >= 0 && p->node[b].rank <= 2 && p->node[b].dims[0] == a->dims[a->rank - 1])
            return second(n, b);
    }
    int64_t dims[2] = {a->dims[a->rank - 1], draw_int(p, 1, 3)};
    return second(n, add_const(p, dot ? 1 : (int)draw_int(p, 1, 2), dims, -1, 1));
}

bool propose_einsum(program *p, node *n) {
    static const char *const specs[] = {"ij,jk->ik", "ij->j", "ii->i"};
    const char *spec = specs[draw_int(p, 0, 2)];
    n->attr[n->attrs++] = (attribute){.name = "spec", .kind = A_TEXT, .text = spec};
    if (strcmp(spec, "ij,jk->ik") != 0) return true;
    int64_t dims[2] = {first(p, n)->dims[1], draw_int(p, 1, 3)};
    for (int tries = 0; tries < 10; tries++) {
        int b = pick_node(p, fits_matrix);
        if (b >= 0 && p->node[b].dims[0] == dims[0]) return second(n, b);
    }
    return second(n, add_const(p, 2, dims, -1, 1));
}

bool propose_line(program *p, node *n) { return second(n, pick_node(p, fits_line)); }
bool propose_matrix(program *p, node *n) { return second(n, pick_node(p, fits_matrix)); }
bool propose_vector_3(program *p, node *n) { return second(n, pick_node(p, fits_three)); }

bool propose_right_side(program *p, node *n) {
    int64_t dims[2] = {first(p, n)->dims[0], draw_int(p, 1, 2)};
    for (int tries = 0; tries < 10; tries++) {
        int b = pick_node(p, fits_tensor);
        if (b >= 0 && p->node[b].rank <= 2 && p->node[b].dims[0] == dims[0]) return second(n, b);
    }
    return second(n, add_const(p, (int)draw_int(p, 1, 2), dims, -1, 1));
}

/* A kernel of two taps an axis out of a node of the right size, or of constants. */
bool propose_kernel(program *p, node *n) {
    bool line = strcmp(n->row->name, "conv1d") == 0;
    int64_t channels = first(p, n)->dims[0], dims[4] = {1, channels, 2, 2},
            size = channels * (line ? 2 : 4);
    if (chance(p, 30)) give_int(n, "padding", 1);
    if (chance(p, 30)) give_int(n, "stride", 2);
    for (int tries = 0; tries < 15; tries++) {
        int w = pick_node(p, fits_tensor);
        if (w >= 0 && p->node[w].size == size) return second(n, reshaped(p, w, line ? 3 : 4, dims));
    }
    return second(n, add_const(p, line ? 3 : 4, dims, -1, 1));
}

/* ---- the program --------------------------------------------------------------------------- */

static bool add_inputs(program *p) {
    p->inputs = (int)draw_int(p, 2, MOST_INPUTS);
    for (int i = 0; i < p->inputs; i++) {
        int64_t dims[2];
        int rank = i == 0 ? 2 : i == 1 ? 1 : (int)draw_int(p, 0, 2);
        for (int k = 0; k < rank; k++) dims[k] = draw_int(p, i < 2 ? 2 : 1, 4);
        if (i == 1 && chance(p, 40)) dims[0] = 3;
        if (i == 0 && chance(p, 50)) dims[1] = dims[0];
        node n = {.input = i, .tracked = true};
        if (!shape_node(p, &n, rank, dims)) return false;
        for (int k = 0; k < n.size; k++) {
            p->at[i][k] = draw_real(p, -1.5, 1.5);
            p->direction[i][k] = draw_real(p, -1, 1);
            ids_of(p, &n)[k] = sc_input(&p->s, p->at[i][k], p->direction[i][k]);
        }
        p->input_node[i] = keep_node(p, &n);
    }
    return true;
}

/* One row over all inputs' images in the last group. */
static bool add_group(program *p) {
    static const char *const names[] = {"tanh", "sin", "cos", "exp", "mul", "add", "sub"};
    group g = {
        .row = random_row(names[draw_int(p, 0, 6)]), .a = p->groups - 1, .b = -1, .first = p->n};
    node saved[MOST_INPUTS];
    int cells = p->s.n, ids = p->ids, before = p->n;
    if (g.row->operands == 2 && chance(p, 50))
        g.number = draw_real(p, 0.2, 1.5);
    else if (g.row->operands == 2)
        g.b = (int)draw_int(p, 0, p->groups - 1);
    int constant = g.row->operands == 2 && g.b < 0 ? add_number(p, g.number) : -1;
    if (constant >= 0) g.first = p->n;
    for (int i = 0; i < p->inputs; i++) {
        int a = p->group[g.a].first + i, b = g.b >= 0 ? p->group[g.b].first + i : constant;
        saved[i] = (node){.row = g.row, .n = g.row->operands, .in = {a, b}, .group = p->groups};
        if (add_with(p, &saved[i]) >= 0) continue;
        for (int k = p->n - 1; k >= before; k--)
            for (int q = 0; q < p->node[k].n; q++) p->node[p->node[k].in[q]].uses--;
        p->n = before;
        p->s.n = cells;
        p->ids = ids;
        return false;
    }
    p->group[p->groups++] = g;
    return true;
}

static void add_random(program *p) {
    const row *r = &random_rows[draw_int(p, 0, random_row_count - 1)];
    bool several = chance(p, 66); /* operands: what shares */
    while (several && r->operands < 2) r = &random_rows[draw_int(p, 0, random_row_count - 1)];
    node n = {.row = r, .n = 1};
    n.in[0] = first_operand(p, r);
    if (n.in[0] >= 0 && (!r->propose || r->propose(p, &n))) add_with(p, &n);
}

/* A weighed number out of any node; truths count through where. */
static int as_number(program *p, int x) {
    const node *n = &p->node[x];
    if (n->truth) {
        int in[3] = {x, add_number(p, draw_real(p, 0.2, 1)), pick_node(p, fits_any)};
        x = add_node(p, "where", 3, in);
        if (x < 0) return -1;
        n = &p->node[x];
    }
    if (n->rank == 0) return x;
    if (chance(p, 20))
        x = add_node(p, "mul", 2, (const int[]){x, add_const(p, n->rank, n->dims, -1, 1)});
    return x < 0 ? -1 : add_node(p, chance(p, 50) ? "sum" : "mean", 1, &x);
}

/* Neighbours are joined until one number is left. */
static int join(program *p, int *x, int count) {
    while (count > 1) {
        int kept = 0;
        for (int i = 0; i < count; i += 2) {
            int last = i + 1 == count;
            int y =
                last ? x[i]
                     : add_node(p, chance(p, 70) ? "add" : "sub", 2, (const int[]){x[i], x[i + 1]});
            if (y < 0) y = add_node(p, "atan2", 2, (const int[]){x[i], x[i + 1]});
            if (y >= 0) x[kept++] = y;
        }
        count = kept;
    }
    return count ? x[0] : -1;
}

static bool finish(program *p) {
    int x[MOST_NODES], count = 0;
    for (int i = p->n - 1; i >= 0; i--) {
        if (p->node[i].uses || (!p->node[i].tracked && !p->node[i].truth)) continue;
        int y = as_number(p, i);
        if (y >= 0) x[count++] = y;
    }
    p->result = join(p, x, count);
    return p->result >= 0 && p->node[p->result].tracked && !p->node[p->result].truth;
}

bool program_make(program *p, uint64_t seed) {
    p->s.n = p->n = p->ids = 0;
    p->random = seed * 0x2545f4914f6cdd1du + 17;
    p->groups = 1;
    p->group[0] = (group){0};
    if (!add_inputs(p)) return false;
    while (p->groups < MOST_GROUPS && chance(p, 45))
        if (!add_group(p)) break;
    int wanted = p->n + (int)draw_int(p, 20, 44);
    for (int tries = 0; tries < 120 && p->n < wanted; tries++) add_random(p);
    return finish(p);
}
