/* SPDX-License-Identifier: MIT */
/*
 * Variables: where each lives (register, cell, captured, global), patterns that make them, and
 * assignment to them and into them. A path's indices are evaluated after the value and before
 * anything changes.
 */
#include "compile.h"

#include <string.h>

static gr_variable *variable_of(gr_compiler *c, const gr_node *name) {
    return name->slot ? &c->scope.variables[name->slot - 1] : NULL;
}

static bool is_plain_fn(const gr_variable *v) {
    return (v->flags & GR_VAR_FN) && !(v->flags & (GR_VAR_ASSIGNED | GR_VAR_EARLY));
}

static gr_place place_in(gr_compiler *c, gr_fn_state *fn, uint32_t variable);

/* The number of a captured variable among what `fn` holds; captured now if need be. */
static uint32_t capture(gr_compiler *c, gr_fn_state *fn, uint32_t variable) {
    gr_proto *p = fn->proto;
    for (uint32_t i = 0; i < p->capture_count; i++)
        if (fn->capture_variables[i] == variable) return i;
    gr_place from = place_in(c, fn->outer, variable);
    if (!gr_proto_grow(c->vm, &p->captures, &p->capture_room, p->capture_count + 1,
                       sizeof *p->captures) ||
        !gr_proto_grow(c->vm, &fn->capture_variables, &fn->capture_variable_room,
                       p->capture_count + 1, sizeof *fn->capture_variables)) {
        c->failed = true;
        return 0;
    }
    p->captures[p->capture_count] = (gr_capture){
        .held = from.access == GR_IN_HELD || from.access == GR_IN_HELD_CELL,
        .self = from.access == GR_IS_SELF,
        .index = (uint16_t)from.index,
        .name = c->scope.variables[variable].name,
    };
    fn->capture_variables[p->capture_count] = variable;
    return p->capture_count++;
}

static gr_place place_in(gr_compiler *c, gr_fn_state *fn, uint32_t variable) {
    gr_variable *v = &c->scope.variables[variable];
    bool cell = v->flags & GR_VAR_CELL;
    gr_place place = {.param = v->flags & GR_VAR_TRACKED,
                      .assigned = v->flags & GR_VAR_ASSIGNED,
                      .name = v->name};
    if (v->fn == fn->index) {
        place.access = cell ? GR_IN_LOCAL_CELL : GR_IN_REGISTER;
        place.index = v->reg;
    } else if (c->scope.fns[fn->index].own == variable + 1 && is_plain_fn(v)) {
        place.access = GR_IS_SELF;
    } else {
        place.access = cell ? GR_IN_HELD_CELL : GR_IN_HELD;
        place.index = capture(c, fn, variable);
    }
    return place;
}

gr_place gr_place_of(gr_compiler *c, const gr_node *name) {
    if (name->slot) return place_in(c, c->fn, name->slot - 1);
    bool known;
    uint32_t slot = gr_find_global(c->vm, c->scope.module, name->as.name, &known);
    gr_place place = {.access = GR_IN_GLOBAL, .index = slot, .name = name->as.name};
    if (slot == UINT32_MAX) {
        c->failed = true;
        place.index = 0;
        return place;
    }
    uint32_t flags = c->vm->globals[slot].flags;
    place.param = flags & GR_GLOBAL_PARAM;
    place.assigned = flags & GR_GLOBAL_ASSIGNED;
    return place;
}

void gr_load_place(gr_compiler *c, gr_place place, uint32_t reg, gr_span span) {
    switch (place.access) {
    case GR_IN_REGISTER:
        if (place.index != reg) gr_emit(c, GR_I_MOVE, reg, place.index, 0, span);
        break;
    case GR_IN_LOCAL_CELL: gr_emit(c, GR_I_GETLOCALCELL, reg, place.index, 0, span); break;
    case GR_IN_HELD: gr_emit(c, GR_I_GETHELD, reg, place.index, 0, span); break;
    case GR_IN_HELD_CELL: gr_emit(c, GR_I_GETCELL, reg, place.index, 0, span); break;
    case GR_IS_SELF: gr_emit(c, GR_I_GETSELF, reg, 0, 0, span); break;
    default: gr_emit_wide(c, GR_I_GETGLOBAL, reg, place.index, span); break;
    }
}

