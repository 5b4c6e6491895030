/* SPDX-License-Identifier: MIT */
/*
 * The pass walks the tree in the order of evaluation. Names in scope are a stack of bindings; the
 * newest binding of a name is found through its serial number, so that a lookup is constant. Left
 * spines (a + b + c …) are walked in loops, the rest by recursion within the parser's limits.
 */
#include "scope.h"

#include "library.h"
#include "lost.h"
#include "suggest.h"
#include "vm_state.h"

#include <ctype.h>
#include <string.h>

typedef struct binding {
    uint32_t variable, serial, previous; /* previous binding of the name + 1 */
} binding;

typedef struct told {
    const gr_name *name;
    gr_diagnostic *diagnostic;
} told;

typedef struct walker {
    gr_scope *scope;
    gr_vm *vm;
    gr_ast *ast;
    binding *bindings;
    uint32_t binding_count, binding_room;
    uint32_t *newest; /* by serial: binding + 1 */
    uint32_t newest_room;
    uint32_t fn, loop_depth, inside; /* inside: blocks around */
    uint32_t pending;                /* of them, those that are an operand of something */
    bool statement;                  /* the next node to be walked is one */
    const gr_node *hiding;           /* the pattern of the `let` whose right side is walked */
    const gr_node *assignment;       /* whose target is walked */
    const gr_node *assigning;        /* whose value is walked */
    uint32_t loop, loops;            /* the outermost loop of this function, by number; how many there were */
    told told[GR_MAX_ERRORS];        /* names that were complained about, each once */
    uint32_t told_count;
    bool ok;
} walker;

static void walk(walker *w, gr_node *node);
static void walk_block(walker *w, gr_node *block, bool statement);

#define COMPLAIN(w, id, span, ...)                                                                 \
    ((w)->ok = false, gr_diag_is_full((w)->scope->report, (w)->scope->source, span)                \
                          ? NULL                                                                   \
                          : gr_diag_error((w)->scope->report, id, (w)->scope->source, span,        \
                                          __VA_ARGS__))

/* ---- bindings --------------------------------------------------------------------------------- */

static bool room_for_name(walker *w, const gr_name *name) {
    if (name->serial < w->newest_room) return true;
    uint32_t old = w->newest_room;
    if (!gr_proto_grow(w->vm, &w->newest, &w->newest_room, name->serial + 1, sizeof *w->newest))
        return w->ok = false;
    memset(w->newest + old, 0, (w->newest_room - old) * sizeof *w->newest);
    return true;
}

static void declared_late(walker *w, const gr_name *name, gr_span span);

static uint32_t declare(walker *w, const gr_name *name, gr_span span, uint32_t flags) {
    gr_scope *s = w->scope;
    if (!room_for_name(w, name) ||
        !gr_proto_grow(w->vm, &s->variables, &s->variable_room, s->variable_count + 1,
                       sizeof *s->variables) ||
        !gr_proto_grow(w->vm, &w->bindings, &w->binding_room, w->binding_count + 1,
                       sizeof *w->bindings)) {
        w->ok = false;
        return 0;
    }
    uint32_t index = s->variable_count++;
    if (w->told_count) declared_late(w, name, span);
    s->variables[index] = (gr_variable){
        .name = name, .span = span, .fn = w->fn, .loop_depth = w->loop_depth, .flags = flags};
    w->bindings[w->binding_count++] =
        (binding){.variable = index, .serial = name->serial, .previous = w->newest[name->serial]};
    w->newest[name->serial] = w->binding_count;
    return index + 1;
}

static void unwind_bindings(walker *w, uint32_t count) {
    while (w->binding_count > count) {
        binding b = w->bindings[--w->binding_count];
        w->newest[b.serial] = b.previous;
    }
}

static gr_variable *find(walker *w, const gr_name *name, uint32_t *index) {
    if (name->serial >= w->newest_room || !w->newest[name->serial]) return NULL;
    *index = w->bindings[w->newest[name->serial] - 1].variable;
    return &w->scope->variables[*index];
}

/* Is `fn` the function that `variable` holds, or written inside it? */
static bool inside_own(walker *w, uint32_t variable) {
    for (uint32_t f = w->fn; f; f = w->scope->fns[f].parent)
        if (w->scope->fns[f].own == variable + 1) return true;
    return false;
}

