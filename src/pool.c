/* SPDX-License-Identifier: MIT */
/* pool.c - sized blocks without asking the system. Sizes fall into classes, four to each power of
 * two.
 *
 *   small   carved from chunks (64 KB first, then doubling up to 2 MB), which go back to the system
 *           when it is short of memory and all of their blocks are free; what is free hangs in one
 *           list a class, linked through the blocks themselves
 *   large   one allocation each with a header in front; what is free hangs in a list of its class
 *           and in a ring by age, from which the oldest go back to the system when much lies idle
 *
 * A block whose class size is a multiple of 64 is aligned to 64, every other one to 16. Does not
 * know what is kept in the blocks, and never moves one. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64,
    SMALL_CLASSES = 40,           /* sizes up to 32 KB */
    CLASSES = 4 * 44,             /* sizes up to 2^49 */
    FIRST_CHUNK = 64 << 10,
    LAST_CHUNK = 2 << 20,
    RUN = 16 << 10,               /* carved for a class at a time, if that is several blocks */
    SPARE_CLASSES = 2             /* a large block may come from up to so many classes above */
};
static const size_t IDLE_KEEP = (size_t)256 << 20;

typedef struct chunk {
    struct chunk *next;
    size_t bytes;
    size_t carved, free; /* of the runs in it; free: while chunks are looked through */
} chunk;

/* In front of a large block; ALIGN bytes. `older` and `newer` link a ring of the used or of the
 * free ones, `up` and `down` the free ones of a class. */
typedef struct large {
    struct large *older, *newer, *up, *down;
    void *raw;
    unsigned class;
} large;

typedef struct small_class {
    void *free;
    char *fresh, *end; /* carved, never used */
    size_t size;
} small_class;

struct ad_pools {
    small_class small[SMALL_CLASSES];
    size_t in_use, peak;
    size_t system;     /* got from the system, all together */
    size_t idle;       /* in free large blocks */
    size_t habit;      /* a peak of in_use that fades with each large block put back */
    uint64_t calls;
    chunk *chunks;
    char *rest, *rest_end; /* of the newest chunk */
    size_t next_chunk;
    size_t sifted;     /* what lay free, but scattered, since chunks were looked through */
    void *reserve;
    size_t reserved;
    large used, free; /* rings: the heads */
    large *class_free[CLASSES];
};

/* ---- classes ------------------------------------------------------------------------------ */

/* In units of 16 bytes: 1 2 3 4 | 5 6 7 8 | 10 12 14 16 | 20 24 28 32 | … */
static inline unsigned class_of(size_t bytes) {
    size_t x = (bytes - (bytes != 0)) >> 4;
    if (x < 4) return (unsigned)x;
    unsigned top = 63u - (unsigned)__builtin_clzll(x);
    return ((top - 2) << 2) + (unsigned)(x >> (top - 2));
}

static inline size_t class_size(unsigned c) {
    if (c < 4) return (size_t)(c + 1) << 4;
    return (size_t)((c & 3) + 5) << ((c >> 2) + 3);
}

static inline void count_use(struct ad_pools *p, size_t size) {
    p->in_use += size;
    if (p->in_use > p->peak) p->peak = p->in_use;
}

/* ---- the system --------------------------------------------------------------------------- */

static void *try_system(ad_ctx *ctx, size_t bytes) {
    struct ad_pools *p = ctx->pools;
    size_t limit = ctx->config.memory_limit;
    if (limit && (bytes > limit || p->system > limit - bytes)) return NULL;
    p->calls++;
    void *block = ad_system_get(&ctx->config, bytes);
    if (block) p->system += bytes;
    return block;
}

static size_t lies_free(const struct ad_pools *p) { return p->system - p->in_use - p->reserved; }

/* Has so much become free since the last look that another one can find the room? */
static bool may_find(struct ad_pools *p, size_t bytes) {
    size_t free = lies_free(p);
    if (free < p->sifted) p->sifted = free;
    return p->idle > 0 || free - p->sifted >= bytes;
}

static void *from_system(ad_ctx *ctx, size_t bytes) {
    void *block = try_system(ctx, bytes);
    if (block || !may_find(ctx->pools, bytes)) return block;
    ad_mem_trim(ctx);
    return try_system(ctx, bytes);
}

static void to_system(ad_ctx *ctx, void *block, size_t bytes) {
    ctx->pools->system -= bytes;
    ad_system_put(&ctx->config, block, bytes);
}

/* ---- small blocks ------------------------------------------------------------------------- */

