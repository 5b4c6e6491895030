/* SPDX-License-Identifier: MIT */
/*
 * The library that is written in the language, and the data that belongs to it, embedded in the
 * program: the build turns each into a C file (lang/embed.sh) that defines these. Nothing is parsed or
 * bound here. The rows are in alphabetical order of their names; a text ends in a zero byte that
 * `length` does not count.
 */
#ifndef GR_STDLIB_EMBED_H
#define GR_STDLIB_EMBED_H

#include <stddef.h>

struct gr_embedded {
    const char *name; /* "activations.nn" */
    const unsigned char *text;
    size_t length;
};

extern const struct gr_embedded gr_stdlib[];
extern const size_t gr_stdlib_count;
/* Read as "gradus:NAME", from any folder. */
extern const struct gr_embedded gr_data[];
extern const size_t gr_data_count;

#endif
