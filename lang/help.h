/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of names: help on one, a search through all, the source of a function, the type of
 * an expression. Each answer is text with a newline at its end; nothing is printed here.
 */
#ifndef GR_HELP_H
#define GR_HELP_H

#include "gradus.h"

/* Signature, documentation and, of elementwise operations, derivatives; of anything else its kind and
 * what the prompt shows of it. */
void gr_help_value(gr_vm *vm, gr_buffer *out, gr_value v);
/* The documentation of a variable of the top level that is no function, if it has one. */
void gr_help_variable(gr_vm *vm, gr_buffer *out, const char *text, size_t size);
/* ?name: a function or variable, with fields (`net.apply`), a keyword or a sign (`:=`, `∂`). What is
 * unknown gets the nearest names. False: there is no such name. May run a file of the library. */
bool gr_help_name(gr_vm *vm, gr_buffer *out, const char *text, size_t size);
/* ??words: names and documentation that have all the words, the best first. */
void gr_help_search(gr_vm *vm, gr_buffer *out, const char *words, size_t size, unsigned width);
/* :source name. False: it has none, or is unknown; the text says so. */
bool gr_help_source(gr_vm *vm, gr_buffer *out, const char *text, size_t size);
/* Kind, shape, dtype and whether it is tracked, without a newline. */
void gr_help_kind(gr_vm *vm, gr_buffer *out, gr_value v);
/* :type expression: kind, shape, dtype, tracked or not. A name with its fields is looked at, for an
 * expression the shape rules are asked; what they do not know is evaluated without printing, and random
 * numbers and `ans` are as before. The report says what failed. */
gr_status gr_help_type(gr_vm *vm, gr_buffer *out, const char *text, size_t size);

/* ---- shared by the files of help -------------------------------------------------------------- */

/* One name that can be found. */
typedef struct gr_entry {
    const char *name, *signature, *doc; /* signature NULL: no function; doc: perhaps with ## */
    size_t name_size, signature_size, doc_size;
} gr_entry;
typedef void (*gr_entry_visit)(void *user, const gr_entry *entry);
/* Functions of the session, builtins, operations, the library, words of the language. */
void gr_each_entry(gr_vm *vm, gr_entry_visit visit, void *user);
/* What is said of a keyword or sign; NULL: it is none. */
const char *gr_topic_text(const char *word, size_t size);
void gr_each_topic(gr_entry_visit visit, void *user);

/* The value of a name with fields, bound if need be; borrowed. */
bool gr_help_lookup(gr_vm *vm, const char *text, size_t size, gr_value *out);

#endif
