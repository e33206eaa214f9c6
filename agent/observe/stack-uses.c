/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/observe/stack-build.h"
#include "agent/observe/volume.h"

/* A peer group may be the slave of one that is the slave of another, and so on. */
#define SLAVES_MAX 8

/* XFS may have its log, and the data of some files, on other devices. */
static const char *const log_keys[] = { "logdev=", "rtdev=" };

/* The block device whose uses are looked for, and the filesystem on it. */
struct use {
        struct stack_build *build;
        int parent;
        const char *name;
        dev_t devnum;
        char btrfs[64];      /* uuid, if it is a device of a btrfs */
        unsigned devices;    /* of that filesystem */
        int filesystem;      /* its node */
        dev_t super;         /* number of its superblock */
};

static size_t n_views(const struct use *use) {
        return use->build->world->views->n;
}

static const struct mount_view *view(const struct use *use, size_t i) {
        return use->build->world->views->views + i;
}

/* ---- which mounts are of the filesystem ---- */

static bool is_btrfs_device(const struct use *use, const char *uuid, const char *name) {
        char path[VOLUME_PATH_MAX];

        return (size_t) snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices/%s",
                                 use->build->world->sysfs, uuid, name) < sizeof(path) &&
               access(path, F_OK) == 0;
}

static unsigned count_names(const char *path) {
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir = opendir(path);

        if (!dir)
                return 0;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        n++;
        (void) closedir(dir);
        return n;
}

/* What is mounted of btrfs has a directory there (fs/btrfs/sysfs.c: btrfs_sysfs_add_mounted); the
 * number of its superblock is no disk's. */
static void find_btrfs(struct use *use) {
        char path[VOLUME_PATH_MAX];
        struct dirent *entry;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "%s/fs/btrfs", use->build->world->sysfs);
        dir = opendir(path);
        if (!dir)
                return;
        while (use->btrfs[0] == '\0' && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof(use->btrfs) &&
                    is_btrfs_device(use, entry->d_name, use->name))
                        (void) snprintf(use->btrfs, sizeof(use->btrfs), "%.63s", entry->d_name);
        (void) closedir(dir);
        if (use->btrfs[0] == '\0')
                return;
        (void) snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices", use->build->world->sysfs,
                        use->btrfs);
        use->devices = count_names(path);
}

/* Whether one of the nodes in TEXT, up to END, is the device: of bcachefs there are several, with
 * colons between them. */
static bool names_device(const struct use *use, const char *text, const char *end) {
        char path[PATH_MAX], name[64];

        while (text < end) {
                size_t n = 0;

                while (text + n < end && text[n] != ':')
                        n++;
                (void) snprintf(path, sizeof(path), "%.*s", (int) MIN(n, sizeof(path) - 1), text);
                if (volume_of_node(use->build->world->sysfs, path, name, sizeof(name)) &&
                    (use->btrfs[0] ? is_btrfs_device(use, use->btrfs, name)
                                   : strcmp(name, use->name) == 0))
                        return true;
                text += n + 1;
        }
        return false;
}

static bool is_log_of(const struct use *use, const struct mount_row *row) {
        if (strcmp(row->fstype, "xfs") != 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(log_keys); i++) {
                const char *p = strstr(row->options, log_keys[i]);

                if (!p)
                        continue;
                p += strlen(log_keys[i]);
                if (names_device(use, p, p + strcspn(p, ",")))
                        return true;
        }
        return false;
}

static bool is_of_device(const struct use *use, const struct mount_row *row) {
        if (row->devnum == use->devnum || is_log_of(use, row))
                return true;
        if (major(row->devnum) != 0 || strncmp(row->source, "/dev/", strlen("/dev/")) != 0)
                return false;
        if (use->btrfs[0] && strcmp(row->fstype, "btrfs") != 0)
                return false;
        return names_device(use, row->source, row->source + strlen(row->source));
}

/* ---- which mounts go when ours are unmounted ---- */

static unsigned group(const struct mount_row *row, const char *key) {
        const char *p = strstr(row->propagation, key);

        return p ? (unsigned) strtoul(p + strlen(key), NULL, 10) : 0;
}

