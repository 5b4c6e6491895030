/* SPDX-License-Identifier: MIT */
/*
 * Calls. The common case, a closure whose arguments are all given by position, is a few lines of the
 * loop; here is everything else: named and spread arguments, defaults, rests, natives, calls from C.
 * Arguments are moved from the caller's registers to where the callee wants them.
 */
#include "builtin.h"
#include "heap_private.h"

#include <stdio.h>
#include <string.h>

/* ---- frames ----------------------------------------------------------------------------------- */

gr_value *gr_stack_top(gr_vm *vm) {
    if (vm->floor && vm->floor_frames == vm->frame_count) return vm->floor;
    if (!vm->frame_count) return vm->segment->values;
    gr_frame *f = &vm->frames[vm->frame_count - 1];
    return f->base + f->proto->registers;
}

static gr_segment *segment_new(gr_vm *vm, size_t room) {
    gr_segment *s = ad_mem_get(vm->ctx, sizeof *s + room * sizeof(gr_value));
    if (!s) {
        gr_raise_memory(vm);
        return NULL;
    }
    s->previous = s->next = NULL;
    s->room = room;
    memset(s->values, 0, room * sizeof(gr_value));
    return s;
}

/* `count` registers from `top` on if the segment has them, else at the start of the next one. */
gr_value *gr_stack_reserve(gr_vm *vm, gr_value *top, size_t count) {
    gr_segment *s = vm->segment;
    if (!s) return (vm->segment = segment_new(vm, GR_FIRST_SEGMENT)) ? vm->segment->values : NULL;
    if (count <= s->room - (size_t)(top - s->values)) return top;
    if (!s->next || s->next->room < count) {
        gr_segment *bigger = segment_new(vm, count > GR_SEGMENT ? count : GR_SEGMENT);
        if (!bigger) return NULL;
        bigger->previous = s;
        bigger->next = s->next;
        if (s->next) s->next->previous = bigger;
        s->next = bigger;
    }
    vm->segment = s->next;
    return vm->segment->values;
}

static bool frame_room(gr_vm *vm) {
    if (vm->frame_count < vm->frame_room) return true;
    return gr_proto_grow(vm, &vm->frames, &vm->frame_room, vm->frame_count + 1, sizeof *vm->frames);
}

static bool too_deep(gr_vm *vm) {
    gr_diagnostic *d = gr_raise(vm, GR_E_too_deep_calls, "calls are nested more than %u deep",
                                vm->max_calls);
    gr_diag_help(d, "a function that calls itself needs a case in which it does not");
    return false;
}

static uint32_t caller_src(gr_vm *vm, const gr_proto *callee) {
    if (!(callee->flags & GR_PROTO_LIBRARY) || !vm->frame_count) return 0;
    return gr_current_src(vm);
}

/* `args` hold the arguments already; the frame may have to move to another segment. */
bool gr_frame_enter(gr_vm *vm, gr_closure *closure, gr_value *args, gr_value *result) {
    gr_proto *p = closure->proto;
    gr_value callee = gr_of_kind(GR_FUNCTION, closure);
    gr_segment *outer = vm->segment;
    gr_value *base = NULL;
    bool ok = vm->frame_count < vm->max_calls || too_deep(vm);
    ok = ok && frame_room(vm) && (base = gr_stack_reserve(vm, args, p->registers)) != NULL;
    if (!ok) {
        for (uint32_t i = 0; i < p->parameter_count; i++) gr_release(vm, gr_take(&args[i]));
        gr_release(vm, callee);
        return false;
    }
    if (base != args)
        for (uint32_t i = 0; i < p->parameter_count; i++) base[i] = gr_take(&args[i]);
    gr_push_frame(vm, closure, base, result, outer, caller_src(vm, p));
    return true;
}

