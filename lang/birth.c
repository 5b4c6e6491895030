/* SPDX-License-Identifier: MIT */
/*
 * Where an operand was made, for messages about shapes. What is tracked knows its entry on the tape;
 * anything else is traced through the code of the frames that still run: from the operand's register
 * back to the one instruction that wrote it, through captured variables, and from a parameter to the
 * argument of the call. Nothing is kept for this while programs run. Where one more assignment could
 * have made the value, both are named; where several could, nothing is said: no place is better than
 * a wrong one.
 */
#include "format.h"
#include "heap_private.h"

#include <string.h>

enum { LONGEST_CHAIN = 8, LONGEST_TEXT = 48 };

typedef struct place {
    const gr_source *source;
    gr_span span;  /* of the expression, or of the name or pattern that it is bound to */
    bool argument; /* of a call */
    bool item;     /* one of those that a loop runs through */
    uint32_t later; /* a line that may have changed it since; 0: none */
} place;

static bool trace(gr_vm *vm, uint32_t frame, uint32_t pc, uint32_t reg, int depth, place *out);

static bool place_of_src(gr_vm *vm, uint32_t src, place *out) {
    uint32_t pc;
    gr_proto *p = src ? gr_src_decode(vm, src & 0x7fffffffu, &pc) : NULL;
    if (!p || (p->flags & GR_PROTO_LIBRARY)) return false;
    out->source = p->source;
    out->span = gr_proto_span(p, pc, 0);
    return true;
}

static bool place_of_insn(const gr_proto *p, uint32_t pc, place *out) {
    out->source = p->source;
    out->span = gr_proto_span(p, pc, 0);
    out->item = p->code[pc].op == GR_I_NEXT || p->code[pc].op == GR_I_FORPREP;
    return true;
}

/* ---- locals ----------------------------------------------------------------------------------- */

static const gr_local_info *local_at(const gr_proto *p, uint32_t pc, uint32_t reg) {
    for (uint32_t i = p->local_count; i-- > 0;) {
        const gr_local_info *l = &p->locals[i];
        if (l->reg == reg && l->begin <= pc && pc < l->end) return l;
    }
    return NULL;
}

/* The instruction in front of `from` that wrote a register last; false: none did. */
static bool writer_before(const gr_proto *p, uint32_t from, uint32_t reg, uint32_t *pc) {
    for (*pc = from; (*pc)-- > 0;)
        if (gr_insn_writes(p, *pc, reg)) return true;
    return false;
}

/* The lines of assignments after the first value; more than one: UINT32_MAX. */
static uint32_t assigned_again(const gr_proto *p, const gr_local_info *l) {
    uint32_t line = 0;
    for (uint32_t pc = l->begin; pc < p->code_count && pc < l->end; pc++) {
        if (!gr_insn_writes(p, pc, l->reg)) continue;
        uint32_t here = gr_source_line(p->source, gr_proto_span(p, pc, 0).begin);
        if (line && line != here) return UINT32_MAX;
        line = here;
    }
    return line;
}

/* The argument that a parameter got, if the caller's code is at hand. */
static bool argument_of(gr_vm *vm, uint32_t frame, uint32_t parameter, int depth, place *out) {
    if (frame == 0 || (vm->frames[frame].flags & GR_FRAME_ENTRY)) return false;
    const gr_frame *caller = &vm->frames[frame - 1];
    uint32_t pc = gr_frame_pc(caller);
    gr_insn call = caller->proto->code[pc];
    bool plain = call.op == GR_I_CALL || call.op == GR_I_CALLG;
    if (!plain || parameter >= call.b || (caller->proto->flags & GR_PROTO_LIBRARY)) return false;
    if (trace(vm, frame - 1, pc, call.a + 1u + parameter, depth, out)) return true;
    out->source = caller->proto->source;
    out->span = gr_proto_span(caller->proto, pc, 2 + parameter);
    return out->argument = true;
}

