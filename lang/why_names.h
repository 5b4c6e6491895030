/* SPDX-License-Identifier: MIT */
/* The variables that an expression reads, as they are now, and where they were made (why_names.c). */
#ifndef GR_WHY_NAMES_H
#define GR_WHY_NAMES_H

#include "birth.h"

/* An expression with the place in the code that evaluated it. */
typedef struct gr_scene {
    const gr_source *source;
    gr_span span;
    const gr_proto *proto;
    uint32_t pc, frame; /* GR_NO_FRAME: its function has returned */
} gr_scene;

/* A variable, or an item of it, as it stands in the expression. */
typedef struct gr_read {
    gr_span span;
    gr_value value; /* borrowed; GR_ABSENT where it was let go */
    gr_birth birth; /* without source: unknown */
    bool now;       /* it may have had another value then */
} gr_read;

/* At most `room` of them, in order; functions are left out. Gives how many there are. */
uint32_t gr_reads_of(gr_vm *vm, const gr_scene *scene, uint32_t room, gr_read *reads);
/* What is in a register may have been let go: then a plain 0 is left, or what a pointer is as a number. */
bool gr_is_gone(gr_value v);
/* What was evaluated at a birthplace, seen from a frame that runs. */
gr_scene gr_scene_of(gr_vm *vm, const gr_birth *birth, uint32_t frame);

#endif
