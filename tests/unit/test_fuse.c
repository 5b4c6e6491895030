/* SPDX-License-Identifier: MIT */
/* test_fuse.c - block programs: the same answer as instruction by instruction, for every way in which
 * an operand can lie in memory; shapes, dtypes, the instruction that an error names; derivatives by
 * programs, with strong zeros and to higher orders. */
#include "fuse.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "ops_scalar.h"
#include "tensor.h"

#define OK(call) cr_assert_eq((call), AD_OK, "%s: %s", #call, ad_last_error(ctx)->message)

static ad_ctx *ctx;
static void open_ctx(void) { ctx = ad_new(NULL); }
static void close_ctx(void) { ad_free(ctx); }
TestSuite(fuse, .init = open_ctx, .fini = close_ctx);

static ad_value ramp(ad_dtype dtype, int rank, const int64_t *dims, double from) {
    ad_tensor *t = ad_tensor_new(ctx, dtype, rank, dims);
    int64_t index[AD_MAX_RANK] = {0};
    for (int64_t i = 0; i < t->size; i++) {
        int64_t rest = i;
        for (int k = rank - 1; k >= 0; k--) index[k] = rest % dims[k], rest /= dims[k];
        ad_tensor_set(t, index, from + 0.25 * (double)i);
    }
    return ad_wrap(t);
}

static double at(ad_value v, int64_t i) {
    if (v.kind != AD_TENSOR) return v.num;
    double *x = malloc((size_t)v.tensor->size * sizeof *x);
    ad_tensor_read(v.tensor, x);
    double y = x[i];
    free(x);
    return y;
}

static int emit(ad_prog *p, ad_op op, int n, int a, int b, int c, int where) {
    const int regs[] = {a, b, c};
    int r = ad_prog_emit(p, op, n, regs, where);
    cr_assert(r >= 0);
    return r;
}

/* x / (1 + exp(-x)) * w + b */
static ad_prog *swish(void) {
    ad_prog *p = ad_prog_new(ctx, 3);
    int e = emit(p, AD_OPID_exp, 1, emit(p, AD_OP_NEG, 1, 0, 0, 0, 1), 0, 0, 2);
    int y = emit(p, AD_OP_DIV, 2, 0, emit(p, AD_OP_ADD, 2, ad_prog_const(p, 1), e, 0, 3), 0, 4);
    y = emit(p, AD_OP_MUL, 2, y, 1, 0, 5);
    OK(ad_prog_finish(p, emit(p, AD_OP_ADD, 2, y, 2, 0, 6)));
    return p;
}

static double swish_at(double x, double w, double b) { return x / (1 + ad_s_exp(-x)) * w + b; }

static const int64_t grid[] = {37, 41};

static void expect_swish(ad_prog *p, ad_value x, ad_value w, ad_value b) {
    ad_value y;
    OK(ad_prog_run(ctx, p, (const ad_value[]){x, w, b}, &y));
    cr_assert_eq(y.tensor->size, 37 * 41);
    for (int64_t i = 0; i < 37; i++)
        for (int64_t j = 0; j < 41; j++) {
            int64_t k = i * 41 + j;
            int64_t kw = w.kind != AD_TENSOR ? 0 : w.tensor->size == 37 ? i : w.tensor->size == 41 ? j : k;
            int64_t kb = b.kind != AD_TENSOR ? 0 : b.tensor->size == 37 ? i : b.tensor->size == 41 ? j : k;
            cr_assert_eq(at(y, k), swish_at(at(x, k), at(w, kw), at(b, kb)), "element %ld", (long)k);
        }
    ad_release(ctx, y);
}

Test(fuse, operands_of_every_layout_give_the_bits_of_numbers) {
    ad_prog *p = swish();
    const int64_t row[] = {41}, column[] = {37, 1}, turned[] = {41, 37}, strides[] = {1, 37};
    ad_value x = ramp(AD_F64, 2, grid, -100), w = ramp(AD_F64, 1, row, 1), b = ramp(AD_F64, 2, column, 2);
    ad_value t = ramp(AD_F64, 2, turned, -9);
    ad_value view = ad_wrap(ad_tensor_view(ctx, t.tensor, 0, 2, grid, strides, 0));
    ad_value narrow = ad_wrap(ad_tensor_cast(ctx, w.tensor, AD_F32));
    expect_swish(p, x, ad_number(2), ad_number(3));
    expect_swish(p, x, w, ad_number(3));
    expect_swish(p, x, w, b);
    expect_swish(p, x, x, x);
    expect_swish(p, view, x, b);
    expect_swish(p, view, view, w);
    expect_swish(p, x, narrow, view);
    ad_release(ctx, x), ad_release(ctx, w), ad_release(ctx, b), ad_release(ctx, t), ad_release(ctx, view);
    ad_release(ctx, narrow);
    ad_prog_release(ctx, p);
}

