/* SPDX-License-Identifier: MIT */
/* The parser: trees written as s-expressions, spans, the newline rule, what the prompt waits for.
 * Wrong input is test_parse_mistakes.c's. */
#include "front.h"

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
