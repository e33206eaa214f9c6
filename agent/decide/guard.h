/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands in the way of a rung, looked at anew before each of them. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "include/owner.h"
#include "include/plan.h"
#include "include/policy.h"
#include "include/symptom.h"
#include "include/usec.h"

/* In the order in which they are looked at: the first that applies is told. */
enum refusal {
        REFUSAL_NONE,
        REFUSAL_HELD,       /* another act is under way in the fault domain */
        REFUSAL_RECOVERING, /* the kernel is recovering host or controller itself */
        REFUSAL_SYMPTOM,    /* the disk is not hung */
        REFUSAL_POLICY,     /* Act=no: only a person may act on it */
        REFUSAL_SUPPRESSED, /* somebody has told the agent to keep off */
        REFUSAL_GRACE,      /* the machine has just booted */
        REFUSAL_OWNER,      /* somebody else manages the disk */
        REFUSAL_RADIUS,     /* the rung reaches disks that the policy does not let it reach */
        REFUSAL_SIBLINGS,   /* disks in use in the domain would stand still with it */
        REFUSAL_BUDGET,     /* as many acts as the policy allows for that time */
        REFUSAL_DRY_RUN,    /* all would be done, but nothing is to be */
        _REFUSAL_MAX,
};

/* How things are with a disk. */
struct circumstances {
        bool held;
        bool recovering;
        bool hung;          /* a symptom has reached its limit, or an act had no effect */
        bool suppressed;
        bool dry_run;       /* of the whole daemon */
        usec_t up;          /* since the machine booted */
        unsigned owners;    /* who else manages the disk: a set of OWNER_BIT() */
        unsigned healthy[_REACH_MAX]; /* other disks that a rung of this reach touches, and that
                                       * are not hung themselves */
        unsigned acts;      /* rungs begun within MaxActsWindowSec= */
};

/* The first refusal that stands in the way of STEP. FORCE: BIT(refusal) for each that the person
 * who asks for it takes on; REFUSAL_HELD, _RECOVERING and _DRY_RUN cannot be. */
enum refusal guard_check(const struct policy *policy, const struct circumstances *c, enum step step,
                         uint32_t force);

/* BIT(step) for each step that may be begun now. */
uint32_t guard_leave(const struct policy *policy, const struct plan *plan,
                     const struct circumstances *c);

/* Its name for --force=, and in a sentence why the rung was refused. */
const char *refusal_to_string(enum refusal refusal);
const char *refusal_to_text(enum refusal refusal);

/* The refusal of this name, or -EINVAL; also for what cannot be forced. */
int refusal_from_string(const char *name);
