/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's counters of one disk, through files kept open: reading them takes no lock of the
 * I/O path, allocates nothing and never blocked in any run, also with the host in recovery. Which
 * of them tell the truth depends on kind, driver and kernel; that is found out when they are
 * opened. */

#include <stdbool.h>

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/sample.h"

struct requests;

/* Where the kernel's files are: "/sys" and "/proc" but in tests. */
struct kernel_files {
        const char *sysfs;
        const char *procfs;
};

/* One source of what is known about a disk, for people. */
struct signal_text {
        const char *name; /* "stat", "device_busy", "iotmo_cnt", "requests", ... */
        char text[160];   /* what it serves for; or why it does not */
        bool missing;     /* it is not there, or lies, and that costs something */
};
#define SIGNALS_MAX 12

struct counters {
        enum disk_kind kind;
        int stat;          /* block device: stat (Documentation/block/stat.rst) */
        int busy;          /* SCSI: device_busy, commands out, flush and passthrough included */
        int answered;      /* SCSI: iodone_cnt */
        int timeouts;      /* SCSI: iotmo_cnt, absent before 6.1 */
        int timeout;       /* SCSI: timeout, seconds */
        int state;         /* SCSI: state of the device; NVMe: state of the controller */
        int host_state;    /* SCSI: state of its host */
        unsigned release;  /* of the kernel: 0x60c is 6.12; 0: not known, taken for old */
        bool path;         /* NVMe: one of the paths of a head, whose requests fail over */
        bool rearms;       /* the driver answers each timeout by starting the timer again */
        bool flush_blind;  /* stat does not show a cache flush that is out */
        bool passthrough_in_stat; /* stat counts what user space sent past the block layer */
        bool iostats_off;  /* stat was not kept when the requests were last listed */
        bool started_counts; /* stat counts a request when it starts, not when it ends */
        enum stat_blind {
                STAT_SEES,
                STAT_BLIND_HEAD, /* this kernel does not account multipath heads */
                STAT_BLIND_MD,   /* nor what is in flight on md */
        } blind;
        struct requests *requests; /* NULL: they cannot be listed */
        int requests_error;        /* why: a negative errno; 0 on a disk that has none to list */
};

/* All files closed: what counters_open() needs not have been called on. */
extern const struct counters counters_none;

/* Opens the counters of a disk. 0, or a negative errno, with nothing left open: -ENOENT or -ENODEV
 * when the disk is gone. What only makes the picture poorer is no error. */
int counters_open(const struct kernel_files *files, const struct disk_id *id,
                  const struct disk_nodes *nodes, struct counters *ret) _must_check_;

void counters_close(struct counters *counters);

/* Reads them all into *ret, whose time is NOW. LIST: the requests are listed too, where they can
 * be; on a disk that is blind to flushes they always are. A list that cannot be read is no error.
 * Without statistics, a disk that has nothing but them seems to be idle for ever. 0, or a negative
 * errno: -ENODEV when the disk is gone; -EINVAL when a file has no sense in it. */
int counters_read(struct counters *counters, usec_t now, bool list, struct sample *ret);

/* Tells for people which signals there are and what each is good for, with a limit of STALL to act.
 * Returns how many of TEXTS are filled. */
size_t counters_describe(const struct counters *counters, usec_t stall,
                         struct signal_text texts[SIGNALS_MAX]);
