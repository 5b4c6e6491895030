/* SPDX-License-Identifier: MIT */
/* rows.h - what the rows of ops_tensor.def share: the prototypes of their functions (so that the
 * table can be expanded), readers of attributes for shape rules, makers of results for kernels, and
 * short words for derivative rules. Holds no state; knows no row in particular.
 *
 * An attribute of the kind `int` may arrive as a list of one or as a number; both are read. */
#ifndef AD_ROWS_H
#define AD_ROWS_H

#include "ops.h"
#include "shape.h"
#include "tensor.h"

#define AD_SHAPE(f) ad_status f(const ad_call *c, const ad_type *in, ad_type *out)
#define AD_RUN(f) ad_status f(const ad_call *c, const ad_type *type, ad_value *out)
#define AD_RULE(f) void f(ad_rule *r)

/* ---- attributes --------------------------------------------------------------------------- */

static inline bool ad_arg_given(const ad_arg *args, int k) { return args != NULL && args[k].given; }
int64_t ad_arg_int(const ad_arg *args, int k, int64_t otherwise);
double ad_arg_num(const ad_arg *args, int k, double otherwise);
bool ad_arg_flag(const ad_arg *args, int k);
ad_arg ad_ints(int count, const int64_t *ints); /* borrows `ints` */
ad_arg ad_num(double x);
/* One axis, negative from the end. */
ad_status ad_axis_arg(ad_ctx *ctx, const ad_arg *args, int k, int rank, int otherwise, int *axis);
/* A set of axes as bits; all of them if none is given. */
ad_status ad_axes_arg(ad_ctx *ctx, const ad_arg *args, int k, int rank, uint32_t *set);
static inline bool ad_in_set(uint32_t set, int axis) { return (set >> axis & 1U) != 0; }

/* ---- types and results -------------------------------------------------------------------- */

ad_type ad_type_number(void);
ad_type ad_type_make(ad_dtype dtype, int rank, const int64_t *dims); /* rank ≥ 1 */
int64_t ad_type_size(const ad_type *t);
const char *ad_type_text(const ad_type *t, char buf[AD_SHAPE_TEXT]);
/* f32 stays, all else is f64: what arithmetic on the operands gives; numbers adopt. */
ad_dtype ad_float_dtype(int n, const ad_type *in);
/* Without the axes of `set`, or with 1 in their place. */
ad_type ad_type_reduced(const ad_type *in, uint32_t set, bool keep, ad_dtype dtype);

/* The tensor behind a value, retained; a number or bool becomes one of shape [1]. */
ad_tensor *ad_tensor_of(ad_ctx *ctx, ad_value v);
/* The same converted to `dtype` and contiguous. */
ad_tensor *ad_tensor_as(ad_ctx *ctx, ad_value v, ad_dtype dtype);
/* A fresh tensor of the type; shape [1] for a number, which ad_result turns into one. */
ad_tensor *ad_result_new(ad_ctx *ctx, const ad_type *type);
/* The same filled; looks at the interrupt flag. */
ad_tensor *ad_result_full(ad_ctx *ctx, const ad_type *type, double x);
/* Hands a tensor out as a value of the type (takes it over): a number if the rank is 0. */
ad_status ad_result(ad_ctx *ctx, const ad_type *type, ad_tensor *t, ad_value *out);
/* `t` in the shape of `type`, a view if possible; takes `t` over. */
ad_status ad_result_reshaped(ad_ctx *ctx, const ad_type *type, ad_tensor *t, ad_value *out);

/* ---- words for rules ---------------------------------------------------------------------- */

