/* SPDX-License-Identifier: MIT */
/*
 * Where an operand was made, for messages about shapes. What is tracked knows its entry on the tape;
 * anything else is traced through the code of the frames that still run: from the operand's register
 * back to the instructions that may have written it, through captured variables, patterns and records
 * that are written out, and from a parameter to the argument of the call. Nothing is kept for this
 * while programs run. Where several assignments could have made the value, all are named; where more
 * than a few could, nothing is said: no place is better than a wrong one.
 */
#include "birth.h"

#include "format.h"
#include "heap_private.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_CHAIN = 8, NO_FRAME = GR_NO_FRAME };

static bool trace(gr_vm *vm, gr_seen at, int depth, gr_birth *out);
static bool made_by(gr_vm *vm, gr_seen at, int depth, gr_birth *out);

static bool place_of_insn(const gr_proto *p, uint32_t pc, gr_birth *out) {
    out->source = p->source;
    out->proto = p;
    out->pc = pc;
    out->span = gr_proto_span(p, pc, 0);
    out->item = p->code[pc].op == GR_I_NEXT || p->code[pc].op == GR_I_FORPREP;
    return true;
}

static bool is_binding(uint8_t op) { return op == GR_I_DEFGLOBAL || op == GR_I_SETGLOBAL; }

/* The instruction in front of `from` that wrote a register last; false: none did. */
static bool writer_before(const gr_proto *p, uint32_t from, uint32_t reg, uint32_t *pc) {
    for (*pc = from; (*pc)-- > 0;)
        if (gr_insn_writes(p, *pc, reg)) return true;
    return false;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Whether an instruction binds a name that is one of several in a pattern. */
static bool in_pattern(const gr_proto *p, uint32_t pc) {
    uint32_t at = gr_proto_span(p, pc, 0).end;
    while (at < p->source->size && is_blank(p->source->text[at])) at++;
    return at < p->source->size && (p->source->text[at] == ',' || p->source->text[at] == ')');
}

bool gr_birth_of_src(gr_vm *vm, uint32_t src, gr_string *field, gr_birth *out) {
    uint32_t pc, from;
    gr_proto *p = src ? gr_src_decode(vm, src & 0x7fffffffu, &pc) : NULL;
    if (!p || (p->flags & GR_PROTO_LIBRARY) || gr_leaves_field(p, pc, field)) return false;
    gr_insn i = p->code[pc];
    if (is_binding(i.op) && writer_before(p, pc, i.a, &from)) {
        uint8_t op = p->code[from].op;
        if (op == GR_I_UNPACK || op == GR_I_UNPACKREC || (op == GR_I_RECORD && field) || in_pattern(p, pc))
            return made_by(vm, (gr_seen){NO_FRAME, p, from, i.a, field}, 0, out);
    }
    return place_of_insn(p, pc, out);
}

/* ---- locals ----------------------------------------------------------------------------------- */

static const gr_local_info *local_at(const gr_proto *p, uint32_t pc, uint32_t reg) {
    for (uint32_t i = p->local_count; i-- > 0;) {
        const gr_local_info *l = &p->locals[i];
        if (l->reg == reg && l->begin <= pc && pc < l->end) return l;
    }
    return NULL;
}

static bool is_called(const gr_string *passed, const gr_name *name) {
    return passed && name && strlen(name->text) == passed->length &&
           memcmp(passed->bytes, name->text, passed->length) == 0;
}

/* Which argument of a call a parameter got; UINT32_MAX: none, or a spread tuple hides which. */
static uint32_t passed_as(const gr_proto *caller, gr_insn call, const gr_proto *callee,
                          uint32_t parameter) {
    if (call.op == GR_I_CALL || call.op == GR_I_CALLG)
        return parameter < call.b ? parameter : UINT32_MAX;
    if (call.op != GR_I_CALLX) return UINT32_MAX;
    const gr_descriptor *d = &caller->descriptors[call.wide];
    for (uint32_t k = 0; k < d->count; k++) {
        if (d->passed[k].spread) return UINT32_MAX;
        if (!d->passed[k].name ? k == parameter
                               : is_called(d->passed[k].name, callee->parameters[parameter].name))
            return k;
    }
    return UINT32_MAX;
}

/* The k-th argument of the call that a frame is in. */
static bool argument(gr_vm *vm, uint32_t frame, uint32_t k, gr_string *field, int depth, gr_birth *out) {
    const gr_frame *f = &vm->frames[frame];
    uint32_t pc = gr_frame_pc(f), reg = f->proto->code[pc].a + 1u + k;
    if (trace(vm, (gr_seen){frame, f->proto, pc, reg, field}, depth, out)) return true;
    place_of_insn(f->proto, pc, out);
    out->span = gr_proto_span(f->proto, pc, 2 + k);
    return out->argument = true;
}

/* Builtins that call a function with the items of their arguments: its parameters from `parameter` on get
 * those of the arguments from `argument` on. */
typedef struct runner {
    const char *name;
    uint8_t parameter, argument;
    const char *before; /* what the parameters in front of those are */
} runner;

static const runner *find_runner(const gr_source *source, gr_span callee) {
    static const runner rows[] = {{"map", 0, 1, ""},  {"filter", 0, 1, ""},         {"map_leaves", 0, 1, ""},
                                  {"sort", 0, 0, ""}, {"fold", 1, 2, "carried by"},
                                  {"scan", 1, 2, "carried by"}};
    size_t size = callee.end - callee.begin;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == size && memcmp(source->text + callee.begin, rows[i].name, size) == 0)
            return &rows[i];
    return NULL;
}

