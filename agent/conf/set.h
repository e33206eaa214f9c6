/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The whole configuration: unhangd.conf with its parts, and all policies. One block of memory
 * without pointers, for it is read by a process of its own and handed over whole. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/conf/find.h"
#include "agent/conf/key.h"
#include "agent/conf/match.h"

/* More is refused: a bound for the memory, which is locked, and for the time to find a policy. */
#define CONF_POLICIES_MAX 128
#define CONF_FILES_MAX (CONF_POLICIES_MAX + 64)
#define CONF_POOL_SIZE (64 * 1024)

#define CONF_NAME_MAX 64 /* of a policy, with its NUL */
#define CONF_CONFIG_NAME "unhangd.conf"
#define CONF_POLICY_DIR "policy.d"
#define CONF_POLICY_SUFFIX ".policy"

/* Where a value was given. */
struct conf_source {
        uint16_t file; /* in conf_set.files; 0: nowhere */
        unsigned line; /* 0: the file as a whole */
};

struct conf_values {
        struct policy policy;
        struct conf_source from[CONF_KEYS]; /* of each key; where that is nowhere, its value is
                                             * undefined */
};

struct conf_policy {
        uint32_t name; /* in the pool */
        uint16_t file;
        bool matches;  /* it has a [Match] that is understood */
        bool unreadable;
        uint32_t match[CONF_MATCH_KEYS]; /* in the pool; 0: not given */
        struct conf_values values;
};

struct conf_set {
        struct conf_values general; /* of unhangd.conf and its parts */
        struct conf_policy policies[CONF_POLICIES_MAX]; /* in the order in which they are tried */
        size_t n_policies;
        uint32_t files[CONF_FILES_MAX + 1]; /* their paths, in the pool; from 1 */
        uint16_t n_files;
        uint32_t pool_used;
        char pool[CONF_POOL_SIZE]; /* texts, each ended by NUL; at 0 the empty one */
};

/* Reads all that lies in PLACES; CONFIG is the file to be read for unhangd.conf, NULL for the one
 * there. Of a file that is masked nothing is taken. Returns the number of errors, each told to
 * CALLBACK, which may be NULL; *ret is complete in every case, see parse.h. It can hang with the
 * disk that the files are on. */
int conf_set_read(const struct conf_places *places, const char *config, conf_message_cb callback,
                  void *userdata, struct conf_set *ret);

/* As when there is no file at all. */
void conf_set_init(struct conf_set *ret);

const char *conf_set_text(const struct conf_set *set, uint32_t offset);

/* The policy of this name, or NULL. */
const struct conf_policy *conf_set_find(const struct conf_set *set, const char *name);