static void note_use(walker *w, gr_variable *v, uint32_t index, const gr_node *node) {
    if (v->fn != w->fn) {
        v->flags |= GR_VAR_CAPTURED;
        if ((v->flags & GR_VAR_FN) && !(v->flags & GR_VAR_DEFINED) && !inside_own(w, index))
            v->flags |= GR_VAR_EARLY;
    }
    v->last_use = v->fn == w->fn && v->loop_depth == w->loop_depth ? node : NULL;
}

/* ---- what was said about a name --------------------------------------------------------------- */

static bool was_told(const walker *w, const gr_name *name) {
    for (uint32_t i = 0; i < w->told_count; i++)
        if (w->told[i].name == name) return true;
    return false;
}

static void note_told(walker *w, const gr_name *name, gr_diagnostic *d) {
    if (w->told_count < GR_MAX_ERRORS) w->told[w->told_count++] = (told){name, d};
}

/* A name that was unknown further up is declared here. */
static void declared_late(walker *w, const gr_name *name, gr_span span) {
    for (uint32_t i = 0; i < w->told_count; i++)
        if (w->told[i].name == name) {
            gr_diag_also(w->told[i].diagnostic, w->scope->source, span,
                         "this `%s` begins further down only", name->text);
            w->told[i].diagnostic = NULL;
        }
}

/* ---- names ------------------------------------------------------------------------------------ */

static bool pattern_binds(const gr_node *p, const gr_name *name) {
    switch (p->kind) {
    case GR_N_PATTERN_NAME: return p->as.name == name;
    case GR_N_PATTERN_REST: return pattern_binds(p->as.spread, name);
    case GR_N_PATTERN_TUPLE:
        for (uint32_t i = 0; i < p->as.list.count; i++)
            if (pattern_binds(p->as.list.items[i], name)) return true;
        return false;
    case GR_N_PATTERN_RECORD:
        for (uint32_t i = 0; i < p->as.record.count; i++)
            if (pattern_binds(p->as.record.fields[i].value, name)) return true;
        return false;
    default: return false;
    }
}

/* `let h = tanh(h @ W)` in a loop: the next turn would begin with the old h. */
static void check_hiding(walker *w, const gr_variable *v, const gr_node *node) {
    if (!w->hiding || !pattern_binds(w->hiding, node->as.name)) return;
    if (v && v->fn == w->fn && v->loop_depth >= w->loop_depth) return;
    const gr_node *let = w->hiding;
    w->hiding = NULL; /* said once */
    const char *name = node->as.name->text;
    gr_diagnostic *d = COMPLAIN(w, GR_E_hidden_state, node->span,
                                "this reads the `%s` from outside the loop, which never changes: "
                                "`let` makes a new `%s` in each turn",
                                name, name);
    gr_diag_also(d, w->scope->source, let->span, "the new `%s`", name);
    gr_diag_help(d, "`%s = …` without `let` changes the variable outside the loop", name);
}

static void offer_bindings(walker *w, gr_suggestion *s) {
    for (uint32_t i = w->binding_count; i-- > 0;) {
        const gr_name *name = w->scope->variables[w->bindings[i].variable].name;
        gr_suggest_offer(s, name->text, name->length);
    }
    gr_offer_names(w->vm, w->scope->module, s);
}

/* A name of the same spelling in a block that has ended. */
static const gr_variable *ended(walker *w, const gr_name *name) {
    for (uint32_t i = w->scope->variable_count; i-- > 0;)
        if (w->scope->variables[i].name == name) return &w->scope->variables[i];
    return NULL;
}

static void hint_unknown(walker *w, gr_diagnostic *d, const gr_name *name, gr_span span) {
    if (gr_hint_foreign(d, name->text, w->scope->source->text + span.end)) return;
    gr_suggestion s = gr_suggest_begin(name->text, name->length);
    offer_bindings(w, &s);
    if (s.best) gr_diag_help(d, "a similar name is `%.*s`", (int)s.best_size, s.best);
}

