/* SPDX-License-Identifier: MIT */
/*
 * The loop. Every instruction tries the case of plain numbers in place; all else is a call of
 * gr_arithmetic and its kin. Before such a call the frame's pc is stored, so that an error knows where
 * it is; behind it the frame is looked up again, since the list of frames may have moved.
 * Registers never move.
 */
#include "format.h"
#include "gradus.h"
#include "heap_private.h"
#include "why.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(GR_NO_COMPUTED_GOTO)
#define GR_COMPUTED_GOTO 1
#endif

/* ---- what several instructions share ---------------------------------------------------------- */

static inline void let_go(gr_vm *vm, gr_value *v) {
    if (v->head > AD_BOOL) gr_drop(vm, gr_take(v));
}

static inline void kill_operands(gr_vm *vm, const gr_insn *i, gr_value *b, gr_value *c) {
    if (i->flags & GR_KILL_B) let_go(vm, b);
    if (i->flags & GR_KILL_C) let_go(vm, c);
}

typedef bool (*binary_function)(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b,
                                gr_value *out);

/* Two numbers, one of them tracked. */
static bool tracked_binary(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
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

static bool slow_binary(gr_vm *vm, const gr_frame *f, binary_function run, ad_op op, gr_value *a,
                        gr_value *b, gr_value *c) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (!run(vm, op, gr_frame_src(f), *b, *c, &out)) return false;
    kill_operands(vm, i, b, c);
    gr_replace(vm, a, out);
    return true;
}

/* A constant is on the right, or on the left where `reversed`; it is not killed. */
static bool slow_constant(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b,
                          gr_value k, bool reversed) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (b->kind <= AD_BOOL && a->kind <= AD_TENSOR) {
        unsigned kill = i->flags & GR_KILL_B;
        if (!reversed) return tracked_binary(vm, f, op, a, b, &k, kill);
        return tracked_binary(vm, f, op, a, &k, b, kill ? GR_KILL_C : 0);
    }
    bool ok = reversed ? gr_arithmetic(vm, op, gr_frame_src(f), k, *b, &out)
                       : gr_arithmetic(vm, op, gr_frame_src(f), *b, k, &out);
    if (!ok) return false;
    if (i->flags & GR_KILL_B) let_go(vm, b);
    gr_replace(vm, a, out);
    return true;
}

/* -1: raised; else whether the comparison holds. */
static int slow_test(gr_vm *vm, const gr_frame *f, ad_op op, gr_value *a, gr_value *b, bool kill_b) {
    gr_value out;
    const gr_insn *i = f->pc - 1;
    if (!gr_compare(vm, op, gr_frame_src(f), *a, *b, &out)) return -1;
    int truth = gr_condition(vm, out);
    gr_release(vm, out);
    if (truth < 0) return -1;
    if (i->flags & GR_KILL_A) let_go(vm, a);
    if (kill_b && (i->flags & GR_KILL_B)) let_go(vm, b);
    return truth;
}

/* The sign of the divisor. Whole numbers go through the integer divider, which is exact and faster. */
static double modulo(double a, double b) {
    if (fabs(a) < 0x1p53 && fabs(b) < 0x1p53) {
        int64_t x = (int64_t)a, y = (int64_t)b;
        if (y != 0 && (double)x == a && (double)y == b && a > 0) {
            int64_t r = x % y;
            return (double)(r != 0 && (r < 0) != (y < 0) ? r + y : r);
        }
    }
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

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
    gr_raise(vm, GR_E_unknown_name, "`%.*s` is used before it is defined",
             source ? (int)(span.end - span.begin) : 0, source ? source->text + span.begin : "");
    return false;
}

static bool bind_global(gr_vm *vm, uint32_t slot) {
    const gr_global *g = &vm->globals[slot];
    if (g->flags & GR_GLOBAL_PENDING) return gr_bind_pending(vm, slot);
    if (g->flags & GR_GLOBAL_DECLARED) {
        gr_raise(vm, GR_E_unknown_name, "`%s` is used before it is defined", g->name->text);
        return false;
    }
    return unbound(vm, g->name);
}

static bool get_global(gr_vm *vm, uint32_t slot, gr_value *to) {
    if (gr_is_absent(vm->globals[slot].value) && !bind_global(vm, slot)) return false;
    gr_replace(vm, to, gr_retain(vm, vm->globals[slot].value));
    return true;
}

