/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "include/usec.h"

/* How long each step may take. A probe is answered at once or hangs; a sync waits for what others
 * have written before; a controller is removed in less than a second. */
#define PROBE_DEADLINE (10 * USEC_PER_SEC)
#define CHECK_DEADLINE (30 * USEC_PER_SEC)
#define END_DEADLINE (10 * USEC_PER_SEC)
#define FINISH_DEADLINE (10 * USEC_PER_SEC)
#define RESTORE_DEADLINE (5 * USEC_PER_SEC)
#define DRAIN_DEADLINE (10 * USEC_PER_SEC)
#define SHUTDOWN_DEADLINE (10 * USEC_PER_SEC)
#define BUSY_RETRY (5 * USEC_PER_SEC)
#define APPEAR_DEADLINE (30 * USEC_PER_SEC)

/* Each try to bring a disk back costs a hang of up to a reset's deadline if it is still dead. */
#define BACKOFF_FIRST (10 * USEC_PER_SEC)
#define BACKOFF_LAST (5 * USEC_PER_MINUTE)
