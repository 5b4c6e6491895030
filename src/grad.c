/* SPDX-License-Identifier: MIT */
/* grad.c - derivatives as values: sweeps with their seeds, the entry from which a sweep can be repeated,
 * Jacobians, many rows or columns in one sweep, rows for several denominators at once.
 *
 * A gradient is one entry. Only if somebody differentiates it is its sweep run again with recording
 * (ad_unroll): a training loop pays nothing for second derivatives. */
#include "lines.h"
#include "shape.h"

#include <string.h>

/* A request: what is asked, in nodes. One block holds all arrays. */
typedef struct request {
    size_t bytes;
    int ny, n;
    int64_t lines; /* ad_sweep.lines */
    bool both;     /* ad_sweep.both */
    uint32_t *y, *wrt;
    ad_value *seed, *result;
} request;

static ad_status request_open(ad_ctx *ctx, int ny, int n, request *q) {
    size_t all = (size_t)(ny + n);
    q->bytes = all * (sizeof(ad_value) * 2 + sizeof(uint32_t));
    q->ny = ny;
    q->n = n;
    q->lines = 0;
    q->both = false;
    q->seed = ad_mem_get(ctx, q->bytes);
    if (!q->seed) return ad_failed(ctx);
    q->result = q->seed + all;
    q->y = (uint32_t *)(q->result + all);
    q->wrt = q->y + ny;
    return AD_OK;
}

static void request_close(ad_ctx *ctx, request *q) { ad_mem_put(ctx, q->seed, q->bytes); }

static ad_status check_tracked(ad_ctx *ctx, int n, const ad_value *wrt) {
    for (int i = 0; i < n; i++)
        if (!wrt[i].node)
            return ad_fail(ctx, AD_ERR_UNTRACKED, i, "the denominator of a derivative is not tracked");
    return AD_OK;
}

static ad_status fill_request(ad_ctx *ctx, request *q, const ad_value *y, const ad_value *wrt) {
    for (int i = 0; i < q->ny; i++) {
        q->y[i] = y[i].node ? ad_operand(ctx, y[i]) : 0;
        if (y[i].node && !q->y[i]) return ad_failed(ctx);
    }
    for (int i = 0; i < q->n; i++) q->wrt[i] = ad_where_is(ctx->tape, wrt[i].node);
    return AD_OK;
}

static ad_status zeros_like(ad_ctx *ctx, int64_t lines, ad_value like, ad_value *out) {
    ad_type type = ad_type_of(like);
    if (lines) type = ad_lines_type(lines, &type);
    return ad_zeros_of(ctx, &type, out);
}

/* Where no path arrives the derivative is 0. Takes the present results over on failure. */
static ad_status fill_absent(ad_ctx *ctx, int64_t lines, int n, const ad_value *like, ad_value *v) {
    ad_status st = AD_OK;
    for (int i = 0; i < n && st == AD_OK; i++)
        if (v[i].head == AD_ABSENT_HEAD) st = zeros_like(ctx, lines, like[i], &v[i]);
    if (st == AD_OK) return st;
    for (int i = 0; i < n; i++)
        if (v[i].head != AD_ABSENT_HEAD) ad_release(ctx, v[i]);
    return st;
}

static bool is_of_param(const ad_tape *t, uint32_t node) {
    const tape_entry *e = node ? ad_at(t, node) : NULL;
    return e && e->op == E_LEAF && e->b;
}

/* A sweep for a parameter ends at every leaf of one, others pass through what these link to: have some of
 * the denominators to be taken by themselves? */
static bool are_mixed(const ad_tape *t, int n, const uint32_t *wrt) {
    int params = 0, linked = 0;
    for (int i = 0; i < n; i++) {
        params += is_of_param(t, wrt[i]);
        linked += is_of_param(t, wrt[i]) && ad_at(t, wrt[i])->a;
    }
    return linked && params < n;
}

