/* SPDX-License-Identifier: MIT */
/* What the prompt shows of a value, and the form that reads back. */
#include "structure.h"
#include "vm.h"

#include <stdio.h>

static machine m;
static void open_machine(void) { machine_open(&m); }
static void close_machine(void) { machine_close(&m); }
TestSuite(format_echo, .init = open_machine, .fini = close_machine);

static void expect_echo(const char *program, unsigned width, const char *wanted) {
    gr_buffer out;
    gr_value v;
    gr_buffer_init(&out, m.ctx);
    cr_assert(machine_run(&m, program) == GR_OK && gr_answer(m.vm, &v), "%s", program);
    gr_format_echo(m.vm, &out, v, width);
    cr_expect_str_eq(out.text, wanted, "%s\n  is shown as\n%s\n  not as\n%s", program, out.text, wanted);
    gr_buffer_free(&out);
}

Test(format_echo, single_values) {
    expect_echo("0.1 + 0.2", 80, "0.30000000000000004");
    expect_echo("\"a\\n\"", 80, "\"a\\n\"");
    expect_echo("[1, 2]", 80, "tensor [2] f64\n[1, 2]");
    expect_echo("f32([[1], [2]]) > 1", 80, "tensor [2, 1] bool\n[[false],\n [ true]]");
    expect_echo("## Half of x.\n## More.\nfn half(x, by = 2) = x / by\nhalf", 80,
                "fn half(x, by = 2)\n  Half of x.");
    expect_echo("fn(t) = t", 80, "fn(t)");
}

Test(format_echo, tracked) {
    const char *all = "param W = [1, 2]\nparam b = 3\nparam p = {a: 1, b: (2, 3)}\nparam idle = 1\n"
                      "let E = sum(W * b) + 1\nlet F = p.b[0] * b\n";
    char text[400];
#define AFTER(expression) (snprintf(text, sizeof text, "%s%s", all, expression), text)
    expect_echo(AFTER("E"), 80, "E = 10   tracked, 3 operations, ∂ reaches W b");
    expect_echo(AFTER("2 * E"), 80, "20   tracked, 4 operations, ∂ reaches W b");
    expect_echo(AFTER("F"), 80, "F = 6   tracked, 1 operation, ∂ reaches b p (1 of 3 leaves)");
    expect_echo(AFTER("b"), 80, "b = 3   param");
    expect_echo(AFTER("W"), 80, "tensor [2] f64, param\n[1, 2]");
    expect_echo(AFTER("W * b"), 80, "tensor [2] f64, tracked, 1 operation, ∂ reaches W b\n[3, 6]");
    expect_echo(AFTER("p"), 80, "{a: 1, b: (2, 3)}   param");
    expect_echo(AFTER("(E, 1)"), 80, "(10, 1)   1 tracked");
    expect_echo(AFTER("stop(E)"), 80, "10");
    expect_echo(AFTER("fn f() { param q = 2\n q * b }\nf()"), 80,
                "6   tracked, 1 operation, ∂ reaches b and 1 more");
}

/* As wide as the window, and never much higher than a screen. */
Test(format_echo, fitted) {
    expect_echo("reshape(arange(40), (2, 20))", 30,
                "tensor [2, 20] f64\n[[ 0,  1,  2, …, 17, 18, 19],\n [20, 21, 22, …, 37, 38, 39]]");
    expect_echo("arange(1000)", 20, "tensor [1000] f64\n[  0,   1,   2,   3,\n   4,   5,   6,   7,\n   8,"
                                    "   9,  10,  11,\n …,\n 988, 989, 990, 991,\n 992, 993, 994, 995,\n"
                                    " 996, 997, 998, 999]");
    for (unsigned rank = 1; rank <= 4; rank++) {
        char program[80];
        gr_buffer out;
        gr_value v;
        size_t lines = 1;
        gr_buffer_init(&out, m.ctx);
        snprintf(program, sizeof program, "randn(%s)", &"30, 30, 30, 30"[4 * (4 - rank)]);
        cr_assert(machine_run(&m, program) == GR_OK && gr_answer(m.vm, &v));
        gr_format_echo(m.vm, &out, v, 60);
        for (char *line = out.text, *end; line; line = end ? end + 1 : NULL, lines += line != NULL) {
            end = strchr(line, '\n');
            cr_expect_leq(gr_text_width(line, end ? (size_t)(end - line) : strlen(line)), 60);
        }
        cr_expect_leq(lines, rank < 4 ? 40 : 160, "%zu lines of rank %u", lines, rank);
        gr_buffer_free(&out);
    }
}

