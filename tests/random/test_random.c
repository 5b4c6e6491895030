/* SPDX-License-Identifier: MIT */
/* test_random.c - random programs by the engine through ad.h, by the interpreter, by the second
 * tape, and by differences; the generator's coverage; and rules broken on purpose, which have to be
 * found. A few hundred programs; 10,000 with GRADUS_TIER=long. A failing program is printed. */
#include "gradus.h"
#include "program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_long(void) {
    const char *tier = getenv("GRADUS_TIER");
    return tier && strcmp(tier, "long") == 0;
}

static int programs(void) { return is_long() ? 10000 : 400; }

/* ---- what the second tape says ------------------------------------------------------------- */

typedef struct oracle {
    double value, gradient[MOST_INPUTS][MOST_SIZE], product[MOST_INPUTS][MOST_SIZE];
    double slope, bend; /* in the direction */
    double steepest, sharpest;
} oracle;

static void ask_oracle(const program *p, oracle *o) {
    static dual adjoint[MOST_CELLS];
    int root = p->id[p->node[p->result].ids];
    memset(o, 0, sizeof *o);
    sc_reverse(&p->s, root, adjoint);
    o->value = sc_value(&p->s, root);
    for (int i = 0; i < p->inputs; i++) {
        const node *n = &p->node[p->input_node[i]];
        for (int k = 0; k < n->size; k++) {
            dual a = adjoint[p->id[n->ids + k]];
            o->gradient[i][k] = a.v;
            o->product[i][k] = a.d;
            o->slope += a.v * p->direction[i][k];
            o->bend += a.d * p->direction[i][k];
            o->steepest = fmax(o->steepest, fabs(a.v));
            o->sharpest = fmax(o->sharpest, fabs(a.d));
        }
    }
}

/* ---- comparison ---------------------------------------------------------------------------- */

typedef struct tally {
    int made, wrong;
    double value, gradient, product, forward; /* worst relative errors */
    int differences, unclear;
    double difference;
    char why[400];
} tally;

static void mismatch(tally *t, const char *what, double got, double expected) {
    if (!t->wrong++)
        snprintf(t->why, sizeof t->why, "%.300s: got %.17g, expected %.17g", what, got, expected);
}

static void compare(tally *t, const char *what, double got, double expected, double scale,
                    double within, double *worst) {
    double error = fabs(got - expected) / (1 + scale);
    if (!(error <= *worst)) *worst = error;
    if (!(error <= within)) mismatch(t, what, got, expected);
}

/* Both sides round; what cancels in a program is of the size of its largest derivative. */
static const double close_value = 1e-11, close_gradient = 1e-10, close_product = 1e-9;

static void compare_arrays(tally *t, const program *p, const char *what,
                           const double got[][MOST_SIZE], const double expected[][MOST_SIZE],
                           double scale, double within, double *worst) {
    for (int i = 0; i < p->inputs; i++)
        for (int k = 0; k < p->node[p->input_node[i]].size; k++)
            compare(t, what, got[i][k], expected[i][k], scale, within, worst);
}

static void check_engine(ad_ctx *ctx, const program *p, const oracle *o, tally *t) {
    static engine_result r;
    if (engine_run(ctx, p, true, &r) != AD_OK) {
        mismatch(t, r.why, NAN, NAN);
        return;
    }
    compare(t, "value", r.value, o->value, fabs(o->value), close_value, &t->value);
    compare_arrays(t, p, "gradient", r.gradient, o->gradient, o->steepest, close_gradient,
                   &t->gradient);
    compare_arrays(t, p, "Hessian times direction", r.product, o->product, o->sharpest,
                   close_product, &t->product);
    compare(t, "the same, forward over reverse", r.forward, o->bend, o->sharpest,
            close_product * 10, &t->forward);
}

/* Richardson's extrapolation of central differences in the direction; its own two estimates tell
 * whether it can be believed. */
