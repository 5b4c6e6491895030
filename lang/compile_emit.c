/* SPDX-License-Identifier: MIT */
/* Instructions, constants, descriptors and jumps of the proto that is being made. */
#include "compile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

gr_diagnostic *gr_compile_error(gr_compiler *c, gr_diagnostic_id id, gr_span span,
                                const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->failed = true;
    if (gr_diag_is_full(c->report, c->ast->source, span)) return NULL;
    return gr_diag_error(c->report, id, c->ast->source, span, "%s", text);
}

static void too_large(gr_compiler *c, gr_span span) {
    if (!c->failed)
        gr_compile_error(c, GR_E_too_large, span,
                         "this is too large for one function; parts of it can be functions of "
                         "their own");
}

uint32_t gr_here(const gr_compiler *c) { return c->fn->proto->code_count; }

static uint32_t emit(gr_compiler *c, gr_insn insn, gr_span span) {
    gr_proto *p = c->fn->proto;
    uint32_t pc = p->code_count;
    if (!gr_proto_grow(c->vm, &p->code, &p->code_room, pc + 1, sizeof *p->code) ||
        !gr_proto_grow(c->vm, &p->infos, &p->info_room, pc + 1, sizeof *p->infos)) {
        c->failed = true;
        return 0;
    }
    p->code[pc] = insn;
    p->infos[pc] = (gr_insn_info){.first = p->span_count, .count = 0};
    p->code_count++;
    gr_emit_span(c, span);
    return pc;
}

uint32_t gr_emit(gr_compiler *c, gr_opcode op, uint32_t a, uint32_t b, uint32_t d, gr_span span) {
    if (a > UINT16_MAX || b > UINT16_MAX || d > UINT16_MAX) {
        too_large(c, span);
        a = b = d = 0;
    }
    gr_insn insn = {.op = (uint8_t)op, .a = (uint16_t)a};
    insn.b = (uint16_t)b;
    insn.c = (uint16_t)d;
    return emit(c, insn, span);
}

uint32_t gr_emit_wide(gr_compiler *c, gr_opcode op, uint32_t a, uint32_t wide, gr_span span) {
    gr_insn insn = {.op = (uint8_t)op, .a = (uint16_t)a};
    insn.wide = wide;
    return emit(c, insn, span);
}

void gr_emit_span(gr_compiler *c, gr_span span) {
    gr_proto *p = c->fn->proto;
    if (p->code_count == 0) return;
    if (!gr_proto_grow(c->vm, &p->spans, &p->span_room, p->span_count + 1, sizeof *p->spans)) {
        c->failed = true;
        return;
    }
    p->spans[p->span_count++] = span;
    p->infos[p->code_count - 1].count++;
}

void gr_emit_flags(gr_compiler *c, unsigned flags) {
    gr_proto *p = c->fn->proto;
    if (p->code_count) p->code[p->code_count - 1].flags |= (uint8_t)flags;
}

uint32_t gr_push_register(gr_compiler *c, gr_span span) {
    if (c->fn->top >= UINT16_MAX - 8) {
        too_large(c, span);
        return 0;
    }
    uint32_t reg = c->fn->top++;
    if (c->fn->top > c->fn->proto->registers) c->fn->proto->registers = c->fn->top;
    return reg;
}

void gr_release_registers(gr_compiler *c, uint32_t from, gr_span span) {
    if (c->fn->top > from) gr_emit(c, GR_I_RELEASE, from, c->fn->top - from, 0, span);
}

static bool same_constant(gr_value a, gr_value b) {
    return a.head == b.head && a.head <= AD_BOOL && memcmp(&a.num, &b.num, sizeof a.num) == 0;
}

uint32_t gr_add_constant(gr_compiler *c, gr_value v) {
    gr_proto *p = c->fn->proto;
    uint32_t look = p->constant_count > 64 ? p->constant_count - 64 : 0;
    for (uint32_t i = look; i < p->constant_count; i++)
        if (same_constant(p->constants[i], v)) return i;
    if (gr_failed(v) || !gr_proto_grow(c->vm, &p->constants, &p->constant_room,
                                       p->constant_count + 1, sizeof *p->constants)) {
        gr_release(c->vm, v);
        c->failed = true;
        return 0;
    }
    p->constants[p->constant_count] = v;
    return p->constant_count++;
}

uint32_t gr_add_string(gr_compiler *c, gr_text text) {
    return gr_add_constant(c, gr_string_new(c->vm, text.bytes, text.size));
}

gr_string *gr_name_text(gr_compiler *c, const gr_name *name) {
    gr_string *s = gr_name_string(c->vm, name);
    if (!s) c->failed = true;
    return s;
}

uint32_t gr_add_descriptor(gr_compiler *c, gr_descriptor d) {
    gr_proto *p = c->fn->proto;
    if (!gr_proto_grow(c->vm, &p->descriptors, &p->descriptor_room, p->descriptor_count + 1,
                       sizeof *p->descriptors)) {
        c->failed = true;
        return 0;
    }
    p->descriptors[p->descriptor_count] = d;
    return p->descriptor_count++;
}

uint32_t gr_add_cache(gr_compiler *c, const gr_name *name) {
    gr_proto *p = c->fn->proto;
    gr_string *key = gr_name_text(c, name);
    if (!key || !gr_proto_grow(c->vm, &p->caches, &p->cache_room, p->cache_count + 1,
                               sizeof *p->caches)) {
        c->failed = true;
        return 0;
    }
    p->caches[p->cache_count] = (gr_field_cache){.key = key};
    return p->cache_count++;
}

void *gr_code_alloc(gr_compiler *c, size_t bytes) {
    void *block = gr_arena_alloc(&c->fn->proto->arena, bytes ? bytes : 1);
    if (!block) {
        gr_raise_memory(c->vm);
        c->failed = true;
    }
    return block;
}

/* ---- jumps ------------------------------------------------------------------------------------ */

void gr_jump_later(gr_compiler *c, gr_jumps *jumps, uint32_t pc) {
    if (gr_proto_grow(c->vm, &jumps->at, &jumps->room, jumps->count + 1, sizeof *jumps->at))
        jumps->at[jumps->count++] = pc;
    else
        c->failed = true;
}

static bool is_short(uint8_t op) { return op >= GR_I_JEQ && op <= GR_I_JGEK; }

void gr_patch(gr_compiler *c, uint32_t pc, uint32_t target) {
    gr_proto *p = c->fn->proto;
    if (c->failed || pc >= p->code_count) return;
    int64_t offset = (int64_t)target - pc - 1;
    if (!is_short(p->code[pc].op))
        p->code[pc].jump = (int32_t)offset;
    else if (offset == (int16_t)offset)
        p->code[pc].c = (uint16_t)offset;
    else
        too_large(c, gr_proto_span(p, pc, 0));
}

void gr_patch_here(gr_compiler *c, gr_jumps *jumps) {
    for (uint32_t i = 0; i < jumps->count; i++) gr_patch(c, jumps->at[i], gr_here(c));
    if (jumps->at) ad_mem_put(c->vm->ctx, jumps->at, jumps->room * sizeof *jumps->at);
    *jumps = (gr_jumps){0};
}
