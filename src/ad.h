/* SPDX-License-Identifier: MIT */
/* ad.h - the public face of libgradus-core: tensors, a table of operations, and a tape that
 * differentiates what was computed with them.
 *
 * One `ad_ctx` owns everything: pools, tape, random state, the last error. It belongs to one thread
 * at a time; there is no other state. Every call that can fail returns an `ad_status` and leaves one
 * `ad_error` in the context.
 *
 * Ownership in one sentence: an `ad_value` owns one reference to its tensor and one hold on its tape
 * entry; functions borrow the values that they are given and hand out values that the caller
 * releases. */
#ifndef AD_H
#define AD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AD_VERSION "0.1.0"
#define AD_MAX_RANK 16

/* ---- status and context ------------------------------------------------------------------- */

typedef enum ad_status {
    AD_OK = 0,
    AD_ERR_MEMORY,     /* allocation failed, or the limit of the configuration was reached */
    AD_ERR_SHAPE,      /* shapes do not fit together */
    AD_ERR_GUARD,      /* both operands of a broadcast would be stretched */
    AD_ERR_ARGUMENT,   /* an argument has a value or a kind that the operation does not take */
    AD_ERR_INDEX,      /* an index is not whole or out of range */
    AD_ERR_UNTRACKED,  /* a derivative of, or with respect to, something that is not tracked */
    AD_ERR_STALE,      /* the denominator's present value was made after the numerator */
    AD_ERR_NODIFF,     /* a path goes through an operation declared not differentiable */
    AD_ERR_DEGENERATE, /* the derivative does not exist at this value (repeated eigenvalues …) */
    AD_ERR_NUMERIC,    /* an algorithm failed (singular matrix, no convergence) */
    AD_ERR_INTERRUPT,  /* the interrupt flag was seen */
    AD_ERR_CALLBACK    /* a callback failed; it keeps its own account of why */
} ad_status;

/* The last error. `message` is a sentence without operand names, which the caller knows better:
 * «multiplies [32, 784] by [64, 10]; 784 must equal 64». `operand` is the index of the operand to
 * blame, or -1; `where` the instruction of a block program that failed, or -1. For AD_ERR_STALE,
 * `src_numerator` and `src_change` are the source positions of the numerator's entry and of the
 * update that came after it. For AD_ERR_NODIFF, `src_numerator` is where the operation was recorded. */
typedef struct ad_error {
    ad_status status;
    int operand;
    int where;
    uint32_t src_numerator;
    uint32_t src_change;
    char message[480];
    char hint[240];
} ad_error;

typedef enum ad_dtype { AD_F64 = 0, AD_F32 = 1, AD_BOOL8 = 2 } ad_dtype;

typedef struct ad_ctx ad_ctx;

/* All fields may be zero. `memory_limit` is in bytes (0: none). `threads` counts workers for large
 * products and reductions; results do not depend on it. `allocate(user, bytes)` and
 * `release(user, ptr, bytes)` replace malloc and free. */
typedef struct ad_config {
    size_t memory_limit;
    int threads;
    ad_dtype dtype; /* of constructors: AD_F64 or AD_F32 */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *block, size_t bytes);
    void *user;
} ad_config;

/* NULL when there is not memory for a context. `config` may be NULL. */
ad_ctx *ad_new(const ad_config *config);
void ad_free(ad_ctx *ctx);
const ad_error *ad_last_error(const ad_ctx *ctx);
const char *ad_status_name(ad_status status);
ad_dtype ad_default_dtype(const ad_ctx *ctx); /* of constructors */
size_t ad_memory_limit(const ad_ctx *ctx);
/* Both as configured, until they are changed here. A limit below what is in use stops the next request. */
void ad_set_default_dtype(ad_ctx *ctx, ad_dtype dtype);
void ad_set_memory_limit(ad_ctx *ctx, size_t bytes);

/* Set from a signal handler or another thread; whoever sees it returns AD_ERR_INTERRUPT soon, within
 * milliseconds. The one who handled the interrupt clears it. */
volatile sig_atomic_t *ad_interrupt_flag(ad_ctx *ctx);

