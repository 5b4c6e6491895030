/* SPDX-License-Identifier: MIT */
/*
 * Statements, blocks, loops, functions, and the driver. Locals take registers in the order of their
 * definition and are let go of at the end of their block; temporaries lie above them and hold
 * nothing between statements.
 */
#include "compile.h"

#include <string.h>

static void statement(gr_compiler *c, gr_node *n);

/* ---- blocks ----------------------------------------------------------------------------------- */

static void hoist(gr_compiler *c, gr_node *block) {
    for (uint32_t i = 0; i < block->as.block.count; i++) {
        gr_node *n = block->as.block.items[i];
        if (n->kind != GR_N_DEFINE || !n->slot) continue;
        gr_variable *v = &c->scope.variables[n->slot - 1];
        uint32_t reg = gr_push_register(c, n->span);
        gr_node name = {.kind = GR_N_PATTERN_NAME, .span = n->as.define->as.fn->name_span,
                        .slot = n->slot};
        name.as.name = v->name;
        gr_emit(c, GR_I_ABSENT, reg, 0, 0, n->span);
        gr_declare_local(c, &name, reg);
    }
}

static void end_block(gr_compiler *c, uint32_t from, gr_span span) {
    gr_proto *p = c->fn->proto;
    gr_span close = {.begin = span.end ? span.end - 1 : 0, .end = span.end};
    gr_release_registers(c, from, close);
    for (uint32_t i = p->local_count; i-- > 0;)
        if (p->locals[i].reg >= from && p->locals[i].end == UINT32_MAX)
            p->locals[i].end = gr_here(c);
    c->fn->top = from;
}

void gr_block_discard(gr_compiler *c, gr_node *block) {
    uint32_t from = c->fn->top;
    hoist(c, block);
    for (uint32_t i = 0; i < block->as.block.count && !gr_has_raised(c->vm); i++)
        statement(c, block->as.block.items[i]);
    end_block(c, from, block->span);
}

static bool leaves(const gr_node *n) {
    return n->kind == GR_N_RETURN || n->kind == GR_N_BREAK || n->kind == GR_N_CONTINUE;
}

static bool ends_in_value(const gr_node *block);

/* An `if` at the end of a function's block is its value only if every way through it has one. */
static bool branch_has_value(const gr_node *n) {
    if (!n->as.branch.otherwise || !ends_in_value(n->as.branch.otherwise)) return false;
    for (uint32_t i = 0; i < n->as.branch.count; i++)
        if (!ends_in_value(n->as.branch.arms[i].body)) return false;
    return true;
}

static bool ends_in_value(const gr_node *block) {
    if (block->as.block.count == 0) return false;
    const gr_node *last = block->as.block.items[block->as.block.count - 1];
    if (leaves(last)) return true;
    if (last->kind == GR_N_IF) return branch_has_value(last);
    return gr_is_expression(last->kind);
}

/* The last expression's value; `needed`: there must be one. */
static void no_value(gr_compiler *c, const gr_node *block, const gr_node *last) {
    gr_diagnostic *d =
        gr_compile_error(c, GR_E_missing_value, last ? last->span : block->span,
                         "the value of this block is used, so it must end in an expression");
    if (last && last->kind == GR_N_LET && last->as.bind.pattern->kind == GR_N_PATTERN_NAME)
        gr_diag_help(d, "leave `let` out, or write `%s` behind it",
                     last->as.bind.pattern->as.name->text);
    else
        gr_diag_help(d, "write the value as the last line of the block");
}

static void block_value(gr_compiler *c, gr_node *block, uint32_t reg, bool needed) {
    uint32_t from = c->fn->top, count = block->as.block.count;
    gr_node *last = count ? block->as.block.items[count - 1] : NULL;
    bool has_value = last && gr_is_expression(last->kind) &&
                     (needed || last->kind != GR_N_IF || branch_has_value(last));
    hoist(c, block);
    for (uint32_t i = 0; i + (has_value ? 1 : 0) < count && !gr_has_raised(c->vm); i++)
        statement(c, block->as.block.items[i]);
    if (has_value) {
        gr_expr_to(c, last, reg, true);
    } else {
        if (needed && !(last && leaves(last))) no_value(c, block, last);
        gr_emit(c, GR_I_NIL, reg, 0, 0, block->span);
    }
    end_block(c, from, block->span);
}

void gr_block_to(gr_compiler *c, gr_node *block, uint32_t reg) { block_value(c, block, reg, true); }

