/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"
#include "agent/decide/plan.h"
#include "agent/incident.h"
#include "agent/wording.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

#define REQUESTS_MAX 32
#define REQUESTS(n) requests((char[REQUESTS_MAX]) {}, n)

static const char *requests(char *buf, uint32_t n) {
        (void) snprintf(buf, REQUESTS_MAX, "%u request%s", n, n == 1 ? "" : "s");
        return buf;
}

void wording_set(struct disk *disk, const char *format, ...) {
        va_list ap;

        assert(disk && format);

        va_start(ap, format);
        (void) vsnprintf(disk->detail, sizeof(disk->detail), format, ap);
        va_end(ap);
}

/* ---- the symptom ---- */

#define SEEN_MAX 160
#define SEEN(disk) seen((char[SEEN_MAX]) {}, disk)

static const char *seen(char *buf, const struct disk *disk) {
        const struct symptom *s = &disk->watch.symptom;

        switch (s->kind) {
        case SYMPTOM_STUCK_REQUEST:
                (void) snprintf(buf, SEEN_MAX,
                                "one request has been out for %s while others complete, "
                                "%u in flight",
                                SPAN(s->lasts), s->outstanding);
                break;
        case SYMPTOM_SATURATED:
                (void) snprintf(buf, SEEN_MAX, "%s in flight, more than %llu for %s",
                                REQUESTS(s->outstanding),
                                (unsigned long long) disk->policy.inflight_limit,
                                SPAN(s->lasts));
                break;
        case SYMPTOM_CONTROLLER_STUCK:
                (void) snprintf(buf, SEEN_MAX, "the kernel has been recovering %s for %s",
                                disk->id.domain, SPAN(s->lasts));
                break;
        default:
                (void) snprintf(buf, SEEN_MAX, "%s in flight, none completed for %s",
                                REQUESTS(s->outstanding), SPAN(s->quiet));
        }
        return buf;
}

static usec_t limit(const struct disk *disk) {
        const struct policy *policy = &disk->policy;

        return disk->watch.symptom.kind == SYMPTOM_SATURATED ? policy->inflight : policy->stall;
}

const char *wording_act(enum step step) {
        switch (step) {
        case STEP_LUN_RESET:
                return "LUN reset";
        case STEP_TARGET_RESET:
                return "target reset";
        case STEP_BUS_RESET:
                return "bus reset";
        case STEP_HOST_RESET:
                return "host reset";
        case STEP_OFFLINE:
                return "offline, so that in-flight I/O ends with EIO";
        case STEP_CONTROLLER_RESET:
                return "controller reset";
        case STEP_CONTROLLER_FAIL:
                return "the controller is failed, so that all its I/O ends with EIO";
        case STEP_CONTROLLER_END:
                return "the controller is taken away from its driver, so that all its I/O ends "
                       "with EIO";
        case STEP_CONTROLLER_REMOVE:
                return "the controller is removed, so that all its I/O ends with EIO";
        default:
                return step_to_string(step);
        }
}

/* Who else looks after it: the first of them. */
static const char *owner_text(const struct disk *disk) {
        for (int owner = 0; owner < _DISK_OWNER_MAX; owner++)
                if (disk_owners(disk) & OWNER_BIT(owner))
                        return owner_reason((enum disk_owner) owner);
        return refusal_to_text(REFUSAL_OWNER);
}

const char *wording_refusal(const struct disk *disk, enum refusal refusal) {
        assert(disk);

        return refusal == REFUSAL_OWNER ? owner_text(disk) : refusal_to_text(refusal);
}

/* Why nothing is ever done about it. */
static const char *powerless(const struct disk *disk) {
        switch (disk->id.kind) {
        case DISK_SCSI:
        case DISK_NVME:
                if (disk_attach_error(disk) < 0)
                        return "it could not be opened for resets, and is watched only";
                return disk->domain ? "its policy, and what can be done on this controller, leave "
                                      "no rung"
                                    : "nothing is known that would help with its driver";
        case DISK_QUEUE:
                return "its driver knows no reset, so nothing in the guest can end that";
        default:
                return "it stands on other disks, and nothing is done to it";
        }
}

