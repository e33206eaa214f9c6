/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/observe/bind.h"

/* What comes after DIR in PATH: "/a" of "/dir/a", "" of "/dir"; NULL when it is not in there. */
static const char *below(const char *path, const char *dir) {
        size_t n = strlen(dir);

        if (strcmp(dir, "/") == 0)
                return path;
        return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

static bool has(const struct mount_entry *whole, const struct mount_entry *part) {
        return whole->devnum == part->devnum && !mount_entry_is_part(whole) &&
               below(part->root, whole->root);
}

bool bind_of(const struct mounts *mounts, size_t i, struct mount_entry *ret) {
        const struct mount_entry *part;

        assert(mounts && i < mounts->n && ret);

        part = mounts->entries + i;
        if (!mount_entry_is_part(part))
                return false;
        for (size_t k = 0; k < mounts->n; k++) {
                const struct mount_entry *whole = mounts->entries + k;
                struct mount_entry bind = *part;

                if (!has(whole, part) ||
                    (size_t) snprintf(bind.source, sizeof(bind.source), "%s%s", whole->target,
                                      below(part->root, whole->root)) >= sizeof(bind.source))
                        continue;
                bind.flags |= MS_BIND;
                *ret = bind;
                return true;
        }
        return false;
}
