/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes records that can be checked afterwards, and says which of them the disk has acknowledged.
 *
 *   recorder write --acks PATH [--threads N] [--first N] [--records N] [--pause MS] [--ring N]
 *                  [--retry] [--dirops N] DIR...
 *   recorder verify [--threads N] [--first N] DIR...
 *
 * In each DIR, N threads each write their own file, record after record. A record is 4 KiB with the
 * thread, its sequence number and a checksum. Threads are numbered through all DIRs, from --first
 * on. When fsync has returned 0, and not before, "A THREAD SEQ" goes to PATH, one write per line;
 * after an error, "E THREAD SEQ ERRNO".
 *
 *   --pause MS   after each record, and each file that was made and removed
 *   --ring N     write in place, O_DIRECT and O_DSYNC, in a file of N records made beforehand,
 *                instead of fsync: no journal in between, so all threads have a request in flight
 *   --retry      after an error open the file again and write the same record, until it works;
 *                without it the thread ends
 *   --dirops N   in each DIR another N threads make, rename and remove files, with an fsync of the
 *                directory now and then, so that the journal always has a transaction open
 *
 * verify prints, for each thread, "V THREAD LAST COUNT": all records up to LAST are there, and
 * COUNT records altogether.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE 4096
#define MAGIC 0x676e61686e75ULL
#define RETRY_USEC 100000

typedef struct Record {
        uint64_t magic;
        uint64_t thread;
        uint64_t seq;
        uint64_t checksum;
        unsigned char fill[RECORD_SIZE - 4 * sizeof(uint64_t)];
} Record;

typedef struct Options {
        const char *acks;
        unsigned threads;
        unsigned first;
        unsigned dirops;
        unsigned pause;
        uint64_t records;
        uint64_t ring;
        bool retry;
} Options;

typedef struct Writer {
        const Options *options;
        int acks_fd;
        unsigned number;
        const char *directory;
        char path[PATH_MAX];
        dev_t device;
} Writer;

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "recorder: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* FNV-1a over the whole record, the checksum itself taken as 0 */
static uint64_t record_checksum(Record *record) {
        uint64_t saved = record->checksum, hash = 0xcbf29ce484222325ULL;
        const unsigned char *bytes = (const unsigned char *) record;

        record->checksum = 0;
        for (size_t i = 0; i < sizeof(*record); i++)
                hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
        record->checksum = saved;

        return hash;
}

static void record_make(Record *record, unsigned thread, uint64_t seq) {
        *record = (Record) {
                .magic = MAGIC,
                .thread = thread,
                .seq = seq,
        };
        for (size_t i = 0; i < sizeof(record->fill); i++)
                record->fill[i] = (unsigned char) (seq * 31 + thread * 7 + i);
        record->checksum = record_checksum(record);
}

static bool record_is_valid(Record *record, unsigned thread) {
        return record->magic == MAGIC && record->thread == thread &&
               record->checksum == record_checksum(record);
}

static void file_path(char path[static PATH_MAX], const char *directory, unsigned thread) {
        snprintf(path, PATH_MAX, "%s/records.%u", directory, thread);
}

static void say(int fd, const char *format, unsigned thread, uint64_t seq, int error) {
        char line[64];
        int n;

        n = snprintf(line, sizeof(line), format, thread, (unsigned long long) seq, error);
        if (write(fd, line, (size_t) n) != n)
                fail("acks");
}

static int open_file(Writer *w) {
        int flags = O_WRONLY | O_CREAT | O_CLOEXEC, fd;
        struct stat st;

        if (w->options->ring)
                flags |= O_DIRECT | O_DSYNC;

        fd = open(w->path, flags, 0644);
        if (fd < 0)
                return -errno;

        /* With the disk unmounted, this would be the file system below: not the one we write to. */
        if (fstat(fd, &st) < 0 || st.st_dev != w->device) {
                close(fd);
                return -ENODEV;
        }

        return fd;
}

