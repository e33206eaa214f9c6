/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of the private socket. The server runs in a child with a loop of its own; the test is
 * its client: a good one through agent/ctl, and bad ones by hand, byte for byte. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/base/macro.h"
#include "agent/ctl/client-acts.h"
#include "agent/ctl/client-policy.h"
#include "agent/ctl/client.h"
#include "agent/ctl/json.h"
#include "agent/ctl/table.h"
#include "agent/ctl/tree.h"
#include "agent/ctl/verb.h"
#include "agent/report/bus-answer.h"

#define TIMEOUT (20 * USEC_PER_SEC)
#define LATER (100 * USEC_PER_MSEC)

struct world {
        char dir[64];
        char socket[96];
        pid_t server;
        int told; /* the server writes a byte: 'u' when it is up, 'r' for each reset it was asked */
};

/* Quotes and UTF-8; then what is none: stray, overlong, surrogate, noncharacter, cut off. */
#define HOSTILE_GOOD "a\"b\\c d\303\251\342\202\254\360\237\222\276\033[31m\302\233x"
#define HOSTILE_BAD "\200|\300\257|\355\240\200|\357\277\276|\364\220\200\200|\360\237\222"
#define HOSTILE_BAD_CLEAN "?|??|???|???|????|???"

static char long_text[2001];

static const struct disk_report disks[] = {
        {
                .name = "sda", .driver = "virtio_scsi", .address = "0:0:0:0", .serial = "VUSCSI0",
                .state = "settling", .symptom = "stalled", .outstanding = 32,
                .detail = "32 requests in flight, reset done, waiting for them",
                .quiet = 0, .limit = 120 * USEC_PER_SEC, .last_act = "lun-reset",
                .last_outcome = "-", .last_ago = 3 * USEC_PER_SEC + 7, .mounts = 1,
        },
        {
                .name = "sdb", .driver = HOSTILE_GOOD, .address = "0:0:1:0",
                .serial = HOSTILE_GOOD, .state = "healthy", .symptom = "-", .detail = "",
                .limit = 120 * USEC_PER_SEC, .last_act = "-", .last_outcome = "-",
                .last_ago = USEC_INFINITY,
        },
        {
                .name = "sdc", .driver = HOSTILE_BAD, .address = "2:0:1:16383",
                .serial = HOSTILE_BAD, .state = "failed", .symptom = HOSTILE_BAD,
                .detail = long_text, .quiet = USEC_PER_SEC + 1, .limit = USEC_INFINITY,
                .last_act = NULL, .last_outcome = NULL, .last_ago = USEC_INFINITY, .mounts = 2,
        },
};

static const struct signal_report signals[] = {
        { "stat", "completions and requests in flight", false },
        { "device_busy", "commands out, those that are no reads or writes included", false },
        { "iotmo_cnt", "not there before kernel 6.1: a timer that the driver starts again cannot "
                       "be seen to run out", true },
};

static const struct signal_report hostile_signals[] = {
        { HOSTILE_BAD, HOSTILE_GOOD, true },
        { NULL, long_text, false },
        { "\"},{\"", "\n\t\\", true },
};

static const struct fact_report facts[] = {
        { "rungs", "lun-reset, offline" },
        { "acts", "2 of 6 within 1h" },
};

static const struct fact_report hostile_facts[] = {
        { HOSTILE_BAD, HOSTILE_GOOD },
        { NULL, long_text },
};

static const struct node_report nodes[] = {
        { 0, "disk", "sda", "VUSCSI0", "", "8:0", 0, 0 },
        { 1, "partition", "sda1", "", "", "8:1", 0, 0 },
        { 2, "md", "md0", "raid1", "goes on without this disk", "9:0", 0, 0 },
        { 3, "filesystem", "ext4", "/dev/md0", "", "9:0", 0, 0 },
        { 4, "mount", "ext4", "/srv", "", "9:0", 4026531841, 0 },
        { 4, "mount", "ext4", "/srv", "stays in the mount namespace of process 77", "9:0",
          4026532000, 77 },
        { 1, "partition", "sda2", "", "", "8:2", 0, 0 },
        { 2, "crypt", "dm-0", "secret", "", "254:0", 0, 0 },
        { 3, "swap", "swap", "/dev/dm-0", "", "254:0", 0, 0 },
        { 1, "device", "odd0", "", "", "250:0", 0, 0 },
        { 0, "disk", "sdb", "", "", "8:16", 0, 0 },
};

static const char *const owners[] = { "md", "sbd" };

static const struct stack_report stacks[] = {
        { "host0", owners, 2, true, { 2, 2, 3, 1, 2, 1 } },
        { HOSTILE_BAD, (const char *const[]) { HOSTILE_BAD, "" }, 2, false,
          { UINT32_MAX, 0, 1, 0, 0, 0 } },
        { "", NULL, 0, true, { 1, 0, 0, 0, 0, 0 } },
};

/* The server. */

static uint64_t fake_dropped(_unused_ void *userdata) {
        return UINT64_C(1) << 40;
}

static void fake_status(_unused_ void *userdata, struct bus_status *status) {
        for (size_t i = 0; i < ELEMENTSOF(disks); i++)
                bus_status_add(status, &disks[i]);
}

/* Whatever a daemon could do wrong, and what it must be able to do. */
static int fake_show(_unused_ void *userdata, const char *disk, struct bus_status *status) {
        if (strcmp(disk, "nothing") == 0)
                return 0;
        if (strcmp(disk, "broken") == 0)
                return -EIO;
        for (size_t i = 0; i < ELEMENTSOF(disks); i++) {
                const struct signal_report *s = i == 0 ? signals : hostile_signals;

                if (strcmp(disk, disks[i].name) != 0 && strcmp(disk, "vanishing") != 0)
                        continue;
                bus_status_add(status, &disks[i]);
                for (size_t j = 0; i < 2 && j < 3; j++)
                        bus_signal_add(status, &s[j]);
                for (size_t j = 0; i < 2 && j < 2; j++)
                        bus_fact_add(status, i == 0 ? &facts[j] : &hostile_facts[j]);
                return strcmp(disk, "vanishing") == 0 ? -ENODEV : 0;
        }
        return -ENODEV;
}

static int fake_stack(_unused_ void *userdata, const char *disk, bool domain,
                      struct bus_status *status) {
        if (strcmp(disk, "nothing") == 0)
                return 0;
        if (strcmp(disk, "broken") == 0)
                return -EIO;
        for (size_t i = 0; i < ELEMENTSOF(disks); i++) {
                if (strcmp(disk, disks[i].name) != 0)
                        continue;
                bus_stack_begin(status, &stacks[i]);
                for (size_t j = 0; i == 0 && j < ELEMENTSOF(nodes) - (domain ? 0 : 1); j++)
                        bus_node_add(status, &nodes[j]);
                if (i == 1)
                        bus_node_add(status, &(struct node_report) {
                                                     UINT32_MAX / 4, HOSTILE_BAD, long_text, NULL,
                                                     HOSTILE_GOOD, "", UINT64_MAX, UINT32_MAX });
                if (i == 2)
                        bus_node_add(status, &(struct node_report) { .kind = "disk",
                                                                     .name = "sdc" });
                return 0;
        }
        return -ENODEV;
}

static const struct value_report values[] = {
        { "Detect", "StallSec", "2min", "default" },
        { "Recover", "Act", HOSTILE_BAD, HOSTILE_GOOD },
        { NULL, long_text, "", NULL },
};

static int fake_policy(_unused_ void *userdata, const char *disk, struct bus_status *status) {
        static const char *const notes[] = { "a note", HOSTILE_BAD };

        if (strcmp(disk, "sda") != 0 && strcmp(disk, "sdb") != 0)
                return -ENODEV;
        bus_policy_set(status, &(struct policy_report) {
                                       .policy = disk,
                                       .reason = "it says so",
                                       .values = values,
                                       .n_values = disk[2] == 'a' ? ELEMENTSOF(values) : 0,
                                       .notes = notes,
                                       .n_notes = disk[2] == 'a' ? ELEMENTSOF(notes) : 0,
                               });
        return 0;
}

static int on_later(_unused_ sd_event_source *s, _unused_ uint64_t now, void *userdata) {
        bus_call_done(userdata, "recovered", "32 requests came back \377");
        return 0;
}

struct server_state {
        sd_event *event;
        int tell;
};

/* sdb is healthy, and is reset by who takes that on. */
static int fake_reset(void *userdata, const char *disk, const char *rung, const char *force,
                      struct bus_call *call, char reason[static BUS_REASON_MAX]) {
        struct server_state *s = userdata;

        if (write(s->tell, "r", 1) != 1)
                return -EIO;

        if (strcmp(disk, "later") == 0 || strcmp(rung, "target-reset") == 0 ||
            (strcmp(disk, "sdb") == 0 && strcmp(force, "owner symptom") == 0))
                return sd_event_add_time_relative(s->event, NULL, CLOCK_MONOTONIC, LATER, 1,
                                                  on_later, call);
        if (strcmp(disk, "never") == 0)
                return 0;
        if (strcmp(disk, "sda") == 0) {
                bus_call_done(call, "no-change", "");
                return 0;
        }
        if (strcmp(disk, "sdb") == 0) {
                (void) snprintf(reason, BUS_REASON_MAX, "it completes I/O: \"\200\"");
                return -EBUSY;
        }
        if (strcmp(disk, "silent") == 0)
                return -EPERM;
        if (strcmp(disk, "broken") == 0)
                return -EIO;
        return -ENODEV;
}

static int fake_plan(_unused_ void *userdata, const char *disk, const char *rung,
                     const char *force, struct bus_status *status,
                     char reason[static BUS_REASON_MAX]) {
        if (strcmp(disk, "nothing") == 0)
                return 0;
        if (strcmp(rung, "no-such-rung") == 0) {
                (void) snprintf(reason, BUS_REASON_MAX, "there is no rung \033\200");
                return -EINVAL;
        }
        if (strcmp(disk, "broken") == 0)
                return -EIO;
        if (strcmp(disk, "sda") != 0 && strcmp(disk, "sdb") != 0)
                return -ENODEV;
        bus_plan_begin(status, *rung ? rung : "lun-reset",
                       strcmp(disk, "sdb") != 0 || strcmp(force, "owner symptom") == 0
                               ? ""
                               : "it is not hung \033");
        bus_step_add(status, "SG_SCSI_RESET through /dev/sg0");
        bus_step_add(status, HOSTILE_BAD);
        bus_step_add(status, long_text);
        return 0;
}

