/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon fills the answers with that struct bus_ops asks it for. */

#include "agent/report/bus.h"

/* Adds one disk to the answer. Texts are copied: bytes that are not UTF-8 become '?', each text is
 * cut at 511 bytes, NULL is "". Failure (no memory) is kept in STATUS and told to the client. */
void bus_status_add(struct bus_status *status, const struct disk_report *disk);

/* Adds one signal to the answer to Show(), and one fact; texts and failure as above. */
void bus_signal_add(struct bus_status *status, const struct signal_report *signal);
void bus_fact_add(struct bus_status *status, const struct fact_report *fact);

/* Begins the answer to Stack(), and adds a node to it; as above. */
void bus_stack_begin(struct bus_status *status, const struct stack_report *report);
void bus_node_add(struct bus_status *status, const struct node_report *node);

/* Fills the answer to Policy(); as above. */
void bus_policy_set(struct bus_status *status, const struct policy_report *policy);

/* Begins the answer to Plan(), and adds a step to it; as above. */
void bus_plan_begin(struct bus_status *status, const char *rung, const char *refusal);
void bus_step_add(struct bus_status *status, const char *text);
