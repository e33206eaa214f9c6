/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* More of client.h: what is in force for a disk. */

#include "agent/ctl/client.h"
#include "include/policy-report.h"

/* The answer to Policy(). The texts are valid until client_policy_done(). */
struct client_policy {
        struct sd_bus_message *answer;
        struct policy_report report;
        struct value_report *values; /* what REPORT points to */
        const char **notes;
};

/* Asks what is in force for DISK ("sda"). Returns as client_show(). */
int client_policy(struct client *client, const char *disk, usec_t timeout,
                  struct client_policy *ret) _must_check_;

/* Frees what POLICY holds. A zeroed one is fine. */
void client_policy_done(struct client_policy *policy);
