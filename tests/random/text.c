/* SPDX-License-Identifier: MIT */
/* text.c - a program as a function of one record in the language. What is used once may stand
 * inside the expression that uses it, so that the compiler has something to fuse. */
#include "program.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    const program *p;
    char *out;
    size_t room, length;
    bool written[MOST_NODES]; /* has a name of its own */
    bool group_written[MOST_GROUPS];
} writer;

static void put(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(writer *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t room = w->length < w->room ? w->room - w->length : 0;
    w->length += (size_t)vsnprintf(room ? w->out + w->length : NULL, room, format, args);
    va_end(args);
}

/* {a, b: (…, …), c}: the second and the third input are a tuple. */
void input_path(const program *p, int input, char out[16]) {
    static const char *const paths[] = {".a", ".b[0]", ".b[1]", ".c"};
    (void)p;
    snprintf(out, 16, "%s", paths[input]);
}

static void put_numbers(writer *w, const double *x, int rank, const int64_t *dims) {
    if (rank == 0) {
        put(w, "%.17g", *x);
        return;
    }
    int64_t line = 1;
    for (int k = 1; k < rank; k++) line *= dims[k];
    put(w, "[");
    for (int64_t i = 0; i < dims[0]; i++) {
        if (i) put(w, ", ");
        put_numbers(w, x + i * line, rank - 1, dims + 1);
    }
    put(w, "]");
}

static void put_record(writer *w, const char *name, const double x[][MOST_SIZE]) {
    const program *p = w->p;
    put(w, "let %s = {a: ", name);
    for (int i = 0; i < p->inputs; i++) {
        const node *n = &p->node[p->input_node[i]];
        put(w, "%s", i == 1 ? ", b: (" : i == 2 ? ", " : i == 3 ? "), c: " : "");
        put_numbers(w, x[i], n->rank, n->dims);
    }
    put(w, "%s}\n", p->inputs == 2 ? ",)" : p->inputs == 3 ? ")" : "");
}

/* ---- expressions --------------------------------------------------------------------------- */

static void put_operand(writer *w, int x);

static void put_attribute(writer *w, const attribute *a) {
    put(w, "%s=", a->name);
    if (a->kind == A_TEXT)
        put(w, "\"%s\"", a->text);
    else if (a->kind == A_FLAG)
        put(w, "true");
    else if (a->kind == AN_INT)
        put(w, "%lld", (long long)a->v[0]);
    else {
        put(w, "(");
        for (int i = 0; i < a->count; i++) put(w, "%lld,", (long long)a->v[i]);
        put(w, ")");
    }
}

static void put_read(writer *w, const node *n) {
    const attribute *start = attribute_of(n, "start"), *step = attribute_of(n, "step"),
                    *count = attribute_of(n, "count");
    put_operand(w, n->in[0]);
    put(w, "[");
    for (int k = 0; k < start->count; k++) {
        long long from = start->v[k], by = step->v[k], to = from + by * count->v[k];
        if (k) put(w, ", ");
        put(w, "%lld", from);
        if (!by) continue;
        put(w, "..");
        if (by > 0 ? count->v[k] > 0 : to >= 0)
            put(w, "%lld", by > 0 ? from + by * (count->v[k] - 1) + 1 : to);
        put(w, " by %lld", by);
    }
    put(w, "]");
}

/* A text attribute comes first in its row's signature. */
static void put_call(writer *w, const node *n) {
    bool text = n->attrs && n->attr[0].kind == A_TEXT;
    put(w, "%s(", n->row->name);
    if (text) put(w, "\"%s\", ", n->attr[0].text);
    for (int i = 0; i < n->n; i++) {
        if (i) put(w, ", ");
        put_operand(w, n->in[i]);
    }
    for (int i = text; i < n->attrs; i++) {
        put(w, ", ");
        put_attribute(w, &n->attr[i]);
    }
    put(w, ")%s", strcmp(n->row->name, "topk") == 0 ? "[0]" : "");
}

static void put_expression(writer *w, const node *n) {
    if (n->row->symbol) {
        put(w, "(");
        put_operand(w, n->in[0]);
        put(w, " %s ", n->row->symbol);
        put_operand(w, n->in[1]);
        put(w, ")");
    } else if (strcmp(n->row->name, "neg") == 0 || strcmp(n->row->name, "not") == 0) {
        put(w, "(%s", strcmp(n->row->name, "neg") == 0 ? "-" : "not ");
        put_operand(w, n->in[0]);
        put(w, ")");
    } else if (strcmp(n->row->name, "[read]") == 0) {
        put_read(w, n);
    } else if (strcmp(n->row->name, "[take]") == 0) {
        put_operand(w, n->in[0]);
        put(w, "[");
        put_operand(w, n->in[1]);
        put(w, "]");
    } else {
        put_call(w, n);
    }
}

static void put_operand(writer *w, int x) {
    const node *n = &w->p->node[x];
    char path[16];
    if (n->group || n->input >= 0) {
        input_path(w->p, x - w->p->group[n->group].first, path);
        put(w, "q%d%s", n->group, path);
    } else if (w->written[x]) {
        put(w, "n%d", x);
    } else if (n->row) {
        put_expression(w, n);
    } else {
        double v[MOST_SIZE];
        for (int i = 0; i < n->size; i++) v[i] = sc_value(&w->p->s, w->p->id[n->ids + i]);
        bool minus = n->rank == 0 && v[0] < 0;
        if (minus) put(w, "(");
        put_numbers(w, v, n->rank, n->dims);
        if (minus) put(w, ")");
    }
}

/* ---- statements ---------------------------------------------------------------------------- */

static void put_group(writer *w, int g) {
    const group *q = &w->p->group[g];
    if (w->group_written[g]) return;
    w->group_written[g] = true;
    put(w, "  let q%d = ", g);
    if (!q->row->symbol)
        put(w, "%s(q%d)\n", q->row->name, q->a);
    else if (q->b >= 0)
        put(w, "q%d %s q%d\n", q->a, q->row->symbol, q->b);
    else
        put(w, "q%d %s %.17g\n", q->a, q->row->symbol, q->number);
}

static void put_statement(writer *w, int x) {
    const node *n = &w->p->node[x];
    if (!n->row || n->input >= 0) return;
    if (n->group) {
        put_group(w, n->group);
        return;
    }
    bool write = strcmp(n->row->name, "[write]") == 0;
    bool inline_ = n->uses <= 1 && x % 3 && !write && x != w->p->result;
    if (inline_) return;
    put(w, "  let n%d = ", x);
    if (write) {
        put_operand(w, n->in[0]);
        put(w, "\n  n%d[%lld] = ", x, (long long)attribute_int(n, "at", 0));
        put_operand(w, n->in[1]);
    } else {
        put_expression(w, n);
    }
    put(w, "\n");
    w->written[x] = true;
}

size_t program_text(const program *p, char *out, size_t room) {
    static writer w;
    w = (writer){.p = p, .out = out, .room = room};
    put(&w, "fn f(q0) {\n");
    for (int i = 0; i < p->n; i++) put_statement(&w, i);
    put(&w, "  n%d\n}\n", p->result);
    put_record(&w, "p", p->at);
    put_record(&w, "v", p->direction);
    return w.length < room ? w.length : 0;
}
