/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/choose.h"
#include "agent/decide/names.h"
#include "agent/observe/namespaces.h"
#include "agent/recording.h"
#include "agent/wording.h"

#define SYSFS "/sys"
#define PROCFS "/proc"
#define SWAPS "/proc/swaps"

/* A disk whose counters cannot be read for so long is gone, whatever udev says: it has no events
 * for the hidden disks of NVMe multipath. */
#define UNREAD_MAX (5 * USEC_PER_SEC)

/* Reading what is mounted takes no more than one part in so many of all time. */
#define MOUNTS_SHARE 20

/* What the system cannot run without; a disk under one of these is never failed. */
static const char *const system_mounts[] = { "/", "/usr", "/var", "/etc", "/run" };

enum footing disk_footing(const struct disk *disk) {
        assert(disk);

        if (stack_is_unfollowed(&disk->stack))
                return FOOTING_SYSTEM;
        for (size_t i = 0; i < disk->mounts.n; i++)
                for (size_t k = 0; k < ELEMENTSOF(system_mounts); k++)
                        if (strcmp(disk->mounts.entries[i].target, system_mounts[k]) == 0)
                                return FOOTING_SYSTEM;
        return disk->mounts.n > 0 ? FOOTING_DATA : FOOTING_NONE;
}

/* The one driver whose LUN reset is known to reach a hung disk, and nothing but that disk. */
static bool is_resettable(const struct disk *disk) {
        return disk->id.kind == DISK_SCSI && strcmp(disk->id.driver, "virtio_scsi") == 0;
}

