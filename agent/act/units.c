/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/act/manager.h"
#include "agent/act/units.h"
#include "agent/base/log.h"

struct names {
        char (*names)[UNIT_NAME_MAX];
        size_t n;
};

static void names_done(struct names *names) {
        free(names->names);
}

static bool has(const struct names *names, const char *name) {
        for (size_t i = 0; i < names->n; i++)
                if (strcmp(names->names[i], name) == 0)
                        return true;
        return false;
}

static int put(struct names *names, const char *name) {
        char(*more)[UNIT_NAME_MAX];

        if (strlen(name) >= UNIT_NAME_MAX)
                return -ENAMETOOLONG;
        if (has(names, name))
                return 0;
        more = reallocarray(names->names, names->n + 1, UNIT_NAME_MAX);
        if (!more)
                return -ENOMEM;
        names->names = more;
        (void) snprintf(names->names[names->n++], UNIT_NAME_MAX, "%s", name);
        return 0;
}

/* NULL, and 0, where no systemd runs. */
static int open_manager(struct manager **ret) {
        int r = manager_open(MANAGER_SOCKET, ret);

        return r == -ENOENT || r == -ECONNREFUSED ? 0 : r;
}

/* ---- what is noted ---- */

static int note_path(const struct mount_entry *entry, const char *kind,
                     char path[static PATH_MAX]) {
        char unit[UNIT_NAME_MAX];
        int r = unit_name_of_path(NULL, entry->target, kind, unit);

        if (r >= 0)
                (void) snprintf(path, PATH_MAX, "%s/%s", UNITS_DIR, unit);
        return r;
}

/* systemd makes none for a mount point that is too long for a name. */
static bool has_unit(const struct mount_entry *entry) {
        char path[PATH_MAX];

        return note_path(entry, "stopped", path) >= 0;
}

static FILE *open_note(const char *path) {
        return mkdir(UNITS_DIR, 0700) < 0 && errno != EEXIST ? NULL : fopen(path, "we");
}

static int read_notes(const struct mount_entry *entry, struct names *names) {
        _cleanup_fclose_ FILE *f = NULL;
        char path[PATH_MAX], line[UNIT_NAME_MAX + 1];
        int r = note_path(entry, "stopped", path);

        if (r < 0)
                return r;
        f = fopen(path, "re");
        if (!f)
                return errno == ENOENT ? 0 : -errno;
        while (r >= 0 && fgets(line, sizeof(line), f)) {
                line[strcspn(line, "\n")] = '\0';
                r = put(names, line);
        }
        return r < 0 ? r : ferror(f) ? -EIO : 0;
}

static int write_notes(const struct mount_entry *entry, const struct names *names) {
        _cleanup_fclose_ FILE *f = NULL;
        char path[PATH_MAX];
        int r = note_path(entry, "stopped", path);

        if (r < 0)
                return r;
        if (names->n == 0)
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        f = open_note(path);
        if (!f)
                return -errno;
        for (size_t i = 0; i < names->n; i++)
                (void) fprintf(f, "%s\n", names->names[i]);
        return fflush(f) != 0 || ferror(f) ? -EIO : 0;
}

/* ---- what is stopped ---- */

struct search {
        struct manager *manager;
        struct names *stopped;    /* what has been, and is to be */
        bool direct;              /* the followers of the mount unit itself are looked at */
        int error;
};

/* Not what the system is put together of, which the mount is but a part of: local-fs.target. */
static bool needs_mount(const char *unit) {
        static const char *const suffixes[] = { ".service", ".socket", ".path", ".timer" };
        const char *suffix = strrchr(unit, '.');

        for (size_t i = 0; suffix && i < ELEMENTSOF(suffixes); i++)
                if (strcmp(suffix, suffixes[i]) == 0)
                        return true;
        return false;
}

/* 1 or 0, or a negative errno; "deactivating" is still running. */
static int is_running(struct manager *manager, const char *unit) {
        char state[32];
        int r = manager_state(manager, unit, state, sizeof(state));

        return r < 0 ? r : strcmp(state, "inactive") != 0 && strcmp(state, "failed") != 0;
}

static int take_running(const char *unit, void *userdata) {
        const struct search *search = userdata;
        int r;

        if (search->direct && !needs_mount(unit))
                return 0;
        r = is_running(search->manager, unit);
        if (r > 0)
                r = manager_can_restart(search->manager, unit);
        return r <= 0 ? r : put(search->stopped, unit);
}

/* What follows those that were found is found by the same way, for the list grows. */
static int find_followers(struct search *search, const struct mount_entry *entry) {
        char unit[UNIT_NAME_MAX];
        int r = unit_name_of_path(NULL, entry->target, "mount", unit);

        search->direct = true;
        if (r >= 0)
                r = manager_each_follower(search->manager, unit, take_running, search);
        search->direct = false;
        for (size_t i = 0; i < search->stopped->n && r >= 0; i++) {
                memcpy(unit, search->stopped->names[i], sizeof(unit));
                r = manager_each_follower(search->manager, unit, take_running, search);
        }
        return r;
}

