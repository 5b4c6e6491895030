/* SPDX-License-Identifier: MIT */
/*
 * Blocks double in size up to a bound, so that an arena of n bytes asks the allocator O(log n)
 * times while it is small; what is larger than a block gets one of its own. Pieces are never freed
 * one by one and never moved.
 */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, ALIGNMENT = 8 };

struct gr_arena_block {
    gr_arena_block *next;
    size_t size; /* of the whole block */
    char payload[];
};

void gr_arena_init(gr_arena *arena, ad_ctx *ctx) { *arena = (gr_arena){.ctx = ctx}; }

void gr_arena_free(gr_arena *arena) {
    for (gr_arena_block *block = arena->block, *next; block; block = next) {
        next = block->next;
        ad_mem_put(arena->ctx, block, block->size);
    }
    gr_arena_init(arena, arena->ctx);
}

static size_t next_block_size(const gr_arena *arena, size_t wanted) {
    size_t size = arena->block ? 2 * (arena->size + sizeof(gr_arena_block)) : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    wanted += sizeof(gr_arena_block);
    return wanted > size ? wanted : size;
}

static bool add_block(gr_arena *arena, size_t wanted) {
    size_t size = next_block_size(arena, wanted);
    gr_arena_block *block = ad_mem_get(arena->ctx, size);
    if (!block) return false;
    block->next = arena->block;
    block->size = size;
    arena->block = block;
    arena->size = size - sizeof(gr_arena_block);
    arena->used = 0;
    return true;
}

static void *take(gr_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->size - arena->used < size && !add_block(arena, size)) return NULL;
    void *piece = arena->block->payload + arena->used;
    arena->used += size;
    return piece;
}

void *gr_arena_alloc(gr_arena *arena, size_t size) {
    void *piece = take(arena, size);
    return piece ? memset(piece, 0, size) : NULL;
}

void *gr_arena_copy(gr_arena *arena, const void *bytes, size_t size) {
    void *piece = take(arena, size);
    return piece && size ? memcpy(piece, bytes, size) : piece;
}

char *gr_arena_text(gr_arena *arena, const char *text, size_t size) {
    char *copy = size < SIZE_MAX ? take(arena, size + 1) : NULL;
    if (!copy) return NULL;
    if (size) memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *gr_arena_vformat(gr_arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = size >= 0 ? take(arena, (size_t)size + 1) : NULL;
    if (text) vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

/* ---- buffers ------------------------------------------------------------------------------ */

void gr_buffer_init(gr_buffer *buffer, ad_ctx *ctx) { *buffer = (gr_buffer){.ctx = ctx}; }

void gr_buffer_free(gr_buffer *buffer) {
    if (buffer->text) ad_mem_put(buffer->ctx, buffer->text, buffer->capacity);
    gr_buffer_init(buffer, buffer->ctx);
}

void gr_buffer_clear(gr_buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

/* Room for `more` bytes and a NUL. */
static bool reserve(gr_buffer *buffer, size_t more) {
    if (buffer->failed) return false;
    if (buffer->capacity - buffer->size > more) return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity - buffer->size <= more && capacity <= SIZE_MAX / 4) capacity *= 2;
    char *text = NULL;
    if (capacity - buffer->size > more) {
        text = buffer->text ? ad_mem_resize(buffer->ctx, buffer->text, buffer->capacity, capacity)
                            : ad_mem_get(buffer->ctx, capacity);
    }
    buffer->failed = !text;
    if (!text) return false;
    buffer->text = text;
    buffer->capacity = capacity;
    return true;
}

void gr_buffer_put(gr_buffer *buffer, const char *text, size_t size) {
    if (!reserve(buffer, size)) return;
    if (size) memcpy(buffer->text + buffer->size, text, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

void gr_buffer_puts(gr_buffer *buffer, const char *text) {
    gr_buffer_put(buffer, text, strlen(text));
}

void gr_buffer_trim(gr_buffer *buffer) {
    if (!buffer->text) return;
    while (buffer->size > 0 && buffer->text[buffer->size - 1] == ' ') buffer->size--;
    buffer->text[buffer->size] = '\0';
}

void gr_buffer_fill(gr_buffer *buffer, char c, size_t count) {
    if (!reserve(buffer, count)) return;
    memset(buffer->text + buffer->size, c, count);
    buffer->size += count;
    buffer->text[buffer->size] = '\0';
}

void gr_buffer_printf(gr_buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    if (size >= 0 && reserve(buffer, (size_t)size)) {
        vsnprintf(buffer->text + buffer->size, (size_t)size + 1, format, again);
        buffer->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}
