/* SPDX-License-Identifier: MIT */
/* What main and the prompt share: the interpreter and where its words go. */
#ifndef GR_HOST_H
#define GR_HOST_H

#include "edit.h"
#include "gradus.h"
#include "options.h"

#include <string.h>

typedef struct gr_host {
    const gr_command *command;
    ad_ctx *ctx;
    gr_vm *vm;
    bool color, color_out; /* on standard error and output */
    bool explains;            /* there is a prompt, or a pipe of statements, that may ask why */
    bool pausable;            /* loops can be held up */
    struct gr_prompt *prompt; /* while there is one */
    gr_buffer why;   /* the long form of the last error or warning; empty: there was none */
    unsigned digits; /* most that the echo shows of a number; 0: as many as it has */
} gr_host;

/* An interpreter as `command` wants it; interrupts go to it. `how` says where words go; its context is
 * made here. False: memory is out. Close it in either case. */
bool gr_host_open(gr_host *host, const gr_options *how);
void gr_host_close(gr_host *host);

static inline const char *gr_skip_blanks(const char *p) { return p + strspn(p, " \t\r\n"); }

/* From now on Ctrl-C waits for the next `:=` of a loop, for less than a tenth of a second, to pause there;
 * or, `patient` being false, ends what runs at once. */
void gr_host_patience(gr_host *host, bool patient);

/* Shows errors and warnings of the last run on standard error. */
void gr_host_report(gr_host *host);
/* The exit status that goes with the end of a run. */
int gr_host_status(const gr_host *host, gr_status status);
/* Prints the value of the last expression, as print does, or (echo) as the prompt does; nil is not
 * shown. */
void gr_host_answer(const gr_host *host, bool echo);

/* Answers ?name, help name, ??words and why; false: the line is no such question. */
bool gr_ask(gr_host *host, const char *line);
/* :source and :type; of nothing they say how they are used. */
void gr_ask_source(gr_host *host, const char *name);
void gr_ask_type(gr_host *host, const char *expression);
/* The long form of the last error. */
void gr_ask_why(const gr_host *host);

/* The prompt; statements as they come, where standard input is no terminal. Gives the exit status. */
int gr_repl(gr_host *host);
/* The prompt of a loop that is held up there. */
gr_go gr_repl_pause(gr_host *host, const char *where);

/* ---- the editor of the prompt (edit_host.c) --------------------------------------------------- */

/* An editor that asks `assist`, which outlives it. NULL: memory is out. */
gr_edit *gr_host_editor(const gr_host *host, gr_assist *assist, bool terminal);
/* Runs $XDG_CONFIG_HOME/gradus/init.nn if there is one; what is wrong in it is reported. */
void gr_host_init(gr_host *host);
/* At most three lines. */
void gr_host_banner(const gr_host *host, const gr_edit *edit);

#endif