void gr_store_place(gr_compiler *c, gr_place place, uint32_t reg, gr_span span) {
    switch (place.access) {
    case GR_IN_REGISTER:
        gr_emit(c, GR_I_MOVE, place.index, reg, 0, span);
        gr_emit_flags(c, GR_KILL_B);
        return;
    case GR_IN_LOCAL_CELL: gr_emit(c, GR_I_SETLOCALCELL, reg, place.index, 0, span); break;
    case GR_IN_HELD_CELL: gr_emit(c, GR_I_SETCELL, reg, place.index, 0, span); break;
    default: gr_emit_wide(c, GR_I_SETGLOBAL, reg, place.index, span); break;
    }
    gr_emit_flags(c, GR_KILL_A);
}

/* ---- patterns --------------------------------------------------------------------------------- */

static void note_local(gr_compiler *c, const gr_variable *v, uint32_t reg) {
    gr_proto *p = c->fn->proto;
    if (!gr_proto_grow(c->vm, &p->locals, &p->local_room, p->local_count + 1, sizeof *p->locals)) {
        c->failed = true;
        return;
    }
    p->locals[p->local_count++] = (gr_local_info){.name = v->name,
                                                  .reg = (uint16_t)reg,
                                                  .cell = v->flags & GR_VAR_CELL,
                                                  .begin = gr_here(c),
                                                  .end = UINT32_MAX};
}

void gr_declare_local(gr_compiler *c, const gr_node *name, uint32_t reg) {
    gr_variable *v = variable_of(c, name);
    if (!v) return;
    v->reg = (uint16_t)reg;
    v->placed = true;
    if ((v->flags & GR_VAR_CELL) && !(v->flags & GR_VAR_TRACKED))
        gr_emit(c, GR_I_NEWCELL, reg, 0, 0, name->span);
    note_local(c, v, reg);
}

static uint32_t place_descriptor(gr_compiler *c, gr_place place, gr_span span) {
    gr_place *copy = gr_code_alloc(c, sizeof *copy);
    if (!copy) return 0;
    *copy = place;
    return gr_add_descriptor(
        c, (gr_descriptor){.kind = GR_D_PARTIAL, .count = 1, .span = span, .places = copy});
}

static void track_local(gr_compiler *c, const gr_node *name, uint32_t reg) {
    gr_place place = {.access = GR_IN_LOCAL_CELL, .param = true, .index = reg,
                      .name = name->as.name};
    gr_emit_wide(c, GR_I_PARAM, reg, place_descriptor(c, place, name->span), name->span);
    gr_declare_local(c, name, reg);
}

static uint16_t ignored_items(gr_node_list list) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < list.count && i < 16; i++) {
        int kind = list.items[i]->kind;
        if (kind == GR_N_PATTERN_IGNORE || kind == GR_N_PLACEHOLDER) bits |= 1u << i;
    }
    return (uint16_t)bits;
}

static uint32_t unpack(gr_compiler *c, gr_node *pattern, uint32_t reg) {
    gr_node_list list = pattern->as.list;
    bool rest = list.count && list.items[list.count - 1]->kind == GR_N_PATTERN_REST;
    uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_UNPACK,
                                                      .count = list.count,
                                                      .flag = rest,
                                                      .first_free = ignored_items(list),
                                                      .span = pattern->span});
    uint32_t first = c->fn->top;
    for (uint32_t i = 0; i < list.count; i++) gr_push_register(c, pattern->span);
    if (first == c->fn->top) first = reg; /* an empty pattern writes nothing */
    gr_emit(c, GR_I_UNPACK, reg, first, d, pattern->span);
    return first;
}

static uint32_t unpack_record(gr_compiler *c, gr_node *pattern, uint32_t reg) {
    uint32_t count = pattern->as.record.count;
    gr_string **fields = gr_code_alloc(c, count * sizeof *fields);
    for (uint32_t i = 0; fields && i < count; i++)
        fields[i] = gr_name_text(c, pattern->as.record.fields[i].name);
    uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_FIELDS,
                                                      .count = count,
                                                      .span = pattern->span,
                                                      .fields = fields});
    uint32_t first = c->fn->top;
    for (uint32_t i = 0; i < count; i++) gr_push_register(c, pattern->span);
    if (first == c->fn->top) first = reg;
    gr_emit(c, GR_I_UNPACKREC, reg, first, d, pattern->span);
    return first;
}

