/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <string.h>

#include "agent/observe/counters.h"
#include "tests/unit/temp-dir.h"

/* As a 6.1 guest shows a virtio-scsi disk. Reads 1000, merges 20, sectors 30000, ms 40; writes
 * 2000, ...; in flight 7; discards 300; flushes 40. */
#define STAT \
        "    1000       20    30000       40     2000       60    70000       80        7" \
        "      100      110      300      130      140      150       40      170\n"

#define READ_OLD "{.op=READ, .rq_flags=IO_STAT, .state=in_flight, allocated 17.250 s ago}\n"
#define READ_NEW "{.op=READ, .rq_flags=IO_STAT, .state=in_flight, allocated 0.004 s ago}\n"
#define READ "{.op=READ, .rq_flags=IO_STAT, .state=in_flight}\n"
#define READ_OFF "{.op=READ, .rq_flags=, .state=in_flight}\n"
#define FLUSH "{.op=FLUSH, .rq_flags=FLUSH_SEQ, .state=in_flight}\n"
#define SG_IO "{.op=DRV_IN, .rq_flags=, .state=in_flight, allocated 900.000 s ago}\n"
#define SG_IO_MARKED "{.op=DRV_IN, .rq_flags=IO_STAT, .state=in_flight}\n"

#define FLAGS_ON "SAME_COMP|IO_STAT|NOWAIT\n"
#define FLAGS_OFF "SAME_COMP|NOWAIT\n"

struct machine {
        struct temp_dir dir;
        char procfs[64];
        struct kernel_files files;
        struct disk_id id;
        struct disk_nodes nodes;
        struct counters counters;
};

/* FILE: below the directory of sysfs. */
static void set(const struct machine *m, const char *file, const char *text) {
        write_text(temp_path(&m->dir, "%s", file), text);
}

static void set_in_flight(const struct machine *m, unsigned n) {
        char text[64];

        (void) snprintf(text, sizeof(text), "1 2 3 4 5 6 7 8 %u 10 11\n", n);
        set(m, "block/disk/stat", text);
}

static void set_release(const struct machine *m, const char *release) {
        set(m, "proc/sys/kernel/osrelease", release);
}

static void set_list(const struct machine *m, const char *flags, const char *busy) {
        set(m, "kernel/debug/block/disk/state", flags);
        set(m, "kernel/debug/block/disk/hctx0/busy", busy);
}

/* A disk on 6.1, the requests of which cannot be listed. */
static void machine_init(struct machine *m, enum disk_kind kind, const char *driver) {
        *m = (struct machine) {
                .dir = temp_dir_new(),
                .id = { .name = "disk", .kind = kind, .domain = "host2" },
                .counters = counters_none,
        };
        (void) snprintf(m->id.driver, sizeof(m->id.driver), "%s", driver);
        (void) snprintf(m->nodes.block_dir, DISK_PATH_MAX, "%s/block/disk", m->dir.path);
        (void) snprintf(m->nodes.device_dir, DISK_PATH_MAX, "%s/device", m->dir.path);
        (void) snprintf(m->procfs, sizeof(m->procfs), "%s/proc", m->dir.path);
        m->files = (struct kernel_files) { .sysfs = m->dir.path, .procfs = m->procfs };
        set_release(m, "6.1.0-26-cloud-amd64\n");
        set(m, "block/disk/stat", STAT);
        if (kind == DISK_SCSI) {
                set(m, "device/device_busy", "5\n");
                set(m, "device/iodone_cnt", "0x1f3a\n");
                set(m, "device/iotmo_cnt", "0x2\n");
                set(m, "device/timeout", "30\n");
                set(m, "device/state", "running\n");
                set(m, "class/scsi_host/host2/state", "running\n");
        } else if (kind == DISK_NVME)
                set(m, "device/state", "live\n");
}

static int machine_open(struct machine *m) {
        return counters_open(&m->files, &m->id, &m->nodes, &m->counters);
}

static void machine_new(struct machine *m, enum disk_kind kind, const char *driver) {
        machine_init(m, kind, driver);
        assert_int_equal(machine_open(m), 0);
}

static void machine_free(struct machine *m) {
        counters_close(&m->counters);
        temp_dir_removep(&m->dir);
}

