/* SPDX-License-Identifier: MIT */
/*
 * A warning where a function changes a parameter and nobody reads it afterwards: parameters are variables
 * of their own, so the caller sees nothing of it, which who comes from languages with references does not
 * expect. Reads and writes are told by the pass over the names (scope.c) in the order of the text; what a
 * loop reads, its next turn reads after the write. When in doubt nothing is said: where a closure holds the
 * variable, or any branch further down reads it.
 */
#include "lost.h"

#include "vm_state.h"
#include "watch.h"

#include <string.h>

static bool is_target(const gr_node *t, const gr_name *name) {
    switch (t->kind) {
    case GR_N_NAME: return t->as.name == name;
    case GR_N_SPREAD: return is_target(t->as.spread, name);
    case GR_N_FIELD: return is_target(t->as.field.object, name);
    case GR_N_INDEX: return is_target(t->as.index.object, name);
    case GR_N_TUPLE:
        for (uint32_t i = 0; i < t->as.list.count; i++)
            if (is_target(t->as.list.items[i], name)) return true;
        return false;
    default: return false;
    }
}

void gr_lost_read(gr_variable *v, const gr_node *assignment, uint32_t loop) {
    if (assignment && is_target(assignment->as.assign.target, v->name)) return;
    v->lost = NULL;
    v->read_in = loop;
}

void gr_lost_write(gr_variable *v, const gr_node *assignment, uint32_t loop) {
    if (!assignment || assignment->as.assign.value->kind == GR_N_NIL) return; /* lets go of it */
    if (!loop || v->read_in != loop) v->lost = assignment;
}

static const gr_variable *next_lost(const gr_scope *s, const gr_parameters *p, uint32_t *at) {
    if (*at < p->begin) *at = p->begin;
    while (*at < p->end) {
        const gr_variable *v = &s->variables[(*at)++];
        bool parameter = (v->flags & (GR_VAR_PARAMETER | GR_VAR_CAPTURED)) == GR_VAR_PARAMETER;
        if (v->fn == p->fn && v->lost && parameter) return v;
    }
    return NULL;
}

/* `w`, or `(w, b)` where there are several. */
static void put_names(const gr_scope *s, const gr_parameters *p, gr_buffer *out) {
    uint32_t at = 0, count = 0;
    const gr_variable *v;
    while ((v = next_lost(s, p, &at))) gr_buffer_printf(out, "%s%s", count++ ? ", " : "(", v->name->text);
    if (count == 1 && out->text) memmove(out->text, out->text + 1, out->size--);
    else gr_buffer_puts(out, ")");
}

static void tell(const gr_scope *s, const gr_parameters *p, const char *name, gr_report *report) {
    uint32_t at = 0;
    gr_buffer names;
    const gr_variable *v = next_lost(s, p, &at), *other;
    gr_diagnostic *d = gr_diag_warning(report, GR_E_lost_assignment, s->source,
                                       v->lost->as.assign.target->span,
                                       "this changes the parameter `%s`, which nobody reads afterwards: "
                                       "the caller's variable stays as it was",
                                       v->name->text);
    while ((other = next_lost(s, p, &at)))
        if (other->lost != v->lost)
            gr_diag_also(d, s->source, other->lost->as.assign.target->span, "and `%s`", other->name->text);
    gr_buffer_init(&names, s->vm->ctx);
    put_names(s, p, &names);
    if (!names.failed)
        gr_diag_help(d, "let `%s` be the last line of the function, and assign what it gives where it is "
                        "called: `%s %s %s(…)`", names.text, names.text,
                     v->lost->as.assign.update ? ":=" : "=", name);
    gr_buffer_free(&names);
}

void gr_lost_tell(const gr_scope *s, const gr_parameters *p, const gr_name *name) {
    gr_report report;
    uint32_t at = 0;
    if (s->module->library || !next_lost(s, p, &at)) return;
    gr_report_init(&report, s->vm->ctx);
    tell(s, p, name ? name->text : "f", &report);
    gr_show_warning(s->vm, &report);
    gr_report_clear(&report);
}
