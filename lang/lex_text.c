/* SPDX-License-Identifier: MIT */
/*
 * What the lexer reads by hand: strings piece by piece, the value of numbers, and the characters
 * that no row of the table begins with, each with the ASCII twin that was probably meant.
 */
#include "lexicon.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- UTF-8 -------------------------------------------------------------------------------- */

size_t gr_invalid_utf8(const char *text, size_t size) {
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= 8) {
            memcpy(&eight, text + at, 8);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                at += 8;
                continue;
            }
        }
        if ((unsigned char)text[at] < 128) {
            at++;
            continue;
        }
        utf8proc_int32_t c;
        size_t left = size - at < 4 ? size - at : 4;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)left, &c);
        if (n <= 0) return at;
        at += (size_t)n;
    }
    return size;
}

int gr_put_utf8(uint32_t c, char out[4]) {
    return (int)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)out);
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* Underscores stand between digits only. */
static bool underscores_fit(const char *text, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        if (text[i] != '_') continue;
        if (i == 0 || i + 1 == size) return false;
        if (!isdigit((unsigned char)text[i - 1]) || !isdigit((unsigned char)text[i + 1])) {
            return false;
        }
    }
    return true;
}

/* Digits without underscores, U+2212 as `-`. */
static void plain_digits(const char *text, uint32_t size, gr_buffer *out) {
    for (uint32_t i = 0; i < size; i++) {
        if (text[i] == '_') continue;
        if ((unsigned char)text[i] == 0xE2) {
            gr_buffer_put(out, "-", 1);
            i += 2;
        } else {
            gr_buffer_put(out, &text[i], 1);
        }
    }
}

static double number_value(gr_lexer *lexer, const char *text, uint32_t size) {
    double value = 0;
    uint32_t i = 0;
    while (i < size && i < 15 && isdigit((unsigned char)text[i]))
        value = value * 10 + (text[i++] - '0');
    if (i == size) return value; /* at most 15 digits are exact */
    gr_buffer digits;
    gr_buffer_init(&digits, gr_lexicon_ctx(lexer->lexicon));
    plain_digits(text, size, &digits);
    if (digits.failed)
        lexer->report->out_of_memory = true;
    else
        value = strtod(digits.text, NULL);
    gr_buffer_free(&digits);
    return value;
}

static bool is_word_byte(unsigned char c) { return isalnum(c) || c == '_' || c >= 128; }

/* 0x1F, 0b101, 0o17: their value, or -1. */
static double based_value(const char *text, uint32_t size) {
    int base = tolower((unsigned char)text[1]) == 'x'   ? 16
               : tolower((unsigned char)text[1]) == 'b' ? 2
                                                        : 8;
    double value = 0;
    if (size < 3) return -1;
    for (uint32_t i = 2; i < size; i++) {
        if (text[i] == '_') continue;
        int c = tolower((unsigned char)text[i]);
        int digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit >= base) return -1;
        value = value * base + digit;
    }
    return value < 9007199254740992.0 ? value : -1;
}

static bool based_number(gr_lexer *lexer, gr_token *token) {
    const char *text = lexer->source->text + token->span.begin;
    uint32_t size = token->span.end - token->span.begin, left = lexer->end - token->span.begin;
    if (size != 1 || text[0] != '0' || left < 3 || !strchr("xXbBoO", text[1])) return false;
    uint32_t end = 2;
    while (end < left && is_word_byte((unsigned char)text[end])) end++;
    double value = based_value(text, end);
    if (value < 0) return false;
    token->span.end = token->span.begin + end;
    token->number = value;
    gr_diagnostic *d =
        gr_lexer_error(lexer, GR_E_malformed_number, token->span, "numbers are written in decimal");
    gr_diag_help(d, "write `%.0f`", value);
    return true;
}

