/* SPDX-License-Identifier: MIT */
/* forward.c - tangents, from the denominators up to y, through needed entries only.
 *
 * The pages of a sweep in ascending order. Tangents are values in one table by node; none is given
 * back before the end, since what a gradient on the way unrolls into refers to all of them. An entry
 * of several results keeps theirs together in its own slot, where each OUT finds its part, also one
 * that was made later for a rule of a recorded sweep. Many lines go up together (lines.h). */
#include "forward.h"
#include "lines.h"
#include "shape.h"

#include <string.h>

/* In place of a tangent: it does not exist, and `ptr` says why; or its array went on to a newer version,
 * and `ptr` says what was there. */
enum { KIND_REFUSED = AD_USER_KIND + 1, KIND_OLDER = AD_USER_KIND + 2 };

/* A tensor whose elements are filled one by one has one array of tangents, not one a version: an older
 * version is what the newer one is, but for these elements. Few are ever asked for. */
typedef struct older {
    uint32_t newer;
    ad_index_plan *plan;
    ad_value was, entry; /* entry: a number that holds the node of what is tracked, without its elements */
} older;

/* The tangents of the results of one entry, AD_ABSENT_HEAD where there is none; a value of a kind of
 * our own in the entry's slot. */
typedef struct parts {
    int n;
    uint32_t refused;
    const char *refusal;
    ad_value v[];
} parts;

static size_t parts_bytes(int n) { return sizeof(parts) + (size_t)n * sizeof(ad_value); }

static void forget_older(ad_ctx *ctx, older *o) {
    ad_index_plan_free(ctx, o->plan);
    ad_release(ctx, o->was);
    ad_release(ctx, o->entry);
    ad_mem_put(ctx, o, sizeof *o);
}

static void forget(ad_ctx *ctx, ad_value v) {
    if (v.kind == KIND_REFUSED) return;
    if (v.kind == KIND_OLDER) {
        forget_older(ctx, v.ptr);
        return;
    }
    if (v.kind != AD_USER_KIND) {
        ad_release(ctx, v);
        return;
    }
    parts *p = v.ptr;
    for (int k = 0; k < p->n; k++)
        if (p->v[k].head != AD_ABSENT_HEAD) ad_release(ctx, p->v[k]);
    ad_mem_put(ctx, p, parts_bytes(p->n));
}

/* Tangents live in slots of whole values, whatever the mode. */
static ad_value *any_slot(const ad_forward *f, uint32_t node) {
    ad_page *p = node ? ad_page_at(f->s, node) : NULL;
    return p && p->slots ? (ad_value *)p->slots + (node & SEG_MASK) : NULL;
}

/* Versions from `v` on that have given their array away; the first that has one in `*newest`. */
static size_t versions(const ad_forward *f, const ad_value *v, const older **all, const ad_value **newest) {
    size_t n = 0;
    for (; v && v->kind == KIND_OLDER; v = any_slot(f, ((const older *)v->ptr)->newer), n++)
        if (all) all[n] = v->ptr;
    *newest = v;
    return n;
}

/* The newest array, with what the versions in between have written undone. */
static ad_status restore(ad_forward *f, ad_value *v) {
    const ad_value *newest;
    size_t n = versions(f, v, NULL, &newest), bytes = n * sizeof(older *);
    const older **all = ad_mem_get(f->ctx, bytes);
    if (!all) return ad_failed(f->ctx);
    versions(f, v, all, &newest);
    ad_tensor *own = newest ? ad_tensor_copy(f->ctx, newest->tensor) : NULL;
    ad_status st = own ? AD_OK : ad_failed(f->ctx);
    while (n-- && st == AD_OK) st = ad_index_write(f->ctx, own, all[n]->plan, all[n]->was);
    ad_mem_put(f->ctx, all, bytes);
    if (st == AD_OK) {
        older *o = v->ptr;
        uint32_t entry = o->entry.node;
        o->entry.node = 0;
        forget(f->ctx, *v);
        *v = ad_wrap(own);
        v->node = entry;
    } else if (own) {
        ad_tensor_release(f->ctx, own);
    }
    return st;
}

ad_value *ad_tangent_slot(ad_forward *f, uint32_t node) {
    ad_value *v = any_slot(f, node);
    if (!v) return NULL;
    if (v->kind == KIND_OLDER) {
        ad_status st = restore(f, v);
        if (st != AD_OK) f->failed = st;
        return st == AD_OK ? v : NULL;
    }
    if (v->kind == KIND_REFUSED) {
        f->refusal = v->ptr;
        return NULL;
    }
    return v->head == AD_ABSENT_HEAD ? NULL : v;
}

