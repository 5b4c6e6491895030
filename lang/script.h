/* SPDX-License-Identifier: MIT */
/*
 * The statements of a session on which its present variables depend, as a script that makes them again:
 * in order, the random numbers' state in front of those that drew, and what was printed as `#> ` lines,
 * so that `gradus test` can tell whether it still does.
 */
#ifndef GR_SCRIPT_H
#define GR_SCRIPT_H

#include "journal.h"

/* The first line of such a script. */
extern const char gr_script_mark[];

typedef struct gr_script {
    gr_buffer text;
    gr_buffer lost;  /* "`f`, …": what has no form as source and was not left by whole statements */
    uint32_t kept, all; /* statements */
    bool unheard;    /* what some of them printed is not known: there are no `#> ` lines */
} gr_script;

/* `paths`: the folder that the script will be in, "" or with a slash at its end; what it imports is written
 * by its whole path unless that is where the session imports from. False: memory is out. */
bool gr_script_make(gr_journal *journal, const char *folder, gr_script *out);
void gr_script_free(gr_script *script);

#endif
