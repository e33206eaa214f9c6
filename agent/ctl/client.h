/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line's end of the private socket (include/bus.h). Synchronous: each call returns with
 * the answer, an error, or when its time is over. Prints nothing, and looks at no disk. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "include/bus-acts.h"
#include "include/bus-stack.h"
#include "include/bus.h"

struct sd_bus_message;
struct client;

/* The answer to Status(). The texts live in the answer itself: they are valid until
 * client_status_done(). */
struct client_status {
        struct sd_bus_message *answer;
        const char *version; /* of the daemon */
        uint64_t dropped;    /* log lines that the journal did not take */
        struct disk_report *disks;
        size_t n_disks;
};

/* The answer to Show(). The texts are valid until client_show_done(). */
struct client_show {
        struct sd_bus_message *answer;
        struct disk_report disk;
        struct signal_report *signals;
        size_t n_signals;
        struct fact_report *facts;
        size_t n_facts;
};

/* The answer to Stack(). The texts are valid until client_stack_done(). */
struct client_stack {
        struct sd_bus_message *answer;
        struct stack_report report;
        char **owners; /* those of the report */
        struct node_report *nodes;
        size_t n_nodes;
};

/* Connects to the daemon's socket at PATH, waiting at most TIMEOUT microseconds. Returns 0 and the
 * client, owned by the caller; -ENOENT or -ECONNREFUSED: no daemon is there; -EACCES or -EPERM: not
 * root; -ECONNRESET: it closed the connection, as it does when it has too many; -ETIMEDOUT or
 * -EAGAIN: it does not answer; -ENAMETOOLONG; -ENOMEM; or another errno. */
int client_connect(const char *path, usec_t timeout, struct client **ret) _must_check_;

/* Closes the connection. Takes NULL. Returns NULL. */
struct client *client_free(struct client *client);

/* Asks for the state of all disks. Returns 0; -ETIMEDOUT: no answer within TIMEOUT microseconds;
 * -ECONNRESET: the daemon went away; -EPROTO: the answer is not what this version of unhang
 * understands; or another errno. On failure *ret is left alone. */
int client_status(struct client *client, usec_t timeout, struct client_status *ret) _must_check_;

/* Frees what STATUS holds. A zeroed one is fine. */
void client_status_done(struct client_status *status);

/* Keeps of the disks only those named; N is the number of NAMES. Returns the first name of which
 * there is no disk, NULL when all are there. */
const char *client_status_select(struct client_status *status, char *const *names, size_t n);

/* Asks for all that is known of DISK ("sda"). Returns as client_status(), and -ENODEV when no such
 * disk is guarded. */
int client_show(struct client *client, const char *disk, usec_t timeout,
                struct client_show *ret) _must_check_;

/* Frees what SHOW holds. A zeroed one is fine. */
void client_show_done(struct client_show *show);

/* Asks for what stands on DISK; with DOMAIN on all disks of its fault domain. As client_show(). */
int client_stack(struct client *client, const char *disk, bool domain, usec_t timeout,
                 struct client_stack *ret) _must_check_;
void client_stack_done(struct client_stack *stack);

static inline void client_freep(struct client **client) {
        *client = client_free(*client);
}
