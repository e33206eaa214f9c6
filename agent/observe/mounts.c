/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <libmount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/observe/mounts.h"

int mount_table_read(const char *path, struct libmnt_table **ret) {
        struct libmnt_table *table;
        int r;

        assert(path && ret);

        table = mnt_new_table();
        if (!table)
                return -ENOMEM;
        r = mnt_table_parse_file(table, path);
        if (r != 0) {
                mnt_unref_table(table);
                return r < 0 ? r : -EINVAL;
        }
        *ret = table;
        return 0;
}

void mount_table_free(struct libmnt_table *table) {
        mnt_unref_table(table);
}

void mounts_clear(struct mounts *mounts) {
        assert(mounts);

        free(mounts->entries);
        *mounts = (struct mounts) {};
}

/* Whether DEVNUM is the disk, or one of its partitions: then the directory above its own in sysfs
 * is the disk's. */
static bool is_on_disk(const char *sysfs, dev_t devnum, dev_t disk) {
        char path[256], text[32], expected[32];

        if (devnum == disk)
                return true;
        (void) snprintf(expected, sizeof(expected), "%u:%u", major(disk), minor(disk));
        (void) snprintf(path, sizeof(path), "%s/dev/block/%u:%u/../dev", sysfs, major(devnum),
                        minor(devnum));
        return read_attribute_at(-EBADF, path, text, sizeof(text)) >= 0 &&
               strcmp(text, expected) == 0;
}

static int copy(char *to, size_t size, const char *from) {
        size_t n = from ? strlen(from) : 0;

        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(to, from ? from : "", n + 1);
        return 0;
}

/* mount(2) wants the flags apart from the filesystem's own options; mountinfo has the flags of the
 * mount and of the superblock in two places. */
static int split_options(struct libmnt_fs *fs, struct mount_entry *entry) {
        const struct libmnt_optmap *flags_map = mnt_get_builtin_optmap(MNT_LINUX_MAP);
        _cleanup_free_ char *flags = NULL, *data = NULL;
        unsigned long super = 0;
        int r;

        r = mnt_optstr_get_flags(mnt_fs_get_vfs_options(fs), &entry->flags, flags_map);
        if (r < 0)
                return r;
        r = mnt_split_optstr(mnt_fs_get_fs_options(fs), NULL, &flags, &data, 0, 0);
        if (r < 0)
                return r;
        if (flags) {
                r = mnt_optstr_get_flags(flags, &super, flags_map);
                if (r < 0)
                        return r;
        }
        entry->flags |= super; /* "rw" of the superblock does not undo "ro" of the mount */
        return copy(entry->data, sizeof(entry->data), data);
}

static int fill_entry(struct libmnt_fs *fs, struct mount_entry *entry) {
        int r;

        *entry = (struct mount_entry) {
                .id = mnt_fs_get_id(fs),
                .devnum = mnt_fs_get_devno(fs),
        };
        if ((r = copy(entry->source, sizeof(entry->source), mnt_fs_get_srcpath(fs))) < 0 ||
            (r = copy(entry->root, sizeof(entry->root), mnt_fs_get_root(fs))) < 0 ||
            (r = copy(entry->target, sizeof(entry->target), mnt_fs_get_target(fs))) < 0 ||
            (r = copy(entry->fstype, sizeof(entry->fstype), mnt_fs_get_fstype(fs))) < 0)
                return r;
        return split_options(fs, entry);
}

struct mount_entry *mounts_append(struct mounts *mounts) {
        struct mount_entry *entries;

        assert(mounts);

        entries = reallocarray(mounts->entries, mounts->n + 1, sizeof(*entries));
        if (!entries)
                return NULL;
        mounts->entries = entries;
        entries[mounts->n] = (struct mount_entry) {};
        return entries + mounts->n++;
}

static int add_entry(struct mounts *mounts, struct libmnt_fs *fs) {
        struct mount_entry *entry = mounts_append(mounts);

        return entry ? fill_entry(fs, entry) : -ENOMEM;
}

int mounts_of_disk(struct libmnt_table *table, const char *sysfs, dev_t disk, struct mounts *ret) {
        struct libmnt_iter *iter;
        struct mounts mounts = {};
        struct libmnt_fs *fs;
        int r = 0;

        assert(table && sysfs && ret);

        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!iter)
                return -ENOMEM;
        while (r >= 0 && mnt_table_next_fs(table, iter, &fs) == 0)
                if (is_on_disk(sysfs, mnt_fs_get_devno(fs), disk))
                        r = add_entry(&mounts, fs);
        mnt_free_iter(iter);
        if (r < 0) {
                mounts_clear(&mounts);
                return r;
        }
        *ret = mounts;
        return 0;
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

/* Calls FN with the path of each entry of the directory, until it returns true, which is returned,
 * as when the directory cannot be read. */
static bool any_entry(const char *path, bool (*fn)(const char *path)) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        struct dirent *entry;
        char name[1024];

        if (!dir)
                return true;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(name, sizeof(name), "%.512s/%s", path, entry->d_name);
                if (fn(name))
                        return true;
        }
        return false;
}

static bool yes(_unused_ const char *path) {
        return true;
}

static bool is_held_partition(const char *path) {
        char name[1100];

        (void) snprintf(name, sizeof(name), "%s/partition", path);
        if (access(name, F_OK) < 0)
                return false;
        (void) snprintf(name, sizeof(name), "%s/holders", path);
        return any_entry(name, yes);
}

static bool has_holders(const char *sysfs, dev_t disk) {
        char path[256], holders[300];

        (void) snprintf(path, sizeof(path), "%s/dev/block/%u:%u", sysfs, major(disk), minor(disk));
        (void) snprintf(holders, sizeof(holders), "%s/holders", path);
        return any_entry(holders, yes) || any_entry(path, is_held_partition);
}

/* The kernel writes one line for each: path, type, size, used, priority. The path is a device node
 * or a file; asking what it is does no I/O, for the file is open. */
static bool is_swap_on_disk(char *line, const char *sysfs, dev_t disk) {
        struct stat st;

        line[strcspn(line, " \t\n")] = '\0';
        unescape_octal(line);
        if (line[0] != '/')
                return false;
        if (stat(line, &st) < 0)
                return true;
        return is_on_disk(sysfs, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, disk);
}

static bool has_swap(const char *sysfs, const char *swaps, dev_t disk) {
        _cleanup_fclose_ FILE *f = fopen(swaps, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!f)
                return errno != ENOENT; /* a kernel without swap */
        while (getline(&line, &size, f) > 0)
                if (is_swap_on_disk(line, sysfs, disk))
                        return true;
        return ferror(f);
}

bool mounts_unfollowed(const char *sysfs, const char *swaps, dev_t disk) {
        assert(sysfs && swaps);

        return has_holders(sysfs, disk) || has_swap(sysfs, swaps, disk);
}