static int fake_suppress(_unused_ void *userdata, const char *disk, uint64_t span,
                         char reason[static BUS_REASON_MAX]) {
        if (strcmp(disk, "sda") == 0)
                return span == 0 || span == USEC_PER_HOUR || span == BUS_SUPPRESS_MAX ? 0 : -EIO;
        (void) snprintf(reason, BUS_REASON_MAX, "%s", "nothing is ever done to it \200");
        return strcmp(disk, "sdb") == 0 ? -EPERM : -ENODEV;
}

static const struct bus_ops ops = {
        .dropped = fake_dropped,
        .status = fake_status,
        .show = fake_show,
        .stack = fake_stack,
        .policy = fake_policy,
        .reset = fake_reset,
        .plan = fake_plan,
        .suppress = fake_suppress,
};

static int serve(const char *path, int tell) {
        _cleanup_(bus_server_freep) struct bus_server *server = NULL;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        struct server_state state = { .tell = tell };
        struct bus_config config = {
                .path = path, .version = "0.1-test", .ops = &ops, .userdata = &state,
        };

        if (sd_event_new(&event) < 0)
                return 10;
        state.event = event;
        /* Without a handler a signal ends the loop. */
        if (sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL) < 0)
                return 11;
        if (bus_server_new(event, &config, &server) < 0)
                return 12;
        if (write(tell, "u", 1) != 1)
                return 13;
        return sd_event_loop(event) < 0 ? 14 : 0;
}

static char told(const struct world *w) {
        struct pollfd p = { .fd = w->told, .events = POLLIN };
        char c;

        if (poll(&p, 1, (int) (TIMEOUT / USEC_PER_MSEC)) != 1 || read(w->told, &c, 1) != 1)
                return 0;
        return c;
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        sigset_t term;
        int fds[2];

        assert_non_null(w);
        memset(long_text, 'x', sizeof(long_text) - 1);
        /* The cut at 511 bytes falls into this character, which must then go as a whole. */
        strcpy(long_text + 509, "\342\202\254");
        long_text[512] = 'x';

        strcpy(w->dir, "/tmp/test-bus.XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        (void) snprintf(w->socket, sizeof(w->socket), "%s/private", w->dir);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);

        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        fflush(NULL);
        w->server = fork();
        assert_true(w->server >= 0);
        if (w->server == 0) {
                char path[sizeof(w->socket)];

                memcpy(path, w->socket, sizeof(path));
                free(w); /* its end looks for leaks */
                exit(serve(path, fds[1]));
        }
        close(fds[1]);
        w->told = fds[0];
        *state = w;
        assert_int_equal(told(w), 'u');
        return 0;
}

/* Whatever was done to the server: it must end at once, without an error or a leak. */
static int teardown(void **state) {
        struct world *w = *state;
        int status = -1;

        kill(w->server, SIGTERM);
        alarm(20);
        assert_int_equal(waitpid(w->server, &status, 0), w->server);
        alarm(0);
        close(w->told);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(access(w->socket, F_OK), -1);
        assert_int_equal(rmdir(w->dir), 0);
        free(w);
        return 0;
}

static struct client *must_connect(const struct world *w) {
        struct client *c = NULL;

        assert_int_equal(client_connect(w->socket, TIMEOUT, &c), 0);
        return c;
}

static void check_alive(const struct world *w) {
        _cleanup_(client_status_done) struct client_status status = {};
        _cleanup_(client_freep) struct client *c = must_connect(w);

        assert_int_equal(client_status(c, TIMEOUT, &status), 0);
        assert_int_equal(status.n_disks, ELEMENTSOF(disks));
}

/* Good clients. */

static void test_status(void **state) {
        _cleanup_(client_status_done) struct client_status status = {};
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        const struct disk_report *d;

        assert_int_equal(client_status(c, TIMEOUT, &status), 0);
        assert_string_equal(status.version, "0.1-test");
        assert_true(status.dropped == UINT64_C(1) << 40);
        assert_int_equal(status.n_disks, 3);

        d = status.disks;
        assert_string_equal(d[0].name, "sda");
        assert_string_equal(d[0].driver, "virtio_scsi");
        assert_string_equal(d[0].address, "0:0:0:0");
        assert_string_equal(d[0].serial, "VUSCSI0");
        assert_string_equal(d[0].state, "settling");
        assert_string_equal(d[0].symptom, "stalled");
        assert_int_equal(d[0].outstanding, 32);
        assert_string_equal(d[0].detail, disks[0].detail);
        assert_true(d[0].quiet == 0 && d[0].limit == disks[0].limit);
        assert_string_equal(d[0].last_act, "lun-reset");
        assert_string_equal(d[0].last_outcome, "-");
        assert_true(d[0].last_ago == disks[0].last_ago);
        assert_int_equal(d[0].mounts, 1);

        assert_string_equal(d[1].driver, HOSTILE_GOOD);
        assert_string_equal(d[1].serial, HOSTILE_GOOD);
        assert_true(d[1].last_ago == USEC_INFINITY);

        assert_string_equal(d[2].driver, HOSTILE_BAD_CLEAN);
        assert_string_equal(d[2].serial, HOSTILE_BAD_CLEAN);
        assert_string_equal(d[2].symptom, HOSTILE_BAD_CLEAN);
        assert_int_equal(strlen(d[2].detail), 509);
        assert_string_equal(d[2].last_act, "");
        assert_true(d[2].limit == USEC_INFINITY);
}

static void test_select(void **state) {
        _cleanup_(client_status_done) struct client_status status = {};
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        char *names[] = { (char *) "sdc", (char *) "sda", (char *) "sda" };
        char *wrong[] = { (char *) "sda", (char *) "sdq" };

        assert_int_equal(client_status(c, TIMEOUT, &status), 0);
        assert_null(client_status_select(&status, names, 3));
        assert_int_equal(status.n_disks, 2);
        assert_string_equal(status.disks[0].name, "sda");
        assert_string_equal(status.disks[1].name, "sdc");
        assert_string_equal(client_status_select(&status, wrong, 2), "sdq");
        assert_int_equal(status.n_disks, 1);
}

static void test_show(void **state) {
        _cleanup_(client_show_done) struct client_show show = {};
        _cleanup_(client_freep) struct client *c = must_connect(*state);

        assert_int_equal(client_show(c, "sda", TIMEOUT, &show), 0);
        assert_string_equal(show.disk.name, "sda");
        assert_string_equal(show.disk.driver, "virtio_scsi");
        assert_string_equal(show.disk.symptom, "stalled");
        assert_string_equal(show.disk.detail, disks[0].detail);
        assert_true(show.disk.last_ago == disks[0].last_ago);
        assert_int_equal(show.disk.mounts, 1);
        assert_int_equal(show.n_signals, ELEMENTSOF(signals));
        for (size_t i = 0; i < show.n_signals; i++) {
                assert_string_equal(show.signals[i].name, signals[i].name);
                assert_string_equal(show.signals[i].text, signals[i].text);
                assert_int_equal(show.signals[i].missing, signals[i].missing);
        }
        assert_int_equal(show.n_facts, ELEMENTSOF(facts));
        assert_string_equal(show.facts[1].name, "acts");
        assert_string_equal(show.facts[1].text, "2 of 6 within 1h");
        client_show_done(&show);

        assert_int_equal(client_show(c, "sdb", TIMEOUT, &show), 0);
        assert_int_equal(show.n_signals, ELEMENTSOF(hostile_signals));
        assert_string_equal(show.signals[0].name, HOSTILE_BAD_CLEAN);
        assert_string_equal(show.signals[0].text, HOSTILE_GOOD);
        assert_string_equal(show.signals[1].name, "");
        assert_int_equal(strlen(show.signals[1].text), 509);
        assert_string_equal(show.signals[2].text, "\n\t\\");
        assert_int_equal(show.n_facts, ELEMENTSOF(hostile_facts));
        assert_string_equal(show.facts[0].name, HOSTILE_BAD_CLEAN);
        assert_string_equal(show.facts[0].text, HOSTILE_GOOD);
        assert_string_equal(show.facts[1].name, "");
        assert_int_equal(strlen(show.facts[1].text), 509);
        client_show_done(&show);

        assert_int_equal(client_show(c, "sdc", TIMEOUT, &show), 0);
        assert_string_equal(show.disk.serial, HOSTILE_BAD_CLEAN);
        assert_int_equal(show.n_signals, 0);
        assert_int_equal(show.n_facts, 0);
}

static void test_policy(void **state) {
        _cleanup_(client_policy_done) struct client_policy policy = {};
        _cleanup_(client_freep) struct client *c = must_connect(*state);

        assert_int_equal(client_policy(c, "sda", TIMEOUT, &policy), 0);
        assert_string_equal(policy.report.policy, "sda");
        assert_string_equal(policy.report.reason, "it says so");
        assert_int_equal(policy.report.n_values, 3);
        assert_string_equal(policy.report.values[0].section, "Detect");
        assert_string_equal(policy.report.values[0].key, "StallSec");
        assert_string_equal(policy.report.values[0].value, "2min");
        assert_string_equal(policy.report.values[0].origin, "default");
        assert_string_equal(policy.report.values[1].value, HOSTILE_BAD_CLEAN);
        assert_string_equal(policy.report.values[2].section, "");
        assert_int_equal(policy.report.n_notes, 2);
        assert_string_equal(policy.report.notes[0], "a note");
        assert_string_equal(policy.report.notes[1], HOSTILE_BAD_CLEAN);
        client_policy_done(&policy);

        assert_int_equal(client_policy(c, "sdb", TIMEOUT, &policy), 0);
        assert_int_equal(policy.report.n_values, 0);
        assert_int_equal(policy.report.n_notes, 0);
        client_policy_done(&policy);

        assert_int_equal(client_policy(c, "sdq", TIMEOUT, &policy), -ENODEV);
        assert_int_equal(client_policy(c, "\377", TIMEOUT, &policy), -EINVAL);
        assert_null(policy.answer);
}

static void test_show_errors(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        struct client_show show = {};

        assert_int_equal(client_show(c, "sdq", TIMEOUT, &show), -ENODEV);
        assert_int_equal(client_show(c, "", TIMEOUT, &show), -ENODEV);
        assert_int_equal(client_show(c, "%s%n", TIMEOUT, &show), -ENODEV);
        /* Half an answer that was begun is not sent. */
        assert_int_equal(client_show(c, "vanishing", TIMEOUT, &show), -ENODEV);
        assert_int_equal(client_show(c, "nothing", TIMEOUT, &show), -EPROTO);
        assert_int_equal(client_show(c, "broken", TIMEOUT, &show), -EIO);
        assert_int_equal(client_show(c, "\377", TIMEOUT, &show), -EINVAL);
        assert_null(show.answer);
        check_alive(*state);
}

static void check_reset(struct client *c, const char *disk, const char *force, int verdict,
                        const char *outcome, const char *text) {
        _cleanup_(client_reset_done) struct client_reset reset = {};

        assert_int_equal(client_reset(c, disk, "lun-reset", force, TIMEOUT, &reset), verdict);
        if (outcome)
                assert_string_equal(reset.outcome, outcome);
        else
                assert_null(reset.outcome);
        if (text)
                assert_string_equal(reset.text, text);
        else
                assert_null(reset.text);
}

static void test_stack(void **state) {
        _cleanup_(client_stack_done) struct client_stack stack = {};
        _cleanup_(client_freep) struct client *c = must_connect(*state);

        assert_int_equal(client_stack(c, "sda", true, TIMEOUT, &stack), 0);
        assert_string_equal(stack.report.domain, "host0");
        assert_int_equal(stack.report.n_owners, 2);
        assert_string_equal(stack.report.owners[1], "sbd");
        assert_true(stack.report.complete);
        assert_memory_equal(&stack.report.radius, &stacks[0].radius, sizeof(struct radius));
        assert_int_equal(stack.n_nodes, ELEMENTSOF(nodes));
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++) {
                assert_int_equal(stack.nodes[i].depth, nodes[i].depth);
                assert_string_equal(stack.nodes[i].kind, nodes[i].kind);
                assert_string_equal(stack.nodes[i].name, nodes[i].name);
                assert_string_equal(stack.nodes[i].text, nodes[i].text);
                assert_string_equal(stack.nodes[i].note, nodes[i].note);
                assert_string_equal(stack.nodes[i].number, nodes[i].number);
                assert_int_equal(stack.nodes[i].space, nodes[i].space);
                assert_int_equal(stack.nodes[i].pid, nodes[i].pid);
        }
        client_stack_done(&stack);

        assert_int_equal(client_stack(c, "sda", false, TIMEOUT, &stack), 0);
        assert_int_equal(stack.n_nodes, ELEMENTSOF(nodes) - 1);
        client_stack_done(&stack);

        assert_int_equal(client_stack(c, "sdb", true, TIMEOUT, &stack), 0);
        assert_string_equal(stack.report.domain, HOSTILE_BAD_CLEAN);
        assert_string_equal(stack.report.owners[0], HOSTILE_BAD_CLEAN);
        assert_false(stack.report.complete);
        assert_int_equal(stack.nodes[0].depth, UINT32_MAX / 4);
        assert_int_equal(strlen(stack.nodes[0].name), 509);
        assert_string_equal(stack.nodes[0].text, "");
        assert_string_equal(stack.nodes[0].note, HOSTILE_GOOD);
        client_stack_done(&stack);

        assert_int_equal(client_stack(c, "sdc", true, TIMEOUT, &stack), 0);
        assert_int_equal(stack.report.n_owners, 0);
        assert_string_equal(stack.report.domain, "");
}

