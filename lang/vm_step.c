/* SPDX-License-Identifier: MIT */
/*
 * What the loop's instructions do when it takes more than a few lines: operators on other than plain
 * numbers, variables that are no registers of the frame, assertions. The frame's pc is stored before they
 * are called. What operators mean is in vm_slow.c, the way into a value in vm_access.c.
 */
#include "format.h"
#include "gradus.h"
#include "vm_step.h"
#include "why.h"

#include <string.h>

/* ---- operators -------------------------------------------------------------------------------- */

/* Two numbers, one of them tracked. */
bool gr_step_tracked(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
                     gr_value *c, unsigned kill) {
    ad_status s = ad_step2(vm->ctx, op, gr_frame_src(f), a, b, c, kill & GR_KILL_B, kill & GR_KILL_C);
    if (s == AD_OK) {
        vm->dirty |= a->head > AD_BOOL;
        return true;
    }
    gr_value in[2] = {*b, *c};
    gr_raise_operands(vm, s, 2, in);
    return false;
}

bool gr_step_binary(gr_vm *vm, const gr_frame *f, gr_binary run, ad_op op, gr_value *a,
                    gr_value *b, gr_value *c) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (!run(vm, op, gr_frame_src(f), *b, *c, &out)) return false;
    gr_kill_operands(vm, i, b, c);
    gr_replace(vm, a, out);
    return true;
}

/* A constant is on the right, or on the left where `reversed`; it is not killed. */
bool gr_step_constant(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
                      gr_value k, bool reversed) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (b->kind <= AD_BOOL && a->kind <= AD_TENSOR) {
        unsigned kill = i->flags & GR_KILL_B;
        if (!reversed) return gr_step_tracked(vm, f, op, a, b, &k, kill);
        return gr_step_tracked(vm, f, op, a, &k, b, kill ? GR_KILL_C : 0);
    }
    bool ok = reversed ? gr_arithmetic(vm, op, gr_frame_src(f), k, *b, &out)
                       : gr_arithmetic(vm, op, gr_frame_src(f), *b, k, &out);
    if (!ok) return false;
    if (i->flags & GR_KILL_B) gr_let_go(vm, b);
    gr_replace(vm, a, out);
    return true;
}

/* -1: raised; else whether the comparison holds. */
int gr_step_test(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b, bool kill_b) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (!gr_compare(vm, op, gr_frame_src(f), *a, *b, &out)) return -1;
    int truth = gr_condition(vm, out);
    gr_release(vm, out);
    if (truth < 0) return -1;
    if (i->flags & GR_KILL_A) gr_let_go(vm, a);
    if (kill_b && (i->flags & GR_KILL_B)) gr_let_go(vm, b);
    return truth;
}

/* ---- variables -------------------------------------------------------------------------------- */

/* Underlines the name alone, where a call of it is underlined; what stands behind it. */
static const char *narrow(gr_diagnostic *d, const gr_name *name) {
    const gr_label *place = &d->primary;
    uint32_t begin = place->span.begin;
    if (!place->source || place->source->size - begin < name->length ||
        memcmp(place->source->text + begin, name->text, name->length) != 0)
        return "";
    d->primary.span.end = begin + name->length;
    return place->source->text + d->primary.span.end;
}

static bool unbound(gr_vm *vm, const gr_name *name) {
    gr_diagnostic *d = gr_raise(vm, GR_E_unknown_name, "`%s` is not defined", name->text);
    if (!d || gr_hint_foreign(d, name->text, narrow(d, name))) return false;
    gr_suggestion s = gr_suggest_begin(name->text, name->length);
    gr_offer_names(vm, gr_main_module(vm), &s);
    if (s.best && !(s.best_size == name->length && memcmp(s.best, name->text, s.best_size) == 0))
        gr_diag_help(d, "a similar name is `%.*s`", (int)s.best_size, s.best);
    return false;
}

