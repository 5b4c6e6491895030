/* SPDX-License-Identifier: MIT */
/* fuse.c - block programs: building them, dropping what is dead, giving registers, and working out
 * shapes and dtypes. Running them is in fuse_run.c, differentiating them in fuse_derive.c. */
#include "fuse.h"

#include "ops_scalar.h"

#include <string.h>

#include "shape.h"

/* ---- the room's state --------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#define CPU_HAS(feature) __builtin_cpu_supports(feature)
#else
#define CPU_HAS(feature) 0
#endif

const ad_block_table *ad_block_kernels(void) {
#ifdef AD_HAVE_AVX512
    if (CPU_HAS("avx512f") && CPU_HAS("avx512dq") && CPU_HAS("avx512vl") && CPU_HAS("avx512bw"))
        return &ad_block_avx512;
#endif
#ifdef AD_HAVE_AVX2
    if (CPU_HAS("avx2") && CPU_HAS("fma")) return &ad_block_avx2;
#endif
    return &ad_block_generic;
}

ad_status ad_fuse_open(ad_ctx *ctx) {
    ctx->fuse = ad_mem_get(ctx, sizeof *ctx->fuse);
    if (!ctx->fuse) return ad_failed(ctx);
    memset(ctx->fuse, 0, sizeof *ctx->fuse);
    ctx->fuse->kernels = ad_block_kernels();
    return AD_OK;
}

void ad_fuse_close(ad_ctx *ctx) {
    ad_fuse *f = ctx->fuse;
    if (!f) return;
    for (int op = 0; op < AD_ELEMENTWISE_END; op++)
        if (f->row[op]) ad_prog_release(ctx, f->row[op]);
    if (f->scratch) ad_mem_put(ctx, f->scratch, f->room);
    ad_mem_put(ctx, f, sizeof *f);
    ctx->fuse = NULL;
}

char *ad_fuse_scratch(ad_ctx *ctx, size_t bytes) {
    ad_fuse *f = ctx->fuse;
    if (AD_LIKELY(bytes <= f->room)) return f->scratch;
    char *fresh = ad_mem_get(ctx, bytes);
    if (!fresh) return NULL;
    if (f->scratch) ad_mem_put(ctx, f->scratch, f->room);
    f->scratch = fresh;
    f->room = bytes;
    return fresh;
}

/* ---- life --------------------------------------------------------------------------------- */

ad_prog *ad_prog_raw(ad_ctx *ctx, int inputs) {
    ad_prog *p = ad_mem_get(ctx, sizeof *p);
    if (!p) return NULL;
    *p = (ad_prog){.ctx = ctx, .refs = 1, .inputs = inputs, .room = inputs + 16};
    p->nodes = ad_mem_get(ctx, (size_t)p->room * sizeof *p->nodes);
    if (!p->nodes) {
        ad_mem_put(ctx, p, sizeof *p);
        return NULL;
    }
    for (; p->count < inputs; p->count++) p->nodes[p->count] = (ad_node){.kind = AD_NODE_INPUT};
    return p;
}

ad_prog *ad_prog_new(ad_ctx *ctx, int inputs) {
    if (inputs >= 0 && inputs <= AD_MAX_OPERANDS) return ad_prog_raw(ctx, inputs);
    ad_fail(ctx, AD_ERR_ARGUMENT, -1, "a block program takes at most %d inputs, got %d", AD_MAX_OPERANDS,
            inputs);
    return NULL;
}

void ad_prog_retain(ad_prog *p) { p->refs++; }

/* Derived programs hang below, as deep as the highest order that was asked for. */
void ad_prog_release(ad_ctx *ctx, ad_prog *p) {
    if (--p->refs) return;
    for (ad_derived *d = p->cache, *next; d; d = next) {
        next = d->next;
        ad_prog_release(ctx, d->prog);
        ad_mem_put(ctx, d, sizeof *d);
    }
    if (p->result) ad_mem_put(ctx, p->result, 2 * (size_t)p->results * sizeof *p->result);
    ad_mem_put(ctx, p->nodes, (size_t)p->room * sizeof *p->nodes);
    ad_mem_put(ctx, p, sizeof *p);
}

