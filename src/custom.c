/* SPDX-License-Identifier: MIT */
/* custom.c - blocks of computation whose backward rule is the host's. The host has computed the values;
 * here they become the results of one entry, which from then on owns what the rule needs. */
#include "sweep.h"

/* Taken over, but there is no entry to own it. */
static void let_go(ad_ctx *ctx, const ad_callback *cb, void *user) {
    if (cb->free) cb->free(ctx, user);
}

ad_status ad_custom(ad_ctx *ctx, const ad_callback *cb, void *user, uint32_t src, int n,
                    const ad_value *in, int nout, const ad_value *values, ad_value *out) {
    if (n > UINT16_MAX || nout > UINT16_MAX) {
        let_go(ctx, cb, user);
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "more than %d inputs or outputs", UINT16_MAX);
    }
    for (int k = 0; k < nout; k++) out[k] = ad_stop(ctx, values[k]);
    if (nout == 0 || !ad_any_tracked(ctx, n, in)) {
        let_go(ctx, cb, user);
        return AD_OK;
    }
    ad_payload *p = ad_payload_new(ctx, n, in, nout, out, 0, NULL);
    ad_status s = ad_record(ctx, E_CUSTOM, src, p, nout, out);
    if (s != AD_OK) {
        for (int k = 0; k < nout; k++) ad_release(ctx, out[k]);
        let_go(ctx, cb, user);
        return s;
    }
    p->callback = cb;
    p->user = user;
    return AD_OK;
}