/* in = y, seeds (or wrt), wrt (or tangents): what the entry needs to be swept again. */
static ad_status record_entry(ad_ctx *ctx, unsigned op, uint32_t src, const request *q, int n, int nseed,
                              const ad_value *y, const ad_value *middle, const ad_value *last,
                              int nout, ad_value *out) {
    int ny = q->ny;
    int nin = ny + nseed + n;
    size_t bytes = (size_t)nin * sizeof(ad_value);
    ad_value *in = ad_mem_get(ctx, bytes);
    if (!in) return ad_failed(ctx);
    memcpy(in, y, (size_t)ny * sizeof *in);
    memcpy(in + ny, middle, (size_t)nseed * sizeof *in);
    memcpy(in + ny + nseed, last, (size_t)n * sizeof *in);
    /* Of y and wrt only nodes and types are read again; the seeds (or tangents) are needed whole. */
    ad_payload *p = ad_payload_new(ctx, nin, in, nout, out, SAVE_ALL & ~SAVE_OUT, NULL);
    ad_mem_put(ctx, in, bytes);
    if (p) {
        p->ny = (uint16_t)ny;
        p->nwrt = (uint16_t)(op == E_GRAD ? n : nseed);
        p->lines = (uint8_t)q->lines;
        p->both = q->both;
    }
    return ad_record(ctx, op, src, p, nout, out);
}

/* ---- reverse ------------------------------------------------------------------------------ */

static ad_status vjp_sweep(ad_ctx *ctx, request *q, bool record, bool own, bool *open) {
    ad_sweep *s;
    ad_status st = ad_sweep_begin(ctx, record, &s);
    if (st != AD_OK) return st;
    s->own = own;
    s->nwrt = q->n;
    s->wrt = q->wrt;
    s->result = q->result;
    if (q->lines) ad_sweep_set_lines(s, q->lines);
    st = ad_sweep_trace(s, q->ny, q->y, record || s->watched);
    if (st == AD_OK) st = ad_sweep_reverse(s, q->ny, q->y, q->seed);
    *open = s->open;
    ad_sweep_end(s);
    return st;
}

static ad_status one_by_one(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                            const ad_value *wrt, unsigned flags, uint32_t src, ad_value *out) {
    for (int i = 0; i < n; i++) {
        ad_status st = ad_vjp(ctx, ny, y, seed, 1, &wrt[i], flags, src, &out[i]);
        if (st == AD_OK) continue;
        while (i--) ad_release(ctx, out[i]);
        return st;
    }
    return AD_OK;
}

static ad_status vjp_record(ad_ctx *ctx, request *q, const ad_value *y, const ad_value *wrt,
                            uint32_t src, ad_value *out) {
    ad_status st = record_entry(ctx, E_GRAD, src, q, q->n, q->ny, y, q->seed, wrt, q->n, out);
    for (int i = 0; st != AD_OK && i < q->n; i++) ad_release(ctx, out[i]);
    return st;
}

static bool any_node(int n, const uint32_t *nodes) {
    for (int i = 0; i < n; i++)
        if (nodes[i]) return true;
    return false;
}

static ad_status vjp(ad_ctx *ctx, int64_t lines, int ny, const ad_value *y, const ad_value *seed, int n,
                     const ad_value *wrt, unsigned flags, uint32_t src, ad_value *out) {
    request q;
    ad_status st = check_tracked(ctx, n, wrt);
    if (st != AD_OK || n == 0) return st;
    if ((st = request_open(ctx, ny, n, &q)) != AD_OK) return st;
    q.lines = lines;
    st = fill_request(ctx, &q, y, wrt);
    if (st == AD_OK && n > 1 && are_mixed(ctx->tape, n, q.wrt)) {
        request_close(ctx, &q);
        return one_by_one(ctx, ny, y, seed, n, wrt, flags, src, out);
    }
    bool open = false;
    for (int i = 0; i < ny; i++) q.seed[i] = seed ? seed[i] : ad_number(1);
    if (st == AD_OK) st = vjp_sweep(ctx, &q, false, flags & AD_GRAD_OWN, &open);
    if (st == AD_OK) st = fill_absent(ctx, lines, n, wrt, q.result);
    if (st == AD_OK) {
        memcpy(out, q.result, (size_t)n * sizeof *out);
        for (int i = 0; seed && i < ny; i++) open = open || seed[i].node;
        if (ctx->recording && open && any_node(ny, q.y)) st = vjp_record(ctx, &q, y, wrt, src, out);
    }
    request_close(ctx, &q);
    return st;
}

ad_status ad_vjp(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                 const ad_value *wrt, unsigned flags, uint32_t src, ad_value *out) {
    return vjp(ctx, 0, ny, y, seed, n, wrt, flags, src, out);
}

