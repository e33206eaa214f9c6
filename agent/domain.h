/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Fault domains, and the executors: theirs and the disks' own. */

#include <systemd/sd-event.h>

#include "agent/act/executor.h"
#include "include/usec.h"

struct agent;
struct disk;

/* One of a domain's executors. */
struct post {
        struct domain *domain;
        struct executor executor;
        sd_event_source *source;
        usec_t respawn_at;      /* when to fork a new one; USEC_INFINITY: not at all */
        usec_t begun_at;        /* the step that it has under way */
        bool late;              /* which has been said to take long */
};

/* PLACE_DOMAIN and PLACE_RESCUE */
#define DOMAIN_POSTS 2

/* A fault domain: a SCSI host or an NVMe controller, and the processes that may reset what is
 * behind it: one at a time, but for the second one of a controller, which serves when the first
 * hangs. */
struct domain {
        struct agent *agent;
        struct domain *next;
        char name[32];          /* "host0", "nvme0" */
        unsigned n_posts;
        struct post posts[DOMAIN_POSTS];
        uint8_t slots[EXECUTOR_SLOTS / 8]; /* a bit for each that is taken */
};

/* Gives the disk a place in its domain, which is made when it is the first. 0, or a negative
 * errno. */
int domain_join(struct disk *disk);

/* Takes the disk out again; with the last one the domain is freed. */
void domain_leave(struct disk *disk);

/* Tells the executors what is known of the disk's NVMe controller. */
void domain_inform(struct disk *disk);

/* Forks the disk's own executor. 0, or a negative errno. */
int domain_own_executor(struct disk *disk);

/* Has the loop call HANDLER when the executor has something to say. 0, or a negative errno. */
int domain_watch(struct agent *agent, struct executor *executor, sd_event_io_handler_t handler,
                 void *userdata, sd_event_source **source);

/* Whether an act may begin: the executors are there and idle. */
bool domain_is_free(const struct domain *domain);

/* Whether an act is under way that holds the disk back, but does not reach it. */
bool domain_holds_back(const struct domain *domain, const struct disk *disk);

/* Whether an act is under way after which its disks may be gone. */
bool domain_is_ending(const struct domain *domain);

/* The disk whose step has been under way for longer than it should have taken, or NULL. */
const struct disk *domain_blocked_by(const struct domain *domain);

/* Begins a step of the disk in the domain. As executor_begin(). */
int domain_begin(struct disk *disk, enum step step, usec_t now);

/* Forks anew what has died, and says which step takes long. */
void domain_tick(struct agent *agent, usec_t now);

struct domain *domain_free(struct domain *domain);
