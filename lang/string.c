/* SPDX-License-Identifier: MIT */
/*
 * Strings: windows on growable buffers of bytes. Short ones carry their bytes behind the header;
 * joining moves them into a buffer with room, after which further joins append.
 */
#include "heap_private.h"

#include <string.h>

struct gr_bytes {
    size_t refs, used, room;
    char data[];
};

static gr_string *new_header(gr_vm *vm, size_t inline_bytes) {
    gr_string *s = gr_object_new(vm, sizeof *s + inline_bytes, GR_STRING);
    if (!s) return NULL;
    s->base = NULL;
    s->bytes = (char *)(s + 1);
    s->length = inline_bytes;
    s->chars = -1;
    s->hash = 0;
    s->interned = 0;
    return s;
}

static void release_bytes(gr_vm *vm, gr_bytes *b) {
    if (--b->refs == 0) ad_mem_put(vm->ctx, b, sizeof *b + b->room);
}

void gr_string_free(gr_vm *vm, gr_string *s) {
    if (s->object.aux) gr_string_forget_marks(vm, s);
    size_t size = sizeof *s + (s->base ? 0 : s->length);
    if (s->base) release_bytes(vm, s->base);
    ad_mem_put(vm->ctx, s, size);
}

gr_value gr_string_room(gr_vm *vm, size_t length, char **bytes) {
    gr_string *s = new_header(vm, length);
    if (!s) return gr_absent();
    *bytes = (char *)(s + 1);
    return gr_of_kind(GR_STRING, s);
}

gr_value gr_string_new(gr_vm *vm, const char *bytes, size_t length) {
    char *to;
    gr_value v = gr_string_room(vm, length, &to);
    if (!gr_failed(v) && length) memcpy(to, bytes, length);
    return v;
}

gr_value gr_string_text(gr_vm *vm, const char *text) {
    return gr_string_new(vm, text, strlen(text));
}

int64_t gr_count_chars(const char *bytes, size_t length) {
    int64_t n = 0;
    for (size_t i = 0; i < length; i++) n += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return n;
}

int64_t gr_string_chars(gr_string *s) {
    if (s->chars < 0) s->chars = gr_count_chars(s->bytes, s->length);
    return s->chars;
}

/* A new window on `base` that ends where it is used up to, or in place of `a` if that is unshared. */
static gr_value extended(gr_vm *vm, gr_value a, gr_bytes *base, const char *from, size_t length,
                         int64_t chars) {
    gr_string *s = gr_as_string(a);
    if (s->object.refs > 1 || !s->base) {
        s = new_header(vm, 0);
        if (!s) return gr_absent();
        s->base = base;
        base->refs++;
    } else {
        s->object.refs++;
    }
    s->bytes = from;
    s->length = length;
    s->chars = chars;
    s->hash = 0;
    s->interned = 0;
    gr_value v = gr_of_kind(GR_STRING, s);
    return v;
}

static int64_t joined_chars(const gr_string *a, gr_string *b) {
    if (a->chars < 0) return -1;
    return a->chars + gr_string_chars(b);
}

/* `a` moved to a buffer of its own with room for twice the joined length. */
static gr_value join_fresh(gr_vm *vm, gr_string *a, gr_string *b) {
    size_t length, room;
    if (__builtin_add_overflow(a->length, b->length, &length) ||
        __builtin_mul_overflow(length, (size_t)2, &room)) {
        gr_raise_memory(vm);
        return gr_absent();
    }
    if (length < 64) { /* short: one block, no buffer */
        char *to;
        gr_value v = gr_string_room(vm, length, &to);
        if (gr_failed(v)) return v;
        memcpy(to, a->bytes, a->length);
        memcpy(to + a->length, b->bytes, b->length);
        gr_as_string(v)->chars = joined_chars(a, b);
        return v;
    }
    gr_bytes *base = ad_mem_get(vm->ctx, sizeof *base + room);
    gr_string *s = base ? new_header(vm, 0) : NULL;
    if (!s) {
        if (base) ad_mem_put(vm->ctx, base, sizeof *base + room);
        else gr_raise_memory(vm);
        return gr_absent();
    }
    *base = (gr_bytes){.refs = 1, .used = length, .room = room};
    memcpy(base->data, a->bytes, a->length);
    memcpy(base->data + a->length, b->bytes, b->length);
    s->base = base;
    s->bytes = base->data;
    s->length = length;
    s->chars = joined_chars(a, b);
    return gr_of_kind(GR_STRING, s);
}