/* Sized blocks from the pools, aligned to 16; what is free in a pool is poisoned under
 * AddressSanitizer. NULL on failure (the error is set). ad_mem_resize keeps the old block on failure. */
void *ad_mem_get(ad_ctx *ctx, size_t bytes);
void *ad_mem_resize(ad_ctx *ctx, void *block, size_t old_bytes, size_t new_bytes);
void ad_mem_put(ad_ctx *ctx, void *block, size_t bytes);
/* Puts back a block whose size will not be asked for again: a large one goes to the system at once. */
void ad_mem_discard(ad_ctx *ctx, void *block, size_t bytes);
/* Gives pooled memory back to the system (at an idle prompt). */
void ad_mem_trim(ad_ctx *ctx);
/* Sets so many bytes aside, or half or a quarter of them, where there are no more; 0 gives them back. So
 * that a program that took all there was leaves something to tell it, and to mend it. */
void ad_mem_reserve(ad_ctx *ctx, size_t bytes);
typedef struct ad_mem_stats {
    size_t in_use, pooled, peak; /* bytes */
    uint64_t system_calls;       /* how often the allocator hook was asked for memory */
} ad_mem_stats;
/* Returns the peak so far; from here on it is counted anew (`peak` 0), or goes on from the larger one. */
size_t ad_mem_watch(ad_ctx *ctx, size_t peak);
ad_mem_stats ad_mem_statistics(const ad_ctx *ctx);

/* ---- values ------------------------------------------------------------------------------- */

/* Kinds. A host language adds its own from AD_USER_KIND on; the core ignores those. */
enum { AD_NUMBER = 0, AD_BOOL = 1, AD_TENSOR = 2, AD_USER_KIND = 8 };

struct ad_tensor;

/* 16 bytes. A number that is not tracked has `head == 0`: fast paths test only that. A bool keeps
 * 0.0 or 1.0 in `num`. `node` is the tape entry, 0 for what is not tracked; `flags` and `aux` belong
 * to the host. */
typedef struct ad_value {
    union {
        struct {
            uint8_t kind;
            uint8_t flags;
            uint16_t aux;
            uint32_t node;
        };
        uint64_t head;
    };
    union {
        double num;
        struct ad_tensor *tensor;
        void *ptr;
    };
} ad_value;

static inline ad_value ad_number(double x) {
    ad_value v;
    v.head = 0;
    v.num = x;
    return v;
}

static inline ad_value ad_bool(bool b) {
    ad_value v = ad_number(b ? 1.0 : 0.0);
    v.kind = AD_BOOL;
    return v;
}

/* Wraps a tensor; takes over the caller's reference. */
static inline ad_value ad_wrap(struct ad_tensor *t) {
    ad_value v;
    v.head = 0;
    v.kind = AD_TENSOR;
    v.tensor = t;
    return v;
}

