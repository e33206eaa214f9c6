/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/agent.h"
#include "agent/decide/names.h"
#include "agent/radius.h"

#define NOTE_MAX 160

/* Also disks that are only watched, and so have no executor. */
static bool shares_domain(const struct disk *a, const struct disk *b) {
        return a == b || (a->id.domain[0] && strcmp(a->id.domain, b->id.domain) == 0);
}

struct radius radius_of(const struct disk *disk) {
        const struct stack *stacks[EXECUTOR_SLOTS];
        struct radius radius = {};
        size_t n = 0;

        assert(disk);

        for (const struct disk *d = disk->agent->disks; d; d = d->next) {
                if (!shares_domain(disk, d))
                        continue;
                stack_count(&d->stack, stacks, n, &radius);
                if (n < ELEMENTSOF(stacks))
                        stacks[n++] = &d->stack;
        }
        return radius;
}

static const char *note_of(const struct stack_node *node, char *buf) {
        buf[0] = '\0';
        if (node->again)
                (void) snprintf(buf, NOTE_MAX, "listed before");
        else if (node->kind == STACK_MD && node->spare)
                (void) snprintf(buf, NOTE_MAX, "goes on without this disk");
        else if (node->kind == STACK_FILESYSTEM && node->devices > 1)
                (void) snprintf(buf, NOTE_MAX, "on %u devices", node->devices);
        else if (node->stays)
                (void) snprintf(buf, NOTE_MAX, "stays in the mount namespace of process %d",
                                (int) node->pid);
        else if (node->kind == STACK_MOUNT && node->pid > 0)
                (void) snprintf(buf, NOTE_MAX, "in the mount namespace of process %d",
                                (int) node->pid);
        return buf;
}

static uint32_t depth_of(const struct stack *stack, size_t i) {
        uint32_t depth = 1;

        for (int p = stack->nodes[i].parent; p >= 0; p = stack->nodes[p].parent)
                depth++;
        return depth;
}

static const char *number_of(dev_t devnum, char buf[static 32]) {
        (void) snprintf(buf, 32, "%u:%u", major(devnum), minor(devnum));
        return buf;
}

static void describe_nodes(const struct disk *disk, struct bus_status *status) {
        char note[NOTE_MAX], number[32];

        bus_node_add(status, &(struct node_report) {
                                     .kind = "disk",
                                     .name = disk->id.name,
                                     .text = disk->id.serial,
                                     .number = number_of(disk->id.devnum, number),
                             });
        for (size_t i = 0; i < disk->stack.n; i++) {
                const struct stack_node *node = disk->stack.nodes + i;

                bus_node_add(status, &(struct node_report) {
                                             .depth = depth_of(&disk->stack, i),
                                             .kind = stack_kind_to_string(node->kind),
                                             .name = node->name,
                                             .text = node->text,
                                             .note = note_of(node, note),
                                             .number = number_of(node->devnum, number),
                                             .space = node->space,
                                             .pid = (uint32_t) node->pid,
                                     });
        }
}

static size_t describe_owners(const struct disk *disk, const char *names[static _DISK_OWNER_MAX]) {
        size_t n = 0;

        for (enum disk_owner owner = 0; owner < _DISK_OWNER_MAX; owner++)
                if (disk->owners & OWNER_BIT(owner))
                        names[n++] = owner_to_string(owner);
        return n;
}

static bool is_complete(const struct disk *disk, bool domain) {
        for (const struct disk *d = disk->agent->disks; d; d = d->next)
                if ((d == disk || (domain && shares_domain(disk, d))) && !d->stack.complete)
                        return false;
        return true;
}

void radius_describe(const struct disk *disk, bool domain, struct bus_status *status) {
        const char *owners[_DISK_OWNER_MAX];
        struct stack_report report = {
                .domain = disk->id.domain,
                .owners = owners,
                .n_owners = describe_owners(disk, owners),
                .complete = is_complete(disk, domain),
        };

        assert(disk && status);

        if (domain)
                report.radius = radius_of(disk);
        else
                stack_count(&disk->stack, NULL, 0, &report.radius);
        bus_stack_begin(status, &report);
        for (const struct disk *d = disk->agent->disks; d; d = d->next)
                if (d == disk || (domain && shares_domain(disk, d)))
                        describe_nodes(d, status);
}
