/* SPDX-License-Identifier: MIT */
/* rows_einsum.c - einsum("ij,jk->ik", a, b, …): sums over repeated letters. Operands are contracted
 * two at a time, from the left, each pair as one batched matrix product; letters that only one
 * operand has and nobody needs any more are summed first; a letter twice in one operand is a
 * diagonal.
 *
 * "..." stands for further leading axes, aligned at the last; they become the letters '0' to '9',
 * so derivatives can name them. Derivatives are einsums with strong zeros (`einsumz`, attribute
 * strong: bit k for operand k) and `einsum_spread`, which puts a tensor of distinct letters
 * at the places of an operand: on diagonals, repeated along letters that were summed alone. */
#include "kernel_matmul.h"
#include "kernel_reduce.h"
#include "rows.h"

#include <string.h>

enum { LETTERS = 128, TERMS = 8, LONGEST = 32 };

/* A specification taken apart. Letters are characters; dims by letter, -1 where unused. */
typedef struct spec {
    int n;
    char term[TERMS + 1][LONGEST]; /* operands, then the result */
    int64_t dims[LETTERS];
} spec;

/* ---- reading the specification ------------------------------------------------------------ */

static ad_status bad(ad_ctx *ctx, const char *text, const char *why) {
    return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "\"%s\" is not an einsum: %s", text, why);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One term up to ',' or '-' or the end; "..." becomes '.'. */
static ad_status read_term(ad_ctx *ctx, const char *text, const char **at, char *out) {
    int n = 0;
    for (; **at != '\0' && **at != ',' && **at != '-'; ++*at) {
        char c = **at;
        if (c == ' ') continue;
        if (c == '.' && strncmp(*at, "...", 3) == 0)
            *at += 2;
        else if (!is_letter(c))
            return bad(ctx, text, "terms are letters and ...");
        if (n == LONGEST - 1) return bad(ctx, text, "a term is too long");
        out[n++] = c;
    }
    out[n] = '\0';
    return AD_OK;
}

static ad_status read_spec(ad_ctx *ctx, const char *text, int n, spec *p, bool *has_result) {
    const char *at = text;
    if (n > TERMS) return bad(ctx, text, "at most 8 operands");
    for (p->n = 0;; at++) {
        if (p->n == n) return bad(ctx, text, "it has more terms than operands");
        ad_status s = read_term(ctx, text, &at, p->term[p->n++]);
        if (s) return s;
        if (*at != ',') break;
    }
    if (p->n != n) return bad(ctx, text, "it has fewer terms than operands");
    *has_result = *at == '-';
    if (!*has_result) return AD_OK;
    if (at[1] != '>') return bad(ctx, text, "the result stands behind ->");
    at += 2;
    ad_status s = read_term(ctx, text, &at, p->term[n]);
    return s == AD_OK && *at != '\0' ? bad(ctx, text, "the result is one term") : s;
}

/* Replaces '.' by `count` digits; those of the operand's own count, aligned at the last. */
static ad_status open_dots(ad_ctx *ctx, const char *text, char *term, int count) {
    char *dot = strchr(term, '.'), rest[LONGEST];
    if (dot == NULL) return AD_OK;
    if (strchr(dot + 1, '.') != NULL) return bad(ctx, text, "... stands once in a term");
    if (count < 0 || count > 9 || strlen(term) + (size_t)count > LONGEST)
        return bad(ctx, text, "... does not fit the number of axes");
    memcpy(rest, dot + 1, strlen(dot + 1) + 1);
    for (int i = 0; i < count; i++) dot[i] = (char)('0' + 9 - count + 1 + i);
    memcpy(dot + count, rest, strlen(rest) + 1);
    return AD_OK;
}

static int letters_of(const char *term) {
    return (int)strlen(term) - (strchr(term, '.') != NULL ? 1 : 0);
}

/* Without "->": dots, then the letters that occur once, in the order of the alphabet. */
static void default_result(spec *p, bool dots) {
    int seen[LETTERS] = {0}, n = 0;
    for (int k = 0; k < p->n; k++)
        for (const char *c = p->term[k]; *c != '\0'; c++) seen[(int)*c]++;
    char *out = p->term[p->n];
    if (dots) out[n++] = '.';
    for (int c = 'A'; c <= 'z' && n < LONGEST - 1; c++)
        if (seen[c] == 1) out[n++] = (char)c;
    out[n] = '\0';
}

