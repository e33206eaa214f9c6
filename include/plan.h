/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rungs that there are for one disk, from the narrowest on: what its driver can do, as far as
 * the policy lets it. Made while the disk is healthy. */

#include <stdbool.h>

#include "include/policy.h"
#include "include/step.h"
#include "include/usec.h"

#define PLAN_CURES_MAX 4

/* What a rung reaches, and so what it may harm. */
enum reach {
        REACH_DISK,
        REACH_TARGET, /* all LUNs of a SCSI target */
        REACH_DOMAIN, /* all disks of the SCSI host, or namespaces of the NVMe controller */
        _REACH_MAX,
};

struct plan {
        enum step cures[PLAN_CURES_MAX]; /* what is in flight is sent again */
        unsigned n_cures;
        enum step fail;   /* all its I/O ends with EIO; STEP_NONE: it cannot be failed */
        enum step finish; /* to follow that, before its filesystems are ended; or STEP_NONE */
        enum step end;    /* to follow a cure that does not return; STEP_NONE: nothing can */
        enum step undo;   /* to follow a fail that does not return; or STEP_NONE */
        enum step back;   /* brings the failed disk back; STEP_NONE: it has to appear anew */
        usec_t answer;    /* how long a reset may take to return */
        usec_t fail_answer; /* and the step that fails the disk */
        usec_t umount_time; /* how long its filesystems may take to be unmounted, all of them */
        usec_t mount_time;  /* and mounted */
        bool contain;     /* what can never be ended is at least kept from new I/O */
        enum policy_on_recovered on_recovered;
        enum policy_on_failed on_failed;
        usec_t fence_wait; /* stuck for so long, the machine is given up; USEC_INFINITY: never */
};
