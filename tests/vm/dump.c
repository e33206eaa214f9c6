/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints what an agent reads of sysfs, debugfs and proc, by path, for a test to make it again:
 *
 *   d PATH            a directory
 *   l PATH -> TARGET  a symbolic link
 *   f PATH CONTENT    a file: backslash, newline and control characters are \\ \n \xNN
 *
 * It reads no file for which the kernel has to ask a device, like nuse of an NVMe namespace or
 * serial of a virtio-blk disk: that would hang with the device. What cannot be read is left out.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CONTENT 4096

static char **lines;
static size_t n_lines;

/* What is of interest in each kind of directory; a pattern may match nothing. */
static const char *const in_block[] = {
        "dev", "diskseq", "hidden", "inflight", "nsid", "removable", "ro", "size", "stat", "wwid",
        "ana_state", "numa_nodes", "queue_depth", "device", "subsystem", "multipath/*",
        "slaves", "slaves/*", "holders", "holders/*", "dm/name", "dm/uuid", "dm/suspended",
        "md/array_state", "md/level", "md/raid_disks", "md/degraded", "md/dev-*/state",
        "loop/backing_file",
        "queue/io_timeout", "queue/iostats", "queue/iostats_passthrough",
        "queue/logical_block_size", "queue/nr_requests", "queue/rotational", "queue/scheduler",
        "queue/write_cache",
        NULL
};
static const char *const in_partition[] = {
        "dev", "partition", "size", "start", "stat", "inflight", "subsystem", "holders",
        "holders/*",
        NULL
};
static const char *const in_scsi_device[] = {
        "state", "device_busy", "device_blocked", "iorequest_cnt", "iodone_cnt", "ioerr_cnt",
        "iotmo_cnt", "timeout", "eh_timeout", "type", "vendor", "model", "rev", "scsi_level",
        "queue_depth", "queue_type", "wwid", "generic", "scsi_generic/*", "scsi_generic/*/dev",
        "scsi_generic/*/device", "scsi_disk/*", "scsi_disk/*/cache_type",
        "scsi_disk/*/provisioning_mode", "block/*",
        NULL
};
static const char *const in_host[] = {
        "scsi_host/*", "scsi_host/*/state", "scsi_host/*/proc_name", "scsi_host/*/host_busy",
        "scsi_host/*/can_queue", "scsi_host/*/unique_id", "scsi_host/*/device",
        NULL
};
static const char *const in_any_device[] = {
        "driver", "subsystem", "class", "vendor", "device", "modalias",
        NULL
};
static const char *const in_controller[] = {
        "state", "model", "serial", "firmware_rev", "transport", "address", "cntlid", "subsysnqn",
        "queue_count", "sqsize", "dev", "device", "subsystem", "nvme*", "ng*",
        NULL
};
static const char *const in_subsystem[] = {
        "subsysnqn", "model", "serial", "firmware_rev", "iopolicy", "subsystype", "subsystem",
        "nvme*",
        NULL
};

static void append(char *line) {
        lines = realloc(lines, (n_lines + 1) * sizeof(*lines));
        if (!lines || !line)
                abort();
        lines[n_lines++] = line;
}

static char *escape(char *to, const unsigned char *from, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (from[i] == '\\')
                        to = stpcpy(to, "\\\\");
                else if (from[i] == '\n')
                        to = stpcpy(to, "\\n");
                else if (from[i] < ' ' || from[i] >= 127)
                        to += sprintf(to, "\\x%02x", from[i]);
                else
                        *to++ = (char) from[i];
        *to = '\0';
        return to;
}

static void add_file(const char *path) {
        char escaped[MAX_CONTENT * 4 + 1];
        unsigned char content[MAX_CONTENT];
        size_t n = 0;
        ssize_t r;
        char *line;
        int fd;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return;
        while (n < sizeof(content) && (r = read(fd, content + n, sizeof(content) - n)) > 0)
                n += (size_t) r;
        if (n == 0 && r < 0) {
                close(fd);
                return; /* not readable: as if it were not there */
        }
        close(fd);

        escape(escaped, content, n);
        if (asprintf(&line, "f %s %s", path + 1, escaped) < 0)
                abort();
        append(line);
}

static void add_directory(const char *path) {
        char parent[PATH_MAX], *line;

        for (const char *p = path + 1; p; p = strchr(p, '/')) {
                p++;
                snprintf(parent, sizeof(parent), "%s", path + 1);
                parent[strcspn(p, "/") + (size_t) (p - path - 1)] = '\0';
                if (asprintf(&line, "d %s", parent) < 0)
                        abort();
                append(line);
        }
}

