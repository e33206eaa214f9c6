/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table, as people read it. */

#include <stdio.h>

#include "agent/conf/key.h"

/* Writes unhangd.conf as it is shipped: every key with its meaning and its default, as a comment.
 * Returns 0, or -EIO when F did not take it. */
int conf_print_default(FILE *f);

/* Writes what a policy can hold: [Match], and every key with its meaning, what is allowed, its
 * default and its udev property. Returns as above. */
int conf_print_help(FILE *f);