/* An operation of one operand whose first attribute is a list of ints. */
ad_value ad_rule_ints(ad_rule *r, ad_op op, ad_value x, int n, const int64_t *ints);
ad_value ad_rule_reshape(ad_rule *r, ad_value x, const ad_type *type);
ad_value ad_rule_T(ad_rule *r, ad_value x); /* the last two axes swapped */
/* A reduction over a set of axes that keeps them as 1. */
ad_value ad_rule_reduce(ad_rule *r, ad_op op, ad_value x, uint32_t set);
/* Cuts `before` and `after` elements off along an axis (negative: adds `fill`). */
ad_value ad_rule_crop(ad_rule *r, ad_value x, int axis, int64_t before, int64_t after, double fill);
ad_value ad_rule_where(ad_rule *r, ad_value mask, ad_value a, ad_value b);
/* x with 0 in place of inf and nan. */
ad_value ad_rule_finite(ad_rule *r, ad_value x);
/* The share of an operand whose exact zeros were strong in the product that is differentiated: where one
 * stood, the product was a constant 0, and only the finite part of the other factor counts. */
ad_value ad_rule_where_zero(ad_rule *r, ad_value own, ad_value finite_share, ad_value share);
/* a @ b with strong zeros in a (bit 0) and b (bit 1). */
ad_value ad_rule_matmul(ad_rule *r, ad_value a, ad_value b, int strong);
ad_value ad_rule_scale(ad_rule *r, ad_value x, double factor);
/* The cotangent of result k, zeros if none arrived. */
ad_value ad_rule_adj(ad_rule *r, int k);
/* True where a plain look at a value finds inf or nan / an exact zero. */
bool ad_has_nonfinite(ad_value v);

/* ---- the rows ----------------------------------------------------------------------------- */

AD_SHAPE(ad_shape_same);  /* dtype and dims of operand 0 */
AD_SHAPE(ad_shape_float); /* the same, bool becomes f64 */

/* rows_reduce.c */
AD_SHAPE(ad_shape_reduce);
AD_SHAPE(ad_shape_reduce_bool);
AD_SHAPE(ad_shape_count);
AD_SHAPE(ad_shape_sum_to);
AD_SHAPE(ad_shape_arg);
AD_RUN(ad_run_sum);
AD_RUN(ad_run_prod);
AD_RUN(ad_run_mean);
AD_RUN(ad_run_var);
AD_RUN(ad_run_std);
AD_RUN(ad_run_max);
AD_RUN(ad_run_min);
AD_RUN(ad_run_norm);
AD_RUN(ad_run_logsumexp);
AD_RUN(ad_run_all);
AD_RUN(ad_run_any);
AD_RUN(ad_run_count);
AD_RUN(ad_run_sum_to);
AD_RUN(ad_run_argmax);
AD_RUN(ad_run_argmin);
AD_RULE(ad_vjp_sum);
AD_RULE(ad_vjp_sum_to);
AD_RULE(ad_vjp_mean);
AD_RULE(ad_vjp_var);
AD_RULE(ad_jvp_var);
AD_RULE(ad_vjp_std);
AD_RULE(ad_jvp_std);
AD_RULE(ad_vjp_extreme);
AD_RULE(ad_jvp_extreme);
AD_RULE(ad_vjp_norm);
AD_RULE(ad_jvp_norm);
AD_RULE(ad_vjp_logsumexp);
AD_RULE(ad_jvp_logsumexp);

/* rows_scan.c */
AD_SHAPE(ad_shape_scan);
AD_RUN(ad_run_cumsum);
AD_RUN(ad_run_cumprod);
AD_RULE(ad_vjp_cumsum);
AD_RULE(ad_vjp_cumprod);
AD_RULE(ad_jvp_cumprod);
AD_RULE(ad_vjp_prod);
AD_RULE(ad_jvp_prod);

/* rows_shape.c: views */
AD_SHAPE(ad_shape_expand);
AD_SHAPE(ad_shape_reshape);
AD_SHAPE(ad_shape_flatten);
AD_SHAPE(ad_shape_squeeze);
AD_SHAPE(ad_shape_permute);
AD_SHAPE(ad_shape_transpose);
AD_SHAPE(ad_shape_f32);
AD_SHAPE(ad_shape_f64);
AD_RUN(ad_run_expand);
AD_RUN(ad_run_reshape);
AD_RUN(ad_run_permute);
AD_RUN(ad_run_transpose);
AD_RUN(ad_run_flip);
AD_RUN(ad_run_cast);
AD_RULE(ad_vjp_expand);
AD_RULE(ad_vjp_reshape);
AD_RULE(ad_vjp_permute);
AD_RULE(ad_vjp_transpose);
AD_RULE(ad_vjp_flip);
AD_RULE(ad_vjp_cast);