static void test_stack_errors(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        struct client_stack stack = {};

        assert_int_equal(client_stack(c, "sdq", true, TIMEOUT, &stack), -ENODEV);
        assert_int_equal(client_stack(c, "broken", true, TIMEOUT, &stack), -EIO);
        assert_true(client_stack(c, "nothing", true, TIMEOUT, &stack) < 0);
        assert_null(stack.answer);
        check_alive(*state);
}

static void test_reset(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);

        check_reset(c, "later", "", CLIENT_ENDED, "recovered", "32 requests came back ?");
        check_reset(c, "sda", "", CLIENT_ENDED, "no-change", "");
        check_reset(c, "sdb", "", CLIENT_REFUSED, NULL, "it completes I/O: \"?\"");
        check_reset(c, "sdb", "owner symptom", CLIENT_ENDED, "recovered",
                    "32 requests came back ?");
        check_reset(c, "silent", "", CLIENT_REFUSED, NULL, "refused");
        check_reset(c, "", "", -ENODEV, NULL, NULL);
        check_reset(c, "%s%n", "%s%n", -ENODEV, NULL, NULL);
        check_reset(c, "broken", "", -EIO, NULL, NULL);
        /* Whatever came of a call, its place is free again. */
        for (unsigned i = 0; i < BUS_CALLS_MAX; i++) {
                check_reset(c, "sda", "", CLIENT_ENDED, "no-change", "");
                check_reset(c, "broken", "", -EIO, NULL, NULL);
        }
        /* A text that cannot be sent is not sent. */
        check_reset(c, "\377", "", -EINVAL, NULL, NULL);
        check_alive(*state);
}

static void test_plan(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        struct client_plan plan = {};

        assert_int_equal(client_plan(c, "sda", "", "", TIMEOUT, &plan), CLIENT_ENDED);
        assert_string_equal(plan.rung, "lun-reset");
        assert_string_equal(plan.refusal, "");
        assert_string_equal(plan.steps[0], "SG_SCSI_RESET through /dev/sg0");
        assert_string_equal(plan.steps[1], HOSTILE_BAD_CLEAN);
        assert_int_equal(strlen(plan.steps[2]), 509);
        assert_null(plan.steps[3]);
        client_plan_done(&plan);

        assert_int_equal(client_plan(c, "sdb", "offline", "owner", TIMEOUT, &plan), CLIENT_ENDED);
        assert_string_equal(plan.rung, "offline");
        assert_string_equal(plan.refusal, "it is not hung \033");
        client_plan_done(&plan);
        assert_int_equal(client_plan(c, "sdb", "offline", "owner symptom", TIMEOUT, &plan),
                         CLIENT_ENDED);
        assert_string_equal(plan.refusal, "");
        client_plan_done(&plan);

        assert_int_equal(client_plan(c, "sda", "no-such-rung", "", TIMEOUT, &plan),
                         CLIENT_REFUSED);
        assert_null(plan.answer);
        assert_string_equal(plan.text, "there is no rung \033?");
        client_plan_done(&plan);
}

static void test_plan_errors(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        struct client_plan plan = {};

        assert_int_equal(client_plan(c, "sdq", "", "", TIMEOUT, &plan), -ENODEV);
        assert_int_equal(client_plan(c, "broken", "", "", TIMEOUT, &plan), -EIO);
        assert_int_equal(client_plan(c, "sda", "\377", "", TIMEOUT, &plan), -EINVAL);
        assert_true(client_plan(c, "nothing", "", "", TIMEOUT, &plan) < 0);
        assert_null(plan.answer);
        assert_null(plan.text);
        check_alive(*state);
}

static void check_suppress(struct client *c, const char *disk, usec_t span, int verdict,
                           const char *text) {
        _cleanup_(client_reset_done) struct client_reset answer = {};

        assert_int_equal(client_suppress(c, disk, span, TIMEOUT, &answer), verdict);
        assert_null(answer.outcome);
        if (text)
                assert_string_equal(answer.text, text);
        else
                assert_null(answer.text);
}

static void test_suppress(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);

        check_suppress(c, "sda", USEC_PER_HOUR, CLIENT_ENDED, NULL);
        check_suppress(c, "sda", 0, CLIENT_ENDED, NULL);
        check_suppress(c, "sda", BUS_SUPPRESS_MAX, CLIENT_ENDED, NULL);
        check_suppress(c, "sda", BUS_SUPPRESS_MAX + 1, CLIENT_REFUSED,
                       "acts can be suppressed for up to 7 days");
        check_suppress(c, "sda", USEC_INFINITY, CLIENT_REFUSED,
                       "acts can be suppressed for up to 7 days");
        check_suppress(c, "sdb", 0, CLIENT_REFUSED, "nothing is ever done to it ?");
        check_suppress(c, "sdq", 0, -ENODEV, NULL);
        check_suppress(c, "\377", 0, -EINVAL, NULL);
        check_alive(*state);
}

static void test_reset_timeout(void **state) {
        _cleanup_(client_freep) struct client *c = must_connect(*state);
        struct client_reset reset = {};

        assert_int_equal(client_reset(c, "never", "", "", LATER, &reset), -ETIMEDOUT);
        assert_null(reset.text);
        check_alive(*state);
}

static void test_daemon_goes_away(void **state) {
        struct world *w = *state;
        _cleanup_(client_freep) struct client *c = must_connect(w);
        struct client_reset reset = {};

        /* Ends with a call unanswered: teardown() sees whether that is clean. */
        kill(w->server, SIGTERM);
        assert_int_equal(client_reset(c, "never", "", "", TIMEOUT, &reset), -ECONNRESET);
}

/* The server may learn that one has left only after it has turned away the next. */
static struct client *connect_in_the_end(const struct world *w) {
        struct client *c = NULL;
        int r = -1;

        for (unsigned i = 0; r < 0 && i < 1000; i++) {
                r = client_connect(w->socket, TIMEOUT, &c);
                if (r < 0) {
                        assert_int_equal(r, -ECONNRESET);
                        usleep(10000);
                }
        }
        assert_int_equal(r, 0);
        return c;
}

static void test_too_many_connections(void **state) {
        struct client *c[BUS_CONNECTIONS_MAX], *more = NULL;
        const struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                c[i] = must_connect(w);
        assert_int_equal(client_connect(w->socket, TIMEOUT, &more), -ECONNRESET);
        assert_null(more);
        /* Those inside do not suffer from it. */
        check_reset(c[0], "sda", "", CLIENT_ENDED, "no-change", "");

        c[3] = client_free(c[3]);
        c[3] = connect_in_the_end(w);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                c[i] = client_free(c[i]);
        more = connect_in_the_end(w);
        more = client_free(more);
}

static void test_connect_errors(void **state) {
        struct world *w = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[128], long_path[200];
        struct client *c = NULL;
        int fd;

        (void) snprintf(path, sizeof(path), "%s/absent", w->dir);
        assert_int_equal(client_connect(path, TIMEOUT, &c), -ENOENT);
        memset(long_path, 'p', sizeof(long_path));
        long_path[sizeof(long_path) - 1] = '\0';
        assert_int_equal(client_connect(long_path, TIMEOUT, &c), -ENAMETOOLONG);

        /* Somebody who listens and says nothing, then nobody on a socket left behind. */
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/mute", w->dir);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 0), 0);
        assert_int_equal(client_connect(address.sun_path, LATER, &c), -ETIMEDOUT);
        close(fd);
        assert_int_equal(client_connect(address.sun_path, TIMEOUT, &c), -ECONNREFUSED);
        unlink(address.sun_path);
        assert_null(c);
}

