/* SPDX-License-Identifier: MIT */
/*
 * Reaching definitions, backwards: a mark at an instruction says that what the register holds in front
 * of it arrives at the place that is asked about. Marks spread to predecessors until an instruction
 * writes the register. Of the innermost loop around the place it is known whether it runs its first
 * turn: then nothing came by its back edge, and later nothing straight from in front of it.
 * Nothing is kept for this while programs run; it is worth it only where an error is told.
 */
#include "writers.h"

#include "heap_private.h"

#include <string.h>

enum { MARK = 1, WRITER = 2, LARGEST = 1 << 15 };

typedef struct search {
    const gr_writing *at;
    uint8_t *marks; /* one an instruction */
    uint32_t head;  /* of the innermost loop: where its turns begin */
    bool no_back, no_enter;
} search;

/* ---- what writes ------------------------------------------------------------------------------ */

static bool is_other_field(const gr_target *t, const gr_string *field) {
    if (!field || t->step_count == 0 || t->steps[0].kind != GR_STEP_FIELD) return false;
    const gr_string *key = t->steps[0].field.key;
    return key && (key->length != field->length || memcmp(key->bytes, field->bytes, key->length));
}

static bool changes(const gr_target *t, uint32_t reg, const gr_string *field) {
    return !t->ignored && t->place.access == GR_IN_REGISTER && t->place.index == reg &&
           !is_other_field(t, field);
}

static bool is_path(gr_insn i) {
    return i.op == GR_I_SETPATH || i.op == GR_I_SETFIELD || i.op == GR_I_SETITEMFIELD || i.op == GR_I_STORE;
}

bool gr_leaves_field(const gr_proto *p, uint32_t pc, const gr_string *field) {
    if (!field || !is_path(p->code[pc])) return false;
    const gr_descriptor *d = &p->descriptors[p->code[pc].wide];
    for (uint32_t k = 0; k < d->count; k++)
        if (!is_other_field(&d->targets[k], field)) return false;
    return true;
}

static bool writes(const gr_writing *at, uint32_t pc) {
    gr_insn i = at->proto->code[pc];
    if (!is_path(i)) return gr_insn_writes(at->proto, pc, at->reg);
    const gr_descriptor *d = &at->proto->descriptors[i.wide];
    for (uint32_t k = 0; k < d->count; k++)
        if (changes(&d->targets[k], at->reg, at->field)) return true;
    return false;
}

/* ---- the flow --------------------------------------------------------------------------------- */

static bool arrives(const search *s, uint32_t from, uint32_t to) {
    if (to >= s->at->proto->code_count || !(s->marks[to] & MARK)) return false;
    return to != s->head || !(from >= to ? s->no_back : s->no_enter);
}

static bool goes_on(uint8_t op) {
    return op != GR_I_JMP && op != GR_I_LOOP && op != GR_I_RETURN && op != GR_I_FAIL &&
           op != GR_I_FAILTEXT && op != GR_I_FAILPAIR;
}

static bool reaches(const search *s, uint32_t pc) {
    uint32_t to;
    uint8_t op = s->at->proto->code[pc].op;
    if (goes_on(op) && arrives(s, pc, pc + 1)) return true;
    if (op == GR_I_NEXT && arrives(s, pc, pc + 2)) return true;
    return gr_insn_jump(s->at->proto, pc, &to) && arrives(s, pc, to);
}

/* From the marks that are set to all; each pass carries them around one more loop. */
static void spread(search *s) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t pc = s->at->proto->code_count; pc-- > 0;) {
            uint8_t mark = writes(s->at, pc) ? WRITER : MARK;
            if ((s->marks[pc] & mark) || !reaches(s, pc)) continue;
            s->marks[pc] |= mark;
            changed = true;
        }
    }
}

static void spread_from(search *s, uint32_t pc) {
    s->marks[pc] |= MARK;
    spread(s);
}

/* ---- loops ------------------------------------------------------------------------------------ */

