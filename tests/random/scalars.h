/* SPDX-License-Identifier: MIT */
/* scalars.h - a second tape, of scalars only: the oracle for random programs. It shares nothing
 * with the engine: libm's functions, derivatives from textbooks, one list of cells with two
 * operands each. All numbers are duals, so one reverse sweep gives the gradient and the Hessian's
 * product with the direction of the inputs. What is outside a function's domain, close to a kink or
 * badly scaled is refused, and the generator tries something else. */
#ifndef SCALARS_H
#define SCALARS_H

#include <stdbool.h>

typedef struct dual {
    double v, d;
} dual;

typedef struct cell {
    int a, b;
    dual y, pa, pb; /* value and the two partials */
} cell;

enum { MOST_CELLS = 60000, OUTSIDE = -1 };

typedef struct scalars {
    int n;
    cell c[MOST_CELLS];
} scalars;

/* Cells; OUTSIDE where there is none. */
int sc_const(scalars *s, double x);
int sc_input(scalars *s, double x, double direction);
int sc_unary(scalars *s, int function, int a);
int sc_binary(scalars *s, int function, int a, int b);
double sc_value(const scalars *s, int a);

/* The function of a name, or -1. */
int sc_find_unary(const char *name);
int sc_find_binary(const char *name);

/* d root / d cell for each cell, with its derivative in the direction. */
void sc_reverse(const scalars *s, int root, dual *adjoint);

#endif
