/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* One value that is in force for a disk. */
struct value_report {
        const char *section; /* "Detect" */
        const char *key;     /* "StallSec" */
        const char *value;   /* as a policy would have it: "2min" */
        const char *origin;  /* "/etc/unhang/unhangd.conf:3", "udev property ...", "default" */
};

/* What is in force for a disk, and why. */
struct policy_report {
        const char *policy; /* its name, "-" if there is none */
        const char *reason; /* why it is that one */
        const struct value_report *values;
        size_t n_values;
        const char *const *notes; /* a sentence each, on values that do not go well with the disk */
        size_t n_notes;
};