/* Lets go of everything the frame on top holds. */
void gr_pop_frame(gr_vm *vm) {
    gr_frame *f = &vm->frames[vm->frame_count - 1];
    for (uint32_t i = 0; i < f->proto->registers; i++)
        if (f->base[i].head > AD_BOOL) gr_release(vm, gr_take(&f->base[i]));
    f = &vm->frames[vm->frame_count - 1];
    gr_closure *closure = f->closure;
    vm->segment = f->segment;
    vm->frame_count--;
    if (closure) gr_release(vm, gr_of_kind(GR_FUNCTION, closure));
}

/* ---- arguments -------------------------------------------------------------------------------- */

typedef struct arguments {
    gr_value few[16];
    gr_value *values; /* owned */
    gr_string **names;
    gr_string *few_names[16];
    uint32_t count, room, positional;
} arguments;

static void arguments_free(gr_vm *vm, arguments *a) {
    for (uint32_t i = 0; i < a->count; i++) gr_release(vm, a->values[i]);
    if (a->values != a->few) {
        ad_mem_put(vm->ctx, a->values, a->room * sizeof *a->values);
        ad_mem_put(vm->ctx, a->names, a->room * sizeof *a->names);
    }
}

static bool arguments_room(gr_vm *vm, arguments *a, uint32_t wanted) {
    if (wanted <= a->room) return true;
    uint32_t room = a->room * 2 > wanted ? a->room * 2 : wanted;
    gr_value *values = ad_mem_get(vm->ctx, room * sizeof *values);
    gr_string **names = ad_mem_get(vm->ctx, room * sizeof *names);
    if (!values || !names) {
        if (values) ad_mem_put(vm->ctx, values, room * sizeof *values);
        if (names) ad_mem_put(vm->ctx, names, room * sizeof *names);
        gr_raise_memory(vm);
        return false;
    }
    memcpy(values, a->values, a->count * sizeof *values);
    memcpy(names, a->names, a->count * sizeof *names);
    uint32_t count = a->count, positional = a->positional;
    a->count = 0;
    arguments_free(vm, a);
    a->values = values;
    a->names = names;
    a->room = room;
    a->count = count;
    a->positional = positional;
    return true;
}

static bool add_argument(gr_vm *vm, arguments *a, gr_value v, gr_string *name) {
    if (!arguments_room(vm, a, a->count + 1)) {
        gr_release(vm, v);
        return false;
    }
    a->values[a->count] = v;
    a->names[a->count++] = name;
    if (!name) a->positional++;
    return true;
}

static bool add_spread(gr_vm *vm, arguments *a, gr_value v) {
    bool ok = v.kind == GR_TUPLE;
    if (!ok)
        gr_raise(vm, GR_E_wrong_kind, "`...` spreads a tuple; this is a %s", gr_kind_name(v));
    for (size_t i = 0; ok && i < gr_as_tuple(v)->count; i++)
        ok = add_argument(vm, a, gr_retain(vm, gr_as_tuple(v)->items[i]), NULL);
    gr_release(vm, v);
    return ok;
}

/* Moves the arguments out of the registers. */
static bool gather(gr_vm *vm, gr_value *from, uint32_t argc, const gr_descriptor *d, arguments *a) {
    bool ok = true;
    a->values = a->few;
    a->names = a->few_names;
    a->room = 16;
    a->count = a->positional = 0;
    for (uint32_t i = 0; i < argc; i++) {
        gr_value v = gr_take(&from[i]);
        if (!ok)
            gr_release(vm, v);
        else if (d && d->passed[i].spread)
            ok = add_spread(vm, a, v);
        else
            ok = add_argument(vm, a, v, d ? d->passed[i].name : NULL);
    }
    return ok;
}

