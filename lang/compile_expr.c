/* SPDX-License-Identifier: MIT */
/*
 * Expressions: operands, literals, operators, conditions, indexing, derivatives. An expression goes
 * to a register that the caller names; `fresh` says that nobody reads that register meanwhile.
 *
 * A local used as an operand is read where it lives. While it waits for its instruction its last use
 * elsewhere does not move it (`pending`).
 */
#include "compile.h"

#include <string.h>

/* ---- operands --------------------------------------------------------------------------------- */

bool gr_is_operand_local(gr_compiler *c, const gr_node *n, gr_variable **out) {
    if (n->kind != GR_N_NAME || !n->slot) return false;
    gr_variable *v = &c->scope.variables[n->slot - 1];
    if (v->fn != c->fn->index || (v->flags & (GR_VAR_CELL | GR_VAR_INSIDE))) return false;
    *out = v;
    return true;
}

uint32_t gr_expr_push(gr_compiler *c, gr_node *node) {
    uint32_t reg = gr_push_register(c, node->span);
    gr_expr_to(c, node, reg, true);
    return reg;
}

gr_operand gr_expr_any(gr_compiler *c, gr_node *node) {
    gr_variable *v;
    if (!gr_is_operand_local(c, node, &v))
        return (gr_operand){.reg = gr_expr_push(c, node), .kill = true};
    if (v->last_use == node && v->pending == 0) return (gr_operand){.reg = v->reg, .kill = true};
    v->pending++;
    return (gr_operand){.reg = v->reg, .variable = node->slot};
}

void gr_operand_done(gr_compiler *c, gr_operand o) {
    if (o.variable) c->scope.variables[o.variable - 1].pending--;
}

static void name_to(gr_compiler *c, gr_node *node, uint32_t reg) {
    gr_variable *v;
    gr_load_place(c, gr_place_of(c, node), reg, node->span);
    if (gr_is_operand_local(c, node, &v) && v->last_use == node && !v->pending && v->reg != reg)
        gr_emit_flags(c, GR_KILL_B);
}

/* ---- operators -------------------------------------------------------------------------------- */

bool gr_literal_number(const gr_node *n, double *out) {
    bool negative = n->kind == GR_N_UNARY && n->op == GR_OP_NEG;
    if (negative) n = n->as.unary.operand;
    if (n->kind != GR_N_NUMBER) return false;
    *out = negative ? -n->as.number : n->as.number;
    return true;
}

static const struct {
    uint8_t plain, right, left; /* registers; constant on the right; on the left; 0: none */
} operators[GR_OPERATORS] = {
    [GR_OP_ADD] = {GR_I_ADD, GR_I_ADDK, GR_I_RADDK}, [GR_OP_SUB] = {GR_I_SUB, GR_I_SUBK, GR_I_RSUBK},
    [GR_OP_MUL] = {GR_I_MUL, GR_I_MULK, GR_I_RMULK}, [GR_OP_DIV] = {GR_I_DIV, GR_I_DIVK, GR_I_RDIVK},
    [GR_OP_MOD] = {GR_I_MOD, GR_I_MODK, GR_I_RMODK}, [GR_OP_POW] = {GR_I_POW, GR_I_POWK, GR_I_RPOWK},
    [GR_OP_JOIN] = {GR_I_JOIN, 0, 0},                [GR_OP_MATMUL] = {GR_I_MATMUL, 0, 0},
    [GR_OP_EQ] = {GR_I_EQ, 0, 0},                    [GR_OP_NE] = {GR_I_NE, 0, 0},
    [GR_OP_LT] = {GR_I_LT, 0, 0},                    [GR_OP_LE] = {GR_I_LE, 0, 0},
    [GR_OP_GT] = {GR_I_GT, 0, 0},                    [GR_OP_GE] = {GR_I_GE, 0, 0},
    [GR_OP_AND] = {GR_I_LOGAND, 0, 0},               [GR_OP_OR] = {GR_I_LOGOR, 0, 0},
};

