/* SPDX-License-Identifier: MIT */
/* Dots to characters, in each of the three inks. */
#include "canvas.h"

#include <criterion/criterion.h>
#include <string.h>

static ad_ctx *ctx;
static gr_buffer out;
static gr_canvas c;
static void open_all(void) {
    ctx = ad_new(NULL);
    gr_buffer_init(&out, ctx);
}
static void close_all(void) {
    gr_canvas_close(&c);
    gr_buffer_free(&out);
    ad_free(ctx);
}
TestSuite(canvas, .init = open_all, .fini = close_all);

static void expect_row(unsigned row, const char *text) {
    gr_buffer_clear(&out);
    gr_canvas_row(&c, row, &out);
    cr_expect_str_eq(out.text, text, "row %u is %s", row, out.text);
}

/* Each of the eight dots of U+2800 + bits, alone and together. */
Test(canvas, braille) {
    static const char *const alone[8] = {"⠁", "⠈", "⠂", "⠐", "⠄", "⠠", "⡀", "⢀"};
    cr_assert(gr_canvas_open(&c, ctx, GR_INK_BRAILLE, 9, 1));
    cr_expect(c.across == 18 && c.down == 4);
    for (int k = 0; k < 8; k++) gr_canvas_dot(&c, 2 * k + k % 2, k / 2, 0);
    for (int k = 0; k < 8; k++) gr_canvas_dot(&c, 16 + k % 2, k / 2, 0);
    char row[64] = "";
    for (int k = 0; k < 8; k++) strcat(row, alone[k]);
    expect_row(0, strcat(row, "⣿"));
}

Test(canvas, lines) {
    cr_assert(gr_canvas_open(&c, ctx, GR_INK_BLOCK, 4, 2));
    gr_canvas_line(&c, 0, 3, 7, 0, 0);
    expect_row(0, "  ▄▀"); /* y = 3 − 3x/7, rounded: 3 3 2 2 1 1 0 0 */
    expect_row(1, "▄▀  ");
    gr_canvas_line(&c, 7, 0, 7, 3, 0);
    expect_row(1, "▄▀ ▐");
}

Test(canvas, ascii) {
    cr_assert(gr_canvas_open(&c, ctx, GR_INK_ASCII, 4, 1));
    gr_canvas_dot(&c, 0, 0, 0);
    gr_canvas_dot(&c, 1, 1, 0);
    gr_canvas_dot(&c, 2, 0, 0);
    gr_canvas_dot(&c, 2, 1, 0);
    expect_row(0, "'.: ");
}

Test(canvas, marks_win_and_outside_is_nothing) {
    cr_assert(gr_canvas_open(&c, ctx, GR_INK_BRAILLE, 3, 1));
    gr_canvas_dot(&c, 0, 0, 0);
    gr_canvas_mark(&c, 1, 3, 'o', 0);
    gr_canvas_dot(&c, -1, 0, 0);
    gr_canvas_dot(&c, 6, 0, 0);
    gr_canvas_mark(&c, 0, 4, 'x', 0);
    expect_row(0, "o  ");
}

/* One pair of escape sequences for neighbours of one colour, none for no colour. */
Test(canvas, colors) {
    cr_assert(gr_canvas_open(&c, ctx, GR_INK_ASCII, 5, 1));
    gr_canvas_dot(&c, 1, 0, 39);
    gr_canvas_dot(&c, 2, 0, 39);
    gr_canvas_dot(&c, 3, 0, 77);
    expect_row(0, " \033[38;5;39m''\033[0m\033[38;5;77m'\033[0m ");
}