static bool add_chunk(ad_ctx *ctx, size_t need) {
    struct ad_pools *p = ctx->pools;
    size_t head = ALIGN + ALIGN; /* the header, and what alignment may cost */
    size_t bytes = p->next_chunk < need + head ? need + head : p->next_chunk;
    chunk *c = from_system(ctx, bytes);
    if (!c && bytes > need + head) c = from_system(ctx, bytes = need + head);
    if (!c) return false;
    if (bytes == LAST_CHUNK) ad_system_expect(&ctx->config, c, bytes);
    c->next = p->chunks;
    c->bytes = bytes;
    c->carved = 0;
    p->chunks = c;
    uintptr_t start = ((uintptr_t)(c + 1) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    p->rest = (char *)start;
    p->rest_end = (char *)c + bytes;
    AD_POISON(p->rest, (size_t)(p->rest_end - p->rest));
    if (p->next_chunk < LAST_CHUNK) p->next_chunk *= 2;
    return true;
}

/* Gives class `c` a run of fresh blocks. */
static bool carve(ad_ctx *ctx, unsigned c) {
    struct ad_pools *p = ctx->pools;
    size_t size = class_size(c);
    size_t rest = (size_t)(p->rest_end - p->rest);
    if (rest < size) {
        if (!add_chunk(ctx, size)) return false;
        rest = (size_t)(p->rest_end - p->rest);
    }
    size_t run = RUN / size > 1 ? RUN / size * size : size;
    if (run > rest) run = rest / size * size;
    p->small[c].fresh = p->rest;
    p->small[c].end = p->rest + run;
    p->chunks->carved += run;
    /* the next run begins aligned whatever its class */
    size_t step = (run + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    p->rest += step < rest ? step : rest;
    return true;
}

static AD_APART void *get_fresh(ad_ctx *ctx, unsigned c, size_t bytes) {
    small_class *s = &ctx->pools->small[c];
    if (s->fresh == s->end && !carve(ctx, c)) {
        ad_fail_memory(ctx, bytes);
        return NULL;
    }
    void *block = s->fresh;
    s->fresh += class_size(c);
    AD_UNPOISON(block, bytes);
    count_use(ctx->pools, class_size(c));
    return block;
}

/* ---- chunks without use ------------------------------------------------------------------------ */

/* Chunks in the order of their addresses. */
typedef struct atlas {
    chunk **at;
    size_t count;
} atlas;

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)*(chunk *const *)a, y = (uintptr_t)*(chunk *const *)b;
    return (x > y) - (x < y);
}

static chunk *chunk_of(const atlas *a, const void *block) {
    size_t low = 0, high = a->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if ((uintptr_t)a->at[mid] <= (uintptr_t)block) low = mid;
        else high = mid;
    }
    return a->at[low];
}

static void *next_free(void *block) {
    AD_UNPOISON(block, sizeof(void *));
    void *next = *(void **)block;
    AD_POISON(block, sizeof(void *));
    return next;
}

static void link_next(void *block, void *next) {
    AD_UNPOISON(block, sizeof(void *));
    *(void **)block = next;
    AD_POISON(block, sizeof(void *));
}

static void count_free(struct ad_pools *p, const atlas *a) {
    for (unsigned c = 0; c < SMALL_CLASSES; c++) {
        const small_class *s = &p->small[c];
        for (void *b = s->free; b; b = next_free(b)) chunk_of(a, b)->free += class_size(c);
        if (s->fresh < s->end) chunk_of(a, s->fresh)->free += (size_t)(s->end - s->fresh);
    }
}

static bool is_unused(const chunk *c) { return c->free == c->carved; }

/* Forgets the free blocks of the chunks that go. */
static void drop_free(struct ad_pools *p, const atlas *a) {
    for (unsigned c = 0; c < SMALL_CLASSES; c++) {
        small_class *s = &p->small[c];
        void *kept = NULL;
        for (void *b = s->free, *next; b; b = next) {
            next = next_free(b);
            if (is_unused(chunk_of(a, b))) continue;
            link_next(b, kept);
            kept = b;
        }
        s->free = kept;
        if (s->fresh < s->end && is_unused(chunk_of(a, s->fresh))) s->fresh = s->end = NULL;
    }
}

