/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The volumes of LVM and dm-crypt between a filesystem and a disk that was gone: what is left of
 * them maps to a disk that will never be again, also when that one has come back under another
 * name, and keeps their names taken.
 *
 * For executors only. */

#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/mount-entry.h"

/* Has the volumes of ENTRY, of which there is one at least, brought back: those whose disk is gone
 * are removed, as dmsetup remove does; then those that are not there are activated, the lowest
 * first, by systemd (unhang-lvm@.service, systemd-cryptsetup@.service(8)). What is there, and has
 * its disk, is left as it is. 0 and the number of the uppermost one, which is what the source of
 * ENTRY leads to; -EBUSY while one that is dead is in use; -EAGAIN while systemd is at it: ask
 * again; -ENODEV when one has not come back by that, or the source of ENTRY is another device;
 * -EOPNOTSUPP where no systemd runs; or another negative errno, such as -EACCES. */
int volumes_raise(const struct mount_entry *entry, dev_t *ret) _must_check_;
