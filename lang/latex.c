/* SPDX-License-Identifier: MIT */
/* The table is ordered by name, byte by byte, so that a prefix is found by halving. */
#include "latex.h"

#include <string.h>

static const gr_latex rows[] = {
#define GR_LATEX(name, text) {name, text},
#define GR_LATEX_ALSO(name, text) {name, text},
#include "latex.def"
#undef GR_LATEX
#undef GR_LATEX_ALSO
};

static const gr_latex usual[] = {
#define GR_LATEX(name, text) {name, text},
#define GR_LATEX_ALSO(name, text)
#include "latex.def"
#undef GR_LATEX
#undef GR_LATEX_ALSO
};

enum { ROWS = sizeof rows / sizeof *rows };

const gr_latex *gr_latex_names(const char *prefix, size_t size, size_t *count) {
    size_t low = 0, high = ROWS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strncmp(rows[middle].name, prefix, size) < 0) low = middle + 1;
        else high = middle;
    }
    while (high < ROWS && strncmp(rows[high].name, prefix, size) == 0) high++;
    *count = high - low;
    return rows + low;
}

const char *gr_latex_name(const char *text, size_t size) {
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strlen(usual[i].text) == size && memcmp(usual[i].text, text, size) == 0)
            return usual[i].name;
    return NULL;
}
