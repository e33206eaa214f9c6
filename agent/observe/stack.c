/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/stack-build.h"
#include "agent/observe/volume.h"
#include "include/mount-entry.h"

/* Volumes stand on volumes, but not so deep; a ring, which the kernel does not allow, would not end
 * otherwise. */
#define DEPTH_MAX 24

static const char *const kind_names[_STACK_KIND_MAX] = {
        [STACK_PARTITION] = "partition",
        [STACK_LVM] = "lvm",
        [STACK_CRYPT] = "crypt",
        [STACK_MULTIPATH] = "multipath",
        [STACK_DM_RAID] = "dm-raid",
        [STACK_DM] = "dm",
        [STACK_MD] = "md",
        [STACK_BCACHE] = "bcache",
        [STACK_DRBD] = "drbd",
        [STACK_LOOP] = "loop",
        [STACK_DEVICE] = "device",
        [STACK_FILESYSTEM] = "filesystem",
        [STACK_MOUNT] = "mount",
        [STACK_SWAP] = "swap",
};

const char *stack_kind_to_string(enum stack_kind kind) {
        assert(kind >= 0 && kind < _STACK_KIND_MAX);

        return kind_names[kind];
}

void stack_clear(struct stack *stack) {
        assert(stack);

        free(stack->nodes);
        *stack = (struct stack) {};
}

int stack_add(struct stack_build *build, enum stack_kind kind, int parent,
              struct stack_node **ret) {
        struct stack *s = &build->stack;

        if (s->n == STACK_NODES_MAX) {
                s->complete = false;
                return -ENOSPC;
        }
        if ((s->n & (s->n - 1)) == 0) {
                struct stack_node *nodes =
                        reallocarray(s->nodes, s->n ? s->n * 2 : 1, sizeof(*nodes));

                if (!nodes)
                        return -ENOMEM;
                s->nodes = nodes;
        }
        *ret = s->nodes + s->n++;
        **ret = (struct stack_node) { .kind = kind, .parent = parent };
        return 0;
}

static bool is_device(const struct stack_node *node) {
        return node->kind < STACK_FILESYSTEM;
}

static bool is_known(const struct stack *stack, dev_t devnum) {
        for (size_t i = 0; i < stack->n; i++)
                if (is_device(stack->nodes + i) && stack->nodes[i].devnum == devnum)
                        return true;
        return false;
}

