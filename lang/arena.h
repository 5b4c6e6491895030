/* SPDX-License-Identifier: MIT */
/*
 * Memory of the front: an arena hands out pieces that all go away together, a buffer is one
 * growing run of bytes. Both take their blocks from the context's allocator; nothing here aborts:
 * a piece that cannot be had is NULL, a buffer that cannot grow remembers that it failed.
 */
#ifndef GR_ARENA_H
#define GR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "ad.h"

typedef struct gr_arena_block gr_arena_block;

typedef struct gr_arena {
    ad_ctx *ctx;
    gr_arena_block *block; /* newest first */
    size_t used, size;     /* of the newest block's payload */
} gr_arena;

void gr_arena_init(gr_arena *arena, ad_ctx *ctx);
void gr_arena_free(gr_arena *arena);

/* Zeroed, aligned to 8 bytes; NULL when memory is out. */
void *gr_arena_alloc(gr_arena *arena, size_t size);
void *gr_arena_copy(gr_arena *arena, const void *bytes, size_t size);

/* A NUL-terminated copy, and a formatted one. */
char *gr_arena_text(gr_arena *arena, const char *text, size_t size);
char *gr_arena_vformat(gr_arena *arena, const char *format, va_list args);

typedef struct gr_buffer {
    ad_ctx *ctx;
    char *text; /* size bytes; NUL-terminated once anything was put in */
    size_t size, capacity;
    bool failed; /* memory ran out: the text is incomplete */
} gr_buffer;

void gr_buffer_init(gr_buffer *buffer, ad_ctx *ctx);
void gr_buffer_free(gr_buffer *buffer);
void gr_buffer_clear(gr_buffer *buffer);
void gr_buffer_put(gr_buffer *buffer, const char *text, size_t size);
void gr_buffer_puts(gr_buffer *buffer, const char *text);
/* Drops blanks at the end. */
void gr_buffer_trim(gr_buffer *buffer);
void gr_buffer_fill(gr_buffer *buffer, char c, size_t count);
void gr_buffer_printf(gr_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
