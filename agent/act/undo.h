/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values that are changed for a while, and put back whatever happens: a table in a file tells what
 * they were, as long as any of those who changed them, the holders, has not put them back. The
 * first to change a value notes it and the last one restores it, so that two controllers that need
 * the same parameter of a module at once do not take each other's value for the one from before.
 * The table is on a tmpfs: it outlives the daemon, and is gone after a reboot, as the values are.
 *
 * A process keeps the table locked only while it reads and writes what never waits for a disk. */

#include <stdbool.h>
#include <sys/types.h>

#include "agent/act/door.h"
#include "agent/base/macro.h"

struct undo {
        int fd;
        const struct door *door;
};

#define UNDO_NONE ((struct undo) { .fd = -EBADF })
#define UNDO_VALUE_MAX 32
#define UNDO_HOLDER_MAX 48

/* A value in a file of the kernel, which is open for reading and writing. */
struct undo_value {
        const char *path;
        int fd;
        off_t offset;
        size_t size; /* bytes; 0: the whole file is the value, as text */
};

/* Opens the table, or makes it. 0, or a negative errno. A closed one may be closed again. */
int undo_open(const char *path, const struct door *door, struct undo *ret) _must_check_;
void undo_close(struct undo *undo);

/* Notes what the value is, and writes NEW (as many bytes, or text). 0, or a negative errno of the
 * write: nothing is noted then that was not before; -EBADF without a table, so that what cannot be
 * put back is not changed; -ENAMETOOLONG. */
int undo_change(const struct undo *undo, const char *holder, const struct undo_value *value,
                const char *new);

/* Becomes a holder of the value too, if anybody has changed it, and writes nothing. 1, or 0 when
 * nobody has; or a negative errno. */
int undo_join(const struct undo *undo, const char *holder, const struct undo_value *value);

/* Whether the holder has changed the value, or joined. 1 or 0, or a negative errno. */
int undo_holds(const struct undo *undo, const char *holder, const struct undo_value *value);

/* Puts back what the holder has changed of this value, or leaves that to the others who have. 0,
 * also when the holder has not changed it, or when its device is gone (-ENODEV, -ENXIO); or another
 * negative errno, and it is still noted. */
int undo_put_back(const struct undo *undo, const char *holder, const struct undo_value *value);

/* The same for all values of all holders that IS_GONE. Opens them by their paths: not for an
 * incident. Goes on after an error, and returns the first. */
int undo_put_back_all(const struct undo *undo, bool (*is_gone)(const char *holder, void *userdata),
                      void *userdata);
