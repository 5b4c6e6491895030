/* SPDX-License-Identifier: MIT */
/*
 * What the nan tracer says. The core finds the operation; here it gets its place in the source, the
 * place where its nan arrives, and what to write instead. Once for each operation in a run: a training
 * loop tells it in the first step that goes wrong and not in the others, and what is computed from a
 * nan that was told is no news.
 */
#include "watch.h"

#include "format.h"
#include "gradus.h"
#include "structure.h"
#include "why.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FORWARD, BACKWARD };

static const char *symbol_of(const char *op) {
    static const char *const names[][2] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"},
                                           {"div", "/"}, {"pow", "^"}, {"mod", "%"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(op, names[i][0]) == 0) return names[i][1];
    return NULL;
}

static void put_number(gr_buffer *out, double x) {
    char text[32];
    ad_number_text(x, text);
    gr_buffer_puts(out, text);
}

/* log(-0.5), 0 / 0 */
static void put_operation(gr_buffer *out, const ad_blame *b) {
    const char *symbol = symbol_of(b->op);
    if (symbol && b->operands == 2) {
        put_number(out, b->operand_value[0]);
        gr_buffer_printf(out, " %s ", symbol);
        put_number(out, b->operand_value[1]);
        return;
    }
    gr_buffer_puts(out, b->op);
    for (int k = 0; k < b->operands; k++) {
        gr_buffer_puts(out, k ? ", " : "(");
        put_number(out, b->operand_value[k]);
    }
    if (b->operands) gr_buffer_puts(out, ")");
}

static const char *word_for(double x) { return isnan(x) ? "nan" : x > 0 ? "inf" : "-inf"; }

static void put_message(gr_buffer *out, const ad_blame *b) {
    if (b->end) {
        gr_buffer_printf(out, "a value that is %s came in here", word_for(b->value));
        return;
    }
    gr_buffer_puts(out, b->backward ? "the derivative of `" : "`");
    put_operation(out, b);
    gr_buffer_printf(out, "` is %s", word_for(b->value));
}

static const struct {
    const char *op;
    int way;
    const char *text;
    const char *within; /* only where the source has this, else where no row before it has spoken */
} hints[] = {
    {"log", FORWARD, "`where(x > 0, log(x), 0)` leaves out what has no logarithm, in the derivative too",
     NULL},
    {"sqrt", FORWARD, "`where(x > 0, sqrt(x), 0)` leaves out what has no root, in the derivative too", NULL},
    {"exp", FORWARD, "`logsumexp`, `log_softmax` and `bce_logits` stay finite where `exp` does not", NULL},
    {"div", FORWARD, "`where(d != 0, a / d, 0)` leaves a division by 0 out, in the derivative too", NULL},
    {"sqrt", BACKWARD, "`norm(x)` is `sqrt(sum(x^2))` with the derivative 0 at 0", "sum("},
    {"sqrt", BACKWARD, "`where(x > 0, sqrt(x), 0)` has the derivative 0 where x is not positive", NULL},
    {"log", BACKWARD, "`where(x > 0, log(x), 0)` has the derivative 0 where x is not positive", NULL},
};

static bool says(const gr_source *source, gr_span span, const char *text) {
    size_t n = strlen(text);
    for (size_t at = span.begin; source && at + n <= span.end; at++)
        if (memcmp(source->text + at, text, n) == 0) return true;
    return false;
}

static void add_hint(gr_diagnostic *d, const ad_blame *b, const gr_source *source, gr_span span) {
    for (size_t i = 0; i < sizeof hints / sizeof *hints && !b->end; i++) {
        if (strcmp(hints[i].op, b->op) != 0 || (hints[i].way == BACKWARD) != b->backward) continue;
        if (hints[i].within && !says(source, span, hints[i].within)) continue;
        gr_diag_help(d, "%s", hints[i].text);
        return;
    }
}

/* ---- once ------------------------------------------------------------------------------------- */

/* Was it told in this run? What is told is remembered. */
static bool is_told(gr_vm *vm, uint32_t src) {
    for (uint32_t i = 0; i < vm->told_count; i++)
        if (vm->told[i] == src) return true;
    if (vm->told_count < GR_MOST_TOLD) vm->told[vm->told_count++] = src;
    else return true;
    return false;
}

void gr_show_warning(gr_vm *vm, gr_report *report) {
    gr_buffer text;
    if (vm->warn) {
        vm->warn(vm->user, report);
        return;
    }
    gr_buffer_init(&text, vm->ctx);
    gr_render_report(&text, report, NULL);
    if (text.text) gr_write_error(vm, text.text, text.size);
    gr_buffer_free(&text);
}

static const gr_source *place_of(gr_vm *vm, uint32_t src, gr_span *span) {
    uint32_t pc;
    gr_proto *p = src ? gr_src_decode(vm, src & 0x7fffffffu, &pc) : NULL;
    if (p) *span = gr_proto_span(p, pc, 0);
    return p ? p->source : NULL;
}

