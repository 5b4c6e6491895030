/* SPDX-License-Identifier: MIT */
/* fuse_direct.c - the short way for programs whose results are inputs, or single instructions on inputs
 * and constants: all rows of the table, and most of their pullbacks. Where the tensors are packed and
 * have one shape and dtype, kernels run on them as they lie, without blocks and working memory; a
 * result that is an input is that tensor itself. Everything else goes the way of fuse_run.c. */
#include "fuse.h"

#include "tensor.h"

enum { CHUNK = 16384 }; /* elements between two looks at the interrupt flag */

/* The tensor that all others are like; NULL if they are not. */
static inline const ad_tensor *find_model(const ad_prog *p, const ad_value *in) {
    const ad_tensor *model = NULL;
    for (int k = 0; k < p->inputs; k++) {
        if (!ad_is_tensor(in[k]) || !(p->nodes[k].flags & (AD_NODE_READ | AD_NODE_SHAPE))) continue;
        const ad_tensor *t = in[k].tensor;
        if (t->dtype == AD_BOOL8 || !ad_packed(t)) return NULL;
        if (!model)
            model = t;
        else if (t->dtype != model->dtype || t->asked != model->asked || !ad_same_shape(t, model))
            return NULL;
    }
    return model;
}

/* An input that nothing reads may still lend a result its dtype. */
static bool likes_fit(const ad_prog *p, const ad_value *in, const ad_tensor *model) {
    for (int r = 0; r < p->results; r++) {
        int like = p->result[p->results + r];
        if (like >= 0 && ad_is_tensor(in[like]) && in[like].tensor->dtype != model->dtype) return false;
    }
    return true;
}

typedef struct single {
    ad_block_fn *fn;
    const char *at[3];
    unsigned uniform;
    double slot[3];
} single;

/* Operand k: a tensor as it lies, a number in a slot. */
static AD_INLINE void open_operand(const ad_prog *p, int32_t i, const ad_value *in, uint8_t dtype, int k,
                                   single *s) {
    if (AD_LIKELY(i < p->inputs && ad_is_tensor(in[i]))) {
        s->at[k] = in[i].tensor->data;
        return;
    }
    ad_put_number(&s->slot[k], dtype, i < p->inputs ? in[i].num : p->nodes[i].value);
    s->at[k] = (const char *)&s->slot[k];
    s->uniform |= 1u << k;
}

/* False where no operand is a tensor. */
static AD_INLINE bool open_single(ad_ctx *ctx, const ad_prog *p, const ad_node *x, const ad_value *in,
                                  uint8_t dtype, single *s) {
    const ad_block_table *kernels = ctx->fuse->kernels;
    s->fn = dtype == AD_F32 ? kernels->f32[x->op] : kernels->f64[x->op];
    s->uniform = 0;
    open_operand(p, x->in[0], in, dtype, 0, s);
    s->at[1] = s->at[2] = s->at[0];
    if (x->n > 1) open_operand(p, x->in[1], in, dtype, 1, s);
    if (x->n > 2) open_operand(p, x->in[2], in, dtype, 2, s);
    return s->uniform != (1u << x->n) - 1;
}

static AD_INLINE ad_status run_chunks(ad_ctx *ctx, const single *s, int64_t size, size_t element,
                                      char *out) {
    if (AD_LIKELY(size <= CHUNK)) { /* kernels may look at a first element */
        if (size) s->fn(out, s->at[0], s->at[1], s->at[2], size, s->uniform);
        return ad_poll(ctx);
    }
    for (int64_t i = 0; i < size; i += CHUNK) {
        if (ad_poll(ctx) != AD_OK) return AD_ERR_INTERRUPT;
        const char *at[3];
        size_t skip = (size_t)i * element;
        for (int k = 0; k < 3; k++) at[k] = s->at[k] + (s->uniform >> k & 1 ? 0 : skip);
        int64_t n = size - i < CHUNK ? size - i : CHUNK;
        s->fn(out + skip, at[0], at[1], at[2], n, s->uniform);
    }
    return AD_OK;
}

static AD_INLINE ad_status run_single(ad_ctx *ctx, const single *s, const ad_tensor *model, ad_value *out) {
    ad_tensor *t = ad_tensor_like(ctx, model);
    if (!t) return ad_failed(ctx);
    ad_status st = run_chunks(ctx, s, t->size, model->dtype == AD_F32 ? 4 : 8, t->data);
    if (st == AD_OK)
        *out = ad_wrap(t);
    else
        ad_tensor_release(ctx, t);
    return st;
}

static AD_INLINE bool run_result(ad_ctx *ctx, const ad_prog *p, int32_t node, const ad_value *in,
                                 const ad_tensor *model, ad_value *out, ad_status *s) {
    if (node < p->inputs) {
        if (!ad_is_tensor(in[node])) return false;
        *out = ad_wrap(in[node].tensor);
        out->tensor->refs++;
        return true;
    }
    single one;
    if (!open_single(ctx, p, &p->nodes[node], in, model->dtype, &one)) return false;
    *s = run_single(ctx, &one, model, out);
    return true;
}

bool ad_prog_run_direct(ad_ctx *ctx, const ad_prog *p, const ad_value *in, ad_value *out, ad_status *s) {
    const ad_tensor *model = find_model(p, in);
    if (!model || (p->derived && !likes_fit(p, in, model))) return false;
    *s = AD_OK;
    for (int r = 0; r < p->results; r++) {
        bool done = run_result(ctx, p, p->result[r], in, model, &out[r], s);
        if (AD_LIKELY(done && *s == AD_OK)) continue;
        while (r--) ad_tensor_release(ctx, out[r].tensor);
        return done;
    }
    return true;
}
