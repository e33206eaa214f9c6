/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>

#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/file-util.h"
#include "agent/decide/drivers.h"
#include "agent/decide/plan.h"
#include "agent/incident.h"
#include "agent/observe/nvme.h"

/* What can be done to a disk, and what stands in the way. */

#define SYSFS "/sys"

/* What the system cannot run without; a disk under one of these is never failed. */
static const char *const system_mounts[] = { "/", "/usr", "/var", "/etc", "/run" };

/* An NVMe disk leaves when its controller is failed, and what stood on it stays with what is gone.
 */
static enum footing footing_of(const struct disk *disk) {
        if (stack_is_unfollowed(&disk->stack, disk->id.kind == DISK_NVME))
                return FOOTING_SYSTEM;
        for (size_t i = 0; i < disk->mounts.n; i++)
                for (size_t k = 0; k < ELEMENTSOF(system_mounts); k++)
                        if (strcmp(disk->mounts.entries[i].target, system_mounts[k]) == 0)
                                return FOOTING_SYSTEM;
        return disk->mounts.n > 0 ? FOOTING_DATA : FOOTING_NONE;
}

/* To fail it takes down what else is within reach. */
enum footing disk_footing(const struct disk *disk) {
        const struct plan *plan;

        assert(disk);

        plan = &disk->watch.plan;
        if (plan->fail == STEP_NONE || step_reach(plan->fail) != REACH_DOMAIN)
                return footing_of(disk);
        for (const struct disk *d = disk->agent->disks; d; d = d->next)
                if (d->domain && d->domain == disk->domain && footing_of(d) == FOOTING_SYSTEM)
                        return FOOTING_SYSTEM;
        return footing_of(disk);
}

bool disk_can_act(const struct disk *disk) {
        assert(disk);

        return disk->policy.act && !plan_is_empty(&disk->watch.plan);
}

bool disk_is_free(const struct disk *disk) {
        assert(disk);

        return !disk->domain || domain_is_free(disk->domain);
}

int disk_attach_error(const struct disk *disk) {
        assert(disk);

        for (size_t i = 0; i < ELEMENTSOF(disk->attach_errors); i++)
                if (disk->attach_errors[i] < 0)
                        return disk->attach_errors[i];
        return 0;
}

/* H:C:T:L, all but the last of which is the target. */
bool disk_same_target(const struct disk *a, const struct disk *b) {
        const char *end;

        assert(a && b);

        end = strrchr(a->id.address, ':');
        return end && a->id.kind == DISK_SCSI &&
               strncmp(a->id.address, b->id.address, (size_t) (end + 1 - a->id.address)) == 0;
}

/* ---- the plan ---- */