ad_status ad_vjp_lines(ad_ctx *ctx, ad_value y, int64_t k, ad_value seed, int n, const ad_value *wrt,
                       unsigned flags, uint32_t src, ad_value *out) {
    return vjp(ctx, k, 1, &y, &seed, n, wrt, flags, src, out);
}

/* ---- forward ------------------------------------------------------------------------------ */

static ad_status jvp_sweep(ad_ctx *ctx, request *q, const ad_value *tangent, bool record, bool own,
                           bool *open) {
    ad_sweep *s;
    ad_status st = ad_sweep_begin(ctx, record, &s);
    if (st != AD_OK) return st;
    s->own = own;
    s->nwrt = q->n;
    s->wrt = q->wrt;
    s->both = q->both;
    if (q->lines) ad_sweep_set_lines(s, q->lines);
    st = ad_sweep_trace(s, q->ny, q->y, true);
    if (st == AD_OK) st = ad_sweep_forward(s, tangent, q->ny, q->y, q->result);
    q->both = s->both;
    *open = s->open;
    ad_sweep_end(s);
    return st;
}

static ad_status jvp(ad_ctx *ctx, int64_t lines, int n, const ad_value *wrt, const ad_value *tangent,
                     int ny, const ad_value *y, unsigned flags, uint32_t src, ad_value *out) {
    request q;
    ad_status st = check_tracked(ctx, n, wrt);
    if (st != AD_OK || ny == 0) return st;
    if ((st = request_open(ctx, ny, n, &q)) != AD_OK) return st;
    bool open = false;
    q.lines = lines;
    st = fill_request(ctx, &q, y, wrt);
    if (st == AD_OK) st = jvp_sweep(ctx, &q, tangent, false, flags & AD_GRAD_OWN, &open);
    if (st == AD_OK) st = fill_absent(ctx, lines, ny, y, q.result);
    if (st == AD_OK) {
        memcpy(out, q.result, (size_t)ny * sizeof *out);
        for (int i = 0; i < n; i++) open = open || tangent[i].node;
        if (ctx->recording && open) {
            st = record_entry(ctx, E_JVP, src, &q, n, n, y, wrt, tangent, ny, out);
            for (int i = 0; st != AD_OK && i < ny; i++) ad_release(ctx, out[i]);
        }
    }
    request_close(ctx, &q);
    return st;
}

ad_status ad_jvp(ad_ctx *ctx, int n, const ad_value *wrt, const ad_value *tangent, int ny,
                 const ad_value *y, unsigned flags, uint32_t src, ad_value *out) {
    return jvp(ctx, 0, n, wrt, tangent, ny, y, flags, src, out);
}

ad_status ad_jvp_lines(ad_ctx *ctx, ad_value wrt, int64_t k, ad_value tangent, ad_value y, unsigned flags,
                       uint32_t src, ad_value *out) {
    return jvp(ctx, k, 1, &wrt, &tangent, 1, &y, flags, src, out);
}

/* ---- again, recorded ---------------------------------------------------------------------- */

static ad_status unroll_absent(ad_ctx *ctx, const ad_payload *p, int n, ad_value *v) {
    ad_status st = AD_OK;
    for (int k = 0; k < n && st == AD_OK; k++) {
        if (v[k].head != AD_ABSENT_HEAD) continue;
        ad_type type;
        ad_payload_type(p, p->nin + k, &type);
        st = ad_zeros_of(ctx, &type, &v[k]);
    }
    for (int k = 0; st != AD_OK && k < n; k++)
        if (v[k].head != AD_ABSENT_HEAD) ad_release(ctx, v[k]);
    return st;
}

/* Σ ⟨tangent, gradient⟩, recorded: what a jvp of one number is as well. */
static ad_status by_gradient(ad_ctx *ctx, const tape_entry *e, request *q, ad_value *out) {
    const ad_payload *p = e->payload;
    bool open;
    q->seed[0] = ad_number(1);
    ad_status st = vjp_sweep(ctx, q, true, false, &open);
    ad_value sum = ad_number(0);
    for (int i = 0; st == AD_OK && i < q->n; i++) {
        ad_value pair[2] = {ad_saved_value(e, p->ny + p->nwrt + i, true), q->result[i]}, share;
        if (pair[1].head == AD_ABSENT_HEAD) continue;
        st = ad_apply(ctx, AD_OPID_mulz, e->src, 2, pair, NULL, &share);
        ad_type number = {.dtype = AD_F64};
        if (st == AD_OK) st = ad_conform(ctx, e->src, share, &number, &share);
        if (st != AD_OK) break;
        ad_value more;
        st = ad_apply2(ctx, AD_OP_ADD, e->src, sum, share, &more);
        ad_release(ctx, sum);
        ad_release(ctx, share);
        sum = st == AD_OK ? more : ad_number(0);
    }
    for (int i = 0; i < q->n; i++)
        if (q->result[i].head != AD_ABSENT_HEAD) ad_release(ctx, q->result[i]);
    if (st == AD_OK) *out = sum;
    else ad_release(ctx, sum);
    return st;
}

