/* SPDX-License-Identifier: MIT */
/* Tuples: windows on growable buffers of values; short ones carry their items behind the header. */
#include "heap_private.h"

#include <string.h>

enum { GR_INLINE_ITEMS = 16 };

static size_t items_size(size_t room) { return sizeof(gr_items) + room * sizeof(gr_value); }

static gr_tuple *new_header(gr_vm *vm, size_t inline_items) {
    size_t bytes = sizeof(gr_tuple) + inline_items * sizeof(gr_value);
    gr_tuple *t = gr_object_new(vm, bytes, GR_TUPLE);
    if (!t) return NULL;
    t->base = NULL;
    t->items = (gr_value *)(t + 1);
    t->count = inline_items;
    return t;
}

static gr_items *new_items(gr_vm *vm, size_t room) {
    gr_items *b = room < SIZE_MAX / 32 ? ad_mem_get(vm->ctx, items_size(room)) : NULL;
    if (!b) {
        gr_raise_memory(vm);
        return NULL;
    }
    *b = (gr_items){.refs = 1, .used = 0, .room = room};
    return b;
}

static void release_items(gr_vm *vm, gr_items *b) {
    if (--b->refs) return;
    for (size_t i = 0; i < b->used; i++) gr_release(vm, b->data[i]);
    (b->outgrown ? ad_mem_discard : ad_mem_put)(vm->ctx, b, items_size(b->room));
}

bool gr_items_shared(const gr_tuple *t) { return t->base && t->base->refs > 1; }

void gr_tuple_free(gr_vm *vm, gr_tuple *t) {
    if (t->base) {
        release_items(vm, t->base);
        ad_mem_put(vm->ctx, t, sizeof *t);
        return;
    }
    for (size_t i = 0; i < t->count; i++) gr_release(vm, t->items[i]);
    ad_mem_put(vm->ctx, t, sizeof *t + t->count * sizeof(gr_value));
}

/* A window of `count` items on a buffer of its own with `room`; the items are the caller's to fill. */
static gr_tuple *new_buffered(gr_vm *vm, size_t count, size_t room) {
    gr_items *base = new_items(vm, room);
    if (!base) return NULL;
    gr_tuple *t = new_header(vm, 0);
    if (!t) {
        release_items(vm, base);
        return NULL;
    }
    base->used = count;
    t->base = base;
    t->items = base->data;
    t->count = count;
    return t;
}

static gr_tuple *new_tuple(gr_vm *vm, size_t count) {
    return count <= GR_INLINE_ITEMS ? new_header(vm, count) : new_buffered(vm, count, count);
}

gr_value gr_tuple_new(gr_vm *vm, size_t count) {
    gr_tuple *t = new_tuple(vm, count);
    if (!t) return gr_absent();
    for (size_t i = 0; i < count; i++) t->items[i] = gr_nil();
    return gr_of_kind(GR_TUPLE, t);
}

gr_value gr_tuple_of(gr_vm *vm, size_t count, const gr_value *items) {
    gr_tuple *t = new_tuple(vm, count);
    if (!t) {
        for (size_t i = 0; i < count; i++) gr_release(vm, items[i]);
        return gr_absent();
    }
    if (count) memcpy(t->items, items, count * sizeof *items);
    return gr_of_kind(GR_TUPLE, t);
}

/* The window with room for more; borrows. From a buffer that is seen through this window only, and which
 * is let go of next, the items are moved. */
static gr_tuple *copy_with_room(gr_vm *vm, gr_tuple *t, size_t room) {
    gr_tuple *copy = new_buffered(vm, t->count, room);
    if (!copy) return NULL;
    if (t->base && t->object.refs == 1 && t->base->refs == 1 && t->base->used == t->count) {
        memcpy(copy->items, t->items, t->count * sizeof *t->items);
        t->base->used = t->count = 0;
        return copy;
    }
    for (size_t i = 0; i < t->count; i++) copy->items[i] = gr_retain(vm, t->items[i]);
    return copy;
}