static void unknown_name(walker *w, const gr_name *name, gr_span span) {
    w->ok = false;
    if (was_told(w, name)) return;
    gr_diagnostic *d = COMPLAIN(w, GR_E_unknown_name, span, "`%s` is not defined", name->text);
    if (!d) return; /* enough was told: no search for what may be meant */
    const gr_variable *v = ended(w, name);
    note_told(w, name, v ? NULL : d);
    if (!v) {
        hint_unknown(w, d, name, span);
        return;
    }
    gr_diag_also(d, w->scope->source, v->span, "this `%s` ends with its block", name->text);
    gr_diag_help(d, "`let %s = …` in front of the block makes a variable that outlives it",
                 name->text);
}

/* A function of the block that is called, or handed on, in front of its definition. (What another
 * function does with it is seen when that runs.) */
static void check_early(walker *w, const gr_variable *v, const gr_node *node) {
    if (v->fn != w->fn || (v->flags & (GR_VAR_FN | GR_VAR_DEFINED)) != GR_VAR_FN) return;
    const char *name = node->as.name->text;
    gr_diagnostic *d =
        COMPLAIN(w, GR_E_unknown_name, node->span, "`%s` is used before it is defined", name);
    gr_diag_also(d, w->scope->source, v->span, "`%s` is defined here", name);
    gr_diag_help(d, "move its definition up, in front of the first use");
}

/* A name that is read. Sets the node's slot for a local; for a global makes sure that there is one. */
static void walk_name(walker *w, gr_node *node) {
    uint32_t index;
    gr_variable *v = find(w, node->as.name, &index);
    if (v) {
        check_hiding(w, v, node);
        check_early(w, v, node);
        note_use(w, v, index, node);
        gr_lost_read(v, w->assigning, w->loop);
        node->slot = index + 1;
        return;
    }
    bool known;
    uint32_t slot = gr_find_global(w->vm, w->scope->module, node->as.name, &known);
    if (known) {
        if (!(w->vm->globals[slot].flags & GR_GLOBAL_LIBRARY)) check_hiding(w, NULL, node);
    } else if (!w->scope->prompt) {
        unknown_name(w, node->as.name, node->span);
    } else if (slot == UINT32_MAX) {
        w->ok &= gr_global_new(w->vm, w->scope->module, node->as.name) != UINT32_MAX;
    }
}

/* W -= e: `W := W - (e)`. */
static bool suggest_update(walker *w, gr_diagnostic *d) {
    const gr_node *n = w->assignment;
    const char *text = w->scope->source->text;
    gr_span t = n->as.assign.target->span, v = n->as.assign.value->span;
    int target = (int)(t.end - t.begin), value = (int)(v.end - v.begin);
    bool loose = n->as.assign.value->kind == GR_N_BINARY && n->op != GR_OP_ADD &&
                 (n->op != GR_OP_SUB || n->as.assign.value->op == GR_OP_ADD ||
                  n->as.assign.value->op == GR_OP_SUB);
    if (target + value > 60 || memchr(text + t.begin, '\n', v.end - t.begin)) return false;
    if (n->op == GR_OP_NONE)
        gr_diag_help(d, "write `%.*s := %.*s`", target, text + t.begin, value, text + v.begin);
    else
        gr_diag_help(d, "write `%.*s := %.*s %s %s%.*s%s`", target, text + t.begin, target,
                     text + t.begin, gr_operator_text((gr_operator)n->op), loose ? "(" : "", value,
                     text + v.begin, loose ? ")" : "");
    return true;
}

static void assign_param(walker *w, const gr_name *name, gr_span span) {
    gr_diagnostic *d = COMPLAIN(w, GR_E_assigned_param, span,
                                "`%s` is a param, which only `:=` can change", name->text);
    if (w->assignment && suggest_update(w, d)) return;
    gr_diag_help(d, "write `%s := …`", name->text);
}

static void assign_unknown(walker *w, const gr_name *name, gr_span span) {
    w->ok = false;
    if (was_told(w, name)) return;
    gr_diagnostic *d = COMPLAIN(w, GR_E_assigned_unknown, span,
                                "there is no variable `%s` to assign to", name->text);
    if (!d) return;
    const gr_variable *v = ended(w, name);
    note_told(w, name, v ? NULL : d);
    if (v) {
        gr_diag_also(d, w->scope->source, v->span, "this `%s` ends with its block", name->text);
        gr_diag_help(d, "`let %s = …` in front of the block makes a variable that outlives it",
                     name->text);
        return;
    }
    gr_suggestion s = gr_suggest_begin(name->text, name->length);
    for (uint32_t i = w->binding_count; i-- > 0;) {
        const gr_name *n = w->scope->variables[w->bindings[i].variable].name;
        gr_suggest_offer(&s, n->text, n->length);
    }
    gr_offer_globals(w->vm, w->scope->module, &s);
    if (s.best)
        gr_diag_help(d, "a similar name is `%.*s`", (int)s.best_size, s.best);
    else
        gr_diag_help(d, "write `let %s = …` where it begins", name->text);
}

