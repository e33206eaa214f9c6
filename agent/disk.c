/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"

#define SYSFS "/sys"
#define MOUNTINFO "/proc/self/mountinfo"
#define SWAPS "/proc/swaps"

/* What the system cannot run without; a disk under one of these is never failed. */
static const char *const system_mounts[] = { "/", "/usr", "/var", "/etc", "/run" };

enum footing disk_footing(const struct disk *disk) {
        assert(disk);

        if (disk->unfollowed)
                return FOOTING_SYSTEM;
        for (size_t i = 0; i < disk->mounts.n; i++)
                for (size_t k = 0; k < ELEMENTSOF(system_mounts); k++)
                        if (strcmp(disk->mounts.entries[i].target, system_mounts[k]) == 0)
                                return FOOTING_SYSTEM;
        return disk->mounts.n > 0 ? FOOTING_DATA : FOOTING_NONE;
}

int disk_attach_error(const struct disk *disk) {
        assert(disk);

        for (size_t i = 0; i < ELEMENTSOF(disk->attach_errors); i++)
                if (disk->attach_errors[i] < 0)
                        return disk->attach_errors[i];
        return 0;
}

static void take_mounts(struct disk *disk, struct libmnt_table *table) {
        struct mounts mounts = {};
        int r;

        r = mounts_of_disk(table, SYSFS, disk->id.devnum, &mounts);
        if (r < 0) {
                log_warning("%s (%s): cannot read which filesystems stand on it: %s",
                            disk->id.name, disk->address, strerror(-r));
                return;
        }
        mounts_clear(&disk->mounts);
        disk->mounts = mounts;
        disk->unfollowed = mounts_unfollowed(SYSFS, SWAPS, disk->id.devnum);
        r = state_file_write(&disk->state, disk->ladder.state, disk->ladder.acted_at,
                             &disk->mounts);
        if (r < 0)
                log_warning("%s (%s): cannot note its mounts in %s: %s", disk->id.name,
                            disk->address, disk->state.path, strerror(-r));
}

/* A disk in trouble keeps what stood on it when the trouble began. */
static bool keeps_mounts(const struct disk *disk) {
        return disk->ladder.state != INCIDENT_HEALTHY;
}

void disk_refresh_mounts(struct agent *agent) {
        struct libmnt_table *table;
        int r;

        assert(agent);

        agent->mounts_stale = false;
        r = mount_table_read(MOUNTINFO, &table);
        if (r < 0) {
                log_warning("cannot read %s: %s", MOUNTINFO, strerror(-r));
                return;
        }
        for (struct disk *d = agent->disks; d; d = d->next)
                if (!keeps_mounts(d))
                        take_mounts(d, table);
        mount_table_free(table);
}

struct disk *disk_free(struct disk *disk) {
        if (disk) {
                domain_leave(disk);
                (void) sd_event_source_disable_unref(disk->source);
                executor_release(&disk->executor);
                counters_close(&disk->counters);
                state_file_close(&disk->state);
                mounts_clear(&disk->mounts);
                free(disk);
        }
        return NULL;
}

static struct disk *disk_new(struct agent *agent, const struct disk_found *found) {
        struct disk *disk = calloc(1, sizeof(*disk));

        if (!disk)
                return NULL;
        disk->agent = agent;
        disk->id = found->id;
        disk->nodes = found->nodes;
        disk->executor.fd = -EBADF;
        disk->state.fd = -EBADF;
        disk->counters = (struct counters) { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
        disk->respawn_at = USEC_INFINITY;
        (void) snprintf(disk->address, sizeof(disk->address), "%u:%u:%u:%" PRIu64, found->id.host,
                        found->id.channel, found->id.target, found->id.lun);
        return disk;
}

static void resume(struct disk *disk, usec_t now) {
        enum incident_state state;
        struct mounts mounts;
        usec_t acted_at;
        int r;

        r = state_file_read(&disk->state, &state, &acted_at, &mounts);
        if (r == -ENODATA)
                return;
        if (r < 0) {
                log_warning("%s (%s): %s makes no sense (%s): begun anew", disk->id.name,
                            disk->address, disk->state.path, strerror(-r));
                return;
        }
        disk->mounts = mounts;
        incident_resume(disk, state, acted_at, now);
}

static int set_up(struct disk *disk, const struct disk_found *found, usec_t now) {
        int r;

        r = counters_open(SYSFS, found->block_dir, found->id.host, &disk->counters);
        if (r < 0)
                return r;
        r = state_file_open(UNHANG_RUNTIME_DIR, &disk->id, &disk->state);
        if (r < 0)
                return r;
        r = domain_join(disk);
        if (r < 0)
                return r;
        r = domain_own_executor(disk);
        if (r < 0)
                return r;
        ladder_init(&disk->ladder, now);
        resume(disk, now);
        return 0;
}

static void append(struct agent *agent, struct disk *disk) {
        struct disk **end = &agent->disks;

        while (*end)
                end = &(*end)->next;
        *end = disk;
}

static void guard(struct disk *disk) {
        const struct policy *policy = &disk->agent->policy;
        char text[256];

        (void) snprintf(text, sizeof(text), "guarded: LUN reset through %s after %s without a "
                                            "completion, %zu mount%s",
                        disk->nodes.reset_node,
                        format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, policy->stall),
                        disk->mounts.n, disk->mounts.n == 1 ? "" : "s");
        incident_report(disk, EVENT_GUARDED, text);
}

