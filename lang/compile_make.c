/* SPDX-License-Identifier: MIT */
/* What makes values: literals, templates, comprehensions; and calls. */
#include "compile.h"

/* ---- tensors of literal numbers, made once ---------------------------------------------------- */

typedef struct literal {
    int rank;
    int64_t dims[AD_MAX_RANK];
    double *out; /* NULL: only the shape is looked at */
    size_t at;
} literal;

static bool is_number_list(const gr_node *n, literal *l, int depth) {
    double x;
    if (n->kind != GR_N_TENSOR) {
        if (!gr_literal_number(n, &x) || (l->rank >= 0 && depth != l->rank)) return false;
        l->rank = depth;
        if (l->out) l->out[l->at++] = x;
        return true;
    }
    if (depth == AD_MAX_RANK || n->as.list.count == 0) return false;
    if (l->dims[depth] < 0) l->dims[depth] = n->as.list.count;
    if (l->dims[depth] != n->as.list.count) return false;
    for (uint32_t i = 0; i < n->as.list.count; i++)
        if (!is_number_list(n->as.list.items[i], l, depth + 1)) return false;
    return true;
}

static bool constant_tensor(gr_compiler *c, const gr_node *n, uint32_t reg) {
    ad_ctx *ctx = c->vm->ctx;
    literal l = {.rank = -1};
    for (int i = 0; i < AD_MAX_RANK; i++) l.dims[i] = -1;
    if (!is_number_list(n, &l, 0)) return false;
    size_t size = 1;
    for (int i = 0; i < l.rank; i++) size *= (size_t)l.dims[i];
    l.out = ad_mem_get(ctx, size * sizeof *l.out);
    ad_tensor *t = NULL;
    if (l.out) {
        is_number_list(n, &l, 0);
        t = ad_tensor_from(ctx, AD_F64, l.rank, l.dims, l.out);
        ad_mem_put(ctx, l.out, size * sizeof *l.out);
    }
    if (!t) {
        gr_raise_memory(c->vm);
        c->failed = true;
        return true;
    }
    gr_emit_wide(c, GR_I_LITERAL, reg, gr_add_constant(c, ad_wrap(t)), n->span);
    return true;
}

/* ---- lists ------------------------------------------------------------------------------------ */

enum { GR_LIST_IN_REGISTERS = 64 };

static bool has_spread(gr_node_list list) {
    for (uint32_t i = 0; i < list.count; i++)
        if (list.items[i]->kind == GR_N_SPREAD) return true;
    return false;
}

static void short_list_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t first = c->fn->top;
    gr_node_list list = n->as.list;
    for (uint32_t i = 0; i < list.count; i++) gr_expr_push(c, list.items[i]);
    gr_emit(c, n->kind == GR_N_TENSOR ? GR_I_TENSOR : GR_I_TUPLE, reg, list.count ? first : reg,
            list.count, n->span);
    for (uint32_t i = 0; i < list.count; i++) gr_emit_span(c, list.items[i]->span);
    c->fn->top = first;
}

/* Piece by piece into a growing tuple. */
static void long_list_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top, acc = gr_push_register(c, n->span);
    gr_emit(c, GR_I_LIST, acc, 0, 0, n->span);
    for (uint32_t i = 0; i < n->as.list.count && !c->failed; i++) {
        gr_node *item = n->as.list.items[i];
        bool spread = item->kind == GR_N_SPREAD;
        uint32_t value = gr_expr_push(c, spread ? item->as.spread : item);
        gr_emit(c, spread ? GR_I_LISTJOIN : GR_I_LISTADD, acc, value, 0, item->span);
        gr_emit_flags(c, GR_KILL_B);
        c->fn->top = value;
    }
    if (n->kind == GR_N_TENSOR) gr_emit(c, GR_I_LISTTENSOR, acc, 0, 0, n->span);
    gr_emit(c, GR_I_MOVE, reg, acc, 0, n->span);
    gr_emit_flags(c, GR_KILL_B);
    c->fn->top = from;
}

