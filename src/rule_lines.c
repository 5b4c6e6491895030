/* SPDX-License-Identifier: MIT */
/* rule_lines.c - operations of a rule on many lines at once. A value with the flag AD_LINES has an axis
 * in front, with an element a line; one without it is the same for all lines. An operation is brought to
 * one call on the whole: its axes are counted behind the front one, and operands get axes of 1 where
 * broadcasting would not meet what one line meets. What cannot be brought there is done line by line.
 *
 * Results are those of the single lines, up to the order in which a sum of products is added up. */
#include "kernel_matmul.h"
#include "lines.h"
#include "rows.h"

#include <string.h>

/* A call that is being brought to the whole. */
typedef struct lift {
    ad_rule *r;
    int64_t k;
    ad_op op;
    int n;
    ad_value in[AD_MAX_OPERANDS];
    ad_arg args[AD_MAX_ARGS];
    int64_t ints[2 * AD_MAX_RANK + 2];
    char text[256];
} lift;

static bool has_lines(ad_value v) { return v.kind == AD_TENSOR && v.flags & AD_LINES; }

static ad_value bare(ad_value v) {
    v.flags = 0;
    return v;
}

static ad_value marked(ad_value v) {
    v.flags = v.kind == AD_TENSOR ? AD_LINES : 0;
    return v;
}

/* An operation on wholes, without a look at flags. */
static ad_value whole_op(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args) {
    ad_value plain[AD_MAX_OPERANDS], v;
    if (r->status != AD_OK) return ad_number(0);
    for (int i = 0; i < n; i++) plain[i] = bare(in[i]);
    r->status = ad_apply(r->ctx, op, r->src, n, plain, args, &v);
    return r->status == AD_OK ? ad_rule_own(r, v) : ad_number(0);
}

static ad_value whole_ints(ad_rule *r, ad_op op, ad_value v, int n, const int64_t *ints) {
    ad_arg args[AD_MAX_ARGS] = {ad_ints(n, ints)};
    return whole_op(r, op, 1, &v, args);
}

static ad_value reshaped(ad_rule *r, ad_value v, int rank, const int64_t *dims) {
    const ad_tensor *t = v.tensor;
    if (r->status != AD_OK || (t->rank == rank && !memcmp(t->dims, dims, (size_t)rank * sizeof *dims)))
        return v;
    return whole_ints(r, AD_OPID_reshape, v, rank, dims);
}

/* Behind `front`, axes of 1 up to the rank of a line, then those of a line. */
static ad_value widened(ad_rule *r, ad_value v, int rank) {
    int64_t dims[AD_MAX_RANK + 1];
    ad_type t = ad_rule_type(r, v);
    int lead = rank - t.rank;
    if (lead <= 0) return v;
    dims[0] = v.tensor->dims[0];
    for (int i = 0; i < lead; i++) dims[1 + i] = 1;
    memcpy(dims + 1 + lead, t.dims, t.rank * sizeof *dims);
    return reshaped(r, v, rank + 1, dims);
}

/* The same value, allowed to be stretched wherever it has a size of 1. */
static ad_value stretchable(ad_rule *r, ad_value v) {
    bool thin = false;
    for (int i = 0; v.kind == AD_TENSOR && i < v.tensor->rank; i++) thin = thin || v.tensor->dims[i] == 1;
    if (!thin || r->status != AD_OK) return v;
    ad_value own = v;
    own.tensor = ad_tensor_view(r->ctx, v.tensor, 0, v.tensor->rank, v.tensor->dims, ad_strides(v.tensor),
                                UINT16_MAX);
    if (!own.tensor) {
        r->status = ad_failed(r->ctx);
        return v;
    }
    own.node = 0;
    ad_rule_own(r, own);
    own.node = v.node;
    return own;
}

/* What is the same for all lines, once for each of them. */
static ad_value for_each_line(ad_rule *r, ad_value v, int64_t k) {
    int64_t dims[AD_MAX_RANK + 1];
    if (has_lines(v)) return v;
    ad_type t = ad_type_of(v);
    dims[0] = k;
    memcpy(dims + 1, t.dims, t.rank * sizeof *dims);
    return whole_ints(r, AD_OPID_expand, v, t.rank + 1, dims);
}

