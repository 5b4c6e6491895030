/* SPDX-License-Identifier: MIT */
/* Operators on what is not two plain numbers: tracked numbers, tensors, structures, everything else. */
#include "builtin.h"
#include "format.h"
#include "structure.h"
#include "vm_state.h"

#include <string.h>

static const char *symbol(ad_op op) {
    switch (op) {
    case AD_OP_ADD: return "+";
    case AD_OP_SUB: return "-";
    case AD_OP_MUL: return "*";
    case AD_OP_DIV: return "/";
    case AD_OP_MOD: return "%";
    case AD_OP_POW: return "^";
    case AD_OP_NEG: return "-";
    case AD_OP_LT: return "<";
    case AD_OP_LE: return "<=";
    case AD_OP_GT: return ">";
    case AD_OP_GE: return ">=";
    case AD_OP_AND: return "and";
    case AD_OP_OR: return "or";
    case AD_OP_NOT: return "not";
    default: return "==";
    }
}

/* What may have been meant by `+` with a string: to join texts, or to add the number in one. */
static void hint_text(gr_diagnostic *d, bool left, gr_value other) {
    if (other.kind == GR_STRING)
        gr_diag_help(d, "`++` joins strings");
    else if (left)
        gr_diag_help(d, "write the value into the text, as in `\"total {x}\"`; `++` joins strings");
    else
        gr_diag_help(d, "`num(s)` is the number that a string holds");
}

/* Operators on structures; what the operands are is added to an error. */
static bool structures(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in,
                       gr_value *out) {
    const gr_diagnostic *last = vm->report.last;
    if (gr_structure_apply(vm, op, src, n, in, NULL, out)) return true;
    gr_diagnostic *d = vm->report.last;
    bool differ = d != last && d && d->id != GR_E_too_nested && d->id != GR_E_interrupted;
    for (int k = 0; differ && n == 2 && k < n; k++) gr_describe_operand(vm, d, (uint32_t)k, in[k]);
    return false;
}

/* in[k] of the n operands is of a kind that the operator does not take. */
static bool wrong_operand(gr_vm *vm, ad_op op, int n, const gr_value *in, int k) {
    gr_value v = in[k];
    bool logical = op == AD_OP_AND || op == AD_OP_OR || op == AD_OP_NOT;
    gr_diagnostic *d = gr_raise(vm, logical ? GR_E_bad_condition : GR_E_wrong_kind,
                                "`%s` does not take %s", symbol(op), gr_kind_phrase(v));
    for (int i = 0; i < n; i++) gr_describe_operand(vm, d, (uint32_t)i, in[i]);
    if (v.kind == GR_NIL)
        gr_help_nil(d);
    else if (op == AD_OP_ADD && v.kind == GR_STRING)
        hint_text(d, k == 0, in[n - 1 - k]);
    else if (op == AD_OP_MUL && v.kind == GR_STRING)
        gr_diag_help(d, "`join((for i in 0..n: s), \"\")` is a text n times");
    else if (op == AD_OP_ADD && v.kind == GR_TUPLE)
        gr_diag_help(d, "`++` joins tuples");
    else if (logical && gr_is_numeric(v))
        gr_diag_help(d, v.kind == AD_TENSOR ? "its items are numbers; `x != 0` makes bools of them"
                                            : "`x != 0` makes a bool of a number");
    else if (v.kind == GR_FUNCTION)
        gr_help_call(vm, d, (uint32_t)k);
    else if (!logical)
        gr_help_range(vm, d, v);
    return false;
}

static bool is_operand(gr_value v) { return gr_is_numeric(v) || gr_is_structure(v); }

static gr_value plain(gr_value v) { return v.head == AD_BOOL ? ad_number(v.num) : v; }

static bool two_numbers(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out) {
    ad_status s = ad_apply2(vm->ctx, op, src, plain(a), plain(b), out);
    if (s == AD_OK) {
        vm->dirty |= out->head > AD_BOOL;
        return true;
    }
    gr_value in[2] = {a, b};
    gr_raise_operands(vm, s, 2, in);
    return false;
}

