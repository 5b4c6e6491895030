/* SPDX-License-Identifier: MIT */
/* fuse_run.c - running block programs on plain values. Numbers are interpreted. Tensors go through in
 * blocks of AD_BLOCK elements: operands that lie together in the right dtype are read in place, numbers
 * and what depends on them alone are computed once ("uniform"), everything else is brought into a
 * staging block first. Results are written in place where the dtype allows it.
 *
 * Programs of single instructions have a shorter way (fuse_direct.c).
 *
 * All working memory is one piece: pointers, steps, then blocks. Nothing here knows of tapes. */
#include "fuse.h"

#include "ops_scalar.h"

#include <string.h>

#include "shape.h"
#include "tensor.h"

/* ---- numbers ------------------------------------------------------------------------------ */

static void run_nodes(const ad_prog *p, double *x) {
    for (int i = p->inputs; i < p->count; i++) {
        const ad_node *node = &p->nodes[i];
        x[i] = node->kind == AD_NODE_CONST
                   ? node->value
                   : ad_scalar_value(node->op, x[node->in[0]], x[node->in[1]], x[node->in[2]]);
    }
}

static uint8_t dtype_of(ad_value v) {
    if (ad_is_tensor(v)) return v.tensor->dtype;
    return v.kind == AD_BOOL ? (uint8_t)AD_BOOL8 : (uint8_t)AD_NUMBER_DTYPE;
}

static ad_status run_numbers(ad_ctx *ctx, const ad_prog *p, const ad_value *in, ad_value *out) {
    uint8_t dtype[AD_MAX_OPERANDS * 2 + 2], result[AD_MAX_OPERANDS + 1];
    double *x = (double *)(void *)ad_fuse_scratch(ctx, (size_t)p->count * sizeof *x);
    if (!x) return ad_failed(ctx);
    for (int i = 0; i < p->inputs; i++) {
        x[i] = ad_is_tensor(in[i]) ? 0 : in[i].num;
        dtype[i] = dtype_of(in[i]);
    }
    run_nodes(p, x);
    ad_prog_dtypes(p, dtype, AD_F64, result);
    for (int k = 0; k < p->results; k++) {
        double y = x[p->result[k]];
        out[k] = result[k] == AD_BOOL8 ? ad_bool(y != 0) : ad_number(y);
    }
    return AD_OK;
}

/* ---- operands of blocks ------------------------------------------------------------------- */

typedef struct step {
    ad_block_fn *fn;
    int32_t out, in[3];
    unsigned uniform;
} step;

/* An operand that is brought into a staging block: the axes that do not lie together, innermost
 * last, and where we are in them. */
typedef struct stage {
    const ad_tensor *tensor;
    int32_t node;
    int32_t rank;
    char *block;
    int64_t period; /* of a repeated run that is staged once, or 0 */
    int64_t offset;
    int64_t dims[AD_MAX_RANK], strides[AD_MAX_RANK], index[AD_MAX_RANK];
} stage;

typedef struct sink {
    ad_tensor *tensor;
    int32_t node;
    bool direct;
} sink;

typedef struct job {
    ad_ctx *ctx;
    ad_prog *p;
    const ad_value *in;
    ad_type type;
    uint8_t mode;
    size_t element; /* bytes of an element in blocks */
    int64_t size;
    const char **at;  /* by node */
    uint8_t *uniform; /* by node */
    uint8_t *moves;   /* by node: goes on with every block */
    double *slot;     /* by node: the value of a uniform one */
    step *steps;
    stage *stages;
    sink *sinks;
    char *blocks;
    int step_count, stage_count, staging;
} job;

enum { BLOCK_BYTES = AD_BLOCK * 8 + 64 };