/* Why nothing is done about it now. */
static const char *why_not(const struct disk *disk) {
        if (disk->watch.symptom.kind == SYMPTOM_CONTROLLER_STUCK)
                return "that has not come to an end, and nothing can be done here until it does";
        if (plan_is_empty(&disk->watch.plan))
                return powerless(disk);
        return wording_refusal(disk, disk->refusal);
}

/* The act that would come first. */
static enum step first_act(const struct disk *disk) {
        const struct plan *plan = &disk->watch.plan;

        return plan->n_cures > 0 ? plan->cures[0] : plan->fail;
}

static void say_suspect(const struct disk *disk, char *buf, size_t size) {
        bool act = disk_can_act(disk) && first_act(disk) != STEP_NONE &&
                   disk->watch.symptom.kind != SYMPTOM_CONTROLLER_STUCK;

        (void) snprintf(buf, size, "%s; %s after %s", SEEN(disk),
                        act ? wording_act(first_act(disk)) : "reported", SPAN(limit(disk)));
}

static void say_reported(const struct disk *disk, char *buf, size_t size) {
        (void) snprintf(buf, size, "%s: %s (limit %s); %s",
                        symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                        SPAN(limit(disk)), why_not(disk));
}

/* ---- what is said when a state is entered ---- */

/* What the act before it has come to, in BUF. */
static const char *no_change(char *buf, size_t size, const struct disk *disk) {
        const struct symptom *s = &disk->watch.symptom;

        if (s->left > s->quiet)
                (void) snprintf(buf, size, "%s: no change: a request from before it is still out "
                                           "after %s, while others complete",
                                wording_act(disk->cure), SPAN(s->left));
        else
                (void) snprintf(buf, size, "%s: no change: nothing completed for %s after it",
                                wording_act(disk->cure), SPAN(s->quiet));
        return buf;
}

static void say_acting(struct disk *disk, enum incident_state before) {
        const char *act = wording_act(disk->watch.ladder.past.act);
        char text[SEEN_MAX];

        if (disk->by_hand && before != INCIDENT_SETTLING)
                wording_set(disk, "%s, asked for by hand; %s", act, SEEN(disk));
        else if (before == INCIDENT_SETTLING)
                wording_set(disk, "%s; %s", no_change(text, sizeof(text), disk), act);
        else
                wording_set(disk, "%s: %s (limit %s): %s",
                            symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                            SPAN(limit(disk)), act);
        disk->cure = disk->watch.ladder.past.act;
}

/* Why it is not failed either. */
static const char *not_failed(const struct disk *disk) {
        if (disk->watch.plan.fail == STEP_NONE)
                return "and there is nothing that would end its I/O";
        if (disk_footing(disk) == FOOTING_SYSTEM)
                return "and the disk is not failed, for the system, swap, or what unmounting does "
                       "not end stands on it";
        return why_not(disk);
}

static void say_uncured(struct disk *disk, enum incident_state before) {
        const char *act = wording_act(disk->cure);

        if (before == INCIDENT_VERIFYING)
                wording_set(disk, "stuck: other I/O completes, but reading a block from it fails; "
                                  "tried again after a while");
        else if (before == INCIDENT_FENCING)
                wording_set(disk, "stuck: the machine could not be given up");
        else if (disk->watch.ladder.outcome == OUTCOME_REFUSED)
                wording_set(disk, "stuck: the device refused the %s; tried again after a while",
                            act);
        else
                wording_set(disk, "stuck: the %s brought nothing back, %s; tried again after a "
                                  "while",
                            act, not_failed(disk));
}