typedef void (*part_function)(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked);

/* Hands each part on; they stand in registers from `first` on. */
static void bind_parts(gr_compiler *c, gr_node *pattern, uint32_t first, bool tracked,
                       part_function part) {
    bool record = pattern->kind == GR_N_PATTERN_RECORD;
    uint32_t count = record ? pattern->as.record.count : pattern->as.list.count;
    for (uint32_t i = 0; i < count; i++) {
        gr_node *item = record ? pattern->as.record.fields[i].value : pattern->as.list.items[i];
        if (item->kind == GR_N_PATTERN_REST) item = item->as.spread;
        part(c, item, first + i, tracked);
    }
}

/* Takes apart what is in `reg`. */
static void take_apart(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked,
                       part_function part) {
    bool record = pattern->kind == GR_N_PATTERN_RECORD;
    uint32_t first = record ? unpack_record(c, pattern, reg) : unpack(c, pattern, reg);
    bind_parts(c, pattern, first, tracked, part);
}

static bool takes_rest(gr_node_list list, uint8_t kind) {
    for (uint32_t i = 0; i < list.count; i++)
        if (list.items[i]->kind == kind) return true;
    return false;
}

/* The items of a tuple that is written out where it is taken apart again go to registers of their own
 * from *first on, without a tuple. */
static bool push_items(gr_compiler *c, gr_node *value, gr_node_list taken, uint8_t rest,
                       uint32_t *first) {
    gr_node_list given = value->as.list;
    if (value->kind != GR_N_TUPLE || given.count == 0 || given.count != taken.count ||
        takes_rest(given, GR_N_SPREAD) || takes_rest(taken, rest))
        return false;
    *first = c->fn->top;
    for (uint32_t i = 0; i < given.count; i++) gr_expr_push(c, given.items[i]);
    return true;
}

static bool bind_items(gr_compiler *c, gr_node *pattern, gr_node *value, bool tracked,
                       part_function part) {
    uint32_t first;
    if (pattern->kind != GR_N_PATTERN_TUPLE ||
        !push_items(c, value, pattern->as.list, GR_N_PATTERN_REST, &first))
        return false;
    bind_parts(c, pattern, first, tracked, part);
    return true;
}

void gr_bind_value(gr_compiler *c, gr_node *pattern, gr_node *value, bool tracked) {
    if (bind_items(c, pattern, value, tracked, gr_bind_pattern)) return;
    gr_bind_pattern(c, pattern, gr_expr_push(c, value), tracked);
}

void gr_define_value(gr_compiler *c, gr_node *pattern, gr_node *value, bool tracked) {
    if (bind_items(c, pattern, value, tracked, gr_define_pattern)) return;
    gr_define_pattern(c, pattern, gr_expr_push(c, value), tracked);
}

void gr_bind_pattern(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked) {
    switch (pattern->kind) {
    case GR_N_PATTERN_NAME:
        if (tracked)
            track_local(c, pattern, reg);
        else
            gr_declare_local(c, pattern, reg);
        break;
    case GR_N_PATTERN_TUPLE:
    case GR_N_PATTERN_RECORD: take_apart(c, pattern, reg, tracked, gr_bind_pattern); break;
    default: break;
    }
}

static void define_global(gr_compiler *c, gr_node *name, uint32_t reg, bool tracked) {
    gr_place place = gr_place_of(c, name);
    if (tracked) {
        gr_emit_wide(c, GR_I_PARAM, reg, place_descriptor(c, place, name->span), name->span);
        return;
    }
    gr_emit_wide(c, GR_I_DEFGLOBAL, reg, place.index, name->span);
    gr_emit_flags(c, GR_KILL_A);
}

void gr_define_pattern(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked) {
    switch (pattern->kind) {
    case GR_N_PATTERN_NAME: define_global(c, pattern, reg, tracked); break;
    case GR_N_PATTERN_TUPLE:
    case GR_N_PATTERN_RECORD: take_apart(c, pattern, reg, tracked, gr_define_pattern); break;
    default: break;
    }
}

