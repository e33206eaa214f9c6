/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/owner.h"
#include "agent/observe/volume.h"

/* By the name that the kernel has of the process: the first 15 bytes. */
static const struct {
        const char *comm;
        enum disk_owner owner;
} programs[] = {
        { "sbd", OWNER_SBD },
        { "sanlock", OWNER_SANLOCK },
        { "lvmlockd", OWNER_CLUSTER },
        { "dlm_controld", OWNER_CLUSTER },
        { "corosync", OWNER_CLUSTER },
        { "pacemakerd", OWNER_CLUSTER },
        { "pacemaker-fence", OWNER_CLUSTER }, /* pacemaker-fenced */
        { "pacemaker-execd", OWNER_CLUSTER },
};

/* Each claim once, however often the device is open. */
static void add_claim(struct claims *claims, enum disk_owner owner, const char *device) {
        for (size_t i = 0; i < claims->n; i++)
                if (claims->claims[i].owner == owner &&
                    strcmp(claims->claims[i].device, device) == 0)
                        return;
        if (claims->n == CLAIMS_MAX) {
                claims->untold |= OWNER_BIT(owner);
                return;
        }
        claims->claims[claims->n].owner = owner;
        (void) snprintf(claims->claims[claims->n++].device, sizeof(claims->claims[0].device),
                        "%.63s", device);
}

static void take_file(struct claims *claims, enum disk_owner owner, const char *sysfs,
                      const char *path) {
        char link[PATH_MAX], device[64];
        ssize_t n;

        n = readlink(path, link, sizeof(link) - 1);
        if (n < 0) {
                if (errno != ENOENT) /* closed meanwhile */
                        claims->untold |= OWNER_BIT(owner);
                return;
        }
        link[n] = '\0';
        if (strncmp(link, "/dev/", strlen("/dev/")) == 0 &&
            volume_of_node(sysfs, link, device, sizeof(device)))
                add_claim(claims, owner, device);
}

static void take_files(struct claims *claims, enum disk_owner owner, const char *sysfs,
                       const char *path) {
        struct dirent *entry;
        char file[300];
        DIR *dir = opendir(path);

        if (!dir) {
                if (errno != ENOENT && errno != ESRCH)
                        claims->untold |= OWNER_BIT(owner);
                return;
        }
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(file, sizeof(file), "%.200s/%.20s", path, entry->d_name);
                take_file(claims, owner, sysfs, file);
        }
        (void) closedir(dir);
}

static void take_process(struct claims *claims, const char *procfs, const char *sysfs,
                         const char *pid) {
        char path[256], comm[32];

        (void) snprintf(path, sizeof(path), "%.128s/%.20s/comm", procfs, pid);
        if (read_attribute_at(-EBADF, path, comm, sizeof(comm)) < 0)
                return; /* it has ended */
        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                if (strcmp(comm, programs[i].comm) == 0) {
                        (void) snprintf(path, sizeof(path), "%.128s/%.20s/fd", procfs, pid);
                        take_files(claims, programs[i].owner, sysfs, path);
                }
}

void claims_read(const char *procfs, const char *sysfs, struct claims *ret) {
        struct dirent *entry;
        DIR *dir;

        assert(procfs && sysfs && ret);

        *ret = (struct claims) {};
        dir = opendir(procfs);
        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        take_process(ret, procfs, sysfs, entry->d_name);
        (void) closedir(dir);
}

static unsigned owner_of_node(const struct stack_node *node) {
        switch (node->kind) {
        case STACK_MULTIPATH:
                return OWNER_BIT(OWNER_MULTIPATH);
        case STACK_MD:
                return OWNER_BIT(OWNER_MD);
        case STACK_DM_RAID:
                return OWNER_BIT(OWNER_DM_RAID);
        case STACK_DRBD:
                return OWNER_BIT(OWNER_DRBD);
        case STACK_FILESYSTEM:
                return strcmp(node->name, "gfs2") == 0 || strcmp(node->name, "ocfs2") == 0
                               ? OWNER_BIT(OWNER_CLUSTER)
                               : 0;
        default:
                return 0;
        }
}

static unsigned owner_of_device(const struct claims *claims, const char *device) {
        unsigned owners = 0;

        for (size_t i = 0; i < claims->n; i++)
                if (strcmp(claims->claims[i].device, device) == 0)
                        owners |= OWNER_BIT(claims->claims[i].owner);
        return owners;
}

/* ".../host3/session1/target3:0:0/3:0:0:0": drivers/scsi/scsi_transport_iscsi.c:
 * iscsi_add_session names it so. */
static bool is_iscsi(const struct disk_id *id, const struct disk_nodes *nodes) {
        char part[48];

        (void) snprintf(part, sizeof(part), "/%s/session", id->domain);
        return strstr(nodes->device_dir, part);
}

unsigned owners_of_disk(const struct disk_id *id, const struct disk_nodes *nodes,
                        const struct stack *stack, const struct claims *claims) {
        unsigned owners;

        assert(id && nodes && stack && claims);

        owners = claims->untold | owner_of_device(claims, id->name);
        if (is_iscsi(id, nodes))
                owners |= OWNER_BIT(OWNER_ISCSI);
        for (size_t i = 0; i < stack->n; i++) {
                owners |= owner_of_node(stack->nodes + i);
                if (stack->nodes[i].kind < STACK_FILESYSTEM)
                        owners |= owner_of_device(claims, stack->nodes[i].name);
        }
        return owners;
}
