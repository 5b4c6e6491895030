/* SPDX-License-Identifier: MIT */
/* The parser: trees written as s-expressions, spans, the newline rule, what the prompt waits for,
 * errors with their places and hints, recovery, limits, and memory that runs out. */
#include "front.h"

#include <time.h>

/* ---- trees as s-expressions --------------------------------------------------------------- */

static void put(gr_buffer *out, const gr_node *n);

static void put_list(gr_buffer *out, const gr_node_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        gr_buffer_puts(out, " ");
        put(out, list->items[i]);
    }
}

static void put_all(gr_buffer *out, const char *head, const gr_node *a, const gr_node *b,
                    const gr_node *c) {
    gr_buffer_printf(out, "(%s", head);
    const gr_node *parts[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        if (!parts[i]) continue;
        gr_buffer_puts(out, " ");
        put(out, parts[i]);
    }
    gr_buffer_puts(out, ")");
}

static void put_part(gr_buffer *out, const char *head, const gr_node *part) {
    if (!part) return;
    gr_buffer_puts(out, " ");
    put_all(out, head, part, NULL, NULL);
}

static void put_fields(gr_buffer *out, const gr_node *n) {
    gr_buffer_puts(out, "{");
    for (uint32_t i = 0; i < n->as.record.count; i++) {
        const gr_record_field *f = &n->as.record.fields[i];
        if (i) gr_buffer_puts(out, " ");
        gr_buffer_puts(out, f->name ? f->name->text : "...");
        if (f->shorthand) continue;
        gr_buffer_puts(out, f->name ? ":" : "");
        put(out, f->value);
    }
    gr_buffer_puts(out, "}");
}

static void put_signature(gr_buffer *out, const gr_signature *s) {
    if (!s) return;
    gr_buffer_puts(out, ":[");
    for (uint32_t i = 0; i < s->count; i++) {
        const gr_dim *d = &s->dims[i];
        if (i) gr_buffer_puts(out, " ");
        if (d->kind == GR_DIM_LETTER)
            gr_buffer_puts(out, d->letter->text);
        else if (d->kind == GR_DIM_ANY)
            gr_buffer_puts(out, "..");
        else
            gr_buffer_printf(out, "%d", (int)d->number);
    }
    gr_buffer_puts(out, "]");
}

static void put_fn(gr_buffer *out, const gr_fn *fn) {
    gr_buffer_printf(out, "(fn%s%s (", fn->name ? " " : "", fn->name ? fn->name->text : "");
    for (uint32_t i = 0; i < fn->parameter_count; i++) {
        const gr_parameter *p = &fn->parameters[i];
        gr_buffer_printf(out, "%s%s", i ? " " : "", p->rest ? "..." : "");
        put(out, p->pattern);
        put_signature(out, p->signature);
        if (!p->fallback) continue;
        gr_buffer_puts(out, "=");
        put(out, p->fallback);
    }
    gr_buffer_puts(out, ")");
    put_signature(out, fn->result);
    gr_buffer_puts(out, " ");
    put(out, fn->body);
    gr_buffer_puts(out, ")");
}

static void put_call(gr_buffer *out, const gr_node *n) {
    put(out, n->as.call.callee);
    gr_buffer_puts(out, "(");
    for (uint32_t i = 0; i < n->as.call.count; i++) {
        const gr_argument *a = &n->as.call.arguments[i];
        if (i) gr_buffer_puts(out, " ");
        if (a->name) gr_buffer_printf(out, "%s=", a->name->text);
        put(out, a->value);
    }
    gr_buffer_puts(out, ")");
}

static void put_template(gr_buffer *out, const gr_node *n) {
    gr_buffer_puts(out, "(template");
    for (uint32_t i = 0; i < n->as.template.count; i++) {
        const gr_template_part *part = &n->as.template.parts[i];
        gr_buffer_puts(out, " ");
        if (!part->value)
            gr_buffer_printf(out, "'%s'", part->text.bytes);
        else
            put(out, part->value);
        if (part->format.size) gr_buffer_printf(out, ":%s", part->format.bytes);
    }
    gr_buffer_puts(out, ")");
}

static void put_if(gr_buffer *out, const gr_node *n) {
    gr_buffer_puts(out, "(if");
    for (uint32_t i = 0; i < n->as.branch.count; i++) {
        gr_buffer_puts(out, " ");
        put(out, n->as.branch.arms[i].condition);
        gr_buffer_puts(out, " ");
        put(out, n->as.branch.arms[i].body);
    }
    put_part(out, "else", n->as.branch.otherwise);
    gr_buffer_puts(out, ")");
}

