/* SPDX-License-Identifier: MIT */
/*
 * Functions that act element by element: a scripted function whose code is one stretch of arithmetic,
 * elementwise rows, `where` and calls of such functions. Numbers run its bytecode; a call with a
 * tensor builds a block program from the same bytecode, once, and runs that: one pass, one entry.
 *
 * A program knows what it was built from: the functions that it calls, each by its serial number,
 * whether it stands in a global or was captured. For other functions another program is built; a few
 * are kept. Captured and global numbers are further inputs, so that they may change and may be
 * tracked.
 */
#include "heap_private.h"

#include <string.h>

enum { MOST_INPUTS = 24, MOST_INLINED = 24, MOST_REGISTERS = 256, SMALL = 16 };
enum { MOST_KEPT = 8, MOST_BUILDS = 256, MOST_FAILURES = 4 };

/* Where an input behind the parameters comes from. */
typedef struct source {
    bool held;      /* captured, of the function itself; else a global */
    uint32_t index;
} source;

/* A function that was read into the program: a captured one of the outermost function, or a global. */
typedef struct callee {
    bool held;
    uint32_t index;
    uint64_t serial;
} callee;

typedef struct program {
    ad_prog *prog; /* NULL: not built */
    uint32_t parameters, source_count, callee_count, emitted;
    source sources[MOST_INPUTS];
    callee callees[MOST_INLINED];
} program;

/* Of one proto; closures of it share it. */
struct gr_elementwise {
    uint32_t builds, failures, count;
    program *kept[MOST_KEPT]; /* the latest first */
};

static void program_free(gr_vm *vm, program *e) {
    if (e->prog) ad_prog_release(vm->ctx, e->prog);
    ad_mem_put(vm->ctx, e, sizeof *e);
}

void gr_elementwise_free(gr_vm *vm, struct gr_elementwise *all) {
    if (!all) return;
    for (uint32_t i = 0; i < all->count; i++) program_free(vm, all->kept[i]);
    ad_mem_put(vm->ctx, all, sizeof *all);
}

typedef struct builder {
    gr_vm *vm;
    program *e;
    gr_closure *closure; /* of the outermost function */
    ad_prog *prog;       /* NULL while inputs are counted */
    int inputs;
    int depth;
    bool failed;
} builder;

/* What a register holds while the code is read: a register of the program, a function, or nothing. */
typedef struct slot {
    int reg; /* -1: nothing usable */
    gr_function *function;
} slot;

static int add_source(builder *b, bool held, uint32_t index) {
    program *e = b->e;
    for (uint32_t i = 0; i < e->source_count; i++)
        if (e->sources[i].held == held && e->sources[i].index == index)
            return (int)(e->parameters + i);
    if (e->parameters + e->source_count >= MOST_INPUTS) {
        b->failed = true;
        return -1;
    }
    e->sources[e->source_count] = (source){.held = held, .index = index};
    return (int)(e->parameters + e->source_count++);
}

static int emit(builder *b, ad_op op, int n, const int *regs, uint32_t pc) {
    for (int i = 0; i < n; i++)
        if (regs[i] < 0) b->failed = true;
    if (b->failed) return -1;
    b->e->emitted++;
    if (!b->prog) return 0;
    int r = ad_prog_emit(b->prog, op, n, regs, (int)pc);
    if (r < 0) b->failed = true;
    return r;
}

static int constant(builder *b, gr_value v) {
    if (v.head > AD_BOOL) b->failed = true;
    if (b->failed) return -1;
    if (!b->prog) return 0;
    int r = ad_prog_const(b->prog, v.num);
    if (r < 0) b->failed = true;
    return r;
}

static void add_callee(builder *b, bool held, uint32_t index, gr_function *f) {
    program *e = b->e;
    if (e->callee_count < MOST_INLINED)
        e->callees[e->callee_count++] = (callee){held, index, f->serial};
    else
        b->failed = true;
}

static void read_global(builder *b, uint32_t index, slot *to) {
    gr_vm *vm = b->vm;
    if (gr_is_absent(vm->globals[index].value) &&
        (!(vm->globals[index].flags & GR_GLOBAL_PENDING) || !gr_bind_pending(vm, index))) {
        b->failed = true;
        return;
    }
    gr_value v = vm->globals[index].value;
    *to = (slot){.reg = -1};
    if (v.kind == GR_FUNCTION) {
        to->function = gr_as_function(v);
        add_callee(b, false, index, to->function);
    } else if (gr_is_numeric(v)) {
        to->reg = add_source(b, false, index);
    } else {
        b->failed = true;
    }
}

static void read_held(builder *b, const gr_closure *of, uint32_t index, slot *to) {
    gr_value v = of->held[index];
    *to = (slot){.reg = -1};
    if (v.kind == GR_FUNCTION) {
        to->function = gr_as_function(v);
        if (of == b->closure) add_callee(b, true, index, to->function);
    } else if (of == b->closure && gr_is_numeric(v))
        to->reg = add_source(b, true, index);
    else if (v.head <= AD_BOOL)
        to->reg = constant(b, v); /* of an inlined function: captured by value, never changes */
    else
        b->failed = true;
}

