/* SPDX-License-Identifier: MIT */
/*
 * Expressions and statements. Depth is bounded by a counter of its own, since chains that lean left are
 * as long as the text; who is deeper, or out of steps, is unknown.
 */
#include "guess.h"

#include "library.h"
#include "vm_state.h"

#include <math.h>
#include <string.h>

/* ---- operators -------------------------------------------------------------------------------- */

static gr_guess binary(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    static const ad_op ops[GR_OPERATORS] = {
        [GR_OP_OR] = AD_OP_OR,   [GR_OP_AND] = AD_OP_AND, [GR_OP_EQ] = AD_OP_EQ,
        [GR_OP_NE] = AD_OP_NE,   [GR_OP_LT] = AD_OP_LT,   [GR_OP_LE] = AD_OP_LE,
        [GR_OP_GT] = AD_OP_GT,   [GR_OP_GE] = AD_OP_GE,   [GR_OP_ADD] = AD_OP_ADD,
        [GR_OP_SUB] = AD_OP_SUB, [GR_OP_MUL] = AD_OP_MUL, [GR_OP_DIV] = AD_OP_DIV,
        [GR_OP_MOD] = AD_OP_MOD, [GR_OP_POW] = AD_OP_POW};
    gr_guess left = gr_guess_expression(g, s, n->as.binary.left);
    gr_guess right = gr_guess_expression(g, s, n->as.binary.right);
    if (n->op == GR_OP_MATMUL) {
        if (left.kind != GR_G_NUMERIC || right.kind != GR_G_NUMERIC || !left.type.rank ||
            !right.type.rank)
            return gr_unknown();
        return gr_guess_infer(g, ad_op_find("matmul"), 2, (ad_type[]){left.type, right.type}, NULL);
    }
    bool holds;
    if (gr_guess_fold((gr_operator)n->op, &left, &right, &holds)) return gr_guess_truth(holds);
    bool truth = n->op >= GR_OP_EQ && n->op <= GR_OP_NE;
    bool whole = left.kind != GR_G_NUMERIC || right.kind != GR_G_NUMERIC;
    if (truth && whole) return gr_unknown(); /* == of whole values */
    return ops[n->op] ? gr_guess_operator(g, ops[n->op], &left, &right) : gr_unknown();
}

static gr_guess unary(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess x = gr_guess_expression(g, s, n->as.unary.operand);
    if (n->op == GR_OP_NEG && x.constant) return gr_guess_number(-x.number);
    if (n->op == GR_OP_NEG && gr_guess_is_structure(&x)) return gr_guess_like(g, &x);
    if (x.kind != GR_G_NUMERIC) return gr_unknown();
    return gr_guess_infer(g, n->op == GR_OP_NEG ? AD_OP_NEG : AD_OP_NOT, 1, &x.type, NULL);
}

/* ---- literals --------------------------------------------------------------------------------- */

static gr_guess tensor(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess first = gr_unknown();
    for (uint32_t i = 0; i < n->as.list.count; i++) {
        gr_guess item = gr_guess_expression(g, s, n->as.list.items[i]);
        if (item.kind != GR_G_NUMERIC) return gr_unknown();
        if (i == 0) first = item;
        else if (!gr_guess_same_tree(g, &first, &item)) return gr_unknown();
    }
    ad_type type = {.dtype = (uint8_t)ad_default_dtype(gr_ctx(g->vm)), .rank = 1};
    type.dims[0] = n->as.list.count;
    if (n->as.list.count && first.type.rank + 1 > AD_MAX_RANK) return gr_unknown();
    if (n->as.list.count) {
        type.rank = (uint8_t)(first.type.rank + 1);
        memcpy(type.dims + 1, first.type.dims, first.type.rank * sizeof *type.dims);
        if (first.type.rank || first.type.dtype == AD_BOOL8) type.dtype = first.type.dtype;
    }
    return gr_guess_of_type(g, &type);
}

static gr_guess tuple(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess items[GR_GUESS_ITEMS];
    if (n->as.list.count > GR_GUESS_ITEMS) return gr_unknown();
    for (uint32_t i = 0; i < n->as.list.count; i++) {
        if (n->as.list.items[i]->kind == GR_N_SPREAD) return gr_unknown();
        items[i] = gr_guess_expression(g, s, n->as.list.items[i]);
    }
    return gr_guess_items(g, n->as.list.count, items);
}

