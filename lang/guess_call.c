/* SPDX-License-Identifier: MIT */
/*
 * Functions: those of the text and of the prompt are walked through by their trees, those of the
 * library by the lines that define them, parsed on the way. What a closure has captured is bound as it
 * is now.
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
    const gr_ast *ast = gr_guess_parse_kept(g, text, size);
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

/* ---- signatures ------------------------------------------------------------------------------- */

/* What the scope says of a letter; false: nothing yet. */
static bool letter_size(const gr_guess_scope *s, const gr_name *letter, double *size) {
    const gr_guess *is = gr_guess_named(s->names, letter);
    if (!is || !is->constant) return false;
    *size = is->number;
    return true;
}

static bool match_axes(gr_guesser *g, gr_guess_scope *s, const gr_dim *dims, uint32_t count,
                       const int64_t *sizes) {
    for (uint32_t i = 0; i < count; i++) {
        double size = (double)sizes[i], known = size;
        if (dims[i].kind == GR_DIM_NUMBER) known = (double)dims[i].number;
        else if (!letter_size(s, dims[i].letter, &known)) {
            gr_guess is = gr_guess_number(size);
            gr_guess_name_as(g, s, dims[i].letter, &is);
        }
        if (known != size) return false;
    }
    return true;
}

static bool matches(gr_guesser *g, gr_guess_scope *s, const gr_signature *sig, const ad_type *type) {
    uint32_t any = 0, rank = type->rank;
    while (any < sig->count && sig->dims[any].kind != GR_DIM_ANY) any++;
    if (any == sig->count) return rank == any && match_axes(g, s, sig->dims, any, type->dims);
    uint32_t behind = sig->count - any - 1;
    return rank >= sig->count - 1 && match_axes(g, s, sig->dims, any, type->dims) &&
           match_axes(g, s, sig->dims + any + 1, behind, type->dims + rank - behind);
}

/* "`x` is [4, 2] but the signature wants [N, 3]" */
static void note_mismatch(gr_guesser *g, const gr_parameter *p, const ad_type *type) {
    char shape[160];
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(g->vm));
    gr_buffer_printf(&text, "`%s` is %s but the signature wants ", p->pattern->as.name->text,
                     ad_shape_text(type->rank, type->dims, shape, sizeof shape));
    gr_put_signature(&text, p->signature);
    if (!text.failed) gr_guess_note(g, text.text);
    gr_buffer_free(&text);
}

/* Letters are variables of the body; those of what is not known hide others all the same. */
static void hide_letters(gr_guesser *g, gr_guess_scope *s, const gr_fn *fn) {
    gr_guess unknown = gr_unknown();
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        for (uint32_t k = 0; fn->parameters[i].signature && k < fn->parameters[i].signature->count; k++) {
            const gr_dim *d = &fn->parameters[i].signature->dims[k];
            if (d->kind == GR_DIM_LETTER) gr_guess_name_as(g, s, d->letter, &unknown);
        }
}

/* False: the call fails, which is noted. */
static bool check_signatures(gr_guesser *g, gr_guess_scope *s, const gr_fn *fn) {
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        const gr_parameter *p = &fn->parameters[i];
        if (!p->signature || p->pattern->kind != GR_N_PATTERN_NAME) continue;
        const gr_guess *is = gr_guess_named(s->names, p->pattern->as.name);
        if (!is || is->kind != GR_G_NUMERIC || matches(g, s, p->signature, &is->type)) continue;
        note_mismatch(g, p, &is->type);
        return false;
    }
    return true;
}

void gr_guess_parameters(gr_guesser *g, gr_guess_scope *s, const gr_fn *fn) {
    hide_letters(g, s, fn);
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        const gr_parameter *p = &fn->parameters[i];
        ad_type type = {.dtype = (uint8_t)ad_default_dtype(gr_ctx(g->vm))};
        bool known = p->signature && p->signature->count && p->signature->count <= AD_MAX_RANK;
        for (uint32_t k = 0; known && k < p->signature->count; k++) {
            known = p->signature->dims[k].kind == GR_DIM_NUMBER;
            type.dims[type.rank++] = (int64_t)p->signature->dims[k].number;
        }
        gr_guess_bind(g, s, p->pattern, known ? gr_guess_of_type(g, &type) : gr_unknown());
    }
}

