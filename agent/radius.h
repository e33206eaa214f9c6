/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The blast radius: what one reset can freeze, told to people. */

#include "agent/disk.h"

/* Answers Stack() for DISK, with DOMAIN for all disks of its fault domain. */
void radius_describe(const struct disk *disk, bool domain, struct bus_status *status);

/* All disks of the fault domain of DISK, itself among them, and what stands on them. A disk in none
 * is its own. */
struct radius radius_of(const struct disk *disk);
