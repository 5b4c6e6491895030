/* SPDX-License-Identifier: MIT */
/*
 * Compiled code. A proto is one function (or the top level of one source): instructions of 64 bits,
 * constants, the protos of the functions written inside it, descriptors of what does not fit into an
 * instruction, and for each instruction the spans of its expression and of its operands.
 *
 * Operands that are temporaries, or a local at its last use, carry a kill flag: the instruction lets
 * go of what they hold. Plain numbers hold nothing, fast paths never look at the flags.
 */
#ifndef GR_CHUNK_H
#define GR_CHUNK_H

#include "function.h"
#include "source.h"

typedef enum gr_opcode {
#define OPCODE(name, a, b, c) GR_I_##name,
#include "opcodes.def"
#undef OPCODE
    GR_OPCODES
} gr_opcode;

enum {
    GR_KILL_A = 1,
    GR_KILL_B = 2,
    GR_KILL_C = 4,
    GR_SENSE = 8,  /* of a compare-and-jump */
    GR_FIRST = 16, /* first of a call: passed on to the core with the source position */
};

typedef struct gr_insn {
    uint8_t op, flags;
    uint16_t a;
    union {
        struct {
            uint16_t b, c;
        };
        int32_t jump;
        uint32_t wide;
    };
} gr_insn;

/* Where spans[first] is the expression, those behind it its operands. */
typedef struct gr_insn_info {
    uint32_t first, count;
} gr_insn_info;

/* How a variable is reached from code. */
typedef enum gr_access {
    GR_IN_REGISTER,
    GR_IN_LOCAL_CELL,
    GR_IN_HELD,
    GR_IN_HELD_CELL,
    GR_IN_GLOBAL,
    GR_IS_SELF
} gr_access;

typedef struct gr_place {
    uint8_t access; /* gr_access */
    bool param;     /* declared with `param` */
    bool assigned;  /* somewhere */
    uint32_t index; /* register, captured variable, or global slot */
    const gr_name *name;
} gr_place;

typedef enum gr_step_kind { GR_STEP_FIELD, GR_STEP_INDEX } gr_step_kind;

typedef struct gr_item {
    uint8_t kind; /* ad_index_kind; GATHER and MASK are found at run time behind AT */
    bool start, stop, step;
    uint16_t reg; /* the first of those given; AT: the index */
} gr_item;

/* A field's name, and where it was in the records of one shape. */
typedef struct gr_field_cache {
    gr_string *key;
    const gr_layout *layout;
    uint32_t place;
} gr_field_cache;

/* One step of a path: `.name` or `[items]`. */
typedef struct gr_step {
    uint8_t kind;
    bool plain; /* `[i]`: one index, in `reg` */
    uint16_t item_count, reg;
    gr_field_cache field; /* of `.name` */
    gr_item *items;
    gr_span span;
} gr_step;

/* A variable and a way into it: the target of an assignment. */
typedef struct gr_target {
    gr_place place;
    bool ignored;
    bool rest;
    uint32_t step_count;
    gr_step *steps;
    gr_span span;
} gr_target;

typedef enum gr_descriptor_kind {
    GR_D_CALL,
    GR_D_INDEX,
    GR_D_LAYOUT,
    GR_D_TARGETS,
    GR_D_UNPACK,
    GR_D_FIELDS,
    GR_D_SIGNATURE,
    GR_D_PARTIAL
} gr_descriptor_kind;

/* One argument of a call that is not just positional. */
typedef struct gr_passed {
    gr_string *name; /* NULL: by position */
    bool spread;
} gr_passed;

typedef struct gr_sig_dim {
    uint8_t kind;   /* gr_dim_kind of the tree */
    bool binds;     /* first occurrence of the letter */
    uint16_t reg;   /* of the letter */
    uint64_t number;
    const gr_name *letter;
} gr_sig_dim;

typedef struct gr_descriptor {
    uint8_t kind;
    uint16_t reg;   /* first register concerned; of SETFIELD and SETITEMFIELD the variable's */
    uint16_t first_free; /* GR_D_CALL: registers from here on may be used; UNPACK: bit i: item i is
                            `_` (of the first 16); of SETITEMFIELD the index's */
    uint32_t count; /* of what the list below holds */
    bool flag;      /* UNPACK: the last takes the rest; PARTIAL: the denominator is a tuple;
                       SIGNATURE: of the result; TARGETS: a tuple of them */
    union {
        const char *what;            /* SIGNATURE: the parameter's name */
        const gr_field_cache *field; /* of SETFIELD and SETITEMFIELD: of the last step */
    };
    gr_span span;
    union {
        gr_passed *passed;
        gr_item *items;
        gr_layout *layout;
        gr_target *targets;
        gr_string **fields;
        gr_sig_dim *dims;
        gr_place *places;
    };
} gr_descriptor;

