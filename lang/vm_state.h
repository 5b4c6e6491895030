/* SPDX-License-Identifier: MIT */
/*
 * The state of an interpreter; only the vm's own files include this.
 *
 * Registers live on a stack of segments that never move: a frame that does not fit goes to the next
 * segment, so pointers into frames stay good across callbacks. A register that is not in use holds
 * an uncounted value (head ≤ AD_BOOL): overwriting one needs one test, and unwinding needs no map.
 *
 * Globals are numbered slots of one array; a module is a table name → slot. Source positions given
 * to the core are `base of the proto + instruction`, so one 31-bit number names an instruction.
 */
#ifndef GR_VM_STATE_H
#define GR_VM_STATE_H

#include "chunk.h"
#include "module.h"
#include "vm.h"

/* Deepest nesting of calls, scripted or through C. */
#define GR_MAX_CALLS 20000
/* The first segment of the register stack, and further ones, in values. */
#define GR_FIRST_SEGMENT 8192
#define GR_SEGMENT 65536

typedef struct gr_segment {
    struct gr_segment *previous, *next;
    size_t room;
    gr_value values[];
} gr_segment;

enum { GR_FRAME_ENTRY = 1 /* its return leaves the loop */ };

typedef struct gr_frame {
    const gr_insn *pc; /* while another frame runs: the call */
    gr_value *base;
    gr_value *result;    /* where the caller wants the value */
    gr_closure *closure; /* owned; NULL at top level */
    gr_proto *proto;
    gr_segment *segment; /* that `base` lies in */
    uint64_t born;       /* transforms begun when it was entered */
    uint32_t user_src;   /* in library code: the user's instruction that led here; else 0 */
    uint32_t flags;
} gr_frame;

/* What a global variable is known to be. */
enum {
    GR_GLOBAL_DEFINED = 1,
    GR_GLOBAL_PARAM = 2,
    GR_GLOBAL_ASSIGNED = 4, /* somewhere in what was compiled, by =, := or a path */
    GR_GLOBAL_LIBRARY = 8,  /* bound lazily from the prelude */
    GR_GLOBAL_DECLARED = 32, /* by a definition that was compiled, perhaps not yet run */
    GR_GLOBAL_TOLD = 64, /* gr_next_hiding has seen it */
    GR_GLOBAL_PENDING = 16   /* of the library: bound when it is read first */
};

typedef struct gr_global {
    gr_value value;
    const gr_name *name;
    gr_module *module;
    uint32_t flags;
    uint32_t changed;  /* src of the last definition or assignment */
    const char *doc;   /* of a `let` or `param`, or NULL */
    uint32_t *params;  /* ids of a param's leaves, or NULL */
    uint32_t param_count;
} gr_global;

enum { GR_MOST_TOLD = 16 };

/* What a `:=` that is under way, or a function that records, has to restore. */
typedef struct gr_recording {
    uint32_t frame;
    bool was;
} gr_recording;

enum { GR_MARKED_STRINGS = 4 };

/* Offsets of characters in a long string that is not ASCII (string_marks.c). */
typedef struct gr_string_marks {
    gr_string *of;
    size_t *marks, count, room;
} gr_string_marks;

struct gr_vm {
    ad_ctx *ctx;
    gr_names *names;
    gr_report report;
    bool raised;
    bool interrupted;
    bool exiting;
    int exit_status;

    /* registers and calls */
    gr_segment *segment;
    gr_frame *frames;
    uint32_t frame_count, frame_room;
    gr_value *floor; /* where the stack is free while C that was called from C runs … */
    uint32_t floor_frames; /* … as long as there are so many frames */
    uint32_t c_depth, max_c_depth; /* calls through C */
    ad_op op_matmul;
    uint32_t max_calls;
    bool dirty;           /* something was recorded since the last safe point */
    gr_recording *recordings;
    uint32_t recording_count, recording_room;
    gr_value answer;
    bool has_answer;

    /* transforms that are under way: when each began; their total so far */
    uint64_t *active;
    uint32_t active_count, active_room;
    uint32_t active_floor; /* a checkpoint that is run again does not see those below */
    uint64_t begun;
    uint32_t muted;  /* inside recomputed checkpoints */
    uint64_t sealed; /* `begun` of the innermost checkpoint: what is older is not assigned; 0: none */