static int rank_of(const lift *l, int i) { return ad_rule_type(l->r, l->in[i]).rank; }

static int most_axes(const lift *l) {
    int most = 0;
    for (int i = 0; i < l->n; i++)
        if (rank_of(l, i) > most) most = rank_of(l, i);
    return most;
}

static ad_value finish(lift *l) { return marked(whole_op(l->r, l->op, l->n, l->in, l->args)); }

static void set_ints(lift *l, int arg, int n) { l->args[arg] = ad_ints(n, l->ints); }

/* ---- element by element -------------------------------------------------------------------- */

/* A number of each line takes on the precision of the tensors that it meets, as a number does. */
static void adopt_dtype(lift *l) {
    bool single = false, twice = false;
    for (int i = 0; i < l->n; i++) {
        if (l->in[i].kind != AD_TENSOR || rank_of(l, i) == 0) continue;
        single = single || l->in[i].tensor->dtype == AD_F32;
        twice = twice || l->in[i].tensor->dtype == AD_F64;
    }
    for (int i = 0; single && !twice && i < l->n; i++)
        if (l->in[i].kind == AD_TENSOR && rank_of(l, i) == 0 && l->in[i].tensor->dtype == AD_F64)
            l->in[i] = marked(whole_op(l->r, AD_OPID_f32, 1, &l->in[i], NULL));
}

/* Behind the front, axes of 1 where another operand has more. */
static void all_of_rank(lift *l) {
    int rank = most_axes(l);
    for (int i = 0; i < l->n; i++)
        if (has_lines(l->in[i])) l->in[i] = marked(widened(l->r, l->in[i], rank));
}

static ad_value elementwise(lift *l) {
    adopt_dtype(l);
    all_of_rank(l);
    for (int i = 0; i < l->n; i++) l->in[i] = stretchable(l->r, l->in[i]);
    return finish(l);
}

/* ---- axes ----------------------------------------------------------------------------------- */

/* A set of axes, all if none is named, by their numbers in the whole. */
static bool set_of_axes(lift *l, int arg) {
    uint32_t set = 0;
    int rank = rank_of(l, 0), n = 0;
    if (rank == 0 || ad_axes_arg(l->r->ctx, l->args, arg, rank, &set) != AD_OK || !set) return false;
    for (int i = 0; i < rank; i++)
        if (ad_in_set(set, i)) l->ints[n++] = i + 1;
    set_ints(l, arg, n);
    return true;
}

static bool one_axis(lift *l, int arg, int rank, int otherwise) {
    int axis;
    if (ad_axis_arg(l->r->ctx, l->args, arg, rank, otherwise, &axis) != AD_OK) return false;
    l->args[arg] = ad_num(axis + 1.0);
    return true;
}

static ad_value shaped(lift *l, const ad_arg *shape) {
    l->ints[0] = l->k;
    memcpy(l->ints + 1, shape->ints, (size_t)shape->count * sizeof *l->ints);
    return whole_ints(l->r, l->op, l->in[0], shape->count + 1, l->ints);
}

static ad_value summed_to(lift *l, const ad_arg *shape) {
    int lead = rank_of(l, 0) - shape->count;
    int64_t dims[AD_MAX_RANK + 1];
    l->ints[0] = dims[0] = l->k;
    for (int i = 0; i < lead; i++) l->ints[1 + i] = 1;
    memcpy(l->ints + 1 + lead, shape->ints, (size_t)shape->count * sizeof *l->ints);
    memcpy(dims + 1, shape->ints, (size_t)shape->count * sizeof *dims);
    ad_value v = whole_ints(l->r, AD_OPID_sum_to, l->in[0], lead + shape->count + 1, l->ints);
    return reshaped(l->r, v, shape->count + 1, dims);
}

static bool permuted(lift *l) {
    int order[AD_MAX_RANK], rank = rank_of(l, 0);
    const ad_arg *a = &l->args[0];
    if (a->count != rank || ad_axes_order(l->r->ctx, rank, a->count, a->ints, order) != AD_OK) return false;
    l->ints[0] = 0;
    for (int i = 0; i < rank; i++) l->ints[i + 1] = order[i] + 1;
    set_ints(l, 0, rank + 1);
    return true;
}

