/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "include/usec.h"

/* What may be done to a disk, and when. */
struct policy {
        usec_t warn;             /* WarnSec=: nothing completed for so long: say so */
        usec_t stall;            /* StallSec=: nothing completed for so long: act */
        uint64_t inflight_limit; /* InflightLimit=: more requests outstanding than this ... */
        usec_t inflight;         /* InflightLimitSec=: ... for so long: act */
        usec_t settle;           /* SettleSec=: after an act, how long the disk has to complete
                                  * something */
        uint64_t iostats;        /* IoStats=: 1: switch a disk's I/O statistics on */
        usec_t scsi_timeout;     /* ScsiTimeoutSec=: 0: as long as StallSec= needs */
        uint64_t scsi_max_retries; /* ScsiMaxRetries=: 0: as it is; 1 to 6: 0 to 5; 7: no limit */
        usec_t nvme_io_timeout;  /* NvmeIoTimeoutSec=: 0: as it is */
        usec_t nvme_admin_timeout; /* NvmeAdminTimeoutSec=: 0: as it is */
        uint64_t xfs_max_retries; /* XfsMaxRetries=: UINT64_MAX: as it is */
        uint64_t on_recovered;   /* OnRecovered=: enum policy_on_recovered */
        uint64_t on_failed;      /* OnFailed=: enum policy_on_failed */
        usec_t umount;           /* UmountSec=: how long its filesystems may take to be unmounted */
        usec_t mount;            /* MountSec=: and mounted */
        uint64_t holders;        /* Holders=: enum policy_holders */
        uint64_t fsck;           /* Fsck=: enum policy_fsck */
        uint64_t act;            /* Act=: 0: nothing is done to it, whatever is seen */
        uint64_t rungs;          /* Rungs=: a list of enum policy_rung, those that may be used */
        uint64_t blast_radius;   /* BlastRadius=: enum reach, as far as healthy disks go with it */
        uint64_t if_siblings;    /* IfSiblingsHealthy=: enum policy_siblings */
        uint64_t act_if_owned;   /* IfOwned=: 1: also if somebody else manages the disk */
        uint64_t max_acts;       /* MaxActs=: this many rungs ... */
        usec_t acts_window;      /* MaxActsWindowSec=: ... in that time */
        usec_t boot_grace;       /* BootGraceSec=: no act so soon after the boot */
        uint64_t dry_run;        /* DryRun=: 1: all but the acts */
        uint64_t contain;        /* Contain=: 1: where I/O cannot be ended, keep new I/O off */
        uint64_t fence;          /* Fence=: enum policy_fence: what to do when nothing helps ... */
        usec_t fence_wait;       /* FenceSec=: ... for so long ... */
        usec_t fence_jitter;     /* FenceJitterSec=: ... and up to so much longer, at random */
};

enum policy_rung {
        RUNG_LUN_RESET,
        RUNG_TARGET_RESET,
        RUNG_BUS_RESET,
        RUNG_HOST_RESET,
        RUNG_OFFLINE,
        RUNG_CONTROLLER_RESET,
        RUNG_CONTROLLER_FAIL,
        _RUNG_MAX,
};

/* With healthy disks in the domain, which stand still for as long as a reset is not answered. */
enum policy_siblings {
        SIBLINGS_RESET,      /* as without them */
        SIBLINGS_FAIL_FIRST, /* one act that ends it, no cures before it */
        SIBLINGS_REPORT,     /* nothing */
};

/* What to do with its filesystems when a disk recovered ... */
enum policy_on_recovered {
        ON_RECOVERED_NOTHING,
        ON_RECOVERED_CHECK,   /* say which did not survive */
        ON_RECOVERED_REMOUNT, /* and unmount and mount those */
};

/* ... and when it was failed: each does also what those before it do, but what is to be mounted
 * again is not unmounted lazily. */
enum policy_on_failed {
        ON_FAILED_NOTHING,
        ON_FAILED_SHUTDOWN,
        ON_FAILED_UNMOUNT,
        ON_FAILED_LAZY_UNMOUNT, /* at once, also what is in use */
        ON_FAILED_REMOUNT, /* when the disk is back */
};

enum policy_fence {
        FENCE_NONE,
        FENCE_PANIC,
        FENCE_REBOOT,
};

/* An ordered list of words out of a fixed set is packed into 64 bits: for each its index + 1, the
 * first in the lowest bits. */
#define POLICY_LIST_BITS 4

/* The index of word number I of LIST, from 0; -1 after the last one. */
static inline int policy_list_at(uint64_t list, unsigned i) {
        if (i >= 64 / POLICY_LIST_BITS)
                return -1;
        return (int) (list >> i * POLICY_LIST_BITS & ((1U << POLICY_LIST_BITS) - 1)) - 1;
}
