/* SPDX-License-Identifier: MIT */
/* Protos: building, ownership, dump and verification. The last two read the table of opcodes. */
#include "chunk.h"
#include "heap_private.h"

#include <string.h>

static const struct {
    const char *name;
    char a, b, c;
} ops[] = {
#define OPCODE(name, a, b, c) {#name, #a[0], #b[0], #c[0]},
#include "opcodes.def"
#undef OPCODE
};

gr_proto *gr_proto_new(gr_vm *vm, const gr_source *source) {
    gr_proto *p = ad_mem_get(vm->ctx, sizeof *p);
    if (!p) {
        gr_raise_memory(vm);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    p->refs = 1;
    p->serial = ++vm->serials;
    p->source = source;
    gr_arena_init(&p->arena, vm->ctx);
    return p;
}

void gr_proto_retain(gr_proto *proto) { proto->refs++; }

static void free_list(gr_vm *vm, void *list, uint32_t room, size_t size) {
    if (list) ad_mem_put(vm->ctx, list, room * size);
}

static void free_lists(gr_vm *vm, gr_proto *p) {
    free_list(vm, p->code, p->code_room, sizeof *p->code);
    free_list(vm, p->constants, p->constant_room, sizeof *p->constants);
    free_list(vm, p->children, p->child_room, sizeof(gr_proto *));
    free_list(vm, p->descriptors, p->descriptor_room, sizeof *p->descriptors);
    free_list(vm, p->caches, p->cache_room, sizeof *p->caches);
    free_list(vm, p->captures, p->capture_room, sizeof *p->captures);
    free_list(vm, p->parameters, p->parameter_room, sizeof *p->parameters);
    free_list(vm, p->locals, p->local_room, sizeof *p->locals);
    free_list(vm, p->loops, p->loop_room, sizeof *p->loops);
    free_list(vm, p->infos, p->info_room, sizeof *p->infos);
    free_list(vm, p->spans, p->span_room, sizeof *p->spans);
}

static void forget(gr_vm *vm, const gr_proto *p) {
    for (uint32_t i = vm->proto_count; i-- > 0;)
        if (vm->protos[i] == p) {
            memmove(vm->protos + i, vm->protos + i + 1,
                    (vm->proto_count - i - 1) * sizeof *vm->protos);
            vm->proto_count--;
            return;
        }
}

/* Children nest as deep as functions are written inside one another: the parser's limit. They stand
 * behind their parent in the list of all, so that going backwards takes each from its end. */
void gr_proto_release(gr_vm *vm, gr_proto *p) {
    if (!p || --p->refs) return;
    for (uint32_t i = p->child_count; i-- > 0;) gr_proto_release(vm, p->children[i]);
    forget(vm, p);
    for (uint32_t i = 0; i < p->constant_count; i++) gr_release(vm, p->constants[i]);
    gr_elementwise_free(vm, p->elementwise);
    free_lists(vm, p);
    gr_arena_free(&p->arena);
    ad_mem_put(vm->ctx, p, sizeof *p);
}

bool gr_proto_grow(gr_vm *vm, void *list, uint32_t *room, uint32_t wanted, size_t size) {
    if (wanted <= *room) return true;
    uint32_t bigger = *room ? *room * 2 : 8;
    while (bigger < wanted) bigger *= 2;
    void **place = list;
    void *grown = ad_mem_resize(vm->ctx, *place, *room * size, bigger * size);
    if (!grown) {
        gr_raise_memory(vm);
        return false;
    }
    *place = grown;
    *room = bigger;
    return true;
}

bool gr_proto_finish(gr_vm *vm, gr_proto *p) {
    if (!gr_proto_grow(vm, &vm->protos, &vm->proto_room, vm->proto_count + 1, sizeof *vm->protos))
        return false;
    p->src_base = vm->next_src;
    vm->next_src += p->code_count + 1;
    vm->protos[vm->proto_count++] = p;
    for (uint32_t i = 0; i < p->child_count; i++)
        if (!gr_proto_finish(vm, p->children[i])) return false;
    return true;
}

gr_proto *gr_src_decode(gr_vm *vm, uint32_t src, uint32_t *pc) {
    uint32_t low = 0, high = vm->proto_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (vm->protos[middle]->src_base <= src)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return NULL;
    gr_proto *p = vm->protos[low - 1];
    *pc = src - p->src_base;
    return *pc < p->code_count ? p : NULL;
}

gr_span gr_proto_span(const gr_proto *p, uint32_t pc, uint32_t k) {
    if (pc >= p->code_count) return p->head;
    gr_insn_info info = p->infos[pc];
    return info.count ? p->spans[info.first + (k < info.count ? k : 0)] : p->head;
}

static bool within(uint32_t reg, uint32_t first, uint32_t count) {
    return reg >= first && reg - first < count;
}

bool gr_insn_writes(const gr_proto *p, uint32_t pc, uint32_t reg) {
    gr_insn i = p->code[pc];
    switch (i.op) {
    case GR_I_RELEASE:
    case GR_I_NEWCELL: return false; /* the variable stays what it was */
    case GR_I_FORPREP: return within(reg, i.a, 4);
    case GR_I_NEXT: return reg == i.b;
    case GR_I_PARTIAL: return within(reg, i.a, p->descriptors[i.wide].count + 1);
    case GR_I_UNPACK:
    case GR_I_UNPACKREC: return within(reg, i.b, p->descriptors[i.c].count);
    default: return i.a == reg && (ops[i.op].a == 'W' || ops[i.op].a == 'X');
    }
}

bool gr_insn_jump(const gr_proto *p, uint32_t pc, uint32_t *to) {
    gr_insn i = p->code[pc];
    bool wide = ops[i.op].b == 'j';
    if (!wide && ops[i.op].c != 'J') return false;
    *to = (uint32_t)((int64_t)pc + 1 + (wide ? i.jump : (int16_t)i.c));
    return true;
}

/* ---- dump and verification -------------------------------------------------------------------- */

static void put_operand(gr_buffer *out, const gr_proto *p, uint32_t pc, char kind, uint32_t x) {
    switch (kind) {
    case '_': break;
    case 'k':
    case 'K': gr_buffer_printf(out, " k%u", x); break;
    case 'j': gr_buffer_printf(out, " → %d", (int)pc + 1 + p->code[pc].jump); break;
    case 'J': gr_buffer_printf(out, " → %d", (int)pc + 1 + (int16_t)x); break;
    case 'g':
    case 'S': gr_buffer_printf(out, " g%u", x); break;
    case 'p': gr_buffer_printf(out, " fn%u", x); break;
    case 'd':
    case 'D': gr_buffer_printf(out, " d%u", x); break;
    case 'U': gr_buffer_printf(out, " held%u", x); break;
    case 'F': gr_buffer_printf(out, " f%u", x); break;
    case 'N': gr_buffer_printf(out, " %u", x); break;
    default: gr_buffer_printf(out, " r%u", x); break;
    }
}

static void dump_insn(gr_buffer *out, const gr_proto *p, uint32_t pc) {
    gr_insn i = p->code[pc];
    uint32_t line = gr_source_line(p->source, gr_proto_span(p, pc, 0).begin);
    gr_buffer_printf(out, "%5u  %4u  %-12s", pc, line, ops[i.op].name);
    put_operand(out, p, pc, ops[i.op].a, i.a);
    bool wide = ops[i.op].b >= 'a';
    put_operand(out, p, pc, ops[i.op].b, wide ? i.wide : i.b);
    if (!wide) put_operand(out, p, pc, ops[i.op].c, i.c);
    if (i.flags & GR_KILL_A) gr_buffer_puts(out, " −a");
    if (i.flags & GR_KILL_B) gr_buffer_puts(out, " −b");
    if (i.flags & GR_KILL_C) gr_buffer_puts(out, " −c");
    if (i.flags & GR_SENSE) gr_buffer_puts(out, " if");
    gr_buffer_puts(out, "\n");
}

void gr_proto_dump(gr_vm *vm, gr_buffer *out, const gr_proto *p) {
    gr_buffer_printf(out, "%s %s, %u registers, %u parameters\n",
                     p->flags & GR_PROTO_TOP ? "top level of" : "fn",
                     p->flags & GR_PROTO_TOP ? p->source->name : p->name ? p->name->text : "",
                     p->registers, p->parameter_count);
    for (uint32_t i = 0; i < p->code_count; i++) dump_insn(out, p, i);
    for (uint32_t i = 0; i < p->child_count; i++) {
        gr_buffer_puts(out, "\n");
        gr_proto_dump(vm, out, p->children[i]);
    }
}

static bool operand_fits(const gr_proto *p, uint32_t pc, char kind, uint32_t x) {
    switch (kind) {
    case 'W':
    case 'R':
    case 'X': return x < p->registers;
    case 'k':
    case 'K': return x < p->constant_count;
    case 'j': return (int64_t)pc + 1 + p->code[pc].jump < p->code_count + 0ll;
    case 'J': return (int64_t)pc + 1 + (int16_t)x < p->code_count + 0ll;
    case 'p': return x < p->child_count;
    case 'd':
    case 'D': return x < p->descriptor_count;
    case 'U': return x < p->capture_count;
    case 'F': return x < p->cache_count;
    default: return true;
    }
}

const char *gr_proto_verify(const gr_proto *p) {
    for (uint32_t pc = 0; pc < p->code_count; pc++) {
        gr_insn i = p->code[pc];
        if (i.op >= GR_OPCODES) return "unknown instruction";
        bool wide = ops[i.op].b >= 'a';
        if (!operand_fits(p, pc, ops[i.op].a, i.a)) return ops[i.op].name;
        if (!operand_fits(p, pc, ops[i.op].b, wide ? i.wide : i.b)) return ops[i.op].name;
        if (!wide && !operand_fits(p, pc, ops[i.op].c, i.c)) return ops[i.op].name;
    }
    if (p->code_count == 0 || p->code[p->code_count - 1].op != GR_I_RETURN) return "no return";
    for (uint32_t i = 0; i < p->child_count; i++) {
        const char *wrong = gr_proto_verify(p->children[i]);
        if (wrong) return wrong;
    }
    return NULL;
}

/* ---- globals ---------------------------------------------------------------------------------- */

/* `param x = …`: its target is no variable that has to be there. */
static bool only_defines(const gr_proto *p, uint32_t descriptor) {
    for (uint32_t i = 0; i < p->code_count; i++)
        if (p->code[i].op == GR_I_PARAM && p->code[i].wide == descriptor) return true;
    return false;
}

static bool visit_insn(const gr_insn *n, bool (*visit)(void *, uint32_t), void *user) {
    if (n->op == GR_I_GETGLOBAL || n->op == GR_I_SETGLOBAL) return visit(user, n->wide);
    return n->op != GR_I_CALLG || visit(user, n->c);
}

static bool visit_descriptor(const gr_descriptor *d, bool (*visit)(void *, uint32_t), void *user) {
    for (uint32_t i = 0; d->kind == GR_D_TARGETS && i < d->count; i++) {
        const gr_place *place = &d->targets[i].place;
        if (!d->targets[i].ignored && place->access == GR_IN_GLOBAL && !visit(user, place->index))
            return false;
    }
    return true;
}

bool gr_proto_each_global(const gr_proto *p, bool (*visit)(void *, uint32_t), void *user) {
    for (uint32_t i = 0; i < p->code_count; i++)
        if (!visit_insn(&p->code[i], visit, user)) return false;
    for (uint32_t i = 0; i < p->descriptor_count; i++)
        if (!only_defines(p, i) && !visit_descriptor(&p->descriptors[i], visit, user)) return false;
    return true;
}
