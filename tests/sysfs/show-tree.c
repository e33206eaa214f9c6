/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What agent/observe makes of a machine: show-tree DUMP unpacks the dump of a sysfs into a
 * directory of its own and tells of each block device what device_read(), device_paths(),
 * counters_describe(), counters_read() and stack_read() say of it, in an order and words that stay
 * the same. */

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/observe/counters.h"
#include "agent/observe/device.h"
#include "agent/observe/namespaces.h"
#include "agent/observe/stack.h"
#include "agent/observe/nvme.h"
#include "tests/sysfs/unpack.h"
#include "tests/unit/temp-dir.h"

#define DEVICES_MAX 256
#define STALL (2 * USEC_PER_MINUTE)

struct device {
        char name[NAME_MAX + 1];
        char dir[PATH_MAX];         /* "" when it is not in /sys/block */
        char path_of[NAME_MAX + 1]; /* the head that it was found from, or "" */
        char path_dir[PATH_MAX];
};

struct tree {
        char root[PATH_MAX]; /* links in it are resolved, as in what is read from it */
        char sysfs[64], procfs[64];
        size_t n;
        struct device *devices;
        const char *head; /* whose paths are being asked for */
};

static void tree_done(struct tree *tree) {
        free(tree->devices);
}

static const char *yes_no(bool b) {
        return b ? "yes" : "no";
}

/* The path as it is on the machine itself. */
static const char *without_root(const struct tree *tree, const char *path) {
        size_t n = strlen(tree->root);

        return strncmp(path, tree->root, n) == 0 ? path + n : path;
}

static void show(const char *name, const char *format, ...) _printf_(2, 3);
static void show(const char *name, const char *format, ...) {
        char text[PATH_MAX * 2];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        printf("  %-12s %s\n", name, text[0] ? text : "-");
}

/* ---- all devices ---- */

static struct device *device_of(struct tree *tree, const char *name) {
        for (size_t i = 0; i < tree->n; i++)
                if (strcmp(tree->devices[i].name, name) == 0)
                        return tree->devices + i;
        if (tree->n == DEVICES_MAX)
                abort();
        (void) snprintf(tree->devices[tree->n].name, NAME_MAX + 1, "%s", name);
        return tree->devices + tree->n++;
}

static void on_path(const char *path_dir, void *userdata) {
        struct tree *tree = userdata;
        struct device *device = device_of(tree, strrchr(path_dir, '/') + 1);

        (void) snprintf(device->path_of, sizeof(device->path_of), "%s", tree->head);
        (void) snprintf(device->path_dir, sizeof(device->path_dir), "%s", path_dir);
}

static int compare(const void *a, const void *b) {
        const struct device *x = a, *y = b;

        return strcmp(x->name, y->name);
}

/* The paths of a head are in /sys/block as well: each is shown once, as what its head led to. */
static int find_devices(struct tree *tree) {
        char path[128];
        struct dirent *entry;
        DIR *dir;
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/block", tree->sysfs);
        dir = opendir(path);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.') {
                        struct device *device = device_of(tree, entry->d_name);

                        (void) snprintf(device->dir, sizeof(device->dir), "%s/block/%s",
                                        tree->sysfs, device->name);
                }
        (void) closedir(dir);
        n = tree->n;
        for (size_t i = 0; i < n; i++) {
                tree->head = tree->devices[i].name;
                (void) device_paths(tree->sysfs, tree->devices[i].dir, on_path, tree);
        }
        qsort(tree->devices, tree->n, sizeof(*tree->devices), compare);
        return 0;
}

/* ---- one device ---- */

static void show_id(const struct tree *tree, const struct disk_id *id,
                    const struct disk_nodes *nodes) {
        static const char *const kinds[_DISK_KIND_MAX] = {
                [DISK_SCSI] = "scsi",
                [DISK_NVME] = "nvme",
                [DISK_QUEUE] = "queue",
                [DISK_BIO] = "bio",
        };

        show("kind", "%s", kinds[id->kind]);
        show("driver", "%s", id->driver);
        show("address", "%s", id->address);
        show("domain", "%s", id->domain);
        show("devnum", "%u:%u", major(id->devnum), minor(id->devnum));
        show("diskseq", "%" PRIu64, id->diskseq);
        show("serial", "%s", id->serial);
        show("block dir", "%s", without_root(tree, nodes->block_dir));
        show("device dir", "%s", without_root(tree, nodes->device_dir));
        show("host scan", "%s", without_root(tree, nodes->host_scan));
        show("reset node", "%s", without_root(tree, nodes->reset_node));
        show("block size", "%" PRIu32, nodes->block_size);
}

static void show_kernel(const struct counters *c) {
        static const char *const blinds[] = {
                [STAT_SEES] = "",
                [STAT_BLIND_HEAD] = ", blind head",
                [STAT_BLIND_MD] = ", blind md",
        };

        show("kernel", "%u.%u%s%s%s%s%s", c->release >> 8, c->release & 0xff,
             c->flush_blind ? ", blind to flushes" : "",
             c->passthrough_in_stat ? ", passthrough in stat" : "",
             c->iostats_off ? ", statistics off" : "", blinds[c->blind],
             c->rearms ? ", driver rearms" : "");
}

static void show_signals(const struct counters *c) {
        struct signal_text texts[SIGNALS_MAX];
        size_t n = counters_describe(c, STALL, texts);

        for (size_t i = 0; i < n; i++)
                show(texts[i].missing ? "MISSING" : "signal", "%s: %s", texts[i].name,
                     texts[i].text);
}

