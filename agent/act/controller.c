/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <time.h>

#include "agent/act/controller.h"
#include "agent/base/file-util.h"

/* What a controller is moved to: with these upper 32 bits no memory answers. */
#define AWAY "\xff\xff\xff\xff"

/* How long the kernel waits for its own command when all that is wanted is its failure. */
#define ADMIN_TIMEOUT_SEC "3"
#define ADMIN_TIMEOUT_MSEC "3000"

/* Before 6.12 the driver lets go of a controller after the reset has returned (pci.c:
 * nvme_remove_dead_ctrl_work); until then it must not answer again. */
#define GIVEN_UP_POLLS 100
#define GIVEN_UP_POLL_NSEC (50 * 1000 * 1000)

#define RESCUE_SUFFIX ".rescue"

/* What is changed for a while. */
enum value {
        VALUE_MAX_RETRIES,
        VALUE_BAR,
        VALUE_BUS,          /* the number of the bus below the bridge */
        VALUE_ADMIN_MODULE, /* seconds, for all controllers */
        VALUE_ADMIN,        /* ms, for this one (7.3) */
        _VALUE_MAX,
};

struct controller {
        const struct undo *undo;
        char holder[UNDO_HOLDER_MAX];
        struct nvme_facts facts;
        char function[PATH_MAX]; /* its directory on PCI */
        int reset, state, remove, rescan;
        int identify;            /* reading it makes the kernel send a command; -EBADF: none */
        uint32_t bar;            /* the lower half of BAR 0: of what kind it is */
        struct undo_value values[_VALUE_MAX];
        char paths[_VALUE_MAX][DISK_PATH_MAX];
};

static const struct controller controller_none = {
        .reset = -EBADF,
        .state = -EBADF,
        .remove = -EBADF,
        .rescan = -EBADF,
        .identify = -EBADF,
        .values = { [0 ... _VALUE_MAX - 1] = { .fd = -EBADF } },
        .facts = { .io_timeout = USEC_INFINITY, .admin_timeout = USEC_INFINITY },
};

/* ---- opening ---- */