static void put_partial(gr_buffer *out, const gr_node *n) {
    gr_buffer_puts(out, "(d ");
    put(out, n->as.partial.numerator);
    gr_buffer_puts(out, n->flags & GR_TUPLE_WRITTEN ? " ,(" : " (");
    for (uint32_t i = 0; i < n->as.partial.wrt.count; i++) {
        if (i) gr_buffer_puts(out, " ");
        put(out, n->as.partial.wrt.items[i]);
    }
    gr_buffer_puts(out, "))");
}

static void put_statement(gr_buffer *out, const gr_node *n) {
    switch (n->kind) {
    case GR_N_BLOCK:
        gr_buffer_puts(out, "[[");
        put_list(out, &n->as.block);
        gr_buffer_puts(out, " ]]");
        break;
    case GR_N_DEFINE: put(out, n->as.define); break;
    case GR_N_LET: put_all(out, "let", n->as.bind.pattern, n->as.bind.value, NULL); break;
    case GR_N_PARAM: put_all(out, "param", n->as.bind.pattern, n->as.bind.value, NULL); break;
    case GR_N_ASSIGN: {
        char head[8];
        snprintf(head, sizeof head, "%s%s", gr_operator_text(n->op),
                 n->as.assign.update ? ":=" : "=");
        put_all(out, head, n->as.assign.target, n->as.assign.value, NULL);
        break;
    }
    case GR_N_FOR:
        put_all(out, "for", n->as.loop.pattern, n->as.loop.source, n->as.loop.body);
        break;
    case GR_N_WHILE: put_all(out, "while", n->as.loop.source, n->as.loop.body, NULL); break;
    case GR_N_RETURN: put_all(out, "return", n->as.result, NULL, NULL); break;
    case GR_N_IMPORT:
        gr_buffer_printf(out, "(import %s %s)", n->as.import.path.bytes, n->as.import.name->text);
        break;
    case GR_N_ASSERT:
        put_all(out, "assert", n->as.assertion.condition, n->as.assertion.message, NULL);
        break;
    case GR_N_TEST:
        gr_buffer_printf(out, "(test '%s' ", n->as.test.name.bytes);
        put(out, n->as.test.body);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_PATTERN_NAME: gr_buffer_puts(out, n->as.name->text); break;
    case GR_N_PATTERN_IGNORE: gr_buffer_puts(out, "_"); break;
    case GR_N_PATTERN_TUPLE:
        gr_buffer_puts(out, "(,");
        put_list(out, &n->as.list);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_PATTERN_REST: put_all(out, "...", n->as.spread, NULL, NULL); break;
    case GR_N_PATTERN_RECORD: put_fields(out, n); break;
    default: gr_buffer_puts(out, gr_node_kind_name(n->kind));
    }
}

static void put_number(gr_buffer *out, double x) {
    char text[32];
    ad_number_text(x, text);
    gr_buffer_puts(out, text);
}

static void put(gr_buffer *out, const gr_node *n) {
    switch (n->kind) {
    case GR_N_NUMBER: put_number(out, n->as.number); break;
    case GR_N_STRING: gr_buffer_printf(out, "'%s'", n->as.string.bytes); break;
    case GR_N_TEMPLATE: put_template(out, n); break;
    case GR_N_NAME: gr_buffer_puts(out, n->as.name->text); break;
    case GR_N_PLACEHOLDER: gr_buffer_puts(out, "_"); break;
    case GR_N_TENSOR:
    case GR_N_TUPLE:
        gr_buffer_puts(out, n->kind == GR_N_TENSOR ? "(tensor" : "(,");
        put_list(out, &n->as.list);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_RECORD: put_fields(out, n); break;
    case GR_N_SPREAD: put_all(out, "...", n->as.spread, NULL, NULL); break;
    case GR_N_COMPREHENSION:
        gr_buffer_puts(out, n->as.comprehension.tuple ? "(each, " : "(each ");
        put(out, n->as.comprehension.pattern);
        gr_buffer_puts(out, " ");
        put_all(out, "in", n->as.comprehension.source, n->as.comprehension.condition, NULL);
        gr_buffer_puts(out, " ");
        put(out, n->as.comprehension.body);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_FN: put_fn(out, n->as.fn); break;
    case GR_N_IF: put_if(out, n); break;
    case GR_N_UNARY: put_all(out, gr_operator_text(n->op), n->as.unary.operand, NULL, NULL); break;
    case GR_N_BINARY:
        put_all(out, gr_operator_text(n->op), n->as.binary.left, n->as.binary.right, NULL);
        break;
    case GR_N_PIPE:
        put_all(out, n->flags & GR_PLACED ? "|>_" : "|>", n->as.pipe.left, n->as.pipe.right, NULL);
        break;
    case GR_N_RANGE:
        gr_buffer_puts(out, "(..");
        put_part(out, "from", n->as.range.low);
        put_part(out, "to", n->as.range.high);
        put_part(out, "by", n->as.range.step);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_CALL: put_call(out, n); break;
    case GR_N_INDEX:
        gr_buffer_puts(out, "(at ");
        put(out, n->as.index.object);
        put_list(out, &n->as.index.items);
        gr_buffer_puts(out, ")");
        break;
    case GR_N_FIELD:
        put(out, n->as.field.object);
        gr_buffer_printf(out, ".%s", n->as.field.name->text);
        break;
    case GR_N_PRIME:
        put(out, n->as.prime.object);
        gr_buffer_fill(out, '\'', n->order);
        break;
    case GR_N_PARTIAL: put_partial(out, n); break;
    case GR_N_GRADIENT: put_all(out, "grad", n->as.gradient, NULL, NULL); break;
    default: put_statement(out, n);
    }
}

