/* SPDX-License-Identifier: MIT */
/* Loops that are held up in front of an update: what is seen there, what a line changes, that going on is
 * as if nothing had been, that `stop` keeps what was reached. */
#include "vm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is done at each pause. */
typedef struct visit {
    const char *texts[8];
    gr_go go;
} visit;

static gr_pausing pausing;
static machine m;
static const visit *visits;
static size_t visit_count, paused;
static gr_buffer seen; /* answers and messages of the texts, and where it was */
static bool tells_where;

static void run_there(gr_vm *vm, const char *text) {
    gr_value v;
    gr_status s = gr_run_text(vm, "paused", text, strlen(text), GR_RUN_PROMPT | GR_RUN_ANSWER);
    if (seen.size) gr_buffer_puts(&seen, "; ");
    if (s == GR_OK && gr_answer(vm, &v)) gr_format_value(vm, &seen, v, NULL);
    else if (gr_vm_report(vm)->first) gr_buffer_puts(&seen, gr_vm_report(vm)->first->message);
}

/* The last visit is repeated at all later pauses. */
static gr_go on_pause(void *user, gr_vm *vm, const char *where) {
    const visit *v = &visits[paused < visit_count ? paused : visit_count - 1];
    (void)user;
    paused++;
    if (tells_where) gr_buffer_puts(&seen, where);
    for (size_t i = 0; i < 8 && v->texts[i]; i++) run_there(vm, v->texts[i]);
    pausing.wanted = v->go == GR_GO_ON;
    return v->go;
}

static void open_machine_in(ad_ctx *ctx) {
    m = (machine){.ctx = ctx};
    gr_buffer_init(&m.printed, m.ctx);
    gr_buffer_init(&seen, m.ctx);
    m.vm = gr_vm_open(&(gr_options){.ctx = m.ctx, .write = machine_write, .user = &m,
                                    .pause = on_pause, .pausing = &pausing});
}
static void open_machine(void) { open_machine_in(ad_new(NULL)); }
static void close_machine(void) {
    gr_buffer_free(&seen);
    machine_close(&m);
}
TestSuite(pause, .init = open_machine, .fini = close_machine);

static void expect_visits(const char *text, size_t count, const visit *what, const char *wanted_answer,
                          const char *wanted_seen) {
    gr_buffer_clear(&seen);
    visits = what;
    visit_count = count;
    paused = 0;
    pausing.wanted = count > 0;
    machine_expect(&m, text, wanted_answer);
    pausing.wanted = 0;
    const char *shown = seen.size ? seen.text : "";
    cr_expect_str_eq(shown, wanted_seen, "%s\n  shows %s\n  not   %s", text, shown, wanted_seen);
}
#define VISITS(text, answer, shown, ...)                                                           \
    expect_visits(text, sizeof((visit[]){__VA_ARGS__}) / sizeof(visit), (visit[]){__VA_ARGS__}, answer, shown)

#define LOOP "param w = 1; for k in 0..3 { let h = w * 2; let E = h^2; let g = ∂E/∂w; w := w - 0.1 * g }; "
#define FIT                                                                                        \
    "fn fit(n, rate) { param w = 1; let turns = 0; while turns < n { let E = (w - 3)^2; "           \
    "w := w - rate * ∂E/∂w; turns = turns + 1 }; (stop(w), turns) }; "

Test(pause, shows_what_is_alive) {
    VISITS(LOOP "w", "0.007999999999999993", "4; 1; 8; 2; `nosuch` is not defined; 8",
           {.texts = {"E", "w", "∂E/∂w", "h", "nosuch", "g"}, .go = GR_GO_ON}, {.go = GR_GO_ON});
    cr_expect_eq(paused, 3);
    VISITS(FIT "fit(3, 0.25)", "(2.75, 3)", "4; (1, 3, 0.25, 0); -4",
           {.texts = {"E", "(w, n, rate, turns)", "∂E/∂w"}, .go = GR_GO_ON}, {.go = GR_GO_ON});
}