static ad_status open_all(ad_ctx *ctx, const char *text, const ad_type *in, spec *p,
                          bool has_result) {
    int widest = 0;
    bool dots = false;
    for (int k = 0; k < p->n; k++) {
        if (strchr(p->term[k], '.') == NULL) continue;
        int own = in[k].rank - letters_of(p->term[k]);
        if (own > widest) widest = own;
        dots = true;
    }
    if (!has_result) default_result(p, dots);
    for (int k = 0; k <= p->n; k++) {
        int own = k < p->n ? in[k].rank - letters_of(p->term[k]) : widest;
        ad_status s = open_dots(ctx, text, p->term[k], own);
        if (s) return s;
    }
    return AD_OK;
}

/* Sizes by letter; digits (axes of ...) may be stretched from 1. */
static ad_status find_dims(ad_ctx *ctx, const char *text, const ad_type *in, spec *p) {
    for (int c = 0; c < LETTERS; c++) p->dims[c] = -1;
    for (int k = 0; k < p->n; k++) {
        if ((int)strlen(p->term[k]) != in[k].rank)
            return ad_fail(ctx, AD_ERR_SHAPE, k,
                           "term %d of \"%s\" names %d axes, the operand has %d", k + 1, text,
                           (int)strlen(p->term[k]), in[k].rank);
        for (int i = 0; i < in[k].rank; i++) {
            char c = p->term[k][i];
            int64_t *d = &p->dims[(int)c], own = in[k].dims[i];
            bool stretch = c <= '9' && (own == 1 || *d == 1);
            if (*d >= 0 && *d != own && !stretch)
                return ad_fail(ctx, AD_ERR_SHAPE, k, "`%c` in \"%s\" is %lld and %lld", c, text,
                               (long long)*d, (long long)own);
            if (*d < 0 || *d == 1) *d = own;
        }
    }
    return AD_OK;
}

static ad_status parse(ad_ctx *ctx, const ad_arg *args, int n, const ad_type *in, spec *p) {
    const char *text = args != NULL ? args[0].text : NULL;
    bool has_result = false;
    if (text == NULL) return ad_fail(ctx, AD_ERR_ARGUMENT, -1, "`einsum` wants a specification");
    ad_status s = read_spec(ctx, text, n, p, &has_result);
    if (s == AD_OK) s = open_all(ctx, text, in, p, has_result);
    if (s == AD_OK) s = find_dims(ctx, text, in, p);
    if (s) return s;
    for (const char *c = p->term[n]; *c != '\0'; c++) {
        if (p->dims[(int)*c] < 0) return bad(ctx, text, "a letter of the result is in no operand");
        if (strchr(c + 1, *c) != NULL) return bad(ctx, text, "a letter stands twice in the result");
    }
    return strlen(p->term[n]) > AD_MAX_RANK ? bad(ctx, text, "the result has too many axes")
                                            : AD_OK;
}

static ad_type term_type(const spec *p, const char *term, ad_dtype dtype) {
    int64_t dims[LONGEST];
    int n = 0;
    for (; term[n] != '\0'; n++) dims[n] = p->dims[(int)term[n]];
    return n > 0 ? ad_type_make(dtype, n, dims) : ad_type_number();
}

AD_SHAPE(ad_shape_einsum) {
    spec p;
    ad_status s = parse(c->ctx, c->args, c->n, in, &p);
    if (s == AD_OK) *out = term_type(&p, p.term[c->n], ad_float_dtype(c->n, in));
    return s;
}

/* ---- contraction -------------------------------------------------------------------------- */

/* A tensor whose axes are named; a number has the shape [1] and no letters. */
typedef struct named {
    ad_tensor *t;
    char letters[LONGEST];
} named;

/* The view with the axes of `want`, in order: diagonals joined, missing letters stretched. */
static ad_tensor *arranged(ad_ctx *ctx, const spec *p, const named *x, const char *want) {
    int64_t dims[LONGEST], strides[LONGEST];
    int n = 0;
    for (; want[n] != '\0'; n++) {
        dims[n] = p->dims[(int)want[n]];
        strides[n] = 0;
        for (int i = 0; x->letters[i] != '\0'; i++)
            if (x->letters[i] == want[n] && x->t->dims[i] != 1) strides[n] += ad_strides(x->t)[i];
    }
    if (n == 0) { /* a number */
        dims[0] = 1;
        strides[0] = 1;
        n = 1;
    }
    return ad_tensor_view(ctx, x->t, 0, n, dims, strides, 0);
}