/* One more, one less owner of the tensor and of the entry. For core kinds only. */
void ad_retain_slow(ad_ctx *ctx, ad_value v);
void ad_release_slow(ad_ctx *ctx, ad_value v);
static inline ad_value ad_retain(ad_ctx *ctx, ad_value v) {
    if (v.head > AD_BOOL) ad_retain_slow(ctx, v);
    return v;
}
static inline void ad_release(ad_ctx *ctx, ad_value v) {
    if (v.head > AD_BOOL) ad_release_slow(ctx, v);
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* A strided view of n ≥ 1 axes; an owner keeps its elements behind itself, a view refers to the
 * owner. Fields are for reading. Strides are in elements and may be 0 or negative. `asked` has a bit
 * for each axis of size 1 that was made on purpose (`new`, `keep = true`). Elements are never
 * changed while another owner can see them: ask ad_tensor_unshared first. */
typedef struct ad_tensor {
    uint32_t refs;
    uint8_t dtype; /* ad_dtype */
    uint8_t rank;
    uint16_t asked;
    struct ad_tensor *base; /* NULL for an owner */
    void *data;             /* element [0, 0, …] */
    int64_t size;           /* product of dims */
    int64_t dims[];         /* rank sizes, then rank strides */
} ad_tensor;

static inline const int64_t *ad_strides(const ad_tensor *t) { return t->dims + t->rank; }

/* Uninitialised, contiguous. NULL on failure (error set); so for all that return tensors, of which
 * those that fill or copy one see the interrupt flag too. */
ad_tensor *ad_tensor_new(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims);
ad_tensor *ad_tensor_full(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims, double value);
/* A view of `t`'s elements from `offset` elements on. */
ad_tensor *ad_tensor_view(ad_ctx *ctx, ad_tensor *t, int64_t offset, int rank, const int64_t *dims,
                          const int64_t *strides, uint16_t asked);
ad_tensor *ad_tensor_contiguous(ad_ctx *ctx, ad_tensor *t); /* itself (retained) or a copy */
ad_tensor *ad_tensor_copy(ad_ctx *ctx, const ad_tensor *t); /* always a fresh owner */
ad_tensor *ad_tensor_cast(ad_ctx *ctx, ad_tensor *t, ad_dtype dtype);
void ad_tensor_retain(ad_tensor *t);
void ad_tensor_release(ad_ctx *ctx, ad_tensor *t);
bool ad_tensor_is_contiguous(const ad_tensor *t);
bool ad_tensor_unshared(const ad_tensor *t); /* sole owner, through all views */
double ad_tensor_get(const ad_tensor *t, const int64_t *index);
void ad_tensor_set(ad_tensor *t, const int64_t *index, double value);
/* Is `i` one of 0, 1 … n - 1? Then *at is it. The last bits of 2^52 + i are a whole i; below 0, and where
 * i is large, inf or nan, they are beyond any n. */
static inline bool ad_is_index(double i, int64_t n, int64_t *at) {
    union {
        double number;
        uint64_t bits;
    } shifted = {i + 0x1p52};
    uint64_t k = shifted.bits - 0x4330000000000000u;
    *at = (int64_t)k;
    return k < (uint64_t)n && shifted.number - 0x1p52 == i;
}
/* t[i] and t[i, j] of f64 elements, negative from the end; NULL where anything is not as the fast way
 * needs it: then ad_index_get and ad_index_set do it, or say what is wrong. Write only to what is
 * not shared. */
static inline double *ad_index_at1(const ad_tensor *t, double i) {
    int64_t k;
    if (t->rank != 1 || t->dtype != AD_F64) return NULL;
    if (!ad_is_index(i, t->dims[0], &k)) {
        if (!ad_is_index(-1 - i, t->dims[0], &k)) return NULL;
        k = t->dims[0] - 1 - k;
    }
    return (double *)t->data + k * t->dims[1];
}
static inline double *ad_index_at2(const ad_tensor *t, double i, double j) {
    if (t->rank != 2 || t->dtype != AD_F64) return NULL;
    double n = (double)t->dims[0], m = (double)t->dims[1];
    if (!(i >= -n && i < n && j >= -m && j < m)) return NULL;
    int64_t k = (int64_t)i, l = (int64_t)j;
    if ((double)k != i || (double)l != j) return NULL;
    return (double *)t->data + (k < 0 ? k + t->dims[0] : k) * t->dims[2] +
           (l < 0 ? l + t->dims[1] : l) * t->dims[3];
}
/* All elements in row-major order, converted; `out` has room for `size`. */
void ad_tensor_read(const ad_tensor *t, double *out);
ad_tensor *ad_tensor_from(ad_ctx *ctx, ad_dtype dtype, int rank, const int64_t *dims, const double *in);
/* For whoever fills `data` of a new tensor from outside: signalling nans, which mean something to the
 * sweeps, become quiet ones. ad_tensor_from does it itself. */
void ad_tensor_quiet(ad_tensor *t);
size_t ad_dtype_size(ad_dtype dtype);
const char *ad_dtype_name(ad_dtype dtype); /* "f64" "f32" "bool" */
/* "[32, 784]" into `buf`, cut to fit; returns buf. */
char *ad_shape_text(int rank, const int64_t *dims, char *buf, size_t room);
/* Shortest decimal text that reads back as `x` ("0.1", "1e-300", "inf", "nan"); returns its length. */
size_t ad_number_text(double x, char buf[32]);
size_t ad_single_text(float x, char buf[32]); /* the shortest that reads back as this f32 */
/* The longest beginning of `text` that is a number ("-1.5e3", ".5", "inf", "nan"), rounded to nearest;
 * returns its length, 0 if there is none. No blanks are skipped. */
size_t ad_number_parse(const char *text, size_t length, double *out);

/* ---- random numbers ----------------------------------------------------------------------- */

/* Philox 4x64-10: element i of a draw uses counter + i, so randn(10) is the beginning of randn(20). */
typedef struct ad_random_state {
    uint64_t key, counter;
} ad_random_state;
void ad_seed(ad_ctx *ctx, uint64_t seed);
ad_random_state ad_random_get(const ad_ctx *ctx);
void ad_random_set(ad_ctx *ctx, ad_random_state state);
typedef enum { AD_UNIFORM, AD_NORMAL, AD_INTEGER, AD_BERNOULLI } ad_distribution;
/* UNIFORM on [a, b); NORMAL with mean a, deviation b; INTEGER in [a, b); BERNOULLI 1 with p = a. */
ad_tensor *ad_random(ad_ctx *ctx, ad_distribution law, double a, double b, ad_dtype dtype, int rank,
                     const int64_t *dims);
double ad_random_number(ad_ctx *ctx, ad_distribution law, double a, double b); /* nan on failure */
ad_tensor *ad_permutation(ad_ctx *ctx, int64_t n);

/* ---- operations --------------------------------------------------------------------------- */

/* An operation is a row of the table. The arithmetic ones have fixed numbers; all others are found by
 * name. */
typedef uint16_t ad_op;
enum {
    AD_OP_NONE, AD_OP_ADD, AD_OP_SUB, AD_OP_MUL, AD_OP_DIV, AD_OP_MOD, AD_OP_POW, AD_OP_NEG,
    AD_OP_EQ, AD_OP_NE, AD_OP_LT, AD_OP_LE, AD_OP_GT, AD_OP_GE, AD_OP_AND, AD_OP_OR, AD_OP_NOT,
    AD_OP_WHERE, AD_OP_FIXED /* rows from here on: ad_op_find */
};

/* What an operand is, without its elements. rank 0 is a number. */
typedef struct ad_type {
    uint8_t dtype; /* of a number: AD_F64, or AD_BOOL8 for a bool */
    uint8_t rank;
    uint16_t asked;
    int64_t dims[AD_MAX_RANK];
} ad_type;

/* One attribute of a call, in the order of the row's signature. */
typedef struct ad_arg {
    bool given;
    int32_t count;       /* of ints */
    const int64_t *ints; /* axes, shape, … */
    double num;          /* a number, or a flag as 0 / 1 */
    const char *text;    /* an einsum specification */
    const void *ptr;
} ad_arg;

enum { AD_MAX_ARGS = 6, AD_MAX_OPERANDS = 64 };

enum {
    AD_ROW_ELEMENTWISE = 1, /* may be an instruction of a block program */
    AD_ROW_NODIFF = 2,      /* declared not differentiable */
    AD_ROW_ZERO = 4,        /* differentiable, with the derivative 0 by rule (floor, sign, …) */
    AD_ROW_INTERNAL = 8     /* used by derivatives only; no name in the language */
};

typedef struct ad_row_info {
    const char *name;
    const char *signature; /* see below */
    const char *doc;       /* one line: formula, conventions at singular points */
    const char *domain;    /* the test domain as text, "" if none */
    int min_operands, max_operands, results;
    unsigned flags;
} ad_row_info;

/* Signatures: "x, axis: ints = all, keep: flag = false". A bare name is an operand, "...xs" any number
 * of them, "name = value" an operand with a default; ints, int, num, flag, text are attributes.
 * Attributes after "*" are by name only. */
ad_op ad_op_find(const char *name); /* AD_OP_NONE if there is none */
int ad_op_count(void);
const ad_row_info *ad_op_info(ad_op op);
/* The partial of an elementwise row in one operand, as the formula that is computed, with the operands'
 * names and y for the result: "sech(x)^2". Its length; 0 where there is none to show. */
size_t ad_derivative_text(ad_op op, int operand, char *out, size_t room);

/* Applies an operation. Where no operand is tracked, or recording is off, nothing is recorded. `src`
 * is a number that the caller can turn into a source position. `args` has AD_MAX_ARGS elements, or is
 * NULL where nothing is given; `out` has room for the row's results. */
ad_status ad_apply(ad_ctx *ctx, ad_op op, uint32_t src, int n, const ad_value *in, const ad_arg *args,
                   ad_value *out);
/* The same for one and two numbers, tracked or not, of an elementwise row: the fast way in. */
ad_status ad_apply1(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value *out);
ad_status ad_apply2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value a, ad_value b, ad_value *out);
/* A register machine's step, `*to` = a op b, for operands that are numbers and a `*to` that is a value of
 * the core: an operand that is killed is let go and holds 0 afterwards. On failure nothing changed. */
