/* SPDX-License-Identifier: MIT */
/* lower.c - each row written with scalars: shapes after NumPy's rules, elements as cells. Where a
 * row only moves elements, cells are shared. */
#include "lower.h"

#include <math.h>
#include <string.h>

/* ---- words --------------------------------------------------------------------------------- */

const attribute *attribute_of(const node *n, const char *name) {
    for (int i = 0; i < n->attrs; i++)
        if (strcmp(n->attr[i].name, name) == 0) return &n->attr[i];
    return NULL;
}

int64_t attribute_int(const node *n, const char *name, int64_t missing) {
    const attribute *a = attribute_of(n, name);
    return a ? a->v[0] : missing;
}

bool shape_node(program *p, node *n, int rank, const int64_t *dims) {
    int64_t size = 1;
    if (rank > MOST_RANK) return false;
    for (int i = 0; i < rank; i++) size *= dims[i];
    if (size > MOST_SIZE || size == 0 || p->ids + size > MOST_IDS) return false;
    if (rank) memmove(n->dims, dims, (size_t)rank * sizeof *dims);
    n->rank = rank;
    n->size = (int)size;
    n->ids = p->ids;
    return true;
}

const node *operand(const program *p, const node *n, int i) { return &p->node[n->in[i]]; }

int element(program *p, const node *x, int i) { return p->id[x->ids + i]; }

void unravel(const node *n, int i, int64_t *index) {
    for (int k = n->rank - 1; k >= 0; k--) {
        index[k] = i % n->dims[k];
        i /= (int)n->dims[k];
    }
}

int ravel(const node *n, const int64_t *index) {
    int64_t i = 0;
    for (int k = 0; k < n->rank; k++) i = i * n->dims[k] + index[k];
    return (int)i;
}

int add(program *p, int a, int b) { return sc_binary(&p->s, sc_find_binary("add"), a, b); }
int sub(program *p, int a, int b) { return sc_binary(&p->s, sc_find_binary("sub"), a, b); }
int mul(program *p, int a, int b) { return sc_binary(&p->s, sc_find_binary("mul"), a, b); }
int over(program *p, int a, int b) { return sc_binary(&p->s, sc_find_binary("div"), a, b); }
int root(program *p, int a) { return sc_unary(&p->s, sc_find_unary("sqrt"), a); }
int number(program *p, double x) { return sc_const(&p->s, x); }

bool all_inside(program *p, const node *n) {
    for (int i = 0; i < n->size; i++)
        if (element(p, n, i) == OUTSIDE) return false;
    return true;
}

/* Element i of a result from an element of operand 0, by index; OUTSIDE stands for 0. */
typedef int place_function(const program *p, const node *n, const node *x, const int64_t *index);