/* ---- assignment ------------------------------------------------------------------------------- */

static void one_item(gr_compiler *c, gr_node *n, gr_item *item, bool in_place) {
    gr_variable *v;
    *item = (gr_item){.kind = AD_IX_AT, .reg = (uint16_t)c->fn->top};
    if (in_place && gr_is_operand_local(c, n, &v)) {
        item->reg = v->reg;
        v->pending++;
    } else if (n->kind == GR_N_NEW_AXIS) {
        item->kind = AD_IX_NEW;
    } else if (n->kind == GR_N_RANGE) {
        item->start = n->as.range.low;
        item->stop = n->as.range.high;
        item->step = n->as.range.step;
        item->kind = item->start || item->stop || item->step ? AD_IX_SLICE : AD_IX_REST;
        if (item->start) gr_expr_push(c, n->as.range.low);
        if (item->stop) gr_expr_push(c, n->as.range.high);
        if (item->step) gr_expr_push(c, n->as.range.step);
    } else {
        gr_expr_push(c, n);
    }
}

gr_item *gr_index_items(gr_compiler *c, gr_node_list list, bool in_place, uint32_t *first) {
    gr_item *items = gr_code_alloc(c, list.count * sizeof *items);
    *first = c->fn->top;
    for (uint32_t i = 0; items && i < list.count; i++)
        one_item(c, list.items[i], &items[i], in_place);
    return items;
}

void gr_index_items_done(gr_compiler *c, gr_node_list list) {
    gr_variable *v;
    for (uint32_t i = 0; i < list.count; i++)
        if (gr_is_operand_local(c, list.items[i], &v)) v->pending--;
}

/* The steps from the variable to the place; indices are evaluated into new registers, locals `in_place`
 * are read where they live. */
static gr_target target_of(gr_compiler *c, gr_node *node, bool in_place) {
    gr_target t = {.span = node->span};
    gr_node *n = node;
    for (; n->kind == GR_N_FIELD || n->kind == GR_N_INDEX; t.step_count++)
        n = n->kind == GR_N_FIELD ? n->as.field.object : n->as.index.object;
    t.place = gr_place_of(c, n);
    t.steps = gr_code_alloc(c, t.step_count * sizeof *t.steps);
    if (!t.steps) return t;
    uint32_t i = t.step_count;
    for (n = node; i-- > 0;) {
        gr_step *s = &t.steps[i];
        *s = (gr_step){.span = n->span};
        if (n->kind == GR_N_FIELD) {
            s->kind = GR_STEP_FIELD;
            s->field.key = gr_name_text(c, n->as.field.name);
            n = n->as.field.object;
        } else {
            uint32_t first;
            s->kind = GR_STEP_INDEX;
            s->items = gr_index_items(c, n->as.index.items, in_place, &first);
            s->item_count = (uint16_t)n->as.index.items.count;
            s->plain = s->items && s->item_count == 1 && s->items[0].kind == AD_IX_AT;
            s->reg = s->plain ? s->items[0].reg : 0;
            n = n->as.index.object;
        }
    }
    return t;
}

/* Behind the instruction that a target `in_place` was for. */
static void target_done(gr_compiler *c, const gr_node *n) {
    while (n->kind == GR_N_FIELD || n->kind == GR_N_INDEX) {
        if (n->kind == GR_N_INDEX) gr_index_items_done(c, n->as.index.items);
        n = n->kind == GR_N_FIELD ? n->as.field.object : n->as.index.object;
    }
}

static uint32_t targets_descriptor(gr_compiler *c, gr_target *targets, uint32_t count, bool tuple,
                                   gr_span span) {
    gr_target *copy = gr_code_alloc(c, count * sizeof *copy);
    if (!copy) return 0;
    if (count) memcpy(copy, targets, count * sizeof *copy);
    return gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_TARGETS,
                                                .count = count,
                                                .flag = tuple,
                                                .span = span,
                                                .targets = copy});
}

