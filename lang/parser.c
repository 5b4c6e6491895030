/* SPDX-License-Identifier: MIT */
/*
 * The parser's ground: the current token, errors, brackets, memory, and gr_parse itself. A hint is
 * tried out by parsing it as a source of its own, with hints off.
 */
#include "parse.h"

#include <stdio.h>
#include <string.h>

/* ---- tokens ------------------------------------------------------------------------------- */

void gr_advance(gr_parser *p) {
    p->last_end = p->token.span.end;
    p->token = gr_lexer_next(&p->lexer, p->newlines);
}

gr_token gr_peek(gr_parser *p) {
    gr_lexer saved = p->lexer;
    p->lexer.quiet = true;
    gr_token token = gr_lexer_next(&p->lexer, p->newlines);
    p->lexer = saved;
    return token;
}

bool gr_accept(gr_parser *p, gr_token_kind kind) {
    if (!gr_at(p, kind)) return false;
    gr_advance(p);
    return true;
}

bool gr_begins_operand(const gr_token *token) {
    switch (token->kind) {
    case GR_T_NAME:
    case GR_T_NUMBER:
    case GR_T_QUOTE:
    case GR_T_LPAREN:
    case GR_T_LBRACKET:
    case GR_T_LBRACE:
    case GR_T_MINUS:
    case GR_T_NOT:
    case GR_T_TRUE:
    case GR_T_FALSE:
    case GR_T_NIL:
    case GR_T_FN:
    case GR_T_IF:
    case GR_T_PARTIAL:
    case GR_T_NABLA: return true;
    default: return false;
    }
}

/* ---- errors ------------------------------------------------------------------------------- */

static gr_diagnostic *report(gr_parser *p, gr_diagnostic_id id, gr_span span, const char *format,
                             va_list args) {
    const gr_diagnostic *last = p->report->last;
    bool told = last && last->primary.source == p->source && last->primary.span.begin == span.begin;
    if (p->last_error == span.begin + 1 || told || p->stopped) return NULL;
    p->last_error = span.begin + 1;
    if (p->report->error_count - p->first_errors >= GR_MAX_SYNTAX_ERRORS) {
        p->stopped = p->failed = true;
        gr_diag_error(p->report, GR_E_too_many_errors, p->source, span,
                      "there are more than %d syntax errors; the rest is not shown",
                      GR_MAX_SYNTAX_ERRORS);
        return NULL;
    }
    char message[400];
    vsnprintf(message, sizeof message, format, args);
    return gr_diag_error(p->report, id, p->source, span, "%s", message);
}

gr_diagnostic *gr_fail(gr_parser *p, gr_diagnostic_id id, gr_span span, const char *format, ...) {
    if (p->failed) return NULL;
    p->failed = true;
    if (gr_at(p, GR_T_ERROR)) return NULL;
    bool more = gr_at(p, GR_T_END) && (p->open_count || p->wants_operand);
    if (p->prompt && more && p->report->error_count == p->first_errors) {
        p->incomplete = true;
        return NULL;
    }
    va_list args;
    va_start(args, format);
    gr_diagnostic *diagnostic = report(p, id, span, format, args);
    va_end(args);
    return diagnostic;
}

gr_diagnostic *gr_complain(gr_parser *p, gr_diagnostic_id id, gr_span span, const char *format,
                           ...) {
    if (p->failed) return NULL;
    va_list args;
    va_start(args, format);
    gr_diagnostic *diagnostic = report(p, id, span, format, args);
    va_end(args);
    return diagnostic;
}

bool gr_begins_statement(const gr_token *token) {
    switch (token->kind) {
    case GR_T_LET:
    case GR_T_PARAM:
    case GR_T_WHILE:
    case GR_T_RETURN:
    case GR_T_BREAK:
    case GR_T_CONTINUE:
    case GR_T_IMPORT: return true;
    default: return false;
    }
}

