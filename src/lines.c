/* SPDX-License-Identifier: MIT */
/* lines.c - what a sweep of many lines does otherwise than a sweep of one: types with an axis in front,
 * numbers as vectors of one element a line, rules and callbacks that take one line after the other. */
#include "lines.h"

#include "shape.h"

#include <math.h>
#include <string.h>

/* ---- wholes --------------------------------------------------------------------------------- */

ad_type ad_lines_type(int64_t k, const ad_type *line) {
    ad_type t = *line;
    if (t.rank == 0) t.dtype = AD_F64;
    t.rank++;
    t.asked = (uint16_t)(line->asked << 1);
    memmove(t.dims + 1, line->dims, line->rank * sizeof *t.dims);
    t.dims[0] = k;
    return t;
}

ad_status ad_line_of(ad_ctx *ctx, uint32_t src, ad_value whole, int64_t i, ad_value *out) {
    ad_index at = {.kind = AD_IX_AT, .has_start = true, .at = (double)i};
    whole.flags = 0;
    return ad_index_get(ctx, whole, 1, &at, src, out);
}

ad_status ad_lines_join(ad_ctx *ctx, uint32_t src, int64_t k, const ad_value *line, ad_value *out) {
    return ad_apply(ctx, AD_OPID_stack, src, (int)k, line, NULL, out);
}

static ad_status call_shape(ad_ctx *ctx, ad_op op, uint32_t src, ad_value *v, int rank, const int64_t *dims) {
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = rank, .ints = dims}};
    ad_value y;
    ad_status st = ad_apply(ctx, op, src, 1, v, args, &y);
    ad_release(ctx, *v);
    *v = y;
    return st;
}

static bool has_dims(ad_value v, int rank, const int64_t *dims) {
    return v.kind == AD_TENSOR && ad_dims_same(v.tensor->rank, v.tensor->dims, rank, dims);
}

/* The lines of `v` to the shape of one line: [k, a, b] is summed over what `to` has not, or as 1. */
static ad_status fit_lines(ad_ctx *ctx, uint32_t src, const ad_type *to, ad_value *v) {
    int64_t dims[AD_MAX_RANK + 1];
    int lead = v->tensor->rank - to->rank;
    ad_status st = AD_OK;
    dims[0] = to->dims[0];
    for (int i = 0; i < lead; i++) dims[1 + i] = 1;
    if (lead >= 0) memcpy(dims + 1 + lead, to->dims + 1, (to->rank - 1) * sizeof *dims);
    bool stretched = lead < 0;
    for (int i = 1; i < v->tensor->rank && !stretched; i++)
        stretched = v->tensor->dims[i] == 1 && dims[i] != 1;
    if (stretched) {
        int less = lead < 0 ? -lead : 0;
        for (int i = 0; i < less; i++) dims[1 + i] = 1;
        memcpy(dims + 1 + less, v->tensor->dims + 1, (v->tensor->rank - 1) * sizeof *dims);
        if (less) st = call_shape(ctx, AD_OPID_reshape, src, v, v->tensor->rank + less, dims);
        return st == AD_OK ? call_shape(ctx, AD_OPID_expand, src, v, to->rank, to->dims) : st;
    }
    if (!has_dims(*v, to->rank + lead, dims))
        st = call_shape(ctx, AD_OPID_sum_to, src, v, to->rank + lead, dims);
    return st == AD_OK && lead ? call_shape(ctx, AD_OPID_reshape, src, v, to->rank, to->dims) : st;
}

ad_status ad_lines_conform(ad_ctx *ctx, uint32_t src, int64_t k, ad_value v, bool each, const ad_type *type,
                           ad_value *out) {
    ad_type to = ad_lines_type(k, type);
    ad_status st = AD_OK;
    v.flags = 0;
    if (!each || v.kind != AD_TENSOR) {
        st = ad_conform(ctx, src, v, type, &v);
        if (st == AD_OK) st = call_shape(ctx, AD_OPID_expand, src, &v, to.rank, to.dims);
    } else if (!has_dims(v, to.rank, to.dims)) {
        st = fit_lines(ctx, src, &to, &v);
    }
    return st == AD_OK ? ad_conform(ctx, src, v, &to, out) : st;
}

ad_status ad_lines_plan(ad_ctx *ctx, const ad_payload *p, int64_t k, ad_index_plan **out) {
    return k ? ad_index_plan_behind(ctx, p->plan, k, out) : ad_index_plan_copy(ctx, p->plan, out);
}