/* ---- if --------------------------------------------------------------------------------------- */

static void branch(gr_compiler *c, gr_node *n, bool value, uint32_t reg) {
    gr_jumps end = {0};
    gr_node *otherwise = n->as.branch.otherwise;
    for (uint32_t i = 0; i < n->as.branch.count; i++) {
        gr_jumps next = {0};
        const gr_arm *arm = &n->as.branch.arms[i];
        gr_jump_unless(c, arm->condition, &next);
        if (value)
            gr_block_to(c, arm->body, reg);
        else
            gr_block_discard(c, arm->body);
        if (otherwise || i + 1 < n->as.branch.count)
            gr_jump_later(c, &end, gr_emit_wide(c, GR_I_JMP, 0, 0, arm->body->span));
        gr_patch_here(c, &next);
    }
    if (otherwise && value)
        gr_block_to(c, otherwise, reg);
    else if (otherwise)
        gr_block_discard(c, otherwise);
    gr_patch_here(c, &end);
}

void gr_branch_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    if (!n->as.branch.otherwise)
        gr_diag_help(gr_compile_error(c, GR_E_missing_else, n->span,
                                      "the value of this `if` is used, so it needs an `else`"),
                     "write `else { ... }` behind it, with the value where the condition is false");
    branch(c, n, true, reg);
}

/* ---- loops ------------------------------------------------------------------------------------ */

static void free_jumps(gr_compiler *c, gr_jumps *jumps, uint32_t target) {
    for (uint32_t i = 0; i < jumps->count; i++) gr_patch(c, jumps->at[i], target);
    jumps->count = 0;
    gr_patch_here(c, jumps);
}

void gr_loop_begin(gr_compiler *c, gr_loop *loop) {
    *loop = (gr_loop){.outer = c->fn->loop, .top = c->fn->top, .updating = c->fn->updating};
    c->fn->loop = loop;
}

/* Of a `for` or `while` of the program, that begins at an instruction and ends here. */
static void note_loop(gr_compiler *c, const gr_loop *loop, uint32_t begin) {
    gr_proto *p = c->fn->proto;
    if (!c->vm->pause) return;
    if (!gr_proto_grow(c->vm, &p->loops, &p->loop_room, p->loop_count + 1, sizeof *p->loops)) {
        c->failed = true;
        return;
    }
    p->loops[p->loop_count++] = (gr_loop_info){.begin = begin,
                                               .end = gr_here(c),
                                               .updating = loop->updating,
                                               .top = (uint16_t)loop->top};
}

typedef void (*gr_body)(gr_compiler *c, void *user);

static void for_body(gr_compiler *c, void *user) { gr_block_discard(c, user); }

static void loop_body(gr_compiler *c, gr_node *pattern, uint32_t item, gr_span span, gr_body body,
                      void *user, gr_loop *loop) {
    uint32_t from = c->fn->top;
    gr_loop_begin(c, loop);
    gr_bind_pattern(c, pattern, item, false);
    body(c, user);
    end_block(c, from, span);
    c->fn->loop = loop->outer;
    free_jumps(c, &loop->continues, gr_here(c));
}

static void over_range(gr_compiler *c, gr_node *pattern, gr_node *range, gr_span span, gr_body body,
                       void *user) {
    uint32_t at = gr_expr_push(c, range->as.range.low);
    gr_expr_push(c, range->as.range.high);
    uint32_t step = gr_push_register(c, span);
    if (range->as.range.step)
        gr_expr_to(c, range->as.range.step, step, true);
    else
        gr_emit_wide(c, GR_I_LOADK, step, gr_add_constant(c, ad_number(1)), span);
    uint32_t item = gr_push_register(c, span);
    uint32_t prepare = gr_emit_wide(c, GR_I_FORPREP, at, 0, range->span), start = gr_here(c);
    gr_loop loop;
    loop_body(c, pattern, item, span, body, user, &loop);
    uint32_t next = gr_emit_wide(c, GR_I_FORLOOP, at, 0, span);
    gr_patch(c, next, start);
    gr_patch(c, prepare, gr_here(c));
    free_jumps(c, &loop.breaks, gr_here(c));
    if (body == for_body) note_loop(c, &loop, start);
    gr_emit(c, GR_I_RELEASE, item, 1, 0, span);
}

