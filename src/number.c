/* SPDX-License-Identifier: MIT */
/* number.c - doubles to decimal text and back, both exact.
 *
 * Writing is Giulietti's Schubfach («The Schubfach way to render doubles», 2020): of the decimals
 * that read back as x it finds the shortest, and of these the nearest, with three products by a
 * power of ten of 128 bits. Reading multiplies by the same powers, in intervals: the result stands
 * if both ends of the interval round to the same double; else (practically never) the decimal is
 * compared with the midpoint of two doubles in whole numbers of any size.
 *
 * The powers are 10^(27 i) with 192 bits, times a 5^r that fits in 63; the test proves all of them.
 * Nothing here depends on the locale, allocates, or can fail. */
#include "number.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* ---- powers of ten ------------------------------------------------------------------------ */

enum { COARSE_STEP = 27, COARSE_FIRST = -13, EXACT_LAST = 55 };

static const uint64_t coarse[][3] = {
    {0x8049a4ac0c5811ae, 0x205b896d777d6278, 0xac261e9f5141430b}, /* 10^-351 */
    {0xcf42894a5dce35ea, 0x52064cac828675b9, 0x475f2b7d7df1ad7a}, /* 10^-324 */
    {0xa76c582338ed2621, 0xaf2af2b80af6f24e, 0x657c8f4d43323a36}, /* 10^-297 */
    {0x873e4f75e2224e68, 0x5a7744a6e804a291, 0xcc35eddfcf0996d7}, /* 10^-270 */
    {0xda7f5bf590966848, 0xaf39a475506a899e, 0xa30294cc2934e662}, /* 10^-243 */
    {0xb080392cc4349dec, 0xbd8d794d96aacfb3, 0xfe13a5c86af64418}, /* 10^-216 */
    {0x8e938662882af53e, 0x547eb47b7282ee9c, 0x41b0230e1421487d}, /* 10^-189 */
    {0xe65829b3046b0afa, 0x0cb4a5a3112a5112, 0xa3b561b1cb208396}, /* 10^-162 */
    {0xba121a4650e4ddeb, 0x92f34d62616ce413, 0x21a0183e10583cd3}, /* 10^-135 */
    {0x964e858c91ba2655, 0x3a6a07f8d510f86f, 0xe9082f25e9c5e9ec}, /* 10^-108 */
    {0xf2d56790ab41c2a2, 0xfae27299423fb9c3, 0x3695dad7e8858901}, /* 10^-81 */
    {0xc428d05aa4751e4c, 0xaa97e14c3c26b886, 0x96842dc95323f5a8}, /* 10^-54 */
    {0x9e74d1b791e07e48, 0x775ea264cf55347d, 0xca49f1c05120c9c7}, /* 10^-27 */
    {0x8000000000000000, 0x0000000000000000, 0x0000000000000000}, /* 10^0 */
    {0xcecb8f27f4200f3a, 0x0000000000000000, 0x0000000000000000}, /* 10^27 */
    {0xa70c3c40a64e6c51, 0x999090b65f67d924, 0x0000000000000000}, /* 10^54 */
    {0x86f0ac99b4e8dafd, 0x69a028bb3ded71a3, 0xdf9f915627c04e28}, /* 10^81 */
    {0xda01ee641a708de9, 0xe80e6f4820cc9495, 0xd74baad03bc1d8d3}, /* 10^108 */
    {0xb01ae745b101e9e4, 0x5ec05dcff72e7f8f, 0xc04c79ffe324301f}, /* 10^135 */
    {0x8e41ade9fbebc27d, 0x14588f13be847307, 0x23bd6a2059c002f5}, /* 10^162 */
    {0xe5d3ef282a242e81, 0x8f1668c8a86da5fa, 0xf0b5ccf5176ecc7c}, /* 10^189 */
    {0xb9a74a0637ce2ee1, 0x6d953e2bd7173692, 0x88efb0037ac08bde}, /* 10^216 */
    {0x95f83d0a1fb69cd9, 0x4abdaf101564f98e, 0x0d5a4af7b3a98e47}, /* 10^243 */
    {0xf24a01a73cf2dccf, 0xbc633b39673c8cec, 0x3d9c44cd2f36917c}, /* 10^270 */
    {0xc3b8358109e84f07, 0x0a862f80ec4700c8, 0x02606ea01029dc37}, /* 10^297 */
    {0x9e19db92b4e31ba9, 0x6c07a2c26a8346d1, 0x4944d9f52cd0dec2}, /* 10^324 */
};

