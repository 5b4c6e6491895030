/* SPDX-License-Identifier: MIT */
/* What why.c and why_nan.c share: the rows that are collected. */
#ifndef GR_WHY_PRIVATE_H
#define GR_WHY_PRIVATE_H

#include "why.h"
#include "why_names.h"

enum { GR_WHY_ROWS = 16 };

typedef struct gr_why_row {
    unsigned depth;
    char name[48], value[48], birth[200];
    const gr_source *source; /* what it was made of, if that was gone into */
    uint32_t begin, end;
    int rank; /* of the value; -1: neither tensor nor number */
    double sizes[AD_MAX_RANK]; /* of a number: itself */
} gr_why_row;

typedef struct gr_why {
    gr_why_row rows[GR_WHY_ROWS];
    uint32_t count;
    uint32_t operands; /* rows of depth 0 that are operands of what failed; they come first */
    bool done;
} gr_why;

/* A row for what was read; there must be room. */
gr_why_row *gr_why_add(gr_vm *vm, unsigned depth, const gr_source *source, const gr_read *read);
/* Rows for the variables that an expression reads, as long as there are less than `most` of all. */
void gr_why_reads(gr_vm *vm, const gr_scene *scene, unsigned depth, uint32_t most);
/* As much of a text as the room allows, cut between characters; the text is empty then. */
void gr_why_keep(char *to, size_t room, gr_buffer *text);
/* Puts what was collected to the message, and lets go of it. */
void gr_why_put_remark(gr_diagnostic *d, gr_buffer *text);
/* The rows as text. */
void gr_why_put_rows(const gr_why *w, gr_buffer *out);

#endif