/* Bad clients. */

static int raw_connect(const struct world *w) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        memcpy(address.sun_path, w->socket, strlen(w->socket));
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* Sends all, or what fits until the server hangs up. */
static void raw_send(int fd, const void *data, size_t n) {
        for (size_t sent = 0; sent < n;) {
                ssize_t k = send(fd, (const char *) data + sent, n - sent, MSG_NOSIGNAL);

                if (k < 0) {
                        if (errno != EPIPE && errno != ECONNRESET)
                                fail_msg("send: %s", strerror(errno));
                        return;
                }
                sent += (size_t) k;
        }
}

/* Reads until the server hangs up; false if it does not. */
static bool raw_hung_up(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char buf[4096];

        while (poll(&p, 1, 5000) == 1)
                if (read(fd, buf, sizeof(buf)) <= 0)
                        return true;
        return false;
}

static int raw_authenticate(const struct world *w) {
        char text[128], uid[16], hex[33] = "";
        int fd = raw_connect(w);

        (void) snprintf(uid, sizeof(uid), "%u", geteuid());
        for (size_t i = 0; uid[i]; i++)
                (void) snprintf(hex + 2 * i, 3, "%02x", (uint8_t) uid[i]);
        (void) snprintf(text, sizeof(text), "%cAUTH EXTERNAL %s\r\nBEGIN\r\n", 0, hex);
        raw_send(fd, text, 1 + strlen(text + 1));
        /* The answer first: what sd-bus finds behind BEGIN it does not look at until more comes. */
        assert_true(recv(fd, text, sizeof(text), 0) > 0);
        assert_memory_equal(text, "OK ", 3);
        return fd;
}

struct call {
        uint8_t bytes[512];
        size_t n;
};

static void put(struct call *c, const void *data, size_t n) {
        memcpy(c->bytes + c->n, data, n);
        c->n += n;
}

static void put_padding(struct call *c, size_t to) {
        while (c->n % to != 0)
                c->bytes[c->n++] = 0;
}

static void put_u32(struct call *c, uint32_t u) {
        put_padding(c, 4);
        put(c, &u, sizeof(u));
}

static void put_string(struct call *c, const char *s) {
        put_u32(c, (uint32_t) strlen(s));
        put(c, s, strlen(s) + 1);
}

static void put_field(struct call *c, uint8_t code, char type, const char *value) {
        const uint8_t head[] = { code, 1, (uint8_t) type, 0 };

        put_padding(c, 8);
        put(c, head, sizeof(head));
        if (type == 'g') {
                const uint8_t length = (uint8_t) strlen(value);

                put(c, &length, 1);
                put(c, value, length + 1U);
        } else
                put_string(c, value);
}

/* A D-Bus method call as it goes over the wire, with a disk if DISK is given, and for Reset with
 * "force". */
/* A call with the name of a disk, and with what else the method wants: each a text. */
static struct call marshal(uint32_t serial, const char *interface, const char *member,
                           const char *disk) {
        struct call c = {}, body = {};
        bool three = strcmp(member, "Reset") == 0 || strcmp(member, "Plan") == 0;
        uint32_t n_fields;
        const uint8_t head[] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                'l',
#else
                'B',
#endif
                1, 0, 1,
        };

        if (disk)
                put_string(&body, disk);
        if (disk && three) {
                put_string(&body, "lun-reset");
                put_string(&body, "owner symptom");
        }
        put(&c, head, sizeof(head));
        put_u32(&c, (uint32_t) body.n);
        put_u32(&c, serial);
        put_u32(&c, 0);
        put_field(&c, 1, 'o', BUS_PATH);
        put_field(&c, 2, 's', interface);
        put_field(&c, 3, 's', member);
        if (disk)
                put_field(&c, 8, 'g', three ? "sss" : "s");
        n_fields = (uint32_t) c.n - 16;
        memcpy(c.bytes + 12, &n_fields, sizeof(n_fields));
        put_padding(&c, 8);
        put(&c, body.bytes, body.n);
        return c;
}

static void test_gone_before_the_answer(void **state) {
        struct call call = marshal(1, BUS_INTERFACE, "Reset", "later");
        int fd = raw_authenticate(*state);

        raw_send(fd, call.bytes, call.n);
        assert_int_equal(told(*state), 'r');
        close(fd);
        check_alive(*state);
        usleep(2 * LATER);
        check_alive(*state);
}

static void test_too_many_resets(void **state) {
        _cleanup_(client_freep) struct client *c = NULL;

        for (uint32_t i = 0; i < BUS_CALLS_MAX; i++) {
                struct call call = marshal(i + 1, BUS_INTERFACE, "Reset", "never");
                int fd = raw_authenticate(*state);

                raw_send(fd, call.bytes, call.n);
                assert_int_equal(told(*state), 'r');
                close(fd);
        }
        c = must_connect(*state);
        check_reset(c, "later", "", CLIENT_REFUSED, NULL,
                    "too many resets are under way already");
        check_alive(*state);
}

static void test_garbage(void **state) {
        static const char *const texts[] = {
                "GET / HTTP/1.1\r\n\r\n",
                "",
                "AUTH EXTERNAL 6e6f626f6479\r\nBEGIN\r\n",
                "AUTH ANONYMOUS\r\nBEGIN\r\n",
                "BEGIN\r\n",
        };
        char noise[65536];
        uint32_t seed = 1;

        for (size_t i = 0; i < sizeof(noise); i++) {
                seed = seed * 1664525 + 1013904223;
                noise[i] = (char) (seed >> 24);
        }

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int fd = raw_connect(*state);

                /* With the NUL byte that comes first, and without. */
                raw_send(fd, "", i % 2);
                raw_send(fd, texts[i], strlen(texts[i]));
                raw_send(fd, noise, sizeof(noise));
                assert_true(raw_hung_up(fd));
                close(fd);
        }
        for (size_t n = 1; n < sizeof(noise); n *= 3) {
                int fd = raw_authenticate(*state);

                raw_send(fd, noise + sizeof(noise) - n, n);
                close(fd);
        }
        check_alive(*state);
}

/* A daemon that answers one call with no disk, but signals: none. */
static void answer_diskless(int listener) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        static const char ok[] =
                "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
        static const uint8_t head[] = {
                __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 'l' : 'B', 2, 1, 1,
        };
        static const uint8_t reply_serial[] = { 5, 1, 'u', 0 };
        uint32_t n_fields;
        char buf[4096];
        struct call c = {};

        put(&c, head, sizeof(head));
        put_u32(&c, 8); /* body */
        put_u32(&c, 1); /* its own serial */
        put_u32(&c, 0);
        put(&c, reply_serial, sizeof(reply_serial));
        put_u32(&c, 1); /* the client's first */
        put_field(&c, 8, 'g', "a(ssb)");
        n_fields = (uint32_t) c.n - 16;
        memcpy(c.bytes + 12, &n_fields, sizeof(n_fields));
        put_padding(&c, 8);
        put_u32(&c, 0); /* the array's length */
        put_padding(&c, 8);

        /* What it begins with, then the call; it sends no call before it has seen "OK". */
        if (read(fd, buf, sizeof(buf)) > 0 && write(fd, ok, strlen(ok)) > 0 &&
            read(fd, buf, sizeof(buf)) > 0 && write(fd, c.bytes, c.n) > 0)
                (void) !read(fd, buf, sizeof(buf));
        _exit(0);
}

static void test_diskless_answer(void **state) {
        const struct world *w = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct client_show show = {};
        struct client *c = NULL;
        pid_t pid;
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/other", w->dir);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        fflush(NULL);
        pid = fork();
        if (pid == 0)
                answer_diskless(fd);

        assert_int_equal(client_connect(address.sun_path, TIMEOUT, &c), 0);
        assert_int_equal(client_show(c, "sda", TIMEOUT, &show), -EPROTO);
        assert_null(show.answer);
        c = client_free(c);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(fd);
        unlink(address.sun_path);
}

static void send_damaged(const struct world *w, const char *member) {
        struct call good = marshal(1, BUS_INTERFACE, member, "sda");

        for (size_t i = 0; i < good.n; i++) {
                struct call call = good;
                int fd = raw_authenticate(w);

                call.bytes[i] ^= (uint8_t) (1 + i % 255);
                raw_send(fd, call.bytes, i % 3 == 0 ? i : call.n);
                close(fd);
        }
        check_alive(w);
}

/* Every message there is, cut off and with each byte damaged. */
static void test_damaged_calls(void **state) {
        send_damaged(*state, "Reset");
        send_damaged(*state, "Show");
        send_damaged(*state, "Stack");
        send_damaged(*state, "Plan");
        send_damaged(*state, "Suppress");
}

/* Asks on and on and never reads: must be dropped, whoever would have answered. */
static void flood(const struct world *w, const char *interface, const char *member,
                  const char *disk) {
        int fd = raw_authenticate(w);
        bool dropped = false;

        for (uint32_t i = 1; !dropped && i < 200000; i++) {
                struct call call = marshal(i, interface, member, disk);
                struct pollfd p = { .fd = fd, .events = POLLOUT };

                assert_int_equal(poll(&p, 1, 10000), 1);
                dropped = send(fd, call.bytes, call.n, MSG_NOSIGNAL) < 0;
        }
        assert_true(dropped);
        close(fd);
        check_alive(w);
}

static void test_flood(void **state) {
        flood(*state, BUS_INTERFACE, "Status", NULL);
        flood(*state, BUS_INTERFACE, "Show", "sda");
        flood(*state, BUS_INTERFACE, "Show", "sdq");
        flood(*state, "org.freedesktop.DBus.Peer", "Ping", NULL);
        flood(*state, BUS_INTERFACE, "NoSuchMethod", NULL);
}

