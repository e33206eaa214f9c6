/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "agent/act/executor.h"
#include "agent/act/nursery.h"
#include "agent/agent.h"
#include "agent/base/log.h"
#include "agent/holding.h"
#include "agent/reload.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Heap taken, touched and locked before anything is sick: what libraries allocate later comes out
 * of it, and the kernel is not asked. */
#define HEAP_RESERVE ((size_t) 1024 * 1024)

static const char *arg_config = NULL;
static const char *arg_record = NULL;
static bool arg_dry_run = false;

static void help(void) {
        printf("unhangd [OPTION...]\n\n"
               "Finds hung disks, and brings them back or fails them cleanly.\n\n"
               "  -c --config=FILE   Read FILE for unhangd.conf\n"
               "     --dry-run       Do nothing to any disk, but say what would be done\n"
               "     --record=FILE   Write all that is seen of the disks to FILE, for\n"
               "                     \"unhang simulate\"\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n\n"
               "See unhangd(8). To see what it does: unhang status\n");
}

/* 1: go on, 0: done, -EINVAL: usage. */
static int parse_argv(int argc, char **argv) {
        enum {
                ARG_VERSION = 0x100,
                ARG_RECORD,
                ARG_DRY_RUN,
        };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "dry-run", no_argument, NULL, ARG_DRY_RUN },
                { "help", no_argument, NULL, 'h' },
                { "record", required_argument, NULL, ARG_RECORD },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        arg_config = optarg;
                        break;
                case ARG_DRY_RUN:
                        arg_dry_run = true;
                        break;
                case ARG_RECORD:
                        arg_record = optarg;
                        break;
                case 'h':
                        help();
                        return 0;
                case ARG_VERSION:
                        puts("unhangd " UNHANG_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "unhangd: takes no arguments, but '%s' was given\n", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* A disk has up to seven files open, and there can be thousands. */
static void allow_files(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* From here on memory can be short, and the disk of our own files can hang: nothing is paged out,
 * and what is allocated starts no I/O. */
static void settle_in_memory(void) {
        void *volatile heap;

        (void) mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
        (void) mallopt(M_MMAP_MAX, 0);
        heap = malloc(HEAP_RESERVE);
        if (heap)
                memset(heap, 1, HEAP_RESERVE);
        free(heap);

        if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
                log_warning("cannot lock memory (%s): if the disk of this program hangs, it may "
                            "hang too",
                            strerror(errno));
        if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
                log_warning("cannot become an I/O flusher (%s): when memory is short, it may wait "
                            "for a hung disk",
                            strerror(errno));
}

static void run_executor(const char *name, const char *lock_path, int fd) {
        executor_run(name, lock_path, fd, holding_find);
}

int main(int argc, char **argv) {
        struct agent agent = { .recorder.fd = -EBADF };
        int r;

        r = parse_argv(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        agent.dry_run = arg_dry_run;

        log_open();
        if (reload_new(&agent, arg_config, &agent.reload) < 0) {
                log_error("cannot start: no memory for the configuration");
                return EXIT_FAILURE;
        }
        r = arg_record ? recorder_open(arg_record, &agent.recorder) : 0;
        if (r < 0) {
                log_error("%s: %s", arg_record, strerror(-r));
                return EXIT_FAILURE;
        }
        allow_files();
        r = nursery_open(run_executor, &agent.nursery);
        if (r < 0) {
                log_error("cannot start: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        settle_in_memory();
        return agent_run(&agent) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
