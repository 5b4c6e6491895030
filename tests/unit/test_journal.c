/* SPDX-License-Identifier: MIT */
/*
 * Sessions at the prompt: what :save writes makes the same variables in a fresh interpreter, and prints what
 * it promises; :undo gives back what there was. Most sessions are made at random, of statements that define,
 * redefine, fail, draw, update in loops, train, assign into values, import, and call functions that remember;
 * loops are held up and changed in the middle, files loaded, the default type set. As many as GRADUS_SESSIONS
 * says, from the one that GRADUS_SESSION numbers.
 */
#include "vm.h"

#include "journal.h"
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static machine m;
static gr_journal journal;
static gr_pausing pausing;
static gr_go on_pause(void *user, gr_vm *vm, const char *where);
static void open_session(void) {
    machine_open(&m);
    gr_vm_close(m.vm);
    m.vm = gr_vm_open(&(gr_options){.ctx = m.ctx, .write = machine_write, .user = &m, .pause = on_pause,
                                    .pausing = &pausing});
    gr_journal_open(&journal, m.vm, false);
}
static void close_session(void) {
    gr_journal_close(&journal);
    machine_close(&m);
}
TestSuite(journal, .init = open_session, .fini = close_session, .timeout = 300);

static gr_status enter(const char *text) {
    gr_journal_begin(&journal, GR_RECORD_TYPED);
    gr_status s = gr_run_text(m.vm, "<prompt>", text, strlen(text), GR_RUN_PROMPT | GR_RUN_ANSWER);
    gr_journal_end(&journal, s);
    return s;
}

static bool undo(void) {
    gr_statement what;
    if (!gr_journal_undo(&journal, &what)) return false;
    gr_statement_free(m.vm, &what);
    return true;
}

/* ---- two interpreters ------------------------------------------------------------------------- */

typedef struct listing {
    gr_vm *vm;
    gr_buffer *out;
} listing;

