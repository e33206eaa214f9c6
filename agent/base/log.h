/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The log never waits. Under systemd lines go to the journal's socket, elsewhere to standard error;
 * what is not taken at once is dropped and counted. Nothing here allocates. */

#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#include "agent/base/macro.h"

/* A field of a structured journal line: NAME (letters, digits, underscores) and its text, which
 * must not contain a newline. */
struct log_field {
        const char *name, *text;
};

/* Opens the target: the journal when JOURNAL_STREAM says that standard error goes there anyway,
 * else standard error. And the kernel log, when it may be written. Call once, before any disk is
 * sick. */
void log_open(void);

/* Closes what log_open() opened, as a forked child does that shall not log. */
void log_close(void);

/* One line of LEVEL (LOG_ERR ... LOG_DEBUG) with fields. Lines longer than 1 KiB are cut. */
void log_fields(int level, const struct log_field *fields, size_t n, const char *format, ...)
        _printf_(4, 5);

/* The same line into the kernel log too, where it survives the loss of the journal's disk. */
void log_kernel(int level, const char *format, ...) _printf_(2, 3);

/* Lines dropped since the start. */
uint64_t log_dropped(void);

#define log_line(level, ...) log_fields(level, NULL, 0, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
