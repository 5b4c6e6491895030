/* SPDX-License-Identifier: MIT */
/* domain.c - reads the test domains of the table and checks rows on them. */
#include "domain.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers that are the same every time ------------------------------------------------- */

typedef struct rng {
    uint64_t state;
} rng;

static uint64_t next_bits(rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double unit(rng *r) { return ((double)(next_bits(r) >> 11) + 0.5) * 0x1p-53; }

static double normal(rng *r) { return sqrt(-2 * log(unit(r))) * cos(6.283185307179586 * unit(r)); }

/* ---- text --------------------------------------------------------------------------------- */

typedef struct text {
    const char *at;
} text;

static void blanks(text *t) {
    while (isspace((unsigned char)*t->at)) t->at++;
}

static bool take(text *t, const char *word) {
    blanks(t);
    size_t n = strlen(word);
    if (strncmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

static bool number(text *t, double *x) {
    blanks(t);
    char *end;
    /* "1..2": strtod would take "1." */
    char part[64];
    size_t n = 0;
    while (t->at[n] && strchr("+-.0123456789einfa", t->at[n]) && strncmp(t->at + n, "..", 2) && n < 63) n++;
    memcpy(part, t->at, n);
    part[n] = 0;
    *x = strtod(part, &end);
    if (end == part) return false;
    t->at += end - part;
    return true;
}

static bool name(text *t, char *out, size_t room) {
    blanks(t);
    size_t n = 0;
    while ((isalnum((unsigned char)t->at[n]) || t->at[n] == '_') && n + 1 < room) n++;
    memcpy(out, t->at, n);
    out[n] = 0;
    t->at += n;
    return n > 0;
}

/* The start of case `index`, or NULL. */
static const char *case_start(const char *domain, int index) {
    const char *at = domain;
    while (index-- && at) {
        at = strstr(at, " | ");
        if (at) at += 3;
    }
    return at && *at ? at : NULL;
}

int domain_cases(ad_op op) {
    int n = 0;
    while (case_start(ad_op_info(op)->domain, n)) n++;
    return n;
}

/* ---- elementwise rows --------------------------------------------------------------------- */

enum { ELEMENTS = 11 };

static ad_value drawn(ad_ctx *ctx, rng *r, double lo, double hi, bool tensor, int64_t elements) {
    if (!tensor) return ad_number(lo + (hi - lo) * unit(r));
    double x[ELEMENTS];
    const int64_t dims[] = {elements};
    for (int i = 0; i < ELEMENTS; i++) x[i] = lo + (hi - lo) * unit(r);
    return ad_wrap(ad_tensor_from(ctx, AD_F64, 1, dims, x));
}

static bool make_point(text *t, domain_call *c) {
    c->declared = true;
    int operands = ad_op_info(c->op)->min_operands;
    for (; c->n < operands; c->n++) {
        double x;
        if ((c->n && !take(t, ";")) || !number(t, &x)) return false;
        c->in[c->n] = ad_number(x);
    }
    if (!take(t, "=")) return false;
    for (int k = 0; k < operands; k++)
        if ((k && !take(t, ";")) || !number(t, &c->partial[k])) return false;
    return true;
}

static bool make_intervals(ad_ctx *ctx, text *t, rng *r, bool tensors, domain_call *c) {
    int64_t size = c->from == ELEMENTS ? c->to : ELEMENTS;
    c->sized = size != ELEMENTS;
    for (int operands = ad_op_info(c->op)->min_operands; c->n < operands; c->n++) {
        double lo, hi;
        if ((c->n && !take(t, ";")) || !number(t, &lo) || !take(t, "..") || !number(t, &hi)) return false;
        c->in[c->n] = drawn(ctx, r, lo, hi, tensors, size);
        c->fixed[c->n] = lo == hi;
    }
    return true;
}

/* ---- operands of other rows --------------------------------------------------------------- */

enum { LARGEST = 4096 };

static void positive_definite(double *x, const int64_t *dims, int rank, rng *r) {
    int64_t n = dims[rank - 1], matrices = 1;
    for (int i = 0; i + 2 < rank; i++) matrices *= dims[i];
    for (int64_t m = 0; m < matrices; m++, x += n * n) {
        double a[64];
        for (int64_t i = 0; i < n * n; i++) a[i] = normal(r);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                x[i * n + j] = i == j ? 1 : 0;
                for (int64_t k = 0; k < n; k++) x[i * n + j] += a[i * n + k] * a[j * n + k];
            }
    }
}

static void shuffle_spaced(double *x, int64_t n, rng *r) {
    for (int64_t i = 0; i < n; i++) x[i] = 0.37 * (double)i - 1 + 0.1 * unit(r);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = (int64_t)(next_bits(r) % (uint64_t)(i + 1));
        double swap = x[i];
        x[i] = x[k];
        x[k] = swap;
    }
}

static bool law_const(text *t, double *x, int64_t n) {
    if (!take(t, "(")) return false;
    int64_t given = 0;
    do {
        if (given >= LARGEST || !number(t, &x[given])) return false;
        given++;
    } while (take(t, ","));
    for (int64_t i = given; i < n; i++) x[i] = x[i % given];
    return take(t, ")");
}

static bool law_ints(text *t, double *x, int64_t n, rng *r) {
    double lo, hi;
    if (!take(t, "(") || !number(t, &lo) || !take(t, ",") || !number(t, &hi) || !take(t, ")")) return false;
    for (int64_t i = 0; i < n; i++) x[i] = floor(lo + (hi - lo) * unit(r));
    return true;
}

/* The elements after a law; sets what the law says of the operand. */
static bool by_law(text *t, rng *r, const int64_t *dims, int rank, int64_t n, double *x, domain_call *c) {
    char law[16];
    if (!name(t, law, sizeof law)) return false;
    bool known = true;
    if (!strcmp(law, "const")) return law_const(t, x, n);
    if (!strcmp(law, "ints")) {
        c->fixed[c->n] = true;
        return law_ints(t, x, n, r);
    }
    if (!strcmp(law, "distinct")) {
        shuffle_spaced(x, n, r);
    } else if (!strcmp(law, "spd")) {
        positive_definite(x, dims, rank, r);
        c->symmetric[c->n] = true;
    } else {
        known = false;
        for (int64_t i = 0; i < n; i++)
            x[i] = !strcmp(law, "normal") || !strcmp(law, "sym") ? normal(r)
                   : !strcmp(law, "positive")                    ? 0.4 + 2 * unit(r)
                   : !strcmp(law, "unit")                        ? 0.05 + 0.9 * unit(r)
                                                                 : (double)(next_bits(r) & 1);
        c->symmetric[c->n] = !strcmp(law, "sym");
        c->fixed[c->n] = !strcmp(law, "bool");
    }
    return known || strstr("normal sym positive unit bool", law);
}

static bool make_operand(ad_ctx *ctx, text *t, rng *r, domain_call *c) {
    int64_t dims[AD_MAX_RANK], n = 1;
    int rank = 0;
    double x[LARGEST];
    bool is_number = take(t, "number");
    if (!is_number && !take(t, "[")) return false;
    while (!is_number) {
        double d;
        if (!number(t, &d)) return false;
        dims[rank] = d == c->from ? c->to : (int64_t)d;
        if (d == c->from) c->sized = true;
        n *= dims[rank++];
        if (!take(t, ",")) break;
    }
    if (!is_number && !take(t, "]")) return false;
    if (n > LARGEST || !by_law(t, r, dims, rank, n, x, c)) return false;
    if (take(t, "fixed")) c->fixed[c->n] = true;
    c->in[c->n] = is_number ? ad_number(x[0]) : ad_wrap(ad_tensor_from(ctx, AD_F64, rank, dims, x));
    c->n++;
    return true;
}

/* ---- attributes --------------------------------------------------------------------------- */

/* The place of an attribute: how many "name: kind" stand before it in the signature. */
static int attribute_place(ad_op op, const char *wanted) {
    int place = 0;
    for (const char *at = ad_op_info(op)->signature; at && *at;) {
        while (*at == ' ' || *at == ',') at++;
        size_t n = strcspn(at, ":,=");
        bool attribute = at[n] == ':';
        if (attribute && strlen(wanted) == n && strncmp(at, wanted, n) == 0) return place;
        place += attribute;
        at = strchr(at, ',');
    }
    return -1;
}

static bool list_value(text *t, ad_arg *arg, int64_t *ints) {
    while (!take(t, ")")) {
        double x;
        if (arg->count == 16 || !number(t, &x)) return false;
        ints[arg->count++] = (int64_t)x;
        take(t, ",");
    }
    return true;
}

static bool make_attribute(text *t, const char *key, domain_call *c) {
    int place = attribute_place(c->op, key);
    if (place < 0 || place >= AD_MAX_ARGS) return false;
    ad_arg *arg = &c->args[place];
    arg->given = true;
    arg->ints = c->ints[place];
    if (take(t, "(")) return list_value(t, arg, c->ints[place]);
    if (take(t, "true") || take(t, "false")) {
        arg->num = t->at[-2] == 'u';
        return true;
    }
    if (take(t, "\"")) {
        size_t n = strcspn(t->at, "\"");
        if (n >= sizeof c->text[place]) return false;
        memcpy(c->text[place], t->at, n);
        arg->text = c->text[place];
        t->at += n + 1;
        return true;
    }
    if (!number(t, &arg->num)) return false;
    c->ints[place][0] = (int64_t)arg->num;
    arg->count = 1;
    return true;
}

static bool make_case(ad_ctx *ctx, text *t, rng *r, domain_call *c) {
    do {
        char key[32];
        if (!name(t, key, sizeof key)) return false;
        if (take(t, ":") ? !make_operand(ctx, t, r, c) : !take(t, "=") || !make_attribute(t, key, c))
            return false;
    } while (take(t, ";"));
    return true;
}

/* ---- calls -------------------------------------------------------------------------------- */

bool domain_make(ad_ctx *ctx, ad_op op, int index, uint64_t seed, bool tensors, domain_call *call) {
    return domain_make_sized(ctx, op, index, seed, tensors, -1, -1, call);
}

bool domain_make_sized(ad_ctx *ctx, ad_op op, int index, uint64_t seed, bool tensors, int64_t from,
                       int64_t to, domain_call *call) {
    const ad_row_info *row = ad_op_info(op);
    memset(call, 0, sizeof *call);
    call->op = op;
    call->from = (double)from;
    call->to = to;
    text t = {case_start(row->domain, index)};
    rng r = {seed * 1000003u + (uint64_t)op * 101u + (uint64_t)index};
    bool ok = row->flags & AD_ROW_ELEMENTWISE
                  ? (take(&t, "@") ? make_point(&t, call) : make_intervals(ctx, &t, &r, tensors, call))
                  : make_case(ctx, &t, &r, call);
    blanks(&t);
    if (ok && (!*t.at || *t.at == '|')) return true;
    printf("%s: the domain is wrong at \"%s\"\n", row->name, t.at);
    domain_release(ctx, call);
    return false;
}

void domain_release(ad_ctx *ctx, domain_call *call) {
    for (int i = 0; i < call->n; i++) ad_release(ctx, call->in[i]);
    call->n = 0;
}

ad_status domain_symmetric(ad_ctx *ctx, ad_value x, ad_value *out) {
    ad_value flipped, sum;
    ad_status s = ad_apply(ctx, AD_OPID_transpose, 0, 1, &x, NULL, &flipped);
    if (s != AD_OK) return s;
    s = ad_apply(ctx, AD_OP_ADD, 0, 2, (const ad_value[]){x, flipped}, NULL, &sum);
    ad_release(ctx, flipped);
    if (s != AD_OK) return s;
    s = ad_apply(ctx, AD_OP_MUL, 0, 2, (const ad_value[]){sum, ad_number(0.5)}, NULL, out);
    ad_release(ctx, sum);
    return s;
}

ad_status domain_apply(ad_ctx *ctx, void *user, const ad_value *in, ad_value *out) {
    const domain_function *f = user;
    const domain_call *c = f->call;
    ad_value all[AD_MAX_OPERANDS] = {ad_number(0)}, results[AD_MAX_OPERANDS];
    ad_status s = AD_OK;
    int made = 0, next = 0;
    for (; made < c->n && s == AD_OK; made++) {
        ad_value x = c->fixed[made] ? c->in[made] : in[next++];
        if (!c->symmetric[made]) all[made] = ad_retain(ctx, x);
        else if ((s = domain_symmetric(ctx, x, &all[made])) != AD_OK) break;
    }
    if (s == AD_OK) s = ad_apply(ctx, c->op, 0, c->n, all, c->args, results);
    while (made--) ad_release(ctx, all[made]);
    if (s != AD_OK) return s;
    for (int k = 0; k < ad_op_info(c->op)->results; k++)
        if (k != f->result) ad_release(ctx, results[k]);
    *out = results[f->result];
    return AD_OK;
}

/* ---- checks ------------------------------------------------------------------------------- */

static void fail(domain_result *r, int index, const char *what, double got, double expected) {
    if (!r->failures++)
        snprintf(r->why, sizeof r->why, "case %d: %.200s: got %.17g, expected %.17g", index, what, got,
                 expected);
}

int domain_varying(const domain_call *c, ad_value *in) {
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (!c->fixed[i]) in[n++] = c->in[i];
    return n;
}

static void check_differences(ad_ctx *ctx, const domain_call *c, int index, domain_result *r) {
    ad_value in[AD_MAX_OPERANDS];
    int n = domain_varying(c, in);
    for (int k = 0; k < ad_op_info(c->op)->results; k++) {
        domain_function f = {c, k};
        ad_check_report report;
        bool passed;
        ad_status s = ad_check_gradient(ctx, domain_apply, &f, n, in, 1e-6, &passed, &report);
        if (s != AD_OK) {
            fail(r, index, ad_last_error(ctx)->message, NAN, NAN);
            continue;
        }
        r->points += report.points;
        if (report.worst > r->worst) r->worst = report.worst;
        if (!passed) fail(r, index, "derivative and difference", report.got, report.expected);
    }
}

static bool equal(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= 4e-16 * fabs(b);
}

/* A declared point, as numbers and as tensors of one element. */
static void check_point(ad_ctx *ctx, const domain_call *c, int index, bool tensors, domain_result *r) {
    ad_value leaf[3], y, grad[3], seed = ad_number(1);
    const int64_t one[] = {1};
    ad_status s = AD_OK;
    for (int i = 0; i < c->n && s == AD_OK; i++) {
        ad_value x = tensors ? ad_wrap(ad_tensor_full(ctx, AD_F64, 1, one, c->in[i].num)) : c->in[i];
        s = ad_leaf(ctx, x, 0, 0, &leaf[i]);
        ad_release(ctx, x);
    }
    if (s == AD_OK) s = ad_apply(ctx, c->op, 0, c->n, leaf, NULL, &y);
    bool tracked = s == AD_OK && y.node;
    if (tensors) seed = ad_wrap(ad_tensor_full(ctx, AD_F64, 1, one, 1));
    if (tracked) s = ad_vjp(ctx, 1, &y, &seed, c->n, leaf, 0, 0, grad);
    if (s != AD_OK) fail(r, index, ad_last_error(ctx)->message, NAN, NAN);
    for (int i = 0; i < c->n && s == AD_OK; i++) {
        double got = 0;
        if (tracked) got = tensors ? ((double *)grad[i].tensor->data)[0] : grad[i].num;
        r->points++;
        if (!equal(got, c->partial[i])) fail(r, index, "declared partial", got, c->partial[i]);
        if (tracked) ad_release(ctx, grad[i]);
    }
    ad_release(ctx, seed);
    ad_release(ctx, y);
    for (int i = 0; i < c->n; i++) ad_release(ctx, leaf[i]);
}

static void check_case(ad_ctx *ctx, ad_op op, int index, uint64_t seed, bool tensors, bool declared,
                       domain_result *r) {
    domain_call c;
    if (!domain_make(ctx, op, index, seed, tensors, &c)) {
        fail(r, index, "the domain is not understood", NAN, NAN);
        return;
    }
    if (!c.declared)
        check_differences(ctx, &c, index, r);
    else if (declared && seed == 0)
        check_point(ctx, &c, index, tensors, r);
    domain_release(ctx, &c);
}

bool domain_varies(ad_ctx *ctx, ad_op op) {
    domain_call c;
    ad_value in[AD_MAX_OPERANDS];
    bool varies = false;
    for (int i = 0; i < domain_cases(op) && !varies; i++) {
        if (!domain_make(ctx, op, i, 0, true, &c)) return true;
        varies = domain_varying(&c, in) > 0;
        domain_release(ctx, &c);
    }
    return varies;
}

domain_result domain_check(ad_ctx *ctx, ad_op op, bool declared) {
    domain_result r = {0};
    bool elementwise = ad_op_info(op)->flags & AD_ROW_ELEMENTWISE;
    int cases = domain_cases(op);
    for (uint64_t seed = 0; seed < 60 && (r.points < 50 || seed == 0) && !r.failures; seed++)
        for (int i = 0; i < cases; i++) {
            check_case(ctx, op, i, seed, true, declared, &r);
            if (elementwise) check_case(ctx, op, i, seed, false, declared, &r);
        }
    return r;
}
