/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/conf-world.h"

static struct conf_choice plain(struct world *world) {
        return world_choose(world, "virtio_scsi", NULL, NULL);
}

static void assert_chosen(struct world *world, const struct conf_choice *choice, const char *name,
                          usec_t stall) {
        assert_string_equal(conf_choice_name(world->set, choice), name);
        assert_int_equal(choice->policy.stall, stall * USEC_PER_SEC);
        assert_int_equal(choice->policy.act, 1);
}

static void test_nothing(void **state) {
        struct conf_choice choice;
        struct policy defaults;
        struct world world;

        world_begin(&world);
        world_read(&world);
        assert_int_equal(world.errors, 0);
        assert_string_equal(world.said, "");
        choice = plain(&world);
        conf_defaults(&defaults);
        assert_memory_equal(&choice.policy, &defaults, sizeof(defaults));
        assert_string_equal(conf_choice_name(world.set, &choice), "-");
        assert_int_equal(choice.by, CONF_BY_NOTHING);

        /* Not even the directories. */
        world_end(&world);
        world.set = malloc(sizeof(*world.set));
        assert_non_null(world.set);
        world_read(&world);
        assert_int_equal(world.errors, 0);
        free(world.set);
}

static usec_t stall_of(struct world *world) {
        world_read(world);
        assert_string_equal(world->said, "");
        assert_int_equal(world->errors, 0);
        return plain(world).policy.stall / USEC_PER_SEC;
}

/* The first unhangd.conf alone counts; of its parts one of each name, by name, whatever the
 * directory. */
static void test_general(void **state) {
        struct world world;

        world_begin(&world);
        world_put(world.lib, "/unhangd.conf", "[Detect]\nStallSec=201\nWarnSec=3\n");
        assert_int_equal(stall_of(&world), 201);
        world_put(world.run, "/unhangd.conf", "[Detect]\nStallSec=202\n");
        assert_int_equal(stall_of(&world), 202);
        assert_int_equal(plain(&world).policy.warn, 30 * USEC_PER_SEC);
        world_put(world.etc, "/unhangd.conf", "[Detect]\nStallSec=203\n");
        assert_int_equal(stall_of(&world), 203);
        world_put(world.etc, "/unhangd.conf", "");
        assert_int_equal(stall_of(&world), 120);
        world_put(world.etc, "/unhangd.conf", "[Detect]\nStallSec=203\n");

        world_put(world.lib, "/unhangd.conf.d/50.conf", "[Detect]\nStallSec=211\n");
        assert_int_equal(stall_of(&world), 211);
        world_put(world.etc, "/unhangd.conf.d/20.conf", "[Detect]\nStallSec=212\n");
        assert_int_equal(stall_of(&world), 211);
        world_put(world.run, "/unhangd.conf.d/60.conf", "[Recover]\nSettleSec=44\n");
        assert_int_equal(stall_of(&world), 211);
        assert_int_equal(plain(&world).policy.settle, 44 * USEC_PER_SEC);
        world_put(world.run, "/unhangd.conf.d/50.conf", "[Detect]\nStallSec=213\n");
        assert_int_equal(stall_of(&world), 213);
        world_put(world.etc, "/unhangd.conf.d/50.conf", "[Detect]\nStallSec=214\n");
        assert_int_equal(stall_of(&world), 214);

        /* What is no part. */
        world_put(world.etc, "/unhangd.conf.d/70.conf.rpmsave", "[Detect]\nStallSec=215\n");
        world_put(world.etc, "/unhangd.conf.d/.80.conf", "[Prepare]\nIoStats=no\n");
        world_put(world.etc, "/unhangd.conf.d/90.policy", "[Detect]\nStallSec=215\n");
        assert_int_equal(stall_of(&world), 214);
        assert_int_equal(plain(&world).policy.iostats, 1);
        world_end(&world);
}

