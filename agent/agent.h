/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The wiring: who owns what. One thread, one sd-event loop, one timer. */

#include <systemd/sd-event.h>

#include "agent/disk.h"
#include "agent/domain.h"
#include "agent/report/recorder.h"

struct agent {
        sd_event *event;
        sd_event_source *timer;
        struct conf_set *conf;  /* the configuration in force */
        struct reload *reload;
        struct udev_watch *udev;
        struct bus_server *bus;
        struct disk *disks;     /* in the order they appeared */
        struct domain *domains;
        struct nursery nursery;          /* where executors come from */
        struct executor preparer;        /* sets what is to be set on healthy disks */
        sd_event_source *preparer_source;
        int mountinfo, swaps;   /* say when something is mounted or swapped on */
        bool mounts_stale;      /* it was: to be read at the next tick that is calm */
        usec_t mounts_next;     /* but not before this */
        usec_t mounts_again;    /* and then in any case: what was read is incomplete */
        int notify;
        int lock;               /* there is no other daemon */
        int fence;              /* the way to end the machine; or a negative errno */
        bool dry_run;           /* nothing is done to any disk */
        usec_t watchdog;        /* how often systemd wants to hear of us */
        usec_t fed;             /* when it last did */
        usec_t ticked;          /* the last wake-up of the timer */
        usec_t surveyed;        /* when all disks were last asked for */
        struct recorder recorder; /* where all that is seen goes, if anywhere */
        usec_t recorded_from;   /* when that began */
        usec_t recorded_to;     /* when its end was last told */
};

/* Runs until SIGTERM. 0, or a negative errno: it has been logged. */
int agent_run(struct agent *agent);

/* The disk of this name, or NULL. */
struct disk *agent_find(struct agent *agent, const char *name);

/* Arms the one timer for whatever comes first. */
void agent_arm(struct agent *agent);

/* Whether no act is under way and none awaits its outcome: only then memory is allocated for what
 * can wait. */
bool agent_is_calm(const struct agent *agent);
