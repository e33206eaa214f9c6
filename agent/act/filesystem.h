/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The acts on one mount of a filesystem whose disk has been made to fail its I/O, or has come back
 * from a hang. Each checks first that the mount it was told of is still there, by mount id and
 * device, so that it never touches what has been mounted on the same directory since or lies
 * beneath. For executors only: each may hang as long as the disk does. */

#include "agent/act/units.h"
#include "include/mount-entry.h"
#include "include/mount-rules.h"

/* Whether the filesystem is alive, by writing 4 KiB to a file without a name in it and syncing it:
 * its flags tell a lie after an abort (ext4 of 6.1 and 6.12 stays "rw"). 1 when it is, also when
 * that is not known: it is mounted no longer or read-only, or takes no such file; or the negative
 * errno by which it is dead: -EROFS, -EIO, -EUCLEAN, -ESHUTDOWN. Leaves nothing behind. */
int filesystem_check(const struct mount_entry *entry);

/* Unmounts one that is dead by the same token; as long as it has users, these can still read what
 * it lets them. 1 when it is not, and was left alone; or as filesystem_umount(). */
int filesystem_clear(const struct mount_entry *entry, const struct mount_rules *rules,
                     find_holders_t find_holders);

/* Shuts the filesystem down without flushing its log: new calls end with EIO (ext4, XFS, F2FS:
 * _IOR('X', 125, u32) with 2). 0, also when it is no longer mounted; -ENOTTY when this filesystem
 * cannot; -ESTALE when another filesystem is there; or another negative errno. */
int filesystem_shutdown(const struct mount_entry *entry);

/* Unmounts this one mount. First the units that need it are stopped; with HOLDERS_WAIT only when
 * nobody holds it, else with who holds it (FIND_HOLDERS, which may be NULL), and with HOLDERS_KILL
 * what then still does gets SIGTERM and, after five seconds, SIGKILL. Lazily only where the rules
 * say so: a dead superblock that is still referenced is attached to again by who mounts it next. 0,
 * also when it is no longer mounted; -EBUSY while it has users; -EINPROGRESS while units are being
 * stopped; or another negative errno. */
int filesystem_umount(const struct mount_entry *entry, const struct mount_rules *rules,
                      find_holders_t find_holders);

/* Mounts again as it was, its volumes brought back (volume.h) and it checked with fsck before as
 * the rules say, sees that it takes a write (as filesystem_check() does), and starts the units that
 * were stopped. 0, also when it is mounted already; -EBUSY while something that is not seen here,
 * such as another mount namespace, keeps the dead superblock; -EALREADY while fsck runs;
 * -ENOTRECOVERABLE for one that only fsck makes whole (it has no journal), or that it could not;
 * -EOPNOTSUPP for a part of a filesystem without MS_BIND, with which it is bound from the directory
 * SOURCE; or a negative errno of mount(2), of the write (then it is unmounted again), of units.h,
 * or of volume.h. */
int filesystem_mount(const struct mount_entry *entry, const struct mount_rules *rules);
