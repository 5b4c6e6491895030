/* SPDX-License-Identifier: MIT */
/*
 * The text of an expression is looked through for names, and each name for the variable that it means
 * there: a local, a captured one, a global. Values are those of now. Whether a variable still has the
 * value that was read then follows from what changed it last: from the order of source numbers for
 * globals, from the writers that reach either place for locals. In doubt it is "now".
 */
#include "why_names.h"

#include "heap_private.h"
#include "library.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_BOUND = 8, MOST_HANDED = 8 };

/* ---- then and now ----------------------------------------------------------------------------- */

/* What the top level is doing, as a source number. */
static uint32_t top_src(const gr_vm *vm) {
    const gr_frame *f = &vm->frames[vm->first_frame < vm->frame_count ? vm->first_frame : 0];
    return vm->frame_count ? f->proto->src_base + gr_frame_pc(f) : UINT32_MAX;
}

static bool is_running(const gr_vm *vm, const gr_proto *p) {
    for (uint32_t i = 0; i < vm->frame_count; i++)
        if (vm->frames[i].proto == p) return true;
    return false;
}

static bool global_moved(gr_vm *vm, const gr_global *g, const gr_scene *at) {
    uint32_t pc, changed = g->changed & 0x7fffffffu;
    const gr_proto *p = changed ? gr_src_decode(vm, changed, &pc) : NULL;
    if (g->params || !p) return false; /* a param keeps its shapes */
    bool module = p->source == at->proto->source && (p->flags & GR_PROTO_TOP) && p != at->proto;
    if (module && at->frame != GR_NO_FRAME && !is_running(vm, p)) return false; /* it ended before the call */
    bool ordered = p == at->proto || (p->flags & at->proto->flags & GR_PROTO_TOP);
    if (ordered) return changed >= at->proto->src_base + at->pc;
    return at->frame == GR_NO_FRAME || !(p->flags & GR_PROTO_TOP) || changed > top_src(vm);
}

static bool is_same(const gr_writers *a, const gr_writers *b) {
    return a->entry == b->entry && a->count == b->count &&
           memcmp(a->at, b->at, a->count * sizeof *a->at) == 0;
}

/* The same writers reach both places, and the code goes from them by the one to the other. */
static bool local_moved(gr_vm *vm, const gr_scene *at, uint32_t reg) {
    gr_writers then, now;
    gr_writing from = {.proto = at->proto, .pc = at->pc, .reg = reg};
    if (!gr_find_writers(vm, &from, &then)) return true;
    from.pc = gr_frame_pc(&vm->frames[at->frame]);
    if (!gr_find_writers(vm, &from, &now) || !is_same(&then, &now)) return true;
    return then.count && (then.at[then.count - 1] >= at->pc || at->pc > from.pc);
}

/* ---- variables -------------------------------------------------------------------------------- */

static bool is_cell(gr_value v) { return v.kind == GR_CELL; }

static void read_cell(gr_vm *vm, gr_value v, gr_read *r) {
    const gr_cell *cell = gr_as_cell(v);
    r->value = cell->value;
    r->now = !cell->params;
    gr_birth_of_src(vm, cell->changed, NULL, &r->birth);
}

bool gr_is_gone(gr_value v) { return v.kind == AD_NUMBER && !v.node && fabs(v.num) < DBL_MIN; }

static gr_value still_there(gr_value v) { return gr_is_gone(v) ? gr_absent() : v; }

/* A parameter that was let go has the value of the variable that was passed for it. */
static void read_argument(gr_vm *vm, const gr_seen *at, gr_read *r) {
    gr_span span;
    gr_read passed;
    if (vm->frame_count - at->frame > MOST_HANDED || !gr_argument_span(vm, at, &span)) return;
    const gr_frame *f = &vm->frames[at->frame - 1];
    gr_scene call = {f->proto->source, span, f->proto, gr_frame_pc(f), at->frame - 1};
    if (gr_reads_of(vm, &call, 1, &passed) == 0 || passed.span.begin != span.begin) return;
    if (passed.span.end == span.end) r->value = passed.value;
}

