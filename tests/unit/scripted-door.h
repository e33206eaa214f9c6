/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A door to files in a temporary directory that writes down what is written through it, in order,
 * as "FILE=TEXT", "FILE@OFFSET=HEX" or, for a SCSI reset, "FILE!KIND", and does what a script says:
 * fails, or changes another file as the kernel would. What the script says has to come to pass. */

#include <inttypes.h>

#include "agent/act/door.h"
#include "tests/unit/temp-dir.h"

struct reaction {
        const char *file;   /* is written, or read where READ */
        bool read;
        int error;          /* the errno; 0: it works */
        bool ignored;       /* what is written does not stay */
        const char *path;   /* then this file, of the directory ... */
        const char *text;   /* ... holds this */
        unsigned used;
};

static struct {
        const struct temp_dir *dir;
        struct reaction reactions[8];
        char trace[1024];
} script;

/* "nvme0/state" or "parameters/max_retries": the last two parts of its path. */
static inline void name_of(int fd, char *buf, size_t size) {
        char link[64], path[PATH_MAX], *p;
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                abort();
        path[n] = '\0';
        p = strrchr(path, '/');
        do
                p--;
        while (*p != '/');
        (void) snprintf(buf, size, "%.*s", (int) size - 1, p + 1);
}

static inline struct reaction *react(const char *name, bool read) {
        for (size_t i = 0; i < ELEMENTSOF(script.reactions); i++) {
                struct reaction *r = script.reactions + i;

                if (!r->file || strcmp(r->file, name) != 0 || r->read != read)
                        continue;
                r->used++;
                if (r->path)
                        write_text(temp_path(script.dir, "%s", r->path), r->text);
                return r;
        }
        return NULL;
}

static inline ssize_t scripted_read(int fd, void *buf, size_t size, off_t offset) {
        char name[128];
        struct reaction *r;

        name_of(fd, name, sizeof(name));
        if (strstr(name, "nuse") || strstr(name, "temp1_input"))
                (void) snprintf(script.trace + strlen(script.trace),
                                sizeof(script.trace) - strlen(script.trace), "%s? ", name);
        r = react(name, true);
        if (r && r->error) {
                errno = r->error;
                return -1;
        }
        return pread(fd, buf, size, offset);
}

static inline void trace_write(const char *name, const uint8_t *data, size_t n, off_t offset) {
        size_t used = strlen(script.trace), size = sizeof(script.trace);

        used += (size_t) snprintf(script.trace + used, size - used, "%s", name);
        if (offset == 0) {
                (void) snprintf(script.trace + used, size - used, "=%.*s ", (int) n, data);
                return;
        }
        used += (size_t) snprintf(script.trace + used, size - used, "@%jx=", (intmax_t) offset);
        for (size_t i = 0; i < n; i++)
                used += (size_t) snprintf(script.trace + used, size - used, "%02x", data[i]);
        (void) snprintf(script.trace + used, size - used, " ");
}

static inline ssize_t scripted_write(int fd, const void *data, size_t n, off_t offset) {
        char name[128];
        struct reaction *r;

        name_of(fd, name, sizeof(name));
        trace_write(name, data, n, offset);
        r = react(name, false);
        if (r && r->error) {
                errno = r->error;
                return -1;
        }
        if (r && r->ignored)
                return (ssize_t) n;
        if (offset == 0 && ftruncate(fd, 0) < 0) /* a text is all there is in an attribute */
                return -1;
        return pwrite(fd, data, n, offset);
}

static inline int scripted_reset(int fd, int kind) {
        size_t used = strlen(script.trace);
        char name[128];
        struct reaction *r;

        name_of(fd, name, sizeof(name));
        (void) snprintf(script.trace + used, sizeof(script.trace) - used, "%s!%#x ", name,
                        (unsigned) kind);
        r = react(name, false);
        if (r && r->error) {
                errno = r->error;
                return -1;
        }
        return 0;
}

static const struct door scripted_door = {
        .read = scripted_read,
        .write = scripted_write,
        .reset = scripted_reset,
};

/* All reactions have to have come to pass, and TRACE is all that was written since. */
#define assert_trace(expected)                                                                    \
        do {                                                                                      \
                for (size_t _i = 0; _i < ELEMENTSOF(script.reactions); _i++)                      \
                        if (script.reactions[_i].file && script.reactions[_i].used == 0)          \
                                fail_msg("%s: not used", script.reactions[_i].file);              \
                assert_string_equal(script.trace, expected);                                      \
                script.trace[0] = '\0';                                                           \
                memset(script.reactions, 0, sizeof(script.reactions));                            \
        } while (0)
