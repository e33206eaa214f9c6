/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's end of the private socket (include/bus.h says what goes over it). Peer-to-peer D-Bus
 * as PID 1 does it for systemctl, so it works without dbus-daemon. Everything runs from the event
 * loop; no client can make the daemon wait: a client that does not read its answers is dropped, and
 * there are never more than BUS_CONNECTIONS_MAX of them. Logs nothing. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "include/bus-acts.h"
#include "include/bus-stack.h"
#include "include/bus.h"
#include "include/policy-report.h"

typedef struct sd_event sd_event;

/* More than the people and scripts that look at one machine; few enough to bound the memory. */
#define BUS_CONNECTIONS_MAX 16

/* Reset() calls that wait for their answer at one time; those of clients that left count too. */
#define BUS_CALLS_MAX 16

struct bus_server;
struct bus_status; /* an answer in the making: agent/report/bus-answer.h */
struct bus_call;   /* a Reset() that waits for its answer */

/* What the server asks the daemon. None of these may block. */
struct bus_ops {
        /* Log lines lost so far. */
        uint64_t (*dropped)(void *userdata);

        /* Calls bus_status_add() once for each disk, in the order in which they are to be shown. */
        void (*status)(void *userdata, struct bus_status *status);

        /* Tells of DISK: one bus_status_add(), then one bus_signal_add() for each signal, then one
         * bus_fact_add() for each fact. 0, or -ENODEV: the client gets NoSuchDisk. */
        int (*show)(void *userdata, const char *disk, struct bus_status *status);

        /* Tells what stands on DISK, or with DOMAIN on all disks of its fault domain: one
         * bus_stack_begin(), then one bus_node_add() for each. 0, or -ENODEV as above. */
        int (*stack)(void *userdata, const char *disk, bool domain, struct bus_status *status);

        /* What is in force for DISK: one bus_policy_set(). 0, or -ENODEV as above. */
        int (*policy)(void *userdata, const char *disk, struct bus_status *status);

        /* Begins a rung on DISK (all three as the client wrote them: they may be any text).
         * Returns 0 when it has begun: then CALL belongs to the daemon, which ends it with
         * bus_call_done(), at once or later.
         * Otherwise CALL is no longer valid, and the client gets: for -ENODEV NoSuchDisk; for
         * -EBUSY, -EPERM and -EINVAL Refused with REASON, one sentence (left alone: "refused");
         * for any other negative errno that error. */
        int (*reset)(void *userdata, const char *disk, const char *rung, const char *force,
                     struct bus_call *call, char reason[static BUS_REASON_MAX]);

        /* Tells what that would do: one bus_plan_begin(), then one bus_step_add() for each step.
         * Errors as above. */
        int (*plan)(void *userdata, const char *disk, const char *rung, const char *force,
                    struct bus_status *status, char reason[static BUS_REASON_MAX]);

        /* Suppresses acts on DISK for SPAN microseconds. Errors as above. */
        int (*suppress)(void *userdata, const char *disk, uint64_t span,
                        char reason[static BUS_REASON_MAX]);
};

struct bus_config {
        const char *path;          /* of the socket: BUS_SOCKET but in tests; copied */
        const char *version;       /* told to clients; must outlive the server */
        const struct bus_ops *ops; /* must outlive the server */
        void *userdata;            /* given to each of OPS */
};

/* Opens the socket (mode 0600; the directory must be there; what a dead daemon left is replaced)
 * and answers on it from EVENT, of which a reference is kept, at a priority below the default one.
 * Returns 0 and the server, owned by the caller; -ENAMETOOLONG when the path does not fit, -ENOMEM,
 * or the errno of what failed (-ENOENT: no such directory). */
int bus_server_new(sd_event *event, const struct bus_config *config,
                   struct bus_server **ret) _must_check_;

/* Closes everything, unsent answers included, without waiting, and removes the socket. Calls not
 * ended are dropped: their clients see the connection end, and bus_call_done() must not be called
 * for them any more. Takes NULL. Returns NULL. */
struct bus_server *bus_server_free(struct bus_server *server);

static inline void bus_server_freep(struct bus_server **server) {
        *server = bus_server_free(*server);
}

/* Answers a Reset() and ends CALL, which is then no longer valid. OUTCOME is one of the words that
 * Reset() ends with ("recovered", "no-change", ...), TEXT one sentence; both are copied as above.
 * Safe when the client has gone meanwhile: then nothing is sent. */
void bus_call_done(struct bus_call *call, const char *outcome, const char *text);