static int inline_function(builder *b, gr_closure *closure, int argc, const int *args);

static void call(builder *b, gr_function *f, slot *regs, uint32_t base, uint32_t argc,
                 uint32_t pc) {
    int args[MOST_INPUTS];
    if (!f || argc > 8) {
        b->failed = true;
        return;
    }
    for (uint32_t i = 0; i < argc; i++) args[i] = regs[base + 1 + i].reg;
    int r = -1;
    if (f->form == GR_FORM_OP) {
        const ad_row_info *info = ad_op_info(f->op);
        if (!(info->flags & AD_ROW_ELEMENTWISE) || (int)argc < info->min_operands ||
            (int)argc > info->max_operands || info->min_operands != info->max_operands)
            b->failed = true;
        else
            r = emit(b, f->op, (int)argc, args, pc);
    } else if (f->form == GR_FORM_CLOSURE) {
        r = inline_function(b, (gr_closure *)f, (int)argc, args);
    } else {
        b->failed = true;
    }
    regs[base] = (slot){.reg = r};
}

static const struct {
    uint8_t op;
    ad_op row;
} binary_rows[] = {{GR_I_ADD, AD_OP_ADD}, {GR_I_SUB, AD_OP_SUB}, {GR_I_MUL, AD_OP_MUL},
                   {GR_I_DIV, AD_OP_DIV}, {GR_I_MOD, AD_OP_MOD}, {GR_I_POW, AD_OP_POW},
                   {GR_I_EQ, AD_OP_EQ},   {GR_I_NE, AD_OP_NE},   {GR_I_LT, AD_OP_LT},
                   {GR_I_LE, AD_OP_LE},   {GR_I_GT, AD_OP_GT},   {GR_I_GE, AD_OP_GE},
                   {GR_I_LOGAND, AD_OP_AND}, {GR_I_LOGOR, AD_OP_OR}};

static bool arithmetic(builder *b, const gr_proto *p, uint32_t pc, slot *regs) {
    gr_insn i = p->code[pc];
    for (size_t k = 0; k < sizeof binary_rows / sizeof *binary_rows; k++) {
        if (i.op != binary_rows[k].op) continue;
        int both[2] = {regs[i.b].reg, regs[i.c].reg};
        regs[i.a] = (slot){.reg = emit(b, binary_rows[k].row, 2, both, pc)};
        return true;
    }
    bool right = i.op >= GR_I_ADDK && i.op <= GR_I_POWK;
    bool left = i.op >= GR_I_RADDK && i.op <= GR_I_RPOWK;
    if (!right && !left) return false;
    ad_op row = (ad_op)(AD_OP_ADD + (i.op - (right ? GR_I_ADDK : GR_I_RADDK)));
    int k = constant(b, p->constants[i.c]);
    int both[2] = {right ? regs[i.b].reg : k, right ? k : regs[i.b].reg};
    regs[i.a] = (slot){.reg = emit(b, row, 2, both, pc)};
    return true;
}

/* One instruction; false at the return, whose register is in *result. */
static bool instruction(builder *b, const gr_closure *closure, uint32_t pc, slot *regs,
                        int *result) {
    const gr_proto *p = closure->proto;
    gr_insn i = p->code[pc];
    int one;
    if (arithmetic(b, p, pc, regs)) return true;
    switch (i.op) {
    case GR_I_MOVE: regs[i.a] = regs[i.b]; break;
    case GR_I_LOADK: regs[i.a] = (slot){.reg = constant(b, p->constants[i.wide])}; break;
    case GR_I_GETGLOBAL: read_global(b, i.wide, &regs[i.a]); break;
    case GR_I_GETHELD: read_held(b, closure, i.b, &regs[i.a]); break;
    case GR_I_NEG:
    case GR_I_NOT:
        one = regs[i.b].reg;
        regs[i.a] = (slot){.reg = emit(b, i.op == GR_I_NEG ? AD_OP_NEG : AD_OP_NOT, 1, &one, pc)};
        break;
    case GR_I_CALLG:
        read_global(b, i.c, &regs[i.a]);
        if (!b->failed) call(b, regs[i.a].function, regs, i.a, i.b, pc);
        break;
    case GR_I_CALL: call(b, regs[i.a].function, regs, i.a, i.b, pc); break;
    case GR_I_RELEASE: break;
    case GR_I_RETURN: *result = regs[i.a].reg; return false;
    default: b->failed = true;
    }
    return true;
}

static int inline_function(builder *b, gr_closure *closure, int argc, const int *args) {
    const gr_proto *p = closure->proto;
    slot regs[MOST_REGISTERS];
    if (b->depth >= 8 || p->registers > MOST_REGISTERS || !(p->flags & GR_PROTO_SIMPLE) ||
        p->parameter_count != (uint32_t)argc) {
        b->failed = true;
        return -1;
    }
    for (uint32_t i = 0; i < p->registers; i++) regs[i] = (slot){.reg = -1};
    for (int i = 0; i < argc; i++) regs[i].reg = args[i];
    int result = -1;
    b->depth++;
    for (uint32_t pc = 0; pc < p->code_count && !b->failed; pc++)
        if (!instruction(b, closure, pc, regs, &result)) break;
    b->depth--;
    if (result < 0) b->failed = true;
    return result;
}