static struct sample take(struct machine *m, bool list) {
        struct sample sample;

        memset(&sample, 0xaa, sizeof(sample));
        assert_int_equal(counters_read(&m->counters, 77, list, &sample), 0);
        assert_int_equal(sample.at, 77);
        assert_false(sample.held); /* never for us to say */
        return sample;
}

static void assert_error(struct machine *m, int error) {
        struct sample before, after;

        memset(&before, 0x55, sizeof(before));
        memcpy(&after, &before, sizeof(after));
        assert_int_equal(counters_read(&m->counters, 77, false, &after), error);
        assert_memory_equal(&after, &before, sizeof(after));
}

static void test_scsi(void **state) {
        struct machine m;
        struct sample s;

        machine_new(&m, DISK_SCSI, "virtio_scsi");
        s = take(&m, true);
        assert_int_equal(s.completed, 1000 + 2000 + 300 + 40);
        assert_int_equal(s.answered, 0x1f3a);
        assert_int_equal(s.timeouts, 2);
        assert_int_equal(s.timeout, 30 * USEC_PER_SEC);
        assert_int_equal(s.outstanding, 7);
        assert_false(s.recovering);
        assert_false(s.offline);
        assert_false(s.listed);
        assert_int_equal(s.oldest, 0);

        /* A file kept open says what is true now. */
        set(&m, "device/device_busy", "9\n");
        set(&m, "device/iodone_cnt", "0x1f3b\n");
        set(&m, "device/iotmo_cnt", "0x3\n");
        set(&m, "device/timeout", "180\n");
        s = take(&m, false);
        assert_int_equal(s.outstanding, 9);
        assert_int_equal(s.answered, 0x1f3b);
        assert_int_equal(s.timeouts, 3);
        assert_int_equal(s.timeout, 180 * USEC_PER_SEC);
        machine_free(&m);
}

/* They have only what every block device has. */
static void test_others(void **state) {
        static const enum disk_kind kinds[] = { DISK_NVME, DISK_QUEUE, DISK_BIO };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                struct machine m;
                struct sample s;

                machine_init(&m, kinds[i], "virtio_scsi");
                set_release(&m, "6.12.0\n");
                assert_int_equal(machine_open(&m), 0);
                s = take(&m, true);
                assert_int_equal(s.completed, 1000 + 2000 + 300 + 40);
                assert_int_equal(s.answered, 0);
                assert_int_equal(s.timeouts, 0);
                assert_int_equal(s.timeout, 0);
                assert_int_equal(s.outstanding, 7);
                assert_false(s.recovering || s.offline || s.listed);
                machine_free(&m);
        }
}

/* Each field by itself, so that none is taken for its neighbour. */
static void test_each_field(void **state) {
        static const int summed[] = { 1, 5, 12, 16 };

        for (int field = 1; field <= 17; field++) {
                char text[256];
                struct machine m;
                struct sample s;
                bool counts = false;
                int used = 0;

                for (int i = 1; i <= 17; i++)
                        used += snprintf(text + used, sizeof(text) - (size_t) used, "%d ",
                                         i == field ? 1234 : 0);
                machine_new(&m, DISK_SCSI, "virtio_scsi");
                set(&m, "block/disk/stat", text);
                set(&m, "device/device_busy", "0\n");
                s = take(&m, false);
                for (size_t i = 0; i < ELEMENTSOF(summed); i++)
                        counts |= summed[i] == field;
                assert_int_equal(s.completed, counts ? 1234 : 0);
                assert_int_equal(s.outstanding, field == 9 ? 1234 : 0);
                machine_free(&m);
        }
}

/* Before 4.18 there were 11 fields, before 5.5 there were 15. */
static void test_fields_missing(void **state) {
        static const struct {
                const char *text;
                uint64_t completed;
        } cases[] = {
                { "1000 2 3 4 2000 6 7 8 3 10 11\n", 3000 },
                { "1000 2 3 4 2000 6 7 8 3\n", 3000 },
                { "1000 2 3 4 2000 6 7 8 3 10 11 300 13 14 15\n", 3300 },
                { "1000 2 3 4 2000 6 7 8 3 10 11 300 13 14 15 40 17 18 19 20\n", 3340 },
                /* They may wrap, and so may their sum. */
                { "18446744073709551615 2 3 4 2 6 7 8 3 10 11\n", 1 },
        };
        struct machine m;

        machine_new(&m, DISK_SCSI, "virtio_scsi");
        set(&m, "device/device_busy", "0\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                set(&m, "block/disk/stat", cases[i].text);
                s = take(&m, false);
                assert_int_equal(s.completed, cases[i].completed);
                assert_int_equal(s.outstanding, 3);
        }
        machine_free(&m);
}