/* SETPATH, or the instruction for a short way from a register. */
static gr_opcode path_opcode(const gr_target *t) {
    if (!t->step_count || t->place.access != GR_IN_REGISTER) return GR_I_SETPATH;
    if (t->steps[t->step_count - 1].kind != GR_STEP_FIELD) return GR_I_SETPATH;
    if (t->step_count == 1) return GR_I_SETFIELD;
    return t->step_count == 2 && t->steps->plain ? GR_I_SETITEMFIELD : GR_I_SETPATH;
}

/* What is in `reg` goes where the steps lead. */
static void store_path(gr_compiler *c, gr_target *t, uint32_t reg, gr_span span) {
    gr_target *copy = gr_code_alloc(c, sizeof *copy);
    if (!copy || (t->step_count && !t->steps)) return;
    *copy = *t;
    gr_descriptor d = {.kind = GR_D_TARGETS, .count = 1, .span = span, .targets = copy};
    gr_opcode op = path_opcode(t);
    if (op != GR_I_SETPATH) {
        d.reg = (uint16_t)t->place.index;
        d.first_free = t->steps->reg;
        d.field = &t->steps[t->step_count - 1].field;
    }
    gr_emit_wide(c, op, reg, gr_add_descriptor(c, d), span);
}

/* x[i] = … of a local with one plain index: an instruction of its own. */
static bool simple_item(gr_compiler *c, gr_node *target, gr_place *place) {
    if (target->kind != GR_N_INDEX || target->as.index.items.count != 1) return false;
    gr_node *item = target->as.index.items.items[0];
    if (item->kind == GR_N_RANGE || item->kind == GR_N_NEW_AXIS) return false;
    if (target->as.index.object->kind != GR_N_NAME) return false;
    *place = gr_place_of(c, target->as.index.object);
    return place->access == GR_IN_REGISTER;
}

static void set_item(gr_compiler *c, gr_node *target, gr_place place, gr_operand value) {
    gr_operand index = gr_expr_any(c, target->as.index.items.items[0]);
    gr_emit(c, GR_I_SETITEM, place.index, index.reg, value.reg, target->span);
    gr_emit_span(c, target->as.index.items.items[0]->span);
    gr_emit_flags(c, (index.kill ? GR_KILL_B : 0u) | (value.kill ? GR_KILL_C : 0u));
    gr_operand_done(c, index);
}

/* Reads the place that the steps lead to, keeping the registers of the indices. */
static void read_target(gr_compiler *c, const gr_target *t, uint32_t reg) {
    gr_load_place(c, t->place, reg, t->span);
    for (uint32_t i = 0; i < t->step_count; i++) {
        const gr_step *s = &t->steps[i];
        if (s->kind == GR_STEP_FIELD) {
            gr_proto *p = c->fn->proto;
            const gr_name *name = gr_intern(c->vm->names, s->field.key->bytes, s->field.key->length);
            if (!name) return;
            uint32_t cache = gr_add_cache(c, name);
            (void)p;
            gr_emit(c, GR_I_GETFIELD, reg, reg, cache, s->span);
        } else {
            uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_INDEX,
                                                              .count = s->item_count,
                                                              .span = s->span,
                                                              .items = s->items});
            gr_emit(c, GR_I_INDEX, reg, reg, d, s->span);
        }
    }
}

static gr_opcode arithmetic(uint8_t op) {
    switch (op) {
    case GR_OP_ADD: return GR_I_ADD;
    case GR_OP_SUB: return GR_I_SUB;
    case GR_OP_MUL: return GR_I_MUL;
    case GR_OP_DIV: return GR_I_DIV;
    default: return GR_I_JOIN;
    }
}

/* Are all indices of a target literals? Then their registers hold nothing to let go of. */
static bool literal_indices(const gr_node *n) {
    while (n->kind == GR_N_FIELD || n->kind == GR_N_INDEX) {
        for (uint32_t i = 0; n->kind == GR_N_INDEX && i < n->as.index.items.count; i++)
            if (n->as.index.items.items[i]->kind != GR_N_NUMBER) return false;
        n = n->kind == GR_N_FIELD ? n->as.field.object : n->as.index.object;
    }
    return true;
}

