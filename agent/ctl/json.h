/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

struct client_show;
struct client_stack;
struct client_status;

/* Writes STATUS to F as one JSON object, UTF-8, one disk a line. Times are microseconds, in keys
 * that end in _usec; what does not apply is null (a time that is infinite, an act that never was).
 * The keys are promised in unhang(1). Write errors stay in F. */
void json_print(FILE *f, const struct client_status *status);

/* The same for one disk: its object as it is in STATUS, with more keys: its signals and facts, and
 * those of STACK but for the radius. */
void json_print_disk(FILE *f, const struct client_show *show, const struct client_stack *stack);

/* Writes what a reset of the fault domain of DISK can freeze, as one object, one node a line. */
void json_print_radius(FILE *f, const char *disk, const struct client_stack *stack);

/* Writes TEXT as a JSON string with its quotes. Whatever bytes it has, the result is valid JSON and
 * valid UTF-8: a byte that is not UTF-8 becomes U+FFFD. */
void json_put_string(FILE *f, const char *text);
