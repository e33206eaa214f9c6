/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/base/time-util.h"
#include "agent/observe/counters.h"
#include "agent/watch.h"
#include "tests/unit/temp-dir.h"

/* What it costs to look at a disk, on a false sysfs of files in memory, so that only our own work
 * and the system calls are measured: a sample (seven preads), the same with a list of its requests,
 * and a round through detect and decide. Also a check: nothing on this path allocates, and no disk
 * costs more than a millisecond. */

#define DISKS 1000
#define DESCRIPTORS 7 /* of each disk */
#define REQUESTS 32
#define SPARE 64
#define ROUNDS 20
#define ABSURD_NSEC 1000000

struct disk {
        struct counters counters;
        struct sample sample;
        struct watch watch;
};

static const struct plan plan = {
        .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE, .back = STEP_RUNNING,
        .answer = 10 * USEC_PER_SEC, .fail_answer = 10 * USEC_PER_SEC,
        .fence_wait = USEC_INFINITY,
};

static const struct policy policy = {
        .act = 1, .max_acts = 1, .acts_window = USEC_PER_HOUR,
        .warn = 3 * USEC_PER_SEC,
        .stall = (ROUNDS - 2) * USEC_PER_SEC,
        .settle = 10 * USEC_PER_SEC,
        .inflight_limit = UINT64_MAX,
        .inflight = USEC_PER_MINUTE,
};

/* ---- allocations, whoever asks for them ---- */

static uint64_t allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED
#endif

#ifdef SANITIZED

int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));

static void on_malloc(const volatile void *p, size_t size) {
        (void) p, (void) size;
        allocations++;
}

static void on_free(const volatile void *p) {
        (void) p;
}

static void count_allocations(void) {
        if (__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) == 0)
                abort();
}

#else

/* Ours take the place of the C library's, for the library itself too. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
        allocations++;
        return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        allocations++;
        return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
        allocations++;
        return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
        allocations++;
        return __libc_memalign(alignment, size);
}

static void count_allocations(void) {
}

#endif

/* Else the count would prove nothing. */
static void prove_that_allocations_are_counted(void) {
        uint64_t before = allocations;
        void *volatile p = malloc(1);
        FILE *f;

        free(p);
        f = fopen("/dev/null", "re"); /* allocates inside the C library */
        if (f)
                (void) fclose(f);
        if (allocations < before + 2) {
                (void) fprintf(stderr, "allocations are not counted\n");
                exit(EXIT_FAILURE);
        }
}

/* ---- the false machine ---- */

static void write_disk(const struct temp_dir *dir, unsigned i) {
        static const struct {
                const char *name, *text;
        } files[] = {
                { "stat", "  123456     7890  9876543   654321   234567    12345  8765432   765432"
                          "        3   345678  1419753     1000        0  2000000      100     4567"
                          "     8901\n" },
                { "device/device_busy", "3\n" },
                { "device/iodone_cnt", "0x57a3b\n" },
                { "device/iotmo_cnt", "0x0\n" },
                { "device/timeout", "30\n" },
                { "device/state", "running\n" },
        };
        char list[REQUESTS * 256];
        size_t size = 0;

        for (int k = 0; k < REQUESTS; k++)
                size += (size_t) snprintf(
                        list + size, sizeof(list) - size,
                        "00000000%08x {.op=WRITE, .cmd_flags=SYNC|IDLE, .rq_flags=STARTED|IO_STAT|"
                        "ELVPRIV, .state=in_flight, .tag=%d, .internal_tag=%d, .cmd=opcode=0x2a 2a "
                        "00 00 02 d7 18 00 00 08 00, .retries=0, .result = 0x0, .flags=TAGGED, "
                        ".timeout=30.000, allocated 0.012 s ago}\n",
                        k, k, k);
        write_text(temp_path(dir, "kernel/debug/block/d%u/hctx0/busy", i), list);
        write_text(temp_path(dir, "kernel/debug/block/d%u/state", i),
                   "SAME_COMP|IO_STAT|INIT_DONE|WC|REGISTERED\n");

        for (size_t k = 0; k < ELEMENTSOF(files); k++)
                write_text(temp_path(dir, "block/d%u/%s", i, files[k].name), files[k].text);
}