/* Whether what happens in peer group FROM reaches TO: they are one, or TO is a slave of it. */
static bool reaches(const struct use *use, unsigned from, unsigned to) {
        for (unsigned k = 0; k < SLAVES_MAX && to != 0; k++) {
                unsigned master = 0;

                if (from == to)
                        return true;
                for (size_t i = 0; i < n_views(use) && master == 0; i++)
                        if (group(&view(use, i)->row, "shared:") == to)
                                master = group(&view(use, i)->row, "master:");
                to = master;
        }
        return false;
}

static const struct mount_row *parent_of(const struct use *use, const struct mount_view *v) {
        for (size_t i = 0; i < n_views(use); i++)
                if (view(use, i)->space == v->space && view(use, i)->row.id == v->row.parent)
                        return &view(use, i)->row;
        return NULL;
}

/* Unmounting is handed on by what a mount is mounted on, not by the mount (fs/pnode.c:
 * propagate_umount), to all that is mounted at the same place of it. */
static bool follows(const struct use *use, const struct mount_view *v) {
        const struct mount_row *on = parent_of(use, v);
        unsigned to;

        if (!on)
                return false;
        to = group(on, "shared:") ?: group(on, "master:");
        for (size_t i = 0; i < n_views(use); i++) {
                const struct mount_view *ours = view(use, i);
                const struct mount_row *below;

                if (!ours->own || ours->row.devnum != v->row.devnum ||
                    strcmp(ours->row.root, v->row.root) != 0)
                        continue;
                below = parent_of(use, ours);
                if (below && reaches(use, group(below, "shared:"), to))
                        return true;
        }
        return false;
}

/* ---- files in it ---- */