/* ---- building ----------------------------------------------------------------------------- */

static int fail_build(ad_prog *p) {
    p->failed = true;
    return -1;
}

static bool same_node(const ad_node *a, const ad_node *b) {
    return a->kind == b->kind && a->op == b->op && a->n == b->n && a->in[0] == b->in[0] &&
           a->in[1] == b->in[1] && a->in[2] == b->in[2] &&
           memcmp(&a->value, &b->value, sizeof a->value) == 0;
}

static int push(ad_prog *p, const ad_node *node) {
    for (int i = p->inputs; i < p->count; i++)
        if (same_node(&p->nodes[i], node)) return i;
    if (p->count == p->room) {
        size_t old = (size_t)p->room * sizeof *node;
        ad_node *more = ad_mem_resize(p->ctx, p->nodes, old, 2 * old);
        if (!more) return fail_build(p);
        p->nodes = more;
        p->room *= 2;
    }
    p->nodes[p->count] = *node;
    return p->count++;
}

int ad_prog_number(ad_prog *p, double value) {
    ad_node node = {.kind = AD_NODE_CONST, .value = value, .where = -1};
    return p->failed ? -1 : push(p, &node);
}

static bool is_truth(ad_op op) { return ad_rows[op].info.flags & AD_ROW_TRUTH; }

/* Comparisons stay, since their result is a bool and a constant is a number. */
static bool can_fold(const ad_prog *p, ad_op op, int n, const int32_t *in) {
    for (int i = 0; i < n; i++)
        if (p->nodes[in[i]].kind != AD_NODE_CONST) return false;
    return p->derived || !is_truth(op);
}

int ad_prog_node(ad_prog *p, ad_op op, int n, const int32_t *in, int where) {
    for (int i = 0; i < n; i++)
        if (in[i] < 0 || in[i] >= p->count) return -1;
    if (p->failed) return -1;
    if (can_fold(p, op, n, in)) {
        double x[3] = {0};
        for (int i = 0; i < n; i++) x[i] = p->nodes[in[i]].value;
        return ad_prog_number(p, ad_scalar_value(op, x[0], x[1], x[2]));
    }
    ad_node node = {.kind = AD_NODE_OP, .n = (uint8_t)n, .op = op, .where = where};
    for (int i = 0; i < n; i++) node.in[i] = in[i];
    return push(p, &node);
}

int ad_prog_const(ad_prog *p, double value) { return ad_prog_number(p, value); }

int ad_prog_emit(ad_prog *p, ad_op op, int n, const int *regs, int where) {
    if (op == AD_OP_NONE || op >= AD_ELEMENTWISE_END || n != ad_rows[op].info.min_operands) return -1;
    if (p->emitted == AD_PROG_ROOM) return -1;
    int32_t in[3] = {0};
    for (int i = 0; i < n; i++) in[i] = regs[i];
    int node = ad_prog_node(p, op, n, in, where);
    if (node >= 0) p->emitted++;
    return node;
}

/* ---- finishing ---------------------------------------------------------------------------- */

/* What a result needs, and through which of its operands it can have a derivative. */
static void mark(ad_prog *p) {
    for (int k = 0; k < p->results; k++)
        p->nodes[p->result[k]].flags |= AD_NODE_READ | AD_NODE_SMOOTH;
    for (int i = p->count - 1; i >= p->inputs; i--) {
        const ad_node *x = &p->nodes[i];
        if (!(x->flags & AD_NODE_READ)) continue;
        for (int k = 0; k < x->n; k++) {
            p->nodes[x->in[k]].flags |= AD_NODE_READ;
            if ((x->flags & AD_NODE_SMOOTH) && !ad_partial_is_zero(x->op, k))
                p->nodes[x->in[k]].flags |= AD_NODE_SMOOTH;
        }
    }
}

