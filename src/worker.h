/* SPDX-License-Identifier: MIT */
/* worker.h - calls of a library that last long and cannot look at the interrupt flag: they run
 * on a thread and a block of memory of their own, and are abandoned when the flag is raised.
 * Knows nothing of what is computed. */
#ifndef AD_WORKER_H
#define AD_WORKER_H

#include "base.h"

/* A block that a worker may go on using when the context has gone: it comes from the system, not
 * from the pools or the host's hook, but counts for the limit of memory. NULL: the error is set. */
void *ad_worker_block(ad_ctx *ctx, size_t bytes);
void ad_worker_free(void *block, size_t bytes);
/* run(block) on a thread. AD_ERR_INTERRUPT: the block belongs to the thread, which frees it when
 * it is done. In every other case it is still the caller's. `run` sees nothing but its block. */
ad_status ad_worker_run(ad_ctx *ctx, void (*run)(void *block), void *block, size_t bytes);

#endif
