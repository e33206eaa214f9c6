/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to a disk: from its samples to the steps that executors carry out. */

#include "agent/disk.h"

/* Takes a sample and lets the ladder look at it. 0, or a negative errno when there is no sample to
 * be had. */
int incident_tick(struct disk *disk, usec_t now);

/* The executor of a step of this disk returned. */
void incident_returned(struct disk *disk, enum step step, int error, usec_t now);

/* Takes up what the state file tells. */
void incident_resume(struct disk *disk, const struct ladder_past *past, usec_t now);

/* The kernel has the disk no more, and the incident goes on without it; whether it can be taken up
 * again; and that it was. */
void incident_gone(struct disk *disk);
bool incident_awaits(const struct disk *disk);
void incident_back(struct disk *disk, usec_t now);

/* An act on another disk has ended this one's I/O. */
void incident_dragged(struct disk *disk, usec_t now);

/* What the next daemon is to know. */
struct memory disk_memory(const struct disk *disk);

/* Hands the step that is wanted to its executor, if that is free. */
void incident_pursue(struct disk *disk, usec_t now);

/* A person asks for a rung. 0: begun, CALL is answered when its outcome is known; -EBUSY or -EPERM
 * with the reason. FORCE: BIT(refusal) for each that is taken on. */
int incident_request(struct disk *disk, enum step step, uint32_t force, struct bus_call *call,
                     char reason[static BUS_REASON_MAX]);

/* Whether that would be refused: the same, and nothing is done. */
int incident_refuses(const struct disk *disk, enum step step, uint32_t force,
                     char reason[static BUS_REASON_MAX]);

/* Acts are suppressed until then; 0: no longer. */
void incident_suppress(struct disk *disk, usec_t until);

/* Says what happens to the disk. */
void incident_report(const struct disk *disk, enum event_kind kind, const char *text);
