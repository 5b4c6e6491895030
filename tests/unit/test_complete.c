/* SPDX-License-Identifier: MIT */
/*
 * What TAB offers at the end of a text, what a text looks like, how far lines are indented: without a
 * terminal. Candidates are compared as a whole, so that none is missing and none too many.
 */
#include "vm.h"

#include "assist.h"

static const char setup[] = "let alpha1 = 1; let alpha2 = [1, 2]; let r = {deep: {inner: (1, {last: 2})}, in: 3}\n"
                            "fn mine(first, second = \"a, b\", ...rest) = first\n"
                            "let boxed = {fit: mine}; r[\"not a name\"] = 1";

static const gr_command_row commands[] = {{":load", GR_TAKES_FILE, NULL},
                                          {":quit", GR_TAKES_NOTHING, NULL},
                                          {":set", GR_TAKES_WORDS, "digits dtype nan"},
                                          {":time", GR_TAKES_EXPRESSION, NULL},
                                          {0, GR_TAKES_NOTHING, NULL}};

static void open_with_setup(machine *m) {
    machine_open(m);
    m->flags = GR_RUN_PROMPT;
    cr_assert_eq(machine_run(m, setup), GR_OK);
}

/* "from the cursor back so many bytes: candidate|candidate; note" */
static void expect(machine *m, const char *text, const char *wanted) {
    gr_assist assist = {m->vm, commands};
    gr_completion c;
    gr_buffer out;
    size_t size = strlen(text);
    gr_buffer_init(&out, m->ctx);
    gr_completion_init(&c, m->ctx);
    gr_complete(&assist, text, size, size, &c);
    cr_assert_leq(c.begin, size);
    for (size_t i = 0; i < c.count; i++)
        gr_buffer_printf(&out, "%s%s", i ? "|" : "", c.items[i].text);
    if (c.count) gr_buffer_printf(&out, "%s for `%s`", c.ending, text + c.begin);
    if (c.note) gr_buffer_printf(&out, "; %s", c.note);
    cr_expect_str_eq(out.size ? out.text : "", wanted, "%s\n  offers %s\n  not    %s", text,
                     out.size ? out.text : "nothing", wanted);
    gr_completion_free(&c);
    gr_buffer_free(&out);
}

#define COMPLETIONS(...)                                                                           \
    do {                                                                                           \
        machine m;                                                                                 \
        const example all[] = {__VA_ARGS__};                                                       \
        open_with_setup(&m);                                                                       \
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)                                      \
            expect(&m, all[i].text, all[i].wanted);                                                \
        machine_close(&m);                                                                         \
    } while (0)

Test(complete, names) {
    COMPLETIONS({"1 + alpha", "alpha1|alpha2 for `alpha`"}, {"let alphabet = 1; alphab", "alphabet for `alphab`"},
                {"layer_n", "layer_norm for `layer_n`"}, {"whi", "while for `whi`"}, {"\"{alp", "alpha1|alpha2 for `alp`"},
                {"prelude.layer_n", "layer_norm for `layer_n`"}, {"# alp", ""}, {"no_such_thing_anywhere", ""},
                {"1 + ", "alpha1|alpha2|boxed|mine|r for ``"});
}

Test(complete, fields) {
    COMPLETIONS({"r.", "deep|in for ``"}, {"r.deep.in", "inner for `in`"}, {"r.deep.inner[1].", "last for ``"},
                {"alpha2.", "T|dtype|shape for ``"}, {"alpha2.sh", "shape for `sh`"}, {"r.i", "in for `i`"},
                {"mine(r).", ""}, {"unknown.", ""}, {"r.deep.inner[7].", ""}, {"alpha1.", ""});
}

Test(complete, arguments) {
    COMPLETIONS({"mine(", "first = |second =  for ``; fn mine(first, second = \"a, b\", ...rest)"},
                {"mine(1, se", "second =  for `se`"}, {"mine(second = 1, fi", "first =  for `fi`"},
                {"mine(second = 1, se", "seed|selu|sequential for `se`"},
                {"boxed.fit(1, sec", "second =  for `sec`"}, {"adamw(weight", "weight_decay =  for `weight`"},
                {"sum(alpha2, ke", "keep =  for `ke`"}, {"mine (fir", ""}, {"mine((1, sec", ""});
}

