/* SPDX-License-Identifier: MIT */
/*
 * The record of a session (journal.h). The state in front of each statement is set aside, so what it
 * wrote is what differs afterwards: nobody changes a value in place that a state that was set aside holds
 * too. What changed nothing but `ans` is remembered for :save, and is no step of :undo.
 */
#include "journal.h"

#include "format.h"
#include "heap_private.h"
#include "library.h"
#include "reach.h"
#include "twins.h"

#include <string.h>

void gr_statement_free(gr_vm *vm, gr_statement *s) {
    gr_places_free(vm, &s->reads);
    gr_places_free(vm, &s->writes);
    gr_places_free(vm, &s->names);
    gr_places_free(vm, &s->defined);
    gr_buffer_free(&s->printed);
    gr_buffer_free(&s->values);
    gr_buffer_free(&s->lost);
    *s = (gr_statement){0};
}

static void begin_record(gr_journal *j, gr_record_kind kind) {
    ad_ctx *ctx = j->vm->ctx;
    j->now = (gr_statement){.kind = kind, .before = ad_random_get(ctx), .dtype = ad_default_dtype(ctx)};
    gr_buffer_init(&j->now.printed, ctx);
    gr_buffer_init(&j->now.values, ctx);
    gr_buffer_init(&j->now.lost, ctx);
}

static bool append(gr_journal *j) {
    if (!gr_proto_grow(j->vm, &j->statements, &j->room, j->count + 1, sizeof *j->statements)) return false;
    j->statements[j->count++] = j->now;
    j->now = (gr_statement){0};
    return true;
}

/* ---- environments ----------------------------------------------------------------------------- */

static gr_top *set_aside(gr_vm *vm) {
    gr_top *top = ad_mem_get(vm->ctx, sizeof *top);
    if (!top) return NULL;
    if (gr_top_save(vm, top)) return top;
    ad_mem_put(vm->ctx, top, sizeof *top);
    return NULL;
}

static void let_go(gr_vm *vm, gr_top *top) {
    if (!top) return;
    gr_top_keep(vm, top);
    ad_mem_put(vm->ctx, top, sizeof *top);
}

static void forget_oldest(gr_journal *j) {
    let_go(j->vm, j->tops[0]);
    j->top_count--;
    j->forgotten++;
    memmove(j->tops, j->tops + 1, j->top_count * sizeof *j->tops);
    memmove(j->at, j->at + 1, j->top_count * sizeof *j->at);
}

static void forget_all(gr_journal *j) {
    while (j->top_count) forget_oldest(j);
}

size_t gr_undo_bytes(const gr_journal *j) {
    size_t all = ad_memory_limit(j->vm->ctx);
    return all && all / 4 < j->limit ? all / 4 : j->limit;
}

/* How many of the newest environments fit. As long as all that is in use is less than the limit nothing has
 * to be counted. */
static uint32_t count_fitting(gr_journal *j) {
    uint32_t n = 0;
    gr_twins seen = {0};
    size_t used = ad_mem_statistics(j->vm->ctx).in_use, most = ad_memory_limit(j->vm->ctx);
    if (used <= gr_undo_bytes(j)) return j->top_count;
    if (most && used > most / 2) return 0; /* what is wanted next goes before what was */
    gr_reach_bytes(j->vm, NULL, &seen);
    for (size_t bytes = 0; n < j->top_count; n++) {
        bytes += gr_reach_bytes(j->vm, j->tops[j->top_count - 1 - n], &seen);
        if (bytes > gr_undo_bytes(j)) break;
    }
    gr_twins_free(j->vm, &seen);
    return n;
}

static void keep_limits(gr_journal *j) {
    uint32_t fitting = count_fitting(j);
    if (j->top_count == fitting) return;
    for (; j->top_count > fitting; j->over++) forget_oldest(j);
    ad_collect(j->vm->ctx, true);
}

static void remember_top(gr_journal *j, gr_top *top) {
    if (!j->limit) {
        let_go(j->vm, top);
        return;
    }
    if (j->top_count == GR_MOST_UNDO) forget_oldest(j);
    j->tops[j->top_count] = top;
    j->at[j->top_count++] = j->count - 1;
    keep_limits(j);
}

void gr_undo_limit(gr_journal *j, size_t bytes) {
    j->limit = bytes;
    if (!bytes) forget_all(j);
    keep_limits(j);
}

/* ---- what a statement wrote ------------------------------------------------------------------- */

static bool is_same(gr_value a, gr_value b) { return a.head == b.head && a.ptr == b.ptr; }

static const gr_global *row_of(const gr_top *top, uint32_t slot) {
    const gr_global *row = slot < top->count ? &top->rows[slot] : NULL;
    return row && gr_is_own_global(row) && !gr_is_absent(row->value) ? row : NULL;
}