/* What a builtin, or the library, gave a function that it calls back. */
static bool handed_over(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    uint32_t frame = gr_user_frame(vm, at.frame - 1);
    const gr_frame *f = &vm->frames[frame];
    uint32_t pc = gr_frame_pc(f);
    gr_insn i = f->proto->code[pc];
    bool plain = i.op == GR_I_CALL || i.op == GR_I_CALLG;
    if ((!plain && i.op != GR_I_CALLX) || (f->proto->flags & GR_PROTO_LIBRARY)) return false;
    *out = (gr_birth){.how = "given by"};
    place_of_insn(f->proto, pc, out);
    out->callee = gr_proto_span(f->proto, pc, 1);
    const runner *r = find_runner(out->source, out->callee);
    if (!r) return true;
    uint32_t k = at.reg - r->parameter + r->argument;
    if (at.reg < r->parameter) out->how = r->before;
    else if (plain && k < i.b && frame + 1 == at.frame) {
        *out = (gr_birth){.whole = f->base[i.a + 1u + k]};
        return out->within = argument(vm, frame, k, NULL, depth, out);
    }
    return true;
}

/* Is the frame that of a function which a builtin or the library calls? */
static bool is_callback(const gr_vm *vm, uint32_t frame) {
    bool by_builtin = vm->frames[frame].flags & GR_FRAME_ENTRY;
    return by_builtin || (vm->frames[frame - 1].proto->flags & GR_PROTO_LIBRARY);
}

static bool is_passed(const gr_seen *at) {
    return at->frame != NO_FRAME && at->frame != 0 && at->reg < at->proto->parameter_count;
}

/* The argument of the caller's call that the parameter got, or UINT32_MAX. */
static uint32_t passed_argument(const gr_vm *vm, const gr_seen *at) {
    const gr_frame *caller = &vm->frames[at->frame - 1];
    return passed_as(caller->proto, caller->proto->code[gr_frame_pc(caller)], at->proto, at->reg);
}

bool gr_argument_span(const gr_vm *vm, const gr_seen *at, gr_span *out) {
    if (!is_passed(at) || is_callback(vm, at->frame)) return false;
    const gr_frame *f = &vm->frames[at->frame - 1];
    uint32_t k = passed_argument(vm, at);
    if (k != UINT32_MAX) *out = gr_proto_span(f->proto, gr_frame_pc(f), 2 + k);
    return k != UINT32_MAX;
}

