/* SPDX-License-Identifier: MIT */
/*
 * Where the characters of a string stand. In ASCII a character is a byte. For a few long strings of
 * other text, those that were indexed last, the offset of every 64th character is kept, as far as it
 * was asked for; joining goes on behind what is kept. A string with marks says so in its header (aux),
 * and takes them along when it is freed.
 */
#include "heap_private.h"

#include <string.h>

enum { STRIDE = 64, SHORT = 4 * STRIDE };

static bool is_first_byte(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

/* `count` characters on from a first byte; the end of the string is one, too. */
static size_t skip(const gr_string *s, size_t at, int64_t count) {
    while (count > 0 && at < s->length) {
        do at++;
        while (at < s->length && !is_first_byte(s->bytes[at]));
        count--;
    }
    return at;
}

static void drop(gr_vm *vm, gr_string_marks *m) {
    if (m->of) m->of->object.aux = 0;
    if (m->marks) ad_mem_put(vm->ctx, m->marks, m->room * sizeof *m->marks);
    *m = (gr_string_marks){0};
}

void gr_string_forget_marks(gr_vm *vm, const gr_string *s) {
    for (int i = 0; i < GR_MARKED_STRINGS; i++)
        if (vm->marked[i].of == s) drop(vm, &vm->marked[i]);
}

static gr_string_marks *marks_of(gr_vm *vm, gr_string *s) {
    for (int i = 0; s->object.aux && i < GR_MARKED_STRINGS; i++)
        if (vm->marked[i].of == s) return &vm->marked[i];
    gr_string_marks *m = &vm->marked[vm->next_marked++ % GR_MARKED_STRINGS];
    drop(vm, m);
    m->of = s;
    s->object.aux = 1;
    return m;
}

/* The marks up to the k-th, if there is memory for them: else as many as there are. */
static void extend(gr_vm *vm, gr_string_marks *m, size_t k) {
    if (k >= m->room) {
        size_t room = (k + 1) * 2;
        size_t *grown = ad_mem_resize(vm->ctx, m->marks, m->room * sizeof *grown, room * sizeof *grown);
        if (!grown) return;
        m->marks = grown;
        m->room = room;
    }
    if (m->count == 0) m->marks[m->count++] = 0;
    for (; m->count <= k; m->count++) m->marks[m->count] = skip(m->of, m->marks[m->count - 1], STRIDE);
}

size_t gr_string_offset(gr_vm *vm, gr_string *s, int64_t index) {
    int64_t chars = gr_string_chars(s);
    if (chars == (int64_t)s->length) return (size_t)index;
    if (index >= chars) return s->length;
    if (index < SHORT) return skip(s, 0, index);
    gr_string_marks *m = marks_of(vm, s);
    size_t k = (size_t)(index / STRIDE);
    if (m->count <= k) extend(vm, m, k);
    if (m->count <= k) return skip(s, 0, index);
    return skip(s, m->marks[k], index % STRIDE);
}
