/* SPDX-License-Identifier: MIT */
/*
 * Modules: tables from names to global slots. A name is looked for in the module, then in the
 * prelude, which is what the embedded library's files define together with the builtins and the rows
 * of the op table. The library is bound lazily: at start only an index name → file is made, a file
 * is compiled and run when one of its names is first needed.
 */
#ifndef GR_MODULE_H
#define GR_MODULE_H

#include "names.h"
#include "source.h"
#include "suggest.h"
#include "vm.h"

typedef struct gr_module {
    uint32_t *slots;      /* by serial of the name: slot + 1, or 0 */
    uint32_t room;
    bool library;         /* a file of the embedded library */
    uint32_t *order;      /* slots in order of first definition */
    uint32_t count, order_room;
    const gr_source *source; /* or NULL */
    struct gr_module *outer; /* whose names are seen too, and which new ones belong to; or NULL */
    struct gr_module *next;
} gr_module;

struct gr_library; /* all modules, sources and the index of the embedded library */

bool gr_library_open(gr_vm *vm);
void gr_library_close(gr_vm *vm);

gr_module *gr_module_new(gr_vm *vm, bool library);
/* The slot of a name in this module, or those around it, or UINT32_MAX. */
uint32_t gr_module_slot(const gr_module *module, const gr_name *name);
/* The slot that a name of the module means. A name of the prelude gets a slot of the module's own,
 * pending until it is read: a later definition in the module takes it over. UINT32_MAX: there is none;
 * `known` is false also for a slot that only code of the prompt has asked for. */
uint32_t gr_find_global(gr_vm *vm, gr_module *module, const gr_name *name, bool *known);
/* The slot of prelude.name, or UINT32_MAX. */
uint32_t gr_prelude_slot(gr_vm *vm, const gr_name *name);
/* Makes the value of a pending slot: runs the file of the library that defines it, or makes its
 * builtin. */
bool gr_bind_pending(gr_vm *vm, uint32_t slot);
/* Offers names to a suggestion: those of the module, or of module and prelude. */

void gr_offer_globals(gr_vm *vm, const gr_module *module, gr_suggestion *suggestion);
void gr_offer_names(gr_vm *vm, const gr_module *module, gr_suggestion *suggestion);
/* The main module: the script's, or the prompt's. */
gr_module *gr_main_module(gr_vm *vm);

/* import: runs a file once and gives its names as a record. Relative to `from`. */
bool gr_import(gr_vm *vm, const gr_source *from, gr_value path, gr_value *out);

/* Keeps a source for as long as the vm lives; takes it over, also on failure. */
bool gr_keep_source(gr_vm *vm, gr_source *source);

#endif
