/* SPDX-License-Identifier: MIT */
/* What the tests of compiler, vm and transforms share: an interpreter, and the text of an answer. */
#ifndef VM_TEST_H
#define VM_TEST_H

#include "format.h"
#include "gradus.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct machine {
    ad_ctx *ctx;
    gr_vm *vm;
    gr_buffer printed;
    unsigned flags; /* of gr_run_text, besides GR_RUN_ANSWER */
} machine;

static inline void machine_write(void *user, int stream, const char *text, size_t size) {
    if (stream == 1) gr_buffer_put(&((machine *)user)->printed, text, size);
}

static inline void machine_open_in(machine *m, ad_ctx *ctx) {
    m->ctx = ctx;
    m->flags = 0;
    gr_buffer_init(&m->printed, ctx);
    m->vm = gr_vm_open(&(gr_options){.ctx = ctx, .write = machine_write, .user = m});
    cr_assert_not_null(m->vm);
}

static inline void machine_shut(machine *m) {
    gr_vm_close(m->vm);
    gr_buffer_free(&m->printed);
}

static inline void machine_open(machine *m) { machine_open_in(m, ad_new(NULL)); }

static inline void machine_close(machine *m) {
    machine_shut(m);
    ad_free(m->ctx);
}

static inline gr_status machine_run(machine *m, const char *text) {
    return gr_run_text(m->vm, "t", text, strlen(text), GR_RUN_ANSWER | m->flags);
}

/* For suites whose tests look at one text: a machine and a buffer each. */
#define MACHINE_WITH_TEXT(suite)                                                                   \
    static machine m;                                                                              \
    static gr_buffer out;                                                                          \
    static void open_machine(void) {                                                               \
        machine_open(&m);                                                                          \
        gr_buffer_init(&out, m.ctx);                                                               \
    }                                                                                              \
    static void close_machine(void) {                                                              \
        gr_buffer_free(&out);                                                                      \
        machine_close(&m);                                                                         \
    }                                                                                              \
    TestSuite(suite, .init = open_machine, .fini = close_machine)

/* The answer of a program as interpolation shows it, or the first error's message. */
static inline void machine_expect(machine *m, const char *text, const char *wanted) {
    gr_buffer out;
    gr_value v;
    gr_buffer_init(&out, m->ctx);
    if (machine_run(m, text) == GR_OK) {
        if (gr_answer(m->vm, &v)) gr_format_value(m->vm, &out, v, NULL);
    } else if (gr_vm_report(m->vm)->first) {
        gr_buffer_puts(&out, gr_vm_report(m->vm)->first->message);
    }
    cr_expect_str_eq(out.text ? out.text : "", wanted, "%s\n  gives %s\n  not   %s", text,
                     out.text ? out.text : "", wanted);
    gr_buffer_free(&out);
}

typedef struct example {
    const char *text, *wanted;
} example;

/* An interpreter must give back all that it took. What the context itself keeps (pools, tables, programs
 * of rows) may grow now and then; a leak grows every time. */
static inline void example_check(const example *e) {
    enum { TURNS = 5 };
    ad_ctx *ctx = ad_new(NULL);
    size_t before = 0, least = SIZE_MAX;
    for (int turn = 0; turn < TURNS; turn++) {
        machine m;
        machine_open_in(&m, ctx);
        machine_expect(&m, e->text, e->wanted);
        machine_shut(&m);
        size_t now = ad_mem_statistics(ctx).in_use;
        if (turn && now - before < least) least = now - before;
        before = now;
    }
    cr_expect_eq(least, 0, "%s\n  leaks %zu bytes", e->text, least);
    ad_free(ctx);
}

#define EXAMPLES(...)                                                                              \
    do {                                                                                           \
        const example all[] = {__VA_ARGS__};                                                       \
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) example_check(&all[i]);              \
    } while (0)

#endif
