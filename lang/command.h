/* SPDX-License-Identifier: MIT */
/*
 * The commands of the prompt: lines that begin with `:` or `?`. One table has their names, what they
 * take, what :help says of them, and what they do; whoever completes or colours them reads it too.
 */
#ifndef GR_COMMAND_H
#define GR_COMMAND_H

#include "journal.h"
#include "host.h"

/* A file that :load ran, and what was in it then. */
typedef struct gr_loaded {
    char *path;
    uint64_t content;
} gr_loaded;

typedef struct gr_session {
    gr_host *host;
    gr_edit *edit;
    gr_loaded *loaded; /* in the order of their first :load */
    uint32_t loaded_count, loaded_room;
    gr_journal journal;
    bool leave;  /* :quit */
    int status;  /* that exit(n) in a file asked for */
    bool failed; /* the last command: the end of a script that comes through a pipe */
} gr_session;

void gr_session_open(gr_session *session, gr_host *host, gr_edit *edit);
void gr_session_close(gr_session *session);

/* For completion; ends with a row of zeros. */
extern const gr_command_row gr_command_rows[];

/* Does what the line says; false: it is no command. */
bool gr_run_command(gr_session *session, const char *line);

#endif