static void emit_binary(gr_compiler *c, gr_opcode op, uint32_t to, gr_operand a, gr_operand b,
                        const gr_node *n) {
    gr_emit(c, op, to, a.reg, b.reg, n->span);
    gr_emit_span(c, n->as.binary.left->span);
    gr_emit_span(c, n->as.binary.right->span);
    gr_emit_flags(c, (a.kill ? GR_KILL_B : 0u) | (b.kill ? GR_KILL_C : 0u));
    gr_operand_done(c, a);
    gr_operand_done(c, b);
}

static bool constant_operand(gr_compiler *c, const gr_node *n, gr_operand *out) {
    double x;
    if (!gr_literal_number(n, &x)) return false;
    uint32_t k = gr_add_constant(c, ad_number(x));
    *out = (gr_operand){.reg = k};
    return k <= UINT16_MAX;
}

/* The left operand is there; the rest of one operator. */
static void operator_with(gr_compiler *c, gr_node *n, gr_operand left, uint32_t to) {
    gr_operand right;
    uint8_t with_constant = operators[n->op].right;
    if (with_constant && constant_operand(c, n->as.binary.right, &right)) {
        emit_binary(c, with_constant, to, left, right, n);
        return;
    }
    right = gr_expr_any(c, n->as.binary.right);
    emit_binary(c, operators[n->op].plain, to, left, right, n);
}

static void logical_with(gr_compiler *c, gr_node *n, uint32_t acc, uint32_t to) {
    gr_opcode jump = n->op == GR_OP_AND ? GR_I_ANDJ : GR_I_ORJ;
    uint32_t skip = gr_emit_wide(c, jump, acc, 0, n->as.binary.left->span);
    gr_operand right = gr_expr_any(c, n->as.binary.right);
    emit_binary(c, operators[n->op].plain, acc, (gr_operand){.reg = acc, .kill = true}, right, n);
    gr_patch(c, skip, gr_here(c));
    if (acc != to) {
        gr_emit(c, GR_I_MOVE, to, acc, 0, n->span);
        gr_emit_flags(c, GR_KILL_B);
    }
}

static bool is_logical(const gr_node *n) { return n->op == GR_OP_AND || n->op == GR_OP_OR; }

/* The innermost operator of a left spine, whose left operand is none. */
static void first_operator(gr_compiler *c, gr_node *n, uint32_t acc, uint32_t to) {
    gr_operand left;
    uint8_t with_constant = operators[n->op].left;
    double x;
    if (is_logical(n)) {
        gr_expr_to(c, n->as.binary.left, acc, true);
        logical_with(c, n, acc, to);
    } else if (with_constant && !gr_literal_number(n->as.binary.right, &x) &&
               constant_operand(c, n->as.binary.left, &left)) {
        gr_operand right = gr_expr_any(c, n->as.binary.right);
        emit_binary(c, with_constant, to, right, left, n);
    } else {
        operator_with(c, n, gr_expr_any(c, n->as.binary.left), to);
    }
}

void gr_binary_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh) {
    uint32_t from = c->fn->top, depth = 0;
    for (gr_node *n = node; n->kind == GR_N_BINARY; n = n->as.binary.left) depth++;
    gr_node *few[16], **spine = few;
    if (depth > 16) spine = gr_arena_alloc(&c->ast->arena, depth * sizeof *spine);
    if (!spine) {
        gr_raise_memory(c->vm);
        c->failed = true;
        return;
    }
    uint32_t i = 0;
    for (gr_node *n = node; i < depth; n = n->as.binary.left) spine[i++] = n;
    uint32_t acc = fresh ? reg : gr_push_register(c, node->span), base = c->fn->top;
    first_operator(c, spine[depth - 1], acc, depth == 1 ? reg : acc);
    for (i = depth - 1; i-- > 0 && !c->failed;) {
        uint32_t to = i == 0 ? reg : acc;
        c->fn->top = base;
        if (is_logical(spine[i]))
            logical_with(c, spine[i], acc, to);
        else
            operator_with(c, spine[i], (gr_operand){.reg = acc, .kill = true}, to);
    }
    c->fn->top = from;
}