static void over_items(gr_compiler *c, gr_node *pattern, gr_node *source, gr_span span,
                       gr_body body, void *user) {
    uint32_t at = gr_expr_push(c, source);
    gr_push_register(c, span);
    uint32_t item = gr_push_register(c, span);
    gr_emit(c, GR_I_ITER, at, 0, 0, source->span);
    uint32_t start = gr_emit(c, GR_I_NEXT, at, item, 0, source->span);
    uint32_t done = gr_emit_wide(c, GR_I_JMP, 0, 0, span);
    gr_loop loop;
    loop_body(c, pattern, item, span, body, user, &loop);
    gr_patch(c, gr_emit_wide(c, GR_I_LOOP, 0, 0, span), start);
    gr_patch(c, done, gr_here(c));
    free_jumps(c, &loop.breaks, gr_here(c));
    if (body == for_body) note_loop(c, &loop, start);
    gr_emit(c, GR_I_RELEASE, at, 3, 0, span);
}

void gr_loop_over(gr_compiler *c, gr_node *pattern, gr_node *source, gr_span span, gr_body body,
                  void *user) {
    uint32_t from = c->fn->top;
    if (source->kind == GR_N_RANGE)
        over_range(c, pattern, source, span, body, user);
    else
        over_items(c, pattern, source, span, body, user);
    c->fn->top = from;
}

static void while_loop(gr_compiler *c, gr_node *n) {
    gr_loop loop;
    gr_jumps exit = {0};
    uint32_t start = gr_here(c);
    gr_loop_begin(c, &loop);
    gr_jump_unless(c, n->as.loop.source, &exit);
    gr_block_discard(c, n->as.loop.body);
    c->fn->loop = loop.outer;
    free_jumps(c, &loop.continues, gr_here(c));
    gr_patch(c, gr_emit_wide(c, GR_I_LOOP, 0, 0, n->span), start);
    gr_patch_here(c, &exit);
    free_jumps(c, &loop.breaks, gr_here(c));
    note_loop(c, &loop, start);
}

static void leave_loop(gr_compiler *c, gr_node *n) {
    gr_loop *loop = c->fn->loop;
    const char *word = n->kind == GR_N_BREAK ? "break" : "continue";
    if (!loop) {
        gr_diagnostic *d =
            gr_compile_error(c, GR_E_outside_loop, n->span, "`%s` stands outside a loop", word);
        const gr_fn_state *f = c->fn;
        while (f && !f->loop) f = f->outer;
        if (f)
            gr_diag_help(d, "a function cannot leave the loop around it; `return` leaves the function");
        else if (c->fn->fn)
            gr_diag_help(d, "`return` leaves the function");
        return;
    }
    gr_release_registers(c, loop->top, n->span);
    for (uint32_t i = loop->updating; i < c->fn->updating; i++)
        gr_emit(c, GR_I_UPDATED, 0, 0, 0, n->span);
    uint32_t pc = gr_emit_wide(c, GR_I_JMP, 0, 0, n->span);
    gr_jump_later(c, n->kind == GR_N_BREAK ? &loop->breaks : &loop->continues, pc);
}

/* ---- functions -------------------------------------------------------------------------------- */

static void check_signature(gr_compiler *c, const gr_signature *sig, uint32_t reg, const char *what,
                            bool result, uint32_t *bound) {
    if (!sig) return;
    gr_sig_dim *dims = gr_code_alloc(c, sig->count * sizeof *dims);
    const gr_scope_fn *f = &c->scope.fns[c->fn->index];
    for (uint32_t i = 0; dims && i < sig->count; i++) {
        dims[i] = (gr_sig_dim){.kind = (uint8_t)sig->dims[i].kind, .number = sig->dims[i].number,
                               .letter = sig->dims[i].letter};
        for (uint32_t k = 0; sig->dims[i].kind == GR_DIM_LETTER && k < f->letter_count; k++) {
            if (f->letters[k].name != sig->dims[i].letter) continue;
            dims[i].reg = c->scope.variables[f->letters[k].variable].reg;
            dims[i].binds = k >= *bound; /* letters are in the order of their appearance */
            if (dims[i].binds) *bound = k + 1;
        }
    }
    uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_SIGNATURE,
                                                      .count = sig->count,
                                                      .flag = result,
                                                      .what = what,
                                                      .span = sig->span,
                                                      .dims = dims});
    gr_emit_wide(c, GR_I_SIG, reg, d, sig->span);
}

