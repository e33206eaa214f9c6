/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said of a disk, in a sentence: in logs, and in "unhang status". */

#include "agent/disk.h"

/* What stands on a line about a disk at most, with its NUL. */
#define WORDING_MAX 320

/* What the rung is called in a sentence: "LUN reset". */
const char *wording_act(enum step step);

/* Sets the disk's detail. */
void wording_set(struct disk *disk, const char *format, ...) _printf_(2, 3);

/* Sets it to what is going on since the ladder left BEFORE, or since its step is overdue. */
void wording_entered(struct disk *disk, enum incident_state before, usec_t now);
void wording_overdue(struct disk *disk);

/* What a person wants to read now: the detail may be of another time. In BUF, or the detail. */
const char *wording_now(const struct disk *disk, usec_t now, char *buf, size_t size);

/* Why a rung on it was refused. */
const char *wording_refusal(const struct disk *disk, enum refusal refusal);

/* How a disk is guarded that has just appeared. */
void wording_guarded(const struct disk *disk, char *buf, size_t size);

/* ---- of its filesystems: wording-filesystem.c ---- */

/* What a step on one returned, a negative errno: also those of act/filesystem.h. */
const char *wording_mount_error(int error);

/* What is known of them when the disk has recovered: "" or "; ...", in BUF or not. */
const char *wording_survivors(const struct disk *disk, enum incident_state before, char *buf,
                              size_t size);

/* What became of those of a failed disk: "" or ", ...". */
const char *wording_ended(const struct disk *disk);

/* Sets the detail, as wording_entered(), while those of a disk that has recovered are seen to. */
void wording_revival(struct disk *disk, enum incident_state before, usec_t now);
