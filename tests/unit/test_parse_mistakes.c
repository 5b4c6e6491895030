/* SPDX-License-Identifier: MIT */
/* The parser on wrong and on large input: habits of other languages and plain mistakes with their
 * places and hints, going on behind a mistake, limits, and memory that runs out. */
#include "front.h"

#include <time.h>

/* ---- errors ------------------------------------------------------------------------------- */

static bool has_help(const gr_diagnostic *d, const char *text) {
    for (const gr_remark *r = d->remarks; r; r = r->next) {
        if (r->kind == GR_REMARK_HELP && strstr(r->text, text)) return true;
    }
    return false;
}

typedef struct mistake {
    const char *text;
    gr_diagnostic_id id;
    const char *at;   /* what is underlined: the first place of this text, or "@begin,end" */
    const char *help; /* part of a help line, or NULL */
} mistake;

/* Exactly one error, of this kind, at this place, with this hint. */
static void check_mistake(front *f, const mistake *m) {
    gr_parse_status status = front_parse(f, m->text);
    cr_expect_eq(status, GR_PARSE_ERROR, "%s is accepted", m->text);
    const gr_diagnostic *d = f->report.first;
    if (!d) return;
    f->out.size = 0;
    gr_render_report(&f->out, &f->report, NULL);
    cr_expect_eq(f->report.error_count, 1, "more than one error:\n%s", f->out.text);
    cr_expect_eq(d->id, m->id, "%s is not %s:\n%s", gr_diagnostic_slug(d->id),
                 gr_diagnostic_slug(m->id), f->out.text);
    uint32_t begin, end;
    if (sscanf(m->at, "@%u,%u", &begin, &end) != 2) {
        begin = (uint32_t)(strstr(m->text, m->at) - m->text);
        end = begin + (uint32_t)strlen(m->at);
    }
    cr_expect(d->primary.span.begin == begin && d->primary.span.end == end,
              "%u..%u is underlined, not %u..%u:\n%s", d->primary.span.begin, d->primary.span.end,
              begin, end, f->out.text);
    if (m->help) cr_expect(has_help(d, m->help), "no help `%s`:\n%s", m->help, f->out.text);
}

/* Every `code` behind "write" in a help line parses. */
static void check_hints(front *f, const mistake *m) {
    char codes[8][256];
    int count = 0;
    front_parse(f, m->text);
    for (const gr_diagnostic *d = f->report.first; d; d = d->next) {
        for (const gr_remark *r = d->remarks; r; r = r->next) {
            const char *open =
                r->kind == GR_REMARK_HELP && !strncmp(r->text, "write `", 7) ? r->text + 7 : NULL;
            const char *close = open ? strrchr(open, '`') : NULL;
            bool single = close && !close[1] && !memchr(open, '`', (size_t)(close - open));
            if (single && count < 8) {
                snprintf(codes[count++], 256, "%.*s", (int)(close - open), open);
            }
        }
    }
    for (int i = 0; i < count; i++) {
        bool fragment = !strcmp(codes[i], "else if") || strchr(codes[i], ';') ||
                        strstr(codes[i], ".3f") || !strcmp(codes[i], "\"\"\"");
        if (!fragment) cr_expect_eq(front_parse(f, codes[i]), GR_PARSE_OK, "%s", codes[i]);
    }
}

static void check_mistakes(const mistake *rows, size_t count) {
    front f;
    front_open(&f);
    for (size_t i = 0; i < count; i++) {
        check_mistake(&f, &rows[i]);
        check_hints(&f, &rows[i]);
    }
    front_close(&f);
}

#define CHECK_MISTAKES(...)                                                                        \
    do {                                                                                           \
        static const mistake rows[] = {__VA_ARGS__};                                               \
        check_mistakes(rows, sizeof rows / sizeof *rows);                                          \
    } while (0)

#define HABIT GR_E_foreign_habit