/* Puts a field behind the others, or in the place of one with its name. */
static bool put_field(gr_guess *items, const gr_name **names, uint32_t *count, const gr_name *name,
                      const gr_guess *is) {
    uint32_t i = 0;
    while (i < *count && names[i] != name) i++;
    if (i == GR_GUESS_ITEMS) return false;
    *count += i == *count;
    names[i] = name;
    items[i] = *is;
    return true;
}

/* {...r}: what is there already. */
static bool put_fields(gr_guesser *g, gr_guess *items, const gr_name **names, uint32_t *count,
                       const gr_guess *of) {
    if (!gr_guess_is_record(of)) return false;
    for (uint32_t i = 0; i < gr_guess_count(of); i++) {
        gr_guess item = gr_guess_item(g, of, i);
        const gr_string *key = of->kind == GR_G_VALUE ? gr_record_key(of->value, i) : NULL;
        const gr_name *name = key ? gr_intern(g->vm->names, key->bytes, key->length) : of->names[i];
        if (!name || !put_field(items, names, count, name, &item)) return false;
    }
    return true;
}

static gr_guess record(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess items[GR_GUESS_ITEMS];
    const gr_name *names[GR_GUESS_ITEMS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->as.record.count; i++) {
        const gr_record_field *f = &n->as.record.fields[i];
        const gr_node *value = f->name || f->value->kind != GR_N_SPREAD ? f->value : f->value->as.spread;
        gr_guess is = gr_guess_expression(g, s, value);
        bool ok = f->name ? put_field(items, names, &count, f->name, &is)
                          : put_fields(g, items, names, &count, &is);
        if (!ok) return gr_unknown();
    }
    if (count == 0) return gr_unknown();
    gr_guess r = gr_guess_items(g, count, items);
    r.names = gr_arena_copy(&g->arena, names, count * sizeof *names);
    return r.names ? r : gr_unknown();
}

static gr_guess range(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess low = gr_guess_expression(g, s, n->as.range.low);
    gr_guess high = gr_guess_expression(g, s, n->as.range.high);
    gr_guess step = n->as.range.step ? gr_guess_expression(g, s, n->as.range.step)
                                     : gr_guess_number(1);
    gr_guess r = {.kind = GR_G_RANGE};
    r.counted = low.constant && high.constant && step.constant && step.number != 0;
    if (r.counted) r.number = fmax(0, ceil((high.number - low.number) / step.number));
    return r;
}

/* ---- names, branches, derivatives ------------------------------------------------------------- */

static gr_guess name(gr_guesser *g, const gr_guess_scope *s, const gr_name *name) {
    gr_value v;
    const gr_guess *is = gr_guess_named(s->names, name);
    if (is) return *is;
    if (s->room == GR_IN_DARK) return gr_unknown();
    if (s->room == GR_IN_MAIN) {
        uint32_t slot = gr_module_slot(g->vm->library->main, name);
        bool own = slot != UINT32_MAX && !(g->vm->globals[slot].flags & GR_GLOBAL_LIBRARY);
        if (own && gr_known_value(g->vm, name->text, name->length, &v))
            return gr_guess_of_value(g, v);
        if (own && g->vm->globals[slot].flags & GR_GLOBAL_DECLARED) return gr_unknown();
    }
    return gr_guess_prelude(g, s, name);
}

static gr_guess arm(gr_guesser *g, const gr_guess_scope *s, const gr_node *body, bool certain) {
    gr_guess_scope inner = *s;
    inner.floor = inner.names;
    inner.inside = true;
    g->uncertain += !certain;
    gr_guess value = gr_guess_block(g, &inner, body);
    g->uncertain -= !certain;
    return value;
}

/* The arm that is taken where that is known, else what all that may be have in common. */
static gr_guess branch(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess all = gr_unknown();
    bool same = true, first = true;
    for (uint32_t i = 0; i <= n->as.branch.count; i++) {
        bool last = i == n->as.branch.count;
        gr_guess condition = last ? gr_guess_truth(true)
                                  : gr_guess_expression(g, s, n->as.branch.arms[i].condition);
        const gr_node *body = last ? n->as.branch.otherwise : n->as.branch.arms[i].body;
        if (!body) return gr_unknown();
        if (condition.constant && condition.number == 0) continue;
        gr_guess value = arm(g, s, body, condition.constant && first);
        if (condition.constant && first) return value;
        if (first) all = gr_guess_like(g, &value);
        else same = same && gr_guess_same_tree(g, &all, &value);
        first = false;
        if (condition.constant) break;
    }
    return same ? all : gr_unknown();
}