static bool early(gr_vm *vm) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    gr_diagnostic *d = gr_raise(vm, GR_E_unknown_name, "`%.*s` is used before it is defined",
                                source ? (int)(span.end - span.begin) : 0,
                                source ? source->text + span.begin : "");
    gr_diag_help(d, "move its definition up, in front of the first use");
    return false;
}

static bool bind_global(gr_vm *vm, uint32_t slot) {
    const gr_global *g = &vm->globals[slot];
    if (g->flags & GR_GLOBAL_PENDING) return gr_bind_pending(vm, slot);
    if (g->flags & GR_GLOBAL_DECLARED) {
        gr_diagnostic *d =
            gr_raise(vm, GR_E_unknown_name, "`%s` is used before it is defined", g->name->text);
        gr_diag_help(d, "move its definition up, in front of the first use");
        return false;
    }
    return unbound(vm, g->name);
}

bool gr_step_get_global(gr_vm *vm, uint32_t slot, gr_value *to) {
    if (gr_is_absent(vm->globals[slot].value) && !bind_global(vm, slot)) return false;
    gr_replace(vm, to, gr_retain(vm, vm->globals[slot].value));
    return true;
}

bool gr_step_set_global(gr_vm *vm, const gr_frame *f, uint32_t slot, gr_value *from, bool define) {
    gr_global *g = &vm->globals[slot];
    if (vm->sealed && !(f->proto->flags & GR_PROTO_TOP)) return gr_refuse_assignment(vm, g->name);
    if (!define && gr_is_absent(g->value) && !bind_global(vm, slot)) return false;
    gr_value v = (f->pc - 1)->flags & GR_KILL_A ? gr_take(from) : gr_retain(vm, *from);
    g->flags |= GR_GLOBAL_DEFINED;
    g->changed = gr_frame_src(f);
    if (define) {
        gr_params_drop(vm, g->params, g->param_count);
        g->params = NULL;
        g->param_count = 0;
    }
    gr_replace(vm, &g->value, v);
    return true;
}

bool gr_step_load_cell(gr_vm *vm, gr_value cell, gr_value *to) {
    gr_value v = gr_as_cell(cell)->value;
    if (gr_is_absent(v)) return early(vm);
    gr_replace(vm, to, gr_retain(vm, v));
    return true;
}

bool gr_step_store_cell(gr_vm *vm, const gr_frame *f, gr_value cell, gr_value *from) {
    if (gr_as_cell(cell)->born < vm->sealed) return gr_refuse_assignment(vm, NULL);
    gr_value v = (f->pc - 1)->flags & GR_KILL_A ? gr_take(from) : gr_retain(vm, *from);
    gr_as_cell(cell)->changed = gr_frame_src(f);
    gr_replace(vm, &gr_as_cell(cell)->value, v);
    return true;
}

bool gr_step_new_cell(gr_vm *vm, gr_value *v) {
    gr_value cell = gr_cell_new(vm, gr_take(v));
    if (gr_failed(cell)) return false;
    *v = cell;
    return true;
}

/* Was it made before the checkpoint that runs? */
static bool is_outside(const gr_vm *vm, const gr_frame *f, const gr_place *place) {
    if (place->access == GR_IN_HELD_CELL)
        return gr_as_cell(f->closure->held[place->index])->born < vm->sealed;
    return place->access == GR_IN_HELD || place->access == GR_IN_GLOBAL;
}

/* The variable of a target that is no register of the frame; NULL: raised. */
static gr_value *outer_place(gr_vm *vm, gr_frame *f, const gr_target *t, uint32_t src) {
    gr_value *place = gr_place_value(vm, f, &t->place);
    if (!place) return NULL;
    if (vm->sealed && is_outside(vm, f, &t->place)) {
        gr_refuse_assignment(vm, t->place.name);
        return NULL;
    }
    if (t->place.access == GR_IN_GLOBAL) vm->globals[t->place.index].changed = src;
    return place;
}

