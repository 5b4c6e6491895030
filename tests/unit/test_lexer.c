/* SPDX-License-Identifier: MIT */
/* The lexer: kinds and spans, values of numbers, names as NFC, characters of elsewhere, strings,
 * and the compiled expression's start-up. */
#include "front.h"

#include <math.h>
#include <time.h>

/* Kinds of all tokens, a blank between two. */
static const char *kinds(front *f, const char *text) {
    gr_lexer lexer;
    front_source(f, text, strlen(text));
    if (!gr_lexer_init(&lexer, f->lexicon, f->source, &f->report)) return "invalid";
    gr_buffer_clear(&f->out);
    for (;;) {
        gr_token token = gr_lexer_next(&lexer, true);
        if (token.kind == GR_T_END) break;
        if (f->out.size) gr_buffer_puts(&f->out, " ");
        if (token.newline_before) gr_buffer_puts(&f->out, "/ ");
        gr_buffer_puts(&f->out, gr_token_kind_name(token.kind));
    }
    gr_lexer_free(&lexer);
    return f->out.size ? f->out.text : "";
}

static gr_token first_token(front *f, const char *text) {
    gr_lexer lexer;
    front_source(f, text, strlen(text));
    cr_assert(gr_lexer_init(&lexer, f->lexicon, f->source, &f->report));
    gr_token token = gr_lexer_next(&lexer, true);
    gr_lexer_free(&lexer);
    return token;
}

Test(lexer, every_sign_has_its_kind) {
    static const struct {
        const char *text, *kinds;
    } rows[] = {
        {"( ) [ ] { } , ; :",
         "LPAREN RPAREN LBRACKET RBRACKET LBRACE RBRACE COMMA SEMICOLON COLON"},
        {"+ - * / % @ ^ ++", "PLUS MINUS STAR SLASH PERCENT AT CARET JOIN"},
        {"= := += -= *= /=", "ASSIGN UPDATE ADD_TO SUB_FROM MUL_BY DIV_BY"},
        {"== != < <= > >=", "EQ NE LT LE GT GE"},
        {"≤ ≥ ≠ − ⩽ ⩾", "LE GE NE MINUS LE GE"},
        {". .. ... |>", "DOT RANGE SPREAD PIPE"},
        {"∂ 𝜕 ∇ ² ⁻¹", "PARTIAL PARTIAL NABLA SUPERSCRIPT SUPERSCRIPT"},
        {"fn let param if else for in", "FN LET PARAM IF ELSE FOR IN"},
        {"while break continue return", "WHILE BREAK CONTINUE RETURN"},
        {"and or not true false nil import", "AND OR NOT TRUE FALSE NIL IMPORT"},
        {"by as new assert test fnx _", "NAME NAME NAME NAME NAME NAME NAME"},
        {"1..3", "NUMBER RANGE NUMBER"},
        {"1.5.T", "NUMBER DOT NAME"},
        {"x...y", "NAME SPREAD NAME"},
        {"a\n# c\n\nb", "NAME / NAME"},
        {"a\r\nb", "NAME / NAME"},
        {"a\u00a0b", "NAME NAME"},
        {"f' f'' (x)' [x]'",
         "NAME PRIME NAME PRIME PRIME LPAREN NAME RPAREN PRIME LBRACKET NAME RBRACKET PRIME"},
        {"", ""},
        {"# only a comment", ""},
        {"#!/usr/bin/env gradus\na", "/ NAME"},
        {"W₁ λ σ_max x̂ é Δx", "NAME NAME NAME NAME NAME NAME"},
        {"x²y", "NAME SUPERSCRIPT NAME"},
        {"-> => ** // .* === !== <>",
         "ARROW ARROW STARSTAR SLASHSLASH DOTTED IDENTICAL UNIDENTICAL NE"},
        {"&& || ! ~ ? \\ $ `", "FOREIGN FOREIGN FOREIGN FOREIGN FOREIGN FOREIGN FOREIGN FOREIGN"},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = kinds(&f, rows[i].text);
        cr_expect_str_eq(got, rows[i].kinds, "%s: %s", rows[i].text, got);
        cr_expect_eq(f.report.error_count, 0, "%s", rows[i].text);
    }
    front_close(&f);
}

Test(lexer, numbers_have_their_values) {
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"1.5", 1.5},
        {".5", .5},
        {"1e-3", 1e-3},
        {"1_000_000", 1e6},
        {"1e308", 1e308},
        {"5e-324", 5e-324},
        {"1e-400", 0},
        {"0.1", 0.1},
        {"123456789012345678", 123456789012345678.0},
        {"9007199254740993", 9007199254740993.0},
        {"1E5", 1e5},
        {"1e+5", 1e5},
        {"1e−3", 1e-3},
        {"1_0.2_5e1_0", 10.25e10},
        {"007", 7},
        {"1.7976931348623157e308", 1.7976931348623157e308},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gr_token token = first_token(&f, rows[i].text);
        cr_expect_eq(token.kind, GR_T_NUMBER);
        cr_expect_eq(token.span.end, strlen(rows[i].text), "%s", rows[i].text);
        cr_expect_eq(token.number, rows[i].value, "%s: %.17g", rows[i].text, token.number);
        cr_expect_eq(f.report.error_count, 0, "%s", rows[i].text);
    }
    cr_expect_eq(first_token(&f, "²³").number, 23);
    cr_expect_eq(first_token(&f, "⁻¹⁰").number, -10);
    front_close(&f);
}

