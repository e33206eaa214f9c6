/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/conf/choose.h"
#include "agent/observe/counters.h"
#include "agent/observe/device.h"
#include "agent/observe/udev.h"
#include "agent/recording.h"
#include "agent/simulate.h"
#include "agent/watch.h"

#define SYSFS "/sys"
#define DEV "/dev/"

/* Twice as often as the agent looks by default: the same text serves for shorter limits, too. */
#define INTERVAL (500 * USEC_PER_MSEC)

struct recorded {
        struct recorded *next;
        struct disk_id id;
        struct policy policy;
        struct counters counters;
        struct sample last;
        bool begun;
};

struct session {
        struct recorded *disks;
        struct conf_set *conf;
        FILE *out, *err;
        usec_t start, last, told; /* TOLD: the newest end */
};

/* What stands on it is not looked at. */
static void choose(const struct session *session, struct recorded *disk,
                   const struct properties *properties) {
        const struct conf_facts facts = { .id = &disk->id, .properties = properties };
        struct conf_choice choice;

        conf_choose(session->conf, &facts, NULL, NULL, &choice);
        disk->policy = choice.policy;
}

static void add(struct session *session, const struct disk_id *id, const struct disk_nodes *nodes,
                const struct properties *properties) {
        static const struct kernel_files files = { .sysfs = SYSFS, .procfs = "/proc" };
        struct recorded **end = &session->disks, *disk;
        int r;

        disk = calloc(1, sizeof(*disk));
        r = disk ? counters_open(&files, id, nodes, &disk->counters) : -ENOMEM;
        if (r < 0) {
                (void) fprintf(session->err, "unhang: %s: cannot be watched: %s\n", id->name,
                               strerror(-r));
                free(disk);
                return;
        }
        disk->id = *id;
        choose(session, disk, properties);
        while (*end)
                end = &(*end)->next;
        *end = disk;
}

/* It is played as a disk with data. */
static void tell_device(const struct session *session, const struct recorded *disk) {
        char line[RECORDING_LINE_MAX];

        recording_device(line, &disk->id, NULL, FOOTING_DATA,
                         strcmp(disk->id.driver, "virtio_scsi") == 0 && disk->policy.act);
        (void) fputs(line, session->out);
        recording_policy(line, disk->id.name, &disk->policy);
        (void) fputs(line, session->out);
}

/* Its properties are not asked for. */
static int add_dir(struct session *session, const char *dir) {
        static const struct properties none = {};
        struct disk_nodes nodes;
        struct disk_id id;
        int r;

        r = device_read(SYSFS, dir, &id, &nodes);
        if (r >= 0)
                add(session, &id, &nodes, &none);
        return r;
}

static void on_path(const char *dir, void *userdata) {
        (void) add_dir(userdata, dir);
}

/* Of a multipath head also its paths: that is where its I/O is seen. */
static int add_named(struct session *session, const char *name) {
        char dir[DISK_PATH_MAX];
        int r;

        if (strncmp(name, DEV, strlen(DEV)) == 0)
                name += strlen(DEV);
        if (strchr(name, '/'))
                return -ENOENT;
        (void) snprintf(dir, sizeof(dir), SYSFS "/block/%s", name);
        r = add_dir(session, dir);
        if (r >= 0)
                (void) device_paths(SYSFS, dir, on_path, session);
        return r;
}

static void on_appeared(const struct disk_found *found, void *userdata) {
        add(userdata, &found->id, &found->nodes, &found->properties);
}

static void on_vanished(dev_t devnum, void *userdata) {
        (void) devnum, (void) userdata;
}

static void on_reset(const char *controller, void *userdata) {
        (void) controller, (void) userdata;
}

static void on_unfit(const char *name, const char *reason, void *userdata) {
        struct session *session = userdata;

        (void) fprintf(session->err, "unhang: %s: cannot be watched: %s\n", name, reason);
}

static void on_nothing(void *userdata) {
        (void) userdata;
}

static int add_tagged(struct session *session) {
        static const struct udev_callbacks callbacks = {
                .appeared = on_appeared,
                .vanished = on_vanished,
                .reset = on_reset,
                .unfit = on_unfit,
                .lost = on_nothing,
                .complete = on_nothing,
        };
        struct udev_watch *watch;
        int r;

        r = udev_watch_new(&callbacks, session, &watch);
        if (r < 0)
                return r;
        r = udev_watch_enumerate(watch);
        (void) udev_watch_free(watch);
        return r;
}

static void take(struct session *session, struct recorded *disk, usec_t now) {
        char line[RECORDING_LINE_MAX];
        struct sample sample;

        if (counters_read(&disk->counters, now, true, &sample) < 0)
                return;
        if (recording_sample(line, session->start, disk->id.name,
                             disk->begun ? &disk->last : NULL, &sample))
                (void) fputs(line, session->out);
        disk->last = sample;
        disk->begun = true;
}

static void take_all(struct session *session) {
        char line[RECORDING_LINE_MAX];
        usec_t now = now_monotonic();

        if (now - session->last > WATCH_GAP) {
                recording_paused(line, session->start, session->last, now);
                (void) fputs(line, session->out);
        }
        session->last = now;
        if (now - session->told >= RECORDING_END_INTERVAL) {
                recording_end(line, session->start, now);
                (void) fputs(line, session->out);
                session->told = now;
        }
        for (struct recorded *d = session->disks; d; d = d->next)
                take(session, d, now);
}

static void end(struct session *session) {
        struct recorded *disk;

        while ((disk = session->disks)) {
                session->disks = disk->next;
                counters_close(&disk->counters);
                free(disk);
        }
}

static enum verb_result gather(struct session *session, char **disks, size_t n) {
        int r;

        for (size_t i = 0; i < n; i++) {
                r = add_named(session, disks[i]);
                if (r < 0) {
                        (void) fprintf(session->err, "unhang: no disk '%s': %s\n", disks[i],
                                       strerror(-r));
                        return VERB_USAGE;
                }
        }
        r = n == 0 ? add_tagged(session) : 0;
        if (r < 0)
                (void) fprintf(session->err, "unhang: cannot ask udev: %s\n", strerror(-r));
        if (!session->disks) {
                (void) fprintf(session->err, "unhang: there is no disk to record\n");
                r = -ENODEV;
        }
        return r < 0 ? VERB_ERROR : VERB_OK;
}

enum verb_result record(char **disks, size_t n, FILE *out, FILE *err) {
        _cleanup_free_ struct conf_set *conf = malloc(sizeof(*conf));
        struct session session = { .conf = conf, .out = out, .err = err };
        enum verb_result result;

        assert(out && err);

        if (!conf)
                return VERB_ERROR;
        (void) conf_set_read(&conf_places_system, NULL, NULL, NULL, conf);
        result = gather(&session, disks, n);
        for (const struct recorded *d = session.disks; d && result == VERB_OK; d = d->next)
                tell_device(&session, d);
        session.start = session.last = session.told = now_monotonic();
        while (result == VERB_OK) {
                struct timespec wait = { .tv_nsec = INTERVAL * 1000 };

                take_all(&session);
                if (fflush(out) != 0 || ferror(out))
                        result = VERB_ERROR;
                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
        }
        end(&session);
        return result;
}
