/* SPDX-License-Identifier: MIT */
/*
 * A loop that is held up in front of a `:=`, for a prompt in its variables. While the pause lasts a module
 * stands in front of the main one: its names are the locals of the innermost function of the user's and,
 * where the loop is the library's, of the functions between. Each has a slot like a variable of the top
 * level, so a line is compiled and run like any other; behind each line what changed is copied to the
 * frame, or from it. What a line defines anew belongs to the top level.
 *
 * `stop` does what a `break` in the outermost loop of its function would do, in the frame on top or the
 * nearest below it that has one; never across C, where the run ends instead.
 */
#include "heap_private.h"
#include "library.h"

#include <string.h>

/* A variable of a frame and its slot. */
typedef struct mirror {
    uint32_t slot;
    gr_value *place; /* register, captured value, or inside the cell */
    gr_cell *cell;   /* or NULL */
    gr_value seen;   /* what both have; held by both */
    uint32_t frame;
} mirror;

typedef struct gr_pause {
    gr_module *module, *main;
    gr_module *file; /* imported, whose code it is that is held up; or NULL */
    mirror *mirrors;
    uint32_t count, room;
    gr_report report; /* of the run that is held up */
    bool recording, has_answer, failed;
    uint32_t told[GR_MOST_TOLD], told_count;
} gr_pause;

/* ---- names ------------------------------------------------------------------------------------ */

/* The module lasts as long as the vm: functions that were written at the prompt of a pause may still ask
 * for its slots, which are absent then. */
static gr_module *pause_module(gr_vm *vm) {
    gr_module *main = vm->library->main;
    if (vm->library->pause) return vm->library->pause;
    gr_module *m = vm->library->pause = gr_module_new(vm, false);
    if (m) m->outer = main;
    return m;
}

/* The module of an imported file. */
static gr_module *file_of(gr_vm *vm, const gr_frame *f) {
    for (gr_module *m = vm->library->modules; m; m = m->next)
        if (m->source == f->proto->source && !m->library && m != vm->library->main) return m;
    return NULL;
}

static uint32_t slot_of(gr_vm *vm, gr_module *m, const gr_name *name) {
    gr_module *outer = m->outer;
    uint32_t slot = UINT32_MAX;
    for (uint32_t i = 0; i < m->count && slot == UINT32_MAX; i++)
        if (vm->globals[m->order[i]].name == name) slot = m->order[i];
    m->outer = NULL;
    if (slot == UINT32_MAX) slot = gr_global_new(vm, m, name);
    else m->slots[name->serial] = slot + 1;
    m->outer = outer;
    return slot;
}

static bool is_same(gr_value a, gr_value b) { return a.head == b.head && a.ptr == b.ptr; }

static void set_params(gr_global *g, const gr_cell *cell) {
    g->flags &= ~(uint32_t)GR_GLOBAL_PARAM;
    g->params = cell ? cell->params : NULL;
    g->param_count = cell ? cell->param_count : 0;
    if (g->params) g->flags |= GR_GLOBAL_PARAM;
}

/* Is the name taken by an inner variable, or (of the library's) by one of the user's? */
static bool is_hidden(gr_vm *vm, const gr_pause *p, const gr_name *name, bool library) {
    const gr_module *m = p->module;
    if (name->serial < m->room && m->slots[name->serial]) return true;
    if (!library) return false;
    uint32_t slot = gr_module_slot(p->main, name);
    bool known = slot != UINT32_MAX && !gr_is_absent(vm->globals[slot].value);
    return name->text[0] == '_' || (known && !(vm->globals[slot].flags & GR_GLOBAL_LIBRARY));
}

static void add_mirror(gr_vm *vm, gr_pause *p, const gr_name *name, gr_value *place, uint32_t frame) {
    bool library = vm->frames[frame].proto->flags & GR_PROTO_LIBRARY;
    gr_cell *cell = place->kind == GR_CELL ? gr_as_cell(*place) : NULL;
    gr_value *at = cell ? &cell->value : place;
    if (gr_is_absent(*at) || is_hidden(vm, p, name, library)) return;
    uint32_t slot = slot_of(vm, p->module, name);
    if (slot == UINT32_MAX ||
        !gr_proto_grow(vm, &p->mirrors, &p->room, p->count + 1, sizeof *p->mirrors)) {
        p->failed = true;
        return;
    }
    gr_global *g = &vm->globals[slot];
    g->value = gr_retain(vm, *at);
    g->flags = GR_GLOBAL_DEFINED;
    g->changed = cell ? cell->changed : 0;
    set_params(g, cell);
    p->mirrors[p->count++] =
        (mirror){.slot = slot, .place = at, .cell = cell, .seen = *at, .frame = frame};
}

static bool kills(const gr_insn *i, uint32_t reg) {
    return ((i->flags & GR_KILL_A) && i->a == reg) || ((i->flags & GR_KILL_B) && i->b == reg) ||
           ((i->flags & GR_KILL_C) && i->c == reg);
}

