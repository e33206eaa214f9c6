/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever the file holds: the policy stays within its limits, each error is told once and in a
 * form that can go into a log, and neither the line ends nor the way it is read matter. */
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>

#include "agent/base/macro.h"
#include "agent/conf/parse.h"
#include "tests/fuzz/fuzz.h"

struct reading {
        struct policy policy;
        const char *file; /* which each message begins with */
        int errors, messages;
};

static void hear(int priority, const char *message, void *userdata) {
        struct reading *reading = userdata;

        demand(strncmp(message, reading->file, strlen(reading->file)) == 0);
        demand(message[strlen(reading->file)] == ':');
        for (const char *p = message; *p; p++)
                demand(((unsigned char) *p >= 0x20 || *p == '\t') && *p != 0x7F);
        if (priority == LOG_ERR)
                reading->messages++;
        else
                demand(priority == LOG_WARNING);
}

static void judge(const struct reading *reading) {
        int told = MIN(reading->errors, CONF_MESSAGES_MAX);

        demand(reading->errors >= 0);
        demand(reading->messages == told + (reading->errors > told));
        demand(reading->policy.warn <= reading->policy.stall);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                uint64_t value = conf_value(&reading->policy, &conf_keys[i]);

                if (conf_keys[i].type == CONF_LIST)
                        continue; /* its limits are of another measure */
                demand((value >= conf_keys[i].min && value <= conf_keys[i].max) ||
                       (value == CONF_INFINITY && conf_keys[i].type == CONF_COUNT));
        }
}

static struct reading read_text(const char *text, size_t size) {
        struct reading reading = { .file = "text" };

        reading.errors = conf_load_text(text, size, hear, &reading, &reading.policy);
        judge(&reading);
        return reading;
}

static struct reading read_file(const char *text, size_t size) {
        _cleanup_close_ int fd = memfd_create("fuzz-conf", MFD_CLOEXEC);
        char path[32];
        struct reading reading = { .file = path };

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        demand(write(fd, text, size) == (ssize_t) size);
        reading.errors = conf_load(path, hear, &reading, &reading.policy);
        judge(&reading);
        return reading;
}

static struct reading read_crlf(const char *text, size_t size) {
        _cleanup_free_ char *crlf = malloc(2 * size + 1);
        size_t n = 0;

        demand(crlf != NULL);
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '\n')
                        crlf[n++] = '\r';
                crlf[n++] = text[i];
        }
        return read_text(crlf, n);
}

static void demand_same(const struct reading *a, const struct reading *b) {
        demand(a->errors == b->errors);
        demand(memcmp(&a->policy, &b->policy, sizeof(a->policy)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* A copy of just that size, so that one byte too far is seen. */
        _cleanup_free_ char *text = malloc(MAX(size, (size_t) 1));
        struct reading as_text, other;

        demand(text != NULL);
        if (size > 0)
                memcpy(text, data, size);

        as_text = read_text(text, size);
        other = read_file(text, size);
        demand_same(&as_text, &other);
        if (!memchr(text, '\r', size)) {
                other = read_crlf(text, size);
                demand_same(&as_text, &other);
        }
        return 0;
}