/* Underlines the argument of this name or, without one, at this position; UINT32_MAX: the call. */
static bool complain_call(gr_vm *vm, gr_value f, const char *name, uint32_t position,
                          const char *text) {
    gr_buffer head;
    gr_buffer_init(&head, vm->ctx);
    gr_function_text(vm, f, &head);
    gr_diagnostic *d = gr_raise_passed(vm, name, position, GR_E_wrong_arguments, "%s", text);
    gr_diag_note(d, "it is `%s`", head.text ? head.text : gr_function_name(f));
    gr_buffer_free(&head);
    return false;
}

static bool too_many(gr_vm *vm, gr_value f, uint32_t wanted, uint32_t got) {
    char text[200];
    snprintf(text, sizeof text, "`%s` takes %u argument%s, here %s %u", gr_function_name(f), wanted,
             wanted == 1 ? "" : "s", got == 1 ? "is" : "are", got);
    complain_call(vm, f, NULL, wanted, text);
    gr_hint_surplus(vm->report.last, gr_function_name(f));
    return false;
}

/* sum(x, 0): the extra argument may be meant for one that is given by name only. */
static bool too_many_for_native(gr_vm *vm, gr_value f, const gr_native_signature *sig,
                                uint32_t got) {
    char text[200];
    uint32_t wanted = sig->positional;
    if (sig->count == wanted) return too_many(vm, f, wanted, got);
    snprintf(text, sizeof text, "`%s` takes %u argument%s without a name, here %s %u",
             gr_function_name(f), wanted, wanted == 1 ? "" : "s", got == 1 ? "is" : "are", got);
    complain_call(vm, f, NULL, wanted, text);
    bool several = wanted > 1 || got > wanted + 1;
    if (several && gr_hint_surplus(vm->report.last, gr_function_name(f))) return false;
    gr_diag_help(vm->report.last, "`%s` is given by name, as in `%s = …`", sig->names[wanted],
                 sig->names[wanted]);
    return false;
}

static bool missing(gr_vm *vm, gr_value f, const char *name) {
    char text[200];
    snprintf(text, sizeof text, "`%s` is called without its argument `%s`", gr_function_name(f),
             name);
    return complain_call(vm, f, NULL, UINT32_MAX, text);
}

static bool unknown(gr_vm *vm, gr_value f, const gr_string *name) {
    char text[200], key[80];
    snprintf(key, sizeof key, "%.*s", (int)name->length, name->bytes);
    snprintf(text, sizeof text, "`%s` has no argument `%s`", gr_function_name(f), key);
    complain_call(vm, f, key, UINT32_MAX, text);
    gr_buffer head;
    gr_buffer_init(&head, vm->ctx);
    gr_function_text(vm, f, &head);
    if (head.text) gr_hint_argument(vm->report.last, head.text, key);
    gr_buffer_free(&head);
    return false;
}

static bool given_twice(gr_vm *vm, gr_value f, const char *name) {
    char text[200];
    snprintf(text, sizeof text, "`%s` gets its argument `%s` twice", gr_function_name(f), name);
    return complain_call(vm, f, name, UINT32_MAX, text);
}

/* ---- closures --------------------------------------------------------------------------------- */

static int64_t parameter_named(const gr_proto *p, const gr_string *name) {
    uint32_t count = p->parameter_count - (p->flags & GR_PROTO_REST ? 1 : 0);
    for (uint32_t i = 0; i < count; i++) {
        const gr_name *n = p->parameters[i].name;
        if (n && n->length == name->length && memcmp(n->text, name->bytes, n->length) == 0)
            return i;
    }
    return -1;
}

static bool place_named(gr_vm *vm, gr_value f, const gr_proto *p, arguments *a, gr_value *to) {
    for (uint32_t i = 0; i < a->count; i++) {
        if (!a->names[i]) continue;
        int64_t at = parameter_named(p, a->names[i]);
        if (at < 0) return unknown(vm, f, a->names[i]);
        if (!gr_is_absent(to[at])) return given_twice(vm, f, p->parameters[at].name->text);
        to[at] = gr_take(&a->values[i]);
    }
    return true;
}