static unsigned descriptors_allow(void) {
        struct rlimit limit;
        rlim_t wanted = DISKS * DESCRIPTORS + SPARE;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                abort();
        if (limit.rlim_cur < wanted) {
                limit.rlim_cur = MIN(wanted, limit.rlim_max);
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (limit.rlim_cur < wanted)
                (void) printf("only %ju files may be open: fewer disks\n",
                              (uintmax_t) limit.rlim_cur);
        return (unsigned) MIN((rlim_t) DISKS, (limit.rlim_cur - SPARE) / DESCRIPTORS);
}

static int open_disks(const struct temp_dir *dir, struct disk *disks, unsigned n) {
        const struct kernel_files files = { .sysfs = dir->path, .procfs = dir->path };

        write_text(temp_path(dir, "class/scsi_host/host0/state"), "running\n");
        write_text(temp_path(dir, "sys/kernel/osrelease"), "6.1.0-49-cloud-amd64\n");
        for (unsigned i = 0; i < n; i++) {
                struct disk_id id = {
                        .kind = DISK_SCSI,
                        .driver = "virtio_scsi",
                        .address = "0:0:0:0",
                        .domain = "host0",
                };
                struct disk_nodes nodes = {};
                int r;

                write_disk(dir, i);
                (void) snprintf(id.name, sizeof(id.name), "d%u", i);
                (void) snprintf(nodes.block_dir, sizeof(nodes.block_dir), "%s",
                                temp_path(dir, "block/d%u", i));
                (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s",
                                temp_path(dir, "block/d%u/device", i));
                r = counters_open(&files, &id, &nodes, &disks[i].counters);
                if (r < 0) {
                        (void) fprintf(stderr, "disk %u: %s\n", i, strerror(-r));
                        return r;
                }
                watch_init(&disks[i].watch, 0);
                disks[i].watch.plan = plan;
        }
        return 0;
}

/* ---- what is measured ---- */

static int read_all(struct disk *disks, unsigned n, usec_t now, bool list) {
        for (unsigned i = 0; i < n; i++) {
                int r = counters_read(&disks[i].counters, now, list, &disks[i].sample);

                if (r < 0)
                        return r;
                if (disks[i].sample.completed != 123456 + 234567 + 1000 + 4567 ||
                    disks[i].sample.answered != 0x57a3b || disks[i].sample.listed != list ||
                    disks[i].sample.outstanding != (list ? REQUESTS : 3))
                        return -EBADMSG;
                /* A disk in ten hangs, so that all of the way is gone. */
                disks[i].sample.completed += i % 10 == 0 ? 0 : now;
        }
        return 0;
}

/* Nothing stands in the way of acts. */
static const struct circumstances nothing = {};

static void judge_all(struct disk *disks, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                (void) watch_take(&disks[i].watch, &policy, &disks[i].sample, &nothing,
                                  FOOTING_DATA);
}

struct cost {
        usec_t read, list, judge;
        uint64_t allocations;
};

static int measure(struct disk *disks, unsigned n, struct cost *cost) {
        uint64_t before = allocations;

        for (unsigned round = 1; round <= ROUNDS; round++) {
                usec_t now = round * USEC_PER_SEC, a, b, c, d;
                int r;

                a = now_monotonic();
                r = read_all(disks, n, now, true);
                b = now_monotonic();
                if (r >= 0)
                        r = read_all(disks, n, now, false);
                if (r < 0)
                        return r;
                c = now_monotonic();
                judge_all(disks, n);
                d = now_monotonic();
                cost->list += b - a;
                cost->read += c - b;
                cost->judge += d - c;
        }
        cost->allocations = allocations - before;
        return 0;
}

static int check(const struct disk *disks, unsigned n, const struct cost *cost) {
        uint64_t looks = MAX((uint64_t) n * ROUNDS, UINT64_C(1));
        uint64_t read = cost->read * 1000 / looks, list = cost->list * 1000 / looks,
                 judge = cost->judge * 1000 / looks;

        (void) printf("%u disks, %d rounds: %" PRIu64 " ns a sample, %" PRIu64 " ns with a list of "
                      "%d requests, %" PRIu64 " ns through detect and decide, %" PRIu64
                      " allocations\n",
                      n, ROUNDS, read, list, REQUESTS, judge, cost->allocations);
        for (unsigned i = 0; i < n; i++)
                if (disks[i].watch.ladder.past.state !=
                    (i % 10 == 0 ? INCIDENT_ACTING : INCIDENT_HEALTHY)) {
                        (void) fprintf(stderr, "disk %u: judged wrongly\n", i);
                        return -EBADMSG;
                }
        if (read + list + judge > ABSURD_NSEC) {
                (void) fprintf(stderr, "a disk costs more than %d ns\n", ABSURD_NSEC);
                return -ETIME;
        }
        if (cost->allocations > 0) {
                (void) fprintf(stderr, "something allocates\n");
                return -ENOMEM;
        }
        return 0;
}

int main(void) {
        static struct disk disks[DISKS];
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        unsigned n = descriptors_allow();
        struct cost cost = {};
        int r;

        count_allocations();
        prove_that_allocations_are_counted();
        r = open_disks(&dir, disks, n);
        if (r >= 0)
                r = measure(disks, n, &cost);
        if (r >= 0)
                r = check(disks, n, &cost);
        else
                (void) fprintf(stderr, "%s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