Test(lexer, a_number_of_a_megabyte) {
    front f;
    front_open(&f);
    size_t size;
    char *text = front_repeat("0.", "1", 1000000, "", &size);
    gr_token token = first_token(&f, text);
    cr_expect_eq(token.span.end, size);
    cr_expect_float_eq(token.number, 1.0 / 9, 1e-15);
    free(text);
    front_close(&f);
}

Test(lexer, names_are_compared_as_nfc) {
    front f;
    front_open(&f);
    const gr_name *composed = first_token(&f, "\xc3\xa9").name;
    cr_expect_eq(composed, first_token(&f, "e\xcc\x81").name);
    cr_expect_str_eq(composed->text, "\xc3\xa9");
    cr_expect_eq(first_token(&f, "\xc2\xb5").name, first_token(&f, "μ").name, "micro sign");
    cr_expect_eq(first_token(&f, "\xe2\x84\xa6").name, first_token(&f, "Ω").name, "ohm sign");
    cr_expect_neq(first_token(&f, "a").name, first_token(&f, "A").name);
    size_t size;
    char *text = front_repeat("", "e\xcc\x81", 1000, "", &size);
    cr_expect_eq(first_token(&f, text).name->length, 2000);
    free(text);
    uint32_t count = gr_names_count(f.names);
    char name[16];
    for (int i = 0; i < 5000; i++) {
        int length = snprintf(name, sizeof name, "n%d", i);
        const gr_name *a = gr_intern(f.names, name, (size_t)length);
        cr_assert_eq(a->serial, count + (uint32_t)i);
    }
    for (int i = 0; i < 5000; i++) {
        int length = snprintf(name, sizeof name, "n%d", i);
        cr_assert_eq(gr_intern(f.names, name, (size_t)length)->serial, count + (uint32_t)i);
    }
    front_close(&f);
}

Test(lexer, spans_and_blanks) {
    front f;
    front_open(&f);
    gr_lexer lexer;
    const char *text = "ab +\n  -é";
    front_source(&f, text, strlen(text));
    cr_assert(gr_lexer_init(&lexer, f.lexicon, f.source, &f.report));
    gr_token ab = gr_lexer_next(&lexer, true), plus = gr_lexer_next(&lexer, true);
    gr_token minus = gr_lexer_next(&lexer, false), name = gr_lexer_next(&lexer, true);
    gr_token end = gr_lexer_next(&lexer, true);
    cr_expect(ab.span.begin == 0 && ab.span.end == 2 && ab.blank_before);
    cr_expect(plus.span.begin == 3 && plus.span.end == 4 && plus.blank_before);
    cr_expect(minus.span.begin == 7 && !minus.newline_before && minus.line_start);
    cr_expect(!minus.blank_after && !name.blank_before);
    cr_expect(name.span.begin == 8 && name.span.end == 10);
    cr_expect(end.kind == GR_T_END && end.span.begin == 10);
    gr_lexer_free(&lexer);
    front_close(&f);
}

typedef struct wrong {
    const char *text;
    gr_diagnostic_id id;
    uint32_t begin, end;
    const char *help;
} wrong;

Test(lexer, wrong_texts) {
    static const wrong rows[] = {
        {"x = 1.", GR_E_malformed_number, 4, 6, "`1.0`"},
        {"1. + 2", GR_E_malformed_number, 0, 2, "`1.0`"},
        {"1.e5", GR_E_malformed_number, 0, 2, "`1.0`"},
        {"1e", GR_E_malformed_number, 0, 2, "1e-3"},
        {"0x1F", GR_E_malformed_number, 0, 4, "`31`"},
        {"0b101", GR_E_malformed_number, 0, 5, "`5`"},
        {"1__0", GR_E_malformed_number, 0, 4, "1_000_000"},
        {"1_", GR_E_malformed_number, 0, 2, NULL},
        {"1e999", GR_E_malformed_number, 0, 5, "`inf`"},
        {"a × b", GR_E_look_alike, 2, 4, "`*`"},
        {"a ⋅ b", GR_E_look_alike, 2, 5, "`@`"},
        {"a – b", GR_E_look_alike, 2, 5, "`-`"},
        {"“abc”", GR_E_look_alike, 0, 9, "`\"abc\"`"},
        {"∞", GR_E_look_alike, 0, 3, "`inf`"},
        {"Wᵀ", GR_E_look_alike, 1, 4, "`.T`"},
        {"a\u200bb", GR_E_odd_character, 1, 4, "delete"},
        {"a € b", GR_E_odd_character, 2, 5, NULL},
        {"\x01", GR_E_odd_character, 0, 1, "delete"},
        {"'text'", GR_E_foreign_habit, 0, 6, "`\"text\"`"},
        {"x 'y", GR_E_bad_prime, 2, 3, NULL},
        {"/* c */ a", GR_E_foreign_habit, 0, 2, "`#`"},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kinds(&f, rows[i].text);
        const gr_diagnostic *d = f.report.first;
        cr_assert_not_null(d, "%s is accepted", rows[i].text);
        cr_expect_eq(f.report.error_count, 1, "%s", rows[i].text);
        cr_expect_eq(d->id, rows[i].id, "%s: %s", rows[i].text, d->message);
        cr_expect(d->primary.span.begin == rows[i].begin && d->primary.span.end == rows[i].end,
                  "%s: %u..%u", rows[i].text, d->primary.span.begin, d->primary.span.end);
        bool helped = !rows[i].help;
        for (const gr_remark *r = d->remarks; r; r = r->next) {
            helped = helped || strstr(r->text, rows[i].help);
        }
        cr_expect(helped, "%s: no help %s", rows[i].text, rows[i].help);
    }
    front_close(&f);
}

