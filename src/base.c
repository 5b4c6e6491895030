/* SPDX-License-Identifier: MIT */
/* base.c - the context, its error slot, and the door to the system's memory. Everything that the
 * engine asks of the system goes through ad_system_get and ad_system_put, which call the hook of
 * the configuration or, without one, malloc and mmap; the pools (pool.c) stand between that door
 * and the rest. Knows of no tensor and no tape: it opens and closes their states without looking
 * inside. */
#include "base.h"
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From this size on a mapping of its own: it goes back to the system when it is released.
 * Sanitizers look for pointers in the heap only, so with them all comes from malloc. */
#ifdef AD_ASAN
static const size_t MAP_FROM = SIZE_MAX;
#else
static const size_t MAP_FROM = 1 << 18;
#endif

/* A terabyte is more than any machine of ours has: sanitizers report such a request as a mistake. */
static const size_t MOST = (size_t)1 << 40;

/* Pages of two megabytes: a fault for each four kilobytes took a fifth of the time of programs that fill
 * new memory once. */
static void wish_large_pages(void *block, size_t bytes) {
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE);
#else
    (void)block, (void)bytes;
#endif
}

/* A smaller block is often one that grows by doubling: the last large page of what it uses would be memory
 * that nobody asked for. */
static const size_t LARGE_FROM = 64 << 20;

static void *plain_allocate(size_t bytes) {
    if (bytes >= MOST) return NULL;
    if (bytes < MAP_FROM) return malloc(bytes);
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return NULL;
    if (bytes >= LARGE_FROM) wish_large_pages(block, bytes);
    return block;
}

static void plain_release(void *block, size_t bytes) {
    if (bytes < MAP_FROM) free(block);
    else munmap(block, bytes);
}

void *ad_system_get(const ad_config *config, size_t bytes) {
    if (config->allocate) return config->allocate(config->user, bytes);
    return plain_allocate(bytes);
}

void ad_system_put(const ad_config *config, void *block, size_t bytes) {
    if (!block) return;
    if (config->allocate) config->release(config->user, block, bytes);
    else plain_release(block, bytes);
}

void ad_system_expect(const ad_config *config, void *block, size_t bytes) {
    if (config->allocate || bytes < MAP_FROM) return;
    wish_large_pages(block, bytes);
#ifdef MADV_POPULATE_WRITE
    madvise(block, bytes, MADV_POPULATE_WRITE);
#endif
}

/* ---- life --------------------------------------------------------------------------------- */

static bool open_rooms(ad_ctx *ctx) {
    if (ad_pools_open(ctx) != AD_OK) return false;
    if (ad_fuse_open(ctx) == AD_OK) {
        if (ad_tape_open(ctx) == AD_OK) return true;
        ad_fuse_close(ctx);
    }
    ad_pools_close(ctx);
    return false;
}

ad_ctx *ad_new(const ad_config *config) {
    static const ad_config plain;
    if (!config) config = &plain;
    if (!config->allocate != !config->release) return NULL;
    ad_ctx *ctx = ad_system_get(config, sizeof *ctx);
    if (!ctx) return NULL;
    memset(ctx, 0, sizeof *ctx);
    ctx->config = *config;
    ctx->recording = true;
    ctx->error.operand = ctx->error.where = -1;
    if (open_rooms(ctx)) return ctx;
    ad_system_put(config, ctx, sizeof *ctx);
    return NULL;
}

void ad_free(ad_ctx *ctx) {
    if (!ctx) return;
    ad_tape_close(ctx);
    ad_fuse_close(ctx);
    ad_library_close(ctx);
    ad_pools_close(ctx);
    ad_config config = ctx->config;
    ad_system_put(&config, ctx, sizeof *ctx);
}

volatile sig_atomic_t *ad_interrupt_flag(ad_ctx *ctx) { return &ctx->interrupt; }

/* ---- errors ------------------------------------------------------------------------------- */

ad_dtype ad_default_dtype(const ad_ctx *ctx) {
    return ctx->config.dtype == AD_F32 ? AD_F32 : AD_F64;
}

void ad_set_default_dtype(ad_ctx *ctx, ad_dtype dtype) { ctx->config.dtype = dtype; }

size_t ad_memory_limit(const ad_ctx *ctx) { return ctx->config.memory_limit; }
void ad_set_memory_limit(ad_ctx *ctx, size_t bytes) { ctx->config.memory_limit = bytes; }

const ad_error *ad_last_error(const ad_ctx *ctx) { return &ctx->error; }

const char *ad_status_name(ad_status status) {
    static const char *const names[] = {
        "ok",        "memory", "shape",  "guard",      "argument", "index",     "untracked",
        "stale",     "nodiff", "degenerate", "numeric", "interrupt", "callback",
    };
    size_t i = (size_t)status;
    return i < sizeof names / sizeof *names ? names[i] : "unknown";
}

/* A text that was cut to fit must not end within a character. */
static void mend_end(char *text, size_t room, int wanted) {
    if (wanted < 0 || (size_t)wanted < room) return;
    size_t end = room - 1, start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (start - 1 + length != end) text[start - 1] = '\0';
}

ad_status ad_fail(ad_ctx *ctx, ad_status status, int operand, const char *format, ...) {
    ad_error *e = &ctx->error;
    e->status = status;
    e->operand = operand;
    e->where = -1;
    e->src_numerator = e->src_change = 0;
    e->hint[0] = '\0';
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    mend_end(e->message, sizeof e->message, wanted);
    return status;
}

void ad_hint(ad_ctx *ctx, const char *format, ...) {
    ad_error *e = &ctx->error;
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(e->hint, sizeof e->hint, format, args);
    va_end(args);
    mend_end(e->hint, sizeof e->hint, wanted);
}

ad_status ad_fail_memory(ad_ctx *ctx, size_t bytes) {
    double mb = (double)bytes / 1e6;
    if (mb >= 1e4)
        ad_fail(ctx, AD_ERR_MEMORY, -1, "out of memory: %.0f GB more are needed", mb / 1e3);
    else
        ad_fail(ctx, AD_ERR_MEMORY, -1, "out of memory: %.*f MB more are needed", mb < 1 ? 3 : 0, mb);
    size_t limit = ctx->config.memory_limit;
    if (limit) ad_hint(ctx, "the limit is %.0f MB", (double)limit / 1e6);
    return AD_ERR_MEMORY;
}
