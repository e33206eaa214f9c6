/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever a policy or unhangd.conf holds: its values stay within their limits, each error is told
 * once and in a form that can go into a log, neither the line ends nor the way it is read matter,
 * and what is left of [Match] can be matched. */
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>

#include "agent/base/macro.h"
#include "agent/conf/parse.h"
#include "tests/fuzz/fuzz.h"

struct reading {
        struct conf_file file;
        const char *name; /* which each message begins with */
        int errors, messages;
};

static void hear(int priority, const char *message, void *userdata) {
        struct reading *reading = userdata;

        demand(strncmp(message, reading->name, strlen(reading->name)) == 0);
        demand(message[strlen(reading->name)] == ':');
        for (const char *p = message; *p; p++)
                demand(((unsigned char) *p >= 0x20 || *p == '\t') && *p != 0x7F);
        if (priority == LOG_ERR)
                reading->messages++;
        else
                demand(priority == LOG_WARNING);
}

/* What can be written can be read. */
static void judge_value(const struct reading *reading, const struct conf_key *key) {
        uint64_t value = conf_value(&reading->file.values, key), again = 0;
        char text[CONF_TEXT_MAX];

        if (reading->file.lines[key - conf_keys] == 0)
                return;
        (void) conf_format(text, sizeof(text), key, value);
        if (key->type != CONF_TIME || value % USEC_PER_SEC == 0) {
                demand(conf_parse(key, text, &again) == 0);
                demand(again == value);
        } else
                demand(value >= key->min && value <= key->max);
}

static void judge_match(const struct reading *reading, size_t i) {
        static const struct disk_id id = { .name = "sda", .driver = "virtio_scsi" };
        static const struct conf_mount mount = { "ext4", "/" };
        struct properties properties = {};
        const struct conf_facts facts = { &id, &properties, &mount, 1 };
        struct conf_match match = {};

        if (reading->file.match_lines[i] == 0)
                return;
        demand(conf_match_check(&conf_match_keys[i], reading->file.match[i]) == 0);
        (void) properties_add(&properties, "ID_MODEL", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
        match.values[i] = reading->file.match[i];
        (void) conf_match(&match, &facts);
}

static void judge(const struct reading *reading) {
        int told = MIN(reading->errors, CONF_MESSAGES_MAX);

        demand(reading->errors >= 0);
        demand(reading->messages == told + (reading->errors > told));
        for (size_t i = 0; i < CONF_KEYS; i++)
                judge_value(reading, &conf_keys[i]);
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                judge_match(reading, i);
}

static struct reading read_text(const char *text, size_t size, enum conf_kind kind) {
        struct reading reading = { .name = "text" };

        reading.errors = conf_parse_text(text, size, kind, hear, &reading, &reading.file);
        judge(&reading);
        return reading;
}

static struct reading read_file(const char *text, size_t size, enum conf_kind kind) {
        _cleanup_close_ int fd = memfd_create("fuzz-conf", MFD_CLOEXEC);
        char path[32];
        struct reading reading = { .name = path };
        bool empty;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        demand(write(fd, text, size) == (ssize_t) size);
        reading.errors = conf_parse_file(path, kind, hear, &reading, &empty, &reading.file);
        demand(empty == (size == 0));
        judge(&reading);
        return reading;
}

static struct reading read_crlf(const char *text, size_t size, enum conf_kind kind) {
        _cleanup_free_ char *crlf = malloc(2 * size + 1);
        size_t n = 0;

        demand(crlf != NULL);
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '\n')
                        crlf[n++] = '\r';
                crlf[n++] = text[i];
        }
        return read_text(crlf, n, kind);
}

static void demand_same(const struct reading *a, const struct reading *b) {
        demand(a->errors == b->errors);
        demand(memcmp(&a->file.values, &b->file.values, sizeof(a->file.values)) == 0);
        demand(memcmp(a->file.lines, b->file.lines, sizeof(a->file.lines)) == 0);
        demand(memcmp(a->file.match_lines, b->file.match_lines, sizeof(a->file.match_lines)) == 0);
        demand(memcmp(a->file.match, b->file.match, sizeof(a->file.match)) == 0);
        demand(a->file.unreadable == b->file.unreadable);
        demand(a->file.match_broken == b->file.match_broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* A copy of just that size, so that one byte too far is seen. */
        _cleanup_free_ char *text = malloc(MAX(size, (size_t) 1));

        demand(text != NULL);
        if (size > 0)
                memcpy(text, data, size);

        for (enum conf_kind kind = CONF_GENERAL; kind <= CONF_POLICY; kind++) {
                struct reading as_text = read_text(text, size, kind);
                struct reading other = read_file(text, size, kind);

                demand_same(&as_text, &other);
                if (memchr(text, '\r', size))
                        continue;
                other = read_crlf(text, size, kind);
                demand_same(&as_text, &other);
        }
        return 0;
}
