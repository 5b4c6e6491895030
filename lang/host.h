/* SPDX-License-Identifier: MIT */
/* What main and the prompt share: the interpreter and where its words go. */
#ifndef GR_HOST_H
#define GR_HOST_H

#include "gradus.h"
#include "options.h"

typedef struct gr_host {
    const gr_command *command;
    ad_ctx *ctx;
    gr_vm *vm;
    bool color, color_out; /* on standard error and output */
} gr_host;

/* An interpreter as `command` wants it; interrupts go to it. `how` says where words go; its context is
 * made here. False: memory is out. Close it in either case. */
bool gr_host_open(gr_host *host, const gr_options *how);
void gr_host_close(gr_host *host);

/* Shows errors and warnings of the last run on standard error. */
void gr_host_report(const gr_host *host);
/* The exit status that goes with the end of a run. */
int gr_host_status(const gr_host *host, gr_status status);
/* Prints the value of the last expression, as print does, or (echo) as the prompt does; nil is not
 * shown. */
void gr_host_answer(const gr_host *host, bool echo);

/* The prompt; statements as they come, where standard input is no terminal. Gives the exit status. */
int gr_repl(gr_host *host);

/* ---- lines of the prompt ---------------------------------------------------------------------- */

typedef enum gr_line { GR_LINE_READ, GR_LINE_END, GR_LINE_INTERRUPTED } gr_line;
/* With editing and history where standard input and output are a terminal; else plain lines. The
 * text has no newline at its end. */
void gr_lines_open(ad_ctx *ctx, bool terminal);
gr_line gr_lines_read(ad_ctx *ctx, const char *prompt, gr_buffer *out);
void gr_lines_remember(const char *statement);
void gr_lines_close(void);

#endif
