/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/base/file-util.h"
#include "agent/observe/mounts.h"
#include "agent/observe/stack.h"

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

static const char *or_empty(const char *text) {
        return text ? text : "";
}

int mount_table_each(struct libmnt_table *table,
                     int (*fn)(const struct mount_row *row, void *userdata), void *userdata) {
        struct libmnt_iter *iter;
        struct libmnt_fs *fs;
        int r = 0;

        assert(table && fn);

        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!iter)
                return -ENOMEM;
        while (r >= 0 && mnt_table_next_fs(table, iter, &fs) == 0) {
                const struct mount_row row = {
                        .id = mnt_fs_get_id(fs),
                        .parent = mnt_fs_get_parent_id(fs),
                        .devnum = mnt_fs_get_devno(fs),
                        .source = or_empty(mnt_fs_get_source(fs)),
                        .root = or_empty(mnt_fs_get_root(fs)),
                        .target = or_empty(mnt_fs_get_target(fs)),
                        .fstype = or_empty(mnt_fs_get_fstype(fs)),
                        .options = or_empty(mnt_fs_get_fs_options(fs)),
                        .propagation = or_empty(mnt_fs_get_optional_fields(fs)),
                };

                r = fn(&row, userdata);
        }
        mnt_free_iter(iter);
        return r;
}

void mounts_clear(struct mounts *mounts) {
        assert(mounts);

        free(mounts->entries);
        *mounts = (struct mounts) {};
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
                .errors = UINT64_MAX,
        };
        if ((r = copy(entry->source, sizeof(entry->source), mnt_fs_get_srcpath(fs))) < 0 ||
            (r = copy(entry->root, sizeof(entry->root), mnt_fs_get_root(fs))) < 0 ||
            (r = copy(entry->target, sizeof(entry->target), mnt_fs_get_target(fs))) < 0 ||
            (r = copy(entry->fstype, sizeof(entry->fstype), mnt_fs_get_fstype(fs))) < 0)
                return r;
        return split_options(fs, entry);
}

/* The numbers that device mapper gives its devices go from one to another. */
static void name_source(struct mount_entry *entry, const char *volume) {
        if (strncmp(entry->source, "/dev/dm-", strlen("/dev/dm-")) == 0)
                (void) snprintf(entry->source, sizeof(entry->source), "/dev/mapper/%s", volume);
}

static int fill_volumes(const struct stack *stack, const struct stack_node *node,
                        struct mount_entry *entry) {
        for (; node->parent >= 0; node = stack->nodes + node->parent) {
                const struct stack_node *below = stack->nodes + node->parent;
                struct mount_volume *volume = entry->volumes + entry->n_volumes;

                if (below->kind != STACK_LVM && below->kind != STACK_CRYPT)
                        continue;
                if (entry->n_volumes == ELEMENTSOF(entry->volumes))
                        return -E2BIG;
                volume->kind = below->kind == STACK_LVM ? MOUNT_VOLUME_LVM : MOUNT_VOLUME_CRYPT;
                if (copy(volume->name, sizeof(volume->name), below->text) < 0)
                        return -ENAMETOOLONG;
                entry->n_volumes++;
        }
        if (entry->n_volumes > 0)
                name_source(entry, entry->volumes[0].name);
        return 0;
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

static int add_entry(struct mounts *mounts, struct libmnt_fs *fs, const struct stack *stack,
                     const struct stack_node *node) {
        struct mount_entry *entry = mounts_append(mounts);
        int r = entry ? fill_entry(fs, entry) : -ENOMEM;

        return r < 0 ? r : fill_volumes(stack, node, entry);
}

int mounts_of_stack(struct libmnt_table *table, const struct stack *stack, struct mounts *ret) {
        struct libmnt_iter *iter;
        struct mounts mounts = {};
        struct libmnt_fs *fs;
        int r = 0;

        assert(table && stack && ret);

        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!iter)
                return -ENOMEM;
        while (r >= 0 && mnt_table_next_fs(table, iter, &fs) == 0) {
                const struct stack_node *node = stack_followed_mount(stack, mnt_fs_get_id(fs));

                if (node)
                        r = add_entry(&mounts, fs, stack, node);
        }
        mnt_free_iter(iter);
        if (r < 0) {
                mounts_clear(&mounts);
                return r;
        }
        *ret = mounts;
        return 0;
}

int mount_errors(const char *sysfs, const struct mount_entry *entry, uint64_t *ret) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX], name[64];
        int r;

        assert(sysfs && entry && ret);

        if (strcmp(entry->fstype, "ext4") != 0)
                return -EOPNOTSUPP;
        r = block_device_name(sysfs, entry->devnum, name, sizeof(name));
        if (r < 0)
                return r;
        (void) snprintf(path, sizeof(path), "%s/fs/ext4/%s/errors_count", sysfs, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : read_number(fd, ret);
}
