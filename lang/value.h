/* SPDX-License-Identifier: MIT */
/*
 * One 16-byte value for both worlds: the core's number, bool and tensor, and the language's kinds.
 * A plain number has head == 0 and a bool head == AD_BOOL, so that "is anything counted here?" is
 * one test of one word: head > AD_BOOL.
 *
 * Ownership in one sentence: a gr_value that is stored somewhere owns one reference; functions
 * borrow the values they are given unless their comment says *takes*, and hand out values that the
 * caller releases. Values are immutable; what is called "in place" happens only where nobody else
 * holds the object. Reference counts are not atomic. Only cells can form cycles (heap.h).
 */
#ifndef GR_VALUE_H
#define GR_VALUE_H

#include "ad.h"

#if defined(__GNUC__)
#define GR_LIKELY(x) __builtin_expect(!!(x), 1)
#define GR_APART __attribute__((noinline)) /* what is rare does not make the usual way save registers */
#else
#define GR_LIKELY(x) (x)
#define GR_APART
#endif

typedef struct gr_vm gr_vm;
typedef ad_value gr_value;

/* AD_NUMBER, AD_BOOL and AD_TENSOR are the core's. */
enum {
    GR_NIL = AD_USER_KIND,
    GR_STRING,   /* gr_string */
    GR_TUPLE,    /* gr_tuple */
    GR_RECORD,   /* gr_record */
    GR_FUNCTION, /* gr_function: closure, native, bound native */
    GR_RANGE,    /* gr_range */
    GR_PICTURE,  /* gr_picture: a plot, as text (picture.h) */
    GR_CELL,     /* gr_cell: a captured variable; never seen by programs */
    GR_ABSENT    /* no value: an argument that was not given, a name not yet defined, a failure */
};

/* What every object of the heap begins with. `link` chains objects that wait to be freed: freeing
 * never recurses. */
typedef struct gr_object {
    uint32_t refs;
    uint8_t kind;
    uint8_t flags;
    uint16_t aux;
    struct gr_object *link;
} gr_object;

static inline gr_value gr_of_kind(unsigned kind, void *object) {
    gr_value v;
    v.head = kind;
    v.ptr = object;
    return v;
}
static inline gr_value gr_nil(void) { return gr_of_kind(GR_NIL, 0); }
static inline gr_value gr_absent(void) { return gr_of_kind(GR_ABSENT, 0); }

static inline bool gr_is(gr_value v, unsigned kind) { return v.kind == kind; }
static inline bool gr_is_absent(gr_value v) { return v.kind == GR_ABSENT; }
static inline bool gr_is_nil(gr_value v) { return v.kind == GR_NIL; }
/* A number, tracked or not; with bools where they count as 0 and 1. */
static inline bool gr_is_number(gr_value v) { return v.kind == AD_NUMBER; }
static inline bool gr_is_numeric(gr_value v) { return v.kind <= AD_TENSOR; }
static inline bool gr_is_structure(gr_value v) { return v.kind == GR_TUPLE || v.kind == GR_RECORD; }
static inline bool gr_is_object(gr_value v) { return v.kind > GR_NIL && v.kind < GR_ABSENT; }

void gr_retain_slow(gr_vm *vm, gr_value v);
void gr_release_slow(gr_vm *vm, gr_value v);

/* Gives `v` back with one more owner. */
static inline gr_value gr_retain(gr_vm *vm, gr_value v) {
    if (v.head > AD_BOOL) gr_retain_slow(vm, v);
    return v;
}
static inline void gr_release(gr_vm *vm, gr_value v) {
    if (v.head > AD_BOOL) gr_release_slow(vm, v);
}
/* *to = *from in two words: values are often written so a moment before, and one load of 16 bytes would
 * wait until both stores have reached the cache. */
static inline void gr_copy(gr_value *to, const gr_value *from) {
    uint64_t head = from->head;
    double number = from->num; /* a double, or the compiler makes one copy of the two */
    to->head = head;
    to->num = number;
}
/* Moves out of a place, which holds the number 0 afterwards. */
static inline gr_value gr_take(gr_value *place) {
    gr_value v;
    gr_copy(&v, place);
    place->head = 0;
    place->num = 0;
    return v;
}
/* Is nothing counted among these values? The heads or-ed are above AD_BOOL where one of them is. */
static inline bool gr_all_plain(const gr_value *v, size_t count) {
    uint64_t heads = 0;
    for (; count >= 4; count -= 4, v += 4) heads |= v[0].head | v[1].head | v[2].head | v[3].head;
    for (; count; count--) heads |= (v++)->head;
    return heads <= AD_BOOL;
}
/* Puts `v` (taken) into a place and lets go of what was there. */
static inline void gr_replace(gr_vm *vm, gr_value *place, gr_value v) {
    gr_value old;
    gr_copy(&old, place);
    gr_copy(place, &v);
    gr_release(vm, old);
}

/* "number", "tensor", "tuple" …: the names of language.md 3, as type(x) gives them. */
const char *gr_kind_name(gr_value v);
const char *gr_kind_phrase(gr_value v); /* the same with its article, which nil has not */

#endif