/* What was cut off behind the only window of a buffer is let go of: `t = t[..-1]` and then
 * `t = push(t, x)`, a stack, goes on in its buffer. */
static void trim(gr_vm *vm, gr_tuple *t) {
    gr_items *b = t->base;
    if (!b || b->refs > 1) return;
    size_t end = (size_t)(t->items - b->data) + t->count;
    while (b->used > end) gr_release(vm, b->data[--b->used]);
}

/* Takes `v`; gives a tuple nobody else holds whose window can be extended by `more` items. The window
 * is not yet extended. NULL: memory, `v` is released. */
static gr_tuple *extendable(gr_vm *vm, gr_value v, size_t more) {
    gr_tuple *t = gr_as_tuple(v), *out;
    trim(vm, t);
    bool fits = t->base && t->items + t->count == t->base->data + t->base->used &&
                more <= t->base->room - t->base->used;
    if (fits && t->object.refs == 1) return t;
    if (fits) {
        out = new_header(vm, 0);
        if (out) {
            out->base = t->base;
            out->base->refs++;
            out->items = t->items;
            out->count = t->count;
        }
    } else {
        size_t room = (t->count + more) * 2;
        out = copy_with_room(vm, t, room < 8 ? 8 : room);
        if (out && t->base) t->base->outgrown = true;
    }
    gr_release(vm, v);
    return out;
}

gr_value gr_tuple_push(gr_vm *vm, gr_value v, gr_value x) {
    gr_tuple *t = extendable(vm, v, 1);
    if (!t) {
        gr_release(vm, x);
        return gr_absent();
    }
    t->base->data[t->base->used++] = x;
    t->count++;
    return gr_of_kind(GR_TUPLE, t);
}

gr_value gr_tuple_join(gr_vm *vm, gr_value a, gr_value b) {
    size_t more = gr_as_tuple(b)->count;
    if (more == 0) return a;
    gr_retain(vm, b); /* `a` and `b` may be one */
    gr_tuple *t = extendable(vm, a, more);
    if (t) {
        const gr_value *from = gr_as_tuple(b)->items;
        gr_value *to = t->base->data + t->base->used;
        for (size_t i = 0; i < more; i++) to[i] = gr_retain(vm, from[i]);
        t->base->used += more;
        t->count += more;
    }
    gr_release(vm, b);
    return t ? gr_of_kind(GR_TUPLE, t) : gr_absent();
}

gr_value gr_tuple_slice(gr_vm *vm, gr_value v, size_t from, size_t to) {
    gr_tuple *t = gr_as_tuple(v);
    if (from == 0 && to == t->count) return gr_retain(vm, v);
    if (t->base && to - from > GR_INLINE_ITEMS) {
        gr_tuple *window = new_header(vm, 0);
        if (!window) return gr_absent();
        window->base = t->base;
        window->base->refs++;
        window->items = t->items + from;
        window->count = to - from;
        return gr_of_kind(GR_TUPLE, window);
    }
    gr_value copy = gr_tuple_new(vm, to - from);
    if (gr_failed(copy)) return copy;
    for (size_t i = from; i < to; i++)
        gr_as_tuple(copy)->items[i - from] = gr_retain(vm, t->items[i]);
    return copy;
}

gr_value *gr_tuple_edit(gr_vm *vm, gr_value *v) {
    gr_tuple *t = gr_as_tuple(*v);
    if (t->object.refs == 1 && (!t->base || t->base->refs == 1)) return t->items;
    gr_tuple *copy = new_tuple(vm, t->count);
    if (!copy) return NULL;
    for (size_t i = 0; i < t->count; i++) copy->items[i] = gr_retain(vm, t->items[i]);
    gr_replace(vm, v, gr_of_kind(GR_TUPLE, copy));
    return copy->items;
}
