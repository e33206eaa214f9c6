/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else looks after a disk: by what stands on it, how it is reached, and which programs that are
 * known for it have it open. */

#include <stddef.h>

#include "agent/base/macro.h"
#include "agent/observe/stack.h"
#include "include/disk.h"
#include "include/owner.h"

/* More devices than such programs hold on one machine. */
#define CLAIMS_MAX 256

/* Block devices that are open in a program of which a disk has to be wary. */
struct claims {
        struct claim {
                enum disk_owner owner;
                char device[64]; /* kernel name */
        } claims[CLAIMS_MAX];
        size_t n;
        unsigned untold; /* OWNER_BIT()s: of these it cannot be told what they have open, so that
                          * any disk may be theirs */
};

/* Reads from PROCFS the names of all processes, and of those in question the links of their open
 * files. That waits for short locks only (fs/proc/base.c: proc_pid_readlink), but who reads such a
 * link holds what it leads to for that moment, and has to put it away if it is closed just then:
 * done while all is well. SYSFS tells which device a node is. */
void claims_read(const char *procfs, const char *sysfs, struct claims *ret);

/* All who look after the disk on which STACK stands: a set of OWNER_BIT()s, 0 for nobody. */
unsigned owners_of_disk(const struct disk_id *id, const struct disk_nodes *nodes,
                        const struct stack *stack, const struct claims *claims);
