/* SPDX-License-Identifier: MIT */
/*
 * The loop. Every instruction tries the case of plain numbers in place; all else is a call of a function
 * of vm_step.h or its kin. Before such a call the frame's pc is stored, so that an error knows where it
 * is; behind it the frame is looked up again, since the list of frames may have moved. Registers never
 * move.
 */
#include "vm_step.h"

#if defined(__GNUC__) && !defined(GR_NO_COMPUTED_GOTO)
#define GR_COMPUTED_GOTO 1
#endif

/* ---- the loop --------------------------------------------------------------------------------- */

#ifdef GR_COMPUTED_GOTO
#define NEXT goto *labels[pc++->op]
#define CASE(name) L_##name
#else
#define NEXT goto dispatch
#define CASE(name) case GR_I_##name
#endif
#define SLOW(call)                                                                                 \
    do {                                                                                           \
        frame->pc = pc;                                                                            \
        if (!(call)) goto failed;                                                                  \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
    } while (0)
#define RELOAD()                                                                                   \
    do {                                                                                           \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        pc = frame->pc;                                                                            \
        R = frame->base;                                                                           \
        K = frame->proto->constants;                                                               \
    } while (0)
/* The instruction that runs is the one in front of pc: with a pointer of its own one of the two would live
 * on the stack, where each step waits for it. */
#define I (pc - 1)
#define A (R + I->a)
#define B (R + I->b)
#define C (R + I->c)
/* All of them plain numbers, and nothing counted in the target. */
#define PLAIN(x, y) GR_LIKELY((((x)->head | (y)->head) | (A->head >> 1)) == 0)
#define NUMBERS(x, y) ((x)->kind <= AD_BOOL && (y)->kind <= AD_BOOL && A->kind <= AD_TENSOR)
#define SET_NUMBER(x)                                                                              \
    do {                                                                                           \
        double result = (x);                                                                       \
        A->head = 0;                                                                               \
        A->num = result;                                                                           \
        NEXT;                                                                                      \
    } while (0)
#define SET_NUMBER_OVER(x)                                                                         \
    do {                                                                                           \
        if (A->head > AD_BOOL) gr_release(vm, *A);                                                 \
        SET_NUMBER(x);                                                                             \
    } while (0)
