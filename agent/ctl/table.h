/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Disks as a person reads them. Pure: what is given is written to F, nothing else is looked at.
 * Control characters are shown as '?': a serial comes from the hypervisor and must not be able to
 * drive a terminal. Write errors stay in F for the caller to find (ferror()). */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "include/bus.h"

struct client_plan;
struct client_show;

/* Whether DISK needs nobody's attention: its state is healthy or recovered. */
bool disk_healthy(const struct disk_report *disk);

/* Writes a table with one line per disk, and below it one line per disk that has a detail. With
 * COLOUR the state is coloured. N is the number of DISKS; nothing is written for 0. */
void table_print(FILE *f, const struct disk_report *disks, size_t n, bool colour);

/* Writes all about a disk, one thing a line, with the facts of what can be done to it, and then its
 * signals, those that are missing marked with '!'. With COLOUR, these and the state are coloured.
 * Texts that would pass column WIDTH are broken between words; 0: never. */
void table_print_disk(FILE *f, const struct client_show *show, bool colour, size_t width);

/* Writes what the rung of PLAN is about to do to DISK, a line for what it is, and one for each
 * step, broken as above: what a person reads before saying yes. */
void table_print_plan(FILE *f, const struct disk_report *disk, const struct client_plan *plan,
                      size_t width);

/* Writes TEXT, control characters shown as '?', bytes that are not UTF-8 too. */
void table_put_text(FILE *f, const char *text);
