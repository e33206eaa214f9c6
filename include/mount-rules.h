/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* What becomes of who holds a filesystem that is to be unmounted: each does also what those before
 * it do. */
enum policy_holders {
        HOLDERS_WAIT,       /* nothing */
        HOLDERS_STOP_UNITS, /* their services are stopped, and started again */
        HOLDERS_KILL,       /* and the processes that are left are killed */
};

/* Which filesystems are checked before they are mounted again. */
enum policy_fsck {
        FSCK_NO,
        FSCK_WHEN_NEEDED, /* those that only fsck makes whole */
        FSCK_ALWAYS,
};

/* What the policy says of unmounting and mounting. */
struct mount_rules {
        enum policy_holders holders;
        enum policy_fsck fsck;
        bool lazy; /* what is in use is detached at once */
};
