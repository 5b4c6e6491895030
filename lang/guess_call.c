/* SPDX-License-Identifier: MIT */
/*
 * Functions: those of the text and of the prompt are walked through by their trees, those of the
 * library by the lines that define them, parsed on the way. What a closure has captured is not looked
 * at: such a body sees nothing but its parameters.
 */
#include "guess.h"

#include "chunk.h"
#include "function.h"
#include "library.h"
#include "stdlib_embed.h"
#include "vm_state.h"

#include <math.h>
#include <string.h>

/* ---- names of the prelude --------------------------------------------------------------------- */

static bool is_constant(const char *name, double *out) {
    bool pi = strcmp(name, "pi") == 0 || strcmp(name, "π") == 0;
    *out = pi ? 3.14159265358979323846 : strcmp(name, "inf") == 0 ? INFINITY : NAN;
    return pi || strcmp(name, "inf") == 0 || strcmp(name, "nan") == 0;
}

/* A definition of the embedded library, as a function of its tree. */
static gr_guess from_library(gr_guesser *g, size_t file, const gr_name *name) {
    const char *text;
    size_t size;
    if (!gr_library_definition(name->text, name->length, &file, &text, &size)) return gr_unknown();
    const gr_ast *ast = gr_guess_parse(g, text, size, 0);
    if (!ast || ast->root->as.block.count != 1) return gr_unknown();
    const gr_node *n = ast->root->as.block.items[0];
    gr_guess_scope *scope = gr_arena_alloc(&g->arena, sizeof *scope);
    if (!scope || n->kind != GR_N_DEFINE) return gr_unknown();
    *scope = (gr_guess_scope){.room = GR_IN_LIBRARY, .file = file};
    return (gr_guess){.kind = GR_G_FN, .fn = n->as.define->as.fn, .scope = scope};
}

gr_guess gr_guess_prelude(gr_guesser *g, const gr_guess_scope *s, const gr_name *name) {
    const char *text;
    size_t size, file = s->room == GR_IN_LIBRARY ? s->file : SIZE_MAX;
    double x;
    bool own = file != SIZE_MAX &&
               gr_library_definition(name->text, name->length, &file, &text, &size);
    if (!own) file = SIZE_MAX;
    if (own || gr_library_definition(name->text, name->length, &file, &text, &size))
        return from_library(g, file, name);
    if (is_constant(name->text, &x)) return gr_guess_number(x);
    if (gr_find_builtin(name->text, name->length))
        return (gr_guess){.kind = GR_G_BUILTIN, .text = {name->text, name->length}};
    ad_op op = ad_op_find(name->text);
    if (op == AD_OP_NONE || ad_op_info(op)->flags & AD_ROW_INTERNAL) return gr_unknown();
    return (gr_guess){.kind = GR_G_ROW, .op = op};
}

/* ---- calls of trees --------------------------------------------------------------------------- */

typedef struct passing {
    gr_guesser *g;
    gr_guess_scope *scope;
    uint32_t count, next; /* next: the first positional one that is not taken */
    const gr_guess_argument *arguments;
    uint32_t used;
} passing;

static const gr_guess *named_argument(passing *p, const gr_name *name) {
    for (uint32_t i = 0; i < p->count; i++)
        if (p->arguments[i].name == name) {
            p->used++;
            return &p->arguments[i].is;
        }
    return NULL;
}

static bool pass(passing *p, const gr_parameter *to) {
    gr_guess items[32];
    uint32_t n = 0;
    if (to->rest) {
        for (; p->next < p->count && !p->arguments[p->next].name && n < 32; p->next++, p->used++)
            items[n++] = p->arguments[p->next].is;
        gr_guess_bind(p->g, p->scope, to->pattern, gr_guess_items(p->g, n, items));
        return true;
    }
    const gr_guess *is = NULL;
    gr_guess fallback;
    if (to->pattern->kind == GR_N_PATTERN_NAME) is = named_argument(p, to->pattern->as.name);
    if (!is && p->next < p->count && !p->arguments[p->next].name) {
        is = &p->arguments[p->next++].is;
        p->used++;
    }
    if (!is && to->fallback) {
        fallback = gr_guess_expression(p->g, p->scope, to->fallback);
        is = &fallback;
    }
    if (is) gr_guess_bind(p->g, p->scope, to->pattern, *is);
    return is != NULL;
}

