/* SPDX-License-Identifier: MIT */
/* ops.h - the table. A row is everything that the engine knows of a primitive; enum, lookup, shape
 * rule, kernel, derivative, help and gradient test are expanded from it.
 *
 * Elementwise rows (ops_elementwise.def) give a value and one partial derivative an operand as
 * formulas in an algebra that is expanded several times: for doubles, for block programs, for recorded
 * operations, for help text. All other rows (ops_tensor.def) give functions; their derivative rules
 * are written with operations of the table, so one rule serves plain and recorded sweeps. */
#ifndef AD_OPS_H
#define AD_OPS_H

#include "base.h"

/* Row numbers: AD_OPID_sum and so on, in table order; the first ones are those of ad.h. */
enum ad_opid {
    AD_OPID_none,
#define AD_ELEMENTWISE(name, ...) AD_OPID_##name,
#define AD_TENSOR_ROW(name, ...) AD_OPID_##name,
#include "ops_elementwise.def"
#include "ops_tensor.def"
#undef AD_ELEMENTWISE
#undef AD_TENSOR_ROW
    AD_OPID_END
};

typedef struct ad_row ad_row;

/* One call of an operation, before anything is computed. */
typedef struct ad_call {
    ad_ctx *ctx;
    const ad_row *row;
    ad_op op;
    uint32_t src;
    int n;
    const ad_value *in; /* NULL when only types are known */
    const ad_arg *args;
} ad_call;

/* A derivative rule at work. Values in `in` and `out` are there only if the row saves them; the types
 * always are. In a recorded sweep they are tracked, and so is what the rule makes of them. */
typedef struct ad_rule {
    ad_ctx *ctx;
    const ad_row *row;
    const ad_arg *args;
    uint32_t src;
    ad_status status; /* sticky: after a failure the helpers below do nothing */
    int n, nout;
    int64_t lines; /* cotangents or tangents at once, see AD_LINES; 0: one */
    bool both;     /* jvp: exact zeros of partials are strong, too, in ad_rule_mulz (ad_sweep.both) */
    const ad_value *in;
    const ad_value *out;
    const ad_type *in_type;
    const ad_type *out_type;
    const bool *need;     /* vjp: which operands' cotangents are wanted; jvp: which have a tangent */
    const ad_value *adj;  /* vjp: one cotangent a result; has_adj tells which arrived */
    const bool *has_adj;
    ad_value *grad;       /* vjp: filled by ad_rule_give; what is not given is 0 */
    const ad_value *tan;  /* jvp: one tangent an operand where need[i] */
    ad_value *dout;       /* jvp: filled by ad_rule_give */
    bool *given;
    uint32_t refused;     /* jvp: results without a derivative, an error for whoever asks for one */
    const char *refusal;
    ad_value *temp;       /* values made by the rule, released when it ends */
    int temps, temp_room;
} ad_rule;

/* In a jvp: result k has no derivative here. The text is static. */
static inline void ad_rule_refuse(ad_rule *r, int k, const char *why) {
    r->refused |= 1U << k;
    r->refusal = why;
}
/* The type of a value of a rule: that of one line. */
ad_type ad_rule_type(const ad_rule *r, ad_value v);
/* Applies an operation; the result belongs to the rule. */
ad_value ad_rule_op(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args);
ad_value ad_rule_op1(ad_rule *r, ad_op op, ad_value a);
ad_value ad_rule_op2(ad_rule *r, ad_op op, ad_value a, ad_value b);
/* Strong product: exactly 0 where `adj` is exactly 0. */
ad_value ad_rule_mulz(ad_rule *r, ad_value adj, ad_value partial);
/* To the shape of a type: sums what was stretched (vjp), stretches (jvp). */
ad_value ad_rule_sum_to(ad_rule *r, ad_value v, const ad_type *type);
ad_value ad_rule_expand(ad_rule *r, ad_value v, const ad_type *type);
ad_value ad_rule_zeros(ad_rule *r, const ad_type *type);
/* A value that the rule made itself with kernels (plain sweeps) or otherwise owns: hands it over. */
ad_value ad_rule_own(ad_rule *r, ad_value v);
/* vjp: the cotangent of operand k; jvp: the tangent of result k. Several calls for one k add up. */
void ad_rule_give(ad_rule *r, int k, ad_value v);
/* The row has no derivative; it was recorded at `src`. */
void ad_fail_nodiff(ad_rule *r, uint32_t src);
void ad_rule_fail(ad_rule *r, ad_status status, const char *format, ...) AD_PRINTF(3, 4);

/* Builders turn the algebra of elementwise partials into instructions or recorded operations. */
typedef struct ad_term {
    int reg;      /* block programs */
    ad_value v;   /* recorded operations */
} ad_term;
typedef struct ad_builder ad_builder;
struct ad_builder {
    ad_term (*emit)(ad_builder *b, ad_op op, int n, const ad_term *in);
    ad_term (*constant)(ad_builder *b, double x);
    ad_status status;
};

