/* SPDX-License-Identifier: MIT */
/*
 * One pass of the lexer with a report that nobody reads. The strings that are open are kept on a
 * small stack, since only who knows the braces can tell where a string goes on; brackets find their
 * partners afterwards, in one pass with a stack that is the tokens themselves.
 */
#include "typed.h"

#include "library.h"
#include "parser.h"
#include "vm_state.h"

#include <string.h>

enum { MOST_STRINGS = 32 };

typedef struct open_string {
    gr_token quote;
    int depth; /* of braces inside the present interpolation */
    bool one_line;
} open_string;

typedef struct scanner {
    gr_typed *typed;
    gr_lexer lexer;
    gr_buffer text;
    open_string open[MOST_STRINGS];
    int count;
} scanner;

static bool push(gr_typed *t, gr_typed_token token) {
    if (t->count == t->room) {
        uint32_t room = t->room ? 2 * t->room : 64;
        size_t old = t->room * sizeof token, bytes = room * sizeof token;
        gr_typed_token *more = t->tokens ? ad_mem_resize(t->ctx, t->tokens, old, bytes)
                                         : ad_mem_get(t->ctx, bytes);
        if (!more) return false;
        t->tokens = more;
        t->room = room;
    }
    t->tokens[t->count++] = token;
    return true;
}

/* The text of the innermost string from `begin` on, up to its end or its next brace. */
static bool take_piece(scanner *s, uint32_t begin) {
    open_string *string = &s->open[s->count - 1];
    uint32_t from = s->lexer.at;
    s->lexer.one_line = string->one_line;
    s->text.size = 0;
    gr_piece_end end = gr_lexer_string(&s->lexer, &string->quote, &s->text);
    string->depth = 0;
    if (end == GR_PIECE_BRACE) s->lexer.one_line |= !string->quote.triple;
    else s->count--;
    if (end == GR_PIECE_BROKEN && s->lexer.at >= s->lexer.end) {
        s->typed->string_begin = from + 1;
        s->typed->raw_string = string->quote.raw;
        s->typed->triple_string = string->quote.triple;
    }
    return push(s->typed, (gr_typed_token){.kind = GR_TYPED_TEXT, .span = {begin, s->lexer.at}});
}

static bool take(scanner *s, const gr_token *token) {
    open_string *inner = s->count ? &s->open[s->count - 1] : NULL;
    if (token->kind == GR_T_QUOTE) {
        if (s->count == MOST_STRINGS) return false;
        s->open[s->count++] = (open_string){.quote = *token, .one_line = s->lexer.one_line};
        return take_piece(s, token->span.begin);
    }
    if (inner && token->kind == GR_T_LBRACE) inner->depth++;
    if (inner && token->kind == GR_T_RBRACE && inner->depth-- == 0)
        return take_piece(s, token->span.begin);
    if (inner && token->kind == GR_T_COLON && inner->depth == 0) {
        s->text.size = 0;
        return gr_lexer_format(&s->lexer, &s->text) && take_piece(s, token->span.begin);
    }
    if (token->kind == GR_T_NEWLINE) { /* in the braces of a string that had to end on its line */
        s->count = 0;
        s->lexer.one_line = false;
        s->lexer.at = token->span.end;
        return true;
    }
    return push(s->typed, (gr_typed_token){.kind = token->kind,
                                           .blank_before = token->blank_before,
                                           .line_start = token->line_start,
                                           .span = token->span});
}

/* Comments are put where they stand between the tokens. */
static void merge_comments(gr_typed *t, const gr_lexer *lexer) {
    uint32_t tokens = t->count, comments = lexer->comment_count;
    for (uint32_t i = 0; i < comments; i++)
        if (!push(t, (gr_typed_token){.kind = GR_TYPED_COMMENT, .span = lexer->comments[i]})) return;
    uint32_t end = t->count;
    while (comments > 0) {
        const gr_span *last = &lexer->comments[comments - 1];
        if (tokens > 0 && t->tokens[tokens - 1].span.begin > last->begin) {
            t->tokens[--end] = t->tokens[--tokens];
        } else {
            t->tokens[--end] = (gr_typed_token){.kind = GR_TYPED_COMMENT, .span = *last};
            comments--;
        }
    }
}

