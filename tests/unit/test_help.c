/* SPDX-License-Identifier: MIT */
/* What can be asked of names. */
#include "help.h"
#include "vm.h"

#include <stdio.h>

MACHINE_WITH_TEXT(help);

static const char *told(void) { return out.text && out.size ? out.text : ""; }

static const char *name_of(const char *name) {
    gr_buffer_clear(&out);
    gr_help_name(m.vm, &out, name, strlen(name));
    return told();
}
static const char *search_for(const char *words, unsigned width) {
    gr_buffer_clear(&out);
    gr_help_search(m.vm, &out, words, strlen(words), width);
    return told();
}
static const char *source_of(const char *name) {
    gr_buffer_clear(&out);
    gr_help_source(m.vm, &out, name, strlen(name));
    return told();
}
static const char *type_of(const char *expression) {
    gr_buffer_clear(&out);
    gr_help_type(m.vm, &out, expression, strlen(expression));
    return told();
}

static void run(const char *program) { cr_assert_eq(machine_run(&m, program), GR_OK, "%s", program); }

static void has(const char *text, const char *part) {
    cr_expect(strstr(text, part), "no «%s» in\n%s", part, text);
}

Test(help, names) {
    cr_expect_str_eq(name_of("sin"), "fn sin(x)\nthe sine of x radians\n∂/∂x  cos(x)\n");
    has(name_of(" swish() \n"), "fn swish(z)\nSwish, or SiLU");
    has(told(), "(activations.nn:");
    has(name_of("prelude.swish"), "fn swish(z)");
    has(name_of("plot"), "a picture of curves");
    has(name_of(":="), "without recording");
    has(name_of("∂"), "the derivative of a tracked value");
    has(name_of("else"), "if c { a } else { b }");
    run("## Twice.\nfn double(x) = 2 * x\nlet r = {f: double, W: [1, 2]}\nlet n = 3");
    has(name_of("double"), "fn double(x)\nTwice.\n(t:2;");
    has(name_of("r.f"), "fn double(x)");
    has(name_of("r.W"), "tensor [2] f64\n[1, 2]\n");
    cr_expect_str_eq(name_of("n"), "a number\n3\n");
    run("fn swish(z) = z");
    has(name_of("swish"), "fn swish(z)\n(t:1;");
    has(name_of("prelude.swish"), "Swish, or SiLU");
}

/* What is typed with more behind it, and what is no name. */
Test(help, parts_and_topics) {
    has(name_of("tanh(3)"), "fn tanh(x)");
    has(name_of("print("), "fn print(");
    has(name_of("sin''"), "fn sin(x)");
    has(name_of("∂E/∂W"), "∂\nthe derivative of a tracked value");
    has(name_of("∇f"), "∇\nthe gradient of a function");
    has(name_of("x.T"), ".T\nthe transpose");
    has(name_of(";"), ";\nseparates statements");
    has(name_of(":save"), ":save\n:save file: a script");
    has(name_of(":sav"), "There is no `:sav`. The nearest is `:save`.");
    has(name_of("**"), "powers are written x^2");
    has(name_of("nosuch(3)"), "There is no `nosuch(3)`.");
    has(name_of("(("), "There is no `((`.");
    run("let why = [1, 2]");
    has(name_of("why"), "tensor [2] f64");
}

/* Is a word of this topic a name of the prelude too? */
static void look_up(void *user, const gr_entry *e) {
    gr_value v;
    (void)user;
    for (size_t i = 0, n; i < e->name_size; i += n + 1) {
        n = 0;
        while (i + n < e->name_size && e->name[i + n] != ' ') n++;
        cr_expect(!gr_help_lookup(m.vm, e->name + i, n, &v), "%.*s", (int)n, e->name + i);
    }
}

Test(help, topics_hide_no_names) { gr_each_topic(look_up, NULL); }

Test(help, unknown_names) {
    has(name_of("sigmod"), "There is no `sigmod`. The nearest is `sigmoid`.");
    has(name_of("r.x"), "There is no `r.x`.");
    has(name_of("rate"), "There is no `rate`."); /* and what a search finds */
    has(told(), "warmup(lr, steps)");
    name_of("");
    name_of("..");
    has(name_of("sin.x"), "There is no");
}

