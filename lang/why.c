/* SPDX-License-Identifier: MIT */
/*
 * Collects rows: what is read, its shape, where it was made; below it what that expression read, a few
 * levels deep. An expression is gone into once, so that circles end. Rows are text as soon as they are
 * found: values may be gone when they are shown. At the end a sentence follows each of two sizes that
 * had to be equal down to the variable that has it first.
 */
#include "why_private.h"

#include "format.h"
#include "heap_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 5, MOST_READ = 8, MOST_CALLS = 8 };

bool gr_why_open(gr_vm *vm) {
    vm->why = ad_mem_get(vm->ctx, sizeof *vm->why);
    if (vm->why) gr_why_begin(vm);
    return vm->why;
}

void gr_why_close(gr_vm *vm) {
    if (vm->why) ad_mem_put(vm->ctx, vm->why, sizeof *vm->why);
    vm->why = NULL;
}

void gr_why_begin(gr_vm *vm) {
    if (!vm->why) return;
    vm->why->count = vm->why->operands = 0;
    vm->why->done = false;
}

/* ---- rows ------------------------------------------------------------------------------------- */

void gr_why_keep(char *to, size_t room, gr_buffer *text) {
    size_t n = text->size < room - 1 ? text->size : room - 1;
    while (n > 0 && n < text->size && ((unsigned char)text->text[n] & 0xC0) == 0x80) n--;
    if (n) memcpy(to, text->text, n);
    to[n] = 0;
    text->size = 0;
}

static void keep_sizes(gr_why_row *r, gr_value v) {
    r->rank = -1;
    if (v.kind == AD_NUMBER) {
        r->rank = 0;
        r->sizes[0] = v.num;
    } else if (v.kind == AD_TENSOR) {
        r->rank = v.tensor->rank;
        for (int i = 0; i < r->rank; i++) r->sizes[i] = (double)v.tensor->dims[i];
    }
}

static void put_value(gr_vm *vm, gr_buffer *out, gr_value v) {
    if (v.kind == AD_NUMBER || v.kind == AD_BOOL || v.kind == GR_STRING) gr_format_brief(vm, out, v, 24);
    else if (!gr_is_absent(v)) gr_describe_short(vm, out, v);
}

gr_why_row *gr_why_add(gr_vm *vm, unsigned depth, const gr_source *source, const gr_read *read) {
    gr_why *w = vm->why;
    gr_buffer text;
    gr_why_row *r = &w->rows[w->count++];
    *r = (gr_why_row){.depth = depth};
    gr_buffer_init(&text, vm->ctx);
    gr_put_code(&text, source, read->span);
    gr_why_keep(r->name, sizeof r->name, &text);
    put_value(vm, &text, read->value);
    if (read->now && text.size) gr_buffer_puts(&text, " now");
    gr_why_keep(r->value, sizeof r->value, &text);
    if (strcmp(r->value, r->name) == 0) r->value[0] = 0; /* a literal */
    if (read->birth.source) gr_birth_put(&text, &read->birth, read->value);
    gr_why_keep(r->birth, sizeof r->birth, &text);
    keep_sizes(r, read->value);
    gr_buffer_free(&text);
    return r;
}

static bool is_named(const gr_why *w, const gr_source *source, gr_span span) {
    for (uint32_t i = 0; i < w->count; i++)
        if (strlen(w->rows[i].name) == span.end - span.begin &&
            memcmp(w->rows[i].name, source->text + span.begin, span.end - span.begin) == 0)
            return true;
    return false;
}

static bool is_expanded(const gr_why *w, const gr_scene *s) {
    for (uint32_t i = 0; i < w->count; i++)
        if (w->rows[i].source == s->source && w->rows[i].begin == s->span.begin) return true;
    return false;
}

/* A variable that was only handed on is what it was made of. */
static void take_value(gr_why_row *r, const gr_why_row *from) {
    if (r->value[0] || strcmp(from->name, r->name) == 0) return;
    memcpy(r->value, from->value, sizeof r->value);
    memcpy(r->sizes, from->sizes, sizeof r->sizes);
    r->rank = from->rank;
}