/* Takes `v` over. */
static ad_status set_tangent(ad_forward *f, uint32_t node, ad_value v) {
    ad_page *p = ad_page_at(f->s, node);
    if (!p) {
        forget(f->ctx, v);
        return AD_OK;
    }
    if (!p->slots) {
        ad_value *slots = ad_mem_get(f->ctx, SEG_SIZE * sizeof *slots);
        if (!slots) {
            forget(f->ctx, v);
            return ad_failed(f->ctx);
        }
        for (uint32_t i = 0; i < SEG_SIZE; i++) slots[i].head = AD_ABSENT_HEAD;
        p->slots = slots;
    }
    ad_value *slot = (ad_value *)p->slots + (node & SEG_MASK);
    if (slot->head != AD_ABSENT_HEAD) forget(f->ctx, *slot);
    *slot = v;
    return AD_OK;
}

static void drop_tangents(ad_forward *f, ad_page *p) {
    ad_value *slots = p->slots;
    if (!slots) return;
    for (uint32_t i = 0; i < SEG_SIZE; i++)
        if (slots[i].head != AD_ABSENT_HEAD) forget(f->ctx, slots[i]);
    ad_mem_put(f->ctx, slots, SEG_SIZE * sizeof *slots);
    p->slots = NULL;
}

static ad_status add_to(ad_forward *f, uint32_t src, ad_value *sum, ad_value v) {
    ad_value in[2] = {*sum, v}, out;
    if (sum->head == AD_ABSENT_HEAD) {
        *sum = v;
        return AD_OK;
    }
    ad_status st = ad_apply(f->ctx, AD_OP_ADD, src, 2, in, NULL, &out);
    ad_release(f->ctx, *sum);
    ad_release(f->ctx, v);
    sum->head = AD_ABSENT_HEAD;
    if (st == AD_OK) *sum = out;
    return st;
}

/* ---- entries ------------------------------------------------------------------------------ */

static ad_status push_scalar(ad_forward *f, uint32_t node, const tape_entry *e) {
    ad_value sum = {.head = AD_ABSENT_HEAD};
    for (int k = 0; k < 2; k++) {
        const ad_value *t = ad_tangent_slot(f, k ? e->b : e->a);
        if (!t) continue;
        ad_value d;
        ad_status st = f->s->lines ? ad_lines_product(f->s, e, k, node, *t, &d)
                                   : ad_recorded_product(f->ctx, e, k, node, *t, f->s->both, &d);
        if (st == AD_OK) st = add_to(f, e->src, &sum, d);
        if (st != AD_OK) return st;
    }
    return sum.head == AD_ABSENT_HEAD ? AD_OK : set_tangent(f, node, sum);
}

/* A tangent of the result's shape and dtype. It may be smaller: what was stretched to that shape had none
 * (`c - mean(x, keep = true)` of a constant c). Takes `v` over. */
ad_status ad_fit_tangent(ad_forward *f, uint32_t src, ad_value v, const ad_type *type, ad_value *out) {
    if (v.kind == AD_TENSOR && type->rank &&
        !ad_dims_same(v.tensor->rank, v.tensor->dims, type->rank, type->dims)) {
        ad_arg args[AD_MAX_ARGS] = {{.given = true, .count = type->rank, .ints = type->dims}};
        ad_value wide;
        ad_status st = ad_apply(f->ctx, AD_OPID_expand, src, 1, &v, args, &wide);
        ad_release(f->ctx, v);
        if (st != AD_OK) return st;
        v = wide;
    }
    return ad_conform(f->ctx, src, v, type, out);
}

static ad_status fit(ad_forward *f, const tape_entry *e, int k, ad_value v, ad_value *out) {
    ad_type type;
    ad_payload_type(e->payload, e->payload->nin + k, &type);
    if (!f->s->lines) return ad_fit_tangent(f, e->src, v, &type, out);
    return ad_lines_conform(f->ctx, e->src, f->s->lines, v, v.flags & AD_LINES, &type, out);
}