Test(parse_mistakes, habits_operators) {
    CHECK_MISTAKES(
        {"x ** 2 + 1", HABIT, "**", "`x ^ 2`"}, {"a && b", HABIT, "&&", "`a and b`"},
        {"a || b", HABIT, "||", "`a or b`"}, {"a & b", HABIT, "&", "`a and b`"},
        {"a | b", HABIT, "|", "`a or b`"}, {"!x", HABIT, "!", "`not x`"},
        {"if !f(x) { 1 }", HABIT, "!", "`not f(x)`"}, {"~x", HABIT, "~", "`not x`"},
        {"x === y", HABIT, "===", "`x == y`"}, {"x !== y", HABIT, "!==", "`x != y`"},
        {"x <> y", HABIT, "<>", "`x != y`"}, {"x ~= y", HABIT, "~=", "`x != y`"},
        {"x .* y", HABIT, ".*", "`x * y`"}, {"x.^2", HABIT, ".^", "`x ^ 2`"},
        {"a // b", HABIT, "//", "`floor(a / b)`"}, {"A \\ b", HABIT, "\\", "`solve(A, b)`"},
        {"c ? a : b", HABIT, "?", "`if c { a } else { b }`"},
        {"a ?? b", HABIT, "??", "`if a == nil { b } else { a }`"},
        {"y if c else z", HABIT, "if", "`if c { y } else { z }`"},
        {"x in xs", HABIT, "in", "`has(xs, x)`"}, {"x not in xs", HABIT, "not", "`not has(xs, x)`"},
        {"x is None", HABIT, "is", "`x == nil`"}, {"x is not None", HABIT, "is", "`x != nil`"},
        {"x is y", HABIT, "is", "`x == y`"}, {"a mod 3", HABIT, "mod", "`a % 3`"},
        {"a <- 3", HABIT, "<-", "`a = 3`"}, {"if (x > 0) y", GR_E_expected_token, "y", "`{ y }`"},
        {"\"{x + }\"", GR_E_expected_expression, "}", NULL}, {"x++", HABIT, "++", "`x += 1`"},
        {"++x", HABIT, "++", "`x += 1`"}, {"y = +x", HABIT, "+", "`x`"},
        {"x **= 2", HABIT, "**=", "`x = x ^ 2`"}, {"x ^= 2", HABIT, "^=", "`x = x ^ 2`"},
        {"2x", HABIT, "2x", "`2 * x`"}, {"3 + 2(x + 1)", HABIT, "2", "`2 * (x + 1)`"},
        {"2x^2", HABIT, "2x", "`2 * x^2`"}, {"sin²(x)", HABIT, "²", "`sin(x)²`"});
}

Test(parse_mistakes, habits_words) {
    CHECK_MISTAKES(
        {"if x { 1 } elif y { 2 }", HABIT, "elif", "`else if`"},
        {"def f(x): return x^2", HABIT, "def", "`fn f(x) = x^2`"},
        {"def f(x):\n  return x\n", HABIT, "def", "`fn f(x) { }`"},
        {"function f(x) {\n  return x\n}\n", HABIT, "function", "`fn f(x) { }`"},
        {"let s = lambda x: x + 1", HABIT, "lambda", "`fn(x) = x + 1`"},
        {"map(lambda x, y: x * y, xs)", HABIT, "lambda", "`fn(x, y) = x * y`"},
        {"let f = function(x) x^2", HABIT, "function", "`fn(x) = x^2`"},
        {"\\x -> x + 1", HABIT, "\\", "`fn(x) = x + 1`"}, {"True", HABIT, "True", "`true`"},
        {"x = False", HABIT, "False", "`false`"}, {"f(None)", HABIT, "None", "`nil`"},
        {"var x = 1", HABIT, "var", "`let x = 1`"},
        {"const y = f(x)", HABIT, "const", "`let y = f(x)`"},
        {"let mut y = 3", HABIT, "mut", "`let y = 0`"},
        {"let x: f64 = 3", HABIT, ":", "`let x = 3`"}, {"print x", HABIT, "print", "`print(x)`"},
        {"print \"a\", y", HABIT, "print", "`print(\"a\", y)`"},
        {"y = 3; sqrt 2", HABIT, "sqrt", "`sqrt(2)`"},
        {"x => x + 1", HABIT, "=>", "`fn(x) = x + 1`"},
        {"for i in 0..=9 { i }", HABIT, "..=", "`0..10`"},
        {"let r = a..=b", HABIT, "..=", "`a..b + 1`"},
        {"for i in 0..<n { i }", HABIT, "..<", "`0..n`"},
        {"for i in 0..3, j in 0..n { i }", HABIT, ",", "`for i in 0..3 { for j in 0..n { } }`"},
        {"for i, x in enumerate(xs) {\n  x\n}", HABIT, ",", "`for (i, x) in enumerate(xs) { }`"},
        {"for x of xs { x }", HABIT, "of", "`for x in xs { }`"},
        {"let g = (a, b) => a * b", HABIT, "=>", "`fn(a, b) = a * b`"},
        {"x -> { y }", HABIT, "->", "`fn(x) { y }`"}, {"f(x, lr: 0.1)", HABIT, ":", "`lr = 0.1`"},
        {"fn f(x, lr: 0.1) = x", HABIT, "0.1", "`lr = 0.1`"},
        {"print('text')", HABIT, "'text'", "`\"text\"`"}, {"f\"{x}\"", HABIT, "f", "`\"{x}\"`"},
        {"raise ValueError(\"no\")", HABIT, "raise", "`error(\"no\")`"},
        {"import numpy as np", HABIT, "numpy", "`import \"numpy.nn\" as np`"},
        {"from math import sin", HABIT, "from", "import"},
        {"try {\n f()\n}", HABIT, "try", "try(fn() { })"},
        {"class Net { }", HABIT, "class", "record"},
        {"// a comment here", HABIT, "//", "`# a comment here`"},
        {"x = 3 // set x now", HABIT, "//", "`# set x now`"},
        {"/* a\n b */ x = 1", HABIT, "/*", "#"});
}

