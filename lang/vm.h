/* SPDX-License-Identifier: MIT */
/*
 * The interpreter as other rooms see it: the state (opaque), how a builtin is written and
 * registered, how it calls back, how an error is raised. The layout of the state is vm_state.h,
 * which only the vm's own files include.
 *
 * A builtin is `bool f(gr_vm *vm, gr_call *call)`: true with call->result set, or false with an
 * error raised. Nothing longjmps; who gets false releases what it holds and returns false.
 *
 * The vm itself needs of the neighbours:
 *   structure.h  bool gr_structure_apply(gr_vm *, ad_op, uint32_t src, int n, const gr_value *in,
 *                                        const ad_arg *args, gr_value *out);
 *                   an elementwise operation where at least one operand is a tuple or a record
 *                bool gr_equal(gr_vm *, gr_value a, gr_value b, bool *out);   == of whole values
 *   builtin.h    const gr_builtin *const gr_builtin_tables[];  ends with NULL
 *                bool gr_builtin_op(gr_vm *, gr_call *);  a call of a row of the op table (call->op)
 *   format.h     void gr_format_value(gr_vm *, gr_buffer *, gr_value, const char *format or NULL);
 */
#ifndef GR_VM_H
#define GR_VM_H

#include "arena.h"
#include "diagnostic.h"
#include "heap.h"

/* ---- builtins --------------------------------------------------------------------------------- */

typedef struct gr_call gr_call;
typedef bool (*gr_native)(gr_vm *vm, gr_call *call);

/* One row of a table of builtins; a table ends with a row of zeros:
 *     const gr_builtin gr_builtins_text[] = { GR_BUILTIN(upper, "s", "…"), GR_BUILTINS_END };
 * Signatures: "x, sep = \", \", ...rest, *, keep = false". A name is required, a name with `=` is not
 * (the text behind it is for help; the builtin supplies the default itself), `...` takes what is
 * left over; what stands behind `*` or behind the rest is by name only. ": kind" after a name is
 * for help. */
typedef struct gr_builtin {
    const char *name, *signature, *doc;
    gr_native run;
} gr_builtin;
#define GR_BUILTIN(name, signature, doc) {#name, signature, doc, gr_b_##name}
#define GR_BUILTINS_END {0, 0, 0, 0}

struct gr_call {
    const char *name;  /* as the user knows it */
    gr_value *args;    /* one for each parameter that is not the rest; GR_ABSENT where not given */
    uint32_t count;    /* how many parameters there are */
    uint32_t positional; /* of them, how many may be given by position */
    uint32_t rest_count;
    gr_value *rest;    /* what `...rest` took */
    gr_value result;   /* to be set by the builtin; nil before; the caller's afterwards */
    const gr_value *bound; /* of a function made by gr_bind */
    uint32_t bound_count;
    uint32_t src;      /* what the core is to record as source position */
    ad_op op;          /* of gr_builtin_op */
    const char *const *names; /* of the parameters */
};

/* Arguments belong to the call, which releases them: a builtin that wants to work in place moves one
 * out with gr_take(&call->args[i]). */

/* A function with values bound to it, called with those in call->bound. Takes the values. The row
 * must live as long as the vm. */
gr_value gr_bind(gr_vm *vm, const gr_builtin *row, uint32_t count, const gr_value *values);

/* Calls any function with positional arguments, which are borrowed. Nests in C up to the limit of
 * calls. */
bool gr_call_function(gr_vm *vm, gr_value f, uint32_t count, const gr_value *args, gr_value *out);
/* The same; `stop` at the prompt of a pause inside ends it as an interrupt does. */
bool gr_call_interruptible(gr_vm *vm, gr_value f, uint32_t count, const gr_value *args, gr_value *out);
/* "fn step(h, x)", "builtin sum(x, …)" into a buffer. */
void gr_function_text(gr_vm *vm, gr_value f, gr_buffer *out);
/* The name, "fn" for one without. */
const char *gr_function_name(gr_value f);
const char *gr_function_doc(gr_vm *vm, gr_value f); /* or NULL */

/* ---- errors ----------------------------------------------------------------------------------- */

/* Raises an error at the expression that is being evaluated, with the call chain. The diagnostic may
 * get labels and help; it is NULL where memory is out, which the gr_diag functions accept. */
