/* SPDX-License-Identifier: MIT */
/* What a file promises: which lines are examples, which are output, and how output is written back. */
#include "front.h"
#include "testing_text.h"

typedef struct found {
    front front;
    gr_arena arena;
    gr_promises promises;
} found;

static void look(found *f, const char *text) {
    front_open(&f->front);
    cr_assert_eq(front_parse(&f->front, text), GR_PARSE_OK, "%s", text);
    gr_arena_init(&f->arena, f->front.ctx);
    cr_assert(gr_find_promises(&f->arena, f->front.ast, &f->promises));
}

static void leave(found *f) {
    gr_arena_free(&f->arena);
    front_close(&f->front);
}

/* All examples as "code=want;", all output as "line:text|" ("!" where it is misplaced). */
static void expect(const char *text, const char *examples, const char *outputs) {
    found f;
    look(&f, text);
    gr_buffer *out = &f.front.out;
    const char *bytes = f.front.source->text;
    for (uint32_t i = 0; i < f.promises.example_count; i++) {
        gr_example e = f.promises.examples[i];
        gr_buffer_printf(out, "%.*s=%.*s;", (int)(e.code.end - e.code.begin), bytes + e.code.begin,
                         (int)(e.want.end - e.want.begin), bytes + e.want.begin);
    }
    cr_expect_str_eq(out->text ? out->text : "", examples, "%s\ngives %s", text, out->text);
    gr_buffer_clear(out);
    for (uint32_t i = 0; i < f.promises.output_count; i++) {
        const gr_promise *p = &f.promises.outputs[i];
        gr_buffer_printf(out, "%u%s:", gr_source_line(f.front.source, p->lines.begin),
                         p->misplaced ? "!" : "");
        gr_promised_text(out, f.front.source, p);
    }
    if (!out->text) gr_buffer_puts(out, "");
    for (size_t i = 0; i < out->size; i++)
        if (out->text[i] == '\n') out->text[i] = '|';
    cr_expect_str_eq(out->size ? out->text : "", outputs, "%s\ngives %s", text, out->text);
    leave(&f);
}

Test(testing_text, examples_are_indented_lines_of_documentation) {
    expect("## Text.\n##     f(1)  # 2\n##     f(\"#\")  # 3  why\nfn f(x) = x\n",
           "f(1)=2;f(\"#\")=3  why;", "");
    expect("##     let a = 1\n##     a  # 1\n##\n##     no promise\nfn f(x) = x\n", "let a = 1=;a=1;", "");
    expect("## f(1) # 2\n#     f(1)  # 2\nlet x = 1  ##     f(1)  # 2\n", "", "");
    expect("fn g() {\n  ##     f(1)  # 2\n  1 }\nlet s = \"\"\"\n##     f(1)  # 2\n\"\"\"\n", "", "");
    expect("##     a  # 1\n\n##     b\nlet x = 1\n", "a=1;", "");
}

Test(testing_text, output_stands_between_statements) {
    expect("print(1)\n#> 1\n#>\n#>  2\nprint(3)\n  #> 3\n", "", "2:1|| 2|6:3|");
    expect("#> 0\nprint(1) #> 1\nif true {\n  #> 2\n}\n#> 3", "", "1:0|2!:1|4!:2|6:3|");
    expect("let s = \"\"\"\n#> 1\n\"\"\"\n# > 2\n## > 3\n", "", "");
    expect("print(1)\r\n#> 1\r\n", "", "2:1|");
}

Test(testing_text, output_is_written_back) {
    const struct { const char *output, *want; } cases[] = {
        {"a\nb\n", "  #> a\n  #> b"}, {"a", "  #> a"}, {"\n\nx\n", "  #>\n  #>\n  #> x"}, {"", ""}};
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_buffer_clear(&f.out);
        gr_buffer_puts(&f.out, "");
        gr_put_promise(&f.out, "  ", 2, (gr_text){cases[i].output, (uint32_t)strlen(cases[i].output)});
        cr_expect_eq(f.out.size, strlen(cases[i].want));
        cr_expect(memcmp(f.out.text, cases[i].want, f.out.size) == 0, "%.*s", (int)f.out.size, f.out.text);
    }
    front_close(&f);
}