/* Moves what is alive together. */
static ad_status compact(ad_prog *p) {
    int32_t *place = (int32_t *)(void *)ad_fuse_scratch(p->ctx, (size_t)p->count * sizeof *place + 1);
    if (!place) return ad_failed(p->ctx);
    int count = p->inputs;
    for (int i = 0; i < p->inputs; i++) place[i] = i;
    for (int i = p->inputs; i < p->count; i++) {
        ad_node x = p->nodes[i];
        if (!(x.flags & AD_NODE_READ)) continue;
        for (int k = 0; k < x.n; k++) x.in[k] = place[x.in[k]];
        place[i] = count;
        p->nodes[count++] = x;
    }
    for (int k = 0; k < p->results; k++) p->result[k] = place[p->result[k]];
    p->count = count;
    return AD_OK;
}

static void release_dead(ad_prog *p, int i, const int32_t *last, uint8_t *busy) {
    const ad_node *x = &p->nodes[i];
    for (int k = 0; k < x->n; k++) {
        int from = x->in[k];
        if (p->nodes[from].kind == AD_NODE_OP && last[from] == i) busy[p->nodes[from].block] = 0;
    }
}

/* Linear scan: an instruction may write over an operand that dies in it. */
static ad_status give_registers(ad_prog *p) {
    size_t bytes = (size_t)p->count * (sizeof(int32_t) + 1);
    int32_t *last = (int32_t *)(void *)ad_fuse_scratch(p->ctx, bytes + 1);
    if (!last) return ad_failed(p->ctx);
    uint8_t *busy = (uint8_t *)(last + p->count);
    memset(busy, 0, (size_t)p->count);
    for (int i = 0; i < p->count; i++) last[i] = i;
    for (int i = p->inputs; i < p->count; i++)
        for (int k = 0; k < p->nodes[i].n; k++) last[p->nodes[i].in[k]] = i;
    for (int k = 0; k < p->results; k++) last[p->result[k]] = p->count;
    for (int i = p->inputs; i < p->count; i++) {
        if (p->nodes[i].kind != AD_NODE_OP) continue;
        release_dead(p, i, last, busy);
        int block = 0;
        while (busy[block]) block++;
        busy[block] = last[i] > i;
        p->nodes[i].block = block;
        if (block >= p->registers) p->registers = block + 1;
    }
    return AD_OK;
}

static void look(ad_prog *p) {
    int ops = 0, last = -1;
    for (int i = p->inputs; i < p->count; i++) {
        if (p->nodes[i].kind != AD_NODE_OP) continue;
        ops++;
        last = i;
        p->truths = p->truths || is_truth(p->nodes[i].op);
    }
    for (int i = 0; i < p->inputs; i++) {
        if (p->nodes[i].flags & AD_NODE_READ) p->nodes[i].flags |= AD_NODE_SHAPE;
        if (i < 64 && p->nodes[i].flags & AD_NODE_SMOOTH) p->smooth |= UINT64_C(1) << i;
    }
    if (ops != 1 || p->results != 1 || p->result[0] != last || p->nodes[last].n != p->inputs) return;
    for (int k = 0; k < p->inputs; k++)
        if (p->nodes[last].in[k] != k) return;
    p->row = p->nodes[last].op;
}

static bool is_direct(const ad_prog *p) {
    for (int r = 0; r < p->results; r++) {
        const ad_node *x = &p->nodes[p->result[r]];
        if (x->kind == AD_NODE_CONST) return false;
        for (int k = 0; x->kind == AD_NODE_OP && k < x->n; k++)
            if (p->nodes[x->in[k]].kind == AD_NODE_OP) return false;
    }
    return !p->truths;
}

