/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process forked in good time that carries out the steps which may never return, serially: one
 * request after the other over a socket pair. What it resets a disk with is open before a step
 * comes. It ends by itself when the daemon's end is closed, as soon as the kernel lets it. */

#include <stdint.h>

#include "agent/act/nursery.h"
#include "agent/act/units.h"
#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/mount-entry.h"
#include "include/mount-rules.h"
#include "include/nvme-facts.h"
#include "include/prepare-settings.h"
#include "include/step.h"
#include "include/usec.h"

/* Disks that one executor can hold: the LUNs of a SCSI host. */
#define EXECUTOR_SLOTS 1024

struct executor {
        int fd;          /* readable when a reply has come, or the process is gone */
        bool ready;      /* it holds its lock */
        enum step step;  /* under way; STEP_NONE: it is free */
        unsigned slot;   /* of that step */
};

enum executor_news {
        NEWS_READY,    /* it holds its lock and can be used; or: something is still changed */
        NEWS_ATTACHED, /* a disk has been opened, or not: error */
        NEWS_INSPECTED, /* what only the disk itself can tell */
        NEWS_PREPARED, /* what was to be set on it is set, or put back */
        NEWS_RETURNED, /* the step is over; the executor is free again */
        NEWS_DEAD,     /* the process has ended; its step will not return */
};

struct executor_report {
        enum executor_news news;
        enum step step;
        unsigned slot;
        int error; /* 0 or a negative errno; 1: see filesystem_check() and filesystem_clear() */
        union {
                struct {
                        int reserved;      /* whether hosts are registered; -1: not asked */
                        usec_t io_timeout; /* NVMe: as in struct nvme_facts */
                } inspected;
                struct {
                        char name[DISK_NAME_MAX];       /* of the disk */
                        enum prepare_setting failed;    /* the one that the error is of */
                        struct prepare_settings before; /* of what has been set now: what it was;
                                                         * else PREPARE_LEAVE */
                } prepared;
        };
};

/* Has an executor called NAME forked, by a nursery for executor_run(). With LOCK_PATH, which ends
 * with ".lock", it first waits, itself, until it has the lock on that file, which an executor of an
 * earlier daemon holds as long as it lives: so there are never two in one place. It then puts back
 * what executors that are gone have left changed (act/undo.h). DOMAIN.lock is for the domain's
 * executor and DOMAIN.rescue.lock for its second one; without a lock it may not change a
 * controller. 0, or a negative errno, as nursery_fork() has them: then its fd is closed. */
int executor_spawn(struct nursery *nursery, const char *name, const char *lock_path,
                   struct executor *ret);
/* Its parts: the process, and the daemon's end, which returns the other one or a negative errno. */
void executor_run(const char *name, const char *lock_path, int fd, find_holders_t find_holders);
int executor_connect(struct executor *ret);

/* Closes the daemon's end: a free executor ends at once, one that hangs when it returns. */
void executor_release(struct executor *executor);

/* Asks it to open the disk in a slot (NEWS_ATTACHED follows), or to close it. 0, or a negative
 * errno: -EAGAIN: its queue is full. */
int executor_attach(struct executor *executor, unsigned slot, const struct disk_nodes *nodes);
int executor_detach(struct executor *executor, unsigned slot);

/* Tells it what is known of the controller of the disk in a slot; nothing is taken for granted
 * before. To be told again when it changes. 0, or a negative errno, as above. */
int executor_inform(struct executor *executor, unsigned slot, const struct nvme_facts *facts);

/* Has the disk's own executor read the timeout of the disk in a slot (NEWS_INSPECTED follows), and
 * ASK the disk for reservations: one that serves, or see act/nvme.h. 0, or an errno, as above. */
int executor_inspect(struct executor *executor, unsigned slot, bool ask);

/* Asks it to set on the disk what is to be set, and to put back what an earlier call, be it of an
 * earlier daemon, has set and this one leaves (NEWS_PREPARED follows). To be told to leave all when
 * the disk is no longer guarded or gone. It may sleep in that for as long as the disk hangs. 0, or
 * a negative errno, as above. */
int executor_prepare(struct executor *executor, const struct disk_nodes *nodes,
                     const struct prepare_settings *settings);

/* Begins a step on the disk in a slot, of filesystems with ENTRY and RULES. 0; -EBUSY while one is
 * under way or the lock is not there; -EPIPE when the process is gone; -EAGAIN. Never blocks. */
int executor_begin(struct executor *executor, enum step step, unsigned slot,
                   const struct mount_entry *entry, const struct mount_rules *rules);

/* Takes the next report. 1, or 0 when there is none. */
int executor_receive(struct executor *executor, struct executor_report *ret);
