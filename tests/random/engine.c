/* SPDX-License-Identifier: MIT */
/* engine.c - a program through ad.h: leaves, one ad_apply a node, sweeps. */
#include "program.h"

#include <stdio.h>
#include <string.h>

/* The place of an attribute in the row's signature: how many "name: kind" stand before it. */
static int place_of(const ad_row_info *info, const char *wanted) {
    int place = 0;
    for (const char *at = info->signature; at && *at;) {
        while (*at == ' ' || *at == ',') at++;
        size_t n = strcspn(at, ":,=");
        bool named = at[n] == ':';
        if (named && strlen(wanted) == n && strncmp(at, wanted, n) == 0) return place;
        place += named;
        at = strchr(at, ',');
    }
    return -1;
}

static ad_status apply_row(ad_ctx *ctx, const node *n, const ad_value *in, ad_value *out) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    ad_op op = ad_op_find(n->row->name);
    for (int i = 0; i < n->attrs; i++) {
        const attribute *a = &n->attr[i];
        ad_arg *arg = &args[place_of(ad_op_info(op), a->name)];
        *arg = (ad_arg){.given = true,
                        .count = a->count,
                        .ints = a->v,
                        .num = (double)a->v[0],
                        .text = a->text};
    }
    ad_value results[4];
    ad_status s = ad_apply(ctx, op, 0, n->n, in, args, results);
    if (s != AD_OK) return s;
    for (int k = 1; k < ad_op_info(op)->results; k++) ad_release(ctx, results[k]);
    *out = results[0];
    return AD_OK;
}

static ad_status apply_read(ad_ctx *ctx, const node *n, ad_value x, ad_value *out) {
    ad_index index[MOST_RANK];
    const attribute *start = attribute_of(n, "start"), *step = attribute_of(n, "step"),
                    *count = attribute_of(n, "count");
    for (int k = 0; k < start->count; k++) {
        index[k] = (ad_index){.kind = AD_IX_AT, .at = (double)start->v[k]};
        if (!step->v[k]) continue;
        int64_t last = start->v[k] + step->v[k] * (count->v[k] - 1),
                stop = last + (step->v[k] > 0 ? 1 : -1);
        index[k] = (ad_index){.kind = AD_IX_SLICE,
                              .has_start = true,
                              .has_step = true,
                              .has_stop = stop >= 0,
                              .at = (double)start->v[k],
                              .stop = (double)stop,
                              .step = (double)step->v[k]};
    }
    return ad_index_get(ctx, x, start->count, index, 0, out);
}

static ad_status apply_write(ad_ctx *ctx, const node *n, ad_value x, ad_value v, ad_value *out) {
    ad_index index = {.kind = AD_IX_AT, .at = (double)attribute_int(n, "at", 0)};
    *out = ad_retain(ctx, x);
    return ad_index_set(ctx, out, 1, &index, v, 0);
}

static ad_status apply_take(ad_ctx *ctx, ad_value x, ad_value positions, ad_value *out) {
    ad_index index = {.kind = AD_IX_GATHER, .tensor = positions.tensor};
    return ad_index_get(ctx, x, 1, &index, 0, out);
}

static ad_status apply_node(ad_ctx *ctx, const node *n, const ad_value *values, ad_value *out) {
    ad_value in[MOST_IN];
    for (int i = 0; i < n->n; i++) in[i] = values[n->in[i]];
    if (strcmp(n->row->name, "[read]") == 0) return apply_read(ctx, n, in[0], out);
    if (strcmp(n->row->name, "[write]") == 0) return apply_write(ctx, n, in[0], in[1], out);
    if (strcmp(n->row->name, "[take]") == 0) return apply_take(ctx, in[0], in[1], out);
    return apply_row(ctx, n, in, out);
}

static ad_value value_of(ad_ctx *ctx, const node *n, const double *x) {
    if (n->rank == 0) return ad_number(x[0]);
    return ad_wrap(ad_tensor_from(ctx, AD_F64, n->rank, n->dims, x));
}

static ad_value constant(ad_ctx *ctx, const program *p, const node *n) {
    double x[MOST_SIZE];
    for (int i = 0; i < n->size; i++) x[i] = sc_value(&p->s, p->id[n->ids + i]);
    return value_of(ctx, n, x);
}

/* The result, owned, from values of the inputs, borrowed. */
static ad_status evaluate(ad_ctx *ctx, const program *p, const ad_value *inputs, ad_value *result) {
    ad_value values[MOST_NODES];
    ad_status s = AD_OK;
    int made = 0;
    for (; made < p->n && s == AD_OK; made++) {
        const node *n = &p->node[made];
        if (n->input >= 0)
            values[made] = ad_retain(ctx, inputs[n->input]);
        else if (!n->row)
            values[made] = constant(ctx, p, n);
        else if ((s = apply_node(ctx, n, values, &values[made])) != AD_OK)
            break;
    }
    if (s == AD_OK) *result = ad_retain(ctx, values[p->result]);
    while (made--) ad_release(ctx, values[made]);
    return s;
}

