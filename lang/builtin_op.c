/* SPDX-License-Identifier: MIT */
/*
 * Calls of rows of the op table. A row's signature says which arguments are operands and which are
 * attributes; both are made here, for every row alike. Elementwise rows go leaf by leaf over
 * structures; a reduction of a structure takes all its numbers in one row.
 *
 * What this does not know: any row in particular, but for joining more tensors than an operation may
 * have operands.
 */
#include "builtin.h"
#include "format.h"
#include "structure.h"

#include <string.h>

typedef enum { OPERAND, INTS, INT, NUM, FLAG, TEXT } role_kind;

typedef struct parameter {
    role_kind role;
    bool rest;
    const char *standard; /* the text of the default value, NULL if there is none */
    size_t standard_length;
} parameter;

/* Most numbers that an attribute lists: sizes before and after of every axis, and more. */
enum { MAX_INTS = 64, MAX_PARAMETERS = 16, MAX_TEXT = 256, MAX_RESULTS = 8 };

typedef struct binding {
    gr_vm *vm;
    gr_call *call;
    const ad_row_info *row;
    int operands, attributes, parameters;
    bool has_axis, axis_given;
    gr_value in[AD_MAX_OPERANDS];
    ad_arg args[AD_MAX_ARGS];
    int64_t ints[AD_MAX_ARGS][MAX_INTS];
    char text[MAX_TEXT];
} binding;

/* ---- signatures ------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *p) { return p + strspn(p, " "); }

static role_kind role_of(const char *p) {
    static const struct {
        const char *word;
        role_kind role;
    } words[] = {{"ints", INTS}, {"int", INT}, {"num", NUM}, {"flag", FLAG}, {"text", TEXT}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(p, words[i].word, strlen(words[i].word)) == 0) return words[i].role;
    return OPERAND;
}

/* Reads one parameter at p; returns what follows its comma, NULL at the end. */
static const char *read_parameter(const char *p, parameter *out, bool *is_axis) {
    size_t length = strcspn(p, ",");
    const char *end = p + length;
    *out = (parameter){.rest = strncmp(p, "...", 3) == 0};
    *is_axis = strncmp(p, "axis", 4) == 0;
    const char *colon = memchr(p, ':', length), *equals = memchr(p, '=', length);
    if (colon) out->role = role_of(skip_blanks(colon + 1));
    if (equals) {
        out->standard = skip_blanks(equals + 1);
        out->standard_length = (size_t)(end - out->standard);
    }
    return *end ? skip_blanks(end + 1) : NULL;
}

/* ---- attributes ------------------------------------------------------------------------------- */

static bool set_ints(binding *b, ad_arg *arg, uint32_t i, gr_value v) {
    int64_t *ints = b->ints[b->attributes];
    int n = gr_whole_numbers(b->vm, b->call, i, v, MAX_INTS - arg->count, ints + arg->count);
    if (n < 0) return false;
    arg->count += n;
    arg->ints = ints;
    arg->num = arg->count > 0 ? (double)ints[0] : 0;
    return true;
}

static bool set_text(binding *b, ad_arg *arg, uint32_t i) {
    gr_string *s;
    if (!gr_want_string(b->vm, b->call, i, &s)) return false;
    if (s->length >= MAX_TEXT || memchr(s->bytes, '\0', s->length)) {
        gr_raise_argument(b->vm, b->call, i, GR_E_wrong_value, "the text is longer than %d bytes",
                          MAX_TEXT - 1);
        return false;
    }
    memcpy(b->text, s->bytes, s->length);
    b->text[s->length] = '\0';
    arg->text = b->text;
    return true;
}

static bool set_attribute(binding *b, role_kind role, uint32_t i) {
    ad_arg *arg = &b->args[b->attributes];
    arg->given = true;
    bool flag = false;
    switch (role) {
    case FLAG:
        if (!gr_want_flag(b->vm, b->call, i, &flag)) return false;
        arg->num = flag;
        return true;
    case NUM: return gr_want_number(b->vm, b->call, i, &arg->num);
    case TEXT: return set_text(b, arg, i);
    case INT: {
        int64_t whole;
        if (!gr_want_whole(b->vm, b->call, i, &whole)) return false;
        b->ints[b->attributes][0] = whole;
        arg->ints = b->ints[b->attributes];
        arg->count = 1;
        arg->num = (double)whole;
        return true;
    }
    default: return set_ints(b, arg, i, gr_argument(b->call, i));
    }
}

