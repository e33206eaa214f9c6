/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/choose.h"
#include "agent/decide/names.h"
#include "agent/incident.h"
#include "agent/observe/device.h"
#include "agent/observe/namespaces.h"
#include "agent/preparer.h"
#include "agent/recording.h"
#include "agent/wording.h"

#define SYSFS "/sys"
#define PROCFS "/proc"
#define SWAPS "/proc/swaps"

/* A disk whose counters cannot be read for so long is gone, whatever udev says: it has no events
 * for the hidden disks of NVMe multipath. */
#define UNREAD_MAX (5 * USEC_PER_SEC)

/* Reading what is mounted takes no more than one part in so many of all time. What could not be
 * read as a whole, as when a process ended meanwhile, is read again after a while. */
#define MOUNTS_SHARE 20
#define MOUNTS_AGAIN (30 * USEC_PER_SEC)

/* The disks of a controller that is removed go one after the other. */
#define ENDED_WITHIN USEC_PER_MINUTE

static void record_device(struct disk *disk) {
        char line[RECORDING_LINE_MAX];

        recording_device(line, &disk->id, disk->facts_known ? &disk->facts : NULL,
                         disk_footing(disk), disk->domain && disk_attach_error(disk) == 0);
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

void disk_note(struct disk *disk) {
        const struct state_disk what = { &disk->id, &disk->nodes, &disk->chosen.properties };
        struct memory memory;
        int r;

        assert(disk);

        if (disk->state.fd < 0)
                return;
        memory = disk_memory(disk);
        r = state_file_write(&disk->state, &memory, &what, &disk->mounts);
        if (r < 0)
                log_warning("%s (%s): cannot note its mounts in %s: %s", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
}

static void take_mounts(struct disk *disk, const struct mount_views *views,
                        const struct claims *claims) {
        struct mounts mounts = {};
        int r;

        take_stack(disk, views, claims);
        r = mounts_of_stack(views->tables[0], &disk->stack, &mounts);
        if (r < 0) {
                log_warning("%s (%s): cannot read which filesystems stand on it: %s",
                            disk->id.name, disk->id.address, strerror(-r));
                return;
        }
        mounts_clear(&disk->mounts);
        disk->mounts = mounts;
        record_device(disk);
        disk_note(disk);
}

/* A disk in trouble keeps what stood on it when the trouble began. */
static bool keeps_mounts(const struct disk *disk) {
        return disk->watch.ladder.past.state != INCIDENT_HEALTHY;
}

static bool has_btrfs(const struct disk *disk) {
        for (size_t i = 0; i < disk->mounts.n; i++)
                if (strcmp(disk->mounts.entries[i].fstype, "btrfs") == 0)
                        return true;
        return stack_has_filesystem(&disk->stack, "btrfs");
}

/* Reading the table of mounts may wait for a btrfs whose disk hangs (observe/namespaces.h). */
static bool mounts_may_hang(const struct agent *agent) {
        for (const struct disk *d = agent->disks; d; d = d->next)
                if (keeps_mounts(d) && has_btrfs(d))
                        return true;
        return false;
}

/* A disk that cannot be prepared is watched all the same. */
static void prepare(struct disk *disk, bool leave) {
        int r = disk->agent->dry_run ? 0 : prepare_disk(disk, leave);

        if (r < 0)
                log_warning("%s (%s): cannot be prepared: %s", disk->id.name, disk->id.address,
                            strerror(-r));
}

static void plan_next_reading(struct agent *agent, usec_t begun) {
        usec_t now = now_monotonic();

        agent->mounts_next = now + MOUNTS_SHARE * (now - begun);
        for (const struct disk *d = agent->disks; d; d = d->next)
                if (!d->stack.complete)
                        agent->mounts_again = now + MOUNTS_AGAIN;
}

void disk_refresh_mounts(struct agent *agent) {
        usec_t begun = now_monotonic();
        struct mount_views views;
        struct claims claims;
        int r;

        assert(agent);

        if (mounts_may_hang(agent))
                return;
        agent->mounts_stale = false;
        agent->mounts_again = USEC_INFINITY;
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
                        if (!d->chosen.prepared)
                                disk_policy_changed(d);
                        else if (d->policy.xfs_max_retries != UINT64_MAX && d->mounts.n > 0)
                                prepare(d, false); /* of a filesystem: maybe one is new */
                }
        mount_views_clear(&views);
        plan_next_reading(agent, begun);
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

/* What stands on a disk that an earlier daemon had to do with, as it is now. Where that is not
 * known, the disk is taken for the system's. */
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
        struct disk_found before;
        struct memory memory;
        struct mounts mounts;
        int r;

        if (disk->state.fd < 0)
                return;
        r = state_file_read(&disk->state, &memory, &before, &mounts);
        if (r == -ENODATA)
                return;
        if (r < 0) {
                log_warning("%s (%s): %s makes no sense (%s): begun anew", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
                return;
        }
        disk->mounts = mounts;
        if (!has_btrfs(disk))
                find_stack(disk);
        disk->suppressed_until = memory.suppressed_until;
        incident_resume(disk, &memory.past, now);
}

void disk_policy_changed(struct disk *disk) {
        assert(disk);

        record_device(disk);
        disk_plan(disk);
        /* A disk in trouble is left alone until it is well. */
        disk->chosen.prepared = disk->watch.ladder.past.state == INCIDENT_HEALTHY;
        if (disk->chosen.prepared)
                prepare(disk, false);
}

static int set_up(struct disk *disk, usec_t now) {
        static const struct kernel_files files = { .sysfs = SYSFS, .procfs = PROCFS };
        int r;

        if ((r = counters_open(&files, &disk->id, &disk->nodes, &disk->counters)) < 0 ||
            (r = disk_set_up_acts(disk)) < 0)
                return r;
        watch_init(&disk->watch, now);
        disk_plan(disk);
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

/* What stood on a disk that is gone: what the policy is chosen by, and nothing that stays. */
static int stack_of_mounts(const struct mounts *mounts, struct stack *ret) {
        struct stack stack = { .complete = true };

        stack.nodes = mounts->n > 0 ? calloc(mounts->n, sizeof(*stack.nodes)) : NULL;
        if (mounts->n > 0 && !stack.nodes)
                return -ENOMEM;
        for (; stack.n < mounts->n; stack.n++) {
                const struct mount_entry *entry = mounts->entries + stack.n;
                struct stack_node *node = stack.nodes + stack.n;

                *node = (struct stack_node) {
                        .kind = STACK_MOUNT,
                        .parent = -1,
                        .devnum = entry->devnum,
                        .id = entry->id,
                };
                (void) snprintf(node->name, sizeof(node->name), "%s", entry->fstype);
                (void) snprintf(node->text, sizeof(node->text), "%.511s", entry->target);
        }
        *ret = stack;
        return 0;
}

static int set_up_gone(struct disk *disk) {
        int r;

        if ((r = stack_of_mounts(&disk->mounts, &disk->stack)) < 0 ||
            (r = domain_own_executor(disk)) < 0)
                return r;
        watch_init(&disk->watch, now_monotonic());
        return 0;
}

void disk_recall(struct agent *agent, const struct disk_found *found, const struct memory *memory,
                 struct mounts *mounts, struct state_file *file) {
        struct disk *disk;
        int r;

        assert(agent && found && memory && mounts && file);

        disk = disk_new(agent, found);
        if (!disk) {
                mounts_clear(mounts);
                state_file_close(file);
                return;
        }
        disk->gone = true;
        disk->mounts = *mounts;
        disk->state = *file;
        disk->suppressed_until = memory->suppressed_until;
        r = set_up_gone(disk);
        if (r < 0) {
                log_error("%s (%s): cannot be taken up: %s", disk->id.name, disk->id.address,
                          strerror(-r));
                (void) disk_free(disk);
                return;
        }
        (void) choose_first(disk);
        disk_plan(disk);
        append(agent, disk);
        record_device(disk);
        incident_resume(disk, &memory->past, now_monotonic());
}

/* An NVMe path has no number, and goes by that of its head. */
static struct disk *find(struct agent *agent, const struct disk_id *id) {
        for (struct disk *d = agent->disks; d; d = d->next)
                if (d->id.devnum == id->devnum && strcmp(d->id.name, id->name) == 0)
                        return d;
        return NULL;
}

/* The incident of a disk whose I/O was ended goes on when the kernel has it no more, as after the
 * removal of its controller: filesystems are to be ended, and the disk may come back. */
static bool outlives(const struct disk *disk) {
        enum incident_state state = disk->watch.ladder.past.state;

        return disk->watch.ladder.failed && state != INCIDENT_HEALTHY &&
               state != INCIDENT_RECOVERED;
}

static void let_go(struct disk *disk, const char *text) {
        struct disk **link = &disk->agent->disks;

        while (*link != disk) {
                assert(*link); /* it is one of them */
                link = &(*link)->next;
        }
        *link = disk->next;
        prepare(disk, true); /* it may have been taken out by a rule, and be there */
        if (disk->call)
                bus_call_done(disk->call, outcome_to_string(OUTCOME_GONE), "the disk is gone");
        incident_report(disk, EVENT_VANISHED, text);
        if (disk->state.fd >= 0)
                state_file_remove(&disk->state);
        (void) disk_free(disk);
}

/* Whether an act has ended it: udev may tell of it before that returns; and one that an earlier
 * unhangd began, which was killed, goes on in the kernel. */
static bool is_being_ended(const struct disk *disk, usec_t now) {
        if (!disk->domain)
                return false;
        for (const struct disk *d = disk->agent->disks; d; d = d->next)
                if (d->gone && d->watch.ladder.failed && d->id.kind == DISK_NVME &&
                    strcmp(d->id.domain, disk->id.domain) == 0 &&
                    now - d->watch.ladder.past.acted_at < ENDED_WITHIN)
                        return true;
        return domain_is_ending(disk->domain);
}

static void vanished(struct disk *disk) {
        if (is_being_ended(disk, now_monotonic()))
                incident_dragged(disk, now_monotonic());
        if (outlives(disk))
                incident_gone(disk);
        else
                let_go(disk, "gone, no longer guarded");
}

/* At each event of udev for the disk, and at each survey. What is wrong with ours is said once. */
static void take_properties(struct disk *disk, const struct properties *properties) {
        bool anew = !properties_equal_ours(&disk->chosen.properties, properties);

        if (properties_equal(&disk->chosen.properties, properties))
                return;
        disk->chosen.properties = *properties;
        if (choose_again(disk, anew)) {
                agent_arm(disk->agent);
                return;
        }
        let_go(disk, "no longer guarded: its udev property " CONF_IGNORE_PROPERTY " says so");
}

/* What udev could not read from a sick disk is no change of it. */
static void seen_again(struct disk *disk, const struct disk_found *found) {
        bool healthy = disk->watch.ladder.past.state == INCIDENT_HEALTHY;

        disk->missed = false;
        if (!healthy && disk->id.serial[0] && !found->id.serial[0])
                return;
        if (healthy && !disk->id.serial[0])
                memcpy(disk->id.serial, found->id.serial, sizeof(disk->id.serial));
        take_properties(disk, &found->properties);
}

/* The disk that was gone and has come back, maybe by another name. */
static struct disk *find_gone(struct agent *agent, const struct disk_id *id) {
        for (struct disk *d = agent->disks; d; d = d->next)
                if (d->gone && d->id.kind == id->kind && id->wwid[0] &&
                    strcmp(d->id.wwid, id->wwid) == 0)
                        return d;
        return NULL;
}

/* It takes the place of the one that was gone once that is done with; until then it is not told
 * again, but asked for by the survey. */
static void came_back(struct disk *disk, const struct disk_found *found) {
        usec_t now = now_monotonic();
        int r;

        if (!incident_awaits(disk))
                return;
        r = disk_replace(disk, found);
        if (r >= 0)
                incident_back(disk, now);
        else
                log_error("%s: is back, but cannot be taken up: %s", found->id.name,
                          strerror(-r));
}

void disk_appeared(struct agent *agent, const struct disk_found *found) {
        struct disk *disk = find(agent, &found->id), *gone = find_gone(agent, &found->id);
        int r;

        if (disk && !disk->gone && device_is_same(&disk->id, &found->id)) {
                seen_again(disk, found);
                return;
        }
        if (gone) {
                came_back(gone, found);
                return;
        }
        if (disk && !disk->gone) /* its name and number have gone to another disk */
                vanished(disk);

        disk = disk_new(agent, found);
        if (disk && !choose_first(disk)) {
                (void) disk_free(disk);
                return;
        }
        r = disk ? set_up(disk, now_monotonic()) : -ENOMEM;
        if (r < 0) {
                /* Of one that leaves the bus udev may tell once more. */
                if (device_is_there(SYSFS, &found->id))
                        log_error("%s: cannot be guarded: %s", found->id.name, strerror(-r));
                (void) disk_free(disk);
                return;
        }
        append(agent, disk);
        record_device(disk);
        prepare(disk, false);
        disk->chosen.prepared = true;
        agent->mounts_stale = true;
        guard(disk);
        agent_arm(agent);
}

void disk_vanished(struct agent *agent, dev_t devnum) {
        struct disk *next;

        for (struct disk *d = agent->disks; d; d = next) {
                next = d->next;
                if (d->id.devnum == devnum && !d->gone)
                        vanished(d);
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
                if (d->missed && !d->gone)
                        vanished(d);
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
                                vanished(d);
                } else
                        d->unread_since = USEC_INFINITY;
        }
}

/* While a reset hangs in the kernel, whoever began it, nothing can follow for what waits for it;
 * and other disks of its domain stand still. */
static const char *state_now(const struct disk *disk) {
        const struct domain *domain = disk->domain;
        bool healthy = disk->watch.ladder.past.state == INCIDENT_HEALTHY;

        if (domain && domain_blocked_by(domain) && domain_blocked_by(domain) != disk)
                return "blocked";
        if (domain && !domain->posts[PLACE_DOMAIN].executor.ready && !healthy)
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
                .last_act = step_to_string(l->past.act),
                .last_outcome = outcome_to_string(l->outcome),
                .last_ago = l->past.act == STEP_NONE ? USEC_INFINITY : now - l->past.acted_at,
                .mounts = l->failed ? 0 : (uint32_t) disk->mounts.n,
        };

        bus_status_add(status, &report);
}

void disk_describe_signals(const struct disk *disk, struct bus_status *status) {
        struct signal_text texts[SIGNALS_MAX];
        size_t n;

        n = disk->gone ? 0 : counters_describe(&disk->counters, disk->policy.stall, texts);
        for (size_t i = 0; i < n; i++)
                bus_signal_add(status, &(struct signal_report) {
                                               .name = texts[i].name,
                                               .text = texts[i].text,
                                               .missing = texts[i].missing,
                                       });
}