/* Calls FN with each name in the directory, in their order, "sda2" before "sda10". */
static int each_name(struct stack_build *build, const char *path,
                     int (*fn)(struct stack_build *build, int parent, const char *name),
                     int parent) {
        struct dirent **names;
        int n, r = 0;

        n = scandir(path, &names, NULL, versionsort);
        if (n < 0) {
                if (errno == ENOMEM)
                        return -ENOMEM;
                build->stack.complete = false;
                return 0;
        }
        for (int i = 0; i < n; i++) {
                if (r >= 0 && names[i]->d_name[0] != '.')
                        r = fn(build, parent, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        return r;
}

int stack_add_device(struct stack_build *build, int parent, const char *name) {
        struct stack_node node = { .parent = parent }, *added;
        int r;

        r = volume_read(build->world->sysfs, name, &node);
        if (r < 0) {
                build->stack.complete = false;
                return 0;
        }
        node.again = is_known(&build->stack, node.devnum) || node.devnum == build->disk;
        r = stack_add(build, node.kind, parent, &added);
        if (r < 0)
                return r;
        *added = node;
        return node.again ? 0 : stack_add_above(build, (int) build->stack.n - 1, name, node.devnum);
}

/* Partitions are directories in that of their disk, and bear its name before their number. */
static int add_if_partition(struct stack_build *build, int parent, const char *name) {
        char path[VOLUME_PATH_MAX];

        if (strncmp(name, build->parted, strlen(build->parted)) != 0)
                return 0;
        if ((size_t) snprintf(path, sizeof(path), "%s/class/block/%s/%s/partition",
                              build->world->sysfs, build->parted, name) >= sizeof(path) ||
            access(path, F_OK) < 0)
                return 0;
        return stack_add_device(build, parent, name);
}

static int add_partitions(struct stack_build *build, int parent, const char *name) {
        char path[VOLUME_PATH_MAX];
        const char *outer = build->parted;
        int r;

        (void) snprintf(path, sizeof(path), "%s/class/block/%.64s", build->world->sysfs, name);
        build->parted = name;
        r = each_name(build, path, add_if_partition, parent);
        build->parted = outer;
        return r;
}

static int add_holders(struct stack_build *build, int parent, const char *name) {
        char path[VOLUME_PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/class/block/%.64s/holders", build->world->sysfs,
                        name);
        return each_name(build, path, stack_add_device, parent);
}

int stack_add_above(struct stack_build *build, int parent, const char *name, dev_t devnum) {
        bool parted = parent < 0 || build->stack.nodes[parent].kind != STACK_PARTITION;
        int r = 0;

        if (build->depth == DEPTH_MAX) {
                build->stack.complete = false;
                return 0;
        }
        build->depth++;
        if (parted)
                r = add_partitions(build, parent, name);
        if (r >= 0)
                r = add_holders(build, parent, name);
        if (r >= 0)
                r = stack_add_uses(build, parent, name, devnum);
        build->depth--;
        return r;
}

/* A leg of it is what each of its nodes in the stack stands on. */
static void judge_md(struct stack_build *build, struct stack_node *md) {
        const char *legs[16];
        size_t n = 0;

        for (size_t i = 0; i < build->stack.n; i++) {
                const struct stack_node *node = build->stack.nodes + i;

                if (node->kind != STACK_MD || node->devnum != md->devnum)
                        continue;
                if (n == ELEMENTSOF(legs))
                        return;
                legs[n++] = node->parent < 0 ? build->name : build->stack.nodes[node->parent].name;
        }
        md->spare = volume_md_spares(build->world->sysfs, md->name, legs, n);
}

/* A pool of ZFS is told nowhere in sysfs: where there is one, a disk on which nothing is known to
 * stand may be part of it. */
static bool may_be_zfs(const struct stack_build *build) {
        for (size_t i = 0; i < build->stack.n; i++)
                if (build->stack.nodes[i].kind != STACK_PARTITION)
                        return false;
        for (size_t i = 0; i < build->world->views->n; i++)
                if (strcmp(build->world->views->views[i].row.fstype, "zfs") == 0)
                        return true;
        return false;
}

static void judge(struct stack_build *build) {
        for (size_t i = 0; i < build->stack.n; i++)
                if (build->stack.nodes[i].kind == STACK_MD)
                        judge_md(build, build->stack.nodes + i);
        if (!build->world->views->complete || may_be_zfs(build))
                build->stack.complete = false;
}

int stack_read(const struct stack_world *world, dev_t disk, struct stack *ret) {
        struct stack_build build = { .world = world, .disk = disk, .stack.complete = true };
        int r;

        assert(world && world->sysfs && world->swaps && world->views && ret);

        if (block_device_name(world->sysfs, disk, build.name, sizeof(build.name)) < 0)
                build.stack.complete = false;
        else {
                r = stack_add_above(&build, -1, build.name, disk);
                if (r < 0 && r != -ENOSPC) {
                        stack_clear(&build.stack);
                        return r;
                }
                judge(&build);
        }
        *ret = build.stack;
        return 0;
}

static bool is_volume(const struct stack_node *node) {
        return node->kind == STACK_LVM || node->kind == STACK_CRYPT;
}

static const struct stack_node *parent_of(const struct stack *stack,
                                          const struct stack_node *node) {
        return node->parent < 0 ? NULL : stack->nodes + node->parent;
}

/* Not more of them, one on the other, than a mount entry has room for. */
static bool is_shallow(const struct stack *stack, const struct stack_node *node) {
        unsigned n = 0;

        for (; node; node = parent_of(stack, node))
                n += is_volume(node);
        return n <= MOUNT_VOLUMES_MAX;
}

/* A volume of LVM on another is a part of a snapshot, a pool, a cache: what fails with the disk is
 * not the same for each. */
static bool is_followed(const struct stack *stack, const struct stack_node *node) {
        switch (node->kind) {
        case STACK_PARTITION:
                return true;
        case STACK_LVM:
                if (node->again || (node->parent >= 0 && parent_of(stack, node)->kind == STACK_LVM))
                        return false;
                return node->devices <= 1 && is_shallow(stack, node);
        case STACK_CRYPT:
                return node->devices <= 1 && is_shallow(stack, node);
        case STACK_FILESYSTEM:
                return node->devices <= 1;
        case STACK_MOUNT:
                return !node->stays;
        default:
                return false;
        }
}

/* Whether it is, or stands on, an md that goes on without this disk. */
static bool is_spared(const struct stack *stack, const struct stack_node *node) {
        for (; !node->spare; node = stack->nodes + node->parent)
                if (node->parent < 0)
                        return false;
        return true;
}

static bool carries_mount(const struct stack *stack, const struct stack_node *volume) {
        for (size_t i = 0; i < stack->n; i++) {
                const struct stack_node *node = stack->nodes + i;

                if (node->kind != STACK_MOUNT)
                        continue;
                while (node && node != volume)
                        node = parent_of(stack, node);
                if (node)
                        return true;
        }
        return false;
}

bool stack_is_unfollowed(const struct stack *stack, bool leaves) {
        assert(stack);

        for (size_t i = 0; i < stack->n; i++) {
                const struct stack_node *node = stack->nodes + i;

                if (!is_spared(stack, node) &&
                    (!is_followed(stack, node) ||
                     (leaves && is_volume(node) && !carries_mount(stack, node))))
                        return true;
        }
        return !stack->complete;
}

const struct stack_node *stack_followed_mount(const struct stack *stack, int id) {
        assert(stack);

        for (size_t i = 0; i < stack->n; i++) {
                const struct stack_node *mount = stack->nodes + i, *node = mount;

                if (mount->kind != STACK_MOUNT || mount->pid != 0 || mount->id != id)
                        continue;
                while (node && is_followed(stack, node))
                        node = parent_of(stack, node);
                return node ? NULL : mount;
        }
        return NULL;
}

bool stack_has_filesystem(const struct stack *stack, const char *type) {
        assert(stack && type);

        for (size_t i = 0; i < stack->n; i++)
                if (stack->nodes[i].kind == STACK_FILESYSTEM &&
                    strcmp(stack->nodes[i].name, type) == 0)
                        return true;
        return false;
}

static bool holds(const struct stack *stack, const struct stack_node *node) {
        for (size_t i = 0; i < stack->n; i++)
                if (stack->nodes[i].kind == node->kind && stack->nodes[i].devnum == node->devnum)
                        return true;
        return false;
}

static bool is_counted(const struct stack_node *node, const struct stack *const *before,
                       size_t n) {
        for (size_t i = 0; i < n; i++)
                if (holds(before[i], node))
                        return true;
        return node->again;
}

static void count_node(const struct stack_node *node, struct radius *radius) {
        switch (node->kind) {
        case STACK_PARTITION:
                radius->partitions++;
                break;
        case STACK_FILESYSTEM:
                radius->filesystems++;
                break;
        case STACK_MOUNT:
                radius->mounts++;
                break;
        case STACK_SWAP:
                radius->swaps++;
                break;
        default:
                radius->volumes++;
                break;
        }
}

void stack_count(const struct stack *stack, const struct stack *const *before, size_t n,
                 struct radius *radius) {
        assert(stack && (before || n == 0) && radius);

        radius->disks++;
        for (size_t i = 0; i < stack->n; i++)
                if (!is_counted(stack->nodes + i, before, n))
                        count_node(stack->nodes + i, radius);
}