static int open_in(const char *dir, const char *name, int flags) {
        char path[PATH_MAX];
        int fd;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* A value that is not there stays closed; what needs it does not serve then. */
static void open_value(struct controller *c, enum value value, const char *dir, const char *name,
                       off_t offset, size_t size) {
        char *path = c->paths[value];

        if (snprintf(path, DISK_PATH_MAX, "%s/%s", dir, name) >= DISK_PATH_MAX)
                return;
        c->values[value] = (struct undo_value) {
                .path = path,
                .fd = open(path, O_RDWR | O_CLOEXEC),
                .offset = offset,
                .size = size,
        };
}

static void open_values(struct controller *c, const struct disk_nodes *nodes) {
        char module[128], bridge[PATH_MAX], *slash;

        (void) snprintf(module, sizeof(module), "%s/module/nvme_core/parameters", nodes->sysfs);
        open_value(c, VALUE_MAX_RETRIES, module, "max_retries", 0, 0);
        open_value(c, VALUE_ADMIN_MODULE, module, "admin_timeout", 0, 0);
        open_value(c, VALUE_ADMIN, nodes->device_dir, "admin_timeout", 0, 0);
        open_value(c, VALUE_BAR, c->function, "config", PCI_BASE_ADDRESS_1, sizeof(c->bar));

        (void) snprintf(bridge, sizeof(bridge), "%s", c->function);
        slash = strrchr(bridge, '/');
        if (slash) {
                *slash = '\0';
                open_value(c, VALUE_BUS, bridge, "config", PCI_SECONDARY_BUS, 1);
        }
}

/* hwmonN/temp1_input in the controller's own directory (drivers/nvme/host/hwmon.c). */
static int open_hwmon(const char *device_dir) {
        struct dirent *entry;
        int fd = -EBADF;
        char name[300];
        DIR *dir;

        dir = opendir(device_dir);
        if (!dir)
                return -errno;
        while (fd < 0 && (entry = readdir(dir))) {
                if (strncmp(entry->d_name, "hwmon", strlen("hwmon")) != 0)
                        continue;
                (void) snprintf(name, sizeof(name), "%s/temp1_input", entry->d_name);
                fd = open_in(device_dir, name, O_RDONLY);
        }
        (void) closedir(dir);
        return fd;
}

/* Without its configuration space a controller has no BAR that could be moved. */
static void read_bar(struct controller *c) {
        int fd = c->values[VALUE_BAR].fd;

        if (fd < 0 || c->undo->door->read(fd, &c->bar, sizeof(c->bar), PCI_BASE_ADDRESS_0) !=
                              sizeof(c->bar))
                c->bar = 0;
        c->bar = le32toh(c->bar);
}

static int open_files(struct controller *c, const struct disk_nodes *nodes) {
        char device[PATH_MAX];

        c->reset = open_in(nodes->device_dir, "reset_controller", O_WRONLY);
        if (c->reset < 0)
                return c->reset;
        c->state = open_in(nodes->device_dir, "state", O_RDONLY);
        if (c->state < 0)
                return c->state;
        if ((size_t) snprintf(device, sizeof(device), "%s/device", nodes->device_dir) >=
            sizeof(device))
                return -ENAMETOOLONG;
        if (!realpath(device, c->function))
                return -errno;
        c->remove = open_in(c->function, "remove", O_WRONLY);
        c->rescan = open_in(nodes->sysfs, "bus/pci/rescan", O_WRONLY);
        c->identify = open_in(nodes->block_dir, "nuse", O_RDONLY);
        if (c->identify < 0)
                c->identify = open_hwmon(nodes->device_dir);
        open_values(c, nodes);
        read_bar(c);
        return 0;
}

int controller_open(const struct disk_nodes *nodes, const struct undo *undo, const char *holder,
                    struct controller **ret) {
        struct controller *c;
        int r;

        assert(nodes && undo && holder && ret);

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = controller_none;
        c->undo = undo;
        (void) snprintf(c->holder, sizeof(c->holder), "%s", holder);
        r = open_files(c, nodes);
        if (r < 0) {
                (void) controller_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct controller *controller_free(struct controller *c) {
        if (c) {
                int *files[] = { &c->reset, &c->state, &c->remove, &c->rescan, &c->identify };

                for (size_t i = 0; i < ELEMENTSOF(files); i++)
                        *files[i] = safe_close(*files[i]);
                for (size_t i = 0; i < ELEMENTSOF(c->values); i++)
                        c->values[i].fd = safe_close(c->values[i].fd);
                free(c);
        }
        return NULL;
}

void controller_inform(struct controller *c, const struct nvme_facts *facts) {
        assert(c && facts);

        c->facts = *facts;
}

/* ---- what all acts are made of ---- */

static int trigger(const struct controller *c, int fd) {
        ssize_t n;

        if (fd < 0)
                return -EOPNOTSUPP;
        n = c->undo->door->write(fd, "1", 1, 0);
        return n < 0 ? -errno : 0;
}

/* A file of the driver that has none any more answers ENODEV. */
static int read_state(const struct controller *c, char *buf, size_t size) {
        ssize_t n = c->undo->door->read(c->state, buf, size - 1, 0);

        if (n < 0)
                return -errno;
        if (n > 0 && buf[n - 1] == '\n')
                n--;
        buf[n] = '\0';
        return 0;
}

static bool is_in_state(const struct controller *c, const char *state) {
        char text[32];

        return read_state(c, text, sizeof(text)) == 0 && strcmp(text, state) == 0;
}

/* Whether what read_state() has found is that of a controller which its driver has given up. */
static bool is_of_given_up(int r, const char *state) {
        return r == -ENODEV || (r == 0 && strcmp(state, "dead") == 0);
}

static bool is_given_up(const struct controller *c) {
        char text[32];
        int r = read_state(c, text, sizeof(text));

        return is_of_given_up(r, text);
}

/* The driver is at it, and it takes a moment. */
static bool is_being_given_up(const struct controller *c) {
        char text[32];

        return read_state(c, text, sizeof(text)) == 0 &&
               strncmp(text, "deleting", strlen("deleting")) == 0;
}

static bool wait_until_given_up(const struct controller *c) {
        struct timespec pause = { .tv_nsec = GIVEN_UP_POLL_NSEC };

        for (int i = 0; i < GIVEN_UP_POLLS; i++) {
                if (is_given_up(c))
                        return true;
                (void) nanosleep(&pause, NULL);
        }
        return false;
}

/* What the kernel does not let us change, it does not: lockdown, say. */
static int change(const struct controller *c, enum value value, const char *new) {
        int r;

        if (c->values[value].fd < 0)
                return -EOPNOTSUPP;
        r = undo_change(c->undo, c->holder, c->values + value, new);
        return r == -EPERM || r == -EACCES ? -EOPNOTSUPP : r;
}

static int put_back(const struct controller *c, const char *holder) {
        int r, error = 0;

        for (size_t i = 0; i < ELEMENTSOF(c->values); i++) {
                if (c->values[i].fd < 0)
                        continue;
                r = undo_put_back(c->undo, holder, c->values + i);
                if (r < 0 && error == 0)
                        error = r;
        }
        return error;
}

static bool has_movable_bar(const struct controller *c) {
        return (c->bar & (PCI_BASE_ADDRESS_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
               PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* Takes the controller's registers away. Nobody puts a BAR back in a reset, as it is done with the
 * memory bit (pci.c: nvme_pci_enable). A bit that does not stay as written is one that the
 * hypervisor keeps, and with it the registers. */
static int move_away(const struct controller *c) {
        const struct undo_value *bar = c->values + VALUE_BAR;
        char now[sizeof(c->bar)];
        int r;

        r = change(c, VALUE_BAR, AWAY);
        if (r < 0)
                return r;
        if (c->undo->door->read(bar->fd, now, sizeof(now), bar->offset) != sizeof(now))
                return -errno;
        return memcmp(now, AWAY, sizeof(now)) == 0 ? 0 : -EOPNOTSUPP;
}

/* ---- the acts ---- */

static bool can_end(const struct controller *c) {
        return !c->facts.lockdown &&
               ((c->facts.own_bridge && c->values[VALUE_BUS].fd >= 0) ||
                (c->identify >= 0 && has_movable_bar(c)));
}

int controller_reset(struct controller *c) {
        assert(c);

        if (!c->facts.multipath && c->facts.io_timeout == USEC_INFINITY && !can_end(c))
                return -EPERM;
        if (!is_in_state(c, "live"))
                return -EBUSY;
        return trigger(c, c->reset);
}

static int fail(struct controller *c) {
        int r;

        if (!has_movable_bar(c))
                return -EOPNOTSUPP;
        r = change(c, VALUE_MAX_RETRIES, "0");
        if (r < 0)
                return r;
        r = move_away(c);
        if (r < 0)
                return r;
        r = trigger(c, c->reset);
        if (r == 0)
                return -EIO;
        if (r != -ENETRESET && r != -ENODEV)
                return r;
        return wait_until_given_up(c) ? 0 : -EIO;
}

int controller_fail(struct controller *c) {
        char state[32];
        int r, error;

        assert(c);

        r = read_state(c, state, sizeof(state));
        if (is_of_given_up(r, state))
                return 0;
        if (r < 0 || strcmp(state, "live") != 0)
                return -EBUSY;
        r = fail(c);
        error = put_back(c, c->holder);
        return r < 0 ? r : error;
}

/* The driver reads all ones from a function that is not there, and cancels everything at once
 * (pci.c: nvme_remove). */
static int end_by_bridge(struct controller *c) {
        int r;

        if (c->remove < 0)
                return -EOPNOTSUPP;
        r = change(c, VALUE_BUS, "\xff");
        if (r < 0)
                return r;
        r = trigger(c, c->remove);
        return r == -ENODEV ? 0 : r;
}

/* Only the kernel's own commands get through while a reset is under way; one that times out then
 * makes the driver give the controller up (pci.c: nvme_timeout). */
static int end_by_identify(struct controller *c) {
        char text[32];
        int r;

        if (c->identify < 0 || !has_movable_bar(c))
                return -EOPNOTSUPP;
        r = change(c, VALUE_ADMIN_MODULE, ADMIN_TIMEOUT_SEC);
        if (r < 0)
                return r;
        if (c->values[VALUE_ADMIN].fd >= 0) {
                r = change(c, VALUE_ADMIN, ADMIN_TIMEOUT_MSEC);
                if (r < 0)
                        return r;
        }
        r = move_away(c);
        if (r < 0)
                return r;
        (void) c->undo->door->read(c->identify, text, sizeof(text), 0);
        return wait_until_given_up(c) ? 0 : -EIO;
}

int controller_end(struct controller *c) {
        int r, error;

        assert(c);

        if (is_given_up(c))
                return 0;
        if (!is_in_state(c, "resetting") && !is_in_state(c, "connecting"))
                return -EPERM;
        r = c->facts.own_bridge ? end_by_bridge(c) : end_by_identify(c);
        error = put_back(c, c->holder);
        return r < 0 ? r : error;
}

int controller_remove(struct controller *c) {
        int r;

        assert(c);

        r = controller_restore(c);
        if (r < 0)
                return r;
        if (c->facts.io_timeout == USEC_INFINITY && !is_given_up(c) &&
            (!is_being_given_up(c) || !wait_until_given_up(c)))
                return -EPERM;
        r = trigger(c, c->remove);
        return r == -ENODEV ? 0 : r;
}

int controller_restore(struct controller *c) {
        char domain[UNDO_HOLDER_MAX];
        size_t n, suffix = strlen(RESCUE_SUFFIX);
        int r, error = 0;

        assert(c);

        (void) snprintf(domain, sizeof(domain), "%s", c->holder);
        n = strlen(domain);
        if (n > suffix && strcmp(domain + n - suffix, RESCUE_SUFFIX) == 0) {
                domain[n - suffix] = '\0';
                error = put_back(c, domain);
        }
        r = put_back(c, c->holder);
        return error < 0 ? error : r;
}

int controller_rescan(struct controller *c) {
        int r;

        assert(c);

        r = trigger(c, c->rescan);
        if (r < 0)
                return r;
        return access(c->function, F_OK) < 0 ? -ENODEV : 0;
}