/* Room for the job's arrays; staged operands may need two blocks each. */
static ad_status open_job(job *j) {
    const ad_prog *p = j->p;
    size_t n = (size_t)p->count, stages = 0;
    for (int i = 0; i < p->inputs; i++) stages += ad_is_tensor(j->in[i]);
    size_t steps = n - (size_t)p->inputs;
    size_t bytes = n * (sizeof *j->at + sizeof *j->slot) + steps * sizeof *j->steps +
                   stages * sizeof *j->stages + (size_t)p->results * sizeof *j->sinks + 2 * n + 64 +
                   ((size_t)p->registers + 2 * stages + 1) * BLOCK_BYTES;
    char *at = ad_fuse_scratch(j->ctx, bytes);
    if (!at) return ad_failed(j->ctx);
    j->blocks = at + (-(uintptr_t)at & 63);
    at = j->blocks + ((size_t)p->registers + 2 * stages + 1) * BLOCK_BYTES;
    j->at = (const char **)(void *)at;
    j->slot = (double *)(void *)(j->at + n);
    j->steps = (step *)(void *)(j->slot + n);
    j->stages = (stage *)(void *)(j->steps + steps);
    j->sinks = (sink *)(void *)(j->stages + stages);
    j->uniform = (uint8_t *)(j->sinks + p->results);
    j->moves = j->uniform + n;
    memset(j->uniform, 0, 2 * n);
    j->staging = p->registers;
    return AD_OK;
}

static void set_uniform(job *j, int node, double x) {
    ad_put_number(&j->slot[node], j->mode, x);
    j->at[node] = (const char *)&j->slot[node];
    j->uniform[node] = 1;
}

/* Joins the axes of a stretched operand; false if there is only one element. */
static bool open_stage(const job *j, const ad_tensor *t, stage *s) {
    int64_t strides[AD_MAX_RANK];
    ad_shape_stretch(t->rank, t->dims, ad_strides(t), j->type.rank, j->type.dims, strides);
    s->tensor = t;
    s->rank = 0;
    s->offset = 0;
    s->period = 0;
    bool varies = false;
    for (int i = 0; i < j->type.rank; i++) {
        int64_t dim = j->type.dims[i], stride = strides[i];
        if (dim == 1) continue;
        varies = varies || stride;
        int last = s->rank - 1;
        if (last >= 0 && s->strides[last] == stride * dim) {
            s->dims[last] *= dim;
            s->strides[last] = stride;
            continue;
        }
        s->dims[s->rank] = dim;
        s->strides[s->rank] = stride;
        s->index[s->rank++] = 0;
    }
    return varies;
}

static bool lies_in_place(const job *j, const ad_tensor *t, const stage *s) {
    return t->dtype == j->mode && s->rank == 1 && s->strides[0] == 1;
}

static void convert_run(const job *j, const stage *s, char *to, int64_t offset, int64_t stride, int64_t n) {
    ad_convert((ad_dtype)j->mode, to, 1, (ad_dtype)s->tensor->dtype, ad_element(s->tensor, offset), stride,
               n);
}

/* A short row that repeats (a bias): laid out once, more than a block of it; blocks then begin
 * somewhere in its first period. */
static bool stage_period(job *j, stage *s) {
    if (s->rank != 2 || s->strides[0] != 0 || s->dims[1] > AD_BLOCK) return false;
    int64_t d = s->dims[1], filled = d;
    convert_run(j, s, s->block, 0, s->strides[1], d);
    while (filled < d + AD_BLOCK) {
        int64_t n = filled < d + AD_BLOCK - filled ? filled : d + AD_BLOCK - filled;
        memcpy(s->block + (size_t)filled * j->element, s->block, (size_t)n * j->element);
        filled += n;
    }
    s->period = d;
    return true;
}

static void add_stage(job *j, int node, stage *s) {
    s->node = node;
    s->block = j->blocks + (size_t)j->staging * BLOCK_BYTES;
    j->staging += 2;
    j->at[node] = s->block;
    stage_period(j, s);
    j->stage_count++;
}

