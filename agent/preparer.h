/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is set on disks while they are healthy, by an executor that all of them share. */

#include "agent/disk.h"

/* Has set on the disk what its policy wants set; with LEAVE all of it is put back instead. 0, or a
 * negative errno. */
int prepare_disk(struct disk *disk, bool leave);
