/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine made of small files, as far as agent/observe/stack.h looks at it, and its stacks as
 * text. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>
#include <sys/sysmacros.h>

#include "agent/observe/namespaces.h"
#include "agent/observe/stack.h"
#include "tests/unit/temp-dir.h"

#define TEXT_SIZE (64 * 1024)

static inline void add_device(const struct temp_dir *dir, const char *name, const char *place,
                              const char *number) {
        char line[32];

        (void) snprintf(line, sizeof(line), "%s\n", number);
        write_text(temp_path(dir, "devices/%s/dev", place), line);
        make_parents(temp_path(dir, "devices/%s/holders/", place));
        make_parents(temp_path(dir, "devices/%s/slaves/", place));
        make_symlink(temp_path(dir, "devices/%s", place), temp_path(dir, "class/block/%s", name));
        make_symlink(temp_path(dir, "devices/%s", place), temp_path(dir, "dev/block/%s", number));
}

static inline void add_disk(const struct temp_dir *dir, const char *name, const char *number) {
        add_device(dir, name, name, number);
}

static inline void add_partition(const struct temp_dir *dir, const char *disk, const char *name,
                                 const char *number) {
        char place[80];

        (void) snprintf(place, sizeof(place), "%s/%s", disk, name);
        add_device(dir, name, place, number);
        write_text(temp_path(dir, "class/block/%s/partition", name), "1\n");
}

/* An attribute of a block device. */
static inline void set(const struct temp_dir *dir, const char *name, const char *file,
                       const char *value) {
        char line[256];

        (void) snprintf(line, sizeof(line), "%s\n", value);
        write_text(temp_path(dir, "class/block/%s/%s", name, file), line);
}

/* UPPER stands on LOWER. */
static inline void hold(const struct temp_dir *dir, const char *lower, const char *upper) {
        make_symlink(temp_path(dir, "class/block/%s", upper),
                     temp_path(dir, "class/block/%s/holders/%s", lower, upper));
        make_symlink(temp_path(dir, "class/block/%s", lower),
                     temp_path(dir, "class/block/%s/slaves/%s", upper, lower));
}

static inline void add_dm(const struct temp_dir *dir, const char *name, const char *number,
                          const char *dm_name, const char *uuid) {
        add_disk(dir, name, number);
        set(dir, name, "dm/name", dm_name);
        set(dir, name, "dm/uuid", uuid);
}

static inline void add_md(const struct temp_dir *dir, const char *name, const char *number,
                          const char *level, const char *disks) {
        add_disk(dir, name, number);
        set(dir, name, "md/level", level);
        set(dir, name, "md/raid_disks", disks);
        set(dir, name, "md/degraded", "0");
}

/* A process with its own namespace, or that of others. */
static inline void add_process(const struct temp_dir *dir, const char *pid, unsigned space,
                               const char *mountinfo) {
        char link[32];

        (void) snprintf(link, sizeof(link), "mnt:[%u]", space);
        make_symlink(link, temp_path(dir, "proc/%s/ns/mnt", pid));
        write_text(temp_path(dir, "proc/%s/mountinfo", pid), mountinfo);
}

/* sda (8:0) with sda1 and sda2, sdb (8:16) without partitions. */
static inline struct temp_dir stack_machine(const char *mountinfo, const char *swaps) {
        struct temp_dir dir = temp_dir_new();
        char text[4096];

        add_disk(&dir, "sda", "8:0");
        add_partition(&dir, "sda", "sda1", "8:1");
        add_partition(&dir, "sda", "sda2", "8:2");
        add_disk(&dir, "sdb", "8:16");
        add_process(&dir, "self", 1, mountinfo);
        (void) snprintf(text, sizeof(text), "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n%s",
                        swaps);
        write_text(temp_path(&dir, "swaps"), text);
        return dir;
}

static inline void read_stack(const struct temp_dir *dir, unsigned minor, struct stack *ret) {
        struct mount_views views = {};
        char sysfs[PATH_MAX], swaps[PATH_MAX], procfs[PATH_MAX];
        const struct stack_world world = {
                .sysfs = temp_path_in(sysfs, dir, "."),
                .swaps = temp_path_in(swaps, dir, "swaps"),
                .views = &views,
        };

        assert_int_equal(mount_views_read(temp_path_in(procfs, dir, "proc"), &views), 0);
        assert_int_equal(stack_read(&world, makedev(8, minor), ret), 0);
        mount_views_clear(&views);
}

static inline size_t put_node(const struct stack *s, size_t i, char *text, size_t size) {
        const struct stack_node *node = s->nodes + i;
        int depth = 0;

        for (int p = node->parent; p >= 0; p = s->nodes[p].parent)
                depth++;
        return (size_t) snprintf(text, size, "%*s%s %s%s%s%s%s%s%s\n", depth * 2, "",
                                 stack_kind_to_string(node->kind), node->name,
                                 node->text[0] ? " " : "", node->text, node->again ? ", again" : "",
                                 node->spare ? ", spare" : "",
                                 node->pid > 0 ? ", elsewhere" : "", node->stays ? ", stays" : "");
}

/* The stack as text, two blanks deeper for each level: text of TEXT_SIZE. */
static inline const char *stack_text(const struct stack *s, char *text) {
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < s->n; i++) {
                assert_true(s->nodes[i].parent < (int) i);
                n += put_node(s, i, text + n, TEXT_SIZE - n);
        }
        return text;
}

/* What stands on 8:MINOR is just this, and whether there is more. */
static inline void assert_stack(const struct temp_dir *dir, unsigned minor, const char *expected,
                                bool unfollowed, bool complete) {
        struct stack stack = {};
        char *text = malloc(TEXT_SIZE);

        read_stack(dir, minor, &stack);
        assert_string_equal(stack_text(&stack, text), expected);
        assert_int_equal(stack_is_unfollowed(&stack, true), unfollowed);
        assert_int_equal(stack.complete, complete);
        stack_clear(&stack);
        free(text);
}
