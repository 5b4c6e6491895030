/* SPDX-License-Identifier: MIT */
/* kernel_sort.c - bottom-up merge sort: runs of 16 by insertion, then merged pairwise. Stable,
 * without recursion, polled once a pass over 64 k items. */
#include "kernel_sort.h"

#include <math.h>
#include <string.h>

enum { RUN = 16, POLL_ITEMS = 1 << 16 };

static bool before(const ad_sort_item *a, const ad_sort_item *b, bool descending) {
    if (isnan(a->key)) return false;
    if (isnan(b->key)) return true;
    return descending ? a->key > b->key : a->key < b->key;
}

static void insertion(ad_sort_item *items, int64_t n, bool descending) {
    for (int64_t i = 1; i < n; i++) {
        ad_sort_item x = items[i];
        int64_t j = i;
        for (; j > 0 && before(&x, &items[j - 1], descending); j--) items[j] = items[j - 1];
        items[j] = x;
    }
}

static ad_status merge(ad_ctx *ctx, const ad_sort_item *a, int64_t na, const ad_sort_item *b, int64_t nb,
                       ad_sort_item *out, bool descending) {
    while (na > 0 && nb > 0) {
        int64_t few = na < nb ? na : nb; /* steps in which neither comes to its end too early */
        for (int64_t i = few < POLL_ITEMS ? few : POLL_ITEMS; i > 0; i--) {
            bool second = before(b, a, descending);
            *out++ = second ? *b++ : *a++;
            na -= !second;
            nb -= second;
        }
        if (ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    memcpy(out, na > 0 ? a : b, sizeof *out * (size_t)(na + nb));
    return AD_OK;
}

ad_status ad_sort_items(ad_ctx *ctx, ad_sort_item *items, ad_sort_item *room, int64_t n,
                        bool descending) {
    ad_sort_item *from = items, *to = room;
    for (int64_t i = 0; i < n; i += RUN) {
        insertion(items + i, n - i < RUN ? n - i : RUN, descending);
        if (i % POLL_ITEMS == 0 && ad_poll(ctx)) return AD_ERR_INTERRUPT;
    }
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t left = n - i < width ? n - i : width, rest = n - i - left;
            int64_t right = rest < width ? rest : width;
            if (merge(ctx, from + i, left, from + i + left, right, to + i, descending) != AD_OK)
                return AD_ERR_INTERRUPT;
        }
        ad_sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, sizeof *items * (size_t)n);
    return AD_OK;
}