static ad_status run_pushforward(ad_forward *f, const tape_entry *e, uint64_t given, const ad_value *in,
                                 ad_value *out) {
    ad_prog *ahead = ad_prog_pushforward(f->ctx, e->payload->prog, given, f->s->both);
    if (!ahead) return ad_failed(f->ctx);
    ad_status st = f->record ? ad_apply_prog(f->ctx, ahead, e->src, in, out)
                             : ad_prog_run(f->ctx, ahead, in, out);
    if (st != AD_OK) return st;
    out->flags = f->s->lines ? AD_LINES : 0;
    return fit(f, e, 0, *out, out);
}

/* The same from partials that are made once for many lines, where that is better. */
static ad_status push_given(ad_forward *f, const tape_entry *e, uint64_t given, const ad_value *in, int n,
                            ad_value *out) {
    const ad_payload *p = e->payload;
    ad_value own[AD_MAX_OPERANDS + 1], part[AD_MAX_OPERANDS], sum = {.head = AD_ABSENT_HEAD};
    ad_status st = AD_OK;
    memcpy(own, in, p->nin * sizeof *own);
    if (!f->s->lines || f->record ||
        !ad_lines_partials(f->ctx, e, given, own, in + p->nin, true, part, &st))
        return run_pushforward(f, e, given, in, out);
    if (st != AD_OK) return st;
    for (int i = 0; i < n; i++) {
        if (st == AD_OK) st = add_to(f, e->src, &sum, part[i]);
        else ad_release(f->ctx, part[i]);
    }
    if (st != AD_OK) return st;
    sum.flags = AD_LINES;
    return fit(f, e, 0, sum, out);
}

static ad_status push_prog(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    ad_value in[2 * AD_MAX_OPERANDS], out;
    uint64_t given = 0;
    int n = p->nin;
    ad_status st = AD_OK;
    for (int i = 0; i < p->nin && st == AD_OK; i++) {
        in[i] = ad_saved_value(e, i, f->record);
        const ad_value *t = ad_tangent_slot(f, p->in[i]);
        if (!t || !(ad_prog_dependence(p->prog) >> i & 1)) continue;
        given |= UINT64_C(1) << i;
        in[n] = *t;
        if (!f->s->lines || (st = ad_lines_operand(f->ctx, e, *t, &in[n])) == AD_OK) n++;
    }
    if (st == AD_OK && given) st = push_given(f, e, given, in, n - p->nin, &out);
    if (f->s->lines)
        while (n > p->nin) ad_release(f->ctx, in[--n]);
    return st == AD_OK && given ? set_tangent(f, node, out) : st;
}

/* Whoever asks for this tangent gets the error; if nobody does, there is none. */
static ad_status refuse(ad_forward *f, uint32_t node, const char *why) {
    ad_value v = {.head = KIND_REFUSED};
    v.ptr = (void *)(uintptr_t)why;
    return set_tangent(f, node, v);
}

ad_status ad_keep_tangents(ad_forward *f, uint32_t node, int n, const bool *given, ad_value *v) {
    if (n == 1) return given[0] ? set_tangent(f, node, v[0]) : AD_OK;
    parts *p = ad_mem_get(f->ctx, parts_bytes(n));
    for (int k = 0; k < n; k++) {
        if (p) p->v[k] = given[k] ? v[k] : (ad_value){.head = AD_ABSENT_HEAD};
        else if (given[k]) ad_release(f->ctx, v[k]);
    }
    if (!p) return ad_failed(f->ctx);
    p->n = n;
    p->refused = 0;
    ad_value together = {.head = AD_USER_KIND};
    together.ptr = p;
    return set_tangent(f, node, together);
}

static ad_status keep_refusals(ad_forward *f, uint32_t node, const ad_rule *r) {
    const ad_value *together = r->nout > 1 ? ad_tangent_slot(f, node) : NULL;
    if (!together) return refuse(f, node, r->refusal);
    parts *p = together->ptr;
    p->refused = r->refused;
    p->refusal = r->refusal;
    return AD_OK;
}

/* An OUT takes its part of its parent's. */
static ad_status push_part(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_value *together = ad_tangent_slot(f, e->a);
    const parts *p = together ? together->ptr : NULL;
    if (p && (p->refused >> e->b & 1)) return refuse(f, node, p->refusal);
    if (!p || p->v[e->b].head == AD_ABSENT_HEAD) return AD_OK;
    return set_tangent(f, node, ad_retain(f->ctx, p->v[e->b]));
}

