/* SPDX-License-Identifier: MIT */
/* kernel_block.h - one f64 and one f32 kernel for each elementwise row, over runs of elements that
 * lie together. kernel_block.c is compiled once for each vector unit; all variants give the same
 * bits. */
#ifndef AD_KERNEL_BLOCK_H
#define AD_KERNEL_BLOCK_H

#include "ops.h"

/* Elements of a block: three of them in f64 are 12 kB, so a program's registers stay in L1. */
enum { AD_BLOCK = 512 };

/* out[i] = row(a[i], b[i], c[i]) for i < n. A bit of `uniform` says that an operand is one element,
 * used throughout. `out` may be an operand. */
typedef void ad_block_fn(void *out, const void *a, const void *b, const void *c, int64_t n,
                         unsigned uniform);

enum { AD_ELEMENTWISE_END = AD_OPID_polygamma + 1 };

typedef struct ad_block_table {
    const char *isa;
    ad_block_fn *f64[AD_ELEMENTWISE_END];
    ad_block_fn *f32[AD_ELEMENTWISE_END];
} ad_block_table;

/* What the machine can do best. */
const ad_block_table *ad_block_kernels(void);

extern const ad_block_table ad_block_generic;
#ifdef AD_HAVE_AVX2
extern const ad_block_table ad_block_avx2;
#endif
#ifdef AD_HAVE_AVX512
extern const ad_block_table ad_block_avx512;
#endif

#endif
