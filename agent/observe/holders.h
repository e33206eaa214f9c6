/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which processes hold a filesystem or a disk: what lsof(8) tells, without what can make it wait.
 *
 * Of a process are read: status and comm, the links cwd, root, exe, ns/mnt and fd/N, and fdinfo/N
 * of files; never cmdline, environ or maps, which wait for its memory map; no link is followed.
 * What is held only by memory mapped from a file that was closed is therefore not seen, but for the
 * program itself; nor a file in a filesystem that is already unmounted everywhere (umount -l).
 *
 * All the same, to be called in a process that may hang, for a file that is looked at just when its
 * last user closes it has to be put away by who looks (fs/proc/fd.c: seq_show, proc_fd_link), and
 * mountinfo may wait for btrfs (agent/observe/namespaces.h). */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/base/macro.h"

struct mount_views;

/* The most of each that is looked at; then the report is cut. */
#define HOLDERS_PROCESSES_MAX 131072
#define HOLDERS_FILES_MAX 65536 /* of one process */
#define HOLDERS_THREADS_MAX 4096

struct holder {
        pid_t pid;
        char comm[16];
        char state;      /* as in status: 'S', ...; 'D' if any of its threads is in D */
        unsigned files;  /* open files on it */
        unsigned nodes;  /* open nodes of the disk, or of what stands on it */
        bool cwd, root, exe;
        char path[256];  /* the first of these; cut if longer */
};

struct holders_world {
        const char *procfs;
        const dev_t *supers;              /* superblocks, by the number in mountinfo */
        size_t n_supers;
        const char *const *devices;       /* kernel names */
        size_t n_devices;
        const struct mount_views *views;  /* read just now */
};

/* Calls FOUND for each process that holds any of them. 0; 1 when there were more than is looked at,
 * or some could not be read; or a negative errno: PROCFS cannot be read, -ENOMEM. */
int holders_read(const struct holders_world *world,
                 void (*found)(const struct holder *holder, void *userdata), void *userdata)
        _must_check_;

/* Reads into UNIT, of SIZE, the systemd unit that the process belongs to, "" for none: the service
 * or scope in its path of control groups. In older kernels this waits for cgroup_mutex
 * (kernel/cgroup/cgroup.c: proc_cgroup_show), which who moves a process may hold while a fork waits
 * for memory, and so for a disk: to be done when all else is known. 0, or a negative errno. */
int holder_unit(const char *procfs, pid_t pid, char *unit, size_t size);
