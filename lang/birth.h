/* SPDX-License-Identifier: MIT */
/*
 * Birthplaces: which instruction made a value that is there now (birth.c), and how that is told
 * (birth_text.c). All of it is read off the code and the frames that still run.
 */
#ifndef GR_BIRTH_H
#define GR_BIRTH_H

#include "writers.h"

enum { GR_NO_FRAME = UINT32_MAX, GR_LONGEST_PART = 40 };

/* Zeros before it is found. */
typedef struct gr_birth {
    const gr_source *source;
    gr_span span;  /* of the expression, or of the name or pattern that it is bound to */
    const gr_proto *proto;
    uint32_t pc;   /* the instruction of it there */
    bool argument; /* of a call */
    bool item;     /* one of those that a loop runs through */
    bool within;   /* what was made there has it as an item */
    bool inside;   /* a record that is written out there was looked into: it is the field itself */
    bool param;
    char part[GR_LONGEST_PART]; /* which part of what was made there, as a way: [0].W */
    gr_span callee; /* the function that gave it to the callback, where nothing else is known */
    const char *how;
    gr_value whole; /* the items that a builtin runs through */
    uint32_t later[GR_MOST_WRITERS], later_count; /* lines that may have changed it since */
} gr_birth;

/* A variable, or a field of it, as an instruction sees it. */
typedef struct gr_seen {
    uint32_t frame; /* GR_NO_FRAME: its function does not run */
    const gr_proto *proto;
    uint32_t pc, reg;
    gr_string *field; /* or NULL */
} gr_seen;

/* Of the k-th operand (from 0) of what runs, UINT32_MAX: of the function that is called. False where
 * nothing is known, or it is made by the very expression. */
bool gr_birth_of_operand(gr_vm *vm, uint32_t k, gr_value v, gr_birth *out);
/* The operand of the user's instruction under way, as gr_proto_span counts, that is the k-th one (from 0) of
 * what runs: itself, or the argument that a function of the library hands on. False: the library made it. */
bool gr_user_operand(gr_vm *vm, uint32_t k, uint32_t *operand);
/* Of what is tracked, by its entry. */
bool gr_birth_of_tracked(gr_vm *vm, gr_value v, gr_birth *out);
/* Of a global variable or a cell, by the source number of what changed it last. */
bool gr_birth_of_src(gr_vm *vm, uint32_t src, gr_string *field, gr_birth *out);
/* Of a local variable in a register. */
bool gr_birth_of_local(gr_vm *vm, gr_seen at, gr_birth *out);
/* Of a captured variable that is not assigned: the function's and its number there. */
bool gr_birth_of_captured(gr_vm *vm, const gr_proto *proto, uint32_t held, gr_string *field, gr_birth *out);

/* What the call said for a parameter of a frame, in the source of its caller. */
bool gr_argument_span(const gr_vm *vm, const gr_seen *parameter, gr_span *out);

/* "param, made at mlp.nn:4: randn(64, 10)", of the value v. */
void gr_birth_put(gr_buffer *out, const gr_birth *at, gr_value v);
/* The expression that was evaluated there. */
gr_span gr_birth_span(const gr_birth *at);
/* One line of source, not too long. */
void gr_put_code(gr_buffer *out, const gr_source *source, gr_span span);

#endif