/* A function that the session only named is there to fail. */
static void list_variable(void *user, const gr_name *name, gr_value v) {
    listing *l = user;
    gr_value own;
    if (strcmp(name->text, "ans") == 0 || !gr_get_global(m.vm, name->text, &own)) return;
    gr_buffer_printf(l->out, "%s = ", name->text);
    if (v.kind == GR_FUNCTION) gr_buffer_puts(l->out, "a function");
    else gr_format_source(l->vm, l->out, v);
    gr_buffer_puts(l->out, "\n");
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Its lines in alphabetical order: variables may have been defined in another one. */
static void sort_lines(gr_buffer *text) {
    char *lines[256];
    size_t n = 0;
    gr_buffer copy;
    gr_buffer_init(&copy, m.ctx);
    gr_buffer_put(&copy, text->text ? text->text : "", text->size);
    for (char *p = strtok(copy.text, "\n"); p && n < 256; p = strtok(NULL, "\n")) lines[n++] = p;
    qsort(lines, n, sizeof *lines, by_text);
    gr_buffer_clear(text);
    for (size_t i = 0; i < n; i++) gr_buffer_printf(text, "%s\n", lines[i]);
    gr_buffer_free(&copy);
}

static void list_all(gr_vm *vm, gr_buffer *out) {
    gr_each_global(vm, list_variable, &(listing){vm, out});
    sort_lines(out);
}

/* What functions do, which no listing shows: they are called, in both alike. */
static const char probe[] = "let probed = (for k in (try(fn() = f(2)), try(fn() = g(3)), try(fn() = h(1)),\n"
                            "  try(fn() = c(1)), try(fn() = c(1)), try(fn() = d(5)), try(fn() = mean([1, 4])),\n"
                            "  try(fn() = bag[0](1)), try(fn() = bag[1].c(1)), try(fn() = part.next(1)),\n"
                            "  try(fn() = K.state())): "
                            "(k.ok, k.value))";

static void promised(const gr_buffer *script, gr_buffer *out) {
    for (const char *p = script->text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncmp(p, "#>", 2) == 0) gr_buffer_printf(out, "%.*s\n", (int)strcspn(p + 3, "\n"), p + 3);
}

static void expect_text(const char *what, const gr_buffer *got, const gr_buffer *want, const char *session,
                        const gr_script *s) {
    const char *a = got->text ? got->text : "", *b = want->text ? want->text : "";
    cr_assert_str_eq(a, b, "%s\n--- session\n%s--- script\n%s--- has\n%s--- instead of\n%s", what, session,
                     s->text.text, a, b);
}

/* Saves, runs what was saved, and compares. */
static void compare(const char *session) {
    machine fresh;
    gr_script script;
    gr_buffer want, got;
    machine_open(&fresh);
    gr_buffer_init(&want, m.ctx);
    gr_buffer_init(&got, m.ctx);
    cr_assert(gr_script_make(&journal, "", &script));
    if (script.lost.size) { /* as :save says */
        gr_script_free(&script);
        machine_close(&fresh);
        return;
    }
    gr_status s = gr_run_text(fresh.vm, "saved.nn", script.text.text, script.text.size, 0);
    const gr_diagnostic *d = gr_vm_report(fresh.vm)->first;
    cr_assert_eq(s, GR_OK, "%s\n--- session\n%s--- script\n%s", d ? d->message : "", session, script.text.text);
    promised(&script.text, &want);
    expect_text("output", &fresh.printed, &want, session, &script);
    gr_buffer_clear(&want);
    for (int probing = 0; probing < 2; probing++) {
        gr_buffer_clear(&want);
        gr_buffer_clear(&got);
        list_all(m.vm, &want);
        list_all(fresh.vm, &got);
        expect_text(probing ? "functions" : "variables", &got, &want, session, &script);
        gr_run_text(m.vm, "<probe>", probe, strlen(probe), GR_RUN_PROMPT);
        gr_run_text(fresh.vm, "<probe>", probe, strlen(probe), GR_RUN_PROMPT);
    }
    gr_script_free(&script);
    gr_buffer_free(&want);
    gr_buffer_free(&got);
    machine_close(&fresh);
}

static void compare_entered(size_t count, const char *const *texts, uint32_t kept) {
    gr_buffer session;
    gr_script script;
    gr_buffer_init(&session, m.ctx);
    for (size_t i = 0; i < count; i++) {
        enter(texts[i]);
        gr_buffer_printf(&session, "%s\n", texts[i]);
    }
    cr_assert(gr_script_make(&journal, "", &script));
    cr_expect_eq(script.kept, kept, "kept %u of\n%s---\n%s", script.kept, session.text, script.text.text);
    gr_script_free(&script);
    compare(session.text);
    gr_buffer_free(&session);
}
#define SESSION(kept, ...)                                                                         \
    do {                                                                                           \
        const char *const texts[] = {__VA_ARGS__};                                                 \
        compare_entered(sizeof texts / sizeof *texts, texts, kept);                                \
    } while (0)

/* ---- :save ------------------------------------------------------------------------------------ */

Test(journal, what_nobody_uses_is_left_out) {
    SESSION(2, "let a = 1", "1 + 1", "let a = 2", "print(a)", "let b = a", "randn(2)");
}
Test(journal, a_definition_that_was_used_stays) {
    SESSION(5, "fn g(x) = x + 1", "fn f(x) = 2 * g(x)", "let a = f(1)", "fn g(x) = x + 2", "let b = f(1)");
}
Test(journal, a_replaced_function_leaves_nothing) {
    SESSION(2, "let rate = 1", "fn f(x) = rate * x", "let rate = 2", "fn f(x) = rate * x^2");
}
Test(journal, random_numbers_begin_where_they_began) {
    SESSION(2, "seed(4)", "randn(5)", "let a = randn(2)", "rand(1)", "let b = rand()");
}
Test(journal, a_failure_half_way_is_done_again) {
    SESSION(3, "let n = 0", "let a = 4; for i in 0..9 { n = n + a; if n > 10 { error(\"much\") } }", "n = 2 * n",
            "let lost = nowhere(1)");
}
Test(journal, functions_that_remember) {
    SESSION(4, "fn make() { let n = 0; fn(k) { n = n + k; n } }", "let c = make()", "c(5)", "c(6)");
}
Test(journal, functions_that_remember_in_values) {
    SESSION(4, "fn make(n) { fn(k) { n = n + k; n } }", "let bag = (make(1), {c: make(2)})", "bag[0](5)", "bag[1].c(6)");
}
Test(journal, answers_become_a_variable) {
    SESSION(5, "3 * 4", "let a = ans", "(a + 1) * 2", "|> sqrt", "let b = ans");
}
Test(journal, a_minus_begins_a_statement) {
    SESSION(4, "fn make() { let n = 0; fn(k) { n = n + k; n } }", "let c = make()", "- c(2)", "let a = c(1)");
}
Test(journal, names_of_the_prelude_that_are_taken) {
    SESSION(4, "let a = mean([1, 3])", "fn mean(x) = 7", "let b = mean(0)", "let print = 3");
}
Test(journal, names_that_never_came_to_be) { SESSION(2, "fn f(x) = unknown(x)", "let a = 1"); }
Test(journal, values_are_changed_in_place) {
    SESSION(6, "let v = [1, 2, 3]", "let r = {a: 1}", "v[1] = 9", "r.a = v", "r[\"b\"] = 2", "(v, r.a) = (r.a, v + 1)");
}
Test(journal, params) {
    SESSION(4, "param p = (1, [2, 3])", "let E = sum(p^2)",
            "for i in 0..3 {\n  let E = sum(p^2)\n  p := p - 0.1 * ∂E/∂p\n}", "let q = sum(p)");
}
Test(journal, what_is_printed_is_promised) {
    SESSION(1, "let a = 1; print(\"one\", a)  #> two", "print(a)");
}
Test(journal, undone_statements_are_not_there) {
    enter("let a = 1");
    enter("a = 2");
    cr_expect(undo());
    enter("let b = a");
    compare("let a = 1; undone; let b = a\n");
}
/* A statement that somebody at a pause had a hand in. */
static void enter_touched(const char *text, unsigned flags) {
    gr_journal_begin(&journal, GR_RECORD_TYPED);
    gr_status s = gr_run_text(m.vm, "<prompt>", text, strlen(text), GR_RUN_PROMPT | flags);
    gr_journal_touch(&journal);
    gr_journal_end(&journal, s);
}

Test(journal, what_was_touched_by_hand_is_written_as_values) {
    enter("param w = [1, 2]");
    enter_touched("for i in 0..3 { w := 2 * w }\nlet t = (1, \"x\")", 0);
    compare("w was changed by hand\n");
}

Test(journal, values_keep_their_digits_where_single_is_the_default) {
    enter("let third = [1, 2] / 3");
    ad_set_default_dtype(m.ctx, AD_F32);
    enter_touched("let v = (third * 0.7, [0.1]); 5 + v[0]", GR_RUN_ANSWER);
    enter("let k = (ans, [0.1] + v[1])");
    ad_set_default_dtype(m.ctx, AD_F64);
    enter("let z = zeros(1)");
    compare("values of both types\n");
}
Test(journal, functions_of_a_statement_that_was_touched) {
    enter_touched("let a = 1; fn f(x) = g(x) + a; fn g(x) = x; let h = fn(k) = f(k); let b = h(2)", 0);
    enter("let c = h(b)");
    compare("functions, by hand\n");
    gr_script script;
    cr_assert(gr_script_make(&journal, "", &script));
    cr_expect_eq(script.lost.size, 0, "%s", script.lost.text);
    gr_script_free(&script);
}

/* Nothing is set aside, and all is written. */
Test(journal, a_light_journal_writes_all) {
    journal.light = true;
    SESSION(15, "let a = mean([1, 3])", "fn mean(x) = 7 + late(x)", "1 + a", "|> sqrt", "let b = ans", "- b",
            "fn late(x) = 2 * x", "param p = (1, [2, 3])", "let E = sum(p^2)", "p := p - 0.1 * ∂E/∂p",
            "default_dtype(\"f32\")", "let r = randn(2); print(r)", "let v = [1, 2]", "v[0] = 5", "fn make() { let n = 0; fn(k) { n = n + k; n } }");
    cr_expect_eq(journal.top_count, 0);
    cr_expect_not(undo());
}

/* ---- at random -------------------------------------------------------------------------------- */

static uint64_t dice;
static unsigned throw(unsigned n) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice >> 33) % n;
}