/* The statements of a source, a blank between two; or its first error. */
static const char *tree(front *f, const char *text) {
    f->out.size = 0;
    if (front_parse(f, text) == GR_PARSE_OK) {
        gr_buffer_clear(&f->out);
        put_list(&f->out, &f->ast->root->as.block);
        return f->out.size ? f->out.text + 1 : "";
    }
    gr_render_report(&f->out, &f->report, NULL);
    return f->out.text;
}

typedef struct pair {
    const char *text, *want;
} pair;

static void check_trees(const pair *rows, size_t count) {
    front f;
    front_open(&f);
    for (size_t i = 0; i < count; i++) {
        const char *got = tree(&f, rows[i].text);
        cr_expect_str_eq(got, rows[i].want, "%s\n  gives %s\n  not   %s", rows[i].text, got,
                         rows[i].want);
    }
    front_close(&f);
}

#define CHECK_TREES(...)                                                                           \
    do {                                                                                           \
        static const pair rows[] = {__VA_ARGS__};                                                  \
        check_trees(rows, sizeof rows / sizeof *rows);                                             \
    } while (0)

Test(parser, operators_bind_as_the_table_says) {
    CHECK_TREES(
        {"a + b * c", "(+ a (* b c))"}, {"a - b - c", "(- (- a b) c)"},
        {"a / b * c % d @ e", "(@ (% (* (/ a b) c) d) e)"}, {"-2^2", "(- (^ 2 2))"},
        {"2^-1", "(^ 2 (- 1))"}, {"a <-3", "(< a (- 3))"}, {"a < -b", "(< a (- b))"},
        {"2^3^2", "(^ 2 (^ 3 2))"}, {"-a * b", "(* (- a) b)"}, {"a ^ -b ^ c", "(^ a (- (^ b c)))"},
        {"--a", "(- (- a))"}, {"not a == b", "(not (== a b))"},
        {"not a and b or c", "(or (and (not a) b) c)"}, {"a or b and c", "(or a (and b c))"},
        {"a ++ b + c", "(+ (++ a b) c)"}, {"0..n + 1", "(.. (from 0) (to (+ n 1)))"},
        {"0..n by 2", "(.. (from 0) (to n) (by 2))"}, {"a == 0..3", "(== a (.. (from 0) (to 3)))"},
        {"a ≤ b and c ≥ d or e ≠ f", "(or (and (<= a b) (>= c d)) (!= e f))"},
        {"(a < b) < c", "(< (< a b) c)"}, {"a − b", "(- a b)"});
}

Test(parser, superscripts_are_powers) {
    CHECK_TREES({"(o - y)²", "(^ (- o y) 2)"}, {"-x²", "(- (^ x 2))"}, {"x¹²", "(^ x 12)"},
                {"x⁻¹", "(^ x -1)"}, {"2^x²", "(^ 2 (^ x 2))"}, {"f(x)²", "(^ f(x) 2)"},
                {"a² + b²", "(+ (^ a 2) (^ b 2))"});
}

Test(parser, pipes) {
    CHECK_TREES({"x |> f", "(|> x f)"}, {"x |> f(y)", "(|> x f(y))"},
                {"xs |> map(f, _)", "(|>_ xs map(f _))"},
                {"x |> f |> g(_, 1)", "(|>_ (|> x f) g(_ 1))"},
                {"x |> f(y |> g(_))", "(|> x f((|>_ y g(_))))"}, {"a + b |> f", "(|> (+ a b) f)"});
}

Test(parser, suffixes) {
    CHECK_TREES({"f(x)(y)", "f(x)(y)"}, {"f(x, lr = 0.1)", "f(x lr=0.1)"},
                {"f(...t, k = 1)", "f((... t) k=1)"}, {"r.in.if.T", "r.in.if.T"},
                {"f'(x)", "f'(x)"}, {"f''(x)", "f''(x)"}, {"r.f'(x)", "r.f'(x)"},
                {"f(x)'", "f(x)'"}, {"x[1, 2][3]", "(at (at x 1 2) 3)"}, {"f′(x)", "f'(x)"},
                {"f(a,\n  b,\n)", "f(a b)"}, {"(a)(b)", "a(b)"}, {"f((a, b))", "f((, a b))"});
}