static bool swapped(lift *l) {
    int rank = rank_of(l, 0), axis[2];
    if (!l->args[0].given) return rank >= 2;
    for (int i = 0; i < 2; i++) {
        if (l->args[0].count != 2 || ad_axis_normal(l->r->ctx, rank, l->args[0].ints[i], &axis[i]) != AD_OK)
            return false;
        l->ints[i] = axis[i] + 1;
    }
    set_ints(l, 0, 2);
    return true;
}

static bool padded(lift *l) {
    int rank = rank_of(l, 0);
    const ad_arg *a = &l->args[0];
    if (a->ints == NULL || a->count != 2 * rank) return false;
    l->ints[0] = l->ints[1] = 0;
    memcpy(l->ints + 2, a->ints, (size_t)a->count * sizeof *l->ints);
    set_ints(l, 0, a->count + 2);
    return true;
}

static void all_for_each_line(lift *l) {
    for (int i = 0; i < l->n; i++) l->in[i] = for_each_line(l->r, l->in[i], l->k);
}

/* A number is written to all places, also one of each line. */
static void scattered(lift *l) {
    bool number = rank_of(l, 2) == 0;
    l->n = number ? 2 : 3;
    all_for_each_line(l);
    l->n = 3;
    if (!number || !has_lines(l->in[2]) || l->r->status != AD_OK) return;
    const ad_tensor *places = l->in[1].tensor;
    l->in[2] = widened(l->r, l->in[2], places->rank - 1);
    l->in[2] = whole_ints(l->r, AD_OPID_expand, l->in[2], places->rank, places->dims);
}

/* Running sums of the flat tensor are those along its one axis. */
static bool scanned(lift *l) {
    if (l->args[0].given) return one_axis(l, 0, rank_of(l, 0), 0);
    ad_type t = ad_rule_type(l->r, l->in[0]);
    int64_t dims[2] = {l->k, ad_type_size(&t)};
    l->in[0] = reshaped(l->r, l->in[0], 2, dims);
    l->args[0] = ad_num(1.0);
    return true;
}

static bool rolled(lift *l) {
    int rank = rank_of(l, 0), axis, n = l->args[1].ints ? l->args[1].count : 1;
    if (!l->args[1].given) return false;
    for (int i = 0; i < n; i++) {
        int64_t given = l->args[1].ints ? l->args[1].ints[i] : ad_arg_int(l->args, 1, 0);
        if (ad_axis_normal(l->r->ctx, rank, given, &axis) != AD_OK) return false;
        l->ints[i] = axis + 1;
    }
    set_ints(l, 1, n);
    return true;
}

/* ---- products ------------------------------------------------------------------------------- */

static int swapped_bits(int strong) { return (strong & 1) << 1 | (strong >> 1 & 1); }

static ad_value product(lift *l, ad_value a, ad_value b, int strong) {
    ad_value in[2] = {a, b};
    ad_arg args[AD_MAX_ARGS] = {ad_num(strong)};
    return whole_op(l->r, l->op == AD_OPID_matmulz ? AD_OPID_matmulz : AD_OPID_matmul, 2, in, args);
}

static ad_value turned(lift *l, ad_value v) {
    ad_arg args[AD_MAX_ARGS] = {{0}};
    return whole_op(l->r, AD_OPID_transpose, 1, &v, args);
}

/* One matrix for all lines of matrices: one tall product. The right factor stands still, or the left one
 * does and the others are columns. */
static bool tall_product(lift *l, int strong, ad_value *out) {
    bool right = has_lines(l->in[1]);
    ad_value still = l->in[right ? 0 : 1], v = l->in[right ? 1 : 0];
    if (has_lines(still) || still.tensor->rank != 2 || rank_of(l, right) != 2) return false;
    int64_t d0 = v.tensor->dims[1], d1 = v.tensor->dims[2];
    if (right && d1 != 1) return false;
    int64_t flat[2] = {right ? l->k : l->k * d0, right ? d0 : d1};
    ad_value y = reshaped(l->r, v, 2, flat);
    y = right ? product(l, y, turned(l, still), swapped_bits(strong)) : product(l, y, still, strong);
    if (l->r->status != AD_OK) return true;
    int64_t dims[3] = {l->k, right ? y.tensor->dims[1] : d0, right ? 1 : y.tensor->dims[1]};
    *out = marked(reshaped(l->r, y, 3, dims));
    return true;
}

