/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/base/file-util.h"
#include "agent/decide/names.h"
#include "agent/state-file.h"

/* Always as long: the longest name and number fit. Time is CLOCK_MONOTONIC, which goes on
 * as long as /run stays. */
#define STATE_LINE "state %-12s %020" PRIu64 "\n"

int state_file_open(const char *directory, const struct disk_id *disk, struct state_file *ret) {
        struct state_file file = {};

        assert(directory && disk && ret);

        /* The name holds all of the identity that a number can: another disk has another file. */
        if ((size_t) snprintf(file.path, sizeof(file.path), "%s/disk-%u:%u-%" PRIu64, directory,
                              major(disk->devnum), minor(disk->devnum),
                              disk->diskseq) >= sizeof(file.path))
                return -ENAMETOOLONG;
        file.fd = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file.fd < 0)
                return -errno;
        *ret = file;
        return 0;
}

void state_file_close(struct state_file *file) {
        assert(file);

        file->fd = safe_close(file->fd);
}

void state_file_remove(struct state_file *file) {
        assert(file);

        if (file->fd >= 0)
                (void) unlink(file->path);
        state_file_close(file);
}

int state_file_set(struct state_file *file, enum incident_state state, usec_t acted_at) {
        char line[64];
        int n;

        assert(file);

        n = snprintf(line, sizeof(line), STATE_LINE, incident_state_to_string(state), acted_at);
        return pwrite_all(file->fd, line, (size_t) n, 0);
}

static int write_mount(FILE *f, const struct mount_entry *entry) {
        const char *const texts[] = { entry->source, entry->root, entry->target, entry->fstype,
                                      entry->data };
        char escaped[4 * PATH_MAX];

        if (fprintf(f, "mount %d %u:%u %lu", entry->id, major(entry->devnum),
                    minor(entry->devnum), entry->flags) < 0)
                return -EIO;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int r = escape_octal(escaped, sizeof(escaped), texts[i]);

                if (r < 0)
                        return r;
                /* An empty text is written as "-", which no path and no option list is. */
                if (fprintf(f, " %s", escaped[0] ? escaped : "-") < 0)
                        return -EIO;
        }
        return fputc('\n', f) == EOF ? -EIO : 0;
}

int state_file_write(struct state_file *file, enum incident_state state, usec_t acted_at,
                     const struct mounts *mounts) {
        _cleanup_free_ char *text = NULL;
        FILE *f;
        size_t size;
        int r = 0;

        assert(file && mounts);

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (fprintf(f, STATE_LINE, incident_state_to_string(state), acted_at) < 0)
                r = -EIO;
        for (size_t i = 0; r == 0 && i < mounts->n; i++)
                r = write_mount(f, mounts->entries + i);
        if (fclose(f) != 0 && r == 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (ftruncate(file->fd, (off_t) size) < 0)
                return -errno;
        return pwrite_all(file->fd, text, size, 0);
}

static int take_text(char **rest, char *to, size_t size) {
        char *word = strsep(rest, " ");

        if (!word)
                return -EBADMSG;
        if (strcmp(word, "-") == 0)
                word[0] = '\0';
        unescape_octal(word);
        if (strlen(word) >= size)
                return -EBADMSG;
        strcpy(to, word);
        return 0;
}

static int parse_mount(char *line, struct mount_entry *entry) {
        unsigned major_nr, minor_nr;
        int r, used = 0;
        char *rest;

        *entry = (struct mount_entry) {};
        if (sscanf(line, "mount %d %u:%u %lu %n", &entry->id, &major_nr, &minor_nr,
                   &entry->flags, &used) != 4 ||
            used == 0)
                return -EBADMSG;
        entry->devnum = makedev(major_nr, minor_nr);
        rest = line + used;
        if ((r = take_text(&rest, entry->source, sizeof(entry->source))) < 0 ||
            (r = take_text(&rest, entry->root, sizeof(entry->root))) < 0 ||
            (r = take_text(&rest, entry->target, sizeof(entry->target))) < 0 ||
            (r = take_text(&rest, entry->fstype, sizeof(entry->fstype))) < 0 ||
            (r = take_text(&rest, entry->data, sizeof(entry->data))) < 0)
                return r;
        return rest ? -EBADMSG : 0;
}

static int add_mount(char *line, struct mounts *mounts) {
        struct mount_entry *entry = mounts_append(mounts);

        return entry ? parse_mount(line, entry) : -ENOMEM;
}

/* Cuts the newline. A line without one, or with a NUL, was never written whole: /run was full. */
static bool end_line(char *line, ssize_t n) {
        size_t length = strcspn(line, "\n");
        bool whole = line[length] == '\n' && length + 1 == (size_t) n;

        line[length] = '\0';
        return whole;
}

static int parse(FILE *f, enum incident_state *ret_state, usec_t *ret_acted_at,
                 struct mounts *mounts) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        char name[16];
        usec_t acted_at;
        ssize_t n;
        int state;

        n = getline(&line, &size, f);
        if (n < 0)
                return -ENODATA;
        if (!end_line(line, n) || sscanf(line, "state %15s %" SCNu64, name, &acted_at) != 2)
                return -EBADMSG;
        state = incident_state_from_string(name);
        if (state < 0)
                return -EBADMSG;
        while ((n = getline(&line, &size, f)) >= 0) {
                int r = end_line(line, n) ? add_mount(line, mounts) : -EBADMSG;

                if (r < 0)
                        return r;
        }
        *ret_state = (enum incident_state) state;
        *ret_acted_at = acted_at;
        return 0;
}

int state_file_read(struct state_file *file, enum incident_state *ret_state,
                    usec_t *ret_acted_at, struct mounts *ret_mounts) {
        _cleanup_fclose_ FILE *f = NULL;
        struct mounts mounts = {};
        int fd, r;

        assert(file && ret_state && ret_acted_at && ret_mounts);

        fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "r");
        if (!f) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        rewind(f);
        r = parse(f, ret_state, ret_acted_at, &mounts);
        if (r < 0) {
                mounts_clear(&mounts);
                return r;
        }
        *ret_mounts = mounts;
        return 0;
}