static void test_not_root(void **state) {
        struct world *w = *state;
        struct stat st;
        int status;
        pid_t pid;

        assert_int_equal(stat(w->socket, &st), 0);
        assert_int_equal(st.st_mode, S_IFSOCK | 0600);
        if (geteuid() != 0)
                skip();

        /* First the mode keeps others out; then, with the mode opened, the server does. */
        assert_int_equal(chmod(w->dir, 0711), 0);
        for (int open = 0; open < 2; open++) {
                fflush(NULL);
                pid = fork();
                if (pid == 0) {
                        struct client *c = NULL;

                        if (setuid(65534) < 0)
                                _exit(99);
                        _exit(-client_connect(w->socket, TIMEOUT, &c));
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(WEXITSTATUS(status), open ? ECONNRESET : EACCES);
                assert_int_equal(chmod(w->socket, 0666), 0);
        }
        check_alive(w);
}

static void test_server_new(void **state) {
        struct world *w = *state;
        struct server_state s = {};
        struct bus_server *server = NULL;
        char path[128];
        struct bus_config config = { .path = path, .version = "0", .ops = &ops, .userdata = &s };
        int fd;

        assert_int_equal(sd_event_new(&s.event), 0);
        (void) snprintf(path, sizeof(path), "%s/absent/private", w->dir);
        assert_int_equal(bus_server_new(s.event, &config, &server), -ENOENT);
        memset(path, 'p', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        assert_int_equal(bus_server_new(s.event, &config, &server), -ENAMETOOLONG);
        assert_null(server);

        /* What a dead daemon left is no obstacle. */
        (void) snprintf(path, sizeof(path), "%s/stale", w->dir);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        close(fd);
        assert_int_equal(bus_server_new(s.event, &config, &server), 0);
        server = bus_server_free(server);
        assert_int_equal(access(path, F_OK), -1);
        sd_event_unref(s.event);
}

/* What people and scripts see. */

static struct disk_report example(size_t i) {
        struct disk_report d = disks[i];

        if (i == 1) {
                d.driver = "virtio_scsi";
                d.serial = "VUSCSI1";
        }
        return d;
}

#define HEAD "DISK  ADDRESS  SERIAL   STATE     IN FLIGHT  QUIET  LIMIT  MOUNTS  LAST ACT\n"

static char *print_table(const struct disk_report *d, size_t n, bool colour) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        table_print(f, d, n, colour);
        fclose(f);
        return text;
}

static void test_table(_unused_ void **state) {
        const struct disk_report two[] = { example(0), example(1) };
        _cleanup_free_ char *plain = print_table(two, 2, false);
        _cleanup_free_ char *healthy = print_table(two + 1, 1, false);
        _cleanup_free_ char *empty = print_table(NULL, 0, true);

        assert_string_equal(plain,
                HEAD
                "sda   0:0:0:0  VUSCSI0  settling  32         0      2min   1       lun-reset, 3s "
                "ago\n"
                "sdb   0:0:1:0  VUSCSI1  healthy   0          0      2min   0       -\n"
                "\n"
                "sda: 32 requests in flight, reset done, waiting for them\n");
        assert_string_equal(healthy,
                "DISK  ADDRESS  SERIAL   STATE    IN FLIGHT  QUIET  LIMIT  MOUNTS  LAST ACT\n"
                "sdb   0:0:1:0  VUSCSI1  healthy  0          0      2min   0       -\n");
        assert_string_equal(empty, "");
}

static void test_table_colour(_unused_ void **state) {
        struct disk_report d[] = { example(0), example(1), example(1) };
        _cleanup_free_ char *text = NULL;

        d[0].detail = "";
        d[0].last_outcome = "recovered";
        d[2].state = "of tomorrow";
        d[2].address = "";
        text = print_table(d, 3, true);
        assert_string_equal(text,
                "DISK  ADDRESS  SERIAL   STATE        IN FLIGHT  QUIET  LIMIT  MOUNTS  LAST ACT\n"
                "sda   0:0:0:0  VUSCSI0  \033[0;1;33msettling\033[0m     32         0      2min   1"
                "       lun-reset: recovered, 3s ago\n"
                "sdb   0:0:1:0  VUSCSI1  \033[0;32mhealthy\033[0m      0          0      2min   0"
                "       -\n"
                "sdb   -        VUSCSI1  \033[0;1;31mof tomorrow\033[0m  0          0      2min   0"
                "       -\n");
        assert_true(disk_healthy(&d[1]));
        assert_false(disk_healthy(&d[0]));
        assert_false(disk_healthy(&d[2]));
}

/* A serial cannot drive the terminal, and a wide one keeps the columns aligned. */
static void test_table_hostile(_unused_ void **state) {
        struct disk_report d[] = { example(1), example(1) };
        _cleanup_free_ char *text = NULL;

        d[0].serial = HOSTILE_GOOD;
        d[1].serial = "\n\200";
        d[1].quiet = 90 * USEC_PER_SEC + 999999;
        d[1].detail = "a\tb";
        text = print_table(d, 2, false);
        assert_string_equal(text,
                "DISK  ADDRESS  SERIAL             STATE    IN FLIGHT  QUIET     LIMIT  MOUNTS  "
                "LAST ACT\n"
                "sdb   0:0:1:0  a\"b\\c d\303\251\342\202\254\360\237\222\276?[31m?x  "
                "healthy  0          0         2min   0       -\n"
                "sdb   0:0:1:0  ??                 healthy  0          1min 30s  2min   0       -\n"
                "\n"
                "sdb: a?b\n");
}

static void check_plan(const struct disk_report *d, const struct client_plan *plan, size_t width,
                       const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        table_print_plan(f, d, plan, width);
        fclose(f);
        assert_string_equal(text, expected);
}

static void test_print_plan(_unused_ void **state) {
        char *steps[] = { (char *) "12345 6789 1", (char *) "\033[2J\200", NULL };
        struct client_plan plan = { .rung = "lun-reset", .steps = steps };
        struct disk_report d = example(0);

        d.quiet = 12 * USEC_PER_SEC + 5;
        check_plan(&d, &plan, 0,
                   "lun-reset of sda (0:0:0:0, serial VUSCSI0), 32 requests in flight, nothing "
                   "completed for 12s, 1 mounted filesystem:\n"
                   "  1. 12345 6789 1\n"
                   "  2. ?[2J?\n");
        d.quiet = 0;
        d.state = "healthy";
        d.outstanding = 1;
        d.mounts = 0;
        d.serial = "";
        d.address = "\033";
        plan.rung = "\033[31m";
        check_plan(&d, &plan, 12,
                   "?[31m of sda (?), 1 request in flight, no sign of a hang, 0 mounted "
                   "filesystems:\n"
                   "  1. 12345\n"
                   "     6789 1\n"
                   "  2. ?[2J?\n");
        plan.steps = NULL;
        d.state = "\033";
        check_plan(&d, &plan, 0,
                   "?[31m of sda (?), 1 request in flight, state ?, 0 mounted filesystems:\n");
}

static void check_disk(const struct disk_report *d, const struct signal_report *s, size_t n,
                       bool colour, size_t width, const char *expected) {
        struct client_show show = {
                .disk = *d, .signals = (struct signal_report *) s, .n_signals = n,
        };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        table_print_disk(f, &show, colour, width);
        fclose(f);
        assert_string_equal(text, expected);
}

/* sda with its signals, on no terminal. */
static const char shown[] =
        "sda  virtio_scsi 0:0:0:0, serial VUSCSI0\n"
        "  state      settling: 32 requests in flight, reset done, waiting for them\n"
        "  symptom    stalled\n"
        "  in flight  32\n"
        "  limit      2min\n"
        "  last act   lun-reset, 3s ago\n"
        "  mounts     1\n"
        "  rungs      lun-reset, offline\n"
        "  acts       2 of 6 within 1h\n"
        "  seen through\n"
        "    stat           completions and requests in flight\n"
        "    device_busy    commands out, those that are no reads or writes included\n"
        "    iotmo_cnt    ! not there before kernel 6.1: a timer that the driver starts "
        "again cannot be seen to run out\n";

static void test_disk(_unused_ void **state) {
        struct disk_report d = example(1);

        /* What there is not is not shown; what the state says already is not said again. */
        d.state = "stuck";
        d.detail = "stuck: the device keeps 2 requests";
        d.quiet = 90 * USEC_PER_SEC + 5;
        d.limit = USEC_INFINITY;
        check_disk(&d, NULL, 0, true, 0,
                "sdb  virtio_scsi 0:0:1:0, serial VUSCSI1\n"
                "  state      \033[0;1;31mstuck\033[0m: the device keeps 2 requests\n"
                "  in flight  0\n"
                "  quiet      1min 30s\n"
                "  limit      infinity\n"
                "  last act   none so far\n"
                "  mounts     0\n");
        d.driver = d.serial = d.detail = "";
        d.address = "nvme0";
        d.quiet = 0;
        d.last_act = "lun-reset";
        d.last_outcome = "recovered";
        d.last_ago = 3 * USEC_PER_MINUTE;
        check_disk(&d, &signals[1], 2, true, 80,
                "sdb  nvme0\n"
                "  state      \033[0;1;31mstuck\033[0m\n"
                "  in flight  0\n"
                "  limit      infinity\n"
                "  last act   lun-reset: recovered, 3min ago\n"
                "  mounts     0\n"
                "  seen through\n"
                "    device_busy    commands out, those that are no reads or writes included\n"
                "    iotmo_cnt    \033[0;1;33m! not there before kernel 6.1: a timer that the "
                "driver starts\n"
                "                   again cannot be seen to run out\033[0m\n");
}

/* Lines end before the edge, however narrow, and nothing of the text is lost. */
static void test_disk_wrapped(_unused_ void **state) {
        struct signal_report s = { "\303\251", "ab  \303\251\303\251 c dddddddddd  e ", false };
        struct disk_report d = example(1);

        d.state = "failing";
        d.detail = "12345 6789 1 \033 23456789";
        for (size_t width = 1; width < 10; width++)
                check_disk(&d, &s, 1, false, width,
                        "sdb  virtio_scsi 0:0:1:0, serial VUSCSI1\n"
                        "  state      failing: 12345\n"
                        "             6789\n"
                        "             1\n"
                        "             ?\n"
                        "             23456789\n"
                        "  in flight  0\n"
                        "  limit      2min\n"
                        "  last act   none so far\n"
                        "  mounts     0\n"
                        "  seen through\n"
                        "    \303\251    ab\n"
                        "         \303\251\303\251\n"
                        "         c\n"
                        "         dddddddddd\n"
                        "         e\n"
                        "         \n");
        /* What counts is characters, not bytes. */
        check_disk(&d, &s, 1, false, 16,
                "sdb  virtio_scsi 0:0:1:0, serial VUSCSI1\n"
                "  state      failing: 12345\n"
                "             6789\n"
                "             1 ?\n"
                "             23456789\n"
                "  in flight  0\n"
                "  limit      2min\n"
                "  last act   none so far\n"
                "  mounts     0\n"
                "  seen through\n"
                "    \303\251    ab  \303\251\303\251\n"
                "         c\n"
                "         dddddddddd\n"
                "         e \n");
        check_disk(&d, &s, 1, false, 27,
                "sdb  virtio_scsi 0:0:1:0, serial VUSCSI1\n"
                "  state      failing: 12345\n"
                "             6789 1 ?\n"
                "             23456789\n"
                "  in flight  0\n"
                "  limit      2min\n"
                "  last act   none so far\n"
                "  mounts     0\n"
                "  seen through\n"
                "    \303\251    ab  \303\251\303\251 c\n"
                "         dddddddddd  e \n");
}

static void test_disk_hostile(_unused_ void **state) {
        struct signal_report s = { "a\nb", "\033[2J\200", true };
        struct disk_report d = example(1);

        d.driver = d.address = d.serial = d.symptom = "\033[31m\n";
        d.state = d.detail = "\302\233\n";
        d.last_act = d.last_outcome = "\r";
        d.last_ago = 0;
        check_disk(&d, &s, 1, false, 80,
                "sdb  ?[31m? ?[31m?, serial ?[31m?\n"
                "  state      ??: ??\n"
                "  symptom    ?[31m?\n"
                "  in flight  0\n"
                "  limit      2min\n"
                "  last act   ?: ?, 0 ago\n"
                "  mounts     0\n"
                "  seen through\n"
                "    a?b  ! ?[2J?\n");
}

static void test_disk_facts(_unused_ void **state) {
        struct fact_report facts_of[] = {
                { "rungs", "lun-reset, offline" },
                { "acts\033", "\033[2J\200" },
                { "longer than others", "12345 67890 12345 67890 12345" },
        };
        struct client_show show = { .disk = example(1), .facts = facts_of, .n_facts = 3 };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        table_print_disk(f, &show, false, 40);
        fclose(f);
        assert_string_equal(text,
                "sdb  virtio_scsi 0:0:1:0, serial VUSCSI1\n"
                "  state      healthy\n"
                "  in flight  0\n"
                "  limit      2min\n"
                "  last act   none so far\n"
                "  mounts     0\n"
                "  rungs      lun-reset, offline\n"
                "  acts?      ?[2J?\n"
                "  longer than others 12345 67890 12345\n"
                "             67890 12345\n");
}

static void test_json(_unused_ void **state) {
        struct disk_report d[] = { example(0), example(1) };
        struct client_status status = {
                .version = "0.1\"", .dropped = 7, .disks = d, .n_disks = 2,
        };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        d[1].limit = USEC_INFINITY;
        f = open_memstream(&text, &size);
        json_print(f, &status);
        status.n_disks = 0;
        json_print(f, &status);
        fclose(f);
        assert_string_equal(text,
                "{\"version\":\"0.1\\\"\",\"dropped\":7,\"disks\":[\n"
                "{\"name\":\"sda\",\"driver\":\"virtio_scsi\",\"address\":\"0:0:0:0\","
                "\"serial\":\"VUSCSI0\","
                "\"state\":\"settling\",\"healthy\":false,\"in_flight\":32,\"symptom\":\"stalled\","
                "\"detail\":\"32 requests in flight, reset done, waiting for them\","
                "\"quiet_usec\":0,\"limit_usec\":120000000,\"last_act\":\"lun-reset\","
                "\"last_outcome\":null,\"last_ago_usec\":3000007,\"mounts\":1},\n"
                "{\"name\":\"sdb\",\"driver\":\"virtio_scsi\",\"address\":\"0:0:1:0\","
                "\"serial\":\"VUSCSI1\",\"state\":\"healthy\",\"healthy\":true,\"in_flight\":0,"
                "\"symptom\":null,\"detail\":\"\","
                "\"quiet_usec\":0,\"limit_usec\":null,\"last_act\":null,\"last_outcome\":null,"
                "\"last_ago_usec\":null,\"mounts\":0}\n"
                "]}\n"
                "{\"version\":\"0.1\\\"\",\"dropped\":7,\"disks\":[]}\n");
}

static void check_json_string(const char *text, const char *expected) {
        _cleanup_free_ char *got = NULL;
        size_t size;
        FILE *f = open_memstream(&got, &size);

        json_put_string(f, text);
        fclose(f);
        assert_string_equal(got, expected);
}

static void test_json_string(_unused_ void **state) {
        check_json_string("", "\"\"");
        check_json_string("\"\\/", "\"\\\"\\\\/\"");
        check_json_string("\b\t\n\r\1\37\177 ~",
                          "\"\\u0008\\u0009\\u000a\\u000d\\u0001\\u001f\\u007f ~\"");
        check_json_string("\303\251\342\202\254\360\237\222\276",
                          "\"\303\251\342\202\254\360\237\222\276\"");
        check_json_string("\200a\300\257", "\"\\ufffda\\ufffd\\ufffd\"");
        check_json_string("\360\237\222", "\"\\ufffd\\ufffd\\ufffd\"");

        /* Every byte alone: valid if it is ASCII, else replaced. */
        for (unsigned i = 0x80; i < 0x100; i++)
                check_json_string((const char[]) { (char) i, 0 }, "\"\\ufffd\"");
        for (unsigned i = 0x20; i < 0x7f; i++) {
                const char expected[] = { '"', (char) i, '"', 0 };

                if (i != '"' && i != '\\')
                        check_json_string((const char[]) { (char) i, 0 }, expected);
        }
}

/* Reads one JSON value at P, as strictly as RFC 8259 wants it; returns its end, NULL if it is
 * none. */
static const char *json_end(const char *p);

static const char *json_string_end(const char *p) {
        if (*p++ != '"')
                return NULL;
        while (*p != '"') {
                size_t n = bus_char_length(p);

                if (*p == '\\') {
                        if (!p[1] || !strchr("\"\\/bfnrtu", p[1]))
                                return NULL;
                        if (p[1] == 'u' && strspn(p + 2, "0123456789abcdefABCDEF") < 4)
                                return NULL;
                        n = p[1] == 'u' ? 6 : 2;
                } else if (n == 0 || (unsigned char) *p < 0x20)
                        return NULL;
                p += n;
        }
        return p + 1;
}

static const char *json_members_end(const char *p, char end, bool keys) {
        p += 1 + strspn(p + 1, " \n");
        if (*p == end)
                return p + 1;
        for (;;) {
                if (keys) {
                        p = json_string_end(p);
                        if (!p || *p++ != ':')
                                return NULL;
                }
                p = json_end(p);
                if (!p)
                        return NULL;
                p += strspn(p, " \n");
                if (*p == end)
                        return p + 1;
                if (*p++ != ',')
                        return NULL;
                p += strspn(p, " \n");
        }
}

static const char *json_end(const char *p) {
        static const char *const words[] = { "true", "false", "null" };
        size_t n = strspn(p, "0123456789");

        if (*p == '{')
                return json_members_end(p, '}', true);
        if (*p == '[')
                return json_members_end(p, ']', false);
        if (*p == '"')
                return json_string_end(p);
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strncmp(p, words[i], strlen(words[i])) == 0)
                        return p + strlen(words[i]);
        return n > 0 && (n == 1 || *p != '0') ? p + n : NULL;
}