/* ---- binding ---------------------------------------------------------------------------------- */

static bool add_operand(binding *b, uint32_t i, gr_value v) {
    if (b->operands == AD_MAX_OPERANDS) {
        gr_raise(b->vm, GR_E_wrong_value, "`%s` takes at most %d values at once", b->call->name,
                 AD_MAX_OPERANDS);
        return false;
    }
    if (!gr_is_numeric(v) && !gr_is_structure(v)) {
        const char *wanted = b->row->flags & AD_ROW_ELEMENTWISE
                                 ? "a number, a tensor, or a tuple or record of these"
                                 : "a number or a tensor";
        return gr_raise_kind(b->vm, b->call, i, wanted);
    }
    b->in[b->operands++] = v;
    return true;
}

/* What `...xs` took: values, or one tuple of them. */
static void rest_items(const gr_call *call, size_t *count, const gr_value **items) {
    *count = call->rest_count;
    *items = call->rest;
    if (call->rest_count == 1 && call->rest[0].kind == GR_TUPLE) {
        *count = gr_as_tuple(call->rest[0])->count;
        *items = gr_as_tuple(call->rest[0])->items;
    }
}

static bool bind_rest(binding *b, role_kind role) {
    size_t count;
    const gr_value *items;
    gr_call *call = b->call;
    if (role != OPERAND) {
        ad_arg *arg = &b->args[b->attributes];
        arg->given = call->rest_count > 0;
        for (uint32_t k = 0; k < call->rest_count; k++)
            if (!set_ints(b, arg, call->count + k, call->rest[k])) return false;
        b->attributes++;
        return true;
    }
    rest_items(call, &count, &items);
    for (size_t k = 0; k < count; k++) {
        uint32_t blamed = count == call->rest_count ? call->count + (uint32_t)k : call->count;
        if (!gr_is_numeric(items[k])) {
            gr_raise_argument(b->vm, call, blamed, GR_E_wrong_kind,
                              "`%s` joins numbers and tensors; item %zu is a %s", call->name, k,
                              gr_kind_name(items[k]));
            return false;
        }
        if (!add_operand(b, blamed, items[k])) return false;
    }
    return true;
}

/* A default such as `hi = inf`; one that is no number means that the operand is left out. */
static void standard_operand(binding *b, const parameter *p) {
    double x;
    if (p->standard && ad_number_parse(p->standard, p->standard_length, &x) > 0)
        b->in[b->operands++] = ad_number(x);
}

static bool bind_parameter(binding *b, const parameter *p, uint32_t i) {
    gr_call *call = b->call;
    bool given = p->role == OPERAND ? !gr_is_absent(call->args[i]) : gr_given(call, i);
    if (p->role != OPERAND) {
        b->args[b->attributes] = (ad_arg){0};
        if (given && !set_attribute(b, p->role, i)) return false;
        b->attributes++;
        return true;
    }
    if (given) return add_operand(b, i, call->args[i]);
    standard_operand(b, p);
    return true;
}

static bool bind(binding *b) {
    uint32_t i = 0;
    for (const char *p = b->row->signature; p && *p;) {
        parameter next;
        bool is_axis;
        if (*p == '*') {
            p = strchr(p, ',');
            p = p ? skip_blanks(p + 1) : NULL;
            continue;
        }
        p = read_parameter(p, &next, &is_axis);
        if (next.role != OPERAND && b->attributes == AD_MAX_ARGS) break;
        if (next.rest) {
            if (!bind_rest(b, next.role)) return false;
            continue;
        }
        if (is_axis) b->has_axis = true, b->axis_given = gr_given(b->call, i);
        if (!bind_parameter(b, &next, i++)) return false;
    }
    return true;
}

/* ---- applying --------------------------------------------------------------------------------- */

