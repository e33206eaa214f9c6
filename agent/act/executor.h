/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process forked in good time that carries out the steps which may never return. It is serial by
 * construction: one request after the other over a socket pair. It allocates, opens and execs
 * nothing when a step comes, and it ends by itself when the daemon's end is closed, be it by death,
 * as soon as the kernel lets it. */

#include <stdint.h>
#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/mount-entry.h"
#include "include/step.h"

/* Disks that one executor can hold: the LUNs of a SCSI host. */
#define EXECUTOR_SLOTS 1024

struct executor {
        pid_t pid;
        int fd;          /* readable when a reply has come, or the process is gone */
        bool ready;      /* it holds its lock */
        enum step step;  /* under way; STEP_NONE: it is free */
        unsigned slot;   /* of that step */
};

enum executor_news {
        NEWS_READY,    /* it holds its lock and can be used */
        NEWS_ATTACHED, /* a disk has been opened, or not: error */
        NEWS_PREPARED, /* its statistics were off, and are on (1), were on (0), or: error */
        NEWS_RETURNED, /* the step is over; the executor is free again */
        NEWS_DEAD,     /* the process has ended; its step will not return */
};

struct executor_report {
        enum executor_news news;
        enum step step;
        unsigned slot;
        int error; /* 0 or a negative errno */
        char name[DISK_NAME_MAX]; /* NEWS_PREPARED: of the disk */
};

/* Forks an executor called NAME. With LOCK_PATH it first waits, itself, until it has the lock on
 * that file, which an executor of an earlier daemon holds as long as it lives: so there are never
 * two in one fault domain. 0, or a negative errno. */
int executor_spawn(const char *name, const char *lock_path, struct executor *ret);

/* Closes the daemon's end: a free executor ends at once, one that hangs when it returns. */
void executor_release(struct executor *executor);

/* Asks it to open the disk in a slot (NEWS_ATTACHED follows), or to close it. 0, or a negative
 * errno: -EAGAIN when its queue is full. */
int executor_attach(struct executor *executor, unsigned slot, const struct disk_nodes *nodes);
int executor_detach(struct executor *executor, unsigned slot);

/* Asks it to switch the disk's statistics on where they are off (NEWS_PREPARED follows). It may
 * sleep in that for as long as the disk hangs. 0, or a negative errno, as above. */
int executor_prepare(struct executor *executor, const struct disk_nodes *nodes);

/* Begins a step on the disk in a slot; ENTRY is for filesystem steps. 0; -EBUSY while a step is
 * under way or the lock is not there yet; -EPIPE when the process is gone; -EAGAIN. Never
 * blocks. */
int executor_begin(struct executor *executor, enum step step, unsigned slot,
                   const struct mount_entry *entry);

/* Takes the next report. 1, or 0 when there is none. */
int executor_receive(struct executor *executor, struct executor_report *ret);