ad_status ad_prog_finish_all(ad_prog *p, int results, const int32_t *result, const int32_t *like) {
    for (int k = 0; k < results; k++)
        if (result[k] < 0 || result[k] >= p->count) p->failed = true;
    if (p->failed) return ad_last_error(p->ctx)->status == AD_ERR_MEMORY ? AD_ERR_MEMORY : ad_fail(
        p->ctx, AD_ERR_ARGUMENT, -1, "a block program has a register that does not exist");
    p->result = ad_mem_get(p->ctx, 2 * (size_t)results * sizeof *p->result);
    if (!p->result) return ad_failed(p->ctx);
    p->results = results;
    memcpy(p->result, result, (size_t)results * sizeof *result);
    for (int k = 0; k < results; k++) p->result[results + k] = like ? like[k] : -1;
    mark(p);
    ad_status s = compact(p);
    if (s == AD_OK) look(p);
    p->direct = s == AD_OK && is_direct(p);
    return s == AD_OK ? give_registers(p) : s;
}

ad_status ad_prog_finish(ad_prog *p, int result) {
    int32_t node = result;
    return ad_prog_finish_all(p, 1, &node, NULL);
}

ad_prog *ad_prog_of_row(ad_ctx *ctx, ad_op op) {
    ad_fuse *f = ctx->fuse;
    if (AD_LIKELY(f->row[op] != NULL)) return f->row[op];
    int n = ad_rows[op].info.min_operands;
    ad_prog *p = ad_prog_raw(ctx, n);
    if (!p) return NULL;
    const int32_t in[] = {0, 1, 2};
    if (ad_prog_finish(p, ad_prog_node(p, op, n, in, 0)) != AD_OK) {
        ad_prog_release(ctx, p);
        return NULL;
    }
    return f->row[op] = p;
}

/* ---- questions ---------------------------------------------------------------------------- */

int ad_prog_inputs(const ad_prog *p) { return p->inputs; }

int ad_prog_results(const ad_prog *p) { return p->results; }

bool ad_prog_reads(const ad_prog *p, int k) { return p->nodes[k].flags & AD_NODE_READ; }

ad_op ad_prog_row(const ad_prog *p) { return p->row; }

bool ad_prog_is_costly(const ad_prog *p) {
    bool costly = false;
    for (int i = 0; i < p->count; i++) {
        ad_op op = p->nodes[i].kind == AD_NODE_OP ? p->nodes[i].op : AD_OP_NONE;
        costly = costly || op == AD_OP_POW || op == AD_OP_MOD || (op >= AD_OP_FIXED && op != AD_OPID_mulz);
    }
    return costly;
}

uint64_t ad_prog_dependence(const ad_prog *p) {
    if (AD_LIKELY(p->ctx->sabotage == AD_OP_NONE)) return p->smooth;
    /* a falsified row may be 0 by rule: then what is read may count */
    uint64_t mask = p->smooth;
    for (int i = 0; i < p->inputs && i < 64; i++)
        if (p->nodes[i].flags & AD_NODE_READ) mask |= UINT64_C(1) << i;
    return mask;
}

/* ---- shapes and dtypes -------------------------------------------------------------------- */

/* Instruction by instruction, so that an error names the one that does not fit. */
static ad_status shape_guarded(ad_ctx *ctx, ad_prog *p, const ad_type *in, ad_type *out) {
    size_t bytes = (size_t)p->count * sizeof(ad_type);
    ad_type *types = ad_mem_get(ctx, bytes);
    if (!types) return ad_failed(ctx);
    ad_status s = AD_OK;
    for (int i = 0; i < p->count && s == AD_OK; i++) {
        const ad_node *x = &p->nodes[i];
        if (x->kind != AD_NODE_OP) {
            types[i] = x->kind == AD_NODE_INPUT ? in[i] : (ad_type){.dtype = AD_F64};
            continue;
        }
        ad_type operand[3];
        for (int k = 0; k < x->n; k++) operand[k] = types[x->in[k]];
        s = ad_broadcast_types(ctx, x->n, operand, &types[i]);
        if (s != AD_OK) ctx->error.where = x->where;
    }
    if (s == AD_OK) *out = types[p->result[0]];
    ad_mem_put(ctx, types, bytes);
    return s;
}

