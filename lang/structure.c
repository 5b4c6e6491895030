/* SPDX-License-Identifier: MIT */
/*
 * Walking trees side by side, see structure.h. The walk recurses in C once a level and carries the
 * way from the root as a list of stack frames, so a path costs nothing until an error prints it.
 */
#include "structure.h"

#include "format.h"

void gr_path_text(gr_buffer *out, const gr_path *path) {
    if (!path || !path->up) return;
    gr_path_text(out, path->up); /* at most GR_MAX_STRUCTURE_DEPTH levels */
    if (path->field) {
        if (path->up->up) gr_buffer_puts(out, ".");
        gr_buffer_put(out, path->field->bytes, path->field->length);
    } else {
        gr_buffer_printf(out, "[%zu]", path->index);
    }
}

static bool raise_depth(gr_vm *vm) {
    gr_diagnostic *d = gr_raise(vm, GR_E_too_nested, "the value is nested more than %d levels deep",
                                GR_MAX_STRUCTURE_DEPTH);
    gr_diag_help(d, "`t = push(t, x)` grows a tuple, where `t = (x, t)` nests it");
    return false;
}

/* ---- several trees ---------------------------------------------------------------------------- */

typedef struct walk {
    gr_vm *vm;
    int n;
    uint32_t place; /* which operand of the expression the first tree is; 0: unknown */
    bool spread[GR_MAX_TREES]; /* no structure: the same at every leaf */
    gr_leaf_function f;
    void *user;
} walk;

/* Is the text of an operand a name with fields and indices, so that a path may follow it? */
static bool is_variable(const char *p, size_t length) {
    if (length == 0 || length > 40) return false;
    for (size_t i = 0; i < length; i++) {
        if (!gr_is_name_byte(p[i]) && p[i] != '.' && p[i] != '[' && p[i] != ']') return false;
    }
    return true;
}

static bool begins_with_field(const gr_path *path) {
    if (!path || !path->up) return false;
    while (path->up->up) path = path->up;
    return path->field != NULL;
}

/* "`p[1].W`" where the source calls the tree p, else "`[1].W` on the left". */
static void put_place(gr_vm *vm, gr_buffer *out, uint32_t place, int k, int n, const gr_path *path) {
    static const char *const ordinals[] = {"first", "second", "third", "fourth",
                                           "fifth", "sixth",  "seventh", "eighth"};
    const gr_source *source = NULL;
    gr_span span = {0, 0};
    if (place) span = gr_operand_span(vm, place + (uint32_t)k, &source);
    bool named = source && is_variable(source->text + span.begin, span.end - span.begin);
    bool root = !path || !path->up;
    if (named || !root) gr_buffer_puts(out, "`");
    if (named) {
        gr_buffer_put(out, source->text + span.begin, span.end - span.begin);
        if (begins_with_field(path)) gr_buffer_puts(out, ".");
    }
    gr_path_text(out, path);
    if (named || !root) gr_buffer_puts(out, "`");
    if (named || (n == 1 && !root)) return;
    if (root) gr_buffer_puts(out, "the value");
    if (n == 2) gr_buffer_puts(out, k == 0 ? " on the left" : " on the right");
    else if (n > 2) gr_buffer_printf(out, " of the %s", ordinals[k]);
}

static bool raise_text(gr_vm *vm, gr_diagnostic_id id, gr_buffer *text) {
    gr_diagnostic *d = gr_raise(vm, id, "%s", text->text ? text->text : "");
    if (id == GR_E_structures_differ)
        gr_diag_help(d, "two structures in one operation need the same tree: tuples of the same "
                        "length, records with the same fields");
    gr_buffer_free(text);
    return false;
}

static void put_node(gr_vm *vm, gr_buffer *text, gr_value v, gr_value other) {
    bool structures = gr_is_structure(v) && gr_is_structure(other);
    if (structures && v.kind != other.kind) gr_buffer_printf(text, " is a %s", gr_kind_name(v));
    else if (v.kind == GR_TUPLE) gr_buffer_printf(text, " has %zu items", gr_as_tuple(v)->count);
    else if (v.kind == GR_RECORD) gr_buffer_printf(text, " has %u fields", gr_record_count(v));
    else gr_buffer_puts(text, " is "), gr_describe(vm, text, v);
}