/* The argument that a parameter got, if the caller's code is at hand. */
static bool argument_of(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    if (!is_passed(&at)) return false;
    if (is_callback(vm, at.frame)) return handed_over(vm, at, depth, out);
    uint32_t k = passed_argument(vm, &at);
    return k != UINT32_MAX && argument(vm, at.frame - 1, k, at.field, depth, out);
}

static void add_part(gr_birth *out, const char *format, ...) {
    size_t size = strlen(out->part);
    va_list args;
    va_start(args, format);
    vsnprintf(out->part + size, sizeof out->part - size, format, args);
    va_end(args);
}

/* A tuple that is written out: its item; else what is taken apart. */
static bool unpacked(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    const gr_proto *p = at.proto;
    gr_insn i = p->code[at.pc];
    uint32_t from, item, k = at.reg - i.b;
    if (i.op == GR_I_UNPACKREC) at.field = p->descriptors[i.c].fields[at.reg - i.b];
    gr_seen whole_at = {at.frame, p, at.pc, i.a, i.op == GR_I_UNPACKREC ? at.field : NULL};
    bool known = writer_before(p, at.pc, i.a, &from), rest = p->descriptors[i.c].flag;
    gr_insn whole = known ? p->code[from] : (gr_insn){0};
    bool all = i.op == GR_I_UNPACK && known && whole.op == GR_I_TUPLE && !rest;
    if (all && writer_before(p, from, whole.b + k, &item))
        return made_by(vm, (gr_seen){at.frame, p, item, whole.b + k, at.field}, depth, out);
    if (known) whole_at.pc = from;
    if (!(known ? made_by(vm, whole_at, depth, out) : argument_of(vm, whole_at, depth, out))) return false;
    if (i.op == GR_I_UNPACK) add_part(out, rest && k + 1 == p->descriptors[i.c].count ? "[%u..]" : "[%u]", k);
    else if (!out->inside) add_part(out, ".%.*s", (int)at.field->length, at.field->bytes);
    out->inside = false;
    return true;
}

/* The field of a record that is written out. */
static bool field_made(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    gr_insn i = at.proto->code[at.pc];
    int64_t k = gr_layout_place(at.proto->descriptors[i.c].layout, at.field);
    uint32_t from;
    if (k < 0 || !writer_before(at.proto, at.pc, i.b + (uint32_t)k, &from)) return false;
    out->inside = true;
    return made_by(vm, (gr_seen){at.frame, at.proto, from, i.b + (uint32_t)k, NULL}, depth, out);
}

/* The value that the instruction at.pc gave the register. */
static bool made_by(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    if (depth >= LONGEST_CHAIN) return false;
    switch (at.proto->code[at.pc].op) {
    case GR_I_UNPACK:
    case GR_I_UNPACKREC: return unpacked(vm, at, depth + 1, out);
    case GR_I_RECORD:
        if (at.field) return field_made(vm, at, depth + 1, out);
        break;
    default: break;
    }
    return place_of_insn(at.proto, at.pc, out);
}

static void add_later(const gr_proto *p, uint32_t pc, gr_birth *out) {
    uint32_t line = gr_source_line(p->source, gr_proto_span(p, pc, 0).begin);
    bool known = false;
    for (uint32_t i = 0; i < out->later_count; i++) known |= out->later[i] == line;
    if (!known) out->later[out->later_count++] = line;
}

/* A default is computed only where no argument was given. */
static void drop_default(const gr_proto *p, uint32_t reg, gr_writers *w) {
    for (uint32_t pc = 0, end; pc < p->code_count; pc++) {
        if (p->code[pc].op != GR_I_GIVEN || p->code[pc].a != reg || !gr_insn_jump(p, pc, &end)) continue;
        while (w->count && w->at[0] > pc && w->at[0] < end) {
            w->count--;
            memmove(w->at, w->at + 1, w->count * sizeof *w->at);
        }
    }
}

