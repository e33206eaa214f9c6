/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/conf/find.h"

const struct conf_places conf_places_system = {
        { UNHANG_SYSCONF_DIR, "/run/unhang", UNHANG_LIB_DIR },
};

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static bool ends_with(const char *name, const char *suffix) {
        size_t n = strlen(name), s = strlen(suffix);

        return n > s && strcmp(name + n - s, suffix) == 0;
}

static bool has(const struct conf_findings *findings, const char *name) {
        for (size_t i = 0; i < findings->n; i++)
                if (strcmp(findings->found[i].name, name) == 0)
                        return true;
        return false;
}

static int add(struct conf_findings *findings, const char *dir, const char *name) {
        struct conf_found *grown, *found;

        grown = reallocarray(findings->found, findings->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        findings->found = grown;
        found = grown + findings->n;
        (void) snprintf(found->name, sizeof(found->name), "%s", name);
        if ((size_t) snprintf(found->path, sizeof(found->path), "%s/%s", dir, name) <
            sizeof(found->path))
                findings->n++;
        return 0;
}

/* 0, or a negative errno. */
static int read_dir(const char *path, const char *suffix, struct conf_findings *findings) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        size_t before = findings->n;
        struct dirent *entry;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (errno = 0, entry = readdir(dir))) {
                struct conf_findings above = { findings->found, before };

                if (entry->d_name[0] != '.' && ends_with(entry->d_name, suffix) &&
                    !has(&above, entry->d_name))
                        r = add(findings, path, entry->d_name);
        }
        return r < 0 ? r : -errno;
}

static int compare(const void *a, const void *b) {
        const struct conf_found *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int conf_find(const struct conf_places *places, const char *subdir, const char *suffix,
              conf_message_cb callback, void *userdata, int *errors, struct conf_findings *ret) {
        struct conf_findings findings = {};

        assert(places && subdir && suffix && errors && ret);

        for (size_t i = 0; i < CONF_DIRS; i++) {
                char path[PATH_MAX];
                struct conf_report report = {
                        .file = path,
                        .callback = callback,
                        .userdata = userdata,
                };
                int r;

                (void) snprintf(path, sizeof(path), "%s/%s", places->dirs[i], subdir);
                r = read_dir(path, suffix, &findings);
                if (r == -ENOMEM) {
                        conf_findings_clear(&findings);
                        return r;
                }
                if (r < 0) {
                        conf_complain(&report, 0, "cannot be read: %s; what is in it is not known",
                                      strerror(-r));
                        (*errors)++;
                }
        }
        if (findings.n > 0)
                qsort(findings.found, findings.n, sizeof(*findings.found), compare);
        *ret = findings;
        return 0;
}

bool conf_find_first(const struct conf_places *places, const char *name, char ret_path[PATH_MAX]) {
        assert(places && name && ret_path);

        for (size_t i = 0; i < CONF_DIRS; i++) {
                struct stat st;

                (void) snprintf(ret_path, PATH_MAX, "%s/%s", places->dirs[i], name);
                /* What is there and cannot be looked at is not passed over. */
                if (lstat(ret_path, &st) >= 0 || (errno != ENOENT && errno != ENOTDIR))
                        return true;
        }
        return false;
}

void conf_findings_clear(struct conf_findings *findings) {
        assert(findings);

        free(findings->found);
        *findings = (struct conf_findings) {};
}
