/* SPDX-License-Identifier: MIT */
/* Doubles to shortest decimal text and back. The oracles are the C library's correctly rounded
 * printf and strtod, and products in whole numbers for the powers of ten. */
#include "number.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bits_of(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static double from_bits(uint64_t b) {
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* splitmix64 */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void expect_text(double x, const char *want) {
    char got[32];
    size_t n = ad_number_text(x, got);
    cr_expect_str_eq(got, want);
    cr_expect_eq(n, strlen(want), "length of %s", want);
}

Test(number, writes_what_people_write) {
    expect_text(0, "0");
    expect_text(-0.0, "-0");
    expect_text(1, "1");
    expect_text(-42, "-42");
    expect_text(0.1, "0.1");
    expect_text(1.5, "1.5");
    expect_text(0.1 + 0.2, "0.30000000000000004");
    expect_text(100, "100");
    expect_text(123456789, "123456789");
    expect_text(0.7310585786300049, "0.7310585786300049");
    expect_text(0.0001, "0.0001");
    expect_text(0.00001, "1e-5");
    expect_text(1e15, "1000000000000000");
    expect_text(1e16, "1e16");
    expect_text(9007199254740993.0, "9007199254740992");
    expect_text(123456.789, "123456.789");
    expect_text(1e-300, "1e-300");
    expect_text(5e-324, "5e-324");
    expect_text(2.2250738585072014e-308, "2.2250738585072014e-308");
    expect_text(2.225073858507201e-308, "2.225073858507201e-308");
    expect_text(1.7976931348623157e308, "1.7976931348623157e308");
    expect_text(-1.2345e20, "-1.2345e20");
    expect_text(9.5, "9.5");
    expect_text(2e23, "2e23");
    expect_text(1e23, "1e23");
    expect_text(INFINITY, "inf");
    expect_text(-INFINITY, "-inf");
    expect_text(NAN, "nan");
    expect_text(-NAN, "nan");
}

static int significant_digits(const char *text) {
    int n = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        if (*text == '0')
            zeros += n > 0;
        else
            n += zeros + 1, zeros = 0;
    }
    return n;
}

/* Reads back, no shorter printf does, and none of the same length is nearer. */
static void expect_shortest(double x) {
    char got[32], other[40];
    ad_number_text(x, got);
    cr_assert_eq(bits_of(strtod(got, NULL)), bits_of(x), "%s does not read back as %.17g", got, x);
    int digits = significant_digits(got);
    if (digits > 1) {
        snprintf(other, sizeof other, "%.*e", digits - 2, x);
        cr_assert_neq(strtod(other, NULL), x, "%s is longer than %s", got, other);
    }
    snprintf(other, sizeof other, "%.*e", digits - 1, x);
    if (strtod(other, NULL) == x && strtod(other, NULL) != strtod(got, NULL))
        cr_assert_fail("%s is nearer than %s", other, got);
    double back;
    cr_assert_eq(ad_number_parse(got, strlen(got), &back), strlen(got));
    cr_assert_eq(bits_of(back), bits_of(x), "%s is read as %.17g", got, back);
}

Test(number, shortest_for_random_bits) {
    uint64_t state = 1;
    for (int i = 0; i < 200000; i++) {
        double x = from_bits(next(&state));
        if (isfinite(x)) expect_shortest(x);
    }
}

Test(number, shortest_around_powers) {
    for (int e = -1074; e <= 1023; e++)
        for (int d = -3; d <= 3; d++) {
            double x = from_bits(bits_of(ldexp(1, e)) + (uint64_t)d);
            if (isfinite(x)) expect_shortest(x);
        }
    for (int k = -323; k <= 308; k++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", k);
        double x = strtod(text, NULL);
        for (int d = -3; d <= 3; d++) {
            double near = from_bits(bits_of(x) + (uint64_t)d);
            if (isfinite(near)) expect_shortest(near);
        }
    }
}

