/* SPDX-License-Identifier: MIT */
/*
 * Raising errors. The place is the instruction that runs in the innermost frame of the user's: the
 * library's own frames are folded into one note. What the core says is completed here with the text
 * and the shapes of the operands.
 */
#include "birth.h"
#include "builtin.h"
#include "format.h"
#include "gradus.h"
#include "suggest.h"
#include "why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- where ------------------------------------------------------------------------------------ */

static gr_frame *user_frame(gr_vm *vm) {
    if (!vm->frame_count) return NULL;
    gr_frame *user = &vm->frames[gr_user_frame(vm, vm->frame_count - 1)];
    bool alone = user->proto->flags & GR_PROTO_LIBRARY;
    return alone ? &vm->frames[vm->frame_count - 1] : user;
}

static bool in_library(gr_vm *vm) {
    return vm->frame_count && user_frame(vm) != &vm->frames[vm->frame_count - 1];
}

uint32_t gr_top_offset(gr_vm *vm) {
    const gr_frame *f = vm->frames;
    return vm->frame_count ? gr_proto_span(f->proto, gr_frame_pc(f), 0).begin : 0;
}

static gr_span users_span(gr_vm *vm, uint32_t k, const gr_source **source) {
    gr_frame *f = user_frame(vm);
    *source = f ? f->proto->source : NULL;
    return f ? gr_proto_span(f->proto, gr_frame_pc(f), k) : (gr_span){0, 0};
}

gr_span gr_operand_span(gr_vm *vm, uint32_t k, const gr_source **source) {
    return users_span(vm, in_library(vm) ? 0 : k, source);
}

bool gr_user_span(gr_vm *vm, uint32_t k, const gr_source **source, gr_span *span) {
    uint32_t operand;
    if (!gr_user_operand(vm, k, &operand)) return false;
    *span = users_span(vm, operand, source);
    return *source != NULL;
}

/* ---- the call chain --------------------------------------------------------------------------- */

enum { GR_SHOWN_CALLS = 8 };

/* A test block is called by the instruction that bears its name. */
static bool add_test(gr_diagnostic *d, const gr_frame *caller, uint32_t line) {
    gr_insn i = caller->proto->code[gr_frame_pc(caller)];
    if (i.op != GR_I_TEST) return false;
    const gr_string *name = gr_as_string(caller->proto->constants[i.wide]);
    gr_diag_call(d, "in test \"%.*s\" at %s:%u", (int)name->length, name->bytes,
                 caller->proto->source->name, line);
    return true;
}

/* A call and how often it stands in the chain one after the other. */
static void add_call(gr_diagnostic *d, const gr_frame *f, const gr_frame *caller, uint32_t times) {
    gr_span span = gr_proto_span(caller->proto, gr_frame_pc(caller), 0);
    gr_position at = gr_source_position(caller->proto->source, span.begin);
    const char *name = f->proto->name ? f->proto->name->text : "fn";
    if (add_test(d, caller, at.line)) return;
    if (times > 1)
        gr_diag_call(d, "in `%s`, called at %s:%u, %u times", name, caller->proto->source->name,
                     at.line, times);
    else
        gr_diag_call(d, "in `%s`, called at %s:%u", name, caller->proto->source->name, at.line);
}

/* The frame of the user's that called frame i. */
static uint32_t caller_of(const gr_vm *vm, uint32_t i) {
    return gr_user_frame(vm, i - 1);
}

static bool same_call(const gr_vm *vm, uint32_t i, uint32_t k) {
    const gr_frame *a = &vm->frames[caller_of(vm, i)], *b = &vm->frames[caller_of(vm, k)];
    return vm->frames[i].proto == vm->frames[k].proto && a->proto == b->proto && a->pc == b->pc;
}

static bool is_shown(const gr_frame *f) {
    return !(f->proto->flags & (GR_PROTO_LIBRARY | GR_PROTO_TOP));
}

static void add_chain(gr_vm *vm, gr_diagnostic *d) {
    uint32_t shown = 0, left_out = 0;
    for (uint32_t i = vm->frame_count; i-- > vm->first_frame + 1;) {
        if (!is_shown(&vm->frames[i])) continue;
        uint32_t first = i, times = 1;
        while (caller_of(vm, i) > vm->first_frame && is_shown(&vm->frames[caller_of(vm, i)]) &&
               same_call(vm, first, caller_of(vm, i))) {
            i = caller_of(vm, i);
            times++;
        }
        uint32_t k = caller_of(vm, i);
        if (shown < GR_SHOWN_CALLS || k == vm->first_frame) {
            if (left_out) gr_diag_call(d, "… %u more calls", left_out);
            left_out = 0;
            add_call(d, &vm->frames[first], &vm->frames[caller_of(vm, first)], times);
            shown++;
        } else {
            left_out += times;
        }
    }
}