Test(parse_mistakes, habits_forms) {
    CHECK_MISTAKES(
        {"for i in 1:n { }", HABIT, ":", "`1..n`"}, {"let r = 1:n", HABIT, ":", "`1..n`"},
        {"x[1:3]", HABIT, ":", "`x[1..3]`"}, {"x[:, 0]", HABIT, ":", "`x[0.., 0]`"},
        {"x[1:]", HABIT, ":", "`x[1..]`"}, {"x[::2]", HABIT, "::", "`x[.. by 2]`"},
        {"x[a:b:c, ..]", HABIT, ":", "`x[a..b by c, ..]`"},
        {"loss.backward()", HABIT, "backward", "∂loss/∂W"},
        {"opt.zero_grad()", HABIT, "zero_grad", "delete"},
        {"W := W - 0.1 * W.grad", HABIT, "W.grad", "`W := W - 0.1 * ∂E/∂W`"},
        {"W -= 0.1 * W.grad", HABIT, "W.grad", "`W -= 0.1 * ∂E/∂W`"},
        {"if x = 3 { 1 }", HABIT, "=", "`x == 3`"}, {"while x = 3 { }", HABIT, "=", "`x == 3`"},
        {"for (x in xs) { 1 }", HABIT, "in", "`for x in xs { }`"},
        {"for (i = 0; i < n; i++) { 1 }", HABIT, "=", "`for i in 0..n { }`"},
        {"for i = 0..3 { }", HABIT, "=", "`for i in 0..n { }`"},
        {"while x:\n  f()\n", HABIT, ":", "{"}, {"if x: f()", HABIT, ":", "`{ f() }`"},
        {"if x then { 1 }", HABIT, "then", "leave `then` out"},
        {"if x:\n  f()\nelse:\n  g()\n", HABIT, ":", NULL},
        {"[x^2 for x in xs]", HABIT, "for", "`[for x in xs: x^2]`"},
        {"(f(x) for x in xs if x > 0)", HABIT, "for", "`(for x in xs if x > 0: f(x))`"},
        {"{\"a\": 1}", HABIT, "\"a\"", "`{a: 1}`"},
        {"{\"a b\": 1}", HABIT, "\"a b\"", "r[\"some name\"]"},
        {"[1, 2; 3, 4]", HABIT, ";", "[[1, 2], [3, 4]]"},
        {"fn f(x) -> x", HABIT, "->", "`fn f(x) = x`"},
        {"assert (a, \"no\")", HABIT, "(a, \"no\")", "`assert a, \"no\"`"},
        {"let f(x) = x", HABIT, "(", "`fn f(x) = x`"});
}