Test(parser, indices) {
    CHECK_TREES({"x[1..3]", "(at x (.. (from 1) (to 3)))"}, {"x[2..]", "(at x (.. (from 2)))"},
                {"x[1..-1]", "(at x (.. (from 1) (to (- 1))))"},
                {"x[0..n by 2]", "(at x (.. (from 0) (to n) (by 2)))"},
                {"x[.. by -1]", "(at x (.. (by (- 1))))"}, {"x[..3]", "(at x (.. (to 3)))"},
                {"x[.., 0]", "(at x (..) 0)"}, {"x[i, ..]", "(at x i (..))"},
                {"x[0.., 0]", "(at x (.. (from 0)) 0)"}, {"x[.., new]", "(at x (..) new-axis)"},
                {"x[new]", "(at x new-axis)"}, {"x[new + 1]", "(at x (+ new 1))"},
                {"x[x > 0]", "(at x (> x 0))"}, {"x[y[2..], 1]", "(at x (at y (.. (from 2))) 1)"});
}

Test(parser, brackets) {
    CHECK_TREES(
        {"[[1, 2], [3, 4]]", "(tensor (tensor 1 2) (tensor 3 4))"}, {"[]", "(tensor)"},
        {"()", "(,)"}, {"(a)", "a"}, {"(a,)", "(, a)"}, {"(a, b,)", "(, a b)"},
        {"(...a, b)", "(, (... a) b)"}, {"(...a)", "(, (... a))"}, {"{}", "{}"},
        {"{W, b: 2, ...r, in: 3,}", "{W b:2 ...r in:3}"}, {"{a: {b: 1}}", "{a:{b:1}}"},
        {"[for x in xs: f(x)]", "(each x (in xs) f(x))"},
        {"(for (i, x) in xs if i > 0: x)", "(each, (, i x) (in xs (> i 0)) x)"},
        {"[for x in 0..9 by 2 if f(x): x]", "(each x (in (.. (from 0) (to 9) (by 2)) f(x)) x)"},
        {"[1,\n 2\n , 3]", "(tensor 1 2 3)"}, {"{a: 1,\n b}", "{a:1 b}"});
}

Test(parser, functions) {
    CHECK_TREES(
        {"fn f(x) = x", "(fn f (x) x)"},
        {"fn f(a, b = 2, ...rest) = a", "(fn f (a b=2 ...rest) a)"},
        {"fn f(x) { let y = x; y }", "(fn f (x) [[ (let y x) y ]])"},
        {"fn f() {}", "(fn f () [[ ]])"}, {"let g = fn(x) = x^2", "(let g (fn (x) (^ x 2)))"},
        {"map(fn(x) = x + 1, xs)", "map((fn (x) (+ x 1)) xs)"},
        {"fn(x) = fn(y) = x", "(fn (x) (fn (y) x))"}, {"fn(x) = x |> f", "(fn (x) (|> x f))"},
        {"fn step((h, c), {W, b: v}, _) = h", "(fn step ((, h c) {W b:v} _) h)"},
        {"fn f(x: [B, N], W: [N, 3], b: [..]): [B, M] = x",
         "(fn f (x:[B N] W:[N 3] b:[..]):[B M] x)"},
        {"fn f(x: []): [] = x", "(fn f (x:[]):[] x)"}, {"fn f(x) = {x}", "(fn f (x) {x})"});
}

Test(parser, statements) {
    CHECK_TREES(
        {"let x = 1", "(let x 1)"}, {"let (a, (b, _), ...r) = t", "(let (, a (, b _) (... r)) t)"},
        {"let {W, b: c} = r", "(let {W b:c} r)"}, {"let (a,) = t", "(let (, a) t)"},
        {"param W = randn(2)", "(param W randn(2))"}, {"x = 1", "(= x 1)"}, {"x += 1", "(+= x 1)"},
        {"x -= 1; x *= 2; x /= 3", "(-= x 1) (*= x 2) (/= x 3)"}, {"W := W - g", "(:= W (- W g))"},
        {"p.W[0].b = 1", "(= (at p.W 0).b 1)"}, {"(a, b) = (b, a)", "(= (, a b) (, b a))"},
        {"(a, _, ...c) := t", "(:= (, a _ (... c)) t)"}, {"_ = f()", "(= _ f())"},
        {"for x in xs { f(x) }", "(for x xs [[ f(x) ]])"},
        {"for (k, v) in r { }", "(for (, k v) r [[ ]])"},
        {"while true { break; continue }", "(while true [[ break continue ]])"},
        {"fn f() { return }", "(fn f () [[ (return) ]])"},
        {"fn f() { return 1 }", "(fn f () [[ (return 1) ]])"},
        {"import \"a/b.nn\" as m", "(import a/b.nn m)"}, {"assert a == b", "(assert (== a b))"},
        {"assert a, \"no\"", "(assert a 'no')"}, {"assert(a)", "(assert a)"},
        {"test \"name\" { assert a }", "(test 'name' [[ (assert a) ]])"},
        {"if a { 1 } else if b { 2 } else { 3 }", "(if a [[ 1 ]] b [[ 2 ]] (else [[ 3 ]]))"},
        {"let y = if a { 1 } else { 2 } + 3", "(let y (+ (if a [[ 1 ]] (else [[ 2 ]])) 3))"});
}

