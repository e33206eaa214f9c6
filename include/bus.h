/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What unhangd and unhang say to each other, over a private socket that needs no bus daemon: it
 * works when dbus-daemon is stuck on the disk. Peer-to-peer D-Bus; only root may connect.
 *
 *   Status() -> (s version, t dropped, a(ssssssusttsstu) disks)
 *       dropped: log lines lost because the journal did not take them
 *       each disk is a struct disk_report, field by field
 *   Show(s disk) -> ((ssssssusttsstu) disk, a(ssb) signals, a(ss) facts)
 *       signals: what is known of this disk, and from where: each a struct signal_report; of a
 *       disk that is the head of NVMe multipath, those of the head
 *       facts: what can be done to it, and what stands in the way: each a struct fact_report
 *   Policy(s disk) -> (s policy, s reason, a(ssss) values, as notes)
 *       what is in force for this disk, and why: a struct policy_report, field by field
 *
 *   Stack(): include/bus-stack.h; Reset(), Plan(), Suppress(): include/bus-acts.h
 *
 * Errors: NoSuchDisk, and Refused with the reason as its text. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/usec.h"

#define UNHANG_RUNTIME_DIR "/run/unhang"
#define BUS_SOCKET UNHANG_RUNTIME_DIR "/private"
#define BUS_PATH "/org/unhang/Agent"
#define BUS_INTERFACE "org.unhang.Agent1"
#define BUS_ERROR_NO_SUCH_DISK "org.unhang.Error.NoSuchDisk"
#define BUS_ERROR_REFUSED "org.unhang.Error.Refused"

#define BUS_DISK_TYPE "ssssssusttsstu"
#define BUS_SIGNAL_TYPE "ssb"
#define BUS_VALUE_TYPE "ssss"

/* One disk as a person or a script wants to see it. All texts are valid while the call lasts. */
struct disk_report {
        const char *name;     /* "sda" */
        const char *driver;   /* "virtio_scsi", "nvme", "virtio_blk", "dm" */
        const char *address;  /* "0:0:0:0", "nvme0", "virtio3": its place on that driver */
        const char *serial;   /* "" if none is known */
        const char *state;    /* healthy, suspect, acting, settling, recovered, failing, failed,
                               * stuck */
        const char *symptom;  /* "-", or what is seen: stalled, stuck-request, saturated,
                               * controller-stuck */
        uint32_t outstanding; /* requests in flight */
        const char *detail;   /* one sentence on what is going on, "" when healthy */
        usec_t quiet;         /* work outstanding and nothing completed for so long */
        usec_t limit;         /* StallSec= in force */
        const char *last_act; /* "lun-reset", ...; "-" if none yet */
        const char *last_outcome; /* "recovered", "no-change", ...; "-" */
        usec_t last_ago;      /* time since that act began; USEC_INFINITY if none yet */
        uint32_t mounts;      /* mounts of filesystems on the disk */
};

/* One source of what the daemon knows of a disk. */
struct signal_report {
        const char *name; /* "stat", "device_busy", "requests", ... */
        const char *text; /* what it serves for, or why it does not */
        bool missing;     /* it is not there or not to be trusted, which costs something */
};

/* Every text on the bus is UTF-8, but a serial comes from the hypervisor and may be anything.
 * Returns the length in bytes, 1 to 4, of the valid character at P; 0 at the end of the text and
 * where none begins: stray or overlong bytes, a surrogate, a noncharacter (sd-bus takes none). */
static inline size_t bus_char_length(const char *p) {
        const uint8_t *s = (const uint8_t *) p;
        uint32_t c;
        size_t n;

        if (s[0] < 0x80)
                return s[0] != 0;
        if (s[0] < 0xc2 || s[0] > 0xf4)
                return 0;

        n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
        c = s[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }

        if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff)
                return 0;
        if ((c >= 0xd800 && c <= 0xdfff) || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
                return 0;
        return n;
}