/* An empty file and a link to /dev/null take out the ones of that name below them. */
static void test_masked(void **state) {
        struct conf_choice choice;
        struct world world;

        world_begin(&world);
        world_put(world.lib, "/unhangd.conf.d/50.conf", "[Detect]\nStallSec=211\n");
        world_link(world.run, "/unhangd.conf.d/50.conf", "/dev/null");
        assert_int_equal(stall_of(&world), 120);
        world_put(world.etc, "/unhangd.conf.d/50.conf", "[Detect]\nStallSec=212\n");
        assert_int_equal(stall_of(&world), 212);

        world_put(world.lib, "/policy.d/a.policy", "[Match]\nDriver=*\n[Detect]\nStallSec=301\n");
        world_put(world.lib, "/policy.d/b.policy", "[Match]\nDriver=*\n[Detect]\nStallSec=302\n");
        world_read(&world);
        choice = plain(&world);
        assert_chosen(&world, &choice, "a", 301);
        world_put(world.etc, "/policy.d/a.policy", "");
        world_read(&world);
        choice = plain(&world);
        assert_chosen(&world, &choice, "b", 302);
        world_link(world.run, "/policy.d/b.policy", "/dev/null");
        world_read(&world);
        choice = plain(&world);
        assert_chosen(&world, &choice, "-", 212);
        assert_int_equal(world.set->n_policies, 0);

        /* The /etc one before that of /run, which is then not looked at. */
        world_put(world.etc, "/policy.d/b.policy", "[Match]\nDriver=*\n[Detect]\nStallSec=303\n");
        world_read(&world);
        choice = plain(&world);
        assert_chosen(&world, &choice, "b", 303);
        world_end(&world);
}

/* The first that matches, in the order of the names; no policy without a [Match] by itself. */
static void test_order(void **state) {
        struct conf_choice choice;
        struct world world;

        world_begin(&world);
        world_put(world.etc, "/unhangd.conf", "[Detect]\nStallSec=200\nWarnSec=7\n");
        world_put(world.lib, "/policy.d/default.policy", "[Recover]\nSettleSec=41\n");
        world_put(world.lib, "/policy.d/azure.policy", "[Match]\nDriver=hv_storvsc\n");
        world_put(world.lib, "/policy.d/named.policy", "[Detect]\nStallSec=303\n");
        world_put(world.lib, "/policy.d/empty.policy", "[Match]\n[Detect]\nStallSec=304\n");
        world_put(world.lib, "/policy.d/z.policy", "[Match]\nDriver=virtio_*\n"
                                                   "[Detect]\nStallSec=301\n");
        world_read(&world);
        assert_string_equal(world.said, "");
        choice = plain(&world);
        assert_chosen(&world, &choice, "z", 301);
        assert_int_equal(choice.by, CONF_BY_MATCH);
        assert_int_equal(choice.policy.warn, 7 * USEC_PER_SEC);
        assert_int_equal(choice.policy.settle, 30 * USEC_PER_SEC);
        choice = world_choose(&world, "hv_storvsc", NULL, NULL);
        assert_chosen(&world, &choice, "azure", 200);
        choice = world_choose(&world, "nvme", NULL, NULL);
        assert_chosen(&world, &choice, "default", 200);
        assert_int_equal(choice.by, CONF_BY_DEFAULT);
        assert_int_equal(choice.policy.settle, 41 * USEC_PER_SEC);

        world_put(world.etc, "/policy.d/10-mine.policy", "[Match]\nMountPoint=/srv\n"
                                                         "[Detect]\nStallSec=305\n");
        world_read(&world);
        choice = world_choose(&world, "virtio_scsi", NULL, "/srv");
        assert_chosen(&world, &choice, "10-mine", 305);
        choice = world_choose(&world, "virtio_scsi", NULL, "/mnt");
        assert_chosen(&world, &choice, "z", 301);
        world_end(&world);
}

