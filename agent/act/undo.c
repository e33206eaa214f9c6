/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

#include "agent/act/undo.h"
#include "agent/base/file-util.h"

/* The table has a line of this size for each value and holder; one that begins with a newline is
 * free. */
#define LINE_SIZE 512
#define PATH_SIZE 352

struct line {
        char holder[UNDO_HOLDER_MAX];
        char path[PATH_SIZE];
        off_t offset;
        size_t n;
        uint8_t bytes[UNDO_VALUE_MAX];
};

int undo_open(const char *path, const struct door *door, struct undo *ret) {
        int fd;

        assert(path && door && ret);

        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        *ret = (struct undo) { .fd = fd, .door = door };
        return fd < 0 ? -errno : 0;
}

void undo_close(struct undo *undo) {
        assert(undo);

        undo->fd = safe_close(undo->fd);
}

/* ---- the table ---- */

static int lock_table(const struct undo *undo) {
        int r;

        if (undo->fd < 0)
                return -EBADF;
        do
                r = flock(undo->fd, LOCK_EX);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

static void unlock_table(const struct undo *undo) {
        (void) flock(undo->fd, LOCK_UN);
}

static bool parse_bytes(const char *hex, struct line *line) {
        line->n = strlen(hex) / 2;
        for (size_t i = 0; i < line->n; i++)
                if (sscanf(hex + 2 * i, "%2" SCNx8, line->bytes + i) != 1)
                        return false;
        return line->n > 0;
}

/* 1, also of a free line or one that nobody understands, whose holder is ""; 0 at the end. */
static int read_line(const struct undo *undo, size_t i, struct line *ret) {
        char text[LINE_SIZE + 1] = {}, hex[2 * UNDO_VALUE_MAX + 1];
        ssize_t n = pread(undo->fd, text, LINE_SIZE, (off_t) (i * LINE_SIZE));
        intmax_t offset;

        if (n < 0)
                return -errno;
        if (n == 0)
                return 0;
        *ret = (struct line) {};
        if (text[0] == '\n')
                return 1;
        if (sscanf(text, "%47s %jd %64s %351[^\n]", ret->holder, &offset, hex, ret->path) != 4 ||
            !parse_bytes(hex, ret))
                ret->holder[0] = '\0';
        ret->offset = (off_t) offset;
        return 1;
}

static int write_line(const struct undo *undo, size_t i, const struct line *line) {
        char text[LINE_SIZE] = {}, hex[2 * UNDO_VALUE_MAX + 1] = "";

        for (size_t k = 0; line && k < line->n; k++)
                (void) snprintf(hex + 2 * k, 3, "%02" PRIx8, line->bytes[k]);
        if (line)
                (void) snprintf(text, sizeof(text), "%s %jd %s %s", line->holder,
                                (intmax_t) line->offset, hex, line->path);
        text[strlen(text)] = '\n';
        return pwrite_all(undo->fd, text, sizeof(text), (off_t) (i * LINE_SIZE));
}

static bool is_of(const struct line *line, const struct undo_value *value) {
        return line->holder[0] != '\0' && line->offset == value->offset &&
               strcmp(line->path, value->path) == 0;
}

/* What the table holds of a value. */
struct found {
        bool any;         /* somebody has changed it */
        bool others;      /* somebody else than this holder */
        bool own;         /* the holder has, on line OWN_LINE */
        size_t own_line;
        size_t free_line; /* one that can be written */
        struct line line; /* of any of them: all hold the same bytes */
};

static int find(const struct undo *undo, const char *holder, const struct undo_value *value,
                struct found *ret) {
        struct line line;
        bool free_found = false;
        size_t i;
        int r;

        *ret = (struct found) {};
        for (i = 0; (r = read_line(undo, i, &line)) > 0; i++) {
                if (line.holder[0] == '\0' && !free_found) {
                        free_found = true;
                        ret->free_line = i;
                }
                if (!is_of(&line, value))
                        continue;
                ret->any = true;
                ret->line = line;
                if (strcmp(line.holder, holder) == 0) {
                        ret->own = true;
                        ret->own_line = i;
                } else
                        ret->others = true;
        }
        if (!free_found)
                ret->free_line = i;
        return r;
}

/* ---- the values ---- */

static int read_value(const struct undo *undo, const struct undo_value *value, struct line *line) {
        ssize_t n = undo->door->read(value->fd, line->bytes,
                                     value->size > 0 ? value->size : sizeof(line->bytes),
                                     value->offset);

        if (n < 0)
                return -errno;
        if (value->size > 0)
                return n == (ssize_t) value->size ? 0 : -EIO;
        if (n == 0 || n == sizeof(line->bytes))
                return -EINVAL;
        if (line->bytes[n - 1] == '\n')
                n--;
        line->n = (size_t) n;
        return n > 0 ? 0 : -EINVAL;
}

static int write_value(const struct undo *undo, const struct undo_value *value, const void *bytes,
                       size_t n) {
        ssize_t r = undo->door->write(value->fd, bytes, n, value->offset);

        if (r < 0)
                return -errno;
        return r == (ssize_t) n ? 0 : -EIO;
}

static int note(const struct undo *undo, const char *holder, const struct undo_value *value,
                const struct found *found) {
        struct line line = found->line;
        int r;

        if (!found->any) {
                line = (struct line) { .offset = value->offset, .n = value->size };
                r = read_value(undo, value, &line);
                if (r < 0)
                        return r;
                (void) snprintf(line.path, sizeof(line.path), "%s", value->path);
        }
        (void) snprintf(line.holder, sizeof(line.holder), "%s", holder);
        return write_line(undo, found->free_line, &line);
}

static int change(const struct undo *undo, const char *holder, const struct undo_value *value,
                  const char *new) {
        struct found found;
        int r;

        r = find(undo, holder, value, &found);
        if (r < 0)
                return r;
        if (!found.own) {
                r = note(undo, holder, value, &found);
                if (r < 0)
                        return r;
        }
        r = write_value(undo, value, new, value->size > 0 ? value->size : strlen(new));
        if (r < 0 && !found.own)
                (void) write_line(undo, found.free_line, NULL);
        return r;
}

int undo_change(const struct undo *undo, const char *holder, const struct undo_value *value,
                const char *new) {
        int r;

        assert(undo && holder && value && new);
        assert(value->size <= UNDO_VALUE_MAX);

        if (strlen(value->path) >= PATH_SIZE || strlen(holder) >= UNDO_HOLDER_MAX)
                return -ENAMETOOLONG;
        r = lock_table(undo);
        if (r < 0)
                return r;
        r = change(undo, holder, value, new);
        unlock_table(undo);
        return r;
}

static int join(const struct undo *undo, const char *holder, const struct undo_value *value) {
        struct found found;
        int r;

        r = find(undo, holder, value, &found);
        if (r < 0 || !found.any)
                return r;
        r = found.own ? 0 : note(undo, holder, value, &found);
        return r < 0 ? r : 1;
}

int undo_join(const struct undo *undo, const char *holder, const struct undo_value *value) {
        int r;

        assert(undo && holder && value);

        r = lock_table(undo);
        if (r < 0)
                return r;
        r = join(undo, holder, value);
        unlock_table(undo);
        return r;
}

int undo_holds(const struct undo *undo, const char *holder, const struct undo_value *value) {
        struct found found;
        int r;

        assert(undo && holder && value);

        r = lock_table(undo);
        if (r < 0)
                return r;
        r = find(undo, holder, value, &found);
        unlock_table(undo);
        return r < 0 ? r : found.own;
}

/* With its device a value has gone. */
static bool has_gone(int r) {
        return r == -ENODEV || r == -ENXIO || r == -ENOENT;
}

static int put_back(const struct undo *undo, const char *holder, const struct undo_value *value) {
        struct found found;
        int r;

        r = find(undo, holder, value, &found);
        if (r < 0 || !found.own)
                return r;
        if (!found.others) {
                r = write_value(undo, value, found.line.bytes, found.line.n);
                if (r < 0 && !has_gone(r))
                        return r;
        }
        return write_line(undo, found.own_line, NULL);
}

int undo_put_back(const struct undo *undo, const char *holder, const struct undo_value *value) {
        int r;

        assert(undo && holder && value);

        r = lock_table(undo);
        if (r < 0)
                return r;
        r = put_back(undo, holder, value);
        unlock_table(undo);
        return r;
}

static int put_back_line(const struct undo *undo, size_t i, const struct line *line) {
        _cleanup_close_ int fd = open(line->path, O_RDWR | O_CLOEXEC);
        struct undo_value value = { .path = line->path, .fd = fd, .offset = line->offset };

        if (fd >= 0)
                return undo_put_back(undo, line->holder, &value);
        return has_gone(-errno) ? write_line(undo, i, NULL) : -errno;
}

int undo_put_back_all(const struct undo *undo, bool (*is_gone)(const char *holder, void *userdata),
                      void *userdata) {
        struct line line = {};
        int r, error = 0;

        assert(undo && is_gone);

        for (size_t i = 0; (r = read_line(undo, i, &line)) > 0; i++) {
                if (line.holder[0] == '\0' || !is_gone(line.holder, userdata))
                        continue;
                r = put_back_line(undo, i, &line);
                if (r < 0 && error == 0)
                        error = r;
        }
        return error < 0 ? error : r;
}
