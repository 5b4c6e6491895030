/* SPDX-License-Identifier: MIT */
/* fuse_blame.c - which instruction of a block program made the first inf or nan, seen at one element:
 * the program is run on numbers, and its result (or its adjoint) followed through the nodes. */
#include "blame.h"
#include "fuse.h"
#include "ops.h"

#include <math.h>
#include <string.h>

double ad_number_at(const ad_tensor *t, int64_t offset) {
    const void *x = ad_element(t, offset);
    if (t->dtype == AD_BOOL8) return *(const uint8_t *)x;
    return t->dtype == AD_F32 ? (double)*(const float *)x : *(const double *)x;
}

double ad_element_of(ad_value v, int rank, const int64_t *index) {
    if (v.kind != AD_TENSOR) return v.num;
    int64_t offset = 0;
    const ad_tensor *t = v.tensor;
    for (int a = 0; a < t->rank; a++) {
        int from = rank - t->rank + a;
        if (from >= 0 && t->dims[a] > 1) offset += index[from] * ad_strides(t)[a];
    }
    return ad_number_at(t, offset);
}

static double *run_at(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank,
                      const int64_t *index) {
    double *y = ad_mem_get(ctx, (size_t)p->count * sizeof *y);
    for (int i = 0; y && i < p->count; i++) {
        const ad_node *n = &p->nodes[i];
        double x[3] = {0};
        for (int k = 0; n->kind == AD_NODE_OP && k < n->n; k++) x[k] = y[n->in[k]];
        y[i] = n->kind == AD_NODE_INPUT   ? ad_element_of(in[i], rank, index)
               : n->kind == AD_NODE_CONST ? n->value
                                          : ad_scalar_value(n->op, x[0], x[1], x[2]);
    }
    return y;
}

void ad_blame_operation(ad_blame *out, ad_op op, int n, const double *x, double value) {
    out->op = ad_rows[op].info.name;
    out->operands = n > 3 ? 3 : n;
    for (int k = 0; k < out->operands; k++) out->operand_value[k] = x[k];
    out->value = value;
}

/* From the result to an input that is bad (its number), or -1 with the instruction blamed. */
static int down_program(const ad_prog *p, const double *y, ad_blame *out) {
    int at = p->result[0];
    for (;;) {
        const ad_node *n = &p->nodes[at];
        double x[3];
        int next = -1;
        if (n->kind != AD_NODE_OP) return n->kind == AD_NODE_INPUT ? at : -1;
        for (int k = 0; k < n->n; k++) x[k] = y[n->in[k]];
        for (int k = 0; k < n->n && next < 0; k++)
            if (!isfinite(x[k])) next = n->in[k];
        if (n->op == AD_OP_WHERE) {
            next = n->in[x[0] != 0 ? 1 : 2];
            if (isfinite(y[next])) next = -1;
        }
        if (next < 0) {
            ad_blame_operation(out, n->op, n->n, x, y[at]);
            return -1;
        }
        at = next;
    }
}

int ad_prog_blame(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank, const int64_t *index,
                  ad_blame *out) {
    double *y = run_at(ctx, p, in, rank, index);
    if (!y) return -1;
    int input = down_program(p, y, out);
    ad_mem_put(ctx, y, (size_t)p->count * sizeof *y);
    return input;
}

/* Reverse at one element: the instruction that made an adjoint bad. */
static void blame_instruction(ad_ctx *ctx, const ad_prog *p, const double *y, int input,
                              ad_blame *out) {
    double *g = ad_mem_get(ctx, (size_t)p->count * sizeof *g);
    if (!g) return;
    memset(g, 0, (size_t)p->count * sizeof *g);
    g[p->result[0]] = 1;
    for (int i = p->count - 1; i > input; i--) {
        const ad_node *n = &p->nodes[i];
        double x[3] = {0};
        if (n->kind != AD_NODE_OP || g[i] == 0) continue;
        for (int k = 0; k < n->n; k++) x[k] = y[n->in[k]];
        for (int k = 0; k < n->n; k++) {
            double d = g[i] * ad_scalar_partial(n->op, k, x[0], x[1], x[2], y[i]);
            if (isfinite(g[i]) && !isfinite(d)) {
                ad_blame_operation(out, n->op, n->n, x, d);
                out->operand = k;
                ad_mem_put(ctx, g, (size_t)p->count * sizeof *g);
                return;
            }
            g[n->in[k]] += d;
        }
    }
    ad_mem_put(ctx, g, (size_t)p->count * sizeof *g);
}

void ad_prog_blame_adjoint(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank,
                           const int64_t *index, int input, ad_blame *out) {
    double *y = run_at(ctx, p, in, rank, index);
    if (!y) return;
    blame_instruction(ctx, p, y, input, out);
    ad_mem_put(ctx, y, (size_t)p->count * sizeof *y);
}