static void test_named(void **state) {
        struct conf_choice choice;
        struct world world;

        world_begin(&world);
        world_put(world.lib, "/policy.d/a.policy", "[Match]\nDriver=*\n[Detect]\nStallSec=301\n");
        world_put(world.lib, "/policy.d/named.policy", "[Detect]\nStallSec=303\n");
        world_read(&world);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_POLICY=named"), NULL);
        assert_chosen(&world, &choice, "named", 303);
        assert_int_equal(choice.by, CONF_BY_PROPERTY);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_POLICY="), NULL);
        assert_chosen(&world, &choice, "a", 301);
        assert_string_equal(world.said, "");

        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_POLICY=no\tne",
                                                         "UNHANG_ACT=yes"), NULL);
        assert_string_equal(world.said, "sda: UNHANG_POLICY=no?ne: there is no policy of that "
                                        "name; nothing is done to the disk until there is\n");
        assert_string_equal(conf_choice_name(world.set, &choice), "-");
        assert_int_equal(choice.policy.act, 0);
        assert_int_equal(choice.policy.stall, 120 * USEC_PER_SEC);
        world_end(&world);
}

/* Where the value of the key of this name comes from, without the root. */
static const char *origin(struct world *world, const struct conf_choice *choice, const char *name,
                          char buf[static 256]) {
        size_t root = strlen(world->root);
        struct conf_told told;
        const char *text;

        conf_choice_tell(world->set, choice, &told);
        text = told.values[conf_find_key(NULL, name) - conf_keys].origin;
        (void) snprintf(buf, 256, "%s", strncmp(text, world->root, root) == 0 ? text + root
                                                                               : text);
        return buf;
}

static void test_origins(void **state) {
        struct conf_choice choice;
        struct conf_told told;
        struct world world;
        char buf[256];

        world_begin(&world);
        world_put(world.etc, "/unhangd.conf", "[Detect]\nInflightLimit=7\nInflightLimitSec=7\n");
        world_put(world.run, "/unhangd.conf.d/x.conf", "[Detect]\n\nInflightLimitSec=8\n");
        world_put(world.lib, "/policy.d/a.policy", "[Match]\nDriver=*\n[Detect]\nStallSec=20\n");
        world_read(&world);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_SETTLE_SEC=9"), NULL);
        assert_string_equal(origin(&world, &choice, "InflightLimit", buf), "/etc/unhangd.conf:2");
        assert_string_equal(origin(&world, &choice, "InflightLimitSec", buf),
                            "/run/unhangd.conf.d/x.conf:3");
        assert_string_equal(origin(&world, &choice, "StallSec", buf), "/lib/policy.d/a.policy:4");
        assert_string_equal(origin(&world, &choice, "SettleSec", buf),
                            "udev property UNHANG_SETTLE_SEC");
        assert_string_equal(origin(&world, &choice, "WarnSec", buf),
                            "never longer than StallSec=");
        assert_string_equal(origin(&world, &choice, "IoStats", buf), "default");
        conf_choice_tell(world.set, &choice, &told);
        assert_string_equal(told.report.policy, "a");
        assert_non_null(strstr(told.report.reason, "/lib/policy.d/a.policy"));
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_IGNORE=perhaps"), NULL);
        assert_string_equal(origin(&world, &choice, "Act", buf),
                            "an error in its policy or udev properties");
        world_end(&world);
}