static void show_sample(struct counters *c, bool list) {
        struct sample s;
        int r = counters_read(c, 0, list, &s);

        if (r < 0)
                show(list ? "listed" : "sample", "%s", strerrorname_np(-r));
        else
                show(list ? "listed" : "sample",
                     "outstanding=%" PRIu32 " completed=%" PRIu64 " answered=%" PRIu64
                     " timeouts=%" PRIu64 " timeout=%" PRIu64 "us held=%s recovering=%s "
                     "offline=%s listed=%s oldest=%" PRIu64 "us",
                     s.outstanding, s.completed, s.answered, s.timeouts, s.timeout,
                     yes_no(s.held), yes_no(s.recovering), yes_no(s.offline), yes_no(s.listed),
                     s.oldest);
}

static void show_counters(const struct tree *tree, const struct disk_id *id,
                          const struct disk_nodes *nodes) {
        struct kernel_files files = { .sysfs = tree->sysfs, .procfs = tree->procfs };
        struct counters counters;
        int r = counters_open(&files, id, nodes, &counters);

        if (r < 0) {
                show("counters", "%s", strerrorname_np(-r));
                return;
        }
        show_kernel(&counters);
        show_signals(&counters);
        show_sample(&counters, false);
        show_sample(&counters, true);
        counters_close(&counters);
}

static void show_facts(const struct tree *tree, const struct disk_nodes *nodes) {
        struct nvme_facts facts;
        int r = nvme_facts_read(tree->sysfs, nodes, &facts);

        if (r < 0)
                show("facts", "%s", strerrorname_np(-r));
        else
                show("facts",
                     "multipath=%s lockdown=%s movable_bar=%s own_bridge=%s identify=%s "
                     "admin_timeout=%" PRIu64 "us",
                     yes_no(facts.multipath), yes_no(facts.lockdown), yes_no(facts.movable_bar),
                     yes_no(facts.own_bridge), yes_no(facts.identify), facts.admin_timeout);
}

static void show_node(const struct stack *stack, const struct stack_node *node) {
        int depth = 0;

        for (int p = node->parent; p >= 0; p = stack->nodes[p].parent)
                depth++;
        show("stands", "%*s%s %s%s%s%s%s", depth * 2, "", stack_kind_to_string(node->kind),
             node->name, node->text[0] ? " " : "", node->text, node->again ? ", again" : "",
             node->spare ? ", spare" : "");
}

/* A dump without mountinfo still tells of volumes and swap. */
static void show_stack(const struct tree *tree, dev_t devnum) {
        struct mount_views views = { .complete = true };
        char swaps[128];
        const struct stack_world world = {
                .sysfs = tree->sysfs,
                .swaps = swaps,
                .views = &views,
        };
        struct stack stack;

        (void) snprintf(swaps, sizeof(swaps), "%s/swaps", tree->procfs);
        if (mount_views_read(tree->procfs, &views) == -ENOMEM)
                abort();
        if (stack_read(&world, devnum, &stack) < 0)
                abort();
        for (size_t i = 0; i < stack.n; i++)
                show_node(&stack, stack.nodes + i);
        if (!stack.complete)
                show("stands", "and perhaps more");
        stack_clear(&stack);
        mount_views_clear(&views);
}

static void show_device(const struct tree *tree, const char *dir) {
        struct disk_nodes nodes;
        struct disk_id id;
        int r = device_read(tree->sysfs, dir, &id, &nodes);

        if (r < 0) {
                show("refused", "%s", strerrorname_np(-r));
                return;
        }
        show_id(tree, &id, &nodes);
        if (id.kind == DISK_NVME)
                show_facts(tree, &nodes);
        show_counters(tree, &id, &nodes);
        show_stack(tree, id.devnum);
}

static int show_tree(struct tree *tree) {
        char path[128], release[128];
        int r = find_devices(tree);

        if (r < 0) {
                fprintf(stderr, "no block devices in it: %s\n", strerrorname_np(-r));
                return EXIT_FAILURE;
        }
        (void) snprintf(path, sizeof(path), "%s/sys/kernel/osrelease", tree->procfs);
        r = read_attribute_at(-EBADF, path, release, sizeof(release));
        printf("kernel %s\n", r < 0 ? strerrorname_np(-r) : release);
        for (size_t i = 0; i < tree->n; i++) {
                const struct device *device = tree->devices + i;
                bool is_path = device->path_of[0];

                printf("\n%s%s%s\n", device->name, is_path ? ", a path of " : "",
                       device->path_of);
                show_device(tree, is_path ? device->path_dir : device->dir);
        }
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        _cleanup_fclose_ FILE *dump = argc == 2 ? fopen(argv[1], "re") : NULL;
        _cleanup_temp_dir_ struct temp_dir dir = {};
        _cleanup_(tree_done) struct tree tree = {};
        const char *error;
        unsigned line;

        if (!dump) {
                fprintf(stderr, "usage: show-tree DUMP\n");
                return EXIT_FAILURE;
        }
        dir = temp_dir_new();
        if (unpack(dump, dir.path, &error, &line) < 0) {
                fprintf(stderr, "line %u: %s\n", line, error);
                return EXIT_FAILURE;
        }
        tree.devices = calloc(DEVICES_MAX, sizeof(*tree.devices));
        if (!tree.devices || !realpath(dir.path, tree.root))
                abort();
        (void) snprintf(tree.sysfs, sizeof(tree.sysfs), "%s/sys", dir.path);
        (void) snprintf(tree.procfs, sizeof(tree.procfs), "%s/proc", dir.path);
        return show_tree(&tree);
}
