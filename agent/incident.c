/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"
#include "agent/recording.h"
#include "agent/wording.h"

void incident_report(const struct disk *disk, enum event_kind kind, const char *text) {
        const struct ladder *ladder = &disk->watch.ladder;
        struct event_report report = {
                .kind = kind,
                .disk = &disk->id,
                .symptom = symptom_to_string(disk->watch.symptom.kind),
                .state = ladder_state_for_people(ladder),
                .step = step_to_string(ladder->step != STEP_NONE ? ladder->step : ladder->act),
                .outcome = outcome_to_string(ladder->outcome),
                .text = text,
        };

        journal_report(&report);
}

static enum event_kind event_of(enum incident_state state, enum incident_state before) {
        switch (state) {
        case INCIDENT_HEALTHY:
                return before == INCIDENT_SUSPECT || before == INCIDENT_REPORTED ||
                                       before == INCIDENT_ACTING
                               ? EVENT_CLEARED
                               : _EVENT_KIND_MAX;
        case INCIDENT_SUSPECT:
                return EVENT_SUSPECTED;
        case INCIDENT_ACTING:
        case INCIDENT_OFFLINING:
                return EVENT_ACT;
        case INCIDENT_REPORTED:
        case INCIDENT_UNCURED:
        case INCIDENT_UNDRAINED:
                return EVENT_STUCK;
        case INCIDENT_RECOVERED:
                return EVENT_RECOVERED;
        case INCIDENT_FAILED:
                return EVENT_FAILED;
        default:
                return EVENT_PROGRESS;
        }
}

/* ---- what follows from it ---- */

/* Who asked by hand hears as soon as the outcome of that reset is known. */
static void answer_call(struct disk *disk) {
        const struct ladder *l = &disk->watch.ladder;
        enum outcome outcome = l->state == INCIDENT_OFFLINING ? OUTCOME_NO_CHANGE : l->outcome;

        if (!disk->call || outcome == OUTCOME_NONE)
                return;
        bus_call_done(disk->call, outcome_to_string(outcome), disk->detail);
        disk->call = NULL;
}

static void report_change(const struct disk *disk, enum event_kind event) {
        char text[sizeof(disk->detail) + 16];

        if (event == _EVENT_KIND_MAX)
                return;
        (void) snprintf(text, sizeof(text), "%s%s", event == EVENT_RECOVERED ? "recovered: " : "",
                        disk->detail);
        incident_report(disk, event, text);
}