static void say_failing(struct disk *disk, enum incident_state before) {
        const char *act = wording_act(disk->watch.plan.fail);
        char text[SEEN_MAX];

        switch (before) {
        case INCIDENT_SETTLING:
                if (disk->watch.symptom.offline)
                        wording_set(disk, "the disk was set offline meanwhile; reset, so that all "
                                          "its I/O ends");
                else
                        wording_set(disk, "%s; %s", no_change(text, sizeof(text), disk), act);
                break;
        case INCIDENT_HEALTHY:
        case INCIDENT_SUSPECT:
        case INCIDENT_REPORTED:
        case INCIDENT_CHECKING:
        case INCIDENT_CLEARING:
        case INCIDENT_HELD:
        case INCIDENT_REVIVING:
                wording_set(disk, "%s: %s (limit %s): %s%s",
                            symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                            SPAN(limit(disk)), act, disk->by_hand ? ", asked for by hand" : "");
                break;
        default:
                wording_set(disk, "the disk does not answer yet; %s again",
                            disk->watch.plan.fail == STEP_OFFLINE ? "offline" : "failed");
        }
}

static void say_recovered(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *l = &disk->watch.ladder;
        char text[256];

        if (l->failed)
                wording_set(disk, "the disk answers again%s",
                            before == INCIDENT_MOUNTING ? ", its filesystems are mounted again"
                                                        : "");
        else if (before == INCIDENT_REVIVING)
                wording_set(disk, "the disk answers, and what had not survived is mounted again");
        else
                wording_set(disk, "I/O completes again, %s after the %s began%s",
                            SPAN(now - l->past.acted_at), wording_act(l->past.act),
                            wording_survivors(disk, before, text, sizeof(text)));
}

/* What becomes of a failed disk. */
static void say_then(const struct disk *disk, char *buf, size_t size, usec_t wait) {
        if (disk->watch.ladder.deadline != USEC_INFINITY)
                (void) snprintf(buf, size, "; tried again in %s", SPAN(wait));
        else if (disk->watch.plan.back == STEP_CONTROLLER_RESCAN)
                (void) snprintf(buf, size, "; taken up again when it appears, see unhang(1), "
                                           "controller-rescan");
        else
                (void) snprintf(buf, size, "; taken up again when it appears");
}

static void say_failed(struct disk *disk, enum incident_state before, usec_t now) {
        usec_t wait = disk->watch.ladder.deadline - now;

        char then[128];

        say_then(disk, then, sizeof(then), wait);
        if (before == INCIDENT_MOUNTING)
                wording_set(disk, "the disk answers, but not all its filesystems could be mounted "
                                  "(%s)%s",
                            wording_mount_error(disk->mount_error), then);
        else if (before == INCIDENT_RETURNING || before == INCIDENT_AWAITING)
                wording_set(disk, "the controller has not come back%s", then);
        else
                wording_set(disk, "failed cleanly: its I/O ends with EIO%s%s",
                            wording_ended(disk), then);
}

/* Why there is no symptom any more. */
static const char *cleared(const struct disk *disk) {
        switch (disk->suspected) {
        case SYMPTOM_STUCK_REQUEST:
                return "no request is that old any more";
        case SYMPTOM_SATURATED:
                return "no more requests in flight than the limit";
        case SYMPTOM_CONTROLLER_STUCK:
                return "the kernel's recovery has ended";
        default:
                return disk->watch.symptom.progress
                               ? disk->id.kind == DISK_BIO ? "nothing on it hangs any more"
                                                           : "I/O completes again by itself"
                               : "observation begun anew: time was not counted";
        }
}

static void say_healthy(struct disk *disk, enum incident_state before) {
        switch (before) {
        case INCIDENT_SUSPECT:
        case INCIDENT_REPORTED:
                wording_set(disk, "%s", cleared(disk));
                break;
        case INCIDENT_ACTING:
                wording_set(disk, "not reset now: %s is busy, or recovers by itself; observation "
                                  "begun anew",
                            disk->id.domain);
                break;
        default:
                disk->detail[0] = '\0';
        }
}

static void say_settling(struct disk *disk, enum incident_state before, usec_t now) {
        wording_set(disk, "%s%s %s ago; waiting up to %s for I/O to complete",
                    before == INCIDENT_VERIFYING ? "no read came back; " : "",
                    wording_act(disk->watch.ladder.past.act),
                    SPAN(now - disk->watch.ladder.past.acted_at), SPAN(disk->policy.settle));
}

