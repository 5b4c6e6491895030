/* SPDX-License-Identifier: MIT */
/* grad.c - derivatives as values: sweeps with their seeds, the entry from which a sweep can be repeated,
 * Jacobians, many rows or columns in one sweep.
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
    uint32_t *y, *wrt;
    ad_value *seed, *result;
} request;

static ad_status request_open(ad_ctx *ctx, int ny, int n, request *q) {
    size_t all = (size_t)(ny + n);
    q->bytes = all * (sizeof(ad_value) * 2 + sizeof(uint32_t));
    q->ny = ny;
    q->n = n;
    q->lines = 0;
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

static bool any_linked_param(const ad_tape *t, int n, const uint32_t *wrt) {
    for (int i = 0; i < n; i++) {
        const tape_entry *e = wrt[i] ? ad_at(t, wrt[i]) : NULL;
        if (e && e->op == E_LEAF && e->b && e->a) return true;
    }
    return false;
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
    }
    return ad_record(ctx, op, src, p, nout, out);
}

/* ---- reverse ------------------------------------------------------------------------------ */

static ad_status vjp_sweep(ad_ctx *ctx, request *q, bool record, bool own, bool linked, bool *open) {
    ad_sweep *s;
    ad_status st = ad_sweep_begin(ctx, record, &s);
    if (st != AD_OK) return st;
    s->own = own;
    s->linked = linked;
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

/* A parameter's linked leaf and something below its link cannot share a sweep. */
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
    if (st == AD_OK && n > 1 && any_linked_param(ctx->tape, n, q.wrt)) {
        request_close(ctx, &q);
        return one_by_one(ctx, ny, y, seed, n, wrt, flags, src, out);
    }
    bool open = false;
    for (int i = 0; i < ny; i++) q.seed[i] = seed ? seed[i] : ad_number(1);
    if (st == AD_OK) st = vjp_sweep(ctx, &q, false, flags & AD_GRAD_OWN, false, &open);
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

ad_status ad_vjp_lines(ad_ctx *ctx, ad_value y, int64_t k, ad_value seed, ad_value wrt, unsigned flags,
                       uint32_t src, ad_value *out) {
    return vjp(ctx, k, 1, &y, &seed, 1, &wrt, flags, src, out);
}

/* ---- forward ------------------------------------------------------------------------------ */

static ad_status jvp_sweep(ad_ctx *ctx, request *q, const ad_value *tangent, bool record, bool own,
                           bool *open) {
    ad_sweep *s;
    ad_status st = ad_sweep_begin(ctx, record, &s);
    if (st != AD_OK) return st;
    s->own = own;
    s->linked = false;
    s->nwrt = q->n;
    s->wrt = q->wrt;
    if (q->lines) ad_sweep_set_lines(s, q->lines);
    st = ad_sweep_trace(s, q->ny, q->y, true);
    if (st == AD_OK) st = ad_sweep_forward(s, tangent, q->ny, q->y, q->result);
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

ad_status ad_unroll(ad_ctx *ctx, const tape_entry *e, ad_value *out) {
    const ad_payload *p = e->payload;
    request q;
    ad_status st = request_open(ctx, p->ny, p->nwrt, &q);
    if (st != AD_OK) return st;
    bool open, grad = e->op == E_GRAD, was = ad_set_recording(ctx, true);
    int first_seed = grad ? p->ny : p->ny + p->nwrt, first_wrt = grad ? 2 * p->ny : p->ny;
    int seeds = grad ? p->ny : p->nwrt;
    q.lines = p->lines;
    memcpy(q.y, p->in, p->ny * sizeof *q.y);
    memcpy(q.wrt, p->in + first_wrt, p->nwrt * sizeof *q.wrt);
    for (int i = 0; i < seeds; i++) q.seed[i] = ad_saved_value(e, first_seed + i, true);
    st = grad ? vjp_sweep(ctx, &q, true, false, false, &open)
              : jvp_sweep(ctx, &q, q.seed, true, false, &open);
    if (st == AD_OK) st = unroll_absent(ctx, p, p->nout, q.result);
    if (st == AD_OK) memcpy(out, q.result, p->nout * sizeof *out);
    ad_set_recording(ctx, was);
    request_close(ctx, &q);
    return st;
}

/* One line of a gradient's seeds, swept plainly. */
static ad_status sweep_once(ad_ctx *ctx, const tape_entry *e, request *q, int64_t line) {
    const ad_payload *p = e->payload;
    bool open;
    ad_status st = AD_OK;
    for (int i = 0; i < p->ny; i++) {
        q->seed[i] = ad_retain(ctx, ad_saved_value(e, p->ny + i, false));
        if (!p->lines || st != AD_OK) continue;
        ad_value whole = q->seed[i];
        q->seed[i] = ad_number(0);
        st = ad_line_of(ctx, e->src, whole, line, &q->seed[i]);
        ad_release(ctx, whole);
    }
    if (st == AD_OK) st = vjp_sweep(ctx, q, false, false, false, &open);
    for (int i = 0; i < p->ny; i++) ad_release(ctx, q->seed[i]);
    for (int i = 0; st == AD_OK && i < q->n; i++)
        if (q->result[i].head != AD_ABSENT_HEAD) ad_release(ctx, q->result[i]);
    return st;
}

ad_status ad_sweep_again(ad_ctx *ctx, const tape_entry *e) {
    const ad_payload *p = e->payload;
    request q;
    ad_status st = request_open(ctx, p->ny, p->nwrt, &q);
    if (st != AD_OK || e->op != E_GRAD) return st;
    memcpy(q.y, p->in, p->ny * sizeof *q.y);
    memcpy(q.wrt, p->in + 2 * p->ny, p->nwrt * sizeof *q.wrt);
    int64_t n = p->lines ? p->lines : 1;
    for (int64_t i = 0; i < n && st == AD_OK; i++) st = sweep_once(ctx, e, &q, i);
    request_close(ctx, &q);
    return st;
}

/* ---- Jacobians ---------------------------------------------------------------------------- */

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

/* As many at once as an operation takes; the parts stand at the front of `part`, which it empties. */
static ad_status join_parts(ad_ctx *ctx, uint32_t src, int64_t n, ad_value *part, ad_value *out) {
    ad_status st = AD_OK;
    while (n > 1) {
        int64_t parts = 0;
        for (int64_t i = 0; i < n; i += AD_MAX_OPERANDS, parts++) {
            int64_t few = n - i < AD_MAX_OPERANDS ? n - i : AD_MAX_OPERANDS;
            ad_value joined = ad_number(0);
            if (st == AD_OK) st = ad_apply(ctx, AD_OPID_concat, src, (int)few, part + i, NULL, &joined);
            for (int64_t k = 0; k < few; k++) ad_release(ctx, part[i + k]);
            part[parts] = st == AD_OK ? joined : ad_number(0);
        }
        n = parts;
    }
    *out = part[0];
    return st;
}

/* What the lines lead to: [n, …] with the shape of wrt for rows, of y for columns. */
static ad_status recorded_part(ad_ctx *ctx, ad_value y, ad_value wrt, bool rows, int64_t first, int64_t k,
                               unsigned flags, uint32_t src, ad_value *out) {
    ad_value seed;
    ad_status st = unit_lines(ctx, rows ? y : wrt, first, k, &seed);
    if (st != AD_OK) return st;
    st = rows ? ad_vjp_lines(ctx, y, k, seed, wrt, flags, src, out)
              : ad_jvp_lines(ctx, wrt, k, seed, y, flags, src, out);
    ad_release(ctx, seed);
    return st;
}

/* Lines as entries: whoever differentiates them sweeps again, as many at once. */
static ad_status recorded_lines(ad_ctx *ctx, ad_value y, ad_value wrt, bool rows, int64_t n, int64_t few,
                                unsigned flags, uint32_t src, ad_value *out) {
    size_t parts = (size_t)((n + few - 1) / few), bytes = parts * sizeof(ad_value);
    ad_value *part = ad_mem_get(ctx, bytes);
    if (!part) return ad_failed(ctx);
    ad_status st = AD_OK;
    int64_t made = 0;
    for (int64_t i = 0; i < n && st == AD_OK; i += few, made++)
        st = recorded_part(ctx, y, wrt, rows, i, n - i < few ? n - i : few, flags, src, &part[made]);
    if (st == AD_OK) {
        st = join_parts(ctx, src, made, part, out);
    } else {
        made--;
        for (int64_t i = 0; i < made; i++) ad_release(ctx, part[i]);
    }
    ad_mem_put(ctx, part, bytes);
    return st;
}

/* [n, …] as y.shape ++ wrt.shape: columns have their axis at the end. Takes `v` over. */
static ad_status arrange_lines(ad_ctx *ctx, uint32_t src, ad_value v, bool rows, int rank,
                               const int64_t *dims, ad_value *out) {
    if (!rows) {
        int64_t order[AD_MAX_RANK];
        int n = v.tensor->rank;
        for (int i = 0; i < n; i++) order[i] = i + 1 < n ? i + 1 : 0;
        ad_value turned;
        ad_status st = call_ints(ctx, AD_OPID_permute, src, v, n, order, &turned);
        ad_release(ctx, v);
        if (st != AD_OK) return st;
        v = turned;
    }
    ad_status st = call_ints(ctx, AD_OPID_reshape, src, v, rank, dims, out);
    ad_release(ctx, v);
    return st;
}

/* Lines first … first + k − 1 into their rows or columns of the whole, zeros where nothing arrived. `buf`
 * has room for them. */
static void put_lines(ad_value lines, bool rows, int64_t first, int64_t k, double *buf, ad_tensor *whole,
                      int64_t n) {
    int64_t m = whole->size / n;
    double *to = whole->data;
    if (lines.head != AD_ABSENT_HEAD) ad_tensor_read(lines.tensor, rows ? to + first * m : buf);
    else memset(rows ? to + first * m : buf, 0, (size_t)(k * m) * sizeof *buf);
    for (int64_t j = 0; !rows && j < m; j++)
        for (int64_t i = 0; i < k; i++) to[j * n + first + i] = buf[i * m + j];
}

static ad_status sweep_lines(ad_sweep *s, request *q, ad_value like, bool rows, int64_t first, int64_t k) {
    ad_value seed;
    ad_status st = unit_lines(s->ctx, like, first, k, &seed);
    if (st != AD_OK) return st;
    ad_sweep_set_lines(s, k);
    st = rows ? ad_sweep_reverse(s, 1, q->y, &seed) : ad_sweep_forward(s, &seed, 1, q->y, q->result);
    ad_release(s->ctx, seed);
    return st;
}

/* All lines from one trace, some at once by a walk over the entries that it found. */
static ad_status walk_lines(ad_sweep *s, request *q, ad_value y, ad_value wrt, bool rows, int64_t n,
                            ad_tensor *whole) {
    ad_status st = AD_OK;
    int64_t few = ad_lines_at_once(s, n);
    size_t bytes = (size_t)(whole->size / n * few + 1) * sizeof(double);
    double *buf = ad_mem_get(s->ctx, bytes);
    if (!buf) return ad_failed(s->ctx);
    for (int64_t i = 0; i < n && st == AD_OK; i += few) {
        int64_t k = n - i < few ? n - i : few;
        st = sweep_lines(s, q, rows ? y : wrt, rows, i, k);
        if (st != AD_OK) break;
        put_lines(q->result[0], rows, i, k, buf, whole, n);
        if (q->result[0].head != AD_ABSENT_HEAD) ad_release(s->ctx, q->result[0]);
    }
    ad_mem_put(s->ctx, buf, bytes);
    return st;
}

/* `*open`: the lines have to be recorded, so many at once, and nothing was done. */
static ad_status plain_lines(ad_ctx *ctx, ad_value y, ad_value wrt, bool rows, unsigned flags,
                             int rank, const int64_t *dims, ad_value *out, int64_t *open) {
    request q;
    ad_sweep *s;
    ad_tensor *whole = NULL;
    ad_status st = request_open(ctx, 1, 1, &q);
    if (st != AD_OK) return st;
    st = fill_request(ctx, &q, &y, &wrt);
    if (st == AD_OK) st = ad_sweep_begin(ctx, false, &s);
    if (st != AD_OK) {
        request_close(ctx, &q);
        return st;
    }
    int64_t n = size_of(rows ? y : wrt);
    s->own = flags & AD_GRAD_OWN;
    s->nwrt = 1;
    s->wrt = q.wrt;
    s->result = q.result;
    st = ad_sweep_trace(s, 1, q.y, !rows || s->watched);
    *open = st == AD_OK && ctx->recording && s->open ? ad_lines_at_once(s, n) : 0;
    if (st == AD_OK && !*open) {
        whole = ad_tensor_new(ctx, AD_F64, rank, dims);
        st = whole ? walk_lines(s, &q, y, wrt, rows, n, whole) : ad_failed(ctx);
    }
    ad_sweep_end(s);
    request_close(ctx, &q);
    if (st != AD_OK && whole) ad_tensor_release(ctx, whole);
    if (st == AD_OK && whole) *out = ad_wrap(whole);
    return st;
}

/* y.shape ++ wrt.shape */
static int jacobian_shape(ad_value y, ad_value wrt, int64_t *dims) {
    ad_type a = ad_type_of(y), b = ad_type_of(wrt);
    memcpy(dims, a.dims, a.rank * sizeof *dims);
    memcpy(dims + a.rank, b.dims, b.rank * sizeof *dims);
    return a.rank + b.rank;
}

ad_status ad_jacobian(ad_ctx *ctx, ad_value y, ad_value wrt, unsigned flags, uint32_t src,
                      ad_value *out) {
    ad_status st = check_tracked(ctx, 1, &wrt);
    if (st != AD_OK) return st;
    if (y.kind != AD_TENSOR) return ad_vjp(ctx, 1, &y, NULL, 1, &wrt, flags, src, out);
    if (wrt.kind != AD_TENSOR) {
        ad_value one = ad_number(1);
        return ad_jvp(ctx, 1, &wrt, &one, 1, &y, flags, src, out);
    }
    int64_t dims[2 * AD_MAX_RANK];
    int rank = jacobian_shape(y, wrt, dims);
    if (rank > AD_MAX_RANK)
        return ad_fail(ctx, AD_ERR_SHAPE, -1, "a Jacobian of %d axes is more than the %d possible", rank,
                       AD_MAX_RANK);
    bool rows = size_of(y) <= size_of(wrt);
    int64_t n = rows ? size_of(y) : size_of(wrt);
    if (n == 0) {
        ad_tensor *empty = ad_tensor_full(ctx, AD_F64, rank, dims, 0);
        if (!empty) return ad_failed(ctx);
        *out = ad_wrap(empty);
        return AD_OK;
    }
    ad_value lines = ad_number(0);
    int64_t open = 0;
    bool single = (rows ? wrt : y).tensor->dtype == AD_F32;
    st = plain_lines(ctx, y, wrt, rows, flags, rank, dims, out, &open);
    if (st == AD_OK && !open && single) {
        ad_tensor *narrow = ad_tensor_cast(ctx, out->tensor, AD_F32);
        ad_release(ctx, *out);
        if (!narrow) return ad_failed(ctx);
        *out = ad_wrap(narrow);
    }
    if (st != AD_OK || !open) return st;
    st = recorded_lines(ctx, y, wrt, rows, n, open, flags, src, &lines);
    return st == AD_OK ? arrange_lines(ctx, src, lines, rows, rank, dims, out) : st;
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
