/* SPDX-License-Identifier: MIT */
/*
 * The command line. Options stand before the file; what follows the file belongs to the script.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char gr_usage[] =
    "usage: gradus [options] [file.nn [arguments]]\n"
    "\n"
    "  gradus                 an interactive prompt\n"
    "  gradus file.nn ...     run a script; its arguments are in args\n"
    "  gradus -               run a script from standard input\n"
    "  gradus -e 'expr'       evaluate and print\n"
    "  gradus -i file.nn      run a script, then a prompt with its names\n"
    "  gradus doc name        what a function, a keyword or a sign does\n"
    "  gradus test files      run the tests in files and folders; --filter TEXT:\n"
    "                         those so named; --update: write `#> ` lines anew\n"
    "\n"
    "  --seed N               begin with these random numbers\n"
    "  --dtype f32|f64        of constructors and literals\n"
    "  --nan warn|error|quiet what an inf or nan does in a derivative, an update\n"
    "                         or what is printed (warn)\n"
    "  --threads N            for large products\n"
    "  --dump=tokens|ast|code|tape\n"
    "                         what the stages make of a program\n"
    "  --no-color             also: the variable NO_COLOR\n"
    "  --ids                  errors show of which kind they are; --version, --help\n";

typedef struct scanner {
    int argc, at;
    char **argv;
    gr_command *out;
    char *complaint;
    size_t room;
} scanner;

static bool complain(scanner *s, const char *format, const char *what) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(s->complaint, s->room, format, what);
#pragma GCC diagnostic pop
    return false;
}

/* --name=value or --name value. NULL: not this option, or (complained) without a value. */
static const char *value_of(scanner *s, const char *name, bool *failed) {
    const char *arg = s->argv[s->at];
    size_t n = strlen(name);
    if (strncmp(arg, name, n) != 0 || (arg[n] && arg[n] != '=')) return NULL;
    if (arg[n] == '=') return arg + n + 1;
    if (s->at + 1 < s->argc) return s->argv[++s->at];
    *failed = !complain(s, "%s needs a value", name);
    return NULL;
}

static bool parse_whole(const char *text, uint64_t most, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    *out = n;
    return *text >= '0' && *text <= '9' && !*end && !errno && n <= most;
}

/* Index of a word in a list that ends with NULL, or -1. */
static int choose(const char *word, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(word, words[i]) == 0) return i;
    return -1;
}

static bool set_numbers(scanner *s, bool *done) {
    const char *value;
    bool failed = false;
    uint64_t n;
    if ((value = value_of(s, "--seed", &failed))) {
        s->out->seeded = true;
        *done = true;
        return parse_whole(value, UINT64_MAX, &s->out->seed) ||
               complain(s, "--seed wants a whole number, not `%s`", value);
    }
    if (!failed && (value = value_of(s, "--threads", &failed))) {
        *done = true;
        if (!parse_whole(value, 1024, &n) || n == 0)
            return complain(s, "--threads wants a number from 1 to 1024, not `%s`", value);
        s->out->threads = (int)n;
    }
    return !failed;
}

static bool set_words(scanner *s, bool *done) {
    static const char *const dtypes[] = {"f64", "f32", NULL};
    static const char *const nans[] = {"warn", "error", "quiet", NULL};
    static const char *const dumps[] = {"none", "tokens", "ast", "code", "tape", NULL};
    const char *value;
    bool failed = false;
    int k = 0;
    if ((value = value_of(s, "--dtype", &failed))) {
        k = choose(value, dtypes);
        if (k < 0) return complain(s, "--dtype is f64 or f32, not `%s`", value);
        s->out->dtype = (ad_dtype)k;
    } else if (!failed && (value = value_of(s, "--nan", &failed))) {
        k = choose(value, nans);
        if (k < 0) return complain(s, "--nan is warn, error or quiet, not `%s`", value);
        s->out->nan = (gr_nan)k;
    } else if (!failed && (value = value_of(s, "--dump", &failed))) {
        k = choose(value, dumps);
        if (k < 1) return complain(s, "--dump is tokens, ast, code or tape, not `%s`", value);
        s->out->dump = (gr_dump)k;
    }
    *done = value != NULL;
    return !failed;
}

static bool set_expression(scanner *s) {
    if (s->at + 1 >= s->argc) return complain(s, "%s needs an expression", "-e");
    s->out->expression = s->argv[++s->at];
    s->out->action = GR_DO_EXPRESSION;
    return true;
}

static bool set_option(scanner *s) {
    const char *arg = s->argv[s->at];
    bool done = false;
    if (strcmp(arg, "-e") == 0) return set_expression(s);
    if (strcmp(arg, "-i") == 0) return s->out->interactive = true;
    if (strcmp(arg, "--no-color") == 0) return s->out->no_color = true;
    if (strcmp(arg, "--ids") == 0) return s->out->ids = true;
    if (strcmp(arg, "--version") == 0) {
        s->out->action = GR_DO_VERSION;
        return true;
    }
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        s->out->action = GR_DO_HELP;
        return true;
    }
    if (!set_numbers(s, &done)) return false;
    if (!done && !set_words(s, &done)) return false;
    return done || complain(s, "there is no option `%s`", arg);
}

static void take_file(scanner *s) {
    gr_command *o = s->out;
    const char *word = s->argv[s->at++];
    if (o->action == GR_DO_REPL && strcmp(word, "test") == 0) {
        o->action = GR_DO_TEST;
    } else if (o->action == GR_DO_REPL && strcmp(word, "doc") == 0 && s->at < s->argc) {
        o->action = GR_DO_DOC;
    } else if (o->action == GR_DO_REPL) {
        o->action = GR_DO_FILE;
        o->path = word;
    } else {
        s->at--; /* -e: everything belongs to the expression */
    }
    o->arguments = s->argv + s->at;
    o->argument_count = s->argc - s->at;
}

/* Behind `test`: its options may stand anywhere among the files. */
static bool take_tests(scanner *s) {
    gr_command *o = s->out;
    bool failed = false, only_files = false;
    int n = 0;
    for (; s->at < s->argc; s->at++) {
        char *arg = s->argv[s->at];
        const char *filter = NULL;
        if (only_files || arg[0] != '-') o->arguments[n++] = arg;
        else if (strcmp(arg, "--") == 0) only_files = true;
        else if (strcmp(arg, "--update") == 0) o->update = true;
        else if ((filter = value_of(s, "--filter", &failed))) o->filter = filter;
        else if (failed || !set_option(s)) return false;
    }
    o->argument_count = n;
    return !o->expression || complain(s, "%s does not go with `test`", "-e");
}

bool gr_command_parse(int argc, char **argv, gr_command *out, char *complaint, size_t room) {
    scanner s = {argc, 1, argv, out, complaint, room};
    *out = (gr_command){.action = GR_DO_REPL, .arguments = argv + argc};
    for (; s.at < argc; s.at++) {
        const char *arg = argv[s.at];
        bool is_option = arg[0] == '-' && arg[1];
        if (!is_option || strcmp(arg, "--") == 0) {
            s.at += is_option;
            if (s.at < argc) take_file(&s);
            if (out->action == GR_DO_TEST && !take_tests(&s)) return false;
            break;
        }
        if (!set_option(&s)) return false;
        if (out->action == GR_DO_VERSION || out->action == GR_DO_HELP) return true;
    }
    if (out->interactive && out->action != GR_DO_FILE && out->action != GR_DO_REPL)
        return complain(&s, "%s goes with a file", "-i");
    return true;
}
