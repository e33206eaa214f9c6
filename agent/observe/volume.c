/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/observe/volume.h"

static int read_text(const char *sysfs, const char *name, const char *file, char *buf,
                     size_t size) {
        char path[VOLUME_PATH_MAX];

        if ((size_t) snprintf(path, sizeof(path), "%s/class/block/%s/%s", sysfs, name, file) >=
            sizeof(path))
                return -ENAMETOOLONG;
        return read_attribute_at(-EBADF, path, buf, size);
}

static bool has(const char *sysfs, const char *name, const char *file) {
        char path[VOLUME_PATH_MAX];

        return (size_t) snprintf(path, sizeof(path), "%s/class/block/%s/%s", sysfs, name, file) <
                       sizeof(path) &&
               access(path, F_OK) == 0;
}

static int read_devnum(const char *sysfs, const char *name, dev_t *ret) {
        unsigned maj, min;
        char text[32];
        int r, end = 0;

        r = read_text(sysfs, name, "dev", text, sizeof(text));
        if (r < 0)
                return r;
        if (sscanf(text, "%u:%u%n", &maj, &min, &end) != 2 || text[end] != '\0')
                return -EINVAL;
        *ret = makedev(maj, min);
        return 0;
}

/* LVM reserves these names for what it makes the RAID of, "lv_rimage_0" (LVM2
 * lib/misc/lvm-string.c: _lvname_has_reserved_string); its uuid does not tell. */
static bool is_raid_leg(const char *name) {
        static const char *const parts[] = { "_rimage_", "_rmeta_", "_mimage_" };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                const char *p = strstr(name, parts[i]);

                if (p && p[strlen(parts[i])] && strspn(p + strlen(parts[i]), "0123456789") ==
                                                        strlen(p + strlen(parts[i])))
                        return true;
        }
        return false;
}