/* Every key can be set by its property, and falls back as it does in a file. */
static void test_properties(void **state) {
        struct world world;

        world_begin(&world);
        world_read(&world);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                const struct conf_key *key = &conf_keys[i];
                char name[CONF_TEXT_MAX], value[CONF_TEXT_MAX], text[2 * CONF_TEXT_MAX + 1];
                struct conf_choice choice;
                uint64_t other = key->preset == key->max ? key->min : key->max;

                (void) conf_property(name, sizeof(name), key);
                assert_string_not_equal(name, CONF_POLICY_PROPERTY);
                assert_string_not_equal(name, CONF_IGNORE_PROPERTY);
                assert_string_not_equal(name, CONF_ROTATIONAL_PROPERTY);

                /* Room for every WarnSec=. */
                (void) snprintf(text, sizeof(text), "%s=%s", name,
                                conf_format(value, sizeof(value), key, other));
                choice = world_choose(&world, "nvme",
                                      strcmp(key->name, "WarnSec") == 0
                                              ? PROPERTIES("UNHANG_STALL_SEC=7d", text)
                                              : PROPERTIES("UNHANG_WARN_SEC=1s", text), NULL);
                assert_string_equal(world.said, "");
                assert_int_equal(conf_value(&choice.policy, key), other);
                assert_int_equal(choice.origins[i], CONF_FROM_PROPERTY);

                (void) snprintf(text, sizeof(text), "%s=\x01rubbish", name);
                choice = world_choose(&world, "nvme", PROPERTIES(text), NULL);
                assert_int_equal(conf_value(&choice.policy, key), key->fallback);
                (void) snprintf(text, sizeof(text), "sda: %s=?rubbish: allowed is %s; ", name,
                                conf_allowed(value, sizeof(value), key));
                assert_int_equal(strncmp(world.said, text, strlen(text)), 0);

                (void) snprintf(text, sizeof(text), "%s=", name);
                choice = world_choose(&world, "nvme", PROPERTIES(text), NULL);
                assert_string_equal(world.said, "");
                assert_int_equal(conf_value(&choice.policy, key), key->preset);
        }
        world_end(&world);
}

static void test_property_names(void **state) {
        static const char *const names[][2] = {
                { "StallSec", "UNHANG_STALL_SEC" },
                { "InflightLimitSec", "UNHANG_INFLIGHT_LIMIT_SEC" },
                { "IoStats", "UNHANG_IO_STATS" },
                { "Act", "UNHANG_ACT" },
        };
        char buf[CONF_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(conf_property(buf, sizeof(buf),
                                                  conf_find_key(NULL, names[i][0])), names[i][1]);
}

static void test_ignore(void **state) {
        struct conf_choice choice;
        struct world world;

        world_begin(&world);
        world_read(&world);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_IGNORE=1"), NULL);
        assert_true(choice.ignored);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_IGNORE=0"), NULL);
        assert_false(choice.ignored);
        assert_int_equal(choice.policy.act, 1);
        assert_string_equal(world.said, "");
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_IGNORE=ja"), NULL);
        assert_false(choice.ignored);
        assert_int_equal(choice.policy.act, 0);
        assert_string_equal(world.said, "sda: UNHANG_IGNORE=ja: allowed is 1 or 0; nothing is done "
                                        "to the disk, to be safe\n");
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_STAL_SEC=5", "UNHANG_ROTATIONAL=1",
                                                         "UNHANGED=1"), NULL);
        assert_string_equal(world.said, "sda: UNHANG_STAL_SEC=5: there is no such property; see "
                                        "unhang-udev(7); it is ignored\n");
        assert_int_equal(choice.policy.act, 1);
        world_end(&world);
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* A policy of which it is not known which disks it is for is for none, but can be named. */
static void test_broken_match(void **state) {
        static const char *const broken[] = {
                "[Match]\nDriver=*\nModle=x\n[Detect]\nStallSec=10\n",
                "[Match]\nDriver=*\nRotational=perhaps\n[Detect]\nStallSec=10\n",
                "[Match]\nDriver=*\nDriver=nvme\n[Detect]\nStallSec=10\n",
                "[Match]\nDriver=*\nModel=\xFF\n[Detect]\nStallSec=10\n",
                "[Match]\nDriver=*\nModel=" X50 X50 X50 X50 "\n[Detect]\nStallSec=10\n",
                "[Match]\nDriver=*\n[Match\nModel=x\n[Detect]\nStallSec=10\n",
                "Model=x\n[Match]\nDriver=*\n[Detect]\nStallSec=10\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
                struct conf_choice choice;
                struct world world;

                world_begin(&world);
                world_put(world.etc, "/policy.d/a.policy", broken[i]);
                world_read(&world);
                assert_true(world.errors > 0);
                choice = plain(&world);
                assert_chosen(&world, &choice, "-", 120);
                choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_POLICY=a"), NULL);
                assert_chosen(&world, &choice, "a", 10);
                world_end(&world);
        }
}