static void add_library(gr_vm *vm, gr_diagnostic *d) {
    if (!in_library(vm)) return;
    const gr_frame *inner = user_frame(vm) + 1;
    if (inner->proto->name) gr_diag_note(d, "inside the library's `%s`", inner->proto->name->text);
}

/* ---- raising ---------------------------------------------------------------------------------- */

static gr_diagnostic *raise_at(gr_vm *vm, gr_diagnostic_id id, uint32_t operand, const char *text) {
    if (vm->raised) return NULL;
    vm->raised = true;
    const gr_source *source;
    gr_span span = gr_operand_span(vm, operand, &source);
    gr_diagnostic *d = gr_diag_error(&vm->report, id, source, span, "%s", text);
    add_library(vm, d);
    add_chain(vm, d);
    return d;
}

#define FORMAT_TEXT(text, format)                                                                  \
    char text[600];                                                                                \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    vsnprintf(text, sizeof text, format, args);                                                    \
    va_end(args)

gr_diagnostic *gr_raise(gr_vm *vm, gr_diagnostic_id id, const char *format, ...) {
    FORMAT_TEXT(text, format);
    return raise_at(vm, id, 0, text);
}

gr_diagnostic *gr_raise_at(gr_vm *vm, gr_diagnostic_id id, uint32_t operand,
                           const char *format, ...) {
    FORMAT_TEXT(text, format);
    return raise_at(vm, id, operand, text);
}

/* ---- arguments -------------------------------------------------------------------------------- */

static bool is_passed_as(const gr_passed *passed, const char *name) {
    return passed->name && name && strlen(name) == passed->name->length &&
           memcmp(name, passed->name->bytes, passed->name->length) == 0;
}

/* The argument that was passed by this name, else the one at this position; a spread one takes all
 * positions from its own on. */
static uint32_t find_passed(const gr_descriptor *d, const char *name, uint32_t position) {
    for (uint32_t k = 0; k < d->count; k++)
        if (is_passed_as(&d->passed[k], name)) return 2 + k;
    for (uint32_t k = 0; k < d->count; k++) {
        if (d->passed[k].name) continue;
        if (d->passed[k].spread || position-- == 0) return 2 + k;
    }
    return 0;
}

/* The operand of the call under way that holds an argument; 0: the whole call. */
static uint32_t argument_operand(const gr_vm *vm, const char *name, uint32_t position) {
    if (!vm->frame_count) return 0;
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    gr_insn insn = f->proto->code[gr_frame_pc(f)];
    if (insn.op == GR_I_CALLX)
        return find_passed(&f->proto->descriptors[insn.wide], name, position);
    bool plain = insn.op == GR_I_CALL || insn.op == GR_I_CALLG;
    return plain && position < insn.b ? 2 + position : 0;
}

gr_diagnostic *gr_raise_argument(gr_vm *vm, const gr_call *call, uint32_t i, gr_diagnostic_id id,
                                 const char *format, ...) {
    FORMAT_TEXT(text, format);
    bool rest = i >= call->count;
    const char *name = !rest && call->names ? call->names[i] : NULL;
    uint32_t position = rest ? call->positional + (i - call->count) : i;
    if (!rest && i >= call->positional) position = UINT32_MAX; /* by name only */
    return raise_at(vm, id, argument_operand(vm, name, position), text);
}

gr_diagnostic *gr_raise_passed(gr_vm *vm, const char *name, uint32_t position, gr_diagnostic_id id,
                               const char *format, ...) {
    FORMAT_TEXT(text, format);
    return raise_at(vm, id, argument_operand(vm, name, position), text);
}

bool gr_core_failed(gr_vm *vm, const gr_call *call) {
    gr_raise_core(vm, call, ad_last_error(vm->ctx)->status);
    return false;
}

/* Who fills a buffer or draws stops at an interrupt too, and says no more than that it failed. */
void gr_raise_memory(gr_vm *vm) {
    if (gr_interrupted(vm)) return;
    size_t limit = ad_memory_limit(vm->ctx);
    gr_diagnostic *d = gr_raise(vm, GR_E_out_of_memory, "there is not enough memory");
    if (limit) gr_diag_help(d, "the limit is %.0f MB", (double)limit / 1e6);
    vm->raised = true;
}

bool gr_has_raised(const gr_vm *vm) { return vm->raised; }

bool gr_interrupted(gr_vm *vm) {
    if (!*ad_interrupt_flag(vm->ctx)) return false;
    *ad_interrupt_flag(vm->ctx) = 0;
    vm->interrupted = true;
    gr_raise(vm, GR_E_interrupted, "interrupted");
    return true;
}

void gr_relieve(gr_vm *vm) {
    const gr_diagnostic *d = vm->report.last;
    if (vm->report.out_of_memory || (d && d->id == GR_E_out_of_memory)) ad_collect(vm->ctx, true);
}