Test(fuse, numbers_give_a_number) {
    ad_prog *p = swish();
    ad_value y;
    OK(ad_prog_run(ctx, p, (const ad_value[]){ad_number(1.5), ad_number(2), ad_number(-1)}, &y));
    cr_expect_eq(y.head, 0u);
    cr_expect_eq(y.num, swish_at(1.5, 2, -1));
    ad_prog_release(ctx, p);
}

Test(fuse, tensors_without_elements) {
    ad_prog *p = swish();
    const int64_t dims[] = {0, 3}, row[] = {3};
    ad_value x = ramp(AD_F64, 2, dims, 0), w = ramp(AD_F64, 1, row, 0), y;
    OK(ad_prog_run(ctx, p, (const ad_value[]){x, w, ad_number(1)}, &y));
    cr_expect_eq(y.tensor->size, 0);
    cr_expect_eq(y.tensor->dims[0], 0);
    cr_expect_eq(y.tensor->dims[1], 3);
    ad_release(ctx, x), ad_release(ctx, w), ad_release(ctx, y);
    ad_prog_release(ctx, p);
}

Test(fuse, an_error_names_the_instruction) {
    ad_prog *p = swish();
    const int64_t four[] = {4}, five[] = {5};
    ad_value x = ramp(AD_F64, 1, four, 0), w = ramp(AD_F64, 1, five, 0), y;
    cr_expect_eq(ad_prog_run(ctx, p, (const ad_value[]){x, w, ad_number(1)}, &y), AD_ERR_SHAPE);
    cr_expect_eq(ad_last_error(ctx)->where, 5);
    cr_expect_eq(ad_prog_run(ctx, p, (const ad_value[]){x, ad_number(1), w}, &y), AD_ERR_SHAPE);
    cr_expect_eq(ad_last_error(ctx)->where, 6);
    ad_release(ctx, x), ad_release(ctx, w);
    ad_prog_release(ctx, p);
}

Test(fuse, the_guard_sees_each_instruction) {
    const int64_t row[] = {4}, column[] = {3, 1};
    ad_value a = ramp(AD_F64, 1, row, 0), b = ramp(AD_F64, 2, column, 0), y;
    const ad_value in[] = {a, b};
    cr_expect_eq(ad_compute(ctx, AD_OP_ADD, 0, 2, in, NULL, &y), AD_ERR_GUARD);
    b.tensor->asked = 2;
    OK(ad_compute(ctx, AD_OP_ADD, 0, 2, in, NULL, &y));
    cr_expect_eq(y.tensor->dims[0], 3);
    cr_expect_eq(at(y, 5), at(a, 1) + at(b, 1));
    ad_release(ctx, a), ad_release(ctx, b), ad_release(ctx, y);
}

static void expect_dtype(ad_op op, ad_value a, ad_value b, ad_dtype dtype) {
    ad_value y;
    ad_type in[] = {ad_type_of(a), ad_type_of(b)}, type;
    OK(ad_compute(ctx, op, 0, 2, (const ad_value[]){a, b}, NULL, &y));
    OK(ad_infer(ctx, op, 2, in, NULL, &type));
    cr_expect_eq(y.tensor->dtype, dtype, "%s: %s", ad_op_info(op)->name, ad_dtype_name(y.tensor->dtype));
    cr_expect_eq(type.dtype, dtype);
    ad_release(ctx, y);
}

Test(fuse, dtypes) {
    const int64_t n[] = {5};
    ad_value d = ramp(AD_F64, 1, n, 0), f = ramp(AD_F32, 1, n, 0), b = ramp(AD_BOOL8, 1, n, 0);
    expect_dtype(AD_OP_ADD, d, f, AD_F64);
    expect_dtype(AD_OP_ADD, f, f, AD_F32);
    expect_dtype(AD_OP_ADD, f, ad_number(0.1), AD_F32);
    expect_dtype(AD_OP_ADD, b, b, AD_F64);
    expect_dtype(AD_OP_ADD, b, f, AD_F32);
    expect_dtype(AD_OP_ADD, b, ad_number(1), AD_F64);
    expect_dtype(AD_OP_LT, f, d, AD_BOOL8);
    expect_dtype(AD_OP_AND, b, b, AD_BOOL8);
    ad_release(ctx, d), ad_release(ctx, f), ad_release(ctx, b);
}