/* Is it in its block, and has nothing used it up? */
static bool is_alive(const gr_proto *proto, const gr_local_info *l, uint32_t pc) {
    if (pc < l->begin || pc >= l->end) return false;
    for (uint32_t k = l->begin; k <= pc && !l->cell; k++)
        if (proto->code[k].op != GR_I_RELEASE && kills(&proto->code[k], l->reg)) return false;
    return true;
}

/* Has an inner block a variable of the same name? */
static bool is_shadowed(const gr_proto *proto, uint32_t i, uint32_t pc) {
    const gr_local_info *l = proto->locals;
    for (uint32_t k = i + 1; k < proto->local_count; k++)
        if (l[k].name == l[i].name && l[k].begin <= pc && pc < l[k].end) return true;
    return false;
}

static void add_frame(gr_vm *vm, gr_pause *p, uint32_t frame) {
    const gr_frame *f = &vm->frames[frame];
    const gr_proto *proto = f->proto;
    uint32_t pc = gr_frame_pc(f);
    for (uint32_t i = 0; i < proto->local_count; i++) {
        const gr_local_info *l = &proto->locals[i];
        if (is_alive(proto, l, pc) && !is_shadowed(proto, i, pc))
            add_mirror(vm, p, l->name, &f->base[l->reg], frame);
    }
    for (uint32_t i = 0; i < proto->capture_count; i++)
        add_mirror(vm, p, proto->captures[i].name, &f->closure->held[i], frame);
}

static void add_names(gr_vm *vm, gr_pause *p) {
    uint32_t user = gr_user_frame(vm, vm->frame_count - 1);
    add_frame(vm, p, user);
    for (uint32_t i = vm->frame_count; --i > user;) add_frame(vm, p, i);
}

/* ---- what changed ----------------------------------------------------------------------------- */

/* A `let` or `param` of the name has given the ids of the old value back. */
static void sync_params(gr_global *g, gr_cell *cell) {
    if (!cell || g->params == cell->params) return;
    cell->params = g->params;
    cell->param_count = g->param_count;
}

static void sync_mirror(gr_vm *vm, mirror *m) {
    gr_global *g = &vm->globals[m->slot];
    if (!is_same(g->value, m->seen)) {
        if (m->cell) m->cell->changed = g->changed;
        gr_replace(vm, m->place, gr_retain(vm, g->value));
        sync_params(g, m->cell);
    } else if (!is_same(*m->place, m->seen)) {
        gr_replace(vm, &g->value, gr_retain(vm, *m->place));
        g->changed = m->cell ? m->cell->changed : 0;
        set_params(g, m->cell);
    }
    m->seen = *m->place;
}

void gr_pause_sync(gr_vm *vm) {
    gr_pause *p = vm->paused;
    for (uint32_t i = 0; p && i < p->count; i++) sync_mirror(vm, &p->mirrors[i]);
}

static void drop_mirror(gr_vm *vm, gr_pause *p, const mirror *m) {
    gr_global *g = &vm->globals[m->slot];
    if (!m->cell) gr_params_drop(vm, g->params, g->param_count);
    gr_replace(vm, &g->value, gr_absent());
    p->module->slots[g->name->serial] = 0;
    *g = (gr_global){.value = gr_absent(), .name = g->name, .module = g->module};
}

/* ---- where ------------------------------------------------------------------------------------ */

static void tell_names(gr_vm *vm, const gr_pause *p, uint32_t frame, const char *what, gr_buffer *out) {
    enum { MOST = 16 };
    uint32_t told = 0, left_out = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const mirror *m = &p->mirrors[i];
        if (m->frame != frame || m->seen.kind == GR_FUNCTION) continue;
        const char *name = vm->globals[m->slot].name->text;
        if (told == MOST) left_out++;
        else gr_buffer_printf(out, "%s%s", told++ ? " " : what, name);
    }
    if (left_out) gr_buffer_printf(out, " … %u more", left_out);
    if (told) gr_buffer_puts(out, "\n");
}

/* The statement, or its beginning where it is long. */
static void tell_statement(const gr_source *source, gr_span span, gr_buffer *out) {
    enum { MOST = 72 };
    const char *text = source->text + span.begin, *newline = memchr(text, '\n', span.end - span.begin);
    size_t whole = span.end - span.begin, size = newline ? (size_t)(newline - text) : whole;
    if (size > MOST) size = MOST;
    while (size < whole && ((unsigned char)text[size] & 0xc0) == 0x80) size--;
    gr_buffer_puts(out, "    ");
    gr_buffer_put(out, text, size);
    gr_buffer_puts(out, size < whole ? " …\n" : "\n");
}

static void tell_where(gr_vm *vm, const gr_pause *p, gr_buffer *out) {
    uint32_t user = gr_user_frame(vm, vm->frame_count - 1);
    const gr_frame *f = &vm->frames[user];
    const gr_source *source = f->proto->source;
    gr_span span = gr_proto_span(f->proto, gr_frame_pc(f), 0);
    uint32_t line = gr_source_line(source, span.begin);
    const gr_name *inside = user + 1 < vm->frame_count ? f[1].proto->name : NULL;
    gr_buffer_puts(out, "paused");
    if (inside) gr_buffer_printf(out, " inside `%s`, called", inside->text);
    gr_buffer_printf(out, " at %s:%u%s\n", source->name, line, inside ? "" : ", in front of");
    tell_statement(source, span, out);
    tell_names(vm, p, user, "variables: ", out);
    if (inside) tell_names(vm, p, vm->frame_count - 1, "inside: ", out);
}