/* The name itself first, then names that begin so, then what is said. */
Test(help, search) {
    has(search_for("tanh", 80), "  tanh(x)");
    cr_expect_eq(strncmp(told(), "  tanh(x)", 9), 0, "%s", told());
    cr_expect(strstr(told(), "atanh") > strstr(told(), "tanh(x)"));
    has(search_for("singular matrix", 80), "inv(a)");
    has(search_for("MATRIX Inverse", 80), "inv(a)");
    has(search_for("zebra matrix", 80), "matrix"); /* nothing has both: one is enough */
    cr_expect_str_eq(search_for("zebra", 80), "Nothing is said of `zebra`.\n");
    cr_expect_str_eq(search_for("", 80), "Nothing is said of ``.\n");
    run("## Turns a zebra round.\nfn turn(z, by = 2) = z");
    cr_expect_str_eq(search_for("zebra", 80), "  turn(z, by = 2)               Turns a zebra round.\n");
}

Test(help, search_fits_the_window) {
    for (unsigned width = 30; width <= 120; width += 15) {
        search_for("a", width);
        for (const char *line = told(); *line; line += strcspn(line, "\n") + 1)
            cr_expect_leq(gr_text_width(line, strcspn(line, "\n")), width);
    }
}

Test(help, source) {
    run("let z = 1\n## Twice.\nfn double(x) {\n  2 * x\n}\nlet f = fn(x) = double(x) + 1");
    cr_expect_str_eq(source_of("double"), "# t:3\n## Twice.\nfn double(x) {\n  2 * x\n}\n");
    has(source_of("f"), "fn(x) = double(x) + 1");
    has(source_of("swish"), "\nfn swish(z) = z");
    has(source_of("sin"), "is built in");
    has(source_of("z"), "`z` is no function but a number.");
    has(source_of("nope"), "There is no `nope`.");
}

Test(help, types) {
    run("param W = zeros(2, 3)\nlet r = {W, f: sin, n: (1, \"a\")}\n7");
    cr_expect_str_eq(type_of("W"), "tensor [2, 3] f64, param\n");
    cr_expect_str_eq(type_of("r.W"), "tensor [2, 3] f64, param\n");
    cr_expect_str_eq(type_of("r"), "record {W: [2, 3] f64, f: function, n: (number, string)}, param\n");
    cr_expect_str_eq(type_of("(sum(W), nil)"), "tuple (number, nil), 1 tracked\n");
    cr_expect_str_eq(type_of("let q = 1"), "That is a statement: it has no value.\n");
    cr_expect_str_eq(type_of("plot([1, 2])"), "picture\n");
    cr_expect_str_eq(type_of("1 +"), "");
    cr_expect_not_null(gr_vm_report(m.vm)->first);
}

/* Where the shape rules know, nothing is run. */
Test(help, types_by_rules) {
    run("param W = zeros(2, 3)\nparam b = 1\nlet c = stop(W)\nlet r = {W}\n7");
    cr_expect_str_eq(type_of("W @ W.T + b"), "tensor [2, 2] f64, from tracked W b; nothing was evaluated\n");
    cr_expect_str_eq(type_of("r.W * c"), "tensor [2, 3] f64, from tracked r; nothing was evaluated\n");
    cr_expect_str_eq(type_of("f32([1, 2])"), "tensor [2] f32; nothing was evaluated\n");
    cr_expect_str_eq(type_of("c > 0"), "tensor [2, 3] bool; nothing was evaluated\n");
    cr_expect_str_eq(type_of("zeros(100000, 100000)"), "tensor [100000, 100000] f64; nothing was evaluated\n");
    has(type_of("W @ W"), "multiplies [2, 3] by [2, 3]");
    run("fn f(x) = if sum(x) > 0 { x } else { (x, 1) }");
    cr_expect_str_eq(type_of("f(c)"), "tuple ([2, 3] f64, number)\n"); /* depends on a value */
}

/* An evaluation leaves nothing behind: no print, no random number, the old `ans`. */
Test(help, type_leaves_no_trace) {
    gr_value ans, a, b;
    run("seed(3)\nlet first = rand()");
    run("seed(3)\n42");
    cr_expect_str_eq(type_of("print(\"x\", rand(10))"), "nil\n");
    cr_expect_eq(m.printed.size, 0);
    cr_assert(gr_get_global(m.vm, "ans", &ans));
    cr_expect_eq(ans.num, 42);
    run("let second = rand()");
    cr_assert(gr_get_global(m.vm, "first", &a) && gr_get_global(m.vm, "second", &b));
    cr_expect_eq(a.num, b.num);
}
