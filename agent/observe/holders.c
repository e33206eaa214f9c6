/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/holders.h"
#include "agent/observe/namespaces.h"

struct look {
        const struct holders_world *world;
        int *mounts; /* ids of the mounts of the superblocks */
        size_t n_mounts;
        char dir[192]; /* of the process that is looked at */
        uint64_t space;
        struct holder holder;
        bool cut;
};

static bool is_super(const struct holders_world *world, dev_t devnum) {
        for (size_t i = 0; i < world->n_supers; i++)
                if (world->supers[i] == devnum)
                        return true;
        return false;
}

static int find_mounts(struct look *look) {
        const struct mount_views *views = look->world->views;

        look->mounts = calloc(views->n + 1, sizeof(*look->mounts));
        if (!look->mounts)
                return -ENOMEM;
        for (size_t i = 0; i < views->n; i++)
                if (is_super(look->world, views->views[i].row.devnum))
                        look->mounts[look->n_mounts++] = views->views[i].row.id;
        return 0;
}

/* The link NAME of the process. Its length, 0 when it is not there or leads to no path. */
static size_t read_path(struct look *look, const char *name, char buf[static PATH_MAX]) {
        char path[256];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/%.40s", look->dir, name);
        n = readlink(path, buf, PATH_MAX - 1);
        if (n < 0 && errno != ENOENT && errno != ESRCH)
                look->cut = true;
        if (n <= 0 || buf[0] != '/')
                return 0;
        buf[n] = '\0';
        return (size_t) n;
}

static bool is_below(const char *path, const char *dir) {
        size_t n = strlen(dir);

        if (n > 0 && dir[n - 1] == '/')
                n--;
        return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* By what is mounted nearest above it in the namespace of the process. */
static bool lies_there(const struct look *look, const char *path) {
        const struct mount_views *views = look->world->views;
        const struct mount_row *nearest = NULL;

        for (size_t i = 0; i < views->n; i++) {
                const struct mount_row *row = &views->views[i].row;

                if (views->views[i].space == look->space && is_below(path, row->target) &&
                    (!nearest || strlen(row->target) >= strlen(nearest->target)))
                        nearest = row;
        }
        return nearest && is_super(look->world, nearest->devnum);
}

static bool is_node(const struct look *look, const char *path) {
        if (strncmp(path, "/dev/", strlen("/dev/")) != 0)
                return false;
        for (size_t i = 0; i < look->world->n_devices; i++)
                if (strcmp(path + strlen("/dev/"), look->world->devices[i]) == 0)
                        return true;
        return false;
}

static void keep_path(struct look *look, const char *path) {
        if (look->holder.path[0] == '\0')
                (void) snprintf(look->holder.path, sizeof(look->holder.path), "%.255s", path);
}

static void look_at_link(struct look *look, const char *name, bool *held) {
        char path[PATH_MAX];

        if (read_path(look, name, path) == 0 || !lies_there(look, path))
                return;
        *held = true;
        keep_path(look, path);
}

/* Which mount a file was opened through is told exactly, unlike its path. Only of what has a path:
 * io_uring, epoll and others would have to lock themselves to answer. */
static bool is_file_there(struct look *look, const char *fd) {
        char path[256], text[1024];
        const char *p;
        int id;

        (void) snprintf(path, sizeof(path), "%s/fdinfo/%.20s", look->dir, fd);
        if (read_attribute_at(-EBADF, path, text, sizeof(text)) < 0)
                return false;
        p = strstr(text, "mnt_id:");
        if (!p || sscanf(p, "mnt_id: %d", &id) != 1)
                return false;
        for (size_t i = 0; i < look->n_mounts; i++)
                if (look->mounts[i] == id)
                        return true;
        return false;
}

static void look_at_file(struct look *look, const char *fd) {
        char name[32], path[PATH_MAX];

        (void) snprintf(name, sizeof(name), "fd/%.20s", fd);
        if (read_path(look, name, path) == 0)
                return;
        if (is_node(look, path))
                look->holder.nodes++;
        else if (is_file_there(look, fd))
                look->holder.files++;
        else
                return;
        keep_path(look, path);
}

/* Calls FN with each entry of the directory that begins with a digit, up to MAX. */
static int each_number(struct look *look, const char *path, unsigned max,
                       void (*fn)(struct look *look, const char *name)) {
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir = opendir(path);

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
                        continue;
                if (n++ == max) {
                        look->cut = true;
                        break;
                }
                fn(look, entry->d_name);
        }
        (void) closedir(dir);
        return 0;
}

