/* SPDX-License-Identifier: MIT */
/*
 * Calls of rows of the op table, by their signatures, and of those builtins that make or reshape
 * tensors. Attributes count only where their values are known.
 */
#include "guess.h"

#include "vm_state.h"

#include <math.h>
#include <string.h>

enum { MOST_INTS = 16 };

/* ---- arguments -------------------------------------------------------------------------------- */

typedef struct taking {
    gr_guesser *g;
    uint32_t count, next, used;
    const gr_guess_argument *arguments;
} taking;

static const gr_guess *take(taking *t, const char *name, size_t size, bool positional) {
    for (uint32_t i = 0; i < t->count; i++) {
        const gr_name *given = t->arguments[i].name;
        if (given && given->length == size && memcmp(given->text, name, size) == 0) {
            t->used++;
            return &t->arguments[i].is;
        }
    }
    if (!positional || t->next >= t->count || t->arguments[t->next].name) return NULL;
    t->used++;
    return &t->arguments[t->next++].is;
}

/* Whole numbers of a guess: one, or a tuple of them; false: not known. */
static bool add_ints(gr_guesser *g, const gr_guess *x, int64_t *ints, int32_t *count) {
    if (gr_is_number_guess(x)) {
        if (!x->constant || floor(x->number) != x->number || fabs(x->number) > 1e15 ||
            *count == MOST_INTS)
            return false;
        ints[(*count)++] = (int64_t)x->number;
        return true;
    }
    if (!gr_guess_is_structure(x)) return false;
    for (uint32_t i = 0; i < gr_guess_count(x); i++) {
        gr_guess item = gr_guess_item(g, x, i);
        if (!gr_is_number_guess(&item) || !add_ints(g, &item, ints, count)) return false;
    }
    return true;
}

static bool is_given(const gr_guess *x) { return x != NULL; }

/* ---- rows ------------------------------------------------------------------------------------- */

typedef struct row_call {
    taking t;
    ad_type in[AD_MAX_OPERANDS];
    int operands, attributes;
    ad_arg args[AD_MAX_ARGS];
    int64_t ints[AD_MAX_ARGS][MOST_INTS];
    char text[128];
    const gr_guess *structure; /* an operand that is one */
    bool has_axis, axis_given;
} row_call;

static bool add_operand(row_call *c, const gr_guess *x) {
    if (gr_guess_is_structure(x) && !c->structure) {
        c->structure = x;
        return c->operands < AD_MAX_OPERANDS - 1;
    }
    if (x->kind != GR_G_NUMERIC || c->operands == AD_MAX_OPERANDS) return false;
    c->in[c->operands++] = x->type;
    return true;
}

static bool set_attribute(row_call *c, const char *role, const gr_guess *x) {
    ad_arg *arg = &c->args[c->attributes];
    int64_t *ints = c->ints[c->attributes];
    arg->given = true;
    if (strncmp(role, "text", 4) == 0) {
        if (x->kind != GR_G_TEXT || x->text.size >= sizeof c->text) return false;
        memcpy(c->text, x->text.bytes, x->text.size);
        c->text[x->text.size] = '\0';
        arg->text = c->text;
        return true;
    }
    if (strncmp(role, "num", 3) == 0 || strncmp(role, "flag", 4) == 0) {
        arg->num = x->number;
        return x->constant;
    }
    if (!add_ints(c->t.g, x, ints, &arg->count)) return false;
    arg->ints = ints;
    arg->num = arg->count ? (double)ints[0] : 0;
    return true;
}

static bool take_rest(row_call *c, const char *role) {
    taking *t = &c->t;
    const gr_guess *only = t->next + 1 == t->count ? &t->arguments[t->next].is : NULL;
    if (!role && only && gr_guess_is_structure(only)) {
        t->used++, t->next++;
        for (uint32_t i = 0; i < gr_guess_count(only); i++) {
            gr_guess item = gr_guess_item(t->g, only, i);
            if (item.kind != GR_G_NUMERIC || !add_operand(c, &item)) return false;
        }
        return true;
    }
    for (; t->next < t->count && !t->arguments[t->next].name; t->next++, t->used++) {
        const gr_guess *x = &t->arguments[t->next].is;
        if (role ? !set_attribute(c, role, x) : x->kind != GR_G_NUMERIC || !add_operand(c, x))
            return false;
    }
    c->attributes += role != NULL;
    return true;
}

