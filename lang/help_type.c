/* SPDX-License-Identifier: MIT */
/*
 * :type: the kinds of a value and of what is in it, without the numbers. A name is only looked at; of
 * an expression the shape rules are asked; what they do not know is evaluated, with everything put
 * back that an evaluation leaves behind: what is printed goes nowhere, random numbers are not used
 * up, `ans` keeps its value.
 */
#include "complete.h"
#include "format.h"
#include "help.h"
#include "module.h"
#include "vm_state.h"

#include <string.h>

enum { MOST_ITEMS = 12, DEEPEST = 8 };

/* ---- types as text ---------------------------------------------------------------------------- */

static void put_type(gr_vm *vm, gr_buffer *out, gr_value v, int depth);

static void put_items(gr_vm *vm, gr_buffer *out, gr_value v, int depth) {
    bool tuple = v.kind == GR_TUPLE;
    size_t count = tuple ? gr_as_tuple(v)->count : gr_record_count(v);
    gr_buffer_puts(out, tuple ? "(" : "{");
    for (size_t i = 0; i < count; i++) {
        if (i) gr_buffer_puts(out, ", ");
        if (i == MOST_ITEMS || depth == DEEPEST) {
            gr_buffer_printf(out, "… %zu more", count - i);
            break;
        }
        if (!tuple) {
            const gr_string *key = gr_record_key(v, (uint32_t)i);
            gr_buffer_put(out, key->bytes, key->length);
            gr_buffer_puts(out, ": ");
        }
        put_type(vm, out, tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i), depth + 1);
    }
    gr_buffer_puts(out, tuple ? (count == 1 ? ",)" : ")") : "}");
}

static void put_type(gr_vm *vm, gr_buffer *out, gr_value v, int depth) {
    char shape[160];
    if (v.kind == AD_TENSOR)
        gr_buffer_printf(out, "%s%s %s", depth ? "" : "tensor ",
                         ad_shape_text(v.tensor->rank, v.tensor->dims, shape, sizeof shape),
                         ad_dtype_name(v.tensor->dtype));
    else if (gr_is_structure(v)) put_items(vm, out, v, depth);
    else gr_buffer_puts(out, gr_kind_name(v));
    if (v.kind == GR_FUNCTION && depth == 0) {
        gr_buffer_puts(out, " ");
        gr_function_text(vm, v, out);
    }
}

void gr_help_kind(gr_vm *vm, gr_buffer *out, gr_value v) {
    gr_buffer note;
    gr_buffer_init(&note, gr_ctx(vm));
    if (gr_is_structure(v)) gr_buffer_printf(out, "%s ", gr_kind_name(v));
    put_type(vm, out, v, 0);
    gr_format_tracked(vm, &note, v);
    if (note.size) gr_buffer_printf(out, ", %s", note.text);
    gr_buffer_free(&note);
}

static void put_all(gr_vm *vm, gr_buffer *out, gr_value v) {
    gr_help_kind(vm, out, v);
    gr_buffer_puts(out, "\n");
}

/* ---- by the rules alone ----------------------------------------------------------------------- */

static void find_tracked(gr_value v, int depth, bool *found) {
    if (gr_is_numeric(v)) *found |= v.node != 0;
    if (!gr_is_structure(v) || depth == DEEPEST) return;
    size_t count = v.kind == GR_TUPLE ? gr_as_tuple(v)->count : gr_record_count(v);
    for (size_t i = 0; i < count && !*found; i++)
        find_tracked(v.kind == GR_TUPLE ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i),
                     depth + 1, found);
}

static bool is_repeated(const gr_typed *t, uint32_t i) {
    gr_span now = t->tokens[i].span;
    for (uint32_t k = 0; k < i; k++) {
        gr_span s = t->tokens[k].span;
        if (s.end - s.begin == now.end - now.begin &&
            memcmp(t->source->text + s.begin, t->source->text + now.begin, s.end - s.begin) == 0)
            return true;
    }
    return false;
}

