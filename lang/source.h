/* SPDX-License-Identifier: MIT */
/*
 * A source is one text with a name: a file, a line of the prompt, the argument of -e. Its bytes
 * are copied once and never change; everything that points into it (tokens, nodes, diagnostics)
 * is a pair of byte offsets. The table of line starts is built with it, so that offset -> line is
 * a binary search. A source does not know what is written in it: checking UTF-8 is the lexer's.
 */
#ifndef GR_SOURCE_H
#define GR_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ad.h"

/* Half-open range of byte offsets into one source. */
typedef struct gr_span {
    uint32_t begin, end;
} gr_span;

typedef struct gr_source {
    ad_ctx *ctx;
    const char *name;      /* as shown in messages: "mlp.nn", "<prompt 3>", "-e" */
    const char *text;      /* size bytes, and a NUL behind them that is not part of the text */
    const uint32_t *lines; /* offset of the first byte of each line; lines[0] == 0 */
    uint32_t size;
    uint32_t line_count; /* at least 1 */
    uint32_t lines_before; /* of the input that this text is a part of; numbers of lines go on */
    uint32_t id;         /* whatever the owner numbers its sources with */
} gr_source;

/* Largest source that is read: offsets are 32 bits wide, and two spare bits stay free. */
#define GR_MAX_SOURCE ((size_t)1 << 30)

typedef enum gr_source_status {
    GR_SOURCE_OK,
    GR_SOURCE_UNREADABLE, /* errno says why */
    GR_SOURCE_TOO_LARGE,
    GR_SOURCE_NO_MEMORY,
} gr_source_status;

/* Copies name and text. The caller frees the source after everything that points into it. */
gr_source_status gr_source_new(ad_ctx *ctx, const char *name, const char *text, size_t size,
                               gr_source **out);

/* Reads the whole of a file; path "-" is standard input, shown as "<stdin>". */
gr_source_status gr_source_read(ad_ctx *ctx, const char *path, gr_source **out);

/* NULL is allowed. */
void gr_source_free(gr_source *source);

/* 1-based; column counts characters (grapheme clusters do not matter here: code points). */
typedef struct gr_position {
    uint32_t line, column;
} gr_position;

gr_position gr_source_position(const gr_source *source, uint32_t offset);

/* 1-based number of the line that holds offset; an offset behind the end is on the last line. */
uint32_t gr_source_line(const gr_source *source, uint32_t offset);

/* The bytes of a 1-based line, without its line end. */
gr_span gr_source_line_span(const gr_source *source, uint32_t line);

#endif