static bool moved(program *p, node *n, int rank, const int64_t *dims, place_function *place) {
    const node *x = operand(p, n, 0);
    if (!shape_node(p, n, rank, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        int64_t index[MOST_RANK];
        unravel(n, i, index);
        int k = place(p, n, x, index);
        ids_of(p, n)[i] = k >= 0 ? element(p, x, k) : number(p, 0);
    }
    return all_inside(p, n);
}

/* ---- elementwise --------------------------------------------------------------------------- */

/* The guard: not both operands may be stretched. */
static bool broadcast(const program *p, const node *n, int *rank, int64_t *dims) {
    bool stretched[MOST_IN] = {false};
    *rank = 0;
    for (int i = 0; i < n->n; i++)
        if (operand(p, n, i)->rank > *rank) *rank = operand(p, n, i)->rank;
    for (int k = 0; k < *rank; k++) {
        dims[k] = 1;
        for (int i = 0; i < n->n; i++) {
            const node *x = operand(p, n, i);
            int64_t d = k + x->rank >= *rank ? x->dims[k + x->rank - *rank] : 1;
            if (d != 1 && dims[k] != 1 && d != dims[k]) return false;
            if (d != 1) dims[k] = d;
        }
    }
    int count = 0;
    for (int i = 0; i < n->n; i++) {
        const node *x = operand(p, n, i);
        for (int k = 0; k < *rank && x->rank; k++)
            if ((k + x->rank >= *rank ? x->dims[k + x->rank - *rank] : 1) != dims[k])
                stretched[i] = true;
        count += stretched[i];
    }
    return count < 2;
}

static int stretched_element(program *p, const node *n, int i, const int64_t *index) {
    const node *x = operand(p, n, i);
    int64_t at[MOST_RANK];
    for (int k = 0; k < x->rank; k++) at[k] = x->dims[k] == 1 ? 0 : index[k + n->rank - x->rank];
    return element(p, x, ravel(x, at));
}

static int choose(program *p, int condition, int a, int b) {
    return sc_value(&p->s, condition) != 0 ? a : b;
}

static int clamped(program *p, int x, int lo, int hi) {
    double v = sc_value(&p->s, x), l = sc_value(&p->s, lo), h = sc_value(&p->s, hi);
    if (fabs(v - l) < 0.02 || fabs(v - h) < 0.02 || h - l < 0.02) return OUTSIDE;
    return v < l ? lo : v > h ? hi : x;
}

static int scalar_of(program *p, const node *n, const int *x) {
    const char *name = n->row->name;
    if (n->n == 1) return sc_unary(&p->s, sc_find_unary(name), x[0]);
    if (n->n == 2) return sc_binary(&p->s, sc_find_binary(name), x[0], x[1]);
    return strcmp(name, "where") == 0 ? choose(p, x[0], x[1], x[2]) : clamped(p, x[0], x[1], x[2]);
}

static bool is_truth_name(const char *name) {
    static const char *const all[] = {"eq", "ne",  "lt",    "le",    "gt",       "ge",  "and",
                                      "or", "not", "isnan", "isinf", "isfinite", "all", "any"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i], name) == 0) return true;
    return false;
}

