/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parts of a filesystem that were mounted somewhere else, too. Pure. */

#include <stdbool.h>

#include "agent/observe/mounts.h"

/* How mount number I of the list is made again: if it is a part of a filesystem
 * (mount_entry_is_part) that another mount of the list has, *ret is a bind mount of that directory
 * there. Returns false and leaves *ret alone when it is no part, or nothing in the list has it, or
 * the path of it is too long. */
bool bind_of(const struct mounts *mounts, size_t i, struct mount_entry *ret);
