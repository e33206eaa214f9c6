/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/acts.h"
#include "agent/agent.h"
#include "agent/base/time-util.h"
#include "agent/by-hand.h"
#include "agent/decide/drivers.h"
#include "agent/decide/names.h"
#include "agent/decide/plan.h"
#include "agent/forecast.h"
#include "agent/incident.h"
#include "agent/wording.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)

#define LIST_MAX 256
#define NAME_MAX_SHOWN 64 /* of what a person wrote, and may be anything */

static void refuse(char reason[static BUS_REASON_MAX], const char *format, ...) _printf_(2, 3);
static void refuse(char reason[static BUS_REASON_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(reason, BUS_REASON_MAX, format, ap);
        va_end(ap);
}

/* ---- the rungs ---- */

/* Those that can be asked for now, from the narrowest on: STEP_NONE after the last. */
static enum step rung_at(const struct disk *disk, unsigned i) {
        const struct plan *plan = &disk->watch.plan;

        if (disk->watch.ladder.past.state == INCIDENT_FAILED)
                return i == 0 ? plan->back : STEP_NONE;
        if (i < plan->n_cures)
                return plan->cures[i];
        return i == plan->n_cures ? plan->fail : STEP_NONE;
}

static const char *list_rungs(const struct disk *disk, char buf[static LIST_MAX]) {
        enum step step;
        size_t n = 0;

        buf[0] = '\0';
        for (unsigned i = 0; (step = rung_at(disk, i)) != STEP_NONE; i++)
                n += (size_t) snprintf(buf + n, LIST_MAX - n, "%s%s", i > 0 ? ", " : "",
                                       step_to_string(step));
        return buf;
}

static bool has_rung(const struct disk *disk, enum step step) {
        enum step rung;

        for (unsigned i = 0; (rung = rung_at(disk, i)) != STEP_NONE; i++)
                if (rung == step)
                        return true;
        return false;
}

/* The one that the ladder would come to; STEP_NONE where there is none. */
static enum step next_rung(const struct disk *disk) {
        const struct ladder *ladder = &disk->watch.ladder;
        const struct plan *plan = &disk->watch.plan;
        enum step next = STEP_NONE;

        if (ladder->past.state == INCIDENT_FAILED)
                return plan->back;
        if (ladder->past.state == INCIDENT_UNCURED) {
                next = plan_cure(plan, plan_index(plan, ladder->past.act) + 1, UINT32_MAX);
                if (next == STEP_NONE && disk_footing(disk) != FOOTING_SYSTEM)
                        next = plan->fail;
        }
        return next != STEP_NONE ? next : rung_at(disk, 0);
}

static int read_rung(const struct disk *disk, const char *name, enum step *ret,
                     char reason[static BUS_REASON_MAX]) {
        int step = *name ? step_from_string(name) : (int) next_rung(disk);
        char list[LIST_MAX];

        if (rung_at(disk, 0) == STEP_NONE) {
                refuse(reason, "there is no rung for it; see unhang show");
                return -EPERM;
        }
        if (step <= STEP_NONE || !has_rung(disk, (enum step) step)) {
                refuse(reason, "there is no rung \"%.*s\" for it now; there is: %s",
                       NAME_MAX_SHOWN, name, list_rungs(disk, list));
                return -EINVAL;
        }
        *ret = (enum step) step;
        return 0;
}

/* ---- the guards ---- */

static const char *list_guards(char buf[static LIST_MAX]) {
        size_t n = 0;

        for (enum refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++)
                if (refusal_from_string(refusal_to_string(r)) >= 0)
                        n += (size_t) snprintf(buf + n, LIST_MAX - n, "%s%s", n > 0 ? ", " : "",
                                               refusal_to_string(r));
        return buf;
}

/* Names separated by blanks. */
static int read_force(const char *text, uint32_t *ret, char reason[static BUS_REASON_MAX]) {
        uint32_t force = 0;

        for (size_t n; *(text += strspn(text, " ")); text += n) {
                char name[NAME_MAX_SHOWN], list[LIST_MAX];
                int refusal;

                n = strcspn(text, " ");
                (void) snprintf(name, sizeof(name), "%.*s", (int) MIN(n, sizeof(name)), text);
                refusal = refusal_from_string(name);
                if (refusal < 0) {
                        refuse(reason, "there is no guard \"%s\" that could be forced; there are: "
                                       "%s",
                               name, list_guards(list));
                        return -EINVAL;
                }
                force |= BIT(refusal);
        }
        *ret = force;
        return 0;
}

/* ---- what is asked for ---- */

int by_hand_reset(struct disk *disk, const char *rung, const char *force, struct bus_call *call,
                  char reason[static BUS_REASON_MAX]) {
        uint32_t forced = 0;
        enum step step;
        int r;

        assert(disk && rung && force && call && reason);

        if ((r = read_rung(disk, rung, &step, reason)) < 0 ||
            (r = read_force(force, &forced, reason)) < 0)
                return r;
        return incident_request(disk, step, forced, call, reason);
}

int by_hand_plan(const struct disk *disk, const char *rung, const char *force,
                 struct bus_status *status, char reason[static BUS_REASON_MAX]) {
        uint32_t forced = 0;
        enum step step;
        int r;

        assert(disk && rung && force && status && reason);

        if ((r = read_rung(disk, rung, &step, reason)) < 0 ||
            (r = read_force(force, &forced, reason)) < 0)
                return r;
        reason[0] = '\0';
        (void) incident_refuses(disk, step, forced, reason);
        bus_plan_begin(status, step_to_string(step), reason);
        forecast(disk, step, status);
        return 0;
}

int by_hand_suppress(struct disk *disk, usec_t span, usec_t now,
                     char reason[static BUS_REASON_MAX]) {
        assert(disk && reason);

        if (rung_at(disk, 0) == STEP_NONE && !disk->watch.plan.contain) {
                refuse(reason, "nothing is ever done to it; see unhang show");
                return -EPERM;
        }
        incident_suppress(disk, span > 0 ? now + span : 0);
        return 0;
}

/* ---- what can be done ---- */

static void tell(struct bus_status *status, const char *name, const char *format, ...)
        _printf_(3, 4);
static void tell(struct bus_status *status, const char *name, const char *format, ...) {
        char text[BUS_REASON_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        bus_fact_add(status, &(struct fact_report) { .name = name, .text = text });
}

static void tell_controller(const struct nvme_facts *facts, struct bus_status *status) {
        tell(status, "controller",
             "%s, I/O timeout %s, admin timeout %s, BAR 0 %s, %s bridge of its own, %s to make the "
             "kernel ask it%s",
             facts->multipath ? "multipath" : "no multipath", SPAN(facts->io_timeout),
             SPAN(facts->admin_timeout), facts->movable_bar ? "can be moved" : "cannot be moved",
             facts->own_bridge ? "a" : "no", facts->identify ? "a file" : "no file",
             facts->lockdown ? ", kernel locked down" : "");
}

static void tell_guards(const struct disk *disk, enum step next, struct bus_status *status) {
        const struct watch *watch = &disk->watch;
        const struct policy *policy = &disk->policy;
        enum refusal refusal = guard_check(policy, &watch->circumstances, next, 0);

        tell(status, "acts", "%u of %llu within %s", watch->circumstances.acts,
             (unsigned long long) policy->max_acts, SPAN(policy->acts_window));
        tell(status, "in the way", "%s", wording_refusal(disk, refusal));
}

void by_hand_describe(const struct disk *disk, usec_t now, struct bus_status *status) {
        const struct driver *driver = driver_find(disk->id.driver);
        enum step next = next_rung(disk);
        char list[LIST_MAX];

        assert(disk && status);

        tell(status, "rungs", "%s", next == STEP_NONE ? "none" : list_rungs(disk, list));
        if (driver) {
                tell(status, "in a reset", "%s", driver->in_flight);
                tell(status, "source", "%s", driver->source);
        }
        if (disk->facts_known)
                tell_controller(&disk->facts, status);
        if (next != STEP_NONE)
                tell_guards(disk, next, status);
        if (now < disk->suppressed_until)
                tell(status, "suppressed", "by hand, for another %s",
                     SPAN(disk->suppressed_until - now));
}
