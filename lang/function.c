/* SPDX-License-Identifier: MIT */
/* Function objects, and the signatures of natives, which are parsed when first needed. */
#include "function.h"
#include "heap_private.h"

#include <string.h>

static gr_function *new_function(gr_vm *vm, gr_form form, size_t header, uint32_t held) {
    gr_function *f = gr_object_new(vm, header + held * sizeof(gr_value), GR_FUNCTION);
    if (!f) return NULL;
    f->form = (uint8_t)form;
    f->arity = 0;
    f->op = AD_OP_NONE;
    f->exact = GR_INEXACT;
    f->held_count = held;
    f->serial = ++vm->serials;
    f->signature = NULL;
    return f;
}

gr_closure *gr_closure_new(gr_vm *vm, gr_proto *proto, uint32_t held) {
    gr_function *f = new_function(vm, GR_FORM_CLOSURE, sizeof(gr_closure), held);
    if (!f) return NULL;
    gr_closure *c = (gr_closure *)f;
    c->proto = proto;
    if (!held) f->serial = proto->serial;
    gr_proto_retain(proto);
    for (uint32_t i = 0; i < held; i++) c->held[i] = gr_nil();
    return c;
}

gr_value gr_bind(gr_vm *vm, const gr_builtin *row, uint32_t count, const gr_value *values) {
    gr_function *f = new_function(vm, GR_FORM_NATIVE, sizeof(gr_native_function), count);
    if (!f) {
        for (uint32_t i = 0; i < count; i++) gr_release(vm, values[i]);
        return gr_absent();
    }
    gr_native_function *n = (gr_native_function *)f;
    n->row = row;
    if (count) memcpy(n->held, values, count * sizeof *values);
    return gr_of_kind(GR_FUNCTION, f);
}

gr_value gr_native_new(gr_vm *vm, const gr_builtin *row) { return gr_bind(vm, row, 0, NULL); }

gr_value gr_op_function(gr_vm *vm, ad_op op) {
    gr_function *f = new_function(vm, GR_FORM_OP, sizeof(gr_native_function), 0);
    if (!f) return gr_absent();
    const ad_row_info *info = ad_op_info(op);
    f->op = op;
    if ((info->flags & AD_ROW_ELEMENTWISE) && info->min_operands == info->max_operands &&
        info->max_operands <= 2)
        f->arity = (uint8_t)info->max_operands;
    return gr_of_kind(GR_FUNCTION, f);
}

const char *gr_native_signature_text(const gr_function *f) {
    return f->form == GR_FORM_OP ? ad_op_info(f->op)->signature
                                 : ((const gr_native_function *)f)->row->signature;
}

/* ---- signatures ------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *s) {
    while (*s == ' ' || *s == ',') s++;
    return s;
}

/* The end of a parameter: the comma outside quotes and brackets. */
static const char *parameter_end(const char *s) {
    int depth = 0;
    bool quoted = false;
    for (; *s && (quoted || depth || *s != ','); s++) {
        if (*s == '"') quoted = !quoted;
        if (!quoted && (*s == '(' || *s == '[')) depth++;
        if (!quoted && (*s == ')' || *s == ']')) depth--;
    }
    return s;
}

static uint32_t count_parameters(const char *s) {
    uint32_t n = 0;
    for (s = skip_blanks(s); *s; s = skip_blanks(parameter_end(s))) n++;
    return n;
}

static size_t name_length(const char *s, const char *end) {
    size_t n = 0;
    while (s + n < end && s[n] != ' ' && s[n] != ':' && s[n] != '=') n++;
    return n;
}

static void parse_signature(gr_native_signature *sig, const char *s) {
    char *to = sig->text;
    bool by_name = false;
    for (s = skip_blanks(s); *s; s = skip_blanks(s)) {
        const char *end = parameter_end(s);
        if (*s == '*') {
            by_name = true;
        } else if (strncmp(s, "...", 3) == 0) {
            sig->rest = by_name = true;
        } else {
            size_t length = name_length(s, end);
            bool optional = memchr(s, '=', (size_t)(end - s)) != NULL;
            memcpy(to, s, length);
            to[length] = 0;
            sig->names[sig->count++] = to;
            to += length + 1;
            if (!by_name) sig->positional = sig->count;
            if (!optional && sig->required == sig->count - 1) sig->required = sig->count;
        }
        s = end;
    }
}

const gr_native_signature *gr_native_signature_of(gr_vm *vm, gr_function *f) {
    if (f->signature) return f->signature;
    const char *text = gr_native_signature_text(f);
    size_t names = count_parameters(text), size = strlen(text) + 1;
    gr_native_signature *sig =
        ad_mem_get(vm->ctx, sizeof *sig + names * sizeof *sig->names + size);
    if (!sig) {
        gr_raise_memory(vm);
        return NULL;
    }
    *sig = (gr_native_signature){.text_size = (uint32_t)(names * sizeof *sig->names + size)};
    sig->text = (char *)(sig->names + names);
    parse_signature(sig, text);
    f->signature = sig;
    if (!f->arity && !sig->rest && sig->count == sig->positional && sig->count <= GR_MAX_PARAMETERS)
        f->exact = (uint8_t)sig->count;
    return sig;
}

void gr_native_signature_free(gr_vm *vm, gr_native_signature *s) {
    ad_mem_put(vm->ctx, s, sizeof *s + s->text_size);
}

/* ---- what one may ask of any function --------------------------------------------------------- */

const char *gr_function_name(gr_value v) {
    gr_function *f = gr_as_function(v);
    if (f->form == GR_FORM_OP) return ad_op_info(f->op)->name;
    if (f->form == GR_FORM_NATIVE) return ((gr_native_function *)f)->row->name;
    const gr_name *name = ((gr_closure *)f)->proto->name;
    return name ? name->text : "fn";
}

void gr_function_text(gr_vm *vm, gr_value v, gr_buffer *out) {
    (void)vm;
    gr_function *f = gr_as_function(v);
    if (f->form != GR_FORM_CLOSURE) {
        gr_buffer_printf(out, "fn %s(%s)", gr_function_name(v), gr_native_signature_text(f));
        return;
    }
    const gr_proto *p = ((gr_closure *)f)->proto;
    gr_buffer_put(out, p->source->text + p->head.begin, p->head.end - p->head.begin);
}

const char *gr_function_doc(gr_vm *vm, gr_value v) {
    (void)vm;
    gr_function *f = gr_as_function(v);
    if (f->form == GR_FORM_OP) return ad_op_info(f->op)->doc;
    if (f->form == GR_FORM_NATIVE) return ((gr_native_function *)f)->row->doc;
    return ((gr_closure *)f)->proto->doc;
}