/* Read twice: inputs are found first, then the program is written. */
static bool build(gr_vm *vm, gr_closure *closure, program *e) {
    int args[MOST_INPUTS];
    builder b = {.vm = vm, .e = e, .closure = closure};
    uint32_t n = closure->proto->parameter_count;
    if (n == 0 || n > 8) return false;
    for (uint32_t i = 0; i < n; i++) args[i] = (int)i;
    e->parameters = n;
    e->source_count = e->callee_count = e->emitted = 0;
    inline_function(&b, closure, (int)n, args);
    if (b.failed || e->emitted == 0) return false;
    b.prog = ad_prog_new(vm->ctx, (int)(n + e->source_count));
    if (!b.prog) return false;
    e->callee_count = e->emitted = 0;
    int result = inline_function(&b, closure, (int)n, args);
    if (!b.failed && ad_prog_finish(b.prog, result) == AD_OK) {
        e->prog = b.prog;
        return true;
    }
    ad_prog_release(vm->ctx, b.prog);
    return false;
}

static bool still_good(gr_vm *vm, const gr_closure *closure, const program *e) {
    for (uint32_t i = 0; i < e->callee_count; i++) {
        const callee *c = &e->callees[i];
        gr_value v = c->held ? closure->held[c->index] : vm->globals[c->index].value;
        if (v.kind != GR_FUNCTION || gr_as_function(v)->serial != c->serial) return false;
    }
    return true;
}

static program *build_another(gr_vm *vm, gr_closure *closure, struct gr_elementwise *all) {
    program *e = ad_mem_get(vm->ctx, sizeof *e);
    if (!e) return NULL;
    *e = (program){0};
    if (!build(vm, closure, e)) {
        program_free(vm, e);
        all->failures++;
        return NULL;
    }
    all->builds++;
    if (all->count == MOST_KEPT) program_free(vm, all->kept[--all->count]);
    memmove(all->kept + 1, all->kept, all->count++ * sizeof *all->kept);
    return all->kept[0] = e;
}

static program *prepared(gr_vm *vm, gr_closure *closure) {
    gr_proto *p = closure->proto;
    struct gr_elementwise *all = p->elementwise;
    if (!all) {
        all = p->elementwise = ad_mem_get(vm->ctx, sizeof *all);
        if (!all) return NULL;
        *all = (struct gr_elementwise){0};
    }
    for (uint32_t i = 0; i < all->count; i++)
        if (still_good(vm, closure, all->kept[i])) return all->kept[i];
    program *made = build_another(vm, closure, all);
    if (all->failures >= MOST_FAILURES || all->builds >= MOST_BUILDS)
        p->flags &= ~(uint32_t)GR_PROTO_ELEMENTWISE;
    return made;
}

static bool gather(gr_vm *vm, const gr_closure *closure, const program *e,
                   const gr_value *args, gr_value *in) {
    int64_t largest = 0;
    for (uint32_t i = 0; i < e->parameters + e->source_count; i++) {
        if (i < e->parameters) {
            in[i] = args[i];
        } else {
            const source *s = &e->sources[i - e->parameters];
            in[i] = s->held ? closure->held[s->index] : vm->globals[s->index].value;
        }
        if (!gr_is_numeric(in[i])) return false;
        if (in[i].head == AD_BOOL) in[i] = ad_number(in[i].num);
        if (in[i].kind == AD_TENSOR && in[i].tensor->size > largest) largest = in[i].tensor->size;
    }
    return largest > SMALL;
}

/* A shape that does not fit is told by the bytecode, which names the operands. */
bool gr_call_elementwise(gr_vm *vm, gr_value *base, uint32_t argc, bool *ok) {
    gr_closure *closure = (gr_closure *)gr_as_function(*base);
    gr_value in[MOST_INPUTS], out;
    if (!(closure->proto->flags & GR_PROTO_ELEMENTWISE) || closure->proto->parameter_count != argc)
        return false;
    program *e = prepared(vm, closure);
    if (!e || !gather(vm, closure, e, base + 1, in)) return false;
    ad_status s = ad_apply_prog(vm->ctx, e->prog, gr_current_src(vm), in, &out);
    if (s == AD_ERR_SHAPE || s == AD_ERR_GUARD || s == AD_ERR_ARGUMENT) return false;
    for (uint32_t i = 1; i <= argc; i++) gr_release(vm, gr_take(&base[i]));
    *ok = gr_check(vm, NULL, s);
    if (*ok) {
        vm->dirty |= out.node != 0;
        gr_replace(vm, base, out);
    } else {
        gr_release(vm, gr_take(base));
    }
    return true;
}