static void test_garbage(void **state) {
        static const struct {
                const char *file, *text;
                int error;
        } cases[] = {
                { "block/disk/stat", "", -EINVAL },
                { "block/disk/stat", "\n", -EINVAL },
                { "block/disk/stat", "1 2 3 4 5 6 7 8\n", -EINVAL },
                { "block/disk/stat", "1 2 3 x 5 6 7 8 9 10 11\n", -EINVAL },
                { "block/disk/stat", "none\n", -EINVAL },
                { "device/device_busy", "", -EINVAL },
                { "device/device_busy", "x\n", -EINVAL },
                { "device/device_busy", "-1\n", -EINVAL },
                { "device/device_busy", "1 2\n", -EINVAL },
                { "device/iodone_cnt", "0x\n", -EINVAL },
                { "device/iodone_cnt", "0x1ffffffffffffffff\n", -ERANGE },
                { "device/iotmo_cnt", "many\n", -EINVAL },
                { "device/state", "a state that is longer than any there is\n", -EMSGSIZE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct machine m;

                machine_new(&m, DISK_SCSI, "virtio_scsi");
                set(&m, cases[i].file, cases[i].text);
                assert_error(&m, cases[i].error);
                machine_free(&m);
        }
}

static void test_outstanding(void **state) {
        static const struct {
                const char *busy;
                const char *in_flight;
                uint32_t outstanding;
        } cases[] = {
                { "0", "0", 0 },       { "1", "0", 1 },
                { "0", "1", 1 },       { "3", "5", 5 },
                { "5", "3", 5 },       { "4294967295", "0", UINT32_MAX },
                { "0", "4294967296", UINT32_MAX }, /* and not none */
        };
        struct machine m;
        char text[128];

        machine_new(&m, DISK_SCSI, "virtio_scsi");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                (void) snprintf(text, sizeof(text), "1 2 3 4 5 6 7 8 %s 10 11\n",
                                cases[i].in_flight);
                set(&m, "block/disk/stat", text);
                set(&m, "device/device_busy", cases[i].busy);
                assert_int_equal(take(&m, false).outstanding, cases[i].outstanding);
        }
        machine_free(&m);
}

static void test_scsi_states(void **state) {
        static const struct {
                const char *device, *host;
                bool recovering, offline;
        } cases[] = {
                { "running\n", "running\n", false, false },
                { "offline\n", "running\n", false, true },
                { "transport-offline\n", "running\n", false, true },
                { "created\n", "running\n", true, false },
                { "blocked\n", "running\n", true, false },
                { "quiesce\n", "running\n", true, false },
                { "created-blocked\n", "running\n", true, false },
                { "cancel\n", "running\n", true, false },
                { "deleted\n", "running\n", true, false },
                { "running\n", "recovery\n", true, false },
                { "offline\n", "recovery\n", true, true },
                { "running\n", "cancel/recovery\n", true, false },
                { "running\n", "deleted\n", true, false },
                { "", "running\n", true, false },
                { "running\n", "", true, false },
        };
        struct machine m;

        machine_new(&m, DISK_SCSI, "virtio_scsi");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                set(&m, "device/state", cases[i].device);
                set(&m, "class/scsi_host/host2/state", cases[i].host);
                s = take(&m, false);
                assert_int_equal(s.recovering, cases[i].recovering);
                assert_false(s.failover);
                assert_int_equal(s.offline, cases[i].offline);
                assert_false(s.failover);
        }
        machine_free(&m);
}

