/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Time as the daemon counts it: microseconds of CLOCK_MONOTONIC, which stands still while the
 * guest is suspended or stopped by QMP, but jumps when the hypervisor's process was stopped. */

#include <stdint.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_PER_SEC ((usec_t) 1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX
