/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/report/journal.h"

static const struct kind {
        const char *name;
        const char *id; /* MESSAGE_ID=, see catalog(7) of journalctl -x */
        int level;
} kinds[_EVENT_KIND_MAX] = {
        [EVENT_GUARDED] = { "guarded", "007a76becb0e46b09755f8c537158788", LOG_INFO },
        [EVENT_VANISHED] = { "vanished", "2cdc327917584664b3d067002d4dab89", LOG_NOTICE },
        [EVENT_POLICY] = { "policy", "9b41830bce9840079c4783758da75e4b", LOG_NOTICE },
        [EVENT_SUSPECTED] = { "suspect", "c624543be9324ba88c2f0eacfdfe80e4", LOG_WARNING },
        [EVENT_CLEARED] = { "cleared", "7bf37591507e472dbda3ee58865c8cb9", LOG_NOTICE },
        [EVENT_ACT] = { "act", "69ca3cbf7abf4b09ae8c8a957d94849e", LOG_WARNING },
        [EVENT_PROGRESS] = { "progress", "689046ce0b2d4480b868c1c38b2a1cfc", LOG_NOTICE },
        [EVENT_RECOVERED] = { "recovered", "fb5a4e1ffd8e430cb90b620d251a76b6", LOG_NOTICE },
        [EVENT_FAILED] = { "failed", "154dd57ff9e04bdcab6f86157e208c82", LOG_ERR },
        [EVENT_STUCK] = { "stuck", "4d7182461f1d40b1972c38a9f0f861ad", LOG_CRIT },
};

#define IDENTITY_MAX (DISK_NAME_MAX + DISK_SERIAL_MAX + 64)

/* "sda (0:0:0:0, SERIAL)": what is not known of a disk is left out. */
static const char *identity(const struct disk_id *disk, char buf[static IDENTITY_MAX]) {
        bool address = disk->address[0], serial = disk->serial[0], any = address || serial;

        (void) snprintf(buf, IDENTITY_MAX, "%s%s%s%s%s%s", disk->name, any ? " (" : "",
                        disk->address, address && serial ? ", " : "", disk->serial,
                        any ? ")" : "");
        return buf;
}

void journal_report(const struct event_report *report) {
        const struct kind *kind = kinds + report->kind;
        const struct disk_id *disk = report->disk;
        const struct log_field fields[] = {
                { "MESSAGE_ID", kind->id },        { "UNHANG_EVENT", kind->name },
                { "UNHANG_DISK", disk->name },     { "UNHANG_ADDRESS", disk->address },
                { "UNHANG_SERIAL", disk->serial }, { "UNHANG_STATE", report->state },
                { "UNHANG_STEP", report->step },   { "UNHANG_OUTCOME", report->outcome },
                /* Last, for it is left out when there is none. */
                { "UNHANG_SYMPTOM", report->symptom },
        };
        bool symptom = strcmp(report->symptom, "-") != 0;
        char buf[IDENTITY_MAX];

        assert(report->kind < _EVENT_KIND_MAX);

        log_fields(kind->level, fields, ELEMENTSOF(fields) - (symptom ? 0 : 1), "%s: %s",
                   identity(disk, buf), report->text);
        if (kind->level <= LOG_WARNING)
                log_kernel(kind->level, "%s: %s", buf, report->text);
}