/* A linear row, of one result, is applied to the tangents; operands without one count as 0. */
static void linear_rule(ad_rule *r) {
    size_t bytes = (size_t)r->n * sizeof(ad_value);
    ad_value *in = ad_mem_get(r->ctx, bytes);
    if (!in) {
        r->status = ad_failed(r->ctx);
        return;
    }
    for (int i = 0; i < r->n; i++) in[i] = r->need[i] ? r->tan[i] : ad_rule_zeros(r, &r->in_type[i]);
    ad_rule_give(r, 0, ad_rule_op(r, (ad_op)(r->row - ad_rows), r->n, in, r->args));
    ad_mem_put(r->ctx, in, bytes);
}

/* What stands still moves nothing, whatever the operands are. */
static bool all_zero(const ad_forward *f, const ad_rule *r) {
    if (f->record) return false;
    for (int i = 0; i < r->n; i++)
        if (r->need[i] && !ad_value_is_zero(r->tan[i])) return false;
    return true;
}

static void zero_results(ad_rule *r) {
    for (int k = 0; k < r->nout; k++) ad_rule_give(r, k, ad_rule_zeros(r, &r->out_type[k]));
}

static void row_rule(ad_rule *r) {
    if (r->row->jvp) r->row->jvp(r);
    else linear_rule(r);
}

/* The tangents of infinite elements by themselves: a rule is linear in its tangents. */
static void split_rule(ad_rule *r) {
    size_t n = (size_t)r->n, bytes = n * (2 * sizeof(ad_value) + sizeof(bool));
    const ad_value *all = r->tan;
    const bool *need = r->need;
    ad_value *rest = ad_mem_get(r->ctx, bytes), *wild = rest + n;
    if (!rest) {
        r->status = ad_failed(r->ctx);
        return;
    }
    bool any = false, *is_wild = (bool *)(wild + n);
    for (size_t i = 0; i < n; i++) {
        rest[i] = wild[i] = all[i];
        is_wild[i] = need[i] && !ad_is_finite(r->in[i]);
        if (!is_wild[i]) continue;
        any = true;
        ad_value finite = ad_rule_op1(r, AD_OPID_isfinite, r->in[i]), zero = ad_number(0);
        rest[i] = ad_rule_op(r, AD_OP_WHERE, 3, (const ad_value[]){finite, all[i], zero}, NULL);
        wild[i] = ad_rule_op(r, AD_OP_WHERE, 3, (const ad_value[]){finite, zero, all[i]}, NULL);
    }
    r->tan = rest;
    row_rule(r);
    if (any) {
        r->tan = wild;
        r->need = is_wild;
        r->both = true;
        row_rule(r);
        r->both = false;
    }
    r->tan = all;
    r->need = need;
    ad_mem_put(r->ctx, rest, bytes);
}

static void run_rule(const ad_forward *f, ad_rule *r) {
    void (*rule)(ad_rule *) = f->s->both ? split_rule : row_rule;
    if (all_zero(f, r)) zero_results(r);
    else if (f->s->lines) ad_lines_rule(r, f->s->lines, rule, r->n, &r->tan, r->need, r->nout);
    else rule(r);
}

/* Its tangents in the types of its results: shares and counts are in double precision. */
static ad_status fit_results(ad_forward *f, const tape_entry *e, ad_rule *r, ad_status st) {
    for (int k = 0; k < r->nout; k++) {
        if (!r->given[k]) continue;
        ad_value v = r->dout[k];
        if (st == AD_OK) st = fit(f, e, k, v, &v);
        else ad_release(f->ctx, v);
        r->dout[k] = v;
        if (st != AD_OK) r->given[k] = false;
    }
    return st;
}

static ad_status push_row(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_payload *p = e->payload;
    ad_frame frame;
    ad_status st = ad_frame_open(f->ctx, node, f->record, &frame);
    if (st != AD_OK) return st;
    ad_rule *r = &frame.rule;
    size_t bytes = (size_t)p->nin * sizeof(ad_value);
    ad_value *tan = ad_mem_get(f->ctx, bytes);
    if (!tan) r->status = ad_failed(f->ctx);
    for (int i = 0; tan && i < p->nin; i++) {
        const ad_value *t = ad_tangent_slot(f, p->in[i]);
        frame.need[i] = t != NULL;
        tan[i] = t ? *t : ad_number(0);
    }
    r->tan = tan;
    r->dout = r->grad = frame.result + p->nin;
    frame.given += p->nin;
    r->given = frame.given;
    if (r->row->info.flags & AD_ROW_NODIFF || !(r->row->vjp || r->row->info.flags & AD_ROW_ZERO))
        ad_fail_nodiff(r, e->src);
    else if (r->status == AD_OK && r->row->vjp) run_rule(f, r);
    st = fit_results(f, e, r, ad_frame_finish(&frame));
    if (st == AD_OK) st = ad_keep_tangents(f, node, p->nout, r->given, r->dout);
    if (st == AD_OK && r->refused) st = keep_refusals(f, node, r);
    if (tan) ad_mem_put(f->ctx, tan, bytes);
    ad_frame_close(&frame);
    return st;
}