static void drop_chunks(ad_ctx *ctx) {
    struct ad_pools *p = ctx->pools;
    if (p->chunks && is_unused(p->chunks)) p->rest = p->rest_end = NULL;
    for (chunk **at = &p->chunks; *at;) {
        chunk *c = *at;
        if (!is_unused(c)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        AD_UNPOISON(c, c->bytes);
        to_system(ctx, c, c->bytes);
    }
}

/* Looks through all that is free: for when memory is short, not for every day. */
static void give_back_chunks(ad_ctx *ctx) {
    struct ad_pools *p = ctx->pools;
    atlas a = {0};
    size_t count = 0;
    for (const chunk *c = p->chunks; c; c = c->next) count++;
    size_t bytes = count * sizeof(chunk *);
    if (!count || !(a.at = ad_system_get(&ctx->config, bytes))) return;
    for (chunk *c = p->chunks; c; c = c->next) {
        c->free = 0;
        a.at[a.count++] = c;
    }
    qsort(a.at, a.count, sizeof(chunk *), by_address);
    count_free(p, &a);
    drop_free(p, &a);
    drop_chunks(ctx);
    ad_system_put(&ctx->config, a.at, bytes);
}

/* ---- large blocks ------------------------------------------------------------------------- */

static inline void *block_of(large *l) { return (char *)l + ALIGN; }
static inline large *large_of(void *block) { return (large *)(void *)((char *)block - ALIGN); }
static inline size_t raw_size(unsigned c) { return class_size(c) + 2 * ALIGN; }

static void ring_out(large *l) {
    l->older->newer = l->newer;
    l->newer->older = l->older;
}

static void ring_in(large *head, large *l) {
    l->older = head->older;
    l->newer = head;
    l->older->newer = l;
    head->older = l;
}

static void unlink_free(struct ad_pools *p, large *l) {
    ring_out(l);
    if (l->up) l->up->down = l->down;
    else p->class_free[l->class] = l->down;
    if (l->down) l->down->up = l->up;
    p->idle -= class_size(l->class);
    AD_UNPOISON(block_of(l), class_size(l->class));
}

static void link_free(struct ad_pools *p, large *l) {
    ring_in(&p->free, l);
    l->up = NULL;
    l->down = p->class_free[l->class];
    if (l->down) l->down->up = l;
    p->class_free[l->class] = l;
    p->idle += class_size(l->class);
    AD_POISON(block_of(l), class_size(l->class));
}

static large *new_large(ad_ctx *ctx, unsigned c) {
    void *raw = from_system(ctx, raw_size(c));
    if (!raw) return NULL;
    large *l = (large *)(((uintptr_t)raw + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    l->raw = raw;
    l->class = c;
    return l;
}

static large *find_large(ad_ctx *ctx, unsigned c) {
    struct ad_pools *p = ctx->pools;
    for (unsigned k = c; k <= c + SPARE_CLASSES && k < CLASSES; k++) {
        large *l = p->class_free[k];
        if (!l) continue;
        unlink_free(p, l);
        return l;
    }
    return new_large(ctx, c);
}

static AD_APART void *get_large(ad_ctx *ctx, unsigned c, size_t bytes) {
    large *l = c < CLASSES ? find_large(ctx, c) : NULL;
    if (!l) {
        ad_fail_memory(ctx, bytes);
        return NULL;
    }
    ring_in(&ctx->pools->used, l);
    count_use(ctx->pools, class_size(l->class));
    AD_POISON(block_of(l), class_size(l->class));
    AD_UNPOISON(block_of(l), bytes);
    return block_of(l);
}

/* The oldest free blocks, until at most `keep` bytes lie idle. */
static void give_back(ad_ctx *ctx, size_t keep) {
    struct ad_pools *p = ctx->pools;
    while (p->idle > keep) {
        large *oldest = p->free.newer;
        unlink_free(p, oldest);
        to_system(ctx, oldest->raw, raw_size(oldest->class));
    }
}

static AD_APART void put_large(ad_ctx *ctx, void *block) {
    struct ad_pools *p = ctx->pools;
    large *l = large_of(block);
    if (p->in_use > p->habit) p->habit = p->in_use;
    ring_out(l);
    p->in_use -= class_size(l->class);
    link_free(p, l);
    p->habit -= (p->habit - p->in_use) >> 10;
    size_t keep = p->habit - p->in_use;
    if (keep < p->in_use) keep = p->in_use;
    give_back(ctx, keep > IDLE_KEEP ? keep : IDLE_KEEP);
}

/* ---- the public part ---------------------------------------------------------------------- */

void *ad_mem_get(ad_ctx *ctx, size_t bytes) {
    struct ad_pools *p = ctx->pools;
    unsigned c = class_of(bytes);
    if (AD_UNLIKELY(c >= SMALL_CLASSES)) return get_large(ctx, c, bytes);
    void *block = p->small[c].free;
    if (AD_UNLIKELY(!block)) return get_fresh(ctx, c, bytes);
    AD_UNPOISON(block, bytes > sizeof(void *) ? bytes : sizeof(void *));
    p->small[c].free = *(void **)block;
    if (bytes < sizeof(void *)) AD_POISON((char *)block + bytes, sizeof(void *) - bytes);
    count_use(p, p->small[c].size);
    return block;
}

void ad_mem_put(ad_ctx *ctx, void *block, size_t bytes) {
    if (!block) return;
    struct ad_pools *p = ctx->pools;
    unsigned c = class_of(bytes);
    if (AD_UNLIKELY(c >= SMALL_CLASSES)) {
        put_large(ctx, block);
        return;
    }
    AD_UNPOISON(block, sizeof(void *));
    *(void **)block = p->small[c].free;
    p->small[c].free = block;
    AD_POISON(block, p->small[c].size);
    p->in_use -= p->small[c].size;
}

void ad_mem_discard(ad_ctx *ctx, void *block, size_t bytes) {
    struct ad_pools *p = ctx->pools;
    if (!block || class_of(bytes) < SMALL_CLASSES) {
        ad_mem_put(ctx, block, bytes);
        return;
    }
    large *l = large_of(block);
    ring_out(l);
    p->in_use -= class_size(l->class);
    AD_UNPOISON(block, class_size(l->class));
    to_system(ctx, l->raw, raw_size(l->class));
}

void *ad_mem_resize(ad_ctx *ctx, void *block, size_t old_bytes, size_t new_bytes) {
    if (!block) return ad_mem_get(ctx, new_bytes);
    unsigned c = class_of(old_bytes);
    if (c == class_of(new_bytes)) {
        AD_POISON(block, class_size(c));
        AD_UNPOISON(block, new_bytes);
        return block;
    }
    void *moved = ad_mem_get(ctx, new_bytes);
    if (!moved) return NULL;
    memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    ad_mem_put(ctx, block, old_bytes);
    return moved;
}

void ad_mem_trim(ad_ctx *ctx) {
    give_back(ctx, 0);
    ctx->pools->habit = ctx->pools->in_use;
    if (lies_free(ctx->pools) > ctx->pools->sifted) give_back_chunks(ctx);
    ctx->pools->sifted = lies_free(ctx->pools);
}

void ad_mem_reserve(ad_ctx *ctx, size_t bytes) {
    struct ad_pools *p = ctx->pools;
    if (p->reserve) to_system(ctx, p->reserve, p->reserved);
    p->reserve = NULL;
    p->reserved = 0;
    for (; bytes >= ALIGN && !p->reserve; bytes /= 2)
        if ((p->reserve = try_system(ctx, bytes))) p->reserved = bytes;
}

size_t ad_mem_watch(ad_ctx *ctx, size_t peak) {
    struct ad_pools *p = ctx->pools;
    size_t seen = p->peak;
    p->peak = peak > p->in_use ? peak : p->in_use;
    if (peak && seen > p->peak) p->peak = seen;
    return seen;
}

ad_mem_stats ad_mem_statistics(const ad_ctx *ctx) {
    const struct ad_pools *p = ctx->pools;
    return (ad_mem_stats){p->in_use, lies_free(p), p->peak, p->calls};
}

ad_status ad_pools_open(ad_ctx *ctx) {
    struct ad_pools *p = ad_system_get(&ctx->config, sizeof *p);
    if (!p) return ad_fail_memory(ctx, sizeof *p);
    memset(p, 0, sizeof *p);
    for (unsigned c = 0; c < SMALL_CLASSES; c++) p->small[c].size = class_size(c);
    p->next_chunk = FIRST_CHUNK;
    p->used.older = p->used.newer = &p->used;
    p->free.older = p->free.newer = &p->free;
    ctx->pools = p;
    return AD_OK;
}

/* LeakSanitizer sees chunks, not blocks; so what was never put back is told here. */
static void tell_leaks(const struct ad_pools *p) {
#ifdef AD_ASAN
    if (p->in_use == 0) return;
    fprintf(stderr, "LeakSanitizer: %zu bytes of pool blocks were never put back\n", p->in_use);
#else
    (void)p;
#endif
}

void ad_pools_close(ad_ctx *ctx) {
    struct ad_pools *p = ctx->pools;
    if (!p) return;
    ad_mem_reserve(ctx, 0);
    tell_leaks(p);
    give_back(ctx, 0);
    while (p->used.newer != &p->used) {
        large *l = p->used.newer;
        ring_out(l);
        AD_UNPOISON(block_of(l), class_size(l->class));
        to_system(ctx, l->raw, raw_size(l->class));
    }
    for (chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        size_t bytes = c->bytes;
        AD_UNPOISON(c, bytes);
        ad_system_put(&ctx->config, c, bytes);
    }
    ad_system_put(&ctx->config, p, sizeof *p);
    ctx->pools = NULL;
}
