/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/check.h"
#include "agent/conf/check.h"
#include "agent/conf/key.h"

struct run {
        char out[16384], err[4096];
        FILE *o, *e;
};

static void begin(struct run *run) {
        *run = (struct run) {};
        run->o = fmemopen(run->out, sizeof(run->out), "w");
        run->e = fmemopen(run->err, sizeof(run->err), "w");
        assert_non_null(run->o);
        assert_non_null(run->e);
}

static void end(struct run *run) {
        assert_int_equal(fclose(run->o), 0);
        assert_int_equal(fclose(run->e), 0);
}

static void test_shipped_files(void **state) {
        static char *files[] = {
                (char *) SHIPPED "/unhangd.conf",
                (char *) SHIPPED "/policy.d/azure.policy",
                (char *) SHIPPED "/policy.d/database.policy",
        };
        struct run run;

        begin(&run);
        assert_int_equal(check(files, ELEMENTSOF(files), run.o, run.e), VERB_OK);
        end(&run);
        assert_string_equal(run.out, "no errors\n");
        assert_string_equal(run.err, "");
}

/* A [Match] is for a file that is called a policy. A warning is no error. */
static void test_errors(void **state) {
        char dir[] = "/tmp/test-check.XXXXXX", policy[64], conf[64], absent[64], err[1024];
        char *files[] = { policy, conf, absent };
        struct run run;
        FILE *f;

        assert_non_null(mkdtemp(dir));
        (void) snprintf(policy, sizeof(policy), "%s/a.policy", dir);
        (void) snprintf(conf, sizeof(conf), "%s/a.conf", dir);
        (void) snprintf(absent, sizeof(absent), "%s/b.conf", dir);
        f = fopen(policy, "we");
        assert_non_null(f);
        (void) fputs("[Match]\nDriver=nvme\n[Detect]\nWarnSec=5min\n", f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(rename(policy, conf), 0);
        assert_int_equal(symlink(conf, policy), 0);

        begin(&run);
        assert_int_equal(check(files, 1, run.o, run.e), VERB_OK);
        end(&run);
        (void) snprintf(err, sizeof(err), "warning: %s:4: [Detect] WarnSec=5min: is not below "
                                          "StallSec=2min; no separate warning is given\n", policy);
        assert_string_equal(run.err, err);
        assert_string_equal(run.out, "no errors\n");

        begin(&run);
        assert_int_equal(check(files + 1, 2, run.o, run.e), VERB_ERROR);
        end(&run);
        assert_string_equal(run.out, "2 errors\n");
        (void) snprintf(err, sizeof(err), "%s:2: [Match] Driver=nvme: no such section", conf);
        assert_non_null(strstr(run.err, err));
        (void) snprintf(err, sizeof(err), "%s: No such file or directory\n", absent);
        assert_non_null(strstr(run.err, err));

        assert_int_equal(unlink(policy), 0);
        assert_int_equal(unlink(conf), 0);
        assert_int_equal(rmdir(dir), 0);
}

static void test_facts_that_are_none(void **state) {
        static const char *const wrong[] = { "Driver", "driver=nvme", "Size=big", "=x", "a b=c" };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                char text[64], *facts[] = { text };
                struct run run;

                (void) snprintf(text, sizeof(text), "%s", wrong[i]);
                begin(&run);
                assert_int_equal(test_policy(facts, 1, run.o, run.e), VERB_USAGE);
                end(&run);
                assert_string_equal(run.out, "");
                assert_non_null(strstr(run.err, wrong[i]));
        }
}

/* What is told does not depend on what this machine has in its files: a property is over them. */
static void test_facts(void **state) {
        char texts[][64] = { "Driver=virtio_scsi", "Size=10G", "Model=x", "MountPoint=/srv",
                             "FileSystem=xfs", "UNHANG_STALL_SEC=45", "UNHANG_IGNORE=1" };
        char *facts[ELEMENTSOF(texts)];
        struct run run;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                facts[i] = texts[i];
        begin(&run);
        (void) test_policy(facts, ELEMENTSOF(texts), run.o, run.e);
        end(&run);
        assert_non_null(strstr(run.out, "StallSec=45s"));
        assert_non_null(strstr(run.out, "udev property UNHANG_STALL_SEC\n"));
        assert_non_null(strstr(run.out, "not guarded at all"));
}

static void test_help(void **state) {
        _cleanup_fclose_ FILE *full = fopen("/dev/full", "we");
        struct run run;

        begin(&run);
        assert_int_equal(help_policy(run.o), VERB_OK);
        end(&run);
        for (size_t i = 0; i < CONF_KEYS; i++) {
                char row[256], text[CONF_TEXT_MAX];

                (void) snprintf(row, sizeof(row), "\n  %s=\n", conf_keys[i].name);
                assert_non_null(strstr(run.out, row));
                assert_non_null(strstr(run.out, conf_allowed(text, sizeof(text), &conf_keys[i])));
                assert_non_null(strstr(run.out, conf_property(text, CONF_TEXT_MAX, &conf_keys[i])));
        }
        if (full)
                assert_int_equal(help_policy(full), VERB_ERROR);
}