ad_status ad_step2(ad_ctx *ctx, ad_op op, uint32_t src, ad_value *to, ad_value *a, ad_value *b,
                   bool kill_a, bool kill_b);
/* The shape rule alone. */
ad_status ad_infer(ad_ctx *ctx, ad_op op, int n, const ad_type *in, const ad_arg *args, ad_type *out);
ad_type ad_type_of(ad_value v);

/* Indices. AT: one element of an axis, negative from the end. SLICE: start, stop, step; what is not
 * given is open. NEW: an axis of 1. REST: all axes that the others leave over. GATHER: a tensor of whole
 * numbers. MASK: a bool tensor. */
typedef enum { AD_IX_AT, AD_IX_SLICE, AD_IX_NEW, AD_IX_REST, AD_IX_GATHER, AD_IX_MASK } ad_index_kind;
typedef struct ad_index {
    ad_index_kind kind;
    bool has_start, has_stop, has_step;
    double at, stop, step; /* `at` is also the start of a slice; checked for wholeness */
    ad_tensor *tensor;
} ad_index;
ad_status ad_index_get(ad_ctx *ctx, ad_value x, int n, const ad_index *index, uint32_t src, ad_value *out);
/* `*x` becomes the updated value: in place where nobody else holds its elements, recorded where `*x`
 * or `v` is tracked. On failure `*x` is unchanged. */