Test(parser, words_are_names_where_the_grammar_does_not_want_them) {
    CHECK_TREES({"let (train, test) = split_data(d)", "(let (, train test) split_data(d))"},
                {"assert = 3", "(= assert 3)"},
                {"test + by + as + new", "(+ (+ (+ test by) as) new)"}, {"test(x)", "test(x)"},
                {"by = 1", "(= by 1)"}, {"assert - 1", "(- assert 1)"},
                {"lambda = 0.1", "(= lambda 0.1)"}, {"set(x)", "set(x)"}, {"def = 1", "(= def 1)"});
}

Test(parser, derivatives) {
    CHECK_TREES({"∂E/∂W", "(d E (W))"}, {"∂E / ∂W", "(d E (W))"}, {"∂E/∂(W, b)", "(d E ,(W b))"},
                {"∂E/∂(W)", "(d E (W))"}, {"∂E/∂(W,)", "(d E ,(W))"}, {"∂E/∂p.W", "(d E (p.W))"},
                {"∂E/∂p.a.b", "(d E (p.a.b))"}, {"∂E/∂W[0, 1]", "(d E ((at W 0 1)))"},
                {"∂E/∂hs[t]", "(d E ((at hs t)))"}, {"∂E/∂W.T", "(d E (W)).T"},
                {"∂E/∂p.W.shape", "(d E (p.W)).shape"}, {"∂E/∂W[0].T", "(d E ((at W 0))).T"},
                {"∂E/∂(a, b)[0]", "(at (d E ,(a b)) 0)"}, {"∂(E + F)/∂x", "(d (+ E F) (x))"},
                {"∂loss(p)/∂p", "(d loss(p) (p))"}, {"∂r.E[0]/∂x", "(d (at r.E 0) (x))"},
                {"∂(∂E/∂x)/∂x", "(d (d E (x)) (x))"}, {"∂²E/∂x²", "(d (d E (x)) (x))"},
                {"∂²E/∂x∂y", "(d (d E (y)) (x))"}, {"∂³E/∂x²∂y", "(d (d (d E (y)) (x)) (x))"},
                {"0.1 * ∂E/∂W - 1", "(- (* 0.1 (d E (W))) 1)"}, {"𝜕E/𝜕W", "(d E (W))"},
                {"(∂E/∂x)²", "(^ (d E (x)) 2)"}, {"∇f(x)", "(grad f)(x)"},
                {"∇m.f(x)", "(grad m.f)(x)"}, {"∇(fn(x) = x)", "(grad (fn (x) x))"},
                {"∇f", "(grad f)"}, {"(∇f)'", "(grad f)'"});
}

Test(parser, strings) {
    CHECK_TREES({"\"a{x}b\"", "(template 'a' x 'b')"}, {"\"{x:.3f}\"", "(template x:.3f)"},
                {"\"{f(\"q\")}\"", "(template f('q'))"}, {"\"{{a: 1}.a}\"", "(template {a:1}.a)"},
                {"\"a\\{b\\}\"", "'a{b}'"}, {"r\"a{b}\\n\"", "'a{b}\\n'"},
                {"\"\"\"a\n\"b\" {x}\"\"\"", "(template 'a\n\"b\" ' x)"}, {"\"\"", "''"},
                {"\"\"\"\"\"\"", "''"}, {"\"{x}{y}\"", "(template x y)"},
                {"\"{\"{y}\"}\"", "(template (template y))"}, {"\"}\"", "'}'"});
}