static int write_record(Writer *w, int fd, Record *record, uint64_t seq) {
        uint64_t place = w->options->ring ? (seq - 1) % w->options->ring : seq - 1;
        ssize_t n;

        record_make(record, w->number, seq);

        n = pwrite(fd, record, RECORD_SIZE, (off_t) (place * RECORD_SIZE));
        if (n < 0)
                return -errno;
        if (n != RECORD_SIZE)
                return -EIO;
        if (w->options->ring)
                return 0; /* O_DSYNC */

        return fsync(fd) < 0 ? -errno : 0;
}

/* Records written in place need a file whose blocks are all there, and written, beforehand. */
static void make_ring(Writer *w) {
        int fd;

        fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                fail(w->path);
        for (uint64_t i = 0; i < w->options->ring; i++)
                if (pwrite(fd, &(Record) {}, RECORD_SIZE, (off_t) (i * RECORD_SIZE)) != RECORD_SIZE)
                        fail(w->path);
        if (fsync(fd) < 0)
                fail(w->path);
        close(fd);
}

static void *write_records(void *userdata) {
        Writer *w = userdata;
        const Options *o = w->options;
        bool failing = false;
        Record *record;
        uint64_t seq = 1;
        int fd, r;

        record = aligned_alloc(RECORD_SIZE, RECORD_SIZE);
        if (!record)
                fail("memory");

        fd = open_file(w);
        while (o->records == 0 || seq <= o->records) {
                r = fd < 0 ? fd : write_record(w, fd, record, seq);
                if (r >= 0) {
                        say(w->acks_fd, "A %u %llu\n", w->number, seq, 0);
                        failing = false;
                        seq++;
                        usleep(o->pause * 1000);
                        continue;
                }

                if (!failing)
                        say(w->acks_fd, "E %u %llu %d\n", w->number, seq, -r);
                if (!o->retry)
                        break;
                failing = true;

                /* An open file would keep the dead file system alive. */
                if (fd >= 0)
                        close(fd);
                usleep(RETRY_USEC);
                fd = open_file(w);
        }

        if (fd >= 0)
                close(fd);
        free(record);
        return NULL;
}