static void go_on(gr_vm *vm, gr_why_row *r, const gr_birth *birth, uint32_t frame, uint32_t most) {
    gr_why *w = vm->why;
    uint32_t first = w->count;
    gr_scene made = gr_scene_of(vm, birth, frame);
    if (r->depth + 1 >= DEEPEST || birth->item || birth->how || is_expanded(w, &made)) return;
    r->source = made.source;
    r->begin = made.span.begin;
    r->end = made.span.end;
    gr_why_reads(vm, &made, r->depth + 1, most);
    bool handed = w->count > first && w->count < GR_WHY_ROWS &&
                  strlen(w->rows[first].name) == made.span.end - made.span.begin;
    if (handed) take_value(r, &w->rows[first]);
}

void gr_why_reads(gr_vm *vm, const gr_scene *scene, unsigned depth, uint32_t most) {
    gr_why *w = vm->why;
    gr_read reads[MOST_READ];
    uint32_t count = gr_reads_of(vm, scene, MOST_READ, reads);
    for (uint32_t i = 0; i < count && w->count < most; i++) {
        uint32_t left = count - i - 1, share = most > left ? most - left : most;
        if (depth == 0 && is_named(w, scene->source, reads[i].span)) continue;
        gr_why_row *r = gr_why_add(vm, depth, scene->source, &reads[i]);
        if (reads[i].birth.source && !reads[i].now)
            go_on(vm, r, &reads[i].birth, scene->frame, share > w->count ? share : w->count);
    }
}

/* ---- what failed ------------------------------------------------------------------------------ */

static gr_scene failing(const gr_vm *vm, uint32_t operand) {
    uint32_t i = gr_user_frame(vm, vm->frame_count - 1);
    const gr_frame *f = &vm->frames[i];
    uint32_t pc = gr_frame_pc(f);
    return (gr_scene){f->proto->source, gr_proto_span(f->proto, pc, operand), f->proto, pc, i};
}

static bool is_name(gr_vm *vm, const gr_scene *at) {
    gr_read whole;
    return gr_reads_of(vm, at, 1, &whole) && whole.span.begin == at->span.begin &&
           whole.span.end == at->span.end;
}

/* The check of a signature has its text where others have an operand. */
static void name_parameter(gr_why_row *r, const gr_scene *at) {
    const gr_descriptor *d = &at->proto->descriptors[at->proto->code[at->pc].wide];
    snprintf(r->name, sizeof r->name, "%s", d->what);
}

void gr_why_operand(gr_vm *vm, uint32_t k, gr_value v) {
    if (!vm->why || vm->why->done || !vm->frame_count || vm->why->count >= GR_WHY_ROWS) return;
    gr_scene at = failing(vm, k + 1);
    gr_read read = {.span = at.span, .value = v};
    uint32_t most = k == 0 ? GR_WHY_ROWS / 2 : GR_WHY_ROWS;
    if (!gr_birth_of_operand(vm, k, v, &read.birth)) read.birth = (gr_birth){0};
    gr_why_row *r = gr_why_add(vm, 0, at.source, &read);
    vm->why->operands++;
    if (at.proto->code[at.pc].op == GR_I_SIG) name_parameter(r, &at);
    else if (!read.birth.source && !is_name(vm, &at)) gr_why_reads(vm, &at, 1, most);
    if (read.birth.source) go_on(vm, r, &read.birth, at.frame, most);
}

/* ---- sizes ------------------------------------------------------------------------------------ */

static uint32_t uses(const gr_why_row *r, double size, int *axis) {
    uint32_t n = 0;
    for (int i = 0; i < r->rank || (i == 0 && r->rank == 0); i++)
        if (r->sizes[i] == size) {
            *axis = i;
            n++;
        }
    return n;
}

/* Was it made by one call, as `randn(n, 3)`? Only there a number can be a size. */
static bool is_call(const gr_why_row *r) {
    uint32_t at = r->begin, depth = 0;
    if (!r->source || r->end <= at) return false;
    const char *text = r->source->text;
    while (at < r->end && text[at] != '(' && !strchr(" [{+-*/@", text[at])) at++;
    if (at == r->begin || at >= r->end || text[at] != '(') return false;
    for (; at < r->end; at++) {
        depth += text[at] == '(';
        depth -= text[at] == ')';
        if (depth == 0) return at + 1 == r->end;
    }
    return false;
}

