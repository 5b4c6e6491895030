/* SPDX-License-Identifier: MIT */
/*
 * The dim line behind what is being typed. An unfinished text is made whole by closing its brackets,
 * if need be without the operator it ends with; where its whole says nothing, the innermost bracket
 * may.
 */
#include "guess.h"

#include "parser.h"

#include <stdio.h>
#include <string.h>

/* ---- how a guess is written ------------------------------------------------------------------- */

static void put_dims(gr_buffer *out, const ad_type *t) {
    char text[160];
    gr_buffer_puts(out, ad_shape_text(t->rank, t->dims, text, sizeof text));
    if (t->dtype != AD_F64) gr_buffer_printf(out, " %s", ad_dtype_name((ad_dtype)t->dtype));
}

enum { MOST_WRITTEN = 8, MOST_NESTED = 4 };

/* False: something in it is not known. */
static bool put_guess(gr_guesser *g, gr_buffer *out, const gr_guess *x, int depth) {
    if (x->kind == GR_G_NUMERIC) {
        if (x->type.rank) put_dims(out, &x->type);
        else gr_buffer_puts(out, x->type.dtype == AD_BOOL8 ? "bool" : "number");
        return true;
    }
    if (!gr_guess_is_structure(x) || depth == MOST_NESTED) return false;
    gr_guess like = gr_guess_like(g, x);
    if (like.kind != GR_G_ITEMS) return false;
    gr_buffer_puts(out, like.names ? "{" : "(");
    for (uint32_t i = 0; i < like.count; i++) {
        if (i) gr_buffer_puts(out, ", ");
        if (i == MOST_WRITTEN) {
            gr_buffer_puts(out, "…");
            break;
        }
        if (like.names) gr_buffer_printf(out, "%s: ", like.names[i]->text);
        if (!put_guess(g, out, &like.items[i], depth + 1)) return false;
    }
    gr_buffer_puts(out, like.names ? "}" : like.count == 1 ? ",)" : ")");
    return true;
}

/* ---- from a text to a guess ------------------------------------------------------------------- */

/* Text that parses: what is typed up to `end`, its open brackets closed. */
static const gr_ast *parse_closed(gr_guesser *g, const gr_typed *t, size_t begin, uint32_t tokens,
                                  unsigned flags) {
    gr_buffer text;
    size_t end = tokens ? t->tokens[tokens - 1].span.end : 0;
    if (end <= begin) return NULL;
    gr_buffer_init(&text, t->ctx);
    gr_buffer_put(&text, t->source->text + begin, end - begin);
    g->unclosed = false;
    for (uint32_t i = tokens; i-- > 0 && t->tokens[i].span.begin >= begin;) {
        const gr_typed_token *token = &t->tokens[i];
        g->unclosed |= token->kind == GR_T_LBRACE;
        if (gr_closes(token->kind) && token->partner) i = token->partner - 1;
        else if (gr_opens(token->kind))
            gr_buffer_puts(&text, token->kind == GR_T_LPAREN     ? ")"
                                  : token->kind == GR_T_LBRACKET ? "]"
                                                                 : "\n}");
    }
    const gr_ast *ast = text.failed ? NULL : gr_guess_parse(g, text.text, text.size, flags);
    gr_buffer_free(&text);
    return ast;
}

/* An operator, a comma or an open bracket at the end does not count yet. */
static bool is_pending(uint8_t kind) {
    return gr_opens(kind) || kind == GR_T_COMMA || kind == GR_T_PLUS || kind == GR_T_MINUS ||
           kind == GR_T_STAR || kind == GR_T_SLASH || kind == GR_T_AT || kind == GR_T_CARET ||
           kind == GR_T_PERCENT || kind == GR_T_PIPE;
}

static gr_guess guess_text(gr_guesser *g, const gr_typed *t, size_t begin) {
    enum { MOST_DROPPED = 3 };
    gr_guess_scope scope = {.room = GR_IN_MAIN};
    uint32_t tokens = t->count;
    unsigned flags = begin ? 0 : GR_PARSE_PROMPT;
    for (int i = 0; i < MOST_DROPPED && tokens > 0; i++) {
        const gr_ast *ast = parse_closed(g, t, begin, tokens, flags);
        if (ast) {
            gr_guess x = gr_guess_end(g, &scope, ast->root);
            return g->tainted ? gr_unknown() : x;
        }
        if (!is_pending(t->tokens[tokens - 1].kind)) break;
        tokens--;
    }
    return gr_unknown();
}

/* Where the last item of the innermost open bracket begins; 0: none is open. */
static size_t innermost(const gr_typed *t) {
    uint32_t open = gr_typed_open(t, t->count), first = open + 1;
    if (open == UINT32_MAX || t->tokens[open].kind == GR_T_LBRACE) return 0;
    for (uint32_t i = t->count; i-- > first;) {
        if (gr_closes(t->tokens[i].kind) && t->tokens[i].partner) i = t->tokens[i].partner - 1;
        else if (t->tokens[i].kind == GR_T_COMMA) {
            first = i + 1;
            break;
        }
    }
    if (first + 1 < t->count && t->tokens[first + 1].kind == GR_T_ASSIGN) first += 2;
    return first < t->count ? t->tokens[first].span.begin : 0;
}

/* One try; true: something was written. */
static bool try_hint(const gr_assist *assist, const gr_typed *t, size_t begin, gr_buffer *out,
                     bool *conflict) {
    gr_guesser g;
    size_t before = out->size;
    gr_guesser_open(&g, assist->vm);
    gr_guess x = guess_text(&g, t, begin);
    *conflict = g.has_conflict;
    if (g.has_conflict) gr_buffer_printf(out, "✗ %s", g.conflict);
    else if (g.saw_tensor) {
        gr_buffer_puts(out, "→ ");
        if (!put_guess(&g, out, &x, 0)) out->size = before;
    }
    gr_guesser_close(&g);
    return out->size > before;
}

/* The line at the end has nothing yet: what stands above it was hinted at there. */
static bool ends_blank(const char *text, size_t size) {
    while (size > 0 && text[size - 1] == ' ') size--;
    return size == 0 || text[size - 1] == '\n';
}

bool gr_shape_hint(const gr_assist *assist, const char *text, size_t size, gr_buffer *out) {
    gr_typed t;
    size_t begin;
    bool conflict = false;
    if (ends_blank(text, size) || gr_typed_command(text, size, &begin) ||
        !gr_typed_scan(assist->vm, text, size, &t))
        return false;
    if (!t.string_begin && !t.in_comment && !try_hint(assist, &t, 0, out, &conflict)) {
        begin = innermost(&t);
        if (begin) try_hint(assist, &t, begin, out, &conflict);
    }
    if (out->text) out->text[out->size] = '\0';
    gr_typed_free(&t);
    return conflict;
}