/* Vectors are for the caller: lines of them would look like matrices. */
static bool multiplied(lift *l, ad_value *out) {
    int strong = l->op == AD_OPID_matmulz ? (int)ad_arg_int(l->args, 0, 0) : 0;
    if (rank_of(l, 0) < 2 || rank_of(l, 1) < 2) return false;
    if (tall_product(l, strong, out)) return true;
    all_of_rank(l);
    *out = marked(product(l, l->in[0], l->in[1], strong));
    return true;
}

/* A row times a matrix, a matrix times a column, or two vectors, one of which has lines. */
static bool with_vector(lift *l, ad_value *out) {
    int left = rank_of(l, 0), right = rank_of(l, 1);
    int strong = l->op == AD_OPID_matmulz ? (int)ad_arg_int(l->args, 0, 0) : 0;
    if (left > 2 || right > 2 || has_lines(l->in[0]) == has_lines(l->in[1])) return false;
    bool own = has_lines(l->in[1]);
    if (rank_of(l, own) != 1) return false;
    ad_value other = l->in[!own];
    if (own && other.tensor->rank == 2) other = turned(l, other);
    *out = marked(product(l, l->in[own], other, own ? swapped_bits(strong) : strong));
    return true;
}

static bool solvable(const lift *l) {
    int a = rank_of(l, 0), b = rank_of(l, 1);
    return !has_lines(l->in[0]) && b >= 2 && b >= a;
}

/* A letter for the lines, in front of the terms that have them and of the result. */
static bool lettered(lift *l) {
    const char *text = l->args[0].text;
    char fresh = 'a';
    size_t at = 0;
    int term = 0;
    bool result = false;
    if (strchr(text, '.') || !strstr(text, "->")) return false;
    while (fresh <= 'z' && strchr(text, fresh)) fresh++;
    if (fresh > 'z' || strlen(text) + 16 > sizeof l->text) return false;
    if (has_lines(l->in[0])) l->text[at++] = fresh;
    for (const char *c = text; *c; c++) {
        l->text[at++] = *c;
        if (*c == ',') term++;
        if (*c == '>') result = true;
        if (*c == '>' || (*c == ',' && !result && has_lines(l->in[term]))) l->text[at++] = fresh;
    }
    l->text[at] = '\0';
    l->args[0].text = l->text;
    return true;
}

/* ---- images --------------------------------------------------------------------------------- */

/* Lines of images are more images: [k, n, …] as [k n, …], and back. */
static bool more_images(lift *l, ad_value *out) {
    ad_type t = ad_rule_type(l->r, l->in[0]);
    if (!has_lines(l->in[0]) || has_lines(l->in[1]) || t.rank != 4) return false;
    int64_t dims[5] = {l->k * t.dims[0], t.dims[1], t.dims[2], t.dims[3]};
    l->in[0] = reshaped(l->r, l->in[0], 4, dims);
    if (l->op == AD_OPID_conv2d_input) {
        memcpy(l->ints, l->args[2].ints, 4 * sizeof *l->ints);
        l->ints[0] *= l->k;
        set_ints(l, 2, 4);
    }
    ad_value y = whole_op(l->r, l->op, 2, l->in, l->args);
    if (l->r->status != AD_OK) return true;
    int64_t apart[5] = {l->k, t.dims[0]};
    memcpy(apart + 2, y.tensor->dims + 1, 3 * sizeof *apart);
    *out = marked(reshaped(l->r, y, 5, apart));
    return true;
}

static bool windows_back(lift *l) {
    l->ints[0] = l->k;
    memcpy(l->ints + 1, l->args[2].ints, (size_t)l->args[2].count * sizeof *l->ints);
    set_ints(l, 2, l->args[2].count + 1);
    return true;
}

/* ---- the choice ----------------------------------------------------------------------------- */