/* `1.` is no number, since `1..3` is a range; nor are 1e and 1e+. */
static bool open_ended(gr_lexer *lexer, gr_token *token) {
    const char *text = lexer->source->text;
    uint32_t begin = token->span.begin, end = token->span.end;
    int size = (int)(end - begin);
    char next = end < lexer->end ? text[end] : '\0';
    char after = end + 1 < lexer->end ? text[end + 1] : '\0';
    bool whole = !memchr(text + begin, '.', (size_t)size);
    bool exponent = (after == 'e' || after == 'E') && end + 2 < lexer->end &&
                    (isdigit((unsigned char)text[end + 2]) || text[end + 2] == '-');
    if (next == '.' && whole && after != '.' && (exponent || !is_word_byte((unsigned char)after))) {
        token->span.end++;
        gr_diagnostic *d = gr_lexer_error(lexer, GR_E_malformed_number, token->span,
                                          "a number does not end with a dot");
        gr_diag_label(d, "digits must follow, since `1..3` is a range");
        if (size < 40) gr_diag_help(d, "write `%.*s.0`", size, text + begin);
        if (exponent) {
            token->span.end++;
            while (token->span.end < lexer->end && strchr("-0123456789", text[token->span.end])) {
                token->span.end++;
            }
        }
        return true;
    }
    bool bare = (next == 'e' || next == 'E') && !is_word_byte((unsigned char)after);
    if (!bare ||
        (after != '+' && after != '-' && after != '\0' && !isspace((unsigned char)after))) {
        return false;
    }
    token->span.end++;
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_malformed_number, token->span,
                                      "the exponent of this number is missing");
    gr_diag_help(d, "write digits behind the `%c`, as in `1e-3`", next);
    return true;
}

void gr_lexer_number(gr_lexer *lexer, gr_token *token) {
    const char *text = lexer->source->text + token->span.begin;
    uint32_t size = token->span.end - token->span.begin;
    if (based_number(lexer, token) || open_ended(lexer, token)) return;
    token->number = number_value(lexer, text, size);
    if (!underscores_fit(text, size)) {
        gr_diagnostic *d = gr_lexer_error(lexer, GR_E_malformed_number, token->span,
                                          "an underscore in a number stands between two digits");
        gr_diag_help(d, "write it as in `1_000_000`");
    } else if (isinf(token->number)) {
        gr_diagnostic *d = gr_lexer_error(lexer, GR_E_malformed_number, token->span,
                                          "this number is larger than any that can be represented");
        gr_diag_label(d, "the largest is 1.7976931348623157e308");
        gr_diag_help(d, "write `inf` for infinity");
    }
}

/* ---- strings ------------------------------------------------------------------------------ */

static void bad_escape(gr_lexer *lexer, uint32_t begin, uint32_t end, const char *why) {
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_bad_escape, (gr_span){begin, end}, "%s", why);
    gr_diag_note(d, "the escapes are \\n \\t \\\" \\\\ \\{ \\} and \\u{1F600}");
    gr_diag_help(d, "write `\\\\` for a backslash, or a raw string r\"...\" in which nothing is "
                    "special");
}

