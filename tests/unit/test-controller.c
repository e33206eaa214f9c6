/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>

#include "agent/act/controller.h"
#include "tests/unit/scripted-door.h"

/* What each act writes, in which order, and what it refuses. */

#define BRIDGE "devices/pci0000:00/0000:00:1c.0"
#define FUNCTION BRIDGE "/0000:01:00.0"
#define CONTROLLER FUNCTION "/nvme/nvme0"
#define PARAMETERS "module/nvme_core/parameters"

#define MOVED "0000:01:00.0/config@14=ffffffff "
#define BACK "0000:01:00.0/config@14=01000000 "
#define RETRIES(n) "parameters/max_retries=" n " "
#define RESET "nvme0/reset_controller=1 "
#define REMOVE "0000:01:00.0/remove=1 "

struct world {
        struct temp_dir dir;
        struct undo undo;
        struct disk_nodes nodes;
        struct controller *controller;
        struct nvme_facts facts;
};

static void write_config(struct world *w, const char *dir, uint32_t bar) {
        uint8_t config[64] = { [0x10] = (uint8_t) bar, [0x14] = 1, [0x19] = 1 };

        write_bytes(temp_path(&w->dir, "%s/config", dir), config, sizeof(config));
}

static void set_state(struct world *w, const char *state) {
        write_text(temp_path(&w->dir, CONTROLLER "/state"), state);
}

static void make_tree(struct world *w) {
        write_config(w, BRIDGE, 0);
        write_config(w, FUNCTION, 0x4);
        write_text(temp_path(&w->dir, FUNCTION "/remove"), "");
        write_text(temp_path(&w->dir, "bus/pci/rescan"), "");
        write_text(temp_path(&w->dir, CONTROLLER "/reset_controller"), "");
        make_symlink("../../../0000:01:00.0", temp_path(&w->dir, CONTROLLER "/device"));
        write_text(temp_path(&w->dir, PARAMETERS "/max_retries"), "5\n");
        write_text(temp_path(&w->dir, PARAMETERS "/admin_timeout"), "60\n");
        write_text(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse"), "1\n");
        set_state(w, "live\n");
}

static struct controller *open_as(struct world *w, const char *holder) {
        struct controller *c;

        assert_int_equal(controller_open(&w->nodes, &w->undo, holder, &c), 0);
        controller_inform(c, &w->facts);
        return c;
}

static void reopen(struct world *w, const char *holder) {
        w->controller = controller_free(w->controller);
        w->controller = open_as(w, holder);
}

static void inform(struct world *w) {
        controller_inform(w->controller, &w->facts);
}

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        *w = (struct world) {
                .dir = temp_dir_new(),
                .nodes = { .kind = DISK_NVME },
                .facts = { .io_timeout = USEC_INFINITY, .admin_timeout = 60 * USEC_PER_SEC },
        };
        memset(&script, 0, sizeof(script));
        script.dir = &w->dir;
        make_tree(w);
        (void) snprintf(w->nodes.sysfs, sizeof(w->nodes.sysfs), "%s", w->dir.path);
        (void) snprintf(w->nodes.device_dir, sizeof(w->nodes.device_dir), "%s/" CONTROLLER,
                        w->dir.path);
        (void) snprintf(w->nodes.block_dir, sizeof(w->nodes.block_dir),
                        "%s/" CONTROLLER "/nvme0n1", w->dir.path);
        assert_int_equal(undo_open(temp_path(&w->dir, "table"), &scripted_door, &w->undo), 0);
        w->controller = open_as(w, "nvme0");
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;

        (void) controller_free(w->controller);
        undo_close(&w->undo);
        temp_dir_removep(&w->dir);
        free(w);
        return 0;
}

/* Nothing is left changed: the table has no lines. */
static void assert_all_back(struct world *w) {
        char text[64];

        assert_string_equal(read_text_in(text, sizeof(text),
                                         temp_path(&w->dir, PARAMETERS "/max_retries")), "5");
        reopen(w, "nvme0");
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace("");
}

/* ---- reset ---- */

