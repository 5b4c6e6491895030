/* SPDX-License-Identifier: MIT */
/* What the command line asks for; nothing is done here. */
#ifndef GR_OPTIONS_H
#define GR_OPTIONS_H

#include "vm.h"

typedef enum gr_action {
    GR_DO_REPL,
    GR_DO_FILE,       /* `path`, "-" for standard input */
    GR_DO_EXPRESSION, /* `expression` */
    GR_DO_TEST,
    GR_DO_DOC, /* help on the names in `arguments` */
    GR_DO_VERSION,
    GR_DO_HELP
} gr_action;

typedef enum gr_dump { GR_DUMP_NONE, GR_DUMP_TOKENS, GR_DUMP_AST, GR_DUMP_CODE, GR_DUMP_TAPE } gr_dump;

typedef struct gr_command {
    gr_action action;
    const char *path, *expression;
    char **arguments; /* of the script, or the files and folders of `test` */
    int argument_count;
    const char *filter; /* of `test`: a part of a test's name, or NULL */
    bool update;        /* of `test`: rewrite what files promise */
    bool interactive; /* -i */
    bool no_color;
    bool ids; /* messages show the id of their kind */
    bool seeded;
    uint64_t seed;
    int threads;
    ad_dtype dtype;
    gr_nan nan;
    gr_dump dump;
} gr_command;

/* False: `complaint` (of `room` bytes) says what is wrong. */
bool gr_command_parse(int argc, char **argv, gr_command *out, char *complaint, size_t room);

extern const char gr_usage[];

#endif