static void place_letters(gr_compiler *c) {
    const gr_scope_fn *f = &c->scope.fns[c->fn->index];
    for (uint32_t i = 0; i < f->letter_count; i++) {
        gr_variable *v = &c->scope.variables[f->letters[i].variable];
        v->reg = (uint16_t)gr_push_register(c, v->span);
        v->placed = true;
        v->flags &= ~(uint32_t)GR_VAR_CELL; /* never assigned; captured by value */
    }
}

static const char *parameter_text(gr_compiler *c, const gr_parameter *p) {
    if (p->pattern->kind == GR_N_PATTERN_NAME) return p->pattern->as.name->text;
    size_t size = p->pattern->span.end - p->pattern->span.begin;
    const char *text = gr_arena_text(&c->fn->proto->arena,
                                     c->ast->source->text + p->pattern->span.begin, size);
    return text ? text : "";
}

static void parameter(gr_compiler *c, const gr_parameter *p, uint32_t reg, uint32_t *bound) {
    if (p->fallback) {
        uint32_t given = gr_emit_wide(c, GR_I_GIVEN, reg, 0, p->span);
        gr_expr_to(c, p->fallback, reg, true);
        gr_patch(c, given, gr_here(c));
    }
    check_signature(c, p->signature, reg, parameter_text(c, p), false, bound);
    gr_bind_pattern(c, p->pattern, reg, false);
}

static void note_parameters(gr_compiler *c, const gr_fn *fn) {
    gr_proto *p = c->fn->proto;
    p->flags |= GR_PROTO_SIMPLE;
    if (!gr_proto_grow(c->vm, &p->parameters, &p->parameter_room, fn->parameter_count + 1,
                       sizeof *p->parameters)) {
        c->failed = true;
        return;
    }
    bool optional = false;
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        const gr_parameter *q = &fn->parameters[i];
        bool named = q->pattern->kind == GR_N_PATTERN_NAME;
        p->parameters[i] = (gr_parameter_info){.name = named ? q->pattern->as.name : NULL,
                                               .optional = q->fallback};
        optional |= q->fallback || q->rest;
        if (!optional) p->required = i + 1;
        if (q->fallback) p->flags &= ~(uint32_t)GR_PROTO_SIMPLE;
        if (q->rest) p->flags = (p->flags | GR_PROTO_REST) & ~(uint32_t)GR_PROTO_SIMPLE;
        gr_push_register(c, q->span);
    }
    p->parameter_count = fn->parameter_count;
}

static void emit_return(gr_compiler *c, gr_operand v, gr_span span) {
    for (uint32_t i = 0; i < c->fn->updating; i++) gr_emit(c, GR_I_UPDATED, 0, 0, 0, span);
    gr_emit(c, GR_I_RETURN, v.reg, c->fn->top, 0, span);
}

static uint32_t letters_of_parameters(const gr_compiler *c, const gr_fn *fn) {
    uint32_t bound = 0;
    const gr_scope_fn *f = &c->scope.fns[c->fn->index];
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        for (uint32_t k = 0; fn->parameters[i].signature && k < fn->parameters[i].signature->count; k++)
            for (uint32_t l = 0; l < f->letter_count; l++)
                if (f->letters[l].name == fn->parameters[i].signature->dims[k].letter && l >= bound)
                    bound = l + 1;
    return bound;
}

static void check_result(gr_compiler *c, uint32_t reg) {
    if (!c->fn->fn || !c->fn->fn->result) return;
    uint32_t bound = letters_of_parameters(c, c->fn->fn);
    check_signature(c, c->fn->fn->result, reg, "the result", true, &bound);
}

static void tail_block(gr_compiler *c, gr_node *block);

/* An expression whose value the function returns: an `if` returns from each of its arms. */
static void tail(gr_compiler *c, gr_node *n) {
    if (n->kind == GR_N_IF && n->as.branch.otherwise) {
        for (uint32_t i = 0; i < n->as.branch.count; i++) {
            gr_jumps next = {0};
            gr_jump_unless(c, n->as.branch.arms[i].condition, &next);
            tail_block(c, n->as.branch.arms[i].body);
            gr_patch_here(c, &next);
        }
        tail_block(c, n->as.branch.otherwise);
        return;
    }
    uint32_t from = c->fn->top;
    gr_operand v = gr_expr_any(c, n);
    emit_return(c, v, n->span);
    gr_operand_done(c, v);
    c->fn->top = from;
}

