/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values that are allowed, and do not go well with the disk that they are for. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "include/disk.h"
#include "include/policy.h"

#define CONF_NOTES_MAX 4
#define CONF_NOTE_MAX 320

struct conf_notes {
        char texts[CONF_NOTES_MAX][CONF_NOTE_MAX]; /* a sentence each */
        size_t n;
};

/* TIMEOUT: of a request, 0 if it is not known; REARMS: when it has run out the driver starts it
 * again, and the kernel recovers nothing by itself. */
void conf_check_disk(const struct policy *policy, const struct disk_id *id, usec_t timeout,
                     bool rearms, struct conf_notes *ret);