/* ", from tracked W b": the variables in the text that are tracked. */
static void put_origins(gr_vm *vm, gr_buffer *out, const gr_typed *t) {
    const char *before = ", from tracked ";
    for (uint32_t i = 0; i < t->count; i++) {
        gr_span s = t->tokens[i].span;
        gr_value v;
        bool tracked = false;
        if (t->tokens[i].kind != GR_T_NAME || is_repeated(t, i)) continue;
        if (i > 0 && t->tokens[i - 1].kind == GR_T_DOT) continue;
        if (!gr_known_value(vm, t->source->text + s.begin, s.end - s.begin, &v)) continue;
        find_tracked(v, 0, &tracked);
        if (!tracked) continue;
        gr_buffer_puts(out, before);
        gr_buffer_put(out, t->source->text + s.begin, s.end - s.begin);
        before = " ";
    }
}

/* "→ [2, 3] f32" as what it is. */
static void put_guess(gr_vm *vm, gr_buffer *out, const char *guess, const gr_typed *t) {
    static const char arrow[] = "→ ";
    if (strncmp(guess, arrow, sizeof arrow - 1) == 0) guess += sizeof arrow - 1;
    if (*guess == '[') gr_buffer_puts(out, "tensor ");
    if (*guess == '{') gr_buffer_puts(out, "record ");
    if (*guess == '(') gr_buffer_puts(out, "tuple ");
    gr_buffer_puts(out, guess);
    if (*guess == '[' && guess[strlen(guess) - 1] == ']') gr_buffer_puts(out, " f64");
    put_origins(vm, out, t);
    gr_buffer_puts(out, "; nothing was evaluated\n");
}

/* False: the rules do not know. */
static bool by_rules(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_assist assist = {.vm = vm};
    gr_buffer guess;
    gr_typed typed;
    if (gr_is_incomplete(&assist, text, size) || !gr_typed_scan(vm, text, size, &typed)) return false;
    gr_buffer_init(&guess, gr_ctx(vm));
    bool conflict = gr_shape_hint(&assist, text, size, &guess), known = guess.size > 0;
    if (conflict) gr_buffer_printf(out, "%s\n", guess.text);
    else if (known) put_guess(vm, out, guess.text, &typed);
    gr_buffer_free(&guess);
    gr_typed_free(&typed);
    return known;
}

/* ---- evaluation ------------------------------------------------------------------------------- */

static void restore_answer(gr_vm *vm, gr_value before, bool was) {
    const gr_name *name = gr_intern_ascii(vm->names, "ans", 3);
    uint32_t slot = name ? gr_module_slot(gr_main_module(vm), name) : UINT32_MAX;
    if (slot == UINT32_MAX) return;
    gr_replace(vm, &vm->globals[slot].value, was ? before : gr_absent());
    if (!was) vm->globals[slot].flags &= ~(unsigned)GR_GLOBAL_DEFINED;
}

static gr_status evaluate(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_value v, answer = gr_absent();
    ad_random_state random = ad_random_get(gr_ctx(vm));
    void (*write)(void *, int, const char *, size_t) = vm->write;
    bool was = gr_get_global(vm, "ans", &answer);
    if (was) gr_retain(vm, answer);
    vm->write = NULL;
    gr_status status = gr_run_text(vm, "<type>", text, size, GR_RUN_ANSWER);
    vm->write = write;
    ad_random_set(gr_ctx(vm), random);
    if (status == GR_OK && gr_answer(vm, &v)) put_all(vm, out, v);
    else if (status == GR_OK) gr_buffer_puts(out, "That is a statement: it has no value.\n");
    restore_answer(vm, answer, was);
    return status;
}

gr_status gr_help_type(gr_vm *vm, gr_buffer *out, const char *text, size_t size) {
    gr_value v = gr_nil();
    while (size && strchr(" \t\r\n", *text)) text++, size--;
    while (size && strchr(" \t\r\n;", text[size - 1])) size--;
    if (gr_help_lookup(vm, text, size, &v)) put_all(vm, out, v);
    else if (!by_rules(vm, out, text, size)) return evaluate(vm, out, text, size);
    return GR_OK;
}
