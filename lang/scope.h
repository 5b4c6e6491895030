/* SPDX-License-Identifier: MIT */
/*
 * Who is who: a pass over the tree that decides, before any code is made, which variable each name
 * means, which variables are captured and assigned (those live in cells), and where a local is used
 * for the last time. It writes the number of the variable into the nodes.
 *
 * It also finds what can be known without types: unknown names, assignment to a param or to nothing,
 * and the `let` in a loop that hides the state which it reads.
 */
#ifndef GR_SCOPE_H
#define GR_SCOPE_H

#include "ast.h"
#include "diagnostic.h"
#include "module.h"

enum {
    GR_VAR_TRACKED = 1,  /* param */
    GR_VAR_ASSIGNED = 2,
    GR_VAR_CAPTURED = 4,
    GR_VAR_FN = 8,       /* fn name(…) in a block */
    GR_VAR_EARLY = 16,   /* captured before it is defined */
    GR_VAR_INSIDE = 32,  /* assigned in a block that is part of an expression */
    GR_VAR_DEFINED = 64, /* its definition has been passed */
    GR_VAR_CELL = 128,   /* decided at the end: lives in a cell */
    GR_VAR_PARAMETER = 256,
};

typedef struct gr_variable {
    const gr_name *name;
    gr_span span;
    uint32_t fn;         /* the function that owns it */
    uint32_t loop_depth; /* within that function */
    uint32_t flags;
    const gr_node *last_use;
    const gr_node *lost; /* the assignment whose value nobody has read (lost.c) */
    uint32_t read_in;    /* the loop in which it was read last */
    /* the compiler's */
    uint16_t reg;
    uint16_t pending; /* operands that are waiting for an instruction */
    bool placed;
} gr_variable;

typedef struct gr_letter {
    const gr_name *name;
    uint32_t variable;
} gr_letter;

typedef struct gr_scope_fn {
    uint32_t parent;
    uint32_t own; /* variable + 1 that holds it, where it is a fn of a block */
    bool derives; /* ∂E/∂W stands in it: it records, also where `:=` has switched that off */
    gr_letter *letters;
    uint32_t letter_count, letter_room;
} gr_scope_fn;

typedef struct gr_scope {
    gr_vm *vm;
    gr_module *module;
    const gr_source *source;
    gr_report *report;
    bool prompt; /* unknown names are reported when they are reached */
    gr_variable *variables;
    gr_scope_fn *fns; /* fns[0] is the top level */
    uint32_t variable_count, variable_room, fn_count, fn_room;
} gr_scope;

/* False where something is wrong (reported, or memory raised). */
bool gr_scope_resolve(gr_scope *scope, gr_ast *ast);
void gr_scope_free(gr_scope *scope);

/* grad(E, W): ∂E/∂W, called. */
bool gr_is_called_derivative(const gr_node *n);

#endif
