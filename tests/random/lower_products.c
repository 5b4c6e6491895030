/* SPDX-License-Identifier: MIT */
/* lower_products.c - rows that go by position, products, linear algebra by minors, images. */
#include "lower.h"

#include <math.h>
#include <string.h>

/* ---- by position --------------------------------------------------------------------------- */

/* Positions along axis 0, a constant vector. */
bool lower_gather(program *p, node *n) {
    const node *x = operand(p, n, 0), *index = operand(p, n, 1);
    int64_t dims[MOST_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[0] = index->size;
    if (!shape_node(p, n, x->rank, dims)) return false;
    int line = x->size / (int)x->dims[0];
    for (int i = 0; i < n->size; i++) {
        int which = (int)sc_value(&p->s, element(p, index, i / line));
        ids_of(p, n)[i] = element(p, x, which * line + i % line);
    }
    return true;
}

/* Into a vector, or into the rows of a matrix. */
bool lower_scatter(program *p, node *n) {
    const node *x = operand(p, n, 0), *index = operand(p, n, 1), *v = operand(p, n, 2);
    if (!shape_node(p, n, x->rank, x->dims)) return false;
    memcpy(ids_of(p, n), &p->id[x->ids], (size_t)x->size * sizeof(int));
    for (int i = 0; i < index->size; i++) {
        int *to = &ids_of(p, n)[(int)sc_value(&p->s, element(p, index, i))];
        *to = attribute_int(n, "add", 0) ? add(p, *to, element(p, v, i)) : element(p, v, i);
    }
    return all_inside(p, n);
}

/* Along the last axis. */
static bool sort_line(program *p, int *x, int count, bool descending) {
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0; k--) {
            double a = sc_value(&p->s, x[k - 1]), b = sc_value(&p->s, x[k]);
            if (fabs(a - b) < 0.02) return false;
            if (descending ? a > b : a < b) break;
            int swap = x[k];
            x[k] = x[k - 1];
            x[k - 1] = swap;
        }
    return true;
}