static bool is_of_one_number(const ad_payload *p) {
    ad_type type;
    ad_payload_type(p, 0, &type);
    return p->ny == 1 && !p->lines && type.rank == 0;
}

/* Forward. Vectors of equal eigenvalues have no derivative, but the way back does not need them. */
static ad_status unroll_forward(ad_ctx *ctx, const tape_entry *e, request *q) {
    bool open, before = ctx->degenerate;
    ad_mark mark = ad_tape_mark(ctx);
    ctx->degenerate = false;
    ad_status st = jvp_sweep(ctx, q, q->seed, true, false, &open);
    bool again = ctx->degenerate && is_of_one_number(e->payload);
    ctx->degenerate = before;
    if (st != AD_OK || !again) return st;
    if (q->result[0].head != AD_ABSENT_HEAD) ad_release(ctx, q->result[0]);
    ad_rewind_unheld(ctx, mark);
    ad_value sum;
    st = by_gradient(ctx, e, q, &sum);
    if (st == AD_OK) q->result[0] = sum;
    return st;
}

ad_status ad_unroll(ad_ctx *ctx, const tape_entry *e, ad_value *out) {
    const ad_payload *p = e->payload;
    request q;
    ad_status st = request_open(ctx, p->ny, p->nwrt, &q);
    if (st != AD_OK) return st;
    bool open, grad = e->op == E_GRAD, was = ad_set_recording(ctx, true);
    int first_seed = grad ? p->ny : p->ny + p->nwrt, first_wrt = grad ? 2 * p->ny : p->ny;
    int seeds = grad ? p->ny : p->nwrt;
    q.lines = p->lines;
    q.both = p->both;
    memcpy(q.y, p->in, p->ny * sizeof *q.y);
    memcpy(q.wrt, p->in + first_wrt, p->nwrt * sizeof *q.wrt);
    for (int i = 0; i < seeds; i++) q.seed[i] = ad_saved_value(e, first_seed + i, true);
    st = grad ? vjp_sweep(ctx, &q, true, false, &open)
              : unroll_forward(ctx, e, &q);
    if (st == AD_OK) st = unroll_absent(ctx, p, p->nout, q.result);
    if (st == AD_OK) memcpy(out, q.result, p->nout * sizeof *out);
    ad_set_recording(ctx, was);
    request_close(ctx, &q);
    return st;
}

/* One line of the seeds (or tangents), n of them from operand `first` on. */
static ad_status seeds_of_line(ad_ctx *ctx, const tape_entry *e, int first, int n, int64_t line,
                               ad_value *seed) {
    ad_status st = AD_OK;
    for (int i = 0; i < n; i++) {
        seed[i] = ad_retain(ctx, ad_saved_value(e, first + i, false));
        if (!e->payload->lines || st != AD_OK) continue;
        ad_value whole = seed[i];
        seed[i] = ad_number(0);
        st = ad_line_of(ctx, e->src, whole, line, &seed[i]);
        ad_release(ctx, whole);
    }
    return st;
}

/* One line of a recorded derivative, swept plainly, for whoever watches. */
static ad_status sweep_once(ad_ctx *ctx, const tape_entry *e, request *q, int64_t line) {
    const ad_payload *p = e->payload;
    bool open, grad = e->op == E_GRAD;
    int seeds = grad ? p->ny : p->nwrt, results = grad ? p->nwrt : p->ny;
    ad_status st = seeds_of_line(ctx, e, grad ? p->ny : p->ny + p->nwrt, seeds, line, q->seed);
    if (st == AD_OK)
        st = grad ? vjp_sweep(ctx, q, false, false, &open)
                  : jvp_sweep(ctx, q, q->seed, false, false, &open);
    for (int i = 0; i < seeds; i++) ad_release(ctx, q->seed[i]);
    for (int i = 0; st == AD_OK && i < results; i++)
        if (q->result[i].head != AD_ABSENT_HEAD) ad_release(ctx, q->result[i]);
    return st;
}