/* The variable that an assignment changes. */
static void walk_assigned(walker *w, gr_node *node, bool update) {
    uint32_t index;
    const gr_name *name = node->as.name;
    gr_variable *v = find(w, name, &index);
    if (v) {
        if ((v->flags & GR_VAR_TRACKED) && !update) assign_param(w, name, node->span);
        note_use(w, v, index, node);
        gr_lost_write(v, w->assignment, w->loop);
        v->flags |= GR_VAR_ASSIGNED | (w->pending ? GR_VAR_INSIDE : 0u);
        node->slot = index + 1;
        return;
    }
    bool known;
    uint32_t slot = gr_find_global(w->vm, w->scope->module, name, &known);
    if (!known || (w->vm->globals[slot].flags & GR_GLOBAL_LIBRARY)) {
        if (known || !w->scope->prompt || w->fn == 0 || slot == UINT32_MAX)
            assign_unknown(w, name, node->span);
        return;
    }
    if ((w->vm->globals[slot].flags & GR_GLOBAL_PARAM) && !update)
        assign_param(w, name, node->span);
    w->vm->globals[slot].flags |= GR_GLOBAL_ASSIGNED;
}

/* ---- patterns --------------------------------------------------------------------------------- */

static void declare_name(walker *w, gr_node *node, uint32_t flags, bool top) {
    if (top) {
        uint32_t slot = gr_global_new(w->vm, w->scope->module, node->as.name);
        if (slot == UINT32_MAX) {
            w->ok = false;
            return;
        }
        gr_global *g = &w->vm->globals[slot];
        g->flags &= ~(uint32_t)(GR_GLOBAL_PARAM | GR_GLOBAL_LIBRARY | GR_GLOBAL_PENDING);
        g->flags |= GR_GLOBAL_DECLARED | (flags & GR_VAR_TRACKED ? GR_GLOBAL_PARAM : 0u);
        return;
    }
    node->slot = declare(w, node->as.name, node->span, flags | GR_VAR_DEFINED);
}

static void declare_pattern(walker *w, gr_node *p, uint32_t flags, bool top) {
    switch (p->kind) {
    case GR_N_PATTERN_NAME: declare_name(w, p, flags, top); break;
    case GR_N_PATTERN_REST: declare_pattern(w, p->as.spread, flags, top); break;
    case GR_N_PATTERN_TUPLE:
        for (uint32_t i = 0; i < p->as.list.count; i++)
            declare_pattern(w, p->as.list.items[i], flags, top);
        break;
    case GR_N_PATTERN_RECORD:
        for (uint32_t i = 0; i < p->as.record.count; i++)
            declare_pattern(w, p->as.record.fields[i].value, flags, top);
        break;
    default: break;
    }
}

/* ---- functions -------------------------------------------------------------------------------- */

static void declare_letters(walker *w, const gr_signature *sig, uint32_t fn) {
    for (uint32_t i = 0; sig && i < sig->count; i++) {
        if (sig->dims[i].kind != GR_DIM_LETTER) continue;
        gr_scope_fn *f = &w->scope->fns[fn];
        bool seen = false;
        for (uint32_t k = 0; k < f->letter_count; k++) seen |= f->letters[k].name == sig->dims[i].letter;
        if (seen) continue;
        if (!gr_proto_grow(w->vm, &f->letters, &f->letter_room, f->letter_count + 1,
                           sizeof *f->letters)) {
            w->ok = false;
            return;
        }
        uint32_t v = declare(w, sig->dims[i].letter, sig->dims[i].span, GR_VAR_DEFINED);
        w->scope->fns[fn].letters[w->scope->fns[fn].letter_count++] =
            (gr_letter){.name = sig->dims[i].letter, .variable = v ? v - 1 : 0};
    }
}

