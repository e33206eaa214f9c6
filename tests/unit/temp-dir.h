/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of its own for a test, and trees of small files in it. All of this aborts when it
 * fails: then there is nothing to test. */

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/macro.h"

struct temp_dir {
        char path[48];
};

/* In memory where that can be had: thousands of small files are made in these tests. */
static inline struct temp_dir temp_dir_new(void) {
        struct temp_dir dir;

        (void) snprintf(dir.path, sizeof(dir.path), "%s/unhang-test-XXXXXX",
                        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(dir.path))
                abort();
        return dir;
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type,
                                      struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static inline void temp_dir_removep(struct temp_dir *dir) {
        if (dir->path[0])
                (void) nftw(dir->path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define _cleanup_temp_dir_ _cleanup_(temp_dir_removep)

/* PATH_MAX bytes of path inside the directory. */
#define temp_path(dir, ...) temp_path_in((char[PATH_MAX]) {}, dir, __VA_ARGS__)

static inline char *temp_path_in(char *buf, const struct temp_dir *dir, const char *format, ...)
        _printf_(3, 4);
static inline char *temp_path_in(char *buf, const struct temp_dir *dir, const char *format, ...) {
        int n = snprintf(buf, PATH_MAX, "%s/", dir->path);
        va_list ap;

        va_start(ap, format);
        if (vsnprintf(buf + n, PATH_MAX - (size_t) n, format, ap) >= PATH_MAX - n)
                abort();
        va_end(ap);
        return buf;
}

/* Makes what PATH stands in. */
static inline void make_parents(const char *path) {
        char parent[PATH_MAX];

        for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
                (void) snprintf(parent, sizeof(parent), "%.*s", (int) (p - path), path);
                if (mkdir(parent, 0700) < 0 && errno != EEXIST)
                        abort();
        }
}

static inline void write_bytes(const char *path, const void *data, size_t n) {
        _cleanup_close_ int fd = -EBADF;

        make_parents(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, data, n) != (ssize_t) n)
                abort();
}

static inline void write_text(const char *path, const char *text) {
        write_bytes(path, text, strlen(text));
}

static inline void make_symlink(const char *target, const char *path) {
        make_parents(path);
        if (symlink(target, path) < 0)
                abort();
}

/* The whole file, with a NUL. */
static inline char *read_text_in(char *buf, size_t size, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, buf, size - 1);

        if (n < 0)
                abort();
        buf[n] = '\0';
        return buf;
}
