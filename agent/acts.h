/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can be done to a disk, and what stands in the way. */

#include "agent/disk.h"

/* What stands on it, and with it within reach of what would fail it. */
enum footing disk_footing(const struct disk *disk);

/* Why the disk, for which there are acts, is only watched: a negative errno; 0 when it is not. */
int disk_attach_error(const struct disk *disk);

/* Whether anything is ever done to it without being asked for by hand. */
bool disk_can_act(const struct disk *disk);

/* Whether no act is under way in its fault domain, of this daemon or of an earlier one. */
bool disk_is_free(const struct disk *disk);

bool disk_same_target(const struct disk *a, const struct disk *b);

/* Who else looks after it: a set of OWNER_BIT(). */
unsigned disk_owners(const struct disk *disk);

/* Makes its plan anew, from its policy and what is known of it; not in an incident. */
void disk_plan(struct disk *disk);

/* Has executors forked for what can be done to it. 0, or a negative errno. */
int disk_set_up_acts(struct disk *disk);

void disk_circumstances(const struct disk *disk, usec_t now, struct circumstances *ret);

/* What was found takes the place of the disk that is gone; what stood on that is to be mounted from
 * it. 0, or a negative errno. */
int disk_replace(struct disk *disk, const struct disk_found *found);