static void check_differences(ad_ctx *ctx, const program *p, const oracle *o, tally *t) {
    double slope[3], y[2];
    for (int i = 0; i < 3; i++) {
        double h = ldexp(1e-3, -2 * i);
        if (engine_value(ctx, p, h, &y[0]) != AD_OK || engine_value(ctx, p, -h, &y[1]) != AD_OK) {
            t->unclear++;
            return;
        }
        slope[i] = (y[0] - y[1]) / (2 * h);
    }
    double coarse = (16 * slope[1] - slope[0]) / 15, fine = (16 * slope[2] - slope[1]) / 15;
    if (!(fabs(coarse - fine) <= 1e-6 * (1 + o->steepest))) {
        t->unclear++;
        return;
    }
    t->differences++;
    compare(t, "difference quotient", fine, o->slope, o->steepest, 1e-5, &t->difference);
}

/* ---- the interpreter ----------------------------------------------------------------------- */

static const char asks[] = "let (E, g) = value_and_grad(f)(p)\nlet h = hvp(f, p, v)\n"
                           "let s = jvp(f, p, v)[1]\nparam q = p\nlet F = f(q)\nlet k = ∂F/∂q\n";

static bool read_leaf(gr_vm *vm, const char *name, const char *path, double *x) {
    char text[64];
    gr_value v;
    int size = snprintf(text, sizeof text, "stop(%s%s)", name, path);
    if (gr_run_text(vm, "leaf", text, (size_t)size, GR_RUN_ANSWER) != GR_OK || !gr_answer(vm, &v))
        return false;
    if (v.kind == AD_TENSOR)
        ad_tensor_read(v.tensor, x);
    else
        *x = v.num;
    return v.kind == AD_TENSOR || v.kind == AD_NUMBER;
}

/* `from_param`: the gradient of a parameter, in the place of the one by a transform. */
static bool read_all(gr_vm *vm, const program *p, bool from_param, engine_result *r) {
    bool ok =
        read_leaf(vm, from_param ? "F" : "E", "", &r->value) && read_leaf(vm, "s", "", &r->forward);
    for (int i = 0; i < p->inputs && ok; i++) {
        char path[16];
        input_path(p, i, path);
        ok = read_leaf(vm, from_param ? "k" : "g", path, r->gradient[i]) &&
             read_leaf(vm, "h", path, r->product[i]);
    }
    return ok;
}

static const char *first_message(gr_vm *vm) {
    return gr_vm_report(vm)->first ? gr_vm_report(vm)->first->message : "no answer";
}

static void check_answers(gr_vm *vm, const program *p, bool from_param, const oracle *o, tally *t) {
    static engine_result r;
    if (!read_all(vm, p, from_param, &r)) {
        mismatch(t, first_message(vm), NAN, NAN);
        return;
    }
    compare(t, "value in the language", r.value, o->value, fabs(o->value), close_value, &t->value);
    compare(t, "jvp in the language", r.forward, o->slope, o->steepest, close_gradient,
            &t->gradient);
    compare_arrays(t, p, from_param ? "∂F/∂q" : "value_and_grad", r.gradient, o->gradient,
                   o->steepest, close_gradient, &t->gradient);
    compare_arrays(t, p, "hvp", r.product, o->product, o->sharpest, close_product, &t->product);
}

static void check_language(gr_vm *vm, const program *p, const oracle *o, tally *t) {
    static char text[60000];
    size_t size = program_text(p, text, sizeof text - sizeof asks);
    memcpy(text + size, asks, sizeof asks);
    if (!size || gr_run_text(vm, "program", text, size + sizeof asks - 1, 0) != GR_OK) {
        mismatch(t, first_message(vm), NAN, NAN);
        return;
    }
    check_answers(vm, p, false, o, t);
    check_answers(vm, p, true, o, t);
}

/* ---- coverage ------------------------------------------------------------------------------ */

enum { VIEWS, STRUCTURES, SCALARS, BROADCASTS, WHERES, FEATURES };
static const char *const feature_names[] = {"views", "arithmetic on structures", "scalars",
                                            "broadcasting", "where"};

typedef struct coverage {
    int rows[128];
    long nodes, shared, depth;
    int features[FEATURES]; /* programs with it, in this hundred */
    int least[FEATURES];
} coverage;