static bool apply(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in, gr_value *out) {
    ad_status s = ad_apply(vm->ctx, op, src, n, in, NULL, out);
    if (s == AD_OK) {
        vm->dirty |= out->node != 0;
        return true;
    }
    gr_raise_operands(vm, s, (uint32_t)n, in);
    return false;
}

bool gr_arithmetic(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out) {
    if (a.kind <= AD_BOOL && b.kind <= AD_BOOL) return two_numbers(vm, op, src, a, b, out);
    gr_value in[2] = {a, b};
    if (gr_is_numeric(a) && gr_is_numeric(b)) return apply(vm, op, src, 2, in, out);
    for (int k = 0; k < 2; k++)
        if (!is_operand(in[k])) return wrong_operand(vm, op, 2, in, k);
    return structures(vm, op, src, 2, in, out);
}

bool gr_unary(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value *out) {
    if (op == AD_OP_NOT && a.kind == AD_BOOL) {
        *out = ad_bool(a.num == 0);
        return true;
    }
    if (op == AD_OP_NOT && !(a.kind == AD_TENSOR && a.tensor->dtype == AD_BOOL8) &&
        !gr_is_structure(a))
        return wrong_operand(vm, op, 1, &a, 0);
    gr_value in = plain(a);
    if (gr_is_numeric(a)) return apply(vm, op, src, 1, &in, out);
    if (!is_operand(a)) return wrong_operand(vm, op, 1, &a, 0);
    return structures(vm, op, src, 1, &a, out);
}

bool gr_matmul(gr_vm *vm, uint32_t src, gr_value a, gr_value b, gr_value *out) {
    gr_value in[2] = {a, b};
    for (int k = 0; k < 2; k++)
        if (in[k].kind != AD_TENSOR) {
            gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind, "`@` multiplies tensors; this is a %s",
                                        gr_kind_name(in[k]));
            for (uint32_t i = 0; i < 2; i++) gr_describe_operand(vm, d, i, in[i]);
            if (in[k].kind == AD_NUMBER) gr_diag_help(d, "`*` multiplies by a number");
            if (in[k].kind == GR_TUPLE)
                gr_diag_help(d, "`tensor(t)` makes a tensor of a tuple of numbers");
            return false;
        }
    if (!vm->op_matmul) vm->op_matmul = ad_op_find("matmul");
    return apply(vm, vm->op_matmul, src, 2, in, out);
}

/* ---- comparisons ------------------------------------------------------------------------------ */

static bool holds(ad_op op, double a, double b) {
    switch (op) {
    case AD_OP_EQ: return a == b;
    case AD_OP_NE: return a != b;
    case AD_OP_LT: return a < b;
    case AD_OP_LE: return a <= b;
    case AD_OP_GT: return a > b;
    default: return a >= b;
    }
}

static double order_strings(const gr_string *a, const gr_string *b) {
    size_t n = a->length < b->length ? a->length : b->length;
    int c = n ? memcmp(a->bytes, b->bytes, n) : 0;
    if (c) return c;
    return a->length < b->length ? -1 : a->length > b->length;
}

static bool compare_whole(gr_vm *vm, ad_op op, gr_value a, gr_value b, gr_value *out) {
    bool equal;
    if (!gr_equal(vm, a, b, &equal)) return false;
    *out = ad_bool(equal == (op == AD_OP_EQ));
    return true;
}

bool gr_compare(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out) {
    if (a.kind <= AD_BOOL && b.kind <= AD_BOOL) {
        *out = ad_bool(holds(op, a.num, b.num));
        return true;
    }
    gr_value in[2] = {plain(a), plain(b)};
    if (gr_is_numeric(a) && gr_is_numeric(b)) return apply(vm, op, src, 2, in, out);
    bool leafwise = (gr_is_structure(a) && gr_is_numeric(b)) ||
                    (gr_is_numeric(a) && gr_is_structure(b));
    if ((op == AD_OP_EQ || op == AD_OP_NE) && !leafwise) return compare_whole(vm, op, a, b, out);
    if (a.kind == GR_STRING && b.kind == GR_STRING) {
        *out = ad_bool(holds(op, order_strings(gr_as_string(a), gr_as_string(b)), 0));
        return true;
    }
    for (int k = 0; k < 2; k++)
        if (!is_operand(in[k])) return wrong_operand(vm, op, 2, in, k);
    return structures(vm, op, src, 2, in, out);
}