static gr_guess call_tree(gr_guesser *g, const gr_fn *fn, const gr_guess_scope *made,
                          uint32_t count, const gr_guess_argument *arguments) {
    gr_guess_scope scope = *made;
    passing p = {.g = g, .scope = &scope, .count = count, .arguments = arguments};
    bool tainted = g->tainted;
    scope.floor = scope.names;
    scope.inside = true;
    g->tainted = false;
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        if (!pass(&p, &fn->parameters[i])) g->tainted = true;
    gr_guess value = gr_unknown();
    if (!g->tainted && p.used == count) {
        value = fn->body->kind == GR_N_BLOCK ? gr_guess_block(g, &scope, fn->body)
                                             : gr_guess_expression(g, &scope, fn->body);
        if (g->tainted) value = gr_unknown();
    }
    g->tainted = tainted;
    return value;
}

/* ---- calls of values -------------------------------------------------------------------------- */

static const gr_fn *function_at(const gr_ast *ast, gr_span head) {
    for (uint32_t i = 0; i < ast->root->as.block.count; i++) {
        const gr_node *n = ast->root->as.block.items[i];
        if (n->kind == GR_N_DEFINE) n = n->as.define;
        else if (n->kind == GR_N_LET) n = n->as.bind.value;
        if (n->kind == GR_N_FN && n->as.fn->head.begin == head.begin) return n->as.fn;
    }
    return NULL;
}

/* Is the source a module's other than the main one's? Its names are not ours. */
static bool is_imported(const gr_vm *vm, const gr_source *source) {
    for (const gr_module *m = vm->library->modules; m; m = m->next)
        if (m != vm->library->main && m->source == source) return true;
    return false;
}

static gr_guess call_closure(gr_guesser *g, const gr_proto *proto, uint32_t count,
                             const gr_guess_argument *arguments) {
    gr_guess_scope scope = {.room = GR_IN_MAIN};
    for (size_t f = 0; f < gr_stdlib_count; f++)
        if (proto->name && strcmp(proto->source->name, gr_stdlib[f].name) == 0) {
            gr_guess found = proto->capture_count ? gr_unknown() : from_library(g, f, proto->name);
            return found.kind == GR_G_FN && found.fn->head.end == proto->head.end - proto->head.begin
                       ? call_tree(g, found.fn, found.scope, count, arguments)
                       : gr_unknown();
        }
    const gr_ast *ast = gr_guess_parse(g, proto->source->text, proto->source->size, 0);
    const gr_fn *fn = ast ? function_at(ast, proto->head) : NULL;
    if (!fn) return gr_unknown();
    if (proto->capture_count || is_imported(g->vm, proto->source)) scope.room = GR_IN_DARK;
    return call_tree(g, fn, &scope, count, arguments);
}

static gr_guess call_value(gr_guesser *g, gr_value v, uint32_t count,
                           const gr_guess_argument *arguments) {
    if (v.kind != GR_FUNCTION) return gr_unknown();
    const gr_function *f = gr_as_function(v);
    if (f->form == GR_FORM_CLOSURE)
        return call_closure(g, ((const gr_closure *)f)->proto, count, arguments);
    if (f->held_count) return gr_unknown();
    return f->form == GR_FORM_OP
               ? gr_guess_row(g, f->op, count, arguments)
               : gr_guess_builtin(g, ((const gr_native_function *)f)->row->name, count, arguments);
}

gr_guess gr_guess_call(gr_guesser *g, const gr_guess *f, uint32_t count,
                       const gr_guess_argument *arguments) {
    switch ((gr_guess_kind)f->kind) {
    case GR_G_FN: return call_tree(g, f->fn, f->scope, count, arguments);
    case GR_G_ROW: return gr_guess_row(g, f->op, count, arguments);
    case GR_G_BUILTIN: return gr_guess_builtin(g, f->text.bytes, count, arguments);
    case GR_G_VALUE: return call_value(g, f->value, count, arguments);
    default: return gr_unknown();
    }
}
