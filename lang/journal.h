/* SPDX-License-Identifier: MIT */
/*
 * What a session did: one record for each statement that changed something, and the environments in
 * front of the last of them. A record has the text, what was read and written (numbers of places: a
 * slot of a global, a cell), what was printed, and the random numbers' state before and behind. What
 * was written is found by comparing the environments; what was read is everything that the code could
 * reach, which is often too much and never too little.
 *
 * `:undo` goes back through the environments, `:save` backward through the records (script.h).
 *
 * Setting an environment aside has its price: what it holds is copied when it is changed next. Where
 * nobody is going to ask, a light journal only notes what was run; :save then writes all of it.
 */
#ifndef GR_JOURNAL_H
#define GR_JOURNAL_H

#include "gradus.h"
#include "top.h"

enum { GR_MOST_UNDO = 20, GR_MOST_PRINTED = 1 << 20 };
#define GR_UNDO_BYTES ((size_t)256000000)

typedef struct gr_places {
    uintptr_t *items;
    uint32_t count, room;
} gr_places;

typedef enum gr_record_kind {
    GR_RECORD_TYPED, /* a statement, or several, as the prompt read them */
    GR_RECORD_FILE,  /* a file that was run in the names of the prompt, all of it or nothing */
    GR_RECORD_FIRST, /* the file that the session began with: what it did before it failed stays */
    GR_RECORD_RESET  /* what was before does not matter */
} gr_record_kind;

typedef struct gr_statement {
    gr_record_kind kind;
    const gr_source *source; /* the vm's; NULL: none */
    struct gr_proto *proto;  /* the vm's */
    gr_status status;
    uint32_t failed_at; /* offset in the source of what failed */
    bool answered;      /* it gave a value that became ans */
    bool by_hand;       /* something was done at a prompt in the middle of it */
    bool unheard;       /* what it printed is not known */
    bool light;         /* what it read and wrote is not known */
    unsigned effects;   /* GR_EFFECT_… */
    ad_random_state before, after;
    ad_dtype dtype, dtype_after; /* the default */
    gr_places reads, writes;
    gr_places names, defined; /* slots that its code mentions, and those that it defines */
    gr_buffer printed;
    gr_buffer values;  /* what it left, as statements; of one that its text alone does not make again */
    gr_buffer lost;    /* what of that has no form as source, or too long a one */
} gr_statement;

typedef struct gr_journal {
    gr_vm *vm;
    gr_statement *statements;
    uint32_t count, room;
    gr_top *tops[GR_MOST_UNDO];  /* the oldest first */
    uint32_t at[GR_MOST_UNDO];   /* the statement behind each */
    uint32_t top_count;
    size_t limit;
    uint32_t forgotten, over; /* environments, since it was told; of them for want of room */
    bool light, open;
    size_t heard;             /* bytes that the light records have of what was printed */
    gr_top *before;           /* while a statement runs; or NULL */
    gr_statement now;
    uint32_t chunks; /* that had run before it */
} gr_journal;

void gr_journal_open(gr_journal *j, gr_vm *vm, bool light);
/* From now on environments are set aside. */
void gr_journal_keep(gr_journal *j);
void gr_journal_close(gr_journal *j);

/* Around whatever may change the environment. Without memory nothing is recorded. */
void gr_journal_begin(gr_journal *j, gr_record_kind kind);
void gr_journal_end(gr_journal *j, gr_status status);
/* What runs is being changed from outside: its text alone does not make what it leaves. */
void gr_journal_touch(gr_journal *j);

/* There is no way back from here. */
void gr_journal_settle(gr_journal *j);
/* Back to the environment in front of the last change, whose record is given to the caller. False: there is
 * none. */
bool gr_journal_undo(gr_journal *j, gr_statement *what);
void gr_statement_free(gr_vm *vm, gr_statement *s);
/* How much the environments may hold that is not in the present one; 0: none is kept. */
void gr_undo_limit(gr_journal *j, size_t bytes);
/* The same, within a quarter of the limit of memory. */
size_t gr_undo_bytes(const gr_journal *j);

static inline uintptr_t gr_place_of_slot(uint32_t slot) { return (uintptr_t)slot << 4 | 1; }
static inline bool gr_place_is_slot(uintptr_t place) { return place & 1; }
static inline uint32_t gr_slot_of_place(uintptr_t place) { return (uint32_t)(place >> 4); }

#endif