/* ---- the body --------------------------------------------------------------------------------- */

static gr_guess call_tree(gr_guesser *g, const gr_fn *fn, const gr_guess_scope *made,
                          uint32_t count, const gr_guess_argument *arguments) {
    gr_guess_scope scope = *made;
    passing p = {.g = g, .scope = &scope, .count = count, .arguments = arguments};
    bool tainted = g->tainted;
    scope.floor = scope.names;
    scope.inside = true;
    g->tainted = false;
    hide_letters(g, &scope, fn);
    for (uint32_t i = 0; i < fn->parameter_count; i++)
        if (!pass(&p, &fn->parameters[i])) g->tainted = true;
    gr_guess value = gr_unknown();
    if (!g->tainted && p.used == count && check_signatures(g, &scope, fn)) {
        value = fn->body->kind == GR_N_BLOCK ? gr_guess_block(g, &scope, fn->body)
                                             : gr_guess_expression(g, &scope, fn->body);
        if (g->tainted) value = gr_unknown();
    }
    g->tainted = tainted;
    return value;
}

/* ---- calls of values -------------------------------------------------------------------------- */

static const gr_fn *function_of(const gr_ast *ast) {
    const gr_node *n = ast && ast->root->as.block.count == 1 ? ast->root->as.block.items[0] : NULL;
    if (n && n->kind == GR_N_DEFINE) n = n->as.define;
    return n && n->kind == GR_N_FN ? n->as.fn : NULL;
}

/* Is the source a module's other than the main one's? Its names are not ours. */
static bool is_imported(const gr_vm *vm, const gr_source *source) {
    for (const gr_module *m = vm->library->modules; m; m = m->next)
        if (m != vm->library->main && m->source == source) return true;
    return false;
}

static gr_guess_scope room_of(const gr_vm *vm, const gr_source *source) {
    for (size_t f = 0; f < gr_stdlib_count; f++)
        if (strcmp(source->name, gr_stdlib[f].name) == 0)
            return (gr_guess_scope){.room = GR_IN_LIBRARY, .file = f};
    return (gr_guess_scope){.room = is_imported(vm, source) ? GR_IN_DARK : GR_IN_MAIN};
}

static void bind_captured(gr_guesser *g, gr_guess_scope *scope, const gr_closure *c) {
    for (uint32_t k = 0; k < c->proto->capture_count && k < c->function.held_count; k++) {
        const gr_capture *capture = &c->proto->captures[k];
        gr_value v = c->held[k];
        if (v.kind == GR_CELL) v = gr_as_cell(v)->value;
        if (capture->self) v = gr_of_kind(GR_FUNCTION, (void *)(uintptr_t)c);
        gr_guess is = gr_guess_of_value(g, v);
        gr_guess_name_as(g, scope, capture->name, &is);
    }
}

static gr_guess call_closure(gr_guesser *g, const gr_closure *c, uint32_t count,
                             const gr_guess_argument *arguments) {
    const gr_proto *p = c->proto;
    const char *text = p->source->text + p->span.begin;
    const gr_fn *fn = function_of(gr_guess_parse_kept(g, text, p->span.end - p->span.begin));
    if (!fn) return gr_unknown();
    gr_guess_scope scope = room_of(g->vm, p->source);
    bind_captured(g, &scope, c);
    return call_tree(g, fn, &scope, count, arguments);
}

static gr_guess call_value(gr_guesser *g, gr_value v, uint32_t count,
                           const gr_guess_argument *arguments) {
    if (v.kind != GR_FUNCTION) return gr_unknown();
    const gr_function *f = gr_as_function(v);
    if (f->form == GR_FORM_CLOSURE)
        return call_closure(g, (const gr_closure *)f, count, arguments);
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
