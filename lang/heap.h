/* SPDX-License-Identifier: MIT */
/*
 * The objects of the language: strings, tuples, records, functions, ranges, cells.
 *
 * Strings and tuples are windows {base, offset, length} on growable buffers. Joining at the end of a
 * window that ends where the used part of its buffer ends appends in place, whoever else looks at
 * the buffer: others see only their own window. So loops of `s ++ "x"` and `push(t, x)` are linear.
 *
 * Records keep the order of their fields. Small ones with names known to the compiler share a shape
 * (names and their places, interned in a tree below the vm), large or computed ones own a hash index.
 *
 * Every function that makes an object gives GR_ABSENT, with the error raised, when memory is out.
 * What it does not do: print, compare, do arithmetic (format, structure).
 */
#ifndef GR_HEAP_H
#define GR_HEAP_H

#include "names.h"
#include "value.h"

static inline bool gr_failed(gr_value v) { return v.kind == GR_ABSENT; }

/* ---- strings: UTF-8, immutable, lengths in bytes ---------------------------------------------- */

typedef struct gr_bytes gr_bytes; /* a growable buffer of bytes */

typedef struct gr_string {
    gr_object object;
    gr_bytes *base;    /* NULL: the bytes stand behind the header */
    const char *bytes; /* not NUL-terminated */
    size_t length;
    int64_t chars;      /* characters, -1 while not counted; == length: ASCII */
    uint32_t hash;      /* 0 while not computed */
    uint32_t interned;  /* 1: unique among interned strings, compares by address */
} gr_string;

static inline gr_string *gr_as_string(gr_value v) { return (gr_string *)v.ptr; }
gr_value gr_string_new(gr_vm *vm, const char *bytes, size_t length);
gr_value gr_string_text(gr_vm *vm, const char *text); /* NUL-terminated */
/* Room for `length` bytes that the caller fills at once. */
gr_value gr_string_room(gr_vm *vm, size_t length, char **bytes);
/* Takes `a`, borrows `b`. */
gr_value gr_string_join(gr_vm *vm, gr_value a, gr_value b);
int64_t gr_string_chars(gr_string *s);
int64_t gr_count_chars(const char *bytes, size_t length);
/* Byte offset of a character, 0 ≤ index ≤ chars; constant for ASCII, and again in the same string. */
size_t gr_string_offset(gr_vm *vm, gr_string *s, int64_t index);
/* A window; positions in bytes. */
gr_value gr_string_slice(gr_vm *vm, gr_value s, size_t from, size_t to);
uint32_t gr_string_hash_now(gr_string *s);
static inline uint32_t gr_string_hash(gr_string *s) { /* never 0 */
    return s->hash ? s->hash : gr_string_hash_now(s);
}
bool gr_string_equal(gr_string *a, gr_string *b);
bool gr_string_is(gr_value v, const char *text);
/* The one string of a name; borrowed, lives as long as the vm. NULL: memory is out. */
gr_string *gr_name_string(gr_vm *vm, const gr_name *name);

/* ---- tuples ----------------------------------------------------------------------------------- */

typedef struct gr_items gr_items;

typedef struct gr_tuple {
    gr_object object;
    gr_items *base; /* NULL: the items stand behind the header */
    gr_value *items;
    size_t count;
} gr_tuple;

static inline gr_tuple *gr_as_tuple(gr_value v) { return (gr_tuple *)v.ptr; }
/* All items nil, to be filled by the caller before anybody else sees the tuple. */
gr_value gr_tuple_new(gr_vm *vm, size_t count);
gr_value gr_tuple_of(gr_vm *vm, size_t count, const gr_value *items); /* takes the items */
gr_value gr_tuple_push(gr_vm *vm, gr_value t, gr_value x);            /* takes both */
gr_value gr_tuple_join(gr_vm *vm, gr_value a, gr_value b);            /* takes `a`, borrows `b` */
gr_value gr_tuple_slice(gr_vm *vm, gr_value t, size_t from, size_t to);
/* The items for writing: *t becomes a copy first if anybody else can see them. NULL: memory. */
gr_value *gr_tuple_edit(gr_vm *vm, gr_value *t);

/* ---- records ---------------------------------------------------------------------------------- */

typedef struct gr_layout gr_layout; /* names and places: a shape, or a record's own index */

typedef struct gr_record {
    gr_object object;
    gr_layout *layout;
    gr_value *values;
    uint32_t count, room;
} gr_record;

static inline gr_record *gr_as_record(gr_value v) { return (gr_record *)v.ptr; }
gr_value gr_record_new(gr_vm *vm); /* {} */
/* The field's place, or NULL; borrowed. */
gr_value *gr_record_find(gr_vm *vm, gr_value r, gr_string *key);
gr_value *gr_record_find_text(gr_vm *vm, gr_value r, const char *key);
int64_t gr_record_index(gr_value r, gr_string *key); /* position, or -1 */
/* Changes or adds; *r becomes a copy first if somebody else holds it. Takes `v`. False: memory. */
bool gr_record_set(gr_vm *vm, gr_value *r, gr_string *key, gr_value v);
bool gr_record_set_text(gr_vm *vm, gr_value *r, const char *key, gr_value v);
bool gr_record_remove(gr_vm *vm, gr_value *r, gr_string *key);
gr_string *gr_record_key(gr_value r, uint32_t i);               /* borrowed */
static inline uint32_t gr_record_count(gr_value r) { return gr_as_record(r)->count; }
static inline gr_value gr_record_value(gr_value r, uint32_t i) { return gr_as_record(r)->values[i]; }
/* A shape with these (interned) names; never freed before the vm. And a record of it, which takes the
 * values. */
gr_layout *gr_layout_of(gr_vm *vm, uint32_t count, gr_string *const *keys);
int64_t gr_layout_place(const gr_layout *layout, gr_string *key); /* -1: there is none */
bool gr_layout_is_shared(const gr_layout *layout);
gr_value gr_record_of(gr_vm *vm, gr_layout *shape, const gr_value *values);
/* The same fields in the same order, all nil, to be filled by the caller. */
gr_value gr_record_like(gr_vm *vm, gr_value r);
/* The values for writing: *r becomes a copy first if anybody else holds it. */
gr_value *gr_record_edit(gr_vm *vm, gr_value *r);

/* ---- ranges ----------------------------------------------------------------------------------- */

typedef struct gr_range {
    gr_object object;
    double low, high, step; /* half-open; step ≠ 0 */
} gr_range;

static inline gr_range *gr_as_range(gr_value v) { return (gr_range *)v.ptr; }
gr_value gr_range_new(gr_vm *vm, double low, double high, double step);
/* Number of items; the caller has checked for whole numbers where that matters. */
double gr_range_count(const gr_range *r);

/* ---- cells: variables that are captured and assigned ------------------------------------------ */

typedef struct gr_cell {
    gr_object object;
    gr_value value;
    struct gr_cell *previous, *next; /* all cells of the vm: for the cycle finder and teardown */
    uint64_t born;    /* transforms begun when it was made */
    uint32_t *params; /* ids of the leaves of a captured `param`, or NULL */
    uint32_t param_count;
    uint32_t changed; /* src of the last assignment */
} gr_cell;

static inline gr_cell *gr_as_cell(gr_value v) { return (gr_cell *)v.ptr; }

/* What is free, with the pools of the core; whole bytes of one object. */
void *gr_object_new(gr_vm *vm, size_t bytes, unsigned kind);

#endif
