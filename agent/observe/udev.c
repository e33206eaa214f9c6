/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <libudev.h>
#include <string.h>

#include "agent/observe/udev.h"

#define TAG "unhang"
#define DEFAULT_BLOCK_SIZE 512

struct udev_watch {
        struct udev *udev;
        struct udev_monitor *monitor;
        const struct udev_callbacks *callbacks;
        void *userdata;
};

static void udev_device_unrefp(struct udev_device **d) {
        if (*d)
                (void) udev_device_unref(*d);
}

static void udev_enumerate_unrefp(struct udev_enumerate **e) {
        if (*e)
                (void) udev_enumerate_unref(*e);
}

#define _cleanup_device_ _cleanup_(udev_device_unrefp)

static uint64_t number(const char *text, uint64_t otherwise) {
        return text ? strtoull(text, NULL, 10) : otherwise;
}

static int fill_id(struct udev_device *device, struct udev_device *scsi, struct disk_id *id) {
        const char *serial = udev_device_get_property_value(device, "ID_SERIAL");

        *id = (struct disk_id) {
                .devnum = udev_device_get_devnum(device),
                .diskseq = number(udev_device_get_property_value(device, "DISKSEQ"), 0),
        };
        if (sscanf(udev_device_get_sysname(scsi), "%u:%u:%u:%" SCNu64, &id->host, &id->channel,
                   &id->target, &id->lun) != 4)
                return -EINVAL;
        (void) snprintf(id->name, sizeof(id->name), "%s", udev_device_get_sysname(device));
        (void) snprintf(id->serial, sizeof(id->serial), "%s", serial ? serial : "");
        return 0;
}

/* The sg node is not a block device: opening it waits for nothing, and closing it syncs nothing
 * (drivers/scsi/sg.c: sg_open). Without the sg module the disk's own node has to do. */
static void find_reset_node(struct udev_device *device, struct udev_device *scsi, char *node,
                            size_t size) {
        char path[600];
        struct dirent *entry;
        DIR *dir;

        (void) snprintf(node, size, "%s", udev_device_get_devnode(device));
        (void) snprintf(path, sizeof(path), "%s/scsi_generic", udev_device_get_syspath(scsi));
        dir = opendir(path);
        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (strncmp(entry->d_name, "sg", 2) == 0)
                        (void) snprintf(node, size, "/dev/%.32s", entry->d_name);
        (void) closedir(dir);
}

static int fill_nodes(struct udev_device *device, struct udev_device *scsi,
                      struct disk_nodes *nodes) {
        const char *dir = udev_device_get_syspath(scsi);
        uint64_t size = number(udev_device_get_sysattr_value(device, "queue/logical_block_size"),
                               DEFAULT_BLOCK_SIZE);

        if (strlen(dir) >= sizeof(nodes->device_dir))
                return -ENAMETOOLONG;
        (void) snprintf(nodes->device_dir, sizeof(nodes->device_dir), "%s", dir);
        find_reset_node(device, scsi, nodes->reset_node, sizeof(nodes->reset_node));
        nodes->block_size = size > 0 ? (uint32_t) size : DEFAULT_BLOCK_SIZE;
        return 0;
}

static void report(struct udev_watch *watch, struct udev_device *device) {
        const char *name = udev_device_get_sysname(device);
        struct udev_device *scsi; /* owned by its child */
        struct disk_found found = { .block_dir = udev_device_get_syspath(device) };

        scsi = udev_device_get_parent_with_subsystem_devtype(device, "scsi", "scsi_device");
        if (!scsi)
                watch->callbacks->unfit(name, "it is no SCSI disk", watch->userdata);
        else if (fill_id(device, scsi, &found.id) < 0 || fill_nodes(device, scsi, &found.nodes) < 0)
                watch->callbacks->unfit(name, "its place in sysfs is not understood",
                                        watch->userdata);
        else
                watch->callbacks->appeared(&found, watch->userdata);
}

static bool is_disk(struct udev_device *device) {
        const char *type = udev_device_get_devtype(device);

        return type && strcmp(type, "disk") == 0;
}

int udev_watch_new(const struct udev_callbacks *callbacks, void *userdata,
                   struct udev_watch **ret) {
        struct udev_watch *w;
        int r = -ENOMEM;

        assert(callbacks && ret);

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->callbacks = callbacks;
        w->userdata = userdata;
        w->udev = udev_new();
        if (w->udev)
                w->monitor = udev_monitor_new_from_netlink(w->udev, "udev");
        /* No tag filter: a disk that lost its tag has to be heard of, too. */
        if (w->monitor) {
                r = udev_monitor_filter_add_match_subsystem_devtype(w->monitor, "block", "disk");
                if (r >= 0)
                        r = udev_monitor_enable_receiving(w->monitor);
        }
        if (r < 0) {
                (void) udev_watch_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct udev_watch *udev_watch_free(struct udev_watch *watch) {
        if (watch) {
                if (watch->monitor)
                        (void) udev_monitor_unref(watch->monitor);
                if (watch->udev)
                        (void) udev_unref(watch->udev);
                free(watch);
        }
        return NULL;
}

int udev_watch_fd(struct udev_watch *watch) {
        assert(watch);

        return udev_monitor_get_fd(watch->monitor);
}

static int scan(struct udev_watch *watch, struct udev_enumerate *e) {
        struct udev_list_entry *entry;
        int r;

        if ((r = udev_enumerate_add_match_subsystem(e, "block")) < 0 ||
            (r = udev_enumerate_add_match_tag(e, TAG)) < 0 ||
            (r = udev_enumerate_add_match_is_initialized(e)) < 0 ||
            (r = udev_enumerate_scan_devices(e)) < 0)
                return r;
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(e)) {
                _cleanup_device_ struct udev_device *device = NULL;

                device = udev_device_new_from_syspath(watch->udev,
                                                      udev_list_entry_get_name(entry));
                if (device && is_disk(device))
                        report(watch, device);
        }
        return 0;
}

int udev_watch_enumerate(struct udev_watch *watch) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *e = NULL;

        assert(watch);

        e = udev_enumerate_new(watch->udev);
        return e ? scan(watch, e) : -ENOMEM;
}

static void take_event(struct udev_watch *watch, struct udev_device *device) {
        const char *action = udev_device_get_action(device);

        if (action && strcmp(action, "remove") != 0 &&
            udev_device_has_current_tag(device, TAG) > 0)
                report(watch, device);
        else
                watch->callbacks->vanished(udev_device_get_devnum(device), watch->userdata);
}

void udev_watch_dispatch(struct udev_watch *watch) {
        assert(watch);

        for (;;) {
                _cleanup_device_ struct udev_device *device = NULL;

                device = udev_monitor_receive_device(watch->monitor);
                if (!device)
                        return;
                take_event(watch, device);
        }
}