bool disk_can_act(const struct disk *disk) {
        assert(disk);

        return disk->policy.act && is_resettable(disk) && disk_attach_error(disk) == 0;
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

static void record_device(struct disk *disk) {
        char line[RECORDING_LINE_MAX];

        recording_device(line, &disk->id, disk_footing(disk), disk_can_act(disk));
        recorder_write(&disk->agent->recorder, line);
        recording_policy(line, disk->id.name, &disk->policy);
        recorder_write(&disk->agent->recorder, line);
}

/* A stack that could not be read is incomplete, and nothing is risked on it. */
static void take_stack(struct disk *disk, const struct mount_views *views,
                       const struct claims *claims) {
        const struct stack_world world = { .sysfs = SYSFS, .swaps = SWAPS, .views = views };
        int r;

        stack_clear(&disk->stack);
        r = stack_read(&world, disk->id.devnum, &disk->stack);
        if (r < 0)
                log_warning("%s (%s): cannot read what stands on it: %s", disk->id.name,
                            disk->id.address, strerror(-r));
        disk->owners = owners_of_disk(&disk->id, &disk->nodes, &disk->stack, claims);
}

static void take_mounts(struct disk *disk, const struct mount_views *views,
                        const struct claims *claims) {
        struct mounts mounts = {};
        int r;

        r = mounts_of_disk(views->tables[0], SYSFS, disk->id.devnum, &mounts);
        if (r < 0) {
                log_warning("%s (%s): cannot read which filesystems stand on it: %s",
                            disk->id.name, disk->id.address, strerror(-r));
                return;
        }
        mounts_clear(&disk->mounts);
        disk->mounts = mounts;
        take_stack(disk, views, claims);
        record_device(disk);
        if (disk->state.fd < 0)
                return;
        r = state_file_write(&disk->state, disk->watch.ladder.state, disk->watch.ladder.acted_at,
                             &disk->mounts);
        if (r < 0)
                log_warning("%s (%s): cannot note its mounts in %s: %s", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
}

/* A disk in trouble keeps what stood on it when the trouble began. */
static bool keeps_mounts(const struct disk *disk) {
        return disk->watch.ladder.state != INCIDENT_HEALTHY;
}

void disk_refresh_mounts(struct agent *agent) {
        usec_t begun = now_monotonic();
        struct mount_views views;
        struct claims claims;
        int r;

        assert(agent);

        agent->mounts_stale = false;
        r = mount_views_read(PROCFS, &views);
        if (r < 0) {
                log_warning("cannot read what is mounted: %s", strerror(-r));
                return;
        }
        claims_read(PROCFS, SYSFS, &claims);
        for (struct disk *d = agent->disks; d; d = d->next)
                if (!keeps_mounts(d)) {
                        take_mounts(d, &views, &claims);
                        (void) choose_again(d, false);
                }
        mount_views_clear(&views);
        agent->mounts_next = now_monotonic() + MOUNTS_SHARE * (now_monotonic() - begun);
}

struct disk *disk_free(struct disk *disk) {
        if (disk) {
                domain_leave(disk);
                (void) sd_event_source_disable_unref(disk->source);
                executor_release(&disk->executor);
                counters_close(&disk->counters);
                state_file_close(&disk->state);
                mounts_clear(&disk->mounts);
                stack_clear(&disk->stack);
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
        disk->chosen.properties = found->properties;
        disk->unread_since = USEC_INFINITY;
        disk->executor.fd = -EBADF;
        disk->state.fd = -EBADF;
        disk->counters = counters_none;
        disk->respawn_at = USEC_INFINITY;
        return disk;
}

/* What stands on a disk that an earlier daemon had to do with, as it is now. */
static void find_stack(struct disk *disk) {
        struct mount_views views;
        struct claims claims;

        if (mount_views_read(PROCFS, &views) < 0)
                return;
        claims_read(PROCFS, SYSFS, &claims);
        take_stack(disk, &views, &claims);
        mount_views_clear(&views);
}

static void resume(struct disk *disk, usec_t now) {
        enum incident_state state;
        struct mounts mounts;
        usec_t acted_at;
        int r;

        if (disk->state.fd < 0)
                return;
        r = state_file_read(&disk->state, &state, &acted_at, &mounts);
        if (r == -ENODATA)
                return;
        if (r < 0) {
                log_warning("%s (%s): %s makes no sense (%s): begun anew", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
                return;
        }
        disk->mounts = mounts;
        find_stack(disk);
        incident_resume(disk, state, acted_at, now);
}

/* What can be acted on has executors, and a file in which the next daemon finds what was done. */
static int set_up_acts(struct disk *disk) {
        int r;

        if (!is_resettable(disk))
                return 0;
        if ((r = state_file_open(UNHANG_RUNTIME_DIR, &disk->id, &disk->state)) < 0 ||
            (r = domain_join(disk)) < 0)
                return r;
        return domain_own_executor(disk);
}

/* A disk that cannot be prepared is watched all the same. */
static void prepare(struct disk *disk) {
        int r;

        if (disk->policy.iostats == 0)
                return;
        r = domain_prepare(disk);
        if (r < 0)
                log_warning("%s (%s): cannot see to its I/O statistics: %s", disk->id.name,
                            disk->id.address, strerror(-r));
}

void disk_policy_changed(struct disk *disk, const struct policy *before) {
        assert(disk && before);

        record_device(disk);
        if (before->iostats == 0)
                prepare(disk);
}

static int set_up(struct disk *disk, usec_t now) {
        static const struct kernel_files files = { .sysfs = SYSFS, .procfs = PROCFS };
        int r;

        if ((r = counters_open(&files, &disk->id, &disk->nodes, &disk->counters)) < 0 ||
            (r = set_up_acts(disk)) < 0)
                return r;
        watch_init(&disk->watch, now);
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
        char text[WORDING_MAX];

        wording_guarded(disk, text, sizeof(text));
        incident_report(disk, EVENT_GUARDED, text);
}

static bool same(const struct disk_id *a, const struct disk_id *b) {
        return a->devnum == b->devnum && a->diskseq == b->diskseq &&
               strcmp(a->serial, b->serial) == 0 && strcmp(a->domain, b->domain) == 0 &&
               strcmp(a->address, b->address) == 0;
}

/* An NVMe path has no number, and goes by that of its head. */
static struct disk *find(struct agent *agent, const struct disk_id *id) {
        for (struct disk *d = agent->disks; d; d = d->next)
                if (d->id.devnum == id->devnum && strcmp(d->id.name, id->name) == 0)
                        return d;
        return NULL;
}

static const char gone[] = "gone, no longer guarded";

static void vanished(struct disk *disk, const char *text) {
        struct disk **link = &disk->agent->disks;

        while (*link != disk)
                link = &(*link)->next;
        *link = disk->next;
        if (disk->call)
                bus_call_done(disk->call, outcome_to_string(OUTCOME_GONE), "the disk is gone");
        incident_report(disk, EVENT_VANISHED, text);
        if (disk->state.fd >= 0)
                state_file_remove(&disk->state);
        (void) disk_free(disk);
}

/* At each event of udev for the disk, and at each survey. What is wrong with ours is said once. */
static void take_properties(struct disk *disk, const struct properties *properties) {
        bool anew = !properties_equal_ours(&disk->chosen.properties, properties);

        if (properties_equal(&disk->chosen.properties, properties))
                return;
        disk->chosen.properties = *properties;
        if (choose_again(disk, anew))
                agent_arm(disk->agent);
        else
                vanished(disk, "no longer guarded: its udev property " CONF_IGNORE_PROPERTY
                               " says so");
}

void disk_appeared(struct agent *agent, const struct disk_found *found) {
        struct disk *disk = find(agent, &found->id);
        int r;

        if (disk && same(&disk->id, &found->id)) {
                disk->missed = false;
                take_properties(disk, &found->properties);
                return;
        }
        if (disk) /* its name and number have gone to another disk */
                vanished(disk, gone);

        disk = disk_new(agent, found);
        if (disk && !choose_first(disk)) {
                (void) disk_free(disk);
                return;
        }
        r = disk ? set_up(disk, now_monotonic()) : -ENOMEM;
        if (r < 0) {
                log_error("%s: cannot be guarded: %s", found->id.name, strerror(-r));
                (void) disk_free(disk);
                return;
        }
        append(agent, disk);
        record_device(disk);
        prepare(disk);
        agent->mounts_stale = true;
        guard(disk);
        agent_arm(agent);
}

void disk_vanished(struct agent *agent, dev_t devnum) {
        struct disk *next;

        for (struct disk *d = agent->disks; d; d = next) {
                next = d->next;
                if (d->id.devnum == devnum)
                        vanished(d, gone);
        }
}

void disk_failed_over(struct agent *agent, const char *controller) {
        for (struct disk *d = agent->disks; d; d = d->next)
                d->failed_over |= d->counters.path ? strcmp(d->id.domain, controller) == 0
                                                   : strcmp(d->id.driver, "nvme-multipath") == 0;
}

void disk_sweep_begin(struct agent *agent) {
        for (struct disk *d = agent->disks; d; d = d->next)
                d->missed = true;
}

void disk_sweep_end(struct agent *agent) {
        struct disk *next;

        for (struct disk *d = agent->disks; d; d = next) {
                next = d->next;
                if (d->missed)
                        vanished(d, gone);
        }
}

void disk_tick(struct agent *agent, usec_t now) {
        struct disk *next;

        for (struct disk *d = agent->disks; d; d = next) {
                next = d->next;
                if (incident_tick(d, now) < 0) {
                        if (d->unread_since == USEC_INFINITY)
                                d->unread_since = now;
                        else if (now - d->unread_since >= UNREAD_MAX)
                                vanished(d, gone);
                } else
                        d->unread_since = USEC_INFINITY;
        }
}

/* While a reset hangs in the kernel, whoever began it, nothing can follow for what waits for it. */
static const char *state_now(const struct disk *disk) {
        if (disk->domain && !disk->domain->executor.ready &&
            disk->watch.ladder.state != INCIDENT_HEALTHY)
                return "stuck";
        return ladder_state_for_people(&disk->watch.ladder);
}

void disk_describe(const struct disk *disk, usec_t now, struct bus_status *status) {
        const struct ladder *l = &disk->watch.ladder;
        const struct symptom *symptom = &disk->watch.symptom;
        char detail[WORDING_MAX];
        struct disk_report report = {
                .name = disk->id.name,
                .driver = disk->id.driver,
                .address = disk->id.address,
                .serial = disk->id.serial,
                .state = state_now(disk),
                .symptom = symptom_to_string(symptom->kind),
                .outstanding = symptom->outstanding,
                .detail = wording_now(disk, now, detail, sizeof(detail)),
                .quiet = symptom->quiet,
                .limit = disk->policy.stall,
                .last_act = step_to_string(l->act),
                .last_outcome = outcome_to_string(l->outcome),
                .last_ago = l->act == STEP_NONE ? USEC_INFINITY : now - l->acted_at,
                .mounts = l->failed ? 0 : (uint32_t) disk->mounts.n,
        };

        bus_status_add(status, &report);
}

void disk_describe_signals(const struct disk *disk, struct bus_status *status) {
        struct signal_text texts[SIGNALS_MAX];
        size_t n;

        n = counters_describe(&disk->counters, disk->policy.stall, texts);
        for (size_t i = 0; i < n; i++)
                bus_signal_add(status, &(struct signal_report) {
                                               .name = texts[i].name,
                                               .text = texts[i].text,
                                               .missing = texts[i].missing,
                                       });
}