ad_status ad_sweep_again(ad_ctx *ctx, const tape_entry *e) {
    const ad_payload *p = e->payload;
    request q;
    ad_status st = request_open(ctx, p->ny, p->nwrt, &q);
    if (st != AD_OK) return st;
    memcpy(q.y, p->in, p->ny * sizeof *q.y);
    memcpy(q.wrt, p->in + (e->op == E_GRAD ? 2 * p->ny : p->ny), p->nwrt * sizeof *q.wrt);
    int64_t n = p->lines ? p->lines : 1;
    for (int64_t i = 0; i < n && st == AD_OK; i++)
        st = sweep_once(ctx, e, &q, i);
    request_close(ctx, &q);
    return st;
}

/* ---- Jacobians ---------------------------------------------------------------------------- */

/* What is asked: rows of y with respect to all wrt, or columns of one. */
typedef struct job {
    ad_ctx *ctx;
    ad_value y;
    int n;
    const ad_value *wrt;
    bool rows;
    int64_t lines; /* elements of y, or of wrt */
    unsigned flags;
    uint32_t src;
} job;

static int64_t size_of(ad_value v) { return v.kind == AD_TENSOR ? v.tensor->size : 1; }

/* Lines first … first + k − 1 of the unit matrix, as lines of the shape and dtype of `like`. */
static ad_status unit_lines(ad_ctx *ctx, ad_value like, int64_t first, int64_t k, ad_value *out) {
    ad_type one = ad_type_of(like), type = ad_lines_type(k, &one);
    ad_status st = ad_zeros_of(ctx, &type, out);
    if (st != AD_OK) return st;
    int64_t n = size_of(like);
    for (int64_t i = 0; i < k; i++) {
        int64_t at = i * n + first + i;
        if (type.dtype == AD_F32) ((float *)out->tensor->data)[at] = 1;
        else ((double *)out->tensor->data)[at] = 1;
    }
    return AD_OK;
}

static ad_status call_ints(ad_ctx *ctx, ad_op op, uint32_t src, ad_value v, int n, const int64_t *ints,
                           ad_value *out) {
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = n, .ints = ints}};
    return ad_apply(ctx, op, src, 1, &v, args, out);
}

static void release_all(ad_ctx *ctx, int64_t n, ad_value *v) {
    for (int64_t i = 0; i < n; i++) {
        ad_release(ctx, v[i]);
        v[i] = ad_number(0);
    }
}

/* As many at once as an operation takes; the parts stand at the front of `part`, which it empties. */
static ad_status join_parts(const job *b, int64_t n, ad_value *part, ad_value *out) {
    ad_status st = AD_OK;
    while (n > 1) {
        int64_t parts = 0;
        for (int64_t i = 0; i < n; i += AD_MAX_OPERANDS, parts++) {
            int64_t few = n - i < AD_MAX_OPERANDS ? n - i : AD_MAX_OPERANDS;
            ad_value joined = ad_number(0);
            if (st == AD_OK) st = ad_apply(b->ctx, AD_OPID_concat, b->src, (int)few, part + i, NULL, &joined);
            release_all(b->ctx, few, part + i);
            part[parts] = st == AD_OK ? joined : ad_number(0);
        }
        n = parts;
    }
    *out = part[0];
    part[0] = ad_number(0);
    return st;
}

/* Some lines as one entry: a value for each wrt (or of y), [k, …]. */
static ad_status recorded_part(const job *b, int64_t first, int64_t k, ad_value *out) {
    ad_value seed;
    ad_status st = unit_lines(b->ctx, b->rows ? b->y : b->wrt[0], first, k, &seed);
    if (st != AD_OK) return st;
    st = b->rows ? ad_vjp_lines(b->ctx, b->y, k, seed, b->n, b->wrt, b->flags, b->src, out)
                 : ad_jvp_lines(b->ctx, b->wrt[0], k, seed, b->y, b->flags, b->src, out);
    ad_release(b->ctx, seed);
    return st;
}

