/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Directories with configuration, and a disk that it may be for. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/macro.h"
#include "agent/conf/choose.h"

struct world {
        char root[32], etc[64], run[64], lib[64];
        struct conf_places places;
        struct conf_set *set;
        char said[8192]; /* the messages, one to a line, without the root */
        int errors;
};

static void world_hear(int priority, const char *message, void *userdata) {
        struct world *world = userdata;
        size_t n = strlen(world->said), root = strlen(world->root);
        const char *p = message;

        (void) priority;
        while (*p && n + 2 < sizeof(world->said)) {
                if (strncmp(p, world->root, root) == 0)
                        p += root;
                else
                        world->said[n++] = *p++;
        }
        world->said[n++] = '\n';
        world->said[n] = '\0';
}

/* DIR is one of etc, run, lib; NAME begins with a slash. */
static void world_path(char ret[PATH_MAX], const char *dir, const char *name) {
        (void) snprintf(ret, PATH_MAX, "%s%s", dir, name);
}

static void world_put(const char *dir, const char *name, const char *text) {
        char path[PATH_MAX];
        FILE *f;

        world_path(path, dir, name);
        f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void world_link(const char *dir, const char *name, const char *target) {
        char path[PATH_MAX];

        world_path(path, dir, name);
        assert_int_equal(symlink(target, path), 0);
}

static void world_begin(struct world *world) {
        static const char *const subdirs[] = { "", "/policy.d", "/unhangd.conf.d" };

        *world = (struct world) { .root = "/tmp/test-conf.XXXXXX" };
        assert_non_null(mkdtemp(world->root));
        (void) snprintf(world->etc, sizeof(world->etc), "%s/etc", world->root);
        (void) snprintf(world->run, sizeof(world->run), "%s/run", world->root);
        (void) snprintf(world->lib, sizeof(world->lib), "%s/lib", world->root);
        world->places = (struct conf_places) { { world->etc, world->run, world->lib } };
        for (size_t d = 0; d < CONF_DIRS; d++)
                for (size_t i = 0; i < ELEMENTSOF(subdirs); i++) {
                        char path[PATH_MAX];

                        world_path(path, world->places.dirs[d], subdirs[i]);
                        assert_int_equal(mkdir(path, 0755), 0);
                }
        world->set = malloc(sizeof(*world->set));
        assert_non_null(world->set);
}

static void world_end(struct world *world) {
        char command[64];

        (void) snprintf(command, sizeof(command), "rm -r %s", world->root);
        assert_int_equal(system(command), 0);
        free(world->set);
}

static void world_read(struct world *world) {
        world->said[0] = '\0';
        world->errors = conf_set_read(&world->places, NULL, world_hear, world, world->set);
}

/* A disk with such properties ("NAME=value" each, then NULL) and one mount at TARGET, if any. */
static struct conf_choice world_choose(struct world *world, const char *driver,
                                       const char *const *properties, const char *target) {
        struct disk_id id = { .name = "sda", .kind = DISK_SCSI };
        const struct conf_mount mount = { .type = "ext4", .target = target };
        struct properties copied = {};
        const struct conf_facts facts = {
                .id = &id,
                .properties = &copied,
                .mounts = &mount,
                .n_mounts = target != NULL,
        };
        struct conf_choice choice;

        (void) snprintf(id.driver, sizeof(id.driver), "%s", driver);
        for (; properties && *properties; properties++) {
                char name[64];
                size_t n = strcspn(*properties, "=");

                (void) snprintf(name, sizeof(name), "%.*s", (int) n, *properties);
                assert_true(properties_add(&copied, name, *properties + n + 1));
        }
        world->said[0] = '\0';
        conf_choose(world->set, &facts, world_hear, world, &choice);
        return choice;
}

#define PROPERTIES(...) ((const char *const[]) { __VA_ARGS__, NULL })
