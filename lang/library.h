/* SPDX-License-Identifier: MIT */
/* What module.c and run.c share: the modules, sources and imports of one interpreter. */
#ifndef GR_LIBRARY_H
#define GR_LIBRARY_H

#include "chunk.h"
#include "gradus.h"
#include "lexer.h"
#include "module.h"

typedef struct gr_imported {
    const char *path; /* canonical */
    gr_value value;   /* the record; absent while it has not been run to its end */
    bool running;
    const gr_source *source; /* that was run to its end */
} gr_imported;

typedef struct gr_library {
    gr_arena arena;
    gr_lexicon *lexicon;
    gr_module *modules; /* all of them */
    gr_module *main, *prelude; /* the latter for prelude.name */
    gr_module *pause;          /* names of a loop that is held up (pause.c), or NULL */
    gr_module **files;  /* of the embedded library, NULL while not run */
    uint32_t *file_of;  /* by serial of a name: file + 1 that defines it */
    uint32_t file_of_room;
    gr_source **sources;
    uint32_t source_count, source_room;
    gr_imported *imports;
    uint32_t import_count, import_room;
    gr_proto **tops; /* that have run: what they recorded can still be asked where it came from */
    uint32_t top_count, top_room;
} gr_library;

/* Takes over the top level of a chunk, until the library is closed. */
void gr_keep_top(gr_vm *vm, gr_proto *proto);

/* Parses, compiles and runs a source as the module `m`. */
bool gr_run_module(gr_vm *vm, gr_module *m, gr_source *source, unsigned compile_flags);
/* The two halves of running a text as the prompt does. NULL: the report says why. */
gr_proto *gr_prepare(gr_vm *vm, const char *name, const char *text, size_t size);
gr_status gr_run_prepared(gr_vm *vm, gr_proto *proto, unsigned flags);
void gr_library_drop_values(gr_vm *vm);

#endif
