/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where configuration lies, and which file of a name counts, by systemd's rules. All of it reads
 * directories, which can hang with the disk that they are on. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/conf/report.h"

#define CONF_DIRS 3

/* The directories, the one that counts first at the head. */
struct conf_places {
        const char *dirs[CONF_DIRS];
};

/* /etc/unhang, /run/unhang and /usr/lib/unhang. */
extern const struct conf_places conf_places_system;

struct conf_found {
        char name[NAME_MAX + 1]; /* of the file, without the directory */
        char path[PATH_MAX];
};

struct conf_findings {
        struct conf_found *found; /* in lexical order of their names, each name once */
        size_t n;
};

/* All files of SUBDIR ("policy.d") in these directories whose names end with SUFFIX and do not
 * begin with a dot; of one name, that in the directory that counts first. A directory that is not
 * there is empty; one that cannot be read is an error, told and counted in *errors. 0 and what the
 * caller frees with conf_findings_clear(), or -ENOMEM. */
int conf_find(const struct conf_places *places, const char *subdir, const char *suffix,
              conf_message_cb callback, void *userdata, int *errors, struct conf_findings *ret)
        _must_check_;

/* The first of DIR/NAME that there is, in the order of the directories. Returns whether one is. */
bool conf_find_first(const struct conf_places *places, const char *name, char ret_path[PATH_MAX]);

void conf_findings_clear(struct conf_findings *findings);