#define PLAIN_PAIR(to, from) GR_LIKELY((((from)->head | (to)->head) >> 1) == 0)
#define ARITHMETIC(name, expression)                                                               \
    CASE(name) : {                                                                                 \
        if (PLAIN(B, C)) {                                                                         \
            double x = B->num, y = C->num;                                                         \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        if (NUMBERS(B, C)) SLOW(gr_step_tracked(vm, frame, AD_OP_##name, A, B, C, I->flags));       \
        else SLOW(gr_step_binary(vm, frame, gr_arithmetic, AD_OP_##name, A, B, C));                   \
        NEXT;                                                                                      \
    }                                                                                              \
    CASE(name##K) : {                                                                              \
        if (PLAIN(B, B)) {                                                                         \
            double x = B->num, y = K[I->c].num;                                                    \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        SLOW(gr_step_constant(vm, frame, AD_OP_##name, A, B, K[I->c], false));                        \
        NEXT;                                                                                      \
    }                                                                                              \
    CASE(R##name##K) : {                                                                           \
        if (PLAIN(B, B)) {                                                                         \
            double y = B->num, x = K[I->c].num;                                                    \
            SET_NUMBER(expression);                                                                \
        }                                                                                          \
        SLOW(gr_step_constant(vm, frame, AD_OP_##name, A, B, K[I->c], true));                         \
        NEXT;                                                                                      \
    }
#define COMPARE(name, operator)                                                                    \
    CASE(name) : {                                                                                 \
        if (PLAIN(B, C)) {                                                                         \
            bool truth = B->num operator C->num;                                                   \
            *A = ad_bool(truth);                                                                   \
            NEXT;                                                                                  \
        }                                                                                          \
        SLOW(gr_step_binary(vm, frame, gr_compare, AD_OP_##name, A, B, C));                           \
        NEXT;                                                                                      \
    }
#define JUMP_IF(truth)                                                                             \
    do {                                                                                           \
        if ((truth) == ((I->flags & GR_SENSE) != 0)) pc += (int16_t)I->c;                          \
        NEXT;                                                                                      \
    } while (0)
#define TEST(name, operator)                                                                       \
    CASE(J##name) : {                                                                              \
        if (GR_LIKELY((A->head | B->head) == 0)) JUMP_IF(A->num operator B->num);                  \
        frame->pc = pc;                                                                            \
        int truth = gr_step_test(vm, frame, AD_OP_##name, A, B, true);                                \
        if (truth < 0) goto failed;                                                                \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        JUMP_IF((bool)truth);                                                                      \
    }                                                                                              \
    CASE(J##name##K) : {                                                                           \
        if (GR_LIKELY(A->head == 0)) JUMP_IF(A->num operator K[I->b].num);                         \
        frame->pc = pc;                                                                            \
        int truth = gr_step_test(vm, frame, AD_OP_##name, A, &K[I->b], false);                        \
        if (truth < 0) goto failed;                                                                \
        frame = &vm->frames[vm->frame_count - 1];                                                  \
        JUMP_IF((bool)truth);                                                                      \
    }
/* A plain number into the field of a record (NULL: another way) that has the shape it had last time. */
#define SET_FIELD(record, cache)                                                                   \
    do {                                                                                           \
        gr_value *v = (record);                                                                    \
        if (!GR_LIKELY(v && A->head <= AD_BOOL && v->kind == GR_RECORD)) break;                    \
        gr_record *r = gr_as_record(*v);                                                           \
        if (!GR_LIKELY(r->layout == (cache)->layout)) break;                                       \
        if (!GR_LIKELY(r->object.refs == 1)) {                                                     \
            frame->pc = pc;                                                                        \
            if (!(r = gr_record_fork(vm, v))) goto failed;                                         \
        }                                                                                          \
        gr_value *field = r->values + (cache)->place;                                              \
        if (!GR_LIKELY(field->head <= AD_BOOL)) gr_let_go(vm, field);                                 \
        gr_copy(field, A);                                                                         \
        NEXT;                                                                                      \
    } while (0)
#define POLL()                                                                                     \
    do {                                                                                           \
        if (!GR_LIKELY((*interrupt | vm->dirty) == 0)) SLOW(gr_safe_point(vm));                    \
    } while (0)

bool gr_interpret(gr_vm *vm, gr_value *out) {
#ifdef GR_COMPUTED_GOTO
    static const void *const labels[] = {
#define OPCODE(name, a, b, c) &&L_##name,
#include "opcodes.def"
#undef OPCODE
    };
#endif
    volatile sig_atomic_t *interrupt = ad_interrupt_flag(vm->ctx);
    const uint32_t recordings = vm->recording_count;
    const bool recording = ad_is_recording(vm->ctx);
    gr_frame *frame;
    const gr_insn *pc;
    gr_value *R, *K;
    RELOAD();
#ifdef GR_COMPUTED_GOTO
    NEXT;
#else
dispatch:
    switch ((gr_opcode)pc++->op) {
    default: goto failed;
#endif

    /* moving */
    CASE(MOVE) : {
        if (PLAIN_PAIR(A, B)) {
            gr_copy(A, B);
            NEXT;
        }
        gr_value v = *B;
        if (v.head > AD_BOOL) {
            if (I->flags & GR_KILL_B)
                B->head = 0;
            else if (gr_is_absent(v))
                SLOW(gr_step_present(vm, v));
            else
                gr_hold(vm, v);
        }
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(LOADK) : {
        gr_value v = gr_retain(vm, K[I->wide]);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(LITERAL) : {
        SLOW(gr_make_literal(vm, K[I->wide], A));
        NEXT;
    }
    CASE(NIL) : {
        gr_replace(vm, A, gr_nil());
        NEXT;
    }
    CASE(ABSENT) : {
        gr_replace(vm, A, gr_absent());
        NEXT;
    }
    CASE(GETGLOBAL) : {
        const gr_value *global = &vm->globals[I->wide].value;
        if (PLAIN_PAIR(A, global)) {
            gr_copy(A, global);
            NEXT;
        }
        SLOW(gr_step_get_global(vm, I->wide, A));
        NEXT;
    }
    CASE(SETGLOBAL) : {
        SLOW(gr_step_set_global(vm, frame, I->wide, A, false));
        NEXT;
    }
    CASE(DEFGLOBAL) : {
        SLOW(gr_step_set_global(vm, frame, I->wide, A, true));
        NEXT;
    }
    CASE(GETHELD) : {
        gr_replace(vm, A, gr_retain(vm, frame->closure->held[I->b]));
        NEXT;
    }
    CASE(GETSELF) : {
        gr_replace(vm, A, gr_retain(vm, gr_of_kind(GR_FUNCTION, frame->closure)));
        NEXT;
    }
    CASE(GETCELL) : {
        SLOW(gr_step_load_cell(vm, frame->closure->held[I->b], A));
        NEXT;
    }
    CASE(SETCELL) : {
        SLOW(gr_step_store_cell(vm, frame, frame->closure->held[I->b], A));
        NEXT;
    }
    CASE(NEWCELL) : {
        SLOW(gr_step_new_cell(vm, A));
        NEXT;
    }
    CASE(GETLOCALCELL) : {
        SLOW(gr_step_load_cell(vm, *B, A));
        NEXT;
    }
    CASE(SETLOCALCELL) : {
        SLOW(gr_step_store_cell(vm, frame, *B, A));
        NEXT;
    }
    CASE(CLOSURE) : {
        SLOW(gr_step_closure(vm, frame, I->wide, A));
        NEXT;
    }
    CASE(RELEASE) : {
        if (!GR_LIKELY(gr_all_plain(A, I->b))) gr_drop_all(vm, A, I->b);
        NEXT;
    }

    /* arithmetic */
    ARITHMETIC(ADD, x + y)
    ARITHMETIC(SUB, x - y)
    ARITHMETIC(MUL, x * y)
    ARITHMETIC(DIV, x / y)
    ARITHMETIC(MOD, gr_modulo(x, y))
    CASE(POW) : {
        SLOW(gr_step_binary(vm, frame, gr_arithmetic, AD_OP_POW, A, B, C));
        NEXT;
    }
    CASE(POWK) : {
        if (PLAIN(B, B) && K[I->c].num == 2) SET_NUMBER(B->num * B->num);
        SLOW(gr_step_constant(vm, frame, AD_OP_POW, A, B, K[I->c], false));
        NEXT;
    }
    CASE(RPOWK) : {
        SLOW(gr_step_constant(vm, frame, AD_OP_POW, A, B, K[I->c], true));
        NEXT;
    }
    CASE(MATMUL) : {
        gr_value v;
        SLOW(gr_matmul(vm, gr_frame_src(frame), *B, *C, &v));
        gr_kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(NEG) : {
        if (PLAIN(B, B)) SET_NUMBER(-B->num);
        gr_value v;
        SLOW(gr_unary(vm, AD_OP_NEG, gr_frame_src(frame), *B, &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(JOIN) : {
        gr_value a = (I->flags & GR_KILL_B) || A == B ? gr_take(B) : gr_retain(vm, *B), v;
        SLOW(gr_join_values(vm, a, *C, &v));
        if (I->flags & GR_KILL_C) gr_let_go(vm, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    COMPARE(EQ, ==)
    COMPARE(NE, !=)
    COMPARE(LT, <)
    COMPARE(LE, <=)
    COMPARE(GT, >)
    COMPARE(GE, >=)
    CASE(NOT) : {
        gr_value v;
        SLOW(gr_unary(vm, AD_OP_NOT, gr_frame_src(frame), *B, &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(LOGAND) : {
        gr_value v;
        SLOW(gr_logical(vm, true, gr_frame_src(frame), *B, *C, &v));
        gr_kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(LOGOR) : {
        gr_value v;
        SLOW(gr_logical(vm, false, gr_frame_src(frame), *B, *C, &v));
        gr_kill_operands(vm, I, B, C);
        gr_replace(vm, A, v);
        NEXT;
    }

    /* jumps */
    CASE(JMP) : {
        pc += I->jump;
        NEXT;
    }
    CASE(JT) : {
        if (A->head == AD_BOOL) {
            if (A->num != 0) pc += I->jump;
            NEXT;
        }
        int truth = 0;
        SLOW((truth = gr_condition(vm, *A)) >= 0);
        if (I->flags & GR_KILL_A) gr_let_go(vm, A);
        if (truth) pc += I->jump;
        NEXT;
    }
    CASE(JF) : {
        if (A->head == AD_BOOL) {
            if (A->num == 0) pc += I->jump;
            NEXT;
        }
        int truth = 0;
        SLOW((truth = gr_condition(vm, *A)) >= 0);
        if (I->flags & GR_KILL_A) gr_let_go(vm, A);
        if (!truth) pc += I->jump;
        NEXT;
    }
    CASE(ANDJ) : {
        if (A->head == AD_BOOL && A->num == 0) pc += I->jump;
        NEXT;
    }
    CASE(ORJ) : {
        if (A->head == AD_BOOL && A->num != 0) pc += I->jump;
        NEXT;
    }
    TEST(EQ, ==)
    TEST(LT, <)
    TEST(LE, <=)
    TEST(GT, >)
    TEST(GE, >=)
    CASE(LOOP) : {
        POLL();
        pc += I->jump;
        NEXT;
    }
    CASE(FORPREP) : {
        if (!gr_counts_up(A)) SLOW(gr_step_prepare_for(vm, A));
        if (A[2].num > 0 ? !(A->num < A[1].num) : !(A->num > A[1].num)) {
            pc += I->jump;
        } else {
            gr_replace(vm, A + 3, *A);
        }
        NEXT;
    }
    CASE(FORLOOP) : {
        POLL();
        double next = A->num + A[2].num;
        if (GR_LIKELY(A[2].num > 0 ? next < A[1].num : next > A[1].num)) {
            A->num = next;
            if (A[3].head > AD_BOOL) gr_release(vm, A[3]);
            A[3].head = AD_NUMBER;
            A[3].num = next;
            pc += I->jump;
        }
        NEXT;
    }
    CASE(ITER) : {
        SLOW(gr_iteration_begin(vm, *A, A + 1));
        NEXT;
    }
    CASE(NEXT) : {
        if (A->kind == GR_TUPLE) {
            const gr_tuple *t = gr_as_tuple(*A);
            int64_t at = (int64_t)A[1].num;
            if (at < (int64_t)t->count) {
                A[1].num += 1;
                gr_value v = gr_hold(vm, t->items[at]);
                gr_let_go(vm, B);
                gr_copy(B, &v);
                pc++;
            }
            NEXT;
        }
        int more = 0;
        SLOW((more = gr_iteration_next(vm, A, B, gr_frame_src(frame))) >= 0);
        pc += more;
        NEXT;
    }

    /* making and taking apart */
    CASE(TUPLE) : {
        SLOW(gr_step_list(vm, frame, false, B, I->c, A));
        NEXT;
    }
    CASE(TENSOR) : {
        SLOW(gr_step_list(vm, frame, true, B, I->c, A));
        NEXT;
    }
    CASE(RECORD) : {
        SLOW(gr_step_record(vm, &frame->proto->descriptors[I->c], B, A));
        NEXT;
    }
    CASE(LIST) : {
        SLOW(gr_step_list(vm, frame, false, B, 0, A));
        NEXT;
    }
    CASE(LISTADD) : {
        SLOW(gr_step_list_add(vm, A, B));
        NEXT;
    }
    CASE(LISTJOIN) : {
        SLOW(gr_step_list_join(vm, frame, A, B));
        NEXT;
    }
    CASE(LISTTENSOR) : {
        SLOW(gr_step_list_tensor(vm, frame, A));
        NEXT;
    }
    CASE(RECNEW) : {
        gr_value v;
        SLOW(!gr_failed(v = gr_record_new(vm)));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(RECPUT) : {
        SLOW(gr_record_set(vm, A, gr_as_string(K[I->c]), gr_take(B)));
        NEXT;
    }
    CASE(RECSPREAD) : {
        SLOW(gr_step_record_spread(vm, A, B));
        NEXT;
    }
    CASE(RANGE) : {
        SLOW(gr_step_range(vm, B, A));
        NEXT;
    }
    CASE(FORMAT) : {
        SLOW(gr_step_format(vm, *B, K[I->c], A));
        if ((I->flags & GR_KILL_B) && A != B) gr_let_go(vm, B);
        NEXT;
    }
    CASE(CONCAT) : {
        SLOW(gr_step_concat(vm, B, I->c, A));
        NEXT;
    }
    CASE(GETFIELD) : {
        gr_field_cache *cache = &frame->proto->caches[I->c];
        gr_value v;
        if (GR_LIKELY(B->kind == GR_RECORD && gr_as_record(*B)->layout == cache->layout)) {
            const gr_value *field = &gr_as_record(*B)->values[cache->place];
            if (PLAIN_PAIR(A, field)) {
                gr_copy(A, field);
                if (I->flags & GR_KILL_B) gr_let_go(vm, B);
                NEXT;
            }
            v = gr_hold(vm, *field);
        } else
            SLOW(gr_get_field(vm, *B, cache, gr_frame_src(frame), &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(GETITEM) : {
        gr_value v;
        if (GR_LIKELY(C->head == 0)) {
            if (B->head == AD_TENSOR) {
                const double *x = ad_index_at1(B->tensor, C->num);
                if (GR_LIKELY(x != NULL)) {
                    double element = *x;
                    gr_kill_operands(vm, I, B, C);
                    SET_NUMBER_OVER(element);
                }
            } else if (B->kind == GR_TUPLE) {
                const gr_tuple *t = gr_as_tuple(*B);
                int64_t k;
                if (GR_LIKELY(ad_is_index(C->num, (int64_t)t->count, &k))) {
                    v = gr_hold(vm, t->items[k]);
                    goto got_item;
                }
            }
        } else if (B->kind == GR_RECORD && C->kind == GR_STRING) {
            const gr_value *field = gr_record_find(vm, *B, gr_as_string(*C));
            if (GR_LIKELY(field != NULL)) {
                v = gr_hold(vm, *field);
                goto got_item;
            }
        }
        SLOW(gr_get_item(vm, *B, *C, gr_frame_src(frame), &v));
    got_item:
        gr_kill_operands(vm, I, B, C);
        if (A->head > AD_BOOL)
            gr_replace(vm, A, v);
        else
            gr_copy(A, &v);
        NEXT;
    }
    CASE(INDEX) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->c];
        gr_value v;
        SLOW(gr_get_index(vm, *B, d->count, d->items, R, 0, gr_frame_src(frame), &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(SETITEM) : {
        if (A->head == AD_TENSOR && (B->head | C->head) == 0 && A->tensor->refs == 1 &&
            !A->tensor->base) {
            double *x = ad_index_at1(A->tensor, B->num);
            if (GR_LIKELY(x != NULL)) {
                *x = C->num;
                NEXT;
            }
        }
        gr_value v = I->flags & GR_KILL_C ? gr_take(C) : gr_retain(vm, *C);
        SLOW(gr_set_item(vm, A, *B, v, gr_frame_src(frame)));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        NEXT;
    }
    CASE(SETITEMFIELD) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        SET_FIELD(gr_own_item(R + d->reg, R + d->first_free), d->field);
        goto set_path;
    }
    CASE(SETFIELD) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        SET_FIELD(R + d->reg, d->field);
        goto set_path;
    }
    CASE(SETPATH) : {
    set_path:
        SLOW(gr_step_set_path(vm, frame, frame->proto->descriptors[I->wide].targets, A));
        NEXT;
    }
    CASE(UNPACK) : {
        SLOW(gr_unpack(vm, *A, &frame->proto->descriptors[I->c], gr_frame_src(frame), B));
        gr_let_go(vm, A);
        NEXT;
    }
    CASE(UNPACKREC) : {
        SLOW(gr_unpack_record(vm, *A, &frame->proto->descriptors[I->c], B));
        gr_let_go(vm, A);
        NEXT;
    }

    /* calls */
    CASE(CALLG) : {
        gr_value f = vm->globals[I->c].value;
        if (GR_LIKELY(f.kind == GR_FUNCTION)) {
            if (gr_as_function(f)->form == GR_FORM_CLOSURE) {
                gr_closure *closure = f.ptr;
                gr_proto *p = closure->proto;
                if (GR_LIKELY((p->flags & GR_PROTO_SIMPLE) && p->parameter_count == I->b &&
                              !((p->flags & GR_PROTO_ELEMENTWISE) && A[1].kind == AD_TENSOR))) {
                    POLL();
                    gr_value *args = A + 1;
                    closure->function.object.refs++;
                    frame->pc = pc;
                    if (!gr_frame_enter_here(vm, closure, args, A))
                        SLOW(gr_frame_enter(vm, closure, args, A));
                    RELOAD();
                    NEXT;
                }
            }
            gr_function *row = f.ptr;
            if (row->arity == I->b && row->arity == 1 && A[1].head == 0) {
                ad_apply1(vm->ctx, row->op, 0, A[1], A); /* records nothing, cannot fail */
                NEXT;
            }
            row->object.refs++;
            gr_copy(A, &f);
            if (row->exact == I->b) {
                POLL();
                SLOW(gr_call_exact(vm, A) != GR_CALL_FAILED);
                NEXT;
            }
        } else {
            SLOW(gr_step_get_global(vm, I->c, A));
        }
        goto call;
    }
    CASE(CALL) : {
        if (GR_LIKELY(A->kind == GR_FUNCTION && gr_as_function(*A)->form == GR_FORM_CLOSURE)) {
            gr_closure *closure = A->ptr;
            gr_proto *p = closure->proto;
            if (GR_LIKELY((p->flags & GR_PROTO_SIMPLE) && p->parameter_count == I->b &&
                          !((p->flags & GR_PROTO_ELEMENTWISE) && A[1].kind == AD_TENSOR))) {
                POLL();
                A->head = 0;
                frame->pc = pc;
                if (!gr_frame_enter_here(vm, closure, A + 1, A))
                    SLOW(gr_frame_enter(vm, closure, A + 1, A));
                RELOAD();
                NEXT;
            }
        }
        goto call;
    }
call: {
        POLL();
        frame->pc = pc;
        gr_called called = gr_invoke(vm, A, I->b, NULL);
        if (called == GR_CALL_FAILED) goto failed;
        frame = &vm->frames[vm->frame_count - 1];
        if (called == GR_CALL_ENTERED) RELOAD();
        NEXT;
    }
    CASE(CALLX) : {
        POLL();
        const gr_descriptor *d = &frame->proto->descriptors[I->wide];
        frame->pc = pc;
        gr_called called = gr_invoke(vm, A, d->count, d);
        if (called == GR_CALL_FAILED) goto failed;
        frame = &vm->frames[vm->frame_count - 1];
        if (called == GR_CALL_ENTERED) RELOAD();
        NEXT;
    }
    CASE(RETURN) : {
        if (A->kind == GR_ABSENT) SLOW(gr_step_present(vm, *A));
        bool entry = frame->flags & GR_FRAME_ENTRY;
        gr_value *result = frame->result;
        gr_frame_leave(vm, frame, A, I->b);
        if (entry) {
            *out = gr_take(result);
            return true;
        }
        RELOAD();
        NEXT;
    }
    CASE(GIVEN) : {
        if (A->kind == GR_ABSENT)
            A->head = 0;
        else
            pc += I->jump;
        NEXT;
    }
    CASE(SIG) : {
        SLOW(gr_check_signature(vm, frame->proto, &frame->proto->descriptors[I->wide], *A, R));
        NEXT;
    }

    /* derivatives and variables that are updated */
    CASE(PARAM) : {
        SLOW(gr_make_param(vm, frame, frame->proto->descriptors[I->wide].places, gr_take(A),
                           gr_frame_src(frame)));
        NEXT;
    }
    CASE(UPDATE) : {
        SLOW(gr_update_begin(vm, frame, &frame->proto->descriptors[I->wide]));
        RELOAD();
        NEXT;
    }
    CASE(TRACK) : {
        SLOW(gr_record_begin(vm));
        NEXT;
    }
    CASE(UPDATED) : {
        gr_update_end(vm);
        NEXT;
    }
    CASE(STORE) : {
        SLOW(gr_update_store(vm, frame, &frame->proto->descriptors[I->wide], gr_take(A),
                             gr_frame_src(frame)));
        NEXT;
    }
    CASE(PARTIAL) : {
        SLOW(gr_partial(vm, &frame->proto->descriptors[I->wide], R, gr_frame_src(frame)));
        NEXT;
    }
    CASE(PICK) : {
        const gr_descriptor *d = &frame->proto->descriptors[I->c];
        gr_value v;
        SLOW(gr_get_index(vm, *A, d->count, d->items, R, (uint32_t)B->num, gr_frame_src(frame), &v));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(PRIME) : {
        gr_value v;
        SLOW(gr_prime(vm, *B, I->c, &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(GRADIENT) : {
        gr_value v;
        SLOW(gr_gradient(vm, *B, &v));
        if (I->flags & GR_KILL_B) gr_let_go(vm, B);
        gr_replace(vm, A, v);
        NEXT;
    }

    /* statements */
    CASE(FAIL) : {
        SLOW(gr_step_fail_text(vm, NULL));
        NEXT;
    }
    CASE(FAILTEXT) : {
        SLOW(gr_step_fail_text(vm, A));
        NEXT;
    }
    CASE(FAILPAIR) : {
        SLOW(gr_step_fail_pair(vm, A, B, I->c ? C : NULL));
        NEXT;
    }
    CASE(TEST) : {
        SLOW(gr_step_test_block(vm, *A, K[I->wide]));
        NEXT;
    }
    CASE(IMPORT) : {
        gr_value v;
        SLOW(gr_import(vm, frame->proto->source, K[I->wide], &v));
        gr_replace(vm, A, v);
        NEXT;
    }
    CASE(SAFE) : {
        POLL();
        NEXT;
    }
    CASE(ANSWER) : {
        vm->has_answer = I->b;
        if (I->b) gr_replace(vm, &vm->answer, gr_take(A));
        NEXT;
    }
#ifndef GR_COMPUTED_GOTO
    }
#endif
failed:
    return gr_unwind(vm, recordings, recording);
}