static bool is_back_edge(const gr_proto *p, uint32_t pc, uint32_t *head) {
    uint8_t op = p->code[pc].op;
    return (op == GR_I_LOOP || op == GR_I_FORLOOP) && gr_insn_jump(p, pc, head);
}

/* How many loops are around the place; of the innermost one its head. */
static uint32_t find_loop(search *s) {
    uint32_t to, count = 0;
    for (uint32_t pc = s->at->pc; pc < s->at->proto->code_count; pc++) {
        if (!is_back_edge(s->at->proto, pc, &to) || to > s->at->pc || to == 0) continue;
        if (count && to == s->head) continue;
        if (count++ == 0) s->head = to;
    }
    return count;
}

static bool constant_before(const gr_proto *p, uint32_t pc, uint32_t reg, double *out) {
    while (pc-- > 0) {
        if (!gr_insn_writes(p, pc, reg)) continue;
        *out = p->code[pc].op == GR_I_LOADK ? p->constants[p->code[pc].wide].num : 0;
        return p->code[pc].op == GR_I_LOADK;
    }
    return false;
}

/* 1: the first turn, 2: a later one, 0: unknown. */
static int turn_of(const search *s) {
    const gr_insn *head = s->at->proto->code + s->head;
    const gr_value *base = s->at->base;
    double start;
    if (head->op == GR_I_NEXT)
        return base[head->a].kind == GR_STRING ? 0 : base[head->a + 1].num <= 1 ? 1 : 2;
    gr_insn i = head[-1];
    if (i.op != GR_I_FORPREP || !constant_before(s->at->proto, s->head - 1, i.a, &start)) return 0;
    return base[i.a].num == start ? 1 : 2;
}

/* What the back edges bring. */
static void spread_back(search *s) {
    uint32_t to;
    for (uint32_t pc = s->head; pc < s->at->proto->code_count; pc++)
        if (is_back_edge(s->at->proto, pc, &to) && to == s->head) s->marks[pc] |= MARK;
    spread(s);
}

/* A later turn: from the place up to the head of the loop, and from there around its back edges only.
 * A turn that writes nothing lets what was in front of the loop through. */
static void spread_around(search *s) {
    uint8_t *marks = s->marks;
    uint32_t count = s->at->proto->code_count;
    s->no_back = s->no_enter = true;
    spread_from(s, s->at->pc);
    if (!(marks[s->head] & MARK)) return;
    s->marks = marks + count;
    spread_back(s);
    bool through = s->marks[s->head] & MARK;
    for (uint32_t pc = 0; pc < count; pc++) marks[pc] |= s->marks[pc];
    s->marks = marks;
    if (!through) return;
    memset(marks, 0, count);
    s->no_back = s->no_enter = false;
    spread_from(s, s->at->pc);
}

bool gr_find_writers(gr_vm *vm, const gr_writing *from, gr_writers *out) {
    uint32_t count = from->proto->code_count;
    if (count > LARGEST || from->pc >= count) return false;
    search s = {.at = from, .marks = ad_mem_get(vm->ctx, 2 * (size_t)count), .head = UINT32_MAX};
    if (!s.marks) return false;
    memset(s.marks, 0, 2 * (size_t)count);
    uint32_t loops = from->base ? find_loop(&s) : 0;
    int turn = loops ? turn_of(&s) : 0;
    s.no_back = turn == 1 && loops == 1;
    if (turn == 2) spread_around(&s);
    else spread_from(&s, from->pc);
    *out = (gr_writers){.entry = s.marks[0] & MARK};
    for (uint32_t pc = 0; pc < count; pc++) {
        if (!(s.marks[pc] & WRITER)) continue;
        if (out->count < GR_MOST_WRITERS) out->at[out->count] = pc;
        out->count++;
    }
    ad_mem_put(vm->ctx, s.marks, 2 * (size_t)count);
    return out->count <= GR_MOST_WRITERS;
}