/* Trees a and b have unlike nodes here. */
static bool raise_unlike(const walk *w, const gr_path *path, int a, gr_value va, int b, gr_value vb) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(w->vm));
    put_place(w->vm, &text, w->place, a, w->n, path);
    put_node(w->vm, &text, va, vb);
    gr_buffer_puts(&text, ", but ");
    put_place(w->vm, &text, w->place, b, w->n, path);
    put_node(w->vm, &text, vb, va);
    return raise_text(w->vm, GR_E_structures_differ, &text);
}

static bool raise_missing(const walk *w, const gr_path *path, int a, int b) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(w->vm));
    put_place(w->vm, &text, w->place, a, w->n, path);
    gr_buffer_puts(&text, " is a field, but ");
    put_place(w->vm, &text, w->place, b, w->n, path);
    gr_buffer_puts(&text, " is missing");
    return raise_text(w->vm, GR_E_structures_differ, &text);
}

static bool raise_leaf(gr_vm *vm, uint32_t place, int k, int n, const gr_path *path, gr_value leaf) {
    gr_buffer text;
    gr_buffer_init(&text, gr_ctx(vm));
    put_place(vm, &text, place, k, n, path);
    gr_buffer_puts(&text, " is ");
    gr_describe(vm, &text, leaf);
    gr_buffer_puts(&text, "; a structure holds numbers and tensors only");
    return raise_text(vm, GR_E_wrong_kind, &text);
}

static int first_structure(const walk *w, const gr_value *in) {
    for (int k = 0; k < w->n; k++)
        if (!w->spread[k] && gr_is_structure(in[k])) return k;
    return -1;
}

/* All trees have a node like the lead's here. */
static bool check_nodes(const walk *w, const gr_path *path, const gr_value *in, int lead) {
    for (int k = 0; k < w->n; k++) {
        if (w->spread[k] || k == lead) continue;
        bool alike = in[k].kind == in[lead].kind;
        if (alike && in[k].kind == GR_TUPLE)
            alike = gr_as_tuple(in[k])->count == gr_as_tuple(in[lead])->count;
        if (!alike) return raise_unlike(w, path, lead < k ? lead : k, in[lead < k ? lead : k],
                                        lead < k ? k : lead, in[lead < k ? k : lead]);
    }
    return true;
}

static bool map_node(walk *w, const gr_path *path, const gr_value *in, gr_value *out);

static bool map_leaf(walk *w, const gr_path *path, const gr_value *in, gr_value *out) {
    for (int k = 0; k < w->n; k++)
        if (!gr_is_numeric(in[k])) return raise_leaf(w->vm, w->place, k, w->n, path, in[k]);
    return w->f(w->vm, w->user, path, w->n, in, out);
}

enum { POLLED = 4096 }; /* items between two looks at the interrupt flag */

static bool map_tuple(walk *w, const gr_path *path, const gr_value *in, int lead, gr_value *out) {
    size_t count = gr_as_tuple(in[lead])->count;
    gr_value result = gr_tuple_new(w->vm, count);
    if (gr_failed(result)) return false;
    for (size_t i = 0; i < count; i++) {
        gr_path here = {path, NULL, i, path->depth + 1};
        gr_value child[GR_MAX_TREES];
        for (int k = 0; k < w->n; k++)
            child[k] = w->spread[k] ? in[k] : gr_as_tuple(in[k])->items[i];
        bool go_on = i % POLLED != 0 || gr_go_on(w->vm);
        if (!go_on || !map_node(w, &here, child, &gr_as_tuple(result)->items[i])) {
            gr_release(w->vm, result);
            return false;
        }
    }
    *out = result;
    return true;
}

/* The fields of the other trees that go with the lead's i-th. */
static bool gather_fields(const walk *w, const gr_path *here, const gr_value *in, int lead,
                          gr_value *child) {
    for (int k = 0; k < w->n; k++) {
        if (w->spread[k]) {
            child[k] = in[k];
        } else if (gr_as_record(in[k])->layout == gr_as_record(in[lead])->layout) {
            child[k] = gr_record_value(in[k], (uint32_t)here->index);
        } else {
            gr_value *place = gr_record_find(w->vm, in[k], here->field);
            if (!place) return raise_missing(w, here, lead, k);
            child[k] = *place;
        }
    }
    return true;
}

