/* SPDX-License-Identifier: MIT */
/* kernel_sort.h - stable sorting of lines; nan comes last, in either direction. */
#ifndef AD_KERNEL_SORT_H
#define AD_KERNEL_SORT_H

#include "base.h"

typedef struct ad_sort_item {
    double key;
    int64_t at;
} ad_sort_item;

/* Sorts n items by key; `room` holds n more. */
ad_status ad_sort_items(ad_ctx *ctx, ad_sort_item *items, ad_sort_item *room, int64_t n,
                        bool descending);

#endif