static void list_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    if (n->kind == GR_N_TENSOR && constant_tensor(c, n, reg)) return;
    if (n->as.list.count <= GR_LIST_IN_REGISTERS && !has_spread(n->as.list))
        short_list_to(c, n, reg);
    else
        long_list_to(c, n, reg);
}

/* ---- records ---------------------------------------------------------------------------------- */

static bool is_plain_record(const gr_node *n) {
    if (n->as.record.count > 32) return false;
    for (uint32_t i = 0; i < n->as.record.count; i++) {
        const gr_name *name = n->as.record.fields[i].name;
        if (!name) return false;
        for (uint32_t k = 0; k < i; k++)
            if (n->as.record.fields[k].name == name) return false;
    }
    return true;
}

static void plain_record_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t first = c->fn->top, count = n->as.record.count;
    gr_string *keys[32];
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = gr_name_text(c, n->as.record.fields[i].name);
        gr_expr_push(c, n->as.record.fields[i].value);
    }
    if (c->failed) return;
    gr_layout *layout = gr_layout_of(c->vm, count, keys);
    if (!layout) c->failed = true;
    uint32_t d = gr_add_descriptor(
        c, (gr_descriptor){.kind = GR_D_LAYOUT, .count = count, .span = n->span, .layout = layout});
    gr_emit(c, GR_I_RECORD, reg, count ? first : reg, d, n->span);
    c->fn->top = first;
}

static void record_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    if (is_plain_record(n)) {
        plain_record_to(c, n, reg);
        return;
    }
    uint32_t from = c->fn->top, acc = gr_push_register(c, n->span);
    gr_emit(c, GR_I_RECNEW, acc, 0, 0, n->span);
    for (uint32_t i = 0; i < n->as.record.count && !c->failed; i++) {
        const gr_record_field *f = &n->as.record.fields[i];
        gr_node *value = !f->name && f->value->kind == GR_N_SPREAD ? f->value->as.spread : f->value;
        uint32_t v = gr_expr_push(c, value);
        if (f->name) {
            gr_string *key = gr_name_text(c, f->name);
            if (!key) return;
            uint32_t k = gr_add_constant(c, gr_retain(c->vm, gr_of_kind(GR_STRING, key)));
            gr_emit(c, GR_I_RECPUT, acc, v, k, value->span);
        } else {
            gr_emit(c, GR_I_RECSPREAD, acc, v, 0, value->span);
        }
        gr_emit_flags(c, GR_KILL_B);
        c->fn->top = v;
    }
    gr_emit(c, GR_I_MOVE, reg, acc, 0, n->span);
    gr_emit_flags(c, GR_KILL_B);
    c->fn->top = from;
}

/* ---- text ------------------------------------------------------------------------------------- */

static void template_part(gr_compiler *c, const gr_template_part *part, uint32_t reg) {
    if (!part->value) {
        gr_emit_wide(c, GR_I_LOADK, reg, gr_add_string(c, part->text), part->span);
        return;
    }
    gr_operand v = gr_expr_any(c, part->value);
    gr_value format = part->format.size
                          ? gr_string_new(c->vm, part->format.bytes, part->format.size)
                          : gr_nil();
    gr_emit(c, GR_I_FORMAT, reg, v.reg, gr_add_constant(c, format), part->span);
    gr_emit_span(c, part->value->span);
    if (v.kill) gr_emit_flags(c, GR_KILL_B);
    gr_operand_done(c, v);
}

static void template_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t first = c->fn->top, count = n->as.template.count;
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        uint32_t part = gr_push_register(c, n->span);
        template_part(c, &n->as.template.parts[i], part);
        c->fn->top = part + 1;
    }
    gr_emit(c, GR_I_CONCAT, reg, count ? first : reg, count, n->span);
    c->fn->top = first;
}

/* ---- comprehensions --------------------------------------------------------------------------- */

typedef struct collecting {
    gr_node *node;
    uint32_t acc;
} collecting;