/* Only a path has somewhere else to send its requests. */
static void test_failover(void **state) {
        struct machine m;

        machine_init(&m, DISK_NVME, "nvme");
        (void) snprintf(m.id.name, sizeof(m.id.name), "nvme0c1n2");
        assert_int_equal(machine_open(&m), 0);
        assert_true(m.counters.path);
        assert_false(take(&m, false).failover);
        set(&m, "device/state", "resetting\n");
        assert_true(take(&m, false).failover);
        set(&m, "device/state", "dead\n");
        assert_false(take(&m, false).failover);
        machine_free(&m);
}

/* Before 6.3 what bio-based disks have in flight has been counted as completed already. */
static void test_started_counts(void **state) {
        static const struct {
                const char *release;
                enum disk_kind kind;
                uint64_t completed;
        } cases[] = {
                { "6.2.9", DISK_BIO, 1 + 5 - 4 },
                { "6.3.0", DISK_BIO, 1 + 5 },
                { "6.2.9", DISK_QUEUE, 1 + 5 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct machine m;

                machine_init(&m, cases[i].kind, "dm");
                set_release(&m, cases[i].release);
                set_in_flight(&m, 4);
                assert_int_equal(machine_open(&m), 0);
                assert_int_equal(take(&m, false).completed, cases[i].completed);
                machine_free(&m);
        }
}

static void test_blind_md(void **state) {
        static const struct {
                const char *release, *driver;
                enum stat_blind blind;
        } cases[] = {
                { "5.13.0", "md", STAT_BLIND_MD },
                { "5.14.0", "md", STAT_SEES },
                { "5.13.0", "dm", STAT_SEES },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct machine m;

                machine_init(&m, DISK_BIO, cases[i].driver);
                set_release(&m, cases[i].release);
                assert_int_equal(machine_open(&m), 0);
                assert_int_equal(m.counters.blind, cases[i].blind);
                machine_free(&m);
        }
}

static void test_nvme_states(void **state) {
        static const struct {
                const char *state;
                bool recovering, offline;
        } cases[] = {
                { "live\n", false, false },
                { "new\n", true, false },
                { "resetting\n", true, false },
                { "connecting\n", true, false },
                { "deleting\n", false, true },
                { "deleting (no IO)\n", false, true },
                { "dead\n", false, true },
                { "unknown state\n", true, false },
                { "", true, false },
        };
        struct machine m;

        machine_new(&m, DISK_NVME, "nvme");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                set(&m, "device/state", cases[i].state);
                s = take(&m, false);
                assert_int_equal(s.recovering, cases[i].recovering);
                assert_int_equal(s.offline, cases[i].offline);
        }
        machine_free(&m);
}

