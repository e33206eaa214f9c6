/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/observe/device.h"

/* The largest logical block of a SCSI disk (drivers/scsi/sd.c: sd_read_capacity). The true size is
 * told only by a queue attribute and by ioctls on an open node; a buffer for one block does not
 * need it. */
#define BLOCK_SIZE_MAX 4096

/* A block device whose links are resolved. */
struct place {
        const char *sysfs;
        char dir[PATH_MAX];
        char device[PATH_MAX]; /* what its link "device" leads to, "" without one */
};

static const char *last_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int copy(char *to, size_t size, const char *from) {
        size_t n = strlen(from);

        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(to, from, n + 1);
        return 0;
}

static bool has(const char *dir, const char *name) {
        char path[PATH_MAX];

        return (size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path) &&
               access(path, F_OK) == 0;
}

/* Reads DIR/NAME; "" when it is not there. Its length, or a negative errno. */
static int read_text(const char *dir, const char *name, char *buf, size_t size) {
        char path[PATH_MAX];

        buf[0] = '\0';
        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        return read_attribute_at(-EBADF, path, buf, size);
}

/* Where the link DIR/NAME leads to, links in it resolved. */
static int read_link(const char *dir, const char *name, char ret[PATH_MAX]) {
        char path[PATH_MAX];

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        return realpath(path, ret) ? 0 : -errno;
}

static int find_place(const char *sysfs, const char *block_dir, struct place *ret) {
        int r;

        ret->sysfs = sysfs;
        if (!realpath(block_dir, ret->dir))
                return -errno;
        r = read_link(ret->dir, "device", ret->device);
        if (r == -ENOENT)
                ret->device[0] = '\0';
        else if (r < 0)
                return r;
        return 0;
}

static int read_devnum(const char *dir, dev_t *ret) {
        unsigned maj, min;
        char text[32];
        int r, end = 0;

        r = read_text(dir, "dev", text, sizeof(text));
        if (r < 0)
                return r;
        if (sscanf(text, "%u:%u%n", &maj, &min, &end) != 2 || text[end] != '\0')
                return -EINVAL;
        *ret = makedev(maj, min);
        return 0;
}