ad_status ad_index_set(ad_ctx *ctx, ad_value *x, int n, const ad_index *index, ad_value v, uint32_t src);

/* ---- block programs ----------------------------------------------------------------------- */

/* An elementwise function of several inputs, as at most 64 instructions on virtual registers. Inputs
 * are registers 0 … n−1. A program is reference counted and immutable once finished. */
typedef struct ad_prog ad_prog;
ad_prog *ad_prog_new(ad_ctx *ctx, int inputs);
int ad_prog_const(ad_prog *p, double value);                           /* a register, or -1: full */
int ad_prog_emit(ad_prog *p, ad_op op, int n, const int *regs, int where); /* likewise */
ad_status ad_prog_finish(ad_prog *p, int result);
void ad_prog_retain(ad_prog *p);
void ad_prog_release(ad_ctx *ctx, ad_prog *p);
/* One fused pass and one entry. Inputs are numbers and tensors. An error names the instruction in
 * `where` (the number given to ad_prog_emit). */
ad_status ad_apply_prog(ad_ctx *ctx, ad_prog *p, uint32_t src, const ad_value *in, ad_value *out);

/* ---- the tape ----------------------------------------------------------------------------- */

/* Recording can be switched off (inside `:=`); returns what it was. */
bool ad_set_recording(ad_ctx *ctx, bool on);
bool ad_is_recording(const ad_ctx *ctx);

/* A parameter is what `:=` moves on: its leaves are versions. */
typedef uint32_t ad_param;
ad_param ad_param_new(ad_ctx *ctx);
void ad_param_drop(ad_ctx *ctx, ad_param id); /* its variable is gone */