static gr_guess partial_of(gr_guesser *g, const gr_guess *e, const gr_guess *w) {
    if (e->kind != GR_G_NUMERIC) return gr_unknown();
    if (e->type.rank == 0) return gr_guess_like(g, w);
    if (w->kind != GR_G_NUMERIC || e->type.rank + w->type.rank > AD_MAX_RANK) return gr_unknown();
    ad_type type = {.dtype = w->type.dtype, .rank = (uint8_t)(e->type.rank + w->type.rank)};
    memcpy(type.dims, e->type.dims, e->type.rank * sizeof *type.dims);
    memcpy(type.dims + e->type.rank, w->type.dims, w->type.rank * sizeof *type.dims);
    return gr_guess_of_type(g, &type);
}

static gr_guess partial(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess items[GR_GUESS_ITEMS];
    const gr_node_list *wrt = &n->as.partial.wrt;
    gr_guess e = gr_guess_expression(g, s, n->as.partial.numerator);
    if (wrt->count > GR_GUESS_ITEMS) return gr_unknown();
    for (uint32_t i = 0; i < wrt->count; i++) {
        if (wrt->items[i]->kind == GR_N_INDEX) return gr_unknown();
        gr_guess w = gr_guess_expression(g, s, wrt->items[i]);
        items[i] = partial_of(g, &e, &w);
    }
    return n->flags & GR_TUPLE_WRITTEN ? gr_guess_items(g, wrt->count, items) : items[0];
}

/* ---- calls ------------------------------------------------------------------------------------ */

enum { MOST_ARGUMENTS = 24 };

static gr_guess call_with(gr_guesser *g, gr_guess_scope *s, const gr_node *n,
                          const gr_guess *first) {
    gr_guess_argument arguments[MOST_ARGUMENTS];
    uint32_t count = 0;
    if (n->as.call.count >= MOST_ARGUMENTS) return gr_unknown();
    if (first) arguments[count++] = (gr_guess_argument){NULL, *first};
    for (uint32_t i = 0; i < n->as.call.count; i++) {
        const gr_argument *a = &n->as.call.arguments[i];
        if (a->value->kind == GR_N_SPREAD) return gr_unknown();
        arguments[count++] = (gr_guess_argument){a->name, gr_guess_expression(g, s, a->value)};
    }
    const gr_node *callee = n->as.call.callee;
    bool gradient = callee->kind == GR_N_GRADIENT;
    if (gradient) return count == 1 ? gr_guess_like(g, &arguments[0].is) : gr_unknown();
    /* f' acts element by element, so it gives what f does */
    if (callee->kind == GR_N_PRIME) callee = callee->as.prime.object;
    gr_guess f = gr_guess_expression(g, s, callee);
    return gr_guess_call(g, &f, count, arguments);
}

static gr_guess pipe(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess left = gr_guess_expression(g, s, n->as.pipe.left);
    const gr_node *right = n->as.pipe.right;
    if (n->flags & GR_PLACED) {
        const gr_guess *outer = g->placeholder;
        g->placeholder = &left;
        gr_guess x = gr_guess_expression(g, s, right);
        g->placeholder = outer;
        return x;
    }
    if (right->kind == GR_N_CALL && !(right->flags & GR_PARENTHESISED))
        return call_with(g, s, right, &left);
    gr_guess f = gr_guess_expression(g, s, right);
    return gr_guess_call(g, &f, 1, &(gr_guess_argument){NULL, left});
}

static gr_guess function(gr_guesser *g, const gr_guess_scope *s, const gr_fn *fn) {
    gr_guess_scope *kept = gr_arena_copy(&g->arena, s, sizeof *s);
    return kept ? (gr_guess){.kind = GR_G_FN, .fn = fn, .scope = kept} : gr_unknown();
}

/* ---- expressions ------------------------------------------------------------------------------ */

