/* SPDX-License-Identifier: MIT */
/* A worker gives its result, is abandoned within a moment when the flag goes up, and frees its
 * block itself; the limit of memory holds for blocks too. */
#include "worker.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t *flag;
static void raise_flag(int signal) {
    (void)signal;
    *flag = 1;
}

static void raise_in(ad_ctx *ctx, int ms) {
    struct itimerval when = {.it_value = {.tv_usec = 1000 * ms}};
    flag = ad_interrupt_flag(ctx);
    signal(SIGALRM, raise_flag);
    setitimer(ITIMER_REAL, &when, NULL);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_for(int ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) != 0) { }
}

typedef struct task {
    int ms;
    double x, y;
} task;

static void run_task(void *block) {
    task *t = block;
    pause_for(t->ms);
    t->y = t->x * t->x;
}

static task *task_of(ad_ctx *ctx, int ms) {
    task *t = ad_worker_block(ctx, sizeof *t);
    *t = (task){.ms = ms, .x = 3};
    return t;
}

Test(worker, gives_its_result) {
    ad_ctx *ctx = ad_new(NULL);
    task *t = task_of(ctx, 12);
    cr_expect_eq(ad_worker_run(ctx, run_task, t, sizeof *t), AD_OK);
    cr_expect_eq(t->y, 9);
    ad_worker_free(t, sizeof *t);
    ad_free(ctx);
}

Test(worker, is_abandoned) {
    ad_ctx *ctx = ad_new(NULL);
    for (int i = 0; i < 3; i++) {
        task *t = task_of(ctx, 800);
        double start = now();
        raise_in(ctx, 20);
        cr_expect_eq(ad_worker_run(ctx, run_task, t, sizeof *t), AD_ERR_INTERRUPT);
        cr_expect_lt(now() - start, 0.6);
        *flag = 0;
    }
    ad_free(ctx); /* while they run: they know nothing of it */
    pause_for(1000);
}

Test(worker, may_be_running_at_exit) {
    ad_ctx *ctx = ad_new(NULL);
    task *t = task_of(ctx, 60000);
    raise_in(ctx, 20);
    cr_expect_eq(ad_worker_run(ctx, run_task, t, sizeof *t), AD_ERR_INTERRUPT);
    ad_free(ctx);
}

Test(worker, blocks_count_for_the_limit) {
    ad_ctx *ctx = ad_new(&(ad_config){.memory_limit = 64 << 20});
    cr_expect_null(ad_worker_block(ctx, 128 << 20));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_MEMORY);
    ad_free(ctx);
}