static void unary_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    double x;
    if (gr_literal_number(n, &x)) {
        gr_emit_wide(c, GR_I_LOADK, reg, gr_add_constant(c, ad_number(x)), n->span);
        return;
    }
    uint32_t from = c->fn->top;
    gr_operand a = gr_expr_any(c, n->as.unary.operand);
    gr_emit(c, n->op == GR_OP_NOT ? GR_I_NOT : GR_I_NEG, reg, a.reg, 0, n->span);
    gr_emit_span(c, n->as.unary.operand->span);
    if (a.kill) gr_emit_flags(c, GR_KILL_B);
    gr_operand_done(c, a);
    c->fn->top = from;
}

/* ---- conditions ------------------------------------------------------------------------------- */

static void jump_on(gr_compiler *c, gr_node *n, bool sense, gr_jumps *jumps);

static void jump_logical(gr_compiler *c, gr_node *n, bool sense, gr_jumps *jumps) {
    if ((n->op == GR_OP_AND) == !sense) { /* either side decides */
        jump_on(c, n->as.binary.left, sense, jumps);
        jump_on(c, n->as.binary.right, sense, jumps);
        return;
    }
    gr_jumps around = {0};
    jump_on(c, n->as.binary.left, !sense, &around);
    jump_on(c, n->as.binary.right, sense, jumps);
    gr_patch_here(c, &around);
}

static bool compare_jump(uint8_t op, gr_opcode *plain, bool *negated) {
    *negated = op == GR_OP_NE;
    switch (op) {
    case GR_OP_EQ:
    case GR_OP_NE: *plain = GR_I_JEQ; return true;
    case GR_OP_LT: *plain = GR_I_JLT; return true;
    case GR_OP_LE: *plain = GR_I_JLE; return true;
    case GR_OP_GT: *plain = GR_I_JGT; return true;
    case GR_OP_GE: *plain = GR_I_JGE; return true;
    default: return false;
    }
}

static void jump_compare(gr_compiler *c, gr_node *n, gr_opcode op, bool sense, gr_jumps *jumps) {
    gr_operand a = gr_expr_any(c, n->as.binary.left), b;
    bool constant = constant_operand(c, n->as.binary.right, &b);
    if (!constant) b = gr_expr_any(c, n->as.binary.right);
    uint32_t pc = gr_emit(c, constant ? op + (GR_I_JEQK - GR_I_JEQ) : op, a.reg, b.reg, 0, n->span);
    gr_emit_span(c, n->as.binary.left->span);
    gr_emit_span(c, n->as.binary.right->span);
    gr_emit_flags(c, (a.kill ? GR_KILL_A : 0u) | (b.kill ? GR_KILL_B : 0u) |
                         (sense ? GR_SENSE : 0u));
    gr_operand_done(c, a);
    gr_operand_done(c, b);
    gr_jump_later(c, jumps, pc);
}

/* Jumps if the condition is `sense`. */
static void jump_on(gr_compiler *c, gr_node *n, bool sense, gr_jumps *jumps) {
    uint32_t from = c->fn->top;
    gr_opcode op;
    bool negated;
    if (n->kind == GR_N_BINARY && is_logical(n)) {
        jump_logical(c, n, sense, jumps);
    } else if (n->kind == GR_N_UNARY && n->op == GR_OP_NOT) {
        jump_on(c, n->as.unary.operand, !sense, jumps);
    } else if (n->kind == GR_N_BINARY && compare_jump(n->op, &op, &negated)) {
        jump_compare(c, n, op, sense != negated, jumps);
    } else {
        gr_operand a = gr_expr_any(c, n);
        uint32_t pc = gr_emit_wide(c, sense ? GR_I_JT : GR_I_JF, a.reg, 0, n->span);
        if (a.kill) gr_emit_flags(c, GR_KILL_A);
        gr_operand_done(c, a);
        gr_jump_later(c, jumps, pc);
    }
    c->fn->top = from;
}

void gr_jump_unless(gr_compiler *c, gr_node *node, gr_jumps *jumps) {
    jump_on(c, node, false, jumps);
}

/* ---- access ----------------------------------------------------------------------------------- */