static gr_diagnostic *expected(gr_parser *p, gr_diagnostic_id id, const char *what) {
    const gr_token *t = &p->token;
    if (t->kind == GR_T_END) {
        return gr_fail(p, id, t->span, "expected %s, but the input ends", what);
    }
    if (t->kind == GR_T_NEWLINE || t->newline_before) {
        gr_span end = {p->last_end, p->last_end};
        return gr_fail(p, id, end, "expected %s, but the line ends", what);
    }
    bool own = t->kind != GR_T_QUOTE && t->span.end - t->span.begin <= 40;
    if (!own) {
        return gr_fail(p, id, t->span, "expected %s, but found %s", what,
                       gr_token_shown(t->kind));
    }
    return gr_fail(p, id, t->span, "expected %s, but found `%.*s`", what,
                   GR_TEXT(p, t->span));
}

gr_diagnostic *gr_expected(gr_parser *p, const char *what) {
    return expected(p, GR_E_expected_token, what);
}

gr_diagnostic *gr_expected_value(gr_parser *p) {
    return expected(p, GR_E_expected_expression, "a value");
}

bool gr_expect(gr_parser *p, gr_token_kind kind, const char *what) {
    if (p->failed) return false;
    if (gr_accept(p, kind)) return true;
    gr_expected(p, what);
    return false;
}

/* ---- hints -------------------------------------------------------------------------------- */

static gr_parse_status parse(gr_lexicon *lexicon, const gr_source *source, unsigned flags,
                             bool hints, gr_report *report, gr_ast **out);

bool gr_text_parses(gr_lexicon *lexicon, const char *text, size_t size) {
    gr_source *source;
    ad_ctx *ctx = gr_lexicon_ctx(lexicon);
    if (gr_source_new(ctx, "hint", text, size, &source) != GR_SOURCE_OK) return false;
    gr_report scrap;
    gr_report_init(&scrap, ctx);
    gr_ast *ast = NULL;
    bool ok = parse(lexicon, source, 0, false, &scrap, &ast) == GR_PARSE_OK;
    gr_ast_free(ast);
    gr_report_clear(&scrap);
    gr_source_free(source);
    return ok;
}

bool gr_suggest_code(gr_parser *p, gr_diagnostic *diagnostic, const char *format, ...) {
    if (!diagnostic || !p->hints) return true;
    char code[240];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(code, sizeof code, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof code || memchr(code, '\n', (size_t)size)) return false;
    if (!gr_text_parses(p->lexicon, code, (size_t)size)) return false;
    gr_diag_help(diagnostic, "write `%s`", code);
    return true;
}

gr_span gr_rest_of_line(const gr_parser *p, uint32_t begin, const char *strip) {
    const char *text = p->source->text;
    gr_span rest = {begin, begin};
    while (rest.end < p->lexer.end && !strchr("\r\n#", text[rest.end])) rest.end++;
    while (rest.end > begin && strchr(" \t", text[rest.end - 1])) rest.end--;
    if (rest.end > begin && strchr(strip, text[rest.end - 1])) rest.end--;
    while (rest.end > begin && strchr(" \t", text[rest.end - 1])) rest.end--;
    return rest;
}

/* ---- depth and brackets ------------------------------------------------------------------- */

bool gr_enter(gr_parser *p) {
    if (p->nesting < GR_MAX_NESTING) {
        p->nesting++;
        return true;
    }
    gr_diagnostic *d =
        gr_fail(p, GR_E_too_deep, p->token.span,
                "brackets, blocks and functions nest deeper than %d levels here", GR_MAX_NESTING);
    gr_diag_help(d, "give inner parts names of their own with `let`");
    p->stopped = true;
    return false;
}

void gr_leave(gr_parser *p) { p->nesting--; }

bool gr_open_bracket(gr_parser *p, bool block) {
    if (p->failed || !gr_enter(p)) return false;
    p->open[p->open_count++] = (gr_opener){.span = p->token.span,
                                           .kind = p->token.kind,
                                           .block = block,
                                           .newlines = p->newlines,
                                           .index_item = p->index_item,
                                           .no_if = p->no_if};
    p->newlines = block;
    p->index_item = p->no_if = false;
    gr_advance(p);
    return true;
}

static gr_token_kind partner(gr_token_kind opener) {
    return opener == GR_T_LPAREN     ? GR_T_RPAREN
           : opener == GR_T_LBRACKET ? GR_T_RBRACKET
                                     : GR_T_RBRACE;
}

static uint32_t indentation(const gr_source *source, uint32_t at, bool *first) {
    uint32_t number = gr_source_line(source, at) - source->lines_before - 1;
    const char *line = source->text + source->lines[number];
    uint32_t depth = (uint32_t)strspn(line, " \t");
    *first = line + depth == source->text + at;
    return depth;
}