/* Whose I/O was ended by its own act, or by that of another one. */
static void say_draining(struct disk *disk, enum incident_state before) {
        if (before == INCIDENT_FAILING || before == INCIDENT_FINISHING)
                wording_set(disk, "%s; waiting for in-flight I/O to end",
                            disk->watch.plan.fail == STEP_OFFLINE ? "offline and reset"
                                                                  : "the controller is failed");
        else
                wording_set(disk, "its I/O was ended with that of its controller's other disks");
}

static void say_undrained(struct disk *disk, enum incident_state before) {
        if (before == INCIDENT_RESTORING)
                wording_set(disk, "stuck: %s does not return; what it had changed is put back",
                            step_to_string(disk->watch.ladder.past.act));
        else
                wording_set(disk, "stuck: the device keeps %s, whatever was done; nothing in the "
                                  "guest can end that; tried again after a while",
                            REQUESTS(disk->watch.symptom.outstanding));
}

void wording_entered(struct disk *disk, enum incident_state before, usec_t now) {
        assert(disk);

        switch (disk->watch.ladder.past.state) {
        case INCIDENT_HEALTHY:
                say_healthy(disk, before);
                break;
        case INCIDENT_SUSPECT:
                say_suspect(disk, disk->detail, sizeof(disk->detail));
                break;
        case INCIDENT_REPORTED:
                say_reported(disk, disk->detail, sizeof(disk->detail));
                break;
        case INCIDENT_ACTING:
                say_acting(disk, before);
                break;
        case INCIDENT_UNCURED:
                say_uncured(disk, before);
                break;
        case INCIDENT_SETTLING:
                say_settling(disk, before, now);
                break;
        case INCIDENT_VERIFYING:
                wording_set(disk, "I/O moves; reading one block to make sure");
                break;
        case INCIDENT_CHECKING:
        case INCIDENT_CLEARING:
        case INCIDENT_HELD:
        case INCIDENT_REVIVING:
                wording_revival(disk, before, now);
                break;
        case INCIDENT_RECOVERED:
                say_recovered(disk, before, now);
                break;
        case INCIDENT_FAILING:
                say_failing(disk, before);
                break;
        case INCIDENT_ENDING:
                wording_set(disk, "%s does not return; %s", wording_act(disk->cure),
                            wording_act(STEP_CONTROLLER_END));
                break;
        case INCIDENT_FINISHING:
                wording_set(disk, "the driver has given the controller up; removing it");
                break;
        case INCIDENT_RESTORING:
                wording_set(disk, "%s does not return; putting back what it has changed",
                            step_to_string(disk->watch.ladder.past.act));
                break;
        case INCIDENT_DRAINING:
                say_draining(disk, before);
                break;
        case INCIDENT_UNDRAINED:
                say_undrained(disk, before);
                break;
        case INCIDENT_SHUTTING:
                wording_set(disk, "in-flight I/O has ended; shutting down %zu mounted "
                                  "filesystem%s",
                            disk->mounts.n, disk->mounts.n == 1 ? "" : "s");
                break;
        case INCIDENT_UNMOUNTING:
                wording_set(disk, "unmounting");
                break;
        case INCIDENT_BUSY:
                wording_set(disk, "cannot unmount: %s; tried again every few seconds",
                            wording_mount_error(disk->mount_error));
                break;
        case INCIDENT_FAILED:
                say_failed(disk, before, now);
                break;
        case INCIDENT_RETURNING:
                wording_set(disk, disk->watch.plan.back == STEP_CONTROLLER_RESCAN
                                          ? "looking for the controller"
                                          : "asking the disk whether it answers again");
                break;
        case INCIDENT_AWAITING:
                wording_set(disk, "the controller is there again; waiting for the disk");
                break;
        case INCIDENT_MOUNTING:
                wording_set(disk, "the disk answers again; mounting");
                break;
        case INCIDENT_CONTAINING:
                wording_set(disk, "%s: %s (limit %s); %s; shutting its filesystems down, so that "
                                  "new I/O ends with EIO",
                            symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                            SPAN(limit(disk)), powerless(disk));
                break;
        case INCIDENT_CONTAINED:
                wording_set(disk, "contained: new I/O on its filesystems ends with EIO; what was "
                                  "in flight hangs until the hypervisor completes it");
                break;
        case INCIDENT_FENCING:
                wording_set(disk, "stuck for %s, and nothing that is allowed helps: %s",
                            SPAN(now - disk->watch.ladder.stuck_since),
                            disk->policy.fence == FENCE_PANIC ? "panic" : "reboot");
                break;
        default:
                break;
        }
}

