/* SPDX-License-Identifier: MIT */
/* Characters of mathematics by the names that LaTeX has for them, and back. */
#ifndef GR_LATEX_H
#define GR_LATEX_H

#include <stddef.h>

typedef struct gr_latex {
    const char *name; /* without backslash */
    const char *text;
} gr_latex;

/* The rows whose names begin with a prefix are neighbours: the first of them, and how many. */
const gr_latex *gr_latex_names(const char *prefix, size_t size, size_t *count);
/* The usual name of a character, or NULL. */
const char *gr_latex_name(const char *text, size_t size);

#endif