/* A `}` that begins its line further left than the line of its `{` began may be another's. */
static void check_indentation(gr_parser *p, const gr_opener *opener) {
    bool first, ignored;
    if (!opener->block || p->suspect.end) return;
    uint32_t close = indentation(p->source, p->token.span.begin, &first);
    if (first && close < indentation(p->source, opener->span.begin, &ignored))
        p->suspect = opener->span;
}

static void report_unclosed(gr_parser *p, const gr_opener *opener) {
    const gr_token *t = &p->token;
    const char *close = gr_token_shown(partner(opener->kind));
    bool lost = t->kind == GR_T_END || t->kind == GR_T_NEWLINE || t->kind == GR_T_RPAREN ||
                t->kind == GR_T_RBRACKET || t->kind == GR_T_RBRACE ||
                (t->line_start && gr_begins_statement(t));
    if (lost) {
        gr_diagnostic *d = gr_fail(p, GR_E_unclosed_bracket, opener->span, "this %s is not closed",
                                   gr_token_shown(opener->kind));
        if (t->kind == GR_T_END && opener->block && p->suspect.end)
            gr_diag_also(d, p->source, p->suspect,
                         "perhaps this one: the `}` that closes it stands further left");
        if (t->kind != GR_T_END)
            gr_diag_also(d, p->source, t->span, "%s is missing here", close);
        else
            gr_diag_note(d, "the input ends before its %s", close);
        return;
    }
    char what[40];
    snprintf(what, sizeof what, opener->block ? "%s" : "`,` or %s", close);
    gr_diagnostic *d = gr_expected(p, what);
    gr_diag_also(d, p->source, opener->span, "the bracket begins here");
}

bool gr_close_bracket(gr_parser *p) {
    if (p->failed) return false;
    const gr_opener opener = p->open[p->open_count - 1];
    if (!gr_at(p, partner(opener.kind))) {
        report_unclosed(p, &opener);
        return false;
    }
    check_indentation(p, &opener);
    p->newlines = opener.newlines;
    p->index_item = opener.index_item;
    p->no_if = opener.no_if;
    p->open_count--;
    gr_leave(p);
    gr_advance(p);
    return true;
}

/* ---- memory ------------------------------------------------------------------------------- */

static void no_memory(gr_parser *p) {
    p->report->out_of_memory = true;
    p->failed = p->stopped = true;
}

gr_node *gr_make(gr_parser *p, gr_node_kind kind, size_t payload, gr_span span) {
    if (p->failed) return NULL;
    gr_node *node = gr_arena_alloc(&p->ast->arena, offsetof(gr_node, as) + payload);
    if (!node) {
        no_memory(p);
        return NULL;
    }
    node->kind = (uint8_t)kind;
    node->span = span;
    return node;
}

void gr_push(gr_parser *p, const void *item, size_t size) {
    gr_buffer_put(&p->scratch, item, size);
    if (p->scratch.failed) no_memory(p);
}

void *gr_pop_list(gr_parser *p, size_t mark, size_t size, uint32_t *count) {
    size_t bytes = p->scratch.size - mark;
    *count = (uint32_t)(bytes / size);
    void *list = bytes ? gr_arena_copy(&p->ast->arena, p->scratch.text + mark, bytes) : NULL;
    if (bytes && !list) {
        no_memory(p);
        *count = 0;
    }
    p->scratch.size = mark;
    return list;
}

gr_node_list gr_pop_nodes(gr_parser *p, size_t mark) {
    gr_node_list list;
    list.items = gr_pop_list(p, mark, sizeof(gr_node *), &list.count);
    return list;
}

gr_text gr_take_text(gr_parser *p, const char *bytes, size_t size) {
    gr_text text = {gr_arena_text(&p->ast->arena, bytes, size), (uint32_t)size};
    if (!text.bytes) no_memory(p);
    return text;
}

/* ---- gr_parse ----------------------------------------------------------------------------- */

static const gr_name *word(gr_parser *p, const char *text) {
    const gr_name *name = gr_intern_ascii(gr_lexicon_names(p->lexicon), text, strlen(text));
    if (!name) no_memory(p);
    return name;
}