static bool set_global(gr_vm *vm, const gr_frame *f, uint32_t slot, gr_value *from, bool define) {
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

static bool make_closure(gr_vm *vm, const gr_frame *f, uint32_t index, gr_value *to) {
    gr_proto *p = f->proto->children[index];
    gr_closure *c = gr_closure_new(vm, p, p->capture_count);
    if (!c) return false;
    for (uint32_t i = 0; i < p->capture_count; i++) {
        const gr_capture *k = &p->captures[i];
        gr_value v = k->self ? gr_of_kind(GR_FUNCTION, f->closure)
                             : k->held ? f->closure->held[k->index] : f->base[k->index];
        c->held[i] = gr_retain(vm, v);
    }
    gr_replace(vm, to, gr_of_kind(GR_FUNCTION, c));
    return true;
}

static bool load_cell(gr_vm *vm, gr_value cell, gr_value *to) {
    gr_value v = gr_as_cell(cell)->value;
    if (gr_is_absent(v)) return early(vm);
    gr_replace(vm, to, gr_retain(vm, v));
    return true;
}

static bool store_cell(gr_vm *vm, const gr_frame *f, gr_value cell, gr_value *from) {
    if (gr_as_cell(cell)->born < vm->sealed) return gr_refuse_assignment(vm, NULL);
    gr_value v = (f->pc - 1)->flags & GR_KILL_A ? gr_take(from) : gr_retain(vm, *from);
    gr_as_cell(cell)->changed = gr_frame_src(f);
    gr_replace(vm, &gr_as_cell(cell)->value, v);
    return true;
}

static bool new_cell(gr_vm *vm, gr_value *v) {
    gr_value cell = gr_cell_new(vm, gr_take(v));
    if (gr_failed(cell)) return false;
    *v = cell;
    return true;
}

static inline bool is_small_whole(gr_value v) {
    return v.head == 0 && fabs(v.num) < 0x1p31 && (double)(int32_t)v.num == v.num;
}

/* The usual bounds and step, with nothing to prepare and nothing wrong. */
static inline bool counts_up(const gr_value *r) {
    return is_small_whole(r[0]) && is_small_whole(r[1]) && is_small_whole(r[2]) && r[2].num > 0;
}

static bool prepare_for(gr_vm *vm, gr_value *r) {
    for (int i = 0; i < 3; i++) {
        if (r[i].kind != AD_NUMBER) {
            gr_raise(vm, GR_E_wrong_kind, "the bounds of a range are numbers; this is a %s",
                     gr_kind_name(r[i]));
            return false;
        }
        gr_replace(vm, &r[i], ad_number(r[i].num)); /* counters are not tracked */
    }
    if (r[2].num == 0) {
        gr_raise(vm, GR_E_wrong_value, "the step of a range cannot be 0");
        return false;
    }
    return gr_check_whole_range(vm, r[0].num, r[1].num, r[2].num);
}

static bool make_range(gr_vm *vm, gr_value *r, gr_value *to) {
    for (int i = 0; i < 3; i++)
        if (r[i].kind != AD_NUMBER) {
            gr_raise(vm, GR_E_wrong_kind, "the bounds of a range are numbers; this is a %s",
                     gr_kind_name(r[i]));
            return false;
        }
    if (r[2].num == 0) {
        gr_raise(vm, GR_E_wrong_value, "the step of a range cannot be 0");
        return false;
    }
    gr_value range = gr_range_new(vm, r[0].num, r[1].num, r[2].num);
    for (int i = 0; i < 3; i++) let_go(vm, &r[i]);
    if (gr_failed(range)) return false;
    gr_replace(vm, to, range);
    return true;
}

static void move_out(gr_value *from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) from[i].head = 0;
}

static bool make_list(gr_vm *vm, const gr_frame *f, bool tensor, gr_value *first, uint32_t count,
                      gr_value *to) {
    gr_value out;
    if (tensor) {
        if (!gr_make_tensor(vm, gr_frame_src(f), count, first, &out)) return false;
        for (uint32_t i = 0; i < count; i++) let_go(vm, &first[i]);
    } else {
        out = gr_tuple_of(vm, count, first);
        move_out(first, count);
        if (gr_failed(out)) return false;
    }
    gr_replace(vm, to, out);
    return true;
}

static bool make_record(gr_vm *vm, const gr_descriptor *d, gr_value *first, gr_value *to) {
    gr_value out = gr_record_of(vm, d->layout, first);
    move_out(first, d->count);
    if (gr_failed(out)) return false;
    gr_replace(vm, to, out);
    return true;
}

static bool list_add(gr_vm *vm, gr_value *list, gr_value *v) {
    *list = gr_tuple_push(vm, gr_take(list), gr_take(v));
    if (!gr_failed(*list)) return true;
    list->head = 0;
    return false;
}

/* ...xs in a list: a tuple, a tensor's first axis, a range. */
static bool list_join(gr_vm *vm, const gr_frame *f, gr_value *list, gr_value *v) {
    if (v->kind == GR_TUPLE) {
        *list = gr_tuple_join(vm, gr_take(list), *v);
        let_go(vm, v);
        if (!gr_failed(*list)) return true;
        list->head = 0;
        return false;
    }
    gr_value state[2], item = ad_number(0);
    state[0] = *v;
    if (!gr_iteration_begin(vm, *v, &state[1])) return false;
    int more;
    while ((more = gr_iteration_next(vm, state, &item, gr_frame_src(f))) == 1)
        if (!list_add(vm, list, &item)) return false;
    let_go(vm, v);
    return more == 0;
}

static bool list_tensor(gr_vm *vm, const gr_frame *f, gr_value *list) {
    gr_value out;
    const gr_tuple *t = gr_as_tuple(*list);
    if (!gr_make_tensor(vm, gr_frame_src(f), t->count, t->items, &out)) return false;
    gr_replace(vm, list, out);
    return true;
}

