/* SPDX-License-Identifier: MIT */
/* Params, updates and transforms: values known in closed form, and the errors that replace silence. */
#include "vm.h"

#include <signal.h>
#include <sys/time.h>

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
             {"param W = [1, 2]; W := 3", "`W` is a param and stays [2], but the new value is a number"},
             {"param w = 1; w := [1] @ [1, 2]; 0", "`[1] @ [1, 2]` multiplies [1] by [2]; 1 must equal 2"});
}

Test(transform, stale_denominators) {
    EXAMPLES({"param w = 1\nlet E = w ^ 2\nw := 2\n∂E/∂w", "`E` was computed in line 2, before line 3 changed `w`"},
             {"param w = 1\nlet q = w * 2\nlet F = q ^ 2\nq = q + 1\n∂F/∂q",
              "`F` was computed in line 3, before line 4 changed `q`"},
             {"let a = 1; ∂(a * 2)/∂a", "`a` is not tracked, so nothing has a derivative with respect to it"});
}

Test(transform, rules_of_ones_own) {
    EXAMPLES({"let f = custom_grad(fn(x) = (x ^ 2, fn(d) = d * 2 * x)); (f'(3), f''(3))", "(6, 2)"},
             {"let f = custom_grad(fn(x) = (x ^ 2, fn(d) = 10 * d)); ∇f(3)", "10"},
             {"let f = custom_grad(fn(x) = (sum(x), fn(d) = d)); ∇f([1, 2])",
              "the pullback gives a number for an argument that is [2]"});
}

Test(transform, scan) {
    EXAMPLES({"let (h, hs) = scan(fn(h, x) = h + x, 0, [1, 2, 3]); (h, hs)", "(6, [1, 3, 6])"},
             {"(∇(fn(w) = scan(fn(h, x) = h * w + x, 0, [1, 1, 1])[0]))(2)", "5"},
             {"scan(fn(h, x) = [h, x], 0, [1, 2])", "step 0 of `scan` gives a state that is [2], but got a number"});
}

Test(transform, checkpoints) {
    EXAMPLES({"param w = [1, 2]; let k = 3; let E = checkpoint(fn(x) = sum(x ^ k))(w); same((∂E/∂w, hessian(checkpoint(fn(x) = sum(x ^ k)))(w)), ([3, 12], [[6, 0], [0, 12]]))",
              "true"},
             {"fn f(x) { let c = x * 2; fn g(y) = if y > 3 { g(y - 1) } else { c * y }; checkpoint(fn(z) = g(z) * c)(x) }; (f'(5), f''(5))",
              "(220, 104)"},
             {"checkpoint(fn(x) = x @ [1, 2])([1])", "`x @ [1, 2]` multiplies [1] by [2]; 1 must equal 2"},
             {"let k = 0; fn f(x) { k = k + 1; x }; checkpoint(f)(2)",
              "`k` is made outside of the checkpoint, whose function is run again later and must not change it"},
             {"fn f() { let k = 0; checkpoint(fn(x) { k = k + 1; x })(2) }; f()",
              "this variable is made outside of the checkpoint, whose function is run again later and must not change it"},
             {"param w = 2; let t = 0; let f = checkpoint(custom_grad(fn(x) = (x ^ 2, fn(d) = [d, d]))); ∂f(w)/∂w",
              "the pullback gives [2] for an argument that is a number"});
}

Test(transform, folds_with_checkpoints) {
    EXAMPLES({"fn f(k) = ∇(fn(w) { let (h, _) = scan(fn(h, x) = h * w + x, w, ones(9), checkpoint = k); h }); (f(2)(1), f(\"auto\")(1), f(nil)(1))",
              "(46, 46, 46)"},
             {"let (h, hs) = scan(fn(h, x) = h + x, 0, [1, 2, 3], checkpoint = 2); (h, hs)", "(6, [1, 3, 6])"},
             {"jvp(fn(w) = scan(fn(h, x) = h * w + x, w, [w, w], checkpoint = 1)[1], 2, 1)", "([6, 14], [5, 17])"},
             {"param w = 2; let (h, _) = scan(fn(h, x) = if x > 2 { custom_grad(fn(y) = (y, fn(d) = [d]))(h) } else { h * w }, w, [1, 2, 3], checkpoint = 1); ∂h/∂w",
              "the pullback gives [1] for an argument that is a number"});
}

