/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Fault domains, and the executors: theirs and the disks' own. */

#include <systemd/sd-event.h>

#include "agent/act/executor.h"
#include "include/usec.h"

struct agent;
struct disk;

/* A fault domain: a SCSI host, and the one process that may reset what is behind it. */
struct domain {
        struct agent *agent;
        struct domain *next;
        char name[32];          /* "host0" */
        struct executor executor;
        sd_event_source *source;
        usec_t respawn_at;      /* when to fork a new executor; USEC_INFINITY: it lives */
        uint8_t slots[EXECUTOR_SLOTS / 8]; /* a bit for each that is taken */
};

/* Gives the disk a place in the domain of its SCSI host, which is made when it is the first. 0, or
 * a negative errno. */
int domain_join(struct disk *disk);

/* Takes the disk out again; with the last one the domain is freed. */
void domain_leave(struct disk *disk);

/* Forks the disk's own executor. 0, or a negative errno. */
int domain_own_executor(struct disk *disk);

/* Has an executor that all disks share see to it that the disk's I/O statistics are on. 0, or a
 * negative errno. */
int domain_prepare(struct disk *disk);

/* Whether an act may begin: the executor is there and idle. */
bool domain_is_free(const struct domain *domain);

/* Forks anew what has died. */
void domain_tick(struct agent *agent, usec_t now);

struct domain *domain_free(struct domain *domain);
