/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/nvme.h"

#define PCI_CLASS_BRIDGE "0x0604"

static int join(char ret[PATH_MAX], const char *dir, const char *name) {
        return (size_t) snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_text(const char *dir, const char *name, char *buf, size_t size) {
        char path[PATH_MAX];
        int r = join(path, dir, name);

        return r < 0 ? r : read_attribute_at(-EBADF, path, buf, size);
}

static bool has(const char *dir, const char *name) {
        char path[PATH_MAX];

        return join(path, dir, name) == 0 && access(path, F_OK) == 0;
}

/* A time in units of UNIT; USEC_INFINITY when it is not told, is no time, or is a day or more. */
static usec_t read_time(const char *dir, const char *name, usec_t unit) {
        char path[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        uint64_t n;

        if (join(path, dir, name) < 0)
                return USEC_INFINITY;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read_number(fd, &n) < 0 || n >= USEC_PER_DAY / unit)
                return USEC_INFINITY;
        return n * unit;
}

/* "none [integrity] confidentiality": what is in brackets holds (security/lockdown/lockdown.c). A
 * kernel without the file has no lockdown. */
static bool is_locked_down(const char *sysfs) {
        char text[64];

        return read_text(sysfs, "kernel/security/lockdown", text, sizeof(text)) > 0 &&
               !strstr(text, "[none]");
}

/* By its kind: where it is does not matter, for an unhangd that was killed may have moved it, and
 * it is put back before anything is done. */
static bool has_movable_bar(const char *function) {
        char path[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        uint32_t bar;

        if (join(path, function, "config") < 0)
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, &bar, sizeof(bar), PCI_BASE_ADDRESS_0) != sizeof(bar))
                return false;
        return (le32toh(bar) & (PCI_BASE_ADDRESS_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
               PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* "0000:01:00.0" */
static bool is_function(const char *name) {
        unsigned domain, bus, device, function;
        int end = 0;

        return sscanf(name, "%x:%x:%x.%u%n", &domain, &bus, &device, &function, &end) == 4 &&
               name[end] == '\0';
}

static bool has_own_bridge(const char *function) {
        char bridge[PATH_MAX], class[32], *slash;
        struct dirent *entry;
        unsigned below = 0;
        DIR *dir;

        (void) snprintf(bridge, sizeof(bridge), "%s", function);
        slash = strrchr(bridge, '/');
        if (!slash)
                return false;
        *slash = '\0';
        if (read_text(bridge, "class", class, sizeof(class)) < 0 ||
            strncmp(class, PCI_CLASS_BRIDGE, strlen(PCI_CLASS_BRIDGE)) != 0)
                return false;
        dir = opendir(bridge);
        if (!dir)
                return false;
        while ((entry = readdir(dir)))
                below += is_function(entry->d_name);
        (void) closedir(dir);
        return below == 1;
}

/* hwmonN lies in the controller's own directory (drivers/nvme/host/hwmon.c). */
static bool has_hwmon(const char *dir_name) {
        struct dirent *entry;
        char name[300];
        bool found = false;
        DIR *dir = opendir(dir_name);

        if (!dir)
                return false;
        while (!found && (entry = readdir(dir))) {
                (void) snprintf(name, sizeof(name), "%s/temp1_input", entry->d_name);
                found = strncmp(entry->d_name, "hwmon", strlen("hwmon")) == 0 &&
                        has(dir_name, name);
        }
        (void) closedir(dir);
        return found;
}

static bool is_path(const char *block_dir) {
        const char *slash = strrchr(block_dir, '/');
        unsigned subsystem, controller, namespace;

        return sscanf(slash ? slash + 1 : block_dir, "nvme%uc%un%u", &subsystem, &controller,
                      &namespace) == 3;
}

static usec_t read_admin_timeout(const char *sysfs, const char *device_dir) {
        char module[PATH_MAX];

        if (has(device_dir, "admin_timeout"))
                return read_time(device_dir, "admin_timeout", USEC_PER_MSEC);
        if (join(module, sysfs, "module/nvme_core/parameters") < 0)
                return USEC_INFINITY;
        return read_time(module, "admin_timeout", USEC_PER_SEC);
}

int nvme_facts_read(const char *sysfs, const struct disk_nodes *nodes, struct nvme_facts *ret) {
        char device[PATH_MAX], function[PATH_MAX];
        const char *slash;
        int r;

        assert(sysfs && nodes && ret);

        r = join(device, nodes->device_dir, "device");
        if (r < 0)
                return r;
        if (!realpath(device, function))
                return -errno;
        slash = strrchr(function, '/');
        if (!slash || !is_function(slash + 1))
                return -EOPNOTSUPP;
        *ret = (struct nvme_facts) {
                .multipath = is_path(nodes->block_dir),
                .lockdown = is_locked_down(sysfs),
                .movable_bar = has_movable_bar(function),
                .own_bridge = has_own_bridge(function),
                .identify = has(nodes->block_dir, "nuse") || has_hwmon(nodes->device_dir),
                .io_timeout = USEC_INFINITY,
                .admin_timeout = read_admin_timeout(sysfs, nodes->device_dir),
        };
        return 0;
}
