/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the configuration anew while disks may hang, the one that the files are on among them: a
 * process of its own opens and reads them, within a deadline. All of it is taken or nothing. */

#include "agent/base/macro.h"

struct agent;
struct reload;

/* What is needed for all reloads is taken now, so that none has to allocate. CONFIG is what is read
 * for unhangd.conf, NULL for the one at its place; it must outlive the reload. Reads the
 * configuration for the first time, in this process, and into agent->conf; what is wrong with it is
 * logged. 0, or -ENOMEM. */
int reload_new(struct agent *agent, const char *config, struct reload **ret) _must_check_;
struct reload *reload_free(struct reload *reload);

/* Begins to read it again. What comes of it is logged, and told to systemd. While one is being read
 * already, it is read once more afterwards. */
void reload_begin(struct reload *reload);
