/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `unhang` can be told to do. Each returns what the program exits with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct client_stack;

/* Promised to scripts in unhang(1): never give one another meaning. */
enum verb_result {
        VERB_OK = 0,
        VERB_ERROR = 1,         /* something failed, or the daemon or the person refused */
        VERB_USAGE = 2,         /* the command line makes no sense */
        VERB_NOT_RUNNING = 3,   /* no daemon on the socket */
        VERB_UNHEALTHY = 4,     /* status, show: some disk shown needs attention */
        VERB_NOT_RECOVERED = 5, /* reset: done or tried, but the I/O did not come back */
};

struct verb_context {
        const char *socket; /* BUS_SOCKET but in tests */
        FILE *in;           /* where a person answers */
        FILE *out;          /* results */
        FILE *err;          /* complaints, and the question to the person */
        bool json;          /* for programs: what only shows */
        const char *rung;   /* reset: which; NULL: the one that would come next */
        const char *force;  /* reset: guards that are taken on, separated by commas; or NULL */
        bool yes;           /* reset: do not ask */
        bool dry_run;       /* reset: only tell what would be done */
};

/* All of them are called alike: with N arguments, as many as the command line allows. */

/* Shows all disks, or the N named in DISKS ("sda" or "/dev/sda"; the array may be changed). Returns
 * VERB_OK, VERB_ERROR, VERB_USAGE, VERB_NOT_RUNNING or VERB_UNHEALTHY. */
enum verb_result verb_status(const struct verb_context *c, char **disks, size_t n);

/* Shows all that is known of DISKS[0], and through what; N is 1. Returns as verb_status(). */
enum verb_result verb_show(const struct verb_context *c, char **disks, size_t n);

/* Shows what a reset of the fault domain of DISKS[0] can freeze; N is 1. Returns as verb_status(),
 * but never VERB_UNHEALTHY. */
enum verb_result verb_blast_radius(const struct verb_context *c, char **disks, size_t n);

/* Asks the daemon what stands on DISK, with DOMAIN on all disks of its fault domain; complains if
 * there is no answer. Returns as verb_blast_radius(); after VERB_OK the caller frees *ret. */
enum verb_result verb_ask_stack(const struct verb_context *c, const char *disk, bool domain,
                                struct client_stack *ret);

/* Shows what is in force for the N disks named, or for all, and where each value comes from.
 * Returns as verb_status() but for VERB_UNHEALTHY. */
enum verb_result verb_policy(const struct verb_context *c, char **disks, size_t n);

/* Has the daemon reset DISKS[0] ("sda" or "/dev/sda") and waits for what comes of it; tells before
 * what will be done and to whom, and asks, unless told not to. N is 1. Returns VERB_OK only if the
 * I/O came back, or VERB_ERROR, VERB_USAGE, VERB_NOT_RUNNING or VERB_NOT_RECOVERED. A dry run
 * returns VERB_OK if nothing stands in the way, VERB_ERROR if something does. */
enum verb_result verb_reset(const struct verb_context *c, char **disks, size_t n);

/* Has the daemon suppress acts on ARGS[0] for the time ARGS[1], 1h if that is not given; "off": no
 * longer. Returns VERB_OK, VERB_ERROR, VERB_USAGE or VERB_NOT_RUNNING. */
enum verb_result verb_suppress(const struct verb_context *c, char **args, size_t n);
