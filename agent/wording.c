/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/base/time-util.h"
#include "agent/decide/names.h"
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

/* Why nothing is done about it. */
static const char *powerless(const struct disk *disk) {
        if (disk->watch.symptom.kind == SYMPTOM_CONTROLLER_STUCK)
                return "that has not come to an end, and nothing can be done here until it does";
        if (disk->policy.act == 0 && disk->domain)
                return "its policy says Act=no";
        switch (disk->id.kind) {
        case DISK_SCSI:
                return disk->domain ? "it could not be opened for resets, and is watched only"
                                    : "only disks of virtio_scsi are reset by this version";
        case DISK_NVME:
                return "NVMe disks are watched only by this version";
        case DISK_QUEUE:
                return "its driver knows no reset, so nothing in the guest can end that";
        default:
                return "it stands on other disks, and nothing is done to it";
        }
}

static void say_suspect(const struct disk *disk, char *buf, size_t size) {
        bool act = disk_can_act(disk) && disk->watch.symptom.kind != SYMPTOM_CONTROLLER_STUCK;

        (void) snprintf(buf, size, "%s; %s after %s", SEEN(disk), act ? "LUN reset" : "reported",
                        SPAN(limit(disk)));
}

static void say_reported(const struct disk *disk, char *buf, size_t size) {
        (void) snprintf(buf, size, "%s: %s (limit %s); %s",
                        symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                        SPAN(limit(disk)), powerless(disk));
}

/* ---- what is said when a state is entered ---- */

static void say_acting(struct disk *disk) {
        if (disk->by_hand)
                wording_set(disk, "LUN reset, asked for by hand; %s", SEEN(disk));
        else
                wording_set(disk, "%s: %s (limit %s): LUN reset",
                            symptom_to_string(disk->watch.symptom.kind), SEEN(disk),
                            SPAN(limit(disk)));
}

static void say_uncured(struct disk *disk, enum incident_state before) {
        const char *why = disk->watch.ladder.outcome == OUTCOME_REFUSED
                                  ? "the device refused the LUN reset"
                                  : "the LUN reset brought nothing back, and the disk is not "
                                    "failed, for the system, swap or a volume stands on it";

        if (before == INCIDENT_VERIFYING)
                why = "other I/O completes, but reading a block from it fails";
        wording_set(disk, "stuck: %s; tried again after a while", why);
}

static void say_offlining(struct disk *disk, enum incident_state before) {
        const struct symptom *s = &disk->watch.symptom;

        if (before != INCIDENT_SETTLING)
                wording_set(disk, "the disk does not answer yet; offline again");
        else if (s->offline)
                wording_set(disk, "the disk was set offline meanwhile; reset, so that all its "
                                  "I/O ends");
        else if (s->left > s->quiet)
                wording_set(disk, "LUN reset: no change: a request from before it is still out "
                                  "after %s, while others complete; offline, so that in-flight "
                                  "I/O ends with EIO",
                            SPAN(s->left));
        else
                wording_set(disk, "LUN reset: no change: nothing completed for %s after it; "
                                  "offline, so that in-flight I/O ends with EIO",
                            SPAN(s->quiet));
}

static void say_recovered(struct disk *disk, enum incident_state before, usec_t now) {
        const struct ladder *l = &disk->watch.ladder;

        if (l->failed)
                wording_set(disk, "the disk answers again%s",
                            before == INCIDENT_MOUNTING ? ", its filesystems are mounted again"
                                                        : "");
        else
                wording_set(disk, "I/O completes again, %s after the LUN reset began",
                            SPAN(now - l->acted_at));
}

static void say_failed(struct disk *disk, enum incident_state before, usec_t now) {
        usec_t wait = disk->watch.ladder.deadline - now;

        if (before == INCIDENT_MOUNTING)
                wording_set(disk, "the disk answers, but not all its filesystems could be mounted "
                                  "(%s); tried again in %s",
                            strerror(-disk->mount_error), SPAN(wait));
        else
                wording_set(disk, "failed cleanly: its I/O ends with EIO%s; tried again in %s",
                            disk->mounts.n > 0 ? ", its filesystems are unmounted" : "",
                            SPAN(wait));
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
                               ? "I/O completes again by itself"
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
                wording_set(disk, "not reset now: the host is busy, or recovers by itself; "
                                  "observation begun anew");
                break;
        default:
                disk->detail[0] = '\0';
        }
}

static void say_settling(struct disk *disk, enum incident_state before, usec_t now) {
        wording_set(disk, "%s %s ago; waiting up to %s for I/O to complete",
                    before == INCIDENT_VERIFYING ? "no read came back; LUN reset" : "LUN reset",
                    SPAN(now - disk->watch.ladder.acted_at), SPAN(disk->policy.settle));
}

void wording_entered(struct disk *disk, enum incident_state before, usec_t now) {
        assert(disk);

        switch (disk->watch.ladder.state) {
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
                say_acting(disk);
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
        case INCIDENT_RECOVERED:
                say_recovered(disk, before, now);
                break;
        case INCIDENT_OFFLINING:
                say_offlining(disk, before);
                break;
        case INCIDENT_DRAINING:
                wording_set(disk, "offline%s; waiting for in-flight I/O to end",
                            disk->watch.ladder.act == STEP_OFFLINE ? " and reset" : "");
                break;
        case INCIDENT_UNDRAINED:
                wording_set(disk, "stuck: the device keeps %s, also after offline and reset; "
                                  "nothing in the guest can end that; tried again after a while",
                            REQUESTS(disk->watch.symptom.outstanding));
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
                            strerror(-disk->mount_error));
                break;
        case INCIDENT_FAILED:
                say_failed(disk, before, now);
                break;
        case INCIDENT_RETURNING:
                wording_set(disk, "asking the disk whether it answers again");
                break;
        case INCIDENT_MOUNTING:
                wording_set(disk, "the disk answers again; mounting");
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

const char *wording_now(const struct disk *disk, usec_t now, char *buf, size_t size) {
        const struct ladder *l = &disk->watch.ladder;

        assert(disk && buf);

        if (disk_attach_error(disk) < 0) {
                (void) snprintf(buf, size, "watched only: %s: %s", disk->nodes.reset_node,
                                strerror(-disk_attach_error(disk)));
                return buf;
        }
        if (disk->domain && !disk->domain->executor.ready) {
                (void) snprintf(buf, size,
                                "an executor of an earlier unhangd still hangs in a reset on %s; "
                                "nothing is done there until it returns",
                                disk->id.domain);
                return buf;
        }
        if (l->state == INCIDENT_FAILED) {
                (void) snprintf(buf, size, "its I/O ends with EIO; tried again in %s",
                                SPAN(l->deadline > now ? l->deadline - now : 0));
                return buf;
        }
        if (l->state == INCIDENT_SUSPECT && disk->watch.symptom.kind != SYMPTOM_NONE) {
                say_suspect(disk, buf, size);
                return buf;
        }
        if (l->state == INCIDENT_REPORTED && disk->watch.symptom.reached) {
                say_reported(disk, buf, size);
                return buf;
        }
        return disk->detail;
}

void wording_guarded(const struct disk *disk, char *buf, size_t size) {
        const char *stall = SPAN(disk->policy.stall);

        assert(disk && buf);

        if (disk_can_act(disk))
                (void) snprintf(buf, size,
                                "guarded: LUN reset through %s when it hangs for %s; policy %s",
                                disk->nodes.reset_node, stall, disk->chosen.name);
        else
                (void) snprintf(buf, size, "watched: reported when it hangs for %s; policy %s; %s",
                                stall, disk->chosen.name, powerless(disk));
}