static bool dims_match(const ad_tensor *t, const ad_type *type) {
    return t->rank == type->rank && memcmp(t->dims, type->dims, type->rank * sizeof *t->dims) == 0;
}

static void open_input(job *j, int node) {
    ad_value v = j->in[node];
    if (!ad_is_tensor(v)) {
        set_uniform(j, node, v.num);
        return;
    }
    if (!(j->p->nodes[node].flags & AD_NODE_READ)) return;
    if (v.tensor->dtype == j->mode && dims_match(v.tensor, &j->type) && ad_packed(v.tensor) && j->size > 1) {
        j->at[node] = v.tensor->data; /* the usual case */
        j->moves[node] = 1;
        return;
    }
    stage *s = &j->stages[j->stage_count];
    if (!open_stage(j, v.tensor, s)) {
        double x = 0; /* of a tensor without elements, too: then nothing is computed */
        if (v.tensor->size) ad_convert(AD_F64, &x, 1, (ad_dtype)v.tensor->dtype, v.tensor->data, 1, 1);
        set_uniform(j, node, x);
    } else if (lies_in_place(j, v.tensor, s)) {
        j->at[node] = v.tensor->data;
        j->moves[node] = 1;
    } else {
        add_stage(j, node, s);
    }
}

static ad_block_fn *kernel_of(const job *j, ad_op op) {
    const ad_block_table *k = j->ctx->fuse->kernels;
    return j->mode == AD_F32 ? k->f32[op] : k->f64[op];
}

/* An instruction on uniform operands is done at once, any other becomes a step. */
static void open_node(job *j, int node) {
    const ad_node *x = &j->p->nodes[node];
    if (x->kind == AD_NODE_CONST) {
        set_uniform(j, node, x->value);
        return;
    }
    step *s = &j->steps[j->step_count];
    *s = (step){.fn = kernel_of(j, x->op), .out = node, .in = {x->in[0], x->in[0], x->in[0]}};
    for (int k = 0; k < x->n; k++) {
        s->in[k] = x->in[k];
        s->uniform |= (unsigned)j->uniform[x->in[k]] << k;
    }
    if (s->uniform == (1u << x->n) - 1) {
        j->at[node] = (const char *)&j->slot[node];
        j->uniform[node] = 1;
        s->fn(&j->slot[node], j->at[s->in[0]], j->at[s->in[1]], j->at[s->in[2]], 1, 0);
        return;
    }
    j->at[node] = j->blocks + (size_t)x->block * BLOCK_BYTES;
    j->step_count++;
}

/* ---- results ------------------------------------------------------------------------------ */

/* A result that is there already: an operand of the whole shape, or an earlier result. */
static ad_tensor *shared_result(const job *j, int k, uint8_t dtype) {
    int node = j->p->result[k];
    if (node < j->p->inputs && ad_is_tensor(j->in[node])) {
        ad_tensor *t = j->in[node].tensor;
        if (t->dtype == dtype && t->asked == j->type.asked && dims_match(t, &j->type)) return t;
    }
    for (int i = 0; i < k; i++)
        if (j->sinks[i].node == node && j->sinks[i].tensor->dtype == dtype) return j->sinks[i].tensor;
    return NULL;
}

static bool is_block(const job *j, int node) {
    return j->p->nodes[node].kind == AD_NODE_OP && !j->uniform[node] && !j->moves[node];
}

static ad_status open_sink(job *j, int k, uint8_t dtype) {
    sink *s = &j->sinks[k];
    *s = (sink){.node = j->p->result[k]};
    s->tensor = shared_result(j, k, dtype);
    if (s->tensor) {
        ad_tensor_retain(s->tensor);
        s->node = -1;
        return AD_OK;
    }
    j->type.dtype = dtype;
    s->tensor = ad_tensor_of_type(j->ctx, &j->type);
    if (!s->tensor) return ad_failed(j->ctx);
    s->direct = dtype == j->mode && is_block(j, s->node);
    if (s->direct) {
        j->at[s->node] = s->tensor->data;
        j->moves[s->node] = 1;
    }
    return AD_OK;
}