static void check_json(const char *text) {
        const char *end = json_end(text);

        assert_non_null(end);
        assert_string_equal(end, "\n");
}

static void test_json_disk(_unused_ void **state) {
        struct signal_report bad = { HOSTILE_BAD, HOSTILE_GOOD "\"", true };
        struct client_stack stack = { .nodes = (struct node_report *) &nodes[4], .n_nodes = 2 };
        struct disk_report d = example(0);
        _cleanup_free_ char *text = NULL, *hostile = NULL;
        size_t size;
        struct client_show show = {
                .disk = d, .signals = (struct signal_report *) &signals[1], .n_signals = 2,
                .facts = (struct fact_report *) facts, .n_facts = 1,
        };
        FILE *f = open_memstream(&text, &size);

        json_print_disk(f, &show, &stack);
        fclose(f);
        assert_string_equal(text,
                "{\"name\":\"sda\",\"driver\":\"virtio_scsi\",\"address\":\"0:0:0:0\","
                "\"serial\":\"VUSCSI0\",\"state\":\"settling\",\"healthy\":false,"
                "\"in_flight\":32,\"symptom\":\"stalled\","
                "\"detail\":\"32 requests in flight, reset done, waiting for them\","
                "\"quiet_usec\":0,\"limit_usec\":120000000,\"last_act\":\"lun-reset\","
                "\"last_outcome\":null,\"last_ago_usec\":3000007,\"mounts\":1,\"signals\":[\n"
                "{\"name\":\"device_busy\","
                "\"text\":\"commands out, those that are no reads or writes included\","
                "\"missing\":false},\n"
                "{\"name\":\"iotmo_cnt\",\"text\":\"not there before kernel 6.1: a timer that the "
                "driver starts again cannot be seen to run out\",\"missing\":true}\n"
                "],\"facts\":[\n{\"name\":\"rungs\",\"text\":\"lun-reset, offline\"}\n],"
                "\"owners\":[],\"complete\":false,\"stack\":[\n"
                "{\"depth\":4,\"kind\":\"mount\",\"name\":\"ext4\",\"text\":\"/srv\",\"note\":null,"
                "\"number\":\"9:0\",\"namespace\":4026531841,\"pid\":null},\n"
                "{\"depth\":4,\"kind\":\"mount\",\"name\":\"ext4\",\"text\":\"/srv\",\"note\":"
                "\"stays in the mount namespace of process 77\",\"number\":\"9:0\","
                "\"namespace\":4026532000,\"pid\":77}\n"
                "]}\n");
        check_json(text);

        d = disks[1];
        d.name = d.address = d.state = d.symptom = d.detail = d.last_act = HOSTILE_GOOD HOSTILE_BAD;
        f = open_memstream(&hostile, &size);
        show = (struct client_show) {
                .disk = d, .signals = &bad, .n_signals = 1,
                .facts = (struct fact_report *) hostile_facts, .n_facts = 1,
        };
        json_print_disk(f, &show, &stack);
        fclose(f);
        check_json(hostile);
}

/* The commands, with what they write and exit with. */

struct run {
        struct verb_context context;
        char *out, *err;
        size_t n_out, n_err;
};