Test(complete, spellings) {
    COMPLETIONS({"\\partial", "∂ for `\\partial`"}, {"x\\_1", "₁ for `\\_1`"}, {"\\varr", "ϱ for `\\varr`"},
                {"\\Lef", "\\Leftarrow|\\Leftrightarrow for `\\Lef`"}, {"\\le", "≤ for `\\le`"},
                {"\\σ", "σ for `\\σ`; σ is typed \\sigma and TAB"}, {"\\≤", "≤ for `\\≤`; ≤ is typed \\le and TAB"},
                {"\\nothing_of_the_kind", ""});
}

Test(complete, commands) {
    COMPLETIONS({":", ":load |:quit|:set |:time  for `:`"}, {":q", ":quit for `:q`"}, {":set d", "digits|dtype for `d`"},
                {":time alpha", "alpha1|alpha2 for `alpha`"}, {"?layer_n", "layer_norm for `layer_n`"},
                {":quit al", ""}, {":unknown al", ""});
}

Test(complete, runs_nothing) {
    machine m;
    machine_open(&m);
    cr_assert_eq(machine_run(&m, "let n = 0\nfn f(x) { n += 1\nprint(x)\n{field: 1} }\n"), GR_OK);
    expect(&m, "f(1).fi", "");
    expect(&m, "f(1)[0].", "");
    machine_expect(&m, "n", "0");
    cr_expect_eq(m.printed.size, 0);
    machine_close(&m);
}

/* ---- looks ------------------------------------------------------------------------------------ */

static void expect_paint(machine *m, const char *text, size_t cursor, const char *wanted) {
    static const char letters[GR_PAINTS + 1] = ".kns#cd:!p";
    gr_assist assist = {m->vm, commands};
    uint8_t classes[256] = {0};
    char got[256] = "";
    size_t size = strlen(text);
    gr_paint_text(&assist, text, size, cursor, classes);
    for (size_t i = 0; i < size; i++) got[i] = letters[classes[i]];
    cr_expect_str_eq(got, wanted, "%s\n%s\n%s", text, got, wanted);
}

Test(complete, paint) {
    machine m;
    machine_open(&m);
    expect_paint(&m, "let f = sin(2) # x", 99, "kkk.....ccc.n..###");
    expect_paint(&m, "\"a{f(1)}b\" ++ \"c", 99, "sssc.n.sss....ss");
    expect_paint(&m, "f'(x)", 99, ".d...");
    expect_paint(&m, "(a]", 99, "..!");
    expect_paint(&m, "([a])", 5, "p...p");
    expect_paint(&m, "([a])", 1, ".p.p.");
    expect_paint(&m, ":time f(1)", 99, ":::::.c.n.");
    expect_paint(&m, "\"{1", 99, "ssn");
    expect_paint(&m, "\"{1\n2", 99, "ssn.n");
    machine_close(&m);
}

Test(complete, incomplete) {
    machine m;
    machine_open(&m);
    gr_assist assist = {m.vm, commands};
    static const char *const whole[] = {"1 + 2", "let x = (1)", "f(", ":load (", "?(", "1 +", "\"abc", "fn f() {\n}", ")", ""};
    static const bool needs[] = {false, false, true, false, false, true, false, false, false, false};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        cr_expect_eq(gr_is_incomplete(&assist, whole[i], strlen(whole[i])), needs[i], "%s", whole[i]);
    machine_close(&m);
}

Test(complete, indentation) {
    machine m;
    machine_open(&m);
    gr_assist assist = {m.vm, commands};
    static const struct {
        const char *text;
        unsigned blanks;
    } all[] = {{"f(", 2},         {"fn f() {\n  if x {", 4}, {"fn f() {\n  if x {\n    y\n  }", 2}, {"let x =", 2},
               {"let x =\n  1 +", 2}, {"  1", 2},           {"\"\"\"abc\n  d", 0},              {"f(a, (b)", 2}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cr_expect_eq(gr_indentation(&assist, all[i].text, strlen(all[i].text)), all[i].blanks, "%s gives %u",
                     all[i].text, gr_indentation(&assist, all[i].text, strlen(all[i].text)));
    machine_close(&m);
}