/* The rows right below this one that have the size, tensors before numbers. Gives how many. */
static uint32_t heirs(const gr_why *w, const gr_why_row *r, double size, const gr_why_row *found[]) {
    uint32_t n = 0;
    int axis;
    for (int numbers = 0; numbers <= is_call(r) && n == 0; numbers++)
        for (const gr_why_row *at = r + 1; at < w->rows + w->count && at->depth > r->depth; at++)
            if (at->depth == r->depth + 1 && (at->rank == 0) == numbers && uses(at, size, &axis))
                found[n++] = at;
    return n;
}

/* "is the second axis of `W1`" */
static void put_part(gr_buffer *out, const gr_why_row *r, double size) {
    static const char *const words[] = {"first", "second", "third", "fourth", "fifth", "sixth"};
    int axis = 0;
    uint32_t n = uses(r, size, &axis);
    if (r->rank == 1) gr_buffer_puts(out, "the size of");
    else if (r->rank > 1 && n == 1 && axis < 6) gr_buffer_printf(out, "the %s axis of", words[axis]);
    else if (r->rank > 1) gr_buffer_puts(out, "an axis of");
    gr_buffer_printf(out, "%s`%s`", r->rank ? " " : "", r->name);
}

/* "784 is the second axis of `W1` and the size of `b1`"; nothing where it is of the operand itself. */
static bool put_origin(const gr_why *w, gr_buffer *out, const gr_why_row *root, double size, bool more) {
    const gr_why_row *found[GR_WHY_ROWS] = {root};
    uint32_t n = 1, next;
    bool deeper = false;
    for (const gr_why_row *at = root; n == 1 && (next = heirs(w, at, size, found)) > 0; at = found[0]) {
        n = next;
        deeper = true;
    }
    if (!deeper || n > 3) return false;
    gr_buffer_printf(out, "%s%.0f is ", more ? "; " : "", size);
    for (uint32_t i = 0; i < n; i++) {
        gr_buffer_puts(out, i == 0 ? "" : i + 1 < n ? ", " : " and ");
        put_part(out, found[i], size);
    }
    return true;
}

/* "…; 784 must equal 64": the two numbers. */
static bool conflict(const char *message, double sizes[2]) {
    const char *word = strstr(message, " must equal "), *at = word;
    if (!word) return false;
    while (at > message && at[-1] >= '0' && at[-1] <= '9') at--;
    sizes[0] = strtod(at, NULL);
    sizes[1] = strtod(word + strlen(" must equal "), NULL);
    return at < word;
}

/* Of two operands the one has the one size and the other the other; else any row may. */
static void put_origins(const gr_why *w, gr_buffer *out, const char *message) {
    double sizes[2];
    bool any = false;
    if (!conflict(message, sizes)) return;
    for (int side = 0; side < 2; side++) {
        bool told = false;
        int operand = 0;
        for (uint32_t i = 0; i < w->count && !told; i++) {
            if (w->rows[i].depth != 0) continue;
            bool mine = w->operands != 2 || operand == side;
            told = mine && put_origin(w, out, &w->rows[i], sizes[side], any);
            operand++;
        }
        any |= told;
    }
    if (any) gr_buffer_puts(out, "\n");
}

/* ---- text ------------------------------------------------------------------------------------- */

static void pad(gr_buffer *out, size_t from, size_t width) {
    gr_buffer_fill(out, ' ', width > from ? width - from : 0);
}

static size_t name_width(const gr_why_row *r) {
    return 2 * r->depth + gr_text_width(r->name, strlen(r->name));
}

void gr_why_put_rows(const gr_why *w, gr_buffer *out) {
    size_t names = 0, values = 0;
    for (const gr_why_row *r = w->rows; r < w->rows + w->count; r++) {
        size_t value = gr_text_width(r->value, strlen(r->value));
        if (name_width(r) > names && name_width(r) <= 32) names = name_width(r);
        if (value > values && value <= 24) values = value;
    }
    for (const gr_why_row *r = w->rows; r < w->rows + w->count; r++) {
        gr_buffer_fill(out, ' ', 2 * r->depth);
        gr_buffer_puts(out, r->name);
        pad(out, name_width(r), names);
        gr_buffer_printf(out, "  %s", r->value);
        if (r->birth[0]) pad(out, gr_text_width(r->value, strlen(r->value)), values);
        gr_buffer_printf(out, "%s%s", r->birth[0] ? "  " : "", r->birth);
        gr_buffer_trim(out);
        gr_buffer_puts(out, "\n");
    }
}