Test(fuse, a_number_meets_single_precision_in_single_precision) {
    const int64_t n[] = {3};
    ad_value f = ramp(AD_F32, 1, n, 0.25), y;
    OK(ad_compute(ctx, AD_OP_MUL, 0, 2, (const ad_value[]){f, ad_number(0.1)}, NULL, &y));
    cr_expect_eq(at(y, 1), (double)(0.5F * 0.1F));
    ad_release(ctx, f), ad_release(ctx, y);
}

Test(fuse, where_of_bools_is_a_bool_and_the_condition_has_no_say) {
    const int64_t n[] = {3};
    ad_value c = ramp(AD_F64, 1, n, 0), f = ramp(AD_F32, 1, n, 0), b = ramp(AD_BOOL8, 1, n, 0), y;
    OK(ad_compute(ctx, AD_OP_WHERE, 0, 3, (const ad_value[]){c, b, b}, NULL, &y));
    cr_expect_eq(y.tensor->dtype, AD_BOOL8);
    ad_release(ctx, y);
    OK(ad_compute(ctx, AD_OP_WHERE, 0, 3, (const ad_value[]){c, f, ad_number(7)}, NULL, &y));
    cr_expect_eq(y.tensor->dtype, AD_F32);
    cr_expect_eq(at(y, 0), 7);
    ad_release(ctx, y);
    ad_release(ctx, c), ad_release(ctx, f), ad_release(ctx, b);
}

Test(fuse, limits_of_a_users_program) {
    ad_prog *p = ad_prog_new(ctx, 1);
    int r = 0;
    for (int i = 0; i < AD_PROG_ROOM; i++) r = emit(p, AD_OPID_sin, 1, r, 0, 0, i);
    const int regs[] = {r, 99};
    cr_expect_eq(ad_prog_emit(p, AD_OPID_sin, 1, regs, 0), -1);
    ad_prog_release(ctx, p);
    p = ad_prog_new(ctx, 1);
    cr_expect_eq(ad_prog_emit(p, AD_OPID_sin, 1, regs + 1, 0), -1, "no such register");
    cr_expect_eq(ad_prog_emit(p, AD_OPID_sum, 1, regs, 0), -1, "not elementwise");
    cr_expect_eq(ad_prog_emit(p, AD_OP_ADD, 1, regs, 0), -1, "too few operands");
    cr_expect_eq(ad_prog_finish(p, 12), AD_ERR_ARGUMENT);
    ad_prog_release(ctx, p);
    cr_expect_null(ad_prog_new(ctx, AD_MAX_OPERANDS + 1));
}

Test(fuse, registers_are_used_again) {
    ad_prog *p = ad_prog_new(ctx, 1);
    int r = 0;
    for (int i = 0; i < 30; i++) r = emit(p, AD_OP_ADD, 2, emit(p, AD_OPID_sin, 1, r, 0, 0, i), 0, 0, i);
    emit(p, AD_OPID_cos, 1, r, 0, 0, 0); /* dead */
    OK(ad_prog_finish(p, r));
    cr_expect_eq(p->registers, 1);
    ad_prog_release(ctx, p);
}

Test(fuse, what_is_read_and_what_depends) {
    ad_prog *p = ad_prog_new(ctx, 3);
    int c = emit(p, AD_OP_GT, 2, 0, ad_prog_const(p, 0), 0, 0);
    OK(ad_prog_finish(p, emit(p, AD_OP_WHERE, 3, c, 1, ad_prog_const(p, 0), 0)));
    cr_expect(ad_prog_reads(p, 0));
    cr_expect(ad_prog_reads(p, 1));
    cr_expect(!ad_prog_reads(p, 2));
    cr_expect_eq(ad_prog_dependence(p), 2u, "only input 1 has a slope");
    ad_prog_release(ctx, p);
    cr_expect_eq(ad_prog_row(ad_prog_of_row(ctx, AD_OP_MUL)), AD_OP_MUL);
}

/* ---- derivatives -------------------------------------------------------------------------- */

