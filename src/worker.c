/* SPDX-License-Identifier: MIT */
/* worker.c - see worker.h. Caller and thread share a small record; it outlives an abandoned thread,
 * since the program's exit asks it whether the thread still runs: a library must not be taken down
 * below a thread that is in it, so the program then leaves at once. */
#include "worker.h"

#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const ad_config plain; /* neither hook nor limit */

enum { LOOK_NS = 5000000 }; /* how often a waiting caller looks at the flag */

typedef struct worker {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done, abandoned;
    void (*run)(void *block);
    void *block;
    size_t bytes;
} worker;

void *ad_worker_block(ad_ctx *ctx, size_t bytes) {
    size_t limit = ctx->config.memory_limit, used = ad_mem_statistics(ctx).in_use;
    bool fits = limit == 0 || (used < limit && bytes < limit - used);
    void *block = fits ? ad_system_get(&plain, bytes) : NULL;
    if (block == NULL) ad_fail_memory(ctx, bytes);
    return block;
}

void ad_worker_free(void *block, size_t bytes) { ad_system_put(&plain, block, bytes); }

static void *thread_main(void *arg) {
    worker *w = arg;
    w->run(w->block);
    pthread_mutex_lock(&w->lock);
    if (w->abandoned) ad_worker_free(w->block, w->bytes);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are for the threads of the host. */
static bool start(worker *w, pthread_t *thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, thread_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* False: the flag was seen first, and the thread is on its own. */
static bool wait_for(ad_ctx *ctx, worker *w) {
    pthread_mutex_lock(&w->lock);
    while (!w->done && !ctx->interrupt) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&w->ended, &w->lock, &until);
    }
    bool done = w->done;
    w->abandoned = !done;
    pthread_mutex_unlock(&w->lock);
    return done;
}

static void worker_free(worker *w) {
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    ad_system_put(&plain, w, sizeof *w);
}

#ifdef __GLIBC__
static void at_exit(int status, void *arg) {
    worker *w = arg;
    pthread_mutex_lock(&w->lock);
    bool done = w->done;
    pthread_mutex_unlock(&w->lock);
    if (!done) {
        fflush(NULL);
        _exit(status);
    }
    worker_free(w);
}
static bool ask_at_exit(worker *w) { return on_exit(at_exit, w) == 0; }
#else
static bool ask_at_exit(worker *w) { return w == NULL; }
#endif

static worker *worker_new(void (*run)(void *), void *block, size_t bytes) {
    worker *w = ad_system_get(&plain, sizeof *w);
    if (w == NULL) return NULL;
    *w = (worker){.run = run, .block = block, .bytes = bytes};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ended, NULL);
    return w;
}

ad_status ad_worker_run(ad_ctx *ctx, void (*run)(void *block), void *block, size_t bytes) {
    pthread_t thread;
    worker *w = worker_new(run, block, bytes);
    if (w == NULL) return ad_fail_memory(ctx, sizeof *w);
    if (!start(w, &thread)) {
        worker_free(w);
        run(block); /* no thread is to be had: what cannot be abandoned is waited for */
        return AD_OK;
    }
    if (wait_for(ctx, w)) {
        pthread_join(thread, NULL);
        worker_free(w);
        return AD_OK;
    }
    pthread_detach(thread);
    ask_at_exit(w); /* the record stays until then */
    return ad_poll(ctx);
}