/* Behind \u: {1F600}. */
static void unicode_escape(gr_lexer *lexer, uint32_t begin, gr_buffer *out) {
    const char *text = lexer->source->text;
    uint32_t at = begin + 2, value = 0;
    int digits = 0;
    bool open = at < lexer->end && text[at] == '{';
    if (open) at++;
    while (open && at < lexer->end && isxdigit((unsigned char)text[at]) && digits < 7) {
        int c = tolower((unsigned char)text[at++]);
        value = value * 16 + (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
        digits++;
    }
    bool closed = open && digits && at < lexer->end && text[at] == '}';
    if (closed) at++;
    bool valid = closed && value <= 0x10FFFF && !(value >= 0xD800 && value < 0xE000);
    if (!valid) {
        bad_escape(lexer, begin, at,
                   closed ? "there is no character with this number"
                          : "`\\u` is followed by hexadecimal digits in braces");
    } else {
        char bytes[4];
        gr_buffer_put(out, bytes, (size_t)gr_put_utf8(value, bytes));
    }
    lexer->at = at;
}

static void escape(gr_lexer *lexer, gr_buffer *out) {
    const char *text = lexer->source->text;
    uint32_t begin = lexer->at, after = begin + 1;
    char c = after < lexer->end ? text[after] : '\0';
    lexer->at = after < lexer->end ? after + 1 : after;
    switch (c) {
    case 'n': gr_buffer_put(out, "\n", 1); break;
    case 't': gr_buffer_put(out, "\t", 1); break;
    case '"':
    case '\\':
    case '{':
    case '}': gr_buffer_put(out, &c, 1); break;
    case 'u': unicode_escape(lexer, begin, out); break;
    default:
        if (c == '\n' || c == '\0') lexer->at = after;
        while (lexer->at < lexer->end && ((unsigned char)text[lexer->at] & 0xC0) == 0x80)
            lexer->at++;
        bad_escape(lexer, begin, lexer->at, "there is no such escape in a string");
    }
}

static bool is_special(const gr_token *quote, char c) {
    if (c == '"') return true;
    if (c == '\n' && !quote->triple) return true;
    if (c == '\r' && quote->triple) return true;
    return !quote->raw && (c == '\\' || c == '{');
}

static gr_piece_end unclosed(gr_lexer *lexer, const gr_token *quote) {
    uint32_t end = lexer->at;
    if (end > quote->span.end && lexer->source->text[end - 1] == '\r') end--;
    gr_span span = {quote->span.begin, end > quote->span.end ? end : quote->span.end};
    gr_diagnostic *d =
        gr_lexer_error(lexer, GR_E_unclosed_string, span, "this string does not end on its line");
    gr_diag_label(d, lexer->one_line ? "it begins here, in the braces of another" : "it begins here");
    if (lexer->one_line) gr_diag_help(d, "write `\\{` for a brace itself");
    else gr_diag_help(d, "close it with `\"`, or write it between `\"\"\"` to go over several lines");
    return GR_PIECE_BROKEN;
}

static bool closes(const gr_lexer *lexer, const gr_token *quote) {
    const char *text = lexer->source->text + lexer->at;
    return !quote->triple || (lexer->end - lexer->at >= 3 && text[1] == '"' && text[2] == '"');
}

/* One special character; true where the piece ends with it. */
static bool take_special(gr_lexer *lexer, const gr_token *quote, gr_buffer *out,
                         gr_piece_end *end) {
    const char *text = lexer->source->text;
    char c = text[lexer->at];
    if (c == '"' && closes(lexer, quote)) {
        lexer->at += quote->triple ? 3 : 1;
        *end = GR_PIECE_QUOTE;
        return true;
    }
    if (c == '{') {
        lexer->at++;
        *end = GR_PIECE_BRACE;
        return true;
    }
    if (c == '\n') {
        *end = unclosed(lexer, quote);
        return true;
    }
    if (c == '\\') {
        escape(lexer, out);
        return false;
    }
    bool line_end = c == '\r' && lexer->at + 1 < lexer->end && text[lexer->at + 1] == '\n';
    if (!line_end) gr_buffer_put(out, &c, 1);
    lexer->at++;
    return false;
}

gr_piece_end gr_lexer_string(gr_lexer *lexer, const gr_token *quote, gr_buffer *out) {
    const char *text = lexer->source->text;
    gr_piece_end end = GR_PIECE_BROKEN;
    lexer->previous = GR_T_QUOTE;
    for (;;) {
        uint32_t begin = lexer->at;
        while (lexer->at < lexer->end && !is_special(quote, text[lexer->at])) lexer->at++;
        gr_buffer_put(out, text + begin, lexer->at - begin);
        if (lexer->at >= lexer->end) break;
        if (take_special(lexer, quote, out, &end)) return end;
    }
    return quote->triple ? GR_PIECE_BROKEN : unclosed(lexer, quote);
}

/* printf-style without the %: flags, width, precision, conversion. */
static bool format_fits(const char *text, size_t size) {
    size_t i = 0, digits = 0;
    while (i < size && strchr("-+ #0", text[i])) i++;
    while (i < size && isdigit((unsigned char)text[i]) && digits++ < 3) i++;
    if (i < size && text[i] == '.') {
        i++;
        for (digits = 0; i < size && isdigit((unsigned char)text[i]) && digits++ < 3;) i++;
    }
    return i + 1 == size && text[i] && strchr("deEfFgGoxXs", text[i]);
}

bool gr_lexer_format(gr_lexer *lexer, gr_buffer *out) {
    const char *text = lexer->source->text;
    uint32_t begin = lexer->at;
    while (lexer->at < lexer->end && !strchr("}\"\n", text[lexer->at])) lexer->at++;
    gr_span span = {begin, lexer->at};
    bool closed = lexer->at < lexer->end && text[lexer->at] == '}';
    if (closed) lexer->at++;
    if (!closed || !format_fits(text + begin, span.end - span.begin)) {
        if (span.end == span.begin) span.end++;
        gr_diagnostic *d = gr_lexer_error(lexer, GR_E_bad_interpolation, span,
                                          "this is not a format for a number or a string");
        gr_diag_label(d, "printf's, without the `%%`");
        gr_diag_help(d, "write `.3f`, `8.2e`, `g` or `6d` for numbers, `10s` for strings");
        return closed;
    }
    gr_buffer_put(out, text + begin, span.end - span.begin);
    return true;
}

/* ---- characters of elsewhere -------------------------------------------------------------- */

/* 'text' is another language's string: what follows is parsed as if a value stood here. */
static void quoted_text(gr_lexer *lexer, gr_token *token, const char *close, size_t close_size) {
    const char *text = lexer->source->text;
    uint32_t begin = token->span.end, at = begin;
    while (at < lexer->end && text[at] != '\n' &&
           (lexer->end - at < close_size || memcmp(text + at, close, close_size))) {
        at++;
    }
    bool closed = at < lexer->end && text[at] != '\n';
    uint32_t inner_end = at;
    if (!closed) {
        token->kind = GR_T_ERROR;
        gr_diagnostic *d = gr_lexer_error(lexer, GR_E_bad_prime, token->span,
                                          "`'` stands directly behind a name or a bracket, "
                                          "as in `f'`");
        gr_diag_note(d, "strings are written between double quotes");
        return;
    }
    token->span.end = at + (uint32_t)close_size;
    token->kind = GR_T_NIL;
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_foreign_habit, token->span,
                                      "strings are written between double quotes");
    bool plain = inner_end - begin < 60 && !memchr(text + begin, '"', inner_end - begin) &&
                 !memchr(text + begin, '\\', inner_end - begin);
    if (plain) gr_diag_help(d, "write `\"%.*s\"`", (int)(inner_end - begin), text + begin);
}

