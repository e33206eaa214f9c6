/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writes what was seen of disks as the text of a story (agent/story.h), a line at a time. Times are
 * told from START on. Every line ends with its newline and is complete in itself: numbers are told
 * as they are, not what was added to them, so that a lost line is made up for by the next. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/decide/guard.h"
#include "agent/decide/ladder.h"
#include "include/disk.h"
#include "include/nvme-facts.h"
#include "include/policy.h"
#include "include/sample.h"

#define RECORDING_LINE_MAX 400

/* How often the end is told while nothing else is: what hangs changes nothing. */
#define RECORDING_END_INTERVAL (5 * USEC_PER_SEC)

/* What a recording begins with; in BUF of RECORDING_LINE_MAX, as all below. FACTS: of an NVMe
 * controller, or NULL. */
void recording_policy(char *buf, const char *name, const struct policy *policy);
void recording_device(char *buf, const struct disk_id *id, const struct nvme_facts *facts,
                      enum footing footing, bool acts);

/* What stands in the way of acts, where that has changed since BEFORE. False when it has not. */
bool recording_here(char *buf, usec_t start, usec_t at, const char *name,
                    const struct circumstances *before, const struct circumstances *here);

/* What changed between the samples; all of it when BEFORE is NULL. False when there is nothing to
 * be told. */
bool recording_sample(char *buf, usec_t start, const char *name, const struct sample *before,
                      const struct sample *sample);

/* An act on another disk of its fault domain is under way, or over. */
void recording_host(char *buf, usec_t start, usec_t at, const char *name, bool busy);

/* The agent did not run between these times. */
void recording_paused(char *buf, usec_t start, usec_t from, usec_t until);

/* Nothing else has been seen until then. */
void recording_end(char *buf, usec_t start, usec_t at);

/* A step of a disk returned. */
void recording_returned(char *buf, usec_t start, usec_t at, const char *name, enum step step,
                        int error);