bool lower_elementwise(program *p, node *n) {
    int rank;
    int64_t dims[MOST_RANK];
    if (!broadcast(p, n, &rank, dims) || !shape_node(p, n, rank, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        int x[MOST_IN];
        int64_t index[MOST_RANK];
        unravel(n, i, index);
        for (int k = 0; k < n->n; k++) x[k] = stretched_element(p, n, k, index);
        ids_of(p, n)[i] = scalar_of(p, n, x);
    }
    n->truth = is_truth_name(n->row->name);
    return all_inside(p, n);
}

/* ---- reductions and scans ------------------------------------------------------------------ */

enum { MOST_GROUP = MOST_SIZE };
typedef int fold_function(program *p, const node *n, const int *x, int count);

static int fold_sum(program *p, const node *n, const int *x, int count) {
    int sum = x[0];
    (void)n;
    for (int i = 1; i < count; i++) sum = add(p, sum, x[i]);
    return sum;
}

int fold_mean(program *p, const node *n, const int *x, int count) {
    return mul(p, fold_sum(p, n, x, count), number(p, 1.0 / count));
}

static int fold_prod(program *p, const node *n, const int *x, int count) {
    int y = x[0];
    (void)n;
    for (int i = 1; i < count; i++) y = mul(p, y, x[i]);
    return y;
}

static int fold_var(program *p, const node *n, const int *x, int count) {
    int mean = fold_mean(p, n, x, count), sum = number(p, 0);
    for (int i = 0; i < count; i++) {
        int d = sub(p, x[i], mean);
        sum = add(p, sum, mul(p, d, d));
    }
    double divisor = (double)(count - attribute_int(n, "ddof", 0));
    return divisor > 0 ? mul(p, sum, number(p, 1 / divisor)) : OUTSIDE;
}

static int fold_std(program *p, const node *n, const int *x, int count) {
    return root(p, fold_var(p, n, x, count));
}

static int fold_extreme(program *p, const int *x, int count, double sign) {
    int best = 0;
    for (int i = 0; i < count; i++)
        if (x[i] == OUTSIDE) return OUTSIDE;
    for (int i = 1; i < count; i++)
        if (sign * sc_value(&p->s, x[i]) > sign * sc_value(&p->s, x[best])) best = i;
    for (int i = 0; i < count; i++)
        if (i != best && fabs(sc_value(&p->s, x[i]) - sc_value(&p->s, x[best])) < 0.02)
            return OUTSIDE;
    return x[best];
}

int fold_max(program *p, const node *n, const int *x, int count) {
    (void)n;
    return fold_extreme(p, x, count, 1);
}

static int fold_min(program *p, const node *n, const int *x, int count) {
    (void)n;
    return fold_extreme(p, x, count, -1);
}

static int fold_norm(program *p, const node *n, const int *x, int count) {
    int sum = number(p, 0);
    (void)n;
    for (int i = 0; i < count; i++) sum = add(p, sum, mul(p, x[i], x[i]));
    return root(p, sum);
}

static int fold_logsumexp(program *p, const node *n, const int *x, int count) {
    int sum = number(p, 0);
    (void)n;
    for (int i = 0; i < count; i++) sum = add(p, sum, sc_unary(&p->s, sc_find_unary("exp"), x[i]));
    return sc_unary(&p->s, sc_find_unary("log"), sum);
}

static int fold_count(program *p, const node *n, const int *x, int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += sc_value(&p->s, x[i]) != 0;
    if (strcmp(n->row->name, "all") == 0) return number(p, total == count);
    if (strcmp(n->row->name, "any") == 0) return number(p, total > 0);
    return number(p, total);
}

static bool lower_fold(program *p, node *n, fold_function *fold) {
    const node *x = operand(p, n, 0);
    int64_t axis = attribute_int(n, "axis", -1), dims[MOST_RANK] = {0};
    bool keep = attribute_int(n, "keep", 0);
    int rank = 0;
    for (int k = 0; k < x->rank; k++) {
        bool folded = axis < 0 || k == axis;
        if (folded && keep) dims[rank++] = 1;
        if (!folded) dims[rank++] = x->dims[k];
    }
    if (axis >= x->rank || !shape_node(p, n, rank, dims)) return false;
    int members[MOST_SIZE][MOST_GROUP], count[MOST_SIZE] = {0};
    for (int i = 0; i < x->size; i++) {
        int64_t at[MOST_RANK], to[MOST_RANK];
        unravel(x, i, at);
        for (int k = 0, q = 0; k < x->rank; k++) {
            bool folded = axis < 0 || k == axis;
            if (!folded || keep) to[q++] = folded ? 0 : at[k];
        }
        int g = ravel(n, to);
        members[g][count[g]++] = element(p, x, i);
    }
    for (int g = 0; g < n->size; g++) ids_of(p, n)[g] = fold(p, n, members[g], count[g]);
    n->truth = is_truth_name(n->row->name);
    return all_inside(p, n);
}

#define FOLD(name, fold) \
    bool lower_##name(program *p, node *n) { return lower_fold(p, n, fold); }
FOLD(sum, fold_sum)
FOLD(mean, fold_mean)
FOLD(prod, fold_prod)
FOLD(var, fold_var)
FOLD(std, fold_std)
FOLD(max, fold_max)
FOLD(min, fold_min)
FOLD(norm, fold_norm)
FOLD(logsumexp, fold_logsumexp)
FOLD(count, fold_count)

bool lower_scan(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t axis = attribute_int(n, "axis", -1), flat = x->size;
    bool product = strcmp(n->row->name, "cumprod") == 0, reverse = attribute_int(n, "reverse", 0);
    if (!shape_node(p, n, axis < 0 ? 1 : x->rank, axis < 0 ? &flat : x->dims)) return false;
    int step = 1;
    for (int k = x->rank - 1; axis >= 0 && k > axis; k--) step *= (int)x->dims[k];
    int length = axis < 0 ? x->size : (int)x->dims[axis];
    for (int q = 0; q < n->size; q++) {
        int i = reverse ? n->size - 1 - q : q, along = i / step % length;
        bool first = reverse ? along == length - 1 : along == 0;
        int here = element(p, x, i),
            before = first ? OUTSIDE : ids_of(p, n)[i + (reverse ? step : -step)];
        ids_of(p, n)[i] = first ? here : product ? mul(p, before, here) : add(p, before, here);
    }
    return all_inside(p, n);
}

/* ---- other arrangements -------------------------------------------------------------------- */

static int place_same(const program *p, const node *n, const node *x, const int64_t *index) {
    (void)p, (void)x;
    return ravel(n, index);
}

bool lower_reshape(program *p, node *n) {
    const attribute *shape = attribute_of(n, "shape");
    const node *x = operand(p, n, 0);
    int64_t dims[MOST_RANK], size = x->size;
    int rank = 0;
    if (strcmp(n->row->name, "reshape") == 0)
        return shape && moved(p, n, shape->count, shape->v, place_same);
    if (strcmp(n->row->name, "flatten") == 0) return moved(p, n, 1, &size, place_same);
    if (strcmp(n->row->name, "f64") == 0) return moved(p, n, x->rank, x->dims, place_same);
    for (int k = 0; k < x->rank; k++)
        if (x->dims[k] != 1) dims[rank++] = x->dims[k];
    return moved(p, n, rank, dims, place_same);
}

static int place_stretched(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t at[MOST_RANK];
    (void)p;
    for (int k = 0; k < x->rank; k++) at[k] = x->dims[k] == 1 ? 0 : index[k + n->rank - x->rank];
    return ravel(x, at);
}

bool lower_expand(program *p, node *n) {
    const attribute *shape = attribute_of(n, "shape");
    return moved(p, n, shape->count, shape->v, place_stretched);
}

static int place_permuted(const program *p, const node *n, const node *x, const int64_t *index) {
    const attribute *axes = attribute_of(n, "axes");
    int64_t at[MOST_RANK];
    (void)p;
    for (int k = 0; k < n->rank; k++) at[axes->v[k]] = index[k];
    return ravel(x, at);
}

bool lower_permute(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const attribute *axes = attribute_of(n, "axes");
    int64_t dims[MOST_RANK];
    for (int k = 0; k < x->rank; k++) dims[k] = x->dims[axes->v[k]];
    return moved(p, n, x->rank, dims, place_permuted);
}

static int place_transposed(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t at[MOST_RANK];
    (void)p;
    for (int k = 0; k < n->rank; k++) at[k] = index[k];
    at[n->rank - 1] = index[n->rank - 2];
    at[n->rank - 2] = index[n->rank - 1];
    return ravel(x, at);
}

bool lower_transpose(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t dims[MOST_RANK];
    if (x->rank < 2) return false;
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = x->dims[x->rank - 2];
    dims[x->rank - 2] = x->dims[x->rank - 1];
    return moved(p, n, x->rank, dims, place_transposed);
}

static int place_flipped(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t axis = attribute_int(n, "axis", -1), at[MOST_RANK];
    (void)p;
    for (int k = 0; k < x->rank; k++)
        at[k] = axis < 0 || k == axis ? x->dims[k] - 1 - index[k] : index[k];
    return ravel(x, at);
}

static int place_rolled(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t axis = attribute_int(n, "axis", -1), shift = attribute_int(n, "shift", 0),
            at[MOST_RANK];
    (void)p;
    if (axis < 0) return (int)(((ravel(x, index) - shift) % x->size + x->size) % x->size);
    memcpy(at, index, (size_t)x->rank * sizeof *at);
    at[axis] = ((index[axis] - shift) % x->dims[axis] + x->dims[axis]) % x->dims[axis];
    return ravel(x, at);
}

static int place_triangle(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t k = attribute_int(n, "k", 0), offset = index[n->rank - 1] - index[n->rank - 2];
    (void)p;
    bool lower = strcmp(n->row->name, "tril") == 0;
    return (lower ? offset <= k : offset >= k) ? ravel(x, index) : OUTSIDE;
}

static int place_zero(const program *p, const node *n, const node *x, const int64_t *index) {
    (void)p, (void)n, (void)x, (void)index;
    return OUTSIDE;
}

bool lower_same(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const char *name = n->row->name;
    place_function *place = !strcmp(name, "flip")         ? place_flipped
                            : !strcmp(name, "roll")       ? place_rolled
                            : !strcmp(name, "zeros_like") ? place_zero
                                                          : place_triangle;
    if (place == place_triangle && x->rank < 2) return false;
    if (!moved(p, n, x->rank, x->dims, place)) return false;
    return true;
}

bool lower_ones_like(program *p, node *n) {
    const node *x = operand(p, n, 0);
    if (!shape_node(p, n, x->rank, x->dims)) return false;
    for (int i = 0; i < n->size; i++) ids_of(p, n)[i] = number(p, 1);
    return true;
}

static int place_diagonal(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t k = attribute_int(n, "k", 0);
    (void)p;
    if (x->rank == 1) {
        if (index[1] - index[0] != k) return OUTSIDE;
        return (int)(k < 0 ? index[1] : index[0]);
    }
    return (int)((index[0] + (k < 0 ? -k : 0)) * x->dims[1] + index[0] + (k > 0 ? k : 0));
}

bool lower_diag(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t k = attribute_int(n, "k", 0), dims[2];
    if (x->rank == 1) {
        dims[0] = dims[1] = x->dims[0] + (k < 0 ? -k : k);
        return moved(p, n, 2, dims, place_diagonal);
    }
    if (x->rank != 2) return false;
    int64_t rows = x->dims[0] + (k < 0 ? k : 0), cols = x->dims[1] - (k > 0 ? k : 0);
    dims[0] = rows < cols ? rows : cols;
    return dims[0] > 0 && moved(p, n, 1, dims, place_diagonal);
}

static int place_padded(const program *p, const node *n, const node *x, const int64_t *index) {
    const attribute *w = attribute_of(n, "widths");
    int64_t at[MOST_RANK];
    (void)p;
    for (int k = 0; k < x->rank; k++) {
        at[k] = index[k] - w->v[2 * k];
        if (at[k] < 0 || at[k] >= x->dims[k]) return OUTSIDE;
    }
    return ravel(x, at);
}

bool lower_pad(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const attribute *w = attribute_of(n, "widths");
    int64_t dims[MOST_RANK];
    for (int k = 0; k < x->rank; k++) dims[k] = x->dims[k] + w->v[2 * k] + w->v[2 * k + 1];
    return x->rank > 0 && moved(p, n, x->rank, dims, place_padded);
}

static int place_tiled(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t at[MOST_RANK];
    (void)p, (void)n;
    for (int k = 0; k < x->rank; k++) at[k] = index[k] % x->dims[k];
    return ravel(x, at);
}

bool lower_tile(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const attribute *reps = attribute_of(n, "reps");
    int64_t dims[MOST_RANK];
    for (int k = 0; k < x->rank; k++) dims[k] = x->dims[k] * reps->v[k];
    return x->rank > 0 && moved(p, n, x->rank, dims, place_tiled);
}

static int place_repeated(const program *p, const node *n, const node *x, const int64_t *index) {
    int64_t axis = attribute_int(n, "axis", -1), times = attribute_int(n, "n", 1), at[MOST_RANK];
    (void)p;
    if (axis < 0) return (int)(index[0] / times);
    memcpy(at, index, (size_t)x->rank * sizeof *at);
    at[axis] /= times;
    return ravel(x, at);
}

bool lower_repeat(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t axis = attribute_int(n, "axis", -1), times = attribute_int(n, "n", 1), dims[MOST_RANK];
    memcpy(dims, x->dims, sizeof dims);
    if (axis < 0)
        dims[0] = x->size * times;
    else
        dims[axis] *= times;
    return x->rank > 0 && moved(p, n, axis < 0 ? 1 : x->rank, dims, place_repeated);
}

bool lower_concat(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t axis = attribute_int(n, "axis", 0), dims[MOST_RANK], from = 0;
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = 0;
    for (int i = 0; i < n->n; i++) dims[axis] += operand(p, n, i)->dims[axis];
    if (!shape_node(p, n, x->rank, dims)) return false;
    for (int i = 0; i < n->n; i++) {
        const node *y = operand(p, n, i);
        for (int k = 0; k < y->size; k++) {
            int64_t at[MOST_RANK];
            unravel(y, k, at);
            at[axis] += from;
            ids_of(p, n)[ravel(n, at)] = element(p, y, k);
        }
        from += y->dims[axis];
    }
    return true;
}

bool lower_stack(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t axis = attribute_int(n, "axis", 0), dims[MOST_RANK + 1];
    for (int k = 0; k <= x->rank; k++)
        dims[k] = k < axis ? x->dims[k] : k == axis ? n->n : x->dims[k - 1];
    if (!shape_node(p, n, x->rank + 1, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        int64_t index[MOST_RANK], at[MOST_RANK];
        unravel(n, i, index);
        for (int k = 0; k < x->rank; k++) at[k] = index[k < axis ? k : k + 1];
        const node *y = operand(p, n, (int)index[axis]);
        ids_of(p, n)[i] = element(p, y, ravel(y, at));
    }
    return true;
}
