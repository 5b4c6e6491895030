/* SPDX-License-Identifier: MIT */
#include "typed.h"
#include <string.h>
void gr_completion_init(gr_completion *c, ad_ctx *ctx) {
    *c = (gr_completion){.ending = ""};
    gr_arena_init(&c->arena, ctx);
}
void gr_completion_free(gr_completion *c) { gr_arena_free(&c->arena); }
void gr_complete(const gr_assist *assist, const char *text, size_t size, size_t cursor,
                 gr_completion *out) {
    (void)assist, (void)text, (void)size;
    out->begin = cursor;
}