/* $n a number's name, $v a tensor's, $p a param, $f a function, $c one that remembers, $1 a digit */
static const char *const forms[] = {
    "let $n = $1", "let $n = $n + $1", "$n = 0.5 * $n + $n", "$n += $1", "let $n = $f($n)", "$f($1)",
    "fn $f(x) = x + $n", "fn $f(x) = $f(x) + $1", "fn $f(x) { $n = $n + 1; x * $1 }",
    "let $n = $1; $n = $n + 1; nowhere", "for i in 0..5 { $n = $n + $1; if i == 3 { error(\"stop\") } }",
    "let $n = sum(rand(2))", "let $v = randn(3)", "$v[1] = $n", "let $v = $v * $1", "$v = $v + randn(3)",
    "let $v = ones(3)", "param $p = rand(2)", "param $p = $1",
    "for i in 0..3 {\n  let E = sum(($p - $1)^2)\n  $p := $p - 0.1 * ∂E/∂$p\n}", "$p := 2 * $p", "let E = sum($p^2) * $n",
    "let $v = ∂E/∂$p", "let r = {a: $n, b: $v}", "r.a = $n", "r[\"k$1\"] = $n", "let $n = r.a",
    "fn make(n) { fn(k) { n = n + k; n } }", "let $c = make($1)", "$c($1)", "let $n = $c($1)", "- $c(2)",
    "$n + 1", "let $n = ans", "|> abs", "|> ($c)", "print(\"$n is\", $n)", "seed($1)", "let $n = mean([$1, $n])",
    "fn mean(x) = x[0] + $1", "let t = ()", "t = push(t, $n)", "let ($n, $n) = ($n, $1)", "($n, $v) = ($1, $v + 1)",
    "if $n > 2 { $n = 1 } else { $v = -$v }", "let s = \"{$n}\"", "try(fn() { $n = $n + 1; $f(1) + [1, 2] + [1, 2, 3] }).ok",
    "let $c = $f", "$n = $f($n); $f($n) + nowhere",
    "default_dtype(\"f32\")", "let $v = [0.1, $1, 0.7] * $n", "fn $f(x) = sum(x * [0.1, 0.3])",
    "let $v = $f([0.1])", "param $s = {W: randn(2), b: ($n, [0.1])}", "$s.W := $s.W * $n",
    "$s := $s - 0.1 * ∂sum($s^2)/∂$s",
    "for i in 0..4 {\n  let E = sum(($s - $1)^2)\n  $s := $s - 0.1 * ∂E/∂$s\n  $n = $n + 1\n}",
    "let o = adam(lr = 0.$1); let os = o.init($s)", "($s, os) := o.update($s, ∂sum($s^2)/∂$s, os)",
    "for i in 0..3 { ($s, os) := o.update($s, ∂sum(($s - $n)^2)/∂$s, os) }",
    "fn fit(r) { param z = r; let $n = $1; for i in 0..4 { let E = (z - $n)^2; z := z - 0.1 * ∂E/∂z }; stop(z) }",
    "let $n = fit($n)", "let $v = (map(fn(k) { $n := $n + k; $n }, [1, 2, 3]))",
    "let ($c, $c) = (make($n), make($1))", "let bag = (make($1), {c: make($n)})", "let $n = bag[1].c($1)",
    "bag[0](2)", "let h = scan(fn(h, x) { $n := $n + 0.5; h + x }, 0, [1, 2, 3])[0]", "$n = h",
    "let E = checkpoint(fn(x) = sum(x * [0.1, $1]))($p)", "let $n = sum(∂E/∂$p)", "import \"@\" as part",
    "let $n = part.next($1)", "part.rate = $n", "let $n = part.rate", "$n = $n + part.state()",
    "let (net, log) = train(dense(2, 1), mse, (randn(4, 2), ones(4, 1)), epochs = 2, batch_size = 2, quiet = true)",
    "let $v = net.W * $n", "try(fn() { $p := $p * 2; error(\"late\") }).ok", "$s.W := [1, 2, 3]",
    "$v[7] = $n", "let K = sequential(dense(2, 2), batch_norm(2))",
    "let k = K.apply(K.params, randn(3, 2), train = true); let $v = k[0]", "let saved = K.state()",
    "for i in 0..3 { $n := $n + 7; if $n > $1 { $v := $v + 1 } }"};

