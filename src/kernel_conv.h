/* SPDX-License-Identifier: MIT */
/* kernel_conv.h - convolution (cross-correlation) of images and its two transposes; f64,
 * contiguous.
 *
 *     y[n, o, p, q] = Σ x[n, c, p·sh + i − ph, q·sw + j − pw] · w[o, c, i, j]        (zeros
 * outside)
 *
 * The three maps are one trilinear form with one of x, w, y open. */
#ifndef AD_KERNEL_CONV_H
#define AD_KERNEL_CONV_H

#include "base.h"

typedef struct ad_conv {
    int64_t n, c, h, w; /* x */
    int64_t o, kh, kw;  /* kernel: o, c, kh, kw */
    int64_t oh, ow;     /* y: n, o, oh, ow */
    int64_t stride[2], padding[2];
} ad_conv;

typedef enum {
    AD_CONV_OUTPUT, /* (x, w) → y */
    AD_CONV_INPUT,  /* (y, w) → x */
    AD_CONV_WEIGHT  /* (y, x) → w */
} ad_conv_open;

/* strong as in kernel_matmul.h, for the operands in the order above. */
ad_status ad_conv_run(ad_ctx *ctx, const ad_conv *g, ad_conv_open open, const double *a,
                      const double *b, int strong, double *out);

#endif
