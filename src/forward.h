/* SPDX-License-Identifier: MIT */
/* forward.h - what a forward sweep at work hands to its rooms: forward.c walks over the entries, callbacks
 * are in forward_custom.c. */
#ifndef AD_FORWARD_H
#define AD_FORWARD_H

#include "sweep.h"

typedef struct ad_forward {
    ad_sweep *s;
    ad_ctx *ctx;
    bool record;
    const char *refusal; /* why a tangent that was asked for does not exist */
    ad_status failed;    /* of a tangent that could not be restored */
} ad_forward;

/* The tangent of an entry, borrowed; NULL if it has none. */
ad_value *ad_tangent_slot(ad_forward *f, uint32_t node);
/* A tangent of the result's shape and dtype. It may be smaller: what was stretched to that shape had none
 * (`c - mean(x, keep = true)` of a constant c). Takes `v` over. */
ad_status ad_fit_tangent(ad_forward *f, uint32_t src, ad_value v, const ad_type *type, ad_value *out);
/* The tangents of an entry's n results, where given; taken over. */
ad_status ad_keep_tangents(ad_forward *f, uint32_t node, int n, const bool *given, ad_value *v);
ad_status ad_push_custom(ad_forward *f, uint32_t node, const tape_entry *e);

#endif
