/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

#define REQUESTS_MAX 32
#define REQUESTS(n) requests((char[REQUESTS_MAX]) {}, n)

static const char *requests(char *buf, uint32_t n) {
        (void) snprintf(buf, REQUESTS_MAX, "%u request%s", n, n == 1 ? "" : "s");
        return buf;
}

void incident_report(const struct disk *disk, enum event_kind kind, const char *text) {
        const struct ladder *ladder = &disk->ladder;
        struct event_report report = {
                .kind = kind,
                .disk = &disk->id,
                .address = disk->address,
                .state = ladder_state_for_people(ladder),
                .step = step_to_string(ladder->step != STEP_NONE ? ladder->step : ladder->act),
                .outcome = outcome_to_string(ladder->outcome),
                .text = text,
        };

        journal_report(&report);
}

/* ---- what is said when a state is entered ---- */

static void say(struct disk *disk, const char *format, ...) _printf_(2, 3);
static void say(struct disk *disk, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(disk->detail, sizeof(disk->detail), format, ap);
        va_end(ap);
}

static void say_acting(struct disk *disk) {
        const struct symptom *s = &disk->symptom;

        if (disk->by_hand)
                say(disk, "LUN reset, asked for by hand; %s in flight, none completed "
                          "for %s",
                    REQUESTS(s->outstanding), SPAN(s->quiet));
        else
                say(disk, "stalled: %s in flight, none completed for %s (limit %s): "
                          "LUN reset",
                    REQUESTS(s->outstanding), SPAN(s->quiet), SPAN(disk->agent->policy.stall));
}

static void say_uncured(struct disk *disk, enum incident_state before) {
        const char *why = disk->ladder.outcome == OUTCOME_REFUSED
                                  ? "the device refused the LUN reset"
                                  : "the LUN reset brought nothing back, and the disk is not "
                                    "failed, for the system, swap or a volume stands on it";

        if (before == INCIDENT_VERIFYING)
                why = "other I/O completes, but reading a block from it fails";
        say(disk, "stuck: %s; tried again after a while", why);
}

static void say_offlining(struct disk *disk, enum incident_state before) {
        if (before == INCIDENT_SETTLING && disk->symptom.offline)
                say(disk, "the disk was set offline meanwhile; reset, so that all its I/O ends");
        else if (before == INCIDENT_SETTLING)
                say(disk, "LUN reset: no change: nothing completed for %s after it; "
                          "offline, so that in-flight I/O ends with EIO",
                    SPAN(disk->symptom.quiet));
        else
                say(disk, "the disk does not answer yet; offline again");
}

static void say_recovered(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *l = &disk->ladder;

        if (l->failed)
                say(disk, "the disk answers again%s",
                    before == INCIDENT_MOUNTING ? ", its filesystems are mounted again" : "");
        else
                say(disk, "I/O completes again, %s after the LUN reset began",
                    SPAN(now - l->acted_at));
}

static void say_failed(struct disk *disk, enum incident_state before, usec_t now) {
        usec_t wait = disk->ladder.deadline - now;

        if (before == INCIDENT_MOUNTING)
                say(disk, "the disk answers, but not all its filesystems could be mounted (%s); "
                          "tried again in %s",
                    strerror(-disk->mount_error), SPAN(wait));
        else
                say(disk, "failed cleanly: its I/O ends with EIO%s; tried again in %s",
                    disk->mounts.n > 0 ? ", its filesystems are unmounted" : "", SPAN(wait));
}

static void say_watching(struct disk *disk, enum incident_state before) {
        if (before == INCIDENT_SUSPECT)
                say(disk, disk->symptom.progress ? "I/O completes again by itself"
                                                 : "observation begun anew: time was not counted");
        else if (before == INCIDENT_ACTING)
                say(disk, "not reset now: the host is busy, or recovers by itself; "
                          "observation begun anew");
        else
                disk->detail[0] = '\0';
}

