/* SPDX-License-Identifier: MIT */
/* kernel_blas.c - see kernel_blas.h. The library stays open until the context is freed; a failed
 * attempt is remembered, so that a machine without it pays for one look only. */
#include "kernel_blas.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* POSIX gives functions as data pointers. */
static bool symbol(ad_library *lib, const char *name, void *slot) {
    void *p = dlsym(lib->handle, name);
    memcpy(slot, &p, sizeof p);
    return p != NULL;
}

static bool load(ad_library *lib) {
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* it starts its threads when it is loaded */
    lib->handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (lib->handle == NULL) return false;
    bool all = symbol(lib, "dgemm_", &lib->dgemm);
    all = symbol(lib, "sgemm_", &lib->sgemm) && all;
    all = symbol(lib, "dtrsm_", &lib->dtrsm) && all;
    all = symbol(lib, "dgetrf_", &lib->dgetrf) && all;
    all = symbol(lib, "dpotrf_", &lib->dpotrf) && all;
    all = symbol(lib, "dgeqrf_", &lib->dgeqrf) && all;
    all = symbol(lib, "dorgqr_", &lib->dorgqr) && all;
    all = symbol(lib, "dgesdd_", &lib->dgesdd) && all;
    all = symbol(lib, "dsyevd_", &lib->dsyevd) && all;
    if (all) return true;
    dlclose(lib->handle);
    lib->handle = NULL;
    return false;
}

const ad_library *ad_library_open(ad_ctx *ctx) {
    if (ctx->library == NULL) {
        ad_library *lib = ad_mem_get(ctx, sizeof *lib);
        if (lib == NULL) return NULL;
        memset(lib, 0, sizeof *lib);
        load(lib);
        ctx->library = lib;
    }
    return ctx->library->handle != NULL ? ctx->library : NULL;
}

/* The shared object itself stays mapped: another context of the program may use it, and unloading
 * OpenBLAS while its state lives is not safe. */
void ad_library_close(ad_ctx *ctx) {
    if (ctx->library == NULL) return;
    ad_mem_put(ctx, ctx->library, sizeof *ctx->library);
    ctx->library = NULL;
}