/* An interrupt while steps are run again: everything is as it was, and works. */
static volatile sig_atomic_t *interrupt_flag;
static void on_alarm(int signal) {
    (void)signal;
    *interrupt_flag = 1;
}

static void run_for_a_moment(machine *m, const char *text) {
    struct itimerval soon = {.it_value = {.tv_usec = 30000}}, never = {0};
    interrupt_flag = ad_interrupt_flag(m->ctx);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    cr_expect_eq(machine_run(m, text), GR_INTERRUPTED, "%s is not interrupted", text);
    setitimer(ITIMER_REAL, &never, NULL);
    *interrupt_flag = 0;
}

Test(transform, interrupted_sweeps) {
    machine m;
    machine_open(&m);
    machine_expect(&m, "param w = 0.5; let k = 1; let xs = ones(20); let (turns, slow) = (20, false)\n"
                       "fn step(h, x) { if slow { while true { turns := turns + 1 } }; h * w + k * x }\n"
                       "let (h, _) = scan(step, w, xs, checkpoint = 3)\n"
                       "let c = checkpoint(fn(x) = step(x, 1))(w); seed(1); let r = rand(); seed(1)\n"
                       "let (a, b) = (∂h/∂w, ∂c/∂w); (c, b)", "(1.25, 1)");
    machine_expect(&m, "fn stuck(x) = custom_grad(fn(x) = (x, fn(d) { while true { k := k }; d }))(x)\n"
                       "let d = checkpoint(fn(x) = stuck(x * w))(w)\n"
                       "let (g, _) = scan(fn(h, x) = stuck(h * w), w, xs, checkpoint = 3); (d, k)", "(0.25, 1)");
    run_for_a_moment(&m, "∂d/∂w");
    run_for_a_moment(&m, "∂g/∂w");
    machine_expect(&m, "(same((∂h/∂w, ∂c/∂w), (a, b)), rand() == r, k)", "(true, true, 1)");
    machine_expect(&m, "print(1); k = 2; fn f(x) { k := k + x; k }; f(1)", "3");
    cr_expect_str_eq(m.printed.text ? m.printed.text : "", "1\n");
    machine_close(&m);
}

/* Many lines at once, stopped in a callback and in a kernel: the tape is whole, and nothing is left. */
Test(transform, interrupted_batches) {
    machine m;
    machine_open(&m);
    machine_expect(&m, "param v = linspace(0, 1, 40); param k = 0; let wait = false\n"
                       "fn stuck(x) = custom_grad(fn(x) = (x * 2, fn(d) { while wait { k := k }; d * 2 }))(x)\n"
                       "fn wide(x) = concat(stuck(cumsum(x)), tanh(x))\n"
                       "let y = flip(tanh(stuck(cumsum(v))))\n"
                       "let (rows, columns) = (∂y/∂v, jacobian(wide)(stop(v)))\n"
                       "(rows.shape, columns.shape)", "((40, 40), (80, 40))");
    machine_expect(&m, "wait = true; k", "0");
    run_for_a_moment(&m, "∂y/∂v");
    run_for_a_moment(&m, "jacobian(wide)(stop(v))");
    run_for_a_moment(&m, "hessian(fn(x) = sum(wide(x)^2))(stop(v))");
    machine_expect(&m, "wait = false; same((∂y/∂v, jacobian(wide)(stop(v))), (rows, columns))", "true");
    machine_expect(&m, "param A = sin(reshape(arange(1000000), 1000, 1000)) * 0.1; let u = linspace(0, 1, 1000)\n"
                       "fn deep(x) { for i in 0..5 { x = tanh(A @ x) }; x }; let g = jvp(deep, u, u)[1]; 0", "0");
    run_for_a_moment(&m, "jacobian(deep)(u)");
    machine_expect(&m, "(same(jvp(deep, u, u)[1], g), close(∂sum(A @ u)/∂A, outer(ones(1000), u)))", "(true, true)");
    machine_close(&m);
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
