/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/file-util.h"
#include "agent/base/log.h"
#include "agent/choose.h"
#include "agent/conf/check.h"
#include "agent/decide/plan.h"
#include "agent/incident.h"
#include "agent/report/bus-answer.h"

#define LINE_MAX_BYTES 900

/* More mounts of one disk are not looked at for MountPoint= and FileSystem=. */
#define MOUNTS_MAX 256

static void on_message(int priority, const char *message, void *userdata) {
        (void) userdata;
        log_line(priority, "%s", message);
}

/* In our own namespace, through volumes as well. */
static size_t find_mounts(const struct stack *stack, struct conf_mount mounts[static MOUNTS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < stack->n && n < MOUNTS_MAX; i++)
                if (stack->nodes[i].kind == STACK_MOUNT && stack->nodes[i].pid == 0)
                        mounts[n++] = (struct conf_mount) { stack->nodes[i].name,
                                                            stack->nodes[i].text };
        return n;
}

static void choose(const struct disk *disk, conf_message_cb callback, struct conf_choice *ret) {
        struct conf_mount mounts[MOUNTS_MAX];
        const struct conf_facts facts = {
                .id = &disk->id,
                .properties = &disk->chosen.properties,
                .mounts = mounts,
                .n_mounts = find_mounts(&disk->stack, mounts),
        };

        conf_choose(disk->agent->conf, &facts, callback, NULL, ret);
}

static void take(struct disk *disk, const struct conf_choice *choice) {
        disk->policy = choice->policy;
        (void) snprintf(disk->chosen.name, sizeof(disk->chosen.name), "%s",
                        conf_choice_name(disk->agent->conf, choice));
}

bool choose_first(struct disk *disk) {
        struct conf_choice choice;

        assert(disk);

        choose(disk, on_message, &choice);
        take(disk, &choice);
        return !choice.ignored;
}

/* "policy database (was default): StallSec=10s (was 2min), Act=no (was yes)"; "" when nothing is
 * different. */
static void describe_change(const struct disk *disk, const char *name_before,
                            const struct policy *before, char buf[static LINE_MAX_BYTES]) {
        const char *parting = "";
        size_t n = 0;

        buf[0] = '\0';
        if (strcmp(name_before, disk->chosen.name) != 0) {
                n = (size_t) snprintf(buf, LINE_MAX_BYTES, "policy %s (was %s)", disk->chosen.name,
                                      name_before);
                parting = ": ";
        }
        for (size_t i = 0; i < CONF_KEYS && n < LINE_MAX_BYTES; i++) {
                uint64_t old = conf_value(before, &conf_keys[i]);
                uint64_t new = conf_value(&disk->policy, &conf_keys[i]);
                char a[CONF_TEXT_MAX], b[CONF_TEXT_MAX];

                if (old == new)
                        continue;
                n += (size_t) snprintf(buf + n, LINE_MAX_BYTES - n, "%s%s=%s (was %s)", parting,
                                       conf_keys[i].name,
                                       conf_format(b, sizeof(b), &conf_keys[i], new),
                                       conf_format(a, sizeof(a), &conf_keys[i], old));
                parting = ", ";
        }
}

bool choose_again(struct disk *disk, bool complain) {
        char name_before[CONF_NAME_MAX], text[LINE_MAX_BYTES];
        struct policy before;
        struct conf_choice choice;

        assert(disk);

        before = disk->policy;
        memcpy(name_before, disk->chosen.name, sizeof(name_before));
        choose(disk, complain ? on_message : NULL, &choice);
        take(disk, &choice);
        describe_change(disk, name_before, &before, text);
        if (*text) {
                incident_report(disk, EVENT_POLICY, text);
                disk_policy_changed(disk);
        }
        return !choice.ignored;
}

void choose_for_all(struct agent *agent) {
        assert(agent);

        for (struct disk *d = agent->disks; d; d = d->next)
                (void) choose_again(d, true);
        agent_arm(agent);
}

/* Of a request; 0 if it is not known. */
static usec_t read_timeout(const struct disk *disk) {
        char path[DISK_PATH_MAX + 16], text[32];

        (void) snprintf(path, sizeof(path), "%s/timeout", disk->nodes.device_dir);
        if (disk->id.kind != DISK_SCSI || read_attribute_at(-EBADF, path, text, sizeof(text)) < 0)
                return 0;
        return strtoull(text, NULL, 10) * USEC_PER_SEC;
}

/* The kernel has another one to start after a panic, or boots by itself (kernel/panic.c: panic,
 * kernel/ksysfs.c: kexec_crash_loaded). */
static bool panic_ends(void) {
        char text[32];

        if (read_attribute_at(-EBADF, "/sys/kernel/kexec_crash_loaded", text, sizeof(text)) > 0 &&
            strcmp(text, "1") == 0)
                return true;
        return read_attribute_at(-EBADF, "/proc/sys/kernel/panic", text, sizeof(text)) > 0 &&
               strcmp(text, "0") != 0;
}

void choose_describe(const struct disk *disk, struct bus_status *status) {
        const char *notes[CONF_NOTES_MAX];
        struct conf_notes checked;
        struct conf_choice choice;
        struct conf_told told;
        const struct conf_circumstances here = {
                .timeout = read_timeout(disk),
                .rearms = disk->counters.rearms,
                .rungs = plan_rungs(disk->id.driver),
                .panic_ends = panic_ends(),
        };

        assert(disk && status);

        choose(disk, NULL, &choice);
        conf_choice_tell(disk->agent->conf, &choice, &told);
        conf_check_disk(&choice.policy, &disk->id, &here, &checked);
        for (size_t i = 0; i < checked.n; i++)
                notes[i] = checked.texts[i];
        told.report.notes = notes;
        told.report.n_notes = checked.n;
        bus_policy_set(status, &told.report);
}
