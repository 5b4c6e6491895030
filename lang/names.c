/* SPDX-License-Identifier: MIT */
/*
 * Open addressing over pointers, at most three quarters full; the names themselves lie in an arena
 * and never move. Only text with bytes above 127 can need normalising; U+00B5, the micro sign of
 * keyboards, is taken as the letter mu, which NFC alone would leave apart.
 */
#include "names.h"

#include "lexer.h"

#include <string.h>
#include <utf8proc.h>

struct gr_names {
    ad_ctx *ctx;
    gr_arena arena;
    const gr_name **slots;
    uint32_t room; /* a power of two */
    uint32_t count;
};

static const struct {
    const char *text;
    uint16_t kind;
} words[] = {
#define GR_TOKEN(kind, pattern, shown)
#define GR_WORD(kind, text) {text, GR_T_##kind},
#include "tokens.def"
#undef GR_TOKEN
#undef GR_WORD
};

/* FNV-1a with a final mix. */
static uint32_t hash_of(const char *text, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    hash ^= hash >> 15;
    return hash * 0x85ebca6bu;
}

static bool same(const gr_name *name, const char *text, size_t length, uint32_t hash) {
    return name->hash == hash && name->length == length && !memcmp(name->text, text, length);
}

static uint32_t slot_of(const gr_names *names, const char *text, size_t length, uint32_t hash) {
    uint32_t i = hash & (names->room - 1);
    while (names->slots[i] && !same(names->slots[i], text, length, hash)) {
        i = (i + 1) & (names->room - 1);
    }
    return i;
}

static bool grow(gr_names *names) {
    uint32_t room = 2 * names->room;
    const gr_name **slots = ad_mem_get(names->ctx, room * sizeof *slots);
    if (!slots) return false;
    memset(slots, 0, room * sizeof *slots);
    for (uint32_t i = 0; i < names->room; i++) {
        const gr_name *name = names->slots[i];
        if (!name) continue;
        uint32_t j = name->hash & (room - 1);
        while (slots[j]) j = (j + 1) & (room - 1);
        slots[j] = name;
    }
    ad_mem_put(names->ctx, names->slots, names->room * sizeof *slots);
    names->slots = slots;
    names->room = room;
    return true;
}

const gr_name *gr_intern_ascii(gr_names *names, const char *text, size_t length) {
    uint32_t hash = hash_of(text, length);
    uint32_t slot = slot_of(names, text, length, hash);
    if (names->slots[slot]) return names->slots[slot];
    if (names->count >= names->room / 4 * 3) {
        if (!grow(names)) return NULL;
        slot = slot_of(names, text, length, hash);
    }
    gr_name *name = gr_arena_alloc(&names->arena, sizeof(gr_name) + length + 1);
    if (!name) return NULL;
    name->hash = hash;
    name->serial = names->count++;
    name->length = (uint32_t)length;
    memcpy(name->text, text, length);
    names->slots[slot] = name;
    return name;
}

static utf8proc_int32_t fold(utf8proc_int32_t c, void *unused) {
    (void)unused;
    return c == 0xB5 ? 0x3BC : c;
}

enum { SMALL = 63 }; /* code points normalised on the stack; reencoding wants a byte more */

const gr_name *gr_intern(gr_names *names, const char *text, size_t length) {
    bool ascii = true;
    for (size_t i = 0; i < length && ascii; i++) ascii = (unsigned char)text[i] < 128;
    if (ascii) return gr_intern_ascii(names, text, length);
    const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t small[SMALL + 1], *wide = small;
    utf8proc_ssize_t size = (utf8proc_ssize_t)length;
    utf8proc_ssize_t count = utf8proc_decompose_custom(bytes, size, small, SMALL, nfc, fold, NULL);
    size_t room = count > SMALL ? (size_t)count * sizeof *wide + 8 : 0;
    if (room) {
        wide = ad_mem_get(names->ctx, room);
        if (!wide) return NULL;
        count = utf8proc_decompose_custom(bytes, size, wide, count, nfc, fold, NULL);
    }
    if (count >= 0) count = utf8proc_reencode(wide, count, nfc);
    const gr_name *name =
        count >= 0 ? gr_intern_ascii(names, (const char *)wide, (size_t)count) : NULL;
    if (room) ad_mem_put(names->ctx, wide, room);
    return name;
}

static bool add_words(gr_names *names) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const gr_name *name = gr_intern_ascii(names, words[i].text, strlen(words[i].text));
        if (!name) return false;
        ((gr_name *)name)->keyword = words[i].kind;
    }
    return true;
}

gr_names *gr_names_new(ad_ctx *ctx) {
    gr_names *names = ad_mem_get(ctx, sizeof *names);
    if (!names) return NULL;
    *names = (gr_names){.ctx = ctx, .room = 1024};
    gr_arena_init(&names->arena, ctx);
    names->slots = ad_mem_get(ctx, names->room * sizeof *names->slots);
    if (names->slots) memset(names->slots, 0, names->room * sizeof *names->slots);
    if (!names->slots || !add_words(names)) {
        gr_names_free(names);
        return NULL;
    }
    return names;
}

void gr_names_free(gr_names *names) {
    if (!names) return;
    gr_arena_free(&names->arena);
    if (names->slots) {
        ad_mem_put(names->ctx, names->slots, names->room * sizeof *names->slots);
    }
    ad_mem_put(names->ctx, names, sizeof *names);
}

uint32_t gr_names_count(const gr_names *names) { return names->count; }