void gr_lexer_foreign_quote(gr_lexer *lexer, gr_token *token) {
    if (token->span.end - token->span.begin > 1) { /* U+2032 */
        gr_lexer_error(lexer, GR_E_bad_prime, token->span,
                       "a prime stands directly behind a name or a closing bracket");
        token->kind = GR_T_ERROR;
    } else {
        quoted_text(lexer, token, "'", 1);
    }
}

static const struct twin {
    uint32_t character;
    uint8_t kind;     /* what the parser goes on with */
    const char *name; /* of the character */
    const char *twin; /* what to write */
} twins[] = {
    {0x0D, GR_T_ERROR, "a carriage return inside a line", "a newline"},
    {0xAC, GR_T_NOT, "not sign", "`not`"},
    {0xAD, GR_T_ERROR, "soft hyphen", NULL},
    {0xB7, GR_T_STAR, "middle dot", "`*`, or `@` for a matrix product"},
    {0xD7, GR_T_STAR, "multiplication sign", "`*`, or `@` for a matrix product"},
    {0xF7, GR_T_SLASH, "division sign", "`/`"},
    {0x1D40, GR_T_ERROR, "superscript T", "`.T`"},
    {0x200B, GR_T_ERROR, "zero width space", NULL},
    {0x200C, GR_T_ERROR, "zero width non-joiner", NULL},
    {0x200D, GR_T_ERROR, "zero width joiner", NULL},
    {0x200E, GR_T_ERROR, "left-to-right mark", NULL},
    {0x200F, GR_T_ERROR, "right-to-left mark", NULL},
    {0x2013, GR_T_MINUS, "en dash", "`-`"},
    {0x2014, GR_T_MINUS, "em dash", "`-`"},
    {0x2018, GR_T_ERROR, "left single quotation mark", "`\"` around strings, `'` for a prime"},
    {0x2019, GR_T_ERROR, "right single quotation mark", "`\"` around strings, `'` for a prime"},
    {0x201C, GR_T_ERROR, "left double quotation mark", "`\"`"},
    {0x201D, GR_T_ERROR, "right double quotation mark", "`\"`"},
    {0x201E, GR_T_ERROR, "low double quotation mark", "`\"`"},
    {0x2026, GR_T_SPREAD, "horizontal ellipsis", "`...`"},
    {0x2028, GR_T_ERROR, "line separator", "a newline"},
    {0x2033, GR_T_ERROR, "double prime", "`''`"},
    {0x2044, GR_T_SLASH, "fraction slash", "`/`"},
    {0x2190, GR_T_ERROR, "leftwards arrow", "`=`"},
    {0x2192, GR_T_ARROW, "rightwards arrow", "`fn(x) = ...`"},
    {0x21A6, GR_T_ARROW, "rightwards arrow from bar", "`fn(x) = ...`"},
    {0x21D2, GR_T_ARROW, "rightwards double arrow", "`fn(x) = ...`"},
    {0x2206, GR_T_ERROR, "increment", "the letter `Δ`, or `∂` for a derivative"},
    {0x2208, GR_T_IN, "element of", "`in`"},
    {0x220F, GR_T_ERROR, "n-ary product", "`prod(x)`"},
    {0x2211, GR_T_ERROR, "n-ary summation", "`sum(x)`"},
    {0x2217, GR_T_STAR, "asterisk operator", "`*`"},
    {0x2218, GR_T_ERROR, "ring operator", "`fn(x) = f(g(x))`"},
    {0x2219, GR_T_STAR, "bullet operator", "`*`"},
    {0x221A, GR_T_ERROR, "square root", "`sqrt(x)`"},
    {0x221E, GR_T_NIL, "infinity", "`inf`"},
    {0x2227, GR_T_AND, "logical and", "`and`"},
    {0x2228, GR_T_OR, "logical or", "`or`"},
    {0x222B, GR_T_ERROR, "integral", "a sum over a `linspace`"},
    {0x2236, GR_T_COLON, "ratio", "`:`"},
    {0x223C, GR_T_ERROR, "tilde operator", "`not`"},
    {0x2248, GR_T_ERROR, "almost equal to", "`close(a, b)`"},
    {0x2261, GR_T_EQ, "identical to", "`==`"},
    {0x2297, GR_T_ERROR, "circled times", "`outer(a, b)` or `kron(a, b)`"},
    {0x2299, GR_T_STAR, "circled dot", "`*`"},
    {0x22C5, GR_T_STAR, "dot operator", "`*`, or `@` for a matrix product"},
    {0x22C6, GR_T_STAR, "star operator", "`*`"},
    {0x22EF, GR_T_SPREAD, "midline ellipsis", "`...`"},
    {0x3001, GR_T_COMMA, "ideographic comma", "`,`"},
    {0xFEFF, GR_T_ERROR, "zero width no-break space", NULL},
    {0xFF08, GR_T_LPAREN, "fullwidth parenthesis", "`(`"},
    {0xFF09, GR_T_RPAREN, "fullwidth parenthesis", "`)`"},
    {0xFF0C, GR_T_COMMA, "fullwidth comma", "`,`"},
    {0xFF1A, GR_T_COLON, "fullwidth colon", "`:`"},
    {0xFF1B, GR_T_SEMICOLON, "fullwidth semicolon", "`;`"},
    {0xFF1D, GR_T_ASSIGN, "fullwidth equals sign", "`=`"},
};

