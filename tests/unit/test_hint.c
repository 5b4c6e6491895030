/* SPDX-License-Identifier: MIT */
/*
 * Hints of shapes: what they say word for word, that nothing is run for them, and that they never lie:
 * random expressions are run after the hint was taken, and must give that shape, or fail where a
 * conflict was announced.
 */
#include "vm.h"

#include "assist.h"

#include <stdio.h>

static const char setup[] =
    "let X = ones(4, 2); let Y = zeros(4, 1); let v = [1, 2]; let n = 3; let idx = [0, 2, 1]\n"
    "param W1 = ones(2, 8); param b1 = zeros(8); param W2 = ones(8, 1); let s = f32(v)\n"
    "let p = {W: ones(2, 3), b: (1, [1, 2])}; let mask = v > 1\n"
    "fn layer(x, W, b = 0) = tanh(x @ W + b)\n"
    "fn deep(x) { let h = layer(x, W1, b = b1)\nlayer(h, W2) }\n"
    "fn pick(x, wide) = if wide { x @ W1 } else { x }\n"
    "fn twice(f, x) = f(f(x))\n"
    "let scale = [1, 2, 3]\n"
    "fn make(W) { let k = 2\nfn(x, times = k) = times * (x @ W) }; let made = make(ones(2, 5))\n"
    "let net = sequential(dense(2, 8, tanh), relu, dense(8, 3, bias = false)); let short = residual(dense(2, 2))\n"
    "fn signed(x: [N, D], w: [D, 5], z = D) { let D = 1\nx @ w }; fn rows(x: [.., 3]) = x; let D = \"text\"\n"
    "fn looped(h, n) { for i in 0..n { h = tanh(h @ h.T @ h) }\nh }\n"
    "fn grows(h) { for i in 0..3 { h = stack((h, h)) }\nh }; fn wide(h, Ws) { for W in Ws { let n = 7\nh = h @ W }\nh }\n"
    "let Ws = (ones(2, 3), ones(3, 7), ones(7, 1))\n";

static void hint_of(machine *m, const char *text, gr_buffer *out, bool *conflict) {
    gr_assist assist = {.vm = m->vm};
    gr_buffer_clear(out);
    *conflict = gr_shape_hint(&assist, text, strlen(text), out);
}

static void open_with(machine *m, const char *text) {
    machine_open(m);
    m->flags = GR_RUN_PROMPT;
    cr_assert_eq(machine_run(m, text), GR_OK, "%s",
                 gr_vm_report(m->vm)->first ? gr_vm_report(m->vm)->first->message : "?");
}

static void expect(machine *m, const char *text, const char *wanted) {
    gr_buffer out;
    bool conflict;
    gr_buffer_init(&out, m->ctx);
    hint_of(m, text, &out, &conflict);
    cr_expect_str_eq(out.size ? out.text : "", wanted, "%s\n  hints %s\n  not   %s", text,
                     out.size ? out.text : "nothing", wanted);
    cr_expect_eq(conflict, strncmp(wanted, "✗", 3) == 0);
    gr_buffer_free(&out);
}

#define HINTS(...)                                                                                 \
    do {                                                                                           \
        machine m;                                                                                 \
        const example all[] = {__VA_ARGS__};                                                       \
        open_with(&m, setup);                                                                      \
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)                                      \
            expect(&m, all[i].text, all[i].wanted);                                                \
        machine_close(&m);                                                                         \
    } while (0)