static ad_value each_line(ad_value v) {
    v.flags = AD_LINES;
    return v;
}

static void tangent_type(const ad_forward *f, const ad_payload *p, int i, ad_type *out) {
    ad_payload_type(p, i, out);
    if (f->s->lines) *out = ad_lines_type(f->s->lines, out);
}

/* A small part of a tensor by itself: a view would keep the whole from being written in place. */
static ad_status without_base(ad_forward *f, ad_value *v) {
    const ad_tensor *t = v->kind == AD_TENSOR ? v->tensor : NULL;
    if (!t || !t->base || 4 * t->size > t->base->size) return AD_OK;
    ad_tensor *own = ad_tensor_copy(f->ctx, t);
    if (own) ad_tensor_release(f->ctx, v->tensor);
    else ad_release(f->ctx, *v);
    if (!own) return ad_failed(f->ctx);
    v->tensor = own;
    return AD_OK;
}

static ad_status push_index(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_value *t = ad_tangent_slot(f, e->payload->in[0]);
    ad_index_plan *plan;
    ad_value v;
    if (!t) return AD_OK;
    ad_status st = ad_lines_plan(f->ctx, e->payload, f->s->lines, &plan);
    if (st == AD_OK) st = ad_index_read_plan(f->ctx, *t, plan, e->src, &v);
    if (st == AD_OK) st = without_base(f, &v);
    if (st == AD_OK && f->s->lines) st = fit(f, e, 0, each_line(v), &v);
    return st == AD_OK ? set_tangent(f, node, v) : st;
}

/* What is written, in the shape of the places. */
static ad_status written(ad_forward *f, const tape_entry *e, const ad_value *v, ad_value *out) {
    ad_type places;
    *out = v ? ad_retain(f->ctx, *v) : ad_number(0);
    if (!v || !f->s->lines) return AD_OK;
    ad_index_plan_type(e->payload->plan, &places);
    return ad_lines_conform(f->ctx, e->src, f->s->lines, *out, true, &places, out);
}

/* `*x` gives its array to the next version, and remembers what is written over. */
static ad_status give_away(ad_forward *f, ad_value *x, const ad_index_plan *plan, uint32_t node,
                           ad_value *y) {
    older *o = ad_mem_get(f->ctx, sizeof *o);
    if (!o) return ad_failed(f->ctx);
    o->newer = node;
    o->entry = ad_number(0);
    ad_status st = ad_index_plan_copy(f->ctx, plan, &o->plan);
    if (st == AD_OK) {
        st = ad_index_read(f->ctx, x->tensor, plan, &o->was);
        if (st != AD_OK) ad_index_plan_free(f->ctx, o->plan);
    }
    if (st == AD_OK && o->was.kind == AD_TENSOR && o->was.tensor->base) {
        ad_tensor *own = ad_tensor_copy(f->ctx, o->was.tensor);
        ad_release(f->ctx, o->was);
        if (!own) ad_index_plan_free(f->ctx, o->plan);
        if (!own) st = ad_failed(f->ctx);
        else o->was = ad_wrap(own);
    }
    if (st != AD_OK) {
        ad_mem_put(f->ctx, o, sizeof *o);
        return st;
    }
    *y = *x;
    o->entry.node = x->node;
    o->entry = ad_retain(f->ctx, o->entry);
    *x = (ad_value){.head = KIND_OLDER};
    x->ptr = o;
    return AD_OK;
}

/* The tangent to write into: the one that was written before, or a copy of it if it is shared. */
static ad_status next_version(ad_forward *f, const tape_entry *e, uint32_t node, const ad_index_plan *plan,
                              ad_value *x, ad_value *y) {
    ad_type type;
    if (!x) {
        tangent_type(f, e->payload, 0, &type);
        return ad_zeros_of(f->ctx, &type, y);
    }
    if (ad_tensor_unshared(x->tensor) && ad_page_at(f->s, node))
        return give_away(f, x, plan, node, y);
    *y = ad_retain(f->ctx, *x);
    return AD_OK;
}

