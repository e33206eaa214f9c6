/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "include/usec.h"

/* Enough for every text that format_usec() makes. */
#define FORMAT_USEC_MAX 48

/* CLOCK_MONOTONIC now. Only the wiring asks; everybody below is told. */
usec_t now_monotonic(void);

/* Reads a time span as systemd.time(7) writes it: "45s", "5min", "1h 30min", "1.5s", "250ms",
 * "infinity"; a number without a unit is seconds. Returns 0, or -EINVAL when the text is no time
 * span, -ERANGE when it does not fit; *ret is then left alone. */
int parse_usec(const char *text, usec_t *ret);

/* Writes T as people read it: "infinity", "0", "1.250s", "45s", "2min", "1h 30min", "3d 4h": whole
 * units exactly, from a minute on rounded down to the second, below one to the millisecond.
 * parse_usec() of a text made from whole seconds gives the same value back. Returns BUF. */
const char *format_usec(char *buf, size_t size, usec_t t);