/* rows_join.c: rearranged copies */
AD_SHAPE(ad_shape_concat);
AD_SHAPE(ad_shape_stack);
AD_SHAPE(ad_shape_pad);
AD_SHAPE(ad_shape_tile);
AD_SHAPE(ad_shape_repeat);
AD_SHAPE(ad_shape_diag);
AD_SHAPE(ad_shape_diag_put);
AD_RUN(ad_run_concat);
AD_RUN(ad_run_stack);
AD_RUN(ad_run_pad);
AD_RUN(ad_run_tile);
AD_RUN(ad_run_repeat);
AD_RUN(ad_run_roll);
AD_RUN(ad_run_diag);
AD_RUN(ad_run_diag_put);
AD_RUN(ad_run_tril);
AD_RUN(ad_run_triu);
AD_RUN(ad_run_zeros_like);
AD_RUN(ad_run_ones_like);
AD_RULE(ad_vjp_concat);
AD_RULE(ad_vjp_stack);
AD_RULE(ad_vjp_pad);
AD_RULE(ad_jvp_pad);
AD_RULE(ad_vjp_tile);
AD_RULE(ad_vjp_repeat);
AD_RULE(ad_vjp_roll);
AD_RULE(ad_vjp_diag);
AD_RULE(ad_vjp_diag_put);
AD_RULE(ad_vjp_triangle);

/* rows_index.c */
AD_SHAPE(ad_shape_gather);
AD_SHAPE(ad_shape_scatter);
AD_SHAPE(ad_shape_scatter_last);
AD_SHAPE(ad_shape_onehot);
AD_SHAPE(ad_shape_sort);
AD_SHAPE(ad_shape_topk);
AD_SHAPE(ad_shape_unique);
AD_SHAPE(ad_shape_nonzero);
AD_RUN(ad_run_gather);
AD_RUN(ad_run_scatter);
AD_RUN(ad_run_scatter_last);
AD_RUN(ad_run_onehot);
AD_RUN(ad_run_sort);
AD_RUN(ad_run_argsort);
AD_RUN(ad_run_topk);
AD_RUN(ad_run_unique);
AD_RUN(ad_run_nonzero);
AD_RULE(ad_vjp_gather);
AD_RULE(ad_jvp_gather);
AD_RULE(ad_vjp_scatter);
AD_RULE(ad_jvp_scatter);
AD_RULE(ad_vjp_sort);
AD_RULE(ad_jvp_sort);
AD_RULE(ad_vjp_topk);
AD_RULE(ad_jvp_topk);

/* rows_product.c */
AD_SHAPE(ad_shape_matmul);
AD_SHAPE(ad_shape_outer);
AD_SHAPE(ad_shape_cross);
AD_SHAPE(ad_shape_kron);
AD_SHAPE(ad_shape_trace);
AD_RUN(ad_run_matmul);
AD_RUN(ad_run_matmulz);
AD_RUN(ad_run_outer);
AD_RUN(ad_run_cross);
AD_RUN(ad_run_kron);
AD_RUN(ad_run_trace);
AD_RULE(ad_vjp_matmul);
AD_RULE(ad_jvp_matmul);
AD_RULE(ad_vjp_matmulz);
AD_RULE(ad_jvp_matmulz);
AD_RULE(ad_vjp_outer);
AD_RULE(ad_jvp_outer);
AD_RULE(ad_vjp_cross);
AD_RULE(ad_jvp_cross);
AD_RULE(ad_vjp_kron);
AD_RULE(ad_jvp_kron);
AD_RULE(ad_vjp_trace);

