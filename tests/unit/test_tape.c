/* SPDX-License-Identifier: MIT */
/* The tape on numbers: orders, who keeps what, the stale rule, and random programs whose derivatives
 * must not depend on when memory is reclaimed. */
#include "ad.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define OK(call) cr_assert_eq((call), AD_OK, "%s: %s", #call, ad_last_error(ctx)->message)

static ad_value leaf(ad_ctx *ctx, double x, ad_param id) {
    ad_value v;
    OK(ad_leaf(ctx, ad_number(x), id, 1, &v));
    return v;
}

static ad_value op2(ad_ctx *ctx, ad_op op, ad_value a, ad_value b) {
    ad_value v;
    OK(ad_apply2(ctx, op, 2, a, b, &v));
    return v;
}

static ad_value op1(ad_ctx *ctx, const char *name, ad_value a) {
    ad_value v;
    OK(ad_apply1(ctx, ad_op_find(name), 3, a, &v));
    return v;
}

static ad_value grad(ad_ctx *ctx, ad_value y, ad_value x) {
    ad_value g;
    OK(ad_vjp(ctx, 1, &y, NULL, 1, &x, 0, 4, &g));
    return g;
}

static ad_value tangent(ad_ctx *ctx, ad_value y, ad_value x) {
    ad_value g, one = ad_number(1);
    OK(ad_jvp(ctx, 1, &x, &one, 1, &y, 0, 5, &g));
    return g;
}

static void drop(ad_ctx *ctx, ad_value *v) {
    ad_release(ctx, *v);
    *v = ad_number(0);
}

/* x = e, in the way of an interpreter: the new value is there before the old one goes. */
static void set(ad_ctx *ctx, ad_value *x, ad_value v) {
    ad_value old = *x;
    *x = v;
    ad_release(ctx, old);
}

Test(tape, orders_of_a_cube) {
    ad_ctx *ctx = ad_new(NULL);
    ad_value x = leaf(ctx, 3, 0), y = op2(ctx, AD_OP_MUL, x, x), z = op2(ctx, AD_OP_MUL, y, x);
    const double expect[] = {27, 18, 6, 0, 0};
    for (unsigned way = 0; way < 32; way++) { /* every mix of reverse and forward */
        ad_value v = ad_retain(ctx, z);
        for (int k = 0; k < 5; k++) {
            set(ctx, &v, (way >> k & 1 ? tangent : grad)(ctx, v, x));
            cr_expect_eq(v.num, expect[k], "order %d by way %u: %g", k + 1, way, v.num);
            if (!v.node) break;
        }
        ad_release(ctx, v);
    }
    drop(ctx, &y), drop(ctx, &z), drop(ctx, &x);
    ad_collect(ctx, true);
    cr_expect_eq(ad_tape_statistics(ctx).alive, 0);
    ad_free(ctx);
}

Test(tape, strong_zero_at_every_order) {
    ad_ctx *ctx = ad_new(NULL);
    ad_value x = leaf(ctx, 0, 0);
    ad_value s = op1(ctx, "sqrt", x), in[3] = {ad_bool(false), s, ad_number(0)}, w;
    OK(ad_apply(ctx, AD_OP_WHERE, 2, 3, in, NULL, &w));
    ad_value g = grad(ctx, w, x), h = grad(ctx, g, x), f = tangent(ctx, w, x);
    cr_expect_eq(g.num, 0);
    cr_expect_eq(h.num, 0);
    cr_expect_eq(f.num, 0);
    ad_value d = grad(ctx, s, x); /* a non-zero adjoint stays visible */
    cr_expect(isinf(d.num));
    ad_value all[] = {x, s, w, g, h, f, d};
    for (int i = 0; i < 7; i++) ad_release(ctx, all[i]);
    ad_free(ctx);
}

Test(tape, chain_of_a_million) {
    ad_ctx *ctx = ad_new(NULL);
    ad_value a = leaf(ctx, 1 - 1e-6, 0), b = leaf(ctx, 1, 0), x = leaf(ctx, 1, 0);
    for (int i = 0; i < 1000000; i++) {
        ad_value m = op2(ctx, AD_OP_MUL, x, a);
        set(ctx, &x, op2(ctx, AD_OP_ADD, m, b));
        ad_release(ctx, m);
    }
    ad_value g = grad(ctx, x, b);
    cr_expect_float_eq(g.num / ((1 - pow(1 - 1e-6, 1e6)) / 1e-6), 1, 1e-9);
    ad_value all[] = {a, b, x, g};
    for (int i = 0; i < 4; i++) ad_release(ctx, all[i]);
    ad_collect(ctx, true);
    cr_expect_eq(ad_tape_statistics(ctx).alive, 0);
    ad_free(ctx);
}