static ad_status push_put(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_value *v = ad_tangent_slot(f, e->payload->in[1]);
    ad_value *x = ad_tangent_slot(f, e->payload->in[0]), y, part;
    ad_index_plan *plan;
    if (!x && !v) return AD_OK;
    ad_status st = written(f, e, v, &part);
    if (st != AD_OK) return st;
    st = ad_lines_plan(f->ctx, e->payload, f->s->lines, &plan);
    if (st == AD_OK && (st = next_version(f, e, node, plan, x, &y)) != AD_OK)
        ad_index_plan_free(f->ctx, plan);
    if (st == AD_OK && (st = ad_index_write_plan(f->ctx, &y, plan, part, e->src)) != AD_OK)
        ad_release(f->ctx, y);
    ad_release(f->ctx, part);
    return st == AD_OK ? set_tangent(f, node, y) : st;
}

static ad_status push_spread(ad_forward *f, uint32_t node, const tape_entry *e) {
    const ad_value *t = ad_tangent_slot(f, e->payload->in[0]);
    ad_type type;
    ad_value v;
    if (!t) return AD_OK;
    tangent_type(f, e->payload, 1, &type);
    ad_index_plan *plan;
    ad_status st = ad_lines_plan(f->ctx, e->payload, f->s->lines, &plan);
    if (st != AD_OK) return st;
    st = ad_index_spread(f->ctx, &type, plan, *t, e->src, &v);
    ad_index_plan_free(f->ctx, plan);
    return st == AD_OK ? set_tangent(f, node, v) : st;
}

/* ---- looking for what is not finite --------------------------------------------------------- */

static const ad_value *tangent_to_watch(void *user, uint32_t node) { return ad_tangent_slot(user, node); }

static void watch(ad_forward *f, int ny, const uint32_t *y) {
    if (f->s->watched && !f->ctx->watch->op) ad_watch_tangents(f->s, ny, y, tangent_to_watch, f);
}

/* ---- the walk ----------------------------------------------------------------------------- */

static ad_status push_entry(ad_forward *f, uint32_t node);

static ad_status push_segment(ad_forward *f, const ad_segment *seg, const ad_page *p, uint32_t from,
                              uint32_t end) {
    ad_status st = ad_poll(f->ctx);
    for (uint32_t i = from; i < end && st == AD_OK; i++) {
        if (ad_bit(p->need, i) && !ad_bit(p->wrt, i)) st = push_entry(f, ad_node_of(seg, i));
        if (st == AD_OK) st = f->failed;
        if (st == AD_OK && f->refusal)
            st = ad_fail(f->ctx, AD_ERR_DEGENERATE, -1, "%s", f->refusal);
    }
    return st;
}

/* What was recorded since the mark, up to now: pushing may record more. */
static ad_status push_stretch(ad_forward *f, ad_mark mark) {
    ad_mark end = ad_tape_mark(f->ctx);
    ad_status st = ad_sweep_stretch(f->s, mark);
    for (ad_segment *g = ad_first_since(f->ctx->tape, mark); g && st == AD_OK; g = g->next) {
        if (g->seq > end.sequence) break;
        st = push_segment(f, g, f->s->table[g->id], g->seq == mark.sequence ? mark.node : 0,
                          g->seq == end.sequence ? end.node : g->used);
    }
    return st;
}

/* What unrolled results have for tangents is looked at while they are there. */
static void watch_results(ad_forward *f, uint32_t node, int n, const ad_value *out, ad_status st) {
    ad_blame inside, *outer = ad_watch_inside(f->s, &inside);
    for (int k = 0; k < n && f->s->watched && st == AD_OK; k++) watch(f, 1, &out[k].node);
    ad_watch_keep(f->s, node, &inside, outer);
}