/* Is there one call for the whole? Then it was made. */
static bool at_once(lift *l, ad_value *out) {
    int rank = rank_of(l, 0);
    const ad_arg shape = l->args[0];
    if (ad_rows[l->op].info.flags & AD_ROW_ELEMENTWISE) {
        *out = elementwise(l);
        return true;
    }
    switch (l->op) {
    case AD_OPID_sum:
    case AD_OPID_mean:
    case AD_OPID_count:
    case AD_OPID_flip:
        if (!set_of_axes(l, 0)) return false;
        break;
    case AD_OPID_reshape:
        *out = marked(shaped(l, &shape));
        return true;
    case AD_OPID_expand:
        if (shape.count < rank) return false;
        l->in[0] = widened(l->r, l->in[0], shape.count);
        *out = marked(shaped(l, &shape));
        return true;
    case AD_OPID_sum_to:
        if (shape.count > rank) return false;
        *out = marked(summed_to(l, &shape));
        return true;
    case AD_OPID_permute:
        if (!permuted(l)) return false;
        break;
    case AD_OPID_transpose:
        if (!swapped(l)) return false;
        break;
    case AD_OPID_f32:
    case AD_OPID_f64:
        if (rank < 1) return false;
        break;
    case AD_OPID_tril:
    case AD_OPID_triu:
    case AD_OPID_diag:
    case AD_OPID_trace:
    case AD_OPID_windows2d:
        if (rank < 2) return false;
        break;
    case AD_OPID_diag_put:
        if (rank < 1) return false;
        break;
    case AD_OPID_cumsum:
        if (!scanned(l)) return false;
        break;
    case AD_OPID_concat:
    case AD_OPID_stack:
        if (!one_axis(l, 0, rank + (l->op == AD_OPID_stack), 0)) return false;
        all_for_each_line(l);
        break;
    case AD_OPID_pad:
        if (!padded(l)) return false;
        break;
    case AD_OPID_roll:
        if (!rolled(l)) return false;
        break;
    case AD_OPID_gather:
        if (!one_axis(l, 0, rank, -1)) return false;
        all_for_each_line(l);
        break;
    case AD_OPID_scatter:
        if (!one_axis(l, 0, rank, -1)) return false;
        scattered(l);
        break;
    case AD_OPID_matmul:
    case AD_OPID_dot:
    case AD_OPID_matmulz: return multiplied(l, out) || with_vector(l, out);
    case AD_OPID_crossz: all_of_rank(l); break;
    case AD_OPID_solve:
        if (!solvable(l)) return false;
        break;
    case AD_OPID_einsum:
    case AD_OPID_einsumz:
        if (!lettered(l)) return false;
        break;
    case AD_OPID_einsum_spread: {
        if (!lettered(l)) return false;
        const ad_arg dims = l->args[1];
        l->ints[0] = l->k;
        memcpy(l->ints + 1, dims.ints, (size_t)dims.count * sizeof *l->ints);
        set_ints(l, 1, dims.count + 1);
        break;
    }
    case AD_OPID_conv2dz:
    case AD_OPID_conv2d_input: return more_images(l, out);
    case AD_OPID_windows2d_add:
        if (!windows_back(l)) return false;
        break;
    default: return false;
    }
    *out = finish(l);
    return true;
}

/* Line by line. */
static ad_value one_by_one(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args, int64_t k) {
    ad_value part[AD_MAX_OPERANDS], line[AD_MAX_LINES], y = ad_number(0);
    int64_t made = 0;
    for (; made < k && r->status == AD_OK; made++) {
        for (int i = 0; i < n; i++) {
            part[i] = bare(in[i]);
            if (!has_lines(in[i])) continue;
            if (r->status == AD_OK) r->status = ad_line_of(r->ctx, r->src, in[i], made, &part[i]);
            if (r->status == AD_OK) ad_rule_own(r, part[i]);
        }
        line[made] = whole_op(r, op, n, part, args);
    }
    if (r->status == AD_OK) r->status = ad_lines_join(r->ctx, r->src, k, line, &y);
    return r->status == AD_OK ? marked(ad_rule_own(r, y)) : ad_number(0);
}

ad_value ad_rule_op_lines(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args) {
    lift l = {.r = r, .k = r->lines, .op = op, .n = n};
    bool any = false;
    ad_value out = ad_number(0);
    for (int i = 0; i < n; i++) {
        any = any || has_lines(in[i]);
        l.in[i] = in[i];
    }
    if (!any) return whole_op(r, op, n, in, args);
    if (args) memcpy(l.args, args, sizeof l.args);
    if (at_once(&l, &out)) return r->status == AD_OK ? out : ad_number(0);
    return one_by_one(r, op, n, in, args, r->lines);
}