/* The rule of language.md, case by case: how many statements there are. */
Test(parser, newline_rule) {
    static const struct {
        const char *text;
        uint32_t statements;
    } rows[] = {
        {"a\nb", 2},
        {"a; b", 2},
        {"a;\n;b;", 2},
        {"a +\nb", 1},
        {"a\n+ b", 1},
        {"a\n+b", 1},
        {"a\n- b", 1},
        {"a\n-b", 2},
        {"a\n(b)", 2},
        {"a\n[b]", 2},
        {"(a\n-b)", 1},
        {"[a\n, b]", 1},
        {"f(a\n)", 1},
        {"{a: 1,\nb: 2}", 1},
        {"x =\n3", 1},
        {"x :=\n3", 1},
        {"a\n|> f", 1},
        {"a\nand b", 1},
        {"a\nor\nb", 1},
        {"a\n\n# c\n\n+ b", 1},
        {"if a { 1 }\nelse { 2 }", 1},
        {"if a { 1 }\n\nelse if b { 2 }", 1},
        {"f(fn(x) {\na\nb\n})", 1},
        {"f(fn(x) {\na\n-b\n})", 1},
        {"a\n== b", 1},
        {"a\n@ b", 1},
        {"a\n^ b", 1},
        {"0\n.. 3", 1},
        {"a\n− b", 1},
        {"a\nnot b", 2},
        {"return\na", 2},
        {"a\r\nb\r\n", 2},
        {"x[\n1\n]", 1},
        {"let f = fn(x) =\nx", 1},
        {"a # c\nb", 2},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(front_parse(&f, rows[i].text), GR_PARSE_OK, "%s", rows[i].text);
        if (!f.ast) continue;
        uint32_t got = f.ast->root->as.block.count;
        cr_expect_eq(got, rows[i].statements, "%s: %u", rows[i].text, got);
    }
    front_close(&f);
}

Test(parser, blocks_inside_brackets_have_lines_again) {
    CHECK_TREES({"f(fn(x) {\na\n-b\n})", "f((fn (x) [[ a (- b) ]]))"},
                {"f(fn(x) {\ng(a\n-b)\n})", "f((fn (x) [[ g((- a b)) ]]))"});
}

Test(parser, prompt_waits_only_where_it_must) {
    static const struct {
        const char *text;
        gr_parse_status status;
    } rows[] = {
        {"f(", GR_PARSE_INCOMPLETE},
        {"[1,", GR_PARSE_INCOMPLETE},
        {"{a:", GR_PARSE_INCOMPLETE},
        {"a +", GR_PARSE_INCOMPLETE},
        {"let x =", GR_PARSE_INCOMPLETE},
        {"x :=", GR_PARSE_INCOMPLETE},
        {"x = a and", GR_PARSE_INCOMPLETE},
        {"if a {", GR_PARSE_INCOMPLETE},
        {"fn f(x) {\nx", GR_PARSE_INCOMPLETE},
        {"\"\"\"a", GR_PARSE_INCOMPLETE},
        {"x = \"\"\"a\nb", GR_PARSE_INCOMPLETE},
        {"for x in", GR_PARSE_INCOMPLETE},
        {"a |>", GR_PARSE_INCOMPLETE},
        {"fn f(x) =", GR_PARSE_INCOMPLETE},
        {"not", GR_PARSE_INCOMPLETE},
        {"f(fn(x) {", GR_PARSE_INCOMPLETE},
        {"(a, b", GR_PARSE_INCOMPLETE},
        {"-", GR_PARSE_INCOMPLETE},
        {"a", GR_PARSE_OK},
        {"a\n", GR_PARSE_OK},
        {"if a { 1 }", GR_PARSE_OK},
        {"", GR_PARSE_OK},
        {"|> f", GR_PARSE_OK},
        {"# c", GR_PARSE_OK},
        {"\"abc", GR_PARSE_ERROR},
        {"let", GR_PARSE_ERROR},
        {"a b", GR_PARSE_ERROR},
        {"f(]", GR_PARSE_ERROR},
        {"1 ** 2; f(", GR_PARSE_ERROR},
        {")", GR_PARSE_ERROR},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = rows[i].text;
        gr_parse_status got = front_parse_bytes(&f, text, strlen(text), GR_PARSE_PROMPT);
        cr_expect_eq(got, rows[i].status, "%s: %d", text, got);
        cr_expect_eq(f.report.error_count > 0, got == GR_PARSE_ERROR, "%s", text);
    }
    cr_expect_eq(front_parse(&f, "f("), GR_PARSE_ERROR, "a file is never incomplete");
    front_close(&f);
}

Test(parser, prompt_goes_on_from_ans) {
    front f;
    front_open(&f);
    cr_assert_eq(front_parse_bytes(&f, "|> f |> g", 9, GR_PARSE_PROMPT), GR_PARSE_OK);
    put_list(&f.out, &f.ast->root->as.block);
    cr_expect_str_eq(f.out.text, " (|> (|> ans f) g)");
    cr_expect_eq(front_parse(&f, "|> f"), GR_PARSE_ERROR);
    front_close(&f);
}

/* ---- spans -------------------------------------------------------------------------------- */

static void expect_span(gr_span span, uint32_t begin, uint32_t end, const char *what) {
    cr_expect(span.begin == begin && span.end == end, "%s: %u..%u, not %u..%u", what, span.begin,
              span.end, begin, end);
}