/* A leaf: derivatives can be asked with respect to it. A tracked `v` stays linked to what it came
 * from. With a parameter it becomes that parameter's present version; 0 for a leaf of a transform. */
ad_status ad_leaf(ad_ctx *ctx, ad_value v, ad_param id, uint32_t src, ad_value *out);
/* A leaf that somebody has held becomes the parameter's present version again. False: `leaf` is none any
 * more, of this parameter. */
bool ad_leaf_again(ad_ctx *ctx, ad_value leaf, ad_param id);
/* The value, not tracked (a retained copy). */
ad_value ad_stop(ad_ctx *ctx, ad_value v);

enum {
    AD_GRAD_OWN = 1 /* `wrt` are a transform's own leaves: they end with it */
};
/* ∂/∂wrt of Σ ⟨seed_i, y_i⟩ by one reverse sweep; seeds may be NULL (1 each; y are numbers). `out`
 * has n values of the shapes of wrt. Where something else tracked is behind the result and recording
 * is on, the results are tracked through one entry. */
ad_status ad_vjp(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                 const ad_value *wrt, unsigned flags, uint32_t src, ad_value *out);
/* ∂y/∂wrt · tangent by one forward sweep. */
ad_status ad_jvp(ad_ctx *ctx, int n, const ad_value *wrt, const ad_value *tangent, int ny,
                 const ad_value *y, unsigned flags, uint32_t src, ad_value *out);
/* All rows of ∂y/∂wrt: shape y.shape ++ wrt.shape. */
ad_status ad_jacobian(ad_ctx *ctx, ad_value y, ad_value wrt, unsigned flags, uint32_t src,
                      ad_value *out);
/* The same for several wrt, by one sweep where rows are what to take. */
ad_status ad_jacobians(ad_ctx *ctx, ad_value y, int n, const ad_value *wrt, unsigned flags, uint32_t src,
                       ad_value *out);
/* True where y's computation acted element by element on the leaf (f' is defined). */
bool ad_is_elementwise(ad_ctx *ctx, ad_value y, ad_value leaf);

typedef struct ad_blame ad_blame; /* see ad_find_nonfinite */

/* A block of computation with a backward rule of the host's. `pull` gets one cotangent an output
 * (zeros where none arrived) and gives one an input, tracked if `record`; `push` gets one tangent an
 * input and gives one an output. Without `push` forward mode uses the transpose of `pull`. `in` are
 * the inputs, tracked if `record`; the entry keeps their storage only if `inputs`, else `in` is NULL. */
typedef struct ad_callback {
    ad_status (*pull)(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *dout,
                      ad_value *din, bool record);
    ad_status (*push)(ad_ctx *ctx, void *user, const ad_value *in, const ad_value *tangent,
                      ad_value *dout, bool record);
    void (*free)(ad_ctx *ctx, void *user);
    const char *name;
    bool inputs;
    /* Computes again and looks for the first inf or nan with ad_find_nonfinite; or NULL. */
    bool (*search)(ad_ctx *ctx, void *user, const ad_value *in, ad_blame *out);
} ad_callback;
/* `values` are the outputs, computed by the host; `out` gets them tracked. `user` is taken over in any
 * case: by the entry, or freed at once where nothing is tracked or the call fails. */
ad_status ad_custom(ad_ctx *ctx, const ad_callback *cb, void *user, uint32_t src, int n,
                    const ad_value *in, int nout, const ad_value *values, ad_value *out);

/* Reclaims what nobody can ask for any more, if enough was recorded since the last time (or
 * `force`). Call it only where every live value is held. */
void ad_collect(ad_ctx *ctx, bool force);
/* C programs may work between a mark and a rewind instead: nothing made in between may be used
 * afterwards. */
