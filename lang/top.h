/* SPDX-License-Identifier: MIT */
/*
 * The variables of the top level as a whole: set aside and put back, forgotten, run for their cost.
 * What is set aside are values (shared, as all values are) and what is known of each variable, also of
 * those of imported modules and those that closures captured; the ids of a param stay whole until no
 * state has them. Several states can be set aside at once, and settled in any order.
 */
#ifndef GR_TOP_H
#define GR_TOP_H

#include "gradus.h"

typedef struct gr_top_cell {
    struct gr_cell *cell; /* owned, as is the value */
    gr_value value;
    uint32_t changed;
} gr_top_cell;

typedef struct gr_top {
    struct gr_top *other;   /* set aside too; the vm has the first */
    struct gr_global *rows; /* by slot */
    gr_top_cell *cells;
    gr_value *imports;      /* what modules gave */
    uint32_t count, cell_count, import_count;
    ad_random_state random;
} gr_top;

/* False: memory is out. Ends with one of the next two. */
bool gr_top_save(gr_vm *vm, gr_top *top);
/* All is as it was: variables that came since are unknown again. */
void gr_top_restore(gr_vm *vm, gr_top *top);
/* What happened since stays. */
void gr_top_keep(gr_vm *vm, gr_top *top);
/* Are these ids of a param in one of the states that are set aside? */
bool gr_top_holds(const gr_top *first, const uint32_t *ids);

/* Forgets all variables of the top level and that modules have been imported. */
void gr_top_reset(gr_vm *vm);
/* The modules are run again when they are imported next. */
void gr_forget_imports(gr_vm *vm);
/* Calls `each` for the modules whose file is not as it was when they ran; gives their number. */
uint32_t gr_stale_imports(gr_vm *vm, void (*each)(void *user, const char *path), void *user);
/* Appends an import statement for each variable of the top level that holds a module. */
void gr_put_imports(gr_vm *vm, gr_buffer *out);

typedef struct gr_cost {
    double seconds;   /* of one run, the mean */
    uint32_t runs;
    size_t bytes;     /* the most that was used beyond what there was before */
    uint64_t entries; /* recorded by one run */
} gr_cost;

/* Runs a text once, as the prompt does; a short expression again and again for about `patience`
 * seconds, of which nothing remains: neither output nor updates nor random numbers used up. */
gr_status gr_run_cost(gr_vm *vm, const char *name, const char *text, size_t size, double patience,
                      gr_cost *out);

#endif
