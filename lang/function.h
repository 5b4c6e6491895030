/* SPDX-License-Identifier: MIT */
/*
 * Function objects. A closure is a proto with the variables it captured: values where a variable is
 * never assigned once captured, cells otherwise. A native is a row of a table of builtins, or a row
 * of the op table, with the values bound to it. What is held stands behind the header of either.
 */
#ifndef GR_FUNCTION_H
#define GR_FUNCTION_H

#include "vm.h"

typedef struct gr_proto gr_proto;

enum { GR_MAX_PARAMETERS = 24, GR_INEXACT = 255 };

typedef enum gr_form { GR_FORM_CLOSURE, GR_FORM_NATIVE, GR_FORM_OP } gr_form;

/* Parameters of a native, parsed from its signature once. */
typedef struct gr_native_signature {
    uint32_t count;     /* parameters, the rest aside */
    uint32_t required;  /* of them, from the left */
    uint32_t positional; /* how many may be given by position */
    bool rest;
    uint32_t text_size;
    char *text;         /* the names, NUL-terminated, one after the other */
    const char *names[];
} gr_native_signature;

typedef struct gr_function {
    gr_object object;
    uint8_t form;
    uint8_t arity; /* of an elementwise op that numbers go through at once: 1 or 2; else 0 */
    ad_op op;
    uint8_t exact; /* of another native, whose parameters all go by position: how many, once the signature
                      is parsed; else GR_INEXACT */
    uint32_t held_count;
    uint64_t serial; /* no two functions that differ have the same; of a closure without captured
                        variables it is its proto's */
    gr_native_signature *signature; /* of natives, NULL while not parsed */
} gr_function;

typedef struct gr_closure {
    gr_function function;
    gr_proto *proto;
    gr_value held[];
} gr_closure;

typedef struct gr_native_function {
    gr_function function;
    const gr_builtin *row; /* of GR_FORM_NATIVE */
    gr_value held[];
} gr_native_function;

static inline gr_function *gr_as_function(gr_value v) { return (gr_function *)v.ptr; }
static inline gr_value *gr_function_held(gr_function *f) {
    return f->form == GR_FORM_CLOSURE ? ((gr_closure *)f)->held : ((gr_native_function *)f)->held;
}
static inline size_t gr_function_size(const gr_function *f) {
    size_t header = f->form == GR_FORM_CLOSURE ? sizeof(gr_closure) : sizeof(gr_native_function);
    return header + f->held_count * sizeof(gr_value);
}

/* A closure whose captured variables the caller fills in. */
gr_closure *gr_closure_new(gr_vm *vm, gr_proto *proto, uint32_t held);
gr_value gr_native_new(gr_vm *vm, const gr_builtin *row);
gr_value gr_op_function(gr_vm *vm, ad_op op);
const gr_native_signature *gr_native_signature_of(gr_vm *vm, gr_function *f);
void gr_native_signature_free(gr_vm *vm, gr_native_signature *s);
const char *gr_native_signature_text(const gr_function *f);

#endif