    /* globals and code */
    uint64_t serials; /* given to functions so far */
    gr_global *globals;
    uint32_t global_count, global_room;
    gr_proto **protos; /* ordered by src_base */
    uint32_t proto_count, proto_room;
    uint32_t next_src;
    struct gr_top *kept; /* variables that were set aside, or NULL (top.h) */
    struct gr_library *library; /* modules, the embedded library, sources */

    /* the heap */
    gr_object *dead;
    bool sweeping;
    gr_cell *cells;
    uint32_t cell_count, cell_limit;
    gr_layout *root_layout;
    gr_string **name_strings;
    uint32_t name_string_room;
    gr_string_marks marked[GR_MARKED_STRINGS];
    uint32_t next_marked;

    /* the nan tracer: operations that were told in this run, by their source numbers */
    gr_nan nan_mode;
    uint32_t told[GR_MOST_TOLD], told_count;
    bool told_constant; /* constant.c has warned in this run */
    void (*warn)(void *user, const gr_report *report);

    /* pauses (pause.c); NULL: none */
    struct gr_pausing *pausing;
    gr_go (*pause)(void *user, gr_vm *vm, const char *where);
    struct gr_pause *paused;
    uint32_t first_frame;   /* of what runs: the frames below are held up */
    uint32_t interruptible; /* calls of it that are under way */

    struct gr_why *why; /* what the long form of an error is made of (why.h); NULL: nobody asks for it */

    /* for the history of a session */
    unsigned effects;
    uint32_t failed_at;  /* offset of what the top level was doing when an error ended it */
    gr_buffer *printed;  /* a copy of what is printed, or NULL */

    gr_value arguments;
    void (*write)(void *user, int stream, const char *text, size_t size);
    void (*screen)(void *user, gr_screen *out);
    bool (*test)(void *user, gr_vm *vm, const char *name, size_t length, gr_value f);
    void *user;
};

/* A slot's number; made with the name if `name` is new to the module. UINT32_MAX: memory is out. */
uint32_t gr_global_new(gr_vm *vm, gr_module *module, const gr_name *name);

/* Runs the frame on top until it returns; its value in *out. */
bool gr_interpret(gr_vm *vm, gr_value *out);
/* Pushes a frame for a proto without closure (the top level of a chunk) and runs it. */
bool gr_run_proto(gr_vm *vm, gr_proto *proto, gr_value *out);
/* Makes room for `count` registers behind `top`. */
gr_value *gr_stack_reserve(gr_vm *vm, gr_value *top, size_t count);
/* The instruction that a source number stands for; NULL if it is not (or no longer) known. */
gr_proto *gr_src_decode(gr_vm *vm, uint32_t src, uint32_t *pc);
/* The instruction that a frame runs. */
static inline uint32_t gr_frame_pc(const gr_frame *f) {
    return f->pc > f->proto->code ? (uint32_t)(f->pc - f->proto->code) - 1 : 0;
}
static inline uint32_t gr_frame_src(const gr_frame *f) {
    return f->user_src ? f->user_src : f->proto->src_base + gr_frame_pc(f);
}
static inline uint32_t gr_current_src(const gr_vm *vm) {
    return vm->frame_count ? gr_frame_src(&vm->frames[vm->frame_count - 1]) : 0;
}
/* A name, perhaps with a call or an index behind it (one pair of brackets that ends with the text): code
 * that needs no parentheses when something is put behind it. */
bool gr_is_factor(const char *text, size_t size);
/* Adds a hint to a message about two operands, where another form of one would fit (shape_hint.c). */
void gr_suggest_shapes(gr_vm *vm, gr_diagnostic *d, bool guard, const gr_value *operands);
/* Where nil met an operator, a loop or a field. */
void gr_help_nil(gr_diagnostic *d);
/* A hint for a field that the value before the dot does not have; false: none is known (field_hint.c). */
bool gr_suggest_field(gr_vm *vm, gr_diagnostic *d, const gr_string *field);
/* The shape of the k-th operand (from 0) of what runs, and where it was made (birth.c); UINT32_MAX: of
 * the function that is called. */
void gr_birth_text(gr_vm *vm, gr_buffer *out, uint32_t k, gr_value v);