static const struct twin *find_twin(uint32_t character) {
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        if (twins[i].character == character) return &twins[i];
    }
    return NULL;
}

static void unknown_character(gr_lexer *lexer, gr_span span, uint32_t c) {
    const char *text = lexer->source->text + span.begin;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    bool control = category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF;
    gr_diagnostic *d;
    if (control) {
        d = gr_lexer_error(lexer, GR_E_odd_character, span,
                           "the control character U+%04X cannot stand in a program", c);
    } else {
        d = gr_lexer_error(lexer, GR_E_odd_character, span,
                           "the character `%.*s` (U+%04X) cannot stand in a program",
                           (int)(span.end - span.begin), text, c);
    }
    gr_diag_help(d, control ? "delete it" : "delete it, or put it into a string or a comment");
}

static bool curly_quotes(gr_lexer *lexer, gr_token *token, uint32_t c) {
    const char *close = c == 0x2018                  ? "\xe2\x80\x99"
                        : c == 0x201C || c == 0x201E ? "\xe2\x80\x9d"
                                                     : NULL;
    if (!close) return false;
    const char *text = lexer->source->text;
    uint32_t at = token->span.end;
    while (at + 3 <= lexer->end && text[at] != '\n' && memcmp(text + at, close, 3)) at++;
    if (at + 3 > lexer->end || text[at] == '\n') return false;
    gr_span inner = {token->span.end, at};
    token->span.end = at + 3;
    token->kind = GR_T_NIL;
    gr_diagnostic *d = gr_lexer_error(lexer, GR_E_look_alike, token->span,
                                      "curly quotes (U+%04X) do not begin a string", c);
    gr_diag_label(d, "strings are written between straight double quotes");
    if (inner.end - inner.begin < 60) {
        gr_diag_help(d, "write `\"%.*s\"`", (int)(inner.end - inner.begin), text + inner.begin);
    }
    return true;
}

void gr_lexer_odd(gr_lexer *lexer, gr_token *token) {
    utf8proc_int32_t c = 0;
    const char *text = lexer->source->text + token->span.begin;
    utf8proc_iterate((const utf8proc_uint8_t *)text, token->span.end - token->span.begin, &c);
    const struct twin *twin = find_twin((uint32_t)c);
    token->kind = GR_T_ERROR;
    if (curly_quotes(lexer, token, (uint32_t)c)) return;
    if (!twin) {
        unknown_character(lexer, token->span, (uint32_t)c);
        return;
    }
    token->kind = twin->kind;
    int size = (int)(token->span.end - token->span.begin);
    gr_diagnostic *d;
    if (!twin->twin) {
        d = gr_lexer_error(lexer, GR_E_odd_character, token->span,
                           "an invisible character (U+%04X, %s) stands here", (unsigned)c,
                           twin->name);
        gr_diag_help(d, "delete it");
        return;
    }
    d = gr_lexer_error(lexer, GR_E_look_alike, token->span,
                       "`%.*s` (U+%04X, %s) cannot stand in a program", size, text, (unsigned)c,
                       twin->name);
    gr_diag_help(d, "write %s", twin->twin);
}
