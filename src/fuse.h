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
    bool forward;
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
    ad_op row;
    ad_node *nodes;
    int32_t *result; /* nodes, then for each the input whose dtype it takes, or -1 */
    ad_derived *cache;
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
/* At least `bytes` of working memory, until the next call; NULL where there is none (error set). */
char *ad_fuse_scratch(ad_ctx *ctx, size_t bytes);

#endif