/* Many lines of a Jacobian go through a rule at once: a value of a rule with this flag has one axis more
 * in front, with an element a line. Rules do not see it: the words below take its type to be that of one
 * line (ad_rule_type), and operations treat each line by itself (rule_lines.c). */
enum { AD_LINES = 1 };

enum { /* what a row saves for its rules: operand i, or the results */
    AD_SAVE_IN0 = 1, AD_SAVE_IN1 = 2, AD_SAVE_IN2 = 4, AD_SAVE_IN3 = 8,
    AD_SAVE_ALL_IN = 0xff, AD_SAVE_OUT = 0x100
};

/* Flag of a row that hands one operand on: what is not taken has no share in the derivative, not even
 * against an infinite adjoint or tangent. */
enum { AD_ROW_SELECT = 512 };
/* The rules look into no element of a cotangent or tangent and use only the words of rules: many lines
 * go through them at once. */
enum { AD_ROW_LINES = 1024 };

struct ad_row {
    ad_row_info info;
    unsigned saves;
    /* elementwise rows */
    double (*value)(double a, double b, double c);
    ad_term (*partial)(ad_builder *b, int k, const ad_term *in, ad_term out); /* NULL: zero or none */
    /* other rows */
    ad_status (*shape)(const ad_call *c, const ad_type *in, ad_type *out);
    ad_status (*run)(const ad_call *c, const ad_type *out_type, ad_value *out);
    void (*vjp)(ad_rule *r);
    void (*jvp)(ad_rule *r); /* NULL: the row is linear in all its operands: applied to the tangents */
};

extern const ad_row ad_rows[];

/* Has operand k no share, whatever slope (adjoint or tangent) meets it? Where an exact zero of a strong
 * product stood against inf or nan, that product is a constant 0 at every order. */
static inline bool ad_passed_over(ad_op op, int k, double a, double b, double partial, double slope) {
    if (op != AD_OPID_mulz) return partial == 0 && (ad_rows[op].info.flags & AD_ROW_SELECT) != 0;
    return a == 0 && (!(b - b == 0) || (k == 1 && !(slope - slope == 0)));
}

/* Elementwise value and partials for doubles: one switch each, the same formulas as the builder's. */
double ad_scalar_value(ad_op op, double a, double b, double c);
double ad_scalar_partial(ad_op op, int k, double a, double b, double c, double y);
/* True where the partial is 0 by rule or structurally (floor, comparisons, the condition of where). */
bool ad_partial_is_zero(ad_op op, int k);

/* The shape of an elementwise call with the guard of broadcasting; `where` as in ad_error. */
ad_status ad_broadcast_types(ad_ctx *ctx, int n, const ad_type *in, ad_type *out);

/* Block programs, seen from the tape. */
int ad_prog_inputs(const ad_prog *p);
int ad_prog_results(const ad_prog *p);
/* The program of one elementwise row, made once. */
ad_prog *ad_prog_of_row(ad_ctx *ctx, ad_op op);
/* For a program of n inputs: n inputs, then the cotangent → one result for each bit of `wanted`, in
 * the broadcast shape, with strong zeros. Made once for each mask; borrowed. */
ad_prog *ad_prog_pullback(ad_ctx *ctx, ad_prog *p, uint64_t wanted);
/* n inputs, then one tangent for each bit of `given` → the tangent of the result. */
ad_prog *ad_prog_pushforward(ad_ctx *ctx, ad_prog *p, uint64_t given, bool both);
/* True if the result needs the value of input k (a pullback that does not read an input may be given
 * a number in its place). */
bool ad_prog_reads(const ad_prog *p, int k);
/* Is there more in it than arithmetic? */
bool ad_prog_is_costly(const ad_prog *p);
/* The row of a program of one instruction, or AD_OP_NONE. */
ad_op ad_prog_row(const ad_prog *p);
/* The inputs in which the derivative is not 0 by structure (comparisons, floor …): a bit each. */
uint64_t ad_prog_dependence(const ad_prog *p);
/* What a payload saves for the pullback to `wanted`: a bit for each input that it reads, the last for
 * all from 28 on. */
unsigned ad_prog_saves(ad_ctx *ctx, ad_prog *p, uint64_t wanted);
/* Runs it on plain values: shapes checked, nothing recorded. All results at once. If all inputs are
 * numbers the results are numbers. */
ad_status ad_prog_run(ad_ctx *ctx, ad_prog *p, const ad_value *in, ad_value *out);
ad_status ad_prog_infer(ad_ctx *ctx, ad_prog *p, const ad_type *in, ad_type *out);

/* One door below ad_apply: computes, records nothing. */
ad_status ad_compute(ad_ctx *ctx, ad_op op, uint32_t src, int n, const ad_value *in, const ad_arg *args,
                     ad_value *out);

#endif
