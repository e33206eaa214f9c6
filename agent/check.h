/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "unhang check", "unhang policy --test" and "unhang help-policy": they need no daemon, look at no
 * disk, and read the configuration as the daemon does. */

#include <stddef.h>
#include <stdio.h>

#include "agent/ctl/verb.h"

/* Reads the N FILES, each by its name as a policy or as unhangd.conf, or, without any, the whole
 * configuration; tells to ERR what is wrong with it. VERB_OK, also with warnings; VERB_ERROR when
 * there is an error, or a file named is not there. */
enum verb_result check(char **files, size_t n, FILE *out, FILE *err);

/* Tells to OUT what would be in force for a disk of which the N FACTS are known: KEY=VALUE with a
 * key of [Match] or the name of a udev property. VERB_OK, VERB_USAGE, or VERB_ERROR. */
enum verb_result test_policy(char **facts, size_t n, FILE *out, FILE *err);

/* Tells to OUT what can stand in a policy. VERB_OK, or VERB_ERROR when OUT did not take it. */
enum verb_result help_policy(FILE *out);