static void read_local(gr_vm *vm, const gr_scene *at, const gr_local_info *l, gr_read *r) {
    gr_seen seen = {at->frame, at->proto, at->pc, l->reg, NULL};
    if (at->frame != GR_NO_FRAME) {
        gr_value v = vm->frames[at->frame].base[l->reg];
        if (is_cell(v)) {
            read_cell(vm, v, r);
            return;
        }
        r->value = still_there(v);
        r->now = local_moved(vm, at, l->reg);
        if (gr_is_absent(r->value) && !r->now) read_argument(vm, &seen, r);
    }
    if (!l->cell && !gr_birth_of_local(vm, seen, &r->birth)) r->birth = (gr_birth){0};
}

static void read_captured(gr_vm *vm, const gr_scene *at, uint32_t k, gr_read *r) {
    const gr_closure *c = at->frame == GR_NO_FRAME ? NULL : vm->frames[at->frame].closure;
    if (c && k < c->function.held_count && is_cell(c->held[k])) {
        read_cell(vm, c->held[k], r);
        return;
    }
    if (c && k < c->function.held_count) r->value = c->held[k];
    if (!gr_birth_of_captured(vm, at->proto, k, NULL, &r->birth)) r->birth = (gr_birth){0};
}

static void read_global(gr_vm *vm, const gr_scene *at, uint32_t slot, gr_read *r) {
    const gr_global *g = &vm->globals[slot];
    r->value = g->value;
    r->now = global_moved(vm, g, at);
    if (!gr_birth_of_src(vm, g->changed, NULL, &r->birth)) r->birth = (gr_birth){0};
}

/* The global that the code means by the name, if it reads it anywhere. */
static bool global_of(const gr_vm *vm, const gr_proto *p, const gr_name *name, uint32_t *slot) {
    for (uint32_t pc = 0; pc < p->code_count; pc++) {
        gr_insn i = p->code[pc];
        if (i.op != GR_I_GETGLOBAL && i.op != GR_I_CALLG) continue;
        *slot = i.op == GR_I_CALLG ? i.c : i.wide;
        if (vm->globals[*slot].name == name && !(vm->globals[*slot].flags & GR_GLOBAL_LIBRARY)) return true;
    }
    return false;
}

static bool read_variable(gr_vm *vm, const gr_scene *at, const gr_name *name, gr_read *r) {
    const gr_proto *p = at->proto;
    uint32_t slot;
    for (uint32_t i = p->local_count; i-- > 0;) {
        const gr_local_info *l = &p->locals[i];
        if (l->name != name || l->begin > at->pc || at->pc >= l->end) continue;
        read_local(vm, at, l, r);
        return true;
    }
    for (uint32_t k = 0; k < p->capture_count; k++)
        if (p->captures[k].name == name && !p->captures[k].self) {
            read_captured(vm, at, k, r);
            return true;
        }
    if (!global_of(vm, p, name, &slot)) return false;
    read_global(vm, at, slot, r);
    return true;
}

/* ---- the text --------------------------------------------------------------------------------- */

typedef struct reader {
    gr_vm *vm;
    const gr_scene *scene;
    gr_lexer lexer;
    gr_token token;
    const gr_name *bound[MOST_BOUND]; /* by comprehensions */
    uint32_t bound_count;
} reader;

static void next(reader *r) { r->token = gr_lexer_next(&r->lexer, false); }

/* Behind a string; what stands in the braces of one is not looked at. */
static bool skip_string(reader *r) {
    gr_buffer ignored;
    gr_token quote = r->token;
    gr_buffer_init(&ignored, r->vm->ctx);
    bool whole = gr_lexer_string(&r->lexer, &quote, &ignored) == GR_PIECE_QUOTE;
    gr_buffer_free(&ignored);
    return whole;
}

static bool is_bound(const reader *r, const gr_name *name) {
    for (uint32_t i = 0; i < r->bound_count; i++)
        if (r->bound[i] == name) return true;
    return false;
}