static void check_letters(walker *w, const gr_node *pattern, uint32_t index) {
    const gr_scope_fn *f = &w->scope->fns[index];
    for (uint32_t k = 0; k < f->letter_count; k++) {
        if (!pattern_binds(pattern, f->letters[k].name)) continue;
        const char *name = f->letters[k].name->text;
        gr_diagnostic *d = COMPLAIN(w, GR_E_repeated_name, pattern->span,
                                    "`%s` is a parameter and a size in the signature", name);
        gr_diag_help(d, "give the size another name, as in `[N]`");
    }
}

static void walk_parameters(walker *w, const gr_fn *fn, uint32_t index) {
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        declare_letters(w, fn->parameters[i].signature, index);
    declare_letters(w, fn->result, index);
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        check_letters(w, fn->parameters[i].pattern, index);
        if (fn->parameters[i].fallback) walk(w, fn->parameters[i].fallback);
        declare_pattern(w, fn->parameters[i].pattern, GR_VAR_PARAMETER, false);
    }
}

/* `own` is the variable + 1 that will hold it, or 0. */
static void walk_fn(walker *w, gr_node *node, uint32_t own) {
    gr_scope *s = w->scope;
    if (!gr_proto_grow(w->vm, &s->fns, &s->fn_room, s->fn_count + 1, sizeof *s->fns)) {
        w->ok = false;
        return;
    }
    uint32_t index = s->fn_count++;
    s->fns[index] = (gr_scope_fn){.parent = w->fn, .own = own};
    node->slot = index;
    walker outer = *w;
    w->fn = index;
    w->loop_depth = w->inside = w->pending = w->loop = 0;
    w->hiding = w->assigning = NULL;
    gr_parameters parameters = {.fn = index, .begin = s->variable_count};
    walk_parameters(w, node->as.fn, index);
    parameters.end = s->variable_count;
    w->statement = true;
    walk(w, node->as.fn->body);
    if (w->ok) gr_lost_tell(s, &parameters, node->as.fn->name);
    unwind_bindings(w, outer.binding_count);
    w->fn = outer.fn;
    w->loop = outer.loop;
    w->assigning = outer.assigning;
    w->loop_depth = outer.loop_depth;
    w->inside = outer.inside;
    w->pending = outer.pending;
    w->hiding = outer.hiding;
}

/* ---- expressions ------------------------------------------------------------------------------ */

static void walk_items(walker *w, gr_node_list list) {
    for (uint32_t i = 0; i < list.count; i++) walk(w, list.items[i]);
}

static void walk_statements(walker *w, gr_node_list list) {
    for (uint32_t i = 0; i < list.count; i++) {
        w->statement = true;
        walk(w, list.items[i]);
    }
}

static gr_node *left_of(const gr_node *n) {
    switch (n->kind) {
    case GR_N_BINARY: return n->as.binary.left;
    case GR_N_PIPE: return n->as.pipe.left;
    case GR_N_CALL: return n->as.call.callee;
    case GR_N_INDEX: return n->as.index.object;
    case GR_N_FIELD: return n->as.field.object;
    case GR_N_PRIME: return n->as.prime.object;
    default: return NULL;
    }
}

bool gr_is_called_derivative(const gr_node *n) {
    if (n->kind != GR_N_CALL || n->as.call.count != 2) return false;
    const gr_node *callee = n->as.call.callee;
    const gr_argument *a = n->as.call.arguments;
    return callee->kind == GR_N_NAME && strcmp(callee->as.name->text, "grad") == 0 && !a[0].name &&
           !a[1].name && a[0].value->kind != GR_N_SPREAD && a[1].value->kind != GR_N_SPREAD;
}

static void walk_right(walker *w, gr_node *n) {
    switch (n->kind) {
    case GR_N_BINARY: walk(w, n->as.binary.right); break;
    case GR_N_PIPE: walk(w, n->as.pipe.right); break;
    case GR_N_CALL:
        if (gr_is_called_derivative(n)) w->scope->fns[w->fn].derives = true;
        for (uint32_t i = 0; i < n->as.call.count; i++) walk(w, n->as.call.arguments[i].value);
        break;
    case GR_N_INDEX: walk_items(w, n->as.index.items); break;
    default: break;
    }
}

