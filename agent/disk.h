/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guarded disk: what is known of it, and what happens to it. */

#include "agent/act/executor.h"
#include "agent/decide/ladder.h"
#include "agent/detect/stall.h"
#include "agent/domain.h"
#include "agent/observe/counters.h"
#include "agent/observe/mounts.h"
#include "agent/observe/udev.h"
#include "agent/report/bus.h"
#include "agent/report/journal.h"
#include "agent/state-file.h"

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
        bool unfollowed;           /* swap or a volume stands on it, too */
        struct state_file state;
        bool begun;                /* the ladder's step is with an executor */
        size_t mount_next;         /* which mount a filesystem step has come to */
        int mount_error;           /* the first error of that step */
        int attach_errors[2];      /* why the executor of each place could not open it */
        bool by_hand;              /* the act under way was asked for */
        struct bus_call *call;     /* who asked, and waits */
        char detail[256];          /* what is going on, in a sentence */
};

/* udev has told of a disk, or that a block device is gone. */
void disk_appeared(struct agent *agent, const struct disk_found *found);
void disk_vanished(struct agent *agent, dev_t devnum);
struct disk *disk_free(struct disk *disk);

enum footing disk_footing(const struct disk *disk);

/* Why the disk is only watched: a negative errno; 0 when it can be acted on. */
int disk_attach_error(const struct disk *disk);

/* Reads anew what stands on the disks that are healthy. Allocates. */
void disk_refresh_mounts(struct agent *agent);

/* Adds the disk to an answer for a person. */
void disk_describe(const struct disk *disk, usec_t now, struct bus_status *status);

/* Takes a sample and lets the ladder look at it. */
void incident_tick(struct disk *disk, usec_t now);

/* The executor of a step of this disk returned. */
void incident_returned(struct disk *disk, enum step step, int error, usec_t now);

/* Takes up what the state file tells. */
void incident_resume(struct disk *disk, enum incident_state state, usec_t acted_at, usec_t now);

/* Hands the step that is wanted to its executor, if that is free. */
void incident_pursue(struct disk *disk, usec_t now);

/* A person asks for a LUN reset. 0: begun, CALL is answered when its outcome is known; -EBUSY or
 * -EPERM with the reason. */
int incident_request(struct disk *disk, bool force, struct bus_call *call,
                     const char **ret_reason);

/* Says what happens to the disk. */
void incident_report(const struct disk *disk, enum event_kind kind, const char *text);
