/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a later daemon has to know of an incident that this one did not live to end: one small
 * file for each disk in /run/unhang, opened and filled while all is well. When the state changes
 * only one line of fixed length is rewritten. */

#include "agent/observe/mounts.h"
#include "include/disk.h"
#include "include/incident.h"
#include "include/usec.h"

struct state_file {
        int fd;
        char path[128];
};

/* Opens, or creates, the file of the disk in DIRECTORY. 0, or a negative errno. */
int state_file_open(const char *directory, const struct disk_id *disk, struct state_file *ret);
void state_file_close(struct state_file *file);

/* Removes it: the disk is healthy or gone, there is nothing to tell. */
void state_file_remove(struct state_file *file);

/* Writes the state, and when its last act began (0: none), alone. Allocates nothing. 0, or a
 * negative errno. */
int state_file_set(struct state_file *file, enum incident_state state, usec_t acted_at);

/* Writes all of it. 0, or a negative errno. */
int state_file_write(struct state_file *file, enum incident_state state, usec_t acted_at,
                     const struct mounts *mounts);

/* Reads what is there. 0 with the state, and mounts that the caller clears; -ENODATA when nothing
 * is told; -EBADMSG when it makes no sense; -ENOMEM. */
int state_file_read(struct state_file *file, enum incident_state *ret_state,
                    usec_t *ret_acted_at, struct mounts *ret_mounts);
