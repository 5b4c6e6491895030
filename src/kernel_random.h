/* SPDX-License-Identifier: MIT */
/* kernel_random.h - the raw words behind the draws of ad.h, for those who test them. */
#ifndef AD_KERNEL_RANDOM_H
#define AD_KERNEL_RANDOM_H

#include "base.h"

/* Philox 4x64-10 of the counter (counter, attempt, 0, 0) under the key (key, 0). NumPy's Philox
 * counts up before it draws, so its first four words belong to counter 1. */
void ad_philox(uint64_t key, uint64_t counter, uint64_t attempt, uint64_t words[4]);

#endif