static gr_guess expression(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    switch ((gr_node_kind)n->kind) {
    case GR_N_NUMBER: return gr_guess_number(n->as.number);
    case GR_N_STRING: return (gr_guess){.kind = GR_G_TEXT, .text = n->as.string};
    case GR_N_TRUE: return gr_guess_truth(true);
    case GR_N_FALSE: return gr_guess_truth(false);
    case GR_N_NAME: return name(g, s, n->as.name);
    case GR_N_PLACEHOLDER: return g->placeholder ? *g->placeholder : gr_unknown();
    case GR_N_TENSOR: return tensor(g, s, n);
    case GR_N_TUPLE: return tuple(g, s, n);
    case GR_N_RECORD: return record(g, s, n);
    case GR_N_COMPREHENSION: return gr_guess_comprehension(g, s, n);
    case GR_N_FN: return function(g, s, n->as.fn);
    case GR_N_IF: return branch(g, s, n);
    case GR_N_UNARY: return unary(g, s, n);
    case GR_N_BINARY: return binary(g, s, n);
    case GR_N_PIPE: return pipe(g, s, n);
    case GR_N_RANGE: return n->as.range.low && n->as.range.high ? range(g, s, n) : gr_unknown();
    case GR_N_CALL: return call_with(g, s, n, NULL);
    case GR_N_INDEX: return gr_guess_index(g, s, n);
    case GR_N_FIELD: {
        gr_guess object = gr_guess_expression(g, s, n->as.field.object);
        return gr_guess_get(g, &object, n->as.field.name);
    }
    case GR_N_PARTIAL: return partial(g, s, n);
    default: return gr_unknown();
    }
}

gr_guess gr_guess_expression(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    if (!gr_guess_enter(g)) return gr_unknown();
    gr_guess x = expression(g, s, n);
    g->depth--;
    return x;
}

/* ---- statements ------------------------------------------------------------------------------- */

static void push(gr_guesser *g, gr_guess_scope *s, const gr_name *name, const gr_guess *is, bool assigned) {
    gr_guess_name *n = gr_arena_alloc(&g->arena, sizeof *n);
    gr_guess *kept = gr_arena_copy(&g->arena, is, sizeof *is);
    if (!n || !kept) {
        g->tainted = true;
        return;
    }
    *n = (gr_guess_name){name, kept, s->names, assigned};
    s->names = n;
}

void gr_guess_name_as(gr_guesser *g, gr_guess_scope *s, const gr_name *name, const gr_guess *is) {
    push(g, s, name, is, false);
}

static void bind_list(gr_guesser *g, gr_guess_scope *s, const gr_node *p, const gr_guess *is) {
    uint32_t count = p->as.list.count;
    bool fits = gr_guess_is_structure(is) && gr_guess_count(is) == count;
    for (uint32_t i = 0; i < count; i++) {
        gr_guess item = fits ? gr_guess_item(g, is, i)
                        : is->kind == GR_G_NUMERIC && is->type.rank ? gr_guess_element(g, is)
                                                                     : gr_unknown();
        gr_guess_bind(g, s, p->as.list.items[i], item);
    }
}

void gr_guess_bind(gr_guesser *g, gr_guess_scope *s, const gr_node *p, gr_guess is) {
    if (!gr_guess_enter(g)) {
        g->tainted = true;
        return;
    }
    switch ((gr_node_kind)p->kind) {
    case GR_N_PATTERN_NAME: push(g, s, p->as.name, &is, false); break;
    case GR_N_PATTERN_TUPLE: bind_list(g, s, p, &is); break;
    case GR_N_PATTERN_REST: gr_guess_bind(g, s, p->as.spread, gr_unknown()); break;
    case GR_N_PATTERN_RECORD:
        for (uint32_t i = 0; i < p->as.record.count; i++) {
            const gr_record_field *f = &p->as.record.fields[i];
            gr_guess_bind(g, s, f->value,
                          gr_guess_is_structure(&is) ? gr_guess_field(g, &is, f->name)
                                                     : gr_unknown());
        }
        break;
    default: break;
    }
    g->depth--;
}

/* Only what the block itself made can be followed; a part of it that changes is forgotten. */
static void assign(gr_guesser *g, gr_guess_scope *s, const gr_node *target, gr_guess is) {
    bool whole = target->kind == GR_N_NAME;
    while (target->kind == GR_N_FIELD || target->kind == GR_N_INDEX)
        target = target->kind == GR_N_FIELD ? target->as.field.object : target->as.index.object;
    if (target->kind == GR_N_TUPLE && target->as.list.count <= GR_GUESS_ITEMS) {
        bool fits = gr_guess_is_structure(&is) && gr_guess_count(&is) == target->as.list.count;
        for (uint32_t i = 0; i < target->as.list.count; i++)
            assign(g, s, target->as.list.items[i], fits ? gr_guess_item(g, &is, i) : gr_unknown());
        return;
    }
    if (target->kind != GR_N_NAME) {
        g->tainted |= target->kind != GR_N_PLACEHOLDER;
        return;
    }
    bool own = !s->inside;
    for (const gr_guess_name *n = s->names; n && n != s->floor && !own; n = n->next)
        own = n->name == target->as.name;
    if (!own) g->tainted = true;
    else push(g, s, target->as.name, whole ? &is : &(gr_guess){.kind = GR_G_UNKNOWN}, true);
}

