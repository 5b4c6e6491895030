/* SPDX-License-Identifier: MIT */
/*
 * A diagnostic is what the user reads when something is wrong: one sentence, the place it
 * happened at, other places that matter, and lines of notes, help and calls. A report is a list
 * of them with the arena that all their text lives in; the text is copied in, so callers may
 * format from the stack. Rendering goes into a buffer; writing that somewhere is the caller's
 * business.
 *
 * Every builder accepts a NULL diagnostic and does nothing with it, so that a failed allocation
 * needs no check at the place of the error: the report remembers it (out_of_memory).
 */
#ifndef GR_DIAGNOSTIC_H
#define GR_DIAGNOSTIC_H

#include "arena.h"
#include "source.h"

/* One row a message: GR_DIAGNOSTIC(slug, "summary"); the enumerator is GR_E_slug. */
typedef enum gr_diagnostic_id {
#define GR_DIAGNOSTIC(slug, summary) GR_E_##slug,
#include "diagnostics.def"
#undef GR_DIAGNOSTIC
    GR_DIAGNOSTIC_COUNT
} gr_diagnostic_id;

const char *gr_diagnostic_slug(gr_diagnostic_id id); /* "unknown_name" */
const char *gr_diagnostic_summary(gr_diagnostic_id id);

typedef enum gr_severity { GR_SEVERITY_ERROR, GR_SEVERITY_WARNING } gr_severity;

/* A place with a text. Without a source there is no excerpt; without a text only the underline. */
typedef struct gr_label {
    const gr_source *source;
    gr_span span;
    const char *text;
} gr_label;

typedef enum gr_remark_kind {
    GR_REMARK_NOTE, /* a fact that explains */
    GR_REMARK_HELP, /* a suggestion, written as a statement; code in it must have been checked */
    GR_REMARK_CALL, /* a line of the call chain: "in `train`, called at mlp.nn:12" */
    GR_REMARK_WHY,  /* the long form, only shown where it is asked for */
} gr_remark_kind;

typedef struct gr_remark {
    struct gr_remark *next;
    const char *text; /* may hold several lines */
    gr_remark_kind kind;
    bool filled; /* something was put into the text: code in it is looked at before it is shown */
} gr_remark;

typedef struct gr_secondary {
    struct gr_secondary *next;
    gr_label label;
} gr_secondary;

typedef struct gr_report gr_report;

typedef struct gr_diagnostic {
    struct gr_diagnostic *next;
    gr_report *report;
    gr_diagnostic_id id;
    gr_severity severity;
    const char *message; /* one sentence, small first letter or a name, no full stop */
    gr_label primary;
    gr_secondary *secondary, *last_secondary; /* in the order given */
    gr_remark *remarks, *last_remark;
} gr_diagnostic;

struct gr_report {
    gr_arena arena;
    gr_diagnostic *first, *last;
    size_t error_count, warning_count;
    bool out_of_memory;
};

void gr_report_init(gr_report *report, ad_ctx *ctx);
void gr_report_clear(gr_report *report); /* forgets everything and gives the memory back */

/* Takes the errors behind `last` (NULL: all) back, so that `errors` are left. */
void gr_report_cut(gr_report *report, gr_diagnostic *last, size_t errors);

#define GR_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Appends an error at span of source (NULL: an error without a place). */
gr_diagnostic *gr_diag_error(gr_report *report, gr_diagnostic_id id, const gr_source *source,
                             gr_span span, const char *format, ...) GR_PRINTF(5, 6);
gr_diagnostic *gr_diag_warning(gr_report *report, gr_diagnostic_id id, const gr_source *source,
                               gr_span span, const char *format, ...) GR_PRINTF(5, 6);

/* Whether enough errors were told: the one behind the last is that the rest is not shown. */
enum { GR_MAX_ERRORS = 20 };
bool gr_diag_is_full(gr_report *report, const gr_source *source, gr_span span);

/* The text under the primary underline. */
void gr_diag_label(gr_diagnostic *diagnostic, const char *format, ...) GR_PRINTF(2, 3);

/* Another place, possibly in another source. */
void gr_diag_also(gr_diagnostic *diagnostic, const gr_source *source, gr_span span,
                  const char *format, ...) GR_PRINTF(4, 5);

void gr_diag_note(gr_diagnostic *diagnostic, const char *format, ...) GR_PRINTF(2, 3);
void gr_diag_help(gr_diagnostic *diagnostic, const char *format, ...) GR_PRINTF(2, 3);
void gr_diag_call(gr_diagnostic *diagnostic, const char *format, ...) GR_PRINTF(2, 3);
void gr_diag_why(gr_diagnostic *diagnostic, const char *format, ...) GR_PRINTF(2, 3);

typedef struct gr_render_options {
    bool color;
    bool ids;       /* error[unknown_name]: instead of error: */
    bool why;       /* the long form, if there is one: where the values of it were made */
    unsigned width; /* columns of an excerpt before it is elided around the span; 0: 100 */
} gr_render_options;

/* Appends the diagnostic, ending in a newline. Options may be NULL. */
void gr_render(gr_buffer *out, const gr_diagnostic *diagnostic, const gr_render_options *options);

/* All of a report, in order, a blank line between two. */
void gr_render_report(gr_buffer *out, const gr_report *report, const gr_render_options *options);

#endif