static void tail_block(gr_compiler *c, gr_node *block) {
    if (block->as.block.count == 1 && gr_is_expression(block->as.block.items[0]->kind)) {
        tail(c, block->as.block.items[0]);
        return;
    }
    uint32_t from = c->fn->top, reg = gr_push_register(c, block->span);
    gr_block_to(c, block, reg);
    emit_return(c, (gr_operand){.reg = reg, .kill = true}, block->span);
    c->fn->top = from;
}

static void function_body(gr_compiler *c, gr_node *node) {
    gr_fn *fn = node->as.fn;
    uint32_t bound = 0;
    note_parameters(c, fn);
    place_letters(c);
    if (c->scope.fns[c->fn->index].derives) {
        gr_emit(c, GR_I_TRACK, 0, 0, 0, node->span);
        c->fn->updating++;
    }
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        parameter(c, &fn->parameters[i], i, &bound);
    if (fn->body->kind != GR_N_BLOCK && !fn->result) {
        tail(c, fn->body);
        return;
    }
    uint32_t reg = gr_push_register(c, node->span);
    if (fn->body->kind == GR_N_BLOCK)
        block_value(c, fn->body, reg, false);
    else
        gr_expr_to(c, fn->body, reg, true);
    check_result(c, reg);
    emit_return(c, (gr_operand){.reg = reg, .kill = true}, fn->body->span);
}

static void close_fn(gr_compiler *c, gr_fn_state *fn) {
    c->fn = fn->outer;
    if (fn->capture_variables)
        ad_mem_put(c->vm->ctx, fn->capture_variables,
                   fn->capture_variable_room * sizeof *fn->capture_variables);
}

/* Straight code of arithmetic and calls: whether it really is elementwise shows when it is called
 * with a tensor (elementwise.c). */
static bool looks_elementwise(const gr_proto *p) {
    if (p->parameter_count == 0 || p->code_count > 128) return false;
    for (uint32_t i = 0; i < p->code_count; i++) {
        uint8_t op = p->code[i].op;
        bool arithmetic = (op >= GR_I_ADD && op <= GR_I_RPOWK) || (op >= GR_I_EQ && op <= GR_I_LOGOR);
        bool other = op == GR_I_MOVE || op == GR_I_LOADK || op == GR_I_GETGLOBAL || op == GR_I_NEG ||
                     op == GR_I_GETHELD || op == GR_I_CALL || op == GR_I_CALLG ||
                     op == GR_I_RELEASE || op == GR_I_RETURN;
        if (!arithmetic && !other) return false;
    }
    return true;
}

void gr_function_to(gr_compiler *c, gr_node *node, uint32_t reg) {
    gr_proto *p = gr_proto_new(c->vm, c->ast->source), *outer = c->fn->proto;
    if (!p || !gr_proto_grow(c->vm, &outer->children, &outer->child_room, outer->child_count + 1,
                             sizeof *outer->children)) {
        gr_proto_release(c->vm, p);
        c->failed = true;
        return;
    }
    outer->children[outer->child_count++] = p;
    uint32_t index = outer->child_count - 1;
    gr_fn *fn = node->as.fn;
    p->name = fn->name;
    p->span = node->span;
    p->head = fn->head;
    if (fn->doc.size) p->doc = gr_arena_text(&p->arena, fn->doc.bytes, fn->doc.size);
    if (c->scope.module->library) p->flags |= GR_PROTO_LIBRARY;
    gr_fn_state state = {.outer = c->fn, .proto = p, .index = node->slot, .fn = fn};
    uint32_t placeholder = c->placeholder;
    c->fn = &state;
    function_body(c, node);
    close_fn(c, &state);
    if ((p->flags & GR_PROTO_SIMPLE) && looks_elementwise(p)) p->flags |= GR_PROTO_ELEMENTWISE;
    c->placeholder = placeholder;
    gr_emit_wide(c, GR_I_CLOSURE, reg, index, node->span);
}