/* ---- the end of the loop ---------------------------------------------------------------------- */

static const gr_loop_info *outermost_loop(const gr_frame *f) {
    const gr_loop_info *found = NULL;
    uint32_t pc = gr_frame_pc(f);
    for (uint32_t i = 0; i < f->proto->loop_count; i++) {
        const gr_loop_info *l = &f->proto->loops[i];
        if (l->begin <= pc && pc < l->end && (!found || l->begin < found->begin)) found = l;
    }
    return found;
}

/* The frame whose loop ends; frame_count: C stands in between, or there is none. */
static uint32_t looping_frame(const gr_vm *vm) {
    for (uint32_t i = vm->frame_count; i-- > 0;) {
        if (outermost_loop(&vm->frames[i])) return i;
        if (vm->frames[i].flags & GR_FRAME_ENTRY) break;
    }
    return vm->frame_count;
}

static void leave_recordings(gr_vm *vm, uint32_t frame, uint32_t keep) {
    uint32_t own = vm->recording_count;
    while (own > 0 && vm->recordings[own - 1].frame >= frame) own--;
    while (vm->recording_count > own + keep) gr_update_end(vm);
}

static bool stop_loop(gr_vm *vm) {
    uint32_t frame = looping_frame(vm);
    if (vm->interruptible || frame == vm->frame_count) {
        vm->raised = vm->interrupted = true;
        return false;
    }
    while (vm->frame_count > frame + 1) gr_pop_frame(vm);
    gr_frame *f = &vm->frames[frame];
    const gr_loop_info *l = outermost_loop(f);
    leave_recordings(vm, frame, l->updating);
    for (uint32_t i = l->top; i < f->proto->registers; i++)
        if (f->base[i].head > AD_BOOL) gr_release(vm, gr_take(&f->base[i]));
    f->pc = f->proto->code + l->end;
    return true;
}

/* ---- a pause ---------------------------------------------------------------------------------- */

/* What runs again (unseen, where its time is measured) or is differentiated from outside must not see what
 * somebody types. */
static bool may_pause(const gr_vm *vm) {
    return !vm->paused && vm->write && !vm->muted && !vm->sealed && vm->active_count <= vm->active_floor;
}

static bool open_pause(gr_vm *vm, gr_pause *p) {
    *p = (gr_pause){.main = vm->library->main, .module = pause_module(vm),
                    .file = file_of(vm, &vm->frames[gr_user_frame(vm, vm->frame_count - 1)]),
                    .recording = ad_is_recording(vm->ctx), .has_answer = vm->has_answer,
                    .told_count = vm->told_count};
    if (!p->module) return false;
    memcpy(p->told, vm->told, sizeof p->told);
    add_names(vm, p);
    p->report = vm->report;
    gr_report_init(&vm->report, vm->ctx);
    vm->paused = p;
    if (p->file) {
        p->file->outer = p->main;
        p->module->outer = p->file;
    }
    vm->first_frame = vm->frame_count;
    vm->library->main = p->module;
    return !p->failed;
}

static void close_pause(gr_vm *vm, gr_pause *p) {
    vm->library->main = p->main;
    if (p->file) p->file->outer = NULL;
    p->module->outer = p->main;
    vm->paused = NULL;
    vm->first_frame = 0;
    gr_report_clear(&vm->report);
    vm->report = p->report;
    for (uint32_t i = 0; i < p->count; i++) drop_mirror(vm, p, &p->mirrors[i]);
    if (p->mirrors) ad_mem_put(vm->ctx, p->mirrors, p->room * sizeof *p->mirrors);
    memcpy(vm->told, p->told, sizeof p->told);
    vm->told_count = p->told_count;
    vm->has_answer = p->has_answer;
    ad_set_recording(vm->ctx, p->recording);
}

bool gr_pause_here(gr_vm *vm) {
    gr_pause p;
    gr_buffer where;
    vm->pausing->updating = 1;
    if (!vm->pausing->wanted || !may_pause(vm)) return true;
    vm->pausing->wanted = 0;
    gr_buffer_init(&where, vm->ctx);
    bool opened = open_pause(vm, &p);
    if (opened) tell_where(vm, &p, &where);
    gr_go go = opened ? vm->pause(vm->user, vm, where.text ? where.text : "") : GR_GO_ON;
    gr_buffer_free(&where);
    if (p.module) close_pause(vm, &p);
    vm->raised = vm->exiting = go == GR_GO_EXIT;
    vm->interrupted = false;
    if (!opened) gr_raise_memory(vm);
    return opened && go != GR_GO_EXIT && (go == GR_GO_ON || stop_loop(vm));
}

bool gr_call_interruptible(gr_vm *vm, gr_value f, uint32_t count, const gr_value *args, gr_value *out) {
    vm->interruptible++;
    bool ok = gr_call_function(vm, f, count, args, out);
    vm->interruptible--;
    return ok;
}