/* rows_linalg.c */
AD_SHAPE(ad_shape_square);
AD_SHAPE(ad_shape_det);
AD_SHAPE(ad_shape_solve);
AD_RUN(ad_run_inv);
AD_RUN(ad_run_solve);
AD_RUN(ad_run_det);
AD_RUN(ad_run_logdet);
AD_RUN(ad_run_cofactor);
AD_RUN(ad_run_cofactor_pull);
AD_RUN(ad_run_cholesky);
AD_RULE(ad_vjp_inv);
AD_RULE(ad_jvp_inv);
AD_RULE(ad_vjp_solve);
AD_RULE(ad_jvp_solve);
AD_RULE(ad_vjp_det);
AD_RULE(ad_jvp_det);
AD_RULE(ad_vjp_logdet);
AD_RULE(ad_jvp_logdet);
AD_RULE(ad_vjp_cofactor);
AD_RULE(ad_jvp_cofactor);
AD_RULE(ad_vjp_cofactor_pull);
AD_RULE(ad_jvp_cofactor_pull);
AD_RULE(ad_vjp_cholesky);
AD_RULE(ad_jvp_cholesky);
ad_status ad_check_symmetric(ad_ctx *ctx, int64_t n, const double *a);

/* rows_spectral.c */
AD_SHAPE(ad_shape_qr);
AD_RUN(ad_run_qr);
AD_RULE(ad_vjp_qr);
AD_RULE(ad_jvp_qr);
AD_SHAPE(ad_shape_svd);
AD_RUN(ad_run_svd);
AD_RULE(ad_vjp_svd);
AD_RULE(ad_jvp_svd);
AD_SHAPE(ad_shape_eigh);
AD_RUN(ad_run_eigh);
AD_RULE(ad_vjp_eigh);
AD_RULE(ad_jvp_eigh);
AD_SHAPE(ad_shape_eigvals);
AD_RUN(ad_run_eigvals);
AD_RULE(ad_vjp_eigvals);
AD_RULE(ad_jvp_eigvals);
AD_SHAPE(ad_shape_eigvecs);
AD_RUN(ad_run_eigvecs);
AD_RULE(ad_vjp_eigvecs);
AD_RULE(ad_jvp_eigvecs);
AD_SHAPE(ad_shape_spectral);
AD_RUN(ad_run_spectral);
AD_RULE(ad_vjp_spectral);
AD_RULE(ad_jvp_spectral);
AD_SHAPE(ad_shape_singular);
AD_RUN(ad_run_singular);
AD_RULE(ad_vjp_singular);
AD_RULE(ad_jvp_singular);

/* rows_einsum.c */
AD_SHAPE(ad_shape_einsum);
AD_SHAPE(ad_shape_einsum_spread);
AD_RUN(ad_run_einsum);
AD_RUN(ad_run_einsumz);
AD_RUN(ad_run_einsum_spread);
AD_RULE(ad_vjp_einsum);
AD_RULE(ad_jvp_einsum);
AD_RULE(ad_vjp_einsum_spread);

/* rows_conv.c */
AD_SHAPE(ad_shape_conv1d);
AD_SHAPE(ad_shape_conv2d);
AD_SHAPE(ad_shape_conv_open);
AD_SHAPE(ad_shape_windows2d);
AD_SHAPE(ad_shape_windows2d_add);
AD_SHAPE(ad_shape_pool2d);
AD_RUN(ad_run_conv1d);
AD_RUN(ad_run_conv2d);
AD_RUN(ad_run_conv2dz);
AD_RUN(ad_run_conv2d_input);
AD_RUN(ad_run_conv2d_weight);
AD_RUN(ad_run_windows2d);
AD_RUN(ad_run_windows2d_add);
AD_RUN(ad_run_max_pool2d);
AD_RUN(ad_run_avg_pool2d);
AD_RULE(ad_vjp_conv1d);
AD_RULE(ad_jvp_conv1d);
AD_RULE(ad_vjp_conv2d);
AD_RULE(ad_jvp_conv2d);
AD_RULE(ad_vjp_conv2d_input);
AD_RULE(ad_vjp_conv2d_weight);
AD_RULE(ad_jvp_conv_open);
AD_RULE(ad_vjp_windows2d);
AD_RULE(ad_vjp_windows2d_add);
AD_RULE(ad_vjp_max_pool2d);
AD_RULE(ad_jvp_max_pool2d);
AD_RULE(ad_vjp_avg_pool2d);

#endif
