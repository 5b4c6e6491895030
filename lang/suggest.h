/* SPDX-License-Identifier: MIT */
/*
 * The nearest name by edit distance: what the writer of a name nobody knows probably meant. Counted
 * in code points: insertion, deletion, substitution, exchange of neighbours; a change of case or of
 * an underscore costs half. Too far is no suggestion at all.
 */
#ifndef GR_SUGGEST_H
#define GR_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gr_suggestion {
    const char *wanted; /* what was written; borrowed, like the candidates */
    size_t wanted_size;
    const char *best; /* NULL: nothing is near enough */
    size_t best_size;
    unsigned distance; /* of best, in halves */
} gr_suggestion;

gr_suggestion gr_suggest_begin(const char *wanted, size_t size);

/* Offers one candidate; of equally near ones the first is kept. */
void gr_suggest_offer(gr_suggestion *suggestion, const char *candidate, size_t size);

/* The distance in halves, or `limit` + 1 where it is larger. */
unsigned gr_edit_distance(const char *a, size_t a_size, const char *b, size_t b_size,
                          unsigned limit);

struct gr_diagnostic;
/* Hints at what is written here for a name of another language, or for one of its modules (np, torch, math …)
 * with the field that stands behind it. False: nothing is known of it. */
bool gr_hint_foreign(struct gr_diagnostic *d, const char *name, const char *behind);

/* Hints at the argument of a function of this signature, "fn f(a, b = 1)", that was probably meant. */
void gr_hint_argument(struct gr_diagnostic *d, const char *signature, const char *name);

/* Hints at what is written for one more argument that the function has elsewhere. False: nothing is known. */
bool gr_hint_surplus(struct gr_diagnostic *d, const char *function);

#endif