static bool has(const char *letters, char c) { return strchr(letters, c) != NULL; }

/* Distinct letters of x; those in `needed` first, the others (to be summed) behind. */
static int order_needed(const char *letters, const char *needed, char *out) {
    int n = 0, kept = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (const char *c = letters; *c != '\0'; c++)
            if (has(needed, *c) == (pass == 0) && memchr(out, *c, (size_t)n) == NULL) out[n++] = *c;
        if (pass == 0) kept = n;
    }
    out[n] = '\0';
    return kept;
}

/* Joins diagonals and sums letters that nobody needs. Takes x's tensor over. */
static ad_status reduce_alone(ad_ctx *ctx, const spec *p, named *x, const char *needed) {
    char order[LONGEST];
    int kept = order_needed(x->letters, needed, order), all = (int)strlen(order);
    ad_tensor *view = arranged(ctx, p, x, order), *y = view;
    ad_status s = view != NULL ? AD_OK : ad_failed(ctx);
    if (s == AD_OK && kept < all) {
        int64_t one = 1;
        ad_tensor *wide = kept > 0 ? ad_tensor_new(ctx, AD_F64, kept, view->dims)
                                   : ad_tensor_new(ctx, AD_F64, 1, &one);
        uint32_t set = ((1U << all) - 1U) & ~((1U << kept) - 1U);
        s = wide != NULL ? ad_reduce(ctx, AD_RED_SUM, view, set, NULL, wide->data) : ad_failed(ctx);
        y = s == AD_OK ? ad_tensor_cast(ctx, wide, (ad_dtype)view->dtype) : NULL;
        ad_tensor_release(ctx, wide);
        ad_tensor_release(ctx, view);
        if (s == AD_OK && y == NULL) s = ad_failed(ctx);
    }
    ad_tensor_release(ctx, x->t);
    x->t = s == AD_OK ? y : NULL;
    order[kept] = '\0';
    memcpy(x->letters, order, sizeof order);
    return s;
}

/* The letters of a pair: batch in both and needed, inner in both and not, the rest free. */
typedef struct roles {
    char batch[LONGEST], inner[LONGEST], left[LONGEST], right[LONGEST];
    int64_t b, k, m, n; /* products of their sizes */
} roles;

static void add_letter(char *to, int64_t *size, const spec *p, char c) {
    size_t n = strlen(to);
    to[n] = c;
    to[n + 1] = '\0';
    *size *= p->dims[(int)c];
}

static void find_roles(const spec *p, const char *a, const char *b, const char *needed, roles *o) {
    memset(o, 0, sizeof *o);
    o->b = o->k = o->m = o->n = 1;
    for (; *a != '\0'; a++) {
        if (!has(b, *a))
            add_letter(o->left, &o->m, p, *a);
        else if (has(needed, *a))
            add_letter(o->batch, &o->b, p, *a);
        else
            add_letter(o->inner, &o->k, p, *a);
    }
    for (; *b != '\0'; b++)
        if (!has(o->batch, *b) && !has(o->inner, *b)) add_letter(o->right, &o->n, p, *b);
}

static void join(char *out, const char *a, const char *b, const char *c) {
    size_t la = strlen(a), lb = strlen(b), lc = strlen(c);
    memmove(out, a, la);
    memcpy(out + la, b, lb);
    memcpy(out + la + lb, c, lc + 1);
}

static ad_tensor *as_batch(ad_ctx *ctx, const spec *p, const named *x, const char *order,
                           int64_t batch, int64_t rows, int64_t cols) {
    int64_t dims[3] = {batch, rows, cols};
    ad_tensor *view = arranged(ctx, p, x, order);
    ad_tensor *t = view != NULL ? ad_tensor_reshape(ctx, view, 3, dims, 0) : NULL;
    ad_tensor_release(ctx, view);
    return t;
}

