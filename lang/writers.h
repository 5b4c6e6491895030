/* SPDX-License-Identifier: MIT */
/*
 * Which instructions may have written a register last, seen from one of them: what a message about a
 * variable that is assigned in several places can say for certain.
 */
#ifndef GR_WRITERS_H
#define GR_WRITERS_H

#include "chunk.h"

enum { GR_MOST_WRITERS = 4 };

typedef struct gr_writing {
    const gr_proto *proto;
    uint32_t pc, reg;
    const gr_string *field; /* only what writes this field of it counts; NULL: whatever does */
    const gr_value *base;   /* the registers of a frame that runs there; NULL: none does */
} gr_writing;

typedef struct gr_writers {
    uint32_t at[GR_MOST_WRITERS]; /* in order */
    uint32_t count;
    bool entry; /* or what the register held when the function began */
} gr_writers;

/* False: more than can be named, or not worth the search. */
bool gr_find_writers(gr_vm *vm, const gr_writing *from, gr_writers *out);

/* Whether an assignment through a path (SETPATH, STORE) changes another field than this one only. */
bool gr_leaves_field(const gr_proto *proto, uint32_t pc, const gr_string *field);

#endif