static uint64_t alive(ad_ctx *ctx) {
    ad_collect(ctx, true);
    return ad_tape_statistics(ctx).alive;
}

/* An entry counts 65535 holders itself and the others in a table. */
Test(tape, more_holders_than_an_entry_counts) {
    ad_ctx *ctx = ad_new(NULL);
    ad_value x = leaf(ctx, 3, 0);
    for (int i = 1; i < 65536; i++) ad_retain(ctx, x);
    cr_expect_eq(alive(ctx), 1);
    for (int i = 65536; i < 70000; i++) ad_retain(ctx, x);
    for (int i = 70000; i > 1; i--) ad_release(ctx, x);
    cr_expect_eq(alive(ctx), 1);
    ad_value y = op2(ctx, AD_OP_MUL, x, x), g = grad(ctx, y, x);
    cr_expect_eq(g.num, 6);
    ad_release(ctx, x), ad_release(ctx, y), ad_release(ctx, g);
    cr_expect_eq(alive(ctx), 0);
    ad_free(ctx);
}

/* 2^60 paths. */
Test(tape, diamond) {
    ad_ctx *ctx = ad_new(NULL);
    ad_value x = leaf(ctx, 1, 0), y = ad_retain(ctx, x);
    for (int i = 0; i < 60; i++) set(ctx, &y, op2(ctx, AD_OP_ADD, y, y));
    ad_value g = grad(ctx, y, x);
    cr_expect_eq(g.num, 0x1p60);
    drop(ctx, &x), drop(ctx, &y), drop(ctx, &g);
    ad_free(ctx);
}

static ad_status stale_status(ad_ctx *ctx, bool collect) {
    ad_param id = ad_param_new(ctx);
    ad_value w = leaf(ctx, 2, id), e = op2(ctx, AD_OP_MUL, w, w), g;
    set(ctx, &w, leaf(ctx, 3, id));
    if (collect) ad_collect(ctx, true);
    ad_status st = ad_vjp(ctx, 1, &e, NULL, 1, &w, 0, 9, &g);
    if (st == AD_OK) ad_release(ctx, g);
    ad_release(ctx, w), ad_release(ctx, e);
    return st;
}

Test(tape, stale_whether_collected_or_not) {
    ad_ctx *ctx = ad_new(NULL);
    cr_expect_eq(stale_status(ctx, false), AD_ERR_STALE);
    cr_expect_eq(stale_status(ctx, true), AD_ERR_STALE);
    ad_free(ctx);
}

/* A state carried over an update is stale also through a factor 0, and through a gradient. */
Test(tape, stale_by_structure) {
    ad_ctx *ctx = ad_new(NULL);
    for (int way = 0; way < 4; way++) {
        ad_param id = ad_param_new(ctx);
        ad_value w = leaf(ctx, 2, id), h = op2(ctx, AD_OP_MUL, w, w), g;
        if (way & 1) set(ctx, &h, grad(ctx, h, w));
        set(ctx, &w, leaf(ctx, 3, id));
        if (way & 2) ad_collect(ctx, true);
        ad_value z = op2(ctx, AD_OP_MUL, h, ad_number(0)), e = op2(ctx, AD_OP_ADD, z, w);
        cr_expect_eq(ad_vjp(ctx, 1, &e, NULL, 1, &w, 0, 9, &g), AD_ERR_STALE, "way %d", way);
        ad_value stopped = ad_stop(ctx, h), f = op2(ctx, AD_OP_ADD, stopped, w);
        OK(ad_vjp(ctx, 1, &f, NULL, 1, &w, 0, 9, &g));
        cr_expect_eq(g.num, 1);
        ad_value all[] = {w, h, z, e, f, g};
        for (int i = 0; i < 6; i++) ad_release(ctx, all[i]);
    }
    ad_free(ctx);
}

