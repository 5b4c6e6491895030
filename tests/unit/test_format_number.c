/* SPDX-License-Identifier: MIT */
/* printf-like formats taken apart, and numbers and text put into fields. */
#include "format.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void expect_number(const char *format, double x, const char *want) {
    ad_ctx *ctx = ad_new(NULL);
    gr_buffer out;
    gr_spec spec;
    gr_buffer_init(&out, ctx);
    cr_assert_null(gr_spec_parse(format, &spec), "%s", format);
    cr_expect(gr_spec_number(&out, &spec, x, false), "%s", format);
    cr_expect_str_eq(out.text, want, "%s: %s", format, out.text);
    gr_buffer_free(&out);
    ad_free(ctx);
}

static void expect_text(const char *format, const char *text, const char *want) {
    ad_ctx *ctx = ad_new(NULL);
    gr_buffer out;
    gr_spec spec;
    gr_buffer_init(&out, ctx);
    cr_assert_null(gr_spec_parse(format, &spec), "%s", format);
    gr_spec_text(&out, &spec, text, strlen(text));
    cr_expect_str_eq(out.text, want);
    gr_buffer_free(&out);
    ad_free(ctx);
}

Test(format_number, numbers) {
    expect_number(".3f", 3.14159, "3.142");
    expect_number("8.3f", -3.14159, "  -3.142");
    expect_number("-8.1f", 2, "2.0     ");
    expect_number("08.2f", 2.5, "00002.50");
    expect_number("+d", 42, "+42");
    expect_number("5d", 42, "   42");
    expect_number("x", 255, "ff");
    expect_number(".2e", 12345, "1.23e+04");
    expect_number("g", 0.1, "0.1");
    expect_number(".3", 0.12345, "0.123");
    expect_number("", 0.1, "0.1");
    expect_number("6", 0.1, "   0.1");
    expect_number("6.1f", INFINITY, "   inf");
    expect_number("d", NAN, "nan");
    expect_number("8s", 2.5, "     2.5");
}

Test(format_number, text) {
    expect_text("8s", "héllo", "   héllo");
    expect_text("-8", "héllo", "héllo   ");
    expect_text(".2s", "héllo", "hé");
    expect_text("4s", "日本", "日本");
    expect_text("6s", "日本", "  日本");
}

static void expect_wrapped(size_t width, const char *text, const char *wanted) {
    ad_ctx *ctx = ad_new(NULL);
    gr_buffer out;
    gr_buffer_init(&out, ctx);
    gr_put_wrapped(&out, text, strlen(text), width);
    cr_expect_str_eq(out.text ? out.text : "", wanted);
    gr_buffer_free(&out);
    ad_free(ctx);
}

Test(format_number, wrapped) {
    expect_wrapped(10, "", "");
    expect_wrapped(10, "one two\n\nsix\n", "one two\n\nsix\n");
    expect_wrapped(10, "one two three", "one two\nthree");
    expect_wrapped(9, "one two  six", "one two\nsix");
    expect_wrapped(7, "one two six", "one two\nsix");
    expect_wrapped(10, "a-word-that-is-too-long here", "a-word-that-is-too-long\nhere");
    expect_wrapped(16, "    one two three four", "    one two\n    three four");
    expect_wrapped(8, "日本 日本 x", "日本\n日本 x");
}

Test(format_number, what_is_no_format) {
    static const char *const bad[] = {"q", "%d", "5.2q", "d5", "1001d", ".101f", "ll", "*d", "99999999999d"};
    gr_spec spec;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not_null(gr_spec_parse(bad[i], &spec), "%s", bad[i]);
}

Test(format_number, whole_numbers_only) {
    ad_ctx *ctx = ad_new(NULL);
    gr_buffer out;
    gr_spec spec;
    gr_buffer_init(&out, ctx);
    cr_assert_null(gr_spec_parse("d", &spec));
    cr_expect_not(gr_spec_number(&out, &spec, 2.5, false));
    cr_expect_not(gr_spec_number(&out, &spec, 1e30, false));
    cr_expect_eq(out.size, 0);
    gr_buffer_free(&out);
    ad_free(ctx);
}
