/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a later daemon has to know of an incident that this one did not live to end: one small
 * file for each disk in /run/unhang, opened and filled while all is well. When the state changes
 * only its head, of fixed length, is rewritten. */

#include "agent/decide/ladder.h"
#include "agent/observe/mounts.h"
#include "agent/observe/udev.h"
#include "include/disk.h"
#include "include/usec.h"

struct memory {
        struct ladder_past past;
        usec_t suppressed_until; /* nothing is done to the disk before; 0: it is not suppressed */
};

/* Of what disk that is: told so that it can be known again when it was gone. */
struct state_disk {
        const struct disk_id *id;
        const struct disk_nodes *nodes; /* of which the node for resets is kept */
        const struct properties *properties;
};

struct state_file {
        int fd;
        char path[128];
};

/* Opens, or creates, the file of the disk in DIRECTORY. 0, or a negative errno. */
int state_file_open(const char *directory, const struct disk_id *disk, struct state_file *ret);
void state_file_close(struct state_file *file);

/* Opens one that is there, at PATH. 0, or a negative errno. */
int state_file_open_at(const char *path, struct state_file *ret);

/* Removes it: the disk is healthy or gone, there is nothing to tell. */
void state_file_remove(struct state_file *file);

/* Writes the head alone. Allocates nothing. 0, or a negative errno. */
int state_file_set(struct state_file *file, const struct memory *memory);

/* Writes all of it. 0, or a negative errno. */
int state_file_write(struct state_file *file, const struct memory *memory,
                     const struct state_disk *disk, const struct mounts *mounts);

/* Reads what is there. 0, with mounts that the caller clears, and a disk whose name is "" when that
 * is not told; -ENODATA when nothing is told; -EBADMSG when it makes no sense; -ENOMEM. */
int state_file_read(struct state_file *file, struct memory *ret, struct disk_found *ret_disk,
                    struct mounts *ret_mounts);
