/* SPDX-License-Identifier: MIT */
/* Diagnostics: how they are rendered, to the column; positions; the nearest name. */
#include "front.h"
#include "suggest.h"

#include <errno.h>

typedef struct stage {
    ad_ctx *ctx;
    gr_source *source, *other;
    gr_report report;
    gr_buffer out;
} stage;

static void open_stage(stage *s, const char *text, size_t size) {
    memset(s, 0, sizeof *s);
    s->ctx = ad_new(NULL);
    gr_report_init(&s->report, s->ctx);
    gr_buffer_init(&s->out, s->ctx);
    cr_assert_eq(gr_source_new(s->ctx, "a.nn", text, size, &s->source), GR_SOURCE_OK);
}

static void close_stage(stage *s) {
    gr_buffer_free(&s->out);
    gr_report_clear(&s->report);
    gr_source_free(s->source);
    gr_source_free(s->other);
    ad_free(s->ctx);
}

static gr_diagnostic *error_at(stage *s, uint32_t begin, uint32_t end) {
    return gr_diag_error(&s->report, GR_E_unexpected_token, s->source, (gr_span){begin, end},
                         "no `%s`", "x");
}

static const char *render(stage *s, const gr_render_options *options) {
    gr_buffer_clear(&s->out);
    gr_render_report(&s->out, &s->report, options);
    return s->out.text;
}

static void expect_rendered(const char *text, uint32_t begin, uint32_t end, const char *want) {
    stage s;
    open_stage(&s, text, strlen(text));
    error_at(&s, begin, end);
    const char *got = render(&s, NULL);
    cr_expect_str_eq(got, want, "\n%s\nnot\n%s", got, want);
    close_stage(&s);
}

Test(diagnostic, underlines_the_span) {
    expect_rendered("let y = x ** 2\n", 10, 12,
                    "error: no `x`\n --> a.nn:1:11\n  |\n1 | let y = x ** 2\n  |           ^^\n");
    expect_rendered("a\nbc d", 5, 6, "error: no `x`\n --> a.nn:2:4\n  |\n2 | bc d\n  |    ^\n");
    expect_rendered("a\n", 1, 1, "error: no `x`\n --> a.nn:1:2\n  |\n1 | a\n  |  ^\n");
    expect_rendered("", 0, 0, "error: no `x`\n --> a.nn:1:1\n  |\n1 |\n  | ^\n");
    expect_rendered("a\r\nb\r\n", 3, 4, "error: no `x`\n --> a.nn:2:1\n  |\n2 | b\n  | ^\n");
    expect_rendered("ab\ncd\n", 1, 4, "error: no `x`\n --> a.nn:1:2\n  |\n1 | ab\n  |  ^\n");
}

Test(diagnostic, counts_columns_as_a_terminal_shows_them) {
    expect_rendered("é = 漢 + x", 11, 12,
                    "error: no `x`\n --> a.nn:1:9\n  |\n1 | é = 漢 + x\n  |          ^\n");
    expect_rendered("漢字 x", 0, 6, "error: no `x`\n --> a.nn:1:1\n  |\n1 | 漢字 x\n  | ^^^^\n");
    expect_rendered("\tx", 1, 2, "error: no `x`\n --> a.nn:1:2\n  |\n1 |     x\n  |     ^\n");
    expect_rendered("e\xcc\x81 x", 4, 5,
                    "error: no `x`\n --> a.nn:1:4\n  |\n1 | e\xcc\x81 x\n  |   ^\n");
    expect_rendered("\xef\xbb\xbfx", 3, 4, "error: no `x`\n --> a.nn:1:1\n  |\n1 | x\n  | ^\n");
    expect_rendered("a\x1b[1mb", 1, 2,
                    "error: no `x`\n --> a.nn:1:2\n  |\n1 | a\xef\xbf\xbd[1mb\n  |  ^\n");
}

