/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/observe/requests.h"
#include "tests/unit/temp-dir.h"

/* The queue's flags as three kernels print them; in 6.12 no more of statistics. */
#define FLAGS_5_10 "SAME_COMP|IO_STAT|ADD_RANDOM|INIT_DONE|WC|STATS|REGISTERED|NOWAIT|30\n"
#define FLAGS_6_1 "SAME_COMP|IO_STAT|INIT_DONE|WC|STATS|REGISTERED|PCI_P2PDMA|NOWAIT\n"
#define FLAGS_6_1_OFF "SAME_COMP|INIT_DONE|WC|STATS|REGISTERED|PCI_P2PDMA|NOWAIT\n"
#define FLAGS_6_12 "SAME_COMP|INIT_DONE|STATS|REGISTERED\n"

/* By drivers/scsi/scsi_debugfs.c and block/blk-mq-debugfs.c of the kernel that is named. */
#define SCSI_5_10 \
        "000000003b1c8f2d {.op=WRITE, .cmd_flags=SYNC|IDLE, .rq_flags=MQ_INFLIGHT|DONTPREP|" \
        "IO_STAT|STATS, .state=in_flight, .tag=12, .internal_tag=-1, .cmd=Write(10) 2a " \
        "00 00 00 08 00 00 00 08 00, .retries=0, .result=0x0, .flags=TAGGED|INITIALIZED|3, " \
        ".timeout=30.000, allocated 4.032 s ago}\n"
#define SCSI_6_1 \
        "00000000b6a7c1e3 {.op=READ, .cmd_flags=, .rq_flags=STARTED|MQ_INFLIGHT|DONTPREP|ELVPRIV|" \
        "IO_STAT|ELV, .state=in_flight, .tag=63, .internal_tag=5, .cmd=Read(10) 28 00 00 00 00 " \
        "00 00 00 08 00, .retries=0, .result = 0x0, .flags=TAGGED|INITIALIZED|LAST, " \
        ".timeout=30.000, allocated 17.250 s ago}\n"
#define SCSI_6_12 \
        "00000000d0f0a1b2 {.op=WRITE, .cmd_flags=SYNC|FUA, .rq_flags=DONTPREP|IO_STAT, " \
        ".state=in_flight, .tag=7, .internal_tag=-1, .cmd=Write(10) 2a 08 00 1f 40 00 00 00 08 " \
        "00, .retries=0, .allowed=5, .result = 0x0, .timeout=30.000, allocated 181.007 s ago, " \
        ".flags=TAGGED|INITIALIZED|LAST}\n"
#define SCSI_6_12_EH \
        "00000000d0f0a1b2 {.op=READ, .cmd_flags=, .rq_flags=DONTPREP|IO_STAT|TIMED_OUT, " \
        ".state=in_flight, .tag=7, .internal_tag=-1, .cmd=Read(10) 28, .retries=1, .allowed=5, " \
        ".result = 0x0, on eh_abort_list, .timeout=30.000, allocated 61.500 s ago, " \
        ".flags=TAGGED|INITIALIZED}\n"
#define SCSI_6_12_NEW /* not yet initialized: it says nothing */ \
        "00000000d0f0a1b2 {.op=READ, .cmd_flags=, .rq_flags=IO_STAT, .state=in_flight, .tag=1, " \
        ".internal_tag=-1, .flags=}\n"
#define SCSI_FLUSH \
        "00000000aa01f00d {.op=FLUSH, .cmd_flags=PREFLUSH, .rq_flags=FLUSH_SEQ|MQ_INFLIGHT|" \
        "DONTPREP, .state=in_flight, .tag=3, .internal_tag=-1, .cmd=Synchronize Cache(10) 35 00 " \
        "00 00 00 00 00 00 00 00, .retries=0, .result = 0x0, .flags=TAGGED|INITIALIZED, " \
        ".timeout=60.000, allocated 9.000 s ago}\n"
#define SCSI_SG_IO \
        "00000000c0ffee00 {.op=DRV_IN, .cmd_flags=, .rq_flags=DONTPREP|IO_STAT, " \
        ".state=in_flight, .tag=4, .internal_tag=-1, .cmd=Inquiry 12 00 00 00 24 00, .retries=0, " \
        ".result = 0x0, .flags=INITIALIZED, .timeout=600.000, allocated 500.125 s ago}\n"
#define SCSI_SG_IO_5_10 \
        "00000000c0ffee00 {.op=SCSI_OUT, .cmd_flags=, .rq_flags=DONTPREP|IO_STAT, " \
        ".state=in_flight, .tag=4, .internal_tag=-1, .cmd=Format Unit 04 00 00 00 00 00, " \
        ".retries=0, .result=0x0, .flags=INITIALIZED, .timeout=600.000, allocated 500.125 s ago}\n"
