/* SPDX-License-Identifier: MIT */
/*
 * The code in hints, looked at when they are about to be shown. What a program's own text was put into
 * must parse: as a program, as a value, or as one of the parts that hints speak of (a parameter, what
 * stands behind a value, a block, a line that goes on). A hint of which that is not so is left out.
 * Fixed texts are not looked at here: a test of the sources does that.
 */
#include "gradus.h"
#include "library.h"
#include "parser.h"
#include "vm_state.h"

#include <string.h>

static const char *const forms[][2] = {{"", ""},          {"let a = ", ""}, {"fn f(", ") = 0"},
                                       {"if true ", ""}, {"x", ""},        {"x[", "]"},       {"", "\n}"}};

/* A word, or signs alone: a name or an operator that is spoken of; or a command of the prompt. */
static bool is_plain(const char *code, size_t size) {
    size_t words = 0;
    if (size > 1 && code[0] == ':' && gr_is_name_byte(code[1])) return true;
    for (size_t i = 0; i < size; i++) words += gr_is_name_byte(code[i]);
    return words == 0 || words == size;
}

/* `…`, and `...` where nothing can be spread, stand for a value that the reader knows. */
static void put_code(gr_buffer *out, const char *code, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bool dots = size - i >= 3 && memcmp(code + i, "...", 3) == 0;
        if (dots && i + 3 < size) dots = !gr_is_name_byte(code[i + 3]) && code[i + 3] != '(';
        bool ellipsis = size - i >= 3 && memcmp(code + i, "…", 3) == 0;
        if (dots || ellipsis) {
            gr_buffer_puts(out, "0");
            i += 2;
        } else {
            gr_buffer_put(out, code + i, 1);
        }
    }
}

static bool is_code(gr_vm *vm, const char *code, size_t size) {
    gr_buffer text;
    bool ok = is_plain(code, size), fits = !memchr(code, '\n', size);
    gr_buffer_init(&text, vm->ctx);
    for (size_t i = 0; fits && !ok && i < sizeof forms / sizeof *forms; i++) {
        gr_buffer_clear(&text);
        gr_buffer_puts(&text, forms[i][0]);
        put_code(&text, code, size);
        gr_buffer_puts(&text, forms[i][1]);
        ok = !text.failed && gr_text_parses(vm->library->lexicon, text.text, text.size);
    }
    gr_buffer_free(&text);
    return ok;
}

static bool holds(gr_vm *vm, const char *text) {
    for (const char *begin = strchr(text, '`'), *end; begin; begin = strchr(end + 1, '`')) {
        end = strchr(begin + 1, '`');
        if (!end || !is_code(vm, begin + 1, (size_t)(end - begin - 1))) return false;
    }
    return true;
}

void gr_check_hints(gr_vm *vm) {
    for (gr_diagnostic *d = vm->report.first; d; d = d->next) {
        gr_remark **at = &d->remarks;
        d->last_remark = NULL;
        while (*at) {
            if ((*at)->kind == GR_REMARK_HELP && (*at)->filled && !holds(vm, (*at)->text)) {
                *at = (*at)->next;
                continue;
            }
            d->last_remark = *at;
            at = &(*at)->next;
        }
    }
}
