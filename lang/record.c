/* SPDX-License-Identifier: MIT */
/*
 * Records. A layout maps names to places. Shared layouts ("shapes") form a tree below the vm: the
 * child of a shape by a name is that shape with the name added; their names are interned and they
 * live as long as the vm, so an instruction may remember one. A record that gets a computed name,
 * or many names, owns its layout, which is then a hash index that grows with it.
 */
#include "heap_private.h"

#include <string.h>

struct gr_layout {
    uint32_t count, key_room, slot_room; /* slot_room: a power of two, or 0: searched in a row */
    bool shared;
    gr_string **keys;
    uint32_t *slots; /* place + 1 */
    gr_layout *child, *sibling;
};

enum { GR_ROW_SEARCH = 8, GR_MOST_SHARED = 48 };

static void layout_free(gr_vm *vm, gr_layout *l) {
    if (!l->shared)
        for (uint32_t i = 0; i < l->count; i++) gr_release(vm, gr_of_kind(GR_STRING, l->keys[i]));
    if (l->keys) ad_mem_put(vm->ctx, l->keys, l->key_room * sizeof *l->keys);
    if (l->slots) ad_mem_put(vm->ctx, l->slots, l->slot_room * sizeof *l->slots);
    ad_mem_put(vm->ctx, l, sizeof *l);
}

void gr_layouts_free(gr_vm *vm) {
    gr_layout *l = vm->root_layout;
    while (l) { /* children are put in front of the list that is still to be freed */
        gr_layout *next = l->sibling, *last = l->child;
        if (last) {
            while (last->sibling) last = last->sibling;
            last->sibling = next;
            next = l->child;
        }
        layout_free(vm, l);
        l = next;
    }
    vm->root_layout = NULL;
}

static void index_key(gr_layout *l, uint32_t place) {
    uint32_t mask = l->slot_room - 1, i = gr_string_hash(l->keys[place]) & mask;
    while (l->slots[i]) i = (i + 1) & mask;
    l->slots[i] = place + 1;
}

/* The names are those of `from`, whose slots do where there are as many. */
static void fill_slots(gr_layout *l, const gr_layout *from) {
    if (!l->slots) return;
    if (from && from->slot_room == l->slot_room) {
        memcpy(l->slots, from->slots, l->slot_room * sizeof *l->slots);
        return;
    }
    memset(l->slots, 0, l->slot_room * sizeof *l->slots);
    for (uint32_t i = 0; i < l->count; i++) index_key(l, i);
}

/* A layout with these names and room for `room`; owned ones retain them. */
static gr_layout *layout_new(gr_vm *vm, const gr_layout *from, uint32_t room, bool shared) {
    gr_layout *l = ad_mem_get(vm->ctx, sizeof *l);
    if (!l) goto failed;
    *l = (gr_layout){.count = from ? from->count : 0, .key_room = room, .shared = shared};
    if (room > GR_ROW_SEARCH)
        for (l->slot_room = 16; l->slot_room < room * 2;) l->slot_room *= 2;
    l->keys = room ? ad_mem_get(vm->ctx, room * sizeof *l->keys) : NULL;
    l->slots = l->slot_room ? ad_mem_get(vm->ctx, l->slot_room * sizeof *l->slots) : NULL;
    if ((room && !l->keys) || (l->slot_room && !l->slots)) {
        l->count = 0;
        layout_free(vm, l);
        goto failed;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        l->keys[i] = from->keys[i];
        if (!shared) l->keys[i]->object.refs++;
    }
    fill_slots(l, from);
    return l;
failed:
    gr_raise_memory(vm);
    return NULL;
}

static int64_t search_row(const gr_layout *l, gr_string *key) {
    for (uint32_t i = 0; i < l->count; i++)
        if (l->keys[i] == key) return i;
    if (key->interned && l->shared) return -1;
    for (uint32_t i = 0; i < l->count; i++)
        if (gr_string_equal(l->keys[i], key)) return i;
    return -1;
}