static void assign_path(gr_compiler *c, gr_node *target, uint8_t op, gr_node *value) {
    gr_place place;
    if (op == GR_OP_NONE && simple_item(c, target, &place)) {
        gr_operand v = gr_expr_any(c, value);
        set_item(c, target, place, v);
        gr_operand_done(c, v);
        return;
    }
    gr_operand v = op == GR_OP_NONE ? gr_expr_any(c, value)
                                    : (gr_operand){.reg = gr_expr_push(c, value), .kill = true};
    uint32_t from = c->fn->top;
    gr_target t = target_of(c, target, true);
    if (op != GR_OP_NONE) {
        uint32_t old = gr_push_register(c, target->span);
        read_target(c, &t, old);
        gr_emit(c, arithmetic(op), v.reg, old, v.reg, target->span);
        gr_emit_span(c, target->span);
        gr_emit_span(c, value->span);
        gr_emit_flags(c, GR_KILL_B | GR_KILL_C);
        c->fn->top--;
    }
    store_path(c, &t, v.reg, target->span);
    if (v.kill) gr_emit_flags(c, GR_KILL_A);
    gr_operand_done(c, v);
    target_done(c, target);
    if (!literal_indices(target)) gr_release_registers(c, from, target->span);
}

/* Can the value be computed right into the variable, which it may read? */
static bool writes_last(const gr_node *n) {
    switch (n->kind) {
    case GR_N_BINARY: return n->as.binary.left && n->op != GR_OP_AND && n->op != GR_OP_OR;
    case GR_N_UNARY:
    case GR_N_NUMBER:
    case GR_N_NAME:
    case GR_N_FIELD:
    case GR_N_TRUE:
    case GR_N_FALSE:
    case GR_N_INDEX: return true;
    default: return false;
    }
}

static void assign_name(gr_compiler *c, gr_node *target, uint8_t op, gr_node *value) {
    gr_place place = gr_place_of(c, target);
    gr_node both = {.kind = GR_N_BINARY, .op = op, .span = target->span};
    if (op != GR_OP_NONE) {
        both.as.binary.left = target;
        both.as.binary.right = value;
        both.span.end = value->span.end;
        value = &both;
    }
    if (place.access == GR_IN_REGISTER && writes_last(value)) {
        gr_expr_to(c, value, place.index, false);
        return;
    }
    uint32_t reg = gr_expr_push(c, value);
    gr_store_place(c, place, reg, target->span);
}

/* Assigns what is in `reg`, which is let go of. */
static void assign_from(gr_compiler *c, gr_node *target, uint32_t reg);

static void assign_items(gr_compiler *c, gr_node_list list, uint32_t first) {
    for (uint32_t i = 0; i < list.count; i++) {
        gr_node *item = list.items[i];
        assign_from(c, item->kind == GR_N_SPREAD ? item->as.spread : item, first + i);
    }
}

static void assign_parts(gr_compiler *c, gr_node *target, uint32_t reg) {
    gr_node_list list = target->as.list;
    bool rest = list.count && list.items[list.count - 1]->kind == GR_N_SPREAD;
    uint32_t d = gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_UNPACK,
                                                      .count = list.count,
                                                      .flag = rest,
                                                      .first_free = ignored_items(list),
                                                      .span = target->span});
    uint32_t first = c->fn->top;
    for (uint32_t i = 0; i < list.count; i++) gr_push_register(c, target->span);
    gr_emit(c, GR_I_UNPACK, reg, list.count ? first : reg, d, target->span);
    assign_items(c, list, first);
}

static void assign_from(gr_compiler *c, gr_node *target, uint32_t reg) {
    uint32_t from = c->fn->top;
    switch (target->kind) {
    case GR_N_NAME: gr_store_place(c, gr_place_of(c, target), reg, target->span); break;
    case GR_N_TUPLE: assign_parts(c, target, reg); break;
    case GR_N_FIELD:
    case GR_N_INDEX: {
        gr_target t = target_of(c, target, false);
        store_path(c, &t, reg, target->span);
        gr_emit_flags(c, GR_KILL_A);
        break;
    }
    default: break;
    }
    gr_release_registers(c, from, target->span);
    c->fn->top = from;
}

