/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What is more than that is left out: UNHANG_ properties last of all. */
#define PROPERTIES_MAX 4096

/* The properties of a disk in udev, "NAME=value" each, ended by NUL. A flat copy, for it is kept
 * while the disk may hang. */
struct properties {
        uint64_t bytes; /* the size of the disk; 0: not known */
        uint32_t size;  /* of what is used of the text */
        uint32_t ours;  /* of its beginning, which holds all UNHANG_ properties */
        bool cut;       /* something was left out */
        char text[PROPERTIES_MAX];
};

/* Adds one. Returns whether there was room. */
static inline bool properties_add(struct properties *properties, const char *name,
                                  const char *value) {
        size_t room = PROPERTIES_MAX - properties->size;
        int n = snprintf(properties->text + properties->size, room, "%s=%s", name, value);

        if (n < 0 || (size_t) n >= room) {
                properties->cut = true;
                return false;
        }
        properties->size += (uint32_t) n + 1;
        return true;
}

/* The one after P, which is NULL for the first; NULL after the last. */
static inline const char *properties_next(const struct properties *properties, const char *p) {
        const char *next = p ? p + strlen(p) + 1 : properties->text;

        return next < properties->text + properties->size ? next : NULL;
}

static inline bool properties_equal(const struct properties *a, const struct properties *b) {
        return a->bytes == b->bytes && a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Whether the UNHANG_ properties of both are the same. */
static inline bool properties_equal_ours(const struct properties *a, const struct properties *b) {
        return a->ours == b->ours && memcmp(a->text, b->text, a->ours) == 0;
}

/* The value of NAME, or NULL. */
static inline const char *properties_get(const struct properties *properties, const char *name) {
        size_t n = strlen(name);

        for (const char *p = NULL; (p = properties_next(properties, p));)
                if (strncmp(p, name, n) == 0 && p[n] == '=')
                        return p + n + 1;
        return NULL;
}