/* Adds the path under its real name, with the directories above it. */
static void add(const char *path) {
        char target[PATH_MAX], real[PATH_MAX], name[PATH_MAX + NAME_MAX], *line;
        const char *base = strrchr(path, '/') + 1;
        struct stat st;
        ssize_t n;

        snprintf(name, sizeof(name), "%.*s", (int) (base - path - 1), path);
        if (!realpath(name, real))
                return;
        add_directory(real);
        snprintf(name, sizeof(name), "%s/%s", real, base);

        if (lstat(name, &st) < 0)
                return;
        if (S_ISDIR(st.st_mode))
                add_directory(name);
        else if (!S_ISLNK(st.st_mode))
                add_file(name);
        else if ((n = readlink(name, target, sizeof(target) - 1)) >= 0) {
                target[n] = '\0';
                if (asprintf(&line, "l %s -> %s", name + 1, target) < 0)
                        abort();
                append(line);
        }
}

static void each(const char *pattern, void (*function)(const char *path)) {
        glob_t found;

        if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
                for (size_t i = 0; i < found.gl_pathc; i++)
                        function(found.gl_pathv[i]);
                globfree(&found);
        }
}

static void add_all(const char *directory, const char *const *patterns) {
        char pattern[PATH_MAX + NAME_MAX];

        for (; *patterns; patterns++) {
                snprintf(pattern, sizeof(pattern), "%s/%s", directory, *patterns);
                each(pattern, add);
        }
}

static void add_partition(const char *file) {
        char directory[PATH_MAX];

        snprintf(directory, sizeof(directory), "%.*s", (int) (strrchr(file, '/') - file), file);
        add_all(directory, in_partition);
}

/* A device, and what it is connected to, up to the root of all devices. */
static void add_devices(char *path) {
        const char *name;

        while (strncmp(path, "/sys/devices/", strlen("/sys/devices/")) == 0) {
                name = strrchr(path, '/') + 1;
                add_all(path, in_any_device);
                if (strncmp(name, "host", 4) == 0)
                        add_all(path, in_host);
                path[name - path - 1] = '\0';
        }
}

static void add_block(const char *link) {
        char directory[PATH_MAX], device[PATH_MAX], pattern[PATH_MAX + NAME_MAX];

        add(link);
        if (!realpath(link, directory))
                return;
        add_all(directory, in_block);
        snprintf(pattern, sizeof(pattern), "%s/*/partition", directory);
        each(pattern, add_partition);

        snprintf(pattern, sizeof(pattern), "%s/device", directory);
        if (!realpath(pattern, device))
                return;
        snprintf(pattern, sizeof(pattern), "%s/scsi_disk", device);
        if (access(pattern, F_OK) == 0)
                add_all(device, in_scsi_device);
        add_devices(device);
}

static void add_controller(const char *link) {
        char directory[PATH_MAX];

        add(link);
        if (!realpath(link, directory))
                return;
        add_all(directory, in_controller);
        add_devices(directory);
}

static void add_subsystem(const char *link) {
        char directory[PATH_MAX];

        add(link);
        if (realpath(link, directory))
                add_all(directory, in_subsystem);
}

/* By path, and not by kind; each once. */
static int compare(const void *a, const void *b) {
        const char *x = *(char *const *) a + 2, *y = *(char *const *) b + 2;
        size_t n = strcspn(x, " "), m = strcspn(y, " ");
        int r;

        r = memcmp(x, y, n < m ? n : m);
        return r != 0 ? r : (n > m) - (n < m);
}

int main(void) {
        each("/sys/kernel/debug/block/*/state", add);
        each("/sys/kernel/debug/block/*/requeue_list", add);
        each("/sys/kernel/debug/block/*/hctx*/busy", add);
        each("/sys/block/*", add_block);
        each("/sys/class/nvme/*", add_controller);
        each("/sys/class/nvme-subsystem/*", add_subsystem);
        each("/sys/class/block/*", add);
        each("/sys/dev/block/*", add);
        each("/sys/class/scsi_host/*", add);
        each("/sys/class/scsi_generic/*", add);
        each("/sys/module/nvme_core/parameters/*_timeout", add);
        each("/sys/module/nvme_core/parameters/max_retries", add);
        each("/sys/module/nvme_core/parameters/multipath", add);
        each("/sys/module/nvme_core/parameters/iopolicy", add);
        add("/proc/sys/kernel/osrelease");
        add("/proc/swaps");
        add_file("/proc/self/mountinfo");

        qsort(lines, n_lines, sizeof(*lines), compare);
        for (size_t i = 0; i < n_lines; i++)
                if (i == 0 || compare(lines + i - 1, lines + i) != 0)
                        puts(lines[i]);
        return fflush(stdout) == 0 ? 0 : 1;
}
