/* SPDX-License-Identifier: MIT */
/* index_plan.h - the inside of a plan, for index_plan.c (which makes it) and kernel_index.c (which
 * runs it). One block, no pointers: copying it is a memcpy. */
#ifndef AD_INDEX_PLAN_H
#define AD_INDEX_PLAN_H

#include "kernel_index.h"

enum { AD_PLAN_NEW = -1, AD_PLAN_MANY = -2 }; /* result axes that are no source axis */

/* `many` is a gather or a mask: from source axis `many_axis` on it takes `many_span` axes, and its
 * `many_rank` axes stand in the result from `many_out` on. Its places count row-major over the axes
 * that it takes. many_span is 0 where there is none. */
struct ad_index_plan {
    size_t bytes;
    uint8_t dtype, rank, out_rank;
    uint8_t many_axis, many_span, many_out, many_rank;
    uint16_t asked;
    int64_t places; /* how many */
    int64_t v[];    /* see below */
};

/* The arrays in `v`. Of source axes: size, first element. Of result axes: size, step along the
 * source axis, source axis. Then the places. */
static inline int64_t *ad_plan_dims(const ad_index_plan *p) { return (int64_t *)(uintptr_t)p->v; }
static inline int64_t *ad_plan_starts(const ad_index_plan *p) { return ad_plan_dims(p) + p->rank; }
static inline int64_t *ad_plan_out_dims(const ad_index_plan *p) {
    return ad_plan_dims(p) + 2 * p->rank;
}
static inline int64_t *ad_plan_out_steps(const ad_index_plan *p) {
    return ad_plan_out_dims(p) + p->out_rank;
}
static inline int64_t *ad_plan_out_axes(const ad_index_plan *p) {
    return ad_plan_out_dims(p) + 2 * p->out_rank;
}
static inline int64_t *ad_plan_places(const ad_index_plan *p) {
    return ad_plan_out_dims(p) + 3 * p->out_rank;
}

#endif
