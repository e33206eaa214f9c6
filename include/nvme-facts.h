/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What decides which acts on an NVMe controller come to an end, and which would never return. Read
 * while it is healthy; a fact that could not be read has its careful value: false, or for a time
 * USEC_INFINITY. */

#include <stdbool.h>

#include "include/usec.h"

struct nvme_facts {
        bool multipath;      /* the disk is one path of a head: an aborted request is sent again */
        bool lockdown;       /* PCI configuration space cannot be written */
        bool movable_bar;    /* BAR 0 has 64 bits and is in memory space */
        bool own_bridge;     /* a PCI bridge with nothing below it but this function */
        bool identify;       /* a file that makes the kernel itself ask the controller */
        usec_t io_timeout;   /* after which the kernel gives a request up; USEC_INFINITY: a day or
                              * more, or not known */
        usec_t admin_timeout; /* the same for a command to the controller itself */
};