bool gr_catch(gr_vm *vm, gr_buffer *message) {
    if (vm->interrupted || vm->exiting || !vm->raised) return false;
    const gr_diagnostic *d = vm->report.first;
    while (d && d->severity != GR_SEVERITY_ERROR) d = d->next;
    gr_buffer_puts(message, d ? d->message : "there is not enough memory");
    gr_relieve(vm);
    gr_report_clear(&vm->report);
    gr_why_begin(vm);
    vm->raised = false;
    return true;
}

bool gr_catch_interrupt(gr_vm *vm) {
    if (!vm->interrupted || vm->exiting) return false;
    gr_report_clear(&vm->report);
    gr_why_begin(vm);
    vm->raised = vm->interrupted = false;
    return true;
}

bool gr_refuse_assignment(gr_vm *vm, const gr_name *name) {
    gr_diagnostic *d =
        name ? gr_raise(vm, GR_E_bad_transform,
                        "`%s` is made outside of the checkpoint, whose function is run again later "
                        "and must not change it", name->text)
             : gr_raise(vm, GR_E_bad_transform,
                        "this variable is made outside of the checkpoint, whose function is run "
                        "again later and must not change it");
    gr_diag_help(d, "let the function give the new value back, or use `:=`, which happens once and "
                    "is not differentiated");
    return false;
}

/* ---- what the core says ----------------------------------------------------------------------- */

static gr_diagnostic_id id_of(ad_status status) {
    switch (status) {
    case AD_ERR_MEMORY: return GR_E_out_of_memory;
    case AD_ERR_SHAPE: return GR_E_shapes_differ;
    case AD_ERR_GUARD: return GR_E_broadcast_guard;
    case AD_ERR_INDEX: return GR_E_bad_index;
    case AD_ERR_UNTRACKED: return GR_E_untracked;
    case AD_ERR_STALE: return GR_E_stale;
    case AD_ERR_NODIFF: return GR_E_not_differentiable;
    case AD_ERR_DEGENERATE: return GR_E_degenerate;
    case AD_ERR_NUMERIC: return GR_E_numeric_failure;
    default: return GR_E_wrong_value;
    }
}

static uint32_t line_of_src(gr_vm *vm, uint32_t src, const gr_source **source, gr_span *span) {
    uint32_t pc;
    gr_proto *p = gr_src_decode(vm, src & 0x7fffffffu, &pc);
    if (!p) return 0;
    *source = p->source;
    *span = gr_proto_span(p, pc, 0);
    return gr_source_line(p->source, span->begin);
}

static gr_diagnostic *raise_stale(gr_vm *vm, const ad_error *e) {
    const gr_source *s1, *s2;
    gr_span made, changed;
    uint32_t l1 = line_of_src(vm, e->src_numerator, &s1, &made);
    uint32_t l2 = line_of_src(vm, e->src_change, &s2, &changed);
    gr_diagnostic *d;
    if (!l1 || !l2) return gr_raise(vm, GR_E_stale, "%s", e->message);
    if (s1 == s2)
        d = gr_raise(vm, GR_E_stale, "this was computed in line %u, before line %u changed the "
                                     "denominator", l1, l2);
    else
        d = gr_raise(vm, GR_E_stale, "this was computed at %s:%u, before %s:%u changed the "
                                     "denominator", s1->name, l1, s2->name, l2);
    gr_diag_also(d, s1, made, "computed here");
    gr_diag_also(d, s2, changed, "changed here");
    gr_diag_help(d, "%s", e->hint[0] ? e->hint : "compute the numerator again after the change");
    return d;
}

void gr_describe_operand(gr_vm *vm, gr_diagnostic *d, uint32_t k, gr_value v) {
    const gr_source *source;
    gr_span span;
    gr_buffer text;
    if (!gr_user_span(vm, k, &source, &span)) return;
    gr_buffer_init(&text, vm->ctx);
    gr_birth_text(vm, &text, k, v);
    gr_diag_also(d, source, span, "%s", text.text ? text.text : "");
    gr_buffer_free(&text);
    if (!in_library(vm)) gr_why_operand(vm, k, v); /* else why tells what the library did */
}

void gr_help_call(gr_vm *vm, gr_diagnostic *d, uint32_t k) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, k + 1, &source);
    int size = (int)(span.end - span.begin);
    bool name = source && size > 0 && size <= 30;
    for (int i = 0; name && i < size; i++)
        name = !strchr(" ()[]{}\n,", source->text[span.begin + (uint32_t)i]);
    if (name)
        gr_diag_help(d, "a function is called with `( )`: its value at `x` is `%.*s(x)`", size,
                     source->text + span.begin);
    else
        gr_diag_help(d, "a function is called with `( )`");
}