static bool is_changed(const gr_top *before, uint32_t slot, const gr_global *now) {
    const gr_global *row = row_of(before, slot);
    if (!row) return !gr_is_absent(now->value);
    return !is_same(row->value, now->value) || row->changed != now->changed || row->params != now->params;
}

static bool is_answer(const gr_global *g) { return strcmp(g->name->text, "ans") == 0; }

/* Gives whether anything but `ans` changed. */
static bool find_writes(gr_journal *j) {
    gr_vm *vm = j->vm;
    bool any = false;
    for (uint32_t i = 0; i < vm->global_count; i++) {
        const gr_global *g = &vm->globals[i];
        bool answer = is_answer(g) && j->now.answered;
        if (!gr_is_own_global(g) || (!answer && !is_changed(j->before, i, g))) continue;
        any |= !is_answer(g);
        gr_places_add(vm, &j->now.writes, gr_place_of_slot(i));
    }
    for (uint32_t i = 0; i < j->before->cell_count; i++) {
        const gr_top_cell *c = &j->before->cells[i];
        if (is_same(c->value, c->cell->value) && c->changed == c->cell->changed) continue;
        any = true;
        gr_places_add(vm, &j->now.writes, (uintptr_t)c->cell);
    }
    return any;
}

/* ---- what its text alone does not make again -------------------------------------------------- */

/* A function that holds nothing is its text. */
static bool put_function(gr_journal *j, const gr_name *name, gr_value v) {
    const gr_function *f = v.kind == GR_FUNCTION ? gr_as_function(v) : NULL;
    if (!f || f->form != GR_FORM_CLOSURE || f->held_count) return false;
    gr_proto *p = ((const gr_closure *)f)->proto;
    bool foreign = p->flags & GR_PROTO_LIBRARY || gr_reach_paused(j->vm, p);
    if (foreign || (p->name && p->name != name)) return false;
    if (!p->name) gr_buffer_printf(&j->now.values, "let %s = ", name->text);
    gr_buffer_put(&j->now.values, p->source->text + p->span.begin, p->span.end - p->span.begin);
    gr_buffer_puts(&j->now.values, "\n");
    return gr_reach_names(j->vm, p, &j->now.names);
}

static void put_value(gr_journal *j, uint32_t slot) {
    gr_vm *vm = j->vm;
    gr_statement *s = &j->now;
    const gr_global *g = &vm->globals[slot], *row = row_of(j->before, slot);
    gr_buffer text;
    if (put_function(j, g->name, g->value)) {
        gr_places_add(vm, &s->defined, gr_place_of_slot(slot));
        return;
    }
    gr_buffer_init(&text, vm->ctx);
    bool update = g->params && row && row->params == g->params;
    bool told = !gr_is_absent(g->value) && gr_format_source(vm, &text, g->value) && !text.failed;
    if (told && text.size <= GR_MOST_PRINTED) {
        gr_buffer_printf(&s->values, "%s%s %s ", update ? "" : g->params ? "param " : "let ", g->name->text,
                         update ? ":=" : "=");
        gr_buffer_put(&s->values, text.text, text.size);
        gr_buffer_puts(&s->values, "\n");
        gr_places_add(vm, update ? &s->reads : &s->defined, gr_place_of_slot(slot));
    } else {
        gr_buffer_printf(&s->lost, "%s`%s`", s->lost.size ? ", " : "", g->name->text);
    }
    gr_buffer_free(&text);
}

/* As they are written where the default is f64: a literal would lose digits where it is f32. */
static void put_values(gr_journal *j) {
    gr_vm *vm = j->vm;
    ad_set_default_dtype(vm->ctx, AD_F64);
    gr_places_free(vm, &j->now.reads);
    gr_places_free(vm, &j->now.names);
    gr_places_free(vm, &j->now.defined);
    for (uint32_t i = 0; i < j->now.writes.count; i++) {
        uintptr_t place = j->now.writes.items[i];
        uint32_t slot = gr_slot_of_place(place);
        if (!gr_place_is_slot(place) || vm->globals[slot].module != vm->library->main)
            gr_buffer_printf(&j->now.lost, "%sa variable that a function holds",
                             j->now.lost.size ? ", " : "");
        else
            put_value(j, slot);
    }
    ad_set_default_dtype(vm->ctx, j->now.dtype_after);
}

/* ---- around a statement ----------------------------------------------------------------------- */

