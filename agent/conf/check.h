/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values that are allowed, and do not go well with the disk that they are for. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/disk.h"
#include "include/policy.h"

#define CONF_NOTES_MAX 4
#define CONF_NOTE_MAX 320

struct conf_notes {
        char texts[CONF_NOTES_MAX][CONF_NOTE_MAX]; /* a sentence each */
        size_t n;
};

/* What a policy meets. */
struct conf_circumstances {
        usec_t timeout;  /* of a request; 0: it is not known */
        bool rearms;     /* when it has run out the driver starts it again, and the kernel recovers
                          * nothing by itself */
        uint32_t rungs;  /* what the driver can do: BIT(enum policy_rung) */
        bool panic_ends; /* a crash kernel is loaded, or the kernel boots after a panic */
};

void conf_check_disk(const struct policy *policy, const struct disk_id *id,
                     const struct conf_circumstances *here, struct conf_notes *ret);