/* [lines, …] as y.shape ++ wrt.shape: columns have their axis at the end. Takes `v` over. */
static ad_status arrange_lines(const job *b, ad_value v, const ad_type *type, ad_value *out) {
    if (!b->rows) {
        int64_t order[AD_MAX_RANK];
        int n = v.tensor->rank;
        for (int i = 0; i < n; i++) order[i] = i + 1 < n ? i + 1 : 0;
        ad_value turned;
        ad_status st = call_ints(b->ctx, AD_OPID_permute, b->src, v, n, order, &turned);
        ad_release(b->ctx, v);
        if (st != AD_OK) return st;
        v = turned;
    }
    ad_status st = call_ints(b->ctx, AD_OPID_reshape, b->src, v, type->rank, type->dims, out);
    ad_release(b->ctx, v);
    return st;
}

/* Lines as entries: whoever differentiates them sweeps again, as many at once. Parts of a wrt stand one
 * behind the other; `some` has room for one of each. */
static ad_status recorded_lines(const job *b, int64_t few, const ad_type *type, ad_value *out) {
    int64_t parts = (b->lines + few - 1) / few;
    size_t count = (size_t)(parts * b->n), bytes = (count + (size_t)b->n) * sizeof(ad_value);
    ad_value *part = ad_mem_get(b->ctx, bytes), *some = part + count;
    if (!part) return ad_failed(b->ctx);
    for (size_t i = 0; i < count; i++) part[i] = ad_number(0);
    ad_status st = AD_OK;
    for (int64_t i = 0, at = 0; i < b->lines && st == AD_OK; i += few, at++) {
        st = recorded_part(b, i, b->lines - i < few ? b->lines - i : few, some);
        for (int w = 0; w < b->n && st == AD_OK; w++) part[w * parts + at] = some[w];
    }
    int made = 0;
    for (; made < b->n && st == AD_OK; made++) {
        ad_value all;
        st = join_parts(b, parts, part + made * parts, &all);
        if (st == AD_OK) st = arrange_lines(b, all, &type[made], &out[made]);
    }
    if (st != AD_OK && made) {
        out[made - 1] = ad_number(0);
        release_all(b->ctx, made - 1, out);
    }
    release_all(b->ctx, (int64_t)count, part);
    ad_mem_put(b->ctx, part, bytes);
    return st;
}

/* Lines first … first + k − 1 into their rows or columns of the whole, zeros where nothing arrived. `buf`
 * has room for them. */
static void put_lines(const job *b, ad_value lines, int64_t first, int64_t k, double *buf, ad_tensor *whole) {
    int64_t m = whole->size / b->lines;
    double *to = whole->data, *at = b->rows ? to + first * m : buf;
    if (lines.head != AD_ABSENT_HEAD) ad_tensor_read(lines.tensor, at);
    else memset(at, 0, (size_t)(k * m) * sizeof *at);
    for (int64_t j = 0; !b->rows && j < m; j++)
        for (int64_t i = 0; i < k; i++) to[j * b->lines + first + i] = buf[i * m + j];
}

static ad_status sweep_lines(const job *b, ad_sweep *s, request *q, int64_t first, int64_t k) {
    ad_value seed;
    ad_status st = unit_lines(b->ctx, b->rows ? b->y : b->wrt[0], first, k, &seed);
    if (st != AD_OK) return st;
    ad_sweep_set_lines(s, k);
    s->both = false;
    st = b->rows ? ad_sweep_reverse(s, 1, q->y, &seed) : ad_sweep_forward(s, &seed, 1, q->y, q->result);
    ad_release(b->ctx, seed);
    return st;
}

/* All lines from one trace, some at once by a walk over the entries that it found. */
static ad_status walk_lines(const job *b, ad_sweep *s, request *q, const ad_value *whole) {
    ad_status st = AD_OK;
    int64_t few = ad_lines_at_once(s, b->lines);
    size_t bytes = (size_t)(b->rows ? 1 : size_of(b->y) * few) * sizeof(double);
    double *buf = ad_mem_get(b->ctx, bytes);
    if (!buf) return ad_failed(b->ctx);
    for (int64_t i = 0; i < b->lines && st == AD_OK; i += few) {
        int64_t k = b->lines - i < few ? b->lines - i : few;
        st = sweep_lines(b, s, q, i, k);
        for (int w = 0; w < b->n && st == AD_OK; w++) {
            put_lines(b, q->result[w], i, k, buf, whole[w].tensor);
            if (q->result[w].head != AD_ABSENT_HEAD) ad_release(b->ctx, q->result[w]);
        }
    }
    ad_mem_put(b->ctx, buf, bytes);
    return st;
}