static void test_reset(void **state) {
        struct world *w = *state;

        w->facts.multipath = true;
        inform(w);
        assert_int_equal(controller_reset(w->controller), 0);
        assert_trace(RESET);

        script.reactions[0] = (struct reaction) { .file = "nvme0/reset_controller",
                                                  .error = ENETRESET };
        assert_int_equal(controller_reset(w->controller), -ENETRESET);
        assert_trace(RESET);

        set_state(w, "connecting\n");
        assert_int_equal(controller_reset(w->controller), -EBUSY);
        assert_trace("");
}

/* Without multipath and with an infinite io_timeout a reset may never return: it has to be one that
 * can be ended then. */
static void test_reset_that_could_not_be_ended(void **state) {
        static const struct {
                bool multipath, finite, bridge, identify, lockdown, movable;
                int r;
        } cases[] = {
                { .r = -EPERM },
                { .identify = true, .movable = true, .r = 0 },
                { .identify = true, .movable = false, .r = -EPERM },
                { .identify = true, .movable = true, .lockdown = true, .r = -EPERM },
                { .identify = false, .movable = true, .r = -EPERM },
                { .bridge = true, .r = 0 },
                { .bridge = true, .lockdown = true, .r = -EPERM },
                { .multipath = true, .r = 0 },
                { .finite = true, .r = 0 },
        };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                (void) unlink(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse"));
                if (cases[i].identify)
                        write_text(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse"), "1\n");
                write_config(w, FUNCTION, cases[i].movable ? 0x4 : 0x0);
                w->facts = (struct nvme_facts) {
                        .multipath = cases[i].multipath,
                        .own_bridge = cases[i].bridge,
                        .lockdown = cases[i].lockdown,
                        .io_timeout = cases[i].finite ? USEC_PER_MINUTE : USEC_INFINITY,
                };
                reopen(w, "nvme0");
                assert_int_equal(controller_reset(w->controller), cases[i].r);
                assert_trace(cases[i].r == 0 ? RESET : "");
        }
}

/* Nobody has told it anything yet. */
static void test_reset_uninformed(void **state) {
        struct world *w = *state;
        struct controller *c;

        assert_int_equal(unlink(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse")), 0);
        assert_int_equal(controller_open(&w->nodes, &w->undo, "nvme0", &c), 0);
        assert_int_equal(controller_reset(c), -EPERM);
        set_state(w, "connecting\n");
        assert_int_equal(controller_remove(c), -EPERM);
        assert_trace("");
        (void) controller_free(c);
}

/* ---- fail ---- */

static const struct reaction gives_up = {
        .file = "nvme0/reset_controller",
        .error = ENETRESET,
        .path = CONTROLLER "/state",
        .text = "dead\n",
};

static void test_fail(void **state) {
        struct world *w = *state;

        script.reactions[0] = gives_up;
        assert_int_equal(controller_fail(w->controller), 0);
        assert_trace(RETRIES("0") MOVED RESET RETRIES("5") BACK);
        assert_all_back(w);
}

/* Before 6.12 the driver lets go of the function, and the files of the controller are gone. */
static void test_fail_unbinds(void **state) {
        struct world *w = *state;

        /* It is live once, before the act. */
        script.reactions[0] = (struct reaction) { .file = "nvme0/reset_controller",
                                                  .error = ENODEV,
                                                  .path = CONTROLLER "/state",
                                                  .text = "dead\n" };
        assert_int_equal(controller_fail(w->controller), 0);
        assert_trace(RETRIES("0") MOVED RESET RETRIES("5") BACK);

        script.reactions[0] = (struct reaction) { .file = "nvme0/state", .read = true,
                                                  .error = ENODEV };
        assert_int_equal(controller_remove(w->controller), 0);
        assert_trace(REMOVE);
}

static void test_fail_when_not_live(void **state) {
        static const char *const states[] = { "new\n", "resetting\n", "connecting\n",
                                              "deleting\n", "deleting (no IO)\n" };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                set_state(w, states[i]);
                assert_int_equal(controller_fail(w->controller), -EBUSY);
                assert_trace("");
        }
        set_state(w, "dead\n"); /* nothing is left to be done */
        assert_int_equal(controller_fail(w->controller), 0);
        assert_trace("");
}

/* What cannot be done is not begun, or put back at once; the ladder goes on. */
static void test_fail_unsupported(void **state) {
        struct world *w = *state;

        write_config(w, FUNCTION, 0x0); /* 32 bits */
        reopen(w, "nvme0");
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_trace("");

        write_config(w, FUNCTION, 0x5); /* I/O space */
        reopen(w, "nvme0");
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_trace("");

        write_config(w, FUNCTION, 0x4);
        reopen(w, "nvme0");
        script.reactions[0] = (struct reaction) { .file = "0000:01:00.0/config", .error = EPERM };
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_trace(RETRIES("0") MOVED RETRIES("5"));
        assert_all_back(w);

        script.reactions[0] = (struct reaction) { .file = "0000:01:00.0/config", .ignored = true };
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_trace(RETRIES("0") MOVED RETRIES("5") BACK);
        assert_all_back(w);

        assert_int_equal(unlink(temp_path(&w->dir, PARAMETERS "/max_retries")), 0);
        reopen(w, "nvme0");
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_trace("");
}

static void test_fail_of_no_use(void **state) {
        struct world *w = *state;

        assert_int_equal(controller_fail(w->controller), -EIO);
        assert_trace(RETRIES("0") MOVED RESET RETRIES("5") BACK);
        assert_all_back(w);

        script.reactions[0] = (struct reaction) { .file = "nvme0/reset_controller",
                                                  .error = EBUSY };
        assert_int_equal(controller_fail(w->controller), -EBUSY);
        assert_trace(RETRIES("0") MOVED RESET RETRIES("5") BACK);
        assert_all_back(w);
}

/* What could not be put back later is not changed: there is no table. */
static void test_fail_without_table(void **state) {
        struct world *w = *state;

        undo_close(&w->undo);
        assert_int_equal(controller_fail(w->controller), -EBADF);
        assert_trace("");
}

/* ---- end ---- */

static void test_end_by_bridge(void **state) {
        struct world *w = *state;

        w->facts.own_bridge = true;
        reopen(w, "nvme0.rescue");
        set_state(w, "connecting\n");
        assert_int_equal(controller_end(w->controller), 0);
        assert_trace("0000:00:1c.0/config@19=ff " REMOVE "0000:00:1c.0/config@19=01 ");

        script.reactions[0] = (struct reaction) { .file = "0000:00:1c.0/config", .error = EPERM };
        assert_int_equal(controller_end(w->controller), -EOPNOTSUPP);
        assert_trace("0000:00:1c.0/config@19=ff ");
}

#define ADMIN(n) "parameters/admin_timeout=" n " "
#define ADMIN_7(n) "nvme0/admin_timeout=" n " "

static void test_end_by_identify(void **state) {
        static const char *const states[] = { "connecting\n", "resetting\n" };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                set_state(w, states[i]);
                script.reactions[0] = (struct reaction) { .file = "nvme0n1/nuse", .read = true,
                                                          .error = EIO,
                                                          .path = CONTROLLER "/state",
                                                          .text = "dead\n" };
                assert_int_equal(controller_end(w->controller), 0);
                assert_trace(ADMIN("3") MOVED "nvme0n1/nuse? " BACK ADMIN("60"));
        }

        /* 7.3 has a timeout for each controller, and an older kernel only a thermometer. */
        write_text(temp_path(&w->dir, CONTROLLER "/admin_timeout"), "60000\n");
        write_text(temp_path(&w->dir, CONTROLLER "/hwmon4/temp1_input"), "30000\n");
        assert_int_equal(unlink(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse")), 0);
        reopen(w, "nvme0");
        set_state(w, "connecting\n");
        script.reactions[0] = (struct reaction) { .file = "hwmon4/temp1_input", .read = true,
                                                  .path = CONTROLLER "/state", .text = "dead\n" };
        assert_int_equal(controller_end(w->controller), 0);
        assert_trace(ADMIN("3") ADMIN_7("3000") MOVED "hwmon4/temp1_input? " BACK ADMIN("60")
                             ADMIN_7("60000"));
}

static void test_end_unsupported(void **state) {
        struct world *w = *state;

        set_state(w, "connecting\n");
        write_config(w, FUNCTION, 0x0);
        reopen(w, "nvme0");
        assert_int_equal(controller_end(w->controller), -EOPNOTSUPP);
        assert_trace("");

        write_config(w, FUNCTION, 0x4);
        assert_int_equal(unlink(temp_path(&w->dir, CONTROLLER "/nvme0n1/nuse")), 0);
        reopen(w, "nvme0");
        assert_int_equal(controller_end(w->controller), -EOPNOTSUPP);
        assert_trace("");
}

/* What is live would be failed by it; what is being deleted, nobody has tried. */
static void test_end_in_another_state(void **state) {
        static const char *const states[] = { "live\n", "new\n", "deleting\n" };
        struct world *w = *state;

        w->facts.own_bridge = true;
        inform(w);
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                set_state(w, states[i]);
                assert_int_equal(controller_end(w->controller), -EPERM);
                assert_trace("");
        }
        set_state(w, "dead\n");
        assert_int_equal(controller_end(w->controller), 0);
        assert_trace("");
}

/* ---- remove ---- */

static void test_remove(void **state) {
        static const char *const states[] = { "live\n", "resetting\n", "connecting\n" };
        struct world *w = *state;

        reopen(w, "nvme0.rescue");
        set_state(w, "dead\n");
        assert_int_equal(controller_remove(w->controller), 0);
        assert_trace(REMOVE);

        script.reactions[0] = (struct reaction) { .file = "0000:01:00.0/remove", .error = ENODEV };
        assert_int_equal(controller_remove(w->controller), 0);
        assert_trace(REMOVE);

        /* As a first act, with an infinite io_timeout, it would never return. */
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                set_state(w, states[i]);
                assert_int_equal(controller_remove(w->controller), -EPERM);
                assert_trace("");
        }
        w->facts.io_timeout = 6 * USEC_PER_SEC;
        inform(w);
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                set_state(w, states[i]);
                assert_int_equal(controller_remove(w->controller), 0);
                assert_trace(REMOVE);
        }
}

