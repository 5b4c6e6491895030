/* SPDX-License-Identifier: MIT */
/* Programs and what they give; every one in a fresh interpreter that must leave no memory behind. */
#include "vm.h"

Test(vm, arithmetic) {
    EXAMPLES({"1 + 2 * 3 - 4 / 2", "5"}, {"-2 ^ 2", "-4"}, {"2 ^ 3 ^ 2", "512"}, {"-7 % 3", "2"},
             {"2 ^ -1", "0.5"}, {"true + 1", "2"}, {"10 - 2 - 3", "5"}, {"1 / 0", "inf"});
}

Test(vm, comparisons_and_logic) {
    EXAMPLES({"1 < 2 and not (2 < 1)", "true"}, {"(1, 2) == (1, 2)", "true"},
             {"nil == 3", "false"}, {"nan == nan", "false"}, {"if nan < 1 { 1 } else { 2 }", "2"},
             {"\"a\" < \"b\"", "true"}, {"[1, 2] < 2", "[true, false]"},
             {"[true, false] and true", "[true, false]"});
}

Test(vm, variables) {
    EXAMPLES({"let x = 1; x += 2; x *= 5; x", "15"}, {"let (a, (b, ...c)) = (1, (2, 3, 4)); c", "(3, 4)"},
             {"let {W, b: q} = {b: 2, W: 1}; W + q", "3"}, {"let (a, b) = (1, 2); (a, b) = (b, a); a", "2"},
             {"x = 1", "there is no variable `x` to assign to"}, {"let y = zz", "`zz` is not defined"});
}

Test(vm, loops) {
    EXAMPLES({"let s = 0; for i in 0..10 { if i == 3 { continue }; if i == 6 { break }; s += i }; s", "12"},
             {"let s = 0; for i in 10..0 by -2 { s += i }; s", "30"},
             {"let n = 0; while n < 5 { n += 1 }; n", "5"},
             {"let s = \"\"; for c in \"hé\" { s = c ++ s }; s", "éh"},
             {"let s = 0; for (k, v) in {a: 1, b: 2} { s += v }; s", "3"},
             {"let s = 0; for (a, b) in [[1, 2], [3, 4]] { s += a * b }; s", "14"},
             {"[for i in 0..4 if i % 2 == 0: i ^ 2]", "[0, 4]"}, {"(for i in 0..3: i)", "(0, 1, 2)"},
             {"for i in 0..2.5 { }", "the end of a range that is run through is a whole number, not 2.5"},
             {"for i in 0.5..2 { }", "the start of a range that is run through is a whole number, not 0.5"});
}

Test(vm, calls) {
    EXAMPLES({"fn f(a, b = a + 1, ...r) = (a, b, r); f(1)", "(1, 2, ())"},
             {"fn f(a, b = a + 1, ...r) = (a, b, r); f(1, 5, 6, 7)", "(1, 5, (6, 7))"},
             {"fn f(a, b = 2) = a - b; f(b = 1, a = 9)", "8"}, {"fn f(a, b) = a - b; f(...(5, 3))", "2"},
             {"fn f(a) = a; f()", "`f` is called without its argument `a`"},
             {"fn f(a) = a; f(1, 2)", "`f` takes 1 argument, here are 2"},
             {"fn f(a) = a; f(q = 2)", "`f` has no argument `q`"}, {"let a = 3; a(4)", "`a` is a number, not a function"},
             {"fn f(x) { if x > 1 { return 5 }; x }; f(2) + f(1)", "6"},
             {"3 |> fn(x) = x + 1", "4"}, {"fn g(x, y) = x - y; 5 |> g(2)", "3"},
             {"fn g(x, y) = x - y; 5 |> g(2, _)", "-3"});
}

Test(vm, closures) {
    EXAMPLES({"fn counter() { let n = 0; fn() { n += 1; n } }; let c = counter(); c(); c()", "2"},
             {"fn f() { let g = (); for i in 0..3 { g = push(g, fn() = i) }; (for h in g: h()) }; f()", "(0, 1, 2)"},
             {"fn f() { fn even(n) = if n == 0 { true } else { odd(n - 1) }\n"
              "fn odd(n) = if n == 0 { false } else { even(n - 1) }\n even(10) }; f()", "true"},
             {"fn f() { fn g(n) = if n == 0 { 0 } else { n + g(n - 1) }; g(100) }; f()", "5050"});
}

