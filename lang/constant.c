/* SPDX-License-Identifier: MIT */
/*
 * A warning where ∂E/∂W is 0 because E is not tracked at all: mostly a loss that was computed from a
 * structure, and not from the param that is a copy of it. The derivative is right, and the training that
 * asks for it stands still without a word. Told once in a run, where a program asks for it by itself.
 */
#include "birth.h"
#include "heap_private.h"
#include "structure.h"
#include "watch.h"

#include <string.h>

static bool first_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    (void)vm;
    (void)path;
    *(gr_value *)user = leaf;
    return false;
}

/* Where a text occurs in a span of a source, not within a longer name; false: nowhere. */
static bool find_text(const gr_source *source, gr_span in, const char *text, uint32_t size, gr_span *out) {
    for (uint32_t at = in.begin; size && at + size <= in.end; at++) {
        if (memcmp(source->text + at, text, size) != 0) continue;
        bool joined = (at > 0 && (gr_is_name_byte(source->text[at - 1]) || source->text[at - 1] == '.')) ||
                      (at + size < source->size && gr_is_name_byte(source->text[at + size]));
        *out = (gr_span){at, at + size};
        if (!joined) return true;
    }
    return false;
}

/* What the param was declared with stands in what the numerator was computed from. */
static bool tell_copy(gr_vm *vm, gr_diagnostic *d, const gr_birth *made, const gr_place *place,
                      gr_value leaf) {
    gr_birth declared = {0};
    gr_span there;
    if (!gr_birth_of_tracked(vm, leaf, &declared)) return false;
    gr_span copied = gr_birth_span(&declared);
    const char *text = declared.source->text + copied.begin;
    uint32_t size = copied.end - copied.begin;
    if (!gr_is_factor(text, size) || !find_text(made->source, gr_birth_span(made), text, size, &there))
        return false;
    gr_diag_also(d, made->source, there, "`%s` was made from `%.*s`, and is what changes", place->name->text,
                 (int)size, text);
    gr_diag_help(d, "write `%s` in place of `%.*s` there", place->name->text, (int)size, text);
    return true;
}

static void tell(gr_vm *vm, const gr_place *place, gr_value e, gr_value leaf) {
    gr_report report;
    const gr_source *source;
    gr_birth made = {0};
    gr_span span = gr_operand_span(vm, 1, &source);
    gr_report_init(&report, vm->ctx);
    gr_diagnostic *d = gr_diag_warning(&report, GR_E_constant_numerator, source, span,
                                       "this is not tracked, so its derivative with respect to `%s` is 0",
                                       place->name->text);
    bool known = gr_birth_of_operand(vm, 0, e, &made);
    if (!known || !tell_copy(vm, d, &made, place, leaf)) {
        if (known)
            gr_diag_also(d, made.source, gr_birth_span(&made), "nothing in this is tracked");
        gr_diag_help(d, "compute it from `%s`", place->name->text);
    }
    gr_show_warning(vm, &report);
    gr_report_clear(&report);
}

void gr_watch_numerator(gr_vm *vm, const gr_descriptor *d, gr_value e, const gr_value *wrt) {
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    if (!gr_is_numeric(e) || e.node || vm->told_constant || vm->muted || !d->count) return;
    if ((f->proto->flags & GR_PROTO_LIBRARY) || !d->places || !d->places[0].name) return;
    gr_value leaf = gr_absent();
    gr_structure_each(vm, wrt[0], first_leaf, &leaf);
    if (gr_is_absent(leaf)) return;
    vm->told_constant = true;
    tell(vm, &d->places[0], e, leaf);
}
