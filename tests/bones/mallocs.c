/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, counts its calls of malloc, calloc, realloc and aligned_alloc and writes
 * the number to the file that MALLOCS_FILE names when the program ends. The calls go on to the C
 * library's own entry points, so nothing has to be looked up while the loader is still at work.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong calls;

static void count_call(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count_call();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    count_call();
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    count_call();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count_call();
    return __libc_memalign(alignment, size);
}

__attribute__((destructor)) static void report(void)
{
    unsigned long total = atomic_load(&calls);
    const char *path = getenv("MALLOCS_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%lu\n", total);
        fclose(file);
    }
}