static void run_begin(struct run *r, const char *socket) {
        *r = (struct run) {};
        r->context.socket = socket;
        r->context.in = fopen("/dev/null", "re");
        r->context.out = open_memstream(&r->out, &r->n_out);
        r->context.err = open_memstream(&r->err, &r->n_err);
}

/* Closes what was written, for it to be looked at. */
static void run_close(struct run *r) {
        fclose(r->context.in);
        fclose(r->context.out);
        fclose(r->context.err);
}

static void run_done(struct run *r) {
        free(r->out);
        free(r->err);
}

static void check_status(const char *socket, bool json, char **names, size_t n, int result,
                         const char *out, const char *err) {
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        r.context.json = json;
        assert_int_equal(verb_status(&r.context, names, n), result);
        run_close(&r);
        if (out)
                assert_string_equal(r.out, out);
        if (json && *r.out)
                check_json(r.out);
        assert_string_equal(r.err, err);
}

static void test_verb_status(void **state) {
        struct world *w = *state;
        char path[128], err[512];

        check_status(w->socket, false, NULL, 0, VERB_UNHEALTHY, NULL, "");
        check_status(w->socket, true, NULL, 0, VERB_UNHEALTHY, NULL, "");
        check_status(w->socket, false, (char *[]) { (char *) "/dev/sdb" }, 1, VERB_OK, NULL, "");
        check_status(w->socket, false, (char *[]) { (char *) "sdb", (char *) "sdq" }, 2, VERB_ERROR,
                     NULL,
                     "unhang: no disk sdq is guarded\n");
        check_status(w->socket, true, (char *[]) { (char *) "sdq" }, 1, VERB_ERROR,
                     "{\"version\":\"0.1-test\",\"dropped\":1099511627776,\"disks\":[]}\n",
                     "unhang: no disk sdq is guarded\n");
        check_status(w->socket, false, (char *[]) { (char *) "/dev/disk/x" }, 1, VERB_USAGE, "",
                     "unhang: '/dev/disk/x' is no disk: give its kernel name, such as sda or "
                     "/dev/sda\n");
        check_status(w->socket, false, (char *[]) { (char *) "/dev/" }, 1, VERB_USAGE, "",
                     "unhang: '/dev/' is no disk: give its kernel name, such as sda or /dev/sda\n");

        (void) snprintf(path, sizeof(path), "%s/absent", w->dir);
        (void) snprintf(err, sizeof(err),
                        "unhang: unhangd is not running (no answer on %s: No such file or "
                        "directory). Start it with: systemctl start unhangd\n",
                        path);
        check_status(path, true, NULL, 0, VERB_NOT_RUNNING, "", err);
}

static void check_show(const char *socket, bool json, const char *disk, int result,
                       const char *out, const char *err) {
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        r.context.json = json;
        assert_int_equal(verb_show(&r.context, (char *[]) { (char *) disk }, 1), result);
        run_close(&r);
        if (out)
                assert_string_equal(r.out, out);
        if (json && *r.out)
                check_json(r.out);
        assert_string_equal(r.err, err);
}

#define SHOWN_TREE \
        "  looked after by md, sbd\n" \
        "  stands on it\n" \
        "    sda1           partition\n" \
        "      md0          md raid1, goes on without this disk\n" \
        "        ext4       filesystem\n" \
        "          /srv     mount\n" \
        "          /srv     mount, stays in the mount namespace of process 77\n" \
        "    sda2           partition\n" \
        "      dm-0         encrypted volume secret\n" \
        "        /dev/dm-0  swap\n" \
        "    odd0\n"

static void check_radius(const char *socket, bool json, const char *disk, int result,
                         const char *out, const char *err) {
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        r.context.json = json;
        assert_int_equal(verb_blast_radius(&r.context, (char *[]) { (char *) disk }, 1), result);
        run_close(&r);
        if (out)
                assert_string_equal(r.out, out);
        if (json && *r.out)
                check_json(r.out);
        assert_string_equal(r.err, err);
}

static void test_verb_blast_radius(void **state) {
        struct world *w = *state;

        check_radius(w->socket, false, "/dev/sda", VERB_OK,
                     "A reset of host0 can freeze 2 disks, 2 partitions, 3 volumes, 1 filesystem, "
                     "2 mounts, 1 swap area:\n"
                     "  sda              serial VUSCSI0\n"
                     "    sda1           partition\n"
                     "      md0          md raid1, goes on without this disk\n"
                     "        ext4       filesystem\n"
                     "          /srv     mount\n"
                     "          /srv     mount, stays in the mount namespace of process 77\n"
                     "    sda2           partition\n"
                     "      dm-0         encrypted volume secret\n"
                     "        /dev/dm-0  swap\n"
                     "    odd0\n"
                     "  sdb\n"
                     "looked after by md, sbd\n", "");
        check_radius(w->socket, false, "sdc", VERB_OK, "A reset of sdc can freeze 1 disk:\n  sdc\n",
                     "");
        check_radius(w->socket, true, "sda", VERB_OK, NULL, "");
        check_radius(w->socket, true, "sdb", VERB_OK, NULL, "");
        check_radius(w->socket, true, "sdc", VERB_OK,
                     "{\"disk\":\"sdc\",\"domain\":null,\"disks\":1,\"partitions\":0,"
                     "\"volumes\":0,\"filesystems\":0,\"mounts\":0,\"swaps\":0,"
                     "\"owners\":[],\"complete\":true,\"stack\":[\n"
                     "{\"depth\":0,\"kind\":\"disk\",\"name\":\"sdc\",\"text\":null,"
                     "\"note\":null,\"number\":null,\"namespace\":null,\"pid\":null}\n]}\n",
                     "");
        check_radius(w->socket, false, "sdq", VERB_ERROR, "", "unhang: no disk sdq is guarded\n");
        check_radius(w->socket, false, "a/b", VERB_USAGE, "",
                     "unhang: 'a/b' is no disk: give its kernel name, such as sda or /dev/sda\n");
}

/* Controls do not reach the terminal, and what there may be more is said. */
static void test_tree_hostile(_unused_ void **state) {
        struct node_report node = { 1, "\033", "a\nb", "", "\302\233", "", 0, 0 };
        struct client_stack stack = {
                .report.owners = (const char *const[]) { "\033[2J" }, .report.n_owners = 1,
                .nodes = &node, .n_nodes = 1,
        };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        tree_print(f, &stack);
        stack.n_nodes = 0;
        stack.report.complete = true;
        stack.report.n_owners = 0;
        tree_print(f, &stack);
        fclose(f);
        assert_string_equal(text, "  looked after by ?[2J\n"
                                  "  stands on it\n"
                                  "    a?b  ?, ?\n"
                                  "    ! and perhaps more: not all could be read\n"
                                  "  stands on it\n"
                                  "    nothing\n");
}

static void test_verb_show(void **state) {
        struct world *w = *state;
        char shown_all[4096];
        char path[128], err[512];

        (void) snprintf(shown_all, sizeof(shown_all), "%s" SHOWN_TREE, shown);
        check_show(w->socket, false, "sda", VERB_UNHEALTHY, shown_all, "");
        check_show(w->socket, true, "/dev/sda", VERB_UNHEALTHY, NULL, "");
        check_show(w->socket, false, "/dev/sdb", VERB_OK, NULL, "");
        check_show(w->socket, true, "sdb", VERB_OK, NULL, "");
        check_show(w->socket, true, "sdc", VERB_UNHEALTHY, NULL, "");
        check_show(w->socket, true, "sdq", VERB_ERROR, "", "unhang: no disk sdq is guarded\n");
        check_show(w->socket, false, "/dev/disk/x", VERB_USAGE, "",
                   "unhang: '/dev/disk/x' is no disk: give its kernel name, such as sda or "
                   "/dev/sda\n");

        (void) snprintf(path, sizeof(path), "%s/absent", w->dir);
        (void) snprintf(err, sizeof(err),
                        "unhang: unhangd is not running (no answer on %s: No such file or "
                        "directory). Start it with: systemctl start unhangd\n",
                        path);
        check_show(path, true, "sda", VERB_NOT_RUNNING, "", err);
}

static void test_verb_policy(void **state) {
        static const char told[] =
                "sda  policy sda: it says so\n"
                "  [Detect]\n"
                "    StallSec=2min ";
        struct world *w = *state;
        _cleanup_(run_done) struct run r;

        run_begin(&r, w->socket);
        assert_int_equal(verb_policy(&r.context, (char *[]) { (char *) "/dev/sda" }, 1), VERB_OK);
        run_close(&r);
        assert_int_equal(strncmp(r.out, told, strlen(told)), 0);
        assert_non_null(strstr(r.out, " default\n  [Recover]\n    Act=" HOSTILE_BAD_CLEAN " "));
        assert_non_null(strstr(r.out, "\n  ! a note\n"));
        assert_null(strchr(r.out, '\033'));
        run_done(&r);

        run_begin(&r, w->socket);
        assert_int_equal(verb_policy(&r.context, (char *[]) { (char *) "sdb", (char *) "sdq" }, 2),
                         VERB_ERROR);
        run_close(&r);
        assert_string_equal(r.out, "sdb  policy sdb: it says so\n\n");
        assert_string_equal(r.err, "unhang: no disk sdq is guarded\n");
}

/* Whether the terminal of so many COLUMNS shows TEXT, as a part of what is said of sda. */
static void check_on_terminal(const char *socket, unsigned short columns, const char *text) {
        int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        struct winsize size = { .ws_row = 25, .ws_col = columns };
        _cleanup_(run_done) struct run r;
        char seen[4096] = "";
        size_t n = 0;

        run_begin(&r, socket);
        fclose(r.context.out);
        assert_true(terminal >= 0);
        assert_int_equal(grantpt(terminal), 0);
        assert_int_equal(unlockpt(terminal), 0);
        assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
        r.context.out = fdopen(open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC), "w");
        assert_non_null(r.context.out);

        assert_int_equal(verb_show(&r.context, (char *[]) { (char *) "sda" }, 1), VERB_UNHEALTHY);
        run_close(&r);
        /* Until its other end says that it is closed, with EIO. */
        for (ssize_t k = 0; k >= 0 && n < sizeof(seen) - 1; n += (size_t) MAX(k, 0))
                k = read(terminal, seen + n, sizeof(seen) - 1 - n);
        close(terminal);
        assert_non_null(strstr(seen, text));
}

