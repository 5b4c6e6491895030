/* SPDX-License-Identifier: MIT */
/* pool.h - what base.c and pool.c share: the door to the system's memory, and the words of
 * AddressSanitizer. All others use ad_mem_get and ad_mem_put. */
#ifndef AD_POOL_H
#define AD_POOL_H

#include "base.h"

#if defined(__SANITIZE_ADDRESS__)
#define AD_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AD_ASAN 1
#endif
#endif

#ifdef AD_ASAN
#include <sanitizer/asan_interface.h>
#define AD_POISON(block, bytes) ASAN_POISON_MEMORY_REGION(block, bytes)
#define AD_UNPOISON(block, bytes) ASAN_UNPOISON_MEMORY_REGION(block, bytes)
#else
#define AD_POISON(block, bytes) ((void)(block), (void)(bytes))
#define AD_UNPOISON(block, bytes) ((void)(block), (void)(bytes))
#endif

/* Aligned to 16 at least; NULL on failure, without an error. */
void *ad_system_get(const ad_config *config, size_t bytes);
void ad_system_put(const ad_config *config, void *block, size_t bytes);
/* Will be written soon from end to end: the system may give all pages at once, not one a fault. */
void ad_system_expect(const ad_config *config, void *block, size_t bytes);

#endif
