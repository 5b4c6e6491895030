/* SPDX-License-Identifier: MIT */
/* Params, updates and transforms: values known in closed form, and the errors that replace silence. */
#include "vm.h"

Test(transform, derivatives_of_values) {
    EXAMPLES({"param x = 3; let y = x ^ 2 * 2; ∂y/∂x", "12"}, {"param x = 3; let y = x ^ 3; ∂(∂y/∂x)/∂x", "18"},
             {"param p = {W: [1, 2], b: 3}; let E = sum(p.W) * p.b; ∂E/∂p", "{W: [3, 3], b: 3}"},
             {"param W = [1, 2]; let E = W * 2; ∂E/∂W", "[[2, 0],\n [0, 2]]"},
             {"param W = [1, 2]; let E = W * 2; ∂E/∂W[0]", "[2, 0]"}, {"param a = 1; param b = 2; ∂(a + b)/∂(a, b)", "(1, 1)"},
             {"param a = 1; param b = 2; ∂(a * 2)/∂b", "0"});
}

Test(transform, derivatives_of_functions) {
    EXAMPLES({"fn f(z) = z / (1 + exp(-z)); (f'(0), f''(0))", "(0.5, 0.5)"}, {"(fn(x) = x ^ 2)'([1, 2])", "[2, 4]"},
             {"(∇(fn(v) = sum(v ^ 2)))([1, 2])", "[2, 4]"}, {"grad(fn(a, b) = a * b, wrt = (0, 1))(2, 3)", "(3, 2)"},
             {"value_and_grad(fn(x) = x ^ 2)(3)", "(9, 6)"}, {"jvp(fn(x) = x ^ 2, 3, 2)", "(9, 12)"},
             {"let (y, pull) = vjp(fn(x) = x * [1, 2], [3, 4]); pull([1, 1])", "[1, 2]"},
             {"hessian(fn(v) = sum(v ^ 3))([1, 2])", "[[ 6,  0],\n [ 0, 12]]"},
             {"hvp(fn(v) = sum(v ^ 3), [1, 2], [1, 0])", "[6, 0]"}, {"(fn(t) = [cos(t), sin(t)])'(0)[1]", "1"},
             {"let x = 4; (fn(y) = (fn(x) = x * y)'(x))'(7)", "1"});
}

Test(transform, updates) {
    EXAMPLES({"param w = 1; for i in 0..3 { w := w - 0.1 * ∂(w ^ 2)/∂w }; \"{w:.4f}\"", "0.5120"},
             {"param w = 1\nfn slope() { let E = w ^ 2\n∂E/∂w }\nw := w - 0.1 * slope(); w", "0.8"},
             {"fn best(a) { param w = 0\nfor i in 0..50 { w := w - 0.1 * ∂((w - a) ^ 2)/∂w }\nw }\n"
              "abs(best'(3) - (1 - 0.8 ^ 50)) < 1e-14", "true"},
             {"param p = {W: [1, 2]}; p.W[0] := 7; ∂sum(p.W ^ 2)/∂p", "{W: [14, 4]}"},
             {"param a = 1; let s = 2; (a, s) := (a + s, a); (a, s)", "(3, 1)"},
             {"param W = [1, 2]; W := 3", "`W` is a tensor [2] and a param, which keeps its shape; "
                                          "the new value is a number"},
             {"param w = 1; w := [1] @ [1, 2]; 0", "`[1] @ [1, 2]` multiplies [1] by [2]; 1 must equal 2"});
}

Test(transform, stale_denominators) {
    EXAMPLES({"param w = 1\nlet E = w ^ 2\nw := 2\n∂E/∂w", "this was computed in line 2, before line 3 changed `w`"},
             {"param w = 1\nlet q = w * 2\nlet F = q ^ 2\nq = q + 1\n∂F/∂q",
              "the numerator was computed in line 3, before line 4 changed `q`"},
             {"let a = 1; ∂(a * 2)/∂a", "`a` is not tracked, so nothing has a derivative with respect to it"});
}

Test(transform, rules_of_ones_own) {
    EXAMPLES({"let f = custom_grad(fn(x) = (x ^ 2, fn(d) = d * 2 * x)); (f'(3), f''(3))", "(6, 2)"},
             {"let f = custom_grad(fn(x) = (x ^ 2, fn(d) = 10 * d)); ∇f(3)", "10"},
             {"let f = custom_grad(fn(x) = (sum(x), fn(d) = d)); ∇f([1, 2])",
              "the pullback gives a cotangent of shape [] for an argument of shape [2]"});
}

Test(transform, scan) {
    EXAMPLES({"let (h, hs) = scan(fn(h, x) = h + x, 0, [1, 2, 3]); (h, hs)", "(6, [1, 3, 6])"},
             {"(∇(fn(w) = scan(fn(h, x) = h * w + x, 0, [1, 1, 1])[0]))(2)", "5"},
             {"scan(fn(h, x) = [h, x], 0, [1, 2])", "step 0 of `scan` gives a state of another shape than it got"});
}

Test(transform, elementwise_functions_follow_redefinition) {
    machine m;
    machine_open(&m);
    machine_expect(&m, "let c = 2; fn g(x) = x * c; fn f(x) = g(x) + 1; f(arange(20))[3]", "7");
    machine_expect(&m, "fn g(x) = x * c * 10; f(arange(20))[3]", "61");
    machine_expect(&m, "c = 1; f(arange(20))[3]", "31");
    machine_expect(&m, "param k = 3; fn h(x) = x * k; ∂sum(h(arange(20)))/∂k", "190");
    machine_close(&m);
}