ad_status ad_lines_operand(ad_ctx *ctx, const tape_entry *e, ad_value t, ad_value *out) {
    const ad_payload *p = e->payload;
    ad_type to;
    ad_payload_type(p, p->nin, &to);
    int lead = to.rank + 1 - t.tensor->rank;
    int64_t dims[AD_MAX_RANK + 1] = {t.tensor->dims[0]};
    ad_value v = ad_retain(ctx, t);
    ad_status st = AD_OK;
    for (int i = 0; i < lead; i++) dims[1 + i] = 1;
    memcpy(dims + 1 + lead, t.tensor->dims + 1, (t.tensor->rank - 1) * sizeof *dims);
    if (lead) st = call_shape(ctx, AD_OPID_reshape, e->src, &v, to.rank + 1, dims);
    if (st == AD_OK && to.rank && to.dtype == AD_F32 && v.tensor->dtype != AD_F32)
        st = call_shape(ctx, AD_OPID_f32, e->src, &v, 0, NULL);
    if (st != AD_OK) return st;
    ad_tensor *wide = ad_tensor_view(ctx, v.tensor, 0, v.tensor->rank, v.tensor->dims, ad_strides(v.tensor),
                                     UINT16_MAX);
    if (!wide) {
        ad_release(ctx, v);
        return ad_failed(ctx);
    }
    ad_tensor_release(ctx, v.tensor);
    v.tensor = wide;
    *out = v;
    return AD_OK;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void products(const ad_tensor *g, double partial, bool both, double *to) {
    const double *x = g->data;
    bool closed = both && partial == 0;
    for (int64_t i = 0; i < g->size; i++) to[i] = x[i] == 0 || closed ? 0 : x[i] * partial;
}

/* Where an exact 0 of a strong product stands, what meets inf or nan is a constant 0. */
static void passed_products(const tape_entry *e, int k, double a, double b, double partial,
                            const ad_tensor *g, double *to) {
    const double *x = g->data;
    for (int64_t i = 0; i < g->size; i++) {
        bool none = x[i] == 0 || ad_passed_over(e->op, k, a, b, partial, x[i]);
        to[i] = none ? 0 : x[i] * partial;
    }
}

/* y / b may underflow where g · y / b does not. */
static void quotients(const ad_tensor *g, double b, double y, bool both, double *to) {
    const double *x = g->data;
    bool closed = both && (y == 0 || 1 / b == 0);
    for (int64_t i = 0; i < g->size; i++) {
        double share = x[i] == 0 ? 0 : x[i] * (1 / b);
        to[i] = share == 0 || closed ? 0 : -(share * y);
    }
}

static ad_status plain_product(const ad_sweep *s, const tape_entry *e, int k, ad_value g, ad_value *out) {
    ad_ctx *ctx = s->ctx;
    double a = ad_node_value(ctx->tape, e->a).num, b = ad_node_value(ctx->tape, e->b).num;
    bool both = s->both && !isfinite(k ? b : a);
    ad_tensor *own = ad_tensor_contiguous(ctx, g.tensor);
    ad_tensor *y = own ? ad_tensor_new(ctx, AD_F64, 1, own->dims) : NULL;
    if (y) {
        double partial = ad_entry_partial(ctx, e, k, a, b);
        if (e->op == AD_OP_DIV && k == 1 && !ctx->sabotage) quotients(own, b, e->num, both, y->data);
        else if (e->op == AD_OPID_mulz || ad_rows[e->op].info.flags & AD_ROW_SELECT)
            passed_products(e, k, a, b, partial, own, y->data);
        else products(own, partial, both, y->data);
        *out = ad_wrap(y);
    }
    if (own) ad_tensor_release(ctx, own);
    return y ? AD_OK : ad_failed(ctx);
}

ad_status ad_lines_product(ad_sweep *s, const tape_entry *e, int k, uint32_t node, ad_value g,
                           ad_value *out) {
    if (!s->record) return plain_product(s, e, k, g, out);
    ad_status st = ad_recorded_product(s->ctx, e, k, node, g, s->both, out);
    if (st != AD_OK || out->kind == AD_TENSOR) return st;
    return call_shape(s->ctx, AD_OPID_expand, e->src, out, 1, &s->lines); /* a 0 for each */
}

/* ---- programs ------------------------------------------------------------------------------- */

/* Neither inf nor nan, nor so small that digits are lost. */
static bool is_ordinary(ad_value v) {
    if (v.kind != AD_TENSOR) return v.num == 0 || isnormal(v.num);
    const double *x = v.tensor->data;
    const float *y = v.tensor->data;
    bool wide = v.tensor->dtype == AD_F64, good = ad_tensor_is_contiguous(v.tensor);
    for (int64_t i = 0; good && i < v.tensor->size; i++)
        good = wide ? x[i] == 0 || isnormal(x[i]) : y[i] == 0 || isnormal(y[i]);
    return good;
}

static int set_size(uint64_t set) {
    int n = 0;
    for (; set; set &= set - 1) n++;
    return n;
}

bool ad_lines_partials(ad_ctx *ctx, const tape_entry *e, uint64_t wanted, ad_value *in, const ad_value *slope,
                       bool each, ad_value *out, ad_status *st) {
    ad_prog *p = e->payload->prog, *back;
    int n = set_size(wanted);
    ad_value partial[AD_MAX_OPERANDS], pair[2];
    bool good = ad_prog_is_costly(p);
    for (int i = 0; i < (each ? n : 1) && good; i++) good = ad_is_finite(slope[i]);
    if (!good) return false;
    in[e->payload->nin] = ad_number(1);
    back = ad_prog_pullback(ctx, p, wanted);
    *st = back ? ad_prog_run(ctx, back, in, partial) : ad_failed(ctx);
    if (*st != AD_OK) return true;
    for (int i = 0; i < n; i++) good = good && is_ordinary(partial[i]);
    int made = 0;
    for (; made < n && good && *st == AD_OK; made++) {
        pair[0] = slope[each ? made : 0];
        pair[1] = partial[made];
        *st = ad_apply(ctx, AD_OP_MUL, e->src, 2, pair, NULL, &out[made]);
    }
    if (*st != AD_OK)
        for (made--; made > 0;) ad_release(ctx, out[--made]);
    for (int i = 0; i < n; i++) ad_release(ctx, partial[i]);
    return good;
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* Rules make up to two axes of one (kron, tile), and lines need one more. */
static bool has_room(const ad_rule *r) {
    bool room = true;
    for (int i = 0; i < r->n; i++) room = room && 2 * r->in_type[i].rank < AD_MAX_RANK;
    for (int k = 0; k < r->nout; k++) room = room && 2 * r->out_type[k].rank < AD_MAX_RANK;
    return room;
}

/* A line whose cotangents (or tangents) are all 0. */
static bool line_is_zero(ad_rule *r, int n, const ad_value *slope, const bool *has, int64_t j) {
    bool zero = true;
    for (int i = 0; i < n && zero; i++) {
        ad_value line;
        if (!has[i]) continue;
        if (ad_line_of(r->ctx, r->src, slope[i], j, &line) != AD_OK) return false;
        ad_tensor *t = line.kind == AD_TENSOR ? ad_tensor_contiguous(r->ctx, line.tensor) : NULL;
        zero = ad_value_is_zero(t ? ad_wrap(t) : line);
        if (t) ad_tensor_release(r->ctx, t);
        ad_release(r->ctx, line);
    }
    return zero;
}

/* Zeros in the lines of v that are in the set. */
static void clear_lines(ad_rule *r, uint64_t set, ad_value *v) {
    ad_tensor *own = ad_tensor_copy(r->ctx, v->tensor);
    if (!own) {
        r->status = ad_failed(r->ctx);
        return;
    }
    size_t bytes = (size_t)(own->size / own->dims[0]) * ad_dtype_size((ad_dtype)own->dtype);
    for (int64_t j = 0; j < own->dims[0]; j++)
        if (set >> j & 1) memset((char *)own->data + (size_t)j * bytes, 0, bytes);
    ad_tensor_release(r->ctx, v->tensor);
    v->tensor = own;
}

/* A zero line contributes 0, whatever the operands are, as it does alone. */
static void keep_zeros(ad_rule *r, int64_t k, int n, const ad_value *slope, const bool *has, int results) {
    uint64_t zero = 0;
    bool known = false;
    for (int i = 0; i < results && r->status == AD_OK; i++) {
        if (!r->given[i] || !(r->grad[i].flags & AD_LINES) || ad_is_finite(r->grad[i])) continue;
        for (int64_t j = 0; j < k && !known; j++)
            if (line_is_zero(r, n, slope, has, j)) zero |= UINT64_C(1) << j;
        known = true;
        if (zero) clear_lines(r, zero, &r->grad[i]);
    }
}

/* The results of all lines, one operand after the other: lines[i · k + line]. */
static void join_results(ad_rule *r, int64_t k, int results, const bool *given, ad_value *lines,
                         const ad_type *type) {
    for (int i = 0; i < results; i++) {
        bool any = false;
        for (int64_t j = 0; j < k; j++) any = any || given[i * k + j];
        for (int64_t j = 0; any && j < k && r->status == AD_OK; j++)
            if (!given[i * k + j]) lines[i * k + j] = ad_rule_zeros(r, &type[i]);
        if (!any || r->status != AD_OK) continue;
        r->status = ad_lines_join(r->ctx, r->src, k, lines + i * k, &r->grad[i]);
        r->given[i] = r->status == AD_OK;
        r->grad[i].flags = AD_LINES;
    }
}

static void rule_by_line(ad_rule *r, int64_t k, void (*rule)(ad_rule *r), int n, const ad_value **slopes,
                         const bool *has, int results, const ad_type *type) {
    const ad_value *whole = *slopes;
    size_t count = (size_t)(results * k), bytes = count * (sizeof(ad_value) + sizeof(bool));
    ad_value *lines = ad_mem_get(r->ctx, bytes), slope[AD_MAX_OPERANDS];
    bool *given = (bool *)(lines + count);
    if (!lines) {
        r->status = ad_failed(r->ctx);
        return;
    }
    memset(given, 0, count * sizeof *given);
    *slopes = slope;
    for (int64_t j = 0; j < k && r->status == AD_OK; j++) {
        for (int i = 0; i < n; i++) {
            slope[i] = ad_number(0);
            if (has[i] && r->status == AD_OK) {
                r->status = ad_line_of(r->ctx, r->src, whole[i], j, &slope[i]);
                if (r->status == AD_OK) ad_rule_own(r, slope[i]);
            }
        }
        if (r->status == AD_OK && (r->ctx->recording || !line_is_zero(r, n, whole, has, j))) rule(r);
        for (int i = 0; i < results; i++) {
            if (!r->given[i]) continue;
            given[i * k + j] = true;
            lines[i * k + j] = ad_rule_own(r, r->grad[i]);
            r->given[i] = false;
        }
    }
    if (r->status == AD_OK) join_results(r, k, results, given, lines, type);
    *slopes = whole;
    ad_mem_put(r->ctx, lines, bytes);
}

static void rule_at_once(ad_rule *r, int64_t k, void (*rule)(ad_rule *r), int n, const ad_value **slopes,
                         const bool *has) {
    ad_value marked[AD_MAX_OPERANDS];
    const ad_value *whole = *slopes;
    for (int i = 0; i < n; i++) {
        marked[i] = whole[i];
        marked[i].flags = has[i] ? AD_LINES : 0;
    }
    *slopes = marked;
    r->lines = k;
    rule(r);
    r->lines = 0;
    *slopes = whole;
}

void ad_lines_rule(ad_rule *r, int64_t k, void (*rule)(ad_rule *r), int n, const ad_value **slopes,
                   const bool *has, int results) {
    const ad_type *type = slopes == &r->adj ? r->in_type : r->out_type;
    bool once = r->row->info.flags & AD_ROW_LINES && n <= AD_MAX_OPERANDS && has_room(r);
    if (once) rule_at_once(r, k, rule, n, slopes, has);
    if (once && !r->ctx->recording) keep_zeros(r, k, n, *slopes, has, results);
    if (!once) rule_by_line(r, k, rule, n, slopes, has, results, type);
}

/* ---- how many ------------------------------------------------------------------------------- */

/* Of all adjoints together (128 MB), and of one, which is to stay in a cache. */
static const int64_t MOST_ELEMENTS = INT64_C(1) << 24, MOST_OF_ONE = INT64_C(1) << 17;
enum { FEW_LINES = 4 };

/* The elements of an entry's results; -1 where there is no room for an axis more. */
static int64_t elements_of(const tape_entry *e) {
    if (!(e->flags & F_PAYLOAD)) return 1;
    const ad_payload *p = e->payload;
    int64_t sum = 0;
    for (int k = 0; k < p->nout; k++) {
        ad_type t;
        ad_payload_type(p, p->nin + k, &t);
        int64_t size = 1;
        for (int i = 0; i < t.rank; i++) size *= t.dims[i];
        if (t.rank >= AD_MAX_RANK) return -1;
        sum += size;
    }
    return sum;
}

int64_t ad_lines_at_once(const ad_sweep *s, int64_t n) {
    int64_t all = 1, largest = 1;
    for (uint32_t i = 0; i < s->order_count; i++) {
        const ad_page *p = s->order[i];
        const ad_segment *seg = (ad_segment *)s->ctx->tape->table[p->segment];
        for (uint32_t w = 0; w < SEG_WORDS; w++)
            for (uint64_t todo = p->need[w]; todo; todo &= todo - 1) {
                int64_t size = elements_of(&seg->e[w * 64 + (uint32_t)__builtin_ctzll(todo)]);
                if (size < 0) return 1;
                all += size;
                if (size > largest) largest = size;
            }
    }
    int64_t most = MOST_ELEMENTS / all, near = MOST_OF_ONE / largest;
    if (near < FEW_LINES) near = FEW_LINES;
    if (most > near) most = near;
    if (most > AD_MAX_LINES) most = AD_MAX_LINES;
    if (most < 1) most = 1;
    return n < most ? n : most;
}