/* ---- logic ------------------------------------------------------------------------------------ */

static bool is_mask(gr_value v) { return v.kind == AD_TENSOR && v.tensor->dtype == AD_BOOL8; }

bool gr_logical(gr_vm *vm, bool and, uint32_t src, gr_value a, gr_value b, gr_value *out) {
    ad_op op = and ? AD_OP_AND : AD_OP_OR;
    gr_value in[2] = {a, b};
    for (int k = 0; k < 2; k++)
        if (in[k].kind != AD_BOOL && !is_mask(in[k]))
            return wrong_operand(vm, op, 2, in, k);
    if (a.kind == AD_TENSOR || b.kind == AD_TENSOR) return apply(vm, op, src, 2, in, out);
    *out = ad_bool(and ? a.num != 0 && b.num != 0 : a.num != 0 || b.num != 0);
    return true;
}

int gr_condition(gr_vm *vm, gr_value v) {
    if (v.head == AD_BOOL) return v.num != 0;
    if (v.kind == AD_BOOL) return v.num != 0;
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    bool own = source && span.end > span.begin && span.end - span.begin < 40 &&
               !memchr(source->text + span.begin, '\n', span.end - span.begin);
    int length = own ? (int)(span.end - span.begin) : 1;
    const char *text = own ? source->text + span.begin : "x";
    gr_buffer what;
    gr_buffer_init(&what, vm->ctx);
    gr_describe(vm, &what, v);
    gr_diagnostic *d = gr_raise(vm, GR_E_bad_condition, "a condition must be a bool; this is %s",
                                what.text ? what.text : "something else");
    gr_buffer_free(&what);
    if (v.kind == AD_TENSOR)
        gr_diag_help(d, "`all(%.*s)` and `any(%.*s)` make one bool of many; `same(a, b)` compares "
                        "whole tensors", length, text, length, text);
    else if (v.kind == AD_NUMBER)
        gr_diag_help(d, "write `%.*s != 0`", length, text);
    else if (v.kind == GR_TUPLE || v.kind == GR_STRING)
        gr_diag_help(d, "write `len(%.*s) > 0`", length, text);
    else
        gr_diag_help(d, "`%.*s != nil` tells whether there is a value", length, text);
    return -1;
}

/* ---- ++ --------------------------------------------------------------------------------------- */

bool gr_join_values(gr_vm *vm, gr_value a, gr_value b, gr_value *out) {
    if (a.kind == GR_STRING && b.kind == GR_STRING) {
        *out = gr_string_join(vm, a, b);
    } else if (a.kind == GR_TUPLE && b.kind == GR_TUPLE) {
        *out = gr_tuple_join(vm, a, b);
    } else {
        gr_value odd = a.kind == GR_STRING || a.kind == GR_TUPLE ? b : a;
        gr_diagnostic *d = gr_raise(vm, GR_E_wrong_kind,
                                    "`++` joins two strings or two tuples, not a %s with a %s",
                                    gr_kind_name(a), gr_kind_name(b));
        if (a.kind == GR_STRING || b.kind == GR_STRING)
            gr_diag_help(d, "`str(x)` makes text, and so does \"{x}\"");
        else if (odd.kind == AD_TENSOR)
            gr_diag_help(d, "`concat((a, b))` joins tensors");
        else if (a.kind == GR_RECORD && b.kind == GR_RECORD)
            gr_diag_help(d, "`{...a, ...b}` has the fields of both");
        gr_release(vm, a);
        return false;
    }
    return !gr_failed(*out);
}