static int64_t search(const gr_layout *l, gr_string *key) {
    if (!l->slots) return search_row(l, key);
    uint32_t mask = l->slot_room - 1, hash = gr_string_hash(key);
    for (uint32_t i = hash & mask; l->slots[i]; i = (i + 1) & mask) {
        const gr_string *k = l->keys[l->slots[i] - 1];
        if (k == key) return l->slots[i] - 1;
        bool same = k->hash == hash && k->length == key->length;
        if (same && memcmp(k->bytes, key->bytes, k->length) == 0) return l->slots[i] - 1;
    }
    return -1;
}

int64_t gr_layout_place(const gr_layout *l, gr_string *key) { return search(l, key); }

/* The shape with one more name. */
static gr_layout *shape_with(gr_vm *vm, gr_layout *l, gr_string *key) {
    for (gr_layout *c = l->child; c; c = c->sibling)
        if (c->keys[l->count] == key) return c;
    gr_layout *c = layout_new(vm, l, l->count + 1, true);
    if (!c) return NULL;
    c->keys[c->count++] = key;
    if (c->slots) index_key(c, l->count);
    c->sibling = l->child;
    l->child = c;
    return c;
}

static gr_layout *root(gr_vm *vm) {
    if (!vm->root_layout) vm->root_layout = layout_new(vm, NULL, 0, true);
    return vm->root_layout;
}

gr_layout *gr_layout_of(gr_vm *vm, uint32_t count, gr_string *const *keys) {
    gr_layout *l = root(vm);
    for (uint32_t i = 0; l && i < count; i++) l = shape_with(vm, l, keys[i]);
    return l;
}

bool gr_layout_is_shared(const gr_layout *l) { return l->shared; }

/* ---- records ---------------------------------------------------------------------------------- */

static gr_record *record_room(gr_vm *vm, gr_layout *layout, uint32_t room) {
    if (room > UINT16_MAX) room = UINT16_MAX;
    gr_record *r = gr_object_new(vm, sizeof *r + room * sizeof(gr_value), GR_RECORD);
    if (!r) return NULL;
    r->object.aux = (uint16_t)room; /* how many values stand behind the header */
    r->layout = layout;
    r->values = (gr_value *)(r + 1);
    r->count = 0;
    r->room = room;
    return r;
}

static bool values_inline(const gr_record *r) { return r->values == (const gr_value *)(r + 1); }

void gr_record_free(gr_vm *vm, gr_record *r) {
    if (!gr_all_plain(r->values, r->count))
        for (uint32_t i = 0; i < r->count; i++) gr_drop(vm, r->values[i]);
    if (!values_inline(r)) ad_mem_put(vm->ctx, r->values, r->room * sizeof *r->values);
    if (!r->layout->shared) layout_free(vm, r->layout);
    ad_mem_put(vm->ctx, r, sizeof *r + r->object.aux * sizeof(gr_value));
}

gr_value gr_record_new(gr_vm *vm) {
    gr_layout *l = root(vm);
    gr_record *r = l ? record_room(vm, l, 0) : NULL;
    return r ? gr_of_kind(GR_RECORD, r) : gr_absent();
}

gr_value gr_record_of(gr_vm *vm, gr_layout *shape, const gr_value *values) {
    gr_record *r = record_room(vm, shape, shape->count);
    if (!r) {
        for (uint32_t i = 0; i < shape->count; i++) gr_release(vm, values[i]);
        return gr_absent();
    }
    if (shape->count) memcpy(r->values, values, shape->count * sizeof *values);
    r->count = shape->count;
    return gr_of_kind(GR_RECORD, r);
}

static bool grow_values(gr_vm *vm, gr_record *r, uint32_t room) {
    if (room <= r->room) return true;
    uint32_t wanted = r->room * 2 > room ? r->room * 2 : room < 4 ? 4 : room;
    gr_value *grown = ad_mem_get(vm->ctx, wanted * sizeof *grown);
    if (!grown) {
        gr_raise_memory(vm);
        return false;
    }
    if (r->count) memcpy(grown, r->values, r->count * sizeof *grown);
    if (!values_inline(r)) ad_mem_put(vm->ctx, r->values, r->room * sizeof *grown);
    r->values = grown;
    r->room = wanted;
    return true;
}