static bool local(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    gr_writers w;
    const gr_value *base = at.frame == NO_FRAME ? NULL : vm->frames[at.frame].base;
    gr_writing from = {at.proto, at.pc, at.reg, at.field, base};
    if (!gr_find_writers(vm, &from, &w)) return false;
    bool optional = at.reg < at.proto->parameter_count && at.proto->parameters[at.reg].optional;
    if (w.entry && argument_of(vm, at, depth, out)) drop_default(at.proto, at.reg, &w);
    else if (w.entry && !optional) return false;
    for (uint32_t i = 0; i < w.count; i++) {
        at.pc = w.at[i];
        if (out->source) add_later(at.proto, at.pc, out);
        else if (!made_by(vm, at, depth, out)) return false;
    }
    return out->source;
}

bool gr_birth_of_local(gr_vm *vm, gr_seen at, gr_birth *out) { return local(vm, at, 0, out); }

/* ---- captured variables ----------------------------------------------------------------------- */

static const gr_proto *parent_of(const gr_vm *vm, const gr_proto *child, uint32_t *index) {
    for (uint32_t i = vm->proto_count; i-- > 0;)
        for (*index = 0; *index < vm->protos[i]->child_count; ++*index)
            if (vm->protos[i]->children[*index] == child) return vm->protos[i];
    return NULL;
}

/* The variable as the function around this one bound it, where the closure was made; it is not
 * assigned again, or it would be in a cell. */
bool gr_birth_of_captured(gr_vm *vm, const gr_proto *p, uint32_t held, gr_string *field, gr_birth *out) {
    uint32_t index;
    for (int depth = 0; depth < LONGEST_CHAIN; depth++) {
        const gr_capture *k = &p->captures[held];
        if (k->self || !(p = parent_of(vm, p, &index))) return false;
        held = k->index;
        if (k->held) continue;
        uint32_t pc = 0;
        while (pc < p->code_count && (p->code[pc].op != GR_I_CLOSURE || p->code[pc].wide != index)) pc++;
        return pc < p->code_count && local(vm, (gr_seen){NO_FRAME, p, pc, held, field}, 0, out);
    }
    return false;
}

static bool cell(gr_vm *vm, gr_value v, gr_string *field, gr_birth *out) {
    return v.kind == GR_CELL && gr_birth_of_src(vm, gr_as_cell(v)->changed, field, out);
}

/* ---- registers -------------------------------------------------------------------------------- */

static bool item_of(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    at.field = NULL;
    return out->within = trace(vm, at, depth, out);
}

/* What an instruction reads that only hands a value on. */
static bool handed_on(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    gr_insn i = at.proto->code[at.pc];
    bool runs = at.frame != NO_FRAME;
    at.reg = i.b;
    switch (i.op) {
    case GR_I_GETFIELD: at.field = at.proto->caches[i.c].key; /* fall through */
    case GR_I_MOVE: return trace(vm, at, depth, out);
    case GR_I_GETITEM:
    case GR_I_INDEX: return item_of(vm, at, depth, out);
    case GR_I_GETGLOBAL: return gr_birth_of_src(vm, vm->globals[i.wide].changed, at.field, out);
    case GR_I_GETHELD: return gr_birth_of_captured(vm, at.proto, i.b, at.field, out);
    case GR_I_GETCELL: return runs && cell(vm, vm->frames[at.frame].closure->held[i.b], at.field, out);
    case GR_I_GETLOCALCELL: return runs && cell(vm, vm->frames[at.frame].base[i.b], at.field, out);
    default: return false; /* an expression, which is shown anyway */
    }
}

static bool trace(gr_vm *vm, gr_seen at, int depth, gr_birth *out) {
    if (depth >= LONGEST_CHAIN) return false;
    const gr_local_info *l = local_at(at.proto, at.pc, at.reg);
    if (l) return !l->cell && local(vm, at, depth + 1, out);
    if (!writer_before(at.proto, at.pc, at.reg, &at.pc)) return argument_of(vm, at, depth, out);
    return handed_on(vm, at, depth + 1, out);
}