static bool broadcasts(const program *p, const node *n) {
    if (!n->row || !(n->row->kind & R_BROADCASTS)) return false;
    for (int i = 0; i < n->n; i++)
        if (p->node[n->in[i]].rank && p->node[n->in[i]].size != n->size) return true;
    return false;
}

static void cover(coverage *c, const program *p) {
    bool has[FEATURES] = {false};
    has[STRUCTURES] = p->groups > 1;
    for (int i = 0; i < p->n; i++) {
        const node *n = &p->node[i];
        if (!n->tracked && !n->truth) continue;
        c->nodes++;
        c->shared += n->uses > 1;
        if (n->tracked && n->rank == 0 && n->input >= 0) has[SCALARS] = true;
        if (!n->row) continue;
        c->rows[n->row - random_rows]++;
        if (n->row->kind & R_VIEW) has[VIEWS] = true;
        if (n->row->kind & R_WHERE) has[WHERES] = true;
        if (broadcasts(p, n)) has[BROADCASTS] = true;
    }
    c->depth += p->node[p->result].depth;
    for (int k = 0; k < FEATURES; k++) c->features[k] += has[k];
}

static void end_hundred(coverage *c, int hundred) {
    for (int k = 0; k < FEATURES; k++) {
        if (!hundred || c->features[k] < c->least[k]) c->least[k] = c->features[k];
        c->features[k] = 0;
    }
}

/* Rows that a tape of scalars cannot have: positions and what is declared without a derivative,
 * decompositions (tests/grad has them), single precision, pairs of which one is a position. */
static bool left_out(const ad_row_info *info) {
    static const char *const names[] = {"f32", "onehot", "qr", "svd", "eigh", "eigvals"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], info->name) == 0) return true;
    return info->flags & (AD_ROW_NODIFF | AD_ROW_INTERNAL);
}

static void expect_coverage(const coverage *c, int made) {
    int needed = made >= 10000 ? 50 : 1;
    for (int op = 1; op < ad_op_count(); op++) {
        const ad_row_info *info = ad_op_info((ad_op)op);
        if (!left_out(info))
            cr_expect_not_null(random_row(info->name), "`%s` is in no program", info->name);
    }
    for (int i = 0; i < random_row_count; i++) {
        printf("%s %d%s", random_rows[i].name, c->rows[i], i % 10 == 9 ? "\n" : ", ");
        cr_expect(c->rows[i] >= needed, "%s: only %d times", random_rows[i].name, c->rows[i]);
    }
    double shared = 100.0 * (double)c->shared / (double)c->nodes, depth = (double)c->depth / made;
    printf("\n%d programs, %ld nodes, %.1f %% used twice or more, mean depth %.1f\n", made,
           c->nodes, shared, depth);
    cr_expect(shared >= 30, "only %.1f %% of the nodes are used twice or more", shared);
    cr_expect(depth >= 6, "the mean depth is %.1f", depth);
    for (int k = 0; k < FEATURES; k++) {
        printf("each hundred has at least %d programs with %s\n", c->least[k], feature_names[k]);
        cr_expect(c->least[k] > 0, "a hundred without %s", feature_names[k]);
    }
}

/* ---- tests --------------------------------------------------------------------------------- */

static program the_program;

static bool make(uint64_t seed) { return program_make(&the_program, seed); }

static void show(const tally *t, uint64_t seed) {
    static char text[60000];
    program_text(&the_program, text, sizeof text);
    printf("seed %llu: %s\n%s\n", (unsigned long long)seed, t->why, text);
}

static void check_one(ad_ctx *ctx, gr_vm *vm, uint64_t seed, tally *t) {
    static oracle o;
    ask_oracle(&the_program, &o);
    int before = t->wrong;
    check_engine(ctx, &the_program, &o, t);
    check_differences(ctx, &the_program, &o, t);
    check_language(vm, &the_program, &o, t);
    t->made++;
    if (t->wrong > before && before == 0) show(t, seed);
}

