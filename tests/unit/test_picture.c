/* SPDX-License-Identifier: MIT */
/* Pictures: their size, with and without colours, beside and above one another. */
#include "picture.h"
#include "vm.h"

MACHINE_WITH_TEXT(picture);

static gr_value picture(const char *text) {
    gr_buffer b;
    gr_buffer_init(&b, m.ctx);
    gr_buffer_puts(&b, text);
    gr_value v = gr_picture_new(m.vm, &b);
    gr_buffer_free(&b);
    cr_assert(v.kind == GR_PICTURE);
    return v;
}

static void expect(gr_value v, bool color, const char *wanted) {
    gr_buffer_clear(&out);
    gr_picture_put(&out, gr_as_picture(v), color);
    cr_expect_str_eq(out.size ? out.text : "", wanted);
}

/* Columns of the terminal, not bytes: wide characters count two, combining marks and colours none. */
Test(picture, size) {
    static const struct {
        const char *text;
        size_t width, height;
    } cases[] = {{"", 0, 1}, {"ab\nc\n", 2, 2}, {"\n\n", 0, 2}, {"고양이", 6, 1}, {"e\u0301⠿─", 3, 1},
                 {"\033[38;5;39mab\033[0mc", 3, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_value v = picture(cases[i].text);
        cr_expect_eq(gr_as_picture(v)->width, cases[i].width, "%s", cases[i].text);
        cr_expect_eq(gr_as_picture(v)->height, cases[i].height, "%s", cases[i].text);
        gr_release(m.vm, v);
    }
}

Test(picture, colors) {
    gr_value v = picture("a\033[38;5;39mb\033[0m\033[38;5;40mc\033[0m  \n\033[0m");
    expect(v, false, "abc\n");
    expect(v, true, "a\033[38;5;39mb\033[0m\033[38;5;40mc\033[0m\n\033[0m");
    gr_release(m.vm, v);
    v = picture("unfinished \033[3");
    expect(v, false, "unfinished");
    gr_release(m.vm, v);
}

Test(picture, together) {
    gr_value two[] = {picture("고양\n\033[1mx\033[0m"), picture("1\n2\n3")};
    gr_value row = gr_picture_beside(m.vm, 2, two, 2), column = gr_picture_above(m.vm, 2, two);
    expect(row, false, "고양  1\nx     2\n      3");
    expect(column, false, "고양\nx\n1\n2\n3");
    cr_expect_eq(gr_as_picture(row)->width, 7);
    cr_expect(gr_picture_equal(gr_as_picture(row), gr_as_picture(row)));
    cr_expect_not(gr_picture_equal(gr_as_picture(row), gr_as_picture(column)));
    for (int i = 0; i < 2; i++) gr_release(m.vm, two[i]);
    gr_release(m.vm, row);
    gr_release(m.vm, column);
}
