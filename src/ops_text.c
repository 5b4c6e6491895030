/* SPDX-License-Identifier: MIT */
/* ops_text.c - the partial of an elementwise row as text, for help: a builder that writes the formula
 * which the sweeps compute. Text that does not fit is given up as a whole, not cut. */
#include "ops.h"

#include <stdio.h>
#include <string.h>

enum { TERMS = 40, ROOM = 160 };
enum { SUM = 1, PRODUCT, SIGN, POWER, ATOM }; /* how tightly a text holds together */

typedef struct writer {
    ad_builder base;
    int count;
    struct {
        char text[ROOM];
        int level;
    } term[TERMS];
} writer;

static ad_term add_term(writer *w, const char *text, int level) {
    size_t size = strlen(text);
    if (w->count == TERMS || size >= ROOM) {
        w->base.status = AD_ERR_ARGUMENT;
        return (ad_term){.reg = 0};
    }
    memcpy(w->term[w->count].text, text, size + 1);
    w->term[w->count].level = level;
    return (ad_term){.reg = w->count++};
}

static ad_term write_constant(ad_builder *b, double x) {
    char text[32];
    text[ad_number_text(x, text)] = 0;
    return add_term((writer *)b, text, x < 0 ? SIGN : ATOM);
}

/* In parentheses if it holds together less tightly than `level`. */
static void put(const writer *w, ad_term t, int level, char out[ROOM + 2]) {
    bool loose = w->term[t.reg].level < level;
    snprintf(out, ROOM + 2, "%s%s%s", loose ? "(" : "", w->term[t.reg].text, loose ? ")" : "");
}

/* Sign and strength of an operator; NULL for a function. The strong product reads as a product. */
static const char *operator_of(ad_op op, int *level) {
    static const struct {
        uint16_t op;
        uint8_t level;
        const char *text;
    } table[] = {{AD_OP_ADD, SUM, " + "},        {AD_OP_SUB, SUM, " - "},    {AD_OP_MUL, PRODUCT, " * "},
                 {AD_OPID_mulz, PRODUCT, " * "}, {AD_OP_DIV, PRODUCT, " / "}, {AD_OP_POW, POWER, "^"},
                 {AD_OP_EQ, 0, " == "},          {AD_OP_NE, 0, " != "},      {AD_OP_LT, 0, " < "},
                 {AD_OP_LE, 0, " <= "},          {AD_OP_GT, 0, " > "},       {AD_OP_GE, 0, " >= "},
                 {AD_OP_AND, 0, " and "},        {AD_OP_OR, 0, " or "}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].op == op) {
            *level = table[i].level;
            return table[i].text;
        }
    return NULL;
}

static ad_term write_operator(writer *w, const char *sign, int level, const ad_term *in) {
    char a[ROOM + 2], b[ROOM + 2], text[2 * ROOM + 16];
    if (!strcmp(sign, " * ") && in[0].reg == in[1].reg) {
        put(w, in[0], ATOM, a);
        snprintf(text, sizeof text, "%s^2", a);
        return add_term(w, text, POWER);
    }
    put(w, in[0], level == POWER || level == 0 ? level + 1 : level, a);
    put(w, in[1], level + 1, b);
    snprintf(text, sizeof text, "%s%s%s", a, sign, b);
    return add_term(w, text, level);
}

static ad_term write_call(writer *w, ad_op op, int n, const ad_term *in) {
    char text[4 * ROOM];
    const char *name = op == AD_OPID_maximum ? "max" : ad_op_info(op)->name;
    int at = snprintf(text, sizeof text, "%s(", name);
    for (int i = 0; i < n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", i ? ", " : "", w->term[in[i].reg].text);
    snprintf(text + at, sizeof text - (size_t)at, ")");
    return add_term(w, text, ATOM);
}

static ad_term write_term(ad_builder *b, ad_op op, int n, const ad_term *in) {
    writer *w = (writer *)b;
    int level;
    const char *sign = operator_of(op, &level);
    if (b->status != AD_OK) return (ad_term){.reg = 0};
    if (sign) return write_operator(w, sign, level, in);
    if (op == AD_OPID_cosquare) {
        char a[ROOM + 2], text[ROOM + 16];
        put(w, in[0], ATOM, a);
        snprintf(text, sizeof text, "1 - %s^2", a);
        return add_term(w, text, SUM);
    }
    if (op != AD_OP_NEG) return write_call(w, op, n, in);
    char a[ROOM + 2], text[ROOM + 4];
    put(w, in[0], SIGN, a);
    snprintf(text, sizeof text, "-%s", a);
    return add_term(w, text, SIGN);
}

/* The k-th name of a signature such as "y, x". */
static ad_term operand_name(writer *w, const char *signature, int k) {
    char text[ROOM];
    while (k-- && strchr(signature, ',')) signature = strchr(signature, ',') + 1;
    while (*signature == ' ') signature++;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(signature, ",:= "), signature);
    return add_term(w, text, ATOM);
}

size_t ad_derivative_text(ad_op op, int operand, char *out, size_t room) {
    const ad_row_info *row = ad_op_info(op);
    if (room) *out = 0;
    if (!(row->flags & AD_ROW_ELEMENTWISE) || operand < 0 || operand >= row->min_operands) return 0;
    writer w = {.base = {.emit = write_term, .constant = write_constant, .status = AD_OK}};
    ad_term in[3], y;
    for (int k = 0; k < row->min_operands; k++) in[k] = operand_name(&w, row->signature, k);
    y = add_term(&w, "y", ATOM);
    ad_term d = ad_rows[op].partial(&w.base, operand, in, y);
    if (w.base.status != AD_OK) return 0;
    return (size_t)snprintf(out, room, "%s", w.term[d.reg].text);
}