/* A shared result is no sink of its own, but later ones may want to share it as well. */
static ad_status open_sinks(job *j, const uint8_t *dtype) {
    for (int k = 0; k < j->p->results; k++) {
        if (open_sink(j, k, dtype[k]) == AD_OK) continue;
        while (k--) ad_tensor_release(j->ctx, j->sinks[k].tensor);
        return ad_failed(j->ctx);
    }
    return AD_OK;
}

static void close_sinks(job *j, ad_status s, ad_value *out) {
    for (int k = 0; k < j->p->results; k++) {
        if (s == AD_OK)
            out[k] = ad_wrap(j->sinks[k].tensor);
        else
            ad_tensor_release(j->ctx, j->sinks[k].tensor);
    }
}

/* ---- the blocks --------------------------------------------------------------------------- */

static void next_run(stage *s, int64_t n) {
    int i = s->rank - 1;
    s->index[i] += n;
    s->offset += n * s->strides[i];
    while (s->index[i] == s->dims[i]) {
        s->offset -= s->dims[i] * s->strides[i];
        s->index[i] = 0;
        if (--i < 0) return;
        s->index[i]++;
        s->offset += s->strides[i];
    }
}

static void fill_run(const job *j, const stage *s, char *to, int64_t n) {
    if (j->mode == AD_F64 && s->tensor->dtype == AD_F64) {
        double x = *(const double *)ad_element(s->tensor, s->offset), *y = (double *)(void *)to;
        for (int64_t i = 0; i < n; i++) y[i] = x;
        return;
    }
    convert_run(j, s, to, s->offset, 0, n);
}

/* The next n elements of a staged operand. */
static void load_stage(job *j, stage *s, int64_t position, int64_t n) {
    if (s->period) {
        j->at[s->node] = s->block + (size_t)(position % s->period) * j->element;
        return;
    }
    int last = s->rank - 1;
    for (int64_t done = 0; done < n;) {
        int64_t run = s->dims[last] - s->index[last];
        if (run > n - done) run = n - done;
        char *to = s->block + (size_t)done * j->element;
        if (s->strides[last] == 0)
            fill_run(j, s, to, run);
        else
            convert_run(j, s, to, s->offset, s->strides[last], run);
        next_run(s, run);
        done += run;
    }
}

static void store_sink(const job *j, const sink *s, int64_t position, int64_t n) {
    if (s->direct || s->node < 0) return;
    ad_convert((ad_dtype)s->tensor->dtype, ad_element_mut(s->tensor, position), 1, (ad_dtype)j->mode,
               j->at[s->node], j->uniform[s->node] ? 0 : 1, n);
}

static void run_steps(const job *j, int64_t n) {
    for (int i = 0; i < j->step_count; i++) {
        const step *s = &j->steps[i];
        char *out = (char *)(uintptr_t)j->at[s->out];
        s->fn(out, j->at[s->in[0]], j->at[s->in[1]], j->at[s->in[2]], n, s->uniform);
    }
}

static ad_status run_blocks(job *j) {
    size_t forward = AD_BLOCK * j->element;
    for (int64_t position = 0; position < j->size; position += AD_BLOCK) {
        if (ad_poll(j->ctx) != AD_OK) return AD_ERR_INTERRUPT;
        int64_t n = j->size - position < AD_BLOCK ? j->size - position : AD_BLOCK;
        for (int i = 0; i < j->stage_count; i++) load_stage(j, &j->stages[i], position, n);
        run_steps(j, n);
        for (int k = 0; k < j->p->results; k++) store_sink(j, &j->sinks[k], position, n);
        if (n < AD_BLOCK) break;
        for (int i = 0; i < j->p->count; i++)
            if (j->moves[i]) j->at[i] += forward;
    }
    return AD_OK;
}