/* prelude.name is that name of the prelude, whatever the script calls so. */
static bool is_prelude(walker *w, const gr_node *n) {
    uint32_t index;
    if (n->kind != GR_N_FIELD || n->as.field.object->kind != GR_N_NAME) return false;
    const gr_name *name = n->as.field.object->as.name;
    if (strcmp(name->text, "prelude") != 0 || find(w, name, &index)) return false;
    return gr_module_slot(w->scope->module, name) == UINT32_MAX;
}

static void walk_spine(walker *w, gr_node *node) {
    uint32_t depth = 0;
    for (gr_node *n = node; n; n = left_of(n)) depth++;
    gr_node **spine = ad_mem_get(w->vm->ctx, depth * sizeof *spine);
    if (!spine) {
        gr_raise_memory(w->vm);
        w->ok = false;
        return;
    }
    uint32_t i = 0;
    for (gr_node *n = node; n; n = left_of(n)) spine[i++] = n;
    if (i >= 2 && is_prelude(w, spine[i - 2])) {
        spine[i - 2]->slot = 1;
        i--;
    } else {
        walk(w, spine[i - 1]);
    }
    for (i--; i-- > 0;) walk_right(w, spine[i]);
    ad_mem_put(w->vm->ctx, spine, depth * sizeof *spine);
}

static void walk_loop(walker *w, gr_node *pattern, gr_node *source, gr_node *condition, gr_node *body,
                      bool statement) {
    uint32_t mark = w->binding_count;
    const gr_node *hiding = w->hiding;
    if (source && pattern) walk(w, source); /* of a while it is looked at in each turn */
    if (w->loop_depth++ == 0) w->loop = ++w->loops;
    w->hiding = NULL;
    if (source && !pattern) walk(w, source);
    if (pattern) declare_pattern(w, pattern, 0, false);
    if (condition) walk(w, condition);
    w->statement = statement;
    walk(w, body);
    if (--w->loop_depth == 0) w->loop = 0;
    w->hiding = hiding;
    unwind_bindings(w, mark);
}

static void walk_branch(walker *w, gr_node *n, bool statement) {
    for (uint32_t i = 0; i < n->as.branch.count; i++) {
        walk(w, n->as.branch.arms[i].condition);
        walk_block(w, n->as.branch.arms[i].body, statement);
    }
    if (n->as.branch.otherwise) walk_block(w, n->as.branch.otherwise, statement);
}

static void walk_target(walker *w, gr_node *t, bool update) {
    gr_node *n = t;
    switch (t->kind) {
    case GR_N_NAME: walk_assigned(w, t, update); break;
    case GR_N_SPREAD: walk_target(w, t->as.spread, update); break;
    case GR_N_TUPLE:
        for (uint32_t i = 0; i < t->as.list.count; i++)
            walk_target(w, t->as.list.items[i], update);
        break;
    case GR_N_FIELD:
    case GR_N_INDEX:
        for (; n->kind == GR_N_FIELD || n->kind == GR_N_INDEX; n = left_of(n))
            if (n->kind == GR_N_INDEX) walk_items(w, n->as.index.items);
        if (n->kind == GR_N_NAME) walk_assigned(w, n, update);
        break;
    default: break;
    }
}

/* ---- statements ------------------------------------------------------------------------------- */

/* The ## lines above a `let` outlive the tree: `help` shows them. */
static void keep_doc(walker *w, const gr_node *n) {
    const gr_node *p = n->as.bind.pattern;
    gr_text doc = n->as.bind.doc;
    if (p->kind != GR_N_PATTERN_NAME || (!doc.size && !w->scope->prompt)) return;
    uint32_t slot = gr_global_new(w->vm, w->scope->module, p->as.name);
    if (slot == UINT32_MAX) return;
    w->vm->globals[slot].doc =
        doc.size ? gr_arena_text(&w->vm->library->arena, doc.bytes, doc.size) : NULL;
}

