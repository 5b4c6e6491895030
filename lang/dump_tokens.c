/* SPDX-License-Identifier: MIT */
/*
 * --dump=tokens. A lexer does not know what the braces of a string enclose, so the strings that are
 * open are kept here, with the brackets that were open when they began.
 */
#include "lexer.h"

enum { MOST_STRINGS = 64 };

typedef struct open_string {
    gr_token quote;
    int depth; /* of braces inside the present interpolation */
} open_string;

typedef struct dumper {
    gr_buffer *out, *text;
    gr_lexer lexer;
    open_string open[MOST_STRINGS];
    int count;
} dumper;

static void put_span(dumper *d, const char *kind, gr_span span) {
    const gr_source *source = d->lexer.source;
    gr_position at = gr_source_position(source, span.begin);
    gr_buffer_printf(d->out, "%u:%u\t%s\t%.*s\n", at.line, at.column, kind,
                     (int)(span.end - span.begin), source->text + span.begin);
}

/* The text of a string up to its end or its next brace. */
static bool put_piece(dumper *d) {
    open_string *s = &d->open[d->count - 1];
    uint32_t begin = d->lexer.at;
    d->text->size = 0;
    gr_piece_end end = gr_lexer_string(&d->lexer, &s->quote, d->text);
    put_span(d, "TEXT", (gr_span){begin, d->lexer.at});
    s->depth = 0;
    if (end != GR_PIECE_BRACE) d->count--;
    return end != GR_PIECE_BROKEN;
}

static bool take(dumper *d, const gr_token *token) {
    put_span(d, gr_token_kind_name(token->kind), token->span);
    open_string *inner = d->count ? &d->open[d->count - 1] : NULL;
    if (token->kind == GR_T_QUOTE) {
        if (d->count == MOST_STRINGS) return false;
        d->open[d->count++] = (open_string){.quote = *token};
        return put_piece(d);
    }
    if (inner && token->kind == GR_T_LBRACE) inner->depth++;
    if (inner && token->kind == GR_T_RBRACE && inner->depth-- == 0) return put_piece(d);
    if (inner && token->kind == GR_T_COLON && inner->depth == 0) {
        d->text->size = 0;
        uint32_t begin = d->lexer.at;
        bool ok = gr_lexer_format(&d->lexer, d->text);
        put_span(d, "FORMAT", (gr_span){begin, d->lexer.at});
        return ok && put_piece(d);
    }
    return token->kind != GR_T_ERROR;
}

bool gr_dump_tokens(gr_buffer *out, gr_lexicon *lexicon, const gr_source *source,
                    gr_report *report) {
    gr_buffer text;
    gr_buffer_init(&text, gr_lexicon_ctx(lexicon));
    dumper d = {.out = out, .text = &text};
    size_t errors = report->error_count;
    bool ok = gr_lexer_init(&d.lexer, lexicon, source, report);
    while (ok) {
        gr_token token = gr_lexer_next(&d.lexer, true);
        if (token.kind == GR_T_END) break;
        ok = take(&d, &token);
    }
    gr_lexer_free(&d.lexer);
    gr_buffer_free(&text);
    return ok && report->error_count == errors;
}
