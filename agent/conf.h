/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* unhangd.conf: one table reads it, checks it, documents it and prints it. Nothing here logs: what
 * is to be said goes to the caller's callback, and no file whatever stops the daemon from guarding,
 * with the defaults where it must. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "include/policy.h"

/* The value for "no limit". */
#define CONF_INFINITY UINT64_MAX

enum conf_type {
        CONF_TIME,   /* a time span, in microseconds */
        CONF_COUNT,  /* a decimal number, or infinity */
        CONF_YES_NO, /* 1 or 0, written as systemd writes booleans */
};

/* One key of the file. The keys of a section stand together. */
struct conf_key {
        const char *section;
        const char *name;
        enum conf_type type;
        size_t offset;       /* of the 64 bits in struct policy */
        uint64_t min, max;   /* themselves allowed, and for CONF_COUNT CONF_INFINITY as well */
        uint64_t preset;     /* the default */
        const char *meaning; /* for the administrator; lines of at most 76 columns */
};

#define CONF_KEYS 6
extern const struct conf_key conf_keys[CONF_KEYS];

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

/* The value of KEY in POLICY. */
uint64_t conf_value(const struct policy *policy, const struct conf_key *key);

/* The defaults of every key. */
void conf_defaults(struct policy *ret);

/* Reads the file at PATH. Returns the number of errors found, 0 for a clean file; never a negative
 * errno, for *ret is complete and within its limits in every case:
 *  - no such file, or /dev/null: the defaults, and no error;
 *  - a file that cannot be read to its end, that is no regular file or too large: the defaults;
 *  - an unknown section or key, a value that cannot be read or is out of range, a line that is
 *    neither: the line counts as not written;
 *  - a key given twice: of the values given the one that does less, which is the longest time, the
 *    largest number, and no before yes.
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
