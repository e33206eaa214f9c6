/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process forked while the daemon is still small, out of which all others are forked that may
 * hang. What they inherit they lock in memory, each for itself: forked out of the daemon that would
 * be what it knows of all disks, for each disk. */

#include <stddef.h>

#define NURSERY_NAME_MAX 16      /* of a process, with its NUL (prctl(2): PR_SET_NAME) */
#define NURSERY_ARGUMENT_MAX 256 /* with its NUL */

/* What a process does. It owns FD, has nothing else open, and does not return. */
typedef void (*nursery_run_t)(const char *name, const char *argument, int fd);

struct nursery {
        int fd;
        nursery_run_t run;
};

/* Forks it. For RUN of all processes that are to come. 0, or a negative errno. */
int nursery_open(nursery_run_t run, struct nursery *ret);

/* Has it fork a process for RUN(NAME, ARGUMENT, FD); an ARGUMENT of NULL stays one. FD remains the
 * caller's. When the nursery has died, another one is forked. That the process could not be forked
 * is seen by the end of whatever FD is connected to. 0, or a negative errno: -ENAMETOOLONG;
 * -EAGAIN when for a second it had no room for another request; that of the fork. */
int nursery_fork(struct nursery *nursery, const char *name, const char *argument, int fd);

/* Lets it end. What came out of it goes on. */
void nursery_close(struct nursery *nursery);

/* Makes of the process that calls this one called NAME that has nothing open but FD, blocks no
 * signal, and waits for no memory or disk where that can be helped. */
void nursery_settle(const char *name, int fd);