gr_diagnostic *gr_raise(gr_vm *vm, gr_diagnostic_id id, const char *format, ...) GR_PRINTF(3, 4);
/* The same with the span of the i-th parameter's argument underlined; i < count, or count + j for
 * the j-th of the rest. */
gr_diagnostic *gr_raise_argument(gr_vm *vm, const gr_call *call, uint32_t i, gr_diagnostic_id id,
                                 const char *format, ...) GR_PRINTF(5, 6);
/* Raises what the core said. `call` may be NULL; with it the operand to blame is underlined and named. */
gr_diagnostic *gr_raise_core(gr_vm *vm, const gr_call *call, ad_status status);
/* True if all is well; else raises. */
static inline bool gr_check(gr_vm *vm, const gr_call *call, ad_status status) {
    if (status == AD_OK) return true;
    gr_raise_core(vm, call, status);
    return false;
}
/* The same after a function of the core that gave NULL: its error tells why. */
bool gr_core_failed(gr_vm *vm, const gr_call *call);
void gr_raise_memory(gr_vm *vm);
/* Has something been raised and not been handled? */
bool gr_has_raised(const gr_vm *vm);
/* The source text of an operand of what is being evaluated: 0 the whole, 1 … the operands of an
 * operator; of a call 1 is the callee and 2 … the arguments. */
gr_span gr_operand_span(gr_vm *vm, uint32_t k, const gr_source **source);
/* The ## lines above the `let` or `param` of a variable of the top level, or NULL. */
const char *gr_variable_doc(gr_vm *vm, const char *name, size_t length);
/* The name of the i-th parameter of the function that is called. */
const char *gr_parameter_name(gr_vm *vm, const gr_call *call, uint32_t i);
/* Nearest of `count` names by edit distance, or NULL if none is near. */
const char *gr_nearest(const char *name, size_t count, const char *const *names);

/* What pictures and the echo are made for: asked for each time, since windows change. */
typedef struct gr_screen {
    unsigned width; /* columns */
    bool color;     /* of standard output */
    bool ascii;     /* nothing but ASCII can be shown */
    unsigned digits; /* most that the echo shows of a number; 0: as many as it has */
} gr_screen;

/* How a pause ends. */
typedef enum gr_go { GR_GO_ON, GR_GO_STOP, GR_GO_EXIT } gr_go;

typedef enum gr_nan { GR_NAN_WARN, GR_NAN_ERROR, GR_NAN_QUIET } gr_nan;

/* ---- the state -------------------------------------------------------------------------------- */

ad_ctx *gr_ctx(const gr_vm *vm);
gr_names *gr_vm_names(gr_vm *vm);
gr_screen gr_vm_screen(const gr_vm *vm);
gr_report *gr_vm_report(gr_vm *vm); /* errors and warnings of the run that is going on */
/* Printing: false inside a recomputed checkpoint, where it is skipped. */
bool gr_may_print(const gr_vm *vm);
void gr_write(gr_vm *vm, const char *text, size_t size);       /* standard output */
void gr_write_error(gr_vm *vm, const char *text, size_t size); /* standard error */
void gr_flush(gr_vm *vm);
/* What a statement did beside its variables, for who keeps a history. */
enum { GR_EFFECT_READ_FILE = 1, GR_EFFECT_WROTE_FILE = 2, GR_EFFECT_ASKED_RANDOM = 4 };
void gr_note_effect(gr_vm *vm, unsigned effect);
/* args() and exit(n): exit raises with this status; main looks at it. */
gr_value gr_arguments(gr_vm *vm); /* borrowed tuple of strings */
void gr_exit(gr_vm *vm, int status);
/* try(f): what was raised, as its first line of text; the error is handled then. Not for exit and
 * interrupts: those give false. */
bool gr_catch(gr_vm *vm, gr_buffer *message);
/* The same for an interrupt, and for nothing else. */
bool gr_catch_interrupt(gr_vm *vm);
/* Safe point: everything that lives is held by values. Builtins that call back call it between
 * calls; false when interrupted (raised). */
bool gr_safe_point(gr_vm *vm);
/* The same for loops that run for long and make nothing that is tracked: asked every so many rounds. */
static inline bool gr_go_on(gr_vm *vm) { return !*ad_interrupt_flag(gr_ctx(vm)) || gr_safe_point(vm); }

#endif