Test(parser, spans_are_exact) {
    front f;
    front_open(&f);
    cr_assert_eq(front_parse(&f, "let y = (a + b) * f(x, k = 1)'\n"), GR_PARSE_OK);
    const gr_node *let = f.ast->root->as.block.items[0], *mul = let->as.bind.value;
    expect_span(let->span, 0, 30, "let");
    expect_span(mul->span, 8, 30, "product");
    expect_span(mul->as.binary.op_span, 16, 17, "*");
    const gr_node *sum = mul->as.binary.left, *prime = mul->as.binary.right;
    expect_span(sum->span, 9, 14, "sum without its parentheses");
    cr_expect(sum->flags & GR_PARENTHESISED);
    expect_span(prime->span, 18, 30, "prime");
    expect_span(prime->as.prime.marks, 29, 30, "mark");
    const gr_node *call = prime->as.prime.object;
    expect_span(call->span, 18, 29, "call");
    expect_span(call->as.call.brackets, 19, 29, "brackets");
    expect_span(call->as.call.arguments[1].name_span, 23, 24, "argument");
    cr_assert_eq(front_parse(&f, "x² |> r.f[1, 2]"), GR_PARSE_OK);
    const gr_node *pipe = f.ast->root->as.block.items[0];
    expect_span(pipe->as.pipe.op_span, 4, 6, "|>");
    expect_span(pipe->as.pipe.left->as.binary.right->span, 1, 3, "superscript");
    cr_expect(pipe->as.pipe.left->flags & GR_SUPERSCRIPT);
    expect_span(pipe->as.pipe.right->as.index.brackets, 10, 16, "index");
    expect_span(pipe->as.pipe.right->as.index.object->as.field.name_span, 9, 10, "field");
    front_close(&f);
}

Test(parser, heads_and_templates_have_spans) {
    front f;
    front_open(&f);
    cr_assert_eq(front_parse(&f, "fn f(x, k = 1): [N] = \"a{x:.2f}\""), GR_PARSE_OK);
    const gr_fn *fn = f.ast->root->as.block.items[0]->as.define->as.fn;
    expect_span(fn->head, 0, 19, "head");
    expect_span(fn->name_span, 3, 4, "name");
    expect_span(fn->parameters[1].span, 8, 13, "parameter");
    expect_span(fn->result->span, 16, 19, "signature");
    expect_span(fn->body->span, 22, 32, "template");
    expect_span(fn->body->as.template.parts[1].span, 24, 31, "interpolation");
    front_close(&f);
}

Test(parser, documentation_is_the_run_of_lines_above) {
    static const pair rows[] = {
        {"## a\n## b\nfn f(x) = x", "a\nb"},
        {"## a\n\nfn f(x) = x", ""},
        {"# a\nfn f(x) = x", ""},
        {"x ## a\nfn f(x) = x", ""},
        {"##a\n##\n##   b\nfn f(x) = x", "a\n\n  b"},
        {"## a\n# b\n## c\nfn f(x) = x", "c"},
        {"## a\r\nfn f(x) = x", "a"},
        {"## a\nx; fn f(x) = x", ""},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(front_parse(&f, rows[i].text), GR_PARSE_OK);
        const gr_node_list *list = &f.ast->root->as.block;
        gr_text doc = list->items[list->count - 1]->as.define->as.fn->doc;
        cr_expect_str_eq(doc.size ? doc.bytes : "", rows[i].want, "%s", rows[i].text);
    }
    cr_assert_eq(front_parse(&f, "## d\nlet x = 1 # c\n"), GR_PARSE_OK);
    cr_expect_str_eq(f.ast->root->as.block.items[0]->as.bind.doc.bytes, "d");
    cr_expect_eq(f.ast->comment_count, 2);
    expect_span(f.ast->comments[1], 15, 18, "comment");
    front_close(&f);
}

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

Test(parser, habits_operators) {
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
        {"\"{x + }\"", GR_E_expected_token, "}", NULL}, {"x++", HABIT, "++", "`x += 1`"},
        {"++x", HABIT, "++", "`x += 1`"}, {"y = +x", HABIT, "+", "`x`"},
        {"x **= 2", HABIT, "**=", "`x = x ^ 2`"}, {"x ^= 2", HABIT, "^=", "`x = x ^ 2`"},
        {"2x", HABIT, "2x", "`2 * x`"}, {"3 + 2(x + 1)", HABIT, "2", "`2 * (x + 1)`"},
        {"2x^2", HABIT, "2x", "`2 * x^2`"}, {"sin²(x)", HABIT, "²", "`sin(x)²`"});
}