#define NVME_READ \
        "00000000f1e2d3c4 {.op=READ, .cmd_flags=, .rq_flags=IO_STAT, .state=in_flight, .tag=100, " \
        ".internal_tag=-1}\n"
#define NVME_READ_OFF \
        "00000000f1e2d3c5 {.op=READ, .cmd_flags=, .rq_flags=, .state=in_flight, .tag=101, " \
        ".internal_tag=-1}\n"
#define NVME_FLUSH \
        "00000000f1e2d3c6 {.op=FLUSH, .cmd_flags=PREFLUSH, .rq_flags=FLUSH_SEQ, " \
        ".state=in_flight, .tag=102, .internal_tag=-1}\n"
#define NVME_PASSTHROUGH \
        "00000000f1e2d3c7 {.op=DRV_OUT, .cmd_flags=FAILFAST_DRIVER, .rq_flags=, " \
        ".state=in_flight, .tag=103, .internal_tag=-1}\n"

struct machine {
        struct temp_dir dir;
        struct requests *requests;
};

static void set(const struct machine *m, const char *file, const char *text) {
        write_text(temp_path(&m->dir, "kernel/debug/block/sda/%s", file), text);
}

static void machine_new(struct machine *m, const char *flags, const char *busy) {
        *m = (struct machine) { .dir = temp_dir_new() };
        if (flags)
                set(m, "state", flags);
        set(m, "hctx0/busy", busy);
        assert_int_equal(requests_open(m->dir.path, "sda", &m->requests), 0);
}

static void machine_free(struct machine *m) {
        m->requests = requests_free(m->requests);
        temp_dir_removep(&m->dir);
}

static struct request_list take(const struct machine *m) {
        struct request_list list;

        memset(&list, 0xaa, sizeof(list));
        assert_int_equal(requests_read(m->requests, &list), 0);
        return list;
}

static struct request_list take_once(const char *flags, const char *busy) {
        struct request_list list;
        struct machine m;

        machine_new(&m, flags, busy);
        list = take(&m);
        machine_free(&m);
        return list;
}