Test(lexer, names_the_first_byte_that_is_not_utf8) {
    static const struct {
        const char *text;
        size_t size, at;
    } rows[] = {
        {"ab\xff", 3, 2},
        {"\xc3", 1, 0},
        {"abcdefgh\xe2\x82", 10, 8},
        {"\xc0\x80", 2, 0},
        {"a\xed\xa0\x80", 4, 1},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\x80", 1, 0},
        {"\xff\xfe"
         "a",
         3, 0},
        {"# \xe9t\xe9", 5, 2},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gr_lexer lexer;
        front_source(&f, rows[i].text, rows[i].size);
        cr_expect(!gr_lexer_init(&lexer, f.lexicon, f.source, &f.report));
        cr_assert_not_null(f.report.first);
        char want[40];
        snprintf(want, sizeof want, "at byte offset %zu", rows[i].at);
        cr_expect(strstr(f.report.first->message, want), "%s", f.report.first->message);
        cr_expect_eq(f.report.first->primary.span.begin, rows[i].at);
    }
    front_close(&f);
}

Test(lexer, escapes_and_pieces) {
    static const struct {
        const char *text, *value;
        size_t size;
    } rows[] = {
        {"\"a\\n\\t\\\"\\\\\\{\\}\"", "a\n\t\"\\{}", 7},
        {"\"\\u{1F600}\\u{e9}\"", "\xf0\x9f\x98\x80\xc3\xa9", 6},
        {"\"\\u{0}\"", "\0", 1},
        {"r\"a\\n{b\"", "a\\n{b", 5},
        {"\"\"\"a\r\nb\"c\"\"\"", "a\nb\"c", 5},
        {"r\"\"\"{\\\"\"\"", "{\\", 2},
        {"\"é\"", "é", 2},
    };
    front f;
    front_open(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gr_lexer lexer;
        front_source(&f, rows[i].text, strlen(rows[i].text));
        cr_assert(gr_lexer_init(&lexer, f.lexicon, f.source, &f.report));
        gr_token quote = gr_lexer_next(&lexer, true);
        cr_expect_eq(quote.kind, GR_T_QUOTE);
        gr_buffer_clear(&f.out);
        cr_expect_eq(gr_lexer_string(&lexer, &quote, &f.out), GR_PIECE_QUOTE, "%s", rows[i].text);
        cr_expect_eq(f.out.size, rows[i].size, "%s: %zu", rows[i].text, f.out.size);
        cr_expect(!memcmp(f.out.text, rows[i].value, rows[i].size), "%s", rows[i].text);
        cr_expect_eq(lexer.at, strlen(rows[i].text));
        gr_lexer_free(&lexer);
    }
    front_close(&f);
}

Test(lexer, dump_shows_strings_in_pieces) {
    front f;
    front_open(&f);
    const char *text = "x = \"a{f({y: 1}):.2f}\" # c\n";
    front_source(&f, text, strlen(text));
    cr_expect(gr_dump_tokens(&f.out, f.lexicon, f.source, &f.report));
    cr_expect_str_eq(f.out.text, "1:1\tNAME\tx\n1:3\tASSIGN\t=\n1:5\tQUOTE\t\"\n1:6\tTEXT\ta{\n"
                                 "1:8\tNAME\tf\n1:9\tLPAREN\t(\n1:10\tLBRACE\t{\n1:11\tNAME\ty\n"
                                 "1:12\tCOLON\t:\n1:14\tNUMBER\t1\n1:15\tRBRACE\t}\n"
                                 "1:16\tRPAREN\t)\n1:17\tCOLON\t:\n1:18\tFORMAT\t.2f}\n"
                                 "1:22\tTEXT\t\"\n");
    front_close(&f);
}

Test(lexer, compiles_quickly) {
    ad_ctx *ctx = ad_new(NULL);
    gr_names *names = gr_names_new(ctx);
    double best = 1;
    for (int i = 0; i < 20; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        gr_lexicon *lexicon = gr_lexicon_new(ctx, names);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        gr_lexicon_free(lexicon);
        double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        if (seconds < best) best = seconds;
    }
    cr_expect_lt(best, 0.005, "%g s", best);
    gr_names_free(names);
    ad_free(ctx);
}
