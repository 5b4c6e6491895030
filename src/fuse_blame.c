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

/* Is one of its operands made from the input? */
static bool is_above(const ad_node *n, const bool *above) {
    if (n->kind != AD_NODE_OP) return false;
    for (int k = 0; k < n->n; k++)
        if (above[n->in[k]]) return true;
    return false;
}

/* The shares of one instruction in the adjoints of its operands, of those made from the input. False: one is
 * not finite, and the instruction is blamed. */
static bool hand_down(const ad_node *n, const double *y, const bool *above, double value, double adjoint,
                      double *g, ad_blame *out) {
    double x[3] = {0};
    for (int k = 0; k < n->n; k++) x[k] = y[n->in[k]];
    for (int k = 0; k < n->n; k++) {
        if (!above[n->in[k]]) continue;
        double d = adjoint * ad_scalar_partial(n->op, k, x[0], x[1], x[2], value);
        if (isfinite(adjoint) && !isfinite(d)) {
            ad_blame_operation(out, n->op, n->n, x, d);
            out->operand = k;
            g[n->in[k]] = d;
            return false;
        }
        g[n->in[k]] += d;
    }
    return true;
}

/* Reverse at one element: the adjoint of the input, or the first on the way to it that is not finite. */
static double adjoint_of(ad_ctx *ctx, const ad_prog *p, const double *y, int input, ad_blame *out) {
    size_t n = (size_t)p->count, bytes = n * (sizeof(double) + sizeof(bool));
    double *g = ad_mem_get(ctx, bytes), d = 0;
    if (!g) return 0;
    bool *above = (bool *)(g + n);
    memset(g, 0, bytes);
    above[input] = true;
    for (int i = input + 1; i < p->count; i++) above[i] = is_above(&p->nodes[i], above);
    g[p->result[0]] = 1;
    for (int i = p->count - 1; i > input && isfinite(d); i--) {
        const ad_node *node = &p->nodes[i];
        if (!above[i] || g[i] == 0) continue;
        if (!hand_down(node, y, above, y[i], g[i], g, out)) d = out->value;
    }
    if (isfinite(d)) d = g[input];
    ad_mem_put(ctx, g, bytes);
    return d;
}

double ad_prog_blame_adjoint(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank,
                             const int64_t *index, int input, ad_blame *out) {
    double *y = run_at(ctx, p, in, rank, index);
    if (!y) return 0;
    double d = adjoint_of(ctx, p, y, input, out);
    ad_mem_put(ctx, y, (size_t)p->count * sizeof *y);
    return d;
}
