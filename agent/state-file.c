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
#define STATE_LINE "state %-12s %-20s %d %020" PRIu64 " %020" PRIu64 "\n"
#define ACT_TIME " %020" PRIu64
#define HEAD_MAX 512

static int open_file(const char *path, int flags, struct state_file *ret) {
        struct state_file file = {};

        if ((size_t) snprintf(file.path, sizeof(file.path), "%s", path) >= sizeof(file.path))
                return -ENAMETOOLONG;
        file.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
        if (file.fd < 0)
                return -errno;
        *ret = file;
        return 0;
}

int state_file_open(const char *directory, const struct disk_id *disk, struct state_file *ret) {
        char path[PATH_MAX];

        assert(directory && disk && ret);

        /* The name holds all of the identity that a number can: another disk has another file. */
        if ((size_t) snprintf(path, sizeof(path), "%s/disk-%u:%u-%" PRIu64, directory,
                              major(disk->devnum), minor(disk->devnum),
                              disk->diskseq) >= sizeof(path))
                return -ENAMETOOLONG;
        return open_file(path, O_CREAT, ret);
}

int state_file_open_at(const char *path, struct state_file *ret) {
        assert(path && ret);

        return open_file(path, 0, ret);
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

/* Two lines; returns their length. */
static size_t format_head(char buf[HEAD_MAX], const struct memory *memory) {
        const struct ladder_past *past = &memory->past;
        size_t n;

        n = (size_t) snprintf(buf, HEAD_MAX, STATE_LINE "acts",
                              incident_state_to_string(past->state), step_to_string(past->act),
                              past->unmounted, past->acted_at, memory->suppressed_until);
        for (size_t i = 0; i < ELEMENTSOF(past->acts); i++)
                n += (size_t) snprintf(buf + n, HEAD_MAX - n, ACT_TIME, past->acts[i]);
        n += (size_t) snprintf(buf + n, HEAD_MAX - n, "\n");
        assert(n < HEAD_MAX);
        return n;
}

int state_file_set(struct state_file *file, const struct memory *memory) {
        char head[HEAD_MAX];

        assert(file && memory);

        return pwrite_all(file->fd, head, format_head(head, memory), 0);
}

static const char *const disk_kinds[_DISK_KIND_MAX] = {
        [DISK_SCSI] = "scsi",
        [DISK_NVME] = "nvme",
        [DISK_QUEUE] = "queue",
        [DISK_BIO] = "bio",
};

static const char *const volume_kinds[] = {
        [MOUNT_VOLUME_LVM] = "lvm",
        [MOUNT_VOLUME_CRYPT] = "crypt",
};

static int write_volumes(FILE *f, const struct mount_entry *entry) {
        char escaped[4 * MOUNT_VOLUME_NAME_MAX];

        for (unsigned i = 0; i < entry->n_volumes; i++) {
                const struct mount_volume *volume = entry->volumes + i;
                int r = escape_octal(escaped, sizeof(escaped), volume->name);

                if (r < 0)
                        return r;
                if (fprintf(f, " %s %s", volume_kinds[volume->kind], escaped) < 0)
                        return -EIO;
        }
        return fputc('\n', f) == EOF ? -EIO : 0;
}

static int write_texts(FILE *f, const char *const *texts, size_t n) {
        char escaped[4 * PATH_MAX];

        for (size_t i = 0; i < n; i++) {
                int r = escape_octal(escaped, sizeof(escaped), texts[i]);

                if (r < 0)
                        return r;
                /* An empty text is written as "-", which no path and no option list is. */
                if (fprintf(f, " %s", escaped[0] ? escaped : "-") < 0)
                        return -EIO;
        }
        return 0;
}

static int write_mount(FILE *f, const struct mount_entry *entry) {
        const char *const texts[] = { entry->source, entry->root, entry->target, entry->fstype,
                                      entry->data };
        int r;

        if (fprintf(f, "mount %d %u:%u %lu", entry->id, major(entry->devnum),
                    minor(entry->devnum), entry->flags) < 0)
                return -EIO;
        r = write_texts(f, texts, ELEMENTSOF(texts));
        return r < 0 ? r : write_volumes(f, entry);
}

static int write_property(FILE *f, const char *property) {
        int r;

        if (fprintf(f, "property") < 0)
                return -EIO;
        r = write_texts(f, &property, 1);
        return r < 0 ? r : fputc('\n', f) == EOF ? -EIO : 0;
}

static int write_disk(FILE *f, const struct state_disk *disk) {
        const struct disk_id *id = disk->id;
        const char *const texts[] = { disk_kinds[id->kind], id->name, id->serial, id->wwid,
                                      id->driver, id->address, id->domain,
                                      disk->nodes->reset_node };
        int r;

        if (fprintf(f, "disk %u:%u %" PRIu64 " %" PRIu64, major(id->devnum), minor(id->devnum),
                    id->diskseq, disk->properties->bytes) < 0)
                return -EIO;
        r = write_texts(f, texts, ELEMENTSOF(texts));
        if (r == 0 && fputc('\n', f) == EOF)
                r = -EIO;
        for (const char *p = NULL; r == 0 && (p = properties_next(disk->properties, p));)
                r = write_property(f, p);
        return r;
}

int state_file_write(struct state_file *file, const struct memory *memory,
                     const struct state_disk *disk, const struct mounts *mounts) {
        char head[HEAD_MAX];
        _cleanup_free_ char *text = NULL;
        FILE *f;
        size_t size;
        int r = 0;

        assert(file && memory && disk && mounts);

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        if (fwrite(head, format_head(head, memory), 1, f) != 1)
                r = -EIO;
        if (r == 0)
                r = write_disk(f, disk);
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

static int take_volumes(char *rest, struct mount_entry *entry) {
        while (rest) {
                struct mount_volume *volume = entry->volumes + entry->n_volumes;
                const char *kind = strsep(&rest, " ");
                size_t i = 0;
                int r;

                while (i < ELEMENTSOF(volume_kinds) && strcmp(kind, volume_kinds[i]) != 0)
                        i++;
                if (i == ELEMENTSOF(volume_kinds) ||
                    entry->n_volumes == ELEMENTSOF(entry->volumes))
                        return -EBADMSG;
                volume->kind = (enum mount_volume_kind) i;
                r = take_text(&rest, volume->name, sizeof(volume->name));
                if (r < 0)
                        return r;
                entry->n_volumes++;
        }
        return 0;
}

static int parse_mount(char *line, struct mount_entry *entry) {
        unsigned major_nr, minor_nr;
        int r, used = 0;
        char *rest;

        *entry = (struct mount_entry) { .errors = UINT64_MAX };
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
        return take_volumes(rest, entry);
}

static int add_mount(char *line, struct mounts *mounts) {
        struct mount_entry *entry = mounts_append(mounts);

        return entry ? parse_mount(line, entry) : -ENOMEM;
}

static int parse_disk(char *line, struct disk_found *disk) {
        struct disk_id *id = &disk->id;
        unsigned major_nr, minor_nr;
        size_t kind = 0;
        char word[16], *rest;
        int r, used = 0;

        if (id->name[0] || sscanf(line, "disk %u:%u %" SCNu64 " %" SCNu64 " %n", &major_nr,
                                  &minor_nr, &id->diskseq, &disk->properties.bytes, &used) != 4 ||
            used == 0)
                return -EBADMSG;
        rest = line + used;
        if ((r = take_text(&rest, word, sizeof(word))) < 0 ||
            (r = take_text(&rest, id->name, sizeof(id->name))) < 0 ||
            (r = take_text(&rest, id->serial, sizeof(id->serial))) < 0 ||
            (r = take_text(&rest, id->wwid, sizeof(id->wwid))) < 0 ||
            (r = take_text(&rest, id->driver, sizeof(id->driver))) < 0 ||
            (r = take_text(&rest, id->address, sizeof(id->address))) < 0 ||
            (r = take_text(&rest, id->domain, sizeof(id->domain))) < 0 ||
            (r = take_text(&rest, disk->nodes.reset_node, sizeof(disk->nodes.reset_node))) < 0)
                return r;
        while (kind < ELEMENTSOF(disk_kinds) && strcmp(word, disk_kinds[kind]) != 0)
                kind++;
        if (rest || kind == ELEMENTSOF(disk_kinds) || !id->name[0] || strchr(id->name, '/'))
                return -EBADMSG;
        id->devnum = makedev(major_nr, minor_nr);
        id->kind = disk->nodes.kind = (enum disk_kind) kind;
        disk->nodes.diskseq = id->diskseq;
        return 0;
}

/* Ours come first: see struct properties. */
static int parse_property(char *line, struct properties *properties) {
        char *rest = line + strlen("property "), *value;
        char text[PROPERTIES_MAX];
        int r;

        r = take_text(&rest, text, sizeof(text));
        if (r < 0)
                return r;
        value = strchr(text, '=');
        if (rest || !value)
                return -EBADMSG;
        *value++ = '\0';
        if (!properties_add(properties, text, value))
                return -EBADMSG;
        if (strncmp(text, "UNHANG_", strlen("UNHANG_")) == 0)
                properties->ours = properties->size;
        return 0;
}

static int parse_line(char *line, struct disk_found *disk, struct mounts *mounts) {
        if (strncmp(line, "disk ", strlen("disk ")) == 0)
                return parse_disk(line, disk);
        if (strncmp(line, "property ", strlen("property ")) == 0)
                return parse_property(line, &disk->properties);
        return add_mount(line, mounts);
}

/* Cuts the newline. A line without one, or with a NUL, was never written whole: /run was full. */
static bool end_line(char *line, ssize_t n) {
        size_t length = strcspn(line, "\n");
        bool whole = line[length] == '\n' && length + 1 == (size_t) n;

        line[length] = '\0';
        return whole;
}

static int parse_state(const char *line, struct memory *memory) {
        struct ladder_past *past = &memory->past;
        int state, step, unmounted, end = 0;
        char name[16], act[24];

        if (sscanf(line, "state %15s %23s %1d %" SCNu64 " %" SCNu64 "%n", name, act, &unmounted,
                   &past->acted_at, &memory->suppressed_until, &end) != 5 ||
            line[end] != '\0')
                return -EBADMSG;
        state = incident_state_from_string(name);
        step = step_from_string(act);
        if (state < 0 || step < 0)
                return -EBADMSG;
        past->state = (enum incident_state) state;
        past->act = (enum step) step;
        past->unmounted = unmounted != 0;
        return 0;
}

static int parse_acts(const char *line, struct memory *memory) {
        if (strncmp(line, "acts", strlen("acts")) != 0)
                return -EBADMSG;
        line += strlen("acts");
        for (size_t i = 0; i < ELEMENTSOF(memory->past.acts); i++) {
                int end = 0;

                if (sscanf(line, " %" SCNu64 "%n", memory->past.acts + i, &end) != 1)
                        return -EBADMSG;
                line += end;
        }
        return *line == '\0' ? 0 : -EBADMSG;
}

static int parse(FILE *f, struct memory *memory, struct disk_found *disk,
                 struct mounts *mounts) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        n = getline(&line, &size, f);
        if (n < 0)
                return -ENODATA;
        if (!end_line(line, n) || parse_state(line, memory) < 0)
                return -EBADMSG;
        n = getline(&line, &size, f);
        if (n < 0 || !end_line(line, n) || parse_acts(line, memory) < 0)
                return -EBADMSG;
        while ((n = getline(&line, &size, f)) >= 0) {
                int r = end_line(line, n) ? parse_line(line, disk, mounts) : -EBADMSG;

                if (r < 0)
                        return r;
        }
        return 0;
}

int state_file_read(struct state_file *file, struct memory *ret, struct disk_found *ret_disk,
                    struct mounts *ret_mounts) {
        _cleanup_fclose_ FILE *f = NULL;
        struct disk_found disk = {};
        struct mounts mounts = {};
        struct memory memory = {};
        int fd, r;

        assert(file && ret && ret_disk && ret_mounts);

        fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "r");
        if (!f) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        rewind(f);
        r = parse(f, &memory, &disk, &mounts);
        if (r < 0) {
                mounts_clear(&mounts);
                return r;
        }
        *ret = memory;
        *ret_disk = disk;
        *ret_mounts = mounts;
        return 0;
}