Test(hint, expressions) {
    HINTS({"X @ W1 + b1", "→ [4, 8]"}, {"sum(X @ W1)", "→ number"}, {"X.T", "→ [2, 4]"},
          {"X[1..3, 0]", "→ [2]"}, {"X[.., new] * 2", "→ [4, 2, 1]"}, {"X[idx]", "→ [3, 2]"},
          {"X > 1", "→ [4, 2] bool"}, {"s * 2", "→ [2] f32"}, {"p - 0.1 * p", "→ {W: [2, 3], b: (number, [2])}"},
          {"reshape(X, 2, n + 1)", "→ [2, 4]"}, {"zeros(X.shape)", "→ [4, 2]"},
          {"mean(X, axis = 0, keep = true)", "→ [1, 2]"}, {"concat(X, X, axis = 1)", "→ [4, 4]"},
          {"[for i in 0..n: v * i]", "→ [3, 2]"}, {"svd(X)", "→ ([4, 2], [2], [2, 2])"},
          {"X |> layer(W1)", "→ [4, 8]"}, {"einsum(\"ij,ik->jk\", X, X)", "→ [2, 2]"});
}

Test(hint, functions_are_walked_through) {
    HINTS({"deep(X)", "→ [4, 1]"}, {"sigmoid(X) |> mse(X)", "→ number"}, {"softmax(X @ W1)", "→ [4, 8]"},
          {"cross_entropy(X @ W1, [0, 1, 2, 0])", "→ number"}, {"pick(X, true)", "→ [4, 8]"}, {"pick(X, n < 2)", "→ [4, 2]"},
          {"twice(tanh, X)", "→ [4, 2]"}, {"sigmoid'(X)", "→ [4, 2]"}, {"(∇(fn(w) = sum(w)))(X)", "→ [4, 2]"});
}

Test(hint, captured_variables) {
    HINTS({"made(X)", "→ [4, 5]"}, {"made(X, times = 3) @ X", "✗ multiplies [4, 5] by [4, 2]; 5 must equal 4"},
          {"net.apply(net.params, X)", "→ [4, 3]"}, {"net.apply(net.params, X.T", "✗ multiplies [2, 4] by [2, 8]; 4 must equal 2"},
          {"short.apply(short.params, X)", "→ [4, 2]"});
}

Test(hint, signatures) {
    HINTS({"signed(X, ones(2, 5))", "→ [4, 5]"}, {"signed(X, ones(3, 5))", "✗ `w` is [3, 5] but the signature wants [D, 5]"},
          {"signed(v, X)", "✗ `x` is [2] but the signature wants [N, D]"}, {"rows(X)", "✗ `x` is [4, 2] but the signature wants [.., 3]"},
          {"rows(scale)", "→ [3]"}, {"fn f(x: [4, 2]) {\n  x @ W1", "→ [4, 8]"}, {"fn f(x: [4, D]) {\n  D @ X", ""},
          {"fn f(x: [n, 2]) {\n  X * n", ""});
}

Test(hint, loops_and_parts) {
    HINTS({"looped(X, 5)", "→ [4, 2]"}, {"grows(X)", ""}, {"wide(X, Ws)", "→ [4, 1]"},
          {"(for W in Ws: W.T)", "→ ([3, 2], [7, 3], [1, 7])"}, {"(for i in 0..2: X)", "→ ([4, 2], [4, 2])"},
          {"[for (i, W) in enumerate(Ws): sum(W) * i]", "→ [3]"}, {"(for (a, b) in zip(Ws, (1, v, X)): b)", "→ (number, [2], [4, 2])"},
          {"{...p, W: X}", "→ {W: [4, 2], b: (number, [2])}"}, {"{a: v, ...p, b: v}", "→ {a: [2], W: [2, 3], b: [2]}"});
}

Test(hint, derivatives) {
    HINTS({"∂sum(X @ W1)/∂W1", "→ [2, 8]"}, {"∂(X @ W1)/∂b1", "→ [4, 8, 8]"},
          {"∂sum(X @ W1 + b1)/∂(W1, b1)", "→ ([2, 8], [8])"});
}

Test(hint, unfinished_texts) {
    HINTS({"let h = tanh(X @ W1 +", "→ [4, 8]"}, {"mean((X @ W1", "→ number"}, {"X @", "→ [4, 2]"},
          {"for i in 0..3 {\n  let h = X @ W1\n  h.T @ h", "→ [8, 8]"},
          {"if n > 2 {\n  X @ W1", "→ [4, 8]"}, {"print(X @ W1", "→ [4, 8]"}, {"seed(1, X", "→ [4, 2]"});
}