static bool tell(gr_vm *vm, uint32_t src, const char *message, const char *what, const ad_blame *b,
                 gr_value v) {
    gr_report report;
    gr_span here, there = {0, 0};
    const gr_source *arrival = NULL, *source = place_of(vm, src, &there);
    here = gr_operand_span(vm, 0, &arrival);
    bool error = vm->nan_mode == GR_NAN_ERROR, apart = source != arrival || here.begin != there.begin;
    gr_report_init(&report, vm->ctx);
    if (!source) source = arrival, there = here, apart = false;
    gr_diagnostic *d = error ? gr_raise(vm, GR_E_not_finite, "%s", message)
                             : gr_diag_warning(&report, GR_E_not_finite, source, there, "%s", message);
    if (error && apart) gr_diag_also(d, source, there, "made here");
    else if (apart && arrival) gr_diag_also(d, arrival, here, "it arrives in %s", what);
    if (!apart) gr_diag_note(d, "it arrives in %s", what);
    if (b && !b->backward && b->operand >= 0)
        gr_diag_note(d, "an operand that is not tracked is not finite either");
    if (b) add_hint(d, b, source, there);
    if (b) gr_why_nan(vm, error ? NULL : d, v, b);
    if (!error) gr_show_warning(vm, &report);
    gr_report_clear(&report);
    return !error;
}

/* `v` is what is not finite, absent where that is an adjoint. */
static bool tell_blame(gr_vm *vm, const ad_blame *b, const char *what, gr_value v) {
    gr_buffer message;
    if (b->end && vm->told_count) return true; /* from what was told before */
    if (is_told(vm, b->src)) return true;
    gr_buffer_init(&message, vm->ctx);
    put_message(&message, b);
    bool ok = tell(vm, b->src, message.text ? message.text : "", what, b, v);
    gr_buffer_free(&message);
    return ok;
}

static bool is_watching(const gr_vm *vm) { return vm->nan_mode != GR_NAN_QUIET && !vm->muted; }

/* ---- where one looks -------------------------------------------------------------------------- */

static bool look_at_leaf(gr_vm *vm, gr_value leaf, const char *what) {
    ad_blame b;
    if (leaf.kind > AD_TENSOR || !leaf.node || ad_is_finite(leaf)) return true;
    return !ad_find_nonfinite(vm->ctx, leaf, &b) || tell_blame(vm, &b, what, leaf);
}

/* Tuples and records may hold anything; below the depth of structures nobody looks. */
static bool look_inside(gr_vm *vm, gr_value v, const char *what, int depth) {
    bool tuple = v.kind == GR_TUPLE;
    if (!gr_is_structure(v)) return look_at_leaf(vm, v, what);
    if (depth >= GR_MAX_STRUCTURE_DEPTH) return true;
    size_t count = tuple ? gr_as_tuple(v)->count : gr_record_count(v);
    for (size_t i = 0; i < count; i++) {
        gr_value item = tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i);
        if (item.head > AD_BOOL && !look_inside(vm, item, what, depth + 1)) return false;
    }
    return true;
}

bool gr_watch_value(gr_vm *vm, gr_value v, const char *what) {
    if (!is_watching(vm) || (v.kind <= AD_TENSOR && !v.node)) return true;
    return look_inside(vm, v, what, 0);
}

/* True: they were looked at, and there is no more to say; *ok is false where an error was raised. */
static bool look_at_numerators(gr_vm *vm, uint32_t ny, const gr_value *y, bool *ok) {
    if (ad_are_finite((int)ny, y)) return false;
    for (uint32_t i = 0; *ok && i < ny; i++)
        *ok = look_at_leaf(vm, y[i], "the numerator of this derivative");
    return true;
}

bool gr_watch_adjoints(gr_vm *vm, uint32_t ny, const gr_value *y, const gr_value *seed, uint32_t n,
                       const gr_value *wrt, const gr_value *d) {
    ad_blame b;
    bool ok = true;
    if (!is_watching(vm) || look_at_numerators(vm, ny, y, &ok)) return ok;
    for (uint32_t i = 0; i < n; i++) {
        if (ad_is_finite(d[i])) continue;
        if (!ad_find_nonfinite_adjoint(vm->ctx, (int)ny, y, seed, 1, &wrt[i], &b)) return true;
        return tell_blame(vm, &b, "this derivative", gr_absent());
    }
    return true;
}

bool gr_watch_tangents(gr_vm *vm, uint32_t n, const gr_value *wrt, const gr_value *tangent, uint32_t ny,
                       const gr_value *y, const gr_value *dy) {
    ad_blame b;
    bool ok = true;
    if (!is_watching(vm) || look_at_numerators(vm, ny, y, &ok)) return ok;
    if (ad_are_finite((int)ny, dy) ||
        !ad_find_nonfinite_tangent(vm->ctx, (int)n, wrt, tangent, (int)ny, y, &b))
        return true;
    return tell_blame(vm, &b, "this derivative", gr_absent());
}

bool gr_watch_update(gr_vm *vm, const gr_name *name, gr_value before, gr_value now) {
    char message[200];
    if (!is_watching(vm) || ad_is_finite(now) || !ad_is_finite(before)) return true;
    if (vm->told_count) return true;
    vm->told[vm->told_count++] = 0;
    snprintf(message, sizeof message, "`%s` gets a value that is not finite",
             name ? name->text : "a param");
    return tell(vm, 0, message, "this update", NULL, gr_absent());
}
