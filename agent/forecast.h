/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a rung would do to a disk, and what would come after it, a sentence for each step. */

#include "agent/disk.h"

/* Adds the sentences for STEP, a rung of the disk's plan, to the answer. */
void forecast(const struct disk *disk, enum step step, struct bus_status *status);
