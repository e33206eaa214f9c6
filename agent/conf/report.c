/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <limits.h>
#include <stdarg.h>

#include "agent/conf/report.h"

#define TEXT_MAX 1024

static void tell(const struct conf_report *report, int priority, unsigned line, const char *text) {
        char message[PATH_MAX + TEXT_MAX + 32];

        if (line > 0)
                (void) snprintf(message, sizeof(message), "%s:%u: %s", report->file, line, text);
        else
                (void) snprintf(message, sizeof(message), "%s: %s", report->file, text);
        report->callback(priority, message, report->userdata);
}

void conf_say(const struct conf_report *report, int priority, unsigned line, const char *format,
              ...) {
        char text[TEXT_MAX];
        va_list ap;

        assert(report && format);

        if (!report->callback)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        tell(report, priority, line, text);
}

void conf_complain(struct conf_report *report, unsigned line, const char *format, ...) {
        char text[TEXT_MAX];
        va_list ap;

        assert(report && format);

        if (report->errors++ >= CONF_MESSAGES_MAX || !report->callback)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        tell(report, LOG_ERR, line, text);
}

void conf_report_end(const struct conf_report *report) {
        assert(report);

        if (report->errors > CONF_MESSAGES_MAX)
                conf_say(report, LOG_ERR, 0, "%u further errors",
                         report->errors - CONF_MESSAGES_MAX);
}