Test(diagnostic, labels_notes_and_other_places) {
    stage s;
    open_stage(&s, "let h = 1\n\n\ny = h @ W\n", 23);
    gr_source_new(s.ctx, "b.nn", "param W = 2", 11, &s.other);
    gr_diagnostic *d = error_at(&s, 16, 21);
    gr_diag_label(d, "here %d", 1);
    gr_diag_also(d, s.source, (gr_span){20, 21}, "[64, 10]");
    gr_diag_also(d, s.source, (gr_span){4, 5}, "made here");
    gr_diag_also(d, s.other, (gr_span){6, 7}, "and here");
    gr_diag_call(d, "in `f`, called at a.nn:9");
    gr_diag_note(d, "two\nlines");
    gr_diag_help(d, "write `y`");
    cr_expect_str_eq(render(&s, NULL), "error: no `x`\n"
                                       " --> a.nn:4:5\n"
                                       "  |\n"
                                       "1 | let h = 1\n"
                                       "  |     - made here\n"
                                       "...\n"
                                       "4 | y = h @ W\n"
                                       "  |     ^^^^^ here 1\n"
                                       "  |         - [64, 10]\n"
                                       " ::: b.nn:1:7\n"
                                       "  |\n"
                                       "1 | param W = 2\n"
                                       "  |       - and here\n"
                                       "note: two\n"
                                       "      lines\n"
                                       "help: write `y`\n"
                                       "  in `f`, called at a.nn:9\n");
    close_stage(&s);
}

Test(diagnostic, options_and_severity) {
    stage s;
    open_stage(&s, "a", 1);
    gr_diag_warning(&s.report, GR_E_bad_range, NULL, (gr_span){0, 0}, "careful");
    cr_expect_str_eq(render(&s, &(gr_render_options){.ids = true}),
                     "warning[bad_range]: careful\n");
    cr_expect(strstr(render(&s, &(gr_render_options){.color = true}), "\033[1;33mwarning\033[0m"));
    cr_expect_eq(s.report.warning_count, 1);
    cr_expect_eq(s.report.error_count, 0);
    close_stage(&s);
}

Test(diagnostic, a_line_of_a_megabyte_is_cut_around_the_span) {
    stage s;
    size_t size;
    char *text = front_repeat("", "0123456789", 100000, "", &size);
    open_stage(&s, text, size);
    error_at(&s, 500000, 500003);
    const char *got = render(&s, NULL);
    cr_expect_lt(s.out.size, 400);
    cr_expect(strstr(got, "a.nn:1:500001"));
    const char *digits = strstr(got, "0123"), *mark = strstr(got, "^^^");
    cr_assert(digits && mark);
    const char *excerpt = strstr(got, "1 | ") + 4 + 3; /* behind the ellipsis, 3 bytes wide */
    const char *line = strrchr(got, '|') + 2 + 1;      /* which is one cell */
    cr_expect_eq(excerpt[mark - line], '0', "the mark stands under the digit 0");
    gr_report_clear(&s.report);
    error_at(&s, 3, (uint32_t)size);
    cr_expect(render(&s, &(gr_render_options){.width = 1}));
    cr_expect_lt(s.out.size, 200);
    free(text);
    close_stage(&s);
}

/* Any span in any bytes: nothing may crash, and no control character may come out. */
Test(diagnostic, survives_all_spans) {
    static const char text[] = "a\0b\n\xff\xfe\t\xe2\x82\r\n漢\x7f\x1b\n\n";
    stage s;
    open_stage(&s, text, sizeof text - 1);
    for (uint32_t begin = 0; begin < sizeof text + 3; begin++) {
        for (uint32_t end = begin; end < sizeof text + 3; end++) {
            gr_diagnostic *d = error_at(&s, begin, end);
            gr_diag_also(d, s.source, (gr_span){end, begin}, "%s", "\x1b[0m\xff");
            const char *got = render(&s, NULL);
            for (size_t i = 0; i < s.out.size; i++)
                cr_assert(got[i] == '\n' || (unsigned char)got[i] >= 32);
            gr_report_clear(&s.report);
        }
    }
    gr_diag_note(NULL, "nothing %d", 1);
    gr_diag_label(NULL, "nothing");
    gr_diag_also(NULL, NULL, (gr_span){0, 0}, "nothing");
    close_stage(&s);
}

