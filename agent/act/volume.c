/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/act/manager.h"
#include "agent/act/volume.h"
#include "agent/base/file-util.h"
#include "agent/base/log.h"

#define CONTROL "/dev/" DM_DIR "/" DM_CONTROL_NODE

/* ---- device mapper ---- */

union request {
        struct dm_ioctl io;
        char space[4096];
};

/* 0 and the answer; -ENXIO when there is no device of this name, or no device mapper. */
static int ask(unsigned long command, const char *name, union request *request) {
        _cleanup_close_ int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT || errno == ENODEV ? -ENXIO : -errno;
        *request = (union request) {
                .io = {
                        .version = { DM_VERSION_MAJOR, 0, 0 },
                        .data_size = sizeof(*request),
                        .data_start = sizeof(request->io),
                },
        };
        (void) snprintf(request->io.name, sizeof(request->io.name), "%s", name);
        return ioctl(fd, command, request) < 0 ? -errno : 0;
}

/* drivers/md/dm-ioctl.c: dm_dev_status and huge_encode_dev. */
static int number_of(const char *name, dev_t *ret) {
        union request request = {};
        int r = ask(DM_DEV_STATUS, name, &request);

        if (r >= 0)
                *ret = (dev_t) request.io.dev;
        return r;
}

/* 1 when none of the devices that it maps to is there any more, 0, or a negative errno. As long as
 * it maps to one, that one's number is not given to another. */
static int is_dead(const char *name) {
        union request request = {};
        const struct dm_target_deps *deps;
        char text[64];
        int r = ask(DM_TABLE_DEPS, name, &request);

        if (r < 0 || request.io.flags & DM_BUFFER_FULL_FLAG)
                return MIN(r, 0);
        deps = (const struct dm_target_deps *) (request.space + request.io.data_start);
        for (uint32_t i = 0; i < deps->count; i++) {
                r = block_device_name("/sys", (dev_t) deps->dev[i], text, sizeof(text));
                if (r != -ENOENT)
                        return MIN(r, 0);
        }
        return deps->count > 0;
}

/* What stands on a dead one is dead too, and has to be removed before it. */
static int remove_dead(const struct mount_entry *entry) {
        union request request = {};
        unsigned n = 0;
        int r;

        for (unsigned i = 0; i < entry->n_volumes; i++) {
                r = is_dead(entry->volumes[i].name);
                if (r < 0 && r != -ENXIO)
                        return r;
                if (r > 0)
                        n = i + 1;
        }
        for (unsigned i = 0; i < n; i++) {
                r = ask(DM_DEV_REMOVE, entry->volumes[i].name, &request);
                if (r < 0 && r != -ENXIO)
                        return r;
                if (r == 0)
                        log_notice("%s: removed volume %s, whose disk is gone", entry->target,
                                   entry->volumes[i].name);
        }
        return 0;
}

/* ---- systemd ---- */

static int unit_of(const struct mount_volume *volume, char unit[static UNIT_NAME_MAX]) {
        bool lvm = volume->kind == MOUNT_VOLUME_LVM;
        char path[sizeof("/dev/" DM_DIR "/") + MOUNT_VOLUME_NAME_MAX];

        (void) snprintf(path, sizeof(path), "%s%s", lvm ? "/dev/" DM_DIR "/" : "/", volume->name);
        return unit_name_of_path(lvm ? "unhang-lvm" : "systemd-cryptsetup", path, "service", unit);
}

/* Somebody may be at it already. A unit that is active all the same has lost what it made. */
static int activate(struct manager *manager, const struct mount_volume *volume, dev_t *ret) {
        char unit[UNIT_NAME_MAX], state[32];
        int r;

        r = unit_of(volume, unit);
        if (r >= 0)
                r = manager_wait(manager, unit, state, sizeof(state));
        if (r < 0)
                return r;
        r = number_of(volume->name, ret);
        if (r != -ENXIO)
                return r;
        log_notice("activating volume %s: starting %s", volume->name, unit);
        r = manager_queue(manager, "RestartUnit", unit);
        if (r >= 0)
                r = manager_wait(manager, unit, state, sizeof(state));
        if (r >= 0)
                r = number_of(volume->name, ret);
        return r == -EBADRQC || r == -ENXIO ? -ENODEV : r;
}

static int raise_one(const struct mount_volume *volume, struct manager **manager, dev_t *ret) {
        int r = number_of(volume->name, ret);

        if (r != -ENXIO)
                return r;
        if (!*manager) {
                r = manager_open(MANAGER_SOCKET, manager);
                if (r < 0)
                        return r == -ENOENT || r == -ECONNREFUSED ? -EOPNOTSUPP : r;
        }
        return activate(*manager, volume, ret);
}

/* udev makes the nodes of a device, and the links, a little later. */
static int find_source(const struct mount_entry *entry, dev_t device) {
        struct stat st;

        for (unsigned i = 0; i < MANAGER_ROUNDS; i++) {
                if (stat(entry->source, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device)
                        return 0;
                manager_pause();
        }
        return -ENODEV;
}

int volumes_raise(const struct mount_entry *entry, dev_t *ret) {
        _cleanup_(manager_closep) struct manager *manager = NULL;
        dev_t device = 0;
        int r;

        assert(entry && entry->n_volumes > 0 && ret);

        r = remove_dead(entry);
        for (unsigned i = entry->n_volumes; r >= 0 && i > 0; i--)
                r = raise_one(entry->volumes + i - 1, &manager, &device);
        if (r >= 0)
                r = find_source(entry, device);
        if (r >= 0)
                *ret = device;
        return r;
}