/* The driver of 6.1 gives it up in the background: its files are there for a moment yet. */
static void test_remove_while_it_is_given_up(void **state) {
        struct world *w = *state;
        pid_t child;
        int status;

        set_state(w, "deleting\n");
        child = fork();
        if (child == 0) {
                (void) usleep(200 * 1000);
                set_state(w, "dead\n");
                _exit(0);
        }
        assert_int_equal(controller_remove(w->controller), 0);
        assert_trace(REMOVE);
        assert_int_equal(waitpid(child, &status, 0), child);

        /* One whose removal hangs stays so. */
        set_state(w, "deleting (no IO)\n");
        assert_int_equal(controller_remove(w->controller), -EPERM);
        assert_trace("");
}

static struct undo_value bar_of(struct world *w, char *path, int *fd) {
        (void) snprintf(path, PATH_MAX, "%s/" FUNCTION "/config", w->dir.path);
        *fd = open(path, O_RDWR | O_CLOEXEC);
        return (struct undo_value) { .path = path, .fd = *fd, .offset = 0x14, .size = 4 };
}

/* The domain's executor has moved the BAR, and hangs or has died before it was reset. */
static void test_remove_with_the_bar_away(void **state) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        struct world *w = *state;
        struct undo_value bar = bar_of(w, path, &fd);

        reopen(w, "nvme0.rescue");
        assert_int_equal(undo_change(&w->undo, "nvme0", &bar, "\xff\xff\xff\xff"), 0);
        assert_trace(MOVED);
        assert_int_equal(controller_remove(w->controller), -EPERM);
        assert_trace(BACK);

        /* It cannot be put back: then it does not go, be it dead or its time finite. */
        assert_int_equal(undo_change(&w->undo, "nvme0", &bar, "\xff\xff\xff\xff"), 0);
        assert_trace(MOVED);
        set_state(w, "dead\n");
        script.reactions[0] = (struct reaction) { .file = "0000:01:00.0/config", .error = EIO };
        assert_int_equal(controller_remove(w->controller), -EIO);
        assert_trace(BACK);
        assert_int_equal(controller_remove(w->controller), 0);
        assert_trace(BACK REMOVE);
}

