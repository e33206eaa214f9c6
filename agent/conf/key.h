/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys that a policy is made of: one table reads them, checks them, prints them and documents
 * them. A key is added by a field in struct policy and an entry in table.c. */

#include <stddef.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "include/policy.h"

/* The value for "no limit". */
#define CONF_INFINITY UINT64_MAX

enum conf_type {
        CONF_TIME,   /* a time span, in microseconds */
        CONF_COUNT,  /* a decimal number, or infinity */
        CONF_YES_NO, /* 1 or 0, written as systemd writes booleans */
        CONF_CHOICE, /* one of WORDS, as its index */
        CONF_LIST,   /* some of WORDS in an order, each at most once: see policy_list_at() */
        _CONF_TYPE_MAX,
};

/* Which of two values of a key does less, and so is the careful one. */
enum conf_careful {
        CONF_LARGER,
        CONF_SMALLER, /* of a CONF_LIST: the shorter one */
};

/* One key. The keys of a section stand together. */
struct conf_key {
        const char *section;
        const char *name;
        enum conf_type type;
        enum conf_careful careful;
        const char *const *words; /* CONF_CHOICE, CONF_LIST: ends with NULL; at most 15 */
        size_t offset;            /* of the 64 bits in struct policy */
        uint64_t min, max;        /* themselves allowed, and for CONF_COUNT CONF_INFINITY as well;
                                   * CONF_LIST: the least and the largest number of words */
        uint64_t preset;          /* the default */
        uint64_t fallback;        /* what a value counts as that is not allowed: the one that does
                                   * least, where acts depend on it; else the default */
        const char *meaning;      /* for the administrator; lines of at most 76 columns */
};

#define CONF_KEYS 30
extern const struct conf_key conf_keys[CONF_KEYS];

/* The key of this name, in SECTION unless that is NULL; NULL when there is none. No two sections
 * have a key of one name. */
const struct conf_key *conf_find_key(const char *section, const char *name);

/* Enough for every text that conf_format() and conf_allowed() make. */
#define CONF_TEXT_MAX 320

/* The value of KEY in POLICY, and how to set it. */
uint64_t conf_value(const struct policy *policy, const struct conf_key *key);
void conf_set_value(struct policy *policy, const struct conf_key *key, uint64_t value);

/* The defaults of every key. */
void conf_defaults(struct policy *ret);

/* Reads TEXT as a value of KEY. 0; -EINVAL when it is none of that type; -ERANGE when it is one and
 * not allowed: *ret is then the value if it fits, else CONF_INFINITY. */
int conf_parse(const struct conf_key *key, const char *text, uint64_t *ret) _must_check_;

/* 1 for yes, true, on, 1; 0 for no, false, off, 0; or -EINVAL. */
int conf_parse_yes_no(const char *text);

/* Writes VALUE as conf_parse() reads it; a time as format_usec() does. Returns BUF. */
const char *conf_format(char *buf, size_t size, const struct conf_key *key, uint64_t value);

/* What conf_parse() accepts, in words: "a time from 1s to 7d", "yes or no". Returns BUF. */
const char *conf_allowed(char *buf, size_t size, const struct conf_key *key);

/* The udev property that sets KEY for one disk: "UNHANG_STALL_SEC". Returns BUF. */
const char *conf_property(char *buf, size_t size, const struct conf_key *key);

/* Of two values the one that does less, and how that is called: "the longest". */
uint64_t conf_careful(const struct conf_key *key, uint64_t a, uint64_t b);
const char *conf_careful_word(const struct conf_key *key);
