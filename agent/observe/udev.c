/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <libudev.h>
#include <string.h>

#include "agent/observe/device.h"
#include "agent/observe/udev.h"

#define SYSFS "/sys" /* libudev knows no other */
#define TAG "unhang"

/* One uevent takes 1 to 4 KiB of the socket: enough for some thousand disks at once. It is only
 * spent when it is used. */
#define RECEIVE_BUFFER (32 * 1024 * 1024)

struct udev_watch {
        struct udev *udev;
        struct udev_monitor *monitor;
        const struct udev_callbacks *callbacks;
        void *userdata;
        bool lost; /* events were lost, and the disks are not yet named again */
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

/* What the head of NVMe multipath hands on to its paths. */
struct head {
        struct udev_watch *watch;
        struct udev_device *device;
};

static const char *reason_of(int error) {
        switch (error) {
        case -EOPNOTSUPP:
                return "it is no disk that could hang by itself";
        case -ENAMETOOLONG:
                return "its names in sysfs are too long";
        default:
                return "its place in sysfs is not understood";
        }
}

/* What differs from event to event and says nothing of the disk. */
static bool is_of_event(const char *name) {
        static const char *const names[] = { "ACTION", "SEQNUM", "SYNTH_UUID" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static void copy_some(struct udev_device *device, bool ours, struct properties *properties) {
        static const char prefix[] = "UNHANG_";
        struct udev_list_entry *entry;

        udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(device)) {
                const char *name = udev_list_entry_get_name(entry);
                const char *value = udev_list_entry_get_value(entry);

                if ((strncmp(name, prefix, strlen(prefix)) == 0) == ours && !is_of_event(name))
                        (void) properties_add(properties, name, value ? value : "");
        }
}

/* Ours first: they are never left out. */
static void copy_properties(struct udev_device *device, struct properties *properties) {
        copy_some(device, true, properties);
        properties->ours = properties->size;
        copy_some(device, false, properties);
}

/* In sectors of 512 bytes, whatever the disk's are (block/genhd.c: part_size_show). */
static uint64_t size_of(struct udev_device *device) {
        const char *sectors = udev_device_get_sysattr_value(device, "size");

        return sectors ? strtoull(sectors, NULL, 10) * 512 : 0;
}

static int report_one(struct udev_watch *watch, const char *block_dir,
                      struct udev_device *device) {
        const char *serial = udev_device_get_property_value(device, "ID_SERIAL");
        struct disk_found found = {};
        int r = device_read(SYSFS, block_dir, &found.id, &found.nodes);

        if (r < 0)
                return r;
        (void) snprintf(found.id.serial, sizeof(found.id.serial), "%s", serial ? serial : "");
        found.properties.bytes = size_of(device);
        copy_properties(device, &found.properties);
        watch->callbacks->appeared(&found, watch->userdata);
        return 0;
}

static void on_path(const char *path_dir, void *userdata) {
        const struct head *head = userdata;

        (void) report_one(head->watch, path_dir, head->device);
}

/* A disk that is gone already is passed over: its removal is the next event. */
static void report(struct udev_watch *watch, struct udev_device *device) {
        const char *dir = udev_device_get_syspath(device);
        struct head head = { watch, device };
        int r = report_one(watch, dir, device);

        if (r >= 0)
                (void) device_paths(SYSFS, dir, on_path, &head);
        else if (r != -ENOENT && r != -ENODEV)
                watch->callbacks->unfit(udev_device_get_sysname(device), reason_of(r),
                                        watch->userdata);
}

static bool is_disk(struct udev_device *device) {
        const char *type = udev_device_get_devtype(device);

        return type && strcmp(type, "disk") == 0;
}

/* No tag filter: a disk that lost its tag has to be heard of, too. Controllers of NVMe, because
 * their namespaces come and go without an event when they are paths. */
static int listen_to(struct udev_monitor *monitor) {
        int r;

        /* Without CAP_NET_ADMIN it stays at what net.core.rmem_max allows. */
        (void) udev_monitor_set_receive_buffer_size(monitor, RECEIVE_BUFFER);
        if ((r = udev_monitor_filter_add_match_subsystem_devtype(monitor, "block", "disk")) < 0 ||
            (r = udev_monitor_filter_add_match_subsystem_devtype(monitor, "nvme", NULL)) < 0)
                return r;
        return udev_monitor_enable_receiving(monitor);
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
        if (w->monitor)
                r = listen_to(w->monitor);
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

/* NAMES: a pattern for them, "*" for all. */
static int scan(struct udev_watch *watch, struct udev_enumerate *e, const char *names) {
        struct udev_list_entry *entry;
        int r;

        if ((r = udev_enumerate_add_match_subsystem(e, "block")) < 0 ||
            (r = udev_enumerate_add_match_sysname(e, names)) < 0 ||
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

static int enumerate(struct udev_watch *watch, const char *names) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *e = NULL;

        e = udev_enumerate_new(watch->udev);
        return e ? scan(watch, e, names) : -ENOMEM;
}

int udev_watch_enumerate(struct udev_watch *watch) {
        assert(watch);

        return enumerate(watch, "*");
}

/* After each reset, too (drivers/nvme/host/core.c: nvme_start_ctrl). */
static void take_controller(struct udev_watch *watch, struct udev_device *device) {
        const char *event = udev_device_get_property_value(device, "NVME_EVENT");

        if (event && strcmp(event, "connected") == 0)
                watch->callbacks->reset(udev_device_get_sysname(device), watch->userdata);
}

/* Returns whether it was one of a controller. */
static bool take_event(struct udev_watch *watch, struct udev_device *device) {
        const char *action = udev_device_get_action(device);
        const char *subsystem = udev_device_get_subsystem(device);

        if (subsystem && strcmp(subsystem, "nvme") == 0) {
                take_controller(watch, device);
                return true;
        }
        if (action && strcmp(action, "remove") != 0 &&
            udev_device_has_current_tag(device, TAG) > 0)
                report(watch, device);
        else
                watch->callbacks->vanished(udev_device_get_devnum(device), watch->userdata);
        return false;
}

/* Takes all that waits; what came after a loss is of no use. Returns whether a controller was among
 * it. */
static bool take_events(struct udev_watch *watch) {
        bool controllers = false;

        for (;;) {
                _cleanup_device_ struct udev_device *device = NULL;

                errno = 0;
                device = udev_monitor_receive_device(watch->monitor);
                if (device && !watch->lost)
                        controllers |= take_event(watch, device);
                else if (!device && errno == ENOBUFS)
                        watch->lost = true;
                else if (!device)
                        return controllers;
        }
}

static int name_all_again(struct udev_watch *watch) {
        int r;

        watch->callbacks->lost(watch->userdata);
        r = udev_watch_enumerate(watch);
        if (r < 0)
                return r;
        watch->lost = false;
        watch->callbacks->complete(watch->userdata);
        return 0;
}

int udev_watch_dispatch(struct udev_watch *watch) {
        bool controllers;

        assert(watch);

        controllers = take_events(watch);
        if (watch->lost)
                return name_all_again(watch);
        if (controllers)
                (void) enumerate(watch, "nvme*");
        return 0;
}
