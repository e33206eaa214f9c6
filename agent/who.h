/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "agent/ctl/verb.h"

/* Shows which processes hold DISKS[0], or a filesystem on it, by what the daemon knows to stand
 * there; N is 1. It looks at them itself, in a process of its own that may hang: after 10 s what is
 * known by then has to do. Returns VERB_OK, VERB_ERROR, VERB_USAGE or VERB_NOT_RUNNING. */
enum verb_result who_holds(const struct verb_context *c, char **disks, size_t n);