/* A derivative on the way: unrolled, and the tangents pushed through what that recorded. */
static ad_status push_gradient(ad_forward *f, uint32_t node, const tape_entry *e) {
    ad_ctx *ctx = f->ctx;
    ad_mark mark = ad_tape_mark(ctx);
    int n = e->payload->nout;
    size_t bytes = (size_t)n * (2 * sizeof(ad_value) + sizeof(bool));
    ad_value *out = ad_mem_get(ctx, bytes), *tan = out + n;
    if (!out) return ad_failed(ctx);
    bool *given = (bool *)(tan + n);
    ad_status st = ad_unroll(ctx, e, out);
    if (st != AD_OK) {
        ad_mem_put(ctx, out, bytes);
        return st;
    }
    st = push_stretch(f, mark);
    watch_results(f, node, n, out, st);
    for (int k = 0; k < n; k++) {
        const ad_value *t = out[k].node ? ad_tangent_slot(f, out[k].node) : NULL;
        given[k] = t != NULL;
        if (t) tan[k] = ad_retain(ctx, *t);
        ad_release(ctx, out[k]);
    }
    if (st == AD_OK) st = ad_keep_tangents(f, node, n, given, tan);
    else
        for (int k = 0; k < n; k++)
            if (given[k]) ad_release(ctx, tan[k]);
    ad_mem_put(ctx, out, bytes);
    return st;
}

static ad_status push_entry(ad_forward *f, uint32_t node) {
    const tape_entry *e = ad_at(f->ctx->tape, node);
    if (e->op == E_CUT) return AD_OK;
    if (e->op == E_OUT) return push_part(f, node, e);
    if (e->op == E_LEAF) {
        const ad_value *t = ad_tangent_slot(f, e->a);
        return t ? set_tangent(f, node, ad_retain(f->ctx, *t)) : AD_OK;
    }
    if (!(e->flags & F_PAYLOAD)) return push_scalar(f, node, e);
    switch (e->op) {
    case E_INDEX: return push_index(f, node, e);
    case E_PUT: return push_put(f, node, e);
    case E_SPREAD: return push_spread(f, node, e);
    case E_GRAD:
    case E_JVP: return push_gradient(f, node, e);
    case E_CUSTOM: return ad_push_custom(f, node, e);
    default: return e->payload->prog ? push_prog(f, node, e) : push_row(f, node, e);
    }
}

static ad_status set_seeds(ad_forward *f, const ad_value *tangent) {
    for (int i = 0; i < f->s->nwrt; i++) {
        if (!f->s->wrt[i]) continue;
        ad_value v = f->record ? ad_retain(f->ctx, tangent[i]) : ad_stop(f->ctx, tangent[i]);
        ad_status st = set_tangent(f, f->s->wrt[i], v);
        if (st != AD_OK) return st;
    }
    return AD_OK;
}

static ad_status sweep_forward(ad_sweep *s, const ad_value *tangent, int ny, const uint32_t *y,
                               ad_value *out) {
    ad_forward f = {.s = s, .ctx = s->ctx, .record = s->record};
    const ad_tape *t = s->ctx->tape;
    ad_mark mark = ad_tape_mark(s->ctx);
    bool was = ad_set_recording(s->ctx, s->record);
    ad_status st = set_seeds(&f, tangent);
    for (uint32_t i = s->order_count; i-- > 0 && st == AD_OK;) {
        ad_page *p = s->order[i];
        const ad_segment *seg = (ad_segment *)t->table[p->segment];
        st = push_segment(&f, seg, p, 0, seg->used);
    }
    for (int i = 0; i < ny; i++) {
        const ad_value *v = st == AD_OK ? ad_tangent_slot(&f, y[i]) : NULL;
        out[i].head = AD_ABSENT_HEAD;
        if (st == AD_OK) st = f.failed;
        if (st == AD_OK && f.refusal) st = ad_fail(s->ctx, AD_ERR_DEGENERATE, -1, "%s", f.refusal);
        if (v && st == AD_OK) out[i] = ad_retain(s->ctx, *v);
    }
    if (st == AD_OK) watch(&f, ny, y);
    ad_watch_forget(s);
    for (uint32_t id = 0; id < s->table_room; id++)
        if (s->table[id]) drop_tangents(&f, s->table[id]);
    ad_sweep_forget(s, mark);
    ad_set_recording(s->ctx, was);
    return st;
}

ad_status ad_sweep_forward(ad_sweep *s, const ad_value *tangent, int ny, const uint32_t *y,
                           ad_value *out) {
    ad_status st = sweep_forward(s, tangent, ny, y, out);
    if (st != AD_OK || s->record || s->both || ad_are_finite(ny, out)) return st;
    for (int i = 0; i < ny; i++)
        if (out[i].head != AD_ABSENT_HEAD) ad_release(s->ctx, out[i]);
    s->both = true;
    return sweep_forward(s, tangent, ny, y, out);
}
