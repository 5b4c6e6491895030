/* SPDX-License-Identifier: MIT */
/* lower.h - words that the files share in which rows are written with scalars, and the rows. */
#ifndef LOWER_H
#define LOWER_H

#include "program.h"

/* Operand i of a node, the cell of its element i; indices of an element and back. */
const node *operand(const program *p, const node *n, int i);
int element(program *p, const node *x, int i);
void unravel(const node *n, int i, int64_t *index);
int ravel(const node *n, const int64_t *index);

/* Cells; OUTSIDE where an operand is. */
int add(program *p, int a, int b);
int sub(program *p, int a, int b);
int mul(program *p, int a, int b);
int over(program *p, int a, int b);
int root(program *p, int a);
int number(program *p, double x);
bool all_inside(program *p, const node *n);

/* Of `count` cells. */
int fold_max(program *p, const node *n, const int *x, int count);
int fold_mean(program *p, const node *n, const int *x, int count);

bool lower_cholesky(program *p, node *n);
bool lower_concat(program *p, node *n);
bool lower_conv1d(program *p, node *n);
bool lower_conv2d(program *p, node *n);
bool lower_count(program *p, node *n);
bool lower_cross(program *p, node *n);
bool lower_det(program *p, node *n);
bool lower_diag(program *p, node *n);
bool lower_einsum(program *p, node *n);
bool lower_elementwise(program *p, node *n);
bool lower_expand(program *p, node *n);
bool lower_gather(program *p, node *n);
bool lower_inv(program *p, node *n);
bool lower_kron(program *p, node *n);
bool lower_logsumexp(program *p, node *n);
bool lower_matmul(program *p, node *n);
bool lower_max(program *p, node *n);
bool lower_mean(program *p, node *n);
bool lower_min(program *p, node *n);
bool lower_norm(program *p, node *n);
bool lower_ones_like(program *p, node *n);
bool lower_outer(program *p, node *n);
bool lower_pad(program *p, node *n);
bool lower_permute(program *p, node *n);
bool lower_pool(program *p, node *n);
bool lower_prod(program *p, node *n);
bool lower_read(program *p, node *n);
bool lower_repeat(program *p, node *n);
bool lower_reshape(program *p, node *n);
bool lower_same(program *p, node *n);
bool lower_scan(program *p, node *n);
bool lower_scatter(program *p, node *n);
bool lower_solve(program *p, node *n);
bool lower_sort(program *p, node *n);
bool lower_stack(program *p, node *n);
bool lower_std(program *p, node *n);
bool lower_sum(program *p, node *n);
bool lower_tile(program *p, node *n);
bool lower_trace(program *p, node *n);
bool lower_transpose(program *p, node *n);
bool lower_var(program *p, node *n);
bool lower_write(program *p, node *n);

#endif