bool gr_step_set_path(gr_vm *vm, gr_frame *f, const gr_target *t, gr_value *from) {
    uint32_t src = gr_frame_src(f);
    gr_value *place = t->place.access == GR_IN_REGISTER ? &f->base[t->place.index]
                                                        : outer_place(vm, f, t, src);
    if (!place) return false;
    if (gr_is_absent(*place)) return early(vm);
    gr_value v = (f->pc - 1)->flags & GR_KILL_A ? gr_take(from) : gr_retain(vm, *from);
    return gr_set_path(vm, place, t, f->base, v, src);
}

gr_value *gr_place_value(gr_vm *vm, gr_frame *f, const gr_place *place) {
    gr_value *v;
    switch (place->access) {
    case GR_IN_REGISTER: v = &f->base[place->index]; break;
    case GR_IN_LOCAL_CELL: v = &gr_as_cell(f->base[place->index])->value; break;
    case GR_IN_HELD: v = &f->closure->held[place->index]; break;
    case GR_IN_HELD_CELL: v = &gr_as_cell(f->closure->held[place->index])->value; break;
    default:
        v = &vm->globals[place->index].value;
        if (gr_is_absent(*v) && !bind_global(vm, place->index)) return NULL;
        return &vm->globals[place->index].value;
    }
    if (!gr_is_absent(*v)) return v;
    early(vm);
    return NULL;
}

/* A local that a call's callee slot or any read found unset. */
bool gr_step_present(gr_vm *vm, gr_value v) { return gr_is_absent(v) ? early(vm) : true; }

/* ---- assertions and tests --------------------------------------------------------------------- */

bool gr_step_fail_pair(gr_vm *vm, gr_value *a, gr_value *b, gr_value *message) {
    gr_buffer text;
    gr_buffer_init(&text, vm->ctx);
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source), left = gr_operand_span(vm, 1, &source);
    gr_span right = gr_operand_span(vm, 2, &source);
    gr_diagnostic *d;
    if (message && message->kind == GR_STRING)
        d = gr_raise(vm, GR_E_assertion, "%.*s", (int)gr_as_string(*message)->length,
                     gr_as_string(*message)->bytes);
    else
        d = gr_raise(vm, GR_E_assertion, "`%.*s` does not hold", (int)(span.end - span.begin),
                     source ? source->text + span.begin : "");
    gr_format_brief(vm, &text, *a, 60);
    if (source) gr_diag_also(d, source, left, "%s", text.text ? text.text : "");
    gr_buffer_clear(&text);
    gr_format_brief(vm, &text, *b, 60);
    if (source) gr_diag_also(d, source, right, "%s", text.text ? text.text : "");
    gr_buffer_free(&text);
    return false;
}

bool gr_step_fail_text(gr_vm *vm, const gr_value *message) {
    if (message && message->kind == GR_STRING)
        gr_raise(vm, GR_E_assertion, "%.*s", (int)gr_as_string(*message)->length,
                 gr_as_string(*message)->bytes);
    else
        gr_raise(vm, GR_E_assertion, "the assertion does not hold");
    return false;
}

bool gr_step_test_block(gr_vm *vm, gr_value f, gr_value name) {
    const gr_string *s = gr_as_string(name);
    return !vm->test || vm->test(vm->user, vm, s->bytes, s->length, f);
}

/* ---- safe points and the end of a run --------------------------------------------------------- */

bool gr_safe_point(gr_vm *vm) {
    if (*ad_interrupt_flag(vm->ctx) && gr_interrupted(vm)) return false;
    if (vm->dirty) {
        vm->dirty = false;
        ad_collect(vm->ctx, false);
    }
    return true;
}

bool gr_unwind(gr_vm *vm, uint32_t recordings, bool recording) {
    bool entry;
    vm->failed_at = gr_top_offset(vm);
    gr_why_finish(vm);
    do {
        entry = vm->frames[vm->frame_count - 1].flags & GR_FRAME_ENTRY;
        gr_pop_frame(vm);
    } while (!entry);
    vm->recording_count = recordings;
    ad_set_recording(vm->ctx, recording);
    return false;
}