/* The n-th derivative of a row in its operand at x, by pullbacks of pullbacks. */
static double derivative(ad_prog *p, int order, double x) {
    ad_value in[16], y;
    for (int i = 1; i <= order; i++) {
        p = ad_prog_pullback(ctx, p, 1);
        in[i] = ad_number(1);
    }
    in[0] = ad_number(x);
    OK(ad_prog_run(ctx, p, in, &y));
    return y.num;
}

static ad_prog *sigmoid(void) {
    ad_prog *p = ad_prog_new(ctx, 1);
    int e = emit(p, AD_OPID_exp, 1, emit(p, AD_OP_NEG, 1, 0, 0, 0, 1), 0, 0, 2);
    int d = emit(p, AD_OP_ADD, 2, ad_prog_const(p, 1), e, 0, 3);
    OK(ad_prog_finish(p, emit(p, AD_OP_DIV, 2, ad_prog_const(p, 1), d, 0, 4)));
    return p;
}

Test(fuse, derivatives_of_every_order) {
    ad_prog *tanh = ad_prog_of_row(ctx, AD_OPID_tanh), *abs = ad_prog_of_row(ctx, AD_OPID_abs);
    cr_expect_float_eq(derivative(tanh, 1, 20), 1.6993417021166355e-17, 1e-29);
    cr_expect_eq(derivative(tanh, 2, 0), 0);
    cr_expect_eq(derivative(tanh, 3, 0), -2);
    for (int order = 1; order < 4; order++) cr_expect_eq(derivative(abs, order, 0), 0);
    ad_prog *s = sigmoid();
    cr_expect_float_eq(derivative(s, 1, 40), 4.248354255291589e-18, 1e-29);
    for (int order = 1; order < 5; order++) {
        cr_expect_eq(derivative(s, order, -1000), 0, "order %d", order);
        cr_expect_eq(derivative(s, order, 1000), 0, "order %d", order);
    }
    cr_expect_eq(derivative(s, 2, 0), 0);
    cr_expect_eq(derivative(s, 3, 0), -0.125);
    ad_prog_release(ctx, s);
}

Test(fuse, powers_at_zero_to_higher_orders) {
    ad_prog *p = ad_prog_new(ctx, 1);
    OK(ad_prog_finish(p, emit(p, AD_OP_POW, 2, 0, ad_prog_const(p, 2), 0, 0)));
    cr_expect_eq(derivative(p, 1, 0), 0);
    cr_expect_eq(derivative(p, 2, 0), 2);
    cr_expect_eq(derivative(p, 3, 0), 0);
    ad_prog_release(ctx, p);
    p = ad_prog_new(ctx, 1);
    OK(ad_prog_finish(p, emit(p, AD_OP_POW, 2, 0, ad_prog_const(p, 3), 0, 0)));
    cr_expect_eq(derivative(p, 2, 0), 0);
    cr_expect_eq(derivative(p, 3, 0), 6);
    ad_prog_release(ctx, p);
}

/* where(x > 0, f(x), 0) at 0: the trap. */
Test(fuse, strong_zeros_in_what_where_does_not_take) {
    const ad_op trap[] = {AD_OPID_sqrt, AD_OPID_log};
    for (int i = 0; i < 2; i++) {
        ad_prog *p = ad_prog_new(ctx, 1);
        int zero = ad_prog_const(p, 0), f = emit(p, trap[i], 1, 0, 0, 0, 0);
        int c = emit(p, AD_OP_GT, 2, 0, zero, 0, 0);
        OK(ad_prog_finish(p, emit(p, AD_OP_WHERE, 3, c, f, zero, 0)));
        for (int order = 1; order < 4; order++) {
            cr_expect_eq(derivative(p, order, 0), 0);
            cr_expect_eq(derivative(p, order, -1), 0);
        }
        ad_prog *forward = ad_prog_pushforward(ctx, p, 1, false);
        ad_value y;
        OK(ad_prog_run(ctx, forward, (const ad_value[]){ad_number(0), ad_number(1)}, &y));
        cr_expect_eq(y.num, 0);
        ad_prog_release(ctx, p);
    }
}

Test(fuse, an_infinite_adjoint_stays_out_of_what_was_not_taken) {
    ad_prog *p = ad_prog_pullback(ctx, ad_prog_of_row(ctx, AD_OP_WHERE), 6);
    ad_value y[2];
    OK(ad_prog_run(ctx, p, (const ad_value[]){ad_number(1), ad_number(2), ad_number(3), ad_number(INFINITY)}, y));
    cr_expect_eq(y[0].num, INFINITY);
    cr_expect_eq(y[1].num, 0);
}

