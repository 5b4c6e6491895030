/* SPDX-License-Identifier: MIT */
/*
 * Instructions that put values together from registers: closures, ranges, tuples and tensors, records,
 * texts. What they take is moved out of the registers.
 */
#include "format.h"
#include "vm_step.h"

#include <string.h>

bool gr_step_closure(gr_vm *vm, const gr_frame *f, uint32_t index, gr_value *to) {
    gr_proto *p = f->proto->children[index];
    gr_closure *c = gr_closure_new(vm, p, p->capture_count);
    if (!c) return false;
    for (uint32_t i = 0; i < p->capture_count; i++) {
        const gr_capture *k = &p->captures[i];
        gr_value v = k->self ? gr_of_kind(GR_FUNCTION, f->closure)
                             : k->held ? f->closure->held[k->index] : f->base[k->index];
        c->held[i] = gr_retain(vm, v);
    }
    gr_replace(vm, to, gr_of_kind(GR_FUNCTION, c));
    return true;
}

bool gr_step_prepare_for(gr_vm *vm, gr_value *r) {
    for (int i = 0; i < 3; i++) {
        if (r[i].kind != AD_NUMBER) {
            gr_raise(vm, GR_E_wrong_kind, "the bounds of a range are numbers; this is a %s",
                     gr_kind_name(r[i]));
            return false;
        }
        gr_replace(vm, &r[i], ad_number(r[i].num)); /* counters are not tracked */
    }
    if (r[2].num == 0) {
        gr_raise(vm, GR_E_wrong_value, "the step of a range cannot be 0");
        return false;
    }
    return gr_check_whole_range(vm, r[0].num, r[1].num, r[2].num);
}

bool gr_step_range(gr_vm *vm, gr_value *r, gr_value *to) {
    for (int i = 0; i < 3; i++)
        if (r[i].kind != AD_NUMBER) {
            gr_raise(vm, GR_E_wrong_kind, "the bounds of a range are numbers; this is a %s",
                     gr_kind_name(r[i]));
            return false;
        }
    if (r[2].num == 0) {
        gr_raise(vm, GR_E_wrong_value, "the step of a range cannot be 0");
        return false;
    }
    gr_value range = gr_range_new(vm, r[0].num, r[1].num, r[2].num);
    for (int i = 0; i < 3; i++) gr_let_go(vm, &r[i]);
    if (gr_failed(range)) return false;
    gr_replace(vm, to, range);
    return true;
}

static void move_out(gr_value *from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) from[i].head = 0;
}

bool gr_step_list(gr_vm *vm, const gr_frame *f, bool tensor, gr_value *first, uint32_t count,
                  gr_value *to) {
    gr_value out;
    if (tensor) {
        if (!gr_make_tensor(vm, gr_frame_src(f), count, first, &out)) return false;
        for (uint32_t i = 0; i < count; i++) gr_let_go(vm, &first[i]);
    } else {
        out = gr_tuple_of(vm, count, first);
        move_out(first, count);
        if (gr_failed(out)) return false;
    }
    gr_replace(vm, to, out);
    return true;
}

bool gr_step_record(gr_vm *vm, const gr_descriptor *d, gr_value *first, gr_value *to) {
    gr_value out = gr_record_of(vm, d->layout, first);
    move_out(first, d->count);
    if (gr_failed(out)) return false;
    gr_replace(vm, to, out);
    return true;
}

bool gr_step_list_add(gr_vm *vm, gr_value *list, gr_value *v) {
    *list = gr_tuple_push(vm, gr_take(list), gr_take(v));
    if (!gr_failed(*list)) return true;
    list->head = 0;
    return false;
}

/* ...xs in a list: a tuple, a tensor's first axis, a range. */
bool gr_step_list_join(gr_vm *vm, const gr_frame *f, gr_value *list, gr_value *v) {
    if (v->kind == GR_TUPLE) {
        *list = gr_tuple_join(vm, gr_take(list), *v);
        gr_let_go(vm, v);
        if (!gr_failed(*list)) return true;
        list->head = 0;
        return false;
    }
    gr_value state[2], item = ad_number(0);
    state[0] = *v;
    if (!gr_iteration_begin(vm, *v, &state[1])) return false;
    int more;
    while ((more = gr_iteration_next(vm, state, &item, gr_frame_src(f))) == 1)
        if (!gr_step_list_add(vm, list, &item)) return false;
    gr_let_go(vm, v);
    return more == 0;
}

bool gr_step_list_tensor(gr_vm *vm, const gr_frame *f, gr_value *list) {
    gr_value out;
    const gr_tuple *t = gr_as_tuple(*list);
    if (!gr_make_tensor(vm, gr_frame_src(f), t->count, t->items, &out)) return false;
    gr_replace(vm, list, out);
    return true;
}

bool gr_step_record_spread(gr_vm *vm, gr_value *to, gr_value *v) {
    if (v->kind != GR_RECORD) {
        gr_raise(vm, GR_E_wrong_kind, "`...` in a record takes a record; this is a %s",
                 gr_kind_name(*v));
        return false;
    }
    if (gr_record_count(*to) == 0) {
        gr_replace(vm, to, gr_take(v));
        return true;
    }
    for (uint32_t i = 0; i < gr_record_count(*v); i++)
        if (!gr_record_set(vm, to, gr_record_key(*v, i), gr_retain(vm, gr_record_value(*v, i))))
            return false;
    gr_let_go(vm, v);
    return true;
}

bool gr_step_format(gr_vm *vm, gr_value v, gr_value format, gr_value *to) {
    if (v.kind == GR_STRING && format.kind != GR_STRING) {
        gr_replace(vm, to, gr_retain(vm, v));
        return true;
    }
    gr_buffer text;
    char spec[64] = "";
    gr_buffer_init(&text, vm->ctx);
    if (format.kind == GR_STRING && gr_as_string(format)->length < sizeof spec)
        memcpy(spec, gr_as_string(format)->bytes, gr_as_string(format)->length);
    bool ok = gr_format_value(vm, &text, v, format.kind == GR_STRING ? spec : NULL);
    gr_value out = ok ? gr_string_new(vm, text.text ? text.text : "", text.size) : gr_absent();
    gr_buffer_free(&text);
    if (gr_failed(out)) return false;
    gr_replace(vm, to, out);
    return true;
}

bool gr_step_concat(gr_vm *vm, gr_value *parts, uint32_t count, gr_value *to) {
    size_t length = 0;
    char *at;
    for (uint32_t i = 0; i < count; i++) length += gr_as_string(parts[i])->length;
    gr_value out = gr_string_room(vm, length, &at);
    if (gr_failed(out)) return false;
    for (uint32_t i = 0; i < count; i++) {
        const gr_string *s = gr_as_string(parts[i]);
        if (s->length) memcpy(at, s->bytes, s->length);
        at += s->length;
        gr_let_go(vm, &parts[i]);
    }
    gr_replace(vm, to, out);
    return true;
}