static void define(gr_compiler *c, gr_node *n) {
    uint32_t from = c->fn->top;
    if (!n->slot) { /* top level */
        gr_node name = {.kind = GR_N_PATTERN_NAME, .span = n->as.define->as.fn->name_span};
        name.as.name = n->as.define->as.fn->name;
        uint32_t reg = gr_push_register(c, n->span);
        gr_function_to(c, n->as.define, reg);
        gr_define_pattern(c, &name, reg, false);
    } else {
        gr_variable *v = &c->scope.variables[n->slot - 1];
        if (v->flags & GR_VAR_CELL) {
            uint32_t reg = gr_push_register(c, n->span);
            gr_function_to(c, n->as.define, reg);
            gr_emit(c, GR_I_SETLOCALCELL, reg, v->reg, 0, n->span);
            gr_emit_flags(c, GR_KILL_A);
        } else {
            gr_function_to(c, n->as.define, v->reg);
        }
    }
    c->fn->top = from;
}

static void return_statement(gr_compiler *c, gr_node *n) {
    if (!c->fn->fn) {
        gr_diag_help(gr_compile_error(c, GR_E_outside_function, n->span,
                                      "`return` stands outside a function"),
                     "`exit(0)` ends a script");
        return;
    }
    uint32_t from = c->fn->top;
    uint32_t reg = gr_push_register(c, n->span);
    if (n->as.result)
        gr_expr_to(c, n->as.result, reg, true);
    else
        gr_emit(c, GR_I_NIL, reg, 0, 0, n->span);
    check_result(c, reg);
    emit_return(c, (gr_operand){.reg = reg, .kill = true}, n->span);
    c->fn->top = from;
}

/* ---- statements ------------------------------------------------------------------------------- */

static void bind(gr_compiler *c, gr_node *n) {
    bool tracked = n->kind == GR_N_PARAM, top = n->slot == 1 && c->fn->index == 0;
    uint32_t from = c->fn->top;
    if (!top) {
        gr_bind_value(c, n->as.bind.pattern, n->as.bind.value, tracked);
        if (n->as.bind.pattern->kind == GR_N_PATTERN_IGNORE)
            end_block(c, from, n->span);
        return;
    }
    gr_define_value(c, n->as.bind.pattern, n->as.bind.value, tracked);
    end_block(c, from, n->span);
}

static void import(gr_compiler *c, gr_node *n) {
    uint32_t from = c->fn->top;
    uint32_t reg = gr_push_register(c, n->span);
    gr_emit_wide(c, GR_I_IMPORT, reg, gr_add_string(c, n->as.import.path), n->as.import.path_span);
    gr_node name = {.kind = GR_N_PATTERN_NAME, .span = n->as.import.name_span};
    name.as.name = n->as.import.name;
    if (n->slot == 1) {
        gr_define_pattern(c, &name, reg, false);
        c->fn->top = from;
    } else {
        name.slot = n->slot - 1;
        gr_declare_local(c, &name, reg);
    }
}

static bool is_comparison(const gr_node *n) {
    return n->kind == GR_N_BINARY && n->op >= GR_OP_EQ && n->op <= GR_OP_GE;
}

static void fail_comparison(gr_compiler *c, gr_node *n, uint32_t left, uint32_t message) {
    gr_emit(c, GR_I_FAILPAIR, left, left + 1, message, n->as.assertion.condition->span);
    gr_emit_span(c, n->as.assertion.condition->as.binary.left->span);
    gr_emit_span(c, n->as.assertion.condition->as.binary.right->span);
}

static void assertion(gr_compiler *c, gr_node *n) {
    uint32_t from = c->fn->top, left = 0;
    gr_node *condition = n->as.assertion.condition, *message = n->as.assertion.message;
    uint32_t ok;
    if (is_comparison(condition)) {
        left = gr_expr_push(c, condition->as.binary.left);
        uint32_t right = gr_expr_push(c, condition->as.binary.right);
        uint32_t test = gr_push_register(c, n->span);
        gr_emit(c, GR_I_EQ + (condition->op - GR_OP_EQ), test, left, right, condition->span);
        gr_emit_span(c, condition->as.binary.left->span);
        gr_emit_span(c, condition->as.binary.right->span);
        ok = gr_emit_wide(c, GR_I_JT, test, 0, condition->span);
    } else {
        gr_operand v = gr_expr_any(c, condition);
        ok = gr_emit_wide(c, GR_I_JT, v.reg, 0, condition->span);
        if (v.kill) gr_emit_flags(c, GR_KILL_A);
        gr_operand_done(c, v);
    }
    uint32_t text = message ? gr_expr_push(c, message) : 0;
    if (is_comparison(condition))
        fail_comparison(c, n, left, text);
    else if (message)
        gr_emit(c, GR_I_FAILTEXT, text, 0, 0, condition->span);
    else
        gr_emit(c, GR_I_FAIL, 0, 0, 0, condition->span);
    gr_patch(c, ok, gr_here(c));
    gr_release_registers(c, from, n->span);
    c->fn->top = from;
}

