/* SPDX-License-Identifier: MIT */
/* A table of objects that were met; it doubles when half full, and nothing is ever taken out. */
#include "twins.h"

#include "vm.h"

#include <string.h>

static size_t twin_slot(const gr_twins *t, const void *p) {
    size_t i = ((uintptr_t)p >> 4) * (size_t)0x9E3779B97F4A7C15u >> 20;
    for (i &= t->room - 1; t->from[i] && t->from[i] != p;) i = (i + 1) & (t->room - 1);
    return i;
}

void gr_twins_free(gr_vm *vm, gr_twins *t) {
    ad_ctx *ctx = gr_ctx(vm);
    if (t->from) ad_mem_put(ctx, t->from, t->room * sizeof *t->from);
    if (t->to) ad_mem_put(ctx, t->to, t->room * sizeof *t->to);
    *t = (gr_twins){0};
}

static bool grow(gr_vm *vm, gr_twins *t) {
    gr_twins big = {.room = t->room ? 2 * t->room : 32, .used = t->used};
    big.from = ad_mem_get(gr_ctx(vm), big.room * sizeof *big.from);
    big.to = ad_mem_get(gr_ctx(vm), big.room * sizeof *big.to);
    if (!big.from || !big.to) {
        gr_twins_free(vm, &big);
        return false;
    }
    memset(big.from, 0, big.room * sizeof *big.from);
    for (size_t i = 0; i < t->room; i++) {
        if (!t->from[i]) continue;
        size_t k = twin_slot(&big, t->from[i]);
        big.from[k] = t->from[i];
        big.to[k] = t->to[i];
    }
    gr_twins_free(vm, t);
    *t = big;
    return true;
}

bool gr_twins_find(const gr_twins *t, const void *p, gr_object **to) {
    *to = NULL;
    if (!t->room) return false;
    size_t i = twin_slot(t, p);
    if (t->from[i]) *to = t->to[i];
    return t->from[i] != NULL;
}

bool gr_twins_put(gr_vm *vm, gr_twins *t, void *p, gr_object *to) {
    if (2 * (t->used + 1) > t->room && !grow(vm, t)) return false;
    size_t i = twin_slot(t, p);
    t->used += t->from[i] == NULL;
    t->from[i] = p;
    t->to[i] = to;
    return true;
}