/* What a closure takes from the function that makes it. */
typedef struct gr_capture {
    bool held;      /* from what that one holds itself, else from its registers */
    bool self;      /* that function itself */
    uint16_t index;
    const gr_name *name;
} gr_capture;

typedef struct gr_parameter_info {
    const gr_name *name; /* NULL: a pattern */
    bool optional;
} gr_parameter_info;

/* A local variable, for the prompt of a paused loop and for messages. */
typedef struct gr_local_info {
    const gr_name *name;
    uint16_t reg;
    bool cell;
    uint32_t begin, end; /* instructions */
} gr_local_info;

/* A `for` or `while`, for `stop` at that prompt: what a `break` in it would do. */
typedef struct gr_loop_info {
    uint32_t begin, end; /* instructions; from `end` on it goes on behind the loop */
    uint32_t updating;   /* `:=` around it */
    uint16_t top;        /* registers from here on are let go of */
} gr_loop_info;

enum {
    GR_PROTO_SIMPLE = 1,  /* neither defaults nor a rest */
    GR_PROTO_REST = 2,
    GR_PROTO_LIBRARY = 4, /* frames are folded in messages, positions are the caller's */
    GR_PROTO_TOP = 8,
    GR_PROTO_ELEMENTWISE = 16, /* see elementwise.h */
    GR_PROTO_NOT_ELEMENTWISE = 32
};

struct gr_elementwise;

struct gr_proto {
    uint32_t refs;
    uint64_t serial; /* gr_function.serial of its closures that capture nothing */
    uint32_t flags;
    const gr_name *name;
    const gr_source *source; /* lives as long as the vm */
    gr_span span, head;      /* of all of it; of `fn name(…)` */
    const char *doc;         /* or NULL */
    gr_insn *code;
    gr_value *constants;
    gr_proto **children;
    gr_descriptor *descriptors;
    gr_field_cache *caches;
    gr_capture *captures;
    gr_parameter_info *parameters;
    gr_local_info *locals;
    gr_loop_info *loops; /* only where a pause is possible */
    gr_insn_info *infos;
    gr_span *spans;
    struct gr_elementwise *elementwise; /* or NULL */
    uint32_t code_count, constant_count, child_count, descriptor_count, cache_count, capture_count,
        parameter_count, local_count, loop_count, span_count;
    uint32_t code_room, constant_room, child_room, descriptor_room, cache_room, capture_room,
        parameter_room, local_room, loop_room, info_room, span_room;
    uint32_t required; /* parameters that must be given: those in front of the first default */
    uint32_t registers;
    uint32_t src_base;
    gr_arena arena; /* of what descriptors point to */
};

gr_proto *gr_proto_new(gr_vm *vm, const gr_source *source);
void gr_proto_retain(gr_proto *proto);
void gr_proto_release(gr_vm *vm, gr_proto *proto);
/* Registers a finished proto: from now on its instructions have source numbers. */
bool gr_proto_finish(gr_vm *vm, gr_proto *proto);

/* Lists grow by these; false: memory. */
bool gr_proto_grow(gr_vm *vm, void *list, uint32_t *room, uint32_t wanted, size_t size);

/* Calls `visit` for each global that the code, without that of its children, reads or changes; what it only
 * defines is left out. False: a visit gave false. */
bool gr_proto_each_global(const gr_proto *proto, bool (*visit)(void *user, uint32_t slot), void *user);

/* One instruction a line, children behind. */
void gr_proto_dump(gr_vm *vm, gr_buffer *out, const gr_proto *proto);
/* What is wrong with the code, or NULL: operands in range, jumps to instructions. */
const char *gr_proto_verify(const gr_proto *proto);

/* Whether an instruction gives a register a new value. */
bool gr_insn_writes(const gr_proto *proto, uint32_t pc, uint32_t reg);

/* Where an instruction may jump to; false: it does not jump. */
bool gr_insn_jump(const gr_proto *proto, uint32_t pc, uint32_t *to);

/* The span of an instruction's expression; of its k-th operand (from 1), or that of the whole. */
void gr_elementwise_free(gr_vm *vm, struct gr_elementwise *e); /* NULL is allowed */
gr_span gr_proto_span(const gr_proto *proto, uint32_t pc, uint32_t k);

#endif