/* ---- shapes ------------------------------------------------------------------------------- */

/* The usual case: all tensors have one shape. */
static bool one_shape(const ad_prog *p, const ad_value *in, ad_type *out) {
    const ad_tensor *model = NULL;
    uint16_t asked = 0;
    for (int i = 0; i < p->inputs; i++) {
        if (!(p->nodes[i].flags & AD_NODE_SHAPE) || !ad_is_tensor(in[i])) continue;
        const ad_tensor *t = in[i].tensor;
        asked |= t->asked;
        if (!model)
            model = t;
        else if (!ad_same_shape(t, model))
            return false;
    }
    if (!model) return false;
    out->dtype = model->dtype;
    out->rank = model->rank;
    out->asked = asked;
    memcpy(out->dims, model->dims, model->rank * sizeof *out->dims);
    return true;
}

static ad_status shape_of_call(job *j) {
    if (one_shape(j->p, j->in, &j->type)) return AD_OK;
    size_t bytes = (size_t)j->p->inputs * sizeof(ad_type);
    ad_type *types = ad_mem_get(j->ctx, bytes);
    if (!types) return ad_failed(j->ctx);
    for (int i = 0; i < j->p->inputs; i++) types[i] = ad_type_of(j->in[i]);
    ad_status s = ad_prog_shape(j->ctx, j->p, types, &j->type);
    ad_mem_put(j->ctx, types, bytes);
    return s;
}

/* In which dtype blocks are computed, and whether there is a tensor at all. */
static bool choose_mode(job *j, uint8_t *dtype) {
    bool tensors = false, wide = false, narrow = false;
    for (int i = 0; i < j->p->inputs; i++) {
        dtype[i] = dtype_of(j->in[i]);
        if (!ad_is_tensor(j->in[i]) || !(j->p->nodes[i].flags & (AD_NODE_READ | AD_NODE_SHAPE))) continue;
        tensors = true;
        wide = wide || dtype[i] == AD_F64;
        narrow = narrow || dtype[i] == AD_F32;
    }
    j->mode = narrow && !wide ? AD_F32 : AD_F64;
    j->element = j->mode == AD_F32 ? 4 : 8;
    return tensors;
}

static ad_status run_tensors(job *j, const uint8_t *dtype, ad_value *out) {
    uint8_t result[AD_MAX_OPERANDS + 1];
    ad_status s = shape_of_call(j);
    if (s == AD_OK) s = open_job(j);
    if (s != AD_OK) return s;
    j->size = 1;
    for (int i = 0; i < j->type.rank; i++) j->size *= j->type.dims[i];
    for (int i = 0; i < j->p->inputs; i++) open_input(j, i);
    for (int i = j->p->inputs; i < j->p->count; i++) open_node(j, i);
    ad_prog_dtypes(j->p, dtype, j->mode, result);
    s = open_sinks(j, result);
    if (s != AD_OK) return s;
    s = run_blocks(j);
    close_sinks(j, s, out);
    return s;
}

static ad_status run_long(ad_ctx *ctx, ad_prog *p, const ad_value *in, ad_value *out) {
    uint8_t dtype[2 * AD_MAX_OPERANDS + 2];
    job j; /* not cleared as a whole, which would take longer than four additions */
    j.ctx = ctx;
    j.p = p;
    j.in = in;
    j.step_count = j.stage_count = 0;
    if (!choose_mode(&j, dtype)) return run_numbers(ctx, p, in, out);
    return run_tensors(&j, dtype, out);
}

ad_status ad_prog_run(ad_ctx *ctx, ad_prog *p, const ad_value *in, ad_value *out) {
    ad_status s;
    if (AD_LIKELY(p->direct && ad_prog_run_direct(ctx, p, in, out, &s))) return s;
    return run_long(ctx, p, in, out);
}
