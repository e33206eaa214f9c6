/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/observe/nvme.h"
#include "tests/unit/temp-dir.h"

/* The facts about an NVMe controller, and their careful values. */

#define BRIDGE "devices/pci0000:00/0000:00:1c.0"
#define FUNCTION BRIDGE "/0000:01:00.0"
#define CONTROLLER FUNCTION "/nvme/nvme0"
#define PARAMETERS "module/nvme_core/parameters"
#define LOCKDOWN "kernel/security/lockdown"

struct world {
        struct temp_dir dir;
        struct disk_nodes nodes;
};

static void put(struct world *w, const char *path, const char *text) {
        write_text(temp_path(&w->dir, "%s", path), text);
}

static void put_bar(struct world *w, uint8_t low, uint8_t high, size_t size) {
        uint8_t config[64] = { [0x10] = low, [0x14] = high, high, high, high };

        write_bytes(temp_path(&w->dir, FUNCTION "/config"), config, size);
}

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        w->dir = temp_dir_new();
        put(w, BRIDGE "/class", "0x060400\n");
        put_bar(w, 0x4, 0, 64);
        make_symlink("../../../0000:01:00.0", temp_path(&w->dir, CONTROLLER "/device"));
        put(w, PARAMETERS "/admin_timeout", "60\n");
        put(w, LOCKDOWN, "[none] integrity confidentiality\n");
        (void) snprintf(w->nodes.device_dir, sizeof(w->nodes.device_dir), "%s/" CONTROLLER,
                        w->dir.path);
        (void) snprintf(w->nodes.block_dir, sizeof(w->nodes.block_dir),
                        "%s/" CONTROLLER "/nvme0n1", w->dir.path);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;

        temp_dir_removep(&w->dir);
        free(w);
        return 0;
}

static struct nvme_facts facts_of(struct world *w) {
        struct nvme_facts facts;

        assert_int_equal(nvme_facts_read(w->dir.path, &w->nodes, &facts), 0);
        assert_true(facts.io_timeout == USEC_INFINITY); /* a queue attribute: not for here */
        return facts;
}

static void test_plain(void **state) {
        struct nvme_facts facts = facts_of(*state);

        assert_false(facts.multipath);
        assert_false(facts.lockdown);
        assert_true(facts.movable_bar);
        assert_true(facts.own_bridge);
        assert_false(facts.identify);
        assert_int_equal(facts.admin_timeout, 60 * USEC_PER_SEC);
}

static void test_multipath(void **state) {
        struct world *w = *state;

        (void) snprintf(w->nodes.block_dir, sizeof(w->nodes.block_dir),
                        "%s/" CONTROLLER "/nvme0c1n1", w->dir.path);
        assert_true(facts_of(w).multipath);
}

static void test_lockdown(void **state) {
        struct world *w = *state;

        put(w, LOCKDOWN, "none [integrity] confidentiality\n");
        assert_true(facts_of(w).lockdown);
        put(w, LOCKDOWN, "none integrity [confidentiality]\n");
        assert_true(facts_of(w).lockdown);
        assert_int_equal(unlink(temp_path(&w->dir, LOCKDOWN)), 0);
        assert_false(facts_of(w).lockdown);
}

static void test_bar(void **state) {
        static const struct {
                uint8_t low, high;
                size_t size;
                bool movable;
        } cases[] = {
                { 0x4, 0, 64, true },     { 0xc, 0, 64, true },  { 0x0, 0, 64, false },
                { 0x2, 0, 64, false },    { 0x1, 0, 64, false }, { 0x5, 0, 64, false },
                { 0x4, 0xff, 64, true },  { 0x4, 0, 0x10, false },
        };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put_bar(w, cases[i].low, cases[i].high, cases[i].size);
                assert_int_equal(facts_of(w).movable_bar, cases[i].movable);
        }
}

static void test_bridge(void **state) {
        struct world *w = *state;

        make_parents(temp_path(&w->dir, BRIDGE "/pci_bus/0000:01/x"));
        assert_true(facts_of(w).own_bridge);
        make_parents(temp_path(&w->dir, BRIDGE "/0000:01:00.1/x"));
        assert_false(facts_of(w).own_bridge);
        assert_int_equal(rmdir(temp_path(&w->dir, BRIDGE "/0000:01:00.1")), 0);
        put(w, BRIDGE "/class", "0x060100\n");
        assert_false(facts_of(w).own_bridge);
        assert_int_equal(unlink(temp_path(&w->dir, BRIDGE "/class")), 0);
        assert_false(facts_of(w).own_bridge);
}

static void test_identify(void **state) {
        struct world *w = *state;

        put(w, CONTROLLER "/hwmon3/name", "nvme\n");
        assert_false(facts_of(w).identify);
        put(w, CONTROLLER "/hwmon3/temp1_input", "30000\n");
        assert_true(facts_of(w).identify);
        assert_int_equal(unlink(temp_path(&w->dir, CONTROLLER "/hwmon3/temp1_input")), 0);
        put(w, CONTROLLER "/nvme0n1/nuse", "1\n");
        assert_true(facts_of(w).identify);
}

static void test_admin_timeout(void **state) {
        struct world *w = *state;

        put(w, CONTROLLER "/admin_timeout", "7000\n");
        assert_int_equal(facts_of(w).admin_timeout, 7 * USEC_PER_SEC);
        assert_int_equal(unlink(temp_path(&w->dir, CONTROLLER "/admin_timeout")), 0);
        put(w, PARAMETERS "/admin_timeout", "4294967295\n");
        assert_true(facts_of(w).admin_timeout == USEC_INFINITY);
        assert_int_equal(unlink(temp_path(&w->dir, PARAMETERS "/admin_timeout")), 0);
        assert_true(facts_of(w).admin_timeout == USEC_INFINITY);
}

/* A controller of a fabric hangs below no function of PCI. */
static void test_not_on_pci(void **state) {
        struct nvme_facts facts;
        struct world *w = *state;
        char link[PATH_MAX];

        (void) temp_path_in(link, &w->dir, CONTROLLER "/device");
        assert_int_equal(unlink(link), 0);
        assert_int_equal(nvme_facts_read(w->dir.path, &w->nodes, &facts), -ENOENT);
        make_parents(temp_path(&w->dir, "devices/virtual/nvme-fabrics/ctl/x"));
        make_symlink(temp_path(&w->dir, "devices/virtual/nvme-fabrics/ctl"), link);
        assert_int_equal(nvme_facts_read(w->dir.path, &w->nodes, &facts), -EOPNOTSUPP);
}

#define nvme_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                nvme_test(test_plain),
                nvme_test(test_multipath),
                nvme_test(test_lockdown),
                nvme_test(test_bar),
                nvme_test(test_bridge),
                nvme_test(test_identify),
                nvme_test(test_admin_timeout),
                nvme_test(test_not_on_pci),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
