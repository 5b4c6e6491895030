/* SPDX-License-Identifier: MIT */
/* walk.c - element runs of strided operands, and conversion of runs. The plumbing under every loop
 * over a tensor that is not one block of memory; allocates nothing and fails never. */
#include "tensor.h"

#include <string.h>

/* ---- runs --------------------------------------------------------------------------------- */

static bool lie_together(const ad_walk *w, int outer, int64_t inner_dim, const int64_t *inner) {
    for (int k = 0; k < w->operands; k++)
        if (w->strides[outer][k] != inner[k] * inner_dim) return false;
    return true;
}

/* Appends an axis, or joins it to the last one. */
static void add_axis(ad_walk *w, int64_t dim, const int64_t *strides) {
    size_t bytes = (size_t)w->operands * sizeof *strides;
    int last = w->rank - 1;
    if (last >= 0 && lie_together(w, last, dim, strides)) {
        w->dims[last] *= dim;
        memcpy(w->strides[last], strides, bytes);
        return;
    }
    w->dims[w->rank] = dim;
    memcpy(w->strides[w->rank++], strides, bytes);
}

bool ad_walk_begin(ad_walk *w, int rank, const int64_t *dims, int operands,
                   const int64_t *const *strides) {
    w->operands = operands;
    w->rank = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0) return false;
        if (dims[i] == 1) continue;
        int64_t here[AD_WALK_OPERANDS];
        for (int k = 0; k < operands; k++) here[k] = strides[k][i];
        add_axis(w, dims[i], here);
    }
    bool single = w->rank == 0;
    int last = single ? 0 : --w->rank;
    w->inner = single ? 1 : w->dims[last];
    for (int k = 0; k < operands; k++) {
        w->step[k] = single ? 1 : w->strides[last][k];
        w->offset[k] = 0;
    }
    memset(w->index, 0, (size_t)w->rank * sizeof *w->index);
    return true;
}

bool ad_walk_next(ad_walk *w) {
    for (int i = w->rank - 1; i >= 0; i--) {
        bool wraps = ++w->index[i] == w->dims[i];
        int64_t move = wraps ? 1 - w->dims[i] : 1;
        for (int k = 0; k < w->operands; k++) w->offset[k] += move * w->strides[i][k];
        if (!wraps) return true;
        w->index[i] = 0;
    }
    return false;
}

/* ---- conversion --------------------------------------------------------------------------- */

typedef void converter(void *out, int64_t out_step, const void *in, int64_t in_step, int64_t n);

#define CONVERTER(name, to, from, formula)                                                         \
    static void name(void *out, int64_t out_step, const void *in, int64_t in_step, int64_t n) {    \
        to *restrict o = out;                                                                      \
        const from *restrict f = in;                                                               \
        if (out_step == 1 && in_step == 1) {                                                       \
            for (int64_t i = 0; i < n; i++) o[i] = formula(f[i]);                                  \
        } else if (out_step == 1 && in_step == 0) {                                                \
            to same = formula(f[0]);                                                               \
            for (int64_t i = 0; i < n; i++) o[i] = same;                                           \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) o[i * out_step] = formula(f[i * in_step]);             \
        }                                                                                          \
    }
#define TO_F64(x) ((double)(x))
#define TO_F32(x) ((float)(x))
#define TO_BOOL(x) ((uint8_t)((x) != 0))

CONVERTER(f64_from_f64, double, double, TO_F64)
CONVERTER(f64_from_f32, double, float, TO_F64)
CONVERTER(f64_from_bool, double, uint8_t, TO_F64)
CONVERTER(f32_from_f64, float, double, TO_F32)
CONVERTER(f32_from_f32, float, float, TO_F32)
CONVERTER(f32_from_bool, float, uint8_t, TO_F32)
CONVERTER(bool_from_f64, uint8_t, double, TO_BOOL)
CONVERTER(bool_from_f32, uint8_t, float, TO_BOOL)
CONVERTER(bool_from_bool, uint8_t, uint8_t, TO_BOOL)

void ad_convert(ad_dtype to, void *out, int64_t out_step, ad_dtype from, const void *in,
                int64_t in_step, int64_t n) {
    static converter *const converters[3][3] = {
        [AD_F64] = {f64_from_f64, f64_from_f32, f64_from_bool},
        [AD_F32] = {f32_from_f64, f32_from_f32, f32_from_bool},
        [AD_BOOL8] = {bool_from_f64, bool_from_f32, bool_from_bool},
    };
    if (to == from && out_step == 1 && in_step == 1) memcpy(out, in, (size_t)n * ad_dtype_size(to));
    else converters[to][from](out, out_step, in, in_step, n);
}