/* a becomes the product of a and b; b's tensor is released. */
static ad_status contract(ad_ctx *ctx, const spec *p, named *a, named *b, const char *needed,
                          int strong) {
    roles o;
    char la[2 * LONGEST], lb[2 * LONGEST], ly[2 * LONGEST];
    find_roles(p, a->letters, b->letters, needed, &o);
    join(la, o.batch, o.left, o.inner);
    join(lb, o.batch, o.inner, o.right);
    join(ly, o.batch, o.left, o.right);
    ad_status s = AD_OK;
    int64_t dims[3] = {o.b, o.m, o.n}, named_dims[LONGEST + 1] = {1};
    int rank = (int)strlen(ly);
    ad_tensor *ta = NULL, *tb = NULL, *y = NULL, *shaped = NULL;
    if (rank > AD_MAX_RANK) {
        s = ad_fail(ctx, AD_ERR_SHAPE, -1, "an intermediate of `einsum` has %d axes", rank);
    } else {
        ta = as_batch(ctx, p, a, la, o.b, o.m, o.k);
        tb = as_batch(ctx, p, b, lb, o.b, o.k, o.n);
        y = ad_tensor_new(ctx, (ad_dtype)a->t->dtype, 3, dims);
        bool made = ta != NULL && tb != NULL && y != NULL;
        s = made ? ad_matmul(ctx, ta, tb, y, strong) : ad_failed(ctx);
    }
    for (int i = 0; s == AD_OK && i < rank; i++) named_dims[i] = p->dims[(int)ly[i]];
    if (s == AD_OK) shaped = ad_tensor_reshape(ctx, y, rank > 0 ? rank : 1, named_dims, 0);
    if (s == AD_OK && shaped == NULL) s = ad_failed(ctx);
    ad_tensor_release(ctx, ta);
    ad_tensor_release(ctx, tb);
    ad_tensor_release(ctx, y);
    ad_tensor_release(ctx, a->t);
    ad_tensor_release(ctx, b->t);
    a->t = shaped;
    b->t = NULL;
    if (s == AD_OK) memcpy(a->letters, ly, (size_t)rank + 1);
    return s;
}

/* All letters that terms from `from` on, and the result, still want. */
static void needed_after(const spec *p, int from, const char *also, char *out) {
    bool seen[LETTERS] = {false};
    int n = 0;
    for (const char *c = also; *c != '\0'; c++) seen[(int)*c] = true;
    for (int k = from; k <= p->n; k++)
        for (const char *c = p->term[k]; *c != '\0'; c++) seen[(int)*c] = true;
    for (int c = 0; c < LETTERS; c++)
        if (seen[c]) out[n++] = (char)c;
    out[n] = '\0';
}

static ad_status open_term(ad_ctx *ctx, const spec *p, int k, ad_value v, ad_dtype dtype,
                           named *x) {
    ad_tensor *t = ad_tensor_of(ctx, v);
    x->t = t != NULL ? ad_tensor_cast(ctx, t, dtype) : NULL;
    ad_tensor_release(ctx, t);
    memcpy(x->letters, p->term[k], LONGEST);
    return x->t != NULL ? AD_OK : ad_failed(ctx);
}

static ad_status contract_all(const ad_call *c, const spec *p, ad_dtype dtype, int strong,
                              named *x) {
    char needed[LETTERS + 1];
    ad_status s = open_term(c->ctx, p, 0, c->in[0], dtype, x);
    needed_after(p, 1, "", needed);
    if (s == AD_OK) s = reduce_alone(c->ctx, p, x, needed);
    for (int k = 1; s == AD_OK && k < c->n; k++) {
        named y = {.t = NULL};
        s = open_term(c->ctx, p, k, c->in[k], dtype, &y);
        needed_after(p, k + 1, x->letters, needed);
        if (s == AD_OK) s = reduce_alone(c->ctx, p, &y, needed);
        needed_after(p, k + 1, "", needed);
        int sides = (strong & ((1 << k) - 1)) != 0 ? AD_STRONG_A : 0;
        if (strong >> k & 1) sides |= AD_STRONG_B;
        if (s == AD_OK) s = contract(c->ctx, p, x, &y, needed, sides);
        ad_tensor_release(c->ctx, y.t);
    }
    return s;
}