gr_value gr_string_join(gr_vm *vm, gr_value a, gr_value b) {
    gr_string *s = gr_as_string(a), *t = gr_as_string(b);
    gr_value joined;
    if (t->length == 0) return a;
    if (s->base && s->base->refs == 1) /* what was cut off behind it */
        s->base->used = (size_t)(s->bytes - s->base->data) + s->length;
    if (s->base && s->bytes + s->length == s->base->data + s->base->used &&
        t->length <= s->base->room - s->base->used) {
        gr_bytes *base = s->base;
        memcpy(base->data + base->used, t->bytes, t->length);
        base->used += t->length;
        joined = extended(vm, a, base, s->bytes, s->length + t->length, joined_chars(s, t));
    } else {
        joined = join_fresh(vm, s, t);
    }
    gr_release(vm, a);
    return joined;
}

gr_value gr_string_slice(gr_vm *vm, gr_value v, size_t from, size_t to) {
    gr_string *s = gr_as_string(v);
    if (from == 0 && to == s->length) return gr_retain(vm, v);
    if (!s->base || to - from < 64) return gr_string_new(vm, s->bytes + from, to - from);
    gr_string *t = new_header(vm, 0);
    if (!t) return gr_absent();
    t->base = s->base;
    t->base->refs++;
    t->bytes = s->bytes + from;
    t->length = to - from;
    if (s->chars == (int64_t)s->length) t->chars = (int64_t)t->length;
    return gr_of_kind(GR_STRING, t);
}

/* FNV-1a over words of eight bytes, with a final mix. */
static uint32_t hash_bytes(const char *bytes, size_t length) {
    uint64_t h = 0xcbf29ce484222325u ^ length;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
        bytes += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    memcpy(&rest, bytes, length);
    h = (h ^ rest) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    return (uint32_t)h ? (uint32_t)h : 1;
}

uint32_t gr_string_hash_now(gr_string *s) { return s->hash = hash_bytes(s->bytes, s->length); }

bool gr_string_equal(gr_string *a, gr_string *b) {
    if (a == b) return true;
    if (a->length != b->length || (a->interned && b->interned)) return false;
    if (a->hash && b->hash && a->hash != b->hash) return false;
    return memcmp(a->bytes, b->bytes, a->length) == 0;
}

bool gr_string_is(gr_value v, const char *text) {
    if (v.kind != GR_STRING) return false;
    gr_string *s = gr_as_string(v);
    return s->length == strlen(text) && memcmp(s->bytes, text, s->length) == 0;
}

static bool grow_name_strings(gr_vm *vm, uint32_t serial) {
    uint32_t room = vm->name_string_room ? vm->name_string_room : 256;
    while (room <= serial) room *= 2;
    size_t old = vm->name_string_room * sizeof(gr_string *), now = room * sizeof(gr_string *);
    gr_string **grown = ad_mem_resize(vm->ctx, vm->name_strings, old, now);
    if (!grown) return false;
    memset((char *)grown + old, 0, now - old);
    vm->name_strings = grown;
    vm->name_string_room = room;
    return true;
}

gr_string *gr_name_string(gr_vm *vm, const gr_name *name) {
    if (name->serial >= vm->name_string_room && !grow_name_strings(vm, name->serial)) {
        gr_raise_memory(vm);
        return NULL;
    }
    gr_string **place = &vm->name_strings[name->serial];
    if (!*place) {
        gr_value v = gr_string_new(vm, name->text, name->length);
        if (gr_failed(v)) return NULL;
        *place = gr_as_string(v);
        (*place)->interned = 1;
        gr_string_hash(*place);
        gr_string_chars(*place);
    }
    return *place;
}
