/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One file: unhangd.conf or a part of it, or a policy. Nothing here logs, and whatever the file
 * holds, what is read from it is complete and within its limits:
 *  - a file that cannot be read to its end, that is no regular file or too large, means that
 *    nothing is done to a disk: Act=no;
 *  - a value that cannot be read or is out of range, a key that stands in the wrong section: the
 *    key's fallback, so that nothing happens sooner than was meant;
 *  - a key given twice: of the values given the one that does less;
 *  - any other line that is not understood counts as not written. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/conf/key.h"
#include "agent/conf/match.h"
#include "agent/conf/reader.h"
#include "agent/conf/report.h"

enum conf_kind {
        CONF_GENERAL, /* unhangd.conf, or a part of it */
        CONF_POLICY,  /* NAME.policy: has a [Match] as well */
};

/* What one file gives. */
struct conf_file {
        struct policy values;
        unsigned lines[CONF_KEYS];   /* which gave it; 0: not given, and the value is undefined */
        bool unreadable;             /* all it gives is Act=no, in no line */
        unsigned match_lines[CONF_MATCH_KEYS];
        char match[CONF_MATCH_KEYS][CONF_LINE_MAX + 1];
        bool match_broken;           /* it is not known for which disks it is */
};

/* Reads the file at PATH. Returns the number of errors, 0 for a clean file. CALLBACK may be NULL;
 * *ret_empty: there is no such file, or it is empty. This opens and reads: not for a loop that a
 * dead root disk may stop. */
int conf_parse_file(const char *path, enum conf_kind kind, conf_message_cb callback,
                    void *userdata, bool *ret_empty, struct conf_file *ret);

/* The same from the SIZE bytes at TEXT, which messages call "text". */
int conf_parse_text(const char *text, size_t size, enum conf_kind kind, conf_message_cb callback,
                    void *userdata, struct conf_file *ret);

/* Lays what the file gives over POLICY. */
void conf_file_apply(const struct conf_file *file, struct policy *policy);

/* The kind of a file by its name: what ends in ".policy" is one. */
enum conf_kind conf_kind_of(const char *path);

/* The defaults, and over them the file at PATH of whatever kind. Returns as conf_parse_file(); no
 * such file is no error. */
int conf_load(const char *path, conf_message_cb callback, void *userdata, struct policy *ret);

/* Takes the limit to warn down to the limit to act, which the detector relies on. */
void conf_settle(struct policy *policy);
