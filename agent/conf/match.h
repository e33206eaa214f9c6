/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* [Match]: which disks a policy is for. Pure: what is known of the disk is handed in. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/properties.h"

/* One mount of a filesystem that stands on the disk. */
struct conf_mount {
        const char *type, *target;
};

/* What is known of a disk. */
struct conf_facts {
        const struct disk_id *id;
        const struct properties *properties;
        const struct conf_mount *mounts;
        size_t n_mounts;
};

enum conf_match_type {
        MATCH_GLOBS,      /* words, of which one has to match something of the disk */
        MATCH_PROPERTIES, /* NAME=GLOB words, all of which have to match */
        MATCH_SIZE_MIN,
        MATCH_SIZE_MAX,
        MATCH_YES_NO,
};

struct conf_match_key {
        const char *name;
        enum conf_match_type type;
        const char *meaning; /* for the administrator; lines of at most 76 columns */
};

#define CONF_MATCH_KEYS 14
extern const struct conf_match_key conf_match_keys[CONF_MATCH_KEYS];

/* The value of each key in the order of conf_match_keys, NULL where it is not given. */
struct conf_match {
        const char *values[CONF_MATCH_KEYS];
};

/* Whether VALUE can be given to KEY. 0, or -EINVAL. */
int conf_match_check(const struct conf_match_key *key, const char *value) _must_check_;

/* What can, in words. */
const char *conf_match_allowed(const struct conf_match_key *key);

/* Whether the disk is one of those meant: all keys given match it. */
bool conf_match(const struct conf_match *match, const struct conf_facts *facts);

/* How the disk is attached: "virtio", "nvme", "iscsi", "fc", "sas", "ata", "usb", "xen", "scsi", or
 * what udev says (ID_BUS); "" when that is not known. */
const char *conf_transport(const struct conf_facts *facts);

/* Reads "512", "10G", "2T": K, M, G, T, P to the base of 1024. 0, or -EINVAL. */
int conf_parse_size(const char *text, uint64_t *ret) _must_check_;