ad_status engine_value(ad_ctx *ctx, const program *p, double step, double *value) {
    ad_value in[MOST_INPUTS], y;
    for (int i = 0; i < p->inputs; i++) {
        double x[MOST_SIZE];
        const node *n = &p->node[p->input_node[i]];
        for (int k = 0; k < n->size; k++) x[k] = p->at[i][k] + step * p->direction[i][k];
        in[i] = value_of(ctx, n, x);
    }
    ad_status s = evaluate(ctx, p, in, &y);
    for (int i = 0; i < p->inputs; i++) ad_release(ctx, in[i]);
    if (s == AD_OK) *value = y.num;
    if (s == AD_OK) ad_release(ctx, y);
    return s;
}

static void read_value(ad_value v, double *x) {
    if (v.kind == AD_TENSOR)
        ad_tensor_read(v.tensor, x);
    else
        *x = v.num;
}

/* ---- second order -------------------------------------------------------------------------- */

static ad_status hessian_product(ad_ctx *ctx, const program *p, const ad_value *outer,
                                 const ad_value *grad, engine_result *r) {
    ad_value seed[MOST_INPUTS], y[MOST_INPUTS], out[MOST_INPUTS];
    int n = 0;
    for (int i = 0; i < p->inputs; i++) {
        if (!grad[i].node) continue;
        seed[n] = value_of(ctx, &p->node[p->input_node[i]], p->direction[i]);
        y[n++] = grad[i];
    }
    ad_status s = n ? ad_vjp(ctx, n, y, seed, p->inputs, outer, AD_GRAD_OWN, 0, out) : AD_OK;
    for (int i = 0; i < n; i++) ad_release(ctx, seed[i]);
    if (s != AD_OK || !n) return s;
    for (int i = 0; i < p->inputs; i++) {
        read_value(out[i], r->product[i]);
        ad_release(ctx, out[i]);
    }
    return AD_OK;
}

/* ⟨v, H v⟩ by a forward sweep over the gradient. */
static ad_status forward_pairing(ad_ctx *ctx, const program *p, const ad_value *outer,
                                 const ad_value *grad, engine_result *r) {
    ad_value tangent[MOST_INPUTS], out[MOST_INPUTS];
    ad_status s = AD_OK;
    for (int i = 0; i < p->inputs; i++)
        tangent[i] = value_of(ctx, &p->node[p->input_node[i]], p->direction[i]);
    for (int i = 0; i < p->inputs && s == AD_OK; i++) {
        double x[MOST_SIZE];
        if (!grad[i].node) continue;
        s = ad_jvp(ctx, p->inputs, outer, tangent, 1, &grad[i], AD_GRAD_OWN, 0, &out[i]);
        if (s != AD_OK) break;
        read_value(out[i], x);
        ad_release(ctx, out[i]);
        for (int k = 0; k < p->node[p->input_node[i]].size; k++)
            r->forward += x[k] * p->direction[i][k];
    }
    for (int i = 0; i < p->inputs; i++) ad_release(ctx, tangent[i]);
    return s;
}

static ad_status sweep(ad_ctx *ctx, const program *p, const ad_value *outer, const ad_value *inner,
                       bool again, engine_result *r) {
    ad_value y, grad[MOST_INPUTS];
    ad_status s = evaluate(ctx, p, inner, &y);
    if (s != AD_OK) return s;
    r->value = y.num;
    s = ad_vjp(ctx, 1, &y, NULL, p->inputs, inner, AD_GRAD_OWN, 0, grad);
    ad_release(ctx, y);
    if (s != AD_OK) return s;
    for (int i = 0; i < p->inputs; i++) read_value(grad[i], r->gradient[i]);
    if (again) s = hessian_product(ctx, p, outer, grad, r);
    if (again && s == AD_OK) s = forward_pairing(ctx, p, outer, grad, r);
    for (int i = 0; i < p->inputs; i++) ad_release(ctx, grad[i]);
    return s;
}

ad_status engine_run(ad_ctx *ctx, const program *p, bool again, engine_result *r) {
    ad_value outer[MOST_INPUTS], inner[MOST_INPUTS];
    ad_status s = AD_OK;
    int made = 0;
    memset(r, 0, sizeof *r);
    for (; made < p->inputs && s == AD_OK; made++) {
        ad_value x = value_of(ctx, &p->node[p->input_node[made]], p->at[made]);
        s = ad_leaf(ctx, x, 0, 0, &outer[made]);
        ad_release(ctx, x);
        if (s == AD_OK) s = ad_leaf(ctx, outer[made], 0, 0, &inner[made]);
    }
    if (s == AD_OK) s = sweep(ctx, p, outer, inner, again, r);
    if (s != AD_OK) snprintf(r->why, sizeof r->why, "%.250s", ad_last_error(ctx)->message);
    while (made--) {
        ad_release(ctx, outer[made]);
        ad_release(ctx, inner[made]);
    }
    ad_collect(ctx, false);
    return s;
}
