/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sysfs says of one block device that stands on another. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/macro.h"
#include "agent/observe/stack.h"

/* The length of a path in /sys/class/block that these functions take. */
#define VOLUME_PATH_MAX 512

/* Reads NODE's kind, devnum, text and, of dm and md, devices from SYSFS/class/block/NAME; sets its
 * name. Device mapper is told apart by the prefix of its uuid, as its users give it (LVM2
 * libdm/dm-tools/dmsetup.c: "uuid" in dmsetup(8); cryptsetup lib/libdevmapper.c: DM_UUID_PREFIX;
 * multipath-tools libmultipath/devmapper.h: UUID_PREFIX). 0; -ENOENT or -ENODEV when it is gone;
 * -EINVAL when its number is not understood; -ENAMETOOLONG. */
int volume_read(const char *sysfs, const char *name, struct stack_node *node) _must_check_;

/* The kernel name of the device at the node PATH, by nothing but that: "/dev/sda1",
 * "/dev/mapper/vg-lv", "/dev/vg/lv". Whether sysfs knows it. */
bool volume_of_node(const char *sysfs, const char *path, char *name, size_t size);

/* The same by asking the node what it is, wherever it lies: only for one that is in use, so that no
 * I/O is needed to find it. */
bool volume_of_open_node(const char *sysfs, const char *path, char *name, size_t size);

/* Whether md device NAME can do without the N_LEGS devices LEGS, which are on one disk. True also
 * when these are spares, or have failed already. When it cannot be told: false. */
bool volume_md_spares(const char *sysfs, const char *name, const char *const *legs, size_t n_legs);
