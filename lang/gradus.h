/* SPDX-License-Identifier: MIT */
/*
 * gradus.h - embed the interpreter in another program.
 *
 *     ad_ctx *ctx = ad_new(NULL);
 *     gr_vm *vm = gr_vm_open(&(gr_options){.ctx = ctx, .write = to_terminal});
 *     if (gr_run_text(vm, "<text>", "print(1 + 1)", 12, 0) != GR_OK) show(gr_vm_report(vm));
 *     gr_vm_close(vm);
 *     ad_free(ctx);
 *
 * One interpreter, its context and everything in it belong to one thread at a time. What goes wrong
 * in a program is told in the report (diagnostic.h), never by ending the process. vm.h shows how
 * values are looked at and how builtins are written.
 */
#ifndef GRADUS_H
#define GRADUS_H

#include "vm.h"

#include <signal.h>

typedef enum gr_status {
    GR_OK,
    GR_FAILED,      /* the report says why */
    GR_INCOMPLETE,  /* GR_RUN_PROMPT only: the text needs another line; nothing was run */
    GR_EXITED,      /* the program called exit(n): gr_exit_status */
    GR_INTERRUPTED  /* the interrupt flag was seen; the report has it too */
} gr_status;

/* What a signal handler and the interpreter tell each other. */
typedef struct gr_pausing {
    volatile sig_atomic_t wanted;
    volatile sig_atomic_t updating; /* there was a `:=` in this run, so another may be near */
} gr_pausing;

typedef struct gr_options {
    ad_ctx *ctx; /* outlives the interpreter */
    /* stream 1 or 2, 0 to flush; NULL: printing goes nowhere */
    void (*write)(void *user, int stream, const char *text, size_t size);
    /* what standard output shows; NULL: 80 columns, no colours */
    void (*screen)(void *user, gr_screen *out);
    /* GR_RUN_TESTS: called for each test block with its body as a function; false ends the run */
    bool (*test)(void *user, gr_vm *vm, const char *name, size_t length, gr_value body);
    /* Warnings, as they come; NULL: written to stream 2. */
    void (*warn)(void *user, const gr_report *report);
    /* Pauses. When pausing->wanted is not 0 (a signal handler set it) the next `:=` sets it back and calls
     * `pause` in front of the update, unless it is part of what is differentiated. Until that returns
     * texts can be run: they see the variables of the innermost function of the user's. GR_GO_ON: it goes
     * on as if nothing had been; GR_GO_STOP: the outermost loop there ends; GR_GO_EXIT: a text that was run
     * has called exit. `where` tells what was stopped, in several lines. NULL: none. */
    gr_pausing *pausing;
    gr_go (*pause)(void *user, gr_vm *vm, const char *where);
    bool explain; /* errors carry their long form too (gr_render_options.why) */
    gr_nan nan; /* what an inf or nan does that reaches a derivative, an update or a printed value */
    void *user;
    /* How deep builtins and functions may call one another through C, about 2 kB of C stack each;
     * 0: 1500, which fits a stack of 8 MB. Calls between scripted functions use none. */
    uint32_t max_c_depth;
} gr_options;

gr_vm *gr_vm_open(const gr_options *options); /* NULL: not enough memory */
void gr_vm_close(gr_vm *vm);

enum {
    GR_RUN_PROMPT = 1, /* may be incomplete; unknown names are reported when they are reached */
    GR_RUN_ANSWER = 2, /* the value of the last expression statement is kept: gr_answer */
    GR_RUN_TESTS = 4,  /* test blocks are run */
    GR_RUN_NOTHING = 8 /* parse and compile only */
};

/* Each run begins by clearing the report. `name` is what messages call the text. */
gr_status gr_run_text(gr_vm *vm, const char *name, const char *text, size_t size, unsigned flags);
/* The same of a text that begins at a line of a longer input, which messages count. */
gr_status gr_run_lines(gr_vm *vm, const char *name, uint32_t line, const char *text, size_t size,
                       unsigned flags);
gr_status gr_run_file(gr_vm *vm, const char *path, unsigned flags); /* "-": standard input */

/* Before the report is shown: drops the hints whose code, filled in with text of the program, does not
 * parse. */
void gr_check_hints(gr_vm *vm);

/* The value of the last statement of the last run, if it was an expression; borrowed, also bound to
 * the name `ans`. */
bool gr_answer(gr_vm *vm, gr_value *out);
/* What an inf or nan does from now on. */
gr_nan gr_get_nan(const gr_vm *vm);
void gr_set_nan(gr_vm *vm, gr_nan nan);
int gr_exit_status(const gr_vm *vm);
void gr_set_arguments(gr_vm *vm, int count, char *const *arguments);

/* While a text runs: the byte offset in it of what its top level is doing. */
uint32_t gr_top_offset(gr_vm *vm);

/* A variable of the top level; borrowed. False: there is none. */
bool gr_get_global(gr_vm *vm, const char *name, gr_value *out);
bool gr_set_global(gr_vm *vm, const char *name, gr_value v); /* takes */
/* Calls `each` for the variables of the top level that are not the library's, in order of their
 * definition. */
void gr_each_global(gr_vm *vm, void (*each)(void *user, const gr_name *name, gr_value v), void *user);
/* The next of its variables from number *at on that hides a name of the prelude, each only once, and NULL
 * where there is none. *at goes on behind it. */
const char *gr_next_hiding(gr_vm *vm, uint32_t *at);

/* What the stages make of a text: tokens, tree, code. False: the report says why. */
bool gr_dump_text(gr_vm *vm, const char *stage, const char *name, const char *text, size_t size,
                  gr_buffer *out);
/* What the variables of the top level came from, one recorded entry a line. */
bool gr_dump_tape(gr_vm *vm, gr_buffer *out);
/* The same of one value. */
bool gr_dump_tape_of(gr_vm *vm, gr_value v, gr_buffer *out);

#endif