static bool record_spread(gr_vm *vm, gr_value *to, gr_value *v) {
    if (v->kind != GR_RECORD) {
        gr_raise(vm, GR_E_wrong_kind, "`...` in a record takes a record; this is a %s",
                 gr_kind_name(*v));
        return false;
    }
    if (gr_record_count(*to) == 0) {
        gr_replace(vm, to, gr_take(v));
        return true;
    }
    for (uint32_t i = 0; i < gr_record_count(*v); i++)
        if (!gr_record_set(vm, to, gr_record_key(*v, i), gr_retain(vm, gr_record_value(*v, i))))
            return false;
    let_go(vm, v);
    return true;
}

static bool format_value(gr_vm *vm, gr_value v, gr_value format, gr_value *to) {
    if (v.kind == GR_STRING && format.kind != GR_STRING) {
        gr_replace(vm, to, gr_retain(vm, v));
        return true;
    }
    gr_buffer text;
    char spec[64] = "";
    gr_buffer_init(&text, vm->ctx);
    if (format.kind == GR_STRING && gr_as_string(format)->length < sizeof spec)
        memcpy(spec, gr_as_string(format)->bytes, gr_as_string(format)->length);
    bool ok = gr_format_value(vm, &text, v, format.kind == GR_STRING ? spec : NULL);
    gr_value out = ok ? gr_string_new(vm, text.text ? text.text : "", text.size) : gr_absent();
    gr_buffer_free(&text);
    if (gr_failed(out)) return false;
    gr_replace(vm, to, out);
    return true;
}

