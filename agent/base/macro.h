/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ownership on the declaration, and the handful of helpers that every file wants. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))

/* The bit of an enumerator in a set of them. */
#define BIT(n) (1U << (n))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands a pointer over: the cleanup of the local then finds NULL. */
#define TAKE_PTR(p)                        \
        ({                                 \
                __typeof__(p) _p = (p);    \
                (p) = NULL;                \
                _p;                        \
        })

/* Hands a file descriptor over: the cleanup of the local then finds -EBADF. */
static inline int take_fd(int *fd) {
        int r = *fd;

        *fd = -EBADF;
        return r;
}

/* Closes FD if it is one; always returns -EBADF, so that a caller can write fd = safe_close(fd).
 * errno is left alone. */
static inline int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void fclosep(FILE **f) {
        if (*f)
                (void) fclose(*f);
}

#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_fclose_ _cleanup_(fclosep)