static void walk_bind(walker *w, gr_node *n) {
    bool top = w->fn == 0 && w->inside == 0 && w->loop_depth == 0 && n->slot == 1;
    const gr_node *outer = w->hiding;
    if (w->loop_depth && n->kind == GR_N_LET) w->hiding = n->as.bind.pattern;
    walk(w, n->as.bind.value);
    w->hiding = outer;
    declare_pattern(w, n->as.bind.pattern, n->kind == GR_N_PARAM ? GR_VAR_TRACKED : 0, top);
    if (top) keep_doc(w, n);
}

static void walk_define(walker *w, gr_node *n) {
    uint32_t own = n->slot;
    walk_fn(w, n->as.define, own);
    if (own) w->scope->variables[own - 1].flags |= GR_VAR_DEFINED;
}

static void hoist(walker *w, gr_node *block) {
    for (uint32_t i = 0; i < block->as.block.count; i++) {
        gr_node *n = block->as.block.items[i];
        if (n->kind != GR_N_DEFINE) continue;
        gr_fn *fn = n->as.define->as.fn;
        n->slot = declare(w, fn->name, fn->name_span, GR_VAR_FN);
    }
}

static void walk_block(walker *w, gr_node *block, bool statement) {
    uint32_t mark = w->binding_count;
    w->inside++;
    w->pending += !statement;
    hoist(w, block);
    walk_statements(w, block->as.block);
    w->pending -= !statement;
    w->inside--;
    unwind_bindings(w, mark);
}

/* Where a loop can be paused in front of an update, all locals are there to be looked at. */
static void keep_locals(walker *w) {
    if (!w->vm->pause) return;
    for (uint32_t i = 0; i < w->binding_count; i++) {
        gr_variable *v = &w->scope->variables[w->bindings[i].variable];
        if (v->fn == w->fn) v->last_use = NULL;
    }
}

/* A test's body becomes that of a function without parameters. */
static void walk_test(walker *w, gr_node *n) {
    gr_node *fn = gr_arena_alloc(&w->ast->arena, sizeof *fn);
    gr_fn *f = gr_arena_alloc(&w->ast->arena, sizeof *f);
    if (!fn || !f) {
        gr_raise_memory(w->vm);
        w->ok = false;
        return;
    }
    f->body = n->as.test.body;
    f->head = n->as.test.name_span;
    *fn = (gr_node){.kind = GR_N_FN, .flags = GR_BLOCK_BODY, .span = n->span};
    fn->as.fn = f;
    n->as.test.body = fn;
    walk_fn(w, fn, 0);
}

static void walk(walker *w, gr_node *n) {
    if (!n || !w->ok) {
        if (!n || gr_has_raised(w->vm)) return;
    }
    bool statement = w->statement;
    w->statement = false;
    switch (n->kind) {
    case GR_N_NAME: walk_name(w, n); break;
    case GR_N_TEMPLATE:
        for (uint32_t i = 0; i < n->as.template.count; i++)
            if (n->as.template.parts[i].value) walk(w, n->as.template.parts[i].value);
        break;
    case GR_N_TENSOR:
    case GR_N_TUPLE: walk_items(w, n->as.list); break;
    case GR_N_RECORD:
        for (uint32_t i = 0; i < n->as.record.count; i++) walk(w, n->as.record.fields[i].value);
        break;
    case GR_N_SPREAD: walk(w, n->as.spread); break;
    case GR_N_COMPREHENSION:
        walk_loop(w, n->as.comprehension.pattern, n->as.comprehension.source,
                  n->as.comprehension.condition, n->as.comprehension.body, false);
        break;
    case GR_N_FN: walk_fn(w, n, 0); break;
    case GR_N_IF: walk_branch(w, n, statement); break;
    case GR_N_UNARY: walk(w, n->as.unary.operand); break;
    case GR_N_BINARY:
    case GR_N_PIPE:
    case GR_N_CALL:
    case GR_N_INDEX:
    case GR_N_FIELD:
    case GR_N_PRIME: walk_spine(w, n); break;
    case GR_N_RANGE:
        walk(w, n->as.range.low);
        walk(w, n->as.range.high);
        walk(w, n->as.range.step);
        break;
    case GR_N_PARTIAL:
        w->scope->fns[w->fn].derives = true;
        walk(w, n->as.partial.numerator);
        walk_items(w, n->as.partial.wrt);
        break;
    case GR_N_GRADIENT: walk(w, n->as.gradient); break;
    case GR_N_BLOCK: walk_block(w, n, statement); break;
    case GR_N_DEFINE: walk_define(w, n); break;
    case GR_N_LET:
    case GR_N_PARAM: walk_bind(w, n); break;
    case GR_N_ASSIGN:
        if (n->as.assign.update) keep_locals(w);
        w->assigning = n;
        walk(w, n->as.assign.value);
        w->assigning = NULL;
        w->assignment = n;
        walk_target(w, n->as.assign.target, n->as.assign.update);
        w->assignment = NULL;
        break;
    case GR_N_FOR:
        walk_loop(w, n->as.loop.pattern, n->as.loop.source, NULL, n->as.loop.body, statement);
        break;
    case GR_N_WHILE:
        walk_loop(w, NULL, n->as.loop.source, NULL, n->as.loop.body, statement);
        break;
    case GR_N_RETURN: walk(w, n->as.result); break;
    case GR_N_ASSERT:
        walk(w, n->as.assertion.condition);
        walk(w, n->as.assertion.message);
        break;
    case GR_N_TEST: walk_test(w, n); break;
    case GR_N_IMPORT: {
        gr_node name = {.kind = GR_N_PATTERN_NAME, .span = n->as.import.name_span};
        name.as.name = n->as.import.name;
        declare_name(w, &name, 0, n->slot == 1);
        if (n->slot != 1) n->slot = name.slot + 1; /* 1 means: top level */
        break;
    }
    default: break;
    }
}

