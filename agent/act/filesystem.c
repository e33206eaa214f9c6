/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "agent/act/filesystem.h"
#include "agent/act/volume.h"
#include "agent/base/file-util.h"
#include "agent/base/log.h"
#include "agent/base/macro.h"

/* The same number for ext4, XFS and F2FS (fs/ext4/ext4.h, fs/xfs/libxfs/xfs_fs.h, f2fs.h). */
#define SHUTDOWN_IOCTL _IOR('X', 125, uint32_t)
#define SHUTDOWN_NO_LOG_FLUSH ((uint32_t) 2)

/* How long a process is left to end, and how often that is looked at. */
#define KILL_ROUNDS 50
#define ROUND_NSEC (100L * 1000 * 1000)

static bool is_btrfs(const struct mount_entry *entry) {
        return strcmp(entry->fstype, "btrfs") == 0;
}

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

/* The id of the mount that an open file is of, or a negative errno. Asks the filesystem nothing
 * (XFS answers EIO to stat() once it is shut down). */
static int mount_id_of(int fd) {
        _cleanup_fclose_ FILE *f = NULL;
        char line[128];
        int id;

        (void) snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
        f = fopen(line, "re");
        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "mnt_id: %d", &id) == 1)
                        return id;
        return -ENODATA;
}

/* Of the uppermost one that the path leads to. */
static int mount_id_at(const char *path) {
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);

        return fd < 0 ? -errno : mount_id_of(fd);
}