/* Forward and backward agree on tensors: ⟨u, J v⟩ = ⟨Jᵀ u, v⟩. */
Test(fuse, pullback_and_pushforward_are_transposed) {
    ad_prog *p = swish();
    const int64_t row[] = {41};
    ad_value x = ramp(AD_F64, 2, grid, -100), w = ramp(AD_F64, 1, row, 1), u = ramp(AD_F64, 2, grid, -3);
    ad_value v = ramp(AD_F64, 2, grid, 5), dw = ramp(AD_F64, 1, row, -4), jv, back[2];
    OK(ad_prog_run(ctx, ad_prog_pushforward(ctx, p, 3, false), (const ad_value[]){x, w, ad_number(1), v, dw}, &jv));
    OK(ad_prog_run(ctx, ad_prog_pullback(ctx, p, 3), (const ad_value[]){x, w, ad_number(1), u}, back));
    double left = 0, right = 0, scale = 0;
    for (int64_t i = 0; i < 37 * 41; i++) {
        left += at(u, i) * at(jv, i);
        right += at(back[0], i) * at(v, i) + at(back[1], i) * at(dw, i % 41);
        scale += fabs(at(u, i) * at(jv, i));
    }
    cr_expect(fabs(left - right) <= 1e-12 * scale, "%.17g %.17g", left, right);
    ad_release(ctx, x), ad_release(ctx, w), ad_release(ctx, u), ad_release(ctx, v), ad_release(ctx, dw);
    ad_release(ctx, jv), ad_release(ctx, back[0]), ad_release(ctx, back[1]);
    ad_prog_release(ctx, p);
}

Test(fuse, a_gradient_has_the_dtype_of_its_operand) {
    const int64_t n[] = {3};
    ad_value d = ramp(AD_F64, 1, n, 1), f = ramp(AD_F32, 1, n, 1), back[2];
    ad_prog *p = ad_prog_pullback(ctx, ad_prog_of_row(ctx, AD_OP_MUL), 3);
    OK(ad_prog_run(ctx, p, (const ad_value[]){d, f, d}, back));
    cr_expect_eq(back[0].tensor->dtype, AD_F64);
    cr_expect_eq(back[1].tensor->dtype, AD_F32);
    ad_release(ctx, d), ad_release(ctx, f), ad_release(ctx, back[0]), ad_release(ctx, back[1]);
}

Test(fuse, a_sum_hands_its_cotangent_on_without_a_copy) {
    const int64_t n[] = {3};
    ad_value u = ramp(AD_F64, 1, n, 1), back[2];
    ad_prog *p = ad_prog_pullback(ctx, ad_prog_of_row(ctx, AD_OP_ADD), 3);
    cr_expect(!ad_prog_reads(p, 0) && !ad_prog_reads(p, 1));
    OK(ad_prog_run(ctx, p, (const ad_value[]){ad_number(0), ad_number(0), u}, back));
    cr_expect_eq(back[0].tensor, u.tensor);
    cr_expect_eq(back[1].tensor, u.tensor);
    ad_release(ctx, u), ad_release(ctx, back[0]), ad_release(ctx, back[1]);
}

Test(fuse, a_falsified_row_is_forgotten_afterwards) {
    ad_prog *sin = ad_prog_of_row(ctx, AD_OPID_sin);
    double right = derivative(sin, 1, 1);
    ad_sabotage(ctx, AD_OPID_sin, 1.001);
    cr_expect_float_eq(derivative(sin, 1, 1), 1.001 * right, 1e-15);
    ad_sabotage(ctx, AD_OP_NONE, 0);
    cr_expect_eq(derivative(sin, 1, 1), right);
}

Test(fuse, an_interrupt_ends_a_pass) {
    const int64_t n[] = {100000};
    ad_value x = ramp(AD_F64, 1, n, 1), y;
    ad_prog *p = swish();
    *ad_interrupt_flag(ctx) = 1;
    cr_expect_eq(ad_prog_run(ctx, p, (const ad_value[]){x, ad_number(1), ad_number(1)}, &y), AD_ERR_INTERRUPT);
    cr_expect_eq(ad_compute(ctx, AD_OPID_exp, 0, 1, &x, NULL, &y), AD_ERR_INTERRUPT);
    *ad_interrupt_flag(ctx) = 0;
    ad_release(ctx, x);
    ad_prog_release(ctx, p);
}