static bool place_rest(gr_vm *vm, arguments *a, uint32_t fixed, gr_value *to) {
    uint32_t count = a->positional > fixed ? a->positional - fixed : 0;
    *to = gr_tuple_new(vm, count);
    if (gr_failed(*to)) return false;
    uint32_t seen = 0, at = 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (!a->names[i] && seen++ >= fixed)
            gr_as_tuple(*to)->items[at++] = gr_take(&a->values[i]);
    return true;
}

static bool place_closure(gr_vm *vm, gr_value f, const gr_proto *p, arguments *a, gr_value *to) {
    bool rest = p->flags & GR_PROTO_REST;
    uint32_t fixed = p->parameter_count - (rest ? 1 : 0), seen = 0;
    if (a->positional > fixed && !rest) return too_many(vm, f, fixed, a->positional);
    for (uint32_t i = 0; i < fixed; i++) to[i] = gr_absent();
    if (rest && !place_rest(vm, a, fixed, &to[fixed])) return false;
    for (uint32_t i = 0; i < a->count && seen < fixed; i++)
        if (!a->names[i]) to[seen++] = gr_take(&a->values[i]);
    if (!place_named(vm, f, p, a, to)) return false;
    for (uint32_t i = 0; i < fixed; i++)
        if (gr_is_absent(to[i]) && !p->parameters[i].optional)
            return missing(vm, f, p->parameters[i].name ? p->parameters[i].name->text : "(…)");
    return true;
}

static GR_APART gr_called call_closure(gr_vm *vm, gr_value *base, uint32_t argc, const gr_descriptor *d) {
    gr_closure *closure = (gr_closure *)gr_as_function(*base);
    const gr_proto *p = closure->proto;
    arguments a;
    gr_segment *outer = vm->segment;
    bool ok = gather(vm, base + 1, argc, d, &a);
    gr_value *args = ok ? gr_stack_reserve(vm, base + 1, p->registers + 1) : NULL;
    ok = args && place_closure(vm, *base, p, &a, args);
    arguments_free(vm, &a);
    if (!ok) {
        for (uint32_t i = 0; args && i < p->parameter_count; i++) gr_release(vm, gr_take(&args[i]));
        vm->segment = outer;
        gr_release(vm, gr_take(base));
        return GR_CALL_FAILED;
    }
    base->head = 0;
    if (!gr_frame_enter(vm, closure, args, base)) {
        vm->segment = outer;
        return GR_CALL_FAILED;
    }
    vm->frames[vm->frame_count - 1].segment = outer;
    return GR_CALL_ENTERED;
}

/* ---- natives ---------------------------------------------------------------------------------- */

static bool name_native(gr_vm *vm, gr_value f, const gr_native_signature *sig, arguments *a,
                        gr_value *to) {
    for (uint32_t i = 0; i < a->count; i++) {
        if (!a->names[i]) continue;
        uint32_t at = 0;
        while (at < sig->count && !(strlen(sig->names[at]) == a->names[i]->length &&
                                    memcmp(sig->names[at], a->names[i]->bytes,
                                           a->names[i]->length) == 0))
            at++;
        if (at == sig->count) return unknown(vm, f, a->names[i]);
        if (!gr_is_absent(to[at])) return given_twice(vm, f, sig->names[at]);
        to[at] = gr_take(&a->values[i]);
    }
    return true;
}

/* Positional arguments fill the parameters, what is left over is the rest: moved to the front of
 * a->values. */
