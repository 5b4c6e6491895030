/* SPDX-License-Identifier: MIT */
/*
 * A script on standard input is run statement by statement as it comes, and still a line that begins
 * with `else` or a binary operator belongs to the statement above it. So what stands in front of the
 * reader is looked at, and put back: only what has already arrived, since who writes into a pipe may
 * wait for an answer before writing the next line. But an `if` waits for its `else`.
 */
#include "edit_private.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As much as is looked at: comments in front of an operator may be long. */
enum { MOST_AHEAD = 4096 };

/* Can a character be read without waiting for it? */
static bool is_ready(void) {
#ifdef __GLIBC__
    if (stdin->_IO_read_ptr < stdin->_IO_read_end) return true;
#endif
    struct stat info;
    if (fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode)) return true;
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* `text` begins with the first code behind a complete statement; NUL ends it. */
static bool goes_on(const char *text) {
    static const char *const words[] = {"else", "and", "or"};
    static const char *const signs[] = {"+", "*", "/", "%", "@", "^", "<", ">", "==", "!=", "|>",
                                        "..", "≤", "≥", "≠"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(text, words[i], n) == 0 && !gr_is_name_byte(text[n])) return true;
    }
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(text, signs[i], strlen(signs[i])) == 0) return strncmp(text, "...", 3) != 0;
    return text[0] == '-' && (text[1] == ' ' || text[1] == '\t' || text[1] == '\n');
}

/* Where the code begins behind blanks, newlines and comments. */
static size_t skip(const char *text, size_t n) {
    size_t i = 0;
    while (i < n && (strchr(" \t\r\n", text[i]) || text[i] == '#'))
        if (text[i++] == '#')
            while (i < n && text[i] != '\n') i++;
    return i;
}

static bool is_if(const gr_buffer *statement) {
    size_t at = statement->size ? skip(statement->text, statement->size) : 0;
    return statement->size > at + 2 && memcmp(statement->text + at, "if", 2) == 0 &&
           !gr_is_name_byte(statement->text[at + 2]);
}

/* ---- lines that are still to come ------------------------------------------------------------- */

static bool begins(const char *text, size_t size, const char *const *beginnings) {
    for (; *beginnings; beginnings++) {
        size_t n = strlen(*beginnings);
        if (n <= size && memcmp(text, *beginnings, n) == 0) return true;
    }
    return false;
}

static bool have(const char *text, size_t size, const char *const *beginnings) {
    for (const char *end = text + size; text < end;) {
        if (begins(text, (size_t)(end - text), beginnings)) return true;
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline) return false;
        text = newline + 1;
    }
    return false;
}

/* Pieces overlap, so that a beginning is whole in one of them. */
static bool file_has(off_t from, const char *const *beginnings) {
    enum { PIECE = 1 << 14, OVERLAP = 32 };
    char text[PIECE];
    ssize_t n;
    for (; (n = pread(STDIN_FILENO, text, PIECE, from)) > 0; from += n == PIECE ? PIECE - OVERLAP : n)
        if (have(text, (size_t)n, beginnings)) return true;
    return false;
}

static bool arrived_has(const char *const *beginnings, bool wait) {
#ifdef __GLIBC__
    int c = wait || is_ready() ? getc_unlocked(stdin) : EOF;
    if (c == EOF) clearerr(stdin); /* of a signal, which the first statement will see */
    if (c == EOF || ungetc(c, stdin) == EOF) return false;
    return have(stdin->_IO_read_ptr, (size_t)(stdin->_IO_read_end - stdin->_IO_read_ptr), beginnings);
#else
    (void)beginnings, (void)wait; /* it cannot be seen without being taken */
    return false;
#endif
}

bool gr_edit_awaits(const char *const *beginnings, bool wait) {
    struct stat info;
    if (fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode)) {
        off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
        return at >= 0 && file_has(at, beginnings);
    }
    return arrived_has(beginnings, wait);
}

bool gr_statement_goes_on(const gr_buffer *statement) {
    char text[MOST_AHEAD + 1];
    size_t n = 0, code = 0;
    bool waits = is_if(statement);
    while (n < MOST_AHEAD && n < code + 8) {
        if (!(waits && (n == code || text[n - 1] != '\n')) && !is_ready()) break;
        int c = getc_unlocked(stdin);
        if (c == EOF) {
            if (ferror(stdin)) clearerr(stdin); /* a signal, which the statement will see */
            break;
        }
        text[n++] = (char)c;
        code = skip(text, n);
    }
    text[n] = '\0';
    bool yes = goes_on(text + code);
    while (n > 0) ungetc((unsigned char)text[--n], stdin);
    return yes;
}
