/* SPDX-License-Identifier: MIT */
/* payload.c - what a tensor entry keeps beside its 24 bytes: operands, saved storage, types of what is
 * not saved, copies of attributes; one block from the pools.
 *
 * Saved values are storage without a hold on their entries: a payload that held tracked values would
 * keep alive what it came from, and that would keep it. */
#include "tape.h"

#include <string.h>

static int rank_of(ad_value v) { return v.kind == AD_TENSOR ? v.tensor->rank : 0; }

/* Is value i, an operand or a result, kept? Numbers always are: they cost nothing. */
static inline bool keeps_value(unsigned save, int i, int nin, ad_value v) {
    if (v.kind != AD_TENSOR) return true;
    if (i >= nin) return save & SAVE_OUT;
    return save >> (i < 28 ? i : 28) & 1;
}

static size_t args_size(const ad_arg *args) {
    if (!args) return 0;
    size_t bytes = AD_MAX_ARGS * sizeof *args;
    for (int i = 0; i < AD_MAX_ARGS; i++) {
        if (args[i].ints) bytes += (size_t)args[i].count * sizeof(int64_t);
        if (args[i].text) bytes += (strlen(args[i].text) + 8) & ~(size_t)7;
    }
    return bytes;
}

static char *copy_args(ad_payload *p, char *room, const ad_arg *args) {
    p->args = (ad_arg *)(void *)room;
    memcpy(p->args, args, AD_MAX_ARGS * sizeof *args);
    room += AD_MAX_ARGS * sizeof *args;
    for (int i = 0; i < AD_MAX_ARGS; i++) {
        if (args[i].ints) {
            size_t bytes = (size_t)args[i].count * sizeof(int64_t);
            p->args[i].ints = memcpy(room, args[i].ints, bytes);
            room += bytes;
        }
        if (args[i].text) {
            size_t bytes = strlen(args[i].text) + 1;
            p->args[i].text = memcpy(room, args[i].text, bytes);
            room += (bytes + 7) & ~(size_t)7;
        }
    }
    return room;
}

/* A packed type: dtype, rank and asked in one word, then the sizes. */
static char *pack_type(char *room, const ad_tensor *t) {
    int64_t *w = (int64_t *)(void *)room;
    w[0] = t->dtype | t->rank << 8 | (int64_t)t->asked << 16;
    for (int i = 0; i < t->rank; i++) w[1 + i] = t->dims[i];
    return room + (1 + t->rank) * sizeof *w;
}

/* Value i into its place; what is not kept leaves its type in `room`. Returns the room behind. */
static inline char *keep(ad_payload *p, int i, ad_value v, bool kept, char *room) {
    if (AD_LIKELY(kept)) {
        if (v.kind == AD_TENSOR) {
            v.tensor->refs++;
            p->weight += (size_t)ad_span(v.tensor, v.tensor->size);
        }
        v.node = 0;
        p->saved[i] = v;
        return room;
    }
    p->saved[i] = (ad_value){.head = KIND_ABSENT, .ptr = room};
    return pack_type(room, v.tensor);
}

static AD_INLINE size_t types_size(int nin, const ad_value *in, int nout, const ad_value *out,
                                  unsigned save) {
    size_t words = 0;
    for (int i = 0; i < nin; i++)
        if (!keeps_value(save, i, nin, in[i])) words += 1 + (size_t)rank_of(in[i]);
    for (int i = 0; i < nout; i++)
        if (!keeps_value(save, nin + i, nin, out[i])) words += 1 + (size_t)rank_of(out[i]);
    return words * sizeof(int64_t);
}

static AD_INLINE bool keep_operands(ad_ctx *ctx, ad_payload *p, int nin, const ad_value *in, unsigned save,
                                    char **room) {
    bool ok = true;
    for (int i = 0; i < nin; i++) {
        p->in[i] = in[i].node ? ad_operand(ctx, in[i]) : 0;
        ok = ok && (p->in[i] || !in[i].node);
        *room = keep(p, i, in[i], keeps_value(save, i, nin, in[i]), *room);
    }
    return ok;
}