Test(parse_mistakes, mistakes_of_expressions) {
    CHECK_MISTAKES(
        {"a < b < c", GR_E_chained_comparison, "@6,7", "`a < b and b < c`"},
        {"0 <= f(x) < n == m", GR_E_chained_comparison, "@10,11", "`0 <= f(x) and f(x) < n`"},
        {"x +", GR_E_expected_expression, "@3,3", NULL}, {"x + )", GR_E_unclosed_bracket, ")", NULL},
        {"f(a, b", GR_E_unclosed_bracket, "(", NULL}, {"f(a, b]", GR_E_unclosed_bracket, "(", NULL},
        {"x = [1, 2\nlet y = 3", GR_E_unclosed_bracket, "[", NULL},
        {"a)", GR_E_unclosed_bracket, ")", NULL}, {"}", GR_E_unclosed_bracket, "}", NULL},
        {"if a {\n  b\n", GR_E_unclosed_bracket, "{", NULL},
        {"(x = 3)", GR_E_misplaced_statement, "=", "=="},
        {"a = b = c", GR_E_misplaced_statement, "@6,7", NULL},
        {"f(let x = 3)", GR_E_misplaced_statement, "let", NULL},
        {"a = else", GR_E_expected_expression, "else", NULL},
        {"[1 2]", GR_E_expected_token, "2", NULL}, {"x[]", GR_E_expected_token, "]", NULL},
        {"0..", GR_E_expected_expression, "@3,3", NULL}, {"..3", GR_E_bad_range, "..", NULL},
        {"f(0..)", GR_E_expected_expression, ")", NULL}, {"x[(1..)]", GR_E_expected_expression, ")", NULL},
        {"a..b..c", GR_E_bad_range, "@4,6", "`a..b by c`"},
        {"a == not b", GR_E_unexpected_token, "not", "`(not b)`"},
        {"f(k = 1, x)", GR_E_bad_argument, "x", NULL}, {"f(_, 1)", GR_E_bad_placeholder, "_", "|>"},
        {"{in}", GR_E_bad_record, "in", "`{in: value}`"}, {"{a = 1}", GR_E_bad_record, "=", "`{a: 1}`"},
        {"[for x in xs for y in ys: x]", GR_E_bad_comprehension, "@13,16", "`[for x in xs:"},
        {"5'", GR_E_bad_prime, "'", NULL}, {"a b", HABIT, "a", "`a(b)`"},
        {"1 2", GR_E_unexpected_token, "2", NULL});
}

Test(parse_mistakes, mistakes_of_statements) {
    CHECK_MISTAKES(
        {"fn f(x) = { let y = 1; y }", GR_E_block_as_expression, "{", "leave the `=` out"},
        {"fn f(x) { W: x }", GR_E_block_as_expression, "{", "`fn f(x) = { W: x }`"},
        {"fn f(x) { W, b }", GR_E_block_as_expression, "{", "`fn f(x) = { W, b }`"},
        {"x = { f(1) }", GR_E_block_as_expression, "{", NULL},
        {"f(x) { g }", GR_E_block_as_expression, "{", NULL},
        {"f(x) = x^2", GR_E_bad_target, "f(x)", "`fn f(x) = x^2`"},
        {"1 = x", GR_E_bad_target, "1", NULL}, {"(a, f(x)) = t", GR_E_bad_target, "f(x)", NULL},
        {"(a, b) += t", GR_E_bad_target, "(a, b)", NULL},
        {"let x", GR_E_expected_token, "@5,5", NULL}, {"let in = 3", GR_E_bad_pattern, "in", "in_"},
        {"let [a, b] = c", GR_E_bad_pattern, "[", "`let (a, b) = c`"},
        {"let a, b = f(x)", GR_E_bad_pattern, ",", "`let (a, b) = f(x)`"},
        {"let (...a, b) = c", GR_E_bad_pattern, "...a", NULL},
        {"let x := 3", GR_E_expected_token, ":=", "leave `let` out"},
        {"a, b = f(x)", GR_E_unexpected_token, ",", "`(a, b) = f(x)`"},
        {"return a, b", GR_E_unexpected_token, ",", "`(a, b)`"},
        {"else { 1 }", GR_E_unexpected_token, "else", NULL},
        {"for x xs { }", GR_E_expected_token, "xs", NULL},
        {"fn (x", GR_E_unclosed_bracket, "(", NULL},
        {"fn f x = 1", GR_E_expected_token, "x", "fn f(x) = x"},
        {"fn f(x) x + 1", GR_E_expected_token, "@8,9", "`fn f(x) = x + 1`"},
        {"fn f(a = 1, b) = a", GR_E_bad_parameter, "b", NULL},
        {"fn f(...r, b) = r", GR_E_bad_parameter, "b", NULL},
        {"fn f(x: Tensor) = x", GR_E_bad_signature, "Tensor", "[B, N]"},
        {"fn f(x: [.., ..]) = x", GR_E_bad_signature, "@13,15", NULL},
        {"fn f(x: [2.5]) = x", GR_E_bad_signature, "2.5", NULL},
        {"fn if(x) = x", GR_E_bad_pattern, "if", NULL},
        {"let f = fn g(x) = x", GR_E_misplaced_statement, "g", "fn(x)"},
        {"import \"a/b.nn\"", GR_E_expected_token, "@15,15", "`import \"a/b.nn\" as b`"},
        {"fn f() { test \"a\" { } }", GR_E_misplaced_statement, "test", NULL},
        {"if a b", GR_E_expected_token, "b", NULL});
}

