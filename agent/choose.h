/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Each disk gets the policy that the configuration and udev have for it, anew when one of the two
 * changes. What is in force counts from the next look at the disk on, in an incident too. */

#include <stdbool.h>

#include "agent/conf/choose.h"

struct agent;
struct bus_status;
struct disk;

/* What a disk's policy was made of. */
struct chosen {
        char name[CONF_NAME_MAX];     /* of the policy */
        struct properties properties; /* udev's */
        bool prepared;                /* what is to be set on the disk is set, or asked for */
};

/* Chooses for a disk that is new. Says what is wrong with its properties. Returns whether it is to
 * be guarded at all. */
bool choose_first(struct disk *disk);

/* Chooses anew. Says what is different, and, with COMPLAIN, what is wrong. Returns whether the disk
 * is still to be guarded. */
bool choose_again(struct disk *disk, bool complain);

/* In disk.c: what is in force for the disk has changed. */
void disk_policy_changed(struct disk *disk);

/* Says in an answer for a person what is in force for the disk, and why. */
void choose_describe(const struct disk *disk, struct bus_status *status);

/* Chooses anew for all disks, after the configuration was read. */
void choose_for_all(struct agent *agent);