/* (a, b) = (b, a): all values before the first assignment. What `_` ignores is let go of with the rest. */
static void assign_tuple(gr_compiler *c, gr_node *target, gr_node *value) {
    uint32_t from = c->fn->top, first;
    if (!push_items(c, value, target->as.list, GR_N_SPREAD, &first)) {
        assign_from(c, target, gr_expr_push(c, value));
        return;
    }
    assign_items(c, target->as.list, first);
    if (takes_rest(target->as.list, GR_N_PLACEHOLDER)) gr_release_registers(c, from, target->span);
}

/* ---- := --------------------------------------------------------------------------------------- */

static gr_node *update_target(gr_node *n, uint32_t i) {
    gr_node *item = n->kind == GR_N_TUPLE ? n->as.list.items[i] : n;
    return item->kind == GR_N_SPREAD ? item->as.spread : item;
}

/* The targets; tuples inside tuples are flattened by the caller, who stores part by part. */
static bool update_targets(gr_compiler *c, gr_node *node, gr_target *targets, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        gr_node *t = update_target(node, i);
        if (t->kind == GR_N_TUPLE) return false;
        if (t->kind == GR_N_PLACEHOLDER)
            targets[i] = (gr_target){.ignored = true, .span = t->span};
        else
            targets[i] = target_of(c, t, false);
        targets[i].rest = node->kind == GR_N_TUPLE && node->as.list.items[i]->kind == GR_N_SPREAD;
    }
    return true;
}

static void update_nested(gr_compiler *c, gr_node *target, uint32_t reg);

static void update_from(gr_compiler *c, gr_node *target, uint32_t reg, uint32_t begin) {
    uint32_t from = c->fn->top, count = target->kind == GR_N_TUPLE ? target->as.list.count : 1;
    gr_target *targets = gr_code_alloc(c, count * sizeof *targets);
    if (!targets) return;
    if (!update_targets(c, target, targets, count)) {
        update_nested(c, target, reg);
        return;
    }
    uint32_t d = targets_descriptor(c, targets, count, target->kind == GR_N_TUPLE, target->span);
    gr_emit_wide(c, GR_I_STORE, reg, d, target->span);
    gr_emit_flags(c, GR_KILL_A);
    if (begin != UINT32_MAX && !c->failed) c->fn->proto->code[begin].wide = d;
    gr_release_registers(c, from, target->span);
    c->fn->top = from;
}

static void update_nested(gr_compiler *c, gr_node *target, uint32_t reg) {
    gr_node_list list = target->as.list;
    uint32_t from = c->fn->top;
    uint32_t d = gr_add_descriptor(
        c, (gr_descriptor){.kind = GR_D_UNPACK, .count = list.count, .span = target->span});
    for (uint32_t i = 0; i < list.count; i++) gr_push_register(c, target->span);
    gr_emit(c, GR_I_UNPACK, reg, from, d, target->span);
    for (uint32_t i = 0; i < list.count; i++)
        update_from(c, list.items[i], from + i, UINT32_MAX);
    gr_release_registers(c, from, target->span);
    c->fn->top = from;
}

static void update(gr_compiler *c, gr_node *node) {
    gr_node *target = node->as.assign.target;
    uint32_t none = targets_descriptor(c, NULL, 0, false, target->span);
    uint32_t begin = gr_emit_wide(c, GR_I_UPDATE, 0, none, node->span);
    c->fn->updating++;
    uint32_t value = gr_expr_push(c, node->as.assign.value);
    c->fn->updating--;
    gr_emit(c, GR_I_UPDATED, 0, 0, 0, node->span);
    update_from(c, target, value, begin);
}

void gr_assign(gr_compiler *c, gr_node *node) {
    uint32_t from = c->fn->top;
    gr_node *target = node->as.assign.target;
    if (node->as.assign.update) {
        update(c, node);
    } else if (target->kind == GR_N_NAME) {
        assign_name(c, target, node->op, node->as.assign.value);
    } else if (target->kind == GR_N_TUPLE) {
        assign_tuple(c, target, node->as.assign.value);
    } else if (target->kind == GR_N_FIELD || target->kind == GR_N_INDEX) {
        assign_path(c, target, node->op, node->as.assign.value);
    } else {
        uint32_t reg = gr_expr_push(c, node->as.assign.value);
        (void)reg;
        gr_release_registers(c, from, node->span);
    }
    c->fn->top = from;
}