static void *change_directory_entries(void *userdata) {
        Writer *w = userdata;
        char from[PATH_MAX + 32], to[PATH_MAX + 32 + sizeof(".renamed")];
        int fd, r;

        for (unsigned i = 0;; i++) {
                snprintf(from, sizeof(from), "%s/entry.%u.%u", w->directory, w->number, i);
                snprintf(to, sizeof(to), "%s.renamed", from);

                fd = open(from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                if (fd < 0)
                        return NULL;
                close(fd);
                if (rename(from, to) < 0 || unlink(to) < 0)
                        return NULL;
                usleep(w->options->pause * 1000);

                if (i % 16 == 0) {
                        fd = open(w->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (fd < 0)
                                return NULL;
                        r = fsync(fd);
                        close(fd); /* an open one would keep a dead file system alive */
                        if (r < 0)
                                return NULL;
                }
        }
}

static int do_write(const Options *o, char **directories, unsigned n_directories) {
        unsigned n = n_directories * o->threads, n_dirops = n_directories * o->dirops;
        Writer *writers;
        pthread_t *threads;
        struct stat st;
        int acks_fd;

        acks_fd = open(o->acks, O_WRONLY | O_CLOEXEC);
        if (acks_fd < 0)
                fail(o->acks);

        writers = calloc(n + n_dirops, sizeof(*writers));
        threads = calloc(n + n_dirops, sizeof(*threads));
        if (!writers || !threads)
                fail("memory");

        for (unsigned i = 0; i < n + n_dirops; i++) {
                Writer *w = writers + i;

                w->options = o;
                w->acks_fd = acks_fd;
                w->number = o->first + i;
                w->directory = directories[i < n ? i / o->threads : (i - n) / o->dirops];
                file_path(w->path, w->directory, w->number);
                if (stat(w->directory, &st) < 0)
                        fail(w->directory);
                w->device = st.st_dev;
                if (o->ring && i < n)
                        make_ring(w);
        }

        for (unsigned i = 0; i < n + n_dirops; i++) {
                errno = pthread_create(threads + i, NULL,
                                       i < n ? write_records : change_directory_entries,
                                       writers + i);
                if (errno != 0)
                        fail("thread");
        }
        for (unsigned i = 0; i < n; i++)
                pthread_join(threads[i], NULL);

        return 0;
}

/* All records up to LAST are there if each slot holds the newest of them that belongs in it, or a
 * newer one. */
static bool complete_up_to(const uint64_t *slots, uint64_t n_slots, uint64_t last) {
        uint64_t first = last > n_slots ? last - n_slots + 1 : 1;

        for (uint64_t seq = first; seq <= last; seq++)
                if (slots[(seq - 1) % n_slots] < seq)
                        return false;

        return true;
}

static void verify_file(const char *directory, unsigned thread) {
        uint64_t n_slots, count = 0, last = 0;
        uint64_t *slots;
        char path[PATH_MAX];
        struct stat st;
        Record record;
        int fd;

        file_path(path, directory, thread);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                printf("V %u 0 0\n", thread);
                return;
        }
        if (fd < 0 || fstat(fd, &st) < 0)
                fail(path);
        n_slots = (uint64_t) st.st_size / RECORD_SIZE;
        slots = calloc(n_slots + 1, sizeof(*slots));
        if (!slots)
                fail("memory");

        for (uint64_t i = 0; i < n_slots; i++) {
                if (pread(fd, &record, RECORD_SIZE, (off_t) (i * RECORD_SIZE)) != RECORD_SIZE)
                        fail(path);
                if (!record_is_valid(&record, thread) || (record.seq - 1) % n_slots != i)
                        continue;
                slots[i] = record.seq;
                count++;
                if (record.seq > last)
                        last = record.seq;
        }
        while (last > 0 && !complete_up_to(slots, n_slots, last))
                last--;

        printf("V %u %llu %llu\n", thread, (unsigned long long) last, (unsigned long long) count);
        free(slots);
        close(fd);
}

static int do_verify(const Options *o, char **directories, unsigned n_directories) {
        for (unsigned i = 0; i < n_directories * o->threads; i++)
                verify_file(directories[i / o->threads], o->first + i);

        return 0;
}

int main(int argc, char **argv) {
        static const struct option long_options[] = {
                { "acks",    required_argument, NULL, 'a' },
                { "threads", required_argument, NULL, 't' },
                { "first",   required_argument, NULL, 'f' },
                { "records", required_argument, NULL, 'n' },
                { "pause",   required_argument, NULL, 'p' },
                { "ring",    required_argument, NULL, 'g' },
                { "retry",   no_argument,       NULL, 'r' },
                { "dirops",  required_argument, NULL, 'd' },
                {},
        };
        Options o = { .threads = 1 };
        int c;

        while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
                switch (c) {
                case 'a':
                        o.acks = optarg;
                        break;
                case 't':
                        o.threads = (unsigned) strtoul(optarg, NULL, 10);
                        break;
                case 'f':
                        o.first = (unsigned) strtoul(optarg, NULL, 10);
                        break;
                case 'p':
                        o.pause = (unsigned) strtoul(optarg, NULL, 10);
                        break;
                case 'n':
                        o.records = strtoull(optarg, NULL, 10);
                        break;
                case 'g':
                        o.ring = strtoull(optarg, NULL, 10);
                        break;
                case 'r':
                        o.retry = true;
                        break;
                case 'd':
                        o.dirops = (unsigned) strtoul(optarg, NULL, 10);
                        break;
                default:
                        return 2;
                }

        argv += optind;
        argc -= optind;
        if (argc >= 2 && strcmp(argv[0], "write") == 0 && o.acks)
                return do_write(&o, argv + 1, (unsigned) argc - 1);
        if (argc >= 2 && strcmp(argv[0], "verify") == 0)
                return do_verify(&o, argv + 1, (unsigned) argc - 1);

        fprintf(stderr, "recorder write --acks PATH [OPTION]... DIR...\n"
                        "recorder verify [--threads N] DIR...\n");
        return 2;
}