Test(format_echo, structures) {
    expect_echo("(1, \"a\", nil)", 80, "(1, \"a\", nil)");
    expect_echo("{name: \"first\", next: {W: [[1, 2], [3, 4]], b: 0}}", 20,
                "{\n  name: \"first\",\n  next: {\n    W: [[1, 2],\n        [3, 4]],\n    b: 0\n  }\n}");
    expect_echo("(for i in 0..100: i)", 60,
                "tuple of 100\n(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 80 more …, 90,\n 91, 92, 93, 94, 95, 96,"
                " 97, 98, 99)");
    expect_echo("{params: ({W: zeros(8, 8), b: ones(8)}, {W: eye(8)}), name: \"net\", f: sin, none: ()}", 60,
                "record, 6 leaves, 136 numbers\n"
                "  params[0].W   [8, 8] f64   0 0 0 0 0 0 0 0 …\n"
                "  params[0].b   [8] f64      1 1 1 1 1 1 1 1\n"
                "  params[1].W   [8, 8] f64   1 0 0 0 0 0 0 0 …\n"
                "  name          string       \"net\"\n"
                "  f             function     fn sin(x)\n"
                "  none          empty        ()");
}

/* The written form makes the same value again, to the last bit and kind. */
/* A long text by its ends, cut between characters. */
Test(format_echo, long_texts) {
    expect_echo("let t = \"\"\nfor i in 0..32 { t = t ++ \"aé\\n☃d\" }\nt[..159] ++ \"z\"", 10,
                "\"aé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃d"
                "aé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃d"
                "aé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃z\"");
    expect_echo("let t = \"\"\nfor i in 0..33 { t = t ++ \"aé\\n☃d\" }\nt", 10,
                "\"aé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃daé\\n☃d"
                "aé\\n☃daé\\n☃d … aé\\n☃daé\\n☃daé\\n☃daé\\n☃d\"\n  string of 165 characters");
}

/* Of many leaves the first and the last. */
Test(format_echo, long_tables) {
    gr_buffer out;
    gr_value v;
    gr_buffer_init(&out, m.ctx);
    const char *program = "let r = {}\nfor i in 0..60 { r[\"f{i}\"] = ones(i + 1) }\nr[\"z\"] = \"end\"\nr";
    cr_assert(machine_run(&m, program) == GR_OK && gr_answer(m.vm, &v));
    gr_format_echo(m.vm, &out, v, 80);
    size_t lines = 1;
    for (const char *p = out.text; (p = strchr(p, '\n')); p++) lines++;
    cr_expect_eq(lines, 41, "%zu lines:\n%s", lines, out.text);
    cr_expect(strstr(out.text, "record, 61 leaves, 1830 numbers\n  f0    [1] f64    1\n"), "%s", out.text);
    cr_expect(strstr(out.text, "\n  f32   [33] f64   "), "%s", out.text);
    cr_expect(strstr(out.text, "\n  … 22 more …\n  f55   [56] f64   "), "%s", out.text);
    cr_expect(strstr(out.text, "\n  z     string     \"end\""), "%s", out.text);
    gr_buffer_free(&out);
}

Test(format_echo, source_reads_back) {
    static const char *const values[] = {
        "0.1 + 0.2", "-0.0", "1e-320", "nan", "(inf, -inf)", "true", "nil", "()", "(1,)", "{}",
        "\"q\\\"\\\\\\n\\t\\{x}\\u{1}é한\"", "[1, 2.5, nan]", "f32([0.1, 1e-40])", "[[true], [false]]",
        "zeros(0, 3)", "[]", "f32(zeros(2, 0))", "zeros(0, 2, dtype = \"bool\")",
        "{in: 1, c: (2, {x: [1]})}",
        "let r = {a: 1}\nr[\"two words\"] = (2, [1])\nr[\"é\"] = r\nr[\"\"] = 3\nr", "1..9 by 2", "(-1..3, 0.5..2)",
        "randn(3, 4, 5)", "arange(3000)", "(for i in 0..2000: i / 7)", "[[[[1]]]]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        gr_buffer source, again;
        gr_value v, back;
        bool same = false;
        gr_buffer_init(&source, m.ctx);
        gr_buffer_init(&again, m.ctx);
        cr_assert(machine_run(&m, values[i]) == GR_OK && gr_answer(m.vm, &v), "%s", values[i]);
        v = gr_retain(m.vm, v);
        cr_expect(gr_format_source(m.vm, &source, v), "%s", values[i]);
        cr_assert(machine_run(&m, source.text) == GR_OK && gr_answer(m.vm, &back), "%s gives %s",
                  values[i], source.text);
        cr_expect(gr_same(m.vm, v, back, &same) && same, "%s gives %s", values[i], source.text);
        cr_expect(gr_format_source(m.vm, &again, back));
        cr_expect_str_eq(again.text, source.text);
        gr_release(m.vm, v);
        gr_buffer_free(&source);
        gr_buffer_free(&again);
    }
}

Test(format_echo, what_has_no_source) {
    static const char *const values[] = {"sin", "(1, fn(x) = x)", "plot([1, 2])", "{a: plot}"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        gr_buffer source;
        gr_value v;
        gr_buffer_init(&source, m.ctx);
        cr_assert(machine_run(&m, values[i]) == GR_OK && gr_answer(m.vm, &v));
        cr_expect_not(gr_format_source(m.vm, &source, v), "%s", values[i]);
        gr_buffer_free(&source);
    }
}
