/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Disks that an earlier daemon has failed, and that have left the bus since, such as those of an
 * NVMe controller that was given up: no event of udev tells of them, only their state files do. */

struct agent;

/* Takes up those whose filesystems are still to be unmounted, or to be mounted again when they are
 * back. To be called before udev is asked, for they may be back by another name. The files of
 * others that are gone are removed. */
void recall_disks(struct agent *agent);
