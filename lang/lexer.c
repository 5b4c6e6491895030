/* SPDX-License-Identifier: MIT */
/*
 * The rows of tokens.def become one expression, (?:row)(*:NN)|(?:row)(*:NN)|…, anchored and in UTF
 * mode from the start (anchoring at match time would switch the JIT off), and the mark of a match
 * is the kind. A source is validated once, so that no match checks it again.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lexicon.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

struct gr_lexicon {
    ad_ctx *ctx;
    gr_names *names;
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_data *match;
    bool jit;
};

static const struct {
    const char *name, *pattern, *shown;
} rows[] = {
    {"END", NULL, "the end of the input"},
    {"ERROR", NULL, "this"},
#define GR_TOKEN(kind, pattern, shown) {#kind, pattern, shown},
#define GR_WORD(kind, text) {#kind, NULL, "`" text "`"},
#include "tokens.def"
#undef GR_TOKEN
#undef GR_WORD
};

const char *gr_token_kind_name(gr_token_kind kind) {
    return kind < GR_TOKEN_KINDS ? rows[kind].name : "?";
}

const char *gr_token_shown(gr_token_kind kind) {
    return kind < GR_TOKEN_KINDS ? rows[kind].shown : "?";
}

/* ---- the expression ----------------------------------------------------------------------- */

/* PCRE2 frees without a size, the pools want one: it stands before the block. */
enum { HEAD = 16 };

static void *pcre_get(size_t size, void *ctx) {
    char *block = ad_mem_get(ctx, size + HEAD);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + HEAD;
}

static void pcre_put(void *pointer, void *ctx) {
    if (!pointer) return;
    char *block = (char *)pointer - HEAD;
    size_t size;
    memcpy(&size, block, sizeof size);
    ad_mem_put(ctx, block, size + HEAD);
}

static void write_expression(gr_buffer *out) {
    for (int kind = 0; kind < GR_TOKEN_KINDS; kind++) {
        if (!rows[kind].pattern) continue;
        gr_buffer_printf(out, "%s(?:%s)(*:%02d)", out->size ? "|" : "", rows[kind].pattern, kind);
    }
}

static bool compile(gr_lexicon *lexicon) {
    gr_buffer text;
    gr_buffer_init(&text, lexicon->ctx);
    write_expression(&text);
    pcre2_compile_context *context = pcre2_compile_context_create(lexicon->general);
    if (context && !text.failed) {
        int error;
        PCRE2_SIZE where;
        lexicon->code =
            pcre2_compile((PCRE2_SPTR)text.text, text.size,
                          PCRE2_UTF | PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, &error, &where, context);
    }
    pcre2_compile_context_free(context);
    gr_buffer_free(&text);
    if (!lexicon->code) return false;
    lexicon->jit = pcre2_jit_compile(lexicon->code, PCRE2_JIT_COMPLETE) == 0;
    lexicon->match = pcre2_match_data_create(1, lexicon->general);
    return lexicon->match;
}

gr_lexicon *gr_lexicon_new(ad_ctx *ctx, gr_names *names) {
    gr_lexicon *lexicon = ad_mem_get(ctx, sizeof *lexicon);
    if (!lexicon) return NULL;
    *lexicon = (gr_lexicon){.ctx = ctx, .names = names};
    lexicon->general = pcre2_general_context_create(pcre_get, pcre_put, ctx);
    if (!lexicon->general || !compile(lexicon)) {
        gr_lexicon_free(lexicon);
        return NULL;
    }
    return lexicon;
}

void gr_lexicon_free(gr_lexicon *lexicon) {
    if (!lexicon) return;
    pcre2_match_data_free(lexicon->match);
    pcre2_code_free(lexicon->code);
    pcre2_general_context_free(lexicon->general);
    ad_mem_put(lexicon->ctx, lexicon, sizeof *lexicon);
}

ad_ctx *gr_lexicon_ctx(const gr_lexicon *lexicon) { return lexicon->ctx; }
gr_names *gr_lexicon_names(const gr_lexicon *lexicon) { return lexicon->names; }