static bool same(const struct disk_id *a, const struct disk_id *b) {
        return a->devnum == b->devnum && a->diskseq == b->diskseq &&
               strcmp(a->serial, b->serial) == 0 && a->host == b->host &&
               a->channel == b->channel && a->target == b->target && a->lun == b->lun;
}

static struct disk *find_by_devnum(struct agent *agent, dev_t devnum) {
        for (struct disk *d = agent->disks; d; d = d->next)
                if (d->id.devnum == devnum)
                        return d;
        return NULL;
}

void disk_appeared(struct agent *agent, const struct disk_found *found) {
        struct disk *disk = find_by_devnum(agent, found->id.devnum);
        int r;

        if (disk && same(&disk->id, &found->id))
                return;
        if (disk) /* its number has gone to another disk */
                disk_vanished(agent, found->id.devnum);

        disk = disk_new(agent, found);
        r = disk ? set_up(disk, found, now_monotonic()) : -ENOMEM;
        if (r < 0) {
                log_error("%s: cannot be guarded: %s", found->id.name, strerror(-r));
                (void) disk_free(disk);
                return;
        }
        append(agent, disk);
        disk_refresh_mounts(agent);
        guard(disk);
        agent_arm(agent);
}

void disk_vanished(struct agent *agent, dev_t devnum) {
        struct disk **link, *disk;

        for (link = &agent->disks; (disk = *link); link = &disk->next)
                if (disk->id.devnum == devnum)
                        break;
        if (!disk)
                return;
        *link = disk->next;
        if (disk->call)
                bus_call_done(disk->call, outcome_to_string(OUTCOME_GONE), "the disk is gone");
        incident_report(disk, EVENT_VANISHED, "gone, no longer guarded");
        state_file_remove(&disk->state);
        (void) disk_free(disk);
}

/* What a person wants to read now; the text noted last may speak of another time. */
static const char *detail_now(const struct disk *disk, usec_t now, char *buf, size_t size) {
        char quiet[FORMAT_USEC_MAX], limit[FORMAT_USEC_MAX];

        if (disk_attach_error(disk) < 0) {
                (void) snprintf(buf, size, "watched only: %s: %s", disk->nodes.reset_node,
                                strerror(-disk_attach_error(disk)));
                return buf;
        }
        if (!disk->domain->executor.ready) {
                (void) snprintf(buf, size,
                                "an executor of an earlier unhangd still hangs in a reset on "
                                "host%u; nothing is done there until it returns",
                                disk->domain->host);
                return buf;
        }
        if (disk->ladder.state == INCIDENT_FAILED) {
                usec_t due = disk->ladder.deadline;

                (void) snprintf(buf, size, "its I/O ends with EIO; tried again in %s",
                                format_usec(limit, sizeof(limit), due > now ? due - now : 0));
                return buf;
        }
        if (disk->ladder.state != INCIDENT_SUSPECT)
                return disk->detail;
        (void) snprintf(buf, size, "%u request%s in flight, none completed for %s; "
                                   "LUN reset after %s",
                        disk->symptom.outstanding, disk->symptom.outstanding == 1 ? "" : "s",
                        format_usec(quiet, sizeof(quiet), disk->symptom.quiet),
                        format_usec(limit, sizeof(limit), disk->agent->policy.stall));
        return buf;
}

/* While a reset hangs in the kernel, whoever began it, nothing can follow for what waits for it. */
static const char *state_now(const struct disk *disk) {
        if (!disk->domain->executor.ready && disk->ladder.state != INCIDENT_HEALTHY)
                return "stuck";
        return ladder_state_for_people(&disk->ladder);
}

void disk_describe(const struct disk *disk, usec_t now, struct bus_status *status) {
        const struct ladder *l = &disk->ladder;
        char detail[256];
        struct disk_report report = {
                .name = disk->id.name,
                .address = disk->address,
                .serial = disk->id.serial,
                .state = state_now(disk),
                .outstanding = disk->symptom.outstanding,
                .detail = detail_now(disk, now, detail, sizeof(detail)),
                .quiet = disk->symptom.quiet,
                .limit = disk->agent->policy.stall,
                .last_act = step_to_string(l->act),
                .last_outcome = outcome_to_string(l->outcome),
                .last_ago = l->act == STEP_NONE ? USEC_INFINITY : now - l->acted_at,
                .mounts = disk->ladder.failed ? 0 : (uint32_t) disk->mounts.n,
        };

        bus_status_add(status, &report);
}