/* The other parameter may have moved: the tape holds the old value of W. */
Test(tape, a_moved_neighbour_keeps_its_old_value) {
    ad_ctx *ctx = ad_new(NULL);
    ad_param wid = ad_param_new(ctx), bid = ad_param_new(ctx);
    ad_value w = leaf(ctx, 2, wid), b = leaf(ctx, 5, bid), sq = op2(ctx, AD_OP_MUL, w, w);
    ad_value e = op2(ctx, AD_OP_MUL, sq, b);
    drop(ctx, &sq);
    set(ctx, &w, leaf(ctx, 100, wid));
    ad_collect(ctx, true);
    ad_value g = grad(ctx, e, b);
    cr_expect_eq(g.num, 4);
    ad_value all[] = {w, b, e, g};
    for (int i = 0; i < 4; i++) ad_release(ctx, all[i]);
    ad_free(ctx);
}

typedef enum { PLAIN, MOMENTUM, KEPT, LOOPS } loop_kind;

/* Entries alive after `n` steps of an ordinary training loop. */
static size_t train(loop_kind kind, int n, size_t *memory) {
    ad_ctx *ctx = ad_new(NULL);
    ad_param id = ad_param_new(ctx);
    ad_value w = leaf(ctx, 1, id), m = ad_number(0), e = ad_number(0);
    ad_value *kept = calloc((size_t)n, sizeof *kept);
    for (int i = 0; i < n; i++) {
        ad_value d = op2(ctx, AD_OP_SUB, w, ad_number(3));
        set(ctx, &e, op2(ctx, AD_OP_MUL, d, d));
        drop(ctx, &d);
        ad_value g = grad(ctx, e, w), step = ad_retain(ctx, g);
        if (kind == MOMENTUM) {
            ad_value old = op2(ctx, AD_OP_MUL, m, ad_number(0.9));
            set(ctx, &m, op2(ctx, AD_OP_ADD, old, g));
            drop(ctx, &old);
            set(ctx, &step, ad_retain(ctx, m));
        }
        if (kind == KEPT) kept[i] = ad_retain(ctx, e);
        set(ctx, &w, leaf(ctx, w.num - 1e-3 * step.num, id));
        drop(ctx, &g), drop(ctx, &step);
        ad_collect(ctx, false);
    }
    ad_collect(ctx, true);
    *memory = ad_mem_statistics(ctx).in_use;
    size_t alive = (size_t)ad_tape_statistics(ctx).alive;
    for (int i = 0; i < n; i++) ad_release(ctx, kept[i]);
    free(kept);
    ad_release(ctx, w), ad_release(ctx, m), ad_release(ctx, e);
    ad_free(ctx);
    return alive;
}

Test(tape, loops_run_in_constant_memory) {
    for (loop_kind kind = PLAIN; kind < LOOPS; kind++) {
        size_t few, many, kept = kind == KEPT ? 90000 : 0;
        train(kind, 10000, &few);
        size_t alive = train(kind, 100000, &many);
        cr_expect_lt(many, few + kept * 8 + 1000000, "loop %d: %zu and %zu bytes", kind, few, many);
        if (kind != KEPT) cr_expect_lt(alive, 100, "loop %d: %zu entries", kind, alive);
    }
}

/* A kept loss is an ordinary value again when it is used, also as a denominator. */
Test(tape, kept_values_come_back) {
    ad_ctx *ctx = ad_new(NULL);
    enum { N = 5000 };
    ad_param id = ad_param_new(ctx);
    ad_value w = leaf(ctx, 1, id), kept[N];
    for (int i = 0; i < N; i++) {
        kept[i] = op2(ctx, AD_OP_MUL, w, ad_number(i));
        set(ctx, &w, leaf(ctx, 1, id));
    }
    ad_collect(ctx, true);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i += 7) {
            ad_value sq = op2(ctx, AD_OP_MUL, kept[i], kept[i]), g = grad(ctx, sq, kept[i]), h;
            cr_assert_eq(g.num, 2.0 * i);
            cr_assert_eq(ad_vjp(ctx, 1, &sq, NULL, 1, &w, 0, 9, &h), AD_ERR_STALE);
            drop(ctx, &sq), drop(ctx, &g);
            if (i % 5 == 0) ad_collect(ctx, true);
        }
    for (int i = 0; i < N; i++) ad_release(ctx, kept[i]);
    ad_release(ctx, w);
    ad_collect(ctx, true);
    cr_expect_eq(ad_tape_statistics(ctx).alive, 0);
    ad_free(ctx);
}

/* ---- random programs ---------------------------------------------------------------------- */

enum { PARAMS = 3, VARIABLES = 6, STEPS = 40 };