static enum stack_kind dm_kind(const char *uuid, const char *name) {
        static const struct {
                const char *prefix;
                enum stack_kind kind;
        } kinds[] = {
                { "LVM-", STACK_LVM },
                /* dm-verity and dm-integrity of cryptsetup bear their own: "CRYPT-VERITY-". */
                { "CRYPT-LUKS", STACK_CRYPT },
                { "CRYPT-PLAIN", STACK_CRYPT },
                { "CRYPT-TCRYPT", STACK_CRYPT },
                { "CRYPT-BITLK", STACK_CRYPT },
                { "mpath-", STACK_MULTIPATH },
                { "DMRAID-", STACK_DM_RAID },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strncmp(uuid, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
                        return kinds[i].kind == STACK_LVM && is_raid_leg(name) ? STACK_DM_RAID
                                                                               : kinds[i].kind;
        return STACK_DM;
}

static unsigned count_slaves(const char *sysfs, const char *name) {
        char path[VOLUME_PATH_MAX];
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "%s/class/block/%.64s/slaves", sysfs, name);
        dir = opendir(path);
        if (!dir)
                return 0;
        while ((entry = readdir(dir)))
                n += entry->d_name[0] != '.';
        (void) closedir(dir);
        return n;
}

static void read_dm(const char *sysfs, struct stack_node *node) {
        char uuid[160];

        if (read_text(sysfs, node->name, "dm/uuid", uuid, sizeof(uuid)) < 0)
                uuid[0] = '\0';
        if (read_text(sysfs, node->name, "dm/name", node->text, sizeof(node->text)) < 0)
                node->text[0] = '\0';
        node->kind = dm_kind(uuid, node->text);
        node->devices = count_slaves(sysfs, node->name);
}

static void read_md(const char *sysfs, struct stack_node *node) {
        char disks[32];

        node->kind = STACK_MD;
        (void) read_text(sysfs, node->name, "md/level", node->text, sizeof(node->text));
        if (read_text(sysfs, node->name, "md/raid_disks", disks, sizeof(disks)) > 0)
                node->devices = (unsigned) strtoul(disks, NULL, 10);
}

static enum stack_kind kind_by_name(const char *name) {
        if (strncmp(name, "bcache", strlen("bcache")) == 0)
                return STACK_BCACHE;
        if (strncmp(name, "drbd", strlen("drbd")) == 0)
                return STACK_DRBD;
        return STACK_DEVICE;
}

static void read_kind(const char *sysfs, struct stack_node *node) {
        node->text[0] = '\0';
        node->devices = 0;
        if (has(sysfs, node->name, "partition"))
                node->kind = STACK_PARTITION;
        else if (has(sysfs, node->name, "dm"))
                read_dm(sysfs, node);
        else if (has(sysfs, node->name, "md"))
                read_md(sysfs, node);
        else if (read_text(sysfs, node->name, "loop/backing_file", node->text,
                           sizeof(node->text)) >= 0)
                node->kind = STACK_LOOP;
        else
                node->kind = kind_by_name(node->name);
}

int volume_read(const char *sysfs, const char *name, struct stack_node *node) {
        int r;

        assert(sysfs && name && node);

        if ((size_t) snprintf(node->name, sizeof(node->name), "%s", name) >= sizeof(node->name))
                return -ENAMETOOLONG;
        r = read_devnum(sysfs, name, &node->devnum);
        if (r < 0)
                return r;
        read_kind(sysfs, node);
        return 0;
}

/* ---- from a node to a name ---- */

/* "vg/lv" as "vg-lv", where a hyphen of either is doubled (LVM2 libdm/libdm-string.c:
 * dm_build_dm_name). */
static bool lvm_name(const char *path, char *name, size_t size) {
        size_t n = 0;

        for (; *path; path++) {
                if (n + 2 >= size)
                        return false;
                if (*path == '-')
                        name[n++] = '-';
                name[n++] = *path == '/' ? '-' : *path;
        }
        name[n] = '\0';
        return true;
}

static bool find_dm(const char *sysfs, const char *dm_name, char *name, size_t size) {
        char path[VOLUME_PATH_MAX], text[160];
        struct dirent *entry;
        bool found = false;
        DIR *dir;

        if ((size_t) snprintf(path, sizeof(path), "%s/class/block", sysfs) >= sizeof(path))
                return false;
        dir = opendir(path);
        if (!dir)
                return false;
        while (!found && (entry = readdir(dir)))
                if (strncmp(entry->d_name, "dm-", 3) == 0 &&
                    read_text(sysfs, entry->d_name, "dm/name", text, sizeof(text)) > 0 &&
                    strcmp(text, dm_name) == 0)
                        found = (size_t) snprintf(name, size, "%s", entry->d_name) < size;
        (void) closedir(dir);
        return found;
}

bool volume_of_open_node(const char *sysfs, const char *path, char *name, size_t size) {
        struct stat st;

        assert(sysfs && path && name);

        return stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
               block_device_name(sysfs, st.st_rdev, name, size) == 0;
}

bool volume_of_node(const char *sysfs, const char *path, char *name, size_t size) {
        const char *rest;
        char text[160];

        assert(sysfs && path && name);

        if (strncmp(path, "/dev/", strlen("/dev/")) != 0)
                return false;
        rest = path + strlen("/dev/");
        if (strncmp(rest, "mapper/", strlen("mapper/")) == 0)
                return find_dm(sysfs, rest + strlen("mapper/"), name, size);
        if (strchr(rest, '/'))
                return lvm_name(rest, text, sizeof(text)) && find_dm(sysfs, text, name, size);
        return *rest && has(sysfs, rest, "dev") &&
               (size_t) snprintf(name, size, "%s", rest) < size;
}

/* ---- md ---- */

/* Whether data is read from the leg: "in_sync", perhaps with more, such as "write_mostly". */
static bool is_in_sync(const char *sysfs, const char *name, const char *leg) {
        char file[96], state[160];

        (void) snprintf(file, sizeof(file), "md/dev-%.64s/state", leg);
        return read_text(sysfs, name, file, state, sizeof(state)) > 0 && strstr(state, "in_sync");
}

/* How many legs may be lost when none is: the least that the level allows, whatever its layout. */
static unsigned redundancy(const char *level, unsigned disks) {
        if (strcmp(level, "raid1") == 0)
                return disks > 0 ? disks - 1 : 0;
        if (strcmp(level, "raid4") == 0 || strcmp(level, "raid5") == 0 ||
            strcmp(level, "raid10") == 0)
                return 1;
        return strcmp(level, "raid6") == 0 ? 2 : 0;
}

bool volume_md_spares(const char *sysfs, const char *name, const char *const *legs,
                      size_t n_legs) {
        char level[32], disks[32], degraded[32];
        unsigned lost = 0, missing;

        assert(sysfs && name && (legs || n_legs == 0));

        if (read_text(sysfs, name, "md/level", level, sizeof(level)) <= 0 ||
            read_text(sysfs, name, "md/raid_disks", disks, sizeof(disks)) <= 0 ||
            read_text(sysfs, name, "md/degraded", degraded, sizeof(degraded)) <= 0)
                return false;
        for (size_t i = 0; i < n_legs; i++)
                if (is_in_sync(sysfs, name, legs[i]))
                        lost++;
        missing = (unsigned) strtoul(degraded, NULL, 10);
        return lost == 0 ||
               lost + missing <= redundancy(level, (unsigned) strtoul(disks, NULL, 10));
}
