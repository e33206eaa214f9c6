/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* unhangd.conf. Nothing here logs: what is to be said goes to the caller's callback, and no file
 * whatever stops the daemon from guarding, with the defaults where it must. */

#include <stddef.h>
#include <stdio.h>

#include "agent/conf/key.h"

/* Messages given for one file; the rest are counted in a last one, "FILE: N further errors". Enough
 * to mend a file by, and a file full of rubbish does not fill the log. */
#define CONF_MESSAGES_MAX 20

/* The longest line, in bytes without its end; comments may be longer. inih holds 199. */
#define CONF_LINE_MAX 190

/* The largest file, in bytes: a bound for how long reading can take. */
#define CONF_SIZE_MAX ((size_t) 16 << 20)

/* Told each thing to say, without a newline, free of control characters but for what FILE may hold.
 * PRIORITY is LOG_ERR for an error, LOG_WARNING for what is understood but worth a word. MESSAGE is
 * the caller's until it returns. An error about a line reads
 *   FILE:LINE: [Section] Key=VALUE: what is allowed */
typedef void (*conf_message_cb)(int priority, const char *message, void *userdata);

/* Reads the file at PATH. Returns the number of errors found, 0 for a clean file; never a negative
 * errno, for *ret is complete and within its limits in every case:
 *  - no such file, or /dev/null: the defaults, and no error;
 *  - a file that cannot be read to its end, that is no regular file or too large: the defaults;
 *  - an unknown section or key, a value that cannot be read or is out of range, a line that is
 *    neither: the line counts as not written;
 *  - a key given twice: of the values given the one that does less.
 * Where the limit to warn is not below the limit to act, warn is set equal to stall, which is a
 * warning and not an error.
 *
 * CALLBACK may be NULL. This opens and reads: not for a loop that a dead root disk may stop. */
int conf_load(const char *path, conf_message_cb callback, void *userdata, struct policy *ret);

/* The same from the SIZE bytes at TEXT, which messages call "text". */
int conf_load_text(const char *text, size_t size, conf_message_cb callback, void *userdata,
                   struct policy *ret);

/* Writes the file as it is shipped: every key with its meaning and its default, as a comment.
 * Returns 0, or -EIO when F did not take it. */
int conf_print_default(FILE *f);