bool lower_sort(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int length = (int)x->dims[x->rank - 1], kept = (int)attribute_int(n, "k", length);
    bool descending = attribute_int(n, "descending", strcmp(n->row->name, "topk") == 0);
    int64_t dims[MOST_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = kept;
    if (x->rank < 1 || !shape_node(p, n, x->rank, dims)) return false;
    for (int i = 0; i < x->size / length; i++) {
        int line[MOST_SIZE];
        memcpy(line, &p->id[x->ids + i * length], (size_t)length * sizeof *line);
        if (!sort_line(p, line, length, descending)) return false;
        memcpy(&ids_of(p, n)[i * kept], line, (size_t)kept * sizeof *line);
    }
    return true;
}

/* Reading: "start" "step" "count" for each axis; a step of 0 takes one element and the axis away.
 */
bool lower_read(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const attribute *start = attribute_of(n, "start"), *step = attribute_of(n, "step"),
                    *count = attribute_of(n, "count");
    int64_t dims[MOST_RANK], index[MOST_RANK], at[MOST_RANK];
    int rank = 0;
    for (int k = 0; k < x->rank; k++)
        if (step->v[k]) dims[rank++] = count->v[k];
    if (!shape_node(p, n, rank, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        unravel(n, i, index);
        for (int k = 0, q = 0; k < x->rank; k++)
            at[k] = start->v[k] + (step->v[k] ? step->v[k] * index[q++] : 0);
        ids_of(p, n)[i] = element(p, x, ravel(x, at));
    }
    return true;
}

/* x[at] = v, v a number or of the shape of x[at]. */
bool lower_write(program *p, node *n) {
    const node *x = operand(p, n, 0), *v = operand(p, n, 1);
    int64_t at = attribute_int(n, "at", 0);
    int line = x->size / (int)x->dims[0];
    if (v->rank &&
        (v->rank != x->rank - 1 || memcmp(v->dims, x->dims + 1, (size_t)v->rank * sizeof *v->dims)))
        return false;
    if (!shape_node(p, n, x->rank, x->dims)) return false;
    for (int i = 0; i < x->size; i++)
        ids_of(p, n)[i] = i / line == at ? element(p, v, v->rank ? i % line : 0) : element(p, x, i);
    return true;
}

/* ---- products ------------------------------------------------------------------------------ */

static int inner(program *p, const int *a, int step_a, const int *b, int step_b, int count) {
    int sum = mul(p, a[0], b[0]);
    for (int i = 1; i < count; i++) sum = add(p, sum, mul(p, a[i * step_a], b[i * step_b]));
    return sum;
}

bool lower_matmul(program *p, node *n) {
    const node *a = operand(p, n, 0), *b = operand(p, n, 1);
    if (a->rank < 1 || b->rank < 1 || a->rank > 2 || b->rank > 2) return false;
    int64_t rows = a->rank == 2 ? a->dims[0] : 1, cols = b->rank == 2 ? b->dims[1] : 1, dims[2];
    int64_t count = a->dims[a->rank - 1];
    int rank = 0;
    if (count != b->dims[0]) return false;
    if (a->rank == 2) dims[rank++] = rows;
    if (b->rank == 2) dims[rank++] = cols;
    if (!shape_node(p, n, rank, dims)) return false;
    for (int i = 0; i < n->size; i++)
        ids_of(p, n)[i] = inner(p, &p->id[a->ids + i / (int)cols * (int)count], 1,
                                &p->id[b->ids + i % (int)cols], (int)cols, (int)count);
    return all_inside(p, n);
}

bool lower_einsum(program *p, node *n) {
    const node *x = operand(p, n, 0);
    const char *spec = attribute_of(n, "spec")->text;
    if (strcmp(spec, "ij,jk->ik") == 0) return lower_matmul(p, n);
    int rows = (int)x->dims[0], cols = (int)x->dims[1];
    int64_t dims[1] = {strcmp(spec, "ij->j") == 0 ? cols : rows};
    if (strcmp(spec, "ii->i") == 0 && rows != cols) return false;
    if (!shape_node(p, n, 1, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        if (strcmp(spec, "ii->i") == 0) {
            ids_of(p, n)[i] = element(p, x, i * cols + i);
            continue;
        }
        int sum = element(p, x, i);
        for (int k = 1; k < rows; k++) sum = add(p, sum, element(p, x, k * cols + i));
        ids_of(p, n)[i] = sum;
    }
    return all_inside(p, n);
}

bool lower_outer(program *p, node *n) {
    const node *a = operand(p, n, 0), *b = operand(p, n, 1);
    int64_t dims[2] = {a->size, b->size};
    if (a->rank != 1 || b->rank != 1 || !shape_node(p, n, 2, dims)) return false;
    for (int i = 0; i < n->size; i++)
        ids_of(p, n)[i] = mul(p, element(p, a, i / b->size), element(p, b, i % b->size));
    return all_inside(p, n);
}

bool lower_kron(program *p, node *n) {
    const node *a = operand(p, n, 0), *b = operand(p, n, 1);
    if (a->rank != 2 || b->rank != 2) return false;
    int64_t dims[2] = {a->dims[0] * b->dims[0], a->dims[1] * b->dims[1]};
    if (!shape_node(p, n, 2, dims)) return false;
    for (int i = 0; i < n->size; i++) {
        int64_t r = i / dims[1], c = i % dims[1];
        int x = element(p, a, (int)(r / b->dims[0] * a->dims[1] + c / b->dims[1]));
        ids_of(p, n)[i] =
            mul(p, x, element(p, b, (int)(r % b->dims[0] * b->dims[1] + c % b->dims[1])));
    }
    return all_inside(p, n);
}

bool lower_cross(program *p, node *n) {
    const node *a = operand(p, n, 0), *b = operand(p, n, 1);
    if (!shape_node(p, n, 1, a->dims)) return false;
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        ids_of(p, n)[i] = sub(p, mul(p, element(p, a, j), element(p, b, k)),
                              mul(p, element(p, a, k), element(p, b, j)));
    }
    return all_inside(p, n);
}

bool lower_trace(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int size = (int)(x->dims[0] < x->dims[1] ? x->dims[0] : x->dims[1]), sum = element(p, x, 0);
    if (!shape_node(p, n, 0, NULL)) return false;
    for (int i = 1; i < size; i++) sum = add(p, sum, element(p, x, i * (int)x->dims[1] + i));
    ids_of(p, n)[0] = sum;
    return sum != OUTSIDE;
}

/* ---- linear algebra, up to 3 × 3, by minors ------------------------------------------------- */

static int at2(program *p, const node *x, int i, int j) {
    return element(p, x, i * (int)x->dims[1] + j);
}

static int minor_of(program *p, const node *x, int i, int j) {
    int n = (int)x->dims[0], r[2], c[2];
    if (n == 1) return number(p, 1);
    for (int k = 0, a = 0, b = 0; k < n; k++) {
        if (k != i) r[a++] = k;
        if (k != j) c[b++] = k;
    }
    if (n == 2) return at2(p, x, r[0], c[0]);
    return sub(p, mul(p, at2(p, x, r[0], c[0]), at2(p, x, r[1], c[1])),
               mul(p, at2(p, x, r[0], c[1]), at2(p, x, r[1], c[0])));
}

static int cofactor_of(program *p, const node *x, int i, int j) {
    int m = minor_of(p, x, i, j);
    return (i + j) % 2 ? sub(p, number(p, 0), m) : m;
}

static int det_of(program *p, const node *x) {
    int sum = mul(p, at2(p, x, 0, 0), cofactor_of(p, x, 0, 0));
    for (int j = 1; j < x->dims[0]; j++)
        sum = add(p, sum, mul(p, at2(p, x, 0, j), cofactor_of(p, x, 0, j)));
    return sum;
}

static int inverse_at(program *p, const node *x, int det, int i, int j) {
    return over(p, cofactor_of(p, x, j, i), det);
}

bool lower_det(program *p, node *n) {
    int y = det_of(p, operand(p, n, 0));
    if (strcmp(n->row->name, "logdet") == 0) y = sc_unary(&p->s, sc_find_unary("log"), y);
    if (!shape_node(p, n, 0, NULL)) return false;
    ids_of(p, n)[0] = y;
    return y != OUTSIDE;
}

bool lower_inv(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int det = det_of(p, x), size = (int)x->dims[0];
    if (!shape_node(p, n, 2, x->dims)) return false;
    for (int i = 0; i < n->size; i++) ids_of(p, n)[i] = inverse_at(p, x, det, i / size, i % size);
    return all_inside(p, n);
}

bool lower_solve(program *p, node *n) {
    const node *a = operand(p, n, 0), *b = operand(p, n, 1);
    int det = det_of(p, a), size = (int)a->dims[0];
    if (b->dims[0] != size || !shape_node(p, n, b->rank, b->dims)) return false;
    int cols = b->size / size;
    for (int i = 0; i < n->size; i++) {
        int sum = number(p, 0);
        for (int k = 0; k < size; k++)
            sum =
                add(p, sum,
                    mul(p, inverse_at(p, a, det, i / cols, k), element(p, b, k * cols + i % cols)));
        ids_of(p, n)[i] = sum;
    }
    return all_inside(p, n);
}

bool lower_cholesky(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int size = (int)x->dims[0];
    if (!shape_node(p, n, 2, x->dims)) return false;
    int *l = ids_of(p, n);
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            if (j > i) {
                l[i * size + j] = number(p, 0);
                continue;
            }
            int half = mul(p, number(p, 0.5), add(p, at2(p, x, i, j), at2(p, x, j, i)));
            for (int k = 0; k < j; k++)
                half = sub(p, half, mul(p, l[i * size + k], l[j * size + k]));
            l[i * size + j] = i == j ? root(p, half) : over(p, half, l[j * size + j]);
        }
    return all_inside(p, n);
}

/* ---- images -------------------------------------------------------------------------------- */

static int image_at(program *p, const node *x, int64_t c, int64_t i, int64_t j) {
    if (i < 0 || j < 0 || i >= x->dims[1] || j >= x->dims[2]) return OUTSIDE;
    return element(p, x, (int)((c * x->dims[1] + i) * x->dims[2] + j));
}

/* [c, h, w] and [o, c, kh, kw]; a line is an image of height 1. */
static bool convolve(program *p, node *n, const node *x, const node *w, int rank) {
    int64_t stride = attribute_int(n, "stride", 1), padding = attribute_int(n, "padding", 0);
    int64_t high = rank == 2 ? 1 : (x->dims[1] + 2 * padding - w->dims[2]) / stride + 1;
    int64_t wide = (x->dims[2] + 2 * padding - w->dims[3]) / stride + 1;
    int64_t dims[3] = {w->dims[0], high, wide}, flat[2] = {w->dims[0], wide}, at[MOST_RANK];
    if (x->dims[2] + 2 * padding < w->dims[3] ||
        (rank > 2 && x->dims[1] + 2 * padding < w->dims[2]))
        return false;
    if (!shape_node(p, n, rank, rank == 2 ? flat : dims)) return false;
    for (int i = 0; i < n->size; i++) {
        int64_t o = i / (high * wide), q = i / wide % high, r = i % wide;
        int sum = number(p, 0);
        for (int k = 0; k < w->size / w->dims[0]; k++) {
            unravel(w, k, at);
            int64_t top = rank == 2 ? 0 : q * stride - padding;
            int pixel = image_at(p, x, at[1], top + at[2], r * stride - padding + at[3]);
            int weight = element(p, w, (int)o * (w->size / (int)w->dims[0]) + k);
            if (pixel != OUTSIDE) sum = add(p, sum, mul(p, pixel, weight));
        }
        ids_of(p, n)[i] = sum;
    }
    return all_inside(p, n);
}

bool lower_conv2d(program *p, node *n) {
    const node *x = operand(p, n, 0), *w = operand(p, n, 1);
    return x->rank == 3 && w->rank == 4 && x->dims[0] == w->dims[1] && convolve(p, n, x, w, 3);
}

bool lower_conv1d(program *p, node *n) {
    node x = *operand(p, n, 0), w = *operand(p, n, 1);
    if (x.rank != 2 || w.rank != 3 || x.dims[0] != w.dims[1]) return false;
    x.rank = 3;
    x.dims[2] = x.dims[1];
    x.dims[1] = 1;
    w.rank = 4;
    w.dims[3] = w.dims[2];
    w.dims[2] = 1;
    return convolve(p, n, &x, &w, 2);
}

bool lower_pool(program *p, node *n) {
    const node *x = operand(p, n, 0);
    int64_t size = attribute_int(n, "size", 2), stride = attribute_int(n, "stride", size);
    int64_t dims[3] = {x->dims[0], (x->dims[1] - size) / stride + 1,
                       (x->dims[2] - size) / stride + 1};
    bool largest = strcmp(n->row->name, "max_pool2d") == 0;
    if (x->rank != 3 || dims[1] < 1 || dims[2] < 1 || x->dims[1] < size || x->dims[2] < size ||
        !shape_node(p, n, 3, dims))
        return false;
    for (int i = 0; i < n->size; i++) {
        int window[MOST_SIZE], count = 0;
        int64_t at[MOST_RANK];
        unravel(n, i, at);
        for (int64_t k = 0; k < size * size; k++)
            window[count++] =
                image_at(p, x, at[0], at[1] * stride + k / size, at[2] * stride + k % size);
        ids_of(p, n)[i] = largest ? fold_max(p, n, window, count) : fold_mean(p, n, window, count);
    }
    return all_inside(p, n);
}
