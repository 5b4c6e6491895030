/* SPDX-License-Identifier: MIT */
/* ops.c - the table itself, expanded from the two .def files; lookup by name; the shape rule alone;
 * and one door to compute an operation without recording it. Knows nothing of tapes. */
#include "ops_scalar.h"

#include <string.h>

#include "rows.h"

/* ---- partials as terms of a builder ------------------------------------------------------- */

static ad_term term1(ad_builder *b, ad_op op, ad_term x) { return b->emit(b, op, 1, &x); }

static ad_term term2(ad_builder *b, ad_op op, ad_term x, ad_term y) {
    const ad_term in[] = {x, y};
    return b->emit(b, op, 2, in);
}

static ad_term term3(ad_builder *b, ad_op op, ad_term x, ad_term y, ad_term z) {
    const ad_term in[] = {x, y, z};
    return b->emit(b, op, 3, in);
}

#define CONST(x) build->constant(build, x)
#define ONE CONST(1.0)
#define ZERO CONST(0.0)
#define MINUS_ONE CONST(-1.0)
#define ADD(a, b) term2(build, AD_OPID_add, a, b)
#define SUB(a, b) term2(build, AD_OPID_sub, a, b)
#define MUL(a, b) term2(build, AD_OPID_mul, a, b)
#define DIV(a, b) term2(build, AD_OPID_div, a, b)
#define NEG(a) term1(build, AD_OPID_neg, a)
#define SQ(a) square(build, a)
#define EQ(a, b) term2(build, AD_OPID_eq, a, b)
#define NE(a, b) term2(build, AD_OPID_ne, a, b)
#define LT(a, b) term2(build, AD_OPID_lt, a, b)
#define LE(a, b) term2(build, AD_OPID_le, a, b)
#define GT(a, b) term2(build, AD_OPID_gt, a, b)
#define GE(a, b) term2(build, AD_OPID_ge, a, b)
#define AND(a, b) term2(build, AD_OPID_and, a, b)
#define OR(a, b) term2(build, AD_OPID_or, a, b)
#define WHERE(c, a, b) term3(build, AD_OPID_where, c, a, b)
#define ISFINITE(a) term1(build, AD_OPID_isfinite, a)
#define MULZ(a, b) term2(build, AD_OPID_mulz, a, b)
#define POW(a, b) term2(build, AD_OPID_pow, a, b)
#define EXP(a) term1(build, AD_OPID_exp, a)
#define LOG(a) term1(build, AD_OPID_log, a)
#define SQRT(a) term1(build, AD_OPID_sqrt, a)
#define SIN(a) term1(build, AD_OPID_sin, a)
#define COS(a) term1(build, AD_OPID_cos, a)
#define SINH(a) term1(build, AD_OPID_sinh, a)
#define COSH(a) term1(build, AD_OPID_cosh, a)
#define SECH(a) term1(build, AD_OPID_sech, a)
#define TANH(a) term1(build, AD_OPID_tanh, a)
#define HYPOT(a, b) term2(build, AD_OPID_hypot, a, b)
#define DIGAMMA(a) term1(build, AD_OPID_digamma, a)
#define COSINE(a, b) term2(build, AD_OPID_cosine, a, b)
#define COSQUARE(a) term1(build, AD_OPID_cosquare, a)
#define POLYGAMMA(n, x) term2(build, AD_OPID_polygamma, n, x)
#define SIGN(a) term1(build, AD_OPID_sign, a)
#define ROUND(a) term1(build, AD_OPID_round, a)
#define MAXIMUM(a, b) term2(build, AD_OPID_maximum, a, b)
#define D(formula) formula
#define Z ZERO
#define N ZERO
#define A in[0]
#define B in[1]
#define C in[2]
#define Y out

static ad_term square(ad_builder *b, ad_term x) { return term2(b, AD_OPID_mul, x, x); }

#define AD_ELEMENTWISE(name, signature, n, flags, value, da, db, dc, domain, doc) \
    static ad_term partial_##name(ad_builder *build, int k, const ad_term *in, ad_term out) { \
        (void)in, (void)out; \
        switch (k) { \
        case 0: return da; \
        case 1: return db; \
        default: return dc; \
        } \
    }
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
#undef D
#undef Z
#undef N
#undef A
#undef B
#undef C
#undef Y

/* ---- the rows ----------------------------------------------------------------------------- */

const ad_row ad_rows[] = {
    [AD_OPID_none] = {.info = {.name = "", .signature = "", .doc = "", .domain = ""}},
#define AD_ELEMENTWISE(id, sig, n, fl, formula, da, db, dc, dom, about) \
    [AD_OPID_##id] = {.info = {.name = #id, .signature = sig, .doc = about, .domain = dom, \
                               .min_operands = n, .max_operands = n, .results = 1, \
                               .flags = AD_ROW_ELEMENTWISE | (fl)}, \
                      .saves = AD_SAVE_ALL_IN | AD_SAVE_OUT, .value = ad_v_##id, \
                      .partial = partial_##id},
#define AD_TENSOR_ROW(id, sig, least, most, count, fl, keeps, shape_fn, run_fn, vjp_fn, jvp_fn, dom, about) \
    [AD_OPID_##id] = {.info = {.name = #id, .signature = sig, .doc = about, .domain = dom, \
                               .min_operands = least, .max_operands = most, .results = count, \
                               .flags = fl}, \
                      .saves = keeps, .shape = shape_fn, .run = run_fn, .vjp = vjp_fn, .jvp = jvp_fn},