/* ---- calls (vm_call.c) */
typedef enum gr_called { GR_CALL_FAILED, GR_CALL_DONE, GR_CALL_ENTERED } gr_called;
/* Callee in base[0], arguments behind it; all are taken. DONE: the result is in base[0]. */
gr_called gr_invoke(gr_vm *vm, gr_value *base, uint32_t argc, const gr_descriptor *passed);
/* The same of a native whose arguments are `exact` (function.h). */
gr_called gr_call_exact(gr_vm *vm, gr_value *base);
/* A frame for a closure whose arguments are in place; takes the closure. */
bool gr_frame_enter(gr_vm *vm, gr_closure *closure, gr_value *args, gr_value *result);
void gr_pop_frame(gr_vm *vm);
/* Runs an elementwise function of tensors as a block program; false: it is none, call it. */
bool gr_call_elementwise(gr_vm *vm, gr_value *base, uint32_t argc, bool *ok);
gr_value *gr_stack_top(gr_vm *vm);

/* ---- what instructions do when operands are not plain numbers (vm_slow.c, vm_access.c, vm_make.c) */
bool gr_arithmetic(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out);
bool gr_unary(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value *out);
bool gr_compare(gr_vm *vm, ad_op op, uint32_t src, gr_value a, gr_value b, gr_value *out);
bool gr_logical(gr_vm *vm, bool and, uint32_t src, gr_value a, gr_value b, gr_value *out);
bool gr_join_values(gr_vm *vm, gr_value a, gr_value b, gr_value *out); /* takes a, borrows b */
bool gr_matmul(gr_vm *vm, uint32_t src, gr_value a, gr_value b, gr_value *out);
/* 0 or 1; -1: raised. */
int gr_condition(gr_vm *vm, gr_value v);
bool gr_get_field(gr_vm *vm, gr_value object, gr_field_cache *cache, uint32_t src, gr_value *out);
bool gr_get_item(gr_vm *vm, gr_value object, gr_value index, uint32_t src, gr_value *out);
bool gr_get_index(gr_vm *vm, gr_value object, uint32_t n, const gr_item *items, gr_value *registers,
                  uint32_t skip, uint32_t src, gr_value *out);
/* *place[index] = v, which is taken. */
bool gr_set_item(gr_vm *vm, gr_value *place, gr_value index, gr_value v, uint32_t src);
/* The way from a variable to the end of a target, through tuples and records by plain indices and fields
 * found where they were last time, each made the variable's own; NULL: raised, or it has to be gone step
 * by step, which gr_set_path does where need be. */
gr_value *gr_short_way(gr_vm *vm, gr_value *place, const gr_target *target, const gr_value *registers);
bool gr_set_path(gr_vm *vm, gr_value *place, const gr_target *target, gr_value *registers,
                 gr_value v, uint32_t src);
/* A range that is run through: raises where a bound (inf aside) or the step is not whole. */
bool gr_check_whole_range(gr_vm *vm, double low, double high, double step);
bool gr_make_tensor(gr_vm *vm, uint32_t src, size_t count, const gr_value *items, gr_value *out);
/* *to = the literal k; of numbers in the type that is the default now. */
bool gr_make_literal(gr_vm *vm, gr_value k, gr_value *to);
bool gr_unpack(gr_vm *vm, gr_value v, const gr_descriptor *d, uint32_t src, gr_value *to);
bool gr_unpack_record(gr_vm *vm, gr_value v, const gr_descriptor *d, gr_value *to);
bool gr_iteration_begin(gr_vm *vm, gr_value v, gr_value *position);
int gr_iteration_next(gr_vm *vm, gr_value *state, gr_value *item, uint32_t src); /* 1, 0; -1 */
bool gr_check_signature(gr_vm *vm, const gr_proto *proto, const gr_descriptor *d, gr_value v,
                        gr_value *registers);
/* Adds what the k-th operand (from 0) of the instruction that failed is. */
void gr_describe_operand(gr_vm *vm, gr_diagnostic *d, uint32_t k, gr_value v);
/* The same under the error's own underline. UINT32_MAX: the function of a call. */
void gr_label_operand(gr_vm *vm, gr_diagnostic *d, uint32_t k, gr_value v);
/* An error at an operand of what runs, from 1; 0: at all of it. */
gr_diagnostic *gr_raise_at(gr_vm *vm, gr_diagnostic_id id, uint32_t operand,
                           const char *format, ...)
    GR_PRINTF(4, 5);