static const uint64_t pow5[COARSE_STEP] = {
    1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625,
    1220703125, 6103515625, 30517578125, 152587890625, 762939453125, 3814697265625,
    19073486328125, 95367431640625, 476837158203125, 2384185791015625, 11920928955078125,
    59604644775390625, 298023223876953125, 1490116119384765625};

ad_pow10 ad_pow10_bits(int k) {
    int i = (k - COARSE_FIRST * COARSE_STEP) / COARSE_STEP;
    uint64_t fine = pow5[k - (i + COARSE_FIRST) * COARSE_STEP];
    const uint64_t *c = coarse[i];
    wide lowest = (wide)c[2] * fine;
    wide middle = (wide)c[1] * fine + (lowest >> 64);
    wide top = (wide)c[0] * fine + (middle >> 64);
    uint64_t w[3] = {(uint64_t)(top >> 64), (uint64_t)top, (uint64_t)middle};
    int shift = w[0] ? __builtin_clzll(w[0]) : 64;
    if (shift == 64) return (ad_pow10){w[1], w[2]};
    if (shift == 0) return (ad_pow10){w[0], w[1]};
    return (ad_pow10){w[0] << shift | w[1] >> (64 - shift), w[1] << shift | w[2] >> (64 - shift)};
}

/* Right for |e| up to 1233, found and checked by enumeration. */
static int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }
static int floor_log10_pow2(int e) { return (e * 1262611) >> 22; }
static int floor_log10_three_quarters_pow2(int e) { return (e * 1262611 - 524031) >> 22; }

/* ---- writing ------------------------------------------------------------------------------ */

typedef struct decimal {
    uint64_t digits;
    int exponent; /* digits · 10^exponent */
} decimal;

/* Product rounded to odd: keeps what comparisons with integers need. */
static uint64_t round_to_odd(ad_pow10 g, uint64_t c) {
    wide low = (wide)g.low * c;
    wide high = (wide)g.high * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* x = c · 2^q, c > 0. Names are the paper's. */
static decimal shortest(uint64_t c, int q, bool lower_is_closer) {
    int k = lower_is_closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    ad_pow10 g = ad_pow10_bits(-k);
    if (++g.low == 0) g.high++;
    uint64_t out = c & 1;
    uint64_t vbl = round_to_odd(g, (4 * c - (lower_is_closer ? 1 : 2)) << h);
    uint64_t vb = round_to_odd(g, (4 * c) << h);
    uint64_t vbr = round_to_odd(g, (4 * c + 2) << h);
    uint64_t s = vb / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool low_in = vbl + out <= 40 * tens;
        bool high_in = 40 * (tens + 1) + out <= vbr;
        if (low_in != high_in) return (decimal){tens + high_in, k + 1};
    }
    bool low_in = vbl + out <= 4 * s;
    bool high_in = 4 * (s + 1) + out <= vbr;
    if (low_in != high_in) return (decimal){s + high_in, k};
    uint64_t middle = 4 * s + 2;
    return (decimal){s + (vb > middle || (vb == middle && (s & 1))), k};
}

static decimal without_trailing_zeros(decimal d) {
    while (d.digits % 10000 == 0) d.digits /= 10000, d.exponent += 4;
    while (d.digits % 10 == 0) d.digits /= 10, d.exponent++;
    return d;
}