static void collect(gr_compiler *c, void *user) {
    collecting *k = user;
    gr_node *n = k->node;
    gr_jumps skip = {0};
    if (n->as.comprehension.condition) gr_jump_unless(c, n->as.comprehension.condition, &skip);
    uint32_t top = c->fn->top, v = gr_expr_push(c, n->as.comprehension.body);
    gr_emit(c, GR_I_LISTADD, k->acc, v, 0, n->as.comprehension.body->span);
    gr_emit_flags(c, GR_KILL_B);
    c->fn->top = top;
    gr_patch_here(c, &skip);
}

static void comprehension_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top;
    collecting k = {.node = n, .acc = gr_push_register(c, n->span)};
    gr_emit(c, GR_I_LIST, k.acc, 0, 0, n->span);
    gr_loop_over(c, n->as.comprehension.pattern, n->as.comprehension.source, n->span, collect, &k);
    if (!n->as.comprehension.tuple) gr_emit(c, GR_I_LISTTENSOR, k.acc, 0, 0, n->span);
    gr_emit(c, GR_I_MOVE, reg, k.acc, 0, n->span);
    gr_emit_flags(c, GR_KILL_B);
    c->fn->top = from;
}

void gr_literal_to(gr_compiler *c, gr_node *n, uint32_t reg, bool fresh) {
    (void)fresh;
    switch (n->kind) {
    case GR_N_NUMBER:
        gr_emit_wide(c, GR_I_LOADK, reg, gr_add_constant(c, ad_number(n->as.number)), n->span);
        break;
    case GR_N_TRUE:
    case GR_N_FALSE:
        gr_emit_wide(c, GR_I_LOADK, reg, gr_add_constant(c, ad_bool(n->kind == GR_N_TRUE)), n->span);
        break;
    case GR_N_STRING: gr_emit_wide(c, GR_I_LOADK, reg, gr_add_string(c, n->as.string), n->span); break;
    case GR_N_TEMPLATE: template_to(c, n, reg); break;
    case GR_N_TENSOR:
    case GR_N_TUPLE: list_to(c, n, reg); break;
    case GR_N_RECORD: record_to(c, n, reg); break;
    case GR_N_COMPREHENSION: comprehension_to(c, n, reg); break;
    default: gr_emit(c, GR_I_NIL, reg, 0, 0, n->span); break;
    }
}

/* ---- calls ------------------------------------------------------------------------------------ */

static bool is_plain_call(const gr_node *n) {
    for (uint32_t i = 0; i < n->as.call.count; i++)
        if (n->as.call.arguments[i].name || n->as.call.arguments[i].value->kind == GR_N_SPREAD)
            return false;
    return true;
}

static bool global_callee(gr_compiler *c, const gr_node *callee, uint32_t *slot) {
    if (callee->kind != GR_N_NAME || callee->slot) return false;
    gr_place place = gr_place_of(c, callee);
    *slot = place.index;
    return place.index <= UINT16_MAX;
}

static void call_spans(gr_compiler *c, const gr_node *callee, const gr_node *first,
                       const gr_node *call) {
    gr_emit_span(c, callee->span);
    if (first) gr_emit_span(c, first->span);
    for (uint32_t i = 0; call && i < call->as.call.count; i++) {
        const gr_argument *a = &call->as.call.arguments[i];
        uint32_t begin = a->name ? a->name_span.begin : a->value->span.begin;
        gr_emit_span(c, (gr_span){begin, a->value->span.end});
    }
}

static uint32_t passed_descriptor(gr_compiler *c, uint32_t argc, const gr_node *first,
                                  const gr_node *call) {
    gr_passed *passed = gr_code_alloc(c, argc * sizeof *passed);
    if (!passed) return 0;
    uint32_t at = 0;
    if (first) passed[at++] = (gr_passed){0};
    for (uint32_t i = 0; i < call->as.call.count; i++) {
        const gr_argument *a = &call->as.call.arguments[i];
        passed[at++] = (gr_passed){.name = a->name ? gr_name_text(c, a->name) : NULL,
                                   .spread = a->value->kind == GR_N_SPREAD};
    }
    return gr_add_descriptor(c, (gr_descriptor){.kind = GR_D_CALL,
                                                .count = argc,
                                                .first_free = (uint16_t)c->fn->top,
                                                .span = call->span,
                                                .passed = passed});
}