static bool concat(gr_vm *vm, gr_value *parts, uint32_t count, gr_value *to) {
    size_t length = 0;
    char *at;
    for (uint32_t i = 0; i < count; i++) length += gr_as_string(parts[i])->length;
    gr_value out = gr_string_room(vm, length, &at);
    if (gr_failed(out)) return false;
    for (uint32_t i = 0; i < count; i++) {
        const gr_string *s = gr_as_string(parts[i]);
        if (s->length) memcpy(at, s->bytes, s->length);
        at += s->length;
        let_go(vm, &parts[i]);
    }
    gr_replace(vm, to, out);
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

static bool set_path(gr_vm *vm, gr_frame *f, const gr_target *t, gr_value *from) {
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

/* An item of a tuple that nobody else holds, by a plain index; or NULL. */
static inline gr_value *own_item(const gr_value *v, const gr_value *index) {
    int64_t k;
    if (!GR_LIKELY(v->kind == GR_TUPLE && index->head == 0)) return NULL;
    const gr_tuple *t = gr_as_tuple(*v);
    if (!GR_LIKELY(ad_is_index(index->num, (int64_t)t->count, &k) && gr_tuple_is_own(t))) return NULL;
    return t->items + k;
}

static bool fail_pair(gr_vm *vm, gr_value *a, gr_value *b, gr_value *message) {
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

static bool fail_text(gr_vm *vm, const gr_value *message) {
    if (message && message->kind == GR_STRING)
        gr_raise(vm, GR_E_assertion, "%.*s", (int)gr_as_string(*message)->length,
                 gr_as_string(*message)->bytes);
    else
        gr_raise(vm, GR_E_assertion, "the assertion does not hold");
    return false;
}

static bool run_test(gr_vm *vm, gr_value f, gr_value name) {
    const gr_string *s = gr_as_string(name);
    return !vm->test || vm->test(vm->user, vm, s->bytes, s->length, f);
}

bool gr_safe_point(gr_vm *vm) {
    if (*ad_interrupt_flag(vm->ctx) && gr_interrupted(vm)) return false;
    if (vm->dirty) {
        vm->dirty = false;
        ad_collect(vm->ctx, false);
    }
    return true;
}

/* A local that a call's callee slot or any read found unset. */
static bool check_present(gr_vm *vm, gr_value v) { return gr_is_absent(v) ? early(vm) : true; }

/* The value leaves the frame on top, which ends. */
static inline void leave(gr_vm *vm, gr_frame *f, gr_value *from, uint32_t live) {
    gr_value v = gr_take(from), *base = f->base;
    gr_drop_all(vm, base, live);
    gr_closure *closure = f->closure;
    vm->segment = f->segment;
    *f->result = v;
    vm->frame_count--;
    if (GR_LIKELY(closure->function.object.refs > 1))
        closure->function.object.refs--;
    else
        gr_release(vm, gr_of_kind(GR_FUNCTION, closure));
}

/* gr_frame_enter for the case that there is room; false: there is not, nothing has happened. */
static inline bool enter_here(gr_vm *vm, gr_closure *closure, gr_value *args, gr_value *result) {
    gr_proto *p = closure->proto;
    gr_segment *s = vm->segment;
    if (!GR_LIKELY(vm->frame_count < vm->frame_room && vm->frame_count < vm->max_calls &&
                   args + p->registers <= s->values + s->room && !(p->flags & GR_PROTO_LIBRARY)))
        return false;
    gr_frame *f = &vm->frames[vm->frame_count++];
    f->pc = p->code;
    f->base = args;
    f->result = result;
    f->closure = closure;
    f->proto = p;
    f->segment = s;
    f->born = vm->begun;
    f->user_src = 0;
    f->flags = 0;
    return true;
}

static bool unwind(gr_vm *vm, uint32_t recordings, bool recording) {
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

/* ---- the loop --------------------------------------------------------------------------------- */

#ifdef GR_COMPUTED_GOTO
#define NEXT goto *labels[pc++->op]
#define CASE(name) L_##name
#else
#define NEXT goto dispatch
#define CASE(name) case GR_I_##name
#endif
#define SLOW(call)                                                                                 \
    do {                                                                                           \
        frame->pc = pc;                                                                            \
        if (!(call)) goto failed;                                                                  \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
    } while (0)
#define RELOAD()                                                                                   \
    do {                                                                                           \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        pc = frame->pc;                                                                            \
        R = frame->base;                                                                           \
        K = frame->proto->constants;                                                               \
    } while (0)
/* The instruction that runs is the one in front of pc: with a pointer of its own one of the two would live
 * on the stack, where each step waits for it. */
#define I (pc - 1)
#define A (R + I->a)
#define B (R + I->b)
#define C (R + I->c)
/* All of them plain numbers, and nothing counted in the target. */
#define PLAIN(x, y) GR_LIKELY((((x)->head | (y)->head) | (A->head >> 1)) == 0)
#define NUMBERS(x, y) ((x)->kind <= AD_BOOL && (y)->kind <= AD_BOOL && A->kind <= AD_TENSOR)
#define SET_NUMBER(x)                                                                              \
    do {                                                                                           \
        double result = (x);                                                                       \
        A->head = 0;                                                                               \
        A->num = result;                                                                           \
        NEXT;                                                                                      \
    } while (0)
#define SET_NUMBER_OVER(x)                                                                         \
    do {                                                                                           \
        if (A->head > AD_BOOL) gr_release(vm, *A);                                                 \
        SET_NUMBER(x);                                                                             \
    } while (0)
#define PLAIN_PAIR(to, from) GR_LIKELY((((from)->head | (to)->head) >> 1) == 0)
#define ARITHMETIC(name, expression)                                                               \
    CASE(name) : {                                                                                 \
        if (PLAIN(B, C)) {                                                                         \
            double x = B->num, y = C->num;                                                         \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        if (NUMBERS(B, C)) SLOW(tracked_binary(vm, frame, AD_OP_##name, A, B, C, I->flags));       \
        else SLOW(slow_binary(vm, frame, gr_arithmetic, AD_OP_##name, A, B, C));                   \
        NEXT;                                                                                      \
    }                                                                                              \
    CASE(name##K) : {                                                                              \
        if (PLAIN(B, B)) {                                                                         \
            double x = B->num, y = K[I->c].num;                                                    \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        SLOW(slow_constant(vm, frame, AD_OP_##name, A, B, K[I->c], false));                        \
        NEXT;                                                                                      \
    }                                                                                              \
    CASE(R##name##K) : {                                                                           \
        if (PLAIN(B, B)) {                                                                         \
            double y = B->num, x = K[I->c].num;                                                    \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        SLOW(slow_constant(vm, frame, AD_OP_##name, A, B, K[I->c], true));                         \
        NEXT;                                                                                      \
    }
#define COMPARE(name, operator)                                                                    \
    CASE(name) : {                                                                                 \
        if (PLAIN(B, C)) {                                                                         \
            bool truth = B->num operator C->num;                                                   \
            *A = ad_bool(truth);                                                                   \
            NEXT;                                                                                  \
        }                                                                                          \
        SLOW(slow_binary(vm, frame, gr_compare, AD_OP_##name, A, B, C));                           \
        NEXT;                                                                                      \
    }
#define JUMP_IF(truth)                                                                             \
    do {                                                                                           \
        if ((truth) == ((I->flags & GR_SENSE) != 0)) pc += (int16_t)I->c;                          \
        NEXT;                                                                                      \
    } while (0)
#define TEST(name, operator)                                                                       \
    CASE(J##name) : {                                                                              \
        if (GR_LIKELY((A->head | B->head) == 0)) JUMP_IF(A->num operator B->num);                  \
        frame->pc = pc;                                                                            \
        int truth = slow_test(vm, frame, AD_OP_##name, A, B, true);                                \
        if (truth < 0) goto failed;                                                                \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        JUMP_IF((bool)truth);                                                                      \
    }                                                                                              \
    CASE(J##name##K) : {                                                                           \
        if (GR_LIKELY(A->head == 0)) JUMP_IF(A->num operator K[I->b].num);                         \
        frame->pc = pc;                                                                            \
        int truth = slow_test(vm, frame, AD_OP_##name, A, &K[I->b], false);                        \
        if (truth < 0) goto failed;                                                                \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        JUMP_IF((bool)truth);                                                                      \
    }
/* A plain number into the field of a record (NULL: another way) that has the shape it had last time. */
#define SET_FIELD(record, cache)                                                                   \
    do {                                                                                           \
        gr_value *v = (record);                                                                    \
        if (!GR_LIKELY(v && A->head <= AD_BOOL && v->kind == GR_RECORD)) break;                    \
        gr_record *r = gr_as_record(*v);                                                           \
        if (!GR_LIKELY(r->layout == (cache)->layout)) break;                                       \
        if (!GR_LIKELY(r->object.refs == 1)) {                                                     \
            frame->pc = pc;                                                                        \
            if (!(r = gr_record_fork(vm, v))) goto failed;                                         \
        }                                                                                          \
        gr_value *field = r->values + (cache)->place;                                              \
        if (!GR_LIKELY(field->head <= AD_BOOL)) let_go(vm, field);                                 \
        gr_copy(field, A);                                                                         \
        NEXT;                                                                                      \
    } while (0)
#define POLL()                                                                                     \
    do {                                                                                           \
        if (!GR_LIKELY((*interrupt | vm->dirty) == 0)) SLOW(gr_safe_point(vm));                    \
    } while (0)

bool gr_interpret(gr_vm *vm, gr_value *out) {
#ifdef GR_COMPUTED_GOTO
    static const void *const labels[] = {
#define OPCODE(name, a, b, c) &&L_##name,
#include "opcodes.def"
#undef OPCODE
    };
#endif
    volatile sig_atomic_t *interrupt = ad_interrupt_flag(vm->ctx);
    const uint32_t recordings = vm->recording_count;
    const bool recording = ad_is_recording(vm->ctx);
    gr_frame *frame;
    const gr_insn *pc;
    gr_value *R, *K;
    RELOAD();
#ifdef GR_COMPUTED_GOTO
    NEXT;
#else
dispatch:
    switch ((gr_opcode)pc++->op) {
    default: goto failed;
#endif

    /* moving */
    CASE(MOVE) : {
        if (PLAIN_PAIR(A, B)) {
            gr_copy(A, B);
            NEXT;
        }
        gr_value v = *B;
        if (v.head > AD_BOOL) {
            if (I->flags & GR_KILL_B)
                B->head = 0;
            else if (gr_is_absent(v))
                SLOW(check_present(vm, v));
            else
                gr_hold(vm, v);
        }
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(LOADK) : {
        gr_value v = gr_retain(vm, K[I->wide]);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(LITERAL) : {
        SLOW(gr_make_literal(vm, K[I->wide], A));
        NEXT;
    }
    CASE(NIL) : {
        gr_replace(vm, A, gr_nil());
        NEXT;
    }
    CASE(ABSENT) : {
        gr_replace(vm, A, gr_absent());
        NEXT;
    }
    CASE(GETGLOBAL) : {
        const gr_value *global = &vm->globals[I->wide].value;
        if (PLAIN_PAIR(A, global)) {
            gr_copy(A, global);
            NEXT;
        }
        SLOW(get_global(vm, I->wide, A));
        NEXT;
    }
    CASE(SETGLOBAL) : {
        SLOW(set_global(vm, frame, I->wide, A, false));
        NEXT;
    }
    CASE(DEFGLOBAL) : {
        SLOW(set_global(vm, frame, I->wide, A, true));
        NEXT;
    }
    CASE(GETHELD) : {
        gr_replace(vm, A, gr_retain(vm, frame->closure->held[I->b]));
        NEXT;
    }
    CASE(GETSELF) : {
        gr_replace(vm, A, gr_retain(vm, gr_of_kind(GR_FUNCTION, frame->closure)));
        NEXT;
    }
    CASE(GETCELL) : {
        SLOW(load_cell(vm, frame->closure->held[I->b], A));
        NEXT;
    }
    CASE(SETCELL) : {
        SLOW(store_cell(vm, frame, frame->closure->held[I->b], A));
        NEXT;
    }
    CASE(NEWCELL) : {
        SLOW(new_cell(vm, A));
        NEXT;
    }
    CASE(GETLOCALCELL) : {
        SLOW(load_cell(vm, *B, A));
        NEXT;
    }
    CASE(SETLOCALCELL) : {
        SLOW(store_cell(vm, frame, *B, A));
        NEXT;
    }
    CASE(CLOSURE) : {
        SLOW(make_closure(vm, frame, I->wide, A));
        NEXT;
    }
    CASE(RELEASE) : {
        if (!GR_LIKELY(gr_all_plain(A, I->b))) gr_drop_all(vm, A, I->b);
        NEXT;
    }

    /* arithmetic */
    ARITHMETIC(ADD, x + y)
    ARITHMETIC(SUB, x - y)
    ARITHMETIC(MUL, x * y)
    ARITHMETIC(DIV, x / y)
    ARITHMETIC(MOD, modulo(x, y))
    CASE(POW) : {
        SLOW(slow_binary(vm, frame, gr_arithmetic, AD_OP_POW, A, B, C));
        NEXT;
    }
    CASE(POWK) : {
        if (PLAIN(B, B) && K[I->c].num == 2) SET_NUMBER(B->num * B->num);
        SLOW(slow_constant(vm, frame, AD_OP_POW, A, B, K[I->c], false));
        NEXT;
    }
    CASE(RPOWK) : {
        SLOW(slow_constant(vm, frame, AD_OP_POW, A, B, K[I->c], true));
        NEXT;
    }
    CASE(MATMUL) : {
        gr_value v;
        SLOW(gr_matmul(vm, gr_frame_src(frame), *B, *C, &v));
        kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(NEG) : {
        if (PLAIN(B, B)) SET_NUMBER(-B->num);
        gr_value v;
        SLOW(gr_unary(vm, AD_OP_NEG, gr_frame_src(frame), *B, &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(JOIN) : {
        gr_value a = (I->flags & GR_KILL_B) || A == B ? gr_take(B) : gr_retain(vm, *B), v;
        SLOW(gr_join_values(vm, a, *C, &v));
        if (I->flags & GR_KILL_C) let_go(vm, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    COMPARE(EQ, ==)
    COMPARE(NE, !=)
    COMPARE(LT, <)
    COMPARE(LE, <=)
    COMPARE(GT, >)
    COMPARE(GE, >=)
    CASE(NOT) : {
        gr_value v;
        SLOW(gr_unary(vm, AD_OP_NOT, gr_frame_src(frame), *B, &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(LOGAND) : {
        gr_value v;
        SLOW(gr_logical(vm, true, gr_frame_src(frame), *B, *C, &v));
        kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(LOGOR) : {
        gr_value v;
        SLOW(gr_logical(vm, false, gr_frame_src(frame), *B, *C, &v));
        kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }

    /* jumps */
    CASE(JMP) : {
        pc += I->jump;
        NEXT;
    }
    CASE(JT) : {
        if (A->head == AD_BOOL) {
            if (A->num != 0) pc += I->jump;
            NEXT;
        }
        int truth = 0;
        SLOW((truth = gr_condition(vm, *A)) >= 0);
        if (I->flags & GR_KILL_A) let_go(vm, A);
        if (truth) pc += I->jump;
        NEXT;
    }
    CASE(JF) : {
        if (A->head == AD_BOOL) {
            if (A->num == 0) pc += I->jump;
            NEXT;
        }
        int truth = 0;
        SLOW((truth = gr_condition(vm, *A)) >= 0);
        if (I->flags & GR_KILL_A) let_go(vm, A);
        if (!truth) pc += I->jump;
        NEXT;
    }
    CASE(ANDJ) : {
        if (A->head == AD_BOOL && A->num == 0) pc += I->jump;
        NEXT;
    }
    CASE(ORJ) : {
        if (A->head == AD_BOOL && A->num != 0) pc += I->jump;
        NEXT;
    }
    TEST(EQ, ==)
    TEST(LT, <)
    TEST(LE, <=)
    TEST(GT, >)
    TEST(GE, >=)
    CASE(LOOP) : {
        POLL();
        pc += I->jump;
        NEXT;
    }
    CASE(FORPREP) : {
        if (!counts_up(A)) SLOW(prepare_for(vm, A));
        if (A[2].num > 0 ? !(A->num < A[1].num) : !(A->num > A[1].num)) {
            pc += I->jump;
        } else {
            gr_replace(vm, A + 3, *A);
        }
        NEXT;
    }
    CASE(FORLOOP) : {
        POLL();
        double next = A->num + A[2].num;
        if (GR_LIKELY(A[2].num > 0 ? next < A[1].num : next > A[1].num)) {
            A->num = next;
            if (A[3].head > AD_BOOL) gr_release(vm, A[3]);
            A[3].head = AD_NUMBER;
            A[3].num = next;
            pc += I->jump;
        }
        NEXT;
    }
    CASE(ITER) : {
        SLOW(gr_iteration_begin(vm, *A, A + 1));
        NEXT;
    }
    CASE(NEXT) : {
        if (A->kind == GR_TUPLE) {
            const gr_tuple *t = gr_as_tuple(*A);
            int64_t at = (int64_t)A[1].num;
            if (at < (int64_t)t->count) {
                A[1].num += 1;
                gr_value v = gr_hold(vm, t->items[at]);
                let_go(vm, B);
                gr_copy(B, &v);
                pc++;
            }
            NEXT;
        }
        int more = 0;
        SLOW((more = gr_iteration_next(vm, A, B, gr_frame_src(frame))) >= 0);
        pc += more;
        NEXT;
    }

    /* making and taking apart */
    CASE(TUPLE) : {
        SLOW(make_list(vm, frame, false, B, I->c, A));
        NEXT;
    }
    CASE(TENSOR) : {
        SLOW(make_list(vm, frame, true, B, I->c, A));
        NEXT;
    }
    CASE(RECORD) : {
        SLOW(make_record(vm, &frame->proto->descriptors[I->c], B, A));
        NEXT;
    }
    CASE(LIST) : {
        SLOW(make_list(vm, frame, false, B, 0, A));
        NEXT;
    }
    CASE(LISTADD) : {
        SLOW(list_add(vm, A, B));
        NEXT;
    }
    CASE(LISTJOIN) : {
        SLOW(list_join(vm, frame, A, B));
        NEXT;
    }
    CASE(LISTTENSOR) : {
        SLOW(list_tensor(vm, frame, A));
        NEXT;
    }
    CASE(RECNEW) : {
        gr_value v;
        SLOW(!gr_failed(v = gr_record_new(vm)));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(RECPUT) : {
        SLOW(gr_record_set(vm, A, gr_as_string(K[I->c]), gr_take(B)));
        NEXT;
    }
    CASE(RECSPREAD) : {
        SLOW(record_spread(vm, A, B));
        NEXT;
    }
    CASE(RANGE) : {
        SLOW(make_range(vm, B, A));
        NEXT;
    }
    CASE(FORMAT) : {
        SLOW(format_value(vm, *B, K[I->c], A));
        if ((I->flags & GR_KILL_B) && A != B) let_go(vm, B);
        NEXT;
    }
    CASE(CONCAT) : {
        SLOW(concat(vm, B, I->c, A));
        NEXT;
    }
    CASE(GETFIELD) : {
        gr_field_cache *cache = &frame->proto->caches[I->c];
        gr_value v;
        if (GR_LIKELY(B->kind == GR_RECORD && gr_as_record(*B)->layout == cache->layout)) {
            const gr_value *field = &gr_as_record(*B)->values[cache->place];
            if (PLAIN_PAIR(A, field)) {
                gr_copy(A, field);
                if (I->flags & GR_KILL_B) let_go(vm, B);
                NEXT;
            }
            v = gr_hold(vm, *field);
        } else
            SLOW(gr_get_field(vm, *B, cache, gr_frame_src(frame), &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(GETITEM) : {
        gr_value v;
        if (GR_LIKELY(C->head == 0)) {
            if (B->head == AD_TENSOR) {
                const double *x = ad_index_at1(B->tensor, C->num);
                if (GR_LIKELY(x != NULL)) {
                    double element = *x;
                    kill_operands(vm, I, B, C);
                    SET_NUMBER_OVER(element);
                }
            } else if (B->kind == GR_TUPLE) {
                const gr_tuple *t = gr_as_tuple(*B);
                int64_t k;
                if (GR_LIKELY(ad_is_index(C->num, (int64_t)t->count, &k))) {
                    v = gr_hold(vm, t->items[k]);
                    goto got_item;
                }
            }
        } else if (B->kind == GR_RECORD && C->kind == GR_STRING) {
            const gr_value *field = gr_record_find(vm, *B, gr_as_string(*C));
            if (GR_LIKELY(field != NULL)) {
                v = gr_hold(vm, *field);
                goto got_item;
            }
        }
        SLOW(gr_get_item(vm, *B, *C, gr_frame_src(frame), &v));
    got_item:
        kill_operands(vm, I, B, C);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(INDEX) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->c];
        gr_value v;
        SLOW(gr_get_index(vm, *B, d->count, d->items, R, 0, gr_frame_src(frame), &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(SETITEM) : {
        if (A->head == AD_TENSOR && (B->head | C->head) == 0 && A->tensor->refs == 1 &&
            !A->tensor->base) {
            double *x = ad_index_at1(A->tensor, B->num);
            if (GR_LIKELY(x != NULL)) {
                *x = C->num;
                NEXT;
            }
        }
        gr_value v = I->flags & GR_KILL_C ? gr_take(C) : gr_retain(vm, *C);
        SLOW(gr_set_item(vm, A, *B, v, gr_frame_src(frame)));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        NEXT;
    }
    CASE(SETITEMFIELD) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        SET_FIELD(own_item(R + d->reg, R + d->first_free), d->field);
        goto set_path;
    }
    CASE(SETFIELD) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        SET_FIELD(R + d->reg, d->field);
        goto set_path;
    }
    CASE(SETPATH) : {
    set_path:
        SLOW(set_path(vm, frame, frame->proto->descriptors[I->wide].targets, A));
        NEXT;
    }
    CASE(UNPACK) : {
        SLOW(gr_unpack(vm, *A, &frame->proto->descriptors[I->c], gr_frame_src(frame), B));
        let_go(vm, A);
        NEXT;
    }
    CASE(UNPACKREC) : {
        SLOW(gr_unpack_record(vm, *A, &frame->proto->descriptors[I->c], B));
        let_go(vm, A);
        NEXT;
    }

    /* calls */
    CASE(CALLG) : {
        gr_value f = vm->globals[I->c].value;
        if (GR_LIKELY(f.kind == GR_FUNCTION)) {
            if (gr_as_function(f)->form == GR_FORM_CLOSURE) {
                gr_closure *closure = f.ptr;
                gr_proto *p = closure->proto;
                if (GR_LIKELY((p->flags & GR_PROTO_SIMPLE) && p->parameter_count == I->b &&
                              !((p->flags & GR_PROTO_ELEMENTWISE) && A[1].kind == AD_TENSOR))) {
                    POLL();
                    gr_value *args = A + 1;
                    closure->function.object.refs++;
                    frame->pc = pc;
                    if (!enter_here(vm, closure, args, A))
                        SLOW(gr_frame_enter(vm, closure, args, A));
                    RELOAD();
                    NEXT;
                }
            }
            gr_function *row = f.ptr;
            if (row->arity == I->b && row->arity == 1 && A[1].head == 0) {
                ad_apply1(vm->ctx, row->op, 0, A[1], A); /* records nothing, cannot fail */
                NEXT;
            }
            ((gr_object *)f.ptr)->refs++;
            gr_copy(A, &f);
        } else {
            SLOW(get_global(vm, I->c, A));
        }
        goto call;
    }
    CASE(CALL) : {
        if (GR_LIKELY(A->kind == GR_FUNCTION && gr_as_function(*A)->form == GR_FORM_CLOSURE)) {
            gr_closure *closure = A->ptr;
            gr_proto *p = closure->proto;
            if (GR_LIKELY((p->flags & GR_PROTO_SIMPLE) && p->parameter_count == I->b &&
                          !((p->flags & GR_PROTO_ELEMENTWISE) && A[1].kind == AD_TENSOR))) {
                POLL();
                A->head = 0;
                frame->pc = pc;
                if (!enter_here(vm, closure, A + 1, A))
                    SLOW(gr_frame_enter(vm, closure, A + 1, A));
                RELOAD();
                NEXT;
            }
        }
        goto call;
    }
call: {
        POLL();
        frame->pc = pc;
        gr_called called = gr_invoke(vm, A, I->b, NULL);
        if (called == GR_CALL_FAILED) goto failed;
        frame = &vm->frames[vm->frame_count - 1];
        if (called == GR_CALL_ENTERED) RELOAD();
        NEXT;
    }
    CASE(CALLX) : {
        POLL();
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        frame->pc = pc;
        gr_called called = gr_invoke(vm, A, d->count, d);
        if (called == GR_CALL_FAILED) goto failed;
        frame = &vm->frames[vm->frame_count - 1];
        if (called == GR_CALL_ENTERED) RELOAD();
        NEXT;
    }
    CASE(RETURN) : {
        if (A->kind == GR_ABSENT) SLOW(check_present(vm, *A));
        bool entry = frame->flags & GR_FRAME_ENTRY;
        gr_value *result = frame->result;
        leave(vm, frame, A, I->b);
        if (entry) {
            *out = gr_take(result);
            return true;
        }
        RELOAD();
        NEXT;
    }
    CASE(GIVEN) : {
        if (A->kind == GR_ABSENT)
            A->head = 0;
        else
            pc += I->jump;
        NEXT;
    }
    CASE(SIG) : {
        SLOW(gr_check_signature(vm, frame->proto, &frame->proto->descriptors[I->wide], *A, R));
        NEXT;
    }

    /* derivatives and variables that are updated */
    CASE(PARAM) : {
        SLOW(gr_make_param(vm, frame, frame->proto->descriptors[I->wide].places, gr_take(A),
                           gr_frame_src(frame)));
        NEXT;
    }
    CASE(UPDATE) : {
        SLOW(gr_update_begin(vm, frame, &frame->proto->descriptors[I->wide]));
        RELOAD();
        NEXT;
    }
    CASE(TRACK) : {
        SLOW(gr_record_begin(vm));
        NEXT;
    }
    CASE(UPDATED) : {
        gr_update_end(vm);
        NEXT;
    }
    CASE(STORE) : {
        SLOW(gr_update_store(vm, frame, &frame->proto->descriptors[I->wide], gr_take(A),
                             gr_frame_src(frame)));
        NEXT;
    }
    CASE(PARTIAL) : {
        SLOW(gr_partial(vm, &frame->proto->descriptors[I->wide], R, gr_frame_src(frame)));
        NEXT;
    }
    CASE(PICK) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->c];
        gr_value v;
        SLOW(gr_get_index(vm, *A, d->count, d->items, R, (uint32_t)B->num, gr_frame_src(frame), &v));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(PRIME) : {
        gr_value v;
        SLOW(gr_prime(vm, *B, I->c, &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(GRADIENT) : {
        gr_value v;
        SLOW(gr_gradient(vm, *B, &v));
        if (I->flags & GR_KILL_B) let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }

    /* statements */
    CASE(FAIL) : {
        SLOW(fail_text(vm, NULL));
        NEXT;
    }
    CASE(FAILTEXT) : {
        SLOW(fail_text(vm, A));
        NEXT;
    }
    CASE(FAILPAIR) : {
        SLOW(fail_pair(vm, A, B, I->c ? C : NULL));
        NEXT;
    }
    CASE(TEST) : {
        SLOW(run_test(vm, *A, K[I->wide]));
        NEXT;
    }
    CASE(IMPORT) : {
        gr_value v;
        SLOW(gr_import(vm, frame->proto->source, K[I->wide], &v));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(SAFE) : {
        POLL();
        NEXT;
    }
    CASE(ANSWER) : {
        vm->has_answer = I->b;
        if (I->b) gr_replace(vm, &vm->answer, gr_take(A));
        NEXT;
    }
#ifndef GR_COMPUTED_GOTO
    }
#endif
failed:
    return unwind(vm, recordings, recording);
}

bool gr_run_proto(gr_vm *vm, gr_proto *p, gr_value *out) {
    gr_closure *closure = gr_closure_new(vm, p, 0);
    gr_segment *outer = vm->segment;
    gr_value *top = closure ? gr_stack_reserve(vm, outer ? gr_stack_top(vm) : NULL, 1) : NULL;
    if (!top) {
        if (closure) gr_release(vm, gr_of_kind(GR_FUNCTION, closure));
        return false;
    }
    if (!gr_frame_enter(vm, closure, top + 1, top)) return false;
    vm->frames[vm->frame_count - 1].flags |= GR_FRAME_ENTRY;
    bool ok = gr_interpret(vm, out);
    if (outer) vm->segment = outer;
    return ok;
}