Test(number, shortest_for_short_decimals) {
    uint64_t state = 2;
    for (int i = 0; i < 100000; i++) {
        uint64_t r = next(&state);
        char text[40];
        snprintf(text, sizeof text, "%u.%04ue%d", (unsigned)(r & 0xff), (unsigned)(r >> 8 & 0xfff),
                 (int)(r >> 40 & 31) - 16);
        expect_shortest(strtod(text, NULL));
    }
}

Test(number, shortest_for_singles) {
    uint64_t state = 5;
    for (int i = 0; i < 300000; i++) {
        uint32_t b = i < 2000 ? (uint32_t)i : (uint32_t)next(&state);
        float x;
        memcpy(&x, &b, sizeof x);
        if (!isfinite(x)) continue;
        char got[32], other[40];
        ad_single_text(x, got);
        cr_assert_eq(strtof(got, NULL), x, "%s does not read back as %.9g", got, (double)x);
        int digits = significant_digits(got);
        if (digits < 2) continue;
        snprintf(other, sizeof other, "%.*e", digits - 2, (double)x);
        cr_assert_neq(strtof(other, NULL), x, "%s is longer than %s", got, other);
    }
}

static void expect_read(const char *text) {
    double got, want = strtod(text, NULL);
    cr_assert_eq(ad_number_parse(text, strlen(text), &got), strlen(text), "%s", text);
    cr_assert_eq(bits_of(got), bits_of(want), "%s is %.17g, got %.17g", text, want, got);
}

