/* SPDX-License-Identifier: MIT */
/*
 * `gradus test`: the test blocks of files, the examples in their documentation, and the output that
 * their `#> ` lines promise. Each file has an interpreter of its own. What a file prints is kept: it
 * is compared with the promises, or shown where a test fails. Test blocks and examples begin with
 * the same random numbers each, so that a filter changes nothing.
 */
#define _GNU_SOURCE /* memmem */
#include "testing.h"

#include "files.h"
#include "format.h"
#include "parser.h"
#include "testing_text.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>

typedef struct run {
    const gr_command *command;
    uint32_t max_c_depth;
    int passed, failed;
    bool stopped;
} run;

/* One file being tested. */
typedef struct file {
    run *run;
    const char *path;
    gr_host host;
    gr_arena arena;
    const gr_source *source;
    gr_promises promises;
    gr_buffer *outputs; /* before each promise, and behind the last one */
    gr_buffer aside;    /* what a test block or an example prints */
    bool is_aside;
    ad_random_state random;
} file;

/* ---- lines of the result ---------------------------------------------------------------------- */

static void count(run *r, bool ok) {
    if (ok) r->passed++;
    else r->failed++;
}

static bool is_wanted(const run *r, const char *name, size_t length) {
    const char *filter = r->command->filter;
    return !filter || memmem(name, length, filter, strlen(filter));
}

static void put_lines(const char *mark, const char *text, size_t size) {
    size_t at = 0;
    gr_text line;
    while (gr_text_line(text, size, &at, &line))
        printf("  %s%s%.*s\n", mark, *mark && line.size ? " " : "", (int)line.size, line.bytes);
}

static void put_buffer(const char *mark, const gr_buffer *b) {
    if (b->size) put_lines(mark, b->text, b->size);
}

/* ---- test blocks ------------------------------------------------------------------------------ */

static void begin_aside(file *f) {
    f->is_aside = true;
    gr_buffer_clear(&f->aside);
    ad_random_set(f->host.ctx, f->random);
}

/* The body of a test block is called like a function. */
static bool run_block(void *user, gr_vm *vm, const char *name, size_t length, gr_value body) {
    file *f = user;
    gr_value ignored = gr_nil();
    if (!is_wanted(f->run, name, length)) return true;
    ad_random_state before = ad_random_get(f->host.ctx);
    ad_dtype dtype = ad_default_dtype(f->host.ctx);
    begin_aside(f);
    bool ok = gr_call_function(vm, body, 0, NULL, &ignored), goes_on = ok;
    f->is_aside = false;
    printf("%s%s: %.*s\n", ok ? "ok      " : "FAILED  ", f->path, (int)length, name);
    count(f->run, ok);
    if (ok) {
        gr_release(vm, ignored);
    } else {
        gr_buffer message;
        put_buffer("", &f->aside);
        gr_host_report(&f->host);
        gr_buffer_init(&message, f->host.ctx);
        goes_on = gr_catch(vm, &message);
        gr_buffer_free(&message);
    }
    ad_random_set(f->host.ctx, before);
    ad_set_default_dtype(f->host.ctx, dtype);
    return goes_on;
}

/* ---- examples --------------------------------------------------------------------------------- */

/* The text of the file with blanks for everything but the code of the example, so that a message
 * names the right line and column. */
static gr_status run_code(file *f, gr_span code) {
    const gr_source *s = f->source;
    char *text = gr_arena_text(&f->arena, s->text, s->size);
    if (!text) return GR_FAILED;
    for (uint32_t i = 0; i < s->size; i++)
        if ((i < code.begin || i >= code.end) && text[i] != '\n') text[i] = ' ';
    return gr_run_text(f->host.vm, f->path, text, s->size, GR_RUN_ANSWER);
}

/* What the documentation would show: printed text and the value, a matrix in one line. */
static void example_result(file *f, gr_status status, gr_buffer *out) {
    gr_value v;
    gr_buffer all;
    gr_buffer_init(&all, f->host.ctx);
    gr_buffer_put(&all, f->aside.text, f->aside.size);
    const gr_diagnostic *d = gr_vm_report(f->host.vm)->first;
    if (status != GR_OK)
        gr_buffer_printf(&all, "error: %s", d ? d->message : "");
    else if (gr_answer(f->host.vm, &v) && (!gr_is_nil(v) || !all.size))
        gr_format_value(f->host.vm, &all, v, NULL);
    for (size_t i = 0; i < all.size; i++) {
        if (all.text[i] != '\n') gr_buffer_put(out, all.text + i, 1);
        else if (i + 1 < all.size) gr_buffer_puts(out, " ");
        while (all.text[i] == '\n' && i + 1 < all.size && all.text[i + 1] == ' ') i++;
    }
    gr_buffer_free(&all);
}

