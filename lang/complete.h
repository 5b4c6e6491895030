/* SPDX-License-Identifier: MIT */
/* What the files of completion share: candidates, and what is known of names without binding them. */
#ifndef GR_COMPLETE_H
#define GR_COMPLETE_H

#include "typed.h"

/* Adds a candidate; `text` and `shown` (NULL: the same) are copied. */
void gr_candidate(gr_completion *c, const char *text, const char *shown);

typedef struct gr_prefix {
    const char *text;
    size_t size;
} gr_prefix;

static inline bool gr_begins(const char *name, size_t length, gr_prefix p) {
    return length >= p.size && (p.size == 0 || __builtin_memcmp(name, p.text, p.size) == 0);
}

/* ---- names (complete_names.c) ------------------------------------------------------------------ */

/* The variables of the top level; the prelude; the keywords. */
void gr_complete_globals(gr_vm *vm, gr_completion *c, gr_prefix p);
void gr_complete_prelude(gr_completion *c, gr_prefix p);
void gr_complete_keywords(gr_completion *c, gr_prefix p);
/* The value of a top-level name, if it has one already; borrowed. */
bool gr_known_value(gr_vm *vm, const char *name, size_t length, gr_value *out);
/* "fn adam(lr = 1e-3, …)" of a function of the top level or of the prelude; false: there is none. */
bool gr_known_signature(gr_vm *vm, const char *name, size_t length, gr_buffer *out);
/* Likewise of a value. */
bool gr_value_signature(gr_vm *vm, gr_value f, gr_buffer *out);
/* The text that defines a name of the embedded library, in a file or (SIZE_MAX, which becomes the
 * file's number) in any; false: there is none. */
bool gr_library_definition(const char *name, size_t length, size_t *file, const char **text,
                           size_t *size);
const gr_builtin *gr_find_builtin(const char *name, size_t length);
/* Calls `each` for the parameters that have names. */
void gr_each_parameter(const char *signature, void (*each)(void *user, const char *name, size_t n),
                       void *user);
/* The value that tokens begin … end name: `p.layers[0].W`, without calls; borrowed. */
bool gr_named_value(gr_vm *vm, const gr_typed *t, uint32_t begin, uint32_t end, gr_value *out);
/* Where the chain of names, fields and indices that ends before the token begins. */
uint32_t gr_chain_begin(const gr_typed *t, uint32_t end);

#endif