/* ---- putting back ---- */

static void test_restore(void **state) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        struct world *w = *state;
        struct undo_value bar = bar_of(w, path, &fd);

        assert_int_equal(undo_change(&w->undo, "nvme0", &bar, "\xff\xff\xff\xff"), 0);
        assert_trace(MOVED);

        /* Neither another controller, nor the second executor of one, nor one called alike. */
        reopen(w, "nvme1.rescue");
        assert_int_equal(controller_restore(w->controller), 0);
        reopen(w, "nvme00");
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace("");

        reopen(w, "nvme0.rescue");
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace(BACK);
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace("");
}

/* A step that was overdue returns while the other executor ends the controller: it does not put
 * back under the other's hands what that one has moved. */
static void test_late_return(void **state) {
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];
        struct world *w = *state;
        struct undo_value bar = bar_of(w, path, &fd);

        assert_int_equal(undo_change(&w->undo, "nvme0", &bar, "\xff\xff\xff\xff"), 0);
        assert_int_equal(undo_change(&w->undo, "nvme0.rescue", &bar, "\xff\xff\xff\xff"), 0);
        assert_trace(MOVED MOVED);
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace("");
        reopen(w, "nvme0.rescue");
        assert_int_equal(controller_restore(w->controller), 0);
        assert_trace(BACK);
}

