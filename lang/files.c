/* SPDX-License-Identifier: MIT */
/*
 * Whole files. A file is written under a temporary name in the same folder, forced to disk and
 * renamed, so that a reader sees the old file or the new one, never a part.
 */
#define _GNU_SOURCE /* mkostemp */
#include "files.h"

#include "stdlib_embed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

enum { CHUNK = 1 << 16 };

static bool read_all(gr_buffer *out, int fd) {
    char chunk[CHUNK];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0;
        gr_buffer_put(out, chunk, (size_t)n);
        if (out->failed) {
            errno = ENOMEM;
            return false;
        }
    }
}

/* "gradus:NAME" is a file that the program carries. */
static const char own_data[] = "gradus:";

static bool read_embedded(gr_buffer *out, const char *name) {
    for (size_t i = 0; i < gr_data_count; i++) {
        if (strcmp(gr_data[i].name, name) != 0) continue;
        gr_buffer_put(out, (const char *)gr_data[i].text, gr_data[i].length);
        errno = ENOMEM;
        return !out->failed;
    }
    errno = ENOENT;
    return false;
}

bool gr_read_file(gr_buffer *out, const char *path) {
    struct stat info;
    if (strcmp(path, "-") == 0) return read_all(out, STDIN_FILENO);
    if (strncmp(path, own_data, sizeof own_data - 1) == 0)
        return read_embedded(out, path + sizeof own_data - 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fstat(fd, &info) == 0;
    if (ok && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        ok = false;
    }
    ok = ok && read_all(out, fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* What is there and is no plain file (a device, a pipe) is written to as it is. */
static bool write_through(const char *path, const char *bytes, size_t length) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write_all(fd, bytes, length);
    return close(fd) == 0 && ok;
}

static mode_t mode_of(const struct stat *old) {
    if (old) return old->st_mode & 0777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static bool write_and_rename(char *temporary, const char *path, mode_t mode, const char *bytes,
                             size_t length) {
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write_all(fd, bytes, length) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int saved = errno;
    ok = close(fd) == 0 && ok;
    if (ok && rename(temporary, path) == 0) return true;
    if (ok) saved = errno;
    unlink(temporary);
    errno = saved;
    return false;
}

bool gr_write_file(ad_ctx *ctx, const char *path, const char *bytes, size_t length) {
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (exists && !S_ISREG(info.st_mode)) return write_through(path, bytes, length);
    size_t room = strlen(path) + 8;
    char *temporary = ad_mem_get(ctx, room);
    if (!temporary) {
        errno = ENOMEM;
        return false;
    }
    snprintf(temporary, room, "%s.XXXXXX", path);
    bool ok = write_and_rename(temporary, path, mode_of(exists ? &info : NULL), bytes, length);
    int saved = errno;
    ad_mem_put(ctx, temporary, room);
    errno = saved;
    return ok;
}

bool gr_is_utf8(const char *bytes, size_t length, size_t *bad) {
    size_t i = 0;
    while (i < length) {
        uint64_t word;
        if (length - i >= sizeof word) {
            memcpy(&word, bytes + i, sizeof word);
            if (!(word & 0x8080808080808080)) {
                i += sizeof word;
                continue;
            }
        }
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + i,
                                              (utf8proc_ssize_t)(length - i), &code);
        if (n <= 0) {
            *bad = i;
            return false;
        }
        i += (size_t)n;
    }
    return true;
}

bool gr_raise_file(gr_vm *vm, const gr_call *call, uint32_t i, const char *verb, const char *path) {
    int saved = errno;
    if (saved == ENOMEM) {
        gr_raise_memory(vm);
        return false;
    }
    const char *why = saved == ENOENT && *verb == 'w' ? "there is no such folder"
                      : saved == ENOENT               ? "there is no such file"
                      : saved == EISDIR               ? "it is a folder"
                                                      : strerror(saved);
    gr_raise_argument(vm, call, i, GR_E_unreadable_file, "cannot %s `%s`: %s", verb, path, why);
    return false;
}