/* A fresh interpreter for each hundred, whose sources would pile up. */
static uint64_t check_hundred(uint64_t seed, tally *t, coverage *c) {
    ad_ctx *ctx = ad_new(NULL);
    gr_vm *vm = gr_vm_open(&(gr_options){.ctx = ctx});
    for (int i = 0; i < 100; seed++) {
        if (!make(seed)) continue;
        check_one(ctx, vm, seed, t);
        cover(c, &the_program);
        i++;
    }
    gr_vm_close(vm);
    ad_free(ctx);
    return seed;
}

Test(random_programs, agree) {
    static tally t;
    static coverage c;
    uint64_t seed = 1;
    for (int hundred = 0; hundred < programs() / 100; hundred++) {
        seed = check_hundred(seed, &t, &c);
        end_hundred(&c, hundred);
    }
    printf("worst: value %.2g, gradient %.2g, Hessian times direction %.2g, forward %.2g\n",
           t.value, t.gradient, t.product, t.forward);
    printf("%d difference quotients, worst %.2g; %d unclear\n", t.differences, t.difference,
           t.unclear);
    cr_expect_eq(t.wrong, 0, "%d comparisons failed; the first: %s", t.wrong, t.why);
    cr_expect(t.differences >= 8 * t.made / 10, "only %d difference quotients were clear",
              t.differences);
    expect_coverage(&c, t.made);
}

/* Memory in use after the same programs once more: what rows keep for ever was made the first time.
 */
static size_t in_use_after(ad_ctx *ctx, uint64_t last) {
    static engine_result r;
    for (uint64_t seed = 1; seed <= last; seed++)
        if (make(seed)) cr_expect_eq(engine_run(ctx, &the_program, true, &r), AD_OK, "%s", r.why);
    ad_collect(ctx, true);
    return ad_mem_statistics(ctx).in_use;
}

Test(random_programs, give_back_what_they_took) {
    ad_ctx *ctx = ad_new(NULL);
    uint64_t last = is_long() ? 1000 : 100;
    size_t first = in_use_after(ctx, last), second = in_use_after(ctx, last);
    cr_expect_leq(second, first, "%zu bytes more after the same programs", second - first);
    ad_free(ctx);
}

/* How many programs it takes to see that a rule is wrong. */
static int programs_until_found(const char *name) {
    static oracle o;
    static engine_result r;
    ad_ctx *ctx = ad_new(NULL);
    ad_sabotage(ctx, ad_op_find(name), 1.001);
    int made = 0;
    tally t = {0};
    for (uint64_t seed = 1; made < 1000 && !t.wrong; seed++) {
        if (!make(seed)) continue;
        made++;
        ask_oracle(&the_program, &o);
        if (engine_run(ctx, &the_program, false, &r) != AD_OK) continue;
        compare_arrays(&t, &the_program, name, r.gradient, o.gradient, o.steepest, close_gradient,
                       &t.gradient);
    }
    ad_free(ctx);
    return t.wrong ? made : -1;
}

static void expect_found(const char *name) {
    int made = programs_until_found(name);
    printf("%s, 0.1 %% wrong: found in %d programs\n", name, made);
    cr_expect(made > 0, "a wrong rule of `%s` was not found within 1,000 programs", name);
}

/* Nothing is recorded of what gives bools or counts; reading and writing are no rows of the table.
 */
static bool can_be_falsified(const char *name) {
    static const char *const recorded[] = {"sign", "floor", "ceil", "round", "trunc"};
    if (name[0] == '[') return false;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        if (strcmp(recorded[i], name) == 0) return true;
    return !(ad_op_info(ad_op_find(name))->flags & AD_ROW_ZERO);
}

Test(random_programs, find_a_broken_rule) {
    static const char *const few[] = {"mul",   "tanh",      "sum",     "matmul",
                                      "where", "transpose", "cumprod", "solve"};
    for (size_t i = 0; !is_long() && i < sizeof few / sizeof *few; i++) expect_found(few[i]);
    for (int i = 0; is_long() && i < random_row_count; i++)
        if (can_be_falsified(random_rows[i].name)) expect_found(random_rows[i].name);
    cr_expect_eq(programs_until_found("qr"), -1, "what is in no program was found wrong");
}