static void on_holder(_unused_ pid_t pid, const char *unit, void *userdata) {
        struct search *search = userdata;
        const char *suffix = strrchr(unit, '.');
        int r;

        if (search->error < 0 || !suffix || strcmp(suffix, ".service") != 0 ||
            strncmp(unit, "user@", strlen("user@")) == 0 || strcmp(unit, "unhangd.service") == 0)
                return;
        r = manager_can_restart(search->manager, unit);
        search->error = r <= 0 ? r : put(search->stopped, unit);
}

static int still_running(struct manager *manager, const struct names *names) {
        for (size_t i = 0; i < names->n; i++) {
                int r = is_running(manager, names->names[i]);

                if (r != 0)
                        return r;
        }
        return 0;
}

static int stop_all(struct manager *manager, const struct names *names, const char *target) {
        int r = 0;

        /* In whatever order: systemd knows the right one. */
        for (size_t i = 0; i < names->n && (r >= 0 || r == -EBADRQC); i++) {
                r = is_running(manager, names->names[i]);
                if (r <= 0)
                        continue;
                log_notice("%s: stopping %s, which needs or holds it", target, names->names[i]);
                r = manager_queue(manager, "StopUnit", names->names[i]);
        }
        for (unsigned i = 0; i < MANAGER_ROUNDS && (r >= 0 || r == -EBADRQC); i++) {
                r = still_running(manager, names);
                if (r <= 0)
                        return r;
                manager_pause();
        }
        return r < 0 ? r : -EINPROGRESS;
}

int units_stop(const struct mount_entry *entry, find_holders_t find_holders) {
        _cleanup_(manager_closep) struct manager *manager = NULL;
        _cleanup_(names_done) struct names stopped = {};
        struct search search = { .stopped = &stopped };
        int r;

        assert(entry);

        if (!has_unit(entry))
                return 0;
        r = open_manager(&manager);
        if (r < 0 || !manager)
                return r;
        search.manager = manager;
        r = read_notes(entry, &stopped);
        if (r >= 0 && find_holders)
                r = find_holders(entry->devnum, on_holder, &search);
        if (r >= 0)
                r = search.error;
        if (r >= 0)
                r = find_followers(&search, entry);
        if (r < 0 || stopped.n == 0)
                return r;
        r = write_notes(entry, &stopped);
        return r < 0 ? r : stop_all(manager, &stopped, entry->target);
}

/* ---- what is started ---- */

static int forget_fsck(const struct mount_entry *entry) {
        char path[PATH_MAX];
        int r = note_path(entry, "fsck", path);

        return r < 0 ? r : unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int units_start(const struct mount_entry *entry) {
        _cleanup_(manager_closep) struct manager *manager = NULL;
        _cleanup_(names_done) struct names stopped = {};
        int r;

        assert(entry);

        if (!has_unit(entry))
                return 0;
        r = forget_fsck(entry);
        if (r >= 0)
                r = read_notes(entry, &stopped);
        if (r < 0 || stopped.n == 0)
                return r;
        r = open_manager(&manager);
        if (r < 0 || !manager)
                return r < 0 ? r : -ENOTCONN;
        for (size_t i = 0; i < stopped.n && (r >= 0 || r == -EBADRQC); i++) {
                log_notice("%s: starting %s again", entry->target, stopped.names[i]);
                r = manager_queue(manager, "StartUnit", stopped.names[i]);
        }
        if (r < 0 && r != -EBADRQC)
                return r;
        stopped.n = 0;
        return write_notes(entry, &stopped);
}

/* ---- fsck ---- */

/* Begins a check, and notes that. */
static int begin_fsck(struct manager *manager, const char *unit, const char *note) {
        _cleanup_fclose_ FILE *f = NULL;
        int r = manager_queue(manager, "RestartUnit", unit);

        if (r < 0)
                return r == -EBADRQC ? -ENOTRECOVERABLE : r;
        f = open_note(note);
        return f ? 0 : -errno;
}

static int end_fsck(const char *note, const char *state) {
        if (strcmp(state, "active") == 0)
                return 0;
        return unlink(note) < 0 ? -errno : -ENOTRECOVERABLE;
}

static int wait_for_fsck(struct manager *manager, const char *unit, const char *note) {
        char state[32];
        int r = manager_wait(manager, unit, state, sizeof(state));

        if (r < 0)
                return r == -EAGAIN ? -EALREADY : r;
        return end_fsck(note, state);
}

int units_fsck(const struct mount_entry *entry) {
        _cleanup_(manager_closep) struct manager *manager = NULL;
        char unit[UNIT_NAME_MAX], note[PATH_MAX];
        int r;

        assert(entry);

        r = open_manager(&manager);
        if (r < 0 || !manager)
                return r < 0 ? r : -EOPNOTSUPP;
        r = unit_name_of_path("systemd-fsck", entry->source, "service", unit);
        if (r >= 0)
                r = note_path(entry, "fsck", note);
        if (r >= 0 && access(note, F_OK) < 0)
                r = begin_fsck(manager, unit, note);
        return r < 0 ? r : wait_for_fsck(manager, unit, note);
}
