/* SPDX-License-Identifier: MIT */
/* number.h - what number.c shows to its test: the table of powers of ten behind the two conversions.
 * The conversions themselves, ad_number_text and ad_number_parse, are public. */
#ifndef AD_NUMBER_H
#define AD_NUMBER_H

#include "base.h"

/* 10^k = bits · 2^(⌊k·log2 10⌋ − 127), rounded down; the top bit is set. */
typedef struct ad_pow10 {
    uint64_t high, low;
} ad_pow10;
enum { AD_POW10_MIN = -342, AD_POW10_MAX = 324 };
ad_pow10 ad_pow10_bits(int k);

#endif
