/* SPDX-License-Identifier: MIT */
/*
 * The names of the prelude, without running anything: those that lines of the embedded library define, the
 * tables of builtins, the public rows of the op table, and the constants.
 */
#ifndef GR_PRELUDE_NAMES_H
#define GR_PRELUDE_NAMES_H

#include "ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes at the beginning of text that can stand in a name. */
size_t gr_name_length(const char *text, const char *end);

/* Calls `each` for the lines of a file of the library that define a name, until it gives true; `end` is
 * that of the file. */
typedef bool (*gr_definition_visit)(void *user, const char *name, size_t length, const char *line,
                                    const char *end);
bool gr_each_definition(uint32_t file, gr_definition_visit each, void *user);

/* Every name that a script can use; a name that two places have comes twice. */
typedef void (*gr_name_visit)(void *user, const char *name, size_t length);
void gr_each_prelude_name(gr_name_visit visit, void *user);

/* π, pi, inf, nan. */
bool gr_prelude_constant(const char *name, double *out);

/* Whether a row of the op table is one of them: operators have signs instead. */
bool gr_is_public_row(ad_op op);

#endif