static void field_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top;
    if (n->slot) { /* prelude.name */
        uint32_t slot = gr_prelude_slot(c->vm, n->as.field.name);
        if (slot == UINT32_MAX)
            gr_compile_error(c, GR_E_unknown_name, n->span, "the prelude has no `%s`",
                             n->as.field.name->text);
        else
            gr_emit_wide(c, GR_I_GETGLOBAL, reg, slot, n->span);
        return;
    }
    gr_operand a = gr_expr_any(c, n->as.field.object);
    gr_emit(c, GR_I_GETFIELD, reg, a.reg, gr_add_cache(c, n->as.field.name), n->span);
    gr_emit_span(c, n->as.field.object->span);
    if (a.kill) gr_emit_flags(c, GR_KILL_B);
    gr_operand_done(c, a);
    c->fn->top = from;
}

static bool is_single_item(gr_node_list items) {
    return items.count == 1 && items.items[0]->kind != GR_N_RANGE &&
           items.items[0]->kind != GR_N_NEW_AXIS;
}

static void index_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top;
    gr_node_list list = n->as.index.items;
    gr_operand a = gr_expr_any(c, n->as.index.object);
    if (is_single_item(list)) {
        gr_operand i = gr_expr_any(c, list.items[0]);
        gr_emit(c, GR_I_GETITEM, reg, a.reg, i.reg, n->span);
        gr_emit_span(c, n->as.index.object->span);
        gr_emit_span(c, list.items[0]->span);
        gr_emit_flags(c, (a.kill ? GR_KILL_B : 0u) | (i.kill ? GR_KILL_C : 0u));
        gr_operand_done(c, i);
    } else {
        uint32_t first;
        gr_item *items = gr_index_items(c, list, true, &first);
        uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_INDEX,
                                                          .count = list.count,
                                                          .span = n->span,
                                                          .items = items});
        gr_emit(c, GR_I_INDEX, reg, a.reg, d, n->span);
        gr_emit_span(c, n->as.index.object->span);
        for (uint32_t i = 0; i < list.count; i++) gr_emit_span(c, list.items[i]->span);
        if (a.kill) gr_emit_flags(c, GR_KILL_B);
        gr_index_items_done(c, list);
        if (c->fn->top > first) gr_release_registers(c, first, n->span);
    }
    gr_operand_done(c, a);
    c->fn->top = from;
}

/* ---- derivatives ------------------------------------------------------------------------------ */

static gr_node *place_node(gr_node *wrt) {
    return wrt->kind == GR_N_INDEX ? wrt->as.index.object : wrt;
}

static gr_node *root_name(gr_node *n) {
    while (n->kind == GR_N_FIELD) n = n->as.field.object;
    return n;
}

/* Inside `:=` the numerator of a derivative is recorded, also where the derivative is called. */
static void call_to(gr_compiler *c, gr_node *n, uint32_t reg, bool fresh) {
    bool records = c->fn->updating && gr_is_called_derivative(n);
    if (records) gr_emit(c, GR_I_TRACK, 0, 0, 0, n->span);
    c->fn->updating += records;
    gr_call_to(c, n, reg, fresh);
    c->fn->updating -= records;
    if (records) gr_emit(c, GR_I_UPDATED, 0, 0, 0, n->span);
}