static void test_rescan(void **state) {
        struct world *w = *state;

        assert_int_equal(controller_rescan(w->controller), 0);
        assert_trace("pci/rescan=1 ");
        assert_int_equal(rename(temp_path(&w->dir, FUNCTION), temp_path(&w->dir, "away")), 0);
        assert_int_equal(controller_rescan(w->controller), -ENODEV);
        assert_trace("pci/rescan=1 ");
        assert_int_equal(rename(temp_path(&w->dir, "away"), temp_path(&w->dir, FUNCTION)), 0);
}

/* ---- opening ---- */

static void test_open(void **state) {
        static const char *const needed[] = { "reset_controller", "state", "device" };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                struct controller *c;
                char path[PATH_MAX];

                (void) temp_path_in(path, &w->dir, CONTROLLER "/%s", needed[i]);
                assert_int_equal(rename(path, temp_path(&w->dir, "away")), 0);
                assert_int_equal(controller_open(&w->nodes, &w->undo, "nvme0", &c), -ENOENT);
                assert_int_equal(rename(temp_path(&w->dir, "away"), path), 0);
        }

        /* Not on PCI: it can be reset, and nothing else. */
        assert_int_equal(unlink(temp_path(&w->dir, FUNCTION "/config")), 0);
        assert_int_equal(unlink(temp_path(&w->dir, FUNCTION "/remove")), 0);
        w->facts.io_timeout = USEC_PER_MINUTE;
        reopen(w, "nvme0");
        assert_int_equal(controller_fail(w->controller), -EOPNOTSUPP);
        assert_int_equal(controller_remove(w->controller), -EOPNOTSUPP);
        assert_trace("");
        assert_int_equal(controller_reset(w->controller), 0);
        assert_trace(RESET);
}

#define controller_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                controller_test(test_reset),
                controller_test(test_reset_that_could_not_be_ended),
                controller_test(test_reset_uninformed),
                controller_test(test_fail),
                controller_test(test_fail_unbinds),
                controller_test(test_fail_when_not_live),
                controller_test(test_fail_unsupported),
                controller_test(test_fail_of_no_use),
                controller_test(test_fail_without_table),
                controller_test(test_end_by_bridge),
                controller_test(test_end_by_identify),
                controller_test(test_end_unsupported),
                controller_test(test_end_in_another_state),
                controller_test(test_remove),
                controller_test(test_remove_while_it_is_given_up),
                controller_test(test_remove_with_the_bar_away),
                controller_test(test_restore),
                controller_test(test_late_return),
                controller_test(test_rescan),
                controller_test(test_open),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