Test(hint, conflicts) {
    HINTS({"X @ X", "✗ multiplies [4, 2] by [4, 2]; 2 must equal 4"},
          {"let z = sum(X @ W2) + 1", "✗ multiplies [4, 2] by [8, 1]; 2 must equal 8"});
}

Test(hint, says_nothing_without_knowing) {
    HINTS({"1 + 2", ""}, {"unknown_name @ X", ""}, {"fn f(a) = a @ W1", ""}, {"X[mask2]", ""},
          {"\"X @ X", ""}, {"# X @ X", ""}, {"let X = ", ""}, {"unique(X)", ""}, {":time X", ""},
          {"try(fn() = X @ X)", ""}, {"if n > 2 or unknown { X } else { X @ W1 }", ""});
}

Test(hint, runs_nothing) {
    machine m;
    open_with(&m, "let calls = 0; fn noisy(x) { calls += 1\nprint(\"run\")\nx }; let X = ones(4, 2)");
    expect(&m, "noisy(X) @ X", "");
    expect(&m, "noisy(noisy(X", "→ [4, 2]");
    machine_expect(&m, "calls", "0");
    cr_expect_eq(m.printed.size, 0);
    machine_close(&m);
}

/* A function that calls itself for ever, and a tower of brackets. */
Test(hint, ends) {
    machine m;
    char text[4096];
    open_with(&m, "let X = ones(4, 2); fn f(x) = f(x @ X.T @ X); fn g(x) = if sum(x) > 0 { g(x) } else { g(-x) }");
    expect(&m, "f(X)", "");
    expect(&m, "g(X)", "");
    memset(text, '(', 200);
    memcpy(text + 200, "X", 2);
    expect(&m, text, "→ [4, 2]");
    for (size_t i = 0; i + 3 < sizeof text; i += 2) memcpy(text + i, "X+", 2);
    text[4090] = '\0';
    expect(&m, text, "");
    machine_close(&m);
}

/* ---- hints do not lie ------------------------------------------------------------------------- */

typedef struct generator {
    uint64_t state;
    char text[600];
} generator;

static uint32_t pick(generator *g, uint32_t n) {
    g->state = g->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(g->state >> 33) % n;
}

static void put(generator *g, const char *text) {
    size_t n = strlen(g->text);
    snprintf(g->text + n, sizeof g->text - n, "%s", text);
}

/* `%` stands for an expression. */
static void generate(generator *g, int depth) {
    static const char *const leaves[] = {"X", "Y", "v", "W1", "b1", "W2", "s", "p", "2", "n", "idx",
                                         "scale", "X.T", "W1[0]", "p.W", "(v, 1)", "mask"};
    static const char *const forms[] = {
        "(% + %)", "(% * %)", "(% @ %)", "(% - %)", "(% ^ 2)", "(% > %)", "-%", "tanh(%)",
        "sum(%)", "sum(%, axis = 0)", "mean(%, axis = -1, keep = true)", "(%).T", "%[0]", "%[.., 0]",
        "%[.., new]", "%[1..2]", "%[idx]", "relu(%)", "softmax(%)", "mse(%, %)", "max(%, 0)", "max(%)",
        "where(% > 0, %, 0)", "concat(%, %)", "stack(%, %)", "outer(%, %)", "layer(%, %)", "norm(%)",
        "reshape(%, 2, -1)", "flatten(%)", "(%, %)[1]", "{a: %}.a", "expand(%, (4, 2))", "[%, %]",
        "(if n > 2 { % } else { % })", "twice(tanh, %)", "argmax(%, axis = 0)", "cumsum(%)",
        "zeros_like(%)", "% |> layer(%)", "transpose(%)", "len(%)", "logsumexp(%, axis = 0)",
        "[for i in 0..2: %]", "clamp(%, lo = 0)", "∂sum(%)/∂W1", "trace(%)", "squeeze(%)", "dot(%, %)",
        "(fn(t) = t * %)(%)", "pick(%, true)", "log_softmax(%)", "cross_entropy(%, %)", "huber(%, %)"};
    if (depth == 0 || pick(g, 4) == 0) {
        put(g, leaves[pick(g, sizeof leaves / sizeof *leaves)]);
        return;
    }
    for (const char *f = forms[pick(g, sizeof forms / sizeof *forms)]; *f; f++) {
        char one[2] = {*f};
        if (*f == '%') generate(g, depth - 1);
        else put(g, one);
    }
}