Test(parser, habits_words) {
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

Test(parser, habits_forms) {
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

Test(parser, mistakes_of_expressions) {
    CHECK_MISTAKES(
        {"a < b < c", GR_E_chained_comparison, "@6,7", "`a < b and b < c`"},
        {"0 <= f(x) < n == m", GR_E_chained_comparison, "@10,11", "`0 <= f(x) and f(x) < n`"},
        {"x +", GR_E_expected_token, "@3,3", NULL}, {"x + )", GR_E_unclosed_bracket, ")", NULL},
        {"f(a, b", GR_E_unclosed_bracket, "(", NULL}, {"f(a, b]", GR_E_unclosed_bracket, "(", NULL},
        {"x = [1, 2\nlet y = 3", GR_E_unclosed_bracket, "[", NULL},
        {"a)", GR_E_unclosed_bracket, ")", NULL}, {"}", GR_E_unclosed_bracket, "}", NULL},
        {"if a {\n  b\n", GR_E_unclosed_bracket, "{", NULL},
        {"(x = 3)", GR_E_misplaced_statement, "=", "=="},
        {"a = b = c", GR_E_misplaced_statement, "@6,7", NULL},
        {"f(let x = 3)", GR_E_misplaced_statement, "let", NULL},
        {"a = else", GR_E_expected_expression, "else", NULL},
        {"[1 2]", GR_E_expected_token, "2", NULL}, {"x[]", GR_E_expected_token, "]", NULL},
        {"0..", GR_E_expected_token, "@3,3", NULL}, {"..3", GR_E_bad_range, "..", NULL},
        {"f(0..)", GR_E_expected_token, ")", NULL}, {"x[(1..)]", GR_E_expected_token, ")", NULL},
        {"a..b..c", GR_E_bad_range, "@4,6", "`a..b by c`"},
        {"a == not b", GR_E_unexpected_token, "not", "`(not b)`"},
        {"f(k = 1, x)", GR_E_bad_argument, "x", NULL}, {"f(_, 1)", GR_E_bad_placeholder, "_", "|>"},
        {"{in}", GR_E_bad_record, "in", "`{in: 1}`"}, {"{a = 1}", GR_E_bad_record, "=", "`{a: 1}`"},
        {"[for x in xs for y in ys: x]", GR_E_bad_comprehension, "@13,16", "`[for x in xs:"},
        {"5'", GR_E_bad_prime, "'", NULL}, {"a b", HABIT, "a", "`a(b)`"},
        {"1 2", GR_E_expected_token, "2", NULL});
}

Test(parser, mistakes_of_statements) {
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

Test(parser, mistakes_of_derivatives) {
    CHECK_MISTAKES(
        {"∂E", GR_E_bad_derivative, "∂", "`∂E/∂x`"}, {"∂E/W", GR_E_bad_derivative, "∂", "`∂E/∂x`"},
        {"∂3/∂x", GR_E_bad_derivative, "3", NULL}, {"∂E/∂3", GR_E_bad_derivative, "3", NULL},
        {"∂E/∂f(x)", GR_E_bad_derivative, "(", "`let u = f(x)`"},
        {"∂E/∂W[0](x)", GR_E_bad_derivative, "(", "∇f"}, {"∂E/∂W'", GR_E_bad_derivative, "'", NULL},
        {"∂E/∂()", GR_E_bad_derivative, "(", NULL}, {"∂E/∂(W + b)", GR_E_bad_derivative, "+", NULL},
        {"∂E/∂x²", GR_E_bad_derivative, "²", NULL},
        {"∂³E/∂x²", GR_E_bad_derivative, "∂³E/∂x²", NULL},
        {"∇²f", GR_E_bad_derivative, "²", "`laplacian(f)`"}, {"∇3", GR_E_bad_derivative, "3", NULL},
        {"∂∂E/∂x", GR_E_bad_derivative, "@3,6", NULL});
}

Test(parser, mistakes_in_strings) {
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
                   {"\"{x y}\"", GR_E_expected_token, "y", NULL},
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

Test(parser, goes_on_behind_a_mistake_without_cascades) {
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

Test(parser, reports_at_most_so_many) {
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

Test(parser, errors_in_hints_do_not_multiply) {
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

Test(parser, chains_have_no_limit) {
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

Test(parser, nesting_ends_in_one_error) {
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

Test(parser, nesting_up_to_the_limit_is_right) {
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

Test(parser, time_is_linear_in_the_source) {
    front f;
    front_open(&f);
    double small = seconds_to_parse(&f, 50000), large = seconds_to_parse(&f, 400000);
    cr_expect_lt(large, 8 * 3 * small + 0.05, "%g s, then %g s for 8 times as much", small, large);
    front_close(&f);
}

Test(parser, bytes_of_all_kinds) {
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
Test(parser, memory_may_run_out_anywhere) {
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