/* The register of an instruction's k-th operand (from 0). */
static bool operand_register(const gr_proto *p, gr_insn i, uint32_t k, uint32_t *reg) {
    switch (i.op) {
    case GR_I_PARTIAL: *reg = p->descriptors[i.wide].reg + k; return k <= p->descriptors[i.wide].count;
    case GR_I_CALL:
    case GR_I_CALLG: *reg = i.a + k; return k > 0; /* 0 is the function */
    case GR_I_CALLX: return false;
    case GR_I_SIG: *reg = i.a; return true;
    case GR_I_SETITEM: *reg = k == 0 ? i.b : i.c; return true;
    case GR_I_GETITEM:
    case GR_I_INDEX: *reg = k == 0 ? i.b : i.c; return k < (i.op == GR_I_INDEX ? 1 : 2);
    case GR_I_JEQ:
    case GR_I_JLT:
    case GR_I_JLE:
    case GR_I_JGT:
    case GR_I_JGE: *reg = k == 0 ? i.a : i.b; return k < 2;
    default: break;
    }
    if (i.op < GR_I_ADD || i.op > GR_I_LOGOR || k > 1) return false;
    if (i.op >= GR_I_RADDK && i.op <= GR_I_RPOWK) k = 1 - k; /* the constant stands left */
    if (i.op >= GR_I_ADDK && i.op <= GR_I_RPOWK && k == 1) return false;
    *reg = k == 0 ? i.b : i.c;
    return true;
}

/* ---- params ----------------------------------------------------------------------------------- */

static const gr_name *param_name(const gr_proto *p, uint32_t pc, uint32_t *slot) {
    *slot = UINT32_MAX;
    if (p->code[pc].op != GR_I_PARAM) return NULL;
    const gr_place *at = p->descriptors[p->code[pc].wide].places;
    if (at->access == GR_IN_GLOBAL) *slot = at->index;
    return at->name;
}

/* Where the variable was declared that an update (at `src`) changed: an update keeps its shape. */
static void declaration(gr_vm *vm, uint32_t src, gr_birth *out) {
    uint32_t pc, slot, wanted;
    gr_proto *p = gr_src_decode(vm, src & 0x7fffffffu, &pc);
    if (!p || p->code[pc].op != GR_I_STORE) return;
    const gr_descriptor *d = &p->descriptors[p->code[pc].wide];
    if (d->count != 1 || d->targets[0].ignored) return;
    const gr_place *target = &d->targets[0].place;
    wanted = target->access == GR_IN_GLOBAL ? target->index : UINT32_MAX;
    for (uint32_t i = vm->proto_count; i-- > 0;) {
        const gr_proto *q = vm->protos[i];
        for (uint32_t k = q->code_count; k-- > 0;)
            if (param_name(q, k, &slot) == target->name && slot == wanted) {
                place_of_insn(q, k, out);
                return;
            }
    }
}

bool gr_birth_of_tracked(gr_vm *vm, gr_value v, gr_birth *out) {
    ad_entry_info info;
    if (v.kind > AD_TENSOR || !v.node || !ad_entry(vm->ctx, v.node, &info)) return false;
    if (!gr_birth_of_src(vm, info.src, NULL, out)) return false;
    out->param = info.is_leaf;
    if (info.is_leaf) declaration(vm, info.src, out);
    return true;
}

/* Where the function of a call comes from. */
static bool callee(gr_vm *vm, uint32_t frame, uint32_t pc, gr_birth *out) {
    gr_insn i = vm->frames[frame].proto->code[pc];
    if (i.op == GR_I_CALLG) return gr_birth_of_src(vm, vm->globals[i.c].changed, NULL, out);
    bool plain = i.op == GR_I_CALL || i.op == GR_I_CALLX;
    return plain && trace(vm, (gr_seen){frame, vm->frames[frame].proto, pc, i.a, NULL}, 0, out);
}

/* ---- operands --------------------------------------------------------------------------------- */

/* What a parameter of a function holds as it came: in the caller's frame, the register that was handed
 * over. */