static ad_status new_wholes(const job *b, const ad_type *type, ad_value *out) {
    for (int w = 0; w < b->n; w++) {
        ad_tensor *t = ad_tensor_new(b->ctx, AD_F64, type[w].rank, type[w].dims);
        if (!t) {
            release_all(b->ctx, w, out);
            return ad_failed(b->ctx);
        }
        out[w] = ad_wrap(t);
    }
    return AD_OK;
}

/* `*open`: the lines have to be recorded, so many at once, and nothing was done. */
static ad_status plain_lines(const job *b, const ad_type *type, ad_value *out, int64_t *open) {
    ad_ctx *ctx = b->ctx;
    request q;
    ad_sweep *s;
    ad_status st = request_open(ctx, 1, b->n, &q);
    if (st != AD_OK) return st;
    st = fill_request(ctx, &q, &b->y, b->wrt);
    if (st == AD_OK) st = ad_sweep_begin(ctx, false, &s);
    if (st != AD_OK) {
        request_close(ctx, &q);
        return st;
    }
    s->own = b->flags & AD_GRAD_OWN;
    s->nwrt = b->n;
    s->wrt = q.wrt;
    s->result = q.result;
    st = ad_sweep_trace(s, 1, q.y, !b->rows || s->watched);
    *open = st == AD_OK && ctx->recording && s->open ? ad_lines_at_once(s, b->lines) : 0;
    if (st == AD_OK && !*open && (st = new_wholes(b, type, out)) == AD_OK) {
        st = walk_lines(b, s, &q, out);
        if (st != AD_OK) release_all(ctx, b->n, out);
    }
    ad_sweep_end(s);
    request_close(ctx, &q);
    return st;
}

/* A Jacobian has the dtype of what its lines lead to. */
static ad_status narrow(const job *b, ad_value *out) {
    for (int w = 0; w < b->n; w++) {
        ad_value end = b->rows && b->wrt[w].kind == AD_TENSOR ? b->wrt[w] : b->y;
        if (end.tensor->dtype != AD_F32) continue;
        ad_tensor *small = ad_tensor_cast(b->ctx, out[w].tensor, AD_F32);
        if (!small) {
            release_all(b->ctx, b->n, out);
            return ad_failed(b->ctx);
        }
        ad_release(b->ctx, out[w]);
        out[w] = ad_wrap(small);
    }
    return AD_OK;
}

/* y.shape ++ wrt.shape */
static ad_status jacobian_type(ad_ctx *ctx, ad_value y, ad_value wrt, ad_type *out) {
    ad_type a = ad_type_of(y), b = ad_type_of(wrt);
    int rank = a.rank + b.rank;
    if (rank > AD_MAX_RANK)
        return ad_fail(ctx, AD_ERR_SHAPE, -1, "a Jacobian of %d axes is more than the %d possible", rank,
                       AD_MAX_RANK);
    *out = (ad_type){.dtype = AD_F64, .rank = (uint8_t)rank};
    memcpy(out->dims, a.dims, a.rank * sizeof *out->dims);
    memcpy(out->dims + a.rank, b.dims, b.rank * sizeof *out->dims);
    return AD_OK;
}

static ad_status all_lines(const job *b, const ad_type *type, ad_value *out) {
    int64_t open = 0;
    if (b->lines == 0) return new_wholes(b, type, out);
    ad_status st = plain_lines(b, type, out, &open);
    if (st != AD_OK) return st;
    return open ? recorded_lines(b, open, type, out) : narrow(b, out);
}

ad_status ad_jacobian(ad_ctx *ctx, ad_value y, ad_value wrt, unsigned flags, uint32_t src,
                      ad_value *out) {
    ad_type type;
    ad_status st = check_tracked(ctx, 1, &wrt);
    if (st != AD_OK) return st;
    if (y.kind != AD_TENSOR) return ad_vjp(ctx, 1, &y, NULL, 1, &wrt, flags, src, out);
    if (wrt.kind != AD_TENSOR) {
        ad_value one = ad_number(1);
        return ad_jvp(ctx, 1, &wrt, &one, 1, &y, flags, src, out);
    }
    if ((st = jacobian_type(ctx, y, wrt, &type)) != AD_OK) return st;
    bool rows = size_of(y) <= size_of(wrt);
    job b = {ctx, y, 1, &wrt, rows, size_of(rows ? y : wrt), flags, src};
    return all_lines(&b, &type, out);
}

