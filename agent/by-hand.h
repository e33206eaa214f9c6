/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person has done to a disk (include/bus-acts.h). Each returns 0, or -EINVAL, -EPERM or
 * -EBUSY with the REASON of the refusal in a sentence. */

#include "agent/disk.h"

/* As bus_ops.reset() and bus_ops.plan(). */
int by_hand_reset(struct disk *disk, const char *rung, const char *force, struct bus_call *call,
                  char reason[static BUS_REASON_MAX]);
int by_hand_plan(const struct disk *disk, const char *rung, const char *force,
                 struct bus_status *status, char reason[static BUS_REASON_MAX]);

/* As bus_ops.suppress(). */
int by_hand_suppress(struct disk *disk, usec_t span, usec_t now,
                     char reason[static BUS_REASON_MAX]);

/* What the facts of bus_ops.show() tell. */
void by_hand_describe(const struct disk *disk, usec_t now, struct bus_status *status);