static bool to_caller(gr_vm *vm, gr_seen *at, uint32_t *operand) {
    gr_writers w;
    gr_writing from = {at->proto, at->pc, at->reg, NULL, vm->frames[at->frame].base};
    if (!is_passed(at) || (vm->frames[at->frame].flags & GR_FRAME_ENTRY)) return false;
    if (!gr_find_writers(vm, &from, &w) || w.count || !w.entry) return false;
    const gr_frame *f = &vm->frames[at->frame - 1];
    uint32_t pc = gr_frame_pc(f), k = passed_argument(vm, at);
    if (k == UINT32_MAX) return false;
    *at = (gr_seen){at->frame - 1, f->proto, pc, f->proto->code[pc].a + 1u + k, NULL};
    *operand = 2 + k;
    return true;
}

/* Through functions of the library that handed the value on, to the user's. */
static bool to_user(gr_vm *vm, uint32_t k, gr_seen *at, uint32_t *operand) {
    uint32_t pc;
    *operand = k + 1;
    while (at->proto->flags & GR_PROTO_LIBRARY) {
        if (!local_at(at->proto, at->pc, at->reg) && writer_before(at->proto, at->pc, at->reg, &pc)) {
            gr_insn i = at->proto->code[pc];
            if (i.op != GR_I_MOVE) return false;
            at->reg = i.b;
        }
        if (!to_caller(vm, at, operand)) return false;
    }
    return true;
}

static bool find_operand(gr_vm *vm, uint32_t k, gr_seen *at, uint32_t *operand) {
    uint32_t frame = vm->frame_count - 1;
    const gr_frame *f = &vm->frames[frame];
    *at = (gr_seen){.frame = frame, .proto = f->proto, .pc = gr_frame_pc(f)};
    return operand_register(at->proto, at->proto->code[at->pc], k, &at->reg) && to_user(vm, k, at, operand);
}

bool gr_user_operand(gr_vm *vm, uint32_t k, uint32_t *operand) {
    gr_seen at;
    *operand = k + 1;
    if (!vm->frame_count) return false;
    if (!(vm->frames[vm->frame_count - 1].proto->flags & GR_PROTO_LIBRARY)) return true;
    return find_operand(vm, k, &at, operand);
}

/* The function that is called, of which UINT32_MAX speaks. */
static bool birth_of_callee(gr_vm *vm, gr_birth *out, gr_span *shown) {
    const gr_frame *f = &vm->frames[vm->frame_count - 1];
    uint32_t pc = gr_frame_pc(f);
    *shown = gr_proto_span(f->proto, pc, 1);
    return !(f->proto->flags & GR_PROTO_LIBRARY) && callee(vm, vm->frame_count - 1, pc, out);
}

static bool birth_of_value(gr_vm *vm, uint32_t k, gr_value v, gr_birth *out, gr_span *shown) {
    gr_seen at;
    uint32_t operand;
    bool found = find_operand(vm, k, &at, &operand);
    if (at.proto->flags & GR_PROTO_LIBRARY) return false;
    *shown = gr_proto_span(at.proto, at.pc, operand);
    return gr_birth_of_tracked(vm, v, out) || (found && trace(vm, at, 0, out));
}

bool gr_birth_of_operand(gr_vm *vm, uint32_t k, gr_value v, gr_birth *out) {
    gr_span shown;
    if (!vm->frame_count) return false;
    if (!(k == UINT32_MAX ? birth_of_callee(vm, out, &shown) : birth_of_value(vm, k, v, out, &shown)))
        return false;
    const gr_source *source;
    gr_operand_span(vm, 0, &source);
    return out->source != source || out->span.begin < shown.begin || out->span.end > shown.end;
}

void gr_birth_text(gr_vm *vm, gr_buffer *out, uint32_t k, gr_value v) {
    gr_birth at = {0};
    gr_describe_short(vm, out, v);
    if (!gr_birth_of_operand(vm, k, v, &at)) return;
    gr_buffer_puts(out, ", ");
    gr_birth_put(out, &at, v);
}