Test(vm, containers) {
    EXAMPLES({"let r = {a: {b: (1, 2)}}; let q = r; r.a.b[1] = 7; (r, q)", "({a: {b: (1, 7)}}, {a: {b: (1, 2)}})"},
             {"let x = zeros(3); let y = x; x[1] = 5; (x, y)", "([0, 5, 0], [0, 0, 0])"},
             {"let r = {a: 1}; r[\"b\"] = 2; r.a = 3; r", "{a: 3, b: 2}"}, {"{...{a: 1, b: 2}, b: 3}", "{a: 1, b: 3}"},
             {"let t = (1, 2, 3, 4); (t[-1], t[1..3], t[.. by -1])", "(4, (2, 3), (4, 3, 2, 1))"},
             {"\"héllo\"[1..3]", "él"}, {"let r = {a: 1}; r.b", "the record has no field `b`"},
             {"(1, 2)[2]", "the index 2 is out of range: the tuple has 2 items"},
             {"let x = [[1, 2], [3, 4]]; x[0, 1] = 9; x[0]", "[1, 9]"}, {"let x = [1, 2, 3]; x[x > 1]", "[2, 3]"});
}

Test(vm, text) {
    EXAMPLES({"let x = 0.5; \"{x:.2f} {x + 1} {\"q\"}\"", "0.50 1.5 q"}, {"\"a\" ++ \"b\"", "ab"},
             {"\"a\" + 1", "`+` does not take a string"});
}

Test(vm, signatures) {
    EXAMPLES({"fn f(x: [N]): [N, N] = outer(x, x) + N; f([1, 2])[1, 1]", "6"},
             {"fn f(x: [B, N], W: [N, M]) = x @ W; f([[1, 2]], [[1], [2], [3]])",
              "`W` is [3, 1] but the signature wants [N, M] with N = 2, from `x` [1, 2]"},
             {"fn f(x: [.., 3]) = 1; f([[1, 2, 3]])", "1"});
}

Test(vm, what_the_compiler_finds) {
    EXAMPLES({"fn f() { let l = (); for i in 0..3 { push(l, i) }; l }", "this has no effect, and nobody uses its value"},
             {"let y = if true { 1 }", "the value of this `if` is used, so it needs an `else`"},
             {"param w = 1; w = 2", "`w` is a param, which only `:=` can change"},
             {"break", "`break` stands outside a loop"}, {"return 1", "`return` stands outside a function"});
}

Test(vm, state_survives_an_error) {
    machine m;
    machine_open(&m);
    m.flags = GR_RUN_PROMPT;
    machine_expect(&m, "let x = 1", "");
    machine_expect(&m, "x = [1, 2] @ [1, 2, 3]", "`[1, 2] @ [1, 2, 3]` multiplies [2] by [3]; 2 must equal 3");
    machine_expect(&m, "x", "1");
    machine_expect(&m, "fn f() = g()", "");
    machine_expect(&m, "f()", "`g` is not defined");
    machine_expect(&m, "fn g() = x + 1; f()", "2");
    machine_expect(&m, "fn g() = 10", "");
    machine_expect(&m, "f()", "10");
    machine_close(&m);
}

Test(vm, deep_calls) {
    EXAMPLES({"fn f(n) = if n == 0 { 0 } else { 1 + f(n - 1) }; f(10000)", "10000"},
             {"fn f(n) = f(n + 1); f(0)", "calls are nested more than 20000 deep"},
             {"fn f(n) = map(fn(x) = f(x), (n,)); f(0)", "calls are nested more than 20000 deep"},
             {"let t = (); for i in 0..200000 { t = (t,) }; t = 1; t", "1"});
}

Test(vm, cycles_are_found) {
    EXAMPLES({"fn make() { let a = nil; let f = fn() = a; a = f; 1 }\n"
              "let s = 0; for i in 0..20000 { s += make() }; s", "20000"});
}

Test(vm, asserts) {
    EXAMPLES({"assert 1 + 1 == 2", ""}, {"let a = 3; assert a == 4", "`a == 4` does not hold"},
             {"assert false, \"no\"", "no"});
}

Test(vm, prelude_names_can_be_taken) {
    EXAMPLES({"fn relu(x) = 7; (relu(1), prelude.relu(2))", "(7, 2)"}, {"let sum = 4; sum", "4"},
             {"fn sum(x) = 99; mean([1, 3])", "2"});
}
