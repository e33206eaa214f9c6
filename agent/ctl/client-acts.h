/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of agent/ctl/client.h by which something is done (include/bus-acts.h). */

#include "agent/ctl/client.h"

enum client_verdict {
        CLIENT_ENDED = 0, /* carried out, or tried: outcome and text say what came of it */
        CLIENT_REFUSED,   /* not begun: text says why */
};

/* The answer to Plan(). The texts are valid until client_plan_done(). */
struct client_plan {
        struct sd_bus_message *answer; /* NULL when refused */
        const char *rung;
        const char *refusal; /* "": nothing stands in the way */
        char **steps;        /* ends with NULL */
        char *text;          /* when refused: why there is no plan */
};

/* The answer to Reset(), or to Suppress(). Texts are owned: client_reset_done(). */
struct client_reset {
        char *outcome; /* NULL when refused, or suppressed */
        char *text;    /* NULL when suppressed */
};

/* Asks for a rung on DISK ("sda") and waits until it has ended; RUNG and FORCE as in
 * include/bus-acts.h. Returns an enum client_verdict and fills *ret in; or a negative errno, as
 * client_status(). After one the reset may be under way. */
int client_reset(struct client *client, const char *disk, const char *rung, const char *force,
                 usec_t timeout, struct client_reset *ret) _must_check_;

/* Frees what RESET, or PLAN below, holds. A zeroed one is fine. */
void client_reset_done(struct client_reset *reset);

/* Asks what that would do. As client_reset(). */
int client_plan(struct client *client, const char *disk, const char *rung, const char *force,
                usec_t timeout, struct client_plan *ret) _must_check_;
void client_plan_done(struct client_plan *plan);

/* Has acts on DISK suppressed for SPAN microseconds; 0: no longer. As client_reset(). */
int client_suppress(struct client *client, const char *disk, usec_t span, usec_t timeout,
                    struct client_reset *ret) _must_check_;