/* The kind of what stands at the lexer's place, and where it ends. */
static gr_token_kind match(gr_lexer *lexer, uint32_t *end) {
    gr_lexicon *lexicon = lexer->lexicon;
    PCRE2_SPTR text = (PCRE2_SPTR)lexer->source->text;
    int found = lexicon->jit ? pcre2_jit_match(lexicon->code, text, lexer->end, lexer->at,
                                               PCRE2_NO_UTF_CHECK, lexicon->match, NULL)
                             : pcre2_match(lexicon->code, text, lexer->end, lexer->at,
                                           PCRE2_NO_UTF_CHECK, lexicon->match, NULL);
    PCRE2_SPTR mark = found > 0 ? pcre2_get_mark(lexicon->match) : NULL;
    if (!mark) {
        *end = lexer->at + 1;
        return GR_T_ERROR;
    }
    *end = (uint32_t)pcre2_get_ovector_pointer(lexicon->match)[1];
    return (gr_token_kind)((mark[0] - '0') * 10 + (mark[1] - '0'));
}

/* ---- the lexer ---------------------------------------------------------------------------- */

gr_diagnostic *gr_lexer_error(gr_lexer *lexer, gr_diagnostic_id id, gr_span span,
                              const char *format, ...) {
    if (lexer->quiet) return NULL;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return gr_diag_error(lexer->report, id, lexer->source, span, "%s", text);
}

static void report_invalid(gr_lexer *lexer, size_t at) {
    const gr_source *source = lexer->source;
    gr_span span = {(uint32_t)at, (uint32_t)at + 1};
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_invalid_utf8, span,
                                      "the source is not UTF-8 at byte offset %zu", at);
    gr_diag_label(d, "byte 0x%02X", (unsigned char)source->text[at]);
    bool utf16 = at == 0 && source->size >= 2 &&
                 (!memcmp(source->text, "\xff\xfe", 2) || !memcmp(source->text, "\xfe\xff", 2));
    if (utf16) gr_diag_note(d, "it begins like UTF-16");
    gr_diag_help(d, "save the file as UTF-8");
}

bool gr_lexer_init(gr_lexer *lexer, gr_lexicon *lexicon, const gr_source *source,
                   gr_report *report) {
    *lexer =
        (gr_lexer){.lexicon = lexicon, .source = source, .report = report, .end = source->size};
    size_t invalid = gr_invalid_utf8(source->text, source->size);
    if (invalid < source->size) {
        report_invalid(lexer, invalid);
        return false;
    }
    if (source->size >= 3 && !memcmp(source->text, "\xef\xbb\xbf", 3)) lexer->at = 3;
    if (source->size >= lexer->at + 2 && !memcmp(source->text + lexer->at, "#!", 2)) {
        const char *end = memchr(source->text, '\n', source->size);
        lexer->at = end ? (uint32_t)(end - source->text) : source->size;
        lexer->shebang = true;
    }
    return true;
}

void gr_lexer_free(gr_lexer *lexer) {
    if (!lexer->comments) return;
    ad_mem_put(lexer->lexicon->ctx, lexer->comments, lexer->comment_room * sizeof(gr_span));
    lexer->comments = NULL;
}

static void remember_comment(gr_lexer *lexer, uint32_t end) {
    if (lexer->quiet) return;
    if (lexer->comment_count == lexer->comment_room) {
        uint32_t room = lexer->comment_room ? 2 * lexer->comment_room : 32;
        ad_ctx *ctx = lexer->lexicon->ctx;
        size_t bytes = room * sizeof(gr_span);
        gr_span *more =
            lexer->comments
                ? ad_mem_resize(ctx, lexer->comments, lexer->comment_room * sizeof(gr_span), bytes)
                : ad_mem_get(ctx, bytes);
        if (!more) {
            lexer->report->out_of_memory = true;
            return;
        }
        lexer->comments = more;
        lexer->comment_room = room;
    }
    if (end > lexer->at && lexer->source->text[end - 1] == '\r') end--;
    lexer->comments[lexer->comment_count++] = (gr_span){lexer->at, end};
}

static void foreign_comment(gr_lexer *lexer, uint32_t begin) {
    const char *text = lexer->source->text;
    uint32_t at = begin + 2;
    while (at + 1 < lexer->end && !(text[at] == '*' && text[at + 1] == '/')) at++;
    bool closed = at + 1 < lexer->end;
    lexer->at = closed ? at + 2 : lexer->end;
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_foreign_habit, (gr_span){begin, begin + 2},
                                      "`/*` does not begin a comment");
    gr_diag_label(d, "comments begin with `#` and end with their line");
    gr_diag_help(d, "begin each line of the comment with `#`");
}