static gr_guess assigned(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess value = gr_guess_expression(g, s, n->as.assign.value);
    if (n->op != GR_OP_NONE) { /* += */
        gr_guess old = gr_guess_expression(g, s, n->as.assign.target);
        value = gr_guess_operator(g, n->op == GR_OP_ADD   ? AD_OP_ADD
                                     : n->op == GR_OP_SUB ? AD_OP_SUB
                                     : n->op == GR_OP_MUL ? AD_OP_MUL
                                                          : AD_OP_DIV, &old, &value);
    }
    if (value.kind == GR_G_NUMERIC) value.constant = false;
    assign(g, s, n->as.assign.target, value);
    return value;
}

gr_guess gr_guess_statement(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess value = gr_unknown();
    switch ((gr_node_kind)n->kind) {
    case GR_N_LET:
    case GR_N_PARAM:
        value = gr_guess_expression(g, s, n->as.bind.value);
        gr_guess_bind(g, s, n->as.bind.pattern, value);
        return value;
    case GR_N_ASSIGN: return assigned(g, s, n);
    case GR_N_DEFINE:
        value = function(g, s, n->as.define->as.fn);
        push(g, s, n->as.define->as.fn->name, &value, false);
        return gr_unknown();
    case GR_N_ASSERT: return gr_unknown();
    case GR_N_FOR:
    case GR_N_WHILE: gr_guess_loop(g, s, n); return gr_unknown();
    default:
        if (gr_is_expression(n->kind)) return gr_guess_expression(g, s, n);
        g->tainted = true; /* returns, imports: not followed */
        return gr_unknown();
    }
}

gr_guess gr_guess_block(gr_guesser *g, gr_guess_scope *s, const gr_node *block) {
    gr_guess last = gr_unknown();
    if (!gr_guess_enter(g)) return last;
    for (uint32_t i = 0; i < block->as.block.count; i++) {
        const gr_node *n = block->as.block.items[i];
        last = gr_guess_statement(g, s, n);
        if (!gr_is_expression(n->kind)) last = gr_unknown();
    }
    g->depth--;
    return last;
}

/* A body that is being typed: loops run once, of parameters only signatures tell something. */
static gr_guess end_of(gr_guesser *g, gr_guess_scope *s, const gr_node *n) {
    gr_guess source;
    if (!g->unclosed) return gr_guess_statement(g, s, n);
    switch ((gr_node_kind)n->kind) {
    case GR_N_FOR:
        source = gr_guess_expression(g, s, n->as.loop.source);
        gr_guess_bind(g, s, n->as.loop.pattern, gr_guess_element(g, &source));
        return gr_guess_end(g, s, n->as.loop.body);
    case GR_N_WHILE: return gr_guess_end(g, s, n->as.loop.body);
    case GR_N_IF: {
        const gr_node *last = n->as.branch.otherwise
                                  ? n->as.branch.otherwise
                                  : n->as.branch.arms[n->as.branch.count - 1].body;
        return last->as.block.count ? gr_guess_end(g, s, last) : gr_unknown();
    }
    case GR_N_DEFINE: {
        const gr_fn *fn = n->as.define->as.fn;
        gr_guess_parameters(g, s, fn);
        return n->as.define->flags & GR_BLOCK_BODY ? gr_guess_end(g, s, fn->body)
                                                   : gr_guess_expression(g, s, fn->body);
    }
    default: return gr_guess_statement(g, s, n);
    }
}

gr_guess gr_guess_end(gr_guesser *g, gr_guess_scope *s, const gr_node *block) {
    if (block->as.block.count == 0 || !gr_guess_enter(g)) return gr_unknown();
    uint32_t last = block->as.block.count - 1;
    for (uint32_t i = 0; i < last; i++) gr_guess_statement(g, s, block->as.block.items[i]);
    gr_guess value = end_of(g, s, block->as.block.items[last]);
    g->depth--;
    return value;
}
