/* SPDX-License-Identifier: MIT */
/* blame.h - what the search for the first inf or nan asks of a block program. */
#ifndef AD_BLAME_H
#define AD_BLAME_H

#include "tensor.h"

double ad_number_at(const ad_tensor *t, int64_t offset);
/* The element of an operand that is stretched to a result of this rank. */
double ad_element_of(ad_value v, int rank, const int64_t *index);
void ad_blame_operation(ad_blame *out, ad_op op, int n, const double *x, double value);
/* At one element, from a bad result down: the input that is bad, or -1 with an instruction blamed. */
int ad_prog_blame(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank, const int64_t *index,
                  ad_blame *out);
/* The adjoint of an input at one element; where it is not finite, the instruction that made it so is
 * blamed. */
double ad_prog_blame_adjoint(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank,
                             const int64_t *index, int input, ad_blame *out);
/* The values of an entry's operands, which are the caller's; those that no entry saved are computed again.
 * False: not to be had. */
bool ad_recall_operands(ad_ctx *ctx, uint32_t node, ad_value *in);
/* The first element that is not finite, as an index; false if there is none. */
bool ad_first_bad(const ad_tensor *t, int64_t *index);

#endif