static void find_words(gr_parser *p) {
    p->word_as = word(p, "as");
    p->word_assert = word(p, "assert");
    p->word_by = word(p, "by");
    p->word_new = word(p, "new");
    p->word_test = word(p, "test");
    p->word_ignore = word(p, "_");
}

static gr_ast *new_ast(ad_ctx *ctx, const gr_source *source) {
    gr_arena arena;
    gr_arena_init(&arena, ctx);
    gr_ast *ast = gr_arena_alloc(&arena, sizeof *ast);
    if (!ast) return NULL;
    ast->source = source;
    ast->arena = arena;
    return ast;
}

/* The tree lies in its own arena, root struct included. */
void gr_ast_free(gr_ast *ast) {
    if (!ast) return;
    gr_arena arena = ast->arena;
    gr_arena_free(&arena);
}

/* Mistakes are found inside out; they are told from top to bottom. */
static void sort_errors(gr_report *report, size_t before) {
    gr_diagnostic **head = &report->first;
    while (before-- > 0 && *head) head = &(*head)->next;
    gr_diagnostic *rest = *head;
    *head = NULL;
    while (rest) {
        gr_diagnostic *d = rest, **at = head;
        rest = rest->next;
        while (*at && (*at)->primary.span.begin <= d->primary.span.begin &&
               d->id != GR_E_too_many_errors) {
            at = &(*at)->next;
        }
        while (*at && d->id == GR_E_too_many_errors) at = &(*at)->next;
        d->next = *at;
        *at = d;
    }
    report->last = report->first;
    while (report->last && report->last->next) report->last = report->last->next;
}

static void run(gr_parser *p, bool hints) {
    p->newlines = true;
    p->hints = hints;
    find_words(p);
    if (!gr_lexer_init(&p->lexer, p->lexicon, p->source, p->report)) return;
    gr_advance(p);
    p->last_end = p->token.span.begin;
    p->ast->root = gr_parse_statements(p, false);
    p->ast->shebang = p->lexer.shebang;
    p->ast->comment_count = p->lexer.comment_count;
    size_t bytes = p->lexer.comment_count * sizeof(gr_span);
    if (bytes) p->ast->comments = gr_arena_copy(&p->ast->arena, p->lexer.comments, bytes);
    if (bytes && !p->ast->comments) no_memory(p);
}

static gr_parse_status parse(gr_lexicon *lexicon, const gr_source *source, unsigned flags,
                             bool hints, gr_report *report, gr_ast **out) {
    *out = NULL;
    ad_ctx *ctx = gr_lexicon_ctx(lexicon);
    gr_parser *p = ad_mem_get(ctx, sizeof *p);
    gr_ast *ast = new_ast(ctx, source);
    if (!p || !ast) {
        report->out_of_memory = true;
        if (p) ad_mem_put(ctx, p, sizeof *p);
        gr_ast_free(ast);
        return GR_PARSE_ERROR;
    }
    memset(p, 0, sizeof *p);
    p->lexicon = lexicon;
    p->ctx = ctx;
    p->source = source;
    p->report = report;
    p->ast = ast;
    p->first_errors = report->error_count;
    p->prompt = flags & GR_PARSE_PROMPT;
    gr_buffer_init(&p->scratch, ctx);
    gr_buffer_init(&p->text, ctx);
    size_t diagnostics = report->error_count + report->warning_count;
    run(p, hints);
    if (!report->out_of_memory) sort_errors(report, diagnostics);
    bool bad = report->error_count > p->first_errors || report->out_of_memory || p->failed;
    gr_parse_status status = p->incomplete ? GR_PARSE_INCOMPLETE
                             : bad         ? GR_PARSE_ERROR
                                           : GR_PARSE_OK;
    gr_lexer_free(&p->lexer);
    gr_buffer_free(&p->scratch);
    gr_buffer_free(&p->text);
    ad_mem_put(ctx, p, sizeof *p);
    if (status == GR_PARSE_OK)
        *out = ast;
    else
        gr_ast_free(ast);
    return status;
}

gr_parse_status gr_parse(gr_lexicon *lexicon, const gr_source *source, unsigned flags,
                         gr_report *report, gr_ast **out) {
    return parse(lexicon, source, flags, true, report, out);
}