static bool local(gr_vm *vm, uint32_t frame, const gr_local_info *l, int depth, place *out) {
    const gr_proto *p = vm->frames[frame].proto;
    uint32_t pc;
    out->later = assigned_again(p, l);
    if (out->later == UINT32_MAX) return false;
    if (writer_before(p, l->begin, l->reg, &pc)) return place_of_insn(p, pc, out);
    return !out->later && l->reg < p->parameter_count && argument_of(vm, frame, l->reg, depth, out);
}

/* ---- captured variables ----------------------------------------------------------------------- */

static const gr_proto *parent_of(const gr_vm *vm, const gr_proto *child) {
    for (uint32_t i = vm->proto_count; i-- > 0;)
        for (uint32_t k = 0; k < vm->protos[i]->child_count; k++)
            if (vm->protos[i]->children[k] == child) return vm->protos[i];
    return NULL;
}

/* The variable as the function around this one bound it; it is not assigned again, or it would be in
 * a cell. */
static bool captured(gr_vm *vm, const gr_proto *p, uint32_t held, place *out) {
    for (int depth = 0; depth < LONGEST_CHAIN; depth++) {
        const gr_capture *k = &p->captures[held];
        if (k->self || !(p = parent_of(vm, p))) return false;
        held = k->index;
        if (k->held) continue;
        uint32_t pc;
        return writer_before(p, p->code_count, held, &pc) && place_of_insn(p, pc, out);
    }
    return false;
}

static bool cell(gr_vm *vm, gr_value v, place *out) {
    return v.kind == GR_CELL && place_of_src(vm, gr_as_cell(v)->changed, out);
}

/* ---- registers -------------------------------------------------------------------------------- */

static bool trace(gr_vm *vm, uint32_t frame, uint32_t pc, uint32_t reg, int depth, place *out) {
    const gr_frame *f = &vm->frames[frame];
    const gr_local_info *l = local_at(f->proto, pc, reg);
    if (depth >= LONGEST_CHAIN) return false;
    if (l) return !l->cell && local(vm, frame, l, depth + 1, out);
    if (!writer_before(f->proto, pc, reg, &pc))
        return reg < f->proto->parameter_count && argument_of(vm, frame, reg, depth, out);
    gr_insn i = f->proto->code[pc];
    switch (i.op) {
    case GR_I_MOVE:
    case GR_I_GETFIELD: return trace(vm, frame, pc, i.b, depth + 1, out);
    case GR_I_GETGLOBAL: return place_of_src(vm, vm->globals[i.wide].changed, out);
    case GR_I_GETHELD: return captured(vm, f->proto, i.b, out);
    case GR_I_GETCELL: return cell(vm, f->closure->held[i.b], out);
    case GR_I_GETLOCALCELL: return cell(vm, f->base[i.b], out);
    default: return false; /* an expression, which is shown anyway */
    }
}

