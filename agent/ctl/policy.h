/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is in force for a disk, as a person reads it. Pure, as table.h. */

#include <stdio.h>

#include "include/policy-report.h"

/* Writes the policy of DISK and why it is that one, each value with where it comes from, and what
 * is worth a thought. */
void policy_print(FILE *f, const char *disk, const struct policy_report *report);