/* A tree has more fields than the lead: names one of them. */
static bool check_surplus(const walk *w, const gr_path *path, const gr_value *in, int lead) {
    for (int k = 0; k < w->n; k++) {
        if (w->spread[k] || gr_record_count(in[k]) == gr_record_count(in[lead])) continue;
        for (uint32_t i = 0; i < gr_record_count(in[k]); i++) {
            gr_path here = {path, gr_record_key(in[k], i), i, path->depth + 1};
            if (gr_record_index(in[lead], here.field) < 0) return raise_missing(w, &here, k, lead);
        }
    }
    return true;
}

static bool map_record(walk *w, const gr_path *path, const gr_value *in, int lead, gr_value *out) {
    gr_value result = gr_record_like(w->vm, in[lead]);
    if (gr_failed(result)) return false;
    for (uint32_t i = 0; i < gr_record_count(in[lead]); i++) {
        gr_path here = {path, gr_record_key(in[lead], i), i, path->depth + 1};
        gr_value child[GR_MAX_TREES];
        if (!gather_fields(w, &here, in, lead, child) ||
            !map_node(w, &here, child, &gr_as_record(result)->values[i])) {
            gr_release(w->vm, result);
            return false;
        }
    }
    if (!check_surplus(w, path, in, lead)) {
        gr_release(w->vm, result);
        return false;
    }
    *out = result;
    return true;
}

static bool map_node(walk *w, const gr_path *path, const gr_value *in, gr_value *out) {
    int lead = first_structure(w, in);
    if (lead < 0) return map_leaf(w, path, in, out);
    if (path->depth >= GR_MAX_STRUCTURE_DEPTH) return raise_depth(w->vm);
    if (!check_nodes(w, path, in, lead)) return false;
    return in[lead].kind == GR_TUPLE ? map_tuple(w, path, in, lead, out)
                                     : map_record(w, path, in, lead, out);
}

static bool map_from(gr_vm *vm, uint32_t place, int n, const gr_value *in, gr_leaf_function f,
                     void *user, gr_value *out) {
    walk w = {.vm = vm, .n = n, .place = place, .f = f, .user = user};
    if (n > GR_MAX_TREES) {
        gr_raise(vm, GR_E_wrong_value, "%d structures are walked at once; at most %d are", n,
                 GR_MAX_TREES);
        return false;
    }
    gr_path root = {0};
    for (int k = 0; k < n; k++) {
        w.spread[k] = !gr_is_structure(in[k]);
        if (w.spread[k] && !gr_is_numeric(in[k])) return raise_leaf(vm, place, k, n, &root, in[k]);
    }
    return map_node(&w, &root, in, out);
}

bool gr_structure_map(gr_vm *vm, int n, const gr_value *in, gr_leaf_function f, void *user,
                      gr_value *out) {
    return map_from(vm, 0, n, in, f, user, out);
}

/* ---- arithmetic ------------------------------------------------------------------------------- */

typedef struct operation {
    ad_op op;
    uint32_t src;
    const ad_arg *args;
} operation;

static bool apply_leaf(gr_vm *vm, void *user, const gr_path *path, int n, const gr_value *in,
                       gr_value *out) {
    const operation *o = user;
    ad_status status = ad_apply(gr_ctx(vm), o->op, o->src, n, in, o->args, out);
    if (status == AD_OK) return true;
    gr_diagnostic *d = gr_raise_core(vm, NULL, status);
    gr_buffer place;
    gr_buffer_init(&place, gr_ctx(vm));
    gr_path_text(&place, path);
    if (place.size > 0) gr_diag_note(d, "at `%s` of the structures", place.text);
    gr_buffer_free(&place);
    return false;
}

bool gr_structure_apply(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in,
                        const ad_arg *args, gr_value *out) {
    operation o = {op, src, args};
    return map_from(vm, 1, n, in, apply_leaf, &o, out);
}

bool gr_structure_call(gr_vm *vm, ad_op op, uint32_t src, int n, const gr_value *in,
                       const ad_arg *args, gr_value *out) {
    operation o = {op, src, args};
    return map_from(vm, 2, n, in, apply_leaf, &o, out);
}

/* ---- one tree --------------------------------------------------------------------------------- */