typedef struct machine {
    ad_ctx *ctx;
    ad_param id[PARAMS];
    ad_value p[PARAMS], v[VARIABLES];
    unsigned collect; /* every so many steps; 0: never */
} machine;

static ad_value pick(machine *m, unsigned r) {
    return r % 3 == 0 ? m->p[r / 3 % PARAMS] : m->v[r / 3 % VARIABLES];
}

static void update(machine *m, unsigned k, double x) { set(m->ctx, &m->p[k], leaf(m->ctx, x, m->id[k])); }

/* One step of a program: an operation, a gradient that is kept, an update or a forgotten value. */
static void act(machine *m, const unsigned *r) {
    ad_ctx *ctx = m->ctx;
    ad_value *to = &m->v[r[1] % VARIABLES], a = pick(m, r[2]), b = pick(m, r[3]), g;
    static const ad_op ops[] = {AD_OP_ADD, AD_OP_SUB, AD_OP_MUL};
    switch (r[0] % 8) {
    case 0: update(m, r[1] % PARAMS, (double)(r[2] % 5) - 1.7); break;
    case 1: if (r[3] % 4 == 0) set(ctx, to, ad_number(1)); break;
    case 2: set(ctx, to, op1(ctx, "sin", a)); break;
    case 3:
    case 4:
        if (!a.node || !b.node || ad_vjp(ctx, 1, &a, NULL, 1, &b, 0, 8, &g) != AD_OK) break;
        set(ctx, to, g);
        break;
    default: set(ctx, to, op2(ctx, ops[r[0] / 8 % 3], a, b));
    }
}

static void run_random(unsigned seed, unsigned collect, double *out, ad_status *status) {
    machine m = {.ctx = ad_new(NULL), .collect = collect};
    ad_ctx *ctx = m.ctx;
    srand(seed);
    for (int i = 0; i < PARAMS; i++) m.id[i] = ad_param_new(ctx), m.p[i] = leaf(ctx, 0.5 + i, m.id[i]);
    for (int i = 0; i < VARIABLES; i++) m.v[i] = op1(ctx, "sin", m.p[i % PARAMS]);
    for (int step = 0; step < STEPS; step++) {
        unsigned r[4];
        for (int i = 0; i < 4; i++) r[i] = (unsigned)rand();
        act(&m, r);
        if (collect && (unsigned)step % collect == 0) ad_collect(ctx, true);
    }
    int n = 0;
    for (int i = 0; i < VARIABLES; i++)
        for (int j = 0; j < PARAMS + VARIABLES; j++, n++) {
            ad_value w = j < PARAMS ? m.p[j] : m.v[j - PARAMS], g;
            out[n] = 0;
            status[n] = AD_ERR_UNTRACKED;
            if (!w.node) continue;
            status[n] = ad_vjp(ctx, 1, &m.v[i], NULL, 1, &w, 0, 9, &g);
            if (status[n] != AD_OK) continue;
            out[n] = g.num;
            ad_release(ctx, g);
        }
    for (int i = 0; i < PARAMS; i++) ad_release(ctx, m.p[i]);
    for (int i = 0; i < VARIABLES; i++) ad_release(ctx, m.v[i]);
    ad_collect(ctx, true);
    cr_assert_eq(ad_tape_statistics(ctx).alive, 0, "seed %u leaves entries", seed);
    ad_free(ctx);
}

Test(tape, reclaiming_changes_no_derivative, .timeout = 60) {
    enum { ALL = VARIABLES * (PARAMS + VARIABLES) };
    unsigned compared = 0, stale = 0;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        double never[ALL], often[ALL];
        ad_status s1[ALL], s2[ALL];
        run_random(seed, 0, never, s1);
        run_random(seed, 1 + seed % 4, often, s2);
        for (int i = 0; i < ALL; i++) {
            cr_assert_eq(s1[i], s2[i], "seed %u, pair %d: %s, collected %s", seed, i,
                         ad_status_name(s1[i]), ad_status_name(s2[i]));
            bool same = never[i] == often[i] || (isnan(never[i]) && isnan(often[i]));
            cr_assert(same, "seed %u, pair %d: %.17g, collected %.17g", seed, i, never[i], often[i]);
            compared += never[i] != 0;
            stale += s1[i] == AD_ERR_STALE;
        }
    }
    cr_log_info("%u derivatives compared, %u stale", compared, stale);
    cr_expect_gt(compared, 5000u);
    cr_expect_gt(stale, 1000u);
}
