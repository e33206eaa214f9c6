/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What answers of the bus are made of. */

#include "include/policy-report.h"

struct sd_bus_message;

#define TEXT_MAX 512

/* TEXT as it can go over the bus: bytes that are not UTF-8 become '?', it is cut at 511 bytes, and
 * NULL is "". Returns BUF. */
const char *clean_text(const char *text, char buf[static TEXT_MAX]);

/* Appends the answer to Policy(). 0 or more, or a negative errno. */
int append_policy(struct sd_bus_message *reply, const struct policy_report *policy);