static void put_argument(gr_vm *vm, gr_buffer *out, const gr_frame *f, uint32_t k, const char *between) {
    const gr_name *name = f->proto->parameters[k].name;
    gr_value v = f->base[k];
    if (v.kind == GR_CELL) v = gr_as_cell(v)->value;
    if (!name || gr_is_gone(v) || gr_is_absent(v) || v.kind == GR_FUNCTION) return;
    gr_buffer_printf(out, "%s%s = ", between, name->text);
    put_value(vm, out, v);
}

/* "in `net`, called at mlp.nn:10, where x = [32, 784]" */
static void put_call(gr_vm *vm, gr_buffer *out, uint32_t i) {
    const gr_frame *f = &vm->frames[i], *caller = &vm->frames[gr_user_frame(vm, i - 1)];
    uint32_t at = gr_proto_span(caller->proto, gr_frame_pc(caller), 0).begin;
    gr_buffer_printf(out, "in `%s`, called at %s:%u", f->proto->name ? f->proto->name->text : "fn",
                     caller->proto->source->name, gr_source_line(caller->proto->source, at));
    size_t before = out->size;
    for (uint32_t k = 0; k < f->proto->parameter_count && k < 6; k++)
        put_argument(vm, out, f, k, out->size > before ? ", " : ", where ");
    gr_buffer_puts(out, "\n");
}

static void put_calls(gr_vm *vm, gr_buffer *out) {
    uint32_t shown = 0, left_out = 0;
    for (uint32_t i = vm->frame_count; i-- > vm->first_frame + 1;) {
        if (vm->frames[i].proto->flags & (GR_PROTO_LIBRARY | GR_PROTO_TOP)) continue;
        if (shown < MOST_CALLS) put_call(vm, out, i);
        else left_out++;
        shown++;
    }
    if (left_out) gr_buffer_printf(out, "… %u more calls\n", left_out);
}

/* What failed inside the library: the expression there, and what it read. */
static void add_inside(gr_vm *vm) {
    uint32_t i = vm->frame_count - 1, left = GR_WHY_ROWS - vm->why->count;
    const gr_frame *f = &vm->frames[i];
    if (i == gr_user_frame(vm, vm->frame_count - 1) || left < 4) return;
    uint32_t pc = gr_frame_pc(f);
    gr_scene at = {f->proto->source, gr_proto_span(f->proto, pc, 0), f->proto, pc, i};
    gr_why_row *r = gr_why_add(vm, 0, at.source, &(gr_read){.span = at.span, .value = gr_absent()});
    snprintf(r->birth, sizeof r->birth, "inside the library, %s:%u", at.source->name,
             gr_source_line(at.source, at.span.begin));
    gr_why_reads(vm, &at, 1, GR_WHY_ROWS);
}

void gr_why_put_remark(gr_diagnostic *d, gr_buffer *text) {
    gr_buffer_trim(text);
    while (text->size && text->text[text->size - 1] == '\n') text->text[--text->size] = 0;
    if (text->size && !text->failed) gr_diag_why(d, "%s", text->text);
    gr_buffer_free(text);
}

void gr_why_finish(gr_vm *vm) {
    gr_why *w = vm->why;
    gr_diagnostic *d = vm->report.last;
    gr_buffer text;
    if (!w || w->done || !d || d->severity != GR_SEVERITY_ERROR || !vm->frame_count) return;
    w->done = true;
    gr_scene at = failing(vm, 0);
    gr_why_reads(vm, &at, 0, GR_WHY_ROWS);
    add_inside(vm);
    gr_buffer_init(&text, vm->ctx);
    gr_why_put_rows(w, &text);
    put_origins(w, &text, d->message);
    put_calls(vm, &text);
    gr_why_put_remark(d, &text);
}
