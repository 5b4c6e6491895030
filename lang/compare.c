/* SPDX-License-Identifier: MIT */
/*
 * Comparing whole values: the three questions of structure.h are one walk with three ways to
 * compare numbers. Trees of any depth up to GR_MAX_STRUCTURE_DEPTH; deeper ones raise.
 */
#include "picture.h"
#include "structure.h"

#include <math.h>

enum { POLLED = 1 << 16 }; /* elements between two looks at the interrupt flag */

typedef enum { EQUAL, SAME, CLOSE } question;

typedef struct comparison {
    gr_vm *vm;
    question question;
    double rtol, atol;
    bool raised;
} comparison;

static bool close_numbers(const comparison *c, double a, double b) {
    if (a == b) return true; /* infinities too */
    double larger = fmax(fabs(a), fabs(b));
    return isfinite(a) && isfinite(b) && fabs(a - b) <= c->atol + c->rtol * larger;
}

static bool numbers(const comparison *c, double a, double b) {
    switch (c->question) {
    case SAME: return a == b || (isnan(a) && isnan(b));
    case CLOSE: return close_numbers(c, a, b);
    default: return a == b;
    }
}

static bool same_shape(const ad_tensor *a, const ad_tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

/* The elements in order: the tensor's own where it has them so, else read into `*copy`. */
static const double *elements(comparison *c, const ad_tensor *t, double **copy) {
    *copy = NULL;
    if (t->dtype == AD_F64 && ad_tensor_is_contiguous(t)) return t->data;
    *copy = ad_mem_get(gr_ctx(c->vm), ((size_t)t->size + 1) * sizeof **copy);
    if (!*copy) {
        gr_raise_memory(c->vm);
        c->raised = true;
        return NULL;
    }
    ad_tensor_read(t, *copy);
    return *copy;
}

static void put_back(comparison *c, const ad_tensor *t, double *copy) {
    if (copy) ad_mem_put(gr_ctx(c->vm), copy, ((size_t)t->size + 1) * sizeof *copy);
}

static bool tensors(comparison *c, const ad_tensor *a, const ad_tensor *b) {
    if (!same_shape(a, b) || (c->question == SAME && a->dtype != b->dtype)) return false;
    double *copy_a, *copy_b = NULL;
    const double *pa = elements(c, a, &copy_a), *pb = pa ? elements(c, b, &copy_b) : NULL;
    bool result = pb != NULL;
    for (int64_t i = 0; result && i < a->size; i++) {
        result = numbers(c, pa[i], pb[i]);
        if (i % POLLED == 0 && !gr_go_on(c->vm)) result = !(c->raised = true);
    }
    put_back(c, a, copy_a);
    put_back(c, b, copy_b);
    return result;
}

static bool tensor_and_number(comparison *c, const ad_tensor *t, double x) {
    double *copy;
    const double *p = elements(c, t, &copy);
    bool result = p != NULL;
    for (int64_t i = 0; result && i < t->size; i++) {
        result = numbers(c, p[i], x);
        if (i % POLLED == 0 && !gr_go_on(c->vm)) result = !(c->raised = true);
    }
    put_back(c, t, copy);
    return result;
}

static bool numeric(comparison *c, gr_value a, gr_value b) {
    if (c->question == SAME && a.kind != b.kind) return false;
    if (a.kind == AD_TENSOR && b.kind == AD_TENSOR) return tensors(c, a.tensor, b.tensor);
    if (a.kind != AD_TENSOR && b.kind != AD_TENSOR) return numbers(c, a.num, b.num);
    if (c->question != CLOSE) return false;
    return a.kind == AD_TENSOR ? tensor_and_number(c, a.tensor, b.num)
                               : tensor_and_number(c, b.tensor, a.num);
}

static bool nodes(comparison *c, gr_value a, gr_value b, int depth);

static bool tuples(comparison *c, const gr_tuple *a, const gr_tuple *b, int depth) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!nodes(c, a->items[i], b->items[i], depth)) return false;
    return true;
}

static bool records(comparison *c, gr_value a, gr_value b, int depth) {
    if (gr_record_count(a) != gr_record_count(b)) return false;
    for (uint32_t i = 0; i < gr_record_count(a); i++) {
        gr_value *other = gr_record_find(c->vm, b, gr_record_key(a, i));
        if (!other || !nodes(c, gr_record_value(a, i), *other, depth)) return false;
    }
    return true;
}

static bool ranges(const gr_range *a, const gr_range *b) {
    return a->low == b->low && a->high == b->high && a->step == b->step;
}

static bool nodes(comparison *c, gr_value a, gr_value b, int depth) {
    if (gr_is_numeric(a) && gr_is_numeric(b)) return numeric(c, a, b);
    if (a.kind != b.kind) return false;
    if (depth > GR_MAX_STRUCTURE_DEPTH) {
        gr_raise(c->vm, GR_E_too_nested, "the value is nested more than %d levels deep",
                 GR_MAX_STRUCTURE_DEPTH);
        c->raised = true;
        return false;
    }
    switch (a.kind) {
    case GR_NIL: return true;
    case GR_STRING: return gr_string_equal(gr_as_string(a), gr_as_string(b));
    case GR_TUPLE: return tuples(c, gr_as_tuple(a), gr_as_tuple(b), depth + 1);
    case GR_RECORD: return records(c, a, b, depth + 1);
    case GR_RANGE: return ranges(gr_as_range(a), gr_as_range(b));
    case GR_PICTURE: return gr_picture_equal(gr_as_picture(a), gr_as_picture(b));
    default: return a.ptr == b.ptr;
    }
}

static bool ask(comparison c, gr_value a, gr_value b, bool *out) {
    *out = nodes(&c, a, b, 0);
    return !c.raised;
}

bool gr_equal(gr_vm *vm, gr_value a, gr_value b, bool *out) {
    return ask((comparison){.vm = vm, .question = EQUAL}, a, b, out);
}

bool gr_same(gr_vm *vm, gr_value a, gr_value b, bool *out) {
    return ask((comparison){.vm = vm, .question = SAME}, a, b, out);
}

bool gr_nearly_equal(gr_vm *vm, gr_value a, gr_value b, double rtol, double atol, bool *out) {
    return ask((comparison){.vm = vm, .question = CLOSE, .rtol = rtol, .atol = atol}, a, b, out);
}