static void test_match_is_for_policies(void **state) {
        struct world world;

        world_begin(&world);
        world_put(world.etc, "/unhangd.conf", "[Match]\nDriver=nvme\n");
        world_read(&world);
        assert_string_equal(world.said, "/etc/unhangd.conf:2: [Match] Driver=nvme: no such "
                                        "section; allowed are [Prepare], [Detect], [Recover], "
                                        "[Filesystem]; the line is ignored\n");
        world_put(world.etc, "/unhangd.conf", "");
        world_put(world.etc, "/policy.d/a.policy", "[Match]\nDriver=\n[Mach]\nDriver=x\n");
        world_read(&world);
        assert_string_equal(world.said,
                            "/etc/policy.d/a.policy:2: [Match] Driver=: allowed is one or more "
                            "globs, parted by blanks, with ! before them for all others; no disk "
                            "is matched\n"
                            "/etc/policy.d/a.policy:4: [Mach] Driver=x: no such section; allowed "
                            "are [Match], [Prepare], [Detect], [Recover], [Filesystem]; no disk "
                            "is matched\n");
        world_end(&world);
}

/* What cannot be read leads to no act. */
static void test_unreadable(void **state) {
        struct conf_choice choice;
        struct world world;
        char buf[256];

        world_begin(&world);
        world_link(world.etc, "/policy.d/loop.policy", "loop.policy");
        world_link(world.etc, "/policy.d/dir.policy", "/");
        world_link(world.etc, "/policy.d/nowhere.policy", "nothing");
        world_read(&world);
        assert_string_equal(world.said,
                            "/etc/policy.d/dir.policy: cannot be read: Is a directory; until it "
                            "can, nothing is done to the disks it is for\n"
                            "/etc/policy.d/loop.policy: cannot be read: Too many levels of "
                            "symbolic links; until it can, nothing is done to the disks it is "
                            "for\n");
        assert_int_equal(world.errors, 2);
        choice = world_choose(&world, "nvme", PROPERTIES("UNHANG_POLICY=loop", "UNHANG_ACT=1"),
                              NULL);
        assert_int_equal(choice.policy.act, 0);
        choice = plain(&world);
        assert_int_equal(choice.policy.act, 1);

        world_link(world.etc, "/unhangd.conf", "unhangd.conf");
        world_read(&world);
        assert_int_equal(world.errors, 3);
        choice = plain(&world);
        assert_int_equal(choice.policy.act, 0);
        assert_string_equal(origin(&world, &choice, "Act", buf),
                            "/etc/unhangd.conf cannot be read");
        world_end(&world);
}

static void test_names_of_policies(void **state) {
        struct world world;

        world_begin(&world);
        world_put(world.etc, "/policy.d/a b.policy", "[Match]\nDriver=*\n");
        world_put(world.etc, "/policy.d/\x1b[1m.policy", "[Match]\nDriver=*\n");
        world_put(world.etc, "/policy.d/a.b-c_1@x.policy", "[Match]\nDriver=*\n");
        world_put(world.etc, "/policy.d/" X50 "12345678901234.policy", "[Match]\n");
        world_read(&world);
        assert_int_equal(world.errors, 3);
        assert_int_equal(world.set->n_policies, 1);
        assert_non_null(conf_set_find(world.set, "a.b-c_1@x"));
        assert_null(conf_set_find(world.set, "a"));
        world_end(&world);
}

