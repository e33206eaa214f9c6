/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stack in the making: shared by stack.c, which climbs from device to device, and stack-uses.c,
 * which finds what a device is used for. */

#include "agent/base/macro.h"
#include "agent/observe/namespaces.h"
#include "agent/observe/stack.h"

struct stack_build {
        const struct stack_world *world;
        dev_t disk;
        char name[64];      /* of the disk */
        const char *parted; /* the device whose partitions are being looked for */
        unsigned depth;
        struct stack stack;
};

/* Adds an empty node and returns it in *ret, which is valid until the next is added. 0, -ENOMEM, or
 * -ENOSPC: there are too many, and the stack is incomplete. */
int stack_add(struct stack_build *build, enum stack_kind kind, int parent,
              struct stack_node **ret) _must_check_;

/* Adds the block device NAME and all that stands on it. 0, or a negative errno as above. */
int stack_add_device(struct stack_build *build, int parent, const char *name) _must_check_;

/* Adds all that stands on the block device NAME, which is node PARENT, or the disk (-1). */
int stack_add_above(struct stack_build *build, int parent, const char *name, dev_t devnum)
        _must_check_;

/* Adds the filesystem on the block device with its mounts, loop devices and swap files, and the
 * swap space that it is. */
int stack_add_uses(struct stack_build *build, int parent, const char *name, dev_t devnum)
        _must_check_;
