/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the commands share. */

#include "agent/base/macro.h"
#include "agent/ctl/verb.h"
#include "include/usec.h"

/* The daemon answers from its loop within milliseconds; a machine with its memory short and its
 * disks hung may take a while to run it. */
#define ANSWER_TIMEOUT (30 * USEC_PER_SEC)

void verb_complain(const struct verb_context *c, const char *format, ...) _printf_(2, 3);

/* Complains of an errno of agent/ctl/client.h, -ENODEV that there is no such DISK. */
enum verb_result verb_explain(const struct verb_context *c, const char *disk, int error);

/* "/dev/sda" is "sda". NULL, after a complaint, for what cannot be the name of a disk. Links under
 * /dev are not followed: that would touch the disk's node. */
const char *verb_disk_name(const struct verb_context *c, const char *arg);

bool verb_is_terminal(FILE *f);

/* Where to break lines: nowhere (0) when F is no terminal, for there it is a program that reads. */
size_t verb_width(FILE *f);