/* The value may be followed by words, two blanks away. A string may be written with its quotes. */
static bool is_promised(file *f, gr_span want, const gr_buffer *got) {
    const char *text = f->source->text + want.begin;
    size_t size = want.end - want.begin, n = got->size;
    if (n && size >= n && memcmp(text, got->text, n) == 0)
        return size == n || (size > n + 2 && memcmp(text + n, "  ", 2) == 0);
    gr_buffer quoted;
    gr_buffer_init(&quoted, f->host.ctx);
    gr_format_quoted(&quoted, got->text ? got->text : "", n);
    bool same = size == quoted.size && memcmp(text, quoted.text, size) == 0;
    gr_buffer_free(&quoted);
    return same;
}

static bool promises_error(const file *f, gr_span want) {
    return want.end - want.begin > 6 && memcmp(f->source->text + want.begin, "error:", 6) == 0;
}

/* Runs one line; true where the lines behind it may run. */
static bool run_example(file *f, const gr_example *e) {
    gr_buffer got;
    const char *text = f->source->text;
    int length = (int)(e->code.end - e->code.begin);
    bool has_promise = e->want.begin > 0;
    gr_buffer_clear(&f->aside);
    gr_status status = run_code(f, e->code);
    gr_buffer_init(&got, f->host.ctx);
    example_result(f, status, &got);
    bool expected = status == GR_OK || promises_error(f, e->want);
    bool ok = expected && (!has_promise || is_promised(f, e->want, &got));
    if (has_promise || !ok) {
        printf("%s%s:%u: %.*s\n", ok ? "ok      " : "FAILED  ", f->path,
               gr_source_line(f->source, e->code.begin), length, text + e->code.begin);
        count(f->run, ok);
    }
    if (!ok && expected) {
        put_lines("-", text + e->want.begin, e->want.end - e->want.begin);
        put_buffer("+", &got);
    }
    if (!expected) gr_host_report(&f->host);
    gr_buffer_free(&got);
    f->run->stopped |= status == GR_INTERRUPTED;
    return expected && status != GR_EXITED;
}

/* Examples of one block of documentation are run or left out together. */
static void run_examples(file *f) {
    const gr_promises *p = &f->promises;
    uint32_t last_line = 0;
    bool skipped = false;
    f->is_aside = true;
    for (uint32_t i = 0; i < p->example_count && !f->run->stopped; i++) {
        const gr_example *e = &p->examples[i];
        uint32_t line = gr_source_line(f->source, e->code.begin);
        if (line != last_line + 1) {
            skipped = false;
            ad_random_set(f->host.ctx, f->random);
        }
        last_line = line;
        bool wanted = e->want.begin == 0 ||
                      is_wanted(f->run, f->source->text + e->code.begin, e->code.end - e->code.begin);
        if (!skipped && wanted) skipped = !run_example(f, e);
    }
    f->is_aside = false;
}

/* ---- promised output -------------------------------------------------------------------------- */