static decimal decimal_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t fraction = bits & 0xfffffffffffff;
    int biased = (int)(bits >> 52 & 0x7ff);
    if (biased == 0) return without_trailing_zeros(shortest(fraction, -1074, false));
    bool lower_is_closer = fraction == 0 && biased > 1;
    return without_trailing_zeros(
        shortest(fraction | 1ull << 52, biased - 1075, lower_is_closer));
}

static decimal decimal_of_single(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t fraction = bits & 0x7fffff;
    int biased = (int)(bits >> 23 & 0xff);
    if (biased == 0) return without_trailing_zeros(shortest(fraction, -149, false));
    bool lower_is_closer = fraction == 0 && biased > 1;
    return without_trailing_zeros(shortest(fraction | 1u << 23, biased - 150, lower_is_closer));
}

static int put_digits(char *to, uint64_t digits) {
    char reversed[24];
    int n = 0;
    do {
        reversed[n++] = (char)('0' + digits % 10);
    } while (digits /= 10);
    for (int i = 0; i < n; i++) to[i] = reversed[n - 1 - i];
    return n;
}

/* Digits at p with the point where it belongs: 123000, 12.3, 0.00123. */
static char *put_plain(char *p, decimal d) {
    char digits[24];
    int n = put_digits(digits, d.digits), point = n + d.exponent;
    if (point <= 0) {
        *p++ = '0', *p++ = '.';
        for (; point < 0; point++) *p++ = '0';
    }
    for (int i = 0; i < n; i++) {
        if (i > 0 && i == point) *p++ = '.';
        *p++ = digits[i];
    }
    for (; d.exponent > 0; d.exponent--) *p++ = '0';
    return p;
}

static char *put_scientific(char *p, decimal d) {
    char digits[24];
    int n = put_digits(digits, d.digits), exponent = d.exponent + n - 1;
    *p++ = digits[0];
    if (n > 1) *p++ = '.';
    for (int i = 1; i < n; i++) *p++ = digits[i];
    *p++ = 'e';
    if (exponent < 0) *p++ = '-', exponent = -exponent;
    return p + put_digits(p, (uint64_t)exponent);
}

static int digit_count(uint64_t digits) {
    int n = 1;
    while (digits >= 10) digits /= 10, n++;
    return n;
}

static char *put_finite(char *p, double x, bool single) {
    if (x < (single ? 16777216.0 : 9007199254740992.0) && x == (double)(int64_t)x)
        return p + put_digits(p, (uint64_t)x);
    decimal d = single ? decimal_of_single((float)x) : decimal_of(x);
    int magnitude = digit_count(d.digits) + d.exponent - 1;
    return magnitude < -4 || magnitude > 15 ? put_scientific(p, d) : put_plain(p, d);
}

static size_t put_number(double x, bool single, char *buf) {
    char *p = buf;
    if (isnan(x)) {
        memcpy(buf, "nan", 4);
        return 3;
    }
    if (signbit(x)) *p++ = '-', x = -x;
    if (isinf(x))
        memcpy(p, "inf", 3), p += 3;
    else
        p = put_finite(p, x, single);
    *p = '\0';
    return (size_t)(p - buf);
}

size_t ad_number_text(double x, char buf[32]) { return put_number(x, false, buf); }

size_t ad_single_text(float x, char buf[32]) { return put_number((double)x, true, buf); }

/* ---- reading ------------------------------------------------------------------------------ */

/* What stands in a text: digits · 10^exponent, or slightly more where `cut`. */
typedef struct scanned {
    uint64_t digits;  /* the first 19 significant ones */
    int64_t exponent;
    bool negative, cut; /* cut: further digits follow, not all 0 */
    const char *mantissa, *end;
} scanned;

enum { MAX_DIGITS = 19 };
static const int64_t exponent_bound = 100000000000000000; /* beyond the length of any text */

