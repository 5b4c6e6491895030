/* SPDX-License-Identifier: MIT */
/* lines.h - many lines of a Jacobian in one sweep. A cotangent or tangent of an entry then has an axis in
 * front, with an element a line: [k] for a number, [k, 2, 3] for a tensor [2, 3]; `ad_sweep.lines` is k.
 * What happens to each line is what happens to it alone. */
#ifndef AD_LINES_H
#define AD_LINES_H

#include "sweep.h"

enum { AD_MAX_LINES = AD_MAX_OPERANDS }; /* so that one call joins them */

/* An operation of a rule (rule_lines.c). */
ad_value ad_rule_op_lines(ad_rule *r, ad_op op, int n, const ad_value *in, const ad_arg *args);

/* Line i of a whole, and k lines as one whole; recorded where they are tracked. */
ad_status ad_line_of(ad_ctx *ctx, uint32_t src, ad_value whole, int64_t i, ad_value *out);
ad_status ad_lines_join(ad_ctx *ctx, uint32_t src, int64_t k, const ad_value *line, ad_value *out);

/* k lines of the type. */
ad_type ad_lines_type(int64_t k, const ad_type *line);
/* A whole whose lines are brought to the type by summing what was stretched or stretching it; without
 * `each` it is one line for all. Takes `v` over. */
ad_status ad_lines_conform(ad_ctx *ctx, uint32_t src, int64_t k, ad_value v, bool each, const ad_type *type,
                           ad_value *out);
/* g · partial of a scalar entry for each element of g, with strong zeros. */
ad_status ad_lines_product(ad_sweep *s, const tape_entry *e, int k, uint32_t node, ad_value g, ad_value *out);

/* A row's rule with k cotangents (or tangents) each: at once if the row can, else line by line. The
 * frame's results have the flag AD_LINES where they differ from line to line. */
void ad_lines_rule(ad_rule *r, int64_t k, void (*rule)(ad_rule *r), int n, const ad_value **slopes,
                   const bool *has, int results);
/* A tangent of an input of the entry's program, to meet the inputs as each of its lines would; its own. */
ad_status ad_lines_operand(ad_ctx *ctx, const tape_entry *e, ad_value t, ad_value *out);
/* An entry's costly partials once, not once a line: out[i] = slope[i] · partial in the i-th input of the set
 * `wanted`, plain; for one `slope` the same for all (a cotangent), or one each (tangents). `in` has the
 * inputs and room for one value more. False where slopes or partials are not ordinary numbers, or the
 * partials are cheap: then the way of a single line is to be gone. */
bool ad_lines_partials(ad_ctx *ctx, const tape_entry *e, uint64_t wanted, ad_value *in, const ad_value *slope,
                       bool each, ad_value *out, ad_status *st);
/* The plan of a payload for a whole; of one line if k is 0; the caller's. */
ad_status ad_lines_plan(ad_ctx *ctx, const ad_payload *p, int64_t k, ad_index_plan **out);

/* k lines at once in the place of an ad_vjp (or ad_jvp) for each: ∂y/∂wrt times the lines `seed`; one
 * entry where they are recorded. `out` are [k, …], with the shapes of wrt (or y). */
ad_status ad_vjp_lines(ad_ctx *ctx, ad_value y, int64_t k, ad_value seed, int n, const ad_value *wrt,
                       unsigned flags, uint32_t src, ad_value *out);
ad_status ad_jvp_lines(ad_ctx *ctx, ad_value wrt, int64_t k, ad_value tangent, ad_value y, unsigned flags,
                       uint32_t src, ad_value *out);

/* How many lines of n to take at once, that memory stays bounded. */
int64_t ad_lines_at_once(const ad_sweep *s, int64_t n);

#endif
