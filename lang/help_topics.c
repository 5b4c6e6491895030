/* SPDX-License-Identifier: MIT */
/*
 * What is said of keywords, signs and the commands of the prompt, which are no values: a table, one row a
 * topic. Commands have the row that `:help` shows.
 */
#include "help.h"

#include <string.h>

static const struct {
    const char *words; /* separated by blanks */
    const char *text;
} topics[] = {
    {"=", "changes a variable, and records: q = q - rate * ∂E/∂q. New ones are made by `let`."},
    {":=", "updates a variable without recording: W := W - 0.1 * ∂E/∂W. It is the only way to change a "
           "param."},
    {"∂", "the derivative of a tracked value: ∂E/∂W, ∂E/∂(W, b), ∂(E + F)/∂x, ∂²E/∂x².\n"
          "W is a param or any value that E was computed from. (∂ is typed \\partial TAB.)"},
    {"∇", "the gradient of a function: (∇f)(x), ∇loss(W). As `grad(f)`. (∇ is typed \\nabla TAB.)"},
    {"'", "the derivative of a function of a number, element by element on tensors: sin'(0), f''(x)"},
    {"@", "the matrix product: x @ W"},
    {"|>", "x |> f is f(x), x |> f(y) is f(x, y); `_` marks another place: xs |> map(f, _)"},
    {"_", "in a pipe the place of what comes from the left; in a pattern what is not wanted"},
    {"..", "a range, without its end: 0..3 are 0, 1, 2; x[1..3], x[2..], x[..-1] are slices.\n"
           "Alone in an index: all the axes that the others leave over."},
    {"by", "the step of a range: 0..10 by 2, x[.. by -1]"},
    {"new", "an axis of 1 in an index: x[.., new]"},
    {"...", "takes what is left over: fn f(a, ...rest); spreads a tuple: f(...t); copies a record with "
            "changes: {...r, b: 1}"},
    {"+ - * /", "arithmetic, element by element on tensors and leaf by leaf on tuples and records; shapes "
                "broadcast as in NumPy"},
    {"+= -= *= /=", "changes a variable: x += e is x = x + e"},
    {"< > <= >= ≤ ≥", "elementwise among tensors and numbers, bools; not chained: a < b and b < c"},
    {"!= ≠", "elementwise among tensors and numbers; of other values, whether they differ as a whole"},
    {"²", "superscript digits are powers: (o - y)² is (o - y)^2, ∂²E/∂x² is ∂(∂E/∂x)/∂x"},
    {".", "a field of a record: p.W; x.T, x.shape and x.dtype of a tensor"},
    {".T", "the transpose: its last two axes are swapped"},
    {".shape", "the sizes of a tensor's axes, as a tuple"},
    {".dtype", "\"f64\", \"f32\" or \"bool\" of a tensor"},
    {",", "separates items and arguments; (a,) is a tuple of one"},
    {";", "separates statements on a line; at the end of a line of the prompt: the value is not shown"},
    {"?", "?name explains a name, a keyword, a sign or a command; ??words searches"},
    {"prelude", "prelude.sum is the prelude's `sum`, whatever `sum` is here"},
    {"why", "after an error, at the prompt: what failed, with where each value in it was made, and of what.\n"
            "Where there is a variable `why`, the command is `:why`."},
    {"continue", "begins the next turn of a loop; at the prompt of a loop that is held up: goes on"},
    {"** .^ .* ./", "powers are written x^2; operators act element by element without a dot"},
    {"&& || !", "`and`, `or`, `not`"},
    {"=> -> lambda def function", "a function is written fn f(x) = x^2, or fn(x) = x^2 without a name"},
    {"elif", "if a { } else if b { } else { }"},
    {"None null", "the absence of a value is `nil`"},
    {"True False", "`true` and `false`"},
    {"++", "joins strings, tuples and tensors: \"a\" ++ \"b\", (1, 2) ++ (3,)"},
    {"%", "the remainder, with the sign of the divisor: -7 % 3 is 2"},
    {"^", "the power: x^2, or x²; 2^-1 is 0.5; -2^2 is -4"},
    {"==", "elementwise among tensors and numbers; `same(a, b)` compares whole values"},
    {"let", "makes a variable in the block: let x = 1, let (a, b) = t, let {W, b} = r"},
    {"param", "makes a tracked variable, with respect to which derivatives are taken: param W = randn(2, "
              "8).\nIt is changed by `:=` only; a record or tuple is tracked leaf by leaf."},
    {"fn", "a function: fn f(x, k = 2) = k * x, or fn f(x) { … last expression }, or fn(x) = x^2.\n"
           "`##` lines above it are its documentation; shapes may be given: fn f(x: [N, M]): [M] = …"},
    {"if else", "if c { a } else { b }, a statement or an expression; c is one bool (all, any, same)"},
    {"for in", "for x in xs { … } over ranges, tuples, strings, the first axis of a tensor, records.\n"
               "[for x in xs: f(x)] makes a tensor, (for x in xs if c: f(x)) a tuple."},
    {"while break return", "as everywhere: while c { … break … continue }, return x"},
    {"and or not", "short-circuit on bools, elementwise on bool tensors"},
    {"true false", "the bools; in arithmetic they count as 1 and 0"},
    {"nil", "the absence of a value"},
    {"import as", "import \"path.nn\" as m runs a file once; its names are the fields of m"},
    {"assert", "assert e, or assert e, \"message\": an error that shows both sides where e is false"},
    {"test", "test \"name\" { … } is skipped by a run and run by `gradus test file.nn`"},
    {"[ ] []", "a tensor: [1, 2], [[1, 2], [3, 4]]; behind a value an index: x[0], x[1..3, new]"},
    {"( ) ()", "a tuple: (a, b), (a,), (); the list of the language, of any values"},
    {"{ } {}", "a record: {W: w, b: b}, {W, b}; r.W and r[\"W\"] read, r[\"W\"] = v changes or adds"},
    {"#", "begins a comment; `##` lines above a fn or let are its documentation"},
    {"\"", "text: \"a {expression} b\", \"{x:.3f}\" with a format, r\"raw\", \"\"\"several lines\"\"\""},
#define GR_COMMAND(name, takes, words, usage, help, run) {name, usage ": " help},
#include "commands.def"
#undef GR_COMMAND
    {"ans", "the value of the last expression at the prompt; a line that begins with |> goes on from it"},
};

enum { TOPICS = sizeof topics / sizeof *topics };

const char *gr_topic_text(const char *word, size_t size) {
    for (size_t i = 0; i < TOPICS; i++)
        for (const char *p = topics[i].words; *p;) {
            size_t n = strcspn(p, " ");
            if (n == size && memcmp(p, word, n) == 0) return topics[i].text;
            p += n;
            p += strspn(p, " ");
        }
    return NULL;
}

void gr_each_topic(gr_entry_visit visit, void *user) {
    for (size_t i = 0; i < TOPICS; i++) {
        gr_entry e = {.name = topics[i].words, .name_size = strlen(topics[i].words),
                      .doc = topics[i].text, .doc_size = strlen(topics[i].text)};
        visit(user, &e);
    }
}
