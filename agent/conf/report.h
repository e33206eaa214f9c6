/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is to say of a configuration, told to whoever asked for it to be read. */

#include <syslog.h>

#include "agent/base/macro.h"

/* Told each thing to say, without a newline, free of control characters but for what the name of a
 * file may hold. PRIORITY is LOG_ERR for an error, LOG_WARNING for what is understood but worth a
 * word. MESSAGE is the caller's until it returns. An error about a line reads
 *   FILE:LINE: [Section] Key=VALUE: what is allowed; what is in force instead */
typedef void (*conf_message_cb)(int priority, const char *message, void *userdata);

/* Errors told of one file; the rest are counted in a last one, "FILE: N further errors". Enough to
 * mend a file by, and a file full of rubbish does not fill the log. */
#define CONF_MESSAGES_MAX 20

struct conf_report {
        const char *file; /* as messages call it */
        conf_message_cb callback; /* NULL: nobody listens, and errors are counted only */
        void *userdata;
        unsigned errors;
};

/* A word about the file as a whole, or about LINE when that is not 0. */
void conf_say(const struct conf_report *report, int priority, unsigned line, const char *format,
              ...) _printf_(4, 5);

/* An error: counts it, and tells it unless there have been too many. */
void conf_complain(struct conf_report *report, unsigned line, const char *format, ...)
        _printf_(3, 4);

/* Tells how many errors were not told. */
void conf_report_end(const struct conf_report *report);
