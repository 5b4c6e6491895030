/* SPDX-License-Identifier: MIT */
/*
 * The beginnings of lines say what the embedded library defines: `fn name(` and `let name =`. A name
 * with an underscore in front is its file's own.
 */
#include "prelude_names.h"

#include "builtin.h"
#include "stdlib_embed.h"
#include "vm_state.h"

#include <math.h>
#include <string.h>

size_t gr_name_length(const char *text, const char *end) {
    size_t n = 0;
    while (text + n < end && gr_is_name_byte(text[n])) n++;
    return n;
}

/* The name that a line of the library defines; 0: none. */
static size_t defined_name(const char *line, const char *stop, const char **name) {
    size_t word = stop - line > 3 && memcmp(line, "fn ", 3) == 0    ? 3
                  : stop - line > 4 && memcmp(line, "let ", 4) == 0 ? 4
                                                                    : 0;
    *name = line + word;
    return word ? gr_name_length(line + word, stop) : 0;
}

bool gr_each_definition(uint32_t file, gr_definition_visit each, void *user) {
    const char *text = (const char *)gr_stdlib[file].text, *end = text + gr_stdlib[file].length;
    for (const char *line = text, *name; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        size_t n = defined_name(line, stop, &name);
        if (n && each(user, name, n, line, end)) return true;
        line = stop + 1;
    }
    return false;
}

static const struct {
    const char *name;
    double value;
} constants[] = {
    {"π", 3.14159265358979323846}, {"pi", 3.14159265358979323846}, {"inf", INFINITY}, {"nan", NAN}};

bool gr_prelude_constant(const char *name, double *out) {
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (strcmp(constants[i].name, name) == 0) {
            *out = constants[i].value;
            return true;
        }
    return false;
}

bool gr_is_public_row(ad_op op) {
    const ad_row_info *row = ad_op_info(op);
    bool has_sign = op < AD_OP_WHERE && op != AD_OP_MOD;
    return row && row->name && !has_sign && !(row->flags & AD_ROW_INTERNAL);
}

typedef struct visitor {
    gr_name_visit visit;
    void *user;
} visitor;

static bool visit_definition(void *user, const char *name, size_t length, const char *line,
                             const char *end) {
    const visitor *v = user;
    (void)line, (void)end;
    if (*name != '_') v->visit(v->user, name, length);
    return false;
}

static void visit_name(const char *name, gr_name_visit visit, void *user) { visit(user, name, strlen(name)); }

static void visit_rows(const gr_builtin *row, gr_name_visit visit, void *user) {
    for (; row->name; row++) visit_name(row->name, visit, user);
}

void gr_each_prelude_name(gr_name_visit visit, void *user) {
    visitor v = {visit, user};
    for (uint32_t file = 0; file < gr_stdlib_count; file++)
        gr_each_definition(file, visit_definition, &v);
    for (const gr_builtin *const *table = gr_builtin_tables; *table; table++)
        visit_rows(*table, visit, user);
    visit_rows(gr_builtins_transform, visit, user);
    for (int op = 1; op < ad_op_count(); op++)
        if (gr_is_public_row((ad_op)op)) visit_name(ad_op_info((ad_op)op)->name, visit, user);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        visit_name(constants[i].name, visit, user);
    visit_name("args", visit, user);
}
