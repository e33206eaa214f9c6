/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sysfs says of an NVMe controller on PCI. Reads no queue attribute and sends no command. */

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/nvme-facts.h"

/* Fills *ret for the controller of a disk, but for io_timeout: a queue attribute, which the disk's
 * own executor has to tell. SYSFS is where sysfs is mounted. 0; -EOPNOTSUPP when the controller is
 * not on PCI; or a negative errno. */
int nvme_facts_read(const char *sysfs, const struct disk_nodes *nodes,
                    struct nvme_facts *ret) _must_check_;