typedef struct ad_mark {
    uint64_t sequence;
    uint32_t node;
} ad_mark;
ad_mark ad_tape_mark(ad_ctx *ctx);
void ad_rewind(ad_ctx *ctx, ad_mark mark);
/* Rewinds if no value holds an entry made since; says whether. */
bool ad_rewind_unheld(ad_ctx *ctx, ad_mark mark);
/* The entry that stands for `v` as an operand from now on, 0 without memory. */
uint32_t ad_entry_of(ad_ctx *ctx, ad_value v);
/* What `y` depends on that was made before the mark, each entry once; returns how many there are, of
 * which the first `room` are in `nodes`. `closed` turns false where that is not all there is to say:
 * a parameter was made since, or a value without a past was met. */
size_t ad_boundary(ad_ctx *ctx, ad_mark mark, int ny, const ad_value *y, uint32_t *nodes,
                   size_t room, bool *closed);

/* ---- looking at the tape ------------------------------------------------------------------ */

typedef struct ad_entry_info {
    const char *op;
    uint32_t src;
    int operands;
    uint32_t operand[8]; /* entries, 0 for untracked; the first eight */
    ad_type type;
    double value; /* of a number */
    ad_param param; /* of a leaf */
    bool is_leaf, is_cut;
} ad_entry_info;
bool ad_entry(const ad_ctx *ctx, uint32_t node, ad_entry_info *info);
/* Entries that `y` depends on, in construction order, at most `room`; returns how many there are. */
size_t ad_trace(ad_ctx *ctx, ad_value y, uint32_t *nodes, size_t room);
/* The parameters that `y` depends on; returns how many there are. */
size_t ad_reaches(ad_ctx *ctx, ad_value y, ad_param *ids, size_t room);
/* +1, 0 or -1: which of two entries was made later. */
int ad_compare_age(const ad_ctx *ctx, uint32_t a, uint32_t b);
typedef struct ad_tape_stats {
    uint64_t recorded, alive, segments, collections; /* entries ever, entries now, … */
} ad_tape_stats;
ad_tape_stats ad_tape_statistics(const ad_ctx *ctx);

/* Where the first inf or nan came from: an entry whose operands are finite. What `where` discarded is
 * not looked at. */
struct ad_blame {
    uint32_t node, src;
    const char *op;
    int operand;             /* to blame, or -1 */
    int operands;            /* how many of these are known */
    double operand_value[3]; /* numbers, or those elements of tensors that matter */
    double value;            /* what was made of them; a derivative: the adjoint or tangent that is bad */
    bool backward;           /* a derivative */
    bool end;                /* it came in as it is: a leaf, or a value without a past */
};
/* Is every number in it? One pass, fast. */
bool ad_is_finite(ad_value v);
/* In all n of them; what is no value counts as finite, and so does NULL. */
bool ad_are_finite(int n, const ad_value *v);
/* Behind a value. False where it is finite. */
bool ad_find_nonfinite(ad_ctx *ctx, ad_value v, ad_blame *out);
/* Behind a derivative: the first adjoint that is not finite on the way from y; `seed` may be NULL (ones).
 * False: there is none. */
bool ad_find_nonfinite_adjoint(ad_ctx *ctx, int ny, const ad_value *y, const ad_value *seed, int n,
                               const ad_value *wrt, ad_blame *out);
/* The same of a forward sweep: behind a tangent of y. */
bool ad_find_nonfinite_tangent(ad_ctx *ctx, int n, const ad_value *wrt, const ad_value *tangent, int ny,
                               const ad_value *y, ad_blame *out);

/* ---- checking ----------------------------------------------------------------------------- */

typedef struct ad_check_report {
    double worst;          /* largest relative difference seen */
    int64_t points;
    double at, got, expected;
    int operand;
} ad_check_report;
/* A function of a number or tensors for the checker. */
typedef ad_status (*ad_function)(ad_ctx *ctx, void *user, const ad_value *in, ad_value *out);
ad_status ad_check_gradient(ad_ctx *ctx, ad_function f, void *user, int n, const ad_value *at,
                            double tolerance, bool *passed, ad_check_report *report);
/* For tests of the checker: multiplies the derivative of one row (adds 0.001 where it is 0 by rule).
 * op 0 switches it off. */
void ad_sabotage(ad_ctx *ctx, ad_op op, double factor);

#ifdef __cplusplus
}
#endif
#endif