static usec_t jitter(usec_t most) {
        uint64_t n = 0;

        if (most == 0 || getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
                return 0;
        return n % most;
}

static void make_plan(struct disk *disk) {
        struct plan *plan = &disk->watch.plan;

        *plan = (struct plan) {
                .on_failed = (enum policy_on_failed) disk->policy.on_failed,
                .umount_time = disk->policy.umount,
                .mount_time = disk->policy.mount,
                .fence_wait = USEC_INFINITY,
        };
        if (disk_attach_error(disk) < 0 || disk->gone)
                return;
        plan_make(&disk->id, &disk->policy, disk->facts_known ? &disk->facts : NULL, plan);
        if (plan->fence_wait != USEC_INFINITY)
                plan->fence_wait += jitter(disk->policy.fence_jitter);
}

/* Not in an incident: what it has come to was by the plan it began with. */
void disk_plan(struct disk *disk) {
        assert(disk);

        if (!disk->watch.ladder.failed && !ladder_is_acting(&disk->watch.ladder))
                make_plan(disk);
}

static bool can_be_reset(struct disk *disk) {
        const struct driver *driver = driver_find(disk->id.driver);

        if (!driver || driver->steps == 0)
                return false;
        if (disk->id.kind == DISK_SCSI)
                return true;
        if (disk->id.kind != DISK_NVME || disk->id.domain[0] == '\0')
                return false;
        /* When it ends its requests is told by the disk's own executor. */
        disk->facts_known = nvme_facts_read(SYSFS, &disk->nodes, &disk->facts) == 0;
        disk->facts.io_timeout = USEC_INFINITY;
        return disk->facts_known;
}

/* What can be acted on has executors, and a file in which the next daemon finds what was done. */
int disk_set_up_acts(struct disk *disk) {
        bool reset;
        int r;

        assert(disk);

        reset = can_be_reset(disk);
        if (!reset && (!disk->policy.contain || !driver_find(disk->id.driver)))
                return 0;
        r = state_file_open(UNHANG_RUNTIME_DIR, &disk->id, &disk->state);
        if (r < 0)
                return r;
        if (reset) {
                r = domain_join(disk);
                if (r < 0)
                        return r;
        }
        return domain_own_executor(disk);
}

/* ---- what stands in the way ---- */

static bool is_hung(const struct disk *disk) {
        return disk->watch.symptom.kind != SYMPTOM_NONE ||
               disk->watch.ladder.past.state != INCIDENT_HEALTHY;
}

/* Not asked for on a disk that has had nothing to do: it cannot hang yet. */
static void count_healthy(const struct disk *disk, unsigned *healthy) {
        if (!disk->domain || (disk->watch.symptom.outstanding == 0 && !is_hung(disk)))
                return;
        for (const struct disk *d = disk->agent->disks; d; d = d->next)
                if (d != disk && d->domain == disk->domain && !is_hung(d)) {
                        healthy[REACH_DOMAIN]++;
                        healthy[REACH_TARGET] += disk_same_target(d, disk);
                }
}

unsigned disk_owners(const struct disk *disk) {
        assert(disk);

        return disk->owners | (disk->reserved ? OWNER_BIT(OWNER_RESERVATION) : 0);
}

void disk_circumstances(const struct disk *disk, usec_t now, struct circumstances *ret) {
        assert(disk && ret);

        *ret = (struct circumstances) {
                .suppressed = now < disk->suppressed_until,
                .dry_run = disk->agent->dry_run,
                .up = now,
                .owners = disk_owners(disk),
        };
        count_healthy(disk, ret->healthy);
}

/* ---- a disk that was gone comes back ---- */

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* The node of an NVMe path is that of its head. */
static const char *node_name(const struct disk_id *id, const struct disk_nodes *nodes) {
        return id->kind == DISK_NVME ? base_name(nodes->reset_node) : id->name;
}

/* "nvme0n1p2" of nvme0n1 becomes "nvme1n1p2"; what is not a name of the disk or a partition of it,
 * such as a link by UUID or a volume, stays, for that is the same when it is back. */
static void rename_source(struct mount_entry *entry, const char *before, const char *after) {
        char source[sizeof(entry->source)], path[DISK_PATH_MAX];
        const char *name = base_name(entry->source);
        size_t n = strlen(before);
        unsigned major_nr, minor_nr;
        char text[32];

        if (entry->n_volumes > 0 || strncmp(name, before, n) != 0)
                return;
        if ((size_t) snprintf(source, sizeof(source), "/dev/%s%s", after, name + n) >=
            sizeof(source))
                return;
        (void) snprintf(path, sizeof(path), SYSFS "/class/block/%.64s/dev", base_name(source));
        if (read_attribute_at(-EBADF, path, text, sizeof(text)) > 0 &&
            sscanf(text, "%u:%u", &major_nr, &minor_nr) == 2)
                entry->devnum = makedev(major_nr, minor_nr);
        memcpy(entry->source, source, sizeof(source));
}

int disk_replace(struct disk *disk, const struct disk_found *found) {
        static const struct kernel_files files = { .sysfs = SYSFS, .procfs = "/proc" };
        const char *after = node_name(&found->id, &found->nodes);
        char before[64];
        int r;

        assert(disk && disk->gone && found);

        (void) snprintf(before, sizeof(before), "%s", node_name(&disk->id, &disk->nodes));
        domain_leave(disk);
        counters_close(&disk->counters);
        state_file_remove(&disk->state);
        disk->source = sd_event_source_disable_unref(disk->source);
        executor_release(&disk->executor);
        memset(disk->attach_errors, 0, sizeof(disk->attach_errors));

        disk->id = found->id;
        disk->nodes = found->nodes;
        disk->gone = false;
        disk->unread_since = USEC_INFINITY;
        for (size_t i = 0; i < disk->mounts.n; i++)
                rename_source(disk->mounts.entries + i, before, after);
        r = counters_open(&files, &disk->id, &disk->nodes, &disk->counters);
        if (r < 0)
                return r;
        r = disk_set_up_acts(disk);
        if (r < 0)
                return r;
        make_plan(disk);
        disk_note(disk);
        return 0;
}