static bool fits(uint8_t open, uint8_t close) {
    return (open == GR_T_LPAREN && close == GR_T_RPAREN) ||
           (open == GR_T_LBRACKET && close == GR_T_RBRACKET) ||
           (open == GR_T_LBRACE && close == GR_T_RBRACE);
}

/* While it is open, a bracket's partner is the one outside it. */
static void pair_brackets(gr_typed *t) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        gr_typed_token *token = &t->tokens[i];
        if (gr_opens(token->kind)) {
            token->partner = open;
            open = i + 1;
        } else if (gr_closes(token->kind) && open && fits(t->tokens[open - 1].kind, token->kind)) {
            uint32_t outer = t->tokens[open - 1].partner;
            t->tokens[open - 1].partner = i + 1;
            token->partner = open;
            open = outer;
        }
    }
    while (open) {
        uint32_t outer = t->tokens[open - 1].partner;
        t->tokens[open - 1].partner = 0;
        open = outer;
    }
}

uint32_t gr_typed_open(const gr_typed *t, uint32_t count) {
    for (uint32_t i = count; i-- > 0;) {
        const gr_typed_token *token = &t->tokens[i];
        if (gr_closes(token->kind) && token->partner) i = token->partner - 1;
        else if (gr_opens(token->kind)) return i;
    }
    return UINT32_MAX;
}

bool gr_typed_scan(gr_vm *vm, const char *text, size_t size, gr_typed *out) {
    *out = (gr_typed){.ctx = gr_ctx(vm)};
    scanner s = {.typed = out};
    if (gr_source_new(out->ctx, "", text, size, &out->source) != GR_SOURCE_OK) return false;
    gr_report_init(&out->report, out->ctx);
    gr_buffer_init(&s.text, out->ctx);
    bool ok = gr_lexer_init(&s.lexer, vm->library->lexicon, out->source, &out->report);
    bool goes_on = ok;
    while (goes_on) {
        gr_token token = gr_lexer_next(&s.lexer, false);
        if (token.kind == GR_T_END) break;
        goes_on = take(&s, &token);
    }
    if (ok) merge_comments(out, &s.lexer);
    if (ok) pair_brackets(out);
    if (out->count && out->tokens[out->count - 1].kind == GR_TYPED_COMMENT)
        out->in_comment = out->tokens[out->count - 1].span.end == size;
    gr_lexer_free(&s.lexer);
    gr_buffer_free(&s.text);
    if (!ok) gr_typed_free(out);
    return ok;
}

void gr_typed_free(gr_typed *t) {
    if (t->tokens) ad_mem_put(t->ctx, t->tokens, t->room * sizeof *t->tokens);
    t->tokens = NULL;
    gr_report_clear(&t->report);
    gr_source_free(t->source);
    t->source = NULL;
}

size_t gr_typed_command(const char *text, size_t size, size_t *begin) {
    size_t at = 0, end;
    while (at < size && strchr(" \t\r\n", text[at])) at++;
    *begin = end = at;
    if (end < size && text[end] == '?') {
        while (end < size && end < at + 2 && text[end] == '?') end++;
    } else if (end < size && text[end] == ':') {
        while (end < size && !strchr(" \t\r\n", text[end])) end++;
    }
    return end - at;
}

/* A `##` line waits for what it documents; a blank line after it ends the wait. */
static bool ends_in_documentation(const char *text, size_t size) {
    size_t begin = size;
    while (begin > 0 && text[begin - 1] != '\n') begin--;
    while (begin < size && text[begin] == ' ') begin++;
    return size - begin >= 2 && memcmp(text + begin, "##", 2) == 0;
}

bool gr_is_incomplete(const gr_assist *assist, const char *text, size_t size) {
    gr_vm *vm = assist->vm;
    size_t begin;
    if (gr_typed_command(text, size, &begin)) return false;
    if (ends_in_documentation(text, size)) return true;
    gr_source *source = NULL;
    gr_report report;
    gr_ast *ast = NULL;
    if (gr_source_new(gr_ctx(vm), "", text, size, &source) != GR_SOURCE_OK) return false;
    gr_report_init(&report, gr_ctx(vm));
    gr_parse_status status =
        gr_parse(vm->library->lexicon, source, GR_PARSE_PROMPT, &report, &ast);
    if (status == GR_PARSE_OK) gr_ast_free(ast);
    gr_report_clear(&report);
    gr_source_free(source);
    return status == GR_PARSE_INCOMPLETE;
}