static bool is_below(const char *path, const char *dir) {
        size_t n = strlen(dir);

        if (n > 0 && dir[n - 1] == '/')
                n--;
        return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Whether the file is in the filesystem, as seen from some namespace: by what is mounted nearest
 * above it there. The kernel does not tell which namespace its path is of. */
static bool holds_file(const struct use *use, const char *path) {
        for (size_t i = 0; i < n_views(use);) {
                uint64_t space = view(use, i)->space;
                const struct mount_row *nearest = NULL;

                for (; i < n_views(use) && view(use, i)->space == space; i++) {
                        const struct mount_row *row = &view(use, i)->row;

                        if (is_below(path, row->target) &&
                            (!nearest || strlen(row->target) >= strlen(nearest->target)))
                                nearest = row;
                }
                if (nearest && nearest->devnum == use->super)
                        return true;
        }
        return false;
}

static bool backing_file(const struct use *use, const char *name, char *buf, size_t size) {
        char path[VOLUME_PATH_MAX];

        return (size_t) snprintf(path, sizeof(path), "%s/class/block/%s/loop/backing_file",
                                 use->build->world->sysfs, name) < sizeof(path) &&
               read_attribute_at(-EBADF, path, buf, size) > 0;
}

static int is_loop(const struct dirent *entry) {
        return strncmp(entry->d_name, "loop", strlen("loop")) == 0;
}

static int add_loops(const struct use *use) {
        char path[VOLUME_PATH_MAX], file[PATH_MAX];
        struct dirent **names;
        int n, r = 0;

        (void) snprintf(path, sizeof(path), "%s/class/block", use->build->world->sysfs);
        n = scandir(path, &names, is_loop, versionsort);
        if (n < 0)
                return errno == ENOMEM ? -ENOMEM : 0;
        for (int i = 0; i < n; i++) {
                if (r >= 0 && backing_file(use, names[i]->d_name, file, sizeof(file)) &&
                    holds_file(use, file))
                        r = stack_add_device(use->build, use->filesystem, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        return r;
}

/* ---- swap ---- */

static int add_swap(const struct use *use, int parent, const char *path) {
        struct stack_node *node;
        int r;

        r = stack_add(use->build, STACK_SWAP, parent, &node);
        if (r < 0)
                return r;
        node->devnum = use->devnum;
        (void) snprintf(node->name, sizeof(node->name), "swap");
        (void) snprintf(node->text, sizeof(node->text), "%.511s", path);
        return 0;
}

/* The file itself tells better than its path. Asking it does no I/O, for the kernel has it open. Of
 * one that is deleted, or in another namespace, nothing is sure. */
static bool is_file_here(const struct use *use, const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                use->build->stack.complete = false;
        else if (st.st_dev == use->super)
                return true;
        else if (major(st.st_dev) != 0) /* else a subvolume of btrfs: each has its own number */
                return false;
        return use->filesystem >= 0 && holds_file(use, path);
}

/* The kernel writes one line for each: path, type, size, used, priority (mm/swapfile.c:
 * swap_show). */
static int add_if_swap(const struct use *use, char *line) {
        char *type = line + strcspn(line, " \t");
        char name[64];

        if (line[0] != '/' || *type == '\0')
                return 0;
        *type++ = '\0';
        type += strspn(type, " \t");
        unescape_octal(line);
        if (strncmp(type, "file", strlen("file")) == 0)
                return is_file_here(use, line) && use->filesystem >= 0
                               ? add_swap(use, use->filesystem, line)
                               : 0;
        if (!volume_of_node(use->build->world->sysfs, line, name, sizeof(name)) &&
            !volume_of_open_node(use->build->world->sysfs, line, name, sizeof(name)))
                use->build->stack.complete = false;
        else if (strcmp(name, use->name) == 0)
                return add_swap(use, use->parent, line);
        return 0;
}

static int add_swaps(const struct use *use) {
        _cleanup_fclose_ FILE *f = fopen(use->build->world->swaps, "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = 0;

        if (!f) {
                if (errno != ENOENT) /* a kernel without swap */
                        use->build->stack.complete = false;
                return 0;
        }
        while (r >= 0 && getline(&line, &size, f) > 0)
                r = add_if_swap(use, line);
        if (ferror(f))
                use->build->stack.complete = false;
        return r;
}

/* ---- the filesystem ---- */

static unsigned devices_of(const struct use *use, const struct mount_row *row) {
        unsigned n = use->devices;

        if (strcmp(row->fstype, "xfs") == 0)
                for (size_t i = 0; i < ELEMENTSOF(log_keys); i++)
                        n += strstr(row->options, log_keys[i]) != NULL;
        else if (strcmp(row->fstype, "bcachefs") == 0)
                for (const char *p = strchr(row->source, ':'); p; p = strchr(p + 1, ':'))
                        n++;
        return n;
}

/* ROW: one of its mounts; NULL: it is mounted, but nowhere that can be seen. */
static int add_filesystem(struct use *use, const struct mount_row *row) {
        struct stack_node *node;
        int r;

        r = stack_add(use->build, STACK_FILESYSTEM, use->parent, &node);
        if (r < 0)
                return r;
        use->filesystem = (int) use->build->stack.n - 1;
        use->super = row ? row->devnum : use->devnum;
        node->devnum = use->super;
        node->devices = row ? devices_of(use, row) : use->devices;
        if (!row)
                use->build->stack.complete = false;
        (void) snprintf(node->name, sizeof(node->name), "%.63s", row ? row->fstype : "btrfs");
        (void) snprintf(node->text, sizeof(node->text), "%.511s", row ? row->source : "");
        return 0;
}

static int add_mount(const struct use *use, const struct mount_view *v) {
        struct stack_node *node;
        int r;

        r = stack_add(use->build, STACK_MOUNT, use->filesystem, &node);
        if (r < 0)
                return r;
        node->devnum = v->row.devnum;
        node->space = v->space;
        node->pid = v->pid;
        node->id = v->row.id;
        node->stays = !v->own && !follows(use, v);
        (void) snprintf(node->name, sizeof(node->name), "%.63s", v->row.fstype);
        (void) snprintf(node->text, sizeof(node->text), "%.511s", v->row.target);
        return 0;
}

static int add_mounts(struct use *use) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_views(use); i++) {
                const struct mount_view *v = view(use, i);

                if (!is_of_device(use, &v->row))
                        continue;
                if (use->filesystem < 0)
                        r = add_filesystem(use, &v->row);
                if (r >= 0)
                        r = add_mount(use, v);
        }
        return r;
}

int stack_add_uses(struct stack_build *build, int parent, const char *name, dev_t devnum) {
        struct use use = {
                .build = build,
                .parent = parent,
                .name = name,
                .devnum = devnum,
                .devices = 1,
                .filesystem = -1,
        };
        int r;

        find_btrfs(&use);
        r = add_mounts(&use);
        if (r >= 0 && use.filesystem < 0 && use.btrfs[0])
                r = add_filesystem(&use, NULL);
        if (r >= 0 && use.filesystem >= 0)
                r = add_loops(&use);
        return r < 0 ? r : add_swaps(&use);
}