void gr_help_nil(gr_diagnostic *d) {
    gr_diag_help(d, "nil stands for a value that is not there: ask `x != nil` first");
}

void gr_help_range(gr_vm *vm, gr_diagnostic *d, gr_value v) {
    gr_buffer text;
    if (v.kind != GR_RANGE) return;
    gr_buffer_init(&text, vm->ctx);
    gr_format_print(vm, &text, v);
    gr_diag_help(d, "`tensor(%s)` makes a tensor of it", text.text ? text.text : "r");
    gr_buffer_free(&text);
}

void gr_label_operand(gr_vm *vm, gr_diagnostic *d, uint32_t k, gr_value v) {
    gr_buffer text;
    if (!vm->frame_count || in_library(vm)) return;
    gr_buffer_init(&text, vm->ctx);
    gr_birth_text(vm, &text, k, v);
    gr_diag_label(d, "%s", text.text ? text.text : "");
    gr_buffer_free(&text);
    gr_why_operand(vm, k, v);
}

/* "`h @ W2` multiplies [32, 784] by [64, 10]; 784 must equal 64" */
gr_diagnostic *gr_raise_operands(gr_vm *vm, ad_status status, uint32_t n, const gr_value *operands) {
    if (status != AD_ERR_SHAPE && status != AD_ERR_GUARD) return gr_raise_core(vm, NULL, status);
    const ad_error *e = ad_last_error(vm->ctx);
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    int length = (int)(span.end - span.begin);
    bool quoted = source && length && length <= 60 &&
                  !memchr(source->text + span.begin, '\n', (size_t)length);
    const char *colon = e->message[0] == '[' ? ":" : "";
    gr_diagnostic *d = quoted ? gr_raise(vm, id_of(status), "`%.*s`%s %s", length,
                                         source->text + span.begin, colon, e->message)
                              : gr_raise(vm, id_of(status), "%s", e->message);
    for (uint32_t k = 0; d && k < n && k < 3; k++) gr_describe_operand(vm, d, k, operands[k]);
    if (n == 2) gr_suggest_shapes(vm, d, status == AD_ERR_GUARD, operands);
    if (e->hint[0]) gr_diag_help(d, "%s", e->hint);
    return d;
}

/* The parameter that a message begins with: "axis 3 is out of range". */
static int blamed(const gr_call *call, const ad_error *e) {
    if (e->operand >= 0) return e->operand;
    for (uint32_t i = 0; call->names && i < call->count; i++) {
        size_t length = strlen(call->names[i]);
        if (strncmp(e->message, call->names[i], length) == 0 && e->message[length] == ' ')
            return (int)i;
    }
    return -1;
}

gr_diagnostic *gr_raise_core(gr_vm *vm, const gr_call *call, ad_status status) {
    const ad_error *e = ad_last_error(vm->ctx);
    if (vm->raised || status == AD_ERR_CALLBACK) { /* the callback has told why */
        if (!vm->raised) gr_raise(vm, GR_E_internal, "a callback failed and did not say why");
        return NULL;
    }
    if (status == AD_ERR_INTERRUPT) {
        *ad_interrupt_flag(vm->ctx) = 0;
        vm->interrupted = true;
        return gr_raise(vm, GR_E_interrupted, "interrupted");
    }
    if (status == AD_ERR_STALE) return raise_stale(vm, e);
    gr_diagnostic *d;
    int argument = call ? blamed(call, e) : -1;
    if (argument >= 0) {
        d = gr_raise_argument(vm, call, (uint32_t)argument, id_of(status), "%s", e->message);
        if (status == AD_ERR_SHAPE && (uint32_t)argument < call->count)
            gr_label_operand(vm, d, (uint32_t)argument + 1, call->args[argument]);
    }
    else
        d = gr_raise(vm, id_of(status), "%s", e->message);
    if (e->hint[0]) gr_diag_help(d, "%s", e->hint);
    const gr_source *source;
    gr_span used;
    if (status == AD_ERR_NODIFF) {
        if (line_of_src(vm, e->src_numerator, &source, &used))
            gr_diag_also(d, source, used, "used here");
        gr_diag_help(d, "`stop(x)` keeps a value that is made of jumps out of a derivative");
    }
    bool matrix = strstr(e->message, "singular") || strstr(e->message, "positive definite");
    if (status == AD_ERR_NUMERIC && !e->hint[0] && matrix)
        gr_diag_help(d, "rows or columns that follow from one another make it so; a small "
                        "multiple of `eye(n)` added to it helps");
    return d;
}

/* ---- names ------------------------------------------------------------------------------------ */

const char *gr_nearest(const char *name, size_t count, const char *const *names) {
    gr_suggestion s = gr_suggest_begin(name, strlen(name));
    for (size_t i = 0; i < count; i++) gr_suggest_offer(&s, names[i], strlen(names[i]));
    return s.best;
}
