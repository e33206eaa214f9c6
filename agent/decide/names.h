/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words of the nouns, from one table each: in logs, on the bus, in state files, on screens. */

#include "include/incident.h"
#include "include/owner.h"
#include "include/step.h"
#include "include/symptom.h"

/* "lun-reset", "offline", ...; STEP_NONE is "-". */
const char *step_to_string(enum step step);

/* The step of this name, or -EINVAL. */
int step_from_string(const char *name);

/* How a step returned: "ok" for 0, "again" for -EAGAIN, ...; "refused" for what has no word. */
const char *return_to_string(int error);

/* The errno, 0 or negative, of that word. 0, or -EINVAL when there is no such word. */
int return_from_string(const char *name, int *ret);

/* "recovered", "no-change", ...; OUTCOME_NONE is "-". */
const char *outcome_to_string(enum outcome outcome);

/* "stalled", "stuck-request", ...; SYMPTOM_NONE is "-". */
const char *symptom_to_string(enum symptom_kind kind);

/* "multipath", "md", "dm-raid", ...: one word. */
const char *owner_to_string(enum disk_owner owner);

/* Why the disk is left to that owner, to follow "not reset: ". */
const char *owner_reason(enum disk_owner owner);

/* The owner of this name, or -EINVAL. */
int owner_from_string(const char *name);

/* The fine state as it stands in state files: "acting", "draining", ... */
const char *incident_state_to_string(enum incident_state state);

/* The fine state of this name, or -EINVAL. */
int incident_state_from_string(const char *name);