Test(number, reads_hard_cases) {
    static const char *const cases[] = {
        "0", "-0", "0.0", "0e5", "1", "1.", ".5", "+7", "1e0", "1E+2", "1e-2", "00012.500",
        "9007199254740993", "9007199254740992.999999999999999999", "9007199254740993.0000000000000001",
        "2.2250738585072011e-308", "2.2250738585072012e-308", "4.9e-324", "2.5e-324", "2.4e-324",
        "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400", "1e400", "-1e999999999999999",
        "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977"
        "587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845"
        "817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559"
        "699508093042880177904174497791.999",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977"
        "587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845"
        "817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559"
        "699508093042880177904174497792.000",
        "12345678901234567890123456789012345678901234567890", "0.1e-1", "123456789012345678e-40",
        "0.000000000000000000000000000000000000000000000000000000000000000000000001234567890123456789",
        "7.8459735791271921e65", "3.571e266", "3.08984926168550152811e-32", "6929495644600919.5",
        "8.41e21", "9.1e15", "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_read(cases[i]);
}

/* Exact midpoints between doubles, one digit less and one more, with up to 767 digits. */
Test(number, reads_midpoints) {
    uint64_t state = 3;
    static char text[2000], other[2100];
    for (int i = 0; i < 2000; i++) {
        uint64_t b = next(&state) & 0x7fffffffffffffff;
        if (i % 4 == 0) b &= 0x007fffffffffffff; /* small and subnormal */
        double x = from_bits(b);
        if (!isfinite(x) || !isfinite(from_bits(b + 1))) continue;
        /* x + half an ulp, as a long double: 64 bits hold it exactly */
        long double half = ((long double)x + (long double)from_bits(b + 1)) / 2;
        snprintf(text, sizeof text, "%.800Le", half);
        expect_read(text);
        char *e = strchr(text, 'e');
        snprintf(other, sizeof other, "%.*s00001%s", (int)(e - text), text, e);
        expect_read(other);
        e[-1] = '1';
        expect_read(text);
    }
}

Test(number, reads_random_digits) {
    uint64_t state = 4;
    for (int i = 0; i < 200000; i++) {
        uint64_t r = next(&state);
        char text[64];
        snprintf(text, sizeof text, "%" PRIu64 "%" PRIu64 "e%d", next(&state) >> (r & 63),
                 next(&state) >> (r >> 6 & 63), (int)(r >> 32 & 1023) - 680);
        expect_read(text);
    }
}

Test(number, reads_beginnings) {
    double x;
    cr_expect_eq(ad_number_parse("12abc", 5, &x), 2);
    cr_expect_eq(x, 12);
    cr_expect_eq(ad_number_parse("1e", 2, &x), 1);
    cr_expect_eq(ad_number_parse("1e+", 3, &x), 1);
    cr_expect_eq(ad_number_parse("12345", 3, &x), 3);
    cr_expect_eq(x, 123);
    cr_expect_eq(ad_number_parse("", 0, &x), 0);
    cr_expect_eq(ad_number_parse("-", 1, &x), 0);
    cr_expect_eq(ad_number_parse(".", 1, &x), 0);
    cr_expect_eq(ad_number_parse("e5", 2, &x), 0);
    cr_expect_eq(ad_number_parse("abc", 3, &x), 0);
    cr_expect_eq(ad_number_parse("-Infinity", 9, &x), 9);
    cr_expect_eq(x, -INFINITY);
    cr_expect_eq(ad_number_parse("inf,", 4, &x), 3);
    cr_expect_eq(ad_number_parse("NaN", 3, &x), 3);
    cr_expect(isnan(x));
}

/* b <- b · factor, little-endian words */
static void multiply(uint32_t *b, int words, uint32_t factor) {
    uint64_t carry = 0;
    for (int i = 0; i < words; i++) {
        carry += (uint64_t)b[i] * factor;
        b[i] = (uint32_t)carry;
        carry >>= 32;
    }
    cr_assert_eq(carry, 0);
}

enum { WORDS = 80 };

static void load(uint32_t *b, ad_pow10 p) {
    memset(b, 0, WORDS * sizeof *b);
    b[0] = (uint32_t)p.low, b[1] = (uint32_t)(p.low >> 32);
    b[2] = (uint32_t)p.high, b[3] = (uint32_t)(p.high >> 32);
}

static int bit_length(const uint32_t *b) {
    int i = WORDS - 1;
    while (i > 0 && b[i] == 0) i--;
    return 32 * (i + 1) - __builtin_clz(b[i] | 1) - (b[i] == 0);
}

static bool is_power_of_two(const uint32_t *b) {
    int bits = 0;
    for (int i = 0; i < WORDS; i++) bits += __builtin_popcount(b[i]);
    return bits == 1;
}

/* 5^k from above: its first 128 bits. */
static ad_pow10 leading(const uint32_t *b) {
    int length = bit_length(b);
    ad_pow10 p = {0, 0};
    for (int i = 0; i < 128; i++) {
        int at = length - 1 - i;
        uint64_t bit = at >= 0 ? b[at / 32] >> (at % 32) & 1 : 0;
        p.high = p.high << 1 | p.low >> 63;
        p.low = p.low << 1 | bit;
    }
    return p;
}

Test(number, powers_of_ten_are_exact) {
    uint32_t b[WORDS] = {1};
    for (int k = 0; k <= AD_POW10_MAX; k++) {
        ad_pow10 want = leading(b), got = ad_pow10_bits(k);
        cr_assert(got.high == want.high && got.low == want.low, "10^%d", k);
        multiply(b, WORDS, 5);
    }
    /* bits · 5^k ≤ 2^n < (bits + 1) · 5^k for some n, where bits belongs to 10^−k */
    for (int k = 1; k <= -AD_POW10_MIN; k++) {
        ad_pow10 p = ad_pow10_bits(-k), q = {p.high, p.low + 1};
        uint32_t low[WORDS], high[WORDS];
        load(low, p), load(high, q);
        for (int i = 0; i < k; i++) multiply(low, WORDS, 5), multiply(high, WORDS, 5);
        cr_assert(bit_length(high) == bit_length(low) + 1 || is_power_of_two(low), "10^-%d", k);
        cr_assert(!is_power_of_two(high), "10^-%d", k);
    }
}
