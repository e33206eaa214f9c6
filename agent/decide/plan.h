/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which rungs there are for a disk: what its driver can do, as far as its policy and, for NVMe, the
 * state of its controller let it. Pure. */

#include "include/disk.h"
#include "include/nvme-facts.h"
#include "include/plan.h"
#include "include/policy.h"

/* Makes the plan for the disk. FACTS are of its NVMe controller, and may be NULL for other disks.
 * A disk whose driver is not known gets an empty plan: nothing is ever done to it. */
void plan_make(const struct disk_id *disk, const struct policy *policy,
               const struct nvme_facts *facts, struct plan *ret);

/* The rungs that this driver can take on a disk: BIT(enum policy_rung); 0 if it is not known. */
uint32_t plan_rungs(const char *driver);

/* Whether there is anything that could be done. */
bool plan_is_empty(const struct plan *plan);

/* The cure with this number or the next after it that LEAVE has a bit for; STEP_NONE if none is
 * left. */
enum step plan_cure(const struct plan *plan, unsigned from, uint32_t leave);

/* The number of a cure in the plan; n_cures for what is none of them. */
unsigned plan_index(const struct plan *plan, enum step cure);

/* How long the step may take before it is overdue; 0: it is no act of this plan. */
usec_t plan_deadline(const struct plan *plan, enum step step);