static const char *const names[][3] = {['n'] = {"a", "b", "e"}, ['v'] = {"u", "v", "w"}, ['p'] = {"p", "q", "p"},
                                       ['f'] = {"f", "g", "h"}, ['c'] = {"c", "d", "c"},
                                       ['s'] = {"s1", "s2", "s1"},
                                       ['1'] = {"1", "3", "5"}};

/* A module with a variable that its functions change. */
static const char *part_path(void) {
    static char path[4096];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/gradus_journal_%ld.nn", folder ? folder : "/tmp", (long)getpid());
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs("let rate = 2\nlet n = 0\nfn next(k) { n = n + k * rate; n }\nfn state() = n\n", f);
    fclose(f);
    return path;
}

static void write_statement(gr_buffer *out) {
    for (const char *p = forms[throw(sizeof forms / sizeof *forms)]; *p; p++) {
        if (*p == '$') gr_buffer_puts(out, names[(unsigned char)*++p][throw(3)]);
        else if (*p == '@') gr_buffer_puts(out, part_path());
        else gr_buffer_put(out, p, 1);
    }
}

/* What is typed while a loop is held up; nothing, often. */
static gr_go on_pause(void *user, gr_vm *vm, const char *where) {
    gr_buffer text;
    (void)user, (void)where;
    pausing.wanted = throw(3) == 0;
    for (unsigned i = throw(3); i > 0; i--) {
        gr_buffer_init(&text, m.ctx);
        write_statement(&text);
        gr_run_text(vm, "<prompt>", text.text, text.size, GR_RUN_PROMPT | GR_RUN_ANSWER);
        gr_journal_touch(&journal);
        gr_buffer_free(&text);
    }
    if (throw(3)) return GR_GO_ON;
    gr_journal_touch(&journal);
    return GR_GO_STOP;
}