Test(diagnostic, every_id_has_a_slug_and_a_summary) {
    for (int i = 0; i < GR_DIAGNOSTIC_COUNT; i++) {
        cr_expect_gt(strlen(gr_diagnostic_slug((gr_diagnostic_id)i)), 3);
        cr_expect_gt(strlen(gr_diagnostic_summary((gr_diagnostic_id)i)), 5);
    }
    cr_expect_str_eq(gr_diagnostic_slug(GR_E_invalid_utf8), "invalid_utf8");
}

Test(source, lines_and_positions) {
    stage s;
    open_stage(&s, "a\nbé\r\n\nd", 9);
    static const uint32_t lines[] = {1, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4};
    for (uint32_t i = 0; i < 11; i++) cr_expect_eq(gr_source_line(s.source, i), lines[i], "%u", i);
    gr_position p = gr_source_position(s.source, 5);
    cr_expect(p.line == 2 && p.column == 3);
    gr_span second = gr_source_line_span(s.source, 2), last = gr_source_line_span(s.source, 99);
    cr_expect(second.begin == 2 && second.end == 5);
    cr_expect(last.begin == 8 && last.end == 9);
    cr_expect_eq(s.source->line_count, 4);
    gr_source *none;
    cr_expect_eq(gr_source_read(s.ctx, "/no/such/file.nn", &none), GR_SOURCE_UNREADABLE);
    cr_expect_eq(errno, ENOENT);
    cr_expect_eq(gr_source_new(s.ctx, "x", "", GR_MAX_SOURCE + 1, &none), GR_SOURCE_TOO_LARGE);
    cr_expect_null(none);
    close_stage(&s);
}

static const char *nearest(const char *wanted, const char *const *names) {
    gr_suggestion s = gr_suggest_begin(wanted, strlen(wanted));
    for (; *names; names++) gr_suggest_offer(&s, *names, strlen(*names));
    return s.best ? s.best : "";
}

Test(suggest, nearest_name) {
    static const char *const names[] = {"sigmoid", "softmax", "sum",   "relu", "batch_norm", "x",
                                        "losses",  "loss",    "train", "σ",    "Relu6",      NULL};
    cr_expect_str_eq(nearest("sigmiod", names), "sigmoid");
    cr_expect_str_eq(nearest("Relu", names), "relu");
    cr_expect_str_eq(nearest("batchnorm", names), "batch_norm");
    cr_expect_str_eq(nearest("lsos", names), "loss");
    cr_expect_str_eq(nearest("soft_max", names), "softmax");
    cr_expect_str_eq(nearest("X", names), "x");
    cr_expect_str_eq(nearest("y", names), "");
    cr_expect_str_eq(nearest("quux", names), "");
    cr_expect_str_eq(nearest("", names), "");
    cr_expect_str_eq(nearest("su", names), "");
}

Test(suggest, distances) {
    cr_expect_eq(gr_edit_distance("abc", 3, "abc", 3, 9), 0);
    cr_expect_eq(gr_edit_distance("abc", 3, "acb", 3, 9), 2);
    cr_expect_eq(gr_edit_distance("abc", 3, "Abc", 3, 9), 1);
    cr_expect_eq(gr_edit_distance("abc", 3, "ab", 2, 9), 2);
    cr_expect_eq(gr_edit_distance("", 0, "abc", 3, 9), 6);
    cr_expect_eq(gr_edit_distance("abc", 3, "xyz", 3, 4), 5, "cut at the limit");
    cr_expect_eq(gr_edit_distance("\xff", 1, "a", 1, 4), 5, "not UTF-8");
    char longest[300];
    memset(longest, 'a', sizeof longest);
    cr_expect_eq(gr_edit_distance(longest, 300, longest, 300, 4), 5, "too long to be a name");
}