static bool same_line(gr_text a, gr_text b) {
    while (a.size && a.bytes[a.size - 1] == ' ') a.size--;
    while (b.size && b.bytes[b.size - 1] == ' ') b.size--;
    return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

static bool same_lines(const gr_buffer *a, const gr_buffer *b) {
    size_t i = 0, j = 0;
    for (;;) {
        gr_text x, y;
        bool more = gr_text_line(a->text, a->size, &i, &x);
        if (more != gr_text_line(b->text, b->size, &j, &y)) return false;
        if (!more) return true;
        if (!same_line(x, y)) return false;
    }
}

static void judge_output(file *f, uint32_t k, const gr_buffer *want, const char *place) {
    const gr_buffer *got = &f->outputs[k];
    bool same = same_lines(want, got), update = f->run->command->update;
    printf("%s%s:%s\n", same ? "ok      " : update ? "updated " : "FAILED  ", f->path, place);
    count(f->run, same || update);
    if (same || update) return;
    put_buffer("-", want);
    put_buffer("+", got);
}

/* All output is promised where some is. Gives whether the file has to be rewritten. */
static bool check_outputs(file *f) {
    const gr_promises *p = &f->promises;
    char place[64];
    bool differs = false;
    gr_buffer want;
    gr_buffer_init(&want, f->host.ctx);
    for (uint32_t k = 0; k <= p->output_count; k++) {
        bool rest = k == p->output_count;
        snprintf(place, sizeof place, "%u: output",
                 rest ? f->source->line_count : gr_source_line(f->source, p->outputs[k].lines.begin));
        if (rest && f->outputs[k].size == 0) break;
        if (!is_wanted(f->run, place, strlen(place))) continue;
        gr_buffer_clear(&want);
        if (!rest) gr_promised_text(&want, f->source, &p->outputs[k]);
        differs |= !same_lines(&want, &f->outputs[k]);
        judge_output(f, k, &want, rest ? " output that no `#> ` line promises" : place);
    }
    gr_buffer_free(&want);
    return differs;
}

static gr_text text_of(const gr_buffer *b) { return (gr_text){b->text, (uint32_t)b->size}; }

/* The file as it was, up to byte `to`, without the newline before a promise that is dropped. */
static void copy_promise(file *f, uint32_t k, gr_buffer *out) {
    const gr_promise *p = &f->promises.outputs[k];
    const char *line = f->source->text + p->lines.begin;
    if (f->outputs[k].size)
        gr_put_promise(out, line, strspn(line, " \t"), text_of(&f->outputs[k]));
    else if (out->size)
        out->size--;
}

static void rewrite(file *f) {
    const gr_source *s = f->source;
    const gr_promises *p = &f->promises;
    gr_buffer out;
    uint32_t from = 0;
    gr_buffer_init(&out, f->host.ctx);
    for (uint32_t k = 0; k < p->output_count; k++) {
        gr_buffer_put(&out, s->text + from, p->outputs[k].lines.begin - from);
        copy_promise(f, k, &out);
        from = p->outputs[k].lines.end;
    }
    gr_buffer_put(&out, s->text + from, s->size - from);
    const gr_buffer *rest = &f->outputs[p->output_count];
    if (rest->size) {
        if (out.size && out.text[out.size - 1] != '\n') gr_buffer_puts(&out, "\n");
        gr_put_promise(&out, "", 0, text_of(rest));
        gr_buffer_puts(&out, "\n");
    }
    if (out.failed || !gr_write_file(f->host.ctx, f->path, out.text, out.size)) {
        printf("FAILED  %s: it cannot be written: %s\n", f->path, strerror(errno));
        f->run->failed++;
    }
    gr_buffer_free(&out);
}

static bool are_outputs_placed(file *f) {
    bool ok = true;
    for (uint32_t k = 0; k < f->promises.output_count; k++) {
        const gr_promise *p = &f->promises.outputs[k];
        if (!p->misplaced) continue;
        printf("FAILED  %s:%u: `#> ` has a line of its own, between statements of the top level\n",
               f->path, gr_source_line(f->source, p->lines.begin));
        f->run->failed++;
        ok = false;
    }
    return ok;
}

/* ---- a file ----------------------------------------------------------------------------------- */

/* Text that is printed belongs to the first promise behind the statement that prints it. */
static gr_buffer *output_of(file *f) {
    if (f->is_aside) return &f->aside;
    uint32_t at = gr_top_offset(f->host.vm), k = 0;
    while (k < f->promises.output_count && f->promises.outputs[k].lines.begin < at) k++;
    return &f->outputs[k];
}

static void take_output(void *user, int stream, const char *text, size_t size) {
    if (stream == 1) {
        gr_buffer_put(output_of(user), text, size);
    } else if (stream == 2) {
        fflush(stdout);
        fwrite(text, 1, size, stderr);
    }
}

static bool read_promises(file *f) {
    gr_lexicon *lexicon = gr_lexicon_new(f->host.ctx, gr_vm_names(f->host.vm));
    gr_report report;
    gr_ast *ast = NULL;
    gr_report_init(&report, f->host.ctx);
    bool parsed = lexicon && gr_parse(lexicon, f->source, 0, &report, &ast) == GR_PARSE_OK;
    bool ok = !parsed || gr_find_promises(&f->arena, ast, &f->promises);
    gr_ast_free(ast);
    gr_report_clear(&report);
    gr_lexicon_free(lexicon);
    uint32_t n = f->promises.output_count + 1;
    f->outputs = ok ? gr_arena_alloc(&f->arena, n * sizeof *f->outputs) : NULL;
    for (uint32_t i = 0; f->outputs && i < n; i++) gr_buffer_init(&f->outputs[i], f->host.ctx);
    return f->outputs && lexicon;
}

static void fail_file(file *f) {
    printf("FAILED  %s\n", f->path);
    f->run->failed++;
    for (uint32_t k = 0; k <= f->promises.output_count; k++) put_buffer("", &f->outputs[k]);
}

static void judge_end(file *f, gr_status ended) {
    int status = gr_exit_status(f->host.vm);
    if (ended == GR_INTERRUPTED) {
        f->run->stopped = true;
        gr_host_report(&f->host);
    } else if (ended == GR_EXITED && status != 0) {
        fail_file(f);
        printf("  exit(%d)\n", status);
    } else if (ended == GR_FAILED) {
        fail_file(f);
        gr_host_report(&f->host);
    } else {
        if (f->promises.output_count && check_outputs(f) && f->run->command->update) rewrite(f);
        if (ended == GR_OK) run_examples(f);
    }
}

static void run_tests(file *f) {
    if (!are_outputs_placed(f)) return;
    f->random = ad_random_get(f->host.ctx);
    judge_end(f, gr_run_text(f->host.vm, f->path, f->source->text, f->source->size, GR_RUN_TESTS));
    for (uint32_t k = 0; k <= f->promises.output_count; k++) gr_buffer_free(&f->outputs[k]);
}

/* A file found in a folder is left alone where there is nothing to test. */
static void test_text(file *f, bool found) {
    gr_arena_init(&f->arena, f->host.ctx);
    gr_buffer_init(&f->aside, f->host.ctx);
    bool ok = read_promises(f);
    const gr_promises *p = &f->promises;
    if (!ok) puts("FAILED  there is not enough memory");
    else if (!found || p->has_blocks || p->example_count || p->output_count) run_tests(f);
    f->run->failed += !ok;
    gr_buffer_free(&f->aside);
    gr_arena_free(&f->arena);
}

static void test_file(run *r, const char *path, bool found) {
    file f = {.run = r, .path = path, .host = {.command = r->command}};
    gr_options how = {.write = take_output, .test = run_block, .user = &f,
                      .max_c_depth = r->max_c_depth};
    gr_source *source = NULL;
    if (gr_host_open(&f.host, &how)) {
        gr_set_arguments(f.host.vm, 0, NULL);
        if (gr_source_read(f.host.ctx, path, &source) == GR_SOURCE_OK) {
            f.source = source;
            test_text(&f, found);
        } else {
            printf("FAILED  %s: it cannot be read: %s\n", path, strerror(errno));
            r->failed++;
        }
        gr_source_free(source);
    }
    gr_host_close(&f.host);
}

/* ---- files and folders ------------------------------------------------------------------------ */

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_script(const char *name) {
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, ".nn") == 0;
}