static void test(gr_compiler *c, gr_node *n) {
    if (!(c->flags & GR_COMPILE_TESTS)) return;
    uint32_t from = c->fn->top, reg = gr_push_register(c, n->span);
    gr_function_to(c, n->as.test.body, reg);
    gr_emit_wide(c, GR_I_TEST, reg, gr_add_string(c, n->as.test.name), n->as.test.name_span);
    gr_release_registers(c, from, n->span);
    c->fn->top = from;
}

/* ---- expressions whose value nobody uses ------------------------------------------------------ */

static bool is_pure(gr_compiler *c, const gr_node *n);

static bool is_pure_call(gr_compiler *c, const gr_node *n) {
    static const char *const pure[] = {"push",   "concat", "leaves", "map_leaves", "zip",
                                       "remove", "keys",   "values", "len",        "str",
                                       "upper",  "lower",  "trim",   "join",       "replace"};
    const gr_node *callee = n->as.call.callee;
    if (callee->kind != GR_N_NAME || callee->slot) return false;
    bool known;
    uint32_t slot = gr_find_global(c->vm, c->scope.module, callee->as.name, &known);
    if (!known || !(c->vm->globals[slot].flags & GR_GLOBAL_LIBRARY)) return false;
    bool found = ad_op_find(callee->as.name->text) != AD_OP_NONE;
    for (size_t i = 0; i < sizeof pure / sizeof *pure; i++)
        found |= strcmp(callee->as.name->text, pure[i]) == 0;
    for (uint32_t i = 0; found && i < n->as.call.count; i++)
        if (!is_pure(c, n->as.call.arguments[i].value)) return false;
    return found;
}

static bool is_pure(gr_compiler *c, const gr_node *n) {
    switch (n->kind) {
    case GR_N_CALL: return is_pure_call(c, n);
    case GR_N_BINARY: return is_pure(c, n->as.binary.right) && is_pure(c, n->as.binary.left);
    case GR_N_UNARY: return is_pure(c, n->as.unary.operand);
    case GR_N_INDEX: return is_pure(c, n->as.index.object);
    case GR_N_FIELD: return is_pure(c, n->as.field.object);
    case GR_N_TENSOR:
    case GR_N_TUPLE:
        for (uint32_t i = 0; i < n->as.list.count; i++)
            if (!is_pure(c, n->as.list.items[i])) return false;
        return true;
    case GR_N_IF:
    case GR_N_PIPE:
    case GR_N_COMPREHENSION:
    case GR_N_TEMPLATE:
    case GR_N_RECORD:
    case GR_N_SPREAD: return false;
    default: return true;
    }
}

static void unused(gr_compiler *c, const gr_node *n) {
    const char *text = c->ast->source->text;
    gr_diagnostic *d = gr_compile_error(c, GR_E_unused_value, n->span,
                                        "this has no effect, and nobody uses its value");
    const gr_node *left = n;
    while (left->kind == GR_N_BINARY && left->op == n->op) left = left->as.binary.left;
    if (n->kind == GR_N_BINARY && n->op == GR_OP_EQ) {
        gr_span l = n->as.binary.left->span, r = n->as.binary.right->span;
        gr_diag_help(d, "`=` assigns, `==` compares: `%.*s = %.*s`", (int)(l.end - l.begin),
                     text + l.begin, (int)(r.end - r.begin), text + r.begin);
    } else if (n->kind == GR_N_CALL && n->as.call.count &&
               n->as.call.arguments[0].value->kind == GR_N_NAME) {
        gr_span a = n->as.call.arguments[0].value->span;
        gr_diag_help(d, "`%.*s = %.*s` keeps the result", (int)(a.end - a.begin), text + a.begin,
                     (int)(n->span.end - n->span.begin), text + n->span.begin);
    } else if (n->kind == GR_N_BINARY && left->kind == GR_N_NAME &&
               (n->op == GR_OP_JOIN || n->op == GR_OP_ADD)) {
        gr_diag_help(d, "`%s = %.*s` keeps the result", left->as.name->text,
                     (int)(n->span.end - n->span.begin), text + n->span.begin);
    } else {
        gr_diag_help(d, "`let` gives it a name, `print` shows it, `return` makes it the result");
    }
}

