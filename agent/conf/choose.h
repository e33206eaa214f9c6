/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which policy a disk has, and what is in force for it. Pure. In this order, the later over the
 * earlier: the defaults, unhangd.conf, the policy, single udev properties. */

#include "agent/conf/set.h"
#include "include/policy-report.h"

#define CONF_POLICY_PROPERTY "UNHANG_POLICY"
#define CONF_IGNORE_PROPERTY "UNHANG_IGNORE"
#define CONF_ROTATIONAL_PROPERTY "UNHANG_ROTATIONAL"

/* The policy of disks that no other is for, if there is one of that name. */
#define CONF_DEFAULT_POLICY "default"

/* More of a path is cut off. */
#define CONF_ORIGIN_MAX 512

enum conf_by {
        CONF_BY_NOTHING,  /* there is no policy for it */
        CONF_BY_PROPERTY, /* UNHANG_POLICY= names it, or one that is not there */
        CONF_BY_MATCH,
        CONF_BY_DEFAULT,  /* no other is for it */
};

enum conf_origin {
        CONF_FROM_DEFAULT,
        CONF_FROM_FILE,
        CONF_FROM_PROPERTY,
        CONF_FROM_STALL, /* WarnSec=: it is not longer than StallSec= */
        CONF_FROM_ERROR, /* Act=: what was meant is not known */
};

struct conf_choice {
        struct policy policy;
        const struct conf_policy *chosen; /* in the set; NULL for CONF_BY_NOTHING */
        enum conf_by by;
        bool ignored;                     /* UNHANG_IGNORE=1 */
        enum conf_origin origins[CONF_KEYS];
        struct conf_source from[CONF_KEYS]; /* for CONF_FROM_FILE */
};

/* Chooses. What is wrong with the properties is told to CALLBACK, which may be NULL, as
 *   DISK: UNHANG_STALL_SEC=VALUE: what is allowed; what is in force instead
 * A property that cannot be read falls back as a key of a file does; a policy that is not there, or
 * could not be read, and an UNHANG_IGNORE= that cannot be, mean Act=no. */
void conf_choose(const struct conf_set *set, const struct conf_facts *facts,
                 conf_message_cb callback, void *userdata, struct conf_choice *ret);

/* The name of the policy, "-" without one. */
const char *conf_choice_name(const struct conf_set *set, const struct conf_choice *choice);

/* What is to be told of a choice, with the texts that it points to. */
struct conf_told {
        struct policy_report report; /* without notes */
        struct value_report values[CONF_KEYS];
        char reason[CONF_ORIGIN_MAX], origins[CONF_KEYS][CONF_ORIGIN_MAX];
        char texts[CONF_KEYS][CONF_TEXT_MAX];
};

/* Fills *ret, which also points into SET. */
void conf_choice_tell(const struct conf_set *set, const struct conf_choice *choice,
                      struct conf_told *ret);