int filesystem_shutdown(const struct mount_entry *entry) {
        _cleanup_close_ int fd = -EBADF;
        uint32_t how = SHUTDOWN_NO_LOG_FLUSH;
        int r;

        assert(entry);

        r = is_mounted(entry);
        if (r <= 0)
                return r;
        /* The directory, not a file in it: opening it does no I/O. */
        fd = open(entry->target, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = mount_id_of(fd);
        if (r < 0)
                return r;
        if (r != entry->id)
                return -ESTALE;
        return ioctl(fd, SHUTDOWN_IOCTL, &how) < 0 ? -errno : 0;
}

/* Somebody has made this mount read-only since, by remounting it: a filesystem that stops taking
 * writes by itself changes only its superblock. */
static bool is_read_only(const char *line, const struct mount_entry *entry) {
        char options[4];

        return is_this(line, entry) && sscanf(line, "%*d %*d %*s %*s %*s %3s", options) == 1 &&
               (strcmp(options, "ro") == 0 || strcmp(options, "ro,") == 0);
}

/* Full, over quota, immutable: alive. */
static bool is_dead(int error) {
        return error == -EROFS || error == -EIO || error == -EUCLEAN || error == -ESHUTDOWN;
}

/* A file without a name, which leaves nothing behind. */
static int write_and_sync(const char *dir) {
        static const char block[4096];
        _cleanup_close_ int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

        if (fd < 0 || pwrite(fd, block, sizeof(block), 0) < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

int filesystem_check(const struct mount_entry *entry) {
        int r;

        assert(entry);

        if (entry->flags & MS_RDONLY || is_mounted(entry) != 1 ||
            mount_id_at(entry->target) != entry->id || in_mountinfo(entry, is_read_only) != 0)
                return 1;
        r = write_and_sync(entry->target);
        return is_dead(r) ? r : 1;
}

int filesystem_clear(const struct mount_entry *entry, const struct mount_rules *rules,
                     find_holders_t find_holders) {
        int r;

        r = filesystem_check(entry);
        return r > 0 ? r : filesystem_umount(entry, rules, find_holders);
}

/* 1 when somebody holds this mount, 0 when nobody does: then it may already be unmounted by asking,
 * if it has been asked for before (umount(2): MNT_EXPIRE). Or a negative errno. */
static int is_held(const struct mount_entry *entry) {
        if (umount2(entry->target, MNT_EXPIRE | UMOUNT_NOFOLLOW) == 0 || errno == EAGAIN)
                return 0;
        return errno == EBUSY ? 1 : -errno;
}

struct killing {
        const struct mount_entry *entry;
        int signal;
};

static void send_signal(pid_t pid, const char *unit, void *userdata) {
        const struct killing *killing = userdata;

        log_warning("%s: signal %d to process %d (%s), which holds it", killing->entry->target,
                    killing->signal, (int) pid, unit);
        (void) kill(pid, killing->signal);
}

static int kill_holders(const struct mount_entry *entry, find_holders_t find_holders) {
        static const int signals[] = { SIGTERM, SIGKILL };
        int r = is_held(entry);

        for (size_t i = 0; i < ELEMENTSOF(signals) && r > 0; i++) {
                r = find_holders(entry->devnum, send_signal,
                                 &(struct killing) { entry, signals[i] });
                if (r < 0)
                        return r;
                for (unsigned round = 0; round < KILL_ROUNDS && (r = is_held(entry)) > 0; round++)
                        (void) nanosleep(&(struct timespec) { .tv_nsec = ROUND_NSEC }, NULL);
        }
        return r;
}

/* Those who need it, and by the rules those who hold it, let it go. */
static int end_use(const struct mount_entry *entry, const struct mount_rules *rules,
                   find_holders_t find_holders) {
        bool wait = rules->holders == HOLDERS_WAIT || !find_holders;
        int r = wait && !rules->lazy ? is_held(entry) : 0;

        if (r != 0)
                return r > 0 ? -EBUSY : r;
        r = units_stop(entry, wait ? NULL : find_holders);
        if (r < 0 || wait || rules->holders != HOLDERS_KILL)
                return r;
        return MIN(kill_holders(entry, find_holders), 0);
}

/* 1 when it can be unmounted by its path, 0 when it is no longer mounted, or a negative errno. */
static int is_within_reach(const struct mount_entry *entry) {
        int r = is_mounted(entry);

        if (r <= 0)
                return r;
        r = mount_id_at(entry->target);
        if (r < 0)
                return r;
        return r == entry->id ? 1 : -EBUSY; /* else umount2() would take what covers it */
}

int filesystem_umount(const struct mount_entry *entry, const struct mount_rules *rules,
                      find_holders_t find_holders) {
        int r;

        assert(entry && rules);

        r = is_within_reach(entry);
        if (r <= 0)
                return r;
        r = end_use(entry, rules, find_holders);
        if (r < 0)
                return r;
        r = is_within_reach(entry);
        if (r <= 0)
                return r;
        if (umount2(entry->target, UMOUNT_NOFOLLOW) == 0)
                return 0;
        if (errno != EBUSY || !rules->lazy)
                return -errno;
        return umount2(entry->target, UMOUNT_NOFOLLOW | MNT_DETACH) < 0 ? -errno : 0;
}

/* btrfs has a new number each time it is mounted, but the same device. */
static bool is_same_superblock(const char *line, const struct mount_entry *entry) {
        _cleanup_free_ char *source = NULL;
        unsigned major_nr, minor_nr;
        const char *rest = strstr(line, " - ");

        if (!rest || sscanf(line, "%*d %*d %u:%u", &major_nr, &minor_nr) != 2 ||
            sscanf(rest, " - %*s %ms", &source) != 1)
                return false;
        unescape_octal(source);
        return (major_nr != 0 && makedev(major_nr, minor_nr) == entry->devnum) ||
               strcmp(source, entry->source) == 0;
}

static bool is_mounted_there(const char *line, const struct mount_entry *entry) {
        _cleanup_free_ char *root = NULL, *target = NULL;

        if (sscanf(line, "%*d %*d %*s %ms %ms", &root, &target) != 2)
                return false;
        unescape_octal(root);
        unescape_octal(target);
        if (strcmp(target, entry->target) != 0)
                return false;
        return entry->flags & MS_BIND ? strcmp(root, entry->root) == 0
                                      : is_same_superblock(line, entry);
}

/* The kernel's name of the device; 0 when there is none, and so nobody can tell. */
static int device_name(const struct mount_entry *entry, char *name, size_t size) {
        dev_t device = entry->devnum;
        struct stat st;
        int r;

        if (major(device) == 0) {
                if (stat(entry->source, &st) < 0 || !S_ISBLK(st.st_mode))
                        return 0;
                device = st.st_rdev;
        }
        r = block_device_name("/sys", device, name, size);
        return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* ext4, XFS and F2FS show each superblock in /sys/fs/TYPE/DEVICE as long as it lives, btrfs in
 * /sys/fs/btrfs/UUID/devices/DEVICE. */
static bool lives(const struct mount_entry *entry, const char *name) {
        char pattern[320];
        glob_t found;
        bool any;

        (void) snprintf(pattern, sizeof(pattern), "/sys/fs/%s/%s%.128s", entry->fstype,
                        is_btrfs(entry) ? "*/devices/" : "", name);
        any = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
        globfree(&found);
        return any;
}

/* Whether the superblock lives by what we cannot see: a mount in another namespace, say. */
static int is_held_elsewhere(const struct mount_entry *entry) {
        char name[128];
        int r;

        r = device_name(entry, name, sizeof(name));
        if (r <= 0 || !lives(entry, name))
                return MIN(r, 0);
        r = in_mountinfo(entry, is_same_superblock);
        return r < 0 ? r : !r;
}

/* Offset and value of the fields of the superblock (fs/ext4/ext4.h: struct ext4_super_block). */
#define EXT4_FEATURE_COMPAT (1024 + 0x5c)
#define EXT4_HAS_JOURNAL 0x4

static bool has_journal(const struct mount_entry *entry) {
        _cleanup_close_ int fd = open(entry->source, O_RDONLY | O_CLOEXEC);
        uint8_t features;

        return fd >= 0 && pread(fd, &features, 1, EXT4_FEATURE_COMPAT) == 1 &&
               (features & EXT4_HAS_JOURNAL);
}

/* Whether the filesystem is whole by itself after its writes were cut off: fsync sees to that. One
 * without a journal is so only after fsck; written to before, it gives what was synced to others,
 * for fsync does not write the maps of what is taken. */
static bool keeps_whole(const struct mount_entry *entry) {
        static const char *const types[] = { "btrfs", "ext3", "f2fs", "jfs", "nilfs2", "xfs" };

        if (entry->flags & MS_RDONLY)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcmp(entry->fstype, types[i]) == 0)
                        return true;
        if (major(entry->devnum) == 0) /* on no disk */
                return true;
        return strcmp(entry->fstype, "ext4") == 0 && has_journal(entry);
}

/* A bind mount takes its own flags only in a second step (mount(2)). */
static int bind_mount(const struct mount_entry *entry) {
        static const unsigned long own = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
                                         MS_NODIRATIME | MS_RELATIME;

        if (mount(entry->source, entry->target, NULL, MS_BIND, NULL) < 0)
                return -errno;
        return mount(NULL, entry->target, NULL, MS_REMOUNT | MS_BIND | (entry->flags & own),
                     NULL) < 0
                       ? -errno
                       : 0;
}

/* What the rules want checked is whole after that, or not to be mounted. */
static int make_whole(const struct mount_entry *entry, const struct mount_rules *rules) {
        bool needed = !keeps_whole(entry);
        int r;

        if (rules->fsck == FSCK_NO || (rules->fsck == FSCK_WHEN_NEEDED && !needed))
                return needed ? -ENOTRECOVERABLE : 0;
        if (entry->flags & MS_RDONLY || major(entry->devnum) == 0)
                return 0; /* nothing was written; or there is no one device */
        r = units_fsck(entry);
        return r == -EOPNOTSUPP ? -ENOTRECOVERABLE : r;
}

/* What does not take a write is unmounted before anybody uses it. */
static int mount_alive(const struct mount_entry *entry) {
        int r;

        if (mount(entry->source, entry->target, entry->fstype, entry->flags, entry->data) < 0)
                return -errno;
        r = entry->flags & MS_RDONLY ? 0 : write_and_sync(entry->target);
        if (!is_dead(r))
                return 0;
        (void) umount2(entry->target, UMOUNT_NOFOLLOW);
        return r;
}

static int mount_device(const struct mount_entry *entry, const struct mount_rules *rules) {
        int r;

        r = is_held_elsewhere(entry);
        if (r != 0) /* mount(2) would attach to the dead superblock */
                return r < 0 ? r : -EBUSY;
        r = make_whole(entry, rules);
        return r < 0 ? r : mount_alive(entry);
}

/* A volume that was brought back may have another number. */
static int mount_volume(const struct mount_entry *entry, const struct mount_rules *rules) {
        struct mount_entry now = *entry;
        dev_t device;
        int r;

        r = volumes_raise(entry, &device);
        if (r < 0)
                return r;
        if (major(now.devnum) != 0) /* that of btrfs is no disk's */
                now.devnum = device;
        return mount_device(&now, rules);
}

static int mount_whole(const struct mount_entry *entry, const struct mount_rules *rules) {
        if (entry->flags & MS_BIND)
                return bind_mount(entry);
        if (mount_entry_is_part(entry))
                return -EOPNOTSUPP;
        return entry->n_volumes > 0 ? mount_volume(entry, rules) : mount_device(entry, rules);
}

int filesystem_mount(const struct mount_entry *entry, const struct mount_rules *rules) {
        int r;

        assert(entry && rules);

        r = in_mountinfo(entry, is_mounted_there);
        if (r == 0)
                r = mount_whole(entry, rules);
        return r < 0 ? r : units_start(entry);
}