#include "ops_elementwise.def"
#include "ops_tensor.def"
#undef AD_ELEMENTWISE
#undef AD_TENSOR_ROW
};

_Static_assert((int)AD_OPID_add == AD_OP_ADD && (int)AD_OPID_pow == AD_OP_POW &&
                   (int)AD_OPID_neg == AD_OP_NEG && (int)AD_OPID_eq == AD_OP_EQ &&
                   (int)AD_OPID_not == AD_OP_NOT && (int)AD_OPID_where == AD_OP_WHERE,
               "the first rows have the numbers of ad.h");

double ad_scalar_value(ad_op op, double a, double b, double c) {
    return ad_scalar_value_inline(op, a, b, c);
}

double ad_scalar_partial(ad_op op, int k, double a, double b, double c, double y) {
    return ad_scalar_partial_inline(op, k, a, b, c, y);
}

bool ad_partial_is_zero(ad_op op, int k) {
    enum { NO_D = 1 };
#define D(formula) 0
#define Z NO_D
#define N NO_D
    static const uint8_t zero[] = {
#define AD_ELEMENTWISE(name, signature, n, flags, value, da, db, dc, domain, doc) \
    [AD_OPID_##name] = (uint8_t)(da | db << 1 | dc << 2),
#include "ops_elementwise.def"
#undef AD_ELEMENTWISE
    };
#undef D
#undef Z
#undef N
    return op < sizeof zero && (zero[op] >> k & 1);
}

/* ---- lookup ------------------------------------------------------------------------------- */

int ad_op_count(void) { return AD_OPID_END; }

const ad_row_info *ad_op_info(ad_op op) {
    return &ad_rows[op < AD_OPID_END ? op : AD_OPID_none].info;
}

/* Linear, so that nothing has to be built at the start: well under a microsecond, and a host binds
 * each name once. */
ad_op ad_op_find(const char *name) {
    for (int op = 1; op < AD_OPID_END; op++) {
        const char *row = ad_rows[op].info.name;
        if (row[0] == name[0] && strcmp(row, name) == 0) return (ad_op)op;
    }
    return AD_OP_NONE;
}

/* ---- one call ----------------------------------------------------------------------------- */

static ad_status check_count(ad_ctx *ctx, const ad_row *row, int n) {
    int least = row->info.min_operands, most = row->info.max_operands;
    if (n >= least && n <= most) return AD_OK;
    const char *bound = least == most ? "" : n < least ? "at least " : "at most ";
    int count = n < least ? least : most;
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "`%s` takes %s%d operand%s, got %d", row->info.name, bound,
                   count, count == 1 ? "" : "s", n);
}

static ad_status check_row(ad_ctx *ctx, ad_op op, int n) {
    if (op == AD_OP_NONE || op >= AD_OPID_END)
        return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "there is no operation number %d", op);
    return check_count(ctx, &ad_rows[op], n);
}

ad_status ad_infer(ad_ctx *ctx, ad_op op, int n, const ad_type *in, const ad_arg *args, ad_type *out) {
    ad_status s = check_row(ctx, op, n);
    if (s != AD_OK) return s;
    const ad_row *row = &ad_rows[op];
    if (row->info.flags & AD_ROW_ELEMENTWISE) {
        ad_prog *p = ad_prog_of_row(ctx, op);
        return p ? ad_prog_infer(ctx, p, in, out) : ad_failed(ctx);
    }
    ad_call call = {.ctx = ctx, .row = row, .op = op, .n = n, .args = args};
    return row->shape(&call, in, out);
}

static ad_status compute_row(const ad_call *call, ad_value *out) {
    ad_type in[AD_MAX_OPERANDS], type[AD_MAX_OPERANDS];
    for (int i = 0; i < call->n; i++) in[i] = ad_type_of(call->in[i]);
    ad_status s = call->row->shape(call, in, type);
    return s == AD_OK ? call->row->run(call, type, out) : s;
}

static bool all_numbers(int n, const ad_value *in) {
    for (int i = 0; i < n; i++)
        if (in[i].kind != AD_NUMBER && in[i].kind != AD_BOOL) return false;
    return true;
}

ad_status ad_compute(ad_ctx *ctx, ad_op op, uint32_t src, int n, const ad_value *in, const ad_arg *args,
                     ad_value *out) {
    ad_status s = check_row(ctx, op, n);
    if (s != AD_OK) return s;
    const ad_row *row = &ad_rows[op];
    if (!(row->info.flags & AD_ROW_ELEMENTWISE)) {
        ad_call call = {ctx, row, op, src, n, in, args};
        return compute_row(&call, out);
    }
    if (all_numbers(n, in)) {
        double y = row->value(in[0].num, n > 1 ? in[1].num : 0, n > 2 ? in[2].num : 0);
        *out = row->info.flags & AD_ROW_TRUTH ? ad_bool(y != 0) : ad_number(y);
        return AD_OK;
    }
    ad_prog *p = ad_prog_of_row(ctx, op);
    return p ? ad_prog_run(ctx, p, in, out) : ad_failed(ctx);
}