/* The register of an instruction's k-th operand (from 0). */
static bool operand_register(gr_insn i, uint32_t k, uint32_t *reg) {
    switch (i.op) {
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
    *reg = k == 0 ? i.b : i.c;
    return true;
}

/* ---- text ------------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Where an expression ends that begins there: at a comment, `;`, the bracket around it, or the line's end. */
static uint32_t value_end(const char *text, gr_span rest) {
    int depth = 0;
    bool quoted = false;
    for (uint32_t i = rest.begin; i < rest.end; i++) {
        char c = text[i];
        if (c == '"') quoted = !quoted;
        else if (quoted) i += c == '\\';
        else if (c == '#' || (c == ';' && depth == 0)) return i;
        else if (c == '(' || c == '[' || c == '{') depth++;
        else if ((c == ')' || c == ']' || c == '}') && depth-- == 0) return i;
    }
    return rest.end;
}

/* What stands behind `name =`, all of `name += e`, or the text of the span itself. */
static gr_span value_span(const place *at) {
    const char *text = at->source->text;
    uint32_t line = gr_source_line(at->source, at->span.begin);
    gr_span rest = {at->span.end, gr_source_line_span(at->source, line).end};
    while (rest.begin < rest.end && is_blank(text[rest.begin])) rest.begin++;
    bool changed = rest.begin + 1 < rest.end && strchr("+-*/", text[rest.begin]) &&
                   text[rest.begin + 1] == '=';
    if (rest.begin < rest.end && text[rest.begin] == ':') rest.begin++;
    bool bound = rest.begin + 1 < rest.end && text[rest.begin] == '=' && text[rest.begin + 1] != '=';
    if (!bound && !changed) return at->span;
    rest.begin = changed ? at->span.begin : rest.begin + 1;
    while (rest.begin < rest.end && is_blank(text[rest.begin])) rest.begin++;
    rest.end = value_end(text, rest);
    while (rest.end > rest.begin && is_blank(text[rest.end - 1])) rest.end--;
    return rest;
}

/* One line of it, not too long. */
static void put_code(gr_buffer *out, const gr_source *source, gr_span span) {
    const char *text = source->text + span.begin;
    size_t size = span.end - span.begin, shown = 0, cells = 0;
    for (; shown < size && text[shown] != '\n' && cells < LONGEST_TEXT; cells++) {
        shown++;
        while (shown < size && ((unsigned char)text[shown] & 0xC0) == 0x80) shown++;
    }
    gr_buffer_put(out, text, shown);
    if (shown < size) gr_buffer_puts(out, "…");
}

static void put_place(gr_buffer *out, const place *at, bool param) {
    uint32_t line = gr_source_line(at->source, at->span.begin);
    gr_buffer_puts(out, param ? ", param" : "");
    if (at->item) {
        gr_buffer_printf(out, ", from the loop at %s:%u", at->source->name, line);
        return;
    }
    gr_buffer_printf(out, ", %s %s:%u: ", at->argument ? "given at" : "made at", at->source->name,
                     line);
    put_code(out, at->source, value_span(at));
    if (at->later) gr_buffer_printf(out, ", or changed in line %u", at->later);
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
static void declaration(gr_vm *vm, uint32_t src, place *out) {
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

static bool tracked(gr_vm *vm, gr_value v, place *out, bool *param) {
    ad_entry_info info;
    if (v.kind > AD_TENSOR || !v.node || !ad_entry(vm->ctx, v.node, &info)) return false;
    *param = info.is_leaf;
    if (!place_of_src(vm, info.src, out)) return false;
    if (info.is_leaf) declaration(vm, info.src, out);
    return true;
}

/* Where the function of a call comes from. */
static bool callee(gr_vm *vm, uint32_t frame, uint32_t pc, place *out) {
    gr_insn i = vm->frames[frame].proto->code[pc];
    if (i.op == GR_I_CALLG) return place_of_src(vm, vm->globals[i.c].changed, out);
    return (i.op == GR_I_CALL || i.op == GR_I_CALLX) && trace(vm, frame, pc, i.a, 0, out);
}

/* "[64, 10], param, made at mlp.nn:4: randn(64, 10)" */
void gr_birth_text(gr_vm *vm, gr_buffer *out, uint32_t k, gr_value v) {
    uint32_t frame = vm->frame_count - 1, pc, reg;
    place at = {0};
    bool param = false;
    gr_describe_short(vm, out, v);
    if (!vm->frame_count || (vm->frames[frame].proto->flags & GR_PROTO_LIBRARY)) return;
    const gr_frame *f = &vm->frames[frame];
    pc = gr_frame_pc(f);
    gr_span shown = gr_proto_span(f->proto, pc, k == UINT32_MAX ? 1 : k + 1);
    if (k == UINT32_MAX) {
        if (!callee(vm, frame, pc, &at)) return;
    } else if (!tracked(vm, v, &at, &param)) {
        if (!operand_register(f->proto->code[pc], k, &reg)) return;
        if (!trace(vm, frame, pc, reg, 0, &at)) return;
    }
    bool here = at.source == f->proto->source && at.span.begin >= shown.begin &&
                at.span.end <= shown.end;
    if (!here) put_place(out, &at, param);
}