static void bind(reader *r) {
    for (; r->token.kind != GR_T_IN && r->token.kind != GR_T_END; next(r))
        if (r->token.kind == GR_T_NAME && r->bound_count < MOST_BOUND)
            r->bound[r->bound_count++] = r->token.name;
}

/* `.name` of a record; the birth of the whole is that of a field only where the code shows it. */
static bool go_into(gr_vm *vm, gr_read *read, const gr_name *name) {
    if (read->value.kind != GR_RECORD) return false;
    gr_value *field = gr_record_find_text(vm, read->value, name->text);
    if (!field) return false;
    read->value = *field;
    return read->birth.within = true;
}

static void read_path(reader *r, gr_read *read) {
    read->span.end = r->token.span.end;
    next(r);
    while (r->token.kind == GR_T_DOT) {
        next(r);
        bool field = r->token.kind == GR_T_NAME && go_into(r->vm, read, r->token.name);
        if (field) read->span.end = r->token.span.end;
        next(r);
    }
}

/* The birth of an item, where it is tracked, or else of the whole. */
static void refine(gr_vm *vm, gr_read *read) {
    gr_birth own = {0};
    if (!gr_birth_of_tracked(vm, read->value, &own)) return;
    read->birth = own;
    if (own.param) read->now = false;
}

static bool take_name(reader *r, gr_read *read) {
    const gr_name *name = r->token.name;
    *read = (gr_read){.span = r->token.span, .value = gr_absent()};
    bool known = !is_bound(r, name) && read_variable(r->vm, r->scene, name, read);
    read_path(r, read);
    if (r->token.kind == GR_T_ASSIGN) return false; /* the name of an argument or field */
    bool library = r->scene->proto->flags & GR_PROTO_LIBRARY;
    if (known && read->value.kind != GR_ABSENT) refine(r->vm, read);
    if (library && !read->birth.param) read->birth = (gr_birth){0}; /* its own places say nothing */
    return known && read->value.kind != GR_FUNCTION && (read->birth.source || !gr_is_absent(read->value));
}

static bool is_known(const gr_source *source, uint32_t count, const gr_read *reads, gr_span span) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = span.end - span.begin;
        if (reads[i].span.end - reads[i].span.begin == size &&
            memcmp(source->text + reads[i].span.begin, source->text + span.begin, size) == 0)
            return true;
    }
    return false;
}

/* What a function reads is read when it is called. */
static bool ends_reading(gr_token_kind kind) {
    return kind == GR_T_END || kind == GR_T_ERROR || kind == GR_T_FN;
}

uint32_t gr_reads_of(gr_vm *vm, const gr_scene *scene, uint32_t room, gr_read *reads) {
    reader r = {.vm = vm, .scene = scene};
    gr_report ignored;
    uint32_t count = 0;
    gr_report_init(&ignored, vm->ctx);
    r.lexer = (gr_lexer){.lexicon = vm->library->lexicon, .source = scene->source, .report = &ignored,
                         .at = scene->span.begin, .end = scene->span.end, .quiet = true};
    next(&r);
    while (count < room && !ends_reading(r.token.kind)) {
        if (r.token.kind == GR_T_FOR) bind(&r);
        if (r.token.kind == GR_T_QUOTE && !skip_string(&r)) break;
        if (r.token.kind != GR_T_NAME) {
            next(&r);
            continue;
        }
        if (take_name(&r, &reads[count]) && !is_known(scene->source, count, reads, reads[count].span))
            count++;
    }
    gr_report_clear(&ignored);
    return count;
}

gr_scene gr_scene_of(gr_vm *vm, const gr_birth *birth, uint32_t frame) {
    gr_scene s = {birth->source, gr_birth_span(birth), birth->proto, birth->pc, GR_NO_FRAME};
    if (frame == GR_NO_FRAME) return s;
    for (uint32_t i = frame + (birth->argument ? 0u : 1u); i-- > vm->first_frame;)
        if (vm->frames[i].proto == birth->proto) {
            s.frame = i;
            break;
        }
    return s;
}