/* An operand with a number as its default has it; with any other it is left out. */
static bool standard(row_call *c, const char *equals) {
    double x;
    if (!equals) return false;
    equals += 1 + strspn(equals + 1, " ");
    if (ad_number_parse(equals, strlen(equals), &x) > 0)
        c->in[c->operands++] = (ad_type){.dtype = AD_F64};
    return true;
}

static bool take_parameter(row_call *c, const char *p, size_t length, bool positional) {
    const char *colon = memchr(p, ':', length), *equals = memchr(p, '=', length);
    const char *role = colon ? colon + 1 + strspn(colon + 1, " ") : NULL;
    if (strncmp(p, "...", 3) == 0) return take_rest(c, role);
    const gr_guess *x = take(&c->t, p, strcspn(p, ":,= "), positional);
    if (role && strncmp(p, "axis", 4) == 0) c->has_axis = true, c->axis_given = is_given(x);
    if (!role) return x ? add_operand(c, x) : standard(c, equals);
    if (c->attributes == AD_MAX_ARGS || (!x && !equals)) return false;
    if (x && !set_attribute(c, role, x)) return false;
    c->attributes++;
    return true;
}

static bool take_all(row_call *c, const char *signature) {
    bool positional = true;
    for (const char *p = signature; p && *p;) {
        size_t length = strcspn(p, ",");
        if (*p == '*') positional = false;
        else if (!take_parameter(c, p, length, positional)) return false;
        p += length;
        p += strspn(p, ", ");
    }
    return c->t.used == c->t.count;
}

/* The numbers of a structure's leaves, all of f64. */
static bool count_numbers(gr_guesser *g, const gr_guess *x, int64_t *total) {
    gr_guess like = gr_guess_like(g, x);
    for (uint32_t i = 0; like.kind == GR_G_ITEMS && i < like.count; i++)
        if (!count_numbers(g, &like.items[i], total)) return false;
    if (like.kind != GR_G_NUMERIC) return like.kind == GR_G_ITEMS;
    int64_t n = 1;
    for (int i = 0; i < like.type.rank; i++) n *= like.type.dims[i];
    *total += n;
    return like.type.dtype == AD_F64;
}

/* An elementwise row gives a structure of the same shapes, if not truth values. */
static gr_guess leafwise(gr_guesser *g, ad_op op, const row_call *c) {
    ad_type numbers[AD_MAX_OPERANDS];
    for (int i = 0; i <= c->operands; i++) numbers[i] = (ad_type){.dtype = AD_F64};
    gr_guess of_number = gr_guess_infer(g, op, c->operands + 1, numbers, NULL);
    bool truth = of_number.kind != GR_G_NUMERIC || of_number.type.dtype == AD_BOOL8;
    return truth ? gr_unknown() : gr_guess_like(g, c->structure);
}

gr_guess gr_guess_row(gr_guesser *g, ad_op op, uint32_t count, const gr_guess_argument *arguments) {
    const ad_row_info *info = ad_op_info(op);
    row_call c = {.t = {.g = g, .count = count, .arguments = arguments}};
    if (!take_all(&c, info->signature)) return gr_unknown();
    if (!c.structure) return gr_guess_infer(g, op, c.operands, c.in, c.args);
    /* leaf by leaf, with numbers beside it; or all its numbers in one row */
    for (int i = 0; i < c.operands; i++)
        if (c.in[i].rank) return gr_unknown();
    if (info->flags & AD_ROW_ELEMENTWISE) return leafwise(g, op, &c);
    ad_type flat = {.dtype = AD_F64, .rank = 1};
    bool whole = c.has_axis && !c.axis_given && c.operands == 0;
    if (!whole || !count_numbers(g, c.structure, &flat.dims[0])) return gr_unknown();
    return gr_guess_infer(g, op, 1, &flat, c.args);
}

/* ---- builtins --------------------------------------------------------------------------------- */

static uint8_t dtype_of(taking *t) {
    const gr_guess *given = take(t, "dtype", 5, false);
    bool single = given && given->kind == GR_G_TEXT && given->text.size == 3 &&
                  memcmp(given->text.bytes, "f32", 3) == 0;
    if (given) return single ? AD_F32 : AD_F64;
    return (uint8_t)ad_default_dtype(gr_ctx(t->g->vm));
}

