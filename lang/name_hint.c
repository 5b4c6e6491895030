/* SPDX-License-Identifier: MIT */
/*
 * Names of functions and of arguments that other languages have and Gradus spells differently: what to
 * write instead. Only names that the prelude, or the function, does not have are looked up here.
 */
#include "suggest.h"

#include "complete.h"
#include "diagnostic.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *name, *hint;
} rows[] = {
#define GR_FOREIGN(name, hint) {name, hint},
#include "foreign_names.def"
#undef GR_FOREIGN
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
    if (name[0] == 'd' && behind[0] == '/' && behind[1] == 'd' && isalpha((unsigned char)behind[2]))
        gr_diag_help(d, "a derivative is written with `∂`, as in `∂E/∂w`, or called: `grad(E, w)`");
    else if (length && is_foreign_module(name))
        gr_diag_help(d, "functions of the prelude stand without a module: `%.*s`", length, behind + 1);
    else if (hint) gr_diag_help(d, "%s", hint);
    else return false;
    return true;
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* What the argument may be called here, where it is written so elsewhere. */
static const struct {
    const char *theirs, *ours;
} arguments[] = {
    {"dim", "axis"},          {"dims", "axis"},           {"axes", "axis"},        {"margin", "axis"},
    {"keepdims", "keep"},     {"keepdim", "keep"},        {"keep_dims", "keep"},   {"learning_rate", "lr"},
    {"rate", "lr"},           {"step_size", "lr"},        {"eta", "lr"},           {"λ", "lr"},
    {"p", "rate"},            {"epsilon", "eps"},         {"correction", "ddof"},  {"unbiased", "ddof"},
    {"key", "by"},            {"reverse", "descending"},  {"delimiter", "separator"}, {"sep", "separator"},
    {"sep", "at"},            {"mean", "loc"},            {"std", "scale"},        {"shape", "size"},
    {"in_features", "n_in"},  {"out_features", "n_out"},  {"units", "n_out"},      {"hidden_size", "n"},
    {"input_size", "n_in"},   {"kernel_size", "size"},    {"num_heads", "heads"},  {"opt", "optimizer"},
    {"optim", "optimizer"},   {"criterion", "loss"},      {"batchsize", "batch_size"}, {"n_epochs", "epochs"},
    {"num", "n"},             {"count", "n"},             {"label", "labels"},     {"legend", "labels"},
    {"rho", "alpha"},         {"betas", "beta1"},         {"nbins", "bins"},
};

/* What one more argument means elsewhere. */
static const struct {
    const char *function, *hint;
} surplus[] = {
    {"max", "`max((a, b, c))` is the largest of several values"},
    {"min", "`min((a, b, c))` is the smallest of several values"},
    {"sum", "`sum((a, b, c))` adds up several values"},
    {"mean", "`mean((a, b, c))` is the mean of several values"},
    {"prod", "`prod((a, b, c))` multiplies several values"},
    {"round", "`round(x * 100) / 100` keeps two decimals, and `\"{x:.2f}\"` writes as many"},
    {"log", "`log(x) / log(b)` is the logarithm to another base; there are `log2` and `log10`"},
    {"enumerate", "it counts from 0; `i + 1` begins at 1"},
};

bool gr_hint_surplus(gr_diagnostic *d, const char *function) {
    for (size_t i = 0; i < sizeof surplus / sizeof *surplus; i++) {
        if (strcmp(surplus[i].function, function) != 0) continue;
        gr_diag_help(d, "%s", surplus[i].hint);
        return true;
    }
    return false;
}

typedef struct sought {
    const char *name; /* of an argument */
    bool found;
    gr_suggestion *near;
} sought;

static void look_at_parameter(void *user, const char *name, size_t size) {
    sought *s = user;
    if (s->name && strlen(s->name) == size && memcmp(s->name, name, size) == 0) s->found = true;
    if (s->near) gr_suggest_offer(s->near, name, size);
}

void gr_hint_argument(gr_diagnostic *d, const char *signature, const char *name) {
    gr_suggestion near = gr_suggest_begin(name, strlen(name));
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        sought s = {.name = arguments[i].ours};
        if (strcmp(arguments[i].theirs, name) != 0) continue;
        gr_each_parameter(signature, look_at_parameter, &s);
        if (!s.found) continue;
        gr_diag_help(d, "write `%s = …`", s.name);
        return;
    }
    gr_each_parameter(signature, look_at_parameter, &(sought){.near = &near});
    if (near.best) gr_diag_help(d, "write `%.*s = …`", (int)near.best_size, near.best);
}
