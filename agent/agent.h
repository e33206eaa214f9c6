/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The wiring: who owns what. One thread, one sd-event loop, one timer. */

#include <systemd/sd-event.h>

#include "agent/act/executor.h"
#include "agent/decide/ladder.h"
#include "agent/detect/stall.h"
#include "agent/observe/counters.h"
#include "agent/observe/mounts.h"
#include "agent/observe/udev.h"
#include "agent/report/bus.h"
#include "agent/report/journal.h"
#include "agent/report/notify.h"
#include "agent/state-file.h"

/* How far apart samples are at most. */
#define SAMPLE_INTERVAL USEC_PER_SEC
#define SAMPLE_INTERVAL_SHORT (200 * USEC_PER_MSEC)

struct agent {
        sd_event *event;
        sd_event_source *timer;
        struct policy policy;
        struct udev_watch *udev;
        struct bus_server *bus;
        struct disk *disks;     /* in the order they appeared */
        struct domain *domains;
        int mountinfo;          /* says when mounts change */
        bool mounts_stale;      /* they did, during an incident */
        int notify;
        usec_t watchdog;        /* how often systemd wants to hear of us */
        usec_t fed;             /* when it last did */
        usec_t ticked;          /* the last wake-up of the timer */
};

/* A fault domain: a SCSI host, and the one process that may reset what is behind it. */
struct domain {
        struct agent *agent;
        struct domain *next;
        unsigned host;
        struct executor executor;
        sd_event_source *source;
        usec_t respawn_at;      /* when to fork a new executor; USEC_INFINITY: it lives */
        uint8_t slots[EXECUTOR_SLOTS / 8]; /* a bit for each that is taken */
};

struct disk {
        struct agent *agent;
        struct disk *next;
        struct disk_id id;
        struct disk_nodes nodes;
        char address[48];
        struct domain *domain;
        unsigned slot;             /* in the domain's executor */
        struct executor executor;  /* its own */
        sd_event_source *source;
        usec_t respawn_at;
        struct counters counters;
        struct stall stall;
        struct symptom symptom;
        struct ladder ladder;
        struct mounts mounts;      /* frozen while an incident lasts */
        struct state_file state;
        bool begun;                /* the ladder's step is with an executor */
        size_t mount_next;         /* which mount a filesystem step has come to */
        int mount_error;           /* the first error of that step */
        int attach_error;          /* the domain's executor could not open it */
        bool by_hand;              /* the act under way was asked for */
        struct bus_call *call;     /* who asked, and waits */
        char detail[256];          /* what is going on, in a sentence */
};

/* agent.c */
int agent_run(struct agent *agent);
struct disk *agent_find(struct agent *agent, const char *name);
/* Arms the one timer for whatever comes first. */
void agent_arm(struct agent *agent);
/* Whether no disk is in an incident that is being worked on: only then memory is allocated for what
 * can wait. */
bool agent_is_calm(const struct agent *agent);

/* disk.c */
void disk_appeared(struct agent *agent, const struct disk_found *found);
void disk_vanished(struct agent *agent, dev_t devnum);
struct disk *disk_free(struct disk *disk);
enum footing disk_footing(const struct disk *disk);
void disk_refresh_mounts(struct agent *agent);
void disk_describe(const struct disk *disk, usec_t now, struct bus_status *status);

/* domain.c */
int domain_join(struct disk *disk);
void domain_leave(struct disk *disk);
int domain_own_executor(struct disk *disk);
bool domain_is_free(const struct domain *domain);
void domain_tick(struct agent *agent, usec_t now);
struct domain *domain_free(struct domain *domain);

/* incident.c */
/* Takes a sample and lets the ladder look at it. */
void incident_tick(struct disk *disk, usec_t now);
/* The executor of a step of this disk returned. */
void incident_returned(struct disk *disk, enum step step, int error, usec_t now);
/* Takes up what the state file tells. */
void incident_resume(struct disk *disk, enum incident_state state, usec_t now);
/* Hands the step that is wanted to its executor, if that is free. */
void incident_pursue(struct disk *disk);
int incident_request(struct disk *disk, bool force, struct bus_call *call,
                     const char **ret_reason);
void incident_report(const struct disk *disk, enum event_kind kind, const char *text);