static AD_INLINE ad_payload *payload(ad_ctx *ctx, int nin, const ad_value *in, int nout,
                                     const ad_value *out, unsigned save, const ad_arg *args) {
    size_t nodes = ((size_t)nin * sizeof(uint32_t) + 7) & ~(size_t)7;
    size_t values = (size_t)(nin + nout) * sizeof(ad_value);
    size_t bytes = sizeof(ad_payload) + values + nodes + args_size(args) +
                   types_size(nin, in, nout, out, save);
    ad_payload *p = ad_mem_get(ctx, bytes);
    if (!p) return NULL;
    *p = (ad_payload){
        .bytes = (uint32_t)bytes, .nin = (uint16_t)nin, .nout = (uint16_t)nout, .weight = bytes};
    char *room = (char *)(p + 1);
    p->saved = (ad_value *)(void *)room;
    room += values;
    p->in = (uint32_t *)(void *)room;
    room += nodes;
    if (args) room = copy_args(p, room, args);
    bool ok = keep_operands(ctx, p, nin, in, save, &room);
    for (int i = 0; i < nout; i++)
        room = keep(p, nin + i, out[i], keeps_value(save, nin + i, nin, out[i]), room);
    if (ok) return p;
    ad_payload_free(ctx, p);
    return NULL;
}

/* The commonest sizes are known where the loops are compiled. */
ad_payload *ad_payload_new(ad_ctx *ctx, int nin, const ad_value *in, int nout, const ad_value *out,
                           unsigned save, const ad_arg *args) {
    if (nout == 1 && !args && nin == 2) return payload(ctx, 2, in, 1, out, save, NULL);
    if (nout == 1 && !args && nin == 1) return payload(ctx, 1, in, 1, out, save, NULL);
    return payload(ctx, nin, in, nout, out, save, args);
}

void ad_payload_free(ad_ctx *ctx, ad_payload *p) {
    for (int i = 0; i < p->nin + p->nout; i++)
        if (p->saved[i].kind == AD_TENSOR) ad_tensor_release(ctx, p->saved[i].tensor);
    if (p->prog) ad_prog_release(ctx, p->prog);
    if (p->plan) ad_index_plan_free(ctx, p->plan);
    if (p->callback && p->callback->free) p->callback->free(ctx, p->user);
    ad_mem_put(ctx, p, p->bytes);
}

void ad_payload_type(const ad_payload *p, int i, ad_type *out) {
    ad_value v = p->saved[i];
    if (v.kind == AD_TENSOR) {
        out->dtype = v.tensor->dtype;
        out->rank = v.tensor->rank;
        out->asked = v.tensor->asked;
        memcpy(out->dims, v.tensor->dims, v.tensor->rank * sizeof(int64_t));
    } else if (v.kind == KIND_ABSENT) {
        const int64_t *w = v.ptr;
        out->dtype = (uint8_t)w[0];
        out->rank = (uint8_t)(w[0] >> 8);
        out->asked = (uint16_t)(w[0] >> 16);
        memcpy(out->dims, w + 1, out->rank * sizeof(int64_t));
    } else {
        out->dtype = v.kind == AD_BOOL ? AD_BOOL8 : AD_F64;
        out->rank = 0;
        out->asked = 0;
    }
}

ad_status ad_push_out(ad_ctx *ctx, uint32_t parent, int k, uint32_t src, ad_value *out) {
    uint32_t node;
    tape_entry *e = ad_push(ctx, &node);
    if (!e) return ad_failed(ctx);
    bool tensor = out->kind == AD_TENSOR;
    *e = (tape_entry){.num = tensor ? 0 : out->num,
                    .a = parent,
                    .b = (uint32_t)k,
                    .src = src,
                    .op = E_OUT,
                    .flags = tensor ? F_TENSOR : 0,
                    .held = 1};
    out->node = node;
    return AD_OK;
}

ad_status ad_record(ad_ctx *ctx, unsigned op, uint32_t src, ad_payload *p, int nout, ad_value *out) {
    if (!p) return ad_failed(ctx);
    uint32_t node;
    tape_entry *e = ad_push(ctx, &node);
    if (!e) {
        ad_payload_free(ctx, p);
        return ad_failed(ctx);
    }
    ctx->tape->bytes_since += p->weight;
    *e = (tape_entry){.payload = p, .src = src, .op = (uint8_t)op, .flags = F_PAYLOAD};
    if (nout == 1) {
        if (out->kind == AD_TENSOR) e->flags |= F_TENSOR;
        e->held = 1;
        out->node = node;
        return AD_OK;
    }
    for (int k = 0; k < nout; k++) {
        if (ad_push_out(ctx, node, k, src, &out[k]) == AD_OK) continue;
        while (k--) {
            ad_unhold(ctx, out[k].node);
            out[k].node = 0;
        }
        return ad_failed(ctx);
    }
    return AD_OK;
}