static bool place_native(gr_vm *vm, gr_value f, const gr_native_signature *sig, arguments *a,
                         gr_value *to, uint32_t *rest) {
    if (a->positional > sig->positional && !sig->rest)
        return too_many_for_native(vm, f, sig, a->positional);
    for (uint32_t i = 0; i < sig->count; i++) to[i] = gr_absent();
    uint32_t seen = 0;
    *rest = 0;
    if (!name_native(vm, f, sig, a, to)) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->names[i]) continue;
        if (seen < sig->positional) {
            if (!gr_is_absent(to[seen])) return given_twice(vm, f, sig->names[seen]);
            to[seen++] = gr_take(&a->values[i]);
        } else {
            gr_value v = gr_take(&a->values[i]);
            a->values[(*rest)++] = v;
        }
    }
    for (uint32_t i = 0; i < sig->required; i++)
        if (gr_is_absent(to[i])) return missing(vm, f, sig->names[i]);
    return true;
}

static bool run_native(gr_vm *vm, gr_function *f, gr_call *call) {
    if (vm->c_depth >= vm->max_c_depth) return too_deep(vm);
    vm->c_depth++;
    bool ok = f->form == GR_FORM_OP ? gr_builtin_op(vm, call)
                                    : ((gr_native_function *)f)->row->run(vm, call);
    vm->c_depth--;
    if (ok && call->result.kind <= AD_TENSOR && call->result.node) vm->dirty = true;
    if (!ok && !vm->raised) gr_raise(vm, GR_E_internal, "`%s` failed without a word", call->name);
    return ok;
}

/* Lets go of the function, which stands in `base`, and of the arguments. */
static GR_APART gr_called fail_native(gr_vm *vm, gr_value *base, uint32_t count, gr_value *args) {
    for (uint32_t i = 0; i < count; i++) gr_release(vm, gr_take(&args[i]));
    gr_release(vm, gr_take(base));
    return GR_CALL_FAILED;
}

static inline gr_called with_arguments(gr_vm *vm, gr_value *base, const gr_native_signature *sig,
                                gr_value *args, gr_value *rest, uint32_t rest_count) {
    gr_function *f = gr_as_function(*base);
    const char *name = f->form == GR_FORM_NATIVE ? ((gr_native_function *)f)->row->name
                                                 : gr_function_name(*base);
    gr_call call = {.name = name,
                    .args = args,
                    .count = sig->count,
                    .positional = sig->positional,
                    .rest = rest,
                    .rest_count = rest_count,
                    .result = gr_nil(),
                    .bound = ((gr_native_function *)f)->held,
                    .bound_count = f->held_count,
                    .src = gr_current_src(vm),
                    .op = f->op,
                    .names = sig->names};
    if (!run_native(vm, f, &call)) {
        gr_release(vm, call.result); /* what was half done */
        return fail_native(vm, base, sig->count, args);
    }
    gr_drop_all(vm, args, sig->count);
    gr_drop(vm, gr_take(base));
    gr_copy(base, &call.result);
    return GR_CALL_DONE;
}

gr_called gr_call_exact(gr_vm *vm, gr_value *base) {
    return with_arguments(vm, base, gr_as_function(*base)->signature, base + 1, NULL, 0);
}

/* All arguments are given by position, and what is left over goes to the rest: they stay where they are. */
static gr_called call_in_place(gr_vm *vm, gr_value *base, uint32_t argc,
                               const gr_native_signature *sig) {
    gr_value *rest = base + 1 + sig->count;
    uint32_t rest_count = argc - sig->count;
    gr_called called = with_arguments(vm, base, sig, base + 1, rest, rest_count);
    gr_drop_all(vm, rest, rest_count);
    return called;
}

/* With names, spread or a rest, or too few or too many arguments. */
static GR_APART gr_called call_gathered(gr_vm *vm, gr_value *base, uint32_t argc, const gr_descriptor *d,
                               const gr_native_signature *sig) {
    arguments a;
    gr_value args[GR_MAX_PARAMETERS];
    uint32_t rest = 0;
    for (uint32_t i = 0; i < sig->count; i++) args[i] = gr_nil();
    bool ok = gather(vm, base + 1, argc, d, &a) && place_native(vm, *base, sig, &a, args, &rest);
    gr_called called = ok ? with_arguments(vm, base, sig, args, a.values, rest)
                          : fail_native(vm, base, sig->count, args);
    arguments_free(vm, &a);
    return called;
}

