/* SPDX-License-Identifier: MIT */
/*
 * What to write for a field that a value does not have: attributes and methods of NumPy, PyTorch,
 * Julia and JavaScript, and functions of the prelude written as methods. `$` in a hint stands for the
 * text of the object.
 */
#include "heap_private.h"
#include "suggest.h"

#include <stdio.h>
#include <string.h>

typedef struct habit {
    const char *field, *hint;
} habit;

static const habit habits[] = {
    {"grad", "`∂E/∂$` is the derivative of `E` with respect to `$`"},
    {"backward", "`∂$/∂W` is the derivative with respect to `W`; there is nothing to run first"},
    {"zero_grad", "derivatives do not accumulate, so there is nothing to reset"},
    {"requires_grad", "`param W = …` makes a tracked variable"},
    {"requires_grad_", "`param W = …` makes a tracked variable"},
    {"detach", "`stop($)` is the value, not tracked"},
    {"data", "`stop($)` is the value, not tracked"},
    {"numpy", "there is one kind of tensor, so nothing to convert; `stop($)` is not tracked"},
    {"item", "`sum`, `mean` and an index give numbers, so nothing to convert"},
    {"tolist", "`for x in $` runs through a tensor as through a tuple"},
    {"cpu", "there is one kind of tensor, so nothing to move"},
    {"cuda", "there is one kind of tensor, so nothing to move"},
    {"to", "`f32($)` and `f64($)` convert"},
    {"astype", "`f32($)` and `f64($)` convert"},
    {"float", "`f32($)` and `f64($)` convert"},
    {"copy", "values never change behind a variable, so `let b = $` is a copy"},
    {"clone", "values never change behind a variable, so `let b = $` is a copy"},
    {"ndim", "`len($.shape)` is the number of axes"},
    {"dim", "`len($.shape)` is the number of axes"},
    {"length", "`len($)` is the number of items"},
    {"count", "`len($)` is the number of items"},
    {"t", "`$.T` swaps the last two axes"},
    {"view", "`reshape($, 2, 3)` is the same numbers in another shape"},
    {"unsqueeze", "`$[.., new]` has one more axis at the end"},
    {"append", "`$ = push($, x)` grows a tuple"},
    {"extend", "`$ = $ ++ other` joins tuples"},
    {"push", "`$ = push($, x)` grows a tuple"},
    {"items", "`for (name, value) in $` runs through a record"},
    {"toFixed", "`\"{$:.2f}\"` is text with two decimals"},
    {"strip", "`trim($)`"},
    {"startswith", "`starts_with($, \"a\")`"},
    {"endswith", "`ends_with($, \"a\")`"},
};

/* The object for each `$`, in parentheses where something stands close behind it. */
static void put_hint(gr_vm *vm, gr_diagnostic *d, const char *hint, const char *object) {
    gr_buffer text;
    bool tight = gr_is_factor(object, strlen(object));
    gr_buffer_init(&text, vm->ctx);
    for (const char *end; (end = strchr(hint, '$')); hint = end + 1) {
        bool bare = tight || (end[1] != '.' && end[1] != '[');
        gr_buffer_put(&text, hint, (size_t)(end - hint));
        gr_buffer_printf(&text, bare ? "%s" : "(%s)", object);
    }
    gr_buffer_puts(&text, hint);
    gr_diag_help(d, "%s", text.failed ? "" : text.text);
    gr_buffer_free(&text);
}

/* What stands before the dot, if it is short and on one line; else x. */
static void object_text(gr_vm *vm, char *out, size_t room) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 1, &source);
    size_t size = span.end - span.begin;
    bool shown = source && size && size < room && !memchr(source->text + span.begin, '\n', size);
    snprintf(out, room, "%.*s", shown ? (int)size : 1, shown ? source->text + span.begin : "x");
}

/* What stands in the parentheses behind the field, "" where that is nothing, or long. */
static void arguments_text(gr_vm *vm, char *out, size_t room) {
    const gr_source *source;
    gr_span span = gr_operand_span(vm, 0, &source);
    int depth = 0;
    *out = 0;
    if (!source || span.end >= source->size || source->text[span.end] != '(') return;
    const char *begin = source->text + span.end + 1;
    bool quoted = false;
    for (size_t i = 0; i < room && begin[i] && begin[i] != '\n'; i++) {
        quoted ^= begin[i] == '"';
        if (quoted) continue;
        if (begin[i] == '(') depth++;
        if (begin[i] != ')' || depth-- > 0) continue;
        memcpy(out, begin, i);
        out[i] = 0;
        return;
    }
}

/* `reshape(x, 2, 3)` for x.reshape(2, 3); functions that take a function take it first. */
static void hint_function(gr_vm *vm, gr_diagnostic *d, const char *name, const char *object) {
    char arguments[40];
    arguments_text(vm, arguments, sizeof arguments);
    bool last = strcmp(name, "map") == 0 || strcmp(name, "filter") == 0 || strcmp(name, "fold") == 0;
    if (!*arguments) gr_diag_help(d, "`%s` is a function: `%s(%s)`", name, name, object);
    else gr_diag_help(d, "`%s` is a function: `%s(%s, %s)`", name, name, last ? arguments : object,
                      last ? object : arguments);
}

/* E.grad(w) */
static bool hint_gradient(gr_vm *vm, gr_diagnostic *d, const gr_string *field, const char *object) {
    char arguments[40];
    arguments_text(vm, arguments, sizeof arguments);
    if (field->length != 4 || memcmp(field->bytes, "grad", 4) != 0 || !*arguments) return false;
    gr_diag_help(d, "write `∂%s/∂%s`, or `grad(%s, %s)`", object, arguments, object, arguments);
    return true;
}

bool gr_suggest_field(gr_vm *vm, gr_diagnostic *d, const gr_string *field) {
    char object[40];
    object_text(vm, object, sizeof object);
    if (hint_gradient(vm, d, field, object)) return true;
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        if (strlen(habits[i].field) != field->length) continue;
        if (memcmp(habits[i].field, field->bytes, field->length) != 0) continue;
        put_hint(vm, d, habits[i].hint, object);
        return true;
    }
    const gr_name *name = gr_intern(vm->names, field->bytes, field->length);
    uint32_t slot = name ? gr_prelude_slot(vm, name) : UINT32_MAX;
    if (slot == UINT32_MAX) return false;
    hint_function(vm, d, name->text, object);
    return true;
}
