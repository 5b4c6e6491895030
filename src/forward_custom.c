/* SPDX-License-Identifier: MIT */
/* forward_custom.c - tangents through callbacks of the host: by its own way forward where it knows one, else
 * by the transpose of the transpose. A callback knows one line; many go through it one after the other. */
#include "forward.h"
#include "lines.h"

#include <string.h>

/* The pullback is linear in its cotangent u: its own pullback, asked at the tangents, is the
 * pushforward. `tan` has AD_ABSENT_HEAD where an input has none. */
static ad_status transpose_twice(ad_forward *f, const tape_entry *e, const ad_value *tan, const ad_value *u,
                                 ad_value *out, bool *given) {
    const ad_payload *p = e->payload;
    ad_ctx *ctx = f->ctx;
    size_t bytes = (size_t)p->nin * sizeof(ad_value);
    ad_value *din = ad_mem_get(ctx, 3 * bytes), *seed = din + p->nin;
    if (!din) return ad_failed(ctx);
    for (int i = 0; i < p->nin; i++) din[i] = ad_number(0);
    bool was = ad_set_recording(ctx, true);
    ad_value *in = p->callback->inputs ? seed + p->nin : NULL;
    for (int i = 0; in && i < p->nin; i++) in[i] = ad_saved_value(e, i, true);
    ad_status st = p->callback->pull(ctx, p->user, in, u, din, true);
    int n = 0;
    for (int i = 0; st == AD_OK && i < p->nin; i++) {
        ad_type type;
        ad_payload_type(p, i, &type);
        st = ad_conform(ctx, e->src, din[i], &type, &din[i]);
        if (st != AD_OK || tan[i].head == AD_ABSENT_HEAD || !din[i].node) continue;
        ad_value swap = din[n];
        din[n] = din[i];
        din[i] = swap;
        seed[n++] = tan[i];
    }
    ad_set_recording(ctx, f->record);
    if (st == AD_OK && n) {
        st = ad_vjp(ctx, n, din, seed, p->nout, u, 0, e->src, out);
        for (int k = 0; k < p->nout; k++) given[k] = st == AD_OK;
    }
    for (int i = 0; i < p->nin; i++) ad_release(ctx, din[i]);
    ad_set_recording(ctx, was);
    ad_mem_put(ctx, din, 3 * bytes);
    return st;
}

/* The host knows the way forward. Inputs without a tangent have zeros. */
static ad_status push_known(ad_forward *f, const tape_entry *e, const ad_value *tan, ad_value *out,
                            bool *given) {
    const ad_payload *p = e->payload;
    ad_ctx *ctx = f->ctx;
    size_t bytes = 2 * (size_t)p->nin * sizeof(ad_value);
    ad_value *in = ad_mem_get(ctx, bytes), *full = in + p->nin;
    if (!in) return ad_failed(ctx);
    ad_status st = AD_OK;
    int made = 0;
    for (; made < p->nin && st == AD_OK; made++) {
        ad_type type;
        ad_payload_type(p, made, &type);
        in[made] = ad_saved_value(e, made, f->record);
        if (tan[made].head != AD_ABSENT_HEAD) full[made] = ad_retain(ctx, tan[made]);
        else st = ad_zeros_of(ctx, &type, &full[made]);
    }
    if (st != AD_OK) made--;
    for (int k = 0; k < p->nout; k++) out[k] = ad_number(0);
    if (st == AD_OK) st = p->callback->push(ctx, p->user, in, full, out, f->record);
    for (int k = 0; k < p->nout; k++) {
        given[k] = st == AD_OK;
        if (given[k]) continue;
        ad_release(ctx, out[k]);
        out[k] = ad_number(0);
    }
    for (int i = 0; i < made; i++) ad_release(ctx, full[i]);
    ad_mem_put(ctx, in, bytes);
    return st;
}

/* A leaf of zeros for each result, and the pullback asked twice. */
static ad_status push_transposed(ad_forward *f, const tape_entry *e, const ad_value *tan, ad_value *out,
                                 bool *given) {
    const ad_payload *p = e->payload;
    size_t bytes = (size_t)p->nout * sizeof(ad_value);
    ad_value *u = ad_mem_get(f->ctx, bytes);
    if (!u) return ad_failed(f->ctx);
    ad_status st = AD_OK;
    int made = 0;
    for (; made < p->nout && st == AD_OK; made++) {
        ad_type type;
        ad_value zero;
        ad_payload_type(p, p->nin + made, &type);
        st = ad_zeros_of(f->ctx, &type, &zero);
        if (st == AD_OK) st = ad_leaf(f->ctx, zero, 0, e->src, &u[made]);
        ad_release(f->ctx, zero);
    }
    if (st != AD_OK) made--;
    if (st == AD_OK) st = transpose_twice(f, e, tan, u, out, given);
    for (int k = 0; k < made; k++) ad_release(f->ctx, u[k]);
    ad_mem_put(f->ctx, u, bytes);
    return st;
}

