/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands on disks, as a person reads it: one node a line, two blanks deeper for each level.
 * Pure, and careful with what it is given, as agent/ctl/table.h. */

#include <stdio.h>

struct client_stack;

/* Writes below the lines of table_print_disk() what stands on the disk, and who looks after it. */
void tree_print(FILE *f, const struct client_stack *stack);

/* Writes what a reset of the fault domain of DISK can freeze: how much of it, then all of it. */
void tree_print_radius(FILE *f, const char *disk, const struct client_stack *stack);