/* The same fields with room for `more`, all nil. */
/* Of the same fields, with room for more; whoever asks fills in the values. */
static gr_record *record_blank(gr_vm *vm, const gr_record *from, uint32_t more) {
    gr_layout *l = from->layout;
    if (!l->shared) l = layout_new(vm, l, l->count + more, false);
    if (!l) return NULL;
    gr_record *r = record_room(vm, l, 0);
    if (r && from->count + more && !grow_values(vm, r, from->count + more)) {
        ad_mem_put(vm->ctx, r, sizeof *r);
        r = NULL;
    }
    if (!r) {
        if (!l->shared) layout_free(vm, l);
        return NULL;
    }
    r->count = from->count;
    return r;
}

gr_value gr_record_like(gr_vm *vm, gr_value v) {
    gr_record *r = record_blank(vm, gr_as_record(v), 0);
    for (uint32_t i = 0; r && i < r->count; i++) r->values[i] = gr_nil();
    return r ? gr_of_kind(GR_RECORD, r) : gr_absent();
}

/* A copy whose values stand behind its header, as a record of so many fields is made. */
static gr_record *copy_inline(gr_vm *vm, const gr_record *from, uint32_t room) {
    gr_record *r = record_room(vm, from->layout, room);
    if (!r) return NULL;
    r->count = from->count;
    memcpy(r->values, from->values, from->count * sizeof *r->values);
    if (!gr_all_plain(r->values, r->count))
        for (uint32_t i = 0; i < r->count; i++) gr_hold(vm, r->values[i]);
    return r;
}

static gr_record *copy_grown(gr_vm *vm, const gr_record *from, uint32_t more) {
    gr_record *r = record_blank(vm, from, more);
    for (uint32_t i = 0; r && i < r->count; i++) r->values[i] = gr_retain(vm, from->values[i]);
    return r;
}

static gr_record *unshare(gr_vm *vm, gr_value *v, uint32_t more) {
    gr_record *old = gr_as_record(*v);
    if (old->object.refs == 1) return old;
    uint32_t room = old->count + more;
    bool small = old->layout->shared && room <= GR_MOST_SHARED;
    gr_record *r = small ? copy_inline(vm, old, room) : copy_grown(vm, old, more);
    if (!r) return NULL;
    gr_replace(vm, v, gr_of_kind(GR_RECORD, r));
    return r;
}

gr_value *gr_record_edit(gr_vm *vm, gr_value *v) {
    gr_record *r = unshare(vm, v, 0);
    return r ? r->values : NULL;
}

gr_record *gr_record_fork(gr_vm *vm, gr_value *v) {
    gr_record *old = gr_as_record(*v), *r = copy_inline(vm, old, old->count);
    if (!r) return NULL;
    old->object.refs--;
    v->ptr = r;
    return r;
}

int64_t gr_record_index(gr_value v, gr_string *key) { return search(gr_as_record(v)->layout, key); }

gr_value *gr_record_find(gr_vm *vm, gr_value v, gr_string *key) {
    (void)vm;
    int64_t i = gr_record_index(v, key);
    return i < 0 ? NULL : &gr_as_record(v)->values[i];
}

static gr_string *text_key(gr_vm *vm, const char *key) {
    const gr_name *name = gr_intern(vm->names, key, strlen(key));
    if (name) return gr_name_string(vm, name);
    gr_raise_memory(vm);
    return NULL;
}

gr_value *gr_record_find_text(gr_vm *vm, gr_value v, const char *key) {
    gr_string *s = text_key(vm, key);
    return s ? gr_record_find(vm, v, s) : NULL;
}

