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
/* At one element, the instruction that made the adjoint of an input bad. */
void ad_prog_blame_adjoint(ad_ctx *ctx, const ad_prog *p, const ad_value *in, int rank,
                           const int64_t *index, int input, ad_blame *out);

#endif