static void scan_digit(scanned *s, int *count, unsigned digit) {
    if (*count < MAX_DIGITS) {
        s->digits = 10 * s->digits + digit;
        *count += s->digits != 0;
    } else {
        s->exponent++;
        s->cut |= digit != 0;
    }
}

static const char *scan_exponent(scanned *s, const char *p, const char *end) {
    const char *q = p + 1;
    bool negative = q < end && *q == '-';
    if (q < end && (*q == '-' || *q == '+')) q++;
    if (q == end || (unsigned)(*q - '0') > 9) return p;
    int64_t exponent = 0;
    for (; q < end && (unsigned)(*q - '0') <= 9; q++)
        if (exponent < exponent_bound) exponent = 10 * exponent + (*q - '0');
    s->exponent += negative ? -exponent : exponent;
    return q;
}

/* False if no digit stands there. */
static bool scan(scanned *s, const char *p, const char *end) {
    *s = (scanned){0};
    int count = 0;
    if (p < end && (*p == '-' || *p == '+')) s->negative = *p++ == '-';
    s->mantissa = p;
    for (; p < end && (unsigned)(*p - '0') <= 9; p++) scan_digit(s, &count, (unsigned)(*p - '0'));
    bool any = p > s->mantissa;
    if (p < end && *p == '.') {
        const char *point = p++;
        for (; p < end && (unsigned)(*p - '0') <= 9; p++) {
            scan_digit(s, &count, (unsigned)(*p - '0'));
            s->exponent--;
        }
        any |= p > point + 1;
    }
    if (any && p < end && (*p == 'e' || *p == 'E')) p = scan_exponent(s, p, end);
    s->end = p;
    return any;
}

/* top · 2^exponent (plus something smaller than its last bit, if `sticky`), rounded to even. */
static double round_to_double(uint64_t top, bool sticky, int exponent) {
    int magnitude = exponent + 63;
    if (magnitude > 1023) return INFINITY;
    int drop = magnitude < -1022 ? 11 - 1022 - magnitude : 11;
    if (drop > 64) return 0;
    wide all = (wide)top << 1 | sticky;
    uint64_t kept = (uint64_t)(all >> (drop + 1));
    wide rest = all & (((wide)1 << (drop + 1)) - 1), half = (wide)1 << drop;
    kept += rest > half || (rest == half && (kept & 1));
    /* A carry out of the fraction is the exponent's next value. */
    uint64_t bits = magnitude < -1022 ? kept : ((uint64_t)(magnitude + 1022) << 52) + kept;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* digits · power, rounded. */
static double scaled(uint64_t digits, ad_pow10 power, int exponent) {
    int shift = __builtin_clzll(digits);
    digits <<= shift;
    wide low = (wide)power.low * digits;
    wide high = (wide)power.high * digits + (uint64_t)(low >> 64);
    uint64_t w[3] = {(uint64_t)(high >> 64), (uint64_t)high, (uint64_t)low};
    exponent += 128 - shift;
    if (w[0] >> 63) return round_to_double(w[0], (w[1] | w[2]) != 0, exponent);
    uint64_t rest = w[1] << 1 | w[2];
    return round_to_double(w[0] << 1 | w[1] >> 63, rest != 0, exponent - 1);
}

/* Whole numbers of any size that occurs: 1074 + 770 decimal places are 3600 bits with the shifts. */
enum { BIG_WORDS = 160, BIG_DIGITS = 780 };
typedef struct big {
    int n;
    uint32_t w[BIG_WORDS];
} big;

static void big_multiply_add(big *b, uint32_t factor, uint32_t add) {
    uint64_t carry = add;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->w[i] * factor;
        b->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) b->w[b->n++] = (uint32_t)carry;
}

static void big_times_pow5(big *b, int64_t k) {
    for (; k >= 13; k -= 13) big_multiply_add(b, 1220703125, 0);
    if (k > 0) big_multiply_add(b, (uint32_t)pow5[k], 0);
}

