/* SPDX-License-Identifier: MIT */
/* Builtins that run for long look at the interrupt flag while they do: it is raised at the first large
 * allocation inside of each, and the statement behind it must not be reached. (Calls and loops look too, so
 * that statement has neither.) */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGE = 1 << 20 };

static volatile sig_atomic_t *flag;
static bool armed;

static void *allocate(void *user, size_t bytes) {
    (void)user;
    if (armed && bytes >= LARGE) *flag = 1;
    return malloc(bytes);
}
static void release(void *user, void *block, size_t bytes) {
    (void)user, (void)bytes;
    free(block);
}

static void stops(const char *setup, const char *call) {
    machine m;
    char text[400];
    gr_value reached;
    armed = false;
    machine_open_in(&m, ad_new(&(ad_config){.allocate = allocate, .release = release}));
    flag = ad_interrupt_flag(m.ctx);
    cr_assert_eq(machine_run(&m, "let reached = 0"), GR_OK);
    cr_assert_eq(machine_run(&m, setup), GR_OK, "%s", setup);
    snprintf(text, sizeof text, "%s; reached = 1", call);
    armed = true;
    gr_status status = machine_run(&m, text);
    armed = false;
    cr_assert(gr_get_global(m.vm, "reached", &reached));
    cr_expect_eq(status, GR_INTERRUPTED, "%s", call);
    cr_expect_eq(reached.num, 0, "%s was not stopped", call);
    *flag = 0;
    machine_expect(&m, "reached + 1", "1");
    machine_close(&m);
}

#define NUMBERS "let t = (for i in 0..300_000: sin(i))"
#define TEXT "let s = join((for i in 0..300_000: \"ab{i % 7} \"))"

Test(interrupt, tuples) {
    stops(NUMBERS, "sort(t)");
    stops(NUMBERS, "unique(t)");
    stops(NUMBERS, "tensor(t)");
    stops(NUMBERS, "zip(t, t)");
    stops(NUMBERS, "enumerate(t)");
    stops(NUMBERS, "map(fn(x) = x, t)");
    stops(NUMBERS, "t + t");
    stops(NUMBERS, "map_leaves(fn(x) = x, t)");
    stops("let x = ones(1000); let n = 0",
          "gradcheck(fn(x) { n := n + 1; if n == 9 { zeros(200_000) }; sum(x^2) }, x)");
    stops("let x = ones(300_000)", "gradcheck(fn(x) = sum(x^2), x)");
    stops(NUMBERS, "filter(fn(x) = x > 0, t)");
}
Test(interrupt, texts) {
    stops(TEXT, "split(s, \" \")");
    stops(TEXT, "split(s)");
    stops(TEXT, "chars(s)");
    stops(TEXT, "upper(s)");
    stops(TEXT, "replace(s, \"a\", \"xy\")");
    stops(TEXT, "match_all(s, \"[a-z]+\")");
    stops(NUMBERS, "join(t, \" \")");
    stops(NUMBERS, "str(t)");
    stops(NUMBERS, "to_json(t)");
    stops("let s = to_json((for i in 0..300_000: {a: i}))", "parse_json(s)");
}
#define TABLE \
    "let d = env(\"TMPDIR\"); let f = (if d == nil { \"/tmp\" } else { d }) ++ \"/gradus_interrupt.csv\"\n" \
    "write_csv(f, {a: arange(300_000), b: ones(300_000)})"

Test(interrupt, tables) {
    stops(TABLE, "read_csv(f)");
    stops(TABLE, "write_csv(f, {a: ones(900_000)})");
    stops(TABLE, "write_csv(f, ones(900_000, 2))");
}
Test(interrupt, tensors) {
    stops("let x = randn(300_000)", "sort(x)");
    stops("let x = randn(300_000)", "unique(x)");
    stops("let x = randn(300_000)", "argsort(x)");
    stops("let x = ones(300_000)", "nonzero(x)");
    stops("let x = ones(300_000)", "close(flip(x), 1)");
    stops("let x = ones(400, 400); let b = ones(400, 400)", "solve(x + 400 * eye(400), b)");
}
Test(interrupt, pictures) {
    stops("let y = randn(300_000)", "plot(y)");
    stops("let y = randn(300_000)", "plot(y, y, points = true)");
    stops(NUMBERS, "plot(t)");
    stops("let y = randn(300_000)", "hist(y)");
    stops("let y = ones(600, 600, dtype = \"f32\")", "heatmap(y)");
}
