/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files of the kind "[Section]" and "Key=VALUE", line by line. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/conf/report.h"

/* The longest line, in bytes without its end; comments may be longer. inih holds 199. */
#define CONF_LINE_MAX 190

/* The largest file, in bytes: a bound for how long reading can take. */
#define CONF_SIZE_MAX ((size_t) 16 << 20)

/* A "Key=VALUE" of a file. The texts are the caller's until it returns, without blanks and comments
 * around them, and free of control characters. */
struct conf_pair {
        unsigned line;
        const char *section; /* "" before any; "?" below a header that was not understood */
        const char *name;
        const char *value;   /* NULL: it cannot be read, which has been told */
};

typedef void (*conf_pair_cb)(const struct conf_pair *pair, void *userdata);

/* Calls PAIR for each in order; complains of every line that is none, of long lines, and of what is
 * no UTF-8 text. Returns NULL, or why the text could not be read to its end: then what has been
 * told of it is not to be used. The second reads all that FD gives. */
const char *conf_read_text(struct conf_report *report, const char *text, size_t size,
                           conf_pair_cb pair, void *userdata);
const char *conf_read_fd(struct conf_report *report, int fd, conf_pair_cb pair, void *userdata);

/* Opens a file to be read so. Returns a file descriptor that the caller owns, and whether the file
 * is empty, or is /dev/null, which says the same; or a negative errno, with *ret_why in words,
 * which is NULL when there is no such file. It can hang with the disk that the file is on. */
int conf_open(const char *path, bool *ret_empty, const char **ret_why) _must_check_;