void wording_overdue(struct disk *disk) {
        assert(disk);

        wording_set(disk, "stuck: %s does not return; nothing more is done to this disk until "
                          "it does",
                    disk->watch.begun ? step_to_string(disk->watch.ladder.step)
                                      : "an earlier step");
}

static const char *say_now(const struct disk *disk, usec_t now, char *buf, size_t size) {
        const struct ladder *l = &disk->watch.ladder;
        const struct disk *blocked;
        char then[128];

        if (disk_attach_error(disk) < 0) {
                (void) snprintf(buf, size, "watched only: %s: %s", disk->nodes.reset_node,
                                strerror(-disk_attach_error(disk)));
                return buf;
        }
        blocked = disk->domain ? domain_blocked_by(disk->domain) : NULL;
        if (blocked && blocked != disk) {
                (void) snprintf(buf, size, "stands still: %s of %s has not returned, which is on "
                                           "the same %s",
                                step_to_string(blocked->watch.ladder.past.act), blocked->id.name,
                                disk->id.domain);
                return buf;
        }
        if (disk->domain && !disk->domain->posts[PLACE_DOMAIN].executor.ready) {
                (void) snprintf(buf, size,
                                "an executor of an earlier unhangd still hangs in a reset on %s; "
                                "nothing is done there until it returns",
                                disk->id.domain);
                return buf;
        }
        if (l->past.state == INCIDENT_FAILED) {
                say_then(disk, then, sizeof(then), l->deadline > now ? l->deadline - now : 0);
                (void) snprintf(buf, size, "its I/O ends with EIO%s", then);
                return buf;
        }
        if (l->past.state == INCIDENT_SUSPECT && disk->watch.symptom.kind != SYMPTOM_NONE) {
                say_suspect(disk, buf, size);
                return buf;
        }
        if (l->past.state == INCIDENT_REPORTED && disk->watch.symptom.reached) {
                say_reported(disk, buf, size);
                return buf;
        }
        return disk->detail;
}

const char *wording_now(const struct disk *disk, usec_t now, char *buf, size_t size) {
        char text[WORDING_MAX];
        const char *detail;

        assert(disk && buf);

        if (now >= disk->suppressed_until)
                return say_now(disk, now, buf, size);
        detail = say_now(disk, now, text, sizeof(text));
        (void) snprintf(buf, size, "%s%sacts are suppressed by hand for another %s", detail,
                        *detail ? "; " : "", SPAN(disk->suppressed_until - now));
        return buf;
}

/* "LUN reset, then offline": the rungs in their order. */
static void list_rungs(const struct disk *disk, char *buf, size_t size) {
        const struct plan *plan = &disk->watch.plan;
        size_t n = 0;

        buf[0] = '\0';
        for (unsigned i = 0; i < plan->n_cures && n < size; i++)
                n += (size_t) snprintf(buf + n, size - n, "%s%s", n > 0 ? ", then " : "",
                                       step_to_string(plan->cures[i]));
        if (plan->fail != STEP_NONE && n < size)
                (void) snprintf(buf + n, size - n, "%s%s", n > 0 ? ", then " : "",
                                step_to_string(plan->fail));
}

void wording_guarded(const struct disk *disk, char *buf, size_t size) {
        const char *stall = SPAN(disk->policy.stall);
        char rungs[128];

        assert(disk && buf);

        list_rungs(disk, rungs, sizeof(rungs));
        if (disk_can_act(disk) && rungs[0])
                (void) snprintf(buf, size, "guarded: when it hangs for %s: %s; policy %s", stall,
                                rungs, disk->chosen.name);
        else
                (void) snprintf(buf, size, "watched: reported when it hangs for %s; policy %s; %s",
                                stall, disk->chosen.name,
                                plan_is_empty(&disk->watch.plan)
                                        ? powerless(disk)
                                        : refusal_to_text(REFUSAL_POLICY));
}
