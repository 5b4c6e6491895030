/* SPDX-License-Identifier: MIT */
/* The context: life, errors, the hook, and what happens when memory runs out. */
#include "pool.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A hook that fails at the n-th call and keeps account of what is out. */
typedef struct meter {
    long calls, fail_at;
    size_t out;
} meter;

static void *meter_get(void *user, size_t bytes) {
    meter *m = user;
    if (++m->calls == m->fail_at) return NULL;
    m->out += bytes;
    return malloc(bytes);
}

static void meter_put(void *user, void *block, size_t bytes) {
    meter *m = user;
    m->out -= bytes;
    free(block);
}

static ad_config metered(meter *m) {
    return (ad_config){.allocate = meter_get, .release = meter_put, .user = m};
}

Test(base, gives_everything_back_to_the_hook) {
    meter m = {0};
    ad_config config = metered(&m);
    ad_ctx *ctx = ad_new(&config);
    cr_assert_not_null(ctx);
    void *large = ad_mem_get(ctx, 1 << 20);
    cr_assert_not_null(large);
    cr_expect_gt(m.out, 1u << 20);
#ifdef AD_ASAN
    ad_mem_put(ctx, large, 1 << 20); /* with sanitizers it would be told as a leak */
#endif
    void *small = ad_mem_get(ctx, 40);
    ad_mem_put(ctx, small, 40);
    ad_free(ctx);
    cr_expect_eq(m.out, 0);
}

Test(base, opens_or_not_at_all_when_an_allocation_fails) {
    bool opened = false;
    for (long n = 1; n < 100 && !opened; n++) {
        meter m = {.fail_at = n};
        ad_config config = metered(&m);
        ad_ctx *ctx = ad_new(&config);
        opened = ctx != NULL && m.calls < n;
        ad_free(ctx);
        cr_expect_eq(m.out, 0, "after failure %ld", n);
    }
    cr_expect(opened);
    meter none = {.fail_at = 1};
    ad_config config = metered(&none);
    cr_expect_null(ad_new(&config));
}

Test(base, refuses_half_a_hook) {
    meter m = {0};
    ad_config config = metered(&m);
    config.release = NULL;
    cr_expect_null(ad_new(&config));
    cr_expect_eq(m.calls, 0);
}

Test(base, keeps_the_last_error) {
    ad_ctx *ctx = ad_new(NULL);
    cr_expect_eq(ad_fail(ctx, AD_ERR_SHAPE, 1, "%d and %s", 7, "eight"), AD_ERR_SHAPE);
    ad_hint(ctx, "nine");
    const ad_error *e = ad_last_error(ctx);
    cr_expect_eq(e->status, AD_ERR_SHAPE);
    cr_expect_eq(e->operand, 1);
    cr_expect_eq(e->where, -1);
    cr_expect_str_eq(e->message, "7 and eight");
    cr_expect_str_eq(e->hint, "nine");
    ad_fail(ctx, AD_ERR_INDEX, -1, "other");
    cr_expect_str_eq(e->hint, "", "a new error has no hint yet");
    ad_free(ctx);
}

Test(base, cuts_long_messages_between_characters) {
    ad_ctx *ctx = ad_new(NULL);
    for (int shift = 0; shift < 4; shift++) {
        char text[800] = "aaa";
        char *p = text + shift;
        for (int i = 0; i < 190; i++) memcpy(p + 3 * i, "∂", 4);
        ad_fail(ctx, AD_ERR_ARGUMENT, -1, "%s", text);
        const char *got = ad_last_error(ctx)->message;
        size_t n = strlen(got), room = sizeof ctx->error.message;
        cr_expect_eq((n - (size_t)shift) % 3, 0, "cut within a character at %zu", n);
        cr_expect(n < room && n + 3 >= room - 1);
        cr_expect_eq(strncmp(got, text, n), 0);
    }
    ad_fail(ctx, AD_ERR_ARGUMENT, -1, "%s", "ends with ∂");
    cr_expect_str_eq(ad_last_error(ctx)->message, "ends with ∂");
    ad_free(ctx);
}

Test(base, names_every_status) {
    cr_expect_str_eq(ad_status_name(AD_OK), "ok");
    cr_expect_str_eq(ad_status_name(AD_ERR_GUARD), "guard");
    cr_expect_str_eq(ad_status_name(AD_ERR_CALLBACK), "callback");
    cr_expect_str_eq(ad_status_name((ad_status)99), "unknown");
}

Test(base, sees_the_interrupt_flag) {
    ad_ctx *ctx = ad_new(NULL);
    cr_expect_eq(ad_poll(ctx), AD_OK);
    *ad_interrupt_flag(ctx) = 1;
    cr_expect_eq(ad_poll(ctx), AD_ERR_INTERRUPT);
    cr_expect_eq(ad_last_error(ctx)->status, AD_ERR_INTERRUPT);
    *ad_interrupt_flag(ctx) = 0;
    cr_expect_eq(ad_poll(ctx), AD_OK);
    ad_free(ctx);
}