Test(parse_mistakes, mistakes_of_derivatives) {
    CHECK_MISTAKES(
        {"∂E", GR_E_bad_derivative, "∂", "`∂E/∂x`"}, {"∂E/W", GR_E_bad_derivative, "∂", "`∂E/∂W`"},
        {"∂3/∂x", GR_E_bad_derivative, "3", NULL}, {"∂E/∂3", GR_E_bad_derivative, "3", NULL},
        {"∂E/∂f(x)", GR_E_bad_derivative, "(", "with `let`"},
        {"∂E/∂W[0](x)", GR_E_bad_derivative, "(", "∇f"}, {"∂E/∂W'", GR_E_bad_derivative, "'", NULL},
        {"∂E/∂()", GR_E_bad_derivative, "(", NULL}, {"∂E/∂(W + b)", GR_E_bad_derivative, "+", NULL},
        {"∂E/∂x²", GR_E_bad_derivative, "²", NULL},
        {"∂³E/∂x²", GR_E_bad_derivative, "∂³E/∂x²", NULL},
        {"∇²f", GR_E_bad_derivative, "²", "`laplacian(f)`"}, {"∇3", GR_E_bad_derivative, "3", NULL},
        {"∂∂E/∂x", GR_E_bad_derivative, "@3,6", NULL});
}

Test(parse_mistakes, mistakes_in_strings) {
    CHECK_MISTAKES({"x = \"abc", GR_E_unclosed_string, "\"abc", NULL},
                   {"\"a\\qb\"", GR_E_bad_escape, "\\q", NULL},
                   {"\"\\u{110000}\"", GR_E_bad_escape, "\\u{110000}", NULL},
                   {"\"\\u12\"", GR_E_bad_escape, "\\u", NULL},
                   {"\"a{}b\"", GR_E_bad_interpolation, "{}", NULL},
                   {"\"{x:}\"", GR_E_bad_interpolation, "@4,5", NULL},
                   {"\"{x:,}\"", GR_E_bad_interpolation, ",", NULL},
                   {"\"{x:.2q}\"", GR_E_bad_interpolation, ".2q", NULL},
                   {"\"{x\"", GR_E_bad_interpolation, "{", NULL},
                   {"\"\"\"abc", GR_E_unclosed_string, "\"\"\"", NULL},
                   {"\"{x y}\"", GR_E_bad_interpolation, "y", NULL},
                   {"\"{\n", GR_E_bad_interpolation, "{", NULL});
}

/* The lines of all errors, in order. */
static void expect_lines(front *f, const char *text, const char *want) {
    char got[256] = "";
    front_parse(f, text);
    for (const gr_diagnostic *d = f->report.first; d; d = d->next) {
        uint32_t line = gr_source_line(f->source, d->primary.span.begin);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%u ", line);
    }
    f->out.size = 0;
    gr_render_report(&f->out, &f->report, NULL);
    cr_expect_str_eq(got, want, "%s\n%s", text, f->out.text);
}

