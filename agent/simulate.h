/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "unhang record" and "unhang simulate": they need no daemon, and act on nothing. */

#include <stddef.h>
#include <stdio.h>

#include "agent/ctl/verb.h"

/* Writes what the kernel says of DISKS ("sda", "/dev/sda", "nvme0n1" for all its paths), or of all
 * that udev has tagged, as the text of a story to OUT, until it is interrupted or OUT takes no
 * more. VERB_USAGE when one is not known, VERB_ERROR. */
enum verb_result record(char **disks, size_t n, FILE *out, FILE *err);

/* Plays the story at PATH of the disk NAME (of the first it tells of when that is NULL) with the
 * limits of the configuration at CONFIG (of the story, when that is NULL), and tells to OUT what
 * would have been done. VERB_OK; VERB_ERROR when it cannot be read, or when what it expects does
 * not come. */
enum verb_result simulate(const char *path, const char *name, const char *config, FILE *out,
                          FILE *err);