Test(pause, goes_on_as_if_nothing_had_been) {
    static const char *const programs[] = {
        LOOP "w",
        FIT "fit(20, 0.1)",
        "seed(3); param p = {W: randn(3, 2), b: zeros(2)}; let x = randn(5, 3); let s = 0; "
        "for i in 0..4 { let E = sum((x @ p.W + p.b)^2); (p, s) := (p - 0.1 * ∂E/∂p, s + stop(E)) }; "
        "(stop(p), s, rand())",
        "let t = zeros(3); for i in 0..3 { t[i] := i * 2 }; let r = {a: (1, 2)}; for i in 0..2 { r.a[i] := i }; (t, r)",
        "param w = 1; fn step() { let E = w^2; w := w - 0.1 * ∂E/∂w }; for i in 0..5 { step() }; w",
        "param w = 1; let f = fn(x) { let E = (w * x)^2; w := w - 0.1 * ∂E/∂w; stop(E) }; map(f, (1, 2, 3))",
        "let v = 1; v := { let u = 0; 1 }.x",
        "fn inner(q) { for i in 0..3 { q := q * 2 }; q }; param w = 1; for i in 0..2 { w := inner(stop(w)) + 1 }; w",
        "seed(1); let x = randn(8, 2); let (p, h) = train(dense(2, 1), mse, (x, x @ [[1], [2]]), epochs = 2, "
        "batch_size = 4, quiet = true); (p, h.loss, h.interrupted)",
    };
    static const visit look = {.texts = {"let zz = [1, 2]", "zz @ zz", "nosuch(", "for i in 0..3 { print(i) }"},
                               .go = GR_GO_ON};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        gr_buffer plain;
        gr_value v;
        gr_buffer_init(&plain, m.ctx);
        pausing.wanted = 0;
        if (machine_run(&m, programs[i]) == GR_OK && gr_answer(m.vm, &v)) gr_format_value(m.vm, &plain, v, NULL);
        else if (gr_vm_report(m.vm)->first) gr_buffer_puts(&plain, gr_vm_report(m.vm)->first->message);
        visits = &look;
        visit_count = 1;
        pausing.wanted = 1;
        paused = 0;
        machine_expect(&m, programs[i], plain.text);
        cr_expect(paused > 0 || i == 6, "%s is never held up", programs[i]);
        gr_buffer_free(&plain);
    }
}

Test(pause, a_line_changes_variables) {
    VISITS(FIT "fit(3, 0.25)", "(3, 3)", "0.5", {.texts = {"rate = 0.5", "rate"}, .go = GR_GO_ON},
           {.go = GR_GO_ON});
    VISITS(FIT "fit(3, 0.25)", "(0, 9)", "9", {.texts = {"w := 0", "let turns = 9", "turns"}, .go = GR_GO_STOP});
    VISITS("let c = 1; " LOOP "c", "5", "", {.texts = {"c = 5", "let made = 3"}, .go = GR_GO_ON},
           {.go = GR_GO_ON});
    machine_expect(&m, "made", "3");
    machine_expect(&m, "E", "`E` is not defined");
}

Test(pause, stop_keeps_what_was_reached) {
    VISITS(LOOP "w", "0.19999999999999996", "", {.go = GR_GO_ON}, {.go = GR_GO_STOP});
    VISITS(FIT "fit(3, 0.25)", "(2, 1)", "", {.go = GR_GO_ON}, {.go = GR_GO_STOP});
    /* the outermost loop of the function, or of the one that called */
    VISITS("let n = 0; for i in 0..3 { for j in 0..3 { n := n + 1 } }; n", "1", "", {.go = GR_GO_ON},
           {.go = GR_GO_STOP});
    VISITS("let n = 0; fn step() { let t = ones(4); n := n + 1; t }; for i in 0..9 { step() }; n", "2", "",
           {.go = GR_GO_ON}, {.go = GR_GO_ON}, {.go = GR_GO_STOP});
    /* one inside the right side of another update */
    VISITS("fn f() { let a = 0; a := if true { for i in 0..9 { a := a + 1 }; a + 10 } else { 0 }; a }; f()", "11",
           "", {.go = GR_GO_ON}, {.go = GR_GO_ON}, {.go = GR_GO_STOP});
    machine_expect(&m, "param q = 3; let E = q^2; ∂E/∂q", "6"); /* it still records */
    /* no loop, or one on the other side of C: the run ends */
    VISITS("let n = 0; map(fn(x) { n := n + 1; n }, (1, 2, 3))", "", "", {.go = GR_GO_ON}, {.go = GR_GO_STOP});
    machine_expect(&m, "n", "1");
    VISITS("let n = 0; let r = interruptible(fn() { for i in 0..9 { n := n + 1 } }); (n, r.interrupted)",
           "(1, true)", "", {.go = GR_GO_ON}, {.go = GR_GO_STOP});
}