/* A shape of the positional arguments that are left, or of `size`; none: a number. */
static gr_guess made(taking *t, bool number_allowed) {
    int64_t ints[MOST_INTS];
    int32_t count = 0;
    ad_type type = {.dtype = dtype_of(t)};
    const gr_guess *size = take(t, "size", 4, false);
    if (size && !add_ints(t->g, size, ints, &count)) return gr_unknown();
    for (; t->next < t->count && !t->arguments[t->next].name; t->next++, t->used++)
        if (!add_ints(t->g, &t->arguments[t->next].is, ints, &count)) return gr_unknown();
    if (t->used != t->count || (count == 0 && !number_allowed)) return gr_unknown();
    for (int32_t i = 0; i < count; i++) {
        if (ints[i] < 0) return gr_unknown();
        type.dims[type.rank++] = ints[i];
    }
    return count ? gr_guess_of_type(t->g, &type) : gr_guess_some_number();
}

static gr_guess b_make(taking *t) { return made(t, false); }

static gr_guess b_draw(taking *t, const char *first, const char *second) {
    take(t, first, strlen(first), true);
    if (second) take(t, second, strlen(second), true);
    return made(t, true);
}
static gr_guess b_uniform(taking *t) { return b_draw(t, "low", "high"); }
static gr_guess b_normal(taking *t) { return b_draw(t, "loc", "scale"); }
static gr_guess b_bernoulli(taking *t) { return b_draw(t, "p", NULL); }

static gr_guess b_full(taking *t) {
    int64_t ints[MOST_INTS];
    int32_t count = 0;
    const gr_guess *shape = take(t, "shape", 5, true), *value = take(t, "value", 5, true);
    ad_type type = {.dtype = dtype_of(t)};
    if (!shape || !value || t->used != t->count || !add_ints(t->g, shape, ints, &count) || !count)
        return gr_unknown();
    for (int32_t i = 0; i < count; i++) type.dims[type.rank++] = ints[i];
    return gr_guess_of_type(t->g, &type);
}

static gr_guess vector(taking *t, double n) {
    ad_type type = {.dtype = dtype_of(t), .rank = 1, .dims = {(int64_t)n}};
    bool known = t->used == t->count && n >= 0 && n < 1e9 && floor(n) == n;
    return known ? gr_guess_of_type(t->g, &type) : gr_unknown();
}

static gr_guess b_linspace(taking *t) {
    const gr_guess *a = take(t, "start", 5, true), *b = take(t, "stop", 4, true);
    const gr_guess *n = take(t, "n", 1, true);
    if (!a || !b || (n && !n->constant)) return gr_unknown();
    gr_guess v = vector(t, n ? n->number : 50);
    return v;
}

static gr_guess b_eye(taking *t) {
    const gr_guess *n = take(t, "n", 1, true), *m = take(t, "m", 1, true);
    if (!n || !n->constant || (m && !m->constant)) return gr_unknown();
    ad_type type = {.dtype = dtype_of(t), .rank = 2};
    type.dims[0] = (int64_t)n->number;
    type.dims[1] = (int64_t)(m ? m->number : n->number);
    return t->used == t->count ? gr_guess_of_type(t->g, &type) : gr_unknown();
}

/* Two arguments: elementwise; one: a reduction. */
static gr_guess extreme(taking *t, const char *reduction, const char *elementwise) {
    bool two = t->count == 2 && !t->arguments[0].name && !t->arguments[1].name;
    return gr_guess_row(t->g, ad_op_find(two ? elementwise : reduction), t->count, t->arguments);
}
static gr_guess b_max(taking *t) { return extreme(t, "max", "maximum"); }
static gr_guess b_min(taking *t) { return extreme(t, "min", "minimum"); }

/* x and whole numbers, one by one or as a tuple. */
static gr_guess with_ints(taking *t, const char *row) {
    int64_t ints[MOST_INTS];
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .ints = ints}};
    const gr_guess *x = take(t, "x", 1, true);
    if (!x || x->kind != GR_G_NUMERIC) return gr_unknown();
    for (; t->next < t->count && !t->arguments[t->next].name; t->next++, t->used++)
        if (!add_ints(t->g, &t->arguments[t->next].is, ints, &args[0].count)) return gr_unknown();
    if (t->used != t->count || !args[0].count) return gr_unknown();
    args[0].num = (double)ints[0];
    return gr_guess_infer(t->g, ad_op_find(row), 1, &x->type, args);
}
static gr_guess b_reshape(taking *t) { return with_ints(t, "reshape"); }
static gr_guess b_expand(taking *t) { return with_ints(t, "expand"); }
static gr_guess b_permute(taking *t) { return with_ints(t, "permute"); }
static gr_guess b_tile(taking *t) { return with_ints(t, "tile"); }