/* So many that they do not fit: the rest is refused, with an error for each. */
static void test_too_many(void **state) {
        struct conf_choice choice;
        struct world world;

        world_begin(&world);
        for (unsigned i = 0; i < CONF_POLICIES_MAX + 2; i++) {
                char name[64], text[128];

                (void) snprintf(name, sizeof(name), "/policy.d/%03u.policy", i);
                (void) snprintf(text, sizeof(text), "[Match]\nSerial=%u\n[Detect]\nStallSec=%u\n",
                                i, 1000 + i);
                world_put(world.etc, name, text);
        }
        world_read(&world);
        assert_int_equal(world.errors, 2);
        assert_non_null(strstr(world.said, "129.policy: one policy too many; it is ignored\n"));
        choice = world_choose(&world, "nvme", PROPERTIES("ID_SERIAL=127"), NULL);
        assert_chosen(&world, &choice, "127", 1127);
        world_end(&world);
}

/* As many bytes as there are. */
static void test_full_pool(void **state) {
        char text[4096], value[180] = {};
        struct world world;
        size_t n = 0;

        memset(value, 'x', sizeof(value) - 1);
        n += (size_t) snprintf(text, sizeof(text), "[Match]\n");
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (conf_match_keys[i].type == MATCH_GLOBS)
                        n += (size_t) snprintf(text + n, sizeof(text) - n, "%s=%.*s\n",
                                               conf_match_keys[i].name,
                                               (int) (170 - strlen(conf_match_keys[i].name)),
                                               value);
        world_begin(&world);
        for (unsigned i = 0; i < 64; i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "/policy.d/%03u.policy", i);
                world_put(world.etc, name, text);
        }
        world_read(&world);
        assert_true(world.errors > 0);
        assert_int_equal(world.set->n_policies, 64 - world.errors);
        assert_true(world.set->pool_used <= CONF_POOL_SIZE);
        world_end(&world);
}

static void read_shipped(struct world *world) {
        world_begin(world);
        world->places = (struct conf_places) { { world->etc, world->run, SHIPPED } };
        world_read(world);
        assert_string_equal(world->said, "");
        assert_int_equal(world->errors, 0);
}

/* Each is there, and for the disks that it is meant for. */
static void test_shipped(void **state) {
        static const struct {
                const char *driver, *model, *target, *named, *policy;
                usec_t warn, stall, settle;
                bool act;
        } cases[] = {
                { "virtio_scsi", "QEMU_HARDDISK", "/srv", NULL, "default", 30, 120, 30, true },
                { "nvme", "QEMU NVMe Ctrl", NULL, NULL, "default", 30, 120, 30, true },
                { "nvme", "Amazon Elastic Block Store", "/", NULL, "ebs-nvme", 60, 300, 30, true },
                { "nvme", "Amazon EC2 NVMe Instance Storage", NULL, NULL, "default", 30, 120, 30,
                  true },
                { "hv_storvsc", "Virtual_Disk", "/", NULL, "azure", 60, 360, 30, true },
                { "vmw_pvscsi", "Virtual_disk", NULL, NULL, "vmware", 60, 360, 30, true },
                { "virtio_scsi", "QEMU_HARDDISK", "/", NULL, "root", 10, 120, 30, true },
                { "vmw_pvscsi", "Virtual_disk", NULL, "UNHANG_POLICY=database", "database", 5, 10,
                  10, true },
                { "nvme", "x", "/", "UNHANG_POLICY=patient", "patient", 600, 4 * 3600, 600, true },
                { "nvme", "x", "/", "UNHANG_POLICY=report-only", "report-only", 30, 120, 30,
                  false },
        };
        struct world world;

        read_shipped(&world);
        assert_int_equal(world.set->n_policies, 8);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct conf_choice choice;
                char model[64];

                (void) snprintf(model, sizeof(model), "ID_MODEL=%s", cases[i].model);
                choice = world_choose(&world, cases[i].driver,
                                      cases[i].named ? PROPERTIES(model, cases[i].named)
                                                     : PROPERTIES(model),
                                      cases[i].target);
                assert_string_equal(conf_choice_name(world.set, &choice), cases[i].policy);
                assert_int_equal(choice.policy.warn, cases[i].warn * USEC_PER_SEC);
                assert_int_equal(choice.policy.stall, cases[i].stall * USEC_PER_SEC);
                assert_int_equal(choice.policy.settle, cases[i].settle * USEC_PER_SEC);
                assert_int_equal(choice.policy.act, cases[i].act);
        }
        world_end(&world);
}