Test(pause, inside_train) {
    const char *train = "let x = ones(4, 2); let (p, h) = train(dense(2, 1), mse, (x, ones(4, 1)), epochs = 9, "
                        "optimizer = sgd(lr = 0.1), quiet = true); (len(h.loss), h.interrupted)";
    VISITS(train, "(2, true)", "3; (4, 2); true",
           {.go = GR_GO_ON}, {.go = GR_GO_ON}, {.texts = {"epoch", "x.shape", "same(g, ∂E/∂p)"}, .go = GR_GO_STOP});
}

/* The names of the file that the function stands in are seen; what is new belongs to the prompt. */
Test(pause, inside_an_imported_file) {
    const char *folder = getenv("TMPDIR");
    char path[4096], text[5000];
    snprintf(path, sizeof path, "%s/gradus_pause_%ld.nn", folder ? folder : "/tmp", (long)getpid());
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs("let own = 7\nfn count(n) { let k = 0; while k < n { k := k + own }; k }\n", f);
    fclose(f);
    snprintf(text, sizeof text, "let other = 1; import \"%s\" as nets; nets.count(20)", path);
    VISITS(text, "21", "(7, 20, 0, 1); ", {.texts = {"(own, n, k, other)", "let fresh = 4"}, .go = GR_GO_ON}, {.go = GR_GO_ON});
    machine_expect(&m, "fresh", "4");
    machine_expect(&m, "own", "`own` is not defined");
    remove(path);
}

/* What is differentiated from outside, or run again later, is not looked at. */
Test(pause, not_inside_a_derivative) {
    VISITS("fn f(a) { param w = a; for i in 0..3 { w := w * a }; w }; f'(2)", "32", "", {.go = GR_GO_STOP});
    VISITS("checkpoint(fn(a) { let w = a; for i in 0..3 { w := w * a }; w })(2)", "16", "", {.go = GR_GO_STOP});
    cr_expect_eq(paused, 0);
}

Test(pause, tells_where) {
    tells_where = true;
    VISITS("fn fit(n) {\n  let k = 0\n  while k < n {\n    k := k + 1\n  }\n  k\n}\nfit(2)", "0",
           "paused at t:4, in front of\n    k := k + 1\nvariables: n k\n", {.go = GR_GO_STOP});
    tells_where = false;
}

Test(pause, exit_leaves) {
    visits = &(visit){.texts = {"exit(3)"}, .go = GR_GO_EXIT};
    visit_count = 1;
    pausing.wanted = 1;
    paused = 0;
    cr_expect_eq(machine_run(&m, LOOP), GR_EXITED);
    cr_expect_eq(gr_exit_status(m.vm), 3);
}

/* An interpreter gives back all that its pauses took. */
Test(pause, leaks_nothing) {
    ad_ctx *ctx = ad_new(NULL);
    size_t least = SIZE_MAX, before = 0;
    machine outer = m;
    gr_buffer_free(&seen);
    for (int turn = 0; turn < 5; turn++) {
        open_machine_in(ctx);
        VISITS(FIT "fit(3, 0.25)", "(8, 0)", "`n` is a param, which only `:=` can change; ; 3",
               {.texts = {"param w = [1, 2]", "let E = ones(50)", "param n = 7", "n = 3", "let w = 8; E = 1",
                          "let n = 3; fn g(x) = x * n; n"}, .go = GR_GO_STOP});
        gr_buffer_free(&seen);
        machine_shut(&m);
        size_t now = ad_mem_statistics(ctx).in_use;
        if (turn && now - before < least) least = now - before;
        before = now;
    }
    cr_expect_eq(least, 0, "%zu bytes", least);
    ad_free(ctx);
    m = outer;
    gr_buffer_init(&seen, m.ctx);
}
