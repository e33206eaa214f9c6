/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/act/filesystem.h"
#include "agent/base/file-util.h"
#include "agent/base/macro.h"

/* The same number for ext4, XFS and F2FS (fs/ext4/ext4.h, fs/xfs/libxfs/xfs_fs.h, f2fs.h). */
#define SHUTDOWN_IOCTL _IOR('X', 125, uint32_t)
#define SHUTDOWN_NO_LOG_FLUSH ((uint32_t) 2)

/* Ids and numbers are given again after an unmount: all of it has to be the same. */
static bool is_this(const char *line, const struct mount_entry *entry) {
        _cleanup_free_ char *target = NULL;
        unsigned major_nr, minor_nr;
        int id, parent;

        if (sscanf(line, "%d %d %u:%u %*s %ms", &id, &parent, &major_nr, &minor_nr, &target) != 5)
                return false;
        unescape_octal(target);
        return id == entry->id && makedev(major_nr, minor_nr) == entry->devnum &&
               strcmp(target, entry->target) == 0;
}

/* 1 when mountinfo has a line that FITS, 0 when not, or a negative errno. Reading it is no I/O. */
static int in_mountinfo(const struct mount_entry *entry,
                        bool (*fits)(const char *line, const struct mount_entry *entry)) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!f)
                return -errno;
        while (getline(&line, &size, f) > 0)
                if (fits(line, entry))
                        return 1;
        return ferror(f) ? -EIO : 0;
}

static int is_mounted(const struct mount_entry *entry) {
        return in_mountinfo(entry, is_this);
}

int filesystem_shutdown(const struct mount_entry *entry) {
        _cleanup_close_ int fd = -EBADF;
        uint32_t how = SHUTDOWN_NO_LOG_FLUSH;
        struct stat st;
        int r;

        assert(entry);

        r = is_mounted(entry);
        if (r <= 0)
                return r;
        /* The directory, not a file in it: opening it does no I/O. */
        fd = open(entry->target, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != entry->devnum)
                return -ESTALE;
        return ioctl(fd, SHUTDOWN_IOCTL, &how) < 0 ? -errno : 0;
}

/* The id of the uppermost mount that the path leads to, or a negative errno. Asks the filesystem
 * nothing (XFS answers EIO to stat() once it is shut down). */
static int mount_id_at(const char *path) {
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        _cleanup_fclose_ FILE *f = NULL;
        char line[128];
        int id;

        if (fd < 0)
                return -errno;
        (void) snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
        f = fopen(line, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "mnt_id: %d", &id) == 1)
                        return id;
        return -ENODATA;
}

int filesystem_umount(const struct mount_entry *entry) {
        int r;

        assert(entry);

        r = is_mounted(entry);
        if (r <= 0)
                return r;
        r = mount_id_at(entry->target);
        if (r < 0)
                return r;
        if (r != entry->id) /* covered by another mount, which umount2() would take */
                return -EBUSY;
        return umount2(entry->target, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

static bool is_same_device(const char *line, const struct mount_entry *entry) {
        unsigned major_nr, minor_nr;

        return sscanf(line, "%*d %*d %u:%u", &major_nr, &minor_nr) == 2 &&
               makedev(major_nr, minor_nr) == entry->devnum;
}

/* Whether the superblock lives by what we cannot see: a mount in another namespace, say. ext4, XFS
 * and F2FS show each of theirs in /sys/fs/TYPE/DEVICE as long as it lives. */
static int is_held_elsewhere(const struct mount_entry *entry) {
        char link[64], device[512], *name, path[640];
        ssize_t n;
        int r;

        (void) snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(entry->devnum),
                        minor(entry->devnum));
        n = readlink(link, device, sizeof(device) - 1);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno; /* no block device: nobody can tell */
        device[n] = '\0';
        name = strrchr(device, '/');
        (void) snprintf(path, sizeof(path), "/sys/fs/%s/%s", entry->fstype,
                        name ? name + 1 : device);
        if (access(path, F_OK) < 0)
                return 0;
        r = in_mountinfo(entry, is_same_device);
        return r < 0 ? r : !r;
}

int filesystem_mount(const struct mount_entry *entry) {
        struct stat st;
        int r;

        assert(entry);

        if (strcmp(entry->root, "/") != 0)
                return -EOPNOTSUPP;
        if (stat(entry->target, &st) < 0)
                return -errno;
        if (st.st_dev == entry->devnum)
                return 0;
        r = is_held_elsewhere(entry);
        if (r != 0) /* mount(2) would attach to the dead superblock */
                return r < 0 ? r : -EBUSY;
        return mount(entry->source, entry->target, entry->fstype, entry->flags, entry->data) < 0
                       ? -errno
                       : 0;
}
