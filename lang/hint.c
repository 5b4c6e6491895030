/* SPDX-License-Identifier: MIT */
#include "typed.h"
bool gr_shape_hint(const gr_assist *assist, const char *text, size_t size, gr_buffer *out) {
    (void)assist, (void)text, (void)size, (void)out;
    return false;
}