static void describe(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *l = &disk->ladder;

        switch (l->state) {
        case INCIDENT_HEALTHY:
                say_watching(disk, before);
                break;
        case INCIDENT_SUSPECT:
                say(disk, "%s in flight, none completed for %s; LUN reset after %s",
                    REQUESTS(disk->symptom.outstanding), SPAN(disk->symptom.quiet),
                    SPAN(disk->agent->policy.stall));
                break;
        case INCIDENT_ACTING:
                say_acting(disk);
                break;
        case INCIDENT_UNCURED:
                say_uncured(disk, before);
                break;
        case INCIDENT_SETTLING:
                say(disk, "%s %s ago; waiting up to %s for I/O to complete",
                    before == INCIDENT_VERIFYING ? "no read came back; LUN reset" : "LUN reset",
                    SPAN(now - l->acted_at), SPAN(disk->agent->policy.settle));
                break;
        case INCIDENT_VERIFYING:
                say(disk, "I/O moves; reading one block to make sure");
                break;
        case INCIDENT_RECOVERED:
                say_recovered(disk, before, now);
                break;
        case INCIDENT_OFFLINING:
                say_offlining(disk, before);
                break;
        case INCIDENT_DRAINING:
                say(disk, "offline%s; waiting for in-flight I/O to end",
                    disk->ladder.act == STEP_OFFLINE ? " and reset" : "");
                break;
        case INCIDENT_UNDRAINED:
                say(disk, "stuck: the device keeps %s, also after offline and reset; "
                          "nothing in the guest can end that; tried again after a while",
                    REQUESTS(disk->symptom.outstanding));
                break;
        case INCIDENT_SHUTTING:
                say(disk, "in-flight I/O has ended; shutting down %zu mounted filesystem%s",
                    disk->mounts.n, disk->mounts.n == 1 ? "" : "s");
                break;
        case INCIDENT_UNMOUNTING:
                say(disk, "unmounting");
                break;
        case INCIDENT_BUSY:
                say(disk, "cannot unmount: %s; tried again every few seconds",
                    strerror(-disk->mount_error));
                break;
        case INCIDENT_FAILED:
                say_failed(disk, before, now);
                break;
        case INCIDENT_RETURNING:
                say(disk, "asking the disk whether it answers again");
                break;
        case INCIDENT_MOUNTING:
                say(disk, "the disk answers again; mounting");
                break;
        default:
                break;
        }
}

