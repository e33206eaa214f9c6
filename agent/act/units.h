/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The units of systemd that need a mount or hold it: stopped before it is unmounted and started
 * when it is mounted again, in the order that systemd knows. The mount unit itself follows what is
 * mounted (systemd.mount(5)). What was stopped is noted under UNITS_DIR first, so that it is
 * started again whatever becomes of us. Where no systemd runs there is nothing to be stopped.
 *
 * For executors only. */

#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/bus.h"
#include "include/mount-entry.h"

#define UNITS_DIR UNHANG_RUNTIME_DIR "/units"

/* Calls FOUND for each process that holds the superblock SUPER, with its unit, "" for none. 0, or a
 * negative errno. */
typedef int (*find_holders_t)(dev_t super,
                              void (*found)(pid_t pid, const char *unit, void *userdata),
                              void *userdata);

/* Stops the active services, sockets, paths and timers that systemd would stop with the mount unit
 * of ENTRY (RequiresMountsFor=), and what it stops with those; with FIND_HOLDERS, which may be
 * NULL, also the services of the processes that it finds, but for user managers and unhangd. Not
 * what could not be started again: transient units, which scopes are. 0 when none of them runs any
 * more, or the mount point is too long to have a unit; -EINPROGRESS when some still do after five
 * seconds: ask again; or a negative errno of the connection, of UNITS_DIR, or of FIND_HOLDERS. */
int units_stop(const struct mount_entry *entry, find_holders_t find_holders) _must_check_;

/* Starts what was stopped for ENTRY, and forgets it; what systemd refuses to start is logged. 0, or
 * a negative errno: then the rest is still noted. */
int units_start(const struct mount_entry *entry) _must_check_;

/* Has systemd check, and repair as when the system boots, the device of ENTRY, which is not
 * mounted (systemd-fsck@.service(8): fsck -a). 0 when the check that was begun for this has found
 * or made it whole; -EALREADY while it runs: ask again; -ENOTRECOVERABLE when it has failed: then
 * the next call begins another one; -EOPNOTSUPP where no systemd runs; or a negative errno:
 * -ENAMETOOLONG, or as above. That a check was begun is forgotten by units_start(). */
int units_fsck(const struct mount_entry *entry) _must_check_;