/* As :load does it: all of a text or nothing. */
static void load(const char *text) {
    gr_top before;
    cr_assert(gr_top_save(m.vm, &before));
    gr_journal_begin(&journal, GR_RECORD_FILE);
    gr_status s = gr_run_text(m.vm, "loaded.nn", text, strlen(text), 0);
    if (s == GR_OK) gr_top_keep(m.vm, &before);
    else gr_top_restore(m.vm, &before);
    gr_journal_end(&journal, s == GR_INTERRUPTED ? GR_FAILED : s);
}

/* What functions assign to is there: a script knows no name that is not defined. */
static void begin_session(void) {
    enter("let a = 1; let b = 2; let e = 3");
}

static void reset(void) {
    gr_journal_begin(&journal, GR_RECORD_RESET);
    gr_top_reset(m.vm);
    gr_journal_end(&journal, GR_OK);
    begin_session();
}

/* One step of a session, which is noted down. */
static void step(gr_buffer *session) {
    gr_buffer text;
    gr_buffer_init(&text, m.ctx);
    write_statement(&text);
    unsigned what = throw(60);
    pausing.wanted = throw(12) == 0;
    if (what < 5) {
        gr_value v;
        gr_buffer_puts(session, undo() ? ":undo\n" : "");
        if (!gr_get_global(m.vm, "a", &v)) begin_session();
    } else if (what < 8) {
        bool f32 = ad_default_dtype(m.ctx) == AD_F64;
        ad_set_default_dtype(m.ctx, f32 ? AD_F32 : AD_F64);
        gr_buffer_printf(session, ":set dtype %s\n", f32 ? "f32" : "f64");
    } else if (what < 10) {
        gr_buffer_puts(&text, "\n");
        write_statement(&text);
        gr_buffer_printf(session, ":load loaded.nn # %s\n", text.text);
        load(text.text);
    } else if (what == 10) {
        gr_buffer_puts(session, ":reset\n");
        reset();
    } else {
        gr_buffer_printf(session, "%s%s\n", text.text, pausing.wanted ? "  # held up" : "");
        enter(text.text);
    }
    pausing.wanted = 0;
    gr_buffer_free(&text);
}

static void run_session(unsigned number) {
    gr_buffer session;
    dice = number * 7919u + 17;
    gr_buffer_init(&session, m.ctx);
    gr_buffer_printf(&session, "session %u\n", number);
    begin_session();
    for (unsigned i = 0, n = 10 + throw(50); i < n; i++) step(&session);
    compare(session.text);
    gr_buffer_free(&session);
}

static unsigned setting(const char *name, unsigned other) {
    const char *text = getenv(name);
    return text ? (unsigned)atoi(text) : other;
}

Test(journal, sessions_at_random) {
    unsigned first = setting("GRADUS_SESSION", 0), count = setting("GRADUS_SESSIONS", 60);
    for (unsigned i = first; i < first + count; i++) {
        run_session(i);
        close_session();
        open_session();
    }
    remove(part_path());
}

/* ---- :undo ------------------------------------------------------------------------------------ */

Test(journal, undo_gives_back_each_state) {
    for (unsigned number = 0; number < 40; number++) {
        gr_buffer states[GR_MOST_UNDO], text, now;
        uint32_t n = 0;
        dice = number * 104729u + 5;
        for (uint32_t i = 0; i < 200 && n < GR_MOST_UNDO; i++) {
            gr_buffer_init(&text, m.ctx);
            gr_buffer_init(&states[n], m.ctx);
            list_all(m.vm, &states[n]);
            write_statement(&text);
            enter(text.text);
            if (journal.top_count > n) n++;
            else gr_buffer_free(&states[n]);
            gr_buffer_free(&text);
        }
        while (n-- > 0) {
            gr_buffer_init(&now, m.ctx);
            cr_assert(undo());
            list_all(m.vm, &now);
            cr_expect_str_eq(now.text ? now.text : "", states[n].text ? states[n].text : "");
            gr_buffer_free(&now);
            gr_buffer_free(&states[n]);
        }
        close_session();
        open_session();
    }
}
Test(journal, undo_within_a_limit) {
    gr_undo_limit(&journal, 1 << 20);
    enter("let x = zeros(100000)");
    for (int i = 0; i < 5; i++) enter("x[0] = x[0] + 1");
    cr_expect_eq(journal.top_count, 1);
    gr_undo_limit(&journal, 0);
    cr_expect_not(undo());
}
