/* SPDX-License-Identifier: MIT */
/* blame_forward.c - where the first tangent that is not finite came from: when a forward sweep has come to
 * its end, down from the bad one, always to an operand whose tangent is bad and matters, past what `where` did
 * not choose. What a derivative or a callback on the way did inside itself was looked at in its turn, and is
 * kept in a note. */
#include "blame.h"
#include "sweep.h"

#include <math.h>
#include <string.h>

struct ad_note {
    ad_note *next;
    uint32_t node;
    ad_blame found;
};

void ad_watch_forget(ad_sweep *s) {
    for (ad_note *n; (n = s->notes);) {
        s->notes = n->next;
        ad_mem_put(s->ctx, n, sizeof *n);
    }
}

ad_blame *ad_watch_inside(ad_sweep *s, ad_blame *inside) {
    ad_blame *outer = s->ctx->watch;
    *inside = (ad_blame){0};
    if (s->watched) s->ctx->watch = inside;
    return outer;
}

void ad_watch_keep(ad_sweep *s, uint32_t node, const ad_blame *inside, ad_blame *outer) {
    s->ctx->watch = outer;
    if (!s->watched || !inside->op) return;
    ad_note *n = ad_mem_get(s->ctx, sizeof *n);
    if (!n) return;
    *n = (ad_note){s->notes, node, *inside};
    s->notes = n;
}

typedef struct walk {
    ad_sweep *s;
    ad_tangent_function tangent;
    void *user;
    ad_blame *out;
} walk;

static bool is_bad(const walk *w, uint32_t node) {
    const ad_value *v = ad_needed(w->s, node) ? w->tangent(w->user, node) : NULL;
    return v && !ad_is_finite(*v);
}

static uint32_t first_bad_operand(const walk *w, const tape_entry *e) {
    const uint32_t *in;
    uint32_t pair[2];
    int n = ad_operands(e, &in, pair);
    for (int i = 0; i < n; i++)
        if (is_bad(w, in[i])) return in[i];
    return 0;
}

static void blame_entry(const walk *w, uint32_t node, const tape_entry *e) {
    const ad_value *v = w->tangent(w->user, node);
    int64_t index[AD_MAX_RANK];
    *w->out = (ad_blame){.node = node, .src = e->src, .op = ad_entry_name(e), .operand = -1, .value = NAN,
                         .backward = true};
    if (v && v->kind == AD_NUMBER) w->out->value = v->num;
    if (v && v->kind == AD_TENSOR && ad_first_bad(v->tensor, index))
        w->out->value = ad_element_of(*v, v->tensor->rank, index);
}

static uint32_t down_number(const walk *w, uint32_t node, const tape_entry *e) {
    const ad_tape *t = w->s->ctx->tape;
    if (e->op == AD_OP_WHERE) return e->flags & F_OLD ? e->b : e->a;
    uint32_t next = first_bad_operand(w, e);
    if (next) return next;
    blame_entry(w, node, e);
    w->out->operands = e->b ? 2 : 1;
    if (e->a) w->out->operand_value[0] = ad_entry_number(ad_at(t, e->a));
    if (e->b) w->out->operand_value[1] = ad_entry_number(ad_at(t, e->b));
    return 0;
}

/* At the element that is bad: an operand that moves it, with a bad tangent there, or the instruction whose
 * partial is bad. */
static uint32_t down_element(const walk *w, const tape_entry *e, const ad_value *in, int rank,
                             const int64_t *index) {
    const ad_payload *p = e->payload;
    for (int i = 0; i < p->nin; i++) {
        const ad_value *t = ad_needed(w->s, p->in[i]) ? w->tangent(w->user, p->in[i]) : NULL;
        double x = t ? ad_element_of(*t, rank, index) : 0;
        if (x == 0) continue;
        double d = ad_prog_blame_adjoint(w->s->ctx, p->prog, in, rank, index, i, w->out);
        if (d != 0 && !isfinite(x)) return p->in[i];
        if (!isfinite(d)) return 0;
    }
    return 0;
}

static uint32_t down_block(const walk *w, uint32_t node, const tape_entry *e) {
    const ad_value *v = w->tangent(w->user, node);
    ad_value in[AD_MAX_OPERANDS];
    int64_t index[AD_MAX_RANK] = {0};
    int rank = v && v->kind == AD_TENSOR ? v->tensor->rank : 0;
    if (rank) ad_first_bad(v->tensor, index);
    blame_entry(w, node, e);
    bool known = ad_recall_operands(w->s->ctx, node, in);
    uint32_t next = known ? down_element(w, e, in, rank, index) : first_bad_operand(w, e);
    for (int i = 0; i < e->payload->nin; i++) ad_release(w->s->ctx, in[i]);
    return next;
}

/* Versions of a tensor that was written into: what was written, else what was there before. */
static uint32_t down_written(const walk *w, const tape_entry *e) {
    const ad_payload *p = e->payload;
    return is_bad(w, p->in[1]) ? p->in[1] : p->in[0];
}

static const ad_note *note_of(const ad_sweep *s, uint32_t node) {
    const ad_note *n = s->notes;
    while (n && n->node != node) n = n->next;
    return n;
}

static uint32_t down(const walk *w, uint32_t node) {
    const tape_entry *e = ad_at(w->s->ctx->tape, node);
    if (!ad_needed(w->s, node)) return 0;
    if (e->op == E_LEAF || e->op == E_OUT) return e->a;
    if (!(e->flags & F_PAYLOAD)) return down_number(w, node, e);
    if (e->op == E_PUT) return down_written(w, e);
    const ad_note *note = note_of(w->s, node);
    if (note) {
        *w->out = note->found;
        return 0;
    }
    if (e->payload->prog) return down_block(w, node, e);
    uint32_t next = first_bad_operand(w, e);
    if (!next) blame_entry(w, node, e);
    return next;
}

void ad_watch_tangents(ad_sweep *s, int ny, const uint32_t *y, ad_tangent_function tangent, void *user) {
    walk w = {s, tangent, user, s->ctx->watch};
    uint32_t node = 0;
    for (int i = 0; i < ny && !node; i++)
        if (y[i] && is_bad(&w, y[i])) node = y[i];
    while (node) {
        *w.out = (ad_blame){0};
        node = down(&w, node);
    }
}