static void test_lines(void **state) {
        static const struct {
                const char *line;
                uint32_t requests, flushes, passthrough;
                usec_t oldest;
                bool aged;
        } cases[] = {
                { "", 0, 0, 0, 0, true },
                { SCSI_5_10, 1, 0, 0, 4032 * USEC_PER_MSEC, true },
                { SCSI_6_1, 1, 0, 0, 17250 * USEC_PER_MSEC, true },
                { SCSI_6_12, 1, 0, 0, 181007 * USEC_PER_MSEC, true },
                { SCSI_6_12_EH, 1, 0, 0, 61500 * USEC_PER_MSEC, true },
                { SCSI_6_12_NEW, 1, 0, 0, 0, false },
                { SCSI_FLUSH, 1, 1, 0, 9000 * USEC_PER_MSEC, true },
                { SCSI_SG_IO, 0, 0, 1, 0, true },
                { SCSI_SG_IO_5_10, 0, 0, 1, 0, true },
                { NVME_READ, 1, 0, 0, 0, false },
                { NVME_FLUSH, 1, 1, 0, 0, false },
                { NVME_PASSTHROUGH, 0, 0, 1, 0, false },
                /* The oldest of them, in whatever place; not the still older one of user space. */
                { SCSI_6_1 SCSI_SG_IO SCSI_6_12 SCSI_FLUSH SCSI_6_12_NEW, 4, 1, 1,
                  181007 * USEC_PER_MSEC, true },
                { SCSI_6_12 SCSI_6_1, 2, 0, 0, 181007 * USEC_PER_MSEC, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct request_list list = take_once(FLAGS_6_1, cases[i].line);

                assert_int_equal(list.requests, cases[i].requests);
                assert_int_equal(list.flushes, cases[i].flushes);
                assert_int_equal(list.passthrough, cases[i].passthrough);
                assert_int_equal(list.oldest, cases[i].oldest);
                assert_int_equal(list.aged, cases[i].aged);
        }
}

/* What is not understood is a request without an age; never a crash, never left out. */
static void test_garbage(void **state) {
        static const char *const lines[] = {
                "x\n",
                "no newline",
                "{.op=\n",
                "{.op=35\n",
                "{.op=DRV_INNER, .rq_flags=IO_STAT}\n",
                "{.op=DRV}\n",
                ".rq_flags=\n",
                "{.op=READ, allocated \n",
                "{.op=READ, allocated 4.032 s\n",
                "{.op=READ, allocated -4.-32 s ago}\n",
                "{.op=READ, allocated 4 s ago}\n",
                "{.op=READ, allocated 4.s ago}\n",
                "{.op=READ, allocated 99999999999999999999.000 s ago}\n",
                "\x01\x02\xff\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct request_list list = take_once(FLAGS_6_1, lines[i]);

                assert_int_equal(list.requests, 1);
                assert_int_equal(list.passthrough, 0);
                assert_int_equal(list.oldest, 0);
                assert_false(list.aged);
        }
        assert_int_equal(take_once(FLAGS_6_1, "\n\n\n").requests, 0);
        assert_int_equal(take_once(FLAGS_6_1, SCSI_6_1 "\n" SCSI_6_1).requests, 2);
}

static void test_nul(void **state) {
        static const char text[] = "a\0b\n" NVME_READ;
        struct machine m;

        machine_new(&m, FLAGS_6_1, "");
        write_bytes(temp_path(&m.dir, "kernel/debug/block/sda/hctx0/busy"), text,
                    sizeof(text) - 1);
        assert_int_equal(take(&m).requests, 2);
        machine_free(&m);
}

static void test_iostats(void **state) {
        static const struct {
                const char *flags, *busy;
                bool off;
        } cases[] = {
                { FLAGS_5_10, "", false },
                { FLAGS_6_1, "", false },
                { FLAGS_6_1_OFF, "", true },
                /* The flags know better than what was given a mark before. */
                { FLAGS_6_1_OFF, NVME_READ, true },
                { FLAGS_6_1, NVME_READ_OFF, false },
                { "IO_STAT\n", "", false },
                { "NOWAIT\n", "", true },
                { "SAME_COMP|IO_STATS|NO_IO_STAT|NOWAIT\n", "", true },
                /* Where they say nothing, the requests do. */
                { FLAGS_6_12, "", false },
                { FLAGS_6_12, NVME_READ, false },
                { FLAGS_6_12, NVME_READ_OFF, true },
                { FLAGS_6_12, NVME_READ_OFF NVME_READ, false },
                { FLAGS_6_12, NVME_FLUSH NVME_PASSTHROUGH, false },
                { FLAGS_6_12, "{.op=READ}\n", false },
                { NULL, NVME_READ, false },
                { NULL, NVME_READ_OFF, true },
                { NULL, NVME_FLUSH, false },
                { "", "", false },
                { "\n", "", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(take_once(cases[i].flags, cases[i].busy).iostats_off,
                                 cases[i].off);
}

/* What was found once stays true as long as nothing says otherwise. */
static void test_iostats_remembered(void **state) {
        struct machine m;

        machine_new(&m, FLAGS_6_12, NVME_READ_OFF);
        assert_true(take(&m).iostats_off);
        set(&m, "hctx0/busy", NVME_FLUSH);
        assert_true(take(&m).iostats_off);
        set(&m, "hctx0/busy", NVME_READ);
        assert_false(take(&m).iostats_off);
        machine_free(&m);
}

static void test_marked(void **state) {
        struct request_list list = take_once(FLAGS_6_12, SCSI_SG_IO NVME_PASSTHROUGH NVME_READ);

        assert_int_equal(list.passthrough, 2);
        assert_int_equal(list.marked, 1);
}

static void test_queues(void **state) {
        struct machine m;

        machine_new(&m, FLAGS_6_1, NVME_READ);
        for (unsigned i = 1; i < 12; i++) {
                char file[32];

                (void) snprintf(file, sizeof(file), "hctx%u/busy", i);
                set(&m, file, i % 2 ? NVME_READ NVME_FLUSH : "");
        }
        set(&m, "hctx13/busy", NVME_READ); /* none before it: it is not looked for */
        assert_int_equal(take(&m).requests, 1 + 6 * 2);

        /* They come and go. */
        assert_int_equal(unlink(temp_path(&m.dir, "kernel/debug/block/sda/hctx2/busy")), 0);
        assert_int_equal(take(&m).requests, 1 + 2);
        set(&m, "hctx2/busy", NVME_READ);
        assert_int_equal(take(&m).requests, 1 + 6 * 2 + 1);
        machine_free(&m);
}

/* A file that cannot be read, as one is whose queue went away since it was opened: the others
 * stand. */
static void test_unreadable(void **state) {
        struct machine m;

        machine_new(&m, FLAGS_6_1, NVME_READ);
        assert_int_equal(mkdir(temp_path(&m.dir, "kernel/debug/block/sda/hctx1"), 0700), 0);
        assert_int_equal(mkdir(temp_path(&m.dir, "kernel/debug/block/sda/hctx1/busy"), 0700), 0);
        set(&m, "hctx2/busy", NVME_READ);
        assert_int_equal(take(&m).requests, 2);
        machine_free(&m);
}

/* More than the buffer holds, so that lines are torn at every place. */
static void test_long(void **state) {
        static const char *const lines[] = { SCSI_6_1, SCSI_SG_IO, NVME_READ, SCSI_FLUSH };
        static char text[4096 * 400];
        struct request_list list;
        struct machine m;

        for (unsigned lead = 0; lead < 300; lead += 7) {
                size_t used = 0;

                memset(text, '\n', lead);
                used = lead;
                for (unsigned i = 0; i < 200; i++)
                        used += (size_t) sprintf(text + used, "%s", lines[i % 4]);
                list = take_once(FLAGS_6_1, text);
                assert_int_equal(list.requests, 150);
                assert_int_equal(list.passthrough, 50);
                assert_int_equal(list.flushes, 50);
                assert_int_equal(list.oldest, 17250 * USEC_PER_MSEC);
        }

        /* At least as many as promised; no more than is bearable. */
        text[0] = '\0';
        for (size_t i = 0, used = 0; i < 4096; i++)
                used += (size_t) sprintf(text + used, "%s", SCSI_6_1);
        machine_new(&m, FLAGS_6_1, text);
        assert_int_equal(take(&m).requests, 4096);
        for (unsigned i = 1; i < 8; i++) {
                char file[32];

                (void) snprintf(file, sizeof(file), "hctx%u/busy", i);
                set(&m, file, text);
        }
        list = take(&m);
        assert_in_range(list.requests, 4096, 16384 + 100);
        machine_free(&m);
}

/* One line that never ends is one request, and ends with its file. */
static void test_endless_line(void **state) {
        static char text[100 * 1024];
        struct machine m;

        memset(text, 'x', sizeof(text) - 1);
        machine_new(&m, FLAGS_6_1, text);
        set(&m, "hctx1/busy", NVME_READ);
        assert_int_equal(take(&m).requests, 2);

        text[60 * 1024] = '\n';
        set(&m, "hctx0/busy", text);
        assert_int_equal(take(&m).requests, 3);

        /* 16 MiB of them. */
        memset(text, 'x', sizeof(text) - 1);
        for (unsigned i = 0; i < 160; i++) {
                char file[32];

                (void) snprintf(file, sizeof(file), "hctx%u/busy", i);
                set(&m, file, text);
        }
        assert_in_range(take(&m).requests, 50, 100);
        machine_free(&m);
}

static void test_many_queues(void **state) {
        struct machine m;

        machine_new(&m, FLAGS_6_1, NVME_READ);
        for (unsigned i = 0; i < 1100; i++) {
                char file[32];

                (void) snprintf(file, sizeof(file), "hctx%u/busy", i);
                set(&m, file, NVME_READ);
        }
        assert_int_equal(take(&m).requests, 1024);
        machine_free(&m);
}

static void test_errors(void **state) {
        struct request_list before, list;
        struct requests *requests = NULL;
        char long_name[600];
        struct machine m;

        machine_new(&m, FLAGS_6_1, NVME_READ);
        assert_int_equal(requests_open(m.dir.path, "sdb", &requests), -ENOENT);
        assert_int_equal(requests_open(temp_path(&m.dir, "none"), "sda", &requests), -ENOENT);
        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = '\0';
        assert_int_equal(requests_open(m.dir.path, long_name, &requests), -ENAMETOOLONG);
        assert_null(requests);

        /* Without a queue, as in a reset of NVMe, nothing is known: not even that there is none. */
        memset(&list, 0x55, sizeof(list));
        before = list;
        assert_int_equal(unlink(temp_path(&m.dir, "kernel/debug/block/sda/hctx0/busy")), 0);
        assert_int_equal(requests_read(m.requests, &list), -ENOENT);
        assert_memory_equal(&list, &before, sizeof(list));
        set(&m, "hctx0/busy", NVME_READ);
        assert_int_equal(take(&m).requests, 1);

        /* The disk gone, and another of its name. */
        assert_int_equal(rename(temp_path(&m.dir, "kernel/debug/block/sda"),
                                temp_path(&m.dir, "kernel/debug/block/sdc")), 0);
        assert_int_equal(requests_read(m.requests, &list), -ENOENT);
        set(&m, "hctx0/busy", NVME_READ NVME_READ);
        assert_int_equal(take(&m).requests, 2);
        machine_free(&m);
        assert_null(requests_free(NULL));
}

/* Opened in the middle of a reset it is of use afterwards. */
static void test_open_without_queue(void **state) {
        struct machine m = { .dir = temp_dir_new() };

        set(&m, "state", FLAGS_6_1);
        assert_int_equal(requests_open(m.dir.path, "sda", &m.requests), 0);
        set(&m, "hctx0/busy", NVME_READ);
        assert_int_equal(take(&m).requests, 1);
        machine_free(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_iostats),
                cmocka_unit_test(test_iostats_remembered),
                cmocka_unit_test(test_marked),
                cmocka_unit_test(test_queues),
                cmocka_unit_test(test_unreadable),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_endless_line),
                cmocka_unit_test(test_many_queues),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_open_without_queue),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