static void big_shift(big *b, int64_t bits) {
    int words = (int)(bits / 32);
    big_multiply_add(b, 1u << (bits % 32), 0);
    memmove(b->w + words, b->w, (size_t)b->n * sizeof *b->w);
    memset(b->w, 0, (size_t)words * sizeof *b->w);
    b->n += words;
}

static int big_compare(const big *a, const big *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

/* All digits that matter; a digit 1 stands for the rest. Returns the exponent that goes with them. */
static int64_t big_of_text(big *b, const scanned *s) {
    int64_t exponent = s->exponent, count = 0;
    bool rest = false;
    b->n = 0;
    for (const char *p = s->mantissa; p < s->end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') continue;
        if (count < BIG_DIGITS)
            big_multiply_add(b, 10, (uint32_t)(*p - '0'));
        else
            rest |= *p != '0';
        count += b->n > 0;
    }
    if (count > MAX_DIGITS) exponent -= (count < BIG_DIGITS ? count : BIG_DIGITS) - MAX_DIGITS;
    if (!rest) return exponent;
    big_multiply_add(b, 10, 1);
    return exponent - 1;
}

/* The true value lies between two neighbours, `below` and the next: compares it with their middle. */
static double decide(const scanned *s, double below) {
    uint64_t bits, next;
    memcpy(&bits, &below, sizeof bits);
    next = bits + 1;
    int biased = (int)(bits >> 52);
    uint64_t middle = 2 * ((bits & 0xfffffffffffff) | (biased ? 1ull << 52 : 0)) + 1;
    int64_t q = (biased ? biased : 1) - 1076;
    big text, mid = {2, {(uint32_t)middle, (uint32_t)(middle >> 32)}};
    if (mid.w[1] == 0) mid.n = 1;
    int64_t k = big_of_text(&text, s);
    big_times_pow5(k < 0 ? &mid : &text, k < 0 ? -k : k);
    big_shift(k > q ? &text : &mid, k > q ? k - q : q - k);
    int order = big_compare(&text, &mid);
    if (order < 0 || (order == 0 && !(bits & 1))) return below;
    memcpy(&below, &next, sizeof below);
    return below;
}

static double magnitude_of(const scanned *s) {
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (s->digits == 0) return 0;
    if (!s->cut && s->digits <= 1ull << 53 && s->exponent >= -22 && s->exponent <= 22) {
        double x = (double)s->digits;
        return s->exponent < 0 ? x / exact[-s->exponent] : x * exact[s->exponent];
    }
    if (s->exponent < AD_POW10_MIN) return 0;
    if (s->exponent > 308) return INFINITY;
    int k = (int)s->exponent, exponent = floor_log2_pow10(k) - 127;
    ad_pow10 power = ad_pow10_bits(k);
    double low = scaled(s->digits, power, exponent);
    if (!s->cut && k >= 0 && k <= EXACT_LAST) return low;
    if (++power.low == 0) power.high++;
    double high = scaled(s->digits + s->cut, power, exponent);
    return low == high ? low : decide(s, low);
}

static size_t word_length(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(end - p) < n) return 0;
    for (size_t i = 0; i < n; i++)
        if ((p[i] | 0x20) != word[i]) return 0;
    return n;
}

/* inf, infinity and nan, in any case. */
static size_t parse_word(const char *text, const char *end, double *out) {
    const char *p = text;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    size_t n = word_length(p, end, "infinity");
    if (n == 0) n = word_length(p, end, "inf");
    *out = negative ? -INFINITY : INFINITY;
    if (n == 0 && (n = word_length(p, end, "nan")) > 0) *out = NAN;
    return n > 0 ? n + (size_t)(p - text) : 0;
}

size_t ad_number_parse(const char *text, size_t length, double *out) {
    scanned s;
    if (!scan(&s, text, text + length)) return parse_word(text, text + length, out);
    double x = magnitude_of(&s);
    *out = s.negative ? -x : x;
    return (size_t)(s.end - text);
}