static void changed(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *ladder = &disk->watch.ladder;
        int r;

        if (ladder->overdue) {
                if (ladder->step != STEP_NONE) {
                        wording_overdue(disk);
                        incident_report(disk, EVENT_STUCK, disk->detail);
                }
        } else {
                disk->mount_next = 0;
                if (disk->watch.symptom.kind != SYMPTOM_NONE)
                        disk->suspected = disk->watch.symptom.kind;
                wording_entered(disk, before, now);
                report_change(disk, event_of(ladder->state, before));
        }
        r = disk->state.fd < 0 ? 0
                               : state_file_set(&disk->state, ladder->state, ladder->acted_at);
        if (r < 0)
                log_warning("%s (%s): cannot note the state in %s: %s", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
        answer_call(disk);
        if (ladder->state == INCIDENT_HEALTHY) {
                disk->detail[0] = '\0';
                disk->by_hand = false;
                disk->agent->mounts_stale = true; /* they were not followed meanwhile */
        }
}

/* Where a filesystem step begins, and where it goes: mounts that stand on others are ended first
 * and brought back last. */
static size_t mount_index(const struct disk *disk) {
        return disk->watch.ladder.step == STEP_FS_UMOUNT ? disk->mounts.n - 1 - disk->mount_next
                                                         : disk->mount_next;
}

static bool is_filesystem_step(enum step step) {
        return step == STEP_FS_SHUTDOWN || step == STEP_FS_UMOUNT || step == STEP_FS_MOUNT;
}

static int begin(enum step step, void *userdata) {
        struct disk *disk = userdata;

        if (step_place(step) == PLACE_DOMAIN)
                return executor_begin(&disk->domain->executor, step, disk->slot, NULL);
        if (!is_filesystem_step(step))
                return executor_begin(&disk->executor, step, 0, NULL);
        /* A state file may have lost its mounts: then there is nothing to do, and it is done. */
        if (disk->mounts.n == 0)
                return 1;
        if (disk->mount_next == 0)
                disk->mount_error = 0;
        return executor_begin(&disk->executor, step, 0, disk->mounts.entries + mount_index(disk));
}

void incident_pursue(struct disk *disk, usec_t now) {
        enum incident_state before;

        assert(disk);

        before = disk->watch.ladder.state;
        if (watch_pursue(&disk->watch, begin, disk, disk_footing(disk), now))
                changed(disk, before, now);
}

/* One mount is done; returns whether the step goes on with the next. */
static bool next_mount(struct disk *disk, int error) {
        const struct mount_entry *entry = disk->mounts.entries + mount_index(disk);

        wording_set(disk, "%s: %s: %s", entry->target, step_to_string(disk->watch.ladder.step),
                    error < 0 ? strerror(-error) : "done");
        incident_report(disk, EVENT_PROGRESS, disk->detail);
        /* A mount that cannot be restored at all is said once, and not tried for ever. */
        if (error < 0 && error != -EOPNOTSUPP && disk->mount_error == 0)
                disk->mount_error = error;
        disk->mount_next++;
        if (disk->mount_next < disk->mounts.n)
                return true;
        disk->mount_next = 0;
        return false;
}

void incident_returned(struct disk *disk, enum step step, int error, usec_t now) {
        char line[RECORDING_LINE_MAX];
        enum incident_state before;
        bool wanted;

        assert(disk);

        before = disk->watch.ladder.state;
        wanted = step == disk->watch.ladder.step && disk->watch.begun;
        if (wanted && is_filesystem_step(step)) {
                if (next_mount(disk, error)) {
                        disk->watch.begun = false;
                        incident_pursue(disk, now);
                        return;
                }
                error = disk->mount_error;
        } else if (wanted && error < 0) {
                wording_set(disk, "%s: %s", step_to_string(step), strerror(-error));
                incident_report(disk, EVENT_PROGRESS, disk->detail);
        }
        recording_returned(line, disk->agent->recorded_from, now, disk->id.name, step, error);
        recorder_write(&disk->agent->recorder, line);
        if (watch_returned(&disk->watch, step, error, disk_footing(disk), now))
                changed(disk, before, now);
        incident_pursue(disk, now);
}

/* That the disk is held by its own act is told by the act. */
static void record(struct disk *disk, struct sample sample) {
        struct agent *agent = disk->agent;
        char line[RECORDING_LINE_MAX];
        bool before = disk->recorded.held;

        if (agent->recorder.fd < 0)
                return;
        if (disk->watch.begun && step_place(disk->watch.ladder.step) == PLACE_DOMAIN)
                sample.held = false;
        if (recording_sample(line, agent->recorded_from, disk->id.name,
                             disk->recorded_once ? &disk->recorded : NULL, &sample))
                recorder_write(&agent->recorder, line);
        if (before != sample.held) {
                recording_host(line, agent->recorded_from, sample.at, disk->id.name, sample.held);
                recorder_write(&agent->recorder, line);
        }
        disk->recorded = sample;
        disk->recorded_once = true;
}

/* A recording is to serve for other limits, too. */
static bool wants_list(const struct disk *disk, usec_t now) {
        return disk->agent->recorder.fd >= 0 || watch_wants_list(&disk->watch, now);
}

int incident_tick(struct disk *disk, usec_t now) {
        struct watch *watch = &disk->watch;
        enum incident_state before;
        struct sample sample;
        int r;

        assert(disk);

        r = counters_read(&disk->counters, now, wants_list(disk, now), &sample);
        if (r < 0)
                return r; /* the disk is going; udev will say so */
        sample.held = !disk_is_free(disk);
        if (disk->failed_over)
                sample.recovering = sample.failover = true;
        disk->failed_over = false;
        record(disk, sample);
        before = watch->ladder.state;
        if (watch_take(watch, &disk->policy, &sample, disk_can_act(disk),
                       disk_footing(disk)))
                changed(disk, before, now);
        incident_pursue(disk, now);
        return 0;
}

void incident_resume(struct disk *disk, enum incident_state state, usec_t acted_at, usec_t now) {
        struct sample sample = {};

        assert(disk);

        (void) counters_read(&disk->counters, now, false, &sample);
        watch_resume(&disk->watch, state, sample.offline, acted_at, now);
        if (disk->watch.ladder.state == INCIDENT_HEALTHY)
                return;
        wording_set(disk, "taking up the incident that an earlier unhangd left in state %s",
                    incident_state_to_string(state));
        incident_report(disk, EVENT_PROGRESS, disk->detail);
        (void) state_file_set(&disk->state, disk->watch.ladder.state,
                              disk->watch.ladder.acted_at);
}

/* Why nobody may reset the disk now, or NULL. */
static const char *refusal(const struct disk *disk, bool force, int *ret_error) {
        *ret_error = -EPERM;
        if (!disk->domain)
                return "only disks of virtio_scsi can be reset by this version";
        if (disk_attach_error(disk) < 0)
                return "the disk could not be opened for resets; see the journal";
        if (!force && disk->watch.symptom.kind == SYMPTOM_NONE && disk->watch.symptom.quiet == 0)
                return "the disk completes its I/O: there is nothing to reset "
                       "(--force resets it all the same)";
        *ret_error = -EBUSY;
        if (!disk_is_free(disk))
                return "another act is under way on the same SCSI host";
        return NULL;
}

int incident_request(struct disk *disk, bool force, struct bus_call *call,
                     const char **ret_reason) {
        enum incident_state before;
        usec_t now = now_monotonic();
        int error;

        assert(disk && call && ret_reason);

        *ret_reason = refusal(disk, force, &error);
        if (*ret_reason)
                return error;
        before = disk->watch.ladder.state;
        if (watch_request(&disk->watch, now) < 0) {
                *ret_reason = "an incident on this disk is being worked on; see unhang status";
                return -EBUSY;
        }
        disk->by_hand = true;
        disk->call = call;
        changed(disk, before, now);
        incident_pursue(disk, now);
        return 0;
}
