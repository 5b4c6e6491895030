/* SPDX-License-Identifier: MIT */
/* Pools: blocks are apart, aligned, used again; large ones go back; limits and failures are
 * errors. */
#include "pool.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MB = 1 << 20 };

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void expect_filled(const unsigned char *block, size_t bytes, unsigned char with) {
    for (size_t i = 0; i < bytes; i++) cr_assert_eq(block[i], with, "byte %zu of %zu", i, bytes);
}

Test(pool, keeps_blocks_apart) {
    enum { LIVE = 300, TURNS = 20000 };
    ad_ctx *ctx = ad_new(NULL);
    static unsigned char *block[LIVE];
    static size_t bytes[LIVE];
    size_t at_first = ad_mem_statistics(ctx).in_use;
    uint64_t seed = 7;
    for (int turn = 0; turn < TURNS; turn++) {
        size_t k = next(&seed) % LIVE;
        if (block[k]) {
            expect_filled(block[k], bytes[k], (unsigned char)k);
            ad_mem_put(ctx, block[k], bytes[k]);
        }
        bytes[k] = next(&seed) % ((size_t)1 << (next(&seed) % 17));
        block[k] = ad_mem_get(ctx, bytes[k]);
        cr_assert_not_null(block[k]);
        cr_assert_eq((uintptr_t)block[k] % 16, 0);
        memset(block[k], (int)k, bytes[k]);
    }
    for (int k = 0; k < LIVE; k++)
        if (block[k]) ad_mem_put(ctx, block[k], bytes[k]);
    cr_expect_eq(ad_mem_statistics(ctx).in_use, at_first);
    ad_free(ctx);
}

Test(pool, aligns_multiples_of_64) {
    ad_ctx *ctx = ad_new(NULL);
    for (size_t bytes = 64; bytes < 200000; bytes += bytes < 4096 ? 64 : 4096) {
        void *first = ad_mem_get(ctx, bytes), *second = ad_mem_get(ctx, bytes);
        cr_expect_eq((uintptr_t)first % 64, 0, "%zu", bytes);
        cr_expect_eq((uintptr_t)second % 64, 0, "%zu", bytes);
        ad_mem_put(ctx, first, bytes);
        ad_mem_put(ctx, second, bytes);
    }
    ad_free(ctx);
}

Test(pool, asks_the_system_once) {
    ad_ctx *ctx = ad_new(NULL);
    static const size_t sizes[] = {1, 24, 100, 1000, 33000, 70000, 3 * MB};
    enum { N = sizeof sizes / sizeof *sizes };
    uint64_t calls = 0;
    for (int turn = 0; turn < 1000; turn++) {
        void *block[N];
        for (int i = 0; i < N; i++) block[i] = ad_mem_get(ctx, sizes[i]);
        for (int i = 0; i < N; i++) ad_mem_put(ctx, block[i], sizes[i]);
        if (turn == 0) calls = ad_mem_statistics(ctx).system_calls;
    }
    cr_expect_gt(calls, 0);
    cr_expect_eq(ad_mem_statistics(ctx).system_calls, calls);
    ad_free(ctx);
}

Test(pool, resizes_with_contents) {
    ad_ctx *ctx = ad_new(NULL);
    size_t at_first = ad_mem_statistics(ctx).in_use;
    unsigned char *block = ad_mem_get(ctx, 10);
    memset(block, 5, 10);
    size_t bytes = 10;
    for (size_t more = 12; more < 300000; more = more * 5 / 4) {
        block = ad_mem_resize(ctx, block, bytes, more);
        cr_assert_not_null(block);
        expect_filled(block, bytes, 5);
        memset(block, 5, more);
        bytes = more;
    }
    block = ad_mem_resize(ctx, block, bytes, 20);
    expect_filled(block, 20, 5);
    ad_mem_put(ctx, block, 20);
    cr_expect_eq(ad_mem_statistics(ctx).in_use, at_first);
    ad_free(ctx);
}

Test(pool, counts_what_is_used_and_its_peak) {
    ad_ctx *ctx = ad_new(NULL);
    size_t before = ad_mem_statistics(ctx).in_use;
    void *a = ad_mem_get(ctx, MB), *b = ad_mem_get(ctx, MB);
    ad_mem_put(ctx, a, MB);
    ad_mem_stats s = ad_mem_statistics(ctx);
    cr_expect_eq(s.in_use - before, MB);
    cr_expect_geq(s.peak - before, 2 * MB);
    cr_expect_geq(s.pooled, MB);
    ad_mem_put(ctx, b, MB);
    ad_free(ctx);
}

Test(pool, trims_large_blocks) {
    ad_ctx *ctx = ad_new(NULL);
    void *block[8];
    for (int i = 0; i < 8; i++) block[i] = ad_mem_get(ctx, MB);
    for (int i = 0; i < 8; i++) ad_mem_put(ctx, block[i], MB);
    cr_expect_geq(ad_mem_statistics(ctx).pooled, 8 * MB);
    ad_mem_trim(ctx);
    cr_expect_lt(ad_mem_statistics(ctx).pooled, MB);
    ad_free(ctx);
}

/* The blocks are asked for and not touched, so this takes no memory. */
Test(pool, does_not_hoard) {
    enum { N = 64, SIZE = 16 * MB };
    ad_ctx *ctx = ad_new(NULL);
    void *block[N];
    for (int i = 0; i < N; i++) block[i] = ad_mem_get(ctx, SIZE);
    for (int i = 0; i < N; i++) ad_mem_put(ctx, block[i], SIZE);
    for (int i = 0; i < 4000; i++) ad_mem_put(ctx, ad_mem_get(ctx, MB), MB);
    cr_expect_leq(ad_mem_statistics(ctx).pooled, (size_t)300 * MB);
    ad_free(ctx);
}