static bool results_of(gr_vm *vm, gr_call *call, const ad_row_info *row, gr_value *out) {
    if (row->results == 1) {
        call->result = out[0];
        return true;
    }
    call->result = gr_tuple_of(vm, (size_t)row->results, out);
    return !gr_failed(call->result);
}

static bool apply(binding *b) {
    gr_value out[MAX_RESULTS];
    ad_status status = ad_apply(gr_ctx(b->vm), b->call->op, b->call->src, b->operands, b->in,
                                b->args, out);
    return gr_check(b->vm, b->call, status) && results_of(b->vm, b->call, b->row, out);
}

/* Rows that are not elementwise but make sense for each leaf. */
static bool is_leafwise(const ad_row_info *row) {
    static const char *const names[] = {"f32", "f64", "zeros_like", "ones_like"};
    if (row->flags & AD_ROW_ELEMENTWISE) return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(row->name, names[i]) == 0) return true;
    return false;
}

static bool apply_to_structures(binding *b) {
    if (is_leafwise(b->row))
        return gr_structure_call(b->vm, b->call->op, b->call->src, b->operands, b->in, b->args,
                                 &b->call->result);
    if (b->operands != 1 || !b->has_axis) {
        for (int k = 0; k < b->operands; k++)
            if (gr_is_structure(b->in[k]))
                return gr_raise_kind(b->vm, b->call, (uint32_t)k, "a number or a tensor");
    }
    if (b->axis_given) {
        gr_diagnostic *d = gr_raise(b->vm, GR_E_wrong_kind,
                                    "`axis` is for tensors; this is %s", b->in[0].kind == GR_TUPLE
                                        ? "a tuple" : "a record");
        gr_diag_help(d, "without `axis`, `%s` takes all numbers of a structure; `tensor` stacks a "
                        "tuple", b->call->name);
        return false;
    }
    gr_value flat;
    if (!gr_structure_flat(b->vm, b->call->src, b->in[0], &flat)) return false;
    b->in[0] = flat;
    bool ok = apply(b);
    gr_release(b->vm, flat);
    return ok;
}

/* concat and stack of more values than an operation may have. */
static bool join_many(gr_vm *vm, gr_call *call, bool *done) {
    size_t count;
    const gr_value *items;
    rest_items(call, &count, &items);
    bool stack = strcmp(call->name, "stack") == 0;
    *done = count > AD_MAX_OPERANDS && (stack || strcmp(call->name, "concat") == 0);
    if (!*done) return true;
    int64_t axis = 0;
    if (call->count > 0 && gr_given(call, 0) && !gr_want_whole(vm, call, 0, &axis)) return false;
    for (size_t k = 0; k < count; k++)
        if (!gr_is_numeric(items[k])) {
            gr_raise(vm, GR_E_wrong_kind, "`%s` joins numbers and tensors; item %zu is a %s",
                     call->name, k, gr_kind_name(items[k]));
            return false;
        }
    return gr_join(vm, call->src, stack, count, items, axis, &call->result);
}

bool gr_builtin_op(gr_vm *vm, gr_call *call) {
    binding b;
    b.vm = vm, b.call = call, b.row = ad_op_info(call->op);
    b.operands = b.attributes = 0;
    b.has_axis = b.axis_given = false;
    bool done = false;
    if (call->rest_count > 0 && !join_many(vm, call, &done)) return false;
    if (done) return true;
    for (int k = 0; k < AD_MAX_ARGS; k++) b.args[k] = (ad_arg){0};
    if (!bind(&b)) return false;
    for (int k = 0; k < b.operands; k++)
        if (gr_is_structure(b.in[k])) return apply_to_structures(&b);
    return apply(&b);
}

bool gr_apply_row(gr_vm *vm, gr_call *call, const char *row, int n, const gr_value *in,
                  const ad_arg *args, gr_value *out) {
    ad_op op = ad_op_find(row);
    for (int k = 0; k < n; k++)
        if (gr_is_structure(in[k]) && ad_op_info(op)->flags & AD_ROW_ELEMENTWISE)
            return gr_structure_call(vm, op, call->src, n, in, args, out);
    return gr_check(vm, call, ad_apply(gr_ctx(vm), op, call->src, n, in, args, out));
}