Test(parse_mistakes, goes_on_behind_a_mistake_without_cascades) {
    front f;
    front_open(&f);
    expect_lines(&f, "let x = = 3\nlet y = 4\nlet z = )\n", "1 3 ");
    expect_lines(&f, "fn f(x) {\n  let y = \n  let z = 1 +* 2\n  z\n}\nlet = 3\n", "3 3 6 ");
    expect_lines(&f, "for x xs {\n  f(x)\n  g(\n}\nlet a = ]\n", "1 5 ");
    expect_lines(&f, "let a = f(1, 2\nlet b = 3\nlet c = [4\nlet d = 5\n", "1 3 ");
    expect_lines(&f, "if x {\n  a b c\n  d\n} else {\n  e =\n}\n", "2 5 ");
    expect_lines(&f, "a = 1 +\n  * 2\n  + 3\nb = 2 ** 3\n", "1 4 ");
    expect_lines(&f, "x = (1\n  + 2\ny = 3\n", "3 ");
    expect_lines(&f, "print \"{\"\nx y\n", "1 2 ");
    expect_lines(&f, "let a = @\nlet b = $\nlet c = 1.\nlet d = × 2\n", "1 2 3 4 ");
    expect_lines(&f, "def f(x):\n  return x\nelse:\n  pass\nx ** 2\n", "1 5 ");
    front_close(&f);
}

Test(parse_mistakes, reports_at_most_so_many) {
    front f;
    front_open(&f);
    size_t size;
    char *text = front_repeat("", "let = 1\n", 100000, "", &size);
    front_parse_bytes(&f, text, size, 0);
    cr_expect_eq(f.report.error_count, GR_MAX_SYNTAX_ERRORS + 1);
    cr_expect_eq(f.report.last->id, GR_E_too_many_errors);
    free(text);
    front_close(&f);
}

Test(parse_mistakes, errors_in_hints_do_not_multiply) {
    front f;
    front_open(&f);
    size_t size;
    char *text = front_repeat("a", " // b", 20000, "", &size);
    clock_t start = clock();
    cr_expect_eq(front_parse_bytes(&f, text, size, 0), GR_PARSE_ERROR);
    cr_expect_lt((double)(clock() - start) / CLOCKS_PER_SEC, 5.0);
    free(text);
    front_close(&f);
}

/* ---- limits ------------------------------------------------------------------------------- */

static gr_parse_status parse_repeated(front *f, const char *before, const char *text, size_t count,
                                      const char *after) {
    size_t size;
    char *all = front_repeat(before, text, count, after, &size);
    gr_parse_status status = front_parse_bytes(f, all, size, 0);
    free(all);
    return status;
}

Test(parse_mistakes, chains_have_no_limit) {
    static const struct {
        const char *before, *text, *after;
    } rows[] = {
        {"1", "+1", ""},    {"f", "(x)", ""},
        {"f", "[0]", ""},   {"f", ".x", ""},
        {"x", " |> f", ""}, {"a", " and b", ""},
        {"[", "1,", "]"},   {"if a { }", " else if b { }", ""},
        {"", "x\n", ""},    {"\"", "{x}", "\""},
        {"f(", "x,", ")"},  {"x", "²", ""},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(parse_repeated(&f, rows[i].before, rows[i].text, 100000, rows[i].after),
                     GR_PARSE_OK, "%s", rows[i].text);
    }
    cr_assert_eq(parse_repeated(&f, "1", "+1", 500000, ""), GR_PARSE_OK);
    const gr_node *node = f.ast->root->as.block.items[0];
    size_t depth = 0;
    for (; node->kind == GR_N_BINARY; depth++) node = node->as.binary.left;
    cr_expect_eq(depth, 500000);
    f.out.size = 0;
    gr_dump_ast(&f.out, f.ast);
    cr_expect_lt(f.out.size, 100000);
    front_close(&f);
}

Test(parse_mistakes, nesting_ends_in_one_error) {
    static const struct {
        const char *text, *after;
    } rows[] = {
        {"(", ""},          {"[", ""},         {"{a: ", ""},
        {"if a {", ""},     {"-", "1"},        {"not ", "a"},
        {"2^", "1"},        {"fn(x) = ", "1"}, {"\"{", ""},
        {"f(x[", ""},       {"∂(", ""},        {"∇(", ""},
        {"for x in (", ""}, {"!", "x"},        {"a or b and c == d + e * -f ^ (", "1"},
        {"[for x in ", ""}, {"x = > ", ""},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(parse_repeated(&f, "", rows[i].text, 100000, rows[i].after), GR_PARSE_ERROR,
                     "%s", rows[i].text);
        cr_expect_leq(f.report.error_count, 2, "%s: %zu", rows[i].text, f.report.error_count);
    }
    cr_expect_eq(parse_repeated(&f, "let ", "(", 100000, ""), GR_PARSE_ERROR);
    cr_expect_eq(f.report.first->id, GR_E_too_deep);
    front_close(&f);
}