/* Do rows for all of them cost less than what is better for each? One sweep serves all. */
static bool rows_for_all(const ad_ctx *ctx, ad_value y, int n, const ad_value *wrt) {
    int64_t sum = 0;
    if (y.kind != AD_TENSOR || n < 2) return false;
    for (int i = 0; i < n; i++) {
        uint32_t node = ad_where_is(ctx->tape, wrt[i].node);
        if (!wrt[i].node || (is_of_param(ctx->tape, node) && ad_at(ctx->tape, node)->a)) return false;
        sum += size_of(wrt[i]);
    }
    return size_of(y) <= sum && size_of(y) > 0;
}

ad_status ad_jacobians(ad_ctx *ctx, ad_value y, int n, const ad_value *wrt, unsigned flags, uint32_t src,
                       ad_value *out) {
    ad_status st = AD_OK;
    if (y.kind != AD_TENSOR) return ad_vjp(ctx, 1, &y, NULL, n, wrt, flags, src, out);
    if (!rows_for_all(ctx, y, n, wrt)) {
        int made = 0;
        for (; made < n && st == AD_OK; made++) st = ad_jacobian(ctx, y, wrt[made], flags, src, &out[made]);
        if (st != AD_OK) out[made - 1] = ad_number(0);
        if (st != AD_OK) release_all(ctx, made - 1, out);
        return st;
    }
    ad_type *type = ad_mem_get(ctx, (size_t)n * sizeof *type);
    if (!type) return ad_failed(ctx);
    for (int i = 0; i < n && st == AD_OK; i++) st = jacobian_type(ctx, y, wrt[i], &type[i]);
    job b = {ctx, y, n, wrt, true, size_of(y), flags, src};
    if (st == AD_OK) st = all_lines(&b, type, out);
    ad_mem_put(ctx, type, (size_t)n * sizeof *type);
    return st;
}

/* ---- element by element? ------------------------------------------------------------------ */

static bool has_shape(const ad_payload *p, int i, const ad_type *shape) {
    ad_type type;
    ad_payload_type(p, i, &type);
    return ad_type_same_dims(&type, shape);
}

/* A derivative of y with respect to something on the way from the leaf: what lies between the two is
 * needed as well, and looked at by itself; here the seeds and the result count. */
static bool derivative_elementwise(const ad_sweep *s, const ad_payload *p, bool grad,
                                   const ad_type *shape) {
    int first = grad ? 2 * p->ny : p->ny;
    for (int i = 0; i < p->nwrt; i++)
        if (!ad_needed(s, p->in[first + i])) return false;
    for (int i = 0; i < p->nin + p->nout; i++)
        if (!has_shape(p, i, shape)) return false;
    return true;
}

static bool entry_elementwise(const ad_sweep *s, const tape_entry *e, const ad_type *shape) {
    if (e->op == E_LEAF || e->op == E_CUT) return true;
    if (!(e->flags & F_PAYLOAD)) return shape->rank == 0;
    if (e->op == E_GRAD || e->op == E_JVP)
        return derivative_elementwise(s, e->payload, e->op == E_GRAD, shape);
    return e->payload->prog && has_shape(e->payload, e->payload->nin, shape);
}

bool ad_is_elementwise(ad_ctx *ctx, ad_value y, ad_value leaf) {
    ad_sweep *s;
    if (!y.node || !leaf.node) return true;
    uint32_t wrt = ad_where_is(ctx->tape, leaf.node), from = ad_operand(ctx, y);
    if (ad_sweep_begin(ctx, false, &s) != AD_OK) return false;
    s->nwrt = 1;
    s->wrt = &wrt;
    ad_type shape = ad_type_of(leaf);
    bool same = ad_sweep_trace(s, 1, &from, true) == AD_OK;
    for (uint32_t i = 0; i < s->order_count && same; i++) {
        const ad_page *p = s->order[i];
        const ad_segment *seg = (ad_segment *)ctx->tape->table[p->segment];
        for (uint32_t k = 0; k < seg->used && same; k++)
            if (ad_bit(p->need, k)) same = entry_elementwise(s, &seg->e[k], &shape);
    }
    ad_sweep_end(s);
    return same;
}