static bool each_node(gr_vm *vm, const gr_path *path, gr_value v, gr_leaf_visit visit, void *user) {
    if (!gr_is_structure(v))
        return gr_is_numeric(v) ? visit(vm, user, path, v) : raise_leaf(vm, 2, 0, 1, path, v);
    if (path->depth >= GR_MAX_STRUCTURE_DEPTH) return raise_depth(vm);
    bool is_tuple = v.kind == GR_TUPLE;
    size_t count = is_tuple ? gr_as_tuple(v)->count : gr_record_count(v);
    for (size_t i = 0; i < count; i++) {
        gr_path here = {path, is_tuple ? NULL : gr_record_key(v, (uint32_t)i), i, path->depth + 1};
        gr_value child = is_tuple ? gr_as_tuple(v)->items[i] : gr_record_value(v, (uint32_t)i);
        if (!each_node(vm, &here, child, visit, user)) return false;
        if (i % POLLED == POLLED - 1 && !gr_go_on(vm)) return false;
    }
    return true;
}

bool gr_structure_each(gr_vm *vm, gr_value v, gr_leaf_visit visit, void *user) {
    gr_path root = {0};
    return each_node(vm, &root, v, visit, user);
}

static bool count_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    int64_t *totals = user;
    (void)vm, (void)path;
    totals[0]++;
    totals[1] += leaf.kind == AD_TENSOR ? leaf.tensor->size : 1;
    return true;
}

bool gr_structure_count(gr_vm *vm, gr_value v, int64_t *leaves, int64_t *numbers) {
    int64_t totals[2] = {0, 0};
    if (!gr_structure_each(vm, v, count_leaf, totals)) return false;
    *leaves = totals[0];
    *numbers = totals[1];
    return true;
}

/* ---- joining ---------------------------------------------------------------------------------- */

static bool raise_core(gr_vm *vm, ad_status status) { return gr_check(vm, NULL, status); }

static void release_all(gr_vm *vm, size_t count, gr_value *items) {
    for (size_t i = 0; i < count; i++) gr_release(vm, items[i]);
}

/* Numbers that are not tracked need no operation. */
static bool plain_numbers(gr_vm *vm, size_t count, const gr_value *items, gr_value *out) {
    bool all_bool = count > 0;
    for (size_t i = 0; i < count; i++) all_bool &= items[i].kind == AD_BOOL;
    ad_ctx *ctx = gr_ctx(vm);
    int64_t size = (int64_t)count;
    double *numbers = ad_mem_get(ctx, (count + 1) * sizeof *numbers);
    if (!numbers) return gr_core_failed(vm, NULL);
    for (size_t i = 0; i < count; i++) numbers[i] = items[i].num;
    ad_tensor *t = ad_tensor_from(ctx, all_bool ? AD_BOOL8 : AD_F64, 1, &size, numbers);
    ad_mem_put(ctx, numbers, (count + 1) * sizeof *numbers);
    if (!t) return gr_core_failed(vm, NULL);
    *out = ad_wrap(t);
    return true;
}

static bool join_few(gr_vm *vm, uint32_t src, const char *row, size_t count, const gr_value *items,
                     int64_t axis, gr_value *out) {
    ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = 1, .ints = &axis, .num = (double)axis}};
    ad_op op = ad_op_find(row);
    return raise_core(vm, ad_apply(gr_ctx(vm), op, src, (int)count, items, args, out));
}

/* Joins runs of AD_MAX_OPERANDS, then what came of them, until one is left. */
static bool join_many(gr_vm *vm, uint32_t src, const char *row, size_t count, const gr_value *items,
                      int64_t axis, gr_value *out) {
    size_t runs = (count + AD_MAX_OPERANDS - 1) / AD_MAX_OPERANDS, done = 0;
    gr_value *parts = ad_mem_get(gr_ctx(vm), runs * sizeof *parts);
    if (!parts) return gr_core_failed(vm, NULL);
    bool ok = true;
    for (; ok && done < runs; done += ok) {
        size_t from = done * AD_MAX_OPERANDS, n = count - from;
        if (n > AD_MAX_OPERANDS) n = AD_MAX_OPERANDS;
        ok = join_few(vm, src, row, n, items + from, axis, &parts[done]);
    }
    if (ok) ok = gr_join(vm, src, false, runs, parts, axis, out);
    release_all(vm, done, parts);
    ad_mem_put(gr_ctx(vm), parts, runs * sizeof *parts);
    return ok;
}