/* Callee (or its global slot) and a first argument, if any, are in place at `base`. */
static void finish_call(gr_compiler *c, uint32_t base, bool global, uint32_t slot,
                        gr_node *callee, gr_node *first, gr_node *call, gr_span span) {
    for (uint32_t i = 0; call && i < call->as.call.count; i++) {
        gr_node *v = call->as.call.arguments[i].value;
        gr_expr_push(c, v->kind == GR_N_SPREAD ? v->as.spread : v);
    }
    uint32_t argc = (first ? 1u : 0u) + (call ? call->as.call.count : 0u);
    if (call && !is_plain_call(call)) {
        if (global) gr_emit_wide(c, GR_I_GETGLOBAL, base, slot, callee->span);
        gr_emit_wide(c, GR_I_CALLX, base, passed_descriptor(c, argc, first, call), span);
    } else if (global) {
        gr_emit(c, GR_I_CALLG, base, argc, slot, span);
    } else {
        gr_emit(c, GR_I_CALL, base, argc, 0, span);
    }
    call_spans(c, callee, first, call);
}

static uint32_t call_base(gr_compiler *c, uint32_t reg, bool fresh, gr_span span) {
    return fresh && reg + 1 == c->fn->top ? reg : gr_push_register(c, span);
}

static void move_result(gr_compiler *c, uint32_t reg, uint32_t base, gr_span span) {
    if (reg == base) return;
    gr_emit(c, GR_I_MOVE, reg, base, 0, span);
    gr_emit_flags(c, GR_KILL_B);
}

void gr_call_to(gr_compiler *c, gr_node *n, uint32_t reg, bool fresh) {
    uint32_t from = c->fn->top, base = call_base(c, reg, fresh, n->span), slot = 0;
    gr_node *callee = n->as.call.callee;
    bool global = global_callee(c, callee, &slot);
    if (!global) gr_expr_to(c, callee, base, true);
    finish_call(c, base, global, slot, callee, NULL, n, n->span);
    move_result(c, reg, base, n->span);
    c->fn->top = from;
}

static void placed_to(gr_compiler *c, gr_node *n, uint32_t reg) {
    uint32_t from = c->fn->top, outer = c->placeholder;
    uint32_t at = gr_expr_push(c, n->as.pipe.left);
    c->placeholder = at;
    uint32_t v = gr_expr_push(c, n->as.pipe.right);
    c->placeholder = outer;
    gr_emit(c, GR_I_MOVE, reg, v, 0, n->span);
    gr_emit_flags(c, GR_KILL_B);
    gr_emit(c, GR_I_RELEASE, at, 1, 0, n->span);
    c->fn->top = from;
}

/* x |> f(y): x is evaluated first, into the place of the first argument. */
void gr_pipe_to(gr_compiler *c, gr_node *n, uint32_t reg, bool fresh) {
    if (n->flags & GR_PLACED) {
        placed_to(c, n, reg);
        return;
    }
    uint32_t from = c->fn->top, base = call_base(c, reg, fresh, n->span), slot = 0;
    gr_node *left = n->as.pipe.left, *right = n->as.pipe.right;
    gr_node *call = right->kind == GR_N_CALL && !(right->flags & GR_PARENTHESISED) ? right : NULL;
    gr_node *callee = call ? call->as.call.callee : right;
    gr_expr_push(c, left);
    bool global = global_callee(c, callee, &slot);
    if (!global) gr_expr_to(c, callee, base, true);
    finish_call(c, base, global, slot, callee, left, call, n->span);
    move_result(c, reg, base, n->span);
    c->fn->top = from;
}