/* Names of the top level are known from its beginning. A slot of 1 in a binding statement says that it
 * stands there. */
static void predeclare(walker *w, gr_node *root) {
    for (uint32_t i = 0; i < root->as.block.count; i++) {
        gr_node *n = root->as.block.items[i];
        gr_node name = {.kind = GR_N_PATTERN_NAME};
        switch (n->kind) {
        case GR_N_LET:
        case GR_N_PARAM:
            n->slot = 1;
            declare_pattern(w, n->as.bind.pattern, n->kind == GR_N_PARAM ? GR_VAR_TRACKED : 0, true);
            break;
        case GR_N_IMPORT:
            n->slot = 1;
            name.as.name = n->as.import.name;
            declare_name(w, &name, 0, true);
            break;
        case GR_N_DEFINE:
            name.as.name = n->as.define->as.fn->name;
            declare_name(w, &name, 0, true);
            break;
        default: break;
        }
    }
}

static void decide_cells(gr_scope *s) {
    for (uint32_t i = 0; i < s->variable_count; i++) {
        gr_variable *v = &s->variables[i];
        bool changes = v->flags & (GR_VAR_ASSIGNED | GR_VAR_EARLY);
        if (((v->flags & GR_VAR_CAPTURED) && changes) || (v->flags & GR_VAR_TRACKED))
            v->flags |= GR_VAR_CELL;
        if (v->flags & (GR_VAR_CAPTURED | GR_VAR_CELL)) v->last_use = NULL;
    }
}

bool gr_scope_resolve(gr_scope *scope, gr_ast *ast) {
    walker w = {.scope = scope, .vm = scope->vm, .ast = ast, .ok = true};
    gr_vm *vm = scope->vm;
    if (!gr_proto_grow(vm, &scope->fns, &scope->fn_room, 1, sizeof *scope->fns)) return false;
    scope->fns[0] = (gr_scope_fn){0};
    scope->fn_count = 1;
    predeclare(&w, ast->root);
    walk_statements(&w, ast->root->as.block);
    decide_cells(scope);
    if (w.bindings) ad_mem_put(vm->ctx, w.bindings, w.binding_room * sizeof *w.bindings);
    if (w.newest) ad_mem_put(vm->ctx, w.newest, w.newest_room * sizeof *w.newest);
    return w.ok;
}

void gr_scope_free(gr_scope *s) {
    ad_ctx *ctx = s->vm->ctx;
    for (uint32_t i = 0; i < s->fn_count; i++)
        if (s->fns[i].letters)
            ad_mem_put(ctx, s->fns[i].letters, s->fns[i].letter_room * sizeof *s->fns[i].letters);
    if (s->fns) ad_mem_put(ctx, s->fns, s->fn_room * sizeof *s->fns);
    if (s->variables) ad_mem_put(ctx, s->variables, s->variable_room * sizeof *s->variables);
}
