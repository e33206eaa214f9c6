/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands on a disk, from sysfs, /proc/swaps and the mount tables; no disk is opened, no
 * filesystem asked. Reads links, names and attributes that take short locks only (drivers/md/
 * dm-sysfs.c: dm_attr_show; drivers/md/md.c: md_attr_show; drivers/block/loop.c:
 * loop_attr_backing_file_show). Built while all is well and kept, for this allocates. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/radius.h"

struct mount_views;

/* More than is mounted of one disk on a machine with thousands of containers (2.5 MiB). */
#define STACK_NODES_MAX 4096

enum stack_kind {
        STACK_PARTITION,
        STACK_LVM,        /* a logical volume, or a part of one that LVM hides */
        STACK_CRYPT,      /* dm-crypt: LUKS or plain */
        STACK_MULTIPATH,
        STACK_DM_RAID,    /* a leg of a RAID volume of LVM, or a set of dmraid */
        STACK_DM,         /* another device of device mapper */
        STACK_MD,
        STACK_BCACHE,
        STACK_DRBD,
        STACK_LOOP,       /* its file lies in a filesystem of the disk */
        STACK_DEVICE,     /* another block device that holds it */
        STACK_FILESYSTEM, /* a superblock */
        STACK_MOUNT,      /* one mount of it in one mount namespace */
        STACK_SWAP,
        _STACK_KIND_MAX,
};

struct stack_node {
        enum stack_kind kind;
        int parent;       /* index of what it stands on, below its own; -1: the disk itself */
        dev_t devnum;     /* of the device; filesystem and mount: of the superblock */
        char name[64];    /* "sda1", "dm-0"; filesystem, mount: its type; swap: "swap" */
        char text[512];   /* cut if longer. dm: its name; md: its level; loop, swap: file or node;
                           * filesystem: its source; mount: where; partition: "" */
        bool again;       /* it stands on the disk twice: what is on it is told only once */
        bool spare;       /* md: it goes on without this disk */
        unsigned devices; /* filesystem, dm, md: on so many devices, this disk's among them */
        uint64_t space;   /* mount: inode of the namespace */
        pid_t pid;        /* mount: a process in that namespace; 0: our own namespace */
        int id;           /* mount: its id in mountinfo */
        bool stays;       /* mount: not unmounted when the mounts of our own namespace are */
};

struct stack {
        struct stack_node *nodes; /* each after what it stands on, with all that stands on it */
        size_t n;
        bool complete;            /* all was read, and nothing is known of that is not in it */
};

struct stack_world {
        const char *sysfs;               /* "/sys" */
        const char *swaps;               /* "/proc/swaps" */
        const struct mount_views *views; /* the mounts of all namespaces */
};

/* Reads what stands on the disk of this number (a path of NVMe multipath has that of its head).
 * What cannot be read, or does not fit, makes it incomplete. 0 and a stack that the caller frees by
 * stack_clear(), or -ENOMEM. */
int stack_read(const struct stack_world *world, dev_t disk, struct stack *ret) _must_check_;
void stack_clear(struct stack *stack);

/* Whether something stands there that cannot be ended by unmounting, in our own namespace, the
 * filesystems whose only device is the disk, a partition or a volume of LVM or dm-crypt on nothing
 * else: swap, a loop device, a snapshot, a pool, a mount where our unmounting does not reach; of a
 * disk that LEAVES also a volume on which nothing is mounted, for nobody brings that back. What is
 * on an md that goes on without this disk is not counted. An incomplete stack counts as such. */
bool stack_is_unfollowed(const struct stack *stack, bool leaves);

/* Mount ID of our own namespace if it is one of those that would be ended, else NULL. */
const struct stack_node *stack_followed_mount(const struct stack *stack, int id);

/* Whether a filesystem of this type stands there. */
bool stack_has_filesystem(const struct stack *stack, const char *type);

/* Adds to *RADIUS one disk, and all that stands there and is in none of the N stacks BEFORE it: a
 * volume may stand on several disks. */
void stack_count(const struct stack *stack, const struct stack *const *before, size_t n,
                 struct radius *radius);

/* "partition", "lvm", "md", ...: what the node is, in a word. */
const char *stack_kind_to_string(enum stack_kind kind);

static inline void stack_clearp(struct stack *stack) {
        stack_clear(stack);
}