/* What the value is, in the words of a hint. */
static void describe(gr_buffer *out, gr_value v, gr_vm *vm) {
    char dims[160];
    if (v.kind == AD_NUMBER) gr_buffer_puts(out, "number");
    else if (v.kind == AD_BOOL) gr_buffer_puts(out, "bool");
    else if (v.kind == AD_TENSOR) {
        gr_buffer_puts(out, ad_shape_text(v.tensor->rank, v.tensor->dims, dims, sizeof dims));
        if (v.tensor->dtype != AD_F64)
            gr_buffer_printf(out, " %s", ad_dtype_name((ad_dtype)v.tensor->dtype));
    } else if (v.kind == GR_TUPLE) {
        gr_buffer_puts(out, "(");
        for (size_t i = 0; i < gr_as_tuple(v)->count; i++) {
            if (i) gr_buffer_puts(out, ", ");
            describe(out, gr_as_tuple(v)->items[i], vm);
        }
        gr_buffer_puts(out, gr_as_tuple(v)->count == 1 ? ",)" : ")");
    } else if (v.kind == GR_RECORD) {
        gr_buffer_puts(out, "{");
        for (uint32_t i = 0; i < gr_record_count(v); i++) {
            const gr_string *key = gr_record_key(v, i);
            gr_buffer_printf(out, "%s%.*s: ", i ? ", " : "", (int)key->length, key->bytes);
            describe(out, gr_record_value(v, i), vm);
        }
        gr_buffer_puts(out, "}");
    }
}

Test(hint, never_lies, .timeout = 60) {
    enum { TRIALS = 4000 };
    machine m;
    gr_buffer hint, got;
    unsigned shapes = 0, conflicts = 0, silent = 0, worked = 0;
    generator g = {.state = 7};
    open_with(&m, setup);
    gr_buffer_init(&hint, m.ctx);
    gr_buffer_init(&got, m.ctx);
    for (int i = 0; i < TRIALS; i++) {
        bool conflict;
        gr_value v;
        g.text[0] = '\0';
        generate(&g, 3);
        hint_of(&m, g.text, &hint, &conflict);
        bool ran = machine_run(&m, g.text) == GR_OK;
        worked += ran;
        if (hint.size == 0) {
            silent += ran;
            continue;
        }
        if (conflict) {
            conflicts++;
            cr_expect(!ran, "%s\n  runs, but the hint is %s", g.text, hint.text);
            continue;
        }
        if (!ran) continue; /* what the shapes do not tell: values, kinds */
        shapes++;
        gr_buffer_clear(&got);
        gr_buffer_puts(&got, "→ ");
        if (gr_answer(m.vm, &v)) describe(&got, v, m.vm);
        cr_expect_str_eq(hint.text, got.text, "%s\n  hints %s\n  gives %s", g.text, hint.text, got.text);
    }
    fprintf(stderr, "%u shapes, %u conflicts, %u of %u that ran without a hint\n", shapes, conflicts, silent, worked);
    cr_expect_gt(shapes, worked / 2);
    cr_expect_gt(conflicts, TRIALS / 10);
    gr_buffer_free(&hint);
    gr_buffer_free(&got);
    machine_close(&m);
}
