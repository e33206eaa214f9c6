/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agent/decide/drivers.h"
#include "agent/decide/guard.h"

static const struct {
        const char *name; /* NULL: cannot be forced */
        const char *text;
} refusals[_REFUSAL_MAX] = {
        [REFUSAL_NONE] = { NULL, "nothing stands in the way" },
        [REFUSAL_HELD] = { NULL, "another act is under way in the same fault domain" },
        [REFUSAL_RECOVERING] = { NULL, "the kernel is recovering it itself" },
        [REFUSAL_SYMPTOM] = { "symptom", "it is not hung: it completes its I/O, or has none" },
        [REFUSAL_POLICY] = { "policy", "Act=no: it is only to be watched" },
        [REFUSAL_SUPPRESSED] = { "suppressed", "acts were suppressed by hand" },
        [REFUSAL_GRACE] = { "boot-grace", "the machine has booted less than BootGraceSec= ago" },
        [REFUSAL_OWNER] = { "owner", "somebody else manages the disk (IfOwned=)" },
        [REFUSAL_RADIUS] = { "radius", "it would reach healthy disks beyond BlastRadius=" },
        [REFUSAL_SIBLINGS] = { "siblings", "healthy disks share its fault domain "
                                           "(IfSiblingsHealthy=)" },
        [REFUSAL_BUDGET] = { "budget", "MaxActs= acts within MaxActsWindowSec= are spent" },
        [REFUSAL_DRY_RUN] = { NULL, "dry run: nothing is done" },
};

static bool is_over_radius(const struct policy *policy, const struct circumstances *c,
                           enum step step) {
        enum reach reach = step_reach(step);

        return reach > policy->blast_radius && c->healthy[reach] > 0;
}

/* A reset freezes its whole domain until it is answered, whatever it reaches. */
static bool is_against_siblings(const struct policy *policy, const struct circumstances *c,
                                enum step step) {
        if (c->healthy[REACH_DOMAIN] == 0)
                return false;
        return policy->if_siblings == SIBLINGS_REPORT ||
               (policy->if_siblings == SIBLINGS_FAIL_FIRST && step_is_cure(step));
}

static bool applies(enum refusal refusal, const struct policy *policy,
                    const struct circumstances *c, enum step step) {
        switch (refusal) {
        case REFUSAL_HELD:
                return c->held;
        case REFUSAL_RECOVERING:
                return c->recovering;
        case REFUSAL_SYMPTOM:
                return !c->hung;
        case REFUSAL_POLICY:
                return !policy->act;
        case REFUSAL_SUPPRESSED:
                return c->suppressed;
        case REFUSAL_GRACE:
                return c->up < policy->boot_grace;
        case REFUSAL_OWNER:
                return c->owners != 0 && !policy->act_if_owned;
        case REFUSAL_RADIUS:
                return is_over_radius(policy, c, step);
        case REFUSAL_SIBLINGS:
                return is_against_siblings(policy, c, step);
        case REFUSAL_BUDGET:
                return c->acts >= policy->max_acts;
        case REFUSAL_DRY_RUN:
                return c->dry_run || policy->dry_run;
        default:
                return false;
        }
}

/* What a step that is no reset can do wrong is less. */
static bool concerns(enum refusal refusal, enum step step) {
        bool rung = step_is_cure(step) || step_is_fail(step);

        /* A reset that never returns is a reason for these. */
        if ((step == STEP_FENCE || step == STEP_CONTROLLER_END) &&
            (refusal == REFUSAL_HELD || refusal == REFUSAL_SYMPTOM))
                return false;
        if (step == STEP_CONTROLLER_END && refusal == REFUSAL_RECOVERING)
                return false;
        return rung || (refusal != REFUSAL_RADIUS && refusal != REFUSAL_SIBLINGS &&
                        refusal != REFUSAL_BUDGET);
}

static bool can_be_forced(enum refusal refusal) {
        return refusals[refusal].name != NULL;
}

enum refusal guard_check(const struct policy *policy, const struct circumstances *c, enum step step,
                         uint32_t force) {
        assert(policy && c && step != STEP_NONE);

        for (enum refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++)
                if (concerns(r, step) && applies(r, policy, c, step) &&
                    !(can_be_forced(r) && (force & BIT(r))))
                        return r;
        return REFUSAL_NONE;
}

static uint32_t bit_if(const struct policy *policy, const struct circumstances *c,
                       enum step step) {
        if (step == STEP_NONE || guard_check(policy, c, step, 0) != REFUSAL_NONE)
                return 0;
        return BIT(step);
}

uint32_t guard_leave(const struct policy *policy, const struct plan *plan,
                     const struct circumstances *c) {
        uint32_t leave;

        assert(policy && plan && c);

        leave = bit_if(policy, c, plan->fail) | bit_if(policy, c, STEP_FS_SHUTDOWN) |
                bit_if(policy, c, STEP_FENCE) | bit_if(policy, c, plan->end);
        for (unsigned i = 0; i < plan->n_cures; i++)
                leave |= bit_if(policy, c, plan->cures[i]);
        return leave;
}

const char *refusal_to_string(enum refusal refusal) {
        assert(refusal < _REFUSAL_MAX);

        return refusals[refusal].name ? refusals[refusal].name : "-";
}

const char *refusal_to_text(enum refusal refusal) {
        assert(refusal < _REFUSAL_MAX);

        return refusals[refusal].text;
}

int refusal_from_string(const char *name) {
        assert(name);

        for (int r = 0; r < _REFUSAL_MAX; r++)
                if (refusals[r].name && strcmp(refusals[r].name, name) == 0)
                        return r;
        return -EINVAL;
}