static void look_at_thread(struct look *look, const char *tid) {
        char path[256], text[4096];
        const char *p;

        (void) snprintf(path, sizeof(path), "%s/task/%.20s/status", look->dir, tid);
        if (read_attribute_at(-EBADF, path, text, sizeof(text)) < 0)
                return;
        p = strstr(text, "State:\t");
        if (p && (p[strlen("State:\t")] == 'D' || look->holder.state == '?'))
                look->holder.state = p[strlen("State:\t")];
}

/* The first thread is the process's own: its state counts unless another is in D. */
static void look_at_state(struct look *look) {
        char path[256], comm[32];

        look->holder.state = '?';
        (void) snprintf(path, sizeof(path), "%s/comm", look->dir);
        if (read_attribute_at(-EBADF, path, comm, sizeof(comm)) > 0)
                (void) snprintf(look->holder.comm, sizeof(look->holder.comm), "%.15s", comm);
        (void) snprintf(path, sizeof(path), "%s/task", look->dir);
        (void) each_number(look, path, HOLDERS_THREADS_MAX, look_at_thread);
}

static void read_space(struct look *look) {
        char path[256], link[64];
        ssize_t n;

        look->space = 0;
        (void) snprintf(path, sizeof(path), "%s/ns/mnt", look->dir);
        n = readlink(path, link, sizeof(link) - 1);
        if (n > 0) {
                link[n] = '\0';
                (void) sscanf(link, "mnt:[%" SCNu64 "]", &look->space);
        }
}

static bool holds_anything(const struct holder *h) {
        return h->files > 0 || h->nodes > 0 || h->cwd || h->root || h->exe;
}

static void look_at_process(struct look *look, const char *pid) {
        char path[256];
        int r;

        (void) snprintf(look->dir, sizeof(look->dir), "%.128s/%.20s", look->world->procfs, pid);
        look->holder = (struct holder) { .pid = (pid_t) atol(pid) };
        read_space(look);
        look_at_link(look, "cwd", &look->holder.cwd);
        look_at_link(look, "root", &look->holder.root);
        look_at_link(look, "exe", &look->holder.exe);
        (void) snprintf(path, sizeof(path), "%s/fd", look->dir);
        r = each_number(look, path, HOLDERS_FILES_MAX, look_at_file);
        if (r < 0 && r != -ENOENT && r != -ESRCH)
                look->cut = true;
        if (holds_anything(&look->holder))
                look_at_state(look);
}

int holders_read(const struct holders_world *world,
                 void (*found)(const struct holder *holder, void *userdata), void *userdata) {
        struct look look = { .world = world };
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir;
        int r;

        assert(world && world->procfs && world->views && found);

        r = find_mounts(&look);
        if (r < 0)
                return r;
        dir = opendir(world->procfs);
        if (!dir) {
                r = -errno;
                free(look.mounts);
                return r;
        }
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                if (n++ == HOLDERS_PROCESSES_MAX) {
                        look.cut = true;
                        break;
                }
                look_at_process(&look, entry->d_name);
                if (holds_anything(&look.holder))
                        found(&look.holder, userdata);
        }
        (void) closedir(dir);
        free(look.mounts);
        return look.cut || !world->views->complete;
}

static bool ends_with(const char *text, size_t n, const char *end) {
        return n > strlen(end) && strncmp(text + n - strlen(end), end, strlen(end)) == 0;
}

/* The first part of the path that is a service or a scope, as PID 1 sees it: what a user's own
 * manager has below its service is of that (systemd src/basic/cgroup-util.c: cg_path_get_unit). */
static void unit_of_path(const char *path, char *unit, size_t size) {
        unit[0] = '\0';
        while (*path) {
                size_t n = strcspn(path, "/\n");

                if (n < size && (ends_with(path, n, ".service") || ends_with(path, n, ".scope"))) {
                        (void) snprintf(unit, size, "%.*s", (int) n, path);
                        return;
                }
                path += n;
                if (*path != '/')
                        return;
                path++;
        }
}

int holder_unit(const char *procfs, pid_t pid, char *unit, size_t size) {
        char path[256], text[8192];
        const char *p;
        int r;

        assert(procfs && unit && size > 0);

        unit[0] = '\0';
        (void) snprintf(path, sizeof(path), "%.128s/%d/cgroup", procfs, (int) pid);
        r = read_attribute_at(-EBADF, path, text, sizeof(text));
        if (r < 0)
                return r;
        /* cgroup v2, alone or beside v1; or the hierarchy of v1 that systemd has to itself. */
        p = strstr(text, ":name=systemd:/");
        if (p)
                unit_of_path(p + strlen(":name=systemd:/"), unit, size);
        else if ((p = strstr(text, "0::/")))
                unit_of_path(p + strlen("0::/"), unit, size);
        return 0;
}