void gr_journal_begin(gr_journal *j, gr_record_kind kind) {
    if (j->open) return;
    if (!j->light && !(j->before = set_aside(j->vm))) return;
    j->open = true;
    begin_record(j, kind);
    j->chunks = j->vm->library->top_count;
    j->vm->effects = 0;
    j->vm->printed = j->light && j->heard > GR_MOST_PRINTED ? NULL : &j->now.printed;
}

void gr_journal_touch(gr_journal *j) { j->now.by_hand = true; }

static void find_reads(gr_journal *j) {
    const gr_library *l = j->vm->library;
    gr_proto *p = l->top_count > j->chunks ? l->tops[l->top_count - 1] : NULL;
    if (!p) return;
    j->now.source = p->source;
    j->now.proto = p;
    if (j->light) return;
    gr_reach_code(j->vm, j->before, p, &j->now.reads);
    gr_reach_names(j->vm, p, &j->now.names);
    gr_reach_defined(j->vm, p, &j->now.defined);
}

/* Did it change what is no variable? */
static bool set_state(const gr_statement *s) {
    bool drew = s->before.key != s->after.key || s->before.counter != s->after.counter;
    return drew || s->dtype != s->dtype_after;
}

/* A file that fails, or a text that was not run, leaves all as it was. */
static bool changes_nothing(const gr_journal *j) {
    return j->now.kind != GR_RECORD_RESET &&
           (!j->now.source || (j->now.kind == GR_RECORD_FILE && j->now.status == GR_FAILED));
}

/* What it read and wrote is found when somebody asks. */
static void end_light(gr_journal *j) {
    gr_statement *s = &j->now;
    s->light = true;
    s->unheard = !j->vm->printed;
    j->heard += s->printed.size;
    if (changes_nothing(j) || !append(j)) gr_statement_free(j->vm, s);
}

/* What older states hold may be what was wanted. */
static void make_room(gr_journal *j) {
    const gr_report *r = &j->vm->report;
    bool out = r->out_of_memory || (r->first && r->first->id == GR_E_out_of_memory);
    if (!out || !j->top_count) return;
    j->over += j->top_count;
    forget_all(j);
    ad_collect(j->vm->ctx, true);
}

void gr_journal_end(gr_journal *j, gr_status status) {
    gr_vm *vm = j->vm;
    gr_statement *s = &j->now;
    if (!j->open) return;
    make_room(j);
    s->status = status;
    s->after = ad_random_get(vm->ctx);
    s->dtype_after = ad_default_dtype(vm->ctx);
    s->effects = vm->effects;
    s->failed_at = vm->failed_at;
    s->answered = s->kind == GR_RECORD_TYPED && status == GR_OK && vm->has_answer;
    if (s->kind != GR_RECORD_RESET) find_reads(j);
    j->open = false;
    if (!j->before) end_light(j);
    vm->printed = NULL;
    if (!j->before) return;
    bool step = !changes_nothing(j) && (find_writes(j) || set_state(s) || s->kind == GR_RECORD_RESET);
    bool telling = step || (!changes_nothing(j) && (s->answered || s->effects & GR_EFFECT_WROTE_FILE));
    if (step && (s->by_hand || status == GR_INTERRUPTED)) put_values(j);
    gr_top *before = j->before;
    j->before = NULL;
    if (telling && append(j) && step) {
        remember_top(j, before);
        return;
    }
    gr_statement_free(vm, s);
    let_go(vm, before);
}

void gr_journal_settle(gr_journal *j) {
    forget_all(j);
    j->forgotten = j->over = 0;
}

bool gr_journal_undo(gr_journal *j, gr_statement *what) {
    if (!j->top_count) return false;
    uint32_t at = j->at[--j->top_count];
    gr_top *top = j->tops[j->top_count];
    gr_top_restore(j->vm, top);
    ad_mem_put(j->vm->ctx, top, sizeof *top);
    while (j->count > at + 1) gr_statement_free(j->vm, &j->statements[--j->count]);
    *what = j->statements[--j->count];
    if (what->dtype != what->dtype_after) ad_set_default_dtype(j->vm->ctx, what->dtype);
    return true;
}

/* ---- life ------------------------------------------------------------------------------------- */

void gr_journal_open(gr_journal *j, gr_vm *vm, bool light) {
    *j = (gr_journal){.vm = vm, .limit = GR_UNDO_BYTES, .light = light};
}

void gr_journal_keep(gr_journal *j) { j->light = false; }

void gr_journal_close(gr_journal *j) {
    gr_vm *vm = j->vm;
    forget_all(j);
    let_go(vm, j->before);
    j->before = NULL;
    vm->printed = NULL;
    while (j->count) gr_statement_free(vm, &j->statements[--j->count]);
    if (j->statements) ad_mem_put(vm->ctx, j->statements, j->room * sizeof *j->statements);
}