static const gr_guess *only(const taking *t) {
    return t->count == 1 && !t->arguments[0].name ? &t->arguments[0].is : NULL;
}

static gr_guess b_same(taking *t) {
    const gr_guess *x = only(t);
    return x ? gr_guess_like(t->g, x) : gr_unknown();
}

static gr_guess b_len(taking *t) {
    const gr_guess *x = only(t);
    if (x && x->kind == GR_G_NUMERIC && x->type.rank)
        return gr_guess_number((double)x->type.dims[0]);
    return x && gr_guess_is_structure(x) ? gr_guess_number(gr_guess_count(x)) : gr_unknown();
}

static gr_guess b_size(taking *t) {
    const gr_guess *x = only(t);
    double n = 1;
    if (!x || x->kind != GR_G_NUMERIC) return gr_unknown();
    for (int i = 0; i < x->type.rank; i++) n *= (double)x->type.dims[i];
    return gr_guess_number(n);
}

static gr_guess b_type(taking *t) {
    const gr_guess *x = only(t);
    const char *kind = !x                                       ? NULL
                       : x->kind == GR_G_NUMERIC && x->type.rank ? "tensor"
                       : x->kind == GR_G_NUMERIC
                           ? x->type.dtype == AD_BOOL8 ? "bool" : "number"
                       : x->kind == GR_G_TEXT ? "string"
                                              : NULL;
    if (!kind) return gr_unknown();
    return (gr_guess){.kind = GR_G_TEXT, .text = {kind, (uint32_t)strlen(kind)}};
}

/* zip(a, …) of equally many items that are known, enumerate(a). */
static gr_guess b_zip(taking *t) {
    gr_guess rows[GR_GUESS_ITEMS], parts[8];
    uint32_t rows_count = 0;
    for (uint32_t k = 0; k < t->count; k++) {
        const gr_guess *x = &t->arguments[k].is;
        if (t->arguments[k].name || !gr_guess_is_tuple(x)) return gr_unknown();
        if (k && gr_guess_count(x) != rows_count) return gr_unknown();
        rows_count = gr_guess_count(x);
    }
    if (t->count == 0 || t->count > 8 || rows_count == 0) return gr_unknown();
    for (uint32_t i = 0; i < rows_count; i++) {
        for (uint32_t k = 0; k < t->count; k++) parts[k] = gr_guess_item(t->g, &t->arguments[k].is, i);
        rows[i] = gr_guess_items(t->g, t->count, parts);
    }
    return gr_guess_items(t->g, rows_count, rows);
}

static gr_guess b_enumerate(taking *t) {
    gr_guess rows[GR_GUESS_ITEMS];
    const gr_guess *x = only(t);
    if (!x || !gr_guess_is_tuple(x)) return gr_unknown();
    for (uint32_t i = 0; i < gr_guess_count(x); i++)
        rows[i] = gr_guess_items(t->g, 2, (gr_guess[]){gr_guess_number(i), gr_guess_item(t->g, x, i)});
    return gr_guess_items(t->g, gr_guess_count(x), rows);
}

static const struct {
    const char *name;
    gr_guess (*run)(taking *t);
} rules[] = {
    {"zeros", b_make},       {"ones", b_make},         {"rand", b_make},
    {"randn", b_make},       {"full", b_full},         {"eye", b_eye},
    {"linspace", b_linspace}, {"uniform", b_uniform},  {"normal", b_normal},
    {"randint", b_uniform},  {"bernoulli", b_bernoulli}, {"max", b_max},
    {"min", b_min},          {"reshape", b_reshape},   {"expand", b_expand},
    {"permute", b_permute},  {"tile", b_tile},         {"stop", b_same},
    {"len", b_len},          {"size", b_size},         {"type", b_type},
    {"zip", b_zip},          {"enumerate", b_enumerate},
};

gr_guess gr_guess_builtin(gr_guesser *g, const char *name, uint32_t count,
                          const gr_guess_argument *arguments) {
    taking t = {.g = g, .count = count, .arguments = arguments};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, name) == 0) return rules[i].run(&t);
    return gr_unknown();
}