/* By position, without those at the end that are not required. */
static GR_APART gr_called call_shortened(gr_vm *vm, gr_value *base, uint32_t argc,
                                const gr_native_signature *sig) {
    gr_value args[GR_MAX_PARAMETERS];
    for (uint32_t i = 0; i < sig->count; i++)
        args[i] = i < argc ? gr_take(&base[i + 1]) : gr_absent();
    return with_arguments(vm, base, sig, args, NULL, 0);
}

static gr_called call_native(gr_vm *vm, gr_value *base, uint32_t argc, const gr_descriptor *d) {
    const gr_native_signature *sig = gr_as_function(*base)->signature;
    if (!sig) sig = gr_native_signature_of(vm, gr_as_function(*base));
    if (!sig || sig->count > GR_MAX_PARAMETERS) {
        for (uint32_t i = 1; i <= argc; i++) gr_release(vm, gr_take(&base[i]));
        return fail_native(vm, base, 0, NULL);
    }
    if (!d && sig->count == sig->positional && (sig->rest ? argc >= sig->count : argc == sig->count))
        return call_in_place(vm, base, argc, sig);
    if (d || argc < sig->required || argc > sig->positional)
        return call_gathered(vm, base, argc, d, sig);
    return call_shortened(vm, base, argc, sig);
}

/* An elementwise row of the op table, of one or two numbers. */
static GR_APART bool call_row(gr_vm *vm, gr_value *base, ad_op op, uint32_t argc, bool *ok) {
    gr_value out;
    if (base[1].kind > AD_NUMBER || (argc == 2 && base[2].kind > AD_NUMBER)) return false;
    uint32_t src = gr_current_src(vm);
    ad_status s = argc == 1 ? ad_apply1(vm->ctx, op, src, base[1], &out)
                            : ad_apply2(vm->ctx, op, src, base[1], base[2], &out);
    for (uint32_t i = 1; i <= argc; i++) gr_release(vm, gr_take(&base[i]));
    *ok = gr_check(vm, NULL, s);
    if (*ok) {
        vm->dirty |= out.head > AD_BOOL;
        gr_replace(vm, base, out);
    } else {
        gr_release(vm, gr_take(base));
    }
    return true;
}

/* A record that holds a function: that may be meant. */
static void list_functions(gr_diagnostic *d, gr_value r, int length, const char *text) {
    for (uint32_t i = 0; i < gr_record_count(r); i++)
        if (gr_record_value(r, i).kind == GR_FUNCTION) {
            const gr_string *key = gr_record_key(r, i);
            int size = (int)(key->length > 60 ? 60 : key->length);
            gr_diag_help(d, "its field `%.*s` is one: `%.*s.%.*s`", size, key->bytes, length, text,
                         size, key->bytes);
            return;
        }
}

/* "`losses` is a tensor, not a function", with what may have been meant. */
static GR_APART void not_callable(gr_vm *vm, gr_value v, bool with_arguments) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 1, &source);
    bool quoted = source && span.end > span.begin && span.end - span.begin < 40;
    int length = quoted ? (int)(span.end - span.begin) : 4;
    const char *text = quoted ? source->text + span.begin : "this", *quote = quoted ? "`" : "";
    gr_diagnostic *d = gr_raise_at(vm, GR_E_not_callable, 1, "%s%.*s%s is a %s, not a function",
                                   quote, length, text, quote, gr_kind_name(v));
    gr_label_operand(vm, d, UINT32_MAX, v);
    const gr_name *name = quoted ? gr_intern(vm->names, text, (size_t)length) : NULL;
    bool tight = quoted && gr_is_factor(text, (size_t)length);
    bool sequence = v.kind == AD_TENSOR || v.kind == GR_TUPLE || v.kind == GR_STRING;
    uint32_t slot = name ? gr_module_slot(gr_main_module(vm), name) : UINT32_MAX;
    if (slot != UINT32_MAX && vm->globals[slot].flags & GR_GLOBAL_LIBRARY)
        gr_diag_help(d, "write `%s`", name->text);
    else if (name && gr_prelude_slot(vm, name) != UINT32_MAX)
        gr_diag_help(d, "this `%s` hides the prelude's, which is `prelude.%s`", name->text,
                     name->text);
    else if (v.kind == AD_NUMBER)
        gr_diag_help(d, "a product is written with `*`");
    else if (sequence && with_arguments)
        gr_diag_help(d, "an item is written with `[ ]`, as in `%.*s[0]`", tight ? length : 1,
                     tight ? text : "t");
    else if (v.kind == GR_RECORD)
        list_functions(d, v, length, text);
}