static ad_status run_einsum(const ad_call *c, int strong, const ad_type *type, ad_value *out) {
    spec p;
    ad_type in[TERMS];
    for (int k = 0; k < c->n && k < TERMS; k++) in[k] = ad_type_of(c->in[k]);
    ad_status s = parse(c->ctx, c->args, c->n, in, &p);
    named x = {.t = NULL};
    if (s == AD_OK) s = contract_all(c, &p, ad_float_dtype(c->n, in), strong, &x);
    ad_tensor *view = s == AD_OK ? arranged(c->ctx, &p, &x, p.term[c->n]) : NULL;
    ad_tensor *y = view != NULL ? ad_tensor_contiguous(c->ctx, view) : NULL;
    ad_tensor_release(c->ctx, view);
    ad_tensor_release(c->ctx, x.t);
    return s ? s : ad_result(c->ctx, type, y, out);
}

AD_RUN(ad_run_einsum) { return run_einsum(c, 0, type, out); }
AD_RUN(ad_run_einsumz) { return run_einsum(c, (int)ad_arg_int(c->args, 1, 0), type, out); }

/* ---- spread: the transpose of taking diagonals and summing -------------------------------- */

/* attributes: spec "letters->term", shape of the result */
static ad_status spread_spec(const ad_call *c, const ad_type *in, spec *p) {
    bool has_result;
    const char *text = c->args[0].text;
    ad_status s = read_spec(c->ctx, text, 1, p, &has_result);
    for (int k = 0; k < LETTERS; k++) p->dims[k] = -1;
    for (int i = 0; s == AD_OK && i < c->args[1].count; i++)
        p->dims[(int)p->term[1][i]] = c->args[1].ints[i];
    if (s == AD_OK && (int)strlen(p->term[0]) != in->rank) s = bad(c->ctx, text, "axes do not fit");
    return s;
}

AD_SHAPE(ad_shape_einsum_spread) {
    spec p;
    ad_status s = spread_spec(c, in, &p);
    if (s == AD_OK)
        *out = c->args[1].count > 0
                   ? ad_type_make(ad_float_dtype(1, in), c->args[1].count, c->args[1].ints)
                   : ad_type_number();
    return s;
}

AD_RUN(ad_run_einsum_spread) {
    spec p;
    ad_type in = ad_type_of(c->in[0]);
    ad_status s = spread_spec(c, &in, &p);
    if (s) return s;
    char order[LONGEST];
    order_needed(p.term[1], p.term[1], order);
    named to = {.t = ad_result_full(c->ctx, type, 0.0)}, from = {.t = ad_tensor_of(c->ctx, c->in[0])};
    memcpy(to.letters, p.term[1], LONGEST);
    memcpy(from.letters, p.term[0], LONGEST);
    ad_tensor *a = NULL, *b = NULL;
    if (to.t != NULL && from.t != NULL) {
        a = arranged(c->ctx, &p, &to, order);
        b = arranged(c->ctx, &p, &from, order);
    }
    s = a != NULL && b != NULL ? ad_tensor_fill_from(c->ctx, a, b) : ad_failed(c->ctx);
    ad_tensor_release(c->ctx, a);
    ad_tensor_release(c->ctx, b);
    ad_tensor_release(c->ctx, from.t);
    if (s == AD_OK) return ad_result(c->ctx, type, to.t, out);
    ad_tensor_release(c->ctx, to.t);
    return s;
}

AD_RULE(ad_vjp_einsum_spread) { /* the other way round */
    const char *text = r->args[0].text, *arrow = strstr(text, "->");
    char back[2 * LONGEST + 4];
    join(back, arrow + 2, "->", "");
    size_t n = strlen(back), left = (size_t)(arrow - text);
    memcpy(back + n, text, left);
    back[n + left] = '\0';
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .text = back}};
    ad_rule_give(r, 0, ad_rule_op(r, AD_OPID_einsum, 1, &r->adj[0], args));
}

/* ---- derivatives -------------------------------------------------------------------------- */

/* Strong zeros of the product that is differentiated: a bit an operand. */
static int strong_bits(const ad_rule *r) { return (int)ad_arg_int(r->args, 1, 0); }

static bool others_nonfinite(const ad_rule *r, int k) {
    bool found = false;
    for (int i = 0; i < r->n; i++) found = found || (i != k && ad_has_nonfinite(r->in[i]));
    return found;
}