static void expression_statement(gr_compiler *c, gr_node *n, bool in_block) {
    uint32_t from = c->fn->top;
    if (n->kind == GR_N_IF) {
        branch(c, n, false, 0);
    } else if (in_block && is_pure(c, n)) {
        unused(c, n);
    } else {
        uint32_t reg = gr_expr_push(c, n);
        gr_emit(c, GR_I_RELEASE, reg, 1, 0, n->span);
    }
    c->fn->top = from;
}

static void statement_of_kind(gr_compiler *c, gr_node *n) {
    switch (n->kind) {
    case GR_N_BLOCK: gr_block_discard(c, n); break;
    case GR_N_DEFINE: define(c, n); break;
    case GR_N_LET:
    case GR_N_PARAM: bind(c, n); break;
    case GR_N_ASSIGN: gr_assign(c, n); break;
    case GR_N_FOR:
        gr_loop_over(c, n->as.loop.pattern, n->as.loop.source, n->span, for_body, n->as.loop.body);
        break;
    case GR_N_WHILE: while_loop(c, n); break;
    case GR_N_BREAK:
    case GR_N_CONTINUE: leave_loop(c, n); break;
    case GR_N_RETURN: return_statement(c, n); break;
    case GR_N_IMPORT: import(c, n); break;
    case GR_N_ASSERT: assertion(c, n); break;
    case GR_N_TEST: test(c, n); break;
    default: break;
    }
}

static void statement(gr_compiler *c, gr_node *n) {
    if (gr_is_expression(n->kind))
        expression_statement(c, n, true);
    else
        statement_of_kind(c, n);
}

/* ---- the driver ------------------------------------------------------------------------------- */

static void top_statement(gr_compiler *c, gr_node *n, bool last) {
    bool answers = c->flags & GR_COMPILE_ANSWER;
    if (!gr_is_expression(n->kind)) {
        statement_of_kind(c, n);
        if (answers && last) gr_emit(c, GR_I_ANSWER, 0, 0, 0, n->span);
    } else if (answers && (n->kind != GR_N_IF || branch_has_value(n))) {
        uint32_t reg = gr_expr_push(c, n);
        gr_emit(c, GR_I_ANSWER, reg, 1, 0, n->span);
        c->fn->top = reg;
    } else {
        expression_statement(c, n, false);
    }
    gr_emit(c, GR_I_SAFE, 0, 0, 0, n->span);
}

static void top_level(gr_compiler *c) {
    gr_node *root = c->ast->root;
    for (uint32_t i = 0; i < root->as.block.count && !gr_has_raised(c->vm); i++)
        top_statement(c, root->as.block.items[i], i + 1 == root->as.block.count);
    uint32_t reg = gr_push_register(c, root->span);
    gr_emit(c, GR_I_NIL, reg, 0, 0, root->span);
    gr_emit(c, GR_I_RETURN, reg, c->fn->top, 0, root->span);
}

static gr_proto *compile_top(gr_compiler *c) {
    gr_proto *p = gr_proto_new(c->vm, c->ast->source);
    if (!p) return NULL;
    p->flags = GR_PROTO_TOP | (c->scope.module->library ? GR_PROTO_LIBRARY : 0u);
    p->span = p->head = c->ast->root->span;
    gr_fn_state top = {.proto = p};
    c->fn = &top;
    top_level(c);
    close_fn(c, &top);
    const char *wrong = c->failed ? NULL : gr_proto_verify(p);
    if (wrong) gr_diag_error(c->report, GR_E_internal, c->ast->source, p->head,
                             "the compiler made wrong code (%s)", wrong);
    if (c->failed || wrong || !gr_proto_finish(c->vm, p)) {
        gr_proto_release(c->vm, p);
        return NULL;
    }
    return p;
}

gr_proto *gr_compile(gr_vm *vm, gr_module *module, gr_ast *ast, unsigned flags) {
    gr_compiler c = {.vm = vm, .ast = ast, .report = &vm->report, .flags = flags};
    c.scope = (gr_scope){.vm = vm,
                         .module = module,
                         .source = ast->source,
                         .report = &vm->report,
                         .prompt = flags & GR_COMPILE_PROMPT};
    gr_proto *p = NULL;
    if (gr_scope_resolve(&c.scope, ast)) p = compile_top(&c);
    gr_scope_free(&c.scope);
    if (!p) vm->raised = true;
    return p;
}
