/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words of the nouns, from one table each: in logs, on the bus, in state files, on screens. */

#include "include/incident.h"
#include "include/step.h"

/* "lun-reset", "offline", ...; STEP_NONE is "-". */
const char *step_to_string(enum step step);

/* The step of this name, or -EINVAL. */
int step_from_string(const char *name);

/* "recovered", "no-change", ...; OUTCOME_NONE is "-". */
const char *outcome_to_string(enum outcome outcome);

/* The fine state as it stands in state files: "acting", "draining", ... */
const char *incident_state_to_string(enum incident_state state);

/* The fine state of this name, or -EINVAL. */
int incident_state_from_string(const char *name);