/* E in the first register, the places behind it; the results, indices taken, in `reg`. */
void gr_partial_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top, count = n->as.partial.wrt.count;
    gr_place *places = gr_code_alloc(c, count * sizeof *places);
    if (!places) return;
    bool records = c->fn->updating && n->as.partial.numerator->kind != GR_N_NAME;
    if (records) gr_emit(c, GR_I_TRACK, 0, 0, 0, n->span);
    c->fn->updating += records;
    uint32_t first = gr_expr_push(c, n->as.partial.numerator);
    c->fn->updating -= records;
    if (records) gr_emit(c, GR_I_UPDATED, 0, 0, 0, n->span);
    for (uint32_t i = 0; i < count; i++) {
        gr_node *place = place_node(n->as.partial.wrt.items[i]), *root = root_name(place);
        places[i] = root->kind == GR_N_NAME ? gr_place_of(c, root) : (gr_place){0};
        gr_expr_push(c, place);
    }
    uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_PARTIAL,
                                                      .reg = (uint16_t)first,
                                                      .count = count,
                                                      .flag = n->flags & GR_TUPLE_WRITTEN,
                                                      .span = n->span,
                                                      .places = places});
    gr_emit_wide(c, GR_I_PARTIAL, first, d, n->span);
    gr_emit_span(c, n->as.partial.numerator->span);
    for (uint32_t i = 0; i < count; i++) gr_emit_span(c, n->as.partial.wrt.items[i]->span);
    for (uint32_t i = 0; i < count; i++) { /* PARTIAL left the derivatives behind E, then E's axes */
        gr_node *wrt = n->as.partial.wrt.items[i];
        if (wrt->kind != GR_N_INDEX) continue;
        uint32_t items_from;
        gr_item *items = gr_index_items(c, wrt->as.index.items, false, &items_from);
        uint32_t pick = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_INDEX,
                                                             .count = wrt->as.index.items.count,
                                                             .span = wrt->span,
                                                             .items = items});
        gr_emit(c, GR_I_PICK, first + 1 + i, first, pick, wrt->span);
        gr_release_registers(c, items_from, wrt->span);
        c->fn->top = items_from;
    }
    if (n->flags & GR_TUPLE_WRITTEN) {
        gr_emit(c, GR_I_TUPLE, reg, first + 1, count, n->span);
    } else {
        gr_emit(c, GR_I_MOVE, reg, first + 1, 0, n->span);
        gr_emit_flags(c, GR_KILL_B);
    }
    c->fn->top = from;
}

static void prime_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top;
    bool prime = n->kind == GR_N_PRIME;
    gr_node *object = prime ? n->as.prime.object : n->as.gradient;
    gr_operand f = gr_expr_any(c, object);
    gr_emit(c, prime ? GR_I_PRIME : GR_I_GRADIENT, reg, f.reg, prime ? n->order : 0u, n->span);
    gr_emit_span(c, object->span);
    if (f.kill) gr_emit_flags(c, GR_KILL_B);
    gr_operand_done(c, f);
    c->fn->top = from;
}

static void range_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top;
    uint32_t first = gr_expr_push(c, n->as.range.low);
    gr_expr_push(c, n->as.range.high);
    if (n->as.range.step) {
        gr_expr_push(c, n->as.range.step);
    } else {
        uint32_t step = gr_push_register(c, n->span);
        gr_emit_wide(c, GR_I_LOADK, step, gr_add_constant(c, ad_number(1)), n->span);
    }
    gr_emit(c, GR_I_RANGE, reg, first, 0, n->span);
    gr_emit_span(c, n->as.range.low->span);
    gr_emit_span(c, n->as.range.high->span);
    c->fn->top = from;
}

void gr_expr_to(gr_compiler *c, gr_node *n, uint32_t reg, bool fresh) {
    if (c->failed && gr_has_raised(c->vm)) return;
    switch (n->kind) {
    case GR_N_NAME: name_to(c, n, reg); break;
    case GR_N_PLACEHOLDER: gr_emit(c, GR_I_MOVE, reg, c->placeholder, 0, n->span); break;
    case GR_N_FN: gr_function_to(c, n, reg); break;
    case GR_N_IF: gr_branch_to(c, n, reg); break;
    case GR_N_UNARY: unary_to(c, n, reg); break;
    case GR_N_BINARY: gr_binary_to(c, n, reg, fresh); break;
    case GR_N_PIPE: gr_pipe_to(c, n, reg, fresh); break;
    case GR_N_RANGE: range_to(c, n, reg); break;
    case GR_N_CALL: call_to(c, n, reg, fresh); break;
    case GR_N_INDEX: index_to(c, n, reg); break;
    case GR_N_FIELD: field_to(c, n, reg); break;
    case GR_N_PRIME:
    case GR_N_GRADIENT: prime_to(c, n, reg); break;
    case GR_N_PARTIAL: gr_partial_to(c, n, reg); break;
    default: gr_literal_to(c, n, reg, fresh); break;
    }
}
