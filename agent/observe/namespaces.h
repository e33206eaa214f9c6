/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mounts of every mount namespace, for a filesystem lives as long as the last of them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/macro.h"
#include "agent/observe/mounts.h"

/* More namespaces than containers and services of one machine have; then the rest is not read. */
#define NAMESPACES_MAX 1024

/* One mount as one namespace has it. */
struct mount_view {
        struct mount_row row;
        uint64_t space; /* inode of the namespace: what "mnt:[4026531841]" names */
        pid_t pid;      /* a process in it, by which it was read; 0: this process itself */
        bool own;       /* of the namespace of this process */
};

struct mount_views {
        struct mount_view *views; /* the own namespace first, each in the order of its mountinfo */
        size_t n;
        struct libmnt_table **tables;
        size_t n_tables;
        bool complete; /* not so: there were too many, or one could not be read, or the namespace of
                        * a process not be told, as without CAP_SYS_PTRACE */
};

/* Reads /proc/PID/mountinfo of one process for each namespace; which one a process is in is told by
 * its link ns/mnt, which is read, never followed. That waits for short locks only
 * (fs/proc/namespaces.c: proc_ns_readlink; fs/proc_namespace.c: mounts_open_common), but for btrfs:
 * to tell the name of a subvolume it looks into its trees (fs/btrfs/super.c: btrfs_show_options,
 * since 5.9), and so may wait for the disk if they are not in memory: not to be called once one
 * hangs. A namespace that no process is in, or only a thread, is not seen. PROCFS is where proc is
 * mounted. 0, or a negative errno: that of the own table, or -ENOMEM. *ret is freed by
 * mount_views_clear(). Allocates. */
int mount_views_read(const char *procfs, struct mount_views *ret) _must_check_;
void mount_views_clear(struct mount_views *views);