gr_called gr_invoke(gr_vm *vm, gr_value *base, uint32_t argc, const gr_descriptor *d) {
    bool ok;
    if (base->kind != GR_FUNCTION) {
        not_callable(vm, *base, argc > 0);
        for (uint32_t i = 0; i <= argc; i++) gr_release(vm, gr_take(&base[i]));
        return GR_CALL_FAILED;
    }
    gr_function *f = gr_as_function(*base);
    if (f->form == GR_FORM_CLOSURE) {
        bool done;
        if (!d && gr_call_elementwise(vm, base, argc, &done))
            return done ? GR_CALL_DONE : GR_CALL_FAILED;
        return call_closure(vm, base, argc, d);
    }
    if (f->arity && f->arity == argc && !d && call_row(vm, base, f->op, argc, &ok))
        return ok ? GR_CALL_DONE : GR_CALL_FAILED;
    return call_native(vm, base, argc, d);
}

/* The call is the instruction in front; what takes its value apart is the next one. */
bool gr_item_is_ignored(const gr_vm *vm, uint32_t item) {
    if (!vm->frame_count || item >= 16) return false;
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    if (f->pc == f->proto->code || f->pc >= f->proto->code + f->proto->code_count) return false;
    const gr_insn *call = f->pc - 1, *next = f->pc;
    if (call->op != GR_I_CALL && call->op != GR_I_CALLG && call->op != GR_I_CALLX) return false;
    if (next->op != GR_I_UNPACK) return false;
    return next->a == call->a && f->proto->descriptors[next->c].first_free >> item & 1;
}

/* ---- calls from C ----------------------------------------------------------------------------- */

bool gr_call_function(gr_vm *vm, gr_value f, uint32_t count, const gr_value *args, gr_value *out) {
    if (vm->c_depth >= vm->max_c_depth) return too_deep(vm);
    if (*ad_interrupt_flag(vm->ctx) && gr_interrupted(vm)) return false; /* who calls back again and again */
    gr_segment *outer = vm->segment;
    gr_value *base = gr_stack_reserve(vm, gr_stack_top(vm), count + 1);
    if (!base) return false;
    gr_value *floor = vm->floor;
    uint32_t floor_frames = vm->floor_frames;
    vm->floor = base + count + 1;
    vm->floor_frames = vm->frame_count;
    base[0] = gr_retain(vm, f);
    for (uint32_t i = 0; i < count; i++) base[i + 1] = gr_retain(vm, args[i]);
    vm->c_depth++;
    gr_called called = gr_invoke(vm, base, count, NULL);
    bool ok = called != GR_CALL_FAILED;
    if (called == GR_CALL_ENTERED) {
        vm->frames[vm->frame_count - 1].flags |= GR_FRAME_ENTRY;
        ok = gr_interpret(vm, out);
    } else if (ok) {
        *out = gr_take(base);
    }
    vm->c_depth--;
    vm->segment = outer;
    vm->floor = floor;
    vm->floor_frames = floor_frames;
    return ok;
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
