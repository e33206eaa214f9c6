/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sysfs/unpack.h"

/* The longest in a sysfs are of some 200 bytes. */
#define DUMP_PATH_MAX 1024

struct unpacker {
        int root;
        const char *error; /* of what went wrong first */
};

static int fail(struct unpacker *u, const char *error) {
        if (!u->error)
                u->error = error;
        return -1;
}

/* The next name in *PATH, or NULL at its end or where there is none that may be used. */
static const char *next_name(struct unpacker *u, const char **path, char name[NAME_MAX + 1]) {
        size_t n = strcspn(*path, "/");

        if (n == 0 || n > NAME_MAX) {
                (void) fail(u, "a name in the path is empty or too long");
                return NULL;
        }
        memcpy(name, *path, n);
        name[n] = '\0';
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
                (void) fail(u, "the path has . or .. in it");
                return NULL;
        }
        *path += n;
        return name;
}

/* Opens the directory that PATH stands in, and gives the last name of PATH. What is missing on the
 * way is made; a link is not followed. */
static int open_parent(struct unpacker *u, const char *path, char name[NAME_MAX + 1]) {
        _cleanup_close_ int dir = openat(u->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (strlen(path) >= DUMP_PATH_MAX)
                return fail(u, "the path is too long");
        while (dir >= 0 && next_name(u, &path, name)) {
                int next;

                if (*path == '\0')
                        return take_fd(&dir);
                if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
                        return fail(u, "a directory cannot be made");
                next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return fail(u, "the path goes through what is no directory");
                (void) safe_close(dir);
                dir = next;
                path++;
        }
        return fail(u, "the tree cannot be opened");
}

static int make_dir(struct unpacker *u, const char *path) {
        char name[NAME_MAX + 1];
        _cleanup_close_ int dir = open_parent(u, path, name);
        struct stat st;

        if (dir < 0)
                return -1;
        if (mkdirat(dir, name, 0700) < 0 &&
            (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
             !S_ISDIR(st.st_mode)))
                return fail(u, "the directory cannot be made");
        return 0;
}

static int hex_digit(char c) {
        const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

/* In place. The length, which with \x00 in it is not that of a string. */
static ssize_t unescape(char *text) {
        char *to = text;

        for (const char *p = text; *p; p++)
                if (*p != '\\')
                        *to++ = *p;
                else if (*++p == '\\')
                        *to++ = '\\';
                else if (*p == 'n')
                        *to++ = '\n';
                else if (*p == 'x' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
                        *to++ = (char) (hex_digit(p[1]) << 4 | hex_digit(p[2]));
                        p += 2;
                } else
                        return -1;
        return to - text;
}

static int make_file(struct unpacker *u, const char *path, char *content) {
        char name[NAME_MAX + 1];
        _cleanup_close_ int dir = open_parent(u, path, name), fd = -EBADF;
        ssize_t n = unescape(content);

        if (dir < 0)
                return -1;
        if (n < 0)
                return fail(u, "the content has an escape that is none");
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return fail(u, "the file cannot be made");
        return write(fd, content, (size_t) n) == n ? 0 : fail(u, "the file cannot be written");
}

/* Where the link at PATH leads to, which is by "../" up and then down, as all links in sysfs. */
static int resolve(struct unpacker *u, const char *path, const char *target,
                   char ret[DUMP_PATH_MAX]) {
        char name[NAME_MAX + 1];
        size_t n = strlen(path);
        const char *rest;

        while (n > 0 && path[n - 1] != '/')
                n--;
        for (rest = target; strncmp(rest, "../", 3) == 0; rest += 3) {
                if (n == 0)
                        return fail(u, "the link leads out of the tree");
                for (n--; n > 0 && path[n - 1] != '/'; n--)
                        ;
        }
        if (snprintf(ret, DUMP_PATH_MAX, "%.*s%s", (int) n, path, rest) >= DUMP_PATH_MAX)
                return fail(u, "the link is too long");
        for (rest = ret; next_name(u, &rest, name) && *rest; rest++)
                ;
        return u->error ? -1 : 0;
}

static int make_link(struct unpacker *u, const char *path, const char *target) {
        char name[NAME_MAX + 1], resolved[DUMP_PATH_MAX];
        _cleanup_close_ int dir = open_parent(u, path, name);

        if (dir < 0 || resolve(u, path, target, resolved) < 0)
                return -1;
        return symlinkat(target, dir, name) == 0 ? 0 : fail(u, "the link cannot be made");
}

/* Splits TEXT at the first SEPARATOR. What follows it, or NULL without one. */
static char *split(char *text, const char *separator) {
        char *p = strstr(text, separator);

        if (p)
                *p = '\0';
        return p ? p + strlen(separator) : NULL;
}

static int make(struct unpacker *u, char kind, char *path) {
        char *rest;

        switch (kind) {
        case 'd':
                return make_dir(u, path);
        case 'f': /* an editor may have taken the blank before no content */
                rest = split(path, " ");
                return make_file(u, path, rest ? rest : path + strlen(path));
        case 'l':
                rest = split(path, " -> ");
                return rest ? make_link(u, path, rest) : fail(u, "the link has no target");
        default:
                return fail(u, "the line begins neither with d nor f nor l");
        }
}

/* A dump does not tell all that its links lead to, like a driver's directory. But no link in sysfs
 * leads nowhere: what was not there to be made is a directory. */
static int complete(struct unpacker *u, char kind, char *path) {
        char resolved[DUMP_PATH_MAX], *target = kind == 'l' ? split(path, " -> ") : NULL;

        if (!target)
                return 0;
        if (resolve(u, path, target, resolved) < 0)
                return -1;
        return faccessat(u->root, resolved, F_OK, 0) == 0 ? 0 : make_dir(u, resolved);
}

static int for_each_line(struct unpacker *u, FILE *dump, unsigned *ret_line,
                         int (*function)(struct unpacker *u, char kind, char *path)) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        rewind(dump);
        for (*ret_line = 1; (n = getline(&line, &size, dump)) > 0; ++*ret_line) {
                line[strcspn(line, "\n")] = '\0';
                if (line[0] == '\0' || line[1] != ' ')
                        return fail(u, "the line begins neither with d nor f nor l");
                if (function(u, line[0], line + 2) < 0)
                        return -1;
        }
        return ferror(dump) ? fail(u, "the dump cannot be read") : 0;
}

int unpack(FILE *dump, const char *root, const char **ret_error, unsigned *ret_line) {
        _cleanup_close_ int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct unpacker u = { .root = dir };

        *ret_line = 0;
        if (dir < 0)
                (void) fail(&u, "the tree cannot be opened");
        else if (for_each_line(&u, dump, ret_line, make) == 0)
                (void) for_each_line(&u, dump, ret_line, complete);
        *ret_error = u.error;
        return u.error ? -1 : 0;
}