static enum event_kind event_of(enum incident_state state, enum incident_state before) {
        switch (state) {
        case INCIDENT_HEALTHY:
                return before == INCIDENT_SUSPECT || before == INCIDENT_ACTING ? EVENT_CLEARED
                                                                               : _EVENT_KIND_MAX;
        case INCIDENT_SUSPECT:
                return EVENT_SUSPECTED;
        case INCIDENT_ACTING:
        case INCIDENT_OFFLINING:
                return EVENT_ACT;
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

static void say_overdue(struct disk *disk) {
        if (disk->ladder.step == STEP_NONE)
                return;
        say(disk, "stuck: %s does not return; nothing more is done to this disk until it does",
            disk->begun ? step_to_string(disk->ladder.step) : "an earlier step");
        incident_report(disk, EVENT_STUCK, disk->detail);
}

/* ---- what follows from it ---- */

/* Who asked by hand hears as soon as the outcome of that reset is known. */
static void answer_call(struct disk *disk) {
        const struct ladder *l = &disk->ladder;
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
        enum event_kind event = event_of(disk->ladder.state, before);
        int r;

        if (disk->ladder.overdue)
                say_overdue(disk);
        else {
                disk->begun = false;
                disk->mount_next = 0;
                /* After an act, progress is what comes after it. */
                if (disk->ladder.state != INCIDENT_SUSPECT && before != INCIDENT_SUSPECT)
                        stall_restart(&disk->stall);
                describe(disk, before, now);
                report_change(disk, event);
        }
        r = state_file_set(&disk->state, disk->ladder.state, disk->ladder.acted_at);
        if (r < 0)
                log_warning("%s (%s): cannot note the state in %s: %s", disk->id.name,
                            disk->address, disk->state.path, strerror(-r));
        answer_call(disk);
        if (disk->ladder.state == INCIDENT_HEALTHY) {
                disk->detail[0] = '\0';
                disk->by_hand = false;
                disk->agent->mounts_stale = true; /* they were not followed meanwhile */
        }
}

/* Where a filesystem step begins, and where it goes: mounts that stand on others are ended first
 * and brought back last. */
static size_t mount_index(const struct disk *disk) {
        return disk->ladder.step == STEP_FS_UMOUNT ? disk->mounts.n - 1 - disk->mount_next
                                                   : disk->mount_next;
}

static bool is_filesystem_step(enum step step) {
        return step == STEP_FS_SHUTDOWN || step == STEP_FS_UMOUNT || step == STEP_FS_MOUNT;
}

static int begin(struct disk *disk) {
        enum step step = disk->ladder.step;

        if (executor_place(step) == PLACE_DOMAIN)
                return executor_begin(&disk->domain->executor, step, disk->slot, NULL);
        if (!is_filesystem_step(step))
                return executor_begin(&disk->executor, step, 0, NULL);
        return executor_begin(&disk->executor, step, 0,
                              disk->mounts.entries + mount_index(disk));
}

void incident_pursue(struct disk *disk, usec_t now) {
        enum incident_state before = disk->ladder.state;

        assert(disk);

        if (disk->ladder.step == STEP_NONE || disk->begun)
                return;
        /* A state file may have lost its mounts: then there is nothing to do, and it is done. */
        if (is_filesystem_step(disk->ladder.step) && disk->mounts.n == 0) {
                if (ladder_returned(&disk->ladder, disk->ladder.step, 0, disk_footing(disk), now))
                        changed(disk, before, now);
                return;
        }
        if (is_filesystem_step(disk->ladder.step) && disk->mount_next == 0)
                disk->mount_error = 0;
        disk->begun = begin(disk) == 0;
        /* What the domain cannot take at once is not kept for later: by then the disk may be well.
         * The disk's own executor is waited for. */
        if (!disk->begun && executor_place(disk->ladder.step) == PLACE_DOMAIN &&
            ladder_returned(&disk->ladder, disk->ladder.step, -EAGAIN, disk_footing(disk), now))
                changed(disk, before, now);
}

/* One mount is done; returns whether the step goes on with the next. */
static bool next_mount(struct disk *disk, int error) {
        const struct mount_entry *entry = disk->mounts.entries + mount_index(disk);
        enum step step = disk->ladder.step;

        say(disk, "%s: %s: %s", entry->target, step_to_string(step),
            error < 0 ? strerror(-error) : "done");
        incident_report(disk, EVENT_PROGRESS, disk->detail);
        /* A mount that cannot be restored at all is said once, and not tried for ever. */
        if (error < 0 && error != -EOPNOTSUPP && disk->mount_error == 0)
                disk->mount_error = error;
        disk->begun = false;
        disk->mount_next++;
        if (disk->mount_next < disk->mounts.n)
                return true;
        disk->mount_next = 0;
        return false;
}

void incident_returned(struct disk *disk, enum step step, int error, usec_t now) {
        enum incident_state before;

        assert(disk);

        stall_restart(&disk->stall);
        if (step != disk->ladder.step || !disk->begun)
                return; /* an earlier step, which is no longer wanted */
        if (is_filesystem_step(step)) {
                if (next_mount(disk, error)) {
                        incident_pursue(disk, now);
                        return;
                }
                error = disk->mount_error;
        } else if (error < 0) {
                say(disk, "%s: %s", step_to_string(step), strerror(-error));
                incident_report(disk, EVENT_PROGRESS, disk->detail);
        }
        before = disk->ladder.state;
        if (ladder_returned(&disk->ladder, step, error, disk_footing(disk), now))
                changed(disk, before, now);
        incident_pursue(disk, now);
}

static bool take_sample(struct disk *disk, usec_t now, struct sample *ret) {
        int r = counters_read(&disk->counters, now, ret);

        if (r < 0)
                return false; /* the disk is going; udev will say so */
        /* Whatever holds the host back holds this disk back. */
        if (!domain_is_free(disk->domain))
                ret->held = true;
        return true;
}

void incident_tick(struct disk *disk, usec_t now) {
        const struct policy *policy = &disk->agent->policy;
        enum incident_state before = disk->ladder.state;
        struct sample sample;
        bool may_act;

        assert(disk);

        if (!take_sample(disk, now, &sample))
                return;
        stall_update(&disk->stall, policy, &sample, stall_interval(policy), &disk->symptom);
        may_act = !sample.held && disk_attach_error(disk) == 0;
        if (ladder_observe(&disk->ladder, policy, &disk->symptom, may_act, disk_footing(disk),
                           now))
                changed(disk, before, now);
        incident_pursue(disk, now);
}

void incident_resume(struct disk *disk, enum incident_state state, usec_t acted_at, usec_t now) {
        struct sample sample = {};

        assert(disk);

        (void) counters_read(&disk->counters, now, &sample);
        ladder_resume(&disk->ladder, state, sample.offline, acted_at, now);
        if (disk->ladder.state == INCIDENT_HEALTHY)
                return;
        say(disk, "taking up the incident that an earlier unhangd left in state %s",
            incident_state_to_string(state));
        incident_report(disk, EVENT_PROGRESS, disk->detail);
        (void) state_file_set(&disk->state, disk->ladder.state, disk->ladder.acted_at);
}

int incident_request(struct disk *disk, bool force, struct bus_call *call,
                     const char **ret_reason) {
        enum incident_state before = disk->ladder.state;
        usec_t now = now_monotonic();

        assert(disk && call && ret_reason);

        if (disk_attach_error(disk) < 0) {
                *ret_reason = "the disk could not be opened for resets; see the journal";
                return -EPERM;
        }
        if (!domain_is_free(disk->domain)) {
                *ret_reason = "another act is under way on the same SCSI host";
                return -EBUSY;
        }
        if (!force && disk->symptom.quiet == 0) {
                *ret_reason = "the disk completes its I/O: there is nothing to reset "
                              "(--force resets it all the same)";
                return -EPERM;
        }
        if (ladder_request(&disk->ladder, now) < 0) {
                *ret_reason = "an incident on this disk is being worked on; see unhang status";
                return -EBUSY;
        }
        disk->by_hand = true;
        disk->call = call;
        changed(disk, before, now);
        incident_pursue(disk, now);
        return 0;
}