static size_t notes(enum disk_kind kind, usec_t stall, usec_t timeout, bool rearms, bool act,
                    struct conf_notes *ret) {
        struct disk_id id = { .kind = kind, .driver = "vmw_pvscsi" };
        struct policy policy;

        conf_defaults(&policy);
        policy.stall = stall * USEC_PER_SEC;
        policy.act = act;
        conf_check_disk(&policy, &id,
                        &(const struct conf_circumstances) {
                                .timeout = timeout * USEC_PER_SEC,
                                .rearms = rearms,
                        },
                        ret);
        return ret->n;
}

#define LIST(a, b) ((a) + 1U + ((b) + 1U) * 16)

static const char *note_on_rungs(enum disk_kind kind, uint64_t rungs, uint32_t can,
                                 struct conf_notes *ret) {
        struct disk_id id = { .kind = kind, .driver = "hv_storvsc" };
        struct policy policy;

        conf_defaults(&policy);
        policy.stall = USEC_PER_HOUR;
        if (rungs != UINT64_MAX)
                policy.rungs = rungs;
        conf_check_disk(&policy, &id, &(const struct conf_circumstances) { .rungs = can }, ret);
        return ret->n > 0 ? ret->texts[0] : "";
}

static void test_rungs_that_a_driver_lacks(void **state) {
        const uint64_t resets = LIST(RUNG_LUN_RESET, RUNG_HOST_RESET);
        const uint64_t mixed = LIST(RUNG_HOST_RESET, RUNG_CONTROLLER_FAIL);
        struct conf_notes n;

        assert_string_equal(note_on_rungs(DISK_SCSI, resets, BIT(RUNG_HOST_RESET), &n),
                            "Rungs=: hv_storvsc knows no lun-reset; left out");
        assert_string_equal(note_on_rungs(DISK_SCSI, resets, BIT(RUNG_OFFLINE), &n),
                            "Rungs= has none that can be taken on a disk of hv_storvsc: when it "
                            "hangs, nothing is done");
        /* One file is for all kinds of disks, and the default for all drivers. */
        assert_string_equal(note_on_rungs(DISK_SCSI, mixed, BIT(RUNG_HOST_RESET), &n), "");
        assert_string_equal(note_on_rungs(DISK_NVME, mixed, BIT(RUNG_CONTROLLER_FAIL), &n), "");
        assert_string_equal(note_on_rungs(DISK_SCSI, UINT64_MAX, BIT(RUNG_HOST_RESET), &n), "");
        /* To what nothing can be done, nothing was to be done, and that is told elsewhere. */
        assert_string_equal(note_on_rungs(DISK_SCSI, 0, BIT(RUNG_HOST_RESET), &n), "");
        assert_string_equal(note_on_rungs(DISK_QUEUE, resets, 0, &n), "");
}

static void test_fence_without_an_end(void **state) {
        struct disk_id id = { .kind = DISK_QUEUE, .driver = "virtio_blk" };
        struct conf_circumstances here = {};
        struct policy policy;
        struct conf_notes n;

        conf_defaults(&policy);
        policy.fence = FENCE_PANIC;
        conf_check_disk(&policy, &id, &here, &n);
        assert_int_equal(n.n, 1);
        assert_non_null(strstr(n.texts[0], "Fence=panic: no crash kernel"));
        here.panic_ends = true;
        conf_check_disk(&policy, &id, &here, &n);
        assert_int_equal(n.n, 0);
        here.panic_ends = false;
        policy.fence = FENCE_REBOOT;
        conf_check_disk(&policy, &id, &here, &n);
        assert_int_equal(n.n, 0);
}

static void test_notes(void **state) {
        struct conf_notes n;

        assert_int_equal(notes(DISK_SCSI, 181, 180, false, true, &n), 0);
        assert_int_equal(notes(DISK_SCSI, 180, 180, false, true, &n), 1);
        assert_string_equal(n.texts[0], "StallSec=3min is not above the timeout of 3min after "
                                        "which the kernel itself begins to recover a disk of "
                                        "vmw_pvscsi: an act so early is in its way");
        assert_int_equal(notes(DISK_SCSI, 120, 30, true, true, &n), 0);
        assert_int_equal(notes(DISK_SCSI, 180, 30, true, true, &n), 1);
        assert_non_null(strstr(n.texts[0], "out for 3min, 6 times the timeout"));
        assert_int_equal(notes(DISK_SCSI, 119, 0, true, true, &n), 1);
        assert_non_null(strstr(n.texts[0], "WRITE SAME"));
        assert_int_equal(notes(DISK_SCSI, 10, 1, true, true, &n), 2);
        assert_int_equal(notes(DISK_NVME, 10, 0, false, true, &n), 0);
        assert_int_equal(notes(DISK_SCSI, 10, 180, false, false, &n), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_shipped_files),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_facts_that_are_none),
                cmocka_unit_test(test_facts),
                cmocka_unit_test(test_help),
                cmocka_unit_test(test_notes),
                cmocka_unit_test(test_rungs_that_a_driver_lacks),
                cmocka_unit_test(test_fence_without_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
