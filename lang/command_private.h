/* SPDX-License-Identifier: MIT */
/*
 * The commands' functions, one room a subject; the table is commands.def. `rest` is what stands
 * behind the name, without blanks around it. What a command has to say goes to standard output, what
 * failed to standard error.
 */
#ifndef GR_COMMAND_PRIVATE_H
#define GR_COMMAND_PRIVATE_H

#include "command.h"

/* Writes the text, lets go of it, and reports what the last run raised. */
void gr_command_show(gr_session *s, gr_buffer *text);

/* What completion knows of settings.def: "nan:warn|error|quiet …" */
extern const char gr_setting_words[];

/* gr_command_load and its like. */
#define GR_COMMAND(name, takes, words, usage, help, run)                                            \
    void gr_command_##run(gr_session *s, const char *rest);
#include "commands.def"
#undef GR_COMMAND

#endif