/* A serial console knows no size. */
static void test_verb_show_terminal(void **state) {
        struct world *w = *state;

        setenv("NO_COLOR", "1", true);
        check_on_terminal(w->socket, 40, "  state      settling: 32 requests in\r\n"
                                         "             flight, reset done, waiting\r\n"
                                         "             for them\r\n");
        check_on_terminal(w->socket, 0, "! not there before kernel 6.1: a timer that the driver "
                                        "starts\r\n                   again cannot");
        setenv("NO_COLOR", "", true);
        setenv("TERM", "linux", true);
        check_on_terminal(w->socket, 200, "\033[0;1;33msettling\033[0m: 32");
        check_on_terminal(w->socket, 200, "\033[0;1;33m! not there before");
        setenv("TERM", "dumb", true);
        check_on_terminal(w->socket, 200, "! not there before kernel 6.1: a timer that the driver "
                                          "starts again cannot be seen to run out\r\n");
}

/* What is said before of sda; LONG stands for the text that is cut. */
#define AHEAD_OF(rung, disk)                                                     \
        rung " of " disk ":\n"                                                   \
        "  1. SG_SCSI_RESET through /dev/sg0\n"                                   \
        "  2. " HOSTILE_BAD_CLEAN "\n"
#define SDA "sda (0:0:0:0, serial VUSCSI0), 32 requests in flight, state settling, 1 mounted " \
        "filesystem"

static void check_said(const char *said, const char *begins, const char *ends) {
        size_t n = strlen(said), k = strlen(ends);

        assert_memory_equal(said, begins, strlen(begins));
        assert_true(n >= k);
        assert_string_equal(said + n - k, ends);
}

static void check_verb_reset(const char *socket, struct verb_context how, const char *disk,
                             int result, const char *out, const char *begins, const char *ends) {
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        r.context.yes = true;
        r.context.rung = how.rung;
        r.context.force = how.force;
        assert_int_equal(verb_reset(&r.context, (char *[]) { (char *) disk }, 1), result);
        run_close(&r);
        assert_string_equal(r.out, out);
        check_said(r.err, begins, ends);
}

static void test_verb_reset(void **state) {
        const char *socket = ((struct world *) *state)->socket;
        const struct verb_context plain = {};

        check_verb_reset(socket, plain, "/dev/sda", VERB_NOT_RECOVERED, "sda: no-change\n",
                         AHEAD_OF("lun-reset", SDA), "\n  sdb\nlooked after by md, sbd\n"
                                                     "In the way: nothing\n");
        check_verb_reset(socket, (struct verb_context) { .rung = "target-reset" }, "sda", VERB_OK,
                         "sda: recovered: 32 requests came back ?\n",
                         AHEAD_OF("target-reset", SDA), "In the way: nothing\n");
        check_verb_reset(socket, plain, "sdb", VERB_ERROR, "", "lun-reset of sdb (",
                         "In the way: it is not hung ?\n"
                         "unhang: sdb: not reset: it is not hung ?\n");
        check_verb_reset(socket, (struct verb_context) { .force = "owner,symptom" }, "sdb",
                         VERB_OK, "sdb: recovered: 32 requests came back ?\n",
                         "lun-reset of sdb (", "In the way: nothing\n");
        check_verb_reset(socket, (struct verb_context) { .rung = "no-such-rung" }, "sda",
                         VERB_ERROR, "", "unhang: sda: not reset: there is no rung ??\n", "");
        check_verb_reset(socket, plain, "sdq", VERB_ERROR, "",
                         "unhang: no disk sdq is guarded\n", "");
        check_verb_reset(socket, plain, "../sda", VERB_USAGE, "",
                         "unhang: '../sda' is no disk: give its kernel name, such as sda or "
                         "/dev/sda\n", "");
}

static void check_dry(const char *socket, const char *disk, const char *force, int result,
                      const char *begins, const char *ends) {
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        r.context.dry_run = true;
        r.context.force = force;
        assert_int_equal(verb_reset(&r.context, (char *[]) { (char *) disk }, 1), result);
        run_close(&r);
        check_said(r.out, begins, ends);
        assert_string_equal(r.err, "");
}

/* Nothing is asked, and nothing is done. */
static void test_verb_reset_dry(void **state) {
        struct world *w = *state;
        struct pollfd p = { .fd = w->told, .events = POLLIN };

        check_dry(w->socket, "sda", NULL, VERB_OK, AHEAD_OF("lun-reset", SDA),
                  "In the way: nothing\n");
        check_dry(w->socket, "sdb", "owner", VERB_ERROR, "lun-reset of sdb (",
                  "In the way: it is not hung ?\n");
        check_dry(w->socket, "sdb", "owner,symptom", VERB_OK, "lun-reset of sdb (",
                  "In the way: nothing\n");
        assert_int_equal(poll(&p, 1, 0), 0);
}

static void check_verb_suppress(const char *socket, const char *disk, const char *time, int result,
                                const char *out, const char *err) {
        char *args[] = { (char *) disk, (char *) time };
        _cleanup_(run_done) struct run r;

        run_begin(&r, socket);
        assert_int_equal(verb_suppress(&r.context, args, time ? 2 : 1), result);
        run_close(&r);
        assert_string_equal(r.out, out);
        assert_string_equal(r.err, err);
}

static void test_verb_suppress(void **state) {
        const char *socket = ((struct world *) *state)->socket;
        static const char *const wrong[] = { "", "0", "on", "-1s", "7d 1s", "infinity", "1h x" };

        check_verb_suppress(socket, "/dev/sda", NULL, VERB_OK, "sda: no act on it for 1h\n", "");
        check_verb_suppress(socket, "sda", "7d", VERB_OK, "sda: no act on it for 7d\n", "");
        check_verb_suppress(socket, "sda", "off", VERB_OK, "sda: acts are no longer suppressed\n",
                            "");
        check_verb_suppress(socket, "sdb", "1h", VERB_ERROR, "",
                            "unhang: sdb: not suppressed: nothing is ever done to it ?\n");
        check_verb_suppress(socket, "sdq", "1h", VERB_ERROR, "",
                            "unhang: no disk sdq is guarded\n");
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                char err[128];

                (void) snprintf(err, sizeof(err), "unhang: '%s' is no time to suppress acts for: "
                                                  "allowed is up to 7d, such as 30min; or off\n",
                                wrong[i]);
                check_verb_suppress(socket, "sda", wrong[i], VERB_USAGE, "", err);
        }
}

static void test_verb_reset_no_terminal(void **state) {
        struct world *w = *state;
        _cleanup_(run_done) struct run r;

        run_begin(&r, w->socket);
        assert_int_equal(verb_reset(&r.context, (char *[]) { (char *) "sda" }, 1), VERB_ERROR);
        run_close(&r);
        assert_string_equal(r.out, "");
        assert_string_equal(r.err, "unhang: sda is not reset without a yes, and there is no "
                                   "terminal to ask on. Use --yes\n");
}

static void check_answer(const char *socket, const char *answer, int result, const char *out,
                         const char *err) {
        _cleanup_(run_done) struct run r;
        int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

        run_begin(&r, socket);
        fclose(r.context.in);
        assert_true(terminal >= 0);
        assert_int_equal(grantpt(terminal), 0);
        assert_int_equal(unlockpt(terminal), 0);
        r.context.in = fdopen(open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC), "r");
        assert_non_null(r.context.in);
        assert_int_equal(write(terminal, answer, strlen(answer)), strlen(answer));

        assert_int_equal(verb_reset(&r.context, (char *[]) { (char *) "sda" }, 1), result);
        run_close(&r);
        close(terminal);
        assert_string_equal(r.out, out);
        check_said(r.err, AHEAD_OF("lun-reset", SDA), err);
}

#define QUESTION "In the way: nothing\nContinue? [y/N] "

static void test_verb_reset_asks(void **state) {
        struct world *w = *state;

        check_answer(w->socket, "y\n", VERB_NOT_RECOVERED, "sda: no-change\n", QUESTION);
        check_answer(w->socket, "YES\n", VERB_NOT_RECOVERED, "sda: no-change\n", QUESTION);
        check_answer(w->socket, "\n", VERB_ERROR, "", QUESTION "unhang: nothing was done\n");
        check_answer(w->socket, "n\n", VERB_ERROR, "", QUESTION "unhang: nothing was done\n");
        check_answer(w->socket, "yup\n", VERB_ERROR, "", QUESTION "unhang: nothing was done\n");
        check_answer(w->socket, "\004", VERB_ERROR, "", QUESTION "unhang: nothing was done\n");
}

int main(void) {
#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                WITH_SERVER(test_status),
                WITH_SERVER(test_select),
                WITH_SERVER(test_show),
                WITH_SERVER(test_show_errors),
                WITH_SERVER(test_policy),
                WITH_SERVER(test_stack),
                WITH_SERVER(test_stack_errors),
                WITH_SERVER(test_reset),
                WITH_SERVER(test_reset_timeout),
                WITH_SERVER(test_plan),
                WITH_SERVER(test_plan_errors),
                WITH_SERVER(test_suppress),
                WITH_SERVER(test_daemon_goes_away),
                WITH_SERVER(test_too_many_connections),
                WITH_SERVER(test_connect_errors),
                WITH_SERVER(test_gone_before_the_answer),
                WITH_SERVER(test_too_many_resets),
                WITH_SERVER(test_garbage),
                WITH_SERVER(test_diskless_answer),
                WITH_SERVER(test_damaged_calls),
                WITH_SERVER(test_flood),
                WITH_SERVER(test_not_root),
                WITH_SERVER(test_server_new),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_table_colour),
                cmocka_unit_test(test_table_hostile),
                cmocka_unit_test(test_print_plan),
                cmocka_unit_test(test_disk),
                cmocka_unit_test(test_disk_wrapped),
                cmocka_unit_test(test_disk_hostile),
                cmocka_unit_test(test_disk_facts),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_json_disk),
                cmocka_unit_test(test_json_string),
                WITH_SERVER(test_verb_status),
                WITH_SERVER(test_verb_show),
                WITH_SERVER(test_verb_policy),
                WITH_SERVER(test_verb_show_terminal),
                WITH_SERVER(test_verb_blast_radius),
                cmocka_unit_test(test_tree_hostile),
                WITH_SERVER(test_verb_reset),
                WITH_SERVER(test_verb_reset_no_terminal),
                WITH_SERVER(test_verb_reset_asks),
                WITH_SERVER(test_verb_reset_dry),
                WITH_SERVER(test_verb_suppress),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
