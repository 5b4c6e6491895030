/* SPDX-License-Identifier: MIT */
/* fuse.h - block programs from the inside, for fuse.c (building, shapes), fuse_derive.c (derivatives)
 * and fuse_run.c (running). A program is a list of nodes, inputs first, each using earlier ones; after
 * ad_prog_finish it holds only what its results need, and each instruction has one of `registers`
 * blocks of AD_BLOCK elements, used again as soon as its value is dead. */
#ifndef AD_FUSE_H
#define AD_FUSE_H

#include "kernel_block.h"

enum { AD_NODE_INPUT, AD_NODE_CONST, AD_NODE_OP };

enum {             /* flags of a node */
    AD_NODE_READ = 1,   /* a result needs its value */
    AD_NODE_SMOOTH = 2, /* a result depends on it through partials that are not 0 by rule */
    AD_NODE_SHAPE = 4   /* an input whose shape counts */
};

typedef struct ad_node {
    uint8_t kind, n, flags;
    ad_op op;
    int32_t in[3];
    int32_t where;
    int32_t block; /* register of an instruction */
    double value;  /* of a constant */
} ad_node;

typedef struct ad_fuse ad_fuse;

typedef struct ad_derived {
    bool forward, both;
    uint64_t mask;
    ad_op falsified; /* by a test, with this factor */
    double factor;
    ad_prog *prog;
    struct ad_derived *next;
} ad_derived;

struct ad_prog {
    ad_ctx *ctx;
    uint32_t refs;
    int inputs, count, room;
    int emitted; /* by the user, of at most AD_PROG_ROOM */
    int registers, results;
    bool failed;   /* memory ran out while it was built */
    bool derived;  /* made by us: shapes need no guard, results are never bools */
    bool truths;   /* has instructions that give bools */
    bool direct;   /* each result is an input, or one instruction on inputs and constants */
    ad_op row;
    uint64_t smooth; /* inputs that a result depends on smoothly */
    ad_node *nodes;
    int32_t *result; /* nodes, then for each the input whose dtype it takes, or -1 */
    ad_derived *cache;
    struct {
        ad_prog *pullback; /* NULL: none yet */
        uint64_t wanted;
        unsigned saves;
    } last; /* the pullback that was asked for last, and what it reads */
};

/* Of a user's program: instructions, and all nodes (each has at most three operands of its own). */
enum { AD_PROG_ROOM = 64, AD_DTYPE_ROOM = AD_MAX_OPERANDS + 4 * AD_PROG_ROOM };

struct ad_fuse {
    const ad_block_table *kernels;
    ad_prog *row[AD_ELEMENTWISE_END];
    char *scratch;
    size_t room;
};

/* Nodes without the limit of a user's program; constants are folded, equal nodes are one. -1 where
 * memory runs out, which the program remembers. */
int ad_prog_node(ad_prog *p, ad_op op, int n, const int32_t *in, int where);
int ad_prog_number(ad_prog *p, double value);
ad_prog *ad_prog_raw(ad_ctx *ctx, int inputs);
ad_status ad_prog_finish_all(ad_prog *p, int results, const int32_t *result, const int32_t *like);

/* The result's shape, dtype aside. */
ad_status ad_prog_shape(ad_ctx *ctx, ad_prog *p, const ad_type *in, ad_type *out);
/* dtypes of the results from those of the inputs; AD_NUMBER_DTYPE stands for a number, which adopts. */
enum { AD_NUMBER_DTYPE = 3 };
void ad_prog_dtypes(const ad_prog *p, const uint8_t *in, uint8_t mode, uint8_t *out);
/* A direct program on packed tensors of one shape and dtype, and numbers. False: it has to go the long
 * way, and nothing has happened. */
bool ad_prog_run_direct(ad_ctx *ctx, const ad_prog *p, const ad_value *in, ad_value *out, ad_status *s);
/* At least `bytes` of working memory, until the next call; NULL where there is none (error set). */
char *ad_fuse_scratch(ad_ctx *ctx, size_t bytes);

/* Is the pullback the one that was asked for last, as it mostly is? */
static inline bool ad_prog_remembers(const ad_ctx *ctx, const ad_prog *p, uint64_t wanted) {
    return ctx->sabotage == AD_OP_NONE && p->last.pullback && p->last.wanted == wanted;
}

static inline bool ad_is_tensor(ad_value v) { return v.kind == AD_TENSOR; }
static inline bool ad_same_shape(const ad_tensor *a, const ad_tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}
static inline bool ad_packed(const ad_tensor *t) {
    if (!t->base) return true;
    if (t->rank == 1) return t->dims[1] == 1 || t->dims[0] <= 1;
    return ad_tensor_is_contiguous(t);
}
static inline void ad_put_number(void *slot, uint8_t dtype, double x) {
    if (dtype == AD_F32)
        *(float *)slot = (float)x;
    else
        *(double *)slot = x;
}

#endif
