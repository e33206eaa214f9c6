/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each driver can do about a hung disk: one table, each cell with its source. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "include/plan.h"
#include "include/usec.h"

struct driver {
        const char *name;
        uint32_t steps;      /* a bit for each rung that reaches the device: BIT(step) */
        usec_t answer;       /* how long the slowest of them may take to return */
        bool ends_requests;  /* its requests time out by themselves: the kernel recovers first */
        const char *in_flight; /* what becomes of requests in flight after a reset */
        const char *source;  /* where that is told */
};

/* The row of the driver of this name (struct disk_id), or NULL: nothing is known of it, and nothing
 * is ever done to its disks. */
const struct driver *driver_find(const char *name);

/* The rows one after the other, for i from 0 on; NULL after the last. */
const struct driver *driver_at(unsigned i);

/* What a rung reaches. */
enum reach step_reach(enum step step);

/* Whether it is a rung that sends the requests again, so that nothing is lost. */
bool step_is_cure(enum step step);

/* Whether it is a rung that ends them with an error. */
bool step_is_fail(enum step step);