Test(pool, keeps_the_limit) {
    ad_config config = {.memory_limit = 80 * MB};
    ad_ctx *ctx = ad_new(&config);
    void *a = ad_mem_get(ctx, 50 * MB);
    cr_assert_not_null(a);
    cr_expect_null(ad_mem_get(ctx, 50 * MB));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_MEMORY);
    cr_expect(strstr(ad_last_error(ctx)->hint, "limit"));
    ad_mem_put(ctx, a, 50 * MB);
    void *b = ad_mem_get(ctx, 64 * MB); /* what lies idle makes room */
    cr_expect_not_null(b);
    ad_mem_put(ctx, b, 64 * MB);
    cr_expect_null(ad_mem_get(ctx, SIZE_MAX));
    cr_expect_null(ad_mem_get(ctx, SIZE_MAX / 2));
    ad_free(ctx);
}

typedef struct failing {
    long left;
} failing;

static void *failing_get(void *user, size_t bytes) {
    failing *f = user;
    return f->left-- > 0 ? malloc(bytes) : NULL;
}

static void failing_put(void *user, void *block, size_t bytes) {
    (void)user, (void)bytes;
    free(block);
}

Test(pool, survives_a_system_that_says_no) {
    failing f = {.left = 1000};
    ad_config config = {.allocate = failing_get, .release = failing_put, .user = &f};
    ad_ctx *ctx = ad_new(&config);
    unsigned char *old = ad_mem_get(ctx, 100);
    memset(old, 3, 100);
    f.left = 0;
    cr_expect_null(ad_mem_get(ctx, MB));
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_MEMORY);
    cr_expect_null(ad_mem_resize(ctx, old, 100, MB));
    expect_filled(old, 100, 3);
    f.left = 1;
    void *block = ad_mem_get(ctx, MB);
    cr_expect_not_null(block);
    ad_mem_put(ctx, block, MB);
    ad_mem_put(ctx, old, 100);
    ad_free(ctx);
}

#ifdef AD_ASAN
Test(pool, poisons_what_is_free) {
    ad_ctx *ctx = ad_new(NULL);
    static const size_t sizes[] = {16, 50, 1000, 100000};
    for (int i = 0; i < 4; i++) {
        char *block = ad_mem_get(ctx, sizes[i]);
        cr_expect_not(__asan_address_is_poisoned(block + sizes[i] - 1));
        if (sizes[i] != 16) cr_expect(__asan_address_is_poisoned(block + sizes[i]));
        ad_mem_put(ctx, block, sizes[i]);
        cr_expect(__asan_address_is_poisoned(block));
        cr_expect(__asan_address_is_poisoned(block + sizes[i] - 1));
    }
    ad_free(ctx);
}
#endif

/* Chunks whose blocks are all free are room for a large block; blocks that stay are left alone. */
Test(pool, gives_chunks_back_when_memory_is_short) {
    enum { COUNT = 60000, SIZE = 200, KEPT = 512 };
    ad_ctx *ctx = ad_new(&(ad_config){.memory_limit = 20 * MB});
    static unsigned char *block[COUNT], *kept[KEPT];
    for (int k = 0; k < KEPT; k++) memset(kept[k] = ad_mem_get(ctx, SIZE), k & 255, SIZE);
    for (int k = 0; k < COUNT; k++) block[k] = ad_mem_get(ctx, SIZE);
    cr_assert_not_null(block[COUNT - 1]);
    cr_expect_null(ad_mem_get(ctx, 8 * MB));
    for (int k = 0; k < COUNT; k++) ad_mem_put(ctx, block[k], SIZE);
    void *large = ad_mem_get(ctx, 8 * MB);
    cr_expect_not_null(large);
    ad_mem_put(ctx, large, 8 * MB);
    for (int k = 0; k < COUNT / 2; k++) memset(block[k] = ad_mem_get(ctx, SIZE), 255, SIZE);
    for (int k = 0; k < KEPT; k++) expect_filled(kept[k], SIZE, (unsigned char)k);
    for (int k = 0; k < COUNT / 2; k++) expect_filled(block[k], SIZE, 255);
    for (int k = 0; k < COUNT / 2; k++) ad_mem_put(ctx, block[k], SIZE);
    for (int k = 0; k < KEPT; k++) ad_mem_put(ctx, kept[k], SIZE);
    ad_free(ctx);
}

/* All blocks of a size that can be had, as a list. */
static void **take_all(ad_ctx *ctx, size_t size) {
    void **first = NULL;
    for (void **block; (block = ad_mem_get(ctx, size)); first = block) *block = (void *)first;
    return first;
}

static void put_all(ad_ctx *ctx, void **first, size_t size) {
    while (first) {
        void **next = *first;
        ad_mem_put(ctx, first, size);
        first = next;
    }
}

Test(pool, sets_a_reserve_aside) {
    ad_ctx *ctx = ad_new(&(ad_config){.memory_limit = 4 * MB});
    ad_mem_reserve(ctx, MB);
    void **large = take_all(ctx, 1000), **small = take_all(ctx, 16);
    ad_mem_reserve(ctx, 0);
    void *half = ad_mem_get(ctx, 500000);
    cr_expect_not_null(half);
    ad_mem_reserve(ctx, 120 * MB);
    ad_mem_stats s = ad_mem_statistics(ctx);
    cr_expect_leq(s.in_use + s.pooled, 8u * MB);
    void *last = ad_mem_get(ctx, 16);
    cr_expect_not_null(last);
    ad_mem_put(ctx, last, 16);
    ad_mem_put(ctx, half, 500000);
    put_all(ctx, small, 16);
    put_all(ctx, large, 1000);
    ad_free(ctx);
}