gr_diagnostic *gr_raise_operands(gr_vm *vm, ad_status status, uint32_t n, const gr_value *operands);
/* An error about one argument of the call under way: the one passed by this name, or (without any) at
 * this position. */
gr_diagnostic *gr_raise_passed(gr_vm *vm, const char *name, uint32_t position, gr_diagnostic_id id,
                               const char *format, ...) GR_PRINTF(5, 6);
/* The place of a variable in the frame on top. */
gr_value *gr_place_value(gr_vm *vm, gr_frame *frame, const gr_place *place);

/* Is item i of the tuple that the running call will give ignored by the pattern that takes it? */
bool gr_item_is_ignored(const gr_vm *vm, uint32_t item);
/* Inside checkpoint: `=` to a variable from outside; raised. */
bool gr_refuse_assignment(gr_vm *vm, const gr_name *name);

/* ---- variables that are tracked (update.c) */
bool gr_make_param(gr_vm *vm, gr_frame *frame, const gr_place *place, gr_value v, uint32_t src);
bool gr_update_begin(gr_vm *vm, gr_frame *frame, const gr_descriptor *targets);
bool gr_record_begin(gr_vm *vm);
void gr_update_end(gr_vm *vm); /* of either */
bool gr_update_store(gr_vm *vm, gr_frame *frame, const gr_descriptor *targets, gr_value v,
                     uint32_t src);
/* In front of a `:=`, which may have to wait for a pause: false where the run ends. Where the loop has been
 * stopped the frame on top goes on behind it (pause.c). */
bool gr_pause_here(gr_vm *vm);
/* Behind a text that was run in a pause: its assignments reach the variables of the frame. */
void gr_pause_sync(gr_vm *vm);
/* ---- derivatives (derive.c, transform.c) */
bool gr_partial(gr_vm *vm, const gr_descriptor *d, gr_value *registers, uint32_t src);
bool gr_prime(gr_vm *vm, gr_value f, uint32_t order, gr_value *out);
bool gr_gradient(gr_vm *vm, gr_value f, gr_value *out);
/* ∂E/∂w of any value with respect to any structure of tracked leaves; `names` may be NULL. */
bool gr_derivative(gr_vm *vm, gr_value e, uint32_t count, const gr_value *wrt,
                   const gr_place *places, unsigned flags, uint32_t src, gr_value *out);
bool gr_stop_value(gr_vm *vm, gr_value v, gr_value *out);
extern const gr_builtin gr_builtins_transform[];
extern const gr_builtin *const gr_builtin_tables[]; /* of builtin.h, which the tree's names forbid */

/* There must be room. */
static inline void gr_push_frame(gr_vm *vm, gr_closure *closure, gr_value *base, gr_value *result,
                                 gr_segment *segment, uint32_t user_src) {
    gr_frame *f = &vm->frames[vm->frame_count++];
    f->pc = closure->proto->code;
    f->base = base;
    f->result = result;
    f->closure = closure;
    f->proto = closure->proto;
    f->segment = segment;
    f->born = vm->begun;
    f->user_src = user_src;
    f->flags = 0;
}

/* The innermost frame of the user's, from frame i down; of library code alone the outermost. */
static inline uint32_t gr_user_frame(const gr_vm *vm, uint32_t i) {
    while (i > 0 && (vm->frames[i].proto->flags & GR_PROTO_LIBRARY)) i--;
    return i;
}

/* The source text of an instruction's operand (0: the whole). */
gr_span gr_operand_span(gr_vm *vm, uint32_t k, const gr_source **source);
/* Of the k-th operand (from 0), also where it is what a function of the library was given; false: the library
 * made it. */
bool gr_user_span(gr_vm *vm, uint32_t k, const gr_source **source, gr_span *span);
bool gr_interrupted(gr_vm *vm);
/* Where memory was what failed: gives back at once what the tape still has of the computation. */
void gr_relieve(gr_vm *vm);

void gr_object_free(gr_vm *vm, gr_object *object);
void gr_layouts_free(gr_vm *vm);
void gr_cells_collect(gr_vm *vm);
void gr_cells_clear(gr_vm *vm);
gr_value gr_cell_new(gr_vm *vm, gr_value v);

#endif
