/* SPDX-License-Identifier: MIT */
/*
 * Names that other languages have and Gradus spells differently: what to write instead. Only names
 * that the prelude does not have are looked up here.
 */
#include "suggest.h"

#include "diagnostic.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *name, *hint;
} rows[] = {
    {"range", "write `0..n` for the whole numbers from 0 up to n"},
    {"length", "write `len(x)` for the number of items"},
    {"numel", "write `size(x)` for the number of elements"},
    {"ndims", "write `len(x.shape)` for the number of axes"},
    {"shape", "write `x.shape`"},
    {"append", "write `t = push(t, x)`"},
    {"println", "write `print(x)`"},
    {"printf", "write `print(\"{x:.3f}\")`"},
    {"echo", "write `print(x)`"},
    {"disp", "write `print(x)`"},
    {"input", "write `read_line()`"},
    {"int", "write `trunc(x)`, or `num(text)` for a number in a text"},
    {"float", "write `num(text)` for a number in a text"},
    {"parseFloat", "write `num(text)`"},
    {"parse", "write `num(text)` for a number in a text"},
    {"string", "write `str(x)`"},
    {"list", "write `(a, b)` for a tuple"},
    {"tuple", "write `(a, b)` for a tuple"},
    {"dict", "write `{name: value}`"},
    {"Dict", "write `{name: value}`"},
    {"array", "write `[1, 2, 3]`, or `tensor(t)` for a tuple of numbers"},
    {"Array", "write `[1, 2, 3]`, or `tensor(t)` for a tuple of numbers"},
    {"typeof", "write `type(x)`"},
    {"isinstance", "write `type(x) == \"number\"`"},
    {"null", "write `nil`"},
    {"NULL", "write `nil`"},
    {"undefined", "write `nil`"},
    {"nothing", "write `nil`"},
    {"NaN", "write `nan`"},
    {"Inf", "write `inf`"},
    {"Infinity", "write `inf`"},
    {"PI", "write `π` or `pi`"},
    {"ln", "write `log(x)` for the natural logarithm"},
    {"pow", "write `x^y`"},
    {"power", "write `x^y`"},
    {"square", "write `x^2`"},
    {"vstack", "write `concat((a, b), axis = 0)`"},
    {"hstack", "write `concat((a, b), axis = 1)`"},
    {"cat", "write `concat((a, b), axis = 0)`"},
    {"vcat", "write `concat((a, b), axis = 0)`"},
    {"hcat", "write `concat((a, b), axis = 1)`"},
    {"concatenate", "write `concat((a, b), axis = 0)`"},
    {"reduce", "write `fold(f, start, xs)`"},
    {"foldl", "write `fold(f, start, xs)`"},
    {"random", "write `rand(n)`, numbers from 0 to 1"},
    {"open", "write `read_text(path)`"},
    {"readlines", "write `split(read_text(path), \"\\n\")`"},
    {"time", "write `clock()` for seconds"},
    {"sleep", "a script does not wait; `clock()` gives the time"},
    {"detach", "write `stop(x)`"},
    {"stop_gradient", "write `stop(x)`"},
    {"gradient", "write `∂E/∂W`, or `∇f` for a function"},
    {"derivative", "write `f'(x)`, or `∂E/∂W`"},
    {"no_grad", "write `W := W - rate * ∂E/∂W`: `:=` does not record"},
    {"Variable", "write `param W = ...` for a variable that is tracked"},
    {"quit", "write `exit()`; at the prompt `:quit` and Ctrl-D leave, too"},
    {"clear", "Ctrl-L clears the window, `:reset` forgets all variables"},
    {"whos", "`:vars` lists the variables"},
    {"prelude", "`prelude` stands in front of a name, as in `prelude.sum`"},
    {"this", "a function sees the variables around it; there are no objects with `this`"},
    {"self", "a function sees the variables around it; there are no objects with `self`"},
};

static const char *const modules[] = {"np",   "numpy", "torch", "nn",      "math",  "jnp",
                                      "jax",  "tf",    "plt",   "pd",      "random", "F",
                                      "Math", "keras", "scipy", "optim",   "os",    "sys"};

static const char *foreign_name(const char *name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].hint;
    return NULL;
}

static bool is_foreign_module(const char *name) {
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i], name) == 0) return true;
    return false;
}

bool gr_hint_foreign(gr_diagnostic *d, const char *name, const char *behind) {
    const char *hint = foreign_name(name);
    int length = 0;
    for (const char *c = behind + 1; *behind == '.' && (isalnum((unsigned char)*c) || *c == '_'); c++)
        length++;
    if (length && is_foreign_module(name))
        gr_diag_help(d, "functions of the prelude stand without a module: `%.*s`", length, behind + 1);
    else if (hint) gr_diag_help(d, "%s", hint);
    else return false;
    return true;
}
