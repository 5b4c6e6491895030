/* SPDX-License-Identifier: MIT */
/*
 * What a program with operands of the wrong shapes may have meant: the transposition, the exchange or
 * the new axis with which they fit. Each suggestion was checked against the shapes; what it is made of
 * is the text of the operands. It does not know what an operation does beyond its shape rule.
 */
#include "vm_state.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 40 };

typedef struct operand {
    char text[LONGEST + 4]; /* as a factor of a product can be written */
    int rank;
    int64_t dims[AD_MAX_RANK];
} operand;

bool gr_is_factor(const char *text, size_t size) {
    size_t i = 0, depth = 0;
    while (i < size && (gr_is_name_byte(text[i]) || text[i] == '.')) i++;
    for (; i < size; i++) {
        if (text[i] == '"') return false;
        if (text[i] == '(' || text[i] == '[') depth++;
        else if ((text[i] == ')' || text[i] == ']') && (depth == 0 || --depth == 0)) break;
        if (depth == 0) return false;
    }
    return i + 1 >= size;
}

static bool read_operand(gr_vm *vm, uint32_t k, gr_value v, operand *out) {
    const gr_source *source;
    gr_span span;
    if (v.kind != AD_TENSOR || !gr_user_span(vm, k, &source, &span)) return false;
    size_t size = span.end - span.begin;
    if (!size || size > LONGEST) return false;
    const char *text = source->text + span.begin;
    bool plain = gr_is_factor(text, size);
    if (memchr(text, '\n', size)) return false;
    char *to = out->text;
    if (!plain) *to++ = '(';
    memcpy(to, text, size);
    to += size;
    if (!plain) *to++ = ')';
    *to = 0;
    out->rank = v.tensor->rank;
    memcpy(out->dims, v.tensor->dims, (size_t)out->rank * sizeof *out->dims);
    return true;
}

/* `x.T`, or `x` where that is what was turned. */
static const char *turned(const operand *a, char out[LONGEST + 8]) {
    size_t size = strlen(a->text);
    bool is_turned = size > 2 && memcmp(a->text + size - 2, ".T", 2) == 0;
    snprintf(out, LONGEST + 8, "%.*s%s", (int)(is_turned ? size - 2 : size), a->text, is_turned ? "" : ".T");
    return out;
}

static bool same_batch(const operand *a, const operand *b) {
    return a->rank == b->rank && a->rank >= 2 &&
           memcmp(a->dims, b->dims, (size_t)(a->rank - 2) * sizeof *a->dims) == 0;
}

static void product(gr_diagnostic *d, const operand *a, const operand *b) {
    char text[LONGEST + 8], shape[160];
    if (same_batch(a, b) && a->dims[a->rank - 1] == b->dims[b->rank - 1]) {
        int64_t dims[AD_MAX_RANK];
        memcpy(dims, a->dims, sizeof dims);
        dims[a->rank - 1] = b->dims[b->rank - 2];
        gr_diag_help(d, "`%s @ %s` fits: it is %s", a->text, turned(b, text),
                     ad_shape_text(a->rank, dims, shape, sizeof shape));
    } else if (a->rank == 2 && b->rank <= 2 && a->dims[0] == b->dims[0])
        gr_diag_help(d, "`%s @ %s` fits", turned(a, text), b->text);
    else if (b->rank == 2 && a->rank <= 2 && a->dims[0] == b->dims[1])
        gr_diag_help(d, "`%s @ %s` fits", b->text, a->text);
}

/* [n, m] with [n]: the short one stands along the last axis, but has the length of the first. */
static void stretched(gr_diagnostic *d, const operand *a, const operand *b) {
    if (a->rank != 2 || b->rank != 1 || b->dims[0] != a->dims[0]) return;
    gr_diag_help(d, "`%s[.., new]` is [%lld, 1] and goes with every column", b->text,
                 (long long)b->dims[0]);
}

/* [n, 1] with [n]: a column and a vector of the same numbers. */
static void both_stretched(gr_diagnostic *d, const operand *a, const operand *b) {
    if (a->rank != 2 || b->rank != 1 || a->dims[1] != 1 || a->dims[0] != b->dims[0]) return;
    gr_diag_help(d, "`%s[.., 0]` is [%lld] too: then each item goes with its own", a->text,
                 (long long)b->dims[0]);
}

void gr_suggest_shapes(gr_vm *vm, gr_diagnostic *d, bool guard, const gr_value *operands) {
    operand a, b;
    if (!d || !vm->frame_count) return;
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    uint8_t op = f->proto->code[gr_frame_pc(f)].op;
    if (!read_operand(vm, 0, operands[0], &a) || !read_operand(vm, 1, operands[1], &b)) return;
    bool library = f->proto->flags & GR_PROTO_LIBRARY; /* its product is none of the user's to turn round */
    if (op == GR_I_MATMUL) {
        if (!library) product(d, &a, &b);
    } else if (op >= GR_I_ADD && op <= GR_I_LOGOR) {
        void (*suggest)(gr_diagnostic *, const operand *, const operand *) =
            guard ? both_stretched : stretched;
        suggest(d, &a, &b);
        suggest(d, &b, &a);
    }
}