static void stretch(ad_type *out, const ad_type *t) {
    int shift = t->rank - out->rank;
    if (shift > 0) {
        memmove(out->dims + shift, out->dims, out->rank * sizeof *out->dims);
        for (int i = 0; i < shift; i++) out->dims[i] = 1;
        out->rank = t->rank;
        shift = 0;
    }
    for (int i = 0; i < t->rank; i++)
        if (out->dims[i - shift] == 1) out->dims[i - shift] = t->dims[i];
}

ad_status ad_prog_shape(ad_ctx *ctx, ad_prog *p, const ad_type *in, ad_type *out) {
    if (!p->derived) return shape_guarded(ctx, p, in, out);
    *out = (ad_type){.dtype = AD_F64};
    for (int i = 0; i < p->inputs; i++)
        if (p->nodes[i].flags & AD_NODE_SHAPE) stretch(out, &in[i]);
    return AD_OK;
}

static uint8_t join(uint8_t a, uint8_t b) {
    if (a == AD_F64 || b == AD_F64) return AD_F64;
    if (a == AD_F32 || b == AD_F32) return AD_F32;
    return AD_NUMBER_DTYPE;
}

static uint8_t node_dtype(const ad_node *x, const uint8_t *dtype) {
    if (is_truth(x->op)) return AD_BOOL8;
    if (x->op == AD_OP_WHERE) {
        uint8_t a = dtype[x->in[1]], b = dtype[x->in[2]];
        return a == AD_BOOL8 && b == AD_BOOL8 ? AD_BOOL8 : join(a, b);
    }
    uint8_t d = AD_NUMBER_DTYPE;
    for (int k = 0; k < x->n; k++) d = join(d, dtype[x->in[k]]);
    return d;
}

void ad_prog_dtypes(const ad_prog *p, const uint8_t *in, uint8_t mode, uint8_t *out) {
    uint8_t dtype[AD_DTYPE_ROOM];
    for (int k = 0; k < p->results; k++) {
        int like = p->result[p->results + k];
        uint8_t d = like >= 0 ? in[like] : mode;
        out[k] = d <= AD_F32 ? d : mode;
    }
    if (p->derived) return;
    for (int i = 0; i < p->count; i++) {
        const ad_node *x = &p->nodes[i];
        dtype[i] = x->kind == AD_NODE_INPUT  ? in[i]
                   : x->kind == AD_NODE_CONST ? (uint8_t)AD_NUMBER_DTYPE
                                              : node_dtype(x, dtype);
    }
    for (int k = 0; k < p->results; k++) {
        uint8_t d = dtype[p->result[k]];
        out[k] = d == AD_NUMBER_DTYPE ? mode : d;
    }
}

static uint8_t type_mode(const ad_prog *p, const ad_type *in, uint8_t *dtype) {
    uint8_t mode = AD_NUMBER_DTYPE;
    for (int i = 0; i < p->inputs; i++) {
        bool number = in[i].rank == 0 && in[i].dtype != AD_BOOL8;
        dtype[i] = number ? (uint8_t)AD_NUMBER_DTYPE : in[i].dtype;
        if (p->nodes[i].flags & (AD_NODE_READ | AD_NODE_SHAPE)) mode = join(mode, dtype[i]);
    }
    return mode == AD_NUMBER_DTYPE ? (uint8_t)AD_F64 : mode;
}

ad_status ad_prog_infer(ad_ctx *ctx, ad_prog *p, const ad_type *in, ad_type *out) {
    uint8_t dtype[2 * AD_MAX_OPERANDS + 2], result[AD_MAX_OPERANDS + 1];
    ad_status s = ad_prog_shape(ctx, p, in, out);
    if (s != AD_OK) return s;
    ad_prog_dtypes(p, dtype, type_mode(p, in, dtype), result);
    for (int k = 1; k < p->results; k++) out[k] = out[0];
    for (int k = 0; k < p->results; k++)
        out[k].dtype = out[k].rank || result[k] == AD_BOOL8 ? result[k] : (uint8_t)AD_F64;
    return AD_OK;
}