Test(parse_mistakes, nesting_up_to_the_limit_is_right) {
    front f;
    front_open(&f);
    char text[2 * GR_MAX_NESTING + 4];
    for (size_t depth = GR_MAX_NESTING; depth <= GR_MAX_NESTING + 1; depth++) {
        memset(text, '(', depth);
        text[depth] = '1';
        memset(text + depth + 1, ')', depth);
        gr_parse_status status = front_parse_bytes(&f, text, 2 * depth + 1, 0);
        cr_expect_eq(status, depth == GR_MAX_NESTING ? GR_PARSE_OK : GR_PARSE_ERROR);
    }
    front_close(&f);
}

static double seconds_to_parse(front *f, size_t lines) {
    clock_t start = clock();
    gr_parse_status status =
        parse_repeated(f, "", "let x = f(a, b) + 3.25 * y[1, 2] # comment\n", lines, "");
    cr_expect_eq(status, GR_PARSE_OK);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

Test(parse_mistakes, time_is_linear_in_the_source) {
    front f;
    front_open(&f);
    double small = seconds_to_parse(&f, 50000), large = seconds_to_parse(&f, 400000);
    cr_expect_lt(large, 8 * 3 * small + 0.05, "%g s, then %g s for 8 times as much", small, large);
    front_close(&f);
}

Test(parse_mistakes, bytes_of_all_kinds) {
    front f;
    front_open(&f);
    cr_expect_eq(front_parse_bytes(&f, "a\0b", 3, 0), GR_PARSE_ERROR);
    cr_expect_eq(f.report.first->id, GR_E_odd_character);
    cr_expect_eq(front_parse_bytes(&f, "a = \"x\xff\"", 8, 0), GR_PARSE_ERROR);
    cr_expect_eq(f.report.first->id, GR_E_invalid_utf8);
    cr_expect_eq(f.report.first->primary.span.begin, 6);
    cr_expect_eq(front_parse_bytes(&f, "\xef\xbb\xbf#!x\r\nlet a = 1\r\n", 19, 0), GR_PARSE_OK);
    cr_expect(f.ast->shebang);
    cr_expect_eq(front_parse_bytes(&f, "", 0, 0), GR_PARSE_OK);
    cr_expect_eq(f.ast->root->as.block.count, 0);
    front_close(&f);
}

/* ---- memory that runs out ----------------------------------------------------------------- */

static long requests_left;

static void *failing_get(void *user, size_t bytes) {
    (void)user;
    return requests_left-- > 0 ? malloc(bytes) : NULL;
}

static void failing_put(void *user, void *block, size_t bytes) {
    (void)user;
    (void)bytes;
    free(block);
}

/* Each request of a run is the one that fails, until none does. */
Test(parse_mistakes, memory_may_run_out_anywhere) {
    static const char text[] = "## d\nfn f(x, k = [1, 2]) { let {a, b} = x; \"{a:.2f} {b}\" }\n"
                               "for i in 0..9 { f(i)[.., new] |> g(_, {i}) } # c\n";
    static const char wrong[] = "x ** 2\nlet s = lambda x: x\ny[:, 0]\nf(1, 2\nlet x = 3";
    for (int round = 0; round < 2; round++) {
        const char *source_text = round ? wrong : text;
        bool done = false;
        for (long n = 0; !done && n < 5000; n++) {
            requests_left = n;
            ad_config config = {.allocate = failing_get, .release = failing_put};
            ad_ctx *ctx = ad_new(&config);
            if (!ctx) continue;
            gr_names *names = gr_names_new(ctx);
            gr_lexicon *lexicon = names ? gr_lexicon_new(ctx, names) : NULL;
            gr_source *source = NULL;
            gr_source_new(ctx, "t", source_text, strlen(source_text), &source);
            gr_report report;
            gr_report_init(&report, ctx);
            gr_ast *ast = NULL;
            if (lexicon && source) {
                gr_parse_status status = gr_parse(lexicon, source, 0, &report, &ast);
                done = !report.out_of_memory;
                cr_expect(status == GR_PARSE_ERROR || done);
                cr_expect_eq(ast != NULL, status == GR_PARSE_OK);
            }
            gr_ast_free(ast);
            gr_report_clear(&report);
            gr_source_free(source);
            gr_lexicon_free(lexicon);
            gr_names_free(names);
            ad_free(ctx);
        }
        cr_expect(done);
    }
}