/* Passes blanks, comments and newlines; the kind of the token behind them and its end. */
static gr_token_kind pass_blanks(gr_lexer *lexer, gr_token *token, uint32_t *end) {
    bool newline = false;
    while (lexer->at < lexer->end) {
        gr_token_kind kind = match(lexer, end);
        if (kind == GR_T_C_COMMENT) {
            foreign_comment(lexer, lexer->at);
            continue;
        }
        if (kind == GR_T_NEWLINE && lexer->one_line) return kind;
        if (kind == GR_T_COMMENT)
            remember_comment(lexer, *end);
        else if (kind == GR_T_NEWLINE)
            newline = true;
        else if (kind != GR_T_SPACE) {
            token->newline_before = newline;
            return kind;
        }
        token->blank_before = true;
        lexer->at = *end;
    }
    token->newline_before = newline;
    *end = lexer->at;
    return GR_T_END;
}

/* A prime stands directly behind a name, a closing bracket or another prime. */
static bool prime_can_stand(const gr_lexer *lexer, const gr_token *token) {
    if (token->blank_before) return false;
    uint8_t p = lexer->previous;
    return p == GR_T_NAME || p == GR_T_RPAREN || p == GR_T_RBRACKET || p == GR_T_PRIME ||
           p >= GR_T_FN;
}

static double superscript_value(const char *text, uint32_t size) {
    double value = 0, sign = 1;
    for (uint32_t i = 0; i < size;) {
        unsigned char c = (unsigned char)text[i];
        unsigned char last = (unsigned char)text[i + (c == 0xC2 ? 1 : 2)];
        if (c == 0xC2)
            value = value * 10 + (last == 0xB9 ? 1 : last - 0xB0);
        else if (last == 0xBB)
            sign = -1;
        else
            value = value * 10 + (last - 0xB0);
        i += c == 0xC2 ? 2 : 3;
    }
    return sign * value;
}

static bool is_blank_at(const gr_lexer *lexer, uint32_t at) {
    return at >= lexer->end || strchr(" \t\r\n", lexer->source->text[at]) ||
           !strncmp(lexer->source->text + at, "\xc2\xa0", 2);
}

static void complete(gr_lexer *lexer, gr_token *token) {
    const char *text = lexer->source->text + token->span.begin;
    uint32_t size = token->span.end - token->span.begin;
    switch (token->kind) {
    case GR_T_NAME:
        token->name = gr_intern(lexer->lexicon->names, text, size);
        if (!token->name) {
            lexer->report->out_of_memory = true;
            token->kind = GR_T_ERROR;
        } else if (token->name->keyword) {
            token->kind = (uint8_t)token->name->keyword;
        }
        break;
    case GR_T_NUMBER: gr_lexer_number(lexer, token); break;
    case GR_T_SUPERSCRIPT: token->number = superscript_value(text, size); break;
    case GR_T_MINUS: token->blank_after = is_blank_at(lexer, token->span.end); break;
    case GR_T_RAW:
        token->kind = GR_T_QUOTE;
        token->raw = true;
        token->triple = size == 4;
        break;
    case GR_T_QUOTE: token->triple = size == 3; break;
    case GR_T_PRIME:
        if (!prime_can_stand(lexer, token)) gr_lexer_foreign_quote(lexer, token);
        break;
    case GR_T_ODD: gr_lexer_odd(lexer, token); break;
    default: break;
    }
}

gr_token gr_lexer_next(gr_lexer *lexer, bool newlines) {
    gr_token token = {.blank_before = lexer->at == 0};
    uint32_t end = lexer->at;
    token.kind = (uint8_t)pass_blanks(lexer, &token, &end);
    token.line_start = token.newline_before;
    token.newline_before = token.line_start && newlines;
    token.span = (gr_span){lexer->at, end};
    if (token.kind == GR_T_NEWLINE) return token;
    complete(lexer, &token);
    lexer->at = token.span.end;
    lexer->previous = token.kind;
    return token;
}
