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
        conf_check_disk(&policy, &id, timeout * USEC_PER_SEC, rearms, ret);
        return ret->n;
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