/* A timeout proves something only where it ends nothing, and where it is counted. */
static void test_timeout(void **state) {
        static const struct {
                const char *driver, *timeout;
                bool counted;
                usec_t expected;
        } cases[] = {
                { "virtio_scsi", "30\n", true, 30 * USEC_PER_SEC },
                { "hv_storvsc", "180\n", true, 180 * USEC_PER_SEC },
                { "vmw_pvscsi", "30\n", true, 0 },
                { "", "30\n", true, 0 },
                { "virtio_scsi", "30\n", false, 0 },
                { "virtio_scsi", "x\n", true, 0 },
                { "virtio_scsi", NULL, true, 0 },
                { "virtio_scsi", "18446744073709551615\n", true, UINT32_MAX * USEC_PER_SEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct machine m;
                struct sample s;

                machine_init(&m, DISK_SCSI, cases[i].driver);
                if (!cases[i].counted)
                        assert_int_equal(unlink(temp_path(&m.dir, "device/iotmo_cnt")), 0);
                if (cases[i].timeout)
                        set(&m, "device/timeout", cases[i].timeout);
                else
                        assert_int_equal(unlink(temp_path(&m.dir, "device/timeout")), 0);
                assert_int_equal(machine_open(&m), 0);
                s = take(&m, false);
                assert_int_equal(s.timeout, cases[i].expected);
                assert_int_equal(s.timeouts, cases[i].counted ? 2 : 0);
                machine_free(&m);
        }
}

static void test_blind_spots(void **state) {
        static const struct {
                const char *release;
                bool flush, passthrough, head;
        } cases[] = {
                { "5.4.0-150-generic\n", false, true, true },
                { "5.10.0-34-cloud-amd64\n", false, true, true },
                { "5.11.0\n", true, true, true },
                { "5.18.9\n", true, true, true },
                { "5.19.0\n", true, false, true },
                { "6.1.192\n", true, false, true },
                { "6.3.1\n", true, false, true },
                { "6.4.0-rc1+\n", true, false, false },
                { "6.9.12\n", true, false, false },
                { "6.10.0\n", false, false, false },
                { "6.12.48+deb13-amd64\n", false, false, false },
                { "7.3.4\n", false, false, false },
                { "10.0.0\n", false, false, false },
                { "6.300.1\n", false, false, false },
                { "new\n", true, true, true },
                { "", true, true, true },
                { NULL, true, true, true },
        };
        static const struct {
                enum disk_kind kind;
                const char *driver;
        } disks[] = {
                { DISK_SCSI, "virtio_scsi" }, { DISK_NVME, "nvme" }, { DISK_QUEUE, "virtio_blk" },
                { DISK_BIO, "dm" },           { DISK_BIO, "nvme-multipath" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases) * ELEMENTSOF(disks); i++) {
                size_t n = i / ELEMENTSOF(disks), d = i % ELEMENTSOF(disks);
                bool bio = disks[d].kind == DISK_BIO;
                bool own = disks[d].kind == DISK_NVME || disks[d].kind == DISK_QUEUE;
                struct machine m;

                machine_init(&m, disks[d].kind, disks[d].driver);
                if (cases[n].release)
                        set_release(&m, cases[n].release);
                else
                        assert_int_equal(
                                unlink(temp_path(&m.dir, "proc/sys/kernel/osrelease")), 0);
                assert_int_equal(machine_open(&m), 0);
                assert_int_equal(m.counters.flush_blind, own && cases[n].flush);
                assert_int_equal(m.counters.passthrough_in_stat, !bio && cases[n].passthrough);
                assert_int_equal(m.counters.blind == STAT_BLIND_HEAD,
                                 strcmp(disks[d].driver, "nvme-multipath") == 0 && cases[n].head);
                machine_free(&m);
        }
}

/* What is outstanding, by the kernel, the kind, what stat and device_busy say, and the list. */
static void test_list(void **state) {
        static const struct {
                const char *release;
                enum disk_kind kind;
                const char *flags, *busy_list;
                unsigned in_flight, busy;
                uint32_t outstanding, unlisted;
                bool listed;
        } cases[] = {
                /* A hung flush, which stat does not show. */
                { "6.1.0", DISK_NVME, FLAGS_ON, FLUSH, 0, 0, 1, 1, false },
                { "6.1.0", DISK_QUEUE, FLAGS_ON, FLUSH READ, 1, 0, 2, 2, false },
                { "6.1.0", DISK_NVME, FLAGS_ON, "", 3, 0, 3, 3, true },
                { "6.1.0", DISK_NVME, FLAGS_ON, SG_IO, 0, 0, 0, 0, true },
                /* Without statistics the list alone must not make it busy: nothing would end. */
                { "6.1.0", DISK_NVME, FLAGS_OFF, READ_OFF FLUSH, 0, 0, 0, 0, false },
                { "6.1.0", DISK_NVME, FLAGS_OFF, READ_OFF FLUSH, 1, 0, 1, 1, false },
                { "6.12.0", DISK_NVME, "", READ_OFF READ_OFF, 0, 0, 0, 0, false },
                { "5.10.0", DISK_NVME, FLAGS_OFF, READ_OFF, 4, 0, 0, 0, false },
                { "5.10.0", DISK_SCSI, FLAGS_OFF, READ_OFF, 4, 4, 4, 4, false },
                /* It is no concern of stat where stat shows all. */
                { "6.12.0", DISK_NVME, "", FLUSH FLUSH, 0, 0, 0, 0, false },
                { "6.12.0", DISK_NVME, "", READ, 2, 0, 2, 2, false },
                /* Commands of user space: left out where they can be told apart. */
                { "6.1.0", DISK_SCSI, FLAGS_ON, SG_IO SG_IO, 0, 2, 0, 2, true },
                { "6.1.0", DISK_SCSI, FLAGS_ON, SG_IO READ_NEW, 1, 2, 1, 2, true },
                { "6.1.0", DISK_SCSI, FLAGS_ON, SG_IO, 3, 1, 3, 3, true },
                { "5.10.0", DISK_SCSI, FLAGS_ON, SG_IO, 1, 1, 0, 1, true },
                { "5.10.0", DISK_NVME, FLAGS_ON, SG_IO SG_IO READ, 3, 0, 1, 3, true },
                { "5.15.0", DISK_NVME, FLAGS_ON, SG_IO SG_IO READ READ, 2, 0, 2, 2, true },
                { "6.12.0", DISK_NVME, "", SG_IO_MARKED, 1, 0, 1, 1, false },
                { "6.13.0", DISK_NVME, "", SG_IO_MARKED SG_IO, 2, 0, 1, 2, true },
                { "7.3.4", DISK_NVME, "", SG_IO_MARKED READ READ, 2, 0, 2, 2, false },
                /* Never less than what the list shows; never below 0. */
                { "6.1.0", DISK_SCSI, FLAGS_ON, SG_IO READ_NEW READ_NEW, 0, 2, 2, 2, true },
                { "6.1.0", DISK_SCSI, FLAGS_ON, SG_IO SG_IO SG_IO, 0, 1, 0, 1, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char busy[16];
                struct machine m;
                struct sample s;

                machine_init(&m, cases[i].kind, "virtio_scsi");
                set_release(&m, cases[i].release);
                set_list(&m, cases[i].flags, cases[i].busy_list);
                set_in_flight(&m, cases[i].in_flight);
                (void) snprintf(busy, sizeof(busy), "%u\n", cases[i].busy);
                if (cases[i].kind == DISK_SCSI)
                        set(&m, "device/device_busy", busy);
                assert_int_equal(machine_open(&m), 0);
                assert_int_equal(take(&m, false).outstanding, cases[i].unlisted);
                s = take(&m, true);
                assert_int_equal(s.outstanding, cases[i].outstanding);
                assert_int_equal(s.listed, cases[i].listed);
                machine_free(&m);
        }
}

static void test_oldest(void **state) {
        struct machine m;
        struct sample s;

        machine_init(&m, DISK_SCSI, "virtio_scsi");
        set_list(&m, FLAGS_ON, READ_NEW READ_OLD SG_IO);
        assert_int_equal(machine_open(&m), 0);
        s = take(&m, false);
        assert_false(s.listed);
        assert_int_equal(s.oldest, 0);
        s = take(&m, true);
        assert_true(s.listed);
        assert_int_equal(s.oldest, 17250 * USEC_PER_MSEC);

        /* No age is told: then none is known, rather than that nothing is old. */
        set_list(&m, FLAGS_ON, READ);
        assert_false(take(&m, true).listed);
        set_list(&m, FLAGS_ON, "");
        s = take(&m, true);
        assert_true(s.listed);
        assert_int_equal(s.oldest, 0);

        /* A list that is gone is no error. */
        assert_int_equal(unlink(temp_path(&m.dir, "kernel/debug/block/disk/hctx0/busy")), 0);
        assert_false(take(&m, true).listed);
        machine_free(&m);
}

static void test_iostats(void **state) {
        struct machine m;

        machine_init(&m, DISK_NVME, "nvme");
        set_list(&m, FLAGS_OFF, "");
        assert_int_equal(machine_open(&m), 0);
        assert_true(m.counters.iostats_off);
        set_list(&m, FLAGS_ON, "");
        (void) take(&m, false);
        assert_false(m.counters.iostats_off);
        machine_free(&m);

        /* Where nothing needs the list, it is known when it was asked for. */
        machine_init(&m, DISK_SCSI, "virtio_scsi");
        set_list(&m, FLAGS_ON, "");
        assert_int_equal(machine_open(&m), 0);
        set_list(&m, FLAGS_OFF, "");
        (void) take(&m, false);
        assert_false(m.counters.iostats_off);
        (void) take(&m, true);
        assert_true(m.counters.iostats_off);
        machine_free(&m);
}

static unsigned open_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

/* Any of those may be gone that all disks of the kind have; then nothing stays open. */
static void test_file_vanished(void **state) {
        static const struct {
                enum disk_kind kind;
                const char *file;
        } cases[] = {
                { DISK_SCSI, "block/disk/stat" },
                { DISK_SCSI, "device/device_busy" },
                { DISK_SCSI, "device/iodone_cnt" },
                { DISK_SCSI, "device/state" },
                { DISK_SCSI, "class/scsi_host/host2/state" },
                { DISK_NVME, "block/disk/stat" },
                { DISK_NVME, "device/state" },
                { DISK_QUEUE, "block/disk/stat" },
                { DISK_BIO, "block/disk/stat" },
        };
        unsigned before = open_descriptors();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct counters untouched;
                struct machine m;

                machine_init(&m, cases[i].kind, "virtio_scsi");
                set_list(&m, FLAGS_ON, READ);
                untouched = m.counters;
                assert_int_equal(unlink(temp_path(&m.dir, "%s", cases[i].file)), 0);
                assert_int_equal(machine_open(&m), -ENOENT);
                assert_memory_equal(&m.counters, &untouched, sizeof(untouched));
                machine_free(&m);
                assert_int_equal(open_descriptors(), before);
        }
}

static void test_open_errors(void **state) {
        struct machine m;

        machine_init(&m, DISK_SCSI, "virtio_scsi");
        (void) snprintf(m.id.domain, sizeof(m.id.domain), "host3");
        assert_int_equal(machine_open(&m), -ENOENT);
        (void) snprintf(m.id.domain, sizeof(m.id.domain), "host2");
        (void) snprintf(m.nodes.block_dir, DISK_PATH_MAX, "%s/block/disk/stat", m.dir.path);
        assert_int_equal(machine_open(&m), -ENOTDIR);
        machine_free(&m);
}

/* A disk that is gone while it is watched, however the kernel says so: reading a directory gives
 * EISDIR, which is none of it, and a dead descriptor EBADF. */
static void test_gone(void **state) {
        unsigned before = open_descriptors();
        struct machine m;
        int *fds[7];

        machine_init(&m, DISK_SCSI, "virtio_scsi");
        set_list(&m, FLAGS_ON, READ);
        assert_int_equal(machine_open(&m), 0);
        fds[0] = &m.counters.stat, fds[1] = &m.counters.busy, fds[2] = &m.counters.answered;
        fds[3] = &m.counters.timeouts, fds[4] = &m.counters.timeout, fds[5] = &m.counters.state;
        fds[6] = &m.counters.host_state;
        assert_int_equal(open_descriptors(), before + ELEMENTSOF(fds));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                assert_int_equal(fcntl(*fds[i], F_GETFD), FD_CLOEXEC);

        /* /proc/self/mem ends in EIO at address 0: as a device that has been removed may do. */
        (void) close(m.counters.busy);
        m.counters.busy = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        assert_error(&m, -ENODEV);

        counters_close(&m.counters);
        assert_int_equal(open_descriptors(), before);
        assert_memory_equal(&m.counters.stat, &counters_none.stat, sizeof(int));
        assert_null(m.counters.requests);
        assert_error(&m, -EBADF);
        machine_free(&m); /* twice does no harm */
}

static bool has_signal(const struct counters *c, usec_t stall, const char *name,
                       const char *text, bool missing) {
        struct signal_text texts[SIGNALS_MAX];
        size_t n = counters_describe(c, stall, texts);

        assert_in_range(n, 1, SIGNALS_MAX);
        for (size_t i = 0; i < n; i++) {
                assert_in_range(strlen(texts[i].text), 1, sizeof(texts[i].text) - 2);
                if (strcmp(texts[i].name, name) == 0 && strstr(texts[i].text, text))
                        return texts[i].missing == missing;
        }
        return false;
}

static void test_describe_scsi(void **state) {
        const usec_t stall = 120 * USEC_PER_SEC;
        struct machine m;

        machine_init(&m, DISK_SCSI, "virtio_scsi");
        set_list(&m, FLAGS_ON, "");
        assert_int_equal(machine_open(&m), 0);
        assert_true(has_signal(&m.counters, stall, "stat", "device_busy", false));
        assert_true(has_signal(&m.counters, stall, "device_busy", "flushes included", false));
        assert_true(has_signal(&m.counters, stall, "iodone_cnt", "came back", false));
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt",
                               "timeout of 30s is shorter than StallSec=2min", false));
        assert_true(has_signal(&m.counters, 30 * USEC_PER_SEC, "iotmo_cnt", "exact", false));
        assert_true(has_signal(&m.counters, stall, "requests", "age", false));
        assert_true(has_signal(&m.counters, stall, "device state", "", false));
        assert_true(has_signal(&m.counters, stall, "host state", "", false));
        assert_false(has_signal(&m.counters, stall, "controller state", "", false));
        assert_false(has_signal(&m.counters, stall, "iostats", "", true));
        set(&m, "device/timeout", "180\n");
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "exact", false));
        set(&m, "device/timeout", "\n");
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "not known", false));
        set_list(&m, FLAGS_OFF, "");
        (void) take(&m, true);
        assert_true(has_signal(&m.counters, stall, "iostats", "iodone_cnt", true));
        machine_free(&m);

        machine_init(&m, DISK_SCSI, "vmw_pvscsi");
        set_release(&m, "6.12.1\n");
        assert_int_equal(machine_open(&m), 0);
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "by itself", false));
        assert_true(has_signal(&m.counters, stall, "requests", "debugfs is not mounted", true));
        assert_false(has_signal(&m.counters, stall, "stat", "device_busy", false));
        m.counters.requests_error = -EPERM;
        assert_true(has_signal(&m.counters, stall, "requests", "may not be read", true));
        m.counters.requests_error = -ENOMEM;
        assert_true(has_signal(&m.counters, stall, "requests", "Cannot allocate", true));
        machine_free(&m);

        /* Without ages that costs something. */
        machine_new(&m, DISK_SCSI, "virtio_scsi");
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "shorter than", true));
        set(&m, "device/timeout", "\n");
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "not known", true));
        machine_free(&m);

        machine_init(&m, DISK_SCSI, "virtio_scsi");
        assert_int_equal(unlink(temp_path(&m.dir, "device/iotmo_cnt")), 0);
        assert_int_equal(machine_open(&m), 0);
        assert_true(has_signal(&m.counters, stall, "iotmo_cnt", "before kernel 6.1", true));
        machine_free(&m);
}

