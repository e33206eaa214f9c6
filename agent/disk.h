/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guarded disk: what is known of it, and what happens to it. */

#include "agent/act/executor.h"
#include "agent/choose.h"
#include "agent/decide/ladder.h"
#include "agent/domain.h"
#include "agent/observe/counters.h"
#include "agent/observe/owner.h"
#include "agent/observe/udev.h"
#include "agent/report/bus-answer.h"
#include "agent/report/journal.h"
#include "agent/state-file.h"
#include "agent/watch.h"

struct disk {
        struct agent *agent;
        struct disk *next;
        struct disk_id id;
        struct disk_nodes nodes;
        struct policy policy;      /* what is in force for this disk */
        struct chosen chosen;      /* why that is so */
        struct domain *domain;     /* NULL: nothing is ever done to it */
        unsigned slot;             /* in the domain's executor */
        struct executor executor;  /* its own */
        sd_event_source *source;
        usec_t respawn_at;
        struct counters counters;
        struct watch watch;
        struct mounts mounts;      /* frozen while an incident lasts */
        struct stack stack;        /* all that stands on it: frozen alike */
        unsigned owners;           /* who else looks after it, a set of OWNER_BIT(): alike */
        bool missed;               /* events were lost, and it has not been named again since */
        bool failed_over;          /* its requests may have been since the newest sample */
        usec_t unread_since;       /* its counters cannot be read since; USEC_INFINITY: they can */
        struct state_file state;
        size_t mount_next;         /* which mount a filesystem step has come to */
        int mount_error;           /* the first error of that step */
        int busy_told;             /* of an unmount that is tried again and again */
        struct nvme_facts facts;   /* of its NVMe controller */
        bool facts_known;
        bool reserved;             /* a persistent reservation is held on it */
        bool unasked;              /* that is to be asked once it serves */
        bool gone;                 /* the kernel has it no more, but its incident goes on */
        usec_t suppressed_until;   /* acts are, by hand */
        int attach_errors[_STEP_PLACE_MAX]; /* why the executor of each place could not open it */
        enum symptom_kind suspected; /* what the disk was last suspected of */
        enum refusal refusal;      /* what stood in the way when it was last reported */
        bool by_hand;              /* the act under way was asked for: */
        enum step asked;
        enum step cure;            /* the last one, for people: fails come after it */
        struct bus_call *call;     /* who asked, and waits */
        struct sample recorded;    /* what was last written to the recording, if anything was */
        bool recorded_once;
        struct circumstances here; /* as they were last */
        char detail[320];          /* what is going on, in a sentence */
};

/* udev has told of a disk, or that a block device is gone. */
void disk_appeared(struct agent *agent, const struct disk_found *found);
void disk_vanished(struct agent *agent, dev_t devnum);

/* Takes up the incident, in MEMORY, of a disk that an earlier daemon has failed and that the kernel
 * has no more. MOUNTS and FILE are its own from now on. */
void disk_recall(struct agent *agent, const struct disk_found *found, const struct memory *memory,
                 struct mounts *mounts, struct state_file *file);

/* Writes all that a later daemon has to know of the disk. Allocates. */
void disk_note(struct disk *disk);

/* An NVMe controller was reset: its paths, and the heads, which may be reached by it. */
void disk_failed_over(struct agent *agent, const char *controller);

/* udev names all disks anew: what it does not name in between is gone. */
void disk_sweep_begin(struct agent *agent);
void disk_sweep_end(struct agent *agent);

/* Looks at all disks. */
void disk_tick(struct agent *agent, usec_t now);
struct disk *disk_free(struct disk *disk);

/* Reads anew what stands on the disks that are healthy. Allocates. */
void disk_refresh_mounts(struct agent *agent);

/* Adds the disk, and where what is known of it comes from, to an answer for a person. */
void disk_describe(const struct disk *disk, usec_t now, struct bus_status *status);
void disk_describe_signals(const struct disk *disk, struct bus_status *status);
