/* SPDX-License-Identifier: MIT */
/*
 * Building diagnostics: lists in the report's arena. How they look is render.c's.
 */
#include "diagnostic.h"

#include <string.h>

static const struct {
    const char *slug, *summary;
} rows[] = {
#define GR_DIAGNOSTIC(slug, summary) {#slug, summary},
#include "diagnostics.def"
#undef GR_DIAGNOSTIC
};

const char *gr_diagnostic_slug(gr_diagnostic_id id) {
    return id < GR_DIAGNOSTIC_COUNT ? rows[id].slug : "?";
}

const char *gr_diagnostic_summary(gr_diagnostic_id id) {
    return id < GR_DIAGNOSTIC_COUNT ? rows[id].summary : "?";
}

void gr_report_init(gr_report *report, ad_ctx *ctx) {
    memset(report, 0, sizeof *report);
    gr_arena_init(&report->arena, ctx);
}

void gr_report_clear(gr_report *report) {
    gr_arena_free(&report->arena);
    gr_report_init(report, report->arena.ctx);
}

void gr_report_cut(gr_report *report, gr_diagnostic *last, size_t errors) {
    if (last) last->next = NULL;
    else report->first = NULL;
    report->last = last;
    report->error_count = errors;
}

static const char *format_text(gr_report *report, const char *format, va_list args) {
    const char *text = gr_arena_vformat(&report->arena, format, args);
    if (!text) report->out_of_memory = true;
    return text;
}

static void append(gr_report *report, gr_diagnostic *diagnostic) {
    if (report->last)
        report->last->next = diagnostic;
    else
        report->first = diagnostic;
    report->last = diagnostic;
}

static gr_diagnostic *new_diagnostic(gr_report *report, gr_severity severity, gr_diagnostic_id id,
                                     gr_label primary, const char *format, va_list args) {
    if (severity == GR_SEVERITY_ERROR)
        report->error_count++;
    else
        report->warning_count++;
    gr_diagnostic *diagnostic = gr_arena_alloc(&report->arena, sizeof *diagnostic);
    const char *message = format_text(report, format, args);
    if (!diagnostic || !message) {
        report->out_of_memory = true;
        return NULL;
    }
    diagnostic->report = report;
    diagnostic->id = id;
    diagnostic->severity = severity;
    diagnostic->message = message;
    diagnostic->primary = primary;
    append(report, diagnostic);
    return diagnostic;
}

gr_diagnostic *gr_diag_error(gr_report *report, gr_diagnostic_id id, const gr_source *source,
                             gr_span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    gr_diagnostic *diagnostic =
        new_diagnostic(report, GR_SEVERITY_ERROR, id, (gr_label){source, span, NULL}, format, args);
    va_end(args);
    return diagnostic;
}

gr_diagnostic *gr_diag_warning(gr_report *report, gr_diagnostic_id id, const gr_source *source,
                               gr_span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    gr_diagnostic *diagnostic = new_diagnostic(report, GR_SEVERITY_WARNING, id,
                                               (gr_label){source, span, NULL}, format, args);
    va_end(args);
    return diagnostic;
}

bool gr_diag_is_full(gr_report *report, const gr_source *source, gr_span span) {
    if (report->error_count == GR_MAX_ERRORS)
        gr_diag_error(report, GR_E_too_many_errors, source, span,
                      "there are more than %d errors; the rest is not shown", GR_MAX_ERRORS);
    return report->error_count >= GR_MAX_ERRORS;
}

void gr_diag_label(gr_diagnostic *diagnostic, const char *format, ...) {
    if (!diagnostic) return;
    va_list args;
    va_start(args, format);
    diagnostic->primary.text = format_text(diagnostic->report, format, args);
    va_end(args);
}

void gr_diag_also(gr_diagnostic *diagnostic, const gr_source *source, gr_span span,
                  const char *format, ...) {
    if (!diagnostic) return;
    gr_report *report = diagnostic->report;
    gr_secondary *secondary = gr_arena_alloc(&report->arena, sizeof *secondary);
    if (!secondary) {
        report->out_of_memory = true;
        return;
    }
    va_list args;
    va_start(args, format);
    secondary->label = (gr_label){source, span, format_text(report, format, args)};
    va_end(args);
    if (diagnostic->last_secondary)
        diagnostic->last_secondary->next = secondary;
    else
        diagnostic->secondary = secondary;
    diagnostic->last_secondary = secondary;
}

static void add_remark(gr_diagnostic *diagnostic, gr_remark_kind kind, const char *format,
                       va_list args) {
    gr_report *report = diagnostic->report;
    gr_remark *remark = gr_arena_alloc(&report->arena, sizeof *remark);
    const char *text = format_text(report, format, args);
    if (!remark || !text) {
        report->out_of_memory = true;
        return;
    }
    remark->kind = kind;
    remark->text = text;
    remark->filled = strchr(format, '%') != NULL;
    if (diagnostic->last_remark)
        diagnostic->last_remark->next = remark;
    else
        diagnostic->remarks = remark;
    diagnostic->last_remark = remark;
}

#define REMARK_FUNCTION(function, kind)                                                            \
    void function(gr_diagnostic *diagnostic, const char *format, ...) {                            \
        if (!diagnostic) return;                                                                   \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        add_remark(diagnostic, kind, format, args);                                                \
        va_end(args);                                                                              \
    }

REMARK_FUNCTION(gr_diag_note, GR_REMARK_NOTE)
REMARK_FUNCTION(gr_diag_help, GR_REMARK_HELP)
REMARK_FUNCTION(gr_diag_call, GR_REMARK_CALL)
REMARK_FUNCTION(gr_diag_why, GR_REMARK_WHY)