/* "result,others->letters of k that they have"; operands: g, then the others. */
static ad_value einsum_share(ad_rule *r, const spec *p, int k, ad_value g, bool finite,
                             char *have) {
    char text[(TERMS + 2) * (LONGEST + 1)];
    ad_value in[TERMS];
    size_t at = strlen(p->term[p->n]);
    int n = 1, count = 0, strong = AD_STRONG_A;
    memcpy(text, p->term[p->n], at);
    in[0] = g;
    for (int i = 0; i < p->n; i++) {
        if (i == k) continue;
        text[at++] = ',';
        memcpy(text + at, p->term[i], strlen(p->term[i]));
        at += strlen(p->term[i]);
        strong |= (strong_bits(r) >> i & 1) << n;
        in[n++] = finite ? ad_rule_finite(r, r->in[i]) : r->in[i];
    }
    text[at] = '\0';
    for (const char *c = p->term[k]; *c != '\0'; c++)
        if (has(text, *c) && memchr(have, *c, (size_t)count) == NULL) have[count++] = *c;
    have[count] = '\0';
    memcpy(text + at, "->", 2);
    memcpy(text + at + 2, have, (size_t)count + 1);
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .text = text}, ad_num(strong)};
    return ad_rule_op(r, AD_OPID_einsumz, n, in, args);
}

/* Stretched axes of "..." keep the size 1 in the operand: spread to the full size, then sum. */
static ad_value spread_share(ad_rule *r, const spec *p, int k, ad_value g, const char *have) {
    char text[2 * LONGEST + 4];
    ad_type full = term_type(p, p->term[k], AD_F64);
    join(text, have, "->", p->term[k]);
    if (strcmp(have, p->term[k]) != 0) {
        ad_arg args[AD_MAX_ARGS] = {{.given = true, .text = text}, ad_ints(full.rank, full.dims)};
        g = ad_rule_op(r, AD_OPID_einsum_spread, 1, &g, args);
    }
    return ad_rule_sum_to(r, g, &r->in_type[k]);
}

AD_RULE(ad_vjp_einsum) {
    spec p;
    if (parse(r->ctx, r->args, r->n, r->in_type, &p)) return;
    for (int k = 0; k < r->n; k++) {
        char have[LONGEST];
        if (!r->need[k]) continue;
        ad_value g = einsum_share(r, &p, k, r->adj[0], false, have);
        g = spread_share(r, &p, k, g, have);
        if ((strong_bits(r) >> k & 1) && others_nonfinite(r, k)) {
            ad_value part = einsum_share(r, &p, k, r->adj[0], true, have);
            g = ad_rule_where_zero(r, r->in[k], spread_share(r, &p, k, part, have), g);
        }
        ad_rule_give(r, k, g);
    }
}

/* Operand k replaced by t, which is brought to the front, where strong zeros reach every
 * product. */
static ad_value einsum_push(ad_rule *r, const spec *p, int k, ad_value t, bool finite) {
    char text[(TERMS + 2) * (LONGEST + 1)];
    ad_value in[TERMS];
    size_t at = 0;
    int strong = AD_STRONG_A;
    for (int j = 0; j < p->n; j++) {
        int i = j == 0 ? k : j <= k ? j - 1 : j;
        if (j > 0) text[at++] = ',';
        memcpy(text + at, p->term[i], strlen(p->term[i]));
        at += strlen(p->term[i]);
        if (j > 0) strong |= (strong_bits(r) >> i & 1) << j;
        in[j] = j == 0 ? t : finite ? ad_rule_finite(r, r->in[i]) : r->in[i];
    }
    join(text + at, "->", p->term[p->n], "");
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .text = text}, ad_num(strong)};
    return ad_rule_op(r, AD_OPID_einsumz, p->n, in, args);
}

/* Multilinear: one operand after the other replaced by its tangent. */
AD_RULE(ad_jvp_einsum) {
    spec p;
    if (parse(r->ctx, r->args, r->n, r->in_type, &p)) return;
    for (int k = 0; k < r->n; k++) {
        ad_value t = r->tan[k], zero = ad_number(0.0);
        if (!r->need[k]) continue;
        if ((strong_bits(r) >> k & 1) && others_nonfinite(r, k)) {
            ad_value dead = ad_rule_where_zero(r, r->in[k], t, zero);
            ad_rule_give(r, 0, einsum_push(r, &p, k, dead, true));
            t = ad_rule_where_zero(r, r->in[k], zero, t);
        }
        ad_rule_give(r, 0, einsum_push(r, &p, k, t, false));
    }
}