/* default.policy has every key with its default, as a comment; without the # it is the same. */
static void test_shipped_default(void **state) {
        _cleanup_fclose_ FILE *f = fopen(SHIPPED "/policy.d/default.policy", "re");
        char text[8192] = "", expected[CONF_KEYS * 128] = "", found[8192] = "";
        struct conf_choice choice;
        struct policy defaults;
        struct world world;
        size_t n = 0, m = 0;

        assert_non_null(f);
        assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                char value[CONF_TEXT_MAX];

                if (i == 0 || strcmp(conf_keys[i].section, conf_keys[i - 1].section) != 0)
                        n += (size_t) snprintf(expected + n, sizeof(expected) - n, "[%s]\n",
                                               conf_keys[i].section);
                n += (size_t) snprintf(expected + n, sizeof(expected) - n, "%s=%s\n",
                                       conf_keys[i].name,
                                       conf_format(value, sizeof(value), &conf_keys[i],
                                                   conf_keys[i].preset));
        }
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                if (line[0] == '[' || (line[0] == '#' && line[1] != ' '))
                        m += (size_t) snprintf(found + m, sizeof(found) - m, "%s\n",
                                               line + (line[0] == '#'));
        assert_string_equal(found, expected);

        read_shipped(&world);
        choice = plain(&world);
        conf_defaults(&defaults);
        assert_memory_equal(&choice.policy, &defaults, sizeof(defaults));
        world_end(&world);
}

/* The man pages have each key with what is allowed, its default and its udev property. */
static void test_manual(void **state) {
        char text[65536] = "";
        _cleanup_fclose_ FILE *f = fopen(SHIPPED "/../man/unhangd.conf.5", "re");

        assert_non_null(f);
        assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                char row[1024], what[CONF_TEXT_MAX], preset[CONF_TEXT_MAX];
                char property[CONF_TEXT_MAX];
                const struct conf_key *key = &conf_keys[i];

                (void) snprintf(row, sizeof(row),
                                ".It Cm %s=\nAllowed: %s.\n.br\nDefault: %s.\n.br\nUdev property: "
                                "%s.\n", key->name, conf_allowed(what, sizeof(what), key),
                                conf_format(preset, sizeof(preset), key, key->preset),
                                conf_property(property, sizeof(property), key));
                if (!strstr(text, row))
                        fail_msg("unhangd.conf.5 does not have\n%s", row);
        }
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++) {
                char row[128];

                (void) snprintf(row, sizeof(row), ".It Cm %s=\n", conf_match_keys[i].name);
                if (!strstr(text, row))
                        fail_msg("unhangd.conf.5 does not have\n%s", row);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_general),
                cmocka_unit_test(test_masked),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_named),
                cmocka_unit_test(test_origins),
                cmocka_unit_test(test_properties),
                cmocka_unit_test(test_property_names),
                cmocka_unit_test(test_ignore),
                cmocka_unit_test(test_broken_match),
                cmocka_unit_test(test_match_is_for_policies),
                cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_names_of_policies),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_full_pool),
                cmocka_unit_test(test_shipped),
                cmocka_unit_test(test_shipped_default),
                cmocka_unit_test(test_manual),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
