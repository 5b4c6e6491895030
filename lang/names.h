/* SPDX-License-Identifier: MIT */
/*
 * Interned names: one object for each distinct NFC string, so that names compare as pointers. A
 * table belongs to an interpreter and outlives every tree that refers to it. The keywords are in
 * it from the beginning, which is how the lexer knows them: no second table of words.
 */
#ifndef GR_NAMES_H
#define GR_NAMES_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct gr_name {
    uint32_t hash;
    uint32_t
        serial; /* 0, 1, 2 … in order of first appearance: an index for tables of the owner's */
    uint32_t length;  /* bytes of text */
    uint16_t keyword; /* token kind of a keyword, 0 for a name */
    char text[];      /* NFC, UTF-8, with a NUL behind it */
} gr_name;

typedef struct gr_names gr_names;

/* Can this byte of UTF-8 stand in a name, digits included? */
static inline bool gr_is_name_byte(char c) {
    unsigned char b = (unsigned char)c;
    return b == '_' || b >= 0x80 || (b >= '0' && b <= '9') || (unsigned)((b | 32) - 'a') < 26u;
}

gr_names *gr_names_new(ad_ctx *ctx); /* NULL when memory is out */
void gr_names_free(gr_names *names); /* NULL is allowed */
uint32_t gr_names_count(const gr_names *names);

/* The name with these bytes, made if need be; NULL when memory is out. gr_intern normalises to NFC
 * first; gr_intern_ascii trusts the caller that there is nothing to normalise. */
const gr_name *gr_intern(gr_names *names, const char *text, size_t length);
const gr_name *gr_intern_ascii(gr_names *names, const char *text, size_t length);

#endif