gr_string *gr_record_key(gr_value v, uint32_t i) { return gr_as_record(v)->layout->keys[i]; }

static bool layout_append(gr_vm *vm, gr_record *r, gr_string *key) {
    gr_layout *l = r->layout;
    if (l->shared && key->interned && l->count < GR_MOST_SHARED) {
        r->layout = shape_with(vm, l, key);
        if (r->layout) return true;
        r->layout = l;
        return false;
    }
    if (l->shared || l->count == l->key_room) {
        gr_layout *own = layout_new(vm, l, l->count < 8 ? 16 : l->count * 2, false);
        if (!own) return false;
        if (!l->shared) layout_free(vm, l);
        r->layout = l = own;
    }
    key->object.refs++;
    l->keys[l->count++] = key;
    if (l->slots) index_key(l, l->count - 1);
    return true;
}

bool gr_record_set(gr_vm *vm, gr_value *v, gr_string *key, gr_value x) {
    int64_t i = gr_record_index(*v, key);
    gr_record *r = unshare(vm, v, i < 0);
    if (r && i >= 0) {
        gr_replace(vm, &r->values[i], x);
        return true;
    }
    if (!r || !grow_values(vm, r, r->count + 1) || !layout_append(vm, r, key)) {
        gr_release(vm, x);
        return false;
    }
    r->values[r->count++] = x;
    return true;
}

bool gr_record_set_text(gr_vm *vm, gr_value *v, const char *key, gr_value x) {
    gr_string *s = text_key(vm, key);
    if (s) return gr_record_set(vm, v, s, x);
    gr_release(vm, x);
    return false;
}

/* A record of a shared layout without one field: a shape again, so that instructions know it. */
static bool remove_from_shape(gr_vm *vm, gr_value *v, uint32_t at) {
    gr_value out = gr_record_new(vm);
    bool ok = !gr_failed(out);
    for (uint32_t i = 0; ok && i < gr_record_count(*v); i++)
        if (i != at)
            ok = gr_record_set(vm, &out, gr_record_key(*v, i), gr_retain(vm, gr_record_value(*v, i)));
    if (ok) gr_replace(vm, v, out);
    else if (!gr_failed(out)) gr_release(vm, out);
    return ok;
}

/* Empties the slot of a place; those behind it that were pushed on by a collision move up. */
static void unindex(gr_layout *l, uint32_t place) {
    uint32_t mask = l->slot_room - 1, hole = gr_string_hash(l->keys[place]) & mask;
    while (l->slots[hole] != place + 1) hole = (hole + 1) & mask;
    for (uint32_t i = (hole + 1) & mask; l->slots[i]; i = (i + 1) & mask) {
        uint32_t home = gr_string_hash(l->keys[l->slots[i] - 1]) & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        l->slots[hole] = l->slots[i];
        hole = i;
    }
    l->slots[hole] = 0;
}

static void remove_key(gr_vm *vm, gr_layout *l, uint32_t place) {
    gr_string *key = l->keys[place];
    if (l->slots) unindex(l, place);
    l->count--;
    memmove(l->keys + place, l->keys + place + 1, (l->count - place) * sizeof *l->keys);
    for (uint32_t i = 0; place < l->count && i < l->slot_room; i++) l->slots[i] -= l->slots[i] > place + 1;
    gr_release(vm, gr_of_kind(GR_STRING, key));
}

bool gr_record_remove(gr_vm *vm, gr_value *v, gr_string *key) {
    int64_t at = gr_record_index(*v, key);
    if (at < 0) return true;
    if (gr_as_record(*v)->layout->shared) return remove_from_shape(vm, v, (uint32_t)at);
    gr_record *r = unshare(vm, v, 0);
    if (!r) return false;
    gr_value gone = r->values[at];
    remove_key(vm, r->layout, (uint32_t)at);
    r->count--;
    memmove(r->values + at, r->values + at + 1, (r->count - (size_t)at) * sizeof *r->values);
    gr_release(vm, gone);
    return true;
}
