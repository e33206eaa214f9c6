/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a later daemon has to know of an incident that this one did not live to end: one small
 * file for each disk in /run/unhang, opened and filled while all is well. When the state changes
 * only its head, of fixed length, is rewritten. */

#include "agent/decide/ladder.h"
#include "agent/observe/mounts.h"
#include "include/disk.h"
#include "include/usec.h"

struct memory {
        struct ladder_past past;
        usec_t suppressed_until; /* nothing is done to the disk before; 0: it is not suppressed */
};

struct state_file {
        int fd;
        char path[128];
};

/* Opens, or creates, the file of the disk in DIRECTORY. 0, or a negative errno. */
int state_file_open(const char *directory, const struct disk_id *disk, struct state_file *ret);
void state_file_close(struct state_file *file);

/* Removes it: the disk is healthy or gone, there is nothing to tell. */
void state_file_remove(struct state_file *file);

/* Writes the head alone. Allocates nothing. 0, or a negative errno. */
int state_file_set(struct state_file *file, const struct memory *memory);

/* Writes all of it. 0, or a negative errno. */
int state_file_write(struct state_file *file, const struct memory *memory,
                     const struct mounts *mounts);

/* Reads what is there. 0, with mounts that the caller clears; -ENODATA when nothing is told;
 * -EBADMSG when it makes no sense; -ENOMEM. */
int state_file_read(struct state_file *file, struct memory *ret, struct mounts *ret_mounts);