bool gr_join(gr_vm *vm, uint32_t src, bool stack, size_t count, const gr_value *items, int64_t axis,
             gr_value *out) {
    bool plain = stack;
    for (size_t i = 0; plain && i < count; i++) plain = items[i].head <= AD_BOOL;
    if (plain && (axis == 0 || axis == -1)) return plain_numbers(vm, count, items, out);
    const char *row = stack ? "stack" : "concat";
    if (count <= AD_MAX_OPERANDS) return join_few(vm, src, row, count, items, axis, out);
    return join_many(vm, src, row, count, items, axis, out);
}

/* ---- flattening ------------------------------------------------------------------------------- */

typedef struct flattening {
    uint32_t src;
    bool tracked;
    double *at;      /* where nothing is tracked: the next number's place */
    gr_value run;    /* tuple of numbers waiting to be stacked */
    gr_value parts;  /* tuple of tensors of rank 1 */
} flattening;

static bool see_tracked(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    (void)vm, (void)path;
    ((flattening *)user)->tracked |= leaf.node != 0;
    return true;
}

static bool copy_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    flattening *f = user;
    (void)vm, (void)path;
    if (leaf.kind == AD_TENSOR) {
        ad_tensor_read(leaf.tensor, f->at);
        f->at += leaf.tensor->size;
    } else {
        *f->at++ = leaf.num;
    }
    return true;
}

static bool push_to(gr_vm *vm, gr_value *tuple, gr_value v) {
    *tuple = gr_tuple_push(vm, gr_take(tuple), v);
    return !gr_failed(*tuple);
}

static bool end_run(gr_vm *vm, flattening *f) {
    gr_tuple *run = gr_as_tuple(f->run);
    if (run->count == 0) return true;
    gr_value stacked;
    if (!gr_join(vm, f->src, true, run->count, run->items, 0, &stacked)) return false;
    gr_replace(vm, &f->run, gr_tuple_new(vm, 0));
    return push_to(vm, &f->parts, stacked) && !gr_failed(f->run);
}

static bool collect_leaf(gr_vm *vm, void *user, const gr_path *path, gr_value leaf) {
    flattening *f = user;
    (void)path;
    if (leaf.kind != AD_TENSOR) return push_to(vm, &f->run, gr_retain(vm, leaf));
    if (!end_run(vm, f)) return false;
    int64_t size = leaf.tensor->size;
    ad_arg shape[AD_MAX_ARGS] = {{.given = true, .count = 1, .ints = &size, .num = (double)size}};
    gr_value flat;
    if (!raise_core(vm, ad_apply(gr_ctx(vm), ad_op_find("reshape"), f->src, 1, &leaf, shape, &flat)))
        return false;
    return push_to(vm, &f->parts, flat);
}

static bool flat_recorded(gr_vm *vm, flattening *f, gr_value v, gr_value *out) {
    f->run = gr_tuple_new(vm, 0);
    f->parts = gr_tuple_new(vm, 0);
    bool ok = !gr_failed(f->run) && !gr_failed(f->parts) &&
              gr_structure_each(vm, v, collect_leaf, f) && end_run(vm, f);
    if (ok) {
        gr_tuple *parts = gr_as_tuple(f->parts);
        if (parts->count == 1)
            *out = gr_retain(vm, parts->items[0]);
        else
            ok = gr_join(vm, f->src, false, parts->count, parts->items, 0, out);
    }
    gr_release(vm, f->run);
    gr_release(vm, f->parts);
    return ok;
}

bool gr_structure_flat(gr_vm *vm, uint32_t src, gr_value v, gr_value *out) {
    flattening f = {.src = src};
    int64_t leaves, numbers;
    if (!gr_structure_count(vm, v, &leaves, &numbers)) return false;
    if (!gr_structure_each(vm, v, see_tracked, &f)) return false;
    if (f.tracked) return flat_recorded(vm, &f, v, out);
    ad_tensor *t = ad_tensor_new(gr_ctx(vm), AD_F64, 1, &numbers);
    if (!t) return gr_core_failed(vm, NULL);
    f.at = t->data;
    *out = ad_wrap(t);
    return gr_structure_each(vm, v, copy_leaf, &f);
}
