/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines into a file that may stand on a disk that hangs: another process writes them. It is the one
 * that hangs then; what it does not take is dropped, counted, and said in the file. */

#include <stdbool.h>
#include <stdint.h>

struct recorder {
        int fd;           /* to that process; -EBADF: nothing is recorded */
        uint64_t dropped; /* since the last line that it took */
        bool broken;      /* that process has ended: the file took no more */
};

/* Creates the file at PATH, or empties it, and starts the writer. 0 or a negative errno. */
int recorder_open(const char *path, struct recorder *ret);

/* Hands a line over. Never waits. */
void recorder_write(struct recorder *recorder, const char *line);

/* Ends the writer when it has written what it took. Nothing happens to a closed one. */
void recorder_close(struct recorder *recorder);
