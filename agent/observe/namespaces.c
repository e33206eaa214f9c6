/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include "agent/observe/namespaces.h"

struct reading {
        struct mount_views views;
        struct mount_view model; /* what all mounts of one namespace have in common */
        uint64_t spaces[NAMESPACES_MAX];
        size_t n_spaces;
};

void mount_views_clear(struct mount_views *views) {
        assert(views);

        for (size_t i = 0; i < views->n_tables; i++)
                mount_table_free(views->tables[i]);
        free(views->tables);
        free(views->views);
        *views = (struct mount_views) {};
}

static int add_view(const struct mount_row *row, void *userdata) {
        struct reading *reading = userdata;
        struct mount_views *v = &reading->views;
        struct mount_view *views;

        /* Doubled each time: there may be tens of thousands. */
        if ((v->n & (v->n - 1)) == 0) {
                views = reallocarray(v->views, v->n ? v->n * 2 : 1, sizeof(*views));
                if (!views)
                        return -ENOMEM;
                v->views = views;
        }
        v->views[v->n] = reading->model;
        v->views[v->n++].row = *row;
        return 0;
}

static int add_table(struct reading *reading, const char *path) {
        struct libmnt_table **tables, *table;
        int r;

        r = mount_table_read(path, &table);
        if (r < 0)
                return r;
        tables = reallocarray(reading->views.tables, reading->views.n_tables + 1,
                              sizeof(struct libmnt_table *));
        if (!tables) {
                mount_table_free(table);
                return -ENOMEM;
        }
        reading->views.tables = tables;
        tables[reading->views.n_tables++] = table;
        return mount_table_each(table, add_view, reading);
}

static int read_space(const char *procfs, const char *pid, uint64_t *ret) {
        char path[300], link[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/%.20s/ns/mnt", procfs, pid);
        n = readlink(path, link, sizeof(link) - 1);
        if (n < 0)
                return -errno;
        link[n] = '\0';
        return sscanf(link, "mnt:[%" SCNu64 "]", ret) == 1 ? 0 : -EINVAL;
}

static bool is_known(const struct reading *reading, uint64_t space) {
        for (size_t i = 0; i < reading->n_spaces; i++)
                if (reading->spaces[i] == space)
                        return true;
        return false;
}

/* A process that has ended meanwhile is passed over, and one whose root is out of every mount:
 * another one may lead to its namespace, or there is none any more. */
static int read_process(struct reading *reading, const char *procfs, const char *pid) {
        size_t n = reading->views.n;
        uint64_t space = 0;
        char path[300];
        int r;

        r = read_space(procfs, pid, &space);
        if (r < 0 && r != -ENOENT && r != -ESRCH)
                reading->views.complete = false;
        if (r < 0 || is_known(reading, space))
                return 0;
        if (reading->n_spaces == NAMESPACES_MAX) {
                reading->views.complete = false;
                return 0;
        }
        reading->model = (struct mount_view) { .space = space, .pid = (pid_t) atol(pid) };
        (void) snprintf(path, sizeof(path), "%s/%.20s/mountinfo", procfs, pid);
        r = add_table(reading, path);
        if (r == -ENOMEM)
                return r;
        if (r >= 0 && reading->views.n > n)
                reading->spaces[reading->n_spaces++] = space;
        else if (r < 0 && r != -ENOENT && r != -ESRCH && r != -EINVAL)
                reading->views.complete = false;
        return 0;
}

static int read_others(struct reading *reading, const char *procfs) {
        struct dirent *entry;
        DIR *dir = opendir(procfs);
        int r = 0;

        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        r = read_process(reading, procfs, entry->d_name);
        (void) closedir(dir);
        return r;
}

static int read_all(struct reading *reading, const char *procfs) {
        char path[300];
        int r;

        reading->model.own = true;
        if (read_space(procfs, "self", &reading->model.space) >= 0)
                reading->spaces[reading->n_spaces++] = reading->model.space;
        (void) snprintf(path, sizeof(path), "%s/self/mountinfo", procfs);
        r = add_table(reading, path);
        return r < 0 ? r : read_others(reading, procfs);
}

int mount_views_read(const char *procfs, struct mount_views *ret) {
        struct reading reading = { .views.complete = true };
        int r;

        assert(procfs && ret);

        r = read_all(&reading, procfs);
        if (r < 0) {
                mount_views_clear(&reading.views);
                return r;
        }
        *ret = reading.views;
        return 0;
}
