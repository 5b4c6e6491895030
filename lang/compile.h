/* SPDX-License-Identifier: MIT */
/* Tree to code: what the vm's driver calls, and what the compiler's files share. */
#ifndef GR_COMPILE_H
#define GR_COMPILE_H

#include "scope.h"
#include "vm_state.h"

enum {
    GR_COMPILE_PROMPT = 1, /* unknown names are reported when they are reached */
    GR_COMPILE_ANSWER = 2, /* keeps the value of the last expression statement */
    GR_COMPILE_TESTS = 4   /* test blocks are run */
};

/* The proto of a tree's top level; NULL where something is wrong (in the vm's report). */
gr_proto *gr_compile(gr_vm *vm, gr_module *module, gr_ast *ast, unsigned flags);

/* ---- shared by the compiler's files ----------------------------------------------------------- */

typedef struct gr_jumps {
    uint32_t *at;
    uint32_t count, room;
} gr_jumps;

typedef struct gr_loop {
    struct gr_loop *outer;
    uint32_t top, updating;
    gr_jumps breaks, continues;
} gr_loop;

typedef struct gr_fn_state {
    struct gr_fn_state *outer;
    gr_proto *proto;
    uint32_t index; /* in the scope */
    uint32_t top;   /* first free register */
    uint32_t updating;
    uint32_t *capture_variables; /* beside proto->captures */
    uint32_t capture_variable_room;
    gr_loop *loop;
    const gr_fn *fn; /* NULL: top level */
} gr_fn_state;

typedef struct gr_compiler {
    gr_vm *vm;
    gr_scope scope;
    gr_ast *ast;
    gr_report *report;
    gr_fn_state *fn;
    unsigned flags;
    uint32_t placeholder; /* register of `_` in a pipe */
    bool failed;
} gr_compiler;

/* A value that an instruction will read: a register, to be let go of or not. */
typedef struct gr_operand {
    uint32_t reg;
    bool kill;
    uint32_t variable; /* + 1: a local that waits for the instruction */
} gr_operand;

/* emit */
uint32_t gr_emit(gr_compiler *c, gr_opcode op, uint32_t a, uint32_t b, uint32_t d, gr_span span);
uint32_t gr_emit_wide(gr_compiler *c, gr_opcode op, uint32_t a, uint32_t wide, gr_span span);
void gr_emit_span(gr_compiler *c, gr_span operand); /* of the last instruction's next operand */
void gr_emit_flags(gr_compiler *c, unsigned flags); /* of the last instruction */
uint32_t gr_push_register(gr_compiler *c, gr_span span);
uint32_t gr_add_constant(gr_compiler *c, gr_value v); /* takes */
uint32_t gr_add_string(gr_compiler *c, gr_text text);
uint32_t gr_add_descriptor(gr_compiler *c, gr_descriptor d);
uint32_t gr_add_cache(gr_compiler *c, const gr_name *name);
void *gr_code_alloc(gr_compiler *c, size_t bytes); /* lives as long as the proto */
void gr_jump_later(gr_compiler *c, gr_jumps *jumps, uint32_t pc);
void gr_patch_here(gr_compiler *c, gr_jumps *jumps); /* and empties the list */
void gr_patch(gr_compiler *c, uint32_t pc, uint32_t target);
uint32_t gr_here(const gr_compiler *c);
gr_diagnostic *gr_compile_error(gr_compiler *c, gr_diagnostic_id id, gr_span span,
                                const char *format, ...) GR_PRINTF(4, 5);
gr_string *gr_name_text(gr_compiler *c, const gr_name *name);
void gr_release_registers(gr_compiler *c, uint32_t from, gr_span span);

/* access */
gr_place gr_place_of(gr_compiler *c, const gr_node *name);
void gr_load_place(gr_compiler *c, gr_place place, uint32_t reg, gr_span span);
void gr_store_place(gr_compiler *c, gr_place place, uint32_t reg, gr_span span); /* reg is killed */
void gr_declare_local(gr_compiler *c, const gr_node *pattern_name, uint32_t reg);
/* let, of locals and of globals: the value is put where the pattern wants it. */
void gr_bind_value(gr_compiler *c, gr_node *pattern, gr_node *value, bool tracked);
void gr_define_value(gr_compiler *c, gr_node *pattern, gr_node *value, bool tracked);
void gr_bind_pattern(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked);
void gr_define_pattern(gr_compiler *c, gr_node *pattern, uint32_t reg, bool tracked);
void gr_assign(gr_compiler *c, gr_node *node);
/* Indices into new registers from *first on. `in_place`: locals stay where they are, and wait until
 * gr_index_items_done behind the instruction that reads them. */
gr_item *gr_index_items(gr_compiler *c, gr_node_list list, bool in_place, uint32_t *first);
void gr_index_items_done(gr_compiler *c, gr_node_list list);

/* expressions */
void gr_expr_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh);
/* A local that instructions read where it lives. */
bool gr_is_operand_local(gr_compiler *c, const gr_node *n, gr_variable **out);
gr_operand gr_expr_any(gr_compiler *c, gr_node *node);
void gr_operand_done(gr_compiler *c, gr_operand operand);
uint32_t gr_expr_push(gr_compiler *c, gr_node *node); /* into a new register */
void gr_jump_unless(gr_compiler *c, gr_node *node, gr_jumps *jumps);
void gr_binary_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh);
void gr_call_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh);
void gr_pipe_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh);
void gr_partial_to(gr_compiler *c, gr_node *node, uint32_t reg);
void gr_literal_to(gr_compiler *c, gr_node *node, uint32_t reg, bool fresh);
bool gr_literal_number(const gr_node *node, double *out);

/* statements and functions */
void gr_block_to(gr_compiler *c, gr_node *block, uint32_t reg);
void gr_block_discard(gr_compiler *c, gr_node *block);
void gr_branch_to(gr_compiler *c, gr_node *node, uint32_t reg);
void gr_function_to(gr_compiler *c, gr_node *fn, uint32_t reg);
void gr_loop_begin(gr_compiler *c, gr_loop *loop);
void gr_loop_over(gr_compiler *c, gr_node *pattern, gr_node *source, gr_span span,
                  void (*body)(gr_compiler *c, void *user), void *user);

#endif
