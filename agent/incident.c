/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "agent/act/fence.h"
#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"
#include "agent/decide/plan.h"
#include "agent/incident.h"
#include "agent/observe/bind.h"
#include "agent/recording.h"
#include "agent/wording.h"

void incident_report(const struct disk *disk, enum event_kind kind, const char *text) {
        const struct ladder *ladder = &disk->watch.ladder;
        struct event_report report = {
                .kind = kind,
                .disk = &disk->id,
                .symptom = symptom_to_string(disk->watch.symptom.kind),
                .state = ladder_state_for_people(ladder),
                .step = step_to_string(ladder->step != STEP_NONE ? ladder->step : ladder->past.act),
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
        case INCIDENT_FAILING:
        case INCIDENT_ENDING:
        case INCIDENT_FENCING:
                return EVENT_ACT;
        case INCIDENT_REPORTED:
        case INCIDENT_UNCURED:
        case INCIDENT_UNDRAINED:
        case INCIDENT_CONTAINED:
        case INCIDENT_HELD:
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

/* The outcome of what a person asked for, which is no more than that one rung. */
static enum outcome asked_outcome(const struct disk *disk) {
        const struct ladder *l = &disk->watch.ladder;

        if (disk->asked != STEP_RUNNING && disk->asked != STEP_CONTROLLER_RESCAN) {
                /* The ladder has gone on to the next rung by itself. */
                if (l->outcome == OUTCOME_NONE && l->past.act != disk->asked)
                        return OUTCOME_NO_CHANGE;
                return l->outcome;
        }
        switch (l->past.state) {
        case INCIDENT_RETURNING:
        case INCIDENT_AWAITING:
        case INCIDENT_VERIFYING:
        case INCIDENT_CHECKING:
        case INCIDENT_MOUNTING:
                return l->overdue ? OUTCOME_TIMED_OUT : OUTCOME_NONE;
        case INCIDENT_RECOVERED:
                return OUTCOME_RECOVERED;
        default:
                return OUTCOME_NO_CHANGE;
        }
}

/* Who asked by hand hears as soon as the outcome of that reset is known. */
static void answer_call(struct disk *disk) {
        enum outcome outcome = disk->call ? asked_outcome(disk) : OUTCOME_NONE;

        if (outcome == OUTCOME_NONE)
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

struct memory disk_memory(const struct disk *disk) {
        assert(disk);

        return (struct memory) {
                .past = disk->watch.ladder.past,
                .suppressed_until = disk->suppressed_until,
        };
}

static void note_state(struct disk *disk) {
        struct memory memory = disk_memory(disk);
        int r = disk->state.fd < 0 ? 0 : state_file_set(&disk->state, &memory);

        if (r < 0)
                log_warning("%s (%s): cannot note the state in %s: %s", disk->id.name,
                            disk->id.address, disk->state.path, strerror(-r));
}

/* What is tried every few seconds, for days perhaps, is told when something else comes of it. */
static bool is_told(struct disk *disk, enum incident_state before) {
        enum incident_state state = disk->watch.ladder.past.state;
        int told = disk->busy_told;

        if (state == INCIDENT_UNMOUNTING)
                return before == INCIDENT_BUSY;
        disk->busy_told = state == INCIDENT_BUSY ? disk->mount_error : 0;
        return state == INCIDENT_BUSY && disk->mount_error == told;
}

/* What ext4 has noted before the disk fell ill is not of this incident. */
static void note_errors(struct disk *disk) {
        for (size_t i = 0; i < disk->mounts.n; i++) {
                struct mount_entry *entry = disk->mounts.entries + i;

                if (mount_errors("/sys", entry, &entry->errors) < 0)
                        entry->errors = UINT64_MAX;
        }
}

/* A filesystem may take writes and be damaged all the same. */
static void tell_errors(struct disk *disk) {
        char text[PATH_MAX + 128];
        uint64_t errors;

        for (size_t i = 0; i < disk->mounts.n; i++) {
                const struct mount_entry *entry = disk->mounts.entries + i;

                if (entry->errors == UINT64_MAX || mount_entry_is_part(entry) ||
                    mount_errors("/sys", entry, &errors) < 0 || errors <= entry->errors)
                        continue;
                (void) snprintf(text, sizeof(text),
                                "%s: ext4 has noted %" PRIu64 " error%s since the disk fell ill; "
                                "have it checked with fsck when it can be unmounted",
                                entry->target, errors - entry->errors,
                                errors - entry->errors == 1 ? "" : "s");
                incident_report(disk, EVENT_PROGRESS, text);
        }
}

static void changed(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *ladder = &disk->watch.ladder;

        disk->refusal = watch_refusal(&disk->watch, &disk->policy);
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
                if (!is_told(disk, before))
                        report_change(disk, event_of(ladder->past.state, before));
        }
        if (before == INCIDENT_HEALTHY)
                note_errors(disk);
        if (ladder->past.state == INCIDENT_RECOVERED && before != INCIDENT_RECOVERED)
                tell_errors(disk);
        note_state(disk);
        answer_call(disk);
        if (ladder->past.state == INCIDENT_HEALTHY) {
                disk->detail[0] = '\0';
                disk->by_hand = false;
                disk->agent->mounts_stale = true; /* they were not followed meanwhile */
                disk_plan(disk);
        }
}

/* Where a filesystem step begins, and where it goes: mounts that stand on others are ended first
 * and brought back last. */
static size_t mount_index(const struct disk *disk) {
        enum step step = disk->watch.ladder.step;

        return step == STEP_FS_UMOUNT || step == STEP_FS_CLEAR
                       ? disk->mounts.n - 1 - disk->mount_next
                       : disk->mount_next;
}

static bool is_filesystem_step(enum step step) {
        return step == STEP_FS_CHECK || step == STEP_FS_CLEAR || step == STEP_FS_SHUTDOWN ||
               step == STEP_FS_UMOUNT || step == STEP_FS_MOUNT;
}

static int begin_on_mount(struct disk *disk, enum step step) {
        struct mount_entry *entry = disk->mounts.entries + mount_index(disk), bind;
        const struct mount_rules rules = {
                .holders = (enum policy_holders) disk->policy.holders,
                .fsck = (enum policy_fsck) disk->policy.fsck,
                .lazy = step == STEP_FS_UMOUNT &&
                        disk->policy.on_failed == ON_FAILED_LAZY_UNMOUNT,
        };

        if (step == STEP_FS_MOUNT && bind_of(&disk->mounts, mount_index(disk), &bind))
                entry = &bind;
        return executor_begin(&disk->executor, step, 0, entry, &rules);
}

static int begin(enum step step, void *userdata) {
        struct disk *disk = userdata;

        if (step_place(step) == PLACE_DAEMON) {
                log_kernel(LOG_EMERG, "unhang: %s: %s", disk->id.name, disk->detail);
                return fence(disk->agent->fence, (enum policy_fence) disk->policy.fence);
        }
        if (step_place(step) < DOMAIN_POSTS)
                return domain_begin(disk, step, disk->agent->ticked);
        if (!is_filesystem_step(step))
                return executor_begin(&disk->executor, step, 0, NULL, NULL);
        if (disk->mount_next == 0)
                disk->mount_error = 0;
        /* A state file may have lost its mounts: then there is nothing to do, and it is done. */
        if (disk->mounts.n == 0)
                return 1;
        return begin_on_mount(disk, step);
}

void incident_pursue(struct disk *disk, usec_t now) {
        enum incident_state before;

        assert(disk);

        before = disk->watch.ladder.past.state;
        if (watch_pursue(&disk->watch, begin, disk, disk_footing(disk), now))
                changed(disk, before, now);
}

/* One mount is done; returns whether the step goes on with the next. */
static bool next_mount(struct disk *disk, int error) {
        const struct mount_entry *entry = disk->mounts.entries + mount_index(disk);
        bool told = disk->watch.ladder.step == STEP_FS_UMOUNT && error == disk->busy_told;

        if (error == 0 || (error < 0 && !told)) { /* else it was left alone */
                wording_set(disk, "%s: %s: %s", entry->target,
                            step_to_string(disk->watch.ladder.step),
                            error < 0 ? wording_mount_error(error) : "done");
                incident_report(disk, EVENT_PROGRESS, disk->detail);
        }
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

        before = disk->watch.ladder.past.state;
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
        if (disk->watch.begun && step_place(disk->watch.ladder.step) < DOMAIN_POSTS)
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

static void record_here(struct disk *disk, const struct circumstances *here, usec_t now) {
        struct agent *agent = disk->agent;
        char line[RECORDING_LINE_MAX];

        if (agent->recorder.fd >= 0 &&
            recording_here(line, agent->recorded_from, now, disk->id.name, &disk->here, here))
                recorder_write(&agent->recorder, line);
        disk->here = *here;
}

/* A recording is to serve for other limits, too. */
static bool wants_list(const struct disk *disk, usec_t now) {
        return disk->agent->recorder.fd >= 0 || watch_wants_list(&disk->watch, now);
}

/* What the kernel has no more has nothing in flight any more, and takes nothing
 * (block/genhd.c: del_gendisk waits for all requests). */
static struct sample sample_of_gone(usec_t now) {
        return (struct sample) { .at = now, .offline = true };
}

static int look(struct disk *disk, usec_t now, struct sample *ret) {
        int r;

        if (disk->gone) {
                *ret = sample_of_gone(now);
                return 0;
        }
        r = counters_read(&disk->counters, now, wants_list(disk, now), ret);
        ret->held = !disk_is_free(disk);
        return r;
}

/* While an act that does not reach it holds the disk back, it is not looked at. If that is over in
 * a moment, what was seen before is still true, and so several disks that hang behind one host are
 * reset one after the other; if it lasts, the next look comes after a gap, and begins anew. */
static bool is_out_of_sight(const struct disk *disk) {
        return disk->domain && !disk->gone && disk->watch.ladder.step == STEP_NONE &&
               domain_holds_back(disk->domain, disk);
}

/* What only the disk can tell is asked while it serves, by what is seen now: its executor would
 * hang with it, and may hold up the kernel. */
static void ask_once(struct disk *disk) {
        const struct symptom *symptom = &disk->watch.symptom;

        if (!disk->unasked || disk->watch.ladder.past.state != INCIDENT_HEALTHY ||
            symptom->held || symptom->offline || !symptom->progress || symptom->quiet > 0)
                return;
        disk->unasked = executor_inspect(&disk->executor, 0, true) < 0;
}

int incident_tick(struct disk *disk, usec_t now) {
        struct watch *watch = &disk->watch;
        struct circumstances here;
        enum incident_state before;
        struct sample sample;
        int r;

        assert(disk);

        if (is_out_of_sight(disk))
                return 0;
        r = look(disk, now, &sample);
        if (r < 0)
                return r; /* the disk is going; udev will say so */
        if (disk->failed_over)
                sample.recovering = sample.failover = true;
        disk->failed_over = false;
        record(disk, sample);
        before = watch->ladder.past.state;
        disk_circumstances(disk, now, &here);
        record_here(disk, &here, now);
        if (watch_take(watch, &disk->policy, &sample, &here, disk_footing(disk)))
                changed(disk, before, now);
        incident_pursue(disk, now);
        ask_once(disk);
        return 0;
}

void incident_resume(struct disk *disk, const struct ladder_past *past, usec_t now) {
        struct sample sample = disk->gone ? sample_of_gone(now) : (struct sample) {};

        assert(disk);

        if (!disk->gone)
                (void) counters_read(&disk->counters, now, false, &sample);
        watch_resume(&disk->watch, past, sample.offline, disk_footing(disk), now);
        if (disk->watch.ladder.past.state == INCIDENT_HEALTHY)
                return;
        wording_set(disk, "taking up the incident that an earlier unhangd left in state %s%s",
                    incident_state_to_string(past->state),
                    disk->gone ? "; the kernel has given the disk up" : "");
        incident_report(disk, EVENT_PROGRESS, disk->detail);
        note_state(disk);
}

void incident_gone(struct disk *disk) {
        assert(disk);

        disk->gone = true;
        if (disk->watch.plan.back == STEP_RUNNING) /* there is nothing left to be set so */
                disk->watch.plan.back = STEP_NONE;
        wording_set(disk, "the kernel has given the disk up; what stood on it is ended");
        incident_report(disk, EVENT_PROGRESS, disk->detail);
}

bool incident_awaits(const struct disk *disk) {
        enum incident_state state = disk->watch.ladder.past.state;

        return disk->gone && (state == INCIDENT_FAILED || state == INCIDENT_RETURNING ||
                              state == INCIDENT_AWAITING);
}

void incident_back(struct disk *disk, usec_t now) {
        enum incident_state before;

        assert(disk);

        before = disk->watch.ladder.past.state;
        if (watch_is_back(&disk->watch, disk_footing(disk), now))
                changed(disk, before, now);
        incident_pursue(disk, now);
}

void incident_dragged(struct disk *disk, usec_t now) {
        enum incident_state before;

        assert(disk);

        before = disk->watch.ladder.past.state;
        if (watch_is_dragged(&disk->watch, disk_footing(disk), now))
                changed(disk, before, now);
}

/* ---- by hand ---- */

static const char *reason_of(int error) {
        switch (error) {
        case -EOPNOTSUPP:
                return "its driver, or its policy, has no such rung; see unhang show";
        case -EPERM:
                return "the system runs from this disk, or from one within reach of that rung, or "
                       "something stands there that would not be brought back: it is never failed";
        default:
                return "an incident on this disk is being worked on; see unhang status";
        }
}

/* Why a guard is against it, and what would take that on. */
static int say_refusal(const struct disk *disk, enum refusal refusal,
                       char reason[static BUS_REASON_MAX]) {
        const char *name = refusal_to_string(refusal);
        bool forced = refusal_from_string(name) >= 0;

        (void) snprintf(reason, BUS_REASON_MAX, "%s%s%s", wording_refusal(disk, refusal),
                        forced ? "; to be taken on with --force=" : "", forced ? name : "");
        return refusal == REFUSAL_HELD ? -EBUSY : -EPERM;
}

int incident_refuses(const struct disk *disk, enum step step, uint32_t force,
                     char reason[static BUS_REASON_MAX]) {
        struct watch tried = disk->watch;
        enum refusal refusal;
        int r;

        assert(disk && reason);

        if (disk_attach_error(disk) < 0) {
                (void) snprintf(reason, BUS_REASON_MAX, "%s",
                                "the disk could not be opened for resets; see the journal");
                return -EPERM;
        }
        refusal = watch_refuses(&disk->watch, &disk->policy, step, force);
        if (refusal != REFUSAL_NONE)
                return say_refusal(disk, refusal, reason);
        r = watch_request(&tried, step, disk_footing(disk), now_monotonic());
        if (r >= 0)
                return 0;
        (void) snprintf(reason, BUS_REASON_MAX, "%s", reason_of(r));
        return r == -EBUSY ? -EBUSY : -EPERM;
}

int incident_request(struct disk *disk, enum step step, uint32_t force, struct bus_call *call,
                     char reason[static BUS_REASON_MAX]) {
        enum incident_state before;
        usec_t now = now_monotonic();
        int r;

        assert(disk && call && reason);

        r = incident_refuses(disk, step, force, reason);
        if (r < 0)
                return r;
        before = disk->watch.ladder.past.state;
        r = watch_request(&disk->watch, step, disk_footing(disk), now);
        assert(r >= 0); /* it was tried */
        disk->by_hand = true;
        disk->asked = step;
        disk->call = call;
        changed(disk, before, now);
        incident_pursue(disk, now);
        return 0;
}

void incident_suppress(struct disk *disk, usec_t until) {
        usec_t now = now_monotonic();
        char text[64];

        assert(disk);

        disk->suppressed_until = until;
        disk->watch.circumstances.suppressed = now < until;
        note_state(disk);
        if (until > now)
                (void) snprintf(text, sizeof(text), "acts are suppressed by hand for %s",
                                format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX,
                                            until - now));
        else
                (void) snprintf(text, sizeof(text), "acts are no longer suppressed by hand");
        incident_report(disk, EVENT_PROGRESS, text);
}