static uint64_t read_diskseq(const char *dir) {
        char text[32];

        return read_text(dir, "diskseq", text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* SCSI */

static bool is_scsi_address(const char *name) {
        unsigned host, channel, target;
        uint64_t lun;
        int end = 0;

        return sscanf(name, "%u:%u:%u:%" SCNu64 "%n", &host, &channel, &target, &lun, &end) == 4 &&
               name[end] == '\0';
}

/* The name in the host's template is not always the module's. */
static const char *module_name(const char *proc_name) {
        static const char *const names[][2] = {
                { "storvsc_host", "hv_storvsc" }, /* drivers/scsi/storvsc_drv.c */
                { "scsifront", "xen-scsifront" }, /* drivers/scsi/xen-scsifront.c */
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(proc_name, names[i][0]) == 0)
                        return names[i][1];
        return proc_name;
}

/* The driver of what the host is on: of the directory above .../hostN/ on the way to the disk. */
static int driver_above_host(const struct place *place, const char *domain, char *ret,
                             size_t size) {
        char up[PATH_MAX], part[40], link[PATH_MAX], *p;

        (void) snprintf(part, sizeof(part), "/%s/", domain);
        (void) snprintf(up, sizeof(up), "%s", place->device);
        p = strstr(up, part);
        if (!p)
                return 0;
        *p = '\0';
        return read_link(up, "driver", link) < 0 ? 0 : copy(ret, size, last_name(link));
}

/* A template without a name prints "(null)", or "<NULL>" before 5.2 (lib/vsprintf.c). */
static int scsi_driver(const struct place *place, const char *domain, char *ret, size_t size) {
        char dir[PATH_MAX], name[32];

        if ((size_t) snprintf(dir, sizeof(dir), "%s/class/scsi_host/%s", place->sysfs, domain) >=
            sizeof(dir))
                return -ENAMETOOLONG;
        if (read_text(dir, "proc_name", name, sizeof(name)) > 0 && strcmp(name, "(null)") != 0 &&
            strcmp(name, "<NULL>") != 0)
                return copy(ret, size, module_name(name));
        return driver_above_host(place, domain, ret, size);
}

/* The sg node is not a block device: opening it waits for nothing, and closing it syncs nothing
 * (drivers/scsi/sg.c: sg_open). Without the sg module the disk's own node has to do. */
static void find_reset_node(const struct place *place, const char *name, char *node, size_t size) {
        char path[PATH_MAX];
        struct dirent *entry;
        DIR *dir = NULL;

        (void) snprintf(node, size, "/dev/%s", name);
        if ((size_t) snprintf(path, sizeof(path), "%s/scsi_generic", place->device) < sizeof(path))
                dir = opendir(path);
        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (strncmp(entry->d_name, "sg", 2) == 0)
                        (void) snprintf(node, size, "/dev/%.32s", entry->d_name);
        (void) closedir(dir);
}

/* libata's hosts lie below its ports: .../ata1/host0/... (drivers/ata/libata-transport.c:
 * ata_tport_add). They have no reset handlers; their scan file schedules error handling, with a
 * reset (drivers/ata/libata-scsi.c: ata_scsi_user_scan). */
static int find_host_scan(const struct place *place, const char *domain, char *ret, size_t size) {
        char part[40];
        const char *p;
        unsigned port;
        int end = 0;

        ret[0] = '\0';
        (void) snprintf(part, sizeof(part), "/%s/", domain);
        p = strstr(place->device, part);
        while (p && p > place->device && *--p != '/')
                ;
        if (!p || sscanf(p, "/ata%u/%n", &port, &end) != 1 || end == 0)
                return 0;
        if ((size_t) snprintf(ret, size, "%s/class/scsi_host/%s/scan", place->sysfs, domain) >=
            size)
                return -ENAMETOOLONG;
        return 0;
}

/* The name that the device gives itself, for all times: T10, NAA or EUI of a LUN; NGUID, EUI or
 * serial number and NSID of a namespace (scsi_sysfs.c: wwid; nvme/host/core.c: wwid_show). */
static void read_wwid(const char *dir, struct disk_id *id) {
        if (read_text(dir, "wwid", id->wwid, sizeof(id->wwid)) < 0)
                id->wwid[0] = '\0';
}

static int fill_scsi(const struct place *place, struct disk_id *id, struct disk_nodes *nodes) {
        const char *address = last_name(place->device);
        int r;

        id->kind = DISK_SCSI;
        (void) snprintf(id->domain, sizeof(id->domain), "host%u",
                        (unsigned) strtoul(address, NULL, 10));
        if ((r = copy(id->address, sizeof(id->address), address)) < 0 ||
            (r = scsi_driver(place, id->domain, id->driver, sizeof(id->driver))) < 0 ||
            (r = find_host_scan(place, id->domain, nodes->host_scan, sizeof(nodes->host_scan))) < 0)
                return r;
        find_reset_node(place, id->name, nodes->reset_node, sizeof(nodes->reset_node));
        read_wwid(place->device, id);
        return copy(nodes->device_dir, sizeof(nodes->device_dir), place->device);
}

/* NVMe */

/* A controller "nvme1", neither a disk "nvme1n1" nor a subsystem. */
static bool is_controller(const char *name, unsigned *ret) {
        int end = 0;

        return sscanf(name, "nvme%u%n", ret, &end) == 1 && name[end] == '\0';
}

static bool is_subsystem(const char *name) {
        return strncmp(name, "nvme-subsys", strlen("nvme-subsys")) == 0;
}

/* A path "nvme0c1n2": subsystem 0, controller 1, namespace 2 (drivers/nvme/host/core.c:
 * nvme_alloc_ns; before 5.13 nvme_set_disk_name). The head is then "nvme0n2". */
static bool is_path(const char *name, unsigned *ret_subsystem, unsigned *ret_namespace) {
        unsigned controller;
        int end = 0;

        return sscanf(name, "nvme%uc%un%u%n", ret_subsystem, &controller, ret_namespace, &end) ==
                       3 &&
               name[end] == '\0';
}

static int nvme_driver(const char *controller, char *ret, size_t size) {
        char transport[24];

        if (read_text(controller, "transport", transport, sizeof(transport)) <= 0 ||
            strcmp(transport, "pcie") == 0)
                (void) snprintf(ret, size, "nvme");
        else
                (void) snprintf(ret, size, "nvme-%s", transport);
        return 0;
}

static int fill_nvme(const struct place *place, struct disk_id *id, struct disk_nodes *nodes) {
        const char *controller = last_name(place->device);
        unsigned subsystem, namespace;
        int r;

        id->kind = DISK_NVME;
        if (is_path(id->name, &subsystem, &namespace))
                (void) snprintf(nodes->reset_node, sizeof(nodes->reset_node), "/dev/nvme%un%u",
                                subsystem, namespace);
        else
                (void) snprintf(nodes->reset_node, sizeof(nodes->reset_node), "/dev/%s", id->name);
        if ((r = copy(id->address, sizeof(id->address), controller)) < 0 ||
            (r = copy(id->domain, sizeof(id->domain), controller)) < 0 ||
            (r = nvme_driver(place->device, id->driver, sizeof(id->driver))) < 0)
                return r;
        read_wwid(place->dir, id);
        return copy(nodes->device_dir, sizeof(nodes->device_dir), place->device);
}

/* A hidden disk has no number (block/genhd.c: device_add_disk): it gets that of its head. */
static int devnum_of_head(const struct place *place, unsigned subsystem, unsigned namespace,
                          dev_t *ret) {
        struct place head;
        char dir[PATH_MAX];
        int r;

        if ((size_t) snprintf(dir, sizeof(dir), "%s/block/nvme%un%u", place->sysfs, subsystem,
                              namespace) >= sizeof(dir))
                return -ENAMETOOLONG;
        r = find_place(place->sysfs, dir, &head);
        if (r < 0)
                return r;
        return is_subsystem(last_name(head.device)) ? read_devnum(head.dir, ret) : -EINVAL;
}

/* The others */

/* "zram" of "zram0": a name without its number. */
static int name_without_number(const char *name, char *ret, size_t size) {
        size_t n = strlen(name);

        while (n > 0 && name[n - 1] >= '0' && name[n - 1] <= '9')
                n--;
        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(ret, name, n);
        ret[n] = '\0';
        return 0;
}

/* What lives in memory or stands on a file, and what takes its medium out. */
static bool is_unfit(const char *name) {
        static const char *const unfit[] = { "loop", "ram", "zram", "sr", "fd", "pmem" };
        char base[DISK_NAME_MAX];

        if (name_without_number(name, base, sizeof(base)) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(unfit); i++)
                if (strcmp(base, unfit[i]) == 0)
                        return true;
        return false;
}

/* A name given by an administrator may be longer than the field: cut, it still tells enough. */
static int fill_bio(struct disk_id *id, const char *driver, const char *address) {
        id->kind = DISK_BIO;
        (void) snprintf(id->driver, sizeof(id->driver), "%s", driver);
        (void) snprintf(id->address, sizeof(id->address), "%.*s", (int) sizeof(id->address) - 1,
                        address);
        return 0;
}

/* dm/name and md/level: by these directories the two are told from anything that is named alike. */
static int fill_volume(const struct place *place, struct disk_id *id, const char *driver,
                       const char *file) {
        char text[160];
        int r = read_text(place->dir, file, text, sizeof(text));

        return r < 0 && r != -ENOENT ? r : fill_bio(id, driver, text);
}

/* Neither device nor dm nor md: nbd and null_blk, which have hardware queues (block/blk-mq-sysfs.c:
 * "mq"); bcache and drbd, which have none, for they stand on other disks. */
static int fill_virtual(const struct place *place, struct disk_id *id) {
        int r;

        r = name_without_number(id->name, id->driver, sizeof(id->driver));
        if (r < 0)
                return r;
        if ((r = copy(id->address, sizeof(id->address), id->name)) < 0)
                return r;
        id->kind = has(place->dir, "mq") || strcmp(id->driver, "nbd") == 0 ? DISK_QUEUE : DISK_BIO;
        return id->kind == DISK_QUEUE ? copy(id->domain, sizeof(id->domain), id->name) : 0;
}

static int fill_queue(const struct place *place, struct disk_id *id) {
        const char *address = last_name(place->device), *driver;
        char link[PATH_MAX];
        int r;

        id->kind = DISK_QUEUE;
        if ((r = copy(id->address, sizeof(id->address), address)) < 0 ||
            (r = copy(id->domain, sizeof(id->domain), address)) < 0)
                return r;
        if (read_link(place->device, "driver", link) < 0)
                return 0;
        driver = last_name(link);
        /* The name that drivers/block/xen-blkfront.c gives itself on xenbus. */
        return copy(id->driver, sizeof(id->driver),
                    strcmp(driver, "vbd") == 0 ? "xen-blkfront" : driver);
}

static int fill(const struct place *place, struct disk_id *id, struct disk_nodes *nodes) {
        const char *device = last_name(place->device);
        unsigned controller;

        if (is_unfit(id->name))
                return -EOPNOTSUPP;
        if (is_subsystem(device))
                return fill_bio(id, "nvme-multipath", device);
        if (has(place->dir, "dm"))
                return fill_volume(place, id, "dm", "dm/name");
        if (has(place->dir, "md"))
                return fill_volume(place, id, "md", "md/level");
        if (place->device[0] == '\0')
                return fill_virtual(place, id);
        if (is_controller(device, &controller))
                return fill_nvme(place, id, nodes);
        if (is_scsi_address(device))
                return fill_scsi(place, id, nodes);
        return fill_queue(place, id);
}

int device_read(const char *sysfs, const char *block_dir, struct disk_id *ret_id,
                struct disk_nodes *ret_nodes) {
        struct disk_nodes nodes = { .block_size = BLOCK_SIZE_MAX };
        unsigned subsystem, namespace;
        struct disk_id id = {};
        struct place place;
        int r;

        assert(sysfs && block_dir && ret_id && ret_nodes);

        if ((r = find_place(sysfs, block_dir, &place)) < 0 ||
            (r = copy(id.name, sizeof(id.name), last_name(place.dir))) < 0 ||
            (r = copy(nodes.block_dir, sizeof(nodes.block_dir), place.dir)) < 0 ||
            (r = copy(nodes.sysfs, sizeof(nodes.sysfs), sysfs)) < 0 ||
            (r = fill(&place, &id, &nodes)) < 0)
                return r;
        if (id.kind == DISK_NVME && is_path(id.name, &subsystem, &namespace))
                r = devnum_of_head(&place, subsystem, namespace, &id.devnum);
        else
                r = read_devnum(place.dir, &id.devnum);
        if (r < 0)
                return r;
        id.diskseq = read_diskseq(place.dir);
        nodes.kind = id.kind;
        nodes.diskseq = id.diskseq;
        *ret_id = id;
        *ret_nodes = nodes;
        return 0;
}

/* The subsystem has a link to each of its controllers (drivers/nvme/host/core.c:
 * nvme_init_subsystem), and a path lies in the directory of its controller. */
int device_paths(const char *sysfs, const char *block_dir,
                 void (*found)(const char *path_dir, void *userdata), void *userdata) {
        unsigned subsystem, namespace, controller;
        struct dirent *entry;
        struct place place;
        int r, n = 0;
        DIR *dir;

        assert(sysfs && block_dir && found);

        r = find_place(sysfs, block_dir, &place);
        if (r < 0)
                return r;
        if (!is_subsystem(last_name(place.device)) ||
            sscanf(last_name(place.dir), "nvme%un%u", &subsystem, &namespace) != 2)
                return 0;
        dir = opendir(place.device);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                char name[96], path[PATH_MAX];

                if (!is_controller(entry->d_name, &controller))
                        continue;
                (void) snprintf(name, sizeof(name), "nvme%u/nvme%uc%un%u", controller, subsystem,
                                controller, namespace);
                if (read_link(place.device, name, path) < 0)
                        continue;
                found(path, userdata);
                n++;
        }
        (void) closedir(dir);
        return n;
}

/* What is not known is no difference. */
static bool differ(const char *a, const char *b) {
        return *a && *b && strcmp(a, b) != 0;
}

bool device_is_same(const struct disk_id *a, const struct disk_id *b) {
        assert(a && b);

        if (a->devnum != b->devnum || a->diskseq != b->diskseq || strcmp(a->name, b->name) != 0 ||
            strcmp(a->domain, b->domain) != 0 || strcmp(a->address, b->address) != 0)
                return false;
        return a->diskseq != 0 || (!differ(a->serial, b->serial) && !differ(a->wwid, b->wwid));
}

bool device_is_there(const char *sysfs, const struct disk_id *id) {
        char dir[DISK_PATH_MAX];
        struct disk_nodes nodes;
        struct disk_id now;
        int r;

        assert(sysfs && id);

        (void) snprintf(dir, sizeof(dir), "%s/class/block/%s", sysfs, id->name);
        r = device_read(sysfs, dir, &now, &nodes);
        if (r == -ENOENT || r == -ENODEV)
                return false;
        return r < 0 || device_is_same(&now, id);
}
