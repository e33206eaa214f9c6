/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* act DISK...: the executors of one fault domain, without a daemon that decides. Carries out what
 * it reads from standard input, "STEP [SLOT]" or "inspect [SLOT]", the slot being a place among its
 * arguments, and says what the executors report: "PLACE NEWS STEP SLOT ERROR SECONDS". */

#include <err.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/act/executor.h"
#include "agent/decide/names.h"
#include "agent/observe/device.h"
#include "agent/observe/nvme.h"

#define DISKS_MAX 8
#define DIRECTORY "/run/act"

/* The domain's two, and one for each disk. */
#define POSTS_MAX (2 + DISKS_MAX)

static struct {
        struct nursery nursery;
        struct executor executors[POSTS_MAX];
        double begun[POSTS_MAX];
        struct disk_nodes nodes[DISKS_MAX];
        struct nvme_facts facts;
        unsigned n;
} act;

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void check(int r, const char *what) {
        if (r < 0)
                errx(1, "%s: %s", what, strerror(-r));
}

static void inform(void) {
        for (unsigned place = 0; place < 2; place++)
                for (unsigned slot = 0; slot < act.n; slot++)
                        check(executor_inform(act.executors + place, slot, &act.facts), "inform");
}

static void tell(unsigned post) {
        static const char *const news[] = { "ready", "attached", "inspected", "prepared",
                                            "returned", "dead" };
        static const char *const places[] = { "domain", "rescue", "disk" };
        struct executor_report report;

        while (act.executors[post].fd >= 0 &&
               executor_receive(act.executors + post, &report) > 0) {
                if (report.news == NEWS_INSPECTED) {
                        act.facts.io_timeout = report.inspected.io_timeout;
                        inform();
                }
                printf("%s %s %s %u %s %.2f%s\n", places[MIN(post, 2U)], news[report.news],
                       step_to_string(report.step), report.slot,
                       report.error == 0 ? "ok" : strerrorname_np(-report.error),
                       now() - act.begun[post],
                       report.news == NEWS_INSPECTED && report.inspected.reserved > 0 ? " reserved"
                                                                                  : "");
        }
}

static void obey(const char *line) {
        unsigned slot = 0, post;
        char word[32];
        int step;

        if (sscanf(line, "%31s %u", word, &slot) < 1 || slot >= act.n)
                errx(1, "what is: %s", line);
        if (strcmp(word, "inspect") == 0) {
                check(executor_inspect(act.executors + 2 + slot, 0, true), word);
                return;
        }
        step = step_from_string(word);
        check(step, word);
        post = step_place(step) == PLACE_DISK ? 2 + slot : step_place(step);
        act.begun[post] = now();
        check(executor_begin(act.executors + post, step, post < 2 ? slot : 0, NULL, NULL), word);
}

static void spawn(unsigned post, const char *lock) {
        check(executor_spawn(&act.nursery, "act", lock, act.executors + post), "spawn");
        for (unsigned slot = 0; slot < act.n; slot++)
                if (post < 2)
                        check(executor_attach(act.executors + post, slot, act.nodes + slot),
                              "attach");
                else if (slot == post - 2)
                        check(executor_attach(act.executors + post, 0, act.nodes + slot),
                              "attach");
}

static void run(const char *name, const char *lock_path, int fd) {
        executor_run(name, lock_path, fd, NULL);
}

static void set_up(int argc, char **argv) {
        struct disk_id id = {};
        char path[128];

        for (int i = 1; i < argc && act.n < DISKS_MAX; i++) {
                (void) snprintf(path, sizeof(path), "/sys/block/%s", argv[i]);
                check(device_read("/sys", path, &id, act.nodes + act.n++), argv[i]);
        }
        act.facts.io_timeout = USEC_INFINITY;
        if (id.kind == DISK_NVME)
                check(nvme_facts_read("/sys", act.nodes, &act.facts), "facts");
        check(nursery_open(run, &act.nursery), "nursery");
        (void) mkdir(DIRECTORY, 0700);
        (void) snprintf(path, sizeof(path), DIRECTORY "/%s.lock", id.domain);
        spawn(PLACE_DOMAIN, path);
        (void) snprintf(path, sizeof(path), DIRECTORY "/%s.rescue.lock", id.domain);
        spawn(PLACE_RESCUE, path);
        for (unsigned slot = 0; slot < act.n; slot++) {
                spawn(2 + slot, NULL);
                check(executor_inspect(act.executors + 2 + slot, 0, true), "inspect");
        }
        inform();
}

int main(int argc, char **argv) {
        struct pollfd fds[POSTS_MAX + 1];
        char line[128];

        (void) setvbuf(stdin, NULL, _IONBF, 0);
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        set_up(argc, argv);
        for (;;) {
                for (unsigned i = 0; i < 2 + act.n; i++)
                        fds[i] = (struct pollfd) { .fd = act.executors[i].fd, .events = POLLIN };
                fds[2 + act.n] = (struct pollfd) { .fd = STDIN_FILENO, .events = POLLIN };
                if (poll(fds, 3 + act.n, -1) < 0)
                        err(1, "poll");
                for (unsigned i = 0; i < 2 + act.n; i++)
                        tell(i);
                if (fds[2 + act.n].revents && fgets(line, sizeof(line), stdin))
                        obey(line);
        }
}