/* One tangent an input → one a result, of its type, where given. */
static ad_status push_through(ad_forward *f, const tape_entry *e, const ad_value *tan, ad_value *out,
                              bool *given) {
    const ad_payload *p = e->payload;
    memset(given, 0, p->nout * sizeof *given);
    ad_status st = p->callback->push ? push_known(f, e, tan, out, given)
                                     : push_transposed(f, e, tan, out, given);
    for (int k = 0; k < p->nout; k++) {
        if (!given[k]) continue;
        ad_type type;
        ad_value v = out[k];
        out[k] = ad_number(0);
        ad_payload_type(p, p->nin + k, &type);
        if (st == AD_OK) st = ad_fit_tangent(f, e->src, v, &type, &out[k]);
        else ad_release(f->ctx, v);
        given[k] = st == AD_OK;
    }
    return st;
}

/* The callback knows one line; those of result k are joined. `line` has room for all results of all
 * lines, given[k] tells whether any line has it. */
static ad_status push_lines(ad_forward *f, const tape_entry *e, const ad_value *tan, ad_value *line,
                            bool *given, ad_value *out) {
    const ad_payload *p = e->payload;
    size_t bytes = (size_t)(p->nin + f->s->lines) * sizeof(ad_value);
    ad_value *one = ad_mem_get(f->ctx, bytes), *column = one + p->nin;
    if (!one) return ad_failed(f->ctx);
    ad_status st = AD_OK;
    int64_t made = 0;
    for (; made < f->s->lines && st == AD_OK; made++) {
        for (int i = 0; i < p->nin; i++) {
            one[i].head = AD_ABSENT_HEAD;
            if (tan[i].head == AD_ABSENT_HEAD || st != AD_OK) continue;
            st = ad_line_of(f->ctx, e->src, tan[i], made, &one[i]);
            if (st != AD_OK) one[i].head = AD_ABSENT_HEAD;
        }
        for (int k = 0; k < p->nout; k++) line[made * p->nout + k] = ad_number(0);
        if (st == AD_OK) st = push_through(f, e, one, line + made * p->nout, given);
        for (int k = 0; k < p->nout; k++)
            if (st == AD_OK && !given[k]) {
                ad_type type;
                ad_payload_type(p, p->nin + k, &type);
                st = ad_zeros_of(f->ctx, &type, &line[made * p->nout + k]);
            }
        for (int i = 0; i < p->nin; i++)
            if (one[i].head != AD_ABSENT_HEAD) ad_release(f->ctx, one[i]);
    }
    for (int k = 0; k < p->nout; k++) {
        for (int64_t j = 0; j < made; j++) column[j] = line[j * p->nout + k];
        given[k] = false;
        if (st == AD_OK) st = ad_lines_join(f->ctx, e->src, made, column, &out[k]);
        given[k] = st == AD_OK;
    }
    for (int64_t j = 0; j < made * p->nout; j++) ad_release(f->ctx, line[j]);
    ad_mem_put(f->ctx, one, bytes);
    return st;
}

ad_status ad_push_custom(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    size_t lines = (size_t)f->s->lines, nout = p->nout;
    size_t bytes = (p->nin + nout + lines * nout) * sizeof(ad_value) + nout * sizeof(bool);
    ad_value *tan = ad_mem_get(f->ctx, bytes);
    if (!tan) return ad_failed(f->ctx);
    ad_value *out = tan + p->nin, *line = out + nout;
    bool *given = (bool *)(line + lines * nout);
    for (int i = 0; i < p->nin; i++) {
        const ad_value *t = ad_tangent_slot(f, p->in[i]);
        tan[i] = t ? *t : (ad_value){.head = AD_ABSENT_HEAD};
    }
    ad_blame inside, *outer = ad_watch_inside(f->s, &inside);
    ad_status st = lines ? push_lines(f, e, tan, line, given, out) : push_through(f, e, tan, out, given);
    ad_watch_keep(f->s, node, &inside, outer);
    for (int k = 0; k < p->nout && lines && st == AD_OK; k++) out[k].flags = 0;
    if (st == AD_OK) st = ad_keep_tangents(f, node, p->nout, given, out);
    else
        for (int k = 0; k < p->nout; k++)
            if (given[k]) ad_release(f->ctx, out[k]);
    ad_mem_put(f->ctx, tan, bytes);
    return st;
}