static void test_entry(run *r, const FTSENT *e) {
    bool named = e->fts_level == FTS_ROOTLEVEL;
    switch (e->fts_info) {
    case FTS_F:
    case FTS_DEFAULT:
        if (named || is_script(e->fts_name)) test_file(r, e->fts_accpath, !named);
        return;
    case FTS_NS:
    case FTS_DNR:
    case FTS_ERR:
        printf("FAILED  %s: it cannot be read: %s\n", e->fts_path, strerror(e->fts_errno));
        r->failed++;
    }
}

/* Hidden folders are left out. */
static void test_path(run *r, char *path) {
    char *paths[] = {path, NULL};
    FTS *tree = fts_open(paths, FTS_COMFOLLOW | FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *e;
    while (tree && !r->stopped && (e = fts_read(tree))) {
        if (e->fts_info == FTS_D && e->fts_level > FTS_ROOTLEVEL && e->fts_name[0] == '.')
            fts_set(tree, e, FTS_SKIP);
        else
            test_entry(r, e);
    }
    if (tree) fts_close(tree);
    r->failed += !tree;
}

static int finish(const run *r) {
    int n = r->passed + r->failed;
    printf("%d passed, %d failed\n", r->passed, r->failed);
    if (r->stopped) return 130;
    if (n > 0 || !r->command->filter) return r->failed ? 1 : 0;
    fprintf(stderr, "gradus: no test matches `%s`\n", r->command->filter);
    return 1;
}

int gr_test(const gr_command *command, uint32_t max_c_depth) {
    run r = {.command = command, .max_c_depth = max_c_depth};
    char here[] = ".";
    if (command->argument_count == 0) test_path(&r, here);
    for (int i = 0; i < command->argument_count && !r.stopped; i++)
        test_path(&r, command->arguments[i]);
    return finish(&r);
}
