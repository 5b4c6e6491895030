/* SPDX-License-Identifier: MIT */
/* All tables of builtins. The order matters where two have the same name: the first one counts. */
#include "builtin.h"

const gr_builtin *const gr_builtin_tables[] = {
    gr_builtins_make, gr_builtins_tensor, gr_builtins_structure, gr_builtins_collection,
    gr_builtins_text, gr_builtins_match,  gr_builtins_file,      gr_builtins_system,
    gr_builtins_plot, gr_builtins_map,    NULL,
};