static void test_describe_others(void **state) {
        struct machine m;

        machine_init(&m, DISK_NVME, "nvme");
        set_list(&m, FLAGS_ON, "");
        assert_int_equal(machine_open(&m), 0);
        assert_true(has_signal(&m.counters, 1, "stat", "from the list of requests", false));
        assert_true(has_signal(&m.counters, 1, "requests", "tells no age", true));
        assert_true(has_signal(&m.counters, 1, "controller state", "", false));
        assert_false(has_signal(&m.counters, 1, "device_busy", "", false));
        set_list(&m, FLAGS_OFF, "");
        (void) take(&m, false);
        assert_true(has_signal(&m.counters, 1, "iostats", "queue/iostats", true));
        machine_free(&m);

        machine_new(&m, DISK_QUEUE, "virtio_blk");
        assert_true(has_signal(&m.counters, 1, "stat", "cannot be seen", true));
        assert_true(has_signal(&m.counters, 1, "requests", "hung cache flush", true));
        machine_free(&m);

        machine_new(&m, DISK_BIO, "nvme-multipath");
        assert_true(has_signal(&m.counters, 1, "stat", "always 0", true));
        assert_false(has_signal(&m.counters, 1, "requests", "", true));
        machine_free(&m);

        machine_new(&m, DISK_BIO, "dm");
        assert_true(has_signal(&m.counters, 1, "stat", "requests in flight", false));
        machine_free(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scsi),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_each_field),
                cmocka_unit_test(test_fields_missing),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_outstanding),
                cmocka_unit_test(test_scsi_states),
                cmocka_unit_test(test_nvme_states),
                cmocka_unit_test(test_failover),
                cmocka_unit_test(test_started_counts),
                cmocka_unit_test(test_blind_md),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_blind_spots),
                cmocka_unit_test(test_list),
                cmocka_unit_test(test_oldest),
                cmocka_unit_test(test_iostats),
                cmocka_unit_test(test_file_vanished),
                cmocka_unit_test(test_open_errors),
                cmocka_unit_test(test_gone),
                cmocka_unit_test(test_describe_scsi),
                cmocka_unit_test(test_describe_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
